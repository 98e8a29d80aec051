
from ._arrays import ArrayFunction
from ._core import Variable
from ._typing import Operand

class Einsum(ArrayFunction):
    """The class behind `einsum`: `Einsum(subscripts)(x, …)`."""
    subscripts: str
    def __init__(self, subscripts: str) -> None: ...

def einsum(subscripts: str, *operands: Operand) -> Variable:
    """The sum of products over labelled axes, as np.einsum: `einsum("ij,jk->ik", x, W)`.

    subscripts: letters for the axes of each operand, separated by commas, then perhaps "->" and the letters of the result;
    without them the letters that occur once, sorted. "..." stands for axes that broadcast. A letter twice in one operand
    takes the diagonal; one that the result lacks is summed over. Raises ValueError with subscripts and shapes when they do
    not fit.
    """

__all__ = [
    "Einsum", "einsum",
]
