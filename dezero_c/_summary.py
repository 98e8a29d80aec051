"""What a layer says of itself: the text of `repr(layer)`, and the table of `layer.summary(x)`.

Sizes and counts are the layers' own (their methods `_summary_...` in layers and models); what is here walks through the layers,
runs a copy of them, and writes it down.
"""

from __future__ import annotations

import copy
import math
import sys
import threading
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

import dezero_c._core as _core
from dezero_c import _random
from dezero_c._core import Parameter, Variable, no_grad, test_mode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeAlias

    from dezero_c.layers import Layer

    Count: TypeAlias = Callable[[Any, Any, bool], int | None]

__all__ = ["Row", "Summary", "summary_of", "text_of"]

_SIZED = {"W", "b", "gamma", "beta", "avg_mean", "avg_var"}     # Parameters that a layer's sizes tell of
_WITHOUT_PRODUCTS = {f"dezero_c.{name}" for name in ("_cast", "_index", "_join", "_norm", "_ops", "_order", "_pool", "_reduce",
                                                     "_shape", "_softmax")}

_under_way = threading.local()      # `layers`: ids of those whose repr was asked for


# ---- repr ---------------------------------------------------------------------------------------------------------


def text_of(layer: Layer, base: type[Layer]) -> str:
    """The text of repr(layer); "..." where a user's own __repr__ on the way asks for it again. base: the class Layer."""
    asked: set[int] = _under_way.__dict__.setdefault("layers", set())
    if id(layer) in asked:
        return "..."
    asked.add(id(layer))
    try:
        return _text(layer, base, {}, "")
    finally:
        asked.discard(id(layer))


def _text(layer: Layer, base: type[Layer], seen: dict[int, str], path: str) -> str:
    """The same of a layer at `path` in another. seen: {id: the path of a layer that has its text already}."""
    cls = type(layer)
    seen[id(layer)] = path
    sizes = cls._summary_sizes(layer)
    whole = cls._summary_one_row(layer)
    lines = []
    for name, part in cls._summary_parts(layer):
        if isinstance(part, base):
            if whole:
                continue
            inner = f"{path}/{name}" if path else name
            if id(part) in seen:
                shown = f"{type(part).__name__}, the same as {seen[id(part)] or 'the whole'}"
            elif type(part).__repr__ is not base.__repr__:
                seen[id(part)] = inner
                shown = repr(part)
            else:
                shown = _text(part, base, seen, inner)
        elif isinstance(part, Parameter):
            if sizes is not None and name in _SIZED:
                continue
            data = part.data
            shown = "Parameter, not drawn yet" if data is None else f"Parameter {data.shape}, {data.dtype}"
        else:
            shown = _function_text(part)
        lines.append(f"  {name}: " + shown.replace("\n", "\n  "))
    if not lines:
        return f"{cls.__name__}({sizes or ''})"
    return "\n".join([f"{cls.__name__}({sizes or ''}" + (", with" if sizes else ""), *lines, ")"])


def _function_text(f: Any) -> str:
    name = getattr(f, "__name__", None)
    return name if isinstance(name, str) else repr(f)


# ---- summary ------------------------------------------------------------------------------------------------------


class Row(NamedTuple):
    """What a summary says of a layer.

    path: as in the names of weights, such as `res2/a/conv1`, "" for the model itself; name: of its class. output_shape: a shape,
    or of several outputs a tuple of shapes; dtype: of the (first) output; both None where the layer was not called, or gave
    no array. parameters: the number of elements of the Parameters that belong to it and to no row before, without those of
    layers within that have a row; undrawn: names of Parameters that this run did not need, and whose size is not known.
    multiply_adds: of all calls, 0 where `known` is False. activation_bytes: of the arrays that it gave and no layer before it
    did. calls: how often it was called.
    """

    path: str
    name: str
    output_shape: tuple[Any, ...] | None
    dtype: np.dtype[Any] | None
    parameters: int
    undrawn: tuple[str, ...]
    multiply_adds: int
    known: bool
    activation_bytes: int
    calls: int


class Summary:
    """What `Layer.summary` gives: a table as its text, and the numbers of it.

    rows: a `Row` for each layer, in the order of definition, the model itself first; parameters, multiply_adds,
    activation_bytes: the sums; known: False where the multiply-adds of some row are not known, so that the sum is a lower bound;
    undrawn: the paths of Parameters without a size.
    """

    def __init__(self, rows: list[Row]) -> None:
        self.rows = rows
        self.parameters = sum(row.parameters for row in rows)
        self.multiply_adds = sum(row.multiply_adds for row in rows)
        self.activation_bytes = sum(row.activation_bytes for row in rows)
        self.known = all(row.known for row in rows)
        self.undrawn = tuple(f"{row.path}/{name}" if row.path else name for row in rows for name in row.undrawn)

    def __repr__(self) -> str:
        head = ["layer", "class", "output", "dtype", "parameters", "multiply-adds", "bytes"]
        cells = []
        for row in self.rows:
            cells.append([
                row.path or "(the model)", row.name + (f" x{row.calls}" if row.calls > 1 else ""),
                "not called" if not row.calls else str(row.output_shape) if row.output_shape is not None else "no array",
                "" if row.dtype is None else str(row.dtype), f"{row.parameters:,}" + (" + ?" if row.undrawn else ""),
                f"{row.multiply_adds:,}" if row.known else "?", f"{row.activation_bytes:,}"])
        total = ["total", "", "", "", f"{self.parameters:,}" + (" + ?" if self.undrawn else ""),
                 f"{self.multiply_adds:,}" + ("" if self.known else " + ?"), f"{self.activation_bytes:,}"]
        widths = [max(map(len, column)) for column in zip(head, *cells, total, strict=True)]

        def line(row: list[str]) -> str:
            cells = [c.ljust(w) if k < 4 else c.rjust(w) for k, (c, w) in enumerate(zip(row, widths, strict=True))]
            return "  ".join(cells).rstrip()

        rule = "-" * (sum(widths) + 2 * (len(widths) - 1))
        text = [line(head), rule, *map(line, cells), rule, line(total)]
        if not self.known:
            unknown = dict.fromkeys(row.name for row in self.rows if not row.known)
            text.append(f"?: what forward of {', '.join(unknown)} multiplies beside the layers within is not known, and counts 0")
        if self.undrawn:
            text.append(f"+ ?: this run did not need {', '.join(self.undrawn)}, so the size is not known yet")
        return "\n".join(text)


class _Tally:
    """What the calls of a layer have given so far."""

    def __init__(self, count: Count | None) -> None:
        self.count, self.known = count, count is not None
        self.calls = self.multiply_adds = self.bytes = 0
        self.shape: tuple[Any, ...] | None = None
        self.dtype: np.dtype[Any] | None = None


def summary_of(model: Layer, inputs: tuple[Any, ...], kwargs: dict[str, Any], base: type[Layer]) -> Summary:
    """What `Layer.summary` gives. base: the class Layer."""
    where = f"{type(model).__name__}.summary"
    for x in inputs:
        if isinstance(x, tuple) and x and all(isinstance(n, (int, np.integer)) for n in x):
            raise TypeError(f"{where}: it takes what the model is called with, and not the shape {x}; pass an array, for "
                            f"instance np.zeros({x}, np.float32)")
    if _core.is_traced():
        raise RuntimeError(f"{where}: inside of a function that is being captured; call it before")
    try:
        twin = copy.deepcopy(model)
    except Exception as error:
        raise TypeError(f"{where}: it runs a copy of the model, and this one cannot be copied ({type(error).__name__}: {error}); "
                        "keep what copy.deepcopy refuses out of the model's attributes") from error
    found = _layers(twin, base)
    tallies = {id(layer): _Tally(_formula(layer, base)) for _, layer in found}
    held: dict[int, Any] = {}       # Variables and arrays that some layer gave, kept so that their ids stay theirs
    for _, layer in found:
        object.__setattr__(layer, "forward", _watched(layer, tallies[id(layer)], held))
    states = _random.states()
    python = sys.modules.get("random")
    python_state = None if python is None else python.getstate()
    try:
        with no_grad(), test_mode():
            twin(*inputs, **kwargs)
    finally:
        np.random.set_state(states[0])
        _random.restore(states)
        if python is not None:
            python.setstate(python_state)
    return Summary(_rows(found, tallies, base))


def _layers(model: Layer, base: type[Layer]) -> list[tuple[str, Layer]]:
    """(path, layer) of all that a summary has a row for, in the order of definition, each once."""
    found: list[tuple[str, Layer]] = []
    seen: set[int] = set()

    def visit(layer: Layer, path: str, listed: bool) -> None:
        seen.add(id(layer))
        if listed:
            found.append((path, layer))
        listed = listed and not _is_one_row(layer, base)
        for name, part in layer._held():
            if isinstance(part, base) and id(part) not in seen:
                visit(part, f"{path}/{name}" if path else name, listed)

    visit(model, "", True)
    return found


def _is_one_row(layer: Layer, base: type[Layer]) -> bool:
    return type(layer)._summary_one_row(layer) and _formula(layer, base) is not None


def _formula(layer: Layer, base: type[Layer]) -> Count | None:
    """(x, y, whether there was a state) -> the multiply-adds of a call; None where the class that defines it is none of ours."""
    cls = type(layer)
    if "forward" in vars(layer) or cls.__call__ is not base.__call__:
        return None
    forward = next(c for c in cls.__mro__ if "forward" in vars(c))
    if forward.__module__ == "dezero_c.models":     # they multiply in their layers alone, and in functions that they were given
        given = [part for _, part in cls._summary_parts(layer) if not isinstance(part, (base, Parameter))]
        return _nothing if all(getattr(f, "__module__", None) in _WITHOUT_PRODUCTS for f in given) else None
    return (lambda x, y, state: cls._summary_products(layer, x, y, state)) if forward.__module__ == base.__module__ else None


def _nothing(x: Any, y: Any, state: bool) -> int:
    return 0


def _watched(layer: Layer, tally: _Tally, held: dict[int, Any]) -> Callable[..., Any]:
    """layer.forward, whose calls are counted."""
    forward = layer.forward

    def run(*args: Any, **kwargs: Any) -> Any:
        state = tally.count is not None and type(layer)._summary_state(layer)
        y = forward(*args, **kwargs)
        tally.calls += 1
        outputs = list(_arrays(y))
        shapes = tuple(tuple(np.shape(each)) for each in outputs)
        tally.shape = None if not shapes else shapes[0] if len(shapes) == 1 else shapes
        tally.dtype = outputs[0].dtype if outputs else None
        for each in outputs:
            if id(each) not in held:
                held[id(each)] = each
                tally.bytes += math.prod(np.shape(each)) * each.dtype.itemsize
        if tally.count is not None:
            products = tally.count(args[0] if args else kwargs.get("x"), y, state)
            tally.known = tally.known and products is not None
            tally.multiply_adds += products or 0
        return y

    return run


def _arrays(y: Any) -> Iterator[Any]:
    """The Variables and arrays of what a layer gave."""
    if isinstance(y, (Variable, np.ndarray, np.generic)):
        yield y
    elif isinstance(y, (list, tuple, dict)):
        for each in y.values() if isinstance(y, dict) else y:
            yield from _arrays(each)


def _names(layer: Layer, base: type[Layer]) -> dict[int, str]:
    """{id of a Parameter: its name in the layer}, also where layers hold each other."""
    names: dict[int, str] = {}
    seen: set[int] = set()
    todo = [("", layer)]
    while todo:
        path, each = todo.pop()
        seen.add(id(each))
        for name, part in each._held():
            if not isinstance(part, base):
                names.setdefault(id(part), path + name)
            elif id(part) not in seen:
                todo.append((f"{path}{name}/", part))
    return names


def _rows(found: list[tuple[str, Layer]], tallies: dict[int, _Tally], base: type[Layer]) -> list[Row]:
    rows, counted = [], set()
    for path, layer in found:
        tally = tallies[id(layer)]
        if type(layer).params is not base.params or (type(layer)._summary_one_row(layer) and tally.count is not None):
            own: list[Any] = list(layer.params())
        else:
            own = [part for _, part in layer._held() if not isinstance(part, base)]
        names = _names(layer, base)
        number, undrawn = 0, []
        for p in own:
            if id(p) in counted:
                continue
            counted.add(id(p))
            if p.data is None:
                undrawn.append(names.get(id(p), p.name or "?"))
            else:
                number += p.data.size
        rows.append(Row(path, type(layer).__name__, tally.shape, tally.dtype, number, tuple(undrawn),
                        tally.multiply_adds if tally.known else 0, tally.known or not tally.calls, tally.bytes, tally.calls))
    return rows
