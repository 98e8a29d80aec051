"""The launcher: `python -m dezero_c.mpi -n 2 train.py` starts two processes by the mpiexec of the MPI that mpi4py is bound to."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

USAGE = """\
usage: python -m dezero_c.mpi -n N [--hostfile FILE] [--mpiexec "OPTION ..."] script.py [args ...]
       python -m dezero_c.mpi -n N [...] -m module [args ...]
       python -m dezero_c.mpi --which       show the MPI that mpi4py is bound to, and its mpiexec

Starts N processes of a program that calls dezero_c.mpi.create_communicator(). --hostfile: machines, one a line; --mpiexec:
further options for mpiexec. OPENBLAS_NUM_THREADS and OMP_NUM_THREADS, where they are not set, become this machine's cores by the
processes of a machine.
"""
_VENDORS = {"MPICH": ("hydra", "mpich"), "Open MPI": ("open mpi", "openrte", "prte"), "Intel MPI": ("intel",),
            "Microsoft MPI": ("microsoft",), "MVAPICH": ("hydra", "mvapich")}
_RANK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "_rank.py")
_TAKEN = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MPI4PY_LIBMPI", "PYTHONPATH", "VIRTUAL_ENV")

_ASK = """
import mpi4py
mpi4py.rc.initialize = mpi4py.rc.finalize = False
from mpi4py import MPI
import os, sys
print(MPI.get_vendor()[0])
print(MPI.Get_library_version().split("\\n")[0].strip("\\0 "))
try:
    for line in open("/proc/self/maps"):
        name = line.split()[-1]
        if os.path.basename(name).startswith(("libmpi.", "libmpich.", "libmpi_")):
            print(name)
except OSError:
    pass
"""


class LauncherMissing(RuntimeError):
    """There is no mpi4py, no MPI, or no mpiexec that belongs to it."""


def _asked() -> tuple[str, str, list[str]]:
    """The MPI's vendor and version, and the files of its libraries, as another process finds them: this one must not begin
    MPI, or it would be a process of its own to the launcher."""
    done = subprocess.run([sys.executable, "-c", _ASK], capture_output=True, text=True, check=False)
    lines = done.stdout.splitlines()
    if done.returncode or len(lines) < 2:
        raise LauncherMissing('mpi4py and an MPI are needed to start several processes: pip install "dezero_c[mpi]"\n'
                              + done.stderr.strip().rpartition("\n")[2])
    return lines[0], lines[1], list(dict.fromkeys(lines[2:]))


def _candidates(libraries: Sequence[str]) -> Iterator[str]:
    named = os.environ.get("MPI4PY_LIBMPI")
    for library in [*([named] if named else []), *libraries]:
        folder = os.path.dirname(os.path.realpath(library))
        while folder != os.path.dirname(folder):        # <prefix>/lib/libmpi.so, <prefix>/lib/x86_64-linux-gnu/libmpi.so
            yield os.path.join(folder, "bin")
            folder = os.path.dirname(folder)
    yield os.path.dirname(sys.executable)
    yield os.path.join(sys.prefix, "Scripts" if os.name == "nt" else "bin")
    yield os.path.join(sys.prefix, "Library", "bin")
    yield from os.environ.get("PATH", "").split(os.pathsep)


def find_mpiexec() -> tuple[str, str]:
    """(the path of mpiexec, the MPI's version). Raises LauncherMissing where none of the MPI's kind is found."""
    vendor, version, libraries = _asked()
    marks = _VENDORS.get(vendor)
    seen, others = set(), []
    for folder in _candidates(libraries):
        for name in ("mpiexec", "mpiexec.hydra", "mpirun"):
            path = shutil.which(name, path=folder) if folder else None
            if path is None or path in seen:
                continue
            seen.add(path)
            for option in ("--version", "-help"):
                try:
                    done = subprocess.run([path, option], capture_output=True, text=True, check=False, timeout=30)
                except (OSError, subprocess.TimeoutExpired):
                    continue
                said = (done.stdout + done.stderr).lower()
                if marks is None or any(mark in said for mark in marks):
                    return path, version
            others.append(path)
    raise LauncherMissing(f"mpi4py is bound to {version}, and no mpiexec of {vendor} was found beside it or on PATH"
                          + (f" (of another kind: {', '.join(others)})" if others else "")
                          + '; pip install "dezero_c[mpi]" brings both; MPI4PY_LIBMPI=/path/to/libmpi.so binds mpi4py to another')


def _misused(message: str) -> int:
    print(f"dezero_c.mpi: {message}\n\n{USAGE}", end="", file=sys.stderr)
    return 2


def _machines(hostfile: str) -> int:
    """How many machines a hosts file names."""
    with open(hostfile, encoding="utf-8") as file:
        names = {line.split("#")[0].strip().partition(" ")[0].partition(":")[0] for line in file}
    return max(1, len(names - {""}))


def _marks(folder: str, kind: str) -> set[str]:
    """The ranks that have begun, or ended."""
    return {name.partition(".")[0] for name in os.listdir(folder) if name.endswith(f".{kind}")}


def _read(folder: str, rank: str) -> list[str]:
    """The files of shared memory that a rank's MPI has told of."""
    with open(os.path.join(folder, f"{rank}.begun"), encoding="utf-8") as file:
        return file.read().split("\n")


def _run(command: list[str], environ: dict[str, str]) -> int:
    """The exit status of a command, which is sent SIGTERM where this process is."""
    with subprocess.Popen(command, env=environ) as process:

        def ended(number: int, frame: FrameType | None) -> None:
            process.terminate()

        try:
            before = signal.signal(signal.SIGTERM, ended)
        except ValueError:          # not the main thread
            return process.wait()
        try:
            return process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)


def main(args: list[str]) -> int:
    """Run one command line (without the program's name); gives the exit status: the program's, or 1 where a process left
    without a word."""
    number, hostfile, options = None, None, ""
    rest = list(args)
    while rest:
        first = rest[0]
        if first in ("-h", "--help"):
            print(USAGE, end="")
            return 0
        if first == "--which":
            try:
                path, version = find_mpiexec()
            except LauncherMissing as error:
                print(f"dezero_c.mpi: {error}", file=sys.stderr)
                return 2
            print(f"{version}\n{path}")
            return 0
        if first in ("-n", "-np", "--hostfile", "--mpiexec"):
            if len(rest) < 2:
                return _misused(f"{first} needs a value")
            value = rest[1]
            if first == "--hostfile":
                hostfile = value
            elif first == "--mpiexec":
                options = value
            elif not value.isdecimal() or int(value) < 1:
                return _misused(f"-n wants a number of processes, not {value!r}")
            else:
                number = int(value)
            del rest[:2]
            continue
        break
    if not rest:
        return _misused("nothing to run")
    if rest[0].startswith("-") and rest[0] != "-m":
        return _misused(f"unknown option {rest[0]}")
    if number is None:
        return _misused("-n N says how many processes")
    try:
        mpiexec, version = find_mpiexec()
    except LauncherMissing as error:
        print(f"dezero_c.mpi: {error}", file=sys.stderr)
        return 2
    environ = dict(os.environ)
    try:
        each = -(-number // _machines(hostfile)) if hostfile else number
    except OSError as error:
        return _misused(f"--hostfile: {error}")
    share = str(max(1, (os.cpu_count() or 1) // each))
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS"):
        environ.setdefault(name, share)
    command = [mpiexec]
    if hostfile:
        command += ["-f" if "hydra" in os.path.realpath(mpiexec) else "--hostfile", hostfile]
        if version.startswith("Open MPI"):        # which takes nothing but its own along to other machines
            command += [part for name in environ if name in _TAKEN or name.startswith("DEZERO_C_") for part in ("-x", name)]
    command += [*options.split(), "-n", str(number), sys.executable, _RANK, *rest]
    with tempfile.TemporaryDirectory(prefix="dezero_c_mpi_") as folder:
        if not hostfile:        # a process that leaves by the C library's _exit(0) looks like one that is done
            environ["DEZERO_C_MPI_RUN"] = folder
        try:
            status = _run(command, environ)
        except KeyboardInterrupt:
            status = 130
        begun, ended = _marks(folder, "begun"), _marks(folder, "ended")
        for path in {path for rank in begun for path in _read(folder, rank)}:
            with contextlib.suppress(OSError):      # it is gone where MPI has ended as it should
                os.unlink(path)
    if status == 0 and begun - ended:
        print(f"dezero_c.mpi: of the ranks {', '.join(sorted(begun - ended, key=int))}, which were stopped, one left before the "
              "end of the program without a word (_exit of the C library?)", file=sys.stderr)
        return 1
    return status if 0 <= status < 256 else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
