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

/* y = sum((x0 - x1) ** 2) / length. squares: room for n values. */
static inline void dz_squared_error_mean(int dt, ptrdiff_t n, ptrdiff_t length, const char *x0, const char *x1, char *y, char *squares)
{
    dz_squared_error(dt, n, x0, x1, squares);
    dz_sum_cols(dt, squares, 1, n, y, 0);
    if (dt == DZ_F64)
        *(double *)y /= (double)length;
    else
        *(float *)y /= (float)length;
}

/* ---- for the machine (core/machine.h): n[0] elements, n[1] of the first axis */

/* the result has room for as many from its second slot on */
static int dz_squared_error_work(const dz_work *w)
{
    dz_squared_error_mean(w->dt, w->n[0], w->n[1], w->from[0], w->from[1], w->to, w->to + 8);
    return 0;
}

/* of x0, x1 and gy: x0's, or where n[2] x1's */
static int dz_squared_error_grad_work(const dz_work *w)
{
    const double gy = w->dt == DZ_F64 ? *(const double *)w->from[2] : (double)*(const float *)w->from[2];
    dz_squared_error_grad(w->dt, w->n[0], w->from[0], w->from[1], gy, 2.0 / (double)w->n[1], w->n[2] ? NULL : w->to,
                          w->n[2] ? w->to : NULL);
    return 0;
}

#endif
