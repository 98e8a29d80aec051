"""`np.array` and its kind on lists of Variables that hold arrays: NumPy asks each for its values, and nothing tells it of a
graph. This finds out from the caller's code and from what NumPy does with the values, so that none is lost without a word.
SciPy, where it takes the standard's arrays, does so with single ones, computes by compiled code and makes a Variable of the
result: a warning tells."""

import itertools
import os
import sys
import warnings
import weakref
from types import CodeType
from typing import Any

import numpy as np

from dezero_c import _core

_CONSTRUCTORS = ("array", "asarray", "asanyarray", "asarray_chkfinite", "ascontiguousarray", "asfortranarray", "require")
_WHAT = "np.{} of a list of Variables loses their graph: take stack or concatenate of dezero_c.functions, or their data"


class _Asks:
    """An operand that notes whether NumPy passes `copy` on."""

    copy: bool | None = None

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray[Any, Any]:
        self.copy = copy
        return np.zeros(1)


np.array(_asks := _Asks())
_PASSES_COPY = _asks.copy is True       # np.array asks its own argument for a copy, and a list's elements for none: NumPy 2.1


_calls: dict[tuple[CodeType, int], tuple[str, bool]] = {}     # what _constructor found


def _constructor(code: CodeType, at: int) -> tuple[str, bool]:
    """Which of NumPy's functions the instruction `at` of `code` calls, "" for any other, and whether with the keyword `copy`:
    the last name that is loaded from where the call begins in the source."""
    import dis  # here: most programs never come this way

    positions = list(itertools.islice(code.co_positions(), at // 2 + 1))
    start, name, copy, in_name = positions[at // 2][:3:2], "", False, False
    for each in dis.get_instructions(code):
        if each.offset >= at:
            break
        begins = positions[each.offset // 2][:3:2] == start and each.opname != "LOAD_CONST"     # which is the keywords' names
        if (each.opname.startswith("LOAD_") and begins) or (in_name and each.opname in ("LOAD_ATTR", "LOAD_METHOD")):
            name, in_name = str(each.argval), True
        else:
            in_name = False
        keywords = each.argval
        if each.opname == "KW_NAMES" and each.arg is not None:      # unknown to dis of CPython 3.11
            keywords = code.co_consts[each.arg]
        copy = (isinstance(keywords, tuple) and "copy" in keywords) or (copy and each.opname in ("PRECALL", "CACHE"))
    return (name, copy) if name in _CONSTRUCTORS else ("", copy)


_watched: dict[int, weakref.ref[np.ndarray[Any, Any]]] = {}


def value_for_numpy(value: np.ndarray[Any, Any], dtype: Any) -> np.ndarray[Any, Any]:
    """What `Variable.__array__` gives where no copy is asked for and there may be a graph to lose. Raises TypeError where a
    list of Variables is being made into an array. `asarray` cannot be told from `asarray` of a list before NumPy has done its
    work: in a list it copies the values and lets go of them within the very call, and a warning tells."""
    frame = sys._getframe(1)
    asks = str(frame.f_globals.get("__name__", ""))
    if asks.startswith(("matplotlib.", "mpl_toolkits.", "numpy.testing")):
        return np.asarray(value, dtype)     # to be looked at
    if asks.startswith(("scipy.", "sklearn.")) and os.environ.get("SCIPY_ARRAY_API"):    # what comes of it will be a Variable
        warnings.warn(f"{asks} computes with a Variable's values alone, and gives results without a graph", stacklevel=2)
    call = frame.f_code, frame.f_lasti
    if call not in _calls:
        if len(_calls) > 1000:      # programs that make code on and on
            _calls.clear()
        _calls[call] = _constructor(*call)
    name, with_copy = _calls[call]
    if not name:
        return np.asarray(value, dtype)
    if name == "array" and not with_copy:
        if _PASSES_COPY:
            raise TypeError(_WHAT.format(name))
        return np.asarray(value, dtype)
    caller, at, given = id(frame), frame.f_lasti, np.asarray(value, dtype).view()

    def gone(watch: weakref.ref[np.ndarray[Any, Any]]) -> None:
        del _watched[id(watch)]
        now = sys._getframe(1)
        if id(now) == caller and now.f_lasti == at:
            warnings.warn(_WHAT.format(name), stacklevel=2)

    watch = weakref.ref(given, gone)
    _watched[id(watch)] = watch
    return given


_core.register_methods(value_for_numpy=value_for_numpy)
