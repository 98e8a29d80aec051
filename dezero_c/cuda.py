"""What programs ask about the GPU, answered without one: arrays are NumPy's.

`gpu_enable` is False, and moving data to a GPU raises: a program that asks first runs on the CPU.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dezero_c._core import Variable

if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any, NoReturn

    from numpy.typing import NDArray

    from dezero_c._typing import Operand

__all__ = ["Variable", "as_cupy", "as_numpy", "get_array_module", "gpu_enable", "np"]

gpu_enable = False


def get_array_module(x: object) -> ModuleType:
    """The module whose arrays x is made of: always NumPy."""
    return np


def as_numpy(x: Operand) -> NDArray[Any]:
    """x, a Variable, an array or a number, as an ndarray."""
    if isinstance(x, Variable):
        x = x.data
    return np.array(x) if np.isscalar(x) else np.asarray(x)


def as_cupy(x: object) -> NoReturn:
    """Raises: there is no GPU here."""
    raise RuntimeError("as_cupy: there is no GPU here; dezero_c computes on the CPU. Ask `cuda.gpu_enable`, which is False")
