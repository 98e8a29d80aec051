/* exp, log, tanh and others, written so that a compiler vectorises them: NumPy's own take four to thirteen nanoseconds
 * an element in float64, two to three in float32. A function is its core, valid between limits and free of branches, and outside
 * of them libm, or for sin and cos math/far.c.
 *
 * No fused multiply-add is used (-ffp-contract=off), so every SIMD level, a loop's body and its tail, and a scalar give
 * the same bits. The distance to the true value stays below 1.1 units in the last place in float64, 1.6 in float32
 * (tests/test_elementary.py).
 */
#ifndef DZ_ELEMENTARY_H
#define DZ_ELEMENTARY_H

#include "core/portable.h"

#include "math/elementary_f32.h"
#include "math/elementary_f64.h"

/* A function is written in three parts, u and v from x, w from these, y from all; its core is one after the other. */
#define DZ_DEFINE_CORE(F, T, SFX)                                                                                    \
    DZ_INLINE T dz_##F##_core_##SFX(T x)                                                                             \
    {                                                                                                                \
        T u, v;                                                                                                      \
        dz_##F##_open_##SFX(x, &u, &v);                                                                              \
        return dz_##F##_close_##SFX(x, u, v, dz_##F##_middle_##SFX(x, u, v));                                        \
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

DZ_DEFINE_CORE(sigmoid, double, f64)
DZ_DEFINE_CORE(sigmoid, float, f32)
DZ_DEFINE_CORE(exp, double, f64)
DZ_DEFINE_CORE(expm1, double, f64)
DZ_DEFINE_CORE(log, double, f64)
DZ_DEFINE_CORE(log1p, double, f64)
DZ_DEFINE_CORE(tanh, double, f64)
DZ_DEFINE_CORE(exp, float, f32)
DZ_DEFINE_CORE(log, float, f32)
DZ_DEFINE_CORE(log1p, float, f32)
DZ_DEFINE_CORE(tanh, float, f32)
DZ_DEFINE_CORE(sin, double, f64)
DZ_DEFINE_CORE(cos, double, f64)
DZ_DEFINE_CORE(sin, float, f32)
DZ_DEFINE_CORE(cos, float, f32)

#endif
