"""`dezero_c.profile`: where a program's time goes, by operation and by line. Owns what is counted; which way an operation went is
_why.py, what is shown _report.py, and the command line's and notebooks' side _command.py. Told by the engine (`start_measuring`).
"""

from __future__ import annotations

import dataclasses
import sys
import threading
import time
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c._profiling._why import about, forward_way

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dezero_c._core import Function, Variable

__all__ = ["Row", "profile"]


@dataclasses.dataclass
class Row:
    """An operation in a line of the program.

    function: the class; line: file:line of the call. calls, backward_calls: how often it ran, and its step backwards; forward,
    backward: seconds of these; untimed: those of the calls whose beginning the log does not have, which `forward` leaves out;
    bytes: of all its results; before: seconds of the thread since the operation before. ways: {how it went: how often}, and
    ways_backward; float64: how many calls gave a float64 result and had a float32 operand.
    """

    function: str
    line: str
    calls: int = 0
    backward_calls: int = 0
    forward: float = 0.0
    backward: float = 0.0
    untimed: int = 0
    bytes: int = 0
    before: float = 0.0
    float64: int = 0
    ways: dict[str, int] = dataclasses.field(default_factory=dict)
    ways_backward: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def total(self) -> float:
        """Seconds forward and backward."""
        return self.forward + self.backward

    def _add(self, other: Row) -> None:
        for name in ("calls", "backward_calls", "forward", "backward", "untimed", "bytes", "before", "float64"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for mine, theirs in ((self.ways, other.ways), (self.ways_backward, other.ways_backward)):
            for way, n in theirs.items():
                mine[way] = mine.get(way, 0) + n


class _Table:
    """What one profile knows of one thread."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, str], Row] = {}
        self.calls: dict[int, tuple[Row, type, list[int]]] = {}     # by the function's address, which a later one may have
        self.last = time.perf_counter()
        self.first_float64: tuple[float, str, str, str] | None = None
        self.spent = 0.0

    def row(self, f: Function, line: str) -> Row:
        key = type(f).__name__, line
        found = self.rows.get(key)
        if found is None:
            found = self.rows[key] = Row(*key)
        return found

    def operation(self, f: Function, inputs: tuple[Variable, ...], outputs: tuple[Variable, ...], line: str, begin: float,
                  end: float, way: str) -> None:
        row = self.row(f, line)
        row.calls += 1
        if begin < 0:
            row.untimed += 1
            begin = end
        row.forward += end - begin
        row.before += max(begin - self.last, 0.0)
        row.ways[way] = row.ways.get(way, 0) + 1
        for y in outputs:
            found = about(y)
            if found is None:
                continue
            row.bytes += int(np.prod(found[0], dtype=np.int64)) * found[1].itemsize
            if found[1].name in ("float64", "complex128"):
                self.widened(row, inputs, found[1].name, begin)
        self.calls[id(f)] = row, type(f), [id(x) for x in inputs]

    def widened(self, row: Row, inputs: tuple[Variable, ...], name: str, begin: float) -> None:
        """A float64 result: did float32 operands go in?"""
        told = [about(x) for x in inputs]
        if not any(found is not None and found[1] == np.float32 for found in told):
            return
        row.float64 += 1
        if self.first_float64 is None:
            text = ", ".join(f"{found[1].name} {found[0]}" for found in told if found is not None)
            self.first_float64 = begin, row.line, row.function, f"{text} gave {name}"

    def step(self, f: Function, inputs: tuple[Variable, ...], line: str, begin: float, end: float, way: str) -> None:
        call = self.calls.get(id(f))
        known = call is not None and call[1] is type(f) and call[2] == [id(x) for x in inputs]
        row = call[0] if call is not None and known else self.row(f, line)
        row.backward_calls += 1
        row.backward += end - begin
        row.ways_backward[way] = row.ways_backward.get(way, 0) + 1


    def rename(self, name: Callable[[str], str]) -> None:
        """Calls lines by other names."""
        rows: dict[tuple[str, str], Row] = {}
        for row in self.rows.values():
            row.line = name(row.line)
            known = rows.setdefault((row.function, row.line), row)
            if known is not row:
                known._add(row)
        self.rows = rows
        if self.first_float64 is not None:
            begin, line, *rest = self.first_float64
            self.first_float64 = begin, name(line), rest[0], rest[1]


class _Watch:
    """What the engine tells of one thread, for all profiles that are open in it."""

    def __init__(self) -> None:
        self.tables: dict[profile, _Table] = {}
        self.trace = _core.start_measuring(self)

    def open(self, p: profile) -> None:
        table = self.tables[p] = _Table()
        table.spent = -self.trace.spent
        p._tables.append(table)

    def close(self, p: profile) -> None:
        table = self.tables.pop(p)
        table.spent += self.trace.spent
        table.calls.clear()

    def _close_ended(self) -> bool:
        """Whether a profile still runs."""
        for p in [p for p in self.tables if p._ended]:
            self.close(p)
        return bool(self.tables)

    # ---- what the engine tells

    def operation(self, f: Function, inputs: tuple[Variable, ...], outputs: tuple[Variable, ...], line: str, begin: float,
                  end: float) -> None:
        """f was called in this line."""
        if not self._close_ended():
            return
        way = _joined(*forward_way(f, inputs))
        for table in self.tables.values():
            table.operation(f, inputs, outputs, line, begin, end, way)
        now = time.perf_counter()
        for table in self.tables.values():
            table.last = now

    def step(self, f: Function, inputs: tuple[Variable, ...], line: str, begin: float, end: float, rules: int,
             create_graph: bool) -> None:
        """f's inputs have got their gradients."""
        if not self._close_ended():
            return
        way = _backward_way(f, inputs, rules, create_graph)
        for table in self.tables.values():
            table.step(f, inputs, line, begin, end, way)
        now = time.perf_counter()
        for table in self.tables.values():
            table.last = now


def _joined(way: str, reason: str) -> str:
    return f"{way}: {reason}" if reason else way


def _backward_way(f: Function, inputs: tuple[Variable, ...], rules: int, create_graph: bool) -> str:
    if _core.measured_kind(f) == "python":
        return "Python: a Function written in Python"
    if create_graph:
        return "general: create_graph"
    if rules < 0:
        return "general: several outputs"
    if rules == 0:
        return "direct"
    way, reason = forward_way(f, inputs)
    return _joined("general", reason if way == "general" else "its rule in Variables")


_local = threading.local()      # .watch: this thread's _Watch; .guard
_open: list[profile] = []       # those that new threads belong to
_lock = threading.Lock()
_hook_before: Any = None


class _Guard:
    """Goes with its thread, and ends what it told."""

    def __init__(self, watch: _Watch) -> None:
        self.watch = watch

    def __del__(self) -> None:
        for p in list(self.watch.tables):
            self.watch.close(p)
        _core.end_measuring(self.watch.trace)


def _adopt(frame: Any, event: str, arg: Any) -> None:
    """The first event of a new thread: it is measured from now on."""
    sys.setprofile(_hook_before)
    if _core.is_traced() or _core.is_watched():
        return
    with _lock:
        found = list(_open)
    if found:
        watch = _local.watch = _Watch()
        _local.guard = _Guard(watch)
        for p in found:
            watch.open(p)


class profile:     # named as debug is
    """`with profile() as p:` counts and times the operations of this thread, and of threads that are started in the block.

    Afterwards p.table() is a report for a terminal, p.html(path) a page, p.json(path) the same as data, and p.rows a list of
    `Row`, an operation in a line each. Blocks within a block each count for themselves. Results are the same to the bit. Captured
    functions run as they are, operation by operation. Raises RuntimeError in a function that is being captured, and in a block of
    `debug`.
    """

    def __init__(self) -> None:
        self._tables: list[_Table] = []
        self._ended = True
        self._began = self._total = 0.0

    def __enter__(self) -> profile:
        global _hook_before
        if not self._ended:
            raise RuntimeError("profile: this block runs already; make another profile()")
        if _core.is_traced():
            raise RuntimeError("profile: inside of a function that is being captured; put the block around its calls, which run "
                               "as they are then")
        if _core.is_watched() and not _core.is_measured():
            raise RuntimeError("profile: inside of a block of debug(), whose work would be timed; use one of the two")
        watch = getattr(_local, "watch", None)
        if watch is None:
            watch = _local.watch = _Watch()
        self._tables, self._ended, self._thread = [], False, threading.get_ident()
        watch.open(self)
        with _lock:
            if not _open:
                _hook_before = threading.getprofile() if hasattr(threading, "getprofile") else None
                threading.setprofile(_adopt)
            _open.append(self)
        self._began = time.perf_counter()
        return self

    def __exit__(self, *_: object) -> None:
        if threading.get_ident() != self._thread:
            raise RuntimeError("profile: the block began in another thread; end it there")
        self._total = time.perf_counter() - self._began
        self._ended = True
        with _lock:
            _open.remove(self)
            if not _open:
                threading.setprofile(_hook_before)
        watch: _Watch = _local.watch
        watch.close(self)
        if not watch.tables and not hasattr(_local, "guard"):
            _local.watch = None
            _core.end_measuring(watch.trace)

    # ---- what was found

    @property
    def rows(self) -> list[Row]:
        """An operation in a line each, the one that took longest first."""
        found: dict[tuple[str, str], Row] = {}
        for table in list(self._tables):
            for key, row in list(table.rows.items()):
                if key not in found:
                    found[key] = Row(*key)
                found[key]._add(row)
        return sorted(found.values(), key=lambda row: (-row.total, row.line, row.function))

    @property
    def seconds(self) -> float:
        """From the beginning of the block to its end, or to now."""
        return self._total if self._ended else time.perf_counter() - self._began

    @property
    def overhead(self) -> float:
        """Seconds of all threads that went into counting; what the engine does to take the times is not among them."""
        return sum(table.spent for table in self._tables if table.spent > 0)

    @property
    def threads(self) -> int:
        """How many threads had operations."""
        return sum(bool(table.rows) for table in self._tables)

    @property
    def float64_from(self) -> tuple[str, str, str] | None:
        """(file:line, operation, what went in and came out) of the first call that gave float64 and had a float32 operand."""
        found = [table.first_float64 for table in self._tables if table.first_float64 is not None]
        return min(found)[1:] if found else None

    def _rename(self, name: Callable[[str], str]) -> None:
        """Calls lines by other names, in a profile that has ended."""
        for table in self._tables:
            table.rename(name)

    def table(self, sort: str = "total", top: int = 20) -> str:
        """The report as text of at most 100 columns. sort: "total", "forward", "backward", "calls", "bytes" or "before"; top:
        how many rows. Raises ValueError for another order, or less than one row."""
        from dezero_c._profiling import _report

        return _report.text(self, sort, top)

    def html(self, path: str, sort: str = "total", top: int = 200) -> None:
        """Writes the report as a page that needs no other file."""
        from dezero_c._profiling import _report

        page = _report.page(self, sort, top)
        with open(path, "w", encoding="utf-8") as file:
            file.write(page)

    def json(self, path: str) -> None:
        """Writes everything that was counted, times in seconds."""
        from dezero_c._profiling import _report

        data = _report.data(self)
        with open(path, "w", encoding="utf-8") as file:
            file.write(data)
