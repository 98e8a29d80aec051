"""`func.root` and `func.fixed_point`: solutions, and their derivatives by the implicit function theorem."""

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Variable, func

A = np.array([1.0, 2.0])


def two(x, a):
    return F.stack([x[0] + x[1] * x[0] - a[0], x[1] - a[1] * F.sin(x[0])])


def weighted(a):
    return F.sum(func.root(two, np.array([0.3, 0.3]), a) * np.array([1.0, 2.0]))


def differences(f, x, h=1e-5):
    return np.array([(f(x + h * e) - f(x - h * e)) / (2 * h) for e in np.eye(len(x))])


def test_a_square_root_has_the_derivatives_of_one():
    def sqrt(a):
        return func.root(lambda x, a: x * x - a, 1.0, a)

    assert np.isclose(float(sqrt(2.0).data), np.sqrt(2), rtol=1e-15)
    expected = [0.5 * 2 ** -0.5, -0.25 * 2 ** -1.5, 0.375 * 2 ** -2.5]
    f = sqrt
    for want in expected:
        f = func.grad(f)
        assert np.isclose(float(f(2.0)), want, rtol=1e-13)
    a = Variable(np.array(2.0))
    sqrt(a).backward(create_graph=True)
    first = a.grad
    a.cleargrad()
    first.backward()
    assert np.isclose(float(a.grad.data), expected[1], rtol=1e-13)


def test_two_equations_by_differences_at_two_orders():
    x = func.root(two, np.array([0.3, 0.3]), A).data
    assert np.abs(two(x, A).data).max() < 1e-14
    assert np.allclose(func.grad(weighted)(A), differences(lambda a: float(weighted(a).data), A), rtol=1e-8)
    hessian = func.hessian(weighted)(A)
    assert np.allclose(hessian, differences(func.grad(weighted), A), rtol=1e-7)
    _, dy = func.jvp(weighted, (A,), (np.array([1.0, -0.5]),))
    assert np.isclose(float(dy), func.grad(weighted)(A) @ [1.0, -0.5], rtol=1e-12)


def test_against_jax():
    jax = pytest.importorskip("jax")
    jnp = jax.numpy
    with jax.enable_x64(True) if hasattr(jax, "enable_x64") else jax.experimental.enable_x64():
        def steps(a):       # Newton's method, differentiated as it stands
            def f(x):
                return jnp.stack([x[0] + x[1] * x[0] - a[0], x[1] - a[1] * jnp.sin(x[0])])

            x = jnp.array([0.3, 0.3])
            for _ in range(12):
                x = x - jnp.linalg.solve(jax.jacobian(f)(x), f(x))
            return x @ jnp.array([1.0, 2.0])

        expected = np.asarray(jax.grad(steps)(A)), np.asarray(jax.hessian(steps)(A))
    assert np.allclose(func.grad(weighted)(A), expected[0], rtol=1e-10)
    assert np.allclose(func.hessian(weighted)(A), expected[1], rtol=1e-9)


def test_trees_and_what_f_closes_over():
    k = dezero_c.Parameter(np.array(4.0))
    found = func.root(lambda p: {"u": p["u"] ** 2 - k, "v": p["v"] - p["u"] * np.ones(2)}, {"u": 1.0, "v": np.zeros(2)})
    assert np.isclose(float(found["u"].data), 2.0)
    assert found["v"].shape == (2,)
    F.sum(found["v"]).backward()
    assert np.isclose(float(k.grad.data), 2 * 0.25)
    with dezero_c.no_grad():
        assert func.root(lambda x: x * x - k, 1.0).creator is None


def test_fixed_points():
    def c(k):
        return func.fixed_point(lambda x, k: F.cos(k * x), 0.5, k)

    x = float(c(1.0).data)
    assert np.isclose(np.cos(x), x, rtol=1e-13)
    assert np.isclose(float(func.grad(c)(1.0)), -x * np.sin(x) / (1 + np.sin(x)), rtol=1e-12)
    second = float(func.grad(func.grad(c))(1.0))
    h = 1e-4
    assert np.isclose(second, float(func.grad(c)(1 + h) - func.grad(c)(1 - h)) / (2 * h), rtol=1e-6)
    w = np.array([[0.3, 0.1], [-0.2, 0.4]])

    def layer(w):       # a deep equilibrium layer
        return F.sum(func.fixed_point(lambda z: F.tanh(F.matmul(z, w) + 1.0), np.zeros((3, 2))))

    got = func.grad(layer)(w)
    expected = np.zeros((2, 2))
    for i in range(2):
        for j in range(2):
            e = np.zeros((2, 2))
            e[i, j] = 1e-6
            expected[i, j] = (float(layer(w + e).data) - float(layer(w - e).data)) / 2e-6
    assert np.allclose(got, expected, rtol=1e-6)


def test_float32():
    x = func.root(lambda x: x * x - 2, np.float32(1))
    assert x.dtype == np.float32
    assert np.isclose(float(x.data), np.sqrt(2), rtol=1e-6)


@pytest.mark.parametrize(("call", "error", "message"), [
    (lambda: func.root(lambda x: x * x + 1, 0.7), RuntimeError, "no step from|steps have left"),
    (lambda: func.root(lambda x: x * 0 + 1, 0.7), ValueError, "the Jacobian is singular"),
    (lambda: func.root(lambda x: x[0], np.ones(2)), ValueError, "as many equations as unknowns"),
    (lambda: func.root(lambda x: [x[0], x[1]], np.ones(2)), ValueError, r"as unknowns.*one array, as F.stack\(\[a, b\]\)"),
    (lambda: func.root(lambda x: np.array([x[0], x[1]]), np.ones(2)), TypeError, "np.array makes no array .*, F.stack"),
    (lambda: func.root(lambda x: F.log(x), -1.0), RuntimeError, r"not finite at x = \[-1.\]"),
    (lambda: func.fixed_point(lambda x, a: F.log(a) + x / 2, 1.0, -1.0), RuntimeError, "not defined for these arguments"),
    (lambda: func.root(1.0, lambda x: x), TypeError, "is no function"),
    (lambda: func.root(lambda x: x, 1j), TypeError, "give real numbers"),
    (lambda: func.root(lambda x: x, []), ValueError, "holds no number"),
    (lambda: func.root(lambda x: x, 1.0, tol=0), ValueError, "tol is 0"),
    (lambda: func.root(lambda x: x, 1.0, max_steps=0), ValueError, "max_steps is 0"),
    (lambda: func.fixed_point(lambda x: -x, 1.0, max_steps=50), RuntimeError, "no contraction"),
    (lambda: func.fixed_point(lambda x: x * x, 3.0), RuntimeError, "does not converge"),
    (lambda: dezero_c.capture(lambda a: func.root(lambda x: x * x - a, 1.0))(np.array(2.0)), TypeError, "call it outside"),
    (lambda: func.grad(lambda k: func.fixed_point(lambda x: x + 0 * k, 1.0))(0.0), ValueError, "at the solution is singular"),
])
def test_what_does_not_go_is_told(call, error, message):
    with pytest.raises(error, match=message), np.errstate(all="ignore"):
        call()
