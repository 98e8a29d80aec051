"""Trees of numbers and arrays: taken apart and put together; models as trees of their parameters; `ravel`, `functional_call`."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import numbers
import threading
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c import functions as F
from dezero_c.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = ["LEAF", "Node", "built", "count", "flatten", "functional_call", "ravel", "swapped", "variable_of"]

LEAF = "*"      # what a leaf's structure is
_LEAVES = (_core.Variable, np.ndarray, np.generic, numbers.Number)
_FIXED = (str, bytes, type(None), type)     # fields of a dataclass that are no part of the tree, as are functions


class Node:
    """The structure of a tree: of what kind it is, its keys, and the structures below."""

    __slots__ = ("children", "keys", "kind", "origin")

    def __init__(self, kind: Any, keys: tuple[Any, ...], children: list[Any], origin: Any = None) -> None:
        self.kind, self.keys, self.children = kind, keys, children
        self.origin = origin        # the model or dataclass that it was

    def __eq__(self, other: object) -> bool:
        return (isinstance(other, Node) and self.kind is other.kind and self.keys == other.keys
                and self.children == other.children)

    __hash__ = None     # type: ignore[assignment]

    def __repr__(self) -> str:
        inside = [child if child == LEAF else repr(child) for child in self.children]
        if self.kind is list:
            return f"[{', '.join(inside)}]"
        if self.kind is tuple:
            return f"({', '.join(inside)}{',' if len(inside) == 1 else ''})"
        if self.kind is dict:
            return "{" + ", ".join(f"{k!r}: {child}" for k, child in zip(self.keys, inside, strict=True)) + "}"
        if self.kind is None:
            return "None"
        return f"{self.kind.__name__}({', '.join(f'{k}={child}' for k, child in zip(self.keys, inside, strict=True))})"


def flatten(tree: Any, op: str) -> tuple[list[Any], Any]:
    """(leaves, structure): the numbers, arrays and Variables of a tree in order; a model's are its Parameters.

    Raises TypeError, naming the place, for what is neither.
    """
    if isinstance(tree, _LEAVES):
        return [tree], LEAF
    leaves: list[Any] = []
    return leaves, _flatten(tree, leaves, op, "")


def _flatten(tree: Any, leaves: list[Any], op: str, place: str) -> Any:
    if isinstance(tree, _LEAVES) or (_core.is_traced() and hasattr(tree, "_slot")):
        leaves.append(tree)
        return LEAF
    kind: Any = type(tree)
    if kind is dict:
        try:
            keys = tuple(sorted(tree))
        except TypeError:       # keys of several types
            keys = tuple(tree)
        return Node(dict, keys, [_flatten(tree[k], leaves, op, f"{place}[{k!r}]") for k in keys])
    if kind is list or kind is tuple:
        return Node(kind, tuple(range(len(tree))), [_flatten(x, leaves, op, f"{place}[{k}]") for k, x in enumerate(tree)])
    if tree is None:
        return Node(None, (), [])
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return Node(kind, tree._fields, [_flatten(x, leaves, op, f"{place}.{k}")
                                         for k, x in zip(tree._fields, tree, strict=True)])
    if isinstance(tree, Layer):
        named = dict(tree.named_params())
        for name, param in named.items():
            if param.data is None:
                raise ValueError(f"{op}: {type(tree).__name__} has no data for {name} yet; call the model on an input once, or "
                                 "give its layers in_size")
            leaves.append(param)
        return Node(dict, tuple(named), [LEAF] * len(named), tree)
    if dataclasses.is_dataclass(tree) and not isinstance(tree, type):
        fields = {f.name: getattr(tree, f.name) for f in dataclasses.fields(tree)}
        names = tuple(k for k, x in fields.items() if not isinstance(x, _FIXED) and (isinstance(x, Layer) or not callable(x)))
        node = Node(kind, names, [_flatten(fields[k], leaves, op, f"{place}.{k}") for k in names], copy.copy(tree))
        for k in names:     # the structure holds no values
            object.__setattr__(node.origin, k, None)
        return node
    raise TypeError(f"{op}: {kind.__name__}{f' at {place}' if place else ''} is no number, array, Variable, list, tuple, dict, "
                    "dataclass or model; close over it (lambda x: f(x, other)), or leave it out of what is differentiated")


def variable_of(x: Any) -> _core.Variable:
    """A leaf as a Variable."""
    if isinstance(x, _core.Variable) or hasattr(x, "_slot"):    # an array of a traced call
        return _core.as_variable(x)
    return _core.Variable(np.asarray(x))


def count(structure: Any) -> int:
    """The number of a structure's leaves."""
    return 1 if structure == LEAF else sum(count(child) for child in structure.children)


def built(structure: Any, leaves: Iterator[Any], swaps: list[Any] | None = None) -> Any:
    """The tree of that structure with these leaves. A model is a dict by the names of its parameters; with `swaps` it is the
    model itself, and (model, dict) is appended there."""
    if structure == LEAF:
        return next(leaves)
    kind = structure.kind
    if kind is None:
        return None
    parts = [built(child, leaves, swaps) for child in structure.children]
    if kind is list or kind is tuple:
        return kind(parts)
    if kind is dict:
        found = dict(zip(structure.keys, parts, strict=True))
        if structure.origin is not None and swaps is not None:
            swaps.append((structure.origin, found))
            return structure.origin
        return found
    if structure.origin is None:
        return kind(*parts)
    tree = copy.copy(structure.origin)
    for name, value in zip(structure.keys, parts, strict=True):
        object.__setattr__(tree, name, value)
    return tree


# ---- models

_swapping = threading.RLock()


def _exchanged(value: Any, table: dict[int, Any], found: set[int], undo: list[Any], seen: set[int]) -> Any:
    """value with what the table has in place of Parameters; layers are changed where they are, containers copied."""
    if isinstance(value, _core.Parameter):
        if id(value) in table:
            found.add(id(value))
            return table[id(value)]
        return value
    if isinstance(value, Layer):
        _swap(value, table, found, undo, seen)
    elif isinstance(value, dict) and type(value).__init__ is dict.__init__:
        new: Any = {k: _exchanged(x, table, found, undo, seen) for k, x in value.items()}
        return new if any(new[k] is not x for k, x in value.items()) else value
    elif type(value) in (list, tuple):
        new = [_exchanged(x, table, found, undo, seen) for x in value]
        return type(value)(new) if any(a is not b for a, b in zip(new, value, strict=True)) else value
    return value


def _swap(layer: Layer, table: dict[int, Any], found: set[int], undo: list[Any], seen: set[int]) -> None:
    if id(layer) in seen:
        return
    seen.add(id(layer))
    attributes = layer.__dict__
    for name in (*attributes.get("_params", ()), *attributes.get("_containers", ())):
        old = attributes.get(name)
        new = _exchanged(old, table, found, undo, seen)
        if new is not old:
            undo.append((attributes, name, old))
            attributes[name] = new


@contextlib.contextmanager
def swapped(swaps: list[tuple[Layer, dict[str, Any]]]) -> Iterator[None]:
    """In the block the models compute with other Variables in place of their Parameters: [(model, {name: Variable})]."""
    if not swaps:
        yield
        return
    with _swapping:
        undo: list[Any] = []
        try:
            for model, variables in swaps:
                named = dict(model.named_params())
                table = {id(named[name]): v for name, v in variables.items()}
                found: set[int] = set()
                _swap(model, table, found, undo, set())
                missed = [name for name in variables if id(named[name]) not in found]
                if missed:
                    raise TypeError(f"{type(model).__name__}: its parameters {', '.join(missed)} are not where they can be "
                                    "exchanged; keep Parameters in attributes, lists, tuples or dicts of layers")
            yield
        finally:
            for attributes, name, old in reversed(undo):
                attributes[name] = old


def functional_call(model: Layer, params: dict[str, Any], *x: Any, **kwargs: Any) -> Any:
    """model(*x, **kwargs) with `params` in place of its Parameters: what the model gives, with a graph that leads to them.

    params: {name: array or Variable}, names as in `model.named_params()` (`l0/W`); those that are not named stay as they are.
    `dict(model.named_params())` and the results of transforms of models are such dicts. The model has its own Parameters
    again afterwards, after an exception too. Another thread that computes with the model meanwhile sees `params`; transforms
    wait for each other.

    Raises KeyError for a name that the model has not, ValueError for a shape that is not its Parameter's.
    """
    op = "functional_call"
    if not isinstance(model, Layer):
        raise TypeError(f"{op}: {type(model).__name__} is no Layer or Model; the order is functional_call(model, params, *x)")
    if not isinstance(params, dict):
        raise TypeError(f"{op}: params is {type(params).__name__}; give a dict such as dict(model.named_params())")
    named = dict(model.named_params())
    given = {}
    for name, value in params.items():
        if name not in named:
            raise KeyError(f"{op}: {type(model).__name__} has no parameter {name!r}; it has {', '.join(named)}")
        v = _core.as_variable(value)
        shape = None if named[name].data is None else named[name].shape
        if shape is not None and v.shape != shape:
            raise ValueError(f"{op}: {name} has shape {v.shape} in params and {shape} in {type(model).__name__}")
        given[name] = v
    with swapped([(model, given)]):
        return model(*x, **kwargs)


# ---- one vector


def ravel(tree: Any) -> tuple[Any, Callable[[Any], Any]]:
    """(vector, unravel): all numbers of a tree in one array of one axis, and the function that makes such a tree of such a
    vector.

    The vector's dtype is NumPy's result_type of the leaves; unravel gives each leaf its own dtype back. With a Variable among
    the leaves the vector is one, with its graph; unravel of a Variable gives Variables. JAX calls it ravel_pytree.

    Raises TypeError for trees of other things than numbers, ValueError by unravel for another length.
    """
    leaves, structure = flatten(tree, "ravel")
    linked = any(isinstance(x, _core.Variable) and not isinstance(x, _core.Parameter) for x in leaves) or _core.is_traced()
    values = leaves if linked else [x.data if isinstance(x, _core.Variable) else np.asarray(x) for x in leaves]
    shapes = [np.shape(x) for x in values]
    dtypes = [np.dtype(x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype) for x in values]
    dtype = np.result_type(*dtypes) if dtypes else np.dtype(float)
    sizes = [int(np.prod(shape)) for shape in shapes]
    if not values:
        vector: Any = np.zeros(0)
    elif linked:
        vector = F.concatenate([F.cast(F.reshape(x, (-1,)), dtype) for x in values])
    else:
        vector = np.concatenate([np.reshape(x, -1).astype(dtype, copy=False) for x in values])

    def unravel(vector: Any) -> Any:
        if np.shape(vector) != (sum(sizes),):
            raise ValueError(f"ravel: unravel was given shape {np.shape(vector)}; the tree {structure!r} has {sum(sizes)} "
                             "numbers")
        if not isinstance(vector, _core.Variable) and not _core.is_traced():
            vector = np.asarray(vector)
        found, at = [], 0
        for shape, size, own in zip(shapes, sizes, dtypes, strict=True):
            part = vector[at:at + size].reshape(shape)
            if isinstance(part, np.ndarray):
                part = part.astype(own)     # a copy: the vector may be written to
            elif own != part.dtype:
                part = part.astype(own)
            found.append(part)
            at += size
        return built(structure, iter(found))

    return vector, unravel
