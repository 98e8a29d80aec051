#ifndef DZ_ROOT
#define DZ_ROOT(a) (DZ_DT == DZ_F64 ? (T)sqrt((double)(a)) : (T)sqrtf((float)(a)))
#endif

/* p -= lr g */
static void DZ_NAME(dz_sgd)(ptrdiff_t n, char *p_, const char *g_, const double *c)
{
    T *DZ_RESTRICT p = (T *)p_;
    const DZ_GRAD *DZ_RESTRICT g = (const DZ_GRAD *)g_, lr = (DZ_GRAD)c[0];
    ptrdiff_t i;
    for (i = 0; i < n; i++)
        p[i] -= lr * g[i];
}

/* v = momentum v - lr g; p += v */
static void DZ_NAME(dz_momentum)(ptrdiff_t n, char *p_, const char *g_, char *v_, const double *c)
{
    T *DZ_RESTRICT p = (T *)p_, *DZ_RESTRICT v = (T *)v_;
    const DZ_GRAD *DZ_RESTRICT g = (const DZ_GRAD *)g_;
    const DZ_GRAD lr = (DZ_GRAD)c[0];
    const T momentum = (T)c[1];
    ptrdiff_t i;
    for (i = 0; i < n; i++) {
        v[i] = v[i] * momentum - lr * g[i];
        p[i] += v[i];
    }
}

/* v = momentum v - lr g; p += momentum v - lr g */
static void DZ_NAME(dz_nesterov)(ptrdiff_t n, char *p_, const char *g_, char *v_, const double *c)
{
    T *DZ_RESTRICT p = (T *)p_, *DZ_RESTRICT v = (T *)v_;
    const DZ_GRAD *DZ_RESTRICT g = (const DZ_GRAD *)g_;
    const DZ_GRAD lr = (DZ_GRAD)c[0];
    const T momentum = (T)c[1];
    ptrdiff_t i;
    for (i = 0; i < n; i++) {
        const DZ_GRAD step = lr * g[i];
        v[i] = v[i] * momentum - step;
        p[i] += momentum * v[i] - step;
    }
}

/* h += g g; p -= lr g / (sqrt(h) + eps) */
static void DZ_NAME(dz_adagrad)(ptrdiff_t n, char *p_, const char *g_, char *h_, const double *c)
{
    T *DZ_RESTRICT p = (T *)p_, *DZ_RESTRICT h = (T *)h_;
    const DZ_GRAD *DZ_RESTRICT g = (const DZ_GRAD *)g_;
    const DZ_GRAD lr = (DZ_GRAD)c[0];
    const T eps = (T)c[1];
    ptrdiff_t i;
    for (i = 0; i < n; i++) {
        h[i] += g[i] * g[i];
        p[i] -= lr * g[i] / (DZ_ROOT(h[i]) + eps);
    }
}

/* h = alpha h + (1 - alpha) g g; p -= lr g / (sqrt(h) + eps) */
static void DZ_NAME(dz_rmsprop)(ptrdiff_t n, char *p_, const char *g_, char *h_, const double *c)
{
    T *DZ_RESTRICT p = (T *)p_, *DZ_RESTRICT h = (T *)h_;
    const DZ_GRAD *DZ_RESTRICT g = (const DZ_GRAD *)g_;
    const DZ_GRAD lr = (DZ_GRAD)c[0], beta = (DZ_GRAD)(1 - c[1]);
    const T alpha = (T)c[1], eps = (T)c[2];
    ptrdiff_t i;
    for (i = 0; i < n; i++) {
        h[i] = h[i] * alpha + beta * (g[i] * g[i]);
        p[i] -= lr * g[i] / (DZ_ROOT(h[i]) + eps);
    }
}

/* s = rho s + (1 - rho) g g; dx = sqrt((d + eps) / (s + eps)) g; d = rho d + (1 - rho) dx dx; p -= dx */
static void DZ_NAME(dz_adadelta)(ptrdiff_t n, char *p_, const char *g_, char *s_, char *d_, const double *c)
{
    T *DZ_RESTRICT p = (T *)p_, *DZ_RESTRICT s = (T *)s_, *DZ_RESTRICT d = (T *)d_;
    const DZ_GRAD *DZ_RESTRICT g = (const DZ_GRAD *)g_;
    const DZ_GRAD rest = (DZ_GRAD)(1 - c[0]);
    const T rho = (T)c[0], eps = (T)c[1];
    ptrdiff_t i;
    for (i = 0; i < n; i++) {
        DZ_GRAD dx;
        s[i] = s[i] * rho + rest * (g[i] * g[i]);
        dx = DZ_ROOT((d[i] + eps) / (s[i] + eps)) * g[i];
        d[i] = d[i] * rho + rest * (dx * dx);
        p[i] -= dx;
    }
}

/* m += (1 - beta1) (g - m); v += (1 - beta2) (g g - v); p -= decay p + lr m / (sqrt(v) + eps) */
static void DZ_NAME(dz_adam)(ptrdiff_t n, char *p_, const char *g_, char *m_, char *v_, const double *c)
{
    T *DZ_RESTRICT p = (T *)p_, *DZ_RESTRICT m = (T *)m_, *DZ_RESTRICT v = (T *)v_;
    const DZ_GRAD *DZ_RESTRICT g = (const DZ_GRAD *)g_;
    const DZ_GRAD rest1 = (DZ_GRAD)(1 - c[1]), rest2 = (DZ_GRAD)(1 - c[2]);
    const T lr = (T)c[0], eps = (T)c[3], decay = (T)c[4];
    ptrdiff_t i;
    if (decay != 0)
        for (i = 0; i < n; i++)
            p[i] -= decay * p[i];
    for (i = 0; i < n; i++) {
        m[i] += rest1 * (g[i] - m[i]);
        v[i] += rest2 * (g[i] * g[i] - v[i]);
        p[i] -= lr * m[i] / (DZ_ROOT(v[i]) + eps);
    }
}
