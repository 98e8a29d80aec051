"""Losses and accuracy: what the records of test_functions.py do not say."""

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable

RNG = np.random.default_rng(10)
LOSSES = [F.mean_squared_error, F.mean_squared_error_simple, F.mean_absolute_error, F.huber]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target", [np.int64, np.bool_, np.float32])
def test_integer_targets_leave_float32(loss, target):
    x = Variable(RNG.normal(size=(4, 3)).astype(np.float32))
    t = RNG.integers(0, 2, (4, 3)).astype(target)
    y = loss(x, t)
    assert y.dtype == np.float32
    y.backward()
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("loss", LOSSES)
def test_shapes_that_broadcast_give_gradients_in_the_shapes_of_the_inputs(loss):
    x, t = Variable(RNG.normal(size=(4, 3))), Variable(RNG.normal(size=(3,)))
    with pytest.warns(UserWarning, match=r"\(4, 3\) and \(3,\) differ and are broadcast"):
        loss(x, t).backward()
    assert x.grad.shape == (4, 3)
    assert t.grad.shape == (3,)
    assert np.allclose(t.grad.data, -x.grad.data.sum(axis=0))


@pytest.mark.parametrize("loss", LOSSES)
def test_bad_shapes(loss):
    with pytest.raises(ValueError, match=rf"{loss.__name__}.*\(4, 3\).*\(5,\)"):
        loss(np.zeros((4, 3)), np.zeros(5))
    with pytest.raises(ValueError, match=rf"{loss.__name__}.*\(0, 3\).*empty"):
        loss(np.zeros((0, 3)), np.zeros((0, 3)))


def test_mean_squared_error_divides_by_the_first_axis():
    assert F.mean_squared_error(np.ones((2, 5)), np.zeros((2, 5))).data == 5.0
    assert F.mean_squared_error(np.array(3.0), np.array(1.0)).data == 4.0
    x = Variable(np.arange(6.0).reshape(2, 3))
    F.mean_squared_error(x, np.zeros((2, 3))).backward()
    assert np.array_equal(x.grad.data, x.data)


def test_only_one_input_wants_a_gradient():
    for constant_first in (False, True):
        x, t = Variable(RNG.normal(size=(3, 2))), RNG.normal(size=(3, 2))
        (F.mean_squared_error(t, x) if constant_first else F.mean_squared_error(x, t)).backward()
        assert np.allclose(x.grad.data, (x.data - t) * 2 / 3)


def test_large_scores_are_finite():
    x = Variable(np.array([[1000.0], [-1000.0], [0.0]]))
    t = np.array([[0], [1], [1]])
    y = F.sigmoid_cross_entropy(x, t)
    assert np.isclose(y.data, (2000 + np.log(2)) / 3)
    y.backward()
    assert np.allclose(x.grad.data, np.array([[1.0], [-1.0], [-0.5]]) / 3)


def test_targets_are_reshaped_as_in_dezero():
    x = RNG.normal(size=(4, 1))
    t = np.array([0, 1, 1, 0])
    p = 1 / (1 + np.exp(-x[:, 0]))
    want = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    assert np.isclose(F.sigmoid_cross_entropy(x, t).data, want)
    assert np.isclose(F.binary_cross_entropy(p[:, None], t).data, want)


def test_binary_cross_entropy_cuts_off_where_dezero_does():
    assert F.binary_cross_entropy(np.array([1.0]), np.array([0.0])).data == pytest.approx(-np.log(1 - 0.999))
    assert F.binary_cross_entropy(np.array([0.0]), np.array([1.0])).data == pytest.approx(-np.log(1e-15))


def test_accuracy():
    y = np.array([[0.2, 0.8, 0.0], [0.1, 0.9, 0.0], [0.8, 0.1, 0.1]])
    for t in (np.array([1, 2, 0]), Variable(np.array([1, 2, 0])), [1, 2, 0], np.array([[1], [2], [0]])):
        result = F.accuracy(Variable(y), t)
        assert result.data == 2 / 3
        assert result.creator is None
    with pytest.raises(ValueError, match=r"accuracy.*\(2,\).*\(3, 3\)"):
        F.accuracy(y, [1, 2])
    with pytest.raises(ValueError, match=r"accuracy.*argmax"):
        F.accuracy(y, np.eye(3))
    with pytest.raises(ValueError, match=r"accuracy.*\(3,\)"):
        F.accuracy(y[0], [1, 2, 0])


def test_huber_delta():
    with pytest.raises(ValueError, match=r"huber.*delta"):
        F.huber(np.ones(3), np.ones(3), 0.0)
    d = np.array([-3.0, -0.5, 0.0, 2.0])
    assert F.huber(d, np.zeros(4), 1.0).data == pytest.approx((2.5 + 0.125 + 0 + 1.5) / 4)
