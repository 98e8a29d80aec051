"""The extension modules of dezero_c. Everything else is in pyproject.toml.

The sources of elementwise operations are made from src/ops.toml first (src/codegen), so that a clean checkout and an sdist hold
none of them; compiler flags are in src/build_commands.py. DZ_DEBUG=1 builds without optimisation and with debug
information; DZ_WERROR=1 makes compiler warnings errors; DZ_ANNOTATE=1 writes Cython's annotated pages beside the sources.
"""

import os
import re
import sys
from glob import glob
from pathlib import Path

import numpy
from Cython.Build import cythonize
from setuptools import Extension, setup

sys.path.insert(0, str(Path(__file__).resolve().parent / "src"))
import cold
from build_commands import DEBUG, BuildExt, Sdist
from codegen import generate, levels

generate()

macros = [("NPY_NO_DEPRECATED_API", "NPY_2_0_API_VERSION"), ("NPY_TARGET_VERSION", "NPY_2_0_API_VERSION")]
FAMILIES = sorted(Path(path).stem for path in glob("src/dezero_c/*.pyx") if not path.endswith("_core.pyx"))
KERNELS = [*sorted(glob("src/kernels/core/*.c") + glob("src/kernels/math/*.c")), *levels.sources(levels.load())]
FOLDERS = [Path("src/kernels"), Path("src/dezero_c"), Path(".")]
# A family's header names its body in a macro, which core/levels.h includes.
INCLUDED = re.compile(r'^\s*(?:#?\s*include|cdef extern from|#define DZ_(?:BODY|EACH))\s+"([^"]+)"', re.MULTILINE)


def headers(sources):
    """The files of ours that `sources` include, at whatever depth: what a module is compiled again for. (Cython sees to .pxd
    files.)"""
    found, todo = set(), [Path(source) for source in sources]
    while todo:
        path = todo.pop()
        for name in INCLUDED.findall(path.read_text(encoding="utf-8")):
            for folder in (path.parent, *FOLDERS):
                if (header := Path(os.path.normpath(folder / name))) not in found and header.is_file():
                    found.add(header)
                    todo.append(header)
    return sorted(map(str, found))


# An sdist and metadata want the list of extensions, not their C.
TO_COMPILE = not {"sdist", "egg_info", "dist_info", "clean"}.intersection(sys.argv)


LIBRARIES = {"win32": [], "darwin": ["-pthread"]}.get(sys.platform, ["-pthread", "-ldl"])


def extension(name, extra=()):
    client = [] if extra else [("DZ_CLIENT", "1")]
    sources = [f"src/dezero_c/{name}.pyx", *extra]
    declarations = [path for path in (f"src/dezero_c/{name}.pxd", "src/dezero_c/_core.pxd") if Path(path).exists()]
    return Extension(f"dezero_c.{name}", sources, define_macros=macros + client,
                     # Not src/dezero_c: macOS has a <_types.h> too. Cython puts our headers beside its C.
                     include_dirs=["src/kernels", numpy.get_include()], depends=headers(sources + declarations),
                     extra_link_args=LIBRARIES)


# Cython 3.3's helper for list comprehensions gives up the item when the list cannot grow, and so does its caller: with
# memory short the item would be freed under whoever owns it. tests/test_allocation_failure.py finds that.
TWICE = "int result = PyList_Append(list, x);\n    Py_DECREF(x);\n"
ONCE = "int result = PyList_Append(list, x);\n    if (!result) Py_DECREF(x);\n"


def mended(extensions):
    """The extensions, with Cython's C as it should be: that helper mended, and functions marked that are compiled for size."""
    small = cold.load()
    for source in {Path(path) for made in extensions for path in made.sources if path.startswith("build")}:
        text = source.read_text(encoding="utf-8")
        if cold.ATTRIBUTE in text[:1000]:       # done before
            continue
        names = {name for name in small if name.startswith(f"{source.stem}.")}
        if unknown := names - cold.names_in(text):
            raise SystemExit(f"src/cold.txt names functions that {source.stem} has not: {', '.join(sorted(unknown))}; take these "
                             "lines out, or run tools/cold_functions.py")
        if names or TWICE in text:
            source.write_text(cold.marked(text.replace(TWICE, ONCE), names), encoding="utf-8")
        elif "__Pyx_ListComp_AppendAndDecref" in text and ONCE not in text:
            raise SystemExit(f"{source}: Cython's __Pyx_ListComp_AppendAndDecref is another than setup.py mends; look whether it "
                             "gives the item up twice when PyList_Append fails, and change TWICE and ONCE")
    return extensions


extensions = [extension("_core", KERNELS), *map(extension, FAMILIES)]
setup(options={"build_ext": {"parallel": int(os.environ.get("DZ_JOBS") or os.cpu_count())}},
      cmdclass={"build_ext": BuildExt, "sdist": Sdist},
      ext_modules=mended(cythonize(
          extensions, include_path=["src"], build_dir="build/cython", annotate=os.environ.get("DZ_ANNOTATE") == "1",
          # Pickles and copies are by methods of our own, where there are any; auto_pickle would make six functions a class.
          compiler_directives={"initializedcheck": DEBUG, "cdivision": True, "auto_pickle": False},
      )) if TO_COMPILE else extensions)
