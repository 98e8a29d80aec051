/* The elementwise kernels for x86-64 processors with AVX2; empty elsewhere (DZ_HAVE_AVX2 comes from setup.py). The
 * target is set for this file alone, and without FMA, so that results have the bits of the base level.
 */
#ifdef DZ_HAVE_AVX2
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC target("avx2")
#endif
#define DZ_OPS dz_ops_avx2
#include "dz_loops.h"
#include "generated/dz_ops.inc"
#if defined(__clang__)
#pragma clang attribute pop
#endif
#else
typedef int dz_no_avx2; /* ISO C wants a declaration */
#endif
