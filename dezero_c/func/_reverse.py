"""Reverse mode: `grad`, `value_and_grad`, `elementwise_grad`, `vjp`."""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c import _pull
from dezero_c import functions as F
from dezero_c.func._scope import (
    Scope,
    check_argnums,
    check_callable,
    check_tangents,
    no_floats,
    other_data,
    own,
    plain,
    tell_independent,
    zeros,
)
from dezero_c.func._trees import built, flatten, swapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["Pull", "elementwise_grad", "grad", "gradients", "named", "split_aux", "value_and_grad", "vjp"]


def grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of f, whose result is one number, as a function of the same arguments.

    grad(f)(x, ...): a tree like argument `argnums`, a tuple of trees where argnums is a tuple; dtypes are the arguments'. A model
    gives {name: gradient}. has_aux: f returns (y, aux), and the call (gradients, aux). An argument that the result does not
    depend on has zeros, with a RuntimeWarning.

    Raises TypeError for arguments of integers and for complex results, ValueError for a result that is no single number.
    """
    both = _value_and_grad(f, argnums, has_aux, "grad")

    @named(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        y, gx = both(args, kwargs)
        return (gx, y[1]) if has_aux else gx

    return gradient


def value_and_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """f's result and its gradient, of one evaluation: (y, gradients), or ((y, aux), gradients) with has_aux; see `grad`."""
    both = _value_and_grad(f, argnums, has_aux, "value_and_grad")

    @named(f)
    def value_and_gradient(*args: Any, **kwargs: Any) -> Any:
        return both(args, kwargs)

    return value_and_gradient


def named(f: Callable[..., Any]) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """A decorator of a function made of f: f's name and docstring."""

    def decorate(made: Callable[..., Any]) -> Callable[..., Any]:
        return functools.update_wrapper(made, f, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())

    return decorate


def _value_and_grad(f: Callable[..., Any], argnums: Any, has_aux: bool, op: str) -> Callable[[Any, Any], tuple[Any, Any]]:
    """A function of (args, kwargs)."""
    check_callable(f, op)
    numbers = check_argnums(argnums, op)
    whole = not isinstance(argnums, (tuple, list))

    def checked(result: Any) -> tuple[_core.Variable, Any]:
        y, aux = split_aux(result, has_aux, op)
        return _number(y, op), aux

    def both(args: Any, kwargs: Any) -> tuple[Any, Any]:
        found = _pull.gradient(f, args, kwargs, numbers, checked)
        if found is not None:       # arrays, and no other transform under way
            value, found, xs, aux = found
            if value is None:
                raise other_data(op)
            if None in [None if g is None else 0 for g in found]:
                tell_independent(op, [(k, [g]) for k, g in zip(numbers, found, strict=True)])
                found = [np.zeros_like(x) if g is None else g for x, g in zip(xs, found, strict=True)]
            gx = found[0] if whole else tuple(found)
            return ((value, plain(aux)) if has_aux else value), gx
        with Scope(op, args, numbers, kwargs) as scope:
            y, aux = checked(scope.call(f))
            found = gradients(scope, [y], None)
            if None in [None if g is None else 0 for g in found]:
                scope.tell_independent(found)
                found = filled(scope, found)
            aux = scope.aux(aux) if has_aux else None
            value, = scope.out([y])
        gx = scope.grouped(found, whole)
        return ((value, aux) if has_aux else value), gx

    return both


def split_aux(result: Any, has_aux: bool, op: str) -> tuple[Any, Any]:
    """(y, aux) of f's result."""
    if not has_aux:
        return result, None
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(f"{op}: with has_aux f returns (y, aux), not {type(result).__name__}"
                        f"{f' of {len(result)}' if isinstance(result, tuple) else ''}")
    return result


def _number(y: Any, op: str) -> _core.Variable:
    """f's result as a Variable, which is one real number."""
    if not isinstance(y, _core.Variable):
        if isinstance(y, (tuple, list, dict)):
            raise TypeError(f"{op}: f returned a {type(y).__name__}; it returns one number. For (y, aux) say has_aux=True, for a "
                            "tree of results take jacobian or vjp")
        try:
            y = _core.as_variable(y if hasattr(y, "_slot") else np.asarray(y))
        except TypeError:
            y = None
        if y is None or y.dtype.kind not in "fciub":
            raise TypeError(f"{op}: f returned no number but {type(y).__name__}; is a return statement missing?")
    if y.shape != ():
        raise ValueError(f"{op}: f returned shape {y.shape}, and a gradient is of one number, shape (); take its sum or mean, "
                         "jacobian for all derivatives, vmap for a batch, elementwise_grad where each element depends on its "
                         "own input alone")
    kind = y.dtype.kind
    if kind != "f":
        if kind == "c":
            raise TypeError(f"{op}: f returned a complex number ({y.dtype}), which has no gradient; return its real part, or abs")
        raise TypeError(f"{op}: f returned dtype {y.dtype}, and only floats have derivatives; are there floor divisions or "
                        "indices between argument and result?")
    return y


def gradients(scope: Scope, ys: list[_core.Variable], gys: list[_core.Variable] | None) -> list[Any]:
    """What all reverse modes do: the gradients of sum(gy * y) by the scope's Variables, as the caller gets them; None where there
    is none. The graph is of no use for anything else afterwards."""
    if not scope.linked:
        found = _pulled(ys, gys, scope.xs, _pull.cut(ys, scope.xs, scope.floor))
        return [None if g is None else _core.Variable(g) for g in found] if scope.variables else found
    if scope.leaves and not _pull.outside(scope.xs, ys, scope.floor):
        return walked(scope, ys, gys)
    if gys is None:
        gys = [_core.Variable(np.ones(y.shape, y.dtype)) for y in ys]
    found = _pull.pull(ys, gys, scope.xs, scope.floor, scope.variables)
    return [None if g is None else g.data for g in found] if not scope.variables else found


def _pulled(ys: list[_core.Variable], gys: list[_core.Variable] | None, xs: list[_core.Variable],
            depend: list[bool]) -> list[Any]:
    """What _pull.pull_arrays gives for those of ys that depend."""
    chosen = [k for k, depends in enumerate(depend) if depends]
    return _pull.pull_arrays([ys[k] for k in chosen], None if gys is None else [gys[k] for k in chosen], xs)


def walked(scope: Scope, ys: list[_core.Variable], gys: list[_core.Variable] | None) -> list[Any]:
    """The same by the engine's own walk, which a plan has in C: in a captured call where no Variable of the caller's could get a
    gradient."""
    for k, y in enumerate(ys):
        if gys is not None or y.creator is None:
            y.grad = _core.Variable(np.ones(y.shape, y.dtype)) if gys is None else gys[k]
        if y.creator is not None:
            y.backward()
    found: list[Any] = []
    for x in scope.xs:
        gx: Any = x.grad
        found.append(None if gx is None else gx.data)
        x.cleargrad()
    return found


def filled(scope: Scope, found: list[Any]) -> list[Any]:
    """The same with zeros in place of None."""
    out = []
    for x, g in zip(scope.xs, found, strict=True):
        if g is None:
            g = zeros(x) if scope.variables else np.zeros(x.shape, x.dtype)
        out.append(g)
    return out


def elementwise_grad(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The derivatives of the elements of f(x) by the elements of x at the same place: the gradient of the sum of f's elements.

    For f whose results depend each on its own element of x alone (functions of numbers, applied to arrays): the diagonal of the
    Jacobian, at the cost of one gradient. Where they depend on others too it is the sum over columns of the Jacobian, as in
    HIPS autograd. Arguments and errors are those of `grad`, but that f returns an array of any shape.
    """
    check_callable(f, "elementwise_grad")
    check_argnums(argnums, "elementwise_grad")

    @named(f)
    def total(*args: Any, **kwargs: Any) -> Any:
        return F.sum(f(*args, **kwargs))

    both = _value_and_grad(total, argnums, False, "elementwise_grad")

    @named(f)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        return both(args, kwargs)[1]

    return gradient


class Pull:
    """What `vjp` gives beside f's result: called with a tree like that result it gives the products with the Jacobian's
    transpose, a tuple with a tree for each argument of f."""

    def __init__(self, scope: Scope, ys: list[_core.Variable], structure: Any) -> None:
        self._scope, self._ys, self._structure = scope, ys, structure
        self._lock = threading.Lock()
        self._depend = [] if scope.linked else _pull.cut(ys, scope.xs, scope.floor)

    def __call__(self, gy: Any) -> tuple[Any, ...]:
        scope = self._scope
        found: list[Any]
        gys = check_tangents(gy, self._structure, self._ys, scope.op, "gy", "f's result")
        outer = _pull.under_way() > 0 or scope.variables or _has_variable(gy)
        if scope.leaves and not outer and _core.is_traced() and len(self._ys) == 1 and not _pull.outside(
                scope.xs, self._ys, scope.floor):
            found = filled(scope, walked(scope, self._ys, gys))
        elif scope.linked or outer or _core.is_traced():
            record = outer and (_core.Config.enable_backprop or _pull.under_way() > 0)
            with swapped(scope.swaps):
                found = _pull.pull(self._ys, gys, scope.xs, 0, record)
            found = [zeros(x) if g is None else g for x, g in zip(scope.xs, found, strict=True)]
            if not outer:
                found = [g.data for g in found]
                if not _core.is_traced():
                    found = own(found, [g.data for g in gys])
        else:
            with self._lock, swapped(scope.swaps):
                found = filled(scope, _pulled(self._ys, gys, scope.xs, self._depend))
        left = iter(found)
        return tuple(built(structure, left) for structure in scope.structures)


def _has_variable(tree: Any) -> bool:
    return any(isinstance(x, _core.Variable) for x in flatten(tree, "vjp")[0])


def vjp(f: Callable[..., Any], *x: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """(y, pull): f's result at the arguments, and the function that multiplies with the transpose of f's Jacobian there.

    f(*x): a tree of results. pull(gy), gy a tree like y: a tuple, for each argument a tree like it, of sum(gy * dy/dx). It can be
    called again and again. has_aux: f returns (y, aux), and the call (y, pull, aux).

    Raises TypeError for arguments or results of integers, and by pull for another tree than y's; ValueError for another shape.
    """
    op = "vjp"
    check_callable(f, op)
    with Scope(op, x, tuple(range(len(x)))) as scope:
        result, aux = split_aux(scope.call(f), has_aux, op)
        ys, structure = scope.as_variables(result, "")
        check_floats(ys, op)
        pull = Pull(scope, ys, structure)
        y = built(structure, iter(scope.out(ys)))
        aux = scope.aux(aux) if has_aux else None
    return (y, pull, aux) if has_aux else (y, pull)


def check_floats(ys: list[_core.Variable], op: str) -> None:
    """Raises TypeError for results that are no floats."""
    for y in ys:
        if y.dtype.kind not in "fc":
            raise no_floats(y.dtype, op)
