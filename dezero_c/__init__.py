"""dezero_c: DeZero at C speed.

The define-by-run automatic differentiation of the book Deep Learning from Scratch 3, on a compiled core. The names are
DeZero's: `Variable`, `Function`, `functions as F`; `install()` makes `import dezero` resolve here.
"""

try:
    from dezero_c import _core
except ModuleNotFoundError as _error:
    if _error.name != "dezero_c._core":
        raise
    raise ImportError(
        f"the compiled engine is missing from {__path__[0]}: this looks like a source checkout. Install it "
        "(`pip install .`) and start Python in another directory, so that the installed package is found."
    ) from None

from dezero_c import _ops, _protocols, chapter1, core, core_simple, functions
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

__version__ = "0.1.0"

__all__ = [
    "Config", "Function", "Parameter", "Variable", "as_array", "as_variable", "core", "functions", "install",
    "load_ipython_extension", "no_grad", "setup_variable", "test_mode", "uninstall", "unload_ipython_extension",
    "using_config",
]
