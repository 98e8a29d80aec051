"""`python -m dezero_c info`: what a bug report or a benchmark has to say about the installation.

Owns the page; the facts come from the compiled core (`build_info`), NumPy and the operating system. A fact that its
source does not give is an error if the source is ours, and is named as not stated if it is not.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from typing import TYPE_CHECKING

import numpy as np

import dezero_c
import dezero_c._core as _core

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

THREAD_VARIABLES = (
    "OPENBLAS_NUM_THREADS",
    "OMP_NUM_THREADS",
    "MKL_NUM_THREADS",
    "BLIS_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "DEZERO_C_NUM_THREADS",
)


def rows() -> list[tuple[str, str]]:
    """The page as (label, value) pairs, all strings."""
    build = _core.build_info()
    loops = build["numpy_loops"]
    return [
        ("dezero_c", dezero_c.__version__),
        ("package", os.path.dirname(os.path.abspath(dezero_c.__file__))),
        ("compiled core", _core.__file__),
        ("compiler", build["compiler"]),
        ("SIMD in use", build["simd"]),
        ("SIMD available", ", ".join(build["simd_available"]) or "none"),
        ("NumPy's inner loops", _names(loops, True)),
        ("through the ufunc", _names(loops, False)),
        ("Python", f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})"),
        ("NumPy", f"{np.__version__} ({os.path.dirname(np.__file__)})"),
        ("BLAS of NumPy", _blas() + (", which adds products to gradients" if build["blas_adds"] else "")),
        ("kernels of BLAS", blas_kernels()),
        ("processor", processor()),
        ("CPUs", _cpus()),
        ("threads", f"dezero_c={_core.get_num_threads()}, "
                    + ", ".join(f"{name}={os.environ.get(name, 'unset')}" for name in THREAD_VARIABLES)),
        ("platform", f"{platform.platform()}, {platform.machine()}"),
    ]


def _names(loops: Mapping[str, bool], direct: bool) -> str:
    names = sorted(name for name, is_direct in loops.items() if bool(is_direct) is direct)
    return f"{', '.join(names)} ({len(names)} of {len(loops)})" if names else f"none (of {len(loops)})"


def _blas() -> str:
    """Name, version and build of the BLAS that NumPy carries, which does the matrix products."""
    config: Any = np.show_config(mode="dicts")
    blas = config.get("Build Dependencies", {}).get("blas", {})
    parts = [blas.get(key) for key in ("name", "version", "openblas configuration")]
    return " ".join(part for part in parts if part and part != "unknown") or "not stated by NumPy"


# What OpenBLAS's function is called in NumPy's wheels, and in builds of others.
CORENAMES = ("scipy_openblas_get_corename64_", "scipy_openblas_get_corename", "openblas_get_corename64_", "openblas_get_corename")


def blas_kernels() -> str:
    """The processor whose kernels OpenBLAS chose when it was loaded. Its build, which NumPy names, is another thing."""
    linalg = sys.modules["numpy.linalg._umath_linalg"].__file__
    try:
        library = ctypes.CDLL(linalg)   # loaded already; its symbols and those of what it was linked with are found
    except (OSError, TypeError):
        return "not known: the library cannot be asked"
    for name in CORENAMES:
        function = getattr(library, name, None)
        if function is not None:
            function.restype = ctypes.c_char_p
            return str(function().decode())
    return "not known: this BLAS has no function that tells"


def processor() -> str:
    """The processor's name, with the family and model where the system tells: clouds call several generations by one name. On
    Linux `platform.processor()` is empty or only the architecture."""
    found: dict[str, str] = {}
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            for line in file:
                name, colon, value = line.partition(":")
                if not colon:       # the first one's end
                    break
                found[name.strip()] = value.strip()
    except OSError:
        pass
    if "model name" not in found:
        return platform.processor() or platform.machine()
    if "cpu family" in found and "model" in found:
        return f"{found['model name']} (family {found['cpu family']}, model {found['model']})"
    return found["model name"]


def _cpus() -> str:
    """How many there are, and how many this process may use where the system says so."""
    total = os.cpu_count() or "number not stated by the system"
    if not hasattr(os, "sched_getaffinity"):
        return str(total)
    return f"{total}, usable by this process: {len(os.sched_getaffinity(0))}"


def main() -> int:
    """Print the page; the exit status is 0."""
    page = rows()
    width = max(len(label) for label, _ in page)
    for label, value in page:
        print(f"{label:<{width}}  {value}")
    return 0
