/* Mean squared error: the squares, and the gradient of their mean. */
#ifndef DZ_LOSSES_H
#define DZ_LOSSES_H

#define DZ_BODY "families/losses_body.h"
#include "core/levels.h"

/* y = (x0 - x1) ** 2 */
static inline void dz_squared_error(int dt, ptrdiff_t n, const char *x0, const char *x1, char *y)
{
    DZ_PICK(dz_squared_error, dt)(n, x0, x1, y);
}

/* gx0 = gy * (x0 - x1) * c, gx1 = -gx0; either may be NULL. */
static inline void dz_squared_error_grad(int dt, ptrdiff_t n, const char *x0, const char *x1, double gy, double c, char *gx0,
                                         char *gx1)
{
    DZ_PICK(dz_squared_error_grad, dt)(n, x0, x1, gy, c, gx0, gx1);
}

#endif
