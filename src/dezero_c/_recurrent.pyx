# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""A step of an LSTM as three operations: the gates, the new cell, the output. The layer is in dezero_c/layers.py.

The gates z are one array (4, N, H): f, i, o and u before their activations, so that each is a matrix that BLAS writes to.
"""

import numpy as np

cimport numpy as cnp
from libc.string cimport memset

from dezero_c._arrays cimport ArrayFunction, argument, kernel_dtype, new_array, run
from dezero_c._core cimport (
    K_CONST, Variable, data_of, dz_bind, dz_itemsize, dz_view, grad_target, grad_view, kernels, ptrdiff_t, view)

from dezero_c import _core
from dezero_c._matmul import matmul
from dezero_c._ops import sigmoid, tanh
from dezero_c._reduce import sum
from dezero_c._shape import transpose

cnp.import_array()
dz_bind(kernels())

cdef extern from "dz_recurrent.h":
    void dz_lstm_cell(int, ptrdiff_t, const char *, const char *, char *, char *) noexcept
    void dz_lstm_cell_grad(int, ptrdiff_t, const char *, const char *, const char *, char *, char *) noexcept
    void dz_lstm_output(int, ptrdiff_t, const char *, const char *, char *, char *) noexcept
    void dz_lstm_output_grad(int, ptrdiff_t, const char *, const char *, char *, char *) noexcept


cdef int plain_dtype(tuple xs) noexcept:
    """The one dtype of ndarrays that kernels take, C-contiguous; -1 for others."""
    cdef object a
    cdef int dt = kernel_dtype(xs[0])
    for a in xs:
        if type(a) is not cnp.ndarray or kernel_dtype(a) != dt or not cnp.PyArray_ISCARRAY_RO(a):
            return -1
    return dt


# ---- the gates --------------------------------------------------------------------------------------------------------

cdef class LSTMGates(ArrayFunction):
    """LSTMGates()\n--\n
    z[k] = x Wx[k] + b[k] + h Wh[k]. Inputs: x (N, I), Wx[0], ..., Wx[3] (I, H), b[0], ... (H,), and h (N, H), Wh[0], ... (H, H)
    or neither of these."""

    def forward(self, x, *rest):
        cdef tuple Wx = rest[:4], b = rest[4:8], Wh = rest[9:]
        cdef object h = rest[8] if Wh else None, z
        z = np.empty((4, x.shape[0], Wx[0].shape[1]), np.result_type(x, *rest))
        for k in range(4):
            np.matmul(x, Wx[k], out=z[k])
            z[k] += b[k]
            if h is not None:
                z[k] += np.matmul(h, Wh[k])
        return z

    def backward(self, gy):
        cdef object gx = None, gh = None
        cdef list gWx = [], gb = [], gWh = []
        cdef tuple xs = tuple([self.arg(k) for k in range(self.nin)])
        for k in range(4):
            g = gy[k]
            gx = matmul(g, transpose(xs[1 + k])) if gx is None else gx + matmul(g, transpose(xs[1 + k]))
            gWx.append(matmul(transpose(xs[0]), g))
            gb.append(sum(g, 0))
            if self.nin > 9:
                gh = matmul(g, transpose(xs[10 + k])) if gh is None else gh + matmul(g, transpose(xs[10 + k]))
                gWh.append(matmul(transpose(xs[9]), g))
        return (gx, *gWx, *gb) if self.nin == 9 else (gx, *gWx, *gb, gh, *gWh)

    cdef object gradients(self, object gy):
        cdef tuple xs = tuple([data_of(self.arg(k)) for k in range(self.nin)])
        cdef object x = xs[0], xT, hT, g, gx = None, gh = None
        cdef list gWx = [], gb = [], gWh = []
        if plain_dtype((gy,) + xs) < 0:
            return None
        xT = x.T
        for k in range(4):
            g = gy[k]
            if not self.arg(0).kind & K_CONST:
                gx = added(gx, cnp.PyArray_MatrixProduct(g, xs[1 + k].T))
            gWx.append(cnp.PyArray_MatrixProduct(xT, g))
            gb.append(g.sum(axis=0))
        if self.nin == 9:
            return (gx, *gWx, *gb)
        hT = xs[9].T
        for k in range(4):
            g = gy[k]
            gh = added(gh, cnp.PyArray_MatrixProduct(g, xs[10 + k].T))
            gWh.append(cnp.PyArray_MatrixProduct(hT, g))
        return (gx, *gWx, *gb, gh, *gWh)


cdef object added(object a, object b):
    return b if a is None else np.add(a, b, out=a)


# ---- cell and output --------------------------------------------------------------------------------------------------

cdef class _OfGates(ArrayFunction):
    """_OfGates()\n--\n
    The base of what is computed from the gates and a cell; keeps the activations for backward."""

    cdef object act

    cdef bint views(self, Variable y, int blocks, dz_view *z, dz_view *c, dz_view *g) except -1:
        """Looks at the inputs' values and y's gradient; whether they are those of the call, for kernels."""
        return (self.act is not None and view(self.in0, z) and view(self.in1, c) and grad_view(y, g)
                and z.dt == c.dt and g.dt == c.dt and z.strides == NULL and c.strides == NULL and g.strides == NULL
                and z.size == 4 * c.size and g.size == c.size and kernel_dtype(self.act) == c.dt
                and cnp.PyArray_SIZE(self.act) == blocks * c.size)


cdef char *added_to(Variable x, const dz_view *xv) except NULL:
    """Where a kernel adds x's gradient."""
    cdef bint acc
    cdef char *p = grad_target(x, xv, &acc)
    if not acc:
        memset(p, 0, xv.size * dz_itemsize(xv.dt))
    return p


cdef class LSTMCell(_OfGates):
    """LSTMCell()\n--\n
    sigmoid(f) * c + sigmoid(i) * tanh(u). Inputs: z (4, N, H), c (N, H), float32 or float64, C-contiguous."""

    def forward(self, z, c):
        cdef int dt = plain_dtype((z, c))
        cdef object y
        if dt < 0 or z.shape != (4,) + c.shape:
            raise ValueError(f"LSTMCell: z of shape {z.shape} must be (4, *{c.shape}), c's shape, and of its dtype")
        y = new_array(c.shape, dt)
        self.act = new_array((3, c.size), dt)
        dz_lstm_cell(dt, c.size, cnp.PyArray_BYTES(z), cnp.PyArray_BYTES(c), cnp.PyArray_BYTES(self.act), cnp.PyArray_BYTES(y))
        return y

    def backward(self, gy):
        cdef object z = self.in0, c = self.in1
        f, i, u = sigmoid(z[0]), sigmoid(z[1]), tanh(z[3])
        return stack_gates(gy * c * f * (1 - f), gy * u * i * (1 - i), None, gy * i * (1 - u * u)), gy * f

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef dz_view z, c, g
        cdef char *gz
        cdef char *gc = NULL
        if self.in0 is self.in1 or not self.views(y, 3, &z, &c, &g):
            return 0
        gz = added_to(self.in0, &z)
        if not self.in1.kind & K_CONST:
            gc = added_to(self.in1, &c)
        dz_lstm_cell_grad(c.dt, c.size, cnp.PyArray_BYTES(self.act), c.p, g.p, gz, gc)
        return 1


cdef class LSTMOutput(_OfGates):
    """LSTMOutput()\n--\n
    sigmoid(o) * tanh(c). Inputs: z (4, N, H), c (N, H), float32 or float64, C-contiguous."""

    def forward(self, z, c):
        cdef int dt = plain_dtype((z, c))
        cdef object y
        if dt < 0 or z.shape != (4,) + c.shape:
            raise ValueError(f"LSTMOutput: z of shape {z.shape} must be (4, *{c.shape}), c's shape, and of its dtype")
        y = new_array(c.shape, dt)
        self.act = new_array((2, c.size), dt)
        dz_lstm_output(dt, c.size, cnp.PyArray_BYTES(z), cnp.PyArray_BYTES(c), cnp.PyArray_BYTES(self.act), cnp.PyArray_BYTES(y))
        return y

    def backward(self, gy):
        cdef object z = self.in0
        o, c = sigmoid(z[2]), tanh(self.in1)
        return stack_gates(None, None, gy * c * o * (1 - o), None), gy * o * (1 - c * c)

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef dz_view z, c, g
        cdef char *gz
        cdef char *gc
        if self.in0 is self.in1 or not self.views(y, 2, &z, &c, &g):
            return 0
        gz = added_to(self.in0, &z)
        gc = added_to(self.in1, &c)
        dz_lstm_output_grad(c.dt, c.size, cnp.PyArray_BYTES(self.act), g.p, gz, gc)
        return 1


cdef object stack_gates(object f, object i, object o, object u):
    """The four gradients as one, None for zeros."""
    from dezero_c._join import stack
    cdef object some = f if f is not None else o
    zeros = Variable(np.zeros_like(some.data))
    return stack([zeros if g is None else g for g in (f, i, o, u)])


def lstm_step(x, h, c, x2, h2):
    """A step of an LSTM: (h, c) from x (N, I) and the last h and c (N, H), or None for both.

    x2: the Linear layers of x for f, i, o and u; h2: those of h, without b. Returns None where their weights, x, h or c are not
    what kernels take: float32 or float64, all alike, contiguous.
    """
    cdef Variable xv = argument(x, "LSTM"), z, c_new
    cdef tuple inputs = (xv, *[layer.W for layer in x2], *[layer.b for layer in x2])
    cdef object N_H
    if h is not None:
        inputs += (h, *[layer.W for layer in h2])
    if plain_dtype(tuple([data_of(v) for v in inputs])) < 0 or xv.ndim != 2:
        return None
    N_H = (xv.shape[0], x2[0].out_size)
    if c is None:
        c = _core.as_variable(np.zeros(N_H, xv.dtype))
        (<Variable> c).kind = K_CONST
    if c.shape != N_H or plain_dtype((data_of(xv), data_of(c))) < 0:
        return None
    try:
        z = run(LSTMGates(), inputs)
    except ValueError:
        return None     # shapes that do not fit: the layers say so
    c_new = run(LSTMCell(), (z, c))
    return run(LSTMOutput(), (z, c_new)), c_new


for _cls in (LSTMGates, _OfGates, LSTMCell, LSTMOutput):
    _core.open_class(_cls)
