"""The drop-in: what `import dezero` and `import chapter1` give, in what precedence, and how it is undone.

Each test is a program of its own, in a directory of its own, because imports are what is tested and a process has only
one import state. Running whole files through `python -m dezero_c` is in test_runner.
"""

import importlib.util
import os
import subprocess
import sys
import textwrap

import pytest


@pytest.fixture
def program(tmp_path):
    """Runs source text with `python -W error -c` in an empty directory; gives the finished process."""

    def run(source, files=None, status=0):
        for name, text in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
        command = [sys.executable, "-W", "error", "-c", textwrap.dedent(source)]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, encoding="utf-8", timeout=120)
        assert done.returncode == status, done.stderr
        return done

    return run


def test_names_lead_to_the_very_modules_of_dezero_c(program):
    program(
        """
        import importlib, pickle, sys
        import dezero_c
        specs = {n: m.__spec__ for n, m in sys.modules.items() if n.startswith("dezero_c")}
        dezero_c.install()

        import dezero
        import dezero.functions
        import dezero.functions as F
        import dezero.core_simple
        from dezero import Variable, functions
        from dezero.core import Function
        from dezero.core_simple import Variable as SimpleVariable
        import chapter1
        assert dezero is dezero_c and dezero.Variable is Variable is dezero_c.Variable
        assert F is functions is dezero.functions is dezero_c.functions is sys.modules["dezero.functions"]
        assert Function is dezero_c.core.Function
        assert dezero.core_simple is dezero_c.core_simple and SimpleVariable is dezero_c.core_simple.Variable
        assert chapter1 is sys.modules["dezero_c.chapter1"]
        names = {}
        exec("from chapter1 import *", names)
        for name in "Variable Function Square Exp square exp numerical_diff".split():
            assert names[name] is getattr(chapter1, name), name
        assert str(names["Variable"]) == "<class 'chapter1.Variable'>"

        for name, module in list(sys.modules.items()):
            if name.startswith("dezero_c"):  # the modules keep their own identity
                assert module.__name__ == module.__spec__.name == name, name
                assert module.__spec__ is specs.get(name, module.__spec__), name
                assert module.__loader__ is module.__spec__.loader, name
        assert pickle.loads(pickle.dumps(F.square)) is F.square
        assert pickle.loads(pickle.dumps(chapter1.Square)) is chapter1.Square
        assert importlib.reload(dezero_c.chapter1) is chapter1 is importlib.import_module("chapter1")
        assert importlib.util.find_spec("dezero").name == "dezero_c"
        """
    )


def test_missing_modules_are_named(program):
    done = program(
        """
        import dezero_c
        dezero_c.install()
        for line in ("import dezero.nosuch", "import dezero.nosuch.deeper", "from dezero.nosuch import x"):
            try:
                exec(line)
            except ModuleNotFoundError as exc:
                assert exc.name == "dezero.nosuch" and "'dezero.nosuch'" in str(exc) and "dezero_c" in str(exc), exc
            else:
                raise AssertionError(line)
        try:
            import dezero.core.deeper
        except ModuleNotFoundError as exc:
            assert "dezero.core" in str(exc)
        try:
            from dezero import nosuch
        except ImportError as exc:
            print("cannot import" in str(exc))
        """
    )
    assert done.stdout == "True\n"


REAL = {
    "chapter1.py": "Variable = 'of the reader'",
    "elsewhere/dezero/__init__.py": "Variable = 'of the real one'",
    "elsewhere/dezero/functions.py": "square = 'of the real one'",
    "elsewhere/dezero/only_there.py": "",
}


def test_wins_over_local_files_and_sys_path_then_gives_way(program):
    program(
        """
        import sys
        import dezero_c
        before = list(sys.meta_path)
        dezero_c.install()
        dezero_c.install()
        assert sys.meta_path[1:] == before  # once, and first
        sys.path.append("elsewhere")
        sys.path.insert(0, "elsewhere")
        import chapter1, dezero, dezero.functions
        assert dezero is dezero_c and dezero.functions is dezero_c.functions and chapter1 is dezero_c.chapter1
        class Late:
            find_spec = staticmethod(lambda *args: None)
        sys.meta_path.insert(0, Late)
        dezero_c.install()
        assert sys.meta_path[1:] == [Late, *before]  # first again
        sys.meta_path.remove(Late)

        dezero_c.uninstall()
        assert sys.meta_path == before
        assert not {name for name in sys.modules if name.split(".")[0] in ("dezero", "chapter1")}
        assert "dezero_c.functions" in sys.modules
        import chapter1, dezero.functions
        assert chapter1.Variable == "of the reader" and dezero.functions.square == "of the real one"
        dezero_c.uninstall()
        assert dezero.functions is sys.modules["dezero.functions"] and chapter1 is sys.modules["chapter1"]
        """,
        REAL,
    )


OWN = {
    "dezero/__init__.py": "raise AssertionError('the package is dezero_c')",
    "dezero/core.py": "raise AssertionError('this module is dezero_c')",
    "dezero/trainer.py": """
        from dezero import Variable
        from .core import Parameter
        import dezero.functions as F

        class Trainer:
            variable = Variable
    """,
    "dezero/transformers/__init__.py": "from dezero.transformers.attention import Attention",
    "dezero/transformers/attention.py": "from ..layers import Layer\nclass Attention(Layer): pass",
    "dezero/broken.py": "import dezero.nosuch",
}


@pytest.mark.parametrize("first", ["import dezero.trainer as trainer", "from dezero import trainer",
                                   "from dezero.trainer import *", "from dezero.trainer import Trainer"])
def test_modules_that_only_the_programs_own_folder_has(program, first):
    done = program(
        f"""
        import sys
        import dezero_c
        dezero_c.install()
        {first}
        import dezero, dezero.trainer
        from dezero import trainer, transformers
        from dezero.transformers.attention import Attention
        assert trainer.Trainer.variable is dezero.Variable is dezero_c.Variable
        assert trainer.Parameter is dezero_c.Parameter and trainer.F is dezero_c.functions
        assert dezero is dezero_c and dezero.trainer is trainer and transformers.Attention is Attention
        assert issubclass(Attention, dezero_c.Layer)
        dezero_c.install()              # they are no strangers
        assert sys.modules["dezero.trainer"] is trainer
        for line in "import dezero.nosuch", "from dezero import nosuch", "import dezero.broken", "dezero.nosuch":
            try:
                exec(line)
            except (ImportError, AttributeError) as error:
                assert "nosuch" in str(error)
            else:
                raise AssertionError(line)
        dezero_c.uninstall()
        assert not [name for name in sys.modules if name.split(".")[0] == "dezero"]
        assert not hasattr(dezero_c, "trainer") and not hasattr(dezero_c, "transformers")
        """,
        OWN,
    )
    said = done.stderr.splitlines()
    assert [line.split(", and takes ")[1].split(" from ")[0] for line in said] == [
        "dezero.trainer", "dezero.transformers", "dezero.broken"]
    assert all(line.startswith("dezero_c: has no dezero_c.") for line in said)


def test_the_programs_own_folder_below_the_simple_core(program):
    program(
        """
        import dezero_c
        dezero_c.install(simple_core=True)
        import dezero.trainer
        assert dezero.trainer.Trainer.variable is dezero_c.core_simple.Variable
        """,
        OWN,
    )


def test_real_dezero_imported_before_is_an_error_that_changes_nothing(program):
    program(
        """
        import sys
        sys.path.insert(0, "elsewhere")
        import dezero.functions, chapter1
        import dezero_c
        state = dict(sys.modules), list(sys.meta_path)
        for attempt in range(2):
            try:
                dezero_c.install()
            except ImportError as exc:
                message = str(exc)
            else:
                raise AssertionError("mixed")
            assert (dict(sys.modules), list(sys.meta_path)) == state
        assert "already imported" in message and "elsewhere" in message and "python -m dezero_c" in message, message
        dezero_c.uninstall()
        assert (dict(sys.modules), list(sys.meta_path)) == state

        del sys.modules["dezero"]  # a part of it is as bad as the whole
        try:
            dezero_c.install()
        except ImportError as exc:
            assert "dezero.functions" in str(exc)
        else:
            raise AssertionError("mixed")
        """,
        REAL,
    )


def test_chapter1_imported_before_is_set_aside_and_restored(program):
    program(
        """
        import sys
        import chapter1 as own
        import dezero_c
        sys.modules["dezero"] = None  # an import that someone has blocked
        dezero_c.uninstall()          # without install: nothing
        assert sys.modules["chapter1"] is own
        for round in range(2):
            dezero_c.install()
            dezero_c.install()
            import chapter1, dezero
            assert chapter1 is dezero_c.chapter1 and dezero is dezero_c
            dezero_c.install()
            dezero_c.uninstall()
            assert sys.modules["chapter1"] is own and sys.modules["dezero"] is None
        """,
        REAL,
    )


def test_ipython_hooks_without_ipython(program):
    done = program(
        """
        import sys
        import dezero_c
        before = list(sys.meta_path)
        dezero_c.load_ipython_extension(None)
        import chapter1
        assert chapter1 is dezero_c.chapter1
        dezero_c.load_ipython_extension(None)
        dezero_c.unload_ipython_extension(None)
        assert sys.meta_path == before and "chapter1" not in sys.modules
        print("quiet so far", file=sys.stderr)
        import chapter1
        assert chapter1.Variable == "of the reader"
        dezero_c.load_ipython_extension(None)
        """,
        REAL,
    )
    first, second = done.stderr.splitlines()
    assert first == "quiet so far"
    assert "chapter1" in second
    assert done.stdout == ""


@pytest.mark.skipif(importlib.util.find_spec("IPython") is None, reason="IPython is not installed")
def test_load_ext_in_ipython(tmp_path):
    source = """\
        %load_ext dezero_c
        from chapter1 import *
        print(Variable)
        %unload_ext dezero_c
        import sys
        print("chapter1" in sys.modules)
        """
    (tmp_path / "session.ipy").write_text(textwrap.dedent(source))
    command = [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "session.ipy"]
    environment = {**os.environ, "IPYTHONDIR": str(tmp_path / "profile")}
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120)
    assert done.stdout.split("\n")[-3:] == ["<class 'chapter1.Variable'>", "False", ""], done.stdout + done.stderr


def test_importing_the_hook_is_cheap(program):
    program(
        """
        import numpy, sys
        before = set(sys.modules)
        import dezero_c.dropin
        extra = {name for name in set(sys.modules) - before if not name.startswith("dezero_c")}
        unwanted = {"argparse", "json", "runpy", "asyncio", "timeit", "statistics", "importlib.util", "multiprocessing"}
        assert not extra & unwanted, extra
        commands = {"dezero_c._run.runner", "dezero_c._run.notebook", "dezero_c._run.tour", "dezero_c._run.info"}
        assert not commands & set(sys.modules)
        """
    )
