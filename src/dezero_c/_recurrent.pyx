# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""The elementwise half of a step of an LSTM, as two operations; the layer is in dezero_c/layers.py.

Both give what the same formulas composed of `functions` give, with the same bits; the activations are kept for backward.
"""

cimport numpy as cnp

from dezero_c._arrays cimport ArrayFunction, argument, kernel_dtype, new_array, run
from dezero_c._core cimport Variable, data_of, dz_bind, kernels, ptrdiff_t

from dezero_c import _core
from dezero_c._ops import sigmoid, tanh

cnp.import_array()
dz_bind(kernels())

cdef extern from "dz_recurrent.h":
    void dz_lstm_cell(int, ptrdiff_t, const char *, const char *, const char *, const char *, char *, char *) noexcept
    void dz_lstm_cell_grad(int, ptrdiff_t, const char *, const char *, const char *, char *, char *, char *, char *) noexcept
    void dz_lstm_output(int, ptrdiff_t, const char *, const char *, char *, char *) noexcept
    void dz_lstm_output_grad(int, ptrdiff_t, const char *, const char *, char *, char *) noexcept


cdef int common_dtype(tuple xs) noexcept:
    """The dtype of arrays of one shape that kernels take, C-contiguous; -1 for others."""
    cdef object a = xs[0], b
    cdef int dt = kernel_dtype(a)
    for b in xs:
        if kernel_dtype(b) != dt or not cnp.PyArray_SAMESHAPE(a, b) or not cnp.PyArray_ISCARRAY_RO(b):
            return -1
    return dt


cdef bint fused(tuple xs):
    """Whether these Variables go together into one of the operations below."""
    cdef Variable x
    return common_dtype(tuple([data_of(x) for x in xs])) >= 0


cdef class LSTMCell(ArrayFunction):
    """LSTMCell()\n--\n
    sigmoid(f) * c + sigmoid(i) * tanh(u), for four arrays of one shape, float32 or float64, C-contiguous."""

    cdef object act     # the activations, and what they were computed from

    def forward(self, f, i, u, c):
        cdef int dt = common_dtype((f, i, u, c))
        cdef object y
        if dt < 0:
            raise ValueError("LSTMCell: f, i, u and c must be arrays of one shape and dtype, float32 or float64")
        y = new_array(f.shape, dt)
        self.act = new_array((3, f.size), dt)
        dz_lstm_cell(dt, f.size, cnp.PyArray_BYTES(f), cnp.PyArray_BYTES(i), cnp.PyArray_BYTES(u), cnp.PyArray_BYTES(c),
                     cnp.PyArray_BYTES(self.act), cnp.PyArray_BYTES(y))
        return y

    def backward(self, gy):
        f, i, u, c = sigmoid(self.arg(0)), sigmoid(self.arg(1)), tanh(self.arg(2)), self.arg(3)
        return gy * c * f * (1 - f), gy * u * i * (1 - i), gy * i * (1 - u * u), gy * f

    cdef object gradients(self, object gy):
        cdef object c = data_of(self.arg(3)), gs
        cdef int dt = kernel_dtype(gy)
        if self.act is None or kernel_dtype(self.act) != dt or common_dtype((gy, c)) != dt or self.act.size != 3 * gy.size:
            return None
        gs = [new_array(gy.shape, dt) for _ in range(4)]
        dz_lstm_cell_grad(dt, gy.size, cnp.PyArray_BYTES(self.act), cnp.PyArray_BYTES(c), cnp.PyArray_BYTES(gy),
                          cnp.PyArray_BYTES(gs[0]), cnp.PyArray_BYTES(gs[1]), cnp.PyArray_BYTES(gs[2]),
                          cnp.PyArray_BYTES(gs[3]))
        return gs


cdef class LSTMOutput(ArrayFunction):
    """LSTMOutput()\n--\n
    sigmoid(o) * tanh(c), for two arrays of one shape, float32 or float64, C-contiguous."""

    cdef object act

    def forward(self, o, c):
        cdef int dt = common_dtype((o, c))
        cdef object y
        if dt < 0:
            raise ValueError("LSTMOutput: o and c must be arrays of one shape and dtype, float32 or float64")
        y = new_array(o.shape, dt)
        self.act = new_array((2, o.size), dt)
        dz_lstm_output(dt, o.size, cnp.PyArray_BYTES(o), cnp.PyArray_BYTES(c), cnp.PyArray_BYTES(self.act), cnp.PyArray_BYTES(y))
        return y

    def backward(self, gy):
        o, c = sigmoid(self.in0), tanh(self.in1)
        return gy * c * o * (1 - o), gy * o * (1 - c * c)

    cdef object gradients(self, object gy):
        cdef object go, gc
        cdef int dt = kernel_dtype(gy)
        if self.act is None or kernel_dtype(self.act) != dt or common_dtype((gy,)) != dt or self.act.size != 2 * gy.size:
            return None
        go, gc = new_array(gy.shape, dt), new_array(gy.shape, dt)
        dz_lstm_output_grad(dt, gy.size, cnp.PyArray_BYTES(self.act), cnp.PyArray_BYTES(gy), cnp.PyArray_BYTES(go),
                            cnp.PyArray_BYTES(gc))
        return go, gc


def lstm_cell(f, i, u, c):
    """sigmoid(f) * c + sigmoid(i) * tanh(u), of arrays that broadcast together."""
    cdef tuple xs = (argument(f, "lstm_cell"), argument(i, "lstm_cell"), argument(u, "lstm_cell"), argument(c, "lstm_cell"))
    if fused(xs):
        return run(LSTMCell(), xs)
    return sigmoid(xs[0]) * xs[3] + sigmoid(xs[1]) * tanh(xs[2])


def lstm_output(o, c):
    """sigmoid(o) * tanh(c), of arrays that broadcast together."""
    cdef tuple xs = (argument(o, "lstm_output"), argument(c, "lstm_output"))
    if fused(xs):
        return run(LSTMOutput(), xs)
    return sigmoid(xs[0]) * tanh(xs[1])


for _cls in (LSTMCell, LSTMOutput):
    _core.open_class(_cls)
