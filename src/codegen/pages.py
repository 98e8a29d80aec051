"""The stub and the page of the reference."""

from .docstrings import docstring, indent
from .table import HEADER


def stub_source(table):
    """The stub, with the docstrings, which some editors read from stubs only."""
    exported = [x for op in table.values() for x in (op.cls, op.name)]
    out = [f"# {HEADER}", "from typing import Any", "", "from ._core import Variable",
           "from ._elementwise import Elementwise", "from ._typing import Operand", ""]
    for op in table.values():
        params = [f"{p[0]}: Operand | None" + (f" = {p[1]}" if p[1:] else "") for p in op.params]
        sig = ", ".join(op.in_order([f"{a}: Operand" for a in op.args], params, False))
        if op.select:
            sig += f': str = "{next(iter(op.select[1]))}"'
        out += [f"class {op.cls}(Elementwise):", indent(docstring(op, True)[1:], 4)]
        if op.params:
            out.append(f"    def __init__(self, {', '.join(params)}) -> None: ...")
            out += [f"    @property\n    def {p}(self) -> Any: ..." for p in op.param_names]
        out += ["", f"def {op.name}({sig}) -> Variable:", indent(docstring(op), 4), ""]
    out += ["__all__ = ["]
    out += [f"    {', '.join(repr(x) for x in pair)},".replace("'", '"') for pair in zip(*[iter(exported)] * 2, strict=True)]
    return "\n".join([*out, "]", ""])


def docs_source(table):
    out = [f"<!-- {HEADER} -->", "# Elementwise operations", "",
           "Error: the largest distance from the true value in units of its last place, over the usual range of arguments;",
           "0: the bits of IEEE arithmetic.", "",
           "| function | class | y | gradient | error |", "| --- | --- | --- | --- | --- |"]
    for op in table.values():
        sig = ", ".join(op.in_order(op.args, op.param_names, False))
        formulas, names = op.gradients
        gradients = "; ".join(f"g{a} = {text}" for a, text in formulas.items()) + names
        cells = (f"`{op.name}({sig})`", f"`{op.cls}`", f"`{op.entry['math']}`", f"`{gradients}`",
                 str(op.entry.get("ulp", 0)))
        out.append("| " + " | ".join(c.replace("|", "\\|") for c in cells) + " |")
    return "\n".join(out) + "\n"
