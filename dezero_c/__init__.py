"""dezero_c: DeZero at C speed.

The define-by-run automatic differentiation of the book Deep Learning from Scratch 3, on a compiled core. The names are
DeZero's: `Variable`, `Function`, `functions as F`; `install()` makes `import dezero` resolve here.
"""

import os as _os
import sys as _sys


def _installed():
    """Where on sys.path the installed package lies, if this is a source checkout that hides it; else None."""
    for entry in _sys.path:
        folder = _os.path.join(_os.path.abspath(entry or "."), "dezero_c")
        try:
            if any(name.startswith("_core.") and name.endswith((".so", ".pyd")) for name in _os.listdir(folder)):
                return folder
        except OSError:
            pass
    return None


try:
    import dezero_c._core as _core
except ModuleNotFoundError as _error:
    if _error.name != "dezero_c._core":
        raise
    # `python -m pytest` or `python -m dezero_c` in a checkout: the working directory comes first on sys.path, and the
    # folder here has no compiled engine. All submodules come from the installed package then.
    if (_folder := _installed()) is None:
        raise ImportError(
            f"the compiled engine is missing from {__path__[0]}, and no installed dezero_c was found either; "
            "install it with `python -m pip install .` in the checkout"
        ) from None
    __path__[:] = [_folder]
    import dezero_c._core as _core

from dezero_c import (
    _copying,
    _ops,
    _protocols,
    chapter1,
    core,
    core_simple,
    cuda,
    functions,
    functions_conv,
    layers,
    optimizers,
    utils,
)
from dezero_c.core import (
    Config,
    Function,
    Parameter,
    Variable,
    as_array,
    as_variable,
    no_grad,
    setup_variable,
    test_mode,
    using_config,
)
from dezero_c.dropin import install, load_ipython_extension, uninstall, unload_ipython_extension
from dezero_c.layers import Layer

__version__ = "0.1.0"

__all__ = [
    "Config", "Function", "Parameter", "Variable", "as_array", "as_variable", "core", "functions",
    "functions_conv", "install", "load_ipython_extension", "no_grad", "setup_variable", "test_mode",
    "uninstall", "unload_ipython_extension", "using_config", "utils",
]
