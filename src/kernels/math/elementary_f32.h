/* The cores for float32, by the methods of math/elementary_f64.h with shorter polynomials; see math/elementary.h. */
#ifndef DZ_ELEMENTARY_F32_H
#define DZ_ELEMENTARY_F32_H

#define DZ_ROUND_F32 12582912.0f /* 1.5 * 2^23 */
#define DZ_LN2_HI_F32 0.693359375f /* 9 bits: k * it is exact */
#define DZ_LN2_LO_F32 -2.12194440e-4f

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

DZ_INLINE void dz_exp_open_f32(float x, float *t, float *z)
{
    const float k = (*t = x * 1.44269504f + DZ_ROUND_F32) - DZ_ROUND_F32;
    *z = (x - k * DZ_LN2_HI_F32) - k * DZ_LN2_LO_F32;
}

DZ_INLINE float dz_exp_middle_f32(float x, float t, float z)
{
    const float z2 = z * z;
    (void)x, (void)t;
    return (0.49999993806f + z * 0.166665230858f) +
           z2 * ((0.0416683409598f + z * 0.0083685035117f) + z2 * 0.0013815891352f);
}

DZ_INLINE float dz_exp_close_f32(float x, float t, float z, float q)
{
    const float y = 1.0f + (z + z * z * q);
    (void)x;
    return dz_from_bits_f32((int32_t)((uint32_t)dz_bits_f32(y) + ((uint32_t)dz_bits_f32(t) << 23)));
}

/* ---- log: positive normal numbers; R's relative error is below 2^-29. */
DZ_INLINE int32_t dz_log_beyond_f32(float x)
{
    const int32_t b = dz_bits_f32(x);
    return (int32_t)(((uint32_t)b - UINT32_C(0x00800000)) | (UINT32_C(0x7f7fffff) - (uint32_t)b));
}

DZ_INLINE void dz_log_open_f32(float x, float *k, float *f)
{
    const int32_t b = dz_bits_f32(x);
    const int32_t above = b - INT32_C(0x3f3504f3); /* from sqrt(1/2) on; its exponent is k */
    *k = (float)(above >> 23);
    *f = dz_from_bits_f32(b - (above & INT32_C(-0x00800000))) - 1.0f;
}

DZ_INLINE float dz_log_middle_f32(float x, float k, float f)
{
    (void)x, (void)k;
    return f / (2.0f + f);
}

/* log(x) + tail */
DZ_INLINE float dz_log_with_f32(float k, float f, float s, float tail)
{
    const float z = s * s;
    const float r = z * (0.666667710286f + z * (0.399780511734f + z * 0.29860445682f));
    const float half = 0.5f * f * f;
    return k * DZ_LN2_HI_F32 - ((half - (s * (half + r) + (k * DZ_LN2_LO_F32 + tail))) - f);
}

DZ_INLINE float dz_log_close_f32(float x, float k, float f, float s)
{
    (void)x;
    return dz_log_with_f32(k, f, s, 0.0f);
}

/* ---- log1p: 1 + x is a positive normal number. */
DZ_INLINE int32_t dz_log1p_beyond_f32(float x) { return dz_log_beyond_f32(1.0f + x); }

DZ_INLINE void dz_log1p_open_f32(float x, float *k, float *f) { dz_log_open_f32(1.0f + x, k, f); }
DZ_INLINE float dz_log1p_middle_f32(float x, float k, float f) { return dz_log_middle_f32(x, k, f); }

DZ_INLINE float dz_log1p_close_f32(float x, float k, float f, float s)
{
    const float u = 1.0f + x;
    const float c = fabsf(x) < 1.0f ? x - (u - 1.0f) : 1.0f - (u - x);
    const float y = dz_log_with_f32(k, f, s, c / u);
    return fabsf(x) < 0x1p-24f ? x : y;
}

/* ---- tanh: finite numbers; 1 from 9.1 on. */
#define DZ_TANH_LIMIT_F32 INT32_C(0x7f7fffff)
DZ_INLINE int32_t dz_tanh_beyond_f32(float x) { return dz_beyond_f32(x, DZ_TANH_LIMIT_F32); }

DZ_INLINE void dz_tanh_open_f32(float x, float *t, float *r)
{
    dz_exp_open_f32(2.0f * (fabsf(x) < 9.1f ? fabsf(x) : 9.1f), t, r);
}

DZ_INLINE float dz_tanh_middle_f32(float x, float t, float r) { return dz_exp_close_f32(x, t, r, dz_exp_middle_f32(x, t, r)); }

DZ_INLINE float dz_tanh_close_f32(float x, float t, float r, float e)
{
    const float a = fabsf(x);
    const int small = a < 0.625f;
    const float z = a * a;
    const float p = (-0.333332949421f + z * 0.133317247278f) +
                    z * z * ((-0.0537597886402f + z * 0.0206967872989f) + z * z * -0.0057630526818f);
    const float large = 1.0f - 2.0f / (e + 1.0f);
    const float y = small ? a + a * z * p : large;
    (void)t, (void)r;
    return dz_from_bits_f32(dz_bits_f32(y) | (dz_bits_f32(x) & INT32_MIN));
}

/* ---- sin and cos: |x| <= 8192; beyond, in float64.
 *
 * pi/2 in four parts, the first three of 11 bits: products with k < 2^13 are exact, and so are the differences until the last,
 * whose rounding is carried along as a tail. The polynomials are Cephes' (Moshier, sinf.c; error below 2^-26). */
#define DZ_SINCOS_LIMIT_F32 INT32_C(0x46000000) /* 8192 */
#define DZ_PIO2_1_F32 0x1.9200000000000p+0f
#define DZ_PIO2_2_F32 0x1.fb40000000000p-12f
#define DZ_PIO2_3_F32 0x1.4440000000000p-24f
#define DZ_PIO2_4_F32 0x1.68c2340000000p-39f
DZ_INLINE int32_t dz_sin_beyond_f32(float x) { return dz_beyond_f32(x, DZ_SINCOS_LIMIT_F32); }
DZ_INLINE int32_t dz_cos_beyond_f32(float x) { return dz_beyond_f32(x, DZ_SINCOS_LIMIT_F32); }

DZ_INLINE float dz_turns_f32(float x) { return (x * 0.636619772f + DZ_ROUND_F32) - DZ_ROUND_F32; }

DZ_INLINE void dz_sin_open_f32(float x, float *r, float *tail)
{
    const float k = dz_turns_f32(x);
    const float c3 = ((x - k * DZ_PIO2_1_F32) - k * DZ_PIO2_2_F32) - k * DZ_PIO2_3_F32;
    const float w = k * DZ_PIO2_4_F32;
    *r = c3 - w;
    *tail = (c3 - *r) - w;
}

DZ_INLINE float dz_sin_middle_f32(float x, float r, float tail)
{
    const float z = r * r;
    (void)x;
    return r + (tail + z * r * (-1.6666654611e-1f + z * (8.3321608736e-3f + z * -1.9515295891e-4f)));
}

/* which: 0 sine, 1 cosine */
DZ_INLINE float dz_sincos_close_f32(float x, float r, float tail, float s, int which)
{
    const float q0 = dz_turns_f32(x) + (float)which;
    const float q = q0 - 4.0f * ((q0 * 0.25f + DZ_ROUND_F32) - DZ_ROUND_F32); /* -2, -1, 0, 1 or 2 */
    const float z = r * r;
    const float hz = 0.5f * z, one = 1.0f - hz;
    const float c = one + (((1.0f - one) - hz) +
                           (z * z * (4.166664568298827e-2f + z * (-1.388731625493765e-3f + z * 2.443315711809948e-5f)) - r * tail));
    const float odd = q * q == 1.0f ? c : s;
    return (q == -1.0f || q * q == 4.0f) ? -odd : odd;
}

DZ_INLINE float dz_sin_close_f32(float x, float r, float tail, float s) { return dz_sincos_close_f32(x, r, tail, s, 0); }

DZ_INLINE void dz_cos_open_f32(float x, float *r, float *tail) { dz_sin_open_f32(x, r, tail); }
DZ_INLINE float dz_cos_middle_f32(float x, float r, float tail) { return dz_sin_middle_f32(x, r, tail); }
DZ_INLINE float dz_cos_close_f32(float x, float r, float tail, float s) { return dz_sincos_close_f32(x, r, tail, s, 1); }

#endif
