/* Includes DZ_BODY for float values that double ones lie beside, at one SIMD level; DZ_EACH of a family that has such kernels. What
 * is double the family's header says. No guard.
 */
#define T float
#define DZ_DT DZ_F32
#define DZ_SFX mixed
#include DZ_BODY
#undef T
#undef DZ_DT
#undef DZ_SFX
