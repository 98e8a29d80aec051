"""The extension modules of dezero_c. Everything else is in pyproject.toml.

The sources of elementwise operations are made from src/ops.toml first, so that a clean checkout and an sdist hold
none of them. DZ_DEBUG=1 builds without optimisation and with debug information; DZ_WERROR=1 makes compiler warnings
errors; DZ_ANNOTATE=1 writes Cython's annotated pages beside the sources.
"""

import os
import platform
import sys
from glob import glob
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))
from codegen import generate

generate()

DEBUG = os.environ.get("DZ_DEBUG") == "1"
X86 = platform.machine().lower() in ("x86_64", "amd64")
# DZ_MACHINE: the processor compiled for, where that is not this one (a cross build)
if os.environ.get("DZ_MACHINE"):
    X86 = os.environ["DZ_MACHINE"] in ("x86_64", "amd64")

macros = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION")]
if sys.platform == "win32":
    flags = ["/O2", "/fp:precise", "/wd4244", "/wd4267"]
else:
    # No contraction into fused multiply-adds: results must not differ from machine to machine. Traps and errno are not
    # used, and would keep loops with a condition from being vectorised.
    flags = ["-O0" if DEBUG else "-O3", "-g" if DEBUG else "-g0", "-ffp-contract=off", "-fno-math-errno",
             "-fno-trapping-math", "-fvisibility=hidden", "-Wall", "-Wextra", "-Wno-unused-function",
             "-Wno-unused-parameter", "-Wno-missing-field-initializers", "-Wno-cast-function-type", "-Wno-sign-compare"]
    if os.environ.get("DZ_WERROR") == "1":
        flags.append("-Werror")
    if X86:
        macros.append(("DZ_HAVE_AVX2", "1"))

FAMILIES = sorted(Path(path).stem for path in glob("src/dezero_c/*.pyx") if not path.endswith("_core.pyx"))
KERNELS = ["src/kernels/dz_core.c", "src/kernels/dz_large.c", "src/kernels/dz_ops_base.c", "src/kernels/dz_ops_avx2.c"]
HEADERS = [*glob("src/kernels/*.h"), *glob("src/dezero_c/*.h"), "src/kernels/generated/dz_ops.inc",
           "src/kernels/generated/dz_enum.h"]


def extension(name, extra=()):
    client = [] if extra else [("DZ_CLIENT", "1")]
    return Extension(f"dezero_c.{name}", [f"src/dezero_c/{name}.pyx", *extra], define_macros=macros + client,
                     include_dirs=["src/kernels", "src/dezero_c", numpy.get_include()], extra_compile_args=flags,
                     extra_link_args=[] if sys.platform == "win32" else ["-pthread"],
                     depends=HEADERS)



# Cython 3.3's helper for list comprehensions gives up the item when the list cannot grow, and so does its caller: with
# memory short the item would be freed under whoever owns it. tests/test_allocation_failure.py finds that.
TWICE = "int result = PyList_Append(list, x);\n    Py_DECREF(x);\n"
ONCE = "int result = PyList_Append(list, x);\n    if (!result) Py_DECREF(x);\n"


def mended(extensions):
    for source in {Path(path) for made in extensions for path in made.sources if path.startswith("build")}:
        text = source.read_text(encoding="utf-8")
        if TWICE in text:
            source.write_text(text.replace(TWICE, ONCE), encoding="utf-8")
    return extensions


setup(options={"build_ext": {"parallel": os.cpu_count()}}, ext_modules=mended(cythonize(
    [extension("_core", KERNELS), *map(extension, FAMILIES)],
    include_path=["src"], build_dir="build/cython", annotate=os.environ.get("DZ_ANNOTATE") == "1",
    compiler_directives={"initializedcheck": DEBUG, "cdivision": True})))
