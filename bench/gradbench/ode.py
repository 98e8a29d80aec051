"""ode: y_0' = x_0, y_i' = x_i y_{i-1} from y(0) = 0 to t = 2 by s steps of the classical Runge-Kutta method (cmpad's `an_ode`;
its solution is y_i = x_0 ... x_i t^{i+1} / (i + 1)!); and the gradient of the last y by x.
"""

import numpy as np

from .fields import BadInput, array, integer

COMPARED = {"objective": "primal", "derivative": "gradient"}
END = 2.0


def read(data):
    x = array(data, "x", (None,))
    if not x.size:
        raise BadInput("`x` is empty; there is no equation to solve")
    return x, integer(data, "s", 1)


def functions(xp, problem):
    x, steps = problem
    h = END / steps
    one, zeros = xp.constant(np.ones(1)), xp.constant(np.zeros(len(x)))

    def solve(x):
        def slope(y):
            return x * xp.concatenate([one, y[:-1]])

        def step(y):
            k1 = slope(y)
            k2 = slope(y + h / 2 * k1)
            k3 = slope(y + h / 2 * k2)
            k4 = slope(y + h * k3)
            return y + h / 6 * (k1 + 2 * (k2 + k3) + k4)

        return xp.times(steps, step, zeros)

    gradient = xp.gradient(lambda x: solve(x)[-1], x)
    return {"primal": xp.value(solve, x), "gradient": lambda: gradient()[0]}


def example(size):
    n, s = {"small": (5, 10), "large": (1000, 100)}[size]
    return {"x": np.random.default_rng(0).random(n).tolist(), "s": s}
