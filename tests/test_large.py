"""Loops over large arrays: several threads give the bits of one, warn as one, and survive fork and company."""

import os
import subprocess
import sys
import textwrap
import threading

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Variable, get_num_threads, no_grad, set_num_threads

N = 2_100_000 // 4 * 3 + 1       # float32: several pieces, the last one short; more than what is shared out


@pytest.fixture(autouse=True)
def one_thread():
    yield
    set_num_threads(1)


@pytest.fixture(params=[np.float32, np.float64], ids=["f32", "f64"])
def arrays(request):
    rng = np.random.default_rng(0)
    return [rng.standard_normal(N).astype(request.param) for _ in range(3)]


def forward_and_backward(a, b, gy):
    x, z = Variable(a), Variable(b)
    y = F.sigmoid(x * z + 0.5) * F.sin(x) - F.exp(-z * z)
    y.grad = Variable(gy)
    y.backward()
    return y.data, x.grad.data, z.grad.data


@pytest.mark.parametrize("threads", [2, 3, 7])
def test_the_bits_of_one_thread(arrays, threads):
    alone = forward_and_backward(*arrays)
    set_num_threads(threads)
    for _ in range(3):
        for ours, expected in zip(forward_and_backward(*arrays), alone, strict=True):
            np.testing.assert_array_equal(ours, expected)


def test_the_gradient_of_a_sum(arrays):
    def gradients():
        x, z = Variable(arrays[0]), Variable(arrays[1])
        F.sum(x / (z * z + 1.0)).backward()
        F.mean(F.tanh(x)).backward()
        return x.grad.data, z.grad.data

    alone = gradients()
    set_num_threads(3)
    for ours, expected in zip(gradients(), alone, strict=True):
        np.testing.assert_array_equal(ours, expected)


def test_operands_that_are_stretched(arrays):
    a, b, _ = arrays
    rows, row = a[:-1].reshape(-1, 100), b[:100]
    alone = (Variable(rows) * row + Variable(row)).data
    set_num_threads(3)
    np.testing.assert_array_equal((Variable(rows) * row + Variable(row)).data, alone)
    np.testing.assert_array_equal((Variable(rows.T) * 2.0).data, rows.T * rows.dtype.type(2))


def test_a_warning_from_another_thread_is_one_here():
    set_num_threads(4)
    a = np.ones(N)
    a[-1] = -1.0
    with pytest.warns(RuntimeWarning, match="invalid value"):
        F.log(Variable(a))
    with np.errstate(divide="raise"), pytest.raises(FloatingPointError):
        1.0 / Variable(np.where(np.arange(N) == N // 2, 0.0, 1.0))
    F.log(Variable(np.ones(N)))      # nothing is left behind


def test_several_threads_at_once(arrays):
    """One has the pool, the others do without; the interpreter's lock is let go of meanwhile."""
    set_num_threads(2)
    expected, results = forward_and_backward(*arrays), [None] * 4

    def work(i):
        results[i] = forward_and_backward(*arrays)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(60)
    for result in results:
        for ours, theirs in zip(result, expected, strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_data_rebound_while_a_loop_runs():
    """Another thread takes an operand's array away in the middle of a long operation: the operation keeps it."""
    x, stop = Variable(np.full(4_000_000, 0.5)), threading.Event()

    def rebind():
        while not stop.is_set():
            x.data = np.full(4_000_000, 0.5)

    other = threading.Thread(target=rebind)
    other.start()
    try:
        with no_grad():
            for _ in range(5):
                assert np.all(F.exp(x).data == F.exp(Variable(np.array(0.5))).data)
    finally:
        stop.set()
        other.join(60)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_fork(tmp_path):
    """In a process of its own, since pytest's may have other threads."""
    program = textwrap.dedent("""
        import os
        import numpy as np
        import dezero_c
        import dezero_c.functions as F
        dezero_c.set_num_threads(3)
        x = dezero_c.Variable(np.linspace(0, 1, 1_000_000))
        expected = F.exp(x).data
        pid = os.fork()
        if pid == 0:
            assert dezero_c.get_num_threads() == 3
            right = all(np.array_equal(F.exp(x).data, expected) for _ in range(3))
            os._exit(0 if right else 1)
        assert os.waitpid(pid, 0)[1] == 0
        assert np.array_equal(F.exp(x).data, expected)
        print("right")
    """)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False, cwd=tmp_path)
    assert done.stdout == "right\n", done.stderr


def test_numbers_of_threads():
    assert get_num_threads() == 1
    set_num_threads(np.int64(2))
    assert get_num_threads() == (1 if sys.platform == "win32" else 2)
    set_num_threads(10**6)
    assert get_num_threads() <= 64
    with pytest.raises(ValueError, match="at least 1"):
        set_num_threads(0)
    with pytest.raises(TypeError):
        set_num_threads(1.5)
    assert dezero_c.get_num_threads() <= 64


def test_the_environment(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "import dezero_c; print(dezero_c.get_num_threads())"], capture_output=True, text=True, timeout=60,
        env={**os.environ, "DEZERO_C_NUM_THREADS": "2"}, check=True, cwd=tmp_path,
    )
    assert done.stdout.strip() == ("1" if sys.platform == "win32" else "2")
