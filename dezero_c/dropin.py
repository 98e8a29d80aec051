"""The drop-in: `import dezero` and `import chapter1` answered by dezero_c, for unmodified programs.

Owns the import hook and the promise to undo it. What the names mean is decided in the modules that they lead to;
running whole programs this way is `python -m dezero_c`. Only the standard library is imported, and only what NumPy
loads anyway, because every `import dezero_c` pays for this file.
"""

from __future__ import annotations

import importlib
import os
import sys
from importlib.machinery import ModuleSpec, PathFinder
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any

__all__ = ["install", "load_ipython_extension", "uninstall", "unload_ipython_extension"]

_PACKAGE = __name__.partition(".")[0]


def _target(fullname: str) -> str | None:
    """The module of dezero_c that answers for `fullname`, or None where the drop-in has no say."""
    if fullname == "chapter1":
        return f"{_PACKAGE}.chapter1"
    head, _, rest = fullname.partition(".")
    if head != "dezero":
        return None
    return f"{_PACKAGE}.{rest}" if rest else _PACKAGE


class _AliasLoader:
    """Puts the one existing module under a second name.

    The import system fills `__spec__` and friends into whatever `create_module` returns. So it gets an empty module to
    write on, and `exec_module` swaps the real one into `sys.modules`, from where the import takes its result: the real
    module is never touched, and reloading and pickling go on under its own name.
    """

    def __init__(self, finder: _Finder, target: str) -> None:
        self._finder = finder
        self._target = target

    def create_module(self, spec: ModuleSpec) -> None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        alias = module.__spec__.name  # type: ignore[union-attr]    # the import system has set it
        real = importlib.import_module(self._target)
        self._finder.added[alias] = real
        sys.modules[alias] = real


class _Finder:
    """Answers for `dezero`, `dezero.<anything>` and `chapter1`; remembers what `uninstall` has to put back."""

    _dezero_c_dropin = True  # recognised by this mark, so that a reloaded module finds the finder of the first load

    def __init__(self) -> None:
        self.added: dict[str, ModuleType] = {}
        self.displaced: dict[str, ModuleType] = {}
        self.local: set[str] = set()        # modules of the program's own `dezero` folder
        self.simple_core = False

    def target(self, fullname: str) -> str | None:
        return f"{_PACKAGE}.simple" if fullname == "dezero" and self.simple_core else _target(fullname)

    def find_spec(self, fullname: str, path: Sequence[str] | None = None,
                  target: ModuleType | None = None) -> ModuleSpec | None:
        name = self.target(fullname)
        if name is None:
            return None
        if fullname.rpartition(".")[0] in self.local:
            self.local.add(fullname)
            return PathFinder.find_spec(fullname, path)
        from importlib.util import find_spec

        real = find_spec(name)
        if real is None:
            if (own := self.of_the_program(fullname)) is not None:
                self.local.add(fullname)
                where = own.origin or [*(own.submodule_search_locations or ())]
                print(f"dezero_c: has no {name}, and takes {fullname} from {where}", file=sys.stderr)
                return own
            raise ModuleNotFoundError(
                f"No module named {fullname!r}: dezero_c, which stands in for dezero here, has no {name}",
                name=fullname,
            )
        is_package = real.submodule_search_locations is not None
        loader: Any = _AliasLoader(self, name)
        return ModuleSpec(fullname, loader, origin=real.origin, is_package=is_package)

    def of_the_program(self, fullname: str) -> ModuleSpec | None:
        """`dezero.trainer` of a `dezero` folder on sys.path: what a program added to a DeZero of its own. What it imports from
        dezero is dezero_c's."""
        return PathFinder.find_spec(fullname, [os.path.join(entry, "dezero") for entry in sys.path])


def _installed() -> Any:
    """The finder at work, or None."""
    return next((finder for finder in sys.meta_path if getattr(finder, "_dezero_c_dropin", False)), None)


def module_of_the_program(name: str) -> ModuleType | None:
    """What `from dezero import <name>` means where dezero_c has no such name, and the program's own `dezero` folder has the
    module; None where it has not, or the drop-in is not at work."""
    finder, fullname = _installed(), f"dezero.{name}"
    if finder is None or name.startswith("_") or (fullname not in finder.local and finder.of_the_program(fullname) is None):
        return None
    return importlib.import_module(fullname)


def _is_ours(name: str, module: ModuleType | None) -> bool:
    if name in getattr(_installed(), "local", ()):
        return True
    ours = [_target(name), f"{_PACKAGE}.simple"] if name == "dezero" else [_target(name)]
    return module is not None and any(module is sys.modules.get(each or "") for each in ours)


def install(simple_core: bool = False) -> None:
    """Let `import dezero`, `import dezero.<module>` and `import chapter1` give the modules of dezero_c.

    The very same modules, not copies: `dezero.Variable is dezero_c.Variable`. They win over a `chapter1.py` in the
    working directory and over a DeZero anywhere on `sys.path`. A `chapter1` that is already imported is set aside until
    `uninstall`; names taken from it before (`from chapter1 import *`) stay what they were, so run such a line again.
    Calling twice is harmless. A module that dezero_c lacks comes from the program's own `dezero` folder (anywhere on
    `sys.path`), and stderr says so.

    simple_core: `dezero` is what the book has in steps 23 to 32 (`dezero.is_simple_core`): its Variable's gradients are
    ndarrays. Names imported before, by a call that said otherwise, stay what they were.

    Raises ImportError, and changes nothing, if the real `dezero` is already imported: its Variables and those of
    dezero_c do not mix.
    """
    strangers = {}
    for name, module in list(sys.modules.items()):
        if (_target(name) or name.startswith("chapter1.")) and not _is_ours(name, module):
            strangers[name] = module
    for name in sorted(strangers):
        if name.startswith("dezero") and strangers[name] is not None:
            where = getattr(strangers[name], "__file__", None) or "unknown place"
            raise ImportError(
                f"another {name!r} is already imported (from {where}), and its Variables do not mix with those of "
                "dezero_c. Call dezero_c.install() before the first `import dezero`, in a fresh interpreter (in a "
                "notebook: restart the kernel); or run the program as `python -m dezero_c program.py`",
                name=name,
            )
    finder = _installed() or _Finder()
    if getattr(finder, "simple_core", False) != simple_core:
        finder.simple_core = simple_core
        if "dezero" not in strangers:
            sys.modules.pop("dezero", None)
    for name, module in strangers.items():
        finder.displaced.setdefault(name, module)
        del sys.modules[name]
    if sys.meta_path[:1] != [finder]:
        sys.meta_path[:] = [finder, *(other for other in sys.meta_path if other is not finder)]


def wants_simple_core() -> bool:
    """Whether the drop-in at work is the book's steps 23 to 32; False when none is."""
    return getattr(_installed(), "simple_core", False)


def uninstall() -> None:
    """Undo `install`: `dezero` and `chapter1` mean again what they meant before. Harmless if nothing is installed."""
    finder = _installed()
    if finder is None:
        return
    sys.meta_path.remove(finder)
    for name, module in finder.added.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    for name in finder.local:
        own = sys.modules.pop(name, None)
        parent = sys.modules[_PACKAGE].__dict__
        if parent.get(name.rpartition(".")[2]) is own is not None:
            del parent[name.rpartition(".")[2]]
    sys.modules.update(finder.displaced)


def load_ipython_extension(ip: Any) -> None:
    """`%load_ext dezero_c`: `install()`. Silent, but for a line on stderr if a `chapter1` had been imported before."""
    before = sys.modules.get("chapter1")
    install()
    if hasattr(ip, "register_magic_function"):
        def dezero_profile(line: str, cell: str) -> None:
            from dezero_c._profiling import _command

            _command.cell_magic(ip)(line, cell)

        ip.register_magic_function(dezero_profile, "cell", "dezero_profile")
    if before is not None and not _is_ours("chapter1", before):
        print("dezero_c: takes the place of the chapter1 imported before; import its names again", file=sys.stderr)


def unload_ipython_extension(ip: Any) -> None:
    """`%unload_ext dezero_c`: `uninstall()`."""
    uninstall()
