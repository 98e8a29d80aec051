"""Graphs behind Variables: their DOT text, and pictures of them in files.

`utils` shows these functions. Where the program `dot` of Graphviz is missing, svg.py draws.
"""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

import dezero_c._core as _core
from dezero_c._draw.trace import label, living

if TYPE_CHECKING:
    from typing import Any

    from dezero_c._core import Function, Variable

__all__ = ["get_dot_graph", "plot_dot_graph"]

_PATIENCE = 120  # seconds for dot, which takes hours for some graphs


def _checked(output: Any, op: str) -> Any:
    if not hasattr(output, "creator"):
        raise TypeError(f"{op}: output must be a Variable, not {type(output).__name__}; for several outputs, make one "
                        "of them (a sum, say) or draw each")
    return output


# ---- DOT ----------------------------------------------------------------------------------------------------------

def _quoted(text: str) -> str:
    text = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + text.replace("\r\n", "\\n").replace("\n", "\\n").replace("\r", "\\n").replace("\0", "") + '"'


def _dot_var(v: Variable, verbose: bool = False) -> str:
    """A Variable's line of DOT; the book has its readers call this."""
    name, about = label(v)
    text = f"{name}: {about}" if verbose and name and about else name or (about if verbose else "")
    return f"{id(v)} [label={_quoted(text)}, color=orange, style=filled]\n"


def _dot_func(f: Function) -> str:
    """A Function's lines of DOT: itself, and the edges from its inputs and to its outputs."""
    lines = [f"{id(f)} [label={_quoted(type(f).__name__)}, color=lightblue, style=filled, shape=box]"]
    lines += [f"{id(x)} -> {id(f)}" for x in _core.inputs_of(f) or ()]
    lines += [f"{id(f)} -> {id(y)}" for y in living(f)]
    return "\n".join(lines) + "\n"


def get_dot_graph(output: Variable, verbose: bool = True) -> str:
    """The graph behind a Variable as text in the DOT language of Graphviz.

    output: Variable. verbose: whether the Variables' labels have shape and dtype besides the name. Variables are
    orange, Functions light blue boxes with the name of their class; nodes are named by `id`. Graphs may be of any
    depth. Raises TypeError where output is no Variable.
    """
    _checked(output, "get_dot_graph")
    lines, written, seen = [], set(), set()

    def write(line: str) -> None:
        if line not in written:
            written.add(line)
            lines.append(line)

    def write_variable(v: Variable) -> None:
        write(_dot_var(v, verbose).rstrip("\n"))

    write_variable(output)
    stack = [output.creator]
    while stack:
        f = stack.pop()
        if f is None or id(f) in seen:
            continue
        seen.add(id(f))
        for line in _dot_func(f).splitlines():
            write(line)
        for v in (*(_core.inputs_of(f) or ()), *living(f)):
            write_variable(v)
            stack.append(v.creator)
    return "\n".join(["digraph g {", *lines, "}"])


# ---- pictures -----------------------------------------------------------------------------------------------------

def plot_dot_graph(output: Variable, verbose: bool = True, to_file: str | os.PathLike[str] = "graph.png") -> str | Any:
    """Draw the graph behind a Variable into a file.

    to_file: its ending says which format (without one: .png is put behind it, with a warning); folders that are missing
    are made, and ~ is the home. The program `dot` of Graphviz draws, where it is installed; otherwise this
    package does, SVG (`graph.svg`) with nothing else, PNG, PDF and others through matplotlib. The DOT text is left in
    tmp_graph.dot in ~/.dezero or, if it is set, in the folder that the environment variable DEZERO_C_DATA names;
    to_file="graph.dot" writes the text alone. The file is replaced when the picture is complete.

    Returns what a notebook shows (IPython's Image or SVG), elsewhere the path. Raises TypeError where output is no
    Variable, ValueError for a name that ends in no format, RuntimeError with dot's message when it fails, and
    ImportError when there is neither dot nor matplotlib.
    """
    op = "plot_dot_graph"
    _checked(output, op)
    path = os.path.expanduser(os.fspath(to_file))
    kind = os.path.splitext(path)[1][1:].lower()
    if not kind and os.path.basename(path).strip("."):
        warnings.warn(f"{op}: to_file={os.fspath(to_file)!r} has no ending that says which format; '.png' is put behind it",
                      UserWarning, stacklevel=2)
        kind, path = "png", f"{path.rstrip('.')}.png"
    if not kind.isalnum():
        raise ValueError(f"{op}: to_file={path!r} does not end in a format; write 'graph.png' or 'graph.svg'")
    text = get_dot_graph(output, verbose)
    _leave(text)
    picture = text.encode() if kind in ("dot", "gv") else _picture(output, verbose, kind, text, op)

    from dezero_c._files.whole import replacing

    if folder := os.path.dirname(path):
        os.makedirs(folder, exist_ok=True)
    with replacing(path) as file:
        file.write(picture)
    return _shown(path, kind)


def _leave(text: str) -> None:
    """Keep the DOT text where DeZero does. It is only left for the curious, so that a read-only home does no harm."""
    folder = os.environ.get("DEZERO_C_DATA") or os.path.join(os.path.expanduser("~"), ".dezero")
    try:
        os.makedirs(folder, exist_ok=True)
        with open(os.path.join(folder, "tmp_graph.dot"), "w", encoding="utf-8") as file:
            file.write(text)
    except OSError:
        pass


def _picture(output: Variable, verbose: bool, kind: str, text: str, op: str) -> bytes:
    import shutil

    program = shutil.which("dot")
    if program is not None:
        picture = _by_dot(program, text, kind, op)
        if picture is not None:
            return picture

    from dezero_c._draw.svg import Drawing

    drawing = Drawing(output, verbose)
    if kind == "svg":
        return drawing.svg().encode()
    try:
        return drawing.paint(kind)
    except ImportError as error:
        raise ImportError(
            f"{op}: a .{kind} file is drawn by the program dot of Graphviz or by matplotlib, and neither is installed. "
            "Install one of them (`apt install graphviz`, `brew install graphviz`; `pip install matplotlib`), or "
            "write to_file='graph.svg', which needs neither"
        ) from error
    except ValueError as error:
        raise ValueError(f"{op}: matplotlib, which draws because dot is not installed, cannot write .{kind}: "
                         f"{error}") from error


def _by_dot(program: str, text: str, kind: str, op: str) -> bytes | None:
    """The picture that dot makes; None when it does not come to an end and the graph can be drawn without it."""
    import subprocess

    try:
        done = subprocess.run([program, "-T" + kind], input=text.encode(), capture_output=True, timeout=_PATIENCE)
    except subprocess.TimeoutExpired:
        if kind == "svg":
            return None
        raise RuntimeError(f"{op}: dot did not finish in {_PATIENCE} seconds; to_file='graph.svg' is then drawn "
                           "without it, and the first nodes only of a large graph") from None
    except OSError as error:
        raise RuntimeError(f"{op}: {program} cannot be run: {error}") from error
    if done.returncode or not done.stdout:
        said = done.stderr.decode(errors="replace").strip() or f"exit status {done.returncode}, without a message"
        raise RuntimeError(f"{op}: dot could not draw a .{kind} file: {said}")
    return done.stdout


def in_notebook() -> bool:
    """Whether IPython runs this program (a notebook or its shell)."""
    import sys

    ask = getattr(sys.modules.get("IPython"), "get_ipython", None)
    return ask is not None and ask() is not None


def _shown(path: str, kind: str) -> str | Any:
    """The picture as IPython displays it, or the path."""
    if not in_notebook() or kind not in ("png", "jpg", "jpeg", "gif", "svg"):
        return path
    from IPython import display

    return display.SVG(filename=path) if kind == "svg" else display.Image(filename=path)
