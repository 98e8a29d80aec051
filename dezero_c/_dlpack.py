"""Values exchanged with other array libraries by DLPack, without a copy: `Variable.__dlpack__` and `dezero_c.from_dlpack`.

NumPy does the exchange; what it does not say clearly (no value yet, another kind of device, a captured call) is said here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core

if TYPE_CHECKING:
    from typing import Any

__all__ = ["from_dlpack"]

_CPU = (1, 0)       # DLPack's (device type, device number) of the machine's own memory
_KEYWORDS = not np.__version__.startswith("2.0.")       # which take the array alone


def _array(x: _core.Variable) -> np.ndarray[Any, Any]:
    """The value of x as an ndarray, of its shape and dtype."""
    value = x.data
    if issubclass(type(value), np.ndarray):
        return value
    if value is None:
        raise TypeError("__dlpack__: the Variable has no value yet (its data is None)")
    from dezero_c._calls import CaptureError  # in a traced call `data` is no ndarray

    raise CaptureError("__dlpack__: another library's arithmetic cannot be replayed by a captured function; "
                       "exchange arrays outside of it")


def _dlpack(self: _core.Variable, *, stream: Any = None, max_version: tuple[int, int] | None = None,
            dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any:
    """The value as a DLPack capsule, of the shape and dtype of `data`; what torch.from_dlpack(x) and its like call. The memory is
    that of `data` (a copy with copy=True), and the graph is not handed over: the other library gets numbers alone, though every
    Variable has a gradient (PyTorch refuses tensors that require one). A value with a negative stride, as a reversed one has, is
    handed over as a copy: PyTorch 2.13 ends the process at one.

    BufferError: a read-only value for a library that asks for no version of DLPack that can say so, a dtype that DLPack does not
    have, a device other than the CPU, (1, 0), a negative stride with copy=False. ValueError: a stream, which the CPU has none of.
    TypeError: no value.
    """
    if stream is not None:
        raise ValueError(f"__dlpack__: stream is {stream!r}; a value on the CPU has no stream, stream=None is meant")
    if dl_device is not None and tuple(dl_device) != _CPU:
        raise BufferError(f"__dlpack__: dl_device is {dl_device!r}; values lie on the CPU, {_CPU}, and are not moved from there")
    value = _array(self)
    backwards = any(stride < 0 for stride in value.strides)
    if backwards and copy is False:
        raise BufferError(f"__dlpack__: the value has strides {value.strides}, and not every library takes negative ones; leave "
                          "copy=False out, which gives a copy")
    if copy or backwards:
        value = value.copy()
    if _KEYWORDS:
        return value.__dlpack__(max_version=max_version)
    return value.__dlpack__()


def _dlpack_device(self: _core.Variable) -> tuple[int, int]:
    """(1, 0): the CPU."""
    return _CPU


def from_dlpack(x: Any, /, *, device: Any = None, copy: bool | None = None) -> _core.Variable:
    """A Variable of the value of x, an array of any library with `__dlpack__` (PyTorch, JAX, NumPy), of its shape and
    dtype. It shares x's memory; copy=True gives memory of its own, and copy=False forbids a copy to x's library. No graph comes
    along. device may be None or "cpu".

    TypeError: x has no `__dlpack__`. ValueError: another device. BufferError: x lies on another device, or its
    library does not give it away (with copy=False, without a copy; PyTorch: a tensor that requires a gradient; use x.detach()).
    """
    if not (hasattr(x, "__dlpack__") and hasattr(x, "__dlpack_device__")):
        raise TypeError(f"from_dlpack: {type(x).__name__} has no __dlpack__ and __dlpack_device__; a Variable of numbers is made "
                        "by Variable(np.array(x))")
    if device is not None and device != "cpu":
        raise ValueError(f"from_dlpack: device is {device!r}; Variables lie on the CPU, 'cpu' or None")
    kind, number = x.__dlpack_device__()
    if int(kind) != _CPU[0]:
        raise BufferError(f"from_dlpack: the array lies on DLPack's device ({int(kind)}, {number}), and Variables on the CPU, "
                          f"{_CPU}; copy it there first by its own library (x.cpu() in PyTorch)")
    value = np.from_dlpack(x, copy=False) if copy is False and _KEYWORDS else np.from_dlpack(x)
    return _core.Variable(value.copy() if copy else value)


_core.Variable.__dlpack__ = _dlpack                    # type: ignore[method-assign]
_core.Variable.__dlpack_device__ = _dlpack_device      # type: ignore[method-assign]
for _name in ("__dlpack__", "__dlpack_device__"):
    _method = getattr(_core.Variable, _name)
    _method.__name__, _method.__qualname__ = _name, f"Variable.{_name}"
