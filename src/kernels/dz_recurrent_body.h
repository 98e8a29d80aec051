/* s = sigmoid(x), in the bits of the operation. */
DZ_INLINE void DZ_NAME(dz_sigmoids)(ptrdiff_t n, const T *x, T *s)
{
    ptrdiff_t i;
    for (i = 0; i < n; i++)
        s[i] = x[i] < 0 ? x[i] : -x[i];
    DZ_EXP(n, s, s);
    for (i = 0; i < n; i++)
        s[i] = (x[i] < 0 ? s[i] : (T)1) / (1 + s[i]);
}

static void DZ_NAME(dz_lstm_cell)(ptrdiff_t n, const char *f, const char *i_, const char *u, const char *c_, char *act, char *y_)
{
    T *sf = (T *)act, *si = sf + n, *tu = si + n, *y = (T *)y_;
    const T *c = (const T *)c_;
    ptrdiff_t k;
    DZ_NAME(dz_sigmoids)(n, (const T *)f, sf);
    DZ_NAME(dz_sigmoids)(n, (const T *)i_, si);
    DZ_TANH(n, u, tu);
    for (k = 0; k < n; k++)
        y[k] = sf[k] * c[k] + si[k] * tu[k];
}

static void DZ_NAME(dz_lstm_cell_grad)(ptrdiff_t n, const char *act, const char *c_, const char *gy_, char *gf_, char *gi_,
                                       char *gu_, char *gc_)
{
    const T *sf = (const T *)act, *si = sf + n, *tu = si + n, *c = (const T *)c_, *gy = (const T *)gy_;
    T *gf = (T *)gf_, *gi = (T *)gi_, *gu = (T *)gu_, *gc = (T *)gc_;
    ptrdiff_t k;
    DZ_IVDEP
    for (k = 0; k < n; k++) {
        const T g = gy[k];
        gf[k] = g * c[k] * sf[k] * (1 - sf[k]);
        gi[k] = g * tu[k] * si[k] * (1 - si[k]);
        gu[k] = g * si[k] * (1 - tu[k] * tu[k]);
        gc[k] = g * sf[k];
    }
}

static void DZ_NAME(dz_lstm_output)(ptrdiff_t n, const char *o, const char *c, char *act, char *y_)
{
    T *so = (T *)act, *tc = so + n, *y = (T *)y_;
    ptrdiff_t k;
    DZ_NAME(dz_sigmoids)(n, (const T *)o, so);
    DZ_TANH(n, c, tc);
    for (k = 0; k < n; k++)
        y[k] = so[k] * tc[k];
}

static void DZ_NAME(dz_lstm_output_grad)(ptrdiff_t n, const char *act, const char *gy_, char *go_, char *gc_)
{
    const T *so = (const T *)act, *tc = so + n, *gy = (const T *)gy_;
    T *go = (T *)go_, *gc = (T *)gc_;
    ptrdiff_t k;
    DZ_IVDEP
    for (k = 0; k < n; k++) {
        const T g = gy[k];
        go[k] = g * tc[k] * so[k] * (1 - so[k]);
        gc[k] = g * so[k] * (1 - tc[k] * tc[k]);
    }
}
