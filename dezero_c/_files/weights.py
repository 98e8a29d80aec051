"""Files of weights: DeZero's .npz (a zip of arrays, one for each parameter), and safetensors where it is installed.

What a file says is checked in full before any parameter changes, and nothing in it is executed. Shapes are read first: what
does not fit is never unpacked, however large it claims to be.
"""

from __future__ import annotations

import contextlib
import errno
import io
import math
import os
from typing import TYPE_CHECKING

import numpy as np

from dezero_c._files.whole import replacing

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import IO, Any, TypeAlias

    from numpy.typing import NDArray

    from dezero_c._core import Parameter

    Path: TypeAlias = str | os.PathLike[str] | IO[bytes]
    Known: TypeAlias = Sequence[int | None]

__all__ = ["load", "save"]

_LONGEST_HEADER = 1 << 14       # NumPy takes up to 10,000 characters, but reads all that a header claims to have first


def _is_safetensors(path: Any) -> bool:
    return not hasattr(path, "read") and not hasattr(path, "write") and os.fspath(path).endswith(".safetensors")


def _safetensors() -> Any:
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("files of weights that end in .safetensors need the package safetensors: "
                          'pip install "dezero_c[safetensors]"') from error
    return safetensors.numpy


def save(path: Any, flat: Mapping[str, Parameter]) -> None:
    """Writes {name: Parameter}, without those that have no data; `.npz` is appended to a path without it, as NumPy does.

    path: also a file open for writing, as in DeZero; that one gets the .npz format.
    """
    arrays = {name: param.data for name, param in flat.items() if param.data is not None}
    if _is_safetensors(path):
        content = _safetensors().save({name: np.ascontiguousarray(a) for name, a in arrays.items()})
        with replacing(path) as file:
            file.write(content)
        return
    import zipfile

    if hasattr(path, "write"):
        whole = contextlib.nullcontext(path)
    else:
        path = os.fspath(path)
        whole = replacing(path if path.endswith(".npz") else path + ".npz")
    with whole as file, zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED, allowZip64=True) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


class _Npz:
    """The arrays of an open .npz file: the names that it has, and for each its shape and dtype, or the array."""

    def __init__(self, file: IO[bytes]) -> None:
        import zipfile

        start = file.tell()
        if file.read(4) not in (b"PK\x03\x04", b"PK\x05\x06"):
            raise ValueError("it does not begin as an .npz file does")
        file.seek(start)
        self.archive = zipfile.ZipFile(file)
        self.members = {info.filename.removesuffix(".npy"): info for info in self.archive.infolist()}

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        info = self.members[name]
        with self.archive.open(info) as member:
            start = io.BytesIO(member.read(_LONGEST_HEADER))
        version = np.lib.format.read_magic(start)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"{name} is an array of an unknown version, {version}")
        read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, _, dtype = read(start)
        if not dtype.hasobject and start.tell() + math.prod(shape) * dtype.itemsize != info.file_size:
            raise ValueError(f"{name} says that its shape is {shape}, which is not the size that it has")
        return shape, dtype

    def array(self, name: str) -> NDArray[Any]:
        with self.archive.open(self.members[name]) as member:
            return np.lib.format.read_array(member, allow_pickle=False)


class _Safetensors:
    """The same of an open .safetensors file."""

    def __init__(self, file: IO[bytes]) -> None:
        self.members = _safetensors().load(file.read())

    def header(self, name: str) -> tuple[tuple[int, ...], np.dtype[Any]]:
        return self.members[name].shape, self.members[name].dtype

    def array(self, name: str) -> NDArray[Any]:
        return self.members[name]  # type: ignore[no-any-return]


def _opened(path: Any) -> contextlib.AbstractContextManager[IO[bytes]]:
    """`path` opened for reading; a file that is open already stays so."""
    if hasattr(path, "read"):
        return contextlib.nullcontext(path)
    try:
        return open(path, "rb")
    except FileNotFoundError:
        longer = os.fspath(path) + ".npz"
        if os.path.exists(longer):
            text = f"There is no such file, but {longer}, as save_weights calls it"
            raise FileNotFoundError(errno.ENOENT, text, os.fspath(path)) from None
        raise


@contextlib.contextmanager
def _readable(path: Path) -> Iterator[None]:
    """Turns whatever a damaged file makes of a reader into a ValueError that names the file."""
    try:
        yield
    except ImportError:
        raise
    except Exception as error:      # NumPy's and zipfile's readers raise some ten classes, tokenize.TokenError among them
        kind = "safetensors file" if _is_safetensors(path) else "file of weights (.npz)"
        raise ValueError(f"{path} is no {kind}, or is damaged: {error or type(error).__name__}; write it again with "
                         "save_weights") from error


def _fits(shape: tuple[int, ...], known: Known) -> bool:
    return len(shape) == len(known) and all(k is None or n == k for n, k in zip(shape, known, strict=True))


def _spelt(known: Known) -> str:
    return "(" + ", ".join("any" if n is None else str(n) for n in known) + ("," if len(known) == 1 else "") + ")"


def load(path: Path, flat: Mapping[str, Parameter], shapes: Mapping[str, Known | None], dtypes: Mapping[str, Any],
         owner: str) -> None:
    """Puts a file's arrays into {name: Parameter}, all or none.

    shapes: {name: what is known of the shape of a parameter without data}, a tuple with None for what is not; it takes what the
    file has, and may be missing from a file that was written before its size was known. dtypes: {name: dtype that the parameter
    has, or will}, None for the file's. path: also a file open for reading.
    """
    with _opened(path) as file:
        with _readable(path):
            source = (_Safetensors if _is_safetensors(path) else _Npz)(file)
            headers = {name: source.header(name) for name in flat if name in source.members}
        unknown = [name for name in source.members if name not in flat]
        problems = []
        for name, param in flat.items():
            known = shapes.get(name) if param.data is None else param.data.shape
            if name not in headers:
                if param.data is not None or unknown:
                    problems.append(f"{name} is missing")
                continue
            shape, dtype = headers[name]
            if dtype.kind not in "fiubc":
                problems.append(f"{name} holds {dtype}, which is no number")
            elif dtype.kind == "c" and dtypes.get(name) is not None and np.dtype(dtypes[name]).kind != "c":
                problems.append(f"{name} holds {dtype}, and real numbers here")
            elif known is not None and not _fits(shape, known):
                problems.append(f"{name} is of shape {shape} in the file and {_spelt(known)} here")
        if problems:
            more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
            found = f"; the file also has {', '.join(unknown[:5])}" if unknown else ""
            raise ValueError(f"{path} does not fit {owner}: {'; '.join(problems[:5])}{more}{found}. Load it into a model that "
                             "is built like the one that was saved")
        with _readable(path):
            arrays = {name: source.array(name) for name in headers}
    for name, array in arrays.items():
        flat[name].data = array if dtypes.get(name) is None else array.astype(dtypes[name], copy=False)
