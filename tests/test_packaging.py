"""What is shipped: the sdist, the list of wheels, the flags that they are compiled with, and the installed package's files."""

import hashlib
import importlib
import os
import platform
import shutil
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

import dezero_c

ROOT = Path(__file__).resolve().parent.parent
INSTALLED = Path(dezero_c._core.__file__).parent
MODULES = {path.stem for path in (ROOT / "src/dezero_c").glob("*.pyx")} | {"_ops"}
BUILT = (".so", ".pyd", ".html", ".pyc")


@pytest.fixture(scope="module")
def sdists(tmp_path_factory):
    """Two sdists of one tree, made in different folders of files with different times and rights."""
    for name in ("setuptools", "Cython"):
        pytest.importorskip(name)
    if not (ROOT / "setup.py").exists() or not (ROOT / "dezero_c").is_dir():
        pytest.skip("needs a checkout")
    made = []
    for i in range(2):
        folder = tmp_path_factory.mktemp(f"sdist{i}") / ("tree" + "x" * i)
        ignore = shutil.ignore_patterns("*.so", "build", "dist", ".git", "*.egg-info", "__pycache__", ".*_cache", ".venv")
        shutil.copytree(ROOT, folder, ignore=ignore)
        for path in folder.rglob("*.py"):
            os.utime(path, (10**9 + i, 10**9 + i))
            path.chmod(0o644 if i else 0o600)
        subprocess.run([sys.executable, "setup.py", "-q", "sdist", "--formats=gztar"], cwd=folder, check=True, timeout=120,
                       capture_output=True, env={**os.environ, "SOURCE_DATE_EPOCH": "1767225600", "PYTHONHASHSEED": str(i)})
        (path,) = (folder / "dist").glob("*.tar.gz")
        made.append(path)
    return made


def test_sdists_have_equal_bytes(sdists):
    first, second = (hashlib.sha256(path.read_bytes()).hexdigest() for path in sdists)
    assert first == second


def from_source(name):
    sys.path.insert(0, str(ROOT / "src"))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.remove(str(ROOT / "src"))


@pytest.fixture
def in_the_sdist(sdists):
    with tarfile.open(sdists[0]) as archive:
        return {name.partition("/")[2] for name in archive.getnames()}


def test_the_sdist_holds_what_no_program_made(in_the_sdist):
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs git, to say which files were written")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    written = set(listed.splitlines())
    lacking = {path for path in written - in_the_sdist if not path.startswith(".")}
    assert lacking == set()


def test_the_sdist_holds_nothing_that_a_build_makes(in_the_sdist):
    codegen = from_source("codegen")
    assert in_the_sdist.isdisjoint(codegen.outputs(codegen.load()))
    assert not [name for name in in_the_sdist if name.endswith(BUILT) or "/generated/" in name]


def test_what_is_written_by_hand_is_not_ignored():
    """A file that git ignores goes in with `git add --force` and is lost when a tree is copied by its rules."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs git")
    ignored = subprocess.run(["git", "ls-files", "--cached", "--ignored", "--exclude-standard"], cwd=ROOT, check=True,
                             capture_output=True, text=True).stdout
    assert ignored == ""


def test_the_installed_package_holds_its_modules_and_no_source():
    suffixes = tuple(importlib.machinery.EXTENSION_SUFFIXES)
    found = {path.name.partition(".")[0] for path in INSTALLED.iterdir() if path.name.endswith(suffixes)}
    assert found == MODULES
    assert (INSTALLED / "py.typed").exists()
    assert not [path for path in INSTALLED.rglob("*") if path.suffix in (".c", ".h", ".pyx", ".pxd", ".pxi", ".toml")]


@pytest.mark.parametrize("kind", ["gcc", "clang", "msvc", "unknown"])
def test_flags_ask_for_no_particular_processor_and_no_contraction(kind):
    pytest.importorskip("setuptools")
    commands = from_source("build_commands")
    assert commands.FASTEST | commands.SMALL_GLUE | commands.SMALLEST <= MODULES
    for module in MODULES:
        flags = commands.compile_flags(kind, module)
        assert not [flag for flag in flags if flag.startswith(("-m", "/arch", "-Ofast", "-ffast-math", "/fp:fast"))]
        assert ("/fp:precise" if kind == "msvc" else "-ffp-contract=off") in flags
        assert [flag for flag in flags if flag.startswith(("-O", "/O"))]


def test_each_declared_python_has_a_wheel_on_each_platform():
    classifiers = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["classifiers"]
    versions = [line.rpartition(" ")[2].replace(".", "") for line in classifiers if ":: Python :: 3." in line]
    platforms = ("linux manylinux_x86_64", "linux manylinux_aarch64", "linux musllinux_x86_64", "linux musllinux_aarch64",
                 "macos macosx_x86_64", "macos macosx_arm64", "windows win_amd64", "windows win_arm64")
    wanted = {f"{platform.split()[0]} cp{version}-{platform.split()[1]}" for version in versions for platform in platforms}
    assert wanted == set((ROOT / "tools/wheel_identifiers.txt").read_text(encoding="utf-8").split("\n")) - {""}


def test_the_processor_is_asked_and_not_the_compiler():
    """One compiler's run-time library says that there is no AVX2 anywhere. The kernel names each flag that cpuid has."""
    about = Path("/proc/cpuinfo")
    if platform.machine() != "x86_64" or not about.exists():
        pytest.skip("x86-64 Linux tells")
    flags = set(next(line for line in about.read_text().splitlines() if line.startswith("flags")).split())
    wanted = ["base"] + ["avx2"] * ("avx2" in flags) + ["avx512"] * (flags >= {"avx512f", "avx512bw", "avx512dq", "avx512vl"})
    assert dezero_c._core.build_info()["simd_available"] == wanted
