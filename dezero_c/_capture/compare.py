"""Two traces of one function: are they the same program? Nodes are numbered in order of appearance, so that what differs is the
user's: a constant, a branch, a Variable from outside."""

from __future__ import annotations

import functools
import types
import weakref
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c._calls import CaptureError, Place, Template
from dezero_c._capture.arrays import TracedArray
from dezero_c._plan import Told

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

__all__ = ["Program"]


class _Same:
    """An object that is the same in both traces only where it is the very same."""

    __slots__ = ("o",)

    def __init__(self, o: Any) -> None:
        self.o = o

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Same) and self.o is other.o

    __hash__ = None     # type: ignore[assignment]

    def __repr__(self) -> str:
        if isinstance(self.o, _core.Variable):
            return f"the Variable {self.o.name or ''} of shape {getattr(_core.value_of(self.o), 'shape', None)} from outside"
        return f"{self.o!r:.60}"


class _Array:
    """An array in a trace: the same where it is the same object, or has the same bits."""

    __slots__ = ("a", "bits")

    def __init__(self, a: Any) -> None:
        self.a = a
        self.bits = (a.dtype.str, a.shape, a.tobytes()) if a.dtype != object else (a.dtype.str, a.shape, id(a))

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Array) and (_same_place(self.a, other.a) or self.bits == other.bits)

    __hash__ = None     # type: ignore[assignment]

    def __repr__(self) -> str:
        return f"an array of shape {self.a.shape}" if self.a.size > 4 else f"{self.a!r}"


def _same_place(a: Any, b: Any) -> bool:
    """Whether two arrays are one, or the same part of one that was there before both."""
    return a is b or (isinstance(a.base, np.ndarray) and a.base is b.base and a.ctypes.data == b.ctypes.data
                      and (a.shape, a.strides, a.dtype) == (b.shape, b.strides, b.dtype))


def _is_plain(o: Any) -> bool:
    """A number, a string, an array, or such in a list, tuple or dict."""
    if isinstance(o, (list, tuple)):
        return all(map(_is_plain, o))
    if isinstance(o, dict):
        return all(map(_is_plain, o.values()))
    return o is None or isinstance(o, (int, float, complex, str, bool, np.ndarray))


def _words(event: list[Any] | None) -> str:
    return " ".join(str(part) for part in event or () if part is not None)[:200]


class Program:
    """What a trace says, for comparison. arguments: the call's Variables, which count by their place."""

    def __init__(self, trace: _core.Trace, arguments: Sequence[_core.Variable], result: Any) -> None:
        self.arrays: list[Any] = []
        self._line = ""
        self._ways: list[bool] = []
        self._trace: Any = trace
        self._told = Told(trace, arguments, _Same)
        self._told.tell_all(self._event)
        self.result = self._value(result)
        self.branches = tuple(self._ways)       # how they came out
        self._told.finish()
        self._trace = None

    def __len__(self) -> int:
        return len(self._told)

    def difference(self, other: Program) -> str | None:
        """The first place where `other` differs, in words; None where it does not."""
        found = self._told.first_difference(other._told)
        if found is not None:
            k, here, there = found
            if here is None:
                return f"{other._told.line_of(k)}: {_words(there)} is in one of two calls only"
            if there is None:
                return f"{self._told.line_of(k)}: {_words(here)} is in one of two calls only"
            return f"{other._told.line_of(k)}: {_words(there)}, and in the call before it was {_words(here)}"
        if self.result != other.result:
            return f"the result is {other.result}, and in the call before it was {self.result}"
        return None

    def copied(self, other: Program) -> set[int]:
        """ids of arrays of `other` that are other objects here, though equal: a call makes them anew each time."""
        return {id(b) for a, b in zip(self.arrays, other.arrays, strict=False) if not _same_place(a, b)}

    def _event(self, event: Any) -> Any:
        kind, *rest, self._line = event
        if kind in ("op", "effect"):
            f, inputs, *more = rest
            found = (kind, self._operation(f), tuple(self._variable(v) for v in inputs))
            for v in more[0] if more else ():
                if isinstance(v, weakref.ref):
                    v = v()
                if v is not None:
                    self._told.new(v)
            return (*found, *more[1:])
        if kind == "alive":
            return kind, tuple(self._variable(v) for v in rest[1])
        if kind in ("const", "new"):
            self._told.new(rest[0])
            return kind, self._value(rest[1])
        if kind == "branch":
            self._ways.append(rest[1])
        if kind == "data" and rest[2]:
            self._told.new(rest[0])
        if kind == "show":
            found = (kind, self._variable(rest[0]))
            self._told.new(rest[1])
            return found
        if kind == "grad read":
            found = (kind, self._variable(rest[0]))
            if isinstance(rest[1], _core.Variable) and self._told.number(rest[1]) is None:
                self._told.new(rest[1])
            return found
        return (kind, *[self._value(x) for x in rest])

    def _variable(self, v: Any) -> Any:
        return self._told.number(v) or _Same(v)

    def _operation(self, f: Any) -> Any:
        kind = type(f)
        if kind is _core.Applied:
            return self._value(f.given_function())
        told: list[Any] = [_Same(kind), self._value(() if hasattr(f, "_redraw") else f._arguments())]
        # what it was made with; what its forward keeps for backward depends on values
        told += [(name, self._value(x)) for name, x in sorted(self._trace.attributes_of(f).items()) if _is_plain(x)]
        return tuple(told)

    def _value(self, o: Any) -> Any:
        if isinstance(o, _core.Variable):
            return self._variable(o)
        if isinstance(o, TracedArray):
            raise CaptureError(f"{self._line}: an array of the traced call is a parameter of an operation here, not an "
                               "operand: a "
                               "replay would keep the one of the traced call. Pass a Variable, or an array from outside")
        if isinstance(o, (np.ndarray, np.generic)):
            self.arrays.append(o)
            return _Array(o)
        if isinstance(o, (bool, int, float, complex)):
            return type(o).__name__, repr(o)
        if o is None or isinstance(o, (str, bytes, Place)):
            return o
        if isinstance(o, (tuple, list)):
            return type(o).__name__, tuple(self._value(x) for x in o)
        if isinstance(o, dict):
            return tuple((key, self._value(x)) for key, x in o.items())
        if isinstance(o, slice):
            return "slice", self._value(o.start), self._value(o.stop), self._value(o.step)
        if isinstance(o, Template):
            return self._value(o.function), self._value(o.args), self._value(o.kwargs)
        if isinstance(o, functools.partial):
            return self._value(o.func), self._value(o.args), self._value(o.keywords)
        if isinstance(o, (types.MethodType, types.BuiltinMethodType)) and not isinstance(
                o.__self__, (types.ModuleType, types.NoneType)):        # bound: another object each time that it is looked up
            return _Same(o.__self__), o.__name__
        if isinstance(o, np.dtype):
            return o.str
        return _Same(o)
