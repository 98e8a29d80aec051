from typing import Any

from ._arrays import ArrayFunction
from ._core import Variable
from ._typing import Axis, Operand

class MatMul(ArrayFunction):
    """The class behind `matmul` and `@`: `MatMul()(x, W)`."""

class Linear(ArrayFunction):
    """The class behind `linear`: `Linear()(x, W, b)`, where b may be None."""

class TensorDot(ArrayFunction):
    """The class behind `tensordot`: `TensorDot(axes)(x, W)`."""
    axes: Axis
    def __init__(self, axes: Any = 2) -> None: ...

def matmul(x: Operand, W: Operand) -> Variable:
    """Matrix product x @ W by NumPy's rules: matrices, stacks of matrices that broadcast, and vectors on either side.

    x: (..., n, k) or (k,); W: (..., k, m) or (k,). Raises ValueError for shapes that do not fit.
    """

def linear(x: Operand, W: Operand, b: Operand | None = None) -> Variable:
    """x @ W + b, a layer of a network.

    x: (..., in); W: (in, out); b: (out,), or what broadcasts to the result, or None. The result is (..., out). Integers in x
    take W's dtype. Raises ValueError for shapes that do not fit.
    """

def linear_simple(x: Operand, W: Operand, b: Operand | None = None) -> Variable:
    """x @ W + b as two operations; see `linear`."""

def dot(x: Operand, W: Operand) -> Variable:
    """np.dot: the sum over the last axis of x and the last but one (or only) axis of W.

    Up to two axes of W it is matmul; with more, the result has the other axes of x, then those of W. A 0-d operand
    multiplies. Raises ValueError for shapes that do not fit.
    """

def tensordot(x: Operand, W: Operand, axes: Any = 2) -> Variable:
    """The sum of products over pairs of axes, as np.tensordot.

    axes: n for the last n axes of x with the first n of W, or (axes of x, axes of W). The result has the other axes of x,
    then those of W. Raises ValueError (AxisError for an axis that is not there) when they do not fit.
    """

def outer(x0: Operand, x1: Operand) -> Variable:
    """All products of an element of x0 and one of x1: shape (x0.size, x1.size), operands of any shape."""

__all__ = [
    "Linear", "MatMul", "TensorDot", "dot", "linear", "linear_simple", "matmul", "outer", "tensordot",
]
