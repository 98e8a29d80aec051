from typing import Any

from ._core import Parameter

RULES: dict[str, int]

def parameters(layer: Any) -> list[Parameter]:
    """The Parameters of a Layer and of the layers in it."""

def set_base(cls: type[Any]) -> None:
    """Tells which class `Layer` is; for dezero_c.layers."""

def remember(attributes: dict[str, Any], inputs: tuple[Any, ...], outputs: Any) -> None:
    """Sets a Layer's `inputs` and `outputs` to references to what a call was given and gave."""

def clear(layer: Any) -> None:
    """Takes the gradients of a Layer's Parameters away."""

def with_gradients(target: Any) -> list[Parameter]:
    """Those of target.params() that have a gradient."""

def register(cls: type[Any], names: tuple[str, ...], adam: bool = False, decays: bool = False) -> None:
    """x"""

def adam_rate(alpha: float, beta1: float, beta2: float, t: float) -> float:
    """x"""

def stepped(optimizer: Any) -> bool:
    """x"""

def update(optimizer: Any, params: list[Parameter]) -> None:
    """x"""
