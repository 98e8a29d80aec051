/* Softmax, its logarithm and cross-entropy along the rows of a C-contiguous matrix: forward and gradient. Rows are taken in
 * blocks that stay in the first-level cache, with one pass of exp for each; the largest value of a row is subtracted first, so
 * nothing overflows. Along another axis (n values that lie `inner` apart) blocks of columns take the place of rows.
 */
#ifndef DZ_SOFTMAX_H
#define DZ_SOFTMAX_H

#include "math/elementary.h"

#define DZ_BODY "families/softmax_body.h"
#include "core/levels.h"

/* Values that a block of rows takes, at most. */
static inline ptrdiff_t dz_softmax_room(ptrdiff_t n) { return n > 2048 ? n : 2048; }

/* y = softmax(x); y may not be x. */
static inline void dz_softmax(int dt, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, const char *x, char *y)
{
    if (inner == 1)
        DZ_PICK(dz_softmax, dt)(outer, n, x, y);
    else
        DZ_PICK(dz_softmax_columns, dt)(outer, n, inner, x, y);
}

/* gx = y * (gy - sum(y * gy)). */
static inline void dz_softmax_grad(int dt, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, const char *y, const char *gy,
                                   char *gx)
{
    if (inner == 1)
        DZ_PICK(dz_softmax_grad, dt)(outer, n, y, gy, gx);
    else
        DZ_PICK(dz_softmax_grad_columns, dt)(outer, n, inner, y, gy, gx);
}

/* y = x - log(sum(exp(x))); y may not be x. */
static inline void dz_log_softmax(int dt, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, const char *x, char *y)
{
    if (inner == 1)
        DZ_PICK(dz_log_softmax, dt)(outer, n, x, y);
    else
        DZ_PICK(dz_log_softmax_columns, dt)(outer, n, inner, x, y);
}

/* gx = gy - exp(y) * sum(gy). */
static inline void dz_log_softmax_grad(int dt, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, const char *y, const char *gy,
                                       char *gx)
{
    if (inner == 1)
        DZ_PICK(dz_log_softmax_grad, dt)(outer, n, y, gy, gx);
    else
        DZ_PICK(dz_log_softmax_grad_columns, dt)(outer, n, inner, y, gy, gx);
}

/* p[i] = x[i, t[i]] - log(sum(exp(x[i]))). t was checked. z: room for dz_softmax_room(n) values. */
static inline void dz_pick_log_softmax(int dt, ptrdiff_t rows, ptrdiff_t n, const char *x, const ptrdiff_t *t, char *p, char *z)
{
    DZ_PICK(dz_pick_log_softmax, dt)(rows, n, x, t, p, z);
}

/* gx = (softmax(x) - onehot(t)) * g. */
static inline void dz_cross_entropy_grad(int dt, ptrdiff_t rows, ptrdiff_t n, const char *x, const ptrdiff_t *t, double g,
                                         char *gx)
{
    DZ_PICK(dz_cross_entropy_grad, dt)(rows, n, x, t, g, gx);
}

#endif
