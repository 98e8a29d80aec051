"""Collective calls that are checked: before the data, all ranks exchange a short header that says what they are about to do.

A header is 64 bytes: the name of the operation, a digest of what it is about, a number (how many examples, a loss) and a flag.
All ranks get all headers, so that all come to the same verdict: where they differ, each raises the same CollectiveError, which
names the ranks, and what differs in the first place. Nothing blocks on a collective that only some have entered.

What a header costs is one small allgather: some 7 us between two processes of a machine.
"""

from __future__ import annotations

import hashlib
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType
    from typing import Any

    from numpy.typing import NDArray

__all__ = ["NAP", "Channel", "CollectiveError", "digest_of", "place_of", "spelt_ranks"]

HEADER = np.dtype([("op", "S24"), ("digest", "<u8"), ("number", "<f8"), ("flag", "<i8"), ("spare", "<i8"), ("call", "<i8")])
_OP = 24        # bytes of an operation's name
END = "end of the program"
NAP = 1e-4      # seconds


class CollectiveError(RuntimeError):
    """Ranks that ought to do the same do not: the message names them, and what differs."""

    def __init__(self, *args: object) -> None:      # for `inspect`, which reads no signature of a built-in exception
        super().__init__(*args)


def digest_of(*parts: object) -> int:
    """64 bits that tell texts, numbers and arrays (by shape, dtype and bytes) apart."""
    state = hashlib.blake2b(digest_size=8)
    for part in parts:
        if isinstance(part, np.ndarray):
            state.update(f"{part.dtype.str}{part.shape}".encode())
            state.update(np.ascontiguousarray(part).data if part.size else b"")
        else:
            state.update(f"{part!r};".encode())
    return int.from_bytes(state.digest(), "little")


def _inside(frame: FrameType) -> bool:
    name = frame.f_globals.get("__name__", "")
    return name.partition(".")[0] in ("dezero_c", "mpi4py", "threading", "importlib", "runpy", "contextlib")


def place_of(frame: FrameType | None) -> str:
    """`train.py:30, in main`: the innermost place of the user's program."""
    last = frame
    while frame is not None and _inside(frame):
        frame = frame.f_back
    frame = frame or last
    if frame is None:
        return "an unknown place"
    where = frame.f_code.co_filename.replace("\\", "/").rpartition("/")[2]
    return f"{where}:{frame.f_lineno}" + ("" if frame.f_code.co_name == "<module>" else f", in {frame.f_code.co_name}")


def spelt_ranks(ranks: Sequence[int]) -> str:
    """`rank 3`, `ranks 0, 1 and 2`, `ranks 0, 1, 2 and 61 more`."""
    shown = [str(rank) for rank in ranks[:8]] + ([f"{len(ranks) - 8} more"] if len(ranks) > 8 else [])
    joined = shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + " and " + shown[-1]
    return f"rank{'s' * (len(ranks) > 1)} {joined}"


class Channel:
    """An MPI communicator of its own on which every call begins with a header.

    waiting: (operation, time.monotonic() of its begin) while a call is under way; calls: how many began.
    Both are read by the watchdog. closed: why there must be no call now, or None.
    """

    def __init__(self, mpi: Any, name: str) -> None:
        self.mpi, self.name = mpi, name
        self.rank: int = mpi.Get_rank()
        self.size: int = mpi.Get_size()
        self.calls = 0
        self.waiting: tuple[str, float] | None = None
        self.closed: str | None = None
        self._mine = np.zeros(1, HEADER)
        self._all = np.zeros(self.size, HEADER)
        self._out, self._in = self._mine.view(np.uint8), self._all.view(np.uint8)
        self._ops = self._in.reshape(self.size, -1)[:, :_OP]

    def meet(self, op: str, *, digest: int = 0, number: float = 0.0, flag: int = 0,
             details: Callable[[], Sequence[tuple[str, str]]] | None = None, differ: bool = False,
             advice: str = "", patient: Callable[[], bool] | None = None) -> NDArray[Any]:
        """Exchanges headers; gives those of all ranks, an array with the fields `digest`, `number` and `flag`.

        details: called where digests differ, (name, description) of each thing that the digest is about; differ: digests may
        differ; advice: what to do where they may not; patient: while it gives True, waiting for the others sleeps and does not
        spin, so that it takes no core from who computes.

        Raises CollectiveError on all ranks where operations or digests differ; at once, on this one, while the channel is closed.
        """
        if self.closed is not None:
            raise CollectiveError(f"{op} is called {self.closed}")
        self._mine[0] = (op.encode(), digest, number, flag, 0, self.calls)
        outermost = self.waiting is None
        if outermost:
            self.waiting = (op, time.monotonic())
        self.calls += 1
        try:
            if patient is None:
                self.mpi.Allgather(self._out, self._in)
            else:
                request = self.mpi.Iallgather(self._out, self._in)
                while not request.Test():
                    if not patient():
                        request.Wait()
                        break
                    time.sleep(NAP)
            found = self._all.copy()
            if (self._ops != self._ops[0]).any():
                self._told_apart(self.mpi.allgather((op, place_of(sys._getframe(1)))))
            if not differ and ((digests := found["digest"]) != digest).any():
                self._compared(op, digests, self.mpi.allgather(list(details()) if details else []), advice)
        finally:
            if outermost:
                self.waiting = None
        return found

    def _told_apart(self, all_ops: list[tuple[str, str]]) -> None:
        groups: dict[str, list[int]] = {}
        for rank, (name, _) in enumerate(all_ops):
            groups.setdefault(name, []).append(rank)
        said = "; ".join(f"{spelt_ranks(ranks)} {'is' if len(ranks) == 1 else 'are'} at the {name}" if name == END else
                         f"{spelt_ranks(ranks)} call{'s' if len(ranks) == 1 else ''} {name} ({all_ops[ranks[0]][1]})"
                         for name, ranks in sorted(groups.items(), key=lambda item: item[1]))
        if END in groups:
            mend = ("a rank ended while others go on: its loader gave fewer batches, or it left by sys.exit. Give all ranks the "
                    "same number of steps (mpi.DataLoader does, with empty batches where data ends)")
        else:
            mend = "all ranks must call the same collective operations in the same order; look for an `if comm.rank` around one"
        raise CollectiveError(f"{said}: {mend}")

    def _compared(self, op: str, digests: NDArray[Any], all_details: list[list[tuple[str, str]]], advice: str) -> None:
        """Names the first thing that differs, and between whom."""
        first = all_details[0]
        for rank in range(self.size):
            if digests[rank] == digests[0]:
                continue
            other = all_details[rank]
            for k in range(max(len(first), len(other))):
                left = first[k] if k < len(first) else None
                right = other[k] if k < len(other) else None
                if left != right:
                    shown = [("nothing" if each is None else f"{each[0]}: {each[1]}") for each in (left, right)]
                    raise CollectiveError(f"{op}: rank 0 has {shown[0]}; rank {rank} has {shown[1]}. "
                                          f"{advice or 'Give all ranks the same'}")
        apart = [rank for rank in range(self.size) if digests[rank] != digests[0]]
        raise CollectiveError(f"{op}: rank 0 and {spelt_ranks(apart)} pass different things. "
                              f"{advice or 'Give all ranks the same'}")

    def during(self, op: str) -> _During:
        """A block whose time counts as waiting in `op`, headers and data together."""
        return _During(self, op)


class _During:
    def __init__(self, channel: Channel, op: str) -> None:
        self.channel, self.op, self.outermost = channel, op, False

    def __enter__(self) -> None:
        if self.channel.waiting is None:
            self.outermost = True
            self.channel.waiting = (self.op, time.monotonic())

    def __exit__(self, *error: object) -> None:
        if self.outermost:
            self.channel.waiting = None
