
from ._arrays import ArrayFunction
from ._core import Variable
from ._losses import _Reduction
from ._typing import Axis, Operand

class Softmax(ArrayFunction):
    """The class behind `softmax`: `Softmax(axis)(x)`."""
    axis: Axis
    def __init__(self, axis: Axis = 1) -> None: ...

class LogSoftmax(ArrayFunction):
    """The class behind `log_softmax`: `LogSoftmax(axis)(x)`."""
    axis: Axis
    def __init__(self, axis: Axis = 1) -> None: ...

class SoftmaxCrossEntropy(ArrayFunction):
    """The class behind `softmax_cross_entropy`: `SoftmaxCrossEntropy()(x, t)`."""

def softmax(x: Operand, axis: int = 1) -> Variable:
    """exp(x) / sum(exp(x)) along one axis, without overflow.

    x: any shape; axis: an int. Float32 stays float32, integers give float64. Raises AxisError for an axis that x does not have.
    """

def softmax_simple(x: Operand, axis: int = 1) -> Variable:
    """exp(x) / sum(exp(x)) as the book first writes it: overflows where x is large, see `softmax`."""

def log_softmax(x: Operand, axis: int = 1) -> Variable:
    """log(softmax(x)) along one axis, without overflow and without log of 0.

    x: any shape; axis: an int. Float32 stays float32, integers give float64. Raises AxisError for an axis that x does not have.
    """

def softmax_cross_entropy(x: Operand, t: Operand, *, weight: Operand | None = None, ignore_label: int | None = None,
                          label_smoothing: float = 0.0, reduction: _Reduction = "mean") -> Variable:
    """Mean over the rows of -log(softmax(x)[t]), without overflow: the loss of a classifier.

    x: (N, C) scores, float32 stays float32; t: integers from 0 to C - 1, of shape (N,) or (N, 1).

    weight: (C,) numbers, taken in x's dtype (of a Variable as they are, with a gradient): the loss of a row is multiplied by that
    of its label, and the mean is their weighted one, divided by the sum of the labels' weights. ignore_label: an int, within the
    classes or not: rows with this label have no loss and no gradient, and the mean is over the others. label_smoothing: from 0
    to 1, the share of a target that is spread evenly over the classes (C. Szegedy and others, Rethinking the Inception
    Architecture, 2016), each with its own weight. reduction: "mean", "sum", or "none" for the losses of the rows, (N,), 0 for
    those that are ignored.

    Raises TypeError for labels that are no integers, IndexError for one out of range, ValueError for shapes that do not fit,
    for another reduction or label_smoothing, and for a mean of nothing: N = 0, all labels ignored, or weights that add up to 0.
    """

def softmax_cross_entropy_simple(x: Operand, t: Operand) -> Variable:
    """`softmax_cross_entropy`, composed of simple functions as in the book: p below 1e-15 is cut off."""

__all__ = [
    "LogSoftmax", "Softmax", "SoftmaxCrossEntropy", "log_softmax", "softmax", "softmax_cross_entropy",
    "softmax_cross_entropy_simple", "softmax_simple",
]
