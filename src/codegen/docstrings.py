"""Docstrings of the elementwise operations."""

def sig_names(op):
    return ", ".join([*op.args, *op.param_names])


def choices(op):
    return " or ".join(map(repr, op.select[1]))


SHAPES = {1: "of any shape", 2: "of shapes that broadcast together", 3: "of shapes that broadcast together"}


def docstring(op, cls=False):
    formulas, names = op.gradients
    gradients = [f"gx{i if len(op.args) > 1 else ''} = {formulas[a]}" for i, a in enumerate(op.args) if a in formulas]
    signature = ", ".join(op.in_order(op.args, [" = ".join(p) for p in op.params]))
    lines = [f"{op.entry['doc']}", "", f"y = {op.entry['math']}; gradient: {'; '.join(gradients)}{names}.", ""]
    if cls:
        init = ", ".join(" = ".join(p) for p in op.params).replace(" = ", "=")
        lines = [f"{op.cls}({init})\\n--\\n", *lines]    # where inspect.signature looks
        lines += [f"The class behind `{op.name}`: `{op.cls}({', '.join(op.param_names)})(x)` records the operation."]
    else:
        lines += [f"{', '.join(op.args)}: Variable, ndarray or number, {SHAPES[len(op.args)]}; float32 and float64 run",
                  "in C, every other dtype through NumPy. Returns a Variable in NumPy's result dtype. Raises",
                  "ValueError for shapes that do not broadcast, TypeError for what is no number.",
                  *([f"{op.select[0]}: {choices(op)} takes {', '.join(op.select[1].values())}."] if op.select else []),
                  f"{op.name}({signature})."]
    return lines


def indent(lines, by, quote='"""'):
    return "\n".join([" " * by + quote + lines[0], *[(" " * by + x) if x else "" for x in lines[1:]], " " * by + quote])
