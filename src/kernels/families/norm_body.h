/* The kernels of families/norm.h; see core/levels.h for T and DZ_NAME. A sum over rows adds row after row, of many
 * float32 rows as dz_sum_rows does: 32 by themselves, their sums in double. Those along memory are families/rows.h's. */
#include "families/rows.h"

#define DZ_RUN_OF(rows) (sizeof(T) == sizeof(float) && (rows) > 128 ? 32 : (rows)) /* DZ_FEW, DZ_RUN of core/kernels.c */

/* 1 / sqrt(mean((x - m)^2) + eps) where the squares overflow: of the distances over the largest of them. */
static T DZ_NAME(dz_scaled_inverse)(ptrdiff_t n, const T *x, T m, double eps)
{
    double most = 0, total = 0;
    ptrdiff_t j;
    for (j = 0; j < n; j++) {
        const double d = fabs((double)x[j] - (double)m);
        most = d > most || d != d ? d : most;
    }
    if (!(most > 0 && most <= DBL_MAX))
        return (T)(most > 0 ? 0 : 1 / sqrt(eps + most));
    for (j = 0; j < n; j++) {
        const double d = ((double)x[j] - (double)m) / most;
        total += d * d;
    }
    return (T)(1 / sqrt(total / (double)n + eps / most / most) / most);
}

#define DZ_CHANNELS 1024 /* side by side at a time: their sums stay in the cache */

static void DZ_NAME(dz_channel_stats)(ptrdiff_t outer, ptrdiff_t c, ptrdiff_t inner, const char *xp, char *meanp, char *varp)
{
    const T *x = (const T *)xp;
    T *mean = (T *)meanp, *var = (T *)varp;
    const T m = (T)(outer * inner);
    ptrdiff_t i, j, k;
    if (inner == 1) {
        const ptrdiff_t run = DZ_RUN_OF(outer);
        for (j = 0; j < c; j += DZ_CHANNELS) {
            const ptrdiff_t w = c - j < DZ_CHANNELS ? c - j : DZ_CHANNELS;
            T s[DZ_CHANNELS], q[DZ_CHANNELS];
            double total[DZ_CHANNELS];
            ptrdiff_t from, end;
            for (from = 0; from < outer; from = end) {
                end = outer - from > run ? from + run : outer;
                for (k = 0; k < w; k++)
                    s[k] = 0;
                for (i = from; i + 4 <= end; i += 4) { /* in the same order, with fewer ways to memory */
                    const T *p0 = x + i * c + j, *p1 = p0 + c, *p2 = p1 + c, *p3 = p2 + c;
                    for (k = 0; k < w; k++)
                        s[k] = (((s[k] + p0[k]) + p1[k]) + p2[k]) + p3[k];
                }
                for (; i < end; i++)
                    for (k = 0; k < w; k++)
                        s[k] += x[i * c + j + k];
                for (k = 0; k < w; k++)
                    total[k] = from == 0 ? (double)s[k] : total[k] + (double)s[k];
            }
            for (k = 0; k < w; k++)
                mean[j + k] = s[k] = run == outer ? (T)total[k] / m : (T)(total[k] / (double)outer);
            for (from = 0; from < outer; from = end) {
                end = outer - from > run ? from + run : outer;
                for (k = 0; k < w; k++)
                    q[k] = 0;
                for (i = from; i + 4 <= end; i += 4) {
                    const T *p0 = x + i * c + j, *p1 = p0 + c, *p2 = p1 + c, *p3 = p2 + c;
                    for (k = 0; k < w; k++) {
                        const T d0 = p0[k] - s[k], d1 = p1[k] - s[k], d2 = p2[k] - s[k], d3 = p3[k] - s[k];
                        q[k] = (((q[k] + d0 * d0) + d1 * d1) + d2 * d2) + d3 * d3;
                    }
                }
                for (; i < end; i++)
                    for (k = 0; k < w; k++) {
                        const T d = x[i * c + j + k] - s[k];
                        q[k] += d * d;
                    }
                for (k = 0; k < w; k++)
                    total[k] = from == 0 ? (double)q[k] : total[k] + (double)q[k];
            }
            for (k = 0; k < w; k++)
                var[j + k] = run == outer ? (T)total[k] / m : (T)(total[k] / (double)outer);
        }
        return;
    }
    for (j = 0; j < c; j++) {
        double sums[2] = {0, 0};
        for (i = 0; i < outer; i++) {
            const T *p = x + (i * c + j) * inner;
            DZ_NAME(dz_moments)(inner, p, 0, p, 0, sums);
        }
        mean[j] = (T)(sums[0] / (double)m);
        sums[0] = sums[1] = 0;
        for (i = 0; i < outer; i++) {
            const T *p = x + (i * c + j) * inner;
            DZ_NAME(dz_moments)(inner, p, mean[j], p, mean[j], sums);
        }
        var[j] = (T)(sums[1] / (double)m);
    }
}

static void DZ_NAME(dz_batch_moves)(ptrdiff_t c, const char *meanp, const char *varp, double decay, double unbiased, double eps,
                                    char *avg_meanp, char *avg_varp, char *invp)
{
    const T *mean = (const T *)meanp, *var = (const T *)varp, d = (T)decay, a = (T)(1 - decay), e = (T)eps;
    const T b = (T)((1 - decay) * unbiased);
    T *avg_mean = (T *)avg_meanp, *avg_var = (T *)avg_varp, *inv = (T *)invp;
    ptrdiff_t j;
    for (j = 0; j < c; j++) /* the averages may be one array */
        avg_mean[j] = avg_mean[j] * d + a * mean[j];
    for (j = 0; j < c; j++)
        avg_var[j] = avg_var[j] * d + b * var[j];
    DZ_IVDEP
    for (j = 0; j < c; j++)
        inv[j] = 1 / (T)sqrt((double)(var[j] + e));
}

static void DZ_NAME(dz_batch_norm)(ptrdiff_t outer, ptrdiff_t c, ptrdiff_t inner, const char *xp, const char *meanp,
                                   const char *invp, const char *gammap, const char *betap, char *yp)
{
    const T *x = (const T *)xp, *mean = (const T *)meanp, *inv = (const T *)invp, *gamma = (const T *)gammap;
    const T *beta = (const T *)betap;
    T *y = (T *)yp;
    ptrdiff_t i, j, k;
    if (inner == 1) {
        for (i = 0; i < outer; i++) {
            DZ_IVDEP
            for (j = 0; j < c; j++)
                y[i * c + j] = gamma[j] * ((x[i * c + j] - mean[j]) * inv[j]) + beta[j];
        }
        return;
    }
    for (i = 0; i < outer; i++)
        for (j = 0; j < c; j++) {
            const T *p = x + (i * c + j) * inner, m = mean[j], v = inv[j], g = gamma[j], b = beta[j];
            T *q = y + (i * c + j) * inner;
            DZ_IVDEP
            for (k = 0; k < inner; k++)
                q[k] = g * ((p[k] - m) * v) + b;
        }
}

static void DZ_NAME(dz_batch_norm_grad)(ptrdiff_t outer, ptrdiff_t c, ptrdiff_t inner, const char *xp, const char *meanp,
                                        const char *invp, const char *gammap, const char *gyp, int train, char *gxp,
                                        char *ggammap, char *gbetap)
{
    const T *x = (const T *)xp, *mean = (const T *)meanp, *inv = (const T *)invp, *gamma = (const T *)gammap;
    const T *gy = (const T *)gyp;
    T *gx = (T *)gxp, *ggamma = (T *)ggammap, *gbeta = (T *)gbetap;
    const T m = (T)(outer * inner);
    ptrdiff_t i, j, k;
    if (inner == 1) {
        const ptrdiff_t run = DZ_RUN_OF(outer);
        for (j = 0; j < c; j += DZ_CHANNELS) {
            const ptrdiff_t n = c - j < DZ_CHANNELS ? c - j : DZ_CHANNELS;
            T s[DZ_CHANNELS], b[DZ_CHANNELS] = {0}, w[DZ_CHANNELS] = {0}, mu[DZ_CHANNELS], v[DZ_CHANNELS];
            double sums[DZ_CHANNELS], products[DZ_CHANNELS];
            ptrdiff_t from, end;
            for (k = 0; k < n; k++) {
                v[k] = inv[j + k];
                mu[k] = mean[j + k];
                s[k] = gamma[j + k] * v[k];
            }
            for (from = 0; from < outer; from = end) {
                end = outer - from > run ? from + run : outer;
                for (k = 0; k < n; k++)
                    b[k] = w[k] = 0;
                for (i = from; i + 2 <= end; i += 2) {
                    const T *p0 = x + i * c + j, *p1 = p0 + c, *g0 = gy + i * c + j, *g1 = g0 + c;
                    for (k = 0; k < n; k++) {
                        b[k] = (b[k] + g0[k]) + g1[k];
                        w[k] = (w[k] + g0[k] * ((p0[k] - mu[k]) * v[k])) + g1[k] * ((p1[k] - mu[k]) * v[k]);
                    }
                }
                for (; i < end; i++) {
                    const T *p = x + i * c + j, *g = gy + i * c + j;
                    for (k = 0; k < n; k++) {
                        b[k] += g[k];
                        w[k] += g[k] * ((p[k] - mu[k]) * v[k]);
                    }
                }
                for (k = 0; k < n; k++) {
                    sums[k] = from == 0 ? (double)b[k] : sums[k] + (double)b[k];
                    products[k] = from == 0 ? (double)w[k] : products[k] + (double)w[k];
                }
            }
            for (k = 0; k < n && outer > 0; k++) {
                b[k] = (T)sums[k];
                w[k] = (T)products[k];
            }
            for (k = 0; k < n; k++) {
                gbeta[j + k] = b[k];
                ggamma[j + k] = w[k];
                b[k] = train ? b[k] / m : 0;
                w[k] = train ? v[k] * (w[k] / m) : 0;
            }
            for (i = 0; gx && i < outer; i++) {
                const T *p = x + i * c + j, *g = gy + i * c + j;
                T *q = gx + i * c + j;
                DZ_IVDEP
                for (k = 0; k < n; k++)
                    q[k] = s[k] * (g[k] - b[k] - (p[k] - mu[k]) * w[k]);
            }
        }
        return;
    }
    for (j = 0; j < c; j++) {
        double sums[2] = {0, 0};
        for (i = 0; i < outer; i++)
            DZ_NAME(dz_moments)(inner, gy + (i * c + j) * inner, 0, x + (i * c + j) * inner, mean[j], sums);
        gbeta[j] = (T)sums[0];
        ggamma[j] = (T)(sums[1] * (double)inv[j]);
    }
    if (!gx)
        return;
    for (i = 0; i < outer; i++)
        for (j = 0; j < c; j++) {
            const ptrdiff_t at = (i * c + j) * inner;
            const T v = inv[j], mu = mean[j], s = gamma[j] * v, b = train ? gbeta[j] / m : 0;
            const T w = train ? v * (ggamma[j] / m) : 0;
            DZ_IVDEP
            for (k = 0; k < inner; k++)
                gx[at + k] = s * (gy[at + k] - b - (x[at + k] - mu) * w);
        }
}

static void DZ_NAME(dz_layer_norm)(ptrdiff_t rows, ptrdiff_t n, const char *xp, const char *gammap, const char *betap, double eps,
                                   char *meanp, char *invp, char *yp)
{
    const T *gamma = (const T *)gammap, *beta = (const T *)betap;
    T *mean = (T *)meanp, *inv = (T *)invp;
    ptrdiff_t i, j;
    for (i = 0; n > 0 && i < rows; i++) {
        const T *x = (const T *)xp + i * n;
        T *y = (T *)yp + i * n, m, v;
        m = (T)(DZ_NAME(dz_row_total)(x, n) / (double)n);
        v = (T)(1 / sqrt(DZ_NAME(dz_row_squares)(x, n, m) / (double)n + eps));
        if (v == 0)
            v = DZ_NAME(dz_scaled_inverse)(n, x, m, eps);
        mean[i] = m;
        inv[i] = v;
        if (gamma && beta) {
            DZ_IVDEP
            for (j = 0; j < n; j++)
                y[j] = (x[j] - m) * v * gamma[j] + beta[j];
        } else {
            DZ_IVDEP
            for (j = 0; j < n; j++)
                y[j] = (x[j] - m) * v;
            for (j = 0; gamma && j < n; j++)
                y[j] *= gamma[j];
            for (j = 0; beta && j < n; j++)
                y[j] += beta[j];
        }
    }
}

static void DZ_NAME(dz_layer_norm_grad)(ptrdiff_t rows, ptrdiff_t n, const char *xp, const char *meanp, const char *invp,
                                        const char *gammap, const char *gyp, char *gxp, char *ggammap, char *gbetap)
{
    const T *gamma = (const T *)gammap;
    T *ggamma = (T *)ggammap, *gbeta = (T *)gbetap;
    ptrdiff_t i, j;
    for (j = 0; ggamma && j < n; j++)
        ggamma[j] = 0;
    for (j = 0; gbeta && j < n; j++)
        gbeta[j] = 0;
    for (i = 0; n > 0 && i < rows; i++) {
        const T *x = (const T *)xp + i * n, *gy = (const T *)gyp + i * n;
        T *gx = (T *)gxp + i * n;
        const T m = ((const T *)meanp)[i], v = ((const T *)invp)[i];
        double sums[2] = {0, 0};
        T a, b;
        if (gamma && ggamma && gbeta) { /* the usual case in one pass over memory */
            DZ_IVDEP
            for (j = 0; j < n; j++) {
                const T g = gy[j];
                gx[j] = g * gamma[j];
                gbeta[j] += g;
                ggamma[j] += g * ((x[j] - m) * v);
            }
        } else {
            for (j = 0; j < n; j++)
                gx[j] = gamma ? gy[j] * gamma[j] : gy[j];
            for (j = 0; ggamma && j < n; j++)
                ggamma[j] += gy[j] * ((x[j] - m) * v);
            for (j = 0; gbeta && j < n; j++)
                gbeta[j] += gy[j];
        }
        DZ_NAME(dz_moments)(n, gx, 0, x, m, sums);
        a = (T)(sums[0] / (double)n);
        b = (T)(sums[1] * (double)v / (double)n) * v;
        DZ_IVDEP
        for (j = 0; j < n; j++)
            gx[j] = v * (gx[j] - a - (x[j] - m) * b);
    }
}

static void DZ_NAME(dz_dropout)(ptrdiff_t n, const char *xp, const char *mask, double scaled, char *yp)
{
    const T *x = (const T *)xp, scale = (T)scaled;
    T *y = (T *)yp;
    ptrdiff_t i;
    DZ_IVDEP
    for (i = 0; i < n; i++)
        y[i] = x[i] * (T)mask[i] / scale;
}
