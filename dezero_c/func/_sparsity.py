"""Which numbers depend on which, by the graph; and columns of a Jacobian that one product can give together.

Beside every value on the way from x to y runs a set of bits for each of its elements: the elements of x that it may depend on.
What is not known of an operation is taken as dependence of all on all, so an element outside of the pattern is 0 at this point
for sure. Columns without a common row are found greedily (A. R. Curtis, M. J. D. Powell, J. K. Reid, On the estimation of sparse
Jacobian matrices, 1974).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
import dezero_c._linalg as _linalg
from dezero_c import _pull
from dezero_c import functions as F

if TYPE_CHECKING:
    from typing import Any

    from dezero_c.func._forward import Push

__all__ = ["colours", "groups", "pattern"]

# Each element of the result is one of the operands'; or each element of the operand goes into one of the result's.
_GATHER = {getattr(F, name) for name in (
    "BroadcastTo", "Cast", "Concatenate", "GetItem", "Repeat", "Reshape", "Roll", "SetAt", "Stack", "Tile", "Transpose")} | {
    _linalg.Diagonal, _pull.Same}
_SCATTER = {F.Sum, F.SumTo, F.GetItemGrad, _linalg.DiagonalGrad}
_MOST = 1 << 28      # bytes of one value's sets


def groups(push: Push, xs: list[_core.Variable], ys: list[_core.Variable]) -> tuple[Any, Any, Any]:
    """(pattern, colours, places) of d ys / d xs; None for each where sets would be too large. places: for each element where it
    lies among the products by colours, one after the other, and a zero behind them. Kept for the next graph that is the same."""
    key = _signature(push, xs, ys)
    found = None if key is None else _known.get(key)
    if found is None:
        depends = _pull.unseen(pattern, (push, xs, ys))
        found = (None, None, None)
        if depends is not None:
            number = colours(depends)
            rows, end = np.arange(len(depends))[:, None], (int(number.max(initial=-1)) + 1) * len(depends)
            places = np.where(depends, number * len(depends) + rows, end) if depends.size <= _KEPT else None
            found = depends, number, places
        if key is not None and (depends is None or depends.size <= _KEPT):
            if len(_known) >= 64:
                _known.clear()
            _known[key] = found
    return found


_known: dict[Any, tuple[Any, Any, Any]] = {}
_KEPT = 1 << 18     # elements of a pattern that is kept
_NO_KEY = (np.ndarray, _core.Variable)


def _signature(push: Push, xs: list[_core.Variable], ys: list[_core.Variable]) -> Any:
    """What the pattern depends on, as a key; None where an index is an array."""
    numbers = {id(x): k for k, x in enumerate(xs)}
    key: list[Any] = [x.shape for x in xs]
    try:
        for f, places in push.functions:
            inputs = _core.inputs_of(f)
            for y in _pull.outputs(f):
                if y is not None:
                    numbers[id(y)] = len(numbers)
                    key.append(y.shape)
            key += [type(f), *places, *[(numbers.get(id(inputs[k])), inputs[k].shape) for k in places]]
            if type(f) in _GATHER or type(f) in _SCATTER:
                key += [len(inputs), *[x.shape for x in inputs], _hashed(f._arguments())]
        key += [numbers.get(id(y)) for y in ys]
        hash(found := tuple(key))
    except TypeError:
        return None
    return found


def _hashed(o: Any) -> Any:
    if isinstance(o, slice):
        return slice, o.start, o.stop, o.step
    if isinstance(o, (tuple, list)):
        return type(o), *[_hashed(x) for x in o]
    if isinstance(o, _NO_KEY):
        raise TypeError
    return type(o), o


def pattern(push: Push, xs: list[_core.Variable], ys: list[_core.Variable]) -> Any:
    """(elements of ys, elements of xs) booleans: False where the derivative is 0 whatever happens; None where sets would be too
    large."""
    sizes = [x.size for x in xs]
    n = sum(sizes)
    words = -(-n // 8)
    if words * max([x.size for x in (*xs, *ys)], default=0) > _MOST:
        return None
    eye = np.packbits(np.eye(n, dtype=bool), axis=1)
    bits: dict[int, Any] = {}
    at = 0
    for x, size in zip(xs, sizes, strict=True):
        bits[id(x)] = eye[at:at + size]
        at += size
    uses: dict[int, int] = {}
    for f, places in push.functions:
        for k in places:
            i = id(_core.inputs_of(f)[k])
            uses[i] = uses.get(i, 0) + 1
    kept = {id(y) for y in ys}
    for f, places in push.functions:
        inputs = _core.inputs_of(f)
        for y in _pull.outputs(f):
            if y is not None:
                if words * y.size > _MOST:
                    return None
                bits[id(y)] = _through(f, inputs, places, y, bits, words)
        for k in places:
            i = id(inputs[k])
            uses[i] -= 1
            if not uses[i] and i not in kept:
                bits.pop(i, None)
    rows = [bits[id(y)] if id(y) in bits else np.zeros((y.size, words), np.uint8) for y in ys]
    return np.unpackbits(np.concatenate(rows), axis=1, count=n).view(bool)


def _through(f: Any, inputs: tuple[_core.Variable, ...], places: list[int], y: _core.Variable, bits: dict[int, Any],
             words: int) -> Any:
    """The sets of y = f(inputs): (y.size, words)."""
    if _pull.is_elementwise(f):
        total = np.zeros((*y.shape, words), np.uint8)
        for k in places:
            shape = inputs[k].shape
            own = bits[id(inputs[k])].reshape((1,) * (y.ndim - len(shape)) + shape + (words,))
            np.bitwise_or(total, own, out=total)
        return total.reshape(-1, words)
    if type(f) in _GATHER:
        if type(f) in (_pull.Same, F.Cast):
            return bits[id(inputs[0])]
        first, sets, indices = 0, [], []
        for k, x in enumerate(inputs):
            sets.append(bits[id(x)] if k in places else np.zeros((x.size, words), np.uint8))
            indices.append(np.arange(first, first + x.size, dtype=float).reshape(x.shape))
            first += x.size
        source = np.asarray(type(f)(*f._arguments()).forward(*indices)).astype(np.intp)
        return np.concatenate(sets)[source.reshape(-1)]
    if type(f) in _SCATTER:
        gy = _core.Variable(np.arange(y.size, dtype=float).reshape(y.shape))
        target = np.asarray(_pull.rule(f, [gy])[0]).astype(np.intp)
        total = np.zeros((y.size, words), np.uint8)
        np.bitwise_or.at(total, target.reshape(-1), bits[id(inputs[0])])
        return total
    some = np.zeros(words, np.uint8)
    for k in places:
        some |= np.bitwise_or.reduce(bits[id(inputs[k])], axis=0)
    return np.broadcast_to(some, (y.size, words))


def colours(pattern: Any) -> Any:
    """A number for each column, from 0; columns of one number have no row in common."""
    packed = np.packbits(pattern.T, axis=1)
    taken: list[int] = []
    found = np.empty(len(packed), np.intp)
    for j, column in enumerate(packed):
        rows = int.from_bytes(column.tobytes(), "big")
        for c, occupied in enumerate(taken):
            if not occupied & rows:
                taken[c] |= rows
                found[j] = c
                break
        else:
            found[j] = len(taken)
            taken.append(rows)
    return found
