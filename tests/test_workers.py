"""Batches made by processes are those made without, and whatever happens to a process or to the program nothing is left."""

import gc
import multiprocessing
import os
import pickle
import random
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import _workers, optimizers
from dezero_c.dataloaders import DataLoader, SeqDataLoader
from dezero_c.datasets import Dataset
from dezero_c.models import MLP

pytestmark = [
    pytest.mark.skipif("fork" not in _workers.METHODS, reason="processes are forked here, which is fast"),
    pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning"),
]  # of threads that the tests' runner has
ROOT = Path(__file__).parent.parent


class Noisy:
    """Examples with random numbers of both generators, in arrays of several kinds."""

    def __init__(self, size=23, fault=None):
        self.size, self.fault = size, fault

    def __len__(self):
        return self.size

    def __getitem__(self, i):
        if i == 5 and self.fault is not None:
            self.fault()
        return np.random.randn(3, 2).astype(np.float32) + i, i + random.random()


class Refused(Exception):
    def __init__(self, a, b):  # which pickle cannot make again
        super().__init__(a + b)


class Rows(Noisy):
    def __getitem__(self, i):
        return np.random.randn(3).astype(np.float32), np.float32(random.random())


def fail():
    raise KeyError("no such picture")


def fail_oddly():
    raise Refused("odd", "ly")


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def leave():
    os._exit(7)


def loader(dataset=None, batch_size=4, **options):
    options = {"seed": 3, "start_method": "fork"} | options
    return DataLoader(Noisy() if dataset is None else dataset, batch_size, **options)


def shared():
    """Segments of shared memory of this program."""
    return (
        [name for name in os.listdir("/dev/shm") if name.startswith(f"dz{os.getpid():x}_")] if os.path.isdir("/dev/shm") else []
    )


def processes():
    """Those of a loader: other libraries have kept some of theirs since other tests."""
    return [p for p in multiprocessing.active_children() if not type(p).__module__.startswith("joblib")]


def nothing_left():
    return not shared() and not processes()


@pytest.fixture(autouse=True)
def all_is_given_back():
    yield
    gc.collect()
    assert nothing_left()


def same(a, b):
    assert len(a) == len(b)
    for one, two in zip(a, b, strict=True):
        for x, y in zip(one, two, strict=True):
            assert (x.dtype, x.shape, x.size and x.strides) == (y.dtype, y.shape, y.size and y.strides)
            np.testing.assert_array_equal(x, y)


def passes(n=2, **options):
    np.random.seed(0)
    made = loader(**options)
    return [batch for _ in range(n) for batch in made]


@pytest.mark.parametrize(("workers", "prefetch"), [(1, 0), (2, 1), (3, 7), (40, 0)])
def test_batches_are_those_without_processes(workers, prefetch):
    wanted = passes()
    same(passes(workers=workers, prefetch=prefetch), wanted)
    assert not np.array_equal(wanted[0][0], wanted[6][0])
    assert nothing_left()


def test_random_numbers_belong_to_the_example_the_pass_and_the_seed():
    by_place = [
        {int(i): i for _, t in batches for i in t}
        for batches in (passes(1), passes(1, batch_size=7, shuffle=False), passes(1, seed=4))
    ]
    assert by_place[0] == by_place[1]
    assert by_place[0] != by_place[2]
    first, second = passes(2, shuffle=False)[:6], passes(2, shuffle=False)[6:]
    assert not np.array_equal(first[0][0], second[0][0])


def test_the_programs_generators_stay_as_they_are():
    for workers in (0, 2):
        made = loader(workers=workers, shuffle=False)
        np.random.seed(1)
        random.seed(1)
        list(made)
        assert (np.random.rand(), random.random()) == (np.random.RandomState(1).rand(), random.Random(1).random())


def test_a_seed_of_its_own_follows_numpys_state_without_a_draw():
    def of(n, workers, **options):
        np.random.seed(n)
        made = loader(seed=None, workers=workers, **options)
        return made.index.copy(), list(made)

    (index, one), (_, two), (_, other) = of(0, 1), of(0, 2), of(1, 2)
    same(one, two)
    assert not np.array_equal(np.sort(one[0][1]), np.sort(other[0][1]))
    np.testing.assert_array_equal(index, np.random.RandomState(0).permutation(23))


def test_data_that_draw_nothing_are_those_of_the_loader_as_it_was():
    data = Dataset()
    data.data, data.label = np.arange(60.0).reshape(20, 3), np.arange(20)
    for made in (DataLoader, SeqDataLoader):
        batches = []
        for options in ({}, {"workers": 2, "start_method": "fork"}):
            np.random.seed(5)
            batches.append(list(made(data, 6, **options)))
        same(*batches)


class Kinds:
    """Arrays of growing size, in another order, empty, of objects, of texts."""

    def __init__(self, kind):
        self.kind = kind

    def __len__(self):
        return 6

    def __getitem__(self, i):
        return {
            "grow": (np.full((10**i % 9973, 3), i), i),
            "empty": (np.zeros((0, 2)), i),
            "objects": ({"a": i}, i),
            "texts": (f"text {i}", i * 1j),
        }[self.kind]


@pytest.mark.parametrize(("kind", "size"), [("grow", 1), ("empty", 2), ("objects", 4), ("texts", 5)])
def test_arrays_of_all_kinds(kind, size):
    same(passes(1, dataset=Kinds(kind), batch_size=size, workers=2), passes(1, dataset=Kinds(kind), batch_size=size))


def test_batches_stay_what_they_are():
    made = iter(loader(workers=1, prefetch=1))
    first = next(made)
    kept = [a.copy() for a in first]
    list(made)
    same([first], [tuple(kept)])
    first[0][...] = 0  # it is the program's own


def test_next_goes_on_and_starts_anew():
    def of(workers):
        np.random.seed(2)
        made = loader(workers=workers)
        batches = [made.next(), next(made), *made]
        batches += [made.next() for _ in range(len(made))]
        with pytest.raises(StopIteration):
            made.next()
        return batches

    same(of(2), of(0))


def test_a_state_goes_on_to_the_same_bits():
    np.random.seed(0)
    wanted = list(made := loader(workers=2))
    np.random.seed(0)
    made = loader(workers=2)
    for k, _ in enumerate(made):
        if k == 2:
            break
    state = pickle.loads(pickle.dumps(made.state_dict()))
    for workers in (0, 3):
        other = loader(workers=workers, seed=9)
        other.load_state_dict(state)
        same(list(other), wanted[3:])
        assert other.epoch == 2
    plain = DataLoader(Noisy(), 4)      # takes the seed over
    plain.load_state_dict(state)
    same(list(plain), wanted[3:])
    threaded = DataLoader(Noisy(), 4, prefetch=2)
    with pytest.raises(ValueError, match="the state is of a loader with a seed"):
        threaded.load_state_dict(state)
    old = loader(workers=1)
    old.load_state_dict({"index": state["index"], "iteration": 4})  # of a loader without a seed
    assert len(list(old)) == 2


def test_a_run_that_is_resumed_has_the_bits_of_one_that_was_not(tmp_path):
    def run(epochs, workers, path, seed=0):
        np.random.seed(seed)
        model = MLP((3, 1))
        loader = DataLoader(Rows(), 4, workers=workers, seed=1, start_method="fork")
        dezero_c.fit(
            model,
            loader,
            optimizers.SGD(0.01),
            lambda y, t: F.mean_squared_error(y, t[:, None]),
            epochs,
            checkpoint=path,
            resume=True,
            progress=False,
        )
        return [p.data for p in model.params()]

    wanted = run(3, 0, tmp_path / "whole")
    run(1, 2, tmp_path / "resumed")
    for found, one in zip(run(3, 1, tmp_path / "resumed", seed=5), wanted, strict=True):
        np.testing.assert_array_equal(found, one)


@pytest.mark.parametrize("workers", [1, 3])
def test_an_exception_comes_where_its_batch_is(workers):
    made = iter(loader(Noisy(fault=fail), shuffle=False, workers=workers))
    next(made)
    with pytest.raises(KeyError, match="no such picture") as told:
        next(made)
    assert re.search(
        r"raised in a worker process:\n.*in __getitem__.*in fail\n.*KeyError", "\n".join(told.value.__notes__), re.DOTALL
    )
    assert nothing_left()
    with pytest.raises(KeyError):  # made again, as without processes
        next(made)
    with pytest.raises(RuntimeError, match="a worker process raised Refused: oddly") as told:
        list(loader(Noisy(fault=fail_oddly), workers=workers))
    assert "in fail_oddly" in told.value.__notes__[0]
    with pytest.raises(RuntimeError, match="a worker process raised SystemExit: 3"):
        list(loader(Noisy(fault=lambda: sys.exit(3)), workers=workers))


@pytest.mark.parametrize(
    ("fault", "text"), [(kill, "was killed by SIGKILL, perhaps for want of memory"), (leave, "ended with exit code 7")]
)
def test_a_process_that_dies_is_told(fault, text):
    for workers in (1, 3):
        start = time.monotonic()
        made = iter(loader(Noisy(fault=fault), shuffle=False, workers=workers))
        with pytest.raises(RuntimeError, match=rf"DataLoader: worker process \d+ {text} before batch \d"):
            list(made)
        assert time.monotonic() - start < 8
        assert nothing_left()


def test_a_process_that_is_killed_while_it_waits():
    made = iter(loader(workers=2, prefetch=2))
    next(made)
    for process in processes():
        process.kill()
        process.join()
    with pytest.raises(RuntimeError, match="was killed by SIGKILL"):
        list(made)


def test_an_iterator_that_is_dropped_leaves_nothing():
    made = iter(loader(workers=2))
    next(made)
    assert len(processes()) == 2
    del made
    gc.collect()
    assert nothing_left()
    one = loader(workers=2)
    next(one)
    one.reset()
    assert nothing_left()
    for _ in loader(workers=2):
        break
    gc.collect()
    assert nothing_left()


def test_processes_end_with_the_last_batch():
    made = loader(workers=2)
    for _ in range(len(made)):
        made.next()
    assert nothing_left()


def test_copies_and_forks_of_the_program_leave_the_processes_alone():
    made = iter(loader(workers=1))
    next(made)
    child = os.fork()
    if child == 0:
        made.own._ahead.stop()
        os._exit(0)
    os.waitpid(child, 0)
    assert len(list(made)) == 5


def test_by_spawn():
    same(passes(1, workers=1, start_method="spawn"), passes(1))
    with pytest.raises(TypeError, match=r"cannot be sent to worker processes, which are started by 'spawn'.*lambda"):
        list(loader(Noisy(fault=lambda: None), workers=1, start_method="spawn"))


def test_no_fork_beside_threads(monkeypatch):
    monkeypatch.setattr(multiprocessing, "get_start_method", lambda allow_none: "fork")
    alone = threading.active_count() == 1
    assert _workers.method_of(None) == ("fork" if alone else "spawn")
    wait = threading.Event()
    thread = threading.Thread(target=wait.wait)
    thread.start()
    try:
        assert (_workers.method_of(None), _workers.method_of("fork")) == ("spawn", "fork")
    finally:
        wait.set()
        thread.join()


PROGRAM = """
import os, signal, sys, time
import numpy as np
from dezero_c.dataloaders import DataLoader

signal.signal(signal.SIGINT, signal.default_int_handler)      # a program that a shell starts in the background ignores it

class Slow:
    def __len__(self):
        return 100

    def __getitem__(self, i):
        if i > 5:
            time.sleep(60)
        return np.ones(1000), i

def go():
    loader = DataLoader(Slow(), 1, shuffle=False, workers=2, start_method="fork")
    for k, _ in enumerate(loader):
        if k == 2:
            import multiprocessing
            print(*[p.pid for p in multiprocessing.active_children()], flush=True)
            {then}

if __name__ == "__main__":
    go()
"""


def gone(pid):
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().split(")")[-1].split()[0] == "Z"
    except OSError:
        return True


@pytest.mark.skipif(not os.path.isdir("/proc/self"), reason="it looks into /proc")
@pytest.mark.parametrize("how", ["interrupted", "exit", "killed"])
def test_the_end_of_the_program_is_the_end_of_the_processes(how, tmp_path):
    then = {"interrupted": "pass", "exit": "sys.exit(0)", "killed": "pass"}[how]
    path = tmp_path / "program.py"
    path.write_text(textwrap.dedent(PROGRAM).replace("{then}", then))
    program = subprocess.Popen(
        [sys.executable, path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    pids = program.stdout.readline().split()
    assert len(pids) == 2, program.stderr.read()
    if how == "interrupted":
        os.killpg(program.pid, signal.SIGINT)  # as Ctrl-C in a terminal: all of the group get it
    elif how == "killed":
        program.kill()
    _, errors = program.communicate(timeout=30)
    if how == "interrupted":
        assert errors.count("KeyboardInterrupt") == 1, errors
    if how != "killed":
        assert "leaked" not in errors
    end = time.monotonic() + 15
    while not all(map(gone, pids)) and time.monotonic() < end:
        time.sleep(0.02)
    assert all(map(gone, pids))
    while (left := [n for n in os.listdir("/dev/shm") if n.startswith(f"dz{program.pid:x}_")]) and time.monotonic() < end:
        time.sleep(0.02)
    assert left == []


def test_arguments():
    with pytest.raises(ValueError, match="workers is -1"):
        loader(workers=-1)
    with pytest.raises(TypeError, match="workers must be an int"):
        loader(workers="2")
    with pytest.raises(TypeError, match="seed must be an int"):
        loader(seed=0.5)
    with pytest.raises(ValueError, match="start_method 'threads' is none of"):
        loader(start_method="threads")
    with pytest.raises(ValueError, match="prefetch prepares batches in a thread"):
        loader(prefetch=2)
