# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Reductions: operations that make one value of many along axes."""

import numpy as np

cimport numpy as cnp

from dezero_c._arrays cimport argument
from dezero_c._core cimport (
    DZ_MAXDIM, Function, Variable, call_native, data_of, dz_bind, dz_fpe_clear, dz_fpe_test, dz_stretch, dz_sum_cols, dz_view,
    kernels, new_value, new_variable, view)
from dezero_c._shape cimport copy_into, views_agree

from dezero_c import _core
from dezero_c._shape import broadcast_to, reshape

cnp.import_array()
dz_bind(kernels())


cdef class Sum(Function):
    """Sum(axis=None, keepdims=False)\n--\n
    The class behind `sum`: `Sum(axis, keepdims)(x)`."""

    cdef readonly object axis
    cdef readonly bint keepdims

    def __init__(self, axis=None, keepdims=False):
        self.axis = axis
        self.keepdims = keepdims

    def _arguments(self):
        return (self.axis, self.keepdims)

    def forward(self, x):
        return x.sum(axis=self.axis, keepdims=self.keepdims)

    cdef tuple kept_shape(self):
        """y's shape as it would be with keepdims."""
        cdef tuple shape = self.in0.shape
        cdef int nd = len(shape), i
        if self.axis is None:
            return (1,) * nd
        axes = [a % nd for a in (self.axis if isinstance(self.axis, (tuple, list)) else (self.axis,))] if nd else ()
        return tuple([1 if i in axes else shape[i] for i in range(nd)])

    def backward(self, gy):
        return broadcast_to(reshape(gy, self.kept_shape()), self.in0.shape)

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef dz_view xv, gv
        cdef cnp.npy_intp st[DZ_MAXDIM]
        cdef cnp.npy_intp kept[DZ_MAXDIM]
        cdef Py_ssize_t n = 1
        cdef int k
        cdef tuple shape = None
        if self.axis is not None:
            shape = self.kept_shape()       # before the views, as above
        if not views_agree(self.in0, y, &xv, &gv) or gv.strides != NULL:
            return 0
        if gv.size == 1:
            for k in range(xv.nd):
                st[k] = 0
        elif shape is None or len(shape) != xv.nd:
            return 0
        else:
            for k in range(xv.nd):
                kept[k] = shape[k]
                n *= kept[k]
            if n != gv.size:
                return 0
            gv.nd = xv.nd
            gv.shape = kept
            if not dz_stretch(&gv, xv.nd, xv.shape, st):
                return 0
        copy_into(self.in0, &xv, gv.p, st)
        return 1


def sum(x, axis=None, keepdims=False):
    """Sum of the elements over the axes given.

    axis: int, tuple of ints (negative ones count from the end), or None for all; keepdims: the axes stay with length 1.
    Rounded as NumPy's pairwise sum. Raises ValueError (AxisError) for an axis that x does not have.
    """
    cdef Variable v = argument(x, "sum"), y = None
    cdef dz_view w
    cdef char *p
    if axis is None and not keepdims:
        y = new_variable(v.era)     # before the view: making a node may start a garbage collection
    if y is not None and view(v, &w) and w.strides == NULL:
        p = new_value(y, w.dt, 0, NULL, 1)
        dz_sum_cols(w.dt, w.p, 1, w.size, p, 0)
        if dz_fpe_test():
            dz_fpe_clear()
            data_of(v).sum()
        return call_native(Sum(None, False), (v,), y)
    if isinstance(axis, list):
        axis = tuple(axis)
    try:
        total = data_of(v).sum(axis=axis, keepdims=keepdims)
    except np.exceptions.AxisError as error:
        raise np.exceptions.AxisError(f"sum: axis {axis} is not one of the {v.ndim} axes of shape {v.shape}") from error
    return call_native(Sum(axis, keepdims), (v,), total)


__all__ = ["Sum", "sum"]

_core.register_methods(sum=sum)
for _cls in (Sum,):
    _core.open_class(_cls)
