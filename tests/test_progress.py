"""The progress bar: the same elements, one line where nobody watches, values behind it."""

import io
import itertools
import sys
import types

import numpy as np
import pytest

from dezero_c import Variable
from dezero_c._draw import progress as _progress
from dezero_c.history import Progress, progress


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self):
        return True


class Loader:
    """As DeZero's data loaders: its own iterator, no len, max_iter."""

    max_iter = 3

    def __iter__(self):
        self.left = [1, 2, 3]
        return self

    def __next__(self):
        if not self.left:
            raise StopIteration
        return self.left.pop(0)


def stand_in(monkeypatch, stream):
    """Give the module this stderr; pytest sets sys.stderr anew between fixtures and tests."""
    monkeypatch.setattr(_progress, "sys", types.SimpleNamespace(stderr=stream))
    return stream


@pytest.fixture
def file(monkeypatch):
    return stand_in(monkeypatch, io.StringIO())


@pytest.fixture
def terminal(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setattr(_progress, "_EVERY", 0)
    monkeypatch.setenv("COLUMNS", "80")
    return stand_in(monkeypatch, Terminal())


@pytest.fixture
def clock(monkeypatch):
    """A clock that stands still."""
    made = types.SimpleNamespace(now=1000.0)
    monkeypatch.setattr(_progress, "time", types.SimpleNamespace(monotonic=lambda: made.now))
    return made


def test_one_line_where_stderr_is_no_terminal(file):
    bar = progress([1, 2, 3], desc="epoch 1")
    seen = []
    for x in bar:
        seen.append(x)
        assert file.getvalue() == ""
        bar.set_postfix(loss=Variable(np.array(0.125)), n=np.int64(x), note="a\nb")
    assert seen == [1, 2, 3]
    assert bar.n == 3
    text = file.getvalue()
    assert text.startswith("epoch 1: 3/3 [00:00")
    assert text.endswith(", loss=0.125, n=3, note=a b]\n")
    assert "\r" not in text


def test_total():
    assert len(progress([1, 2])) == 2
    assert len(progress(Loader())) == 3
    assert len(progress(iter([1]), total=7)) == 7
    bar = progress(iter([1]))
    assert bar.total is None
    with pytest.raises(TypeError, match="not known; give total="):
        len(bar)
    with pytest.raises(TypeError, match=r"progress: int cannot be iterated over.*progress\(range\(n\)\)"):
        progress(3)


def test_loaders_can_be_gone_through_again(file):
    bar = progress(Loader())
    assert list(bar) == list(bar) == [1, 2, 3]
    assert file.getvalue().count("3/3 [") == 2


def test_unknown_totals_and_empty_loops(file):
    assert list(progress(x for x in "ab")) == ["a", "b"]
    assert file.getvalue().startswith("2/? [")
    assert list(progress([])) == []
    assert file.getvalue().endswith("0/0 [00:00]\n")


def test_leaving_the_loop_ends_the_line(file):
    for x in progress(range(10)):
        if x == 4:
            break
    assert file.getvalue().startswith("4/10 [")

    def fail():
        for x in progress(range(10), desc="again"):
            1 / (2 - x)

    with pytest.raises(ZeroDivisionError):
        fail()
    assert "\nagain: 2/10 [" in file.getvalue()
    assert file.getvalue().endswith("]\n")


def test_own_bar_in_a_terminal(terminal, clock):
    bar = progress(range(4), desc="train")
    for x in bar:
        bar.set_postfix(loss=1 / (x + 1))
        clock.now += 90
    frames = terminal.getvalue().split("\r")[1:]
    assert frames[0] == f"train:   0% |{' ' * 30}| 0/4 [00:00]"
    assert frames[1].rstrip() == f"train:  25% |{'█' * 7}▌{' ' * 22}| 1/4 [01:30<04:30, 90 s/it, loss=1]"
    assert frames[2].rstrip() == f"train:  50% |{'█' * 14}{' ' * 14}| 2/4 [03:00<03:00, 90 s/it, loss=0.5]"
    assert frames[3].rstrip() == f"train:  75% |{'█' * 18}▌{' ' * 6}| 3/4 [04:30<01:30, 90 s/it, loss=0.3333]"
    assert len(frames[1]) == len(frames[2]) == len(frames[3]) == 79
    assert frames[-1].rstrip(" ").endswith("]\n")
    assert "100%" in frames[-1]
    assert "loss=0.25]" in frames[-1]
    assert all(len(frame) <= 80 for frame in frames)


def test_a_shorter_line_covers_a_longer_one(terminal):
    bar = progress(range(3))
    for x in bar:
        bar.set_postfix(**{"note": "long " * 5} if x == 0 else {"note": ""})
    frames = terminal.getvalue().rstrip("\n").split("\r")[1:]
    for earlier, later in itertools.pairwise(frames):
        assert len(later) >= len(earlier.rstrip())


def test_narrow_and_ascii_terminals(terminal, monkeypatch):
    monkeypatch.setenv("COLUMNS", "30")
    list(progress(range(3), desc="a long description of it all"))
    assert all(len(frame.rstrip("\n")) <= 29 for frame in terminal.getvalue().split("\r"))
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(Terminal, "encoding", "ascii")
    list(progress(range(3)))
    terminal.getvalue().rpartition("\r")[2].encode("ascii")
    assert "|####" in terminal.getvalue()


def test_drawing_is_not_more_often_than_it_can_be_seen(terminal, monkeypatch):
    monkeypatch.setattr(_progress, "_EVERY", 60)
    list(progress(range(10_000)))
    assert terminal.getvalue().count("\r") == 2


def test_a_notebook_is_drawn_in_although_stderr_is_no_terminal(file, monkeypatch):
    monkeypatch.setattr(_progress, "in_notebook", lambda: True)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    list(progress(range(3)))
    assert file.getvalue().count("\r") == 2


@pytest.mark.parametrize("stream", [None, object()])
def test_no_stderr(monkeypatch, stream):
    stand_in(monkeypatch, stream)
    assert list(progress([1, 2])) == [1, 2]


def test_a_closed_stderr_does_not_end_the_run(terminal):
    seen = []
    for x in progress(range(5)):
        seen.append(x)
        if x == 2:
            terminal.close()
    assert seen == [0, 1, 2, 3, 4]


def test_tqdm_where_it_is(monkeypatch, terminal):
    calls = []

    class tqdm:
        def __init__(self, iterable, total, desc):
            self.iterable = iterable
            calls.append((total, desc))

        def __enter__(self):
            return self

        def __exit__(self, *exc):
            calls.append("closed")

        def __iter__(self):
            return iter(self.iterable)

        def set_postfix(self, values, refresh):
            calls.append(values)

    module = types.ModuleType("tqdm")
    module.tqdm = tqdm
    monkeypatch.setitem(sys.modules, "tqdm", module)
    bar = progress(Loader(), desc="epoch 1")
    for x in bar:
        bar.set_postfix(loss=Variable(np.array(0.5)))
        if x == 2:
            break
    assert calls == [(3, "epoch 1"), {"loss": 0.5}, {"loss": 0.5}, "closed"]
    assert terminal.getvalue() == ""
    assert isinstance(bar, Progress)


def test_the_real_tqdm(monkeypatch):
    pytest.importorskip("tqdm")
    monkeypatch.setattr(sys, "stderr", Terminal())
    bar = progress(range(3), desc="train")
    for x in bar:
        bar.set_postfix(loss=np.float32(0.5))
        assert x == bar.n - 1
    assert "train: 100%" in sys.stderr.getvalue()
    assert "loss=0.5" in sys.stderr.getvalue()
