from collections.abc import Iterable
from typing import Any

from ._arrays import ArrayFunction
from ._core import Variable
from ._typing import Axis, Operand

class Concatenate(ArrayFunction):
    """The class behind `concatenate`: `Concatenate(axis)(x0, x1, …)`."""
    axis: int | None
    def __init__(self, axis: int | None = 0) -> None: ...

class Stack(ArrayFunction):
    """The class behind `stack`: `Stack(axis)(x0, x1, …)`."""
    axis: int
    def __init__(self, axis: int = 0) -> None: ...

class Pad(ArrayFunction):
    """The class behind `pad` with a constant: `Pad(((before, after), …))(x)`, a pair for each axis."""
    pad_width: Any
    constant_values: Any
    def __init__(self, pad_width: Any, constant_values: Any = 0) -> None: ...

class Repeat(ArrayFunction):
    """The class behind `repeat`: `Repeat(repeats, axis)(x)`."""
    repeats: Any
    axis: int | None
    def __init__(self, repeats: Any, axis: int | None = None) -> None: ...

class Tile(ArrayFunction):
    """The class behind `tile`: `Tile(reps)(x)`."""
    reps: Any
    def __init__(self, reps: Any) -> None: ...

class Roll(ArrayFunction):
    """The class behind `roll`: `Roll(shifts, axes)(x)`, two tuples of equal length."""
    shift: tuple[int, ...]
    axis: tuple[int, ...]
    def __init__(self, shift: tuple[int, ...], axis: tuple[int, ...]) -> None: ...

class CumSum(ArrayFunction):
    """The class behind `cumsum`: `CumSum(axis)(x)`."""
    axis: int | None
    def __init__(self, axis: int | None = None) -> None: ...

class CumProd(ArrayFunction):
    """The class behind `cumprod`: `CumProd(axis)(x)`."""
    axis: int
    def __init__(self, axis: int) -> None: ...

class Scan(ArrayFunction):
    """s[i] = b[i] + a[i] s[i - 1] along an axis, where a[i] stands between i - 1 and i; backwards s[i] = b[i] + a[i + 1] s[i + 1]:
    `Scan(axis)(a, b)`. Each is the other's gradient for b; `cumprod` needs them. a[0] is not used.
    """
    axis: int
    backwards: bool
    def __init__(self, axis: int, backwards: bool = False) -> None: ...

def expand_dims(x: Operand, axis: int | tuple[int, ...]) -> Variable:
    """x with axes of length 1 put in, a view.

    axis: where they are in the result, an int or a tuple of ints; negative ones count from the result's end. One that
    the result does not have becomes the last or the first, as in DeZero, with a UserWarning; in a tuple it raises AxisError (a
    ValueError).
    """

def flatten(x: Operand) -> Variable:
    """All axes but the first made one: (N, …) becomes (N, rest), and (N,) becomes (N, 1). Raises AxisError (a ValueError and
    an IndexError) for a 0-d x.
    """

def squeeze(x: Operand, axis: Axis = None) -> Variable:
    """x without axes of length 1, a view.

    axis: int or tuple of ints, the axes to take out; None: all of length 1. Raises ValueError for an axis that is longer.
    """

def moveaxis(x: Operand, source: int | tuple[int, ...], destination: int | tuple[int, ...]) -> Variable:
    """Axes `source` (int or sequence) at the places `destination`, the others in their order: a view. Raises ValueError when
    the two are not equally many, or name an axis twice; AxisError for one that x does not have.
    """

def swapaxes(x: Operand, axis1: int, axis2: int) -> Variable:
    """Two axes exchanged, a view. Raises AxisError (a ValueError) for an axis that x does not have."""

def concatenate(xs: Iterable[Operand], axis: int | None = 0) -> Variable:
    """Arrays joined along an axis that they have; None: flattened ones.

    xs: a sequence of Variables or arrays, of equal lengths along the other axes. The result has NumPy's common dtype, but integer
    arrays, lists and numbers take the dtype of floating-point arrays that they join. Raises ValueError for shapes that do
    not fit or no array at all, AxisError (a ValueError) for an axis that the first does not have.
    """

def stack(xs: Iterable[Operand], axis: int = 0) -> Variable:
    """Arrays of one shape joined along a new axis, which is `axis` in the result.

    Dtypes as in `concatenate`. Raises ValueError for shapes that differ or no array at all, AxisError (a ValueError) for an axis
    that the result would not have.
    """

def split(x: Operand, indices_or_sections: Any, axis: int = 0) -> list[Variable]:
    """A list of parts of x along an axis, views, as np.split.

    indices_or_sections: an int, so many equal parts, or the sequence of places where parts begin. Raises ValueError where equal
    parts do not come out even, AxisError (a ValueError) for an axis that x does not have.
    """

def pad(x: Operand, pad_width: Any, mode: str = "constant", constant_values: Any = 0) -> Variable:
    """x with values put before and after it along its axes, as np.pad.

    pad_width: an int, a pair (before, after), or a pair for each axis; mode: "constant" (constant_values, in x's dtype), or
    "edge", "reflect", "symmetric", "wrap", which repeat x's values, and give them the sum of their copies' gradients. Raises
    ValueError for other modes, for widths that do not fit or are negative, and for an empty axis that is to be repeated.
    """

def repeat(x: Operand, repeats: Any, axis: int | None = None) -> Variable:
    """Each element, or each slice along an axis, repeated in place, as np.repeat.

    repeats: an int, or an array of one count for each; axis None: of the flattened array, flat. Raises ValueError for counts
    that are negative or do not fit, TypeError for those that are no integers, AxisError (a ValueError) for an axis that x does
    not have.
    """

def tile(x: Operand, reps: Any) -> Variable:
    """x laid out `reps` times along each axis (an int or a sequence, for the last axes), as np.tile. Raises ValueError for
    negative reps, TypeError for those that are no integers.
    """

def flip(x: Operand, axis: Axis = None) -> Variable:
    """The elements along axes (int, tuple of ints, None: all) in reverse order, a view. Raises AxisError (a ValueError) for an
    axis that x does not have.
    """

def roll(x: Operand, shift: Any, axis: Axis = None) -> Variable:
    """The elements moved along axes; those that leave at one end come in at the other, as np.roll.

    shift: an int, or one for each of the axes (an int, or a tuple, which may name an axis more than once); axis None: of the
    flattened array, in x's shape. Raises ValueError when they are not equally many, AxisError for an axis that x does not have.
    """

def cumsum(x: Operand, axis: int | None = None) -> Variable:
    """Sums of the elements up to each, along an axis; None: of the flattened array, flat.

    dtype as np.cumsum: small integers become the machine's int. The gradient is the cumulative sum of gy from the end. Raises
    AxisError (a ValueError) for an axis that x does not have.
    """

def cumprod(x: Operand, axis: int | None = None) -> Variable:
    """Products of the elements up to each, along an axis; None: of the flattened array, flat.

    dtype as np.cumprod: small integers become the machine's int. The gradient is right where elements are 0, too, and takes no
    division. Raises AxisError (a ValueError) for an axis that x does not have.
    """

def diff(x: Operand, n: int = 1, axis: int = -1, prepend: Operand | None = None, append: Operand | None = None) -> Variable:
    """Differences of neighbours along an axis, x[1:] - x[:-1], n times over, as np.diff.

    prepend, append: what x is extended by first, a number or an array of x's shape but along the axis; both have gradients.
    Raises ValueError for a negative n and a 0-d x, TypeError for booleans, AxisError (a ValueError) for an axis that x does not
    have.
    """

__all__ = [
    "Concatenate", "CumProd", "CumSum", "Pad", "Repeat", "Roll", "Scan", "Stack", "Tile", "concatenate", "cumprod",
    "cumsum", "diff", "expand_dims", "flatten", "flip", "moveaxis", "pad", "repeat", "roll", "split", "squeeze",
    "stack", "swapaxes", "tile",
]
