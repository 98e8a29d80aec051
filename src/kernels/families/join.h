/* Kernels of src/dezero_c/_join.pyx. */
#ifndef DZ_JOIN_H
#define DZ_JOIN_H

#include <stddef.h>

#define DZ_BODY "families/join_body.h"
#include "core/levels.h"

static inline void dz_cumsum(int dt, char *y, const char *x, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t row, int backwards)
{
    DZ_PICK(dz_cumsum, dt)(y, x, outer, n, row, backwards);
}

static inline void dz_diff_bwd(int dt, char *gx, const char *gy, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t row)
{
    DZ_PICK(dz_diff_bwd, dt)(gx, gy, outer, n, row);
}

static inline void dz_scan(int dt, char *s, const char *a, const char *b, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t row,
                           int backwards)
{
    DZ_PICK(dz_scan, dt)(s, a, b, outer, n, row, backwards);
}

#endif
