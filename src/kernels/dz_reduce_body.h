/* The kernels of dz_reduce.h; see dz_levels.h for T and DZ_NAME. Each loop has the two strides that come in practice written
 * out, so that it is vectorised: all contiguous, and y and gy one value for the whole row. */

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
