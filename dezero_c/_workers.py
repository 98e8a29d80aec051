"""Processes that make batches ahead: `Workers`. What a batch is, and in which order they come, is the loader's.

Each process has two pipes of its own, by which it is told the places of a batch and tells what it made; the numbers go through
shared memory. There are no locks and no queues in common: a process that dies in whatever state takes nothing with it. The
program names the memory beforehand, so that it can give all of it back, also what a process made that was killed midway.
"""

from __future__ import annotations

import contextlib
import math
import multiprocessing
import os
import pickle
import signal
import threading
import traceback
import weakref
from collections import deque
from multiprocessing import connection
from multiprocessing.reduction import ForkingPickler
from multiprocessing.shared_memory import SharedMemory
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

__all__ = ["METHODS", "Workers", "method_of"]

METHODS = tuple(multiprocessing.get_all_start_methods())
_WHY: dict[Any, str] = {"SIGKILL": ", perhaps for want of memory", "SIGBUS": ", perhaps since /dev/shm is full"}
_ORPHAN = 1.0       # seconds between a process's looks whether the program is still there


def method_of(asked: str | None) -> str:
    """How processes are started: as asked, or the platform's way; not by a fork while other threads run, whose locks a copy of
    the process would have for ever."""
    if asked is not None:
        return asked
    usual = multiprocessing.get_start_method(allow_none=True) or METHODS[0]     # asked without it, the program could set none
    return "spawn" if usual == "fork" and threading.active_count() > 1 else usual


# ---- in the processes


def _work(orders: Any, replies: Any, content: Any, name: str) -> None:
    """What a process does. content: the function that makes batches, pickled where the process has not inherited it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)      # the program ends it
    signal.signal(signal.SIGTERM, signal.SIG_DFL)     # and may have a handler, which is none of ours
    tasks: deque[Any] = deque()
    changed = threading.Condition()
    threading.Thread(target=_listen, args=(orders, tasks, changed), daemon=True).start()
    segments: dict[int, SharedMemory] = {}
    versions: dict[int, int] = {}
    try:
        make = pickle.loads(content) if isinstance(content, bytes) else content
    except BaseException as error:
        replies.send((None, None, _told(error)))
        return
    while True:
        with changed:
            while not tasks:
                changed.wait()
            number, slot, places = tasks.popleft()
        try:
            reply: Any = (_sent(make(places), segments, versions, slot, name), None)
        except BaseException as error:
            reply = None, _told(error)
        replies.send((number, *reply))


def _listen(orders: Any, tasks: deque[Any], changed: threading.Condition) -> None:
    """Takes tasks from the pipe at once, so that the program never waits to get rid of one; ends the process when the program is
    gone, of which a pipe that other processes have inherited may say nothing."""
    parent: Any = multiprocessing.parent_process()
    direct = parent.pid == os.getppid()
    try:
        while True:
            if orders.poll(_ORPHAN):
                task = orders.recv()
                with changed:
                    tasks.append(task)
                    changed.notify()
            elif not parent.is_alive() or (direct and os.getppid() != parent.pid):
                break
    except (EOFError, OSError):
        pass
    os._exit(0)


def _told(error: BaseException) -> tuple[bytes | None, str, str]:
    """An exception, as far as it can be sent, in short, and where it was raised."""
    text = "".join(traceback.format_exception(error))
    try:
        content = bytes(ForkingPickler.dumps(error)) if isinstance(error, Exception) else None
        if content is not None:
            pickle.loads(content)
    except Exception:
        content = None
    return content, f"{type(error).__name__}: {error}", text


def _sent(batch: Any, segments: dict[int, SharedMemory], versions: dict[int, int], slot: int, name: str) -> Any:
    """The batch's arrays in shared memory: (which one, [where and how each lies, or the array itself])."""
    needed = 0
    arrays: list[tuple[Any, int | None, Any]] = []
    for a in batch:
        if type(a) is np.ndarray and not a.dtype.hasobject and a.nbytes:
            strides = np.empty_like(a).strides        # those of a copy: in the same order, without gaps
            arrays.append((a, needed, strides))
            needed += math.ceil(a.nbytes / 64) * 64
        else:
            arrays.append((a, None, None))
    segment, version = segments.get(slot), versions.get(slot, 0)
    if needed and (segment is None or segment.size < needed):
        if segment is not None:
            del segments[slot]
            segment.close()
            segment.unlink()
        segment = SharedMemory(f"{name}_{slot}_{version + 1}", create=True, size=needed)
        version += 1
        segments[slot], versions[slot] = segment, version
    told = []
    for a, start, strides in arrays:
        if start is None:
            told.append(a)
            continue
        assert segment is not None
        np.ndarray(a.shape, a.dtype, segment.buf, start, strides)[...] = a
        told.append((a.shape, a.dtype, start, strides))
    return slot, version, told


# ---- in the program


class Workers:
    """The next batches of a loader, prepared by processes; `take` gives them in order, `stop` ends the processes.

    make: gives a batch, a tuple of arrays, for each of `places`; number: of processes; depth: how many batches are under way or
    wait at most; who: whom errors name. Processes end after the last batch, by `stop`, with the object, and with the program.
    """

    def __init__(self, make: Callable[[NDArray[Any]], Any], places: Iterator[NDArray[Any]], number: int, depth: int,
                 method: str, who: str) -> None:
        self._places, self._depth, self._method, self._who = enumerate(places), depth, method, who
        self._lock = threading.Lock()
        self._ready: dict[int, Any] = {}
        self._next, self._under_way, self._all_sent = 0, 0, False
        self._state = _State()
        weakref.finalize(self, self._state.close)
        content: Any = make
        if method != "fork":
            try:
                content = bytes(ForkingPickler.dumps(make))
            except Exception as error:
                raise TypeError(f"{who}: the data set cannot be sent to worker processes, which are started by {method!r} "
                                f"({type(error).__name__}: {error}); define its class and its transforms at the top of a module "
                                'and not as lambdas or in functions, or say start_method="fork" where no other threads '
                                "run") from error
        try:
            self._state.start(method, content, number)
        except BaseException:
            self._state.close()
            raise

    def take(self) -> Any:
        """The next batch. Raises what its making raised, with the process's traceback as a note, and RuntimeError for a process
        that has ended."""
        with self._lock:
            try:
                self._send()
                while self._next not in self._ready:
                    self._receive()
                    self._send()
                batch, told = self._ready.pop(self._next)
                self._next += 1
                self._send()
                if told is not None:
                    raise self._error(told)
                if self._all_sent and not self._under_way and not self._ready:
                    self._state.close()
            except BaseException:
                self._state.close()
                raise
        return batch

    def stop(self) -> None:
        """Ends the processes."""
        self._state.close()

    def _send(self) -> None:
        """Gives tasks to the processes that have the fewest."""
        while not self._all_sent and self._under_way + len(self._ready) < self._depth:
            number, places = next(self._places, (None, None))
            if number is None:
                self._all_sent = True
                return
            worker = min(self._state.workers, key=lambda each: len(each.tasks))
            slot = min(set(range(len(worker.tasks) + 1)) - set(worker.tasks.values()))
            try:
                worker.orders.send((number, slot, places))
            except OSError:     # it has ended; what it told before is read first
                self._receive_from(worker)
                raise self._ended(worker) from None
            worker.tasks[number] = slot
            self._under_way += 1

    def _receive(self) -> None:
        """Waits until some process has something to tell."""
        workers = self._state.workers
        if not workers:
            raise RuntimeError(f"{self._who}: the worker processes have been ended")
        found = connection.wait([each.replies for each in workers] + [each.process.sentinel for each in workers])
        for worker in workers:
            if worker.replies in found:
                self._receive_from(worker)
        for worker in workers:
            if worker.process.sentinel in found:
                while self._receive_from(worker):
                    pass
                if self._next not in self._ready:
                    raise self._ended(worker)

    def _receive_from(self, worker: _Worker) -> bool:
        """Reads what a process has told; whether there was anything."""
        try:
            if not worker.replies.poll(0):
                return False
            number, sent, told = worker.replies.recv()
        except (EOFError, OSError):
            if self._next not in self._ready:
                raise self._ended(worker) from None
            return False
        if number is None:      # it could not begin
            self._ready[self._next] = None, told
            return True
        del worker.tasks[number]
        self._under_way -= 1
        self._ready[number] = (None if sent is None else worker.read(sent)), told
        return True

    def _ended(self, worker: _Worker) -> RuntimeError:
        worker.process.join(5)
        code = worker.process.exitcode
        if code is not None and code < 0:
            with contextlib.suppress(ValueError):
                code = signal.Signals(-code).name
            how = f"was killed by {code}" + _WHY.get(code, "")
        else:
            how = f"ended with exit code {code}"
        hint = "" if self._method == "fork" else (
            '; where this comes at the start, put the program\'s work below `if __name__ == "__main__":`, since processes that '
            f"are started by {self._method!r} import the program")
        return RuntimeError(f"{self._who}: worker process {worker.process.pid} {how} before batch {self._next} was there{hint}")

    def _error(self, told: Any) -> BaseException:
        content, short, text = told
        error: BaseException
        try:
            error = RuntimeError(f"{self._who}: a worker process raised {short}") if content is None else pickle.loads(content)
        except Exception:
            error = RuntimeError(f"{self._who}: a worker process raised {short}")
        error.add_note(f"{self._who}: raised in a worker process:\n{text}")
        return error


class _Worker:
    """A process, the program's ends of its pipes, its tasks ({number of a batch: slot}), and the memory of its slots."""

    def __init__(self, process: Any, orders: Any, replies: Any, name: str) -> None:
        self.process, self.orders, self.replies, self.name = process, orders, replies, name
        self.tasks: dict[int, int] = {}
        self.segments: dict[int, tuple[int, SharedMemory | None]] = {}     # by slot: version

    def read(self, sent: Any) -> tuple[Any, ...]:
        """Copies of a batch's arrays."""
        slot, version, told = sent
        before, segment = self.segments.get(slot, (0, None))
        if version != before:
            if segment is not None:
                segment.close()
            segment = SharedMemory(f"{self.name}_{slot}_{version}")
            self.segments[slot] = version, segment
        batch = []
        for each in told:
            if isinstance(each, tuple):
                assert segment is not None
                shape, dtype, start, strides = each
                batch.append(np.ndarray(shape, dtype, segment.buf, start, strides).copy(order="K"))
            else:
                batch.append(each)
        return tuple(batch)

    def free(self) -> None:
        """Gives the memory back, once the process has ended."""
        for slot in {*self.segments, *self.tasks.values()}:
            version, segment = self.segments.get(slot, (0, None))
            if segment is not None:
                segment.close()
            for each in (version, version + 1):     # the process may have made one more than it has told
                if each:
                    _unlinked(f"{self.name}_{slot}_{each}")
        self.segments = {}


def _unlinked(name: str) -> None:
    try:
        segment = SharedMemory(name)
    except FileNotFoundError:
        return
    except (OSError, ValueError):       # it was killed before the memory had a size
        with contextlib.suppress(OSError):
            os.unlink(f"/dev/shm/{name}")
        return
    segment.close()
    with contextlib.suppress(FileNotFoundError):
        segment.unlink()


class _State:
    """The processes, apart from who uses them, so that they end with him."""

    def __init__(self) -> None:
        self.workers: list[_Worker] = []
        self.pid = os.getpid()
        self.lock = threading.RLock()

    def start(self, method: str, content: Any, number: int) -> None:
        context: Any = multiprocessing.get_context(method)
        if os.name == "posix":
            from multiprocessing import resource_tracker
            resource_tracker.ensure_running()       # before a fork, so that all have the same
        for k in range(number):
            name = f"dz{os.getpid():x}_{os.urandom(4).hex()}_{k}"
            taken, orders = context.Pipe(duplex=False)
            replies, given = context.Pipe(duplex=False)
            process = context.Process(target=_work, args=(taken, given, content, name), name=f"dezero_c worker {k}", daemon=True)
            try:
                with _without_interrupts():
                    process.start()
                    self.workers.append(_Worker(process, orders, replies, name))
            except (BrokenPipeError, EOFError) as error:
                raise RuntimeError(f"a worker process ended while it was started by {method!r}; put the program's work below "
                                   '`if __name__ == "__main__":`') from error
            finally:
                taken.close()
                given.close()

    def close(self) -> None:
        """Ends the processes, and gives memory and pipes back. In a copy of the program by fork it does nothing."""
        if os.getpid() != self.pid:
            return
        with self.lock:
            workers, self.workers = self.workers, []
            with _without_interrupts():
                for worker in workers:
                    worker.process.kill()       # it has nothing of its own that would want an end
                for worker in workers:
                    worker.process.join()
                    worker.orders.close()
                    worker.replies.close()
                    worker.free()
                    worker.process.close()


@contextlib.contextmanager
def _without_interrupts() -> Iterator[None]:
    """Ctrl-C waits; what is started within has it blocked, too."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
