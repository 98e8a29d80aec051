"""dezero_c: DeZero at C speed.

The define-by-run automatic differentiation of the book Deep Learning from Scratch 3, on a compiled core. The names are
DeZero's: `Variable`, `Function`, `functions as F`; `install()` makes `import dezero` resolve here.
"""

import os as _os
import sys as _sys
import typing as _typing_module


def _installed() -> str | None:
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
else:
    # After a reload the path is that of the checkout again, while the engine is there already.
    if (_folder := _os.path.dirname(_core.__file__)) not in __path__:
        __path__[:] = [_folder]

from dezero_c import (
    _array_object,
    _copying,
    _lost,
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
from dezero_c._core import get_flush_denormal, get_num_threads, set_flush_denormal, set_num_threads
from dezero_c._dlpack import from_dlpack
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
from dezero_c.dropin import install, load_ipython_extension, module_of_the_program, uninstall, unload_ipython_extension
from dezero_c.layers import Layer

# What half of all programs never ask for is imported when it is asked for: {name: its module}.
_LATER = {
    "CaptureError": "_capture", "DataLoader": "dataloaders", "Dataset": "datasets", "History": "history", "Model": "models",
    "SeqDataLoader": "dataloaders", "capture": "_capture", "debug": "_debugging",
    "profile": "_profiling", "array_api": "", "func": "", "optimize": "",
    "dataloaders": "", "datasets": "", "history": "", "models": "", "mpi": "", "progress": "history", "transforms": "",
    "fit": "training", "training": "",
}


if _typing_module.TYPE_CHECKING:
    from dezero_c import array_api, dataloaders, datasets, func, history, models, mpi, optimize, training, transforms
    from dezero_c._capture import CaptureError, capture
    from dezero_c._debugging import debug
    from dezero_c._profiling import profile
    from dezero_c.dataloaders import DataLoader, SeqDataLoader
    from dezero_c.datasets import Dataset
    from dezero_c.history import History, progress
    from dezero_c.models import Model
    from dezero_c.training import fit
else:       # a type checker would take this for a promise that every name exists
    def __getattr__(name):
        if name not in _LATER:
            if (module := module_of_the_program(name)) is not None:
                return module
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        import importlib

        module = importlib.import_module(f"{__name__}.{_LATER[name] or name}")
        value = globals()[name] = getattr(module, name) if _LATER[name] else module
        return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_LATER})


__version__ = "0.2.0"
dezero = _sys.modules[__name__]     # which `from dezero import *` brings along
is_simple_core = False      # True in the package that install(simple_core=True) shows, for the book's steps 23 to 32

__all__ = [
    "CaptureError", "Config", "DataLoader", "Dataset", "Function", "History", "Layer", "Model", "Parameter", "SeqDataLoader",
    "Variable", "as_array", "as_variable", "capture", "core", "cuda", "dataloaders", "datasets", "debug", "dezero",
    "fit", "from_dlpack", "func", "functions", "functions_conv", "get_flush_denormal", "get_num_threads", "history", "install",
    "is_simple_core", "layers", "load_ipython_extension", "models", "no_grad", "optimizers", "profile", "progress",
    "set_flush_denormal", "set_num_threads", "setup_variable", "test_mode", "training", "transforms", "uninstall",
    "unload_ipython_extension", "using_config", "utils",
]
