from typing import Any

from ._core import Function

class Elementwise(Function):
    """The base of the operations that are computed element by element."""
    @property
    def params(self) -> tuple[Any, ...]:
        """The scalar parameters, in the order of the class's arguments."""

def nonzero_as(dtype: Any, x: Any) -> Any:
    """1 where x is not 0, else 0, in the dtype."""

def mask_of(sign: int, x: Any, z: Any) -> Any:
    """The comparison number `sign` of arrays."""

def mask_by(sign: int, z: Any, x: Any) -> Any:
    """The same with what is fixed first."""

def beyond_or_nan(beyond: Any, x: Any, limit: Any) -> Any:
    """Where clip takes the limit."""
