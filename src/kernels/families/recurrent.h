/* A step of an LSTM past its matrix products: the new cell and the output from the gates, and their gradients. The gates z are
 * four blocks of n values, one after another: f, i, o, u before their activations. Gradients are added.
 */
#ifndef DZ_RECURRENT_H
#define DZ_RECURRENT_H

#define DZ_BODY "families/recurrent_body.h"
#include "core/levels.h"

/* y = sigmoid(f) c + sigmoid(i) tanh(u); act takes the three activations, one block after another. */
static inline void dz_lstm_cell(int dt, ptrdiff_t n, const char *z, const char *c, char *act, char *y)
{
    DZ_PICK(dz_lstm_cell, dt)(n, z, c, act, y);
}

static inline void dz_lstm_cell_grad(int dt, ptrdiff_t n, const char *act, const char *c, const char *gy, char *gz, char *gc)
{
    DZ_PICK(dz_lstm_cell_grad, dt)(n, act, c, gy, gz, gc);
}

/* y = sigmoid(o) tanh(c); act takes the two activations. */
static inline void dz_lstm_output(int dt, ptrdiff_t n, const char *z, const char *c, char *act, char *y)
{
    DZ_PICK(dz_lstm_output, dt)(n, z, c, act, y);
}

static inline void dz_lstm_output_grad(int dt, ptrdiff_t n, const char *act, const char *gy, char *gz, char *gc)
{
    DZ_PICK(dz_lstm_output_grad, dt)(n, act, gy, gz, gc);
}

#endif
