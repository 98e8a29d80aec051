"""One process of `python -m dezero_c.mpi`: begins MPI, then runs the program as `python program.py` would. A process that ends
early ends the others, which MPI knows of by then. A script, and no part of the package: nothing but mpi4py is imported before
the program, whose first lines may set what others read at their import.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import runpy
import sys
import time
import traceback
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Any, NoReturn

__all__: list[str] = []


def _abort(mpi: Any, status: int) -> None:
    """Ends all processes, where there are others."""
    sys.stdout.flush()
    sys.stderr.flush()
    if mpi is not None and not mpi.Is_finalized() and mpi.COMM_WORLD.Get_size() > 1:
        time.sleep(0.3)     # for the launcher to pass on what was printed
        mpi.COMM_WORLD.Abort(status)


def _main(args: list[str]) -> None:
    mpi: Any = None
    with contextlib.suppress(ImportError, RuntimeError):        # create_communicator says what is missing
        mpi = importlib.import_module("mpi4py.MPI")

    def ended(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.stderr.write("".join(traceback.format_exception(kind, error, trace)))
        _abort(mpi, 1)

    sys.excepthook = ended
    process, leave = os.getpid(), os._exit

    def left(status: int) -> NoReturn:
        if os.getpid() == process:          # and not a child that was forked
            _abort(mpi, status or 1)
        leave(status)

    os._exit = left
    try:
        if args[0] == "-m":
            sys.argv[:] = args[1:]
            sys.path[0] = os.getcwd()
            runpy.run_module(args[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv[:] = args
            sys.path[0] = os.path.dirname(os.path.realpath(args[0]))
            runpy.run_path(args[0], run_name="__main__")
    except SystemExit as error:
        made = sys.modules.get("dezero_c.mpi.communicator")     # which looks after those that know of each other
        if error.code and not (made is not None and made._living):
            if not isinstance(error.code, int):
                print(error.code, file=sys.stderr)
            _abort(mpi, error.code if isinstance(error.code, int) else 1)
        raise


if __name__ == "__main__":
    _main(sys.argv[1:])
