"""Sums through memory that the ranks of one machine share: a slice of a part is written once, where the rank that adds it up
reads it, and a sum once, where the others read it; its own slice a rank takes from where it lies. So a rank writes twice the
bytes of its part in all. The order of additions is that of _sums.py, and so are the bits.

Waiting sleeps while the rank's main thread computes: on one machine who spins takes a core from who works.
"""

from __future__ import annotations

import mmap
import os
import tempfile
import time
from typing import TYPE_CHECKING

import numpy as np

from dezero_c.mpi._channel import NAP
from dezero_c.mpi._sums import add_up

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from numpy.typing import NDArray

    from dezero_c.mpi._sums import Wire

__all__ = ["SharedSum", "shared_sum"]

_FOLDER = "/dev/shm"        # files that are memory: Linux has it
_LINE = 64                  # bytes, of a cache
_BLOCK = 1 << 20            # bytes that are added up at a time: what is between two steps stays in the cache


def _mapped(mpi: Any, nbytes: int) -> mmap.mmap | None:
    """Memory that all ranks of `mpi` see, by all of them together; None where there is no such folder, or not the room. The
    file has no name any more when this returns, so that nothing is left behind whatever becomes of the ranks, as it is by the
    windows of an MPI (5.0 of MPICH)."""
    fd, path = -1, ""
    if mpi.Get_rank() == 0:
        try:
            fd, path = tempfile.mkstemp(prefix="dezero_c-", dir=_FOLDER)
            os.posix_fallocate(fd, 0, nbytes)   # or the first write to a page that is not there would be the end
        except (AttributeError, OSError):
            if path:
                os.close(fd)
                os.unlink(path)
            path = ""
    if not (shared := mpi.bcast(path)):
        return None
    try:
        if fd < 0:
            fd = os.open(shared, os.O_RDWR)
    except OSError:     # another user's, or a folder of another name space
        fd = -1
    seen = all(mpi.allgather(fd >= 0))
    if path:
        os.unlink(path)
    found = mmap.mmap(fd, nbytes) if seen else None
    if fd >= 0:
        os.close(fd)
    return found


class SharedSum:
    """The memory of one bucket: each rank's part, and each rank's slice of the sum."""

    def __init__(self, mpi: Any, wire: Wire, length: int, memory: mmap.mmap) -> None:
        self.mpi, self.wire = mpi, wire
        self.rank: int = mpi.Get_rank()
        size: int = mpi.Get_size()
        self.slice = length // size
        self.block = np.empty(max(1, min(self.slice, _BLOCK // wire.dtype.itemsize)), wire.dtype)
        each, mine = _rooms(wire, length, size)
        whole = np.frombuffer(memory, np.uint8)
        self.parts: list[NDArray[Any]] = []
        self.sums: list[NDArray[Any]] = []
        for r in range(size):
            begin = r * (each + mine)
            self.parts.append(whole[begin:begin + length * wire.dtype.itemsize].view(wire.dtype))
            begin += each
            self.sums.append(whole[begin:begin + self.slice * wire.dtype.itemsize].view(wire.dtype))

    @property
    def part(self) -> NDArray[Any]:
        """What this rank has to add; nobody reads it between a `total` and the next header."""
        return self.parts[self.rank]

    @property
    def others(self) -> list[tuple[int, int]]:
        """(begin, end) of what this rank has to put into `part`: all but its own slice. Of what is rounded to travel it is all,
        since a number may turn out to be too large, of which the header tells."""
        if self.wire.name is not None:
            return [(0, len(self.part))]
        begin = self.rank * self.slice
        return [(0, begin), (begin + self.slice, len(self.part))]

    def total(self, result: NDArray[Any], own: Callable[[int, int, NDArray[Any]], object], tree: bool,
              patient: Callable[[], bool]) -> None:
        """After a header that says that all parts are there: puts their sum into `result`. own(begin, end, out) puts these
        elements of this rank's part, which are not in `part`, into `out`."""
        k, first = self.slice, self.rank * self.slice
        for begin in range(first, first + k, len(self.block)):
            end = min(begin + len(self.block), first + k)
            parts, total = [part[begin:end] for part in self.parts], result[begin:end]
            if self.wire.name is not None:
                self.wire.packed_sum(add_up([self.wire.unpacked(part) for part in parts], tree), total)
            else:
                parts[self.rank] = self.block[:end - begin]
                own(begin, end, parts[self.rank])
                if tree:
                    np.copyto(total, add_up(parts, True))       # in the parts, whose slices nobody else reads
                else:
                    np.add(parts[0], parts[1], out=total)
                    for part in parts[2:]:
                        np.add(total, part, out=total)
            self.sums[self.rank][begin - first:end - first] = total
        self._meet(patient)
        for r, done in enumerate(self.sums):
            if r != self.rank:
                result[r * k:(r + 1) * k] = done

    def _meet(self, patient: Callable[[], bool]) -> None:
        request = self.mpi.Ibarrier()
        while not request.Test():
            if patient():
                time.sleep(NAP)


def _rooms(wire: Wire, length: int, size: int) -> tuple[int, int]:
    """Bytes of a part and of a slice, in whole lines of the cache."""
    def lines(number: int) -> int:
        return -(-number * wire.dtype.itemsize // _LINE) * _LINE

    return lines(length), lines(length // size)


def shared_sum(mpi: Any, wire: Wire, length: int) -> SharedSum | None:
    """Called by all ranks together, which are on one machine: memory for sums, or None where it cannot be had."""
    size: int = mpi.Get_size()
    memory = _mapped(mpi, size * sum(_rooms(wire, length, size)))
    return None if memory is None else SharedSum(mpi, wire, length, memory)
