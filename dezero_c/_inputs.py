"""Arrays of what data come in: tables and columns of pandas and of libraries like it, lists, iterators, pictures of Pillow.

Pillow is imported for a list of paths alone. What is done with examples afterwards is datasets'.
"""

from __future__ import annotations

import itertools
import operator
import os
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

from dezero_c._core import Variable
from dezero_c._tables import NUMBERS, is_column, values_of
from dezero_c.transforms import _is_pil, _pil

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from numpy.typing import NDArray

__all__ = ["LIMIT", "array_of", "check_order", "pairs_of"]

LIMIT = 1_000_000       # examples that an iterator may give, unless one says otherwise
_MODES = {"L": 1, "RGB": 3}


def array_of(values: Any, name: str, labels: bool = False, limit: int = LIMIT) -> tuple[NDArray[Any], bool]:
    """The array of these values, and whether they are pictures.

    An ndarray is given back as it is, and a Variable's is its `data`. A table becomes an array of shape (rows, columns) in the
    dtype that NumPy promotes those of its columns to, a column one of shape (rows,). Pictures, and paths of them, become uint8 of
    shape (pictures, channels, height, width). An iterator is read to its end, and is then as a list.

    name: what the values are called in messages, such as "Arrays: x". labels: whether they are labels, whose texts are no paths.
    Raises TypeError for what is no numbers, and ValueError for missing values in tables, for shapes, sizes and modes that differ,
    and for an iterator of more than `limit` examples.
    """
    if isinstance(values, Variable):
        values = values.data
    if isinstance(values, np.ndarray):
        _check_numbers(values, name, labels)
        if isinstance(values, np.ma.MaskedArray):
            if np.ma.is_masked(values):
                raise ValueError(f"{name} is a masked array with {int(np.ma.getmaskarray(values).sum())} masked values; give "
                                 "values.filled(number), or leave their rows out")
            values = values.data
        return np.asarray(values), False
    if is_column(values):
        return values_of(values, name), False
    if _is_pil(values):
        raise TypeError(f"{name} is one picture; give a list of them")
    if hasattr(type(values), "__next__"):
        values = _read(values, name, limit)
    if isinstance(values, (str, bytes, os.PathLike)):
        raise TypeError(f"{name} is one text, {values!r}; give an array, or a list"
                        + ("" if labels else ", such as one of paths of pictures"))
    if isinstance(values, (list, tuple)):
        if values and (_is_pil(values[0]) or (not labels and isinstance(values[0], (str, os.PathLike)))):
            return _pictures(values, name), True
        if (k := next((k for k, each in enumerate(values) if _is_pil(_leaf(each))), None)) is not None:
            raise TypeError(f"{name}[{k}] " + ("is a picture, and those before are none" if k else "is a list of pictures")
                            + "; give pictures as one list, and nothing else in it")
        values = [each.data if isinstance(each, Variable) else values_of(each, f"{name}[{k}]") if is_column(each) else each
                  for k, each in enumerate(values)]
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(f"{name} has examples of several shapes ({error}); bring them to one before") from None
    if array.dtype.kind not in NUMBERS and isinstance(values, list):
        for k, each in enumerate(values):
            if isinstance(each, str):
                break       # the message of texts says more
            if each is None or np.asarray(each).dtype.kind not in NUMBERS:
                what = "None" if each is None else f"a {type(each).__name__} that holds no numbers"
                raise TypeError(f"{name}[{k}] is {what}; give numbers")
    _check_numbers(array, name, labels)
    return array, False


def _leaf(value: Any) -> Any:
    """The first thing that is no list in a list of lists."""
    while isinstance(value, (list, tuple)) and value:
        value = value[0]
    return value


def pairs_of(values: Any, name: str, limit: int) -> tuple[Any, Any]:
    """(examples, labels) of an iterator of pairs; anything else comes back with None, an iterator as a list."""
    if not hasattr(type(values), "__next__"):
        return values, None
    values = _read(values, name, limit)
    if not values or not all(isinstance(each, tuple) and len(each) == 2 for each in values):
        return values, None
    return [x for x, _ in values], [t for _, t in values]


def check_order(parts: Sequence[tuple[str, Any]], name: str) -> None:
    """Raises ValueError where two of the parts, (what it is called, values), have an index, of the same labels in another order:
    rows would be paired that do not belong together."""
    indexes: list[tuple[str, Any]] = [(label, getattr(values, "index", None)) for label, values in parts]
    indexed = [(label, index) for label, index in indexes if hasattr(index, "equals")]
    for (one, here), (other, there) in itertools.combinations(indexed, 2):
        if len(here) == len(there) and not here.equals(there) and _same_labels(here, there):
            raise ValueError(f"{name}: the index of {other} has the labels of {one}'s in another order, and rows are paired as "
                             f"they stand; give {other}.loc[{one}.index], or, where the rows do belong together, "
                             f"{other}.to_numpy()")


def _same_labels(here: Any, there: Any) -> bool:
    """Whether two indexes have the same labels, each as often."""
    try:
        return bool(here.sort_values().equals(there.sort_values()))
    except TypeError:       # labels without an order, such as numbers and texts
        return _counted(here) == _counted(there)


def _counted(index: Any) -> Counter[Any]:
    nothing = object        # one stands for all nan, of which none is equal to another
    return Counter(nothing if label != label else label for label in index.tolist())


def _read(values: Any, name: str, limit: int) -> list[Any]:
    try:
        most = operator.index(limit)
    except TypeError:
        raise TypeError(f"{name}: limit is {limit!r}; it is a whole number of examples") from None
    if most < 1:
        raise ValueError(f"{name}: limit is {most}; it is a whole number of examples from 1 on")
    found = list(itertools.islice(values, most + 1))
    if len(found) > most:
        raise ValueError(f"{name} is a {type(values).__name__} that gives more than {most:,} examples, and may have no end; give "
                         "datasets.Arrays a larger limit, or a Dataset of your own, whose examples are made one by one")
    return found


def _check_numbers(array: NDArray[Any], name: str, labels: bool) -> None:
    kind = array.dtype.kind
    if kind in NUMBERS:
        return
    mend = ("np.unique(t, return_inverse=True) gives the classes and a number for each label" if labels and kind in "US" else
            "give numbers, such as (times - start) / np.timedelta64(1, 's')" if kind in "mM" else
            "give numbers; a Dataset of your own may give anything else")
    raise TypeError(f"{name} is of dtype {array.dtype}, which is no numbers; {mend}")


# ---- pictures -----------------------------------------------------------------------------------------------------

def _pictures(given: Sequence[Any], name: str) -> NDArray[np.uint8]:
    """uint8 of shape (pictures, channels, height, width)."""
    out: Any = None
    first: Any = None
    for k, each in enumerate(given):
        who = f"{name}[{k}]" if _is_pil(each) else f"{name}[{k}], {each},"
        if _is_pil(each):
            size, mode, values = each.size, each.mode, _values(each, who)
        elif isinstance(each, (str, os.PathLike)):
            try:
                with _pil().open(each) as image:
                    size, mode, values = image.size, image.mode, _values(image, who)
            except FileNotFoundError:
                raise FileNotFoundError(f"{name}[{k}] is {os.fspath(each)!r}, and there is no such file; texts are paths of "
                                        "pictures here") from None
            except OSError as error:
                raise ValueError(f"{who} cannot be read as a picture: {error}") from error
        else:
            raise TypeError(f"{name}[{k}] is a {type(each).__name__}, and those before are pictures; give one or the other")
        if out is None:
            first = size, mode
            out = np.empty((len(given), *values.shape), np.uint8)
        elif (size, mode) != first:
            raise ValueError(f"{who} is a picture of {size[0]} x {size[1]} pixels and mode {mode!r}, and those before have "
                             f"{first[0][0]} x {first[0][1]} and {first[1]!r}; bring them to one: picture.resize({first[0]}), "
                             f"picture.convert({first[1]!r})")
        out[k] = values
    found: NDArray[np.uint8] = out
    return found


def _values(image: Any, name: str) -> NDArray[np.uint8]:
    """The pixels of one picture, uint8 of shape (channels, height, width)."""
    if image.mode not in _MODES:
        what = (", whose numbers are places in its palette" if image.mode == "P" else
                ", with transparency" if "A" in image.mode else "")
        raise ValueError(f"{name} is a picture of mode {image.mode!r}{what}; it is to be 'RGB' or 'L' (grey): "
                         "picture.convert('RGB'), of all that are given")
    return np.asarray(image).reshape(image.size[1], image.size[0], _MODES[image.mode]).transpose(2, 0, 1)
