"""dezero_c._files.download against a server on this machine: whole files, broken ones, resumed ones, and none at all."""

import errno
import hashlib
import http.server
import io
import os
import pathlib
import threading
import time

import pytest

from dezero_c._files import download as _download
from dezero_c._files.download import get_file, show_progress

CONTENT = bytes(range(256)) * 1200      # 307,200 bytes, several blocks


class Handler(http.server.BaseHTTPRequestHandler):
    """Serves CONTENT as the plan of its server says."""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        plan = self.server.plan
        self.server.requests.append((self.path, self.headers.get("Range"), self.headers.get("If-Range")))
        if self.path.startswith("/missing/"):
            self.send_error(404)
            return
        if plan["wait"]:
            time.sleep(plan["wait"])
        content, start = plan["content"], 0
        asked = self.headers.get("Range")
        if plan["ranges"] and asked and self.headers.get("If-Range") == plan["etag"]:
            start = int(asked.removeprefix("bytes=").removesuffix("-"))
            if start >= len(content):
                self.send_error(416)
                return
            self.send_response(206)
            self.send_header("Content-Range", f"bytes {start + plan['shift']}-{len(content) - 1}/{len(content)}")
        else:
            self.send_response(200)
        if plan["etag"]:
            self.send_header("ETag", plan["etag"])
        if plan["length"]:
            self.send_header("Content-Length", str(len(content) - start))
        else:
            self.send_header("Connection", "close")
        self.end_headers()
        cut = plan["cuts"].pop(0) if plan["cuts"] else None
        self.wfile.write(content[start:cut])
        if cut is not None or not plan["length"]:
            self.close_connection = True

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request, client_address):
        """A client that hangs up is what these tests are about."""


@pytest.fixture
def server():
    server = Server(("127.0.0.1", 0), Handler)
    server.plan = {"content": CONTENT, "etag": '"one"', "ranges": True, "length": True, "cuts": [], "wait": 0,
                   "shift": 0}
    server.requests = []
    server.base = f"http://127.0.0.1:{server.server_port}/"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("DEZERO_C_DATA", str(tmp_path / "cache"))
    monkeypatch.setenv("no_proxy", "*")
    return tmp_path / "cache"


def left(cache):
    return sorted(path.name for path in cache.iterdir())


# ---- where files are ----------------------------------------------------------------------------------------------

def test_a_file_comes_once(server, cache, capsys):
    path = get_file(server.base + "folder/weights.npz")
    assert path == str(cache / "weights.npz")
    assert pathlib.Path(path).read_bytes() == CONTENT
    out = capsys.readouterr().out
    assert out.startswith("Downloading: weights.npz\n\r[")
    assert out.endswith("[##############################] 100.00% Done\n")
    assert get_file(server.base + "folder/weights.npz") == path
    assert capsys.readouterr().out == ""
    assert len(server.requests) == 1
    assert left(cache) == ["weights.npz"]


def test_names(server, cache):
    assert get_file(server.base + "a%20b.txt?raw=true#x") == str(cache / "a b.txt")
    assert get_file(server.base + "?x", "deep/er.txt") == str(cache / "deep" / "er.txt")
    for url in (server.base, server.base + "a/", server.base + "..", server.base + "%2e%2e", server.base + "a%5cb"):
        with pytest.raises(ValueError, match="name of a file"):
            get_file(url)
    (cache / "folder").mkdir()
    with pytest.raises(OSError, match=r"folder is not a file"):
        get_file(server.base + "folder")


def test_a_local_url(tmp_path, cache):
    (tmp_path / "x.bin").write_bytes(CONTENT)
    path = get_file((tmp_path / "x.bin").as_uri(), "y.bin")
    assert pathlib.Path(path).read_bytes() == CONTENT
    assert left(cache) == ["y.bin"]


def test_the_cache_directory_can_be_set(tmp_path, monkeypatch, cache):
    assert _download.data_dir() == str(cache)
    monkeypatch.setattr(_download, "cache_dir", str(tmp_path / "mine"))
    assert _download.data_dir() == str(tmp_path / "mine")
    monkeypatch.undo()
    monkeypatch.delenv("DEZERO_C_DATA", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert _download.data_dir() == str(tmp_path / ".dezero")


def test_the_cache_directory_can_be_set_in_utils(tmp_path, monkeypatch):
    from dezero_c import utils

    monkeypatch.setattr(utils, "cache_dir", tmp_path / "theirs", raising=False)
    assert _download.data_dir() == str(tmp_path / "theirs")


# ---- downloads that break -----------------------------------------------------------------------------------------

def test_a_broken_connection_is_taken_up(server, cache):
    server.plan["cuts"] = [100_000, 250_000]
    path = get_file(server.base + "x.bin")
    assert pathlib.Path(path).read_bytes() == CONTENT
    assert [r[1:] for r in server.requests] == [
        (None, None), ("bytes=100000-", '"one"'), ("bytes=250000-", '"one"')]
    assert left(cache) == ["x.bin"]


def test_an_interrupted_download_is_taken_up_by_the_next_call(server, cache, monkeypatch):
    def interrupt(*args):
        raise KeyboardInterrupt

    monkeypatch.setattr(_download, "show_progress", interrupt)
    with pytest.raises(KeyboardInterrupt):
        get_file(server.base + "x.bin")
    assert left(cache) == ["x.bin.part", "x.bin.part.tag"]
    have = (cache / "x.bin.part").stat().st_size
    assert 0 < have < len(CONTENT)
    monkeypatch.undo()
    monkeypatch.setenv("DEZERO_C_DATA", str(cache))
    monkeypatch.setenv("no_proxy", "*")
    path = get_file(server.base + "x.bin")
    assert pathlib.Path(path).read_bytes() == CONTENT
    assert server.requests[-1][1:] == (f"bytes={have}-", '"one"')
    assert left(cache) == ["x.bin"]


@pytest.mark.parametrize("change", [{"etag": '"two"', "content": CONTENT[::-1]}, {"ranges": False}])
def test_what_cannot_be_resumed_starts_again(server, cache, change):
    cache.mkdir()
    (cache / "x.bin.part").write_bytes(CONTENT[:1000])
    (cache / "x.bin.part.tag").write_text(f'{server.base}x.bin\n"one"')
    server.plan |= change
    path = get_file(server.base + "x.bin")
    assert pathlib.Path(path).read_bytes() == server.plan["content"]
    assert server.requests == [("/x.bin", "bytes=1000-", '"one"')]
    assert left(cache) == ["x.bin"]


@pytest.mark.parametrize("tag", [None, "http://127.0.0.1:1/elsewhere\n\"one\"", "nonsense"])
def test_a_beginning_of_unknown_origin_is_not_used(server, cache, tag):
    cache.mkdir()
    (cache / "x.bin.part").write_bytes(b"something else")
    if tag is not None:
        (cache / "x.bin.part.tag").write_text(tag)
    assert pathlib.Path(get_file(server.base + "x.bin")).read_bytes() == CONTENT
    assert server.requests == [("/x.bin", None, None)]
    assert left(cache) == ["x.bin"]


def test_a_part_longer_than_the_file_starts_again(server, cache):
    cache.mkdir()
    (cache / "x.bin.part").write_bytes(CONTENT + b"more")
    (cache / "x.bin.part.tag").write_text(f'{server.base}x.bin\n"one"')
    assert pathlib.Path(get_file(server.base + "x.bin")).read_bytes() == CONTENT
    assert [r[1] for r in server.requests] == [f"bytes={len(CONTENT) + 4}-", None]


def test_the_wrong_part_is_refused(server, cache):
    server.plan |= {"cuts": [1000], "shift": 7}
    with pytest.raises(ConnectionError, match="wrong part"):
        get_file(server.base + "x.bin")


def test_without_a_tag_nothing_is_left(server, cache):
    server.plan |= {"cuts": [1000], "etag": None}
    with pytest.raises(ConnectionError, match="broke after 1000 of 307200 bytes"):
        get_file(server.base + "x.bin")
    assert left(cache) == []


def test_it_gives_up_in_the_end_and_keeps_the_beginning(server, cache):
    server.plan["cuts"] = [1000, 1000, 1000, 1000, 1000]
    with pytest.raises(ConnectionError) as error:
        get_file(server.base + "x.bin")
    assert len(server.requests) == 2        # the second brought nothing
    assert str(cache / "x.bin") in str(error.value)
    assert left(cache) == ["x.bin.part", "x.bin.part.tag"]


def test_no_length(server, cache, capsys):
    server.plan["length"] = False
    assert pathlib.Path(get_file(server.base + "x.bin")).read_bytes() == CONTENT
    assert "0.31 MB" in capsys.readouterr().out


def test_a_full_disk(server, cache, monkeypatch):
    class Full(io.BufferedRandom):
        def write(self, block):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def full_open(path, mode="r", **options):
        return Full(io.FileIO(path, "a+")) if mode == "a+b" else open(path, mode, **options)

    monkeypatch.setattr(_download, "open", full_open, raising=False)
    with pytest.raises(OSError, match=r"cannot be written to .*x\.bin.*make room") as error:
        get_file(server.base + "x.bin")
    assert error.value.errno == errno.ENOSPC
    assert left(cache) == []


# ---- no answer, and wrong ones ------------------------------------------------------------------------------------

def test_offline(cache, server):
    server.shutdown()
    server.server_close()
    url = server.base + "x.bin"
    with pytest.raises(ConnectionError) as error:
        get_file(url)
    text = str(error.value)
    assert url in text
    assert f"by hand at {cache / 'x.bin'}" in text
    assert "DEZERO_C_DATA" in text
    assert left(cache) == []


def test_an_error_answer(server, cache):
    with pytest.raises(ConnectionError, match="HTTP 404 Not Found"):
        get_file(server.base + "missing/x.bin")
    assert left(cache) == []


@pytest.mark.parametrize("algorithm", ["md5", "sha256"])
def test_checksums(server, cache, monkeypatch, algorithm):
    url = server.base + "x.bin"
    digest = hashlib.new(algorithm, CONTENT).hexdigest()
    monkeypatch.setitem(_download._SUMS, url, f"{algorithm}:{digest}")
    server.plan["content"] = CONTENT[:-1] + b"?"
    with pytest.raises(ValueError, match=f"x.bin could not be downloaded .* checksum, {algorithm}:{digest}"):
        get_file(url)
    assert left(cache) == []
    server.plan["content"] = CONTENT
    assert pathlib.Path(get_file(url)).read_bytes() == CONTENT


def test_a_resumed_file_with_a_wrong_beginning_starts_again(server, cache, monkeypatch):
    url = server.base + "x.bin"
    monkeypatch.setitem(_download._SUMS, url, "md5:" + hashlib.md5(CONTENT).hexdigest())
    cache.mkdir()
    (cache / "x.bin.part").write_bytes(b"?" * 1000)
    (cache / "x.bin.part.tag").write_text(f'{url}\n"one"')
    assert pathlib.Path(get_file(url)).read_bytes() == CONTENT
    assert [r[1] for r in server.requests] == ["bytes=1000-", None]


def test_mirrors_are_tried_in_turn(server, cache, monkeypatch):
    original = "http://original.invalid/data/"
    monkeypatch.setitem(_download._MIRRORS, original, (server.base + "missing/", server.base + "good/"))
    assert pathlib.Path(get_file(original + "x.bin")).read_bytes() == CONTENT
    assert [r[0] for r in server.requests] == ["/missing/x.bin", "/good/x.bin"]


def test_known_sums_are_of_known_files():
    for url, published in _download._SUMS.items():
        algorithm, digits = published.split(":")
        assert len(bytes.fromhex(digits)) == hashlib.new(algorithm).digest_size
        assert url.startswith(("https://", _download._MNIST))
    assert all(mirror.startswith("https://") for mirrors in _download._MIRRORS.values() for mirror in mirrors)


def test_two_at_once_fetch_it_once(server, cache):
    pytest.importorskip("fcntl")
    server.plan["wait"] = 0.2
    paths = []
    threads = [threading.Thread(target=lambda: paths.append(get_file(server.base + "x.bin"))) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert paths == [str(cache / "x.bin")] * 3
    assert (cache / "x.bin").read_bytes() == CONTENT
    assert len(server.requests) == 1
    assert left(cache) == ["x.bin"]


# ---- the bar ------------------------------------------------------------------------------------------------------

def test_show_progress(capsys):
    show_progress(3, 100, 1000)
    show_progress(30, 100, 1000)
    assert capsys.readouterr().out == (
        "\r[#########.....................] 30.00%\r[##############################] 100.00%")
    show_progress(3, 1_000_000, -1)
    assert capsys.readouterr().out == "\r3.00 MB"
