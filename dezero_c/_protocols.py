"""NumPy's protocols for Variables: what `np.sin(v)`, `np.sum(v, axis=0)`, `np.concatenate([v, w])` and `a + v` do.

Ufuncs (`__array_ufunc__`) are mapped to the operations of the table, all other functions (`__array_function__`) to
those of dezero_c.functions, so that the graph is recorded. What gives no numbers to differentiate (shapes, comparisons,
indices, printing, files) runs on the data. Everything else is refused, with a way out in the message.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _core, _ops
from dezero_c import functions as F

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

_COMPARISONS = {np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal,
                np.isnan, np.isinf, np.isfinite, np.logical_not, np.logical_and, np.logical_or, np.signbit}


def _ufunc_table() -> dict[np.ufunc, Callable[..., Any]]:
    """{ufunc: operation}, read off the table: an operation whose NumPy expression is one call on its arguments."""
    table: dict[np.ufunc, Callable[..., Any]] = {np.matmul: F.matmul, np.power: _ops.pow, np.positive: lambda x: x,
                                                  np.conjugate: F.conj}
    for op in _ops.TABLE:
        call = f"({', '.join(op['args'])})"
        name = op["numpy"].removeprefix("np.").removesuffix(call)
        if op["numpy"] == f"np.{name}{call}" and isinstance(getattr(np, name), np.ufunc):
            table.setdefault(getattr(np, name), getattr(_ops, op["name"]))
    return table


_UFUNCS = _ufunc_table()
_OPERANDS = (_core.Variable, np.ndarray, np.generic, int, float, complex, list, tuple)


def _plain(x: Any) -> Any:
    """x with the data of Variables in their place, in lists, tuples and dicts too."""
    if isinstance(x, _core.Variable):
        return x.data
    if type(x) in (list, tuple):
        return type(x)(_plain(each) for each in x)
    if type(x) is dict:
        return {key: _plain(each) for key, each in x.items()}
    return x


def array_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `Variable.__array_ufunc__` does."""
    out = kwargs.pop("out", None)
    if ufunc in _COMPARISONS and method == "__call__" and out is None:
        return ufunc(*[_plain(x) for x in inputs], **kwargs)
    if method == "reduce" and ufunc in _REDUCTIONS and out is None:
        return array_function(_REDUCTIONS[ufunc], (), inputs, {"axis": 0, **kwargs})
    if method != "__call__" or kwargs or ufunc not in _UFUNCS:
        what = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        raise TypeError(f"{what}{' with ' + ', '.join(kwargs) if kwargs else ''} has no gradient here; "
                        f"take a function of dezero_c.functions, or {what}(v.data) for its value alone")
    # `a += v` arrives as np.add(a, v, out=(a,)): a new Variable is the answer, and a stays as it is
    if out is not None and not any(o is x for o in out for x in inputs):
        raise TypeError(f"np.{ufunc.__name__}: out= cannot be a separate array when a Variable is involved; "
                        "assign the result")
    if not all(isinstance(x, _OPERANDS) for x in inputs):
        return NotImplemented
    return _UFUNCS[ufunc](*inputs)


# Functions with NumPy's parameter names, as far as there is a gradient for them.

def _concatenate_along(axis: Callable[[Any], int], lift: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """hstack, vstack and dstack: each array is lifted to enough axes first."""
    def function(tup: Sequence[Any]) -> _core.Variable:
        arrays = [lift(x) for x in tup]
        return F.concatenate(arrays, axis(arrays[0]))
    return function


def _at_least(nd: int) -> Callable[[Any], _core.Variable]:
    def lift(x: Any) -> _core.Variable:
        x = _core.as_variable(x)
        if x.ndim >= nd:
            return x
        return F.reshape(x, {1: (x.size,), 2: (1, x.size), 3: (1, x.size, 1) if x.ndim < 2 else (*x.shape, 1)}[nd])
    return lift


def _average(a: Any, axis: Any = None, weights: Any = None, *, keepdims: bool = False) -> Any:
    if weights is None:
        return F.mean(a, axis, keepdims)
    weights = _core.as_variable(weights)
    if weights.shape != np.shape(a):
        raise TypeError("np.average: weights of another shape have no gradient here; broadcast them to the array's")
    return F.sum(a * weights, axis, keepdims) / F.sum(weights, axis, keepdims)


def _where(condition: Any, x: Any, y: Any) -> _core.Variable:
    return F.where(condition, x, y)


_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.sum: lambda a, axis=None, *, keepdims=False: F.sum(a, axis, keepdims),
    np.mean: lambda a, axis=None, *, keepdims=False: F.mean(a, axis, keepdims),
    np.average: _average,
    np.prod: lambda a, axis=None, *, keepdims=False: F.prod(a, axis, keepdims),
    np.max: lambda a, axis=None, *, keepdims=False: F.max(a, axis, keepdims),
    np.min: lambda a, axis=None, *, keepdims=False: F.min(a, axis, keepdims),
    np.var: lambda a, axis=None, *, ddof=0, keepdims=False: F.var(a, axis, ddof, keepdims),
    np.std: lambda a, axis=None, *, ddof=0, keepdims=False: F.std(a, axis, ddof, keepdims),
    np.cumsum: lambda a, axis=None: F.cumsum(a, axis),
    np.reshape: lambda a, shape: F.reshape(a, shape),
    np.ravel: lambda a: F.reshape(a, (-1,)),
    np.transpose: lambda a, axes=None: F.transpose(a, axes),
    np.matrix_transpose: lambda x: F.swapaxes(x, -1, -2),
    np.swapaxes: lambda a, axis1, axis2: F.swapaxes(a, axis1, axis2),
    np.moveaxis: lambda a, source, destination: F.moveaxis(a, source, destination),
    np.expand_dims: lambda a, axis: F.expand_dims(a, axis),
    np.squeeze: lambda a, axis=None: F.squeeze(a, axis),
    np.broadcast_to: lambda array, shape: F.broadcast_to(array, shape),
    np.atleast_1d: lambda arys: _at_least(1)(arys),
    np.atleast_2d: lambda arys: _at_least(2)(arys),
    np.concatenate: lambda arrays, axis=0: F.concatenate(arrays, axis),
    np.stack: lambda arrays, axis=0: F.stack(arrays, axis),
    np.vstack: _concatenate_along(lambda x: 0, _at_least(2)),
    np.hstack: _concatenate_along(lambda x: 0 if x.ndim == 1 else 1, _at_least(1)),
    np.dstack: _concatenate_along(lambda x: 2, _at_least(3)),
    np.split: lambda ary, indices_or_sections, axis=0: F.split(ary, indices_or_sections, axis),
    np.real: lambda val: F.real(val),
    np.imag: lambda val: F.imag(val),
    np.pad: lambda array, pad_width, mode="constant", constant_values=0: F.pad(array, pad_width, mode, constant_values),
    np.repeat: lambda a, repeats, axis=None: F.repeat(a, repeats, axis),
    np.tile: lambda A, reps: F.tile(A, reps),
    np.flip: lambda m, axis=None: F.flip(m, axis),
    np.roll: lambda a, shift, axis=None: F.roll(a, shift, axis),
    np.take: lambda a, indices, axis=None: F.take(a, indices, axis),
    np.diagonal: lambda a, offset=0, axis1=0, axis2=1: F.diagonal(a, offset, axis1, axis2),
    np.trace: lambda a, offset=0, axis1=0, axis2=1: F.sum(F.diagonal(a, offset, axis1, axis2), -1),
    np.where: _where,
    np.clip: lambda a, a_min=None, a_max=None: F.clip(a, a_min, a_max),
    np.dot: lambda a, b: F.dot(a, b),
    np.inner: lambda a, b: F.tensordot(a, b, (-1, -1)),
    np.vdot: lambda a, b: F.sum(F.reshape(a, (-1,)) * F.reshape(b, (-1,))),
    np.outer: lambda a, b: F.outer(a, b),
    np.tensordot: lambda a, b, axes=2: F.tensordot(a, b, axes),
    np.einsum: lambda *operands, optimize=False: F.einsum(*operands),
    np.linalg.norm: lambda x, ord=None, axis=None, keepdims=False: F.norm(x, ord, axis, keepdims),
    np.linalg.inv: lambda a: F.inv(a),
    np.linalg.solve: lambda a, b: F.solve(a, b),
    np.linalg.det: lambda a: F.det(a),
    np.linalg.slogdet: lambda a: F.slogdet(a),
    np.linalg.cholesky: lambda a: F.cholesky(a),
    np.linalg.eigh: lambda a, UPLO="L": F.eigh(a, UPLO),
}
_FUNCTIONS |= {np.amax: _FUNCTIONS[np.max], np.amin: _FUNCTIONS[np.min]}
_REDUCTIONS: dict[np.ufunc, Callable[..., Any]] = {np.add: np.sum, np.multiply: np.prod, np.maximum: np.max, np.minimum: np.min}

# What has no gradient by its nature: it looks, compares, counts, prints or saves.
_ON_DATA = {
    np.shape, np.ndim, np.size, np.zeros_like, np.ones_like, np.empty_like, np.full_like, np.result_type, np.can_cast,
    np.min_scalar_type, np.common_type, np.iscomplexobj, np.isrealobj, np.may_share_memory, np.shares_memory,
    np.argmax, np.argmin, np.argsort, np.argwhere, np.nonzero, np.flatnonzero, np.count_nonzero, np.searchsorted,
    np.any, np.all, np.isclose, np.allclose, np.array_equal, np.array_equiv, np.isin, np.histogram,
    np.copyto, np.array_repr, np.array_str, np.array2string, np.save, np.savez, np.savez_compressed, np.savetxt,
}


def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)


def array_function(function: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `Variable.__array_function__` does."""
    if not all(issubclass(each, (_core.Variable, np.ndarray)) for each in types):
        return NotImplemented
    if function in _ON_DATA or (function is np.where and len(args) + len(kwargs) == 1):
        return function(*_plain(args), **_plain(kwargs))
    ours = _FUNCTIONS.get(function)
    name = _name(function)
    if ours is None:
        raise TypeError(f"{name} has no gradient here; take a function of dezero_c.functions, "
                        f"or {name}(v.data) for its value alone")
    if kwargs.get("out", 0) is None:
        del kwargs["out"]
    import inspect  # here: most programs never come this way

    try:
        inspect.signature(ours).bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}: {error} (for Variables it takes {inspect.signature(ours)}); "
                        f"{name}(v.data, ...) gives the value alone") from None
    return ours(*args, **kwargs)


_core.register_methods(array_ufunc=array_ufunc, array_function=array_function)
