"""The fused halves of an LSTM's step give the composed formulas' bits, values and gradients of every order."""

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable, no_grad
from dezero_c._recurrent import LSTMCell, LSTMOutput, lstm_cell, lstm_output
from dezero_c.utils import gradgradient_check, gradient_check

FUNCTIONS = {
    "cell": (lstm_cell, LSTMCell, 4, lambda f, i, u, c: F.sigmoid(f) * c + F.sigmoid(i) * F.tanh(u)),
    "output": (lstm_output, LSTMOutput, 2, lambda o, c: F.sigmoid(o) * F.tanh(c)),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients_are_those_of_the_formula(name, dtype):
    function, cls, n, formula = FUNCTIONS[name]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(7, 101), scale=3).astype(dtype) for _ in range(n)]
    gy = rng.normal(size=(7, 101)).astype(dtype)
    results = []
    for f in (function, formula):
        xs = [Variable(a) for a in arrays]
        y = f(*xs)
        y.grad = Variable(gy)
        y.backward()
        results.append([y.data, *[x.grad.data for x in xs]])
        if f is function:
            assert type(y.creator) is cls
    assert np.array_equal(results[0][0], results[1][0])
    for a, b in zip(*results, strict=True):
        assert a.dtype == dtype
        assert np.allclose(a, b, rtol=1e-5 if dtype == np.float32 else 1e-13, atol=1e-7 if dtype == np.float32 else 1e-15)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_order(name):
    function, _, n, _ = FUNCTIONS[name]
    rng = np.random.default_rng(1)
    xs = tuple(rng.normal(size=(2, 3)) for _ in range(n))
    gradient_check(function, xs)
    gradgradient_check(function, xs)
    vs = [Variable(x) for x in xs]
    F.sum(function(*vs)).backward(create_graph=True)
    fused = [Variable(x) for x in xs]
    F.sum(function(*fused)).backward()
    for a, b in zip(vs, fused, strict=True):
        assert np.allclose(a.grad.data, b.grad.data, rtol=1e-13)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_what_kernels_do_not_take_is_composed(name):
    function, cls, n, formula = FUNCTIONS[name]
    rng = np.random.default_rng(2)
    strided = [rng.normal(size=(6, 4)).T for _ in range(n)]
    mixed = [rng.normal(size=(4, 6)).astype(np.float32 if k else np.float64) for k in range(n)]
    stretched = [rng.normal(size=(4, 6) if k else 6) for k in range(n)]
    empty = [np.zeros((0, 3)) for _ in range(n)]
    for arrays in (strided, mixed, stretched, empty):
        with no_grad():
            y = function(*arrays)
            assert np.allclose(y.data, formula(*arrays).data, rtol=1e-6)
    with pytest.raises(ValueError, match="one shape and dtype"):
        cls().forward(*stretched)


def test_data_bound_anew_after_the_call():
    """The kept activations are of the call; other shapes go the general way, as for every operation."""
    o, c = Variable(np.ones((2, 3))), Variable(np.ones((2, 3)))
    y = lstm_output(o, c)
    o.data = np.ones((4, 3))
    y.grad = Variable(np.ones((2, 3)))
    with pytest.raises((ValueError, RuntimeError)):
        y.backward()
