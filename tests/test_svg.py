"""Drawings of graphs: valid XML, labels that fit and are escaped, cuts that are said."""

import sys
import time
from xml.etree import ElementTree

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Function, Variable
from dezero_c._draw import svg as _svg
from dezero_c._draw.svg import Drawing, escaped, text_width

NS = "{http://www.w3.org/2000/svg}"


def parsed(drawing):
    return ElementTree.fromstring(drawing.svg())


def texts(root):
    return [t.text for t in root.iter(NS + "text")]


def chain(n):
    x = Variable(np.array(1.0), "x")
    for _ in range(n):
        x = F.sin(x)
    return x


def test_nodes_edges_and_labels():
    x = Variable(np.zeros((2, 3), np.float32), "x")
    y = F.tanh(x) + x
    y.name = "y"
    root = parsed(Drawing(y))
    assert sorted(texts(root)) == sorted(["x", "Tanh", "Add", "y", *["(2, 3) float32"] * 3])
    titles = [rect.find(NS + "title").text for rect in root.iter(NS + "rect")]
    assert sorted(titles) == sorted(["x: (2, 3) float32", "Tanh", "(2, 3) float32", "Add", "y: (2, 3) float32"])
    heads = root.findall(NS + "path")[1].get("d")
    assert heads.count("M") == 5
    assert sorted(texts(parsed(Drawing(y, verbose=False)))) == ["Add", "Tanh", "x", "y"]


def test_everything_lies_within_the_picture():
    root = parsed(Drawing(chain(5) * Variable(np.zeros((1, 1, 1, 1)), "long name")))
    width, height = float(root.get("width")), float(root.get("height"))
    assert root.get("viewBox") == f"0 0 {root.get('width')} {root.get('height')}"
    for rect in root.iter(NS + "rect"):
        x, y, w, h = (float(rect.get(k)) for k in ("x", "y", "width", "height"))
        assert x >= 0
        assert x + w <= width
        assert y >= 0
        assert y + h <= height


@pytest.mark.parametrize("name", ["x", "W" * 27, "i" * 200, "重み" * 7, "<b>&amp;\"'</b>", "é" * 20])
def test_labels_fit_their_boxes(name):
    for box, _, _ in Drawing(Variable(np.zeros((3, 4)), name))._places():
        assert len(box.lines) == 2
        for text, size, _ in box.lines:
            assert len(text) <= 28
            assert text_width(text, size) < box.width - 10


def test_text_widths_are_those_of_a_font():
    font = pytest.importorskip("PIL.ImageFont")
    matplotlib = pytest.importorskip("matplotlib")
    sans = font.truetype(matplotlib.get_data_path() + "/fonts/ttf/DejaVuSans.ttf", 1000)
    for text in ("MeanSquaredError", "(10, 784) float32", "~{|}_^`@#", "".join(map(chr, range(32, 127)))):
        assert text_width(text, 1000) == pytest.approx(sans.getlength(text), rel=0.02)
    assert text_width("日本", 10) >= 20
    assert text_width("e\u0301", 10) == text_width("e", 10)


@pytest.mark.parametrize("name", [
    '</text><script>alert("1")</script>', "a & b", "null \0 bell \a", "\ud800", "two\nlines\tand more", "\x1b[31m",
])
def test_hostile_names_are_text(name):
    v = Variable(np.array(1.0))
    v.name = name
    y = type("<script>", (Function,), {"forward": lambda self, x: x})()(v)
    svg = Drawing(y).svg()
    svg.encode()
    root = ElementTree.fromstring(svg)
    assert root.find(f".//{NS}script") is None
    assert "<script>" in texts(root)


def test_escaped():
    assert escaped('<&>"') == "&lt;&amp;&gt;&quot;"
    assert escaped("a\0b\ufffe\U0001f600") == "a\ufffdb\ufffd\U0001f600"


def test_variables_without_names_shapes_or_data():
    assert texts(parsed(Drawing(Variable(None)))) == []
    assert texts(parsed(Drawing(Variable(None, "x")))) == ["x"]
    assert texts(parsed(Drawing(Variable(np.array(1.0)), verbose=False))) == []


def test_a_cut_graph_says_so():
    y = chain(100)
    root = parsed(Drawing(y, limit=50))
    assert len(list(root.iter(NS + "rect"))) == 50
    assert "151 of 201 nodes, farther from the output, are not shown" in texts(root)
    assert any(path.get("stroke-dasharray") for path in root.iter(NS + "path"))
    whole = parsed(Drawing(y, limit=201))
    assert not any("not shown" in text for text in texts(whole))
    assert not any(path.get("stroke-dasharray") for path in whole.iter(NS + "path"))


def test_a_large_graph_is_drawn_in_bounded_time():
    start = time.perf_counter()
    svg = Drawing(chain(50_000)).svg()
    assert "98,001 of 100,001 nodes" in svg
    assert time.perf_counter() - start < 10


def test_the_same_graph_gives_the_same_picture():
    def picture():
        x, y = Variable(np.array(1.0), "x"), Variable(np.array(2.0), "y")
        return Drawing((x * y + F.sin(x)) * (x - y) * F.exp(y)).svg()

    assert picture() == picture()


def test_reading_the_graph_leaves_it_alone():
    x = Variable(np.array(2.0))
    y = x * x
    Drawing(y).svg()
    y.backward()
    assert x.grad.data == 4.0


def test_painting(monkeypatch):
    pytest.importorskip("matplotlib")
    drawing = Drawing(chain(10), limit=12)
    png = drawing.paint("png")
    assert png.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = (int.from_bytes(png[i:i + 4], "big") for i in (16, 20))
    assert width == pytest.approx(2 * drawing.width, abs=2)
    assert height == pytest.approx(2 * drawing.height, abs=2)
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()
    with pytest.raises(ValueError, match="xyz"):
        drawing.paint("xyz")
    monkeypatch.setattr(_svg, "_PIXELS", 600)
    assert 300 < int.from_bytes(drawing.paint("png")[20:24], "big") <= 600
