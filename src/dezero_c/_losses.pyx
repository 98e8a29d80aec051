# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Losses of a prediction against a target, and accuracy. The cross-entropy of class labels is with softmax.

A target takes the prediction's dtype where it holds integers or booleans, so that labels do not change the dtype of a loss.
Losses of float16 are computed in float32 and rounded once, and so are their gradients: a sum of many, or a square, may be more
than float16 holds, and the difference of two terms less than it tells apart.
"""

import warnings
from functools import partial

import numpy as np

cimport numpy as cnp

from cpython.mem cimport PyMem_Free, PyMem_Malloc

from dezero_c._arrays cimport (
    ArrayFunction, argument, carray, floating, half_array, is_half, kernel_dtype, named_plain, narrowed, new_array, recorded,
    reduction_of, run, widened)
from dezero_c._core cimport (
    DZ_F64, ERA_CORE, Variable, as_operand, data_of, derived, dz_bind, dz_fpe_clear, dz_fpe_test, dz_itemsize, dz_same_shape,
    dz_view, dz_work, dz_worker, failed, grad_target, grad_view, has_grad, kernels, new_value, new_variable, ptrdiff_t, traced,
    view, wants_grad, wrap)

from dezero_c import _core
from dezero_c._ops import abs, clip, exp, log, softplus
from dezero_c._reduce import mean, sum
from dezero_c._shape import reshape, unbroadcast

cnp.import_array()
dz_bind(kernels())

cdef extern from "families/losses.h":
    void dz_squared_error(int, ptrdiff_t, const char *, const char *, char *) noexcept
    void dz_squared_error_grad(int, ptrdiff_t, const char *, const char *, double, double, char *, char *) noexcept
    void dz_squared_error_mean(int, ptrdiff_t, ptrdiff_t, const char *, const char *, char *, char *) noexcept
    int dz_squared_error_work(const dz_work *) noexcept nogil
    int dz_squared_error_grad_work(const dz_work *) noexcept nogil


cdef tuple pair_of(object x0, object x1, str op):
    """Both arguments as Variables, an integer one in the other's floating dtype, float16 as float32; and whether the loss is to
    be in float16 all the same, see `narrowed`."""
    cdef Variable a = argument_beside(x0, x1, op), b = argument_beside(x1, a, op)
    cdef bint half = False
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError as error:
        raise ValueError(f"{op}: shapes {a.shape} and {b.shape} do not broadcast together; a prediction and its target should "
                         "have the same shape (reshape one)") from error
    if a.shape != b.shape and a.ndim > 0 and b.ndim > 0:
        warnings.warn(f"{op}: shapes {a.shape} and {b.shape} differ and are broadcast together, every element of one beside those"
                      " of the other; reshape the target to the prediction's shape", UserWarning, stacklevel=2)
    if is_half(a) or is_half(b):
        half = all([is_half(v) or v.dtype.kind in "iub" for v in (a, b)])
        a, b = widened(a), widened(b)
    if not wants_grad(a):
        a = like(a, b)
    return floating(a), floating(like(b, a)), half


cdef tuple quick_pair(object x0, object x1):
    """Two Variables, or a Variable and an ndarray, of one floating dtype and shape; None for what needs a longer look."""
    cdef dz_view a, b
    cdef Variable v0, v1
    if not isinstance(x0, Variable) or not (isinstance(x1, Variable) or type(x1) is cnp.ndarray):
        return None
    v0 = <Variable> x0
    v1 = as_operand(x1, v0)
    if not view(v0, &a) or not view(v1, &b) or a.dt != b.dt or not dz_same_shape(&a, &b):
        return None
    return v0, v1


cdef Variable argument_beside(object x, object other, str op):
    cdef Variable v
    try:
        v = as_operand(x, other)
    except TypeError as error:
        raise TypeError(f"{op}: {error}") from error
    return argument(v, op)


cdef Variable like(Variable t, Variable x):
    """Integers or booleans beside floats as a constant in their dtype; any other t as it is."""
    cdef Variable v
    if t.dtype.kind in "iub" and x.dtype.kind == "f":
        v = wrap(data_of(t).astype(x.dtype), -1, ERA_CORE)
        if traced():
            derived(v, partial(_core.as_dtype, x.dtype), (t,))
        return v
    return t


cdef Py_ssize_t batch(tuple shape, str op) except -1:
    """The length of the first axis, 1 for a single value; a mean over nothing is refused."""
    if 0 in shape:
        raise ValueError(f"{op}: shape {shape} is empty: there is no mean of no errors; leave out empty batches")
    return shape[0] if shape else 1


cdef object reduced(object losses, object reduction, str op, tuple rows=None):
    """The losses of single elements as they are, their sum, or their mean: over all of them, or where `rows` is given their sum
    over the length of its first axis, as in DeZero."""
    reduction = reduction_of(reduction, op)
    if reduction == "none":
        return losses
    if reduction == "sum":
        return sum(losses)
    if rows is not None:
        return sum(losses) / batch(rows, op)
    batch(losses.shape, op)
    return mean(losses)


cdef bint squared_error_value(Variable x0, Variable x1, Variable y) except -1:
    """Gives y, which has no value, the loss of two arrays of one shape that kernels take; else False."""
    cdef dz_view a, b
    cdef char *squares
    cdef ptrdiff_t n
    if not view(x0, &a) or not view(x1, &b) or a.dt != b.dt or a.strides != NULL or b.strides != NULL or a.size == 0 \
            or a.size > 65536 or not dz_same_shape(&a, &b):
        return False
    n = a.shape[0] if a.nd > 0 else 1
    squares = <char *> PyMem_Malloc(a.size * dz_itemsize(a.dt))
    if squares == NULL:
        raise MemoryError()
    dz_squared_error_mean(a.dt, a.size, n, a.p, b.p, new_value(y, a.dt, 0, NULL, 1), squares)
    PyMem_Free(squares)
    if dz_fpe_test():
        dz_fpe_clear()
        np.square(np.subtract(data_of(x0), data_of(x1))).sum()     # for NumPy's warnings
    return True


cdef dz_worker squared_error_worker(bint backward) noexcept:
    """What the machine calls for mean_squared_error, or for the gradient of an input."""
    return dz_squared_error_grad_work if backward else dz_squared_error_work


cdef class MeanSquaredError(ArrayFunction):
    """MeanSquaredError()\n--\n
    The class behind `mean_squared_error`: `MeanSquaredError()(x0, x1)`."""

    cdef int compute(self, Variable y) except -1:
        return squared_error_value(self.in0, self.in1, y)

    def forward(self, x0, x1):
        cdef int dt = max(kernel_dtype(x0), kernel_dtype(x1))
        cdef object a, b, squares
        if kernel_dtype(x0) >= 0 and kernel_dtype(x1) >= 0 and x0.shape == x1.shape:
            n = batch(x0.shape, "mean_squared_error")
            a = carray(x0, dt)
            b = carray(x1, dt)
            squares = new_array(x0.shape, dt)
            dz_squared_error(dt, x0.size, cnp.PyArray_BYTES(a), cnp.PyArray_BYTES(b), cnp.PyArray_BYTES(squares))
            return squares.sum() / n
        if half_array(x0) and half_array(x1):
            return np.asarray(self.forward(x0.astype(np.float32), x1.astype(np.float32))).astype(np.float16)
        diff = x0 - x1
        return (diff ** 2).sum() / batch(diff.shape, "mean_squared_error")

    def backward(self, gy):
        cdef Variable x0 = self.in0, x1 = self.in1
        diff = x0 - x1
        gx = gy * diff * (2.0 / batch(diff.shape, "mean_squared_error"))
        return unbroadcast(gx, x0.shape), unbroadcast(-gx, x1.shape)

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef Variable x0 = self.in0, x1 = self.in1
        cdef dz_view a, b, g
        cdef bint acc
        cdef double gy, c
        cdef char *p0 = NULL
        cdef char *p1 = NULL
        if (has_grad(x0) and wants_grad(x0)) or (has_grad(x1) and wants_grad(x1)) or x0 is x1 \
                or not view(x0, &a) or not view(x1, &b) or not grad_view(y, &g) or g.nd != 0 or a.dt != b.dt or g.dt != a.dt \
                or a.strides != NULL or b.strides != NULL or a.size == 0 or not dz_same_shape(&a, &b):
            return ArrayFunction.vjp_raw(self, y, keep)
        gy = (<const double *> g.p)[0] if g.dt == DZ_F64 else (<const float *> g.p)[0]
        c = 2.0 / (a.shape[0] if a.nd > 0 else 1)
        if wants_grad(x0):
            p0 = grad_target(x0, &a, &acc)
        if wants_grad(x1):
            p1 = grad_target(x1, &b, &acc)
        dz_squared_error_grad(a.dt, a.size, a.p, b.p, gy, c, p0, p1)
        return 1

    cdef object gradients(self, object gy):
        cdef Variable v0 = self.in0, v1 = self.in1
        cdef object x0 = data_of(v0), x1 = data_of(v1), a, b, gx0 = None, gx1 = None
        cdef int dt = max(kernel_dtype(x0), kernel_dtype(x1))
        if kernel_dtype(x0) < 0 or kernel_dtype(x1) < 0 or x0.shape != x1.shape:
            return None
        a = carray(x0, dt)
        b = carray(x1, dt)
        if wants_grad(v0):
            gx0 = new_array(x0.shape, dt)
        if wants_grad(v1):
            gx1 = new_array(x0.shape, dt)
        dz_squared_error_grad(dt, x0.size, cnp.PyArray_BYTES(a), cnp.PyArray_BYTES(b), gy,
                              2.0 / batch(x0.shape, "mean_squared_error"), NULL if gx0 is None else cnp.PyArray_BYTES(gx0),
                              NULL if gx1 is None else cnp.PyArray_BYTES(gx1))
        return gx0, gx1


cdef object paired_error(object x0, object x1, object reduction):
    """`mean_squared_error` of what needs a longer look."""
    a, b, half = pair_of(x0, x1, "mean_squared_error")
    if reduction != "mean":
        y = reduced((a - b) ** 2, reduction, "mean_squared_error")
    else:
        y = run(MeanSquaredError(), (a, b)) if quick_pair(a, b) is None else mean_squared_error(a, b)
    return narrowed(y, half)


def mean_squared_error(x0, x1, *, reduction="mean"):
    """sum((x0 - x1) ** 2) / N, N the length of the first axis (as in DeZero: not the number of elements).

    x0, x1: shapes that broadcast together. reduction: "mean" for this, "sum" without the division, "none" for (x0 - x1) ** 2.
    Raises ValueError for shapes that do not fit, for another reduction, and for "mean" with N = 0.
    """
    cdef tuple xs = quick_pair(x0, x1)
    cdef Variable y
    if xs is None:
        return paired_error(x0, x1, reduction)
    if reduction != "mean":
        return reduced((xs[0] - xs[1]) ** 2, reduction, "mean_squared_error")
    y = new_variable(max((<Variable> xs[0]).era, (<Variable> xs[1]).era))
    if squared_error_value(<Variable> xs[0], <Variable> xs[1], y):
        return recorded(MeanSquaredError.__new__(MeanSquaredError), 2, <Variable> xs[0], <Variable> xs[1], None, y)
    return run(MeanSquaredError(), xs)


def mean_squared_error_simple(x0, x1):
    """`mean_squared_error`, composed of simple functions as in the book."""
    a, b, half = pair_of(x0, x1, "mean_squared_error_simple")
    diff = a - b
    return narrowed(sum(diff ** 2) / batch(diff.shape, "mean_squared_error_simple"), half)


def mean_absolute_error(x0, x1, *, reduction="mean"):
    """Mean over all elements of |x0 - x1|; its gradient where they are equal is 0.

    x0, x1: shapes that broadcast together. reduction: "mean", "sum", or "none" for each element's. Raises ValueError for shapes
    that do not fit, for another reduction, and for "mean" of no elements.
    """
    a, b, half = pair_of(x0, x1, "mean_absolute_error")
    return narrowed(reduced(abs(a - b), reduction, "mean_absolute_error"), half)


def huber(x0, x1, delta=1.0, *, reduction="mean"):
    """Mean over all elements of d ** 2 / 2 where |d| <= delta, of delta * (|d| - delta / 2) elsewhere; d = x0 - x1.

    x0, x1: shapes that broadcast together; delta: a number above 0. (P. J. Huber, Robust Estimation of a Location Parameter,
    1964.) reduction: "mean", "sum", or "none" for each element's. Raises ValueError for shapes that do not fit, for another delta
    or reduction, and for "mean" of no elements.
    """
    a, b, half = pair_of(x0, x1, "huber")
    if isinstance(delta, str) or delta is None:
        raise TypeError(f"huber: delta {delta!r} must be a number above 0")
    if not delta > 0:
        raise ValueError(f"huber: delta {delta!r} must be a number above 0")
    diff = a - b
    near = clip(diff, -delta, delta)    # where(…) would make nan of the gradient of an infinite error
    return narrowed(reduced(near * (diff - 0.5 * near), reduction, "huber"), half)


def sigmoid_simple(x):
    """1 / (1 + exp(-x)) as the book first writes it; see `sigmoid`."""
    return 1 / (1 + exp(-argument(x, "sigmoid_simple")))


cdef tuple prediction_and_target(object x, object t, str op):
    cdef Variable a = argument(x, op), b = argument_beside(t, a, op)
    if a.ndim != b.ndim:
        if a.size != b.size:
            raise ValueError(f"{op}: a target of shape {b.shape} does not fit a prediction of shape {a.shape}")
        b = reshape(b, a.shape)
    return pair_of(a, b, op)


def sigmoid_cross_entropy(x, t, *, reduction="mean"):
    """sum(-t * log(p) - (1 - t) * log(1 - p)) / N with p = sigmoid(x), N the length of the first axis; computed as
    softplus(x) - x * t, so that no x is too large.

    x: scores of any shape; t: 0 or 1 (or a probability) for each. reduction: "mean" for this, "sum" without the division, "none"
    for each element's. Raises ValueError where the shapes do not fit, for another reduction, and for "mean" with N = 0.
    """
    a, b, half = prediction_and_target(x, t, "sigmoid_cross_entropy")
    return narrowed(reduced(softplus(a) - a * b, reduction, "sigmoid_cross_entropy", a.shape), half)


def binary_cross_entropy(p, t, *, reduction="mean"):
    """sum(-t * log(p) - (1 - t) * log(1 - p)) / N, N the length of the first axis; p is limited to [1e-15, 0.999], as in DeZero.

    p: probabilities of any shape; t: 0 or 1 (or a probability) for each. reduction: "mean" for this, "sum" without the division,
    "none" for each element's. Raises ValueError where the shapes do not fit, for another reduction, and for "mean" with N = 0.
    """
    a, b, half = prediction_and_target(p, t, "binary_cross_entropy")
    q = clip(a, 1e-15, 0.999)
    return narrowed(-1 * reduced(b * log(q) + (1 - b) * log(1 - q), reduction, "binary_cross_entropy", a.shape), half)


def accuracy(y, t):
    """The share of rows of y whose largest element is in the place that t says: a Variable without a graph (it has no gradient).

    y: (N, C) scores; t: integers from 0 to C - 1, of shape (N,) or (N, 1). nan where a row has nan among its scores. Raises
    TypeError for labels that are no integers, IndexError for one out of range, ValueError where the numbers do not fit, and for
    N = 0.
    """
    cdef Variable yv = argument(y, "accuracy"), tv = argument(t, "accuracy") if traced() else None, result
    cdef object scores = data_of(yv), target
    if type(t) is not cnp.ndarray and cnp.PyArray_Check(t):
        named_plain(t, "accuracy")
    target = data_of(tv) if tv is not None else data_of(t) if isinstance(t, Variable) else np.asarray(t)
    if scores.ndim < 2:
        raise ValueError(f"accuracy: y of shape {scores.shape} must be (N, C), a row of scores for each sample")
    if scores.size == 0:
        raise ValueError(f"accuracy: y of shape {scores.shape} is empty: there is no share of nothing; leave out empty batches")
    if scores.size != target.size * scores.shape[1]:
        hint = "; one-hot labels become class numbers by argmax(axis=1)" if target.shape == scores.shape else ""
        raise ValueError(f"accuracy: labels of shape {target.shape} for y of shape {scores.shape}: one label for each row{hint}")
    result = new_variable(ERA_CORE)
    try:
        result._data = _share_of_hits(scores, target)
    except BaseException:
        failed()
        raise
    if traced():
        derived(result, _share_of_hits, (yv, tv))
    return result


def _share_of_hits(scores, target):
    """The share of the rows whose largest score is at the target."""
    cdef object found = scores.argmax(axis=1), most
    if target.dtype.kind not in "iu":
        raise TypeError(f"accuracy: labels of dtype {target.dtype} must be integers, class numbers from 0; convert with "
                        "astype(int)")
    for label in (target.min(), target.max()):
        if not 0 <= label < scores.shape[1]:
            raise IndexError(f"accuracy: label {label} is out of range for y of shape {scores.shape}; the {scores.shape[1]} "
                             f"classes are 0 to {scores.shape[1] - 1}")
    if scores.dtype.kind in "fc":       # argmax finds nan first
        most = np.take_along_axis(scores, np.expand_dims(found, 1), 1)
        if np.isnan(most).any():
            return np.asarray(np.nan)
    return np.asarray((found.reshape(target.shape) == target).mean())


include "generated/_losses.pxi"
