/* What runs the scalar machine's instructions (core/machine.h), once for each SIMD level, by the same functions as the kernels.
 * Included after math/passes.h, with DZ_MACHINE naming the function.
 */
#include "core/machine.h"
#include "generated/machine.h"

/* NumPy's power by one number for all elements, which takes some numbers apart. */
DZ_INLINE double dz_machine_power_by(double a, double b)
{
    double y;
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
    dz_sin_open_f64(x, &r, &tail);
    s = dz_sin_middle_f64(x, r, tail);
    *sine = dz_sin_close_f64(x, r, tail, s);
    *cosine = dz_cos_close_f64(x, r, tail, s);
}

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
