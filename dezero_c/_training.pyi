from collections.abc import Callable
from typing import Any

from ._core import Parameter

RULES: dict[str, int]

def parameters(layer: Any) -> list[Parameter]: ...
def set_base_params(params: Callable[..., Any]) -> None: ...
def remember(attributes: dict[str, Any], inputs: tuple[Any, ...], outputs: Any) -> None: ...
def clear(layer: Any) -> None: ...
def with_gradients(target: Any) -> list[Parameter]: ...
def update(
    rule: int,
    params: list[Parameter],
    coefficients: tuple[float, ...],
    states: tuple[dict[int, Any], ...],
    owners: dict[int, Parameter],
    by_numpy: Callable[..., None],
) -> None: ...
