/* "Passes": whole loops for functions that are too large to inline. A pass reads x with a stride and writes y, and may work in
 * place. Most are NumPy's own inner loops, so that results have NumPy's bits; those that NumPy is slow at are our own
 * (math/elementary.h).
 *
 * They are called, and compiled once for each SIMD level: included by the file of a level's kernels, after its target is set. The
 * families reach those that they need through DZ_PASSES.
 */
#ifndef DZ_PASSES_H
#define DZ_PASSES_H

#include "math/arithmetic.h"
#include "math/elementary.h"
#include "math/functions.h"

/* What is left over of whole vectors takes one of its own, filled up with a number that is there. */
#define DZ_LANES(T) ((ptrdiff_t)(DZ_VECTOR / sizeof(T)))
#define DZ_WHOLE_VECTORS(n, T) ((ptrdiff_t)((size_t)(n) & ~(size_t)(DZ_LANES(T) - 1)))

/* A core over values side by side, all within its limits; y may be x. One loop: to cut the core into shorter chains, through
 * buffers, was faster in the cache without fused multiplications, and is slower where the numbers come from farther away. */
#define DZ_DEFINE_CHUNK(F, T, SFX)                                                                                   \
    DZ_INLINE void dz_##F##_loop_##SFX(ptrdiff_t n, const T *x, T *y)                                                \
    {                                                                                                                \
        ptrdiff_t i;                                                                                                 \
        DZ_IVDEP                                                                                                     \
        for (i = 0; i < n; i++)                                                                                      \
            y[i] = dz_##F##_core_##SFX(x[i]);                                                                        \
    }                                                                                                                \
    DZ_CALLED void dz_##F##_chunk_##SFX(ptrdiff_t n, const char *xp, char *yp)                                       \
    {                                                                                                                \
        const ptrdiff_t many = DZ_WHOLE_VECTORS(n, T);                                                               \
        const T *x = (const T *)xp;                                                                                  \
        T *y = (T *)yp, rest[DZ_VECTOR / sizeof(T)];                                                                 \
        ptrdiff_t i;                                                                                                 \
        if (many < n)                                                                                                \
            for (i = 0; i < DZ_LANES(T); i++)                                                                        \
                rest[i] = x[many + i < n ? many + i : many];                                                         \
        dz_##F##_loop_##SFX(many, x, y);                                                                             \
        if (many < n) {                                                                                              \
            dz_##F##_loop_##SFX(DZ_LANES(T), rest, rest);                                                            \
            for (i = many; i < n; i++)                                                                               \
                y[i] = rest[i - many];                                                                               \
        }                                                                                                            \
    }

/* The passes. A value beyond the core's limits is replaced by INSIDE, unless the core is QUIET: raises no flag of the floating-point
 * unit whatever it is given; BEYOND's result comes after. */
#define DZ_DEFINE_PASS(F, BEYOND, INSIDE, QUIET, T, SFX, BITS)                                                       \
    DZ_DEFINE_CHUNK(F, T, SFX)                                                                                       \
    DZ_INLINE BITS dz_##F##_guarded_##SFX(ptrdiff_t n, const T *x, T *y)                                             \
    {                                                                                                                \
        const BITS inside = dz_bits_##SFX((T)INSIDE);                                                                \
        BITS beyond = 0;                                                                                             \
        ptrdiff_t i;                                                                                                 \
        DZ_IVDEP                                                                                                     \
        for (i = 0; i < n; i++) {                                                                                    \
            const BITS over = dz_##F##_beyond_##SFX(x[i]), mask = QUIET ? 0 : -(BITS)(over < 0);                     \
            beyond |= over;                                                                                          \
            /* by bits: with numbers, compilers run the core on both */                                              \
            y[i] = dz_##F##_core_##SFX(dz_from_bits_##SFX((dz_bits_##SFX(x[i]) & ~mask) | (inside & mask)));         \
        }                                                                                                            \
        return beyond;                                                                                               \
    }                                                                                                                \
    DZ_CALLED void dz_##F##_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy)                   \
    {                                                                                                                \
        T keep[DZ_CHUNK], inside[DZ_CHUNK];                                                                          \
        ptrdiff_t i0, i;                                                                                             \
        if (n == 1) { /* scalars are most of all calls */                                                            \
            const T v = *(const T *)x;                                                                               \
            *(T *)y = dz_##F##_beyond_##SFX(v) >= 0 ? dz_##F##_core_##SFX(v) : BEYOND(v);                            \
            return;                                                                                                  \
        }                                                                                                            \
        if (x != y && sx == sizeof(T) && sy == sizeof(T) && n >= DZ_LANES(T)) {                                      \
            const ptrdiff_t many = DZ_WHOLE_VECTORS(n, T);                                                           \
            if (dz_##F##_guarded_##SFX(many, (const T *)x, (T *)y) < 0)                                              \
                for (i = 0; i < many; i++)                                                                           \
                    if (dz_##F##_beyond_##SFX(((const T *)x)[i]) < 0)                                                \
                        ((T *)y)[i] = BEYOND(((const T *)x)[i]);                                                     \
            x += many * sizeof(T), y += many * sizeof(T), n -= many;                                                 \
        }                                                                                                            \
        for (i0 = 0; i0 < n; i0 += DZ_CHUNK) {                                                                       \
            const ptrdiff_t m = n - i0 < DZ_CHUNK ? n - i0 : DZ_CHUNK;                                               \
            const char *px = x + i0 * sx;                                                                            \
            char *py = y + i0 * sy;                                                                                  \
            BITS beyond = 0;                                                                                         \
            if (sx == sizeof(T))                                                                                     \
                for (i = 0; i < m; i++)                                                                              \
                    beyond |= dz_##F##_beyond_##SFX(((const T *)px)[i]);                                             \
            else                                                                                                     \
                for (i = 0; i < m; i++)                                                                              \
                    beyond |= dz_##F##_beyond_##SFX(DZ_LD(T, px, i, sx));                                            \
            if (beyond >= 0 && sx == sizeof(T) && sy == sizeof(T)) {                                                 \
                dz_##F##_chunk_##SFX(m, px, py);                                                                     \
                continue;                                                                                            \
            }                                                                                                        \
            for (i = 0; i < m; i++) /* y may be x: read all before the first write */                                \
                keep[i] = DZ_LD(T, px, i, sx);                                                                       \
            /* through memory: in one loop, compilers run the core on both values, with flags for what overflows */  \
            for (i = 0; i < m; i++)                                                                                  \
                inside[i] = QUIET || dz_##F##_beyond_##SFX(keep[i]) >= 0 ? keep[i] : (T)INSIDE;                      \
            dz_##F##_chunk_##SFX(m, (const char *)inside, (char *)inside);                                           \
            for (i = 0; i < m; i++)                                                                                  \
                DZ_ST(T, py, i, sy) = inside[i];                                                                     \
            if (beyond < 0)                                                                                          \
                for (i = 0; i < m; i++)                                                                              \
                    if (dz_##F##_beyond_##SFX(keep[i]) < 0)                                                          \
                        DZ_ST(T, py, i, sy) = BEYOND(keep[i]);                                                       \
        }                                                                                                            \
    }

DZ_DEFINE_PASS(sigmoid, dz_sigmoid_libm_f64, 0, 0, double, f64, int64_t)
DZ_DEFINE_PASS(sigmoid, dz_sigmoid_libm_f32, 0, 0, float, f32, int32_t)
DZ_DEFINE_PASS(exp, exp, 0, 0, double, f64, int64_t)
DZ_DEFINE_PASS(expm1, expm1, 0, 0, double, f64, int64_t)
DZ_DEFINE_PASS(log, log, 1, 1, double, f64, int64_t)
DZ_DEFINE_PASS(log1p, log1p, 0, 0, double, f64, int64_t)
DZ_DEFINE_PASS(tanh, tanh, 0, 1, double, f64, int64_t)
DZ_DEFINE_PASS(exp, expf, 0, 0, float, f32, int32_t)
DZ_DEFINE_PASS(log, logf, 1, 1, float, f32, int32_t)
DZ_DEFINE_PASS(log1p, log1pf, 0, 0, float, f32, int32_t)
DZ_DEFINE_PASS(tanh, tanhf, 0, 1, float, f32, int32_t)

DZ_DEFINE_PASS(sin, dz_far_sin, 0, 0, double, f64, int64_t)
DZ_DEFINE_PASS(cos, dz_far_cos, 0, 0, double, f64, int64_t)
DZ_DEFINE_PASS(sin, dz_far_sinf, 0, 0, float, f32, int32_t)
DZ_DEFINE_PASS(cos, dz_far_cosf, 0, 0, float, f32, int32_t)

/* Whole exponents up to this are multiplied out, in twice the digits: NumPy's loop takes the logarithm of each base for them. */
#define DZ_WHOLE_POWERS 31

/* The product of high + low and x, as high + low again: high is the sum, rounded. */
DZ_INLINE void dz_times_f64(double *high, double *low, double x)
{
    const double p = *high * x;
    const double q = dz_rest_of_product_f64(*high, x, p) + *low * x;
    *high = p + q;
    *low = (p - *high) + q;
}

DZ_INLINE void dz_squared_f64(double *high, double *low)
{
    const double p = *high * *high;
    const double q = dz_rest_of_product_f64(*high, *high, p) + 2.0 * *high * *low;
    *high = p + q;
    *low = (p - *high) + q;
}

/* Negative where a power of x is neither 0 of 0 nor within 2^-900 <= |y| <= 2^900; c: the exponent. */
DZ_INLINE int64_t dz_power_beyond_f64(double x, int c, double y)
{
    const int64_t size = dz_bits_f64(y) & INT64_MAX;
    const int64_t here = (INT64_C(0x7830000000000000) - size) | (size - INT64_C(0x07b0000000000000));
    return here & -(int64_t)(c < 0 || (dz_bits_f64(x) & INT64_MAX) != 0);
}

/* 1 / (high + low). */
DZ_INLINE double dz_inverse_f64(double high, double low)
{
    const double r = 1.0 / high, p = r * high;
    return r + r * (((1.0 - p) - dz_rest_of_product_f64(r, high, p)) - r * low);
}

/* The highest bit below m's first one, m in [2, DZ_WHOLE_POWERS]. */
DZ_INLINE int dz_second_bit(int m)
{
    int bit = 16;
    while (bit > m)
        bit >>= 1;
    return bit >> 1;
}

/* x^c over n <= DZ_CHUNK values, |c| in [2, DZ_WHOLE_POWERS]; within 0.51 units in the last place where the result is neither
 * tiny nor huge: negative, where one is. */
DZ_INLINE int64_t dz_multiplied_out_f64(ptrdiff_t n, const double *x, int c, double *y)
{
    double low[DZ_CHUNK];
    const int m = c < 0 ? -c : c;
    int64_t odd = 0;
    int bit;
    ptrdiff_t i;
    for (i = 0; i < n; i++)
        y[i] = x[i], low[i] = 0.0;
    for (bit = dz_second_bit(m); bit; bit >>= 1) {
        for (i = 0; i < n; i++)
            dz_squared_f64(y + i, low + i);
        if (m & bit)
            for (i = 0; i < n; i++)
                dz_times_f64(y + i, low + i, x[i]);
    }
    for (i = 0; i < n; i++) {
        odd |= dz_power_beyond_f64(x[i], c, y[i]);
        y[i] = m & 1 && x[i] == 0.0 ? x[i] : y[i]; /* -0.0 */
    }
    if (c < 0 && odd >= 0)
        for (i = 0; i < n; i++)
            y[i] = dz_inverse_f64(y[i], low[i]);
    return odd;
}

/* The same of one value, which stays in registers. */
DZ_INLINE int64_t dz_multiplied_out_1_f64(double x, int c, double *y)
{
    const int m = c < 0 ? -c : c;
    double high = x, low = 0.0;
    int64_t odd;
    int bit;
    for (bit = dz_second_bit(m); bit; bit >>= 1) {
        dz_squared_f64(&high, &low);
        if (m & bit)
            dz_times_f64(&high, &low, x);
    }
    odd = dz_power_beyond_f64(x, c, high);
    if (m & 1 && x == 0.0)
        high = x; /* -0.0 */
    *y = c < 0 && odd >= 0 ? dz_inverse_f64(high, low) : high;
    return odd;
}

/* float32 in float64, where a product of 32 has no error that would be seen. */
DZ_INLINE int64_t dz_multiplied_out_f32(ptrdiff_t n, const float *x, int c, float *y)
{
    double z[DZ_CHUNK];
    const int m = c < 0 ? -c : c;
    int64_t odd = 0;
    int bit;
    ptrdiff_t i;
    for (i = 0; i < n; i++)
        z[i] = (double)x[i];
    for (bit = dz_second_bit(m); bit; bit >>= 1) {
        for (i = 0; i < n; i++)
            z[i] = z[i] * z[i];
        if (m & bit)
            for (i = 0; i < n; i++)
                z[i] = z[i] * (double)x[i];
    }
    for (i = 0; i < n; i++) { /* 2^-120 <= |z| <= 2^120, or 0 of 0 */
        const int64_t size = dz_bits_f64(z[i]) & INT64_MAX;
        const int64_t here = (INT64_C(0x4770000000000000) - size) | (size - INT64_C(0x3870000000000000));
        odd |= here & -(int64_t)(c < 0 || (dz_bits_f32(x[i]) & INT32_MAX) != 0);
    }
    if (odd >= 0)
        for (i = 0; i < n; i++)
            y[i] = (float)(c < 0 ? 1.0 / z[i] : z[i]);
    return odd;
}

DZ_INLINE int64_t dz_multiplied_out_1_f32(float x, int c, float *y)
{
    return dz_multiplied_out_f32(1, &x, c, y);
}

#define DZ_DEFINE_NUMPY(T, SFX, DT, SQRT)                                                                            \
    DZ_INLINE void dz_gather_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, T *to)                                  \
    {                                                                                                                \
        ptrdiff_t i;                                                                                                 \
        for (i = 0; i < n; i++)                                                                                      \
            to[i] = DZ_LD(T, x, i, sx);                                                                              \
    }                                                                                                                \
                                                                                                                     \
    /* NumPy's loops may take other instructions, with other last bits, where values do not lie side by side: here   \
     * they always do, but for one value that is repeated. */                                                        \
    DZ_CALLED void dz_np1_##SFX(int fn, int dt, ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy)     \
    {                                                                                                                \
        T side[DZ_CHUNK];                                                                                            \
        const int apart = n > 1 && (sx != sizeof(T) || sy != sizeof(T));                                             \
        ptrdiff_t i0, i, m, st[2];                                                                                   \
        char *args[2];                                                                                               \
        st[0] = st[1] = sizeof(T);                                                                                   \
        for (i0 = 0; i0 < n; i0 += m) {                                                                              \
            m = apart && n - i0 > DZ_CHUNK ? DZ_CHUNK : n - i0;                                                      \
            args[0] = (char *)x + i0 * sx, args[1] = y + i0 * sy;                                                    \
            if (apart) {                                                                                             \
                dz_gather_##SFX(m, args[0], sx, side);                                                               \
                args[0] = args[1] = (char *)side;                                                                    \
            }                                                                                                        \
            dz_np.loop[fn][dt](args, &m, st, dz_np.data[fn][dt]);                                                    \
            for (i = 0; apart && i < m; i++)                                                                         \
                DZ_ST(T, y, i0 + i, sy) = side[i];                                                                   \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    DZ_CALLED void dz_np2_##SFX(int fn, int dt, ptrdiff_t n, const char *x, ptrdiff_t sx, const char *z,             \
                                ptrdiff_t sz, char *y, ptrdiff_t sy)                                                 \
    {                                                                                                                \
        T side[3][DZ_CHUNK];                                                                                         \
        const int apart = n > 1 && ((sx != sizeof(T) && sx != 0) || (sz != sizeof(T) && sz != 0) || sy != sizeof(T));\
        ptrdiff_t i0, i, m, st[3];                                                                                   \
        char *args[3];                                                                                               \
        st[0] = sx == 0 ? 0 : sizeof(T), st[1] = sz == 0 ? 0 : sizeof(T), st[2] = sizeof(T);                         \
        for (i0 = 0; i0 < n; i0 += m) {                                                                              \
            m = apart && n - i0 > DZ_CHUNK ? DZ_CHUNK : n - i0;                                                      \
            args[0] = (char *)x + i0 * sx, args[1] = (char *)z + i0 * sz, args[2] = y + i0 * sy;                     \
            if (apart) {                                                                                             \
                dz_gather_##SFX(sx == 0 ? 1 : m, args[0], sx, side[0]);                                              \
                dz_gather_##SFX(sz == 0 ? 1 : m, args[1], sz, side[1]);                                              \
                args[0] = (char *)side[0], args[1] = (char *)side[1], args[2] = (char *)side[2];                     \
            }                                                                                                        \
            dz_np.loop[fn][dt](args, &m, st, dz_np.data[fn][dt]);                                                    \
            for (i = 0; apart && i < m; i++)                                                                         \
                DZ_ST(T, y, i0 + i, sy) = side[2][i];                                                                \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    /* e: one whole number. A chunk that holds a result near the end of the range, nan or infinity is left to NumPy. */     \
    DZ_CALLED void dz_whole_power_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, const char *e, char *y, ptrdiff_t sy)    \
    {                                                                                                                \
        T from[DZ_CHUNK], to[DZ_CHUNK];                                                                              \
        const int c = (int)*(const T *)e;                                                                            \
        ptrdiff_t i0, i, m;                                                                                          \
        if (n == 1) {                                                                                                \
            const T v = *(const T *)x;                                                                               \
            if (dz_multiplied_out_1_##SFX(v, c, (T *)y) < 0)                                                         \
                dz_np2_##SFX(DZ_FN_POWER, DT, 1, (const char *)&v, sizeof(T), e, 0, y, sizeof(T));                   \
            return;                                                                                                  \
        }                                                                                                            \
        for (i0 = 0; i0 < n; i0 += m) {                                                                              \
            const char *px = x + i0 * sx;                                                                            \
            char *py = y + i0 * sy;                                                                                  \
            m = n - i0 < DZ_CHUNK ? n - i0 : DZ_CHUNK;                                                               \
            dz_gather_##SFX(m, px, sx, from);                                                                        \
            if (dz_multiplied_out_##SFX(m, from, c, to) < 0)                                                         \
                for (i = 0; i < m; i++)                                                                              \
                    if (dz_multiplied_out_1_##SFX(from[i], c, to + i) < 0)                                           \
                        dz_np2_##SFX(DZ_FN_POWER, DT, 1, (const char *)(from + i), sizeof(T), e, 0, (char *)(to + i),\
                                     sizeof(T));                                                                     \
            for (i = 0; i < m; i++)                                                                                  \
                DZ_ST(T, py, i, sy) = to[i];                                                                         \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    /* NumPy's ndarray.__pow__ takes these exponents apart before its loop; the same here, for the same bits. Other whole  \
     * numbers are multiplied out. */                                                                                \
    DZ_INLINE void dz_power_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, const char *e, ptrdiff_t se, char *y,    \
                                  ptrdiff_t sy)                                                                      \
    {                                                                                                                \
        ptrdiff_t i;                                                                                                 \
        if (se == 0) {                                                                                               \
            const T c = *(const T *)e;                                                                               \
            if (c == 2) {                                                                                            \
                for (i = 0; i < n; i++) {                                                                            \
                    const T a = DZ_LD(T, x, i, sx);                                                                  \
                    DZ_ST(T, y, i, sy) = a * a;                                                                      \
                }                                                                                                    \
                return;                                                                                              \
            }                                                                                                        \
            if (c == 1) {                                                                                            \
                for (i = 0; i < n; i++)                                                                              \
                    DZ_ST(T, y, i, sy) = DZ_LD(T, x, i, sx);                                                         \
                return;                                                                                              \
            }                                                                                                        \
            if (c == (T)0.5) {                                                                                       \
                for (i = 0; i < n; i++)                                                                              \
                    DZ_ST(T, y, i, sy) = SQRT(DZ_LD(T, x, i, sx));                                                   \
                return;                                                                                              \
            }                                                                                                        \
            if (c == -1) {                                                                                           \
                for (i = 0; i < n; i++)                                                                              \
                    DZ_ST(T, y, i, sy) = 1 / DZ_LD(T, x, i, sx);                                                     \
                return;                                                                                              \
            }                                                                                                        \
            if (c == 0) {                                                                                            \
                for (i = 0; i < n; i++)                                                                              \
                    DZ_ST(T, y, i, sy) = 1;                                                                          \
                return;                                                                                              \
            }                                                                                                        \
            if (c >= -DZ_WHOLE_POWERS && c <= DZ_WHOLE_POWERS && c == (T)(int)c) {                                   \
                dz_whole_power_##SFX(n, x, sx, e, y, sy);                                                            \
                return;                                                                                              \
            }                                                                                                        \
        }                                                                                                            \
        dz_np2_##SFX(DZ_FN_POWER, DT, n, x, sx, e, se, y, sy);                                                       \
    }                                                                                                                \
                                                                                                                     \
    DZ_INLINE void dz_powm1_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, const char *e, ptrdiff_t se, char *y,    \
                                  ptrdiff_t sy)                                                                      \
    {                                                                                                                \
        const T c = *(const T *)e, m = c - 1;                                                                        \
        ptrdiff_t i;                                                                                                 \
        (void)se;                                                                                                    \
        if (c == 0)                                                                                                  \
            for (i = 0; i < n; i++)                                                                                  \
                DZ_ST(T, y, i, sy) = 0;                                                                              \
        else                                                                                                         \
            dz_power_##SFX(n, x, sx, (const char *)&m, 0, y, sy);                                                    \
    }

DZ_DEFINE_NUMPY(double, f64, DZ_F64, sqrt)
DZ_DEFINE_NUMPY(float, f32, DZ_F32, sqrtf)

/* A pass by a function of one double, or of two: what a primitive with `c` is made of. */
#define DZ_DEFINE_EACH(NAME, FUNCTION, T, SFX)                                                                       \
    DZ_CALLED void dz_##NAME##_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy)                \
    {                                                                                                                \
        ptrdiff_t i;                                                                                                 \
        for (i = 0; i < n; i++)                                                                                      \
            DZ_ST(T, y, i, sy) = (T)FUNCTION((double)DZ_LD(T, x, i, sx));                                            \
    }

#define DZ_DEFINE_EACH2(NAME, FUNCTION, T, SFX)                                                                      \
    DZ_CALLED void dz_##NAME##_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, const char *z, ptrdiff_t sz, char *y, \
                                     ptrdiff_t sy)                                                                   \
    {                                                                                                                \
        ptrdiff_t i;                                                                                                 \
        for (i = 0; i < n; i++)                                                                                      \
            DZ_ST(T, y, i, sy) = (T)FUNCTION((double)DZ_LD(T, x, i, sx), (double)DZ_LD(T, z, i, sz));                \
    }

/* NumPy's tan, which is as inexact far from zero as its sin. */
#define DZ_DEFINE_TAN(FAR, T, SFX, BITS, DT)                                                                         \
    DZ_CALLED void dz_tan_##SFX(ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy)                     \
    {                                                                                                                \
        T keep[DZ_CHUNK];                                                                                            \
        ptrdiff_t i0, i;                                                                                             \
        for (i0 = 0; i0 < n; i0 += DZ_CHUNK) {                                                                       \
            const ptrdiff_t m = n - i0 < DZ_CHUNK ? n - i0 : DZ_CHUNK;                                               \
            BITS beyond = 0;                                                                                         \
            for (i = 0; i < m; i++) /* y may be x */                                                                 \
                beyond |= dz_sin_beyond_##SFX(keep[i] = DZ_LD(T, x, i0 + i, sx));                                    \
            dz_np1_##SFX(DZ_FN_TAN, DT, m, x + i0 * sx, sx, y + i0 * sy, sy);                                        \
            if (beyond < 0)                                                                                          \
                for (i = 0; i < m; i++)                                                                              \
                    if (dz_sin_beyond_##SFX(keep[i]) < 0)                                                            \
                        DZ_ST(T, y, i0 + i, sy) = FAR(keep[i]);                                                      \
        }                                                                                                            \
    }

DZ_DEFINE_TAN(dz_far_tan, double, f64, int64_t, DZ_F64)
DZ_DEFINE_TAN(dz_far_tanf, float, f32, int32_t, DZ_F32)

#define DZ_BOTH(F) {dz_##F##_f32, dz_##F##_f64}
extern const dz_passes DZ_PASSES;
extern void DZ_MACHINE(const dz_instr *at, const double *s, double *d); /* math/machine.h */
extern int DZ_WIDE_MACHINE(const dz_wide *at, const dz_instr *code, const dz_work *works, double *s);
const dz_passes DZ_PASSES = {DZ_BOTH(exp),     DZ_BOTH(log),       DZ_BOTH(tanh), DZ_BOTH(sigmoid),
                             DZ_BOTH(exp_chunk), DZ_MACHINE, DZ_WIDE_MACHINE};

#endif
