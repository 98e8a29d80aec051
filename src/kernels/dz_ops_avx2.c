/* The elementwise kernels for x86-64 processors with AVX2; empty elsewhere. The target is set for this file
 * alone, and without FMA, so that results have the bits of the base level.
 */
#include "dz_kernels.h"
#ifdef DZ_HAVE_AVX2
#include "dz_avx2_begin.h"
#define DZ_OPS dz_ops_avx2
#define DZ_ONE_LEVEL
#include "dz_loops.h"
#include "generated/dz_ops.inc"
#include "dz_avx2_end.h"
#else
typedef int dz_no_avx2; /* ISO C wants a declaration */
#endif
