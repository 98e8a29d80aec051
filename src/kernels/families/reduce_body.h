/* The kernels of families/reduce.h; see core/levels.h for T and DZ_NAME. Each loop has the two strides that come in practice written
 * out, so that it is vectorised: all contiguous, and y and gy one value for the whole row. */

#include "families/rows.h"

#define DZ_SPREAD(name, E)                                                                                           \
    DZ_INLINE void DZ_NAME(name##_loop)(const dz_args *a, ptrdiff_t sx, ptrdiff_t sy, ptrdiff_t sg, ptrdiff_t so,    \
                                        int acc)                                                                     \
    {                                                                                                                \
        const char *xp = a->in[DZ_X0], *yp = a->in[DZ_Y], *gp = a->in[DZ_GY];                                        \
        const T p = a->p ? (T)a->p[0] : (T)0;                                                                        \
        ptrdiff_t i;                                                                                                 \
        (void)p, (void)xp, (void)yp, (void)sx, (void)sy;                                                             \
        DZ_IVDEP                                                                                                     \
        for (i = 0; i < a->n; i++) {                                                                                 \
            const T gy = DZ_LD(T, gp, i, sg), e = (E);                                                               \
            DZ_ST(T, a->out, i, so) = acc ? DZ_LD(T, a->out, i, so) + e : e;                                         \
        }                                                                                                            \
    }                                                                                                                \
    static void DZ_NAME(name)(const dz_args *a)                                                                      \
    {                                                                                                                \
        enum { W = sizeof(T) };                                                                                      \
        const ptrdiff_t sx = a->st[DZ_X0], sy = a->st[DZ_Y], sg = a->st[DZ_GY];                                      \
        if (a->os == W && sx == W && sy == W && sg == W) {                                                           \
            if (a->acc)                                                                                              \
                DZ_NAME(name##_loop)(a, W, W, W, W, 1);                                                              \
            else                                                                                                     \
                DZ_NAME(name##_loop)(a, W, W, W, W, 0);                                                              \
        } else if (a->os == W && sx == W && sy == 0 && sg == 0) {                                                    \
            if (a->acc)                                                                                              \
                DZ_NAME(name##_loop)(a, W, 0, 0, W, 1);                                                              \
            else                                                                                                     \
                DZ_NAME(name##_loop)(a, W, 0, 0, W, 0);                                                              \
        } else {                                                                                                     \
            DZ_NAME(name##_loop)(a, sx, sy, sg, a->os, a->acc);                                                      \
        }                                                                                                            \
    }

/* mean: p[0] is 1 / (number of elements) */
DZ_SPREAD(dz_scale_grad, gy *p)
/* max, min: every element that equals the extreme value */
DZ_SPREAD(dz_extreme_grad, DZ_LD(T, xp, i, sx) == DZ_LD(T, yp, i, sy) ? gy : (T)0)
/* prod without zeros */
DZ_SPREAD(dz_quotient_grad, gy *DZ_LD(T, yp, i, sy) / DZ_LD(T, xp, i, sx))

#undef DZ_SPREAD

/* BETTER(a, b): whether a takes b's place; nan does, and stays, since nothing compares with it. */
#define DZ_EXTREMES(name, BETTER)                                                                                    \
    static void DZ_NAME(name##_rows)(ptrdiff_t rows, ptrdiff_t cols, const char *xp, char *yp)                       \
    {                                                                                                                \
        const T *x = (const T *)xp;                                                                                  \
        T *y = (T *)yp;                                                                                              \
        ptrdiff_t i, j, j0;                                                                                          \
        for (j0 = 0; j0 < cols; j0 += 1024) { /* as many as stay in the cache */                                     \
            const ptrdiff_t m = cols - j0 < 1024 ? cols - j0 : 1024;                                                 \
            memcpy(y + j0, x + j0, sizeof(T) * (size_t)m);                                                           \
            for (i = 1; i < rows; i++) {                                                                             \
                const T *p = x + i * cols + j0;                                                                      \
                DZ_IVDEP                                                                                             \
                for (j = 0; j < m; j++)                                                                              \
                    y[j0 + j] = BETTER(p[j], y[j0 + j]) ? p[j] : y[j0 + j];                                          \
            }                                                                                                        \
        }                                                                                                            \
    }                                                                                                                \
    static void DZ_NAME(name##_cols)(ptrdiff_t rows, ptrdiff_t cols, const char *xp, char *yp)                       \
    {                                                                                                                \
        T *y = (T *)yp, m[DZ_LANES];                                                                                 \
        ptrdiff_t r, i, k;                                                                                           \
        for (r = 0; r < rows; r++) {                                                                                 \
            const T *x = (const T *)xp + r * cols;                                                                   \
            T best = x[0];                                                                                           \
            i = 0;                                                                                                   \
            if (cols >= 2 * DZ_LANES) {                                                                              \
                memcpy(m, x, sizeof(m));                                                                             \
                i = DZ_LANES;                                                                                        \
                DZ_ROUNDS(cols, m[k] = BETTER(x[j], m[k]) ? x[j] : m[k];)                                            \
                for (k = 0; k < DZ_LANES; k++)                                                                       \
                    best = BETTER(m[k], best) ? m[k] : best;                                                         \
            }                                                                                                        \
            for (; i < cols; i++)                                                                                    \
                best = BETTER(x[i], best) ? x[i] : best;                                                             \
            y[r] = best;                                                                                             \
        }                                                                                                            \
    }

#define DZ_ABOVE(a, b) (((a) > (b)) | ((a) != (a)))
#define DZ_BELOW(a, b) (((a) < (b)) | ((a) != (a)))
DZ_EXTREMES(dz_max, DZ_ABOVE)
DZ_EXTREMES(dz_min, DZ_BELOW)
#undef DZ_EXTREMES
#undef DZ_ABOVE
#undef DZ_BELOW
