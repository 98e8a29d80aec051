"""Threads and re-entrancy: graphs of their own, modes of their own, walks inside walks and beside walks.

Walks interleave where user code runs: inside a backward written in Python, in a callback, between bytecodes. Events
make each interleaving certain rather than likely.
"""

import contextlib
import gc
import sys
import threading
import weakref

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Config, Function, Variable, chapter1, no_grad, using_config


def var(value):
    return Variable(np.array(value, float))


def together(*functions, timeout=30):
    """Runs the functions in threads of their own; returns what they return, raises the first of what they raise."""
    results = [None] * len(functions)
    errors = []

    def call(i, function):
        try:
            results[i] = function()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=call, args=(i, f), daemon=True) for i, f in enumerate(functions)]
    for t in threads:
        t.start()
    for t in threads:
        t.join(timeout)
        assert not t.is_alive(), "a thread is stuck"
    if errors:
        raise errors[0]
    return results


@pytest.fixture
def quick_switches():
    """Threads change places as often as they can."""
    old = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(old)


def recording():
    """Graphs are made here, inside a backward too."""
    return using_config("enable_backprop", True)


class Call(Function):
    """The identity; its backward calls back first."""

    def __init__(self, callback):
        self.callback = callback

    def forward(self, x):
        return x * 1.0

    def backward(self, gy):
        self.callback()
        return gy * 1.0


# ---- threads


def test_graphs_of_their_own(quick_switches):
    def work(k):
        def run():
            for _ in range(30):
                x = var([0.1 * k, 0.2])
                h = x
                for _ in range(50):
                    h = F.sin(h) * k
                h.backward(create_graph=k > 1.0)
                got = x.grad.data.copy()
                y = x.data.copy()
                g = np.ones(2)
                for _ in range(50):
                    g = g * np.cos(y) * k
                    y = np.sin(y) * k
                assert np.allclose(got, g, rtol=1e-9)
            return True
        return run

    assert together(*[work(k) for k in (0.9, 0.95, 1.0, 1.05, 1.1)]) == [True] * 5


def test_python_functions_in_many_threads(quick_switches):
    """Each walk is interrupted inside its callbacks by the others'."""
    def work():
        for _ in range(40):
            x = var(1.0)
            h = x
            for _ in range(20):
                h = Call(lambda: sum(range(50)))(h * 2.0)
            (h + x).backward()
            assert x.grad.data == 2.0 ** 20 + 1
        return True

    assert together(*[work] * 5) == [True] * 5


def test_one_leaf_in_many_graphs(quick_switches):
    """Gradients of a shared leaf add up; each walk is whole, since it runs in C from end to end."""
    x = var([1.0, 2.0])

    def work():
        for _ in range(200):
            (x * 2.0 + x).backward()
        return True

    assert together(*[work] * 4) == [True] * 4
    assert x.grad.data.tolist() == [2400.0, 2400.0]


def test_values_read_by_others(quick_switches):
    """A value moves into an ndarray once, whoever looks first."""
    for _ in range(100):
        y = F.sin(var([1.0, 2.0])) * 2.0
        first, second, third = together(lambda y=y: y.data, lambda y=y: y.data, lambda y=y: (y + 0.0).data)
        assert first is second
        assert np.array_equal(first, third)


def test_graphs_freed_by_others(quick_switches):
    x = var(0.5)
    made, done = [], threading.Event()

    def build():
        for _ in range(300):
            h = x
            for _ in range(30):
                h = F.sin(h)
            made.append(h)
            del h
        done.set()
        return True

    def free():
        while not done.is_set() or made:
            if made:
                made.pop()
        return True

    assert together(build, free, free) == [True] * 3
    assert not made


def test_the_collector_in_one_thread_and_graphs_in_another(quick_switches):
    stop = threading.Event()

    def collect():
        while not stop.is_set():
            gc.collect(0)
        return True

    def work():
        try:
            for _ in range(60):
                x = var([0.3, 0.4])
                y = F.sin(x) * x
                y.backward(create_graph=True)
                g = x.grad
                x.cleargrad()
                F.sum(g).backward()
                want = 2 * np.cos(x.data) - x.data * np.sin(x.data)
                assert np.allclose(x.grad.data, want, rtol=1e-12)
        finally:
            stop.set()
        return True

    assert together(collect, work) == [True, True]


# ---- modes


def test_the_process_default_reaches_threads_started_later_and_running():
    seen, changed, asked = [], threading.Event(), threading.Event()

    def running():
        seen.append(Config.train)
        asked.set()
        changed.wait(10)
        seen.append(Config.train)

    thread = threading.Thread(target=running)
    thread.start()
    asked.wait(10)
    Config.train = False
    try:
        changed.set()
        thread.join()
        assert together(lambda: Config.train) == [False]
    finally:
        Config.train = True
    assert seen == [True, False]


def test_overrides_are_the_threads_own():
    inside, leave = threading.Event(), threading.Event()
    x = var(1.0)

    def without():
        with no_grad(), dezero_c.test_mode():
            inside.set()
            assert leave.wait(10)
            return Config.enable_backprop, Config.train, (x * 2.0).creator
        return None

    def with_graph():
        assert inside.wait(10)
        try:
            return Config.enable_backprop, Config.train, (x * 2.0).creator is not None
        finally:
            leave.set()

    first, second = together(without, with_graph)
    assert first == (False, False, None)
    assert second == (True, True, True)
    assert Config.enable_backprop
    assert Config.train


def test_an_override_hides_the_default_from_its_thread():
    inside, changed = threading.Event(), threading.Event()

    def overrides():
        with using_config("train", True):
            inside.set()
            assert changed.wait(10)
            within = Config.train
        return within, Config.train

    def changes():
        assert inside.wait(10)
        Config.train = False
        changed.set()

    try:
        result, _ = together(overrides, changes)
        assert result == (True, False)
    finally:
        Config.train = True


def test_modes_after_an_exception_in_a_thread():
    def fails():
        try:
            with no_grad():
                raise KeyError
        except KeyError:
            pass
        y = Call(lambda: 1 / 0)(var(1.0))
        with pytest.raises(ZeroDivisionError):
            y.backward()
        return Config.enable_backprop, (var(1.0) * 2.0).creator is not None

    assert together(fails) == [(True, True)]


def test_a_walk_turns_recording_off_for_its_thread_only():
    inside, leave = threading.Event(), threading.Event()
    modes = []

    def pause():
        modes.append(Config.enable_backprop)
        inside.set()
        assert leave.wait(10)

    y = Call(pause)(var(1.0))

    def other():
        assert inside.wait(10)
        try:
            return (var(1.0) * 2.0).creator is not None
        finally:
            leave.set()

    assert together(y.backward, other) == [None, True]
    assert modes == [False]
    assert Config.enable_backprop


# ---- walks beside walks


@pytest.mark.parametrize("create_graph", [False, True])
def test_a_second_walk_while_the_first_waits(create_graph):
    inside, leave = threading.Event(), threading.Event()

    def pause():
        inside.set()
        assert leave.wait(10)

    x, z = var(2.0), var(3.0)
    y = Call(pause)(x * x) * x      # dy/dx = 3 x^2
    w = F.square(z) * z + z         # diamonds, so that each Function must be walked once

    def other():
        assert inside.wait(10)
        try:
            w.backward(create_graph=create_graph)
            return float(z.grad.data)
        finally:
            leave.set()

    assert together(lambda: y.backward(create_graph=create_graph), other) == [None, 28.0]
    assert x.grad.data == 12.0


def test_the_first_walk_ends_before_the_second():
    """The second, which had to manage without marks, must not be disturbed by a third that begins after the first."""
    events = {name: threading.Event() for name in ("first in", "first out", "second in", "second out")}

    def pause(inside, leave):
        def wait():
            events[inside].set()
            assert events[leave].wait(10)
        return wait

    def graph(callback):
        x = var(2.0)
        a = Call(callback)(x * 1.0) if callback else x * 1.0
        h = a * a
        return x, h * h + h      # a^4 + a^2: 4 a^3 + 2 a = 36

    x1, y1 = graph(pause("first in", "first out"))
    x2, y2 = graph(pause("second in", "second out"))

    def second():
        assert events["first in"].wait(10)
        y2.backward()

    def third():
        assert events["second in"].wait(10)
        events["first out"].set()
        first.join(10)
        x3, y3 = graph(None)
        y3.backward()
        events["second out"].set()
        return float(x3.grad.data)

    first = threading.Thread(target=y1.backward)
    first.start()
    assert together(second, third) == [None, 36.0]
    assert x1.grad.data == x2.grad.data == 36.0


def test_two_walks_over_one_graph():
    """Both threads' walks are inside the same Function's backward: no crash, and the leaf has a sum of the two."""
    barrier = threading.Barrier(2, timeout=10)
    x = var(2.0)
    h = Call(barrier.wait)(x * 3.0)
    y, z = h * 2.0, h * 5.0
    together(y.backward, z.backward)
    assert x.grad is not None
    x.cleargrad()
    w = F.sin(x)
    w.backward()
    assert np.allclose(x.grad.data, np.cos(2.0))


def test_a_thread_that_waits_in_a_callback_does_not_keep_others_from_freeing():
    """One thread is freeing a chain when a callback of it waits; what another thread drops goes at once."""
    inside, leave = threading.Event(), threading.Event()

    def callback(_):
        inside.set()
        assert leave.wait(10)

    def chain():
        h = var([1.0])
        for _ in range(20):
            h = F.sin(h)
        return h

    def first():
        slow = chain()      # its own: a free-threaded Python leaves freeing to the thread that made an object
        ref = weakref.ref(slow.creator.inputs[0].creator.inputs[0], callback)
        del slow
        return ref() is None

    def second():
        assert inside.wait(10)
        try:
            y = chain()
            leaf = y
            while leaf.creator is not None:
                leaf = leaf.creator.inputs[0]
            end = weakref.ref(leaf)
            del leaf, y
            return end() is None
        finally:
            leave.set()

    assert together(first, second) == [True, True]


# ---- walks inside walks


@pytest.mark.parametrize("outer", [False, True])
@pytest.mark.parametrize("inner", [False, True])
def test_a_walk_inside_a_users_backward(outer, inner):
    class Root(Function):
        """The y with y^3 = x, whose backward asks the engine for the derivative of y^3."""

        def forward(self, x):
            return np.cbrt(x)

        def backward(self, gy):
            y = Variable(np.cbrt(self.inputs[0].data))
            with recording():
                h = y * y
                cube = h * y
            cube.backward(create_graph=inner)
            return gy / y.grad

    x = var([8.0, 27.0])
    y = Root()(x * 1.0) * 2.0
    y.backward(create_graph=outer)
    assert np.allclose(x.grad.data, 2 / (3 * np.cbrt(x.data) ** 2))
    assert (x.grad.creator is not None) == outer


def test_walks_inside_walks_inside_walks():
    depths = []

    def nest(n):
        def callback():
            depths.append(n)
            x = var(3.0)
            with recording():
                h = x * x
                y = h + h
                if n > 0:
                    y = Call(nest(n - 1))(y)
            y.backward()
            assert x.grad.data == 12.0
        return callback

    nest(50)()
    assert depths == list(range(50, -1, -1))


def test_the_same_graph_inside_its_own_walk():
    x = var(2.0)
    h = x * x
    calls = []

    def again():
        if not calls:
            calls.append(1)
            z.backward()

    y = Call(again)(h)
    z = h * 3.0
    y.backward()
    assert x.grad.data == 4.0 + 12.0
    x.cleargrad()
    y.backward()
    assert x.grad.data == 4.0


def test_a_walk_in_a_weak_references_callback():
    """An intermediate gradient's end calls back in the middle of a walk."""
    inner = []

    def callback(_):
        a = var(3.0)
        with recording():
            b = a * a
        b.backward()
        inner.append(float(a.grad.data))

    x = var([1.0, 2.0])
    h = x * x
    y = h * 3.0
    h.grad = Variable(np.zeros(2))
    ref = weakref.ref(h.grad, callback)
    y.backward()
    assert ref() is None
    assert inner == [6.0]
    assert x.grad.data.tolist() == [6.0, 12.0]


def test_the_graph_is_cut_by_a_callback():
    """A user's backward unchains what is still to be walked."""
    x = var(2.0)
    a = x * 3.0
    b = Call(lambda: a.unchain())(a * 1.0)
    b.backward()
    assert x.grad is None
    assert a.creator is None
    assert a.grad.data == 1.0


def test_the_graph_is_dropped_by_a_callback():
    """The walk keeps what it still needs, and no more."""
    held = {}

    def drop():
        held.clear()
        gc.collect()

    x = var(2.0)
    held["h"] = h = x * 3.0
    held["y"] = Call(drop)(h)
    del h
    held["y"].backward()
    assert x.grad.data == 3.0
    assert not held


def test_inputs_are_replaced_by_a_callback():
    """A user's backward that links its own Function anew: no crash, whatever the numbers."""
    for new in ((), (var(1.0),), (var(1.0), var(2.0)), tuple(var(float(k)) for k in range(9))):
        f = Call(lambda: None)
        f.callback = lambda f=f, new=new: setattr(f, "inputs", new)
        x = var(2.0)
        y = f(x * 2.0) * 3.0
        with contextlib.suppress(ValueError, AttributeError, IndexError, RuntimeError):
            y.backward()
        x.cleargrad()
        (x * 2.0).backward()
        assert x.grad.data == 2.0


def test_a_function_is_called_again_by_its_own_backward():
    class Again(Function):
        def forward(self, x):
            return x * 2.0

        def backward(self, gy):
            return type(self).call(self, gy)

        call = staticmethod(lambda self, gy: self(gy))

    x = var(1.0)
    y = Again()(x)
    y.backward()
    assert x.grad.data == 2.0


# ---- exceptions midway


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit, MemoryError, GeneratorExit])
@pytest.mark.parametrize("create_graph", [False, True])
def test_the_graph_can_be_used_again_after_an_exception(error, create_graph):
    armed = [True]

    def fail():
        if armed:
            armed.clear()
            raise error("midway")

    x, w = var(2.0), var(5.0)
    h = x * w
    left = Call(fail)(h * 2.0)
    y = F.sin(left) + h * h
    with pytest.raises(error, match="midway") as caught:
        y.backward(create_graph=create_graph)
    assert "fail" in [entry.name for entry in caught.traceback]
    assert h.grad is None
    assert Config.enable_backprop
    for v in (x, w, y):
        v.cleargrad()
    y.backward(create_graph=create_graph)
    slope = 2 * np.cos(20.0) + 20.0
    assert np.isclose(x.grad.data, 5.0 * slope)
    assert np.isclose(w.grad.data, 2.0 * slope)


def test_an_exception_in_an_inner_walk():
    def inner():
        with recording():
            bad = Call(lambda: 1 / 0)(var(1.0) * 2.0)
        with pytest.raises(ZeroDivisionError):
            bad.backward()

    x = var(2.0)
    h = x * x
    y = Call(inner)(h) + h
    y.backward()
    assert x.grad.data == 8.0
    z = x * 1.0
    x.cleargrad()
    (z * z).backward()
    assert x.grad.data == 4.0


def test_an_exception_in_one_thread_leaves_the_others_walk_alone():
    inside, leave = threading.Event(), threading.Event()

    def pause():
        inside.set()
        assert leave.wait(10)

    x = var(2.0)
    h = x * x
    y = Call(pause)(h) * h

    def other():
        assert inside.wait(10)
        try:
            with pytest.raises(ZeroDivisionError):
                Call(lambda: 1 / 0)(var(1.0) * 2.0).backward()
        finally:
            leave.set()

    together(y.backward, other)
    assert x.grad.data == 4 * 2.0 ** 3


def test_many_failing_walks_leave_the_engine_as_it_was():
    x = var(2.0)
    bad = Call(lambda: 1 / 0)(x * 3.0) * 2.0
    for _ in range(200):
        with pytest.raises(ZeroDivisionError):
            bad.backward()
    x.cleargrad()
    h = x * x
    (h + h * h).backward()
    assert x.grad.data == 4.0 + 32.0


def test_chapter1_walks_beside_others():
    """Gradients are overwritten per walk there, also when walks nest."""
    class Inner(chapter1.Function):
        def forward(self, x):
            return x * 3.0

        def backward(self, gy):
            a = chapter1.Variable(np.array(2.0))
            with recording():
                b = chapter1.square(a)
            for _ in range(2):
                b.grad = np.array(1.0)
                b.backward()
                assert a.grad == 4.0
            return gy * 3.0

    x = chapter1.Variable(np.array(2.0))
    y = Inner()(chapter1.square(x))
    for _ in range(2):
        y.grad = np.array(1.0)
        y.backward()
        assert x.grad == 12.0
