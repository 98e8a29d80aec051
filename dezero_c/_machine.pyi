from collections.abc import Callable
from typing import Any, final

from ._calls import Signature
from ._core import Trace, Variable
from ._plan import Call

class NotNative(Exception):
    """The machine cannot run a trace; the message says what stands in the way."""

@final
class Cell:
    """A value that Variables and gradients have, those that share an array the same one: where it is now on the tape. A place
    of one float64 number may stand for an array whose elements are all the same.
    """

@final
class Outside:
    """A Variable, or an array that is an argument or an operand, from outside of the call: what is read and what is changed."""

@final
class Compiler:
    """What is known so far of the Variables of a trace, by their numbers in its log."""

@final
class Machine:
    """A captured call on the machine. Made by `of`."""
    lines: list[str]
    def __len__(self) -> int: ...
    @property
    def nbytes(self) -> int:
        """Bytes of its instructions, their lines, and its numbers."""
    @property
    def optimizers(self) -> list[Any]:
        """Those that then update their parameters."""
    @staticmethod
    def of(
        trace: Trace,
        args: tuple[Any, ...],
        signature: Signature,
        bare: list[Variable],
        own: list[int],
        holders: dict[int, Variable],
        copied: set[int],
        decode: Callable[[Any], tuple[str, tuple[Any, ...]]],
    ) -> tuple[Machine, Compiler]:
        """The machine for a trace of f(*args); `finish` is its last step.

        args, signature: see `signature_of`; bare: Variables among the arguments that had no gradient when the call began; own:
        positions of those that must be these very ones; holders: {position: the Variable that stood for the ndarray there};
        copied: ids of arrays that a call makes anew each time; decode: what a function of arrays is.
        Raises NotNative.
        """
    def finish(
        self,
        compiler: Compiler,
        found: list[Any],
        shape: Any,
        missing: Any,
        rebuilt: Callable[[Any, list[Any]], Any],
        guards: list[tuple[Any, Any, Any]],
    ) -> None:
        """Lays out what a call reads, makes and changes. found, shape: the result's parts and its tree, `missing` in their
        places, for `rebuilt`; guards: see `holds`. Raises NotNative.
        """
    def side_by_side(self, args: tuple[Any, ...], columns: list[Any]) -> tuple[list[Any], list[int]] | None:
        """The results of several calls, which differ in some arguments; None where the machine cannot tell.

        args: those of one of the calls; columns: for each argument a float64 array (n,) of what it is in each, or None for one
        that is the same in all. Gives [array (n,) for each part of the result] and a list of calls that have to be made as
        they are, since a floating-point flag was raised next to them, or they go another way.
        """
    def ways(self) -> list[tuple[int, bool, str]]:
        """(slot, whether it must be true, file and line) of each number by which the call goes the way that it goes."""
    def listing(self) -> list[tuple[str, int, list[int], int, str]]:
        """(name, slot of the result, slots of the operands, the result's length in slots, file and line) of each instruction."""

def call_at_once(cls: type[Any]) -> type[Any]:
    """Has calls of a class's instances go to Dispatch's way with the arguments where they lie, without a tuple and a dict for
    them, which Cython's own makes. A subclass does not inherit it.
    """

class Dispatch:
    """The base of captured functions: a call goes to a machine or a plan that takes it, or else to `_call`."""
    _machines: list[Machine]
    _calls: list[Call]
    _f: Callable[..., Any]
    _held: int
    _left: int
    def _goes_astray(self) -> bool:
        """Whether so many replays by operations are given up at a branch that no replay would take less time."""
    def __call__(self, *args: Any, **kwargs: Any) -> Any: ...
    def repeat(self, n: int, *args: Any, **kwargs: Any) -> Any:
        """n calls with these arguments, one after the other, at least one; gives the last one's result. On the machine
        they follow each other without Python, until NumPy has something to say (a warning) or Ctrl-C is pressed, after whole
        calls.
        """
