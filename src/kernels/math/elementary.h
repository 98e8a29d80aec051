/* exp, log, tanh and others, written so that a compiler vectorises them: NumPy's own take four to thirteen nanoseconds
 * an element in float64, two to three in float32. A function is its core, valid between limits and free of branches, and outside
 * of them libm, or for sin and cos math/far.c.
 *
 * Multiplications are fused with additions where dz_mad says so, at every level but x86-64's base, and nowhere else
 * (-ffp-contract=off): so those levels, a loop's body and its tail, and a scalar give the same bits. Nothing leans on the single
 * rounding but what asks for DZ_FUSED. The distance to the true value stays below 1.1 units in the last place in float64 (tanh
 * 1.25, base's 1.7, expm1 1.3, sigmoid 2.3), 1.6 in float32 (sigmoid 2.1; tests/test_elementary.py).
 */
#ifndef DZ_ELEMENTARY_H
#define DZ_ELEMENTARY_H

#include "core/portable.h"

/* Whether the processor has fused multiply-adds: a level of src/simd.toml says so; every 64-bit ARM has them. */
#ifndef DZ_FUSED
#if defined(__aarch64__) && defined(__GNUC__)
#define DZ_FUSED 1
#else
#define DZ_FUSED 0
#endif
#endif

/* Whether vectors of 64-bit integers can be converted. */
#if defined(__aarch64__) || (defined(DZ_VECTOR) && DZ_VECTOR == 64)
#define DZ_INT64_TO_F64 1
#else
#define DZ_INT64_TO_F64 0
#endif

#include "math/elementary_f32.h"
#include "math/elementary_f64.h"

/* sigmoid, without overflow, and without losing what is small: exp(-|x|) or 1 over 1 + exp(-|x|). */
#define DZ_DEFINE_SIGMOID(EXP, FABS, T, SFX, BITS)                                                                   \
    DZ_INLINE BITS dz_sigmoid_beyond_##SFX(T x) { return dz_exp_beyond_##SFX(x); }                                   \
    DZ_INLINE T dz_sigmoid_of_##SFX(T x, T e) { return (x < 0 ? e : (T)1) / (1 + e); }                               \
    DZ_INLINE T dz_sigmoid_core_##SFX(T x) { return dz_sigmoid_of_##SFX(x, dz_exp_core_##SFX(-FABS(x))); }           \
    DZ_INLINE T dz_sigmoid_libm_##SFX(T x) { return dz_sigmoid_of_##SFX(x, EXP(-FABS(x))); }

DZ_DEFINE_SIGMOID(exp, fabs, double, f64, int64_t)
DZ_DEFINE_SIGMOID(expf, fabsf, float, f32, int32_t)

#endif
