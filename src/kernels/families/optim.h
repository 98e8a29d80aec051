/* The optimizers' updates of one parameter: its data, gradient and state in, data and state changed in place. c are the
 * coefficients, rounded to the parameter's dtype; the order of operations is NumPy's for the formula beside each. */
#ifndef DZ_OPTIM_H
#define DZ_OPTIM_H

/* DZ_GRAD: the gradient's type, that of the parameter, or double beside a float one. C's conversions are NumPy's: what meets a
 * gradient is computed in its type, and rounded where it is kept. */
#define DZ_BODY "families/optim_body.h"
#define DZ_GRAD T
#include "core/levels.h"
#undef DZ_GRAD

#define DZ_BODY "families/optim_body.h"
#define DZ_EACH "core/mixed.h"
#define DZ_GRAD double
#include "core/levels.h"
#undef DZ_GRAD

/* By number, so that one loop over parameters serves all. s0 and s1 are state, where a rule has it. */
enum { DZ_SGD, DZ_MOMENTUM, DZ_NESTEROV, DZ_ADAGRAD, DZ_RMSPROP, DZ_ADADELTA, DZ_ADAM };

#define DZ_RULE(name) (dt == gdt ? DZ_PICK(name, dt) : DZ_AT_LEVEL(name##_mixed))

/* dt: the dtype of the parameter and its state; gdt: the gradient's, the same, or DZ_F64 beside DZ_F32. */
static inline void dz_update(int rule, int dt, int gdt, ptrdiff_t n, char *p, const char *g, char *s0, char *s1,
                             const double *c)
{
    switch (rule) {
    case DZ_SGD: DZ_RULE(dz_sgd)(n, p, g, c); break;
    case DZ_MOMENTUM: DZ_RULE(dz_momentum)(n, p, g, s0, c); break;
    case DZ_NESTEROV: DZ_RULE(dz_nesterov)(n, p, g, s0, c); break;
    case DZ_ADAGRAD: DZ_RULE(dz_adagrad)(n, p, g, s0, c); break;
    case DZ_RMSPROP: DZ_RULE(dz_rmsprop)(n, p, g, s0, c); break;
    case DZ_ADADELTA: DZ_RULE(dz_adadelta)(n, p, g, s0, s1, c); break;
    case DZ_ADAM: DZ_RULE(dz_adam)(n, p, g, s0, s1, c); break;
    }
}

#endif
