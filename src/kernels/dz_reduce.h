/* Gradients of reductions: kernels in the call convention of dz_kernels.h, where y and gy lie stretched over x (stride 0 along
 * the axes that were reduced).
 */
#ifndef DZ_REDUCE_H
#define DZ_REDUCE_H

#define DZ_BODY "dz_reduce_body.h"
#include "dz_levels.h"

static inline dz_kernel dz_scale_grad(int dt) { return DZ_PICK(dz_scale_grad, dt); }
static inline dz_kernel dz_extreme_grad(int dt) { return DZ_PICK(dz_extreme_grad, dt); }
static inline dz_kernel dz_quotient_grad(int dt) { return DZ_PICK(dz_quotient_grad, dt); }

#endif
