"""What the Python array API standard asks of an array, and DeZero's Variable has not: `__array_namespace__`, `device`,
`to_device`, `mT`, the operators on bits, `__index__`.

The namespace itself, dezero_c.array_api, is imported when it is asked for. Where DeZero has a meaning of its own (`==` of two
Variables, `T`, the truth of an array), that stays.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c._constants import BITS

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import ModuleType
    from typing import Any

VERSIONS = ("2021.12", "2022.12", "2023.12", "2024.12")     # of the standard; a later one has all that an earlier one has


def _array_namespace(self: _core.Variable, /, *, api_version: str | None = None) -> ModuleType:
    """The module dezero_c.array_api: the functions of the Python array API standard, on Variables.

    api_version: one of the standard's versions from "2021.12" to "2024.12", or None. ValueError for another one.
    """
    if api_version is not None and api_version not in VERSIONS:
        known = ", ".join(map(repr, VERSIONS))
        raise ValueError(f"__array_namespace__: api_version is {api_version!r}; known are {known}, and None")
    from dezero_c import array_api  # most programs never ask for it

    return array_api


def _to_device(self: _core.Variable, device: Any, /, *, stream: Any = None) -> _core.Variable:
    """The Variable itself: device can only be "cpu", where it is. ValueError for another device, or a stream."""
    if device != "cpu":
        raise ValueError(f"to_device: device is {device!r}; Variables lie on the CPU, 'cpu'")
    if stream is not None:
        raise ValueError(f"to_device: stream is {stream!r}; the CPU has none, stream=None is meant")
    return self


def _index(self: _core.Variable) -> int:
    """The value as an index: `range(n)`, `items[i]`. TypeError unless it is a single integer."""
    about = _core.about(self)       # before the value is looked at, which a capture would refuse
    if about is None or about[0] != () or about[1].kind not in "iu":
        shape, dtype = about[:2] if about is not None else ("none", "none")
        raise TypeError(f"a Variable of shape {shape} and dtype {dtype} in place of an integer; a single integer is one, int(x) "
                        "makes one of a number")
    return operator.index(_core.read_value(self, "an index"))


def _set_item(self: _core.Variable, index: Any, value: Any) -> None:
    """Raises TypeError: a graph holds values that do not change."""
    raise TypeError("a Variable's elements cannot be assigned to: what was computed from it holds on to it; take x = set_at(x, "
                    "index, value) of dezero_c.functions, or where(mask, value, x), or assign to elements of x.data before "
                    "x is used")


def _delete_item(self: _core.Variable, index: Any) -> None:
    """Raises TypeError: arrays have no elements to take out."""
    raise TypeError("a Variable's elements cannot be deleted; index those that are to stay")


class _Field:
    """An attribute of the class that is computed, and gives way to one that a program sets on an instance."""

    def __init__(self, name: str, compute: Callable[[_core.Variable], Any]) -> None:
        self.name, self.compute, self.__doc__ = name, compute, compute.__doc__

    def __get__(self, instance: _core.Variable | None, owner: Any = None) -> Any:
        return self if instance is None else self.compute(instance)


def _device(v: _core.Variable) -> str:
    """Where the values lie: "cpu"."""
    return "cpu"


def _mt(v: _core.Variable) -> _core.Variable:
    """The last two axes exchanged: the transposed matrix, or each of a stack. ValueError below two axes."""
    from dezero_c import functions as F  # which imports this, by way of _protocols

    if v.ndim < 2:
        raise ValueError(f"mT: a Variable of shape {v.shape} holds no matrix; it takes two axes or more")
    return F.swapaxes(v, -1, -2)


def _operand(x: Any) -> bool:
    return isinstance(x, (_core.Variable, np.ndarray, np.generic, int)) or (_core.is_traced() and hasattr(x, "dtype"))


def _binary(ufunc: np.ufunc, name: str, reflected: bool) -> Callable[[_core.Variable, Any], Any]:
    compute = BITS[ufunc]

    def method(self: _core.Variable, other: Any) -> Any:
        if isinstance(other, bool):
            raise TypeError(f"{name}: a Python bool beside a Variable; == and != of two Variables ask whether they are one "
                            "object, as in DeZero: take equal or not_equal of dezero_c.array_api, or "
                            f"np.bool_({other}) where a constant is meant")
        if not _operand(other):
            return NotImplemented
        return compute(other, self) if reflected else compute(self, other)
    return method


def _invert(self: _core.Variable) -> Any:
    return BITS[np.invert](self)


def _attach(name: str, value: Any) -> None:
    if callable(value):
        value.__name__, value.__qualname__ = name, f"Variable.{name}"
    setattr(_core.Variable, name, value)


for _name, _value in (("__array_namespace__", _array_namespace), ("to_device", _to_device), ("__index__", _index),
                      ("__setitem__", _set_item), ("__delitem__", _delete_item),
                      ("device", _Field("device", _device)), ("mT", _Field("mT", _mt)), ("__invert__", _invert)):
    _attach(_name, _value)
for _sign, _ufunc in (("and", np.bitwise_and), ("or", np.bitwise_or), ("xor", np.bitwise_xor), ("lshift", np.left_shift),
                      ("rshift", np.right_shift)):
    _attach(f"__{_sign}__", _binary(_ufunc, {"and": "&", "or": "|", "xor": "^", "lshift": "<<", "rshift": ">>"}[_sign], False))
    _attach(f"__r{_sign}__", _binary(_ufunc, {"and": "&", "or": "|", "xor": "^", "lshift": "<<", "rshift": ">>"}[_sign], True))
