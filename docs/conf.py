"""How Sphinx builds this site: `python -m sphinx -W --keep-going -b html docs build/docs`, with dezero_c importable.

Pages are Markdown; the reference comes from the docstrings, which are plain text with code in backquotes and are turned
into reStructuredText here. Nothing is fetched, neither by the build nor by the pages.
"""

import re
import sys
from pathlib import Path

DOCS = Path(__file__).resolve().parent
sys.path.insert(0, str(DOCS.parent / "src"))

from codegen import generate  # noqa: E402

generate()      # ops.md, where it is not there yet

import dezero_c  # noqa: E402

project = "dezero_c"
author = "the authors of dezero_c"
release = version = dezero_c.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx_copybutton"]
exclude_patterns = ["_build", "gallery"]
source_suffix = {".md": "markdown"}
html_theme = "furo"
html_title = f"dezero_c {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
# A button copies a program, not what it prints; of lines with prompts, those alone and without them. `$` ends at a space, so
# that a line that begins with $HOME is whole.
copybutton_selector = "div:not(.highlight-text) > div.highlight pre"
copybutton_prompt_text = r">>> |\.\.\. |\$ |In \[\d+\]: "
copybutton_prompt_is_regexp = True
copybutton_line_continuation_character = "\\"
html_show_copyright = False
default_role = "code"
myst_heading_anchors = 3
autodoc_typehints = "none"     # the text gives shapes and types; names such as Variable are those of several modules
autodoc_member_order = "bysource"
autodoc_default_options = {"members": True, "show-inheritance": True}
add_module_names = False
maximum_signature_line_length = 100
smartquotes = False

_OUTSIDE = re.compile(r"\[([^\]]+)\]\(\.\./([^)]+)\)")
_CALL = re.compile(r"\w+\([\w=., -]*\)\.")
_ITEM = re.compile(r"^[-*] ")


def leave_out_links_outside(app, docname, source):
    """Files of the repository that are no pages are named, where the text links to them."""
    def named(match):
        text, path = match.groups()
        if (DOCS / docname).parent.joinpath("..", path).resolve().is_relative_to(DOCS):
            return match[0]
        return f"`{path}`" if text.strip("`") == path else f"{text} (`{path}`)"

    if docname != "ops":
        source[0] = _OUTSIDE.sub(named, source[0])


def docstring_as_rest(app, what, name, obj, options, lines):
    """Escapes what reStructuredText would take for markup; indented programs become literal blocks."""
    if what == "module" and obj.__doc__:
        lines[:] = obj.__doc__.splitlines()     # autodoc has moved an indented program to the left
    if lines and lines[-1] == "":
        lines.pop()
    if lines and _CALL.fullmatch(lines[-1]):    # the call once more, for `help`; the page has it as the heading
        lines.pop()
    result = []
    literal = False
    for line in lines:
        if line.strip() == "":
            result.append(line)
            continue
        indented = line.startswith("    ")
        if indented and not literal and (not result or result[-1] == ""):
            result += ["::", ""]
            literal = True
        elif not indented:
            literal = False
        result.append(line if literal else _escaped(line.strip() if not _ITEM.match(line) else line))
    lines[:] = result


def _escaped(line):
    parts = line.split("`")
    return "`".join(re.sub(r"([*|\\]|_(?=\W|$))", r"\\\1", part) if k % 2 == 0 else part.replace("\\", "\\\\")
                    for k, part in enumerate(parts))


def language_of_page(app, pagename, templatename, context, doctree):
    """Tells the browser which language a page is in; it chooses the forms of characters by that."""
    context["language"] = next((code for code in ("ja", "ko") if pagename.startswith(f"{code}/")), "en")


def setup(app):
    app.connect("source-read", leave_out_links_outside)
    app.connect("autodoc-process-docstring", docstring_as_rest)
    app.connect("html-page-context", language_of_page)
    return {"parallel_read_safe": True}
