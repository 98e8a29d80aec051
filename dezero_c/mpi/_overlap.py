"""Learning during a walk backwards which gradients are final.

The walk takes Functions by falling generation, among equals the one added last first. A function that does nothing, put into the
graph with generation g before all others, is therefore reached when every Function of generation g or more has been passed:
then the gradients of all parameters that are used at g or later, and nowhere before, are complete. The graph is looked
through once a step to find at which generation each parameter is used first, and such functions are hung on a new root beside the
loss. Neither parameters nor the order of the walk change, and so no bit of any gradient does.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

from dezero_c._core import Function, Variable, inputs_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

__all__ = ["backward_with", "first_uses"]


class Reached(Function):
    """Calls `call` when the walk comes here; gives no gradient."""

    def __init__(self, call: Callable[[], None]) -> None:
        self.call = call

    def forward(self, *xs: Any) -> Any:
        return xs[0]

    def backward(self, *gys: Any) -> Any:
        self.call()
        return None


class Root(Function):
    """The loss, with Reached functions beside it."""

    def __init__(self, number: int) -> None:
        self.number = number

    def forward(self, *xs: Any) -> Any:
        return xs[0]

    def backward(self, *gys: Any) -> Any:
        return (gys[0], *[None] * self.number)


def first_uses(loss: Variable, wanted: Iterable[int]) -> dict[int, int]:
    """{id of a Variable: the lowest generation of a Function that uses it} for those of the ids `wanted` that loss depends on.
    """
    lowest: dict[int, int] = {}
    ids = frozenset(wanted)
    creator: Any = loss.creator
    todo, seen = ([] if creator is None else [creator]), {id(creator)}
    while todo:
        f = todo.pop()
        for x in inputs_of(f):
            if id(x) in ids:
                lowest[id(x)] = min(lowest.get(id(x), f.generation), f.generation)
            before = x.creator
            if before is not None and id(before) not in seen:
                seen.add(id(before))
                todo.append(before)
    return lowest


def backward_with(loss: Variable, calls: dict[int, Callable[[], None]]) -> None:
    """`loss.backward()` during which calls[g]() comes as soon as all Functions of generation g and above have been passed."""
    marks = []
    for generation in sorted(calls, reverse=True):
        reached = Reached(calls[generation])
        marks.append(reached(Variable(np.zeros(()))))
        reached.generation = generation
    root = Root(len(marks))(loss, *marks)
    gradient = loss.grad
    if gradient is not None:        # set by the user: where the walk starts from
        root.grad = gradient
        loss.cleargrad()
    interval = sys.getswitchinterval()
    sys.setswitchinterval(min(interval, 1e-4))      # for the helper thread to get its turn between two short operations
    try:
        root.backward()
    finally:
        sys.setswitchinterval(interval)
