"""What NumPy's functions do on Variables where handing their parameters on to a function of ours does not do.

A function without an underscore is an adapter: src/functions.toml names NumPy's function alone beside ours, and this one, under
the same name, takes NumPy's parameters. COMPOSED has those that are no function of ours, but made of some, and the elementwise
ones that are no ufuncs. All others follow from the table (_numpy_functions.py, generated). ON_DATA has no gradient.
"""

from __future__ import annotations

import functools
import string
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c import functions as F

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any


def typed(a: Any, dtype: Any) -> Any:
    return a if dtype is None else F.cast(a, dtype)


# ---- reductions --------------------------------------------------------------------------------------------------------

def average(a: Any, axis: Any = None, weights: Any = None, returned: bool = False, keepdims: bool = False) -> Any:
    a = _core.as_variable(a)
    if weights is None:
        y = F.mean(a, axis, keepdims)
        total: Any = a.size / y.size if y.size else np.nan
    else:
        weights = _core.as_variable(np.asarray(weights) if isinstance(weights, (list, tuple)) else weights)
        if weights.shape != a.shape:
            axes = axis if isinstance(axis, tuple) else (axis,)
            if axis is None or weights.shape != tuple(a.shape[k] for k in axes):
                raise ValueError(f"np.average: weights of shape {weights.shape} for an array of shape {a.shape} along axis "
                                 f"{axis}; give them the array's shape, or that of the axes")
            order = sorted(range(len(axes)), key=lambda i: axes[i] % a.ndim)
            lengths = {axes[i] % a.ndim: weights.shape[i] for i in order}
            weights = F.reshape(F.transpose(weights, tuple(order)), tuple(lengths.get(k, 1) for k in range(a.ndim)))
        total = F.sum(F.broadcast_to(weights, a.shape), axis, keepdims)
        if not np.all(total.data):
            raise ZeroDivisionError("np.average: the weights sum to zero, and have no average")
        y = F.sum(a * weights, axis, keepdims) / total
    return (y, F.broadcast_to(_core.as_variable(total), y.shape)) if returned else y


def _deviation(function: Callable[..., Any]) -> Callable[..., Any]:
    def spread(a: Any, axis: Any = None, ddof: float = 0, keepdims: bool = False, correction: float | None = None) -> Any:
        if correction is not None and ddof:
            raise ValueError(f"np.{function.__name__}: ddof and correction are one and the same; give one of them")
        return function(a, axis, ddof if correction is None else correction, keepdims)
    return spread


var = _deviation(F.var)
std = _deviation(F.std)


def sort(a: Any, axis: int | None = -1, kind: Any = None) -> _core.Variable:
    """kind: how NumPy would go about it, which the result does not show."""
    return F.sort(a, axis)


def _vector_norm(x: Any, axis: Any = None, keepdims: bool = False, ord: Any = 2) -> Any:
    x = _core.as_variable(x)
    if axis is None or isinstance(axis, tuple):
        axes = tuple(range(x.ndim)) if axis is None else tuple(k % x.ndim for k in axis)
        rest = tuple(k for k in range(x.ndim) if k not in axes)
        lengths = tuple(x.shape[k] for k in rest)
        y = F.norm(F.reshape(F.transpose(x, (*rest, *axes)), (*lengths, -1)), ord, -1)
        return F.reshape(y, tuple(1 if k in axes else x.shape[k] for k in range(x.ndim))) if keepdims else y
    return F.norm(x, ord, axis, keepdims)


# ---- shapes ------------------------------------------------------------------------------------------------------------

def reshape(a: Any, shape: Any = None, order: str = "C", newshape: Any = None) -> _core.Variable:
    shape = newshape if shape is None else shape
    shape = tuple(shape) if isinstance(shape, (tuple, list)) else (shape,)
    a = _core.as_variable(a)
    if order == "F" or (order == "A" and np.isfortran(a.data)):
        return F.transpose(F.reshape(F.transpose(a), shape[::-1]))
    if order not in ("C", "A"):
        raise ValueError(f"np.reshape: order {order!r} is none of 'C', 'F' and 'A'")
    return F.reshape(a, shape)


def _at_least(nd: int) -> Callable[..., Any]:
    def lift(*arys: Any) -> Any:
        if len(arys) != 1:
            return tuple(lift(x) for x in arys)
        x = _core.as_variable(arys[0])
        if x.ndim >= nd:
            return x
        return F.reshape(x, {1: (x.size,), 2: (1, x.size), 3: (1, x.size, 1) if x.ndim < 2 else (*x.shape, 1)}[nd])
    return lift


def _joined(axis: Callable[[Any], int], lift: Callable[[Any], Any]) -> Callable[..., _core.Variable]:
    """hstack, vstack, dstack and column_stack: each array is lifted to enough axes first."""
    def function(tup: Sequence[Any]) -> _core.Variable:
        arrays = [lift(x) for x in tup]
        return F.concatenate(arrays, axis(arrays[0]))
    return function


def _column(x: Any) -> _core.Variable:
    x = _core.as_variable(x)
    return x if x.ndim > 1 else F.reshape(x, (x.size, 1))


def concatenate(arrays: Sequence[Any], axis: int | None = 0) -> _core.Variable:
    return F.concatenate([F.reshape(x, (-1,)) for x in arrays], 0) if axis is None else F.concatenate(arrays, axis)


def _array_split(ary: Any, indices_or_sections: Any, axis: int = 0) -> Any:
    if isinstance(indices_or_sections, (int, np.integer)):
        n = int(indices_or_sections)
        if n < 1:
            raise ValueError(f"np.array_split: {n} parts; it must be one or more")
        each, more = divmod(np.shape(ary)[axis], n)
        indices_or_sections = list(np.cumsum([each + 1] * more + [each] * (n - more))[:-1])
    return F.split(ary, indices_or_sections, axis)


def _split_along(axis: Callable[[Any], int]) -> Callable[..., Any]:
    return lambda ary, indices_or_sections: F.split(ary, indices_or_sections, axis(ary))


def take_along_axis(arr: Any, indices: Any, axis: int | None = -1) -> _core.Variable:
    return F.take_along_axis(F.reshape(arr, (-1,)), indices, 0) if axis is None else F.take_along_axis(arr, indices, axis)


def _rot90(m: Any, k: int = 1, axes: Any = (0, 1)) -> _core.Variable:
    a, b = axes
    match k % 4:
        case 0:
            return F.flip(F.flip(m, a), a)
        case 1:
            return F.swapaxes(F.flip(m, b), a, b)
        case 2:
            return F.flip(F.flip(m, a), b)
    return F.flip(F.swapaxes(m, a, b), b)


def _broadcast_arrays(*args: Any) -> tuple[_core.Variable, ...]:
    shape = np.broadcast_shapes(*[np.shape(x) for x in args])
    return tuple(F.broadcast_to(x, shape) for x in args)


def _meshgrid(*xi: Any, indexing: str = "xy", sparse: bool = False) -> tuple[_core.Variable, ...]:
    if indexing not in ("xy", "ij"):
        raise ValueError(f"np.meshgrid: indexing {indexing!r} is neither 'xy' nor 'ij'")
    order = [1, 0, *range(2, len(xi))] if indexing == "xy" and len(xi) > 1 else list(range(len(xi)))
    lines = tuple(F.reshape(x, tuple(-1 if k == order[i] else 1 for k in range(len(xi)))) for i, x in enumerate(xi))
    return lines if sparse else _broadcast_arrays(*lines)


# ---- products ----------------------------------------------------------------------------------------------------------

def _inner(a: Any, b: Any) -> _core.Variable:
    a, b = _core.as_variable(a), _core.as_variable(b)
    return F.tensordot(a, b, (-1, -1)) if a.ndim and b.ndim else a * b


def _vecdot(x1: Any, x2: Any, axis: int = -1) -> Any:
    return F.sum(F.conj(x1) * x2, axis)


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    return F.sum(F.diagonal(a, offset, axis1, axis2), -1)


def _multi_dot(arrays: Sequence[Any]) -> Any:
    """The product in the order that takes the fewest multiplications."""
    shapes = [np.shape(x) for x in arrays]
    if len(arrays) < 2:
        raise ValueError(f"np.linalg.multi_dot: {len(arrays)} arrays; it takes two or more")
    lengths = [shapes[0][0] if len(shapes[0]) == 2 else 1, *[shape[-1] if len(shape) == 2 else 1 for shape in shapes]]
    for i, shape in enumerate(shapes[1:], 1):
        lengths[i] = shape[0]

    @functools.cache
    def cheapest(i: int, j: int) -> tuple[float, int]:
        """(multiplications, where the last product is) of the arrays i to j - 1."""
        if j - i == 1:
            return 0, i
        return min((cheapest(i, k)[0] + cheapest(k, j)[0] + lengths[i] * lengths[k] * lengths[j], k) for k in range(i + 1, j))

    def product(i: int, j: int) -> Any:
        k = cheapest(i, j)[1]
        return arrays[i] if j - i == 1 else F.matmul(product(i, k), product(k, j))
    return product(0, len(arrays))


def einsum(*operands: Any, optimize: Any = False) -> _core.Variable:
    """With a string, or with a list of axes after each array and perhaps one for the result."""
    if isinstance(operands[0], str):
        return F.einsum(*operands)
    letters = {k: letter for k, letter in enumerate(string.ascii_letters)}

    def term(axes: Any) -> str:
        return "".join("..." if k is Ellipsis else letters[k] for k in axes)
    n = len(operands) // 2 * 2
    try:
        text = ",".join(term(axes) for axes in operands[1:n:2])
        if len(operands) > n:
            text += "->" + term(operands[n])
    except (KeyError, TypeError) as error:
        raise TypeError(f"np.einsum: {error} in place of a list of axes, which are ints from 0 to {len(letters) - 1}") from None
    return F.einsum(text, *operands[:n:2])


def _clip(a: Any, a_min: Any = None, a_max: Any = None, min: Any = None, max: Any = None) -> _core.Variable:
    if (a_min is not None and min is not None) or (a_max is not None and max is not None):
        raise ValueError("np.clip: a_min and min, a_max and max are the same; give one of them")
    return F.clip(a, min if a_min is None else a_min, max if a_max is None else a_max)


def _nan_to_num(x: Any, copy: bool = True, nan: Any = 0.0, posinf: Any = None, neginf: Any = None) -> _core.Variable:
    if not copy:
        raise TypeError("np.nan_to_num: a Variable is not changed in place; leave copy=False out, and use the result")
    return F.nan_to_num(x, nan, posinf, neginf)


COMPOSED: dict[Any, Callable[..., Any]] = {
    np.ptp: lambda a, axis=None, keepdims=False: F.max(a, axis, keepdims) - F.min(a, axis, keepdims),
    np.percentile: lambda a, q, axis=None, keepdims=False: F.quantile(a, np.true_divide(q, 100), axis, keepdims),
    np.ravel: lambda a, order="C": reshape(a, -1, order),
    np.matrix_transpose: lambda x: F.swapaxes(x, -1, -2),
    np.rollaxis: lambda a, axis, start=0: F.moveaxis(a, axis, start - (start > axis % np.ndim(a))),
    np.broadcast_arrays: _broadcast_arrays,
    np.meshgrid: _meshgrid,
    np.atleast_1d: _at_least(1),
    np.atleast_2d: _at_least(2),
    np.atleast_3d: _at_least(3),
    np.vstack: _joined(lambda x: 0, _at_least(2)),
    np.hstack: _joined(lambda x: 0 if x.ndim == 1 else 1, _at_least(1)),
    np.dstack: _joined(lambda x: 2, _at_least(3)),
    np.column_stack: _joined(lambda x: 1, _column),
    np.append: lambda arr, values, axis=None: concatenate([arr, values], axis),
    np.copy: lambda a: _core.as_variable(a).copy(),
    np.array_split: _array_split,
    np.vsplit: _split_along(lambda x: 0),
    np.hsplit: _split_along(lambda x: 0 if np.ndim(x) == 1 else 1),
    np.dsplit: _split_along(lambda x: 2),
    np.fliplr: lambda m: F.flip(m, 1),
    np.flipud: lambda m: F.flip(m, 0),
    np.rot90: _rot90,
    np.where: lambda condition, x, y: F.where(condition, x, y),
    np.clip: _clip,
    np.nan_to_num: _nan_to_num,
    np.round: lambda a, decimals=0: F.round(a, decimals),
    np.inner: _inner,
    np.vdot: lambda a, b: F.sum(F.conj(F.reshape(a, (-1,))) * F.reshape(b, (-1,))),
    np.linalg.vector_norm: _vector_norm,
    np.linalg.matrix_norm: lambda x, keepdims=False, ord="fro": F.norm(x, ord, (-2, -1), keepdims),
    np.linalg.svdvals: lambda x: F.svd(x, False, False),
    np.linalg.matrix_transpose: lambda x: F.swapaxes(x, -1, -2),
    np.linalg.vecdot: _vecdot,
    np.linalg.multi_dot: _multi_dot,
    np.linalg.diagonal: lambda x, offset=0: F.diagonal(x, offset, -2, -1),
    np.linalg.trace: lambda x, offset=0: F.sum(F.diagonal(x, offset, -2, -1), -1),
}
COMPOSED[np.around] = COMPOSED[np.round]
if hasattr(np, "unstack"):      # NumPy 2.1
    COMPOSED[np.unstack] = lambda x, axis=0: tuple(F.moveaxis(x, axis, 0))
    COMPOSED[np.cumulative_sum] = lambda x, axis=None, dtype=None: F.cumsum(typed(x, dtype), axis)

# The ufuncs that the table of elementwise operations does not name as they are.
UFUNCS_BY_HAND: dict[np.ufunc, Callable[..., Any]] = {
    np.power: F.pow, np.positive: lambda x: x, np.reciprocal: F.reciprocal, np.vecdot: _vecdot,
}

# What `np.add.reduce(v)` is.
REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min}

# What has no gradient by its nature: it looks, compares, counts, prints or saves.
ON_DATA = {
    np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.result_type, np.can_cast,
    np.min_scalar_type, np.common_type, np.iscomplexobj, np.isrealobj, np.iscomplex, np.isreal, np.isposinf, np.isneginf,
    np.may_share_memory, np.shares_memory, np.argmax, np.argmin, np.argsort, np.argpartition, np.lexsort, np.argwhere, np.nonzero,
    np.flatnonzero, np.count_nonzero, np.searchsorted, np.digitize, np.unique, np.any, np.all, np.isclose, np.allclose,
    np.array_equal, np.array_equiv, np.isin, np.histogram, np.histogram2d, np.histogramdd, np.histogram_bin_edges, np.bincount,
    np.einsum_path, np.linalg.matrix_rank, np.linalg.cond,
    np.copyto, np.array_repr, np.array_str, np.array2string, np.save, np.savez, np.savez_compressed, np.savetxt,
}
