"""Reductions: what the records of test_functions.py do not say. Zeros in a product, ties, large arrays, values that are
gone.
"""

import weakref

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable
from dezero_c._shape import unbroadcast
from dezero_c.utils import gradient_check

RNG = np.random.default_rng(8)


@pytest.mark.parametrize("zeros", [(), (1,), (1, 2), (0, 1, 2, 3)])
@pytest.mark.parametrize(("axis", "keepdims"), [(None, False), (1, False), (0, True), ((0, 2), False), (-1, True)])
def test_product_with_zeros(zeros, axis, keepdims):
    x = RNG.uniform(0.5, 1.5, (2, 3, 2))
    x.flat[list(zeros)] = 0.0
    assert np.array_equal(F.prod(x, axis, keepdims).data, x.prod(axis=axis, keepdims=keepdims))
    assert gradient_check(lambda v: F.prod(v, axis, keepdims), x, order=3)
    v = Variable(x)
    F.prod(v, axis, keepdims).backward()
    w = Variable(x)
    F.prod(w, axis, keepdims).backward(create_graph=True)
    assert np.allclose(v.grad.data, w.grad.data, rtol=1e-12)


@pytest.mark.parametrize("function", [F.max, F.min])
@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1)])
def test_every_tied_element_gets_the_gradient(function, axis):
    x = Variable(np.array([[1.0, 1.0, 1.0], [1.0, 1.0, 1.0]]))
    y = function(x, axis)
    y.backward()
    assert x.grad.data.tolist() == np.ones((2, 3)).tolist()


def test_nan_wins_and_gets_no_gradient():
    x = Variable(np.array([1.0, np.nan, 3.0]))
    y = F.max(x)
    assert np.isnan(y.data)
    y.backward()
    assert x.grad.data.tolist() == [0.0, 0.0, 0.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [F.sum, F.mean])
@pytest.mark.parametrize(("axis", "keepdims"), [(None, False), (0, False), (1, True), ((0, 2), False), ((), False),
                                                (-1, False)])
def test_large_gradients_are_views_that_nobody_writes_to(dtype, function, axis, keepdims):
    a = RNG.normal(size=(30, 40, 50)).astype(dtype)
    x = Variable(a)
    y = function(x, axis, keepdims)
    gy = RNG.normal(size=y.shape).astype(dtype)
    y.grad = Variable(gy.copy())
    y.backward(retain_grad=True)
    n = a.size / y.size if function is F.mean else 1
    axes = tuple(range(3)) if axis is None else tuple(np.atleast_1d(axis).astype(int) % 3)
    full = np.broadcast_to(np.expand_dims(gy, axes) if not keepdims else gy, a.shape)
    want = full / dtype(n)
    assert x.grad.dtype == dtype
    assert np.allclose(x.grad.data, want, rtol=1e-6)
    y.grad.data[...] = 0.0      # not the memory that x's gradient looks at
    assert np.allclose(x.grad.data, want, rtol=1e-6)
    shown = x.grad
    function(x, axis, keepdims).backward()  # accumulates into a new array
    assert np.allclose(shown.data, want, rtol=1e-6)
    assert np.allclose(x.grad.data, want + dtype(1 / n), rtol=1e-5, atol=1e-6)
    assert not shown.data.flags.writeable


def test_operations_before_a_large_sum_read_the_view():
    a, b = RNG.normal(size=(2, 200, 100))
    for build in (lambda x, w: F.sum(x * w), lambda x, w: F.sum(F.exp(x).reshape((100, 200)) @ w),
                  lambda x, w: F.sum((x.T @ w)[3:], axis=0)[2], lambda x, w: F.mean(F.relu(x + w) * x),
                  lambda x, w: F.sum(F.softmax(x * w), 1)[1] + F.sum(F.max(x, 0) - w[0])):
        x, w = Variable(a), Variable(b)
        build(x, w).backward()
        first = x.grad.data, w.grad.data
        x, w = Variable(a), Variable(b)
        build(x, w).backward(create_graph=True)
        assert np.allclose(first[0], x.grad.data, rtol=1e-12)
        assert np.allclose(first[1], w.grad.data, rtol=1e-12)


BEFORE_A_MEAN = {
    "add": lambda x, w: x + w, "sub": lambda x, w: x - w, "mul": lambda x, w: x * w, "div": lambda x, w: x / w,
    "maximum": F.maximum, "square": lambda x, w: x * x, "power": lambda x, w: x**3.0,
    "where": lambda x, w: F.where(w.data > 1, x, w),
    "sin": lambda x, w: F.sin(x), "exp": lambda x, w: F.exp(x), "tanh": lambda x, w: F.tanh(w), "relu": lambda x, w: F.relu(x),
    "log": lambda x, w: F.log(w), "clip": lambda x, w: F.clip(x, 0.8, 1.2), "times a number": lambda x, w: 2.5 * x,
    "row": lambda x, w: x * w[:1], "column": lambda x, w: x[:, :1] / w, "number": lambda x, w: x * w[0, 0],
    "transposed": lambda x, w: x.T * 2.0, "neither": lambda x, w: x.T / w.T, "kept": lambda x, w: (x + w) * 1.0 + (x + w),
    "reshape": lambda x, w: F.reshape(x * w, (-1,)), "matmul": lambda x, w: x @ w.T, "softmax": lambda x, w: F.softmax(x),
    "item": lambda x, w: (x * w)[1:], "layer_norm": lambda x, w: F.layer_norm(x, w[0], w[1]), "alone": lambda x, w: x,
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(3, 5), (3, 400), (40, 41), (3, 9000)])
@pytest.mark.parametrize("name", BEFORE_A_MEAN)
def test_one_number_as_the_gradient_of_a_whole_array_gives_the_bits_of_an_array(name, shape, dtype):
    """The gradient of a mean reaches what lies before it as a number, whatever holds it: a node, a view of strides 0."""
    a, b = RNG.uniform(0.5, 1.5, (2, *shape)).astype(dtype)

    def gradients(backward):
        x, w = Variable(a), Variable(b)
        y = BEFORE_A_MEAN[name](x, w)
        for _ in range(2):      # the second is added to the first
            backward(y)
        return [v.grad.data for v in (x, w) if v.grad is not None]

    def by_mean(y):
        F.mean(y).backward()

    def by_array(y):
        if y.creator is not None:
            y.cleargrad()
            y.grad = Variable(np.full(y.shape, dtype(1) * dtype(1 / y.size)))
            y.backward()
            y.cleargrad()
        else:
            y.grad = Variable(np.full(y.shape, dtype(2) * dtype(1 / y.size)))

    got, want = gradients(by_mean), gradients(by_array)
    assert len(got) == len(want) >= 1
    for g, h in zip(got, want, strict=True):
        assert g.dtype == dtype
        np.testing.assert_array_equal(g, h)


@pytest.mark.parametrize("n", [600, 2000, 20000])
def test_what_shares_the_gradient_of_a_sum_keeps_its_own(n):
    a, b = Variable(np.ones(n)), Variable(np.ones(n))
    y = a + b
    F.sum(y).backward(retain_grad=True)
    (3.0 * a).backward()        # is added to a's alone
    assert a.grad.data.tolist() == [4.0] * n
    assert b.grad.data.tolist() == y.grad.data.tolist() == [1.0] * n
    b.cleargrad()
    F.sum(b + b).backward()
    F.sum(b).backward()
    assert b.grad.data.tolist() == [3.0] * n
    assert y.grad.data.tolist() == [1.0] * n


def test_what_shares_the_gradient_of_a_sum_has_an_array_of_its_own():
    a, b = Variable(np.ones(2000)), Variable(np.ones(2000))
    F.sum(a + b).backward(retain_grad=True)
    assert a.grad.data is not b.grad.data
    F.sum(b * 2.0).backward()
    assert b.grad.data.tolist() == [3.0] * 2000
    c, d = Variable(np.ones(20000)), Variable(np.ones(20000))
    y = c + d
    F.sum(y).backward(retain_grad=True)
    assert y.grad.data is not c.grad.data
    assert c.grad.data is not d.grad.data


def test_code_that_runs_when_an_array_is_let_go_finds_no_kernel_half_way():
    n = 2000
    a, b, w = Variable(np.ones(n)), Variable(np.full(n, 2.0)), Variable(np.full(n, 3.0))
    F.sum(a + b).backward()
    junk = []

    def changes_data(_):
        w.data = np.zeros(1)
        b.data = np.zeros(1)
        junk.extend(np.full(n, 1e300) for _ in range(200))

    watch = weakref.ref(b.grad.data, changes_data)
    F.sum(b * w * Variable(np.full(n, 5.0))).backward()
    assert watch() is None
    assert len(junk) == 200
    assert set(b.grad.data.tolist()) == {16.0}
    assert set(w.grad.data.tolist()) == {10.0}


@pytest.mark.parametrize("n", [6, 600, 2000, 20000])
def test_a_gradient_of_another_shape_is_not_added_to(n):
    x = Variable(np.ones(n))
    F.sum(x * 2.0).backward()
    x.data = np.ones((n, 1))
    with pytest.raises(ValueError, match=rf"shape \({n}, 1\).*shape \({n},\); call cleargrad"):
        F.sum(x * 2.0).backward()
    y = Variable(np.ones(n))
    F.sum(y).backward()
    y.data = np.ones((n, 1))
    with pytest.raises(ValueError, match="call cleargrad"):
        F.sum(y).backward()


@pytest.mark.parametrize("function", [F.max, F.prod, F.logsumexp, F.softmax, F.log_softmax])
def test_an_output_that_is_gone_is_computed_again(function):
    x = Variable(RNG.uniform(0.5, 1.5, (3, 4)))
    y = function(x)
    f = y.creator
    want = f.backward(Variable(np.ones(y.shape)))
    del y
    got = f.backward(Variable(np.ones(want.shape if function in (F.softmax, F.log_softmax) else ())))
    assert np.array_equal(got.data, want.data)


def test_logsumexp_of_infinities():
    assert F.logsumexp(np.array([-np.inf, -np.inf])).data == -np.inf
    assert F.logsumexp(np.array([-np.inf, 2.0])).data == 2.0
    assert F.logsumexp(np.array([1000.0, 1000.0])).data == pytest.approx(1000.0 + np.log(2.0), rel=1e-15)
    with np.errstate(over="ignore"):
        assert F.logsumexp(np.array([np.inf, 0.0])).data == np.inf


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 2, 7, 31, 64, 65, 100, 200, 1100])
def test_extremes_are_numpys(n, dtype):
    a = RNG.normal(size=(3, n)).astype(dtype)
    marked = a.copy()
    for place, value in ((0, np.nan), (n // 2, np.inf), (n - 1, -np.inf)):
        marked[1, place] = value
    late = a.copy()
    late[2, n - 1] = np.nan
    with np.errstate(all="raise"):
        for values in (a, -np.abs(a), marked, late, a.T, a[:, ::-1]):
            for axis in (None, 0, 1, -1, (0, 1)):
                for keepdims in (False, True):
                    for ours, its in ((F.max, np.max), (F.min, np.min)):
                        y = ours(values, axis=axis, keepdims=keepdims)
                        want = its(values, axis=axis, keepdims=keepdims)
                        np.testing.assert_array_equal(y.data, want)
                        assert y.dtype == dtype
                        assert y.shape == want.shape


def test_argmax_has_no_graph():
    x = Variable(np.array([[3.0, 1.0], [2.0, 5.0]]))
    y = F.argmax(x, axis=1)
    assert y.data.tolist() == [0, 1]
    assert y.creator is None
    assert F.argmin(x).data == 1
    assert F.sum(x[np.arange(2), y]).data == 8.0
    with pytest.raises(ValueError, match=r"argmax.*\(0,\)"):
        F.argmax(np.zeros(0))


def test_integers_as_in_dezero():
    x = Variable(np.array([[1, 2], [3, 4]]))
    assert F.sum(x).dtype == x.dtype
    assert F.max(x, 0).dtype == x.dtype
    assert F.prod(x).data == 24
    assert F.mean(x).dtype == np.float64
    assert F.mean(x).data == 2.5
    y = F.sum(x)
    y.backward()
    assert x.grad.dtype == x.dtype


@pytest.mark.parametrize(("shape", "axis"), [
    ((1023, 1), 0), ((65537, 1), 0), ((129, 5), 0), ((128, 5), 0), ((5000, 70), 0), ((3, 4000, 9), 1), ((40, 50, 60), (0, 2)),
    ((2047, 3), 0), ((2049, 2048), 0), ((70000,), None), ((300, 300), 1)])
@pytest.mark.parametrize("layout", ["C", "F"])
def test_float32_sums_are_exact_along_every_axis(shape, axis, layout):
    """At most 16 units in the last place of the sum of absolute values, over the root of the number of terms."""
    x = np.asarray(np.random.default_rng(0).standard_normal(shape), np.float32, order=layout)
    wide = x.astype(np.float64)
    n = x.size / np.size(wide.sum(axis=axis))
    allowed = 16 * np.spacing(np.abs(wide).sum(axis=axis).astype(np.float32)) / np.sqrt(n)
    v = Variable(x)
    for y, exact, share in ((F.sum(v, axis), wide.sum(axis=axis), 1), (F.mean(v, axis), wide.mean(axis=axis), n),
                            (unbroadcast(v, (1, *shape[1:])) if axis == 0 else F.sum(v, axis, True), None, 1)):
        assert y.dtype == np.float32
        exact = wide.sum(axis=axis) if exact is None else exact
        last = np.spacing(np.abs(exact).astype(np.float32))
        assert (np.abs(y.data.reshape(np.shape(exact)) - exact) <= allowed / share + last).all()
    np.testing.assert_allclose(F.var(v, axis).data, wide.var(axis=axis), rtol=1e-6)
    np.testing.assert_allclose(F.norm(v, 2, axis).data if not isinstance(axis, tuple) else F.norm(v).data,
                               np.linalg.norm(wide, 2, axis) if not isinstance(axis, tuple) else np.linalg.norm(wide.ravel()),
                               rtol=1e-6)


@pytest.mark.parametrize("function", [F.norm, F.std])
def test_what_has_no_second_derivative_has_nan(function):
    x = Variable(np.array([[2.0, 2.0], [1.0, 3.0]]) * (function is F.std))
    F.sum(function(x, axis=1) ** 2).backward(create_graph=True)
    g = x.grad
    assert np.isfinite(g.data).all()
    assert not g.data[0].any()
    x.cleargrad()
    F.sum(g * np.array([1.0, 2.0])).backward()
    assert np.isnan(x.grad.data[0]).all()
    assert np.isfinite(x.grad.data[1]).all() == (function is F.std)


def test_the_second_derivative_of_the_variance_of_equal_values():
    x = Variable(np.full(3, 0.1))
    F.var(x).backward(create_graph=True)
    g = x.grad
    assert not g.data.any()
    x.cleargrad()
    F.sum(g * np.array([1.0, 0, 0])).backward()
    np.testing.assert_allclose(x.grad.data, [4 / 9, -2 / 9, -2 / 9])


@pytest.mark.parametrize("function", [F.max, F.min])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_ties(function, dtype):
    sign = 1 if function is F.max else -1
    x = Variable(sign * np.array([[3, 1, 3], [2, 2, 2]], dtype))
    for ties, want in (("whole", [[1, 0, 1], [1, 1, 1]]), ("share", [[0.5, 0, 0.5], [1 / 3] * 3])):
        x.cleargrad()
        y = function(x, axis=1, ties=ties)
        F.sum(y).backward()
        assert x.grad.dtype == dtype
        np.testing.assert_allclose(x.grad.data, want, rtol=1e-6)
    x.cleargrad()
    function(F.stack([x, x]), ties="share").backward()
    np.testing.assert_allclose(x.grad.data, [[0.5, 0, 0.5], [0, 0, 0]])
    distinct = np.random.default_rng(0).permutation(12).reshape(3, 4) * 1.0
    assert gradient_check(lambda v: function(v, axis=0, ties="share") ** 2, distinct, order=2)
    with pytest.raises(ValueError, match="neither 'whole'"):
        function(x, ties="first")
