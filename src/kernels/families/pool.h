/* The kernels of pooling: maxima and means of the windows of images, and their gradients. */
#ifndef DZ_POOL_H
#define DZ_POOL_H

#include "families/window.h"
#include <stdint.h>
#include <string.h>

/* Windows of 2 x 2 side by side, all within the image: the usual ones have loops of their own. */
static inline int dz_quarters(const dz_window *w)
{
    return w->kh == 2 && w->kw == 2 && w->sh == 2 && w->sw == 2 && w->ph == 0 && w->pw == 0 && w->dh == 1 && w->dw == 1
           && 2 * w->oh <= w->h && 2 * w->ow <= w->w;
}

/* Rows of the result that are taken together: what the first-level cache holds. */
static inline ptrdiff_t dz_band(const dz_window *w)
{
    return w->ow < 1024 ? 1024 / w->ow : 1;
}

#define DZ_BODY "families/pool_body.h"
#include "core/levels.h"

static inline void dz_max_pool(int dt, const char *x, char *y, int32_t *at, const dz_window *w)
{
    DZ_PICK(dz_max_pool, dt)(x, y, at, w);
}

static inline void dz_pool_scatter(int dt, const char *gy, const int32_t *at, char *gx, const dz_window *w)
{
    DZ_PICK(dz_pool_scatter, dt)(gy, at, gx, w);
}

static inline void dz_pool_gather(int dt, const char *x, const int32_t *at, char *y, const dz_window *w)
{
    DZ_PICK(dz_pool_gather, dt)(x, at, y, w);
}

/* The sums of windows, divided by count; and (spread) their gradient. There is no dilation. */
static inline void dz_mean_pool(int dt, const char *x, char *y, const dz_window *w, ptrdiff_t count)
{
    DZ_PICK(dz_mean_pool, dt)(x, y, w, count);
}

static inline void dz_mean_spread(int dt, const char *gy, char *gx, char *row, const dz_window *w, ptrdiff_t count)
{
    DZ_PICK(dz_mean_spread, dt)(gy, gx, row, w, count);
}

#endif
