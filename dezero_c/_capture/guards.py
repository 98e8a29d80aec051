"""What a program depends on beside its arguments: what the code of the captured function names, and all that is in the layers
among that. `guards_of` finds it; `holds` (src/dezero_c/_calls.pyx) looks, at each call, whether it is as it was.

A guard is (dict or cell, name, object): the name stands for this very object, or an equal number or string. Or
(list or dict, None, elements, again): the elements are these very objects, or `again` says that they are as good as these. Or
(dict, None, n, (layer, class)): a layer's attributes are n, and it is of this class.
"""

from __future__ import annotations

import functools
import inspect
import types
from typing import TYPE_CHECKING

import dezero_c._core as _core
from dezero_c._calls import cell_of, plain_key
from dezero_c._machine import Dispatch
from dezero_c.layers import Layer

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    _Guard: TypeAlias = tuple[Any, ...]

__all__ = ["guards_of", "unchanged"]

SHORT = 64      # elements of a list or dict beyond which they are not looked at
# What a layer keeps of its own account, or of the last eager call.
_BOOKS = frozenset(["_params", "_containers", "inputs", "outputs"])


def guards_of(function: Any, instance: Any = None) -> list[_Guard]:
    """The guards of a function, or of a model or another callable object; instance: of which it is a method."""
    search = _Search()
    search.function(function, instance)
    return search.found


def unchanged(before: list[_Guard], after: list[_Guard]) -> list[_Guard]:
    """The guards after a call, without those of what the call itself has changed: counters, and lists that it appends to, which
    replays leave alone."""
    old = {(id(guard[0]), guard[1]): guard[2] for guard in before}
    return [guard for guard in after if _same(old.get((id(guard[0]), guard[1]), guard[2]), guard[2])]


def _same(a: Any, b: Any) -> bool:
    if type(a) is tuple and type(b) is tuple:
        return len(a) == len(b) and all(map(_same, a, b))
    return a is b or ((key := plain_key(a)) is not None and key == plain_key(b))


def _ours(module: str | None) -> bool:
    return (module or "").partition(".")[0] in ("dezero_c", "numpy")


class _Search:
    """What is found on the way from a function to all that its code names."""

    def __init__(self) -> None:
        self.found: list[_Guard] = []
        self.seen: set[Any] = set()

    def new(self, *objects: Any) -> bool:
        key = tuple(map(id, objects))
        if key in self.seen:
            return False
        self.seen.add(key)
        return True

    def value(self, o: Any) -> None:
        """Something that a name stands for."""
        if isinstance(o, Layer):
            self.layer(o)
        elif isinstance(o, (list, tuple, dict)):
            self.elements(o, _equal)
        elif isinstance(o, (types.FunctionType, types.MethodType, functools.partial, Dispatch)):
            self.function(o, None)

    def function(self, function: Any, instance: Any) -> None:
        if isinstance(function, types.MethodType):
            self.function(function.__func__, function.__self__)
            return
        if isinstance(function, functools.partial):
            self.function(function.func, None)
            for o in (*function.args, *function.keywords.values()):
                self.value(o)
            return
        if isinstance(function, Layer):
            self.layer(function)
            return
        function = inspect.unwrap(function) if callable(function) else function
        if not isinstance(function, types.FunctionType):
            called = inspect.getattr_static(type(function), "__call__", None)
            if isinstance(called, types.FunctionType) and not isinstance(function, type):
                self.function(called, function)
            return
        if _ours(function.__module__) or not self.new(function, instance):
            return
        names = _names(function)
        for name in names:
            if name in function.__globals__:
                self.named(function.__globals__, name, function.__globals__[name])
        for cell, name in zip(function.__closure__ or (), function.__code__.co_freevars, strict=True):
            self.named(cell, name, cell_of(cell))
        if instance is None:
            return
        if isinstance(instance, Layer):
            self.layer(instance)
        else:
            attributes = getattr(instance, "__dict__", None)
            if type(attributes) is dict:
                for name in names:
                    if name in attributes:
                        self.named(attributes, name, attributes[name])
        for name in names:      # methods of the instance that it calls
            method = inspect.getattr_static(type(instance), name, None)
            if isinstance(method, types.FunctionType):
                self.function(method, instance)

    def named(self, where: Any, name: str, o: Any) -> None:
        self.found.append((where, name, o))
        self.value(o)

    def layer(self, layer: Layer) -> None:
        """All that is in a layer, but what calls of it change: the state of the library's recurrent ones."""
        if not self.new(layer):
            return
        attributes = layer.__dict__
        ours = _ours(type(layer).__module__)
        self.found.append((attributes, None, len(attributes), (layer, type(layer))))
        for name, o in list(attributes.items()):       # another thread may add to them
            if name in _BOOKS:
                continue
            if ours and (o is None or isinstance(o, type)
                         or (isinstance(o, _core.Variable) and not isinstance(o, _core.Parameter))):
                continue
            self.found.append((attributes, name, o))
            if isinstance(o, (list, tuple, dict)):
                self.elements(o, _same_layers)
            else:
                self.value(o)
        if not ours:
            for name in ("forward", "__call__"):
                self.function(getattr(type(layer), name, None), layer)

    def elements(self, o: Any, again: Any) -> None:
        """The elements of a list, tuple or dict."""
        if len(o) > SHORT or not self.new(o):
            return
        found = tuple(_values(o))
        if type(o) is list or type(o) is dict:
            self.found.append((o, None, found, again))
        for each in found:
            if isinstance(each, (list, tuple, dict)):
                self.elements(each, again)
            else:
                self.value(each)


def _names(function: types.FunctionType) -> list[str]:
    """The globals and attributes that a function's code names, of functions in it too."""
    names: set[str] = set()
    todo = [function.__code__]
    while todo:
        code = todo.pop()
        names.update(code.co_names)
        todo += [c for c in code.co_consts if isinstance(c, types.CodeType)]
    return sorted(names)


def _values(o: Any) -> list[Any]:
    """Keys and values of a dict; the elements of anything else."""
    return [*o.keys(), *o.values()] if isinstance(o, dict) else list(o)


def _equal(o: Any, elements: tuple[Any, ...]) -> bool:
    """Whether a list or dict has these elements still, numbers and strings by what they are."""
    return _same(tuple(_values(o)), elements)


def _same_layers(o: Any, elements: tuple[Any, ...]) -> bool:
    """Whether the layers and Variables among them are the same: a model may keep a list of losses beside."""
    kinds = (Layer, _core.Variable)
    now = [each for each in _values(o) if isinstance(each, kinds)]
    then = [each for each in elements if isinstance(each, kinds)]
    return len(now) == len(then) and all(a is b for a, b in zip(now, then, strict=True))
