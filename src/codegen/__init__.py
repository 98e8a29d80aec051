"""Turns src/ops.toml into source: C kernels, the Cython classes and functions with their graph rules, a stub, and the
page docs/ops.md; src/functions.toml, with the families' sources, into their lists of names and stubs, NumPy's functions on
Variables and the reference's page; and src/simd.toml into the SIMD levels. Run by setup.py before the extensions are
compiled; the standard library is all it needs.

    table.py        ops.toml, read and checked         formulas.py     what a formula may say
    kernels.py      formula -> C                       rules.py        formula -> Cython over Variables; the classes
    functions.py    functions.toml, read and checked   sources.py      what a family's .pyx has
    families.py     what is made of functions.toml     levels.py       SIMD levels
    machine.py      formula -> a program of the machine
    docstrings.py, pages.py

    python src/codegen            write everything
    python src/codegen --check    fail if what is there differs
"""

from . import families, functions, kernels, levels, machine, pages, rules
from .rules import records
from .table import ROOT, TableError, load

__all__ = ["TableError", "generate", "load", "outputs", "records"]


def outputs(table, public=None):
    """{path below the checkout: text} of everything that is made; public: the table of functions, if another than there is."""
    public = public or functions.load()
    return {
        "src/kernels/generated/ops.inc": kernels.c_source(table),
        "src/kernels/generated/enum.h": kernels.c_enum(table),
        "src/kernels/generated/numpy_loops.h": kernels.c_loops(table),
        "src/dezero_c/_ops.pyx": rules.cython_source(table),
        "dezero_c/_ops.pyi": pages.stub_source(table),
        "docs/ops.md": pages.docs_source(table),
        **machine.outputs(table),
        **families.outputs(public, table),
        **levels.outputs(levels.load()),
    }


def generate(check=False):
    """Writes what changed (so that nothing is compiled twice); with check, returns the paths that differ."""
    differing = []
    for path, text in outputs(load()).items():
        target = ROOT.parent / path
        if target.exists() and target.read_text(encoding="utf-8") == text:
            continue
        differing.append(path)
        if not check:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
    return differing
