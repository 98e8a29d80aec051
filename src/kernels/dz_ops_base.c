/* The elementwise kernels for the processor that the compiler assumes by default (x86-64: SSE2; aarch64: NEON). */
#define DZ_OPS dz_ops_base
#define DZ_ONE_LEVEL
#include "dz_loops.h"
#include "generated/dz_ops.inc"
