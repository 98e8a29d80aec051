/* The kernels of families/losses.h; see core/levels.h for T and DZ_NAME. */

static void DZ_NAME(dz_squared_error)(ptrdiff_t n, const char *x0, const char *x1, char *yp)
{
    const T *a = (const T *)x0, *b = (const T *)x1;
    T *y = (T *)yp;
    ptrdiff_t i;
    DZ_IVDEP
    for (i = 0; i < n; i++) {
        const T d = a[i] - b[i];
        y[i] = d * d;
    }
}

static void DZ_NAME(dz_squared_error_grad)(ptrdiff_t n, const char *x0, const char *x1, double gyd, double cd, char *gx0,
                                           char *gx1)
{
    const T *a = (const T *)x0, *b = (const T *)x1, gy = (T)gyd, c = (T)cd;
    T *g0 = (T *)gx0, *g1 = (T *)gx1;
    ptrdiff_t i;
    if (g0 && g1) {
        DZ_IVDEP
        for (i = 0; i < n; i++) {
            const T e = gy * (a[i] - b[i]) * c;
            g0[i] = e;
            g1[i] = -e;
        }
        return;
    }
    if (g0) {
        DZ_IVDEP
        for (i = 0; i < n; i++)
            g0[i] = gy * (a[i] - b[i]) * c;
    }
    if (g1) {
        DZ_IVDEP
        for (i = 0; i < n; i++)
            g1[i] = -(gy * (a[i] - b[i]) * c);
    }
}
