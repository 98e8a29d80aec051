# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""What goes by the order of values: sort, median, quantiles, interpolation.

All of it is indexing, by places that are constants, and arithmetic on what was found there: gradients, of every order, go to the
elements that were chosen.
"""

import operator

import numpy as np

cimport numpy as cnp

from dezero_c._arrays cimport argument, floating, normal_axes
from dezero_c._core cimport Variable, data_of, read

from dezero_c._cast import cast
from dezero_c._index import get_item, take, take_along_axis
from dezero_c._ops import where
from dezero_c._shape import reshape, transpose

cnp.import_array()


def sort(x, axis=-1):
    """The elements in ascending order along an axis (None: of the flattened array), nan last; equal ones keep their order, and
    each has the gradient of its own place. Raises AxisError (a ValueError) for an axis that x does not have."""
    cdef Variable v = argument(x, "sort")
    cdef tuple shape
    cdef int k
    if axis is None:
        v, axis = reshape(v, (-1,)), 0
    shape = v.shape
    if not shape:
        raise np.exceptions.AxisError("sort: a 0-d array has no axis to sort along")
    k = normal_axes(operator.index(axis), shape, "sort")[0]
    return take_along_axis(v, np.argsort(read(v, "sort()"), k, kind="stable"), k)


cdef tuple in_rows(Variable v, object axis, str op):
    """(v with the axes to be reduced made one at the end, the shape of the others, that shape with keepdims)."""
    cdef tuple shape = v.shape, axes = normal_axes(axis, shape, op), others
    cdef Py_ssize_t n = 1
    cdef int i
    if v.dtype.kind not in "fiub":
        raise TypeError(f"{op}: values of {v.dtype} have no order")
    for i in axes:
        n *= shape[i]
    if n == 0:
        raise ValueError(f"{op}: nothing to choose from along axis {axis} of shape {shape}")
    others = tuple([i for i in range(len(shape)) if i not in axes])
    v = floating(v)
    if axes and axes != (len(shape) - 1,):
        v = transpose(v, (*others, *axes))
    return (reshape(v, (*[shape[i] for i in others], n)), tuple([shape[i] for i in others]),
            tuple([1 if i in axes else shape[i] for i in range(len(shape))]))


cdef object ranks(object a):
    """For each row of an ndarray the places of its elements in ascending order; where it holds nan, that of a nan throughout."""
    cdef object order = np.argsort(a, -1, kind="stable"), last = order[..., -1:]
    return np.where(np.isnan(np.take_along_axis(a, last, -1)), last, order)


cdef object ranked(object rows, object order, object k):
    """The elements of rank k in each row, without the last axis."""
    cdef object found = take_along_axis(rows, order[..., k:k + 1], -1)
    return reshape(found, found.shape[:-1])


def median(x, axis=None, keepdims=False):
    """The middle element in order over the axes given, or the mean of the two in the middle, each of which has half of the
    gradient; of equal elements the one chosen has it.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. nan wins. Integers give float64. Raises
    ValueError when there is nothing to choose from, AxisError for an axis that x does not have.
    """
    rows, shape, kept = in_rows(argument(x, "median"), axis, "median")
    order, n = ranks(read(rows, "median()")), rows.shape[-1]
    y = ranked(rows, order, n // 2)
    if n % 2 == 0:
        y = ranked(rows, order, n // 2 - 1) * 0.5 + y * 0.5     # their sum may overflow
    return reshape(y, kept if keepdims else shape)


def quantile(x, q, axis=None, keepdims=False):
    """What a share q of the elements over the axes given lies below: at rank q (n - 1), linear between the two elements next to
    it, which share the gradient accordingly, as np.quantile does by its method "linear".

    q: numbers from 0 to 1, of any shape, which comes before that of the result; a Variable has a gradient too. axis: int,
    tuple of ints, or None for all; keepdims: the axes stay with length 1. nan wins. Integers give float64. Raises ValueError
    for q outside of [0, 1] and when there is nothing to choose from, AxisError for an axis that x does not have.
    """
    cdef object share = data_of(argument(q, "quantile")), below, above, place, order, part, same, y
    rows, shape, kept = in_rows(argument(x, "quantile"), axis, "quantile")
    if share.dtype.kind not in "fiub" or not np.all((share >= 0) & (share <= 1)):
        raise ValueError(f"quantile: q must lie between 0 and 1; it is {share!r:.80}")
    n = rows.shape[-1]
    place = share.astype(np.float64) * (n - 1)
    below, above = np.floor(place).astype(np.intp), np.ceil(place).astype(np.intp)
    part = cast(q, np.float64) * float(n - 1) - below if isinstance(q, Variable) else place - below
    part = cast(part, rows.dtype) if isinstance(q, Variable) else part.astype(rows.dtype)
    order = ranks(read(rows, "quantile()"))
    low, high = (reshape(take_along_axis(rows, order[..., i.ravel()], -1), (*shape, *i.shape)) for i in (below, above))
    same = (below == above) | (np.isinf(data_of(low)) & (data_of(low) == data_of(high)))
    with np.errstate(invalid="ignore"):     # infinite ones, which are the same
        y = where(np.asarray(same, rows.dtype), low, low + (high * part - low * part))
    if share.ndim and shape:
        y = transpose(y, (*range(len(shape), len(shape) + share.ndim), *range(len(shape))))
    return reshape(y, (*share.shape, *(kept if keepdims else shape)))


def interp(x, xp, fp, left=None, right=None):
    """The function that is linear between the points (xp[i], fp[i]), at x, as np.interp.

    x: of any shape; xp: (n,), ascending, no two equal; fp: (n,). Below xp[0] it is `left`, fp[0] unless given, above xp[n - 1]
    `right`, fp[n - 1] unless given. All of them have gradients; at a point that of x is the slope to its right, at the last one
    to its left. float32 stays float32. Raises ValueError for points that do not ascend or shapes that do not fit.
    """
    cdef Variable xv, px, py
    cdef object places, i, a, y, x0, inner, slope
    cdef Py_ssize_t n
    xv, px, py = joined((x, xp, fp), "interp")
    places, a = read(px, "interp()"), data_of(xv)
    n = places.size
    if px.ndim != 1 or px.shape != py.shape or n == 0:
        raise ValueError(f"interp: xp and fp must be two vectors of one length, of 1 at least; they have shapes {px.shape} and "
                         f"{py.shape}")
    if a.dtype.kind != "f" or places.dtype.kind != "f":
        raise TypeError(f"interp: x and xp must be real; they are {a.dtype} and {places.dtype}")
    if not np.all(places[1:] > places[:-1]) or np.isnan(places[0]):
        raise ValueError("interp: xp must ascend, and no two may be equal; sort the points by xp first")
    low, high = a < places[0], a > places[n - 1]
    i = np.clip(np.searchsorted(places, a, "right") - 1, 0, max(n - 2, 0))
    # outside of the points a constant in x's place, so that a slope there has no gradient
    inner = where(low | high, np.clip(a, places[0], places[n - 1]).astype(a.dtype), xv)
    x0, y = take(px, i), take(py, i)
    slope = (take(py, i + 1) - y) / (take(px, i + 1) - x0) if n > 1 else 0.0
    y = y + (inner - x0) * slope
    y = where(low, get_item(py, 0) if left is None else left, y)
    return where(high, get_item(py, n - 1) if right is None else right, y)


cdef tuple joined(tuple xs, str op):
    """Arguments of an operation as Variables of floating-point numbers; lists and numbers take the dtype of the arrays."""
    cdef list vs = [floating(argument(x, op)) for x in xs]
    cdef list firm = [isinstance(x, (Variable, np.ndarray, np.generic)) for x in xs]
    cdef object dtype = np.zeros(0, np.result_type(*[v.dtype for v, f in zip(vs, firm) if f])).real.dtype if any(firm) else None
    return tuple([cast(v, dtype) if not f and dtype is not None and v.dtype.kind != "c" else v for v, f in zip(vs, firm)])


include "generated/_order.pxi"
