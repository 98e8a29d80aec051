"""Data of all ranks: a data set dealt out by one rank, the rows of an array that belong to this rank, and batches of which each
rank gets its part.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING

import numpy as np

from dezero_c.dataloaders import _batch, _number
from dezero_c.datasets import Dataset
from dezero_c.mpi._channel import digest_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from dezero_c.mpi.communicator import Communicator

__all__ = ["Batch", "DataLoader", "SubDataset", "scatter_dataset", "shard"]


class Batch(tuple):  # type: ignore[type-arg]
    """This rank's part of a batch: a tuple of arrays, (x, t), with an example a row, perhaps none.

    sizes: how many rows belong to each of this rank's virtual shards, in order (to the rank, without virtual shards); total:
    how many examples the whole batch has on all ranks.
    """

    sizes: list[int]
    total: int

    def __new__(cls, arrays: Sequence[Any], sizes: Sequence[int], total: int) -> Batch:
        made: Batch = super().__new__(cls, tuple(arrays))
        made.sizes, made.total = list(sizes), total
        return made

    def __reduce__(self) -> Any:
        return Batch, (tuple(self), self.sizes, self.total)


class SubDataset:
    """Some examples of a data set, as `scatter_dataset` gives them where they are no Dataset of arrays: a list."""

    def __init__(self, examples: list[Any]) -> None:
        self.examples = examples

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, index: Any) -> Any:
        return self.examples[index]


def _part(dataset: Any, index: NDArray[np.intp]) -> Any:
    """The examples at these places, with no more of the data set than they need."""
    if isinstance(dataset, np.ndarray):
        return dataset[index]
    if isinstance(dataset, tuple) and all(isinstance(a, np.ndarray) for a in dataset):
        return tuple(a[index] for a in dataset)
    kind = type(dataset)
    if (isinstance(dataset, Dataset) and kind.__getitem__ is Dataset.__getitem__ and kind.__len__ is Dataset.__len__
            and isinstance(dataset.data, np.ndarray) and (dataset.label is None or isinstance(dataset.label, np.ndarray))):
        part = copy.copy(dataset)
        part.data = dataset.data[index]
        if dataset.label is not None:
            part.label = dataset.label[index]
        return part
    return SubDataset([dataset[int(i)] for i in index])


def _length(dataset: Any) -> int:
    if isinstance(dataset, tuple) and dataset and all(isinstance(a, np.ndarray) for a in dataset):
        lengths = sorted({len(a) for a in dataset})
        if len(lengths) > 1:
            raise ValueError(f"scatter_dataset: the arrays have {lengths} rows; they must have as many")
        only: int = lengths[0]
        return only
    length: int = len(dataset)
    return length


def scatter_dataset(dataset: Any, comm: Communicator, root: int = 0, shuffle: bool = False, seed: int | None = None,
                    max_buf_len: int = 256 * 1024 * 1024, *, force_equal_length: bool = False) -> Any:
    """This rank's part of root's data set: sizes differ by 1 at most, each example is in one part, in order or shuffled.

    dataset: on root a Dataset, an ndarray, a tuple of them, or anything with a length and items; what other ranks pass is not
    looked at. seed: of the shuffle, None for one drawn by root. force_equal_length: repeats examples so that all parts are
    equally long (ChainerMN's default; here False, since repeated ones count twice). max_buf_len is ChainerMN's and without
    effect. Only the part goes to each rank, so that root alone needs memory for all.

    Raises ValueError, on all ranks, for an empty data set and for one with fewer examples than ranks under force_equal_length.
    """
    plan = None
    if comm.rank == root:
        n = _length(dataset)
        order = np.arange(n)
        if shuffle:
            order = np.random.default_rng(seed).permutation(n)
        plan = n
    n = comm.bcast_obj(plan, root)
    if n == 0 or (force_equal_length and n < comm.size):
        raise ValueError(f"scatter_dataset: {n} examples cannot be dealt out to {comm.size} ranks"
                         + ("" if n == 0 else "; leave out force_equal_length: some ranks have none then"))
    mine: Any = None
    for rank in range(comm.size):       # one after the other: root holds one more part at a time, not all
        start, stop = n * rank // comm.size, n * (rank + 1) // comm.size
        if comm.rank == root:
            index = order[start:stop]
            if force_equal_length:
                index = order[np.arange(start, start + -(-n // comm.size)) % n]
            part = _part(dataset, index)
            if rank == root:
                mine = part
            elif comm._main is not None:
                with comm._main.during("scatter_dataset"):
                    comm._main.mpi.send(part, rank, 7)
        elif comm.rank == rank and comm._main is not None:
            with comm._main.during("scatter_dataset"):
                mine = comm._main.mpi.recv(source=root, tag=7)
    return mine


def shard(array: Any, comm: Communicator) -> Any:
    """This rank's rows of an array that all ranks have, such as a memory-mapped file: a view, nothing is read or copied.

    array: an ndarray or memmap of shape (N, ...), or a tuple of them with equal N; the result has rows rank N / size to
    (rank + 1) N / size, whose numbers differ by 1 at most. Raises CollectiveError where shapes or dtypes differ between ranks.
    """
    arrays = array if isinstance(array, tuple) else (array,)
    described = [(f"array {k}", f"shape {np.shape(a)}, {a.dtype}") for k, a in enumerate(arrays)]
    if len({len(a) for a in arrays}) != 1:
        raise ValueError(f"shard: {described}: all arrays must have the same number of rows")
    if comm._main is not None:
        comm._main.meet("shard", digest=digest_of(described), details=lambda: described,
                        advice="All ranks must map the same file")
    n = len(arrays[0])
    parts = tuple(a[n * comm.rank // comm.size:n * (comm.rank + 1) // comm.size] for a in arrays)
    return parts if isinstance(array, tuple) else parts[0]


class DataLoader:
    """Batches of all ranks: each iteration gives a `Batch`, this rank's part of `batch_size` examples.

    dataset: on all ranks the same (every rank has all examples, or maps the same file), or, with scattered=True, this rank's
    part by `scatter_dataset`. batch_size: of all ranks together. shuffle: a new order each pass, the same on all ranks, made
    from `seed`, the pass and nothing else: the batches are those of one process. drop_last: leaves out a last batch that has
    fewer examples. All ranks get equally many batches; where the examples end some are empty, which `update(lossfun, batch)`
    knows to pass over.

    With scattered=True each rank shuffles its own part, and which examples meet in a batch depends on the number of ranks.
    Collective when it is made: raises CollectiveError where ranks give different lengths or arguments.
    """

    def __init__(self, dataset: Any, batch_size: int, comm: Communicator, shuffle: bool = True, seed: int = 0,
                 drop_last: bool = False, *, scattered: bool = False) -> None:
        self.dataset, self.comm = dataset, comm
        self.batch_size = _number(batch_size, "batch_size", 1, "mpi.DataLoader")
        self.shuffle, self.seed, self.drop_last, self.scattered = bool(shuffle), int(seed), bool(drop_last), scattered
        self.epoch = self.iteration = 0
        n = _length(dataset)
        said = [("length", "its own" if scattered else str(n)), ("batch_size", str(self.batch_size)), ("shuffle", str(shuffle)),
                ("seed", str(seed)), ("drop_last", str(drop_last)), ("scattered", str(scattered))]
        if comm._main is not None:
            comm._main.meet("mpi.DataLoader", digest=digest_of(said), details=lambda: said,
                            advice="All ranks must have the same data set and arguments; for parts pass scattered=True")
        if scattered and comm.virtual_shards is not None:
            raise ValueError("mpi.DataLoader: virtual_shards divide whole batches, which parts by scatter_dataset are not; give "
                             "all ranks the whole data set")
        lengths = comm.allgather_obj(n) if scattered else [n]
        self.length = sum(lengths)
        self.max_iter: int
        if self.length == 0:
            raise ValueError("mpi.DataLoader: the data set is empty; there are no batches of nothing")
        if scattered:
            self.own = self.batch_size // comm.size + (comm.rank < self.batch_size % comm.size)
            whole = [(k, self.batch_size // comm.size + (r < self.batch_size % comm.size)) for r, k in enumerate(lengths)]
            if any(k and not b for k, b in whole):
                raise ValueError(f"mpi.DataLoader: batch_size {self.batch_size} is less than the number of ranks, {comm.size}")
            full = min(k // b for k, b in whole if b)
            self.max_iter = full if drop_last else max(math.ceil(k / b) for k, b in whole if b)
        else:
            self.max_iter = n // self.batch_size if drop_last else math.ceil(n / self.batch_size)
        if self.max_iter == 0:
            raise ValueError(f"mpi.DataLoader: {self.length} examples make no full batch of {self.batch_size}, and drop_last "
                             "leaves out the others; take a smaller batch_size")

    def __len__(self) -> int:
        """The number of batches of a pass."""
        return self.max_iter

    def _order(self) -> NDArray[np.intp]:
        n = _length(self.dataset)
        if not self.shuffle:
            return np.arange(n)
        words = [self.seed, self.epoch, *([self.comm.rank] if self.scattered else [])]
        return np.random.default_rng(np.random.SeedSequence(words)).permutation(n)

    def __iter__(self) -> Iterator[Batch]:
        """One pass, or what is left of the one that `load_state_dict` led into."""
        order = self._order()
        while self.iteration < self.max_iter:
            k = self.iteration
            self.iteration += 1     # before: a checkpoint in the loop's body counts this batch as done
            yield self._at(order, k)
        self.epoch, self.iteration = self.epoch + 1, 0

    def _at(self, order: NDArray[np.intp], k: int) -> Batch:
        comm = self.comm
        if self.scattered:
            places = order[k * self.own:(k + 1) * self.own]
            return self._taken(places, [len(places)], min(self.batch_size, self.length - k * self.batch_size))
        whole = order[k * self.batch_size:(k + 1) * self.batch_size]
        sizes, mine = comm.sizes(len(whole)), comm.shards_of(comm.rank)
        start = sum(sizes[:mine.start])
        own = [sizes[s] for s in mine]
        return self._taken(whole[start:start + sum(own)], own, len(whole))

    def _taken(self, places: NDArray[np.intp], sizes: Sequence[int], total: int) -> Batch:
        dataset = self.dataset
        if isinstance(dataset, tuple):
            return Batch([np.asarray(a[places]) for a in dataset], sizes, total)
        if isinstance(dataset, np.ndarray):
            return Batch([np.asarray(dataset[places])], sizes, total)
        if len(places):
            return Batch(_batch(dataset, places, "mpi.DataLoader"), sizes, total)
        if _length(dataset) == 0:
            return Batch((np.zeros((0,)), np.zeros((0,))), sizes, total)
        return Batch([a[:0] for a in _batch(dataset, np.zeros(1, np.intp), "mpi.DataLoader")], sizes, total)

    def state_dict(self) -> dict[str, int]:
        """The pass and the place in it, for checkpoints; the same for any number of ranks, unless scattered."""
        return {"epoch": self.epoch, "iteration": self.iteration, "seed": self.seed, "batch_size": self.batch_size}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes on where `state_dict` was taken. Raises ValueError, and changes nothing, amid a pass with another batch_size."""
        size = int(state.get("batch_size", self.batch_size))        # older states have none
        if int(state["iteration"]) and size != self.batch_size:
            raise ValueError(f"mpi.DataLoader.load_state_dict: the state is amid a pass with a batch_size of {size}, this "
                             f"loader's is {self.batch_size}: examples would be left out, or come twice; take "
                             f"batch_size={size} until the pass is over")
        self.epoch, self.iteration, self.seed = (int(state[key]) for key in ("epoch", "iteration", "seed"))
