from typing import Any

from ._core import Function, Variable
from ._typing import Axis, Operand

class Reduction(Function):
    """The base of the reductions: what they share of the way backwards."""
    axis: Axis
    keepdims: bool
    def __init__(self, axis: Axis = None, keepdims: bool = False) -> None: ...

class Sum(Reduction):
    """The class behind `sum`: `Sum(axis, keepdims)(x)`."""

class Mean(Reduction):
    """The class behind `mean`: `Mean(axis, keepdims)(x)`."""

class Max(Reduction):
    """The class behind `max`: `Max(axis, keepdims, ties)(x)`. Every element that equals the maximum gets the gradient, or with
    ties="share" its part of it.
    """
    ties: str
    def __init__(self, axis: Axis = None, keepdims: bool = False, ties: str = "whole") -> None: ...

class Min(Max):
    """The class behind `min`: `Min(axis, keepdims, ties)(x)`; ties as in Max."""

class Prod(Reduction):
    """The class behind `prod`: `Prod(axis, keepdims)(x)`."""

class LogSumExp(Reduction):
    """The class behind `logsumexp`: `LogSumExp(axis, keepdims)(x)`."""

class Var(Reduction):
    """The class behind `var`: `Var(axis, ddof, keepdims)(x)`."""
    ddof: Any
    def __init__(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> None: ...

class Std(Var):
    """The class behind `std`: `Std(axis, ddof, keepdims)(x)`."""

class Kink(Function):
    """Zeros, whose gradient is nan where `none` is True: the class behind `kink`."""
    def __init__(self, none: Any) -> None: ...

def kink(x: Operand, none: Any) -> Variable:
    """What is added to a gradient that is 0 by agreement where `none`: the function has none there, and so the second derivative
    is nan.
    """

def array_sum(x: Any, axis: Axis, keepdims: bool) -> Any:
    """x.sum; of many float32 or float16 values in double, since along some axes NumPy adds one after the other."""

def sum(x: Operand, axis: Axis = None, keepdims: bool = False) -> Variable:
    """Sum of the elements over the axes given.

    axis: int, tuple of ints (negative ones count from the end), or None for all; keepdims: the axes stay with length 1.
    float32 is at least as exact as NumPy's
    pairwise sum along every axis, float64 rounded as NumPy's. Raises ValueError (AxisError) for an axis that x does not have.
    """

def mean(x: Operand, axis: Axis = None, keepdims: bool = False) -> Variable:
    """Mean of the elements over the axes given.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. Integers give float64. Raises AxisError
    for an axis that x does not have.
    """

def average(x: Operand, axis: Axis = None, keepdims: bool = False) -> Variable:
    """Mean of the elements over the axes given.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. Integers give float64. Raises AxisError
    for an axis that x does not have.
    """

def max(x: Operand, axis: Axis = None, keepdims: bool = False, *, ties: str = "whole") -> Variable:
    """Largest element over the axes given.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. ties: where several elements are equal,
    "whole" gives each the whole gradient, as in DeZero; with "share" they share it, as `maximum`, `minimum` and `norm` of
    infinite order always do. nan wins. Raises ValueError when there is nothing to choose from and for another `ties`, AxisError
    for an axis that x does not have, TypeError for complex numbers.
    """

def min(x: Operand, axis: Axis = None, keepdims: bool = False, *, ties: str = "whole") -> Variable:
    """Smallest element over the axes given.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. ties: where several elements are equal,
    "whole" gives each the whole gradient, as in DeZero; with "share" they share it. nan wins. Raises ValueError when there is
    nothing to choose from and for another `ties`, AxisError for an axis that x does not have, TypeError for complex numbers.
    """

def prod(x: Operand, axis: Axis = None, keepdims: bool = False) -> Variable:
    """Product of the elements over the axes given; the gradient is right where elements are 0, too.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. Raises AxisError for an axis that x does
    not have.
    """

def var(x: Operand, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Variable:
    """Variance over the axes given: mean((x - mean(x)) ** 2), with n - ddof in place of n.

    axis: int, tuple of ints, or None for all; ddof: 1 for the unbiased estimate of a sample; keepdims: the axes stay with
    length 1. Integers give float64. Raises ValueError when ddof leaves nothing to divide by, TypeError for complex values.
    """

def std(x: Operand, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Variable:
    """Standard deviation over the axes given, the root of `var`. Where all values are equal its gradient is 0, as the norm's is,
    and its second derivatives are nan.

    axis: int, tuple of ints, or None for all; ddof: 1 for the unbiased variance of a sample; keepdims: the axes stay with
    length 1. Raises ValueError when ddof leaves nothing to divide by.
    """

def logsumexp(x: Operand, axis: Axis = None, keepdims: bool = False) -> Variable:
    """log(sum(exp(x))) over the axes given, without overflow: the maximum is subtracted first.

    axis: int, tuple of ints, or None for all; keepdims: the axes stay with length 1. Raises ValueError when there is nothing
    to add, AxisError for an axis that x does not have.
    """

def argmax(x: Operand, axis: Axis = None, keepdims: bool = False) -> Variable:
    """Index of the largest element along `axis` (an int, or None: in the flattened array), the first of equal ones: a Variable
    of integers, without a graph, since it has no gradient. Raises ValueError for an empty axis, AxisError for one that x does
    not have.
    """

def argmin(x: Operand, axis: Axis = None, keepdims: bool = False) -> Variable:
    """Index of the smallest element along `axis` (an int, or None: in the flattened array), the first of equal ones: a Variable
    of integers, without a graph, since it has no gradient. Raises ValueError for an empty axis, AxisError for one that x does
    not have.
    """

__all__ = [
    "LogSumExp", "Max", "Mean", "Min", "Prod", "Std", "Sum", "Var", "argmax", "argmin", "average", "logsumexp", "max",
    "mean", "min", "prod", "std", "sum", "var",
]
