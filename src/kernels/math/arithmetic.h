/* Inline arithmetic with NumPy's rules for nan: the functions of values that generated loops are built from. */
#ifndef DZ_ARITHMETIC_H
#define DZ_ARITHMETIC_H

#include "core/portable.h"

#define DZ_LARGEST_f32 FLT_MAX
#define DZ_LARGEST_f64 DBL_MAX

/* 10 to the power |d|, d whole, as np.round has it. */
static const double dz_tens[DZ_MAXTEN + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                              1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

#define DZ_DEFINE_ARITH(T, SFX, FABS, SQRT, FLOOR, CEIL, RINT, TRUNC)                                                \
    DZ_INLINE T dz_abs_##SFX(T a) { return FABS(a); }                                                                \
    DZ_INLINE T dz_sqrt_##SFX(T a) { return SQRT(a); }                                                               \
    DZ_INLINE T dz_floor_##SFX(T a) { return FLOOR(a); }                                                             \
    DZ_INLINE T dz_ceil_##SFX(T a) { return CEIL(a); }                                                               \
    DZ_INLINE T dz_rint_##SFX(T a) { return RINT(a); }                                                               \
    DZ_INLINE T dz_trunc_##SFX(T a) { return TRUNC(a); }                                                             \
    DZ_INLINE T dz_ten_##SFX(T d) { return (T)dz_tens[(int)FABS(d)]; }                                               \
    DZ_INLINE T dz_sign_##SFX(T a) { return a > 0 ? (T)1 : a < 0 ? (T)-1 : a == 0 ? (T)0 : a; }                      \
    /* a test for each select: `||` between them keeps compilers from vectorising */                                 \
    DZ_INLINE T dz_maximum_##SFX(T a, T b)                                                                           \
    {                                                                                                                \
        const T r = a >= b ? a : b;                                                                                  \
        return a != a ? a : r;                                                                                       \
    }                                                                                                                \
    DZ_INLINE T dz_minimum_##SFX(T a, T b)                                                                           \
    {                                                                                                                \
        const T r = a <= b ? a : b;                                                                                  \
        return a != a ? a : r;                                                                                       \
    }

DZ_DEFINE_ARITH(double, f64, fabs, sqrt, floor, ceil, rint, trunc)
DZ_DEFINE_ARITH(float, f32, fabsf, sqrtf, floorf, ceilf, rintf, truncf)

#endif
