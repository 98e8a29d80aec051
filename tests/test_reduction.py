"""sin, cos and tan of large numbers (src/kernels/math/far.c) against mpmath, which takes as many bits as it needs."""

import mpmath
import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable, no_grad

# Doubles that lie uncommonly near to a multiple of pi/2; of all doubles, the second one lies nearest.
NEAREST = [563416747700.2246, 6381956970095103 * 2.0**797, 5.319372648326541e255, 1e22]
LIMIT = {np.float32: 8192.0, np.float64: 1e6}


def units(name, x):
    """Distance from the true value, in units of its last place; x is an array of float32 or float64."""
    with no_grad():
        y = getattr(F, name)(Variable(x)).data
    assert y.dtype == x.dtype
    worst = 0.0
    with mpmath.workprec(1400):
        for at, got in zip(x.tolist(), y, strict=True):
            true = getattr(mpmath, name)(mpmath.mpf(at))
            place = float(np.spacing(np.abs(x.dtype.type(float(true)))))
            worst = max(worst, float(abs(mpmath.mpf(float(got)) - true)) / place)
    return worst


def next_to_multiples(x):
    """The number of x's dtype that is nearest to the multiple of pi/2 nearest to x, and both its neighbours."""
    with mpmath.workprec(1400):
        near = np.array([float(mpmath.nint(at / (mpmath.pi / 2)) * mpmath.pi / 2) for at in x.tolist()]).astype(x.dtype)
    inf = x.dtype.type(np.inf)
    return np.concatenate([near, np.nextafter(near, inf), np.nextafter(near, -inf)])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "bound"), [("sin", 1.0), ("cos", 1.0), ("tan", 2.0)])
def test_every_exponent(name, bound, dtype):
    rng = np.random.default_rng(5)
    exponents = np.arange(np.log2(LIMIT[dtype]) + 0.1, np.finfo(dtype).maxexp - 1)
    x = (2.0**exponents * rng.uniform(1, 2, exponents.size) * rng.choice([-1, 1], exponents.size)).astype(dtype)
    assert units(name, x) < bound
    assert units(name, next_to_multiples(x[::4])) < bound


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_the_nearest_to_a_multiple(name):
    assert units(name, np.array([s * x for x in NEAREST for s in (1, -1)])) < 1.0


def test_gradients_have_them_too():
    x = Variable(np.array(NEAREST))
    F.sum(F.sin(x)).backward(create_graph=True)
    assert np.array_equal(x.grad.data, F.cos(x).data)
    first = x.grad
    x.cleargrad()
    F.sum(first).backward()
    assert np.array_equal(x.grad.data, -F.sin(x).data)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_beside_small_ones_in_place_and_with_strides(name, dtype):
    """Chunks of both kinds; a value has the same bits wherever it stands."""
    x = np.random.default_rng(0).uniform(-3, 3, 700).astype(dtype)
    x[[0, 255, 256, 699]] = LIMIT[dtype] * 3
    f = getattr(F, name)
    with no_grad():
        whole = f(Variable(x)).data
        assert np.array_equal(f(Variable(np.repeat(x, 3)[::3])).data, whole) or name == "tan"  # NumPy's tan has two loops
        assert np.array_equal(whole[[0, 255, 256, 699]], np.full(4, f(Variable(np.array(x[0]))).data))
        assert np.array_equal(f(Variable(x[::-1])).data[::-1][[0, 255, 256, 699]], whole[[0, 255, 256, 699]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_infinity_is_nan_with_a_warning(name, dtype):
    for x in (np.array(np.inf, dtype), np.array([1, -np.inf, 1e7], dtype)):
        with no_grad(), pytest.warns(RuntimeWarning, match="invalid"):
            assert np.isnan(getattr(F, name)(Variable(x)).data).any()
