/* Included by core/levels.h for families/conv.h. T, DZ_NAME: see there.
 *
 * A column matrix has a row for each (channel, window row i, window column j) and a column for each place of the window, so that
 * weights (O, C * KH * KW) times columns is an image (O, OH * OW). `ld` is the distance of its rows in elements.
 */

/* out[:n] = 0, except out[lo:hi] = x[0], x[s], x[2 * s], ... */
DZ_INLINE void DZ_NAME(dz_row_out)(const T *x, T *out, ptrdiff_t s, ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t n)
{
    const ptrdiff_t m = hi - lo;
    ptrdiff_t o;
    for (o = 0; o < lo; o++)
        out[o] = 0;
    for (o = hi; o < n; o++)
        out[o] = 0;
    out += lo;
    if (s == 1)
        for (o = 0; o < m; o++)
            out[o] = x[o];
    else if (s == 2)
        for (o = 0; o < m; o++)
            out[o] = x[2 * o];
    else
        for (o = 0; o < m; o++)
            out[o] = x[o * s];
}

/* Zeros in the columns [0, lo) and [hi, n) of a matrix; there are few. */
DZ_INLINE void DZ_NAME(dz_no_border)(T *a, ptrdiff_t rows, ptrdiff_t lo, ptrdiff_t hi, ptrdiff_t n)
{
    ptrdiff_t r, o;
    for (o = 0; o < lo; o++)
        for (r = 0; r < rows; r++)
            a[r * n + o] = 0;
    for (o = hi; o < n; o++)
        for (r = 0; r < rows; r++)
            a[r * n + o] = 0;
}

/* The columns of window rows [r0, r1) of one image x (C, H, W). */
static void DZ_NAME(dz_im2col)(const char *x_, char *col_, const dz_window *w, ptrdiff_t r0, ptrdiff_t r1, ptrdiff_t ld)
{
    const T *x = (const T *)x_;
    T *col = (T *)col_;
    const ptrdiff_t n = w->ow;
    /* Neighbouring rows of an image of the output's width are one run of memory: copied at once, then the borders set. */
    const int flat = w->sh == 1 && w->sw == 1 && n == w->w;
    ptrdiff_t c, i, j, r;
    for (c = 0; c < w->c; c++, x += w->h * w->w)
        for (i = 0; i < w->kh; i++)
            for (j = 0; j < w->kw; j++, col += ld) {
                const ptrdiff_t dy = i * w->dh - w->ph, dx = j * w->dw - w->pw;
                ptrdiff_t top, bottom, lo, hi;
                dz_span(dy, w->sh, w->h, w->oh, &top, &bottom);
                dz_span(dx, w->sw, w->w, n, &lo, &hi);
                top = top < r0 ? r0 : top > r1 ? r1 : top;
                bottom = bottom > r1 ? r1 : bottom < top ? top : bottom;
                if (lo == hi)
                    top = bottom;
                memset(col, 0, (size_t)((top - r0) * n) * sizeof(T));
                memset(col + (bottom - r0) * n, 0, (size_t)((r1 - bottom) * n) * sizeof(T));
                if (top == bottom)
                    continue;
                if (!flat) {
                    for (r = top; r < bottom; r++)
                        DZ_NAME(dz_row_out)(x + (r * w->sh + dy) * w->w + lo * w->sw + dx, col + (r - r0) * n, w->sw, lo, hi, n);
                    continue;
                }
                memcpy(col + (top - r0) * n + lo, x + (top + dy) * n + lo + dx,
                       (size_t)((bottom - top) * n - lo - (n - hi)) * sizeof(T));
                DZ_NAME(dz_no_border)(col + (top - r0) * n, bottom - top, lo, hi, n);
            }
}

/* x (C, H, W) grows by what lies in the columns: the opposite of dz_im2col. own: the columns may be overwritten. */
static void DZ_NAME(dz_col2im)(char *x_, char *col_, const dz_window *w, ptrdiff_t r0, ptrdiff_t r1, ptrdiff_t ld, int own)
{
    T *x = (T *)x_;
    T *col = (T *)col_;
    const ptrdiff_t n = w->ow, s = w->sw;
    const int flat = w->sh == 1 && w->sw == 1 && n == w->w;
    ptrdiff_t c, i, j, r, o;
    for (c = 0; c < w->c; c++, x += w->h * w->w)
        for (i = 0; i < w->kh; i++)
            for (j = 0; j < w->kw; j++, col += ld) {
                const ptrdiff_t dy = i * w->dh - w->ph, dx = j * w->dw - w->pw;
                ptrdiff_t top, bottom, lo, hi;
                dz_span(dy, w->sh, w->h, w->oh, &top, &bottom);
                dz_span(dx, w->sw, w->w, n, &lo, &hi);
                top = top < r0 ? r0 : top;
                bottom = bottom > r1 ? r1 : bottom;
                if (lo == hi || top >= bottom)
                    continue;
                if (flat && (own || (lo == 0 && hi == n))) {
                    T *to = x + (top + dy) * n + lo + dx;
                    const T *from = col + (top - r0) * n + lo;
                    const ptrdiff_t length = (bottom - top) * n - lo - (n - hi);
                    DZ_NAME(dz_no_border)(col + (top - r0) * n, bottom - top, lo, hi, n);
                    DZ_IVDEP
                    for (o = 0; o < length; o++)
                        to[o] += from[o];
                    continue;
                }
                for (r = top; r < bottom; r++) {
                    T *to = x + (r * w->sh + dy) * w->w + lo * s + dx;
                    const T *from = col + (r - r0) * n + lo;
                    const ptrdiff_t m = hi - lo;
                    if (s == 1) {
                        DZ_IVDEP
                        for (o = 0; o < m; o++)
                            to[o] += from[o];
                    } else {
                        for (o = 0; o < m; o++)
                            to[o * s] += from[o];
                    }
                }
            }
}

/* The transposed matrix of all images, one row for each place of the window: x (N, C, H, W) to row (N * OH * OW, C * KH * KW). */
static void DZ_NAME(dz_im2row)(const char *x_, char *row_, const dz_window *w)
{
    const T *x = (const T *)x_;
    T *row = (T *)row_;
    const ptrdiff_t plane = w->h * w->w;
    ptrdiff_t n, oh, ow, c, i, j;
    for (n = 0; n < w->n; n++, x += w->c * plane)
        for (oh = 0; oh < w->oh; oh++)
            for (ow = 0; ow < w->ow; ow++) {
                const ptrdiff_t y0 = oh * w->sh - w->ph, x0 = ow * w->sw - w->pw;
                const int inside = x0 >= 0 && x0 + (w->kw - 1) * w->dw < w->w;
                for (c = 0; c < w->c; c++)
                    for (i = 0; i < w->kh; i++, row += w->kw) {
                        const ptrdiff_t y = y0 + i * w->dh;
                        const T *from = x + c * plane;
                        if (y < 0 || y >= w->h) {
                            for (j = 0; j < w->kw; j++)
                                row[j] = 0;
                            continue;
                        }
                        from += y * w->w;
                        if (inside)
                            for (j = 0; j < w->kw; j++)
                                row[j] = from[x0 + j * w->dw];
                        else
                            for (j = 0; j < w->kw; j++) {
                                const ptrdiff_t k = x0 + j * w->dw;
                                row[j] = k >= 0 && k < w->w ? from[k] : 0;
                            }
                    }
            }
}

/* x (N, C, H, W) grows by the rows: the opposite of dz_im2row. */
static void DZ_NAME(dz_row2im)(char *x_, const char *row_, const dz_window *w)
{
    T *x = (T *)x_;
    const T *row = (const T *)row_;
    const ptrdiff_t plane = w->h * w->w;
    ptrdiff_t n, oh, ow, c, i, j;
    for (n = 0; n < w->n; n++, x += w->c * plane)
        for (oh = 0; oh < w->oh; oh++)
            for (ow = 0; ow < w->ow; ow++) {
                const ptrdiff_t y0 = oh * w->sh - w->ph, x0 = ow * w->sw - w->pw;
                const int inside = x0 >= 0 && x0 + (w->kw - 1) * w->dw < w->w;
                for (c = 0; c < w->c; c++)
                    for (i = 0; i < w->kh; i++, row += w->kw) {
                        const ptrdiff_t y = y0 + i * w->dh;
                        T *to = x + c * plane;
                        if (y < 0 || y >= w->h)
                            continue;
                        to += y * w->w;
                        if (inside)
                            for (j = 0; j < w->kw; j++)
                                to[x0 + j * w->dw] += row[j];
                        else
                            for (j = 0; j < w->kw; j++) {
                                const ptrdiff_t k = x0 + j * w->dw;
                                if (k >= 0 && k < w->w)
                                    to[k] += row[j];
                            }
                    }
            }
}

/* y[o, :cols] += b[o] */
static void DZ_NAME(dz_add_bias)(char *y_, const char *b_, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t ld)
{
    T *y = (T *)y_;
    const T *b = (const T *)b_;
    ptrdiff_t o, p;
    for (o = 0; o < rows; o++, y += ld) {
        const T a = b[o];
        for (p = 0; p < cols; p++)
            y[p] += a;
    }
}

/* Between m images (m, rows, cols) and a matrix (rows, m * cols) that has them side by side. */
static void DZ_NAME(dz_side_by_side)(char *images_, char *matrix_, ptrdiff_t m, ptrdiff_t rows, ptrdiff_t cols, int back)
{
    T *images = (T *)images_;
    T *matrix = (T *)matrix_;
    ptrdiff_t k, r;
    for (k = 0; k < m; k++)
        for (r = 0; r < rows; r++) {
            T *a = images + (k * rows + r) * cols, *b = matrix + (r * m + k) * cols;
            memcpy(back ? a : b, back ? b : a, (size_t)cols * sizeof(T));
        }
}
