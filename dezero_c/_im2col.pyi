from typing import Any

from numpy.typing import NDArray

from ._core import Function, Variable
from ._typing import Operand, Pair

class Im2col(Function):
    """The class behind `im2col`: `Im2col(kernel_size, stride, pad, to_matrix)(x)`."""
    kernel_size: Pair
    stride: Pair
    pad: Pair
    to_matrix: bool
    dilation: Pair
    input_shape: Any
    def __init__(self, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, to_matrix: bool = True,
                 dilation: Pair = 1) -> None: ...

class Col2im(Function):
    """The class behind `col2im`: `Col2im(input_shape, kernel_size, stride, pad, to_matrix)(x)`."""
    input_shape: Any
    kernel_size: Pair
    stride: Pair
    pad: Pair
    to_matrix: bool
    dilation: Pair
    def __init__(self, input_shape: tuple[int, ...], kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, to_matrix: bool = True,
                 dilation: Pair = 1) -> None: ...

def im2col(x: Operand, kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, to_matrix: bool = True,
           dilation: Pair = 1) -> Variable:
    """The windows of images as the rows of a matrix.

    x: (N, C, H, W); kernel_size, stride, pad, dilation: int or pair (rows, columns). Gives (N * OH * OW, C * KH * KW), or with
    to_matrix False (N, C, KH, KW, OH, OW), in x's dtype, where OH = (H + 2 pad - dilation (KH - 1) - 1) // stride + 1. The
    padding is zeros. Raises ValueError when the window fits nowhere.
    """

def col2im(x: Operand, input_shape: tuple[int, ...], kernel_size: Pair, stride: Pair = 1, pad: Pair = 0, to_matrix: bool = True,
           dilation: Pair = 1) -> Variable:
    """The opposite of `im2col`: images of input_shape in which every pixel is the sum of its values in all windows.

    x: what `im2col` gives with these parameters for images of input_shape, (N, C, H, W). Raises ValueError for another shape.
    """

def im2col_array(img: Operand, kernel_size: Pair, stride: Pair, pad: Pair, to_matrix: bool = True,
                 dilation: Pair = 1) -> NDArray[Any]:
    """`im2col` of an ndarray, as an ndarray."""

def col2im_array(col: Operand, img_shape: tuple[int, ...], kernel_size: Pair, stride: Pair, pad: Pair, to_matrix: bool = True,
                 dilation: Pair = 1) -> NDArray[Any]:
    """`col2im` of an ndarray, as an ndarray."""

def get_conv_outsize(input_size: int, kernel_size: int, stride: int, pad: int) -> int:
    """How many places a window has along an axis of input_size: (input_size + 2 pad - kernel_size) // stride + 1."""

def get_deconv_outsize(size: int, k: int, s: int, p: int) -> int:
    """The smallest axis on which a window of k, with stride s and padding p, has `size` places: s (size - 1) + k - 2 p."""

def pair(x: Pair) -> tuple[int, int]:
    """(x, x) for an int, x itself (as a tuple) for a pair. Raises ValueError for anything else."""

__all__ = [
    "Col2im", "Im2col", "col2im", "col2im_array", "get_conv_outsize", "get_deconv_outsize", "im2col", "im2col_array",
    "pair",
]
