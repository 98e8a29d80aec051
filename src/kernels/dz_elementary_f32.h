/* The cores for float32, by the methods of dz_elementary_f64.h with shorter polynomials; see dz_elementary.h. Sine and cosine
 * stay NumPy's. */
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

DZ_INLINE float dz_two_to_f32(float t)
{
    return dz_from_bits_f32((int32_t)((uint32_t)dz_bits_f32(t) << 23) + INT32_C(0x3f800000));
}

/* x = k ln 2 + r + tail; returns exp(r + tail) - 1 - r, and t as above. */
DZ_INLINE float dz_exp_reduced_f32(float x, float *r, float *t)
{
    const float k = (*t = x * 1.44269504f + DZ_ROUND_F32) - DZ_ROUND_F32;
    const float hi = x - k * DZ_LN2_HI_F32;
    const float lo = k * DZ_LN2_LO_F32;
    const float z = hi - lo;
    const float z2 = z * z;
    const float q = (0.49999993806f + z * 0.166665230858f) +
                    z2 * ((0.0416683409598f + z * 0.0083685035117f) + z2 * 0.0013815891352f);
    *r = z;
    return z2 * q + ((hi - z) - lo);
}

DZ_INLINE float dz_exp_core_f32(float x)
{
    float r, t;
    const float rest = dz_exp_reduced_f32(x, &r, &t);
    const float y = 1.0f + r;
    return (y + (rest + ((1.0f - y) + r))) * dz_two_to_f32(t);
}

/* ---- log: positive normal numbers; R's relative error is below 2^-29. */
DZ_INLINE int32_t dz_log_beyond_f32(float x)
{
    const int32_t b = dz_bits_f32(x);
    return (int32_t)(((uint32_t)b - UINT32_C(0x00800000)) | (UINT32_C(0x7f7fffff) - (uint32_t)b));
}

DZ_INLINE float dz_log_core_f32(float x)
{
    const int32_t b = dz_bits_f32(x);
    const int32_t above = b - INT32_C(0x3f3504f3); /* from sqrt(1/2) on; its exponent is k */
    const float k = (float)(above >> 23);
    const float f = dz_from_bits_f32(b - (above & INT32_C(-0x00800000))) - 1.0f;
    const float s = f / (2.0f + f);
    const float z = s * s;
    const float r = z * (0.666667710286f + z * (0.399780511734f + z * 0.29860445682f));
    const float half = 0.5f * f * f;
    return k * DZ_LN2_HI_F32 - ((half - (s * (half + r) + k * DZ_LN2_LO_F32)) - f);
}

/* ---- tanh: finite numbers; 1 from 9.1 on. */
#define DZ_TANH_LIMIT_F32 INT32_C(0x7f7fffff)
DZ_INLINE int32_t dz_tanh_beyond_f32(float x) { return dz_beyond_f32(x, DZ_TANH_LIMIT_F32); }

DZ_INLINE float dz_tanh_core_f32(float x)
{
    const float a = fabsf(x);
    const int small = a < 0.625f;
    const float e = dz_exp_core_f32(2.0f * (a < 9.1f ? a : 9.1f));
    const float z = a * a;
    const float p = (-0.333332949421f + z * 0.133317247278f) +
                    z * z * ((-0.0537597886402f + z * 0.0206967872989f) + z * z * -0.0057630526818f);
    const float large = 1.0f - 2.0f / (e + 1.0f);
    const float y = small ? a + a * z * p : large;
    return dz_from_bits_f32(dz_bits_f32(y) | (dz_bits_f32(x) & INT32_MIN));
}

#endif
