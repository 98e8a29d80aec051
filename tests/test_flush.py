"""Denormal numbers taken as 0 (set_flush_denormal): kernels, BLAS, threads."""

import threading

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Variable, get_flush_denormal, set_flush_denormal, set_num_threads

TINY = {np.float32: np.float32(1e-39), np.float64: np.float64(1e-310)}


@pytest.fixture(autouse=True)
def _off():
    if not set_flush_denormal(True):
        pytest.skip("this processor has no such mode")
    set_flush_denormal(False)
    yield
    set_flush_denormal(False)


def test_off_to_begin_with():
    assert dezero_c.get_flush_denormal() is False
    assert set_flush_denormal(True) is True
    assert get_flush_denormal() is True
    assert set_flush_denormal(False) is True
    assert get_flush_denormal() is False


@pytest.mark.parametrize("level", dezero_c._core.build_info()["simd_available"])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 9, 2049])
def test_kernels_forward_and_backward(n, dtype, level):
    before = dezero_c._core.build_info()["simd"]
    dezero_c._core.select_simd(level)
    try:
        x, small = Variable(np.full(n, TINY[dtype])), Variable(np.full(n, np.finfo(dtype).tiny))
        for on in (False, True):
            set_flush_denormal(on)
            results = [(x * 4.0).data, (small * 0.5).data, (x + x).data, F.where(np.ones(n), x, x).data * 1]
            set_flush_denormal(False)               # comparing is arithmetic, too
            assert [bool(np.all(r == 0)) for r in results] == [on] * 4
            small.cleargrad()
            y = small * 1.0
            y.grad = Variable(np.full(n, TINY[dtype]))
            set_flush_denormal(on)
            y.backward()
            set_flush_denormal(False)
            assert bool(np.all(small.grad.data == 0)) == on
            small.cleargrad()
    finally:
        dezero_c._core.select_simd(before)


def test_products_of_matrices():
    a = Variable(np.full((64, 64), 1e-30, np.float32))
    b = Variable(np.full((64, 64), 1e-10, np.float32))
    assert np.all(F.matmul(a, b).data > 0)
    set_flush_denormal(True)
    y = F.matmul(a, b)
    set_flush_denormal(False)
    assert np.all(y.data == 0)


def test_results_do_not_depend_on_the_number_of_threads():
    x = Variable(np.full(2_000_000, TINY[np.float32]))
    found = []
    try:
        for threads in (1, 2, 2, 1, 2):
            set_num_threads(threads)
            for on in (False, True):
                set_flush_denormal(on)
                y = (x * 4.0).data
                set_flush_denormal(False)
                found.append((on, np.unique(y).tolist()))
    finally:
        set_num_threads(1)
    assert {tuple(values) for on, values in found if on} == {(0.0,)}
    assert {tuple(values) for on, values in found if not on} == {(float(np.float32(1e-39) * np.float32(4)),)}


def test_another_thread_has_its_own():
    seen = []
    started, go = threading.Event(), threading.Event()

    def other():
        started.set()
        go.wait(10)
        seen.append(get_flush_denormal())
        set_flush_denormal(False)

    thread = threading.Thread(target=other)
    thread.start()
    started.wait(10)
    set_flush_denormal(True)
    go.set()
    thread.join()
    assert seen == [False]
    assert get_flush_denormal() is True


def test_flags_and_warnings_stay_what_they_are():
    set_flush_denormal(True)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        F.log(Variable(np.zeros(3)))
    assert get_flush_denormal() is True
    with np.errstate(all="raise"):
        F.exp(Variable(np.full(3, -800.0)))
    y = F.sqrt(Variable(np.zeros(3)))
    with pytest.warns(RuntimeWarning):
        y.backward()
    assert get_flush_denormal() is True
