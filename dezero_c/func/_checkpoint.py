"""`checkpoint`: results without the graph behind them, which backward makes again; `checkpoint_loop`, for long loops.

A loop of n steps with s states kept takes r evaluations of each step at most where n <= binomial(s + r, s): A. Griewank,
Achieving logarithmic growth of temporal and spatial complexity in reverse automatic differentiation, 1992.
"""

from __future__ import annotations

import contextlib
import math
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c import _pull
from dezero_c.func._reverse import named
from dezero_c.func._scope import check_callable, kept
from dezero_c.func._trees import LEAF, Node, built, flatten, variable_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any

__all__ = ["checkpoint", "checkpoint_loop"]


@contextlib.contextmanager
def _as_then(random: Any, train: bool) -> Iterator[None]:
    """In the block NumPy's global generator and Config.train are as they were; the generator is as now again afterwards."""
    now: Any = np.random.get_state()
    try:
        np.random.set_state(random)
        with _core.using_config("train", train):
            yield
    finally:
        np.random.set_state(now)


def _taken(o: Any, found: list[_core.Variable]) -> Any:
    """o with LEAF in place of Variables, in lists, tuples, NamedTuples and dicts, which are appended to found."""
    if isinstance(o, _core.Variable):
        found.append(o)
        return _Place
    if type(o) in (list, tuple):
        return type(o)(_taken(x, found) for x in o)
    if type(o) is dict:
        return {k: _taken(x, found) for k, x in o.items()}
    if isinstance(o, tuple) and hasattr(o, "_fields"):
        return type(o)(*[_taken(x, found) for x in o])
    return o


class _Place:
    """Where a Variable was."""


def _filled(o: Any, left: Iterator[_core.Variable]) -> Any:
    if o is _Place:
        return next(left)
    if type(o) in (list, tuple):
        return type(o)(_filled(x, left) for x in o)
    if type(o) is dict:
        return {k: _filled(x, left) for k, x in o.items()}
    if isinstance(o, tuple) and hasattr(o, "_fields"):
        return type(o)(*[_filled(x, left) for x in o])
    return o


def checkpoint(f: Callable[..., Any]) -> Callable[..., Any]:
    """f without the memory of its graph: backward calls f again. An operation like those of dezero_c.functions; f may be a layer.

    checkpoint(f)(*x): what f gives, Variables. Between forward and backward only arguments and results are kept; backward
    takes one more evaluation of f. Random numbers of NumPy's global generator (dropout) and Config.train are restored for
    it. Gradients go to Variables among the arguments and to those that f closes over, a layer's Parameters for instance; any
    order and mode, and checkpoints within f. Layers that learn in forward (the running mean of BatchNorm) do so at each
    evaluation.

    Raises RuntimeError in backward where f computes with other Variables, or gives other shapes, than it did before.
    """
    check_callable(f, "checkpoint")

    @named(f)
    def checkpointed(*args: Any, **kwargs: Any) -> Any:
        if not _core.Config.enable_backprop or _core.is_traced():     # a captured program keeps its arrays anyway
            return f(*args, **kwargs)
        given: list[_core.Variable] = []
        template = _taken((args, kwargs), given)

        def call(xs: Sequence[_core.Variable]) -> Any:
            a, k = _filled(template, iter(xs))
            return f(*a, **k)

        segment = _Segment(call, len(given))
        ys, others = segment.first(given)
        y = segment(*given, *others) if given or others else ys
        return built(segment.structure, iter(y if isinstance(y, list) else [y]))

    return checkpointed


def _leaves_of(result: Any, op: str) -> tuple[list[_core.Variable], Any]:
    leaves, structure = flatten(result, f"{op}: the result of f")
    return [variable_of(x) for x in leaves], structure


def _missing(wanted: Sequence[Any], found: Sequence[Any]) -> bool:
    there = {id(x) for x in found}
    return any(id(x) not in there for x in wanted)


def _changed(op: str) -> RuntimeError:
    return RuntimeError(f"{op}: f computes with other Variables in backward than in forward (parameters that were exchanged, a "
                        "closure that was bound anew); pass them to it as arguments")


class _Segment(_core.Function):
    """A call of f whose graph is made when it is needed."""

    op = "checkpoint"

    def __init__(self, call: Callable[[Sequence[_core.Variable]], Any], given: int) -> None:
        self.call, self.given = call, given
        self.values: Any = None
        self.others: list[_core.Variable] = []      # what f closes over
        self.structure: Any = LEAF

    def first(self, given: list[_core.Variable]) -> tuple[list[_core.Variable], list[_core.Variable]]:
        """(f's results, what it closes over). The graph of this evaluation tells the latter, and goes."""
        self.random: Any = np.random.get_state()
        self.train = _core.Config.train
        before = _pull.begin()
        try:
            xs, floor = _pull.arguments(given, False)
            ys, self.structure = _leaves_of(self.call(xs), self.op)
            others = _pull.outside(xs, ys, floor)
            self.values = [np.array(y.data) if any(y is x for x in xs) else y.data for y in ys]
        finally:
            _pull.end(before)
        del ys
        self.others, self.found = kept(others), len(others)
        self.shapes = [v.shape for v in self.values]
        return [_core.Variable(v) for v in self.values], self.others

    def forward(self, *data: Any) -> Any:
        values, self.values = self.values, None
        if values is None:      # a captured call's replay, a copy
            raise RuntimeError(f"{self.op}: a call of it stands for one place in a graph; call checkpoint(f) again")
        return tuple(values) if len(values) != 1 else values[0]

    def backward(self, *gys: Any) -> Any:
        record = _core.Config.enable_backprop
        inputs = _core.inputs_of(self)
        with _as_then(self.random, self.train):
            before = _pull.begin()
            try:
                xs, floor = _pull.arguments(list(inputs[:self.given]), record)
                ys, structure = _leaves_of(self.call(xs), self.op)
                others = _pull.outside(xs, ys, floor)
                if len(others) != self.found or _missing(self.others, others) or structure != self.structure:
                    raise _changed(self.op)
                if [y.shape for y in ys] != self.shapes:
                    raise RuntimeError(f"{self.op}: f gave shapes {[y.shape for y in ys]} in backward and {self.shapes} in "
                                       "forward")
                found = _pull.pull(ys, list(gys), [*xs, *self.others], 0, record)
            finally:
                _pull.end(before)
        return tuple(found)


# ---- loops


def checkpoint_loop(step: Callable[[int, Any], Any], n: int, state: Any, snapshots: int | None = None) -> Any:
    """state = step(0, state); state = step(1, state); ... n times, with few of the states kept: the last state, Variables.

    step(i, state): the next state, a tree of the same structure; JAX's fori_loop has this order. snapshots: how many states
    backward keeps at a time, besides the first; with s of them a step is evaluated r times at most where n <= binomial(s + r,
    s). None: the fewest for r = 2. Within a step there is the graph of that step alone. Random numbers are restored as in
    `checkpoint`, and gradients go to what step closes over too. Derivatives of second order keep the whole graph.

    Raises TypeError where step changes the state's structure, ValueError for n < 0 or snapshots < 1.
    """
    op = "checkpoint_loop"
    check_callable(step, op)
    for what, value, least in (("n", n, 0), ("snapshots", snapshots, 1)):
        if value is not None and (isinstance(value, bool) or not isinstance(value, (int, np.integer))):
            raise TypeError(f"{op}: {what} is {value!r}; it is an int")
        if value is not None and value < least:
            raise ValueError(f"{op}: {what} is {value}; it is {least} at least")
    leaves, structure = flatten(state, f"{op}: state")
    given = [variable_of(x) for x in leaves]
    if not _core.Config.enable_backprop or _core.is_traced() or n == 0:
        tree = built(structure, iter(given))
        for i in range(n):
            tree = step(i, tree)
            _state_of(tree, structure, i)
        return tree
    if snapshots is None:
        snapshots = 1
        while math.comb(snapshots + 2, snapshots) < n:
            snapshots += 1
    loop = _Loop(step, int(n), structure, int(snapshots), len(given))
    others = loop.first(given)
    y = loop(*given, *others)
    return built(structure, iter(y if isinstance(y, list) else [y]))


def _state_of(tree: Any, structure: Any, i: int) -> list[_core.Variable]:
    ys, found = _leaves_of(tree, "checkpoint_loop")
    if found != structure:
        raise TypeError(f"checkpoint_loop: step({i}, state) gave {_told(found)} for a state that is {_told(structure)}; return "
                        "the same tree")
    return ys


def _told(structure: Any) -> str:
    return repr(structure) if isinstance(structure, Node) else "one array"


class _Loop(_core.Function):
    """A loop whose steps' graphs are made when they are needed."""

    op = "checkpoint_loop"

    def __init__(self, step: Callable[[int, Any], Any], n: int, structure: Any, snapshots: int, given: int) -> None:
        self.step, self.n, self.structure, self.snapshots, self.given = step, n, structure, snapshots, given
        self.values: Any = None
        self.others: list[_core.Variable] = []

    def _one(self, i: int, values: Sequence[Any], linked: bool = False) -> tuple[Any, Any, Any]:
        """(xs, ys, what the step closes over) of one step with its graph. Between begin and end."""
        xs, floor = _pull.arguments(list(values), linked)
        ys = _state_of(self.step(i, built(self.structure, iter(xs))), self.structure, i)
        return xs, ys, _pull.outside(xs, ys, floor)

    def _advance(self, first: int, last: int, values: Sequence[Any]) -> list[Any]:
        """The state's arrays before step `last`, from those before step `first`."""
        values = list(values)
        with _core.no_grad():
            for i in range(first, last):
                xs = [_core.Variable(v) for v in values]
                ys = _state_of(self.step(i, built(self.structure, iter(xs))), self.structure, i)
                values = [y.data for y in ys]
        return values

    def first(self, given: list[_core.Variable]) -> list[_core.Variable]:
        """Runs the loop; what its steps close over, each once."""
        self.random: Any = np.random.get_state()
        self.train = _core.Config.train
        self.found: list[int] = []      # how many Variables each step has taken up
        values = [x.data for x in given]
        seen: dict[int, _core.Variable] = {}
        before = _pull.begin()
        try:
            for i in range(self.n):
                _, ys, others = self._one(i, values)
                values = [y.data for y in ys]
                del ys, _
                self.found.append(len(others))
                seen.update((id(x), x) for x in kept(others))
        finally:
            _pull.end(before)
        self.values = [np.array(v) for v in values]
        self.others = list(seen.values())
        return self.others

    def forward(self, *data: Any) -> Any:
        values, self.values = self.values, None
        if values is None:
            raise RuntimeError(f"{self.op}: a call of it stands for one place in a graph; call checkpoint_loop again")
        return tuple(values) if len(values) != 1 else values[0]

    def backward(self, *gys: Any) -> Any:
        record = _core.Config.enable_backprop
        inputs = _core.inputs_of(self)
        start = list(inputs[:self.given])
        with _as_then(self.random, self.train):
            before = _pull.begin()
            try:
                if record:
                    return self._whole(start, list(gys))
                self.totals: list[Any] = [None] * len(self.others)
                self.met: set[int] = set()
                found = self._reversed(0, self.n, [x.data for x in start], self.random, self.snapshots, list(gys))
                totals, self.totals = self.totals, []
                if any(id(x) not in self.met for x in self.others):
                    raise _changed(self.op)
                return (*found, *totals)
            finally:
                _pull.end(before)

    def _whole(self, start: list[_core.Variable], gys: list[Any]) -> tuple[Any, ...]:
        """With the graph of all steps, for derivatives of the gradient."""
        xs, floor = _pull.arguments(start, True)
        ys = list(xs)
        for i in range(self.n):
            ys = _state_of(self.step(i, built(self.structure, iter(ys))), self.structure, i)
        if _missing(self.others, _pull.outside(xs, ys, floor)):
            raise _changed(self.op)
        return tuple(_pull.pull(ys, gys, [*xs, *self.others], 0, True))

    def _reversed(self, first: int, last: int, values: list[Any], random: Any, slots: int, gys: list[Any]) -> list[Any]:
        """The gradients of the state before step `first` from those of the state before step `last`."""
        while last - first > 1:
            n = last - first
            if slots == 0:
                middle, right = last - 1, 1
            else:
                r = 1
                while math.comb(slots + r, slots) < n:
                    r += 1
                right = min(n - 1, math.comb(slots + r - 1, slots - 1))
                middle = last - right
            np.random.set_state(random)
            there = self._advance(first, middle, values)
            gys = self._reversed(middle, last, there, np.random.get_state(), max(slots - 1, 0), gys)
            del there
            last = middle
        np.random.set_state(random)
        xs, ys, others = self._one(first, values)
        if len(others) != self.found[first]:
            raise _changed(self.op)
        self.met.update(id(x) for x in others)
        found = _pull.pull(ys, gys, [*xs, *self.others], 0, False)
        for k, g in enumerate(found[len(xs):]):
            if g is not None:
                self.totals[k] = g if self.totals[k] is None else self.totals[k] + g
        return found[:len(xs)]

