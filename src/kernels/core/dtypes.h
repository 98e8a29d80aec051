/* Includes DZ_BODY for float and for double, at one SIMD level; included by core/levels.h alone. No guard.
 *
 * The body sees T (float or double), DZ_NAME(name), which every function of it is named by, DZ_DT (DZ_F32 or DZ_F64), DZ_SFX
 * (f32 or f64) and DZ_BITS (an integer of that size). DZ_PASS(f, n, x, y) calls an elementary function of dz_passes over n
 * values side by side.
 */
#define DZ_PASS(f, n, x, y) dz_client->passes->f[DZ_DT](n, (const char *)(x), sizeof(T), (char *)(y), sizeof(T))

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

#undef DZ_PASS
