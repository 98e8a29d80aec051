from collections.abc import Callable, Sequence
from typing import Any, final

from ._calls import Signature
from ._core import Trace, Variable

def drawing(trace: Trace) -> list[Any]:
    """The operations of a call that have drawn random numbers (dropout), in order."""

def given_gradients(trace: Trace) -> list[Any]:
    """The gradients that the call's Variables have, of those whose gradients were read, shown or set."""

def has_calls(trace: Trace) -> bool:
    """Whether somebody's code ran untraced."""

def made_by(trace: Trace) -> list[tuple[Any, str]]:
    """(weak reference, the user's line) of each Variable that a call has made, and that something beside its log may hold."""

def forget(trace: Trace) -> None:
    """Lets go of all that the log holds."""

def late_branch(trace: Trace) -> str | None:
    """The user's line of a look at a value where it is too late to make the call again, for what it has changed before; None
    where there is none.
    """

def end_graph(trace: Trace) -> None:
    """Takes what a traced call has computed out of its graph, as a replay's results are."""

EXACT: dict[str, int]

class Plan:
    """The instructions of one captured call, and the nodes that they work on."""
    lines: list[str]
    busy: bool
    branches: bool
    def __len__(self) -> int: ...
    def argument(self, v: Variable) -> Variable:
        """A Variable to stand for v, an argument; `give` and `take_back` connect it with the one that is passed."""
    def check(self, trace: Trace) -> None:
        """Raises CaptureError, having changed nothing, for what a plan cannot do."""
    def build(self, trace: Trace, copied: set[int], decode: Callable[[Any], tuple[str, tuple[Any, ...]]],
              bare: list[Variable]) -> Plan:
        """The instructions for the events of `trace`. copied: ids of arrays that a call makes anew each time; decode: tells what
        a function of arrays is; bare: arguments that had no gradient when the call began. Raises CaptureError, having changed
        nothing, for what a plan cannot do.
        """
    def finish(self, results: Any) -> list[Variable | None]:
        """The plan's Variables for `results`, None for one from outside. The last step of making: the trace's are forgotten."""
    def fits(self) -> bool:
        """Whether what the plan uses from outside is as it was: shapes, dtypes, pinned arrays, gradients that are there or
        not.
        """
    def suits(self, pairs: list[tuple[Variable, Variable]]) -> bool:
        """Whether the Variables of a call can stand in for those of `pairs`, (the plan's, the call's): none that the plan also
        knows from outside, none with or without a gradient where the other way decided what was done.
        """
    def acquire(self) -> bool:
        """Takes the plan for one call, from giving it arguments to taking results; False where another call has it."""
    def release(self) -> None:
        """The opposite of acquire."""
    def may_start_again(self, error: Exception) -> bool:
        """Whether the function itself can be called after an error of a replay: it may catch that, or else raises it from its own
        lines.
        """
    def run(self) -> bool:
        """Replays the call. False, having changed nothing that the call would not do again, where it goes another way than the
        traced one. What it raises is what the call would; nothing of the plan's is left half done.
        """
    def leave(self, v: Variable) -> Variable:
        """A Variable for the user with v's value, its memory included; v itself where it is not the plan's, and the argument that
        it stands for.
        """
    def give(self, stand: Variable, v: Variable) -> None:
        """Moves v's value and gradient to `stand`."""
    def take_back(self, stand: Variable, v: Variable) -> None:
        """Moves them back."""
    def listing(self) -> list[tuple[str, str, str]]:
        """(kind, operation, file and line) of each instruction."""

class Call:
    """A plan with what it asks of a call and how it is connected with its arguments and results. Made by `call_of`."""
    plan: Plan
    as_it_is: bool

def call_of(
    plan: Plan,
    args: tuple[Any, ...],
    signature: Signature,
    own: list[int],
    stands: list[tuple[int, Variable]],
    holders: list[Variable],
    found: list[Any],
    shape: Any,
    missing: Any,
    rebuilt: Callable[[Any, list[Any]], Any],
    guards: list[tuple[Any, Any, Any]],
    itself: bool,
) -> Call | None:
    """The plan's Call; None for arguments that `call_key` has to tell of.

    args, signature: see `signature_of`; own: indices, among the Variables in args, of those that must be these very ones; stands:
    (such an index, the Variable that stands for it); holders: the Variable for each array, in order; found, shape: the result's
    parts and its tree, with `missing` in their places, for `rebuilt`; guards: see `holds`; itself: the function itself may be
    called where that is as fast.
    """

@final
class Told:
    """What the events of `trace` say. arguments: Variables that count by their place; same(v) stands for others from outside."""
    def __new__(cls, trace: Trace, arguments: Sequence[Variable], same: Callable[[Any], Any]) -> Told: ...
    def __len__(self) -> int: ...
    def tell_all(self, rest: Callable[[Any], Any]) -> None:
        """Makes words and parts. rest(event) tells of rare events, by `number` and `new`."""
    def finish(self) -> None:
        """The last step: the trace is let go of."""
    def number(self, v: Variable) -> int | None:
        """v's, as one that has appeared; None for one that has not."""
    def new(self, v: Variable) -> None:
        """v appears."""
    def first_difference(self, other: Told) -> tuple[int, list[Any] | None, list[Any] | None] | None:
        """(number, what it is here, what it is in `other`) of the first event that is another there, None for one that is not
        there; None where all are the same.
        """
    def line_of(self, k: int) -> str:
        """The user's file and line of event k."""
