"""How this process was started: by which launcher, one of how many, and whether the MPI that mpi4py is bound to agrees.

mpi4py is imported here and nowhere else, when a communicator is made. A launcher of another MPI than mpi4py's starts N
processes that each believe to be alone; that is noticed by what launchers leave in the environment.
"""

from __future__ import annotations

import os
import re
import sys
import threading
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from types import TracebackType
    from typing import Any

__all__ = ["ALONE", "LaunchError", "check", "claimed", "end_early", "left_behind", "load"]

ALONE = "DEZERO_C_MPI_ALONE"    # set to 1: one process alone is meant, whatever a launcher has left in the environment

_SIZES = {
    "PMI_SIZE": "mpiexec of MPICH or Intel MPI", "OMPI_COMM_WORLD_SIZE": "mpiexec of Open MPI",
    "MV2_COMM_WORLD_SIZE": "mpiexec of MVAPICH", "SLURM_STEP_NUM_TASKS": "srun of Slurm",
}
_RANKS = {"PMI_RANK": "a launcher that speaks PMI", "PMIX_RANK": "a launcher that speaks PMIx",
          "OMPI_COMM_WORLD_RANK": "mpiexec of Open MPI"}
_NO_STEP = 0xFFFFFFF0           # from here on Slurm's numbers mean the batch script and shells, which srun has not started


class LaunchError(RuntimeError):
    """The launcher started more processes than MPI knows of, or MPI is not there for them."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)


def _number(text: str | None) -> int:
    try:
        return int(text or "")
    except ValueError:
        return -1


def claimed(environ: Mapping[str, str]) -> tuple[int, str] | None:
    """(the number of processes that a launcher says it started, how it says so); None where there was no launcher.

    `SLURM_NTASKS` alone is what a job was given and not what was started, so that it counts only in a step of srun's.
    """
    step = _number(environ.get("SLURM_STEP_ID"))
    for name, launcher in {**_SIZES, "SLURM_NTASKS": "srun of Slurm"}.items():
        if name.startswith("SLURM") and not 0 <= step < _NO_STEP:
            continue
        if (number := _number(environ.get(name))) > 0:
            return number, f"{launcher} ({name}={number})"
    for name, launcher in _RANKS.items():
        if (rank := _number(environ.get(name))) >= 0:
            return rank + 1, f"{launcher} ({name}={rank})"
    return None


def load() -> tuple[Any, str]:
    """(mpi4py's MPI, initialized; "") or (None, why there is none)."""
    try:
        from mpi4py import MPI
    except ImportError as error:
        if getattr(error, "name", None) in ("mpi4py", None) and "libmpi" not in str(error):
            return None, 'mpi4py is not installed: pip install "dezero_c[mpi]", or pip install mpi4py beside a site\'s own MPI'
        return None, f"mpi4py cannot load an MPI ({error})"
    except RuntimeError as error:
        return None, (f"mpi4py finds no MPI library ({error}): pip install \"dezero_c[mpi]\" brings one, or name the site's with "
                      "MPI4PY_LIBMPI=/path/to/libmpi.so")
    if MPI.Is_finalized():
        raise LaunchError("create_communicator: MPI was finalized in this process already; make communicators before")
    if not MPI.Is_initialized():        # mpi4py.rc.initialize = False
        MPI.Init_thread()
    return MPI, ""


def check(size: int, library: str, why: str, environ: Mapping[str, str]) -> None:
    """Raises LaunchError where a launcher claims more processes than the `size` that MPI, or its absence, gives.

    library: what the MPI calls itself; why: why there is none.
    """
    found = claimed(environ)
    if found is None or found[0] <= 1 or size > 1 or environ.get(ALONE) == "1":
        return
    number, how = found
    if why:
        raise LaunchError(f"this process is one of {number} by {how}, but there is no MPI that connects them: {why}. Without it "
                          f"each would compute everything by itself. If that is meant, set {ALONE}=1")
    raise LaunchError(
        f"this process is one of {number} by {how}, but the MPI that mpi4py is bound to ({library}) knows of one process only: "
        "the launcher belongs to another MPI, and each process would compute everything by itself. Start with `python -m "
        f"dezero_c.mpi -n {number} script.py`, which takes the right launcher; or bind mpi4py to the launcher's MPI by "
        f"MPI4PY_LIBMPI=/path/to/libmpi.so; or, if one process alone is meant, set {ALONE}=1")


def alone_by_wish() -> bool:
    """Whether the user said that this process is to be alone."""
    return os.environ.get(ALONE) == "1"


_PATIENCE = 10.0        # seconds that an ended process waits for the others to begin MPI


def end_early() -> None:
    """Has an exception that nobody catches end all processes of a launcher's, before there is a communicator too: the others
    wait in MPI's begin for this one, which joins them there and aborts."""
    found = claimed(os.environ)
    if found is None or found[0] <= 1 or alone_by_wish():
        return
    previous = sys.excepthook

    def ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        previous(kind, error, trace)
        if issubclass(kind, LaunchError):
            return
        sys.stdout.flush()
        sys.stderr.flush()
        timer = threading.Timer(_PATIENCE, os._exit, (1,))
        timer.daemon = True
        timer.start()
        try:
            mpi, _ = load()
            if mpi is not None and mpi.COMM_WORLD.Get_size() > 1:
                time.sleep(0.3)         # for the launcher to pass on what was printed
                mpi.COMM_WORLD.Abort(1)
        except LaunchError:         # MPI has ended already
            pass
        timer.cancel()

    sys.excepthook = ended


def left_behind() -> list[str]:
    """The files of shared memory that this process's MPI removes at its end, and not when a rank is killed: MPICH's."""
    try:
        with open("/proc/self/maps", encoding="utf-8", errors="replace") as file:
            mapped = {line.rstrip("\n").partition("/")[2] for line in file}
    except OSError:
        return []
    return sorted(f"/{path}" for path in mapped if re.fullmatch(r"dev/shm/mpich_shm_\w+", path))
