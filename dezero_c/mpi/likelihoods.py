"""Sums over shards of data, with gradients: log-likelihoods for SciPy's optimizers and for Hamiltonian Monte Carlo."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dezero_c._core import Variable
from dezero_c.mpi._channel import CollectiveError, digest_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from dezero_c.mpi.communicator import Communicator

__all__ = ["SumOverShards", "value_and_grad"]


def value_and_grad(f: Callable[..., Any], comm: Communicator, data: Any = None, chunk: int = 65536) -> SumOverShards:
    """The function theta -> (sum over ranks of f(theta), its gradient), the same bits on every rank.

    f: gets a Variable of theta's shape, float64 (float32 where theta is), and gives a Variable of one number: the sum over
    this rank's shard of the data. A rank without data gives 0. See `SumOverShards` for how it is called.

    data: this rank's shard, an array or a tuple of arrays with as many rows (`mpi.shard` of a memory-mapped file). f(theta,
    *rows) is called for `chunk` rows at a time then, arrays of their own, and its results are added up in order: neither the
    shard nor its graph is in memory as a whole. Raises ValueError for a chunk below 1 and arrays of different lengths.
    """
    return SumOverShards(f, comm, data, chunk)


class SumOverShards:
    """What `value_and_grad` gives: fun(theta) -> (value, gradient), a float and an ndarray of theta's shape and dtype.

    All ranks call it together, with the same theta to the bit. A deterministic optimizer or sampler (SciPy's `minimize(fun, x0,
    jac=True)`, HMC with one seed) run on every rank does so by itself, since all get the same values back:

        fun = mpi.value_and_grad(negative_log_likelihood, comm)
        result = scipy.optimize.minimize(fun, x0, jac=True)

    Where a program must run once only, `drive` has rank 0 run it while the others follow. Raises CollectiveError where theta
    differs between ranks, which names rank and place; ValueError where f gives no single number.
    """

    def __init__(self, f: Callable[..., Any], comm: Communicator, data: Any = None, chunk: int = 65536) -> None:
        self.f, self.comm, self.chunk = f, comm, int(chunk)
        self.data: tuple[Any, ...] | None = None if data is None else data if isinstance(data, tuple) else (data,)
        if self.chunk < 1:
            raise ValueError(f"value_and_grad: chunk is {chunk}; it must be at least 1 row")
        if self.data is not None and len({len(a) for a in self.data}) != 1:
            raise ValueError(f"value_and_grad: the arrays of data have {[len(a) for a in self.data]} rows; they must be equally "
                             "long")
        self.calls = 0
        self._driven = False

    def _own(self, theta: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        """This rank's sum and its gradient."""
        if self.data is None:
            return self._part(theta)
        value, gradient = 0.0, np.zeros(theta.shape)
        for k in range(0, len(self.data[0]), self.chunk):
            # arrays, not views of the file: an operation may ask for memory of their size and no more
            v, g = self._part(theta, *[np.array(a[k:k + self.chunk]) for a in self.data])
            value += v
            gradient += g
        return value, gradient

    def _part(self, theta: NDArray[Any], *rows: NDArray[Any]) -> tuple[float, NDArray[Any]]:
        x = Variable(theta.copy())
        y = self.f(x, *rows)
        if not isinstance(y, Variable):
            y = Variable(np.asarray(y, theta.dtype))
        if y.data.size != 1:
            raise ValueError(f"value_and_grad: f gave a result of shape {y.shape}; it must be one number, the sum over this "
                             "rank's shard (F.sum)")
        if y.creator is not None:
            y.backward()
        g: Any = x.grad
        return float(y.data.reshape(())), np.zeros_like(theta) if g is None else np.broadcast_to(g.data, theta.shape)

    def __call__(self, theta: Any) -> tuple[float, NDArray[Any]]:
        theta = np.asarray(theta)
        if theta.dtype.kind != "f":
            theta = theta.astype(np.float64)
        comm = self.comm
        if self._driven:
            comm.bcast_obj(("call", theta))
        self.calls += 1
        main = comm._main
        if main is not None:
            everyone: list[Any] = []
            found = main.meet("value_and_grad", digest=digest_of(theta), differ=True)
            if (found["digest"] != found["digest"][0]).any():
                everyone = main.mpi.allgather(theta)
                self._differs(everyone)
        value, g = self._own(theta)
        if main is None:
            return value, np.array(g, theta.dtype)
        # one array of float64: the value travels with the gradient
        total = comm.allreduce(np.concatenate([[value], np.asarray(g, np.float64).reshape(-1)]))
        return float(total[0]), total[1:].reshape(theta.shape).astype(theta.dtype)

    @staticmethod
    def _differs(everyone: list[NDArray[Any]]) -> None:
        first = everyone[0]
        for rank, other in enumerate(everyone):
            if first.shape != other.shape or first.dtype != other.dtype:
                raise CollectiveError(f"value_and_grad: theta is of shape {first.shape}, {first.dtype} on rank 0, and of shape "
                                      f"{other.shape}, {other.dtype} on rank {rank}; all ranks must call it with the same")
            if first.tobytes() != other.tobytes():
                word = f"u{first.itemsize}"
                k = int(np.flatnonzero(first.reshape(-1).view(word) != other.reshape(-1).view(word))[0])
                raise CollectiveError(
                    f"value_and_grad: element {k} of theta is {first.reshape(-1)[k]!r} on rank 0 and {other.reshape(-1)[k]!r} on "
                    f"rank {rank}. All ranks must call it with the same theta: start them from the same numbers (comm.bcast), or "
                    "let rank 0 alone decide (fun.drive)")

    def drive(self, program: Callable[[SumOverShards], Any]) -> Any:
        """`program(fun)` on rank 0 alone, while the others compute their shards whenever it calls fun; all get its result.

        For optimizers and samplers that must not run on every rank, because they draw random numbers or write files. The
        result must be such that it can be pickled.
        """
        comm = self.comm
        if comm.size == 1:
            return program(self)
        if comm.rank == 0:
            self._driven = True
            try:
                result = program(self)
            finally:
                self._driven = False
            return comm.bcast_obj(("result", result))[1]
        while True:
            what, content = comm.bcast_obj(None)
            if what == "result":
                return content
            self(content)
