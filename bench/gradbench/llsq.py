"""llsq: half the sum of squares that a polynomial with the coefficients x is off from the sign of t, at n points t from -1 to 1
(cmpad's `llsq_obj`). The powers of t, data as in any linear least squares, are made when an input is read, and not timed.
"""

import numpy as np

from .fields import BadInput, array, integer

COMPARED = {"objective": "primal", "derivative": "gradient"}


def read(data):
    x, n = array(data, "x", (None,)), integer(data, "n", 2)
    if not x.size:
        raise BadInput("`x` is empty; a polynomial has at least one coefficient")
    t = np.linspace(-1, 1, n)
    return x, np.vander(t, x.size, increasing=True), np.sign(t)


def functions(xp, problem):
    x, powers, s = problem
    powers, s = xp.constant(powers), xp.constant(s)

    def primal(x):
        off = s - powers @ x
        return 0.5 * xp.sum(off * off)

    gradient = xp.gradient(primal, x)
    return {"primal": xp.value(primal, x), "gradient": lambda: gradient()[0]}


def example(size):
    m, n = {"small": (8, 100), "large": (128, 4096)}[size]
    return {"x": np.random.default_rng(0).random(m).tolist(), "n": n}
