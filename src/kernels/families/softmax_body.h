/* The kernels of families/softmax.h; see core/levels.h for T and DZ_NAME. */
#include "families/rows.h"

/* Rows in a block: about 8 KB of them, and DZ_CHUNK at most. */
DZ_INLINE ptrdiff_t DZ_NAME(dz_block)(ptrdiff_t rows, ptrdiff_t n)
{
    const ptrdiff_t room = 8192 / (ptrdiff_t)sizeof(T) / (n ? n : 1), b = room < DZ_CHUNK ? room : DZ_CHUNK;
    return b < 1 ? 1 : b < rows ? b : rows;
}

/* y = exp(x); beyond is negative when a value is outside of exp's limits, which a loop before has seen. */
DZ_INLINE void DZ_NAME(dz_exp_seen)(DZ_BITS beyond, ptrdiff_t n, const T *x, T *y)
{
    ptrdiff_t i;
    if (beyond < 0)
        DZ_PASS(exp, n, x, y);
    else
        for (i = 0; i < n; i += DZ_CHUNK)
            dz_client->passes->exp_chunk[DZ_DT](n - i < DZ_CHUNK ? n - i : DZ_CHUNK, (const char *)(x + i), (char *)(y + i));
}

/* The same, which looks itself: one call less than the pass takes, which short rows would notice. */
DZ_INLINE void DZ_NAME(dz_exps)(ptrdiff_t n, const T *x, T *y)
{
    DZ_BITS beyond = 0;
    ptrdiff_t i;
    for (i = 0; i < n; i++)
        beyond |= DZ_GLUE(dz_exp_beyond, DZ_SFX)(x[i]);
    DZ_NAME(dz_exp_seen)(beyond, n, x, y);
}

/* y = x - top, and whether that is within exp's limits, as above. */
#define DZ_MINUS(y, x, top) (beyond |= DZ_GLUE(dz_exp_beyond, DZ_SFX)(y = (x) - (top)))

/* y = exp(x - max of the row), with the largest value and the sum (1 at least) of each row. */
DZ_CALLED void DZ_NAME(dz_exp_rows)(ptrdiff_t rows, ptrdiff_t n, const T *x, T *y, T *top, T *sum)
{
    DZ_BITS beyond = 0;
    ptrdiff_t i, j;
    for (i = 0; i < rows; i++) {
        const T m = top[i] = DZ_NAME(dz_row_max)(x + i * n, n);
        for (j = 0; j < n; j++)
            DZ_MINUS(y[i * n + j], x[i * n + j], m);
    }
    DZ_NAME(dz_exp_seen)(beyond, rows * n, y, y);
    for (i = 0; i < rows; i++)
        sum[i] = DZ_NAME(dz_row_sum)(y + i * n, n);
}

static void DZ_NAME(dz_softmax)(ptrdiff_t rows, ptrdiff_t n, const char *xp, char *yp)
{
    const T *x = (const T *)xp;
    T *y = (T *)yp, top[DZ_CHUNK], sum[DZ_CHUNK];
    const ptrdiff_t b = DZ_NAME(dz_block)(rows, n);
    ptrdiff_t i0, i, j;
    for (i0 = 0; n > 0 && i0 < rows; i0 += b) {
        const ptrdiff_t r = rows - i0 < b ? rows - i0 : b;
        DZ_NAME(dz_exp_rows)(r, n, x + i0 * n, y + i0 * n, top, sum);
        for (i = 0; i < r; i++) {
            T *yi = y + (i0 + i) * n;
            const T s = 1 / sum[i];
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
        T *gx = (T *)gxp + i * n;
        const T s = (T)DZ_NAME(dz_row_products)(y, gy, n);
        for (j = 0; j < n; j++)
            gx[j] = y[j] * gy[j] - y[j] * s;
    }
}

static void DZ_NAME(dz_log_softmax)(ptrdiff_t rows, ptrdiff_t n, const char *xp, char *yp)
{
    T top[DZ_CHUNK], sum[DZ_CHUNK];
    const ptrdiff_t b = DZ_NAME(dz_block)(rows, n);
    ptrdiff_t i0, i, j;
    for (i0 = 0; n > 0 && i0 < rows; i0 += b) {
        const ptrdiff_t r = rows - i0 < b ? rows - i0 : b;
        const T *x = (const T *)xp + i0 * n;
        T *y = (T *)yp + i0 * n;
        DZ_NAME(dz_exp_rows)(r, n, x, y, top, sum);
        DZ_PASS(log, r, sum, sum);
        for (i = 0; i < r; i++) {
            const T m = top[i] + sum[i];
            for (j = 0; j < n; j++)
                y[i * n + j] = x[i * n + j] - m;
        }
    }
}

static void DZ_NAME(dz_log_softmax_grad)(ptrdiff_t rows, ptrdiff_t n, const char *yp, const char *gyp, char *gxp)
{
    const ptrdiff_t b = DZ_NAME(dz_block)(rows, n);
    ptrdiff_t i0, i, j;
    for (i0 = 0; n > 0 && i0 < rows; i0 += b) {
        const ptrdiff_t r = rows - i0 < b ? rows - i0 : b;
        T *gx = (T *)gxp + i0 * n;
        DZ_NAME(dz_exps)(r * n, (const T *)yp + i0 * n, gx);
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
            DZ_BITS beyond = 0;
            for (k = 0; k < w; k++)
                DZ_MINUS(yi[k], x[i * inner + k], top[k]);
            DZ_NAME(dz_exp_seen)(beyond, w, yi, yi);
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
    T top[DZ_COLUMNS], s[DZ_COLUMNS], e[DZ_CHUNK];
    ptrdiff_t o, i, j, k, w, at, r, rows;
    DZ_EACH_BLOCK {
        const T *x = (const T *)xp + at;
        T *y = (T *)yp + at;
        DZ_NAME(dz_column_max)(n, inner, w, x, top);
        memset(s, 0, sizeof(s));
        for (i = 0; i < n; i += rows) { /* as many rows as a call of exp takes */
            DZ_BITS beyond = 0;
            rows = n - i < DZ_CHUNK / w ? n - i : DZ_CHUNK / w;
            for (r = 0; r < rows; r++)
                for (k = 0; k < w; k++)
                    DZ_MINUS(e[r * w + k], x[(i + r) * inner + k], top[k]);
            DZ_NAME(dz_exp_seen)(beyond, rows * w, e, e);
            for (r = 0; r < rows; r++)
                for (k = 0; k < w; k++)
                    s[k] += e[r * w + k];
        }
        DZ_PASS(log, w, s, s);
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
    T s[DZ_COLUMNS], e[DZ_CHUNK];
    ptrdiff_t o, i, j, k, w, at, r, rows;
    DZ_EACH_BLOCK {
        const T *y = (const T *)yp + at, *gy = (const T *)gyp + at;
        T *gx = (T *)gxp + at;
        memset(s, 0, sizeof(s));
        for (i = 0; i < n; i++)
            for (k = 0; k < w; k++)
                s[k] += gy[i * inner + k];
        for (i = 0; i < n; i += rows) {
            DZ_BITS beyond = 0;
            rows = n - i < DZ_CHUNK / w ? n - i : DZ_CHUNK / w;
            for (r = 0; r < rows; r++)
                for (k = 0; k < w; k++)
                    DZ_MINUS(e[r * w + k], y[(i + r) * inner + k], 0);
            DZ_NAME(dz_exp_seen)(beyond, rows * w, e, e);
            for (r = 0; r < rows; r++)
                for (k = 0; k < w; k++)
                    gx[(i + r) * inner + k] = gy[(i + r) * inner + k] - e[r * w + k] * s[k];
        }
    }
}

#undef DZ_EACH_BLOCK
#undef DZ_MINUS

/* ---- cross-entropy ---------------------------------------------------------------------------------------------------- */

static void DZ_NAME(dz_pick_log_softmax)(ptrdiff_t rows, ptrdiff_t n, const char *xp, const ptrdiff_t *t, char *pp, char *zp)
{
    const T *x = (const T *)xp;
    T *p = (T *)pp, *z = (T *)zp, top[DZ_CHUNK];
    const ptrdiff_t b = DZ_NAME(dz_block)(rows, n);
    ptrdiff_t i0, i;
    for (i0 = 0; n > 0 && i0 < rows; i0 += b) {
        const ptrdiff_t r = rows - i0 < b ? rows - i0 : b;
        DZ_NAME(dz_exp_rows)(r, n, x + i0 * n, z, top, p + i0);
        DZ_PASS(log, r, p + i0, p + i0);
        for (i = 0; i < r; i++)
            p[i0 + i] = x[(i0 + i) * n + t[i0 + i]] - (top[i] + p[i0 + i]);
    }
}

static void DZ_NAME(dz_cross_entropy_grad)(ptrdiff_t rows, ptrdiff_t n, const char *xp, const ptrdiff_t *t, double gd, char *gxp)
{
    const T g = (T)gd;
    T top[DZ_CHUNK], sum[DZ_CHUNK];
    const ptrdiff_t b = DZ_NAME(dz_block)(rows, n);
    ptrdiff_t i0, i, j;
    for (i0 = 0; n > 0 && i0 < rows; i0 += b) {
        const ptrdiff_t r = rows - i0 < b ? rows - i0 : b;
        T *gx = (T *)gxp + i0 * n;
        DZ_NAME(dz_exp_rows)(r, n, (const T *)xp + i0 * n, gx, top, sum);
        for (i = 0; i < r; i++) {
            T *row = gx + i * n;
            const T s = 1 / sum[i];
            for (j = 0; j < n; j++)
                row[j] *= s;
            row[t[i0 + i]] -= 1;
            for (j = 0; j < n; j++)
                row[j] *= g;
        }
    }
}
