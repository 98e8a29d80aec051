"""Files of the public data sets, read without trusting them: idx files (MNIST) and archives of pickles (CIFAR).

A file that is cut off, altered or something else gives ValueError with its path and what to do. A pickle may hold
arrays, numbers, bytes, text, lists and dicts; anything else that it names is refused before it is looked up.
"""

from __future__ import annotations

import io
import math
import re
import zlib
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import gzip
    import os
    from io import BufferedReader
    from typing import Any, Literal, NoReturn

    from numpy.typing import NDArray

__all__ = ["read_archive", "read_idx", "read_text"]

_LIMIT = 1 << 31        # bytes that one array or archive member may claim


class _Wrong(Exception):
    """What is wrong with a file, before its path is known."""


def damaged(path: str | os.PathLike[str], why: object, kind: str) -> ValueError:
    """The ValueError that a file deserves."""
    return ValueError(f"{path} is no {kind}, or is damaged: {why}; delete it, so that it is downloaded again, or put a "
                      "whole one in its place")


def _open_maybe_gzip(path: str | os.PathLike[str]) -> gzip.GzipFile | BufferedReader:
    import gzip

    with open(path, "rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
    return gzip.open(path) if zipped else open(path, "rb")


# ---- idx ----------------------------------------------------------------------------------------------------------

def read_idx(path: str | os.PathLike[str], ndim: int) -> NDArray[np.uint8]:
    """The uint8 array of `ndim` dimensions in an idx file, compressed by gzip or not."""
    try:
        with _open_maybe_gzip(path) as file:
            return _idx(file, ndim)
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (_Wrong, OSError, EOFError, zlib.error) as error:
        raise damaged(path, error, f"idx file of {ndim} dimension{'s' * (ndim > 1)}") from error


def _idx(file: gzip.GzipFile | BufferedReader, ndim: int) -> NDArray[np.uint8]:
    head = file.read(4)
    if len(head) < 4 or head[:3] != b"\0\0\x08":
        raise _Wrong(f"it begins with the bytes {head!r}")
    if head[3] != ndim:
        raise _Wrong(f"it has {head[3]} dimension{'s' * (head[3] != 1)}; have two files been swapped?")
    sizes = file.read(4 * ndim)
    if len(sizes) < 4 * ndim:
        raise _Wrong("it ends within its header")
    shape = tuple(int(n) for n in np.frombuffer(sizes, ">u4"))
    count = math.prod(shape)
    if math.prod(n or 1 for n in shape) > _LIMIT:       # NumPy has no array of (0, 2**32, 2**32) either
        raise _Wrong(f"it claims to hold an array of shape {shape}")
    content = bytearray()
    while len(content) < count:     # in pieces: read(count) would take what the header claims before there is any of it
        piece = file.read(min(count - len(content), 1 << 22))
        if not piece:
            raise _Wrong(f"it ends after {len(content)} of {count} bytes")
        content += piece
    if file.read(1):
        raise _Wrong(f"something follows its {count} bytes")
    return np.frombuffer(content, np.uint8).reshape(shape)


# ---- text ---------------------------------------------------------------------------------------------------------

def read_text(path: str | os.PathLike[str]) -> str:
    """The text of a UTF-8 file, compressed by gzip or not, of at least two characters; lines end in a newline only."""
    try:
        with _open_maybe_gzip(path) as file:
            text = file.read().decode("utf-8")
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise damaged(path, error, "text") from error
    if len(text) < 2:
        raise damaged(path, f"it has {len(text)} characters", "text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


# ---- archives of pickles ------------------------------------------------------------------------------------------

class _DType:
    """Stands for a NumPy dtype of plain numbers in a pickle."""

    def __init__(self, code: str | bytes, *_: object) -> None:
        code = code.decode("ascii") if isinstance(code, bytes) else code
        if not re.fullmatch(r"[<>=|]?[biuf][1248]", code):
            raise _Wrong(f"it holds an array of dtype {code!r}")
        self.dtype = np.dtype(code)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        order: Any = state[1].decode("ascii") if isinstance(state[1], bytes) else state[1]
        if order in ("<", ">"):
            self.dtype = self.dtype.newbyteorder(order)


class _Array:
    """Stands for an ndarray in a pickle."""

    def __init__(self, *_: object) -> None:
        self.array: NDArray[Any] | None = None

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, fortran, raw = state
        self.array = _view(raw, dtype.dtype, shape, "F" if fortran else "C")


class _Frozen:
    """What a pickle may call. No attribute of it can be set, as a pickle can ask for."""

    __slots__ = ()

    def __setstate__(self, state: object) -> NoReturn:
        raise _Wrong("it sets the state of a function")


class _Reconstruct(_Frozen):
    __slots__ = ()

    def __call__(self, *_: object) -> _Array:
        return _Array()


class _FromBuffer(_Frozen):
    __slots__ = ()

    def __call__(self, raw: Any, dtype: _DType, shape: Any, order: Any, *_: object) -> _Array:
        made = _Array()
        made.array = _view(raw, dtype.dtype, shape, "F" if order in ("F", b"F") else "C")
        return made


class _Scalar(_Frozen):
    __slots__ = ()

    def __call__(self, dtype: _DType, raw: Any) -> Any:
        return _view(raw, dtype.dtype, (), "C").item()


class _Encode(_Frozen):
    __slots__ = ()

    def __call__(self, text: str, encoding: str | bytes) -> bytes:
        if encoding not in ("latin1", b"latin1"):
            raise _Wrong(f"it encodes text as {encoding!r}")
        return text.encode("latin1")


def _view(raw: Any, dtype: np.dtype[Any], shape: Any, order: Literal["C", "F"]) -> NDArray[Any]:
    shape = tuple(int(n) for n in shape)
    if isinstance(raw, str):        # Python 2 wrote bytes that way
        raw = raw.encode("latin1")
    if not isinstance(raw, (bytes, bytearray)) or len(raw) != math.prod(shape) * dtype.itemsize:
        raise _Wrong(f"an array of shape {shape} and dtype {dtype} has not as many bytes")
    return np.ndarray(shape, dtype, raw, order=order)


class _NoBytes(_Frozen):
    __slots__ = ()

    def __call__(self) -> bytes:     # how protocols 0 to 2 write b"" only
        return b""


_HARMLESS = {
    ("numpy", "ndarray"): _Array, ("numpy", "dtype"): _DType, ("_codecs", "encode"): _Encode(),
    ("__builtin__", "bytes"): _NoBytes(),
}
for _package in ("numpy.core", "numpy._core"):
    _HARMLESS |= {
        (f"{_package}.multiarray", "_reconstruct"): _Reconstruct(), (f"{_package}.multiarray", "scalar"): _Scalar(),
        (f"{_package}.numeric", "_frombuffer"): _FromBuffer(),
    }


def _unpickle(content: bytes) -> dict[str, Any]:
    import pickle

    # The one in Python, whose memory grows with the file. That in C sets a table aside as long as the largest number that the
    # pickle gives to an object: gigabytes for one wrong byte. It would save a third of the time.
    class Unpickler(pickle._Unpickler):
        def find_class(self, module: str, name: str) -> Any:
            try:
                return _HARMLESS[module, name]
            except KeyError:
                raise _Wrong(f"it asks for {module}.{name}, which no data set needs") from None

    try:
        found = Unpickler(io.BytesIO(content), encoding="bytes").load()
    except (_Wrong, MemoryError):
        raise
    except Exception as error:      # a damaged pickle can raise anything
        raise _Wrong(f"its pickle cannot be read ({type(error).__name__}: {error})") from error
    if not isinstance(found, dict):
        raise _Wrong(f"its pickle holds no dict but {type(found).__name__}")
    return {key.decode("latin1") if isinstance(key, bytes) else key: value.array if isinstance(value, _Array) else value
            for key, value in found.items()}


def read_archive(path: str | os.PathLike[str], members: list[str]) -> list[dict[str, Any]]:
    """The dicts pickled in those members, named by the last part of their path, of a tar file: a list in that order."""
    import tarfile

    contents = {}
    try:
        with _open_maybe_gzip(path) as file, tarfile.open(fileobj=file, mode="r|") as archive:
            for member in archive:
                name = member.name.rsplit("/", 1)[-1]
                if name not in members or name in contents or not member.isfile():
                    continue
                if member.size > _LIMIT:
                    raise _Wrong(f"{member.name} claims to have {member.size} bytes")
                contents[name] = archive.extractfile(member).read()  # type: ignore[union-attr]    # isfile()
                if len(contents[name]) < member.size:
                    raise _Wrong(f"it ends within {member.name}")
            while file.read(1 << 20):       # gzip's checksum is behind the last byte
                pass
        missing = [name for name in members if name not in contents]
        if missing:
            raise _Wrong(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} not in it")
        return [_unpickle(contents[name]) for name in members]
    except (FileNotFoundError, PermissionError, IsADirectoryError):
        raise
    except (_Wrong, OSError, EOFError, zlib.error, tarfile.TarError, ValueError, MemoryError) as error:
        raise damaged(path, error, "archive of the data set") from error
