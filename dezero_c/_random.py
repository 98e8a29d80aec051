"""Where layers and dropout draw their random numbers: NumPy's global generator, as in DeZero, or one of a thread's own.

What draws asks `source()` each time. `drawing_from` is for code that is to be repeatable and must leave the global generator, and
those of other threads, as they are.
"""

from __future__ import annotations

import contextlib
import threading
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any


class _Own(threading.local):
    generator: np.random.RandomState | None = None


_own = _Own()


def source() -> np.random.RandomState:
    """What has `randn`, `rand`, `get_state` and `set_state`: the module np.random, or the generator of `drawing_from`."""
    everybodys: Any = np.random
    own = _own.generator
    return everybodys if own is None else own


@contextlib.contextmanager
def drawing_from(generator: np.random.RandomState) -> Iterator[None]:
    """Within it weights and dropout of this thread come from `generator`."""
    before = _own.generator
    _own.generator = generator
    try:
        yield
    finally:
        _own.generator = before


def states() -> list[Any]:
    """The states of the global generator and of the thread's own, where it has one."""
    return [np.random.get_state()] if _own.generator is None else [np.random.get_state(), _own.generator.get_state()]


def restore(found: list[Any]) -> None:
    """Sets `source()` to its state among those that `states` gave; the global generator stays as it is where it is another."""
    source().set_state(found[-1])
