"""Graphs that are no chains: one Variable used a thousand times, and branches that part and join again and again."""

import math

from ..records import Workload, gradient_of


def coefficients(n):
    return [1 + i / n for i in range(n)]


def fan_out(adapter, n):
    """n products and n - 1 sums, all of one x, whose gradient is added up n times."""
    first, *others = coefficients(n)

    def function(x):
        y = x * first
        for c in others:
            y = y + x * c
        return y

    return function


def fan_out_reference(n):
    total = sum(coefficients(n))
    return 0.7 * total, (total,)


def diamonds(adapter, n):
    """n times: h goes two ways, and both meet again."""
    sin = adapter.sin

    def function(x):
        h = x
        for _ in range(n):
            a = sin(h)
            b = h * x
            h = a + b
        return h

    return function


def diamonds_reference(n):
    x = h = 0.5
    dh = 1.0
    for _ in range(n):
        h, dh = math.sin(h) + h * x, math.cos(h) * dh + dh * x + h
    return h, (dh,)


WORKLOADS = (
    Workload(
        name="fan-out",
        title="a sum of 1,000 products of one x, forward + backward",
        unit="op",
        build=gradient_of(fan_out, 0.7),
        reference=fan_out_reference,
        n=1000,
        units=lambda n: 2 * n - 1,
    ),
    Workload(
        name="diamonds",
        title="200 diamonds in a row, h = sin(h) + h * x, forward + backward",
        unit="op",
        build=gradient_of(diamonds, 0.5),
        reference=diamonds_reference,
        n=200,
        units=lambda n: 3 * n,
    ),
)
