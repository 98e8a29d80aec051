/* float64 sine and cosine, written so that a compiler vectorises them.
 *
 * The quadrant is k = round(x * 2/pi); pi/2 is subtracted k times in three parts of which the first two have 33 bits,
 * so that k * part is exact for |k| < 2^20 (Cody and Waite); what rounding loses of the difference is carried along as
 * a tail. The two polynomials on [-pi/4, pi/4] are those of fdlibm (Sun Microsystems, 1993; k_sin.c, k_cos.c give the
 * coefficients and the error bound 2^-58). Arguments of a million and more, infinities and nan go to libm.
 * No fused multiply-add is used (-ffp-contract=off), so every SIMD level, the loop's body and its tail give the same
 * bits; the distance to the true value stays below 0.8 units in the last place.
 */
#ifndef DZ_SINCOS_H
#define DZ_SINCOS_H

#define DZ_SINCOS_MAX 1.0e6

/* which: 0 sine, 1 cosine. Valid for |x| <= DZ_SINCOS_MAX. */
DZ_INLINE double dz_sincos_core(double x, int which)
{
    const double magic = 6755399441055744.0; /* 1.5 * 2^52: adding it rounds to an integer, kept in the low bits */
    const double t = x * 6.36619772367581382433e-01 + magic;
    const double k = t - magic;
    /* k mod 4 without integer lanes: q = k - 4 * round(k / 4) in {-2, -1, 0, 1, 2} */
    const double q0 = k + (double)which;
    const double q = q0 - 4.0 * ((q0 * 0.25 + magic) - magic);
    /* x - k * pi/2 as r + tail */
    const double a = x - k * 1.57079632673412561417e+00;
    const double w2 = k * 6.07710050630396597660e-11;
    const double b = a - w2;
    const double eb = (a - b) - w2;
    const double w3 = k * 2.02226624879595063154e-21;
    const double lost = w3 - eb;
    const double r = b - lost; /* not b + -lost: sin(-0.0) is -0.0 */
    const double tail = (b - r) - lost;
    const double z = r * r;
    /* sine of r + tail */
    const double v = z * r;
    const double ps = 8.33333333332248946124e-03 +
                      z * (-1.98412698298579493134e-04 +
                           z * (2.75573137070700676789e-06 +
                                z * (-2.50507602534068634195e-08 + z * 1.58969099521155010221e-10)));
    const double s = r - ((z * (0.5 * tail - v * ps) - tail) - v * -1.66666666666666324348e-01);
    /* cosine of r + tail */
    const double pc = z * (4.16666666666666019037e-02 +
                           z * (-1.38888888888741095749e-03 +
                                z * (2.48015872894767294178e-05 +
                                     z * (-2.75573143513906633035e-07 +
                                          z * (2.08757232129817482790e-09 + z * -1.13596475577881948265e-11)))));
    const double hz = 0.5 * z;
    const double w = 1.0 - hz;
    const double c = w + (((1.0 - w) - hz) + (z * pc - r * tail));
    /* an odd quadrant takes the cosine; quadrants 2 and 3 (q = 2, -2, -1) change the sign */
    const double odd = q * q == 1.0 ? c : s;
    return (q == -1.0 || q * q == 4.0) ? -odd : odd;
}

DZ_INLINE void dz_sincos_f64(int which, ptrdiff_t n, const char *x, ptrdiff_t sx, char *y, ptrdiff_t sy)
{
    double keep[DZ_CHUNK];
    ptrdiff_t i0, i;
    if (n == 1) { /* scalars are most of all calls */
        const double v = *(const double *)x;
        *(double *)y = fabs(v) <= DZ_SINCOS_MAX ? dz_sincos_core(v, which) : which ? cos(v) : sin(v);
        return;
    }
    for (i0 = 0; i0 < n; i0 += DZ_CHUNK) {
        const ptrdiff_t m = n - i0 < DZ_CHUNK ? n - i0 : DZ_CHUNK;
        const char *px = x + i0 * sx;
        char *py = y + i0 * sy;
        int inside = 1;
        for (i = 0; i < m; i++)
            inside &= fabs(DZ_LD(double, px, i, sx)) <= DZ_SINCOS_MAX;
        if (inside) {
            if (sx == sizeof(double) && sy == sizeof(double)) {
                DZ_IVDEP
                for (i = 0; i < m; i++)
                    ((double *)py)[i] = dz_sincos_core(((const double *)px)[i], which);
            } else {
                for (i = 0; i < m; i++)
                    DZ_ST(double, py, i, sy) = dz_sincos_core(DZ_LD(double, px, i, sx), which);
            }
        } else {
            for (i = 0; i < m; i++) /* y may be x: read all before the first write */
                keep[i] = DZ_LD(double, px, i, sx);
            for (i = 0; i < m; i++)
                DZ_ST(double, py, i, sy) = fabs(keep[i]) <= DZ_SINCOS_MAX ? dz_sincos_core(keep[i], which)
                                           : which                        ? cos(keep[i])
                                                                          : sin(keep[i]);
        }
    }
}

#endif
