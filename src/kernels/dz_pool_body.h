/* Included by dz_levels.h for dz_pool.h. T, DZ_NAME: see there.
 *
 * x is (N, C, H, W), y (N, C, OH, OW); every loop runs along a row of y, for one place (i, j) of the window after another, so
 * that it is vectorised. `at` has for each element of y where its maximum lies in the plane (H, W) of x: row * W + column.
 * Strides of 1 and 2 are constants to the compiler.
 */

/* Maximum and its place: the first of equals, or the first nan. k < 0: nothing was seen yet. */
DZ_INLINE void DZ_NAME(dz_max_row)(const T *x, int32_t place, T *y, int32_t *at, ptrdiff_t n, ptrdiff_t s)
{
    ptrdiff_t o;
    DZ_IVDEP
    for (o = 0; o < n; o++) {
        const T v = x[o * s], m = y[o];
        const int32_t k = at[o];
        const int take = (k < 0) | ((m == m) & !(v <= m));
        y[o] = take ? v : m;
        at[o] = take ? place + (int32_t)(o * s) : k;
    }
}

/* Windows of 2 x 2 side by side, without padding. */
DZ_INLINE void DZ_NAME(dz_max_row_2x2)(const T *a, const T *b, int32_t place, int32_t width, T *y, int32_t *at, ptrdiff_t n)
{
    ptrdiff_t o;
    DZ_IVDEP
    for (o = 0; o < n; o++) {
        const T a0 = a[2 * o], a1 = a[2 * o + 1], b0 = b[2 * o], b1 = b[2 * o + 1];
        const int32_t k = place + 2 * (int32_t)o;
        const int ta = (a0 == a0) & !(a1 <= a0), tb = (b0 == b0) & !(b1 <= b0);
        const T ma = ta ? a1 : a0, mb = tb ? b1 : b0;
        const int32_t ka = ta ? k + 1 : k, kb = tb ? k + width + 1 : k + width;
        const int t = (ma == ma) & !(mb <= ma);
        y[o] = t ? mb : ma;
        at[o] = t ? kb : ka;
    }
}

static void DZ_NAME(dz_max_pool)(const char *x_, char *y_, int32_t *at, const dz_window *w)
{
    const T *x = (const T *)x_;
    T *y = (T *)y_;
    const int tiled = w->kh == 2 && w->kw == 2 && w->sh == 2 && w->sw == 2 && w->ph == 0 && w->pw == 0;
    ptrdiff_t p, r, i, j, o;
    for (p = 0; p < w->n * w->c; p++, x += w->h * w->w)
        for (r = 0; r < w->oh; r++, y += w->ow, at += w->ow) {
            if (tiled) {
                const T *row = x + 2 * r * w->w;
                DZ_NAME(dz_max_row_2x2)(row, row + w->w, (int32_t)(2 * r * w->w), (int32_t)w->w, y, at, w->ow);
                continue;
            }
            for (o = 0; o < w->ow; o++) {
                y[o] = 0;
                at[o] = -1;
            }
            for (i = 0; i < w->kh; i++) {
                const ptrdiff_t line = r * w->sh + i - w->ph;
                if (line < 0 || line >= w->h)
                    continue;
                for (j = 0; j < w->kw; j++) {
                    ptrdiff_t lo, hi, first;
                    dz_span(j - w->pw, w->sw, w->w, w->ow, &lo, &hi);
                    if (lo == hi)
                        continue;
                    first = line * w->w + lo * w->sw + j - w->pw;
                    if (w->sw == 1)
                        DZ_NAME(dz_max_row)(x + first, (int32_t)first, y + lo, at + lo, hi - lo, 1);
                    else if (w->sw == 2)
                        DZ_NAME(dz_max_row)(x + first, (int32_t)first, y + lo, at + lo, hi - lo, 2);
                    else
                        DZ_NAME(dz_max_row)(x + first, (int32_t)first, y + lo, at + lo, hi - lo, w->sw);
                }
            }
        }
}

/* gx grows by gy at the places; one outside the plane is left out. */
static void DZ_NAME(dz_pool_scatter)(const char *gy_, const int32_t *at, char *gx_, const dz_window *w)
{
    const T *gy = (const T *)gy_;
    T *gx = (T *)gx_;
    const ptrdiff_t n = w->oh * w->ow;
    const size_t size = (size_t)(w->h * w->w);
    ptrdiff_t p, o;
    for (p = 0; p < w->n * w->c; p++, gx += size, gy += n, at += n) {
        memset(gx, 0, size * sizeof(T));
        for (o = 0; o < n; o++)
            if ((size_t)at[o] < size)
                gx[at[o]] += gy[o];
    }
}

/* y is x at the places; 0 for one outside the plane. */
static void DZ_NAME(dz_pool_gather)(const char *x_, const int32_t *at, char *y_, const dz_window *w)
{
    const T *x = (const T *)x_;
    T *y = (T *)y_;
    const ptrdiff_t n = w->oh * w->ow;
    const size_t size = (size_t)(w->h * w->w);
    ptrdiff_t p, o;
    for (p = 0; p < w->n * w->c; p++, x += size, y += n, at += n)
        for (o = 0; o < n; o++)
            y[o] = (size_t)at[o] < size ? x[at[o]] : 0;
}

DZ_INLINE void DZ_NAME(dz_add_row)(const T *x, T *y, ptrdiff_t n, ptrdiff_t s)
{
    ptrdiff_t o;
    DZ_IVDEP
    for (o = 0; o < n; o++)
        y[o] += x[o * s];
}

/* y / count; a count that is a power of two has an exact inverse. */
DZ_INLINE void DZ_NAME(dz_divide_row)(const T *x, T *y, ptrdiff_t n, ptrdiff_t count)
{
    const T c = (T)count, f = 1 / c;
    ptrdiff_t o;
    if ((count & (count - 1)) == 0)
        for (o = 0; o < n; o++)
            y[o] = x[o] * f;
    else
        for (o = 0; o < n; o++)
            y[o] = x[o] / c;
}

static void DZ_NAME(dz_mean_pool)(const char *x_, char *y_, const dz_window *w)
{
    const T *x = (const T *)x_;
    T *y = (T *)y_;
    const int tiled = w->kh == 2 && w->kw == 2 && w->sh == 2 && w->sw == 2 && w->ph == 0 && w->pw == 0;
    const ptrdiff_t count = w->kh * w->kw;
    ptrdiff_t p, r, i, j, o;
    for (p = 0; p < w->n * w->c; p++, x += w->h * w->w)
        for (r = 0; r < w->oh; r++, y += w->ow) {
            if (tiled) {
                const T *a = x + 2 * r * w->w, *b = a + w->w;
                for (o = 0; o < w->ow; o++)
                    y[o] = (a[2 * o] + a[2 * o + 1] + b[2 * o] + b[2 * o + 1]) * (T)0.25;
                continue;
            }
            for (o = 0; o < w->ow; o++)
                y[o] = 0;
            for (i = 0; i < w->kh; i++) {
                const ptrdiff_t line = r * w->sh + i - w->ph;
                if (line < 0 || line >= w->h)
                    continue;
                for (j = 0; j < w->kw; j++) {
                    const T *from = x + line * w->w;
                    ptrdiff_t lo, hi;
                    dz_span(j - w->pw, w->sw, w->w, w->ow, &lo, &hi);
                    if (lo == hi)
                        continue;
                    from += lo * w->sw + j - w->pw;
                    if (w->sw == 1)
                        DZ_NAME(dz_add_row)(from, y + lo, hi - lo, 1);
                    else if (w->sw == 2)
                        DZ_NAME(dz_add_row)(from, y + lo, hi - lo, 2);
                    else
                        DZ_NAME(dz_add_row)(from, y + lo, hi - lo, w->sw);
                }
            }
            DZ_NAME(dz_divide_row)(y, y, w->ow, count);
        }
}

/* Each value of gy, divided by the window's size, into every pixel of its window. `row` has room for OW values. */
static void DZ_NAME(dz_mean_spread)(const char *gy_, char *gx_, char *row_, const dz_window *w)
{
    const T *gy = (const T *)gy_;
    T *gx = (T *)gx_, *row = (T *)row_;
    const int tiled = w->kh == 2 && w->kw == 2 && w->sh == 2 && w->sw == 2 && w->ph == 0 && w->pw == 0;
    const ptrdiff_t s = w->sw;
    ptrdiff_t p, r, i, j, o;
    for (p = 0; p < w->n * w->c; p++, gx += w->h * w->w) {
        if (!tiled || w->h % 2 || w->w % 2)
            memset(gx, 0, (size_t)(w->h * w->w) * sizeof(T));
        for (r = 0; r < w->oh; r++, gy += w->ow) {
            if (tiled) {
                T *a = gx + 2 * r * w->w, *b = a + w->w;
                DZ_IVDEP
                for (o = 0; o < w->ow; o++) {
                    const T g = gy[o] * (T)0.25;
                    a[2 * o] = g;
                    a[2 * o + 1] = g;
                    b[2 * o] = g;
                    b[2 * o + 1] = g;
                }
                continue;
            }
            DZ_NAME(dz_divide_row)(gy, row, w->ow, w->kh * w->kw);
            for (i = 0; i < w->kh; i++) {
                const ptrdiff_t line = r * w->sh + i - w->ph;
                if (line < 0 || line >= w->h)
                    continue;
                for (j = 0; j < w->kw; j++) {
                    T *to = gx + line * w->w;
                    ptrdiff_t lo, hi;
                    dz_span(j - w->pw, s, w->w, w->ow, &lo, &hi);
                    if (lo == hi)
                        continue;
                    to += lo * s + j - w->pw;
                    if (s == 1)
                        DZ_NAME(dz_add_row)(row + lo, to, hi - lo, 1);
                    else
                        for (o = 0; o < hi - lo; o++)
                            to[o * s] += row[lo + o];
                }
            }
        }
    }
}
