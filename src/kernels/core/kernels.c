/* What exists once, whatever the SIMD level: the loop over several axes, reductions, and the
 * choice of level.
 */
#include "core/axes.h"
#include "core/kernels.h"
#include <string.h>

dz_np_table dz_np;

void dz_map(dz_kernel k, dz_args *a, unsigned used, int nd, const ptrdiff_t *shape,
            const ptrdiff_t *const st[DZ_NIN], const ptrdiff_t *os)
{
    ptrdiff_t n[DZ_MAXDIM], s[DZ_NIN + 1][DZ_MAXDIM], at[DZ_MAXDIM];
    const ptrdiff_t *all[DZ_NIN + 1];
    int src[DZ_NIN], axis[DZ_MAXDIM], nsrc = 0, m = 0, each, i, j;

    for (j = 0; j < DZ_NIN; j++)
        if (used & (1u << j)) {
            all[nsrc] = st[j];
            src[nsrc++] = j;
        }
    all[nsrc] = os;
    dz_axes(nsrc + 1, all, nd, axis);
    for (each = 0; each < nd; each++) { /* merge an axis into the one before where all allow it */
        i = axis[each];
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
        dz_flat(k, a, used);
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

/* NumPy's pairwise sum of contiguous values, whose bits are the definition here: eight sums side by side over at most 128
 * values, halves beyond, the first a multiple of eight. NumPy's own loop takes any stride, and twice the time. */
#define DZ_PAIRWISE(T, SFX)                                                                                          \
    static T in_place_##SFX(const T *x, ptrdiff_t n)                                                                 \
    {                                                                                                                \
        T r[8], s = 0;                                                                                               \
        ptrdiff_t i = 0, k;                                                                                          \
        if (n > 128) {                                                                                               \
            const ptrdiff_t half = n / 2 - n / 2 % 8;                                                                \
            return in_place_##SFX(x, half) + in_place_##SFX(x + half, n - half);                                     \
        }                                                                                                            \
        if (n >= 8) {                                                                                                \
            for (k = 0; k < 8; k++)                                                                                  \
                r[k] = x[k];                                                                                         \
            for (i = 8; i + 8 <= n; i += 8)                                                                          \
                for (k = 0; k < 8; k++)                                                                              \
                    r[k] += x[i + k];                                                                                \
            s = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));                                   \
        }                                                                                                            \
        for (; i < n; i++)                                                                                           \
            s += x[i];                                                                                               \
        return s;                                                                                                    \
    }

DZ_PAIRWISE(double, f64)
DZ_PAIRWISE(float, f32)

/* Other strides: NumPy's add loop, called with an output of stride 0. np.add.reduce starts from 0 as this does. */
double dz_sum_f64(const char *x, ptrdiff_t n, ptrdiff_t st)
{
    double y = 0.0;
    char *args[3] = {(char *)&y, (char *)x, (char *)&y};
    ptrdiff_t strides[3] = {0, st, 0};
    if (st == sizeof(double))
        return y + in_place_f64((const double *)x, n);
    if (n > 0)
        dz_np.loop[DZ_FN_ADD][DZ_F64](args, &n, strides, dz_np.data[DZ_FN_ADD][DZ_F64]);
    return y;
}

float dz_sum_f32(const char *x, ptrdiff_t n, ptrdiff_t st)
{
    float y = 0.0f;
    char *args[3] = {(char *)&y, (char *)x, (char *)&y};
    ptrdiff_t strides[3] = {0, st, 0};
    if (st == sizeof(float))
        return y + in_place_f32((const float *)x, n);
    if (n > 0)
        dz_np.loop[DZ_FN_ADD][DZ_F32](args, &n, strides, dz_np.data[DZ_FN_ADD][DZ_F32]);
    return y;
}

/* Row after row, as NumPy adds along the first axis; four of them to a pass over the sums, which stay in the cache. In float32
 * every DZ_RUN of more than DZ_FEW rows are added by themselves and their sums in double, as exact as NumPy's pairwise sum along
 * the other axis: NumPy's sum of 1,023 rows may lose four digits of seven. */
#define DZ_FEW 128
#define DZ_RUN 32

#define DZ_SUM_ROWS(T, RUN)                                                                                          \
    {                                                                                                                \
        const T *p = (const T *)x;                                                                                   \
        T *o = (T *)out, block[1024];                                                                                \
        double total[1024];                                                                                          \
        for (j0 = 0; j0 < cols; j0 += 1024) {                                                                        \
            const ptrdiff_t m = cols - j0 < 1024 ? cols - j0 : 1024;                                                 \
            if (rows == 0)                                                                                           \
                memset(block, 0, sizeof(T) * (size_t)m);                                                             \
            for (i0 = 0; i0 < rows; i0 = end) {                                                                      \
                end = rows - i0 > (RUN) ? i0 + (RUN) : rows;                                                         \
                memcpy(block, p + i0 * cols + j0, sizeof(T) * (size_t)m);                                            \
                for (i = i0 + 1; i + 4 <= end; i += 4) {                                                             \
                    const T *a = p + i * cols + j0, *b = a + cols, *c = b + cols, *d = c + cols;                     \
                    for (j = 0; j < m; j++)                                                                          \
                        block[j] = (((block[j] + a[j]) + b[j]) + c[j]) + d[j];                                       \
                }                                                                                                    \
                for (; i < end; i++)                                                                                 \
                    for (j = 0; j < m; j++)                                                                          \
                        block[j] += p[i * cols + j0 + j];                                                            \
                if (rows > (RUN))                                                                                    \
                    for (j = 0; j < m; j++)                                                                          \
                        total[j] = i0 == 0 ? (double)block[j] : total[j] + (double)block[j];                         \
            }                                                                                                        \
            if (rows > (RUN))                                                                                        \
                for (j = 0; j < m; j++)                                                                              \
                    block[j] = (T)total[j];                                                                          \
            if (acc)                                                                                                 \
                for (j = 0; j < m; j++)                                                                              \
                    o[j0 + j] += block[j];                                                                           \
            else                                                                                                     \
                memcpy(o + j0, block, sizeof(T) * (size_t)m);                                                        \
        }                                                                                                            \
    }

void dz_sum_rows(int dtype, const char *x, ptrdiff_t rows, ptrdiff_t cols, char *out, int acc)
{
    ptrdiff_t i, j, j0, i0, end;
    if (dtype == DZ_F64)
        DZ_SUM_ROWS(double, rows)
    else
        DZ_SUM_ROWS(float, (rows > DZ_FEW ? DZ_RUN : rows))
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

/* ---- dz_map_sum: operands as two axes, rows and columns, each with one stride --------------------------------------- */

#define DZ_BLOCK 2048 /* elements of a buffer on the stack */

typedef struct {
    dz_kernel k;
    dz_args a; /* its strides are those along a row */
    ptrdiff_t rows, cols;
    ptrdiff_t down[DZ_NIN]; /* strides from row to row */
    int flat;               /* rows follow each other with the column's stride in every operand */
} dz_matrix;

/* Moves the operands that are there by `rows` rows and `cols` columns. */
static void move(const dz_matrix *m, dz_args *a, ptrdiff_t rows, ptrdiff_t cols)
{
    int j;
    for (j = 0; j < DZ_NIN; j++)
        if (a->in[j] != NULL)
            a->in[j] += rows * m->down[j] + cols * m->a.st[j];
}

/* 0 if an operand's axes on one side of `lead` do not merge into one. */
static int as_matrix(dz_matrix *m, unsigned used, int nd, const ptrdiff_t *shape, const ptrdiff_t *const st[DZ_NIN],
                     int lead)
{
    int j, axis;
    m->rows = m->cols = m->flat = 1;
    for (axis = 0; axis < nd; axis++)
        *(axis < lead ? &m->rows : &m->cols) *= shape[axis];
    for (j = 0; j < DZ_NIN; j++) {
        ptrdiff_t rn = 1, cn = 1; /* extents of the axes so far, merged */
        m->down[j] = m->a.st[j] = 0;
        if (!(used & (1u << j))) {
            m->a.in[j] = NULL;
            continue;
        }
        for (axis = nd - 1; axis >= 0; axis--) {
            ptrdiff_t *stride = axis < lead ? &m->down[j] : &m->a.st[j], *n = axis < lead ? &rn : &cn;
            if (shape[axis] == 1)
                continue;
            if (*n == 1)
                *stride = st[j][axis];
            else if (st[j][axis] != *stride * *n)
                return 0;
            *n *= shape[axis];
        }
        m->flat = m->flat && (m->rows == 1 || m->down[j] == m->a.st[j] * m->cols);
    }
    return 1;
}

/* NumPy's pairwise sum halves a row until 128 values are left; halving in the same places lets a kernel write one part
 * after another into a buffer that stays in the cache. */
#define DZ_DEFINE_OVER(T, SFX, DT)                                                                                   \
    static T pairwise_##SFX(const dz_matrix *m, const dz_args *a, ptrdiff_t n, T *buffer)                            \
    {                                                                                                                \
        dz_args part = *a;                                                                                           \
        const ptrdiff_t half = n / 2 - n / 2 % 8;                                                                    \
        T left;                                                                                                      \
        if (n <= DZ_BLOCK) {                                                                                         \
            part.n = n;                                                                                              \
            part.out = (char *)buffer;                                                                               \
            m->k(&part);                                                                                             \
            return dz_sum_##SFX((const char *)buffer, n, sizeof(T));                                                 \
        }                                                                                                            \
        left = pairwise_##SFX(m, a, half, buffer);                                                                   \
        move(m, &part, 0, half);                                                                                     \
        return left + pairwise_##SFX(m, &part, n - half, buffer);                                                    \
    }                                                                                                                \
                                                                                                                     \
    static void over_cols_##SFX(const dz_matrix *m, T *out, int acc)                                                 \
    {                                                                                                                \
        T buffer[DZ_BLOCK];                                                                                          \
        dz_args a = m->a;                                                                                            \
        const ptrdiff_t height = m->flat && m->cols <= DZ_BLOCK ? DZ_BLOCK / m->cols : 1; /* rows at a time */       \
        ptrdiff_t i, n;                                                                                              \
        for (i = 0; i < m->rows; i += n, move(m, &a, n, 0)) {                                                        \
            n = height < m->rows - i ? height : m->rows - i;                                                         \
            if (n == 1) {                                                                                            \
                const T s = (T)0 + pairwise_##SFX(m, &a, m->cols, buffer);                                           \
                out[i] = acc ? out[i] + s : s;                                                                       \
            } else {                                                                                                 \
                a.n = n * m->cols;                                                                                   \
                a.out = (char *)buffer;                                                                              \
                m->k(&a);                                                                                            \
                dz_sum_cols(DT, a.out, n, m->cols, (char *)(out + i), acc);                                          \
            }                                                                                                        \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    /* `rows` rows from a on, n columns of each: row upon row, as dz_sum_rows. */                                  \
    static void some_rows_##SFX(const dz_matrix *m, dz_args a, ptrdiff_t rows, ptrdiff_t n, T *sums)                 \
    {                                                                                                                \
        T buffer[DZ_BLOCK];                                                                                          \
        ptrdiff_t i, j, r;                                                                                           \
        a.n = n;                                                                                                     \
        a.out = (char *)sums;                                                                                        \
        if (n >= 64 || n < m->cols || !m->flat) { /* by the kernel itself */                                         \
            for (i = 0; i < rows; i++, move(m, &a, 1, 0)) {                                                          \
                a.acc = i > 0;                                                                                       \
                m->k(&a);                                                                                            \
            }                                                                                                        \
        } else { /* many short rows at a time; then n is all columns */                                              \
            const ptrdiff_t height = DZ_BLOCK / n;                                                                   \
            m->k(&a);                                                                                                \
            move(m, &a, 1, 0);                                                                                       \
            a.out = (char *)buffer;                                                                                  \
            for (i = rows - 1; i > 0; i -= height, move(m, &a, height, 0)) {                                         \
                a.n = (i < height ? i : height) * n;                                                                 \
                m->k(&a);                                                                                            \
                for (r = 0; r < a.n; r += n)                                                                         \
                    for (j = 0; j < n; j++)                                                                          \
                        sums[j] += buffer[r + j];                                                                    \
            }                                                                                                        \
        }                                                                                                            \
    }                                                                                                                \
                                                                                                                     \
    static void over_rows_##SFX(const dz_matrix *m, T *out, int acc)                                                 \
    {                                                                                                                \
        T sums[DZ_BLOCK];                                                                                            \
        double total[DZ_BLOCK];                                                                                      \
        const ptrdiff_t run = DT == DZ_F32 && m->rows > DZ_FEW ? DZ_RUN : m->rows;                                   \
        ptrdiff_t i, j, j0, n, rows;                                                                                 \
        for (j0 = 0; j0 < m->cols; j0 += n) {                                                                        \
            dz_args a = m->a;                                                                                        \
            n = m->cols - j0 < DZ_BLOCK ? m->cols - j0 : DZ_BLOCK;                                                   \
            move(m, &a, 0, j0);                                                                                      \
            for (i = 0; i < m->rows; i += rows, move(m, &a, rows, 0)) {                                              \
                rows = m->rows - i < run ? m->rows - i : run;                                                        \
                some_rows_##SFX(m, a, rows, n, sums);                                                                \
                if (m->rows > run)                                                                                   \
                    for (j = 0; j < n; j++)                                                                          \
                        total[j] = i == 0 ? (double)sums[j] : total[j] + (double)sums[j];                            \
            }                                                                                                        \
            if (m->rows > run)                                                                                       \
                for (j = 0; j < n; j++)                                                                              \
                    sums[j] = (T)total[j];                                                                           \
            dz_sum_rows(DT, (const char *)sums, 1, n, (char *)(out + j0), acc);                                      \
        }                                                                                                            \
    }

DZ_DEFINE_OVER(double, f64, DZ_F64)
DZ_DEFINE_OVER(float, f32, DZ_F32)

int dz_map_sum(dz_kernel k, const dz_args *a, unsigned used, int dtype, int nd, const ptrdiff_t *shape,
               const ptrdiff_t *const st[DZ_NIN], int lead, int how, char *out, int acc)
{
    dz_matrix m;
    m.k = k;
    m.a = *a;
    m.a.acc = 0;
    if (!as_matrix(&m, used, nd, shape, st, lead) || m.rows == 0 || m.cols == 0)
        return 0;
    if (dtype == DZ_F64) {
        m.a.os = sizeof(double);
        (how == DZ_SUM_OVER_ROWS ? over_rows_f64 : over_cols_f64)(&m, (double *)out, acc);
    } else {
        m.a.os = sizeof(float);
        (how == DZ_SUM_OVER_ROWS ? over_rows_f32 : over_cols_f32)(&m, (float *)out, acc);
    }
    return 1;
}

#define DZ_OF_LEVEL(name, leaf1, leaf7, state, chosen)                                                               \
    extern const dz_op dz_ops_##name[];                                                                              \
    extern const dz_passes dz_passes_##name;
DZ_OF_LEVEL(base, 0, 0, 0, 1)
DZ_LEVELS(DZ_OF_LEVEL)

#ifdef DZ_HAVE_LEVELS
#include <cpuid.h>
#endif

#define DZ_ROW(name, leaf1, leaf7, state, chosen) {#name, dz_ops_##name, &dz_passes_##name, leaf1, leaf7, state, chosen},
static const struct {
    const char *name;
    const dz_op *ops;
    const dz_passes *passes;
    unsigned leaf1, leaf7, state;
    int chosen;
} levels[] = {DZ_ROW(base, 0, 0, 0, 1) DZ_LEVELS(DZ_ROW)};

dz_api dz_table = {dz_ops_base, &dz_passes_base, dz_large, dz_even, dz_map, dz_map_sum, dz_sum_rows, dz_sum_cols,
                   &dz_np,      &dz_tape_functions, 0};

/* Not __builtin_cpu_supports, which reads a variable of the compiler's run-time library: zig's never fills it. */
static int has(int i)
{
#ifdef DZ_HAVE_LEVELS
    unsigned a, b, c, d, low, high;
    if (i > 0) {
        if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE) || !(c & bit_AVX) ||
            (c & levels[i].leaf1) != levels[i].leaf1)
            return 0;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        if ((low & levels[i].state) != levels[i].state)
            return 0;
        return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (b & levels[i].leaf7) == levels[i].leaf7;
    }
#endif
    return i == 0;
}

const char *dz_level_name(int i)
{
    return i < (int)(sizeof(levels) / sizeof(levels[0])) && has(i) ? levels[i].name : NULL;
}

const char *dz_level_best(void)
{
    int i, best = 0;
    for (i = 0; dz_level_name(i) != NULL; i++)
        if (levels[i].chosen)
            best = i;
    return levels[best].name;
}

int dz_select(const char *name)
{
    const char *each;
    int i;
    for (i = 0; (each = dz_level_name(i)) != NULL; i++)
        if (strcmp(name, each) == 0) {
            dz_table.ops = levels[i].ops;
            dz_table.passes = levels[i].passes;
            dz_table.level = i;
            return 0;
        }
    return -1;
}

const char *dz_level(void) { return levels[dz_table.level].name; }
