from typing import Any

from ._core import Function, Variable
from ._typing import Axis, Operand, Shape

class Reshape(Function):
    """The class behind `reshape`: `Reshape(shape)(x)`."""
    shape: Any
    def __init__(self, shape: Any) -> None: ...

class Transpose(Function):
    """The class behind `transpose`: `Transpose(axes)(x)`."""
    axes: Axis
    def __init__(self, axes: Axis = None) -> None: ...

class BroadcastTo(Function):
    """The class behind `broadcast_to`: `BroadcastTo(shape)(x)`."""
    shape: Any
    def __init__(self, shape: Any) -> None: ...

class SumTo(Function):
    """The class behind `sum_to`: `SumTo(shape)(x)`."""
    shape: Any
    def __init__(self, shape: Any) -> None: ...

def reshape(x: Operand, shape: Shape) -> Variable:
    """The same values in another shape, a view where NumPy gives one.

    shape: int or tuple; one length may be -1. Returns x itself where it has that shape. Raises ValueError when the number of
    elements differs.
    """

def transpose(x: Operand, axes: Axis = None) -> Variable:
    """The axes in another order, a view.

    axes: a permutation of the axes (negative ones count from the end), or None to reverse them. Raises ValueError when it is
    no permutation.
    """

def broadcast_to(x: Operand, shape: Shape) -> Variable:
    """x's values repeated to `shape` (a tuple) by NumPy's rules, a read-only view. Returns x itself where it has that
    shape. Raises ValueError when it does not broadcast.
    """

def sum_to(x: Operand, shape: Shape) -> Variable:
    """The sum over those axes along which an array of `shape` would be repeated to x's shape: broadcasting backwards.
    Returns x itself where it has that shape. Where `shape` does not broadcast to x's the leading axes are summed, as in DeZero,
    with a UserWarning; ValueError where it has more axes than x.
    """

__all__ = [
    "BroadcastTo", "Reshape", "SumTo", "Transpose", "broadcast_to", "reshape", "sum_to", "transpose",
]
