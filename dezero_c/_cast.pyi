from typing import Any

from numpy.typing import DTypeLike

from ._arrays import ArrayFunction
from ._core import Variable
from ._typing import Operand

class Cast(ArrayFunction):
    """The class behind `cast`: `Cast(dtype)(x)`."""
    dtype: Any
    def __init__(self, dtype: DTypeLike) -> None: ...

class Conj(ArrayFunction):
    """The class behind `conj` of complex values: `Conj()(x)`."""

class Imag(ArrayFunction):
    """The class behind `imag`: `Imag()(x)`."""

class Real(ArrayFunction):
    """The class behind `real` of complex values: `Real()(x)`."""

def conj(x: Operand) -> Variable:
    """The conjugates; x itself where it is real. The gradient is the conjugate of gy, as holds for a gradient by which
    holomorphic functions have their derivative: `real(z * conj(z))` has 2 conj(z).
    """

def imag(x: Operand) -> Variable:
    """The imaginary parts, a view; zeros, whose gradient is 0, where x is real."""

def real(x: Operand) -> Variable:
    """The real parts, a view; x itself where it is real."""

def cast(x: Operand, dtype: DTypeLike) -> Variable:
    """x's values in another dtype, a new array; the gradient comes back in x's own, and that of integers in the result's.

    dtype: what np.dtype takes. Integers and booleans made of floating-point numbers are cut off as NumPy does, and have no
    graph: nothing depends on them smoothly. Raises TypeError for what is no dtype of numbers, and for complex values as
    real ones.
    """

def stop_gradient(x: Operand) -> Variable:
    """x's values, in the same memory, without its graph: a constant for all that is computed from it. So is `x.detach()`."""

__all__ = [
    "Cast", "Conj", "Imag", "Real", "cast", "conj", "imag", "real", "stop_gradient",
]
