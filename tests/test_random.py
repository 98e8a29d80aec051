"""Random numbers of weights and dropout: from the global generator, or from one that a thread has for itself."""

import contextlib
import threading

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import CaptureError, optimizers
from dezero_c._random import drawing_from, source
from dezero_c.models import Sequential


def same_states(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def drawn():
    """What layers of each kind draw, and a mask of dropout."""
    layers = L.Linear(3, in_size=4), L.Conv2d(2, 3, in_channels=1), L.EmbedID(5, 2)
    return [*(layer.W.data for layer in layers), F.dropout(np.ones((6, 7)), 0.5).data]


def test_within_it_weights_and_dropout_leave_the_global_generator_alone():
    np.random.seed(3)
    wanted = drawn()
    before = np.random.get_state()
    with drawing_from(np.random.RandomState(3)):
        found = drawn()
    assert all(np.array_equal(a, b) for a, b in zip(wanted, found, strict=True))
    assert same_states(before, np.random.get_state())
    assert source() is np.random
    assert not np.array_equal(drawn()[0], wanted[0])


def test_it_nests_and_ends_with_an_exception():
    outer, inner = np.random.RandomState(0), np.random.RandomState(1)
    with drawing_from(outer):
        with contextlib.suppress(KeyError), drawing_from(inner):
            assert source() is inner
            raise KeyError
        assert source() is outer
    assert source() is np.random


def test_each_thread_has_its_own():
    wanted, found, together = {}, {}, threading.Barrier(4)
    for seed in range(4):
        with drawing_from(np.random.RandomState(seed)):
            wanted[seed] = [F.dropout(np.ones(50), 0.5).data for _ in range(30)]

    def work(seed):
        with drawing_from(np.random.RandomState(seed)):
            together.wait()
            found[seed] = [F.dropout(np.ones(50), 0.5).data for _ in range(30)]

    before = np.random.get_state()
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all(np.array_equal(wanted[seed], found[seed]) for seed in range(4))
    assert same_states(before, np.random.get_state())


def test_a_captured_step_draws_from_it_as_an_eager_one():
    x, t = np.random.default_rng(0).standard_normal((8, 4)), np.arange(8) % 3

    def trained(captured):
        """The losses of eight steps, and the generator's state after them."""
        own = np.random.RandomState(5)
        with drawing_from(own):
            model = Sequential(L.Linear(6), F.relu, L.Dropout(0.4), L.Linear(3))
            optimizer = optimizers.Adam().setup(model)

            def step(x, t):
                loss = F.softmax_cross_entropy(model(x), t)
                model.cleargrads()
                loss.backward()
                optimizer.update()
                return loss

            run = dezero_c.capture(step) if captured else step
            losses = [float(run(x, t).data) for _ in range(8)]
        assert not captured or run.plans == 1
        return losses, own.get_state()

    before = np.random.get_state()
    (eager, state), (replayed, state_of_replays) = trained(False), trained(True)
    assert eager == replayed
    assert len(set(eager)) == 8
    assert same_states(state, state_of_replays)
    assert same_states(before, np.random.get_state())


@pytest.mark.parametrize("own", [True, False])
@pytest.mark.parametrize("ratio", [0.0, 0.5])
def test_numbers_that_a_captured_function_draws_itself_are_an_error(own, ratio):
    @dezero_c.capture
    def f(x):
        if ratio:
            x = F.dropout(x, ratio)
        return x * (source().rand() if own else np.random.rand() * 0 + 1)

    x = dezero_c.Variable(np.ones(3))
    with drawing_from(np.random.RandomState(0)), pytest.raises(CaptureError):
        [f(x) for _ in range(3)]
