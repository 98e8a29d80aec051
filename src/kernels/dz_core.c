/* What exists once, whatever the SIMD level: the loop over several axes, reductions, and the
 * choice of level.
 */
#include "dz_kernels.h"
#include <string.h>

dz_np_table dz_np;

void dz_map(dz_kernel k, dz_args *a, unsigned used, int nd, const ptrdiff_t *shape,
            const ptrdiff_t *const st[DZ_NIN], const ptrdiff_t *os)
{
    ptrdiff_t n[DZ_MAXDIM], s[DZ_NIN + 1][DZ_MAXDIM], at[DZ_MAXDIM];
    int src[DZ_NIN], nsrc = 0, m = 0, i, j;

    for (j = 0; j < DZ_NIN; j++)
        if (used & (1u << j))
            src[nsrc++] = j;
    for (i = nd - 1; i >= 0; i--) { /* axes from the innermost; merge an axis into the one before where all allow it */
        if (shape[i] == 0)
            return;
        if (shape[i] == 1)
            continue;
        if (m > 0) {
            int fits = os[i] == s[nsrc][m - 1] * n[m - 1];
            for (j = 0; fits && j < nsrc; j++)
                fits = st[src[j]][i] == s[j][m - 1] * n[m - 1];
            if (fits) {
                n[m - 1] *= shape[i];
                continue;
            }
        }
        for (j = 0; j < nsrc; j++)
            s[j][m] = st[src[j]][i];
        s[nsrc][m] = os[i];
        n[m++] = shape[i];
    }
    if (m == 0) {
        n[0] = 1;
        for (j = 0; j <= nsrc; j++)
            s[j][0] = 0;
        m = 1;
    }
    a->n = n[0];
    for (j = 0; j < nsrc; j++)
        a->st[src[j]] = s[j][0];
    a->os = s[nsrc][0];
    memset(at, 0, sizeof(at[0]) * (size_t)m);
    for (;;) {
        k(a);
        for (i = 1; i < m; i++) {
            for (j = 0; j < nsrc; j++)
                a->in[src[j]] += s[j][i];
            a->out += s[nsrc][i];
            if (++at[i] < n[i])
                break;
            for (j = 0; j < nsrc; j++)
                a->in[src[j]] -= s[j][i] * n[i];
            a->out -= s[nsrc][i] * n[i];
            at[i] = 0;
        }
        if (i >= m)
            return;
    }
}

/* NumPy's add loop, called with an output of stride 0, adds pairwise: its bits are the definition here. np.add.reduce
 * starts from 0 as this does. */
double dz_sum_f64(const char *x, ptrdiff_t n, ptrdiff_t st)
{
    double y = 0.0;
    char *args[3] = {(char *)&y, (char *)x, (char *)&y};
    ptrdiff_t strides[3] = {0, st, 0};
    if (n > 0)
        dz_np.loop[DZ_FN_ADD][DZ_F64](args, &n, strides, dz_np.data[DZ_FN_ADD][DZ_F64]);
    return y;
}

float dz_sum_f32(const char *x, ptrdiff_t n, ptrdiff_t st)
{
    float y = 0.0f;
    char *args[3] = {(char *)&y, (char *)x, (char *)&y};
    ptrdiff_t strides[3] = {0, st, 0};
    if (n > 0)
        dz_np.loop[DZ_FN_ADD][DZ_F32](args, &n, strides, dz_np.data[DZ_FN_ADD][DZ_F32]);
    return y;
}

#define DZ_SUM_ROWS(T)                                                                                               \
    {                                                                                                                \
        const T *p = (const T *)x;                                                                                   \
        T *o = (T *)out, block[256];                                                                                 \
        for (j0 = 0; j0 < cols; j0 += 256) {                                                                         \
            const ptrdiff_t m = cols - j0 < 256 ? cols - j0 : 256;                                                   \
            if (rows > 0)                                                                                            \
                memcpy(block, p + j0, sizeof(T) * (size_t)m);                                                        \
            else                                                                                                     \
                memset(block, 0, sizeof(T) * (size_t)m);                                                             \
            for (i = 1; i < rows; i++)                                                                               \
                for (j = 0; j < m; j++)                                                                              \
                    block[j] += p[i * cols + j0 + j];                                                                \
            if (acc)                                                                                                 \
                for (j = 0; j < m; j++)                                                                              \
                    o[j0 + j] += block[j];                                                                           \
            else                                                                                                     \
                memcpy(o + j0, block, sizeof(T) * (size_t)m);                                                        \
        }                                                                                                            \
    }

void dz_sum_rows(int dtype, const char *x, ptrdiff_t rows, ptrdiff_t cols, char *out, int acc)
{
    ptrdiff_t i, j, j0;
    if (dtype == DZ_F64)
        DZ_SUM_ROWS(double)
    else
        DZ_SUM_ROWS(float)
}

void dz_sum_cols(int dtype, const char *x, ptrdiff_t rows, ptrdiff_t cols, char *out, int acc)
{
    ptrdiff_t i;
    if (dtype == DZ_F64)
        for (i = 0; i < rows; i++) {
            const double s = dz_sum_f64(x + i * cols * (ptrdiff_t)sizeof(double), cols, sizeof(double));
            ((double *)out)[i] = acc ? ((double *)out)[i] + s : s;
        }
    else
        for (i = 0; i < rows; i++) {
            const float s = dz_sum_f32(x + i * cols * (ptrdiff_t)sizeof(float), cols, sizeof(float));
            ((float *)out)[i] = acc ? ((float *)out)[i] + s : s;
        }
}

extern const dz_op dz_ops_base[];
#ifdef DZ_HAVE_AVX2
extern const dz_op dz_ops_avx2[];
#endif

static const char *level = "base";
dz_api dz_table = {dz_ops_base, dz_map, dz_sum_rows, dz_sum_cols, &dz_np, 0};

static int has_avx2(void)
{
#if defined(DZ_HAVE_AVX2) && defined(__GNUC__)
    __builtin_cpu_init();
    return __builtin_cpu_supports("avx2") != 0;
#else
    return 0;
#endif
}

const char *dz_level_name(int i)
{
    if (i == 0)
        return "base";
    if (i == 1 && has_avx2())
        return "avx2";
    return NULL;
}

int dz_select(const char *name)
{
    if (strcmp(name, "base") == 0) {
        dz_table.ops = dz_ops_base;
        dz_table.avx2 = 0;
        level = "base";
        return 0;
    }
#ifdef DZ_HAVE_AVX2
    if (strcmp(name, "avx2") == 0 && has_avx2()) {
        dz_table.ops = dz_ops_avx2;
        dz_table.avx2 = 1;
        level = "avx2";
        return 0;
    }
#endif
    return -1;
}

const char *dz_level(void) { return level; }
