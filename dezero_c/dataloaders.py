"""Batches of a data set, one after the other.

Each loop over a loader is a pass of its own from the first batch on, whatever other loops do; after the last one the loader
shuffles anew. `next(loader)` is there as in DeZero, whose loader is its own iterator, and so is the order of random numbers.
"""

from __future__ import annotations

import copy
import math
import operator
import threading
from collections import deque
from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _later, cuda
from dezero_c.datasets import Dataset

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, Protocol, Self, TypeAlias

    from numpy.typing import NDArray
    from PIL import Image

    Batch: TypeAlias = tuple[NDArray[Any], NDArray[Any]]

    class Examples(Protocol):
        def __len__(self) -> int: ...
        def __getitem__(self, index: int, /) -> Any: ...

    pil_available: bool
else:
    _find, _listed = _later.modules(__name__, {"Image": "PIL.Image"})

    def __dir__():
        return [*_listed(), "pil_available"]

    def __getattr__(name):
        return not isinstance(_find("Image"), _later.Missing) if name == "pil_available" else _find(name)

__all__ = ["DataLoader", "Image", "SeqDataLoader", "cuda", "math", "np", "pil_available"]


def _number(value: Any, name: str, least: int, who: str) -> int:
    try:
        number = operator.index(value)
    except TypeError:
        raise TypeError(f"{who}: {name} must be an int, not {value!r}") from None
    if number < least:
        raise ValueError(f"{who}: {name} is {number}; it must be at least {least}")
    return number


def _array(values: list[Any], who: str) -> NDArray[Any]:
    try:
        return np.array(values)
    except ValueError as error:
        shapes = sorted({np.shape(v) for v in values})
        raise ValueError(f"{who}: the examples of a batch have different shapes, {', '.join(map(str, shapes[:4]))}; "
                         "bring them to one shape in the transform of the data set") from error


def _batch(dataset: Any, index: Any, who: str) -> Batch:
    """The examples and the labels at these places, as two arrays."""
    if isinstance(dataset, Dataset) and type(dataset).__getitem__ is Dataset.__getitem__ and dataset.label is not None:
        x: Any = dataset._taken(dataset.data, dataset.transform, index)
        t = None if x is None else dataset._taken(dataset.label, dataset.target_transform, index)
        if t is not None:
            return x, t
    examples = [dataset[i] for i in index]
    return _array([example[0] for example in examples], who), _array([example[1] for example in examples], who)


class _Ahead:
    """The next batches of a loader, prepared by a thread.

    The thread ends whenever `depth` batches wait, and another one is started when one is taken: none is left behind by
    a loop that was broken or by a loader that was dropped. It holds what makes batches, and not the loader.
    """

    def __init__(self, make: Callable[[NDArray[Any]], Batch], places: Iterator[NDArray[Any]], depth: int) -> None:
        self.make, self.places, self.depth = make, places, depth    # places: an iterator of what `make` takes
        self.ready: deque[Any] = deque()        # (batch, None) or (None, exception)
        self.changed = threading.Condition()
        self.working = self.over = False

    def take(self) -> Any:
        """The next batch; raises what its making raised."""
        with self.changed:
            self._start()
            while not self.ready:
                self.changed.wait()
            batch, error = self.ready.popleft()
            self._start()
        if error is not None:
            raise error
        return batch

    def stop(self) -> None:
        with self.changed:
            self.over = True

    def _start(self) -> None:
        if not self.working and not self.over and len(self.ready) < self.depth:
            self.working = True
            try:
                threading.Thread(target=self._work, name="dezero_c prefetch", daemon=True).start()
            except BaseException:
                self.working = False
                raise

    def _work(self) -> None:
        while True:
            try:
                place = next(self.places, None)
                result = None if place is None else (self.make(place), None)
            except BaseException as error:      # raised again where the batch is asked for
                result = None, error
            with self.changed:
                if result is None or result[1] is not None:
                    self.over = True
                if result is not None:
                    self.ready.append(result)
                if self.over or len(self.ready) >= self.depth:
                    self.working = False
                self.changed.notify_all()
                if not self.working:
                    return


class _Pass:
    """A pass over a loader's batches, in the order that the loader had when it began."""

    def __init__(self, loader: DataLoader) -> None:
        self.loader, self.own = loader, copy.copy(loader)
        self.own._ahead, loader._ahead = loader._ahead, None
        loader._passes += 1
        loader._passed = True
        self.number = loader._passes
        self.over = False

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> Batch:
        if self.over or self.own.iteration >= self.own.max_iter:
            if not self.over:
                self.over = True
                self.own._forget()
                if self.number == self.loader._passes:
                    self.loader.reset()
            raise StopIteration
        batch = self.own.__next__()
        if self.number == self.loader._passes:      # no other pass has begun since
            self.loader.iteration = self.own.iteration
        return batch


class DataLoader:
    """Batches (x, t) of a data set: arrays of batch_size examples and of their labels, the last ones fewer. `len(loader)`
    is the number of batches of a pass.

    dataset: anything with a length whose elements dataset[i] are pairs. shuffle: in a new order each time through, by
    `np.random.permutation`, drawn when the loader is made, after the last batch and by `reset`. gpu: there is none;
    True raises RuntimeError.

    prefetch (not in DeZero): the number of batches that a thread prepares ahead, 0 for none. Batches and their order
    are the same. Random numbers that transforms draw come from that thread then, so their order among a program's own
    is open.

    drop_last (not in DeZero): True leaves out the last batch where it has fewer examples: which ones are left out changes with
    the order.

    Attributes: dataset, batch_size, shuffle, data_size, max_iter (batches each time through), iteration, index, gpu,
    prefetch, drop_last. Raises ValueError for an empty data set, for a batch_size below 1, and where drop_last leaves no batch.
    """

    _passes = 0         # how many loops have begun; on the class for loaders of older pickles
    _passed = False     # whether one has begun since the last reset
    drop_last = False   # for older pickles, too

    def __init__(self, dataset: Examples, batch_size: int, shuffle: bool = True, gpu: bool = False, *,
                 prefetch: int = 0, drop_last: bool = False) -> None:
        who = type(self).__name__
        self.dataset = dataset
        self.batch_size = _number(batch_size, "batch_size", 1, who)
        self.shuffle = shuffle
        self.data_size = len(dataset)
        if self.data_size == 0:
            raise ValueError(f"{who}: the data set is empty; there are no batches of nothing")
        self.drop_last = bool(drop_last)
        self.max_iter = self.data_size // self.batch_size if drop_last else math.ceil(self.data_size / self.batch_size)
        if self.max_iter == 0:
            raise ValueError(f"{who}: a data set of {self.data_size} examples has no full batch of {self.batch_size}, and "
                             "drop_last leaves out the others; take a smaller batch_size, or drop_last=False")
        self.gpu = False
        self.prefetch = _number(prefetch, "prefetch", 0, who)
        self._ahead: _Ahead | None = None
        if gpu:
            self.to_gpu()
        self.reset()

    def reset(self) -> None:
        """Begins anew, in another order if it shuffles."""
        self._forget()
        self.iteration = 0
        self._passed = False
        self.index = np.random.permutation(self.data_size) if self.shuffle else np.arange(self.data_size)

    def _forget(self) -> None:
        if self._ahead is not None:
            self._ahead.stop()
            self._ahead = None

    def _places(self, iteration: int) -> NDArray[np.intp]:
        """The indices of the examples of a batch."""
        start = iteration * self.batch_size
        return self.index[start:start + self.batch_size]

    def __iter__(self) -> Iterator[Batch]:
        if type(self).__next__ not in (DataLoader.__next__, SeqDataLoader.__next__):
            return self     # a subclass that says itself what comes next
        if self.iteration and self._passed:
            self.reset()    # a pass was left, or is still under way somewhere; what next(loader) began is gone on with
        return _Pass(self)

    def __len__(self) -> int:
        """The number of batches of a pass."""
        return self.max_iter

    def __next__(self) -> Batch:
        """The next batch."""
        if self.iteration >= self.max_iter:
            self.reset()
            raise StopIteration
        who = type(self).__name__
        if self.prefetch:
            x, t = self._fetched(who)
        else:
            x, t = _batch(self.dataset, self._places(self.iteration), who)
        self.iteration += 1
        return x, t

    def _fetched(self, who: str) -> Any:
        if self._ahead is None:
            dataset = self.dataset
            places = [self._places(i) for i in range(self.iteration, self.max_iter)]
            self._ahead = _Ahead(lambda place: _batch(dataset, place, who), iter(places), self.prefetch)
        try:
            return self._ahead.take()
        except BaseException:
            self._forget()      # whoever asks again gets this batch made again, as without a thread
            raise

    def next(self) -> Batch:
        """The next batch, as `next(loader)`."""
        return self.__next__()

    def state_dict(self) -> dict[str, Any]:
        """The order of the examples and the place in the pass, for checkpoints (not in DeZero). The orders after it come from
        `np.random`, whose state is not in it."""
        return {"index": self.index.copy(), "iteration": self.iteration}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken: the next loop has the batches that were left. Raises ValueError, and changes
        nothing, where it is of another number of examples or of batches."""
        index, iteration = np.array(state["index"]), int(state["iteration"])
        who = f"{type(self).__name__}.load_state_dict"
        if index.shape != self.index.shape:
            raise ValueError(f"{who}: the state is of {len(index)} examples, the data set has {len(self.index)}")
        if not 0 <= iteration <= self.max_iter:
            raise ValueError(f"{who}: the state is at batch {iteration} of {self.max_iter}; batch_size is another one")
        self._forget()
        self.index, self.iteration = index, iteration
        self._passes += 1       # a loop that is under way is none of this pass
        self._passed = False

    def to_cpu(self) -> None:
        """Batches are NumPy arrays, as ever."""
        self.gpu = False

    def to_gpu(self) -> None:
        """Raises: there is no GPU here."""
        raise RuntimeError(f"{type(self).__name__}: there is no GPU here, dezero_c computes on the CPU; leave out "
                           "to_gpu() and gpu=True, or ask `dezero_c.cuda.gpu_enable`, which is False, first")

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_ahead": None}     # copies and pickles prepare their own


class SeqDataLoader(DataLoader):
    """Batches of a sequence, read at batch_size places at once that lie as far apart as possible: element j of batch i
    is example (j * (N // batch_size) + i) % N. For recurrent networks, whose state belongs to those places.

    Every batch is full: where batch_size does not divide N, the last one begins again with what other places have read.
    drop_last leaves it out, so that no example comes twice. The rest as in DataLoader.
    """

    def __init__(self, dataset: Examples, batch_size: int, gpu: bool = False, *, prefetch: int = 0,
                 drop_last: bool = False) -> None:
        super().__init__(dataset, batch_size, shuffle=False, gpu=gpu, prefetch=prefetch, drop_last=drop_last)

    def _places(self, iteration: int) -> NDArray[np.intp]:
        return (np.arange(self.batch_size) * (self.data_size // self.batch_size) + iteration) % self.data_size

    def __next__(self) -> Batch:
        """The next batch."""
        return super().__next__()
