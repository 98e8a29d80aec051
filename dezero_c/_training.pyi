from collections.abc import Callable
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

def update(
    rule: int,
    params: list[Parameter],
    coefficients: tuple[float, ...],
    states: tuple[dict[int, Any], ...],
    owners: dict[int, Parameter],
    by_numpy: Callable[..., None],
) -> None:
    """Changes the data of each of `params` that has a gradient, in place.

    rule: a value of RULES; coefficients: its numbers, in the order of families/optim.h; states: a dict for each array of state,
    {id(param): ndarray}; owners: {id(param): param}, which keeps the ids from being used again; by_numpy(data, grad, *state)
    does the same where no kernel can.
    """
