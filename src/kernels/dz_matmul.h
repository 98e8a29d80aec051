/* Gradients of small matrix products, where a call of BLAS and the arrays around it cost more than the arithmetic. */
#ifndef DZ_MATMUL_H
#define DZ_MATMUL_H

#define DZ_MM_SMALL 4096 /* the most multiplications, and the most values of W */

#define DZ_BODY "dz_matmul_body.h"
#include "dz_levels.h"

/* gx (+)= gy W^T with gy (m, n) and W (k, n). */
static inline void dz_mm_gx(int dt, const char *gy, const char *w, char *gx, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    DZ_PICK(dz_mm_gx, dt)(gy, w, gx, m, k, n, acc);
}

/* gW (+)= x^T gy with x (m, k) and gy (m, n). */
static inline void dz_mm_gw(int dt, const char *x, const char *gy, char *gw, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    DZ_PICK(dz_mm_gw, dt)(x, gy, gw, m, k, n, acc);
}

#endif
