"""Models as ONNX files: `export`. For other programs and languages that run networks, such as onnxruntime.

The model runs once under the log that captures have of a call, and each operation in it becomes nodes of ONNX. The log and not
the graph behind the result: it has the lines of the user's code, operations in a model that runs without a graph, and what NumPy
computes beside the graph, which a file would hold as numbers; that is refused. Needs the package onnx (the extra `onnx`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from dezero_c._core import Variable
from dezero_c._files.whole import replacing
from dezero_c.layers import Layer
from dezero_c.onnx._operations import Graph, is_known, translated
from dezero_c.onnx._tape import ExportError, Tape, run

if TYPE_CHECKING:
    import os
    from typing import Any

__all__ = ["ExportError", "export"]

_OPSETS = range(18, 24)


def export(model: Layer, *inputs: Any, path: str | os.PathLike[str] | None = None, opset: int = 18,
           dynamic_batch: bool = False) -> Any:
    """The model as an `onnx.ModelProto`, by one call `model(*inputs)` in test mode; written to `path` too where one is given.

    model: a layer or model, whose weights have been drawn. inputs: Variables or arrays of numbers, whose shapes and dtypes become
    the file's; the model gets Variables. A copy of the model runs, without a graph: the model and the random generators stay as
    they are. What it reaches by closures and not by attributes is not copied. opset: the version of ONNX's operators, 18 to 23.

    dynamic_batch: True leaves the first axis of every input open, named "N". The model then runs with a second number of examples
    too, 2 N + 1; where its operations or constants differ by more than the lengths of arrays, it is refused.

    Inputs are "x", or "x0", "x1", ...; outputs "y", or "y0", ..., those of a dictionary by its keys; weights have the names of
    `save_weights`, such as "l0/W", with an underscore where an input or output is called so. A result is a Variable, or a tuple,
    list or dictionary of them.

    Raises ImportError without the package onnx; TypeError for a model that is no Layer or cannot be copied, and for inputs that
    are no arrays of numbers; ValueError for weights that are not drawn yet, and other options; `ExportError`, a ValueError, with
    the line of the code, for what has no translation, and for values that NumPy or a branch of the program took from the inputs,
    which would be frozen in the file.
    """
    who = "onnx.export"
    try:
        import onnx  # noqa: F401
    except ImportError as error:
        raise ImportError(f'dezero_c.{who} needs the package onnx: pip install "dezero_c[onnx]"') from error
    if not isinstance(model, Layer):
        raise TypeError(f"{who}: the model must be a Layer or a Model, not {type(model).__name__}; put the function into the "
                        "`forward` of a Model")
    if isinstance(opset, bool) or not isinstance(opset, (int, np.integer)) or opset not in _OPSETS:
        raise ValueError(f"{who}: opset {opset!r} must be from {_OPSETS[0]} to {_OPSETS[-1]}")
    if not inputs:
        raise TypeError(f"{who}: what the model is called with is missing, export(model, x)")
    arrays = [_array(x, k, who) for k, x in enumerate(inputs)]
    tapes = [run(model, arrays)]
    if dynamic_batch:
        tapes.append(_with_other_batch(model, arrays, who))
    graph = Graph(int(opset), len(arrays), tapes)
    translated(graph)
    found = graph.model(type(model).__name__)
    graph.check(found)
    if path is not None:
        with replacing(path) as file:
            file.write(found.SerializeToString())
    return found


def _array(x: Any, k: int, who: str) -> Any:
    x = np.asarray(x.data if isinstance(x, Variable) else x)
    if not is_known(x.dtype):
        raise TypeError(f"{who}: input {k} is {x.dtype} and no array of real numbers of at most 64 bits")
    return x.astype(x.dtype.newbyteorder("="), copy=False)


def _with_other_batch(model: Layer, arrays: list[Any], who: str) -> Tape:
    lengths = {len(x) for x in arrays if x.ndim}
    if len(lengths) != 1 or 0 in lengths:
        raise ValueError(f"{who}: dynamic_batch needs inputs with a first axis of the same length, at least 1; they have shapes "
                         f"{', '.join(str(x.shape) for x in arrays)}")
    n = lengths.pop()
    more = [x[np.arange(2 * n + 1) % n] if x.ndim else x for x in arrays]
    try:
        return run(model, more)
    except ExportError:
        raise
    except Exception as error:
        raise ExportError(f"{who}: dynamic_batch: the model runs with {n} examples and not with {2 * n + 1} "
                          f"({type(error).__name__}: {error}); write lengths as x.shape[0] or -1") from error
