"""The machine's part of the table: its instructions, what each computes, and every formula as a program of them.

An instruction is an operator of formulas, or a primitive; a program is a formula in postfix order, which core/machine.c
turns into instructions, an operation of a graph at a time. So the machine computes what the kernels do, in their order.
"""

import ast

from .formulas import BINARY, Formula
from .table import HEADER

MASKS = {"<": "LT", "<=": "LE", ">": "GT", ">=": "GE", "==": "EQ", "!=": "NE"}
PLACES = ["x0", "x1", "x2", "y", "gy"]
# Words of a program: numbers of instructions, from PLACE on operands, from PARAM on parameters, from NUMBER on numbers.
PLACE, PARAM, NUMBER, END = 256, 264, 512, 32767

# name: (operands, C over A, B and C); the first ones are made by core/machine.c alone, and written in math/machine.h where there
# is no C here.
NO_VALUE = {"LEAF": 0, "SINCOS": 1, "FILL": 1, "PART": 1, "PUT": 2, "SET": 2, "SUM": 1, "WORK": 0,
            "RUN": 0, "END_OF_ALL": 0}
FIXED = {
    **{name: (operands, None) for name, operands in NO_VALUE.items()}, "MULADD": (3, "C + A * B"),
    "ADD": (2, "A + B"), "SUB": (2, "A - B"), "MUL": (2, "A * B"), "DIV": (2, "A / B"), "NEG": (1, "-A"),
    **{name: (2, f"A {sign} B ? 1.0 : 0.0") for sign, name in MASKS.items()},
    "WHERE": (3, "A != 0 ? B : C"), "TEN": (1, "dz_ten_f64(A)"), "POWER_BY": (2, "dz_machine_power_by(A, B)"),
}  # fmt: skip


def instructions(table):
    """{name: (operands, C)} in the order of their numbers."""
    found = dict(FIXED)
    for primitive in table.primitives.values():
        name = primitive.name
        function = primitive.c or (f"dz_{name}_f64" if primitive.inline else f"dz_machine_{name}")
        found[name.upper()] = primitive.args, f"{function}({'A, B' if primitive.args == 2 else 'A'})"
    return found


class Program(Formula):
    """Prints a formula as a list of words."""

    def __init__(self, op, field, table, backward, codes, numbers):
        super().__init__(op, field, table, backward)
        self.codes, self.numbers, self.scope = codes, numbers, {}

    def number(self, value):
        return [NUMBER + self.numbers.setdefault(float(value).hex(), len(self.numbers))]

    def largest(self):
        return self.number(float.fromhex("0x1.fffffffffffffp+1023"))

    def array(self, name):
        return self.scope.get(name) or [PLACE + PLACES.index(name if name in ("y", "gy") else f"x{self.op.args.index(name)}")]

    def param(self, name):
        return [PARAM + self.op.param_names.index(name)]

    def local(self, name):
        return self.visit(self.let[name])

    def negative(self, a):
        return [*a, self.codes["NEG"]]

    def binary(self, operator, a, b):
        return [*a, *b, self.codes[BINARY[operator][1]]]

    def mask(self, sign, a, b):
        return [*a, *b, self.codes[MASKS[sign]]]

    def call(self, name, args):
        if name == "zero":
            return self.number(0.0)
        words = [self.visit(arg) for arg in args]
        if name == "power" and isinstance(args[1], ast.Name) and args[1].id in self.op.param_names:
            name = "power_by"       # as the kernel, which takes some exponents apart
        name = {"conj_sign": "sign"}.get(name, name).upper()
        if name in self.codes:
            return [word for arg in words for word in arg] + [self.codes[name]]
        other = self.table[name.lower()]
        keep = self.op, self.arrays, self.scope, self.let, self.naming
        self.arrays, self.scope, self.let = set(other.args), dict(zip(other.args, words, strict=True)), other.let
        self.within.append(other.name)
        self.naming = []
        found = self.visit(other.forward)
        self.within.pop()
        self.op, self.arrays, self.scope, self.let, self.naming = keep
        return found


def programs(table):
    """(words, {operation: offsets of forward and each backward, -1 for none}, numbers)"""
    codes = {name: k for k, name in enumerate(instructions(table))}
    words, offsets, numbers = [], {}, {}
    for op in table.values():
        formulas = [("forward", op.forward, False), *[(f"backward.{a}", b, True)
                                                      for a, b in zip(op.args, op.backward, strict=True)]]
        offsets[op.name] = []
        for field, node, backward in formulas:
            if node is None:
                offsets[op.name].append(-1)
                continue
            offsets[op.name].append(len(words))
            words += [*Program(op, field, table, backward, codes, numbers).visit(node), END]
        offsets[op.name] += [-1] * (4 - len(offsets[op.name]))
    return words, offsets, list(numbers)


def wrapper(primitive):
    """A primitive that is a pass as a function of doubles."""
    name, two = primitive.name, primitive.args == 2
    head = f"DZ_INLINE double dz_machine_{name}(double a{', double b' if two else ''})\n{{\n"
    a, b, y = "(const char *)&a, 8", "(const char *)&b, 8", "(char *)&y, 8"
    if "f64" in primitive.own:
        call = f"dz_{name}_f64(1, {a}, {f'{b}, ' if two else ''}{y})"
    else:
        call = f"dz_np{primitive.args}_f64(DZ_FN_{name.upper()}, DZ_F64, 1, {a}, {f'{b}, ' if two else ''}{y})"
    core = ""
    if "f64" in primitive.own and not two and not primitive.loop:   # one that math/passes.h has a core of
        core = f"    if (dz_{name}_beyond_f64(a) >= 0)\n        return dz_{name}_core_f64(a);\n"
        if name in ("sin", "cos"):
            core = f"    if (fabs(a) < DZ_QUADRANT_0_F64)\n        return dz_{name}_near_f64(a);\n" + core
    return f"{head}    double y;\n{core}    {call};\n    return y;\n}}\n"


def header(table):
    """Numbers and names of the instructions, and the programs: for core/machine.c."""
    made = instructions(table)
    words, offsets, numbers = programs(table)
    lines = [f"/* {HEADER} */", "enum {", *[f"    DZ_M_{name}," for name in made], "    DZ_M_N", "};",
             f"enum {{ DZ_M_PLACE = {PLACE}, DZ_M_PARAM = {PARAM}, DZ_M_NUMBER = {NUMBER}, DZ_M_END = {END} }};",
             "#define DZ_M_NAMES {" + ", ".join(f'"{name.lower()}"' for name in made) + "}",
             "#define DZ_M_OPERANDS {" + ", ".join(str(operands) for operands, _ in made.values()) + "}",
             "/* loops that may have other bits for one number beside an array than for an array of it */",
             "#define DZ_M_APART {" + ", ".join(str(int(name in ("POWER", "ARCTAN2"))) for name in made) + "}",
             "#define DZ_M_WORDS {" + ", ".join(map(str, words)) + "}",
             "#define DZ_M_PROGRAMS { \\", *[f"    {{{', '.join(map(str, each))}}}, /* {name} */ \\"
                                             for name, each in offsets.items()], "}",
             "#define DZ_M_NUMBERS {" + ", ".join(numbers) + "}"]
    return "\n".join(lines) + "\n"


def by_pass(table):
    """{name: the pass of n elements from a, and b, to d}: primitives that arrays are given to as a whole. STEP(bit): from one
    element to the next of the operand of that bit in `spread`."""
    step = "sizeof(double)"
    found = {"POWER_BY": f"dz_power_f64(n, (const char *)a, {step}, (const char *)b, 0, (char *)d, {step})"}
    for p in table.primitives.values():
        if p.inline or p.c or p.name == "powm1":
            continue
        a, b = (step, "") if p.args == 1 else ("STEP(1)", "(const char *)b, STEP(2), ")
        function = f"dz_{p.name}_f64(n" if "f64" in p.own else f"dz_np{p.args}_f64(DZ_FN_{p.name.upper()}, DZ_F64, n"
        found[p.name.upper()] = f"{function}, (const char *)a, {a}, {b}(char *)d, {step})"
    return found


def handlers(table):
    """What each instruction computes: for math/machine.h."""
    made = {name: each for name, each in instructions(table).items() if each[1] is not None}
    passes = by_pass(table)
    lists = [("EACH", "those that give one value of A, B and C", [(name, text) for name, (_, text) in made.items()])]
    lists += [(f"OF_{count}", f"those of {count} that arrays are given to element by element",
               [(name, text) for name, (operands, text) in made.items() if operands == count and name not in passes])
              for count in (1, 2, 3)]
    lists.append(("PASSES", "those that arrays are given to as a whole: n elements from a, and b, to d", list(passes.items())))
    lines = [f"/* {HEADER} */", *[wrapper(p) for p in table.primitives.values() if not p.inline and not p.c]]
    for name, what, entries in lists:
        lines += [f"/* X(name, C): {what}. */", f"#define DZ_M_{name}(X) \\"]
        lines += [*[f"    X({n}, {text}) \\" for n, text in entries], ""]
    return "\n".join(lines) + "\n"


def outputs(table):
    """{path below the checkout: text} of everything that is made."""
    return {"src/kernels/generated/machine.h": header(table), "src/kernels/generated/machine_run.h": handlers(table)}
