"""reshape, transpose, broadcast_to, sum_to, sum and matmul.

Values as NumPy's, gradients by finite differences at orders 1 and 2 in both ways backwards, float32 kept, views where
NumPy gives views, and errors that say what to do.
"""

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable

RNG = np.random.default_rng(5)

# name: (function of Variables, the same of ndarrays, input shapes)
CASES = {
    "reshape": (lambda x: F.reshape(x, (4, 3)), lambda x: x.reshape(4, 3), [(3, 4)]),
    "reshape_minus_one": (lambda x: x.reshape(-1, 2), lambda x: x.reshape(-1, 2), [(3, 4)]),
    "reshape_to_0d": (lambda x: F.reshape(x, ()), lambda x: x.reshape(()), [(1, 1)]),
    "transpose": (lambda x: F.transpose(x), lambda x: x.T, [(3, 4)]),
    "transpose_axes": (lambda x: F.transpose(x, (1, 2, 0)), lambda x: x.transpose(1, 2, 0), [(2, 3, 4)]),
    "transpose_negative": (lambda x: x.transpose(-1, 0, 1), lambda x: x.transpose(-1, 0, 1), [(2, 3, 4)]),
    "T": (lambda x: x.T, lambda x: x.T, [(2, 3)]),
    "broadcast_to": (lambda x: F.broadcast_to(x, (2, 3, 4)), lambda x: np.broadcast_to(x, (2, 3, 4)), [(3, 1)]),
    "sum_to": (lambda x: F.sum_to(x, (1, 4)), lambda x: x.sum(0, keepdims=True), [(3, 4)]),
    "sum_to_leading": (lambda x: F.sum_to(x, (4,)), lambda x: x.sum((0, 1)), [(2, 3, 4)]),
    "sum": (lambda x: F.sum(x), lambda x: x.sum(), [(3, 4)]),
    "sum_axis": (lambda x: x.sum(axis=1), lambda x: x.sum(1), [(3, 4)]),
    "sum_negative": (lambda x: F.sum(x, -1, True), lambda x: x.sum(-1, keepdims=True), [(2, 3, 4)]),
    "sum_axes": (lambda x: F.sum(x, (0, 2)), lambda x: x.sum((0, 2)), [(2, 3, 4)]),
    "sum_keepdims": (lambda x: F.sum(x, keepdims=True), lambda x: x.sum(keepdims=True), [(2, 3)]),
    "sum_0d": (lambda x: F.sum(x), lambda x: x.sum(), [()]),
    "matmul": (lambda x, w: F.matmul(x, w), np.matmul, [(3, 4), (4, 2)]),
    "matmul_operator": (lambda x, w: x @ w, np.matmul, [(1, 4), (4, 1)]),
    "matrix_vector": (lambda x, w: x @ w, np.matmul, [(3, 4), (4,)]),
    "vector_matrix": (lambda x, w: x.dot(w), np.matmul, [(4,), (4, 3)]),
    "vector_vector": (lambda x, w: F.matmul(x, w), np.matmul, [(4,), (4,)]),
    "batched": (lambda x, w: x @ w, np.matmul, [(2, 3, 4), (2, 4, 2)]),
    "batched_broadcast": (lambda x, w: x @ w, np.matmul, [(2, 3, 4), (4, 2)]),
    "batched_vector": (lambda x, w: x @ w, np.matmul, [(2, 3, 4), (4,)]),
    "vector_batched": (lambda x, w: x @ w, np.matmul, [(3,), (2, 3, 4)]),
}
cases = pytest.mark.parametrize("name", CASES)


def arrays(name, dtype=np.float64):
    return [np.asarray(RNG.standard_normal(s), dtype) for s in CASES[name][2]]


def objective(name, weights):
    """A scalar of the result that is not linear in it, so that second derivatives are not all zero."""
    def of(*vs):
        y = CASES[name][0](*vs)
        return F.sum(F.square(y) * weights + F.sin(y))
    return of


def numerical(f, xs, k, eps):
    """Central differences of a float-valued f for every element of xs[k]."""
    g = np.zeros_like(xs[k])
    for i in np.ndindex(*xs[k].shape):
        step = np.zeros_like(xs[k])
        step[i] = eps
        up = f(*[np.asarray(x + step) if j == k else x for j, x in enumerate(xs)])
        down = f(*[np.asarray(x - step) if j == k else x for j, x in enumerate(xs)])
        g[i] = (up - down) / (2 * eps)
    return g


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_value_and_dtype(name, dtype):
    xs = arrays(name, dtype)
    vs = [Variable(x) for x in xs]
    y = CASES[name][0](*vs)
    np.testing.assert_array_equal(y.data, CASES[name][1](*xs))
    assert y.dtype == dtype
    assert isinstance(y.data, np.ndarray)
    y.backward()
    for v in vs:
        assert v.grad.dtype == dtype
        assert v.grad.shape == v.shape


@cases
def test_first_and_second_order(name):
    xs = arrays(name)
    weights = RNG.uniform(0.5, 1.5, CASES[name][1](*xs).shape)
    f = objective(name, weights)

    def gradients(arrays, create_graph):
        vs = [Variable(a) for a in arrays]
        f(*vs).backward(create_graph=create_graph)
        return vs, [v.grad for v in vs]

    for k in range(len(xs)):
        expected = numerical(lambda *a: float(f(*map(Variable, a)).data), xs, k, 1e-6)
        for create_graph in (False, True):
            np.testing.assert_allclose(gradients(xs, create_graph)[1][k].data, expected, rtol=1e-6, atol=1e-7)
    directions = [RNG.standard_normal(x.shape) for x in xs]
    vs, gs = gradients(xs, True)
    product = sum((F.sum(g * d) for g, d in zip(gs, directions, strict=True)), start=0.0)
    for v in vs:
        v.cleargrad()
    product.backward()

    def along(*a):
        return sum(float((g.data * d).sum()) for g, d in zip(gradients(a, False)[1], directions, strict=True))

    for k in range(len(xs)):
        np.testing.assert_allclose(vs[k].grad.data, numerical(along, xs, k, 1e-5), rtol=1e-5, atol=1e-6)


@cases
def test_integers_stay_integers(name):
    xs = [np.arange(1, 1 + int(np.prod(s))).reshape(s) for s in CASES[name][2]]
    vs = [Variable(x) for x in xs]
    y = CASES[name][0](*vs)
    np.testing.assert_array_equal(y.data, CASES[name][1](*xs))
    assert y.dtype == xs[0].dtype
    y.backward()
    assert all(v.grad.dtype == xs[0].dtype for v in vs)


def test_views_alias_as_numpys_do():
    x = Variable(np.arange(6.0))
    for y in (x.reshape(2, 3), x.reshape(2, 3).T, F.broadcast_to(x, (2, 6))):
        assert np.shares_memory(y.data, x.data)
    x.reshape(2, 3).data[0, 0] = 9.0
    assert x.data[0] == 9.0


def test_no_op_returns_the_same_variable():
    x = Variable(np.ones((2, 3)))
    assert F.reshape(x, (2, 3)) is x
    assert F.sum_to(x, (2, 3)) is x
    assert F.broadcast_to(x, (2, 3)) is x


def test_reshape_arguments():
    x = Variable(np.ones((2, 3)))
    assert x.reshape((3, 2)).shape == x.reshape([3, 2]).shape == x.reshape(3, 2).shape == (3, 2)
    assert x.reshape(6).shape == F.reshape(x, 6).shape == F.reshape(x, -1).shape == (6,)
    assert x.transpose(None).shape == x.transpose([1, 0]).shape == (3, 2)


def test_private_gradients_are_added_in_place_and_shown_ones_are_not():
    x, w = Variable(RNG.standard_normal((3, 4))), Variable(RNG.standard_normal((4, 2)))
    (x @ w).backward()
    g = w.grad
    once = g.data.copy()
    ((x @ w) + (x @ w)).backward()
    np.testing.assert_allclose(w.grad.data, 3 * once)
    np.testing.assert_array_equal(g.data, once)


@pytest.mark.parametrize("dtype", ["f4", "f8", ">f8", "i8", "c16"])
@pytest.mark.parametrize(
    ("small", "large"),
    [((), ()), ((), (3,)), ((1,), (4,)), ((3,), (2, 3)), ((2, 1), (2, 3)), ((1, 3), (2, 3)), ((1, 1), (40, 30)),
     ((2, 1, 3), (2, 5, 3)), ((1, 5, 1), (4, 5, 3)), ((3, 1), (0, 3, 2)), ((0, 1), (0, 4)), ((1,) * 9, (2,) * 9)],
)  # fmt: skip
def test_broadcast_to_and_sum_to_are_numpys(small, large, dtype):
    a = np.arange(1, 1 + np.prod(small, dtype=int)).reshape(small).astype(dtype)
    y = F.broadcast_to(Variable(a), large).data
    np.testing.assert_array_equal(y, np.broadcast_to(a, large))
    assert y.dtype == a.dtype
    if small != large:
        assert not y.flags.writeable
        assert y.size == 0 or np.shares_memory(y, a)
    b = np.arange(np.prod(large, dtype=int)).reshape(large).astype(dtype)
    axes = tuple(i for i in range(len(large)) if i < len(large) - len(small) or small[i - len(large)] != large[i])
    z = F.sum_to(Variable(b), small).data
    np.testing.assert_array_equal(z, b.sum(axis=axes, keepdims=True).reshape(small))
    assert z.shape == small
    if small != large and np.dtype(dtype).kind == "f" and 0 not in large:
        for function, start, end in ((F.broadcast_to, a, large), (F.sum_to, b, small)):
            x = Variable(start)
            for times in (1, 2):        # the second time it is added
                v = function(x, end)
                v.grad = Variable(np.full(end, 0.5, dtype))
                v.backward()
                share = max(1, v.size // x.size)        # how often an element of x is in y
                np.testing.assert_array_equal(x.grad.data, np.full(start.shape, 0.5 * times * share))


def test_sums_of_what_lies_askew():
    """Where the axes that are summed have no one stride, NumPy sums."""
    a = np.arange(120.0).reshape(2, 3, 4, 5)
    x = Variable(a.transpose(0, 2, 1, 3)[:, ::2])
    np.testing.assert_array_equal(F.sum_to(x, (1, 2, 1, 5)).data, x.data.sum(axis=(0, 2), keepdims=True))
    w = Variable(np.ones((1, 2, 1, 5)))
    y = F.broadcast_to(w, x.shape)
    y.grad = x
    y.backward()
    np.testing.assert_array_equal(w.grad.data, x.data.sum(axis=(0, 2), keepdims=True))


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: x.reshape(5, 5), ValueError, ["reshape", "(2, 3)", "(5, 5)", "6 elements"]),
        (lambda x: x.transpose(0, 0), ValueError, ["transpose", "(0, 0)", "(2, 3)"]),
        (lambda x: F.broadcast_to(x, (2, 4)), ValueError, ["broadcast_to", "(2, 3)", "(2, 4)"]),
        (lambda x: F.broadcast_to(x, (3,)), ValueError, ["broadcast_to", "(2, 3)", "(3,)"]),
        (lambda x: F.broadcast_to(x[:, :1], (2, -1)), ValueError, ["broadcast_to", "(2, 1)", "(2, -1)"]),
        (lambda x: F.broadcast_to(x, (2**31, 2**31, 2, 3)), ValueError, ["broadcast_to", "(2, 3)", "2147483648"]),
        (lambda x: F.broadcast_to(x, (2**30, 2**30, 2, 3)), ValueError, ["broadcast_to", "(2, 3)", "1073741824"]),
        (lambda x: F.sum_to(x, (1, 2, 3)), ValueError, ["sum_to", "(2, 3)", "(1, 2, 3)"]),
        (lambda x: F.sum_to(x, (2, -1)), ValueError, ["sum_to", "(2, 3)", "(2, -1)"]),
        (lambda x: F.sum(x, axis=2), ValueError, ["axis 2"]),
        (lambda x: x @ x, ValueError, ["matmul", "(2, 3)"]),
        (lambda x: x @ 2.0, ValueError, ["matmul", "(2, 3)", "()"]),
        (lambda x: F.sum(Variable(None)), TypeError, ["sum", "no data"]),
        (lambda x: F.matmul(x, Variable(None)), TypeError, ["matmul", "no data"]),
    ],
    ids=range(14),
)
def test_errors_name_operation_and_shapes(call, error, words):
    with pytest.raises(error) as info:
        call(Variable(np.ones((2, 3))))
    for word in words:
        assert word in str(info.value)
