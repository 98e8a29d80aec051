"""Files from the net, kept in one directory: fetched once, whole or not at all.

A download is written to `<name>.part`. When it breaks off it is taken up where it ended, in the same call or in the
next one, if the server can say that its file is still the same (`<name>.part.tag` keeps its ETag or date); otherwise
what there is of it is removed. Known files are compared with their published checksums. Network modules are imported
when needed.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import Message
    from typing import IO, Any

__all__ = ["cache_dir", "get_file", "show_progress"]

_MNIST = "http://yann.lecun.com/exdb/mnist/"

# The original address of MNIST refuses programs; these two hold the same files.
_MIRRORS = {
    _MNIST: ("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
}

# As their publishers, or others that tell of them, give them.
_SUMS = {
    _MNIST + "train-images-idx3-ubyte.gz": "md5:f68b3c2dcbeaaa9fbdd348bbdeb94873",
    _MNIST + "train-labels-idx1-ubyte.gz": "md5:d53e105ee54ea40749a09fcbcd1e9432",
    _MNIST + "t10k-images-idx3-ubyte.gz": "md5:9fb629c4189551a2d022fa330f9573f3",
    _MNIST + "t10k-labels-idx1-ubyte.gz": "md5:ec29112dd5afa0611ce80d1b7f02629c",
    "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz": "md5:c58f30108f718f92721af3b95e74349a",
    "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz": "md5:eb9058c3a382ffc7106e4002c42a8d85",
    "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt":
        "sha256:86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
}

_BLOCK = 1 << 16
_ATTEMPTS = 4
_TIMEOUT = 30       # seconds without a byte


def _default_dir() -> str:
    return os.environ.get("DEZERO_C_DATA") or os.path.join(os.path.expanduser("~"), ".dezero")


cache_dir = _at_import = _default_dir()


def data_dir() -> str:
    """Where files are kept: `cache_dir` of `dezero_c.utils` or of this module where a program has set it, else the
    directory that the environment variable DEZERO_C_DATA names, else ~/.dezero, which DeZero uses too."""
    for value in (getattr(sys.modules.get("dezero_c.utils"), "cache_dir", _at_import), cache_dir):
        if value != _at_import:
            return os.fspath(value)
    return _default_dir()


def show_progress(block_num: int, block_size: int, total_size: int) -> None:
    """Prints a bar for block_num * block_size of total_size bytes, over the one printed before.

    Where the total is not known (0 or less) the number of bytes is printed.
    """
    received = block_num * block_size
    if total_size <= 0:
        print(f"\r{received / 1e6:.2f} MB", end="", flush=True)
        return
    share = min(received / total_size, 1.0)
    filled = int(share * 30)
    print(f"\r[{'#' * filled}{'.' * (30 - filled)}] {share * 100:.2f}%", end="", flush=True)


class _Broken(Exception):
    """The net failed: no connection, an answer that is an error, or one that ends early."""


class _Damaged(Exception):
    """The file came whole, and is not the one that was published."""


def _file_name(url: str) -> str:
    from urllib.parse import unquote, urlsplit

    name = unquote(urlsplit(url).path).rsplit("/", 1)[-1]
    if name in ("", ".", "..") or "\\" in name or "\0" in name:
        raise ValueError(f"get_file: {url!r} does not end in the name of a file; give one by file_name")
    return name


def _sources(url: str) -> list[str]:
    for original, mirrors in _MIRRORS.items():
        if url.startswith(original):
            return [mirror + url.removeprefix(original) for mirror in mirrors] + [url]
    return [url]


def get_file(url: str, file_name: str | os.PathLike[str] | None = None) -> str:
    """The path of a file in the cache directory, which is downloaded from `url` if it is not there.

    file_name: its name there; by default the last part of the URL. The directory is `~/.dezero`, or the one that the
    environment variable DEZERO_C_DATA names. A file that is there is not checked again. Raises ConnectionError, with
    the place where the file can be put by hand, if it cannot be downloaded, ValueError if what came has not the
    published checksum, and OSError if it cannot be written. What a broken download left is used by the next call, or
    removed.
    """
    path = os.path.abspath(os.path.join(data_dir(), _file_name(url) if file_name is None else os.fspath(file_name)))
    if os.path.isfile(path):
        return path
    if os.path.exists(path):
        raise OSError(f"get_file: {path} is not a file; move it away, or give another file_name")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    print("Downloading: " + os.path.basename(path))
    problems, last = [], None
    for source in _sources(url):
        try:
            _download(source, path, _SUMS.get(url))
        except (_Broken, _Damaged) as error:
            problems.append(f"{source} ({error})")
            last = error
        except OSError as error:
            raise OSError(error.errno, f"get_file: the download of {url} cannot be written to {path}: "
                                       f"{error.strerror or error}; make room, or set DEZERO_C_DATA to another "
                                       "directory") from error
        else:
            print(" Done")
            return path
    kind = ValueError if isinstance(last, _Damaged) else ConnectionError
    raise kind(f"get_file: {os.path.basename(path)} could not be downloaded from {'; '.join(problems)}. Try again "
               f"later, or put the file by hand at {path}, or set DEZERO_C_DATA to the directory that holds it"
               ) from last


# ---- one file from one place --------------------------------------------------------------------------------------

def _download(url: str, path: str, published: str | None) -> None:
    part = path + ".part"
    with _locked(part, path) as file:
        if file is None:        # somebody else has brought it meanwhile
            return
        keep = False
        try:
            _fill(file, url, part, published)
            file.flush()
            os.fsync(file.fileno())
            if os.name == "nt":
                file.close()    # an open file cannot be renamed there; elsewhere it stays locked until it is in place
            os.replace(part, path)
        except (_Broken, KeyboardInterrupt):
            keep = _tag(part, url) is not None and os.path.getsize(part) > 0
            raise
        finally:
            if not keep:
                if os.name == "nt":
                    file.close()
                _remove(part, part + ".tag")


def _remove(*paths: str) -> None:
    for path in paths:
        with contextlib.suppress(OSError):
            os.remove(path)


@contextlib.contextmanager
def _locked(part: str, path: str) -> Iterator[IO[bytes] | None]:
    """`part`, open and locked against other threads and processes, or None if `path` is there once they are done."""
    try:
        import fcntl
    except ImportError:
        fcntl = None  # type: ignore[assignment]
    while True:
        file = open(part, "a+b")    # noqa: SIM115
        try:
            if fcntl is not None:
                with contextlib.suppress(OSError):      # some network file systems have no locks
                    fcntl.flock(file, fcntl.LOCK_EX)
            if os.path.exists(path):
                if os.path.exists(part) and os.path.samestat(os.fstat(file.fileno()), os.stat(part)):
                    _remove(part)
                yield None
                return
            try:
                same = os.path.samestat(os.fstat(file.fileno()), os.stat(part))
            except FileNotFoundError:
                same = False
            if same:
                yield file
                return
        finally:
            file.close()


def _fill(file: IO[bytes], url: str, part: str, published: str | None) -> None:
    """Makes `file` what `url` has, from what it holds already if that is a beginning of it."""
    for attempt in range(_ATTEMPTS):
        start = _size(file)
        try:
            resumed = _transfer(file, url, part)
        except _Broken:
            if attempt == _ATTEMPTS - 1 or _size(file) <= start or _tag(part, url) is None:
                raise
            continue
        if published is None or _sum(file, published) == published:
            return
        if not resumed:
            raise _Damaged(f"what came has not the published checksum, {published}")
        file.truncate(0)        # a beginning that did not belong to it
    raise _Damaged(f"what came has not the published checksum, {published}")


def _size(file: IO[bytes]) -> int:
    return file.seek(0, os.SEEK_END)


def _sum(file: IO[bytes], like: str) -> str:
    """The checksum of a file, written as `like` is: `<algorithm>:<digits>`."""
    import hashlib

    algorithm = like.partition(":")[0]
    digest = hashlib.new(algorithm, usedforsecurity=False)
    file.flush()
    file.seek(0)
    while block := file.read(1 << 20):
        digest.update(block)
    return f"{algorithm}:{digest.hexdigest()}"


def _tag(part: str, url: str) -> str | None:
    """What the server said of the file of which `part` is a beginning, or None."""
    try:
        with open(part + ".tag", encoding="utf-8") as file:
            source, tag = file.read().split("\n")
    except (OSError, ValueError):
        return None
    return tag if source == url else None


def _note(part: str, url: str, headers: Message) -> None:
    """Keeps an ETag or a date, one of which lets a later request ask for the rest of this very file only."""
    etag = headers.get("ETag") or ""
    tag = etag if etag.startswith('"') else headers.get("Last-Modified")
    if not tag or headers.get("Accept-Ranges", "").lower() == "none":
        _remove(part + ".tag")
        return
    with open(part + ".tag", "w", encoding="utf-8") as file:
        file.write(f"{url}\n{tag}")


def _transfer(file: IO[bytes], url: str, part: str) -> bool:
    """One request, whose answer is appended to `file`, or replaces what it holds. Whether it was appended."""
    import http.client
    import urllib.error
    import urllib.request

    start, tag = _size(file), _tag(part, url)
    headers = {"User-Agent": "dezero_c"}
    if start and tag is not None:
        headers |= {"Range": f"bytes={start}-", "If-Range": tag}
    try:
        response = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=_TIMEOUT)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416 and "Range" in headers:     # it has no such rest
            file.truncate(0)
            _remove(part + ".tag")
            return _transfer(file, url, part)
        raise _Broken(f"HTTP {error.code} {error.reason}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Broken(str(getattr(error, "reason", error)) or type(error).__name__) from error
    with response:
        resumed = getattr(response, "status", None) == 206
        if resumed and not response.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            raise _Broken(f"it answered with the wrong part, {response.headers.get('Content-Range')!r}")
        if not resumed:
            start = 0
            file.truncate(0)
            _note(part, url, response.headers)
        length = response.headers.get("Content-Length", "")
        total = start + int(length) if length.isdecimal() else -1
        _copy(response, file, start, total)
    return resumed


def _copy(response: Any, file: IO[bytes], received: int, total: int) -> None:
    import http.client

    shown = 0.0
    file.seek(0, os.SEEK_END)
    try:
        while True:
            try:
                block = response.read(_BLOCK)
            except (OSError, http.client.HTTPException) as error:
                raise _Broken(f"the connection broke after {received} bytes: {error}") from error
            if not block:
                break
            file.write(block)
            received += len(block)
            if time.monotonic() - shown > 0.1:
                shown = time.monotonic()
                show_progress(received, 1, total)
    finally:
        file.flush()
    if received < total:
        raise _Broken(f"the connection broke after {received} of {total} bytes")
    show_progress(received, 1, total)
