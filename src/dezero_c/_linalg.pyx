# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Linear algebra: norms, inverses, determinants, factorisations, least squares, triangles. Values by numpy.linalg, over stacks
of matrices (..., n, n).

Gradients are those of real matrices. Every `backward` is made of differentiable operations, so every order follows.
"""

import operator
from collections import namedtuple

import numpy as np

cimport numpy as cnp

from dezero_c._arrays cimport (
    ArrayFunction, argument, forward_of, half_array, is_half, kept_shape, kernel_dtype, narrowed, normal_axes, run, widened)
from dezero_c._core cimport DZ_MAXDIM, Function, Variable, call_native, data_of, function_call, read, recording

from dezero_c._cast import conj
from dezero_c._index import GetItemGrad, get_item
from dezero_c._join import concatenate, moveaxis
from dezero_c._matmul import matmul
from dezero_c._ops import abs as absolute
from dezero_c._ops import sign, where
from dezero_c._reduce import kink
from dezero_c._reduce import sum as total
from dezero_c._shape import broadcast_to, reshape, transpose, unbroadcast

cnp.import_array()


# ---- shared -----------------------------------------------------------------------------------------------------------

cdef object flipped(object a):
    """The last two axes of an ndarray exchanged."""
    return cnp.PyArray_SwapAxes(a, cnp.PyArray_NDIM(a) - 2, cnp.PyArray_NDIM(a) - 1)


cdef object swapped(object v):
    """The last two axes of a Variable exchanged."""
    cdef int nd = v.ndim
    return transpose(v, (*range(nd - 2), nd - 1, nd - 2))


cdef object lifted(object v):
    """v[..., None, None], for a Variable."""
    return reshape(v, (*v.shape, 1, 1))


cdef object eye(object a):
    """The identity in the size and dtype of the matrices a."""
    return np.eye(a.shape[len(a.shape) - 1], dtype=a.dtype)


cdef Variable output_of(Function f):
    """f's single output, with its graph; None when it is gone."""
    return <Variable> f.out0 if f.out0 != NULL else None


cdef object by_numpy(object function, str op, tuple xs, dict options):
    """A function of numpy.linalg, whose errors name `op` and the shapes."""
    cdef str shapes = " and ".join([str(np.shape(x)) for x in xs])
    try:
        return function(*xs, **options)
    except np.linalg.LinAlgError as error:
        raise np.linalg.LinAlgError(f"{op}: {error} (shape {shapes})") from error
    except (TypeError, ValueError) as error:
        kinds = " and ".join([str(x.dtype) for x in xs])
        raise type(error)(f"{op}: {error} (shape {shapes}, dtype {kinds})") if type(error) in (TypeError, ValueError) else \
            TypeError(f"{op}: {error} (shape {shapes}, dtype {kinds})") from error


cdef object square(object x, str op):
    """x, if its last two axes are as long as each other."""
    cdef int nd = x.ndim
    if nd < 2 or x.shape[nd - 1] != x.shape[nd - 2]:
        raise np.linalg.LinAlgError(f"{op}: an array of shape {x.shape} is no square matrix, nor a stack (..., n, n) of them")
    return x


cdef object real_matrix(object x, str op):
    """x, if it is real: the gradient is that of real matrices."""
    if x.dtype.kind == "c":
        raise TypeError(f"{op}: not defined for {x.dtype} (shape {x.shape}): its gradient is that of real matrices")
    return x


cdef int same_dtype(object x, object gy):
    """1 when x and gy are both float32 or both float64."""
    return kernel_dtype(gy) >= 0 and kernel_dtype(x) == kernel_dtype(gy)


# ---- inverse and solution ---------------------------------------------------------------------------------------------

cdef class Inv(ArrayFunction):
    """Inv()\n--\n
    The class behind `inv`: `Inv()(x)`."""

    def forward(self, x):
        return by_numpy(np.linalg.inv, "inv", (square(x, "inv"),), {})

    def backward(self, gy):
        y = output_of(self)
        yt = swapped(inv(self.in0) if y is None else y)
        return -matmul(matmul(yt, gy), yt)

    cdef object gradients(self, object gy):
        cdef object yt
        if self.out0 == NULL or not same_dtype(data_of(self.in0), gy):
            return None
        yt = flipped(data_of(output_of(self)))
        return (-np.matmul(np.matmul(yt, gy), yt),)


def inv(x):
    """The inverse of each matrix of x, (..., n, n). Raises LinAlgError for a singular matrix and for other shapes."""
    cdef Variable v = argument(x, "inv")
    cdef Inv f = Inv()
    return run(f, (v,))


cdef class Solve(ArrayFunction):
    """Solve()\n--\n
    The class behind `solve`: `Solve()(a, b)`."""

    def forward(self, a, b):
        square(a, "solve")
        if b.ndim == 0 or b.shape[b.ndim - 1 if b.ndim == 1 else b.ndim - 2] != a.shape[a.ndim - 1]:
            n = a.shape[a.ndim - 1]
            raise ValueError(f"solve: a has shape {a.shape}, so b, of shape {b.shape}, must be ({n},) or (..., {n}, m); a stack "
                             "of vectors needs a last axis of length 1")
        return by_numpy(np.linalg.solve, "solve", (a, b), {})

    def backward(self, gy):
        a, b, y = self.in0, self.in1, output_of(self)
        if y is None:
            y = solve(a, b)
        if b.ndim == 1:
            gy, y = reshape(gy, (*gy.shape, 1)), reshape(y, (*y.shape, 1))
        gb = solve(swapped(a), gy)
        ga = unbroadcast(-matmul(gb, swapped(y)), a.shape)
        return ga, unbroadcast(reshape(gb, gb.shape[:-1]) if b.ndim == 1 else gb, b.shape)


def solve(a, b):
    """The y with a @ y = b, for each matrix of a.

    a: (..., n, n); b: (n,), or (..., n, m), whose leading axes broadcast against a's. Raises LinAlgError for a singular
    matrix, ValueError or LinAlgError for shapes that do not fit.
    """
    cdef Variable av = argument(a, "solve"), bv = argument(b, "solve")
    cdef Solve f = Solve()
    return run(f, (av, bv))


# ---- determinants -----------------------------------------------------------------------------------------------------

cdef tuple characteristic(object k):
    """(det k, adj k) of a small matrix k as polynomials (Faddeev and LeVerrier), without a division by anything of k's."""
    cdef int r = k.shape[0], i
    cdef object unit = eye(k), m = unit, km, c
    for i in range(1, r + 1):
        km = matmul(k, m)
        c = trace(km, 0, -2, -1) * (-1.0 / i)
        if i < r:
            m = km + c * unit
    return (c, -m) if r % 2 == 0 else (-c, m)


cdef object regular_inverse(object x, double power):
    """The inverses of ndarrays whose condition numbers all lie below eps ** -power; None if one does not, or is singular."""
    cdef object y
    try:
        y = np.linalg.inv(x)
    except np.linalg.LinAlgError:
        return None
    with np.errstate(over="ignore", invalid="ignore"):
        bound = np.linalg.norm(x, axis=(-2, -1)) * np.linalg.norm(y, axis=(-2, -1))     # of the condition, from above
    return y if np.all(bound < float(np.finfo(y.dtype).eps) ** -power) else None


cdef object cofactor(Variable x):
    """The gradient of det: its cofactors, at every order, at singular matrices too.

    Where a matrix is regular they are det(x) inv(x)^T. Otherwise let U and V be its singular vectors for the small singular
    values, as constants, and B = x + s U V^T, which is regular. Then det(x) = det(B) det(K) with K = 1 - s V^T inv(B) U, a
    small matrix near 0 whose determinant and adjugate are polynomials.
    """
    cdef object a = data_of(x), u, s, vt, small, flat, shape, gx, i, regular, scale, part
    cdef int n = a.shape[a.ndim - 1]
    if not a.size:
        return np.zeros(a.shape, a.dtype)
    # With 1/s up to eps ** (-1/3), what cancels in second derivatives leaves two thirds of the digits, in third ones a third.
    if not np.isfinite(a).all() or regular_inverse(a, 1.0 / 3.0) is not None:
        return lifted(det(x)) * swapped(inv(x))
    u, s, vt = np.linalg.svd(a.reshape(-1, n, n))
    small = s <= s[:, :1] * float(np.finfo(s.dtype).eps) ** (1.0 / 3.0)
    flat = reshape(x, (-1, n, n))
    shape = flat.shape
    regular = np.flatnonzero(~small.any(1))
    gx = None
    if regular.size:
        part = get_item(flat, regular)
        gx = GetItemGrad(regular, shape)(lifted(det(part)) * swapped(inv(part)))
    for i in np.flatnonzero(small.any(1)).tolist():
        scale = float(s[i, 0]) or 1.0
        part = GetItemGrad(i, shape)(bordered(get_item(flat, i), u[i][:, small[i]], vt[i][small[i]], scale))
        gx = part if gx is None else gx + part
    return reshape(gx, a.shape)


cdef object bordered(object x, object u, object vt, object scale):
    """The cofactors of one matrix with small singular values; see `cofactor`."""
    cdef object b = x + (scale * np.matmul(u, vt)).astype(u.dtype), c = inv(b), y = matmul(c, u), z = matmul(vt, c), k, d, adj
    k = np.eye(u.shape[1], dtype=u.dtype) - matmul(vt, y) * scale
    d, adj = characteristic(k)
    return transpose(det(b) * (d * c + matmul(matmul(y, adj), z) * scale))


cdef class Det(ArrayFunction):
    """Det()\n--\n
    The class behind `det`: `Det()(x)`."""

    def forward(self, x):
        return by_numpy(np.linalg.det, "det", (square(x, "det"),), {})

    def backward(self, gy):
        return lifted(gy) * cofactor(argument(self.in0, "det"))

    cdef object gradients(self, object gy):
        cdef object x = data_of(self.in0), y
        if not same_dtype(x, gy) or not x.size:
            return None
        y = regular_inverse(x, 2.0 / 3.0)
        if y is None:
            return None
        return (np.multiply((gy * np.linalg.det(x))[..., None, None], flipped(y)),)


def det(x):
    """The determinant of each matrix of x, (..., n, n).

    The gradient is the matrix of cofactors, which is right at every order for singular matrices too. Raises LinAlgError for
    other shapes.
    """
    cdef Variable v = argument(x, "det")
    cdef Det f = Det()
    return run(f, (v,))


SlogdetResult = namedtuple("SlogdetResult", ("sign", "logabsdet"), module=__name__)
EighResult = namedtuple("EighResult", ("eigenvalues", "eigenvectors"), module=__name__)


cdef class Slogdet(ArrayFunction):
    """Slogdet()\n--\n
    The class behind `slogdet`: `Slogdet()(x)`."""

    def forward(self, x):
        return tuple(by_numpy(np.linalg.slogdet, "slogdet", (square(real_matrix(x, "slogdet"), "slogdet"),), {}))

    def backward(self, gsign, glog):
        try:
            return lifted(glog) * swapped(inv(self.in0))
        except np.linalg.LinAlgError as error:
            raise np.linalg.LinAlgError(f"slogdet: a matrix is singular (shape {self.in0.shape}), so log|det| is -inf and has no "
                                        "gradient; det has one") from error


def slogdet(x):
    """(sign, log|det|) of each matrix of x, (..., n, n); for a singular one (0, -inf), where there is no gradient.

    The sign's gradient is zero. Raises LinAlgError for other shapes, and in backward for a singular matrix.
    """
    return SlogdetResult(*function_call(Slogdet(), (argument(x, "slogdet"),)))


# ---- factorisations ---------------------------------------------------------------------------------------------------

cdef object lower_half(object a):
    """The mask that keeps what is below the diagonal, and half of the diagonal."""
    return np.tril(np.ones(a.shape[len(a.shape) - 2:], a.dtype)) - eye(a) / 2


cdef class Cholesky(ArrayFunction):
    """Cholesky()\n--\n
    The class behind `cholesky`: `Cholesky()(x)`."""

    def forward(self, x):
        return by_numpy(np.linalg.cholesky, "cholesky", (square(real_matrix(x, "cholesky"), "cholesky"),), {})

    def backward(self, gy):
        y = output_of(self)
        if y is None:
            y = cholesky(self.in0)
        p = matmul(swapped(y), gy) * lower_half(y)
        c = inv(y)
        return matmul(matmul(swapped(c), (p + swapped(p)) * 0.5), c)

    cdef object gradients(self, object gy):
        cdef object y, p, c
        if self.out0 == NULL or not same_dtype(data_of(self.in0), gy):
            return None
        y = data_of(output_of(self))
        p = np.matmul(flipped(y), gy) * lower_half(y)
        p += flipped(p).copy()
        p *= 0.5
        c = np.linalg.inv(y)
        return (np.matmul(np.matmul(flipped(c), p), c),)


def cholesky(x):
    """The lower triangular y with y @ y.T = x for each symmetric positive definite matrix of x, (..., n, n).

    Only the lower triangle of x is read. The gradient is symmetric: what belongs to an element off the diagonal is shared
    between it and its mirror image. Raises LinAlgError for a matrix that is not positive definite and for other shapes.
    """
    cdef Variable v = argument(x, "cholesky")
    cdef Cholesky f = Cholesky()
    return run(f, (v,))


cdef class Eigh(ArrayFunction):
    """Eigh(UPLO="L")\n--\n
    The class behind `eigh`: `Eigh(UPLO)(x)`."""

    cdef readonly object UPLO
    cdef object values      # what forward gave: an output that nobody holds is gone

    def __init__(self, UPLO="L"):
        if UPLO not in ("L", "U", "l", "u"):
            raise ValueError(f"eigh: UPLO is {UPLO!r}; it must be 'L' or 'U', the triangle that is read")
        self.UPLO = UPLO

    def _arguments(self):
        return (self.UPLO,)

    def forward(self, x):
        self.values = tuple(by_numpy(np.linalg.eigh, "eigh", (square(real_matrix(x, "eigh"), "eigh"),), {"UPLO": self.UPLO}))
        return self.values

    def backward(self, gw, gV):
        cdef object w, V, gap, same, m
        w, V = [r() for r in self.outs] if self.outs is not None else (None, None)
        if w is None or V is None:
            w, V = eigh(self.in0, self.UPLO) if recording() or self.values is None else map(Variable, self.values)
        gw, gV = argument(gw, "eigh"), argument(gV, "eigh")
        inner = reshape(gw, (*gw.shape, 1)) * eye(V)
        if recording() or np.any(data_of(gV)):
            # An eigenvector turns towards another by the reciprocal of the gap between their eigenvalues.
            gap = reshape(w, (*w.shape[:-1], 1, w.shape[-1])) - reshape(w, (*w.shape, 1))
            same = (data_of(gap) == 0).astype(w.dtype)
            m = matmul(swapped(V), gV)
            m = (m - swapped(m)) * ((1 - same) / (gap + same) * 0.5)
            same -= eye(V)
            if same.any():
                used = np.any(data_of(gV) != 0, axis=(-1, -2), keepdims=True)
                m = m + np.where((same > 0) & used, np.nan, 0).astype(w.dtype)
            inner = inner + m
        return matmul(matmul(V, inner), swapped(V))


def eigh(x, UPLO="L"):
    """(eigenvalues, eigenvectors) of each symmetric matrix of x, (..., n, n): (..., n), ascending, and (..., n, n), in columns.

    UPLO: the triangle that is read, "L" or "U". The gradient is symmetric. An eigenvector is defined up to its sign, and not at
    all among equal eigenvalues: a result that depends on the eigenvectors has nan gradients there, and large ones where
    eigenvalues nearly agree. One that depends on the eigenvalues alone has its gradient everywhere; second derivatives go
    through the eigenvectors. Raises LinAlgError for other shapes.
    """
    return EighResult(*function_call(Eigh(UPLO), (argument(x, "eigh"),)))


def eigvalsh(x, UPLO="L"):
    """The eigenvalues of each symmetric matrix of x, (..., n, n), ascending: `eigh(x, UPLO)[0]`."""
    return eigh(x, UPLO)[0]


cdef object over(object p, object q, object more=False):
    """p / q for Variables; where q is 0, 0 if p is too and `more` is False, else nan: what depends on that has no derivative."""
    cdef object zero = data_of(q) == 0, one = zero.astype(q.dtype), lost = zero & ((data_of(p) != 0) | more), y
    y = p * ((1 - one) / (q + one))
    return y + np.where(lost, np.nan, 0).astype(y.dtype) if lost.any() else y


cdef object stack_of_matrices(object x, str op):
    if x.ndim < 2:
        raise np.linalg.LinAlgError(f"{op}: an array of shape {x.shape} is no matrix, nor a stack (..., m, n) of them")
    return x


cdef object finite(object x, str op):
    """x, if it has singular values: LAPACK may look for those of a matrix that holds inf, with their vectors, without end."""
    if x.dtype.kind in "fc" and not np.isfinite(x).all():
        raise np.linalg.LinAlgError(f"{op}: x of shape {x.shape} holds inf or nan, and has no singular values; look at "
                                    "np.isfinite(x)")
    return x


cdef tuple outputs_of(Function f, Function again, object values):
    """f's outputs with their graphs. Where one is gone: what forward gave if no graph is needed, else a new call's."""
    cdef list found = [r() for r in f.outs] if f.outs is not None else [None]
    if not any([y is None for y in found]):
        return tuple(found)
    return tuple(again(f.in0)) if recording() or values is None else tuple(map(Variable, values))


cdef class QR(ArrayFunction):
    """QR()\n--\n
    The class behind `qr` of matrices (..., m, n) with m >= n: `QR()(x)`."""

    cdef object values

    def forward(self, x):
        stack_of_matrices(real_matrix(x, "qr"), "qr")
        if x.shape[x.ndim - 2] < x.shape[x.ndim - 1]:
            raise ValueError(f"QR: matrices of shape {x.shape} have fewer rows than columns; the function qr takes them too")
        self.values = tuple(by_numpy(np.linalg.qr, "qr", (x,), {}))
        return self.values

    def backward(self, gq, gr):
        # With M = R gr^T - gq^T Q and C its lower triangle and that, without the diagonal, mirrored: (gq + Q C) R^-T (Walter
        # and Lehmann, Algorithmic differentiation of linear algebra functions, 2018).
        cdef object q, r, m, low
        q, r = outputs_of(self, QR(), self.values)
        m = matmul(r, swapped(argument(gr, "qr"))) - matmul(swapped(argument(gq, "qr")), q)
        low = np.tril(np.ones(m.shape[len(m.shape) - 2:], m.dtype))
        m = m * low + swapped(m * (low - eye(m)))
        try:
            return swapped(solve(r, swapped(gq + matmul(q, m))))
        except np.linalg.LinAlgError as error:
            raise np.linalg.LinAlgError(f"qr: the columns of a matrix are linearly dependent (shape {self.in0.shape}), so that Q "
                                        "has no derivative") from error


def qr(x, mode="reduced"):
    """(Q, R) with Q @ R = x for each matrix of x, (..., m, n): Q with min(m, n) orthonormal columns, R upper triangular.

    mode: "reduced", or "r" for R alone; "complete" where m <= n, which is the same as "reduced". With m < n Q depends on the
    first m columns alone. Raises LinAlgError for other shapes, and in backward where the first min(m, n) columns are linearly
    dependent; ValueError for other modes, and "complete" with m > n, whose further columns of Q nothing determines.
    """
    cdef Variable v = argument(x, "qr")
    cdef tuple shape = stack_of_matrices(v, "qr").shape
    cdef Py_ssize_t m = shape[len(shape) - 2], n = shape[len(shape) - 1]
    if mode not in ("reduced", "r", "complete") or (mode == "complete" and m > n):
        raise ValueError(f"qr: mode {mode!r} for matrices of shape {shape}; take 'reduced' or 'r'")
    if m >= n:
        q, r = function_call(QR(), (v,))
    else:
        q, r = function_call(QR(), (get_item(v, (Ellipsis, slice(0, m))),))
        r = concatenate([r, matmul(swapped(q), get_item(v, (Ellipsis, slice(m, None))))], -1)
    return r if mode == "r" else (q, r)


cdef class SVD(ArrayFunction):
    """SVD()\n--\n
    The class behind `svd`: `SVD()(x)`."""

    cdef object values

    def forward(self, x):
        finite(stack_of_matrices(real_matrix(x, "svd"), "svd"), "svd")
        self.values = tuple(by_numpy(np.linalg.svd, "svd", (x,), {"full_matrices": False}))
        return self.values

    def backward(self, gu, gs, gvt):
        # Townsend, Differentiating the singular value decomposition, 2016.
        cdef object u, s, vt, inner, gx, a, b, row, column, both, part
        cdef Py_ssize_t m, n, k
        u, s, vt = outputs_of(self, SVD(), self.values)
        gu, gs, gvt = argument(gu, "svd"), argument(gs, "svd"), argument(gvt, "svd")
        m, k, n = u.shape[u.ndim - 2], s.shape[s.ndim - 1], vt.shape[vt.ndim - 1]
        row, column = reshape(s, (*s.shape[:-1], 1, k)), reshape(s, (*s.shape, 1))
        inner = reshape(gs, column.shape) * np.eye(k, dtype=s.dtype)
        if not recording() and not np.any(data_of(gu)) and not np.any(data_of(gvt)):
            return matmul(matmul(u, inner), vt)
        # A singular vector turns towards another by the reciprocal of the difference of their squared values.
        a, b = matmul(swapped(u), gu), matmul(gvt, swapped(vt))
        a, b = a - swapped(a), swapped(b) - b
        both = (data_of(row) == 0) & (data_of(column) == 0) & ((data_of(a) != 0) | (data_of(b) != 0))   # 0 times what is lost
        inner = inner + over(a * row + column * b, (row - column) * (row + column), both)
        gx = matmul(matmul(u, inner), vt)
        if m > k:
            part = matmul(over(gu, broadcast_to(row, gu.shape)), vt)
            gx = gx + part - matmul(u, matmul(swapped(u), part))
        if n > k:
            part = matmul(u, over(gvt, broadcast_to(column, gvt.shape)))
            gx = gx + part - matmul(matmul(part, swapped(vt)), vt)
        return gx


def svd(x, full_matrices=False, compute_uv=True):
    """(U, s, Vh) with U * s @ Vh = x for each matrix of x, (..., m, n): with k = min(m, n) of shapes (..., m, k), (..., k), in
    descending order, and (..., k, n). compute_uv False: s alone.

    Singular vectors are defined up to a common sign, and not at all among equal singular values: a result that depends on them
    has nan gradients there, and where a singular value is 0 and m != n; large ones where values nearly agree. One that
    depends on the singular values alone has its gradient everywhere; second derivatives go through the vectors. Raises
    LinAlgError for other shapes and for inf and nan, ValueError for full_matrices where m != n: nothing determines the further
    vectors.
    """
    cdef Variable v = argument(x, "svd")
    cdef tuple shape = stack_of_matrices(v, "svd").shape
    if full_matrices and compute_uv and shape[len(shape) - 1] != shape[len(shape) - 2]:
        raise ValueError(f"svd: full_matrices=True has no gradient for matrices that are not square (shape {shape}); pass "
                         "full_matrices=False")
    found = function_call(SVD(), (v,))
    return tuple(found) if compute_uv else found[1]


cdef class Pinv(ArrayFunction):
    """Pinv(rcond)\n--\n
    The class behind `pinv`: `Pinv(rcond)(x)`."""

    cdef readonly object rcond

    def __init__(self, rcond):
        self.rcond = rcond

    def _arguments(self):
        return (self.rcond,)

    def forward(self, x):
        return by_numpy(np.linalg.pinv, "pinv", (finite(stack_of_matrices(x, "pinv"), "pinv"),), {"rcond": self.rcond})

    def backward(self, gy):
        # Golub and Pereyra, The differentiation of pseudo-inverses and nonlinear least squares problems, 1973.
        cdef object x = self.in0, y = output_of(self), yt, yh, gt, part, rest, gx
        if y is None:
            y = pinv(x, self.rcond)
        yt, gt = swapped(y), swapped(argument(gy, "pinv"))
        gx = -matmul(matmul(yt, gy), yt)
        yh = conj(yt) if y.dtype.kind == "c" else yt
        part = matmul(matmul(gt, y), yh)
        rest = part - matmul(x, matmul(y, part))
        part = matmul(matmul(yh, y), gt)
        rest = rest + part - matmul(matmul(part, y), x)     # what y changes by through the conjugate transpose of x
        return gx + (conj(rest) if rest.dtype.kind == "c" else rest)


cdef object cutoff(object rcond, Variable x, str op):
    """The share of the largest singular value up to which one counts as 0: by default max(m, n) eps."""
    cdef object dtype = x.dtype if x.dtype.kind in "fc" else np.dtype(float)
    if rcond is not None and np.any(np.isnan(rcond)):       # no singular value is above it: all zeros
        raise ValueError(f"{op}: rcond is {rcond!r}; give a number, or None")
    return max(x.shape[len(x.shape) - 2:]) * float(np.finfo(dtype).eps) if rcond is None else rcond


def pinv(x, rcond=None):
    """The pseudo-inverse (Moore and Penrose) of each matrix of x, (..., m, n): (..., n, m).

    rcond: singular values up to this share of the largest count as 0; None is max(m, n) eps, also in float32, where NumPy takes
    1e-15. The gradient is that among matrices of the same rank. Raises LinAlgError for other shapes and for inf and nan.
    """
    cdef Variable v = argument(x, "pinv")
    cdef Pinv f
    stack_of_matrices(v, "pinv")
    f = Pinv(cutoff(rcond, v, "pinv"))
    return run(f, (v,))


def lstsq(a, b, rcond=None):
    """(y, residuals, rank, s): the y for which the sum of squares of b - a @ y is least, the shortest of several, as
    np.linalg.lstsq gives it.

    a: (m, n); b: (m,) or (m, k); rcond as in `pinv`. residuals: those sums, (k,) or (1,), or (0,) where the rank is less than n
    or m <= n; rank: an int; s: the singular values of a. y, residuals and s have gradients, among matrices a of the same rank.
    Raises LinAlgError for other shapes and for inf and nan in a.
    """
    cdef Variable av = argument(a, "lstsq"), bv = argument(b, "lstsq")
    if av.ndim != 2 or bv.ndim not in (1, 2) or av.shape[0] != bv.shape[0]:
        raise np.linalg.LinAlgError(f"lstsq: a of shape {av.shape} and b of shape {bv.shape} must be (m, n), and (m,) or (m, k)")
    rcond = cutoff(rcond, av, "lstsq")
    s = svd(av, False, False)
    y = matmul(pinv(av, rcond), bv)
    rank = int(np.sum(read(s, "lstsq()") > rcond * np.max(data_of(s), initial=0)))
    if rank == av.shape[1] < av.shape[0]:
        rest = bv - matmul(av, y)
        residuals = total(rest * rest, 0, bv.ndim == 1)
    else:
        residuals = Variable(np.zeros(0, y.dtype))
    return y, residuals, rank, s


def matrix_power(x, n):
    """The n-th power of each square matrix of x, (..., k, k), by squaring; n < 0: of its inverse, 0: the identity.

    Raises LinAlgError for other shapes and for a singular matrix with n < 0, TypeError for an n that is no integer.
    """
    cdef Variable v = argument(x, "matrix_power")
    square(v, "matrix_power")
    try:
        n = operator.index(n)
    except TypeError:
        raise TypeError(f"matrix_power: n is {n!r}; it must be an integer") from None
    if n == 0:      # x is among the inputs, for its gradient of zeros
        return where(np.ones((), v.dtype if v.dtype.kind == "f" else float), eye(v), v)
    if n < 0:
        return matrix_power(inv(v), -n)
    found = None
    while n:
        if n & 1:
            found = v if found is None else matmul(found, v)
        n >>= 1
        if n:
            v = matmul(v, v)
    return found


# ---- diagonals --------------------------------------------------------------------------------------------------------

cdef class Diagonal(ArrayFunction):
    """Diagonal(offset=0, axis1=0, axis2=1)\n--\n
    The class behind `diagonal`: `Diagonal(offset, axis1, axis2)(x)`."""

    cdef readonly object offset, axis1, axis2

    def __init__(self, offset=0, axis1=0, axis2=1):
        self.offset = offset
        self.axis1 = axis1
        self.axis2 = axis2

    def _arguments(self):
        return (self.offset, self.axis1, self.axis2)

    def forward(self, x):
        if x.ndim < 2:
            raise ValueError(f"diagonal: an array of shape {x.shape} has no two axes")
        if len(set(normal_axes((self.axis1,), x.shape, "diagonal") + normal_axes((self.axis2,), x.shape, "diagonal"))) < 2:
            raise ValueError(f"diagonal: axis1={self.axis1} and axis2={self.axis2} of shape {x.shape} are the same axis")
        return np.diagonal(x, self.offset, self.axis1, self.axis2)

    def backward(self, gy):
        cdef Variable g = argument(gy, "diagonal")
        cdef DiagonalGrad f = DiagonalGrad(self.in0.shape, self.offset, self.axis1, self.axis2)
        return run(f, (g,))

    cdef object gradients(self, object gy):
        return (on_diagonal(gy, self.in0.shape, self.offset, self.axis1, self.axis2),)


cdef class DiagonalGrad(ArrayFunction):
    """DiagonalGrad(in_shape, offset=0, axis1=0, axis2=1)\n--\n
    The gradient of a diagonal, an operation itself: gy on the diagonal of zeros in shape `in_shape`."""

    cdef readonly object in_shape, offset, axis1, axis2

    def __init__(self, in_shape, offset=0, axis1=0, axis2=1):
        self.in_shape = in_shape
        self.offset = offset
        self.axis1 = axis1
        self.axis2 = axis2

    def _arguments(self):
        return (self.in_shape, self.offset, self.axis1, self.axis2)

    def forward(self, gy):
        return on_diagonal(gy, self.in_shape, self.offset, self.axis1, self.axis2)

    def backward(self, ggx):
        return diagonal(ggx, self.offset, self.axis1, self.axis2)

    cdef object gradients(self, object gy):
        return (np.diagonal(gy, self.offset, self.axis1, self.axis2).copy(),)


cdef object on_diagonal(object gy, object shape, object offset, object axis1, object axis2):
    cdef object gx = np.zeros(shape, gy.dtype), view = np.diagonal(gx, offset, axis1, axis2)
    view.flags.writeable = True
    view[...] = gy
    return gx


def diagonal(x, offset=0, axis1=0, axis2=1):
    """The diagonal of two axes, which give way to one at the end, a view, as np.diagonal.

    offset: how far above the main diagonal. Raises ValueError (AxisError) for axes that x does not have.
    """
    cdef Variable v = argument(x, "diagonal")
    cdef Diagonal f = Diagonal(offset, axis1, axis2)
    return run(f, (v,))


def trace(x, offset=0, axis1=0, axis2=1):
    """The sum of the diagonal of two axes; see `diagonal`."""
    cdef Variable v = argument(x, "trace")
    if v.ndim < 2:
        raise ValueError(f"trace: an array of shape {v.shape} has no two axes")
    return total(diagonal(v, offset, axis1, axis2), -1)


def diag(x, k=0):
    """The k-th diagonal of a matrix, a view; of a vector (n,) the matrix that has it there, (n + |k|, n + |k|), and zeros
    elsewhere. k: how far above the main diagonal. Raises ValueError for more axes or none."""
    cdef Variable v = argument(x, "diag")
    cdef DiagonalGrad f
    k = operator.index(k)
    if v.ndim == 2:
        return diagonal(v, k)
    if v.ndim != 1:
        raise ValueError(f"diag: an array of shape {v.shape} is no vector and no matrix; see diagonal")
    f = DiagonalGrad((v.size + abs(k),) * 2, k)
    return run(f, (v,))


cdef object triangle(object x, object k, bint lower, str op):
    cdef Variable v = argument(x, op)
    cdef tuple shape = v.shape
    cdef object mask
    if len(shape) < 2:
        raise ValueError(f"{op}: an array of shape {shape} has no two axes")
    mask = np.tri(shape[len(shape) - 2], shape[len(shape) - 1], operator.index(k) - (not lower), dtype=bool)
    return where(mask if lower else ~mask, v, 0)


def tril(x, k=0):
    """The lower triangle of each matrix of x, (..., m, n), up to the k-th diagonal, and zeros above it. Raises ValueError for
    fewer than two axes."""
    return triangle(x, k, True, "tril")


def triu(x, k=0):
    """The upper triangle of each matrix of x, (..., m, n), from the k-th diagonal on, and zeros below it. Raises ValueError for
    fewer than two axes."""
    return triangle(x, k, False, "triu")


# ---- products ---------------------------------------------------------------------------------------------------------

def cross(a, b, axis=-1):
    """The vector product along an axis of length 3; the others broadcast. Raises ValueError for another length, AxisError for an
    axis that one of them does not have."""
    cdef Variable av = argument(a, "cross"), bv = argument(b, "cross")
    cdef tuple shapes = (av.shape, bv.shape)
    for shape in shapes:
        if not shape or shape[normal_axes(operator.index(axis), shape, "cross")[0]] != 3:
            raise ValueError(f"cross: axis {axis} of shapes {shapes[0]} and {shapes[1]} must be of length 3 in both")
    av, bv = moveaxis(av, axis, -1), moveaxis(bv, axis, -1)
    first, second = (Ellipsis, np.array([1, 2, 0])), (Ellipsis, np.array([2, 0, 1]))
    try:
        y = get_item(av, first) * get_item(bv, second) - get_item(av, second) * get_item(bv, first)
    except ValueError:
        raise ValueError(f"cross: shapes {shapes[0]} and {shapes[1]} do not broadcast but for axis {axis}") from None
    return moveaxis(y, -1, axis)


def kron(a, b):
    """The Kronecker product: b times each element of a, in a's arrangement, as np.kron; the one with fewer axes gets more
    before its own."""
    cdef Variable av = argument(a, "kron"), bv = argument(b, "kron")
    cdef int nd = max(av.ndim, bv.ndim), k
    cdef tuple s = (1,) * (nd - av.ndim) + av.shape, t = (1,) * (nd - bv.ndim) + bv.shape
    if 2 * nd > DZ_MAXDIM:
        raise ValueError(f"kron: {nd} axes are more than {DZ_MAXDIM // 2}")
    y = reshape(av, tuple([n for k in range(nd) for n in (s[k], 1)]))
    y = y * reshape(bv, tuple([n for k in range(nd) for n in (1, t[k])]))
    return reshape(y, tuple([s[k] * t[k] for k in range(nd)]))


# ---- norms ------------------------------------------------------------------------------------------------------------

cdef bint euclidean(object ord):
    """Whether it is the root of the sum of squares."""
    return ord is None or ord == 2 or ord == "fro"


cdef class Norm(ArrayFunction):
    """Norm(ord=None, axis=None, keepdims=False)\n--\n
    The class behind `norm`: `Norm(ord, axis, keepdims)(x)`. Vector norms, and the Frobenius norm."""

    cdef readonly object ord, axis
    cdef readonly bint keepdims

    def __init__(self, ord=None, axis=None, keepdims=False):
        self.ord = ord
        self.axis = axis
        self.keepdims = keepdims

    def _arguments(self):
        return (self.ord, self.axis, self.keepdims)

    cdef tuple axes(self, tuple shape):
        return normal_axes(self.axis, shape, "norm")

    def forward(self, x):
        cdef tuple axes = self.axes(x.shape)
        if len(axes) == 2 and self.ord is not None and self.ord != "fro" and not (self.axis is None and x.ndim < 2):
            raise ValueError(f"Norm: ord={self.ord!r} over two axes (shape {x.shape}) is in the function norm alone")
        if x.dtype.kind == "c":
            raise TypeError(f"Norm: not defined for {x.dtype}; the function norm takes complex numbers")
        if half_array(x):
            return np.asarray(self.forward(x.astype(np.float32))).astype(np.float16)
        y = self.value_of(x)
        if x.dtype.kind == "f" and self.ord not in (0, 1, np.inf, -np.inf) and not self.is_safe(np.asarray(y)):
            return self.scaled(x, axes)
        return y

    cdef object value_of(self, object x):
        cdef object wide = x, y
        if x.dtype.kind == "f" and x.itemsize < 8 and not (euclidean(self.ord) and self.axis is None):
            wide = x.astype(np.float64)     # along an axis NumPy adds one after the other
        with np.errstate(over="ignore", under="ignore"):
            y = by_numpy(np.linalg.norm, "norm", (wide,), {"ord": self.ord, "axis": self.axis, "keepdims": self.keepdims})
            return y if wide is x else y.astype(x.dtype.newbyteorder("="))

    cdef bint is_safe(self, object y):
        """Whether no power can have overflowed on the way to y, nor been too small to have all its digits."""
        cdef object info = np.finfo(y.dtype)
        if not euclidean(self.ord):
            return False
        return bool(np.all((y < np.inf) & (y > (info.tiny / info.eps) ** 0.5)))

    cdef object scaled(self, object x, tuple axes):
        """The norm of numbers up to 1 (from 1 for negative orders), times what the largest (smallest) was divided by."""
        cdef object size = np.abs(x), most, y
        most = (size.min if not euclidean(self.ord) and self.ord < 0 else size.max)(axis=axes, keepdims=True, initial=None) \
            if size.size else np.ones(kept_shape(x.shape, axes), x.dtype)
        most = np.where(np.isfinite(most) & (most > 0), most, 1).astype(x.dtype)
        y = self.value_of(size / most) * most.reshape(np.shape(self.value_of(size)))
        return y.astype(x.dtype)

    def backward(self, gy):
        cdef object x = self.in0, y = output_of(self), order = self.ord, size, top, found
        cdef tuple axes = self.axes(x.shape), kept = kept_shape(x.shape, axes)
        if order == 0:
            return None
        if y is None:
            y = norm(x, order, self.axis, self.keepdims)
        gy, y = reshape(gy, kept), reshape(y, kept)
        if order == 1:
            return gy * sign(x)
        if order in (np.inf, -np.inf):
            size = np.abs(data_of(x))
            top = size == data_of(y)
            found = top.sum(axis=axes, keepdims=True)
            return gy * sign(x) * (top / np.maximum(found, 1)).astype(gy.dtype)
        # Constants keep zeros out of the divisions: what is zero there has the gradient 0.
        none = (data_of(y) == 0).astype(y.dtype)
        if euclidean(order):
            gx = x * (gy * (1 - none) / (y + none))
        else:
            zero = (data_of(x) == 0).astype(y.dtype)
            gx = gy * sign(x) * ((absolute(x) + zero) / (y + none)) ** (order - 1) * ((1 - zero) * (1 - none))
        return gx + kink(x, none != 0) if recording() and none.any() else gx

    cdef object gradients(self, object gy):
        cdef object x = data_of(self.in0), y
        cdef tuple kept
        if not euclidean(self.ord) or self.out0 == NULL or not same_dtype(x, gy):
            return None
        kept = kept_shape(x.shape, self.axes(x.shape))
        y = data_of(output_of(self)).reshape(kept)
        gy = gy.reshape(kept)
        if y.size and np.any((y != 0) & (y < np.finfo(y.dtype).tiny * 4)):      # gy / y might overflow
            return (np.asarray(np.divide(x, y, out=np.zeros(x.shape, x.dtype), where=y != 0) * gy),)
        return (np.asarray(x * np.divide(gy, y, out=np.zeros(kept, gy.dtype), where=y != 0)),)


def norm(x, ord=None, axis=None, keepdims=False):
    """The norm of vectors or matrices, as np.linalg.norm.

    axis: an int for vectors along it, two for matrices over them, None for all of x: flattened where ord is None, else a vector
    or a matrix by its number of axes. ord: for vectors any number p (None is 2; inf and -inf are the largest and smallest
    absolute value; 0 counts what is not zero); for matrices None or "fro", 1, -1, inf, -inf, the largest or smallest sum of
    absolute values of a column or row, 2, -2, the largest or smallest singular value, and "nuc", the sum of all, of which those
    that rounding makes of 0 have no gradient. Where the norm is 0 so is its gradient, and for vectors, but with ord 1, inf and
    -inf, and for "fro" its second derivative is nan; elements that tie for the largest or smallest share its gradient. Raises
    ValueError for another ord and for axes that x does not have.
    """
    cdef Variable v = argument(x, "norm")
    cdef tuple shape = v.shape, axes
    cdef int nd = len(shape)
    cdef Norm f
    if isinstance(axis, list):
        axis = tuple(axis)
    axes = normal_axes(axis, shape, "norm")
    if len(axes) not in (1, 2) and not (ord is None and axis is None):
        raise ValueError(f"norm: ord={ord!r} with axis={axis} is for one axis or two, not {len(axes)} (shape {shape})")
    if len(axes) == 2 and ord in (1, -1, np.inf, -np.inf):
        first, second = axes if ord in (1, -1) else (axes[1], axes[0])
        y = norm(total(absolute(v), first, True), np.inf if ord > 0 else -np.inf, second, True)
        return y if keepdims else reshape(y, tuple([shape[i] for i in range(nd) if i not in axes]))
    if len(axes) == 2 and ord in (2, -2, "nuc"):
        s = svd(transpose(v, (*[i for i in range(nd) if i not in axes], *axes)), False, False)
        if ord == "nuc":
            least = read(s, 'norm() with ord="nuc"')[..., :1] * cutoff(None, v, "norm")
            y = total(where((data_of(s) > least).astype(s.dtype), s, 0), -1)
        else:
            y = norm(s, np.inf if ord > 0 else -np.inf, -1)
        return reshape(y, kept_shape(shape, axes)) if keepdims else y
    if ord is not None and (ord != "fro" if len(axes) == 2 else not isinstance(ord, (int, float, np.number))):
        here = "matrices: None, 'fro', 'nuc', 1, -1, 2, -2, inf, -inf" if len(axes) == 2 else "vectors: None or a number"
        raise ValueError(f"norm: ord={ord!r} (shape {shape}, axis {axis}) is none of those that are here for {here}")
    if v.dtype.kind == "c":
        v = absolute(v)
    if is_half(v):
        return narrowed(norm(widened(v), ord, axis, keepdims), True)
    f = Norm(ord, axis, keepdims)
    return call_native(f, (v,), np.asarray(forward_of(f, [data_of(v)])))


include "generated/_linalg.pxi"
