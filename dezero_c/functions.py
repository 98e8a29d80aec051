"""Every differentiable function, and the class behind each."""

from dezero_c import _ops
from dezero_c._linalg import MatMul, matmul
from dezero_c._ops import *  # noqa: F403
from dezero_c._shape import (
    BroadcastTo,
    GetItem,
    GetItemGrad,
    Reshape,
    Sum,
    SumTo,
    Transpose,
    broadcast_to,
    get_item,
    reshape,
    sum,
    sum_to,
    transpose,
)

__all__ = [
    *_ops.__all__, "BroadcastTo", "GetItem", "GetItemGrad", "MatMul", "Reshape", "Sum", "SumTo", "Transpose",
    "broadcast_to", "get_item", "matmul", "reshape", "sum", "sum_to", "transpose",
]
