"""What `import dezero` gives: every name of DeZero's, with its parameters, and the package's own."""

import ast
import builtins
import contextlib
import gzip
import importlib
import inspect
import math
import os
import pickle
import subprocess
import sys
import tarfile
import urllib
import weakref
from pathlib import Path

import numpy as np
import pytest

import dezero_c

HERE = Path(__file__).resolve().parent
LINES = [line for line in (HERE / "public_names_framework.txt").read_text().splitlines() if not line.startswith("#")]
# Methods of the engine's classes take *args in DeZero's place of a name; that they are there is what counts.
COMPILED = ("core.", "core_simple.")


def found(path):
    """What `layers.Linear.forward` leads to."""
    module, *names = path.split(".")
    value = importlib.import_module(f"dezero_c.{module}")
    for name in names:
        value = getattr(value, name)
    return value


def parameters(text):
    """[(name, default as text, or None)] of `(self, x, y=1)`, without self."""
    arguments = ast.parse(f"def f{text}: pass").body[0].args
    defaults = [None] * (len(arguments.args) - len(arguments.defaults)) + [ast.unparse(d) for d in arguments.defaults]
    return [(a.arg, d) for a, d in zip(arguments.args, defaults, strict=True) if a.arg != "self"]


@pytest.mark.parametrize("line", LINES)
def test_every_name_of_dezero_is_here(line):
    kind, _, rest = line.partition(" ")
    if kind == "class":
        name, _, base = rest.partition("(")
        cls = found(name)
        assert inspect.isclass(cls)
        base = base.rstrip(")")
        if base != "object":
            assert base in [each.__name__ for each in cls.__mro__]
        return
    if kind == "property":
        assert not callable(inspect.getattr_static(found(rest.rpartition(".")[0]), rest.rpartition(".")[2]))
        return
    name, _, text = line.partition("(")
    value = found(name)
    assert callable(value)
    if name.startswith(COMPILED):
        return
    ours = [p for p in inspect.signature(value).parameters.values() if p.name != "self"]
    wanted = parameters(f"({text}")
    star = [p.name for p in ours if p.kind is p.VAR_POSITIONAL]
    assert [p.name for p in ours[:len(wanted)]] == [n for n, _ in wanted] or star
    for p, (_, default) in zip(ours, wanted, strict=False):
        if default is not None:
            shown = getattr(p.default, "__name__", None) or repr(p.default)     # a function, a class, a module
            assert shown in default or p.default is np or type(p.default).__name__ in default \
                or p.default == ast.literal_eval(default) or (default == "[]" and p.default == ())
    for p in ours[len(wanted):]:
        assert p.default is not p.empty or p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD)


def test_the_package_has_what_dezeros_has():
    wanted = """Config DataLoader Dataset Function Layer Model Parameter SeqDataLoader Variable as_array as_variable core cuda
                dataloaders datasets functions functions_conv is_simple_core layers models no_grad optimizers setup_variable
                test_mode transforms using_config utils""".split()
    assert [name for name in wanted if not hasattr(dezero_c, name)] == []
    assert dezero_c.is_simple_core is False
    assert [name for name in dezero_c.__all__ if not hasattr(dezero_c, name)] == []
    for name in ("dataloaders", "datasets", "history", "layers", "models", "optimizers", "transforms", "utils", "cuda"):
        module = getattr(dezero_c, name)
        assert module.__doc__
        undocumented = [n for n in module.__all__ if callable(getattr(module, n)) and not getattr(module, n).__doc__]
        assert not undocumented


def test_cuda_says_that_there_is_no_gpu():
    cuda = dezero_c.cuda
    x = dezero_c.Variable(np.ones(2))
    assert cuda.gpu_enable is False
    assert cuda.get_array_module(x) is cuda.get_array_module(x.data) is np
    assert cuda.as_numpy(x) is x.data
    assert cuda.as_numpy(3.0).shape == ()
    for attempt in (lambda: cuda.as_cupy(x), x.to_gpu):
        with pytest.raises(RuntimeError, match="no GPU here"):
            attempt()
    x.to_cpu()


def run(program, *options):
    return subprocess.run([sys.executable, "-W", "error", *options], input=program, capture_output=True, text=True,
                          timeout=120, check=False)


SIMPLE = """
import dezero_c
dezero_c.install(simple_core=True)
import dezero, dezero.utils, numpy as np
from dezero import Variable
from dezero.core_simple import Function
assert dezero.is_simple_core and dezero.Variable is dezero_c.core_simple.Variable
x = Variable(np.array(3.0))
y = x * x
y.backward()
assert type(x.grad) is np.ndarray and x.grad == 6, x.grad
dezero_c.install(simple_core=True)
import dezero as again
assert again is dezero
dezero_c.install()
import dezero as full
assert full is dezero_c and not full.is_simple_core
dezero_c.uninstall()
import importlib.util
"""


def test_the_simple_core_of_steps_23_to_32(tmp_path):
    done = run(SIMPLE, "-")
    assert done.returncode == 0, done.stderr
    script = tmp_path / "step.py"
    script.write_text("import dezero\nprint(dezero.is_simple_core)\n")
    for options, answer in ((["--simple-core"], "True"), ([], "False")):
        done = run("", "-m", "dezero_c", *options, str(script))
        assert done.stdout.strip() == answer, done.stderr


# ---- what `*` gives ----------------------------------------------------------------------------------------------------------

def names_of_dezero():
    """{module: its names} of names_of_dezero.txt."""
    text = "\n".join(line for line in (HERE / "names_of_dezero.txt").read_text().splitlines() if not line.startswith("#"))
    found = {}
    for word in text.split():
        if word.endswith(":"):
            names = found[word[:-1]] = set()
        else:
            names.add(word)
    return found


NAMES = names_of_dezero()
GPU_ONLY = {"_col2im_gpu", "_im2col_gpu"}       # CuPy's kernels


def star(name):
    """{name: value} of `from dezero_c.<name> import *`; of `dezero` the package's."""
    given = {}
    exec(f"from dezero_c{'' if name == 'dezero' else f'.{name}'} import *", given)
    del given["__builtins__"]
    return given


@pytest.mark.filterwarnings("ignore")       # of the first import of matplotlib
@pytest.mark.parametrize("name", NAMES)
def test_a_star_gives_every_name_that_dezeros_module_gives(name):
    given = star(name)
    module = dezero_c if name == "dezero" else importlib.import_module(f"dezero_c.{name}")
    assert {n for n in NAMES[name] if not n.startswith("_")} - set(given) == set()
    assert [n for n in NAMES[name] - GPU_ONLY if not hasattr(module, n)] == []
    meant = {"np": np, "os": os, "math": math, "weakref": weakref, "contextlib": contextlib, "dezero": dezero_c,
             "F": dezero_c.functions, "L": dezero_c.layers, "gzip": gzip, "pickle": pickle, "tarfile": tarfile,
             "urllib": urllib, "subprocess": subprocess, "rsub": dezero_c.core.rsub}
    if name != "core_simple":
        for n in set(given) & set(meant):
            assert given[n] is meant[n], n
    for n in NAMES[name] & set(NAMES["dezero"]):        # Variable, cuda, utils, ...
        assert getattr(module, n) is getattr(dezero_c if name != "core_simple" else dezero_c.core_simple, n), n


@pytest.mark.filterwarnings("ignore")
def test_a_star_hides_nothing_that_dezeros_does_not():
    """A name of ours is no builtin's, and no other thing's than a neighbour's `*` gives under the same name."""
    given = {name: star(name) for name in NAMES if name != "core_simple"}
    for name, values in given.items():
        new = set(values) - NAMES[name]
        assert not new & set(dir(builtins)), name
        for other in given.keys() - {name}:
            assert not [n for n in new & NAMES[other] if values[n] is not given[other][n]], (name, other)
            assert not [n for n in new & set(given[other]) - NAMES[other] if values[n] is not given[other][n]], (name, other)


def test_the_list_of_names_is_dezeros():
    """Compares the list with DeZero 0.0.13 where it is installed."""
    pytest.importorskip("matplotlib")
    program = """
import importlib, numpy as np
np.int = int                # which DeZero 0.0.13 asks for, and NumPy has no more
import dezero
for name in {names}:
    module = dezero if name == "dezero" else importlib.import_module("dezero." + name)
    print(name + ":", *(n for n in vars(module) if not n.startswith("__")))
"""
    done = run(program.format(names=list(NAMES)))
    if done.returncode:
        assert "No module named 'dezero'" in done.stderr, done.stderr
        pytest.skip("DeZero is not installed")
    for line in done.stdout.splitlines():
        name, *names = line.split()
        assert set(names) == NAMES[name[:-1]], name


def test_a_module_that_is_not_installed_says_so_when_it_is_used():
    program = """
import sys
sys.modules["matplotlib"] = sys.modules["PIL"] = None
from dezero_c.datasets import *
from dezero_c.dataloaders import *
assert plt.__name__ == "matplotlib.pyplot" and not pil_available
for use, package in (lambda: plt.figure(), "matplotlib"), (lambda: Image.open("x.png"), "pillow"):
    try:
        use()
    except ImportError as error:
        assert f"pip install {package}" in str(error), error
    else:
        raise AssertionError(package)
"""
    done = run(program)
    assert done.returncode == 0, done.stderr


def test_estimators_name_the_extra_where_scikit_learn_is_missing():
    done = run("import sys\nsys.modules['sklearn'] = None\nimport dezero_c.sklearn\n")
    assert done.returncode == 1
    assert 'ImportError: dezero_c.sklearn needs scikit-learn' in done.stderr
    assert 'pip install "dezero_c[sklearn]"' in done.stderr


def test_what_dezeros_modules_import_costs_nothing_until_it_is_asked_for():
    program = """
import numpy, sys
before = set(sys.modules)
import dezero_c, dezero_c.datasets, dezero_c.dataloaders, dezero_c.transforms, dezero_c.models
late = {"matplotlib", "PIL", "tarfile", "subprocess", "urllib.request"} & (set(sys.modules) - before)
assert not late, late
"""
    done = run(program)
    assert done.returncode == 0, done.stderr
