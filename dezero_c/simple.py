"""The package as the book has it in steps 23 to 32: `import dezero` after `install(simple_core=True)`.

Gradients are ndarrays and there is one order of them. The modules below it are the same as ever.
"""

import dezero_c
from dezero_c.core_simple import (
    Config,
    Function,
    Variable,
    as_array,
    as_variable,
    no_grad,
    setup_variable,
    using_config,
)

__all__ = [
    "Config", "Function", "Variable", "as_array", "as_variable", "is_simple_core", "no_grad", "setup_variable", "using_config",
]

__path__ = dezero_c.__path__    # so that `import dezero.utils` takes this for a package
is_simple_core = True
