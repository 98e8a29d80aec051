/* Runs every elementwise kernel at every SIMD level that this build and processor have, over the same numbers, and prints a
 * line a kernel with a digest of all bits that it wrote: `tools/cross_check --run` compares the lines of processors.
 *
 * No Python: NumPy's loops are replaced by loops over libm, which is the same one in all programs that are compared (they
 * are linked statically). A nan counts as a nan, whatever its sign and payload: processors differ there.
 */
#include "core/kernels.h"
#include "generated/enum.h"
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#define N 1100 /* more than two chunks of a pass, and a tail */

#define LOOP1(F)                                                                                                     \
    static void loop_##F(char **args, const ptrdiff_t *n, const ptrdiff_t *st, void *single)                         \
    {                                                                                                                \
        ptrdiff_t i;                                                                                                 \
        for (i = 0; i < *n; i++)                                                                                     \
            if (single)                                                                                              \
                *(float *)(args[1] + i * st[1]) = F##f(*(float *)(args[0] + i * st[0]));                             \
            else                                                                                                     \
                *(double *)(args[1] + i * st[1]) = F(*(double *)(args[0] + i * st[0]));                              \
    }
#define LOOP2(F)                                                                                                     \
    static void loop_##F(char **args, const ptrdiff_t *n, const ptrdiff_t *st, void *single)                         \
    {                                                                                                                \
        ptrdiff_t i;                                                                                                 \
        for (i = 0; i < *n; i++)                                                                                     \
            if (single)                                                                                              \
                *(float *)(args[2] + i * st[2]) = F##f(*(float *)(args[0] + i * st[0]), *(float *)(args[1] + i * st[1])); \
            else                                                                                                     \
                *(double *)(args[2] + i * st[2]) = F(*(double *)(args[0] + i * st[0]), *(double *)(args[1] + i * st[1])); \
    }

static double sum(double x, double y) { return x + y; }
static float sumf(float x, float y) { return x + y; }
static double logaddexp(double x, double y) { return fmax(x, y) + log1p(exp(-fabs(x - y))); }
static float logaddexpf(float x, float y) { return (float)logaddexp((double)x, (double)y); }
static double floor_divide(double x, double y) { return floor(x / y); }
static float floor_dividef(float x, float y) { return floorf(x / y); }

LOOP1(tan)
LOOP1(expm1)
LOOP1(sinh)
LOOP1(cosh)
LOOP1(asin)
LOOP1(acos)
LOOP1(atan)
LOOP1(log2)
LOOP1(log10)
LOOP1(exp2)
LOOP1(cbrt)
LOOP1(asinh)
LOOP1(acosh)
LOOP1(atanh)
LOOP2(pow)
LOOP2(atan2)
LOOP2(hypot)
LOOP2(logaddexp)
LOOP2(fmod)
LOOP2(floor_divide)
LOOP2(sum)

/* By the numbers that the table gives NumPy's loops; no elementwise kernel has a product. */
static const dz_np_loop loops[DZ_NFN] = {
    [DZ_FN_TAN] = loop_tan, [DZ_FN_EXPM1] = loop_expm1, [DZ_FN_SINH] = loop_sinh, [DZ_FN_COSH] = loop_cosh,
    [DZ_FN_ARCSIN] = loop_asin, [DZ_FN_ARCCOS] = loop_acos, [DZ_FN_ARCTAN] = loop_atan, [DZ_FN_LOG2] = loop_log2,
    [DZ_FN_LOG10] = loop_log10, [DZ_FN_EXP2] = loop_exp2, [DZ_FN_CBRT] = loop_cbrt, [DZ_FN_ARCSINH] = loop_asinh,
    [DZ_FN_ARCCOSH] = loop_acosh, [DZ_FN_ARCTANH] = loop_atanh, [DZ_FN_POWER] = loop_pow, [DZ_FN_ARCTAN2] = loop_atan2,
    [DZ_FN_HYPOT] = loop_hypot, [DZ_FN_LOGADDEXP] = loop_logaddexp, [DZ_FN_REMAINDER] = loop_fmod,
    [DZ_FN_FLOOR_DIVIDE] = loop_floor_divide, [DZ_FN_ADD] = loop_sum,
};

static uint64_t state, hash;

static double uniform(void) /* in (-1, 1) */
{
    state = state * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (double)((int64_t)state >> 11) / 4503599627370496.0;
}

static void digest(const char *p, size_t item, ptrdiff_t n)
{
    ptrdiff_t i;
    size_t k;
    for (i = 0; i < n; i++, p += item) {
        double v = item == 8 ? *(const double *)p : (double)*(const float *)p;
        unsigned char bits[8];
        if (isnan(v))
            v = 0.123456789;
        memcpy(bits, &v, 8);
        for (k = 0; k < 8; k++)
            hash = (hash ^ bits[k]) * UINT64_C(1099511628211);
    }
}

static const double special[] = {0.0, -0.0, 1.0, -1.0, INFINITY, -INFINITY, NAN, 1e-310, 1e300, -745.2, 709.9, 88.8, 0.5, 2.0};
static double room[DZ_NIN][2 * N], result[2 * N];

static void set(int dt, char *p, double v)
{
    if (dt == DZ_F64)
        *(double *)p = v;
    else
        *(float *)p = (float)v;
}

static void run(dz_kernel k, int dt, int acc)
{
    static const double parameters[4] = {0.3, 1.7, 0.1, 0.2};
    static const ptrdiff_t lengths[] = {1, 5, N};
    const ptrdiff_t item = dt == DZ_F64 ? 8 : 4;
    int wide, length, j, repeat;
    for (wide = 1; wide <= 2; wide++)
        for (repeat = 0; repeat < 2; repeat++)
            for (length = 0; length < 3; length++) {
                dz_args a;
                ptrdiff_t i;
                state = 42;
                memset(&a, 0, sizeof(a));
                a.n = lengths[length];
                a.out = (char *)result;
                a.os = item * wide;
                a.acc = acc;
                a.p = parameters;
                for (i = 0; i < wide * N; i++)
                    set(dt, (char *)result + i * item, 0.25);
                for (j = 0; j < DZ_NIN; j++) {
                    a.in[j] = (const char *)room[j];
                    a.st[j] = repeat && j == 1 ? 0 : item * wide;
                    for (i = 0; i < wide * N; i++) {
                        const double v = uniform() * (i % 3 ? 3.0 : 40.0);
                        set(dt, (char *)room[j] + i * item, i % 37 == 36 ? special[(i / 37 + j) % 14] : v);
                    }
                }
                k(&a);
                digest((const char *)result, (size_t)item, a.n * wide < wide * N ? a.n * wide : wide * N);
            }
}

int main(void)
{
    const char *level;
    int i, op, dt, k;
    static const char *const names[DZ_NFN] = DZ_FN_NAMES;
    for (i = 0; i < DZ_NFN; i++) {
        if (!loops[i] && i != DZ_FN_MATMUL) {
            fprintf(stderr, "kernel_bits: no loop for %s; add one\n", names[i]);
            return 2;
        }
        dz_np.loop[i][DZ_F32] = dz_np.loop[i][DZ_F64] = loops[i];
        dz_np.data[i][DZ_F32] = (void *)&dz_np;
        dz_np.data[i][DZ_F64] = NULL;
    }
    for (i = 0; (level = dz_level_name(i)) != NULL; i++) {
        if (dz_select(level) < 0)
            return 1;
        for (op = 0; op < DZ_NOPS; op++) {
            const dz_op *o = &dz_table.ops[op];
            for (dt = 0; dt < 2; dt++) {
                for (k = -1; k < o->nin; k++) {
                    const dz_kernel kernel = k < 0 ? o->fwd[dt] : o->bwd[k][dt];
                    if (!kernel)
                        continue;
                    hash = UINT64_C(14695981039346656037);
                    run(kernel, dt, 0);
                    if (k >= 0)
                        run(kernel, dt, 1);
                    printf("%s %s %s %d %016llx\n", level, o->name, dt ? "float64" : "float32", k, (unsigned long long)hash);
                }
            }
        }
    }
    return 0;
}
