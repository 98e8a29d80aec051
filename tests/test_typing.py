"""The types as users meet them: mypy in strict mode over the package and over programs right and wrong, stubtest over the
compiled modules, and what an editor completes.

mypy (`pip install "dezero_c[types]"`) and jedi are asked only where they are installed; without them the tests that need them
are skipped.
"""

import ast
import importlib
import inspect
import os
import pkgutil
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import dezero_c

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "pyproject.toml"
PACKAGE = Path(dezero_c.__path__[0])        # the installed one, where a checkout has no compiled engine
MODULES = sorted(m.name for m in pkgutil.iter_modules(dezero_c.__path__) if not m.name.startswith("_"))
COMPILED = sorted(p.stem for p in PACKAGE.glob("_*.pyi"))


@pytest.fixture(scope="module")
def checked(tmp_path_factory):
    """Runs a module of mypy's, all with one cache; gives its exit status and output. It reads a copy of the package: what is
    installed it would not report on."""
    pytest.importorskip("mypy")
    room = tmp_path_factory.mktemp("mypy")
    shutil.copytree(PACKAGE, room / "read" / "dezero_c", ignore=shutil.ignore_patterns("*.so", "*.pyd", "data", "__pycache__"))
    env = os.environ | {"MYPY_CACHE_DIR": str(room / "cache"), "MYPYPATH": str(room / "read")}
    env.pop("PYTHONPATH", None)
    if PACKAGE.parent == ROOT:      # an in-place build, which stubtest imports
        env["PYTHONPATH"] = str(ROOT)

    def run(module, *args):
        done = subprocess.run([sys.executable, "-m", module, *map(str, args)], cwd=room, env=env, capture_output=True, text=True,
                              timeout=600)
        return done.returncode, done.stdout + done.stderr

    return run


def test_the_package_is_strictly_typed(checked):
    status, said = checked("mypy", "--config-file", CONFIG, "-p", "dezero_c")
    assert status == 0, said


@pytest.mark.parametrize("name", ["programs", "mistakes"])
def test_programs(checked, name):
    """Right programs with the types that they have, wrong ones with the errors that they get."""
    status, said = checked("mypy", "--config-file", CONFIG, "--strict", ROOT / "tests" / "typed" / f"{name}.py")
    assert status == 0, said


def test_a_mistake_is_found(checked, tmp_path):
    """That the checks above see anything at all."""
    program = tmp_path / "wrong.py"
    program.write_text("from typing import assert_type\nimport dezero_c.functions as F\n"
                       "assert_type(F.sin(1.0), int)\nF.sine(1)\n")
    status, said = checked("mypy", "--config-file", CONFIG, "--strict", program)
    assert status == 1
    assert '"Variable", not "int"' in said
    assert 'no attribute "sine"' in said


def test_stubs_say_what_the_modules_have(checked):
    status, said = checked("mypy.stubtest", "dezero_c", "--concise", "--ignore-disjoint-bases", "--mypy-config-file", CONFIG,
                           "--allowlist", ROOT / "tools" / "stubtest_allowlist.txt")
    assert status == 0, said


# ---- what an editor shows

@pytest.mark.parametrize("name", COMPILED)
def test_stub_has_the_docstrings(name):
    """Editors that do not import compiled modules have the docstrings from stubs."""
    module = importlib.import_module(f"dezero_c.{name}")
    tree = ast.parse((PACKAGE / f"{name}.pyi").read_text(encoding="utf-8"))
    stub = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef | ast.ClassDef)}
    for public in getattr(module, "__all__", ()):
        doc = inspect.getdoc(getattr(module, public))
        assert doc, public
        assert ast.get_docstring(stub[public]) == doc.strip(), f"{name}.{public}: run python tools/stub_docs.py"


def test_stub_docs_are_up_to_date():
    """Methods and properties too."""
    if not (ROOT / "dezero_c" / "_ops.pyi").exists():
        pytest.skip("the checkout has not been built")
    done = subprocess.run([sys.executable, ROOT / "tools" / "stub_docs.py", "--check"], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(PACKAGE.parent)})
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("name", MODULES)
def test_public_names_have_signatures_and_docstrings(name):
    if name == "sklearn":
        pytest.importorskip("sklearn")
    module = importlib.import_module(f"dezero_c.{name}")
    assert set(module.__all__) <= set(dir(module))
    for public in module.__all__:
        value = getattr(module, public)
        if callable(value) and not inspect.ismodule(value):
            assert inspect.getdoc(value), public
            if public != "as_array":        # array_module=np: `inspect` reads no such default from compiled code
                assert inspect.signature(value) is not None


def test_the_package_lists_what_it_imports_late():
    assert set(dezero_c.__all__) <= set(dir(dezero_c))
    assert {"Model", "DataLoader", "datasets", "transforms", "progress"} <= set(dir(dezero_c))


@pytest.fixture(scope="module")
def completed():
    """The names that jedi offers after a piece of a program."""
    jedi = pytest.importorskip("jedi")
    project = jedi.Project(PACKAGE.parent, added_sys_path=[str(PACKAGE.parent)])

    def complete(text):
        return {each.name for each in jedi.Script(text, project=project).complete()}

    return complete


HEAD = """import numpy as np
import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Model, Variable, optimizers
x = Variable(np.ones(3))
"""


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(("text", "names"), [
    ("x.", "data grad backward reshape shape dtype T cleargrad sum transpose unchain_backward"),
    ("(x * 2 + 1).", "data grad backward"),
    ("x.T.", "backward"),
    ("x.reshape(3, 1).", "backward"),
    ("F.sin(x).", "backward data"),
    ("F.softmax_cross_entropy(x, x).", "backward data"),
    ("L.Linear(3).", "W b params cleargrads save_weights forward"),
    ("L.Linear(3)(x).", "data backward"),
    ("optimizers.Adam().", "setup update add_hook lr state_dict"),
    ("class Net(Model):\n    def __init__(self):\n        self.l1 = L.Linear(3)\n\nNet().", "l1 plot params load_weights"),
    ("dezero_c.", "Variable Model DataLoader datasets install no_grad"),
])
def test_an_editor_completes(completed, text, names):
    assert set(names.split()) <= completed(HEAD + text)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", MODULES)
def test_an_editor_completes_every_public_name(completed, name):
    module = importlib.import_module(f"dezero_c.{name}")
    assert set(module.__all__) - completed(f"import dezero_c.{name} as m\nm.") == set()
