"""get_dot_graph and plot_dot_graph: DeZero's lines, and pictures with and without the program dot."""

import gc
import os
import re
import shutil
import sys
import types

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Function, Parameter, Variable, chapter1, core_simple, no_grad
from dezero_c._draw import dot as _dot
from dezero_c._draw.dot import get_dot_graph, plot_dot_graph
from dezero_c._draw.trace import trace

PNG = b"\x89PNG\r\n\x1a\n"


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where tmp_graph.dot goes; the user's home is never touched."""
    monkeypatch.setenv("DEZERO_C_DATA", str(tmp_path / "data"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def no_dot(monkeypatch):
    monkeypatch.setattr(shutil, "which", lambda name: None)


@pytest.fixture
def no_matplotlib(monkeypatch):
    for name in ("matplotlib", "matplotlib.backends.backend_agg", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)


@pytest.fixture
def program(tmp_path, monkeypatch):
    """Makes a program that stands for dot: a shell script with the given body."""

    def make(body):
        path = tmp_path / "fake dot"
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        monkeypatch.setattr(shutil, "which", lambda name: str(path))

    if sys.platform == "win32":
        pytest.skip("needs a shell")
    return make


def numbered(text, *objects):
    """DOT text with ids replaced by the objects' places in the arguments; others by the order of their appearance."""
    names = {str(id(o)): f"n{k}" for k, o in enumerate(objects)}
    return re.sub(r"\b\d{6,}\b", lambda m: names.setdefault(m[0], f"n{len(names)}"), text)


def square():
    x = Variable(np.array([1.0, 2.0]), name="x")
    y = F.tanh(x + x)
    y.name = "y"
    return x, y


# ---- the text -----------------------------------------------------------------------------------------------------

def test_text_is_that_of_dezero_without_repeated_lines():
    x = Variable(np.array(1.0))
    w = Variable(np.array([[1.0, 2.0]]), name="w")
    y = F.tanh(x * w + x)
    y.name = "y"
    add = y.creator.inputs[0].creator
    mul = add.inputs[0].creator
    # The lines that DeZero 0.0.13 prints of such a graph, in its order; there the line of x comes twice.
    assert numbered(get_dot_graph(y), y, y.creator, add.outputs[0](), add, mul.outputs[0](), x, mul, w) == "\n".join([
        "digraph g {",
        'n0 [label="y: (1, 2) float64", color=orange, style=filled]',
        'n1 [label="Tanh", color=lightblue, style=filled, shape=box]',
        "n2 -> n1",
        "n1 -> n0",
        'n2 [label="(1, 2) float64", color=orange, style=filled]',
        'n3 [label="Add", color=lightblue, style=filled, shape=box]',
        "n4 -> n3",
        "n5 -> n3",
        "n3 -> n2",
        'n4 [label="(1, 2) float64", color=orange, style=filled]',
        'n5 [label="() float64", color=orange, style=filled]',
        'n6 [label="Mul", color=lightblue, style=filled, shape=box]',
        "n5 -> n6",
        "n7 -> n6",
        "n6 -> n4",
        'n7 [label="w: (1, 2) float64", color=orange, style=filled]',
        "}"])


def test_text_without_shapes():
    _x, y = square()
    lines = get_dot_graph(y, verbose=False).split("\n")
    assert f'{id(y)} [label="y", color=orange, style=filled]' in lines
    assert f'{id(y.creator.inputs[0])} [label="", color=orange, style=filled]' in lines
    assert len(lines) == len(set(lines))


def test_text_of_both_branches_goes_down_the_last_input_first():
    a, b = Variable(np.array(1.0), "a"), Variable(np.array(2.0), "b")
    y = F.sin(a) * F.exp(b)
    labels = re.findall(r'label="(\w+)"', get_dot_graph(y, verbose=False))
    assert labels == ["Mul", "Exp", "b", "Sin", "a"]


@pytest.mark.parametrize(("name", "label"), [
    ('say "hi"', 'say \\"hi\\"'),
    ("a\\", "a\\\\"),
    ('\\"', '\\\\\\"'),
    ("two\nlines", "two\\nlines"),
    ("two\r\nlines\r", "two\\nlines\\n"),
    ("null\0", "null"),
    ("重み", "重み"),
    (3, "3"),
])
def test_names_are_escaped(name, label):
    text = get_dot_graph(Variable(np.array(1.0), name=None), verbose=False)
    v = Variable(np.array(1.0))
    v.name = name
    text = get_dot_graph(v, verbose=False)
    assert f'[label="{label}", color' in text
    assert text.count("\n") == 2


def test_class_names_are_escaped():
    cls = type('Bad"];x', (Function,), {"forward": lambda self, x: x * 2.0})
    assert 'label="Bad\\"];x"' in get_dot_graph(cls()(Variable(np.array(1.0))))


def test_leaf_and_empty_variables_are_graphs_of_one_node():
    x = Variable(None, "x")
    assert numbered(get_dot_graph(x), x) == 'digraph g {\nn0 [label="x", color=orange, style=filled]\n}'
    assert '[label="", ' in get_dot_graph(Variable(None))
    with no_grad():
        y = F.sin(Variable(np.array(1.0)))
    assert get_dot_graph(y).count("\n") == 2


def test_outputs_that_are_gone_are_left_out_and_living_ones_shown():
    class Two(Function):
        def forward(self, x):
            return x + 1, x + 2

        def backward(self, a, b):
            return a + b

    x = Variable(np.array(1.0), "x")
    a, b = Two()(x)
    a.name, b.name = "a", "b"
    assert re.findall(r'label="(\w+)"', get_dot_graph(a, verbose=False)) == ["a", "Two", "x", "b"]
    del b
    gc.collect()
    assert re.findall(r'label="(\w+)"', get_dot_graph(a, verbose=False)) == ["a", "Two", "x"]


@pytest.mark.parametrize("module", [chapter1, core_simple])
def test_early_steps_of_the_book(module):
    class Double(module.Function):
        def forward(self, x):
            return x * 2

    y = Double()(module.Variable(np.array(3.0)))
    assert re.findall(r'label="(.*?)"', get_dot_graph(y)) == ["() float64", "Double", "() float64"]


def test_deep_graphs_need_no_recursion():
    x = Variable(np.array(1.0))
    for _ in range(20_000):
        x = x + 1.0
    assert get_dot_graph(x).count("shape=box") == 20_000


def test_a_graph_of_a_gradient():
    x = Variable(np.array(1.0), "x")
    y = F.tanh(x)
    y.backward(create_graph=True)
    labels = re.findall(r'label="(\w+)"', get_dot_graph(x.grad, verbose=False))
    assert "Tanh" in labels
    assert "Mul" in labels


@pytest.mark.parametrize("call", [get_dot_graph, plot_dot_graph])
@pytest.mark.parametrize("wrong", [None, np.ones(2), [Variable(np.array(1.0))]])
def test_what_is_no_variable(call, wrong):
    with pytest.raises(TypeError, match=f"{call.__name__}: output must be a Variable, not {type(wrong).__name__}"):
        call(wrong)


# ---- trace --------------------------------------------------------------------------------------------------------

def test_trace_keeps_double_edges_and_counts_what_it_leaves_out():
    x, y = square()
    objects, variable, edges, cut, total = trace(y, 100)
    assert [type(o).__name__ for o in objects] == ["Variable", "Tanh", "Variable", "Add", "Variable"]
    assert variable == [True, False, True, False, True]
    assert edges == [(1, 0), (2, 1), (3, 2), (4, 3), (4, 3)]
    assert objects[4] is x
    assert (cut, total) == ({}, 5)
    objects, _, edges, cut, total = trace(y, 4)
    assert len(objects) == 4
    assert edges == [(1, 0), (2, 1), (3, 2)]
    assert cut == {3: 2}
    assert total == 5


# ---- pictures without dot -----------------------------------------------------------------------------------------

def test_svg_needs_nothing(folder, no_dot, no_matplotlib):
    _, y = square()
    assert plot_dot_graph(y, to_file="graph.svg") == "graph.svg"
    text = (folder / "graph.svg").read_text(encoding="utf-8")
    assert text.startswith("<svg")
    assert ">Tanh<" in text
    assert "(2,) float64" in text
    assert (folder / "data" / "tmp_graph.dot").read_text() == get_dot_graph(y)
    plot_dot_graph(y, verbose=False, to_file=folder / "graph.svg")
    assert "float64" not in (folder / "graph.svg").read_text(encoding="utf-8")


def test_png_without_dot_is_painted_by_matplotlib(folder, no_dot):
    pytest.importorskip("matplotlib")
    x, y = square()
    x.name = "$x^"      # no formula
    assert plot_dot_graph(y) == "graph.png"
    assert (folder / "graph.png").read_bytes().startswith(PNG)
    plot_dot_graph(y, to_file="graph.PDF")
    assert (folder / "graph.PDF").read_bytes().startswith(b"%PDF")
    with pytest.raises(ValueError, match=r"plot_dot_graph: matplotlib, .*cannot write \.xyz"):
        plot_dot_graph(y, to_file="graph.xyz")
    assert not (folder / "graph.xyz").exists()


def test_png_without_dot_and_matplotlib_names_the_two_ways(folder, no_dot, no_matplotlib):
    with pytest.raises(ImportError, match=r"graphviz.*pip install matplotlib.*graph\.svg"):
        plot_dot_graph(square()[1])
    assert not (folder / "graph.png").exists()


def test_dot_text_needs_no_program(folder, no_dot):
    _, y = square()
    assert plot_dot_graph(y, to_file="graph.dot") == "graph.dot"
    assert (folder / "graph.dot").read_text() == get_dot_graph(y)


@pytest.mark.parametrize("name", ["graph.p;ng", ".", "folder/.."])
def test_names_without_a_format(name):
    with pytest.raises(ValueError, match="does not end in a format"):
        plot_dot_graph(square()[1], to_file=name)


@pytest.mark.parametrize(("name", "path"), [("graph", "graph.png"), ("graph.", "graph.png"), ("d.d/graph", "d.d/graph.png")])
def test_names_without_an_ending(folder, no_dot, name, path):
    pytest.importorskip("matplotlib")
    with pytest.warns(UserWarning, match=r"has no ending .*'\.png' is put behind it"):
        assert plot_dot_graph(square()[1], to_file=name) == path
    assert (folder / path).read_bytes().startswith(b"\x89PNG")


def test_a_folder_that_is_not_there_is_made(folder, no_dot):
    assert plot_dot_graph(square()[1], to_file="./results/deep/x.svg") == "./results/deep/x.svg"
    assert (folder / "results" / "deep" / "x.svg").read_text().startswith("<svg")
    with pytest.raises(ValueError, match="does not end in a format"):
        plot_dot_graph(square()[1], to_file="other/x.p;ng")
    assert not (folder / "other").exists()


def test_a_tilde_is_the_home(folder, no_dot, monkeypatch):
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder / "home"))
    path = plot_dot_graph(square()[1], to_file="~/x.svg")
    assert path == os.path.join(str(folder / "home"), "x.svg") == os.path.expanduser("~/x.svg")
    assert (folder / "home" / "x.svg").exists()
    assert not (folder / "~").exists()


def test_a_home_that_cannot_be_written_does_no_harm(folder, no_dot, monkeypatch):
    (folder / "file").write_text("")
    monkeypatch.setenv("DEZERO_C_DATA", str(folder / "file" / "below"))
    assert plot_dot_graph(square()[1], to_file="graph.svg") == "graph.svg"


def test_without_the_variable_the_text_goes_where_dezero_puts_it(folder, no_dot, monkeypatch):
    monkeypatch.delenv("DEZERO_C_DATA")
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(folder / "home"))
    plot_dot_graph(square()[1], to_file="graph.svg")
    assert (folder / "home" / ".dezero" / "tmp_graph.dot").exists()


# ---- pictures by dot ----------------------------------------------------------------------------------------------

def test_dot_gets_the_text_and_the_format(folder, program):
    program('printf "%s|" "$@"; cat')
    _, y = square()
    name = "a b; touch hacked $(touch hacked).png"
    assert plot_dot_graph(y, to_file=name) == name
    assert (folder / name).read_text() == "-Tpng|" + get_dot_graph(y)
    assert not (folder / "hacked").exists()


def test_dot_failing_gives_its_message_and_keeps_the_old_picture(folder, program):
    (folder / "graph.png").write_text("old")
    program('echo "Format: png not recognized. Use one of: svg" >&2; exit 1')
    with pytest.raises(RuntimeError, match=r"dot could not draw a \.png file: Format: png not recognized"):
        plot_dot_graph(square()[1])
    program("exit 3")
    with pytest.raises(RuntimeError, match="exit status 3, without a message"):
        plot_dot_graph(square()[1])
    assert (folder / "graph.png").read_text() == "old"
    assert sorted(p.name for p in folder.iterdir()) == ["data", "fake dot", "graph.png"]


def test_dot_that_does_not_end(folder, program, monkeypatch):
    monkeypatch.setattr(_dot, "_PATIENCE", 0.1)
    program("exec sleep 5")
    with pytest.raises(RuntimeError, match=r"dot did not finish in 0\.1 seconds; to_file='graph\.svg'"):
        plot_dot_graph(square()[1])
    plot_dot_graph(square()[1], to_file="graph.svg")
    assert ">Tanh<" in (folder / "graph.svg").read_text(encoding="utf-8")


def test_a_dot_that_is_no_program(program, folder):
    program("exit 0")
    (folder / "fake dot").write_bytes(b"\x7fELF nothing")
    with pytest.raises(RuntimeError, match="cannot be run"):
        plot_dot_graph(square()[1])


@pytest.mark.skipif(not shutil.which("dot"), reason="Graphviz is not installed")
def test_the_real_dot_understands_the_text(folder):
    v = Variable(np.array(1.0), 'a "b" \\ c\nd <e> {f} 重み')
    plot_dot_graph(F.sin(v) + Parameter(np.array(2.0), "p\\n"))
    assert (folder / "graph.png").read_bytes().startswith(PNG)
    plot_dot_graph(F.sin(v), to_file="graph.svg")
    text = (folder / "graph.svg").read_text(encoding="utf-8")
    assert "a &quot;b&quot; \\ c" in text
    assert "重み: () float64" in text
    with pytest.raises(RuntimeError, match=r"(?i)dot could not draw a \.xyz file: .*xyz"):
        plot_dot_graph(v, to_file="graph.xyz")


# ---- notebooks ----------------------------------------------------------------------------------------------------

@pytest.fixture
def notebook(monkeypatch):
    display = types.ModuleType("IPython.display")
    display.SVG = lambda filename: ("SVG", filename)
    display.Image = lambda filename: ("Image", filename)
    ipython = types.ModuleType("IPython")
    ipython.display, ipython.get_ipython = display, lambda: object()
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    return ipython


def test_in_a_notebook_the_picture_comes_back(program, notebook):
    program("echo picture")
    _, y = square()
    assert plot_dot_graph(y) == ("Image", "graph.png")
    assert plot_dot_graph(y, to_file="graph.svg") == ("SVG", "graph.svg")
    assert plot_dot_graph(y, to_file="graph.pdf") == "graph.pdf"
    notebook.get_ipython = lambda: None     # imported, but not running
    assert plot_dot_graph(y) == "graph.png"


def test_lines_that_the_book_has_printed():
    from dezero_c.utils import _dot_func, _dot_var

    x0 = Variable(np.array(1.0), "x0")
    y = x0 + 2.0
    assert _dot_var(x0) == f'{id(x0)} [label="x0", color=orange, style=filled]\n'
    assert "x0: () float64" in _dot_var(x0, verbose=True)
    assert _dot_func(y.creator).splitlines()[0] == f'{id(y.creator)} [label="Add", color=lightblue, style=filled, shape=box]'
    assert f"{id(x0)} -> {id(y.creator)}\n" in _dot_func(y.creator)
