"""Derivatives of every order against differences of the order below; for the tests of families."""

import numpy as np

import dezero_c.functions as F
from dezero_c import Variable

RNG = np.random.default_rng(11)


def derivative(f, xs, order, directions, create_graph=False):
    """The derivative of order - 1 of f along the directions, as a number, and its gradients."""
    vs = [Variable(x) for x in xs]
    y = f(*vs)
    for k in range(order - 1):
        for v in vs:
            v.cleargrad()
        y.backward(create_graph=True)
        y = Variable(np.array(0.0))
        for v, d in zip(vs, directions[k], strict=True):
            y = y if v.grad is None else y + F.sum(v.grad * d)
    for v in vs:
        v.cleargrad()
    y.backward(create_graph=create_graph)
    return float(y.data), [np.zeros_like(x) if v.grad is None else v.grad.data for x, v in zip(xs, vs, strict=True)]


def check_orders(f, xs, orders=3, eps=1e-5, tol=1e-6):
    """Gradients of a number-valued f at each order against differences of the order below, in both ways backwards."""
    directions = [[RNG.standard_normal(x.shape) for x in xs] for _ in range(orders)]
    for order in range(1, orders + 1):
        fast, graph = (derivative(f, xs, order, directions, way)[1] for way in (False, True))
        for a, b in zip(fast, graph, strict=True):
            np.testing.assert_allclose(a, b, rtol=1e-9, atol=1e-9 * (1 + np.abs(b).max(initial=0)))
        for k in range(len(xs)):
            d = RNG.standard_normal(xs[k].shape)
            up, down = ([np.asarray(x + s * eps * d) if j == k else x for j, x in enumerate(xs)] for s in (1, -1))
            expected = (derivative(f, up, order, directions)[0] - derivative(f, down, order, directions)[0]) / (2 * eps)
            assert abs((fast[k] * d).sum() - expected) < tol * (1 + abs(expected) + np.abs(fast[k]).sum()), (order, k)
