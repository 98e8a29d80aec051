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

class Pinv(ArrayFunction):
    """The class behind `pinv`: `Pinv(rcond)(x)`."""
    rcond: float
    def __init__(self, rcond: float) -> None: ...

class QR(ArrayFunction):
    """The class behind `qr` of matrices (..., m, n) with m >= n: `QR()(x)`."""

class SVD(ArrayFunction):
    """The class behind `svd`: `SVD()(x)`."""

def cross(a: Operand, b: Operand, axis: int = -1) -> Variable:
    """The vector product along an axis of length 3; the others broadcast. Raises ValueError for another length, AxisError for an
    axis that one of them does not have.
    """

def diag(x: Operand, k: int = 0) -> Variable:
    """The k-th diagonal of a matrix, a view; of a vector (n,) the matrix that has it there, (n + |k|, n + |k|), and zeros
    elsewhere. k: how far above the main diagonal. Raises ValueError for more axes or none.
    """

def eigvalsh(x: Operand, UPLO: str = "L") -> Variable:
    """The eigenvalues of each symmetric matrix of x, (..., n, n), ascending: `eigh(x, UPLO)[0]`."""

def kron(a: Operand, b: Operand) -> Variable:
    """The Kronecker product: b times each element of a, in a's arrangement, as np.kron; the one with fewer axes gets more
    before its own.
    """

def lstsq(a: Operand, b: Operand, rcond: float | None = None) -> tuple[Variable, Variable, int, Variable]:
    """(y, residuals, rank, s): the y for which the sum of squares of b - a @ y is least, the shortest of several, as
    np.linalg.lstsq gives it.

    a: (m, n); b: (m,) or (m, k); rcond as in `pinv`. residuals: those sums, (k,) or (1,), or (0,) where the rank is less than n
    or m <= n; rank: an int; s: the singular values of a. y, residuals and s have gradients, among matrices a of the same rank.
    Raises LinAlgError for other shapes.
    """

def matrix_power(x: Operand, n: int) -> Variable:
    """The n-th power of each square matrix of x, (..., k, k), by squaring; n < 0: of its inverse, 0: the identity.

    Raises LinAlgError for other shapes and for a singular matrix with n < 0, TypeError for an n that is no integer.
    """

def pinv(x: Operand, rcond: float | None = None) -> Variable:
    """The pseudo-inverse (Moore and Penrose) of each matrix of x, (..., m, n): (..., n, m).

    rcond: singular values up to this share of the largest count as 0; None is max(m, n) eps, also in float32, where NumPy takes
    1e-15. The gradient is that among matrices of the same rank. Raises LinAlgError for other shapes.
    """

# A tuple, or R and the singular values alone where that is asked for.
def qr(x: Operand, mode: str = "reduced") -> Any:
    """(Q, R) with Q @ R = x for each matrix of x, (..., m, n): Q with min(m, n) orthonormal columns, R upper triangular.

    mode: "reduced", or "r" for R alone; "complete" where m <= n, which is the same as "reduced". With m < n Q depends on the
    first m columns alone. Raises LinAlgError for other shapes, and in backward where the first min(m, n) columns are linearly
    dependent; ValueError for other modes, and "complete" with m > n, whose further columns of Q nothing determines.
    """

def svd(x: Operand, full_matrices: bool = False, compute_uv: bool = True) -> Any:
    """(U, s, Vh) with U * s @ Vh = x for each matrix of x, (..., m, n): with k = min(m, n) of shapes (..., m, k), (..., k), in
    descending order, and (..., k, n). compute_uv False: s alone.

    Singular vectors are defined up to a common sign, and not at all among equal singular values: a result that depends on them
    has nan gradients there, and where a singular value is 0 and m != n; large ones where values nearly agree. One that
    depends on the singular values alone has its gradient everywhere; second derivatives go through the vectors. Raises
    LinAlgError for other shapes, ValueError for full_matrices where m != n: nothing determines the further vectors.
    """

def tril(x: Operand, k: int = 0) -> Variable:
    """The lower triangle of each matrix of x, (..., m, n), up to the k-th diagonal, and zeros above it. Raises ValueError for
    fewer than two axes.
    """

def triu(x: Operand, k: int = 0) -> Variable:
    """The upper triangle of each matrix of x, (..., m, n), from the k-th diagonal on, and zeros below it. Raises ValueError for
    fewer than two axes.
    """

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
    absolute value; 0 counts what is not zero); for matrices None or "fro", 1, -1, inf, -inf, the largest or smallest sum of
    absolute values of a column or row, 2, -2, the largest or smallest singular value, and "nuc", the sum of all, of which those
    that rounding makes of 0 have no gradient. Where the norm is 0 so is its gradient, and for vectors, but with ord 1, inf and
    -inf, and for "fro" its second derivative is nan; elements that tie for the largest or smallest share its gradient. Raises
    ValueError for another ord and for axes that x does not have.
    """

__all__ = [
    "QR", "SVD", "Cholesky", "Det", "Diagonal", "DiagonalGrad", "Eigh", "Inv", "Norm", "Pinv", "Slogdet", "Solve",
    "cholesky", "cross", "det", "diag", "diagonal", "eigh", "eigvalsh", "inv", "kron", "lstsq", "matrix_power",
    "norm", "pinv", "qr", "slogdet", "solve", "svd", "trace", "tril", "triu",
]
