"""NumPy's protocols for Variables: what `np.sin(v)`, `np.sum(v, axis=0)`, `np.concatenate([v, w])` and `a + v` do.

Ufuncs (`__array_ufunc__`) are mapped to the operations of the table, all other functions (`__array_function__`) to
those of dezero_c.functions (_numpy_functions.py, made of src/functions.toml), so that the graph is recorded. What gives no
numbers to differentiate (shapes, comparisons, indices, printing, files) runs on the data; the bits of integers give Variables
without a graph (_constants.py). Everything else is refused, with a way out in the message.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c import functions as F
from dezero_c._constants import BITS
from dezero_c._numpy_adapters import ON_DATA, REDUCTIONS
from dezero_c._numpy_functions import FUNCTIONS, UFUNCS

if TYPE_CHECKING:
    import inspect
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

_COMPARISONS = {np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal,
                np.isnan, np.isinf, np.isfinite, np.logical_not, np.logical_and, np.logical_or, np.signbit}


_UFUNCS = UFUNCS | BITS
_OPERANDS = (_core.Variable, np.ndarray, np.generic, int, float, complex, list, tuple)


# SciPy's ufuncs that have another name here.
_ELSEWHERE = {"expit": "sigmoid", "psi": "digamma"}


def _known_as(ufunc: np.ufunc) -> tuple[str, str]:
    """A ufunc as a user writes it, and what to take in its place."""
    name = ufunc.__name__
    if getattr(np, name, None) is ufunc:
        return f"np.{name}", "a function"
    ours = _ELSEWHERE.get(name, name)
    return name, ours if hasattr(F, ours) else "a function"


def _plain(x: Any) -> Any:
    """x with the data of Variables in their place, in lists, tuples and dicts too."""
    if isinstance(x, _core.Variable):
        return x.data
    if type(x) in (list, tuple):
        return type(x)(_plain(each) for each in x)
    if type(x) is dict:
        return {key: _plain(each) for key, each in x.items()}
    return x


def array_ufunc(ufunc: np.ufunc, method: str, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `Variable.__array_ufunc__` does."""
    out = kwargs.pop("out", None)
    if ufunc in _COMPARISONS and method == "__call__" and out is None:
        return ufunc(*[_plain(x) for x in inputs], **kwargs)
    if method == "reduce" and ufunc in REDUCTIONS and out is None:
        return array_function(REDUCTIONS[ufunc], (), inputs, {"axis": 0, **kwargs})
    if method != "__call__" or kwargs or ufunc not in _UFUNCS:
        if _draws(sys._getframe(1)):
            return getattr(ufunc, method)(*[_plain(x) for x in inputs], **kwargs, **({} if out is None else {"out": out}))
        what, ours = _known_as(ufunc)
        what += "" if method == "__call__" else f".{method}"
        raise TypeError(f"{what}{' with ' + ', '.join(kwargs) if kwargs else ''} has no gradient here; "
                        f"take {ours} of dezero_c.functions, or {what}(v.data) for its value alone")
    # `a += v` arrives as np.add(a, v, out=(a,)): a new Variable is the answer, and a stays as it is
    if out is not None and not any(o is x for o in out for x in inputs):
        raise TypeError(f"np.{ufunc.__name__}: out= cannot be a separate array when a Variable is involved; "
                        "assign the result")
    if not all(isinstance(x, _OPERANDS) for x in inputs):
        return NotImplemented
    return _UFUNCS[ufunc](*inputs)


def _draws(frame: FrameType) -> bool:
    """Whether matplotlib asks, or a histogram on its behalf, to arrange numbers for display: they are to have arrays."""
    name = str(frame.f_globals.get("__name__", ""))
    return name.partition(".")[0] in ("matplotlib", "mpl_toolkits") or name.endswith("._histograms_impl")




def _name(function: Callable[..., Any]) -> str:
    return f"{function.__module__}.{function.__name__}".replace("numpy", "np", 1)


_signatures: dict[Any, inspect.Signature | None] = {}


def _signature(function: Callable[..., Any]) -> inspect.Signature | None:
    """The function's parameters; None where they are not to be known."""
    if function not in _signatures:
        import inspect  # here: most programs never come this way

        try:
            _signatures[function] = inspect.signature(function)
        except (ValueError, TypeError):
            _signatures[function] = None
    return _signatures[function]


def _parameters(function: Callable[..., Any]) -> dict[str, Any] | None:
    """{name: default} of a NumPy function's parameters; None where they are not to be known, or are any number of arrays."""
    signature = _signature(function)
    if signature is None or any(p.kind is p.VAR_POSITIONAL for p in signature.parameters.values()):
        return None
    return {name: p.default for name, p in signature.parameters.items() if p.kind is not p.VAR_KEYWORD}


def _same(value: Any, default: Any) -> bool:
    return value is default or (isinstance(value, (int, str)) and type(value) is type(default) and value == default)


def array_function(function: Callable[..., Any], types: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `Variable.__array_function__` does."""
    if not all(issubclass(each, (_core.Variable, np.ndarray)) for each in types):
        return NotImplemented
    if function in ON_DATA or _draws(sys._getframe(1)) or (function is np.where and len(args) + len(kwargs) == 1):
        return function(*_plain(args), **_plain(kwargs))
    ours = FUNCTIONS.get(function)
    name = _name(function)
    if ours is None:
        raise TypeError(f"{name} has no gradient here; take a function of dezero_c.functions, "
                        f"or {name}(v.data) for its value alone")
    parameters = _parameters(function)
    if parameters is not None:      # each by its name; what has NumPy's default is as good as not given
        kwargs = {**dict(zip(parameters, args, strict=False)), **kwargs}
        kwargs = {key: value for key, value in kwargs.items() if not _same(value, parameters.get(key, _parameters))}
        args = ()
    taken = _signature(ours)
    assert taken is not None
    try:
        taken.bind(*args, **kwargs)
    except TypeError as error:
        raise TypeError(f"{name}: {error} (for Variables it takes {', '.join(taken.parameters)}); "
                        f"{name}(v.data, ...) gives the value alone") from None
    return ours(*args, **kwargs)


_core.register_methods(array_ufunc=array_ufunc, array_function=array_function)
