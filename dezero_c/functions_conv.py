"""Convolution and pooling, under the names of DeZero's module.

The functions live in three families, compiled modules: windows as columns, convolution, pooling.
"""

from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _conv, _im2col, _pool, cuda
from dezero_c._conv import *  # noqa: F403
from dezero_c._core import Function, as_variable
from dezero_c._im2col import *  # noqa: F403
from dezero_c._matmul import linear
from dezero_c._pool import *  # noqa: F403
from dezero_c._shape import broadcast_to

if not TYPE_CHECKING:       # a checker knows the names from the imports, and of `__all__` literal lists only
    _PUBLIC = [name for family in (_im2col, _conv, _pool) for name in family.__all__]
    __all__ = [*_PUBLIC, "Function", "as_variable", "broadcast_to", "cuda", "linear", "np"]     # those that DeZero's imports
