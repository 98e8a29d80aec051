"""fft, ifft, rfft, irfft: every length, axis and norm as NumPy's; gradients of complex and real inputs, in their dtypes, against
the transform's matrix. Orders and layouts: tests/records.py."""

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable

RNG = np.random.default_rng(3)


def draw(shape, dtype):
    a = RNG.normal(size=shape) + 1j * RNG.normal(size=shape)
    return np.asarray(a if np.dtype(dtype).kind == "c" else a.real, dtype)


def gradient_by_matrix(transform, x, g):
    """dL / dx where dL is the real part of sum(g dy), from the transform of every unit (and of i times it)."""
    gx = np.zeros(x.shape, complex)
    for i in np.ndindex(x.shape):
        unit = np.zeros_like(x)
        unit[i] = 1
        gx[i] = np.sum(g * transform(unit)).real
        if x.dtype.kind == "c":
            gx[i] -= 1j * np.sum(g * transform(unit * 1j)).real
    return gx


@pytest.mark.parametrize("norm", [None, "backward", "ortho", "forward"])
@pytest.mark.parametrize("n", [None, 1, 2, 5, 6])
@pytest.mark.parametrize(("name", "dtypes"), [("fft", "fdFD"), ("ifft", "fdFD"), ("rfft", "fd"), ("irfft", "fdFD")])
def test_values_and_gradients(name, dtypes, n, norm):
    for dtype in dtypes:
        for shape, axis in (((2, 4), -1), ((3, 2), 0)):
            a = draw(shape, dtype)

            def transform(x, axis=axis):
                return getattr(np.fft, name)(x, n, axis, norm)

            want = transform(a)
            tol = 1e-4 if dtype in "fF" else 1e-12
            for way in (False, True):
                x = Variable(a)
                y = getattr(F, name)(x, n, axis, norm)
                assert y.dtype == want.dtype
                np.testing.assert_allclose(y.data, want, rtol=tol, atol=tol)
                g = draw(want.shape, want.dtype)
                y.grad = Variable(g)
                y.backward(create_graph=way)
                assert x.grad.dtype == a.dtype
                np.testing.assert_allclose(x.grad.data, gradient_by_matrix(transform, a, g), rtol=tol, atol=10 * tol)


def test_there_and_back():
    x = draw((3, 5), "d")
    np.testing.assert_allclose(F.ifft(F.fft(x)).data, x, atol=1e-14)
    np.testing.assert_allclose(F.irfft(F.rfft(x), 5).data, x, atol=1e-14)


def test_the_gradient_of_power():
    """Parseval: the sum of the squares of a spectrum is n times that of the values."""
    x = Variable(draw(6, "d"))
    y = F.fft(x)
    F.sum(F.real(y * F.conj(y))).backward(create_graph=True)
    np.testing.assert_allclose(x.grad.data, 12 * x.data, rtol=1e-12)
    g = x.grad
    x.cleargrad()
    F.sum(g * g).backward()
    np.testing.assert_allclose(x.grad.data, 288 * x.data, rtol=1e-12)


def test_integers_and_numbers():
    x = Variable(np.array([1, 2, 3]))
    y = F.fft(x)
    assert y.dtype == np.complex128
    F.sum(F.real(y)).backward()
    np.testing.assert_allclose(x.grad.data, [3, 0, 0], atol=1e-15)


@pytest.mark.parametrize("f", [F.FFT(0, "ortho"), F.IFFT(0), F.RFFT(0, "forward"), F.IRFFT(5, 0)], ids=lambda f: type(f).__name__)
def test_classes_called_directly(f):
    x = Variable(draw((3, 2), "d"))
    y = f(x)
    n = (f.n,) if isinstance(f, F.IRFFT) else (None,)
    np.testing.assert_allclose(y.data, getattr(np.fft, type(f).__name__.lower())(x.data, *n, 0, f.norm))
    F.sum(F.real(y)).backward()
    assert x.grad.dtype == np.float64
