/* sin, cos and tan far from zero, where x - k pi/2 cancels: the remainder is taken exactly, as Payne and Hanek did (Radian
 * reduction for trigonometric functions, SIGNUM Newsletter 18, 1983), in integers. Their error stays that of the cores; libm's and
 * NumPy's come to 7 units in the last place, and to more, where x is next to a multiple of pi/2.
 */
#define DZ_FUSED 0 /* compiled once, for all levels: the same bits on every processor */
#include "math/elementary.h"
#include "math/functions.h"

/* 2/pi: a word of zeros, and 1,280 bits behind the binary point (computed with mpmath). */
static const uint64_t two_over_pi[] = {
    UINT64_C(0x0000000000000000), UINT64_C(0xa2f9836e4e441529), UINT64_C(0xfc2757d1f534ddc0), UINT64_C(0xdb6295993c439041),
    UINT64_C(0xfe5163abdebbc561), UINT64_C(0xb7246e3a424dd2e0), UINT64_C(0x06492eea09d1921c), UINT64_C(0xfe1deb1cb129a73e),
    UINT64_C(0xe88235f52ebb4484), UINT64_C(0xe99c7026b45f7e41), UINT64_C(0x3991d639835339f4), UINT64_C(0x9c845f8bbdf9283b),
    UINT64_C(0x1ff897ffde05980f), UINT64_C(0xef2f118b5a0a6d1f), UINT64_C(0x6d367ecf27cb09b7), UINT64_C(0x4f463f669e5fea2d),
    UINT64_C(0x7527bac7ebe5f17b), UINT64_C(0x3d0739f78a5292ea), UINT64_C(0x6bfb5fb11f8d5d08), UINT64_C(0x56033046fc7b6bab),
    UINT64_C(0xf0cfbc209af4361d),
};

/* The product's two halves; not every compiler has integers of 128 bits. */
static uint64_t product(uint64_t a, uint64_t b, uint64_t *low)
{
    const uint64_t a0 = a & UINT32_MAX, a1 = a >> 32, b0 = b & UINT32_MAX, b1 = b >> 32;
    const uint64_t cross = a1 * b0 + (a0 * b0 >> 32), other = a0 * b1 + (cross & UINT32_MAX);
    *low = a * b;
    return a1 * b1 + (cross >> 32) + (other >> 32);
}

/* x = k pi/2 + r + tail with |r| <= pi/4, for finite |x| >= 2^-10; returns k modulo 4.
 *
 * x = m 2^e with a whole m. The bits of 2/pi whose weight times 2^e is 4 or more give multiples of 4, and are left out; of the 192
 * that follow, the product with m modulo 2^192 is x 2/pi modulo 4, in units of 2^-190. What is cut off is below 2^53 units, where
 * no double comes nearer to a multiple of pi/2 than 2^-61 of it: 76 good bits at least. */
static unsigned remainder_of(double x, double *r, double *tail)
{
    const uint64_t bits = (uint64_t)dz_bits_f64(x);
    const uint64_t m = (bits & UINT64_C(0xfffffffffffff)) | UINT64_C(0x10000000000000);
    const int at = (int)(bits >> 52 & 0x7ff) - 1075 + 62, word = at / 64, shift = at % 64;
    const int negative = (int)(bits >> 63);
    uint64_t w[3], p[3], high, low, carry;
    unsigned k;
    int i, minus, zeros = 0;
    for (i = 0; i < 3; i++)
        w[i] = shift ? two_over_pi[word + i] << shift | two_over_pi[word + i + 1] >> (64 - shift) : two_over_pi[word + i];
    high = product(m, w[2], &p[2]);
    carry = product(m, w[1], &low);
    p[1] = low + high;
    carry += p[1] < low;
    p[0] = m * w[0] + carry;

    k = (unsigned)((p[0] + (UINT64_C(1) << 61)) >> 62); /* the nearest quadrant; what is left lies in [-1/2, 1/2) */
    p[0] -= (uint64_t)k << 62;
    minus = (int)(p[0] >> 63);
    if (minus)
        for (i = 2, carry = 1; i >= 0; i--) {
            p[i] = ~p[i] + carry;
            carry = carry && p[i] == 0;
        }
    for (; p[0] == 0; zeros += 64)
        p[0] = p[1], p[1] = p[2], p[2] = 0;
    for (; !(p[0] >> 63); zeros++) {
        p[0] = p[0] << 1 | p[1] >> 63;
        p[1] <<= 1;
    }
    /* the fraction is p[0] 2^(-62 - zeros); pi/2 in units of 2^-63 */
    high = product(p[0], UINT64_C(0xc90fdaa22168c235), &low);
    {
        const double unit = dz_from_bits_f64((int64_t)(1023 - 61 - zeros) << 52);
        const double sign = minus != negative ? -unit : unit;
        *r = (double)(high & ~UINT64_C(0x7ff)) * sign;
        *tail = (double)(high & UINT64_C(0x7ff)) * sign;
    }
    return negative ? (0u - k) & 3 : k & 3;
}

static double far_sincos(double x, unsigned which)
{
    double r, tail;
    unsigned quadrant;
    if (!(fabs(x) <= 1.7976931348623157e308))
        return x - x; /* nan; of inf with the flag for it */
    quadrant = remainder_of(x, &r, &tail) + which;
    return dz_quadrant_f64(quadrant, r, tail, dz_sine_f64(r, tail));
}

double dz_far_sin(double x) { return far_sincos(x, 0); }
double dz_far_cos(double x) { return far_sincos(x, 1); }
float dz_far_sinf(float x) { return (float)dz_far_sin((double)x); }
float dz_far_cosf(float x) { return (float)dz_far_cos((double)x); }

/* tan(r + tail) = tan(r) + tail (1 + tan(r)^2), of which an odd quadrant takes the negative inverse; what rounding the sum
 * loses is carried into it. Within 2 units in the last place, as long as libm's tan(r) is within one. */
double dz_far_tan(double x)
{
    double r, tail, t, more, y;
    unsigned quadrant;
    if (!(fabs(x) <= 1.7976931348623157e308))
        return x - x;
    quadrant = remainder_of(x, &r, &tail);
    t = tan(r);
    more = tail * (1.0 + t * t);
    y = t + more;
    if (!(quadrant & 1))
        return y;
    more += t - y;
    y = -1.0 / y;
    return y + more * (y * y);
}

float dz_far_tanf(float x) { return (float)dz_far_tan((double)x); }
