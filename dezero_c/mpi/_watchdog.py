"""Who keeps the others waiting: a thread in each process that tells when a collective call has waited too long, and for whom.

A blocking call of MPI does not say who is missing. So a rank that has waited longer than `limit` seconds reports it to rank 0,
whose thread asks all ranks where they are; their threads answer even while their programs compute or sleep. Rank 0 then
prints one message: who waits where, who is missing, and at which line of its program that one is. A rank whose thread does not
answer is named as well. Nothing is ended by this: a long evaluation on one rank is no error.
"""

from __future__ import annotations

import sys
import threading
import time
from typing import TYPE_CHECKING

from dezero_c.mpi._channel import END, place_of, spelt_ranks

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from dezero_c.mpi._channel import Channel

__all__ = ["Watchdog"]

_STALLED, _QUESTION, _ANSWER = 1, 2, 3
_PATIENCE = 1.5     # seconds that answers may take


class Watchdog:
    """limit: seconds of waiting after which it is told, first once, then whenever the time has doubled."""

    def __init__(self, mpi: Any, library: Any, channels: Sequence[Channel], limit: float) -> None:
        self.mpi, self.library, self.channels, self.limit = mpi, library, channels, limit
        self.rank: int = mpi.Get_rank()
        self.size: int = mpi.Get_size()
        self.interval = min(0.5, limit / 5)
        self.over = threading.Event()
        self.sent: list[Any] = []
        self.next_report = limit
        self.reported_begin = 0.0
        self.asked_at = self.told_at = 0.0
        self.answers: dict[int, dict[str, Any]] = {}
        self.main = threading.main_thread().ident
        self.thread = threading.Thread(target=self._work, name="dezero_c.mpi watchdog", daemon=True)
        self.thread.start()

    def stop(self) -> None:
        self.over.set()
        self.thread.join(5.0)

    def _waiting(self) -> tuple[str, float] | None:
        """The call that has waited longest."""
        found = [w for channel in self.channels if (w := channel.waiting) is not None and w[0] != END]
        return min(found, key=lambda w: w[1]) if found else None

    def _state(self) -> dict[str, Any]:
        waiting = self._waiting()
        ended = any((w := channel.waiting) is not None and w[0] == END for channel in self.channels)
        frame = sys._current_frames().get(self.main or 0)
        place = place_of(frame)
        return {"rank": self.rank, "waits": None if waiting is None else (waiting[0], time.monotonic() - waiting[1], place),
                "calls": self.channels[0].calls, "place": END if ended else place}

    def _send(self, content: Any, to: int, tag: int) -> None:
        self.sent = [request for request in self.sent if not request.Test()]
        self.sent.append(self.mpi.isend(content, to, tag))

    def _work(self) -> None:
        status = self.library.Status()
        while not self.over.wait(self.interval):
            while self.mpi.iprobe(self.library.ANY_SOURCE, self.library.ANY_TAG, status):
                source, tag = status.Get_source(), status.Get_tag()
                content = self.mpi.recv(source=source, tag=tag)
                if tag == _STALLED:
                    self._ask()
                elif tag == _QUESTION:
                    self.told_at = 0.0
                    self._send(self._state(), 0, _ANSWER)
                else:
                    self.answers[source] = content
            self._look()
            if self.asked_at and (len(self.answers) == self.size - 1 or time.monotonic() - self.asked_at > _PATIENCE):
                self._tell()
            if self.told_at and time.monotonic() - self.told_at > 2 * _PATIENCE + 1:    # rank 0's thread does not ask
                self.told_at = 0.0
                self._say("rank 0 does not answer")

    def _look(self) -> None:
        waiting = self._waiting()
        if waiting is None:
            return
        if waiting[1] != self.reported_begin:
            self.reported_begin, self.next_report = waiting[1], self.limit
        if time.monotonic() - waiting[1] >= self.next_report:
            self.next_report *= 2
            if self.rank == 0:
                self._ask()
            else:
                self.told_at = time.monotonic()
                self._send(None, 0, _STALLED)

    def _ask(self) -> None:
        if not self.asked_at:
            self.asked_at = time.monotonic()
            self.answers = {}
            for rank in range(1, self.size):
                self._send(None, rank, _QUESTION)

    def _tell(self) -> None:
        states = {0: self._state(), **self.answers}
        self.asked_at = 0.0
        waits = {rank: state["waits"] for rank, state in states.items() if state["waits"] is not None}
        if not waits:
            return      # it went on meanwhile
        calls = max(states[rank]["calls"] for rank in waits)
        self.next_report = max(self.next_report, 2 * self.limit)
        missing = [rank for rank in states if rank not in waits or states[rank]["calls"] < calls]
        silent = [rank for rank in range(self.size) if rank not in states]
        longest = max(wait[1] for wait in waits.values())
        if not missing and not silent and longest < self.limit:
            return
        there = [rank for rank in waits if rank not in missing]
        op, _, place = waits[there[0]]
        parts = [f"{spelt_ranks(there)} {'wait' if len(there) > 1 else 'waits'} in {op} ({place})"]
        parts += [f"rank {rank} is missing: it is at {'the ' if states[rank]['place'] == END else ''}{states[rank]['place']}"
                  for rank in missing[:8]]
        if silent:
            parts.append(f"{spelt_ranks(silent)} {'do' if len(silent) > 1 else 'does'} not answer (stopped, or in code that lets "
                         "no other thread run)")
        self._say(f"no progress for {longest:.0f} s: " + "; ".join(parts))

    def _say(self, text: str) -> None:
        print(f"dezero_c.mpi: {text}", file=sys.stderr, flush=True)
