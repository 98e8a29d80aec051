"""The namespace's elementwise functions, as a table: name, and what computes it.

`one` and `two` make a function of one and of two arrays, whose gradient is that of the function of dezero_c.functions; `look` and
`compare` make those without a gradient, which give Variables without a graph.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from dezero_c import functions as F
from dezero_c._constants import BITS, constant
from dezero_c._core import Variable, as_variable
from dezero_c.array_api._operands import array, operand, pair

if TYPE_CHECKING:
    from collections.abc import Callable

    from dezero_c.array_api._operands import Array, Number

    One = Callable[[Array], Variable]
    Two = Callable[[Array | Number, Array | Number], Variable]

_F = TypeVar("_F")

__all__ = [
    "abs", "acos", "acosh", "add", "asin", "asinh", "atan", "atan2", "atanh", "bitwise_and", "bitwise_invert",
    "bitwise_left_shift", "bitwise_or", "bitwise_right_shift", "bitwise_xor", "ceil", "clip", "conj", "copysign", "cos",
    "cosh", "divide", "equal", "exp", "expm1", "floor", "floor_divide", "greater", "greater_equal", "hypot", "imag",
    "isfinite", "isinf", "isnan", "less", "less_equal", "log", "log1p", "log2", "log10", "logaddexp", "logical_and",
    "logical_not", "logical_or", "logical_xor", "maximum", "minimum", "multiply", "negative", "nextafter", "not_equal",
    "positive", "pow", "real", "reciprocal", "remainder", "round", "sign", "signbit", "sin", "sinh", "sqrt", "square",
    "subtract", "tan", "tanh", "trunc",
]


def _named(function: _F, name: str, doc: str) -> _F:
    named: Any = function
    named.__name__ = named.__qualname__ = name
    named.__module__ = "dezero_c.array_api"
    named.__doc__ = doc
    return function


def one(name: str, compute: Callable[[Any], Variable]) -> One:
    """A function of one array, by one of dezero_c.functions."""
    def function(x: Array, /) -> Variable:
        return compute(array(x, name))
    ours = getattr(compute, "__name__", name)
    return _named(function, name, f"{name} of each element, with the gradient of dezero_c.functions.{ours}. Shape and dtype as "
                                  "NumPy's function has them.")


def two(name: str, compute: Callable[[Any, Any], Variable]) -> Two:
    """A function of two arrays, by one of dezero_c.functions."""
    def function(x1: Array | Number, x2: Array | Number, /) -> Variable:
        return compute(*pair(x1, x2, name))
    ours = getattr(compute, "__name__", name)
    return _named(function, name, f"{name} of each two elements, with the gradients of dezero_c.functions.{ours}. The shapes "
                                  "broadcast; one operand may be a Python number, which takes the other's dtype.")


def look(name: str, ufunc: Callable[..., Any]) -> One:
    """A function of one array that has no gradient."""
    def function(x: Array, /) -> Variable:
        return constant(ufunc, array(x, name))      # type: ignore[no-any-return]
    return _named(function, name, f"{name} of each element: a Variable of x's shape without a graph.")


def compare(name: str, ufunc: Callable[..., Any]) -> Two:
    """A function of two arrays that has no gradient."""
    def function(x1: Array | Number, x2: Array | Number, /) -> Variable:
        return constant(ufunc, *pair(x1, x2, name))      # type: ignore[no-any-return]
    return _named(function, name, f"{name} of each two elements: a Variable without a graph, of the shape that the operands' "
                                  "broadcast to; one of them may be a Python number.")


def _bits(name: str, ufunc: np.ufunc) -> Two:
    compute = BITS[ufunc]

    def function(x1: Array | Number, x2: Array | Number, /) -> Variable:
        return compute(*pair(x1, x2, name))      # type: ignore[no-any-return]
    return _named(function, name, f"{name} of each two elements, integers or booleans: a Variable without a graph.")


abs = one("abs", F.abs)
acos = one("acos", F.arccos)
acosh = one("acosh", F.arccosh)
asin = one("asin", F.arcsin)
atan = one("atan", F.arctan)
atanh = one("atanh", F.arctanh)
ceil = one("ceil", F.ceil)
conj = one("conj", F.conj)
cos = one("cos", F.cos)
cosh = one("cosh", F.cosh)
exp = one("exp", F.exp)
expm1 = one("expm1", F.expm1)
floor = one("floor", F.floor)
imag = one("imag", F.imag)
log = one("log", F.log)
log10 = one("log10", F.log10)
log1p = one("log1p", F.log1p)
log2 = one("log2", F.log2)
negative = one("negative", F.neg)
positive = one("positive", as_variable)
real = one("real", F.real)
reciprocal = one("reciprocal", F.reciprocal)
round = one("round", F.round)
sin = one("sin", F.sin)
sinh = one("sinh", F.sinh)
sqrt = one("sqrt", F.sqrt)
square = one("square", F.square)
tan = one("tan", F.tan)
tanh = one("tanh", F.tanh)
trunc = one("trunc", F.trunc)

add = two("add", F.add)
atan2 = two("atan2", F.arctan2)
divide = two("divide", F.div)
floor_divide = two("floor_divide", F.floor_divide)
hypot = two("hypot", F.hypot)
logaddexp = two("logaddexp", F.logaddexp)
maximum = two("maximum", F.maximum)
minimum = two("minimum", F.minimum)
multiply = two("multiply", F.mul)
pow = two("pow", F.pow)
remainder = two("remainder", F.remainder)
subtract = two("subtract", F.sub)

isfinite = look("isfinite", np.isfinite)
isinf = look("isinf", np.isinf)
isnan = look("isnan", np.isnan)
logical_not = look("logical_not", np.logical_not)
signbit = look("signbit", np.signbit)

equal = compare("equal", np.equal)
greater = compare("greater", np.greater)
greater_equal = compare("greater_equal", np.greater_equal)
less = compare("less", np.less)
less_equal = compare("less_equal", np.less_equal)
logical_and = compare("logical_and", np.logical_and)
logical_or = compare("logical_or", np.logical_or)
logical_xor = compare("logical_xor", np.logical_xor)
not_equal = compare("not_equal", np.not_equal)

bitwise_and = _bits("bitwise_and", np.bitwise_and)
bitwise_left_shift = _bits("bitwise_left_shift", np.left_shift)
bitwise_or = _bits("bitwise_or", np.bitwise_or)
bitwise_right_shift = _bits("bitwise_right_shift", np.right_shift)
bitwise_xor = _bits("bitwise_xor", np.bitwise_xor)


def _sides(x: Any) -> tuple[Any, Any]:
    """(1 or -1 by the sign of the real part, which values are finite)"""
    return np.copysign(x.real.dtype.type(1), x.real), np.isfinite(x)


def asinh(x: Array, /) -> Variable:
    """The inverse of sinh, of each element, with the gradient of dezero_c.functions.arcsinh; of complex z it is -i asin(i z)."""
    x = array(x, "asinh")
    if x.dtype.kind != "c":
        return F.arcsinh(x)
    side, finite = constant(_sides, x)      # the function is odd; where the real part is 0, i z keeps its sign on this side alone
    z = F.mul(F.where(finite, x, 0.0), side)
    return F.where(finite, F.mul(F.mul(F.arcsin(F.mul(z, 1j)), -1j), side), constant(np.arcsinh, x))


def bitwise_invert(x: Array, /) -> Variable:
    """The bits of integers, or the booleans, the other way round: a Variable without a graph."""
    return BITS[np.invert](array(x, "bitwise_invert"))      # type: ignore[no-any-return]


def clip(x: Array, /, min: Array | Number | None = None, max: Array | Number | None = None) -> Variable:
    """x where it lies between the bounds, else the bound next to it, all with their gradients. A bound is a number, an array that
    broadcasts with x, or None."""
    return F.clip(array(x, "clip"), min if min is None else operand(min, "clip"), max if max is None else operand(max, "clip"))


def _turned(x1: Any, x2: Any) -> Any:
    """What x1 is to be multiplied by to have x2's sign."""
    y = np.copysign(x1, x2)
    return np.where(np.signbit(x1) == np.signbit(x2), 1, -1).astype(y.dtype)


def copysign(x1: Array | Number, x2: Array | Number, /) -> Variable:
    """x1 with the sign of x2, that of zeros and nan included. The gradient of x1 is gy or -gy; x2's would be 0, and it is a
    constant here."""
    x1, x2 = pair(x1, x2, "copysign")
    return F.mul(x1, constant(_turned, x1, x2))


def _steps(x1: Any, x2: Any) -> tuple[Any, Any, Any]:
    """(the next numbers, how far they are, where x1 plus that is not they)"""
    y = np.nextafter(x1, x2)
    with np.errstate(invalid="ignore"):
        return y, y - np.asarray(x1, y.dtype), np.isinf(x1) | ((np.equal(x1, 0)) & (y == 0))


def nextafter(x1: Array | Number, x2: Array | Number, /) -> Variable:
    """The number next to x1 on the way to x2. It is x1 and a small step, so x1 has the gradient gy; x2 is a constant."""
    x1, x2 = pair(x1, x2, "nextafter")
    y, step, apart = constant(_steps, x1, x2)
    with np.errstate(over="ignore", invalid="ignore"):
        return F.where(apart, y, F.add(x1, step))


def sign(x: Array, /) -> Variable:
    """-1, 0 or 1, with a gradient of 0; of complex numbers z / abs(z), 0 at 0, with its gradient."""
    x = array(x, "sign")
    if x.dtype.kind != "c":
        return F.sign(x)
    size = F.abs(x)
    zero = constant(np.equal, size, 0)
    return F.where(zero, 0.0, F.div(x, F.where(zero, 1.0, size)))


