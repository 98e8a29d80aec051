"""What a training run has measured: `History`, its files and its curves; and a progress bar around its loops.

    history = History()
    for epoch in range(max_epoch):
        for x, t in progress(train_loader, desc=f"epoch {epoch + 1}"):
            ...
        history.append(train_loss=sum_loss / len(train_set), test_accuracy=sum_acc / len(test_set))
    history.save("run.json")
    history.plot("run.png")
"""

from __future__ import annotations

import math
import numbers
import os
from bisect import bisect_left
from typing import TYPE_CHECKING

from dezero_c._draw.progress import Progress, progress

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any, Self, TypeAlias, overload

    from matplotlib.figure import Figure

    from dezero_c._core import Variable

    Number: TypeAlias = int | float
    Value: TypeAlias = float | Variable | Any
    Row: TypeAlias = dict[str, Number]

__all__ = ["History", "Progress", "progress"]

_FORMAT = "dezero_c history 1"
_ODD = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}    # which JSON has no numbers for
_LARGEST = 10**300  # of an int; a larger one has no place on an axis
_SHOWN = 12  # rows of a table


def _number(value: Any, name: str, op: str) -> Number | None:
    """A Python number (or None) out of what training loops have in hand: a Variable, an array of one element, …"""
    plain = getattr(value, "data", value)
    plain = value if isinstance(plain, memoryview) else plain       # an ndarray's data is its memory
    item = getattr(plain, "item", None)
    if item is not None:
        try:
            plain = item()
        except (TypeError, ValueError, RuntimeError):
            shape = getattr(plain, "shape", "?")
            raise ValueError(f"{op}: {name} has shape {shape}, and a record is one number; give its mean or its sum, "
                             f"for instance {name}={name}.mean()") from None
    if isinstance(plain, bool):
        return int(plain)
    if isinstance(plain, int) and abs(plain) > _LARGEST:
        raise ValueError(f"{op}: {name} is an int with more than 300 digits; record it as a float, or its logarithm")
    if plain is None or isinstance(plain, (int, float)):
        return plain
    if isinstance(plain, numbers.Real):
        return float(plain)
    raise TypeError(f"{op}: {name} is {type(value).__name__}, and a record is a number (or None where there is none)")


class History:
    """The numbers of a training run, a row for each epoch (or iteration) and a column for each name.

    `history["loss"]` is a column, a list with None where nothing was recorded; `history["epoch"]` the epochs;
    `history[-1]` a row, a dict; `len(history)` and `for row in history` go by rows; `"loss" in history`.
    """

    def __init__(self) -> None:
        self._epochs: list[Number] = []
        self._columns: dict[str, list[Number | None]] = {}

    # -- recording --

    def append(self, /, **values: Value) -> None:
        """Record values as the next row: epoch 1 if it is the first, else one more than the last.

        Values are numbers, Variables or arrays of one element, or None. Raises ValueError for larger arrays, TypeError
        for what is no number, and then records nothing.
        """
        epoch = values.pop("epoch", None)
        if epoch is None:
            epoch = math.floor(self._epochs[-1]) + 1 if self._epochs else 1
        self._put(epoch, values, "History.append")

    def record(self, /, epoch: float, **values: Value) -> None:
        """Record values of this epoch (any number, so it may be an iteration or half an epoch).

        Values are those of `append`. Rows stay sorted by epoch. What is recorded of an epoch that is there already
        joins its row, and takes the place of values with the same name: a resumed run writes its epochs anew.
        """
        self._put(epoch, values, "History.record")

    def _put(self, epoch: Any, values: dict[str, Any], op: str) -> None:
        epoch = _number(epoch, "epoch", op)
        if epoch is None or not math.isfinite(epoch):
            raise ValueError(f"{op}: epoch must be a finite number, not {epoch}")
        if not values:
            raise ValueError(f"{op}: nothing to record; write for instance history.append(loss=0.5)")
        if "epoch" in values:
            raise ValueError(f"{op}: epoch is given twice")
        values = {name: _number(value, name, op) for name, value in values.items()}
        row = bisect_left(self._epochs, epoch)
        if row == len(self._epochs) or self._epochs[row] != epoch:
            self._epochs.insert(row, epoch)
            for column in self._columns.values():
                column.insert(row, None)
        for name, value in values.items():
            if name not in self._columns:
                self._columns[name] = [None] * len(self._epochs)
            self._columns[name][row] = value

    # -- reading --

    def keys(self) -> list[str]:
        """The names of the columns, "epoch" first."""
        return ["epoch", *self._columns]

    def __len__(self) -> int:
        return len(self._epochs)

    def __contains__(self, name: object) -> bool:
        return name == "epoch" or name in self._columns

    if TYPE_CHECKING:
        @overload
        def __getitem__(self, key: str) -> list[Number | None]: ...
        @overload
        def __getitem__(self, key: int) -> Row: ...

    def __getitem__(self, key: Any) -> Any:
        if isinstance(key, str):
            if key == "epoch":
                return list(self._epochs)
            if key not in self._columns:
                raise KeyError(f"History: nothing was recorded as {key!r}; there is {', '.join(self.keys())}")
            return list(self._columns[key])
        try:
            epoch = self._epochs[key]
        except IndexError:
            raise IndexError(f"History: row {key} of {len(self)}") from None
        except TypeError:
            epoch = key
        if not isinstance(epoch, numbers.Real) or not hasattr(key, "__index__"):
            raise TypeError(f"History: a key is the name of a column or the number of a row, not {type(key).__name__}")
        row = {name: column[key] for name, column in self._columns.items() if column[key] is not None}
        return {"epoch": epoch, **row}

    def __iter__(self) -> Iterator[Row]:
        return (self[row] for row in range(len(self)))

    # -- files --

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write everything to a JSON file, which is replaced when the new one is complete."""
        self._written(path, self._dumped(), "History.save")

    def _dumped(self) -> str:
        import json

        columns = {name: [_encoded_number(value) for value in self[name]] for name in self.keys()}
        return json.dumps({"format": _FORMAT, "columns": columns}, indent=1, allow_nan=False)

    def to_csv(self, path: str | os.PathLike[str]) -> None:
        """Write a table for spreadsheets and pandas: a line with the names, "epoch" first, and one for each row; numbers with
        all their digits, nothing where nothing was recorded. The file is replaced when the new one is complete."""
        import csv
        import io

        text = io.StringIO(newline="")
        table = csv.writer(text, lineterminator="\n")
        table.writerow(self.keys())
        table.writerows(zip(*(self[name] for name in self.keys()), strict=True))
        self._written(path, text.getvalue(), "History.to_csv")

    def to_json(self, path: str | os.PathLike[str]) -> None:
        """Write the rows as a JSON list of objects, {"epoch": 1, "loss": 0.5}, without what was not recorded; nan and
        infinities, for which JSON has no numbers, are the texts "nan", "inf" and "-inf". `save` is what `load` reads."""
        import json

        rows = [{name: _encoded_number(value) for name, value in row.items()} for row in self]
        self._written(path, json.dumps(rows, indent=1, allow_nan=False) + "\n", "History.to_json")

    @staticmethod
    def _written(path: str | os.PathLike[str], text: str, op: str) -> None:
        from dezero_c._files.whole import replacing

        _check_folder(path, op)
        with replacing(path) as file:
            file.write(text.encode())

    def to_tensorboard(self, folder: str | os.PathLike[str]) -> None:
        """Write every column as scalars into `folder`, which `tensorboard --logdir` shows. The step is the epoch, or, where
        epochs are not whole numbers, the number of the row. Needs tensorboardX; raises ImportError without it."""
        try:
            from tensorboardX import SummaryWriter
        except ImportError as error:
            raise ImportError("History.to_tensorboard: this needs tensorboardX: pip install tensorboardX") from error
        whole = all(float(epoch).is_integer() for epoch in self._epochs)
        with SummaryWriter(logdir=os.fspath(folder)) as writer:
            for k, row in enumerate(self):
                epoch = row.pop("epoch")
                step = int(epoch) if whole else k
                for name, value in row.items():
                    writer.add_scalar(name, value, step)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """A History from a file that `save` wrote. Raises OSError if it cannot be read and ValueError, naming the file,
        if it holds something else."""
        with open(path, "rb") as file:
            return cls._parsed(file.read(), path)

    @classmethod
    def _parsed(cls, raw: str | bytes, path: str | os.PathLike[str]) -> Self:
        import json

        try:
            content = json.loads(raw)
            if not isinstance(content, dict) or content.get("format") != _FORMAT:
                raise ValueError(f"its format is not {_FORMAT!r}")
            columns = content.get("columns")
            if not isinstance(columns, dict) or not isinstance(columns.get("epoch"), list):
                raise ValueError("it has no column of epochs")
            columns = {name: cls._decoded(name, values) for name, values in columns.items()}
            epochs = columns.pop("epoch")
            if any(len(column) != len(epochs) for column in columns.values()):
                raise ValueError("its columns differ in length")
            if any(e is None or not math.isfinite(e) for e in epochs) or sorted(set(epochs)) != epochs:
                raise ValueError("its epochs do not increase")
        except (ValueError, RecursionError) as error:     # what json raises, UnicodeDecodeError too, is a ValueError
            raise ValueError(f"History.load: {os.fspath(path)} is not a file of a History, or damaged: {error}; save "
                             "it again with History.save") from None
        history = cls()
        history._epochs, history._columns = epochs, columns
        return history

    @staticmethod
    def _decoded(name: str, values: Any) -> list[Any]:
        if not isinstance(values, list):
            raise ValueError(f"its column {name!r} is no list")
        found = [_ODD.get(value, value) if isinstance(value, str) else value for value in values]
        for value in found:
            if value is None or isinstance(value, float):
                continue
            if isinstance(value, bool) or not isinstance(value, int) or abs(value) > _LARGEST:
                raise ValueError(f"its column {name!r} holds {value!r}")
        return found

    # -- seeing --

    if TYPE_CHECKING:
        @overload
        def plot(self, to_file: None = None) -> Figure: ...
        @overload
        def plot(self, to_file: str | os.PathLike[str]) -> str: ...

    def plot(self, to_file: Any = None) -> Any:
        """Draw the curves: losses in one panel, accuracies in the next, then whatever else was recorded.

        to_file: the picture's file (.png, .pdf, .svg, …), whose path is returned; the file is replaced when the picture
        is complete. With None a matplotlib Figure is returned; if matplotlib.pyplot is in use, `plt.show()` shows it.
        Without matplotlib only to_file="….svg" works. Raises ValueError if nothing was recorded and for a name without
        an ending, FileNotFoundError for a folder that is not there, ImportError if matplotlib is needed.
        """
        from dezero_c._draw import chart as _chart

        op = "History.plot"
        if not self._columns:
            raise ValueError(f"{op}: nothing was recorded yet")
        kind = ""
        if to_file is not None:
            to_file = os.fspath(to_file)
            kind = os.path.splitext(to_file)[1][1:].lower()
            if not kind:
                raise ValueError(f"{op}: to_file={to_file!r} has no ending that says which format; write 'run.png' or "
                                 "'run.svg'")
            _check_folder(to_file, op)
        plan = _chart.panels(self._epochs, self._columns)
        try:
            figure = _chart.figure(plan, "epoch", self._pyplot() if to_file is None else None)
        except ImportError as error:
            if kind != "svg":
                raise ImportError(f"{op}: this needs matplotlib (pip install matplotlib); without it "
                                  "history.plot(to_file='run.svg') draws a simple chart") from error
            picture = _chart.svg(plan, "epoch").encode()
        else:
            if to_file is None:
                # IPython knows how to show Figures only once pyplot was imported.
                figure._repr_png_ = lambda: _encoded(figure, "png", 96)
                return figure
            picture = _encoded(figure, kind, 144)
        from dezero_c._files.whole import replacing

        with replacing(to_file) as file:
            file.write(picture)
        return to_file

    @staticmethod
    def _pyplot() -> Any:
        """pyplot's way to make a figure where the program uses pyplot. Not in a notebook, which would show such a
        figure twice."""
        import sys

        from dezero_c._draw.dot import in_notebook

        pyplot = sys.modules.get("matplotlib.pyplot")
        return None if pyplot is None or in_notebook() else pyplot.figure

    def _table(self) -> tuple[list[str], list[list[str] | None]]:
        """The rows as text, the middle left out of a long table; with None for the gap."""
        names = self.keys()
        columns = [self[name] for name in names]
        rows: list[list[str] | None] = [[_text(value) for value in row] for row in zip(*columns, strict=True)]
        if len(rows) > _SHOWN:
            rows = [*rows[:3], None, *rows[len(rows) - _SHOWN + 4:]]
        return names, rows

    def __repr__(self) -> str:
        names, rows = self._table()
        widths = [max(len(name), *(len(row[k]) for row in rows if row), 0) for k, name in enumerate(names)]
        lines = [f"History of {len(self)} row{'' if len(self) == 1 else 's'}"]
        for row in (names, *rows):
            cells = row or ["…"] * len(names)
            lines.append("  ".join(cell.rjust(width) for cell, width in zip(cells, widths, strict=True)))
        return "\n".join(lines) if rows else "History without rows"

    def _repr_html_(self) -> str:
        from dezero_c._draw import chart as _chart
        from dezero_c._draw.svg import escaped

        names, rows = self._table()
        if not rows:
            return "<div>History without rows</div>"
        chart = _chart.svg(_chart.panels(self._epochs, self._columns), "epoch")
        cell = 'style="text-align:right;padding:2px 10px;color:inherit"'
        head = "".join(f"<th {cell}>{escaped(name)}</th>" for name in names)
        body = "".join("<tr>" + "".join(f"<td {cell}>{escaped(text)}</td>" for text in row or ["…"] * len(names))
                       + "</tr>" for row in rows)
        return (f'<div style="overflow-x:auto">{chart}<table style="color:inherit"><thead><tr>{head}</tr></thead>'
                f"<tbody>{body}</tbody></table></div>")


def _encoded_number(value: Any) -> Number | str | None:
    """A number as JSON can hold it."""
    return value if value is None or math.isfinite(value) else str(value)


def _encoded(figure: Any, kind: str, dpi: float) -> bytes:
    """The bytes of a file with the figure; ValueError, with a list of those there are, for a kind that is not known."""
    import io

    file = io.BytesIO()
    figure.savefig(file, format=kind, dpi=dpi)
    return file.getvalue()


def _text(value: Number | None) -> str:
    if value is None:
        return ""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def _check_folder(path: str | os.PathLike[str], op: str) -> None:
    folder = os.path.dirname(os.fspath(path))
    if folder and not os.path.isdir(folder):
        raise FileNotFoundError(f"{op}: the folder {folder!r} does not exist; make it first")
