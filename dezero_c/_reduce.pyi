from typing import Any

from ._core import Function, Variable

class Sum(Function):
    axis: Any
    keepdims: bool
    def __init__(self, axis: Any = None, keepdims: bool = False) -> None: ...

def sum(x: Any, axis: Any = None, keepdims: bool = False) -> Variable: ...

__all__: list[str]
