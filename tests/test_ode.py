"""`dezero_c.ode`: values, orders of convergence, derivatives of two orders, trees, checkpoints, dense output, errors."""

import tracemalloc
from typing import NamedTuple

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Variable, func
from dezero_c.ode import _C, _dense, odeint

A = np.array([1.5, 1.0, 3.0, 1.0])
Y0 = np.array([1.0, 1.2])
T = np.linspace(0.0, 2.0, 6)
METHODS = {"dopri5": {}, "dopri5, checkpoints": {"checkpoint": True}, "rk4": {"method": "rk4", "steps": 40},
           "rk4, checkpoints": {"method": "rk4", "steps": 40, "checkpoint": True}}
methods = pytest.mark.parametrize("how", METHODS)


def prey(y, t, a):
    """Lotka and Volterra's equations, with a season."""
    return F.stack([a[0] * y[0] - a[1] * y[0] * y[1] + 0.1 * F.sin(t), -a[2] * y[1] + a[3] * y[0] * y[1]])


def differences(f, x, h=1e-5):
    """The gradient of f by central differences."""
    x = np.asarray(x, float)
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(x.size)])


def weighted(y0, t, a, **how):
    return F.sum(odeint(prey, y0, t, a, **how) * np.arange(1.0, 13.0).reshape(6, 2))


@methods
def test_an_exponential(how):
    t = np.array([0.0, 0.3, 1.0, 2.5])
    y = odeint(lambda y, t, k: -k * y, 2.0, t, 0.7, **METHODS[how])
    assert y.shape == (4,)
    assert np.allclose(y.data, 2 * np.exp(-0.7 * t), rtol=1e-7)
    back = odeint(lambda y, t: -0.7 * y, y[-1], t[::-1], **METHODS[how])
    assert np.allclose(back.data[-1], 2.0, rtol=1e-6)


def test_the_dense_output_has_order_4():
    c = (0.0, *_C)
    for s in (0.1, 0.5, 0.8, 1.0):
        for q in range(4):
            assert np.isclose(sum(b * x ** q for b, x in zip(_dense(s), c, strict=True)), s ** (q + 1) / (q + 1), rtol=1e-13)


def test_rk4_has_order_4_and_dopri5_keeps_its_tolerance():
    exact = np.sin(3.0) + np.exp(-3.0)          # y' = cos t - exp(-t) - (y - sin t - exp(-t))

    def f(y, t):
        return F.cos(t) - F.exp(-t) - (y - F.sin(t) - F.exp(-t))

    errors = [abs(float(odeint(f, 1.0, [0.0, 3.0], method="rk4", steps=n)[-1].data) - exact) for n in (10, 20, 40)]
    assert 13 < errors[0] / errors[1] < 19
    assert 13 < errors[1] / errors[2] < 19
    for tol in (1e-4, 1e-7, 1e-10):
        y = odeint(f, 1.0, np.linspace(0, 3, 50), rtol=tol, atol=tol)
        t = np.linspace(0, 3, 50)
        assert np.abs(y.data - np.sin(t) - np.exp(-t)).max() < 30 * tol


@methods
def test_gradients_by_differences(how):
    keywords = METHODS[how]
    gy, gt, ga = func.grad(lambda y, t, a: weighted(y, t, a, **keywords), argnums=(0, 1, 2))(Y0, T, A)
    assert np.allclose(gy, differences(lambda y: float(weighted(y, T, A, **keywords).data), Y0), rtol=1e-5, atol=1e-5)
    assert np.allclose(ga, differences(lambda a: float(weighted(Y0, T, a, **keywords).data), A), rtol=1e-5, atol=1e-5)
    assert np.allclose(gt, differences(lambda t: float(weighted(Y0, t, A, **keywords).data), T), rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("how", ["dopri5", "rk4", "rk4, checkpoints", "dopri5, checkpoints"])
def test_second_derivatives_by_differences_of_gradients(how):
    gradient = func.grad(lambda a: weighted(Y0, T, a, **METHODS[how]))
    hessian = func.jacobian(gradient, mode="rev")(A)
    assert np.allclose(hessian, hessian.T, rtol=1e-6, atol=1e-6)
    expected = np.array([(gradient(A + 1e-5 * e) - gradient(A - 1e-5 * e)) / 2e-5 for e in np.eye(4)])
    assert np.allclose(hessian, expected, rtol=1e-4, atol=1e-3)


def test_against_jax():
    jax = pytest.importorskip("jax")
    jnp, jode = jax.numpy, pytest.importorskip("jax.experimental.ode")
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        def f(y, t, a):
            return jnp.stack([a[0] * y[0] - a[1] * y[0] * y[1] + 0.1 * jnp.sin(t), -a[2] * y[1] + a[3] * y[0] * y[1]])

        def theirs(y0, t, a):
            return jnp.sum(jode.odeint(f, y0, t, a, rtol=1e-10, atol=1e-10) * jnp.arange(1.0, 13.0).reshape(6, 2))

        expected = jax.grad(theirs, (0, 1, 2))(Y0, T, A)
        expected = [np.asarray(x) for x in expected]
    got = func.grad(lambda *x: weighted(*x, rtol=1e-10, atol=1e-10), argnums=(0, 1, 2))(Y0, T, A)
    for a, b in zip(got, expected, strict=True):
        assert np.allclose(a, b, rtol=1e-6, atol=1e-5)


class Pair(NamedTuple):
    x: object
    v: object


@methods
def test_trees(how):
    def f(s, t):
        return Pair(s.v, {"k": -4.0 * s.x, "rest": s.v * 0}["k"])

    y = odeint(f, Pair(np.array([[1.0, 0.5]]), np.zeros((1, 2))), T, **METHODS[how])
    assert isinstance(y, Pair)
    assert y.x.shape == y.v.shape == (6, 1, 2)
    assert np.allclose(y.x.data[:, 0], np.cos(2 * T)[:, None] * [1.0, 0.5], atol=1e-5)
    d = odeint(lambda s, t: {"a": s["b"], "b": -s["a"]}, {"a": 0.0, "b": 1}, [0.0, 1.0], **METHODS[how])
    assert np.allclose([d["a"].data[-1], d["b"].data[-1]], [np.sin(1), np.cos(1)], atol=1e-6)


def test_parameters_that_f_closes_over_get_gradients():
    k = dezero_c.Parameter(np.array(0.7))
    for keywords in METHODS.values():
        k.cleargrad()
        odeint(lambda y, t: -k * y, 2.0, [0.0, 1.0], **keywords)[-1].backward()
        assert np.isclose(float(k.grad.data), -2 * np.exp(-0.7), rtol=1e-6)


def test_dense_output():
    ys, sol = odeint(prey, Y0, [0.0, 2.0], A, dense_output=True)
    assert "steps" in repr(sol)
    fine = odeint(prey, Y0, T, A)
    assert np.allclose(sol(T).data, fine.data, atol=1e-7)
    assert np.allclose(sol(2.0).data, ys.data[-1], atol=1e-12)
    t = Variable(np.array(0.9))
    y = sol(t)
    y[0].backward()
    assert np.isclose(float(t.grad.data), float(prey(y, t, A)[0].data), rtol=1e-5)
    with pytest.raises(ValueError, match=r"t = 2\.5 is outside of 0 to 2"):
        sol(2.5)
    with pytest.raises(ValueError, match="a number, or an array of one axis"):
        sol(np.zeros((2, 2)))


def test_steps_do_not_depend_on_the_times():
    assert np.array_equal(odeint(prey, Y0, T, A).data[-1], odeint(prey, Y0, [0.0, 2.0], A).data[-1])


def test_dtypes():
    y = odeint(lambda y, t: -y, np.float32(1), [0.0, 1.0], rtol=1e-4, atol=1e-4)
    assert y.dtype == np.float32
    assert odeint(lambda y, t: -y, 1, [0.0, 1.0]).dtype == np.float64
    assert odeint(lambda y, t: -y, 3.0, [5.0]).data.tolist() == [3.0]


def test_rk4_is_captured():
    def end(y0, k):
        return odeint(lambda y, t: -k * y, y0, np.linspace(0, 1, 5), method="rk4", steps=3)[-1]

    captured = dezero_c.capture(func.value_and_grad(end, argnums=1))
    for k in (0.5, 0.7, 0.9, 1.1):
        expected = func.value_and_grad(end, argnums=1)(np.array(2.0), np.array(k))
        assert np.array_equal(captured(np.array(2.0), np.array(k)), expected)
    with pytest.raises(TypeError, match="use method='rk4'"):
        dezero_c.capture(lambda y: odeint(lambda y, t: -y, y, [0.0, 1.0]))(np.array(1.0))


def test_checkpoints_keep_less():
    size = 20_000

    def peak(checkpoint):
        y = Variable(np.ones(size))
        tracemalloc.start()
        F.sum(odeint(lambda y, t: -y * y, y, [0.0, 2.0], method="rk4", steps=100, checkpoint=checkpoint)[-1]).backward()
        found = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return found

    assert peak(True) < 0.35 * peak(False)


def test_nothing_is_recorded_where_nothing_is_wanted():
    with dezero_c.no_grad():
        y = odeint(prey, Y0, T, A)
    assert y.creator is None


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: odeint(Y0, prey, T), TypeError, r"the order is odeint\(f, y0, t"),
    (lambda: odeint(prey, Y0, T, A, method="euler"), ValueError, "there are 'dopri5' and 'rk4'"),
    (lambda: odeint(prey, Y0, [0.0, 1.0, 1.0], A), ValueError, "must be finite, and rise, or fall"),
    (lambda: odeint(prey, Y0, [0.0, np.nan], A), ValueError, "must be finite"),
    (lambda: odeint(prey, Y0, 1.0, A), ValueError, r"t has shape \(\)"),
    (lambda: odeint(lambda y, t: y[0], Y0, T), ValueError, r"shapes \[\(\)\] for a state of shapes \[\(2,\)\]"),
    (lambda: odeint(lambda t, y: y, Y0, T), ValueError, r"called as f\(y, t, \*args\)"),
    (lambda: odeint(lambda y, t: (y, y), Y0, T), TypeError, "for a state"),
    (lambda: odeint(lambda y, t: [y[1], -y[0]], Y0, T), TypeError, r"one array of shape \(2,\); .* F.stack\(\[a, b\]\)"),
    (lambda: odeint(lambda y, t: {"a": y["a"]}, {"a": Y0, "b": 1.0}, T), TypeError, "the derivative of each of its parts"),
    (lambda: odeint(lambda y, t: np.array([y[1], -y[0]]), Y0, T), TypeError, r"object; np.array makes no array .* F.stack"),
    (lambda: odeint(lambda y, t: y, Y0 + 0j, T), TypeError, "the real and the imaginary part"),
    (lambda: odeint(lambda y, t: y * np.nan, Y0, T), ValueError, "not finite at the start, t = 0"),
    (lambda: odeint(lambda y, t: y * y, 1.0, [0.0, 2.0]), RuntimeError, r"at t = 1: the solution has a singularity"),
    (lambda: odeint(lambda y, t: -1e6 * (y - F.cos(t)), 0.0, [0.0, 10.0], max_steps=200), RuntimeError, "200 steps .* stiff"),
    (lambda: odeint(prey, Y0, T, A, method="rk4", steps=0), ValueError, "a whole number, 1 at least"),
    (lambda: odeint(prey, Y0, T, A, method="rk4", dense_output=True), ValueError, "dense_output is dopri5's"),
    (lambda: odeint(prey, Y0, T, A, checkpoint=True, dense_output=True), ValueError, "one of the two"),
    (lambda: odeint(prey, Y0, T, A, rtol=0), ValueError, "rtol is 0"),
    (lambda: odeint(prey, Y0, T, A, rtol="a"), TypeError, "rtol is 'a'; give a number above 0"),
    (lambda: odeint(prey, Y0, T, A, max_steps=-1), ValueError, "max_steps is -1; give a number, 1 at least"),
    (lambda: odeint(prey, Y0, T, A, max_steps=0), ValueError, "max_steps is 0"),
    (lambda: odeint(prey, Y0, T, A, max_steps=2.5), RuntimeError, "2.5 steps"),
    (lambda: odeint(lambda y, t: -y, np.zeros(0), T), ValueError, r"y0 holds no number, its shapes are \[\(0,\)\]"),
    (lambda: odeint(prey, [], T, A), ValueError, "holds no number"),
])
def test_what_does_not_fit_is_told(call, error, message):
    with pytest.raises(error, match=message), np.errstate(all="ignore"):
        call()
