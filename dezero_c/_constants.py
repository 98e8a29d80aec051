"""Results that have no gradient, as Variables without a graph: places, truth values, counts, bits.

`constant` computes one; a captured function computes it again in each replay. BITS has NumPy's ufuncs on the bits of integers and
on booleans, for `v & w` (_array_object.py), `np.bitwise_and(a, v)` (_protocols.py) and the namespace array_api.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any


def _filled(function: Callable[..., Any], args: tuple[Any, ...], places: tuple[int, ...], kwargs: dict[str, Any],
            *values: Any) -> Any:
    """function(*args, **kwargs) with the values at their places, its results as ndarrays."""
    given = list(args)
    for place, value in zip(places, values, strict=True):
        given[place] = value
    found = function(*given, **kwargs)
    return tuple(np.asarray(each) for each in found) if isinstance(found, tuple) else np.asarray(found)


def constant(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    """function(*args, **kwargs) on the values of the Variables among args: a Variable without a graph, or a tuple of them."""
    places = tuple(i for i, x in enumerate(args) if isinstance(x, _core.Variable))
    if places and _core.is_traced():
        rest = tuple(None if i in places else x for i, x in enumerate(args))
        call = functools.partial(_filled, function, rest, places, kwargs)
        return _core.apply_traced(call, tuple(args[i] for i in places), False)
    found = _filled(function, args, places, kwargs, *[args[i].data for i in places])
    return tuple(_core.Variable(each) for each in found) if isinstance(found, tuple) else _core.Variable(found)


def _on_bits(ufunc: np.ufunc) -> Callable[..., Any]:
    def function(*xs: Any) -> Any:
        for x in xs:
            dtype = x.dtype if hasattr(x, "dtype") else np.asarray(x).dtype
            if dtype.kind not in "biu":
                raise TypeError(f"{ufunc.__name__}: not defined for {dtype}; integers and booleans have bits "
                                "(comparisons, as x > 0, give booleans)")
        return constant(ufunc, *xs)
    return function


BITS: dict[np.ufunc, Callable[..., Any]] = {
    ufunc: _on_bits(ufunc)
    for ufunc in (np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert, np.left_shift, np.right_shift)
}
