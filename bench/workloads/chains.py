"""The chain `h = sin(h); h = h * x` at several array sizes: what one op costs, from one element to thousands.

Chains of a million ops, and what they weigh, are in `long_chains.py`.
"""

import math

import numpy as np

from ..records import Goal, Workload, gradient_of

# At x = sqrt(1 + h^2), with tan(h) = -h, the map h -> x sin(h) has its fixed point h ~ 2.03 with a slope of -1:
# values stay of order one and the gradient falls only as a power of the length. So even a million ops underflow
# nowhere (zeros and subnormal numbers have other speeds), and sin works on arguments that need its general path.
X = math.sqrt(1 + 2.028757838110434**2)
OPS = 1000


def chain(adapter, n):
    sin = adapter.sin

    def function(x):
        h = x
        for _ in range(n // 2):
            h = sin(h)
            h = h * x
        return h

    return function


def chain_reference(x):
    """Value and derivative carried forward together, by NumPy alone."""

    def reference(n):
        h, dh = np.array(x, dtype=np.float64), np.ones_like(x, dtype=np.float64)
        for _ in range(n // 2):
            s, ds = np.sin(h), np.cos(h) * dh
            h, dh = s * x, ds * x + s
        return h, (dh,)

    return reference


def points(size):
    return np.linspace(2.2, X, size)


def array_chain(size, *goals):
    return Workload(
        name=f"chain-{size}",
        title=f"chain of sin and mul, {size:,} elements, {OPS:,} ops, forward + backward",
        unit="op",
        build=gradient_of(chain, points(size)),
        reference=chain_reference(points(size)),
        n=OPS,
        goals=goals,
    )


WORKLOADS = (
    Workload(
        name="chain-scalar",
        title=f"chain of sin and mul, scalar, {OPS:,} ops, forward + backward",
        unit="op",
        build=gradient_of(chain, X),
        reference=chain_reference(X),
        n=OPS,
        goals=(Goal("faster", 150, "dezero"), Goal("faster", 60, "torch"), Goal("within", 4, "python")),
    ),
    array_chain(8, Goal("faster", 90, "dezero"), Goal("faster", 30, "torch")),
    array_chain(64, Goal("faster", 15, "torch")),
    array_chain(4096, Goal("faster", 2, "torch")),
)
