"""Files that are whole or not there: writing under a temporary name first."""

from __future__ import annotations

import contextlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO, Any

__all__ = ["replacing"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """A file to be written that takes `path`'s place when the block ends, and vanishes when it raises (a full disk, Ctrl-C).

    It lies beside `path`, so that putting it in place is one step for everybody who looks. Permissions are those that
    `open` would give, or those of the file that is replaced. The folder must exist.
    """
    import tempfile

    path = os.path.realpath(os.fspath(path))
    folder, name = os.path.split(path)
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{name[:100]}.", suffix=".part", dir=folder)
    except OSError as error:    # it names the temporary file, which nobody has asked for
        raise OSError(error.errno, f"{error.strerror} (its folder must exist and be open for writing)", path) from None
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


def _permissions(path: str) -> int:
    try:
        return os.stat(path).st_mode & 0o7777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
