"""Operands whose axes lie in memory in another order than C's: results lie as NumPy's, gradients as their values, and all numbers
are those of the same operands in C order."""

import itertools

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable, no_grad

SHAPE = (6, 7, 40)      # more than what lies in a node
RNG = np.random.default_rng(16)
LAYOUTS = [
    *(lambda a, p=p: np.ascontiguousarray(a.transpose(np.argsort(p))).transpose(p) for p in itertools.permutations(range(3))),
    lambda a: np.ascontiguousarray(a[::-1])[::-1],
    lambda a: np.ascontiguousarray(a[:, :, ::-1])[:, :, ::-1],
    lambda a: np.ascontiguousarray(a.T[::-1, ::-1])[::-1, ::-1].T,
    lambda a: np.repeat(a, 2, axis=1)[:, ::2],
    lambda a: np.repeat(a.T, 3, axis=2)[:, :, ::3].T,
]
PROGRAMS = {
    "add": (2, lambda x, y: x + y), "mul": (2, lambda x, y: x * y), "div": (2, lambda x, y: x / (2 + y * y)),
    "tanh": (1, F.tanh), "sin": (1, F.sin), "exp": (1, F.exp), "gelu": (1, F.gelu), "clip": (1, lambda x: F.clip(x, -1, 1)),
    "square": (1, lambda x: x ** 2), "maximum": (2, F.maximum), "arctan": (1, F.arctan), "sinh": (1, F.sinh),
    "where": (2, lambda x, y: F.where(x.data > 0, x, y * y)), "number": (1, lambda x: 2 * x - x * 3 + 1),
    "chain": (2, lambda x, y: F.sigmoid(x * y + x) * y - F.exp(y)), "both": (1, lambda x: x * x + x),
    "rows": (2, lambda x, y: x * F.sum(y, axis=(1, 2), keepdims=True) + F.mean(y, axis=0)),
    "transposed": (2, lambda x, y: (x.T * y.T).T + x),
}


def gradients(f, arrays):
    """Values and gradients at orders 1 and 2, weighted so that every element has its own."""
    xs = [Variable(a) for a in arrays]
    y = f(*xs)
    weights = np.linspace(0.5, 1.5, y.size, dtype=y.dtype).reshape(y.shape)
    F.sum(y * weights).backward(create_graph=True)
    first = [x.grad for x in xs]
    for x in xs:
        x.cleargrad()
    sum(F.sum(g * g) for g in first).backward()
    return [y.data, *(g.data for g in first), *(np.zeros(0) if x.grad is None else x.grad.data for x in xs)]


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", PROGRAMS)
def test_numbers_do_not_depend_on_the_layout(name, dtype):
    n, f = PROGRAMS[name]
    arrays = [RNG.normal(size=SHAPE).astype(dtype) for _ in range(n)]
    want = gradients(f, arrays)
    for lay in LAYOUTS:
        for other in (LAYOUTS[0], lay, LAYOUTS[3]) if n > 1 else (lay,):
            laid = [lay(arrays[0]), *map(other, arrays[1:])]
            assert all(np.array_equal(a, b) for a, b in zip(laid, arrays, strict=True))
            for got, right in zip(gradients(f, laid), want, strict=True):
                # sums over other axes of memory may round in another order
                off = 1e-4 if dtype == "f4" else 1e-12
                np.testing.assert_allclose(got, right, rtol=off, atol=off / 10)


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", ["tanh", "sin", "exp", "arctan", "sinh", "square", "mul", "clip"])
def test_bits_do_not_depend_on_the_layout(name, dtype):
    n, f = PROGRAMS[name]
    arrays = [RNG.normal(size=SHAPE).astype(dtype) * 3 for _ in range(n)]
    with no_grad():
        want = f(*map(Variable, arrays)).data
        for lay in LAYOUTS:
            assert np.array_equal(f(*[Variable(lay(a)) for a in arrays]).data, want)


@pytest.mark.parametrize("lay", LAYOUTS, ids=range(len(LAYOUTS)))
def test_results_lie_as_those_of_numpy(lay):
    a, b = (lay(RNG.normal(size=SHAPE)) for _ in range(2))
    row = RNG.normal(size=SHAPE[-1])
    x, y = Variable(a), Variable(b)
    for got, want in ((x + y, a + b), (-x, -a), (2 * x, 2 * a), (x * row, a * row), (x.T * y.T, a.T * b.T),
                      (x[:, 2:] + y[:, 2:], a[:, 2:] + b[:, 2:])):
        assert got.data.strides == want.strides


def test_gradients_lie_as_their_values():
    x, y = (Variable(np.asfortranarray(RNG.normal(size=(50, 60)))) for _ in range(2))
    z = F.sum(F.exp(x * y) * y)
    for _ in range(2):      # the second time they are added to
        z.backward()
        assert x.grad.data.flags.f_contiguous
        assert y.grad.data.flags.f_contiguous
    c = Variable(np.ascontiguousarray(x.data))
    F.sum(F.exp(c * y.data) * y.data).backward()
    np.testing.assert_allclose(x.grad.data, 2 * c.grad.data)


def test_a_gradient_of_one_layout_is_added_to_in_another():
    """Matrix products give gradients in C order, elementwise operations as the value lies."""
    a = np.asfortranarray(RNG.normal(size=(50, 60)))
    W = RNG.normal(size=(60, 20))
    for first in (0, 1):
        x = Variable(a)
        parts = [lambda x=x: F.sum(F.matmul(x, W) * 2), lambda x=x: F.sum(x * x)]
        y = parts[first]() + parts[1 - first]()
        y.backward()
        np.testing.assert_allclose(x.grad.data, 2 * W.sum(axis=1) + 2 * a)
        seen = x.grad.data.copy()
        parts[first]().backward()
        assert not np.array_equal(x.grad.data, seen)


def test_a_shared_gradient_in_another_order_is_copied_before_it_is_written_to():
    x, y = (Variable(np.asfortranarray(RNG.normal(size=(50, 60)))) for _ in range(2))
    z = x + y
    F.sum(z * z + x).backward()
    gx = x.grad.data
    np.testing.assert_allclose(gx, 2 * z.data + 1)
    gx[...] = 0
    np.testing.assert_allclose(y.grad.data, 2 * z.data)
