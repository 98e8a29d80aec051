"""Starting programs on several ranks, for the tests of dezero_c.mpi: each program is a process group of its own by the mpiexec of
the MPI that mpi4py is bound to. Where mpi4py or an mpiexec is missing, the tests that ask for ranks are skipped.
"""

import functools
import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

import dezero_c

PACKAGE = Path(dezero_c.__path__[0]).parent


@functools.cache
def mpiexec():
    """(path or None, why there is none)"""
    from dezero_c.mpi.__main__ import LauncherMissing, find_mpiexec

    try:
        return find_mpiexec()[0], ""
    except LauncherMissing as error:
        return None, str(error).replace("\n", " ")


def environment(**more):
    path = os.pathsep.join(filter(None, (str(PACKAGE), os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", **more}


class Ended:
    """What became of a run: its exit status, what it printed, and how many seconds it took."""

    def __init__(self, done, seconds):
        self.status, self.out, self.err, self.seconds = done.returncode, done.stdout, done.stderr, seconds


HEAD = """
import os, sys, time
import numpy as np
import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Model, Parameter, Variable, mpi, optimizers
from dezero_c.models import MLP
"""


def run(n, program, *arguments, folder, timeout=60, by_launcher=False, environ=None):
    """Runs a program on n ranks in `folder`."""
    path, why = mpiexec()
    if path is None:
        pytest.skip(why)
    script = Path(folder) / "program.py"
    script.write_text(HEAD + textwrap.dedent(program), encoding="utf-8")
    command = [sys.executable, "-m", "dezero_c.mpi"] if by_launcher else [path]
    command += ["-n", str(n), *([] if by_launcher else [sys.executable]), str(script), *map(str, arguments)]
    begin = time.monotonic()
    done = subprocess.run(command, cwd=folder, env=environment(**(environ or {})), capture_output=True, text=True,
                          encoding="utf-8", timeout=timeout, check=False)
    return Ended(done, time.monotonic() - begin)


def passed(n, program, *arguments, folder, **how):
    """The same for a program that must end well; gives what it printed."""
    ended = run(n, program, *arguments, folder=folder, **how)
    assert ended.status == 0, ended.out + ended.err
    return ended.out


def failed(n, program, *arguments, folder, **how):
    """The same for a program that must end badly, within ten seconds; gives what it said."""
    ended = run(n, program, *arguments, folder=folder, **how)
    assert ended.status != 0, ended.out + ended.err
    assert ended.seconds < 10, (ended.seconds, ended.out + ended.err)
    assert "past" not in ended.out.split(), ended.out
    return ended.out + ended.err
