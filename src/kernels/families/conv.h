/* The kernels of convolution: windows of an image as columns of a matrix, and back. */
#ifndef DZ_CONV_H
#define DZ_CONV_H

#include "families/window.h"
#include <string.h>

#define DZ_BODY "families/conv_body.h"
#include "core/levels.h"

static inline void dz_im2col(int dt, const char *x, char *col, const dz_window *w, ptrdiff_t r0, ptrdiff_t r1, ptrdiff_t ld)
{
    DZ_PICK(dz_im2col, dt)(x, col, w, r0, r1, ld);
}

static inline void dz_col2im(int dt, char *x, char *col, const dz_window *w, ptrdiff_t r0, ptrdiff_t r1, ptrdiff_t ld, int own)
{
    DZ_PICK(dz_col2im, dt)(x, col, w, r0, r1, ld, own);
}

static inline void dz_im2row(int dt, const char *x, char *row, const dz_window *w)
{
    DZ_PICK(dz_im2row, dt)(x, row, w);
}

static inline void dz_row2im(int dt, char *x, const char *row, const dz_window *w)
{
    DZ_PICK(dz_row2im, dt)(x, row, w);
}

static inline void dz_add_bias(int dt, char *y, const char *b, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t ld)
{
    DZ_PICK(dz_add_bias, dt)(y, b, rows, cols, ld);
}

static inline void dz_side_by_side(int dt, char *images, char *matrix, ptrdiff_t m, ptrdiff_t rows, ptrdiff_t cols, int back)
{
    DZ_PICK(dz_side_by_side, dt)(images, matrix, m, rows, cols, back);
}

#endif
