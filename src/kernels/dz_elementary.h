/* exp, log, tanh and others, written so that a compiler vectorises them: NumPy's own take four to thirteen nanoseconds
 * an element in float64, two to three in float32. A function is its core, valid between limits and free of branches, and outside
 * of them libm, or for sin and cos dz_reduction.c.
 *
 * No fused multiply-add is used (-ffp-contract=off), so every SIMD level, a loop's body and its tail, and a scalar give
 * the same bits. The distance to the true value stays below 1.1 units in the last place in float64, 1.6 in float32
 * (tests/test_elementary.py).
 */
#ifndef DZ_ELEMENTARY_H
#define DZ_ELEMENTARY_H

#include <stdint.h>

#include "dz_elementary_f32.h"
#include "dz_elementary_f64.h"

/* A function is written in three parts, u and v from x, w from these, y from all; its core is one after the other. A loop over
 * all of it is one long chain of arithmetic for each element, of which the processor has room for three or four at a time; loops
 * over the parts have shorter chains, and take two thirds to three quarters of the time. */
#define DZ_DEFINE_CORE(F, T, SFX)                                                                                    \
    DZ_INLINE T dz_##F##_core_##SFX(T x)                                                                             \
    {                                                                                                                \
        T u, v;                                                                                                      \
        dz_##F##_open_##SFX(x, &u, &v);                                                                              \
        return dz_##F##_close_##SFX(x, u, v, dz_##F##_middle_##SFX(x, u, v));                                        \
    }                                                                                                                \
    DZ_SHARED void dz_##F##_chunk_##SFX(ptrdiff_t n, const T *x, T *y) /* n <= DZ_CHUNK; y may be x */               \
    {                                                                                                                \
        T u[DZ_CHUNK], v[DZ_CHUNK], w[DZ_CHUNK];                                                                     \
        ptrdiff_t i;                                                                                                 \
        for (i = 0; i < n; i++)                                                                                      \
            dz_##F##_open_##SFX(x[i], u + i, v + i);                                                                 \
        for (i = 0; i < n; i++)                                                                                      \
            w[i] = dz_##F##_middle_##SFX(x[i], u[i], v[i]);                                                          \
        DZ_IVDEP                                                                                                     \
        for (i = 0; i < n; i++)                                                                                      \
            y[i] = dz_##F##_close_##SFX(x[i], u[i], v[i], w[i]);                                                     \
    }

/* The passes. Chunks that hold a value beyond the core's limits get one within in its place, and BEYOND's result after. */
#define DZ_DEFINE_PASS(F, BEYOND, INSIDE, T, SFX, BITS)                                                                \
    DZ_DEFINE_CORE(F, T, SFX)                                                                                        \
    DZ_INLINE void dz_##F##_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy)                   \
    {                                                                                                                \
        T keep[DZ_CHUNK], inside[DZ_CHUNK];                                                                          \
        ptrdiff_t i0, i;                                                                                             \
        if (n == 1) { /* scalars are most of all calls */                                                            \
            const T v = *(const T *)x;                                                                               \
            *(T *)y = dz_##F##_beyond_##SFX(v) >= 0 ? dz_##F##_core_##SFX(v) : BEYOND(v);                              \
            return;                                                                                                  \
        }                                                                                                            \
        for (i0 = 0; i0 < n; i0 += DZ_CHUNK) {                                                                       \
            const ptrdiff_t m = n - i0 < DZ_CHUNK ? n - i0 : DZ_CHUNK;                                               \
            const char *px = x + i0 * sx;                                                                            \
            char *py = y + i0 * sy;                                                                                  \
            BITS beyond = 0;                                                                                         \
            if (sx == sizeof(T))                                                                                     \
                for (i = 0; i < m; i++)                                                                              \
                    beyond |= dz_##F##_beyond_##SFX(((const T *)px)[i]);                                             \
            else                                                                                                     \
                for (i = 0; i < m; i++)                                                                              \
                    beyond |= dz_##F##_beyond_##SFX(DZ_LD(T, px, i, sx));                                            \
            if (beyond >= 0 && sx == sizeof(T) && sy == sizeof(T)) {                                                 \
                dz_##F##_chunk_##SFX(m, (const T *)px, (T *)py);                                                     \
                continue;                                                                                            \
            }                                                                                                        \
            for (i = 0; i < m; i++) /* y may be x: read all before the first write */                                \
                keep[i] = DZ_LD(T, px, i, sx);                                                                       \
            /* through memory: in one loop, compilers run the core on both values, with flags for what overflows */  \
            for (i = 0; i < m; i++)                                                                                  \
                inside[i] = dz_##F##_beyond_##SFX(keep[i]) >= 0 ? keep[i] : (T)INSIDE;                               \
            dz_##F##_chunk_##SFX(m, inside, inside);                                                                 \
            for (i = 0; i < m; i++)                                                                                  \
                DZ_ST(T, py, i, sy) = inside[i];                                                                     \
            if (beyond < 0)                                                                                          \
                for (i = 0; i < m; i++)                                                                              \
                    if (dz_##F##_beyond_##SFX(keep[i]) < 0)                                                          \
                        DZ_ST(T, py, i, sy) = BEYOND(keep[i]);                                                       \
        }                                                                                                            \
    }

/* sigmoid, without overflow, and without losing what is small: exp(-|x|) or 1 over 1 + exp(-|x|). */
#define DZ_DEFINE_SIGMOID(EXP, FABS, T, SFX, BITS)                                                                   \
    DZ_INLINE BITS dz_sigmoid_beyond_##SFX(T x) { return dz_exp_beyond_##SFX(x); }                                   \
    DZ_INLINE void dz_sigmoid_open_##SFX(T x, T *t, T *z) { dz_exp_open_##SFX(-FABS(x), t, z); }                     \
    DZ_INLINE T dz_sigmoid_middle_##SFX(T x, T t, T z) { return dz_exp_middle_##SFX(x, t, z); }                      \
    DZ_INLINE T dz_sigmoid_close_##SFX(T x, T t, T z, T q)                                                           \
    {                                                                                                                \
        const T e = dz_exp_close_##SFX(x, t, z, q);                                                                  \
        return (x < 0 ? e : (T)1) / (1 + e);                                                                         \
    }                                                                                                                \
    DZ_INLINE T dz_sigmoid_libm_##SFX(T x)                                                                           \
    {                                                                                                                \
        const T e = EXP(-FABS(x));                                                                                   \
        return (x < 0 ? e : (T)1) / (1 + e);                                                                         \
    }

DZ_DEFINE_SIGMOID(exp, fabs, double, f64, int64_t)
DZ_DEFINE_SIGMOID(expf, fabsf, float, f32, int32_t)

DZ_DEFINE_PASS(sigmoid, dz_sigmoid_libm_f64, 0, double, f64, int64_t)
DZ_DEFINE_PASS(sigmoid, dz_sigmoid_libm_f32, 0, float, f32, int32_t)
DZ_DEFINE_PASS(exp, exp, 0, double, f64, int64_t)
DZ_DEFINE_PASS(expm1, expm1, 0, double, f64, int64_t)
DZ_DEFINE_PASS(log, log, 1, double, f64, int64_t)
DZ_DEFINE_PASS(log1p, log1p, 0, double, f64, int64_t)
DZ_DEFINE_PASS(tanh, tanh, 0, double, f64, int64_t)
DZ_DEFINE_PASS(exp, expf, 0, float, f32, int32_t)
DZ_DEFINE_PASS(log, logf, 1, float, f32, int32_t)
DZ_DEFINE_PASS(log1p, log1pf, 0, float, f32, int32_t)
DZ_DEFINE_PASS(tanh, tanhf, 0, float, f32, int32_t)

#ifndef DZ_CLIENT
DZ_DEFINE_PASS(sin, dz_far_sin, 0, double, f64, int64_t)
DZ_DEFINE_PASS(cos, dz_far_cos, 0, double, f64, int64_t)
DZ_DEFINE_PASS(sin, dz_far_sinf, 0, float, f32, int32_t)
DZ_DEFINE_PASS(cos, dz_far_cosf, 0, float, f32, int32_t)
#endif

#endif
