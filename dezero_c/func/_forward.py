"""Forward mode: `jvp`, `linearize`. Tangents are pushed through the graph of f's operations, in their order.

There is no second table of formulas. The Jacobian of an elementwise operation is diagonal: its gradient rule, with the tangent in
gy's place, is its product with the tangent. A linear operation is applied to the tangent itself, a multilinear one once for
each operand. Of every other operation the gradients gx are made as functions of a gy: they are linear in it, and the derivative
of sum(gx * dx) by gy is the tangent of the result.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
import dezero_c._linalg as _linalg
from dezero_c import _pull
from dezero_c import functions as F
from dezero_c._hooks import LayerInputs
from dezero_c.func._reverse import check_floats, split_aux
from dezero_c.func._scope import Scope, arrays_of, check_callable, check_tangents, own, zeros
from dezero_c.func._trees import built, count, swapped

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["NotForward", "Push", "jvp", "linearize", "spread"]

# Operations that are linear in all their inputs together, and those that are linear in each.
_LINEAR = {getattr(F, name) for name in (
    "AddAt", "BroadcastTo", "Concatenate", "CumSum", "Diff", "GetItem", "GetItemGrad", "Mean", "Repeat", "Reshape", "Roll",
    "SetAt", "Stack", "Sum", "SumTo", "Tile", "Transpose")} | {_linalg.Diagonal, _linalg.DiagonalGrad, _pull.Same}
_MULTILINEAR = {getattr(F, name) for name in ("Einsum", "MatMul", "TensorDot")}

class NotForward(TypeError):
    """Complex numbers or hooks on the way, which forward mode does not take."""


def _inputs(f: _core.Function) -> tuple[_core.Variable, ...]:
    return _core.inputs_of(f)


def _linear(f: _core.Function, which: list[int], dxs: list[Any], record: bool) -> list[Any]:
    if type(f) is _pull.Same:
        return dxs
    inputs = _inputs(f)
    if len(inputs) == 1:
        xs: Any = dxs
    else:
        given = dict(zip(which, dxs, strict=True))
        xs = [zeros(x) if (dx := given.get(k)) is None else dx for k, x in enumerate(inputs)]
    again = type(f)(*f._arguments())
    if record or _core.is_traced():
        return [again(*xs)]
    return [_core.Variable(np.asarray(again.forward(*[x.data for x in xs])))]


def _multilinear(f: _core.Function, which: list[int], dxs: list[Any], record: bool) -> list[Any]:
    total = None
    for k, dx in zip(which, dxs, strict=True):
        if dx is not None:
            xs = list(_inputs(f))
            xs[k] = dx
            part = type(f)(*f._arguments())(*xs)
            total = part if total is None else total + part
    return [total]


def _own_rule(f: Any, which: list[int], dxs: list[Any], record: bool) -> list[Any]:
    given = dict(zip(which, dxs, strict=True))
    return list(f._push([given.get(k) for k in range(len(_inputs(f)))]))


def _general(f: _core.Function, which: list[int], dxs: list[Any], record: bool) -> list[Any]:
    """By differentiating f's backward, which is linear in the gradients that it is given, by them."""
    ys = _pull.outputs(f)
    shapes: Any = [None if y is None else (y.shape, y.dtype) for y in ys]
    if any(shape is None for shape in shapes):
        shapes = _core.multiple_outputs(f)
    native = _core.is_native(f)
    before = _pull.begin()
    try:
        us = []
        floor = max([f.generation, *[x.generation for x in _inputs(f)], *[dx.generation for dx in dxs if dx is not None]]) + 1
        for shape, dtype in shapes:
            # For a user's backward other numbers than ones: the check below would not see much with those.
            u = np.ones(shape, dtype) if native else np.cos(np.arange(int(np.prod(shape)))).reshape(shape).astype(dtype)
            us.append(_core.Variable(u))
            us[-1].generation = floor
        gxs = _pull.rule(f, us)
        terms = [F.sum(gxs[k] * dx) for k, dx in zip(which, dxs, strict=True) if dx is not None and gxs[k] is not None]
        if not terms:
            return [None] * len(ys)
        total = functools.reduce(lambda a, b: a + b, terms)
        found = _pull.pull([total], [_core.Variable(np.ones((), total.dtype))], us, floor, record)
    finally:
        _pull.end(before)
    if not native and not _core.is_traced():
        _check_linear(f, total, us, found)
    return found


def _check_linear(f: _core.Function, total: _core.Variable, us: list[_core.Variable], found: list[Any]) -> None:
    """Raises TypeError where a user's backward is not linear in gy as far as the graph tells: it has computed with `.data`."""
    back = sum([float((u.data * d.data).sum()) for u, d in zip(us, found, strict=True) if d is not None], 0.0)
    there = float(total.data)
    scale = max([float(np.abs(u.data * d.data).sum()) for u, d in zip(us, found, strict=True) if d is not None] + [abs(there)])
    if abs(back - there) > 1e-3 * scale:
        raise TypeError(f"{type(f).__name__}.backward has no derivative by gy that its graph tells (it gives {back:.6g} where "
                        f"backward itself gives {there:.6g}); write it with operations on Variables, not on .data, or use "
                        "reverse mode")


def _handler(f: Any) -> Callable[..., list[Any]] | None:
    """What gives the tangents of f's outputs; None for an elementwise operation, which needs no more than its rule."""
    if _pull.is_elementwise(f):
        return None
    if type(f) in _LINEAR:
        return _linear
    if type(f) in _MULTILINEAR:
        return _multilinear
    return _own_rule if hasattr(f, "_push") else _general


class Push:
    """The way of tangents through a graph, from the Variables xs to ys; called with a tangent for each of xs."""

    def __init__(self, xs: list[_core.Variable], ys: list[_core.Variable], floor: int, op: str) -> None:
        functions, which = _pull.between(xs, ys, floor)
        self._xs, self._ys = xs, ys
        self._steps = []
        if _core.hooks_anywhere():
            self._refuse_hooks(functions, op)
        for f, places in zip(functions, which, strict=True):
            inputs = _inputs(f)
            for k in places:
                if inputs[k].dtype.kind == "c":
                    raise NotForward(f"{op}: forward mode is for real numbers, and {type(f).__name__} in f takes "
                                  f"{inputs[k].dtype}; use "
                                    "reverse mode (vjp, jacrev, grad)")
            for y in _pull.outputs(f):
                if y is not None and y.dtype.kind == "c":
                    raise NotForward(f"{op}: forward mode is for real numbers, and {type(f).__name__} in f gives {y.dtype}; use "
                                    "reverse mode (vjp, jacrev, grad)")
            self._steps.append((f, places, [id(inputs[k]) for k in places], _handler(f), _pull.outputs(f)))

    def _refuse_hooks(self, functions: list[Any], op: str) -> None:
        seen = [*self._xs, *(y for f in functions for y in _pull.outputs(f) if y is not None)]
        if any(_core.has_hooks(v) for v in seen) or any(isinstance(f, LayerInputs) for f in functions):
            raise NotForward(f"{op}: a hook that sees gradients is registered on a Variable or a layer in f, and forward mode "
                             "has no gradients; remove it, or use reverse mode (grad, vjp, jacrev)")

    @property
    def functions(self) -> list[tuple[Any, list[int]]]:
        """(function, the places of its inputs that depend on xs) in an order of computation."""
        return [(step[0], step[1]) for step in self._steps]

    def __call__(self, tangents: Sequence[Any], record: bool) -> list[Any]:
        """The tangents of ys: Variables, None for zeros; with a graph by the tangents where `record`."""
        at: dict[int, Any] = {id(x): dx for x, dx in zip(self._xs, tangents, strict=True)}
        _pull.push(self._steps, at, record)
        return [at.get(id(y)) for y in self._ys]


def _arguments(given: Any) -> tuple[Any, ...]:
    """A tuple is f's arguments; anything else is the only one."""
    return given if type(given) is tuple else (given,)


def jvp(f: Callable[..., Any], primals: Any, tangents: Any, has_aux: bool = False) -> tuple[Any, ...]:
    """(y, dy): f's result, and its derivative in the direction of the tangents, the product of f's Jacobian with them.

    primals: a tuple, JAX's form, is f's arguments: jvp(f, (x, t), (dx, dt)); anything else is the only argument: jvp(f, x, dx).
    One argument that is a tuple itself is (x,). tangents: of the same tree and shapes. y and dy are trees like f's result.
    has_aux: f returns (y, aux), and the call (y, dy, aux). It takes about as long as two or three evaluations of f.

    Raises TypeError where the trees do not match, for integers, and for complex numbers on the way; ValueError for other
    shapes.
    """
    op = "jvp"
    check_callable(f, op)
    args = _arguments(primals)
    with Scope(op, args, tuple(range(len(args)))) as scope:
        dxs = _tangents(scope, primals, tangents)
        result, aux = split_aux(scope.call(f), has_aux, op)
        ys, structure = scope.as_variables(result, "")
        check_floats(ys, op)
        push = Push(scope.xs, ys, scope.floor, op)
        dys = push(dxs, scope.linked and scope.variables)
        scope.tell_independent([None] * len(scope.xs) if all(d is None for d in dys) and not push.functions
                               and not any(y is x for y in ys for x in scope.xs) else [0] * len(scope.xs))
        y, dy = _out(scope, ys, dys, structure, dxs)
        aux = scope.aux(aux) if has_aux else None
    return (y, dy, aux) if has_aux else (y, dy)


def _tangents(scope: Scope, primals: Any, tangents: Any) -> list[_core.Variable]:
    op = scope.op
    if (type(primals) is tuple) != (type(tangents) is tuple):
        raise TypeError(f"{op}: primals is a {type(primals).__name__} and tangents a {type(tangents).__name__}; give tuples of "
                        "f's arguments and their tangents, or for a single argument that is no tuple itself both without")
    given = _arguments(tangents)
    if len(given) != len(scope.args):
        raise TypeError(f"{op}: {len(scope.args)} primals and {len(given)} tangents; give a tangent for each argument")
    return spread(scope, given)


def spread(scope: Scope, given: Sequence[Any]) -> list[_core.Variable]:
    """The tangents of all leaves of the scope's arguments, given as trees."""
    dxs: list[_core.Variable] = []
    at = 0
    for k, structure in enumerate(scope.structures):
        n = count(structure)
        dxs += check_tangents(given[k], structure, scope.xs[at:at + n], scope.op, "the tangent", f"argument {k}")
        at += n
    return dxs


def _out(scope: Scope, ys: list[_core.Variable], dys: list[Any], structure: Any, dxs: list[_core.Variable]) -> tuple[Any, Any]:
    dys = [zeros(y) if d is None else d for y, d in zip(ys, dys, strict=True)]
    own_arrays = not (scope.variables or scope.traced)
    found = own(arrays_of(dys), [*arrays_of(dxs), *scope.values]) if own_arrays else scope.out(dys)
    return built(structure, iter(scope.out(ys))), built(structure, iter(found))


def linearize(f: Callable[..., Any], *x: Any) -> tuple[Any, Callable[..., Any]]:
    """(y, push): f's result at the arguments, and the function that multiplies with f's Jacobian there.

    push(*dx), a tangent for each argument: a tree like y. f is not called again, so many products cost little each. Errors are
    those of `jvp`.
    """
    op = "linearize"
    check_callable(f, op)
    with Scope(op, x, tuple(range(len(x)))) as scope:
        ys, structure = scope.as_variables(scope.call(f), "")
        check_floats(ys, op)
        push = Push(scope.xs, ys, scope.floor, op)
        y = built(structure, iter(scope.out(ys)))

    def pushed(*dx: Any) -> Any:
        if len(dx) != len(scope.args):
            raise TypeError(f"{op}: f has {len(scope.args)} arguments, and {len(dx)} tangents were given")
        dxs = spread(scope, dx)
        outer = _pull.under_way() > 0 or scope.variables or any(isinstance(d, _core.Variable) for d in dx)
        with swapped(scope.swaps):
            pushed_to = push(dxs, outer and _core.Config.enable_backprop)
        dys = [zeros(y) if d is None else d for y, d in zip(ys, pushed_to, strict=True)]
        if outer:
            found: list[Any] = dys
        else:
            found = arrays_of(dys) if _core.is_traced() else own(arrays_of(dys), arrays_of(dxs))
        return built(structure, iter(found))

    return y, pushed
