"""Operations as nodes of ONNX: a table from the classes of dezero_c.functions to what makes the nodes, and the graph that they
go to.

Where the batch is to be open there are two tapes, of two numbers of examples: each operation is translated by both, and whatever
is not the same in both, but for the lengths of axes, is refused.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

import numpy as np

import dezero_c.functions as F
from dezero_c._calls import Template
from dezero_c._core import Applied, Variable, as_dtype, same, value_of
from dezero_c._recurrent import LSTMCell, LSTMGates, LSTMOutput
from dezero_c.onnx._tape import ExportError, Operation, Tape

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Graph", "is_known", "translated"]

_LAST = np.iinfo(np.int64).max
_FIRST = np.iinfo(np.int64).min


class _Refused(Exception):
    """A translation's reason for none."""


class Graph:
    """The nodes so far. tapes: of the one call, or of calls with two numbers of examples."""

    def __init__(self, opset: int, inputs: int, tapes: list[Tape]) -> None:
        import onnx

        self.onnx, self.opset, self.tapes = onnx, opset, tapes
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}
        self.values: dict[int, Any] = {}     # names by id of the first tape's Variables; of LSTM's gates, four
        self.other = {id(a): b for a, b in zip(tapes[0].inputs, tapes[-1].inputs, strict=True)}
        self.shared: dict[int, Any] = {}     # constants by id, which has to stay theirs
        self.count = 0
        self.inputs = ["x"] if inputs == 1 else [f"x{k}" for k in range(inputs)]
        self.values.update(zip(map(id, tapes[0].inputs), self.inputs, strict=True))
        self.lines: dict[str, tuple[str, str]] = {}     # of nodes: the line of the code, and what it calls there
        results = [name for name, _ in tapes[0].results]
        if both := [name for name in results if name in self.inputs]:
            raise ExportError(f"onnx.export: a result is called {both[0]}, as an input is; give it another key")
        self.taken = {*self.inputs, *results}
        names = tapes[0].names.items()
        self.weights = {key: name for key, name in names if name not in self.taken}     # whose names are free, those first
        self.taken.update(self.weights.values())
        self.weights |= {key: self.fresh(name) for key, name in names if key not in self.weights}

    # ---- names, nodes

    def fresh(self, name: str) -> str:
        while name in self.taken:
            name += "_"
        self.taken.add(name)
        return name

    def node(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """The name of the new node's output."""
        self.count += 1
        name = self.fresh(f"{kind}_{self.count}")
        self.nodes.append(self.onnx.helper.make_node(kind, list(inputs), [name], name=name, **attributes))
        return name

    def array(self, value: Any, dtype: Any = np.int64, name: str | None = None) -> str:
        """The name of a constant. name: a weight's."""
        value = np.asarray(value, np.dtype(dtype).newbyteorder("="), order="C")
        if name is None:
            self.count += 1
            name = self.fresh(f"constant_{self.count}")
        self.initializers[name] = self.onnx.numpy_helper.from_array(value, name)
        return name

    def cast(self, name: str, given: Any, wanted: Any) -> str:
        if np.dtype(given) == np.dtype(wanted):
            return name
        return self.node("Cast", name, to=self.onnx.helper.np_dtype_to_tensor_dtype(np.dtype(wanted)))

    # ---- values

    def name(self, v: Any) -> str:
        """The name of a Variable's value: of an operation's output, or a constant's."""
        found = self.values.get(id(v))
        if isinstance(found, tuple):
            raise _Refused("it takes LSTM's gates one by one")
        if found is not None:
            return str(found)
        value = _value(v)
        if self.dynamic and not _equal(value, _value(self.other[id(v)])):
            raise _Refused("a constant in it is another one with another number of examples; it was computed from the length of "
                           "an axis, or read from the inputs")
        name = self.array(value, value.dtype, self.weights.get(id(v)))
        self.values[id(v)], self.shared[id(v)] = name, v
        return name

    @property
    def dynamic(self) -> bool:
        """Whether there are two tapes."""
        return len(self.tapes) > 1

    def shapes(self, v: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """The Variable's shape in both tapes."""
        return _value(v).shape, _value(self.other.get(id(v), v)).shape

    def open_axes(self, v: Any) -> list[int]:
        """The axes whose length follows the number of examples."""
        a, b = self.shapes(v)
        if len(a) != len(b):
            raise _Refused(f"the result has shape {a}, or {b} with another number of examples")
        return [k for k, (n, m) in enumerate(zip(a, b, strict=True)) if n != m]

    # ---- the file

    def check(self, made: Any) -> None:
        """Raises ExportError, with the line of the code, for what onnx finds wrong, such as a dtype that an operator has not."""
        try:
            self.onnx.checker.check_model(made, full_check=True)
        except Exception as error:      # of onnx's own classes, and protobuf's
            text = str(error).strip()
            node, kind = (re.search(pattern, text) for pattern in (r"node name: (\w+)", r"unsupported type: tensor\((\w+)\)"))
            line, what = self.lines.get(node[1] if node else "", ("onnx.export", "the model"))
            why = (f"ONNX's {node[1].rpartition('_')[0]} takes no {kind[1]}; cast before, F.cast(x, np.float32)" if node and kind
                   else f"onnx finds it wrong: {text.splitlines()[0] if text else type(error).__name__}")
            raise ExportError(f"{line}: {what} cannot be exported: {why}") from error

    def model(self, name: str) -> Any:
        """The onnx.ModelProto."""
        helper = self.onnx.helper
        outputs = []
        for label, v in self.tapes[0].results:
            try:
                self.nodes.append(helper.make_node("Identity", [self.name(v)], [label], name=f"result {label}"))
            except _Refused as reason:
                raise ExportError(f"onnx.export: the result {label}: {reason}") from None
            outputs.append(self._told(label, v))
        inputs = [self._told(label, v) for label, v in zip(self.inputs, self.tapes[0].inputs, strict=True)]
        graph = helper.make_graph(self.nodes, name, inputs, outputs, list(self.initializers.values()))
        opsets = [helper.make_opsetid("", self.opset)]
        return helper.make_model(graph, producer_name="dezero_c", opset_imports=opsets,
                                 ir_version=helper.find_min_ir_version_for(opsets))

    def _told(self, label: str, v: Any) -> Any:
        lengths: list[Any] = list(_value(v).shape)
        if self.dynamic:
            n, m = (next(len(_value(x)) for x in tape.inputs if _value(x).ndim) for tape in self.tapes)
            a, b = self.shapes(v)
            for k in self.open_axes(v):
                lengths[k] = "N" if (a[k], b[k]) == (n, m) else None
        return self.onnx.helper.make_tensor_value_info(
            label, self.onnx.helper.np_dtype_to_tensor_dtype(_value(v).dtype), lengths)


def is_known(dtype: np.dtype[Any]) -> bool:
    """Whether it is one of real numbers that ONNX has."""
    return dtype.kind in "fiub" and dtype.char != "g"


def _value(v: Any) -> Any:
    return value_of(v)


def _equal(a: Any, b: Any) -> bool:
    """Whether two arguments or constants are the same, NaN being NaN."""
    if isinstance(a, (tuple, list)):
        return type(a) is type(b) and len(a) == len(b) and all(map(_equal, a, b))
    if isinstance(a, (np.ndarray, np.generic, float)) and isinstance(b, (np.ndarray, np.generic, float)):
        a, b = np.asarray(a), np.asarray(b)
        return bool(a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f"))
    if isinstance(a, Variable) and isinstance(b, Variable):
        return _equal(_value(a), _value(b))
    return type(a) is type(b) and bool(a == b)


def translated(graph: Graph) -> None:
    """Puts the operations of the tapes into the graph."""
    first, last = graph.tapes[0], graph.tapes[-1]
    if [(type(op.f), op.line, len(op.inputs)) for op in first.operations] != [
            (type(op.f), op.line, len(op.inputs)) for op in last.operations] or [n for n, _ in first.results] != [
            n for n, _ in last.results]:
        lines = [a.line for a, b in zip(first.operations, last.operations, strict=False)
                 if type(a.f) is not type(b.f) or a.line != b.line]
        raise ExportError(f"{lines[0] if lines else 'onnx.export'}: dynamic_batch: from here on the model has other operations "
                          "with another number of examples")
    for op, twin in zip(first.operations, last.operations, strict=True):
        what = _what(op.f)
        try:
            make = _TABLE.get(type(op.f))
            if make is None and isinstance(op.f, Applied):
                make = _applied
            if make is None:
                raise _Refused("it has no translation to ONNX here; compute it outside of the model, or from operations that "
                               "have one (docs/onnx.md)")
            if len(op.outputs) != 1:
                raise _Refused("it has several outputs")
            before = len(graph.nodes)
            if op.ids is not None and type(op.f) is not F.GetItem:
                raise _Refused("its numbers of rows are computed from the inputs; take(x, i, axis=0) has a translation")
            _pair(graph, op, twin)
            graph.values[id(op.outputs[0])] = make(graph, op, twin)
            graph.lines.update((node.name, (op.line, what)) for node in graph.nodes[before:])
        except _Refused as reason:
            raise ExportError(f"{op.line}: {what} cannot be exported: {reason}") from None
    for (_, v), (_, other) in zip(first.results, last.results, strict=True):
        if graph.other.get(id(v)) is not other:
            raise ExportError("onnx.export: dynamic_batch: the results come from other operations with another number of "
                              "examples")


def _pair(graph: Graph, op: Operation, twin: Operation) -> None:
    """Has the Variables of both calls stand for each other, and refuses calls that differ."""
    for x, y in zip((*op.inputs, *op.outputs, op.ids), (*twin.inputs, *twin.outputs, twin.ids), strict=True):
        if x is None and y is None:
            continue
        before = graph.other.setdefault(id(x), y)
        if before is not y:
            raise _Refused("with another number of examples it takes other values")
        graph.shared[id(x)] = x
        if not is_known(_value(x).dtype):
            raise _Refused(f"a value in it is {_value(x).dtype}, which no file has")
        if _value(x).dtype != _value(y).dtype:
            raise _Refused("with another number of examples it has another dtype")
    if type(op.f) not in _OWN_COMPARISON and op.ids is None and not isinstance(op.f, Applied) and not _equal(
            _arguments(op.f), _arguments(twin.f)):
        raise _Refused(f"its arguments {_arguments(op.f)} are {_arguments(twin.f)} with another number of examples")


def _arguments(f: Any) -> Any:
    params = getattr(f, "params", None)
    return tuple(params) if params is not None else tuple(f._arguments())


def _what(f: Any) -> str:
    given = getattr(f, "given_function", None)
    if given is None:
        return type(f).__name__
    function = given()
    if isinstance(function, Template):
        called = getattr(function.function, "__name__", "a computation")
        called = {"call_method": function.args[0], "getitem": "an element"}.get(called, called)
        return f"{called}, by NumPy, of a Variable's data"
    return f"{getattr(getattr(function, 'func', function), '__name__', 'a mask')} of values"



# ---- translations ------------------------------------------------------------------------------------------------------


def _names(g: Graph, op: Operation, dtype: Any = None) -> list[str]:
    """The names of the inputs, in the dtype of the result where none is given."""
    dtype = _value(op.outputs[0]).dtype if dtype is None else dtype
    return [g.cast(g.name(x), _value(x).dtype, dtype) for x in op.inputs]


def _simple(kind: str, **attributes: Any) -> Callable[[Graph, Operation, Operation], str]:
    """A node of that kind on the inputs."""
    return lambda g, op, twin: g.node(kind, *_names(g, op), **attributes)


def _number(g: Graph, op: Operation, number: float) -> str:
    return g.array(number, _value(op.outputs[0]).dtype)


def _applied(g: Graph, op: Operation, twin: Operation) -> str:
    """x.data that goes back into a Variable as it is, and what functions without a gradient give; anything else that NumPy
    computes would be a constant."""
    function, x = op.f.given_function(), op.inputs[0]
    if function in (np.asarray, same):
        return g.name(x)
    kind = getattr(function, "func", None)
    if kind is as_dtype:
        return _names(g, op)[0]
    if getattr(kind, "__name__", "") == "nonzero_as":       # the condition of where()
        return g.cast(g.cast(g.name(x), _value(x).dtype, np.bool_), np.bool_, _value(op.outputs[0]).dtype)
    if getattr(kind, "__name__", "") == "_place_of":
        name, axis, keepdims = function.args
        if function.args != twin.f.given_function().args or (axis is None and keepdims):
            raise _Refused(f"axis={axis} and keepdims={keepdims}, together or with any number of examples, have no translation")
        flat = g.name(x) if axis is not None else g.node("Reshape", g.name(x), g.array([-1]))
        return g.node("ArgMax" if name == "argmax" else "ArgMin", flat, axis=int(axis or 0), keepdims=int(keepdims))
    raise _Refused("it would be a constant in the file; use a function of dezero_c.functions on Variables")


def _square(g: Graph, op: Operation, twin: Operation) -> str:
    x, = _names(g, op)
    return g.node("Mul", x, x)


def _pow(g: Graph, op: Operation, twin: Operation) -> str:
    c = op.f.c
    if np.ndim(c):
        raise _Refused("its exponent is an array; make it a Variable")
    return _square(g, op, twin) if c == 2 else g.node("Pow", *_names(g, op), _number(g, op, c))


def _scaled_log(base: float) -> Callable[[Graph, Operation, Operation], str]:
    return lambda g, op, twin: g.node("Mul", g.node("Log", *_names(g, op)), _number(g, op, 1 / math.log(base)))


def _silu(g: Graph, op: Operation, twin: Operation) -> str:
    x, = _names(g, op)
    return g.node("Mul", x, g.node("Sigmoid", x))


def _gelu(g: Graph, op: Operation, twin: Operation) -> str:
    """x (1 + erf(x / sqrt(2))) / 2."""
    x, = _names(g, op)
    erf = g.node("Erf", g.node("Mul", x, _number(g, op, math.sqrt(0.5))))
    return g.node("Mul", g.node("Mul", x, _number(g, op, 0.5)), g.node("Add", erf, _number(g, op, 1)))


def _gelu_tanh(g: Graph, op: Operation, twin: Operation) -> str:
    """x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2."""
    x, = _names(g, op)
    cubed = g.node("Mul", g.node("Mul", g.node("Mul", x, x), x), _number(g, op, 0.044715))
    tanh = g.node("Tanh", g.node("Mul", g.node("Add", x, cubed), _number(g, op, math.sqrt(2 / math.pi))))
    return g.node("Mul", g.node("Mul", x, _number(g, op, 0.5)), g.node("Add", tanh, _number(g, op, 1)))


def _clip(g: Graph, op: Operation, twin: Operation) -> str:
    x, *_ = _names(g, op)
    if len(op.inputs) > 1:
        raise _Refused("its bounds are Variables; use maximum and minimum")
    for kind, bound in (("Max", op.f.x_min), ("Min", op.f.x_max)):
        if bound is not None:
            if isinstance(bound, Variable):
                raise _Refused("its bounds are Variables; use maximum and minimum")
            x = g.node(kind, x, _number(g, op, bound))
    return x


def _where(g: Graph, op: Operation, twin: Operation) -> str:
    if op.same:         # the row of embed_id's padding: its gradient alone is another
        return g.name(op.inputs[-1])
    names = _names(g, op)
    names[0] = g.cast(g.name(op.inputs[0]), _value(op.inputs[0]).dtype, np.bool_)
    return g.node("Where", *names)


def _reduced(kind: str) -> Callable[[Graph, Operation, Operation], str]:
    """A reduction over op.f.axis."""

    def make(g: Graph, op: Operation, twin: Operation) -> str:
        return _reduce(g, kind, _names(g, op)[0], op, op.f.axis, op.f.keepdims)

    return make


def _reduce(g: Graph, kind: str, x: str, op: Operation, axis: Any, keepdims: bool) -> str:
    if axis == ():
        raise _Refused("axis=() reduces nothing")
    axes = [] if axis is None else [g.array(np.ravel(axis))]
    return g.node(kind, x, *axes, keepdims=int(keepdims))


def _var(g: Graph, op: Operation, twin: Operation) -> str:
    """mean((x - mean(x))^2)."""
    if op.f.ddof != 0:
        raise _Refused(f"ddof={op.f.ddof} depends on the number of elements")
    x, = _names(g, op)
    d = g.node("Sub", x, _reduce(g, "ReduceMean", x, op, op.f.axis, True))
    return _reduce(g, "ReduceMean", g.node("Mul", d, d), op, op.f.axis, op.f.keepdims)


def _along(kind: str) -> Callable[[Graph, Operation, Operation], str]:
    """Softmax and its like."""

    def make(g: Graph, op: Operation, twin: Operation) -> str:
        if not isinstance(op.f.axis, (int, np.integer)):
            raise _Refused("it goes along several axes")
        return g.node(kind, *_names(g, op), axis=int(op.f.axis))

    return make


# ---- shapes


def _reshape(g: Graph, op: Operation, twin: Operation) -> str:
    y = op.outputs[0]
    x = _names(g, op)[0]
    spelled = [tuple(np.ravel(each.f.shape).tolist()) for each in (op, twin)]
    if g.dynamic and spelled[0] == spelled[1]:
        to = list(spelled[0])
    else:
        to = list(_value(y).shape)
        axes = g.open_axes(y)
        if len(axes) > 1:
            raise _Refused(f"several lengths of its shape {spelled[0]} follow the number of examples; one can be open")
        if axes:
            to[axes[0]] = -1
    if 0 in to and -1 in to:
        raise _Refused("a length is 0, and another open")
    return g.node("Reshape", x, g.array(to), **({"allowzero": 1} if 0 in to else {}))


def _transpose(g: Graph, op: Operation, twin: Operation) -> str:
    axes, n = op.f.axes, _value(op.inputs[0]).ndim
    return g.node("Transpose", *_names(g, op), perm=[int(k) % n for k in (range(n)[::-1] if axes is None else np.ravel(axes))])


def _broadcast_to(g: Graph, op: Operation, twin: Operation) -> str:
    x, y = op.inputs[0], op.outputs[0]
    to, before = list(_value(y).shape), g.open_axes(x)
    for k in g.open_axes(y):
        if k - (_value(y).ndim - _value(x).ndim) not in before:
            raise _Refused("it makes an axis as long as the number of examples; leave that to the broadcasting of what follows")
        to[k] = 1
    return g.node("Expand", *_names(g, op), g.array(to))


def _concatenate(g: Graph, op: Operation, twin: Operation) -> str:
    if op.f.axis is None:
        raise _Refused("axis=None flattens; flatten before")
    return g.node("Concat", *_names(g, op), axis=int(op.f.axis))


def _stack(g: Graph, op: Operation, twin: Operation) -> str:
    axis = int(op.f.axis)
    return g.node("Concat", *[g.node("Unsqueeze", x, g.array([axis])) for x in _names(g, op)], axis=axis)


def _pad(g: Graph, op: Operation, twin: Operation) -> str:
    if np.ndim(op.f.constant_values):
        raise _Refused("constant_values is no single number")
    widths = np.broadcast_to(np.asarray(op.f.pad_width), (_value(op.inputs[0]).ndim, 2))
    return g.node("Pad", *_names(g, op), g.array(widths.T.ravel()), _number(g, op, op.f.constant_values))


def _get_item(g: Graph, op: Operation, twin: Operation) -> str:
    x = op.inputs[0]
    if op.ids is not None:
        return _lookup(g, op)
    index = op.f.slices if isinstance(op.f.slices, tuple) else (op.f.slices,)
    taken = sum(1 for i in index if i is not None and i is not Ellipsis)
    rest = [slice(None)] * (_value(x).ndim - taken)
    place = next((k for k, i in enumerate(index) if i is Ellipsis), None)
    index = (*index, *rest) if place is None else (*index[:place], *rest, *index[place + 1:])
    rows = [k for k, i in enumerate(index) if isinstance(i, np.ndarray)]
    others = [i for i in index if not isinstance(i, np.ndarray)]
    if len(rows) == 1 and index[rows[0]].dtype.kind in "iu" and all(i == slice(None) for i in others):
        return g.node("Gather", g.name(x), g.array(index[rows[0]]), axis=rows[0])
    if rows or not all(i is None or (isinstance(i, (int, np.integer, slice)) and not isinstance(i, bool)) for i in others):
        raise _Refused("its index has arrays; integers, slices, None and ... have a translation, or one array of integers alone")
    starts: list[int] = []
    ends: list[int] = []
    axes: list[int] = []
    steps: list[int] = []
    gone: list[int] = []
    new: list[int] = []
    axis = 0        # of x
    to = 0          # of the result, with the axes that are taken away after it
    for i in index:
        if i is None:
            new.append(to)
            to += 1
            continue
        if isinstance(i, slice):
            step = 1 if i.step is None else int(i.step)
            start = (0 if step > 0 else _LAST) if i.start is None else int(i.start)
            end = (_LAST if step > 0 else _FIRST) if i.stop is None else int(i.stop)
            to += 1
        else:
            start, step = int(i), 1
            end = _LAST if start == -1 else start + 1
            gone.append(axis)
        if i != slice(None):
            for values, value in ((starts, start), (ends, end), (axes, axis), (steps, step)):
                values.append(value)
        axis += 1
    name = g.name(x)
    if axes:
        name = g.node("Slice", name, *map(g.array, (starts, ends, axes, steps)))
    if gone:
        name = g.node("Squeeze", name, g.array(gone))
    return g.node("Unsqueeze", name, g.array(new)) if new else g.node("Identity", name) if not axes else name


def _lookup(g: Graph, op: Operation) -> str:
    """Rows by number."""
    index = op.f.slices if isinstance(op.f.slices, tuple) else (op.f.slices,)
    *before, rows = index
    if any(i != slice(None) for i in before) or not isinstance(rows, np.ndarray) or not np.array_equal(rows, _value(op.ids)):
        raise _Refused("its index is computed from the inputs in another way than embed_id and take have it")
    given = _value(op.ids).dtype
    return g.node("Gather", g.name(op.inputs[0]), g.cast(g.name(op.ids), given, np.int64), axis=len(before))


# ---- layers


def _linear(g: Graph, op: Operation, twin: Operation) -> str:
    x, W, *b = _names(g, op)
    if _value(op.inputs[0]).ndim == 2 and b and _value(op.outputs[0]).dtype.kind == "f":
        return g.node("Gemm", x, W, *b)
    y = g.node("MatMul", x, W)
    return g.node("Add", y, *b) if b else y


def _pair_of(value: Any) -> tuple[int, int]:
    h, w = np.broadcast_to(value, 2).tolist()
    return int(h), int(w)


def _window(f: Any) -> dict[str, Any]:
    (ph, pw) = _pair_of(f.pad)
    return {"strides": _pair_of(f.stride), "pads": (ph, pw, ph, pw)}


def _conv2d(g: Graph, op: Operation, twin: Operation) -> str:
    return g.node("Conv", *_names(g, op), dilations=_pair_of(op.f.dilation), group=int(op.f.groups), **_window(op.f))


def _deconv2d(g: Graph, op: Operation, twin: Operation) -> str:
    x, W, y = (_value(v).shape for v in (op.inputs[0], op.inputs[1], op.outputs[0]))
    strides, pads, dilations = _pair_of(op.f.stride), _pair_of(op.f.pad), _pair_of(op.f.dilation)
    more = [y[2 + k] - (strides[k] * (x[2 + k] - 1) + dilations[k] * (W[2 + k] - 1) + 1 - 2 * pads[k]) for k in (0, 1)]
    if any(not 0 <= m < max(s, d) for m, s, d in zip(more, strides, dilations, strict=True)):
        raise _Refused(f"outsize {y[2:]} is none that ONNX's ConvTranspose has")
    return g.node("ConvTranspose", *_names(g, op), dilations=dilations, group=int(op.f.groups), output_padding=more,
                  **_window(op.f))


def _pooled(g: Graph, op: Operation, kind: str, dilation: Any, **attributes: Any) -> str:
    size, stride, pad, d = (_pair_of(v) for v in (op.f.kernel_size, op.f.stride, op.f.pad, dilation))
    x, y = _value(op.inputs[0]).shape, _value(op.outputs[0]).shape
    if any(y[2 + k] != (x[2 + k] + 2 * pad[k] - d[k] * (size[k] - 1) - 1) // stride[k] + 1 for k in (0, 1)):
        raise _Refused(f"ceil_mode={op.f.ceil_mode} has windows beyond the padding here; pad the images, or leave it out")
    if kind == "MaxPool":
        attributes["dilations"] = d
    return g.node(kind, *_names(g, op), kernel_shape=size, **attributes, **_window(op.f))


def _max_pooling(g: Graph, op: Operation, twin: Operation) -> str:
    return _pooled(g, op, "MaxPool", op.f.dilation)


def _average_pooling(g: Graph, op: Operation, twin: Operation) -> str:
    return _pooled(g, op, "AveragePool", 1, count_include_pad=int(op.f.count_include_pad))


def _batch_norm(g: Graph, op: Operation, twin: Operation) -> str:
    dtype = _value(op.outputs[0]).dtype
    averages = []
    for array, other in ((op.f.avg_mean, twin.f.avg_mean), (op.f.avg_var, twin.f.avg_var)):
        if not _equal(array, other):
            raise _Refused("its averages are others with another number of examples")
        named = next((p for p in g.tapes[0].model.params() if p.data is array), None)
        if named is None:
            averages.append(g.array(array, dtype))
        else:
            averages.append(g.cast(g.name(_paired(g, named)), array.dtype, dtype))
    return g.node("BatchNormalization", *_names(g, op), *averages, epsilon=float(op.f.eps))


def _paired(g: Graph, parameter: Any) -> Any:
    """The parameter, with the one of the other tape known."""
    name = g.tapes[0].names[id(parameter)]
    g.other.setdefault(id(parameter), next(p for n, p in g.tapes[-1].model.named_params() if n == name))
    return parameter


def _layer_norm(g: Graph, op: Operation, twin: Operation) -> str:
    return g.node("LayerNormalization", *_names(g, op), axis=-1, epsilon=float(op.f.eps))


def _lstm_gates(g: Graph, op: Operation, twin: Operation) -> tuple[str, ...]:
    xs = _names(g, op)
    gates = []
    for k in range(4):
        z = g.node("Gemm", xs[0], xs[1 + k], xs[5 + k])
        gates.append(g.node("Gemm", xs[9], xs[10 + k], z) if len(xs) > 9 else z)
    return tuple(gates)


def _gates(g: Graph, op: Operation) -> Any:
    found = g.values.get(id(op.inputs[0]))
    if not isinstance(found, tuple):
        raise _Refused("its gates do not come from LSTM's products")
    return found


def _lstm_cell(g: Graph, op: Operation, twin: Operation) -> str:
    f, i, _, u = _gates(g, op)
    kept = g.node("Mul", g.node("Sigmoid", f), g.name(op.inputs[1]))
    return g.node("Add", kept, g.node("Mul", g.node("Sigmoid", i), g.node("Tanh", u)))


def _lstm_output(g: Graph, op: Operation, twin: Operation) -> str:
    return g.node("Mul", g.node("Sigmoid", _gates(g, op)[2]), g.node("Tanh", g.name(op.inputs[1])))


_SAME_NAME = ("Add", "Sub", "Mul", "Div", "Neg", "Reciprocal", "Sqrt", "Exp", "Log", "Sin", "Cos", "Tan", "Tanh", "Sinh", "Cosh",
              "Sigmoid", "Softplus", "Erf", "Abs", "Sign", "Floor", "Ceil", "MatMul")
_OTHER_NAME = {"ReLU": "Relu", "Power": "Pow", "Maximum": "Max", "Minimum": "Min", "Rint": "Round", "Arcsin": "Asin",
               "Arccos": "Acos", "Arctan": "Atan", "Arcsinh": "Asinh", "Arccosh": "Acosh", "Arctanh": "Atanh"}
_REDUCTIONS = {"Sum": "ReduceSum", "Mean": "ReduceMean", "Max": "ReduceMax", "Min": "ReduceMin", "Prod": "ReduceProd",
               "LogSumExp": "ReduceLogSumExp"}

_TABLE: dict[type, Callable[[Graph, Operation, Operation], Any]] = {
    **{getattr(F, name): _simple(name) for name in _SAME_NAME},
    **{getattr(F, name): _simple(kind) for name, kind in _OTHER_NAME.items()},
    **{getattr(F, name): _reduced(kind) for name, kind in _REDUCTIONS.items()},
    F.Square: _square, F.Pow: _pow, F.Log2: _scaled_log(2), F.Log10: _scaled_log(10), F.SiLU: _silu, F.GELU: _gelu,
    F.GELUTanh: _gelu_tanh, F.Clip: _clip, F.Where: _where,
    F.LeakyReLU: lambda g, op, twin: g.node("LeakyRelu", *_names(g, op), alpha=float(op.f.slope)),
    F.ELU: lambda g, op, twin: g.node("Elu", *_names(g, op), alpha=float(op.f.params[0])),
    F.Var: _var, F.Std: lambda g, op, twin: g.node("Sqrt", _var(g, op, twin)),
    F.Softmax: _along("Softmax"), F.LogSoftmax: _along("LogSoftmax"),
    F.Cast: lambda g, op, twin: _names(g, op)[0],
    F.Reshape: _reshape, F.Transpose: _transpose, F.BroadcastTo: _broadcast_to, F.Concatenate: _concatenate, F.Stack: _stack,
    F.Pad: _pad, F.GetItem: _get_item,
    F.Linear: _linear, F.Conv2d: _conv2d, F.Deconv2d: _deconv2d, F.Pooling: _max_pooling, F.AveragePooling: _average_pooling,
    F.BatchNorm: _batch_norm, F.LayerNorm: _layer_norm,
    LSTMGates: _lstm_gates, LSTMCell: _lstm_cell, LSTMOutput: _lstm_output,
}
_OWN_COMPARISON = {F.Reshape, F.BroadcastTo, F.BatchNorm}
