"""Files that are whole or not there: writing under a temporary name first.

Whoever writes such a file holds a lock on it until it is in place, which ends with the process whatever ends that. So what a
killed one has left can be told from what another is writing, and the next write to the same path removes it.
"""

from __future__ import annotations

import contextlib
import os
import re
from typing import TYPE_CHECKING

try:
    import fcntl
except ImportError:     # Windows, where a file that is open cannot be removed
    fcntl = None  # type: ignore[assignment]

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """A file to be written that takes `path`'s place when the block ends, and vanishes when it raises (a full disk, Ctrl-C).

    It lies beside `path`, so that putting it in place is one step for everybody who looks. Permissions are those that
    `open` would give, or those of the file that is replaced. The folder must exist. Files that killed programs have left of
    earlier writes to `path` are removed.
    """
    path = os.path.realpath(os.fspath(path))
    folder, name = os.path.split(path)
    prefix = f".{name[:100]}."
    _remove_left(folder, prefix)
    try:
        handle, temporary = _begun(folder, prefix)
    except OSError as error:    # it names the temporary file, which nobody has asked for
        raise OSError(error.errno, f"{error.strerror} (its folder must exist and be open for writing)", path) from None
    lock = None if fcntl is None else os.dup(handle)    # holds the lock when the file is closed
    try:
        with os.fdopen(handle, mode) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.chmod(temporary, _permissions(path))
        os.replace(temporary, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.remove(temporary)
        raise
    finally:
        if lock is not None:
            os.close(lock)


def _begun(folder: str, prefix: str) -> tuple[int, str]:
    """(handle, path) of a new file, locked where the file system has locks."""
    import tempfile

    while True:
        handle, path = tempfile.mkstemp(prefix=prefix, suffix=".part", dir=folder)
        if fcntl is None:
            return handle, path
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
        except OSError:         # no locks here, so nobody takes the file for one that was left
            return handle, path
        if os.path.exists(path):
            return handle, path
        os.close(handle)        # somebody has removed it before it was locked


def _remove_left(folder: str, prefix: str) -> None:
    """Removes what writes to the same path have left that did not end; keeps what is locked, and all where that is not known."""
    ours = re.compile(re.escape(prefix) + r"[a-z0-9_]{8}\.part")
    try:
        found = [name for name in os.listdir(folder) if ours.fullmatch(name)]
    except OSError:
        return
    for name in found:
        path = os.path.join(folder, name)
        with contextlib.suppress(OSError):
            if fcntl is None:
                os.remove(path)
                continue
            handle = os.open(path, os.O_RDWR | os.O_NOFOLLOW)
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.remove(path)
            finally:
                os.close(handle)


def _permissions(path: str) -> int:
    try:
        return os.stat(path).st_mode & 0o7777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
