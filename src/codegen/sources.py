"""What a family's .pyx has, as far as its public functions and classes are concerned: signatures, bases, attributes, docstrings.
Read as text: the generator runs before Cython does, with the standard library alone."""

import ast
import inspect
import re
from pathlib import Path

FAMILIES = Path(__file__).resolve().parent.parent / "dezero_c"
OF_C = {"bint": "bool", "double": "float", "float": "float", "int": "int", "Py_ssize_t": "int", "str": "str",
        "tuple": "tuple[Any, ...]"}     # a reader's name for a type of Cython's
_DEF = re.compile(r"^def (\w+)\((.*?)\):(?: *#[^\n]*)?\n", re.DOTALL | re.MULTILINE)
_CLASS = re.compile(r"^cdef class (\w+)(?:\((\w+)\))?:(?: *#[^\n]*)?\n((?:(?:[ \t].*)?\n)*)", re.MULTILINE)
_INIT = re.compile(r"^    def __init__\(self(?:, )?(.*?)\):(?: *#[^\n]*)?\n", re.DOTALL | re.MULTILINE)
_ATTRIBUTES = re.compile(r"^    cdef (?:readonly|public) (\w+) ([\w, ]+?)(?: *#[^\n]*)?$", re.MULTILINE)
_PROPERTY = re.compile(r"^    @property\n    def (\w+)\(self\):\n", re.MULTILINE)
_OTHER_NAME = re.compile(r"^(\w+) = (\w+)(?: *#[^\n]*)?$", re.MULTILINE)
_RESULT = re.compile(r'^(\w+) = namedtuple\("\w+", \(([^)]*)\)', re.MULTILINE)
_DOCSTRING = re.compile(r'\s*(r?""".*?""")', re.DOTALL)
_SIGNATURE = re.compile(r"\w+\([^\n]*\)\n--\n\n?")     # at the head of a class's docstring, where inspect.signature looks


def arguments(text):
    """The ast.arguments of what stands between the parentheses of a `def`, types of C left out."""
    parts, depth, part = [], 0, ""
    for c in text + ",":
        depth += (c in "([{") - (c in ")]}")
        if c == "," and not depth:
            parts.append(part.strip())
            part = ""
        else:
            part += c
    plain = [re.sub(r"^[\w.]+(?:\[[^\]]*\])? (?=\w)", "", part) for part in parts if part]
    return ast.parse(f"def f({', '.join(plain)}): pass").body[0].args


def shown(args):
    """A signature without types, as a reader writes it; equal for equal ones."""
    def bare(arg):
        return ast.arg(arg.arg)
    plain = ast.arguments([bare(a) for a in args.posonlyargs], [bare(a) for a in args.args], args.vararg and bare(args.vararg),
                          [bare(a) for a in args.kwonlyargs], args.kw_defaults, args.kwarg and bare(args.kwarg), args.defaults)
    return f"({ast.unparse(plain)})"


def docstring(text):
    """The docstring that a body begins with, as inspect.getdoc gives it; "" for none."""
    found = _DOCSTRING.match(text)
    doc = ast.literal_eval(found[1]) if found else ""
    return inspect.cleandoc(_SIGNATURE.sub("", doc, count=1)) if doc else ""


class Class:
    def __init__(self, name, base, body):
        self.name, self.base, self.doc = name, base, docstring(body)
        init = _INIT.search(body)
        self.init = arguments(init[1]) if init else None
        self.attributes = {name.strip(): kind for kind, names in _ATTRIBUTES.findall(body) for name in names.split(",")}
        self.properties = {found[1]: docstring(body[found.end():]) for found in _PROPERTY.finditer(body)}


class Family:
    """One .pyx file."""

    def __init__(self, name, text):
        self.name, self.text = name, text
        self.functions = {found[1]: (arguments(found[2]), docstring(text[found.end():])) for found in _DEF.finditer(text)}
        for name, meant in _OTHER_NAME.findall(text):
            if meant in self.functions:
                self.functions[name] = self.functions[meant]
        self.classes = {name: Class(name, base, body) for name, base, body in _CLASS.findall(text)}
        self.results = {name: re.findall(r'"(\w+)"', fields) for name, fields in _RESULT.findall(text)}

    @property
    def path(self):
        return f"src/dezero_c/{self.name}.pyx"

    def lineage(self, name):
        """The class and its bases within the family, the nearest first."""
        found = []
        while name in self.classes:
            found.append(self.classes[name])
            name = found[-1].base
        return found

    @property
    def operations(self):
        """The classes that derive from Function, bases first."""
        return [name for name in self.classes if self.lineage(name)[-1].base in ("Function", "ArrayFunction")]


def families(folder=FAMILIES):
    return {path.stem: Family(path.stem, path.read_text(encoding="utf-8")) for path in sorted(folder.glob("_*.pyx"))
            if path.stem != "_ops"}
