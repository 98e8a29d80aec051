"""Files that are whole or not there: what killed writes have left goes with the next write, what others write stays."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

import dezero_c
from dezero_c._files import whole
from dezero_c._files.whole import replacing

KILLED = """
import os, signal, sys
from dezero_c._files.whole import replacing
with replacing(sys.argv[1]) as file:
    file.write(b"half")
    file.flush()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def names(folder):
    return sorted(p.name for p in folder.iterdir())


def parts(folder):
    return [name for name in names(folder) if name.endswith(".part")]


@pytest.mark.skipif(os.name != "posix", reason="no SIGKILL here")
def test_what_a_killed_write_left_goes_with_the_next(tmp_path):
    path = tmp_path / "run"
    path.write_bytes(b"before")
    env = os.environ | {"PYTHONPATH": str(Path(dezero_c.__file__).parents[1])}
    done = subprocess.run([sys.executable, "-c", KILLED, str(path)], env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == -9, done.stderr
    assert path.read_bytes() == b"before"
    assert len(parts(tmp_path)) == 1
    with replacing(tmp_path / "run2") as file:      # another file's
        file.write(b"other")
    assert len(parts(tmp_path)) == 1
    with replacing(path) as file:
        file.write(b"after")
    assert names(tmp_path) == ["run", "run2"]
    assert path.read_bytes() == b"after"


def test_what_is_being_written_stays(tmp_path):
    path = tmp_path / "run"
    with replacing(path) as one:
        one.write(b"one")
        with replacing(path) as other:
            other.write(b"other")
            assert len(parts(tmp_path)) == 2
        assert path.read_bytes() == b"other"
        assert len(parts(tmp_path)) == 1
    assert path.read_bytes() == b"one"
    assert names(tmp_path) == ["run"]


def test_many_write_the_same_file(tmp_path):
    path, errors = tmp_path / "run", []

    def write(k):
        try:
            for _ in range(20):
                with replacing(path) as file:
                    file.write(bytes([k]) * 1000)
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=write, args=(k,)) for k in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert errors == []
    assert names(tmp_path) == ["run"]
    assert len(set(path.read_bytes())) == 1


def test_only_names_that_are_ours_are_removed(tmp_path):
    kept = [".run.part", ".run.abcdefg.part", ".run.ABCDEFGH.part", ".run.abcdefgh.part.txt", "run.abcdefgh.part",
            ".run.x.abcdefgh.part"]
    for name in [*kept, ".run.abcdefgh.part"]:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / ".run.folder__.part").mkdir()
    with replacing(tmp_path / "run") as file:
        file.write(b"")
    assert names(tmp_path) == sorted([*kept, "run", ".run.folder__.part"])


def test_without_locks_nothing_is_removed(tmp_path, monkeypatch):
    if whole.fcntl is None:
        pytest.skip("no locks of this kind here")

    def refuse(*_):
        raise OSError("no locks available")

    monkeypatch.setattr(whole.fcntl, "flock", refuse)
    (tmp_path / ".run.abcdefgh.part").write_bytes(b"")
    with replacing(tmp_path / "run") as file:
        file.write(b"new")
    assert names(tmp_path) == [".run.abcdefgh.part", "run"]
    assert (tmp_path / "run").read_bytes() == b"new"
