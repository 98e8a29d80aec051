from typing import Literal, TypeAlias

from ._arrays import ArrayFunction
from ._core import Variable
from ._typing import Operand

_Reduction: TypeAlias = Literal["mean", "sum", "none"]

class MeanSquaredError(ArrayFunction):
    """The class behind `mean_squared_error`: `MeanSquaredError()(x0, x1)`."""

def mean_squared_error(x0: Operand, x1: Operand, *, reduction: _Reduction = "mean") -> Variable:
    """sum((x0 - x1) ** 2) / N, N the length of the first axis (as in DeZero: not the number of elements).

    x0, x1: shapes that broadcast together. reduction: "mean" for this, "sum" without the division, "none" for (x0 - x1) ** 2.
    Raises ValueError for shapes that do not fit, for another reduction, and for "mean" with N = 0.
    """

def mean_squared_error_simple(x0: Operand, x1: Operand) -> Variable:
    """`mean_squared_error`, composed of simple functions as in the book."""

def mean_absolute_error(x0: Operand, x1: Operand, *, reduction: _Reduction = "mean") -> Variable:
    """Mean over all elements of |x0 - x1|; its gradient where they are equal is 0.

    x0, x1: shapes that broadcast together. reduction: "mean", "sum", or "none" for each element's. Raises ValueError for shapes
    that do not fit, for another reduction, and for "mean" of no elements.
    """

def huber(x0: Operand, x1: Operand, delta: float = 1.0, *, reduction: _Reduction = "mean") -> Variable:
    """Mean over all elements of d ** 2 / 2 where |d| <= delta, of delta * (|d| - delta / 2) elsewhere; d = x0 - x1.

    x0, x1: shapes that broadcast together; delta: a number above 0. (P. J. Huber, Robust Estimation of a Location Parameter,
    1964.) reduction: "mean", "sum", or "none" for each element's. Raises ValueError for shapes that do not fit, for another delta
    or reduction, and for "mean" of no elements.
    """

def sigmoid_simple(x: Operand) -> Variable:
    """1 / (1 + exp(-x)) as the book first writes it; see `sigmoid`."""

def sigmoid_cross_entropy(x: Operand, t: Operand, *, reduction: _Reduction = "mean") -> Variable:
    """sum(-t * log(p) - (1 - t) * log(1 - p)) / N with p = sigmoid(x), N the length of the first axis; computed as
    softplus(x) - x * t, so that no x is too large.

    x: scores of any shape; t: 0 or 1 (or a probability) for each. reduction: "mean" for this, "sum" without the division, "none"
    for each element's. Raises ValueError where the shapes do not fit, for another reduction, and for "mean" with N = 0.
    """

def binary_cross_entropy(p: Operand, t: Operand, *, reduction: _Reduction = "mean") -> Variable:
    """sum(-t * log(p) - (1 - t) * log(1 - p)) / N, N the length of the first axis; p is limited to [1e-15, 0.999], as in DeZero.

    p: probabilities of any shape; t: 0 or 1 (or a probability) for each. reduction: "mean" for this, "sum" without the division,
    "none" for each element's. Raises ValueError where the shapes do not fit, for another reduction, and for "mean" with N = 0.
    """

def accuracy(y: Operand, t: Operand) -> Variable:
    """The share of rows of y whose largest element is in the place that t says: a Variable without a graph (it has no gradient).

    y: (N, C) scores; t: N integers. Raises ValueError where the numbers do not fit, and for N = 0.
    """

__all__ = [
    "MeanSquaredError", "accuracy", "binary_cross_entropy", "huber", "mean_absolute_error", "mean_squared_error",
    "mean_squared_error_simple", "sigmoid_cross_entropy", "sigmoid_simple",
]
