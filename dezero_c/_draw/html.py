"""What a notebook shows of a Variable: a small table, and the graph behind it as SVG.

Everything that comes from the user's program (names, values, classes) is escaped. The cost does not grow
with the array.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c._draw.svg import Drawing, escaped
from dezero_c._draw.trace import label

if TYPE_CHECKING:
    from typing import Any

    from dezero_c._core import Function, Variable

__all__ = ["graph_svg", "variable_html"]

_WHOLE = 60        # elements up to which an array is shown in full
_LINES, _CHARACTERS = 12, 1600
_INPUTS = 6

# Colours come from the notebook's theme: only the lines and the faded words have their own, fit for light and dark.
_CELL = "color:inherit;text-align:left;vertical-align:top;padding:2px 10px;border:none"
_TABLE = "border:none;border-collapse:collapse;margin:2px 0 0 0;color:inherit;font-size:inherit"
_FADED = "color:#888"
_PRE = "color:inherit;margin:0;padding:0;background:none;white-space:pre;font-size:12px;line-height:1.35"


def variable_html(v: Variable) -> str:
    """The HTML of a Variable, for `_repr_html_`: class, name, shape, dtype, a short look at the values, at the gradient
    if there is one, and the Function that made it with the shapes of its inputs."""
    name, about = label(v)
    head = f"<b>{escaped(type(v).__name__)}</b>"
    if name:
        head += f" <b>{escaped(_cut(name))}</b>"
    head += f' <span style="{_FADED}">{escaped(about or "without data")}</span>'
    rows = []
    if about:
        rows.append(("data", _pre(_look(v.data))))
    grad = v.grad
    if grad is not None:
        rows.append(("grad", _gradient(grad)))
    if v.creator is not None:
        rows.append(("creator", _creator(v.creator)))
    body = "".join(f'<tr style="background:none"><td style="{_CELL};{_FADED}">{key}</td>'
                   f'<td style="{_CELL}">{value}</td></tr>' for key, value in rows)
    table = f'<table style="{_TABLE}">{body}</table>' if body else ""
    return (f'<div style="border-left:3px solid #e8940c;padding:1px 0 1px 10px;overflow-x:auto">{head}{table}</div>')


def graph_svg(v: Variable, verbose: bool = True) -> str:
    """The graph behind a Variable as SVG text, for a notebook. verbose: shape and dtype besides the names. Of a graph
    with more than 2,000 nodes only those next to v are drawn, and the picture says so. Raises TypeError where v is no
    Variable."""
    if not hasattr(v, "creator"):
        raise TypeError(f"graph_svg: v must be a Variable, not {type(v).__name__}")
    return Drawing(v, verbose).svg()


def _cut(text: str, most: int = 60) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"


def _pre(text: str) -> str:
    return f'<pre style="{_PRE}">{escaped(text)}</pre>'


def _gradient(grad: Any) -> str:
    """Shape and values of a gradient: a Variable, or an ndarray in the book's early steps."""
    about = label(grad)[1]
    if not about:
        return "without data"
    look = _pre(_look(getattr(grad, "data", grad) if not isinstance(grad, np.ndarray) else grad))
    return f'<span style="{_FADED}">{escaped(about)}</span>{look}'


def _creator(function: Function) -> str:
    inputs = []
    for x in (_core.inputs_of(function) or ())[:_INPUTS]:
        name, about = label(x)
        shape = about.rpartition(" ")[0] if about else "None"
        inputs.append(f"{_cut(name, 30)}: {shape}" if name else shape)
    if len(_core.inputs_of(function) or ()) > _INPUTS:
        inputs.append(f"… {len(_core.inputs_of(function))} in all")
    return f'{escaped(type(function).__name__)} <span style="{_FADED}">of {escaped(", ".join(inputs))}</span>'


def _look(data: Any) -> str:
    """A few lines of values. Of a large array with more than two axes it is the first matrix."""
    try:
        a = np.asarray(data)
        text = ""
        if a.size > _WHOLE and a.ndim > 2:
            text = f"the first of {_cut('×'.join(map(str, a.shape[:-2])))} matrices:\n"
            a = a[(0,) * (a.ndim - 2)]
        text += np.array2string(a, threshold=_WHOLE, edgeitems=3, max_line_width=88, separator=" ")
    except Exception as error:      # the user's own __repr__, in an array of objects
        return f"(cannot be shown: {type(error).__name__}: {_cut(str(error))})"
    lines = [_cut(line, 200) for line in text[:_CHARACTERS].split("\n")]
    more = len(lines) > _LINES or len(text) > _CHARACTERS
    return "\n".join([*lines[:_LINES], "…"] if more else lines)
