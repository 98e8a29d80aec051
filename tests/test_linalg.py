"""norm, inv, solve, det, slogdet, cholesky, eigh, qr, svd, pinv, lstsq, diagonal and trace.

Values as numpy.linalg's, gradients by finite differences at orders 1 to 3 in both ways backwards, those of singular
determinants against a determinant written out, float32 kept, stacks of matrices, and errors that say what to do.
"""

import copy
from itertools import permutations

import numpy as np
import pytest
from orders import check_orders, derivative

import dezero_c.functions as F
from dezero_c import Variable

RNG = np.random.default_rng(11)
INF = np.inf


def flip(x):
    """The last two axes exchanged, of a Variable or an ndarray."""
    return x.transpose(*range(x.ndim - 2), x.ndim - 1, x.ndim - 2)


def positive(x):
    return x @ flip(x) + 2 * np.eye(x.shape[-1], dtype=x.dtype)


def symmetric(x):
    """Eigenvalues far apart, so that finite differences stay on one branch."""
    return (x + flip(x)) * 0.2 + np.diag(np.arange(x.shape[-1])).astype(x.dtype)


def norm(*args):
    return (lambda x: F.norm(x, *args)), (lambda x: np.linalg.norm(x, *args))


# name: (function of Variables, the same of ndarrays, input shapes); near the identity where it must be regular
CASES = {}
for _shape in ((1, 1), (3, 3), (2, 3, 3), (2, 1, 2, 2), (0, 3, 3), (0, 0), (2, 0, 0)):
    CASES[f"inv {_shape}"] = (F.inv, np.linalg.inv, [_shape])
    CASES[f"det {_shape}"] = (F.det, np.linalg.det, [_shape])
    CASES[f"slogdet {_shape}"] = (lambda x: F.slogdet(x)[1], lambda x: np.linalg.slogdet(x)[1], [_shape])
    CASES[f"cholesky {_shape}"] = (lambda x: F.cholesky(positive(x)),
                                   lambda x: np.linalg.cholesky(positive(x)), [_shape])
    CASES[f"eigenvalues {_shape}"] = (lambda x: F.eigh(symmetric(x))[0],
                                      lambda x: np.linalg.eigh(symmetric(x))[0], [_shape])
    CASES[f"eigenvectors {_shape}"] = (lambda x: F.eigh(symmetric(x), "U")[1] ** 2,
                                       lambda x: np.linalg.eigh(symmetric(x), "U")[1] ** 2, [_shape])
    CASES[f"eigvalsh {_shape}"] = (lambda x: F.eigvalsh(symmetric(x)), lambda x: np.linalg.eigvalsh(symmetric(x)), [_shape])
    CASES[f"power {_shape}"] = (lambda x: F.matrix_power(x, 3), lambda x: np.linalg.matrix_power(x, 3), [_shape])
    CASES[f"trace {_shape}"] = (F.trace, np.trace, [_shape])
for _a, _b in (((3, 3), (3,)), ((3, 3), (3, 2)), ((2, 3, 3), (3, 2)), ((2, 3, 3), (2, 3, 1)), ((3, 3), (2, 3, 2)),
               ((2, 1, 3, 3), (4, 3, 2)), ((2, 3, 3), (3,)), ((0, 0), (0, 2)), ((3, 3), (3, 0))):
    CASES[f"solve {_a} {_b}"] = (F.solve, np.linalg.solve, [_a, _b])
for _shape in ((3, 3), (4, 2), (2, 3), (2, 3, 2), (2, 0, 3), (0, 2, 2), (1, 1)):
    CASES[f"svd {_shape}"] = (lambda x: F.svd(x)[1], lambda x: np.linalg.svd(x, False)[1], [_shape])
    CASES[f"svd left {_shape}"] = (lambda x: F.svd(x)[0] ** 2, lambda x: np.linalg.svd(x, False)[0] ** 2, [_shape])
    CASES[f"svd right {_shape}"] = (lambda x: F.svd(x)[2] ** 2, lambda x: np.linalg.svd(x, False)[2] ** 2, [_shape])
    CASES[f"qr q {_shape}"] = (lambda x: F.qr(x)[0], lambda x: np.linalg.qr(x)[0], [_shape])
    CASES[f"qr r {_shape}"] = (lambda x: F.qr(x, "r"), lambda x: np.linalg.qr(x, "r"), [_shape])
    CASES[f"pinv {_shape}"] = (F.pinv, np.linalg.pinv, [_shape])
for _a, _b in (((4, 2), (4,)), ((4, 2), (4, 3)), ((2, 3), (2,)), ((3, 3), (3, 2))):
    CASES[f"lstsq {_a} {_b}"] = (lambda a, b: F.lstsq(a, b)[0], lambda a, b: np.linalg.lstsq(a, b)[0], [_a, _b])
CASES["diagonal"] = (F.diagonal, np.diagonal, [(2, 3, 4)])
CASES["diagonal_axes"] = (lambda x: F.diagonal(x, 1, 0, 2), lambda x: np.diagonal(x, 1, 0, 2), [(3, 2, 4)])
CASES["trace_axes"] = (lambda x: F.trace(x, -1, 2, 0), lambda x: np.trace(x, -1, 2, 0), [(3, 2, 4)])
for _ord in (None, 1, 2, 3, 2.5, 1.5, 0.5, -1, INF, -INF, 0):
    CASES[f"norm {_ord}"] = (*norm(_ord), [(4,)])
    CASES[f"norm {_ord} axis"] = (*norm(_ord, 0), [(3, 4)])
    CASES[f"norm {_ord} keepdims"] = (*norm(_ord, -1, True), [(2, 3, 4)])
for _ord in (None, "fro", "nuc", 1, -1, 2, -2, INF, -INF):
    CASES[f"norm {_ord} matrix"] = (*norm(_ord), [(3, 4)])
    CASES[f"norm {_ord} axes"] = (*norm(_ord, (2, 0)), [(3, 2, 4)])
    CASES[f"norm {_ord} axes keepdims"] = (*norm(_ord, (0, -1), True), [(3, 2, 4)])
CASES["norm of all"] = (*norm(), [(2, 3, 4)])
CASES["norm of all keepdims"] = (*norm(None, None, True), [(2, 3, 4)])
CASES["norm 0-d"] = (*norm(), [()])
CASES["norm 0-size"] = (*norm(), [(0, 3)])
cases = pytest.mark.parametrize("name", CASES)


def arrays(name, dtype=np.float64):
    xs = [RNG.uniform(0.3, 1, s) * RNG.choice([-1, 1], s) for s in CASES[name][2]]
    if name.split()[0] in ("inv", "det", "slogdet", "solve", "svd", "qr", "pinv", "lstsq"):
        n = xs[0].shape[-1]
        xs[0] = xs[0] * 0.3 + np.eye(xs[0].shape[-2], n) * np.arange(1.0, 1 + n)
    return [np.asarray(x, dtype) for x in xs]


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_value_and_dtype(name, dtype):
    xs = arrays(name, dtype)
    vs = [Variable(x) for x in xs]
    y = CASES[name][0](*vs)
    expected = CASES[name][1](*xs)
    assert isinstance(y.data, np.ndarray)
    assert y.dtype == dtype
    assert y.shape == np.shape(expected)
    tol = 1e-5 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(y.data, expected, rtol=tol, atol=tol)
    y.backward()
    for v in vs:
        assert v.grad is None or v.grad.dtype == dtype
        assert v.grad is None or v.grad.shape == v.shape
    second = [Variable(x) for x in xs]
    y = CASES[name][0](*second)
    y.backward(create_graph=True)
    for v, w in zip(vs, second, strict=True):
        assert w.grad is None or w.grad.dtype == dtype
        if v.grad is not None:
            np.testing.assert_allclose(v.grad.data, w.grad.data, rtol=100 * tol, atol=100 * tol)


@cases
def test_orders_1_to_3(name):
    xs = arrays(name)
    weights = RNG.uniform(0.5, 1.5, np.shape(CASES[name][1](*xs)))
    scale = 1 / (1 + np.abs(CASES[name][1](*xs)).max(initial=0))
    check_orders(lambda *vs: F.sum(F.sin(CASES[name][0](*vs) * scale) * weights), xs)


@cases
def test_integers_become_floats(name):
    xs = [np.asarray(np.round(x * 4), int) for x in arrays(name)]
    vs = [Variable(x) for x in xs]
    try:
        expected = np.asarray(CASES[name][1](*xs))
    except np.linalg.LinAlgError:
        return
    y = CASES[name][0](*vs)
    np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-12)
    assert y.dtype == expected.dtype
    y.backward()
    assert all(v.grad is None or v.grad.shape == v.shape for v in vs)


@cases
def test_strided_and_foreign_arrays(name):
    xs = arrays(name)
    plain = [Variable(x) for x in xs]
    y = CASES[name][0](*plain)
    y.backward()
    for change in (lambda x: np.asarray(x, order="F"), lambda x: x.astype(x.dtype.newbyteorder())):
        vs = [Variable(np.asarray(change(x))) for x in xs]
        z = CASES[name][0](*vs)
        np.testing.assert_allclose(z.data, y.data, rtol=1e-12)
        z.backward()
        for v, p in zip(vs, plain, strict=True):
            if p.grad is not None:
                np.testing.assert_allclose(v.grad.data, p.grad.data, rtol=1e-9, atol=1e-12)


# ---- determinants of singular matrices ------------------------------------------------------------------------------

def by_products(x):
    """The determinant by its definition, which is right at every order for every matrix."""
    n = x.shape[-1]
    y = 0.0
    for p in permutations(range(n)):
        term = 1.0 - 2.0 * (sum(p[i] > p[j] for j in range(n) for i in range(j)) % 2)
        for i, j in enumerate(p):
            term = x[..., i, j] * term
        y = term + y
    return y


def with_rank(n, rank):
    u, v = (np.linalg.qr(RNG.standard_normal((n, n)))[0] for _ in range(2))
    return (u * np.where(np.arange(n) < rank, np.linspace(1, 2, n), 0)) @ v


SINGULAR = {f"{n}x{n} of rank {r}": with_rank(n, r) for n in (2, 3, 4) for r in range(n)}
SINGULAR["integers"] = np.arange(1.0, 10).reshape(3, 3)
SINGULAR["nearly"] = SINGULAR["integers"] + 1e-7 * np.eye(3)
SINGULAR["exactly"] = np.diag([1.0, 0.0, 2.0])
SINGULAR["a stack"] = np.stack([with_rank(3, r) for r in (0, 1, 2, 3, 2, 3)]).reshape(2, 3, 3, 3)


@pytest.mark.parametrize("name", SINGULAR)
def test_det_of_singular_matrices_at_orders_1_to_3(name):
    x = SINGULAR[name]
    weights = RNG.standard_normal(x.shape[:-2])
    directions = [[RNG.standard_normal(x.shape)] for _ in range(3)]
    for order in (1, 2, 3):
        expected = derivative(lambda v: F.sum(by_products(v) * weights), [x], order, directions)[1][0]
        for way in (False, True):
            gx = derivative(lambda v: F.sum(F.det(v) * weights), [x], order, directions, way)[1][0]
            np.testing.assert_allclose(gx, expected, rtol=1e-9, atol=1e-9 * (1 + np.abs(expected).max()))


def test_det_of_singular_float32():
    x = Variable(np.array([[1, 2], [2, 4]], np.float32))
    F.det(x).backward()
    np.testing.assert_allclose(x.grad.data, [[4, -2], [-2, 1]], rtol=1e-5)
    assert x.grad.dtype == np.float32


def test_det_of_nan_is_nan():
    x = Variable(np.array([[np.nan, 1.0], [2.0, 3.0]]))
    with np.errstate(invalid="ignore"):
        F.det(x).backward()
    assert np.isnan(x.grad.data).any()


# ---- norms at their corners -----------------------------------------------------------------------------------------

@pytest.mark.parametrize("ord", [None, 1, 2, 3, 1.5, 0.5, INF, -INF, "fro"])
def test_norm_of_zeros_has_zero_gradients(ord):
    x = Variable(np.zeros((2, 3)))
    y = F.norm(x, ord, (0, 1) if ord == "fro" else 1)
    F.sum(y).backward(create_graph=True)
    g = x.grad
    np.testing.assert_array_equal(g.data, 0)
    x.cleargrad()
    F.sum(g * g + g).backward()
    if ord in (1, INF, -INF):
        assert x.grad is None or np.array_equal(x.grad.data, np.zeros((2, 3)))
    else:       # there is none: 2 for the square of the norm, infinite for the norm itself
        assert np.isnan(x.grad.data).all()
    x.cleargrad()
    F.sum(F.norm(x, ord, (0, 1) if ord == "fro" else 1)).backward()
    np.testing.assert_array_equal(x.grad.data, 0)


def test_norm_with_some_zeros():
    for ord in (1.5, 0.5, 3):
        x = Variable(np.array([3.0, 0.0, -4.0]))
        F.norm(x, ord).backward(create_graph=True)
        g = x.grad
        assert g.data[1] == 0
        x.cleargrad()
        F.sum(g * np.arange(1.0, 4)).backward()
        assert np.isfinite(x.grad.data).all()


@pytest.mark.parametrize(("x", "ord", "norm"), [
    ([3e200, 4e200], None, 5e200), ([3e-200, -4e-200], 2, 5e-200), ([3e150, 4e150], 3, 91 ** (1 / 3) * 1e150),
    ([1e-150, 1e150], -3, 1e-150), ([5e-324, 0.0], None, 5e-324), ([np.inf, 1.0], None, np.inf), ([np.nan, 1.0], 3, np.nan)])
def test_norms_of_large_and_small_numbers(x, ord, norm):
    v = Variable(np.array(x))
    np.testing.assert_allclose(F.norm(v, ord).data, norm, rtol=1e-15)
    if 0 < norm < np.inf:
        F.norm(v, ord).backward()
        assert np.isfinite(v.grad.data).all()
    for dtype, low in ((np.float32, 1e30), (np.float16, 3e4)):
        y = F.norm(np.array([low, -low], dtype), 6)
        assert y.dtype == dtype
        np.testing.assert_allclose(float(y), low * 2 ** (1 / 6), rtol=1e-3)


def test_norm_of_float16_at_high_orders():
    v = Variable(np.array([-8.5], np.float16))
    y = F.norm(v, 6)
    y.backward()
    assert (float(y), v.grad.data.tolist()) == (8.5, [-1])


def test_ties_share_the_gradient():
    x = Variable(np.array([2.0, -2.0, 1.0, 1.0]))
    F.norm(x, INF).backward()
    np.testing.assert_array_equal(x.grad.data, [0.5, -0.5, 0, 0])
    x.cleargrad()
    F.norm(x, -INF).backward()
    np.testing.assert_array_equal(x.grad.data, [0, 0, 0.5, 0.5])


# ---- the rest -------------------------------------------------------------------------------------------------------

def test_slogdet_and_eigh_give_pairs():
    x = np.diag([-1.0, 2.0])
    sign, log = F.slogdet(Variable(x))
    assert float(sign) == -1
    assert float(log) == pytest.approx(np.log(2), rel=2e-15)
    v = Variable(x)
    sign, log = F.slogdet(v)
    sign.backward()
    np.testing.assert_array_equal(v.grad.data, 0)
    w, V = F.eigh(v)
    np.testing.assert_array_equal(w.data, [-1, 2])
    assert V.creator is w.creator
    sign, log = F.slogdet(np.zeros((2, 2)))
    assert (float(sign), float(log)) == (0, -INF)


@pytest.mark.parametrize("way", [False, True])
@pytest.mark.parametrize("function", [lambda x: F.svd(x)[1], lambda x: F.svd(x, compute_uv=False), lambda x: F.qr(x)[1],
                                      lambda x: F.qr(x)[0], lambda x: F.svd(x)[0] ** 2], ids=range(5))
def test_an_output_that_is_gone(function, way):
    """backward finds or computes again what it needs; compared with one whose outputs are all held."""
    a = RNG.uniform(0.1, 0.3, (3, 2)) + np.eye(3, 2) * [1, 2]
    x, held = Variable(a), Variable(a)
    F.sum(F.sin(function(x))).backward(create_graph=way)
    y = function(held)
    kept = [r() for r in y.creator.outputs]
    F.sum(F.sin(y)).backward()
    np.testing.assert_allclose(x.grad.data, held.grad.data, rtol=1e-12)
    assert kept


def test_equal_singular_values():
    """The values' own gradient is there; what depends on the vectors has none, and says so."""
    for a in (np.eye(3), np.diag([2.0, 2.0, 1.0]), np.zeros((2, 3)), np.outer([1.0, 2.0, 3.0], [1.0, 2.0])):
        x = Variable(a)
        F.sum(F.svd(x)[1] ** 2).backward()
        np.testing.assert_allclose(x.grad.data, 2 * x.data, atol=1e-12)
        x.cleargrad()
        F.sum(F.svd(x)[1] ** 2).backward(create_graph=True)
        np.testing.assert_allclose(x.grad.data, 2 * x.data, atol=1e-12)
    low_rank = np.array([[1.0, 0, 0], [0, 0, 0]])
    for a, k in ((np.eye(3), 0), (np.eye(3), 2), (np.zeros((2, 3)), 0), (low_rank, 2), (low_rank.T, 0)):
        x = Variable(a)
        y = F.svd(x)[k]
        F.sum(y * np.arange(1.0, 1 + y.size).reshape(y.shape)).backward()
        assert np.isnan(x.grad.data).any()
    x = Variable(low_rank)
    F.sum(F.svd(x)[0] ** 2).backward()
    np.testing.assert_allclose(x.grad.data, 0, atol=1e-15)


def test_norms_of_singular_values_at_their_corners():
    x = Variable(np.outer([1.0, 2.0, 3.0], [3.0, 4.0]))
    unit = x.data / np.linalg.norm(x.data)
    for ord in (2, "nuc"):      # of rank 1: the singular value that is 0 has no share
        for way in (False, True):
            x.cleargrad()
            F.norm(x, ord).backward(create_graph=way)
            np.testing.assert_allclose(x.grad.data, unit, atol=1e-12)
    x = Variable(np.eye(2) * 3)
    F.norm(x, 2).backward()
    np.testing.assert_allclose(x.grad.data, np.eye(2) / 2, atol=1e-15)
    for ord in (2, -2, "nuc"):
        x = Variable(np.zeros((2, 3)))
        F.norm(x, ord, (1, 0)).backward(create_graph=True)
        np.testing.assert_array_equal(x.grad.data, 0)


def test_pinv_and_lstsq_of_lower_rank():
    for dtype, tol in ((np.float64, 1e-12), (np.float32, 1e-5)):
        a = np.outer([1.0, 2.0, 3.0], [1.0, -2.0]).astype(dtype)
        x = Variable(a)
        y = F.pinv(x)
        np.testing.assert_allclose(y.data, a.T / 70, atol=tol)
        y, residuals, rank, s = F.lstsq(x, np.arange(3, dtype=dtype))
        assert rank == 1
        assert residuals.shape == (0,)
        np.testing.assert_allclose(y.data, np.array([8, -16]) / 70, atol=tol)
        np.testing.assert_allclose(s.data, [np.sqrt(70), 0], atol=10 * tol)
    y, residuals, rank, s = F.lstsq(np.eye(4, 2), np.arange(4.0))
    assert (y.data.tolist(), residuals.data.tolist(), rank, s.data.tolist()) == ([0, 1], [13], 2, [1, 1])
    a = np.diag([1.0, 1e-3])
    assert F.lstsq(a, np.ones(2), 0.1)[2] == 1
    np.testing.assert_allclose(F.pinv(a, 0.1).data, np.diag([1, 0]), atol=1e-15)


@pytest.mark.parametrize("value", [INF, -INF, np.nan])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [F.svd, lambda x: F.svd(x, compute_uv=False), F.pinv, lambda x: F.norm(x, 2),
                                      lambda x: F.norm(x, "nuc"), lambda x: F.norm(x, -2), lambda x: F.lstsq(x, x)],
                         ids=["svd", "values", "pinv", "2", "nuc", "-2", "lstsq"])
def test_singular_values_of_what_is_not_finite(function, dtype, value):
    """An error at once: for some of these matrices LAPACK never comes back."""
    a = np.array([[1e-30, 2.75, 1e30], [value, -1.3, -0.97], [-0.02, 0.03, -0.74]], dtype)
    for x in (a, a.T):
        with pytest.raises(np.linalg.LinAlgError, match=r"(svd|pinv): x of shape \(3, 3\) holds inf or nan"):
            function(Variable(x))


def test_symmetric_gradients():
    x = Variable(positive(RNG.standard_normal((3, 3))))
    for f in (F.cholesky, lambda v: F.eigh(v)[0] * np.arange(3.0), lambda v: F.eigh(v)[1] ** 3):
        x.cleargrad()
        F.sum(F.sin(f(x))).backward()
        np.testing.assert_allclose(x.grad.data, x.grad.data.T, atol=1e-12)


def test_only_one_triangle_is_read():
    x = symmetric(RNG.standard_normal((3, 3)))
    np.testing.assert_allclose(F.eigh(np.tril(x))[0].data, np.linalg.eigvalsh(x), rtol=1e-12)
    np.testing.assert_allclose(F.eigh(np.triu(x), "U")[0].data, np.linalg.eigvalsh(x), rtol=1e-12)
    np.testing.assert_array_equal(F.cholesky(np.tril(positive(x))).data, np.linalg.cholesky(positive(x)))


def test_equal_eigenvalues():
    """The eigenvalues' own gradient is there; what depends on the eigenvectors has none, and says so."""
    x = Variable(np.diag([2.0, 2.0, 3.0]))
    F.sum(F.eigh(x)[0] ** 2).backward()
    np.testing.assert_allclose(x.grad.data, 2 * x.data)
    x.cleargrad()
    F.sum(F.eigh(x)[1] * np.arange(9.0).reshape(3, 3)).backward()
    assert np.isnan(x.grad.data).any()


def test_outputs_that_are_gone():
    """backward computes again what it needs of an output that nobody holds."""
    x = Variable(symmetric(RNG.standard_normal((3, 3))))
    w = F.eigh(x)[0]
    F.sum(F.sin(w)).backward()
    expected = x.grad.data
    x.cleargrad()
    V = F.eigh(x)[1]
    F.sum(V ** 2 * np.arange(3.0)).backward(create_graph=True)
    assert np.isfinite(x.grad.data).all()
    x.cleargrad()
    w, V = F.eigh(x)
    F.sum(F.sin(w)).backward(create_graph=True)
    np.testing.assert_allclose(x.grad.data, expected, atol=1e-12)


def test_classes_called_directly():
    x = Variable(positive(RNG.standard_normal((3, 3))))
    for f, g in ((F.Inv(), F.inv), (F.Det(), F.det), (F.Cholesky(), F.cholesky), (F.Norm(), F.norm),
                 (F.Pinv(1e-9), F.pinv),
                 (F.Diagonal(1), lambda v: F.diagonal(v, 1)), (F.Norm(1, 0, True), lambda v: F.norm(v, 1, 0, True))):
        y, z = f(x), g(x)
        np.testing.assert_array_equal(y.data, z.data)
        x.cleargrad()
        F.sum(F.sin(y)).backward()
        direct = x.grad.data
        x.cleargrad()
        F.sum(F.sin(z)).backward()
        np.testing.assert_allclose(direct, x.grad.data, rtol=1e-12, atol=1e-12)
    assert [v.shape for v in F.Eigh("U")(x)] == [(3,), (3, 3)]
    assert [v.shape for v in F.Slogdet()(x)] == [(), ()]
    assert [v.shape for v in F.QR()(x[:, :2])] == [(3, 2), (2, 2)]
    assert [v.shape for v in F.SVD()(x[:2])] == [(2, 2), (2,), (2, 3)]
    with pytest.raises(ValueError, match=r"QR: .*\(2, 3\)"):
        F.QR()(x[:2])


def test_graphs_can_be_copied():
    x = Variable(positive(RNG.standard_normal((3, 3))))
    w, V = F.eigh(F.inv(x))
    y = F.sum(F.norm(V * w, 3, 0)) + F.sum(F.diagonal(F.einsum("ij,jk->ik", x, V)))
    z = copy.deepcopy(y)
    y.backward()
    z.backward()
    assert float(z) == float(y)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: F.inv(x), np.linalg.LinAlgError, ["inv", "(2, 3)", "square"]),
        (lambda x: F.inv(x[0]), np.linalg.LinAlgError, ["inv", "(3,)", "square"]),
        (lambda x: F.inv(np.zeros((2, 2))), np.linalg.LinAlgError, ["inv", "Singular", "(2, 2)"]),
        (lambda x: F.inv(np.eye(2, dtype=np.float16)), TypeError, ["inv", "float16"]),
        (lambda x: F.inv(Variable(None)), TypeError, ["inv", "no data"]),
        (lambda x: F.det(x), np.linalg.LinAlgError, ["det", "(2, 3)", "square"]),
        (lambda x: F.slogdet(x), np.linalg.LinAlgError, ["slogdet", "(2, 3)", "square"]),
        (lambda x: F.slogdet(Variable(np.zeros((2, 2))))[1].backward(), np.linalg.LinAlgError, ["slogdet", "singular"]),
        (lambda x: F.solve(x, x), np.linalg.LinAlgError, ["solve", "(2, 3)", "square"]),
        (lambda x: F.solve(np.eye(3), x), ValueError, ["solve", "(3, 3)", "(2, 3)"]),
        (lambda x: F.solve(np.ones((2, 3, 3)), np.ones((5, 3, 1))), ValueError, ["solve", "(2, 3, 3)", "(5, 3, 1)"]),
        (lambda x: F.solve(np.zeros((2, 2)), x), np.linalg.LinAlgError, ["solve", "Singular", "(2, 2)", "(2, 3)"]),
        (lambda x: F.solve(np.eye(3), np.array(1.0)), ValueError, ["solve", "()"]),
        (lambda x: F.cholesky(x), np.linalg.LinAlgError, ["cholesky", "(2, 3)", "square"]),
        (lambda x: F.cholesky(-np.eye(2)), np.linalg.LinAlgError, ["cholesky", "positive definite", "(2, 2)"]),
        (lambda x: F.eigh(x), np.linalg.LinAlgError, ["eigh", "(2, 3)", "square"]),
        (lambda x: F.eigh(np.eye(2), "X"), ValueError, ["eigh", "'X'"]),
        (lambda x: F.diagonal(x[0]), ValueError, ["diagonal", "(3,)"]),
        (lambda x: F.diagonal(x, 0, 0, 2), np.exceptions.AxisError, ["diagonal", "(2, 3)"]),
        (lambda x: F.diagonal(x, 0, 1, -1), ValueError, ["diagonal", "same axis"]),
        (lambda x: F.norm(x, "nuc", 1), ValueError, ["norm", "'nuc'", "(2, 3)"]),
        (lambda x: F.norm(x, 3), ValueError, ["norm", "ord=3", "(2, 3)"]),
        (lambda x: F.norm(x, "fro", 0), ValueError, ["norm", "'fro'", "(2, 3)"]),
        (lambda x: F.norm(x, None, 2), np.exceptions.AxisError, ["norm", "axis 2", "(2, 3)"]),
        (lambda x: F.norm(F.reshape(x, (1, 2, 3)), 1), ValueError, ["norm", "(1, 2, 3)"]),
        (lambda x: F.norm(np.ones((2, 0)), -INF, 1), ValueError, ["norm", "(2, 0)"]),
    ],
    ids=range(26),
)
def test_errors_name_operation_and_shapes(call, error, words):
    with pytest.raises(error) as info:
        call(Variable(np.ones((2, 3))))
    for word in words:
        assert word in str(info.value)
