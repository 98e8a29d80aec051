from typing import Any

from ._arrays import ArrayFunction
from ._core import Variable
from ._typing import Operand

class GetItem(ArrayFunction):
    """The class behind `get_item` and `x[…]`: `GetItem(slices)(x)`. Lists and arrays in `slices` are copied."""
    @property
    def slices(self) -> Any:
        """The index."""
    def __init__(self, slices: Any) -> None: ...

class GetItemGrad(ArrayFunction):
    """The gradient of indexing, an operation itself: gy's values added up at `slices` of zeros in shape `in_shape`."""
    slices: Any
    in_shape: Any
    def __init__(self, slices: Any, in_shape: Any) -> None: ...

class AddAt(ArrayFunction):
    """The class behind `add_at`: `AddAt(slices)(x, value)`, both of one dtype. Lists and arrays in `slices` are copied."""
    slices: Any
    def __init__(self, slices: Any) -> None: ...

class SetAt(ArrayFunction):
    """The class behind `set_at`: `SetAt(slices)(x, value)`, both of one dtype. Lists and arrays in `slices` are copied."""
    slices: Any
    def __init__(self, slices: Any) -> None: ...

def set_at(x: Operand, slices: Any, value: Operand) -> Variable:
    """What `x[slices] = value` would make of x, as a new array; x stays as it is. Every index that NumPy has.

    value: a Variable, an array or a number that broadcasts to x[slices]; it takes x's dtype. Its gradient is gy at the index, x's
    is gy with zeros there. Where the index names an element more than once the last value is it, in the order of x[slices], and
    has the gradient. Raises IndexError as NumPy does, ValueError for a value that does not broadcast, TypeError for one whose
    kind of dtype x's cannot hold.
    """

def add_at(x: Operand, slices: Any, value: Operand) -> Variable:
    """x with the value added at an index, as a new array; x stays as it is. An element that the index names more than once gets
    every value, as by np.add.at.

    value: a Variable, an array or a number that broadcasts to x[slices]; it takes x's dtype. Its gradient is gy at the index, x's
    is gy. Errors as in `set_at`.
    """

def get_item(x: Operand, slices: Any) -> Variable:
    """x[slices], with every index that NumPy has; Variables may be indices too. Elements that are named more than once get the
    sum of their gradients.

    Ints and slices give a view, as in NumPy. Lists and arrays of indices are copied: changing them later changes no gradient.
    Raises IndexError as NumPy does, with the shape in its text.
    """

def embed_id(x: Operand, W: Operand, *, padding_idx: int | None = None) -> Variable:
    """Rows of W by number: W[x].

    x: integer ids of any shape, an ndarray, a Variable, a list or an int, which gets no gradient; W: (V, D). Returns x.shape +
    (D,). W's gradient is the sum of gy over the places of each id, added in their order. Negative ids count from the end.
    padding_idx: the id of a row that is a constant here and gets no gradient, of whatever order, such as that of the filling
    after short sequences; None for none.
    Raises TypeError for ids that are no integers, IndexError for ids and a padding_idx outside of [-V, V).
    """

def take(x: Operand, indices: Operand, axis: int | None = None) -> Variable:
    """Elements, rows or columns by number, as np.take: `x[:, indices]` for axis 1; of the flattened array for None.

    indices: integers of any shape, which take the place of the axis. Raises TypeError for indices that are no integers,
    IndexError where they are out of bounds, AxisError (a ValueError) for an axis that x does not have.
    """

def take_along_axis(x: Operand, indices: Operand, axis: int | None) -> Variable:
    """Elements by one index array for each line along an axis, as np.take_along_axis.

    indices: integers, as many axes as x, broadcasting with it but along `axis`; axis None takes x as flat. Picks what argmax or
    argsort found. Errors as in `take`; ValueError when the numbers of axes differ.
    """

__all__ = [
    "AddAt", "GetItem", "GetItemGrad", "SetAt", "add_at", "embed_id", "get_item", "set_at", "take", "take_along_axis",
]
