"""Optimizers whose update is that of all ranks: gradients are averaged over all examples of all ranks first."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import numpy as np

from dezero_c._core import Variable, has_hooks
from dezero_c._training import stepped
from dezero_c.layers import Layer
from dezero_c.mpi._gradients import Reducer, gradient_of, same_length
from dezero_c.mpi._overlap import backward_with, first_uses
from dezero_c.mpi.datasets import Batch
from dezero_c.optimizers import Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, Self

    from dezero_c.mpi.communicator import Communicator

__all__ = ["MultiNodeOptimizer", "create_multi_node_optimizer"]


def create_multi_node_optimizer(actual_optimizer: Optimizer, communicator: Communicator, double_buffering: bool = False, *,
                                bucket_mb: float = 25.0) -> MultiNodeOptimizer:
    """`actual_optimizer` as one of all ranks: an object of a class of its own (MultiNodeAdam for Adam) with the same attributes,
    hooks and state. Call `setup(model)` on it.

    bucket_mb: megabytes of gradients that travel together. Raises TypeError for what is no Optimizer; ValueError for
    double_buffering, which updates by the step before's gradients and is not done here.
    """
    if not isinstance(actual_optimizer, Optimizer):
        raise TypeError(f"create_multi_node_optimizer: {type(actual_optimizer).__name__} is no dezero_c.optimizers.Optimizer")
    if double_buffering:
        raise ValueError("create_multi_node_optimizer: double_buffering (updates by the gradients of the step before) is not "
                         "done; leave it out: buckets overlap with the walk backwards in update(lossfun, ...) and backward(loss)")
    kind = type(actual_optimizer)
    made = type(f"MultiNode{kind.__name__}", (MultiNodeOptimizer, kind), {"__doc__": kind.__doc__, "__module__": __name__})
    optimizer: MultiNodeOptimizer = object.__new__(made)
    optimizer.__dict__.update(actual_optimizer.__dict__)
    optimizer._multi = _Multi(communicator, kind, bucket_mb)
    if optimizer.target is not None:
        optimizer.setup(optimizer.target)
    return optimizer


class _Multi:
    """What a multi-node optimizer has beside the attributes of the actual one."""

    def __init__(self, comm: Communicator, kind: type[Optimizer], bucket_mb: float) -> None:
        self.comm, self.kind = comm, kind
        self.alone = comm.size == 1 and comm.virtual_shards is None
        self.reducer = Reducer(comm, bucket_mb)
        self.examples = 0.0
        self.loss: float | None = None


class _Drawing:
    """Stands for a layer's `_init_W`, which draws its weights when the layer first sees an input: from a stream of the layer's
    own that is the same on all ranks, whatever else they have drawn."""

    def __init__(self, layer: Any, seed: list[int]) -> None:
        self.layer, self.seed = layer, seed

    def __call__(self, *args: Any) -> None:
        before = np.random.get_state()
        np.random.seed(np.random.SeedSequence(self.seed).generate_state(8))
        try:
            del self.layer.__dict__["_init_W"]
            self.layer._init_W(*args)
        finally:
            np.random.set_state(before)


def _layers(layer: Any, seen: set[int]) -> list[Any]:
    if not isinstance(layer, Layer) or id(layer) in seen:
        return []
    seen.add(id(layer))
    return [layer, *(found for _, value in layer._held() for found in _layers(value, seen))]


class MultiNodeOptimizer(Optimizer):
    """An optimizer of all ranks, made by `create_multi_node_optimizer`. All ranks call the same methods in the same order.

    loss: the mean loss over all examples of all ranks in the last `update(lossfun, ...)`, a float, the same on all ranks.
    """

    _multi: _Multi

    @property
    def loss(self) -> float | None:
        """The last step's mean loss over all ranks' examples; None before, and where update was not given a function."""
        return self._multi.loss

    @property
    def communicator(self) -> Communicator:
        """The ranks that it belongs to."""
        return self._multi.comm

    def setup(self, target: Layer) -> Self:
        """Makes `target` the model; all ranks' weights become rank 0's, and those that are drawn when layers first see an
        input come from the same random numbers on all ranks."""
        super().setup(target)
        comm = self._multi.comm
        comm.bcast_data(target)
        based = comm._based()
        for k, layer in enumerate(_layers(target, set())):
            W = layer.__dict__.get("W")
            if W is not None and W.data is None and callable(getattr(layer, "_init_W", None)):
                layer.__dict__["_init_W"] = _Drawing(layer, [based, 2, k])
        return self

    # ---- a step

    def update(self, lossfun: Callable[..., Variable] | None = None, *args: Any, examples: float | None = None,
               **kwargs: Any) -> None:
        """One step of all ranks.

        update(lossfun, *batch): computes `lossfun(*batch)`, the mean loss of this rank's examples (a batch of
        `mpi.DataLoader`, or arrays with an example a row), its gradients, their mean over all examples of all ranks, and the
        update. Buckets of gradients go out while the walk backwards goes on. A rank whose batch is empty joins in without
        calling lossfun.

        update(examples=n): the same after `loss.backward()` or `optimizer.backward(loss)` for this rank's n examples; 0 where
        it had none.

        A parameter without gradient on some ranks counts as zeros there; one without on all ranks is not updated. Raises
        CollectiveError where ranks do different things; ValueError without `examples` on more than one rank.
        """
        multi = self._multi
        multi.loss = None
        if lossfun is None and multi.alone and stepped(self, multi.kind):
            return
        if self.target is None:
            raise RuntimeError(f"{type(self).__name__}.update: there is no model yet; call setup(model) first")
        if lossfun is None and multi.alone:
            super().update()
            return
        if lossfun is not None:
            if examples is not None:
                raise ValueError("update: examples is for steps without a function; with one they are counted in its arguments")
            self._computed(lossfun, args, kwargs)
        elif multi.reducer.opened:
            if examples is not None and float(examples) != multi.examples:
                raise ValueError(f"update: examples={examples}, but backward(loss, {multi.examples:g}) was called for this step")
        else:
            if multi.comm.virtual_shards is not None:
                raise ValueError("update: with virtual_shards a step is update(lossfun, batch), which computes the shards of the "
                                 "batch one by one")
            if examples is None:
                if multi.comm.size > 1:
                    raise ValueError("update: how many examples does this rank's loss stand for? Gradients are weighted by that: "
                                     "call update(examples=len(x)), with 0 on a rank without data, or update(lossfun, x, t)")
                examples = 1.0
            if multi.comm.size > 1:
                self._open(examples)
        number = self._finished()
        if lossfun is not None and number is not None:
            multi.loss = number
        if not stepped(self, multi.kind):
            super().update()

    def backward(self, loss: Variable, examples: float | None = None) -> None:
        """`loss.backward()`, with buckets of gradients going out to the other ranks meanwhile; `update()` follows.

        loss: the mean over this rank's `examples`; ranks without data call update(examples=0) alone. To add up several losses
        call `loss.backward()` for all but the last. Gradients are this rank's until update() puts the mean in their place.
        Raises RuntimeError where it is called twice in a step.
        """
        multi = self._multi
        comm, reducer = multi.comm, multi.reducer
        if comm.virtual_shards is not None:
            raise ValueError("backward: with virtual_shards a step is update(lossfun, batch)")
        if comm.size == 1:
            loss.backward()
            return
        if examples is None:
            raise ValueError("backward: how many examples does this rank's loss stand for? Call backward(loss, examples=len(x))")
        if reducer.opened:
            raise RuntimeError("backward: backward(loss) was called before in this step, and its gradients are on their way; to "
                               "add up several losses call loss.backward() for all but the last, then backward(loss, examples)")
        self._open(examples)
        self._overlapped(loss)

    def _open(self, examples: float) -> None:
        self._multi.examples = float(examples)
        self._multi.reducer.own = None
        self._multi.reducer.open(self.target, examples)

    def _overlapped(self, loss: Variable, to_the_end: bool = True) -> None:
        """`loss.backward()` while buckets go out; to_the_end: also those that are complete with the walk's last functions."""
        reducer = self._multi.reducer
        if not self._multi.comm.threads or any(map(has_hooks, reducer.params)):     # they run when the walk has ended
            loss.backward()
            return
        uses = first_uses(loss, (id(p) for p in reducer.params))
        calls: dict[int, Callable[[], None]] = {}
        last = None
        for number, bucket in enumerate(reducer.buckets):
            if bucket.averages:
                break
            found = [uses[id(reducer.params[k])] for k in bucket.places if id(reducer.params[k]) in uses]
            # in the order of buckets: one that is complete early waits for those before it
            last = min([g for g in (last, *found) if g is not None], default=None)
            if last is not None and (last > 0 or to_the_end):
                calls[last] = _until(reducer, number)
        backward_with(loss, calls)

    def _computed(self, lossfun: Callable[..., Variable], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """The losses and gradients of this rank's batch."""
        multi = self._multi
        comm, reducer = multi.comm, multi.reducer
        if reducer.opened:
            raise RuntimeError("update: backward(loss) was called for this step; finish it by update() without a function")
        sizes: list[int] | None = None
        if len(args) == 1 and isinstance(args[0], Batch):
            sizes, args = args[0].sizes, tuple(args[0])
        examples = same_length([*args, *kwargs.values()])
        if comm.virtual_shards is not None:
            self._sharded(lossfun, args, kwargs, sizes, examples)
            return
        loss = lossfun(*args, **kwargs) if examples else None
        self.target.cleargrads()        # also without data: the last step's gradients are there
        if comm.size == 1:
            if loss is not None:
                loss.backward()
                multi.loss = float(loss.data)
            return
        self._open(examples)
        if loss is not None:
            reducer.number = reducer.scale * float(loss.data)
            self._overlapped(loss, to_the_end=False)

    def _sharded(self, lossfun: Callable[..., Variable], args: tuple[Any, ...], kwargs: dict[str, Any],
                 sizes: list[int] | None, examples: int) -> None:
        multi = self._multi
        comm, reducer = multi.comm, multi.reducer
        shards = comm.shards_of(comm.rank)
        if kwargs:
            raise ValueError(f"update: with virtual_shards the batch is divided, which keyword arguments ({sorted(kwargs)}) "
                             "cannot be; pass arrays in order")
        if sizes is None and comm.size == 1:
            sizes = comm.sizes(examples)
        if sizes is None or sum(sizes) != examples or len(sizes) != len(shards):
            raise ValueError("update: with virtual_shards pass the batch as mpi.DataLoader gave it, update(lossfun, batch): it "
                             "knows how the whole batch is divided")
        tree = _Tree()
        averages = None
        rows = 0
        total: float | None = None
        for shard, size in zip(shards, sizes, strict=True):
            part = tuple(a[rows:rows + size] for a in args)
            rows += size
            if not size:
                tree.add(None)
                continue
            if averages is not None:
                for p, start in averages:
                    p.data[...] = start
            else:
                reducer._read(self.target)      # averages of layers that get theirs with this very call start as these do
                named = [(name, p) for name, p in zip(reducer.names, reducer.params, strict=True) if id(p) in reducer.averages]
                before = [None if p.data is None else p.data.copy() for _, p in named]
            with comm.stream(shard), _by_itself(comm):
                loss = lossfun(*part)
            if averages is None:
                averages = [(p, start if start is not None else np.full_like(p.data, float(name.endswith("avg_var"))))
                            for (name, p), start in zip(named, before, strict=True) if p.data is not None]
                reducer.own = None
                if comm.size > 1:
                    self._open(examples)
                else:
                    reducer._read(self.target)
                total = reducer.total if comm.size > 1 else float(examples)
            self.target.cleargrads()
            with comm.stream(shard), _by_itself(comm):
                loss.backward()
            assert total is not None
            share = size / total
            arrays: list[Any] = []
            for p in reducer.params:
                g = p.data if id(p) in reducer.averages else gradient_of(p)
                arrays.append(None if g is None else np.asarray(g * g.dtype.type(share)))
            tree.add([*arrays, np.asarray(share * float(loss.data))])
        if averages is None and comm.size > 1:
            self._open(examples)
        result = tree.result()
        if comm.size > 1:
            reducer.number = 0.0 if result is None else float(result[-1])
            reducer.own = (lambda k: None) if result is None else (lambda k: result[k])
            return
        if result is None:
            self.target.cleargrads()
            return
        for p, value in zip(reducer.params, result, strict=False):
            if id(p) in reducer.averages:
                if value is not None:
                    p.data[...] = value
            elif value is None:
                p.cleargrad()
            else:
                p.grad = Variable(value)
        multi.loss = float(result[-1])

    def _finished(self) -> float | None:
        """Puts the mean gradients in place of this rank's; gives the sum of what ranks have told of their losses."""
        multi = self._multi
        reducer = multi.reducer
        if not reducer.opened:
            return None
        if reducer.own is None and reducer.stale():
            raise RuntimeError("update: a gradient has changed since backward(loss) sent it out; add up losses before, by "
                               "loss.backward(), and change gradients in a hook (add_hook), which sees the mean of all ranks")
        number = reducer.finish()
        reducer.own = None
        return number if reducer.buckets and reducer.total else None

    # ---- copies and pickles are of the actual optimizer: ranks stay where they are

    def __reduce__(self) -> Any:
        kind = self._multi.kind
        getstate = getattr(super(), "__getstate__", None)
        state = dict(getstate() if getstate else self.__dict__)
        state.pop("_multi", None)
        return _plain, (kind,), state


@contextlib.contextmanager
def _by_itself(comm: Communicator) -> Iterator[None]:
    """Refuses collective calls: a rank computes as many shards as it has examples for, and others may have another number."""
    channel = comm._main
    if channel is None:     # one rank
        yield
        return
    channel.closed = ("within the function of update with virtual_shards, which each rank calls as often as it has shards with "
                      "examples; call it before or after update, or make a communicator without virtual_shards")
    try:
        yield
    finally:
        channel.closed = None


def _plain(kind: type[Optimizer]) -> Optimizer:
    return kind.__new__(kind)


def _until(reducer: Reducer, number: int) -> Callable[[], None]:
    def call() -> None:
        while reducer.next_bucket <= number:
            reducer.submit()

    return call


class _Tree:
    """Adds up the shards' gradients as a binary tree while they come, at most one sum a level kept."""

    def __init__(self) -> None:
        self.stack: list[tuple[int, Any]] = []

    def add(self, arrays: list[Any] | None) -> None:
        level = 0
        while self.stack and self.stack[-1][0] == level:
            _, left = self.stack.pop()
            arrays = _pair(left, arrays)
            level += 1
        self.stack.append((level, arrays))

    def result(self) -> Any:
        ((_, arrays),) = self.stack     # their number is a power of two
        return arrays


def _pair(left: list[Any] | None, right: list[Any] | None) -> list[Any] | None:
    if left is None and right is None:
        return None
    n = len(left if left is not None else right or ())
    return [_sum(a, b) for a, b in zip(left or [None] * n, right or [None] * n, strict=True)]


def _sum(a: Any, b: Any) -> Any:
    """a + b in a's memory; None counts as zeros, which is not the same as leaving it out: -0.0 + 0.0 is 0.0."""
    if a is None and b is None:
        return None
    if a is None:
        return np.add(b, 0, out=b)
    return np.add(a, 0 if b is None else b, out=a)

