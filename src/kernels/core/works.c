/* What tapes of the machine call for values that their instructions do not know: see core/machine.h. */

#include "core/kernels.h"
#include "core/portable.h"

static ptrdiff_t item_of(const dz_work *w) { return w->dt == DZ_F64 ? sizeof(double) : sizeof(float); }

static int map(const dz_work *w)
{
    const dz_op *op = dz_table.ops + w->n[1];
    dz_args a;
    int k;
    a.acc = 0;
    a.n = w->n[0];
    for (k = 0; k < w->nin; k++) {
        const int place = (int)(w->n[4] >> 4 * k & 15);
        a.in[place] = w->from[k];
        a.st[place] = w->n[3] >> k & 1 ? 0 : item_of(w);
    }
    a.out = w->to;
    a.os = item_of(w);
    a.p = w->p;
    (w->n[2] ? op->bwd[w->n[2] - 1][w->dt] : op->fwd[w->dt])(&a);
    return 0;
}

static int fill(const dz_work *w)
{
    ptrdiff_t i;
    if (w->dt == DZ_F64)
        for (i = 0; i < w->n[0]; i++)
            ((double *)w->to)[i] = ((const double *)w->from[0])[0];
    else
        for (i = 0; i < w->n[0]; i++)
            ((float *)w->to)[i] = ((const float *)w->from[0])[0];
    return 0;
}

static int sum(const dz_work *w)
{
    dz_sum_cols(w->dt, w->from[0], 1, w->n[0], w->to, 0);
    if (w->p[0] == 1)
        return 0;
    if (w->dt == DZ_F64)
        *(double *)w->to *= w->p[0];
    else
        *(float *)w->to *= (float)w->p[0];
    return 0;
}

static int part(const dz_work *w)
{
    const ptrdiff_t offset = w->n[1], step = w->n[2];
    ptrdiff_t i;
    if (w->dt == DZ_F64)
        for (i = 0; i < w->n[0]; i++)
            ((double *)w->to)[i] = ((const double *)w->from[0])[offset + i * step];
    else
        for (i = 0; i < w->n[0]; i++)
            ((float *)w->to)[i] = ((const float *)w->from[0])[offset + i * step];
    return 0;
}

static int put(const dz_work *w)
{
    const ptrdiff_t offset = w->n[1], step = w->n[2];
    const int adds = w->n[3] != 0;
    ptrdiff_t i;
    if (w->dt == DZ_F64)
        for (i = 0; i < w->n[0]; i++) {
            double *to = (double *)w->to + offset + i * step;
            const double x = ((const double *)w->from[1])[i];
            *to = adds ? *to + x : x;
        }
    else
        for (i = 0; i < w->n[0]; i++) {
            float *to = (float *)w->to + offset + i * step;
            const float x = ((const float *)w->from[1])[i];
            *to = adds ? *to + x : x;
        }
    return 0;
}

const dz_worker dz_workers[] = {map, fill, sum, part, put};
