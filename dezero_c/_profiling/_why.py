"""Which way an operation went, and why it was the general one: from its class, and its operands' dtypes, classes and strides.

The engine's log does not say which loop ran. These are the conditions of the families' sources: `view` for elementwise
operations, `kernel_dtype` and `carray` for those on whole arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core

if TYPE_CHECKING:
    from typing import Any

    from dezero_c._core import Function, Variable

__all__ = ["about", "forward_way"]

# Families with kernels of their own that are asked by the dtypes of all operands; of those named, of the first ones only.
_KERNELS = frozenset({"_softmax", "_losses", "_norm", "_im2col", "_conv", "_pool", "_recurrent"})
_FIRST = {"SoftmaxCrossEntropy": 1}
_ALIKE = frozenset({"BatchNorm", "LayerNorm"})      # whose operands must have one dtype
_RAW = 4096             # bytes up to which a value may lie in its node, where it is in C order
_GAPS = "not contiguous"


def about(x: Variable) -> tuple[tuple[int, ...], np.dtype[Any], type] | None:
    """Shape, dtype and class of x's value; None where it has none, or none with a dtype."""
    found = _core.about(x)
    return found if found is not None and isinstance(found[1], np.dtype) else None


def forward_way(f: Function, inputs: tuple[Variable, ...]) -> tuple[str, str]:
    """("kernel", "BLAS", "NumPy", "general" or "Python", the reason or "")."""
    kind = _core.measured_kind(f)
    name, family = type(f).__name__, type(f).__module__.rpartition(".")[2]
    if kind == "python":
        return "Python", "a Function written in Python"
    if kind == "general":
        return "general", "a parameter that the kernel does not take"
    if kind == "elementwise":
        return _elementwise(inputs)
    if family in _KERNELS:
        return _on_arrays(name, inputs[:_FIRST.get(name, len(inputs))])
    if name in ("Sum", "Mean"):
        return _sums(f, inputs[0])
    if name in ("MatMul", "Linear"):
        reason = _unfit(inputs, subclasses=False)
        if reason:
            return "general", reason
        return ("BLAS", "copied into float64: mixed dtypes") if _mixed(inputs) else ("BLAS", "")
    return "NumPy", ""


def _elementwise(inputs: tuple[Variable, ...]) -> tuple[str, str]:
    reason = _unfit(inputs, subclasses=True)
    if reason:
        return "general", reason
    if not _mixed(inputs):
        return "kernel", ""
    return ("kernel", "copied into float64: mixed dtypes") if len(inputs) == 2 else ("general", "mixed dtypes")


def _on_arrays(name: str, inputs: tuple[Variable, ...]) -> tuple[str, str]:
    reason = _unfit(inputs, subclasses=False)
    if reason:
        return "general", reason
    if name == "MeanSquaredError" and inputs[0].shape != inputs[1].shape:
        return "general", f"shapes {inputs[0].shape} and {inputs[1].shape}"
    if _mixed(inputs):
        return ("general", "mixed dtypes") if name in _ALIKE else ("kernel", "copied into float64: mixed dtypes")
    return ("kernel", "copied: " + _GAPS) if any(_has_gaps(x) for x in inputs) else ("kernel", "")


def _sums(f: Any, x: Variable) -> tuple[str, str]:
    reason = _unfit((x,), subclasses=True)
    if reason:
        return "general", reason
    if _has_gaps(x):
        return "general", _GAPS
    if x.size == 0:
        return "general", "no elements"
    axis = f._arguments()[0]
    return ("kernel", "") if axis is None or type(axis) is int else ("general", "several axes")


def _unfit(inputs: tuple[Variable, ...], subclasses: bool) -> str:
    """Why kernels cannot take these values, or "". subclasses: whether those of ndarray are among the reasons."""
    for x in inputs:
        found = about(x)
        if found is None:
            return "a value that is no array"
        _, dtype, cls = found
        if subclasses and not (cls is np.ndarray or issubclass(cls, np.generic)):
            return f"ndarray subclass {cls.__name__}"
        if dtype.kind in "iu":
            return f"integers ({dtype.name})"
        if dtype.kind == "b":
            return "booleans"
        if dtype.kind != "f" or dtype.itemsize not in (4, 8):
            return f"complex ({dtype.name})" if dtype.kind == "c" else dtype.name
        if subclasses and not dtype.isnative:
            return "byte order"
        if subclasses and _lies(x, "ALIGNED") is False:
            return "not aligned"
    return ""


def _mixed(inputs: tuple[Variable, ...]) -> bool:
    return len({found[1].itemsize for x in inputs if (found := about(x)) is not None}) > 1


def _has_gaps(x: Variable) -> bool:
    return _lies(x, "C_CONTIGUOUS") is False


def _lies(x: Variable, flag: str) -> bool | None:
    """A flag of x's array; None for a small one, which may lie in its node and is not to be moved out of it."""
    found = about(x)
    if found is None or (found[2] is np.ndarray and found[1].itemsize * int(np.prod(found[0])) <= _RAW):
        return None
    return bool(getattr(_core.value_of(x), "flags", {flag: True})[flag])
