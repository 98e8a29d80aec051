/* The largest value, the sum, and sums of products along contiguous values; a part of a family's body, see core/levels.h for T
 * and DZ_NAME. No guard.
 *
 * Values are taken in 32 lanes, written as loops too long to be unrolled before they are vectorised, so that every compiler
 * and SIMD level adds in one order. Sums of blocks are added in double: a long row in float32 loses nothing.
 */
#ifndef DZ_LANES
#define DZ_LANES 32
#define DZ_SUM_BLOCK 2048

/* What is done at each place j, for its lane k; four rounds at a time, since lanes that go to memory and back after every one
 * take twice as long. Goes on from i as far as whole rounds go. */
#define DZ_ROUND(r, ...) { const ptrdiff_t j = i + (r) * DZ_LANES + k; __VA_ARGS__ }
#define DZ_ROUNDS(end, ...)                                                                                          \
    for (; i + 4 * DZ_LANES <= (end); i += 4 * DZ_LANES)                                                             \
        for (k = 0; k < DZ_LANES; k++) {                                                                             \
            DZ_ROUND(0, __VA_ARGS__) DZ_ROUND(1, __VA_ARGS__) DZ_ROUND(2, __VA_ARGS__) DZ_ROUND(3, __VA_ARGS__)      \
        }                                                                                                            \
    for (; i + DZ_LANES <= (end); i += DZ_LANES)                                                                     \
        for (k = 0; k < DZ_LANES; k++)                                                                               \
            DZ_ROUND(0, __VA_ARGS__)
#endif

DZ_INLINE T DZ_NAME(dz_fold)(T *s)
{
    ptrdiff_t h, k;
    for (h = DZ_LANES / 2; h > 0; h /= 2)
        for (k = 0; k < h; k++)
            s[k] += s[k + h];
    return s[0];
}

/* The largest of n > 0 values. nan is passed over, unless all are nan: callers see it in the sum that follows. */
DZ_INLINE T DZ_NAME(dz_row_max)(const T *x, ptrdiff_t n)
{
    T m[DZ_LANES], r;
    ptrdiff_t i = 0, h, k;
    r = x[0];
    if (n >= 2 * DZ_LANES) {
        for (k = 0; k < DZ_LANES; k++)
            m[k] = x[k];
        i = DZ_LANES;
        DZ_ROUNDS(n, m[k] = x[j] > m[k] ? x[j] : m[k];)
        for (h = DZ_LANES / 2; h > 0; h /= 2)
            for (k = 0; k < h; k++)
                m[k] = m[k + h] > m[k] || m[k] != m[k] ? m[k + h] : m[k];
        r = m[0];
    }
    for (; i < n; i++)
        r = x[i] > r || r != r ? x[i] : r;
    return r;
}

/* Defines a sum of what stands at each place j. */
#ifndef DZ_DEFINE_TOTAL
#define DZ_DEFINE_TOTAL(name, parameters, ...)                                                                       \
    DZ_INLINE double DZ_NAME(name) parameters                                                                        \
    {                                                                                                                \
        double total = 0;                                                                                            \
        ptrdiff_t i = 0, end, k, j;                                                                                  \
        T rest = 0;                                                                                                  \
        for (; n - i >= DZ_LANES; total += (double)rest, rest = 0) {                                                 \
            T s[DZ_LANES];                                                                                           \
            for (k = 0; k < DZ_LANES; k++) {                                                                         \
                j = i + k;                                                                                           \
                s[k] = __VA_ARGS__;                                                                                  \
            }                                                                                                        \
            end = n - i < DZ_SUM_BLOCK ? n : i + DZ_SUM_BLOCK;                                                       \
            i += DZ_LANES;                                                                                           \
            DZ_ROUNDS(end, s[k] += __VA_ARGS__;)                                                                     \
            rest = DZ_NAME(dz_fold)(s);                                                                              \
        }                                                                                                            \
        for (j = i; j < n; j++)                                                                                      \
            rest += __VA_ARGS__;                                                                                     \
        return total + (double)rest;                                                                                 \
    }
#endif

DZ_DEFINE_TOTAL(dz_row_total, (const T *x, ptrdiff_t n), x[j])
DZ_DEFINE_TOTAL(dz_row_squares, (const T *x, ptrdiff_t n, T c), (x[j] - c) * (x[j] - c))
DZ_DEFINE_TOTAL(dz_row_products, (const T *x, const T *y, ptrdiff_t n), x[j] * y[j])

DZ_INLINE T DZ_NAME(dz_row_sum)(const T *x, ptrdiff_t n) { return (T)DZ_NAME(dz_row_total)(x, n); }

/* sums[0] += sum of a, sums[1] += sum of a * b, over n values: a = x - c, b = y - c2 (y may be x). */
DZ_INLINE void DZ_NAME(dz_moments)(ptrdiff_t n, const T *x, T c, const T *y, T c2, double *sums)
{
    ptrdiff_t i = 0, end, k;
    T rest = 0, product = 0;
    while (n - i >= DZ_LANES) {
        T s[DZ_LANES], q[DZ_LANES];
        for (k = 0; k < DZ_LANES; k++) {
            s[k] = x[i + k] - c;
            q[k] = s[k] * (y[i + k] - c2);
        }
        end = n - i < DZ_SUM_BLOCK ? n : i + DZ_SUM_BLOCK;
        i += DZ_LANES;
        DZ_ROUNDS(end, const T a = x[j] - c; s[k] += a; q[k] += a * (y[j] - c2);)
        sums[0] += (double)DZ_NAME(dz_fold)(s);
        sums[1] += (double)DZ_NAME(dz_fold)(q);
    }
    for (; i < n; i++) {
        const T a = x[i] - c;
        rest += a;
        product += a * (y[i] - c2);
    }
    sums[0] += (double)rest;
    sums[1] += (double)product;
}
