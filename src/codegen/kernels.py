"""The C of the elementwise kernels: a formula becomes passes over chunks, for functions too large to inline, and loops."""

import ast
import re

from .formulas import BINARY, Formula
from .table import DTYPES, HEADER


class CFormula(Formula):
    """Prints a formula as C: a list of stages, each a pass over a chunk or an elementwise loop, and a last loop."""

    def __init__(self, op, field, table, backward, dtype):
        super().__init__(op, field, table, backward)
        self.sfx, self.ctype, self.code = dtype
        self.stages = []  # ("loop", text, names, target) | ("pass", function, source, target)
        self.ntemp = 0
        self.done = {}  # passes by what they read, so that none runs twice
        self.scope = {}

    def number(self, value):
        return f"({self.ctype}){float(value)!r}"

    def largest(self):
        return f"DZ_LARGEST_{self.sfx}"

    def array(self, name):
        return self.scope.get(name, f"{name}_")

    def param(self, name):
        return f"{name}_p"

    def local(self, name):
        return self.visit(self.let[name])

    def negative(self, a):
        return f"(-{a})"

    def binary(self, operator, a, b):
        return f"({a} {BINARY[operator][0]} {b})"

    def mask(self, sign, a, b):
        return f"({a} {sign} {b} ? ({self.ctype})1 : ({self.ctype})0)"

    def temp(self):
        self.ntemp += 1
        return f"t{self.ntemp - 1}"

    def run_pass(self, function, arg, exponent=None):
        """A pass over `arg` (C text) into a new temporary; a bare array is read where it lies."""
        if (function, arg, exponent) in self.done:
            return self.done[function, arg, exponent]
        bare = arg[:-1] if arg.endswith("_") and arg[:-1] in self.arrays else arg if arg[:-2] in self.op.param_names else None
        target = self.temp()
        self.done[function, arg, exponent] = target + "_"
        if bare is None:
            self.stages.append(("loop", arg, target))
        self.stages.append(("pass", function, bare or target, target, exponent))
        return target + "_"

    def call(self, name, args):
        if name == "zero":
            return f"({self.ctype})0"
        if name == "ten":
            return f"dz_ten_{self.sfx}({self.visit(args[0])})"
        if name == "conj_sign":
            return f"dz_sign_{self.sfx}({self.visit(args[0])})"
        if name == "where":
            m, a, b = (self.visit(x) for x in args)
            return f"({m} != 0 ? {a} : {b})"
        primitive = self.table.primitives.get(name)
        if primitive and primitive.args == 2 and not primitive.inline:
            base, exponent = (self.visit(x) for x in args)
            if not exponent.endswith("_p"):  # an array: put it into a temporary unless it is one already
                bare = exponent[:-1] if exponent.endswith("_") and exponent[:-1] in self.arrays else None
                if bare is None:
                    bare = self.temp()
                    self.stages.append(("loop", exponent, bare))
                exponent = bare
            return self.run_pass(name, base, exponent)
        if primitive and not primitive.inline:
            return self.run_pass(name, self.visit(args[0]))
        if primitive:
            return f"dz_{name}_{self.sfx}({', '.join(self.visit(x) for x in args)})"
        # another operation of the table: its forward formula with these arguments in place of its own
        other = self.table[name]
        values = [self.visit(x) for x in args]
        keep = self.arrays, self.scope, self.let, self.naming
        self.arrays, self.scope, self.let = set(other.args), dict(zip(other.args, values, strict=True)), other.let
        self.within.append(name)
        self.naming = []
        text = self.visit(other.forward)
        self.within.pop()
        self.arrays, self.scope, self.let, self.naming = keep
        return text


PLACES = {"y": "DZ_Y", "gy": "DZ_GY"}


def place(op, name):
    return PLACES.get(name) or f"DZ_X{op.args.index(name)}"


def used_in(text, names):
    words = set(re.findall(r"[A-Za-z0-9_]+", text))
    return [n for n in names if n + "_" in words]


def c_kernel(op, table, which, node, dtype):
    """The C text of one kernel: `which` is "fwd" or "bwd_<arg>"."""
    backward = which != "fwd"
    sfx, ctype, code = dtype
    formula = CFormula(op, which, table, backward, dtype)
    last = formula.visit(node)
    name = f"dz_{op.name}_{which}_{sfx}"
    arrays = [*op.args, "y", "gy"] if backward else op.args
    temps = [f"t{i}" for i in range(formula.ntemp)]
    out = []

    direct = not backward and len(formula.stages) == 1 and formula.stages[0][0] == "pass" and last == "t0_"
    loops = [] if direct else [("loop", last, None)]
    for stage in [s for s in formula.stages if s[0] == "loop"] + loops:
        names = used_in(stage[1], arrays)
        tnames = used_in(stage[1], temps)
        params = [p for p in op.param_names if f"{p}_p" in stage[1]]
        final = stage[2] is None
        fn = f"{name}_{stage[2] or 'out'}"
        sig = "".join(f", const char *{n}, ptrdiff_t s_{n}" for n in names)
        sig += "".join(f", const {ctype} *{t}" for t in tnames) + "".join(f", {ctype} {p}_p" for p in params)
        out.append(f"DZ_INLINE void {fn}(ptrdiff_t n{sig}, char *o, ptrdiff_t so, int acc)\n{{\n    ptrdiff_t i;")
        out.append("    (void)acc;\n    DZ_IVDEP\n    for (i = 0; i < n; i++) {")
        for n in names:
            out.append(f"        const {ctype} {n}_ = DZ_LD({ctype}, {n}, i, s_{n});")
        for t in tnames:
            out.append(f"        const {ctype} {t}_ = {t}[i];")
        if final and backward:
            out.append(f"        const {ctype} e = {stage[1]};")
            out.append(f"        DZ_ST({ctype}, o, i, so) = acc ? DZ_LD({ctype}, o, i, so) + e : e;")
        else:
            out.append(f"        DZ_ST({ctype}, o, i, so) = {stage[1]};")
        out.append("    }\n}")

    out.append(f"static void {name}(const dz_args *a)\n{{\n    enum {{ W = sizeof({ctype}) }};")
    for i, p in enumerate(op.param_names):
        if f"{p}_p" in str(formula.stages) + last:
            out.append(f"    const {ctype} {p}_p = ({ctype})a->p[{i}];")

    def loop_call(stage, names, n, at, wanted, acc):
        """The call of a stage's loop; `wanted` gives the stride text of each array."""
        target = stage[2]
        text = f"{name}_{target or 'out'}({n}"
        for x in names:
            text += f", {at(x)}, {wanted(x)}"
        text += "".join(f", {t}" for t in used_in(stage[1], temps))
        text += "".join(f", {p}_p" for p in op.param_names if f"{p}_p" in stage[1])
        if target:
            return text + f", (char *){target}, W, 0);"
        return text + f", {at('out')}, {wanted('out')}, {acc});"

    def variants(stage, n, at, indent, scalars):
        """Chooses among compile-time strides: all contiguous, one operand repeated, anything."""
        names = used_in(stage[1], arrays)
        final = stage[2] is None
        acc = "a->acc" if final and backward else "0"
        st = {x: f"a->st[{place(op, x)}]" for x in names}
        if final:
            st["out"] = "a->os"
        every = [*names, "out"] if final else list(names)
        cases = [()]
        if scalars and len(names) > 1:
            cases += [(x,) for x in names]
        lines, word = [], "if"
        for case in cases:
            test = " && ".join(f"{st[x]} == {'0' if x in case else 'W'}" for x in every) or "1"
            lines.append(f"{indent}{word} ({test}) {{")

            def fixed(x, case=case):
                return "0" if x in case else "W"

            if acc == "0":
                lines.append(f"{indent}    {loop_call(stage, names, n, at, fixed, '0')}")
            else:
                lines.append(f"{indent}    if (a->acc)")
                lines.append(f"{indent}        {loop_call(stage, names, n, at, fixed, '1')}")
                lines.append(f"{indent}    else")
                lines.append(f"{indent}        {loop_call(stage, names, n, at, fixed, '0')}")
            word = "} else if"
        lines.append(f"{indent}}} else {{\n{indent}    {loop_call(stage, names, n, at, st.get, acc)}\n{indent}}}")
        return lines

    def direct_at(x):
        return "a->out" if x == "out" else f"a->in[{place(op, x)}]"

    if not formula.stages:
        out += variants(("loop", last, None), "a->n", direct_at, "    ", True)
    elif direct:
        out.append("    " + c_pass(op, table.primitives, formula.stages[0], sfx, code, "a->n", direct_at, "a->out", "a->os"))
    else:
        out.append("    ptrdiff_t i0;")
        out.append("    " + f"{ctype} " + ", ".join(f"{t}[DZ_CHUNK]" for t in temps) + ";")
        out.append("    for (i0 = 0; i0 < a->n; i0 += DZ_CHUNK) {")
        out.append("        const ptrdiff_t n = a->n - i0 < DZ_CHUNK ? a->n - i0 : DZ_CHUNK;")

        def at(x):
            if x == "out":
                return "a->out + i0 * a->os"
            return f"a->in[{place(op, x)}] + i0 * a->st[{place(op, x)}]"

        for stage in [*formula.stages, ("loop", last, None)]:
            if stage[0] == "pass":
                out.append("        " + c_pass(op, table.primitives, stage, sfx, code, "n", at, f"(char *){stage[3]}", "W"))
            else:
                out += variants(stage, "n", at, "        ", False)
        out.append("    }")
    unused = "" if any("a->" in line for line in out) else "    (void)a;"
    out.append(f"    (void)(int)W;{unused}\n}}\n")
    uses = sum(1 << list(PLACES_ORDER).index(place(op, x)) for x in arrays
               if used_in(last + str([s[1] for s in formula.stages if s[0] == "loop"]), [x])
               or any(s[0] == "pass" and x in (s[2], s[4]) for s in formula.stages))
    return name, "\n".join(out), uses


PLACES_ORDER = ("DZ_X0", "DZ_X1", "DZ_X2", "DZ_Y", "DZ_GY")


def c_both(op, table, dtype):
    """The C text of the kernel that writes the first gradients of both arguments in one loop, which reads gy but once; None
    for an operation that has not two of them, or whose formulas are more than arithmetic."""
    sfx, ctype, _ = dtype
    if len(op.args) != 2 or op.params or None in op.backward:
        return None
    formulas = [CFormula(op, f"backward.{arg}", table, True, dtype) for arg in op.args]
    texts = [formula.visit(node) for formula, node in zip(formulas, op.backward, strict=True)]
    if any(formula.stages for formula in formulas):
        return None
    names = used_in(" ".join(texts), [*op.args, "y", "gy"])
    name = f"dz_{op.name}_both_{sfx}"
    out = [f"static void {name}(const dz_args *a)\n{{"]
    out += [f"    const {ctype} *{x} = (const {ctype} *)a->in[{place(op, x)}];" for x in names]
    out.append(f"    {ctype} *g0 = ({ctype} *)a->out, *g1 = ({ctype} *)a->in[DZ_GX1];\n    ptrdiff_t i;")
    out.append("    DZ_IVDEP\n    for (i = 0; i < a->n; i++) {")
    out += [f"        const {ctype} {x}_ = {x}[i];" for x in names]
    out += [f"        const {ctype} e{k} = {text};" for k, text in enumerate(texts)]
    out.append("        g0[i] = e0;\n        g1[i] = e1;\n    }\n}\n")
    uses = sum(1 << list(PLACES_ORDER).index(place(op, x)) for x in names) | 1 << PLACES_ORDER.index("DZ_X2")
    return name, "\n".join(out), uses


def c_pass(op, primitives, stage, sfx, code, n, at, target, target_stride):
    _, function, source, _, exponent = stage

    def operand(x):
        if x.endswith("_p"):
            return f"(const char *)&{x}, 0"
        if x.startswith("t") and x[1:].isdigit():
            return f"(const char *){x}, W"
        return f"{at(x)}, a->st[{place(op, x)}]"

    operands = operand(source) + (f", {operand(exponent)}" if exponent is not None else "")
    primitive = primitives[function]
    if sfx in primitive.own:
        return f"dz_{function}_{sfx}({n}, {operands}, {target}, {target_stride});"
    return f"dz_np{primitive.args}_{sfx}(DZ_FN_{function.upper()}, {code}, {n}, {operands}, {target}, {target_stride});"


def c_source(table):
    """The kernels and the table of one SIMD level; the file that includes it has set DZ_OPS and the target."""
    out = [f"/* {HEADER} */\n"]
    for primitive in table.primitives.values():
        if primitive.c:
            out += [f"DZ_DEFINE_EACH{'2' if primitive.args == 2 else ''}({primitive.name}, {primitive.c}, {ctype}, {sfx})"
                    for sfx, ctype, _ in DTYPES]
    rows = []
    for op in table.values():
        out.append(f"/* {op.name}: y = {op.entry['forward']} */")
        fwd, bwd, uses, passes, checks = [], [], [], [], []
        for dtype in DTYPES:
            name, text, _ = c_kernel(op, table, "fwd", op.forward, dtype)
            out.append(text)
            fwd.append(name)
        for k in range(3):
            node = op.backward[k] if k < len(op.args) else None
            if node is None:
                bwd.append("{0, 0}")
                uses.append("0")
                passes.append("0")
                checks.append("0")
                continue
            names = []
            for dtype in DTYPES:
                name, text, mask = c_kernel(op, table, f"bwd_{op.args[k]}", node, dtype)
                out.append(text)
                names.append(name)
            bwd.append("{" + ", ".join(names) + "}")
            uses.append(str(mask))
            passes.append(str(int(ast.unparse(node) == "gy")))
            # a C comparison with nan raises the invalid flag, where NumPy stays silent
            quiet = any(isinstance(n, ast.Compare) for n in op.walk(node))
            checks.append(str(int(not quiet and ast.unparse(node) not in ("gy", "-gy"))))
        pair = [c_both(op, table, dtype) or ("0", "", 0) for dtype in DTYPES]
        out += [text for _, text, _ in pair if text]
        rows.append(f'    {{"{op.name}", {len(op.args)}, {len(op.params)}, {{{", ".join(fwd)}}},\n'
                    f"     {{{', '.join(bwd)}}},\n"
                    f"     {{{', '.join(uses)}}}, {{{', '.join(passes)}}}, {{{', '.join(checks)}}},\n"
                    f"     {{{', '.join(name for name, _, _ in pair)}}}, {pair[0][2]}}},")
    out.append("extern const dz_op DZ_OPS[];\nconst dz_op DZ_OPS[] = {\n" + "\n".join(rows) + "\n};")
    return "\n".join(out) + "\n"


def c_loops(table):
    """The inner loops of NumPy that are called: numbers, names and numbers of operands. The last two are for sums and small
    products."""
    loops = [(p.name, p.args) for p in sorted(table.primitives.values(), key=lambda p: p.args) if p.loop]
    loops += [("add", 2), ("matmul", 2)]
    names = ", ".join(f'"{name}"' for name, _ in loops)
    return (f"/* {HEADER} */\nenum {{\n" + "".join(f"    DZ_FN_{name.upper()},\n" for name, _ in loops) + "    DZ_NFN\n};\n"
            f"#define DZ_FN_NAMES {{{names}}}\n#define DZ_FN_NARGS {{{', '.join(str(n + 1) for _, n in loops)}}}\n")


def c_enum(table):
    """The operations' numbers, for C and (by `cdef extern`) for Cython."""
    names = ",\n".join(f"    {op.constant}" for op in table.values())
    return f"/* {HEADER} */\nenum {{\n{names},\n    DZ_NOPS\n}};\n"
