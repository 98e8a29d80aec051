/* The cores for float64; see math/elementary.h. */
#ifndef DZ_ELEMENTARY_F64_H
#define DZ_ELEMENTARY_F64_H

#define DZ_ROUND_F64 6755399441055744.0 /* 1.5 * 2^52: adding it rounds to an integer, which is then in the low bits */
#define DZ_2_PI_F64 6.36619772367581382433e-01
#define DZ_LN2_HI_F64 6.93147180369123816490e-01 /* 32 bits: k * it is exact for |k| < 2^20 */
#define DZ_LN2_LO_F64 1.90821492927058770002e-10

/* a b + c, rounded once or twice: DZ_FUSED tells */
DZ_INLINE double dz_mad_f64(double a, double b, double c) { return DZ_FUSED ? fma(a, b, c) : a * b + c; }

/* a b - p, p being a b, rounded: exact, either way, where nothing leaves the range (Veltkamp's halves without fma) */
DZ_INLINE double dz_rest_of_product_f64(double a, double b, double p)
{
    if (DZ_FUSED)
        return fma(a, b, -p);
    {
        const double ca = 134217729.0 * a, cb = 134217729.0 * b; /* 2^27 + 1 */
        const double ah = ca - (ca - a), al = a - ah, bh = cb - (cb - b), bl = b - bh;
        return al * bl - (((p - ah * bh) - al * bh) - ah * bl);
    }
}

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

/* b q(c z) for powers of two b and c, which the compiler multiplies the coefficients by */
DZ_INLINE double dz_exp_scaled_q_f64(double z, double z2, double b, double c)
{
    const double c2 = b * c * c, c4 = c2 * c * c, c6 = c4 * c * c, c8 = c6 * c * c;
    const double z4 = z2 * z2;
    const double low = dz_mad_f64(z2, dz_mad_f64(z, 0x1.1111111127088p-7 * c2 * c, 0x1.55555555513abp-5 * c2),
                                  dz_mad_f64(z, 0x1.5555555555501p-3 * b * c, 0x1.0000000000007p-1 * b));
    const double high = dz_mad_f64(z2, dz_mad_f64(z, 0x1.71df2b8183a3bp-19 * c6 * c, 0x1.a0199ec33f0e1p-16 * c6),
                                   dz_mad_f64(z, 0x1.a01a012a56143p-13 * c4 * c, 0x1.6c16c182247bep-10 * c4));
    const double top = dz_mad_f64(z, 0x1.ad6e5cb9c0b6fp-26 * c8 * c, 0x1.28a99b9b8a387p-22 * c8);
    return dz_mad_f64(z4, dz_mad_f64(z4, top, high), low);
}

DZ_INLINE double dz_exp_q_f64(double z, double z2) { return dz_exp_scaled_q_f64(z, z2, 1.0, 1.0); }

/* k + DZ_ROUND_F64 */
DZ_INLINE double dz_exp_turns_f64(double x) { return dz_mad_f64(x, 1.44269504088896338700e+00, DZ_ROUND_F64); }

DZ_INLINE double dz_exp_core_f64(double x)
{
    const double t = dz_exp_turns_f64(x), k = t - DZ_ROUND_F64;
    const double r = dz_mad_f64(-k, DZ_LN2_LO_F64, dz_mad_f64(-k, DZ_LN2_HI_F64, x)), r2 = r * r;
    const double y = 1.0 + dz_mad_f64(r2, dz_exp_q_f64(r, r2), r);
    return dz_from_bits_f64((int64_t)((uint64_t)dz_bits_f64(y) + ((uint64_t)dz_bits_f64(t) << 52)));
}

/* exp(x) = 2^k (1 + r + rest), and 2^k */
DZ_INLINE void dz_exp_parts_f64(double x, double *scale, double *r, double *rest)
{
    const double t = dz_exp_turns_f64(x), k = t - DZ_ROUND_F64;
    const double upper = dz_mad_f64(-k, DZ_LN2_HI_F64, x);
    const double z = dz_mad_f64(-k, DZ_LN2_LO_F64, upper), z2 = z * z;
    *scale = dz_two_to_f64(t);
    *r = z;
    *rest = dz_mad_f64(z2, dz_exp_q_f64(z, z2), dz_mad_f64(-k, DZ_LN2_LO_F64, upper - z));
}

/* ---- expm1: the same limits; 2^k exp(r) - 1 without the cancellation. */
DZ_INLINE int64_t dz_expm1_beyond_f64(double x) { return dz_beyond_f64(x, DZ_EXP_LIMIT_F64); }

DZ_INLINE double dz_expm1_core_f64(double x)
{
    double scale, r, rest, small, product, y, lost;
    dz_exp_parts_f64(x, &scale, &r, &rest);
    small = scale - 1.0, product = r * scale; /* scale is a power of two: one rounding each */
    y = product + small;
    lost = fabs(small) > fabs(product) ? (small - y) + product : (product - y) + small;
    return x == 0.0 ? x : y + dz_mad_f64(rest, scale, lost);
}

/* ---- log: positive normal numbers; of others the core makes something, without a flag.
 *
 * x = 2^k (1 + f) with 1 + f in [sqrt(1/2), sqrt(2)); s = f / (2 + f), log(1 + f) = f - s (f - R(s^2)).
 * The method and the coefficients of R are fdlibm's (Sun Microsystems, 1993; e_log.c, error below 1 ulp). */
DZ_INLINE int64_t dz_log_beyond_f64(double x)
{
    const int64_t b = dz_bits_f64(x);
    /* unsigned, since negative numbers wrap round: then the other difference is negative */
    return (int64_t)(((uint64_t)b - UINT64_C(0x0010000000000000)) | (UINT64_C(0x7fefffffffffffff) - (uint64_t)b));
}

DZ_INLINE void dz_log_parts_f64(double x, double *k, double *f)
{
    const int64_t b = dz_bits_f64(x);
    const int64_t above = b - INT64_C(0x3fe6a09e667f3bcd); /* from sqrt(1/2) on; its exponent is k */
    if (DZ_INT64_TO_F64)
        *k = (double)(above >> 52);
    else {
        const int64_t exponent = (int64_t)((uint64_t)(above + INT64_C(0x4000000000000000)) >> 52); /* k + 1024 */
        *k = dz_from_bits_f64(exponent | INT64_C(0x4330000000000000)) - (4503599627370496.0 + 1024.0);
    }
    *f = dz_from_bits_f64(b - (above & INT64_C(-0x10000000000000))) - 1.0;
}

/* log(x) + tail */
DZ_INLINE double dz_log_with_f64(double x, double tail)
{
    double k, f;
    dz_log_parts_f64(x, &k, &f);
    const double s = f / (2.0 + f), z = s * s, w = z * z;
    const double odd = dz_mad_f64(w, dz_mad_f64(w, 1.531383769920937332e-01, 2.222219843214978396e-01), 3.999999999940941908e-01);
    const double even = dz_mad_f64(w, dz_mad_f64(w, dz_mad_f64(w, 1.479819860511658591e-01, 1.818357216161805012e-01),
                                                 2.857142874366239149e-01), 6.666666666666735130e-01);
    const double less = dz_mad_f64(s, f - dz_mad_f64(w, odd, z * even), dz_mad_f64(k, -DZ_LN2_LO_F64, -tail));
    return dz_mad_f64(k, DZ_LN2_HI_F64, f - less); /* k times the upper part of ln 2 is exact */
}

DZ_INLINE double dz_log_core_f64(double x) { return dz_log_with_f64(x, 0.0); }

/* ---- log1p: 1 + x is a positive normal number. What rounding it loses is c; log(u + c) = log(u) + c / u. */
DZ_INLINE int64_t dz_log1p_beyond_f64(double x) { return dz_log_beyond_f64(1.0 + x); }

DZ_INLINE double dz_log1p_core_f64(double x)
{
    const double u = 1.0 + x;
    const double c = fabs(x) < 1.0 ? x - (u - 1.0) : 1.0 - (u - x);
    const double y = dz_log_with_f64(u, c / u);
    return fabs(x) < 0x1p-53 ? x : y;
}

/* ---- tanh: all numbers; 1 from 20 on.
 *
 * With a = |x| and e = exp(-2a) it is (1 - e) / (1 + e), or h / (1 - h) for h = (1 - e) / 2. As in exp, e = s exp(-2z) with s a
 * power of two, and p = (1 - exp(-2z)) / 2 by exp's polynomial: h = (1 - s) / 2 + s p. What rounding h loses is kept. Of the
 * quotient q the rest h - q (1 - h) is (h - q) + q h, and h - q is exact, since q lies between h and 2h: so it does not matter how
 * 1 - h was rounded. s is 2^-53 at the least, which 1 - s keeps; z grows instead. */
#define DZ_TANH_ONE_F64 INT64_C(0x4034000000000000) /* 20 */
DZ_INLINE int64_t dz_tanh_beyond_f64(double x) { return (void)x, 0; }

DZ_INLINE double dz_tanh_core_f64(double x)
{
    const int64_t b = dz_bits_f64(x) & INT64_MAX;
    const double a = dz_from_bits_f64(b < DZ_TANH_ONE_F64 ? b : DZ_TANH_ONE_F64); /* by bits: nan raises no flag */
    const double turns = dz_mad_f64(a, -2.88539008177792681472e+00, DZ_ROUND_F64);
    const double t = turns > DZ_ROUND_F64 - 53 ? turns : DZ_ROUND_F64 - 53, k = t - DZ_ROUND_F64;
    const double z = dz_mad_f64(k, DZ_LN2_LO_F64 / 2, dz_mad_f64(k, DZ_LN2_HI_F64 / 2, a)), z2 = z * z;
    const double c = dz_exp_scaled_q_f64(z, z2, -2.0, -2.0);
    const double p = dz_mad_f64(z2, c, z), p_lost = dz_mad_f64(z2, c, z - p);
    const double s = dz_two_to_f64(t);
    const double h1 = dz_mad_f64(s, -0.5, 0.5), h = dz_mad_f64(s, p, h1);
    const double h_lost = dz_mad_f64(s, p_lost, dz_mad_f64(s, p, h1 - h)); /* products with s are exact */
    const double d = 1.0 - h, w = 1.0 / d;
    const double q = DZ_FUSED ? h * w : h / d;
    const double rest = DZ_FUSED ? fma(q, h, h - q) : q * (h - (1.0 - d)); /* what d lost, where q h would be rounded */
    const double y = dz_mad_f64(dz_mad_f64(h_lost, 1.0 + q, rest), w, q);
    return dz_from_bits_f64(dz_bits_f64(x == x ? y : x) | (dz_bits_f64(x) & INT64_MIN));
}

/* ---- sin and cos: |x| <= 10^6; beyond, math/far.c.
 *
 * The quadrant is k = round(x * 2/pi); pi/2 is subtracted k times in three parts (Cody and Waite), what rounding loses of the
 * difference is carried along as a tail. Where products are fused the parts have 53 bits, and the first difference is exact; where
 * they are not, the first two have 33, so that k * part is exact for |k| < 2^20. The two polynomials on [-pi/4, pi/4] are those of fdlibm (k_sin.c, k_cos.c give the coefficients and the
 * error bound 2^-58). */
#define DZ_SINCOS_LIMIT_F64 INT64_C(0x412e848000000000) /* 10^6 */
DZ_INLINE int64_t dz_sin_beyond_f64(double x) { return dz_beyond_f64(x, DZ_SINCOS_LIMIT_F64); }
DZ_INLINE int64_t dz_cos_beyond_f64(double x) { return dz_beyond_f64(x, DZ_SINCOS_LIMIT_F64); }

DZ_INLINE double dz_turns_f64(double x) { return dz_mad_f64(x, DZ_2_PI_F64, DZ_ROUND_F64); }

/* x - k * pi/2 as r + tail; not b + -lost: sin(-0.0) is -0.0 */
DZ_INLINE void dz_within_f64(double x, double *r, double *tail)
{
    const double k = dz_turns_f64(x) - DZ_ROUND_F64;
    if (DZ_FUSED) {
        const double a = fma(-k, 0x1.921fb54442d18p+0, x);
        const double w2 = k * 0x1.1a62633145c07p-54, lost = fma(k, 0x1.1a62633145c07p-54, -w2);
        *r = a - w2;
        *tail = fma(-k, -0x1.f1976b7ed8fbcp-110, ((a - *r) - w2) - lost);
    } else {
        const double a = x - k * 1.57079632673412561417e+00;
        const double w2 = k * 6.07710050630396597660e-11;
        const double b = a - w2;
        const double eb = (a - b) - w2;
        const double w3 = k * 2.02226624879595063154e-21;
        const double lost = w3 - eb;
        *r = b - lost;
        *tail = (b - *r) - lost;
    }
}

/* The sine of r + tail. */
DZ_INLINE double dz_sine_f64(double r, double tail)
{
    const double z = r * r;
    const double v = z * r;
    const double z2 = z * z;
    const double low = dz_mad_f64(z, -1.98412698298579493134e-04, 8.33333333332248946124e-03);
    const double high = dz_mad_f64(z, -2.50507602534068634195e-08, 2.75573137070700676789e-06);
    const double ps = dz_mad_f64(z2, dz_mad_f64(z2, 1.58969099521155010221e-10, high), low);
    /* signs so that of -0.0 it is -0.0 */
    return r - dz_mad_f64(-v, dz_mad_f64(z, ps, -1.66666666666666324348e-01), dz_mad_f64(0.5 * z, tail, -tail));
}

/* The cosine of r + tail, or its sine s, as the quadrant demands (modulo 4). */
DZ_INLINE double dz_quadrant_f64(uint64_t quadrant, double r, double tail, double s)
{
    const double z = r * r;
    const double z2 = z * z;
    const double low = dz_mad_f64(z, -1.38888888888741095749e-03, 4.16666666666666019037e-02);
    const double high = dz_mad_f64(z, -2.75573143513906633035e-07, 2.48015872894767294178e-05);
    const double top = dz_mad_f64(z, -1.13596475577881948265e-11, 2.08757232129817482790e-09);
    const double pc = dz_mad_f64(z2, dz_mad_f64(z2, top, high), low);
    const double hz = 0.5 * z;
    const double w = 1.0 - hz;
    const double c = w + (((1.0 - w) - hz) + dz_mad_f64(z2, pc, -(r * tail)));
    /* an odd quadrant takes the cosine; quadrants 2 and 3 change the sign */
    const uint64_t odd = UINT64_C(0) - (quadrant & 1), minus = (quadrant & 2) << 62;
    return dz_from_bits_f64((int64_t)((((uint64_t)dz_bits_f64(c) & odd) | ((uint64_t)dz_bits_f64(s) & ~odd)) ^ minus));
}

/* which: 0 sine, 1 cosine, whose quadrant is the next one; the low bits of the sum are those of k */
DZ_INLINE double dz_sincos_f64(double x, int which)
{
    double r, tail;
    dz_within_f64(x, &r, &tail);
    return dz_quadrant_f64((uint64_t)dz_bits_f64(dz_turns_f64(x)) + (uint64_t)which, r, tail, dz_sine_f64(r, tail));
}

DZ_INLINE double dz_sin_core_f64(double x) { return dz_sincos_f64(x, 0); }
DZ_INLINE double dz_cos_core_f64(double x) { return dz_sincos_f64(x, 1); }

/* One number: below pi/4 the quadrant is 0, r is x and the tail 0, which takes a third of the time where one number waits for
 * another. */
#define DZ_QUADRANT_0_F64 0.785
DZ_INLINE double dz_sin_near_f64(double x) { return dz_sine_f64(x, 0.0); }
DZ_INLINE double dz_cos_near_f64(double x) { return dz_quadrant_f64(1, x, 0.0, 0.0); }

#endif
