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

/* ---- for the machine (core/machine.h): n[0] rows of n[1] */

static int dz_softmax_work(const dz_work *w)
{
    dz_softmax(w->dt, w->n[0], w->n[1], 1, w->from[0], w->to);
    return 0;
}

/* of y and gy; flags mean nothing here */
static int dz_softmax_grad_work(const dz_work *w)
{
    if (dz_fpe_test())
        return 1;
    dz_softmax_grad(w->dt, w->n[0], w->n[1], 1, w->from[0], w->from[1], w->to);
    if (dz_fpe_test())
        dz_fpe_clear();
    return 0;
}

static int dz_log_softmax_work(const dz_work *w)
{
    dz_log_softmax(w->dt, w->n[0], w->n[1], 1, w->from[0], w->to);
    return 0;
}

static int dz_log_softmax_grad_work(const dz_work *w)
{
    if (dz_fpe_test())
        return 1;
    dz_log_softmax_grad(w->dt, w->n[0], w->n[1], 1, w->from[0], w->from[1], w->to);
    if (dz_fpe_test())
        dz_fpe_clear();
    return 0;
}

/* Whether all of these labels are class numbers. */
static inline int dz_labels_fit(const ptrdiff_t *t, ptrdiff_t rows, ptrdiff_t n)
{
    ptrdiff_t i;
    for (i = 0; i < rows; i++)
        if ((size_t)t[i] >= (size_t)n)
            return 0;
    return 1;
}

/* Elements that dz_cross_entropy_mean takes beside those that it reads. */
static inline ptrdiff_t dz_cross_entropy_room(ptrdiff_t rows, ptrdiff_t n) { return dz_softmax_room(n) + rows; }

/* -mean(log_softmax(x)[t]) */
static inline void dz_cross_entropy_mean(int dt, ptrdiff_t rows, ptrdiff_t n, const char *x, const ptrdiff_t *t, char *y, char *room)
{
    char *picked = room + dz_softmax_room(n) * (dt == DZ_F64 ? (ptrdiff_t)sizeof(double) : (ptrdiff_t)sizeof(float));
    dz_pick_log_softmax(dt, rows, n, x, t, picked, room);
    dz_sum_cols(dt, picked, 1, rows, room, 0);
    if (dt == DZ_F64)
        *(double *)y = -*(double *)room / (double)rows;
    else
        *(float *)y = -*(float *)room / (float)rows;
}

/* of x and labels, to a result with that room from its second slot on */
static int dz_cross_entropy_work(const dz_work *w)
{
    const ptrdiff_t *t = (const ptrdiff_t *)w->from[1];
    if (!dz_labels_fit(t, w->n[0], w->n[1]))
        return 1;
    dz_cross_entropy_mean(w->dt, w->n[0], w->n[1], w->from[0], t, w->to, w->to + 8);
    return 0;
}

/* of x, labels and gy */
static int dz_cross_entropy_grad_work(const dz_work *w)
{
    const double g = w->dt == DZ_F64 ? *(const double *)w->from[2] * (1.0 / w->n[0])
                                     : *(const float *)w->from[2] * (float)(1.0 / w->n[0]);
    dz_cross_entropy_grad(w->dt, w->n[0], w->n[1], w->from[0], (const ptrdiff_t *)w->from[1], g, w->to);
    return 0;
}

#endif
