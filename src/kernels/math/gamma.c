/* The logarithm of the gamma function, its derivatives, and the normal distribution: what neither NumPy nor every C library has.
 *
 * All is float64; float32 takes the rounded value. Right of 0 the distance to the true value stays below 3 units in the last place
 * (polygamma: 5 up to the third order, then n + 4). Left of 0, where the terms of a value may cancel, it stays below 8 units of the
 * largest term. ndtr is within 3 units where the C library's erfc is within 2 (tests/test_gamma.py).
 *
 * The polynomials interpolate at Chebyshev's points (mpmath, 60 digits), in x minus the middle of their interval; the other formulas
 * are those of the NIST Digital Library of Mathematical Functions, chapter 5, by number.
 */
#define DZ_FUSED 0 /* compiled once, for all levels: the same bits on every processor */
#include "math/elementary.h"
#include "math/functions.h"

#define PI 3.14159265358979323846
#define LENGTH(c) (int)(sizeof(c) / sizeof(*(c)))

/* lgamma(x) / (x - 1) for 1/2 <= x <= 1 */
static const double lgamma_from_half[] = {
    -0x1.a051c372609eep-1, 0x1.17486335fff90p+0, -0x1.709f65e47894ep-1, 0x1.4f79918c96441p-1, -0x1.5891e03a47df9p-1,
    0x1.782f325617816p-1, -0x1.a9f05074496ddp-1, 0x1.ee2877e0f333cp-1, -0x1.23bd066668812p+0, 0x1.5d2012274704bp+0,
    -0x1.a645dd8cc7808p+0, 0x1.019aad3f4be3fp+1, -0x1.3ca0b909718e5p+1, 0x1.878623ea10140p+1, -0x1.e56fbe7cad2d2p+1,
    0x1.2f16922906644p+2, -0x1.881fcfa29545ep+2, 0x1.eda58957fc669p+2, -0x1.dee049d47b49cp+2, 0x1.2e42609e1abb9p+3,
    -0x1.b2b92a2c6abd1p+4, 0x1.152562e7b3072p+5,
};
/* lgamma(x) / ((x - 1) (x - 2)) for 1 <= x <= 2 */
static const double lgamma_from_1[] = {
    0x1.eeb95b094c191p-2, -0x1.2aed059bd608ap-3, 0x1.01af62a2929c0p-4, -0x1.007aa83cee1acp-5, 0x1.133423527f1f2p-6,
    -0x1.34dbda14971e2p-7, 0x1.64f0664c4f943p-8, -0x1.a5035232a7d25p-9, 0x1.f814bab49d011p-10, -0x1.313e8a3ddad6fp-10,
    0x1.750a7900f071ep-11, -0x1.cb44dee9fac00p-12, 0x1.1c7e3a261c9ebp-12, -0x1.623f109df00eep-13, 0x1.b9e43433855c2p-14,
    -0x1.156abea920aefp-14, 0x1.68f13e0fbb796p-15, -0x1.c85e4bc95846cp-16, 0x1.ba730a9784e07p-17, -0x1.18598e23bb974p-17,
    0x1.9759e019683d0p-17, -0x1.0467902760469p-17,
};
/* lgamma(x) / (x - 2) for 2 <= x <= 3 */
static const double lgamma_from_2[] = {
    0x1.2383e809a67e8p-1, 0x1.1200f695b0dd9p-2, -0x1.6f0ca9a1c2746p-5, 0x1.646ae6e418adap-7, -0x1.95b11573d7e22p-9,
    0x1.f7e46161117e7p-11, -0x1.4a5d12d1b7f34p-12, 0x1.c135f7f492cdbp-14, -0x1.3957c0bb2843dp-15, 0x1.bd762ba2a03bbp-17,
    -0x1.41352f959e849p-18, 0x1.d46e5d248efdbp-20, -0x1.58c6b6d154ad0p-21, 0x1.ff01dd13d7af4p-23, -0x1.7832cb52c4760p-24,
    0x1.19d84064adbe7p-25, -0x1.f9bef90de4a63p-27, 0x1.7e6e7b6ff8f9ap-28,
};
/* digamma(x) for 1/2 <= x <= 1 */
static const double digamma_from_half[] = {
    -0x1.15fafa86b04dbp+0, 0x1.455c4ff28f0c1p+1, -0x1.535e57b5b69f2p+1, 0x1.a59e099b26263p+1, -0x1.12228c01dae71p+2,
    0x1.6a0074d7ea207p+2, -0x1.e0cb20a6c6f3fp+2, 0x1.40037d053b84ap+3, -0x1.aa65a9c7f7db0p+3, 0x1.1c2f0e6188843p+4,
    -0x1.7adda779b75bdp+4, 0x1.f91eeb8381552p+4, -0x1.50bd60b1542acp+5, 0x1.c123fa72e39c5p+5, -0x1.2b6d026628526p+6,
    0x1.8d0f979d9c1bfp+6, -0x1.08b502d356e92p+7, 0x1.745eca73ec817p+7, -0x1.f07e5f0dc241dp+7, 0x1.bbdb54ad8125bp+7,
    -0x1.27e78d19fd1fcp+8, 0x1.112481db76456p+10, -0x1.6c30ad146e664p+10,
};
/* digamma(x) / (x - its zero) for 1 <= x <= 2 */
static const double digamma_from_1[] = {
    0x1.e6f0cbb873617p-1, -0x1.b1cb63005ee97p-2, 0x1.eca189b8e6da1p-3, -0x1.2feeeb98a7cd8p-3, 0x1.8512e5905d180p-4,
    -0x1.fb442029cdbf4p-5, 0x1.4de9aa05d3418p-5, -0x1.b9f8b1367959dp-6, 0x1.256475e5ac975p-6, -0x1.86355f6f68797p-7,
    0x1.03c00801ba958p-7, -0x1.5a071c746535bp-8, 0x1.cd3e42d157015p-9, -0x1.33661f9073563p-9, 0x1.980fc9c9f0be8p-10,
    -0x1.1002aaf6255f5p-10, 0x1.7b3b41b0b38cdp-11, -0x1.f99f529bd0771p-12, 0x1.dc8ae08af0fc4p-13, -0x1.3db05b36d9a48p-13,
    0x1.104c9d0897b58p-12, -0x1.6b107f71aa124p-13,
};
/* digamma(x) for 2 <= x <= 3 */
static const double digamma_from_2[] = {
    0x1.680425af12b5ep-1, 0x1.f62057f7296c9p-2, -0x1.e3bef327df0bbp-4, 0x1.31b4c4359dfc1p-5, -0x1.ac61ab99aa0c2p-7,
    0x1.3bf9d580eca63p-8, -0x1.dfdf12a9e0a16p-10, 0x1.72e0083e31eb9p-11, -0x1.21de1cbb6fb92p-12, 0x1.c872e1d080f68p-14,
    -0x1.692591f85a2a2p-15, 0x1.1eb450a1c8693p-16, -0x1.c88ea54caa83bp-18, 0x1.6bdd21d1e0e15p-19, -0x1.1da25ea5c22dfp-20,
    0x1.c8237f5d7ad8ap-22, -0x1.bc4331d5b7550p-23, 0x1.631998b999cb9p-24,
};

/* By even and odd powers: two chains of arithmetic half as long. */
static double polynomial(const double *c, int n, double t)
{
    const double z = t * t;
    double even = 0.0, odd = 0.0;
    int i = n - 1;
    if (n & 1)
        even = c[i--];
    for (; i > 0; i -= 2) {
        odd = odd * z + c[i];
        even = even * z + c[i - 1];
    }
    return even + t * odd;
}
#define POLYNOMIAL(c, t) polynomial(c, LENGTH(c), t)

static double logarithm(double x) { return dz_log_beyond_f64(x) >= 0 ? dz_log_core_f64(x) : log(x); }

/* What a pole gives, with its flag. */
static double pole(double sign)
{
    volatile double zero = 0.0;
    return sign / zero;
}

static double undefined(void)
{
    volatile double zero = 0.0;
    return zero / zero;
}

/* log |gamma(x)|; infinite at the poles 0, -1, -2, ... */
double dz_gammaln(double x)
{
    if (x != x || fabs(x) > DBL_MAX)
        return x * x;
    if (x <= 0.0) { /* reflection, 5.5.3 */
        const double r = fabs(x - rint(x));
        if (r == 0.0)
            return pole(1.0);
        if (x > -0x1p-54)
            return -logarithm(-x);
        return -logarithm(dz_sin_core_f64(PI * r) / PI) - dz_gammaln(1.0 - x);
    }
    if (x < 0.5)
        return dz_gammaln(1.0 + x) - logarithm(x);
    if (x < 1.0)
        return (x - 1.0) * POLYNOMIAL(lgamma_from_half, x - 0.75);
    if (x < 2.0)
        return (x - 1.0) * (x - 2.0) * POLYNOMIAL(lgamma_from_1, x - 1.5);
    if (x < 10.0) { /* recurrence, 5.5.1; the differences are exact */
        double product = 1.0;
        while (x >= 3.0) {
            x -= 1.0;
            product *= x;
        }
        return (x - 2.0) * POLYNOMIAL(lgamma_from_2, x - 2.5) + (product > 1.0 ? logarithm(product) : 0.0);
    }
    if (x < 0x1p58) { /* 5.11.1 */
        const double w = 1.0 / x, z = w * w;
        const double tail = w * (1.0 / 12 - z * (1.0 / 360 - z * (1.0 / 1260 - z * (1.0 / 1680 - z * (1.0 / 1188 -
                            z * (691.0 / 360360 - z * (1.0 / 156)))))));
        return (x - 0.5) * (logarithm(x) - 1.0) + (0.41893853320467274178 + tail); /* log(2 pi) / 2 - 1/2 */
    }
    return x * (logarithm(x) - 1.0);
}

/* The derivative of gammaln; infinite at 0 (by its sign), nan at -1, -2, ... */
double dz_digamma(double x)
{
    if (x != x)
        return x;
    if (fabs(x) > DBL_MAX)
        return x > 0.0 ? x : undefined();
    if (x == 0.0)
        return pole(-copysign(1.0, x));
    if (x < 0.0) { /* reflection, 5.5.4 */
        const double r = x - rint(x);
        const double sine = dz_sin_core_f64(PI * r);
        if (r == 0.0)
            return undefined();
        return dz_digamma(1.0 - x) - PI * dz_cos_core_f64(PI * r) / sine;
    }
    if (x < 0.5)
        return dz_digamma(1.0 + x) - 1.0 / x;
    if (x < 1.0)
        return POLYNOMIAL(digamma_from_half, x - 0.75);
    if (x < 2.0) /* its zero in two parts */
        return ((x - 0x1.762d86356be3fp+0) - 0x1.b86a722197829p-54) * POLYNOMIAL(digamma_from_1, x - 1.5);
    if (x < 10.0) { /* recurrence, 5.5.2 */
        double sum = 0.0;
        while (x >= 3.0) {
            x -= 1.0;
            sum += 1.0 / x;
        }
        return POLYNOMIAL(digamma_from_2, x - 2.5) + sum;
    }
    { /* 5.11.2 */
        const double w = 1.0 / x, z = w * w;
        const double tail = z * (1.0 / 12 - z * (1.0 / 120 - z * (1.0 / 252 - z * (1.0 / 240 - z * (1.0 / 132 -
                            z * (691.0 / 32760 - z * (1.0 / 12)))))));
        return logarithm(x) - (0.5 * w + tail);
    }
}

/* B(2 j) / (2 j)!, Bernoulli's numbers, from j = 1 on */
static const double bernoulli[] = {
    0.08333333333333333, -0.001388888888888889, 3.306878306878307e-05, -8.267195767195768e-07, 2.08767569878681e-08,
    -5.284190138687493e-10, 1.3382536530684679e-11, -3.3896802963225827e-13, 8.586062056277845e-15,
    -2.174868698558062e-16, 5.5090028283602295e-18, -1.3954464685812522e-19, 3.534707039629467e-21,
};

/* c / y ** s in two factors, that c may be large where y ** -s is too small for a double */
static double scaled_power(double y, double s, double c)
{
    const double half = s == 2.0 ? 1.0 / y : pow(y, -0.5 * s);
    return half * c * half;
}

/* c times Hurwitz's zeta function, the sum of (x + k) ** -s over k = 0, 1, ..., for x > 0 and whole s >= 2: so many terms that
 * Euler and Maclaurin's formula (2.10.1) gives the rest. */
static double zeta(double s, double x, double c)
{
    const double enough = s > 10.0 ? s : 10.0;
    double sum = 0.0, y, t, rest;
    int j;
    for (y = x; y < enough; y += 1.0) {
        const double term = scaled_power(y, s, c);
        sum += term;
        if (term < 0x1p-64 * sum) /* the rest is at most y times as large, and y below 100 */
            return sum;
    }
    rest = y / (s - 1.0) + 0.5;
    t = s / y;
    for (j = 0; j < LENGTH(bernoulli); j++) {
        rest += bernoulli[j] * t;
        t *= (s + (2 * j + 1)) / y * ((s + (2 * j + 2)) / y); /* y * y may overflow */
    }
    return sum + scaled_power(y, s, c * rest);
}

/* The n-th derivative of digamma, n whole: (-1) ** (n + 1) n! zeta(n + 1, x) (25.11.12). At the poles 0, -1, ... infinite for odd n;
 * for even n, where the sides differ in sign, infinite at 0 by its sign and else nan. */
double dz_polygamma(double n, double x)
{
    const double s = n + 1.0;
    const int even = fmod(n, 2.0) == 0.0;
    double c = 1.0, k, below, above, value;
    if (n == 0.0)
        return dz_digamma(x);
    if (x != x)
        return x;
    if (fabs(x) > DBL_MAX)
        return x > 0.0 ? (even ? -0.0 : 0.0) : undefined();
    for (k = 2.0; k <= n; k++)
        c *= k;
    if (x > 0.0) {
        value = zeta(s, x, c);
        return even ? -value : value;
    }
    below = x - floor(x);
    above = ceil(x) - x;
    if (above == 0.0) /* a pole */
        return !even ? pole(1.0) : x == 0.0 ? pole(-copysign(1.0, x)) : undefined();
    /* The terms with x + k < 0 are those of zeta(s, above), up to the one before 1 - x. */
    value = zeta(s, above, c) - zeta(s, 1.0 - x, c);
    return even ? value - zeta(s, below, c) : value + zeta(s, below, c);
}

/* The standard normal distribution, erfc(-x / sqrt(2)) / 2. Far to the left erfc takes the rounding of its argument many times over:
 * what rounding has cost goes in by the derivative. */
double dz_ndtr(double x)
{
    const double root = 0.70710678118654752440, root_high = 0x1.6a09e60000000p-1, root_low = root - root_high;
    const double z = -x * root;
    double high, lost;
    if (x != x || fabs(x) > 40.0)
        return 0.5 * erfc(z);
    high = dz_from_bits_f64(dz_bits_f64(x) & INT64_C(-0x8000000)); /* 26 bits: its products are exact */
    lost = ((-high * root_high - z) - high * root_low - (x - high) * root_high) - (x - high) * root_low +
           x * 4.833646656726457e-17; /* root - sqrt(1/2) */
    return 0.5 * (erfc(z) - 1.1283791670955126 * exp(-z * z) * lost);
}

double dz_polygamma1(double n, double x) { return dz_polygamma(n + 1, x); }
