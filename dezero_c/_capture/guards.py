"""What a program depends on beside its arguments: what the code of the captured function names, in globals, closures, instances,
classes and modules, and all that is in the layers among that. `Outside` finds it; `holds` (src/dezero_c/_calls.pyx) looks, at
each call, whether it is as it was.

A guard is (dict or cell, name, object): the name stands for this very object, or an equal number or string. Or
(object, None, elements, again): a list or dict has these very elements, or `again(object, elements)` says that they are as good
as these. Or (dict, None, n, (layer, class)): a layer's attributes are n, and it is of this class.
"""

from __future__ import annotations

import collections
import contextlib
import functools
import random
import sys
import types
import weakref
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c._calls import MISSING, cell_of, holds, plain_key
from dezero_c._machine import Dispatch
from dezero_c.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, TypeAlias

    _Guard: TypeAlias = tuple[Any, ...]

__all__ = ["Outside", "moved", "unchanged"]

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
    _core.Variable, _core.Function, np.ndarray, np.generic, np.ufunc, np.dtype, int, float, complex, str, bytes,
    types.NoneType, types.BuiltinFunctionType)


def unchanged(guards: list[_Guard]) -> list[_Guard]:
    """The guards of before a call, without those of what the call itself has changed: counters, and lists that it appends to,
    which replays leave alone."""
    return guards if holds(guards) else [guard for guard in guards if holds([guard])]


def moved(guards: list[_Guard]) -> str:
    """What the first guard is called that does not hold any more."""
    for guard in guards:
        if not holds([guard]):
            if guard[1] is not None:
                return str(guard[1])
            names = guard[3].names if isinstance(guard[3], _Attributes) else ()
            return f"{', '.join(names)} of a {type(guard[0]).__name__}" if names else f"what is in a {type(guard[0]).__name__}"
    return "something"


def _same(a: Any, b: Any) -> bool:
    if type(a) is tuple and type(b) is tuple:
        return len(a) == len(b) and all(map(_same, a, b))
    return a is b or ((key := plain_key(a)) is not None and key == plain_key(b))


def _ours(module: Any) -> bool:
    return str(module or "").partition(".")[0] in ("dezero_c", "numpy")


def _pythons(module: Any) -> bool:
    """Whether functions of a module are ours, or Python's."""
    return _ours(module) or str(module or "").partition(".")[0] in sys.stdlib_module_names


_libraries: dict[str, bool] = {}


def _library(module: Any) -> bool:
    """Whether a module is ours, Python's, or an installed package's: its functions, classes and attributes are not looked at."""
    root = str(module or "").partition(".")[0]
    found = _libraries.get(root)
    if found is None:
        file = getattr(sys.modules.get(root), "__file__", None) or ""
        found = _libraries[root] = _pythons(root) or "site-packages" in file or "dist-packages" in file
    return found


_KINDS: list[tuple[str, tuple[type, ...]]] = [
    ("array", (np.ndarray,)), ("layer", (Layer,)), ("container", _CONTAINERS), ("generator", _GENERATORS),
    ("method", (types.MethodType,)), ("builtin", (types.BuiltinMethodType,)), ("function", _FUNCTIONS), ("wrapped", _WRAPPED),
    ("module", (types.ModuleType,)), ("nothing", _ELSEWHERE), ("class", (type,))]
_kinds: weakref.WeakKeyDictionary[type, str] = weakref.WeakKeyDictionary()


def _kind(cls: type) -> str:
    """How an object of a class is looked at."""
    found = _kinds.get(cls)
    if found is None:
        found = _kinds[cls] = next((kind for kind, classes in _KINDS if issubclass(cls, classes)), "object")
    return found


class _Attributes:
    """The last part of a guard: whether an object has the same behind these names, which are no keys of its dictionary."""

    def __init__(self, names: tuple[str, ...]) -> None:
        self.names = names

    def of(self, o: Any) -> tuple[Any, ...]:
        """What they stand for: in a class, or in slots."""
        if isinstance(o, type):
            return tuple(vars(o).get(name, MISSING) for name in self.names)
        found = []
        for name in self.names:     # a slot of the first class that has it
            descriptor = next(vars(c)[name] for c in type(o).__mro__ if name in vars(c))
            try:
                found.append(descriptor.__get__(o))
            except AttributeError:
                found.append(MISSING)
        return tuple(found)

    def __call__(self, o: Any, expected: tuple[Any, ...]) -> bool:
        return _same(self.of(o), expected)


class Outside:
    """All that a function's code names, and what is found on the way: `guards`; `states`, guards of the states of the library's
    recurrent layers; `generators` of random numbers; `arrays`, (what it is called, array); `names`, of globals and attributes,
    in all code of the user's.

    Any code may have been handed any of the objects, so that each is asked for all names.

    function: or a model, or another callable object. instance: of which it is a method. arguments: what it is called with that
    counts by what it is.
    """

    def __init__(self, function: Any, instance: Any = None, arguments: Iterable[Any] = ()) -> None:
        self.guards: list[_Guard] = []
        self.states: list[_Guard] = []
        self.generators: list[Any] = []
        self.arrays: list[tuple[str, Any]] = []
        self.names: dict[str, None] = {}    # in the order in which they were met
        self._seen: set[Any] = set()
        self._kept: list[Any] = []          # what `_seen` knows by its id
        self._objects: list[list[Any]] = []         # [names asked for, object, its dictionary, its classes of the user's]
        self._todo: collections.deque[Any] = collections.deque()
        self._later(self._function, function, instance)
        for o in arguments:
            self._later(self._value, "an argument", o)
        while self._todo:
            while self._todo:
                step, *what = self._todo.popleft()
                with contextlib.suppress(Exception):    # objects whose own code raises when it is looked at
                    step(*what)
            names = list(self.names)
            for found in self._objects:
                asked, found[0] = found[0], len(names)
                if asked < len(names):
                    with contextlib.suppress(Exception):
                        self._ask(found[1], found[2], found[3], names[asked:])

    def _later(self, step: Any, *what: Any) -> None:
        self._todo.append((step, *what))

    def _new(self, *objects: Any) -> bool:
        key = tuple(map(id, objects))
        if key in self._seen:
            return False
        self._seen.add(key)
        self._kept += objects
        return True

    def _value(self, name: str, o: Any) -> None:
        """Something that a name stands for."""
        kind = _kind(type(o))
        if kind == "array":
            if self._new(o):
                self.arrays.append((name, o))
        elif kind == "layer":
            self._layer(o)
            self._object(o)
        elif kind == "container":
            self._elements(name, o, _equal)
        elif kind == "generator" or o is random:
            if self._new(o):
                self.generators.append(random.seed.__self__ if o is random else o)      # type: ignore[attr-defined]
        elif kind in ("method", "builtin") and isinstance(o.__self__, _GENERATORS):
            self._value(name, o.__self__)
        elif kind in ("method", "function"):
            self._function(o, None)
        elif kind == "wrapped":
            self._value(name, next(iter(vars(o).values())))
        elif kind == "module":
            if not _library(o.__name__):
                self._object(o)
        elif kind == "class":
            if not _library(o.__module__):
                self._object(o)
        elif kind == "object":
            self._object(o)

    def _function(self, function: Any, instance: Any) -> None:
        kind = type(function)
        if kind is types.MethodType:
            self._function(function.__func__, function.__self__)
        elif issubclass(kind, (functools.partial, functools.partialmethod)):
            self._function(function.func, instance)
            for o in (*function.args, *function.keywords.values()):
                self._later(self._value, "an argument", o)
        elif issubclass(kind, Layer):
            self._layer(function)
            self._object(function)
        elif issubclass(kind, (staticmethod, classmethod)):
            self._function(function.__func__, None)
        elif issubclass(kind, property):
            for part in (function.fget, function.fset):
                if part is not None:
                    self._function(part, instance)
        elif issubclass(kind, functools.cached_property):
            self._function(function.func, instance)
        elif issubclass(kind, Dispatch):
            method, reference = getattr(function, "_guarded_by", None) or (function._f, None)
            self._function(method, instance if reference is None else reference())
        elif kind is types.FunctionType:
            self._python(function, instance)
            if (wrapped := getattr(function, "__wrapped__", None)) is not None:
                self._later(self._function, wrapped, instance)
        elif not isinstance(function, type):
            called = getattr(kind, "__call__", None)      # noqa: B004  (its code, not whether there is one)
            if isinstance(called, types.FunctionType):
                self._function(called, function)
        else:
            self._value("a class", function)

    def _python(self, function: types.FunctionType, instance: Any) -> None:
        if _pythons(function.__module__) or not self._new(function, instance):
            return
        names = self._names(function.__code__)
        for name in names:
            if name in function.__globals__:
                self._named(function.__globals__, name, function.__globals__[name])
        for cell, name in zip(function.__closure__ or (), function.__code__.co_freevars, strict=True):
            if name != "__class__":     # that super() goes by
                self._named(cell, name, cell_of(cell))
        if instance is not None:
            if isinstance(instance, Layer):
                self._layer(instance)
            self._object(instance)

    def _named(self, where: Any, name: str, o: Any) -> None:
        self.guards.append((where, name, o))
        self._later(self._value, name, o)

    def _object(self, o: Any) -> None:
        """An instance, a class or a module: what the code's names stand for in it is asked in turn."""
        if not self._new(o):
            return
        try:
            attributes = object.__getattribute__(o, "__dict__")
        except AttributeError:
            attributes = None
        lineage = type.mro(o) if isinstance(o, type) else type(o).__mro__
        classes = [c for c in lineage if not _library(c.__module__)]
        self._objects.append([0, o, attributes if type(attributes) is dict else {}, classes])
        for c in classes:       # what Python calls by itself: construction, operators, `with`, `for`, attributes that lack
            for name, member in list(vars(c).items()):
                if name.startswith("__") and isinstance(member, _FUNCTIONS):
                    self._later(self._function, member, None if isinstance(o, type) else o)

    def _ask(self, o: Any, own: dict[str, Any], classes: list[Any], names: Iterable[str]) -> None:
        layer, is_class = isinstance(o, Layer), isinstance(o, type)
        slots: list[str] = []
        values: dict[Any, list[str]] = {}
        for name in names:
            if name in own:
                if not layer:
                    self._named(own, name, own[name])
                elif isinstance(own[name], _CONTAINERS):    # numbers in them too
                    self._elements(name, own[name], _equal)
        instance = not layer and not is_class and own is getattr(o, "__dict__", None)
        missing: set[str] = set()
        for c in classes:       # all of them: super() goes on
            members = vars(c)
            for name in names:
                if name not in members:
                    continue
                found = members[name]
                if instance and name not in own and name not in missing:
                    missing.add(name)
                    self.guards.append((own, name, MISSING))    # an attribute of the instance would stand before the class's
                if isinstance(found, _FUNCTIONS):
                    self._later(self._function, found, None if is_class else o)
                elif isinstance(found, types.MemberDescriptorType):
                    if not is_class:
                        slots.append(name)
                elif not _is_descriptor(found):
                    values.setdefault(c, []).append(name)
                else:
                    self._later(self._object, found)
        if slots:
            self._attributes(o, tuple(slots))
        for c, its in values.items():
            self._attributes(c, tuple(its))

    def _attributes(self, o: Any, wanted: tuple[str, ...]) -> None:
        if not self._new(o, *map(sys.intern, wanted)):
            return
        again = _Attributes(wanted)
        found = again.of(o)
        self.guards.append((o, None, found, again))
        for name, each in zip(wanted, found, strict=True):
            self._later(self._value, name, each)

    def _layer(self, layer: Layer) -> None:
        """All that is in a layer, but what calls of it change: the state of the library's recurrent ones."""
        if not self._new(layer, Layer):
            return
        attributes = layer.__dict__
        ours = _ours(type(layer).__module__)
        self.guards.append((attributes, None, len(attributes), (layer, type(layer))))
        for name, o in list(attributes.items()):       # another thread may add to them
            if name in _BOOKS:
                continue
            if ours and (o is None or isinstance(o, type)
                         or (isinstance(o, _core.Variable) and not isinstance(o, _core.Parameter))):
                self.states.append((attributes, name, o))
                continue
            self.guards.append((attributes, name, o))
            if isinstance(o, _CONTAINERS):
                self._elements(name, o, _same_layers)
            else:
                self._later(self._value, name, o)
        if not ours:
            for name in ("forward", "__call__"):
                self._later(self._function, getattr(type(layer), name, None), layer)

    def _elements(self, name: str, o: Any, again: Any) -> None:
        """The elements of a list, tuple, dict or set."""
        if len(o) > SHORT or not self._new(o, again):
            return
        found = tuple(_values(o))
        if not isinstance(o, tuple):
            self.guards.append((o, None, found, again))
        for each in found:
            if isinstance(each, _CONTAINERS):
                self._later(self._elements, name, each, again)
            else:
                self._later(self._value, name, each)

    def _names(self, code: types.CodeType) -> dict[str, None]:
        """The globals and attributes that code names, of functions in it too."""
        names: dict[str, None] = {}
        todo = [code]
        while todo:
            one = todo.pop()
            names.update(dict.fromkeys(one.co_names))
            todo += [c for c in one.co_consts if isinstance(c, types.CodeType)]
        self.names.update(names)
        return names


def _is_descriptor(o: Any) -> bool:
    return hasattr(type(o), "__get__")


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
