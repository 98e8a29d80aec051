from typing import Any

from ._core import Function, Variable
from ._typing import Operand, Pair, Triple

class Conv2d(Function):
    """The class behind `conv2d`: `Conv2d(stride, pad)(x, W, b)`."""
    stride: Pair
    pad: Pair
    dilation: Pair
    groups: int
    def __init__(self, stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1, groups: int = 1) -> None: ...

class Deconv2d(Function):
    """The class behind `deconv2d`: `Deconv2d(stride, pad, outsize)(x, W, b)`."""
    stride: Pair
    pad: Pair
    outsize: Any
    dilation: Pair
    groups: int
    def __init__(self, stride: Pair = 1, pad: Pair = 0, outsize: Pair | None = None, dilation: Pair = 1,
                 groups: int = 1) -> None: ...

class Conv2DGradW(Function):
    """The gradient of a convolution with respect to its weights, an operation itself: `Conv2DGradW(conv2d)(x, gy)`. conv2d: a Conv2d
    or Deconv2d that has been called, whose parameters are taken; or the size of the kernel, a pair.
    """
    kernel_size: Pair
    stride: Pair
    pad: Pair
    dilation: Pair
    groups: int
    def __init__(self, conv2d: Conv2d | Deconv2d | tuple[int, int], stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1,
                 groups: int = 1) -> None: ...

def conv2d(x: Operand, W: Operand, b: Operand | None = None, stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1,
           groups: int = 1) -> Variable:
    """Convolution of images (a correlation, as in every neural network).

    x: (N, C, H, W); W: (O, C / groups, KH, KW); b: (O,) or None; stride, pad, dilation: int or pair (rows, columns); groups: the
    channels are taken in so many groups, each with filters of its own. Gives (N, O, OH, OW) in NumPy's common dtype of x, W
    and b, OH = (H + 2 pad - dilation (KH - 1) - 1) // stride + 1. The padding is zeros.
    Raises ValueError for shapes that do not fit.
    """

def deconv2d(x: Operand, W: Operand, b: Operand | None = None, stride: Pair = 1, pad: Pair = 0,
             outsize: Pair | None = None, dilation: Pair = 1, groups: int = 1) -> Variable:
    """Transposed convolution: the gradient of `conv2d` with respect to its images, as an operation of its own.

    x: (N, C, H, W); W: (C, O / groups, KH, KW); b: (O,) or None; outsize: the size of the result, int or pair, which a
    convolution of these parameters takes to x's; None: the smallest, stride (H - 1) + dilation (KH - 1) + 1 - 2 pad. Gives
    (N, O, *outsize). Raises ValueError for shapes that do not fit.
    """

def conv1d(x: Operand, W: Operand, b: Operand | None = None, stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1,
           groups: int = 1) -> Variable:
    """Convolution of sequences: `conv2d` with one row. x: (N, C, L); W: (O, C / groups, K); b: (O,) or None; stride, pad,
    dilation: ints. Gives (N, O, OL). Raises ValueError for shapes that do not fit.
    """

def conv3d(x: Operand, W: Operand, b: Operand | None = None, stride: Triple = 1, pad: Triple = 0, dilation: Triple = 1,
           groups: int = 1) -> Variable:
    """Convolution of volumes (of frames of a film, say), by `conv2d`: slices that a window holds one behind the other are
    channels of one image, so that a graph holds every slice as often as windows do.

    x: (N, C, D, H, W); W: (O, C / groups, KD, KH, KW); b: (O,) or None; stride, pad, dilation: int or three (depth, rows,
    columns); groups: as in `conv2d`. Gives (N, O, OD, OH, OW) in NumPy's common dtype of x, W and b, OD = (D + 2 pad -
    dilation (KD - 1) - 1) // stride + 1, and so on. The padding is zeros. Raises ValueError for shapes that do not fit.
    """

def conv2d_simple(x: Operand, W: Operand, b: Operand | None = None, stride: Pair = 1, pad: Pair = 0, dilation: Pair = 1,
                  groups: int = 1) -> Variable:
    """`conv2d` put together from `im2col` and `matmul`, to be read: the same values, slower."""

__all__ = [
    "Conv2DGradW", "Conv2d", "Deconv2d", "conv1d", "conv2d", "conv2d_simple", "conv3d", "deconv2d",
]
