from typing import Any

from ._core import Function, Variable

class GetItem(Function):
    slices: Any
    def __init__(self, slices: Any) -> None: ...

class GetItemGrad(Function):
    slices: Any
    in_shape: Any
    def __init__(self, slices: Any, in_shape: Any) -> None: ...

def get_item(x: Any, slices: Any) -> Variable: ...

__all__: list[str]
