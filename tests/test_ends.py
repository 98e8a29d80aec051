"""Elementwise operations at the ends of their ranges: tiny, huge and infinite arguments, ties, jumps, and the point (0, 0).

Values and gradients against the true ones (mpmath), in both dtypes, and by both ways backwards.
"""

import math
import operator
import warnings
from decimal import Decimal

import mpmath
import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable

INF = np.inf
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


def gradients(function, *xs, create_graph=False, gy=None):
    """The gradients of function(*xs), which may be of Variables already."""
    vs = [Variable(x) for x in xs]
    y = function(*vs)
    if gy is not None:
        y.grad = Variable(gy)
    y.backward(create_graph=create_graph)
    return [v.grad for v in vs]


def spread(dtype, far, n=60, seed=0):
    """Numbers of every size from 1 / far to far, of both signs."""
    rng = np.random.default_rng(seed)
    return (rng.choice([-1.0, 1.0], n) * 10.0 ** rng.uniform(-far, far, n)).astype(dtype)


def square(x):
    return x * x


# name: the derivatives by argument, of mpmath's numbers; how far (powers of ten) arguments may go in float32; their map
TRUE = {
    "reciprocal": ([lambda x: -1 / square(x)], 18, None),
    "cbrt": ([lambda x: 1 / (3 * square(mpmath.cbrt(abs(x))))], 30, None),
    "log2": ([lambda x: 1 / (x * mpmath.log(2))], 36, np.abs),
    "log10": ([lambda x: 1 / (x * mpmath.log(10))], 36, np.abs),
    "exp2": ([lambda x: mpmath.log(2) * mpmath.power(2, x)], 1.5, None),
    "arcsinh": ([lambda x: 1 / mpmath.sqrt(1 + square(x))], 37, None),
    "arccosh": ([lambda x: 1 / mpmath.sqrt(square(x) - 1)], 37, lambda x: 1 + np.abs(x)),
    "arctanh": ([lambda x: 1 / (1 - square(x))], 6, lambda x: x / (1 + np.abs(x))),
    "arctan2": ([lambda a, b: b / (square(a) + square(b)), lambda a, b: -a / (square(a) + square(b))], 17, None),
    "hypot": ([lambda a, b: a / mpmath.hypot(a, b), lambda a, b: b / mpmath.hypot(a, b)], 17, None),
    "logaddexp": ([lambda a, b: 1 / (1 + mpmath.exp(b - a)), lambda a, b: 1 / (1 + mpmath.exp(a - b))], 1.5, None),
}


@pytest.mark.parametrize("name", TRUE)
@dtypes
def test_gradients_of_numbers_of_every_size(name, dtype):
    derivatives, far, to = TRUE[name]
    if dtype == np.float64 and far > 10:
        far *= 8
    xs = [spread(dtype, far, seed=k) for k in range(len(derivatives))]
    if to is not None:
        xs = [to(x) for x in xs]
        xs = [x[(x != 1) & (np.abs(x) != 1)] for x in xs]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = [gradients(getattr(F, name), *xs, create_graph=graph) for graph in (False, True)]
    with mpmath.workprec(300):
        for k, derivative in enumerate(derivatives):
            true = np.array([float(derivative(*[mpmath.mpf(float(v)) for v in point])) for point in zip(*xs, strict=True)])
            kept = np.abs(true) > np.finfo(dtype).tiny
            assert kept.mean() > 0.8
            for gxs in found:
                assert gxs[k].dtype == dtype
                np.testing.assert_allclose(gxs[k].data[kept], true[kept], rtol=12 * np.finfo(dtype).eps, atol=0)


def test_hypot_and_arctan2_where_squares_overflow():
    x, y = np.array([3e200, 3e-200, 1e-320, 1e308]), np.array([4e200, -4e-200, 2e-320, 1.0])
    assert np.array_equal(F.hypot(x, y).data, np.hypot(x, y))
    gx, gy = gradients(F.hypot, x, y)
    assert np.allclose(gx.data, [0.6, 0.6, 0.4472, 1], atol=1e-3)
    assert np.allclose(gy.data, [0.8, -0.8, 0.8944, 0], atol=1e-3)
    gx, gy = gradients(F.arctan2, x[:2], y[:2])
    assert np.allclose(gx.data, [0.16e-200, -0.16e200], rtol=1e-14)
    assert np.allclose(gy.data, [-0.12e-200, -0.12e200], rtol=1e-14)


@dtypes
@pytest.mark.parametrize("create_graph", [False, True])
@pytest.mark.parametrize("name", ["hypot", "arctan2"])
def test_the_point_zero_has_no_direction(name, create_graph, dtype):
    """Gradients of order 1 and 2 are 0 there, for each sign of the zeros, and without a warning."""
    a, b = np.array([0.0, -0.0, 0.0, -0.0], dtype), np.array([0.0, 0.0, -0.0, -0.0], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vs = [Variable(a), Variable(b)]
        y = getattr(F, name)(*vs)
        assert np.array_equal(y.data, getattr(np, name)(a, b))
        y.backward(create_graph=create_graph)
        first = [v.grad for v in vs]
        assert all(not g.data.any() for g in first)
        if create_graph:
            for v in vs:
                v.cleargrad()
            (first[0] + first[1]).backward()
            assert all(v.grad is None or not v.grad.data.any() for v in vs)


@pytest.mark.parametrize("create_graph", [False, True])
def test_infinite_lengths_and_angles(create_graph):
    a = np.array([INF, -INF, 1.0, INF, np.nan, np.nan, INF])
    b = np.array([1.0, 1.0, -INF, INF, 1.0, INF, np.nan])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ga, gb = gradients(F.hypot, a, b, create_graph=create_graph)
        assert np.array_equal(ga.data, [1, -1, 0, 1, np.nan, 0, 1], equal_nan=True)
        assert np.array_equal(gb.data, [0, 0, -1, 1, np.nan, 1, 0], equal_nan=True)
        ga, gb = gradients(F.arctan2, a[:5], b[:5], create_graph=create_graph)
        assert np.array_equal(ga.data, [0, 0, 0, 0, np.nan], equal_nan=True)
        assert np.array_equal(gb.data, [0, 0, 0, 0, np.nan], equal_nan=True)


def test_arctan2_in_every_quadrant():
    angle = np.linspace(-3.1, 3.1, 40)
    y, x = Variable(np.sin(angle)), Variable(np.cos(angle))
    t = F.arctan2(y, x)
    assert np.allclose(t.data, angle, rtol=1e-14)
    t.backward()
    assert np.allclose(y.grad.data, np.cos(angle), atol=1e-14)
    assert np.allclose(x.grad.data, -np.sin(angle), atol=1e-14)
    zeros = np.array([0.0, -0.0])
    assert np.array_equal(F.arctan2(zeros, np.array([-1.0, -1.0])).data, [np.pi, -np.pi])


@pytest.mark.parametrize("create_graph", [False, True])
def test_logaddexp_of_infinities(create_graph):
    a = np.array([INF, -INF, INF, -INF, 1.0, 1000.0, 0.0, 3.0, np.nan])
    b = np.array([INF, -INF, -INF, 1.0, INF, 999.0, 0.0, 3.0, 1.0])
    with np.errstate(invalid="ignore"):     # NumPy's loop compares with nan
        y = F.logaddexp(Variable(a), Variable(b))
        assert np.array_equal(y.data, np.logaddexp(a, b), equal_nan=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        gradients(F.logaddexp, a[:-1], b[:-1], create_graph=create_graph)
    with np.errstate(invalid="ignore"):
        ga, gb = gradients(F.logaddexp, a, b, create_graph=create_graph)
    half = 1 / (1 + np.exp(-1.0))
    assert np.allclose(ga.data, [0.5, 0.5, 1, 0, 0, half, 0.5, 0.5, np.nan], rtol=1e-15, equal_nan=True)
    assert np.allclose(gb.data, [0.5, 0.5, 0, 1, 1, 1 - half, 0.5, 0.5, np.nan], rtol=1e-14, equal_nan=True)


def test_second_derivatives_at_ties_of_logaddexp():
    """Equal numbers are no tie of infinities: the curvature there is a quarter."""
    for at in (0.0, 2.0, -5.0):
        a, b = Variable(np.array(at)), Variable(np.array(at))
        F.logaddexp(a, b).backward(create_graph=True)
        g = a.grad
        a.cleargrad()
        b.cleargrad()
        g.backward()
        assert (float(a.grad), float(b.grad)) == (0.25, -0.25)


# ---- rounding ------------------------------------------------------------------------------------------------------

WIDE = np.concatenate([np.arange(-40, 40) / 4, [0.0, -0.0, 1e15 + 0.5, 2.0**52 + 1, -(2.0**53), 1e300, -1e300, 5e-324, INF, -INF,
                                                np.nan, 0.49999999999999994, -0.49999999999999994, 4503599627370495.5]])


@dtypes
@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "rint", "round"])
def test_rounding_is_numpys_and_its_gradient_0(name, dtype):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        x = WIDE.astype(dtype)
        want = getattr(np, name)(x)
    for layout in (x, np.repeat(x, 2)[::2], x[::-1][::-1]):
        v = Variable(layout)
        y = getattr(F, name)(v)
        assert np.array_equal(y.data, want, equal_nan=True)
        assert np.array_equal(np.signbit(y.data), np.signbit(want))
        assert y.dtype == dtype
        y.backward()
        assert np.array_equal(v.grad.data, np.zeros_like(x))


@pytest.mark.parametrize("decimals", [-3, -1, 0, 1, 2, 7, 15, 22, 23, 30, np.int64(2)])
@dtypes
def test_round_to_decimals_is_numpys(decimals, dtype):
    x = np.random.default_rng(0).uniform(-2000, 2000, 300).astype(dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.array_equal(F.round(x, decimals).data, np.round(x, decimals), equal_nan=True)
        assert np.array_equal(F.Round(decimals)(Variable(x)).data, np.round(x, decimals), equal_nan=True)
    v = Variable(x[:3])
    if abs(decimals) < 9:
        (F.round(v, decimals) * v).backward()
        assert np.array_equal(v.grad.data, np.round(x[:3], decimals))


@pytest.mark.parametrize("decimals", [0.5, "2", None, 2.0])
def test_decimals_must_be_whole(decimals):
    with pytest.raises(TypeError, match=r"round: decimals is .* whole number"):
        F.round(Variable(np.ones(2)), decimals)


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "rint", "round"])
def test_rounding_of_integers_is_numpys(name):
    x = np.arange(-3, 4)
    y, want = getattr(F, name)(x), np.asarray(getattr(np, name)(x))
    assert y.dtype == want.dtype
    assert np.array_equal(y.data, want)
    assert F.round(np.array([1234, -1251]), -2).data.tolist() == np.round([1234, -1251], -2).tolist()


def test_python_rounds_variables():
    x = Variable(np.array([1.234, -2.5]))
    assert type(round(x)) is Variable
    assert round(x).data.tolist() == [1.0, -2.0]
    assert round(x, 1).data.tolist() == [1.2, -2.5]
    assert round(x, ndigits=None).creator.decimals == 0
    one = Variable(np.array(-1.5))
    assert (math.floor(one), math.ceil(one), math.trunc(one)) == (-2, -1, -1)
    with pytest.raises(TypeError):
        math.trunc(x)


# ---- remainders ----------------------------------------------------------------------------------------------------

NUMBERS = [5.5, -5.5, 3.0, -3.0, 0.3, 1e-300, 7, -7]
DIVISORS = [2.0, -2.0, 0.1, 3, -3]


@pytest.mark.parametrize("symbol", ["%", "//"])
@dtypes
def test_remainder_and_quotient_are_numpys(symbol, dtype):
    op, name = {"%": (operator.mod, "remainder"), "//": (operator.floordiv, "floor_divide")}[symbol]
    a = np.repeat(np.array([*NUMBERS, INF, -INF, 1.0, -1.0, np.nan, 0.0, -0.0], dtype), 9).reshape(-1, 9)
    b = np.array([*DIVISORS, INF, -INF, 0.0, np.nan], dtype)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        want = op(a, b)
        for y in (op(Variable(a), Variable(b)), op(Variable(a), b), op(a, Variable(b)), getattr(F, name)(a, b),
                  getattr(np, name)(Variable(a), b)):
            assert type(y) is Variable
            assert np.array_equal(y.data, want, equal_nan=True)
            assert np.array_equal(np.signbit(y.data[want == 0]), np.signbit(want[want == 0]))


def test_gradients_of_the_remainder():
    a, b = np.array(NUMBERS[:5]), np.array(DIVISORS)
    ga, gb = gradients(operator.mod, a, b, gy=np.arange(1.0, 6))
    assert np.array_equal(ga.data, np.arange(1.0, 6))
    assert np.array_equal(gb.data, -np.arange(1.0, 6) * (a // b))
    ga, gb = gradients(operator.floordiv, a, b)
    assert not ga.data.any()
    assert not gb.data.any()
    # a / b rounds to 3, where a % b is next to b: the gradient goes by the quotient that the remainder belongs to
    a, b = 0.3, 0.1
    assert a / b == 3.0 or a // b == 2.0
    _, gb = gradients(operator.mod, np.array(a), np.array(b))
    assert gb.data == -(a // b)


def test_remainders_with_numbers_on_either_side():
    x = Variable(np.array([5.0, -7.0]))
    for y, want, slope in [(x % 3, [2, 2], [1, 1]), (7 % x, [2, 0], [-1, 1]), (x // 3, [1, -3], [0, 0]),
                           (7 // x, [1, -1], [0, 0]), (divmod(x, 3)[1], [2, 2], [1, 1]), (divmod(7, x)[0], [1, -1], [0, 0])]:
        x.cleargrad()
        y.backward()
        assert y.data.tolist() == want
        assert x.grad.data.tolist() == slope
    x %= 4
    assert x.data.tolist() == [1.0, 1.0]
    x //= 0.5
    assert x.data.tolist() == [2.0, 2.0]
    whole = Variable(np.array([7, -7]))
    assert (whole % 3).dtype == np.int64
    assert (whole // 2).data.tolist() == [3, -4]
    assert (Variable(np.ones(2, np.float32)) % 0.3).dtype == np.float32
    for bad in ("text", Decimal, object()):
        for op in (operator.mod, operator.floordiv, divmod):
            with pytest.raises(TypeError):
                op(x, bad)


def test_complex_numbers_go_where_numpy_has_them():
    z = np.array([1 + 2j, -0.5j])
    for name in ("log2", "log10", "exp2", "arccosh", "arctanh", "reciprocal", "rint"):
        assert np.allclose(getattr(F, name)(z).data, getattr(np, name)(z), rtol=1e-15)
    for name in ("arcsinh", "cbrt", "floor", "ceil", "trunc"):
        with pytest.raises(TypeError, match=name):
            getattr(F, name)(z)
    for name in ("hypot", "arctan2", "logaddexp", "remainder", "floor_divide"):
        with pytest.raises(TypeError, match=name):
            getattr(F, name)(z, 2.0)


def test_reciprocal_of_integers_is_no_integer():
    v = Variable(np.array([2, -4]))
    for y in (F.reciprocal(v), np.reciprocal(v)):
        assert y.data.tolist() == [0.5, -0.25]
