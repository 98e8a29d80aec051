"""Looks for Python in the functions that every operation passes through, in what `cython -a` makes of them.

A line counts when the C code that it became looks a name up, calls, compares, iterates or makes a number by way of Python
objects. Counting references and looking at types does not count, nor does a line that raises. Beside each function stands how
many lines of its general path, which runs where kernels cannot, may count. Needs Cython and a generated _ops.pyx (setup.py).

    python tools/hot_paths.py            compares; exit code 1 and the lines where there are more
"""

import html
import re
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
# Rooms of the engine are read from the annotation of the file that they lie in.
HOT = {
    "_core": {"new_variable": 1, "clone_function": 0},
    "_modes": {"recording": 0},
    "_graph": {"record": 0, "variable_dealloc": 0, "function_dealloc": 0},
    "_values": {"empty_array": 0, "new_value": 0, "data_of": 0, "as_operand": 2},
    "_gradients": {"drop_grad": 0, "grad_view": 0, "new_grad": 0, "grad_target": 1, "steal_grad": 0},
    "_walk": {"pop": 0, "add": 2, "step": 2, "walk": 1},
    "_elementwise": {"argument": 0, "apply1": 0, "apply2": 0, "evaluate": 1, "vjp_scalar": 0, "vjp_raw": 0, "both": 0, "map": 0,
                     "summed": 0, "passable": 0},
}  # fmt: skip
PYTHON = re.compile(
    r"FastCall|CallOneArg|CallMethod|CallNoArg|PyObject_Call|GetAttr|SetAttr|GetModuleGlobalName|IsInstance|RichCompare"
    r"|CompareBool|PyNumber|GetIter|SetItem|GetItem|DelItem|ContainsTF|ListComp|PyLong_From|PyFloat_From|PyObject_Format"
)
LINE = re.compile(r'<pre class="cython line score-\d+"[^>]*>')
CALL = re.compile(r"<span class='(?:py|pyx)_(?:c|macro)_api'>(\w+)</span>")
DEFINITION = re.compile(r"\s*(?:cdef|cpdef|def)\b.*?(\w+)\(.*:$")


def counted(annotation):
    """{function: [lines that count]} of an annotated file."""
    found, name, raising = {}, None, False
    for body in LINE.split(annotation)[1:]:
        line, _, code = body.partition("</pre>")
        text = html.unescape(re.sub(r"<[^>]+>", "", line))
        text = re.sub(r"^[+\s]*0*\d+: ?", "", text).rstrip()
        if match := DEFINITION.match(text):
            name = match[1]
            found.setdefault(name, [])
        elif text and not text.startswith((" ", ")", "#")):
            name = None
        raising = text.lstrip().startswith("raise ") or (raising and text.lstrip().startswith(('f"', '"')))
        calls = sorted({call for call in CALL.findall(code) if PYTHON.search(call)})
        if name and calls and not raising and not text.startswith(("cdef ", "def ")):
            found[name].append(f"{text.strip()}    <- {', '.join(calls)}")
    return found


def annotate(folder):
    for module in ("_core", "_elementwise"):
        subprocess.run(
            [sys.executable, "-m", "cython", "-3", "-a", "-X", "cdivision=True", "-I", str(ROOT / "src"), "--module-name",
             f"dezero_c.{module}", str(ROOT / f"src/dezero_c/{module}.pyx"), "-o", f"{folder}/{module}.c"],
            check=True, cwd=ROOT / "src",
        )  # fmt: skip


def main():
    wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        annotate(folder)
        for room, functions in HOT.items():
            found = counted(Path(folder, f"{room}.html").read_text(encoding="utf-8"))
            for name, allowed in functions.items():
                if name not in found:
                    print(f"{room}: there is no function {name}; mend the list in {Path(__file__).name}")
                    wrong += 1
                elif len(found[name]) > allowed:
                    print(f"{room}: {name} has {len(found[name])} lines with Python, and may have {allowed}:")
                    print("".join(f"    {line}\n" for line in found[name]), end="")
                    wrong += 1
    if not wrong:
        print(f"no Python in {sum(len(functions) for functions in HOT.values())} functions beyond their general paths")
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
