"""What `fit` is given, brought into one form: data as something to loop over, metrics by name, callbacks as objects, the learning
rate."""

from __future__ import annotations

import math
import numbers
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dezero_c._core import Variable
from dezero_c._inputs import array_of, check_order
from dezero_c.dataloaders import DataLoader
from dezero_c.datasets import Arrays
from dezero_c.optimizers import Adam, Optimizer, Schedule
from dezero_c.training.callbacks import Callback, Checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import Any, TypeAlias

    from dezero_c.training._loop import State

    Loss: TypeAlias = Callable[[Any, Any], Any]
    Metrics: TypeAlias = Mapping[str, Loss] | Sequence[Loss] | Loss | None

__all__ = ["EVENTS", "Rate", "callbacks_of", "count_of", "loader_of", "metrics_of", "pair_of", "whole_number"]

EVENTS = ("on_start", "on_epoch_start", "on_batch_end", "on_epoch_end", "on_end")
_OWN = {"epoch", "loss", "lr", "seconds"}     # columns that metrics cannot be


class _Function(Callback):
    """A function of the state, as a callback."""

    def __init__(self, function: Callable[[State], object]) -> None:
        self._function = function

    def on_epoch_end(self, state: State) -> None:
        self._function(state)


class _Several:
    """Batches of a model of several inputs, or of several things to be learnt, by a loader of their places."""

    def __init__(self, x: Any, t: Any, places: DataLoader) -> None:
        self._x, self._t, self.places = x, t, places

    def arrays(self) -> list[Any]:
        return [array for _, array in (*_parts(self._x, "x"), *_parts(self._t, "t"))]

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[tuple[Any, Any]]:
        for k, _ in self.places:
            yield _at(self._x, k), _at(self._t, k)

    def state_dict(self) -> dict[str, Any]:
        return self.places.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.places.load_state_dict(state)


def _at(arrays: Any, places: Any) -> Any:
    return tuple(a[places] for a in arrays) if isinstance(arrays, tuple) else arrays[places]


def _array(x: Any, name: str, labels: bool = False) -> Any:
    """An array, or a tuple of them."""
    if isinstance(x, tuple):
        return tuple(_array(each, f"{name}[{k}]", labels) for k, each in enumerate(x))
    found, pictures = array_of(x, name, labels)
    return found.astype(np.float32) / 255 if pictures else found


def _parts(x: Any, name: str) -> list[tuple[str, Any]]:
    return [(f"{name}[{k}]", each) for k, each in enumerate(x)] if isinstance(x, tuple) else [(name, x)]


def _shapes(x: Any) -> str:
    return f"shapes {', '.join(str(a.shape) for a in x)}" if isinstance(x, tuple) else f"shape {x.shape}"


def _several(x: Any, t: Any, batch_size: int | None, shuffle: bool, name: str) -> _Several:
    """(x, t), one of them or both a tuple of arrays."""
    check_order([*_parts(x, "x"), *_parts(t, "t")], f"fit: {name}")
    x, t = _array(x, f"fit: {name}: x"), _array(t, f"fit: {name}: t", True)
    each = [*(x if isinstance(x, tuple) else (x,)), *(t if isinstance(t, tuple) else (t,))]
    nothing = any(isinstance(a, tuple) and not a for a in (x, t))
    if nothing or any(not a.ndim for a in each) or len({len(a) for a in each}) != 1:
        raise ValueError(f"fit: {name} has x of {_shapes(x)} and t of {_shapes(t)}; all must have an axis of examples, the "
                         "first, of the same length; several inputs are a tuple, ((x1, x2), t)")
    places = np.arange(len(each[0]))
    return _Several(x, t, DataLoader(Arrays(places, places), 32 if batch_size is None else batch_size, shuffle=shuffle))


def _are_batches(pairs: list[Any]) -> bool:
    """Whether pairs of a list are batches: rows and as many labels, in more pairs than one of other lengths, or of shapes that
    one example and its label hardly have."""
    lengths, alike = set(), False
    for pair in pairs:
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            return False
        x, t = ((len(a),) if isinstance(a, list) else np.shape(a) if isinstance(a, (np.ndarray, Variable)) else () for a in pair)
        if len(x) < 2 or not t or x[0] != t[0]:
            return False
        lengths.add(x[0])
        alike = x == t and len(x) > 2       # pictures to pictures
    return len(lengths) > 1 or (bool(lengths) and lengths != {1} and not alike)


def loader_of(data: Any, batch_size: int | None, shuffle: bool, name: str) -> Any:
    """Something to loop over once an epoch."""
    if isinstance(data, (np.ndarray, Variable)):
        raise TypeError(f"fit: {name} is one array; it is (x, t), an array of examples and one of what is to be learned of them")
    if hasattr(type(data), "to_numpy"):
        raise TypeError(f"fit: {name} is one {type(data).__name__}; it is (x, t), such as (df[['a', 'b']], df['t'])")
    if isinstance(data, (Mapping, str, bytes, os.PathLike)):
        raise TypeError(f"fit: {name} is a {type(data).__name__}; it is (x, t), such as "
                        + ("(data['x'], data['t'])" if isinstance(data, Mapping) else "two columns of pandas.read_csv(path)"))
    if isinstance(data, tuple):
        if len(data) != 2:
            raise ValueError(f"fit: {name} is a tuple of {len(data)}; it is (x, t), an array of examples and one of what is to "
                             "be learned of them, a Dataset or a DataLoader")
        if data[1] is None:
            raise TypeError(f"fit: {name} is (x, None), and nothing is to be learned of x; give (x, t)")
        if any(isinstance(each, tuple) for each in data):
            return _several(*data, batch_size, shuffle, name)
        data = Arrays._of(*data, f"fit: {name}")
    elif isinstance(data, list) and len(data) == 2 and all(isinstance(each, (np.ndarray, Variable)) for each in data):
        raise TypeError(f"fit: {name} is a list of two arrays, which would be two examples; write a tuple, (x, t)")
    if isinstance(data, list) and data and (isinstance(data[0], str) or hasattr(data[0], "getbands")):
        raise TypeError(f"fit: {name} is a list, whose first element is a {type(data[0]).__name__}; it is (x, t), such as "
                        "(pictures, numbers), or a list of pairs (x, t)")
    if isinstance(data, list) and _are_batches(data):
        raise TypeError(f"fit: {name} is a list of pairs, the first of shapes {np.shape(data[0][0])} and {np.shape(data[0][1])}, "
                        "which look like batches; each would be one example. Give all examples as (x, t), such as "
                        "(np.concatenate(xs), np.concatenate(ts)), or batches by an object whose __iter__ begins anew; where "
                        "each pair is one example, DataLoader(data, batch_size) says so")
    if isinstance(data, DataLoader) or (hasattr(data, "__iter__") and not hasattr(data, "__getitem__")):
        if batch_size is not None and name == "data":
            raise ValueError(f"fit: batch_size is for arrays and data sets; a {type(data).__name__} has its own")
        if hasattr(data, "__next__") and not isinstance(data, DataLoader):
            raise TypeError(f"fit: {name} is a {type(data).__name__}, which is used up by one epoch; give an object "
                            "whose __iter__ begins anew, a DataLoader, or datasets.Arrays(x), which keeps the examples that x "
                            "gives")
        return data
    if not hasattr(data, "__getitem__") or not hasattr(data, "__len__"):
        raise TypeError(f"fit: {name} is a {type(data).__name__}; it is (x, t), a Dataset or a DataLoader")
    return DataLoader(data, 32 if batch_size is None else batch_size, shuffle=shuffle)


def pair_of(batch: Any, name: str) -> tuple[Any, Any]:
    if not isinstance(batch, (tuple, list)) or len(batch) != 2 or batch[1] is None:
        raise TypeError(f"fit: a batch of {name} is to be a pair (x, t), and is "
                        + (f"{len(batch)} things" if isinstance(batch, (tuple, list)) and len(batch) != 2 else
                           "x alone, without labels" if isinstance(batch, (tuple, list)) else f"a {type(batch).__name__}"))
    if isinstance(batch[0], tuple) and len({len(x) for x in batch[0]}) > 1:
        raise ValueError(f"fit: a batch of {name} has inputs of {', '.join(str(len(x)) for x in batch[0])} examples; a tuple is "
                         "several inputs of the model, of the same length")
    if isinstance(batch[1], np.ndarray) and batch[1].dtype.kind == "O" and batch[1].size and batch[1].flat[0] is None:
        raise TypeError(f"fit: {name} has x alone, without labels; give (x, t), or a data set whose labels are not None")
    if not len(batch[0]) or not count_of(batch[0]):
        raise ValueError(f"fit: a batch of {name} has no examples")
    return batch[0], batch[1]


def count_of(x: Any) -> int:
    """The number of examples in an input, or in a tuple of several."""
    return len(x[0]) if isinstance(x, tuple) else len(x)


def metrics_of(metrics: Metrics) -> dict[str, Loss]:
    if metrics is None:
        return {}
    if not hasattr(metrics, "items"):
        each = metrics if isinstance(metrics, (list, tuple)) else [metrics]
        found: dict[str, Any] = {getattr(f, "__name__", type(f).__name__): f for f in each}
        if len(found) < len(each):
            raise ValueError("fit: several metrics have the same name; give a dict, {name: function}")
    else:
        found = dict(metrics.items())
    for name, f in found.items():
        if not isinstance(name, str):
            raise TypeError(f"fit: a metric is called {name!r}; the name of a column is a text, {{'name': function}}")
        if not callable(f):
            raise TypeError(f"fit: the metric {name!r} is {f!r}; it is a function metric(y, t) that gives a batch's mean")
        if name in _OWN or name.startswith("val_"):
            raise ValueError(f"fit: a metric cannot be called {name!r}, which the history has a column of its own for; give a "
                             "dict with another name, {name: function}")
    return found


def whole_number(value: Any, name: str) -> int:
    if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
        raise ValueError(f"fit: {name} is {value!r}; it is a whole number from 1 on")
    return int(value)


def callbacks_of(given: Any) -> list[Any]:
    found = []
    for each in given if isinstance(given, (list, tuple)) else [given]:
        if not isinstance(each, type) and any(hasattr(each, event) for event in EVENTS):
            found.append(each)
        elif callable(each) and not isinstance(each, type):
            found.append(_Function(each))
        elif isinstance(each, Schedule):
            raise TypeError(f"fit: a {type(each).__name__} is no callback; give it as schedule=")
        else:
            raise TypeError(f"fit: a callback is a Callback, or a function of the state, and not {each!r}"
                            + ("; make an object of the class" if isinstance(each, type) else ""))
    return [each for each in found if not isinstance(each, Checkpoint)] + [e for e in found if isinstance(e, Checkpoint)]


class Rate:
    """The learning rate, and what changes it."""

    def __init__(self, optimizer: Optimizer, schedule: Any) -> None:
        self.optimizer, self.schedule = optimizer, schedule
        self.name = "alpha" if isinstance(optimizer, Adam) else "lr"
        if isinstance(schedule, Schedule):
            if schedule.optimizer is not optimizer:
                raise ValueError("fit: schedule is of another optimizer; make it with the one that fit is given")
        elif schedule is not None:
            if not callable(schedule) or isinstance(schedule, type):
                raise TypeError(f"fit: schedule is {schedule!r}; it is a Schedule of the optimizer, such as "
                                "optimizers.CosineDecay(optimizer, epochs), or a function of the epoch that gives the rate")
            if not hasattr(optimizer, self.name):
                raise TypeError(f"fit: {type(optimizer).__name__} has no learning rate to change")

    def begin(self, epoch: int) -> float | None:
        """Sets the rate of an epoch, and gives it."""
        if self.schedule is not None and not isinstance(self.schedule, Schedule):
            rate = self.schedule(epoch)
            if not isinstance(rate, numbers.Real) or not math.isfinite(rate):
                raise ValueError(f"fit: schedule({epoch}) gives {rate!r}, which is no learning rate")
            setattr(self.optimizer, self.name, float(rate))
        return getattr(self.optimizer, self.name, None)

    def end(self) -> None:
        if isinstance(self.schedule, Schedule):
            self.schedule.step()
