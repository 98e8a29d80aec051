/* Normalisation with mean and variance: batch_norm on (outer, c, inner), statistics for each c; layer_norm on (rows, n),
 * statistics for each row. Variances are two-pass. And dropout's product with a mask.
 */
#ifndef DZ_NORM_H
#define DZ_NORM_H

#define DZ_BODY "families/norm_body.h"
#include "core/levels.h"

/* mean[c], var[c] of x. */
static inline void dz_channel_stats(int dt, ptrdiff_t outer, ptrdiff_t c, ptrdiff_t inner, const char *x, char *mean, char *var)
{
    DZ_PICK(dz_channel_stats, dt)(outer, c, inner, x, mean, var);
}

/* The running averages move on by the batch's statistics, the variance times `unbiased`; inv = 1 / sqrt(var + eps). Rounded as
 * NumPy rounds each step. */
static inline void dz_batch_moves(int dt, ptrdiff_t c, const char *mean, const char *var, double decay, double unbiased, double eps,
                                  char *avg_mean, char *avg_var, char *inv)
{
    DZ_PICK(dz_batch_moves, dt)(c, mean, var, decay, unbiased, eps, avg_mean, avg_var, inv);
}

/* y = gamma * ((x - mean) * inv) + beta. */
static inline void dz_batch_norm(int dt, ptrdiff_t outer, ptrdiff_t c, ptrdiff_t inner, const char *x, const char *mean,
                                 const char *inv, const char *gamma, const char *beta, char *y)
{
    DZ_PICK(dz_batch_norm, dt)(outer, c, inner, x, mean, inv, gamma, beta, y);
}

/* ggamma = sum(gy * xh), gbeta = sum(gy), xh = (x - mean) * inv, for each c; gx (unless NULL):
 * gamma * inv * (gy - gbeta / m - xh * ggamma / m) where the statistics were x's own (train), gamma * inv * gy else. */
static inline void dz_batch_norm_grad(int dt, ptrdiff_t outer, ptrdiff_t c, ptrdiff_t inner, const char *x, const char *mean,
                                      const char *inv, const char *gamma, const char *gy, int train, char *gx, char *ggamma,
                                      char *gbeta)
{
    DZ_PICK(dz_batch_norm_grad, dt)(outer, c, inner, x, mean, inv, gamma, gy, train, gx, ggamma, gbeta);
}

/* y = gamma * ((x - mean) * inv) + beta for each row; mean and inv (rows values each) are written. gamma, beta: n values or
 * NULL. */
static inline void dz_layer_norm(int dt, ptrdiff_t rows, ptrdiff_t n, const char *x, const char *gamma, const char *beta,
                                 double eps, char *mean, char *inv, char *y)
{
    DZ_PICK(dz_layer_norm, dt)(rows, n, x, gamma, beta, eps, mean, inv, y);
}

/* The gradients of layer_norm; ggamma and gbeta (n values) or NULL. */
static inline void dz_layer_norm_grad(int dt, ptrdiff_t rows, ptrdiff_t n, const char *x, const char *mean, const char *inv,
                                      const char *gamma, const char *gy, char *gx, char *ggamma, char *gbeta)
{
    DZ_PICK(dz_layer_norm_grad, dt)(rows, n, x, mean, inv, gamma, gy, gx, ggamma, gbeta);
}

/* y = x * mask / scale; mask: a byte of 0 or 1 for each value. */
static inline void dz_dropout(int dt, ptrdiff_t n, const char *x, const char *mask, double scale, char *y)
{
    DZ_PICK(dz_dropout, dt)(n, x, mask, scale, y);
}

#endif
