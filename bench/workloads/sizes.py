"""One function at a time, forward and backward, in both precisions and from a thousand elements to ten million: what a
kernel costs where the overhead is all, where the cache holds everything, and where memory sets the pace.

The limit beside a row is the least that its passes over memory can take: NumPy's copy and addition into given arrays, which
move what STREAM's copy and triad do.
"""

import numpy as np

from ..records import Goal, Tolerance, draw, function_row

DTYPES = (("f64", np.float64, Tolerance(1e-9, 1e-12)), ("f32", np.float32, Tolerance(2e-5, 2e-6)))
SHAPES = {1000: (1000,), 1_000_000: (1000, 1000), 10_000_000: (10_000_000,)}
QUICK_SHAPE = (100, 1000)
GOALS = {1000: 8, 1_000_000: 1.3, 10_000_000: 1.5}
SPELT = ("dezero", "torch", "numpy")
CALLED = {1000: "1e3", 1_000_000: "1e6", 10_000_000: "1e7"}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


# Name, value, derivatives.
UNARY = (
    ("exp", np.exp, np.exp),
    ("log", np.log, np.reciprocal),
    ("tanh", np.tanh, lambda x: 1 - np.tanh(x) ** 2),
    ("sigmoid", sigmoid, lambda x: sigmoid(x) * sigmoid(-x)),
    ("sin", np.sin, np.cos),
    ("relu", lambda x: np.maximum(x, 0), lambda x: (x > 0).astype(x.dtype)),
)


def elementwise(name, inputs, dtype):
    """Inputs and the gradient from above: for log positive, and nowhere so small that its derivative would be noise."""

    def data(size):
        *xs, gy = draw(*[SHAPES.get(size, QUICK_SHAPE)] * (inputs + 1), dtype=dtype)
        return ([np.abs(x) + dtype(0.01) for x in xs] if name == "log" else xs), gy

    return data


def by_name(name):
    def of(adapter):
        return getattr(adapter.ops, name)

    return of


def numpy_unary(name, function):
    return (lambda adapter: function) if name in ("sigmoid", "relu") else by_name(name)


def add(adapter):
    return lambda x0, x1: x0 + x1


def mul(adapter):
    return lambda x0, x1: x0 * x1


def passes(copies, triads):
    """The limit: so many copies and triads over arrays that are there already."""

    def made_for(adapter):
        def prepare(x, *others):
            gy, y = others[-1], np.empty_like(x)

            def run():
                for _ in range(copies):
                    np.copyto(y, x)
                for _ in range(triads):
                    np.add(x, gy, out=y)

            return run

        return prepare

    return made_for


def reference_unary(value, derivative):
    return lambda x, gy: (value(x), (gy * derivative(x),))


def unary_row(name, value, derivative, n, called, dtype, tolerance):
    spelt = dict.fromkeys(("dezero", "torch"), by_name(name)) | {"numpy": numpy_unary(name, value)}
    return function_row(
        f"{name}-{CALLED[n]}-{called}", f"{name}, {n:,} elements, {dtype.__name__}", elementwise(name, 1, dtype),
        reference_unary(value, derivative), spelt | {"limit": passes(1, 1)}, **fields(n, tolerance),
    )  # fmt: skip


def fields(n, tolerance):
    goals = [Goal("faster", GOALS[n], "torch")]
    if n > 1000:
        goals.append(Goal("faster", GOALS[n], "dezero"))
    return {
        "n": n, "quick_n": 0 if n == 1000 else 100_000, "group": "sizes", "goals": tuple(goals), "tolerance": tolerance,
    }  # fmt: skip


def binary_rows(n, called, dtype, tolerance):
    return (
        function_row(
            f"mul-{CALLED[n]}-{called}", f"x0 * x1, {n:,} elements, {dtype.__name__}", elementwise("mul", 2, dtype),
            lambda x0, x1, gy: (x0 * x1, (gy * x1, gy * x0)),
            dict.fromkeys(SPELT, mul) | {"limit": passes(0, 3)}, **fields(n, tolerance),
        ),
        function_row(
            f"add-{CALLED[n]}-{called}", f"x0 + x1, {n:,} elements, {dtype.__name__}", elementwise("add", 2, dtype),
            lambda x0, x1, gy: (x0 + x1, (gy, gy)),
            dict.fromkeys(SPELT, add) | {"limit": passes(0, 1)}, **fields(n, tolerance),
        ),
    )  # fmt: skip


WORKLOADS = tuple(
    row
    for n in SHAPES
    for called, dtype, tolerance in DTYPES
    for row in (
        *(unary_row(*each, n, called, dtype, tolerance) for each in UNARY),
        *binary_rows(n, called, dtype, tolerance),
    )
)
