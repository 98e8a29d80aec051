"""Names for the types in signatures: what operations, axes and paths may be. For type checkers; nothing imports this when
a program runs, so that `import dezero_c` stays quick."""

import os
from typing import IO, Any, Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from dezero_c._core import Variable

__all__ = ["Array", "Axis", "Operand", "Pair", "Path", "Reduction", "Shape", "Triple"]

Array: TypeAlias = NDArray[Any]
Operand: TypeAlias = Variable | NDArray[Any] | np.generic | complex | list[Any] | tuple[Any, ...]
Axis: TypeAlias = int | tuple[int, ...] | None
Shape: TypeAlias = int | tuple[int, ...] | list[int]
Pair: TypeAlias = int | tuple[int, int] | list[int]
Triple: TypeAlias = int | tuple[int, int, int] | list[int]
Reduction: TypeAlias = Literal["mean", "sum", "none"]      # of the losses of rows
Path: TypeAlias = str | os.PathLike[str] | IO[bytes]
