"""gammaln, digamma, polygamma and ndtr (src/kernels/math/gamma.c): accuracy, limits, derivatives; and the other functions of
probability, logit and gelu_tanh, at the ends of their ranges. mpmath is the truth.
"""

import math
import warnings

import mpmath
import numpy as np
import pytest
from truth import GAMMA

import dezero_c.functions as F
from dezero_c import Variable, no_grad, utils

INF = np.inf


def value(name, x, *params):
    with no_grad():
        return getattr(F, name)(*params, Variable(x)).data


def worst(y, true, at_least=0.0):
    """The largest distance in units of the last place; of `at_least` where the true value is smaller (an array or a number)."""
    least = np.broadcast_to(at_least, y.shape)
    units = [abs(mpmath.mpf(float(a)) - t) / mpmath.mpf(float(np.spacing(y.dtype.type(max(abs(float(t)), low)))))
             for a, t, low in zip(y, true, least, strict=True)]
    return float(max(units))


def spread(low, high, n=120):
    rng = np.random.default_rng(n)
    return np.exp(rng.uniform(np.log(low), np.log(high), n)) if low > 0 and high / low > 1e3 else rng.uniform(low, high, n)


def true_values(name, xs, *params):
    if name == "gammaln":       # whose gamma would overflow
        return [mpmath.loggamma(mpmath.mpf(float(x))).real for x in xs]
    return [GAMMA[name](mpmath.mpf(float(x)), *params) for x in xs]


RIGHT = [(1e-300, 1e-3), (1e-3, 0.5), (0.5, 1), (1, 2), (2, 3), (3, 10), (10, 100), (100, 1e6), (1e6, 1e17), (1e17, 1e300)]


@pytest.mark.parametrize(("low", "high"), RIGHT)
@pytest.mark.parametrize("name", ["gammaln", "digamma"])
def test_units_in_the_last_place(name, low, high):
    x = spread(low, high)
    with mpmath.workprec(200):
        assert worst(value(name, x), true_values(name, x)) < 3


@pytest.mark.parametrize("name", ["gammaln", "digamma"])
def test_next_to_the_zeros(name):
    """gammaln's at 1 and 2 and digamma's at 1.46: all digits of what is small."""
    rng = np.random.default_rng(0)
    zeros = [1.0, 2.0] if name == "gammaln" else [1.4616321449683623]
    x = np.concatenate([zero + rng.choice([-1, 1], 60) * 10.0 ** rng.uniform(-15, -3, 60) for zero in zeros])
    x = x[value(name, x) != 0]
    with mpmath.workprec(300):
        assert worst(value(name, x), true_values(name, x)) < 3


@pytest.mark.parametrize("n", [1, 2, 3, 4, 10, 100])
def test_polygamma_on_the_right(n):
    x = np.concatenate([spread(low, high, 15) for low, high in ((0.1, 0.5), (0.5, 3), (3, 30), (30, 1000))])
    with mpmath.workprec(300):
        assert worst(value("polygamma", x, n), true_values("polygamma", x, n)) < (5 if n < 4 else n + 4)


def test_polygamma_where_its_factors_do_not_fit():
    """100! is 9e157, and 1e4 ** -101 no double."""
    with mpmath.workprec(200):
        true = mpmath.polygamma(100, mpmath.mpf(1e4))
        assert worst(value("polygamma", np.array([1e4]), 100), [true]) < 104


@pytest.mark.parametrize(("low", "high"), [(-1, 0), (-3, -1), (-10, -3), (-100, -10)])
def test_left_of_zero(low, high):
    """Within 8 units of the largest term of the reflection."""
    x = spread(low, high)
    with mpmath.workprec(200):
        terms = {"gammaln": lambda v: mpmath.loggamma(1 - v).real, "digamma": lambda v: mpmath.pi * mpmath.cot(mpmath.pi * v)}
        for name, term in terms.items():
            least = [max(1.0, abs(float(term(mpmath.mpf(v))))) for v in x]
            assert worst(value(name, x), [GAMMA[name](mpmath.mpf(v)) for v in x], least) < 8
        for n in (1, 2, 3, 4):
            least = [float(math.factorial(n) * max(mpmath.zeta(n + 1, v - math.floor(v)), mpmath.zeta(n + 1, math.ceil(v) - v)))
                     for v in x[:40]]
            assert worst(value("polygamma", x[:40], n), true_values("polygamma", x[:40], n), least) < 8


def test_poles_and_infinities():
    x = np.array([0.0, -0.0, -1.0, -2.0, -4503599627370497.0, INF, -INF, np.nan])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, params, want in (("gammaln", (), [INF, INF, INF, INF, INF, INF, INF, np.nan]),
                                   ("digamma", (), [-INF, INF, np.nan, np.nan, np.nan, INF, np.nan, np.nan]),
                                   ("polygamma", (1,), [INF, INF, INF, INF, INF, 0, np.nan, np.nan]),
                                   ("polygamma", (2,), [-INF, INF, np.nan, np.nan, np.nan, 0, np.nan, np.nan]),
                                   ("ndtr", (), [0.5, 0.5, *value("ndtr", x[2:4]), 0, 1, 0, np.nan])):
            for dtype in (np.float64, np.float32):
                got = value(name, x.astype(dtype), *params)
                assert np.array_equal(got, np.array(want, dtype), equal_nan=True)
            for one, w in zip(x, want, strict=True):
                assert np.array_equal(value(name, np.array(one), *params), w, equal_nan=True)


@pytest.mark.parametrize("n", [1, 5])
def test_warnings_tell_of_poles(n):
    def at(last):
        return np.append(np.ones(n - 1), last)

    for name, params, last, message in (("gammaln", (), 0.0, "divide by zero"), ("gammaln", (), -3.0, "divide by zero"),
                                        ("digamma", (), 0.0, "divide by zero"), ("digamma", (), -1.0, "invalid"),
                                        ("polygamma", (1,), -1.0, "divide by zero"), ("polygamma", (2,), -INF, "invalid")):
        with pytest.warns(RuntimeWarning, match=message):
            value(name, at(last), *params)
        with np.errstate(all="raise"), pytest.raises(FloatingPointError, match=message):
            value(name, at(last), *params)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, params in (("gammaln", ()), ("digamma", ()), ("polygamma", (2,)), ("ndtr", ())):
            for x in (np.nan, 0.5, 1e300, -0.5, INF, -50.25):
                value(name, at(x), *params)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_derivatives_of_gammaln_to_the_fourth(dtype):
    """Both ways backwards: digamma, and polygamma of the orders 1 to 3."""
    x = np.array([0.3, 1.0, 2.5, 11.0, -1.6], dtype)
    v = Variable(x)
    y = F.gammaln(v)
    for order in range(4):
        v.cleargrad()
        y.backward(create_graph=True)
        y = v.grad
        with mpmath.workprec(150):
            true = [float(mpmath.polygamma(order, mpmath.mpf(float(a)))) for a in x]
        assert y.dtype == dtype
        assert np.allclose(y.data, true, rtol=20 * np.finfo(dtype).eps)
    v.cleargrad()
    F.gammaln(v).backward()
    assert np.allclose(v.grad.data, value("digamma", x), rtol=2 * np.finfo(dtype).eps)
    w = Variable(x)
    F.polygamma(2, w).backward()
    assert np.allclose(w.grad.data, value("polygamma", x, 3), rtol=4 * np.finfo(dtype).eps)


@pytest.mark.parametrize("f", [F.gammaln, F.digamma, lambda x: F.polygamma(1, x), lambda x: F.polygamma(4, x), F.ndtr, F.logit,
                               F.gelu_tanh])
def test_finite_differences_of_three_orders(f):
    x = np.array([0.2, 0.41, 0.55, 0.83])
    assert utils.gradient_check(f, x, order=3, rtol=1e-4)


def test_orders_of_polygamma():
    x = Variable(np.array([0.7, 3.0]))
    assert np.array_equal(F.polygamma(0, x).data, F.digamma(x).data)
    assert F.polygamma(np.int64(2), x).creator.n == 2
    for bad in (-1, 101):
        with pytest.raises(ValueError, match=rf"polygamma: n is {bad}; orders from 0 to 100"):
            F.polygamma(bad, x)
    for bad in (1.5, "1", None):
        with pytest.raises(TypeError, match=r"polygamma: n is .* whole number"):
            F.polygamma(bad, x)
    with pytest.raises(TypeError, match="Variable"):
        F.polygamma(x, 1)
    y = F.polygamma(100, x)
    with pytest.raises(ValueError, match="n is 101"):
        y.backward(create_graph=True)


def test_integers_and_other_dtypes():
    for name, params in (("gammaln", ()), ("digamma", ()), ("polygamma", (1,)), ("ndtr", ()), ("logit", ()), ("gelu_tanh", ())):
        f = getattr(F, name)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            assert f(*params, np.array([1, 2], np.int8)).dtype == np.float64
            half = f(*params, np.array([0.5, 0.75], np.float16))
        assert half.dtype == np.float16
        assert np.allclose(half.data, f(*params, np.array([0.5, 0.75])).data, rtol=3e-3)
        with pytest.raises(TypeError, match=name):
            f(*params, np.array([1j]))
    v = Variable(np.array([3, 4]))
    y = F.gammaln(v)
    y.backward()
    assert np.allclose(y.data, np.log([2.0, 6.0]))


# ---- probability ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("low", "high"), [(-38, -20), (-20, -8), (-8, -3), (-3, 3), (3, 9)])
def test_the_normal_distribution_and_its_left_tail(low, high):
    x = spread(low, high)
    with mpmath.workprec(200):
        assert worst(value("ndtr", x), [mpmath.ncdf(mpmath.mpf(v)) for v in x]) < 4
        single = x[x > -13].astype(np.float32)
        if single.size:
            assert worst(value("ndtr", single), [mpmath.ncdf(mpmath.mpf(float(v))) for v in single]) < 0.6


def test_the_normal_distribution_far_out():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        v = Variable(np.array([-40.0, 40.0, -1e300, 1e300, 5e-324]))
        y = F.ndtr(v)
        assert y.data.tolist() == [0, 1, 0, 1, 0.5]
        assert F.ndtr(Variable(np.array(-37.5))).data > 0


def test_logit_inverts_sigmoid_to_the_last_digits():
    rng = np.random.default_rng(0)
    x = np.concatenate([rng.uniform(0, 1, 200), 0.5 + rng.choice([-1, 1], 60) * 10.0 ** rng.uniform(-15, -1, 60),
                        10.0 ** rng.uniform(-300, -1, 60), 1 - 10.0 ** rng.uniform(-15, -1, 60), [5e-324, 1e-310, 0.25, 0.75]])
    with mpmath.workprec(200), warnings.catch_warnings():
        warnings.simplefilter("error")
        assert worst(value("logit", x), [mpmath.log(mpmath.mpf(v)) - mpmath.log(1 - mpmath.mpf(v)) for v in x]) < 5
        single = x[:320].astype(np.float32)
        single = single[(single > 0) & (single < 1) & (single != 0.5)]
        true = [mpmath.log(mpmath.mpf(float(v))) - mpmath.log(1 - mpmath.mpf(float(v))) for v in single]
        assert worst(value("logit", single), true) < 5
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ends = value("logit", np.array([0.0, 1.0, 0.5, -1.0, 2.0]))
    assert np.array_equal(ends, [-INF, INF, 0, np.nan, np.nan], equal_nan=True)
    z = np.linspace(-30, 30, 61)
    assert np.allclose(value("logit", F.sigmoid(z).data)[:31], z[:31], rtol=1e-14)


def test_gelu_by_tanh():
    """The formula where it has its digits, the true value in the left tail, and nothing but 0 and x far out."""
    x = np.linspace(-4, 8, 100)
    y = F.gelu(x, approximate="tanh")
    assert type(y.creator) is F.GELUTanh
    assert np.array_equal(y.data, F.gelu_tanh(x).data)
    assert type(F.gelu(x, "none").creator) is F.GELU
    assert np.abs(y.data - F.gelu(x).data).max() < 5e-4
    tail = spread(-20, -4)
    with mpmath.workprec(3000):
        def true(v):
            return v * (1 + mpmath.tanh(mpmath.sqrt(2 / mpmath.pi) * (v + mpmath.mpf("0.044715") * v ** 3))) / 2
        for points in (x, tail):
            want = [float(true(mpmath.mpf(v))) for v in points]
            assert np.allclose(value("gelu_tanh", points), want, rtol=3e-13, atol=0)
        v = Variable(tail)
        F.gelu_tanh(v).backward()
        slopes = [float(mpmath.diff(true, mpmath.mpf(t))) for t in tail[:20]]
        assert np.allclose(v.grad.data[:20], slopes, rtol=1e-11, atol=0)
    v = Variable(np.array([1e300, 50.0, -50.0, -1e300]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for create_graph in (False, True):
            v.cleargrad()
            F.gelu_tanh(v).backward(create_graph=create_graph)
            assert v.grad.data.tolist() == [1, 1, 0, 0]
    assert F.gelu_tanh(v).data.tolist() == [1e300, 50, 0, 0]
    for bad in ("erf", None, True):
        with pytest.raises(ValueError, match=r"gelu: approximate is .*'none' or 'tanh'"):
            F.gelu(x, approximate=bad)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("params", [(), (7.0,), (0.0, 5.0), (0.0, None, -2), (1, np.float64(2), 3), (0.0, INF, -INF),
                                    (np.nan, 1.0)])
def test_numbers_in_place_of_nan_and_infinities(params, dtype):
    top, least = np.finfo(dtype).max, np.finfo(dtype).smallest_subnormal
    x = np.array([1.0, np.nan, INF, -INF, -0.0, top, -top, least], dtype)
    want = np.nan_to_num(x, True, *params)
    for layout in (x, np.repeat(x, 2)[::2]):
        for create_graph in (False, True):
            v = Variable(layout)
            y = F.nan_to_num(v, *params)
            assert y.dtype == dtype
            assert np.array_equal(y.data, want, equal_nan=True)
            assert np.array_equal(np.signbit(y.data), np.signbit(want))
            y.backward(create_graph=create_graph)
            assert v.grad.data.tolist() == [1, 0, 0, 0, 1, 1, 1, 1]
    for one, w in zip(x, want, strict=True):
        assert np.array_equal(F.nan_to_num(Variable(np.array(one)), *params).data, w, equal_nan=True)


def test_infinite_gradients_stop_at_nan_to_num():
    """The gradient of a number that is not finite is 0, whatever comes from above."""
    v = Variable(np.array([np.nan, INF, 2.0]))
    y = F.nan_to_num(v)
    y.grad = Variable(np.array([INF, np.nan, 3.0]))
    y.backward()
    assert v.grad.data.tolist() == [0, 0, 3]
    assert np.nan_to_num(Variable(np.array([3, 4]))).dtype == np.int64
