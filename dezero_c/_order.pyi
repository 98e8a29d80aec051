from ._core import Variable
from ._typing import Axis, Operand

def sort(x: Operand, axis: int | None = -1) -> Variable:
    """The elements in ascending order along an axis (None: of the flattened array), nan last; equal ones keep their order, and
    each has the gradient of its own place. Raises AxisError (a ValueError) for an axis that x does not have.
    """

def median(x: Operand, axis: Axis = None, keepdims: bool = False) -> Variable:
    """The middle element in order over the axes given, or the mean of the two in the middle, each of which has half of the
    gradient; of equal elements the one chosen has it.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. nan wins. Integers give float64. Raises
    ValueError when there is nothing to choose from, AxisError for an axis that x does not have.
    """

def quantile(x: Operand, q: Operand, axis: Axis = None, keepdims: bool = False) -> Variable:
    """What a share q of the elements over the axes given lies below: at rank q (n - 1), linear between the two elements next to
    it, which share the gradient accordingly, as np.quantile does by its method "linear".

    q: numbers from 0 to 1, of any shape, which comes before that of the result; a Variable has a gradient too. axis: int,
    tuple of ints, or None for all; keepdims: the axes stay with length 1. nan wins. Integers give float64. Raises ValueError
    for q outside of [0, 1] and when there is nothing to choose from, AxisError for an axis that x does not have.
    """

def interp(
    x: Operand, xp: Operand, fp: Operand, left: Operand | None = None, right: Operand | None = None
) -> Variable:
    """The function that is linear between the points (xp[i], fp[i]), at x, as np.interp.

    x: of any shape; xp: (n,), ascending, no two equal; fp: (n,). Below xp[0] it is `left`, fp[0] unless given, above xp[n - 1]
    `right`, fp[n - 1] unless given. All of them have gradients; at a point that of x is the slope to its right, at the last one
    to its left. float32 stays float32. Raises ValueError for points that do not ascend or shapes that do not fit.
    """

__all__ = [
    "interp", "median", "quantile", "sort",
]
