"""matmul, linear, dot, tensordot, outer and einsum.

Values as NumPy's, gradients by finite differences at orders 1 to 3 in both ways backwards, float32 kept, every rank and
kind of array, and errors that say what to do.
"""

import platform
from fractions import Fraction

import numpy as np
import pytest
from orders import check_orders

import dezero_c.functions as F
from dezero_c import Variable, no_grad
from dezero_c._core import build_info

RNG = np.random.default_rng(7)


def einsum(subscripts):
    return (lambda *vs: F.einsum(subscripts, *vs)), (lambda *xs: np.einsum(subscripts, *xs))


def tensordot(axes):
    return (lambda x, w: F.tensordot(x, w, axes)), (lambda x, w: np.tensordot(x, w, axes))


def linear(x, w, b=0.0):
    return x @ w + b


# name: (function of Variables, the same of ndarrays, input shapes)
CASES = {f"matmul {a} {b}": (F.matmul, np.matmul, [a, b]) for a, b in [
    ((8, 4), (4, 8)), ((40, 30), (30, 20)), ((1, 1), (1, 1)), ((3, 4), (4,)), ((4,), (4, 3)), ((4,), (4,)),
    ((2, 3, 4), (2, 4, 2)), ((2, 3, 4), (4, 2)), ((2, 3, 4), (4,)), ((4,), (2, 4, 3)), ((4,), (3, 2, 4, 3)),
    ((5, 1, 3, 4), (2, 4, 2)), ((3, 4), (2, 4, 2)), ((1, 3, 4), (5, 4, 2)), ((2, 2, 3, 4), (4, 2)), ((0, 4), (4, 2)),
    ((3, 0), (0, 2)), ((3, 4), (4, 0)), ((2, 0, 4), (4, 2)), ((0, 3, 4), (0, 4, 2)), ((2, 3, 0), (0, 2)), ((0,), (0,)),
]}
CASES |= {f"linear {s}": (F.linear, linear, s) for s in [
    ((8, 4), (4, 8), (8,)), ((40, 30), (30, 20), (20,)), ((3, 4), (4, 2)), ((3, 4), (4, 2), (1,)),
    ((3, 4), (4, 2), (1, 2)), ((3, 4), (4, 2), (3, 1)), ((3, 4), (4, 2), ()), ((2, 3, 4), (4, 2), (2,)),
    ((2, 3, 4), (4, 2), (3, 2)), ((4,), (4, 2), (2,)), ((2, 3, 4), (2, 4, 2), (2,)), ((3, 4), (4,), (3,)),
    ((4,), (4,), ()), ((0, 4), (4, 2), (2,)), ((3, 0), (0, 2), (2,)), ((3, 4), (4, 0), (0,)),
]}
CASES |= {f"dot {a} {b}": (F.dot, np.dot, [a, b]) for a, b in [
    ((3, 4), (4, 2)), ((4,), (4,)), ((2, 3, 4), (4,)), ((2, 3, 4), (4, 2)), ((4,), (2, 4, 3)), ((3, 4), (2, 4, 5)),
    ((2, 3, 4), (2, 4, 5)), ((), (2, 3)), ((2,), ()),
]}
CASES |= {f"tensordot {axes}": (*tensordot(axes), shapes) for axes, shapes in [
    (0, [(2,), (3,)]), (1, [(2, 3), (3, 4)]), (2, [(2, 3, 4), (3, 4, 5)]), (((0,), (2,)), [(2, 3), (4, 5, 2)]),
    (((2, 0), (0, 1)), [(2, 3, 4), (4, 2, 5)]), ((-1, 0), [(3, 2), (2, 2)]),
    (((1, 2), (3, 0)), [(2, 3, 4), (4, 2, 2, 3)]), ([[0, 1], [0, 1]], [(3, 4), (3, 4)]), ((1, 0), [(2, 0), (0, 3)]),
]}
CASES["outer"] = (F.outer, np.outer, [(2, 2), (3,)])
CASES["linear_simple"] = (F.linear_simple, linear, [(3, 4), (4, 2), (2,)])
CASES |= {f"einsum {s}": (*einsum(s), shapes) for s, shapes in [
    ("ij,jk->ik", [(3, 4), (4, 2)]), ("ij,jk", [(3, 4), (4, 2)]), (" ij -> ji ", [(3, 4)]), ("ba", [(2, 3)]),
    ("ii->i", [(3, 3)]), ("ii", [(3, 3)]), ("iji->j", [(3, 2, 3)]), ("iii,i->", [(2, 2, 2), (2,)]), ("ij->", [(3, 4)]),
    ("ij->i", [(3, 4)]), ("...ij,...jk->...ik", [(2, 1, 3, 4), (5, 4, 2)]), ("i,j->", [(2,), (3,)]),
    ("i,i,i->i", [(3,), (3,), (3,)]), ("ij,jk,kl->il", [(2, 3), (3, 4), (4, 2)]),
    ("bhqd,bkhd->bhqk", [(2, 2, 4, 3), (2, 5, 2, 3)]), ("...i->...", [(2, 3, 4)]),
    ("i...,i...->...", [(2, 3), (2, 1)]),
    ("i...", [(2, 3)]), (",ij->ij", [(), (2, 3)]), ("ii,jj->ij", [(2, 2), (3, 3)]),
    ("a...b,b->...a", [(2, 3, 4), (4,)]),
    ("i,i->", [(3,), (1,)]), ("ij,j->ij", [(3, 1), (4,)]), ("Ab,bA", [(2, 3), (3, 2)]), ("ii,i->i", [(1, 1), (3,)]),
    ("->", [()]), ("ij,jk->ik", [(2, 0), (0, 3)]), ("i,i->i", [(0,), (0,)]),
    ("...,...->", [(), ()]), ("i->...i", [(3,)]),
    # large enough for BLAS
    ("bij,jkb,kl->bil", [(6, 7, 8), (8, 9, 6), (9, 5)]), ("ijjb,kbz->kbi", [(6, 9, 9, 8), (9, 8, 3)]),
    ("bij,bkj->bki", [(6, 9, 9), (6, 10, 9)]), ("ijb,kjb->ikb", [(12, 9, 6), (11, 9, 6)]),
    ("ij,kj->ik", [(20, 20), (20, 20)]), ("ij,kl->ijkl", [(9, 9), (9, 9)]), ("abc,abc->", [(20, 20, 20), (20, 20, 20)]),
    ("ijk,jl->l", [(12, 20, 5), (20, 20)]),
]}
cases = pytest.mark.parametrize("name", CASES)


def arrays(name, dtype=np.float64):
    return [np.asarray(RNG.standard_normal(s), dtype) for s in CASES[name][2]]


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
    tol = 1e-4 if dtype == np.float32 else 1e-12
    np.testing.assert_allclose(y.data, expected, rtol=tol, atol=tol)
    y.backward()
    for v in vs:
        assert v.grad.dtype == dtype
        assert v.grad.shape == v.shape


@cases
def test_orders_1_to_3(name):
    xs = arrays(name)
    weights = RNG.uniform(0.5, 1.5, np.shape(CASES[name][1](*xs)))
    scale = 1 / (1 + np.abs(CASES[name][1](*xs)).max(initial=0))
    check_orders(lambda *vs: F.sum(F.sin(CASES[name][0](*vs) * scale) * weights), xs)


@cases
def test_strided_and_foreign_arrays(name):
    xs = arrays(name)
    expected = CASES[name][1](*xs)
    plain = [Variable(x) for x in xs]
    CASES[name][0](*plain).backward()
    for change in (lambda x: np.asarray(x.T.copy().T), lambda x: np.repeat(x, 2, axis=-1)[..., ::2] if x.ndim else x,
                   lambda x: x.astype(x.dtype.newbyteorder()), lambda x: np.asarray(np.asarray(x, order="F"))):
        vs = [Variable(change(x)) for x in xs]
        y = CASES[name][0](*vs)
        np.testing.assert_allclose(y.data, expected, rtol=1e-12, atol=1e-12)
        y.backward()
        for v, p in zip(vs, plain, strict=True):
            np.testing.assert_allclose(v.grad.data, p.grad.data, rtol=1e-12, atol=1e-12)


@cases
@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.complex128], ids=str)
def test_other_dtypes_as_numpy(name, dtype):
    xs = [np.asarray(RNG.integers(-3, 4, s), dtype) for s in CASES[name][2]]
    vs = [Variable(x) for x in xs]
    y = CASES[name][0](*vs)
    expected = np.asarray(CASES[name][1](*xs) if len(xs) > 2 or "linear" not in name else xs[0] @ xs[1])
    np.testing.assert_array_equal(y.data, expected)
    assert y.dtype == dtype
    y.backward()
    assert [v.grad.shape for v in vs] == [v.shape for v in vs]


@cases
def test_only_what_is_asked_for(name):
    """An operand that is an ndarray gets no gradient, and the others get the same as ever."""
    xs = arrays(name)
    if name.startswith("einsum") and len(xs) == 1:
        return
    plain = [Variable(x) for x in xs]
    CASES[name][0](*plain).backward()
    for k in range(len(xs)):
        v = Variable(xs[k])
        CASES[name][0](*[v if j == k else x for j, x in enumerate(xs)]).backward()
        np.testing.assert_allclose(v.grad.data, plain[k].grad.data, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("size", [4, 60])
def test_gradients_add_up(size):
    """Small products and BLAS: added in place to a private gradient, never to one that somebody has seen."""
    x, w, b = (Variable(RNG.standard_normal(s)) for s in ((size, size), (size, size), (size,)))
    F.linear(x, w, b).backward()
    first = [v.grad for v in (x, w, b)]
    values = [g.data.copy() for g in first]
    (F.linear(x, w, b) + F.linear(x, w, b)).backward()
    for v, g, once in zip((x, w, b), first, values, strict=True):
        np.testing.assert_allclose(v.grad.data, 3 * once, rtol=1e-12)
        np.testing.assert_array_equal(g.data, once)


def in_order(a, b, old):
    """a @ b, each element's terms added to `old` one after the other."""
    out = old.copy()
    for k in range(a.shape[1]):
        out += a[:, k:k + 1] * b[k:k + 1]
    return out


def fused(a, b, old):
    """The same, each product added before it is rounded."""
    out = old.copy()
    exact = np.vectorize(Fraction, otypes=[object])
    for k in range(a.shape[1]):
        sums = exact(a[:, k:k + 1].astype("d")) * exact(b[k:k + 1].astype("d")) + exact(out.astype("d"))
        out = np.vectorize(float, otypes=["d"])(sums).astype(out.dtype)
    return out


def fuses():
    """Whether this processor's kernels fuse multiplications with additions."""
    return build_info()["simd"] != "base" or platform.machine() in ("aarch64", "arm64")


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize(("m", "k", "n"), [(1, 1, 1), (1, 4, 40), (1, 40, 2), (3, 9, 7), (4, 33, 2), (8, 2, 33), (9, 31, 8),
                                           (17, 3, 3), (16, 16, 16), (31, 8, 9), (32, 4, 32), (33, 40, 1)])
def test_gradients_of_small_products_are_sums_in_order(m, k, n, dtype):
    """To the bit, whatever way the loops go and however many terms they take at a time."""
    rng = np.random.default_rng(m * k * n)
    x, W, gy, old_x, old_W = (rng.standard_normal(s).astype(dtype) for s in [(m, k), (k, n), (m, n), (m, k), (k, n)])
    for olds in ((np.zeros_like(x), np.zeros_like(W)), (old_x, old_W)):
        vx, vW = Variable(x), Variable(W)
        y = F.matmul(vx, vW)
        if olds[0] is old_x:
            for v, old in ((vx, old_x), (vW, old_W)):
                v.grad = Variable(old.copy())
        y.grad = Variable(gy)
        y.backward()
        for found, a, b, old in ((vx.grad, gy, W.T, olds[0]), (vW.grad, x.T, gy, olds[1])):
            ways = [in_order(a, b, old).tobytes()] + [fused(a, b, old).tobytes()] * fuses()     # those of few columns, and others
            assert found.data.tobytes() in ways


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize(("m", "k", "n"), [(1, 2, 4), (1, 4, 40), (1, 30, 63), (2, 9, 64), (3, 9, 7), (4, 33, 5), (8, 2, 33),
                                           (9, 31, 8), (17, 3, 19), (16, 16, 16), (31, 8, 9), (32, 32, 32), (65, 3, 17),
                                           (129, 2, 31)])
def test_small_products_are_sums_in_order(m, k, n, dtype):
    """Fused, to the bit: as many rows and columns as are computed at once, one more and one less; whatever way x and W lie."""
    if not fuses() or not build_info()["compiler"].startswith(("gcc", "clang", "Clang", "GCC")):
        pytest.skip("products are BLAS's here")
    rng = np.random.default_rng(m * k * n)
    x, W = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
    wanted = fused(x, W, np.zeros((m, n), dtype)).tobytes()
    assert F.matmul(x, W).data.tobytes() == wanted
    assert F.matmul(np.asfortranarray(x), W).data.tobytes() == wanted
    assert F.matmul(np.hstack([x, x])[:, :k], np.hstack([W, W])[:, :n]).data.tobytes() == wanted
    turned = F.matmul(x, np.asfortranarray(W)).data
    assert turned.tobytes() == wanted or m < 16
    np.testing.assert_allclose(turned, x @ W, rtol=1e-4 if dtype == "f" else 1e-10, atol=1e-4 if dtype == "f" else 1e-12)
    specials = x.copy()
    specials[0, 0], specials[-1, -1] = np.inf, np.nan
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(np.isnan(F.matmul(specials, W).data), np.isnan(specials @ W))


@pytest.mark.parametrize("dtype", ["f", "d"])
@pytest.mark.parametrize("lies", [np.ascontiguousarray, np.asfortranarray, lambda a: np.repeat(a, 2, 1)[:, ::2],
                                  lambda a: np.repeat(a, 2, 0)[::2], lambda a: np.hstack([a, a])[:, :a.shape[1]]])
@pytest.mark.parametrize(("m", "k", "n"), [(31, 37, 29), (1, 70, 70), (70, 1, 70), (70, 70, 1), (2, 50, 50)])
def test_products_with_shared_operands_add_their_gradients(dtype, lies, m, k, n):
    x, W, g = (RNG.standard_normal(shape).astype(dtype) for shape in ((m, k), (k, n), (3, m, n)))
    xv, Wv = Variable(lies(x)), Variable(lies(W))
    loss = F.sum(F.matmul(xv, Wv) * g[0])
    for each in g[1:]:
        loss = loss + F.sum(F.matmul(xv, Wv) * each)
    loss.backward()
    for found, wanted in ((xv.grad, g.sum(0) @ W.T), (Wv.grad, x.T @ g.sum(0))):
        assert found.dtype == dtype
        assert np.allclose(found.data, wanted, rtol=1e-4 if dtype == "f" else 1e-11, atol=1e-4 if dtype == "f" else 1e-11)


def test_the_same_operand_twice():
    for size in (3, 30):
        a = RNG.standard_normal((size, size)) / size
        check_orders(lambda x: F.sum(F.sin(x @ x)), [a])
        check_orders(lambda x: F.sum(F.sin(F.linear(x, x, x[0]))), [a])
        check_orders(lambda x: F.sum(F.sin(F.einsum("ij,jk,ki->i", x, x, x))), [a])


def test_linear_class_and_missing_bias():
    x, w = (Variable(RNG.standard_normal(s).astype(np.float32)) for s in ((3, 4), (4, 2)))
    expected = x.data @ w.data
    for y in (F.linear(x, w), F.linear(x, w, None), F.linear(x, w, Variable(None)), F.Linear()(x, w, None),
              F.Linear()(x, w), F.linear_simple(x, w)):
        np.testing.assert_array_equal(y.data, expected)
        x.cleargrad()
        y.backward()
        np.testing.assert_allclose(x.grad.data, np.ones((3, 2), np.float32) @ w.data.T, rtol=1e-6)
    b = Variable(np.ones(2, np.float32))
    y = F.Linear()(x, w, b)
    y.backward(create_graph=True)
    np.testing.assert_array_equal(b.grad.data, [3, 3])
    with no_grad():
        assert F.linear(x, w, b).creator is None


def test_linear_on_integers_keeps_the_weights_dtype():
    x = np.arange(6).reshape(2, 3)
    w, b = Variable(np.ones((3, 2), np.float32)), Variable(np.ones(2, np.float32))
    for data in (x, x.astype(bool), x.astype(np.uint8)):
        y = F.linear(Variable(data), w, b)
        assert y.dtype == np.float32
        w.cleargrad()
        y.backward()
        assert w.grad.dtype == np.float32
        np.testing.assert_array_equal(w.grad.data, data.T.astype(np.float32) @ np.ones((2, 2), np.float32))
    assert F.linear(x, np.ones((3, 2), int), np.ones(2, int)).dtype == int
    y = F.linear(x, np.ones((3, 2), int), np.full(2, 0.5))
    np.testing.assert_array_equal(y.data, x.sum(1, keepdims=True) + np.full(2, 0.5))
    assert F.linear(x.astype(np.float32), w, np.ones(2)).dtype == np.float32


def test_the_bias_is_not_written_to_and_the_result_is_new():
    x, w, b = Variable(np.eye(3)), Variable(np.ones((3, 3))), Variable(np.ones(3))
    F.linear(x, w, b)
    np.testing.assert_array_equal(b.data, 1)
    np.testing.assert_array_equal(w.data, 1)


def test_a_view_that_einsum_gives_is_numpys():
    x = Variable(np.arange(9.0).reshape(3, 3))
    assert np.shares_memory(F.einsum("ii->i", x).data, x.data)
    y = F.einsum("ij->ij", x)
    y.backward()
    assert not np.shares_memory(x.grad.data, np.asarray(x.data))


def test_rebound_data_is_reported():
    x, w = Variable(np.ones((3, 4))), Variable(np.ones((4, 2)))
    for y in (x @ w, F.linear(x, w), F.einsum("ij,jk->ik", x, w), F.tensordot(x, w, 1)):
        old, w.data = w.data, np.ones((5, 2))
        with pytest.raises(ValueError, match=r"rebound|fit|einsum|sum_to"):
            y.backward()
        w.data = old


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: F.matmul(x, x), ValueError, ["matmul", "(2, 3)"]),
        (lambda x: F.matmul(x, Variable(None)), TypeError, ["matmul", "no data"]),
        (lambda x: F.linear(x, x), ValueError, ["linear", "(2, 3)"]),
        (lambda x: F.linear(x, x.T, np.ones(3)), ValueError, ["linear", "(3,)", "(2, 2)", "should be (2,)"]),
        (lambda x: F.linear(x, x.T, np.ones((2, 2, 2))), ValueError, ["linear", "(2, 2, 2)", "(2, 2)"]),
        (lambda x: F.linear(Variable(None), x), TypeError, ["linear", "no data"]),
        (lambda x: F.linear(x, "W"), TypeError, ["linear", "str"]),
        (lambda x: F.dot(x, x), ValueError, ["dot", "(2, 3)"]),
        (lambda x: F.dot(x, np.ones((2, 2, 2))), ValueError, ["dot", "(2, 3)", "(2, 2, 2)"]),
        (lambda x: F.tensordot(x, x, 1), ValueError, ["tensordot", "axes 1", "(2, 3)"]),
        (lambda x: F.tensordot(x, x, 3), ValueError, ["tensordot", "axes=3", "(2, 3)"]),
        (lambda x: F.tensordot(x, x, -1), ValueError, ["tensordot", "axes=-1"]),
        (lambda x: F.tensordot(x, x, "ij,jk"), ValueError, ["tensordot", "ij,jk"]),
        (lambda x: F.tensordot(x, x, ((0, 1), (0,))), ValueError, ["tensordot", "(2, 3)"]),
        (lambda x: F.tensordot(x, x, (2, 0)), np.exceptions.AxisError, ["tensordot", "axis 2", "(2, 3)"]),
        (lambda x: F.tensordot(x, x, ((0, 0), (0, 1))), ValueError, ["tensordot", "twice"]),
        (lambda x: F.einsum("ij,jk->ik", x, x), ValueError, ["einsum", "'ij,jk->ik'", "(2, 3), (2, 3)", "'j'"]),
        (lambda x: F.einsum("ij,jk", x), ValueError, ["einsum", "'ij,jk'", "(2, 3)", "2 terms for 1 operands"]),
        (lambda x: F.einsum("ijk", x), ValueError, ["einsum", "'ijk'", "3 axes", "operand 0 has 2"]),
        (lambda x: F.einsum("i", x), ValueError, ["einsum", "'i'", "(2, 3)"]),
        (lambda x: F.einsum("ij->k", x), ValueError, ["einsum", "'k'", "no operand"]),
        (lambda x: F.einsum("ij->ii", x), ValueError, ["einsum", "'i'", "twice"]),
        (lambda x: F.einsum("i1", x), ValueError, ["einsum", "'1'", "no letter"]),
        (lambda x: F.einsum("..j", x), ValueError, ["einsum", "'.'", "ellipsis"]),
        (lambda x: F.einsum("ij->i->j", x), ValueError, ["einsum", "'-'"]),
        (lambda x: F.einsum("...i->i", x), ValueError, ["einsum", "(2, 3)", "ellipsis"]),
        (lambda x: F.einsum("ii", x), ValueError, ["einsum", "'i'", "operand 0", "different lengths"]),
        (lambda x: F.einsum("...,...", x, x.T), ValueError, ["einsum", "ellipsis", "(2, 3), (3, 2)"]),
        (lambda x: F.einsum("ij"), ValueError, ["einsum", "operands"]),
        (lambda x: F.einsum(x, "ij"), TypeError, ["einsum", "subscripts"]),
        (lambda x: F.einsum("ij", Variable(None)), TypeError, ["einsum", "no data"]),
    ],
    ids=range(31),
)
def test_errors_name_operation_and_shapes(call, error, words):
    with pytest.raises(error) as info:
        call(Variable(np.ones((2, 3))))
    for word in words:
        assert word in str(info.value)
