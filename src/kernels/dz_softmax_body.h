/* The kernels of dz_softmax.h; see dz_levels.h for T and DZ_NAME. */
#include "dz_rows.h"

/* Rows in a block: about 8 KB of them. */
DZ_INLINE ptrdiff_t DZ_NAME(dz_block)(ptrdiff_t rows, ptrdiff_t n)
{
    const ptrdiff_t b = 8192 / (ptrdiff_t)sizeof(T) / (n ? n : 1);
    return b < 1 ? 1 : b < rows ? b : rows;
}

/* y = exp(x - max of the row). */
DZ_INLINE void DZ_NAME(dz_exp_rows)(ptrdiff_t rows, ptrdiff_t n, const T *x, T *y)
{
    DZ_BITS beyond = 0;
    ptrdiff_t i, j;
    for (i = 0; i < rows; i++) {
        const T m = DZ_NAME(dz_row_max)(x + i * n, n);
        for (j = 0; j < n; j++) {
            const T d = x[i * n + j] - m;
            beyond |= DZ_EXP_BEYOND(d);
            y[i * n + j] = d;
        }
    }
    if (beyond < 0)
        DZ_EXP(rows * n, y, y);
    else
        for (i = 0; i < rows * n; i += DZ_CHUNK)
            DZ_EXP_CHUNK(rows * n - i < DZ_CHUNK ? rows * n - i : DZ_CHUNK, y + i, y + i);
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
            const T s = 1 / DZ_NAME(dz_row_sum)(yi, n); /* a sum is 1 at least */
            for (j = 0; j < n; j++)
                yi[j] *= s;
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

/* ---- along another axis: columns of n values, `inner` apart; blocks of columns, whose sums and largest values are kept here - */

#define DZ_COLUMNS 128

/* What follows runs for each block: `at` is the place of its first value, w its width. */
#define DZ_EACH_BLOCK                                                                                                \
    for (o = 0; o < outer; o++)                                                                                      \
        for (j = 0; j < inner; j += DZ_COLUMNS)                                                                      \
            if (at = o * n * inner + j, w = inner - j < DZ_COLUMNS ? inner - j : DZ_COLUMNS, 1)

DZ_INLINE void DZ_NAME(dz_column_max)(ptrdiff_t n, ptrdiff_t inner, ptrdiff_t w, const T *x, T *top)
{
    ptrdiff_t i, k;
    memcpy(top, x, sizeof(T) * (size_t)w);
    for (i = 1; i < n; i++)
        for (k = 0; k < w; k++)
            top[k] = x[i * inner + k] > top[k] ? x[i * inner + k] : top[k];
}

static void DZ_NAME(dz_softmax_columns)(ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, const char *xp, char *yp)
{
    T top[DZ_COLUMNS], s[DZ_COLUMNS];
    ptrdiff_t o, i, j, k, w, at;
    DZ_EACH_BLOCK {
        const T *x = (const T *)xp + at;
        T *y = (T *)yp + at;
        DZ_NAME(dz_column_max)(n, inner, w, x, top);
        memset(s, 0, sizeof(s));
        for (i = 0; i < n; i++) {
            T *yi = y + i * inner;
            for (k = 0; k < w; k++)
                yi[k] = x[i * inner + k] - top[k];
            DZ_EXP(w, yi, yi);
            for (k = 0; k < w; k++)
                s[k] += yi[k];
        }
        for (k = 0; k < w; k++)
            s[k] = 1 / s[k];
        for (i = 0; i < n; i++)
            for (k = 0; k < w; k++)
                y[i * inner + k] *= s[k];
    }
}

static void DZ_NAME(dz_softmax_grad_columns)(ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, const char *yp, const char *gyp,
                                             char *gxp)
{
    T s[DZ_COLUMNS];
    ptrdiff_t o, i, j, k, w, at;
    DZ_EACH_BLOCK {
        const T *y = (const T *)yp + at, *gy = (const T *)gyp + at;
        T *gx = (T *)gxp + at;
        memset(s, 0, sizeof(s));
        for (i = 0; i < n; i++)
            for (k = 0; k < w; k++)
                s[k] += gx[i * inner + k] = y[i * inner + k] * gy[i * inner + k];
        for (i = 0; i < n; i++)
            for (k = 0; k < w; k++)
                gx[i * inner + k] -= y[i * inner + k] * s[k];
    }
}

static void DZ_NAME(dz_log_softmax_columns)(ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, const char *xp, char *yp)
{
    T top[DZ_COLUMNS], s[DZ_COLUMNS], e[DZ_COLUMNS];
    ptrdiff_t o, i, j, k, w, at;
    DZ_EACH_BLOCK {
        const T *x = (const T *)xp + at;
        T *y = (T *)yp + at;
        DZ_NAME(dz_column_max)(n, inner, w, x, top);
        memset(s, 0, sizeof(s));
        for (i = 0; i < n; i++) {
            for (k = 0; k < w; k++)
                e[k] = x[i * inner + k] - top[k];
            DZ_EXP(w, e, e);
            for (k = 0; k < w; k++)
                s[k] += e[k];
        }
        DZ_LOG(w, s, s);
        for (k = 0; k < w; k++)
            top[k] += s[k];
        for (i = 0; i < n; i++)
            for (k = 0; k < w; k++)
                y[i * inner + k] = x[i * inner + k] - top[k];
    }
}

static void DZ_NAME(dz_log_softmax_grad_columns)(ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, const char *yp,
                                                 const char *gyp, char *gxp)
{
    T s[DZ_COLUMNS], e[DZ_COLUMNS];
    ptrdiff_t o, i, j, k, w, at;
    DZ_EACH_BLOCK {
        const T *y = (const T *)yp + at, *gy = (const T *)gyp + at;
        T *gx = (T *)gxp + at;
        memset(s, 0, sizeof(s));
        for (i = 0; i < n; i++)
            for (k = 0; k < w; k++)
                s[k] += gy[i * inner + k];
        for (i = 0; i < n; i++) {
            DZ_EXP(w, y + i * inner, e);
            for (k = 0; k < w; k++)
                gx[i * inner + k] = gy[i * inner + k] - e[k] * s[k];
        }
    }
}

#undef DZ_EACH_BLOCK

/* ---- cross-entropy ---------------------------------------------------------------------------------------------------- */

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
            const T s = 1 / DZ_NAME(dz_row_sum)(row, n);
            for (j = 0; j < n; j++)
                row[j] *= s;
            row[t[i0 + i]] -= 1;
            for (j = 0; j < n; j++)
                row[j] *= g;
        }
    }
}
