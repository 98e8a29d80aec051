from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from ._core import Variable
from .functions_conv import get_conv_outsize as get_conv_outsize
from .functions_conv import get_deconv_outsize as get_deconv_outsize
from .functions_conv import pair as pair

_A = TypeVar("_A", Variable, NDArray[Any])
_Axis = int | Sequence[int] | None

def gradient_check(
    f: Callable[..., Any],
    x: Any,
    *args: Any,
    rtol: float = 1e-4,
    atol: float = 1e-5,
    order: int = 1,
    **kwargs: Any,
) -> bool: ...
def gradgradient_check(
    f: Callable[..., Any], x: Any, *args: Any, rtol: float = 1e-4, atol: float = 1e-5, **kwargs: Any
) -> bool: ...
def numerical_grad(
    f: Callable[..., Any], x: Variable | NDArray[Any], *args: Any, **kwargs: Any
) -> NDArray[np.floating[Any]]: ...
def array_equal(a: Variable | ArrayLike, b: Variable | ArrayLike) -> bool: ...
def array_allclose(
    a: Variable | ArrayLike, b: Variable | ArrayLike, rtol: float = 1e-4, atol: float = 1e-5
) -> bool: ...
def sum_to(x: _A, shape: Sequence[int]) -> _A: ...
def reshape_sum_backward(gy: _A, x_shape: Sequence[int], axis: _Axis, keepdims: bool) -> _A: ...
def max_backward_shape(x: Variable | NDArray[Any], axis: _Axis) -> list[int]: ...
def logsumexp(x: _A, axis: _Axis = 1) -> _A: ...

__all__: list[str]
