/* The elementwise half of an LSTM's step, each in one pass: the new cell and the output, and their gradients. */
#ifndef DZ_RECURRENT_H
#define DZ_RECURRENT_H

#define DZ_BODY "dz_recurrent_body.h"
#include "dz_levels.h"

/* y = sigmoid(f) c + sigmoid(i) tanh(u); act takes the three activations, one array after another. */
static inline void dz_lstm_cell(int dt, ptrdiff_t n, const char *f, const char *i, const char *u, const char *c, char *act, char *y)
{
    DZ_PICK(dz_lstm_cell, dt)(n, f, i, u, c, act, y);
}

static inline void dz_lstm_cell_grad(int dt, ptrdiff_t n, const char *act, const char *c, const char *gy, char *gf, char *gi,
                                     char *gu, char *gc)
{
    DZ_PICK(dz_lstm_cell_grad, dt)(n, act, c, gy, gf, gi, gu, gc);
}

/* y = sigmoid(o) tanh(c); act takes the two activations. */
static inline void dz_lstm_output(int dt, ptrdiff_t n, const char *o, const char *c, char *act, char *y)
{
    DZ_PICK(dz_lstm_output, dt)(n, o, c, act, y);
}

static inline void dz_lstm_output_grad(int dt, ptrdiff_t n, const char *act, const char *gy, char *go, char *gc)
{
    DZ_PICK(dz_lstm_output_grad, dt)(n, act, gy, go, gc);
}

#endif
