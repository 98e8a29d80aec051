from typing import Any

from ._core import Function, Variable

class CaptureError(RuntimeError):
    """A function cannot be captured, or not go on as it was captured; the message says where and what to do."""

class Replayed(Function):
    """Stands for the creator of what a captured function gave: its graph stays in the plan."""

def call_key(args: tuple[Any, ...], kwargs: dict[str, Any], static: frozenset[int | str], variables: list[Variable], arrays: list[Any],
             held: list[Any]) -> Any:
    """What calls that a plan can serve have in common: modes, and what the arguments are, by place and name. Appends the
    Variables and ndarrays among them, in order, and the objects that are in the key by identity. static: places and names of
    arguments that count by what they are.
    """

def cell_of(cell: Any) -> Any:
    """What a closure's cell holds; an object of our own where it is empty."""

def holds(guards: list[tuple[Any, Any, Any]]) -> bool:
    """Whether all guards (dezero_c/_capture/guards.py) are as they were: the very object, or an equal number or string."""

def plain_key(o: Any) -> Any:
    """What a number, a string or None is the same by; None for anything else."""

class Arguments:
    """The arguments that a call has by position. Made by `arguments_of`."""
