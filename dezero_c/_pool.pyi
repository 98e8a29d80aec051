from typing import Any

from numpy.typing import NDArray

from ._core import Function, Variable
from ._typing import Operand, Pair

class Pooling(Function):
    """The class behind `pooling`: `Pooling(kernel_size, stride, pad)(x)`."""
    kernel_size: Pair
    stride: Pair
    pad: Pair
    dilation: Pair
    ceil_mode: bool
    input_shape: Any
    def __init__(self, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1,
                 ceil_mode: bool = False) -> None: ...
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
    dilation: Pair
    ceil_mode: bool
    def __init__(self, mpool2d: Any, input_shape: Any = None, kernel_size: Pair | None = None, stride: Pair = 1,
                 pad: Pair = 0, dilation: Pair = 1, ceil_mode: bool = False) -> None: ...

class Pooling2DWithIndexes(Function):
    """Max pooling of another array at the same places: `Pooling2DWithIndexes(mpool2d)(x)` has x's values where the maxima of
    mpool2d, a Pooling that has been called, lie.
    """
    input_shape: Any
    kernel_size: Pair
    stride: Pair
    pad: Pair
    dilation: Pair
    ceil_mode: bool
    def __init__(self, mpool2d: Any, input_shape: Any = None, kernel_size: Pair | None = None, stride: Pair = 1,
                 pad: Pair = 0, dilation: Pair = 1, ceil_mode: bool = False) -> None: ...

class AveragePooling(Function):
    """The class behind `average_pooling`: `AveragePooling(kernel_size, stride, pad)(x)`."""
    kernel_size: Pair
    stride: Pair
    pad: Pair
    ceil_mode: bool
    count_include_pad: bool
    input_shape: Any
    def __init__(self, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, ceil_mode: bool = False,
                 count_include_pad: bool = True) -> None: ...

class AveragePoolingGrad(Function):
    """The gradient of average pooling, an operation itself: every pixel of an array of input_shape is the sum of gy's values
    over the windows that it lies in, each divided by what its window's sum is divided by.
    """
    input_shape: Any
    kernel_size: Pair
    stride: Pair
    pad: Pair
    ceil_mode: bool
    count_include_pad: bool
    def __init__(self, input_shape: tuple[int, ...], kernel_size: Pair, stride: Pair = 1, pad: Pair = 0,
                 ceil_mode: bool = False, count_include_pad: bool = True) -> None: ...

def pooling(x: Operand, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1,
            ceil_mode: bool = False) -> Variable:
    """Max pooling: the largest value in each window.

    x: (N, C, H, W); kernel_size, stride, pad, dilation: int or pair (rows, columns); dilation: how far a window's pixels lie
    apart. Gives (N, C, OH, OW) in x's dtype, OH = (H + 2 pad - dilation (KH - 1) - 1) // stride + 1; with ceil_mode the division
    is rounded up, so that a last window may reach past the image, unless it begins past it, or in the padding after it.
    Padding is never a maximum; nan is one. The first of equal values gets the gradient. Raises ValueError when the window fits
    nowhere, or a window could hold nothing but padding.
    """

def pooling_simple(x: Operand, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1,
                   ceil_mode: bool = False) -> Variable:
    """`pooling` put together from `im2col` and `max`, to be read: the same values, slower; every one of equal maxima gets
    the gradient.
    """

def average_pooling(x: Operand, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, ceil_mode: bool = False,
                    count_include_pad: bool = True) -> Variable:
    """The mean of each window, padding (zeros) included, or with count_include_pad False of its pixels in the image alone.

    x: (N, C, H, W); kernel_size, stride, pad: int or pair (rows, columns). Gives (N, C, OH, OW) in x's dtype, of integers
    float64, OH = (H + 2 pad - KH) // stride + 1; with ceil_mode the division is rounded up, as in `pooling`: what a last window
    has past the padding counts as nothing. Raises ValueError when the window fits nowhere, and with ceil_mode or
    count_include_pad False when a window could hold nothing but padding.
    """

__all__ = [
    "AveragePooling", "AveragePoolingGrad", "Pooling", "Pooling2DGrad", "Pooling2DWithIndexes", "average_pooling",
    "pooling", "pooling_simple",
]
