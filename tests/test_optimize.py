"""dezero_c.optimize: SciPy's optimizers with exact derivatives, against the same with derivatives written by hand."""

import dataclasses
import subprocess
import sys

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Variable, func, optimize
from dezero_c.models import MLP

so = pytest.importorskip("scipy.optimize")

X0 = np.array([-1.2, 1.0, 0.5, 0.3, 2.0])
NEAR = np.full(5, 0.9)
SECOND = {"Newton-CG": "hessp", "trust-ncg": "hessp", "trust-krylov": "hessp", "trust-constr": "hessp", "dogleg": "hess",
          "trust-exact": "hess"}
FIRST = ("CG", "BFGS", "L-BFGS-B", "TNC", "SLSQP")


def rosen(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


class Counted:
    """A function that counts its calls, and the different x among them."""

    def __init__(self, f):
        self.f, self.seen = f, []

    def __call__(self, x, *args):
        self.seen.append(b"".join(np.asarray(a.data).tobytes() for a in func.ravel(x)[:1]))
        return self.f(x, *args)


def by_hand(method):
    given = {"hess": {"hess": so.rosen_hess}, "hessp": {"hessp": so.rosen_hess_prod}}.get(SECOND.get(method), {})
    if method in SECOND or method in FIRST or method is None:
        given["jac"] = so.rosen_der
    return given


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("method", [*FIRST, *SECOND, None, "Nelder-Mead", "Powell", "COBYLA"])
def test_every_method_gets_what_it_takes_and_f_runs_once_for_each_x(method, captured):
    start = NEAR if method in ("dogleg", "TNC") else X0     # dogleg wants convex functions
    options = {"ftol": 1e-15, "gtol": 1e-12, "maxfun": 1000} if method == "TNC" else None
    counted = Counted(rosen)
    f = dezero_c.capture(lambda x: rosen(x)) if captured else counted
    found = optimize.minimize(f, start, method=method, options=options)
    wanted = so.minimize(so.rosen, start, method=method, options=options, **by_hand(method))
    np.testing.assert_allclose(found.x, wanted.x, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(found.x, found.vector)
    assert found.captured is captured
    assert found.get("nit") == wanted.get("nit") or method == "TNC"
    if not captured:
        assert len(counted.seen) == len({*counted.seen}) <= found.nfev


@pytest.mark.parametrize("method", ["BFGS", "Newton-CG", "trust-exact"])
def test_a_captured_function_sees_what_its_code_names_change(method):
    at = 1.0

    @dezero_c.capture
    def f(x):
        return np.sum((x - at) ** 2)

    for at in (1.0, 1.0, 3.0, 3.0):
        found = optimize.minimize(f, [0.0, 0.0], method=method)
        np.testing.assert_allclose(found.x, at, rtol=1e-5)
        assert found.captured


@pytest.mark.parametrize("shape", [(), (1,), (2, 3)])
@pytest.mark.parametrize("args", [(), (2.0, np.array(3.0))])
def test_hessians_of_captured_functions_are_those_of_others(shape, args):
    def f(x, a=1.0, b=0.5):
        return np.sum(np.exp(a * x) + b * x ** 4) + np.sum(x) ** 2

    for x0 in (np.full(shape, 0.3), {"a": np.full(shape, 0.3), "b": 0.1}):
        of_tree = f if not isinstance(x0, dict) else lambda x, *args: f(x["a"], *args) + f(x["b"], *args) * x["b"]
        one, two = (optimize.minimize(g, x0, args=args, method="trust-exact", options={"maxiter": 5})
                    for g in (of_tree, dezero_c.capture(of_tree)))
        np.testing.assert_allclose(two.vector, one.vector, rtol=1e-9, atol=1e-12)
        np.testing.assert_allclose(two.hess, one.hess, rtol=1e-9)
        assert two.captured
        assert not one.captured


@pytest.mark.parametrize("options", [{"on_read": "freeze"}, {"check": "always"}, {"max_plans": 2}])
def test_a_hessian_is_captured_with_the_options_of_its_function(options):
    def f(x):
        scale = float(c.data) if options.get("on_read") == "freeze" else 2.0
        return np.sum((x - 1) ** 4) * scale

    c = dezero_c.Variable(np.array(2.0))
    g = dezero_c.capture(f, **options)
    found = optimize.minimize(g, [0.0, 0.0], method="trust-exact")
    plans, = g.__dict__["_optimize"].values()
    assert found.captured
    assert not plans.refused
    captured, = plans._hessian._products.values()
    assert (captured._on_read, captured._check, captured._max_plans) == (g._on_read, g._check, g._max_plans)


def test_a_hessian_that_is_looked_at_once_is_captured_afterwards():
    f = dezero_c.capture(lambda x: np.sum((x - 1) ** 4 + x ** 2))
    with dezero_c.debug():
        optimize.minimize(f, [0.0, 0.0], method="trust-exact")
    found = optimize.minimize(f, [0.0, 0.0], method="trust-exact")
    assert found.captured
    assert not any(plans.refused for plans in f.__dict__["_optimize"].values())


def test_what_a_plan_refuses_runs_as_it_is():
    @dezero_c.capture
    def f(x):
        return np.sum((x - 1) ** 2) if float(x[0].data) > -10 else np.sum(x)

    found = optimize.minimize(f, [0.0, 0.0])
    np.testing.assert_allclose(found.x, 1, atol=1e-6)
    assert not found.captured


def test_elements_of_lists_are_seen_by_functions_that_are_not_captured():
    at = [1.0]
    for at[0] in (1.0, 5.0):
        np.testing.assert_allclose(optimize.minimize(lambda x: np.sum((x - at[0]) ** 2), [0.0]).x, at[0])


def test_what_scipy_gets_are_copies():
    kept = {}

    def look(fun, x0, jac=None, hess=None, hessp=None, **_):
        x = np.array(x0)
        for name, g in (("jac", jac), ("hess", hess)):
            first = g(x)
            before = first.copy()
            again = g(x)
            assert again is not first
            assert not np.shares_memory(first, again)
            first[:] = 0
            np.testing.assert_array_equal(g(x), before)
            x += 0.5        # SciPy's own buffer, changed in place
            assert np.abs(g(x) - before).max() > 1e-3
            x[:] = x0
            np.testing.assert_array_equal(g(x), before)
            kept[name] = before
        return so.OptimizeResult(x=x, fun=fun(x), success=True)

    for f in (rosen, dezero_c.capture(rosen)):
        optimize.minimize(f, X0, method=look)
        np.testing.assert_allclose(kept["jac"], so.rosen_der(X0))
        np.testing.assert_allclose(kept["hess"], so.rosen_hess(X0))


@dataclasses.dataclass
class Pair:
    a: object
    b: object


@pytest.mark.parametrize("method", ["BFGS", "Newton-CG", "trust-exact", "L-BFGS-B"])
def test_trees(method):
    target = np.arange(6.0).reshape(2, 3)

    def f(p):
        return (p["a"] - 2) ** 2 + np.sum((p["b"][0] - target) ** 2) + p["b"][1] ** 4

    found = optimize.minimize(f, {"a": 1, "b": (np.zeros((2, 3), "f"), 0.0)}, method=method)
    assert found.x["b"][0].shape == (2, 3)
    assert found.x["b"][0].dtype == found.x["a"].dtype == np.float64
    np.testing.assert_allclose(found.x["b"][0], target, atol=1e-6)
    np.testing.assert_allclose(found.x["a"], 2, atol=1e-6)
    np.testing.assert_allclose(found.vector, func.ravel(found.x)[0])
    pair = optimize.minimize(lambda p: (p.a - 1) ** 2 + (p.b + 1) ** 2, Pair(0.0, 0), method=method).x
    assert isinstance(pair, Pair)
    np.testing.assert_allclose([pair.a, pair.b], [1, -1], atol=1e-6)
    number = optimize.minimize(lambda x: (x - 3) ** 2, 1, method=method)
    assert number.x.shape == ()
    np.testing.assert_allclose(number.x, 3)


def test_callbacks_get_the_tree():
    def f(p):
        return (p["a"] - 2) ** 2 + p["b"] ** 2

    seen = []
    optimize.minimize(f, {"a": 0.0, "b": 1.0}, callback=lambda x: seen.append(x))
    optimize.minimize(f, {"a": 0.0, "b": 1.0}, callback=lambda intermediate_result: seen.append(intermediate_result.x))
    assert len(seen) >= 2
    assert all({*x} == {"a", "b"} for x in seen)


def test_a_model_gets_the_optimum_and_keeps_its_parameters_after_an_exception():
    np.random.seed(0)
    model = MLP((4, 1), activation=F.tanh)
    x = np.linspace(-1, 1, 20, dtype="f")[:, None]
    t = x ** 2
    model(x)
    before = {name: p.data.copy() for name, p in model.named_params()}

    def loss(m):
        return F.mean_squared_error(m(x), t)

    def broken(m):
        raise KeyError("of the function itself")

    with pytest.raises(KeyError, match="of the function itself"):
        optimize.minimize(broken, model)
    for name, p in model.named_params():
        np.testing.assert_array_equal(p.data, before[name])
    start = float(loss(model).data)
    found = {}
    for method in ("BFGS", "trust-ncg"):
        for name, p in model.named_params():
            p.data = before[name].copy()
        found[method] = optimize.minimize(loss, model, method=method, options={"maxiter": 30})
        assert found[method].fun < 0.1 * start
        for name, p in model.named_params():
            assert p.dtype == np.float32
            assert p.grad is None
            np.testing.assert_array_equal(p.data, found[method].x[name].astype("f"))
    np.testing.assert_allclose(float(loss(model).data), found["trust-ncg"].fun, rtol=1e-3)


@pytest.mark.parametrize("method", ["BFGS", "trust-ncg"])
def test_a_model_with_checkpoints_has_the_same_gradients(method):
    np.random.seed(0)
    model = MLP((3, 1), activation=F.tanh)
    x = np.linspace(-1, 1, 8)[:, None]
    model(x)
    start = {name: p.data.copy() for name, p in model.named_params()}
    found = []
    for call in (lambda m: m(x), lambda m: func.checkpoint(m)(x)):
        for name, p in model.named_params():
            p.data = start[name].copy()
        found.append(optimize.minimize(lambda m, call=call: F.sum((call(m) - x ** 2) ** 2), model, method=method,
                                       options={"maxiter": 5}).vector)
    np.testing.assert_allclose(*found, rtol=1e-6)


def test_bounds_of_arrays_and_trees():
    def f(p):
        return (p["a"] - 2) ** 2 + np.sum((p["b"] - 1) ** 2)

    x0 = {"a": 0.0, "b": np.zeros(2)}
    found = optimize.minimize(f, x0, bounds={"a": (None, 1), "b": (np.array([-1, 0.0]), np.array([0.5, 3]))}).x
    np.testing.assert_allclose([found["a"], *found["b"]], [1, 0.5, 1], atol=1e-6)
    found = optimize.minimize(f, x0, bounds=so.Bounds([-1, -1, -1], [0, 3, 3])).x
    np.testing.assert_allclose([found["a"], *found["b"]], [0, 1, 1], atol=1e-6)
    found = optimize.minimize(rosen, X0, bounds=[(None, 0.5)] * 5, method="L-BFGS-B").x
    np.testing.assert_allclose(found, so.minimize(so.rosen, X0, jac=so.rosen_der, bounds=[(None, 0.5)] * 5).x, atol=1e-6)
    with pytest.raises(ValueError, match=r"bounds\['a'\] is 3; give a pair"):
        optimize.minimize(f, x0, bounds={"a": 3})
    with pytest.raises(ValueError, match="is not like x0"):
        optimize.minimize(f, x0, bounds=[(0, 1)] * 3)
    with pytest.raises(ValueError, match=r"bounds\['b'\] has shape \(3,\) where x0 has \(2,\)"):
        optimize.minimize(f, x0, bounds={"b": (np.zeros(3), 1)})


@pytest.mark.parametrize("method", ["SLSQP", "trust-constr"])
def test_constraints(method):
    circle = optimize.nonlinear_constraint(lambda x: x[0] ** 2 + x[1] ** 2, -np.inf, 1)
    wanted = np.array([2, 1]) / np.sqrt(5)
    options = {"ftol": 1e-12} if method == "SLSQP" else {"gtol": 1e-10, "xtol": 1e-12}

    def f(x):
        return (x[0] - 2) ** 2 + (x[1] - 1) ** 2

    np.testing.assert_allclose(optimize.minimize(f, [0.1, 0.1], method=method, constraints=circle, options=options).x, wanted,
                               atol=1e-4)
    old = {"type": "ineq", "fun": lambda x: [1 - x[0] ** 2 - x[1] ** 2]}
    np.testing.assert_allclose(optimize.minimize(f, [0.1, 0.1], method=method, constraints=[old], options=options).x, wanted,
                               atol=1e-4)
    tree = optimize.minimize(lambda p: (p["u"] - 2) ** 2 + (p["v"] - 1) ** 2, {"u": 0.1, "v": 0.1}, method=method,
                             options=options, constraints=optimize.nonlinear_constraint(
                                 lambda p: p["u"] ** 2 + p["v"] ** 2, -np.inf, 1)).x
    np.testing.assert_allclose([tree["u"], tree["v"]], wanted, atol=1e-4)


def test_a_hessian_that_the_method_does_not_take():
    """SciPy warns of the caller's own, and has no reason to for the one that was not asked for (above: no warning)."""
    circle = optimize.nonlinear_constraint(lambda x: x[0] ** 2 + x[1] ** 2, -np.inf, 1, hess=lambda x, v: 2 * v[0] * np.eye(2))
    with pytest.warns(so.OptimizeWarning, match="hess"):
        optimize.minimize(lambda x: (x[0] - 2) ** 2 + (x[1] - 1) ** 2, [0.1, 0.1], method="SLSQP", constraints=circle)


def test_the_derivatives_of_a_constraint():
    counted = Counted(lambda x: [x[0] ** 2 * x[1], np.exp(x[1])])
    c = optimize.nonlinear_constraint(counted, 0, 1)
    x = np.array([2.0, 3.0])
    np.testing.assert_allclose(c.fun(x), [12, np.exp(3)])
    np.testing.assert_allclose(c.jac(x), [[12, 4], [0, np.exp(3)]])
    np.testing.assert_allclose(c.hess(x, np.array([1.0, 0.0])), [[6, 4], [4, 0]])
    np.testing.assert_allclose(c.hess(x, np.array([1.0, 2.0])), [[6, 4], [4, 2 * np.exp(3)]])
    assert len(counted.seen) == 1
    first = c.jac(x)
    first[:] = 0
    assert c.jac(x)[0, 0] == 12


def curve(x, a, b, c):
    return a * np.exp(-b * x) + c


def curve_jac(x, a, b, c):
    e = np.exp(-b * x)
    return np.stack([e, -a * x * e, np.ones_like(x)], 1)


XS = np.linspace(0, 4, 50)
YS = curve(XS, 2.5, 1.3, 0.5) + 0.05 * np.random.default_rng(0).standard_normal(50)


@pytest.mark.parametrize("given", [{}, {"p0": [2, 1, 1]}, {"sigma": np.full(50, 0.05), "absolute_sigma": True},
                                   {"bounds": ([0, 0, 0], [3, 2, 1])}, {"method": "dogbox"}, {"sigma": 0.01 * np.eye(50)}])
@pytest.mark.parametrize("f", [curve, dezero_c.capture(lambda x, a, b, c: curve(x, a, b, c))])
def test_curve_fit(given, f):
    popt, pcov = optimize.curve_fit(f, XS, YS, **given)
    wanted, cov = so.curve_fit(curve, XS, YS, jac=curve_jac, **given)
    np.testing.assert_allclose(popt, wanted, atol=1e-6)
    np.testing.assert_allclose(pcov, cov, rtol=1e-5)


def test_curve_fit_counts_and_errors():
    counted = []

    def f(x, a, b, c):
        counted.append((float(a.data), float(b.data), float(c.data)))
        return curve(x, a, b, c)

    one = optimize.curve_fit(curve, XS, YS, sigma=0.1, absolute_sigma=True)     # of all
    np.testing.assert_allclose(one[1], so.curve_fit(curve, XS, YS, sigma=0.1, absolute_sigma=True)[1], rtol=1e-4)
    optimize.curve_fit(f, XS, YS)
    assert len(counted) == len({*counted})
    with pytest.raises(ValueError, match="curve_fit: p0 is needed"):
        optimize.curve_fit(lambda x, *p: p[0] * x, XS, YS)
    np.testing.assert_allclose(optimize.curve_fit(lambda x, *p: p[0] * x + p[1], XS, 2 * XS + 1, p0=[0, 0])[0], [2, 1])
    with pytest.raises(ValueError, match="p0 has 2 numbers, and f takes 3"):
        optimize.curve_fit(curve, XS, YS, p0=[1, 2])
    with pytest.raises(ValueError, match="curve_fit: f is nan at p0, array"), np.errstate(invalid="ignore"):
        optimize.curve_fit(lambda x, a: np.sqrt(a) * x, XS, YS, p0=[-1.0])


@pytest.mark.parametrize("method", ["trf", "dogbox", "lm"])
@pytest.mark.parametrize("captured", [False, True])
def test_least_squares(method, captured):
    def residuals(p):
        return p[0] * np.exp(-p[1] * XS) + p[2] - YS

    counted = Counted(residuals)
    found = optimize.least_squares(dezero_c.capture(residuals) if captured else counted, [1, 1, 1], method=method)
    wanted = so.least_squares(lambda p: curve(XS, *p) - YS, [1.0, 1, 1], jac=lambda p: curve_jac(XS, *p), method=method)
    np.testing.assert_allclose(found.x, wanted.x, atol=1e-6)
    np.testing.assert_allclose(found.jac, wanted.jac, rtol=1e-5, atol=1e-8)
    assert found.captured is captured
    assert len(counted.seen) == len({*counted.seen})


def test_least_squares_of_trees():
    found = optimize.least_squares(lambda p: {"fit": p["a"] * XS + p["b"] - 3 * XS - 1, "prior": 1e-9 * p["a"]},
                                   {"a": 1.0, "b": 0}, bounds={"a": (0, 2), "b": None})
    np.testing.assert_allclose(found.x["a"], 2, atol=1e-4)
    assert found.jac.shape == (51, 2)


@pytest.mark.parametrize("method", ["hybr", "lm", "broyden1", "krylov"])
def test_root(method):
    counted = Counted(lambda x: [x[0] + x[1] - 3, x[0] * x[1] - 2])
    found = optimize.root(counted, [0.5, 2.5], method=method)
    np.testing.assert_allclose(sorted(found.x), [1, 2], atol=1e-4)
    if method in ("hybr", "lm"):
        assert len(counted.seen) == len({*counted.seen})
    tree = optimize.root(lambda p: {"u": p["u"] ** 2 - 4, "v": p["v"] - p["u"]}, {"u": 1.0, "v": 0.0}, method=method).x
    np.testing.assert_allclose([abs(tree["u"]), tree["v"]], [2, tree["u"]], atol=1e-3)  # which root: last bits decide


def test_derivatives_of_the_callers_own_go_before():
    calls = []

    def jac(x):
        calls.append(type(x))
        return so.rosen_der(x)

    optimize.minimize(rosen, X0, jac=jac)
    assert calls
    assert {*calls} == {np.ndarray}
    found = optimize.minimize(rosen, X0, jac="2-point")
    assert found.nfev > 100
    np.testing.assert_allclose(optimize.minimize(lambda x: (so.rosen(x), so.rosen_der(x)), NEAR, jac=True).x, 1, atol=1e-4)
    np.testing.assert_allclose(optimize.minimize(rosen, NEAR, method="trust-exact", hess=so.rosen_hess).x, 1, atol=1e-4)
    np.testing.assert_allclose(optimize.minimize(rosen, NEAR, method="trust-constr", hess=so.BFGS()).x, 1, atol=1e-3)
    tree = optimize.minimize(lambda p: p["a"] ** 2 + (p["b"] - 1) ** 2, {"a": 1.0, "b": 0.0},
                             jac=lambda p: {"a": 2 * p["a"], "b": 2 * (p["b"] - 1)})
    np.testing.assert_allclose([tree.x["a"], tree.x["b"]], [0, 1], atol=1e-6)
    with pytest.raises(TypeError, match="jac=True f gives arrays"):
        optimize.minimize(lambda x: (so.rosen(x), so.rosen_der(x)), X0, jac=True, method="trust-exact")
    np.testing.assert_allclose(optimize.least_squares(lambda x: x ** 2 - 4, [1.0], jac="3-point").x, 2)


def test_arguments_pass_through():
    found = optimize.minimize(lambda x, a, b: np.sum((x - a) ** 2) + b, [0.0, 0.0], args=(np.array([1.0, 2.0]), 3.0))
    np.testing.assert_allclose(found.x, [1, 2])
    f = dezero_c.capture(lambda x, a: np.sum((x - a) ** 2))
    for a in (1.0, 2.0, 1.0):
        np.testing.assert_allclose(optimize.minimize(f, [0.0], args=(np.array(a),)).x, a)
        np.testing.assert_allclose(optimize.minimize(f, [0.0], args=a, method="Newton-CG").x, a)
    np.testing.assert_allclose(optimize.least_squares(lambda x, a, b=0: x - a - b, [0.0], args=(1,), kwargs={"b": 2}).x, 3)


def test_bad_input():
    with pytest.raises(ValueError, match=r"minimize: f returned shape \(5,\).*least_squares"):
        optimize.minimize(lambda x: x ** 2, X0)
    with pytest.raises(TypeError, match="f returned None"):
        optimize.minimize(lambda x: None, X0)
    with pytest.raises(ValueError, match="Unknown solver nonsense"):
        optimize.minimize(rosen, X0, method="nonsense")
    with pytest.raises(TypeError, match="minimize: int is no function"):
        optimize.minimize(3, X0)
    with pytest.raises(TypeError, match="x0 is of dtype complex128"):
        optimize.minimize(rosen, X0 + 1j)
    with pytest.raises(ValueError, match="x0 has nan or inf"):
        optimize.minimize(rosen, X0 * np.nan)
    with pytest.raises(ValueError, match="x0 has no numbers"):
        optimize.minimize(rosen, [])
    with np.errstate(invalid="ignore", divide="ignore"):
        with pytest.raises(ValueError, match="minimize: f is nan at x0, array"):
            optimize.minimize(lambda x: np.sum(np.log(x)), X0)
        with pytest.raises(ValueError, match="the gradient of f is nan at x0"):
            optimize.minimize(lambda x: np.sum(np.sqrt(x) * x), np.zeros(2))
    with pytest.raises(TypeError, match="a search has no derivative"):
        func.grad(lambda x: optimize.minimize(rosen, x).fun)(X0)
    assert optimize.minimize(lambda x: x ** 2, np.ones(1)).x.shape == (1,)      # one number in an array, as SciPy takes it


def test_f_that_changes_things():
    def writes(x):
        x.data[0] = 1
        return np.sum(x)

    def exchanges(x):
        x.data = np.zeros(5)
        return np.sum(x)

    for method in ("BFGS", "trust-exact"):
        with pytest.raises(ValueError, match="read-only"):
            optimize.minimize(writes, X0, method=method)
        with pytest.raises(RuntimeError, match="other data"):
            optimize.minimize(exchanges, X0, method=method)
    w = Variable(np.ones(5))
    w.grad = Variable(np.full(5, 7.0))
    for method in ("BFGS", "trust-exact", "Newton-CG"):
        np.testing.assert_allclose(optimize.minimize(lambda x: np.sum((x - w) ** 2), X0, method=method).x, 1)
    np.testing.assert_array_equal(w.grad.data, 7)
    np.testing.assert_array_equal(w.data, 1)


def test_x0_is_not_changed_and_an_error_leaves_f_usable():
    x0 = X0.copy()
    optimize.minimize(rosen, x0, method="L-BFGS-B")
    np.testing.assert_array_equal(x0, X0)
    f = dezero_c.capture(lambda x: rosen(x) if x.shape == (5,) else x.no_such_thing)
    with pytest.raises(AttributeError):
        optimize.minimize(f, X0[:3])
    np.testing.assert_allclose(optimize.minimize(f, NEAR).x, 1, atol=1e-4)


def test_without_scipy_the_error_names_the_extra():
    code = ("import sys; sys.modules['scipy'] = None; sys.modules['scipy.optimize'] = None\n"
            "from dezero_c import optimize\n"
            "try: optimize.minimize(lambda x: x, 1.0)\n"
            "except ImportError as e: print(e)")
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert 'pip install "dezero_c[scipy]"' in out


def test_importing_it_imports_no_scipy():
    code = "import sys; from dezero_c import optimize; print('scipy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "False"
