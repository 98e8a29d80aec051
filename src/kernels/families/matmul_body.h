/* Row after row of the result, so that the inner loop runs along contiguous values and adds to each element in order. */

static void DZ_NAME(dz_mm_gx)(const char *gy_, const char *w_, char *gx_, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    const T *gy = (const T *)gy_, *w = (const T *)w_;
    T *gx = (T *)gx_, wt[DZ_MM_SMALL];
    ptrdiff_t i, j, l;
    for (l = 0; l < k; l++)
        for (j = 0; j < n; j++)
            wt[j * k + l] = w[l * n + j];
    for (i = 0; i < m; i++, gx += k, gy += n) {
        if (!acc)
            memset(gx, 0, sizeof(T) * (size_t)k);
        for (j = 0; j < n; j++) {
            const T g = gy[j], *const row = wt + j * k;
            DZ_IVDEP
            for (l = 0; l < k; l++)
                gx[l] += g * row[l];
        }
    }
}

static void DZ_NAME(dz_mm_gw)(const char *x_, const char *gy_, char *gw_, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    const T *x = (const T *)x_, *gy = (const T *)gy_;
    ptrdiff_t i, j, l;
    if (!acc)
        memset(gw_, 0, sizeof(T) * (size_t)(k * n));
    if (n == 1) { /* x's rows are as long as gw */
        T *gw = (T *)gw_;
        for (i = 0; i < m; i++, x += k) {
            const T s = gy[i];
            DZ_IVDEP
            for (l = 0; l < k; l++)
                gw[l] += s * x[l];
        }
        return;
    }
    for (i = 0; i < m; i++, x += k, gy += n) {
        T *gw = (T *)gw_;
        for (l = 0; l < k; l++, gw += n) {
            const T s = x[l];
            DZ_IVDEP
            for (j = 0; j < n; j++)
                gw[j] += s * gy[j];
        }
    }
}

static void DZ_NAME(dz_mm_bias)(char *y_, const char *b_, ptrdiff_t m, ptrdiff_t n)
{
    const T *b = (const T *)b_;
    T *y = (T *)y_;
    ptrdiff_t i, j;
    for (i = 0; i < m; i++, y += n) {
        DZ_IVDEP
        for (j = 0; j < n; j++)
            y[j] += b[j];
    }
}

static void DZ_NAME(dz_mm_outer)(const char *a, ptrdiff_t a0, const char *b_, char *c_, ptrdiff_t m, ptrdiff_t n)
{
    const T *b = (const T *)b_;
    T *c = (T *)c_;
    ptrdiff_t i, j;
    for (i = 0; i < m; i++, c += n) {
        const T s = *(const T *)(a + i * a0);
        DZ_IVDEP
        for (j = 0; j < n; j++)
            c[j] = s * b[j];
    }
}
