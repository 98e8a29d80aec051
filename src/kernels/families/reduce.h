/* Gradients of reductions: kernels in the call convention of core/kernels.h, where y and gy lie stretched over x (stride 0 along
 * the axes that were reduced). And the largest and smallest values of a C-contiguous matrix (rows, cols), nan if one is nan: _rows
 * over its rows, _cols over its columns.
 */
#ifndef DZ_REDUCE_H
#define DZ_REDUCE_H

#define DZ_BODY "families/reduce_body.h"
#include "core/levels.h"

static inline dz_kernel dz_scale_grad(int dt) { return DZ_PICK(dz_scale_grad, dt); }
static inline dz_kernel dz_extreme_grad(int dt) { return DZ_PICK(dz_extreme_grad, dt); }
static inline dz_kernel dz_quotient_grad(int dt) { return DZ_PICK(dz_quotient_grad, dt); }

#define DZ_EXTREME(name)                                                                                             \
    static inline void name(int dt, ptrdiff_t rows, ptrdiff_t cols, const char *x, char *y)                          \
    {                                                                                                                \
        DZ_PICK(name, dt)(rows, cols, x, y);                                                                         \
    }
DZ_EXTREME(dz_max_rows)
DZ_EXTREME(dz_max_cols)
DZ_EXTREME(dz_min_rows)
DZ_EXTREME(dz_min_cols)
#undef DZ_EXTREME

#endif
