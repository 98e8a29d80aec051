"""What the namespace says of itself: `__array_namespace_info__`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dezero_c.array_api import _creation
from dezero_c.array_api._operands import on_cpu

if TYPE_CHECKING:
    DType = np.dtype[Any]

_KINDS = ("bool", "signed integer", "unsigned integer", "integral", "real floating", "complex floating", "numeric")
_NAMES = ("bool", "int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64", "float32", "float64", "complex64",
          "complex128")


class Info:
    """Devices, dtypes and capabilities of the namespace, as the standard has them."""

    def capabilities(self) -> dict[str, Any]:
        """Boolean masks as indices, results whose shape depends on values, and arrays of up to 64 axes."""
        return {"boolean indexing": True, "data-dependent shapes": True, "max dimensions": 64}

    def default_device(self) -> str:
        """ "cpu"."""
        return "cpu"

    def default_dtypes(self, *, device: Any = None) -> dict[str, DType]:
        """What is made where no dtype is given. ValueError for another device than "cpu"."""
        on_cpu(device, "default_dtypes")
        return {"real floating": _creation.float64, "complex floating": _creation.complex128, "integral": np.dtype(np.int_),
                "indexing": np.dtype(np.intp)}

    def devices(self) -> list[str]:
        """ "cpu" alone."""
        return ["cpu"]

    def dtypes(self, *, device: Any = None, kind: str | tuple[str, ...] | None = None) -> dict[str, DType]:
        """The dtypes by name, all or those of a kind, or of several: the kinds of `isdtype`. ValueError for another kind, or
        another device than "cpu"."""
        on_cpu(device, "dtypes")
        for each in () if kind is None else kind if isinstance(kind, tuple) else (kind,):
            if each not in _KINDS:
                raise ValueError(f"dtypes: kind {each!r} is none of {', '.join(map(repr, _KINDS))}")
        found = {name: getattr(_creation, name) for name in _NAMES}
        return found if kind is None else {name: dtype for name, dtype in found.items() if np.isdtype(dtype, kind)}


def __array_namespace_info__() -> Info:
    """Devices, dtypes and capabilities of the namespace."""
    return Info()
