"""Every differentiable function, and the class behind each.

The functions live in families, one compiled module each; this module is all of them under DeZero's names. A family's
`__all__` is the list of what is public in it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import dezero_c as dezero
from dezero_c import (
    _cast,
    _conv,
    _einsum,
    _fft,
    _im2col,
    _index,
    _join,
    _later,
    _linalg,
    _losses,
    _matmul,
    _norm,
    _ops,
    _order,
    _pool,
    _reduce,
    _shape,
    _softmax,
    cuda,
)
from dezero_c._cast import *  # noqa: F403
from dezero_c._conv import *  # noqa: F403
from dezero_c._core import Function, Variable, as_array, as_variable
from dezero_c._core import inputs_of as _inputs_of
from dezero_c._einsum import *  # noqa: F403
from dezero_c._fft import *  # noqa: F403
from dezero_c._im2col import *  # noqa: F403
from dezero_c._index import *  # noqa: F403
from dezero_c._join import *  # noqa: F403
from dezero_c._linalg import *  # noqa: F403
from dezero_c._losses import *  # noqa: F403
from dezero_c._matmul import *  # noqa: F403
from dezero_c._norm import *  # noqa: F403
from dezero_c._ops import *  # noqa: F403
from dezero_c._order import *  # noqa: F403
from dezero_c._pool import *  # noqa: F403
from dezero_c._reduce import *  # noqa: F403
from dezero_c._shape import *  # noqa: F403
from dezero_c._softmax import *  # noqa: F403
from dezero_c.core import rsub

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dezero_c import utils


class _Field:
    """A field that DeZero's Functions set in `forward`, made when it is read; an instance may be given its own."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        self._make = make

    def __get__(self, f: Any, owner: Any = None) -> Any:
        return self if f is None else self._make(f)


def _no_bias(f: Any) -> bool:
    """True where a bias was given, in spite of its name, and missing elsewhere: DeZero's."""
    if len(_inputs_of(f)) < 3 or _inputs_of(f)[2].data is None:
        raise AttributeError("Deconv2d has no no_bias: it was called without a bias")
    return True


def _add_fields(*classes: Any, **fields: Callable[[Any], Any]) -> None:
    for cls in classes:
        for name, make in fields.items():
            setattr(cls, name, _Field(make))


_add_fields(_shape.Reshape, _shape.BroadcastTo, _shape.SumTo, _reduce.Sum, x_shape=lambda f: _inputs_of(f)[0].shape)
_add_fields(_ops.Add, _ops.Sub, x0_shape=lambda f: _inputs_of(f)[0].shape, x1_shape=lambda f: _inputs_of(f)[1].shape)
_add_fields(_conv.Deconv2d, no_bias=_no_bias)

if not TYPE_CHECKING:       # a checker knows the names from the imports, and of `__all__` literal lists only
    _PUBLIC = [
        name
        for family in (
            _cast, _conv, _einsum, _fft, _im2col, _index, _join, _linalg, _losses,
            _matmul, _norm, _ops, _order, _pool, _reduce, _shape, _softmax,
        )
        for name in family.__all__
    ]
    # `*` gives every name that DeZero's module gives, those that it merely imports too. Names that DeZero lacks stay out where
    # they would hide a builtin, or another module's class or function: `from dezero.layers import *` may stand above.
    _HIDING = {"Conv2d", "Deconv2d", "Dropout", "LayerNorm", "abs", "logsumexp", "round"}
    __getattr__, __dir__ = _later.modules(__name__, {"utils": "dezero_c.utils"})     # which asks for this module
    __all__ = [
        *(name for name in _PUBLIC if name not in _HIDING),
        "Function", "Variable", "as_array", "as_variable", "cuda", "dezero", "np", "rsub", "utils",
    ]
