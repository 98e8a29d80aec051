"""Every differentiable function, and the class behind each.

The functions live in families, one compiled module each; this module is all of them under DeZero's names. A family's
`__all__` is the list of what is public in it.
"""

from dezero_c import _index, _matmul, _ops, _reduce, _shape
from dezero_c._index import *  # noqa: F403
from dezero_c._matmul import *  # noqa: F403
from dezero_c._ops import *  # noqa: F403
from dezero_c._reduce import *  # noqa: F403
from dezero_c._shape import *  # noqa: F403

__all__ = [name for family in (_ops, _shape, _index, _reduce, _matmul) for name in family.__all__]
