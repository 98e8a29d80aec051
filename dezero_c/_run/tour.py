"""`python -m dezero_c tour`: the book's first chapter in six steps, each value computed while you look.

Owns the text and the snippets, and runs exactly what it shows. The classes are those of `dezero_c.chapter1`.
"""

from __future__ import annotations

import contextlib
import io
import textwrap
from typing import TYPE_CHECKING

from dezero_c import dropin

if TYPE_CHECKING:
    from typing import Any

# (heading, what to see, the code that is shown and run); the snippets share one namespace, as a notebook's cells do.
SECTIONS = [
    (
        "1. Variable: a box around an array",
        "Everything that follows is computed on Variables. A Variable holds a NumPy array, and will remember more.",
        """\
        import numpy as np
        from chapter1 import *

        x = Variable(np.array(1.0))
        print(x.data, x.data.ndim)
        """,
    ),
    (
        "2. Function: Variables in, Variables out",
        "Square and Exp are Functions. Calling one computes a value and wraps it in a new Variable.",
        """\
        x = Variable(np.array(10))
        f = Square()
        y = f(x)
        print(y.data, type(y))
        """,
    ),
    (
        "3. Composition: calls make a graph",
        "Chained calls compute y = (exp(x ** 2)) ** 2, and each result knows the Function that made it.",
        """\
        A, B, C = Square(), Exp(), Square()
        x = Variable(np.array(0.5))
        a = A(x)
        b = B(a)
        y = C(b)
        print(y.data)
        print(y.creator is C, y.creator.input is b)
        """,
    ),
    (
        "4. Numerical differentiation: slow, inexact, independent",
        """\
        The slope from two nearby points, (f(x + eps) - f(x - eps)) / (2 * eps): good for checking what follows. (The
        notebook
        shows 1e-8 times this number: its helper divides by 2 and then multiplies by eps.)""",
        """\
        def f(x):
            return square(exp(square(x)))

        dy = numerical_diff(f, Variable(np.array(0.5)))
        print(dy)
        """,
    ),
    (
        "5. Backward by hand: the chain rule",
        "Each Function knows its own derivative. Starting from dy/dy = 1, walk the graph from its end to its start.",
        """\
        y.grad = np.array(1.0)
        b.grad = C.backward(y.grad)
        a.grad = B.backward(b.grad)
        x.grad = A.backward(a.grad)
        print(x.grad)
        """,
    ),
    (
        "6. Backward, automatically",
        "The graph knows that order itself. One call gives the exact derivative, close to the numerical one.",
        """\
        x = Variable(np.array(0.5))
        y = square(exp(square(x)))
        y.backward()
        print(x.grad)
        print("differs from the numerical one by", abs(x.grad - dy))
        """,
    ),
]

ENDING = """\
What next
  run your own program or notebook, unmodified:   python -m dezero_c program.py | notebook.ipynb
  use the full API in new code:                   import dezero_c as dezero
  see what it runs on here:                       python -m dezero_c info
"""


def main() -> int:
    """Print the tour; the exit status is 0. An error in a snippet is raised as it comes."""
    was_installed = dropin._installed() is not None
    dropin.install()
    try:
        namespace = {"__name__": "__tour__"}
        for heading, text, code in SECTIONS:
            code = textwrap.dedent(code)
            print(f"{heading}\n{'-' * len(heading)}\n{textwrap.fill(' '.join(text.split()), 100)}\n")
            print(textwrap.indent(code, "    "))
            for line in _run(code, namespace).splitlines():
                print(f"    -> {line}")
            print()
    finally:
        if not was_installed:
            dropin.uninstall()
    print(ENDING, end="")
    return 0


def _run(code: str, namespace: dict[str, Any]) -> str:
    """Execute a snippet; what it printed."""
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(compile(code, "<tour>", "exec", dont_inherit=True), namespace)
    return output.getvalue()
