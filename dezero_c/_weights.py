"""Files of weights: DeZero's .npz (a zip of arrays, one for each parameter), and safetensors where it is installed.

What a file says is checked in full before any parameter changes, and nothing in it is executed.
"""

import os

import numpy as np

from dezero_c._files import replacing

__all__ = ["load", "save"]


def _is_safetensors(path):
    return os.fspath(path).endswith(".safetensors")


def _safetensors():
    try:
        import safetensors.numpy
    except ImportError as error:
        raise ImportError("files of weights that end in .safetensors need the package safetensors: "
                          'pip install "dezero_c[safetensors]"') from error
    return safetensors.numpy


def save(path, flat):
    """Writes {name: Parameter}, without those that have no data; `.npz` is appended to a path without it, as NumPy does."""
    arrays = {name: param.data for name, param in flat.items() if param.data is not None}
    if _is_safetensors(path):
        content = _safetensors().save({name: np.ascontiguousarray(a) for name, a in arrays.items()})
        with replacing(path) as file:
            file.write(content)
        return
    import zipfile

    path = os.fspath(path)
    with replacing(path if path.endswith(".npz") else path + ".npz") as file, zipfile.ZipFile(
        file, "w", zipfile.ZIP_DEFLATED, allowZip64=True
    ) as archive:
        for name, array in arrays.items():
            with archive.open(f"{name}.npy", "w", force_zip64=True) as member:
                np.lib.format.write_array(member, np.asanyarray(array), allow_pickle=False)


def read(path):
    """{name: array} of a file of weights. Raises ValueError, naming the file, where it is none or is damaged."""
    if _is_safetensors(path):
        library = _safetensors()
        with open(path, "rb") as file:
            content = file.read()
        try:
            return library.load(content)
        except Exception as error:      # the library's own class, and whatever a damaged header makes of it
            raise ValueError(f"{path} is no safetensors file, or is damaged: {error}") from error
    import zipfile
    import zlib

    with open(path, "rb") as file:      # FileNotFoundError names the path
        try:
            if file.read(4) not in (b"PK\x03\x04", b"PK\x05\x06"):
                raise ValueError("it does not begin as an .npz file does")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (ValueError, KeyError, EOFError, OSError, NotImplementedError, RuntimeError, MemoryError, zipfile.BadZipFile,
                zlib.error) as error:
            raise ValueError(f"{path} is no file of weights (.npz), or is damaged: {error}; write it again with "
                             "save_weights") from error


def load(path, flat, owner):
    """Puts a file's arrays into {name: Parameter}, all or none.

    A parameter whose size is not known yet takes what the file has; it may be missing from a file that was written
    before its size was known.
    """
    arrays = read(path)
    problems = []
    unknown = [name for name in arrays if name not in flat]
    for name, param in flat.items():
        array = arrays.get(name)
        if array is None:
            if param.data is not None or unknown:
                problems.append(f"{name} is missing")
        elif array.dtype.kind not in "fiubc":
            problems.append(f"{name} holds {array.dtype}, which is no number")
        elif param.data is not None and param.data.shape != array.shape:
            problems.append(f"{name} is of shape {array.shape} in the file and {param.data.shape} here")
    if problems:
        more = f" (and {len(problems) - 5} more)" if len(problems) > 5 else ""
        found = f"; the file also has {', '.join(unknown[:5])}" if unknown else ""
        raise ValueError(f"{path} does not fit {owner}: {'; '.join(problems[:5])}{more}{found}. Load it into a model that is "
                         "built like the one that was saved")
    for name, param in flat.items():
        if name in arrays:
            param.data = arrays[name]
