/* Includes a family's kernels (DZ_BODY, a file) once for each dtype and SIMD level. No guard: a family's header defines
 * DZ_BODY and includes this.
 *
 * The body sees T (float or double), DZ_NAME(name), which every function of it is named by, DZ_DT (DZ_F32 or DZ_F64), and
 * DZ_EXP, DZ_LOG and DZ_TANH(n, x, y) over n contiguous values; a body that has looked at the values itself (DZ_EXP_BEYOND, of
 * type DZ_BITS, negative for none of them) takes DZ_EXP_CHUNK for up to DZ_CHUNK of them. A caller takes DZ_PICK(name, dt), the function of that
 * dtype and of the level in use. Levels have equal bits: a sum whose order matters is written out in the body, and
 * the compiler neither reorders nor contracts it.
 */
#include "dz_loops.h"

#ifndef DZ_PICK
#define DZ_GLUE_(a, b) a##_##b
#define DZ_GLUE(a, b) DZ_GLUE_(a, b)
#define DZ_NAME(name) DZ_GLUE(name, DZ_SFX)
#ifdef DZ_HAVE_AVX2
#define DZ_PICK(name, dt)                                                                                            \
    (dz_client->avx2 ? ((dt) == DZ_F64 ? name##_f64_avx2 : name##_f32_avx2)                                          \
                     : ((dt) == DZ_F64 ? name##_f64_base : name##_f32_base))
#else
#define DZ_PICK(name, dt) ((dt) == DZ_F64 ? name##_f64_base : name##_f32_base)
#endif
#endif

#ifdef DZ_IN_GLUE
#undef DZ_IN_GLUE
#pragma GCC pop_options
#endif

#define T float
#define DZ_DT DZ_F32
#define DZ_EXP(n, x, y) dz_exp_f32(n, (const char *)(x), sizeof(float), (char *)(y), sizeof(float))
#define DZ_BITS int32_t
#define DZ_EXP_BEYOND(x) dz_exp_beyond_f32(x)
#define DZ_EXP_CHUNK(n, x, y) dz_exp_chunk_f32(n, x, y)
#define DZ_TANH(n, x, y) dz_tanh_f32(n, (const char *)(x), sizeof(float), (char *)(y), sizeof(float))
#define DZ_LOG(n, x, y) dz_log_f32(n, (const char *)(x), sizeof(float), (char *)(y), sizeof(float))
#define DZ_SFX f32_base
#include DZ_BODY
#ifdef DZ_HAVE_AVX2
#include "dz_avx2_begin.h"
#undef DZ_SFX
#define DZ_SFX f32_avx2
#include DZ_BODY
#include "dz_avx2_end.h"
#endif
#undef T
#undef DZ_DT
#undef DZ_EXP
#undef DZ_BITS
#undef DZ_EXP_BEYOND
#undef DZ_EXP_CHUNK
#undef DZ_LOG
#undef DZ_TANH
#undef DZ_SFX

#define T double
#define DZ_DT DZ_F64
#define DZ_EXP(n, x, y) dz_exp_f64(n, (const char *)(x), sizeof(double), (char *)(y), sizeof(double))
#define DZ_BITS int64_t
#define DZ_EXP_BEYOND(x) dz_exp_beyond_f64(x)
#define DZ_EXP_CHUNK(n, x, y) dz_exp_chunk_f64(n, x, y)
#define DZ_TANH(n, x, y) dz_tanh_f64(n, (const char *)(x), sizeof(double), (char *)(y), sizeof(double))
#define DZ_LOG(n, x, y) dz_log_f64(n, (const char *)(x), sizeof(double), (char *)(y), sizeof(double))
#define DZ_SFX f64_base
#include DZ_BODY
#ifdef DZ_HAVE_AVX2
#include "dz_avx2_begin.h"
#undef DZ_SFX
#define DZ_SFX f64_avx2
#include DZ_BODY
#include "dz_avx2_end.h"
#endif
#undef T
#undef DZ_DT
#undef DZ_EXP
#undef DZ_BITS
#undef DZ_EXP_BEYOND
#undef DZ_EXP_CHUNK
#undef DZ_LOG
#undef DZ_TANH
#undef DZ_SFX
#undef DZ_BODY

/* What follows, up to the next family or the end of the module, is Cython's: for size, where setup asks for it
 * (src/build_commands.py). The loops above it cannot be brought back to speed by a pragma, once -Os is on. */
#if defined(DZ_SMALL_GLUE) && defined(__GNUC__) && !defined(__clang__)
#define DZ_IN_GLUE
#pragma GCC push_options
#pragma GCC optimize("Os")
#endif
