/* What generated kernels are built from: portability macros, inline arithmetic with NumPy's rules for nan, and the
 * "passes": whole loops for functions that are too large to inline. A pass reads x with a stride and writes y, and may
 * work in place. Most are NumPy's own inner loops, so that results have NumPy's bits; those that NumPy is slow at are our
 * own (dz_elementary.h).
 *
 * Included once per SIMD level, after the level's target is set.
 */
#ifndef DZ_LOOPS_H
#define DZ_LOOPS_H

#include "dz_kernels.h"
#include <float.h>
#include <math.h>
#include <string.h>

#if defined(_MSC_VER)
#define DZ_INLINE static __forceinline
#define DZ_IVDEP __pragma(loop(ivdep))
#elif defined(__clang__)
#define DZ_INLINE static inline __attribute__((always_inline, unused))
#define DZ_IVDEP _Pragma("clang loop vectorize(assume_safety)")
#elif defined(__GNUC__)
#define DZ_INLINE static inline __attribute__((always_inline, unused))
#define DZ_IVDEP _Pragma("GCC ivdep")
#else
#define DZ_INLINE static inline
#define DZ_IVDEP
#endif

/* A function that is called from many places: one of its own where a file has one SIMD level and says so (DZ_ONE_LEVEL);
 * elsewhere inlined into functions of either level. */
#if defined(DZ_ONE_LEVEL) && defined(__GNUC__)
#define DZ_SHARED static __attribute__((noinline, unused))
#elif defined(DZ_ONE_LEVEL)
#define DZ_SHARED static
#else
#define DZ_SHARED DZ_INLINE
#endif

/* Elements that one pass of a kernel with several stages takes: its temporaries stay in the first-level cache. */
#define DZ_CHUNK 256

#define DZ_LARGEST_f32 FLT_MAX
#define DZ_LARGEST_f64 DBL_MAX

#define DZ_LD(T, p, i, s) (*(const T *)((p) + (i) * (s)))
#define DZ_ST(T, p, i, s) (*(T *)((p) + (i) * (s)))

#include "dz_elementary.h"

/* 10 to the power |d|, d whole, as np.round has it. */
static const double dz_tens[DZ_MAXTEN + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#define DZ_DEFINE_ARITH(T, SFX, DT, FABS, SQRT, FLOOR, CEIL, RINT, TRUNC)                                            \
    DZ_INLINE T dz_abs_##SFX(T a) { return FABS(a); }                                                                \
    DZ_INLINE T dz_sqrt_##SFX(T a) { return SQRT(a); }                                                               \
    DZ_INLINE T dz_floor_##SFX(T a) { return FLOOR(a); }                                                             \
    DZ_INLINE T dz_ceil_##SFX(T a) { return CEIL(a); }                                                               \
    DZ_INLINE T dz_rint_##SFX(T a) { return RINT(a); }                                                               \
    DZ_INLINE T dz_trunc_##SFX(T a) { return TRUNC(a); }                                                             \
    DZ_INLINE T dz_ten_##SFX(T d) { return (T)dz_tens[(int)FABS(d)]; }                                               \
    DZ_INLINE T dz_sign_##SFX(T a) { return a > 0 ? (T)1 : a < 0 ? (T)-1 : a == 0 ? (T)0 : a; }                      \
    /* a test for each select: `||` between them keeps compilers from vectorising */                              \
    DZ_INLINE T dz_maximum_##SFX(T a, T b)                                                                           \
    {                                                                                                                \
        const T r = a >= b ? a : b;                                                                                  \
        return a != a ? a : r;                                                                                       \
    }                                                                                                                \
    DZ_INLINE T dz_minimum_##SFX(T a, T b)                                                                           \
    {                                                                                                                \
        const T r = a <= b ? a : b;                                                                                  \
        return a != a ? a : r;                                                                                       \
    }                                                                                                                \
                                                                                                                     \
    DZ_INLINE void dz_gather_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, T *to)                                  \
    {                                                                                                                \
        ptrdiff_t i;                                                                                                 \
        for (i = 0; i < n; i++)                                                                                      \
            to[i] = DZ_LD(T, x, i, sx);                                                                              \
    }                                                                                                                \
                                                                                                                     \
    /* NumPy's loops may take other instructions, with other last bits, where values do not lie side by side: here   \
     * they always do, but for one value that is repeated. */                                                        \
    DZ_INLINE void dz_np1_##SFX(int fn, int dt, ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy)     \
    {                                                                                                                \
        T side[DZ_CHUNK];                                                                                            \
        const int apart = n > 1 && (sx != sizeof(T) || sy != sizeof(T));                                             \
        ptrdiff_t i0, i, m, st[2];                                                                                   \
        char *args[2];                                                                                               \
        st[0] = st[1] = sizeof(T);                                                                                   \
        for (i0 = 0; i0 < n; i0 += m) {                                                                              \
            m = apart && n - i0 > DZ_CHUNK ? DZ_CHUNK : n - i0;                                                      \
            args[0] = (char *)x + i0 * sx, args[1] = y + i0 * sy;                                                    \
            if (apart) {                                                                                             \
                dz_gather_##SFX(m, args[0], sx, side);                                                               \
                args[0] = args[1] = (char *)side;                                                                    \
            }                                                                                                        \
            dz_np.loop[fn][dt](args, &m, st, dz_np.data[fn][dt]);                                                    \
            for (i = 0; apart && i < m; i++)                                                                         \
                DZ_ST(T, y, i0 + i, sy) = side[i];                                                                   \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    DZ_INLINE void dz_np2_##SFX(int fn, int dt, ptrdiff_t n, const char *x, ptrdiff_t sx, const char *z,             \
                                ptrdiff_t sz, char *y, ptrdiff_t sy)                                                 \
    {                                                                                                                \
        T side[3][DZ_CHUNK];                                                                                         \
        const int apart = n > 1 && ((sx != sizeof(T) && sx != 0) || (sz != sizeof(T) && sz != 0) || sy != sizeof(T));\
        ptrdiff_t i0, i, m, st[3];                                                                                   \
        char *args[3];                                                                                               \
        st[0] = sx == 0 ? 0 : sizeof(T), st[1] = sz == 0 ? 0 : sizeof(T), st[2] = sizeof(T);                         \
        for (i0 = 0; i0 < n; i0 += m) {                                                                              \
            m = apart && n - i0 > DZ_CHUNK ? DZ_CHUNK : n - i0;                                                      \
            args[0] = (char *)x + i0 * sx, args[1] = (char *)z + i0 * sz, args[2] = y + i0 * sy;                     \
            if (apart) {                                                                                             \
                dz_gather_##SFX(sx == 0 ? 1 : m, args[0], sx, side[0]);                                              \
                dz_gather_##SFX(sz == 0 ? 1 : m, args[1], sz, side[1]);                                              \
                args[0] = (char *)side[0], args[1] = (char *)side[1], args[2] = (char *)side[2];                     \
            }                                                                                                        \
            dz_np.loop[fn][dt](args, &m, st, dz_np.data[fn][dt]);                                                    \
            for (i = 0; apart && i < m; i++)                                                                         \
                DZ_ST(T, y, i0 + i, sy) = side[2][i];                                                                \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    /* NumPy's ndarray.__pow__ takes these exponents apart before its loop; the same here, for the same bits. */     \
    DZ_INLINE void dz_power_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, const char *e, ptrdiff_t se, char *y,    \
                                  ptrdiff_t sy)                                                                      \
    {                                                                                                                \
        ptrdiff_t i;                                                                                                 \
        if (se == 0) {                                                                                               \
            const T c = *(const T *)e;                                                                               \
            if (c == 2) {                                                                                            \
                for (i = 0; i < n; i++) {                                                                            \
                    const T a = DZ_LD(T, x, i, sx);                                                                  \
                    DZ_ST(T, y, i, sy) = a * a;                                                                      \
                }                                                                                                    \
                return;                                                                                              \
            }                                                                                                        \
            if (c == 1) {                                                                                            \
                for (i = 0; i < n; i++)                                                                              \
                    DZ_ST(T, y, i, sy) = DZ_LD(T, x, i, sx);                                                         \
                return;                                                                                              \
            }                                                                                                        \
            if (c == (T)0.5) {                                                                                       \
                for (i = 0; i < n; i++)                                                                              \
                    DZ_ST(T, y, i, sy) = SQRT(DZ_LD(T, x, i, sx));                                                   \
                return;                                                                                              \
            }                                                                                                        \
            if (c == -1) {                                                                                           \
                for (i = 0; i < n; i++)                                                                              \
                    DZ_ST(T, y, i, sy) = 1 / DZ_LD(T, x, i, sx);                                                     \
                return;                                                                                              \
            }                                                                                                        \
            if (c == 0) {                                                                                            \
                for (i = 0; i < n; i++)                                                                              \
                    DZ_ST(T, y, i, sy) = 1;                                                                          \
                return;                                                                                              \
            }                                                                                                        \
        }                                                                                                            \
        dz_np2_##SFX(DZ_FN_POWER, DT, n, x, sx, e, se, y, sy);                                                       \
    }                                                                                                                \
                                                                                                                     \
    DZ_INLINE void dz_powm1_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, const char *e, ptrdiff_t se, char *y,    \
                                  ptrdiff_t sy)                                                                      \
    {                                                                                                                \
        const T c = *(const T *)e, m = c - 1;                                                                        \
        ptrdiff_t i;                                                                                                 \
        (void)se;                                                                                                    \
        if (c == 0)                                                                                                  \
            for (i = 0; i < n; i++)                                                                                  \
                DZ_ST(T, y, i, sy) = 0;                                                                              \
        else                                                                                                         \
            dz_power_##SFX(n, x, sx, (const char *)&m, 0, y, sy);                                                \
    }

/* A pass by a function of one double, or of two: what a primitive with `c` is made of. */
#define DZ_DEFINE_EACH(NAME, FUNCTION, T, SFX)                                                                       \
    DZ_INLINE void dz_##NAME##_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy)                \
    {                                                                                                                \
        ptrdiff_t i;                                                                                                 \
        for (i = 0; i < n; i++)                                                                                      \
            DZ_ST(T, y, i, sy) = (T)FUNCTION((double)DZ_LD(T, x, i, sx));                                            \
    }

#define DZ_DEFINE_EACH2(NAME, FUNCTION, T, SFX)                                                                      \
    DZ_INLINE void dz_##NAME##_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, const char *z, ptrdiff_t sz, char *y, \
                                     ptrdiff_t sy)                                                                   \
    {                                                                                                                \
        ptrdiff_t i;                                                                                                 \
        for (i = 0; i < n; i++)                                                                                      \
            DZ_ST(T, y, i, sy) = (T)FUNCTION((double)DZ_LD(T, x, i, sx), (double)DZ_LD(T, z, i, sz));                \
    }

DZ_DEFINE_ARITH(double, f64, DZ_F64, fabs, sqrt, floor, ceil, rint, trunc)
DZ_DEFINE_ARITH(float, f32, DZ_F32, fabsf, sqrtf, floorf, ceilf, rintf, truncf)

/* NumPy's tan, which is as inexact far from zero as its sin. */
#define DZ_DEFINE_TAN(FAR, T, SFX, BITS, DT)                                                                         \
    DZ_INLINE void dz_tan_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy)                     \
    {                                                                                                                \
        T keep[DZ_CHUNK];                                                                                            \
        ptrdiff_t i0, i;                                                                                             \
        for (i0 = 0; i0 < n; i0 += DZ_CHUNK) {                                                                       \
            const ptrdiff_t m = n - i0 < DZ_CHUNK ? n - i0 : DZ_CHUNK;                                               \
            BITS beyond = 0;                                                                                         \
            for (i = 0; i < m; i++) /* y may be x */                                                                 \
                beyond |= dz_sin_beyond_##SFX(keep[i] = DZ_LD(T, x, i0 + i, sx));                                    \
            dz_np1_##SFX(DZ_FN_TAN, DT, m, x + i0 * sx, sx, y + i0 * sy, sy);                                        \
            if (beyond < 0)                                                                                          \
                for (i = 0; i < m; i++)                                                                              \
                    if (dz_sin_beyond_##SFX(keep[i]) < 0)                                                            \
                        DZ_ST(T, y, i0 + i, sy) = FAR(keep[i]);                                                      \
        }                                                                                                            \
    }

#ifndef DZ_CLIENT
DZ_DEFINE_TAN(dz_far_tan, double, f64, int64_t, DZ_F64)
DZ_DEFINE_TAN(dz_far_tanf, float, f32, int32_t, DZ_F32)
#endif

#endif
