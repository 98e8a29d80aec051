"""dezero_c.func: transforms against closed forms, differences and each other; trees, dtypes, warnings, errors; and that
nothing of the caller's is changed. Every operation in both modes: test_func_ops.py; functions with rules of their own:
test_func_custom.py.
"""

import gc
import threading
import warnings
import weakref
from collections import namedtuple
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import dezero_c
import dezero_c.functions as F
from dezero_c import Variable, _pull, func, models
from dezero_c.func import _sparsity

RNG = np.random.default_rng(3)
Point = namedtuple("Point", "a b")


@dataclass
class Weights:
    W: object
    b: object
    name: str = "dense"


def rosenbrock(x):
    return F.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


def rosenbrock_hessian(x):
    n = len(x)
    H = np.zeros((n, n))
    for i in range(n - 1):
        H[i, i] += 2 - 400 * (x[i + 1] - 3 * x[i] ** 2)
        H[i + 1, i + 1] += 200
        H[i, i + 1] = H[i + 1, i] = -400 * x[i]
    return H


def quadratic(A, b):
    return lambda x: 0.5 * np.dot(x, F.matmul(A, x)) + F.sum(b * x)


def differences(f, x, h=1e-6):
    """The Jacobian of a function of arrays, by central differences."""
    columns = []
    for e in range(x.size):
        step = np.zeros(x.size)
        step[e] = h
        columns.append((f(x + step.reshape(x.shape)) - f(x - step.reshape(x.shape))) / (2 * h))
    return np.stack(columns, -1).reshape(np.shape(columns[0]) + x.shape)


# ---- closed forms


def test_gradient_of_numbers_and_arrays():
    assert func.grad(lambda x: x ** 3)(2.0) == 12
    assert type(func.grad(lambda x: x ** 3)(2.0)) is np.ndarray
    x = RNG.standard_normal(5)
    np.testing.assert_allclose(func.grad(lambda x: np.sum(np.sin(x) * x))(x), np.cos(x) * x + np.sin(x), rtol=1e-14)


def test_higher_orders_by_nesting():
    f = lambda x: x ** 5  # noqa: E731
    for order, expected in enumerate([5 * 2 ** 4, 20 * 2 ** 3, 60 * 2 ** 2, 120 * 2, 120]):
        g = f
        for _ in range(order + 1):
            g = func.grad(g)
        assert g(2.0) == expected


def test_an_inner_transform_sees_the_outer_one():
    assert func.grad(lambda x: x * func.grad(lambda y: y ** 3 * x)(2.0))(3.0) == 72     # d/dx 12 x^2
    assert func.grad(lambda x: func.jvp(lambda y: y ** 2 * x, x, x)[1])(2.0) == 24      # d/dx 2 x^3
    _, dy = func.jvp(lambda x: func.grad(lambda y: F.sin(y) * x)(x), 0.3, 1.0)
    assert abs(dy - (np.cos(0.3) - 0.3 * np.sin(0.3))) < 1e-15
    assert func.grad(lambda x: func.vjp(lambda y: y * x, x)[1](x)[0])(3.0) == 6
    assert func.grad(lambda x: func.linearize(lambda y: y * x, x)[1](x))(3.0) == 6
    assert func.grad(lambda x: func.grad(lambda y: y * x)(x) ** 2)(3.0) == 6     # not confused: inner gradient is x, not 2 x
    assert func.grad(lambda x: x * func.grad(lambda y: x + y)(1.0))(1.0) == 1


def test_hessians_of_closed_forms():
    A, b = RNG.standard_normal((6, 6)), RNG.standard_normal(6)
    x = RNG.standard_normal(6)
    np.testing.assert_allclose(func.hessian(quadratic(A, b))(x), (A + A.T) / 2, atol=1e-12)
    np.testing.assert_allclose(func.hessian(lambda x: F.sum(F.exp(x)))(x), np.diag(np.exp(x)), atol=1e-12)
    e = np.exp(x - x.max())
    p = e / e.sum()
    np.testing.assert_allclose(func.hessian(F.logsumexp)(x), np.diag(p) - np.outer(p, p), atol=1e-12)
    y = RNG.standard_normal(100)
    np.testing.assert_allclose(func.hessian(rosenbrock)(y), rosenbrock_hessian(y), rtol=1e-12, atol=1e-12)
    n = np.linalg.norm(x)
    expected = np.eye(6) / n - np.outer(x, x) / n ** 3
    np.testing.assert_allclose(func.hessian(lambda x: F.sqrt(F.sum(x * x)))(x), expected, atol=1e-12)


def test_jacobian_hessian_and_products_agree():
    x, v = RNG.standard_normal(7), RNG.standard_normal(7)

    def f(x):
        return F.sum(F.tanh(x[1:] * x[:-1]) + F.exp(0.3 * x[1:])) * F.sum(x)

    H = func.hessian(f)(x)
    np.testing.assert_allclose(H, H.T, atol=1e-12)
    for mode in ("auto", "rev", "fwd"):
        np.testing.assert_allclose(func.jacobian(func.grad(f), mode=mode)(x), H, atol=1e-12)
    np.testing.assert_allclose(func.jacrev(func.jacfwd(f))(x), H, atol=1e-12)
    np.testing.assert_allclose(func.hvp(f, x, v), H @ v, atol=1e-12)
    np.testing.assert_allclose(func.jvp(func.grad(f), x, v)[1], H @ v, atol=1e-12)
    np.testing.assert_allclose(func.grad(lambda x: F.sum(func.grad(f)(x) * v))(x), H @ v, atol=1e-12)
    np.testing.assert_allclose(H, differences(func.grad(f), x), atol=1e-6)


def test_third_order_of_a_hessian():
    x = np.array([0.4, -0.7])
    T = func.jacobian(func.hessian(lambda x: F.sum(x ** 3) * x[0]))(x)
    expected = np.zeros((2, 2, 2))      # of x0^4 + x0 x1^3
    expected[0, 0, 0] = 24 * x[0]
    expected[1, 1, 1] = 6 * x[0]
    for place in [(0, 1, 1), (1, 0, 1), (1, 1, 0)]:
        expected[place] = 6 * x[1]
    np.testing.assert_allclose(T, expected, atol=1e-12)


def test_jacobian_shapes():
    x = RNG.standard_normal((2, 3))
    for mode in ("rev", "fwd"):
        J = func.jacobian(lambda x: F.matmul(x, np.ones((3, 4))), mode=mode)(x)
        assert J.shape == (2, 4, 2, 3)
        np.testing.assert_array_equal(J[1, 2], [[0, 0, 0], [1, 1, 1]])
    assert func.jacobian(lambda x: x[:0])(np.ones(3)).shape == (0, 3)
    assert func.jacobian(lambda x: x * 2)(np.ones(0)).shape == (0, 0)
    assert func.jacobian(lambda x: x * 2)(3.0).shape == ()


def test_jacobians_of_trees():
    def f(p, t):
        return {"sum": p["a"] + p["b"], "product": F.sum(p["a"] * p["b"]) * t}

    a, b = np.array([1.0, 2.0]), np.array([3.0, 4.0])
    for mode in ("rev", "fwd", "auto"):
        J = func.jacobian(f, mode=mode)({"a": a, "b": b}, 2.0)
        np.testing.assert_array_equal(J["sum"]["a"], np.eye(2))
        np.testing.assert_array_equal(J["product"]["b"], 2 * a)
        Jp, Jt = func.jacobian(f, (0, 1), mode)({"a": a, "b": b}, 2.0)["product"]
        np.testing.assert_array_equal(Jp["a"], 2 * b)
        assert Jt == 11
    H = func.hessian(lambda p: F.sum(p["a"] ** 2 * p["b"]))({"a": a, "b": b})
    np.testing.assert_array_equal(H["a"]["a"], np.diag(2 * b))
    np.testing.assert_array_equal(H["a"]["b"], np.diag(2 * a))
    np.testing.assert_array_equal(H["b"]["b"], np.zeros((2, 2)))


def test_elementwise_grad():
    x = RNG.standard_normal((2, 3))
    np.testing.assert_allclose(func.elementwise_grad(F.tanh)(x), 1 - np.tanh(x) ** 2, rtol=1e-14)
    np.testing.assert_allclose(func.elementwise_grad(func.elementwise_grad(F.sin))(x), -np.sin(x), rtol=1e-14)


# ---- against other packages


def test_against_jax():
    jax = pytest.importorskip("jax")
    jax.config.update("jax_enable_x64", True)
    jnp = jax.numpy
    W, x = RNG.standard_normal((4, 3)), RNG.standard_normal(4)

    def f(np, x):
        return np.sum(np.tanh(np.matmul(x, W)) ** 2) * np.exp(x[0])

    mine, theirs = (lambda x: f(np, x)), (lambda x: f(jnp, x))
    np.testing.assert_allclose(func.grad(mine)(x), jax.grad(theirs)(x), rtol=1e-12)
    np.testing.assert_allclose(func.hessian(mine)(x), jax.hessian(theirs)(x), rtol=1e-11, atol=1e-12)
    for ours, other in zip(func.jvp(mine, (x,), (W[:, 0],)), jax.jvp(theirs, (x,), (W[:, 0],)), strict=True):
        np.testing.assert_allclose(ours, other, rtol=1e-12)


# ---- laws

FUNCTIONS = [F.sin, F.exp, F.tanh, lambda x: x * x, lambda x: F.sum(x) * x, lambda x: x[::-1] * 2.0, lambda x: F.cumsum(x, 0),
             lambda x: F.concatenate([x[1:], x[:1]]) * x]
several = st.sampled_from(FUNCTIONS)
arrays = st.lists(st.floats(-1.5, 1.5), min_size=1, max_size=5).map(np.array)
laws = settings(max_examples=40, deadline=None)


@laws
@given(several, several, arrays)
def test_gradient_of_a_sum(f, g, x):
    both = func.grad(lambda x: F.sum(f(x)) + F.sum(g(x)))(x)
    np.testing.assert_allclose(both, func.elementwise_grad(f)(x) + func.elementwise_grad(g)(x), rtol=1e-12, atol=1e-12)


@laws
@given(several, several, arrays)
def test_chain_rule(f, g, x):
    y = f(Variable(x)).data
    for mode in ("rev", "fwd"):
        together = func.jacobian(lambda x: g(f(x)), mode=mode)(x)
        chained = func.jacobian(g, mode=mode)(y) @ func.jacobian(f, mode=mode)(x)
        np.testing.assert_allclose(together, chained, rtol=1e-9, atol=1e-9)


@laws
@given(several, arrays, st.integers(1, 4))
def test_vmap_is_f_of_each(f, x, n):
    xs = np.stack([x * (k + 1) for k in range(n)])
    ys, gs = func.vmap(f)(xs), func.vmap(func.grad(lambda x: F.sum(f(x))))(xs)
    for y, g, each in zip(ys, gs, xs, strict=True):
        np.testing.assert_array_equal(y, f(Variable(each)).data)
        np.testing.assert_array_equal(g, func.grad(lambda x: F.sum(f(x)))(each))


@laws
@given(several, several, arrays)
def test_modes_are_transposes(f, g, x):
    h = lambda x: g(f(x))  # noqa: E731
    dx, u = np.cos(x + 1), np.sin(3 * x + 2)
    _, dy = func.jvp(h, x, dx)
    y, pull = func.vjp(h, x)
    there, back = np.sum(np.resize(u, y.shape) * dy), np.sum(pull(np.resize(u, y.shape))[0] * dx)
    assert abs(there - back) <= 1e-10 * (1 + abs(there))
    push = func.linearize(h, x)[1]
    np.testing.assert_array_equal(push(dx), dy)
    np.testing.assert_allclose(push(2 * dx), 2 * dy, rtol=1e-13, atol=1e-13)


@laws
@given(several, several, arrays)
def test_orders_one_and_two_against_differences(f, g, x):
    h = lambda x: F.sum(F.sin(g(f(x))))  # noqa: E731
    scale = 1 + np.abs(func.hessian(h)(x)).max()
    np.testing.assert_allclose(func.grad(h)(x), differences(lambda x: h(Variable(x)).data, x), rtol=1e-4, atol=1e-5 * scale)
    np.testing.assert_allclose(func.hessian(h)(x), differences(func.grad(h), x), rtol=1e-3, atol=1e-4 * scale ** 2)


# ---- arguments and results


def test_argnums_aux_and_keywords():
    def f(x, n, y, scale=1.0):
        assert isinstance(n, int)
        return scale * x * y ** n, {"x": x, "n": n, "text": "kept"}

    value, (gx, gy) = func.value_and_grad(lambda *a, **k: f(*a, **k)[0], argnums=(0, 2))(2.0, 3, 2.0, scale=10.0)
    assert (value, gx, gy) == (160, 80, 240)
    (value, aux), g = func.value_and_grad(f, argnums=-1, has_aux=True)(2.0, 3, 2.0)
    assert (value, g) == (16, 24)
    assert aux["n"] == 3
    assert aux["text"] == "kept"
    assert type(aux["x"]) is float      # not differentiated: as it was
    assert isinstance(func.grad(f, has_aux=True)(2.0, 3, 2.0)[1]["x"], np.ndarray)
    assert isinstance(func.grad(f, argnums=(0,), has_aux=True)(2.0, 3, 2.0)[0], tuple)
    y, pull, aux = func.vjp(lambda x: (x * 2, x + 1), 3.0, has_aux=True)
    assert (y, pull(1.0), aux) == (6, (2,), 4)
    assert func.jvp(lambda x: (x * 2, "aux"), 3.0, 1.0, has_aux=True) == (6, 2, "aux")


def test_names_and_docstrings_are_those_of_f():
    assert func.grad(rosenbrock).__name__ == "rosenbrock"
    assert func.hessian(rosenbrock).__qualname__ == "rosenbrock"


def test_trees():
    a, b = np.array([1.0, 2.0]), np.array([3.0, 5.0])
    product = lambda p, q: F.sum(p * q)  # noqa: E731
    assert [g.tolist() for g in func.grad(lambda t: product(*t))([a, b])] == [[3, 5], [1, 2]]
    g = func.grad(lambda t: product(t[0], t[1][0]))((a, (b, None)))
    assert type(g) is tuple
    assert g[1][1] is None
    g = func.grad(lambda t: product(t.a, t.b))(Point(a, b))
    assert type(g) is Point
    np.testing.assert_array_equal(g.b, a)
    g = func.grad(lambda w: product(w.W, w.b))(Weights(a, b, "kept"))
    assert type(g) is Weights
    assert g.name == "kept"
    np.testing.assert_array_equal(g.W, b)
    g = func.grad(lambda d: product(d["x"], d["y"]["z"]) * d["c"])({"x": a, "y": {"z": b}, "c": 2.0})
    assert (g["x"].tolist(), g["y"]["z"].tolist(), g["c"]) == ([6, 10], [2, 4], 13)


def test_jvp_of_one_tuple_and_of_several_arguments():
    f = lambda x, y: x * y  # noqa: E731
    assert func.jvp(f, (3.0, 2.0), (1.0, 0.0)) == (6, 2)
    g = lambda t: t[0] * t[1]  # noqa: E731
    assert func.jvp(g, ((3.0, 2.0),), ((1.0, 10.0),)) == (6, 32)
    assert func.jvp(g, [3.0, 2.0], [1.0, 10.0]) == (6, 32)
    y, dy = func.jvp(lambda x: {"s": F.sin(x), "x": x, "c": np.array(1.0)}, 0.5, 2.0)
    assert (dy["x"], dy["c"]) == (2, 0)
    assert y["c"] == 1
    assert func.hvp(lambda x, y: x ** 2 * y, (3.0, 2.0), (1.0, 0.0)) == (4, 6)


def test_ravel():
    tree = {"W": np.arange(6.0).reshape(2, 3), "b": (np.float32(7), [8.0])}
    vector, unravel = func.ravel(tree)
    np.testing.assert_array_equal(vector, np.arange(9.0)[[0, 1, 2, 3, 4, 5, 7, 8]])
    back = unravel(vector * 2)
    np.testing.assert_array_equal(back["W"], 2 * tree["W"])
    assert back["b"][0].dtype == np.float32
    vector[:] = 0
    assert back["W"][1, 2] == 10    # a copy
    g = func.grad(lambda v: F.sum(unravel(v)["W"] ** 2) + unravel(v)["b"][0])(np.ones(8))
    np.testing.assert_array_equal(g, [2] * 6 + [1, 0])
    v, _ = func.ravel([Variable(np.ones(2)), 1.0])
    assert isinstance(v, Variable)
    with pytest.raises(ValueError, match=r"unravel was given shape \(3,\).*has 8 numbers"):
        unravel(np.ones(3))
    assert func.ravel([])[0].shape == (0,)


def test_dtypes_stay():
    for dtype in (np.float16, np.float32, np.float64, np.longdouble):
        x = np.linspace(0.1, 1, 4).astype(dtype)
        f = lambda x: F.sum(F.sin(x) * x)  # noqa: E731
        assert func.grad(f)(x).dtype == dtype
        assert func.hvp(f, x, np.ones(4)).dtype == dtype
        assert [a.dtype for a in func.jvp(F.sin, x, np.ones(4))] == [dtype, dtype]
        assert func.hessian(f)(x).dtype == dtype
        assert func.jacobian(F.sin)(x).dtype == dtype
        assert func.vmap(F.sin)(x).dtype == dtype
    value, g = func.value_and_grad(lambda p: F.sum(p[0]) * F.sum(p[1]))([np.ones(2, "f"), np.ones(2)])
    assert [a.dtype for a in g] == [np.float32, np.float64]
    assert value.dtype == np.float64


@pytest.mark.parametrize("n", [2047, 2048, 2049])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sizes_around_blocks(n, dtype):
    x = np.linspace(-2, 2, n).astype(dtype)
    expected = F.tanh(Variable(x)).data
    np.testing.assert_array_equal(func.grad(lambda x: F.sum(F.tanh(x)))(x), func.jvp(F.tanh, x, np.ones(n, dtype))[1])
    np.testing.assert_allclose(func.jvp(F.tanh, x, x)[1], (1 - expected ** 2) * x, rtol=1e-4, atol=1e-6)
    np.testing.assert_array_equal(func.vmap(F.tanh)(x[:, None])[:, 0], expected)


def test_memory_layouts():
    x = RNG.standard_normal((4, 6))
    f = lambda x: F.sum(F.sin(x) * F.transpose(F.transpose(x)) ** 2)  # noqa: E731
    expected = func.grad(f)(x)
    for other in (np.asfortranarray(x), np.repeat(x, 2, 1)[:, ::2], x[::-1][::-1], x.astype(">f8")):
        np.testing.assert_allclose(func.grad(f)(other), expected, rtol=1e-14)
        np.testing.assert_allclose(func.hvp(f, other, other), func.hvp(f, x, x), rtol=1e-14)


def test_variables_in_variables_out():
    x = Variable(np.array(2.0))
    g = func.grad(lambda x: x ** 3)(x)
    assert isinstance(g, Variable)
    g.backward()
    assert x.grad.data == 12
    a, b = Variable(np.array(2.0)), Variable(np.array(3.0))
    y, pull = func.vjp(lambda x: x * b, a)
    z = pull(Variable(np.array(1.0)))[0] * y
    z.backward()        # b * (a b)
    assert (a.grad.data, b.grad.data) == (9, 12)
    with dezero_c.no_grad():
        assert func.grad(lambda x: x ** 3)(2.0) == 12
        assert func.grad(lambda x: x ** 3)(x).creator is None


def test_no_grad_inside():
    def f(x):
        with dezero_c.no_grad():
            c = func.grad(lambda y: y ** 2)(x)
        return c * x

    assert func.grad(f)(3.0) == 6


# ---- nothing of the caller's changes


def test_gradients_of_others_stay():
    w, b = dezero_c.Parameter(np.array(2.0)), Variable(np.array(1.0))
    w.grad = Variable(np.array(5.0))
    h = w * b
    f = lambda x: h * x * w + x ** 2  # noqa: E731
    x = np.array(3.0)
    assert func.grad(f)(x) == 10
    assert func.jvp(f, x, 1.0)[1] == 10
    assert func.hessian(f)(x) == 2
    assert func.jacobian(f, mode="rev")(x) == 10
    _, pull = func.vjp(f, x)
    assert pull(1.0) == pull(1.0) == (10,)
    assert w.grad.data == 5
    assert b.grad is None
    assert h.grad is None
    h.backward()        # the graph from outside is whole
    assert (w.grad.data, b.grad.data) == (6, 2)


@pytest.mark.filterwarnings("ignore:.*does not depend")
def test_results_that_are_the_callers_own_variables():
    w = Variable(np.array([1.0, 2.0]))
    w.grad = Variable(np.array([5.0, 6.0]))
    h = F.sum(w * 3)
    x = np.array(3.0)
    for f in (lambda x: h, lambda x: h * 2, lambda x: F.sum(w)):
        assert func.grad(f)(x) == 0
        assert func.value_and_grad(f)([x])[1] == [0]
        assert func.hessian(f)(x) == 0
        assert func.jacobian(f)(x) == 0
    _, pull = func.vjp(lambda x: (w, h, x * w), x)
    assert pull((np.ones(2), np.array(1.0), np.ones(2))) == (3,)
    assert [j.tolist() for j in func.jacobian(lambda x: (w, x * w), mode="rev")(x)] == [[0, 0], [1, 2]]
    assert func.jvp(lambda x: w, x, x)[1].tolist() == [0, 0]
    np.testing.assert_array_equal(w.grad.data, [5, 6])
    assert h.grad is None
    h.backward()
    np.testing.assert_array_equal(w.grad.data, [8, 9])


def test_results_are_nobody_elses():
    x = np.ones(3)
    y, g = func.value_and_grad(lambda x: F.sum(x))(x)
    g += 1
    a, b = func.grad(lambda a, b: F.sum(a + b), (0, 1))(x, x)
    a += 1
    np.testing.assert_array_equal(b, 1)
    y, pull = func.vjp(lambda x: x, x)
    gy = np.ones(3)
    gx, = pull(gy)
    gx += 1
    y += 1
    dy = func.jvp(lambda x: x, x, gy)[1]
    dy += 1
    J = func.jacobian(lambda x: x, mode="fwd")(x)
    J += 1
    np.testing.assert_array_equal(x, 1)
    np.testing.assert_array_equal(gy, 1)


def test_writing_into_an_argument_is_an_error():
    x = np.ones(3)

    def inside(x):
        x.data[0] = 5
        return F.sum(x)

    def rebound(x):
        x.data = np.zeros(3)
        return F.sum(x)

    for transform in (func.grad, func.hessian, func.jacobian):
        with pytest.raises(ValueError, match="read-only"):
            transform(inside)(x)
        with pytest.raises(RuntimeError, match="f has given its argument other data"):
            transform(rebound)(x)
    np.testing.assert_array_equal(x, 1)


def test_a_function_that_calls_backward_itself():
    def f(x):
        y = x ** 3
        y.backward(create_graph=True)
        return F.sum(x.grad * x)       # 3 x^3

    assert func.grad(f)(2.0) == 36
    assert func.hessian(f)(2.0) == 36


def test_models_are_trees_of_parameters():
    np.random.seed(0)
    model = models.MLP((4, 1), activation=F.tanh)
    x, t = RNG.standard_normal((5, 2)).astype("f"), RNG.standard_normal((5, 1)).astype("f")
    model(x)
    loss = lambda m: F.mean_squared_error(m(x), t)  # noqa: E731
    expected = loss(model)
    expected.backward()
    grads = {name: p.grad.data for name, p in model.named_params()}
    model.cleargrads()
    before = {name: (p, p.data.copy()) for name, p in model.named_params()}
    value, found = func.value_and_grad(loss)(model)
    assert value == expected.data
    assert list(found) == list(grads)
    for name, g in found.items():
        np.testing.assert_allclose(g, grads[name], rtol=1e-5, atol=1e-7)
        assert g.dtype == np.float32
    for name, p in model.named_params():
        assert p is before[name][0]
        assert p.grad is None
        np.testing.assert_array_equal(p.data, before[name][1])
    v = {name: np.ones_like(p.data) for name, p in model.named_params()}
    _, dy = func.jvp(loss, model, v)
    np.testing.assert_allclose(dy, sum(g.sum() for g in found.values()), rtol=1e-5)
    _, pull = func.vjp(loss, model)
    np.testing.assert_allclose(pull(1.0)[0]["l0/W"], grads["l0/W"], rtol=1e-5, atol=1e-7)
    hv = func.hvp(loss, model, v)
    assert hv["l1/b"].shape == (1,)
    other = {name: p.data * 0 for name, p in model.named_params()}
    np.testing.assert_array_equal(func.functional_call(model, other, x).data, 0)
    g = func.grad(lambda p: F.sum(func.functional_call(model, p, x)))({"l1/b": np.zeros(1, "f")})
    assert g["l1/b"] == 5


def test_functional_call_gives_the_parameters_back():
    class Odd(models.Model):
        def __init__(self):
            super().__init__()
            self.held = [dezero_c.Parameter(np.ones(2)), {"w": dezero_c.Parameter(np.ones(2))}]
            self.pair = (dezero_c.Parameter(np.ones(2)),)

        def forward(self, x, fail=False):
            if fail:
                raise KeyError("inside")
            return x * self.held[0] * self.held[1]["w"] * self.pair[0]

    model = Odd()
    before = [p for _, p in model.named_params()]
    params = {name: np.full(2, 2.0) for name, _ in model.named_params()}
    np.testing.assert_array_equal(func.functional_call(model, params, 1.0).data, 8)
    with pytest.raises(KeyError, match="inside"):
        func.functional_call(model, params, 1.0, fail=True)
    assert all(a is b for a, (_, b) in zip(before, model.named_params(), strict=True))
    assert isinstance(model.pair, tuple)
    with pytest.raises(KeyError, match="Odd has no parameter 'W'; it has"):
        func.functional_call(model, {"W": 1.0}, 1.0)
    with pytest.raises(ValueError, match=r"held/0 has shape \(3,\) in params and \(2,\)"):
        func.functional_call(model, {"held/0": np.ones(3)}, 1.0)
    with pytest.raises(TypeError, match="no Layer or Model; the order is"):
        func.functional_call(params, model)
    with pytest.raises(TypeError, match="params is list"):
        func.functional_call(model, [], 1.0)
    with pytest.raises(ValueError, match="no data for l0/W"):
        func.grad(lambda m: m(np.ones((1, 2))))(models.MLP((2, 1)))


def test_graphs_are_freed():
    seen = []

    def f(x):
        y = F.sin(x)
        seen.append(weakref.ref(y))
        return F.sum(y * y)

    x, v = np.ones(3), np.ones(3)
    gc.disable()
    try:
        func.grad(f)(x)
        func.value_and_grad(f)([x])
        func.jvp(f, x, v)
        func.vjp(f, x)[1](1.0)
        func.linearize(f, x)[1](v)
        func.jacobian(f)(x)
        func.hessian(f)(x)
        func.hvp(f, x, v)
        func.vmap(f)(np.ones((2, 3)))
        func.grad(func.grad(lambda x: f(F.reshape(x, (1,)))))(2.0)
        alive = [k for k, r in enumerate(seen) if r() is not None]
    finally:
        gc.enable()
    assert alive == []


def test_threads():
    x = RNG.standard_normal(20)
    expected = func.grad(rosenbrock)(x), func.hessian(rosenbrock)(x)
    _, pull = func.vjp(rosenbrock, x)
    failed = []

    def work():
        for _ in range(30):
            if not (np.array_equal(func.grad(rosenbrock)(x), expected[0]) and np.array_equal(pull(1.0)[0], expected[0])
                    and np.array_equal(func.hessian(rosenbrock)(x), expected[1])):
                failed.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failed


# ---- sparsity


def colours_of(f, x):
    """How many products the Hessian takes."""
    calls = []
    push = func._forward.Push.__call__

    def counted(self, *args):
        calls.append(1)
        return push(self, *args)

    func._forward.Push.__call__ = counted
    try:
        H = func.hessian(f)(x)
    finally:
        func._forward.Push.__call__ = push
    return H, len(calls)


def test_a_tridiagonal_hessian_takes_three_products():
    x = RNG.standard_normal(100)
    H, products = colours_of(rosenbrock, x)
    assert products == 3
    np.testing.assert_allclose(H, rosenbrock_hessian(x), rtol=1e-12, atol=1e-12)
    H, products = colours_of(lambda x: F.sum(F.sin(x)), x)
    assert products == 1
    np.testing.assert_allclose(H, -np.diag(np.sin(x)), atol=1e-15)


PIECES = {
    "reshape": lambda x: F.reshape(x, (3, 4))[1:] * F.reshape(x, (3, 4))[:-1],
    "transpose": lambda x: F.transpose(F.reshape(x, (3, 4))) * F.reshape(x, (4, 3)),
    "broadcast": lambda x: F.reshape(x, (12, 1))[:3] * x[:4],
    "sum": lambda x: F.sum(F.reshape(x, (3, 4)), axis=1) ** 2,
    "mean": lambda x: F.mean(F.reshape(x, (3, 4)), axis=0) ** 3,
    "concatenate": lambda x: F.concatenate([x[3:], x[:3]]) * x,
    "stack": lambda x: F.stack([x[:6] ** 2, x[6:]], 1)[:, 0] * x[:6],
    "roll": lambda x: F.roll(x, 1) * x,
    "repeat": lambda x: F.repeat(x[:6], 2) * x,
    "tile": lambda x: F.tile(x[:6], 2) * x,
    "rows": lambda x: x[np.array([0, 0, 3, -1])] ** 2 * x[:4],
    "mask": lambda x: x[np.arange(12) % 2 == 0] ** 3,
    "diagonal": lambda x: F.diagonal(F.reshape(x[:9], (3, 3))) ** 2,
    "where": lambda x: F.where(np.arange(12) < 5, x ** 2, x ** 3),
    "matmul": lambda x: F.matmul(F.reshape(x, (3, 4)), np.ones((4, 2))) ** 2,
    "softmax": lambda x: F.softmax(F.reshape(x, (3, 4)), axis=1) ** 2,
    "max": lambda x: F.max(x) ** 2,
    "cumsum": lambda x: F.cumsum(x, 0) ** 2,
    "maximum": lambda x: F.maximum(x[1:], x[:-1]) ** 2,
    "cast": lambda x: F.cast(x[1:], np.float32).astype(float) * x[:-1],
    "no elements": lambda x: x[:0] * 1.0,
    "set_at": lambda x: F.set_at(x, 3, x[0] * x[5]) ** 2,
}


@pytest.mark.parametrize("name", PIECES)
def test_patterns_hold(name):
    """What is outside of the pattern is 0, at points where nothing else is; and the coloured Hessian is the one by columns."""
    x = RNG.uniform(0.5, 1.5, 12)
    f = lambda x: F.sum(PIECES[name](x)) + F.sum(x[:2])  # noqa: E731
    H = func.hessian(f)(x)
    columns = np.stack([func.hvp(f, x, e) for e in np.eye(12)], 1)
    np.testing.assert_allclose(H, columns, rtol=1e-6 if name == "cast" else 1e-12, atol=1e-12)
    J = func.jacobian(PIECES[name], mode="fwd")(x)
    rtol = 1e-6 if name == "cast" else 1e-12
    np.testing.assert_allclose(J, func.jacobian(PIECES[name], mode="rev")(x), rtol=rtol, atol=1e-12)


def test_colours_have_no_row_in_common():
    for density in (0.05, 0.3):
        pattern = RNG.random((30, 40)) < density
        number = _sparsity.colours(pattern)
        for c in range(number.max() + 1):
            assert pattern[:, number == c].sum(axis=1).max() <= 1


def test_sparse_hessians():
    pytest.importorskip("scipy")
    x = RNG.standard_normal(300)
    H = func.hessian(rosenbrock, sparse=True)(x)
    assert H.shape == (300, 300)
    assert H.nnz == 3 * 300 - 2
    np.testing.assert_allclose(H.toarray(), rosenbrock_hessian(x), rtol=1e-12, atol=1e-12)
    H = func.hessian(lambda p: F.sum(p["a"] * p["b"]), sparse=True)({"a": np.ones(4), "b": np.ones(4)})
    np.testing.assert_array_equal(H.toarray(), np.eye(8)[np.r_[4:8, 0:4]])
    with pytest.raises(TypeError, match="sparse=True gives an array of SciPy's"):
        func.grad(lambda x: func.hessian(rosenbrock, sparse=True)(x))(x)


# ---- complex numbers


def test_complex_on_the_way():
    x, v = RNG.standard_normal(6), RNG.standard_normal(6)
    f = lambda x: F.sum(F.abs(F.fft(x)) ** 4)  # noqa: E731
    H = func.hessian(f)(x)
    np.testing.assert_allclose(H, differences(func.grad(f), x), rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(func.hvp(f, x, v), H @ v, rtol=1e-10)
    np.testing.assert_allclose(func.jacobian(lambda x: F.abs(F.fft(x))[:1])(x), differences(lambda x: abs(np.fft.fft(x))[:1], x),
                               rtol=1e-6, atol=1e-6)
    for call in (lambda: func.jvp(f, x, v), lambda: func.jacfwd(f)(x), lambda: func.linearize(f, x)):
        with pytest.raises(TypeError, match=r"forward mode is for real numbers.*use reverse mode"):
            call()
    with pytest.raises(TypeError, match="f returned a complex number"):
        func.grad(lambda x: F.sum(F.fft(x)))(x)


# ---- what is told, and refused


def test_independent_arguments_are_told():
    with pytest.warns(RuntimeWarning, match="grad: the result of f does not depend on argument 0") as found:
        g = func.grad(lambda x: F.sum(np.ones(3)))(np.ones(2))
    np.testing.assert_array_equal(g, np.zeros(2))
    assert found[0].filename == __file__
    with pytest.warns(RuntimeWarning, match="argument 1"):
        a, b = func.grad(lambda x, y: x * 2, (0, 1))(1.0, 2.0)
    assert (a, b) == (2, 0)
    with pytest.warns(RuntimeWarning, match="jvp"):
        assert func.jvp(lambda x: 3.0, 1.0, 1.0) == (3, 0)
    with pytest.warns(RuntimeWarning, match="jacobian"):
        np.testing.assert_array_equal(func.jacobian(lambda x: np.ones(2))(np.ones(3)), np.zeros((2, 3)))
    with pytest.warns(RuntimeWarning, match="hessian"):
        assert func.hessian(lambda x: 3.0)(1.0) == 0
    with pytest.warns(RuntimeWarning, match="argument 0"):
        assert func.grad(lambda p: 3.0)({"a": 1.0})["a"] == 0
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert func.hessian(lambda x: x * 2)(1.0) == 0        # a gradient that is constant is no mistake
        assert func.grad(lambda p: p["a"] * 2)({"a": 1.0, "b": 1.0})["b"] == 0


ERRORS = [
    (lambda: func.grad(3), TypeError, "grad: int is no function"),
    (lambda: func.grad(F.sin, "x"), TypeError, "argnums is 'x'"),
    (lambda: func.grad(F.sin, True), TypeError, "argnums is True"),
    (lambda: func.grad(F.sin, ()), ValueError, "argnums is empty"),
    (lambda: func.grad(F.sin, 1)(1.0), TypeError, "argnums has 1, and f was called with 1 argument"),
    (lambda: func.grad(F.add, (0, -2))(1.0, 2.0), ValueError, "names an argument twice"),
    (lambda: func.grad(F.add, (0, 0))(1.0, 2.0), ValueError, "names an argument twice"),
    (lambda: func.grad(F.sin)(3), TypeError, r"argument 0 is of dtype int64.*3\.0 in place of 3"),
    (lambda: func.grad(F.sum)(np.arange(3)), TypeError, "argument 0 is of dtype int64"),
    (lambda: func.grad(F.sum)(np.array([True])), TypeError, "dtype bool"),
    (lambda: func.grad(lambda t: t[0])([1.0, 2]), TypeError, "leaf 1 of argument 0 is of dtype int64"),
    (lambda: func.grad(F.sum)(Variable(np.arange(3))), TypeError, "int64"),
    (lambda: func.grad(F.sum)(Variable(None)), TypeError, "without data"),
    (lambda: func.grad(F.sum)("x"), TypeError, "str is no number"),
    (lambda: func.grad(lambda d: d["a"])({"a": 1.0, "b": [2.0, "x"]}), TypeError, r"str at \['b'\]\[1\] is no number"),
    (lambda: func.grad(F.sin)(np.ones(3)), ValueError, r"f returned shape \(3,\).*jacobian.*vmap"),
    (lambda: func.grad(lambda x: (x, x))(1.0), TypeError, "f returned a tuple.*has_aux=True"),
    (lambda: func.grad(lambda x: None)(1.0), TypeError, "return statement missing"),
    (lambda: func.grad(lambda x: x, has_aux=True)(1.0), TypeError, r"with has_aux f returns \(y, aux\), not Variable"),
    (lambda: func.grad(lambda x: F.sum(x) > 0)(np.ones(2)), TypeError, "returned dtype bool"),
    (lambda: func.grad(lambda x: F.cast(x, int))(1.0), TypeError, "returned dtype int64"),
    (lambda: func.grad(lambda x: x * 1j)(1.0), TypeError, "complex number"),
    (lambda: func.vjp(lambda x: F.cast(x, int), 1.0), TypeError, "vjp: f returned dtype int64"),
    (lambda: func.vjp(F.sin, 1.0)[1]([1.0]), TypeError, r"tree of gy is not that of f's result: \[\*\] and '?\*"),
    (lambda: func.vjp(F.sin, 1.0)[1](np.ones(2)), ValueError, r"gy has shape \(2,\) where f's result has \(\)"),
    (lambda: func.vjp(lambda x: {"a": x}, 1.0)[1]({"b": 1.0}), TypeError, r"\{'b': \*\} and \{'a': \*\}"),
    (lambda: func.jvp(F.sin, 1.0, (1.0,)), TypeError, "primals is a float and tangents a tuple"),
    (lambda: func.jvp(F.sin, (1.0,), (1.0, 2.0)), TypeError, "1 primals and 2 tangents"),
    (lambda: func.jvp(lambda t: t[0], [1.0], [1.0, 2.0]), TypeError,
     r"the tangent is not that of argument 0: \[\*, \*\] and \[\*\]"),
    (lambda: func.jvp(F.sin, np.ones(2), np.ones(3)), ValueError, r"the tangent has shape \(3,\) where argument 0 has \(2,\)"),
    (lambda: func.jvp(F.sin, 1.0, 1j), TypeError, "the tangent is of dtype complex128"),
    (lambda: func.linearize(F.sin, 1.0)[1](1.0, 2.0), TypeError, "1 arguments, and 2 tangents"),
    (lambda: func.hvp(F.sum, np.ones(2), np.ones(3)), ValueError, r"hvp: the tangent has shape \(3,\)"),
    (lambda: func.hvp(F.sum, (1.0,), 1.0), TypeError, "x is a tuple and v a float"),
    (lambda: func.hvp(F.add, (1.0, 1.0), (1.0,)), TypeError, "x has 2 arguments and v 1"),
    (lambda: func.hessian(F.sin)(np.ones(2)), ValueError, "hessian: f returned shape"),
    (lambda: func.jacobian(F.sin, mode="both"), ValueError, "mode is 'both'"),
    (lambda: func.jacobian(lambda x: F.cast(x, int))(1.0), TypeError, "jacobian: f returned dtype int64"),
    (lambda: func.vmap(F.sin, in_axes="x"), TypeError, "in_axes is 'x'"),
    (lambda: func.vmap(F.sin)(1.0), ValueError, r"shape \(\) and no axis 0"),
    (lambda: func.vmap(F.add)(np.ones(2), np.ones(3)), ValueError, "differ in length: 2 in argument 0.*3 in argument 1"),
    (lambda: func.vmap(F.add, (0,))(np.ones(2), np.ones(2)), ValueError, "in_axes has 1 entries"),
    (lambda: func.vmap(F.add, (None, None))(np.ones(2), np.ones(2)), ValueError, "no argument has an axis"),
    (lambda: func.vmap(F.sin, (0.5,))(np.ones(2)), TypeError, "in_axes has 0.5"),
    (lambda: func.vmap(F.sin)(np.ones(0)), ValueError, "length 0"),
    (lambda: func.vmap(F.sin, out_axes=1)(np.ones(2)), ValueError, "out_axes 1"),
    (lambda: func.vmap(F.sin, out_axes=(0, 1))(np.ones(2)), ValueError, r"out_axes is \(0, 1\)"),
    (lambda: func.vmap(F.sin, out_axes=0.5)(np.ones(2)), TypeError, "out_axes has 0.5"),
    (lambda: func.vmap(lambda x: x[:int(x.data[0])])(np.array([[1.0, 2], [2, 2]])), ValueError, "f returned shapes"),
    (lambda: func.vmap(lambda x: [x] * int(x.data))(np.array([1.0, 2.0])), TypeError, r"\[\*\] for example 0"),
    (lambda: func.ravel("x"), TypeError, "ravel: str"),
]


@pytest.mark.parametrize("k", range(len(ERRORS)))
def test_errors_say_what_is_wrong(k):
    call, kind, pattern = ERRORS[k]
    with pytest.raises(kind, match=pattern):
        call()
    assert dezero_c._pull.under_way() == 0
    assert dezero_c.Config.enable_backprop


def test_users_functions_in_both_modes():
    class Cube(dezero_c.Function):
        def forward(self, x):
            return x ** 3

        def backward(self, gy):
            return gy * 3 * self.inputs[0] ** 2

    class Two(dezero_c.Function):
        def forward(self, x):
            return x * 2, x ** 2

        def backward(self, a, b):
            return a * 2 + b * 2 * self.inputs[0]

    class Broken(Cube):
        def backward(self, gy):
            return Variable(gy.data * 3 * self.inputs[0].data ** 2)

    x = np.array([1.0, 2.0])
    cube = lambda x: Cube()(x)  # noqa: E731
    np.testing.assert_allclose(func.jvp(cube, x, np.ones(2))[1], 3 * x ** 2)
    np.testing.assert_allclose(func.hessian(lambda x: F.sum(cube(x)))(x), np.diag(6 * x))
    for mode in ("rev", "fwd"):
        J = func.jacobian(lambda x: Two()(x), mode=mode)(x)
        np.testing.assert_allclose(J[0], 2 * np.eye(2))
        np.testing.assert_allclose(J[1], np.diag(2 * x))
        np.testing.assert_allclose(func.jacobian(lambda x: Two()(x)[1], mode=mode)(x), np.diag(2 * x))
    np.testing.assert_allclose(func.grad(lambda x: F.sum(Broken()(x)))(x), 3 * x ** 2)
    with pytest.raises(TypeError, match=r"Broken\.backward has no derivative by gy"):
        func.jvp(lambda x: Broken()(x), x, np.ones(2))


# ---- vmap


def test_vmap_axes_and_trees():
    xs, w = RNG.standard_normal((3, 4)), RNG.standard_normal(4)
    np.testing.assert_array_equal(func.vmap(lambda x, w: F.sum(x * w), (0, None))(xs, w), [float((x * w).sum()) for x in xs])
    np.testing.assert_array_equal(func.vmap(lambda x: x * 2, in_axes=1, out_axes=1)(xs), xs * 2)
    np.testing.assert_array_equal(func.vmap(lambda x: x * 2, in_axes=-1)(xs), xs.T * 2)
    got = func.vmap(lambda d: {"y": d["a"] + d["b"], "t": (d["a"],)})({"a": xs, "b": xs})
    np.testing.assert_array_equal(got["y"], 2 * xs)
    a, b = func.vmap(lambda x: (x, x * 2), out_axes=(0, 1))(xs)
    np.testing.assert_array_equal(a, xs)
    np.testing.assert_array_equal(b, 2 * xs.T)
    labels = np.array([0, 2, 1])
    np.testing.assert_array_equal(func.vmap(lambda x, t: x[t])(xs, labels), xs[np.arange(3), labels])
    H = func.vmap(func.hessian(lambda x: F.sum(x ** 3)))(xs)
    np.testing.assert_allclose(H, [np.diag(6 * x) for x in xs])
    g = func.grad(lambda w: F.sum(func.vmap(lambda x: F.sum(x * w) ** 2)(xs)))(w)
    np.testing.assert_allclose(g, 2 * xs.T @ xs @ w)
    v = func.vmap(F.sin)(Variable(xs))
    v.backward()
    assert isinstance(v, Variable)


# ---- captured functions


def test_capture_of_transforms_replays():
    x, v = RNG.standard_normal(6), RNG.standard_normal(6)
    for f, args in [(func.grad(rosenbrock), (x,)), (func.value_and_grad(rosenbrock), (x,)), (func.hessian(rosenbrock), (x,)),
                    (lambda x, v: func.hvp(rosenbrock, x, v), (x, v)), (lambda x, v: func.jvp(rosenbrock, x, v), (x, v)),
                    (func.jacobian(lambda x: x[1:] * x[:-1]), (x,)), (lambda x: func.vjp(rosenbrock, x)[1](1.0)[0], (x,)),
                    (func.vmap(func.grad(lambda x: x ** 3)), (x,)),
                    (func.grad(lambda a, b: (1 - a) ** 2 + 100 * (b - a ** 2) ** 2, (0, 1)), (np.array(1.2), np.array(0.3)))]:
        captured = dezero_c.capture(f)
        for k in range(5):
            moved = tuple(np.asarray(a + 0.1 * k) for a in args)
            got, expected = captured(*moved), f(*moved)
            got, expected = (t if isinstance(t, tuple) else (t,) for t in (got, expected))
            for a, b in zip(got, expected, strict=True):
                np.testing.assert_array_equal(a, b)
                assert isinstance(a, np.ndarray)
        assert captured.plans == 1


def test_captured_functions_are_part_of_what_is_differentiated():
    x = RNG.standard_normal(6)
    captured = dezero_c.capture(rosenbrock)
    for _ in range(3):
        captured(Variable(x))
    np.testing.assert_array_equal(func.grad(captured)(x), func.grad(rosenbrock)(x))
    np.testing.assert_array_equal(func.hessian(lambda x: captured(x) * 1.0)(x), func.hessian(rosenbrock)(x))
    np.testing.assert_array_equal(func.jvp(captured, x, x)[1], func.jvp(rosenbrock, x, x)[1])
    number = dezero_c.capture(lambda a: a ** 3)
    for _ in range(4):
        number(np.array(2.0))
    assert func.grad(number)(2.0) == 12


def test_captured_with_parameters():
    w = dezero_c.Parameter(np.array(2.0))
    captured = dezero_c.capture(func.grad(lambda x: w * x ** 2))
    for k in range(5):
        w.data = np.array(2.0 + k)
        assert captured(np.array(3.0)) == 6 * (2 + k)
    assert w.grad is None


def test_vmap_of_a_captured_function_runs_side_by_side():
    def f(x, a):
        return F.sin(x) * a, x * 2.0

    xs, weights = np.linspace(-1.0, 1.0, 100), np.linspace(0.0, 3.0, 100)
    g = dezero_c.capture(f)
    for found, wanted in zip(func.vmap(g)(xs, weights), func.vmap(f)(xs, weights), strict=True):
        assert isinstance(found, np.ndarray)
        assert found.tobytes() == wanted.tobytes()
    assert "of the machine" in g.show()
    for axes in ((0, None), (None, 0)):
        one = [xs, weights]
        one[axes.index(None)] = np.array(0.5)
        assert func.vmap(g, axes)(*one)[0].tobytes() == func.vmap(f, axes)(*one)[0].tobytes()


def test_hessian_of_a_captured_function():
    def f(x):
        return F.sum(100.0 * (x[1:] - x[:-1] ** 2) ** 2 + (x[:-1] - 1.0) ** 2)

    eager, captured = func.hessian(f), func.hessian(dezero_c.capture(f))
    for n in (2, 3, 9, 30):
        for k in range(4):
            x = np.random.default_rng(k).uniform(-1.0, 1.0, n)
            assert captured(x).tobytes() == eager(x).tobytes()
    matrix = func.hessian(dezero_c.capture(lambda x: F.sum(x ** 3)))
    for _ in range(4):
        found = matrix(np.arange(6.0).reshape(2, 3))
        assert found.shape == (2, 3, 2, 3)
        assert found.reshape(6, 6).tolist() == np.diag(6 * np.arange(6.0)).tolist()
    x = np.linspace(-1.0, 1.0, 20).astype("f")
    assert captured(x).dtype == np.float32
    with pytest.raises(TypeError):
        captured(np.arange(3))


SQUARES = True


@pytest.mark.parametrize("dtype", ["f4", "f8", "f2", "c8", "c16", "g", "i4"])
def test_elements_are_scattered_into_zeros(dtype):
    values = np.arange(1, 9).astype(dtype)
    of, at = np.array([7, 0, 3]), np.array([0, 11, 5])
    found, wanted = _pull.scattered(values, of, at, (3, 4)), np.zeros((3, 4), dtype)
    wanted.reshape(-1)[at] = values[of]
    assert found.dtype == wanted.dtype
    np.testing.assert_array_equal(found, wanted)
    assert _pull.scattered(values, of[:0], at[:0], ()).shape == ()
    for wrong_of, wrong_at in ((np.array([8, 0, 3]), at), (np.array([-1, 0, 3]), at), (of, np.array([0, 12, 5])),
                               (of, np.array([0, -1, 5]))):
        with pytest.raises(IndexError, match="scattered: element"):
            _pull.scattered(values, wrong_of, wrong_at, (3, 4))
    for arguments in ((values[::2], of, at), (values, of.astype(np.int32), at), (values, of, at[:2]),
                      (values.astype(object), of, at)):
        with pytest.raises(ValueError, match="scattered"):
            _pull.scattered(*arguments, (3, 4))


@pytest.mark.parametrize("mode", ["rev", "fwd", "auto"])
@pytest.mark.parametrize("f", [lambda x: x ** 3 - x[0] ** 2 * x, lambda x: (x - 1) ** 2 * x[0], lambda x: (x[:1] * x, F.exp(x)),
                               lambda x: F.stack([x[0], x[1] * x[2], x[0]]), lambda x: x])
def test_a_captured_jacobian_has_the_same_bits(f, mode):
    def bits(o):
        return [bits(x) for x in o] if isinstance(o, tuple) else (o.shape, o.tobytes())

    jacobian, captured = func.jacobian(f, mode=mode), dezero_c.capture(func.jacobian(f, mode=mode))
    for k in range(40):
        x = np.ones(3) if k % 7 == 0 else np.random.default_rng(k).standard_normal(3)
        assert bits(captured(x)) == bits(jacobian(x)), k


def test_hessians_of_captured_functions_of_odd_arrays():
    def f(x):
        return F.sum(x * x * x)

    for x in (np.zeros(0), np.ones(2, ">f8"), np.ones(2, np.float32), np.ones((2, 2))[:, ::-1]):
        expected = func.hessian(f)(x)
        hessian = func.hessian(dezero_c.capture(f))
        for _ in range(4):
            found = hessian(x)
            assert found.dtype == expected.dtype
            np.testing.assert_array_equal(found, expected)


def test_hessian_of_a_captured_function_whose_pattern_changes(monkeypatch):
    """Each of its programs has places of its own."""
    def f(x):
        return F.sum(x * x * x) if SQUARES else F.sum(x[1:] * x[:-1] * x[:-1])

    eager, captured = func.hessian(f), func.hessian(dezero_c.capture(f))
    x = np.random.default_rng(0).uniform(-1.0, 1.0, 12)
    for squares in (True, False, True, False):
        monkeypatch.setitem(globals(), "SQUARES", squares)
        for _ in range(4):
            assert captured(x).tobytes() == eager(x).tobytes()


def test_an_array_of_variables_is_told():
    def f(x):
        return np.array([x[0] ** 2, x[1]])

    x = np.ones(2)
    for call in (func.jacobian(f), func.jacfwd(f), lambda x: func.jvp(f, x, x), lambda x: func.vjp(f, x)):
        with pytest.raises(TypeError, match=r"dtype object, .*; np.array makes no array of Variables, F.stack\(\[a, b\]\) does"):
            call(x)
    with pytest.raises(TypeError, match=r"dtype int64, and only floats have derivatives$"):
        func.jacobian(lambda x: np.arange(3))(x)
