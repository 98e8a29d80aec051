"""What a graph consists of: its nodes and edges as numbers, and what is written on a Variable."""

from __future__ import annotations

from typing import TYPE_CHECKING

import dezero_c._core as _core

if TYPE_CHECKING:
    from typing import Any, TypeAlias

    from dezero_c._core import Function, Variable

    Edge: TypeAlias = tuple[int, int]

__all__ = ["label", "living", "trace"]


def label(variable: Any) -> tuple[str, str]:
    """(name, shape and dtype) of a Variable as text, either of them "" where there is none."""
    name = getattr(variable, "name", None)
    try:
        about = f"{variable.shape} {variable.dtype}"
    except AttributeError:      # no data
        about = ""
    return "" if name is None else str(name), about


def living(function: Function) -> list[Variable]:
    """The outputs of a function that still exist."""
    found = []
    for reference in function.outputs or ():
        y = reference() if callable(reference) else reference
        if y is not None:
            found.append(y)
    return found


def trace(output: Variable, limit: int) -> tuple[list[Any], list[bool], list[Edge], dict[int, int], int]:
    """The graph behind a Variable: ([object], [is it a Variable], [(source, target)], {number: inputs left out},
    total).

    Numbers are places in the lists, and the output is number 0. A Variable that enters a function twice has two edges
    to it. With more than `limit` nodes, those farthest from the output are left out; total counts all.
    """
    objects: list[Any] = []
    variable: list[bool] = []
    numbers: dict[int, int] = {}
    edges: list[Edge] = []
    drawn: set[Edge] = set()
    cut: dict[int, int] = {}

    def number(node: Any, is_variable: bool) -> int | None:
        """The node's number, a new one if there is room; None if there is none."""
        if (k := numbers.get(id(node))) is None:
            if len(objects) >= limit:
                return None
            k = numbers[id(node)] = len(objects)
            objects.append(node)
            variable.append(is_variable)
        return k

    number(output, True)
    position = 0
    while position < len(objects):
        node, here = objects[position], position
        position += 1
        if variable[here]:
            if (f := node.creator) is None:
                continue
            k = number(f, False)
            if k is None:
                cut[here] = 1
            elif (k, here) not in drawn:
                drawn.add((k, here))
                edges.append((k, here))
            continue
        for x in _core.inputs_of(node) or ():
            k = number(x, True)
            if k is None:
                cut[here] = cut.get(here, 0) + 1
            else:
                edges.append((k, here))
        for y in living(node):
            if (k := number(y, True)) is not None and (here, k) not in drawn:
                drawn.add((here, k))
                edges.append((here, k))
    return objects, variable, edges, cut, len(objects) if not cut else _count(output)


def _count(output: Variable) -> int:
    seen, stack, total = set(), [output], 1
    variables = {id(output)}
    while stack:
        f = stack.pop().creator
        if f is None or id(f) in seen:
            continue
        seen.add(id(f))
        total += 1
        for x in (*(_core.inputs_of(f) or ()), *living(f)):
            if id(x) not in variables:
                variables.add(id(x))
                stack.append(x)
                total += 1
    return total
