"""Where the benchmark runs: which dezero_c is measured, on which machine, with which versions.

Owns the import of the package under test and the facts printed above the table; the peers import themselves
(`peers.py`).
"""

import importlib
import importlib.machinery
import importlib.util
import os
import platform
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


class NotInstalled(Exception):
    """dezero_c cannot be imported; the text says what to do."""


threads = 1  # of BLAS, of PyTorch and of dezero_c


def pin_threads(number=1):
    """One BLAS thread unless asked for more, so before NumPy is imported: two on two busy cores make a small product several
    times slower, at random.
    """
    global threads
    threads = number
    for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "DEZERO_C_NUM_THREADS"):
        os.environ[name] = str(number)


def leave_checkout(root=ROOT):
    """Take the checkout off `sys.path`, so that its uncompiled `dezero_c/` does not shadow the installed one.

    `python -m bench` puts the working directory there. The root goes back, at the end, only where nothing else is
    installed and the package in it does hold a compiled core: an in-place or editable build.
    """
    sys.path[:] = [entry for entry in sys.path if Path(entry or os.curdir).resolve() != root]
    importlib.invalidate_caches()
    if importlib.util.find_spec("dezero_c") is None and has_compiled_core(root / "dezero_c"):
        sys.path.append(str(root))


def has_compiled_core(package):
    return any((package / f"_core{suffix}").exists() for suffix in importlib.machinery.EXTENSION_SUFFIXES)


def load_dezero_c():
    """The package under test, its functions imported; NotInstalled with the mend in its text."""
    try:
        package = importlib.import_module("dezero_c")
        importlib.import_module("dezero_c.functions")
        importlib.import_module("dezero_c._core")
    except ImportError as error:
        raise NotInstalled(
            f"dezero_c cannot be imported by {sys.executable}: {error}.\n"
            "Install it into this interpreter first, from the checkout: python -m pip install ."
        ) from error
    return package


def describe_core(package):
    """Which compiled core is measured: its file, whether it is compiled at all, and what it says of its build."""
    core = package._core
    file = str(core.__file__)
    return {
        "file": file,
        "compiled": file.endswith(tuple(importlib.machinery.EXTENSION_SUFFIXES)),
        "build_info": dict(core.build_info()),
    }


def describe_machine():
    info = importlib.import_module("dezero_c._run.info")
    return {
        "cpu": info.processor(),
        "blas": info.blas_kernels(),
        "cpus": os.cpu_count(),
        "system": platform.platform(),
        "load": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
    }


def version(package):
    """The version of an installed distribution, or '' where it has none."""
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return ""
