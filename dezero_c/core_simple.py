"""The engine as the book has it in steps 11 to 32: gradients are ndarrays, and there are no higher derivatives.

The same engine runs underneath; only what `grad` and a user's `backward` see is different.
"""

import contextlib
import weakref

import numpy as np

from dezero_c import _ops
from dezero_c._core import Config, as_array, no_grad, setup_variable, using_config
from dezero_c._ops import Add, Div, Mul, Neg, Pow, Sub
from dezero_c._simple import Function, Variable

__all__ = [
    "Add", "Config", "Div", "Function", "Mul", "Neg", "Pow", "Sub", "Variable", "add", "as_array", "as_variable",
    "contextlib", "div", "mul", "neg", "no_grad", "np", "pow", "rdiv", "rsub", "setup_variable", "sub", "using_config",
    "weakref",
]


def as_variable(obj):
    """obj itself when it is a Variable, else a Variable around it (a number becomes an ndarray)."""
    return obj if isinstance(obj, Variable) else Variable(as_array(obj))


def add(x0, x1):
    """x0 + x1."""
    return _ops.add(as_variable(x0), x1)


def sub(x0, x1):
    """x0 - x1."""
    return _ops.sub(as_variable(x0), x1)


def mul(x0, x1):
    """x0 * x1."""
    return _ops.mul(as_variable(x0), x1)


def div(x0, x1):
    """x0 / x1."""
    return _ops.div(as_variable(x0), x1)


def neg(x):
    """-x."""
    return _ops.neg(as_variable(x))


def pow(x, c):
    """x ** c."""
    return _ops.pow(as_variable(x), c)


def rsub(x0, x1):
    """x1 - x0: what `x1 - variable` calls."""
    return as_variable(x1) - x0


def rdiv(x0, x1):
    """x1 / x0: what `x1 / variable` calls."""
    return as_variable(x1) / x0
