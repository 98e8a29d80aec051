"""The namespace's constants, dtypes, functions of dtypes, and functions that make arrays: Variables without a graph, but for
what is made of Variables (asarray, full, linspace, tril), which keeps theirs.
"""

from __future__ import annotations

import builtins
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dezero_c import functions as F
from dezero_c._constants import constant
from dezero_c._core import Variable, as_variable
from dezero_c._dlpack import from_dlpack as _from_dlpack
from dezero_c._numpy_adapters import COMPOSED
from dezero_c.array_api._operands import array, as_dtype, number, on_cpu

if TYPE_CHECKING:
    from numpy.typing import DTypeLike

    from dezero_c.array_api._operands import Array, Number

    Shape = int | tuple[int, ...]

__all__ = [
    "arange", "asarray", "astype", "bool", "can_cast", "complex64", "complex128", "e", "empty", "empty_like", "eye",
    "finfo", "float32", "float64", "from_dlpack", "full", "full_like", "iinfo", "inf", "int8", "int16", "int32", "int64",
    "isdtype", "linspace", "meshgrid", "nan", "newaxis", "ones", "ones_like", "pi", "result_type", "tril", "triu", "uint8",
    "uint16", "uint32", "uint64", "zeros", "zeros_like",
]

e, inf, nan, newaxis, pi = np.e, np.inf, np.nan, None, np.pi

bool = np.dtype(np.bool)
int8, int16, int32, int64 = np.dtype(np.int8), np.dtype(np.int16), np.dtype(np.int32), np.dtype(np.int64)
uint8, uint16, uint32, uint64 = np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.uint32), np.dtype(np.uint64)
float32, float64 = np.dtype(np.float32), np.dtype(np.float64)
complex64, complex128 = np.dtype(np.complex64), np.dtype(np.complex128)


# ---- dtypes ------------------------------------------------------------------------------------------------------------------

def astype(x: Array, dtype: DTypeLike, /, *, copy: builtins.bool = True, device: Any = None) -> Variable:
    """x in another dtype, with its graph between floating-point and complex dtypes; integers and booleans have none. copy=False
    gives x itself where it has that dtype. TypeError for complex numbers as real ones: take real or abs."""
    on_cpu(device, "astype")
    x, to = array(x, "astype"), as_dtype(dtype, "astype")
    return as_variable(x) if not copy and x.dtype == to else F.cast(x, to)


def can_cast(from_: Array | DTypeLike, to: DTypeLike, /) -> builtins.bool:
    """Whether a dtype, or an array's, goes into another one by the rules of promotion."""
    return np.can_cast(_dtype_of(from_), as_dtype(to, "can_cast"))


class finfo_object(NamedTuple):
    """What `finfo` gives: floats, of a complex dtype those of its parts."""

    bits: int
    eps: float
    max: float
    min: float
    smallest_normal: float
    dtype: np.dtype[Any]


class iinfo_object(NamedTuple):
    """What `iinfo` gives."""

    bits: int
    max: int
    min: int
    dtype: np.dtype[Any]


def _dtype_of(x: Any) -> np.dtype[Any]:
    return x.dtype if isinstance(x, (Variable, np.ndarray, np.generic)) else np.dtype(x)


def finfo(type: Array | DTypeLike, /) -> finfo_object:
    """The limits of a floating-point or complex dtype, or an array's. ValueError for others (NumPy's)."""
    info = np.finfo(_dtype_of(type))
    return finfo_object(info.bits, float(info.eps), float(info.max), float(info.min), float(info.smallest_normal), info.dtype)


def iinfo(type: Array | DTypeLike, /) -> iinfo_object:
    """The limits of an integer dtype, or an array's. ValueError for others (NumPy's)."""
    info = np.iinfo(_dtype_of(type))
    return iinfo_object(info.bits, int(info.max), int(info.min), info.dtype)


def isdtype(dtype: DTypeLike, kind: Any) -> builtins.bool:
    """Whether dtype is of a kind: a dtype, "bool", "signed integer", "unsigned integer", "integral", "real floating", "complex
    floating" or "numeric", or a tuple of such."""
    return np.isdtype(np.dtype(dtype), kind)


def result_type(*arrays_and_dtypes: Array | Number | DTypeLike) -> np.dtype[Any]:
    """The dtype that arrays, dtypes and Python numbers promote to; the numbers give way. ValueError for nothing but numbers."""
    if all(isinstance(x, (int, float, complex)) and not isinstance(x, np.generic) for x in arrays_and_dtypes):
        raise ValueError("result_type: an array or a dtype is needed beside Python numbers")
    return np.result_type(*[x if isinstance(x, (int, float, complex)) and not isinstance(x, np.generic) else _dtype_of(x)
                            for x in arrays_and_dtypes])


# ---- what exists already -----------------------------------------------------------------------------------------------------

def _holds_variables(obj: Any) -> builtins.bool:
    return isinstance(obj, Variable) or (isinstance(obj, (list, tuple)) and any(_holds_variables(each) for each in obj))


def _stacked(obj: Any) -> Any:
    return F.stack([_stacked(each) for each in obj]) if isinstance(obj, (list, tuple)) and len(obj) else obj


def asarray(obj: Any, /, *, dtype: DTypeLike | None = None, device: Any = None, copy: builtins.bool | None = None) -> Variable:
    """obj as a Variable: a Variable itself, with its graph; a number, nested lists of numbers or Variables, an ndarray, or what
    NumPy makes an ndarray of, among it all that has `__dlpack__`.

    dtype: the result's, where it is to be another than obj's. copy: True for memory of its own, False for a ValueError where the
    memory cannot be shared, None for a copy where one is needed. TypeError for what is no array of numbers or booleans.
    """
    on_cpu(device, "asarray")
    to = None if dtype is None else as_dtype(dtype, "asarray")
    if copy is False and not hasattr(obj, "dtype") and not hasattr(obj, "__dlpack__"):
        raise ValueError(f"asarray: copy=False, and {type(obj).__name__} has no memory to share; leave copy out")
    if not isinstance(obj, Variable) and _holds_variables(obj):
        obj, copy = _stacked(obj), None
    if not isinstance(obj, Variable):
        if not hasattr(obj, "__array__") and hasattr(obj, "__dlpack__"):
            obj = _from_dlpack(obj).data
        value = np.array(obj, dtype=to, copy=copy)
        as_dtype(value.dtype, "asarray")
        return Variable(value)
    if to is not None and obj.dtype != to:
        if copy is False:
            raise ValueError(f"asarray: copy=False, and values of {obj.dtype} in {to} are a copy; leave copy out")
        return F.cast(obj, to)
    return obj.copy() if copy else obj


def from_dlpack(x: Any, /, *, device: Any = None, copy: builtins.bool | None = None) -> Variable:
    """A Variable of the value of x, an array of any library with `__dlpack__`, in x's memory; see `dezero_c.from_dlpack`. A
    Variable is given back as it is, with its graph. copy=True gives memory of its own."""
    if not isinstance(x, Variable):
        return _from_dlpack(x, device=device, copy=copy)
    on_cpu(device, "from_dlpack")
    return x.copy() if copy else x


# ---- new ones ----------------------------------------------------------------------------------------------------------------

def _made(a: Any) -> Variable:
    return Variable(np.asarray(a))


def _lengths(shape: Any, function: str) -> Any:
    if isinstance(shape, (tuple, list)):
        return tuple(number(n, function, "shape") for n in shape)
    return number(shape, function, "shape")


def _type(dtype: DTypeLike | None, function: str, default: Any = float64) -> Any:
    return default if dtype is None else as_dtype(dtype, function)


def arange(start: Number, /, stop: Number | None = None, step: Number = 1, *, dtype: DTypeLike | None = None,
           device: Any = None) -> Variable:
    """start, start + step, ... below stop (0, 1, ... below start where it is the only one). int64, or float64 where one of them
    is a float."""
    on_cpu(device, "arange")
    start, step = number(start, "arange", "start"), number(step, "arange", "step")
    if stop is None:
        start, stop = 0, start
    return _made(np.arange(start, number(stop, "arange", "stop"), step, dtype=_type(dtype, "arange", None)))


def empty(shape: Shape, *, dtype: DTypeLike | None = None, device: Any = None) -> Variable:
    """Uninitialised values, of float64 unless dtype says another."""
    on_cpu(device, "empty")
    return _made(np.empty(_lengths(shape, "empty"), _type(dtype, "empty")))


def zeros(shape: Shape, *, dtype: DTypeLike | None = None, device: Any = None) -> Variable:
    """Zeros, of float64 unless dtype says another."""
    on_cpu(device, "zeros")
    return _made(np.zeros(_lengths(shape, "zeros"), _type(dtype, "zeros")))


def ones(shape: Shape, *, dtype: DTypeLike | None = None, device: Any = None) -> Variable:
    """Ones, of float64 unless dtype says another."""
    on_cpu(device, "ones")
    return _made(np.ones(_lengths(shape, "ones"), _type(dtype, "ones")))


def full(shape: Shape, fill_value: Any, *, dtype: DTypeLike | None = None, device: Any = None) -> Variable:
    """fill_value everywhere: a number, or a 0-d array; a Variable gets the sum of the gradients."""
    on_cpu(device, "full")
    lengths = _lengths(shape, "full")
    if isinstance(fill_value, Variable):
        value = fill_value if dtype is None else astype(fill_value, dtype, copy=False)
        return F.broadcast_to(value, lengths if isinstance(lengths, tuple) else (lengths,))
    return _made(np.full(lengths, fill_value, _type(dtype, "full", None)))


def eye(n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: DTypeLike | None = None, device: Any = None) -> Variable:
    """Ones on the k-th diagonal of a matrix of zeros."""
    on_cpu(device, "eye")
    n_rows = number(n_rows, "eye", "n_rows")
    return _made(np.eye(n_rows, n_rows if n_cols is None else number(n_cols, "eye", "n_cols"), k, dtype=_type(dtype, "eye")))


def linspace(start: Any, stop: Any, /, num: int, *, dtype: DTypeLike | None = None, device: Any = None,
             endpoint: builtins.bool = True) -> Variable:
    """num values from start to stop at equal distances, without stop where endpoint is False. start and stop are numbers, or 0-d
    Variables, whose gradients are those of start + (stop - start) * t."""
    on_cpu(device, "linspace")
    num = number(num, "linspace", "num")
    to = _type(dtype, "linspace", None)
    if not isinstance(start, Variable) and not isinstance(stop, Variable):
        return _made(np.linspace(start, stop, num, endpoint, dtype=to))
    if any(isinstance(x, Variable) and x.ndim for x in (start, stop)):
        raise ValueError("linspace: start and stop are numbers or 0-d Variables; of arrays write start + (stop - start) * "
                         "linspace(0, 1, num)")
    t = np.linspace(0.0, 1.0, num, endpoint, dtype=result_type(*[x for x in (start, stop) if isinstance(x, Variable)], 1.0))
    y = F.add(F.mul(start, t[::-1] if endpoint else 1 - t), F.mul(stop, t))      # start and stop themselves at the ends
    return y if to is None else astype(y, to, copy=False)


def empty_like(x: Array, /, *, dtype: DTypeLike | None = None, device: Any = None) -> Variable:
    """Uninitialised values, of x's shape and dtype."""
    x = array(x, "empty_like")
    return empty(x.shape, dtype=_type(dtype, "empty_like", x.dtype), device=device)


def zeros_like(x: Array, /, *, dtype: DTypeLike | None = None, device: Any = None) -> Variable:
    """Zeros, of x's shape and dtype."""
    x = array(x, "zeros_like")
    return zeros(x.shape, dtype=_type(dtype, "zeros_like", x.dtype), device=device)


def ones_like(x: Array, /, *, dtype: DTypeLike | None = None, device: Any = None) -> Variable:
    """Ones, of x's shape and dtype."""
    x = array(x, "ones_like")
    return ones(x.shape, dtype=_type(dtype, "ones_like", x.dtype), device=device)


def full_like(x: Array, /, fill_value: Any, *, dtype: DTypeLike | None = None, device: Any = None) -> Variable:
    """fill_value everywhere, in x's shape and dtype; a Variable gets the sum of the gradients."""
    x = array(x, "full_like")
    return full(x.shape, fill_value, dtype=_type(dtype, "full_like", x.dtype), device=device)


def _triangle(name: str, compute: Any, numpys: Any, x: Any, k: int) -> Variable:
    x = array(x, name)
    if x.ndim < 2:
        raise ValueError(f"{name}: shape {x.shape} holds no matrix; it takes two axes or more")
    if x.dtype.kind == "b":
        return constant(numpys, x, k)     # type: ignore[no-any-return]
    return compute(x, k)        # type: ignore[no-any-return]


def tril(x: Array, /, *, k: int = 0) -> Variable:
    """x on and below the k-th diagonal of its last two axes, zeros above."""
    return _triangle("tril", F.tril, np.tril, x, k)


def triu(x: Array, /, *, k: int = 0) -> Variable:
    """x on and above the k-th diagonal of its last two axes, zeros below."""
    return _triangle("triu", F.triu, np.triu, x, k)


def meshgrid(*arrays: Array, indexing: str = "xy") -> tuple[Variable, ...]:
    """The coordinates of a grid, from those along each axis: an array for each, with its gradient. indexing: "xy" has the second
    array's axis first, "ij" has them in order. ValueError for another one."""
    return COMPOSED[np.meshgrid](*[array(x, "meshgrid") for x in arrays], indexing=indexing)     # type: ignore[no-any-return]
