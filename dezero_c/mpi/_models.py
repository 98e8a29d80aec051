"""What the ranks of a run must agree on in a model: its parameters by name, and the running averages."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dezero_c.layers import BatchNorm, Layer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from dezero_c._core import Parameter

__all__ = ["described", "named_parameters", "persistent"]


def named_parameters(target: Any) -> list[tuple[str, Parameter]]:
    if not isinstance(target, Layer):
        raise TypeError(f"dezero_c.mpi: {type(target).__name__} is no Layer or Model, whose parameters have names")
    return list(target.named_params())


def described(named: Sequence[tuple[str, Parameter]]) -> list[tuple[str, str]]:
    """(parameter …, its shape and dtype) for each, as errors show them."""
    return [(f"parameter {name}", "not sized yet" if p.data is None else f"shape {p.data.shape}, {p.data.dtype}")
            for name, p in named]


def persistent(layer: Layer) -> list[Parameter]:
    """The parameters that are no weights: the running averages of each BatchNorm within."""
    found: list[Parameter] = []
    seen: set[int] = set()

    def visit(each: Any) -> None:
        if id(each) in seen or not isinstance(each, Layer):
            return
        seen.add(id(each))
        if isinstance(each, BatchNorm):
            found.extend((each.avg_mean, each.avg_var))
        for _, value in each._held():
            visit(value)

    visit(layer)
    return found
