from collections.abc import Callable
from typing import Any, final

from ._core import Function, Variable

MISSING: object

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
    """The arguments that a call has, by position and then by name. Part of a Signature."""

class Place:
    """The k-th array's place in a Template."""
    k: int
    def __init__(self, k: int) -> None: ...

@final
class Group:
    """A tuple, a list, a slice or a dict that has places in it: what each replay makes anew."""

class Template:
    """function(*args, **kwargs) as a function of the arrays that Places in args and kwargs stand for, in tuples, lists, dicts
    and slices, too.
    """
    function: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    def __init__(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None: ...
    def __call__(self, *arrays: Any) -> Any: ...

def call_into(function: Callable[..., Any], target: Any, *args: Any, **kwargs: Any) -> None:
    """function(*args, out=target, **kwargs)"""

def call_method(name: str, array: Any, *args: Any, **kwargs: Any) -> Any:
    """array.name(*args, **kwargs)"""

@final
class Branch:
    """A tuple, list or dict among the arguments."""

class Signature:
    """How a call's arguments are given: which have names, which are trees, which count by what they are; and what they are when
    the call begins, which may change them. Made by `signature_of`.
    """
    static: frozenset[int]

def signature_of(args: tuple[Any, ...], kwargs: dict[str, Any], static: frozenset[int | str]) -> tuple[tuple[Any, ...], Signature]:
    """(the leaves of all arguments in order, those by name last; their Signature). static: places and
    names of arguments that count by what they are.
    """
