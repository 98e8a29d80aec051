from typing import Any

from numpy.typing import NDArray

from ._core import Function, Variable
from ._typing import Operand, Pair

class Pooling(Function):
    """The class behind `pooling`: `Pooling(kernel_size, stride, pad)(x)`."""
    kernel_size: Pair
    stride: Pair
    pad: Pair
    input_shape: Any
    def __init__(self, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> None: ...
    @property
    def indexes(self) -> NDArray[Any]:
        """Where in its window each maximum lies: (N, C, OH, OW), row * KW + column."""

class Pooling2DGrad(Function):
    """The gradient of max pooling, an operation itself: `Pooling2DGrad(mpool2d)(gy)` has gy's values where the maxima lie, and
    zeros elsewhere. mpool2d: the Pooling that has been called.
    """
    input_shape: Any
    kernel_size: Pair
    stride: Pair
    pad: Pair
    def __init__(self, mpool2d: Any, input_shape: Any = None, kernel_size: Pair | None = None, stride: Pair = 1,
                 pad: Pair = 0) -> None: ...

class Pooling2DWithIndexes(Function):
    """Max pooling of another array at the same places: `Pooling2DWithIndexes(mpool2d)(x)` has x's values where the maxima of
    mpool2d, a Pooling that has been called, lie.
    """
    input_shape: Any
    kernel_size: Pair
    stride: Pair
    pad: Pair
    def __init__(self, mpool2d: Any, input_shape: Any = None, kernel_size: Pair | None = None, stride: Pair = 1,
                 pad: Pair = 0) -> None: ...

class AveragePooling(Function):
    """The class behind `average_pooling`: `AveragePooling(kernel_size, stride, pad)(x)`."""
    kernel_size: Pair
    stride: Pair
    pad: Pair
    input_shape: Any
    def __init__(self, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> None: ...

class AveragePoolingGrad(Function):
    """The gradient of average pooling, an operation itself: every pixel of an array of input_shape is the sum of gy's values
    over the windows that it lies in, divided by the window's size.
    """
    input_shape: Any
    kernel_size: Pair
    stride: Pair
    pad: Pair
    def __init__(self, input_shape: tuple[int, ...], kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> None: ...

def pooling(x: Operand, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> Variable:
    """Max pooling: the largest value in each window.

    x: (N, C, H, W); kernel_size, stride, pad: int or pair (rows, columns). Gives (N, C, OH, OW) in x's dtype, OH = (H + 2 pad -
    KH) // stride + 1. Padding is never a maximum; nan is one. The first of equal values gets the gradient. Raises ValueError when
    the window fits nowhere, or a window could hold nothing but padding.
    """

def pooling_simple(x: Operand, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> Variable:
    """`pooling` put together from `im2col` and `max`, to be read: the same values, slower; every one of equal maxima gets
    the gradient.
    """

def average_pooling(x: Operand, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0) -> Variable:
    """The mean of each window, padding (zeros) included.

    x: (N, C, H, W); kernel_size, stride, pad: int or pair (rows, columns). Gives (N, C, OH, OW) in x's dtype, of integers
    float64, OH = (H + 2 pad - KH) // stride + 1. Raises ValueError when the window fits nowhere.
    """

__all__ = [
    "AveragePooling", "AveragePoolingGrad", "Pooling", "Pooling2DGrad", "Pooling2DWithIndexes", "average_pooling",
    "pooling", "pooling_simple",
]
