/* Includes DZ_BODY for float and for double, at one SIMD level; included by dz_levels.h alone. No guard.
 *
 * The body sees T (float or double), DZ_NAME(name), which every function of it is named by, DZ_DT (DZ_F32 or DZ_F64), and
 * DZ_EXP, DZ_LOG and DZ_TANH(n, x, y) over n contiguous values; a body that has looked at the values itself (DZ_EXP_BEYOND, of
 * type DZ_BITS, negative for none of them) takes DZ_EXP_CHUNK for up to DZ_CHUNK of them.
 */
#define DZ_EXP(n, x, y) DZ_GLUE(dz_exp, DZ_SFX)(n, (const char *)(x), sizeof(T), (char *)(y), sizeof(T))
#define DZ_LOG(n, x, y) DZ_GLUE(dz_log, DZ_SFX)(n, (const char *)(x), sizeof(T), (char *)(y), sizeof(T))
#define DZ_TANH(n, x, y) DZ_GLUE(dz_tanh, DZ_SFX)(n, (const char *)(x), sizeof(T), (char *)(y), sizeof(T))
#define DZ_EXP_BEYOND(x) DZ_GLUE(dz_exp_beyond, DZ_SFX)(x)
#define DZ_EXP_CHUNK(n, x, y) DZ_GLUE(dz_exp_chunk, DZ_SFX)(n, x, y)

#define T float
#define DZ_DT DZ_F32
#define DZ_SFX f32
#define DZ_BITS int32_t
#include DZ_BODY
#undef T
#undef DZ_DT
#undef DZ_SFX
#undef DZ_BITS

#define T double
#define DZ_DT DZ_F64
#define DZ_SFX f64
#define DZ_BITS int64_t
#include DZ_BODY
#undef T
#undef DZ_DT
#undef DZ_SFX
#undef DZ_BITS

#undef DZ_EXP
#undef DZ_LOG
#undef DZ_TANH
#undef DZ_EXP_BEYOND
#undef DZ_EXP_CHUNK
