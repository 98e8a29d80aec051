"""Every differentiable function, and the class behind each.

The functions live in families, one compiled module each; this module is all of them under DeZero's names. A family's
`__all__` is the list of what is public in it.
"""

from typing import TYPE_CHECKING

import numpy as np  # noqa: F401  names that programs take from here, too: np, Variable, Function, cuda

from dezero_c import (
    _cast,
    _conv,
    _einsum,
    _im2col,
    _index,
    _join,
    _linalg,
    _losses,
    _matmul,
    _norm,
    _ops,
    _pool,
    _reduce,
    _shape,
    _softmax,
)
from dezero_c import cuda as cuda
from dezero_c._cast import *  # noqa: F403
from dezero_c._conv import *  # noqa: F403
from dezero_c._core import Function as Function
from dezero_c._core import Variable as Variable
from dezero_c._core import as_array as as_array
from dezero_c._core import as_variable as as_variable
from dezero_c._einsum import *  # noqa: F403
from dezero_c._im2col import *  # noqa: F403
from dezero_c._index import *  # noqa: F403
from dezero_c._join import *  # noqa: F403
from dezero_c._linalg import *  # noqa: F403
from dezero_c._losses import *  # noqa: F403
from dezero_c._matmul import *  # noqa: F403
from dezero_c._norm import *  # noqa: F403
from dezero_c._ops import *  # noqa: F403
from dezero_c._pool import *  # noqa: F403
from dezero_c._reduce import *  # noqa: F403
from dezero_c._shape import *  # noqa: F403
from dezero_c._softmax import *  # noqa: F403

if not TYPE_CHECKING:       # a checker knows the names from the imports, and of `__all__` literal lists only
    __all__ = [
        name
        for family in (
            _cast, _conv, _einsum, _im2col, _index, _join, _linalg, _losses,
            _matmul, _norm, _ops, _pool, _reduce, _shape, _softmax,
        )
        for name in family.__all__
    ]
