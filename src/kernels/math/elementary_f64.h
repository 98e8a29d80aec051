/* The cores for float64; see math/elementary.h. */
#ifndef DZ_ELEMENTARY_F64_H
#define DZ_ELEMENTARY_F64_H

#define DZ_ROUND_F64 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to an integer, which is then in the low bits */
#define DZ_2_PI_F64 6.36619772367581382433e-01
#define DZ_LN2_HI_F64 6.93147180369123816490e-01 /* 32 bits: k * it is exact for |k| < 2^20 */
#define DZ_LN2_LO_F64 1.90821492927058770002e-10

DZ_INLINE int64_t dz_bits_f64(double x)
{
    int64_t b;
    memcpy(&b, &x, sizeof(b));
    return b;
}

DZ_INLINE double dz_from_bits_f64(int64_t b)
{
    double x;
    memcpy(&x, &b, sizeof(x));
    return x;
}

/* 0 when the core is valid for x, negative when not: integer arithmetic, since comparing with nan raises a flag. */
DZ_INLINE int64_t dz_beyond_f64(double x, int64_t limit) { return limit - (dz_bits_f64(x) & INT64_MAX); }

/* ---- exp: |x| <= 708, so that neither the result nor its scale leaves the normal numbers.
 *
 * x = k ln 2 + r, |r| <= ln(2) / 2; exp(r) = 1 + r + r^2 q(r) with q a minimax polynomial (relative error of the whole below
 * 2^-57). k is added to the exponent. To keep what rounding r and 1 + r loses would halve the error and cost a sixth of the time:
 * expm1 and tanh do, whose results may be small. */
#define DZ_EXP_LIMIT_F64 INT64_C(0x4086200000000000) /* 708 */
DZ_INLINE int64_t dz_exp_beyond_f64(double x) { return dz_beyond_f64(x, DZ_EXP_LIMIT_F64); }

/* 2^k for k = t - DZ_ROUND_F64, whose low bits t has. */
DZ_INLINE double dz_two_to_f64(double t)
{
    return dz_from_bits_f64((int64_t)((uint64_t)dz_bits_f64(t) << 52) + INT64_C(0x3ff0000000000000));
}

DZ_INLINE double dz_exp_q_f64(double z, double z2)
{
    const double z4 = z2 * z2;
    return ((0x1.0000000000007p-1 + z * 0x1.5555555555501p-3) +
                      z2 * (0x1.55555555513abp-5 + z * 0x1.1111111127088p-7)) +
                     z4 * (((0x1.6c16c182247bep-10 + z * 0x1.a01a012a56143p-13) +
                            z2 * (0x1.a0199ec33f0e1p-16 + z * 0x1.71df2b8183a3bp-19)) +
                           z4 * (0x1.28a99b9b8a387p-22 + z * 0x1.ad6e5cb9c0b6fp-26));
}

DZ_INLINE void dz_exp_open_f64(double x, double *t, double *z)
{
    const double k = (*t = x * 1.44269504088896338700e+00 + DZ_ROUND_F64) - DZ_ROUND_F64;
    *z = (x - k * DZ_LN2_HI_F64) - k * DZ_LN2_LO_F64;
}

DZ_INLINE double dz_exp_middle_f64(double x, double t, double z)
{
    (void)x, (void)t;
    return dz_exp_q_f64(z, z * z);
}

DZ_INLINE double dz_exp_close_f64(double x, double t, double z, double q)
{
    const double y = 1.0 + (z + z * z * q);
    (void)x;
    return dz_from_bits_f64((int64_t)((uint64_t)dz_bits_f64(y) + ((uint64_t)dz_bits_f64(t) << 52)));
}

/* x = k ln 2 + z + tail, with t and z of dz_exp_open; exp(z + tail) - 1 - z. */
DZ_INLINE double dz_exp_rest_f64(double x, double t, double z)
{
    const double k = t - DZ_ROUND_F64;
    const double z2 = z * z;
    return z2 * dz_exp_q_f64(z, z2) + (((x - k * DZ_LN2_HI_F64) - z) - k * DZ_LN2_LO_F64);
}

/* ---- expm1: the same limits; 2^k exp(r) - 1 without the cancellation. */
DZ_INLINE int64_t dz_expm1_beyond_f64(double x) { return dz_beyond_f64(x, DZ_EXP_LIMIT_F64); }

DZ_INLINE void dz_expm1_open_f64(double x, double *t, double *r) { dz_exp_open_f64(x, t, r); }
DZ_INLINE double dz_expm1_middle_f64(double x, double t, double r) { return dz_exp_rest_f64(x, t, r); }

DZ_INLINE double dz_expm1_close_f64(double x, double t, double r, double rest)
{
    const double scale = dz_two_to_f64(t);
    const double y = r * scale + (scale - 1.0); /* scale is a power of two: one rounding each */
    const double small = scale - 1.0;
    const double lost = fabs(small) > fabs(r * scale) ? (small - y) + r * scale : (r * scale - y) + small;
    return x == 0.0 ? x : y + (rest * scale + lost);
}

/* ---- log: positive normal numbers.
 *
 * x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); s = f / (2 + f), log(1 + f) = f - f^2/2 + s (f^2/2 + R(s^2)).
 * The method and the coefficients of R are fdlibm's (Sun Microsystems, 1993; e_log.c, error below 1 ulp). */
DZ_INLINE int64_t dz_log_beyond_f64(double x)
{
    const int64_t b = dz_bits_f64(x);
    /* unsigned, since negative numbers wrap round: then the other difference is negative */
    return (int64_t)(((uint64_t)b - UINT64_C(0x0010000000000000)) | (UINT64_C(0x7fefffffffffffff) - (uint64_t)b));
}

DZ_INLINE void dz_log_open_f64(double x, double *k, double *f)
{
    const int64_t b = dz_bits_f64(x);
    const int64_t above = b - INT64_C(0x3fe6a09e667f3bcd); /* from sqrt(1/2) on; its exponent is k */
    const int64_t exponent = (int64_t)((uint64_t)(above + INT64_C(0x4000000000000000)) >> 52); /* k + 1024 */
    *k = dz_from_bits_f64(exponent | INT64_C(0x4330000000000000)) - (4503599627370496.0 + 1024.0);
    *f = dz_from_bits_f64(b - (above & INT64_C(-0x10000000000000))) - 1.0;
}

DZ_INLINE double dz_log_middle_f64(double x, double k, double f)
{
    (void)x, (void)k;
    return f / (2.0 + f);
}

/* log(x) + tail */
DZ_INLINE double dz_log_with_f64(double k, double f, double s, double tail)
{
    const double z = s * s;
    const double w = z * z;
    const double odd = w * (3.999999999940941908e-01 + w * (2.222219843214978396e-01 + w * 1.531383769920937332e-01));
    const double even = z * (6.666666666666735130e-01 +
                             w * (2.857142874366239149e-01 + w * (1.818357216161805012e-01 + w * 1.479819860511658591e-01)));
    const double half = 0.5 * f * f;
    return k * DZ_LN2_HI_F64 - ((half - (s * (half + (odd + even)) + (k * DZ_LN2_LO_F64 + tail))) - f);
}

DZ_INLINE double dz_log_close_f64(double x, double k, double f, double s)
{
    (void)x;
    return dz_log_with_f64(k, f, s, 0.0);
}

/* ---- log1p: 1 + x is a positive normal number. What rounding it loses is c; log(u + c) = log(u) + c / u. */
DZ_INLINE int64_t dz_log1p_beyond_f64(double x) { return dz_log_beyond_f64(1.0 + x); }

DZ_INLINE void dz_log1p_open_f64(double x, double *k, double *f) { dz_log_open_f64(1.0 + x, k, f); }
DZ_INLINE double dz_log1p_middle_f64(double x, double k, double f) { return dz_log_middle_f64(x, k, f); }

DZ_INLINE double dz_log1p_close_f64(double x, double k, double f, double s)
{
    const double u = 1.0 + x;
    const double c = fabs(x) < 1.0 ? x - (u - 1.0) : 1.0 - (u - x);
    const double y = dz_log_with_f64(k, f, s, c / u);
    return fabs(x) < 0x1p-53 ? x : y;
}

/* ---- tanh: finite numbers.
 *
 * |x| < 0.625: x + x z P(z) / Q(z), z = x^2, with Cephes' coefficients (Moshier, tanh.c); above: 1 - 2 / (exp(2|x|) + 1),
 * which is 1 from 22 on. One division serves both. */
#define DZ_TANH_LIMIT_F64 INT64_C(0x7fefffffffffffff)
DZ_INLINE int64_t dz_tanh_beyond_f64(double x) { return dz_beyond_f64(x, DZ_TANH_LIMIT_F64); }

DZ_INLINE double dz_tanh_exponent_f64(double x) { return 2.0 * (fabs(x) < 22.0 ? fabs(x) : 22.0); }
DZ_INLINE void dz_tanh_open_f64(double x, double *t, double *r) { dz_exp_open_f64(dz_tanh_exponent_f64(x), t, r); }
DZ_INLINE double dz_tanh_middle_f64(double x, double t, double r) { return dz_exp_rest_f64(dz_tanh_exponent_f64(x), t, r); }

DZ_INLINE double dz_tanh_close_f64(double x, double t, double r, double rest)
{
    const double a = fabs(x);
    const int small = a < 0.625;
    const double scale = dz_two_to_f64(t);
    const double one_r = 1.0 + r;
    const double mantissa = one_r + rest;
    const double head = mantissa * scale; /* exp(2a) without its last bits; with them, exp(2a) + 1 is above + below */
    const double above = head + 1.0;
    const double below = (((one_r - mantissa) + rest) + ((1.0 - one_r) + r)) * scale + ((head - above) + 1.0);
    const double z = a * a;
    const double p = a * z * (-1.61468768441708447952e+03 +
                              z * (-9.92877231001918586564e+01 + z * -9.64399179425052238628e-01));
    const double q = 4.84406305325125486048e+03 + z * (2.23548839060100448583e+03 + z * (1.12811678491632931402e+02 + z));
    const double fraction = (small ? p : -2.0) / (small ? q : above);
    const double lost = small ? 0.0 : 0.5 * fraction * fraction * below;
    const double base = small ? a : 1.0;
    const double sum = base + fraction;
    const double y = sum + (((base - sum) + fraction) + lost);
    return dz_from_bits_f64(dz_bits_f64(y) | (dz_bits_f64(x) & INT64_MIN));
}

/* ---- sin and cos: |x| <= 10^6; beyond, math/far.c.
 *
 * The quadrant is k = round(x * 2/pi); pi/2 is subtracted k times in three parts of which the first two have 33 bits,
 * so that k * part is exact for |k| < 2^20 (Cody and Waite); what rounding loses of the difference is carried along as
 * a tail. The two polynomials on [-pi/4, pi/4] are those of fdlibm (k_sin.c, k_cos.c give the coefficients and the
 * error bound 2^-58). */
#define DZ_SINCOS_LIMIT_F64 INT64_C(0x412e848000000000) /* 10^6 */
DZ_INLINE int64_t dz_sin_beyond_f64(double x) { return dz_beyond_f64(x, DZ_SINCOS_LIMIT_F64); }
DZ_INLINE int64_t dz_cos_beyond_f64(double x) { return dz_beyond_f64(x, DZ_SINCOS_LIMIT_F64); }

/* x - k * pi/2 as r + tail */
DZ_INLINE void dz_sin_open_f64(double x, double *r, double *tail)
{
    const double k = (x * DZ_2_PI_F64 + DZ_ROUND_F64) - DZ_ROUND_F64;
    const double a = x - k * 1.57079632673412561417e+00;
    const double w2 = k * 6.07710050630396597660e-11;
    const double b = a - w2;
    const double eb = (a - b) - w2;
    const double w3 = k * 2.02226624879595063154e-21;
    const double lost = w3 - eb;
    *r = b - lost; /* not b + -lost: sin(-0.0) is -0.0 */
    *tail = (b - *r) - lost;
}

/* The sine of r + tail. */
DZ_INLINE double dz_sin_middle_f64(double x, double r, double tail)
{
    const double z = r * r;
    const double v = z * r;
    const double z2 = z * z;
    const double ps = (8.33333333332248946124e-03 + z * -1.98412698298579493134e-04) +
                      z2 * ((2.75573137070700676789e-06 + z * -2.50507602534068634195e-08) + z2 * 1.58969099521155010221e-10);
    (void)x;
    return r - ((z * (0.5 * tail - v * ps) - tail) - v * -1.66666666666666324348e-01);
}

/* The cosine of r + tail, or its sine s, as the quadrant demands (modulo 4). */
DZ_INLINE double dz_quadrant_f64(uint64_t quadrant, double r, double tail, double s)
{
    const double z = r * r;
    const double z2 = z * z;
    const double pc = z * ((4.16666666666666019037e-02 + z * -1.38888888888741095749e-03) +
                           z2 * ((2.48015872894767294178e-05 + z * -2.75573143513906633035e-07) +
                                 z2 * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)));
    const double hz = 0.5 * z;
    const double w = 1.0 - hz;
    const double c = w + (((1.0 - w) - hz) + (z * pc - r * tail));
    /* an odd quadrant takes the cosine; quadrants 2 and 3 change the sign */
    const uint64_t odd = UINT64_C(0) - (quadrant & 1), minus = (quadrant & 2) << 62;
    return dz_from_bits_f64((int64_t)((((uint64_t)dz_bits_f64(c) & odd) | ((uint64_t)dz_bits_f64(s) & ~odd)) ^ minus));
}

/* which: 0 sine, 1 cosine, whose quadrant is the next one; the low bits of the sum are those of k */
DZ_INLINE double dz_sincos_close_f64(double x, double r, double tail, double s, int which)
{
    return dz_quadrant_f64((uint64_t)dz_bits_f64(x * DZ_2_PI_F64 + DZ_ROUND_F64) + (uint64_t)which, r, tail, s);
}

DZ_INLINE double dz_sin_close_f64(double x, double r, double tail, double s) { return dz_sincos_close_f64(x, r, tail, s, 0); }

/* One number: below pi/4 the quadrant is 0, r is x and the tail 0, which takes a third of the time where one number waits for
 * another. */
#define DZ_QUADRANT_0_F64 0.785
DZ_INLINE double dz_sin_near_f64(double x) { return dz_sin_middle_f64(x, x, 0.0); }
DZ_INLINE double dz_cos_near_f64(double x) { return dz_quadrant_f64(1, x, 0.0, 0.0); }

DZ_INLINE void dz_cos_open_f64(double x, double *r, double *tail) { dz_sin_open_f64(x, r, tail); }
DZ_INLINE double dz_cos_middle_f64(double x, double r, double tail) { return dz_sin_middle_f64(x, r, tail); }
DZ_INLINE double dz_cos_close_f64(double x, double r, double tail, double s) { return dz_sincos_close_f64(x, r, tail, s, 1); }

#endif
