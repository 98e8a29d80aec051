"""saddle: min over x of the max over y of f(x, y) = |x|^2 - |y|^2, both by gradient descent, one within the other (Pearlmutter
and Siskind 2008, "Using programming language theory to make automatic differentiation sound and efficient").

The gradient of the maximum by x goes through all steps of the descent that found it. The two letters of a function's name are the
modes, forward or reverse, of the outer and of the inner gradient.
"""

import numpy as np

from .descent import argmin
from .fields import array

COMPARED = {"objective": "highest", "derivative": "slope"}      # of one maximum: a whole descent is some 150 of them
SIZES = ("small",)


def read(data):
    return array(data, "start", (2,))


def highest_of(xp, start):
    """max over y of f(x, y), as a function of x; `inner` is the mode of the gradient by y."""

    def f(x, y):
        return xp.sum(x * x) - xp.sum(y * y)

    def value(x, y):
        x, y = xp.data(x), xp.data(y)
        return float((x * x).sum() - (y * y).sum())

    def maximum(inner):
        slope = xp.inner(f, reverse=inner)

        def highest(x):
            y = argmin(lambda y: (-value(x, y), lambda: -slope(x, y)), xp.constant(start), xp.data)
            return f(x, y)

        return highest

    return f, maximum


def functions(xp, start):
    f, maximum = highest_of(xp, start)

    def saddle(outer, inner):
        evaluate = xp.later(maximum(inner), reverse=outer)

        def run():
            x = argmin(evaluate, start)
            there = xp.constant(x)
            return np.concatenate([x, argmin(xp.later(lambda y: -f(there, y), reverse=outer), start)])

        return run

    return {name: saddle(name[0] == "r", name[1] == "r") for name in ("rr", "ff", "fr", "rf")}


def parts(xp, start):
    evaluate = xp.later(highest_of(xp, start)[1](True), reverse=True)
    return {"highest": lambda: evaluate(start)[0], "slope": lambda: evaluate(start)[1]()}


def example(size):
    return {"start": {"small": [1.0, 1.0]}[size]}
