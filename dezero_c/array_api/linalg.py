"""The namespace's linear algebra, `array_api.linalg`; four of its functions are in the main namespace too.

What has no gradient here (decompositions of complex matrices, all columns of svd where the matrix is not square) raises where a
graph would be recorded, and gives NumPy's values under `no_grad`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dezero_c import functions as F
from dezero_c._constants import constant
from dezero_c._core import Config, Variable
from dezero_c._numpy_adapters import COMPOSED
from dezero_c.array_api._manipulation import matrix_transpose
from dezero_c.array_api._operands import array, pair
from dezero_c.array_api._reductions import sum as sum_

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from dezero_c._typing import Axis
    from dezero_c.array_api._operands import Array

__all__ = [
    "cholesky", "cross", "det", "diagonal", "eigh", "eigvalsh", "inv", "matmul", "matrix_norm", "matrix_power",
    "matrix_rank", "matrix_transpose", "outer", "pinv", "qr", "slogdet", "solve", "svd", "svdvals", "tensordot", "trace",
    "vecdot", "vector_norm",
]


class EighResult(NamedTuple):
    """What `eigh` gives."""

    eigenvalues: Variable
    eigenvectors: Variable


class QRResult(NamedTuple):
    """What `qr` gives."""

    Q: Variable
    R: Variable


class SlogdetResult(NamedTuple):
    """What `slogdet` gives."""

    sign: Variable
    logabsdet: Variable


class SVDResult(NamedTuple):
    """What `svd` gives."""

    U: Variable
    S: Variable
    Vh: Variable


def _values(function: Any, x: Any, what: str) -> Any:
    """function(x), which has no gradient: under no_grad alone."""
    if Config.enable_backprop:
        raise TypeError(f"{what} has no gradient here; under dezero_c.no_grad() it gives the values alone")
    return constant(function, x)


# ---- products ----------------------------------------------------------------------------------------------------------------

def matmul(x1: Array, x2: Array, /) -> Variable:
    """The matrix product along the last axis of x1 and the last but one of x2; a stack of products where there are more axes."""
    return F.matmul(array(x1, "matmul"), array(x2, "matmul"))


def tensordot(x1: Array, x2: Array, /, *, axes: int | tuple[Sequence[int], Sequence[int]] = 2) -> Variable:
    """The sum of products along pairs of axes: the last `axes` of x1 with the first of x2, or those that two lists name."""
    return F.tensordot(array(x1, "tensordot"), array(x2, "tensordot"), axes)


def vecdot(x1: Array, x2: Array, /, *, axis: int = -1) -> Variable:
    """The sum of conj(x1) * x2 along an axis of equal length in both; other axes broadcast. ValueError for unequal lengths."""
    x1, x2 = array(x1, "vecdot"), array(x2, "vecdot")
    if not x1.ndim or not x2.ndim or x1.shape[axis] != x2.shape[axis]:
        raise ValueError(f"vecdot: shapes {x1.shape} and {x2.shape} do not have the same length along axis {axis}")
    y = F.sum(F.mul(F.moveaxis(F.conj(x1), axis, -1), F.moveaxis(x2, axis, -1)), -1)
    to = np.result_type(x1.dtype, x2.dtype)
    return y if y.dtype == to else F.cast(y, to)        # small integers are summed as large ones


def cross(x1: Array, x2: Array, /, *, axis: int = -1) -> Variable:
    """The cross product of vectors of length 3 along the axis."""
    return F.cross(array(x1, "cross"), array(x2, "cross"), axis)


def outer(x1: Array, x2: Array, /) -> Variable:
    """The products of each two elements of vectors. ValueError for more axes."""
    x1, x2 = pair(array(x1, "outer"), array(x2, "outer"), "outer")
    if x1.ndim != 1 or x2.ndim != 1:
        raise ValueError(f"outer: shapes {x1.shape} and {x2.shape}; it takes vectors")
    return F.outer(x1, x2)


def matrix_power(x: Array, n: int, /) -> Variable:
    """The product of n square matrices x, of their inverses for a negative n."""
    return F.matrix_power(array(x, "matrix_power"), n)


# ---- parts -------------------------------------------------------------------------------------------------------------------

def _matrices(x: Any, function: str) -> Any:
    x = array(x, function)
    if x.ndim < 2:
        raise ValueError(f"{function}: shape {x.shape} holds no matrix; it takes two axes or more")
    return x


def diagonal(x: Array, /, *, offset: int = 0) -> Variable:
    """The diagonals of matrices in the last two axes, offset above (or below, if negative) the main one."""
    return F.diagonal(_matrices(x, "diagonal"), offset, -2, -1)


def trace(x: Array, /, *, offset: int = 0, dtype: DTypeLike | None = None) -> Variable:
    """The sums of the diagonals; dtypes as in `sum`."""
    return sum_(diagonal(x, offset=offset), axis=-1, dtype=dtype)


# ---- norms -------------------------------------------------------------------------------------------------------------------

def vector_norm(x: Array, /, *, axis: Axis = None, keepdims: bool = False, ord: float = 2) -> Variable:
    """The norm over the axes given, or of all elements: the root of order ord of the sum of powers; inf and -inf the largest and
    smallest absolute value, 0 the number of elements that are not 0."""
    return COMPOSED[np.linalg.vector_norm](array(x, "vector_norm"), axis, keepdims, ord)     # type: ignore[no-any-return]


def matrix_norm(x: Array, /, *, keepdims: bool = False, ord: float | str | None = "fro") -> Variable:
    """The norms of matrices in the last two axes: "fro", "nuc", 1, -1, 2, -2, inf or -inf."""
    x = _matrices(x, "matrix_norm")
    if x.dtype.kind == "c" and ord in ("nuc", 2, -2):
        call = functools.partial(np.linalg.matrix_norm, ord=ord, keepdims=keepdims)
        return _values(call, x, f"matrix_norm of order {ord!r} of complex matrices")        # type: ignore[no-any-return]
    return F.norm(x, "fro" if ord is None else ord, (-2, -1), keepdims)


def matrix_rank(x: Array, /, *, rtol: float | Array | None = None) -> Variable:
    """How many singular values are above rtol times the largest (max(m, n) eps unless given): int64, without a graph."""
    more = {} if rtol is None else {"rtol": rtol.data if isinstance(rtol, Variable) else rtol}
    return constant(np.linalg.matrix_rank, _matrices(x, "matrix_rank"), **more)     # type: ignore[no-any-return]


# ---- determinants, inverses, equations ---------------------------------------------------------------------------------------

def det(x: Array, /) -> Variable:
    """The determinants."""
    return F.det(array(x, "det"))


def slogdet(x: Array, /) -> SlogdetResult:
    """The sign of each determinant, and the logarithm of its absolute value."""
    x = array(x, "slogdet")
    return SlogdetResult(*(_values(np.linalg.slogdet, x, "slogdet of complex matrices") if x.dtype.kind == "c" else F.slogdet(x)))


def inv(x: Array, /) -> Variable:
    """The inverses of square matrices."""
    return F.inv(array(x, "inv"))


def pinv(x: Array, /, *, rtol: float | Array | None = None) -> Variable:
    """The pseudo-inverses, of the singular values above rtol times the largest (max(m, n) eps unless given)."""
    return F.pinv(array(x, "pinv"), float(rtol) if isinstance(rtol, (Variable, np.ndarray)) else rtol)      # type: ignore[arg-type]


def solve(x1: Array, x2: Array, /) -> Variable:
    """x with x1 @ x = x2, for a vector x2 or matrices."""
    return F.solve(array(x1, "solve"), array(x2, "solve"))


# ---- decompositions ----------------------------------------------------------------------------------------------------------

def cholesky(x: Array, /, *, upper: bool = False) -> Variable:
    """The lower triangular L with L @ L.T = x, or its transposed (conjugate). LinAlgError where x is not positive definite."""
    x = array(x, "cholesky")
    if x.dtype.kind == "c":
        y: Variable = _values(np.linalg.cholesky, x, "cholesky of complex matrices")
    else:
        y = F.cholesky(x)
    return matrix_transpose(F.conj(y)) if upper else y


def eigh(x: Array, /) -> EighResult:
    """The eigenvalues of symmetric matrices in order, and the eigenvectors in columns."""
    x = array(x, "eigh")
    return EighResult(*(_values(np.linalg.eigh, x, "eigh of complex matrices") if x.dtype.kind == "c" else F.eigh(x)))


def eigvalsh(x: Array, /) -> Variable:
    """The eigenvalues of symmetric matrices in order."""
    x = array(x, "eigvalsh")
    if x.dtype.kind == "c":
        return _values(np.linalg.eigvalsh, x, "eigvalsh of complex matrices")       # type: ignore[no-any-return]
    return F.eigvalsh(x)


def qr(x: Array, /, *, mode: str = "reduced") -> QRResult:
    """Q with orthonormal columns and an upper triangular R, whose product is x. mode: "reduced", or "complete" for a square Q."""
    if mode not in ("reduced", "complete"):
        raise ValueError(f"qr: mode {mode!r} is neither 'reduced' nor 'complete'")
    x = _matrices(x, "qr")
    if x.dtype.kind == "c" or (mode == "complete" and x.shape[-2] > x.shape[-1]):
        what = "complex matrices" if x.dtype.kind == "c" else "mode 'complete' of more rows than columns ('reduced' has one)"
        return QRResult(*_values(functools.partial(np.linalg.qr, mode=mode), x, f"qr of {what}"))
    return QRResult(*F.qr(x, mode))


def svd(x: Array, /, *, full_matrices: bool = True) -> SVDResult:
    """U, the singular values S from the largest on, and Vh, with x = (U * S) @ Vh for the first columns of U and rows of Vh. With
    full_matrices both are square, which has a gradient for square x alone."""
    x = _matrices(x, "svd")
    square = x.shape[-1] == x.shape[-2]
    if x.dtype.kind == "c" or (full_matrices and not square):
        what = "complex matrices" if x.dtype.kind == "c" else "matrices that are not square (full_matrices=False has one)"
        return SVDResult(*_values(functools.partial(np.linalg.svd, full_matrices=full_matrices), x, f"svd of {what}"))
    return SVDResult(*F.svd(x, False))


def svdvals(x: Array, /) -> Variable:
    """The singular values, from the largest on."""
    x = _matrices(x, "svdvals")
    if x.dtype.kind == "c":
        return _values(np.linalg.svdvals, x, "svdvals of complex matrices")       # type: ignore[no-any-return]
    return F.svd(x, False, False)       # type: ignore[no-any-return]
