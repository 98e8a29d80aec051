"""The engine as the book has it in steps 11 to 32: gradients are ndarrays, and there are no higher derivatives.

The same engine runs underneath; only what `grad` and a user's `backward` see is different.
"""

from __future__ import annotations

import contextlib
import weakref
from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _ops
from dezero_c._core import Config, as_array, no_grad, setup_variable, using_config
from dezero_c._ops import Add, Div, Mul, Neg, Pow, Sub
from dezero_c._simple import Function, Variable

if TYPE_CHECKING:
    from dezero_c._typing import Operand

__all__ = [
    "Add", "Config", "Div", "Function", "Mul", "Neg", "Pow", "Sub", "Variable", "add", "as_array", "as_variable",
    "contextlib", "div", "mul", "neg", "no_grad", "np", "pow", "rdiv", "rsub", "setup_variable", "sub", "using_config",
    "weakref",
]


def as_variable(obj: Operand) -> Variable:
    """obj itself when it is a Variable, else a Variable around it (a number becomes an ndarray)."""
    return obj if isinstance(obj, Variable) else Variable(as_array(obj))


def add(x0: Operand, x1: Operand) -> Variable:
    """x0 + x1."""
    return _ops.add(as_variable(x0), x1)  # type: ignore[return-value]


def sub(x0: Operand, x1: Operand) -> Variable:
    """x0 - x1."""
    return _ops.sub(as_variable(x0), x1)  # type: ignore[return-value]


def mul(x0: Operand, x1: Operand) -> Variable:
    """x0 * x1."""
    return _ops.mul(as_variable(x0), x1)  # type: ignore[return-value]


def div(x0: Operand, x1: Operand) -> Variable:
    """x0 / x1."""
    return _ops.div(as_variable(x0), x1)  # type: ignore[return-value]


def neg(x: Operand) -> Variable:
    """-x."""
    return _ops.neg(as_variable(x))  # type: ignore[return-value]


def pow(x: Operand, c: Operand) -> Variable:
    """x ** c."""
    return _ops.pow(as_variable(x), c)  # type: ignore[return-value]


def rsub(x0: Operand, x1: Operand) -> Variable:
    """x1 - x0: what `x1 - variable` calls."""
    return as_variable(x1) - x0  # type: ignore[return-value]


def rdiv(x0: Operand, x1: Operand) -> Variable:
    """x1 / x0: what `x1 / variable` calls."""
    return as_variable(x1) / x0  # type: ignore[return-value]
