/* Kernels of indexing backwards: rows of a gradient added to where an index took them from. The counterpart of
 * src/dezero_c/_index.pyx, which has checked every row number against the array just before.
 */
#ifndef DZ_INDEX_H
#define DZ_INDEX_H

#include <stddef.h>

/* Whether all n indices name one of `len` rows; negative ones count from the end. */
static inline int dz_index_fits(const ptrdiff_t *index, ptrdiff_t n, ptrdiff_t len)
{
    ptrdiff_t i;
    int bad = 0;
    for (i = 0; i < n; i++)
        bad |= (index[i] < -len) | (index[i] >= len);
    return !bad;
}

/* flat = flat * len + index, for one more axis of length len; step 0 repeats one index. 0 when an index does not fit. */
static inline int dz_index_join(ptrdiff_t *flat, const ptrdiff_t *index, ptrdiff_t step, ptrdiff_t n, ptrdiff_t len)
{
    ptrdiff_t i;
    for (i = 0; i < n; i++) {
        const ptrdiff_t k = index[i * step];
        if (k < -len || k >= len)
            return 0;
        flat[i] = flat[i] * len + (k < 0 ? k + len : k);
    }
    return 1;
}

#define DZ_BODY "families/index_body.h"
#include "core/levels.h"

static inline void dz_add_rows(int dt, char *out, const char *gy, const ptrdiff_t *index, ptrdiff_t n, ptrdiff_t outer,
                               ptrdiff_t len, ptrdiff_t row)
{
    DZ_PICK(dz_add_rows, dt)(out, gy, index, n, outer, len, row);
}

static inline void dz_add_masked(int dt, char *out, const char *gy, const unsigned char *mask, ptrdiff_t count, ptrdiff_t n,
                                 ptrdiff_t row)
{
    DZ_PICK(dz_add_masked, dt)(out, gy, mask, count, n, row);
}

static inline void dz_take_masked(int dt, char *y, const char *x, const unsigned char *mask, ptrdiff_t count, ptrdiff_t n)
{
    DZ_PICK(dz_take_masked, dt)(y, x, mask, count, n);
}

#endif
