"""Runs programs with the drop-in on: scripts, modules and notebooks, each as `python` (or Jupyter) would have run it.

Owns what surrounds a program: `__main__`, `sys.argv`, `sys.path[0]`, exit status, and tracebacks that show the
program's frames alone. What is in a notebook and how a cell runs is notebook.py; what `import dezero` means is
`dropin`. What the runner itself has to say goes to stderr: stdout belongs to the program.
"""

from __future__ import annotations

import builtins
import importlib.util
import os
import runpy
import sys
import traceback
from importlib.machinery import SourceFileLoader
from types import ModuleType, TracebackType
from typing import TYPE_CHECKING

from dezero_c import dropin

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

# Frames of these modules are never the program's; those of the second row only before the program's first frame.
_OWN = frozenset({"dezero_c._run.runner", "dezero_c._run.notebook", "dezero_c.dropin"})
_STARTERS = frozenset(
    {
        *("runpy", "importlib", "importlib.util", "importlib._bootstrap", "importlib._bootstrap_external"),
        *("asyncio.runners", "asyncio.base_events"),  # these two lead to a cell's `await`
    }
)


def run_script(path: str, args: list[str]) -> int:
    """Run the script `path` as `python path args...` does. Returns the exit status unless the program raises."""
    if os.path.isdir(path) or path.endswith((".zip", ".pyz", ".pyc")):
        return _run_bundle(path, args)
    try:
        with open(path, "rb") as file:
            source = file.read()
    except OSError as exc:
        return fail(f"can't open file {path!r}: {exc.strerror}", 2)
    if not _prepare([path, *args], os.path.dirname(os.path.realpath(path))):
        return 1
    filename = os.path.abspath(path)
    main = main_module()
    main.__file__ = filename
    main.__loader__ = SourceFileLoader("__main__", filename)
    with Reporting():
        try:
            code = compile(source, filename, "exec", dont_inherit=True)
        except SyntaxError:
            from dezero_c._run import notebook

            try:
                text = notebook.script_without_magics(importlib.util.decode_source(source), os.path.basename(path))
            except (SyntaxError, UnicodeDecodeError):   # of the encoding
                text = None
            if text is None:
                raise
            code = compile(text, filename, "exec", dont_inherit=True)
        exec(code, main.__dict__)
    return 0


def run_module(name: str, args: list[str]) -> int:
    """Run a module as `python -m name args...` does. Returns the exit status unless the program raises."""
    if not _prepare(["-m", *args], None):
        return 1
    try:
        with Reporting():
            runpy.run_module(name, run_name="__main__", alter_sys=True)
    except ImportError as exc:
        if _program_frames(exc.__traceback__) is not None:
            raise
        return fail(str(exc), 1)  # nothing of the program has run: there is no such module
    return 0


def run_notebook(path: str, args: list[str]) -> int:
    """Run the code cells of the notebook `path` in order, in its directory, as Jupyter's "Restart and run all" does."""
    from dezero_c._run import notebook

    try:
        cells = notebook.read_cells(path)
    except OSError as exc:
        return fail(f"can't open file {path!r}: {exc.strerror}", 2)
    except ValueError as exc:
        return fail(str(exc), 2)
    path = os.path.abspath(path)
    directory = os.path.dirname(path)
    if not _prepare([path, *args], directory):
        return 1
    os.chdir(directory)
    shell = notebook.Shell(path, main_module().__dict__)
    with Reporting(lambda: f"error in cell {shell.number} of {os.path.basename(path)}"):
        shell.run(cells)
    return 0


def _run_bundle(path: str, args: list[str]) -> int:
    """A directory or an archive with a `__main__.py`, or a compiled file."""
    if not os.path.exists(path):
        return fail(f"can't open file {path!r}: No such file or directory", 2)
    if not _prepare([path, *args], path if not path.endswith(".pyc") else os.path.dirname(os.path.realpath(path))):
        return 1
    try:
        with Reporting():
            runpy.run_path(path, run_name="__main__")
    except ImportError as exc:
        if _program_frames(exc.__traceback__) is not None:
            raise
        return fail(str(exc), 1)
    return 0


def say(message: str) -> None:
    """One line of the runner's own, on stderr."""
    print(f"dezero_c: {message}", file=sys.stderr)


def fail(message: str, status: int) -> int:
    """Say why nothing (more) is run; gives back the exit status."""
    say(message)
    return status


def _prepare(argv: list[str], directory: str | None) -> bool:
    """Put the drop-in, `sys.argv` and `sys.path[0]` in place; False, with a message, if the drop-in is refused."""
    try:
        dropin.install(dropin.wants_simple_core())
    except ImportError as exc:
        fail(str(exc), 1)
        return False
    _SpawnWatch.start()
    sys.argv[:] = argv
    if directory is not None and not sys.flags.safe_path:
        sys.path[:1] = [directory]
    return True


def main_module() -> Any:
    """A fresh `__main__`, left in place for good: pickles, worker processes and `python -i` look it up later."""
    main: Any = ModuleType("__main__")
    main.__builtins__ = builtins
    if "__annotations__" in vars(sys.modules["__main__"]):  # a matter of the Python version
        main.__annotations__ = {}
    main.__loader__ = None
    main.__cached__ = None
    sys.modules["__main__"] = main
    return main


def _program_frames(tb: TracebackType | None) -> TracebackType | None:
    """The traceback without the runner's frames; None if the program has none in it."""
    kept: list[TracebackType] = []
    while tb is not None:
        module = tb.tb_frame.f_globals.get("__name__")
        if module not in _OWN and (kept or module not in _STARTERS):
            kept.append(tb)
        tb = tb.tb_next
    result = None
    for tb in reversed(kept):
        same = tb.tb_next is result
        result = tb if same else TracebackType(result, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
    return result


class Reporting:
    """Lets an exception of the program end the interpreter in the usual way, its traceback cut to the program's frames.

    The exception goes on to the interpreter, which knows best about exit codes, SIGINT and `python -i`. Only the hook
    that prints is wrapped, around the one that the program may have set itself.
    """

    def __init__(self, headline: Callable[[], str] | None = None) -> None:
        self._headline = headline  # for notebooks: a function that names the cell

    def __enter__(self) -> Reporting:
        return self

    def __exit__(self, kind: type[BaseException] | None, exc: BaseException | None, tb: TracebackType | None) -> None:
        if exc is None or isinstance(exc, SystemExit):
            return
        frames = _program_frames(tb)
        inner: Any = sys.excepthook
        headline = self._headline and self._headline()

        def hook(kind: type[BaseException], value: BaseException, tb: TracebackType | None) -> Any:
            sys.excepthook = inner
            if value is not exc:
                return inner(kind, value, tb)
            sys.last_traceback = frames
            value.__traceback__ = frames
            if headline:
                say(headline)
                # The interpreter's own printer reads source lines from files only (before 3.13), and cells are in none.
                if inner is sys.__excepthook__:
                    return traceback.print_exception(value)
            return inner(kind, value, frames)

        sys.excepthook = hook


class _Join:
    """Turns the drop-in on where it is unpickled: in a worker process, before that imports the program."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _join, (dropin.wants_simple_core(),)


def _join(simple_core: bool) -> None:
    dropin.install(simple_core)
    _SpawnWatch.start()


class _SpawnWatch:
    """Takes the drop-in into worker processes that multiprocessing starts afresh (spawn, forkserver).

    Such a worker imports the program again, so it would meet a plain ModuleNotFoundError, or a real DeZero. Waits for
    the import of `multiprocessing.spawn` rather than importing it, which takes 15 ms that few programs have a use for.
    """

    _WATCHED = "multiprocessing.spawn"

    @classmethod
    def start(cls) -> None:
        if cls._WATCHED in sys.modules:
            cls._attach(sys.modules[cls._WATCHED])
        elif not any(isinstance(finder, cls) for finder in sys.meta_path):
            sys.meta_path.insert(1, cls())

    def find_spec(self, fullname: str, path: Any = None, target: ModuleType | None = None) -> Any:
        if fullname != self._WATCHED:
            return None
        sys.meta_path.remove(self)
        spec: Any = importlib.util.find_spec(fullname)
        if spec is not None:
            execute = spec.loader.exec_module

            def exec_module(module: ModuleType) -> None:
                execute(module)
                self._attach(module)

            spec.loader.exec_module = exec_module
        return spec

    @staticmethod
    def _attach(spawn: Any) -> None:
        original = spawn.get_preparation_data
        if getattr(original, "_dezero_c", False):
            return

        def get_preparation_data(name: str) -> dict[str, Any]:
            return {**original(name), "dezero_c": _Join()} if dropin._installed() else original(name)

        get_preparation_data._dezero_c = True  # type: ignore[attr-defined]
        spawn.get_preparation_data = get_preparation_data
