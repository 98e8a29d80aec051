"""What setup.py's commands do differently: compiler flags by compiler and by module, and an sdist that has the same bytes
wherever and whenever it is made.
"""

import gzip
import os
import subprocess
import sys
import tarfile
import time
from pathlib import Path

from setuptools.command.build_ext import build_ext
from setuptools.command.sdist import sdist

import codegen

DEBUG = os.environ.get("DZ_DEBUG") == "1"

# -O3 is worth its room where an operation on a scalar passes. gcc's -O2 vectorises little, so the other modules,
# whose loops are their own, ask for it: two thirds of the room, the same time. Where calls are long or seldom, the code
# between the loops is compiled for size: all of a module that has no loops of its own, and what follows them in one
# that has (core/levels.h).
FASTEST = {"_core", "_elementwise"}
SMALL_GLUE = {"_conv", "_im2col", "_index", "_join", "_losses", "_norm", "_pool", "_recurrent", "_reduce", "_softmax"}
SMALLEST = {"_cast", "_einsum", "_fft", "_linalg", "_ops", "_order", "_pull", "_shape", "_simple"}
GCC_LOOPS = ["-O2", "-ftree-vectorize", "-fvect-cost-model=dynamic"]


def identify(compiler):
    """'msvc', 'clang', 'gcc' or 'unknown': what the compiler says of itself, whatever it is called."""
    if compiler.compiler_type == "msvc":
        return "msvc"
    macros = subprocess.run([*compiler.compiler_so, "-dM", "-E", "-x", "c", os.devnull], capture_output=True, text=True,
                            check=False).stdout
    return "clang" if "__clang__" in macros else "gcc" if "__GNUC__" in macros else "unknown"


def optimisation(kind, module):
    if DEBUG:
        return ["-O0"]
    if kind == "clang":
        # Its -O2 vectorises all that it can; unrolling, on top, made a fifth of all code and no row of tools/compare_speed.py
        # faster by more than its noise. Glue becomes a tenth smaller where only what must be is inlined, which loops are
        # made of.
        glue = ["-fno-inline-functions"] if module in SMALL_GLUE | SMALLEST else []
        return ["-O3" if module in FASTEST else "-Os" if module in SMALLEST else "-O2", "-fno-unroll-loops", *glue]
    if module in FASTEST or kind == "unknown":
        return ["-O3"]
    if module in SMALLEST:
        return ["-Os"]
    return [*GCC_LOOPS, "-DDZ_SMALL_GLUE"] if module in SMALL_GLUE else GCC_LOOPS


def compile_flags(kind, module):
    if kind == "msvc":
        # 4244 and 4267: conversions to a smaller type, which Cython's own code is full of.
        return ["/O2", "/fp:precise", "/wd4244", "/wd4267"]
    flags = [
        *optimisation(kind, module), "-g" if DEBUG else "-g0",
        # No contraction into fused multiply-adds: results must not differ from machine to machine. Traps and errno
        # are not used, and would keep loops with a condition from being vectorised.
        "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math",
        # Not -ffunction-sections: there is nothing for the linker to drop, and where kernels then lay cost 8 %.
        "-fvisibility=hidden",
        # No trace of where it was built.
        f"-ffile-prefix-map={Path.cwd()}=.",
        "-Wall", "-Wextra",
        # A family uses some of the functions that its headers and Cython's offer, and NumPy's and Python's signatures
        # have arguments that not everybody needs.
        "-Wno-unused-function", "-Wno-unused-parameter",
        # Cython's: tables of Python's structs filled in part, functions cast to PyCFunction, Py_ssize_t against size_t.
        "-Wno-missing-field-initializers", "-Wno-cast-function-type", "-Wno-sign-compare",
    ]
    if kind == "clang":
        # It may find that a loop does not pay for base, where it was told that it may.
        flags.append("-Wno-pass-failed")
    if module not in FASTEST:
        # Calls of Python's methods without a way of Cython's own for each: up to a tenth less code.
        flags.append("-DCYTHON_UNPACK_METHODS=0")
    if sys.platform.startswith("linux") and not DEBUG:
        # Nothing is thrown through these frames, and a thread that ends in one is ended without tables. Debuggers
        # want them: DZ_DEBUG=1.
        flags += ["-fno-asynchronous-unwind-tables", "-fno-unwind-tables"]
    if os.environ.get("DZ_WERROR") == "1":
        flags.append("-Werror")
    return flags


class BuildExt(build_ext):
    """Flags are chosen when the compiler is known, which a cross build or CC may have changed."""

    def build_extensions(self):
        kind = identify(self.compiler)
        for extension in self.extensions:
            extension.extra_compile_args = compile_flags(kind, extension.name.rpartition(".")[2])
            # In a wheel no symbols; in place profilers want them.
            if "bdist_wheel" in self.distribution.command_obj and not DEBUG and sys.platform.startswith("linux"):
                extension.extra_link_args = [*extension.extra_link_args, "-Wl,-s"]
        super().build_extensions()


class Sdist(sdist):
    """Without what src/codegen makes; members in order, owned by nobody, of the time SOURCE_DATE_EPOCH (now without it)."""

    def make_release_tree(self, base_dir, files):
        made = {os.path.normpath(path) for path in codegen.outputs(codegen.load())}
        super().make_release_tree(base_dir, [path for path in files if os.path.normpath(path) not in made])

    def make_archive(self, base_name, format, root_dir=None, base_dir=None, owner=None, group=None):
        if format != "gztar":
            return super().make_archive(base_name, format, root_dir, base_dir, owner, group)
        stamp = int(os.environ.get("SOURCE_DATE_EPOCH", time.time()))

        def plain(member):
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            member.mtime = stamp
            member.mode = 0o755 if member.isdir() or member.mode & 0o100 else 0o644
            return member

        top = Path(root_dir or ".") / base_dir
        target = Path(f"{base_name}.tar.gz")
        target.parent.mkdir(parents=True, exist_ok=True)
        with (open(target, "wb") as file, gzip.GzipFile("", "wb", 9, file, mtime=stamp) as packed,
              tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive):
            for path in sorted([top, *top.rglob("*")]):
                archive.add(path, f"{base_dir}/{path.relative_to(top).as_posix()}".rstrip("/."), recursive=False,
                            filter=plain)
        return str(target)
