# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Indexing and its gradient, which is an operation itself."""

import numpy as np

cimport numpy as cnp

from dezero_c._arrays cimport argument
from dezero_c._core cimport Function, Variable, call_native, data_of

from dezero_c import _core

cnp.import_array()


cdef class GetItem(Function):
    """GetItem(slices)\n--\n
    The class behind `get_item` and `x[…]`: `GetItem(slices)(x)`."""

    cdef readonly object slices

    def __init__(self, slices):
        self.slices = slices

    def _arguments(self):
        return (self.slices,)

    def forward(self, x):
        return x[self.slices]

    def backward(self, gy):
        cdef Variable g = argument(gy, "get_item")
        return call_native(GetItemGrad(self.slices, self.in0.shape), (g,),
                           scatter(self.slices, self.in0.shape, data_of(g)))


cdef class GetItemGrad(Function):
    """GetItemGrad(slices, in_shape)\n--\n
    The gradient of indexing, an operation itself: gy's values at `slices` of zeros in shape `in_shape`."""

    cdef readonly object slices, in_shape

    def __init__(self, slices, in_shape):
        self.slices = slices
        self.in_shape = in_shape

    def _arguments(self):
        return (self.slices, self.in_shape)

    def forward(self, gy):
        return scatter(self.slices, self.in_shape, gy)

    def backward(self, ggx):
        return get_item(ggx, self.slices)


cdef bint is_basic(object index):
    """Whether NumPy gives a view for this index, where no element can be named twice."""
    if isinstance(index, tuple):
        for i in index:
            if not (i is None or i is Ellipsis or isinstance(i, (int, slice, np.integer)) and not isinstance(i, bool)):
                return False
        return True
    return index is None or index is Ellipsis or isinstance(index, (int, slice, np.integer)) and not isinstance(index, bool)


cdef object scatter(object slices, object shape, object gy):
    cdef object gx = np.zeros(shape, gy.dtype)
    try:
        if is_basic(slices):
            gx[slices] = gy
        else:
            np.add.at(gx, slices, gy)
    except (ValueError, IndexError) as error:
        raise ValueError(f"get_item: a gradient of shape {gy.shape} does not fit the index in an array of shape {shape}; was "
                         "the data rebound to another shape since forward?") from error
    return gx


def get_item(x, slices):
    """x[slices], with every index that NumPy has; elements that are named twice get both gradients.

    Raises IndexError as NumPy does, with the shape in its text.
    """
    cdef Variable v = argument(x, "get_item")
    cdef object a = data_of(v), r
    if isinstance(slices, Variable):
        slices = data_of(<Variable> slices)
    elif isinstance(slices, tuple):
        slices = tuple([data_of(<Variable> s) if isinstance(s, Variable) else s for s in slices])
    try:
        r = a[slices]
    except IndexError as error:
        raise IndexError(f"get_item: {error} (the array has shape {a.shape})") from error
    return call_native(GetItem(slices), (v,), r)


__all__ = ["GetItem", "GetItemGrad", "get_item"]

_core.register_methods(get_item=get_item)
for _cls in (GetItem, GetItemGrad):
    _core.open_class(_cls)
