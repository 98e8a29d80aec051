"""The functions that are our own (src/kernels/math/elementary.h): accuracy, limits, neighbours, warnings."""

import warnings

import mpmath
import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable, no_grad
from dezero_c._core import build_info, select_simd

RANGES = {
    "exp": [(-708, 708), (-2, 2), (-745, -700), (700, 709.7)],
    "expm1": [(-40, 40), (-1, 1), (-1e-9, 1e-9), (700, 709.7)],
    "log": [(1e-300, 1e300), (0.3, 3), (0.999, 1.001), (5e-324, 1e-307)],
    "log1p": [(-0.99, 100), (-0.5, 1), (-1e-12, 1e-12), (1e15, 1e300)],
    "tanh": [(-25, 25), (-1, 1), (0.17, 0.18), (0.6, 0.65), (18, 21), (-1e-300, 1e-300)],
    "sin": [(-1e6, 1e6), (-4, 4), (1e6, 1e9)],
    "cos": [(-1e6, 1e6), (-4, 4), (1e6, 1e9)],
    "sigmoid": [(-700, 700), (-3, 3), (-745, -700)],
}
LIMITS = {
    "exp": [708, -708, 709.78, 709.79, -745, -746],
    "expm1": [708, -708, 709.78, 709.79, -40],
    "log": [2.2250738585072014e-308, 5e-324, 0.0, -0.0, -1.0, 1.7976931348623157e308],
    "log1p": [-1.0, -0.9999999999999999, -2.0, 1.7976931348623157e308, 1.1102230246251565e-16],
    "tanh": [0.625, -0.625, 18.5, 18.7, 19.06, 19.07, 20, 20.5, -22, 1e308],
    "sin": [1e6, -1e6, 1000000.0000000001, 1e22],
    "cos": [1e6, -1e6, 1000000.0000000001, 1e22],
}
EVERYWHERE = [0.0, -0.0, np.nan, np.inf, -np.inf, 1.0, -1.0, 5e-324, -5e-324]


def value(name, x):
    with no_grad():
        return getattr(F, name)(Variable(x)).data


def exact(name, x):
    """The value in extended precision, whose own error does not show in a double."""
    x = x.astype(np.longdouble)
    if name == "sigmoid":
        return 1 / (1 + np.exp(-x))
    return getattr(np, name)(x)


def spread(low, high, n=20_000):
    rng = np.random.default_rng(n)
    if low > 0 and high / low > 1e3:
        return np.exp(rng.uniform(np.log(low), np.log(high), n))
    return rng.uniform(low, high, n)


@pytest.mark.skipif(np.finfo(np.longdouble).nmant < 63, reason="long double is no wider than double here")
@pytest.mark.parametrize(("name", "low", "high"), [(name, *r) for name, rs in RANGES.items() for r in rs])
def test_units_in_the_last_place(name, low, high):
    x = spread(low, high)
    true = exact(name, x)
    error = np.abs(value(name, x) - true) / np.spacing(np.abs(true.astype(np.float64)))
    assert error.max() < {"sigmoid": 2.3, "expm1": 1.3, "tanh": 1.7 if build_info()["simd"] == "base" else 1.25}.get(name, 1.1)


@pytest.mark.parametrize("name", LIMITS)
def test_limits_and_special_values_are_numpys(name):
    x = np.array(LIMITS[name] + EVERYWHERE)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x)
        got = value(name, x)
        assert np.allclose(got, expected, rtol=3e-16, atol=0, equal_nan=True)
        assert np.array_equal(np.signbit(got), np.signbit(expected)) or name == "log"  # the sign of nan apart
        for one, want in zip(x, got, strict=True):
            assert np.array_equal(value(name, np.array(one)), want, equal_nan=True)


@pytest.mark.parametrize("name", LIMITS)
def test_a_value_does_not_depend_on_its_neighbours(name):
    """A chunk with an element beyond the limits takes another way, with the same bits."""
    x = np.abs(np.random.default_rng(0).uniform(0.1, 5, 2000))
    clean = value(name, x)
    with np.errstate(all="ignore"):
        for strange in (np.nan, np.inf, -1e300):
            mixed = x.copy()
            mixed[[3, 700, 1999]] = strange
            got = value(name, mixed)
            same = np.ones(2000, bool)
            same[[3, 700, 1999]] = False
            assert np.array_equal(got[same], clean[same])
            assert np.array_equal(value(name, np.repeat(mixed, 2)[::2]), got, equal_nan=True)  # with a stride
    assert [value(name, np.array(v)) for v in x[:50]] == list(clean[:50])


@pytest.mark.parametrize("n", [1, 5])
def test_warnings_are_numpys(n):
    for name, at, message in (("exp", 710.0, "overflow"), ("expm1", 710.0, "overflow"), ("log", 0.0, "divide by zero"),
                              ("log", -1.0, "invalid"), ("log1p", -1.0, "divide by zero"), ("sin", np.inf, "invalid")):
        x = np.ones(n)
        x[-1] = at
        with pytest.warns(RuntimeWarning, match=message):
            value(name, x)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name in RANGES:
            value(name, np.array([np.nan, 0.5])[:n])
        for name in ("exp", "expm1", "tanh", "sigmoid"):
            value(name, np.array([-np.inf, -1e3, -750.0]))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_no_warning_comes_from_what_the_core_is_not_made_for(dtype):
    """A chunk that holds values beyond the core's limits: it must not be run on them, not even for nothing."""
    top = np.finfo(dtype).max
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for name, far in (("sin", [top, -top, top / 1e9]), ("cos", [top, top / 1e9]), ("log", [5e-324, 1e-45]),
                          ("log1p", [1e-30]), ("exp", [-top, -800]), ("expm1", [-top, -800]), ("sigmoid", [top, -top]),
                          ("tanh", [top, -top])):
            for n in (2, 3, 9, 300):
                x = Variable(np.resize(np.array([0.5, *far], dtype), n))
                if name == "log" and dtype == np.float32:
                    x.data[x.data == 0] = 1e-45
                y = getattr(F, name)(x)
                if name not in ("log", "exp", "expm1"):     # whose own derivatives do overflow there
                    F.sum(y).backward()


def test_sigmoid_far_out():
    """Where tanh(x / 2) / 2 + 1/2 is 0 or a multiple of 2^-53, the value is still right, and its logarithm finite."""
    x = np.array([-40.0, -100.0, -700.0])
    assert np.allclose(value("sigmoid", x), np.exp(x), rtol=1e-15, atol=0)
    assert value("sigmoid", np.array([-800.0, 800.0, -np.inf, np.inf])).tolist() == [0, 1, 0, 1]


RANGES_F32 = {
    "exp": [(-87, 87), (-2, 2), (-103, -86), (86, 88.7)],
    "log": [(1e-37, 1e38), (0.3, 3), (0.999, 1.001), (1e-45, 1e-38)],
    "tanh": [(-10, 10), (-1, 1), (0.17, 0.18), (0.6, 0.65), (8, 9.2), (-1e-30, 1e-30)],
    "log1p": [(-0.99, 100), (-0.5, 1), (-1e-6, 1e-6), (1e7, 1e38)],
    "sin": [(-8192, 8192), (-4, 4), (3.1415, 3.1417), (8192, 1e6), (-1e-30, 1e-30)],
    "cos": [(-8192, 8192), (-4, 4), (1.5707, 1.5709), (8192, 1e6)],
    "sigmoid": [(-87, 87), (-3, 3)],
}


@pytest.mark.parametrize(("name", "low", "high"), [(name, *r) for name, rs in RANGES_F32.items() for r in rs])
def test_units_in_the_last_place_of_float32(name, low, high):
    x = spread(low, high).astype(np.float32)
    true = exact(name, x.astype(np.float64))
    error = np.abs(value(name, x) - true) / np.spacing(np.abs(true).astype(np.float32))
    assert error.max() < (2.1 if name == "sigmoid" else 1.6)


@pytest.mark.parametrize("name", ["sin", "cos"])
def test_float32_next_to_the_zeros(name):
    """Where the reduced argument is smallest, the parts of pi/2 are seen."""
    k = np.arange(-5215, 5216)
    near = (k * (np.pi / 2)).astype(np.float32)
    x = np.concatenate([near, np.nextafter(near, np.float32(np.inf)), np.nextafter(near, np.float32(-np.inf))])
    true = exact(name, x.astype(np.float64))
    error = np.abs(value(name, x) - true) / np.spacing(np.abs(true).astype(np.float32))
    assert error.max() < 1.6


@pytest.mark.parametrize("name", ["exp", "log", "log1p", "sin", "cos", "tanh"])
def test_limits_and_special_values_of_float32(name):
    x = np.array([87, -87, 88.7, 88.8, -103.9, -104.5, 0.625, 9.1, 1.1754944e-38, 1e-45, -1, 3e38, *EVERYWHERE[:5]], np.float32)
    with np.errstate(all="ignore"):
        expected = getattr(np, name)(x.astype(np.float64)).astype(np.float32)
        got = value(name, x)
        assert np.allclose(got, expected, rtol=2e-7, atol=1e-45, equal_nan=True)
        for one, want in zip(x, got, strict=True):
            assert np.array_equal(value(name, np.array(one)), want, equal_nan=True)
        mixed = np.abs(np.random.default_rng(0).uniform(0.1, 5, 2000)).astype(np.float32)
        clean = value(name, mixed)
        mixed[[3, 700]] = np.nan
        assert np.array_equal(np.delete(value(name, mixed), [3, 700]), np.delete(clean, [3, 700]))


WHOLE = [3, 4, 5, 7, 8, 13, 31, -2, -3, -4, -7, -31]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("c", WHOLE)
def test_whole_exponents_are_multiplied_out_and_rounded_once(c, dtype):
    x = np.concatenate([spread(0.3, 3, 300), -spread(0.9, 1.1, 211)]).astype(dtype)
    got = (Variable(x) ** c).data
    with mpmath.workprec(200):
        for at, y in zip(x.tolist(), got, strict=True):
            true = mpmath.mpf(at) ** c
            assert abs(mpmath.mpf(float(y)) - true) <= 0.51 * float(np.spacing(np.abs(dtype(float(true)))))
    assert np.array_equal([(Variable(np.array(v)) ** c).data for v in x[:40]], got[:40])
    assert np.array_equal((Variable(np.repeat(x, 2)[::2]) ** c).data, got)
    before, seen = build_info()["simd"], set()
    try:
        for level in build_info()["simd_available"]:
            select_simd(level)
            seen.add((Variable(x) ** c).data.tobytes())
    finally:
        select_simd(before)
    assert len(seen) == 1           # base too: what rounding loses is exact there as well


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_whole_exponents_at_the_ends_of_the_range_are_numpys(dtype):
    """Results that are tiny, huge, infinite or nan among others, with NumPy's warnings and the sign of zero."""
    f = np.finfo(dtype)
    x = np.array([0, -0.0, np.inf, -np.inf, np.nan, f.tiny, f.smallest_subnormal, f.max, -f.max, f.max ** dtype(0.3), 1.5, -2,
                  f.tiny ** dtype(0.4)], dtype)
    for c in WHOLE:
        with np.errstate(all="ignore"):
            expected, got = x ** dtype(c), (Variable(x) ** c).data
            assert np.allclose(got, expected, rtol=4 * f.eps, atol=0, equal_nan=True)
            assert np.array_equal(np.signbit(got[:-1]), np.signbit(expected[:-1]))
            for one, want in zip(x, got, strict=True):
                assert np.array_equal((Variable(np.array(one)) ** c).data, want, equal_nan=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Variable(np.array([np.inf, 1, np.nan, 0, -0.0], dtype)) ** 3
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        Variable(np.array([0, 1], dtype)) ** -3
    with pytest.warns(RuntimeWarning, match="overflow"):
        Variable(np.array([f.max, 1], dtype)) ** 3
