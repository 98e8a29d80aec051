"""What the functions of the namespace take: Variables and ndarrays, Python's numbers beside one of them, dtypes and devices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

import dezero_c._core as _core
from dezero_c._core import Variable

if TYPE_CHECKING:
    from numpy.typing import DTypeLike, NDArray

    Array: TypeAlias = Variable | NDArray[Any] | np.generic
    Number: TypeAlias = int | float | complex

_IDENTITY = ("a Python bool in place of an array; == and != of two Variables ask whether they are one object, as in DeZero: take "
             "equal or not_equal of this namespace, or asarray({}) where a constant is meant")


def array(x: Any, function: str) -> Any:
    """x, which is to be an array: a Variable, an ndarray or a NumPy scalar. TypeError for a Python number and anything else."""
    if isinstance(x, (Variable, np.ndarray, np.generic)):
        return x
    if isinstance(x, bool):
        raise TypeError(f"{function}: {_IDENTITY.format(x)}")
    if _core.is_traced() and hasattr(x, "dtype"):       # what `.data` is in a captured call
        return _core.as_variable(x)
    raise TypeError(f"{function}: {type(x).__name__} in place of an array; make it one with asarray")


def operand(x: Any, function: str) -> Any:
    """x, an array or a Python number, which may stand beside an array."""
    return x if isinstance(x, (int, float, complex)) and not isinstance(x, (bool, np.generic)) else array(x, function)


def pair(x1: Any, x2: Any, function: str) -> tuple[Any, Any]:
    """The operands of a function of two arrays; one of them may be a Python number."""
    x1, x2 = operand(x1, function), operand(x2, function)
    if not hasattr(x1, "dtype") and not hasattr(x2, "dtype"):
        raise TypeError(f"{function}: two Python numbers; one of the operands must be an array (asarray makes one)")
    return x1, x2


def number(x: Any, function: str, name: str) -> Any:
    """x, a number that a result without a graph is made of."""
    if not isinstance(x, Variable):
        return x
    if x.dtype.kind in "biu":
        return x.data[()]
    raise TypeError(f"{function}: {name} is a Variable, and its gradient would be lost; take float({name}) for its value alone")


def on_cpu(device: Any, function: str) -> None:
    """ValueError unless device is None or "cpu"."""
    if device is not None and device != "cpu":
        raise ValueError(f"{function}: device is {device!r}; Variables lie on the CPU, 'cpu' or None")


def as_dtype(dtype: DTypeLike, function: str) -> np.dtype[Any]:
    """dtype as np.dtype, one of numbers or booleans. TypeError for others."""
    found = np.dtype(dtype)
    if found.kind not in "biufc":
        raise TypeError(f"{function}: dtype {found} is none of booleans or numbers")
    return found
