"""dezero_c.profile: what is counted, why an operation went the general way, where float64 came in, and the reports."""

import json
import os
import re
import subprocess
import sys
import threading
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import numpy as np
import pytest

import dezero_c
import dezero_c._core as core
import dezero_c.functions as F
from dezero_c import Function, Variable, capture, debug, profile


def here():
    return sys._getframe(1).f_lineno


def only(p):
    row, = p.rows
    return row


def test_calls_lines_bytes_and_steps_are_counted():
    x = Variable(np.ones((3, 4)))
    with profile() as p:
        for _ in range(5):
            y = F.exp(x); line = here()     # noqa: E702
        F.sum(y).backward()
    exp, = (r for r in p.rows if r.function == "Exp")
    assert exp.line == f"{__file__}:{line}"
    assert (exp.calls, exp.backward_calls, exp.bytes, exp.ways, exp.ways_backward) == (5, 1, 5 * 96, {"kernel": 5}, {"direct": 1})
    assert 0 < exp.forward < p.seconds
    assert 0 < exp.backward < p.seconds
    assert not core.is_traced()
    assert not core.is_measured()
    F.exp(x)
    assert exp.calls == 5


class Slow(Function):
    def forward(self, x):
        time.sleep(0.02)
        return x * 2

    def backward(self, gy):
        time.sleep(0.05)
        return gy * 2


def test_time_forward_backward_and_before_are_apart():
    f, x = Slow(), Variable(np.ones(3))
    with profile() as p:
        time.sleep(0.08)
        f(x).backward()
    row = only(p)
    assert 0.02 <= row.forward < 0.05 <= row.backward < 0.08 <= row.before
    assert row.ways == {"Python: a Function written in Python": 1} == row.ways_backward


class Sub(np.ndarray):
    pass


WAYS = {
    "general: integers (int64)": lambda: Variable(np.arange(3)) * 2,
    "general: booleans": lambda: F.abs(Variable(np.array([True]))),
    "general: float16": lambda: Variable(np.ones(3, np.float16)) * 2,
    "general: complex (complex128)": lambda: Variable(np.ones(3, complex)) * 2,
    "general: ndarray subclass Sub": lambda: F.exp(Variable(np.ones(3).view(Sub))),
    "general: byte order": lambda: F.exp(Variable(np.ones(3, ">f8"))),
    "general: not contiguous": lambda: F.sum(Variable(np.ones((99, 99)).T)),
    "general: several axes": lambda: F.sum(Variable(np.ones((2, 3, 4))), axis=(0, 2)),
    "kernel: copied into float64: mixed dtypes": lambda: Variable(np.ones(3, "f")) * Variable(np.ones(3)),
    "kernel: copied: not contiguous": lambda: F.softmax(Variable(np.ones((99, 99)).T)),
    "general: shapes (2, 3) and (3,)": lambda: F.mean_squared_error(np.ones((2, 3)), np.ones(3)),
    "kernel": lambda: Variable(np.ones((2, 3))) * np.ones(3),
    "BLAS": lambda: F.matmul(np.ones((2, 3)), np.ones((3, 2))),
    "NumPy": lambda: F.stack([np.ones(3), np.ones(3)]),
}


@pytest.mark.filterwarnings("ignore:mean_squared_error. shapes")
@pytest.mark.parametrize("way", WAYS)
def test_ways_have_their_reason(way):
    with profile() as p:
        WAYS[way]()
    assert way in {w for row in p.rows for w in row.ways}


def test_where_float64_came_in():
    x = Variable(np.ones(3, "f"))
    with profile() as p:
        y = x * 2.0
        z = y + np.ones(3); line = here()       # noqa: E702
        z + y
    assert p.float64_from == (f"{__file__}:{line}", "Add", "float32 (3,), float64 (3,) gave float64")
    assert sum(row.float64 for row in p.rows) == 2


def test_higher_derivatives_threads_blocks_and_captured_functions():
    def cube(x):
        return x * x * x

    with profile() as p:
        x = Variable(np.array(2.0))
        cube(x).backward(create_graph=True)
        g = x.grad
        x.cleargrad()
        g.backward()
        with profile() as q:
            other = threading.Thread(target=lambda: F.sin(x))
            other.start()
            other.join()
            capture(cube)(x)
    assert x.grad.data == 12.0
    assert {r.function: r.calls for r in q.rows} == {"Sin": 1, "Mul": 2}
    assert any("general: create_graph" in r.ways_backward for r in p.rows)
    assert sum(r.calls for r in p.rows if r.function == "Mul") == 4
    assert not core.is_watched()


def test_exceptions_leave_all_clean():
    x = Variable(np.ones((2, 3)))
    p = profile()
    with pytest.raises(ValueError, match="broadcast"), p:
        x * np.ones(4)
    assert not core.is_watched()
    assert threading.getprofile() is None if hasattr(threading, "getprofile") else True
    with profile(), pytest.raises(RuntimeError, match="inside of a block of profile"), debug():
        pass
    with debug(), pytest.raises(RuntimeError, match="inside of a block of debug"), profile():
        pass
    with pytest.raises(ValueError, match="cannot sort"):
        p.table("name")
    assert not core.is_watched()


def test_reports(tmp_path):
    space = {}
    exec(compile("def f(F, x): return F.exp(x)", "<a&\"b\">.py", "exec"), space)
    with profile() as p:
        space["f"](F, Variable(np.arange(3)))
    assert all(len(line) <= 100 for line in p.table().splitlines())
    assert "general: integers (int64)" in p.table()
    p.html(tmp_path / "p.html")
    page = (tmp_path / "p.html").read_text(encoding="utf-8")
    root = ElementTree.fromstring(page.partition("\n")[2])
    assert "<a&\"b\">.py:1" in [e.text for e in root.iter() if e.tag.endswith("code")]
    assert "<svg" in page
    assert "http" not in page.replace("http://www.w3.org/2000/svg", "")
    p.json(tmp_path / "p.json")
    row, = json.loads((tmp_path / "p.json").read_text())["rows"]
    assert (row["function"], row["calls"]) == ("Exp", 1)


class Shell:
    """What a magic needs of IPython's shell."""

    def __init__(self):
        self.execution_count, self.names, self.space, self.compile = 3, {}, {"F": F, "x": Variable(np.ones(3))}, self

    def format_code_name(self, name):
        return ("Cell", f"In[{self.names[name]}]") if name in self.names else None

    def run_cell(self, cell):
        name = f"/tmp/ipykernel_1/{len(self.names)}.py"
        self.names[name] = self.execution_count
        exec(compile(cell, name, "exec"), self.space)


def test_lines_of_a_cell_are_those_that_are_seen(capsys):
    from dezero_c._profiling._command import cell_magic

    shell = Shell()
    shell.run_cell("def f():\n    return F.exp(x)")
    shell.execution_count = 5
    shell.space["y"] = np.ones(3)
    cell_magic(shell)("--top 5", "z = 1\nf()\nF.sin(x); F.sin(x)\nx.data = x.data.astype('f'); F.cos(x) * y")
    lines = capsys.readouterr().out.splitlines()
    assert {(line[48:66].strip(), line[67:]) for line in lines[2:7]} >= {
        ("Exp", "In[3], line 2"), ("Sin", "this cell, line 4"), ("Cos", "this cell, line 5")}
    assert any("float64 came in beside float32 first at this cell, line 5" in line for line in lines)
    with pytest.raises(ValueError, match="--sort x: sort by one of"):
        cell_magic(shell)("--sort x", "1")


def test_rows_that_get_one_name_are_one():
    with profile() as p:
        F.exp(Variable(np.ones(3)))
        F.exp(Variable(np.ones(3)))
    assert len(p.rows) == 2
    total = sum(row.total for row in p.rows)
    p._rename(lambda line: "here")
    row = only(p)
    assert (row.line, row.calls, row.ways) == ("here", 2, {"kernel": 2})
    assert row.total == pytest.approx(total)


def test_indexing_and_views_are_timed():
    x, rows = Variable(np.ones((300, 1000))), np.arange(300)[::-1]
    turned = F.transpose(x)
    with profile() as p:
        for _ in range(3):
            x[rows]
            F.reshape(turned, (-1,))
            F.transpose(x), F.broadcast_to(x, (2, 300, 1000)), F.embed_id(rows, x), F.take(x, rows, axis=0)
    found = {}
    for row in p.rows:
        assert row.untimed == 0
        assert 0 < row.forward < p.seconds
        found[row.function] = found.get(row.function, 0) + row.forward
    assert found.keys() == {"GetItem", "Reshape", "Transpose", "BroadcastTo"}
    # copies of 2.4 MB are part of it, nine and three
    assert found["GetItem"] > 9 * 20e-6
    assert found["Reshape"] > 3 * 20e-6
    assert sum(row.forward + row.before for row in p.rows) < p.seconds


def test_an_index_that_fails_is_no_beginning():
    x = Variable(np.ones((3, 4)))
    with profile() as p:
        with pytest.raises(IndexError):
            x[7]
        time.sleep(0.02)
        x[1]
    row = only(p)
    assert row.forward < 0.01 < row.before


def test_programs_keep_output_status_and_traceback(tmp_path):
    script = tmp_path / "s.py"
    script.write_text("import sys\nfrom dezero import Variable\nimport numpy as np\nVariable(np.ones(3)) * 2.0\n"
                      "print(sys.argv[1:])\n"
                      "if sys.argv[1] == 'raise':\n    raise KeyError('k')\nsys.exit(3)\n")
    for word, status in (("a", 3), ("raise", 1)):
        done = subprocess.run([sys.executable, "-m", "dezero_c", "--profile", "--top", "5", str(script), word],
                              capture_output=True, text=True)
        assert done.returncode == status
        assert done.stdout == f"['{word}']\n"
        assert "Mul" in done.stderr
        assert ("KeyError" in done.stderr) is (word == "raise")
        assert "_profiling" not in done.stderr
    done = subprocess.run([sys.executable, "-m", "dezero_c", "--profile", "--top", "x", "s.py"], capture_output=True, text=True)
    assert done.returncode == 2
    done = subprocess.run([sys.executable, "-c", "import sys, dezero_c; print('dezero_c._profiling' in sys.modules)"],
                          capture_output=True, text=True)
    assert done.stdout == "False\n"
    assert dezero_c.profile is profile


HEAD = "import numpy as np\nimport dezero_c.functions as F\nfrom dezero_c import Variable\nx = Variable(np.arange(9.0))"
LAST = "print('after', y.shape)"


def documented_cell():
    page = (Path(__file__).parents[1] / "docs" / "howto.md").read_text(encoding="utf-8")
    return re.search(r"^```text\n(%%dezero_profile.*?)^```$", page, re.MULTILINE | re.DOTALL)[1]


def test_the_documented_cell_in_a_notebook(tmp_path):
    cells = [{"cell_type": "code", "metadata": {}, "source": text} for text in (HEAD, documented_cell(), LAST)]
    (tmp_path / "n.ipynb").write_text(json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    done = subprocess.run([sys.executable, "-m", "dezero_c", "n.ipynb"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert "Exp" in done.stdout
    assert done.stdout.endswith("after ()\n")


def test_the_documented_cell_in_ipython(tmp_path):
    pytest.importorskip("IPython")
    program = ("import sys\nfrom IPython.core.interactiveshell import InteractiveShell\nshell = InteractiveShell.instance()\n"
               "for cell in ('%load_ext dezero_c', *sys.argv[1:]):\n    assert shell.run_cell(cell).success, cell\n")
    done = subprocess.run([sys.executable, "-c", program, HEAD, documented_cell(), LAST], capture_output=True,
                          text=True, check=True, env={**os.environ, "IPYTHONDIR": str(tmp_path)})
    assert "Exp" in done.stdout
    assert "after ()" in done.stdout
