"""What a traced call must not do to what lies outside of it, since its replays would not: write into arrays by NumPy, draw random
numbers, keep what it has computed."""

from __future__ import annotations

import gc
import random
import zlib
from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _random
from dezero_c._calls import CaptureError
from dezero_c._capture.guards import moved
from dezero_c._plan import drawing, forget, made_by

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    import dezero_c._core as _core
    from dezero_c._capture.guards import Outside

__all__ = ["Before", "check_kept"]

FEW = 64        # elements of an array, named by the code and no operand, up to which calls look whether it is the same


def _checksum(a: Any) -> int:
    return zlib.crc32(np.ascontiguousarray(a).view(np.uint8).data if a.nbytes else b"")


class Before:
    """What is outside of a function, and as it was before a call."""

    def __init__(self, outside: Outside, at_random: bool) -> None:
        self.outside = outside
        self._arrays = [(name, a, _checksum(a)) for name, a in outside.arrays if not a.dtype.hasobject]
        self.at_random = at_random
        self._random = _random.states() if at_random else []
        self._others = self._states() if at_random else []

    def _states(self) -> list[Any]:
        """Of the generators that are not NumPy's global one."""
        return [_state(g) for g in self.outside.generators]

    def check_arrays(self, operands: list[Any], name: str) -> None:
        """Raises CaptureError where the call has written into an array that is an operand of it."""
        for called, a, checksum in self._arrays:
            if _checksum(a) != checksum and _shared(a, operands):
                raise CaptureError(f"{name} writes into the array {called}, which is outside, by NumPy alone, which a replay "
                                   "would not do; keep it in a Variable and write v.data = ..., or return it")

    def changed(self, guards: list[Any]) -> str | None:
        """What the call has changed by Python, or NumPy, of what the code names; None where it has nothing. guards: those that
        hold still."""
        if len(guards) != len(self.outside.guards):
            return moved(self.outside.guards)
        return next((f"the array {name}" for name, a, checksum in self._arrays if _checksum(a) != checksum), None)

    def contents(self, operands: list[Any], computed: bool) -> list[Any]:
        """Guards of small arrays that the code names and the program does not have, or has beside arrays that are `computed` anew
        in each call: Python may have made those of them."""
        return [(a, None, (a.tobytes(),), _same_bytes) for _, a, checksum in self._arrays
                if a.size <= FEW and _checksum(a) == checksum and (computed or not _shared(a, operands))]

    def check_random(self, trace: _core.Trace, name: str) -> None:
        """Raises CaptureError where the call has drawn random numbers, or seeded, beside what its operations (dropout) draw."""
        if any(a != b for a, b in zip(self._others, self._states(), strict=True)):
            raise CaptureError(f"{name} draws from `random`, or from a generator of its own, which a replay would not do; draw "
                               "outside, and pass the numbers as an argument")
        drawn, after = self._random, _random.states()
        if operations := drawing(trace):
            _random.restore(self._random)
            for f in operations:
                f._redraw()
            drawn = [*self._random[:-1], _random.source().get_state()]
            _random.restore(after)
        if any(one[1].tobytes() != other[1].tobytes() or (one[0], *one[2:]) != (other[0], *other[2:])
               for one, other in zip(drawn, after, strict=True)):
            raise CaptureError(f"{name} draws from np.random by itself, or seeds it, which a replay would not do; draw outside, "
                               "and pass the numbers as an argument")


def _state(generator: Any) -> Any:
    """Of one of NumPy's, or of Python's, so that == tells."""
    if isinstance(generator, random.Random):
        return generator.getstate()
    bits = getattr(generator, "bit_generator", None) or generator._bit_generator
    return repr({key: value.tolist() if isinstance(value, np.ndarray) else value for key, value in _flat(bits.state)})


def _flat(state: Any) -> list[tuple[str, Any]]:
    return [pair for key, value in state.items() for pair in (_flat(value) if isinstance(value, dict) else [(key, value)])]


def _shared(a: Any, operands: list[Any]) -> bool:
    return any(a is b or (isinstance(b, np.ndarray) and np.may_share_memory(a, b)) for b in operands)


def _same_bytes(a: Any, expected: tuple[bytes]) -> bool:
    return bool(a.tobytes() == expected[0])


def check_kept(trace: _core.Trace, allowed: Iterable[Any], made: Any, name: str) -> None:
    """Raises CaptureError where the function has put a Variable or an array of its own into something outside, which replays
    would not do. allowed: the Variables of its result, and the gradients that it gives; made: its arrays, by the ids of their
    Variables."""
    known = set(map(id, allowed))
    references = made_by(trace)
    forget(trace)

    def left() -> list[str]:
        return [line for reference, line in references if (u := reference()) is not None and id(u) not in known] + [
            name for slot in list(made) if slot not in known]

    if left():
        gc.collect()        # cycles of the function's own, as closures make them
        for line in left():
            raise CaptureError(f"{line}: what is computed here is kept outside of the captured function {name} (in a list, an "
                               "attribute, a global), where replays would not put it; return it instead, or, the state of a "
                               "recurrent layer, call reset_state() at the end too")
