"""Sums over ranks whose order is fixed, and what goes over the wire meanwhile.

Each rank gets every rank's part of one slice, adds the parts up in rank order, and hands the sum to all (an alltoall, then an
allgather: the bytes of a ring allreduce). So the sum does not depend on the algorithm that an MPI picks for a size, on who comes
first, nor on where ranks run. With virtual shards the parts are added as a binary tree, ((0 + 1) + (2 + 3)) + ..., whose inner
nodes a rank with several shards has added up before: the same bits for 1, 2, 4 and 8 ranks. Ranks of one machine take the same
sums through memory that they share (_shared.py).

Sixteen bits on the wire: each part is rounded once, added up in float32, and the sum is rounded once more. float16 has 11
significant bits and ends at 65,504; bfloat16 has 8 and the range of float32. The error of a sum of N parts is at most
(N + 1) units of the last of those bits of the largest part.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

__all__ = ["Wire", "add_up", "ordered_sum", "wire_of"]


class Wire:
    """How numbers travel: `name` (None: as they are), `dtype` of what travels, for arrays of `source`."""

    def __init__(self, name: str | None, source: np.dtype[Any]) -> None:
        self.name, self.source = name, source
        self.dtype = source if name is None else np.dtype(np.float16 if name == "float16" else np.uint16)
        self.sum_dtype = source if name is None else np.dtype(np.float32)

    def pack(self, x: NDArray[Any], scale: float, out: NDArray[Any]) -> None:
        """out (flat, `dtype`) becomes scale * x. Raises FloatingPointError where a finite number is too large for float16."""
        flat = x.reshape(-1)
        if self.name is None:
            if scale == 1.0:
                out[...] = flat
            else:
                np.multiply(flat, self.source.type(scale), out=out)
        elif self.name == "float16":
            with np.errstate(over="raise", invalid="ignore", under="ignore"):
                np.multiply(flat, self.source.type(scale), out=out, casting="same_kind")
        else:
            _to_bfloat16(np.multiply(flat, self.source.type(scale), dtype=self.source).astype(np.float32, copy=False), out)

    def unpacked(self, x: NDArray[Any]) -> NDArray[Any]:
        """What arrived, in `sum_dtype`: `x` itself where nothing is to be converted."""
        if self.name is None:
            return x
        return x.astype(np.float32) if self.name == "float16" else _from_bfloat16(x)

    def packed_sum(self, x: NDArray[Any], out: NDArray[Any]) -> None:
        """out (`dtype`) becomes the sum x (`sum_dtype`); beyond float16's range it is infinite, and told by who reads it."""
        if self.name == "bfloat16":
            _to_bfloat16(x, out)
        else:
            with np.errstate(over="ignore", under="ignore", invalid="ignore"):
                np.copyto(out, x, casting="same_kind")


def _to_bfloat16(x: NDArray[np.float32], out: NDArray[np.uint16]) -> None:
    """The upper half of each float32, rounded to nearest, ties to even; nan stays nan."""
    bits = x.view(np.uint32)
    rounded = bits + (np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1)))
    np.copyto(out, rounded >> np.uint32(16), casting="unsafe")
    if (bad := np.isnan(x)).any():
        out[bad] = 0x7FC0


def _from_bfloat16(x: NDArray[np.uint16]) -> NDArray[np.float32]:
    return (x.astype(np.uint32) << np.uint32(16)).view(np.float32)


def wire_of(dtype: Any) -> str | None:
    """The name of what `allreduce_grad_dtype` means: None, "float16", "bfloat16"; "float32" and "float64" are None for
    parameters that have them."""
    if dtype is None:
        return None
    name = dtype if isinstance(dtype, str) else np.dtype(dtype).name
    if name in ("float16", "bfloat16"):
        return name
    raise ValueError(f"create_communicator: allreduce_grad_dtype is {dtype!r}; it is None (gradients travel as they are), "
                     '"float16" or "bfloat16"')


def add_up(parts: Sequence[NDArray[Any]], tree: bool) -> NDArray[Any]:
    """The sum of the parts in order, or as a binary tree; in place, in the first of them."""
    left = list(parts)
    if not tree:
        for part in left[1:]:
            np.add(left[0], part, out=left[0])
        return left[0]
    while len(left) > 1:
        for k in range(0, len(left) - 1, 2):
            np.add(left[k], left[k + 1], out=left[k])
        left = left[::2]
    return left[0]


def ordered_sum(mpi: Any, wire: Wire, send: NDArray[Any], room: NDArray[Any], result: NDArray[Any], tree: bool) -> None:
    """Puts the sum over ranks of `send` into `result`; all are flat, of a length that the number of ranks divides, and of the
    wire's dtype. room is overwritten."""
    size: int = mpi.Get_size()
    k = len(send) // size
    mpi.Alltoall(send.view(np.uint8), room.view(np.uint8))
    parts = [wire.unpacked(room[r * k:(r + 1) * k]) for r in range(size)]
    total = add_up(parts, tree)
    if wire.name is None:
        mpi.Allgather(total.view(np.uint8), result.view(np.uint8))
    else:
        mine = room[:k]
        wire.packed_sum(total, mine)
        mpi.Allgather(mine.view(np.uint8), result.view(np.uint8))
