from typing import Any

from ._arrays import ArrayFunction
from ._core import Variable

class Einsum(ArrayFunction):
    subscripts: str
    def __init__(self, subscripts: str) -> None: ...

def einsum(subscripts: str, *operands: Any) -> Variable: ...

__all__: list[str]
