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

/* NumPy's pairwise sum halves a row until 128 values are left; halving here in the same places lets a kernel write one
 * part after another into a buffer that stays in the cache. */
#define DZ_BLOCK 2048
#define DZ_PAIRWISE(T, SFX)                                                                                          \
    static T pairwise_##SFX(dz_kernel k, const dz_args *a, ptrdiff_t n, T *buffer)                                   \
    {                                                                                                                \
        dz_args part = *a;                                                                                           \
        ptrdiff_t half;                                                                                              \
        int j;                                                                                                       \
        T left;                                                                                                      \
        if (n <= DZ_BLOCK) {                                                                                         \
            part.n = n;                                                                                              \
            part.out = (char *)buffer;                                                                               \
            k(&part);                                                                                                \
            return dz_sum_##SFX((const char *)buffer, n, sizeof(T));                                                 \
        }                                                                                                            \
        half = n / 2;                                                                                                \
        half -= half % 8;                                                                                            \
        left = pairwise_##SFX(k, a, half, buffer);                                                                   \
        for (j = 0; j < DZ_NIN; j++)                                                                                 \
            part.in[j] += half * part.st[j];                                                                         \
        return left + pairwise_##SFX(k, &part, n - half, buffer);                                                    \
    }

DZ_PAIRWISE(double, f64)
DZ_PAIRWISE(float, f32)

int dz_map_sum(dz_kernel k, const dz_args *args, unsigned used, int dtype, int nd, const ptrdiff_t *shape,
               const ptrdiff_t *const st[DZ_NIN], int lead, int how, char *out, int acc)
{
    const ptrdiff_t item = dtype == DZ_F64 ? sizeof(double) : sizeof(float);
    double buffer[DZ_BLOCK], sums[DZ_BLOCK]; /* room for either dtype */
    ptrdiff_t rows = 1, cols = 1, rs[DZ_NIN] = {0}, width, height, i, i0, j0, r;
    dz_args a = *args;
    int j, axis, flat = 1;
    for (axis = 0; axis < lead; axis++)
        rows *= shape[axis];
    for (axis = lead; axis < nd; axis++)
        cols *= shape[axis];
    for (j = 0; j < DZ_NIN; j++) {
        a.st[j] = 0;
        if (used & (1u << j)) {
            ptrdiff_t row = 0, rn = 1, col = 0, cn = 1; /* strides of the axes so far, merged, and their extents */
            for (axis = nd - 1; axis >= 0; axis--) {
                ptrdiff_t *s = axis < lead ? &row : &col, *n = axis < lead ? &rn : &cn;
                if (shape[axis] == 1)
                    continue;
                if (*n == 1)
                    *s = st[j][axis];
                else if (st[j][axis] != *s * *n)
                    return 0;
                *n *= shape[axis];
            }
            rs[j] = row;
            a.st[j] = col;
            flat = flat && (rows == 1 || row == col * cols);
        } else {
            a.in[j] = NULL;
        }
    }
    a.os = item;
    a.acc = 0;
    if (rows == 0 || cols == 0)
        return 0;
    if (how == DZ_SUM_OVER_COLS && cols > DZ_BLOCK) {
        for (i = 0; i < rows; i++) {
            if (dtype == DZ_F64) {
                const double s = 0.0 + pairwise_f64(k, &a, cols, buffer);
                ((double *)out)[i] = acc ? ((double *)out)[i] + s : s;
            } else {
                const float s = 0.0f + pairwise_f32(k, &a, cols, (float *)buffer);
                ((float *)out)[i] = acc ? ((float *)out)[i] + s : s;
            }
            for (j = 0; j < DZ_NIN; j++)
                a.in[j] += rs[j];
        }
        return 1;
    }
    width = cols < DZ_BLOCK ? cols : DZ_BLOCK;
    for (j0 = 0; j0 < cols; j0 += width) {
        const ptrdiff_t w = cols - j0 < width ? cols - j0 : width;
        const int whole = flat && w == cols;
        for (i0 = 0; i0 < rows; i0 += height) {
            height = DZ_BLOCK / w;
            if (height > rows - i0)
                height = rows - i0;
            for (r = 0; r < height; r = whole ? height : r + 1) {
                dz_args b = a;
                for (j = 0; j < DZ_NIN; j++)
                    if (used & (1u << j))
                        b.in[j] += (i0 + r) * rs[j] + j0 * a.st[j];
                b.n = whole ? height * w : w;
                b.out = (char *)buffer + r * w * item;
                k(&b);
            }
            if (how == DZ_SUM_OVER_COLS) {
                dz_sum_cols(dtype, (char *)buffer, height, w, out + i0 * item, acc);
            } else {
                ptrdiff_t first = 0;
                if (i0 == 0) {
                    memcpy(sums, buffer, (size_t)(w * item));
                    first = 1;
                }
                if (dtype == DZ_F64)
                    for (r = first; r < height; r++)
                        for (i = 0; i < w; i++)
                            sums[i] += buffer[r * w + i];
                else
                    for (r = first; r < height; r++)
                        for (i = 0; i < w; i++)
                            ((float *)sums)[i] += ((float *)buffer)[r * w + i];
            }
        }
        if (how == DZ_SUM_OVER_ROWS)
            dz_sum_rows(dtype, (char *)sums, 1, w, out + j0 * item, acc);
    }
    return 1;
}

extern const dz_op dz_ops_base[];
#ifdef DZ_HAVE_AVX2
extern const dz_op dz_ops_avx2[];
#endif

static const char *level = "base";
dz_api dz_table = {dz_ops_base, dz_map, dz_map_sum, dz_sum_rows, dz_sum_cols, &dz_np, 0};

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
