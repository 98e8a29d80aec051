"""The Cython of the elementwise operations: classes, functions, and graph rules, formulas over Variables; and what the tests read
of the table."""

from .docstrings import choices, docstring, indent, sig_names
from .formulas import BINARY, Formula
from .kernels import CFormula
from .table import COMPARE, DTYPES, HEADER


class GraphFormula(Formula):
    """Prints a formula as Cython over Variables: the rule that builds the graph of a gradient. `lines` come before it."""

    def __init__(self, *args):
        super().__init__(*args)
        self.lines = {}     # what the formula's `let` names are: each made once

    def local(self, name):
        if name not in self.lines:
            self.lines[name] = self.visit(self.let[name])
        return name

    def largest(self):
        self.fail("'largest' is for forward")

    def number(self, value):
        return repr(value)

    def array(self, name):
        return f"self.in{self.op.args.index(name)}" if name in self.op.args else name

    def param(self, name):
        return f"(<tuple>self.given)[{self.op.param_names.index(name)}]"

    def negative(self, a):
        return f"apply1(DZ_OP_NEG, {a})"

    def binary(self, operator, a, b):
        return f"apply2(DZ_OP_{BINARY[operator][1]}, {a}, {b})"

    def mask(self, sign, a, b):
        return f"mask({list(COMPARE.values()).index(sign)}, {a}, {b})"

    def call(self, name, args):
        texts = [self.visit(x) for x in args]
        if name == "zero":
            return f"zeros_like({texts[0]})"
        if name == "ten":
            self.fail("'ten' is for forward")
        if name in ("powm1", "polygamma1", "conj_sign"):
            return f"{name}({', '.join(texts)})"
        if name == "power":
            return f"apply2(DZ_OP_POWER, {texts[0]}, {texts[1]})"
        if name == "where":
            return f"apply3(DZ_OP_WHERE, {', '.join(texts)})"
        if name not in self.table or self.table[name].params:
            self.fail(f"{name} is no operation without parameters, and has no rule: a gradient of it could not be differentiated")
        return f"apply{len(texts)}({self.table[name].constant}, {', '.join(texts)})"


def own_bits(op, table):
    """The dtypes in which no loop of NumPy's has a part in the value: the same bits on every processor, and in every layout."""
    dtypes = []
    for dtype in DTYPES:
        formula = CFormula(op, "forward", table, False, dtype)
        formula.visit(op.forward)
        passes = {stage[1] for stage in formula.stages if stage[0] == "pass"}
        if all(dtype[0] in table.primitives[name].ours for name in passes):
            dtypes.append({"f32": "float32", "f64": "float64"}[dtype[0]])
    return dtypes


def cython_source(table):
    out = [f"# {HEADER}",
           "# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False",
           '"""The elementwise operations: classes, functions and the rules of their gradients."""\n',
           "import numpy as np",
           "from dezero_c._elementwise cimport (",
           "    Elementwise, apply1, apply2, apply3, clip_any, conj_sign, in_double, libm_erf, libm_erfc, logistic, mask,",
           "    ordered, polygamma1, powm1, power_any, real, register, zeros_like)",
           '\ncdef extern from "generated/enum.h":\n    enum:']
    out += [f"        {op.constant}" for op in table.values()]
    out.append("")
    for op in table.values():
        n = len(op.args)
        out.append(f"\ncdef class {op.cls}(Elementwise):\n{indent(docstring(op, True), 4)}\n")
        out.append(f"    def __cinit__(self):\n        self.op = {op.constant}\n")
        if op.params:
            sig = ", ".join("=".join(p) for p in op.params)
            out.append(f"    def __init__(self, {sig}):\n        self.set_params(({', '.join(op.param_names)},))\n")
            for i, p in enumerate(op.param_names):
                out.append(f"    @property\n    def {p}(self):\n        return (<tuple>self.given)[{i}]\n")
        out.append("    cdef object reference(self, tuple xs):")
        if not op.entry.get("complex", True):
            out.append("        ordered(xs)")
        out.append(f"        {', '.join(op.args)}{',' if n == 1 else ''} = xs")
        if op.params:
            out.append(f"        {', '.join(op.param_names)}{',' if len(op.params) == 1 else ''} = self.given")
        out.append(f"        return {op.entry['numpy']}\n")
        out.append("    cdef object vjp(self, int k, object gy, object y):")
        for i, a in enumerate(op.args):
            node = op.backward[i]
            if node is None:
                continue
            out.append(f"        if k == {i}:")
            formula = GraphFormula(op, f"backward.{a}", table, True)
            text = formula.visit(node)
            out += [f"            {local} = {value}" for local, value in formula.lines.items()]
            out.append(f"            return {text}")
        out.append("        return None\n")
        sig = ", ".join(op.in_order(op.args, ["=".join(p) for p in op.params]))
        out.append(f"\ndef {op.name}({sig}):\n{indent(docstring(op), 4)}")
        for choice, other in op.select[1].items() if op.select else ():
            out += [f"    if {op.select[0]} == {choice!r}:",
                    f"        return apply{n}({table[other].constant}, {', '.join(op.args)})"]
        if op.params and "dispatch" in op.entry:
            out.append(f"    return {op.entry['dispatch']}({op.cls}, {sig_names(op)})\n")
        elif op.select:
            how = op.select[0]
            out.append(f'    raise ValueError(f"{op.name}: {how} is {{{how}!r}}; it must be {choices(op)}")\n')
        elif op.params:
            out.append(f"    return {op.cls}({', '.join(op.param_names)})({', '.join(op.args)})\n")
        else:
            out.append(f"    return apply{n}({op.constant}, {', '.join(op.args)})\n")
        out.append(f"\nregister({op.constant}, {op.cls})\n")
    out.append("\n__all__ = [" + ", ".join(f"{x!r}" for op in table.values() for x in (op.cls, op.name)) + "]\n")
    return "\n".join(out)


def records(table):
    """What the tests read of the table: a dictionary an operation, so that none can exist without being tested."""
    return tuple({
        "name": op.name, "class": op.cls, "args": op.args, "params": op.param_names, "examples": op.examples,
        "params_first": bool(op.entry.get("params_first")), "backward": list(op.entry["backward"]),
        "numpy": op.entry["numpy"], "domain": op.entry["domain"], "special": op.entry.get("special", []),
        "ulp": op.entry.get("ulp", 0), "atol": op.entry.get("atol", 0), "complex": op.entry.get("complex", True),
        "own": own_bits(op, table)} for op in table.values())
