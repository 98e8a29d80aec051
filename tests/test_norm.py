"""batch_norm, layer_norm and dropout: statistics, modes and random numbers, which the records of test_functions.py
leave out.
"""

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Variable, using_config
from dezero_c.utils import gradient_check

RNG = np.random.default_rng(11)


@pytest.fixture(autouse=True)
def train():
    with using_config("train", True):
        yield


def reference(x, gamma, beta, mean, var, eps=2e-5):
    shape = (1, -1) + (1,) * (x.ndim - 2)
    return gamma.reshape(shape) * (x - mean.reshape(shape)) / np.sqrt(var.reshape(shape) + eps) + beta.reshape(shape)


@pytest.mark.parametrize("shape", [(5, 3), (100, 3), (4, 3, 5), (2, 3, 4, 5), (2, 3, 17, 19), (1, 3, 2), (2, 1, 40)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_train_mode(shape, dtype):
    x = (RNG.normal(size=shape) * 2 + 5).astype(dtype)
    c = shape[1]
    gamma, beta = RNG.normal(size=(2, c)).astype(dtype)
    mean, var = np.zeros(c, dtype), np.ones(c, dtype)
    axes = (0, *range(2, x.ndim))
    m, v = x.astype(float).mean(axis=axes), x.astype(float).var(axis=axes)
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    y = F.batch_nrom(x, gamma, beta, mean, var)
    assert y.dtype == dtype
    assert np.allclose(y.data, reference(x.astype(float), gamma, beta, m, v), rtol=tolerance, atol=tolerance)
    n = x.size // c
    assert np.allclose(mean, 0.1 * m, rtol=tolerance)
    assert np.allclose(var, 0.9 + 0.1 * v * n / max(n - 1, 1), rtol=tolerance)
    assert mean.dtype == dtype


@pytest.mark.parametrize("shape", [(5, 3), (4, 3, 5), (2, 3, 4, 5)])
@pytest.mark.parametrize("mode", ["train", "test"])
def test_both_ways_backwards_and_finite_differences(shape, mode):
    x, (gamma, beta) = RNG.normal(size=shape), RNG.normal(size=(2, 3))
    mean, var = RNG.normal(size=3), RNG.uniform(0.5, 2.0, 3)
    with using_config("train", mode == "train"):
        def f(x, gamma, beta):
            return F.batch_norm(x, gamma, beta, mean.copy(), var.copy())

        assert gradient_check(f, (x[:3, :, :2, :2] if x.ndim == 4 else x, gamma, beta), order=2 if x.ndim > 2 else 3)
        gy = RNG.normal(size=shape)
        gradients = []
        for create_graph in (False, True):
            inputs = [Variable(a) for a in (x, gamma, beta)]
            y = f(*inputs)
            y.grad = Variable(gy)
            y.backward(create_graph=create_graph)
            gradients.append([v.grad.data for v in inputs])
        assert all(np.allclose(a, b, rtol=1e-9, atol=1e-12) for a, b in zip(*gradients, strict=True))


def test_the_mode_of_the_call_counts_in_backward():
    x, (gamma, beta) = RNG.normal(size=(4, 3)), np.ones((2, 3))
    gradients = []
    for inside in (True, False):
        v = Variable(x)
        with dezero_c.test_mode():
            y = F.batch_norm(v, gamma, beta, np.zeros(3), np.ones(3))
            if inside:
                y.backward()
        if not inside:
            y.backward()
        gradients.append(v.grad.data)
    assert np.array_equal(*gradients)
    assert np.allclose(gradients[0], 1 / np.sqrt(1 + 2e-5))


def test_running_statistics_of_another_dtype():
    x = RNG.normal(size=(4, 3)).astype(np.float32)
    gamma, beta = np.ones(3, np.float32), np.zeros(3, np.float32)
    mean, var = np.zeros(3), np.ones(3)
    assert F.batch_norm(x, gamma, beta, mean, var).dtype == np.float32
    assert mean.dtype == np.float64
    with dezero_c.test_mode():
        v = Variable(x)
        y = F.batch_norm(v, gamma, beta, mean, var)
        y.backward()
    assert y.dtype == v.grad.dtype == np.float32


@pytest.mark.parametrize(("change", "match"), [
    ({"x": np.zeros(3)}, r"\(3,\)"), ({"gamma": np.ones(4)}, r"gamma of shape \(4,\).*3 channels"),
    ({"beta": np.ones((3, 3))}, r"beta of shape \(3, 3\)"), ({"mean": np.zeros(2)}, r"mean of shape \(2,\)"),
    ({"var": np.ones(1)}, r"var of shape \(1,\)"), ({"x": np.zeros((0, 3))}, "empty"),
    ({"mean": np.zeros(3, int)}, "mean must be a writable ndarray of floats"),
    ({"var": np.broadcast_to(1.0, 3)}, "var must be a writable"), ({"mean": [0.0, 0.0, 0.0]}, "mean must be"),
])
def test_bad_input_changes_nothing(change, match):
    args = {"x": np.ones((4, 3)), "gamma": np.ones(3), "beta": np.zeros(3), "mean": np.zeros(3), "var": np.ones(3)}
    args |= change
    before = {k: np.array(v) for k, v in args.items()}
    with pytest.raises((ValueError, TypeError), match=f"batch_norm.*{match}"):
        F.batch_norm(*args.values())
    assert all(np.array_equal(args[k], before[k]) for k in args)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_running_averages_move_whatever_holds_them(dtype):
    x, gamma, beta = RNG.normal(size=(7, 5)).astype(dtype), np.ones(5, dtype), np.zeros(5, dtype)
    m, v = RNG.normal(size=5).astype(dtype), RNG.uniform(1, 2, 5).astype(dtype)
    mean, var = np.zeros(5, dtype), np.zeros(5, dtype)
    F.batch_norm(x, gamma, beta, mean, var, 0.0)     # the batch's own
    want_m, want_v = 0.9 * m + 0.1 * mean, 0.9 * v + 0.1 * var
    for shape in ((5,), (1, 5), (5, 1), (1, 5, 1, 1)):
        for decay in (0.9, np.float64(0.9)):
            moved_m, moved_v = m.reshape(shape).copy(), v.reshape(shape).copy()
            F.batch_norm(x, gamma, beta, moved_m, moved_v, decay)
            assert np.allclose(moved_m.ravel(), want_m, rtol=1e-6)
            assert np.allclose(moved_v.ravel(), want_v, rtol=1e-6)
    both = np.ones(5, dtype)
    F.batch_norm(x, gamma, beta, both, both, 0.5)
    assert np.allclose(both, (0.5 + 0.5 * mean) * 0.5 + 0.5 * var, rtol=1e-6)
    masked = np.ma.array(m.copy(), mask=[True] + 4 * [False])
    F.batch_norm(x, gamma, beta, masked, v.copy())
    assert masked.data[0] == m[0]


def test_floating_point_errors_are_reported():
    x, one, zero = np.ones((4, 3)), np.ones(3), np.zeros(3)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        F.batch_norm(x, one, zero, zero.copy(), one.copy(), 0.9, 0.0)
    with np.errstate(all="raise"):
        with pytest.raises(FloatingPointError):
            F.batch_norm(x, one, zero, zero.copy(), one.copy(), 0.9, 0.0)
        F.batch_norm(x, one, zero, zero.copy(), one.copy())


def test_one_sample_has_no_variance():
    y = F.batch_norm(np.array([[3.0, 4.0]]), np.ones(2), np.ones(2), np.zeros(2), np.ones(2))
    assert y.data.tolist() == [[1.0, 1.0]]


@pytest.mark.parametrize(("shape", "features"), [((4, 6), (6,)), ((2, 3, 40), (40,)), ((2, 3, 4), (3, 4)),
                                                 ((5,), (5,))])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layer_norm(shape, features, dtype):
    x = (RNG.normal(size=shape) + 3).astype(dtype)
    gamma, beta = RNG.normal(size=(2, *features)).astype(dtype)
    axes = tuple(range(len(shape) - len(features), len(shape)))
    x64 = x.astype(float)
    want = gamma * (x64 - x64.mean(axis=axes, keepdims=True)) / np.sqrt(x64.var(axis=axes, keepdims=True) + 1e-5) + beta
    y = F.layer_norm(x, gamma, beta)
    assert y.dtype == dtype
    tolerance = 1e-4 if dtype == np.float32 else 1e-11
    assert np.allclose(y.data, want, rtol=tolerance, atol=tolerance)
    gradients = []
    gy = RNG.normal(size=shape).astype(dtype)
    for create_graph in (False, True):
        inputs = [Variable(a) for a in (x, gamma, beta)]
        y = F.layer_norm(*inputs)
        y.grad = Variable(gy)
        y.backward(create_graph=create_graph)
        gradients.append([v.grad.data for v in inputs])
    assert all(np.allclose(a, b, rtol=1e-3, atol=tolerance)
               for a, b in zip(*gradients, strict=True))
    with pytest.raises(ValueError, match=r"layer_norm.*gamma of shape \(7,\)"):
        F.layer_norm(x, np.ones(7), np.ones(7))


def test_dropout_draws_as_dezero_does():
    x = Variable(RNG.normal(size=(3, 4)))
    np.random.seed(7)
    y = F.dropout(x, 0.3)
    np.random.seed(7)
    mask = np.random.rand(3, 4) > 0.3
    assert np.array_equal(y.data, x.data * mask / 0.7)
    y.backward()
    assert np.array_equal(x.grad.data, mask / 0.7)
    assert gradient_check(F.Dropout(mask, 0.3), x.data, order=2)


def test_dropout_in_test_mode_is_nothing():
    x = Variable(np.ones(3))
    state = np.random.get_state()[1].tolist()
    with dezero_c.test_mode():
        assert F.dropout(x) is x
    assert np.random.get_state()[1].tolist() == state


def test_dropout_of_other_dtypes_and_shapes():
    assert F.dropout(np.ones((2, 2), np.float32)).dtype == np.float32
    assert F.dropout(np.ones((2, 2), np.float16)).dtype == np.float16
    assert F.dropout(np.ones((2, 2), int)).dtype == np.float64
    assert F.dropout(np.array(2.0)).shape == ()
    assert F.dropout(np.ones((0, 3))).shape == (0, 3)
    for ratio in (1.0, -0.1, 2, float("nan")):
        with pytest.raises(ValueError, match="dropout: ratio"):
            F.dropout(np.ones(3), ratio)


def test_running_statistics_may_change_between_forward_and_backward():
    """As they do when a model that was tried in test mode is trained on before the gradient is taken."""
    x = Variable(np.arange(12.0).reshape(4, 3))
    mean, var = np.ones(3), np.full(3, 2.0)
    results = []
    for change in (0, 5):
        gamma, beta = Variable(np.ones(3)), Variable(np.zeros(3))
        with dezero_c.test_mode():
            y = F.batch_norm(x, gamma, beta, mean, var)
        mean += change
        var += change
        F.sum(y).backward()
        results.append(gamma.grad.data)
    np.testing.assert_array_equal(*results)


WIDE = np.arange(-500, 500)       # its squares add up to more than float16 holds
ONES = np.ones(1000)
HALVES = {
    "layer_norm": (lambda x, c: F.layer_norm(x, c(ONES), c(0 * ONES)), WIDE[None]),
    "batch_norm": (lambda x, c: F.batch_norm(x, c([1]), c([0]), c([0]), c([1])), WIDE[:, None]),
    "LayerNorm": (lambda x, c: F.LayerNorm()(x, c(ONES), c(0 * ONES)), WIDE[None]),
    "BatchNorm": (lambda x, c: F.BatchNorm(c([0]), c([1]), 0.9, 2e-5)(x, c([1]), c([0])), WIDE[:, None]),
    "softmax": (lambda x, c: F.softmax(x)[:, :3], np.zeros((1, 70000))),
    "log_softmax": (lambda x, c: F.log_softmax(x)[:, :3], np.zeros((1, 70000))),
    "logsumexp": (lambda x, c: F.logsumexp(x), np.zeros(70000)),
    "LogSumExp": (lambda x, c: F.LogSumExp()(x), np.zeros(70000)),
    "Softmax": (lambda x, c: F.Softmax()(x)[:, :3], np.zeros((1, 70000))),
    "LogSoftmax": (lambda x, c: F.LogSoftmax()(x)[:, :3], np.zeros((1, 70000))),
    "norm": (lambda x, c: F.norm(x), WIDE), "norm of ones": (lambda x, c: F.norm(x), np.ones(70000)),
    "norm 3": (lambda x, c: F.norm(x, 3), WIDE), "Norm": (lambda x, c: F.Norm()(x), WIDE),
    "std": (lambda x, c: F.std(x), WIDE), "Std": (lambda x, c: F.Std()(x), WIDE),
    "var": (lambda x, c: F.var(x), WIDE // 4), "std of two": (lambda x, c: F.std(x), np.array([300, -300])),
}


@pytest.mark.parametrize("name", HALVES)
def test_float16_is_computed_in_float32(name):
    f, numbers = HALVES[name]

    def run(dtype):
        x = Variable(numbers.astype(dtype))
        y = f(x, lambda c: np.asarray(c, dtype))
        y.grad = Variable((100 * np.cos(np.arange(y.size))).reshape(y.shape).astype(dtype))
        if name[0].isupper():       # the classes' rules compute in float16
            return [y.data]
        y.backward(create_graph=True)
        g = x.grad
        x.cleargrad()
        F.sum(g * np.cos(np.arange(g.size)).reshape(g.shape).astype(dtype)).backward()
        return y.data, g.data, np.zeros(1, dtype) if x.grad is None else x.grad.data

    half, single = run(np.float16), run(np.float32)
    for ours, true in zip(half, single, strict=True):
        assert ours.dtype == np.float16
        np.testing.assert_allclose(ours, true.astype(np.float16), rtol=3e-3, atol=1e-3 * np.abs(true).max() + 6e-8)


def test_float16_beside_float32():
    x = Variable(np.ones((2, 3), np.float16))
    one, zero = np.ones(3, np.float32), np.zeros(3, np.float32)
    y = F.layer_norm(x, one, zero)
    assert y.dtype == F.batch_norm(x, one, zero, zero.copy(), one.copy()).dtype == np.float32
    y.backward()
    assert x.grad.dtype == np.float16
    with dezero_c.test_mode():       # eps is not lost beside a variance of 0
        y = F.batch_norm(x, *[a.astype(np.float16) for a in (one, zero, zero, zero)], eps=1e-8)
    np.testing.assert_allclose(y.data, 1e4, rtol=1e-3)


@pytest.mark.parametrize("n", [129, 4099, 100000])
def test_statistics_of_many_float32_rows(n):
    """As exact as means are; row after row all would be off by 1e-4 and more."""
    rng = np.random.default_rng(3)
    x = Variable((rng.standard_normal((n, 3)) + np.array([0.3, 1.6, 29])).astype(np.float32))
    gy = rng.standard_normal((n, 3)).astype(np.float32) + 1
    gamma, beta = Variable(np.ones(3, np.float32)), Variable(np.zeros(3, np.float32))
    mean, var = np.zeros(3, np.float32), np.ones(3, np.float32)
    y = F.batch_norm(x, gamma, beta, mean, var, decay=0.0)
    true = x.data.astype(np.float64)
    np.testing.assert_allclose(mean, true.mean(0), rtol=1e-6)
    np.testing.assert_allclose(var, true.var(0, ddof=1), rtol=3e-6)
    y.grad = Variable(gy)
    y.backward()
    wide = gy.astype(np.float64)
    np.testing.assert_allclose(beta.grad.data, wide.sum(0), rtol=2e-6)
    expected = (wide * (true - true.mean(0)) / np.sqrt(true.var(0) + 2e-5)).sum(0)
    np.testing.assert_allclose(gamma.grad.data, expected, atol=3e-6 * np.abs(wide).sum(0).max())


@pytest.mark.parametrize(("dtype", "big"), [(np.float32, 1e20), (np.float32, -1e37), (np.float64, 1e160), (np.float64, 1e306)])
def test_layer_norm_of_squares_that_overflow(dtype, big):
    numbers = np.array([[-1.0, 0.0, 1.0], [0.25, -0.5, 1.0], [2.0, 2.5, -1.0]])
    gamma, beta = np.array([1.0, 2.0, 3.0], dtype), np.ones(3, dtype)

    def run(scale, eps):
        x = Variable((numbers * scale).astype(dtype))
        y = F.layer_norm(x, gamma, beta, eps)
        y.grad = Variable(np.array([[1.0, 2.0, 4.0]] * 3, dtype) * dtype(abs(scale)))
        y.backward(create_graph=True)
        g = x.grad
        x.cleargrad()
        F.sum(g * np.array([[3.0, 1.0, -2.0]], dtype) * dtype(abs(scale) / 16)).backward()
        return y.data, g.data, x.grad.data * 16

    with np.errstate(over="raise"):
        found = run(big / 3, 1e-5)
    sign = np.sign(big)
    for ours, true in zip(found, run(sign, 0.0), strict=True):
        np.testing.assert_allclose(ours, true, atol=3e-5)
    x = Variable(np.array([[1.0, big, 2.0], [1.0, 2.0, 3.0]], dtype))
    y = F.layer_norm(x, beta, 0 * beta)
    np.testing.assert_allclose(y.data, np.array([[-0.5 ** 0.5, 2 ** 0.5, -0.5 ** 0.5], [-1.5 ** 0.5, 0, 1.5 ** 0.5]])
                               * [[sign], [1]], rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(("dtype", "big", "mend"), [(np.float32, 1e20, ", or give it as float64"), (np.float64, 1e160, "$")])
@pytest.mark.parametrize("more", [(), (5,)])
def test_batch_norm_of_a_variance_that_overflows(dtype, big, mend, more):
    x = np.zeros((3, 2, *more), dtype)
    x[0, 1] = big
    one, zero, mean, var = np.ones(2, dtype), np.zeros(2, dtype), np.zeros(2, dtype), np.ones(2, dtype)
    with pytest.raises(FloatingPointError, match="batch_norm: the variance of channel 1 .*is more than .*; scale x down" + mend):
        F.batch_norm(x, one, zero, mean, var)
    assert mean.tolist() == [0, 0]
    assert var.tolist() == [1, 1]
    x[0, 1] = np.inf
    with np.errstate(invalid="ignore"):
        assert np.isnan(F.batch_norm(x, one, zero, mean, var).data[:, 1]).any()
