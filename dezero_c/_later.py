"""Modules that DeZero's modules import at their head and ours only when somebody asks: `from dezero.datasets import plt`."""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import NoReturn

_PACKAGES = {"PIL": "pillow"}       # what to install for a module of another name


class Missing(ModuleType):
    """Stands for a module that is not installed, so that `from dezero.datasets import *` works without it."""

    def __getattr__(self, name: str) -> NoReturn:
        if name.startswith("__"):       # what the interpreter and inspect ask every module
            raise AttributeError(name)
        root = self.__name__.partition(".")[0]
        package = _PACKAGES.get(root, root)
        raise ImportError(f"{self.__name__}.{name} needs {package}, which is not installed: pip install {package}",
                          name=self.__name__)


def modules(owner: str, table: dict[str, str]) -> tuple[Callable[[str], ModuleType], Callable[[], list[str]]]:
    """`__getattr__` and `__dir__` of module `owner`: {name: the module that it means}; `{"urllib": "urllib.request"}` gives
    urllib."""

    def find(name: str) -> ModuleType:
        if name not in table:
            raise AttributeError(f"module {owner!r} has no attribute {name!r}")
        target = table[name]
        try:
            module = importlib.import_module(target)
        except ImportError:
            module = Missing(target)
        else:
            module = sys.modules[name] if target.startswith(f"{name}.") else module
        setattr(sys.modules[owner], name, module)
        return module

    return find, lambda: sorted({*vars(sys.modules[owner]), *table})
