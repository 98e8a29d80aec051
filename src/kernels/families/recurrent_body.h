/* The kernels of families/recurrent.h; see core/levels.h for T and DZ_NAME. */

static void DZ_NAME(dz_lstm_cell)(ptrdiff_t n, const char *z_, const char *c_, char *act, char *y_)
{
    const T *z = (const T *)z_, *c = (const T *)c_;
    T *sf = (T *)act, *si = sf + n, *tu = si + n, *y = (T *)y_;
    ptrdiff_t k;
    DZ_PASS(sigmoid, 2 * n, z, sf); /* f and i lie together in both */
    DZ_PASS(tanh, n, z + 3 * n, tu);
    for (k = 0; k < n; k++)
        y[k] = sf[k] * c[k] + si[k] * tu[k];
}

static void DZ_NAME(dz_lstm_cell_grad)(ptrdiff_t n, const char *act, const char *c_, const char *gy_, char *gz, char *gc_)
{
    const T *sf = (const T *)act, *si = sf + n, *tu = si + n, *c = (const T *)c_, *gy = (const T *)gy_;
    T *gf = (T *)gz, *gi = gf + n, *gu = gf + 3 * n, *gc = (T *)gc_;
    ptrdiff_t k;
    DZ_IVDEP
    for (k = 0; k < n; k++) {
        const T g = gy[k];
        gf[k] += g * c[k] * sf[k] * (1 - sf[k]);
        gi[k] += g * tu[k] * si[k] * (1 - si[k]);
        gu[k] += g * si[k] * (1 - tu[k] * tu[k]);
    }
    if (gc) {
        DZ_IVDEP
        for (k = 0; k < n; k++)
            gc[k] += gy[k] * sf[k];
    }
}

static void DZ_NAME(dz_lstm_output)(ptrdiff_t n, const char *z, const char *c, char *act, char *y_)
{
    T *so = (T *)act, *tc = so + n, *y = (T *)y_;
    ptrdiff_t k;
    DZ_PASS(sigmoid, n, (const T *)z + 2 * n, so);
    DZ_PASS(tanh, n, c, tc);
    for (k = 0; k < n; k++)
        y[k] = so[k] * tc[k];
}

static void DZ_NAME(dz_lstm_output_grad)(ptrdiff_t n, const char *act, const char *gy_, char *gz, char *gc_)
{
    const T *so = (const T *)act, *tc = so + n, *gy = (const T *)gy_;
    T *go = (T *)gz + 2 * n, *gc = (T *)gc_;
    ptrdiff_t k;
    DZ_IVDEP
    for (k = 0; k < n; k++) {
        const T g = gy[k];
        go[k] += g * tc[k] * so[k] * (1 - so[k]);
        gc[k] += g * so[k] * (1 - tc[k] * tc[k]);
    }
}
