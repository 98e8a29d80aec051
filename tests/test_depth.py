"""Graphs far deeper and wider than any recursion could take: built, walked, cut, collected, copied and freed.

Every traversal and every way of freeing has to work in constant stack, on a thread with a small one too.
"""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import dezero_c.core_simple as simple
import dezero_c.functions as F
from dezero_c import Function, Variable, chapter1, no_grad

SMALL = 256 * 1024


def on_a_small_stack(function):
    """Runs the function on a thread with 256 KB of stack and hands on what it returns or raises."""
    result = []

    def run():
        try:
            result.append((function(), None))
        except BaseException as error:
            result.append((None, error))

    old = threading.stack_size(SMALL)
    try:
        thread = threading.Thread(target=run)
        thread.start()
    finally:
        threading.stack_size(old)
    thread.join()
    value, error = result[0]
    if error is not None:
        raise error
    return value


def here(function):
    return function()


WHERE = pytest.mark.parametrize("run", [here, on_a_small_stack])


def chain(x, n):
    h = x
    for _ in range(n // 2):
        h = h * 1.0000001
        h = h + 1e-9
    return h


class Twice(Function):
    def forward(self, x):
        return x * 2.0

    def backward(self, gy):
        return gy * 2.0


class Half(Function):
    def forward(self, x):
        return x * 0.5

    def backward(self, gy):
        return gy * 0.5


class Spread(Function):
    """Four inputs, two outputs."""

    def forward(self, a, b, c, d):
        return a + b, c + d

    def backward(self, g, h):
        return g, g, h, h


# ---- deep


@WHERE
def test_a_million_nodes(run):
    def work():
        x = Variable(np.array(1.0))
        y = chain(x, 1_000_000)
        end = weakref.ref(y)
        assert y.generation == 1_000_000
        y.backward()
        assert np.isclose(x.grad.data, 1.0000001 ** 500_000, rtol=1e-9)
        first = weakref.ref(x)
        del x, y
        return end() is None and first() is None

    assert run(work)


@pytest.mark.slow
@WHERE
def test_ten_million_nodes(run):
    def work():
        x = Variable(np.array(1.0))
        y = chain(x, 10_000_000)
        y.backward()
        assert np.isclose(x.grad.data, 1.0000001 ** 5_000_000, rtol=1e-8)
        end = weakref.ref(y)
        del x, y
        return end() is None

    assert run(work)


@WHERE
@pytest.mark.parametrize("shape", [(), (3,)])
def test_a_graph_of_gradients(run, shape):
    """10^5 nodes with create_graph: the graph of the gradient is as deep, and only the collector can free it."""
    n = 100_000

    def work():
        x = Variable(np.full(shape, 0.5))
        y = chain(x * x, n)
        y.backward(create_graph=True)
        gx = x.grad
        x.cleargrad()
        gx.backward()
        k = 1.0000001 ** (n // 2)
        assert np.allclose(gx.data, 2 * 0.5 * k, rtol=1e-9)
        assert np.allclose(x.grad.data, 2 * k, rtol=1e-9)
        refs = [weakref.ref(v) for v in (x, y, gx)]
        del x, y, gx
        gc.collect()
        return [r() for r in refs] == [None] * 3

    assert run(work)


@WHERE
def test_python_functions(run):
    def work():
        x = Variable(np.array(1.0))
        h = x
        for _ in range(10_000):
            h = Half()(Twice()(h))
        h.backward()
        assert x.grad.data == 1.0
        end = weakref.ref(h)
        del h
        return end() is None

    assert run(work)


@WHERE
def test_several_inputs_and_outputs(run):
    """More inputs than a node has fields for, and outputs that hold each other's Function."""
    def work():
        x = Variable(np.array(1.0))
        a = b = x
        for _ in range(10_000):
            a, b = Spread()(a, b * 0.0, b, a * 0.0)
        (a + b).backward()
        assert x.grad.data == 2.0
        end = weakref.ref(a)
        del a, b
        return end() is None

    assert run(work)


@WHERE
def test_chapter1(run):
    def work():
        x = chapter1.Variable(np.array(1.0))
        h = x
        for _ in range(10_000):
            h = chapter1.add(h, x)
        h.grad = np.array(1.0)
        h.backward()
        end = weakref.ref(h)
        del h, x
        gc.collect()
        return end() is None

    assert run(work)


@WHERE
def test_the_early_modules(run):
    def work():
        x = simple.Variable(np.array(1.0))
        h = x
        for _ in range(50_000):
            h = simple.add(h, 0.0) * 1.0
        h.backward()
        assert x.grad == 1.0
        end = weakref.ref(h)
        del h
        return end() is None

    assert run(work)


class Mine(Variable):
    pass


@WHERE
def test_nodes_that_the_collector_tracks(run):
    def work():
        x = Mine(np.array(0.5))
        h = x
        for i in range(50_000):
            h = h * 1.0
            if i % 1000 == 0:
                h.note = {"i": i}
                h.name = str(i)
        h.backward()
        assert x.grad.data == 1.0
        gc.collect()
        end = weakref.ref(h)
        del h
        return end() is None

    assert run(work)


@WHERE
def test_a_deep_cycle_is_collected(run):
    def work():
        x = Variable(np.array(0.5))
        h = chain(x, 100_000)
        x.end = h
        end = weakref.ref(h)
        del x, h
        gc.collect()
        return end() is None

    assert run(work)


@WHERE
def test_views_and_shapes(run):
    def work():
        x = Variable(np.ones((2, 3)))
        h = x
        for _ in range(3_000):
            h = F.transpose(F.reshape(F.transpose(h), (2, 3)))
            h = F.reshape(h, (2, 3))
        F.sum(h).backward()
        assert np.array_equal(x.grad.data, np.ones((2, 3)))
        end = weakref.ref(h)
        del h
        return end() is None

    assert run(work)


def test_a_list_linked_by_attributes():
    """As deep as lists of Python's own objects can be, which is not very deep on a small stack."""
    h = Variable(np.ones(1))
    end = weakref.ref(h)
    for _ in range(100_000):
        new = Variable(np.ones(1))
        new.before = h
        h = new
    del h, new
    assert end() is None


@WHERE
@pytest.mark.parametrize("link", ["grad", "name"])
def test_a_list_linked_by_fields(run, link):
    def work():
        h = Variable(np.ones(1))
        end = weakref.ref(h)
        for _ in range(100_000):
            new = Variable(np.ones(1))
            setattr(new, link, h)
            h = new
        del h, new
        return end() is None

    assert run(work)


# ---- wide


@WHERE
def test_a_wide_fan_out(run):
    def work():
        x = Variable(np.array(2.0))
        hs = [x * float(i % 7) for i in range(50_000)]
        total = hs[0]
        for h in hs[1:]:
            total = total + h
        total.backward()
        assert x.grad.data == sum(i % 7 for i in range(50_000))
        del hs, h, total
        return True

    assert run(work)


def test_one_function_of_very_many_inputs():
    class Total(Function):
        def forward(self, *xs):
            return np.array(sum(float(x) for x in xs))

        def backward(self, gy):
            return tuple(gy * float(k) for k in range(n))

    for n in (100, 32_768, 65_538):
        xs = [Variable(np.array(1.0)) for _ in range(n)]
        y = Total()(*xs)
        assert y.data == n
        assert len(y.creator.inputs) == n
        y.backward()
        assert [float(x.grad.data) for x in xs] == list(range(n))


@WHERE
def test_diamonds_upon_diamonds(run):
    """2^20000 ways through 60000 nodes: each Function is walked once."""
    def work():
        x = Variable(np.array(1.0))
        h = x
        for _ in range(20_000):
            a = h * 0.5
            b = h * 0.5
            h = a + b
        h.backward()
        assert x.grad.data == 1.0
        end = weakref.ref(h)
        del a, b, h
        return end() is None

    assert run(work)


def test_a_ladder_of_skips():
    """Connections over many generations: a heap that is large throughout."""
    x = Variable(np.array(1.0))
    hs = [x]
    for i in range(3_000):
        hs.append(hs[-1] * 0.5 + hs[i // 2] * 0.5)
    hs[-1].backward()
    grads = np.zeros(3_001)
    grads[-1] = 1.0
    for i in range(2_999, -1, -1):
        grads[i] += 0.5 * grads[i + 1]
        grads[i // 2] += 0.5 * grads[i + 1]
    assert np.isclose(x.grad.data, grads[0], rtol=1e-12)


# ---- cut


@WHERE
def test_unchain_in_the_middle(run):
    def work():
        x = Variable(np.array(1.0))
        first = chain(x, 100_000)
        middle = first * 1.0
        f = weakref.ref(first.creator)
        del first
        last = chain(middle, 100_000)
        middle.unchain()
        freed = f() is None
        last.backward()
        assert x.grad is None
        assert np.isclose(middle.grad.data, 1.0000001 ** 50_000, rtol=1e-9)
        return freed

    assert run(work)


@WHERE
def test_unchain_backward(run):
    def work():
        x = Variable(np.array(1.0))
        y = chain(x, 100_000)
        below = weakref.ref(y.creator.inputs[0])
        y.unchain_backward()
        alive = below() is not None         # the last Function is left, with its input
        y.backward()
        assert below().grad is not None
        assert x.grad is None
        del y
        return alive and below() is None

    assert run(work)


def test_unchain_backward_of_diamonds_is_linear():
    x = Variable(np.array(1.0))
    h = x
    for _ in range(5_000):
        h = h * 0.5 + h * 0.5
    h.unchain_backward()
    h.backward()
    assert x.grad is None


def test_dropping_a_graph_in_pieces():
    """Parts that others still hold stay whole."""
    x = Variable(np.array(1.0))
    hs = [x]
    for _ in range(20_000):
        hs.append(hs[-1] * 1.0)
    kept = hs[10_000]
    del hs
    kept.backward()
    assert x.grad.data == 1.0
    assert kept.generation == 10_000


def test_no_graph_is_kept_under_no_grad():
    x = Variable(np.array(1.0))
    with no_grad():
        first = h = x * 1.0
        ref = weakref.ref(first)
        del first
        for _ in range(1000):
            h = h * 1.0
    assert ref() is None
    assert h.creator is None


# ---- copied


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))],
                         ids=["deepcopy", "pickle"])
@WHERE
def test_copies_of_deep_graphs(duplicate, run):
    def work():
        x = Variable(np.array(1.0), name="x")
        y = chain(x, 10_000)
        z = duplicate(y)
        z.backward()
        assert x.grad is None
        leaf = z
        while leaf.creator is not None:
            leaf = leaf.creator.inputs[0]
        assert leaf.name == "x"
        assert np.isclose(leaf.grad.data, 1.0000001 ** 5_000, rtol=1e-9)
        end = weakref.ref(z)
        del z
        return end() is None

    assert run(work)
