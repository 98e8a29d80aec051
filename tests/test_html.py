"""What notebooks show of a Variable."""

import re
import time
from html.parser import HTMLParser
from xml.etree import ElementTree

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Function, Parameter, Variable, core_simple
from dezero_c._draw.html import graph_svg, variable_html


class Reader(HTMLParser):
    """The text of a piece of HTML and its tags, which must be closed in order."""

    def __init__(self, html):
        super().__init__()
        self.open, self.tags, self.text = [], set(), ""
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.tags.add(tag)
        assert {name for name, _ in attrs} <= {"style"}

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data + "\n"


def shown(v):
    reader = Reader(variable_html(v))
    assert reader.tags <= {"div", "b", "span", "table", "tr", "td", "pre"}
    return reader.text


def test_data_gradient_and_creator():
    x = Variable(np.array([[1.0, 2.0]], np.float32), "x")
    W = Parameter(np.array([[3.0], [4.0]], np.float32))
    y = F.matmul(x, W)
    y.backward()
    assert re.sub(r"\s*\n", "|", shown(x)) == "Variable|x|(1, 2) float32|data|[[1. 2.]]|grad|(1, 2) float32|[[3. 4.]]|"
    assert shown(W).startswith("Parameter")
    text = shown(y)
    assert "[[11.]]" in text
    assert "MatMul" in text
    assert "of x: (1, 2), (2, 1)" in text
    assert "grad" not in text


def test_no_data_zero_dimensions_and_nothing():
    assert "without data" in shown(Variable(None))
    assert "3.5" in shown(Variable(np.array(3.5)))
    assert "[]" in shown(Variable(np.zeros((0, 3))))
    x = Variable(np.array(1.0))
    y = type("Lost", (Function,), {"forward": lambda self, x: x})()(x)
    x.data = None
    assert "of None" in shown(y)


def test_gradients_of_the_early_steps_are_ndarrays():
    x = core_simple.Variable(np.array([1.0, 2.0]))
    y = x * x
    y.backward()
    assert isinstance(x.grad, np.ndarray)
    assert "[2. 4.]" in shown(x)
    v = Variable(np.array(1.0))
    v.grad = Variable(None)
    assert "without data" in shown(v)


@pytest.mark.parametrize(("shape", "text"), [
    ((61,), "[0. 0. 0. ... 0. 0. 0.]"),
    ((30, 40), "..."),
    ((100, 3, 64, 64), "the first of 100×3 matrices:"),
    ((2,) * 22, "matrices:\n[[0. 0.]\n [0. 0.]]"),
    ((5, 0, 70), "[]"),
])
def test_large_arrays_are_summarised(shape, text):
    look = shown(Variable(np.zeros(shape)))
    assert text in look
    assert len(look) < 1500


def test_the_cost_does_not_grow_with_the_array():
    v = Variable(np.zeros(30_000_000, np.float32).reshape(3000, 10_000))
    variable_html(v)
    start = time.perf_counter()
    variable_html(v)
    assert time.perf_counter() - start < 0.1


def test_long_texts_are_cut():
    v = Variable(np.array(["<i>" * 5000] * 50), "n" * 5000)
    assert len(variable_html(v)) < 12_000
    assert "…" in shown(v)
    xs = [Variable(np.zeros(2)) for _ in range(20)]
    assert "… 20 in all" in shown(F.concatenate(xs))


def test_hostile_names_values_and_classes_are_escaped():
    class Sly:
        def __repr__(self):
            return "<script>alert(1)</script>"

    v = Variable(np.array([Sly(), "<img onerror=x>", None], object), '"><script>')
    text = shown(v)
    assert "<script>alert(1)</script>" in text
    assert '"><script>' in text
    y = type("<script>", (Function,), {"forward": lambda self, x: 1.0})()(v)
    assert "<script>" in shown(y)
    assert "<script" not in variable_html(y)


def test_values_that_cannot_be_shown():
    class Bad:
        def __repr__(self):
            raise RuntimeError("<no>")

    assert "(cannot be shown: RuntimeError: <no>)" in shown(Variable(np.array([Bad(), None], object)))


def test_looking_leaves_the_graph_alone():
    x = Variable(np.array(3.0))
    y = x * x
    variable_html(y)
    graph_svg(y)
    y.backward()
    assert x.grad.data == 6.0
    np.set_printoptions(precision=8)    # what NumPy starts with
    assert np.get_printoptions()["threshold"] == 1000


def test_graph_as_svg():
    x = Variable(np.array(3.0), "x")
    root = ElementTree.fromstring(graph_svg(F.sin(x)))
    assert root.tag.endswith("svg")
    assert "float64" in graph_svg(F.sin(x))
    assert ">() float64</text>" not in graph_svg(F.sin(x), verbose=False)
    with pytest.raises(TypeError, match="graph_svg: v must be a Variable, not float"):
        graph_svg(1.0)
