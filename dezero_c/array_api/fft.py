"""The namespace's Fourier transforms, `array_api.fft`: of one axis those of dezero_c.functions, of several made of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from dezero_c import functions as F
from dezero_c._core import Variable
from dezero_c.array_api._operands import array, as_dtype, on_cpu

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from dezero_c.array_api._operands import Array

__all__ = [
    "fft", "fftfreq", "fftn", "fftshift", "hfft", "ifft", "ifftn", "ifftshift", "ihfft", "irfft", "irfftn", "rfft",
    "rfftfreq", "rfftn",
]

_OPPOSITE = {"backward": "forward", "forward": "backward", "ortho": "ortho"}


def fft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Variable:
    """The discrete Fourier transform along an axis, cut or filled with zeros to n elements."""
    return F.fft(array(x, "fft"), n, axis, norm)


def ifft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Variable:
    """The inverse of `fft`."""
    return F.ifft(array(x, "ifft"), n, axis, norm)


def rfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Variable:
    """The first half of the transform of real values, n // 2 + 1 numbers."""
    return F.rfft(array(x, "rfft"), n, axis, norm)


def irfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Variable:
    """The inverse of `rfft`: n real values, 2 * (m - 1) of m unless n says another number."""
    return F.irfft(array(x, "irfft"), n, axis, norm)


def _opposite(norm: str, function: str) -> str:
    if norm not in _OPPOSITE:
        raise ValueError(f"{function}: norm {norm!r} is none of 'backward', 'ortho' and 'forward'")
    return _OPPOSITE[norm]


def hfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Variable:
    """The real transform of values of which one half is given, the other being its conjugate: n values, 2 * (m - 1) of m unless n
    says another number."""
    return F.irfft(F.conj(array(x, "hfft")), n, axis, _opposite(norm, "hfft"))


def ihfft(x: Array, /, *, n: int | None = None, axis: int = -1, norm: str = "backward") -> Variable:
    """The inverse of `hfft`, n // 2 + 1 numbers."""
    return F.conj(F.rfft(array(x, "ihfft"), n, axis, _opposite(norm, "ihfft")))


def _axes(x: Any, s: Sequence[int] | None, axes: Sequence[int] | None, function: str) -> tuple[list[int | None], list[int]]:
    """(lengths or None, axes) of a transform of several axes."""
    if axes is None:
        axes = range(x.ndim) if s is None else range(x.ndim - len(s), x.ndim)
    found = [np.lib.array_utils.normalize_axis_index(k, x.ndim, function) for k in axes]
    lengths: list[int | None] = [None] * len(found) if s is None else [None if n == -1 else n for n in s]
    if len(lengths) != len(found):
        raise ValueError(f"{function}: {len(lengths)} lengths in s for {len(found)} axes")
    return lengths, found


def _each(transform: Any, x: Any, lengths: Sequence[int | None], axes: Sequence[int], norm: str) -> Any:
    for n, k in zip(lengths, axes, strict=True):
        x = transform(x, n, k, norm)
    return x


def fftn(x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward") -> Variable:
    """The transform along several axes, all unless axes or s say which; s: the number of elements along each."""
    x = array(x, "fftn")
    lengths, axes = _axes(x, s, axes, "fftn")
    return _each(F.fft, x, lengths, axes, norm)       # type: ignore[no-any-return]


def ifftn(x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward") -> Variable:
    """The inverse of `fftn`."""
    x = array(x, "ifftn")
    lengths, axes = _axes(x, s, axes, "ifftn")
    return _each(F.ifft, x, lengths, axes, norm)       # type: ignore[no-any-return]


def _last(axes: list[int], function: str) -> int:
    if not axes:
        raise ValueError(f"{function}: no axes to transform along")
    return axes[-1]


def rfftn(x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward") -> Variable:
    """`rfft` along the last of the axes, `fft` along the others."""
    x = array(x, "rfftn")
    lengths, axes = _axes(x, s, axes, "rfftn")
    y = F.rfft(x, lengths[-1] if lengths else None, _last(axes, "rfftn"), norm)
    return _each(F.fft, y, lengths[:-1], axes[:-1], norm)       # type: ignore[no-any-return]


def irfftn(x: Array, /, *, s: Sequence[int] | None = None, axes: Sequence[int] | None = None, norm: str = "backward") -> Variable:
    """The inverse of `rfftn`."""
    x = array(x, "irfftn")
    lengths, axes = _axes(x, s, axes, "irfftn")
    last = _last(axes, "irfftn")
    return F.irfft(_each(F.ifft, x, lengths[:-1], axes[:-1], norm), lengths[-1], last, norm)


def fftfreq(n: int, /, *, d: float = 1.0, dtype: DTypeLike | None = None, device: Any = None) -> Variable:
    """The frequencies of `fft` of n values at distance d, without a graph; float64 unless dtype says another."""
    on_cpu(device, "fftfreq")
    return Variable(np.fft.fftfreq(n, d).astype(np.float64 if dtype is None else as_dtype(dtype, "fftfreq")))


def rfftfreq(n: int, /, *, d: float = 1.0, dtype: DTypeLike | None = None, device: Any = None) -> Variable:
    """The frequencies of `rfft` of n values at distance d, without a graph; float64 unless dtype says another."""
    on_cpu(device, "rfftfreq")
    return Variable(np.fft.rfftfreq(n, d).astype(np.float64 if dtype is None else as_dtype(dtype, "rfftfreq")))


def _shifted(x: Any, axes: int | Sequence[int] | None, forwards: bool) -> Variable:
    found = tuple(range(x.ndim)) if axes is None else (axes,) if isinstance(axes, int) else tuple(axes)
    return F.roll(x, tuple(x.shape[k] // 2 if forwards else -(x.shape[k] // 2) for k in found), found)


def fftshift(x: Array, /, *, axes: int | Sequence[int] | None = None) -> Variable:
    """The frequency 0 in the middle along the axes, or all."""
    return _shifted(array(x, "fftshift"), axes, True)


def ifftshift(x: Array, /, *, axes: int | Sequence[int] | None = None) -> Variable:
    """The inverse of `fftshift`."""
    return _shifted(array(x, "ifftshift"), axes, False)
