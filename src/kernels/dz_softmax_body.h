/* The kernels of dz_softmax.h; see dz_levels.h for T and DZ_NAME. */

DZ_INLINE T DZ_NAME(dz_row_max)(const T *x, ptrdiff_t n)
{
    T m[8];
    ptrdiff_t i, k;
    if (n < 16) {
        T r = x[0];
        for (i = 1; i < n; i++)
            r = (r >= x[i] || r != r) ? r : x[i];
        return r;
    }
    for (k = 0; k < 8; k++)
        m[k] = x[k];
    for (i = 8; i + 8 <= n; i += 8)
        for (k = 0; k < 8; k++)
            m[k] = (m[k] >= x[i + k] || m[k] != m[k]) ? m[k] : x[i + k];
    for (; i < n; i++)
        m[0] = (m[0] >= x[i] || m[0] != m[0]) ? m[0] : x[i];
    for (k = 1; k < 8; k++)
        m[0] = (m[0] >= m[k] || m[0] != m[0]) ? m[0] : m[k];
    return m[0];
}

/* NumPy's add loop with one output adds pairwise. */
DZ_INLINE T DZ_NAME(dz_row_sum)(const T *x, ptrdiff_t n)
{
    T s = 0;
    char *args[3] = {(char *)&s, (char *)x, (char *)&s};
    ptrdiff_t st[3] = {0, sizeof(T), 0}, i;
    if (n < 8) { /* what that loop does for few values */
        for (i = 0; i < n; i++)
            s += x[i];
        return s;
    }
    dz_np.loop[DZ_FN_ADD][DZ_DT](args, &n, st, dz_np.data[DZ_FN_ADD][DZ_DT]);
    return s;
}

/* Rows in a block: about 16 KB of them. */
DZ_INLINE ptrdiff_t DZ_NAME(dz_block)(ptrdiff_t rows, ptrdiff_t n)
{
    const ptrdiff_t b = 16384 / (ptrdiff_t)sizeof(T) / (n ? n : 1);
    return b < 1 ? 1 : b < rows ? b : rows;
}

/* y = exp(x - max of the row). */
DZ_INLINE void DZ_NAME(dz_exp_rows)(ptrdiff_t rows, ptrdiff_t n, const T *x, T *y)
{
    ptrdiff_t i, j;
    for (i = 0; i < rows; i++) {
        const T m = DZ_NAME(dz_row_max)(x + i * n, n);
        for (j = 0; j < n; j++)
            y[i * n + j] = x[i * n + j] - m;
    }
    DZ_EXP(rows * n, y, y);
}

static void DZ_NAME(dz_softmax)(ptrdiff_t rows, ptrdiff_t n, const char *xp, char *yp)
{
    const T *x = (const T *)xp;
    T *y = (T *)yp;
    const ptrdiff_t b = DZ_NAME(dz_block)(rows, n);
    ptrdiff_t i0, i, j;
    for (i0 = 0; n > 0 && i0 < rows; i0 += b) {
        const ptrdiff_t r = rows - i0 < b ? rows - i0 : b;
        DZ_NAME(dz_exp_rows)(r, n, x + i0 * n, y + i0 * n);
        for (i = i0; i < i0 + r; i++) {
            T *yi = y + i * n;
            const T s = DZ_NAME(dz_row_sum)(yi, n);
            for (j = 0; j < n; j++)
                yi[j] /= s;
        }
    }
}

static void DZ_NAME(dz_softmax_grad)(ptrdiff_t rows, ptrdiff_t n, const char *yp, const char *gyp, char *gxp)
{
    ptrdiff_t i, j;
    for (i = 0; i < rows; i++) {
        const T *y = (const T *)yp + i * n, *gy = (const T *)gyp + i * n;
        T *gx = (T *)gxp + i * n, s;
        for (j = 0; j < n; j++)
            gx[j] = y[j] * gy[j];
        s = DZ_NAME(dz_row_sum)(gx, n);
        for (j = 0; j < n; j++)
            gx[j] -= y[j] * s;
    }
}

static void DZ_NAME(dz_log_softmax)(ptrdiff_t rows, ptrdiff_t n, const char *xp, char *yp)
{
    T s;
    ptrdiff_t i, j;
    for (i = 0; n > 0 && i < rows; i++) {
        const T *x = (const T *)xp + i * n;
        T *y = (T *)yp + i * n, m = DZ_NAME(dz_row_max)(x, n);
        DZ_NAME(dz_exp_rows)(1, n, x, y);
        s = DZ_NAME(dz_row_sum)(y, n);
        DZ_LOG(1, &s, &s);
        m += s;
        for (j = 0; j < n; j++)
            y[j] = x[j] - m;
    }
}

static void DZ_NAME(dz_log_softmax_grad)(ptrdiff_t rows, ptrdiff_t n, const char *yp, const char *gyp, char *gxp)
{
    const ptrdiff_t b = DZ_NAME(dz_block)(rows, n);
    ptrdiff_t i0, i, j;
    for (i0 = 0; n > 0 && i0 < rows; i0 += b) {
        const ptrdiff_t r = rows - i0 < b ? rows - i0 : b;
        T *gx = (T *)gxp + i0 * n;
        DZ_EXP(r * n, (const T *)yp + i0 * n, gx);
        for (i = 0; i < r; i++) {
            const T *gy = (const T *)gyp + (i0 + i) * n;
            const T s = DZ_NAME(dz_row_sum)(gy, n);
            for (j = 0; j < n; j++)
                gx[i * n + j] = gy[j] - gx[i * n + j] * s;
        }
    }
}

static void DZ_NAME(dz_pick_log_softmax)(ptrdiff_t rows, ptrdiff_t n, const char *xp, const ptrdiff_t *t, char *pp, char *zp)
{
    const T *x = (const T *)xp;
    T *p = (T *)pp, *z = (T *)zp;
    const ptrdiff_t b = DZ_NAME(dz_block)(rows, n);
    ptrdiff_t i0, i;
    for (i0 = 0; n > 0 && i0 < rows; i0 += b) {
        const ptrdiff_t r = rows - i0 < b ? rows - i0 : b;
        DZ_NAME(dz_exp_rows)(r, n, x + i0 * n, z);
        for (i = 0; i < r; i++)
            p[i0 + i] = DZ_NAME(dz_row_sum)(z + i * n, n);
    }
    DZ_LOG(rows, p, p);
    for (i = 0; i < rows; i++)
        p[i] = x[i * n + t[i]] - (DZ_NAME(dz_row_max)(x + i * n, n) + p[i]);
}

static void DZ_NAME(dz_cross_entropy_grad)(ptrdiff_t rows, ptrdiff_t n, const char *xp, const ptrdiff_t *t, double gd, char *gxp)
{
    const T g = (T)gd;
    const ptrdiff_t b = DZ_NAME(dz_block)(rows, n);
    ptrdiff_t i0, i, j;
    for (i0 = 0; n > 0 && i0 < rows; i0 += b) {
        const ptrdiff_t r = rows - i0 < b ? rows - i0 : b;
        T *gx = (T *)gxp + i0 * n;
        DZ_NAME(dz_exp_rows)(r, n, (const T *)xp + i0 * n, gx);
        for (i = 0; i < r; i++) {
            T *row = gx + i * n;
            const T s = DZ_NAME(dz_row_sum)(row, n);
            for (j = 0; j < n; j++)
                row[j] = row[j] / s;
            row[t[i0 + i]] -= 1;
            for (j = 0; j < n; j++)
                row[j] *= g;
        }
    }
}
