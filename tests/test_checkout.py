"""A source checkout in the working directory, which `python -m` puts first on sys.path: the installed engine is found
all the same, and where there is none the message says what to do.
"""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dezero_c

INSTALLED = Path(dezero_c._core.__file__).parent


@pytest.fixture
def checkout(tmp_path):
    """A folder with the package's Python files and no compiled module."""
    shutil.copytree(INSTALLED, tmp_path / "dezero_c", ignore=shutil.ignore_patterns("*.so", "*.pyd", "__pycache__"))
    return tmp_path


def run(cwd, *args, path=None):
    """Python in `cwd`, with `path` alone on PYTHONPATH."""
    return subprocess.run([sys.executable, *args], cwd=cwd, capture_output=True, text=True, timeout=60,
                          env={"PYTHONPATH": str(path or ""), "PATH": "", "SYSTEMROOT": "C:\\Windows"})


def test_the_installed_engine_is_found(checkout):
    code = "import dezero_c, dezero_c.chapter1 as c; print(dezero_c._core.__file__); print(c.__file__)"
    done = run(checkout, "-c", code, path=INSTALLED.parent)
    assert done.returncode == 0, done.stderr
    assert [Path(line).parent for line in done.stdout.split("\n") if line] == [INSTALLED, INSTALLED]


def test_the_command_line_works_there(checkout):
    done = run(checkout, "-m", "dezero_c", "--version", path=INSTALLED.parent)
    assert done.returncode == 0, done.stderr
    assert dezero_c.__version__ in done.stdout


def test_without_an_installed_engine(checkout):
    """-S and an isolated path: nothing installed can be found."""
    done = run(checkout, "-S", "-c", "import dezero_c")
    assert done.returncode == 1
    assert "the compiled engine is missing" in done.stderr
    assert "pip install ." in done.stderr


def test_a_reload_goes_on_with_the_installed_engine(checkout):
    code = ("import importlib, dezero_c; importlib.reload(dezero_c); import dezero_c._conv as c; "
            "importlib.reload(dezero_c.layers); print(c.__file__); print(dezero_c.__path__[0])")
    done = run(checkout, "-c", code, path=INSTALLED.parent)
    assert done.returncode == 0, done.stderr
    assert Path(done.stdout.split("\n")[0]).parent == INSTALLED
    assert Path(done.stdout.split("\n")[1]) == INSTALLED
