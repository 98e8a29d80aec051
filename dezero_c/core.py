"""The engine under the names of `dezero.core`: Variable, Function, the four operations, and the modes."""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING

import numpy as np

import dezero_c as dezero
from dezero_c._core import (
    Config,
    Function,
    Parameter,
    Variable,
    as_array,
    as_variable,
    no_grad,
    setup_variable,
    test_mode,
    using_config,
)
from dezero_c._core import register_methods as _register_methods
from dezero_c._ops import Add, Div, Mul, Neg, Pow, Sub, add, div, mul, neg, pow, sub

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from dezero_c._typing import Operand


def _html(v: Variable) -> str:
    from dezero_c._draw.html import variable_html  # half of all programs never ask for it

    return variable_html(v)


def _table(values: Any) -> NDArray[Any]:
    from dezero_c._tables import values_of

    return values_of(values, f"a {type(values).__name__}")


_register_methods(html=_html, table=_table)

__all__ = [
    "Add", "Config", "Div", "Function", "Mul", "Neg", "Parameter", "Pow", "Sub", "Variable", "add", "array_types",
    "as_array", "as_variable", "contextlib", "dezero", "div", "mul", "neg", "no_grad", "np", "pow", "rdiv", "rsub",
    "setup_variable", "sub", "test_mode", "using_config", "weakref",
]       # modules too, which `from dezero.core import *` brings along

array_types = (np.ndarray,)     # what a Variable's data may be


def rsub(x0: Operand, x1: Operand) -> Variable:
    """x1 - x0: what `x1 - variable` calls."""
    return sub(x1, x0)


def rdiv(x0: Operand, x1: Operand) -> Variable:
    """x1 / x0: what `x1 / variable` calls."""
    return div(x1, x0)
