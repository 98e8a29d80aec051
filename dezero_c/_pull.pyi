from typing import Any

from ._core import Function, Variable

class Same(Function):
    """A function's argument, as what was handed to a transform."""

def begin() -> int:
    """A transform begins: what follows is recorded, whatever the mode. Gives what `end` wants."""

def end(before: int) -> None:
    """The opposite of begin."""

def under_way() -> int:
    """How many transforms of this thread are under way."""

def unseen(function: Any, args: tuple[Any, ...]) -> Any:
    """function(*args), which records no graph and is not traced: what it computes is the same in every call of a traced
    function.
    """

def arguments(values: list[Any], linked: bool) -> tuple[list[Variable], int]:
    """([Variable], generation): those that a function is called with, one for each of `values` (arrays or Variables), and the
    generation they have. linked: gradients go on from them to Variables among the values. An array cannot be written to through
    them.
    """

def outputs(f: Function) -> list[Variable | None]:
    """f's outputs, None for one that is gone."""

def between(xs: list[Variable], ys: list[Variable], floor: int) -> tuple[list[Function], list[list[int]]]:
    """(functions, their inputs that depend on xs): the Functions between xs and ys, in an order of computation; for each the
    numbers of those of its inputs that lead to xs.
    """

def outside(xs: list[Variable], ys: list[Variable], floor: int) -> list[Variable]:
    """The Variables beside xs that ys depend on, each once: those without a creator, and the arguments of transforms that began
    before `floor`; not the operands that were no Variables.
    """

def rule(f: Function, gys: list[Variable]) -> list[Variable | None]:
    """The gradients of f's inputs by operations on Variables: a sequence, None where there is none."""

def pull(ys: list[Variable], gys: list[Any], xs: list[Variable], floor: int, create_graph: bool) -> list[Variable | None]:
    """The gradients of sum(gy * y) by each of xs: Variables, None where there is none. By rules over Variables, recorded with
    create_graph; no Variable's gradient is looked at or changed.
    """

def cut(ys: list[Variable], xs: list[Variable], floor: int) -> list[bool]:
    """Readies the graph between xs and ys for pull_arrays: operands that do not depend on xs become constants there, and
    gradients that the function itself has made go. xs: all leaves of generation `floor`. Gives for each of ys whether it depends
    on xs: the gradients of the others are the caller's, and no business of pull_arrays.
    """

def pull_arrays(ys: list[Variable], gys: list[Variable] | None, xs: list[Variable]) -> list[Any]:
    """As `pull`, on a graph that `cut` has readied, by the engine's walk: ndarrays that are nobody else's, None where there is
    none. ys: those that depend on xs. gys: None for ones, else Variables. Not for two threads at once.
    """

def gradient(function: Any, args: tuple[Any, ...], kwargs: dict[str, Any], numbers: tuple[int, ...], check: Any) -> Any:
    """(value, gradients, arrays that f was called with, aux) of a function of arrays whose result is one number: what the general
    way gives, for arguments that are ndarrays of floats, or floats, outside of other transforms; None where they are not.
    check(result) gives y and whatever else the caller wants of it, or raises; gradients are None where y does not depend.
    """

def is_elementwise(f: Function) -> bool:
    """Whether f is an operation of the table: its Jacobian is diagonal."""

def push_elementwise(f: Function, which: list[int], dxs: list[Any]) -> Variable | None:
    """The tangent of an elementwise operation's output: the sum of its gradient rules with the tangents of the inputs `which` in
    gy's place (None: zeros), in the output's shape; None where that is zeros.
    """

def push(steps: list[Any], at: dict[int, Any], record: bool) -> None:
    """Tangents through a graph. steps: (function, which of its inputs depend, their ids, None for an elementwise operation or
    else what gives the tangents of its outputs, its outputs); at: {id of a Variable: its tangent}, which is added to.
    """

def scattered(values: Any, of: Any, at: Any, shape: tuple[int, ...]) -> Any:
    """Zeros of a shape, in the dtype of `values`, whose elements `at` are values[of]; of, at: numbers along the flattened arrays,
    intp, as many as each other. All arrays lie in C order. Raises IndexError for a number that is beyond.
    """
