"""What is done to an example before a network sees it: callables that a dataset applies to each of its examples.

Images are PIL images or arrays of shape (C, H, W). PIL (the package pillow) is needed by those that make or change PIL
images only.
"""

from __future__ import annotations

import math
import numbers
from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _later
from dezero_c.functions_conv import pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any, TypeAlias

    from numpy.typing import ArrayLike, DTypeLike, NDArray
    from PIL import Image

    Stats: TypeAlias = float | Sequence[float] | NDArray[Any]
else:
    __getattr__, __dir__ = _later.modules(__name__, {"Image": "PIL.Image"})

__all__ = [
    "AsType", "CenterCrop", "Compose", "Convert", "Flatten", "Image", "Normalize", "RandomHorizontalFlip", "Resize",
    "ToArray", "ToFloat", "ToInt", "ToPIL", "np", "pair",
]


def _pil() -> Any:
    try:
        from PIL import Image
    except ImportError as error:
        raise ImportError("PIL images need the package pillow: pip install pillow") from error
    return Image


def _is_pil(img: object) -> bool:
    return hasattr(img, "getbands") and hasattr(img, "resize")


def _image(img: Any, who: str) -> Any:
    if not _is_pil(img):
        raise TypeError(f"{who}: needs a PIL image, not {type(img).__name__}; put ToPIL() before it, or "
                        "PIL.Image.open(path)")
    return img


class Compose:
    """One transform after the other.

    transforms: callables; None and an empty list leave an example as it is.
    """

    def __init__(self, transforms: Iterable[Callable[[Any], Any]] | None = ()) -> None:
        self.transforms = [] if transforms is None else list(transforms)
        for transform in self.transforms:
            if not callable(transform):
                raise TypeError(f"Compose: {transform!r} cannot be called; give a list of transforms")

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return f"Compose({self.transforms!r})"


# ---- PIL images ---------------------------------------------------------------------------------------------------

class Convert:
    """A PIL image in another mode: 'RGB', 'L' (grey), 'BGR' (an RGB image whose channels are swapped) or any of
    PIL's."""

    def __init__(self, mode: str = "RGB") -> None:
        self.mode = mode

    def __call__(self, img: Any) -> Any:
        img = _image(img, "Convert")
        if self.mode != "BGR":
            return img.convert(self.mode)
        r, g, b = img.convert("RGB").split()
        return _pil().merge("RGB", (b, g, r))


class Resize:
    """A PIL image of another size.

    size: (width, height), or an int for a square. mode: PIL's number of the filter; 2 is bilinear.
    """

    def __init__(self, size: int | tuple[int, int], mode: int = 2) -> None:
        self.size = pair(size)
        self.mode = mode

    def __call__(self, img: Any) -> Any:
        return _image(img, "Resize").resize(self.size, self.mode)


class CenterCrop:
    """The middle of a PIL image, or of an array of shape (..., H, W).

    size: (width, height), or an int for a square. A PIL image that is smaller gets a black border; an array that is
    smaller raises ValueError.
    """

    def __init__(self, size: int | tuple[int, int]) -> None:
        self.size = pair(size)

    def __call__(self, img: Any) -> Any:
        width, height = self.size
        if isinstance(img, np.ndarray):
            if img.ndim < 2 or img.shape[-1] < width or img.shape[-2] < height:
                raise ValueError(f"CenterCrop: {height} rows of {width} do not fit into an array of shape {img.shape}; "
                                 "crop less, or enlarge it with Resize")
            left, top = (img.shape[-1] - width) // 2, (img.shape[-2] - height) // 2
            return img[..., top:top + height, left:left + width]
        W, H = _image(img, "CenterCrop").size
        left, top = (W - width) // 2, (H - height) // 2
        return img.crop((left, top, left + width, top + height))


class ToArray:
    """A PIL image as an array of shape (C, H, W), with C = 1 for a grey one; an array is passed on as it is."""

    def __init__(self, dtype: DTypeLike = np.float32) -> None:
        self.dtype = dtype

    def __call__(self, img: Any) -> NDArray[Any]:
        if isinstance(img, np.ndarray):
            return img
        array = np.asarray(_image(img, "ToArray"))
        return (array[np.newaxis] if array.ndim == 2 else array.transpose(2, 0, 1)).astype(self.dtype)


class ToPIL:
    """An array of shape (C, H, W), of which C is 1, 3 or 4, or (H, W), as a PIL image.

    dtype: uint8; others where all values are whole numbers from 0 to 255. Raises ValueError otherwise.
    """

    def __call__(self, array: ArrayLike) -> Any:
        array = np.asarray(array)
        if array.ndim == 3 and array.shape[0] == 1:
            array = array[0]
        if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[0] not in (3, 4)):
            raise ValueError(f"ToPIL: an array of shape {array.shape} is no image; it takes (H, W), or (C, H, W) with "
                             "1, 3 or 4 channels")
        if array.dtype != np.uint8:
            if array.dtype.kind not in "biuf":
                raise ValueError(f"ToPIL: an image has numbers for values, not {array.dtype}")
            if not ((array >= 0) & (array <= 255) & (array == np.floor(array))).all():
                raise ValueError(f"ToPIL: the values ({array.dtype}) are no whole numbers from 0 to 255; scale them, "
                                 "and convert with AsType('uint8')")
            array = array.astype(np.uint8)
        return _pil().fromarray(array if array.ndim == 2 else np.ascontiguousarray(array.transpose(1, 2, 0)))


class RandomHorizontalFlip:
    """A PIL image, or an array of shape (..., H, W), turned left to right with probability p.

    One number of the global `np.random` is drawn for each image.
    """

    def __init__(self, p: float = 0.5) -> None:
        if not 0 <= p <= 1:
            raise ValueError(f"RandomHorizontalFlip: p is a probability, between 0 and 1, not {p!r}")
        self.p = p

    def __call__(self, img: Any) -> Any:
        flip = np.random.rand() < self.p
        if isinstance(img, np.ndarray):
            if img.ndim < 2:
                raise ValueError(f"RandomHorizontalFlip: an array of shape {img.shape} is no image; put it before "
                                 "Flatten")
            return img[..., ::-1] if flip else img
        img = _image(img, "RandomHorizontalFlip")
        return img.transpose(0) if flip else img        # 0: PIL's FLIP_LEFT_RIGHT


# ---- arrays -------------------------------------------------------------------------------------------------------

def _values(values: Stats, name: str) -> float | NDArray[np.float64]:
    """A mean or a standard deviation as a float, or as an array with an element for each channel."""
    if isinstance(values, numbers.Real):
        return float(values)
    array = np.asarray(values, np.float64)
    if array.ndim > 1 or array.size == 0:
        raise ValueError(f"Normalize: {name} is a number, or one for each channel, not an array of shape {array.shape}")
    return float(array) if array.ndim == 0 else array


def _along_channels(values: float | NDArray[Any], shape: tuple[int, ...], name: str) -> float | NDArray[Any]:
    """`values` in a shape that meets an example of `shape` at its first axis."""
    if isinstance(values, float):
        return values
    if not shape or len(values) not in (1, shape[0]):
        raise ValueError(f"Normalize: {name} has {len(values)} elements, which do not fit the first axis of an array "
                         f"of shape {tuple(shape)}; give a number, or as many as there are channels")
    return values.reshape(-1, *(1,) * (len(shape) - 1))


class Normalize:
    """(array - mean) / std.

    mean, std: numbers, or a sequence with one for each element of the first axis (the channels of an image).
    Floating-point arrays keep their dtype; integers become float64.
    """

    def __init__(self, mean: Stats = 0, std: Stats = 1) -> None:
        self.mean = mean
        self.std = std
        _values(mean, "mean")
        if not np.all(_values(std, "std")):
            raise ValueError(f"Normalize: std is {std!r}; there is no dividing by 0")

    def _apply(self, array: Any, shape: tuple[int, ...]) -> Any:
        if array.dtype.kind in "biu":
            array = array.astype(np.float64)
        mean = _along_channels(_values(self.mean, "mean"), shape, "mean")
        std = _along_channels(_values(self.std, "std"), shape, "std")
        if not isinstance(mean, float):
            mean = mean.astype(array.dtype)
        if not isinstance(std, float):
            std = std.astype(array.dtype)
        return (array - mean) / std

    def __call__(self, array: ArrayLike) -> NDArray[Any] | Any:
        if not isinstance(array, np.generic):
            array = np.asarray(array)
        return self._apply(array, array.shape)


class Flatten:
    """An array as a new one of one dimension."""

    def __call__(self, array: ArrayLike) -> NDArray[Any]:
        return np.asarray(array).flatten()


class AsType:
    """An array with another dtype."""

    def __init__(self, dtype: DTypeLike = np.float32) -> None:
        self.dtype = dtype

    def __call__(self, array: ArrayLike) -> NDArray[Any]:
        return (array if isinstance(array, np.generic) else np.asarray(array)).astype(self.dtype)


ToFloat = AsType


class ToInt(AsType):
    """An array of integers: what lies behind the point is cut off."""

    def __init__(self, dtype: DTypeLike = int) -> None:
        super().__init__(dtype)


# ---- many examples at once ----------------------------------------------------------------------------------------

def plain(dtype: DTypeLike) -> bool:
    """Whether arrays of that dtype can be stacked, and rows taken out of them, with the same result."""
    dtype = np.dtype(dtype)
    return dtype.kind in "biufc" and dtype.isnative


def whole(transform: Any, array: NDArray[Any]) -> Any:
    """`transform` of every array[i], stacked, or None where it is not known how to do that at once.

    array: ndarray with the examples along its first axis. Only transforms that draw no random numbers and treat each
    element alone have such a way; subclasses may do anything, so they have none.
    """
    kind = type(transform)
    if kind is Compose:
        for part in transform.transforms:
            array = whole(part, array)
            if array is None:
                return None
        return array
    if kind is Flatten:
        return array.reshape(len(array), math.prod(array.shape[1:]))
    if kind in (AsType, ToInt):
        return array.astype(transform.dtype) if plain(transform.dtype) else None
    if kind is Normalize:
        return transform._apply(array, array.shape[1:])
    return None
