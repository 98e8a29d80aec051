# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Reductions: operations that make one value of many along axes.

A gradient is a kernel (families/reduce.h) over x with y and gy stretched back over it, whatever the axes, or NumPy where a kernel
cannot read. `axis` is None, an int or a tuple of ints, negative ones counted from the end.
"""

from functools import partial

import numpy as np

cimport numpy as cnp

from dezero_c._arrays cimport argument, half_array, is_half, kept_shape, narrowed, normal_axes, run, widened
from dezero_c._core cimport (
    DZ_F64, DZ_GY, DZ_MAXDIM, DZ_NIN, DZ_X0, DZ_Y, Function, Variable, call_native, data_of, derived, dz_args, dz_bind, dz_even,
    dz_fpe_clear, dz_fpe_test, dz_itemsize, dz_kernel, dz_map, dz_ops, dz_raw_fits, dz_stretch, dz_sum_cols, dz_sum_rows,
    dz_typenum, dz_view, grad_target, grad_view, has_grad, kernels, new_value, new_variable, ptrdiff_t, recording,
    set_even_grad, set_shown_grad, traced, view)

from dezero_c import _core
from dezero_c._ops import exp, where
from dezero_c._shape import broadcast_to, reshape, transpose

cnp.import_array()
dz_bind(kernels())

cdef extern from "families/reduce.h":
    dz_kernel dz_scale_grad(int) noexcept
    dz_kernel dz_extreme_grad(int) noexcept
    dz_kernel dz_quotient_grad(int) noexcept
    void dz_max_rows(int, ptrdiff_t, ptrdiff_t, const char *, char *) noexcept
    void dz_max_cols(int, ptrdiff_t, ptrdiff_t, const char *, char *) noexcept
    void dz_min_rows(int, ptrdiff_t, ptrdiff_t, const char *, char *) noexcept
    void dz_min_cols(int, ptrdiff_t, ptrdiff_t, const char *, char *) noexcept

cdef extern from "generated/enum.h":
    enum:
        DZ_OP_ADD


cdef class Reduction(Function):
    """Reduction(axis=None, keepdims=False)\n--\n
    The base of the reductions: what they share of the way backwards."""

    cdef readonly object axis
    cdef readonly bint keepdims

    def __init__(self, axis=None, keepdims=False):
        self.axis = tuple(axis) if isinstance(axis, list) else axis
        self.keepdims = keepdims

    def _arguments(self):
        return (self.axis, self.keepdims)

    cdef tuple axes(self):
        return normal_axes(self.axis, self.in0.shape, type(self).__name__.lower())

    cdef tuple kept(self):
        """y's shape as it would be with keepdims."""
        return kept_shape(self.in0.shape, self.axes())

    cdef object value(self):
        """The output with its graph, in the shape that it has with keepdims; computed again if nobody holds it."""
        y = <Variable> self.out0 if self.out0 != NULL else self.again()
        return reshape(y, self.kept())

    cdef object again(self):
        raise NotImplementedError

    cdef object stretched(self, object gy):
        """gy in x's shape."""
        return broadcast_to(reshape(gy, self.kept()), self.in0.shape)

    cdef dz_kernel kernel(self, int dt, bint *reads, double *p) noexcept:
        """The gradient's kernel, whether it reads x and y, and its parameter; NULL: none that can take these values."""
        return NULL

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef Variable x = self.in0
        cdef dz_view xv, yv, gv
        cdef dz_args a
        cdef dz_kernel kernel
        cdef cnp.npy_intp kept[DZ_MAXDIM]
        cdef cnp.npy_intp sx[DZ_MAXDIM]
        cdef cnp.npy_intp sy[DZ_MAXDIM]
        cdef cnp.npy_intp sg[DZ_MAXDIM]
        cdef cnp.npy_intp so[DZ_MAXDIM]
        cdef const cnp.npy_intp *sts[DZ_NIN]
        cdef tuple shape = None
        cdef Py_ssize_t n = 1, step, item
        cdef double p = 0
        cdef bint acc, reads = False
        cdef int k
        if self.axis is not None:
            shape = self.kept()     # before the views: making a tuple may start a garbage collection
        if not view(x, &xv) or not grad_view(y, &gv) or gv.dt != xv.dt or gv.strides != NULL:
            return 0
        if shape is not None and len(shape) != xv.nd:
            return 0
        if not view(y, &yv) or yv.dt != xv.dt or yv.strides != NULL or yv.size != gv.size:
            return 0
        kernel = self.kernel(xv.dt, &reads, &p)
        for k in range(xv.nd):
            kept[k] = 1 if shape is None else <cnp.npy_intp> shape[k]
            n *= kept[k]
        if kernel == NULL or n != gv.size:
            return 0
        yv.nd = gv.nd = xv.nd
        yv.shape = gv.shape = kept
        if not dz_stretch(&gv, xv.nd, xv.shape, sg) or not dz_stretch(&yv, xv.nd, xv.shape, sy) \
                or not dz_stretch(&xv, xv.nd, xv.shape, sx):
            return 0
        step = item = dz_itemsize(xv.dt)
        if not reads and not has_grad(x) \
                and (xv.size * step >= SPREAD_BYTES or gv.size == 1 and not dz_raw_fits(xv.dt, xv.nd, xv.size)):
            spread(x, &xv, &gv, kernel, &p)
            return 1
        for k in range(xv.nd - 1, -1, -1):
            so[k] = step
            step *= xv.shape[k]
        a.out = grad_target(x, &xv, &acc)
        a.acc = acc
        a.p = &p
        a.in_[DZ_X0] = xv.p
        a.in_[DZ_Y] = yv.p
        a.in_[DZ_GY] = gv.p
        if gv.size == 1 and not reads:
            a.n = xv.size
            a.os = a.st[DZ_X0] = a.st[DZ_Y] = item
            dz_even(kernel, &a, 1 << DZ_GY)
            return 1
        sts[DZ_X0] = sx
        sts[DZ_Y] = sy
        sts[DZ_GY] = sg
        dz_map(kernel, &a, (1 << DZ_X0 | 1 << DZ_Y | 1 << DZ_GY) if reads else 1 << DZ_GY, xv.nd,
               <const ptrdiff_t *> xv.shape, <const ptrdiff_t *const *> sts, <const ptrdiff_t *> so)
        return 1


# From this size on the gradient of a sum or a mean is a view of y's, with strides of 0, as in DeZero: writing it out would
# take longer than all the rest, and what reads it next reads less memory. A single number is stretched to any array that a
# node does not hold itself (G_EVEN); elementwise operations take it from there by dz_even.
cdef enum:
    SPREAD_BYTES = 65536


cdef int spread(Variable x, const dz_view *xv, const dz_view *gv, dz_kernel kernel, const double *p) except -1:
    """x's gradient as a read-only view, stretched over x, of what the kernel makes of y's gradient (seen by gv in the shape
    that it has with keepdims)."""
    cdef object base = cnp.PyArray_EMPTY(gv.nd, <cnp.npy_intp *> gv.shape, dz_typenum(gv.dt), 0), a
    cdef cnp.npy_intp st[DZ_MAXDIM]
    cdef dz_view bv = gv[0]
    cdef dz_args args
    args.n = gv.size
    args.in_[DZ_GY] = gv.p
    args.st[DZ_X0] = args.st[DZ_Y] = args.st[DZ_GY] = args.os = dz_itemsize(gv.dt)
    args.out = cnp.PyArray_BYTES(base)
    args.acc = 0
    args.p = p
    kernel(&args)
    bv.p = args.out
    dz_stretch(&bv, xv.nd, xv.shape, st)
    a = cnp.PyArray_New(cnp.ndarray, xv.nd, <cnp.npy_intp *> xv.shape, dz_typenum(xv.dt), st, args.out, 0, 0, None)
    cnp.set_array_base(a, base)
    if gv.size == 1:
        set_even_grad(x, a)
    else:
        set_shown_grad(x, a)
    return 0


cdef object reduced(object method, Variable v, object axis, bint keepdims, str op):
    """What NumPy's method gives; its errors name the operation and the shape."""
    if v.dtype.kind == "c" and op in ("max", "min"):
        raise TypeError(f"{op}: not defined for {v.dtype}: complex numbers have no order; take it of their abs, real or imag")
    try:
        return method(axis=axis, keepdims=keepdims)
    except np.exceptions.AxisError:
        raise np.exceptions.AxisError(f"{op}: axis {axis} is not one of the {v.ndim} axes of shape {v.shape}") from None
    except (ValueError, TypeError) as error:
        raise type(error)(f"{op}: {error} (shape {v.shape}, axis {axis})") from error


cdef class Sum(Reduction):
    """Sum(axis=None, keepdims=False)\n--\n
    The class behind `sum`: `Sum(axis, keepdims)(x)`."""

    def forward(self, x):
        return array_sum(x, self.axis, self.keepdims)

    cdef int compute(self, Variable y) except -1:
        return total(self.in0, self.axis, self.keepdims, False, y)

    def backward(self, gy):
        return self.stretched(gy)

    cdef dz_kernel kernel(self, int dt, bint *reads, double *p) noexcept:
        return dz_ops[DZ_OP_ADD].bwd[0][dt]


def array_sum(x, axis, keepdims):
    """x.sum; of many float32 or float16 values in double, since along some axes NumPy adds one after the other."""
    if cnp.PyArray_Check(x) and x.dtype.kind == "f" and x.itemsize < 8 and x.size > 128:
        return x.sum(axis=axis, keepdims=keepdims, dtype=np.float64).astype(x.dtype.newbyteorder("="))
    return x.sum(axis=axis, keepdims=keepdims)


cdef enum:
    LARGE = 65536       # elements from which on NumPy's overhead no longer matters


cdef struct Along:
    # All elements, or one axis, of a contiguous value: n of them make one of `rest`; `outer` blocks of them follow each other.
    ptrdiff_t n, rest, outer
    bint last                   # the n lie side by side
    int nd                      # the result's shape
    cnp.npy_intp shape[DZ_MAXDIM]


cdef bint lies_along(Variable v, dz_view *w, object axis, bint keepdims, Along *a):
    """False for other axes, for an array without elements, and where no kernel takes them."""
    cdef Py_ssize_t k
    cdef int i
    if not view(v, w) or w.strides != NULL or w.size == 0:
        return False
    a.n = w.size
    a.nd = 0
    a.outer = 1
    k = w.nd - 1
    if axis is not None:
        if type(axis) is not int or not -w.nd <= axis < w.nd:
            return False
        k = axis
        if k < 0:
            k += w.nd
        a.n = w.shape[k]
        if k < w.nd - 1:
            for i in range(k):
                a.outer *= w.shape[i]
    for i in range(w.nd):
        if axis is not None and i != k:
            a.shape[a.nd] = w.shape[i]
            a.nd += 1
        elif keepdims:
            a.shape[a.nd] = 1
            a.nd += 1
    a.rest = w.size // a.n
    a.last = k == w.nd - 1
    return True


cdef bint total(Variable v, object axis, bint keepdims, bint divided, Variable y) except -1:
    """Gives y, which has no value, the sum, or the mean; False where lies_along says no. In NumPy's order, as far as dz_sum_rows
    has it, the mean as in mean_array."""
    cdef dz_view w
    cdef Along a
    cdef Py_ssize_t k, step, item
    cdef double share
    cdef char *p
    if not lies_along(v, &w, axis, keepdims, &a):
        return False
    item = dz_itemsize(w.dt)
    p = new_value(y, w.dt, a.nd, a.shape, a.rest)
    if a.last:
        dz_sum_cols(w.dt, w.p, a.rest, a.n, p, 0)
    else:
        step = a.rest // a.outer
        for k in range(a.outer):
            dz_sum_rows(w.dt, w.p + k * a.n * step * item, a.n, step, p + k * step * item, 0)
    if divided:
        share = 1.0 / a.n
        for k in range(a.rest):
            if w.dt == DZ_F64:
                (<double *> p)[k] *= share
            else:
                (<float *> p)[k] *= <float> share
    if dz_fpe_test():
        dz_fpe_clear()
        if divided:
            mean_array(data_of(v), axis, keepdims)      # for NumPy's warnings
        else:
            data_of(v).sum(axis=axis)
    return True


cdef bint extreme(Variable v, object axis, bint keepdims, bint largest, Variable y) except -1:
    """Gives y, which has no value, the largest or smallest one; False where lies_along says no, and where NumPy's loop is
    faster."""
    cdef dz_view w
    cdef Along a
    cdef char *p
    if not lies_along(v, &w, axis, keepdims, &a) or a.outer > 1 or (a.last and w.size >= LARGE):
        return False
    p = new_value(y, w.dt, a.nd, a.shape, a.rest)
    if a.last:
        (dz_max_cols if largest else dz_min_cols)(w.dt, a.rest, a.n, w.p, p)
    else:
        (dz_max_rows if largest else dz_min_rows)(w.dt, a.n, a.rest, w.p, p)
    if dz_fpe_test():       # comparing with nan, of which NumPy says nothing
        dz_fpe_clear()
    return True


def sum(x, axis=None, keepdims=False):
    """Sum of the elements over the axes given.

    axis: int, tuple of ints (negative ones count from the end), or None for all; keepdims: the axes stay with length 1.
    float32 is at least as exact as NumPy's
    pairwise sum along every axis, float64 rounded as NumPy's. Raises ValueError (AxisError) for an axis that x does not have.
    """
    cdef Variable v = argument(x, "sum"), y = new_variable(v.era)     # before a view of v: it may start a garbage collection
    if total(v, axis, keepdims, False, y):
        return call_native(Sum(axis, keepdims), (v,), y)
    if isinstance(axis, list):
        axis = tuple(axis)
    return call_native(Sum(axis, keepdims), (v,), reduced(partial(array_sum, data_of(v)), v, axis, keepdims, "sum"))


cdef class Mean(Reduction):
    """Mean(axis=None, keepdims=False)\n--\n
    The class behind `mean`: `Mean(axis, keepdims)(x)`."""

    def forward(self, x):
        return mean_array(x, self.axis, self.keepdims)

    cdef int compute(self, Variable y) except -1:
        return total(self.in0, self.axis, self.keepdims, True, y)

    cdef double share(self):
        cdef tuple shape = self.in0.shape
        cdef double n = 1
        for k in self.axes():
            n *= shape[k]
        return 1 / n if n else 0.0

    def backward(self, gy):
        return self.stretched(gy * self.share())

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        self.param[0] = self.share()
        return Reduction.vjp_raw(self, y, keep)

    cdef dz_kernel kernel(self, int dt, bint *reads, double *p) noexcept:
        p[0] = self.param[0]
        return dz_scale_grad(dt)


cdef object mean_array(object x, object axis, bint keepdims):
    """The sum times 1/n, as DeZero rounds; of nothing: NumPy's nan, with its warning."""
    cdef object total
    if not cnp.PyArray_Check(x) or x.dtype.kind not in "fiub" or x.size == 0:
        return np.mean(x, axis=axis, keepdims=keepdims)
    if x.dtype == np.float16:       # NumPy adds these in float32
        return np.mean(x, axis=axis, keepdims=keepdims)
    total = array_sum(x, axis, keepdims)
    return total * (total.size / x.size)


def mean(x, axis=None, keepdims=False):
    """Mean of the elements over the axes given.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. Integers give float64. Raises AxisError
    for an axis that x does not have.
    """
    cdef Variable v = argument(x, "mean")
    cdef Mean f = Mean(axis, keepdims)
    cdef Variable y = new_variable(v.era)   # first, as above
    if total(v, axis, keepdims, True, y):
        return call_native(f, (v,), y)
    normal_axes(axis, v.shape, "mean")
    return run(f, (v,))


average = mean


cdef class Max(Reduction):
    """Max(axis=None, keepdims=False, ties="whole")\n--\n
    The class behind `max`: `Max(axis, keepdims, ties)(x)`. Every element that equals the maximum gets the gradient, or with
    ties="share" its part of it."""

    cdef readonly object ties

    def __init__(self, axis=None, keepdims=False, ties="whole"):
        Reduction.__init__(self, axis, keepdims)
        if ties not in ("whole", "share"):
            raise ValueError(f"{type(self).__name__.lower()}: ties={ties!r} is neither 'whole', each of equal elements gets the "
                             "gradient, nor 'share', they share it")
        self.ties = ties

    def _arguments(self):
        return (self.axis, self.keepdims, self.ties)

    def forward(self, x):
        return x.max(axis=self.axis, keepdims=self.keepdims)

    cdef int compute(self, Variable y) except -1:
        return extreme(self.in0, self.axis, self.keepdims, True, y)

    cdef object again(self):
        return max(self.in0, self.axis, self.keepdims, ties=self.ties)

    def backward(self, gy):
        cdef Variable y = self.value()
        cdef object x = data_of(self.in0), chosen = x == data_of(y)
        if self.ties == "share":
            chosen = chosen / np.maximum(chosen.sum(axis=self.axes(), keepdims=True), 1)
        return self.stretched(gy) * (chosen.astype(x.dtype) if x.dtype.kind == "f" else chosen)

    cdef dz_kernel kernel(self, int dt, bint *reads, double *p) noexcept:
        reads[0] = True
        return dz_extreme_grad(dt) if self.ties == "whole" else NULL


cdef class Min(Max):
    """Min(axis=None, keepdims=False, ties="whole")\n--\n
    The class behind `min`: `Min(axis, keepdims, ties)(x)`; ties as in Max."""

    def forward(self, x):
        return x.min(axis=self.axis, keepdims=self.keepdims)

    cdef int compute(self, Variable y) except -1:
        return extreme(self.in0, self.axis, self.keepdims, False, y)

    cdef object again(self):
        return min(self.in0, self.axis, self.keepdims, ties=self.ties)


def max(x, axis=None, keepdims=False, *, ties="whole"):
    """Largest element over the axes given.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. ties: where several elements are equal,
    "whole" gives each the whole gradient, as in DeZero; with "share" they share it, as `maximum`, `minimum` and `norm` of
    infinite order always do. nan wins. Raises ValueError when there is nothing to choose from and for another `ties`, AxisError
    for an axis that x does not have, TypeError for complex numbers.
    """
    cdef Variable v = argument(x, "max")
    cdef Variable y = new_variable(v.era)   # first, as above
    cdef Max f = Max(axis, keepdims, ties)
    if extreme(v, axis, keepdims, True, y):
        return call_native(f, (v,), y)
    return call_native(f, (v,), reduced(data_of(v).max, v, f.axis, keepdims, "max"))


def min(x, axis=None, keepdims=False, *, ties="whole"):
    """Smallest element over the axes given.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. ties: where several elements are equal,
    "whole" gives each the whole gradient, as in DeZero; with "share" they share it. nan wins. Raises ValueError when there is
    nothing to choose from and for another `ties`, AxisError for an axis that x does not have, TypeError for complex numbers.
    """
    cdef Variable v = argument(x, "min")
    cdef Variable y = new_variable(v.era)   # first, as above
    cdef Min f = Min(axis, keepdims, ties)
    if extreme(v, axis, keepdims, False, y):
        return call_native(f, (v,), y)
    return call_native(f, (v,), reduced(data_of(v).min, v, f.axis, keepdims, "min"))


cdef class Prod(Reduction):
    """Prod(axis=None, keepdims=False)\n--\n
    The class behind `prod`: `Prod(axis, keepdims)(x)`."""

    def forward(self, x):
        return x.prod(axis=self.axis, keepdims=self.keepdims)

    cdef object again(self):
        return prod(self.in0, self.axis, self.keepdims)

    def backward(self, gy):
        if np.all(data_of(self.in0)):
            return self.stretched(gy) * (self.value() / self.in0)
        return self.stretched(gy) * self.others()

    cdef object others(self):
        """For each element the product of all others along the axes, without a division: the axes to the end and into one
        of length n, an n x n table whose diagonal is 1, the product of its rows. n times x's memory; for x with zeros."""
        cdef Variable x = self.in0
        cdef tuple axes = self.axes(), shape = x.shape, order, back
        cdef list front = [k for k in range(len(shape)) if k not in axes]
        cdef Py_ssize_t n = 1
        for k in axes:
            n *= shape[k]
        order = (*front, *axes)
        back = tuple([order.index(k) for k in range(len(shape))])
        moved = transpose(x, order)
        table = broadcast_to(reshape(moved, (-1, 1, n)), (x.size // n if n else 0, n, n))
        product = prod(where(np.eye(n, dtype=bool), np.ones((), x.dtype), table), -1)
        return transpose(reshape(product, moved.shape), back)

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        if not np.all(data_of(self.in0)):
            return 0
        return Reduction.vjp_raw(self, y, keep)

    cdef dz_kernel kernel(self, int dt, bint *reads, double *p) noexcept:
        reads[0] = True
        return dz_quotient_grad(dt)


def prod(x, axis=None, keepdims=False):
    """Product of the elements over the axes given; the gradient is right where elements are 0, too.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. Raises AxisError for an axis that x does
    not have.
    """
    cdef Variable v = argument(x, "prod")
    cdef Prod f = Prod(axis, keepdims)
    return call_native(f, (v,), reduced(data_of(v).prod, v, f.axis, keepdims, "prod"))


cdef class Kink(Function):
    """Kink(none)\n--\n
    Zeros, whose gradient is nan where `none` is True: the class behind `kink`."""

    cdef object none

    def __init__(self, none):
        self.none = none

    def _arguments(self):
        return (self.none,)

    def forward(self, x):
        return np.zeros_like(x)

    def backward(self, gy):
        return gy * np.where(self.none & (data_of(gy) != 0), np.nan, 0).astype(gy.dtype)


def kink(x, none):
    """What is added to a gradient that is 0 by agreement where `none`: the function has none there, and so the second derivative
    is nan."""
    return run(Kink(none), (x,))


cdef object same_values(object x, object axis, bint keepdims):
    """Where all values along the axes are one finite number."""
    cdef object most = x.max(axis=axis, keepdims=keepdims)
    return (most == x.min(axis=axis, keepdims=keepdims)) & np.isfinite(most)


cdef class Var(Reduction):
    """Var(axis=None, ddof=0, keepdims=False)\n--\n
    The class behind `var`: `Var(axis, ddof, keepdims)(x)`."""

    cdef readonly object ddof

    def __init__(self, axis=None, ddof=0, keepdims=False):
        Reduction.__init__(self, axis, keepdims)
        self.ddof = ddof

    def _arguments(self):
        return (self.axis, self.ddof, self.keepdims)

    def forward(self, x):
        # as in array_sum; squares of float16 may be more than it holds
        wide = x.dtype.kind == "f" and x.itemsize < 8 and (x.size > 128 or half_array(x))
        y = np.asarray(x.var(axis=self.axis, ddof=self.ddof, keepdims=self.keepdims, dtype=np.float64 if wide else None))
        if wide:
            y = y.astype(x.dtype.newbyteorder("="))
        if x.size and x.dtype.kind == "f":      # equal values: 0, where rounding the mean may leave some 1e-34
            even = same_values(x, self.axis, self.keepdims)
            if np.any(even):
                y = np.where(even, 0, y).astype(y.dtype)
        return y

    def backward(self, gy):
        return self.spread(gy)

    cdef object spread(self, object gy):
        """gy * 2 (x - mean) / (n - ddof)."""
        cdef Variable x = self.in0
        cdef tuple axes = self.axes()
        cdef object gx, values = data_of(x)
        n = 1
        for k in axes:
            n *= x.shape[k]
        gx = self.stretched(gy * (2 / (n - self.ddof) if n > self.ddof else np.nan)) * (x - mean(x, axes, True))
        if values.size and values.dtype.kind == "f":
            even = same_values(values, axes, True)
            if np.any(even):    # the distances from the mean are rounding errors
                return gx - np.where(even, data_of(gx), 0).astype(gx.dtype)
        return gx


def var(x, axis=None, ddof=0, keepdims=False):
    """Variance over the axes given: mean((x - mean(x)) ** 2), with n - ddof in place of n.

    axis: int, tuple of ints, or None for all; ddof: 1 for the unbiased estimate of a sample; keepdims: the axes stay with
    length 1. Integers give float64. Raises ValueError when ddof leaves nothing to divide by, TypeError for complex values.
    """
    cdef Variable v = argument(x, "var")
    cdef Var f = Var(axis, ddof, keepdims)
    check_spread(v, axis, ddof, "var")
    return narrowed(run(f, (widened(v),)), is_half(v))


cdef int check_spread(Variable v, object axis, object ddof, str op) except -1:
    cdef tuple shape = v.shape
    if v.dtype.kind == "c":
        raise TypeError(f"{op}: not defined for {v.dtype}; take the variance of v.data.real and v.data.imag")
    n = 1
    for k in normal_axes(axis, shape, op):
        n *= shape[k]
    if n <= ddof:
        raise ValueError(f"{op}: {n} values along axis {axis} of shape {shape} and ddof={ddof} leave nothing to divide by")
    return 0


cdef class Std(Var):
    """Std(axis=None, ddof=0, keepdims=False)\n--\n
    The class behind `std`: `Std(axis, ddof, keepdims)(x)`."""

    def forward(self, x):
        if half_array(x):
            return Std.forward(self, x.astype(np.float32)).astype(np.float16)
        return np.asarray(np.sqrt(Var.forward(self, x)))

    cdef object again(self):
        return std(self.in0, self.axis, self.ddof, self.keepdims)

    def backward(self, gy):
        cdef Variable y = self.value()
        cdef object none = data_of(y) == 0, gx
        gx = self.spread(reshape(gy, y.shape) * np.asarray(~none, y.dtype) / (2 * (y + np.asarray(none, y.dtype))))
        return gx + kink(self.in0, none) if recording() and none.any() else gx


def std(x, axis=None, ddof=0, keepdims=False):
    """Standard deviation over the axes given, the root of `var`. Where all values are equal its gradient is 0, as the norm's is,
    and its second derivatives are nan.

    axis: int, tuple of ints, or None for all; ddof: 1 for the unbiased variance of a sample; keepdims: the axes stay with
    length 1. Raises ValueError when ddof leaves nothing to divide by.
    """
    cdef Variable v = argument(x, "std")
    check_spread(v, axis, ddof, "std")
    return narrowed(run(Std(axis, ddof, keepdims), (widened(v),)), is_half(v))


cdef class LogSumExp(Reduction):
    """LogSumExp(axis=None, keepdims=False)\n--\n
    The class behind `logsumexp`: `LogSumExp(axis, keepdims)(x)`."""

    def forward(self, x):
        cdef object m, s
        if x.dtype.kind in "iub":
            x = x.astype(np.float64)
        if half_array(x):
            return np.asarray(self.forward(x.astype(np.float32))).astype(np.float16)
        m = x.real.max(axis=self.axis, keepdims=True)
        s = np.where(np.isfinite(m), m, 0).astype(x.dtype)      # inf - inf would be nan
        with np.errstate(divide="ignore"):
            m = np.log(array_sum(np.exp(x - s), self.axis, True)) + s
        return m if self.keepdims else m.reshape(
            [n for k, n in enumerate(x.shape) if k not in normal_axes(self.axis, x.shape, "logsumexp")])

    cdef object again(self):
        return logsumexp(self.in0, self.axis, self.keepdims)

    def backward(self, gy):
        return self.stretched(gy) * exp(self.in0 - self.value())


def logsumexp(x, axis=None, keepdims=False):
    """log(sum(exp(x))) over the axes given, without overflow: the maximum is subtracted first.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. Raises ValueError when there is nothing
    to add, AxisError for an axis that x does not have.
    """
    cdef Variable v = argument(x, "logsumexp")
    cdef LogSumExp f = LogSumExp(axis, keepdims)
    for k in normal_axes(axis, v.shape, "logsumexp"):
        if v.shape[k] == 0:
            raise ValueError(f"logsumexp: nothing to add along axis {axis} of shape {v.shape}")
    return narrowed(run(f, (widened(v),)), is_half(v))


def argmax(x, axis=None, keepdims=False):
    """Index of the largest element along `axis` (an int, or None: in the flattened array), the first of equal ones: a Variable
    of integers, without a graph, since it has no gradient. Raises ValueError for an empty axis, AxisError for one that x does
    not have."""
    cdef Variable v = argument(x, "argmax")
    return call_free(v, reduced(data_of(v).argmax, v, axis, keepdims, "argmax"), "argmax", axis, keepdims)


def argmin(x, axis=None, keepdims=False):
    """Index of the smallest element along `axis` (an int, or None: in the flattened array), the first of equal ones: a Variable
    of integers, without a graph, since it has no gradient. Raises ValueError for an empty axis, AxisError for one that x does
    not have."""
    cdef Variable v = argument(x, "argmin")
    return call_free(v, reduced(data_of(v).argmin, v, axis, keepdims, "argmin"), "argmin", axis, keepdims)


cdef Variable call_free(Variable v, object value, str name, object axis, object keepdims):
    """A result that no gradient passes through."""
    cdef Variable y = new_variable(v.era)
    y._data = np.asarray(value)
    if traced():
        derived(y, partial(_place_of, name, axis, keepdims), (v,))
    return y


def _place_of(name, axis, keepdims, x):
    """argmax or argmin."""
    return np.asarray(getattr(x, name)(axis=axis, keepdims=keepdims))


_core.register_methods(max=max, mean=mean, min=min, prod=prod, std=std, sum=sum, var=var)
include "generated/_reduce.pxi"
