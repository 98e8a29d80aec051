"""The numbers of tables and columns, of pandas and of libraries like it: as data of a training, and as operands.

No such library is imported: what they have in common is asked for by name (`to_numpy`, `dtype`, `isna`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

__all__ = ["NUMBERS", "is_column", "values_of"]

NUMBERS = "biufc"       # kinds of dtypes
_ENCODE = "give numbers for it: column.astype('category').cat.codes, pandas.get_dummies(table), or leave it out"


def is_column(values: Any) -> bool:
    """Whether these are a column of a table, or a table, as for operands (is_column of src/dezero_c/_values.pxi)."""
    return hasattr(type(values), "to_numpy") and hasattr(type(values), "__array__")


def values_of(values: Any, name: str) -> NDArray[Any]:
    """The array of a column, of shape (rows,), or of a table, of shape (rows, columns) in the dtype that NumPy promotes those of
    its columns to. name: what it is called in messages. Raises TypeError for what is no numbers, ValueError where they are
    missing."""
    if not hasattr(values, "columns"):
        return _column(values, name + ("" if getattr(values, "name", None) is None else f", column {values.name!r}"))
    if (plain := _plain(values)) is not None:
        return plain
    if hasattr(values, "iloc"):
        columns = [values.iloc[:, k] for k in range(values.shape[1])]
    elif hasattr(values, "get_columns"):
        columns = values.get_columns()
    else:
        raise TypeError(f"{name} is a {type(values).__name__}, whose columns cannot be read one by one; give an array, as by "
                        "to_numpy()")
    if not columns:
        raise ValueError(f"{name} is a table without columns")
    return np.stack([_column(each, f"{name}, column {each.name!r}") for each in columns], axis=1)


def _plain(table: Any) -> NDArray[Any] | None:
    """The array of a table of NumPy's numbers alone, without missing ones, which takes no look at each column; otherwise None."""
    if not hasattr(table, "iloc") or not all(isinstance(d, np.dtype) and d.kind in NUMBERS for d in table.dtypes):
        return None
    array = np.array(table.to_numpy(), order="C")
    good = array.size and array.dtype.kind in NUMBERS and not (array.dtype.kind in "fc" and np.isnan(array).any())
    return array if good else None


def _column(column: Any, name: str) -> NDArray[Any]:
    dtype = getattr(column, "dtype", None)
    if hasattr(dtype, "categories"):
        raise TypeError(f"{name} holds categories; {_ENCODE}")
    within = getattr(dtype, "numpy_dtype", None)        # pandas' nullable dtypes: that of the numbers
    kind: Any = getattr(within if within is not None else dtype, "kind", None)
    if kind in ("m", "M"):
        raise TypeError(f"{name} holds times, of dtype {dtype}; give numbers, such as seconds since a start: "
                        "(column - start).dt.total_seconds()")
    if within is not None and kind not in NUMBERS:
        raise TypeError(f"{name} holds no numbers, but {dtype}; {_ENCODE}")
    lacking = within is not None and _missing(column, name)     # before to_numpy, which cannot give such a column's numbers
    array = np.asarray(column.to_numpy() if within is None or lacking else column.to_numpy(dtype=within))
    if array.dtype.kind not in NUMBERS:
        text = " (text or mixed things)" if array.dtype.kind in "OUST" else ""
        raise TypeError(f"{name} holds no numbers, but {dtype}{text}; {_ENCODE}; text of digits becomes numbers by "
                        "pandas.to_numeric(column)")
    _missing(column, name)
    return array


def _missing(column: Any, name: str) -> bool:
    """False; raises ValueError where values are missing."""
    if hasattr(column, "isna"):
        missing = np.asarray(column.isna())
    elif hasattr(column, "is_null"):
        missing = np.asarray(column.is_null())
    else:
        return False
    if missing.any():
        first = int(np.argmax(missing.reshape(-1)))
        label = column.index[first] if hasattr(column, "index") and hasattr(column.index, "equals") else first
        raise ValueError(f"{name} lacks {int(missing.sum())} of {missing.size} values, the first in row {first}"
                         + ("" if label == first else f" (index {label!r})")
                         + "; drop those rows (dropna) or fill them in (fillna), of examples and labels alike")
    return False
