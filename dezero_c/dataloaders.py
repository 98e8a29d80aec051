"""Batches of a data set, one after the other.

Each loop over a loader is a pass of its own from the first batch on, whatever other loops do; after the last one the loader
shuffles anew. `next(loader)` is there as in DeZero, whose loader is its own iterator, and so is the order of random numbers.
"""

from __future__ import annotations

import copy
import math
import operator
import threading
import zlib
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

    from dezero_c._workers import Workers

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


def _start_methods() -> tuple[str, ...]:
    # imported here, since multiprocessing comes with it, which few programs need
    from dezero_c import _workers

    return _workers.METHODS


def _array(values: list[Any], who: str) -> NDArray[Any]:
    try:
        return np.array(values)
    except ValueError as error:
        shapes = sorted({np.shape(v) for v in values})
        raise ValueError(f"{who}: the examples of a batch have different shapes, {', '.join(map(str, shapes[:4]))}; "
                         "bring them to one shape in the transform of the data set") from error


def _pair(example: Any, place: Any, who: str) -> Any:
    """The example, which is a pair. What is no sequence, but has elements, is taken as it is."""
    size = len(example) if hasattr(example, "__len__") else None
    if isinstance(example, (str, dict)) or not hasattr(type(example), "__getitem__") or size not in (None, 2):
        what = f"a {type(example).__name__}" + ("" if size is None else f" of {size}")
        more = ("; what a loss takes beside the labels, such as weights, belongs to t: fit(model, (x, (t, weights)), ...), of "
                "arrays" if isinstance(example, (tuple, list)) and len(example) > 2 else "")
        raise TypeError(f"{who}: example {place} is {what}; it is to be a pair, (example, label){more}")
    return example


def _batch(examples_of: Any, index: Any, who: str, dataset: Any = None) -> Batch:
    """The examples and the labels at these places, as two arrays. dataset: what `examples_of` stands for, if anything."""
    dataset = examples_of if dataset is None else dataset
    if isinstance(dataset, Dataset) and type(dataset).__getitem__ is Dataset.__getitem__ and dataset.label is not None:
        x: Any = dataset._taken(dataset.data, dataset.transform, index)
        t = None if x is None else dataset._taken(dataset.label, dataset.target_transform, index)
        if t is not None:
            return x, t
    examples = [_pair(examples_of[i], i, who) for i in index]
    return _array([example[0] for example in examples], who), _array([example[1] for example in examples], who)


class _Maker:
    """What makes the batches of a pass, of the places of their examples. seed: None, or numbers of which, with the place of an
    example, the random numbers are made that its transforms draw."""

    def __init__(self, dataset: Any, who: str, seed: tuple[int, ...] | None) -> None:
        self.dataset, self.who, self.seed = dataset, who, seed

    def __call__(self, index: NDArray[Any]) -> Batch:
        """The batch; with a seed np.random and random are as they were afterwards."""
        if self.seed is None:
            return _batch(self.dataset, index, self.who)
        import random

        before = np.random.get_state(), random.getstate()
        try:
            return _batch(_Seeded(self.dataset, self.seed), index, self.who, self.dataset)
        finally:
            np.random.set_state(before[0])
            random.setstate(before[1])


class _Seeded:
    """A data set, whose examples have random numbers of their own."""

    def __init__(self, dataset: Any, seed: tuple[int, ...]) -> None:
        self.dataset, self.seed = dataset, seed

    def __getitem__(self, index: Any) -> Any:
        import random

        numbers = np.random.SeedSequence((*self.seed, int(index))).generate_state(4)
        np.random.seed(numbers)
        random.seed(numbers.tobytes())
        return self.dataset[index]


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

    workers (not in DeZero): the number of processes that prepare batches, 0 for none. They are started for each pass and end with
    it, with its iterator and with the program; at most `prefetch` batches (2 for each process where that is 0) are under way.
    Batches and their order are the same, whatever the number. Exceptions of the data set come where their batch is, with the
    process's traceback as a note; a process that dies is a RuntimeError.
    seed (not in DeZero): a number of which, with the number of the pass and the place of an example, the random numbers are made
    that its transforms draw of `np.random` and `random`: the same for every number of workers, and for none. With None and
    without workers, transforms draw from the program's own generators, as in DeZero; with workers it is made of np.random's state
    when the loader is made, without a draw. Generators that a data set has itself are copied into each process as they are.
    start_method (not in DeZero): how processes are started, one of `multiprocessing`'s; None: its usual one, but "spawn" in place
    of "fork" while other threads run. All but "fork" pickle the data set (TypeError where that fails), and import the program,
    whose work has to be below `if __name__ == "__main__":`.

    Attributes: dataset, batch_size, shuffle, data_size, max_iter (batches each time through), iteration, index, gpu, prefetch,
    drop_last, workers, seed, epoch (the number of orders so far), start_method. Raises ValueError for an empty data set, for a
    batch_size below 1, where drop_last leaves no batch, and for a seed with prefetch and without workers.
    """

    _passes = 0         # how many loops have begun; on the class for loaders of older pickles
    _passed = False     # whether one has begun since the last reset
    drop_last = False   # for older pickles, too
    workers, epoch = 0, 0
    seed: int | None = None
    start_method: str | None = None

    def __init__(self, dataset: Examples, batch_size: int, shuffle: bool = True, gpu: bool = False, *,
                 prefetch: int = 0, drop_last: bool = False, workers: int = 0, seed: int | None = None,
                 start_method: str | None = None) -> None:
        who = type(self).__name__
        if hasattr(type(dataset), "to_numpy"):
            raise TypeError(f"{who}: a {type(dataset).__name__} is no data set, whose elements are pairs (example, label); give "
                            "datasets.Arrays(df[['a', 'b']], df['t'])")
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
        self.workers = _number(workers, "workers", 0, who)
        self.seed = None if seed is None else _number(seed, "seed", 0, who)
        if start_method is not None and start_method not in _start_methods():
            raise ValueError(f"{who}: start_method {start_method!r} is none of {', '.join(map(repr, _start_methods()))}, which "
                             "there are here")
        self.start_method = start_method
        if self.prefetch and self.seed is not None and not self.workers:
            raise ValueError(f"{who}: prefetch prepares batches in a thread, which would seed the generators of the whole "
                             "program; with a seed say workers=1, or prefetch=0")
        if self.workers and seed is None:
            state: Any = np.random.get_state()
            self.seed = zlib.crc32(state[1].tobytes(), int(state[2]))
        self.epoch = 0
        self._ahead: _Ahead | Workers | None = None
        if gpu:
            self.to_gpu()
        self.reset()

    def reset(self) -> None:
        """Begins anew, in another order if it shuffles."""
        self._forget()
        self.iteration = 0
        self.epoch += 1
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
        if self.prefetch or self.workers:
            x, t = self._fetched(who)
        else:
            x, t = self._maker(who)(self._places(self.iteration))
        self.iteration += 1
        return x, t

    def _maker(self, who: str) -> _Maker:
        return _Maker(self.dataset, who, None if self.seed is None else (self.seed, self.epoch))

    def _fetched(self, who: str) -> Any:
        if self._ahead is None:
            make, places = self._maker(who), [self._places(i) for i in range(self.iteration, self.max_iter)]
            if self.workers:
                from dezero_c import _workers

                number = min(self.workers, len(places))
                self._ahead = _workers.Workers(make, iter(places), number, max(self.prefetch or 2 * number, number),
                                               _workers.method_of(self.start_method), who)
            else:
                self._ahead = _Ahead(make, iter(places), self.prefetch)
        try:
            return self._ahead.take()
        except BaseException:
            self._forget()      # whoever asks again gets this batch made again, as without a thread
            raise

    def next(self) -> Batch:
        """The next batch, as `next(loader)`."""
        return self.__next__()

    def state_dict(self) -> dict[str, Any]:
        """The order of the examples, the place in the pass and the size of batches, for checkpoints (not in DeZero); with a seed,
        it and the number of the pass as well. The orders after it come from `np.random`, whose state is not in it."""
        state = {"index": self.index.copy(), "iteration": self.iteration, "batch_size": self.batch_size}
        return state if self.seed is None else state | {"seed": self.seed, "epoch": self.epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken: the next loop has the batches that were left; a seed in it is taken over. Raises
        ValueError, and changes nothing, where it is of another number of examples or of batches, amid a pass with another
        batch_size, or has a seed where there can be none."""
        index, iteration = np.array(state["index"]), int(state["iteration"])
        who = f"{type(self).__name__}.load_state_dict"
        if index.shape != self.index.shape:
            raise ValueError(f"{who}: the state is of {index.size} examples, the data set has {len(self.index)}")
        if index.dtype.kind not in "iu" or index.min() < 0 or index.max() >= len(index):
            raise ValueError(f"{who}: the state's index is no order of {len(index)} examples")
        size = int(state.get("batch_size", self.batch_size))        # older states have none
        if iteration and size != self.batch_size:
            raise ValueError(f"{who}: the state is amid a pass with a batch_size of {size}, this loader's is {self.batch_size}: "
                             f"examples would be left out, or come twice; take batch_size={size} until the pass is over")
        if not 0 <= iteration <= self.max_iter:
            raise ValueError(f"{who}: the state is at batch {iteration} of {self.max_iter}; batch_size is another one")
        seeded = "seed" in state
        if seeded and self.prefetch and not self.workers:
            raise ValueError(f"{who}: the state is of a loader with a seed, which this one, with prefetch and without workers, "
                             "cannot have; make it with workers=1")
        self._forget()
        self.index, self.iteration = index, iteration
        if seeded:
            self.seed, self.epoch = int(state["seed"]), int(state["epoch"])
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
                 drop_last: bool = False, workers: int = 0, seed: int | None = None, start_method: str | None = None) -> None:
        super().__init__(dataset, batch_size, shuffle=False, gpu=gpu, prefetch=prefetch, drop_last=drop_last, workers=workers,
                         seed=seed, start_method=start_method)

    def _places(self, iteration: int) -> NDArray[np.intp]:
        return (np.arange(self.batch_size) * (self.data_size // self.batch_size) + iteration) % self.data_size

    def __next__(self) -> Batch:
        """The next batch."""
        return super().__next__()
