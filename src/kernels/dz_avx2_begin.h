/* What follows, up to dz_avx2_end.h, is compiled for AVX2, without FMA. No guard. */
#if defined(__clang__)
#pragma clang attribute push(__attribute__((target("avx2"))), apply_to = function)
#else
#pragma GCC push_options
#pragma GCC target("avx2")
#endif
