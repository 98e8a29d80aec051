# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Softmax, its logarithm, and the cross-entropy of class labels.

Kernels (families/softmax.h) run along the last axis, or along another over which enough columns lie side by side; else the axis
is moved to the end first. Values and gradients are rounded in the order that DeZero computes them in; those of float16 are
computed in float32 and rounded once.
"""

import numpy as np

cimport numpy as cnp

from cpython.mem cimport PyMem_Free, PyMem_Malloc

from dezero_c._arrays cimport (
    ArrayFunction, argument, carray, floating, half_array, is_half, kernel_dtype, named_plain, narrowed, new_array, normal_axes,
    real_valued, recorded, reduction_of, run, widened)
from dezero_c._core cimport (
    DZ_F64, ERA_CORE, Variable, data_of, dz_bind, dz_fpe_clear, dz_fpe_test, dz_itemsize, dz_same_shape, dz_sum_rows, dz_view,
    dz_work, dz_worker, grad_target, grad_view, has_grad, kernels, new_grad, new_value, new_variable, ptrdiff_t, read, traced,
    view, wants_grad, wrap)

from dezero_c._index import GetItemGrad
from dezero_c._ops import clip, exp, log
from dezero_c._reduce import sum

cnp.import_array()
dz_bind(kernels())

cdef extern from "families/softmax.h":
    ptrdiff_t dz_softmax_room(ptrdiff_t) noexcept
    void dz_softmax(int, ptrdiff_t, ptrdiff_t, ptrdiff_t, const char *, char *) noexcept
    void dz_softmax_grad(int, ptrdiff_t, ptrdiff_t, ptrdiff_t, const char *, const char *, char *) noexcept
    void dz_log_softmax(int, ptrdiff_t, ptrdiff_t, ptrdiff_t, const char *, char *) noexcept
    void dz_log_softmax_grad(int, ptrdiff_t, ptrdiff_t, ptrdiff_t, const char *, const char *, char *) noexcept
    void dz_pick_log_softmax(int, ptrdiff_t, ptrdiff_t, const char *, const ptrdiff_t *, char *, char *) noexcept
    void dz_cross_entropy_grad(int, ptrdiff_t, ptrdiff_t, const char *, const ptrdiff_t *, double, char *) noexcept
    void dz_cross_entropy_mean(int, ptrdiff_t, ptrdiff_t, const char *, const ptrdiff_t *, char *, char *) noexcept
    ptrdiff_t dz_cross_entropy_room(ptrdiff_t, ptrdiff_t) noexcept
    bint dz_labels_fit(const ptrdiff_t *, ptrdiff_t, ptrdiff_t) noexcept
    int dz_softmax_work(const dz_work *) noexcept nogil
    int dz_softmax_grad_work(const dz_work *) noexcept nogil
    int dz_log_softmax_work(const dz_work *) noexcept nogil
    int dz_log_softmax_grad_work(const dz_work *) noexcept nogil
    int dz_cross_entropy_work(const dz_work *) noexcept nogil
    int dz_cross_entropy_grad_work(const dz_work *) noexcept nogil


ctypedef void (*forward_kernel)(int, ptrdiff_t, ptrdiff_t, ptrdiff_t, const char *, char *) noexcept

cdef enum:
    SIDE_BY_SIDE = 16       # columns from which on a kernel is faster along them than moving the axis to the end


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

    cdef void gradient(self, int dt, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, const char *y, const char *gy,
                       char *gx) noexcept:
        """The kernel of the gradient."""

    cdef int extents(self, int nd, const cnp.npy_intp *shape, Py_ssize_t *outer, Py_ssize_t *n, Py_ssize_t *inner) except -1:
        """What lies before, along and after the axis; True if the axis must be moved to the end first."""
        cdef int k, at = self.axis
        if at < 0:
            at += nd
        if not 0 <= at < nd:
            raise ValueError(f"{type(self).__name__}: axis {self.axis} is not one of the {nd} axes that the data has now; it was "
                             "given another shape after forward")
        outer[0] = inner[0] = 1
        for k in range(nd):
            if k < at:
                outer[0] *= shape[k]
            elif k == at:
                n[0] = shape[k]
            else:
                inner[0] *= shape[k]
        if inner[0] == 1 or inner[0] >= SIDE_BY_SIDE:
            return False
        outer[0] *= inner[0]
        inner[0] = 1
        return True

    cdef object along_axis(self, object x, forward_kernel kernel):
        """What the kernel gives for x; None where it cannot read x, or there is nothing to read."""
        cdef int dt = kernel_dtype(x)
        cdef Py_ssize_t outer, n, inner
        cdef bint moved
        normal_axes(self.axis, x.shape, type(self).__name__)
        if dt < 0 or x.size == 0:
            return None
        moved = self.extents(cnp.PyArray_NDIM(x), cnp.PyArray_DIMS(x), &outer, &n, &inner)
        x = carray(np.moveaxis(x, self.axis, -1) if moved else x, dt)
        y = new_array(x.shape, dt)
        kernel(dt, outer, n, inner, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(y))
        return np.ascontiguousarray(np.moveaxis(y, -1, self.axis)) if moved else y

    cdef bint in_node(self, Variable v, forward_kernel kernel, Variable y) except -1:
        """Gives y, which has none, the value that the kernel gives where v's lies; False where along_axis has more to do."""
        cdef dz_view w
        cdef Py_ssize_t outer, n, inner
        if not view(v, &w) or w.strides != NULL or w.size == 0 or self.extents(w.nd, w.shape, &outer, &n, &inner):
            return False
        kernel(w.dt, outer, n, inner, w.p, new_value(y, w.dt, w.nd, w.shape, w.size))
        return True

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef dz_view xv, yv, gv
        cdef Py_ssize_t outer, n, inner
        cdef Variable x = self.in0
        if not wants_grad(x):
            return 1
        if has_grad(x) or not view(x, &xv) or not view(y, &yv) or not grad_view(y, &gv) or xv.dt != yv.dt \
                or gv.dt != yv.dt or yv.strides != NULL or gv.strides != NULL or not dz_same_shape(&xv, &yv) \
                or not dz_same_shape(&gv, &yv) or yv.size == 0 or self.extents(yv.nd, yv.shape, &outer, &n, &inner):
            return ArrayFunction.vjp_raw(self, y, keep)
        self.gradient(yv.dt, outer, n, inner, yv.p, gv.p, new_grad(x, &xv))
        if dz_fpe_test():
            dz_fpe_clear()
        return 1

    cdef object gradients(self, object gy):
        cdef object y = data_of(self.value())
        cdef int dt = kernel_dtype(y)
        cdef Py_ssize_t outer, n, inner
        cdef bint moved
        if dt < 0 or y.shape != gy.shape:
            return None
        if gy.size == 0:
            return (new_array(gy.shape, dt),)
        moved = self.extents(cnp.PyArray_NDIM(gy), cnp.PyArray_DIMS(gy), &outer, &n, &inner)
        y = carray(np.moveaxis(y, self.axis, -1) if moved else y, dt)
        gy = carray(np.moveaxis(gy, self.axis, -1) if moved else gy, dt)
        gx = new_array(y.shape, dt)
        self.gradient(dt, outer, n, inner, cnp.PyArray_BYTES(y), cnp.PyArray_BYTES(gy), cnp.PyArray_BYTES(gx))
        return (np.ascontiguousarray(np.moveaxis(gx, -1, self.axis)) if moved else gx,)


cdef Variable along(object x, object axis, str op):
    """The argument of a function along one axis."""
    cdef Variable v = argument(x, op)
    cdef dz_view w
    if type(axis) is int and view(v, &w) and -w.nd <= axis < w.nd:
        return v
    v = floating(v)
    if isinstance(axis, (tuple, list)) or axis is None:
        raise TypeError(f"{op}: axis {axis!r} must be one int; reshape the axes into one first")
    normal_axes(axis, v.shape, op)
    return v


cdef class Softmax(AlongAxis):
    """Softmax(axis=1)\n--\n
    The class behind `softmax`: `Softmax(axis)(x)`."""

    cdef int compute(self, Variable y) except -1:
        return self.in_node(self.in0, dz_softmax, y)

    def forward(self, x):
        if x.dtype.kind in "iub":
            x = x.astype(np.float64)
        y = self.along_axis(x, dz_softmax)
        if y is not None:
            return y
        if x.size == 0:
            return x.astype(np.exp(np.zeros((), x.dtype)).dtype)
        if half_array(x):
            return self.forward(x.astype(np.float32)).astype(np.float16)
        y = np.exp(x - x.max(axis=self.axis, keepdims=True))
        return y / y.sum(axis=self.axis, keepdims=True)

    def backward(self, gy):
        y = self.value()
        gx = y * gy
        return gx - y * sum(gx, self.axis, True)

    cdef void gradient(self, int dt, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, const char *y, const char *gy,
                       char *gx) noexcept:
        dz_softmax_grad(dt, outer, n, inner, y, gy, gx)


def softmax(x, axis=1):
    """exp(x) / sum(exp(x)) along one axis, without overflow.

    x: any shape; axis: an int. Float32 stays float32, integers give float64. Raises AxisError for an axis that x does not have.
    """
    cdef Variable v = along(x, axis, "softmax")
    cdef Softmax f = Softmax(axis)
    cdef Variable y = new_variable(v.era)   # before a view of v: making a node may start a garbage collection
    if f.in_node(v, dz_softmax, y):
        return recorded(f, 1, v, None, None, y)
    return narrowed(run(f, (widened(v),)), is_half(v))


def softmax_simple(x, axis=1):
    """exp(x) / sum(exp(x)) as the book first writes it: overflows where x is large, see `softmax`."""
    y = exp(along(x, axis, "softmax_simple"))
    return y / sum(y, axis, True)


cdef class LogSoftmax(AlongAxis):
    """LogSoftmax(axis=1)\n--\n
    The class behind `log_softmax`: `LogSoftmax(axis)(x)`."""

    cdef int compute(self, Variable y) except -1:
        return self.in_node(self.in0, dz_log_softmax, y)

    def forward(self, x):
        if x.dtype.kind in "iub":
            x = x.astype(np.float64)
        y = self.along_axis(x, dz_log_softmax)
        if y is not None:
            return y
        if x.size == 0:
            return x.astype(np.exp(np.zeros((), x.dtype)).dtype)
        if half_array(x):
            return self.forward(x.astype(np.float32)).astype(np.float16)
        m = x.max(axis=self.axis, keepdims=True)
        return x - (np.log(np.exp(x - m).sum(axis=self.axis, keepdims=True)) + m)

    def backward(self, gy):
        return gy - exp(self.value()) * sum(gy, self.axis, True)

    cdef void gradient(self, int dt, ptrdiff_t outer, ptrdiff_t n, ptrdiff_t inner, const char *y, const char *gy,
                       char *gx) noexcept:
        dz_log_softmax_grad(dt, outer, n, inner, y, gy, gx)


def log_softmax(x, axis=1):
    """log(softmax(x)) along one axis, without overflow and without log of 0.

    x: any shape; axis: an int. Float32 stays float32, integers give float64. Raises AxisError for an axis that x does not have.
    """
    cdef Variable v = along(x, axis, "log_softmax")
    cdef LogSoftmax f = LogSoftmax(axis)
    cdef Variable y = new_variable(v.era)   # first, as above
    if f.in_node(v, dz_log_softmax, y):
        return recorded(f, 1, v, None, None, y)
    return narrowed(run(f, (widened(v),)), is_half(v))


cdef object labels(object t, object x, str op, bint some=True):
    """Checked labels as a contiguous array of intp, one for each row of x; some: whether there must be any."""
    cdef object index
    cdef const ptrdiff_t *p
    cdef ptrdiff_t low, high, i
    if x.ndim != 2:
        raise ValueError(f"{op}: x of shape {x.shape} must be (N, C), a row of scores for each sample; reshape it"
                         f"{' (was a flatten forgotten?)' if x.ndim > 2 else ''}")
    if not cnp.PyArray_Check(t) or t.dtype.kind not in "iu":
        raise TypeError(f"{op}: labels of dtype {getattr(t, 'dtype', type(t).__name__)} must be integers, class numbers from 0; "
                        "convert with astype(int)")
    if t.size != x.shape[0]:
        hint = "; one-hot labels become class numbers by argmax(axis=1)" if t.shape == x.shape else ""
        raise ValueError(f"{op}: labels of shape {t.shape} for x of shape {x.shape}: one label for each row{hint}")
    if some and (x.shape[0] == 0 or x.shape[1] == 0):
        raise ValueError(f"{op}: x of shape {x.shape} is empty: there is no mean of no losses; leave out empty batches")
    if (<object> t).dtype.kind == "u" and t.itemsize == sizeof(ptrdiff_t) and t.max(initial=0) >= max(x.shape[1], 1):
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


cdef const ptrdiff_t *plain_labels(Variable t, const dz_view *x) noexcept:
    """The labels, where they lie as kernels read them (intp, contiguous, one for each row of x, all in range); else NULL."""
    cdef const ptrdiff_t *p
    cdef object a = t._data
    if t.v.p != NULL or type(a) is not cnp.ndarray or cnp.PyArray_TYPE(a) != cnp.NPY_INTP or cnp.PyArray_SIZE(a) != x.shape[0] \
            or not cnp.PyArray_ISCARRAY_RO(a):
        return NULL
    p = <const ptrdiff_t *> cnp.PyArray_DATA(a)
    return p if dz_labels_fit(p, x.shape[0], x.shape[1]) else NULL


cdef bint cross_entropy_value(Variable x, Variable t, Variable y) except -1:
    """Gives y, which has no value, the loss, where x is a matrix that kernels take and the labels are plain; else False."""
    cdef dz_view xv
    cdef const ptrdiff_t *labels
    cdef char *room
    if not view(x, &xv) or xv.nd != 2 or xv.strides != NULL or xv.size == 0:
        return False
    labels = plain_labels(t, &xv)
    if labels == NULL:
        return False
    room = <char *> PyMem_Malloc(dz_cross_entropy_room(xv.shape[0], xv.shape[1]) * dz_itemsize(xv.dt))
    if room == NULL:
        raise MemoryError()
    dz_cross_entropy_mean(xv.dt, xv.shape[0], xv.shape[1], xv.p, labels, new_value(y, xv.dt, 0, NULL, 1), room)
    PyMem_Free(room)
    if dz_fpe_test():
        dz_fpe_clear()
        np.exp(data_of(x))      # nan and inf among the scores: warnings as NumPy gives them
    return True


cdef class SoftmaxCrossEntropy(ArrayFunction):
    """SoftmaxCrossEntropy()\n--\n
    The class behind `softmax_cross_entropy`: `SoftmaxCrossEntropy()(x, t)`."""

    cdef int compute(self, Variable y) except -1:
        return cross_entropy_value(self.in0, self.in1, y)

    def forward(self, x, t):
        cdef object index = labels(t, x, "softmax_cross_entropy"), rows, room, picked
        cdef int dt = kernel_dtype(x)
        cdef Py_ssize_t n = x.shape[0], classes = x.shape[1]
        if half_array(x):
            return np.asarray(self.forward(x.astype(np.float32), t)).astype(np.float16)
        if dt < 0:
            rows = x.astype(np.exp(np.zeros((), x.dtype)).dtype)
            dt = kernel_dtype(rows)
            if dt < 0:
                m = rows.max(axis=1, keepdims=True)
                picked = (rows - (np.log(np.exp(rows - m).sum(axis=1, keepdims=True)) + m))[np.arange(n), index]
                return -picked.sum() / picked.dtype.type(n)
        else:
            rows = carray(x, dt)
        picked = new_array((n,), dt)
        room = new_array((dz_softmax_room(classes),), dt)
        dz_pick_log_softmax(dt, n, classes, cnp.PyArray_BYTES(rows), <ptrdiff_t *> cnp.PyArray_DATA(index),
                            cnp.PyArray_BYTES(picked), cnp.PyArray_BYTES(room))
        return -picked.sum() / picked.dtype.type(n)

    def backward(self, gy):
        cdef Variable x = self.in0, t = self.in1
        cdef object a = data_of(x), dtype = a.dtype if a.dtype.kind == "f" else np.float64
        index = labels(data_of(t), a, "softmax_cross_entropy")
        onehot = np.zeros(a.shape, dtype)
        onehot[np.arange(len(index)), index] = 1
        return (softmax(x) - onehot) * (gy * (1.0 / len(index))), None

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef Variable x = self.in0
        cdef dz_view xv, gv
        cdef const ptrdiff_t *labels
        cdef double g
        cdef bint acc
        cdef char *p
        cdef char *room
        if not view(x, &xv) or xv.nd != 2 or xv.strides != NULL or xv.size == 0 or not wants_grad(x) or not grad_view(y, &gv) \
                or gv.nd != 0 or gv.dt != xv.dt:
            return ArrayFunction.vjp_raw(self, y, keep)
        labels = plain_labels(self.in1, &xv)
        if labels == NULL:
            return ArrayFunction.vjp_raw(self, y, keep)
        if xv.dt == DZ_F64:
            g = (<const double *> gv.p)[0] * (1.0 / xv.shape[0])
        else:
            g = (<const float *> gv.p)[0] * <float> (1.0 / xv.shape[0])
        p = grad_target(x, &xv, &acc)
        if not acc:
            dz_cross_entropy_grad(xv.dt, xv.shape[0], xv.shape[1], xv.p, labels, g, p)
        else:
            room = <char *> PyMem_Malloc(xv.size * dz_itemsize(xv.dt))
            if room == NULL:
                raise MemoryError()
            dz_cross_entropy_grad(xv.dt, xv.shape[0], xv.shape[1], xv.p, labels, g, room)
            dz_sum_rows(xv.dt, room, 1, xv.size, p, True)
            PyMem_Free(room)
        return 1

    cdef object gradients(self, object gy):
        cdef object x = data_of(self.in0), t = data_of(self.in1), index
        cdef int dt = kernel_dtype(x)
        if dt < 0:
            return None
        index = labels(t, x, "softmax_cross_entropy")
        rows = carray(x, dt)
        gx = new_array(x.shape, dt)
        g = gy * (1.0 / x.shape[0])
        dz_cross_entropy_grad(dt, x.shape[0], x.shape[1], cnp.PyArray_BYTES(rows), <ptrdiff_t *> cnp.PyArray_DATA(index),
                              g, cnp.PyArray_BYTES(gx))
        return gx, None


cdef dz_worker softmax_worker(int what, bint backward) noexcept:
    """What the machine calls for softmax (0), its logarithm (1) and the cross-entropy (2), or their gradients."""
    if what == 0:
        return dz_softmax_grad_work if backward else dz_softmax_work
    if what == 1:
        return dz_log_softmax_grad_work if backward else dz_log_softmax_work
    return dz_cross_entropy_grad_work if backward else dz_cross_entropy_work


cdef Py_ssize_t cross_entropy_room(Py_ssize_t rows, Py_ssize_t n) noexcept:
    """Elements that the cross-entropy's worker needs beside its result."""
    return dz_cross_entropy_room(rows, n)


cdef Variable label_argument(object t, str op):
    """Labels as a constant: a Variable, an ndarray, a list or an int."""
    if isinstance(t, Variable) or traced():
        return argument(t, op)
    if type(t) is not cnp.ndarray and cnp.PyArray_Check(t):
        named_plain(t, op)
    return wrap(np.asarray(t), -1, ERA_CORE)


cdef Variable class_weights(object weight, Variable x, str op):
    """The weights of x's classes, as a constant in x's dtype; a Variable stays what it is."""
    cdef Variable w = argument(weight, op)
    if w.dtype.kind not in "iubf":
        raise TypeError(f"{op}: weight of dtype {w.dtype} must be real numbers")
    if w.shape != (x.shape[1],):
        raise ValueError(f"{op}: weight of shape {w.shape} for x of shape {x.shape}: one number for each of the {x.shape[1]} "
                         "classes")
    return floating(w) if isinstance(weight, Variable) else wrap(data_of(w).astype(x.dtype), -1, ERA_CORE)


cdef object chosen_cross_entropy(Variable x, Variable t, object weight, object ignore_label, object label_smoothing,
                                 object reduction):
    """`softmax_cross_entropy` with something chosen: out of log_softmax, so that every order follows."""
    cdef str op = "softmax_cross_entropy"
    cdef object target = read(t, "softmax_cross_entropy() with options"), kept = None, w = None, index, losses, out
    cdef double smooth
    cdef Py_ssize_t rows, classes
    reduction = reduction_of(reduction, op)
    if isinstance(label_smoothing, bool) or not isinstance(label_smoothing, (int, float, np.number)):
        raise TypeError(f"{op}: label_smoothing {label_smoothing!r} must be a number from 0 to 1")
    smooth = label_smoothing
    if not 0 <= smooth <= 1:
        raise ValueError(f"{op}: label_smoothing {label_smoothing!r} must be from 0 to 1")
    x = floating(x)
    if ignore_label is not None:
        if not isinstance(ignore_label, (int, np.integer)) or isinstance(ignore_label, bool):
            raise TypeError(f"{op}: ignore_label {ignore_label!r} must be an int or None")
        if cnp.PyArray_Check(target) and target.dtype.kind in "iu":
            out = target == int(ignore_label)
            if out.any():
                target = np.where(out, 0, target)       # any label will do, to be checked with the others
                kept = np.flatnonzero(~out)
    index = labels(target, data_of(x), op, reduction == "mean")
    rows, classes = x.shape
    if weight is not None:
        w = class_weights(weight, x, op)
    if kept is not None:        # what is in the other rows, nan too, goes nowhere
        x, index = x[kept], index[kept]
        if reduction == "mean" and index.size == 0:
            raise ValueError(f"{op}: all {rows} labels are ignore_label {ignore_label}: there is no mean of no losses; leave "
                             "such batches out, or take reduction='sum'")
    if w is None and smooth == 0 and reduction == "mean":
        return softmax_cross_entropy(x, index)
    p = log_softmax(x)
    losses = -p[np.arange(index.size), index]
    if w is not None:
        weights = w[index]
        losses = weights * losses
    if smooth > 0:
        losses = (1 - smooth) * losses - (smooth / classes) * sum(p if w is None else p * w, axis=1)
    if reduction == "none":
        return losses if kept is None else GetItemGrad(kept, (rows,))(losses)
    if reduction == "sum":
        return sum(losses)
    if w is None:
        return sum(losses) / index.size
    total = sum(weights)
    if data_of(total) == 0:
        raise ValueError(f"{op}: the weights of the labels in this batch add up to 0, so their mean has no value; take "
                         "reduction='sum'")
    return sum(losses) / total


def softmax_cross_entropy(x, t, *, weight=None, ignore_label=None, label_smoothing=0.0, reduction="mean"):
    """Mean over the rows of -log(softmax(x)[t]), without overflow: the loss of a classifier.

    x: (N, C) scores, float32 stays float32; t: integers from 0 to C - 1, of shape (N,) or (N, 1).

    weight: (C,) numbers, taken in x's dtype (of a Variable as they are, with a gradient): the loss of a row is multiplied by that
    of its label, and the mean is their weighted one, divided by the sum of the labels' weights. ignore_label: an int, within the
    classes or not: rows with this label have no loss and no gradient, and the mean is over the others. label_smoothing: from 0
    to 1, the share of a target that is spread evenly over the classes (C. Szegedy and others, Rethinking the Inception
    Architecture, 2016), each with its own weight. reduction: "mean", "sum", or "none" for the losses of the rows, (N,), 0 for
    those that are ignored.

    Raises TypeError for labels that are no integers, IndexError for one out of range, ValueError for shapes that do not fit,
    for another reduction or label_smoothing, and for a mean of nothing: N = 0, all labels ignored, or weights that add up to 0.
    """
    cdef Variable xv = argument(x, "softmax_cross_entropy"), tv = label_argument(t, "softmax_cross_entropy"), y
    if is_half(xv):
        y = softmax_cross_entropy(widened(xv), tv, weight=weight, ignore_label=ignore_label, label_smoothing=label_smoothing,
                                  reduction=reduction)
        return narrowed(y, y.dtype == np.float32 and not (isinstance(weight, Variable) and weight.dtype == np.float32))
    if weight is not None or ignore_label is not None or reduction != "mean" or type(label_smoothing) is not float \
            or <double> label_smoothing != 0:
        real_valued(xv, "softmax_cross_entropy")
        return chosen_cross_entropy(xv, tv, weight, ignore_label, label_smoothing, reduction)
    y = new_variable(max(xv.era, tv.era))
    if cross_entropy_value(xv, tv, y):
        return recorded(SoftmaxCrossEntropy.__new__(SoftmaxCrossEntropy), 2, xv, tv, None, y)
    return run(SoftmaxCrossEntropy(), (floating(real_valued(xv, "softmax_cross_entropy")), tv))


def softmax_cross_entropy_simple(x, t):
    """`softmax_cross_entropy`, composed of simple functions as in the book: p below 1e-15 is cut off."""
    cdef Variable v = argument(x, "softmax_cross_entropy_simple")
    cdef str op = "softmax_cross_entropy_simple"
    cdef object index = labels(read(label_argument(t, op), op), data_of(v), op)
    p = log(clip(softmax(v), 1e-15, 1.0))
    return -1 * sum(p[np.arange(len(index)), index]) / len(index)


include "generated/_softmax.pxi"
