/* The optimizers' updates of one parameter: its data, gradient and state in, data and state changed in place. c are the
 * coefficients, rounded to the parameter's dtype; the order of operations is NumPy's for the formula beside each. */
#ifndef DZ_OPTIM_H
#define DZ_OPTIM_H

#define DZ_BODY "families/optim_body.h"
#include "core/levels.h"

/* By number, so that one loop over parameters serves all. s0 and s1 are state, where a rule has it. */
enum { DZ_SGD, DZ_MOMENTUM, DZ_NESTEROV, DZ_ADAGRAD, DZ_RMSPROP, DZ_ADADELTA, DZ_ADAM };

static inline void dz_update(int rule, int dt, ptrdiff_t n, char *p, const char *g, char *s0, char *s1, const double *c)
{
    switch (rule) {
    case DZ_SGD: DZ_PICK(dz_sgd, dt)(n, p, g, c); break;
    case DZ_MOMENTUM: DZ_PICK(dz_momentum, dt)(n, p, g, s0, c); break;
    case DZ_NESTEROV: DZ_PICK(dz_nesterov, dt)(n, p, g, s0, c); break;
    case DZ_ADAGRAD: DZ_PICK(dz_adagrad, dt)(n, p, g, s0, c); break;
    case DZ_RMSPROP: DZ_PICK(dz_rmsprop, dt)(n, p, g, s0, c); break;
    case DZ_ADADELTA: DZ_PICK(dz_adadelta, dt)(n, p, g, s0, s1, c); break;
    case DZ_ADAM: DZ_PICK(dz_adam, dt)(n, p, g, s0, s1, c); break;
    }
}

#endif
