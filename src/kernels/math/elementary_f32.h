/* The cores for float32, by the methods of math/elementary_f64.h with shorter polynomials; see math/elementary.h. */
#ifndef DZ_ELEMENTARY_F32_H
#define DZ_ELEMENTARY_F32_H

#define DZ_ROUND_F32 12582912.0f /* 1.5 * 2^23 */
#define DZ_LN2_HI_F32 0.693359375f /* 9 bits: k * it is exact */
#define DZ_LN2_LO_F32 -2.12194440e-4f

DZ_INLINE float dz_mad_f32(float a, float b, float c) { return DZ_FUSED ? fmaf(a, b, c) : a * b + c; }

DZ_INLINE int32_t dz_bits_f32(float x)
{
    int32_t b;
    memcpy(&b, &x, sizeof(b));
    return b;
}

DZ_INLINE float dz_from_bits_f32(int32_t b)
{
    float x;
    memcpy(&x, &b, sizeof(x));
    return x;
}

DZ_INLINE int32_t dz_beyond_f32(float x, int32_t limit) { return limit - (dz_bits_f32(x) & INT32_MAX); }

/* ---- exp: |x| <= 87; minimax polynomial, relative error below 2^-28. */
#define DZ_EXP_LIMIT_F32 INT32_C(0x42ae0000) /* 87 */
DZ_INLINE int32_t dz_exp_beyond_f32(float x) { return dz_beyond_f32(x, DZ_EXP_LIMIT_F32); }

/* b q(c z) for powers of two b and c, which the compiler multiplies the coefficients by */
DZ_INLINE float dz_exp_scaled_q_f32(float z, float z2, float b, float c)
{
    const float c2 = b * c * c, c4 = c2 * c * c;
    const float high = dz_mad_f32(z2, 0.0013815891352f * c4, dz_mad_f32(z, 0.0083685035117f * c2 * c, 0.0416683409598f * c2));
    return dz_mad_f32(z2, high, dz_mad_f32(z, 0.166665230858f * b * c, 0.49999993806f * b));
}

DZ_INLINE float dz_exp_core_f32(float x)
{
    const float t = dz_mad_f32(x, 1.44269504f, DZ_ROUND_F32), k = t - DZ_ROUND_F32;
    const float r = dz_mad_f32(-k, DZ_LN2_LO_F32, dz_mad_f32(-k, DZ_LN2_HI_F32, x)), r2 = r * r;
    const float y = 1.0f + dz_mad_f32(r2, dz_exp_scaled_q_f32(r, r2, 1.0f, 1.0f), r);
    return dz_from_bits_f32((int32_t)((uint32_t)dz_bits_f32(y) + ((uint32_t)dz_bits_f32(t) << 23)));
}

/* ---- log: positive normal numbers, of others something, without a flag; R's relative error is below 2^-29. */
DZ_INLINE int32_t dz_log_beyond_f32(float x)
{
    const int32_t b = dz_bits_f32(x);
    return (int32_t)(((uint32_t)b - UINT32_C(0x00800000)) | (UINT32_C(0x7f7fffff) - (uint32_t)b));
}

/* log(x) + tail */
DZ_INLINE float dz_log_with_f32(float x, float tail)
{
    const int32_t b = dz_bits_f32(x);
    const int32_t above = b - INT32_C(0x3f3504f3); /* from sqrt(1/2) on; its exponent is k */
    const float k = (float)(above >> 23);
    const float f = dz_from_bits_f32(b - (above & INT32_C(-0x00800000))) - 1.0f;
    const float s = f / (2.0f + f), z = s * s;
    const float r = dz_mad_f32(z, dz_mad_f32(z, 0.29860445682f, 0.399780511734f), 0.666667710286f);
    const float less = dz_mad_f32(s, dz_mad_f32(-z, r, f), dz_mad_f32(k, -DZ_LN2_LO_F32, -tail));
    return dz_mad_f32(k, DZ_LN2_HI_F32, f - less);
}

DZ_INLINE float dz_log_core_f32(float x) { return dz_log_with_f32(x, 0.0f); }

/* ---- log1p: 1 + x is a positive normal number. */
DZ_INLINE int32_t dz_log1p_beyond_f32(float x) { return dz_log_beyond_f32(1.0f + x); }

DZ_INLINE float dz_log1p_core_f32(float x)
{
    const float u = 1.0f + x;
    const float c = fabsf(x) < 1.0f ? x - (u - 1.0f) : 1.0f - (u - x);
    const float y = dz_log_with_f32(u, c / u);
    return fabsf(x) < 0x1p-24f ? x : y;
}

/* ---- tanh: all numbers; 1 from 9.02 on. As in float64, but for what costs more than it mends: what rounding p loses, and ln 2's
 * second part, both where products are fused; and s may be 2^-26, whose 1 - s is rounded (1.4 units, next to 1). */
#define DZ_TANH_ONE_F32 INT32_C(0x4111999a) /* 9.1 */
DZ_INLINE int32_t dz_tanh_beyond_f32(float x) { return (void)x, 0; }

DZ_INLINE float dz_tanh_core_f32(float x)
{
    const int32_t b = dz_bits_f32(x) & INT32_MAX;
    const float a = dz_from_bits_f32(b < DZ_TANH_ONE_F32 ? b : DZ_TANH_ONE_F32);
    const float t = dz_mad_f32(a, -2.88539008f, DZ_ROUND_F32), k = t - DZ_ROUND_F32;
    const float z = DZ_FUSED ? fmaf(k, 0.34657359f, a) : (a + k * (DZ_LN2_HI_F32 / 2)) + k * (DZ_LN2_LO_F32 / 2), z2 = z * z;
    const float c = dz_exp_scaled_q_f32(z, z2, -2.0f, -2.0f), p = dz_mad_f32(z2, c, z);
    const float s = dz_from_bits_f32((int32_t)((uint32_t)dz_bits_f32(t) << 23) + INT32_C(0x3f800000));
    const float h1 = dz_mad_f32(s, -0.5f, 0.5f), h = dz_mad_f32(s, p, h1);
    const float sum_lost = dz_mad_f32(s, p, h1 - h), h_lost = DZ_FUSED ? sum_lost : sum_lost + s * ((z - p) + z2 * c);
    const float d = 1.0f - h, w = 1.0f / d;
    const float q = DZ_FUSED ? h * w : h / d;
    const float rest = DZ_FUSED ? fmaf(q, h, h - q) : q * (h - (1.0f - d));
    const float y = dz_mad_f32(dz_mad_f32(h_lost, 1.0f + q, rest), w, q);
    return dz_from_bits_f32(dz_bits_f32(x == x ? y : x) | (dz_bits_f32(x) & INT32_MIN));
}

/* ---- sin and cos: |x| <= 8192; beyond, in float64.
 *
 * As in float64; where products are not fused, pi/2 has four parts, the first three of 11 bits: products with k < 2^13 are exact,
 * and so are the differences until the last. The polynomials are Cephes' (Moshier, sinf.c; error below 2^-26). */
#define DZ_SINCOS_LIMIT_F32 INT32_C(0x46000000) /* 8192 */
#define DZ_PIO2_1_F32 0x1.9200000000000p+0f
#define DZ_PIO2_2_F32 0x1.fb40000000000p-12f
#define DZ_PIO2_3_F32 0x1.4440000000000p-24f
#define DZ_PIO2_4_F32 0x1.68c2340000000p-39f
DZ_INLINE int32_t dz_sin_beyond_f32(float x) { return dz_beyond_f32(x, DZ_SINCOS_LIMIT_F32); }
DZ_INLINE int32_t dz_cos_beyond_f32(float x) { return dz_beyond_f32(x, DZ_SINCOS_LIMIT_F32); }

DZ_INLINE float dz_turns_f32(float x) { return dz_mad_f32(x, 0.636619772f, DZ_ROUND_F32); }

DZ_INLINE void dz_within_f32(float x, float *r, float *tail)
{
    const float k = dz_turns_f32(x) - DZ_ROUND_F32;
    if (DZ_FUSED) {
        const float a = fmaf(-k, 0x1.921fb40000000p+0f, x);
        const float w2 = k * 0x1.4442d20000000p-24f, lost = fmaf(k, 0x1.4442d20000000p-24f, -w2);
        *r = a - w2;
        *tail = fmaf(-k, -0x1.ee59da0000000p-50f, ((a - *r) - w2) - lost);
    } else {
        const float c3 = ((x - k * DZ_PIO2_1_F32) - k * DZ_PIO2_2_F32) - k * DZ_PIO2_3_F32;
        const float w = k * DZ_PIO2_4_F32;
        *r = c3 - w;
        *tail = (c3 - *r) - w;
    }
}

DZ_INLINE float dz_sine_f32(float r, float tail)
{
    const float z = r * r;
    const float p = dz_mad_f32(z, dz_mad_f32(z, -1.9515295891e-4f, 8.3321608736e-3f), -1.6666654611e-1f);
    return r - dz_mad_f32(-(z * r), p, 0.0f - tail); /* signs so that of -0.0 it is -0.0 */
}

/* which: 0 sine, 1 cosine */
DZ_INLINE float dz_sincos_f32(float x, int which)
{
    float r, tail;
    dz_within_f32(x, &r, &tail);
    const uint32_t quadrant = (uint32_t)dz_bits_f32(dz_turns_f32(x)) + (uint32_t)which;
    const float z = r * r, s = dz_sine_f32(r, tail);
    const float hz = 0.5f * z, one = 1.0f - hz;
    const float p = dz_mad_f32(z, dz_mad_f32(z, 2.443315711809948e-5f, -1.388731625493765e-3f), 4.166664568298827e-2f);
    const float c = one + (((1.0f - one) - hz) + dz_mad_f32(z * z, p, -(r * tail)));
    const uint32_t odd = UINT32_C(0) - (quadrant & 1), minus = (quadrant & 2) << 30;
    return dz_from_bits_f32((int32_t)((((uint32_t)dz_bits_f32(c) & odd) | ((uint32_t)dz_bits_f32(s) & ~odd)) ^ minus));
}

DZ_INLINE float dz_sin_core_f32(float x) { return dz_sincos_f32(x, 0); }
DZ_INLINE float dz_cos_core_f32(float x) { return dz_sincos_f32(x, 1); }

#endif
