"""What captured calls are given and give: trees of lists, tuples and dicts, with Variables and arrays as their leaves."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c._calls import CaptureError
from dezero_c._capture.arrays import TracedArray, slot_of

if TYPE_CHECKING:
    from typing import Any

__all__ = ["MISSING", "Later", "Leaf", "TracedArguments", "made_anew", "plain_array", "plain_result", "rebuilt", "tree_of"]

MISSING = object()      # in the place of a leaf


def plain_array(a: Any) -> Any:
    return a if type(a) is np.ndarray else a.view(np.ndarray)      # of a memmap


class TracedArguments:
    """The arguments of a traced call: with TracedArrays in place of arrays, one for each; lists and dicts that have some are
    copies."""

    def __init__(self, arrays: list[Any], holders: list[_core.Variable]) -> None:
        self.arrays: dict[int, TracedArray] = {}
        for a, holder in zip(arrays, holders, strict=True):
            if id(a) not in self.arrays:
                self.arrays[id(a)] = TracedArray(holder)
        self.given: dict[int, tuple[Any, list[Any], Any]] = {}     # lists and dicts: by id, what f has of it, its parts, itself

    def arguments(self, args: Any, kwargs: Any, static: frozenset[int | str]) -> tuple[list[Any], dict[str, Any]]:
        """What f is called with."""
        return ([a if k in static else self.of(a) for k, a in enumerate(args)],
                {name: a if name in static else self.of(a) for name, a in kwargs.items()})

    def of(self, o: Any) -> Any:
        if isinstance(o, np.ndarray):
            return self.arrays[id(o)]
        if isinstance(o, tuple):
            parts = [self.of(x) for x in o]
            if all(a is b for a, b in zip(parts, o, strict=True)):
                return o
            return type(o)(*parts) if hasattr(o, "_fields") else tuple(parts)
        if not isinstance(o, (list, dict)):
            return o
        if id(o) not in self.given:
            keyed = isinstance(o, dict)
            parts = [self.of(x) for x in (o.values() if isinstance(o, dict) else o)]
            mine = o
            if not all(a is b for a, b in zip(parts, o.values() if isinstance(o, dict) else o, strict=True)):
                mine = copy.copy(o)
                for key, x in zip(o if keyed else range(len(parts)), parts, strict=True):
                    mine[key] = x
            self.given[id(o)] = mine, [*mine, *parts] if keyed else parts, o
        return self.given[id(o)][0]

    def check(self, name: str) -> None:
        """Raises CaptureError where f has changed a list or dict that it was given."""
        for mine, parts, _ in self.given.values():
            now = [*mine, *mine.values()] if isinstance(mine, dict) else list(mine)
            if len(now) != len(parts) or any(a is not b for a, b in zip(now, parts, strict=True)):
                raise CaptureError(f"{name} changes a {type(mine).__name__} that is its argument, which a replay would not do; "
                                   "return what belongs in it")


class Leaf:
    """In a result: a Variable or an array of the plan, an argument, or anything else."""

    __slots__ = ("array", "kind", "what")

    def __init__(self, kind: str, what: Any, array: bool) -> None:
        self.kind, self.what, self.array = kind, what, array


class Later:
    """An argument's array, which is back in its place when the call is over."""

    def __init__(self, v: _core.Variable) -> None:
        self.v = v


def tree_of(o: Any, found: list[Leaf]) -> Any:
    """The shape of a result's tree; its Variables and arrays are appended to `found`."""
    if isinstance(o, _core.Variable):
        found.append(Leaf("node", o, False))
        return MISSING
    if isinstance(o, TracedArray):
        found.append(Leaf("node", slot_of(o), True))
        return MISSING
    if isinstance(o, (tuple, list)):
        parts = [tree_of(x, found) for x in o]
        return type(o)(*parts) if hasattr(o, "_fields") else type(o)(parts)
    if isinstance(o, dict):
        return {k: tree_of(x, found) for k, x in o.items()}
    return o


class _Anew:
    """In a result: an array that each call makes, of numbers alone."""

    def __init__(self, array: Any) -> None:
        self.array = array.copy()


def made_anew(shape: Any, copied: set[int]) -> Any:
    """The tree of a result where arrays that each call makes anew are told apart from those that it merely names."""
    if isinstance(shape, np.ndarray):
        return _Anew(shape) if id(shape) in copied else shape
    if isinstance(shape, (tuple, list)):
        parts = [made_anew(x, copied) for x in shape]
        return type(shape)(*parts) if hasattr(shape, "_fields") else type(shape)(parts)
    return {k: made_anew(x, copied) for k, x in shape.items()} if isinstance(shape, dict) else shape


def rebuilt(shape: Any, values: list[Any]) -> Any:
    left = iter(values)

    def filled(o: Any) -> Any:
        if o is MISSING:
            v = next(left)
            return _core.value_of(v.v) if isinstance(v, Later) else v
        if isinstance(o, _Anew):
            return o.array.copy()
        if isinstance(o, (tuple, list)):
            parts = [filled(x) for x in o]
            return type(o)(*parts) if hasattr(o, "_fields") else type(o)(parts)
        return {k: filled(x) for k, x in o.items()} if isinstance(o, dict) else o

    return filled(shape)


def plain_result(result: Any) -> Any:
    """A traced call's result with arrays in place of TracedArrays."""
    found: list[Leaf] = []
    shape = tree_of(result, found)
    return rebuilt(shape, [_core.value_of(leaf.what) if leaf.array else leaf.what for leaf in found])
