/* Includes a family's kernels (DZ_BODY, a file) once for each SIMD level and dtype. No guard: a family's header defines
 * DZ_BODY and includes this; DZ_EACH too, where it is for other types than those of core/dtypes.h.
 *
 * The body sees what core/dtypes.h defines. A caller takes DZ_PICK(name, dt), the function of that dtype and of the level in use.
 * Levels have equal bits: a sum whose order matters is written out in the body, and the compiler neither reorders nor
 * contracts it.
 */
#include "core/portable.h"

#ifndef DZ_PICK
#define DZ_GLUE_(a, b) a##_##b
#define DZ_GLUE(a, b) DZ_GLUE_(a, b)
#define DZ_NAME(name) DZ_GLUE(DZ_GLUE(name, DZ_SFX), DZ_LEVEL)
#define DZ_PICK(name, dt) ((dt) == DZ_F64 ? DZ_AT_LEVEL(name##_f64) : DZ_AT_LEVEL(name##_f32))
#endif

#ifdef DZ_IN_GLUE
#undef DZ_IN_GLUE
#pragma GCC pop_options
#endif

#ifndef DZ_EACH
#define DZ_EACH "core/dtypes.h"
#endif
#include "generated/each_level.h"
#undef DZ_EACH
#undef DZ_BODY

/* What follows, up to the next family or the end of the module, is Cython's: for size, where setup asks for it
 * (src/build_commands.py). The loops above it cannot be brought back to speed by a pragma, once -Os is on. */
#if defined(DZ_SMALL_GLUE) && defined(__GNUC__) && !defined(__clang__)
#define DZ_IN_GLUE
#pragma GCC push_options
#pragma GCC optimize("Os")
#endif
