"""The first chapter of the book (steps 1 to 10) and the notebook about it: one input, one output, ndarray gradients.

A Function shows its `input` and its `output`, which it owns; `backward` may be called by hand with an ndarray; a walk
overwrites the gradients that earlier walks left and keeps those of intermediate results. The classes are called
`chapter1.Variable` and so on, because programs do `from chapter1 import *` and print their types.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _core
from dezero_c._core import as_array

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any, Self

    from numpy.typing import NDArray

    from dezero_c._typing import Operand

__all__ = ["Add", "Exp", "Function", "Square", "Variable", "add", "as_array", "exp", "numerical_diff", "square"]


class Variable(_core.Variable):
    """A value that remembers how it was computed.

    data: ndarray or None (TypeError for anything else). `grad` is an ndarray, or what was assigned to it.
    """

    __module__ = "chapter1"
    __slots__ = ()

    def __new__(cls, data: Any = None, name: str | None = None) -> Self:
        self = super().__new__(cls)
        self._set_era(2)
        return self


_core.register_era(2, Variable)


class Function(_core.Function):
    """An operation with one input: subclasses define forward(self, x) and backward(self, gy) on ndarrays.

    An instance remembers its last call. For a graph that backward is called on, use an instance for each place.
    """

    __module__ = "chapter1"

    def __new__(cls, *args: Any, **kwargs: Any) -> Self:
        self = super().__new__(cls)
        self._set_era(2)
        return self

    @property
    def input(self) -> _core.Variable:
        """The Variable of the last call."""
        return self.inputs[0]

    @property
    def output(self) -> _core.Variable | None:
        """The Variable that the last call gave."""
        return self.outputs[0]()


class Square(Function):
    """y = x ** 2; dy/dx = 2 x."""

    __module__ = "chapter1"

    def forward(self, x: Any) -> Any:
        return x ** 2

    def backward(self, gy: Any) -> Any:
        return 2 * self.input.data * gy


class Exp(Function):
    """y = exp(x); dy/dx = exp(x)."""

    __module__ = "chapter1"

    def forward(self, x: Any) -> Any:
        return np.exp(x)

    def backward(self, gy: Any) -> Any:
        return np.exp(self.input.data) * gy


class Add(Function):
    """y = x0 + x1; the gradient passes to both."""

    __module__ = "chapter1"

    def forward(self, x0: Any, x1: Any) -> Any:
        return x0 + x1

    def backward(self, gy: Any) -> Any:
        x0, x1 = self.inputs
        return _summed(gy, x0.shape), _summed(gy, x1.shape)


def _summed(gy: Any, shape: tuple[int, ...]) -> NDArray[Any]:
    """gy summed over the axes along which an input of `shape` was repeated."""
    gy = np.asarray(gy)
    lead = tuple(range(gy.ndim - len(shape)))
    ones = tuple(len(lead) + i for i, n in enumerate(shape) if n == 1 and gy.shape[len(lead) + i] != 1)
    return gy.sum(axis=lead + ones, keepdims=True).reshape(shape) if lead + ones else gy


def square(x: Operand) -> _core.Variable:
    """x ** 2 of a Variable."""
    return Square()(x)


def exp(x: Operand) -> _core.Variable:
    """exp(x) of a Variable."""
    return Exp()(x)


def add(x0: Operand, x1: Operand) -> _core.Variable:
    """x0 + x1 of two Variables."""
    return Add()(x0, x1)


def numerical_diff(f: Callable[[Any], _core.Variable], x: _core.Variable, eps: float = 1e-4) -> Any:
    """The derivative of f at x by central differences: (f(x + eps) - f(x - eps)) / (2 eps).

    f: a function of one Variable; x: Variable. Returns an ndarray or NumPy number. The error falls with eps
    squared until rounding, which grows with 1 / eps, takes over.
    """
    x0 = Variable(as_array(x.data - eps))
    x1 = Variable(as_array(x.data + eps))
    return (f(x1).data - f(x0).data) / (2 * eps)
