"""`vmap`: a function of one example, for a batch of them."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c import _pull
from dezero_c import functions as F
from dezero_c._machine import Dispatch
from dezero_c.func._reverse import named
from dezero_c.func._scope import check_callable
from dezero_c.func._trees import LEAF, built, count, flatten

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["vmap"]


def vmap(f: Callable[..., Any], in_axes: Any = 0, out_axes: Any = 0) -> Callable[..., Any]:
    """f for each element along an axis of its arguments; the results in arrays with an axis more: vmap(f)(xs)[i] == f(xs[i]).

    in_axes: the axis of every argument, or a tuple or list with an axis, or None (the same for all examples), for each; it holds
    for all arrays of an argument that is a tree. out_axes: where the new axis of the results goes, one for all, or a tuple for a
    tuple of results. Arrays of integers and booleans, labels for instance, come to f as arrays, others as Variables.

    f is called once for each example, and the results are stacked: right by definition, to the last bit, whatever f does, and
    as slow as that many calls. A function that broadcasting takes over the whole batch is faster called so; a captured one
    of single numbers, mapped along first axes, runs side by side (`Captured.vmap`).

    Raises ValueError for axes of different lengths, of length 0, or that are not there, TypeError for results that differ in
    their trees.
    """
    op = "vmap"
    check_callable(f, op)
    if not isinstance(in_axes, (int, tuple, list)) or isinstance(in_axes, bool):
        raise TypeError(f"{op}: in_axes is {in_axes!r}; give an axis for all arguments, or a tuple with one (or None) for each")

    @named(f)
    def mapped(*args: Any) -> Any:
        axes = [in_axes] * len(args) if isinstance(in_axes, int) else list(in_axes)
        if len(axes) != len(args):
            raise ValueError(f"{op}: in_axes has {len(axes)} entries, and f was called with {len(args)} arguments")
        taken: list[tuple[list[Any], Any, Any] | None] = []
        lengths: dict[int, str] = {}
        variables = _pull.under_way() > 0      # as in every transform: inside another, or for Variables
        for k, (arg, axis) in enumerate(zip(args, axes, strict=True)):
            if axis is None:
                variables = variables or isinstance(arg, _core.Variable)
                taken.append(None)
                continue
            if isinstance(axis, bool) or not isinstance(axis, int):
                raise TypeError(f"{op}: in_axes has {axis!r} for argument {k}; it is an int or None, for all arrays of the "
                                "argument")
            leaves, structure = flatten(arg, op)
            variables = variables or any(isinstance(x, _core.Variable) and not isinstance(x, _core.Parameter) for x in leaves)
            values = [_core.Variable(x) if hasattr(x, "_slot") else x if isinstance(x, _core.Variable) else np.asarray(x)
                      for x in leaves]
            for x in values:
                if not -x.ndim <= axis < x.ndim:
                    raise ValueError(f"{op}: argument {k} has shape {x.shape} and no axis {axis} to map over; give None in "
                                     "in_axes for what is the same for all examples")
                lengths.setdefault(x.shape[axis], f"argument {k} of shape {x.shape} along axis {axis}")
            taken.append((values, structure, axis))
        if len(lengths) > 1:
            told = "; ".join(f"{n} in {where}" for n, where in lengths.items())
            raise ValueError(f"{op}: the axes that are mapped over differ in length: {told}")
        if not lengths:
            raise ValueError(f"{op}: no argument has an axis to map over: in_axes is {in_axes!r}")
        n, = lengths
        if n == 0:
            raise ValueError(f"{op}: the axis that is mapped over has length 0, so nothing tells the shape of f's results")
        if out_axes == 0 and not variables and not _core.is_traced() and isinstance(f, Dispatch) \
                and all(each is not None and each[1] == LEAF and each[2] == 0 for each in taken):
            stacked: Any = f
            leaves, structure = flatten(stacked.vmap(*[_whole(each[0][0]) for each in taken if each is not None]), op)
            return built(structure, iter([x.data if isinstance(x, _core.Variable) else np.asarray(x) for x in leaves]))
        with contextlib.nullcontext() if variables or _core.is_traced() else _core.no_grad():
            results = [f(*[args[k] if each is None else built(each[1], iter([_example(x, i, each[2]) for x in each[0]]))
                           for k, each in enumerate(taken)]) for i in range(n)]
            return _stacked(results, out_axes, op, variables)

    return mapped


def _whole(x: Any) -> Any:
    """All elements, as those that `_example` gives."""
    return _core.Variable(x) if x.dtype.kind in "fc" else x


def _example(x: Any, i: int, axis: int) -> Any:
    """The i-th element along the axis."""
    index = (slice(None),) * (axis % x.ndim) + (i,)
    if isinstance(x, _core.Variable):
        return x[index]
    if x.dtype.kind in "fc":
        return _core.Variable(np.asarray(x[index]))
    return x[index]


def _stacked(results: list[Any], out_axes: Any, op: str, variables: bool) -> Any:
    parts = [flatten(y, f"{op}: the result of f") for y in results]
    leaves, structure = parts[0]
    for i, (_, other) in enumerate(parts):
        if other != structure:
            raise TypeError(f"{op}: f returned {structure!r} for example 0 and {other!r} for example {i}; it must return one "
                            "tree for all")
    if isinstance(out_axes, (tuple, list)):
        if structure == LEAF or structure.kind is not tuple or len(structure.children) != len(out_axes):
            raise ValueError(f"{op}: out_axes is {out_axes!r} where f returned {structure!r}; give one int, or one for each of "
                             "a tuple of results")
        axes = [axis for axis, child in zip(out_axes, structure.children, strict=True) for _ in range(count(child))]
    else:
        axes = [out_axes] * len(leaves)
    out: list[Any] = []
    for k, axis in enumerate(axes):
        if isinstance(axis, bool) or not isinstance(axis, int):
            raise TypeError(f"{op}: out_axes has {axis!r}; it is an int")
        column = [each[0][k] for each in parts]
        shapes = {np.shape(x) for x in column}
        if len(shapes) > 1:
            raise ValueError(f"{op}: f returned shapes {sorted(shapes)} for different examples; stack them by hand, or pad")
        ndim = len(shapes.pop()) + 1
        if not -ndim <= axis < ndim:
            raise ValueError(f"{op}: out_axes {axis} is no axis of results of {ndim} axes")
        if variables:
            out.append(F.stack(column, axis))
        elif _core.is_traced():
            out.append(F.stack(column, axis).data)
        else:
            out.append(np.stack([x.data if isinstance(x, _core.Variable) else np.asarray(x) for x in column], axis))
    return built(structure, iter(out))

