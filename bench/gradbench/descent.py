"""Gradient descent whose steps grow while they help, and are halved where they do not: the solver of particle and saddle
(Pearlmutter and Siskind 2008, "Using programming language theory to make automatic differentiation sound and efficient").
"""

import math

NEAR = 1e-5
LONGEST = 100_000


def argmin(evaluate, x, data=lambda x: x):
    """A local minimum from x, an array. `evaluate(x)` gives the value, a number, and a callable for the gradient; `data` the
    numbers of an x or a gradient that has a graph.

    The step's factor starts at 1e-5, is doubled after ten steps that lowered the value, and halved after one that did not,
    which is not made. It ends where the gradient's or the step's length is 1e-5 at most; ArithmeticError after 100,000 trials.
    """
    factor, steps = NEAR, 0
    least, gradient = evaluate(x)
    slopes = gradient()
    size = math.hypot(*data(slopes).tolist())
    for _ in range(LONGEST):
        if size <= NEAR:
            return x
        if steps == 10:
            factor, steps = 2 * factor, 0
        if factor * size <= NEAR:
            return x
        tried = x - factor * slopes
        found, gradient = evaluate(tried)
        if found < least:
            x, least, slopes, steps = tried, found, gradient(), steps + 1
            size = math.hypot(*data(slopes).tolist())
        else:
            factor, steps = factor / 2, 0
    raise ArithmeticError(f"no minimum was found in {LONGEST} steps")
