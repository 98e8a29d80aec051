"""A progress bar around a loop: tqdm's where that is installed, else one of our own."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Generic, TypeVar

from dezero_c._draw.dot import in_notebook

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Any

__all__ = ["Progress", "progress"]

_T = TypeVar("_T")
_EVERY = 0.1  # seconds between two pictures of the bar


def progress(iterable: Iterable[_T], total: int | None = None, desc: str | None = None) -> Progress[_T]:
    """`for x in progress(loader, desc="epoch 1"): …`: the same elements, and a bar on stderr.

    total: how many there are; without it len(iterable) or, for data loaders, its `max_iter`. Values go behind the bar
    by `bar.set_postfix(loss=loss)` on the returned `Progress`. In a terminal and in a notebook the bar is tqdm's, if
    that is installed. Where stderr is a file or a pipe only a last line is written. Raises TypeError for what cannot
    be iterated over.
    """
    if not hasattr(iterable, "__iter__") and not hasattr(iterable, "__getitem__"):
        raise TypeError(f"progress: {type(iterable).__name__} cannot be iterated over; for a count write "
                        "progress(range(n))")
    if total is None:
        total = _length(iterable)
    return Progress(iterable, total, desc)


def _length(iterable: Any) -> int | None:
    try:
        return len(iterable)
    except (TypeError, AttributeError):
        most = getattr(iterable, "max_iter", None)
        return most if isinstance(most, int) else None


def _is_terminal(stream: Any) -> bool:
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError):    # a replaced or closed stderr
        return False


def _tqdm() -> Any:
    """tqdm's class for this place, or None where it is not installed or nobody would see it."""
    notebook = in_notebook()
    if not notebook and not _is_terminal(sys.stderr):
        return None
    import warnings

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")     # about ipywidgets that are missing: it then draws with text
            if notebook:
                from tqdm.auto import tqdm
            else:
                from tqdm import tqdm
    except ImportError:
        return None
    return tqdm


def _seconds(value: float) -> str:
    """03:25, or 1:03:25 from an hour on."""
    minutes, seconds = divmod(int(value), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes:02}:{seconds:02}"


def _plain(value: Any) -> Any:
    """A number out of a Variable or an array of one element; everything else as it is."""
    if not hasattr(value, "item"):
        value = getattr(value, "data", value)
    item = getattr(value, "item", None)
    try:
        return item() if item is not None else value
    except (TypeError, ValueError):
        return value


class Progress(Generic[_T]):
    """What `progress` returns: an iterable with a bar. Every `for` over it begins a new bar.

    n: how many elements the last loop has taken so far; total: how many there are, or None.
    """

    def __init__(self, iterable: Iterable[_T], total: int | None = None, desc: str | None = None) -> None:
        self.iterable, self.total, self.desc = iterable, total, desc
        self.n = 0
        self._values: dict[str, Any] = {}
        self._bar: Any = None   # tqdm's, during a loop
        self._stream: Any = None    # stderr where our own bar is drawn, during a loop
        self._start = self._seen = 0.0
        self._live = False      # whether the bar is drawn during the loop
        self._width = 0

    def __len__(self) -> int:
        if self.total is None:
            raise TypeError("progress: how many elements there are is not known; give total=")
        return self.total

    def set_postfix(self, **values: Any) -> None:
        """Show these values behind the bar, in place of those of the last call: numbers, Variables of one element, or
        anything with a `str`. They appear when the bar is drawn next."""
        self._values = {name: _plain(value) for name, value in values.items()}
        if self._bar is not None:
            self._bar.set_postfix(self._values, refresh=False)

    def __iter__(self) -> Iterator[_T]:
        bar = _tqdm()
        self.n = 0
        if bar is None:
            return self._own()
        return self._tqdms(bar)

    def _tqdms(self, bar: Any) -> Iterator[_T]:
        with bar(self.iterable, total=self.total, desc=self.desc) as self._bar:
            if self._values:
                self._bar.set_postfix(self._values, refresh=False)
            try:
                for x in self._bar:
                    self.n += 1
                    yield x
            finally:
                self._bar = None

    def _own(self) -> Iterator[_T]:
        self._stream = sys.stderr
        live = self._live = _is_terminal(self._stream) or in_notebook()
        self._start = self._seen = time.monotonic()
        self._width = 0
        if live:
            self._draw()
        try:
            for x in self.iterable:
                yield x
                self.n += 1
                if live and time.monotonic() - self._seen >= _EVERY:
                    self._draw()
        finally:    # also where the loop is left by break or by an exception
            self._draw(last=True)
            self._stream = None

    def _draw(self, last: bool = False) -> None:
        if self._stream is None:
            return
        self._seen = time.monotonic()
        line = text = self._text()
        if self._live:
            line = "\r" + text + " " * (self._width - len(text))
            self._width = len(text)
        try:
            self._stream.write(line + ("\n" if last else ""))
            self._stream.flush()
        except (OSError, ValueError, AttributeError):   # a closed stderr must not end a training run
            self._stream = None

    def _text(self) -> str:
        live = self._live
        spent = self._seen - self._start
        parts = [_seconds(spent)]
        if live and self.n and self.total:
            parts[0] += "<" + _seconds(spent / self.n * max(0, self.total - self.n))
        if self.n and spent > 0:
            rate = self.n / spent
            parts.append(f"{rate:.3g} it/s" if 1 <= rate < 1000 else f"{rate:,.0f} it/s" if rate >= 1
                         else f"{spent / self.n:.3g} s/it")
        for name, value in self._values.items():
            parts.append(f"{name}={value:.4g}" if isinstance(value, float) else f"{name}={value}")
        head = f"{self.desc}: " if self.desc else ""
        tail = f" {self.n}/{self.total if self.total is not None else '?'} [{', '.join(parts)}]"
        if not live:
            return (head + tail.lstrip()).replace("\n", " ")
        import shutil

        columns = shutil.get_terminal_size().columns - 1
        if self.total:
            share = min(1.0, self.n / self.total)
            head += f"{share:4.0%} "
            room = min(30, columns - len(head) - len(tail) - 2)
            if room >= 5:
                head += f"|{self._blocks(share, room)}|"
        return (head + tail.lstrip() if not head.endswith("|") else head + tail).replace("\n", " ")[:columns]

    def _blocks(self, share: float, room: int) -> str:
        full = int(share * room)
        encoding = getattr(self._stream, "encoding", None) or "ascii"
        try:
            "█▌".encode(encoding)
        except (UnicodeEncodeError, LookupError):
            return "#" * full + " " * (room - full)
        half = "▌" if share * room - full >= 0.5 else ""
        return "█" * full + half + " " * (room - full - len(half))
