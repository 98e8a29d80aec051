"""Arrays in a call that is being traced: what `.data`, and an argument that is an ndarray, are while the user's function runs.

A TracedArray computes like the ndarray that stands behind it, by NumPy's own functions, and each computation is logged, in-place
ones too. It is no ndarray: whatever would take its numbers without being seen (np.asarray, C code) has to ask for them, and is
told that it cannot have them.
"""

from __future__ import annotations

import contextlib
import functools
import operator
import threading
import weakref
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.mixins import NDArrayOperatorsMixin

import dezero_c._core as _core
from dezero_c._calls import CaptureError, Place, Template, call_into, call_method
from dezero_c._elementwise import mask_by, mask_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, NoReturn

__all__ = ["TracedArray", "arrays_made", "decoded", "slot_of"]

# Methods of ndarray that give new arrays and change nothing.
_METHODS = frozenset([
    "all", "any", "argmax", "argmin", "argsort", "astype", "clip", "compress", "conj", "conjugate", "copy", "cumprod",
    "cumsum", "diagonal", "dot", "flatten", "max", "mean", "min", "nonzero", "prod", "ptp", "ravel", "repeat", "reshape",
    "round", "searchsorted", "squeeze", "std", "sum", "swapaxes", "take", "trace", "transpose", "var"])
# Those that write to the array.
_CHANGING = frozenset(["byteswap", "fill", "itemset", "partition", "put", "resize", "setfield", "setflags", "sort"])
_VIEWS = frozenset(["diagonal", "ravel", "reshape", "squeeze", "swapaxes", "transpose", "T", "real", "imag", "__getitem__"])
# NumPy functions whose result does not depend on the numbers.
_BY_SHAPE = {np.shape, np.ndim, np.size, np.result_type, np.iscomplexobj, np.isrealobj, np.can_cast, np.zeros_like, np.ones_like,
             np.empty_like, np.broadcast_shapes}
_IN_PLACE = {np.copyto, np.put, np.place, np.putmask, np.fill_diagonal, np.put_along_axis}


class _Here(threading.local):
    made: weakref.WeakValueDictionary[int, TracedArray] | None = None


_here = _Here()


@contextlib.contextmanager
def arrays_made() -> Iterator[weakref.WeakValueDictionary[int, TracedArray]]:
    """The TracedArrays that this thread makes meanwhile, by the ids of their Variables: those of them that are alive."""
    before = _here.made
    found: weakref.WeakValueDictionary[int, TracedArray] = weakref.WeakValueDictionary()
    _here.made = found
    try:
        yield found
    finally:
        _here.made = before


class TracedArray(NDArrayOperatorsMixin):
    """The array of the Variable `slot`, in a call that is being traced."""

    __slots__ = ("__weakref__", "_slot", "_version", "_view")     # a layer keeps what it was called with by weak references

    def __init__(self, slot: _core.Variable, view: bool = False) -> None:
        self._slot, self._view = slot, view
        self._version = _core.version_of(slot)
        if _here.made is not None:
            _here.made[id(slot)] = self

    # ---- what is known beforehand, and guarded

    @property       # type: ignore[misc]
    def __class__(self) -> Any:
        """As isinstance() sees it: an ndarray's, or a NumPy scalar's. (type() cannot be told.)"""
        return type(_core.value_of(self._slot))

    @property
    def _value(self) -> Any:
        _current(self)
        return _core.value_of(self._slot)

    @property
    def shape(self) -> Any:
        """As an ndarray's."""
        return self._value.shape

    @property
    def dtype(self) -> Any:
        """As an ndarray's."""
        return self._value.dtype

    @property
    def ndim(self) -> Any:
        """As an ndarray's."""
        return self._value.ndim

    @property
    def size(self) -> Any:
        """As an ndarray's."""
        return self._value.size

    @property
    def itemsize(self) -> Any:
        """As an ndarray's."""
        return self._value.itemsize

    @property
    def nbytes(self) -> Any:
        """As an ndarray's."""
        return self._value.nbytes

    def __len__(self) -> int:
        return len(self._value)

    # ---- computations

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, out: Any = None, **kwargs: Any) -> Any:
        if any(isinstance(x, _core.Variable) for x in inputs):      # the Variable's turn
            if out is not None and not any(o is x for o in out for x in inputs):    # `array += variable` makes a Variable
                raise TypeError(f"np.{ufunc.__name__}: out= cannot be a separate array when a Variable is involved; assign the "
                                "result")
            return getattr(ufunc, method)(*[_untraced(x) if isinstance(x, TracedArray) else x for x in inputs], **kwargs)
        call = ufunc if method == "__call__" else getattr(ufunc, method)
        if issubclass(type(inputs[0]), np.generic) and method == "__call__" and all(map(_is_scalar, inputs)) and (
                ufunc is np.power or any(isinstance(_plain(x), (complex, np.complexfloating)) for x in inputs)):
            raise CaptureError(f"{_core.user_line()}: np.{ufunc.__name__} of a NumPy scalar and one of the traced call: whether "
                               "it is the function, or the operator, which has other last bits, cannot be told. Write float() or "
                               "complex() around the NumPy scalar")
        if method == "at":
            _refused(f"np.{ufunc.__name__}.at")
        if out is None:
            return _apply(call, inputs, kwargs)
        if len(out) != 1 or not isinstance(out[0], TracedArray):
            _refused(f"np.{ufunc.__name__} with out, an array that the trace does not know,")
        target = out[0]
        if not isinstance(target._value, np.ndarray):       # a NumPy scalar: `a -= b` makes another one
            return _apply(call, inputs, kwargs)
        _change(functools.partial(call_into, call), target, inputs, kwargs)
        return target

    def __array_function__(self, function: Any, types: Any, args: Any, kwargs: Any) -> Any:
        if function in _BY_SHAPE:
            return function(*_plain(args), **_plain(kwargs))
        if function in _IN_PLACE or kwargs.get("out") is not None:
            _refused(f"np.{function.__name__}, which writes into an array,")
        return _apply(function, args, kwargs)

    def __getattr__(self, name: str) -> Any:
        if name in ("T", "real", "imag"):
            return _apply(getattr, (self, name), {}, view=True)
        if name in _METHODS:
            return functools.partial(_method, name, self)
        if name.startswith("__") or not hasattr(type(_core.value_of(self._slot)), name):    # what is asked of every object
            raise AttributeError(f"{type(_core.value_of(self._slot)).__name__} has no attribute {name!r}")
        if name in _CHANGING:
            _refused(f"ndarray.{name}")
        return getattr(_read(self, f".{name}"), name)

    def __getitem__(self, index: Any) -> Any:
        return _apply(operator.getitem, (self, index), {}, view=True)

    def __round__(self, ndigits: Any = None) -> Any:
        if not _is_scalar(self):
            raise TypeError(f"type {type(self._value).__name__} doesn't define __round__ method")
        return _apply(round, (self,) if ndigits is None else (self, ndigits), {})

    def __pow__(self, other: Any) -> Any:      # squares and roots of ndarray's own, which np.power has not in every version
        return NotImplemented if isinstance(other, _core.Variable) else _apply(operator.pow, (self, other), {})

    def __rpow__(self, other: Any) -> Any:
        return NotImplemented if isinstance(other, _core.Variable) else _apply(operator.pow, (other, self), {})

    def __ipow__(self, other: Any) -> Any:
        if isinstance(other, _core.Variable) or not isinstance(self._value, np.ndarray):
            return self ** other
        _change(operator.ipow, self, (other,), {})
        return self

    def __setitem__(self, index: Any, value: Any) -> None:
        _change(operator.setitem, self, (index, value), {})

    def __iter__(self) -> Iterator[Any]:
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self)))

    # ---- looks at the numbers

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return _read(self, "an array of it")

    def __float__(self) -> float:
        return float(_read(self, "float()"))

    def __int__(self) -> int:
        return int(_read(self, "int()"))

    def __complex__(self) -> complex:
        return complex(_read(self, "complex()"))

    def __bool__(self) -> bool:
        return bool(_read(self, "bool()"))

    def __index__(self) -> int:
        return operator.index(_read(self, "an index"))

    def __repr__(self) -> str:
        return repr(_read(self, "str()"))

    def __format__(self, spec: str) -> str:
        return format(_read(self, "format()"), spec)

    def __reduce__(self) -> Any:
        return _core.as_array, (_read(self, "a copy of it"),)

    __hash__ = None     # type: ignore[assignment]    # as an ndarray


def _is_scalar(o: Any) -> bool:
    """Whether it is a number, whose operators are not those of arrays."""
    if isinstance(o, TracedArray):
        return not isinstance(o._value, np.ndarray)
    return isinstance(o, (np.generic, int, float, complex))


def _of_scalars(name: str) -> Callable[..., Any]:
    """The operator __name__: for two scalars that of scalars, which has other bits (complex numbers, powers) and other warnings
    than the ufunc, else the ufunc."""
    reflected = name.startswith("r") and hasattr(operator, f"__{name[1:]}__") and not hasattr(operator, f"__{name}__")
    function = getattr(operator, f"__{name[1:] if reflected else name}__")
    of_arrays = getattr(NDArrayOperatorsMixin, f"__{name}__")

    def operate(self: TracedArray, other: Any) -> Any:
        if not _is_scalar(self) or not _is_scalar(other):
            return of_arrays(self, other)
        return _apply(function, (other, self) if reflected else (self, other), {})

    def operate_alone(self: TracedArray) -> Any:
        return _apply(function, (self,), {}) if _is_scalar(self) else of_arrays(self)

    return operate_alone if name in ("neg", "pos", "abs", "invert") else operate


for _name in ("add", "sub", "mul", "truediv", "floordiv", "mod", "and", "or", "xor", "lshift", "rshift"):
    setattr(TracedArray, f"__{_name}__", _of_scalars(_name))
    setattr(TracedArray, f"__r{_name}__", _of_scalars(f"r{_name}"))
for _name in ("neg", "pos", "abs", "invert", "lt", "le", "gt", "ge", "eq", "ne"):
    setattr(TracedArray, f"__{_name}__", _of_scalars(_name))
# How they are called as ufuncs, which have the same bits for real numbers.
_UFUNCS = {operator.__add__: "add", operator.__sub__: "subtract", operator.__mul__: "multiply", operator.__neg__: "negative",
           operator.__truediv__: "divide", operator.__abs__: "absolute", operator.__gt__: "greater", operator.__lt__: "less",
           operator.__ge__: "greater_equal", operator.__le__: "less_equal", operator.__eq__: "equal",
           operator.__ne__: "not_equal"}


def _method(name: str, array: TracedArray, *args: Any, **kwargs: Any) -> Any:
    if kwargs.get("out") is not None:
        _refused(f"ndarray.{name} with out")
    return _apply(call_method, (name, array, *args), kwargs, view=name in _VIEWS)


def _refused(what: str) -> NoReturn:
    raise CaptureError(f"{_core.user_line()}: {what} cannot be captured; write it as an expression, `x = ...`, or `x.data = ...`")


def _current(array: TracedArray) -> None:
    """Raises CaptureError for the array that a Variable had before it was given another."""
    if _core.is_traced() and _core.version_of(array._slot) != array._version:
        raise CaptureError(f"{_core.user_line()}: this array was a Variable's data before `x.data = ...` gave it another, which "
                           "a replay could not tell apart; keep a copy (x.data.copy()), or compute what needs it before")


def _read(array: TracedArray, what: str) -> Any:
    _current(array)
    return _core.read_value(array._slot, what)


# ---- logged calls: the places of arrays in the arguments are filled from the slots at each replay


# What a ufunc of float64 numbers gives float64 with.
_OPERANDS: tuple[type, ...] = (Place, int, float, np.integer, np.float32)


def _taken(o: Any, slots: list[_core.Variable]) -> Any:
    """o with places for the arrays of the traced call in it, whose slots are appended."""
    if isinstance(o, TracedArray):
        _current(o)
        slots.append(o._slot)
        return Place(len(slots) - 1)
    if type(o) in (tuple, list):
        return type(o)([_taken(x, slots) for x in o])
    if type(o) is dict:
        return {key: _taken(x, slots) for key, x in o.items()}
    if isinstance(o, slice):
        return slice(*[_taken(x, slots) for x in (o.start, o.stop, o.step)])
    if isinstance(o, _core.Variable):
        raise CaptureError(f"{_core.user_line()}: an array of the traced call and a Variable meet in a NumPy function that "
                           "records no graph; use .data of both, or a function of dezero_c.functions")
    return o


def _logged(function: Callable[..., Any], args: Any, kwargs: Any, effect: bool) -> Any:
    """function(*args, **kwargs), done and written down."""
    slots: list[_core.Variable] = []
    template = Template(function, _taken(tuple(args), slots), _taken(dict(kwargs), slots))
    return _core.apply_traced(template, tuple(slots), effect)


def _is_constant(o: Any) -> bool:
    """Whether no array of the traced call is in an index."""
    if isinstance(o, slice):
        return not any(isinstance(x, Place) for x in (o.start, o.stop, o.step))
    return all(_is_constant(x) for x in o) if type(o) in (tuple, list) else not isinstance(o, Place)


def decoded(function: Any) -> tuple[str, tuple[Any, ...]]:
    """What a logged function of arrays does, for the machine: a name, and for a ufunc or a comparison its operands, which
    are numbers, or (k,) for the k-th array; for an element or a slice the index."""
    named: dict[Any, str] = {np.asarray: "array", _core.same: "same", np.zeros_like: "zeros"}
    if function in named:
        return named[function], ()
    if isinstance(function, functools.partial):
        if function.func is mask_of:
            return "compare", ((0,), (1,))
        if function.func is mask_by and isinstance(function.args[1], (int, float)):
            return "compare", ((0,), float(function.args[1]))
        if function.func is mask_by and function.args[1] is None:
            return "ones", ()
        if function.func is _core.as_dtype and np.dtype(function.args[0]) == np.float64:
            return "copy", ()
    if isinstance(function, Template):
        call, args = function.function, function.args
        if isinstance(call, functools.partial) and call.func is call_into:
            call, args = call.args[0], args[1:]
        if isinstance(call, np.ufunc) and not function.kwargs and all(isinstance(a, _OPERANDS) for a in args):
            return call.__name__, tuple((a.k,) if isinstance(a, Place) else a for a in args)
        if call in _UFUNCS and all(isinstance(a, _OPERANDS) for a in args):
            return _UFUNCS[call], tuple((a.k,) if isinstance(a, Place) else a for a in args)
        if call is call_method:
            return ("copy" if args[0] == "copy" and len(args) == 2 and not function.kwargs else f"ndarray.{args[0]}"), ()
        if call is operator.getitem and isinstance(args[0], Place) and _is_constant(args[1]):
            return "item", (args[1],)
        return f"np.{getattr(call, '__name__', call)}", ()
    return f"np.{getattr(function, '__name__', function)}", ()


def _plain(o: Any) -> Any:
    """o with the arrays in place of TracedArrays."""
    if isinstance(o, TracedArray):
        return o._value
    if type(o) in (tuple, list):
        return type(o)([_plain(x) for x in o])
    return {key: _plain(x) for key, x in o.items()} if type(o) is dict else o


def _apply(function: Callable[..., Any], args: Any, kwargs: Any, view: bool = False) -> Any:
    if not _core.is_traced():       # one that was kept beyond its call
        return function(*_plain(args), **_plain(kwargs))
    found = _logged(function, args, kwargs, False)
    if isinstance(found, tuple):
        return tuple(TracedArray(slot, view) for slot in found)
    return TracedArray(found, view)


def _change(function: Callable[..., Any], target: TracedArray, args: Any, kwargs: Any) -> None:
    if not _core.is_traced():
        function(target._value, *_plain(args), **_plain(kwargs))
        return
    if target._view:
        _refused("writing into a part of an array, or another shape of it,")
    _logged(function, (target, *args), kwargs, True)


# ---- what the engine asks for


def _traced(v: _core.Variable) -> TracedArray | None:
    """`v.data` in a call that is being traced: one object, as long as v has this array."""
    if _core.value_of(v) is None:
        return None
    found = None if _here.made is None else _here.made.get(id(v))
    return found if found is not None and found._slot is v and found._version == _core.version_of(v) else TracedArray(v)


def _keep_data(v: _core.Variable) -> None:
    """`v.data`, where somebody has it, stays what it is when v is given other data."""
    found = None if _here.made is None else _here.made.get(id(v))
    if found is not None and found._slot is v and found._version == _core.version_of(v):
        found._slot, found._version = _core.apply_traced(_core.same, (v,), False), 0
        _here.made[id(found._slot)] = _here.made.pop(id(v))     # type: ignore[index, union-attr]


def _untraced(o: TracedArray) -> _core.Variable:
    """An operand for it."""
    _current(o)
    found: _core.Variable = _core.apply_traced(np.asarray, (o._slot,), False)
    return found


def slot_of(o: Any) -> _core.Variable | None:
    """The Variable behind a TracedArray; None for anything else."""
    if not isinstance(o, TracedArray):
        return None
    _current(o)
    return o._slot


_core.register_methods(keep_data=_keep_data, traced=_traced, untraced=_untraced, slot_of=slot_of, traced_array=TracedArray)
