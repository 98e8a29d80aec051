"""tools/publish_address.py: what it writes, that a second run changes nothing, and what it refuses.

Runs on copies of a source checkout's files; tools are no part of the installed package.
"""

import importlib.util
import re
import shutil
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
FILES = ("pyproject.toml", "CITATION.cff", "README.md", ".github/ISSUE_TEMPLATE/config.yml")
ADDRESS = "https://github.com/somebody/dezero_c"


@pytest.fixture(scope="module")
def tool():
    spec = importlib.util.spec_from_file_location("publish_address", ROOT / "tools" / "publish_address.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def checkout(tmp_path):
    """The files that the tool writes. An sdist has no .github; a file as it is there stands in for that one."""
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copyfile(ROOT / name, tmp_path / name)
        else:
            (tmp_path / name).write_text("blank_issues_enabled: true\n", encoding="utf-8")
    return tmp_path


def texts(checkout):
    return {name: (checkout / name).read_text(encoding="utf-8") for name in FILES}


def test_it_writes_the_address_into_every_place(tool, checkout, capsys):
    before = texts(checkout)
    assert tool.main([ADDRESS, "--docs", "https://dezero-c.readthedocs.io/"], checkout) == 0
    after = texts(checkout)
    assert capsys.readouterr().out.count("written") == 4
    assert tomllib.loads(after["pyproject.toml"])["project"]["urls"] == {
        "Homepage": ADDRESS, "Documentation": "https://dezero-c.readthedocs.io/", "Source": ADDRESS,
        "Issues": f"{ADDRESS}/issues", "Changelog": f"{ADDRESS}/blob/main/CHANGELOG.md"}
    plain = tomllib.loads(after["pyproject.toml"])
    del plain["project"]["urls"]
    assert plain == {**(old := tomllib.loads(before["pyproject.toml"])),
                     "project": {k: v for k, v in old["project"].items() if k != "urls"}}
    assert f'\nrepository-code: "{ADDRESS}"\n' in after["CITATION.cff"]
    assert "    repository-code: https://github.com/oreilly-japan/" in after["CITATION.cff"]     # DeZero's stays
    assert "colab.research.google.com/github/somebody/dezero_c/blob/main/examples/chapter1.ipynb" in after["README.md"]
    assert "mybinder.org/v2/gh/somebody/dezero_c/main?labpath=examples%2Fchapter1.ipynb" in after["README.md"]
    assert "security/advisories/new" in after[FILES[3]]
    assert (ROOT / tool.NOTEBOOK).exists()


def test_a_second_run_changes_nothing(tool, checkout, capsys):
    for docs in ([], ["--docs", "https://somewhere.org/docs"]):
        assert tool.main([ADDRESS, *docs], checkout) == 0
        first = texts(checkout)
        capsys.readouterr()
        assert tool.main([ADDRESS + ".git", *docs], checkout) == 0
        assert texts(checkout) == first
        assert capsys.readouterr().out.count("as it was") == 4


def test_another_address_takes_the_place_of_the_first(tool, checkout):
    tool.main([ADDRESS], checkout)
    first = texts(checkout)
    tool.main(["https://github.com/else/where/"], checkout)
    second = texts(checkout)
    assert "somebody/" not in "".join(second.values())
    tool.main([ADDRESS], checkout)
    assert texts(checkout) == first


def test_forms_are_yaml(tool, checkout):
    yaml = pytest.importorskip("yaml")
    tool.main([ADDRESS], checkout)
    links = yaml.safe_load(texts(checkout)[FILES[3]])["contact_links"]
    assert all(set(link) == {"name", "url", "about"} for link in links)
    assert yaml.safe_load(texts(checkout)["CITATION.cff"])["repository-code"] == ADDRESS


@pytest.mark.parametrize(("arguments", "message"), [
    (["dezero_c"], "write it as https://github.com/OWNER/NAME"),
    (["http://github.com/somebody/dezero_c"], "no address of a repository"),
    (["https://github.com/some body/dezero_c"], "no address of a repository"),
    (["https://gitlab.com/somebody/dezero_c"], "is not on github.com"),
    (["https://me:word@github.com/somebody/dezero_c"], "is not on github.com"),
    (["https://github.com:8080/somebody/dezero_c"], "is not on github.com"),
    (["https://github.com:port/somebody/dezero_c"], "is no address"),
    (["https://github.com/somebody"], "has 1 names after the host"),
    (["https://github.com/somebody/dezero_c/tree/main"], "has 4 names after the host"),
    (["https://github.com/somebody/dezero_c?tab=readme"], "leave out what follows"),
    (["https://github.com/-somebody/dezero_c"], "names that GitHub takes"),
    (["https://github.com/somebody/.."], "names that GitHub takes"),
    (["https://github.com/OWNER/NAME"], "stands for an address"),
    ([ADDRESS, "--docs", "docs/index.md"], "begins with https://"),
    ([ADDRESS, "--docs", "https://localhost/docs"], "begins with https://"),
    ([ADDRESS, "--docs", 'https://a.org/"'], "begins with https://"),
])
def test_nonsense_is_refused_and_nothing_written(tool, checkout, capsys, arguments, message):
    before = texts(checkout)
    assert tool.main(arguments, checkout) == 2
    assert re.search(re.escape(message), capsys.readouterr().err)
    assert texts(checkout) == before


@pytest.mark.parametrize(("name", "text", "message"), [
    ("README.md", "<!-- badges -->", "README.md: the mark <!-- badges --> is there 0 times"),
    ("CITATION.cff", "license: MIT\n", "CITATION.cff: license: MIT is there"),
    ("pyproject.toml", "[project.optional-dependencies]\n", "pyproject.toml: the line"),
])
def test_a_file_without_its_place_stops_it(tool, checkout, capsys, name, text, message):
    path = checkout / name
    path.write_text(path.read_text(encoding="utf-8").replace(text, ""), encoding="utf-8")
    before = texts(checkout)
    assert tool.main([ADDRESS], checkout) == 2
    assert message in capsys.readouterr().err
    assert texts(checkout) == before


def test_outside_of_a_checkout(tool, tmp_path, capsys):
    assert tool.main([ADDRESS], tmp_path) == 2
    assert "pyproject.toml, CITATION.cff" in capsys.readouterr().err
