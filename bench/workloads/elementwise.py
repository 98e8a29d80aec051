"""Elementwise arithmetic on whole arrays, forward and backward, at a thousand and a million elements.

Chains of many small operations, where the graph is what costs, are in `chains.py`.
"""

import numpy as np

from ..records import draw, everywhere, function_row


def pair(n):
    return draw(n, n), None


def arithmetic(adapter):
    total = adapter.ops.sum
    return lambda x0, x1: total((x0 - x1) ** 2 / (1 + x0 * x0) + 2 * x0)


def arithmetic_reference(x0, x1, gy):
    difference, below = x0 - x1, 1 + x0 * x0
    g = 2 * difference / below
    return np.sum(difference**2 / below + 2 * x0), (g - g * difference * x0 / below + 2, -g)


def one(n):
    return draw(n), None


def transcendental(adapter):
    tanh, exp, total = adapter.ops.tanh, adapter.ops.exp, adapter.ops.sum
    return lambda x: total(tanh(x) * x + exp(-x * x))


def transcendental_reference(x, gy):
    t, e = np.tanh(x), np.exp(-x * x)
    return np.sum(t * x + e), ((1 - t * t) * x + t - 2 * x * e,)


def activations(adapter):
    relu, sigmoid, total = adapter.ops.relu, adapter.ops.sigmoid, adapter.ops.sum
    return lambda x: total(relu(x) * sigmoid(x))


def activations_numpy(adapter):
    ops = adapter.ops
    return lambda x: ops.sum(ops.maximum(x, 0) * (1 / (1 + ops.exp(-x))))


def activations_reference(x, gy):
    s = 1 / (1 + np.exp(-x))
    return np.sum(s[x > 0] * x[x > 0]), (np.where(x > 0, s + x * s * (1 - s), 0),)


def table(n):
    """n elements in rows, and a row each of factors and summands."""
    columns = 100 if n < 100_000 else 1000
    *inputs, gy = draw((n // columns, columns), columns, columns, (n // columns, columns))
    return inputs, gy


def scale_and_shift(adapter):
    return lambda x, g, b: x * g + b


def scale_and_shift_reference(x, g, b, gy):
    return x * g + b, (gy * g, np.sum(gy * x, axis=0), np.sum(gy, axis=0))


FUNCTIONS = (
    ("arithmetic", "sum((x0 - x1)^2 / (1 + x0 x0) + 2 x0)", pair, arithmetic_reference, everywhere(arithmetic)),
    ("tanh-exp", "sum(tanh(x) x + exp(-x x))", one, transcendental_reference, everywhere(transcendental)),
    (
        "activations", "sum(relu(x) sigmoid(x))", one, activations_reference,
        {**everywhere(activations), "numpy": activations_numpy, "autograd": activations_numpy},
    ),
    (
        "broadcasting", "x g + b, g and b one row each", table, scale_and_shift_reference,
        everywhere(scale_and_shift),
    ),
)  # fmt: skip

WORKLOADS = tuple(
    function_row(f"{name}-{called}", f"{title}, {n:,} elements", data, reference, spelt, n=n, quick_n=quick_n)
    for n, called, quick_n in ((1000, "1000", 0), (1_000_000, "million", 100_000))
    for name, title, data, reference, spelt in FUNCTIONS
)
