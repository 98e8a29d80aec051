"""The namespace's sums, means, extremes and their like: all over axes, and cumulative along one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dezero_c import functions as F
from dezero_c._constants import constant
from dezero_c.array_api._operands import array, as_dtype

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from dezero_c._core import Variable
    from dezero_c._typing import Axis
    from dezero_c.array_api._operands import Array

__all__ = [
    "all", "any", "count_nonzero", "cumulative_prod", "cumulative_sum", "diff", "max", "mean", "min", "prod", "std", "sum",
    "var",
]


def _in_dtype(compute: Any, x: Any, dtype: DTypeLike | None, function: str) -> Variable:
    """compute(x), of x and in the result cast to dtype."""
    if dtype is None:
        return compute(x)       # type: ignore[no-any-return]
    to = as_dtype(dtype, function)
    y = compute(x if x.dtype == to else F.cast(x, to))
    return y if y.dtype == to else F.cast(y, to)    # small integers are summed as large ones


def sum(x: Array, /, *, axis: Axis = None, dtype: DTypeLike | None = None, keepdims: bool = False) -> Variable:
    """The sum over the axes given, or all. Small integers and booleans become int64 or uint64 unless dtype is given."""
    return _in_dtype(lambda a: F.sum(a, axis, keepdims), array(x, "sum"), dtype, "sum")


def prod(x: Array, /, *, axis: Axis = None, dtype: DTypeLike | None = None, keepdims: bool = False) -> Variable:
    """The product over the axes given, or all; dtypes as in `sum`."""
    return _in_dtype(lambda a: F.prod(a, axis, keepdims), array(x, "prod"), dtype, "prod")


def mean(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Variable:
    """The mean over the axes given, or all."""
    return F.mean(array(x, "mean"), axis, keepdims)


def var(x: Array, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Variable:
    """The variance over the axes given, or all, with n - correction in the denominator. TypeError for complex numbers."""
    return F.var(array(x, "var"), axis, correction, keepdims)


def std(x: Array, /, *, axis: Axis = None, correction: float = 0.0, keepdims: bool = False) -> Variable:
    """The standard deviation over the axes given, or all; see `var`."""
    return F.std(array(x, "std"), axis, correction, keepdims)


def max(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Variable:
    """The largest element over the axes given, or all. The whole gradient goes to each of equal ones, as in DeZero."""
    return F.max(array(x, "max"), axis, keepdims)


def min(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Variable:
    """The smallest element over the axes given, or all. The whole gradient goes to each of equal ones, as in DeZero."""
    return F.min(array(x, "min"), axis, keepdims)


def all(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Variable:
    """Whether no element over the axes given, or all, is 0 or False: a Variable of bool without a graph."""
    return constant(np.all, array(x, "all"), axis=axis, keepdims=keepdims)      # type: ignore[no-any-return]


def any(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Variable:
    """Whether some element over the axes given, or all, is not 0 or False: a Variable of bool without a graph."""
    return constant(np.any, array(x, "any"), axis=axis, keepdims=keepdims)      # type: ignore[no-any-return]


def count_nonzero(x: Array, /, *, axis: Axis = None, keepdims: bool = False) -> Variable:
    """How many elements over the axes given, or all, are not 0: int64, without a graph."""
    x = array(x, "count_nonzero")
    return constant(np.count_nonzero, x, axis=axis, keepdims=keepdims)      # type: ignore[no-any-return]


def _cumulative(compute: Any, start: int, x: Any, axis: int | None, dtype: DTypeLike | None, initial: bool,
                name: str) -> Variable:
    x = array(x, name)
    if not x.ndim:
        x = F.reshape(x, (1,))
    if axis is None:
        if x.ndim > 1:
            raise ValueError(f"{name}: x has shape {x.shape}, so axis must be given")
        axis = 0
    y = _in_dtype(lambda a: compute(a, axis), x, dtype, name)
    if not initial:
        return y
    lengths = list(y.shape)
    lengths[axis] = 1
    return F.concatenate([np.full(lengths, start, y.dtype), y], axis)


def cumulative_sum(x: Array, /, *, axis: int | None = None, dtype: DTypeLike | None = None,
                   include_initial: bool = False) -> Variable:
    """The sums of the first elements along the axis, which may be left out for one axis; include_initial puts 0 before them."""
    return _cumulative(F.cumsum, 0, x, axis, dtype, include_initial, "cumulative_sum")


def cumulative_prod(x: Array, /, *, axis: int | None = None, dtype: DTypeLike | None = None,
                    include_initial: bool = False) -> Variable:
    """The products of the first elements along the axis, which may be left out for one axis; include_initial puts 1 before
    them."""
    return _cumulative(F.cumprod, 1, x, axis, dtype, include_initial, "cumulative_prod")


def diff(x: Array, /, *, axis: int = -1, n: int = 1, prepend: Array | None = None, append: Array | None = None) -> Variable:
    """The differences of neighbours along the axis, n times; prepend and append are joined to x first."""
    return F.diff(array(x, "diff"), n, axis, prepend if prepend is None else array(prepend, "diff"),
                  append if append is None else array(append, "diff"))
