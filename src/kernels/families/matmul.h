/* Products of matrices that are not large, where NumPy's calls and arrays around BLAS cost as much as the arithmetic: its inner
 * loop, which calls BLAS, is called as it is. Small ones are ours (product_body.h), and so are gradients of few columns. */
#ifndef DZ_MATMUL_H
#define DZ_MATMUL_H

#include <stdint.h>
#include <stdlib.h>

#define DZ_MM_SMALL 4096 /* the most multiplications, and the most values of W */

#define DZ_MM_FEW 4 /* rows below which W is not rearranged */

#define DZ_MM_DIRECT 2097152 /* the most multiplications that are done with the interpreter's lock held */

#define DZ_MM_OWN 32768 /* multiplications up to which a product is ours: BLAS takes longer to begin than that takes */

#define DZ_BODY "families/matmul_body.h"
#include "core/levels.h"

#define DZ_BODY "families/product_body.h"
#include "core/levels.h"

/* Whether a product is ours: b's columns lie side by side, or its rows do and turning it pays. Not at x86-64's base, where BLAS has
 * wider vectors. */
static inline int dz_mm_is_own(ptrdiff_t item, ptrdiff_t b0, ptrdiff_t b1, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n)
{
#if !defined(__GNUC__)
    const int can = 0;
#elif defined(__x86_64__)
    const int can = dz_client->level > 0;
#else
    const int can = 1;
#endif
    const ptrdiff_t work = m * k * n;
    return can && work > 0 && work <= (n * item < 64 ? DZ_MM_SMALL : DZ_MM_OWN) && n * item >= 16 &&
           (b1 == item ? b0 % item == 0 : b0 == item && b1 % item == 0 && m >= DZ_MM_FEW && k * n <= (m >= 16 ? DZ_MM_SMALL : 256));
}

/* c = a b, a (m, k) and b (k, n) with strides in bytes, c C-contiguous. */
static inline void dz_mm(int dt, const char *a, ptrdiff_t a0, ptrdiff_t a1, const char *b, ptrdiff_t b0, ptrdiff_t b1, char *c,
                         ptrdiff_t m, ptrdiff_t k, ptrdiff_t n)
{
    const ptrdiff_t item = dt == DZ_F64 ? sizeof(double) : sizeof(float);
    char *args[3] = {(char *)a, (char *)b, c};
    const ptrdiff_t dims[4] = {1, m, k, n};
    const ptrdiff_t steps[9] = {0, 0, 0, a0, a1, b0, b1, n * item, item};
    if (dz_mm_is_own(item, b0, b1, m, k, n))
        DZ_PICK(dz_mm_own, dt)(a, a0, a1, b, b0, b1, c, m, k, n, 0);
    else if (k == 1 && b1 == item) /* an outer product, which NumPy's loop does without BLAS and without SIMD */
        DZ_PICK(dz_mm_outer, dt)(a, a0, b, c, m, n);
    else
        dz_np.loop[DZ_FN_MATMUL][dt](args, dims, steps, dz_np.data[DZ_FN_MATMUL][dt]);
}

/* A matrix of that many columns for BLAS: whether it is transposed, and its leading dimension; 0 for strides that it does not
 * take. */
static inline int64_t dz_mm_leading(ptrdiff_t item, ptrdiff_t s0, ptrdiff_t s1, ptrdiff_t rows, ptrdiff_t cols, int *transposed)
{
    const ptrdiff_t along = s1 == item ? s0 : s1;
    *transposed = s1 != item;
    if ((s1 != item && s0 != item) || along % item || along < item * (*transposed ? rows : cols))
        return 0;
    return along / item;
}

/* c += a b by BLAS itself; 0 where that is not to be had, and nothing was done. */
static inline int dz_mm_add(int dt, const char *a, ptrdiff_t a0, ptrdiff_t a1, const char *b, ptrdiff_t b0, ptrdiff_t b1, char *c,
                            ptrdiff_t m, ptrdiff_t k, ptrdiff_t n)
{
    typedef void (*single)(int, int, int, int64_t, int64_t, int64_t, float, const char *, int64_t, const char *, int64_t, float,
                           char *, int64_t);
    typedef void (*twice)(int, int, int, int64_t, int64_t, int64_t, double, const char *, int64_t, const char *, int64_t, double,
                          char *, int64_t);
    enum { ROW_MAJOR = 101, AS_IT_IS = 111 /* and transposed is the next */ };
    const ptrdiff_t item = dt == DZ_F64 ? sizeof(double) : sizeof(float);
    int at, bt;
    int64_t lda, ldb;
    if (!dz_np.gemm[dt] || m < 2 || k < 2 || n < 2 || !(lda = dz_mm_leading(item, a0, a1, m, k, &at))
        || !(ldb = dz_mm_leading(item, b0, b1, k, n, &bt)))
        return 0;
    if (dt == DZ_F64)
        ((twice)dz_np.gemm[dt])(ROW_MAJOR, AS_IT_IS + at, AS_IT_IS + bt, m, n, k, 1.0, a, lda, b, ldb, 1.0, c, n);
    else
        ((single)dz_np.gemm[dt])(ROW_MAJOR, AS_IT_IS + at, AS_IT_IS + bt, m, n, k, 1.0f, a, lda, b, ldb, 1.0f, c, n);
    return 1;
}

/* y += b in each of m rows of n. */
static inline void dz_mm_bias(int dt, char *y, const char *b, ptrdiff_t m, ptrdiff_t n) { DZ_PICK(dz_mm_bias, dt)(y, b, m, n); }

/* gx (+)= gy W^T with gy (m, n) and W (k, n). */
static inline void dz_mm_gx(int dt, const char *gy, const char *w, char *gx, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    DZ_PICK(dz_mm_gx, dt)(gy, w, gx, m, k, n, acc);
}

/* c (+)= a b; -1 where there is no memory for it. */
static inline int dz_mm_into(int dt, const char *a, ptrdiff_t a0, ptrdiff_t a1, const char *b, ptrdiff_t b0, ptrdiff_t b1, char *c,
                             ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    char *p;
    if (acc && dz_mm_is_own(dt == DZ_F64 ? sizeof(double) : sizeof(float), b0, b1, m, k, n)) {
        DZ_PICK(dz_mm_own, dt)(a, a0, a1, b, b0, b1, c, m, k, n, 1);
        return 0;
    }
    if (!acc) {
        dz_mm(dt, a, a0, a1, b, b0, b1, c, m, k, n);
        return 0;
    }
    if (dz_mm_add(dt, a, a0, a1, b, b0, b1, c, m, k, n))
        return 0;
    p = malloc((size_t)(m * n) * (dt == DZ_F64 ? sizeof(double) : sizeof(float)));
    if (!p)
        return -1;
    dz_mm(dt, a, a0, a1, b, b0, b1, p, m, k, n);
    dz_sum_rows(dt, p, 1, m * n, c, 1);
    free(p);
    return 0;
}

/* Whether gradients of x (m, k) times W (k, n), both side by side, are loops of our own. */
static inline int dz_mm_is_small(ptrdiff_t m, ptrdiff_t k, ptrdiff_t n)
{
    return k * n <= DZ_MM_SMALL && m * k <= DZ_MM_SMALL && m * k * n <= DZ_MM_SMALL;
}

/* gW (+)= x^T gy with x (m, k) and gy (m, n). */
static inline void dz_mm_gw(int dt, const char *x, const char *gy, char *gw, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    DZ_PICK(dz_mm_gw, dt)(x, gy, gw, m, k, n, acc);
}

/* gx (+)= gy W^T and gW (+)= x^T gy, all C-contiguous, the fastest way; -1 where there is no memory for it. */
static inline int dz_mm_pull_x(int dt, const char *gy, const char *w, char *gx, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    const ptrdiff_t item = dt == DZ_F64 ? sizeof(double) : sizeof(float);
    if (!dz_mm_is_small(m, k, n) || dz_mm_is_own(item, item, n * item, m, n, k))
        return dz_mm_into(dt, gy, n * item, item, w, item, n * item, gx, m, n, k, acc);
    dz_mm_gx(dt, gy, w, gx, m, k, n, acc);
    return 0;
}

static inline int dz_mm_pull_w(int dt, const char *x, const char *gy, char *gw, ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, int acc)
{
    const ptrdiff_t item = dt == DZ_F64 ? sizeof(double) : sizeof(float);
    if (!dz_mm_is_small(m, k, n) || (dz_mm_is_own(item, n * item, item, k, m, n) && !(m == 1 && n >= 64)))
        return dz_mm_into(dt, x, item, k * item, gy, n * item, item, gw, k, m, n, acc);
    dz_mm_gw(dt, x, gy, gw, m, k, n, acc);
    return 0;
}

/* ---- for the machine (core/machine.h): n are m, k and n of x (m, k) times W (k, n); a gradient that moves is added to */

/* BLAS leaves flags that mean nothing: what was raised before it counts, what is there after it does not. */
static int dz_product_work(const dz_work *w)
{
    const ptrdiff_t item = w->dt == DZ_F64 ? sizeof(double) : sizeof(float), m = w->n[0], k = w->n[1], n = w->n[2];
    if (dz_fpe_test())
        return 1;
    dz_mm(w->dt, w->from[0], k * item, item, w->from[1], n * item, item, w->to, m, k, n);
    if (w->nin > 2 && w->n[3])
        dz_sum_rows(w->dt, w->from[2], 1, m * n, w->to, 1);
    else if (w->nin > 2)
        dz_mm_bias(w->dt, w->to, w->from[2], m, n);
    if (dz_fpe_test())
        dz_fpe_clear();
    return 0;
}

/* of gy and W */
static int dz_product_gx_work(const dz_work *w)
{
    const char *const *in = w->from + (w->moves != 0);
    if (dz_fpe_test() || dz_mm_pull_x(w->dt, in[0], in[1], w->to, w->n[0], w->n[1], w->n[2], w->moves))
        return 1;
    if (dz_fpe_test())
        dz_fpe_clear();
    return 0;
}

/* of x and gy */
static int dz_product_gw_work(const dz_work *w)
{
    const char *const *in = w->from + (w->moves != 0);
    if (dz_fpe_test() || dz_mm_pull_w(w->dt, in[0], in[1], w->to, w->n[0], w->n[1], w->n[2], w->moves))
        return 1;
    if (dz_fpe_test())
        dz_fpe_clear();
    return 0;
}

/* the bias's, of gy; where n[3], gy is what is added */
static int dz_product_gb_work(const dz_work *w)
{
    const ptrdiff_t m = w->n[0], n = w->n[2];
    dz_sum_rows(w->dt, w->from[w->moves != 0], w->n[3] ? 1 : m, w->n[3] ? m * n : n, w->to, w->moves);
    return 0;
}

#endif
