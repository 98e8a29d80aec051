/* A window that slides over the last two axes of (N, C, H, W) images: what convolution and pooling have in common. */
#ifndef DZ_WINDOW_H
#define DZ_WINDOW_H

#include <stddef.h>

typedef struct {
    ptrdiff_t n, c, h, w;     /* the images */
    ptrdiff_t kh, kw;         /* the window's size, stride, padding (zeros around the image) and dilation */
    ptrdiff_t sh, sw;
    ptrdiff_t ph, pw;
    ptrdiff_t dh, dw;
    ptrdiff_t oh, ow;         /* its places */
} dz_window;

/* The places o in [0, n) where o * stride + offset lies in [0, size): from *lo up to *hi, which is never below *lo. */
static inline void dz_span(ptrdiff_t offset, ptrdiff_t stride, ptrdiff_t size, ptrdiff_t n, ptrdiff_t *lo, ptrdiff_t *hi)
{
    ptrdiff_t a = offset < 0 ? (stride - 1 - offset) / stride : 0;
    ptrdiff_t b = offset < size ? (size - 1 - offset) / stride + 1 : 0;
    if (a > n)
        a = n;
    if (b > n)
        b = n;
    *lo = a;
    *hi = b < a ? a : b;
}

#endif
