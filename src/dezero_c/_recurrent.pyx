# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""A step of an LSTM as three operations: the gates, the new cell, the output. The layer is in dezero_c/layers.py.

The gates z are one array (4, N, H): f, i, o and u before their activations, so that each is a matrix that BLAS writes to.
"""

import numpy as np

cimport numpy as cnp
from libc.string cimport memset

from dezero_c._arrays cimport ArrayFunction, argument, kernel_dtype, new_array, run, wide
from dezero_c._core cimport (
    K_CONST, Variable, call_native, data_of, dz_bind, dz_fpe_clear, dz_fpe_test, dz_itemsize, dz_sum_rows, dz_view, grad_target,
    grad_view, kernels, ptrdiff_t, view, wants_grad)
from dezero_c._matmul cimport add_bias, is_direct, product_into

from dezero_c import _core
from dezero_c._matmul import matmul
from dezero_c._ops import sigmoid, tanh
from dezero_c._reduce import sum
from dezero_c._shape import transpose

cnp.import_array()
dz_bind(kernels())

cdef extern from "families/recurrent.h":
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


cdef tuple in_one_dtype(tuple xs):
    """The arrays, all of them in float64 where kernels take them and some are in float32: weights, for an input as np.random
    makes it."""
    cdef object a
    cdef int dt = -1
    for a in xs:
        if kernel_dtype(a) < 0:
            return xs
        dt = max(dt, kernel_dtype(a))
    return tuple([wide(a, dt) for a in xs])


# ---- the gates --------------------------------------------------------------------------------------------------------

cdef bint is_matrix(object a, Py_ssize_t m, Py_ssize_t n) noexcept:
    return cnp.PyArray_NDIM(a) == 2 and cnp.PyArray_DIM(a, 0) == m and cnp.PyArray_DIM(a, 1) == n


cdef bint small_and_fitting(tuple xs):
    """Whether the inputs of LSTMGates are matrices and vectors that go together, all of them small."""
    cdef Py_ssize_t N, M, H, k
    cdef bint on = len(xs) > 9
    if plain_dtype(xs) < 0 or cnp.PyArray_NDIM(xs[0]) != 2 or cnp.PyArray_NDIM(xs[1]) != 2:
        return False
    N, M, H = cnp.PyArray_DIM(xs[0], 0), cnp.PyArray_DIM(xs[0], 1), cnp.PyArray_DIM(xs[1], 1)
    if N * M * H == 0 or not is_direct(N * (M + H) * H) or not is_direct((M + H) * H):
        return False
    for k in range(4):
        if not is_matrix(xs[1 + k], M, H) or cnp.PyArray_NDIM(xs[5 + k]) != 1 or cnp.PyArray_DIM(xs[5 + k], 0) != H \
                or (on and not is_matrix(xs[10 + k], H, H)):
            return False
    return not on or is_matrix(xs[9], N, H)


cdef object small_gates(tuple xs):
    """The value of LSTMGates, by BLAS alone."""
    cdef int dt = kernel_dtype(xs[0])
    cdef ptrdiff_t item = dz_itemsize(dt), N = xs[0].shape[0], M = xs[0].shape[1], H = xs[1].shape[1], k
    cdef object z = new_array((4, N, H), dt)
    cdef char *p = cnp.PyArray_BYTES(z)
    for k in range(4):
        product_into(dt, cnp.PyArray_BYTES(xs[0]), M * item, item, cnp.PyArray_BYTES(xs[1 + k]), H * item, item, p, N, M, H,
                     False)
        add_bias(dt, p, cnp.PyArray_BYTES(xs[5 + k]), N, H)
        if len(xs) > 9:
            product_into(dt, cnp.PyArray_BYTES(xs[9]), H * item, item, cnp.PyArray_BYTES(xs[10 + k]), H * item, item, p, N, H, H,
                         True)
        p += N * H * item
    if dz_fpe_test():       # BLAS leaves flags that mean nothing
        dz_fpe_clear()
    return z


cdef int small_gradients(Variable x, Variable W, const dz_view *g, ptrdiff_t k) except -1:
    """Adds the gradients of x W, whose own is block k of g."""
    cdef dz_view xv, wv
    cdef ptrdiff_t item = dz_itemsize(g.dt), N = g.shape[1], H = g.shape[2], M
    cdef const char *gk = g.p + k * N * H * item
    cdef char *p
    cdef bint acc
    view(x, &xv)
    view(W, &wv)
    M = xv.shape[1]
    if wants_grad(x):
        p = grad_target(x, &xv, &acc)
        product_into(g.dt, gk, H * item, item, wv.p, item, H * item, p, N, H, M, acc)
    if wants_grad(W):
        p = grad_target(W, &wv, &acc)
        product_into(g.dt, xv.p, item, M * item, gk, H * item, item, p, M, N, H, acc)
    return 0


cdef class LSTMGates(ArrayFunction):
    """LSTMGates()\n--\n
    z[k] = x Wx[k] + b[k] + h Wh[k]. Inputs: x (N, I), Wx[0], ..., Wx[3] (I, H), b[0], ... (H,), and h (N, H), Wh[0], ... (H, H)
    or neither of these."""

    def forward(self, x, *rest):
        cdef tuple xs = in_one_dtype((x,) + rest), Wx = xs[1:5], b = xs[5:9], Wh = xs[10:]
        cdef object h = xs[9] if Wh else None, z
        x = xs[0]
        if small_and_fitting(xs):
            return small_gates(xs)
        z = np.empty((4, x.shape[0], Wx[0].shape[1]), np.result_type(*xs))
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

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef tuple xs = tuple([data_of(self.arg(k)) for k in range(self.nin)])      # held while kernels read them
        cdef dz_view g, bv
        cdef Variable b
        cdef ptrdiff_t k
        cdef bint acc
        cdef char *p
        if not grad_view(y, &g) or g.strides != NULL or g.nd != 3 or not small_and_fitting(xs) or kernel_dtype(xs[0]) != g.dt \
                or g.shape[0] != 4 or g.shape[1] != xs[0].shape[0] or g.shape[2] != xs[1].shape[1]:
            return ArrayFunction.vjp_raw(self, y, keep)
        for k in range(4):
            small_gradients(self.arg(0), self.arg(1 + k), &g, k)
            b = self.arg(5 + k)
            if wants_grad(b):
                view(b, &bv)
                p = grad_target(b, &bv, &acc)
                dz_sum_rows(g.dt, g.p + k * g.shape[1] * g.shape[2] * dz_itemsize(g.dt), g.shape[1], g.shape[2], p, acc)
            if self.nin > 9:
                small_gradients(self.arg(9), self.arg(10 + k), &g, k)
        return 1

    cdef object gradients(self, object gy):
        cdef tuple xs = tuple([data_of(self.arg(k)) for k in range(self.nin)])
        cdef object x = xs[0], xT, hT, g, gx = None, gh = None
        cdef list gWx = [], gb = [], gWh = []
        xs = in_one_dtype(xs)
        x = xs[0]
        if plain_dtype((gy,) + xs) < 0:
            return None
        xT = x.T
        for k in range(4):
            g = gy[k]
            if wants_grad(self.arg(0)):
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
        if wants_grad(self.in1):
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


def lstm_step(x, h, c, tuple x2, tuple h2, type Linear):
    """A step of an LSTM: (h, c) from x (N, I) and the last h and c (N, H), or None for both.

    x2: the layers of x for f, i, o and u; h2: those of h. Returns None where they are not Linear layers with weights, with b in
    x2 and without in h2, or where weights, x, h or c are not what kernels take: float32 or float64, all alike, contiguous.
    """
    cdef Variable xv = argument(x, "LSTM"), cv, z, c_new
    cdef list Wx = [], b = [], Wh = []
    cdef object layer
    cdef tuple inputs, xs
    cdef Py_ssize_t N, H
    cdef int dt
    if (h is None) != (c is None):
        return None
    for layer in x2:
        if type(layer) is not Linear:
            return None
        Wx.append(layer.W)
        b.append(layer.b)
    for layer in h2:
        if type(layer) is not Linear or layer.b is not None:
            return None
        Wh.append(layer.W)
    if h is None:
        inputs = (xv, *Wx, *b)
    else:
        inputs = (xv, *Wx, *b, argument(h, "LSTM"), *Wh)    # a program may have set the state to an array
    xs = in_one_dtype(tuple([data_of(v) if isinstance(v, Variable) else None for v in inputs]))
    dt = plain_dtype(xs)
    if dt < 0 or cnp.PyArray_NDIM(xs[0]) != 2 or cnp.PyArray_NDIM(xs[1]) != 2:
        return None
    N, H = cnp.PyArray_DIM(xs[0], 0), cnp.PyArray_DIM(xs[1], 1)
    if c is None:
        for layer in h2:
            if layer.W is None or data_of(layer.W) is None:
                return None     # the layers draw them
        cv = _core.as_variable(np.zeros((N, H), xs[0].dtype))
        cv.kind = K_CONST
    else:
        cv = argument(c, "LSTM")
        if not is_matrix(xs[9], N, H):
            return None
    if kernel_dtype(data_of(cv)) != dt or plain_dtype((data_of(cv),)) < 0 or not is_matrix(data_of(cv), N, H):
        return None
    if small_and_fitting(xs):       # as forward, which would look again
        z = call_native(LSTMGates(), inputs, small_gates(xs))
    else:
        try:
            z = run(LSTMGates(), inputs)
        except ValueError:
            return None     # shapes that do not fit: the layers say so
    c_new = run(LSTMCell(), (z, cv))
    return run(LSTMOutput(), (z, c_new)), c_new


for _cls in (LSTMGates, _OfGates, LSTMCell, LSTMOutput):
    _core.open_class(_cls)
