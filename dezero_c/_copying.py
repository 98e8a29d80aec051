"""pickle, copy and deepcopy of Variables and Functions, without recursion along the graph.

A leaf is stored on its own. A Variable that was computed is stored as a place in a `_Graph`: the flat list of all
computed Variables before it, so that depth costs no stack. While a `_Graph` lives, which a pickler's memo sees to,
Variables that are in it are stored as places in it, and so what two results share stays shared.
"""

from __future__ import annotations

import weakref
from typing import TYPE_CHECKING

import dezero_c._core as _core
from dezero_c import chapter1

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from dezero_c._core import Function, Variable

    Named: TypeAlias = type[Any] | str

# computed Variable -> weak reference to the _Graph that lists it
_graphs: weakref.WeakKeyDictionary[Variable, weakref.ref[_Graph]] = weakref.WeakKeyDictionary()


_COMPILED = "dezero_c:"     # before the names of compiled classes


def _named(cls: type[Any]) -> Named:
    """cls; for a compiled class the name that it is registered by, whatever module it is in; for one of chapter1 its name
    there: pickle would look for it in a module `chapter1`, which exists only while the drop-in is on."""
    if (name := _core.class_name(cls)) is not None:
        return _COMPILED + name
    return cls.__name__ if vars(chapter1).get(cls.__name__) is cls else cls


def _class(named: Named) -> Any:
    if not isinstance(named, str):
        return named        # a user's class; in pickles of 0.1.0 compiled ones too
    if not named.startswith(_COMPILED):
        return getattr(chapter1, named)
    name = named.removeprefix(_COMPILED)
    try:
        return _core.class_by_name(name)
    except KeyError:
        import dezero_c.core_simple
        import dezero_c.layers
    try:
        return _core.class_by_name(name)
    except KeyError:
        raise AttributeError(f"this pickle holds a {name}, which dezero_c {dezero_c.__version__} does not have; read it with the "
                             "version that wrote it") from None


class _Graph:
    """The computed Variables that lead to a root and lie in no living _Graph, and the Functions between them."""

    def __init__(self, nodes: list[Variable]) -> None:
        self.nodes = nodes
        self.places = {id(v): i for i, v in enumerate(nodes)}
        here = weakref.ref(self)
        for node in nodes:
            _graphs[node] = here

    def __reduce__(self) -> tuple[Any, ...]:
        return _blank_graph, (tuple(_named(type(v)) for v in self.nodes),), self._state()

    def _state(self) -> tuple[list[Any], list[Any]]:
        def stored(v: Variable) -> Variable | int:
            """A Variable of this graph as its place, any other as itself."""
            return self.places.get(id(v), v)

        functions, seen = [], set()
        for node in self.nodes:
            f: Any = node.creator
            if id(f) not in seen:
                seen.add(id(f))
                outputs = [r() for r in f.outputs]
                functions.append((
                    _function_state(f), [stored(x) for x in _core.inputs_of(f)],
                    [None if y is None or y.creator is not f else stored(y) for y in outputs],
                    f.generation, _core.multiple_outputs(f)))
        return [_core.variable_state(v) for v in self.nodes], functions

    def __setstate__(self, state: tuple[list[Any], list[Any]]) -> None:
        variables, functions = state

        def restored(v: Any) -> Any:
            return self.nodes[v] if isinstance(v, int) else v

        for node, own in zip(self.nodes, variables, strict=True):
            _core.restore_variable(node, own)
        for own, inputs, outputs, generation, shapes in functions:
            _core.link(_restore_function(*own), tuple(restored(x) for x in inputs),
                       [restored(y) for y in outputs], shapes, generation)


def _blank_graph(classes: tuple[Named, ...]) -> _Graph:
    return _Graph([_blank_variable(cls) for cls in classes])


def _blank_variable(named: Named) -> Any:
    cls = _class(named)
    return cls.__new__(cls)


def _place(graph: _Graph, i: int) -> Variable:
    return graph.nodes[i]


def _collect(root: Variable) -> list[Variable]:
    """The computed Variables before `root`, and itself, that no living _Graph lists."""
    nodes, todo, seen = [], [root], set()
    while todo:
        v = todo.pop()
        if v.creator is None or id(v) in seen or _living(v) is not None:
            continue
        seen.add(id(v))
        nodes.append(v)
        todo.extend(_core.inputs_of(v.creator))
        todo.extend(y for r in v.creator.outputs if (y := r()) is not None)
    return nodes


def _living(v: Variable) -> Any:
    reference = _graphs.get(v)
    return reference and reference()


def reduce_variable(v: Variable) -> tuple[Any, ...]:
    """What `Variable.__reduce__` gives."""
    if v.creator is None:
        return _blank_variable, (_named(type(v)),), _core.variable_state(v)
    graph = _living(v)
    if graph is None:
        graph = _Graph(_collect(v))
    return _place, (graph, graph.places[id(v)])


def copy_variable(v: Variable) -> Variable:
    """copy.copy: a Variable that shares data, gradient, attributes and creator, whose output the original stays."""
    new = type(v).__new__(type(v))
    _core.restore_variable(new, _core.variable_state(v))
    if v.creator is not None:
        new.creator, new.generation = v.creator, v.generation
    return new


def _function_state(f: Function) -> tuple[Any, ...]:
    return _named(type(f)), f._arguments(), f._call_state(), dict(f.__dict__), _core.is_native(f)


def _restore_function(named: Named, arguments: tuple[Any, ...], state: Any, attributes: dict[str, Any],
                      native: bool) -> Any:
    cls = _class(named)
    f = cls.__new__(cls)
    if arguments:   # those of the built-in class below a user's subclass
        next(c for c in cls.__mro__ if c.__module__.startswith("dezero_c._")).__init__(f, *arguments)
    if state is not None:
        f._restore_call_state(state)
    f.__dict__.update(attributes)
    _core.set_native(f, native)
    return f


def reduce_function(f: Function) -> tuple[Any, ...]:
    """What `Function.__reduce__` gives: the function as it was before its call."""
    return _restore_function, _function_state(f)


_core.register_methods(reduce_variable=reduce_variable, reduce_function=reduce_function, copy_variable=copy_variable)
