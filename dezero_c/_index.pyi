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
    "GetItem", "GetItemGrad", "embed_id", "get_item", "take", "take_along_axis",
]
