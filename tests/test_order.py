"""sort, median, quantile, interp: ties, what is next to them, and dtypes. Values, orders and layouts: tests/records.py."""

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable, utils

RNG = np.random.default_rng(8)


@pytest.mark.parametrize("way", [False, True])
def test_equal_elements_have_the_gradients_of_their_places(way):
    x = Variable(np.array([2.0, 1.0, 2.0, 1.0]))
    (F.sort(x) * np.array([1.0, 10, 100, 1000])).backward(create_graph=way)
    assert x.grad.data.tolist() == [100, 1, 1000, 10]
    x.cleargrad()
    F.median(x).backward(create_graph=way)
    assert x.grad.data.tolist() == [0.5, 0, 0, 0.5]
    x.cleargrad()
    F.quantile(x, 0.5).backward(create_graph=way)
    assert x.grad.data.tolist() == [0.5, 0, 0, 0.5]


def test_equal_elements_give_their_own_value():
    for value in (0.1, 1 / 3, 1e-300, np.inf, -np.inf):
        x = np.full(7, value)
        for y in (F.quantile(x, np.linspace(0, 1, 23)), F.median(x), F.median(x[:6])):
            np.testing.assert_array_equal(y.data, value)


def test_quantile_at_a_whole_rank_is_the_element_though_the_next_be_infinite():
    x = Variable(np.array([1.0, np.inf, 0.0]))
    y = F.quantile(x, 0.5)
    assert y.data == 1
    y.backward()
    assert x.grad.data.tolist() == [1, 0, 0]


def test_nan_has_the_gradient_where_it_wins():
    x = Variable(np.array([[1.0, np.nan, 3.0], [1.0, 2.0, 3.0]]))
    F.sum(F.median(x, 1)).backward()
    assert x.grad.data.tolist() == [[0, 1, 0], [0, 1, 0]]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 9, 50])
def test_quantiles_of_float32_are_near_those_of_float64(n):
    a = RNG.normal(size=(n, 3)).astype(np.float32)
    q = np.linspace(0, 1, 13)
    for share in (q, q.astype(np.float32), Variable(q), Variable(q.astype(np.float32))):
        y = F.quantile(a, share, 0)
        assert y.dtype == np.float32
        np.testing.assert_allclose(y.data, np.quantile(a.astype(float), q, 0), rtol=1e-5, atol=1e-6)


def test_quantiles_share_has_a_gradient():
    a, q = RNG.permutation(12).reshape(4, 3) * 0.3, np.array([[0.2, 0.7]])
    assert utils.gradient_check(lambda x, s: F.sin(F.quantile(x, s, 0)), (a, q), order=2)
    s = Variable(q.astype(np.float32))
    F.quantile(a, s).backward()
    assert s.grad.dtype == np.float32


def test_slopes_at_the_points_of_interp():
    x = Variable(np.array([0.0, 1.0, 3.0, -1.0, 4.0]))
    F.sum(F.interp(x, [0.0, 1.0, 3.0], [0.0, 2.0, -2.0])).backward()
    assert x.grad.data.tolist() == [2, -2, -2, 0, 0]


def test_interp_of_complex_values_and_of_integers():
    fp = np.array([1 + 1j, 2.0, 3j])
    y = F.interp(np.array([0.5, 1.5]), [0, 1, 2], fp)
    np.testing.assert_allclose(y.data, np.interp([0.5, 1.5], [0, 1, 2], fp))
    assert F.interp(1, [0, 2], [3, 4]).data == 3.5
    assert F.interp(np.float32(0.5), np.float32([0, 2]), np.float32([3, 4])).dtype == np.float32


def test_percentiles_of_numpy_take_no_other_method():
    with pytest.raises(TypeError, match=r"np\.quantile: .*method"):
        np.quantile(Variable(np.ones(3)), 0.5, method="lower")
    with pytest.raises(TypeError, match=r"np\.interp: .*period"):
        np.interp(Variable(np.ones(3)), [0.0, 1.0], [0.0, 1.0], period=1.0)
