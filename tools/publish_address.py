"""Writes the repository's public address wherever a reader or a program looks for it.

    python tools/publish_address.py ADDRESS [--docs URL]

ADDRESS is that of the repository on GitHub, https://github.com/OWNER/NAME; URL is where the built documentation is, else the
folder docs of the repository. To be run once there is an address, and again when it changes; a second run with the same words
changes nothing. It writes

    pyproject.toml                      [project.urls], which package indexes show
    CITATION.cff                        repository-code
    README.md                           the badges below the mark <!-- badges -->
    .github/ISSUE_TEMPLATE/config.yml   the links beside the forms

All texts are made before the first is written, so a file without its place stops the tool with nothing changed.
"""

import argparse
import re
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

ROOT = Path(__file__).resolve().parent.parent
NOTEBOOK = "examples/chapter1.ipynb"
BRANCH = "main"
MARK = "<!-- badges -->"
# Names that stand for one in instructions, and are nobody's address.
STANDING_FOR = {"owner", "user", "username", "name", "repo", "repository", "project", "you", "your-name", "example", "org"}


class Nonsense(Exception):
    """What was given, or found in a file, cannot be meant; the text says what to write instead."""


def repository(address):
    """(owner, name) of https://github.com/OWNER/NAME, with or without a slash or `.git` at its end."""
    wanted = "write it as https://github.com/OWNER/NAME"
    try:
        parts = urlsplit(address)
        port = parts.port
    except ValueError as error:
        raise Nonsense(f"{address!r} is no address ({error}); {wanted}") from None
    if parts.scheme != "https" or re.search(r"\s", address):
        raise Nonsense(f"{address!r} is no address of a repository; {wanted}")
    if parts.hostname != "github.com" or port is not None or "@" in parts.netloc:
        raise Nonsense(f"{address!r} is not on github.com, whose workflows, forms and reports this repository uses; {wanted}")
    if parts.query or parts.fragment:
        raise Nonsense(f"{address!r} is a page, and not a repository: leave out what follows its name")
    names = parts.path.removesuffix("/").split("/")[1:]
    if len(names) != 2:
        raise Nonsense(f"{address!r} has {len(names)} names after the host, an owner's and a repository's are wanted; {wanted}")
    owner, name = names[0], names[1].removesuffix(".git")
    known = re.fullmatch(r"[A-Za-z0-9](?:-?[A-Za-z0-9])*", owner) and re.fullmatch(r"[\w.-]+", name, re.ASCII)
    if not known or name in (".", ".."):
        raise Nonsense(f"{address!r}: {owner!r} and {name!r} are not both names that GitHub takes")
    if owner.lower() in STANDING_FOR and name.lower() in STANDING_FOR:
        raise Nonsense(f"{address!r} stands for an address and is none; write the repository's own")
    return owner, name


def documentation(url):
    """The address of the built documentation, as given."""
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError as error:
        raise Nonsense(f"--docs {url!r} is no address ({error})") from None
    local = host in ("localhost", "127.0.0.1", "example.com", "example.org")
    if parts.scheme != "https" or "." not in host or local or "@" in parts.netloc or re.search(r'[\s"<>\\]', url):
        raise Nonsense(f"--docs {url!r}: give a public address that begins with https://")
    return url


def changed(text, pattern, new, what):
    """The text with the one place that the pattern finds replaced."""
    found = re.findall(pattern, text, re.MULTILINE)
    if len(found) != 1:
        raise Nonsense(f"{what} is there {len(found)} times, and once is wanted; nothing was written")
    return re.sub(pattern, lambda _: new, text, flags=re.MULTILINE)


def project_file(text, address, docs):
    table = "\n".join(["[project.urls]", f'Homepage = "{address}"', f'Documentation = "{docs}"', f'Source = "{address}"',
                       f'Issues = "{address}/issues"', f'Changelog = "{address}/blob/{BRANCH}/CHANGELOG.md"', "", ""])
    text = re.sub(r"^\[project\.urls\]\n(?:[^\[\n].*\n)*\n", "", text, flags=re.MULTILINE)
    head = "[project.optional-dependencies]\n"
    return changed(text, rf"^{re.escape(head)}", table + head, f"pyproject.toml: the line {head.strip()}")


def citation(text, address):
    """repository-code of the work itself; those of its references stand further in."""
    text = re.sub(r"^repository-code: .*\n", "", text, flags=re.MULTILINE)
    return changed(text, r"^license: MIT\n", f'license: MIT\nrepository-code: "{address}"\n', "CITATION.cff: license: MIT")


def readme(text, address):
    owner, name = repository(address)
    notebook = quote(NOTEBOOK, safe="")
    badges = "\n".join([
        MARK,
        f"[![CI]({address}/actions/workflows/ci.yml/badge.svg)]({address}/actions/workflows/ci.yml)",
        f"[![Binder](https://mybinder.org/badge_logo.svg)](https://mybinder.org/v2/gh/{owner}/{name}/{BRANCH}?labpath={notebook})",
        "[![Colab](https://colab.research.google.com/assets/colab-badge.svg)]"
        f"(https://colab.research.google.com/github/{owner}/{name}/blob/{BRANCH}/{NOTEBOOK})",
        "", "In Colab, a cell before the notebook's first one installs the package and switches it on, "
        f"`%pip install git+{address}` and", "`%load_ext dezero_c`. On Binder it is there.", ""])
    # what an earlier run left: lines of badges, and the paragraph after them
    pattern = rf"^{re.escape(MARK)}\n(?:\[!\[.*\n)*(?:\nIn Colab, .*\n.*\n)?"
    return changed(text, pattern, badges, f"README.md: the mark {MARK}")


def forms(text, address, docs):
    links = "\n".join([
        "contact_links:", "  - name: A fault that harms who reads a file", f"    url: {address}/security/advisories/new",
        "    about: Reported privately; SECURITY.md says what counts.", "  - name: The documentation", f"    url: {docs}",
        "    about: How to do it, what is promised, and where results differ from DeZero's on purpose.", ""])
    return re.sub(r"^contact_links:\n(?: .*\n)*", "", text, flags=re.MULTILINE) + links


def main(arguments=None, root=ROOT):
    """Writes the files; returns the exit status, 2 where nothing was written."""
    parser = argparse.ArgumentParser(prog="publish_address.py", description=__doc__.partition("\n")[0])
    parser.add_argument("address", metavar="ADDRESS", help="https://github.com/OWNER/NAME")
    parser.add_argument("--docs", metavar="URL", help="where the built documentation is")
    options = parser.parse_args(arguments)
    try:
        owner, name = repository(options.address)
        address = f"https://github.com/{owner}/{name}"
        docs = documentation(options.docs) if options.docs is not None else f"{address}/blob/{BRANCH}/docs/index.md"
        paths = [root / "pyproject.toml", root / "CITATION.cff", root / "README.md", root / ".github/ISSUE_TEMPLATE/config.yml"]
        if missing := [str(path.relative_to(root)) for path in paths if not path.exists()]:
            raise Nonsense(f"{', '.join(missing)}: not here; run it in a checkout of the repository")
        before = [path.read_text(encoding="utf-8") for path in paths]
        after = [project_file(before[0], address, docs), citation(before[1], address), readme(before[2], address),
                 forms(before[3], address, docs)]
    except Nonsense as error:
        print(f"publish_address: {error}", file=sys.stderr)
        return 2
    for path, old, new in zip(paths, before, after, strict=True):
        if old != new:
            path.write_text(new, encoding="utf-8")
        print(f"{path.relative_to(root).as_posix()}: {'written' if old != new else 'as it was'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
