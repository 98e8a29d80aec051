from typing import Any

from numpy.typing import NDArray

from . import _core

class Variable(_core.Variable):
    """A Variable whose gradient is an ndarray, as in steps 11 to 32 of the book.

    data: ndarray or None; name: a label. Raises TypeError for anything else.
    """
    @property
    def grad(self) -> NDArray[Any] | Any: ...
    @grad.setter
    def grad(self, value: _core._Gradient) -> None: ...
    def backward(self, retain_grad: bool = False) -> None:  # type: ignore[override]   # no create_graph, as in the book
        """Computes the gradients (ndarrays) of all that this Variable was computed from."""

class Function(_core.Function):
    """An operation on Variables: `forward` and `backward` take and return ndarrays."""
