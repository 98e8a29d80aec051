"""Which functions of the Cython modules are compiled for size: those that src/cold.txt names, a line each, since no workload of
the benchmark calls them in each of its runs. tools/cold_functions.py writes it.

Cython has no way to say so; setup.py has `marked` put the attribute before the prototypes in the C that it makes.
"""

import re
from pathlib import Path

NAMES = Path(__file__).with_name("cold.txt")
# static <type> <its name in C>(...); /*proto*/
PROTOTYPE = re.compile(r"^(?:DZ_COLD )?static (?!CYTHON_INLINE)([^\n;{]*?\b__pyx_(?:f|pw|pf|getprop|setprop)_8dezero_c_(\w+)\("
                       r"[^\n]*/\* ?proto ?\*/)", re.M)
ATTRIBUTE = """#if defined(__GNUC__)
#define DZ_COLD __attribute__((cold))
#else
#define DZ_COLD
#endif
"""


def qualified(name):
    """What a function is called in the source, of its name in C without what stands before the module: 5_core_8HookList_remove
    is _core.HookList.remove."""
    module, rest = _counted(name)
    cls, left = _counted(rest.removeprefix("_"))
    found = left.removeprefix("_") if cls else rest.removeprefix("_")
    return ".".join(filter(None, (module, cls, re.sub(r"^\d+", "", found))))


def _counted(text):
    """(the name whose length stands before it, the rest); ('', text) where there is none: a number alone counts functions."""
    digits = re.match(r"\d+", text)
    if digits:
        end = digits.end() + int(digits[0])
        if text[end:end + 1] == "_" and not text[digits.end()].isdigit():
            return text[digits.end():end], text[end:]
    return "", text


def load():
    return set(NAMES.read_text(encoding="utf-8").split())


def names_in(text):
    """The functions of a module that may be marked."""
    return {qualified(found[2]) for found in PROTOTYPE.finditer(text)}


def marked(text, names):
    """The C of a module with the attribute before the prototypes of these functions."""
    def attributed(found):
        return f"DZ_COLD static {found[1]}" if qualified(found[2]) in names else found[0]

    first, rest = text.split("\n", 1)       # by which Cython knows a file of its own
    return f"{first}\n{ATTRIBUTE}{PROTOTYPE.sub(attributed, rest)}"
