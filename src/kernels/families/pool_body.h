/* Included by core/levels.h for families/pool.h. T, DZ_NAME: see there.
 *
 * x is (N, C, H, W), y (N, C, OH, OW). Loops run along rows of y, for one pixel (i, j) of the window after another, so that they
 * are vectorised; where the window is wider than y they run along the window. `at` has for each element of y where its maximum
 * lies in the plane (H, W) of x: row * W + column. Strides of 1 and 2 are constants to the compiler.
 */

/* Whether there is a nan among n values. */
DZ_INLINE int DZ_NAME(dz_has_nan)(const T *x, ptrdiff_t n)
{
    ptrdiff_t i;
    int found = 0;
    for (i = 0; i < n; i++)
        found |= x[i] != x[i];
    return found;
}

/* Maximum and its place, the first of equals; k < 0: nothing was seen yet. */
DZ_INLINE void DZ_NAME(dz_max_row)(const T *x, int32_t place, T *y, int32_t *at, int n, int s)
{
    int o;
    DZ_IVDEP
    for (o = 0; o < n; o++) {
        const T v = x[(ptrdiff_t)o * s], m = y[o];
        const int32_t k = at[o];
        y[o] = ((k < 0) | (v > m)) ? v : m;
        at[o] = ((k < 0) | (v > m)) ? place + o * s : k;
    }
}

/* The same for windows of 2 x 2 side by side; a and b are the two rows of x. */
DZ_INLINE void DZ_NAME(dz_max_quarters)(const T *a, const T *b, int32_t place, int32_t width, T *y, int32_t *at, ptrdiff_t n)
{
    ptrdiff_t o;
    DZ_IVDEP
    for (o = 0; o < n; o++) {
        const T a0 = a[2 * o], a1 = a[2 * o + 1], b0 = b[2 * o], b1 = b[2 * o + 1];
        const int32_t k = place + 2 * (int32_t)o;
        const T ma = a1 > a0 ? a1 : a0, mb = b1 > b0 ? b1 : b0;
        const int32_t ka = a1 > a0 ? k + 1 : k, kb = b1 > b0 ? k + width + 1 : k + width;
        y[o] = mb > ma ? mb : ma;
        at[o] = mb > ma ? kb : ka;
    }
}

DZ_INLINE void DZ_NAME(dz_max_along_rows)(const T *x, T *y, int32_t *at, const dz_window *w, ptrdiff_t r0, ptrdiff_t r1)
{
    ptrdiff_t i, j, o, r;
    for (o = 0; o < (r1 - r0) * w->ow; o++) {
        y[o] = 0;
        at[o] = -1;
    }
    for (i = 0; i < w->kh; i++)
        for (j = 0; j < w->kw; j++) {
            ptrdiff_t lo, hi;
            dz_span(j * w->dw - w->pw, w->sw, w->w, w->ow, &lo, &hi);
            if (lo == hi)
                continue;
            for (r = r0; r < r1; r++) {
                const ptrdiff_t line = r * w->sh + i * w->dh - w->ph, first = line * w->w + lo * w->sw + j * w->dw - w->pw;
                T *to = y + (r - r0) * w->ow + lo;
                int32_t *k = at + (r - r0) * w->ow + lo;
                if (line < 0 || line >= w->h)
                    continue;
                if (w->sw == 1)
                    DZ_NAME(dz_max_row)(x + first, (int32_t)first, to, k, (int)(hi - lo), 1);
                else if (w->sw == 2)
                    DZ_NAME(dz_max_row)(x + first, (int32_t)first, to, k, (int)(hi - lo), 2);
                else
                    DZ_NAME(dz_max_row)(x + first, (int32_t)first, to, k, (int)(hi - lo), (int)w->sw);
            }
        }
}

/* The first pixel from `from` on, `step` apart, that is in the image. */
DZ_INLINE ptrdiff_t DZ_NAME(dz_first_inside)(ptrdiff_t from, ptrdiff_t step)
{
    return from < 0 ? from + (step - 1 - from) / step * step : from;
}

/* One window, whose pixel (0, 0) is (top, left) of the plane; the first nan is the maximum. */
DZ_INLINE void DZ_NAME(dz_max_window)(const T *x, T *y, int32_t *at, const dz_window *w, ptrdiff_t top, ptrdiff_t left)
{
    const ptrdiff_t end = top + w->dh * (w->kh - 1) + 1, right = left + w->dw * (w->kw - 1) + 1;
    const ptrdiff_t a = DZ_NAME(dz_first_inside)(top, w->dh), b = end < w->h ? end : w->h;
    const ptrdiff_t c = DZ_NAME(dz_first_inside)(left, w->dw), d = right < w->w ? right : w->w;
    ptrdiff_t i, j, k = a * w->w + c;
    T m = x[k];
    for (i = a; i < b; i += w->dh)
        for (j = c; j < d; j += w->dw) {
            const T v = x[i * w->w + j];
            if (!(v <= m) && m == m) {
                m = v;
                k = i * w->w + j;
            }
        }
    *y = m;
    *at = (int32_t)k;
}

/* Every window holds a pixel of the image; H * W is below 2**31. */
static void DZ_NAME(dz_max_pool)(const char *x_, char *y_, int32_t *at, const dz_window *w)
{
    const T *x = (const T *)x_;
    T *y = (T *)y_;
    const ptrdiff_t band = dz_band(w);
    ptrdiff_t p, r, o;
    for (p = 0; p < w->n * w->c; p++, x += w->h * w->w, y += w->oh * w->ow, at += w->oh * w->ow) {
        if (w->ow < w->kw || DZ_NAME(dz_has_nan)(x, w->h * w->w))
            for (r = 0; r < w->oh; r++)
                for (o = 0; o < w->ow; o++)
                    DZ_NAME(dz_max_window)(x, y + r * w->ow + o, at + r * w->ow + o, w, r * w->sh - w->ph, o * w->sw - w->pw);
        else if (dz_quarters(w))
            for (r = 0; r < w->oh; r++)
                DZ_NAME(dz_max_quarters)(x + 2 * r * w->w, x + (2 * r + 1) * w->w, (int32_t)(2 * r * w->w), (int32_t)w->w,
                                         y + r * w->ow, at + r * w->ow, w->ow);
        else
            for (r = 0; r < w->oh; r += band)
                DZ_NAME(dz_max_along_rows)(x, y + r * w->ow, at + r * w->ow, w, r, r + band < w->oh ? r + band : w->oh);
    }
}

/* gx is gy at the places and 0 elsewhere; a place outside the plane is left out. */
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

DZ_INLINE void DZ_NAME(dz_add_row)(const T *x, ptrdiff_t sx, T *y, ptrdiff_t sy, ptrdiff_t n)
{
    ptrdiff_t o;
    DZ_IVDEP
    for (o = 0; o < n; o++)
        y[o * sy] += x[o * sx];
}

/* y = x / count; a count that is a power of two has an exact inverse. */
DZ_INLINE void DZ_NAME(dz_divide)(const T *x, T *y, ptrdiff_t n, ptrdiff_t count)
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

/* Sums of windows into rows [r0, r1) of y, or (spread) from those rows into the windows. x is the plane. */
DZ_INLINE void DZ_NAME(dz_sum_along_rows)(T *x, T *y, const dz_window *w, ptrdiff_t r0, ptrdiff_t r1, int spread)
{
    const ptrdiff_t s = w->sw;
    ptrdiff_t i, j, r;
    for (i = 0; i < w->kh; i++)
        for (j = 0; j < w->kw; j++) {
            ptrdiff_t lo, hi;
            dz_span(j - w->pw, s, w->w, w->ow, &lo, &hi);
            if (lo == hi)
                continue;
            for (r = r0; r < r1; r++) {
                const ptrdiff_t line = r * w->sh + i - w->ph, first = line * w->w + lo * s + j - w->pw;
                T *row = y + (r - r0) * w->ow + lo;
                if (line < 0 || line >= w->h)
                    continue;
                if (spread && s == 1)
                    DZ_NAME(dz_add_row)(row, 1, x + first, 1, hi - lo);
                else if (spread)
                    DZ_NAME(dz_add_row)(row, 1, x + first, s, hi - lo);
                else if (s == 1)
                    DZ_NAME(dz_add_row)(x + first, 1, row, 1, hi - lo);
                else if (s == 2)
                    DZ_NAME(dz_add_row)(x + first, 2, row, 1, hi - lo);
                else
                    DZ_NAME(dz_add_row)(x + first, s, row, 1, hi - lo);
            }
        }
}

/* The sum of one window, in eight parts; or (spread) *y added to its pixels. A window as wide as the plane is one run. */
DZ_INLINE void DZ_NAME(dz_sum_window)(T *x, T *y, const dz_window *w, ptrdiff_t top, ptrdiff_t left, int spread)
{
    const ptrdiff_t a = top < 0 ? 0 : top, b = top + w->kh < w->h ? top + w->kh : w->h;
    const ptrdiff_t c = left < 0 ? 0 : left, d = left + w->kw < w->w ? left + w->kw : w->w;
    const ptrdiff_t runs = b <= a || d <= c ? 0 : d - c == w->w ? 1 : b - a, length = runs == 1 ? (b - a) * (d - c) : d - c;
    const T g = *y;
    T sum[8] = {0};
    ptrdiff_t i, j, k;
    for (i = 0; i < runs; i++) {
        T *row = x + (a + i) * w->w + c;
        if (spread)
            for (j = 0; j < length; j++)
                row[j] += g;
        else {
            for (j = 0; j + 8 <= length; j += 8)
                for (k = 0; k < 8; k++)
                    sum[k] += row[j + k];
            for (k = 0; j < length; j++, k++)
                sum[k] += row[j];
        }
    }
    if (!spread)
        *y = ((sum[0] + sum[1]) + (sum[2] + sum[3])) + ((sum[4] + sum[5]) + (sum[6] + sum[7]));
}

static void DZ_NAME(dz_mean_pool)(const char *x_, char *y_, const dz_window *w, ptrdiff_t count)
{
    T *x = (T *)(uintptr_t)x_; /* only read */
    T *y = (T *)y_;
    const T f = 1 / (T)count; /* of quarters: exact */
    const ptrdiff_t band = dz_band(w);
    ptrdiff_t p, r, o;
    for (p = 0; p < w->n * w->c; p++, x += w->h * w->w, y += w->oh * w->ow) {
        if (dz_quarters(w))
            for (r = 0; r < w->oh; r++) {
                const T *a = x + 2 * r * w->w, *b = a + w->w;
                for (o = 0; o < w->ow; o++)
                    y[r * w->ow + o] = (a[2 * o] + a[2 * o + 1] + b[2 * o] + b[2 * o + 1]) * f;
            }
        else if (w->ow >= w->kw)
            for (r = 0; r < w->oh; r += band) {
                const ptrdiff_t end = r + band < w->oh ? r + band : w->oh;
                memset(y + r * w->ow, 0, (size_t)((end - r) * w->ow) * sizeof(T));
                DZ_NAME(dz_sum_along_rows)(x, y + r * w->ow, w, r, end, 0);
                DZ_NAME(dz_divide)(y + r * w->ow, y + r * w->ow, (end - r) * w->ow, count);
            }
        else {
            for (r = 0; r < w->oh; r++)
                for (o = 0; o < w->ow; o++) {
                    y[r * w->ow + o] = 0;
                    DZ_NAME(dz_sum_window)(x, y + r * w->ow + o, w, r * w->sh - w->ph, o * w->sw - w->pw, 0);
                }
            DZ_NAME(dz_divide)(y, y, w->oh * w->ow, count);
        }
    }
}

/* Each value of gy, divided by count, into every pixel of its window. `part` has room for OH * OW values. */
static void DZ_NAME(dz_mean_spread)(const char *gy_, char *gx_, char *part_, const dz_window *w, ptrdiff_t count)
{
    const T *gy = (const T *)gy_;
    T *gx = (T *)gx_, *part = (T *)part_;
    const ptrdiff_t band = dz_band(w);
    ptrdiff_t p, r, o;
    for (p = 0; p < w->n * w->c; p++, gx += w->h * w->w, gy += w->oh * w->ow) {
        if (!dz_quarters(w) || w->h % 2 || w->w % 2)
            memset(gx, 0, (size_t)(w->h * w->w) * sizeof(T));
        DZ_NAME(dz_divide)(gy, part, w->oh * w->ow, count);
        if (dz_quarters(w))
            for (r = 0; r < w->oh; r++) {
                const T *g = part + r * w->ow;
                T *a = gx + 2 * r * w->w, *b = a + w->w;
                DZ_IVDEP
                for (o = 0; o < w->ow; o++) {
                    a[2 * o] = g[o];
                    a[2 * o + 1] = g[o];
                    b[2 * o] = g[o];
                    b[2 * o + 1] = g[o];
                }
            }
        else if (w->ow >= w->kw)
            for (r = 0; r < w->oh; r += band)
                DZ_NAME(dz_sum_along_rows)(gx, part + r * w->ow, w, r, r + band < w->oh ? r + band : w->oh, 1);
        else
            for (r = 0; r < w->oh; r++)
                for (o = 0; o < w->ow; o++)
                    DZ_NAME(dz_sum_window)(gx, part + r * w->ow + o, w, r * w->sh - w->ph, o * w->sw - w->pw, 1);
    }
}
