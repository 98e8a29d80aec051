"""What a model's call consists of, for a file: the operations in order; which values come from the inputs, which are constants.

Values are told apart by the Variables that stand for them. What the log does not explain, or what the code took from the inputs
outside of operations, raises ExportError: a file would hold the numbers of this one call.
"""

from __future__ import annotations

import copy
import random
from collections import deque
from collections.abc import Mapping
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import dezero_c._capture.arrays as _arrays
import dezero_c._core as _core
import dezero_c.functions as F
from dezero_c import _hooks, _random
from dezero_c._core import Parameter, Variable, no_grad, test_mode
from dezero_c.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

__all__ = ["ExportError", "Operation", "Tape", "run"]

# Rows of a table by number: their numbers are read, and used in the operation that follows.
_LOOKUPS = {"embed_id(): the numbers of rows", "take(): the numbers of rows"}
_PADDING = "embed_id() with padding_idx"
_IGNORED = {"grad", "grad read", "pinned", "const", "new"}


class ExportError(ValueError):
    """The model has something in it that has no translation to ONNX, or would be frozen there."""

    def __init__(self, text: str) -> None:
        super().__init__(text)


class Operation(NamedTuple):
    """A call of an operation. ids: of a lookup, the Variable that has the numbers of rows; same: it gives its last input."""

    f: Any
    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    line: str
    ids: Any
    same: bool


class Tape:
    """A model's call. inputs: Variables; operations: those that lead from them to the results; results: (name, Variable);
    names: {id of a Parameter: its name}; kept: Variables and arrays that layers had before, those of containers too;
    states: {id of a constant: what layers have replaced}."""

    def __init__(self, model: Layer, inputs: list[Any]) -> None:
        self.model, self.inputs = model, inputs
        self.reads: dict[int, list[tuple[str, Any]]] = {}    # by the number of events before
        self.operations: list[Operation] = []
        self.results: list[tuple[str, Any]] = []
        self.names = {id(p): name for name, p in model.named_params()}
        self.held: list[Any] = list(model.params())     # whose ids have to stay theirs
        self.states: dict[int, str] = {}
        self.trace: Any = None
        self.kept = [(layer, attribute, name, v) for layer in _layers(model) for attribute, name, v in _kept_by(layer)]

    def on_read(self, v: Any, what: str, where: str) -> None:
        """The program looks at v's value."""
        if not self._depends(v):
            return
        if what in _LOOKUPS or what == _PADDING:
            self.reads.setdefault(len(self.trace), []).append((what, v))
            return
        raise ExportError(f"{where}: {what} looks at a value that depends on the inputs; the file would hold what this call "
                          "found. Compute with functions of dezero_c.functions (for a choice maximum, minimum, clip or relu)")

    def _depends(self, v: Any) -> bool:
        found, looked = {id(x) for x in self.inputs}, False
        for k, event in enumerate(self.trace.events):
            looked = looked or k in self.reads
            if event[0] == "op":
                if looked or any(id(x) in found for x in event[2]):
                    found.update(id(y) for y in _there(event[3]))
                looked = False
            elif event[0] == "data" and id(event[2]) in found:
                found.add(id(event[1]))
        return id(v) in found

    def understand(self, result: Any) -> None:
        """Makes the operations of the log."""
        if self.trace.refused is not None:
            raise ExportError(f"onnx.export: {self.trace.refused}, and cannot be exported")
        now = {(id(layer), attribute, id(v)) for layer in _layers(self.model) for attribute, _, v in _kept_by(layer)}
        self.states = {id(v): f"{type(layer).__name__}.{name}" for layer, attribute, name, v in self.kept
                       if (id(layer), attribute, id(v)) not in now}
        found = {id(x) for x in self.inputs}
        explained, born = set(found), self.trace.born
        alias: dict[int, Any] = {}
        lookups: list[tuple[str, Any]] = []
        for k, event in enumerate(self.trace.events):
            lookups += self.reads.get(k, [])
            kind, line = event[0], event[-1]
            if kind == "data" and event[3]:
                alias[id(event[1])] = alias.get(id(event[2]), event[2])
                explained.add(id(event[1]))
            elif kind in ("const", "new"):
                explained.add(id(event[1]))
                if id(event[2]) in self.states:
                    self.states[id(event[1])] = self.states[id(event[2])]
            elif kind == "op":
                inputs = tuple(alias.get(id(x), x) for x in event[2])
                outputs = _there(event[3])
                for x in inputs:
                    if id(x) in self.states:
                        raise ExportError(f"{line}: {self.states[id(x)]} is left from an earlier call, and would be frozen; call "
                                          "reset_state() before, or make the state an input of a Model's forward")
                    if id(x) in born and id(x) not in explained:
                        raise ExportError(f"{line}: {type(event[1]).__name__} takes an array that the function makes of values, "
                                          "which would be frozen")
                if type(event[1]) is F.BatchNorm and event[4] & 2:
                    raise ExportError(f"{line}: BatchNorm is told to train here, and would take its running averages in the file")
                explained.update(map(id, outputs))
                ids, same = None, False
                if lookups and (lookups[-1][0] != _PADDING or type(event[1]) is F.Where):
                    same = lookups[-1][0] == _PADDING
                    ids = None if same else alias.get(id(lookups[-1][1]), lookups[-1][1])
                    lookups = []
                if ids is not None or any(id(x) in found for x in inputs):
                    found.update(map(id, outputs))
                    self.operations.append(Operation(event[1], inputs, outputs, line, ids, same))
            elif kind not in _IGNORED:
                what = {"effect": "an array is written into", "set": "data are assigned", "data": "data are assigned"}.get(
                    kind, "backward runs, or an update,")
                raise ExportError(f"{line}: {what} within the model's call, which a file has no operation for; "
                                  "compute a new Variable")
        for name, v in _results(result):
            v = alias.get(id(v), v)
            if id(v) not in found:
                raise ExportError(f"onnx.export: the result {name} depends on no input, or is no Variable that the model "
                                  "computed")
            self.results.append((name, v))
        wanted, kept = {id(v) for _, v in self.results}, []
        for op in reversed(self.operations):
            if any(id(y) in wanted for y in op.outputs):
                kept.append(op)
                wanted.update(id(x) for x in (*op.inputs, op.ids))
        self.operations = kept[::-1]


def _there(outputs: Any) -> tuple[Any, ...]:
    """An operation's outputs, without those that nobody kept."""
    found = [y if isinstance(y, Variable) else y() for y in outputs]
    return tuple(y for y in found if y is not None)


def _layers(model: Layer) -> list[Any]:
    found, seen, todo = [], set(), [model]
    while todo:
        layer = todo.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            found.append(layer)
            todo += [part for _, part in layer._held() if isinstance(part, Layer)]
    return found


def _kept_by(layer: Layer) -> Iterator[tuple[str, str, Any]]:
    """(attribute, name, value) of the Variables and arrays that are no Parameters in a layer's attributes, and in tuples, lists,
    dictionaries and other objects there."""
    seen: set[int] = set()
    for attribute, value in layer.__dict__.items():
        yield from ((attribute, name, v) for name, v in _leaves(attribute, value, seen))


def _leaves(name: str, value: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, (Parameter, Layer)) or id(value) in seen:
        return
    if isinstance(value, (Variable, np.ndarray)):
        yield name, value
        return
    if isinstance(value, Mapping):
        parts = [(f"{name}[{key!r}]", each) for key, each in value.items()]
    elif isinstance(value, (tuple, list, deque)):
        parts = [(f"{name}[{k}]", each) for k, each in enumerate(value)]
    elif callable(value) or isinstance(value, ModuleType):
        return
    else:
        parts = [(f"{name}.{key}", each) for key, each in getattr(value, "__dict__", {}).items()]
    if parts:
        seen.add(id(value))     # of what may hold itself
    for label, each in parts:
        yield from _leaves(label, each, seen)


def _results(result: Any) -> list[tuple[str, Any]]:
    if isinstance(result, Variable):
        return [("y", result)]
    if isinstance(result, dict) and result and all(isinstance(name, str) for name in result):
        named = list(result.items())
    elif isinstance(result, (tuple, list)) and result:
        named = [(f"y{k}", y) for k, y in enumerate(result)]
    else:
        named = [("y", result)]
    for name, y in named:
        if not name or not name.isprintable():
            raise ExportError(f"onnx.export: a result has the key {name!r}, which is no name for a file; give it another")
        if not isinstance(y, Variable):
            what = "an array" if isinstance(y, (_arrays.TracedArray, np.ndarray)) else type(y).__name__
            raise ExportError(f"onnx.export: the result {name} is {what} and no Variable; a model for a file returns a Variable, "
                              "or a tuple, list or dictionary of them")
    return named


def run(model: Layer, arrays: list[Any]) -> Tape:
    """The tape of model(*arrays), by a copy of the model in test mode."""
    if _core.is_traced() or _core.is_watched():
        raise RuntimeError("onnx.export: inside of a function that is being captured, or of a debug block; call it before")
    for layer in _layers(model):
        if layer.__dict__.get(_hooks.PLACE):
            raise ExportError(f"onnx.export: a {type(layer).__name__} has hooks, which a file cannot have; remove them before")
    try:
        twin = copy.deepcopy(model)
    except Exception as error:
        raise TypeError(f"onnx.export: it runs a copy of the model, and this one cannot be copied ({type(error).__name__}: "
                        f"{error}); keep what copy.deepcopy refuses out of the model's attributes") from error
    bare = {id(p) for p in twin.params() if p.data is None}
    inputs: list[Any] = [Variable(x.copy()) for x in arrays]
    tape = Tape(twin, inputs)
    states, python = _random.states(), random.getstate()
    try:
        with no_grad(), test_mode():
            tape.trace = trace = _core.start_trace(tape.on_read)
            try:
                result = twin(*inputs)
            finally:
                _core.end_trace(trace)
        drawn = [name for name, p in twin.named_params() if id(p) in bare and p.data is not None]
        if drawn:
            raise ValueError(f"onnx.export: the weights {', '.join(drawn[:4])} have not been drawn; call the model once, train "
                             "it, or load weights before")
        if not _same(states, _random.states()) or python != random.getstate():
            raise ExportError("onnx.export: the model draws random numbers in test mode, which would be frozen; draw them "
                              "outside, and make them an input")
    finally:
        np.random.set_state(states[0])
        _random.restore(states)
        random.setstate(python)
    tape.understand(result)
    return tape


def _same(a: list[Any], b: list[Any]) -> bool:
    """Whether generators are in the same states."""
    return all(x[2:] == y[2:] and np.array_equal(x[1], y[1]) for x, y in zip(a, b, strict=True))
