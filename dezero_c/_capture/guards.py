"""What a program depends on beside its arguments: what the code of the captured function names, in globals, closures, instances,
classes and modules, and all that is in the layers among that. `Outside` finds it; `holds` (src/dezero_c/_calls.pyx) looks, at
each call, whether it is as it was.

A guard is (dict or cell, name, object): the name stands for this very object, or an equal number or string. Or
(object, None, elements, again): a list or dict has these very elements, or `again(object, elements)` says that they are as good
as these. Or (dict, None, n, (layer, class)): a layer's attributes are n, and it is of this class.
"""

from __future__ import annotations

import collections
import functools
import random
import sys
import types
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c._calls import MISSING, cell_of, plain_key
from dezero_c._machine import Dispatch
from dezero_c.layers import Layer
from dezero_c.optimizers import Optimizer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    _Guard: TypeAlias = tuple[Any, ...]

__all__ = ["Outside", "unchanged"]

SHORT = 64      # elements of a list or dict beyond which they are not looked at
# What a layer keeps of its own account, or of the last eager call.
_BOOKS = frozenset(["_params", "_containers", "inputs", "outputs"])
_FUNCTIONS: tuple[type, ...] = (
    types.FunctionType, types.MethodType, functools.partial, functools.partialmethod, functools.cached_property, staticmethod,
    classmethod, property, Dispatch)
_CONTAINERS = (list, tuple, dict, set, frozenset, collections.deque)
_WRAPPED = (collections.UserDict, collections.UserList, collections.ChainMap)     # around a container, their first attribute
_GENERATORS = (np.random.Generator, np.random.RandomState, random.Random)
# What is looked at elsewhere, or has nothing that code could name.
_ELSEWHERE: tuple[type, ...] = (
    _core.Variable, _core.Function, np.ndarray, np.generic, np.ufunc, np.dtype, Optimizer, int, float, complex, str, bytes,
    types.NoneType, types.BuiltinFunctionType)


def unchanged(before: list[_Guard], after: list[_Guard]) -> list[_Guard]:
    """The guards after a call, without those of what the call itself has changed: counters, and lists that it appends to, which
    replays leave alone."""
    old = {_place(guard): guard[2] for guard in before}
    return [guard for guard in after if _same(old.get(_place(guard), guard[2]), guard[2])]


def _place(guard: _Guard) -> Any:
    return id(guard[0]), guard[1], guard[3].names if len(guard) > 3 and isinstance(guard[3], _Attributes) else None


def _same(a: Any, b: Any) -> bool:
    if type(a) is tuple and type(b) is tuple:
        return len(a) == len(b) and all(map(_same, a, b))
    return a is b or ((key := plain_key(a)) is not None and key == plain_key(b))


def _ours(module: str | None) -> bool:
    return (module or "").partition(".")[0] in ("dezero_c", "numpy")


_libraries: dict[str, bool] = {}


def _library(module: str | None) -> bool:
    """Whether a module is ours, Python's, or an installed package's: its functions, classes and attributes are not looked at."""
    root = (module or "").partition(".")[0]
    found = _libraries.get(root)
    if found is None:
        file = getattr(sys.modules.get(root), "__file__", None) or ""
        found = _libraries[root] = _ours(root) or root in sys.stdlib_module_names or "site-packages" in file \
            or "dist-packages" in file
    return found


class _Attributes:
    """The last part of a guard: whether an object has the same behind these names, which are no keys of its dictionary."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def of(self, o: Any) -> tuple[Any, ...]:
        """What they stand for: in a class, or in slots."""
        if isinstance(o, type):
            return tuple(vars(o).get(name, MISSING) for name in self.names)
        return tuple(getattr(o, name, MISSING) for name in self.names)

    def __call__(self, o: Any, expected: tuple[Any, ...]) -> bool:
        return _same(self.of(o), expected)


class Outside:
    """All that a function's code names, and what is found on the way: `guards`; `generators` of random numbers; `names`, of
    globals and attributes, in all code of the user's.

    function: or a model, or another callable object. instance: of which it is a method. arguments: what it is called with that
    counts by what it is.
    """

    def __init__(self, function: Any, instance: Any = None, arguments: Iterable[Any] = ()) -> None:
        self.guards: list[_Guard] = []
        self.generators: list[Any] = []
        self.names: set[str] = set()
        self._seen: set[Any] = set()
        self._kept: list[Any] = []          # what `_seen` knows by its id
        self._code: dict[Any, tuple[str, ...]] = {}
        self._function(function, instance)
        names = tuple(sorted(self.names))
        for o in arguments:
            self._value(o, names)

    def _new(self, *objects: Any) -> bool:
        key = tuple(map(id, objects))
        if key in self._seen:
            return False
        self._seen.add(key)
        self._kept += objects
        return True

    def _value(self, o: Any, names: tuple[str, ...]) -> None:
        """Something that a name stands for, in code that has these names."""
        if isinstance(o, Layer):
            self._layer(o)
            self._object(o, names)
        elif isinstance(o, _CONTAINERS):
            self._elements(o, _equal, names)
        elif isinstance(o, _GENERATORS) or o is random:
            if self._new(o):
                self.generators.append(random.seed.__self__ if o is random else o)      # type: ignore[attr-defined]
        elif isinstance(o, (types.MethodType, types.BuiltinMethodType)) and isinstance(o.__self__, _GENERATORS):
            self._value(o.__self__, names)
        elif isinstance(o, _FUNCTIONS):
            self._function(o, None)
        elif isinstance(o, _WRAPPED):
            self._value(next(iter(vars(o).values())), names)
        elif isinstance(o, types.ModuleType):
            if not _library(o.__name__):
                self._object(o, names)
        elif not isinstance(o, _ELSEWHERE) and not (isinstance(o, type) and _library(o.__module__)):
            self._object(o, names)

    def _function(self, function: Any, instance: Any) -> None:
        if isinstance(function, types.MethodType):
            self._function(function.__func__, function.__self__)
        elif isinstance(function, (functools.partial, functools.partialmethod)):
            self._function(function.func, instance)
            for o in (*function.args, *function.keywords.values()):
                self._value(o, ())
        elif isinstance(function, Layer):
            self._layer(function)
        elif isinstance(function, (staticmethod, classmethod)):
            self._function(function.__func__, None)
        elif isinstance(function, property):
            self._function(function.fget, instance)
        elif isinstance(function, functools.cached_property):
            self._function(function.func, instance)
        elif isinstance(function, Dispatch):
            method, reference = getattr(function, "_guarded_by", None) or (function._f, None)
            self._function(method, instance if reference is None else reference())
        elif isinstance(function, types.FunctionType):
            self._python(function, instance)
            if (wrapped := getattr(function, "__wrapped__", None)) is not None:
                self._function(wrapped, instance)
        elif not isinstance(function, type):
            called = getattr(type(function), "__call__", None)      # noqa: B004  (its code, not whether there is one)
            if isinstance(called, types.FunctionType):
                self._function(called, function)

    def _python(self, function: types.FunctionType, instance: Any) -> None:
        if _ours(function.__module__) or not self._new(function, instance):
            return
        names = self._names(function.__code__)
        for name in names:
            if name in function.__globals__:
                self._named(function.__globals__, name, function.__globals__[name], names)
        for cell, name in zip(function.__closure__ or (), function.__code__.co_freevars, strict=True):
            if name != "__class__":     # that super() goes by
                self._named(cell, name, cell_of(cell), names)
        if instance is not None:
            if isinstance(instance, Layer):
                self._layer(instance)
            self._object(instance, names)

    def _named(self, where: Any, name: str, o: Any, names: tuple[str, ...]) -> None:
        self.guards.append((where, name, o))
        self._value(o, names)

    def _object(self, o: Any, names: tuple[str, ...]) -> None:
        """What code with these names may find in an instance, a class or a module."""
        if not self._new(o, names):
            return
        attributes = getattr(o, "__dict__", None)
        own = attributes if type(attributes) is dict else {}
        classes = [c for c in (o.__mro__ if isinstance(o, type) else type(o).__mro__) if not _library(c.__module__)]
        slots = []
        for name in names:
            if name in own:
                if not isinstance(o, Layer):
                    self._named(own, name, own[name], names)
                elif isinstance(own[name], _CONTAINERS):    # numbers in them too
                    self._elements(own[name], _equal, names)
            elif own is attributes and not isinstance(o, (Layer, types.ModuleType)) and any(name in vars(c) for c in classes):
                self.guards.append((own, name, MISSING))        # an attribute of the instance would stand before the class's
            for c in classes:       # all of them: super() goes on
                found = vars(c).get(name)
                if isinstance(found, _FUNCTIONS):
                    self._function(found, None if isinstance(o, type) else o)
                elif isinstance(found, types.MemberDescriptorType) and not isinstance(o, type):
                    slots.append(name)
        if slots:
            self._attributes(o, tuple(slots), names)
        if not isinstance(o, (type, Layer)):
            for c in classes:
                if "__call__" in vars(c):
                    self._function(vars(c)["__call__"], o)
        for c in classes:
            values = tuple(name for name in names if name in vars(c) and not hasattr(vars(c)[name], "__get__"))
            if values:
                self._attributes(c, values, names)

    def _attributes(self, o: Any, wanted: tuple[str, ...], names: tuple[str, ...]) -> None:
        again = _Attributes(wanted)
        found = again.of(o)
        self.guards.append((o, None, found, again))
        for each in found:
            self._value(each, names)

    def _layer(self, layer: Layer) -> None:
        """All that is in a layer, but what calls of it change: the state of the library's recurrent ones."""
        if not self._new(layer):
            return
        attributes = layer.__dict__
        ours = _ours(type(layer).__module__)
        self.guards.append((attributes, None, len(attributes), (layer, type(layer))))
        for name, o in list(attributes.items()):       # another thread may add to them
            if name in _BOOKS:
                continue
            if ours and (o is None or isinstance(o, type)
                         or (isinstance(o, _core.Variable) and not isinstance(o, _core.Parameter))):
                continue
            self.guards.append((attributes, name, o))
            if isinstance(o, _CONTAINERS):
                self._elements(o, _same_layers, ())
            else:
                self._value(o, ())
        if not ours:
            for name in ("forward", "__call__"):
                self._function(getattr(type(layer), name, None), layer)

    def _elements(self, o: Any, again: Any, names: tuple[str, ...]) -> None:
        """The elements of a list, tuple, dict or set."""
        if len(o) > SHORT or not self._new(o, again, names):
            return
        found = tuple(_values(o))
        if not isinstance(o, tuple):
            self.guards.append((o, None, found, again))
        for each in found:
            if isinstance(each, _CONTAINERS):
                self._elements(each, again, names)
            else:
                self._value(each, names)

    def _names(self, code: types.CodeType) -> tuple[str, ...]:
        """The globals and attributes that code names, of functions in it too."""
        found = self._code.get(code)
        if found is None:
            names: set[str] = set()
            todo = [code]
            while todo:
                one = todo.pop()
                names.update(one.co_names)
                todo += [c for c in one.co_consts if isinstance(c, types.CodeType)]
            found = self._code[code] = tuple(sorted(names))
            self.names |= names
        return found


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
