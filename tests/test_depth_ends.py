"""How deep graphs end otherwise than well: exceptions midway, the end of the interpreter, a fork, a thread that dies.

tests/test_depth.py builds, walks, cuts and copies; the graphs here are as deep, on a small stack too.
"""

import os
import subprocess
import sys
import textwrap
import threading
import weakref

import numpy as np
import pytest
from test_depth import WHERE, chain

from dezero_c import Config, Function, Variable

N = 200_000


class Fuse(Function):
    """The identity; its backward raises while it burns."""

    burning = True

    def forward(self, x):
        return x * 1.0

    def backward(self, gy):
        if self.burning:
            raise KeyError("midway")
        return gy * 1.0


def alone(program):
    """Runs a program in a process of its own; a crash, or a word on stderr, fails."""
    head = """
        import faulthandler, gc, os, sys, threading
        faulthandler.enable()
        import numpy as np
        import dezero_c.functions as F
        from dezero_c import Function, Variable
        def chain(x, n):
            h = x
            for _ in range(n):
                h = h * 1.0000001
            return h
    """
    root = os.path.dirname(os.path.dirname(sys.modules["dezero_c"].__file__))
    env = {**os.environ, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-P", "-c", textwrap.dedent(head) + textwrap.dedent(program)], env=env,
                          capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, f"exit status {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert done.stderr == ""
    return done.stdout.split()


# ---- exceptions midway


@WHERE
@pytest.mark.parametrize("create_graph", [False, True])
def test_an_exception_in_the_middle_of_a_deep_walk(run, create_graph):
    """Half is walked, half is not; the same graph is whole for the next walk, and freed at once when it goes."""
    n = N // 10 if create_graph else N

    def work():
        x = Variable(np.array(1.0))
        fuse = Fuse()
        y = chain(fuse(chain(x, n)), n)
        with pytest.raises(KeyError, match="midway"):
            y.backward(create_graph=create_graph)
        assert Config.enable_backprop
        assert x.grad is None
        fuse.burning = False
        y.backward()
        assert np.isclose(x.grad.data, 1.0000001 ** n, rtol=1e-9)
        end = weakref.ref(y)
        del x, y
        return end() is None

    assert run(work)


@WHERE
def test_exceptions_in_a_wide_graph(run):
    """One branch of many fails: no intermediate gradient stays behind."""
    def work():
        x = Variable(np.array(1.0))
        fuses = [Fuse() for _ in range(3000)]
        for f in fuses:
            f.burning = False
        fuses[1500].burning = True
        branches = [f(x * float(i % 3)) for i, f in enumerate(fuses)]
        y = branches[0]
        for b in branches[1:]:
            y = y + b
        with pytest.raises(KeyError):
            y.backward()
        assert all(b.grad is None for b in branches)
        x.cleargrad()
        fuses[1500].burning = False
        y.backward()
        assert x.grad.data == sum(i % 3 for i in range(3000))
        return True

    assert run(work)


@WHERE
def test_an_exception_while_a_deep_graph_is_built(run):
    class Refuses(Function):
        def forward(self, x):
            raise KeyError("forward")

    def work():
        x = Variable(np.array(1.0))
        h = chain(x, N)
        end = weakref.ref(h)
        with pytest.raises(KeyError):
            Refuses()(h)
        h.backward()
        assert x.grad is not None
        del h
        return end() is None

    assert run(work)


# ---- deeper than a graph should be


@pytest.mark.slow
@WHERE
def test_ten_million_nodes_in_diamonds(run):
    def work():
        x = Variable(np.array(1.0))
        h = x
        for _ in range(3_333_334):
            a = h * 0.5
            b = h * 0.5
            h = a + b
        h.backward()
        assert x.grad.data == 1.0
        end = weakref.ref(h)
        del a, b, h
        return end() is None

    assert run(work)


@pytest.mark.slow
def test_ten_million_nodes_side_by_side():
    x = Variable(np.array(2.0))
    ys = [x * 1.5 for _ in range(5_000_000)]
    total = ys[0]
    for y in ys[1:]:
        total = total + y
    total.backward()
    assert x.grad.data == 1.5 * 5_000_000
    del ys, total, y


# ---- the end of the process


@pytest.mark.parametrize("how", [
    "pass", "sys.exit(0)", "raise SystemExit", "del x", "gc.collect(); gc.freeze()", "sys.modules.clear()",
    "del sys.modules['dezero_c'], sys.modules['dezero_c._core'], Variable, F", "import atexit; atexit.register(h.backward)",
])
def test_the_interpreter_ends_with_a_deep_graph_alive(how):
    assert alone(f"""
        x = Variable(np.ones(2))
        h = chain(x, {N})
        h.backward(create_graph=False)
        kept = [h, h.creator, x.grad]
        kept.append(kept)
        sys.stdout.write("end")
        sys.stdout.flush()
        {how}
    """) == ["end"]


def test_the_interpreter_ends_with_a_deep_graph_of_gradients_alive():
    assert alone("""
        x = Variable(np.array(0.5))
        h = chain(x * x, 30_000)
        h.backward(create_graph=True)
        x.note = h
        print("end")
    """) == ["end"]


def test_the_interpreter_ends_while_a_thread_holds_a_deep_graph():
    assert alone("""
        ready = threading.Event()
        def work():
            h = chain(Variable(np.ones(2)), 50_000)
            ready.set()
            while True:
                h.backward()
        threading.stack_size(256 * 1024)
        threading.Thread(target=work, daemon=True).start()
        ready.wait()
        print("end")
    """) == ["end"]


def test_a_thread_ends_and_leaves_its_graph_to_another():
    made = []

    def build():
        made.append(chain(Variable(np.array(1.0)), N))

    old = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=build)
        thread.start()
    finally:
        threading.stack_size(old)
    thread.join()
    h = made.pop()
    h.backward()
    end = weakref.ref(h)
    del h
    assert end() is None


# ---- copies of the process


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_forks_with_a_deep_graph():
    """The child walks, cuts, frees and ends; the parent's graph is whole. Then the other way round."""
    assert alone(f"""
        x = Variable(np.array(1.0))
        h = chain(x, {N})
        children = []
        for what in ("walk", "drop", "unchain", "exit"):
            child = os.fork()
            if child == 0:
                if what == "walk":
                    h.backward()
                    os._exit(0 if x.grad is not None else 1)
                if what == "drop":
                    del h
                    gc.collect()
                    os._exit(0)
                if what == "unchain":
                    h.unchain_backward()
                    h.backward()
                    os._exit(0 if x.grad is None else 1)
                sys.exit(0)     # with the whole graph alive
            children.append(child)
        h.backward()
        del h
        for child in children:
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
        print(x.grad is not None)
    """) == ["0"] * 4 + ["True"]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_fork_in_the_middle_of_a_walk():
    """A user's backward forks: both processes finish the walk."""
    assert alone("""
        class Forks(Function):
            def forward(self, x):
                return x * 1.0
            def backward(self, gy):
                sys.stdout.flush()
                self.child = os.fork()
                return gy * 1.0
        x = Variable(np.array(1.0))
        f = Forks()
        y = chain(f(chain(x, 10_000)), 10_000)
        y.backward()
        right = bool(np.isclose(x.grad.data, 1.0000001 ** 20_000, rtol=1e-9))
        if f.child == 0:
            os._exit(0 if right else 1)
        print(right, os.waitstatus_to_exitcode(os.waitpid(f.child, 0)[1]))
    """) == ["True", "0"]
