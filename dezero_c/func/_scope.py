"""What all transforms do: the arguments that f is called with, its result, and what becomes of both outside."""

from __future__ import annotations

import sys
import warnings
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c import _pull
from dezero_c.func._trees import LEAF, built, count, flatten, swapped, variable_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = [
    "Scope", "arrays_of", "as_leaf", "check_argnums", "check_callable", "check_tangents", "kept", "other_data", "own", "plain",
    "tell_independent", "zeros",
]


def check_callable(f: Any, op: str) -> None:
    """Raises TypeError where f is no function."""
    if not callable(f):
        raise TypeError(f"{op}: {type(f).__name__} is no function; write {op}(f)(x)")


def check_argnums(argnums: Any, op: str) -> tuple[int, ...]:
    """argnums as a tuple of ints."""
    found = argnums if isinstance(argnums, (tuple, list)) else (argnums,)
    for k in found:
        if isinstance(k, bool) or not isinstance(k, (int, np.integer)):
            raise TypeError(f"{op}: argnums is {argnums!r}; give the number of an argument, or a tuple of them")
    if not found:
        raise ValueError(f"{op}: argnums is empty; give the number of an argument, or a tuple of them")
    return tuple(int(k) for k in found)


def as_leaf(x: Any, op: str, what: str) -> Any:
    """A leaf that is differentiated, as an ndarray or a Variable; TypeError unless it holds floats (or complex numbers)."""
    if isinstance(x, _core.Variable):
        if x.data is None:
            raise TypeError(f"{op}: {what} is a Variable without data (Variable(None)); give it data first")
        dtype = x.dtype
    elif _core.is_traced() and hasattr(x, "_slot"):
        x = _core.Variable(x)       # as_variable's would be a constant
        dtype = x.dtype
    else:
        x = np.asarray(x)
        dtype = x.dtype
    if dtype.kind not in "fc":
        example = "3.0 in place of 3" if dtype.kind in "iu" else "x.astype(float)"
        raise TypeError(f"{op}: {what} is of dtype {dtype}, and only floats have derivatives; pass floats ({example}), or leave "
                        "it out of argnums")
    return x


JOINED = "np.array makes no array of Variables, F.stack([a, b]) does"


def no_floats(dtype: Any, op: str) -> TypeError:
    """The error for a result of a dtype that has no derivatives."""
    hint = f"; {JOINED}" if dtype.kind == "O" else ""
    return TypeError(f"{op}: f returned dtype {dtype}, and only floats have derivatives{hint}")


class Scope:
    """One transform of one call: `with Scope(...) as s: y = s.call(f)`.

    leaves: in a captured call, of arrays alone: the Variables are nobody else's; linked: derivatives of the results are wanted,
    since another transform is under way or Variables were handed in; variables: results are Variables.
    """

    __slots__ = (
        "_before", "_swapped", "_views", "args", "floor", "kwargs", "leaves", "linked", "numbers", "op", "structures", "swaps",
        "traced", "values", "variables", "xs",
    )

    def __init__(self, op: str, args: Sequence[Any], numbers: tuple[int, ...], kwargs: dict[str, Any] | None = None) -> None:
        self.op, self.args, self.kwargs = op, args, kwargs or {}
        self.structures: list[Any] = []
        self.values: list[Any] = []
        n = len(args)
        places = []
        for k in numbers:
            if not -n <= k < n:
                raise TypeError(f"{op}: argnums has {k}, and f was called with {n} argument{'' if n == 1 else 's'}; arguments "
                                "that are differentiated are given by place")
            places.append(k % n)
        if len({*places}) != len(places):
            raise ValueError(f"{op}: argnums names an argument twice: {numbers}")
        self.numbers = tuple(places)
        fresh = True
        for k in places:
            leaves, structure = flatten(args[k], op)
            fresh = fresh and not any(isinstance(x, _core.Variable) for x in leaves)
            self.structures.append(structure)
            what = f"argument {k}"
            self.values += [as_leaf(x, op, what if structure == LEAF else f"leaf {i} of {what}") for i, x in enumerate(leaves)]
        # a model's Parameters are its values
        given = any(isinstance(x, _core.Variable) and not isinstance(x, _core.Parameter) for x in self.values)
        self.traced = _core.is_traced()
        self.variables = _pull.under_way() > 0 or (given and not self.traced) or (self.traced and _given(args, numbers))
        self.leaves = self.traced and fresh and not self.variables
        self.linked = self.traced or (self.variables and _core.Config.enable_backprop)

    def __enter__(self) -> Scope:
        self._before = _pull.begin()
        self._swapped: Any = None
        if self.leaves:
            _, self.floor = _pull.arguments([], False)
            self.xs = [x if isinstance(x, _core.Variable) else _core.Variable(x) for x in self.values]
            for x in self.xs:
                x.generation = self.floor
        else:
            self.xs, self.floor = _pull.arguments(self.values, self.linked)
        self._views = [] if self.linked else [x.data for x in self.xs]
        return self

    def __exit__(self, *error: object) -> None:
        _pull.end(self._before)
        if self._swapped is not None:
            self._swapped.__exit__(None, None, None)
            self._swapped = None

    def call(self, f: Callable[..., Any], xs: Any = None) -> Any:
        """f's result for the arguments, with Variables in place of what is differentiated."""
        args = list(self.args)
        leaves = iter(self.xs if xs is None else xs)
        swaps: list[tuple[Any, dict[str, Any]]] = []
        for k, structure in zip(self.numbers, self.structures, strict=True):
            args[k] = next(leaves) if structure == LEAF else built(structure, leaves, swaps)
        self.swaps = swaps
        if swaps:       # until the scope ends: checkpoints compute with the models once more in backward
            self._swapped = swapped(swaps)
            self._swapped.__enter__()
        y = f(*args, **self.kwargs)
        if not self.linked:
            for x, data in zip(self.xs, self._views, strict=True):
                if x.data is not data:
                    raise other_data(self.op)
        return y

    def as_variables(self, tree: Any, what: str) -> tuple[list[_core.Variable], Any]:
        """f's result taken apart, its leaves Variables."""
        if isinstance(tree, _core.Variable):
            return [tree], LEAF
        leaves, structure = flatten(tree, f"{self.op}: the result of f ({what})" if what else f"{self.op}: the result of f")
        return [variable_of(x) for x in leaves], structure

    def out(self, variables: Sequence[_core.Variable]) -> list[Any]:
        """Results as the caller gets them: arrays of their own, or Variables."""
        if self.variables:
            return list(variables)
        if self.traced:
            return [v.data for v in variables]
        return own([v.data for v in variables], self.values)

    def aux(self, tree: Any) -> Any:
        """What f gave besides, with arrays in place of Variables unless results are Variables."""
        return tree if self.variables else plain(tree)

    def grouped(self, values: Sequence[Any], whole: bool) -> Any:
        """Values, one for each leaf, as trees, one for each argument; `whole`: of a single one that tree itself."""
        left = iter(values)
        trees = [built(structure, left) for structure in self.structures]
        return trees[0] if whole else tuple(trees)

    def tell_independent(self, found: Sequence[Any]) -> None:
        """Warns for each argument that the result does not depend on at all. found: None for each such leaf."""
        left = iter(found)
        tell_independent(self.op, [(k, [next(left) for _ in range(count(structure))])
                                   for k, structure in zip(self.numbers, self.structures, strict=True)])


def tell_independent(op: str, found: Sequence[tuple[int, Sequence[Any]]]) -> None:
    """Warns for each argument, given by its number, whose leaves all have None."""
    for k, leaves in found:
        if leaves and all(x is None for x in leaves):
            level, frame = 1, sys._getframe()
            while frame.f_back is not None and str(frame.f_globals.get("__name__", "")).startswith("dezero_c."):
                level, frame = level + 1, frame.f_back
            warnings.warn(f"{op}: the result of f does not depend on argument {k}; its derivative is zeros", RuntimeWarning,
                          stacklevel=level)


def other_data(op: str) -> RuntimeError:
    """What f must not do with its arguments."""
    return RuntimeError(f"{op}: f has given its argument other data (x.data = ...), which no gradient would know of; compute a "
                        "new value instead")


def _given(args: Sequence[Any], numbers: tuple[int, ...]) -> bool:
    return any(isinstance(args[k], _core.Variable) for k in numbers)


def zeros(x: _core.Variable) -> _core.Variable:
    """Zeros like x."""
    return _core.Variable(np.zeros(x.shape, x.dtype))


def own(found: Sequence[Any], given: Sequence[Any]) -> list[Any]:
    """The arrays found, each a writable one that is no other's and none of those given: copied where it is not."""
    seen = {id(x) for x in given}
    out = []
    for a in found:
        if type(a) is not np.ndarray:
            a = np.array(a)
        elif a.base is not None or id(a) in seen or not a.flags.writeable:
            a = a.copy()
        seen.add(id(a))
        out.append(a)
    return out


def plain(tree: Any) -> Any:
    """A tree with arrays in place of Variables; what else is in it stays."""
    if isinstance(tree, _core.Variable):
        a: Any = tree.data
        return a.copy() if isinstance(a, np.ndarray) else a
    if type(tree) in (list, tuple):
        return type(tree)(plain(x) for x in tree)
    if type(tree) is dict:
        return {k: plain(x) for k, x in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*[plain(x) for x in tree])
    return tree


def arrays_of(variables: Sequence[_core.Variable]) -> list[Any]:
    """The Variables' arrays."""
    return [v.data for v in variables]


def check_tangents(given: Any, structure: Any, likes: Sequence[Any], op: str, what: str, of: str) -> list[_core.Variable]:
    """The leaves of a tree that must be like another: Variables, in the dtypes of `likes`.

    Raises TypeError for another structure, with both, ValueError for another shape.
    """
    leaves, found = flatten(given, op)
    if found != structure:
        raise TypeError(f"{op}: the tree of {what} is not that of {of}: {found!r} and {structure!r} (* stands for an array)")
    out = []
    for k, (x, like) in enumerate(zip(leaves, likes, strict=True)):
        v = variable_of(x)
        if v.shape != like.shape:
            raise ValueError(f"{op}: {what} has shape {v.shape}{'' if structure == LEAF else f' at leaf {k}'} where {of} has "
                             f"{like.shape}")
        if v.dtype != like.dtype:
            if v.dtype.kind not in "biuf" and not (v.dtype.kind == "c" and like.dtype.kind == "c"):
                raise TypeError(f"{op}: {what} is of dtype {v.dtype}{'' if structure == LEAF else f' at leaf {k}'} where {of} "
                                f"is of {like.dtype}")
            v = v.astype(like.dtype)
        out.append(v)
    return out


def kept(variables: list[_core.Variable]) -> list[_core.Variable]:
    """Those of a list that somebody else holds too. Of a graph that is gone the others are what the function has made itself."""
    return [v for v in variables if sys.getrefcount(v) > 3]
