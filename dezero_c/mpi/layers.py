"""Batch normalisation with the statistics of the whole batch, on all ranks.

`layers.BatchNorm` normalises each rank's part of a batch by that part's own mean and variance; only its running averages are
those of all ranks. MultiNodeBatchNorm normalises by the mean and variance of all ranks' examples, so that N ranks compute what
one process would, for two more small collective calls forward and two backward.
"""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING

import numpy as np

from dezero_c import functions as F
from dezero_c._core import Config, Function, Variable
from dezero_c.layers import BatchNorm, Layer

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from dezero_c._typing import Operand
    from dezero_c.mpi.communicator import Communicator

__all__ = ["MultiNodeBatchNorm", "create_mnbn_model"]


class _Sum(Function):
    """The sum over ranks. Backward too, with each rank's gradient weighted by its examples as the optimizer will: the gradient
    of a mean over all of them."""

    def __init__(self, comm: Communicator, examples: int) -> None:
        self.comm, self.examples = comm, examples

    def forward(self, *xs: Any) -> NDArray[Any]:
        return self.comm.allreduce(xs[0])

    def backward(self, *gys: Any) -> Any:
        (gy,) = gys
        dtype = gy.dtype
        total = self.comm.allreduce(gy.data.astype(np.float64) * self.examples)
        return Variable((total / self.examples).astype(dtype))


class MultiNodeBatchNorm(BatchNorm):
    """`layers.BatchNorm` with the mean and variance of all ranks' examples; x: (N, C) or (N, C, H, W), N this rank's examples.

    All ranks must call it together, each with an example at least: it raises CollectiveError where a rank does something else,
    such as passing over an empty batch; leave out such batches by drop_last. ValueError for a communicator with virtual_shards.
    First derivatives only. In test mode it uses the running averages, as BatchNorm does, and is not collective. A pickled one has
    no ranks: it comes back as one that computes by itself, for use in test mode; `create_mnbn_model` of the plain model makes one
    of all ranks again.
    """

    def __init__(self, comm: Communicator, decay: float = 0.9, eps: float = 2e-5) -> None:
        if comm.virtual_shards is not None:
            raise ValueError("MultiNodeBatchNorm: with virtual_shards a batch is computed shard by shard, none of which knows of "
                             "the others; use layers.BatchNorm, or a communicator without virtual_shards")
        super().__init__()
        self.__dict__["comm"] = comm
        self.decay, self.eps = decay, eps

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in super().__getstate__().items() if name != "comm"}

    def __deepcopy__(self, memo: dict[int, Any]) -> MultiNodeBatchNorm:
        made = type(self)(self.comm, self.decay, self.eps)
        for name, value in self.__getstate__().items():
            made.__dict__[name] = copy.deepcopy(value, memo)
        return made

    comm: Communicator

    def forward(self, x: Operand) -> Variable:
        x = x if isinstance(x, Variable) else Variable(np.asarray(x))
        if self.avg_mean.data is None:
            self._init_params(x)
        if not Config.train or "comm" not in self.__dict__ or self.comm.size == 1:
            return F.batch_norm(x, self.gamma, self.beta, self.avg_mean.data, self.avg_var.data, self.decay, self.eps)
        axes = (0, *range(2, x.ndim))
        shape = (1, -1) + (1,) * (x.ndim - 2)
        rows, each = x.shape[0], int(np.prod([x.shape[a] for a in axes[1:]]))
        n = int(self.comm.allreduce(np.array(rows))) * each

        def mean(v: Variable) -> Variable:
            return _Sum(self.comm, rows)(F.sum(v, axis=axes)) / n

        m = mean(x)
        centred = x - F.reshape(m, shape)
        var = mean(centred ** 2)
        for average, value, factor in ((self.avg_mean.data, m.data, 1.0), (self.avg_var.data, var.data, n / max(n - 1, 1))):
            average *= self.decay
            average += ((1 - self.decay) * factor) * value
        y = centred / F.reshape((var + self.eps) ** 0.5, shape)
        return y * F.reshape(self.gamma, shape) + F.reshape(self.beta, shape)


def create_mnbn_model(model: Layer, comm: Communicator) -> Layer:
    """A deep copy of `model` in which each BatchNorm is a MultiNodeBatchNorm with the same parameters' values."""
    made = copy.deepcopy(model)
    seen: set[int] = set()

    def changed(value: Any) -> Any:
        if type(value) is BatchNorm:
            new = MultiNodeBatchNorm(comm)
            new.__dict__.update(value.__dict__)
            return new
        visit(value)
        return value

    def visit(holder: Any) -> None:
        if id(holder) in seen:
            return
        seen.add(id(holder))
        if isinstance(holder, Layer):
            for name, value in list(holder.__dict__.items()):
                if name in ("_params", "_containers"):
                    continue
                if isinstance(value, (Layer, list, tuple, dict)) and (new := changed_items(value)) is not value:
                    setattr(holder, name, new)

    def changed_items(value: Any) -> Any:
        if isinstance(value, list):
            value[:] = [changed_items(each) for each in value]
            return value
        if isinstance(value, tuple):
            return tuple(changed_items(each) for each in value)
        if isinstance(value, dict):
            for key in value:
                value[key] = changed_items(value[key])
            return value
        return replaced.setdefault(id(value), (value, changed(value)))[1] if isinstance(value, Layer) else value

    replaced: dict[int, tuple[Any, Any]] = {}       # a layer that is held twice stays one
    result: Layer = changed_items(made)
    return result
