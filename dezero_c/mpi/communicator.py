"""The communicator: who takes part, collective calls for objects, arrays and models, and how a run ends.

Every collective call is checked by a header (`_channel`), so that ranks which do different things get an error that says so, and
none waits for ever. When a rank ends by an exception all end: its traceback is printed first, then MPI's Abort ends the others.
Without MPI, or as one process, there is one rank, and the same program runs.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import queue
import sys
import threading
import time
import traceback
from typing import TYPE_CHECKING

import numpy as np

from dezero_c.mpi import _launch
from dezero_c.mpi._channel import END, Channel, CollectiveError, digest_of, place_of
from dezero_c.mpi._models import described, named_parameters, persistent
from dezero_c.mpi._sums import Wire, ordered_sum, wire_of
from dezero_c.mpi._watchdog import Watchdog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType
    from typing import Any, NoReturn

    from numpy.typing import NDArray

    from dezero_c._core import Parameter

__all__ = ["CollectiveError", "Communicator", "LaunchError", "create_communicator"]

LaunchError = _launch.LaunchError
_SAME_MODEL = "All ranks must build the same model: the same layers with the same sizes and dtypes"
_living: list[Communicator] = []


def create_communicator(communicator_name: str = "pure", mpi_comm: Any = None, *, allreduce_grad_dtype: Any = None,
                        deterministic: bool = True, virtual_shards: int | None = None,
                        stall_timeout: float | None = None) -> Communicator:
    """A communicator of all processes that the launcher started; one of size 1 where there is no launcher or no MPI.

    communicator_name: ChainerMN's names are taken, and all mean this one communicator. mpi_comm: an `mpi4py.MPI.Comm` of some
    of the processes, in place of all. allreduce_grad_dtype: None, "float16" or "bfloat16", in which gradients travel.
    deterministic: sums in rank order, so that two runs agree to the bit; False leaves the order to MPI. virtual_shards: a power
    of two; each batch is computed in that many parts whose gradients are added as one fixed tree, so that runs on 1, 2, 4, …
    ranks up to that number agree to the bit. stall_timeout: seconds of waiting after which the missing rank is named on
    stderr, 60 unless DEZERO_C_MPI_STALL says otherwise.

    Raises LaunchError where a launcher started several processes of which MPI knows nothing; ValueError for arguments that
    are none of these, and virtual_shards that the ranks cannot share evenly.
    """
    if communicator_name not in ("pure", "naive", "flat", "hierarchical", "two_dimensional", "single_node", "pure_nccl",
                                 "non_cuda_aware", "dummy"):
        raise ValueError(f"create_communicator: {communicator_name!r} is no name of a communicator; leave it out")
    if stall_timeout is None:
        text = os.environ.get("DEZERO_C_MPI_STALL", "60")
        try:
            stall_timeout = float(text)
        except ValueError:
            raise ValueError(f"create_communicator: DEZERO_C_MPI_STALL={text!r} must be a number of seconds") from None
    library: Any = None
    world: Any = mpi_comm
    if mpi_comm is None and not _launch.alone_by_wish():
        library, why = _launch.load()
        if library is None:
            _launch.check(1, "", why, os.environ)
        else:
            world = library.COMM_WORLD
            version = library.Get_library_version().split("\n")[0].strip("\x00 ")
            _launch.check(world.Get_size(), version, "", os.environ)
    elif mpi_comm is not None:
        library, why = _launch.load()
        if library is None:
            raise LaunchError(f"create_communicator: {why}")
    if world is not None and world.Get_size() == 1:
        world = None
    return Communicator(world, library, wire_of(allreduce_grad_dtype), bool(deterministic), virtual_shards, stall_timeout)


def _work(jobs: queue.SimpleQueue[Any]) -> None:
    while (job := jobs.get()) is not None:
        f, args = job
        f(*args)
        del job, f, args        # gradients, which are free when nobody holds them


class _Closed:
    """Stands for the channel of a communicator that was closed."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError("this communicator was closed (comm.close(), or the end of the program); make another one")


class Communicator:
    """All ranks that compute together; `create_communicator` makes it.

    rank: this process's number, from 0; size: how many there are; intra_rank, intra_size: the same among the processes of this
    machine. traffic: {"calls", "bytes", "seconds"} of gradients so far, the bytes being those that this rank sent.
    """

    def __init__(self, world: Any, library: Any, wire: str | None, deterministic: bool, virtual_shards: int | None,
                 stall_timeout: float) -> None:
        self.wire, self.deterministic = wire, deterministic
        self.stall_timeout = stall_timeout
        self.traffic: dict[str, float] = {"calls": 0, "bytes": 0, "seconds": 0.0}
        self.rank: int = 0 if world is None else world.Get_rank()
        self.size: int = 1 if world is None else world.Get_size()
        self.intra_rank, self.intra_size = 0, 1
        self.virtual_shards = self._shards(virtual_shards)
        self.streams: dict[int, Any] = {}       # {virtual shard: state of its random numbers}
        self.base_seed: int | None = None
        self._main: Any = None      # a Channel; None: there is one rank
        self._gradients: Channel | None = None
        self._watchdog: Watchdog | None = None
        self._library = library
        self._optimizers = 0
        self._jobs: queue.SimpleQueue[Any] | None = None
        self._thread: threading.Thread | None = None
        self.threads = False        # whether a helper thread may talk to MPI
        if world is None:
            return
        self._main = Channel(world.Dup(), "main")
        self._gradients = Channel(world.Dup(), "gradients")
        self._world = world
        node = world.Split_type(library.COMM_TYPE_SHARED)
        self.intra_rank, self.intra_size = node.Get_rank(), node.Get_size()
        node.Free()
        said = (allreduce := wire or "as they are", deterministic, self.virtual_shards)
        self._main.meet("create_communicator", digest=digest_of(*said), details=lambda: [
            ("allreduce_grad_dtype", str(allreduce)), ("deterministic", str(deterministic)),
            ("virtual_shards", str(self.virtual_shards))], advice="Give all ranks the same arguments")
        self.threads = library.Query_thread() >= library.THREAD_MULTIPLE
        if self.threads and stall_timeout > 0:
            self._watchdog = Watchdog(world.Dup(), library, [self._main, self._gradients], stall_timeout)
        _living.append(self)
        _prepare_ends()

    def _shards(self, number: int | None) -> int | None:
        if number is None:
            return None
        if not isinstance(number, int) or number < 1 or number & (number - 1):
            raise ValueError(f"create_communicator: virtual_shards is {number!r}; it must be a power of two, such as 8")
        if number % self.size:
            raise ValueError(f"create_communicator: {number} virtual_shards cannot be shared evenly by {self.size} ranks; start "
                             f"{', '.join(str(1 << k) for k in range(number.bit_length()))} ranks, or choose another number")
        if self.wire is not None:
            raise ValueError(f"create_communicator: virtual_shards promise equal bits for any number of ranks, which {self.wire} "
                             "on the wire cannot keep; leave out one of them")
        if not self.deterministic:
            raise ValueError("create_communicator: virtual_shards want deterministic=True")
        return number

    def __repr__(self) -> str:
        return f"<Communicator: rank {self.rank} of {self.size}>"

    def __reduce__(self) -> Any:
        raise TypeError("a Communicator belongs to its processes, and cannot be copied or pickled")

    def _numbered(self) -> int:
        """The number of the next optimizer, by which its steps are told from others'."""
        self._optimizers += 1
        return self._optimizers

    def _helper(self, f: Callable[..., None], *args: Any) -> None:
        """Has the one helper thread call f(*args), after what it was given before."""
        if self._jobs is None:
            self._jobs = queue.SimpleQueue()
            self._thread = threading.Thread(target=_work, args=(self._jobs,), name="dezero_c.mpi gradients", daemon=True)
            self._thread.start()
        self._jobs.put((f, args))

    # ---- how a batch is divided

    def sizes(self, number: int) -> list[int]:
        """How many of `number` examples each virtual shard gets (each rank without those): parts in order whose sizes differ
        by 1 at most."""
        parts = self.virtual_shards or self.size
        return [number * (k + 1) // parts - number * k // parts for k in range(parts)]

    def shards_of(self, rank: int) -> range:
        """Which virtual shards (without those: ranks) are `rank`'s."""
        each = (self.virtual_shards or self.size) // self.size
        return range(rank * each, (rank + 1) * each)

    # ---- objects

    def barrier(self) -> None:
        """Waits for all ranks."""
        if self._main is not None:
            self._main.meet("barrier")

    def bcast_obj(self, obj: Any, root: int = 0) -> Any:
        """root's `obj` (anything that can be pickled) on all ranks."""
        if self._main is None:
            return obj
        self._rooted("bcast_obj", root)
        with self._main.during("bcast_obj"):
            return self._main.mpi.bcast(obj, root)

    def gather_obj(self, obj: Any, root: int = 0) -> list[Any] | None:
        """The list of all ranks' objects, in rank order, on root; None on the others."""
        if self._main is None:
            return [obj]
        self._rooted("gather_obj", root)
        with self._main.during("gather_obj"):
            found: list[Any] | None = self._main.mpi.gather(obj, root)
            return found

    def allgather_obj(self, obj: Any) -> list[Any]:
        """The list of all ranks' objects, in rank order, on all ranks."""
        if self._main is None:
            return [obj]
        self._main.meet("allgather_obj")
        with self._main.during("allgather_obj"):
            found: list[Any] = self._main.mpi.allgather(obj)
            return found

    def scatter_obj(self, objs: Sequence[Any] | None, root: int = 0) -> Any:
        """The rank-th of root's `objs`, of which there is one for each rank. Raises ValueError on all ranks otherwise."""
        right = self.rank != root or (objs is not None and len(objs) == self.size)
        if self._main is None:
            if not right or objs is None:
                raise ValueError("scatter_obj: root must give as many objects as there are ranks, 1")
            return objs[0]
        self._rooted("scatter_obj", root, flag=0 if right else 1)
        with self._main.during("scatter_obj"):
            return self._main.mpi.scatter(objs, root)

    def _rooted(self, op: str, root: int, flag: int = 0) -> None:
        assert self._main is not None
        if not 0 <= root < self.size:
            raise ValueError(f"{op}: root {root} is no rank; there are {self.size}, from 0 on")
        found = self._main.meet(op, digest=digest_of(root), flag=flag, details=lambda: [("root", str(root))])
        if found["flag"].any():
            raise ValueError(f"{op}: root, rank {root}, must give a list of {self.size} objects, one for each rank")

    def allreduce_obj(self, obj: Any) -> Any:
        """The sum, by `+` in rank order, of all ranks' objects, on all ranks."""
        first, *others = self.allgather_obj(obj)
        for other in others:
            first = first + other
        return first

    # ---- arrays

    def allreduce(self, x: Any) -> NDArray[Any]:
        """The sum over ranks, in rank order, of arrays of one shape and dtype; a new array. Raises CollectiveError where shapes
        or dtypes differ."""
        x = np.asarray(x)
        if self._main is None:
            return x.copy()
        self._main.meet("allreduce", digest=digest_of(x.shape, x.dtype.str),
                        details=lambda: [("an array", f"shape {x.shape}, {x.dtype}")])
        with self._main.during("allreduce"):
            return self._summed(self._main.mpi, x)

    def _summed(self, mpi: Any, x: NDArray[Any]) -> NDArray[Any]:
        wire = Wire(None, x.dtype)
        n = -(-max(x.size, 1) // self.size) * self.size
        send, room, result = np.zeros(n, x.dtype), np.empty(n, x.dtype), np.empty(n, x.dtype)
        send[:x.size] = x.reshape(-1)
        ordered_sum(mpi, wire, send, room, result, self.virtual_shards is not None)
        return result[:x.size].reshape(x.shape)

    def allgather(self, x: Any) -> list[NDArray[Any]]:
        """All ranks' arrays, in rank order; shapes and dtypes may differ."""
        return self.allgather_obj(np.asarray(x))

    def bcast(self, x: Any, root: int = 0) -> NDArray[Any]:
        """root's array on all ranks, whatever the others pass."""
        return np.asarray(self.bcast_obj(np.asarray(x) if self.rank == root else None, root))

    # ---- models

    def bcast_data(self, model: Any, root: int = 0) -> None:
        """All ranks' parameters become root's. A parameter without data (its layer has not seen an input) takes root's, and
        stays without where root has none.

        Raises CollectiveError, naming rank and parameter, where names, shapes or dtypes differ, or where root has no data for
        a parameter that another rank has.
        """
        named = named_parameters(model)
        if self._main is None:
            return
        self._rooted("bcast_data", root)
        self._agreed(named, "bcast_data", root)
        for _, p in named:
            if p.data is not None:
                data = np.ascontiguousarray(p.data)
                with self._main.during("bcast_data"):
                    self._main.mpi.Bcast(data.reshape(-1).view(np.uint8), root)
                if data is not p.data:
                    p.data = data

    def _agreed(self, named: Sequence[tuple[str, Parameter]], op: str, root: int | None = None) -> list[int]:
        """Compares names, shapes and dtypes of all ranks' parameters, and makes room where a rank's has none: of root, or of
        the lowest rank that has it. Gives the places of those that somebody had to take over, whose values are not set."""
        assert self._main is not None
        self._main.meet(op, digest=digest_of(*(name for name, _ in named)), details=lambda: described(named), advice=_SAME_MODEL)
        mine = [None if p.data is None else (p.data.shape, p.data.dtype.str) for _, p in named]
        with self._main.during(op):
            everyone = self._main.mpi.allgather(mine)
        taken = []
        for k, (name, p) in enumerate(named):
            owners = [rank for rank in range(self.size) if everyone[rank][k] is not None]
            if not owners:
                continue
            first = owners[0] if root is None else root
            if everyone[first][k] is None:
                raise CollectiveError(f"{op}: parameter {name} has no size on rank {first} yet, but shape "
                                      f"{everyone[owners[0]][k][0]} on rank {owners[0]}. Pass rank {first}'s model an input "
                                      "before, or leave all models without one")
            shape, dtype = everyone[first][k]
            for rank in owners:
                if everyone[rank][k] != (shape, dtype):
                    other = everyone[rank][k]
                    raise CollectiveError(
                        f"{op}: parameter {name} has shape {shape}, {np.dtype(dtype)} on rank {first}, and shape {other[0]}, "
                        f"{np.dtype(other[1])} on rank {rank}. {_SAME_MODEL}")
            if len(owners) < self.size:
                taken.append(k)
                if p.data is None:
                    p.data = np.zeros(shape, np.dtype(dtype))
        return taken

    def check_same(self, model: Any, op: str = "check_same") -> None:
        """Raises CollectiveError where a parameter's bits differ between ranks, naming the first and the rank."""
        named = named_parameters(model)
        if self._main is None:
            return
        digests = [(f"parameter {name}", 0 if p.data is None else digest_of(p.data)) for name, p in named]
        self._main.meet(op, digest=digest_of(*digests),
                        details=lambda: [(name, f"values of digest {d:x}") for name, d in digests],
                        advice="The models have come apart: something changed weights on one rank alone; bcast_data(model) makes "
                               "them rank 0's again")

    def allreduce_persistent(self, model: Any) -> None:
        """The running averages of each BatchNorm become their mean over ranks. `optimizer.update` does so in each step,
        weighted by examples; this is for models that are trained otherwise."""
        named_parameters(model)
        for p in persistent(model):
            if self.size > 1 and p.data is not None:
                p.data = (self.allreduce(p.data.astype(np.float64)) / self.size).astype(p.data.dtype)

    def multi_node_mean_grad(self, model: Any, examples: float = 1.0) -> None:
        """Each parameter's gradient becomes the mean over ranks, weighted by `examples`, this rank's number of them.

        A parameter without a gradient counts as zeros where another rank has one, and stays without where none has.
        Optimizers of `create_multi_node_optimizer` do this themselves.
        """
        from dezero_c.mpi._gradients import Reducer

        if self._main is None:
            return
        reducer = Reducer(self, 25.0)
        reducer.open(model, examples)
        reducer.finish()

    allreduce_grad = multi_node_mean_grad

    # ---- random numbers

    def seed(self, seed: int) -> None:
        """Seeds NumPy's global generator with a stream of this rank's own, and the streams of virtual shards, all from `seed`:
        no two ranks draw the same dropout masks."""
        self.base_seed = int(seed)
        self.streams.clear()
        np.random.seed(np.random.SeedSequence([int(seed), self.rank]).generate_state(8))

    def _based(self) -> int:
        """The number that streams of weights and of virtual shards start from: `seed`'s, or one made of the state of rank 0's
        global generator, which it leaves as it is."""
        if self.base_seed is None:
            state: Any = np.random.get_state()
            self.base_seed = int(self.bcast_obj(digest_of(state[1], state[2]) >> 1))
        return self.base_seed

    @contextlib.contextmanager
    def stream(self, shard: int) -> Iterator[None]:
        """A block in which NumPy's global generator is that of a virtual shard; it goes on where that shard's last block
        ended."""
        before = np.random.get_state()
        if shard in self.streams:
            np.random.set_state(self.streams[shard])
        else:
            np.random.seed(np.random.SeedSequence([self._based(), 1, shard]).generate_state(8))
        try:
            yield
        finally:
            self.streams[shard] = np.random.get_state()
            np.random.set_state(before)

    # ---- the end

    def close(self) -> None:
        """Ends the use of this communicator, on all ranks together; at the end of a program it happens by itself. Raises
        CollectiveError where another rank still calls something else."""
        if self._main is None or isinstance(self._main, _Closed):
            return
        try:
            self._main.meet(END)
        finally:
            if self._watchdog is not None:
                self._watchdog.stop()
            stuck = False
            if self._jobs is not None and self._thread is not None:     # MPI must not end while a thread is in one of its calls
                self._jobs.put(None)
                self._thread.join(3.0)
                stuck = self._thread.is_alive()
            self._main, self._watchdog = _Closed(), None
            if self in _living:
                _living.remove(self)
        if stuck:
            raise CollectiveError("end of the program: a rank has begun a step by backward(loss) and not finished it; call "
                                  "update() on all ranks")

    def abort(self, code: int = 1) -> None:
        """Ends all ranks at once."""
        sys.stdout.flush()
        sys.stderr.flush()
        if self.size > 1:
            time.sleep(0.1)     # for the launcher to pass on what was printed
            self._world.Abort(code)
        _exit(code)


# ---- how a program ends -------------------------------------------------------------------------------------------

_prepared = False
_mark: str | None = None
_exit = os._exit


def _prepare_ends() -> None:
    """Has an exception that nobody catches and os._exit end all ranks, and looks at the end whether all end together."""
    global _prepared, _mark
    if _prepared:
        return
    _prepared = True
    previous = sys.excepthook

    def ended_by(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        if not _living:
            previous(kind, error, trace)
            return
        comm = _living[0]
        if isinstance(error, CollectiveError) and comm.rank:
            time.sleep(1.0)     # all ranks raise it; rank 0's traceback is enough, and ends the others
        text = "".join(traceback.format_exception(kind, error, trace))
        sys.stdout.flush()
        sys.stderr.write(f"dezero_c.mpi: rank {comm.rank} of {comm.size} ended by an exception, and all ranks with it:\n{text}")
        comm.abort()

    sys.excepthook = ended_by
    process = os.getpid()

    @functools.wraps(_exit)
    def left(status: int) -> NoReturn:
        """os._exit: launchers wait for the other ranks where this one is on another machine, or its status is 0."""
        if _living and os.getpid() == process:      # and not a child that was forked
            comm, place = _living[0], place_of(sys._getframe(1))
            sys.stderr.write(f"dezero_c.mpi: rank {comm.rank} of {comm.size} left by os._exit({status}) ({place}) before the end "
                             "of the program, and all ranks with it; if that is meant, call comm.close() and MPI.Finalize() of "
                             "mpi4py on all ranks before\n")
            comm.abort(status or 1)
        _exit(status)

    os._exit = left
    folder = os.environ.get("DEZERO_C_MPI_RUN")
    if folder and os.path.isdir(folder):
        _mark = os.path.join(folder, str(_living[0].rank))
        with open(f"{_mark}.begun", "w", encoding="utf-8") as file:
            file.write("\n".join(_launch.left_behind()))
    atexit.register(_end)


def _end() -> None:
    for comm in list(reversed(_living)):
        try:
            comm.close()
        except BaseException as error:
            if comm.rank:
                time.sleep(1.0)
            sys.stderr.write(f"dezero_c.mpi: rank {comm.rank} of {comm.size}: {error}\n")
            comm.abort()
    if _mark:
        with contextlib.suppress(OSError):
            open(f"{_mark}.ended", "w").close()

