/* What compilers call differently, and what every loop over raw buffers is written with. */
#ifndef DZ_PORTABLE_H
#define DZ_PORTABLE_H

#include "core/kernels.h"
#include <float.h>
#include <math.h>
#include <string.h>

#if defined(_MSC_VER)
#define DZ_INLINE static __forceinline
#define DZ_IVDEP __pragma(loop(ivdep))
#elif defined(__clang__) && defined(__wasm__) && !defined(__wasm_simd128__)
#define DZ_INLINE static inline __attribute__((always_inline, unused))
#define DZ_IVDEP /* no vectors, and a warning of each loop that was to have some */
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

#if defined(_MSC_VER)
#define DZ_RESTRICT __restrict
#else
#define DZ_RESTRICT restrict
#endif

/* A function that is called, not inlined: where it runs long enough for the call not to count, one copy of it does. It has one
 * SIMD level: its name has the level's, or its file is compiled once for each. */
#if defined(__clang__)
#define DZ_CALLED static __attribute__((noinline, unused))
#elif defined(__GNUC__)
#define DZ_CALLED static __attribute__((noinline, noclone, unused))
#elif defined(_MSC_VER)
#define DZ_CALLED static __declspec(noinline)
#else
#define DZ_CALLED static
#endif

/* Elements that one pass of a kernel with several stages takes: its temporaries stay in the first-level cache. */
#define DZ_CHUNK 256

#define DZ_LD(T, p, i, s) (*(const T *)((p) + (i) * (s)))
#define DZ_ST(T, p, i, s) (*(T *)((p) + (i) * (s)))

#endif
