/* Included by core/levels.h for families/winograd.h. T, DZ_NAME: see there.
 *
 * Down, F(2, 3) with the points 0, 1, -1 and infinity; across, F(4, 3) with 0, p, -p, q, -q and infinity. p = 11/16 and
 * q = 23/16 give the least error in the worst of the 4 columns, a third of that of the usual 1 and 2; their powers and products
 * are exact in float32. Loops run over the
 * tiles of one channel, side by side, so that they are vectorised whatever the width of a row; `room` is for those.
 */

#ifndef DZ_P
#define DZ_WINO_LOT 16 /* filters transformed at a time, side by side */
#define DZ_P (11.0 / 16.0) /* the points, their squares, sums and products */
#define DZ_Q (23.0 / 16.0)
#define DZ_P2 (DZ_P * DZ_P)
#define DZ_Q2 (DZ_Q * DZ_Q)
#define DZ_P3 (DZ_P * DZ_P2)
#define DZ_Q3 (DZ_Q * DZ_Q2)
#define DZ_PQ (DZ_P2 * DZ_Q2)
#define DZ_G0 (1 / DZ_PQ) /* G's rows across are (1, p, p^2) times these: for 0, +-p, +-q */
#define DZ_G1 (1 / (2 * DZ_P2 * (DZ_P2 - DZ_Q2)))
#define DZ_G3 (1 / (2 * DZ_Q2 * (DZ_Q2 - DZ_P2)))
#endif

/* The largest |x|, nan where there is one. */
static double DZ_NAME(dz_wino_largest)(const char *x_, ptrdiff_t n)
{
    const T *x = (const T *)x_;
    T m[32] = {0}, r = 0;
    ptrdiff_t i, k;
    for (i = 0; i + 32 <= n; i += 32)
        for (k = 0; k < 32; k++) {
            const T a = x[i + k] < 0 ? -x[i + k] : x[i + k];
            m[k] = a <= m[k] || m[k] != m[k] ? m[k] : a; /* nan once, nan for good */
        }
    for (; i < n; i++) {
        const T a = x[i] < 0 ? -x[i] : x[i];
        r = a <= r || r != r ? r : a;
    }
    for (k = 0; k < 32; k++)
        r = m[k] <= r || r != r ? r : m[k];
    return (double)r;
}

/* B across: 6 values to 6. x[k] lies k * n on, out[k] k * step on. */
DZ_INLINE void DZ_NAME(dz_wino_bt6)(const T *x, T *out, ptrdiff_t n, ptrdiff_t step)
{
    ptrdiff_t t;
    DZ_IVDEP
    for (t = 0; t < n; t++) {
        const T d0 = x[t], d1 = x[n + t], d2 = x[2 * n + t], d3 = x[3 * n + t], d4 = x[4 * n + t], d5 = x[5 * n + t];
        const T e = d4 - (T)DZ_Q2 * d2, o = (T)DZ_P * (d3 - (T)DZ_Q2 * d1);
        const T f = d4 - (T)DZ_P2 * d2, q = (T)DZ_Q * (d3 - (T)DZ_P2 * d1);
        out[t] = (d4 - (T)(DZ_P2 + DZ_Q2) * d2) + (T)DZ_PQ * d0;
        out[step + t] = e + o;
        out[2 * step + t] = e - o;
        out[3 * step + t] = f + q;
        out[4 * step + t] = f - q;
        out[5 * step + t] = (d5 - (T)(DZ_P2 + DZ_Q2) * d3) + (T)DZ_PQ * d1;
    }
}

/* V of tile rows [i0, i1) of one image. room: 12 * (rows + 1) * tw + 4 * tw + 4 + 24 * tiles elements. */
static void DZ_NAME(dz_wino_in)(const char *x_, char *V_, char *room_, const dz_tiles *t)
{
    const T *x = (const T *)x_;
    T *V = (T *)V_;
    const ptrdiff_t tw = t->tw, rows = t->i1 - t->i0, n = rows * tw, width = 4 * tw + 4, plane = (rows + 1) * tw;
    /* For each of a tile's 6 columns: its values in even rows, and in odd ones; a tile's third row is the next one's first. */
    T *even = (T *)room_, *odd = even + 6 * plane, *line = odd + 6 * plane, *d = line + width;
    ptrdiff_t c, i, j, k;
    for (c = 0; c < t->channels; c++, x += t->h * t->w, V += t->ld) {
        for (j = 0; j < t->pw; j++)
            line[j] = 0;
        for (j = t->pw + t->w; j < width; j++)
            line[j] = 0;
        for (i = 0; i < 2 * rows + 2; i++) {
            const ptrdiff_t r = 2 * t->i0 + i - t->ph;
            T *to = (i & 1 ? odd : even) + i / 2 * tw;
            if (r < 0 || r >= t->h) {
                for (j = 0; j < 6; j++)
                    for (k = 0; k < tw; k++)
                        to[j * plane + k] = 0;
                continue;
            }
            memcpy(line + t->pw, x + r * t->w, (size_t)t->w * sizeof(T));
            for (k = 0; k < tw; k++) {
                to[k] = line[4 * k];
                to[plane + k] = line[4 * k + 1];
                to[2 * plane + k] = line[4 * k + 2];
                to[3 * plane + k] = line[4 * k + 3];
                to[4 * plane + k] = line[4 * k + 4];
                to[5 * plane + k] = line[4 * k + 5];
            }
        }
        for (j = 0; j < 6; j++) {
            const T *p = even + j * plane, *q = odd + j * plane;
            T *to = d + j * n;
            DZ_IVDEP
            for (k = 0; k < n; k++) {
                const T a = p[k], b = q[k], e = p[tw + k], f = q[tw + k];
                to[k] = a - e;
                to[6 * n + k] = b + e;
                to[12 * n + k] = e - b;
                to[18 * n + k] = b - f;
            }
        }
        for (j = 0; j < 4; j++)
            DZ_NAME(dz_wino_bt6)(d + j * 6 * n, V + j * 6 * t->step, n, t->step);
    }
}

/* y of tile rows [i0, i1) of one image, plus b (channels,) where it is not NULL. room: 24 * tiles elements. */
static void DZ_NAME(dz_wino_out)(const char *M_, const char *b_, char *y_, char *room_, const dz_tiles *t)
{
    const T *M = (const T *)M_, *b = (const T *)b_;
    T *y = (T *)y_;
    const ptrdiff_t rows = t->i1 - t->i0, n = rows * t->tw, step = t->step;
    T *s = (T *)room_, *out = s + 16 * n;
    ptrdiff_t c, i, j, k, v;
    for (c = 0; c < t->channels; c++, M += t->ld, y += t->h * t->w) {
        const T add = b == NULL ? 0 : b[c];
        for (v = 0; v < 4; v++) {
            const T *m = M + v * 6 * step;
            T *to = s + v * 4 * n;
            DZ_IVDEP
            for (k = 0; k < n; k++) {
                const T m1 = m[step + k], m2 = m[2 * step + k], m3 = m[3 * step + k], m4 = m[4 * step + k];
                const T s1 = m1 + m2, d1 = m1 - m2, s2 = m3 + m4, d2 = m3 - m4;
                to[k] = (m[k] + s1) + s2;
                to[n + k] = (T)DZ_P * d1 + (T)DZ_Q * d2;
                to[2 * n + k] = (T)DZ_P2 * s1 + (T)DZ_Q2 * s2;
                to[3 * n + k] = ((T)DZ_P3 * d1 + (T)DZ_Q3 * d2) + m[5 * step + k];
            }
        }
        DZ_IVDEP
        for (k = 0; k < 4 * n; k++) {
            const T a = s[4 * n + k], e = s[8 * n + k];
            out[k] = ((s[k] + a) + e) + add;
            out[4 * n + k] = ((a - e) - s[12 * n + k]) + add;
        }
        for (i = 0; i < rows; i++)
            for (v = 0; v < 2 && 2 * (t->i0 + i) + v < t->h; v++) {
                T *to = y + (2 * (t->i0 + i) + v) * t->w;
                const T *from = out + v * 4 * n + i * t->tw;
                for (k = 0; k < t->w / 4; k++) {
                    to[4 * k] = from[k];
                    to[4 * k + 1] = from[n + k];
                    to[4 * k + 2] = from[2 * n + k];
                    to[4 * k + 3] = from[3 * n + k];
                }
                for (j = 4 * k; j < t->w; j++)
                    to[j] = from[(j - 4 * k) * n + k];
            }
    }
}

/* A gy A^T of tile rows [i0, i1) of one image of gradients: what V is multiplied by for the gradient of the weights. room: 24 *
 * tiles elements. */
static void DZ_NAME(dz_wino_grad)(const char *gy_, char *M_, char *room_, const dz_tiles *t)
{
    const T *gy = (const T *)gy_;
    T *M = (T *)M_;
    const ptrdiff_t rows = t->i1 - t->i0, n = rows * t->tw, step = t->step, all = t->w / 4;
    T *g = (T *)room_, *r = g + 8 * n;
    ptrdiff_t c, i, j, k, v;
    for (c = 0; c < t->channels; c++, M += t->ld, gy += t->h * t->w) {
        for (i = 0; i < rows; i++)
            for (v = 0; v < 2; v++) {
                const ptrdiff_t row = 2 * (t->i0 + i) + v;
                const T *from = gy + row * t->w;
                T *to = g + v * 4 * n + i * t->tw;
                if (row >= t->h) {
                    for (j = 0; j < 4; j++)
                        for (k = 0; k < t->tw; k++)
                            to[j * n + k] = 0;
                    continue;
                }
                for (k = 0; k < all; k++) {
                    to[k] = from[4 * k];
                    to[n + k] = from[4 * k + 1];
                    to[2 * n + k] = from[4 * k + 2];
                    to[3 * n + k] = from[4 * k + 3];
                }
                if (all < t->tw)
                    for (j = 0; j < 4; j++)
                        to[j * n + all] = 4 * all + j < t->w ? from[4 * all + j] : 0;
            }
        DZ_IVDEP
        for (k = 0; k < 4 * n; k++) {
            const T a = g[k], b = g[4 * n + k];
            r[k] = a + b;
            r[4 * n + k] = a - b;
            r[8 * n + k] = -b;
        }
        for (v = 0; v < 4; v++) {
            const T *x = v == 0 ? g : r + (v - 1) * 4 * n;
            T *m = M + v * 6 * step;
            DZ_IVDEP
            for (k = 0; k < n; k++) {
                const T g0 = x[k], g1 = x[n + k], g2 = x[2 * n + k], g3 = x[3 * n + k];
                const T e = g0 + (T)DZ_P2 * g2, o = (T)DZ_P * g1 + (T)DZ_P3 * g3;
                const T f = g0 + (T)DZ_Q2 * g2, q = (T)DZ_Q * g1 + (T)DZ_Q3 * g3;
                m[k] = g0;
                m[step + k] = e + o;
                m[2 * step + k] = e - o;
                m[3 * step + k] = f + q;
                m[4 * step + k] = f - q;
                m[5 * step + k] = g3;
            }
        }
    }
}

/* U = G W G^T in double, rounded once. W (oc, ic, 3, 3) to U (24, oc, ic), its matrices `step` apart; turned: to (24, ic, oc),
 * from W turned by 180 degrees, for the gradient of the images. */
static void DZ_NAME(dz_wino_weights)(const char *W_, char *U_, ptrdiff_t oc, ptrdiff_t ic, ptrdiff_t step, int turned)
{
    const T *W = (const T *)W_;
    T *U = (T *)U_;
    const ptrdiff_t rows = turned ? ic : oc, cols = turned ? oc : ic, next = turned ? 9 * ic : 9;
    double w[9][DZ_WINO_LOT] = {{0}}, g[3][4][DZ_WINO_LOT];
    ptrdiff_t r, k0, i, j, k, v;
    for (r = 0; r < rows; r++)
        for (k0 = 0; k0 < cols; k0 += DZ_WINO_LOT) {
            const ptrdiff_t m = cols - k0 < DZ_WINO_LOT ? cols - k0 : DZ_WINO_LOT;
            const T *from = W + (turned ? r * 9 : r * 9 * ic) + k0 * next;
            T *u = U + r * cols + k0;
            for (k = 0; k < m; k++)
                for (i = 0; i < 9; i++)
                    w[i][k] = (double)from[k * next + (turned ? 8 - i : i)];
            for (j = 0; j < 3; j++)
                for (k = 0; k < DZ_WINO_LOT; k++) {
                    const double a = w[j][k], b = w[3 + j][k], e = w[6 + j][k];
                    g[j][0][k] = a;
                    g[j][1][k] = 0.5 * ((a + e) + b);
                    g[j][2][k] = 0.5 * ((a + e) - b);
                    g[j][3][k] = e;
                }
            for (v = 0; v < 4; v++, u += 6 * step) {
                T out[6][DZ_WINO_LOT];
                for (k = 0; k < DZ_WINO_LOT; k++) {
                    const double a = g[0][v][k], b = g[1][v][k], e = g[2][v][k];
                    out[0][k] = (T)(DZ_G0 * a);
                    out[1][k] = (T)(DZ_G1 * ((a + DZ_P2 * e) + DZ_P * b));
                    out[2][k] = (T)(DZ_G1 * ((a + DZ_P2 * e) - DZ_P * b));
                    out[3][k] = (T)(DZ_G3 * ((a + DZ_Q2 * e) + DZ_Q * b));
                    out[4][k] = (T)(DZ_G3 * ((a + DZ_Q2 * e) - DZ_Q * b));
                    out[5][k] = (T)e;
                }
                for (j = 0; j < 6; j++)
                    for (k = 0; k < m; k++)
                        u[j * step + k] = out[j][k];
            }
        }
}

/* gW = G^T S G: S (24, n), its matrices `step` apart, to gW (n, 3, 3). */
static void DZ_NAME(dz_wino_gw)(const char *S_, char *gW_, ptrdiff_t n, ptrdiff_t step)
{
    const T *S = (const T *)S_;
    T *gW = (T *)gW_;
    double g[4][3][DZ_WINO_LOT] = {{{0}}};
    T out[9][DZ_WINO_LOT];
    ptrdiff_t k0, i, j, k, v;
    for (k0 = 0; k0 < n; k0 += DZ_WINO_LOT, gW += 9 * DZ_WINO_LOT) {
        const ptrdiff_t m = n - k0 < DZ_WINO_LOT ? n - k0 : DZ_WINO_LOT;
        for (v = 0; v < 4; v++) {
            const T *s = S + v * 6 * step + k0;
            for (k = 0; k < m; k++) {
                const double s0 = (double)s[k], s5 = (double)s[5 * step + k];
                const double a = (double)s[step + k], b = (double)s[2 * step + k];
                const double e = (double)s[3 * step + k], f = (double)s[4 * step + k];
                g[v][0][k] = (DZ_G0 * s0 + DZ_G1 * (a + b)) + DZ_G3 * (e + f);
                g[v][1][k] = DZ_G1 * DZ_P * (a - b) + DZ_G3 * DZ_Q * (e - f);
                g[v][2][k] = (DZ_G1 * DZ_P2 * (a + b) + DZ_G3 * DZ_Q2 * (e + f)) + s5;
            }
        }
        for (j = 0; j < 3; j++)
            for (k = 0; k < DZ_WINO_LOT; k++) {
                const double a = 0.5 * (g[1][j][k] + g[2][j][k]);
                out[j][k] = (T)(g[0][j][k] + a);
                out[3 + j][k] = (T)(0.5 * (g[1][j][k] - g[2][j][k]));
                out[6 + j][k] = (T)(a + g[3][j][k]);
            }
        for (k = 0; k < m; k++)
            for (i = 0; i < 9; i++)
                gW[9 * k + i] = out[i][k];
    }
}
