"""Calls for each element of a first axis, and their results stacked: `over` and `vmap` of captured functions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core

if TYPE_CHECKING:
    from typing import Any

__all__ = ["Stacked", "elements_of", "length_of"]


def length_of(name: str, arrays: Any) -> int:
    """The length of the first axis of arrays and Variables."""
    for a in arrays:
        if not isinstance(a, (np.ndarray, _core.Variable)):
            raise TypeError(f"{name}: an argument is of type {type(a).__name__}; pass arrays or Variables, and name what is the "
                            "same in all calls in the function")
        if a.ndim == 0:
            raise ValueError(f"{name}: an argument is 0-d, and has no first axis to go along")
    if not arrays or len({len(a) for a in arrays}) != 1:
        raise ValueError(f"{name}: arrays of one length are wanted, not of {[len(a) for a in arrays]}")
    return len(arrays[0])


def elements_of(arrays: Any, k: int) -> list[Any]:
    """The k-th element of each along the first axis."""
    return [_core.Variable(_core.value_of(a)[k, ...]) if isinstance(a, _core.Variable) else a[k, ...] for a in arrays]


class Stacked:
    """Results of n calls, in the shape of one, with a new first axis."""

    def __init__(self, first: Any, n: int) -> None:
        leaves: list[Any] = []
        self.shape = self._taken(first, leaves)
        self.out = [np.empty((n, *leaf.shape), leaf.dtype) for leaf in leaves]
        self._put(0, leaves)

    def _taken(self, o: Any, leaves: list[Any]) -> Any:
        """The tree of a result, its Variables and arrays in `leaves`; their places say which they are."""
        if isinstance(o, _core.Variable):
            leaves.append(_core.value_of(o))
            return _core.Variable
        if isinstance(o, (np.ndarray, np.generic)):
            leaves.append(o)
            return np.ndarray
        if isinstance(o, (tuple, list)):
            parts = [self._taken(x, leaves) for x in o]
            return type(o)(*parts) if hasattr(o, "_fields") else type(o)(parts)
        return {k: self._taken(x, leaves) for k, x in o.items()} if isinstance(o, dict) else o

    def put(self, k: int, result: Any) -> None:
        """The k-th call's."""
        leaves: list[Any] = []
        if self._taken(result, leaves) != self.shape:
            raise ValueError(f"vmap: call {k} gave {result!r:.80}, which is made of other parts than what call 0 gave")
        self._put(k, leaves)

    def _put(self, k: int, leaves: list[Any]) -> None:
        for out, leaf in zip(self.out, leaves, strict=True):
            if leaf.shape != out.shape[1:] or leaf.dtype != out.dtype:
                raise ValueError(f"vmap: call {k} gave shape {leaf.shape} of {leaf.dtype}, and call 0 {out.shape[1:]} of "
                                 f"{out.dtype}")
            out[k] = leaf

    def put_columns(self, k: int, columns: list[Any]) -> None:
        """Those from the k-th on, by their parts."""
        for out, column in zip(self.out, columns, strict=True):
            out[k:] = column

    def result(self) -> Any:
        """All of them."""
        left = iter(self.out)

        def filled(o: Any) -> Any:
            if o is _core.Variable:
                return _core.Variable(next(left))
            if o is np.ndarray:
                return next(left)
            if isinstance(o, (tuple, list)):
                parts = [filled(x) for x in o]
                return type(o)(*parts) if hasattr(o, "_fields") else type(o)(parts)
            return {k: filled(x) for k, x in o.items()} if isinstance(o, dict) else o

        return filled(self.shape)
