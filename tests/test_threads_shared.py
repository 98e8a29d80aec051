"""Eight threads at once: graphs of their own on parameters that all of them read, and modes of their own.

tests/test_threads.py makes single interleavings certain; here many happen by chance, with threads that switch as often as
they can. On a Python without the interpreter's lock the modules ask for it (tests/test_interpreter.py), so the same holds.
"""

import sys
import threading

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Config, Function, Parameter, Variable, no_grad, using_config

THREADS = 8


@pytest.fixture(autouse=True)
def quick_switches():
    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(old)


def in_threads(work, timeout=300):
    """work(k) for k in 0..7, all started together: what they return, or the first of what they raise."""
    results, errors = [None] * THREADS, []
    start = threading.Barrier(THREADS)

    def run(k):
        try:
            start.wait(60)
            results[k] = work(k)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(k,), daemon=True) for k in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout)
        assert not thread.is_alive(), "a thread is stuck"
    if errors:
        raise errors[0]
    return results


class Cube(Function):
    """Python between the steps of a walk: a place where threads change."""

    def forward(self, x):
        return x ** 3

    def backward(self, gy):
        return 3.0 * self.inputs[0] ** 2 * gy


def network(x, W1, b1, W2):
    return F.sum(F.tanh(F.linear(x, W1, b1)) @ W2 + Cube()(F.sin(x) @ W1) @ W2)


def gradients(x, weights, create_graph=False):
    """Of a sum by x alone, through weights that get none: each thread has Variables of its own around the shared arrays."""
    x = Variable(x)
    y = network(x, *weights)
    y.backward(create_graph=create_graph)
    g = x.grad
    if create_graph:
        x.cleargrad()
        F.sum(g * g).backward()
        g = x.grad
    return g.data.copy()


def drawn():
    rng = np.random.default_rng(3)
    return ([rng.standard_normal((8, 4, 5)) * 0.5, rng.standard_normal((5, 6)) * 0.3, rng.standard_normal(6) * 0.3,
             rng.standard_normal((6, 2)) * 0.3])


@pytest.mark.parametrize("create_graph", [False, True])
def test_shared_arrays(create_graph):
    """The arrays of parameters are shared and read only; graphs and gradients are the threads' own."""
    xs, *arrays = drawn()
    for a in arrays:
        a.flags.writeable = False

    def own():
        return [Parameter(a) for a in arrays]

    wanted = [gradients(x, own(), create_graph) for x in xs]

    def work(k):
        for _ in range(25):
            assert np.array_equal(gradients(xs[k], own(), create_graph), wanted[k])
        return True

    assert in_threads(work) == [True] * THREADS


def test_shared_parameters_in_forward():
    """Very Parameters in eight graphs at once; nothing is added to them, since inference keeps no graph."""
    xs, *arrays = drawn()
    weights = [Parameter(a) for a in arrays]
    wanted = [float(network(Variable(x), *weights).data) for x in xs]

    def work(k):
        for _ in range(100):
            with no_grad():
                y = network(Variable(xs[k]), *weights)
            assert y.creator is None
            assert float(y.data) == wanted[k]
        return True

    assert in_threads(work) == [True] * THREADS
    assert all(w.grad is None for w in weights)


def test_shared_parameters_and_their_sums():
    """All threads add gradients to one parameter by built-in operations: none is lost, none counts twice."""
    w = Parameter(np.array([1.0, 2.0, 3.0]))

    def work(k):
        for _ in range(200):
            F.sum(w * float(k)).backward()
        return True

    assert in_threads(work) == [True] * THREADS
    assert w.grad.data.tolist() == [200.0 * sum(range(THREADS))] * 3


def test_modes_of_eight_threads():
    """Every combination of modes at once, entered and left again and again."""
    x = Variable(np.array([0.5, 1.5]))

    def work(k):
        record, train = bool(k & 1), bool(k & 2)
        for _ in range(300):
            with using_config("enable_backprop", record), using_config("train", train):
                y = F.sin(x) * 2.0
                assert (y.creator is not None) == record
                assert Config.enable_backprop == record
                assert Config.train == train
                z = F.dropout(Variable(np.ones(50)), 0.5)
                assert (float(z.data.sum()) == 50.0) or train
                if k & 4:
                    with no_grad(), dezero_c.test_mode():
                        assert (F.cos(x).creator, Config.train) == (None, False)
            assert Config.enable_backprop
            assert Config.train
        return True

    assert in_threads(work) == [True] * THREADS
    assert x.grad is None


def test_training_in_eight_threads():
    """A model each, trained side by side: the same losses as alone."""
    import dezero_c.optimizers as O

    def train(k):
        rng = np.random.default_rng(k)
        layer = L.Linear(3, in_size=4)
        layer.W.data = rng.standard_normal((4, 3)).astype(np.float32)
        optimizer = O.MomentumSGD(0.05).setup(layer)
        x, t = rng.standard_normal((16, 4)).astype(np.float32), rng.standard_normal((16, 3)).astype(np.float32)
        losses = []
        for _ in range(40):
            loss = F.mean_squared_error(F.tanh(layer(x)), t)
            layer.cleargrads()
            loss.backward()
            optimizer.update()
            losses.append(float(loss.data))
        return losses

    alone = [train(k) for k in range(THREADS)]
    assert in_threads(train) == alone
    assert all(losses[-1] < losses[0] for losses in alone)


def test_exceptions_in_some_threads():
    """A third of the walks fails in the middle; the others do not notice."""
    class Fails(Function):
        def forward(self, x):
            return x + 0.0

        def backward(self, gy):
            raise KeyError("midway")

    def work(k):
        for i in range(60):
            x = Variable(np.array([1.0, 2.0]))
            h = F.sin(Cube()(x))
            if (i + k) % 3:
                F.sum(h * h).backward()
                want = 2 * np.sin(x.data ** 3) * np.cos(x.data ** 3) * 3 * x.data ** 2
                assert np.allclose(x.grad.data, want, rtol=1e-12)
            else:
                with pytest.raises(KeyError):
                    F.sum(Fails()(h) * h).backward()
                assert h.grad is None
            assert Config.enable_backprop
        return True

    assert in_threads(work) == [True] * THREADS


@pytest.mark.slow
def test_a_minute_of_everything():
    """Builds, walks, copies, drops and collections in eight threads for a minute."""
    import copy
    import gc
    import time

    end = time.monotonic() + 60
    xs, *arrays = drawn()
    wanted = [gradients(x, [Parameter(a) for a in arrays], True) for x in xs]

    def work(k):
        rounds = 0
        while time.monotonic() < end:
            assert np.array_equal(gradients(xs[k], [Parameter(a) for a in arrays], True), wanted[k])
            h = Variable(xs[k])
            for _ in range(200):
                h = F.sin(h)
            other = copy.deepcopy(h)
            F.sum(other).backward()
            del h, other
            if k == 0:
                gc.collect()
            rounds += 1
        return rounds

    assert min(in_threads(work)) > 3
