"""The examples that run on several ranks: what they print, save and draw is what one process would; memory that is limited."""

import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from ranks import environment, mpiexec

ROOT = Path(__file__).resolve().parents[1]


def example(n, name, folder, *arguments, limit=None, **environ):
    path, why = mpiexec()
    if path is None:
        pytest.skip(why)

    def limited():
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))

    script = str(ROOT / "examples" / f"{name}.py")
    command = [path, "-n", str(n), sys.executable, "-W", "error::RuntimeWarning", script, *arguments]
    done = subprocess.run(command, cwd=folder, env=environment() | environ, capture_output=True, text=True, timeout=120,
                          preexec_fn=limited if limit else None, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_digits_on_1_2_and_4_ranks_are_the_same(tmp_path):
    found = {}
    for n in (1, 2, 4):
        folder = tmp_path / str(n)
        folder.mkdir()
        printed = example(n, "digits_mpi", folder, "--quick")
        with np.load(folder / "pictures" / "digits_mpi.npz") as archive:
            weights = {name: archive[name].tobytes() for name in archive.files}
        (picture,) = [path for path in (folder / "pictures").iterdir() if path.suffix in (".png", ".svg")]
        found[n] = printed, weights, picture.read_bytes()
    accuracy = float(re.search(r"test accuracy ([\d.]+)%", found[1][0])[1])
    assert accuracy > 75
    assert len(found[1][2]) > 5000
    assert len(found[1][1]) == 6
    for n in (2, 4):
        assert found[n] == found[1], n


@pytest.mark.skipif(sys.platform != "linux", reason="limits of a process's data are Linux's")
def test_a_file_larger_than_the_memory_that_a_rank_may_have(tmp_path):
    """The file has 136 MB, a process may have 134 MB for its data, that of Python, NumPy and MPI included. The picture is drawn
    without matplotlib, which alone would need more."""
    limit, rows = 128 << 20, 8_500_000
    (tmp_path / "without").mkdir()
    (tmp_path / "without" / "matplotlib.py").write_text("raise ImportError")
    path = os.pathsep.join([str(tmp_path / "without"), environment()["PYTHONPATH"]])
    alone = example(1, "likelihood_mpi", tmp_path, "--quick", DEZERO_C_ROWS="20000")
    (tmp_path / "pictures" / "points.bin").unlink()
    printed = example(2, "likelihood_mpi", tmp_path, "--quick", limit=limit, DEZERO_C_ROWS=str(rows), PYTHONPATH=path)
    size = os.path.getsize(tmp_path / "pictures" / "points.bin")
    assert size > limit
    assert f"{rows} points, 136 MB" in printed
    values = [float(v) for v in re.findall(r"mean ([\d.-]+)", printed)]
    assert len(values) >= 3
    assert values[-1] < values[0] - 0.1
    assert [float(v) for v in re.findall(r"mean ([\d.-]+)", alone)] == pytest.approx(values, abs=0.05)
    (tmp_path / "pictures" / "points.bin").unlink()
    # the limit is one: an array of the file's size cannot be had
    program = f"""import resource, numpy
resource.setrlimit(resource.RLIMIT_DATA, ({limit}, {limit}))
numpy.ones({size}, "u1")"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment(), check=False)
    assert "MemoryError" in done.stderr


def test_gallery_has_a_picture_of_each():
    for name in ("digits_mpi", "likelihood_mpi"):
        content = (ROOT / "docs" / "gallery" / f"{name}.png").read_bytes()
        assert content.startswith(b"\x89PNG\r\n\x1a\n")
        assert 5_000 < len(content) < 60_000
