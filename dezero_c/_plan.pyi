from collections.abc import Callable
from typing import Any

from ._core import Trace, Variable

def drawing(trace: Trace) -> list[Any]:
    """The operations of a call that have drawn random numbers (dropout), in order."""

def made_by(trace: Trace) -> list[tuple[Any, str]]:
    """(weak reference, the user's line) of each Variable that a call has made."""

def end_graph(trace: Trace) -> None:
    """Takes what a traced call has computed out of its graph, as a replay's results are."""

EXACT: dict[str, int]

class Plan:
    """The instructions of one captured call, and the nodes that they work on."""
    lines: list[str]
    busy: bool
    def __len__(self) -> int: ...
    def argument(self, v: Variable) -> Variable:
        """A Variable to stand for v, an argument; `give` and `take_back` connect it with the one that is passed."""
    def check(self, trace: Trace) -> None:
        """Raises CaptureError, having changed nothing, for what a plan cannot do."""
    def build(self, trace: Trace, copied: set[int], decode: Callable[[Any], tuple[str, tuple[Any, ...]]]) -> Plan:
        """The instructions for the events of `trace`. copied: ids of arrays that a call makes anew each time. Raises
        CaptureError, having changed nothing, for what a plan cannot do.
        """
    def finish(self, results: Any) -> list[Variable | None]:
        """The plan's Variables for `results`, None for one from outside. The last step of making: the trace's are forgotten."""
    def fits(self) -> bool:
        """Whether what the plan uses from outside is as it was: shapes, dtypes, pinned arrays, gradients that are there or
        not.
        """
    def acquire(self) -> bool:
        """Takes the plan for one call, from giving it arguments to taking results; False where another call has it."""
    def release(self) -> None:
        """The opposite of acquire."""
    def run(self) -> None:
        """Replays the call. What it raises is what the call would; nothing of the plan's is left half done."""
    def leave(self, v: Variable) -> Variable:
        """A Variable for the user with v's value, its memory included; v itself where it is not the plan's."""
    def give(self, stand: Variable, v: Variable) -> None:
        """Moves v's value and gradient to `stand`."""
    def take_back(self, stand: Variable, v: Variable) -> None:
        """Moves them back."""
    def listing(self) -> list[tuple[str, str, str]]:
        """(kind, operation, file and line) of each instruction."""

class Call:
    """A plan with what it asks of a call and how it is connected with its arguments and results. Made by `call_of`."""
    plan: Plan

def call_of(
    plan: Plan,
    args: tuple[Any, ...],
    static: frozenset[int],
    own: list[int],
    stands: list[tuple[int, Variable]],
    holders: list[Variable],
    found: list[Any],
    shape: Any,
    missing: Any,
    rebuilt: Callable[[Any, list[Any]], Any],
    guards: list[tuple[Any, Any, Any]],
) -> Call | None:
    """x"""

def told(events: list[Any], numbers: dict[int, Any], same: Any, rest: Any) -> list[Any]:
    """What each event says, with numbers for Variables: those of `numbers` (by address), and for others that appear later the
    next ones; same(v) stands for a Variable from outside. rest(event) tells of the events that are rare; it finds and extends
    numbers too.
    """
