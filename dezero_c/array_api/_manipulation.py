"""The namespace's functions that move, choose and look for elements: shapes, indices, searching, sets, order."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dezero_c import functions as F
from dezero_c._constants import constant
from dezero_c._core import Variable, as_variable
from dezero_c.array_api._operands import array, number, operand

if TYPE_CHECKING:
    from collections.abc import Sequence

    from dezero_c.array_api._operands import Array, Number

__all__ = [
    "argmax", "argmin", "argsort", "broadcast_arrays", "broadcast_to", "concat", "expand_dims", "flip", "matrix_transpose",
    "moveaxis", "nonzero", "permute_dims", "repeat", "reshape", "roll", "searchsorted", "sort", "squeeze", "stack", "take",
    "take_along_axis", "tile", "unique_all", "unique_counts", "unique_inverse", "unique_values", "unstack", "where",
]


# ---- shapes ------------------------------------------------------------------------------------------------------------------

def broadcast_arrays(*arrays: Array) -> tuple[Variable, ...]:
    """The arrays in the shape that all of theirs broadcast to."""
    given = [array(x, "broadcast_arrays") for x in arrays]
    shape = np.broadcast_shapes(*[x.shape for x in given])
    return tuple(F.broadcast_to(x, shape) for x in given)


def broadcast_to(x: Array, /, shape: tuple[int, ...]) -> Variable:
    """x in a shape that its own broadcasts to."""
    return F.broadcast_to(array(x, "broadcast_to"), shape)


def concat(arrays: Sequence[Array], /, *, axis: int | None = 0) -> Variable:
    """The arrays one after another along an axis; with axis=None all elements along one."""
    given = [array(x, "concat") for x in arrays]
    return F.concatenate([F.reshape(x, (-1,)) for x in given], 0) if axis is None else F.concatenate(given, axis)


def stack(arrays: Sequence[Array], /, *, axis: int = 0) -> Variable:
    """The arrays, of one shape, along a new axis."""
    return F.stack([array(x, "stack") for x in arrays], axis)


def unstack(x: Array, /, *, axis: int = 0) -> tuple[Variable, ...]:
    """The arrays along an axis, each without it."""
    x = array(x, "unstack")
    if not x.ndim:
        raise ValueError("unstack: a 0-d array has no axis to take apart")
    return tuple(F.moveaxis(x, axis, 0))


def expand_dims(x: Array, /, axis: int | tuple[int, ...] = 0) -> Variable:
    """x with a new axis of length 1 there. AxisError for one that the result does not have."""
    x = array(x, "expand_dims")
    axes = axis if isinstance(axis, tuple) else (axis,)
    n = x.ndim + len(axes)
    for k in axes:
        if not -n <= k < n:
            raise np.exceptions.AxisError(k, n, "expand_dims")
    return F.expand_dims(x, axis)


def squeeze(x: Array, /, axis: int | tuple[int, ...]) -> Variable:
    """x without the axes given, which must be of length 1 (else ValueError)."""
    return F.squeeze(array(x, "squeeze"), axis)


def flip(x: Array, /, *, axis: int | tuple[int, ...] | None = None) -> Variable:
    """The elements in reverse order along the axes given, or all."""
    return F.flip(array(x, "flip"), axis)


def matrix_transpose(x: Array, /) -> Variable:
    """The last two axes exchanged."""
    x = array(x, "matrix_transpose")
    if x.ndim < 2:
        raise ValueError(f"matrix_transpose: shape {x.shape} holds no matrix; it takes two axes or more")
    return F.swapaxes(x, -1, -2)


def moveaxis(x: Array, source: int | tuple[int, ...], destination: int | tuple[int, ...], /) -> Variable:
    """x with axes moved to other places, the rest in order."""
    return F.moveaxis(array(x, "moveaxis"), source, destination)


def permute_dims(x: Array, /, axes: tuple[int, ...]) -> Variable:
    """x with its axes in another order."""
    return F.transpose(array(x, "permute_dims"), tuple(axes))


def repeat(x: Array, repeats: int | Array, /, *, axis: int | None = None) -> Variable:
    """Each element repeats times along the axis, or of the flattened array: a number, or one for each."""
    return F.repeat(array(x, "repeat"), number(repeats, "repeat", "repeats"), axis)


def reshape(x: Array, /, shape: tuple[int, ...], *, copy: bool | None = None) -> Variable:
    """x in another shape, in which one length may be -1. copy: True for memory of its own, False for a ValueError where there is
    no view."""
    x = array(x, "reshape")
    y = F.reshape(x, tuple(shape) if isinstance(shape, (tuple, list)) else (shape,))
    if copy is False and not np.may_share_memory(y.data, x.data if isinstance(x, Variable) else x):
        raise ValueError(f"reshape: copy=False, and no view of shape {x.shape} has shape {tuple(shape)}; leave copy out")
    return y.copy() if copy else y


def roll(x: Array, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None) -> Variable:
    """The elements moved along the axes, those past the end to the start; of the flattened array with axis=None."""
    return F.roll(array(x, "roll"), shift, axis)


def tile(x: Array, repetitions: tuple[int, ...], /) -> Variable:
    """x side by side, so many times along each axis."""
    return F.tile(array(x, "tile"), repetitions)


# ---- indices -----------------------------------------------------------------------------------------------------------------

def take(x: Array, indices: Array, /, *, axis: int | None = None) -> Variable:
    """The elements at the indices along the axis. ValueError where axis is left out and x has several axes."""
    x = array(x, "take")
    if axis is None and x.ndim != 1:
        raise ValueError(f"take: x has shape {x.shape}, so axis must be given")
    return F.take(x, array(indices, "take"), axis)


def take_along_axis(x: Array, indices: Array, /, *, axis: int = -1) -> Variable:
    """The elements at indices of x's number of axes, each in the line along the axis where the index stands."""
    return F.take_along_axis(array(x, "take_along_axis"), array(indices, "take_along_axis"), axis)


# ---- searching ---------------------------------------------------------------------------------------------------------------

def argmax(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Variable:
    """The place of the largest element, the first of equal ones: int64, without a graph."""
    return constant(np.argmax, array(x, "argmax"), axis=axis, keepdims=keepdims)        # type: ignore[no-any-return]


def argmin(x: Array, /, *, axis: int | None = None, keepdims: bool = False) -> Variable:
    """The place of the smallest element, the first of equal ones: int64, without a graph."""
    return constant(np.argmin, array(x, "argmin"), axis=axis, keepdims=keepdims)        # type: ignore[no-any-return]


def nonzero(x: Array, /) -> tuple[Variable, ...]:
    """The indices of the elements that are not 0, an array for each axis, without a graph. ValueError for a 0-d array."""
    x = array(x, "nonzero")
    if not x.ndim:
        raise ValueError("nonzero: a 0-d array has no indices")
    return constant(np.nonzero, x)      # type: ignore[no-any-return]


def _searchsorted(side: Any, x1: Any, x2: Any, *sorter: Any) -> Any:
    return np.searchsorted(x1, x2, side, *sorter)


def searchsorted(x1: Array, x2: Array | Number, /, *, side: str = "left", sorter: Array | None = None) -> Variable:
    """Where each x2 goes into the ordered x1 (ordered by x1[sorter]): before equal ones with side="left", after them with
    "right". int64, without a graph."""
    more = () if sorter is None else (array(sorter, "searchsorted"),)
    x1, x2 = array(x1, "searchsorted"), operand(x2, "searchsorted")
    return constant(functools.partial(_searchsorted, side), x1, x2, *more)      # type: ignore[no-any-return]


def where(condition: Array, x1: Array | Number, x2: Array | Number, /) -> Variable:
    """x1 where the condition holds, else x2, each with the gradients of the places where it was taken. TypeError for a Python
    bool, which is what == of two Variables gives: take equal."""
    return F.where(array(condition, "where"), operand(x1, "where"), operand(x2, "where"))


# ---- order -------------------------------------------------------------------------------------------------------------------

def _argsort(axis: int, descending: bool, x: Any) -> Any:
    if not descending:
        return np.argsort(x, axis=axis, stable=True)
    places = np.flip(np.argsort(np.flip(x, axis), axis=axis, stable=True), axis)      # equal ones stay in order
    return x.shape[axis] - 1 - places


def argsort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Variable:
    """The indices that put x in order along the axis; equal elements stay in theirs. int64, without a graph."""
    x = array(x, "argsort")
    if not x.ndim:
        raise np.exceptions.AxisError(axis, 0, "argsort")
    return constant(functools.partial(_argsort, axis, descending), x)     # type: ignore[no-any-return]


def sort(x: Array, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> Variable:
    """x in order along the axis, the gradients in the elements' old places. nan come last, first if descending."""
    y = F.sort(array(x, "sort"), axis)
    return F.flip(y, axis) if descending else y


# ---- sets --------------------------------------------------------------------------------------------------------------------

class UniqueAllResult(NamedTuple):
    """What `unique_all` gives."""

    values: Variable
    indices: Variable
    inverse_indices: Variable
    counts: Variable


class UniqueCountsResult(NamedTuple):
    """What `unique_counts` gives."""

    values: Variable
    counts: Variable


class UniqueInverseResult(NamedTuple):
    """What `unique_inverse` gives."""

    values: Variable
    inverse_indices: Variable


def _places(x: Any) -> tuple[Any, Any, Any]:
    _, indices, inverse, counts = np.unique(x, return_index=True, return_inverse=True, return_counts=True, equal_nan=False)
    return indices, inverse.reshape(x.shape), counts


def unique_all(x: Array, /) -> UniqueAllResult:
    """The distinct elements in order, where each is first, which of them each element of x is (in x's shape), and how often it is
    there. Each nan is one of its own. The values have a graph: the gradient goes to the first of equal elements, as for
    x[indices]."""
    x = array(x, "unique_all")
    indices, inverse, counts = constant(_places, x)
    return UniqueAllResult(F.take(F.reshape(as_variable(x), (-1,)), indices, 0), indices, inverse, counts)


def unique_counts(x: Array, /) -> UniqueCountsResult:
    """The distinct elements in order, and how often each is there; see `unique_all`."""
    values, _, _, counts = unique_all(array(x, "unique_counts"))
    return UniqueCountsResult(values, counts)


def unique_inverse(x: Array, /) -> UniqueInverseResult:
    """The distinct elements in order, and which of them each element of x is; see `unique_all`."""
    values, _, inverse, _ = unique_all(array(x, "unique_inverse"))
    return UniqueInverseResult(values, inverse)


def unique_values(x: Array, /) -> Variable:
    """The distinct elements in order; see `unique_all`."""
    return unique_all(array(x, "unique_values")).values
