"""Small functions as the book writes them: value and gradient of a few ops, and Newton's method with second
derivatives.
"""

import importlib
import math

import numpy as np

from ..records import Goal, Tolerance, Workload, by_family, gradient_of


def notebook(adapter, n):
    """The chapter-1 notebook's function."""
    square, exp = adapter.square, adapter.exp

    def function(x):
        return square(exp(square(x)))

    return function


def notebook_reference(n):
    y = math.exp(2 * 0.5**2)
    return y, (4 * 0.5 * y,)


def rosenbrock(adapter, n):
    def function(x0, x1):
        return 100 * (x1 - x0**2) ** 2 + (x0 - 1) ** 2

    return function


def rosenbrock_reference(n):
    x0, x1 = 0.0, 2.0
    y = 100 * (x1 - x0**2) ** 2 + (x0 - 1) ** 2
    return y, (-400 * x0 * (x1 - x0**2) + 2 * (x0 - 1), 200 * (x1 - x0**2))


def taylor_sine(adapter, n):
    """Terms are added until one is small: a graph whose length the data decides."""
    value, factorial = adapter.value, math.factorial

    def function(x, threshold=0.0001):
        y = 0
        for i in range(100000):
            c = (-1) ** i / factorial(2 * i + 1)
            t = c * x ** (2 * i + 1)
            y = y + t
            if abs(value(t)) < threshold:
                break
        return y

    return function


def taylor_reference(n):
    x, y, gx = math.pi / 4, 0.0, 0.0
    for i in range(100000):
        c = (-1) ** i / math.factorial(2 * i + 1)
        t = c * x ** (2 * i + 1)
        y, gx = y + t, gx + c * (2 * i + 1) * x ** (2 * i)
        if abs(t) < 0.0001:
            break
    return y, (gx,)


START = 2.0


def quartic(x):
    return x**4 - 2 * x**2


def newton_dezero(adapter, n):
    Variable = adapter.Variable

    def run():
        x = Variable(np.array(START))
        for _ in range(n):
            y = quartic(x)
            x.cleargrad()
            y.backward(create_graph=True)
            gx = x.grad
            x.cleargrad()
            gx.backward()
            gx2 = x.grad
            x.data -= gx.data / gx2.data
        return x.data, (gx2.data,)

    return run


def newton_torch(adapter, n):
    torch = adapter.torch
    tensor, float64, grad, no_grad = torch.tensor, torch.float64, torch.autograd.grad, torch.no_grad

    def run():
        x = tensor(START, dtype=float64, requires_grad=True)
        for _ in range(n):
            y = quartic(x)
            (gx,) = grad(y, x, create_graph=True)
            (gx2,) = grad(gx, x)
            with no_grad():
                x -= gx / gx2
        return x, (gx2,)

    return run


def newton_autograd(adapter, n):
    gradient = adapter.grad(quartic)
    second = adapter.grad(gradient)

    def run():
        x = START
        for _ in range(n):
            gx2 = second(x)
            x = x - gradient(x) / gx2
        return x, (gx2,)

    return run


def newton_by_hand(make):
    def build(adapter, n):
        def run():
            x = make(START)
            for _ in range(n):
                gx2 = 12 * x**2 - 4
                x = x - (4 * x**3 - 4 * x) / gx2
            return x, (gx2,)

        return run

    return build


def newton_reference(n):
    x = START
    for _ in range(n):
        gx2 = 12 * x**2 - 4
        x -= (4 * x**3 - 4 * x) / gx2
    return x, (gx2,)


ORDER = 6
HERE = np.linspace(-2, 2, 200)


def tanh_dezero(adapter, n):
    tanh, x = adapter.ops.tanh, adapter.leaf(HERE)

    def run():
        y = tanh(x)
        y.backward(create_graph=True)
        for _ in range(n - 1):
            gx = x.grad
            x.cleargrad()
            gx.backward(create_graph=True)
        gx = x.grad.data
        x.cleargrad()
        return y.data, (gx,)

    return run


def tanh_torch(adapter, n):
    torch, x = adapter.torch, adapter.leaf(HERE)
    tanh, grad, ones = torch.tanh, torch.autograd.grad, torch.ones_like(x)

    def run():
        y = gx = tanh(x)
        for _ in range(n):
            (gx,) = grad(gx, x, ones, create_graph=True)
        return y, (gx,)

    return run


def tanh_autograd(adapter, n):
    elementwise_grad = importlib.import_module("autograd").elementwise_grad
    derivative = adapter.ops.tanh
    for _ in range(n):
        derivative = elementwise_grad(derivative)
    return lambda: (np.tanh(HERE), (derivative(HERE),))


def tanh_reference(n):
    """Each derivative is a polynomial of t = tanh(x), because t' = 1 - t^2."""
    polynomial = np.polynomial.Polynomial([0, 1])
    for _ in range(n):
        polynomial = polynomial.deriv() * np.polynomial.Polynomial([1, 0, -1])
    return np.tanh(HERE), (polynomial(np.tanh(HERE)),)


def once(n):
    return 1


WORKLOADS = (
    Workload(
        name="notebook",
        title="the notebook's square(exp(square(x))) at 0.5, value and gradient",
        unit="evaluation",
        build=gradient_of(notebook, 0.5),
        reference=notebook_reference,
        units=once,
    ),
    Workload(
        name="rosenbrock",
        title="Rosenbrock's function at (0, 2), value and gradient",
        unit="evaluation",
        build=gradient_of(rosenbrock, 0.0, 2.0),
        reference=rosenbrock_reference,
        units=once,
        goals=(Goal("faster", 45, "dezero"), Goal("faster", 30, "torch"), Goal("faster", 1, "jax")),
    ),
    Workload(
        name="newton",
        title="Newton's method on x^4 - 2x^2, 10 iterations, second derivatives by create_graph",
        unit="10 iterations",
        build=by_family(
            dezero=newton_dezero,
            torch=newton_torch,
            autograd=newton_autograd,
            numpy=newton_by_hand(np.array),
            python=newton_by_hand(float),
        ),
        reference=newton_reference,
        n=10,
        units=once,
        goals=(Goal("faster", 25, "dezero"), Goal("faster", 15, "torch")),
        labels={"numpy": "NumPy, derivatives by hand", "python": "plain Python floats, derivatives by hand"},
    ),
    Workload(
        name="tanh-6",
        title="tanh at 200 points and its sixth derivative, by create_graph",
        unit="evaluation",
        build=by_family(dezero=tanh_dezero, torch=tanh_torch, autograd=tanh_autograd),
        reference=tanh_reference,
        n=ORDER,
        units=once,
        goals=(Goal("faster", 6, "torch"),),
        tolerance=Tolerance(1e-6, 1e-12),
    ),
    Workload(
        name="taylor",
        title="Taylor series of sine at pi/4 to 1e-4, value and gradient",
        unit="evaluation",
        build=gradient_of(taylor_sine, math.pi / 4),
        reference=taylor_reference,
        units=once,
    ),
)
