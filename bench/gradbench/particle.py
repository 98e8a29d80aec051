"""particle: where a charge w has to be for a particle to hit the origin: the min over w of x_0^2 at the time when the
particle's path crosses the axis, by gradient descent; the force along the path is itself a gradient (Pearlmutter and Siskind
2008, "Using programming language theory to make automatic differentiation sound and efficient").

Charges are at (10, 10 - w) and (10, 0), the potential is the sum of 1 / distance, and the path is Euler's, from (0, 8) with the
velocity (0.75, 0), in steps of 0.1; the last step goes as far as the axis. The two letters of a function's name are the modes,
forward or reverse, of the outer and of the inner gradient.
"""

import numpy as np

from .descent import argmin
from .fields import number

COMPARED = {"objective": "path", "derivative": "slope"}    # of one path: a whole descent is some 200 of them
SIZES = ("small",)
STEP = 0.1
LONGEST = 100_000


def read(data):
    return number(data, "w")


def path_of(xp, w):
    """The outer function, by the modes of its outer and of its inner gradient: an array of one w to the number, and its
    gradient."""
    charges, moved = xp.constant(np.array([[10.0, 10.0], [10.0, 0.0]])), xp.constant(np.array([[0.0, 1.0], [0.0, 0.0]]))
    start, speed = xp.constant(np.array([0.0, 8.0])), xp.constant(np.array([0.75, 0.0]))

    def potential(w, x):
        off = x - (charges - w * moved)
        return xp.sum(1 / xp.sqrt(xp.sum(off * off, 1)))

    def path(outer, inner):
        force = xp.inner(potential, reverse=inner)

        def missed(w):
            x, v = start, speed
            for _ in range(LONGEST):
                after = x + STEP * v
                if xp.data(after)[1] <= 0:
                    hit = x[0] - x[1] / v[1] * v[0]
                    return hit * hit
                x, v = after, v - STEP * force(w, x)
            raise ArithmeticError(f"the path does not cross the axis in {LONGEST} steps")

        return xp.later(missed, reverse=outer)

    return path


def functions(xp, w):
    path, start = path_of(xp, w), np.array([w])

    def particle(outer, inner):
        evaluate = path(outer, inner)
        return lambda: float(argmin(evaluate, start)[0])

    return {name: particle(name[0] == "r", name[1] == "r") for name in ("rr", "ff", "fr", "rf")}


def parts(xp, w):
    evaluate, start = path_of(xp, w)(True, True), np.array([w])
    return {"path": lambda: evaluate(start)[0], "slope": lambda: evaluate(start)[1]()}


def example(size):
    return {"w": {"small": 0.0}[size]}
