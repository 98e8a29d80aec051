from typing import Any

from ._core import Function

class Elementwise(Function):
    """The base of the operations that are computed element by element."""
    @property
    def params(self) -> tuple[Any, ...]:
        """The scalar parameters, in the order of the class's arguments."""
