from ._arrays import ArrayFunction
from ._core import Variable
from ._typing import Operand

class Transform(ArrayFunction):
    """The base of the transforms: along an axis, over its whole length."""
    axis: int
    norm: str
    def __init__(self, axis: int = -1, norm: str = "backward") -> None: ...

class FFT(Transform):
    """The class behind `fft`: `FFT(axis, norm)(x)`."""

class IFFT(Transform):
    """The class behind `ifft`: `IFFT(axis, norm)(x)`."""

class RFFT(Transform):
    """The class behind `rfft`: `RFFT(axis, norm)(x)`."""

class IRFFT(Transform):
    """The class behind `irfft`: `IRFFT(n, axis, norm)(x)`, for an x with n // 2 + 1 elements along the axis."""
    n: int
    def __init__(self, n: int, axis: int = -1, norm: str = "backward") -> None: ...

def fft(x: Operand, n: int | None = None, axis: int = -1, norm: str | None = None) -> Variable:
    """The discrete Fourier transform along an axis, as np.fft.fft.

    n: how many elements are transformed: x is cut, or padded with zeros; None: all. norm: "backward" (None), which divides the
    inverse by n, "ortho", both by its root, or "forward", this one by n. A real x has a real gradient, the gradients of complex
    values are those by which holomorphic functions have their derivative. Raises ValueError where there is nothing to
    transform and for other norms, AxisError for an axis that x does not have.
    """

def ifft(x: Operand, n: int | None = None, axis: int = -1, norm: str | None = None) -> Variable:
    """The inverse of `fft`, with its arguments."""

def rfft(x: Operand, n: int | None = None, axis: int = -1, norm: str | None = None) -> Variable:
    """The first n // 2 + 1 elements of `fft` of real values; the others are the conjugates of these. Arguments and errors as
    in `fft`; TypeError for complex values.
    """

def irfft(x: Operand, n: int | None = None, axis: int = -1, norm: str | None = None) -> Variable:
    """The inverse of `rfft`: n real values (None: 2 (m - 1)) of m complex ones, which are cut, or padded with zeros, to n // 2 +
    1. The imaginary part of the first, and of an even n the last, has no effect. Arguments and errors as in `fft`.
    """

__all__ = [
    "FFT", "IFFT", "IRFFT", "RFFT", "fft", "ifft", "irfft", "rfft",
]
