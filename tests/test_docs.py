"""The documentation's code runs: README.md and every page below docs.

The blocks marked python of a page are one program: they share a namespace and run in order, in a process of its own with
warnings as errors, in an empty folder. Where a block marked text follows, it is what the block prints: words and whole
numbers exactly, numbers with a point to within two units of their last place, since processors round differently. A
comment `<!-- not run: reason -->` on the line before a block leaves it out. A page with `<!-- needs: package -->` is skipped
where that is not installed; on the line before a block it is that block. The translations of the tutorial are held to the
English code. After a comment `<!-- file: NAME -->` a block is written into that file, and after `<!-- command -->` the lines of
a block marked sh are run, as a reader would type them; what they print on stdout is compared likewise.

A block with `savefig("name.png")` draws docs/gallery/name.png: what it draws is compared with that file, roughly, since
Matplotlib's versions place and smooth letters differently. The translations show the same file and do not draw it again.

    python tests/test_docs.py PAGE            runs a page, and shows what differs
    python tests/test_docs.py --update PAGE   writes what the blocks printed into the blocks marked text that follow them, and
                                              what they drew into docs/gallery
"""

import ast
import contextlib
import importlib.util
import io
import os
import re
import shlex
import shutil
import subprocess
import sys
import traceback
import types
import warnings
from pathlib import Path

import numpy as np
import pytest

import dezero_c

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
GALLERY = DOCS / "gallery"
PACKAGE = Path(dezero_c._core.__file__).parents[1]      # where the engine under test was found
GENERATED = {"functions.md", "ops.md"}
LANGUAGES = ("ja", "ko")

FENCE = re.compile(r"^```(\w*)[^\n]*\n(.*?)^```[ \t]*$", re.MULTILINE | re.DOTALL)
NEEDS = re.compile(r"^<!-- needs: (\w+) -->$(?!\n```)", re.MULTILINE)
BLOCK_NEEDS = re.compile(r"^<!-- needs: (\w+) -->\n\Z", re.MULTILINE)
DRAWS = re.compile(r'savefig\("([\w-]+\.png)"')
FILED = re.compile(r"<!-- file: ([\w.-]+) -->\n\Z")
COMMAND = re.compile(r"<!-- command -->\n\Z")
SKIPPED = re.compile(r"<!-- not run: \S.* -->\n\Z")
DECIMAL = re.compile(r"(?<![\w.])-?\d+\.\d*(?:e[-+]?\d+)?|(?<![\w.])-?\d+e[-+]?\d+")


class Block:
    """A fenced block: its language, text, place in the page, and whether it is run."""

    def __init__(self, page, match):
        self.language, self.text = match[1], match[2]
        self.start, self.end = match.span(2)
        self.line = page.count("\n", 0, self.start) + 1
        before = page[:match.start()]
        self.command = self.language == "sh" and bool(COMMAND.search(before))
        filed = FILED.search(before)
        self.file = filed and filed[1]
        self.run = self.command or bool(self.file) or (self.language == "python" and not SKIPPED.search(before))
        self.opens, self.closes = match.span()
        needs = BLOCK_NEEDS.search(before)
        self.needs = needs and needs[1]
        self.draws = DRAWS.findall(self.text) if self.run else []


def installed(package):
    return importlib.util.find_spec(package) is not None


def blocks_of(page):
    return [Block(page, match) for match in FENCE.finditer(page)]


def program_of(page):
    """[(block that runs, block of what it prints or None)]"""
    blocks = blocks_of(page)
    pairs = []
    for k, block in enumerate(blocks):
        if block.run:
            after = blocks[k + 1] if k + 1 < len(blocks) else None
            if after is not None and (after.language != "text" or not _adjacent(page[block.closes:after.opens])):
                after = None
            pairs.append((block, after))
    return pairs


def _adjacent(between):
    """Only blank lines lie between a program and its output."""
    return not between.strip()


def same_output(expected, printed):
    """Whether the words are equal, and the numbers as equal as their digits say."""
    expected, printed = ("\n".join(line.rstrip() for line in text.strip().splitlines()) for text in (expected, printed))
    if re.sub(r"\s+", " ", DECIMAL.sub("#", expected)) != re.sub(r"\s+", " ", DECIMAL.sub("#", printed)):
        return False
    for left, right in zip(DECIMAL.findall(expected), DECIMAL.findall(printed), strict=True):
        mantissa, _, exponent = left.partition("e")
        place = len(mantissa.partition(".")[2])
        unit = 10.0 ** (int(exponent or 0) - min(place, 10))
        if abs(float(left) - float(right)) > 2.001 * unit:
            return False
    return True


def run_page(path, update=False):
    """Runs a page in this process; returns the problems as text."""
    page = path.read_text(encoding="utf-8")
    module = types.ModuleType("__main__")
    sys.modules["__main__"] = module        # so that classes of a page can be pickled, as those of a script
    problems, changes = [], []
    translated = path.parent.name in LANGUAGES
    for block, output in program_of(page):
        if (block.needs and not installed(block.needs)) or (block.draws and translated):
            continue
        if block.file:
            Path(block.file).write_text(block.text, encoding="utf-8")
            continue
        if block.command:
            text, problem = run_commands(block.text)
            if problem:
                problems.append(f"{path.name}:{block.line}: {problem}")
                break
            if output is not None and not same_output(output.text, text):
                problems.append(f"{path.name}:{block.line}: expected\n{output.text}printed\n{text}")
                changes.append((output, text))
            continue
        printed = io.StringIO()
        code = "\n" * (block.line - 1) + block.text     # so that a traceback names the page's line
        try:
            with contextlib.redirect_stdout(printed), warnings.catch_warnings():
                if block.needs:     # one release of Matplotlib and another one of what it needs
                    warnings.simplefilter("ignore", DeprecationWarning)
                exec(compile(code, str(path), "exec", dont_inherit=True), module.__dict__)
        except Exception:
            problems.append(f"{path.name}:{block.line}: {traceback.format_exc()}")
            break
        if output is not None and not same_output(output.text, printed.getvalue()):
            problems.append(f"{path.name}:{block.line}: expected\n{output.text}printed\n{printed.getvalue()}")
            changes.append((output, printed.getvalue()))
        for name in block.draws:
            if f"](../gallery/{name})" not in page:
                problems.append(f"{path.name}:{block.line}: the page does not show ../gallery/{name}\n")
            if update:
                shutil.copyfile(name, GALLERY / name)
            problems += [f"{path.name}:{block.line}: {name} {text}\n" for text in picture_differs(Path(name), GALLERY / name)]
    if update:
        for output, text in reversed(changes):
            page = page[:output.start] + text.rstrip() + "\n" + page[output.end:]
        path.write_text(page, encoding="utf-8")
    return problems


def run_commands(lines):
    """(what the lines print on stdout, what went wrong or ""). `python` is this one."""
    printed = ""
    for line in lines.splitlines():
        words = shlex.split(line, comments=True)
        if words:
            words[0] = sys.executable if words[0] == "python" else words[0]
            done = subprocess.run(words, capture_output=True, text=True, encoding="utf-8", timeout=100)
            printed += done.stdout
            if done.returncode:
                return printed, f"{line}: status {done.returncode}\n{done.stderr}"
    return printed, ""


def picture_differs(drawn, stored):
    """What tells a picture from the stored one, in words: its size, or the colours of its areas of 8 x 8 pixels. Other fonts
    change up to 8 of some 4,000 areas by so much, and other data, or a missing legend, 34 and more."""
    if not stored.exists():
        return ["is not in docs/gallery"]
    from matplotlib.image import imread

    left, right = (imread(path)[..., :3] for path in (drawn, stored))
    if left.shape != right.shape:
        return [f"is of {left.shape[1]} x {left.shape[0]} pixels, that in docs/gallery of {right.shape[1]} x {right.shape[0]}"]
    H, W = (n // 8 * 8 for n in left.shape[:2])
    areas = np.abs((left - right)[:H, :W].reshape(H // 8, 8, W // 8, 8, 3).mean(axis=(1, 3))).max(axis=2)
    return [f"differs from that in docs/gallery in {odd} of {areas.size} places"] if (odd := (areas > 0.2).sum()) > 15 else []


def pages():
    found = [ROOT / "README.md", *sorted(DOCS.rglob("*.md"))]
    return [path for path in found if path.name not in GENERATED and "_build" not in path.parts]


def programs():
    return [path for path in pages() if program_of(path.read_text(encoding="utf-8"))]


@pytest.mark.parametrize("path", programs(), ids=lambda path: str(path.relative_to(ROOT)))
def test_a_page_runs(path, tmp_path):
    for package in NEEDS.findall(path.read_text(encoding="utf-8")):
        if not installed(package):
            pytest.skip(f"{package} is not installed")
    # not run as a script: its folder, tests, would come first on sys.path
    command = "import sys; sys.path.append(sys.argv[1]); import test_docs; sys.exit(test_docs.main(sys.argv[2:]))"
    found = os.pathsep.join(filter(None, [str(PACKAGE), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": found, "DEZERO_C_DATA": str(tmp_path / "cache"), "MPLBACKEND": "agg",
                   "PYTHONIOENCODING": "utf-8"}
    done = subprocess.run([sys.executable, "-W", "error", "-c", command, str(Path(__file__).parent), str(path)],
                          cwd=tmp_path, env=environment, capture_output=True, text=True, encoding="utf-8", timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


def shape_of(code):
    """A program without its comments and with all texts left out."""
    tree = ast.parse(code)
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            node.value = ""
    return ast.dump(tree)


TRANSLATED = [(language, path.name) for language in LANGUAGES for path in sorted((DOCS / "tutorial").glob("*.md"))]


@pytest.mark.parametrize(("language", "name"), TRANSLATED)
def test_translations_have_the_same_code(language, name):
    english = blocks_of((DOCS / "tutorial" / name).read_text(encoding="utf-8"))
    translated = blocks_of((DOCS / language / name).read_text(encoding="utf-8"))
    assert [block.language for block in english] == [block.language for block in translated]
    for block, other in zip(english, translated, strict=True):
        where = f"docs/tutorial/{name}:{block.line} and docs/{language}/{name}:{other.line}"
        assert block.run == other.run, where
        if block.language == "python":
            assert shape_of(block.text) == shape_of(other.text), where
        else:
            assert block.text == other.text, where


def test_every_function_has_its_place_in_the_reference():
    import dezero_c.functions as F

    path = DOCS / "api" / "functions.md"
    if not path.exists():
        pytest.skip("the checkout has not been built")
    page = path.read_text(encoding="utf-8")
    listed = re.findall(r"^\.\. autofunction:: (\w+)", page, re.MULTILINE)
    functions = [name for name in F._PUBLIC if not isinstance(getattr(F, name), type)]
    assert sorted(listed) == sorted(functions)
    assert len(set(listed)) == len(listed)


LINK = re.compile(r"(?<!\\)\]\(([^)\s]+)\)|!\[[^\]]*\]\(([^)\s]+)\)")


@pytest.mark.parametrize("path", pages(), ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    text = FENCE.sub("", path.read_text(encoding="utf-8"))
    for found in LINK.finditer(text):
        target = (found[1] or found[2]).partition("#")[0]
        if target and "://" not in target and Path(target).name not in GENERATED:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize(("expected", "printed", "same"), [
    ("1.25\n", "1.26\n", True), ("1.25", "1.28", False), ("12 steps", "13 steps", False), ("f(2.0)", "f(2.0)", True),
    ("3.297442541400256", "3.2974425414002564", True), ("3.297442541400256", "3.29744263", False), ("a b", "a  b\n", True),
    ("loss 0.5", "lost 0.5", False), ("1.5e-10", "1.4e-10", True), ("1.5e-10", "1.5e-09", False), ("1. 2.", "1.", False),
])
def test_what_counts_as_the_same_output(expected, printed, same):
    assert same_output(expected, printed) is same


def test_a_page_that_fails_is_noticed(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("```python\nprint(1)\n```\n\n```text\n2\n```\n\n<!-- not run: a reason -->\n```python\n1 / 0\n```\n")
    (problem,) = _in_own_main(page)
    assert "expected\n2\nprinted\n1\n" in problem
    page.write_text("```python\nx = 1\n```\n\n```python\nassert x == 2\n```\n")
    (problem,) = _in_own_main(page)
    assert "page.md:6" in problem
    assert "AssertionError" in problem


def test_commands_are_run_on_files_of_the_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    page = tmp_path / "page.md"
    text = """<!-- file: script.py -->
```python
import sys
print(sys.argv[1:])
```

<!-- command -->
```sh
python script.py 1 'a b'    # quoted
python script.py
```

```text
['1', 'a b']
OUT
```

```sh
nosuchcommand
```
"""
    page.write_text(text.replace("OUT", "[]"))
    assert _in_own_main(page) == []
    page.write_text(text.replace("OUT", "[2]"))
    (problem,) = _in_own_main(page)
    assert "page.md:9: expected" in problem
    page.write_text(text.replace("python script.py\n", "python nosuch.py\n"))
    (problem,) = _in_own_main(page)
    assert "python nosuch.py: status 2" in problem


def test_a_block_is_left_out_where_its_package_is_missing(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("<!-- needs: nosuchpackage -->\n```python\nimport nosuchpackage\n```\n\n```python\nassert False, 2\n```\n")
    (problem,) = _in_own_main(page)
    assert "AssertionError: 2" in problem
    assert not NEEDS.findall(page.read_text())      # it is not the page that needs it
    assert NEEDS.findall("<!-- needs: nosuchpackage -->\n# A page\n") == ["nosuchpackage"]


def test_a_picture_is_compared_with_the_stored_one(tmp_path, monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys.modules[__name__], "GALLERY", tmp_path / "gallery")
    (tmp_path / "gallery").mkdir()
    (tmp_path / "ja").mkdir()
    text = """```python
from matplotlib.figure import Figure
figure = Figure(figsize=(3, 2))
figure.subplots().plot([0, 1, 2], [0, HEIGHT, 0], linewidth=3)
figure.savefig("drawn.png", dpi=DPI)
```

![a picture](../gallery/drawn.png)
"""
    page = tmp_path / "page.md"

    def problems(height=1, dpi=100, text=text, **how):
        page.write_text(text.replace("HEIGHT", str(height)).replace("DPI", str(dpi)))
        return _in_own_main(page, **how)

    assert "drawn.png is not in docs/gallery" in problems()[0]
    assert problems(update=True) == []
    assert (tmp_path / "gallery" / "drawn.png").read_bytes() == (tmp_path / "drawn.png").read_bytes()
    assert problems() == []
    assert "drawn.png differs" in problems(text=text.replace("[0, HEIGHT", "[1, HEIGHT"))[0]
    assert "is of 330 x 220 pixels, that in docs/gallery of 300 x 200" in problems(dpi=110)[0]
    assert "does not show" in problems(text=text.partition("![")[0])[0]
    (tmp_path / "drawn.png").unlink()
    page = tmp_path / "ja" / "page.md"
    assert problems(height=2) == []
    assert not (tmp_path / "drawn.png").exists()


def test_pictures_of_pages_are_small():
    drawn = {name for path in programs() for block, _ in program_of(path.read_text(encoding="utf-8")) for name in block.draws}
    assert {"fitting.png", "dynamics.png", "design.png"} <= drawn
    for name in drawn:
        assert 5_000 < (GALLERY / name).stat().st_size < 60_000, name


def _in_own_main(page, **how):
    before = sys.modules["__main__"]
    try:
        return run_page(page, **how)
    finally:
        sys.modules["__main__"] = before


def main(arguments):
    problems = []
    for name in arguments:
        if name != "--update":
            problems += run_page(Path(name).resolve(), "--update" in arguments)
    print("\n".join(problems), end="")
    return bool(problems)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
