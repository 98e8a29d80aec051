"""`python -m dezero_c --profile` and `%%dezero_profile`: options, and where the report goes."""

from __future__ import annotations

import shlex
import sys
from typing import TYPE_CHECKING

from dezero_c._profiling import profile
from dezero_c._profiling._report import ORDERS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import IO, Any

__all__ = ["Options", "cell_magic", "reporting"]


class Options:
    """The options that stand before a program: --sort KEY, --top N, --html FILE, --json FILE, also as --sort=KEY. ValueError says
    what is wrong with them."""

    def __init__(self) -> None:
        self.sort, self.top = "total", 20
        self.html: str | None = None
        self.json: str | None = None

    def take(self, args: list[str]) -> list[str]:
        """Reads the options; the arguments that are left."""
        while args and args[0].partition("=")[0] in ("--sort", "--top", "--html", "--json"):
            name, equals, value = args[0].partition("=")
            args = args[1:]
            if not equals:
                if not args:
                    raise ValueError(f"{name} needs a value")
                value, args = args[0], args[1:]
            if name == "--sort" and value not in ORDERS:
                raise ValueError(f"--sort {value}: sort by one of {', '.join(ORDERS)}")
            if name == "--top":
                if not value.isdecimal() or int(value) < 1:
                    raise ValueError(f"--top {value}: give a number of rows, 1 or more")
                self.top = int(value)
            else:
                setattr(self, name[2:], value)
        return args


class reporting:
    """A profile of a block, whose report is printed and written when the block ends, in whatever way."""

    def __init__(self, options: Options, file: IO[str] | None = None, name: Callable[[str], str] | None = None) -> None:
        self._options, self._file, self._profile, self._name = options, file, profile(), name

    def __enter__(self) -> profile:
        return self._profile.__enter__()

    def __exit__(self, *_: object) -> None:
        p, options = self._profile, self._options
        p.__exit__()
        if self._name is not None:
            p._rename(self._name)
        file = self._file or sys.stderr
        text = p.table(options.sort, options.top)
        try:
            print(text, end="", file=file)
        except UnicodeEncodeError:      # a terminal without the sign for what was cut
            print(text.encode("ascii", "replace").decode(), end="", file=file)
        for path, write in ((options.html, p.html), (options.json, p.json)):
            if path is not None:
                try:
                    write(path)
                except OSError as error:
                    print(f"dezero_c: the report was not written to {path}: {error.strerror}", file=sys.stderr)


def cell_magic(ip: Any) -> Any:
    """`%%dezero_profile [options]` for an IPython shell: the cell runs, and its report is printed below it."""
    def dezero_profile(line: str, cell: str) -> None:
        options = magic_options(line)
        with reporting(options, sys.stdout, lambda place: _of_cells(ip, place)):
            ip.run_cell(cell if cell.startswith("%%") else f"# %%dezero_profile {line}\n{cell}")     # the lines as they are seen
    return dezero_profile


def _of_cells(ip: Any, place: str) -> str:
    """file:line, for a line of a cell by the cell's number, "In[3], line 2"; the program knows it as a file of a random name. The
    cell under way has the number that IPython is at, which is the next one in some versions."""
    file, _, line = place.rpartition(":")
    named = getattr(getattr(ip, "compile", None), "format_code_name", None)
    found = named(file) if callable(named) else None
    if found is None:
        return place
    return f"{'this cell' if found[1] == f'In[{ip.execution_count}]' else found[1]}, line {line}"


def magic_options(line: str) -> Options:
    """The options in a magic's line. Raises ValueError for others."""
    options = Options()
    if rest := options.take(shlex.split(line)):
        raise ValueError(f"%%dezero_profile: {rest[0]} is not known; it has --sort KEY, --top N, --html FILE and --json FILE")
    return options
