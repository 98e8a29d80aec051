# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Operations that move values about: reshape, transpose, broadcasting and its opposite, joining and splitting.

One class each. `forward` and `backward` are the definition, over ndarrays and Variables; `vjp_raw` is the same backward
without a graph, for float32 and float64: a copy (the kernel of add's gradient, which is the identity) over the right strides.
reshape and transpose give views, as NumPy does.
"""

import warnings

import numpy as np

cimport numpy as cnp

from cpython.object cimport PyObject
from libc.limits cimport INT_MAX

from dezero_c._arrays cimport argument
from dezero_c._core cimport (
    DZ_GY, DZ_MAXDIM, DZ_NIN, Function, Variable, call_native, data_of, drop_grad, dz_args, dz_bind, dz_fpe_clear, dz_fpe_test,
    dz_itemsize, dz_map, dz_map_sum, dz_ops, dz_same_shape, dz_stretch, dz_typenum, dz_view, dz_view_object, grad_target,
    grad_view, has_grad, kernels, new_value, new_variable, ptrdiff_t, set_data_array, share_grad, view)
from dezero_c._elementwise cimport summed_axes

from dezero_c import _core

cnp.import_array()
dz_bind(kernels())

cdef extern from "generated/enum.h":
    enum:
        DZ_OP_ADD


cdef int copy_into(Variable x, const dz_view *xv, const char *p, const cnp.npy_intp *strides) except -1:
    """x's gradient gets, or grows by, the values at p with those byte strides along x's axes."""
    cdef dz_args a
    cdef cnp.npy_intp so[DZ_MAXDIM]
    cdef const cnp.npy_intp *sts[DZ_NIN]
    cdef bint acc
    cdef Py_ssize_t step = dz_itemsize(xv.dt)
    cdef int k
    for k in range(xv.nd - 1, -1, -1):
        so[k] = step
        step *= xv.shape[k]
    sts[DZ_GY] = strides
    a.out = grad_target(x, xv, &acc)
    a.acc = acc
    a.in_[DZ_GY] = p
    dz_map(dz_ops[DZ_OP_ADD].bwd[0][xv.dt], &a, 1 << DZ_GY, xv.nd, <const ptrdiff_t *> xv.shape,
           <const ptrdiff_t *const *> sts, <const ptrdiff_t *> so)
    return 0


cdef bint add_sums(const dz_view *source, const dz_view *target, char *out, bint acc):
    """The sum of what `source` sees over the axes along which `target`'s shape would be stretched to it, written or added to
    `out`. False, having done nothing, where it would not, and where no kernel sums over these axes."""
    cdef dz_args a
    cdef cnp.npy_intp st[DZ_MAXDIM]
    cdef const cnp.npy_intp *sts[DZ_NIN]
    cdef int lead, how
    if not dz_stretch(target, source.nd, source.shape, st):     # data may have changed since forward
        return False
    how = summed_axes(target, source, &lead)
    if how < 0 or not dz_stretch(source, source.nd, source.shape, st):
        return False
    sts[DZ_GY] = st
    a.in_[DZ_GY] = source.p
    a.p = NULL
    return dz_map_sum(dz_ops[DZ_OP_ADD].bwd[0][source.dt], &a, 1 << DZ_GY, source.dt, source.nd, <const ptrdiff_t *> source.shape,
                      <const ptrdiff_t *const *> sts, lead, how, out, acc) != 0


cdef int lengths_of(tuple shape, cnp.npy_intp *lengths) except -2:
    """The number of axes, their lengths in `lengths`; -1 where they are too many, or are not ints that a length can be."""
    cdef Py_ssize_t i, n = len(shape)
    if n > DZ_MAXDIM:
        return -1
    for i in range(n):
        if type(shape[i]) is not int or not 0 <= shape[i] <= INT_MAX:
            return -1
        lengths[i] = shape[i]
    return <int> n


cdef bint views_agree(Variable x, Variable y, dz_view *xv, dz_view *gv):
    """Whether x's value and y's gradient can be read by kernels in one dtype."""
    return view(x, xv) and grad_view(y, gv) and xv.dt == gv.dt


cdef class Reshape(Function):
    """Reshape(shape)\n--\n
    The class behind `reshape`: `Reshape(shape)(x)`."""

    cdef readonly object shape

    def __init__(self, shape):
        self.shape = shape

    def _arguments(self):
        return (self.shape,)

    def forward(self, x):
        return x.reshape(self.shape)

    cdef int compute(self, Variable y) except -1:
        cdef object a = data_of(self.in0)
        if not cnp.PyArray_Check(a):
            return 0
        set_data_array(y, (<cnp.ndarray> a).reshape(self.shape))
        return 1

    def backward(self, gy):
        return reshape(gy, self.in0.shape)

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef dz_view xv, gv
        cdef dz_args a
        cdef bint acc
        if not views_agree(self.in0, y, &xv, &gv) or gv.strides != NULL or gv.size != xv.size:
            return 0
        if share_grad(self.in0, y, &xv):
            return 1
        a.out = grad_target(self.in0, &xv, &acc)
        a.acc = acc
        a.n = xv.size
        a.in_[DZ_GY] = gv.p
        a.st[DZ_GY] = a.os = dz_itemsize(xv.dt)
        dz_ops[DZ_OP_ADD].bwd[0][xv.dt](&a)
        return 1


def reshape(x, shape):
    """The same values in another shape, a view where NumPy gives one.

    shape: int or tuple; one length may be -1. Returns x itself where it has that shape. Raises ValueError when the number of
    elements differs.
    """
    cdef Variable v = argument(x, "reshape")
    cdef object a = data_of(v), r
    cdef Reshape f
    if type(shape) is not tuple:
        shape = tuple(shape) if isinstance(shape, (list, np.ndarray)) else (shape,)
    if a.shape == shape:
        return v
    f = Reshape(shape)      # before the work: a profile has the beginning by it
    try:
        r = a.reshape(shape)
    except ValueError as error:
        raise ValueError(f"reshape: an array of shape {a.shape} has {a.size} elements, which do not fill shape {shape}; "
                         "one length may be -1") from error
    return call_native(f, (v,), r)


cdef class Transpose(Function):
    """Transpose(axes=None)\n--\n
    The class behind `transpose`: `Transpose(axes)(x)`."""

    cdef readonly object axes

    def __init__(self, axes=None):
        self.axes = axes

    def _arguments(self):
        return (self.axes,)

    def forward(self, x):
        return x.transpose(self.axes)

    cdef list inverse(self, int nd):
        """axes[i] of x went to i; where did axis j go?"""
        cdef list back = list(range(nd))
        if self.axes is None:
            back.reverse()
        else:
            for i, axis in enumerate(self.axes):
                back[axis % nd] = i
        return back

    cdef int compute(self, Variable y) except -1:
        cdef object a = data_of(self.in0)
        if not cnp.PyArray_Check(a):
            return 0
        set_data_array(y, (<cnp.ndarray> a).transpose(self.axes))
        return 1

    def backward(self, gy):
        return transpose(gy, tuple(self.inverse(self.in0.ndim)))

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef dz_view xv, gv
        cdef cnp.npy_intp sg[DZ_MAXDIM]
        cdef cnp.npy_intp st[DZ_MAXDIM]
        cdef list back
        cdef int j
        if self.axes is not None and len(self.axes) != self.in0.ndim:
            return 0
        back = self.inverse(self.in0.ndim)      # before the views: making a list may start a garbage collection
        if not views_agree(self.in0, y, &xv, &gv) or gv.nd != xv.nd or len(back) != xv.nd:
            return 0
        for j in range(xv.nd):
            if gv.shape[<int> back[j]] != xv.shape[j]:
                return 0
        dz_stretch(&gv, gv.nd, gv.shape, sg)
        for j in range(xv.nd):
            st[j] = sg[<int> back[j]]
        copy_into(self.in0, &xv, gv.p, st)
        return 1


def transpose(x, axes=None):
    """The axes in another order, a view.

    axes: a permutation of the axes (negative ones count from the end), or None to reverse them. Raises ValueError when it is
    no permutation.
    """
    cdef Variable v = argument(x, "transpose")
    cdef object a = data_of(v), r
    cdef Transpose f = Transpose()      # before the work, as in reshape
    try:
        r = a.transpose(axes)
    except ValueError as error:
        raise ValueError(f"transpose: axes {axes} are no permutation of the {a.ndim} axes of shape {a.shape}") from error
    if axes is not None:
        f.axes = tuple(axes)
    return call_native(f, (v,), r)


cdef class BroadcastTo(Function):
    """BroadcastTo(shape)\n--\n
    The class behind `broadcast_to`: `BroadcastTo(shape)(x)`."""

    cdef readonly object shape

    def __init__(self, shape):
        self.shape = shape

    def _arguments(self):
        return (self.shape,)

    def forward(self, x):
        return np.broadcast_to(x, self.shape)

    def backward(self, gy):
        return unbroadcast(gy, self.in0.shape)

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef dz_view xv, yv, gv
        cdef Variable x = self.in0
        cdef bint fresh = not has_grad(x), acc
        cdef char *out
        if not views_agree(x, y, &xv, &gv) or not view(y, &yv) or not dz_same_shape(&gv, &yv):
            return 0
        out = grad_target(x, &xv, &acc)
        if add_sums(&gv, &xv, out, acc):
            return 1
        if fresh:
            drop_grad(x)
        return 0


def broadcast_to(x, shape):
    """x's values repeated to `shape` (a tuple) by NumPy's rules, a read-only view. Returns x itself where it has that
    shape. Raises ValueError when it does not broadcast."""
    cdef Variable v = argument(x, "broadcast_to")
    cdef object r
    cdef BroadcastTo f
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    if v.shape == shape:
        return v
    f = BroadcastTo(shape)      # before the work, as in reshape
    try:
        r = stretched(data_of(v), shape)
        if r is None:
            r = np.broadcast_to(data_of(v), shape)
    except ValueError as error:
        raise ValueError(f"broadcast_to: shape {v.shape} does not broadcast to {shape}; axes must be equal or 1 from the "
                         "right") from error
    return call_native(f, (v,), r)


cdef object stretched(object a, tuple shape):
    """What np.broadcast_to gives, in a twentieth of its time; None where it has more to do, or to complain."""
    cdef dz_view w
    cdef cnp.npy_intp st[DZ_MAXDIM]
    cdef cnp.npy_intp lengths[DZ_MAXDIM]
    cdef int nd = lengths_of(shape, lengths)
    if nd < 0 or not dz_view_object(<PyObject *> a, &w) or not dz_stretch(&w, nd, lengths, st):
        return None
    r = cnp.PyArray_New(cnp.ndarray, nd, lengths, dz_typenum(w.dt), st, <char *> w.p, 0, 0, None)
    cnp.set_array_base(r, a)
    return r


cdef class SumTo(Function):
    """SumTo(shape)\n--\n
    The class behind `sum_to`: `SumTo(shape)(x)`."""

    cdef readonly object shape

    def __init__(self, shape):
        self.shape = shape

    def _arguments(self):
        return (self.shape,)

    def forward(self, x):
        return sum_to_array(x, self.shape)

    cdef int compute(self, Variable y) except -1:
        return sums(self.in0, self.shape, y)

    def backward(self, gy):
        return broadcast_to(gy, self.in0.shape)

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef dz_view xv, gv
        cdef cnp.npy_intp st[DZ_MAXDIM]
        if not views_agree(self.in0, y, &xv, &gv) or not dz_stretch(&gv, xv.nd, xv.shape, st):
            return 0
        copy_into(self.in0, &xv, gv.p, st)
        return 1


cdef bint fits_to(tuple full, tuple shape):
    """Whether an array of `shape` broadcasts to the shape `full`."""
    cdef int lead = len(full) - len(shape), i
    return lead >= 0 and not any([shape[i] != 1 and shape[i] != full[lead + i] for i in range(len(shape))])


cdef Variable leading_sums(Variable v, tuple shape):
    """What DeZero's sum_to makes of a shape that does not fit: sums over the leading axes and those where it is 1."""
    cdef tuple full = v.shape
    cdef int lead = len(full) - len(shape), i
    if lead < 0 or any([n < 0 for n in shape]):
        raise ValueError(f"sum_to: an array of shape {full} cannot be summed to {shape}; {shape} must broadcast to it")
    warnings.warn(f"sum_to: an array of shape {full} cannot be summed to {shape}, which does not broadcast to it; as in DeZero "
                  f"the leading axes are summed. Pass a shape that ends as {full} does, with 1 for what is to be summed",
                  UserWarning, stacklevel=2)
    kept = tuple([1 if shape[i] == 1 else full[lead + i] for i in range(len(shape))])
    return call_native(SumTo(kept), (v,), sum_to_array(data_of(v), kept))


cdef object sum_to_array(object x, tuple shape):
    cdef int lead = x.ndim - len(shape), i
    cdef tuple full = x.shape, axes
    if not fits_to(full, shape):
        raise ValueError(f"sum_to: an array of shape {full} cannot be summed to {shape}; {shape} must broadcast to it")
    axes = tuple([i for i in range(len(full)) if i < lead or (shape[i - lead] == 1 and full[i] != 1)])
    return x.sum(axis=axes, keepdims=True).reshape(shape)


def unbroadcast(x, shape):
    """`sum_to` that raises ValueError for a shape that does not fit: what gradients of stretched operands go through."""
    cdef Variable v = argument(x, "sum_to"), y
    if v.shape == shape:
        return v
    y = new_variable(v.era)     # before a view of v: making a node may start a garbage collection
    return call_native(SumTo(shape), (v,), y if sums(v, shape, y) else sum_to_array(data_of(v), shape))


def sum_to(x, shape):
    """The sum over those axes along which an array of `shape` would be repeated to x's shape: broadcasting backwards.
    Returns x itself where it has that shape. Where `shape` does not broadcast to x's the leading axes are summed, as in DeZero,
    with a UserWarning; ValueError where it has more axes than x."""
    cdef Variable v = argument(x, "sum_to")
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    return unbroadcast(v, shape) if fits_to(v.shape, shape) else leading_sums(v, shape)


cdef bint sums(Variable v, tuple shape, Variable y) except -1:
    """Gives y, which has no value, the sum; False where no kernel takes it: y's value is to be set then."""
    cdef dz_view w, t
    cdef cnp.npy_intp st[DZ_MAXDIM]
    cdef cnp.npy_intp lengths[DZ_MAXDIM]
    cdef int k
    t.nd = lengths_of(shape, lengths)
    if t.nd < 0 or not view(v, &w) or w.size == 0 or t.nd > w.nd:
        return False
    t.dt = w.dt
    t.shape = lengths
    t.strides = NULL
    t.size = 1
    if not dz_stretch(&t, w.nd, w.shape, st):   # before their product, which is w.size at most then
        return False
    for k in range(t.nd):
        t.size *= lengths[k]
    if not add_sums(&w, &t, new_value(y, t.dt, t.nd, t.shape, t.size), False):
        return False
    if dz_fpe_test():
        dz_fpe_clear()
        sum_to_array(data_of(v), shape)
    return True


_core.register_methods(reshape=reshape, transpose=transpose, broadcast_to=broadcast_to, sum_to=unbroadcast)
include "generated/_shape.pxi"
