from typing import Any

from ._core import Function, Variable

class MatMul(Function): ...

def matmul(x: Any, W: Any) -> Variable: ...

__all__: list[str]
