/* The kernels of convolution by Winograd's F(2x4, 3x3) for float32: images, weights and gradients to and from the 24 matrices
 * whose products are the convolution (src/dezero_c/_winograd.pxi). */
#ifndef DZ_WINOGRAD_H
#define DZ_WINOGRAD_H

#include "families/window.h"

/* Tile rows [i0, i1) of one image. A tile is 2 rows and 4 columns of the output; column t of a matrix is tile t. */
typedef struct {
    ptrdiff_t channels, h, w; /* of the image that is read or written */
    ptrdiff_t ph, pw;         /* zeros around it (dz_wino_in) */
    ptrdiff_t tw;             /* tiles in a row */
    ptrdiff_t i0, i1;
    ptrdiff_t ld, step;       /* elements from channel to channel, and from matrix to matrix */
} dz_tiles;

#define DZ_WINO_K 24 /* matrices: 4 x 6 values of a transformed tile */

#define DZ_BODY "families/winograd_body.h"
#include "core/levels.h"

/* float32 alone: with a constant the functions for float64 are not compiled into anything. */
static inline double dz_wino_largest(const char *x, ptrdiff_t n) { return DZ_PICK(dz_wino_largest, DZ_F32)(x, n); }

static inline void dz_wino_weights(const char *W, char *U, ptrdiff_t oc, ptrdiff_t ic, ptrdiff_t step, int turned)
{
    DZ_PICK(dz_wino_weights, DZ_F32)(W, U, oc, ic, step, turned);
}

static inline void dz_wino_in(const char *x, char *V, char *room, const dz_tiles *t)
{
    DZ_PICK(dz_wino_in, DZ_F32)(x, V, room, t);
}

static inline void dz_wino_out(const char *M, const char *b, char *y, char *room, const dz_tiles *t)
{
    DZ_PICK(dz_wino_out, DZ_F32)(M, b, y, room, t);
}

static inline void dz_wino_grad(const char *gy, char *M, char *room, const dz_tiles *t)
{
    DZ_PICK(dz_wino_grad, DZ_F32)(gy, M, room, t);
}

static inline void dz_wino_gw(const char *S, char *gW, ptrdiff_t n, ptrdiff_t step)
{
    DZ_PICK(dz_wino_gw, DZ_F32)(S, gW, n, step);
}

#endif
