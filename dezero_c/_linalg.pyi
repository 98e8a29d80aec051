from typing import Any, NamedTuple

from ._arrays import ArrayFunction
from ._core import Variable
from ._typing import Axis, Operand

class Inv(ArrayFunction):
    """The class behind `inv`: `Inv()(x)`."""

class Solve(ArrayFunction):
    """The class behind `solve`: `Solve()(a, b)`."""

class Det(ArrayFunction):
    """The class behind `det`: `Det()(x)`."""

class Slogdet(ArrayFunction):
    """The class behind `slogdet`: `Slogdet()(x)`."""

class Cholesky(ArrayFunction):
    """The class behind `cholesky`: `Cholesky()(x)`."""

class Eigh(ArrayFunction):
    """The class behind `eigh`: `Eigh(UPLO)(x)`."""
    UPLO: str
    def __init__(self, UPLO: str = "L") -> None: ...

class Diagonal(ArrayFunction):
    """The class behind `diagonal`: `Diagonal(offset, axis1, axis2)(x)`."""
    offset: int
    axis1: int
    axis2: int
    def __init__(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> None: ...

class DiagonalGrad(ArrayFunction):
    """The gradient of a diagonal, an operation itself: gy on the diagonal of zeros in shape `in_shape`."""
    in_shape: tuple[int, ...]
    offset: int
    axis1: int
    axis2: int
    def __init__(self, in_shape: tuple[int, ...], offset: int = 0, axis1: int = 0, axis2: int = 1) -> None: ...

class Norm(ArrayFunction):
    """The class behind `norm`: `Norm(ord, axis, keepdims)(x)`. Vector norms, and the Frobenius norm."""
    ord: Any
    axis: Axis
    keepdims: bool
    def __init__(self, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> None: ...

def inv(x: Operand) -> Variable:
    """The inverse of each matrix of x, (..., n, n). Raises LinAlgError for a singular matrix and for other shapes."""

def solve(a: Operand, b: Any) -> Variable:
    """The y with a @ y = b, for each matrix of a.

    a: (..., n, n); b: (n,), or (..., n, m), whose leading axes broadcast against a's. Raises LinAlgError for a singular
    matrix, ValueError or LinAlgError for shapes that do not fit.
    """

def det(x: Operand) -> Variable:
    """The determinant of each matrix of x, (..., n, n).

    The gradient is the matrix of cofactors, which is right at every order for singular matrices too. Raises LinAlgError for
    other shapes.
    """

class SlogdetResult(NamedTuple):
    """SlogdetResult(sign, logabsdet)"""
    sign: Variable
    logabsdet: Variable

class EighResult(NamedTuple):
    """EighResult(eigenvalues, eigenvectors)"""
    eigenvalues: Variable
    eigenvectors: Variable

def slogdet(x: Operand) -> SlogdetResult:
    """(sign, log|det|) of each matrix of x, (..., n, n); for a singular one (0, -inf), where there is no gradient.

    The sign's gradient is zero. Raises LinAlgError for other shapes, and in backward for a singular matrix.
    """

def cholesky(x: Operand) -> Variable:
    """The lower triangular y with y @ y.T = x for each symmetric positive definite matrix of x, (..., n, n).

    Only the lower triangle of x is read. The gradient is symmetric: what belongs to an element off the diagonal is shared
    between it and its mirror image. Raises LinAlgError for a matrix that is not positive definite and for other shapes.
    """

def eigh(x: Operand, UPLO: str = "L") -> EighResult:
    """(eigenvalues, eigenvectors) of each symmetric matrix of x, (..., n, n): (..., n), ascending, and (..., n, n), in columns.

    UPLO: the triangle that is read, "L" or "U". The gradient is symmetric. An eigenvector is defined up to its sign, and not at
    all among equal eigenvalues: a result that depends on the eigenvectors has nan gradients there, and large ones where
    eigenvalues nearly agree. One that depends on the eigenvalues alone has its gradient everywhere; second derivatives go
    through the eigenvectors. Raises LinAlgError for other shapes.
    """

def diagonal(x: Operand, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """The diagonal of two axes, which give way to one at the end, a view, as np.diagonal.

    offset: how far above the main diagonal. Raises ValueError (AxisError) for axes that x does not have.
    """

def trace(x: Operand, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Variable:
    """The sum of the diagonal of two axes; see `diagonal`."""

def norm(x: Operand, ord: Any = None, axis: Axis = None, keepdims: bool = False) -> Variable:
    """The norm of vectors or matrices, as np.linalg.norm.

    axis: an int for vectors along it, two for matrices over them, None for all of x: flattened where ord is None, else a vector
    or a matrix by its number of axes. ord: for vectors any number p (None is 2; inf and -inf are the largest and smallest
    absolute value; 0 counts what is not zero); for matrices None or "fro", and 1, -1, inf, -inf: the largest or smallest sum
    of absolute values of a column or row. Where the norm is 0 so is its gradient, and for every ord but 1, inf and -inf its
    second derivative is nan; elements that tie for the largest or smallest
    share its gradient. Raises ValueError for another ord and for axes that x does not have.
    """

__all__ = [
    "Cholesky", "Det", "Diagonal", "DiagonalGrad", "Eigh", "Inv", "Norm", "Slogdet", "Solve", "cholesky", "det",
    "diagonal", "eigh", "inv", "norm", "slogdet", "solve", "trace",
]
