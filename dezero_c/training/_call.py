"""What a checkpoint says of the call of `fit` that wrote it, with which one that resumes is compared. Other data in memory are an
error, other numbers among the arguments a warning.

The state of an optimizer in the file is no help there: its rate is the one that a schedule has come to.
"""

from __future__ import annotations

import functools
import numbers
import zlib
from typing import TYPE_CHECKING

import numpy as np

from dezero_c.dataloaders import DataLoader
from dezero_c.datasets import Dataset
from dezero_c.optimizers import Schedule

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import Any

    from dezero_c.optimizers import Optimizer
    from dezero_c.training._given import Rate

    Mark = list[Any]    # shape, dtype, checksum

__all__ = ["Call"]

_BYTES = 1 << 22    # of an array, that are looked at: all of a small one


class Call:
    """A call of `fit`. numbers: of the optimizer, which the file's state takes the place of; settings: which are this call's."""

    def __init__(self, rate: Rate, clip: float | None, accumulate: int, loaders: Mapping[str, Any]) -> None:
        self.optimizer, self._loaders = rate.optimizer, loaders
        self.numbers = _numbers(rate.optimizer)
        if rate.schedule is not None and not isinstance(rate.schedule, Schedule):
            self.numbers.pop(rate.name, None)       # which the function gives each epoch
        schedule = rate.schedule
        self.settings: dict[str, Any] = {
            "clip": None if clip is None else float(clip), "accumulate": accumulate,
            "schedule": _described(schedule) if isinstance(schedule, Schedule) else None if schedule is None else "a function",
            "the optimizer's hooks": ", ".join(map(_described, rate.optimizer.hooks)) or None}
        places = getattr(loaders["data"], "places", loaders["data"])
        if isinstance(places, DataLoader):
            self.settings |= {name: getattr(places, name) for name in ("batch_size", "drop_last")} | {
                "shuffle": bool(places.shuffle)}

    @functools.cached_property
    def data(self) -> dict[str, list[Mark] | None]:
        """The marks of the arrays that are the data, None where there are none."""
        return {name: _marks(loader) for name, loader in self._loaders.items()}

    def about(self) -> dict[str, Any]:
        """What a checkpoint holds."""
        return {"numbers": self.numbers, "settings": self.settings, "data": self.data}

    def check_data(self, there: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
        """Raises ValueError where the data are others. there: `about` of the file's call, with nothing in older files."""
        for name, marks in there.get("data", {}).items():
            here = self.data.get(name)
            if marks is None or here is None or marks == here:
                continue
            told = [f"{_told(a)} in it and {_told(b)} here" for a, b in zip(marks, here, strict=False) if a[:2] != b[:2]]
            what = (f"it has {len(marks)} arrays, and here are {len(here)}" if len(marks) != len(here) else
                    f"an array is {told[0]}" if told else "they are of the same shapes, and other numbers or in another order")
            raise ValueError(f"fit: the checkpoint {path} does not fit the {name} of this call: {what}; resume with those of the "
                             "first run, or remove the file to begin anew")

    def changes(self, there: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
        """What was given otherwise, in words. state: the optimizer's in the file, which has been loaded: the very objects of the
        first run have come to its numbers, and are no others. This call's numbers become the file's."""
        found = []
        given = there.get("numbers", {})
        for name, value in given.items():
            if name in self.numbers and self.numbers[name] not in (value, state.get(name)):
                found.append(f"{name} was {value!r} and is given as {self.numbers[name]!r} ({getattr(self.optimizer, name)!r} "
                             "is taken)")
        self.numbers |= {name: value for name, value in given.items() if name in self.numbers}
        return found + [f"{name} was {value!r} and is {self.settings[name]!r} (which is taken)"
                        for name, value in there.get("settings", {}).items()
                        if name in self.settings and self.settings[name] != value]


def _numbers(optimizer: Optimizer) -> dict[str, float | int]:
    """What an optimizer was made with; not t, the count of updates."""
    return {name: _plain(value) for name, value in vars(optimizer).items() if isinstance(value, numbers.Real) and name != "t"}


def _plain(value: numbers.Real) -> float | int:
    return int(value) if isinstance(value, numbers.Integral) else float(value)


def _described(thing: Any) -> str:
    """A hook or a schedule with its numbers, as StepDecay(every=3, gamma=0.1), or a function by its name."""
    if not hasattr(thing, "__dict__") or not hasattr(type(thing), "__name__") or hasattr(thing, "__qualname__"):
        return str(getattr(thing, "__qualname__", type(thing).__name__))
    words = []
    for name, value in vars(thing).items():
        if isinstance(value, numbers.Real) and name not in ("base", "t"):       # how far it has come
            words.append(f"{name}={_plain(value)!r}")
        elif isinstance(value, Schedule):
            words.append(f"{name}={_described(value)}")
    return f"{type(thing).__name__}({', '.join(words)})"


def _marks(loader: Any) -> list[Mark] | None:
    if not isinstance(loader, DataLoader):
        arrays = getattr(loader, "arrays", None)        # of several inputs
        return None if arrays is None else [_mark(a) for a in arrays()]
    data = loader.dataset
    if not isinstance(data, Dataset) or type(data).__getitem__ is not Dataset.__getitem__:
        return None     # it says itself what its examples are
    arrays = [a for a in (data.data, data.label) if isinstance(a, np.ndarray) and a.ndim]
    return [_mark(a) for a in arrays] or None


def _mark(a: Any) -> Mark:
    """Shape, dtype and a checksum: of all numbers of a small array, of rows that lie evenly in a large one."""
    rows = len(a) if a.nbytes <= _BYTES else max(2, _BYTES * len(a) // a.nbytes)
    some = a if rows >= len(a) else a[np.linspace(0, len(a) - 1, rows).astype(np.intp)]
    whole = None if a.dtype.hasobject else zlib.crc32(some.tobytes())
    return [list(a.shape), a.dtype.str, whole]


def _told(mark: Mark) -> str:
    return f"{np.dtype(mark[1])} of shape {tuple(mark[0])}"
