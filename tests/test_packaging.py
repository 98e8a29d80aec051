"""What is shipped: the sdist, the list of wheels, the flags that they are compiled with, and the installed package's files."""

import hashlib
import importlib
import importlib.util
import os
import platform
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
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


def written(name):
    return (ROOT / name).read_text(encoding="utf-8")


def test_one_version_stands_everywhere():
    version = tomllib.loads(written("pyproject.toml"))["project"]["version"]
    assert dezero_c.__version__ == version
    assert re.search(r"^version: (.*)$", written("CITATION.cff"), re.MULTILINE)[1] == version
    assert re.search(r'^  version: "(.*)"$', written("conda/recipe.yaml"), re.MULTILINE)[1] == version
    newest, day = re.search(r"^## (\d+\.\d+\.\d+) \((\d{4}-\d\d-\d\d)\)$", written("CHANGELOG.md"), re.MULTILINE).groups()
    assert newest == version
    assert re.search(r'^date-released: "(.*)"$', written("CITATION.cff"), re.MULTILINE)[1] == day


def test_the_citation_is_what_its_format_asks_for():
    """Else: `cffconvert --validate`."""
    text = written("CITATION.cff")
    keys = re.findall(r"^([a-z-]+):", text, re.MULTILINE)
    assert {"cff-version", "message", "title", "authors", "version", "date-released", "license"} <= set(keys)
    assert len(keys) == len(set(keys))
    assert text.startswith("cff-version: 1.2.0\n")
    project = tomllib.loads(written("pyproject.toml"))["project"]
    assert f"\nauthors:\n  - name: {project['authors'][0]['name']}\n" in text
    assert f"\nlicense: {project['license']}\n" in text
    assert project["authors"][0]["name"] in written("LICENSE")


def test_every_form_asks_what_info_prints():
    forms = sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml"))
    if not forms:
        pytest.skip("an sdist has no .github")
    assert {path.stem for path in forms} == {"bug", "config", "feature", "slow", "wrong_number"}
    for path in forms:
        text = path.read_text(encoding="utf-8")
        if path.stem != "config":
            assert "python -m dezero_c info" in text, path.name
            assert text.startswith("name: "), path.name
            fields = [each for each in re.findall(r"^  - type: (\w+)$", text, re.MULTILINE) if each != "markdown"]
            assert len(set(re.findall(r"^    id: (\w+)$", text, re.MULTILINE))) == len(fields) > 2, path.name
    assert "python -m dezero_c info" in written(".github/PULL_REQUEST_TEMPLATE.md")


def test_what_a_wheel_is_tested_with_holds_every_file_of_the_root():
    """test-sources and MANIFEST.in name one by one what `git add` would take."""
    if not (ROOT / ".git").exists() or shutil.which("git") is None:
        pytest.skip("needs git")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    heads = {path.partition("/")[0] for path in listed if not path.startswith(".")}
    assert set(tomllib.loads(written("pyproject.toml"))["tool"]["cibuildwheel"]["test-sources"]) == heads - {"dezero_c"}


@pytest.fixture(scope="module")
def recipe():
    spec = importlib.util.spec_from_file_location("conda_recipe", ROOT / "tools" / "conda_recipe.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_recipe_needs_what_the_project_needs(recipe):
    """Also without rattler-build, by which tools/conda_recipe.py looks closer."""
    text = written("conda/recipe.yaml")
    build, run = recipe.needs()
    host = re.search(r"^  host:\n((?:    - .*\n)+)", text, re.MULTILINE)[1]
    assert {line[6:] for line in host.splitlines()} == build
    assert {line[6:] for line in re.search(r"^  run:\n((?:    - .*\n)+)", text, re.MULTILINE)[1].splitlines()} == run
    assert re.fullmatch(r">=3\.\d+", tomllib.loads(written("pyproject.toml"))["project"]["requires-python"])
    for path in re.findall(r"tests/\w+\.py|examples/[\w.]+", text):
        assert (ROOT / path).exists(), path


def test_the_recipe_renders(recipe):
    pytest.importorskip("rattler_build")
    text = written("conda/recipe.yaml")
    assert len(recipe.check(text)) == len(recipe.PLATFORMS)
    for old, new, message in (("requirements:", "requires:", "unknown"), ("license: MIT", "license: none", "SPDX"),
                              ("  skip: match(python, \"<3.11\")\n", "", "or newer"), ("cython >=3.3", "cython >=3.2", "host")):
        with pytest.raises(recipe.Wrong, match=message):
            recipe.check(text.replace(old, new, 1) if old != "cython >=3.3" else text.replace(old, new))


def test_the_recipe_for_conda_forge_has_address_and_checksum(recipe, tmp_path):
    text = written("conda/recipe.yaml")
    sdist = tmp_path / f"dezero_c-{dezero_c.__version__}.tar.gz"
    sdist.write_bytes(b"content")
    made = recipe.release(text, sdist, "https://files.org/d.tar.gz", "https://github.com/a/b", "somebody")
    assert f"\nsource:\n  url: https://files.org/d.tar.gz\n  sha256: {hashlib.sha256(b'content').hexdigest()}\n" in made
    assert "\nabout:\n  homepage: https://github.com/a/b\n" in made
    assert made.endswith("recipe-maintainers:\n    - somebody\n")
    for change, message in (({"url": "dist/d.tar.gz"}, "begins with https"), ({"maintainer": "some body"}, "no name on GitHub"),
                            ({"sdist": tmp_path / "dezero_c-9.tar.gz"}, "is not the sdist of")):
        with pytest.raises(recipe.Wrong, match=message):
            recipe.release(text, **{"sdist": sdist, "url": "https://files.org/d.tar.gz", "homepage": "https://github.com/a/b",
                                    "maintainer": "somebody", **change})


def test_a_wheel_packed_anew_has_the_same_files(tmp_path):
    pytest.importorskip("zopfli")
    wheel = tmp_path / "some-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in (("some/a.py", b"x = 1\n" * 500), ("some/b", b""), ("some/c", os.urandom(64)),
                           ("some/\u00e9.txt", b"abab" * 99)):
            member = zipfile.ZipInfo(name, (2026, 1, 2, 3, 4, 6))
            member.external_attr = 0o100755 << 16
            member.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(member, data)
    before = wheel.read_bytes()
    subprocess.run([sys.executable, ROOT / "tools" / "pack_wheel.py", wheel], check=True)
    assert len(wheel.read_bytes()) < len(before)
    (tmp_path / "before.whl").write_bytes(before)
    with zipfile.ZipFile(tmp_path / "before.whl") as one, zipfile.ZipFile(wheel) as other:
        assert other.testzip() is None
        assert [(m.filename, m.date_time, m.external_attr, one.read(m)) for m in one.infolist()] == [
            (m.filename, m.date_time, m.external_attr, other.read(m)) for m in other.infolist()]
    assert [path.name for path in tmp_path.iterdir() if path.suffix == ".part"] == []


def test_functions_compiled_for_size_are_told_by_their_names():
    sys.path.insert(0, str(ROOT / "src"))
    try:
        cold = importlib.import_module("cold")
    finally:
        sys.path.remove(str(ROOT / "src"))
    text = """/* Generated by Cython */
static PyObject *__pyx_f_8dezero_c_5_core_link(PyObject *); /*proto*/
static PyObject *__pyx_pw_8dezero_c_5_core_8Variable_47backward(PyObject *, int); /* proto*/
static CYTHON_INLINE int __pyx_f_8dezero_c_5_core_small(int); /*proto*/
static PyObject *__pyx_pf_8dezero_c_5_core_25link(PyObject *self) {
"""
    assert cold.names_in(text) == {"_core.link", "_core.Variable.backward"}
    found = cold.marked(text, {"_core.link"})
    assert found.startswith("/* Generated by Cython */\n" + cold.ATTRIBUTE)
    assert "DZ_COLD static PyObject *__pyx_f_8dezero_c_5_core_link(" in found
    assert found.count("DZ_COLD static") == 1
    assert cold.load()
