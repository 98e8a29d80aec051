# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Softmax, its logarithm, and the cross-entropy of class labels.

Kernels (dz_softmax.h) run along the last axis; another axis is moved there first. Values and gradients are rounded in the
order that DeZero computes them in.
"""

import numpy as np

cimport numpy as cnp

from dezero_c._arrays cimport ArrayFunction, argument, carray, kernel_dtype, new_array, normal_axes, run
from dezero_c._core cimport ERA_CORE, Variable, data_of, dz_bind, kernels, ptrdiff_t, wrap

from dezero_c import _core
from dezero_c._ops import clip, exp, log
from dezero_c._reduce import sum

cnp.import_array()
dz_bind(kernels())

cdef extern from "dz_softmax.h":
    ptrdiff_t dz_softmax_room(ptrdiff_t) noexcept
    void dz_softmax(int, ptrdiff_t, ptrdiff_t, const char *, char *) noexcept
    void dz_softmax_grad(int, ptrdiff_t, ptrdiff_t, const char *, const char *, char *) noexcept
    void dz_log_softmax(int, ptrdiff_t, ptrdiff_t, const char *, char *) noexcept
    void dz_log_softmax_grad(int, ptrdiff_t, ptrdiff_t, const char *, const char *, char *) noexcept
    void dz_pick_log_softmax(int, ptrdiff_t, ptrdiff_t, const char *, const ptrdiff_t *, char *, char *) noexcept
    void dz_cross_entropy_grad(int, ptrdiff_t, ptrdiff_t, const char *, const ptrdiff_t *, double, char *) noexcept


cdef object rows_of(object x, object axis, int dt):
    """x with `axis` last, C-contiguous."""
    if axis != -1 and axis != x.ndim - 1:
        x = np.moveaxis(x, axis, -1)
    return carray(x, dt)


cdef object back_from_rows(object rows, object axis, int nd):
    """A new array of rows_of's shape with the axis where it was."""
    if axis == -1 or axis == nd - 1:
        return rows
    return np.ascontiguousarray(np.moveaxis(rows, -1, axis))


ctypedef void (*forward_kernel)(int, ptrdiff_t, ptrdiff_t, const char *, char *) noexcept
ctypedef void (*gradient_kernel)(int, ptrdiff_t, ptrdiff_t, const char *, const char *, char *) noexcept


cdef class AlongAxis(ArrayFunction):
    """AlongAxis(axis=1)\n--\n
    The base of softmax and log_softmax: each row along the axis by a kernel, backwards from the output."""

    cdef readonly object axis

    def __init__(self, axis=1):
        self.axis = axis

    def _arguments(self):
        return (self.axis,)

    cdef Variable value(self):
        """The output, computed again if nobody holds it any more."""
        if self.out0 != NULL:
            return <Variable> self.out0
        return run(type(self)(self.axis), (self.in0,))

    cdef object along_rows(self, object x, forward_kernel kernel):
        """What the kernel gives for x's rows; None where it cannot read x, or there is nothing to read."""
        cdef int dt = kernel_dtype(x)
        cdef Py_ssize_t n
        if dt < 0 or x.size == 0:
            return None
        rows = rows_of(x, self.axis, dt)
        y = new_array(rows.shape, dt)
        n = rows.shape[rows.ndim - 1]
        kernel(dt, rows.size // n, n, cnp.PyArray_BYTES(rows), cnp.PyArray_BYTES(y))
        return back_from_rows(y, self.axis, x.ndim)

    cdef object gradient_along_rows(self, object gy, gradient_kernel kernel):
        cdef object y = data_of(self.value())
        cdef int dt = kernel_dtype(y)
        cdef Py_ssize_t n
        if dt < 0 or y.shape != gy.shape:
            return None
        y_rows = rows_of(y, self.axis, dt)
        gy_rows = rows_of(gy, self.axis, dt)
        gx = new_array(y_rows.shape, dt)
        if gy.size:
            n = gx.shape[gx.ndim - 1]
            kernel(dt, gy.size // n, n, cnp.PyArray_BYTES(y_rows), cnp.PyArray_BYTES(gy_rows), cnp.PyArray_BYTES(gx))
        return (back_from_rows(gx, self.axis, gy.ndim),)


cdef Variable along(object x, object axis, str op):
    """The argument of a function along one axis."""
    cdef Variable v = argument(x, op)
    if isinstance(axis, (tuple, list)) or axis is None:
        raise TypeError(f"{op}: axis {axis!r} must be one int; reshape the axes into one first")
    normal_axes(axis, v.shape, op)
    return v


cdef class Softmax(AlongAxis):
    """Softmax(axis=1)\n--\n
    The class behind `softmax`: `Softmax(axis)(x)`."""

    def forward(self, x):
        y = self.along_rows(x, dz_softmax)
        if y is not None:
            return y
        if x.size == 0:
            return x.astype(np.exp(np.zeros((), x.dtype)).dtype)
        y = np.exp(x - x.max(axis=self.axis, keepdims=True))
        return y / y.sum(axis=self.axis, keepdims=True)

    def backward(self, gy):
        y = self.value()
        gx = y * gy
        return gx - y * sum(gx, self.axis, True)

    cdef object gradients(self, object gy):
        return self.gradient_along_rows(gy, dz_softmax_grad)


def softmax(x, axis=1):
    """exp(x) / sum(exp(x)) along one axis, without overflow.

    x: any shape; axis: an int. Float32 stays float32, integers give float64. Raises AxisError for an axis that x does not have.
    """
    return run(Softmax(axis), (along(x, axis, "softmax"),))


def softmax_simple(x, axis=1):
    """exp(x) / sum(exp(x)) as the book first writes it: overflows where x is large, see `softmax`."""
    y = exp(along(x, axis, "softmax_simple"))
    return y / sum(y, axis, True)


cdef class LogSoftmax(AlongAxis):
    """LogSoftmax(axis=1)\n--\n
    The class behind `log_softmax`: `LogSoftmax(axis)(x)`."""

    def forward(self, x):
        y = self.along_rows(x, dz_log_softmax)
        if y is not None:
            return y
        if x.size == 0:
            return x.astype(np.exp(np.zeros((), x.dtype)).dtype)
        m = x.max(axis=self.axis, keepdims=True)
        return x - (np.log(np.exp(x - m).sum(axis=self.axis, keepdims=True)) + m)

    def backward(self, gy):
        return gy - exp(self.value()) * sum(gy, self.axis, True)

    cdef object gradients(self, object gy):
        return self.gradient_along_rows(gy, dz_log_softmax_grad)


def log_softmax(x, axis=1):
    """log(softmax(x)) along one axis, without overflow and without log of 0.

    x: any shape; axis: an int. Float32 stays float32, integers give float64. Raises AxisError for an axis that x does not have.
    """
    return run(LogSoftmax(axis), (along(x, axis, "log_softmax"),))


cdef object labels(object t, object x, str op):
    """Checked labels as a contiguous array of intp, one for each row of x."""
    cdef object index
    cdef const ptrdiff_t *p
    cdef ptrdiff_t low, high, i
    if x.ndim != 2:
        raise ValueError(f"{op}: x of shape {x.shape} must be (N, C), a row of scores for each sample; reshape it")
    if not isinstance(t, np.ndarray) or t.dtype.kind not in "iu":
        raise TypeError(f"{op}: labels of dtype {getattr(t, 'dtype', type(t).__name__)} must be integers, class numbers from 0; "
                        "convert with astype(int)")
    if t.size != x.shape[0]:
        hint = "; one-hot labels become class numbers by argmax(axis=1)" if t.shape == x.shape else ""
        raise ValueError(f"{op}: labels of shape {t.shape} for x of shape {x.shape}: one label for each row{hint}")
    if x.shape[0] == 0 or x.shape[1] == 0:
        raise ValueError(f"{op}: x of shape {x.shape} is empty: there is no mean of no losses; leave out empty batches")
    if (<object> t).dtype.kind == "u" and t.itemsize == sizeof(ptrdiff_t) and t.max() >= x.shape[1]:
        raise IndexError(f"{op}: label {t.max()} is out of range for x of shape {x.shape}; the {x.shape[1]} classes are 0 to "
                         f"{x.shape[1] - 1}")
    index = cnp.PyArray_FROMANY(t, cnp.NPY_INTP, 0, 0, cnp.NPY_ARRAY_IN_ARRAY | cnp.NPY_ARRAY_ENSUREARRAY
                                | cnp.NPY_ARRAY_FORCECAST)
    if index is t:
        index = t.view()    # what comes out may be kept: never the caller's own object
    low = high = 0
    p = <const ptrdiff_t *> cnp.PyArray_DATA(index)
    for i in range(cnp.PyArray_SIZE(index)):
        low = p[i] if p[i] < low else low
        high = p[i] if p[i] > high else high
    if low < 0 or high >= x.shape[1]:
        raise IndexError(f"{op}: label {low if low < 0 else high} is out of range for x of shape {x.shape}; the {x.shape[1]} "
                         f"classes are 0 to {x.shape[1] - 1}")
    return index.reshape(-1)


cdef class SoftmaxCrossEntropy(ArrayFunction):
    """SoftmaxCrossEntropy()\n--\n
    The class behind `softmax_cross_entropy`: `SoftmaxCrossEntropy()(x, t)`."""

    def forward(self, x, t):
        cdef object index = labels(t, x, "softmax_cross_entropy")
        cdef int dt
        cdef Py_ssize_t rows = x.shape[0], n = x.shape[1]
        if kernel_dtype(x) < 0:
            x_rows = x.astype(np.exp(np.zeros((), x.dtype)).dtype)
            dt = kernel_dtype(x_rows)
            if dt < 0:
                m = x_rows.max(axis=1, keepdims=True)
                picked = (x_rows - (np.log(np.exp(x_rows - m).sum(axis=1, keepdims=True)) + m))[np.arange(rows), index]
                return -picked.sum() / picked.dtype.type(rows)
        else:
            dt = kernel_dtype(x)
            x_rows = carray(x, dt)
        picked = new_array((rows,), dt)
        room = new_array((dz_softmax_room(n),), dt)
        dz_pick_log_softmax(dt, rows, n, cnp.PyArray_BYTES(x_rows), <ptrdiff_t *> cnp.PyArray_DATA(index),
                            cnp.PyArray_BYTES(picked), cnp.PyArray_BYTES(room))
        return -picked.sum() / picked.dtype.type(rows)

    def backward(self, gy):
        cdef Variable x = self.in0, t = self.in1
        cdef object a = data_of(x), dtype = a.dtype if a.dtype.kind == "f" else np.float64
        index = labels(data_of(t), a, "softmax_cross_entropy")
        onehot = np.zeros(a.shape, dtype)
        onehot[np.arange(len(index)), index] = 1
        return (softmax(x) - onehot) * (gy * (1.0 / len(index))), None

    cdef object gradients(self, object gy):
        cdef object x = data_of(self.in0), t = data_of(self.in1), index
        cdef int dt = kernel_dtype(x)
        if dt < 0:
            return None
        index = labels(t, x, "softmax_cross_entropy")
        x_rows = carray(x, dt)
        gx = new_array(x.shape, dt)
        g = gy * (1.0 / x.shape[0])
        dz_cross_entropy_grad(dt, x.shape[0], x.shape[1], cnp.PyArray_BYTES(x_rows), <ptrdiff_t *> cnp.PyArray_DATA(index),
                              g, cnp.PyArray_BYTES(gx))
        return gx, None


cdef Variable label_argument(object t, str op):
    """Labels as a constant: a Variable, an ndarray, a list or an int."""
    if isinstance(t, Variable):
        return argument(t, op)
    return wrap(np.asarray(t), -1, ERA_CORE)


def softmax_cross_entropy(x, t):
    """Mean over the rows of -log(softmax(x)[t]), without overflow: the loss of a classifier.

    x: (N, C) scores, float32 stays float32; t: integers from 0 to C - 1, of shape (N,) or (N, 1). Raises TypeError for labels
    that are no integers, IndexError for one out of range, ValueError for shapes that do not fit and for N = 0.
    """
    return run(SoftmaxCrossEntropy(), (argument(x, "softmax_cross_entropy"), label_argument(t, "softmax_cross_entropy")))


def softmax_cross_entropy_simple(x, t):
    """`softmax_cross_entropy`, composed of simple functions as in the book: p below 1e-15 is cut off."""
    cdef Variable v = argument(x, "softmax_cross_entropy_simple")
    cdef object index = labels(data_of(label_argument(t, "softmax_cross_entropy_simple")), data_of(v),
                               "softmax_cross_entropy_simple")
    p = log(clip(softmax(v), 1e-15, 1.0))
    return -1 * sum(p[np.arange(len(index)), index]) / len(index)


__all__ = ["LogSoftmax", "Softmax", "SoftmaxCrossEntropy", "log_softmax", "softmax", "softmax_cross_entropy",
           "softmax_cross_entropy_simple", "softmax_simple"]

for _cls in (AlongAxis, Softmax, LogSoftmax, SoftmaxCrossEntropy):
    _core.open_class(_cls)
