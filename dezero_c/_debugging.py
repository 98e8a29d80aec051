"""`dezero_c.debug`: the first nan or infinity of a program, and data that were changed between forward and backward."""

from __future__ import annotations

import functools
import zlib
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dezero_c._core import Function, Trace, Variable

__all__ = ["debug"]


class debug:     # named as no_grad and test_mode are
    """Within `with debug():`, or in a function that is decorated with it, every operation of this thread is looked at.

    nan, inf: FloatingPointError at the first operation, forward or backward, that gives a nan, or an infinity, with the line that
    called the operation, its name and its operands. A mask of -inf is meant as it stands: say inf=False.
    changed: RuntimeError in backward where the data of an operation's operands or result are not what they were at its call, so
    that the gradient would be that of another function; no counter can see a write into an ndarray, so checksums are compared.

    Results are the same to the bit; programs take several times as long. Captured functions run as they are. Blocks within a
    block change nothing. What is raised leaves Variables as any exception in an operation, or in `backward`, does.
    """

    def __init__(self, *, nan: bool = True, inf: bool = True, changed: bool = True) -> None:
        self._nan, self._inf, self._changed = nan, inf, changed
        self._traces: list[Trace | None] = []
        self._calls: dict[int, _Call] = {}      # by the function's address, which a later one may have: see `_called`

    def __enter__(self) -> debug:
        if _core.is_traced():
            raise RuntimeError("debug: inside of a function that is being captured; put the block around its calls, which run "
                               "as they are then")
        if _core.is_measured():
            raise RuntimeError("debug: inside of a block of profile(), which would time this block's work; use one of the two")
        self._traces.append(None if _core.is_watched() else _core.start_watch(self))
        return self

    def __exit__(self, *_: object) -> None:
        trace = self._traces.pop()
        if trace is not None:
            _core.end_trace(trace)
            self._calls.clear()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """As a decorator: every call of the function runs in a block of its own."""
        @functools.wraps(function)
        def wrapper(*args: Any, **kwargs: Any) -> Any:
            with debug(nan=self._nan, inf=self._inf, changed=self._changed):
                return function(*args, **kwargs)
        return wrapper

    # ---- what the engine tells

    def operation(self, f: Function, inputs: tuple[Variable, ...], outputs: tuple[Variable, ...], line: str) -> None:
        """f was called in this line."""
        for y in outputs:
            found = self._odd(_core.value_of(y))
            if found is not None:
                which = "" if len(outputs) == 1 else f" in output {[o is y for o in outputs].index(True)}"
                raise FloatingPointError(f"{line}: {_name(f)} gave {found}{which}; {self._operands(inputs)}")
        sums = [_checksum(x) for x in (*inputs, *outputs)] if self._changed else []
        self._calls[id(f)] = _Call(line, [id(x) for x in inputs], [id(y) for y in outputs], sums)

    def before_step(self, f: Function, inputs: tuple[Variable, ...], outputs: tuple[Variable, ...]) -> None:
        """f's inputs are to get their gradients."""
        call = self._called(f, inputs)
        if call is None or not self._changed:
            return
        for k, x in enumerate(inputs):
            if _checksum(x) != call.sums[k]:
                _was_changed(f, call, f"operand {k}", x)
        for y in outputs:
            if id(y) in call.outputs and _checksum(y) != call.sums[len(inputs) + call.outputs.index(id(y))]:
                _was_changed(f, call, "the result", y)

    def after_step(self, f: Function, inputs: tuple[Variable, ...]) -> None:
        """They have them."""
        for k, x in enumerate(inputs):
            gradient = _core.gradient_values(x)
            if gradient is None or (found := self._odd(gradient)) is None:
                continue
            call = self._called(f, inputs)
            line = _core.user_line() if call is None else call.line
            where = "called before this block began; " if call is None else "called here, "
            raise FloatingPointError(f"{line}: in backward, {_name(f)}, {where}gave the gradient of its operand {k}{_label(x)} "
                                     f"{found}; {self._operands(inputs)}")

    # ----

    def _called(self, f: Function, inputs: tuple[Variable, ...]) -> _Call | None:
        """What is known of f's call."""
        call = self._calls.get(id(f))
        return call if call is not None and call.inputs == [id(x) for x in inputs] else None

    def _odd(self, a: Any) -> str | None:
        """What is wrong with an array, in words."""
        if not isinstance(a, (np.ndarray, np.generic)) or a.dtype.kind not in "fc" or np.isfinite(a).all():
            return None
        for is_odd, what, wanted in ((np.isnan, "nan", self._nan), (np.isinf, "an infinity", self._inf)):
            at = np.argwhere(is_odd(a))
            if wanted and len(at):
                if a.ndim == 0:
                    return what
                place = tuple(int(i) for i in at[0])
                return f"{what} in {len(at)} of {a.size} elements, shape {a.shape}, first at {place if a.ndim > 1 else place[0]}"
        return None

    def _operands(self, inputs: tuple[Variable, ...]) -> str:
        """Shapes and ranges of operands, in words."""
        told = []
        for k, x in enumerate(inputs):
            a = _core.value_of(x)
            text = f"operand {k}{_label(x)} has shape {a.shape} of {a.dtype}"
            if found := self._odd(a):
                text += f", and has {found} already, from outside of the block"
            elif a.dtype.kind in "fiu" and a.size:
                text += f", from {a.min():.6g} to {a.max():.6g}"
            told.append(text)
        return "; ".join(told)


class _Call:
    """A call of an operation: its line, who it was of, and what they held."""

    __slots__ = ("inputs", "line", "outputs", "sums")

    def __init__(self, line: str, inputs: list[int], outputs: list[int], sums: list[Any]) -> None:
        self.line, self.inputs, self.outputs, self.sums = line, inputs, outputs, sums


def _checksum(x: Variable) -> Any:
    """What tells arrays of other values apart, but for one case in 4 * 10^9."""
    a = _core.value_of(x)
    if not isinstance(a, (np.ndarray, np.generic)) or a.dtype.hasobject:
        return id(a)
    return a.dtype.str, a.shape, zlib.crc32(a.tobytes())


def _name(f: Function) -> str:
    return type(f).__name__


def _label(x: Variable) -> str:
    return f" ({x.name!r})" if x.name else ""


def _was_changed(f: Function, call: _Call, what: str, x: Variable) -> None:
    raise RuntimeError(f"{call.line}: the data of {what}{_label(x)} of {_name(f)}, called here, were changed between forward "
                       "and backward, so that the gradient would be wrong; change data after backward, or compute with a copy")
