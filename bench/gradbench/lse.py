"""lse: log(sum(exp(x_i))), with the largest x_i taken out before exp so that nothing overflows (Blanchard, Higham and Higham
2021, "Accurately computing the log-sum-exp and softmax functions"). Of a maximum, a sum and functions, as the evaluation asks.
"""

import numpy as np

from .fields import BadInput, array

COMPARED = {"objective": "primal", "derivative": "gradient"}


def read(data):
    x = array(data, "x", (None,))
    if not x.size:
        raise BadInput("`x` is empty, and has no maximum")
    return x


def functions(xp, x):
    def primal(x):
        a = xp.max(x)
        return a + xp.log(xp.sum(xp.exp(x - a)))

    gradient = xp.gradient(primal, x)
    return {"primal": xp.value(primal, x), "gradient": lambda: gradient()[0]}


def example(size):
    n = {"small": 100, "large": 100_000}[size]
    return {"x": (10 * np.random.default_rng(0).normal(size=n)).tolist()}
