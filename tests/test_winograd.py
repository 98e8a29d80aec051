"""float32 convolutions with 3 x 3 windows over many channels: Winograd's F(2x4, 3x3) (src/dezero_c/_winograd.pxi).

The error against float64 beside that of the GEMM way, gradients of orders 1 and 2, what must go the GEMM way (nan, inf, values
too large or too small), the same bits in every SIMD level and with every number of threads.
"""

import os
import subprocess
import sys

import numpy as np
import pytest

import dezero_c.functions as F
import dezero_c.functions_conv as FC
from dezero_c import Variable
from dezero_c._core import build_info

# (N, C, H, W), C_out, pad; of all of them at least one of y, gx, gW goes by tiles
SHAPES = [
    ((2, 64, 28, 28), 64, 1), ((1, 64, 28, 28), 64, 1), ((1, 63, 39, 39), 65, 1), ((1, 65, 57, 58), 63, 0),
    ((1, 64, 31, 36), 63, 1), ((2, 32, 30, 31), 33, 2), ((4, 48, 18, 30), 32, 0), ((5, 40, 28, 28), 34, 1),
    ((1, 32, 56, 112), 32, 1), ((1, 256, 28, 28), 32, 1), ((1, 32, 28, 28), 256, 1), ((3, 32, 17, 33), 48, (0, 2)),
]
shapes = pytest.mark.parametrize(("shape", "filters", "pad"), SHAPES)
AWAY = np.float32(2.0 ** 45)    # times this, values are beyond what goes by tiles; a power of two, so that the GEMM's bits stay


def arrays(shape, filters, pad, positive=False, seed=3):
    rng = np.random.default_rng(seed)
    (n, c, h, w), (ph, pw) = shape, FC.pair(pad)
    x, W, gy = (rng.standard_normal(s).astype(np.float32) for s in (
        shape, (filters, c, 3, 3), (n, filters, h + 2 * ph - 2, w + 2 * pw - 2)))
    return (np.maximum(x, 0) if positive else x), W / np.float32(3 * np.sqrt(c)), gy


def products(x, W, gy, pad):
    """y, gx and gW."""
    y = FC.conv2d(vx := Variable(x), vW := Variable(W), None, 1, pad)
    y.grad = Variable(gy)
    y.backward()
    return y.data, vx.grad.data, vW.grad.data


def by_gemm(x, W, gy, pad):
    return [a / AWAY / AWAY for a in products(x * AWAY, W * AWAY, gy * AWAY, pad)]


def double(*arrays):
    return [a.astype(np.float64) for a in arrays]


@shapes
@pytest.mark.parametrize("positive", [False, True], ids=["normal", "relu"])
def test_the_error_is_within_four_times_that_of_the_gemm_way(shape, filters, pad, positive):
    xs = arrays(shape, filters, pad, positive)
    tiles, gemm, exact = products(*xs, pad), by_gemm(*xs, pad), products(*double(*xs), pad)
    taken = 0
    for a, b, e in zip(tiles, gemm, exact, strict=True):
        assert a.dtype == np.float32
        taken += not np.array_equal(a, b)
        a, b = a - e, b - e
        assert np.abs(a).max() <= 4 * np.abs(b).max()
        assert np.sqrt((a * a).mean()) <= 4 * np.sqrt((b * b).mean())
    assert taken


def test_which_shapes_stay_with_the_gemm():
    for shape, filters, pad in (((2, 31, 28, 28), 64, 1), ((2, 64, 28, 28), 31, 1), ((1, 64, 12, 12), 64, 1),
                                ((8, 64, 7, 7), 64, 1)):
        xs = arrays(shape, filters, pad)
        for a, b in zip(products(*xs, pad), by_gemm(*xs, pad), strict=True):
            np.testing.assert_array_equal(a, b)
    x, W, _ = arrays((2, 64, 28, 28), 64, 1)
    for w, kw in ((W, {"stride": 2}), (W, {"dilation": 2}), (W[:, :32], {"groups": 2}), (W[:, :, :2], {}), (W, {"pad": 3})):
        np.testing.assert_array_equal(FC.conv2d(x, w, **kw).data, FC.conv2d(x * AWAY, w, **kw).data / AWAY)


def test_bias_and_the_transposed():
    x, W, gy = arrays((2, 64, 28, 28), 48, 1)
    b = np.random.default_rng(5).standard_normal(48).astype(np.float32)
    np.testing.assert_array_equal(FC.conv2d(x, W, b, 1, 1).data, FC.conv2d(x, W, None, 1, 1).data + b.reshape(1, -1, 1, 1))
    np.testing.assert_array_equal(FC.deconv2d(gy, W, None, 1, 1).data, products(x, W, gy, 1)[1])
    np.testing.assert_array_equal(FC.Conv2DGradW((3, 3), 1, 1)(x, gy).data, products(x, W, gy, 1)[2])


@shapes
def test_gradients_by_finite_differences(shape, filters, pad):
    """sum(y^2 g) is quadratic in x and in W, its gradients are linear in each: central differences of any step are exact."""
    x, W, g = arrays(shape, filters, pad)
    rng = np.random.default_rng(11)
    p, q = rng.standard_normal(x.shape).astype(np.float32), rng.standard_normal(W.shape).astype(np.float32) / W[0].size

    def gradients(x, W, directions=None):
        vs = Variable(x), Variable(W)
        z = F.sum(FC.conv2d(*vs, None, 1, pad) ** 2 * g)
        z.backward(create_graph=directions is not None)
        if directions is None:
            return z, [v.grad.data for v in vs]
        s = sum(F.sum(v.grad * d) for v, d in zip(vs, directions, strict=True))
        for v in vs:
            v.cleargrad()
        s.backward()
        return s, [v.grad.data for v in vs]

    def along(a, b):
        return float((a.astype(np.float64) * b).sum())

    def value(x, W):
        return float((FC.conv2d(x, W, None, 1, pad).data.astype(np.float64) ** 2 * g).sum())

    scale = abs(value(np.abs(x), W)) + float((FC.conv2d(x, W, None, 1, pad).data.astype(np.float64) ** 2 * np.abs(g)).sum())
    first, fused = gradients(x, W)[1], gradients(x, W, (np.zeros_like(x), np.zeros_like(W)))
    assert not any(a.any() for a in fused[1])
    np.testing.assert_allclose(along(first[0], p), (value(x + p, W) - value(x - p, W)) / 2, rtol=1e-3, atol=1e-5 * scale)
    np.testing.assert_allclose(along(first[1], q), (value(x, W + q) - value(x, W - q)) / 2, rtol=1e-3, atol=1e-5 * scale)
    second = gradients(x, W, (p, q))[1]
    exact = gradients(*double(x, W), double(p, q))[1]
    for a, e in zip(second, exact, strict=True):
        assert np.abs(a - e).max() <= 1e-4 * np.abs(e).max()
    for v, d, up, down in ((second[0], p, (x + p, W), (x - p, W)), (second[1], q, (x, W + q), (x, W - q))):
        sides = [sum(along(a, b) for a, b in zip(gradients(*side)[1], (p, q), strict=True)) for side in (up, down)]
        np.testing.assert_allclose(along(v, d), (sides[0] - sides[1]) / 2, rtol=1e-3, atol=1e-5 * max(map(abs, sides)))


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 3e38, 1e30])
def test_what_one_pixel_holds_stays_in_its_windows(value):
    x, W, gy = arrays((2, 32, 28, 28), 32, 1)
    with np.errstate(all="ignore"):
        for k in range(3):
            xs = [x.copy(), W.copy(), gy.copy()]
            xs[k][1, 3, 1 if k == 1 else 5, 1 if k == 1 else 6] = value
            wide = [a.astype(np.longdouble) for a in xs]
            for a, e in zip(products(*xs, 1), products(*wide, 1), strict=True):
                e = e.astype(np.float32)
                np.testing.assert_array_equal(np.isfinite(a), np.isfinite(e))
                np.testing.assert_array_equal(np.isnan(a), np.isnan(e))
                near = np.isfinite(e) & (np.abs(e) < 1e10)
                np.testing.assert_allclose(a[near], e[near], rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("scale", [2.0 ** -61, 2.0 ** 41, 2.0 ** -100])
def test_values_too_small_or_too_large_go_by_gemm(scale):
    x, W, _ = arrays((2, 64, 28, 28), 64, 1)
    scale = np.float32(scale / np.abs(x).max())
    expected = FC.conv2d(x * scale, W * AWAY, None, 1, 1).data
    np.testing.assert_array_equal(FC.conv2d(x * scale, W, None, 1, 1).data, expected / AWAY)
    assert not FC.conv2d(0 * x, W, None, 1, 1).data.any()


def test_values_at_the_limits():
    x, W, gy = arrays((2, 64, 28, 28), 64, 1)
    for up in (2.0 ** 39, 2.0 ** -59):
        xs = [a * np.float32(up / np.abs(a).max()) for a in (x, W, gy)]
        for a, e in zip(products(*xs, 1), products(*double(*xs), 1), strict=True):
            assert np.isfinite(a).all()
            assert np.abs(a - e).max() <= 1e-5 * np.abs(e).max()


def test_other_layouts():
    x, W, gy = arrays((2, 64, 28, 28), 64, 1)
    for a, b in zip(products(np.asfortranarray(x), W[::-1][::-1], np.asfortranarray(gy), 1), products(x, W, gy, 1), strict=True):
        np.testing.assert_array_equal(a, b)


HASH = """
import hashlib, sys
sys.path.insert(0, sys.argv[1])
import test_winograd as t, dezero_c
dezero_c.set_num_threads(int(sys.argv[2]))
h = hashlib.sha256()
for shape, filters, pad in t.SHAPES[:6]:
    for a in t.products(*t.arrays(shape, filters, pad), pad):
        h.update(a.tobytes())
print(h.hexdigest())
"""


def bits(threads=1, **environment):
    run = subprocess.run([sys.executable, "-c", HASH, os.path.dirname(__file__), str(threads)], capture_output=True, text=True,
                         check=True, env={**os.environ, "OPENBLAS_NUM_THREADS": "1", **environment})
    return run.stdout.strip()


def test_the_same_bits_everywhere():
    """In every SIMD level, with threads, and where BLAS adds no products by itself; others where it is turned off."""
    levels = [bits(DEZERO_C_SIMD=level) for level in build_info()["simd_available"]]
    assert len({bits(), bits(2), bits(DEZERO_C_LOOPS="ufunc"), *levels}) == 1
    assert bits(DEZERO_C_WINOGRAD="0") != bits()


def test_turned_off():
    code = "import sys; sys.path.insert(0, sys.argv[1])\nimport test_winograd as t\nt.turned_off()"
    subprocess.run([sys.executable, "-c", code, os.path.dirname(__file__)], check=True,
                   env={**os.environ, "DEZERO_C_WINOGRAD": "0"})


def turned_off():
    xs = arrays((2, 64, 28, 28), 64, 1)
    for a, b in zip(products(*xs, 1), by_gemm(*xs, 1), strict=True):
        np.testing.assert_array_equal(a, b)
