/* The kernels of pooling: maxima and means of the windows of images, and their gradients. */
#ifndef DZ_POOL_H
#define DZ_POOL_H

#include "dz_window.h"
#include <stdint.h>
#include <string.h>

#define DZ_BODY "dz_pool_body.h"
#include "dz_levels.h"

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

static inline void dz_mean_pool(int dt, const char *x, char *y, const dz_window *w)
{
    DZ_PICK(dz_mean_pool, dt)(x, y, w);
}

static inline void dz_mean_spread(int dt, const char *gy, char *gx, char *row, const dz_window *w)
{
    DZ_PICK(dz_mean_spread, dt)(gy, gx, row, w);
}

#endif
