"""Large gradients that are passed on lie in one array until somebody writes to one of them, or looks."""

import gc
import tracemalloc
import weakref

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Function, Variable

SHAPE = (40, 30)       # 9,600 bytes in float64, more than a node holds itself


def inputs(n, dtype=np.float64, shape=SHAPE):
    rng = np.random.default_rng(n)
    return [Variable(rng.normal(size=shape).astype(dtype)) for _ in range(n)]


def down(y):
    """A gradient from above that is an array of the engine's own, unseen: exp(y)."""
    F.sum(F.exp(y)).backward()
    return np.exp(y.data)


PASSING = {
    "add": (2, lambda a, b: a + b, lambda gy: (gy, gy)),
    "sub": (2, lambda a, b: a - b, lambda gy: (gy, -gy)),
    "reshape": (2, lambda a, b: F.reshape(a, (30, 40)) + F.reshape(b, (30, 40)), lambda gy: (gy.reshape(SHAPE),) * 2),
    "itself": (1, lambda a: a + a, lambda gy: (2 * gy,)),
    "itself, less": (1, lambda a: a - a, lambda gy: (0 * gy,)),
    "itself in another shape": (2, lambda a, b: F.reshape(F.reshape(a, (-1,)) + F.reshape(a + b, (-1,)), SHAPE),
                                lambda gy: (2 * gy, gy)),
    "tree": (4, lambda a, b, c, d: (a + b) + (c + d), lambda gy: (gy,) * 4),
    "ladder": (3, lambda a, b, c: ((a + b) + (c + a)) + ((a + b) - c), lambda gy: (3 * gy, 2 * gy, 0 * gy)),
    "where": (2, lambda a, b: F.where(np.ones(SHAPE), a, b) + b, lambda gy: (gy, gy)),
    "stretched": (2, lambda a, b: a + b[0], lambda gy: (gy, np.vstack([gy.sum(0), np.zeros((39, 30))]))),
}


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("name", PASSING)
def test_values(name, keep, dtype):
    n, f, expected = PASSING[name]
    xs = inputs(n, dtype)
    y = f(*xs)
    F.sum(F.exp(y)).backward(retain_grad=keep)
    gy = np.exp(y.data)
    near = 1e-5 if dtype == np.float32 else 1e-12
    for x, gx in zip(xs, expected(gy), strict=True):
        assert x.grad.dtype == dtype
        assert np.allclose(x.grad.data, gx, rtol=near, atol=near)
    if keep:
        assert np.allclose(y.grad.data, gy, rtol=1e-6)


@pytest.mark.parametrize("name", PASSING)
@pytest.mark.parametrize("keep", [False, True])
def test_writing_to_one_gradient_changes_no_other(name, keep):
    """As a hook does that clips in place; whichever is looked at first, and with the others not yet looked at."""
    n, f, _ = PASSING[name]
    for first in range(n):
        xs = inputs(n)
        y = f(*xs)
        F.sum(F.exp(y)).backward(retain_grad=keep)
        order = [xs[(first + k) % n] for k in range(n)] + [y] * keep
        for x in order:
            x.grad.data *= 0
            x.grad.data += 7
        for x in order:
            assert np.array_equal(x.grad.data, np.full(x.shape, 7.0))
        arrays = [x.grad.data for x in order]
        for i, a in enumerate(arrays):
            assert not any(np.shares_memory(a, b) for b in arrays[i + 1:])


def test_a_second_walk_adds_to_one_of_them_alone():
    a, b = inputs(2)
    gy = down(a + b)
    F.sum(a * 3.0).backward()
    assert np.allclose(a.grad.data, gy + 3)
    assert np.allclose(b.grad.data, gy)


def test_adding_what_a_family_computed():
    """set_private_grad, by which matmul and sums over axes add."""
    a, b = inputs(2)
    gy = down(a + b)
    w = np.random.default_rng(9).normal(size=(30, 20))
    F.sum(F.matmul(a, w)).backward()
    assert np.allclose(a.grad.data, gy + np.ones((40, 20)) @ w.T)
    assert np.allclose(b.grad.data, gy)


def test_a_users_function_and_a_graph_see_their_own():
    class Spoil(Function):
        def forward(self, x):
            return x

        def backward(self, gy):
            gy.data *= 2        # DeZero's users do
            return gy

    a, b = inputs(2)
    y = Spoil()(a * 1.0) + b
    gy = down(y)
    assert np.allclose(b.grad.data, gy)
    assert np.allclose(a.grad.data, 2 * gy)


def test_the_last_owner_has_an_ordinary_array():
    a, b = inputs(2)
    gy = down(a + b)
    a.cleargrad()
    assert np.allclose(b.grad.data, gy)
    assert b.grad.data.flags.writeable
    assert b.grad.data.flags.c_contiguous


def test_nothing_is_kept_alive():
    a, b = inputs(2)
    down(F.reshape(a, (-1,)) + F.reshape(b, (-1,)))
    held = weakref.ref(a.grad.data)
    a.cleargrad()
    gc.collect()
    assert held() is None


def test_the_only_owner_shows_the_array_itself():
    a, = inputs(1, shape=(1_000_000,))
    down(a * 1.0)
    tracemalloc.start()
    a.grad.data += 1
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1e6


def test_passing_on_writes_nothing():
    """What it is for: a chain of additions of 8 MB needs no array a link beyond its values."""
    xs = [Variable(np.ones(1_000_000)) for _ in range(9)]
    y = xs[0]
    for x in xs[1:]:
        y = y + x
    z = F.sum(F.exp(y * 1e-3))
    tracemalloc.start()
    z.backward()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 3 * 8e6
    assert np.allclose(xs[4].grad.data, xs[8].grad.data)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_random_graphs_of_what_passes_on(dtype):
    """Against the same graph with small values, which are never shared."""
    rng = np.random.default_rng(11)
    for _ in range(60):
        plan = [(rng.integers(4), rng.integers(0, 10**6, 2)) for _ in range(rng.integers(3, 12))]
        results = []
        for shape in ((30, 40), (2, 3)):
            leaves = [Variable(np.full(shape, 0.1 * (k + 1), dtype)) for k in range(3)]
            nodes = list(leaves)
            for kind, picks in plan:
                p, q = (nodes[k % len(nodes)] for k in picks)
                nodes.append((p + q, p - q, F.reshape(F.reshape(p, (-1,)), shape) + q, F.tanh(p))[kind])
            F.sum(F.exp(nodes[-1] * 0.01)).backward()
            results.append([None if x.grad is None else float(x.grad.data[0, 0]) for x in leaves])
            for x in leaves:
                assert x.grad is None or np.all(x.grad.data == x.grad.data[0, 0])
        for large, small in zip(*results, strict=True):
            assert large == small
