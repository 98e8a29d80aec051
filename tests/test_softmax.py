"""Softmax, log-softmax and cross-entropy: what the records of test_functions.py do not say."""

import numpy as np
import pytest
import truth

import dezero_c.functions as F
from dezero_c import Variable
from dezero_c.utils import gradient_check

RNG = np.random.default_rng(9)


def reference(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@pytest.mark.parametrize("shape", [(3, 1), (1, 3), (5, 7), (4, 17), (2, 300), (3, 5000), (2, 3, 4)])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_both_ways_backwards(shape, axis, dtype):
    a = RNG.normal(size=shape).astype(dtype) * 3
    gy = RNG.normal(size=shape).astype(dtype)
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-14}
    for function, want in ((F.softmax, reference(a, axis)), (F.log_softmax, np.log(reference(a.astype(float), axis)))):
        gradients = []
        for create_graph in (False, True):
            x = Variable(a)
            y = function(x, axis)
            assert y.dtype == dtype
            assert np.allclose(y.data, want, **tolerance)
            y.grad = Variable(gy)
            y.backward(create_graph=create_graph)
            gradients.append(x.grad.data)
            assert x.grad.dtype == dtype
        assert np.allclose(*gradients, **tolerance)


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_gradients_are_added_and_shown_ones_stay(function):
    a, gy = RNG.normal(size=(2, 4, 5))
    x = Variable(a)
    y = function(x)
    y.grad = Variable(gy)
    y.backward()
    first = x.grad
    once = first.data.copy()
    z = function(x) + function(x[:, ::-1])[:, ::-1]
    z.grad = Variable(gy)
    z.backward()
    np.testing.assert_allclose(x.grad.data, 3 * once, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(first.data, once)


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_data_with_fewer_axes_than_at_forward(function):
    x = Variable(RNG.normal(size=(3, 4)))
    y = function(x)
    x.data = y.data = np.ones(5)
    y.grad = Variable(np.ones(5))
    with pytest.raises(ValueError, match="axis 1 is not one of the 1 axes that the data has now"):
        y.backward()
    assert x.grad is None


@pytest.mark.parametrize("axis", [1.0, None, (0, 1), True, "rows"])
def test_an_axis_is_one_int(axis):
    for function in (F.softmax, F.log_softmax):
        with pytest.raises(TypeError, match=function.__name__):
            function(np.ones((2, 3)), axis)
        assert function(np.ones((2, 3)), np.int64(1)).shape == (2, 3)


def test_the_last_axis_is_summed_as_numpy_does():
    """Apart from the exponentials, about a unit in the last place at most, and the factor 1 / sum, half of one."""
    for n in (1, 5, 8, 9, 16, 33, 129, 1000, 5000):
        x = RNG.normal(size=(2, n))
        below = x - x.max(axis=1, keepdims=True)
        e = np.array([float(truth.true_value("exp", (), v)) for v in below.flat]).reshape(x.shape)
        assert np.allclose(F.softmax(x).data, e / e.sum(axis=1, keepdims=True), rtol=6e-16, atol=0)
        x = x.astype(np.float32)
        assert np.allclose(F.softmax(x).data, reference(x.astype(np.float64), 1), rtol=5e-7, atol=0)


@pytest.mark.parametrize("n", [2, 10, 40, 5000])
def test_extreme_scores(n):
    x = np.zeros((3, n))
    x[0, 0], x[1, 1], x[2] = 1e4, -1e4, -1e6
    assert np.allclose(F.softmax(x).data.sum(axis=1), 1.0)
    assert F.softmax(x).data[0, 0] == 1.0
    assert np.all(np.isfinite(F.log_softmax(x).data))
    t = np.array([1, 1, 0])
    v = Variable(x)
    loss = F.softmax_cross_entropy(v, t)
    assert np.isclose(loss.data, (1e4 + (1e4 + np.log(n - 1)) + np.log(n)) / 3)
    loss.backward()
    assert np.all(np.isfinite(v.grad.data))
    masked = np.zeros((1, n))
    masked[0, 1:] = -np.inf
    assert F.softmax(masked).data[0].tolist() == [1.0] + [0.0] * (n - 1)


@pytest.mark.parametrize("labels", [np.int64, np.int32, np.uint8, np.uint64])
def test_labels_of_every_integer_type(labels):
    x = RNG.normal(size=(4, 3)).astype(np.float32)
    t = np.array([0, 2, 1, 1])
    want = -np.log(reference(x.astype(float), 1))[np.arange(4), t].mean()
    for target in (t.astype(labels), Variable(t.astype(labels)), t.astype(labels)[:, None], t.astype(labels).tolist()):
        v = Variable(x)
        loss = F.softmax_cross_entropy(v, target)
        assert loss.dtype == np.float32
        assert np.isclose(loss.data, want, rtol=1e-6)
        loss.backward()
        assert v.grad.dtype == np.float32
        assert v.grad.shape == (4, 3)
        assert np.allclose(v.grad.data, (reference(x, 1) - np.eye(3)[t]) / 4, atol=1e-6)


def test_the_gradient_follows_what_the_scores_are_at_backward():
    x = Variable(RNG.normal(size=(2, 3)))
    loss = F.softmax_cross_entropy(x, [0, 1])
    x.data[...] = 0.0
    loss.backward()
    assert np.allclose(x.grad.data, (np.full((2, 3), 1 / 3) - np.eye(3)[[0, 1]]) / 2)


@pytest.mark.parametrize(("t", "error", "match"), [
    ([0, 3], IndexError, r"label 3 .*\(2, 3\).*0 to 2"), ([0, -1], IndexError, r"label -1"),
    ([0.0, 1.0], TypeError, "float64"), ([True, False], TypeError, "bool"),
    ([0, 1, 2], ValueError, r"\(3,\).*\(2, 3\)"),
    (np.eye(3, dtype=int)[:2], ValueError, "argmax"),
])
@pytest.mark.parametrize("function", [F.softmax_cross_entropy, F.softmax_cross_entropy_simple])
def test_labels_that_do_not_fit(function, t, error, match):
    with pytest.raises(error, match=f"{function.__name__}.*{match}"):
        function(np.zeros((2, 3)), t)


def test_cross_entropy_at_three_orders():
    assert gradient_check(lambda x: F.softmax_cross_entropy(x, [1, 0, 2]), RNG.normal(size=(3, 4)), order=3)


def test_axes_that_do_not_fit():
    with pytest.raises(np.exceptions.AxisError, match=r"softmax.*axis 1.*\(3,\)"):
        F.softmax(np.zeros(3))
    with pytest.raises(TypeError, match=r"log_softmax.*int"):
        F.log_softmax(np.zeros((3, 3)), axis=(0, 1))
