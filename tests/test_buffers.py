"""Memory of large arrays that is kept for the next ones."""

import gc

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable, _core, no_grad


@pytest.fixture(autouse=True)
def fresh():
    _core.keep_memory(16)
    yield
    _core.keep_memory(128)


def big(n=20000):
    with no_grad():
        return (Variable(np.arange(n, dtype=float)) + 1.0).data


def address(a):
    return a.__array_interface__["data"][0]


def test_the_next_array_of_that_size_takes_what_the_last_one_left():
    a = big()
    at = address(a)
    del a
    gc.collect()
    assert address(big()) == at
    assert address(big(30000)) != at


def test_an_array_that_somebody_holds_keeps_its_memory():
    held = big()
    view = held[5:]
    del held
    others = [big() for _ in range(4)]
    assert view[0] == 6.0
    assert all(address(o) != address(view) - 40 for o in others)
    others[0][...] = 0.0
    assert view[-1] == 20000.0


def test_nothing_is_kept_with_no_room():
    _core.keep_memory(0)
    a = big()
    assert a[3] == 4.0
    a = big()
    assert a[-1] == 20000.0


def test_more_than_there_is_room_for():
    arrays = [big(n) for n in range(50000, 50120)]      # 48 MB, of 120 sizes
    del arrays
    assert big(50060)[-1] == 50060.0


def test_resized_arrays_go_back_whole():
    for n in (10, 200000):
        a = big()
        a.resize(n, refcheck=False)
        del a
        b = big(n)
        assert b[-1] == n
        assert big()[-1] == 20000.0


def test_a_training_loop_gives_the_same_numbers():
    results = []
    for room in (0, 64):
        _core.keep_memory(room)
        rng = np.random.default_rng(0)
        w, x = Variable(rng.normal(size=(200, 300))), Variable(rng.normal(size=(300, 200)))
        for _ in range(5):
            w.cleargrad()
            F.sum(F.tanh(w @ x) * F.exp(-F.square(w @ x))).backward()
            w.data -= 0.01 * w.grad.data
        results.append(w.data.copy())
    assert np.array_equal(*results)


def test_sizes_that_are_none():
    for size in (-1, float("nan"), float("inf")):
        with pytest.raises(ValueError, match="megabytes"):
            _core.keep_memory(size)
