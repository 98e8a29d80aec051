"""Notebooks without Jupyter: reads .ipynb files, turns cells into plain Python, runs them and shows their values.

Owns the file format (nbformat 2 to 4), the cells' `display`, `get_ipython` and `await`, and the few magics that make
sense here. The process around it (`__main__`, paths, exit status, tracebacks) is runner.py. The same whether IPython is
installed or not.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import io
import json
import linecache
import os
import re
import statistics
import sys
import time
import timeit
from inspect import CO_COROUTINE
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable
    from types import CodeType
    from typing import Any

# Magics that only arrange the notebook's surroundings: a program computes the same without them.
_SKIPPED = frozenset(
    ["matplotlib", "load_ext", "reload_ext", "unload_ext", "autoreload", "config", "pip", "conda", "mamba"]
)
_INSTALLS = re.compile(r"\b(pip[\d.]*|conda|mamba|apt|apt-get)(\s+-\S+)*\s+install\b")

_FUTURE = 0
for _name in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _name).compiler_flag

# What IPython adds to Python, one pattern a form; tried in this order on a line that Python itself does not understand.
_FORMS = [
    (re.compile(r"(?P<left>\s*)%(?P<name>\w+)\s*(?P<rest>.*)"), "run_line_magic({name!r}, {rest!r})"),
    (re.compile(r"(?P<left>\s*)!!?(?P<rest>.+)"), "system({rest!r})"),
    (re.compile(r"(?P<left>\s*)(?P<name>pip|conda|mamba|matplotlib)\s+(?P<rest>\w.*)"), "run_line_magic({name!r}, {rest!r})"),
    (re.compile(r"(?P<left>[^=!%#'\"(]+=\s*)%(?P<name>\w+)\s*(?P<rest>.*)"), "run_line_magic({name!r}, {rest!r})"),
    (re.compile(r"(?P<left>[^=!%#'\"(]+=\s*)!(?P<rest>.+)"), "system({rest!r})"),
    (re.compile(r"(?P<left>\s*)\?{1,2}\s*(?P<rest>[\w.*]+)\s*"), "run_line_magic('pinfo', {rest!r})"),
    (re.compile(r"(?P<left>\s*)(?P<rest>[\w.*]+)\s*\?{1,2}\s*"), "run_line_magic('pinfo', {rest!r})"),
]


def read_cells(path: str) -> list[str]:
    """The sources of a notebook's code cells, empty ones left out (Jupyter gives those no number either).

    Raises OSError if the file cannot be read, ValueError if it is not a Python notebook of a known format.
    """
    with open(path, "rb") as file:
        raw = file.read()
    try:
        book = json.loads(raw)
        major = book["nbformat"]
        if major == 4:
            cells, key = book["cells"], "source"
        elif major in (2, 3):
            cells, key = [cell for sheet in book["worksheets"] for cell in sheet["cells"]], "input"
        else:
            raise ValueError(f"nbformat {major} is not known, only 2, 3 and 4 are")
        meta = book.get("metadata", {})
        language = meta.get("kernelspec", {}).get("language") or meta.get("language_info", {}).get("name") or "python"
        if not language.lower().startswith(("python", "ipython")):
            raise ValueError(f"its language is {language}, and only Python is run here")
        sources = ["".join(cell[key]) for cell in cells if cell["cell_type"] == "code"]
    except (ValueError, KeyError, TypeError, AttributeError) as exc:
        reason = str(exc) if isinstance(exc, ValueError) else f"{type(exc).__name__}: {exc}"
        raise ValueError(f"{path} is not a notebook that can be run: {reason}") from None
    return [source for source in sources if source.strip()]


def to_python(source: str) -> str:
    """A cell's source with IPython's lines (`%magic`, `!command`, `name?`) rewritten, every line at its number.

    Python's own parser tells where such a line stands: the error that it reports is on it. So nothing inside a string
    or an expression is taken for a magic, and what is wrong with the rest is left for the compiler to say.
    """
    lines = source.split("\n")
    while True:
        text = "\n".join(lines)
        try:
            ast.parse(text)
        except SyntaxError as exc:
            if not _rewrite(lines, (exc.lineno or 0) - 1):
                return text
        except ValueError:  # null bytes
            return text
        else:
            return text


def _form(lines: list[str], index: int) -> tuple[str, int, dict[str, str], str] | None:
    """The line at `index` with those that go on with it, where they end, and the parts and the call of the one of IPython's
    forms that it has; None if it has none."""
    if not 0 <= index < len(lines):
        return None
    line, end = lines[index], index + 1
    while line.endswith("\\") and end < len(lines):
        line, end = f"{line[:-1].rstrip()} {lines[end].strip()}", end + 1
    for pattern, call in _FORMS:
        if match := pattern.fullmatch(line):
            return line, end, match.groupdict(), call
    return None


def _replace(lines: list[str], index: int, end: int, line: str) -> None:
    lines[index:end] = [line] + [""] * (end - index - 1)


def _rewrite(lines: list[str], index: int) -> bool:
    """Rewrite the line at `index` in place if it has one of IPython's forms; whether it had."""
    found = _form(lines, index)
    if found is None:
        return False
    _, end, parts, call = found
    call = call.format(**{key: value.strip() for key, value in parts.items()})
    _replace(lines, index, end, f"{parts['left']}get_ipython().{call}")
    return True


def script_without_magics(source: str, name: str) -> str | None:
    """The source of a script that was a notebook's: lines that only install or arrange the surroundings are skipped, with a
    word on stderr, every other line at its number; what else is wrong stays. None if there is no such line."""
    lines, skipped = source.split("\n"), False
    while True:
        try:
            ast.parse("\n".join(lines))
        except SyntaxError as exc:
            index = (exc.lineno or 0) - 1
            if not _skip_line(lines, index, name):
                break
            skipped = True
        except ValueError:  # null bytes
            break
        else:
            break
    return "\n".join(lines) if skipped else None


def _skip_line(lines: list[str], index: int, name: str) -> bool:
    """Put `pass` in the place of the line at `index` if it only installs or arranges; whether it does."""
    found = _form(lines, index)
    if found is None:
        return False
    line, end, parts, call = found
    only = _INSTALLS.search(parts["rest"]) if call.startswith("system") else parts.get("name") in _SKIPPED
    if parts["left"].strip() or not only:
        return False
    _replace(lines, index, end, f"{parts['left']}pass")
    print(f"dezero_c: line {index + 1} of {name}: skipped {line.strip()}", file=sys.stderr)
    return True


def display(*values: object) -> None:
    """Show values as the end of a cell does: their `repr`, one a line (None as well)."""
    for value in values:
        print(repr(value))


class Shell:
    """Runs cells in one namespace. The notebook sees it as `get_ipython()`, with IPython's names for what it offers."""

    def __init__(self, path: str, namespace: dict[str, Any]) -> None:
        self.path = path
        self.user_ns = namespace
        self.number = 0  # of the cell that runs, from 1, as Jupyter's In [1]
        self._flags = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT  # and what the cells import from __future__
        self._loop: asyncio.Runner | None = None
        namespace.update(get_ipython=lambda: self, display=display)

    def run(self, cells: list[str]) -> None:
        """Run the cells (their sources) in order; what a cell raises ends the run."""
        try:
            for self.number, source in enumerate(cells, 1):
                name, lines = self._filename(), [f"{line}\n" for line in source.split("\n")]
                linecache.cache[name] = (len(source), None, lines, name)  # for tracebacks and inspect
                self._run_cell(source)
        finally:
            if self._loop is not None:
                self._loop.close()

    def _filename(self) -> str:
        return f"{self.path} [cell {self.number}]"

    def _run_cell(self, source: str, above: int = 0) -> None:
        """Run a cell, or the part of it that stands below its first `above` lines."""
        lead = len(source) - len(source.lstrip())
        if source.startswith("%%", lead):
            head, _, body = source[lead:].partition("\n")
            name, _, rest = head[2:].strip().partition(" ")
            self.run_cell_magic(name, rest.strip(), body, above + source.count("\n", 0, lead) + 1)
        else:
            self._execute("\n" * above + to_python(source))

    def _execute(self, source: str) -> None:
        """Run plain Python; the value of a final expression goes to `sys.displayhook`, unless a semicolon follows."""
        tree = self._compile(source, ast.PyCF_ONLY_AST)
        last = tree.body[-1] if tree.body else None
        if isinstance(last, ast.Expr):
            assert last.end_lineno is not None     # as in every tree that compile() made
            after = source.split("\n")[last.end_lineno - 1 :]
            after[0] = after[0].encode()[last.end_col_offset :].decode()
            if not "\n".join(after).lstrip(") \t\n").startswith(";"):
                del tree.body[-1]
                self._call(self._compile(tree))
                self._call(self._compile(ast.Interactive([last]), mode="single"))
                return
        self._call(self._compile(tree))

    def _compile(self, source: Any, flags: int = 0, mode: str = "exec") -> Any:
        code = compile(source, self._filename(), mode, self._flags | flags, dont_inherit=True)
        if not flags & ast.PyCF_ONLY_AST:
            self._flags |= code.co_flags & _FUTURE
        return code

    def _call(self, code: CodeType) -> Any:
        value = eval(code, self.user_ns)
        if not code.co_flags & CO_COROUTINE:
            return value
        if self._loop is None:
            import asyncio

            self._loop = asyncio.Runner()  # one loop for all cells: tasks started in one go on in the next
        return self._loop.run(value)

    # -- what the notebook can ask of get_ipython() --

    def run_line_magic(self, name: str, line: str) -> Any:
        """`%name line`. Raises NotImplementedError for a magic that is not handled here."""
        if name in _SKIPPED:
            if (name, line) != ("load_ext", "dezero_c"):
                self._skip(f"%{name} {line}".rstrip())
            return None
        if name == "pinfo":
            self._skip(f"{line}?")
            return None
        at = sys._getframe(1).f_lineno - 1
        if name == "time":
            return self._time(lambda: self._statement(line, at))
        if name == "timeit":
            return self._timeit(line, "", at)
        raise NotImplementedError(f"cell {self.number}: %{name} is not known outside Jupyter; take the line out")

    def run_cell_magic(self, name: str, line: str, cell: str, above: int = 0) -> None:
        """`%%name line` over the lines of `cell`. Raises NotImplementedError for a magic that is not handled here."""
        if name == "time":
            self._time(lambda: self._run_cell(f"{line}\n{cell}" if line else cell, above - bool(line)))
        elif name == "timeit":
            self._timeit(line, cell, above)
        elif name == "capture" and not line:
            with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
                self._run_cell(cell, above)
        elif name == "dezero_profile":
            from dezero_c._profiling import _command

            with _command.reporting(_command.magic_options(line), sys.stdout):
                self._run_cell(cell, above)
        else:
            head = f"%%{name} {line}".rstrip()
            raise NotImplementedError(f"cell {self.number}: {head} is not known outside Jupyter; take the cell out")

    def system(self, command: str) -> None:
        """`!command`. Installing is skipped; raises NotImplementedError for everything else."""
        if not _INSTALLS.search(command):
            reason = "is a shell command, and none is run here; take the line out"
            raise NotImplementedError(f"cell {self.number}: !{command} {reason}")
        self._skip(f"!{command}")

    getoutput = system

    def _skip(self, what: str) -> None:
        print(f"dezero_c: cell {self.number} of {os.path.basename(self.path)}: skipped {what}", file=sys.stderr)

    def _statement(self, line: str, at: int) -> Any:
        """Run one statement that stands `at` lines into the cell; the value of an expression."""
        source = "\n" * at + line
        tree = self._compile(source, ast.PyCF_ONLY_AST)
        if len(tree.body) == 1 and isinstance(tree.body[0], ast.Expr):
            return self._call(self._compile(ast.Expression(tree.body[0].value), mode="eval"))
        return self._call(self._compile(tree))

    def _time(self, run: Callable[[], Any]) -> Any:
        wall, cpu = time.perf_counter(), time.process_time()
        value = run()
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        print(f"CPU time: {_seconds(cpu)}\nWall time: {_seconds(wall)}")
        return value

    def _timeit(self, line: str, cell: str, at: int) -> None:
        number, repeat, statement = 0, 7, line
        while option := re.match(r"-([nr])\s*(\d+)\s*", statement):
            number, repeat = (int(option[2]), repeat) if option[1] == "n" else (number, int(option[2]))
            statement = statement[option.end() :]
        if statement.startswith("-"):
            raise NotImplementedError(f"cell {self.number}: of %timeit's options only -n and -r are known: {statement}")
        setup, statement = (statement, to_python(cell)) if cell else ("", statement)
        # Compiled first under the cell's name: a mistake in it is reported there, not inside timeit's template.
        self._compile("\n" * at + statement)
        timer = timeit.Timer(statement, setup or "pass", globals=self.user_ns)
        number = number or timer.autorange()[0]
        runs = [spent / number for spent in timer.repeat(max(repeat, 1), number)]
        mean, spread = _seconds(statistics.mean(runs)), _seconds(statistics.pstdev(runs))
        print(f"{mean} ± {spread} per loop (mean ± std. dev. of {len(runs)} runs, {number:,} loops each)")


def _seconds(value: float) -> str:
    """A duration in seconds, readable: three digits and a fitting unit."""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6)):
        if value >= size:
            return f"{value / size:.3g} {unit}"
    return f"{value * 1e9:.3g} ns"
