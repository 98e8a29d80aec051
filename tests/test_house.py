"""The house has floors: no module needs one that needs it, and the drawing in the architecture page is that of the sources.

Runs on a source checkout; tools are no part of the installed package.
"""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def house():
    spec = importlib.util.spec_from_file_location("house", ROOT / "tools" / "house.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_modules_go_in_a_circle(house):
    graph = house.needs()
    assert house.circles(graph) == []
    assert "_core" in graph["_elementwise"]
    assert graph["_core"] == set()


def test_no_rooms_go_in_a_circle(house):
    _, wants = house.rooms(house.needs())
    assert house.circles(wants) == []


def test_circles_are_found(house):
    assert house.circles({"a": {"b"}, "b": {"c"}, "c": {"a"}, "d": {"a"}}) == [["a", "b", "c"]]


def test_the_drawing_is_that_of_the_sources(house):
    """Else: python tools/house.py docs/house.svg"""
    assert (ROOT / "docs" / "house.svg").read_text(encoding="utf-8") == house.drawing(house.needs())


# The rooms below src/kernels, and those whose headers each may include.
KERNELS = {"core": {"generated"}, "math": {"core", "generated"}, "families": {"core", "math", "generated"}}


@pytest.mark.parametrize("room", KERNELS)
def test_rooms_of_kernels_include_none_that_includes_them(room):
    folder = ROOT / "src" / "kernels" / room
    assert {path.name for path in folder.parent.iterdir()} <= {*KERNELS, "generated"}
    for path in folder.iterdir():
        text = path.read_text(encoding="utf-8")
        assert "Python.h" not in text
        named = re.findall(r'^ *#(?:include|define DZ_(?:BODY|EACH)) "(?:(\w+)/)?[\w.]+"', text, re.MULTILINE)
        assert set(named) <= {room, *KERNELS[room]}, path
