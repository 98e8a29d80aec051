"""What is made of src/functions.toml: the last lines of each family, its stub, NumPy's functions on Variables, and the page of
the reference."""

import ast

from .functions import HEADER, adapter, passed
from .sources import OF_C


def kind(name):
    """The order of names in `__all__`: constants, classes, functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2, name)


def exported(functions, family):
    """The public names of a family."""
    return sorted({x for f in functions.of(family) for x in (f.name, *(c.name for c in f.classes))}, key=kind)


def listed(names, width=118):
    rows, row = [], "   "
    for name in names:
        piece = f' "{name}",'
        if len(row) + len(piece) > width:
            rows.append(row)
            row = "   "
        row += piece
    return "\n".join(["__all__ = [", *rows, row, "]", ""])


def last_lines(functions, family):
    """What a family's .pyx ends with: `__all__`, and its classes opened to new attributes."""
    out = [f"# {HEADER}", listed(exported(functions, family))]
    if family.operations:
        comma = "," * (len(family.operations) == 1)
        out += ["from dezero_c._core import open_class as _open_class", "",
                f"for _each in ({', '.join(family.operations)}{comma}):", "    _open_class(_each)", ""]
    return "\n".join(out)


# ---- the stub ------------------------------------------------------------------------------------------------------------

def documented(doc, indent):
    lines = doc.split("\n")
    text = ('r"""' if "\\" in doc else '"""') + doc + ('\n"""' if len(lines) > 1 else '"""')
    return [indent + line if line else "" for line in text.split("\n")]


def class_stub(function, declared, public):
    """The lines. What the class has from bases of the family that are not public is its own there."""
    lineage = function.family.lineage(declared.name)
    shown = next((i for i, c in enumerate(lineage[1:], 1) if c.name in public), len(lineage))
    base = lineage[shown].name if shown < len(lineage) else lineage[-1].base
    out = [f"class {declared.name}({base}):", *documented(lineage[0].doc, "    ")]

    def type_of(name, c_type="object"):
        return function.fields.get(f"{declared.name}.{name}") or OF_C.get(c_type) or declared.types.get(name, "Any")

    for cls in reversed(lineage[:shown]):
        out += [f"    {name}: {type_of(name, c_type)}" for name, c_type in cls.attributes.items()]
    if any(c.init for c in lineage[:shown]):
        out.append(f"    def __init__(self, {declared.signature}) -> None: ...")
    for cls in reversed(lineage[:shown]):
        for name, doc in cls.properties.items():
            out += ["    @property", f"    def {name}(self) -> {type_of(name)}:", *documented(doc, " " * 8)]
    return [*out, ""]


def stub(functions, family):
    mine = functions.of(family)
    classes = sorted(((f, c) for f in mine for c in f.classes), key=lambda pair: list(family.classes).index(pair[1].name))
    public = {c.name for _, c in classes}
    body = [line for f, c in classes for line in class_stub(f, c, public)]
    for name, parts in family.results.items():
        body += [f"class {name}(NamedTuple):", f'    """{name}({", ".join(parts)})"""']
        body += [*(f"    {part}: Variable" for part in parts), ""]
    for f in mine:
        body += [f"def {f.name}({f.call.signature}) -> {f.call.returns}:", *documented(f.doc, "    "), ""]
    head = imports(body, functions.sources.types)
    return "\n".join([f"# {HEADER}", *head, "", *body, listed(exported(functions, family))])


def imports(body, types):
    """What the lines of a stub name, in the order of Python's, NumPy's and our modules."""
    modules = types | {"NamedTuple": "typing"}
    found, blocks = {}, {}
    used = {node.id for node in ast.walk(ast.parse("\n".join(body))) if isinstance(node, ast.Name)}
    for name in sorted(used & set(modules)):
        found.setdefault(modules[name], []).append(name)
    for module, names in sorted(found.items()):
        block = 2 if module[0] == "." else 1 if module.startswith("numpy") else 0
        blocks.setdefault(block, []).append(f"from {module} import {', '.join(names)}")
    return "\n\n".join("\n".join(blocks[block]) for block in sorted(blocks)).split("\n")


# ---- NumPy's functions on Variables --------------------------------------------------------------------------------------

NUMPY_HEAD = f'''"""NumPy's functions on Variables: {{NumPy's function: ours, under NumPy's parameter names}}, as far as there is
a gradient. _protocols.py calls them.

A parameter that is missing here is refused where it is given with another value than NumPy's default.
{HEADER}
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _numpy_adapters as adapters
from dezero_c import functions as F
from dezero_c._numpy_adapters import COMPOSED, UFUNCS_BY_HAND, typed

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

DECLARED: dict[Any, Callable[..., Any]] = {{
'''
NUMPY_ELEMENTWISE = """}

# Of src/ops.toml: NumPy's functions that take what the operation takes.
ELEMENTWISE: dict[Any, Callable[..., Any]] = {
"""
NUMPY_FOOT = """}

FUNCTIONS: dict[Any, Callable[..., Any]] = COMPOSED | {f: g for f, g in DECLARED.items() if not isinstance(f, np.ufunc)}
UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    f: g for f, g in (ELEMENTWISE | UFUNCS_BY_HAND | DECLARED).items() if isinstance(f, np.ufunc)}
"""


def numpy_module(functions, table):
    rows, elementwise = [], []
    for f in functions.values():
        for name, text, args in f.numpy:
            if args is None:
                rows.append(f"    {name}: adapters.{adapter(name)},\n")
                continue
            given = passed(f, args)
            if len(given) < len(args.args):
                given[0] = f"typed({given[0]}, dtype)"
            rows.append(f"    {name}: lambda {text}: F.{f.name}({', '.join(given)}),\n")
    for op in table.values():
        name, _, args = op.entry["numpy"].partition("(")
        if name.startswith("np.") and args == f"{', '.join(op.args)})":
            elementwise.append(f"    {name}: F.{op.name},\n")
    return NUMPY_HEAD + "".join(rows) + NUMPY_ELEMENTWISE + "".join(elementwise) + NUMPY_FOOT


# ---- the reference -------------------------------------------------------------------------------------------------------

def reference(functions, table):
    out = [f"<!-- {HEADER} -->", "# functions", "", functions.text.strip(), ""]
    pages = functions.page(table)
    for section in functions.sections:
        out += [f"## {section.title}", ""]
        if section.text:
            out += [section.text.strip(), ""]
        out += ["```{eval-rst}", ".. currentmodule:: dezero_c.functions", "",
                *(f".. autofunction:: {name}" for name in pages[section.title]), "```", ""]
    return "\n".join(out)


def outputs(functions, table):
    """{path below the checkout: text}"""
    made = {"docs/api/functions.md": reference(functions, table), "dezero_c/_numpy_functions.py": numpy_module(functions, table)}
    for family in functions.public:
        made[f"src/dezero_c/generated/{family.name}.pxi"] = last_lines(functions, family)
        made[f"dezero_c/{family.name}.pyi"] = stub(functions, family)
    return made
