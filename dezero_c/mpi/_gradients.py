"""Gradients of a model, added up over ranks in buckets by a helper thread.

Parameters of one dtype lie side by side in buckets of some megabytes, the last defined ones first, since a walk backwards
reaches those first. A bucket is packed (scaled by this rank's share of the examples, rounded to what travels), announced by a
header that says which of its parameters have a gradient, and summed. The thread makes blocking calls: MPI makes no progress
by itself. What is left when the walk has ended the main thread sums, which would only wait. Running averages of BatchNorm
travel in the same way, after the gradients.

A step is opened on the main channel first, where examples are counted and models compared; sizes that have become known since
the last step are agreed upon there.
"""

from __future__ import annotations

import functools
import sys
import threading
import time
from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from dezero_c._core import Variable
from dezero_c.mpi._channel import CollectiveError, digest_of
from dezero_c.mpi._models import described, named_parameters, persistent
from dezero_c.mpi._shared import SharedSum, shared_sum
from dezero_c.mpi._sums import Wire, add_up, ordered_sum

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from dezero_c._core import Parameter
    from dezero_c.mpi.communicator import Communicator

__all__ = ["Bucket", "Reducer", "gradient_of"]


def gradient_of(p: Parameter) -> NDArray[Any] | None:
    """The parameter's gradient as an ndarray of its shape and dtype, or None."""
    g: Any = p.grad
    if g is None:
        return None
    data: Any = g.data if isinstance(g, Variable) else g
    data = np.asarray(data)
    if data.shape != p.data.shape:
        data = np.broadcast_to(data, p.data.shape)
    found: NDArray[Any] = data if data.dtype == p.data.dtype else data.astype(p.data.dtype)
    return found


class Bucket:
    """Some parameters of one dtype: `places` in the list of all, their `offsets` in the flat array, its length, padded to a
    multiple of the number of ranks."""

    def __init__(self, dtype: np.dtype[Any], wire: Wire, averages: bool) -> None:
        self.dtype, self.wire, self.averages = dtype, wire, averages
        self.places: list[int] = []
        self.offsets = [0]
        self.length = 0
        self.send: NDArray[Any] = np.empty(0)
        self.room: NDArray[Any] = np.empty(0)
        self.results: list[NDArray[Any]] = []
        self.shared: SharedSum | None = None
        self.tried = False      # whether memory to share has been asked for

    def add(self, place: int, size: int) -> None:
        self.places.append(place)
        self.offsets.append(self.offsets[-1] + size)

    def close(self, ranks: int) -> None:
        self.length = -(-self.offsets[-1] // ranks) * ranks

    def rooms(self) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """(what is sent, room, what arrives). The last is one that nobody holds a view of any more: gradients are."""
        if self.shared is not None:
            self.send = self.shared.part
        elif len(self.send) != self.length:
            self.send, self.room = np.zeros(self.length, self.wire.dtype), np.empty(self.length, self.wire.dtype)
        for k in range(len(self.results)):
            if sys.getrefcount(self.results[k]) == 2:   # the list's and the argument's: nobody holds a view
                return self.send, self.room, self.results[k]
        self.results = [*self.results[-1:], np.empty(self.length, self.wire.dtype)]
        return self.send, self.room, self.results[-1]

    def sent(self, rank: int) -> list[tuple[int, int]]:
        """(begin, end) of what `rank` puts where others read it: all but the slice that it adds up itself, where memory is
        shared."""
        return [(0, self.length)] if self.shared is None else self.shared.others

    def pack(self, parts: Sequence[NDArray[Any] | None], scale: float, begin: int, end: int, out: NDArray[Any]) -> int:
        """out becomes what travels of the elements from `begin` to `end`: the flat gradients `parts` times scale, zeros where one
        is None. Gives 0, or -1 - the place of the last parameter that is too large for what travels."""
        flag = 0
        for place in range(bisect_right(self.offsets, begin) - 1, len(parts)):
            first, last = self.offsets[place], self.offsets[place + 1]
            if first >= end:
                break
            part, room = parts[place], out[max(first, begin) - begin:min(last, end) - begin]
            if part is None:
                room[...] = 0
                continue
            try:
                self.wire.pack(part[max(first, begin) - first:min(last, end) - first], scale, room)
            except FloatingPointError:
                flag = -1 - place
        out[max(self.offsets[-1] - begin, 0):] = 0
        return flag

    def share(self, mpi: Any) -> None:
        """Called by all ranks of one machine together: from the next step on the bucket lies in memory that they share."""
        self.tried = True
        self.shared = shared_sum(mpi, self.wire, self.length)


class Reducer:
    """Adds up the gradients of one model after the other; bucket_mb: megabytes (10^6 bytes) that a bucket has at most, but for
    a parameter that is larger."""

    def __init__(self, comm: Communicator, bucket_mb: float) -> None:
        if not bucket_mb > 0:
            raise ValueError(f"create_multi_node_optimizer: bucket_mb is {bucket_mb}; it must be a positive number of megabytes")
        self.comm, self.limit = comm, bucket_mb * 1e6
        self.params: list[Parameter] = []
        self.names: list[str] = []
        self.averages: set[int] = set()
        self.key: Any = None            # ids, shapes and dtypes of the model as the ranks last agreed upon them
        self.digest = 0
        self.buckets: list[Bucket] = []
        self.bucket_at: dict[int, tuple[int, int]] = {}
        self.opened = False
        self.scale = self.total = 0.0
        self.next_bucket = 0
        self.submitted: list[Any] = []      # what each parameter's gradient was when its bucket went out
        self.op = f"step of optimizer {comm._numbered()}"
        self.error: BaseException | None = None
        self.done = threading.Semaphore(0)
        self.found: list[NDArray[Any] | None] = []
        self.number = 0.0       # this rank's share of the loss, and then all ranks'
        self.own: Callable[[int], NDArray[Any] | None] | None = None
        self.waited_for = False     # whether the main thread does nothing but wait for the sums
        self.timeline: list[tuple[str, float, float]] = []      # (what, begin, end) of the last step, for tests and benchmarks

    # ---- a step begins

    def _look(self, model: Any) -> Any:
        params: list[Any] = list(model.params())
        return [(id(p), None if (d := p.data) is None else (d.shape, d.dtype.str)) for p in params]

    def _read(self, model: Any) -> None:
        named = named_parameters(model)
        self.names, self.params = [name for name, _ in named], [p for _, p in named]
        self.averages = {id(p) for p in persistent(model)}

    def _known(self) -> list[tuple[str, str]]:
        return described(list(zip(self.names, self.params, strict=True)))

    def open(self, model: Any, examples: float) -> None:
        """Counts all ranks' examples, and agrees on the model: collective, on the main thread. Raises CollectiveError where
        models differ."""
        if not (np.isfinite(examples) and examples >= 0):
            raise ValueError(f"{self.op}: {examples} examples; give this rank's number of them, 0 where it has none")
        main = self.comm._main
        look = self._look(model)
        changed = look != self.key
        if changed:
            self._read(model)
            self.digest = digest_of(self._known())
        self.timeline = []
        weights = np.array([examples])
        if main is not None:
            found = main.meet(self.op, digest=self.digest, number=examples, flag=int(changed), differ=True)
            weights = found["number"]
            if found["flag"].any() or (found["digest"] != found["digest"][0]).any():
                self._agree()
                look = self._look(model)
                changed = True
        if changed:
            self._divide()
            self.key = look
        self.total = float(weights.sum())
        self.scale = float(examples) / self.total if self.total else 0.0
        self.opened, self.next_bucket, self.error, self.number = True, 0, None, 0.0
        self.found = [None] * len(self.params)
        self.submitted = [None] * len(self.params)

    def _agree(self) -> None:
        """After sizes became known, or at the start: ranks that know them give them to those without, and those that all know
        must have drawn the same weights."""
        comm, main = self.comm, self.comm._main
        assert main is not None
        had = [p.data is not None for p in self.params]
        comm._agreed(list(zip(self.names, self.params, strict=True)), self.op)
        with main.during(self.op):
            # Running averages have seen this rank's batch already; they are averaged in this very step.
            everyone = main.mpi.allgather([None if not had[k] else 0 if id(p) in self.averages else digest_of(p.data)
                                           for k, p in enumerate(self.params)])
            for k, (name, p) in enumerate(zip(self.names, self.params, strict=True)):
                known = {rank: each[k] for rank, each in enumerate(everyone) if each[k] is not None}
                if not known:
                    continue
                first = min(known)
                for rank, value in known.items():
                    if value != known[first]:
                        raise CollectiveError(
                            f"{self.op}: parameter {name} does not start from the same values on rank {first} and rank "
                            f"{rank}. Weights that a layer draws in its own way when it first sees an input differ from rank to "
                            "rank: pass the model an input and call comm.bcast_data(model) before training, or draw them in "
                            "_init_W as dezero_c's layers do")
                if len(known) < comm.size:
                    data = np.ascontiguousarray(p.data)
                    main.mpi.Bcast(data.reshape(-1).view(np.uint8), first)
                    if data is not p.data:
                        p.data = data

    def _divide(self) -> None:
        """Puts the parameters into buckets."""
        self.buckets, self.bucket_at = [], {}
        open_buckets: dict[Any, Bucket] = {}
        order = [k for k in reversed(range(len(self.params))) if id(self.params[k]) not in self.averages]
        order += [k for k in range(len(self.params)) if id(self.params[k]) in self.averages]
        for k in order:
            data = self.params[k].data
            if data is None:
                continue
            averages = id(self.params[k]) in self.averages
            bucket = open_buckets.get((data.dtype, averages))
            if bucket is None or (bucket.offsets[-1] and (bucket.offsets[-1] + data.size) * data.itemsize > self.limit):
                wire = self.comm.wire if data.dtype.kind == "f" and data.dtype.itemsize >= 4 and not averages else None
                bucket = open_buckets[data.dtype, averages] = Bucket(data.dtype, Wire(wire, data.dtype), averages)
                self.buckets.append(bucket)
            bucket.add(k, data.size)
        self.buckets.sort(key=lambda bucket: bucket.averages)       # stable: averages last
        for number, bucket in enumerate(self.buckets):
            bucket.close(self.comm.size)
            for place, k in enumerate(bucket.places):
                self.bucket_at[k] = (number, place)

    # ---- buckets go out

    def submit(self) -> None:
        """Sends the next bucket, whose gradients are final."""
        bucket = self.buckets[self.next_bucket]
        parts: list[Any] = []
        for k in bucket.places:
            if not self.scale:
                parts.append(None)
            elif self.own is not None:
                parts.append(self.own(k))
            elif bucket.averages:
                parts.append(self.params[k].data)
            else:
                self.submitted[k] = self.params[k].grad
                parts.append(gradient_of(self.params[k]))
        self.next_bucket += 1
        self._give(self.next_bucket - 1, bucket, parts, self.number if self.next_bucket == len(self.buckets) else 0.0)

    def _give(self, *job: Any) -> None:
        """To the helper thread while the main thread computes; what is left is done in the main thread, which would only wait."""
        if self.waited_for or not self.comm.threads:
            self._tried(*job)
        else:
            self.comm._helper(self._helped, *job)

    def _computing(self) -> bool:
        return self.comm.threads and not self.waited_for

    def _tried(self, *job: Any) -> None:
        """An exception is kept for `finish`, and lets the other buckets of the step fail at once."""
        if self.error is None:
            try:
                self._reduce(*job)
            except BaseException as error:
                self.error = error

    def _helped(self, *job: Any) -> None:
        self._tried(*job)
        self.done.release()

    def _reduce(self, number: int, bucket: Bucket, parts: list[Any], share: float) -> None:
        channel = self.comm._gradients
        assert channel is not None
        began = time.perf_counter()
        op = f"gradients, bucket {number}"
        send, room, result = bucket.rooms()
        scale = 1.0 if self.own is not None else self.scale
        flat = [None if part is None else part.reshape(-1) for part in parts]
        flag = 0
        for begin, end in bucket.sent(self.comm.rank):
            flag = bucket.pack(flat, scale, begin, end, send[begin:end]) or flag
        packed = time.perf_counter()
        with channel.during(op):
            present: NDArray[np.bool_] = np.array([part is not None for part in parts], bool)
            found = channel.meet(op, digest=digest_of(present), number=share, flag=flag, differ=True,
                                 patient=self._computing)
            if (failed := found["flag"] < 0).any():
                rank = int(np.argmax(failed))
                name = self.names[bucket.places[-1 - int(found["flag"][rank])]]
                raise FloatingPointError(f"{self.op}: the gradient of parameter {name} on rank {rank} is too large for "
                                         'float16 (65,504); take allreduce_grad_dtype="bfloat16", scale the loss, or None')
            if number == len(self.buckets) - 1:
                self.number = float(add_up([np.array(n) for n in found["number"]], self.comm.virtual_shards is not None))
            if (found["digest"] != found["digest"][0]).any():
                masks = np.empty((self.comm.size, len(present)), bool)
                channel.mpi.Allgather(present.view(np.uint8), masks.view(np.uint8))
                present = np.logical_or.reduce(masks, axis=0)
            if np.any(present):
                if bucket.shared is not None:
                    bucket.shared.total(result, functools.partial(bucket.pack, flat, scale), self.comm.virtual_shards is not None,
                                        self._computing)
                elif self.comm.deterministic or bucket.wire.name is not None:
                    ordered_sum(channel.mpi, bucket.wire, send, room, result, self.comm.virtual_shards is not None)
                else:
                    channel.mpi.Allreduce(send, result)
            if not bucket.tried and self.comm.intra_size == self.comm.size and self.comm.deterministic:
                bucket.share(channel.mpi)
        arrived = time.perf_counter()
        for place, k in enumerate(bucket.places):
            if present[place]:
                flat = bucket.wire.unpacked(result[bucket.offsets[place]:bucket.offsets[place + 1]])
                self.found[k] = flat.astype(bucket.dtype, copy=False).reshape(self.params[k].data.shape)
        traffic = self.comm.traffic
        if present.any():
            traffic["bytes"] += 2 * send.nbytes * (self.comm.size - 1) / self.comm.size
        traffic["calls"] += 1
        traffic["seconds"] += arrived - packed
        self.timeline.append((op, began, time.perf_counter()))

    # ---- a step ends

    def finish(self) -> float:
        """Waits for the buckets that have gone out, sums the others, and puts the sums where the gradients were; gives the sum of
        all ranks' `number`."""
        self.waited_for = True
        if self.comm.threads:
            for _ in range(self.next_bucket):
                self.done.acquire()
        while self.next_bucket < len(self.buckets):
            self.submit()
        self.opened = self.waited_for = False
        if self.error is not None:
            error, self.error = self.error, None
            raise error
        for k, p in enumerate(self.params):
            g = self.found[k]
            if id(p) in self.averages:
                if g is not None:
                    p.data[...] = g
            elif g is None:
                p.cleargrad()
            else:
                p.grad = Variable(g)
        self.found = []
        return self.number

    def stale(self) -> bool:
        """Whether a gradient is another one than when its bucket went out: a second backward has added to it."""
        return bool(self.scale) and any(self.submitted[k] is not self.params[k].grad
                   for bucket in self.buckets[:self.next_bucket] if not bucket.averages for k in bucket.places)

    def __getstate__(self) -> Any:
        raise TypeError("gradients under way cannot be copied or pickled")


def same_length(parts: Sequence[Any]) -> int:
    """The number of examples of a batch: the first axis of each of its arrays. Raises where there is none, or they differ."""
    lengths = []
    for part in parts:
        try:
            lengths.append(len(part))
        except TypeError:
            continue
    if not lengths or len(set(lengths)) > 1:
        raise ValueError(f"update: the arguments have the lengths {lengths}; the number of examples is not to be seen. Pass "
                         "arrays with one example a row, or call backward and update(examples=...)")
    return lengths[0]
