"""Captured functions: fixed programs that dezero_c replays (`dezero_c.capture`), beside the same function run as it is,
CasADi's virtual machine through its buffers, JAX compiled, and PyTorch.

A call leaves its results where the user finds them: in Variables, in CasADi's buffers, in JAX's arrays. The program is made
before it is timed: traced and compiled where a library does that.
"""

import math

import numpy as np

from ..peers import Unsupported
from ..records import SINGLE, Goal, Tolerance, Workload
from . import training


def capture_of(adapter):
    """`capture` of the adapter's package; DeZero has none."""
    try:
        return adapter.package.capture
    except AttributeError:
        raise Unsupported("it captures no functions") from None


class Later:
    """A result that is read when somebody asks."""

    def __init__(self, read):
        self.read = read

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.read(), dtype)


def program(function, *point, jax_form=None):
    """A builder: value and gradient at `point` of function(ops, *xs), once, in each peer's own way of running a fixed program.
    jax_form(jax): the same for JAX where it is written in another way there, (function, whether gradients are asked for)."""

    def build(adapter, n):
        if adapter.family == "dezero":
            return captured(adapter, function, point)
        if adapter.family == "eager":
            return eager(adapter, function, point)
        if adapter.family == "casadi":
            return adapter.program(lambda *xs: function(adapter, *xs), point)
        if adapter.family == "jax":
            if jax_form is None:
                raise Unsupported("a graph of so many nodes takes it minutes to compile")
            form = jax_form(adapter.jax)
            return adapter.gradient(form, *point)
        if adapter.family == "torch":
            return adapter.gradient(lambda *xs: function(adapter, *xs), *point)
        raise Unsupported(f"not written for {adapter.family}")

    return build


def step(adapter, function):
    def f(*xs):
        y = function(adapter, *xs)
        for x in xs:
            x.cleargrad()
        y.backward()
        return y

    return f


def eager(adapter, function, point, capture=lambda f: f):
    leaves, out = [adapter.leaf(each) for each in point], [None]
    f = capture(step(adapter, function))
    results = Later(lambda: out[0].data), tuple(Later(lambda x=x: x.grad.data) for x in leaves)
    if len(leaves) == 2:        # called as a user's program would
        x0, x1 = leaves

        def run():
            out[0] = f(x0, x1)
            return results
    else:

        def run():
            out[0] = f(*leaves)
            return results

    return run


def captured(adapter, function, point):
    run = eager(adapter, function, point, capture_of(adapter))
    for _ in range(3):      # traced, compared, replayed
        run()
    return run


def traced(function, *point):
    """A builder: the two first calls of a captured function, which trace and compile it; of `eager` one call as it is."""

    def build(adapter, n):
        if adapter.family == "eager":
            return eager(adapter, function, point)
        if adapter.family != "dezero":
            raise Unsupported("what others take to compile is not what is asked here")
        capture, leaves, out = capture_of(adapter), [adapter.leaf(each) for each in point], [None]
        f = step(adapter, function)
        results = Later(lambda: out[0].data), tuple(Later(lambda x=x: x.grad.data) for x in leaves)

        def run():
            g = capture(f)
            g(*leaves)
            out[0] = g(*leaves)
            if g.plans != 1:
                raise AssertionError("the calls were not captured")
            return results

        return run

    return build


def repeated(function, *point, times=1000):
    """A builder for dezero_c alone: `times` calls within one of `repeat`."""

    def build(adapter, n):
        if adapter.family != "dezero":
            raise Unsupported("calls one after the other, without the caller, are dezero_c's")
        leaves = [adapter.leaf(each) for each in point]
        f = capture_of(adapter)(step(adapter, function))
        for _ in range(3):
            f(*leaves)
        out = [None]
        results = Later(lambda: out[0].data), tuple(Later(lambda x=x: x.grad.data) for x in leaves)

        def run():
            out[0] = f.repeat(times, *leaves)
            return results

        return run

    return build


def training_step(build):
    """A builder of a training step of training.py: captured by dezero_c, and for the others as it is there."""

    def built(adapter, n):
        if adapter.family == "dezero":
            run = build(AsDeZero(adapter), n, capture=capture_of(adapter))
            for _ in range(4):
                run()
            return run
        return build(AsDeZero(adapter) if adapter.family == "eager" else adapter, n)

    return built


class AsDeZero:
    """An adapter of the family of DeZero's API."""

    family = "dezero"

    def __init__(self, adapter):
        self.package = adapter.package


# ---- the programs


def rosenbrock(ops, x0, x1):
    return 100 * (x1 - x0**2) ** 2 + (x0 - 1) ** 2


def rosenbrock_reference(n):
    x0, x1 = 0.3, 2.0
    return 100 * (x1 - x0**2) ** 2 + (x0 - 1) ** 2, (-400 * x0 * (x1 - x0**2) + 2 * (x0 - 1), 200 * (x1 - x0**2))


def tiny(ops, a, b):
    """Seven operations on two numbers."""
    c = a * b
    return ops.sin((a + b) * c) * a + b - c


def tiny_reference(n):
    a, b = 0.3, 0.7
    c, s = a * b, a + b
    co = math.cos(s * c)
    return math.sin(s * c) * a + b - c, (math.sin(s * c) + a * co * (c + s * b) - b, a * co * (c + s * a) + 1 - a)


def chain(ops, x):
    h = x
    for _ in range(500):
        h = ops.sin(h) * 1.01
    return h


def chain_reference(n):
    h, dh = 0.5, 1.0
    for _ in range(500):
        h, dh = 1.01 * math.sin(h), 1.01 * math.cos(h) * dh
    return h, (dh,)


STEPS, H = 100, 0.05


def rates(u, v, a, b, c, d):
    return a * u - b * u * v, c * u * v - d * v


def runge_kutta(u, v, p):
    k0, l0 = rates(u, v, *p)
    k1, l1 = rates(u + H / 2 * k0, v + H / 2 * l0, *p)
    k2, l2 = rates(u + H / 2 * k1, v + H / 2 * l1, *p)
    k3, l3 = rates(u + H * k2, v + H * l2, *p)
    return u + H / 6 * (k0 + 2 * k1 + 2 * k2 + k3), v + H / 6 * (l0 + 2 * l1 + 2 * l2 + l3)


def lotka_volterra(ops, *p):
    """The foxes and hares of Lotka and Volterra after 100 steps of Runge and Kutta, by their four rates."""
    u, v = 1.0, 0.5
    for _ in range(STEPS):
        u, v = runge_kutta(u, v, p)
    return u * v


def lotka_volterra_in_jax(jax):
    def f(*p):
        def one(state, _):
            return runge_kutta(*state, p), None

        (u, v), _ = jax.lax.scan(one, (1.0, 0.5), None, STEPS)
        return u * v

    return f


POINT = (1.1, 0.4, 0.1, 0.4)


def lotka_volterra_reference(n):
    """The gradient by complex steps, exact to rounding."""
    gradient = []
    for k in range(4):
        p = [complex(x) for x in POINT]
        p[k] += 1e-30j
        gradient.append(lotka_volterra(None, *p).imag / 1e-30)
    return lotka_volterra(None, *POINT), gradient


def quartic(x):
    return x**4 - 2 * x**2


def iteration(x):
    """One of Newton's, as the book writes it."""
    y = quartic(x)
    x.cleargrad()
    y.backward(create_graph=True)
    gx = x.grad
    x.cleargrad()
    gx.backward()
    x.data = x.data - gx.data / x.grad.data


def iterations(x):
    for _ in range(10):
        iteration(x)


NEAR = 1e-9


def iterations_that_end(x):
    """As many as it takes until the next one would change nothing to speak of."""
    while True:
        before = x.data
        iteration(x)
        if abs(x.data - before) < NEAR:
            return


def ten_in_jax(jax, better):
    def ten(x):
        for _ in range(10):
            x = better(x)
        return x

    return ten


def ending_in_jax(jax, better):
    def until_near(x):
        def goes_on(state):
            x, before = state
            return abs(x - before) >= NEAR

        return jax.lax.while_loop(goes_on, lambda state: (better(state[0]), state[0]), (better(x), x))[0]

    return until_near


def newton(prepared, eager=iterations, in_jax=ten_in_jax):
    """A builder: iterations from 2, by prepared(adapter, x), which makes them of a Variable; JAX in its own way."""

    def build(adapter, n):
        if adapter.family == "jax":
            derivative = adapter.jax.grad(quartic)
            second = adapter.jax.grad(derivative)
            compiled = adapter.jax.jit(in_jax(adapter.jax, lambda x: x - derivative(x) / second(x)))
            start = adapter.jnp.asarray(2.0)
            return lambda: (adapter.jax.block_until_ready(compiled(start)), ())
        if adapter.family not in ("dezero", "eager"):
            raise Unsupported(f"not written for {adapter.family}")
        x, start = adapter.leaf(2.0), np.float64(2.0)
        run_them = eager if adapter.family == "eager" else prepared(adapter, x)

        def run():
            x.data = start
            run_them(x)
            return x.data, ()

        return run

    return build


def all_captured(adapter, x):
    return capture_of(adapter)(iterations)


def ending_captured(adapter, x):
    return capture_of(adapter)(iterations_that_end, on_read="guard")


def one_captured(adapter, x):
    f = capture_of(adapter)(iteration)
    for _ in range(3):
        x.data = np.float64(2.0)
        f(x)
    return lambda x: f.repeat(10, x)


def newton_reference(n):
    x = 2.0
    for _ in range(10):
        x -= (4 * x**3 - 4 * x) / (12 * x**2 - 4)
    return x, ()


MANY = 100


def rosenbrock_of_many(total, x):
    return total(100 * (x[1:] - x[:-1] ** 2) ** 2 + (x[:-1] - 1) ** 2)


def many(adapter, n):
    """A builder: value and gradient at one point of MANY numbers."""
    point = np.linspace(-1, 1, MANY)
    if adapter.family in ("dezero", "eager"):
        x, out, total = adapter.leaf(point), [None], adapter.package.functions.sum

        def f(x):
            y = rosenbrock_of_many(total, x)
            x.cleargrad()
            y.backward()
            return y

        if adapter.family == "dezero":
            f = capture_of(adapter)(f)
            for _ in range(4):
                f(x)
        results = Later(lambda: out[0].data), (Later(lambda: x.grad.data),)

        def run():
            out[0] = f(x)
            return results

        return run
    if adapter.family == "casadi":
        return adapter.array_program(lambda x: rosenbrock_of_many(adapter.casadi.sum1, x), point)
    if adapter.family == "jax":
        return adapter.gradient(lambda x: rosenbrock_of_many(adapter.jnp.sum, x), point)
    raise Unsupported(f"not written for {adapter.family}")


def many_reference(n):
    x = np.linspace(-1, 1, MANY)
    gradient = np.zeros(MANY)
    d = x[1:] - x[:-1] ** 2
    gradient[1:] += 200 * d
    gradient[:-1] += -400 * x[:-1] * d + 2 * (x[:-1] - 1)
    return (100 * d**2 + (x[:-1] - 1) ** 2).sum(), (gradient,)


def derived(transform):
    """A builder: one of dezero_c.func's transforms of that function, arrays in and out, and JAX's of the same name, compiled."""

    def build(adapter, n):
        point = np.linspace(-1, 1, MANY)
        if adapter.family == "dezero":
            capture = capture_of(adapter)
            f = getattr(adapter.package.func, transform)(capture(lambda x: rosenbrock_of_many(adapter.package.functions.sum, x)))
            if transform == "grad":     # what makes a captured Hessian is captured by itself
                f = capture(f)
        elif adapter.family == "eager":
            f = getattr(adapter.package.func, transform)(lambda x: rosenbrock_of_many(adapter.package.functions.sum, x))
        elif adapter.family == "jax":
            compiled = adapter.jax.jit(getattr(adapter.jax, transform)(lambda x: rosenbrock_of_many(adapter.jnp.sum, x)))

            def f(x):
                return compiled(x).block_until_ready()
        else:
            raise Unsupported(f"not written for {adapter.family}")
        for _ in range(4):
            f(point)

        def run():
            return f(point), ()

        return run

    return build


def derived_reference(transform):
    def reference(n):
        x = np.linspace(-1, 1, MANY)
        if transform == "grad":
            return many_reference(n)[1][0], ()
        matrix = np.diag(np.r_[1200 * x[:-1] ** 2 - 400 * x[1:] + 2, 0] + np.r_[0, np.full(MANY - 1, 200.0)])
        off = -400 * x[:-1]
        return matrix + np.diag(off, 1) + np.diag(off, -1), ()

    return reference


# Hamiltonian Monte Carlo in NumPy on the posterior of a logistic regression: the leapfrog steps, each of which wants value and
# gradient as an array.
HMC_STEPS = 1000
HMC_X = np.random.default_rng(3).standard_normal((1000, 10))
HMC_Y = (np.random.default_rng(4).random(1000) < 1 / (1 + np.exp(-HMC_X @ np.linspace(-1, 1, 10)))).astype(float)


def log_posterior(ops, w):
    z = ops.dot(HMC_X, w)
    return ops.sum(HMC_Y * z - ops.logaddexp(0.0, z)) - ops.sum(w**2) / 50


def log_posterior_by_hand(w):
    z = HMC_X @ w
    return (HMC_Y * z - np.logaddexp(0.0, z)).sum() - (w**2).sum() / 50, (HMC_Y - 1 / (1 + np.exp(-z))) @ HMC_X - w / 25


def leapfrog(value_and_grad, steps, size=0.01):
    """The last value and gradient of an orbit, whose energy comes back to what it was."""
    at, momentum = np.zeros(10), np.linspace(1, 2, 10)
    value, gradient = value_and_grad(at)
    for _ in range(steps):
        momentum = momentum + size / 2 * np.asarray(gradient)
        at = at + size * momentum
        value, gradient = value_and_grad(at)
        momentum = momentum + size / 2 * np.asarray(gradient)
    return value, (gradient,)


def hmc(adapter, n):
    if adapter.family in ("dezero", "eager"):
        capture = capture_of(adapter)
        f = adapter.package.func.value_and_grad(lambda w: log_posterior(np, w))
        if adapter.family == "dezero":
            f = capture(f)
    elif adapter.family == "jax":
        f = adapter.jax.jit(adapter.jax.value_and_grad(lambda w: log_posterior(adapter.jnp, w)))
    elif adapter.family == "limit":
        f = log_posterior_by_hand
    else:
        raise Unsupported(f"not written for {adapter.family}")
    for _ in range(4):
        f(np.zeros(10))
    return lambda: leapfrog(f, n)


def hmc_reference(n):
    return leapfrog(log_posterior_by_hand, n)


MLP_SGD, MLP_ADAM = (training.classifier((4, 32, 32, 2), 32, optimizer) for optimizer in ("SGD", "Adam"))
ROSENBROCK, TINY = (0.3, 2.0), (0.3, 0.7)
GROUP = {"group": "captured", "unit": "call"}
STEP = {"group": "captured", "unit": "step", "units": lambda n: 1}
WORKLOADS = (
    Workload(
        name="captured-rosenbrock", title="Rosenbrock of two numbers, value and gradient, called from Python",
        build=program(rosenbrock, *ROSENBROCK, jax_form=lambda jax: lambda x0, x1: rosenbrock(None, x0, x1)),
        reference=rosenbrock_reference, goals=(Goal("faster", 45, "jax"), Goal("within", 1.7, "casadi")), **GROUP,
    ),
    Workload(
        name="captured-tiny", title="seven operations on two numbers, value and gradient, called from Python",
        build=program(tiny, *TINY), reference=tiny_reference, goals=(Goal("below", 450),), **GROUP,
    ),
    Workload(
        name="captured-tiny-repeat", title="the same, a thousand times within `repeat`", build=repeated(tiny, *TINY),
        reference=tiny_reference, n=1000, goals=(Goal("below", 70),), **GROUP,
    ),
    Workload(
        name="captured-chain", title="chain of sin and mul, 1,000 operations, value and gradient",
        build=program(chain, 0.5), reference=chain_reference, n=1000,
        goals=(Goal("faster", 1, "casadi"), Goal("faster", 12, "eager")), **(GROUP | {"unit": "op"}),
    ),
    Workload(
        name="captured-trace", title="the two first calls of the same chain, which trace and compile it",
        build=traced(chain, 0.5), reference=chain_reference, n=1000, goals=(Goal("within", 6, "eager"),),
        **(GROUP | {"unit": "op"}),
    ),
    Workload(
        name="captured-lotka-volterra", title="Lotka-Volterra, 100 steps of Runge-Kutta, gradient in 4 parameters",
        build=program(lotka_volterra, *POINT, jax_form=lotka_volterra_in_jax), reference=lotka_volterra_reference,
        goals=(Goal("faster", 1.3, "casadi"), Goal("faster", 45, "eager")), **GROUP,
    ),
    Workload(
        name="captured-newton", title="Newton's method on x^4 - 2x^2, 10 iterations in a captured function",
        build=newton(all_captured), reference=newton_reference, goals=(Goal("faster", 10, "jax"),), **GROUP,
    ),
    Workload(
        name="captured-newton-ends", title="the same until a step is below 1e-9, with a branch", reference=newton_reference,
        build=newton(ending_captured, iterations_that_end, ending_in_jax), goals=(Goal("faster", 10, "jax"),), **GROUP,
    ),
    Workload(
        name="captured-newton-repeat", title="the same, one iteration captured and `repeat`ed 10 times",
        build=newton(one_captured), reference=newton_reference, goals=(Goal("faster", 30, "jax"),), **GROUP,
    ),
    Workload(
        name="captured-rosenbrock-100", title="Rosenbrock of 100 numbers, written on arrays, value and gradient",
        build=many, reference=many_reference, goals=(Goal("faster", 12, "jax"), Goal("faster", 2, "casadi")), **GROUP,
    ),
    Workload(
        name="captured-grad-100", title="func.grad of the same, arrays in and out", build=derived("grad"),
        reference=derived_reference("grad"), goals=(Goal("faster", 5, "jax"),), **GROUP,
    ),
    Workload(
        name="captured-hessian-100", title="func.hessian of the same captured, dense", build=derived("hessian"),
        reference=derived_reference("hessian"), goals=(Goal("faster", 5, "jax"),), **GROUP,
    ),
    Workload(
        name="captured-hmc", title="logistic regression of 1,000 points and 10 features, a leapfrog step of HMC in NumPy",
        build=hmc, reference=hmc_reference, n=HMC_STEPS, quick_n=20, tolerance=Tolerance(1e-9, 1e-9),
        labels={"limit": "derivatives by hand in NumPy"}, goals=(Goal("faster", 1, "jax"),), **(GROUP | {"unit": "step"}),
    ),
    Workload(
        name="captured-mlp-sgd", title="MLP 4-32-32-2, batch 32, a step of SGD", build=training_step(MLP_SGD[0]),
        reference=MLP_SGD[1], tolerance=SINGLE, goals=(Goal("faster", 7, "jax"), Goal("faster", 2.7, "eager")), **STEP,
    ),
    Workload(
        name="captured-mlp-adam", title="MLP 4-32-32-2, batch 32, a step of Adam", build=training_step(MLP_ADAM[0]),
        reference=MLP_ADAM[1], tolerance=SINGLE, goals=(Goal("faster", 9, "jax"), Goal("faster", 2.7, "eager")), **STEP,
    ),
    Workload(
        name="captured-policy", title="a policy 4-128-2 at one observation, a step of Adam",
        build=training_step(training.POLICY_STEP[0]), reference=training.POLICY_STEP[1], tolerance=SINGLE,
        goals=(Goal("faster", 20, "jax"), Goal("faster", 6, "eager")), **STEP,
    ),
    Workload(
        name="captured-lstm", title="LSTM of 100, 30 steps, batch 30, a step of SGD",
        build=training_step(training.LSTM_STEP[0]), reference=training.LSTM_STEP[1], tolerance=Tolerance(2e-4, 2e-4),
        goals=(Goal("faster", 1.3, "eager"),), **STEP,
    ),
)  # fmt: skip
