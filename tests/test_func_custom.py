"""Functions with rules of their own: custom_vjp, from_numpy, stop_gradient; and checkpoints, of calls and of loops."""

import gc
import math
import weakref

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Variable, func, layers, models

RNG = np.random.default_rng(7)


# ---- custom_vjp


def scaled_sin(scale=1.0):
    """sin with a gradient that says whether it was used."""
    f = func.custom_vjp(lambda x: F.sin(x))
    f.defvjp(lambda x: (F.sin(x), F.cos(x)), lambda c, gy: (gy * c * scale,))
    return f


def test_custom_vjp_in_all_transforms():
    x = np.array([0.3, 0.7])
    f = scaled_sin(2.0)
    np.testing.assert_array_equal(f(x).data, np.sin(x))
    assert isinstance(f(x), Variable)
    np.testing.assert_allclose(func.grad(lambda x: F.sum(f(x)))(x), 2 * np.cos(x))
    np.testing.assert_allclose(func.jvp(f, x, np.ones(2))[1], 2 * np.cos(x))
    np.testing.assert_allclose(func.hessian(lambda x: F.sum(f(x)))(x), np.diag(-2 * np.sin(x)), atol=1e-12)
    np.testing.assert_allclose(func.grad(func.grad(lambda x: f(x) * x))(0.3), 4 * np.cos(0.3) - 2 * 0.3 * np.sin(0.3))
    np.testing.assert_allclose(func.vmap(func.grad(f))(x), 2 * np.cos(x))
    v = Variable(x)
    F.sum(f(v)).backward()
    np.testing.assert_allclose(v.grad.data, 2 * np.cos(x))
    with dezero_c.no_grad():
        assert f(v).creator is None


def test_custom_vjp_of_trees_and_static_arguments():
    f = func.custom_vjp(lambda n, p: {"y": p["a"] ** n * p["b"]}, nondiff_argnums=(0,))
    f.defvjp(lambda n, p: ({"y": p["a"] ** n * p["b"]}, (p["a"], p["b"])),
             lambda n, r, gy: ({"a": gy["y"] * n * r[0] ** (n - 1) * r[1], "b": gy["y"] * r[0] ** n},))
    g = func.grad(lambda p: f(3, p)["y"])({"a": 2.0, "b": 5.0})
    assert (g["a"], g["b"]) == (60, 8)
    none = func.custom_vjp(lambda x, y: x * y)
    none.defvjp(lambda x, y: (x * y, None), lambda r, gy: (None, gy))
    with pytest.warns(RuntimeWarning, match="argument 0"):
        assert func.grad(none, (0, 1))(2.0, 3.0) == (0, 1)


def test_custom_vjp_whose_fwd_calls_it():
    f = func.custom_vjp(lambda x: F.exp(x))
    f.defvjp(lambda x: (f(x), f(x)), lambda y, gy: (gy * y * 2,))     # twice the derivative, at each order
    assert func.grad(f)(0.0) == 2
    assert func.grad(func.grad(f))(0.0) == 4
    assert func.hvp(f, 0.0, 1.0) == 4


def test_custom_vjp_refuses():
    w = Variable(np.array(2.0))
    with pytest.raises(TypeError, match="it has no rule yet; call"):
        func.custom_vjp(F.sin)(1.0)
    with pytest.raises(TypeError, match="int is no function"):
        func.custom_vjp(3)

    def made(fwd, bwd):
        f = func.custom_vjp(F.sin)
        f.defvjp(fwd, bwd)
        return f

    for f, kind, pattern in [
        (made(lambda x: (x * w, None), lambda r, gy: (gy,)), TypeError, r"closes over a Variable of shape \(\)"),
        (made(lambda x: x, lambda r, gy: (gy,)), TypeError, r"fwd returns \(y, residuals\), not Variable"),
        (made(lambda x: (x * 1, None), lambda r, gy: gy), TypeError, "bwd returned Variable for 1 arguments"),
        (made(lambda x: (x * 1, None), lambda r, gy: (gy, gy)), TypeError, "bwd returned 2 gradients for 1 arguments"),
        (made(lambda x: (x * 1, None), lambda r, gy: ([gy],)), TypeError, r"bwd returned the tree \[\*\] for argument 0"),
        (made(lambda x: (x * 1, None), lambda r, gy: (np.ones(3),)), ValueError, r"bwd returned shape \(3,\) for argument 0"),
    ]:
        with pytest.raises(kind, match=pattern):
            func.grad(f)(1.0)
    constant = made(lambda x: (x * Variable(np.array(3.0)), None), lambda r, gy: (gy * 3,))     # of its own: no closure
    assert func.grad(constant)(1.0) == 3


# ---- from_numpy


def black_box(x, y):
    assert type(x) is np.ndarray
    return np.sin(x) * y + x ** 2


def black_jacobians(x, y):
    return np.diag(np.cos(x) * y + 2 * x), np.diag(np.sin(x))


WAYS = {
    "3-point": ({}, 1e-8), "2-point": ({"jac": "2-point"}, 1e-6), "jac": ({"jac": black_jacobians}, 1e-13),
    "vjp": ({"vjp": lambda gy, x, y: (gy * (np.cos(x) * y + 2 * x), gy * np.sin(x))}, 1e-13),
}


@pytest.mark.parametrize("way", WAYS)
def test_from_numpy(way):
    options, tol = WAYS[way]
    f = func.from_numpy(black_box, **options)
    x, y = RNG.standard_normal(4), RNG.standard_normal(4)
    np.testing.assert_array_equal(f(x, y).data, black_box(x, y))
    gx, gy = func.grad(lambda x, y: F.sum(f(x, y) * x), (0, 1))(x, y)
    np.testing.assert_allclose(gx, (np.cos(x) * y + 2 * x) * x + black_box(x, y), rtol=tol, atol=tol)
    np.testing.assert_allclose(gy, np.sin(x) * x, rtol=tol, atol=tol)
    J = func.jacobian(f, (0, 1), "fwd")(x, y)
    for a, b in zip(J, black_jacobians(x, y), strict=True):
        np.testing.assert_allclose(a, b, rtol=tol, atol=tol)
    np.testing.assert_allclose(func.jvp(lambda x: f(x, y), x, y)[1], (np.cos(x) * y + 2 * x) * y, rtol=tol, atol=tol)
    # linear in gy: a derivative by that goes through
    np.testing.assert_allclose(func.jacobian(lambda g: func.vjp(lambda x: f(x, y), x)[1](g)[0], mode="fwd")(x),
                               np.diag(np.cos(x) * y + 2 * x), rtol=tol, atol=tol)


def test_from_numpy_has_no_second_derivative():
    f = func.from_numpy(lambda x: x ** 3)
    for call in (lambda: func.hessian(f)(2.0), lambda: func.grad(func.grad(f))(2.0), lambda: func.hvp(f, 2.0, 1.0),
                 lambda: func.grad(lambda x: func.jvp(f, x, 1.0)[1])(2.0)):
        with pytest.raises(NotImplementedError, match="a second derivative goes through it"):
            call()
    assert func.hessian(lambda x: x ** 2 + func.stop_gradient(f(x)))(2.0) == 2


def test_from_numpy_calls_and_copies():
    calls = []

    def f(x):
        calls.append(1)
        value = x.sum()
        x[:] = 0        # a copy
        return value

    x = np.ones(3, "f")
    g = func.grad(func.from_numpy(f))(x)
    np.testing.assert_allclose(g, 1, rtol=1e-3)
    assert g.dtype == np.float32
    assert len(calls) == 7
    np.testing.assert_array_equal(x, 1)


def test_from_numpy_refuses():
    ok = func.from_numpy(lambda x: x * 2)
    with pytest.raises(ValueError, match="jac is '4-point'"):
        func.from_numpy(np.sin, jac="4-point")
    for call, kind, pattern in [
        (lambda: ok(), TypeError, "without arguments"), (lambda: ok(np.arange(3)), TypeError, "argument 0 is of dtype int64"),
        (lambda: func.from_numpy(lambda x: x * 1j)(1.0), TypeError, "returned dtype complex128"),
        (lambda: func.from_numpy(lambda x: "s")(1.0), TypeError, "returned dtype <U1"),
        (lambda: func.grad(func.from_numpy(np.sin, vjp=lambda gy, x: (1.0, 2.0)))(1.0), ValueError, "2 gradients for 1"),
        (lambda: func.grad(func.from_numpy(np.sin, vjp=lambda gy, x: np.ones(3)))(1.0), ValueError,
         r"shape \(3,\) for argument 0"),
        (lambda: func.grad(func.from_numpy(np.sin, jac=lambda x: np.ones(3)))(1.0), ValueError, r"y.shape \+ x.shape is \(\)"),
        (lambda: func.grad(func.from_numpy(lambda x, y: x * y, jac=lambda x, y: (x,)), (0, 1))(1.0, 1.0), ValueError,
         "1 arrays for 2 arguments"),
    ]:
        with pytest.raises(kind, match=pattern):
            call()


def test_stop_gradient():
    x = np.array([1.0, 2.0])
    np.testing.assert_array_equal(func.grad(lambda x: F.sum(x * func.stop_gradient(x)))(x), x)
    np.testing.assert_array_equal(func.jvp(lambda x: x * func.stop_gradient(x), x, np.ones(2))[1], x)
    got = func.stop_gradient({"a": x, "b": [1.0]})
    np.testing.assert_array_equal(got["a"].data, x)


# ---- checkpoint


def block(x):
    return F.tanh(F.matmul(x, x)) * 0.5 + F.sin(x)


def test_checkpoint_changes_no_number():
    x = RNG.standard_normal((4, 4))
    plain = lambda x: F.sum(block(block(x)))  # noqa: E731
    kept = lambda x: F.sum(func.checkpoint(block)(func.checkpoint(block)(x)))  # noqa: E731
    nested = lambda x: F.sum(func.checkpoint(lambda x: func.checkpoint(block)(block(x)))(x))  # noqa: E731
    for f in (kept, nested):
        np.testing.assert_allclose(func.grad(f)(x), func.grad(plain)(x), rtol=1e-13)
        np.testing.assert_allclose(func.hvp(f, x, x), func.hvp(plain, x, x), rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(func.jvp(f, x, x)[1], func.jvp(plain, x, x)[1], rtol=1e-12)
        np.testing.assert_allclose(func.grad(lambda x, f=f: F.sum(func.grad(f)(x) ** 2))(x),
                                   func.grad(lambda x: F.sum(func.grad(plain)(x) ** 2))(x), rtol=1e-11, atol=1e-11)
        v = Variable(x)
        f(v).backward()
        np.testing.assert_allclose(v.grad.data, func.grad(plain)(x), rtol=1e-13)


def test_checkpoint_keeps_no_graph():
    seen = []

    def f(x):
        y = F.sin(x)
        seen.append(weakref.ref(y))
        return F.exp(y)

    x = Variable(np.ones(3))
    y = func.checkpoint(f)(x)
    gc.collect()
    assert [r() for r in seen] == [None]
    y.backward()
    assert len(seen) == 2
    np.testing.assert_allclose(x.grad.data, np.exp(np.sin(1)) * np.cos(1))


def test_checkpoint_with_dropout_has_the_same_numbers():
    x = np.ones((5, 6))
    f = lambda x: F.dropout(F.sin(x), 0.5) * F.dropout(x, 0.3)  # noqa: E731
    results = []
    for g in (f, func.checkpoint(f), func.checkpoint(func.checkpoint(f))):
        np.random.seed(4)
        gx = func.grad(lambda x, g=g: F.sum(g(x)) + F.sum(F.dropout(x, 0.5)))(x)
        results.append((gx, np.random.rand()))
    for gx, after in results[1:]:
        np.testing.assert_array_equal(gx, results[0][0])
        assert after == results[0][1]


def test_checkpoint_of_layers_gives_their_parameters_gradients():
    np.random.seed(1)
    model = models.MLP((5, 3), activation=F.tanh)
    x = RNG.standard_normal((2, 4)).astype("f")
    F.sum(model(x)).backward()
    expected = [p.grad.data for p in model.params()]
    model.cleargrads()
    y = func.checkpoint(model)(Variable(x))
    F.sum(y).backward()
    for p, g in zip(model.params(), expected, strict=True):
        np.testing.assert_allclose(p.grad.data, g, rtol=1e-6)
    model.cleargrads()
    F.sum(func.checkpoint(lambda: model(x))()).backward()        # no arguments at all
    for p, g in zip(model.params(), expected, strict=True):
        np.testing.assert_allclose(p.grad.data, g, rtol=1e-6)
    found = func.grad(lambda m: F.sum(func.checkpoint(m)(x)))(model)
    for g, e in zip(found.values(), expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-6)
    _, pull = func.vjp(lambda m: F.sum(func.checkpoint(m)(x)), model)
    for g, e in zip(pull(np.float32(1))[0].values(), expected, strict=True):
        np.testing.assert_allclose(g, e, rtol=1e-6)


def test_checkpoint_reaches_what_closures_were_computed_from():
    """In f, before it, and by a transform within it or around it."""
    w = Variable(np.array(0.7))
    x = Variable(np.array(1.3))
    before = F.exp(w)
    pieces = {
        "in f": lambda x: x * F.exp(w), "before": lambda x: x * before, "transform": lambda x: x * func.grad(F.exp)(w),
        "checkpoint": lambda x: x * func.checkpoint(F.exp)(w),
        "checkpoint of nothing": lambda x: x * func.checkpoint(lambda: F.exp(w))(),
    }
    for name, f in pieces.items():
        x.cleargrad()
        w.cleargrad()
        func.checkpoint(f)(x).backward()
        np.testing.assert_allclose([x.grad.data, w.grad.data], [np.exp(0.7), 1.3 * np.exp(0.7)], rtol=1e-14, err_msg=name)
        w.cleargrad()
        func.checkpoint_loop(lambda i, x, f=f: f(x), 2, x).backward()
        np.testing.assert_allclose(w.grad.data, 2 * 1.3 * np.exp(1.4), rtol=1e-14, err_msg=name)
    around = func.grad(lambda v: func.checkpoint(lambda x: x * v * func.grad(lambda y: y ** 2 * v)(x))(2.0))     # 8 v^2
    assert around(3.0) == 48
    assert func.grad(func.grad(lambda v: func.checkpoint(lambda x: x * v ** 3)(2.0)))(3.0) == 36
    inner = lambda v: func.grad(lambda u: func.checkpoint(lambda: u * u * v)())(v)  # noqa: E731
    assert func.grad(lambda v: func.checkpoint(lambda: v * inner(v))())(2.0) == 24      # of 2 v^3
    f = func.custom_vjp(lambda x: x * F.exp(w))
    f.defvjp(lambda x: (x * F.exp(w), None), lambda r, gy: (gy,))
    with pytest.raises(TypeError, match="closes over a Variable"):
        f(x)


def test_checkpoint_restores_the_mode():
    dropout = layers.Dropout(0.5)
    x = Variable(np.ones(20))
    with dezero_c.test_mode():
        y = func.checkpoint(dropout)(x)
    F.sum(y).backward()
    np.testing.assert_array_equal(x.grad.data, 1)


def test_checkpoint_of_trees_and_own_variables():
    f = func.checkpoint(lambda p, n, scale=1.0: {"y": p["a"] * Variable(np.array(2.0)) * scale, "n": p["a"] + n})
    a = Variable(np.array(3.0))
    y = f({"a": a}, 4, scale=5.0)
    assert (y["y"].data, y["n"].data) == (30, 7)
    (y["y"] + y["n"]).backward()
    assert a.grad.data == 11
    with dezero_c.no_grad():
        assert f({"a": a}, 4)["y"].creator is None


def test_checkpoint_tells_what_changed():
    a, b = Variable(np.array(2.0)), Variable(np.array(3.0))
    which = [a]
    x = Variable(np.array(1.0))
    y = func.checkpoint(lambda x: x * which[0])(x)
    which[0] = b
    with pytest.raises(RuntimeError, match="other Variables in backward than in forward"):
        y.backward()
    sizes = [2, 3]
    y = func.checkpoint(lambda x: F.broadcast_to(x, (sizes.pop(0),)))(x)
    with pytest.raises(RuntimeError, match=r"shapes \[\(3,\)\] in backward and \[\(2,\)\] in forward"):
        y.backward()
    with pytest.raises(TypeError, match="checkpoint: int is no function"):
        func.checkpoint(3)


# ---- loops


def step(i, s):
    return {"x": s["x"] + 0.1 * s["v"], "v": s["v"] - 0.1 * F.sin(s["x"]) * (1 + 0.01 * i)}


def by_hand(n, s):
    for i in range(n):
        s = step(i, s)
    return s


START = {"x": np.array([0.3, 1.0]), "v": np.array([1.0, -0.5])}


def energy(s):
    return F.sum(s["x"] ** 2 * s["v"])


@pytest.mark.parametrize("n", [0, 1, 2, 3, 7, 30])
@pytest.mark.parametrize("snapshots", [None, 1, 2, 5])
def test_loops_give_the_loops_gradient(n, snapshots):
    kept = func.grad(lambda s: energy(func.checkpoint_loop(step, n, s, snapshots)))(START)
    plain = func.grad(lambda s: energy(by_hand(n, s)))(START)
    for name in START:
        np.testing.assert_allclose(kept[name], plain[name], rtol=1e-12)


def test_loops_in_other_transforms():
    f = lambda s: energy(func.checkpoint_loop(step, 6, s))  # noqa: E731
    g = lambda s: energy(by_hand(6, s))  # noqa: E731
    for a, b in [(func.jvp(f, START, START)[1], func.jvp(g, START, START)[1]),
                 (func.hvp(f, START, START)["x"], func.hvp(g, START, START)["x"])]:
        np.testing.assert_allclose(a, b, rtol=1e-11)
    with dezero_c.no_grad():
        np.testing.assert_array_equal(func.checkpoint_loop(step, 6, START)["x"].data, by_hand(6, START)["x"].data)


def test_loops_with_closures_and_random_numbers():
    w = dezero_c.Parameter(np.array(0.9))
    noisy = lambda i, x: F.dropout(x, 0.3) * w + 0.1 * i  # noqa: E731
    found = []
    for run in (lambda x: func.checkpoint_loop(noisy, 9, x, 2), None):
        np.random.seed(3)
        x = Variable(np.ones(4))
        y = x
        if run is None:
            for i in range(9):
                y = noisy(i, y)
        else:
            y = run(x)
        w.cleargrad()
        F.sum(y).backward()
        found.append((x.grad.data, w.grad.data, np.random.rand()))
    for a, b in zip(*found, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-13)


@pytest.mark.parametrize(("n", "snapshots"), [(10, 3), (20, 3), (35, 4), (8, 1)])
def test_loops_take_as_many_steps_as_the_binomial_schedule(n, snapshots):
    calls = []

    def counted(i, x):
        calls.append(i)
        return F.sin(x)

    func.grad(lambda x: func.checkpoint_loop(counted, n, x, snapshots))(0.5)
    r = 1
    while math.comb(snapshots + r, snapshots) < n:
        r += 1
    # forward, and in backward at most r evaluations of a step without its graph and one with it
    assert len(calls) <= n + r * n + n
    optimal = r * n - math.comb(snapshots + r, r - 1)       # Griewank's count of steps without a graph
    assert len(calls) - 2 * n <= optimal


def test_loops_keep_few_states():
    alive, most = weakref.WeakSet(), [0]

    def counting(i, x):
        y = F.sin(x)
        alive.add(y)
        most[0] = max(most[0], len(alive))
        return y

    func.grad(lambda x: func.checkpoint_loop(counting, 200, x, 4))(0.5)
    assert most[0] <= 8


def test_loops_refuse():
    for call, kind, pattern in [
        (lambda: func.checkpoint_loop(3, 1, 1.0), TypeError, "int is no function"),
        (lambda: func.checkpoint_loop(step, 1.5, START), TypeError, "n is 1.5"),
        (lambda: func.checkpoint_loop(step, -1, START), ValueError, "n is -1"),
        (lambda: func.checkpoint_loop(step, 1, START, 0), ValueError, "snapshots is 0"),
        (lambda: func.checkpoint_loop(lambda i, x: [x], 2, 1.0), TypeError,
         r"step\(0, state\) gave \[\*\] for a state that is one"),
    ]:
        with pytest.raises(kind, match=pattern):
            call()
    w = [Variable(np.array(2.0))]
    x = Variable(np.array(1.0))
    y = func.checkpoint_loop(lambda i, x: x * w[0], 3, x)
    w[0] = Variable(np.array(3.0))
    with pytest.raises(RuntimeError, match="other Variables in backward"):
        y.backward()
