"""Writes into the stubs of the compiled modules what they cannot keep up to date by hand: the docstrings, which some editors
read from stubs only, and `__all__`.

    python tools/stub_docs.py             # after a change of a docstring in src/dezero_c, with the engine built
    python tools/stub_docs.py --check     # fails, and names them, where stubs differ from the built modules

Stubs that src/codegen makes have their docstrings from the sources.
"""

import ast
import importlib
import inspect
import sys
from pathlib import Path

STUBS = Path(__file__).resolve().parent.parent / "dezero_c"


def docstring(owner, name):
    """The lines of the docstring of an attribute that `owner` itself has."""
    found = vars(owner).get(name)
    text = inspect.getdoc(found) if found is not None else None
    inherited = text and inspect.isclass(found) and not found.__doc__
    return text.strip().split("\n") if text and not inherited else []


def documented(node, lines, indent):
    """The source lines of a docstring, or an ellipsis."""
    if not lines:
        return [f"{indent}..."]
    text = "\n".join(lines)
    quote = ('r"""' if "\\" in text else '"""') + text + ('\n"""' if len(lines) > 1 else '"""')
    return [indent + line if line else "" for line in quote.split("\n")]


def with_docs(source, module):
    """The stub's text with the docstrings and the `__all__` of the module."""
    lines = source.split("\n")
    edits = []      # (first line, line after the last, column where the first is cut, new lines)

    def visit(body, owner):
        overloaded = set()
        for node in body:
            if isinstance(node, ast.ClassDef):
                visit_class(node, owner)
            elif isinstance(node, ast.FunctionDef):
                kinds = {ast.unparse(d).rpartition(".")[2] for d in node.decorator_list}
                text = [] if kinds & {"setter", "deleter"} or node.name in overloaded else docstring(owner, node.name)
                if node.name.startswith("__"):
                    text = []       # Python's own: "Return self+value."
                if "overload" in kinds:
                    overloaded.add(node.name)
                if text or ast.get_docstring(node) is not None:
                    replace(node, text)

    def visit_class(node, owner):
        cls = vars(owner).get(node.name)
        text = docstring(owner, node.name)
        old = node.body[0]
        described = isinstance(old, ast.Expr) and isinstance(old.value, ast.Constant)     # a docstring, or an ellipsis
        rest = node.body[1:] if described else node.body
        if not rest:
            replace(node, text)
        else:
            new = documented(node, text, " " * (node.col_offset + 4)) if text else []
            first = old.end_lineno if described else node.lineno
            edits.append((node.lineno, first, None, new))
            visit(rest, cls)

    def replace(node, text):
        """A body that is nothing but its docstring."""
        old = node.body[0]
        start, column = old.lineno - 1, old.col_offset
        head = lines[start][:column].rstrip()
        if not text:
            edits.append((start, old.end_lineno, head, ["..."] if head else [" " * column + "..."]))
        else:
            new = documented(node, text, " " * (node.col_offset + 4))
            edits.append((start, old.end_lineno, head, new))

    visit(ast.parse(source).body, module)
    for start, stop, head, new in sorted(edits, key=lambda e: e[0], reverse=True):
        if head is None or not head:
            lines[start:stop] = new
        elif new == ["..."]:
            lines[start:stop] = [f"{head} ..."]
        else:
            lines[start:stop] = [head, *new]
    text = spaced("\n".join(lines))
    public = getattr(module, "__all__", None)
    if public is not None:
        text = text[: text.index("\n__all__")].rstrip("\n") + "\n\n" + listed(public)
    return text


def spaced(text):
    """A blank line before each class and function at the left margin that follows a body."""
    rows = []
    for row in text.split("\n"):
        if row.startswith(("def ", "class ", "@")) and rows and rows[-1].startswith(" "):
            rows.append("")
        rows.append(row)
    return "\n".join(rows)


def listed(names):
    rows, row = [], "   "
    for name in names:
        piece = f' "{name}",'
        if len(row) + len(piece) > 118:
            rows.append(row)
            row = "   "
        row += piece
    return "\n".join(["__all__ = [", *rows, row, "]", ""])


def main(check):
    differing = []
    for path in sorted(STUBS.glob("*.pyi")):
        old = path.read_text(encoding="utf-8")
        if old.startswith("# Generated"):
            continue
        new = with_docs(old, importlib.import_module(f"dezero_c.{path.stem}"))
        if new != old:
            differing.append(path.name)
            if not check:
                path.write_text(new, encoding="utf-8")
    print("\n".join(differing) or "nothing to do")
    return bool(check and differing)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
