/* What runs the machine's instructions (core/machine.h), once for each SIMD level, by the same functions as the kernels.
 * Included after math/passes.h, with DZ_MACHINE naming the function for numbers, DZ_WIDE_MACHINE that for arrays;
 * DZ_MACHINE_OF_ANOTHER where the first is that of a lower level.
 */
#include "core/machine.h"
#include "generated/machine.h"

/* NumPy's power by one number for all elements, which takes some numbers apart. */
DZ_INLINE double dz_machine_power_by(double a, double b)
{
    double y;
    if (b > 2 && b <= DZ_WHOLE_POWERS && b == (double)(int)b && dz_multiplied_out_1_f64(a, (int)b, &y) >= 0)
        return y;
    dz_power_f64(1, (const char *)&a, 8, (const char *)&b, 0, (char *)&y, 8);
    return y;
}

#include "generated/machine_run.h"

/* Both by one reduction and the polynomials of either; the quadrant says which is which, and what sign. */
DZ_INLINE void dz_machine_sincos(double x, double *sine, double *cosine)
{
    double r, tail, s;
    if (fabs(x) < DZ_QUADRANT_0_F64) {
        *sine = dz_sin_near_f64(x);
        *cosine = dz_cos_near_f64(x);
        return;
    }
    if (dz_sin_beyond_f64(x) < 0) {
        *sine = dz_far_sin(x);
        *cosine = dz_far_cos(x);
        return;
    }
    dz_within_f64(x, &r, &tail);
    s = dz_sine_f64(r, tail);
    *sine = dz_quadrant_f64((uint64_t)dz_bits_f64(dz_turns_f64(x)), r, tail, s);
    *cosine = dz_quadrant_f64((uint64_t)dz_bits_f64(dz_turns_f64(x)) + 1, r, tail, s);
}

/* ---- on arrays */

#define DZ_M_VALUE(NAME, VALUE)                                                                                      \
    DZ_INLINE double dz_value_##NAME(double A, double B, double C)                                                   \
    {                                                                                                                \
        (void)B, (void)C;                                                                                            \
        return VALUE;                                                                                                \
    }
DZ_M_OF_1(DZ_M_VALUE)
DZ_M_OF_2(DZ_M_VALUE)
DZ_M_OF_3(DZ_M_VALUE)

#define DZ_M_LOOP(NAME, X, Y, Z)                                                                                     \
    for (i = 0; i < n; i++)                                                                                          \
        d[i] = dz_value_##NAME(X, Y, Z);
#define DZ_M_DO_1(NAME, VALUE)                                                                                       \
    case DZ_M_##NAME:                                                                                                \
        DZ_M_LOOP(NAME, a[i], 0, 0)                                                                                  \
        break;
#define DZ_M_DO_2(NAME, VALUE)                                                                                       \
    case DZ_M_##NAME:                                                                                                \
        if (at->spread == 0)                                                                                         \
            DZ_M_LOOP(NAME, a[i], b[i], 0)                                                                           \
        else if (at->spread == 1)                                                                                    \
            DZ_M_LOOP(NAME, x, b[i], 0)                                                                              \
        else                                                                                                         \
            DZ_M_LOOP(NAME, a[i], y, 0)                                                                              \
        break;
#define DZ_M_DO_3(NAME, VALUE)                                                                                       \
    case DZ_M_##NAME:                                                                                                \
        if (at->spread == 0)                                                                                         \
            DZ_M_LOOP(NAME, a[i], b[i], c[i])                                                                        \
        else if (at->spread == 1)                                                                                    \
            DZ_M_LOOP(NAME, x, b[i], c[i])                                                                           \
        else if (at->spread == 2)                                                                                    \
            DZ_M_LOOP(NAME, a[i], y, c[i])                                                                           \
        else if (at->spread == 4)                                                                                    \
            DZ_M_LOOP(NAME, a[i], b[i], z)                                                                           \
        else                                                                                                         \
            DZ_M_LOOP(NAME, a[at->spread & 1 ? 0 : i], b[at->spread & 2 ? 0 : i], c[at->spread & 4 ? 0 : i])         \
        break;
#define DZ_M_DO_PASS(NAME, CALL)                                                                                     \
    case DZ_M_##NAME:                                                                                                \
        CALL;                                                                                                        \
        break;

#define STEP(BIT) (at->spread & (BIT) ? 0 : (ptrdiff_t)sizeof(double))

/* A result lies apart from all operands, but for that of `put` and `set`, which may go on with the first. */
int DZ_WIDE_MACHINE(const dz_wide *at, const dz_instr *code, const dz_work *works, double *s)
{
    for (;; at++) {
        const double *a = s + at->a, *b = s + at->b, *c = s + at->c;
        double *DZ_RESTRICT d = s + at->d;
        const double x = *a, y = *b, z = *c;
        const ptrdiff_t n = at->n;
        ptrdiff_t i;
        switch (at->op) {
        case DZ_M_RUN:
            DZ_MACHINE(code + at->m, s, s + at->d);
            break;
            DZ_M_OF_1(DZ_M_DO_1)
            DZ_M_OF_2(DZ_M_DO_2)
            DZ_M_OF_3(DZ_M_DO_3)
            DZ_M_PASSES(DZ_M_DO_PASS)
        case DZ_M_FILL:
            for (i = 0; i < n; i++)
                d[i] = x;
            break;
        case DZ_M_PART:
            for (i = 0; i < n; i++)
                d[i] = a[at->offset + i * at->step];
            break;
        case DZ_M_PUT:
        case DZ_M_SET: {
            double *to = s + at->d; /* which may be a */
            const ptrdiff_t m = at->m;
            if (to != a)
                memcpy(to, a, (size_t)n * sizeof(double));
            to += at->offset;
            if (at->op == DZ_M_SET)
                for (i = 0; i < m; i++)
                    to[i * at->step] = b[i];
            else if (at->step == 1)
                for (i = 0; i < m; i++)
                    to[i] += b[i];
            else
                for (i = 0; i < m; i++)
                    to[i * at->step] += b[i];
            break;
        }
        case DZ_M_SUM:
            *d = dz_sum_f64((const char *)a, n, sizeof(double));
            break;
        case DZ_M_WORK: {
            const dz_work *w = works + at->m;
            if (w->moves && w->to != w->from[0])
                memcpy(w->to, w->from[0], (size_t)n * sizeof(double));
            if (w->f(w))
                return 1;
            break;
        }
        default:
            return 0;
        }
    }
}

#undef DZ_M_VALUE
#undef DZ_M_LOOP
#undef DZ_M_DO_1
#undef DZ_M_DO_2
#undef DZ_M_DO_3
#undef DZ_M_DO_PASS
#undef STEP

/* ---- on numbers */

#ifndef DZ_MACHINE_OF_ANOTHER

#define A s[at->a]
#define B s[at->b]
#define C s[at->c]

#if defined(__GNUC__)
#define DZ_M_LABEL(NAME, VALUE) [DZ_M_##NAME] = &&do_##NAME,
#define DZ_M_DO(NAME, VALUE)                                                                                         \
    do_##NAME: *d++ = VALUE;                                                                                         \
    goto *labels[(++at)->op];

/* A jump at the end of each instruction, which the processor foresees by the one before; gcc would merge them. */
#if !defined(__clang__)
__attribute__((optimize("no-crossjumping")))
#endif
void DZ_MACHINE(const dz_instr *at, const double *s, double *d)
{
    static const void *const labels[] = {DZ_M_EACH(DZ_M_LABEL)[DZ_M_SINCOS] = &&do_SINCOS, [DZ_M_LEAF] = &&do_LEAF};
    goto *labels[at->op];
    DZ_M_EACH(DZ_M_DO)
do_SINCOS:
    dz_machine_sincos(A, d, d + 1);
    d += 2;
    goto *labels[(++at)->op];
do_LEAF:
    return;
}
#undef DZ_M_LABEL
#else
#define DZ_M_DO(NAME, VALUE)                                                                                         \
    case DZ_M_##NAME:                                                                                                \
        *d++ = VALUE;                                                                                                \
        break;

void DZ_MACHINE(const dz_instr *at, const double *s, double *d)
{
    for (;; at++)
        switch (at->op) {
            DZ_M_EACH(DZ_M_DO)
        case DZ_M_SINCOS:
            dz_machine_sincos(A, d, d + 1);
            d += 2;
            break;
        default:
            return;
        }
}
#endif

#undef DZ_M_DO
#undef A
#undef B
#undef C

#endif
