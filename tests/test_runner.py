"""`python -m dezero_c`: scripts, modules and notebooks run as Python and Jupyter would run them; tour and info.

Each test starts the command line in a directory of its own. What the names lead to is in test_dropin.
"""

import json
import os
import re
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest
from test_docs import same_output

from dezero_c._run import info as _info

SEED = Path(__file__).resolve().parent.parent / "examples" / "chapter1.ipynb"


@pytest.fixture
def run(tmp_path):
    """Runs `python -m dezero_c <arguments>` among the given files; with `dezero=False`, plain `python <arguments>`."""

    def run(*args, files=None, dezero=True, status=None, **environment):
        for name, text in (files or {}).items():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            if isinstance(text, bytes):
                (tmp_path / name).write_bytes(text)
            else:
                (tmp_path / name).write_text(textwrap.dedent(text), encoding="utf-8")
        command = [sys.executable, "-W", "error", *(["-m", "dezero_c"] if dezero else []), *map(str, args)]
        done = subprocess.run(
            command,
            cwd=tmp_path,
            env={**os.environ, "PYTHONIOENCODING": "utf-8", "NO_COLOR": "1", **environment},
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=120,
        )
        assert status is None or done.returncode == status, done.stdout + done.stderr
        return done

    return run


def notebook(*cells, **changes):
    """The text of a notebook (nbformat 4) with these code cells."""
    cells = [{"cell_type": "code", "metadata": {}, "outputs": [], "source": textwrap.dedent(cell)} for cell in cells]
    return json.dumps({"cells": cells, "metadata": {}, "nbformat": 4, "nbformat_minor": 4, **changes})


# -- scripts --

FACTS = """
    import os, sys
    assert sys.modules["__main__"].__dict__ is globals()
    print(__name__, __file__, sys.argv, sys.path[0], __spec__, __package__, __doc__, __loader__.path)
    print(sorted(globals()), type(__builtins__), type(__loader__), [type(arg) for arg in sys.argv])
    print(os.getcwd(), sys.excepthook is sys.__excepthook__)
    print("to stderr", file=sys.stderr)
"""


def test_a_script_sees_what_plain_python_gives_it(run, tmp_path):
    files = {"place/script.py": FACTS}
    plain = run("place/script.py", "-x", "tour", files=files, dezero=False, status=0)
    ours = run("place/script.py", "-x", "tour", files=files, status=0)
    assert (ours.stdout, ours.stderr) == (plain.stdout, plain.stderr)
    if hasattr(os, "symlink") and os.name == "posix":
        os.symlink(tmp_path / "place" / "script.py", tmp_path / "link.py")
        assert run("link.py", "a").stdout == run("link.py", "a", dezero=False).stdout


def test_a_script_gets_the_drop_in_whatever_lies_around(run):
    """The book's steps append their parent directory, where the real DeZero lies; readers keep a chapter1.py."""
    files = {
        "dezero/__init__.py": "raise AssertionError('the real dezero')",
        "steps/chapter1.py": "raise AssertionError('the local chapter1')",
        "steps/helper.py": "value = 'helper beside the script'",
        "steps/step.py": """
            if '__file__' in globals():
                import os, sys
                sys.path.append(os.path.join(os.path.dirname(__file__), '..'))
            import pickle
            import numpy as np
            import dezero, helper
            from dezero.core import Variable
            import dezero.functions as F
            from chapter1 import *
            import dezero_c, dezero_c.chapter1

            class Kept:
                pass

            assert dezero is dezero_c and F is dezero_c.functions and Square is dezero_c.chapter1.Square
            assert type(pickle.loads(pickle.dumps(Kept()))) is Kept
            print(helper.value, square(Variable(np.array(3.0))).data)
            """,
    }
    done = run("steps/step.py", files=files, status=0)
    assert (done.stdout, done.stderr) == ("helper beside the script 9.0\n", "")


def test_exit_codes_and_tracebacks_are_those_of_plain_python(run):
    files = {
        "raises.py": "def f():\n    return 1 / 0  # here\n\ntry:\n    f()\nexcept OSError:\n    pass\n",
        "chained.py": "try:\n    {}['a']\nexcept KeyError as exc:\n    raise ValueError('b') from exc\n",
        "syntax.py": "x = 1\ny = (\n",
        "latin.py": "# -*- coding: latin-1 -*-\nprint('\u00e9')\n".encode("latin-1"),
        "exits.py": "import sys\nsys.exit(7)\n",
        "says.py": "raise SystemExit('said on stderr')\n",
        "hook.py": "import sys\nsys.excepthook = lambda k, v, tb: print('hook', k, tb.tb_lineno, tb.tb_next)\n1 / 0\n",
        "atexit.py": "import atexit\natexit.register(print, 'at exit')\nraise KeyError('k')\n",
    }
    for name in files:
        plain, ours = run(name, files=files, dezero=False), run(name)
        outcome = (ours.returncode, ours.stdout, ours.stderr)
        assert outcome == (plain.returncode, plain.stdout, plain.stderr), name
        files = {}


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_keyboard_interrupt_ends_as_in_plain_python(run):
    # the handler is set anew, since a process that was started in the background may ignore the signal
    stop = "import os, signal, time\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
    files = {"stop.py": stop + "os.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)\n"}
    done = run("stop.py", files=files)
    assert done.returncode == -signal.SIGINT
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("KeyboardInterrupt\n")
    assert done.stderr.count("File ") == 1
    assert "stop.py" in done.stderr


def test_import_errors_show_the_program_alone(run):
    done = run("wants.py", files={"wants.py": "import dezero.nosuch\n"}, status=1)
    assert "No module named 'dezero.nosuch'" in done.stderr
    assert done.stderr.count("File ") == 1
    assert "wants.py" in done.stderr


def test_misuse_is_answered_on_stderr_with_status_2(run):
    for args, word in [
        (["nosuch.py"], "nosuch.py"),
        (["nosuch.ipynb"], "nosuch.ipynb"),
        (["-m"], "-m"),
        (["--nosuch"], "--nosuch"),
        ([], "usage"),
        (["tour", "extra"], "tour"),
    ]:
        done = run(*args, status=2)
        assert done.stdout == "", args
        assert word in done.stderr, args
        assert "Traceback" not in done.stderr, args


def test_help_and_version(run):
    page = run("--help", status=0)
    assert page.stderr == ""
    assert all(word in page.stdout for word in ("script.py", "notebook.ipynb", "-m", "tour", "info"))
    assert re.fullmatch(r"dezero_c \d+\.\d+\S*\n", run("--version", status=0).stdout)


# -- modules and bundles --


def test_modules_and_directories(run):
    files = {
        "package/__init__.py": "",
        "package/__main__.py": "import sys, dezero_c, dezero\nprint(sys.argv, __spec__.name, dezero is dezero_c)\n",
        "package/broken.py": "import nosuch_dependency\n",
        "failing/__init__.py": "import nosuch_dependency\n",
    }
    done = run("-m", "package", "-a", "b", files=files, status=0)
    assert done.stdout.endswith("__main__.py', '-a', 'b'] package.__main__ True\n")
    assert done.stderr == ""
    done = run("package", "c", status=0)
    assert done.stdout == "['package', 'c'] __main__ True\n"
    done = run("-m", "nosuch_module", status=1)
    assert done.stderr == "dezero_c: No module named nosuch_module\n"
    for name, file in (("package.broken", "broken.py"), ("failing.part", "__init__.py")):
        done = run("-m", name, status=1)
        assert "nosuch_dependency" in done.stderr.splitlines()[-1]
        assert file in done.stderr
        assert "_runner" not in done.stderr
        assert "runpy" not in done.stderr


def test_real_dezero_already_imported_is_refused(run):
    """Only something that runs before the command line can have imported it: here sitecustomize."""
    files = {
        "early/sitecustomize.py": "import dezero\n",
        "early/dezero/__init__.py": "",
        "script.py": "print('not reached')\n",
    }
    path = os.pathsep.join(filter(None, ("early", os.environ.get("PYTHONPATH"))))
    done = run("script.py", files=files, status=1, PYTHONPATH=path)
    assert done.stdout == ""
    assert "already imported" in done.stderr
    assert "Traceback" not in done.stderr


def test_spawned_workers_have_the_drop_in(run):
    files = {
        "workers.py": """
            import multiprocessing
            from concurrent.futures import ProcessPoolExecutor
            import dezero
            from chapter1 import Variable

            def work(number):
                import dezero_c
                return number + 1, Variable.__module__, dezero is dezero_c

            if __name__ == "__main__":
                with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
                    print(pool.submit(work, 1).result())
            """
    }
    done = run("workers.py", files=files, status=0)
    assert done.stdout == "(2, 'chapter1', True)\n"


# -- notebooks --


def test_the_seed_notebook_prints_its_numbers(run):
    done = run(SEED, status=0)
    assert done.stderr == ""
    expected = [
        "val: 1.0, dim: 0",
        "val: 100, type: <class 'chapter1.Variable'>",
        "val:  1.6487, type: <class 'chapter1.Variable'>",
        "3.2974426293330694",
        "3.297442541400256",
        "3.297442541400256",
    ]
    assert same_output("\n".join(expected), done.stdout), done.stdout


def test_cells_run_as_in_jupyter(run):
    book = notebook(
        "from __future__ import annotations\nimport os, sys, pickle, inspect\n'value'",
        "   \n",  # Jupyter gives an empty cell no number, nor do we: the next is cell 2
        "None",
        "1 + 1;  # quiet",
        "[\n  3,\n]  # ; in a comment",
        "(4)  ;",
        "display('shown', None)\nclass Kept: pass\ndef f(x: not_evaluated): return x\nx = 5",
        "type(pickle.loads(pickle.dumps(Kept()))) is Kept and sys.modules['__main__'].x",
        "print(_, __name__, os.getcwd() == os.path.dirname(sys.argv[0]), sys.argv[1:], '__file__' in globals())",
        "import beside\nbeside.name",
        "import asyncio\nasync def later(value):\n    await asyncio.sleep(0)\n    return value\nawait later(6)",
        "task = asyncio.create_task(later(7))\nawait later(0);",
        "await task",
        "inspect.getsource(f)",
        "'''\n%matplotlib inline\n!ls\n'''",
        "12 \\\n% 5",
    )
    files = {"deep/book.ipynb": book, "deep/beside.py": "name = 'found'", "beside.py": "1 / 0"}
    done = run("deep/book.ipynb", "-a", files=files, status=0)
    assert done.stderr == ""
    assert done.stdout.splitlines() == [
        "'value'",
        "[3]",
        "'shown'",
        "None",
        "5",
        "5 __main__ True ['-a'] False",
        "'found'",
        "6",
        "7",
        repr("def f(x: not_evaluated): return x\n"),
        repr("\n%matplotlib inline\n!ls\n"),
        "2",
    ]


def test_magics_that_make_sense_and_those_skipped(run):
    book = notebook(
        "%matplotlib inline\n%load_ext dezero_c\n%load_ext autoreload\nif True:\n    %autoreload 2\nx = [1, 2]",
        "!pip install \\\n  'nosuch package'\n%pip install nosuch\n%config Some.thing = 'it's'\n?x\nx.append?\nx",
        "pip install nosuch\nif x:\n    pip install -q \\\n      nosuch  # it\nmatplotlib inline\npip = 1\npip",
        "%time y = sum(x)\nz = %time y + 1\n%time z + 1",
        "%%time\nw = z\n\nw * 10",
        "\n%%timeit -n 2 -r 3\ntotal = sum(x)",
        "%timeit -n1 -r1 x.append(9)",
        "%%capture\nprint('hidden')\nx",
        "(x, y, z)",
    )
    done = run("book.ipynb", files={"book.ipynb": book}, status=0)
    skipped = re.findall(r"^dezero_c: cell ([123]) of book\.ipynb: skipped (.*)$", done.stderr, flags=re.MULTILINE)
    assert skipped == [
        ("1", "%matplotlib inline"),
        ("1", "%load_ext autoreload"),
        ("1", "%autoreload 2"),
        ("2", "!pip install 'nosuch package'"),
        ("2", "%pip install nosuch"),
        ("2", "%config Some.thing = 'it's'"),
        ("2", "x?"),
        ("2", "x.append?"),
        ("3", "%pip install nosuch"),
        ("3", "%pip install -q nosuch  # it"),
        ("3", "%matplotlib inline"),
    ]
    assert done.stderr.count("\n") == len(skipped)
    span = r"[\d.e+]+ (s|ms|µs|ns)"
    times = f"CPU time: {span}\nWall time: {span}\n"
    loops = span + f" ± {span} per loop " + r"\(mean ± std. dev. of {} runs, {} loops each\)" + "\n"
    expected = [r"\[1, 2\]\n1\n", times * 3, "5\n40\n", times, loops.format(3, 2), loops.format(1, 1)]
    assert re.fullmatch("".join([*expected, r"\(\[1, 2, 9\], 3, 4\)\n"]), done.stdout), done.stdout


MAGICS = """\
# -*- coding: {coding} -*-
!pip install -q nosuch
%matplotlib inline
import sys
if True:
    pip install \\
        nosuch
!conda install -y nosuch
text = '''
!pip install this stays
'''
print(text, sys._getframe().f_lineno, "é")
"""


@pytest.mark.parametrize("coding", ["utf-8", "latin-1"])
def test_a_script_that_was_a_notebook(run, coding):
    done = run("was.py", files={"was.py": MAGICS.format(coding=coding).encode(coding)}, status=0)
    assert done.stdout == "\n!pip install this stays\n 12 é\n"
    assert done.stderr.splitlines() == [f"dezero_c: line {line} of was.py: skipped {what}" for line, what in [
        (2, "!pip install -q nosuch"), (3, "%matplotlib inline"), (6, "pip install nosuch"), (8, "!conda install -y nosuch")]]


@pytest.mark.parametrize(("source", "line"), [
    ("%matplotlib inline\n!ls\n", 2), ("files = !pip install x\n", 1), ("!pip install x\nprint('unclosed)\n", 2),
    ("%pip install x\nreturn\n", 2), ("%timeit 1\n", 1), ("return\n", 1), ("x = 1 +\n", 1)])
def test_what_else_is_wrong_with_a_script_stays_an_error(run, source, line):
    """As python says it, but for lines that were skipped."""
    done = run("bad.py", files={"bad.py": source}, status=1)
    assert re.search(rf'File ".*bad\.py", line {line}\n.*', done.stderr)
    assert "SyntaxError" in done.stderr
    assert "_notebook" not in done.stderr


@pytest.mark.parametrize(
    ("cell", "line", "words"),
    [
        ("x = 0\n\n%time 1 / x", 3, ["ZeroDivisionError", "    %time 1 / x"]),
        ("def g():\n    return 1 / 0  # it\n\ng()", 4, ["    return 1 / 0  # it", "line 2, in g", "ZeroDivisionError"]),
        ("%matplotlib inline\nprint('unclosed)", 2, ["SyntaxError", "    print('unclosed)"]),
        ("!pip install \\\n  nosuch\n1 / 0", 3, ["ZeroDivisionError", "    1 / 0"]),
        ("%%time\n\nundefined", 3, ["NameError", "    undefined"]),
        ("await undefined", 1, ["NameError", "    await undefined"]),
        ("1\nif True:\n    %unheard of", 3, ["cell 2: %unheard ", "    %unheard of"]),
        ("%%javascript\nalert(1)", None, ["cell 2: %%javascript "]),
        ("\nfiles = !ls", 2, ["cell 2: !ls ", "    files = !ls"]),
        ("import dezero.nosuch", 1, ["'dezero.nosuch'"]),
    ],
)
def test_errors_name_the_cell_and_show_its_lines(run, tmp_path, cell, line, words):
    files = {"book.ipynb": notebook("print('first')", cell, "print('not reached')")}
    done = run("book.ipynb", files=files, status=1)
    assert done.stdout == "first\n"
    assert "dezero_c: error in cell 2 of book.ipynb\n" in done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert line is None or f'File "{tmp_path / "book.ipynb"} [cell 2]", line {line}' in done.stderr, done.stderr
    assert not re.search(r"_runner|_notebook|dropin\.py|runpy|asyncio", done.stderr), done.stderr


def test_exit_and_own_hook_in_a_notebook(run):
    hook = "sys.excepthook = lambda kind, value, tb: print('hook', kind.__name__, tb.tb_lineno)"
    book = notebook("import sys", hook, "\n1 / 0")
    done = run("book.ipynb", files={"book.ipynb": book}, status=1)
    assert (done.stdout, done.stderr) == ("hook ZeroDivisionError 2\n", "dezero_c: error in cell 3 of book.ipynb\n")
    done = run("exit.ipynb", files={"exit.ipynb": notebook("import sys\nsys.exit(5)", "1 / 0")}, status=5)
    assert done.stderr == ""


def test_notebook_formats(run):
    sheet = [
        {"cell_type": "markdown", "source": "1 / 0"},
        {"cell_type": "code", "language": "python", "input": ["x = 3\n", "x"], "outputs": []},
    ]
    old = json.dumps({"nbformat": 3, "nbformat_minor": 0, "metadata": {"name": ""}, "worksheets": [{"cells": sheet}]})
    assert run("old.ipynb", files={"old.ipynb": old}, status=0).stdout == "3\n"
    for text, word in [
        (notebook("1", nbformat=5), "nbformat 5"),
        (notebook("1", metadata={"kernelspec": {"language": "julia"}}), "julia"),
        ("{not json", "notebook"),
        ("[]", "notebook"),
        ('{"nbformat": 4}', "cells"),
    ]:
        done = run("bad.ipynb", files={"bad.ipynb": text}, status=2)
        assert done.stdout == ""
        assert re.fullmatch(f"dezero_c: .*bad.ipynb.*{word}.*\n", done.stderr), text


# -- tour and info --


def test_the_tour_computes_what_it_shows(run):
    """The code is taken from the printed page and run again, on its own: it has to give the printed values."""
    done = run("tour", status=0)
    assert done.stderr == ""
    headings = re.findall(r"^(\d)\. .*\n-+$", done.stdout, flags=re.MULTILINE)
    assert headings == list("123456")
    indented = [line[4:] for line in done.stdout.splitlines() if line.startswith("    ")]
    code = "\n".join(line for line in indented if not line.startswith("-> "))
    values = [line[3:] for line in indented if line.startswith("-> ")]
    again = run("shown.py", files={"shown.py": code}, status=0)
    assert again.stdout.splitlines() == values
    assert sum(same_output("3.2974426293330694", value) for value in values) == 1
    assert sum(same_output("3.297442541400256", value) for value in values) == 2
    assert "100 <class 'chapter1.Variable'>" in values
    assert "python -m dezero_c info" in done.stdout.splitlines()[-1]
    # Another Exp, other values: nothing in the page is written down beforehand. And the drop-in is taken back.
    spoilt = """
        import sys
        import dezero_c.chapter1 as chapter1
        from dezero_c._run import tour as _tour
        chapter1.Exp = chapter1.Square
        chapter1.exp = chapter1.square
        _tour.main()
        assert "chapter1" not in sys.modules
        """
    done = run("spoilt.py", files={"spoilt.py": spoilt}, dezero=False, status=0)
    values = re.findall("-> (.*)", done.stdout)
    assert values.count("0.0625") == 2
    assert not any(same_output("3.297442541400256", value) for value in values)


def test_info_states_what_runs_here(run):
    done = run("info", status=0, OPENBLAS_NUM_THREADS="1")
    page = dict(re.split(r"  +", line, maxsplit=1) for line in done.stdout.splitlines())
    facts = """
        import json, platform, numpy, dezero_c
        from dezero_c import _core
        versions = dezero_c.__version__, platform.python_version(), numpy.__version__
        print(json.dumps([*versions, _core.__file__, _core.build_info()]))
        """
    version, python, numpy, core, build = json.loads(run("facts.py", files={"facts.py": facts}, status=0).stdout)
    assert page["dezero_c"] == version
    assert page["Python"].startswith(python)
    assert page["NumPy"].startswith(numpy)
    assert page["compiled core"] == core
    assert page["compiler"] == build["compiler"]
    assert page["SIMD in use"] == build["simd"]
    assert page["SIMD available"].split(", ") == build["simd_available"]
    direct = [name for name, is_direct in build["numpy_loops"].items() if is_direct]
    assert all(name in page["NumPy's inner loops"] for name in direct)
    assert f"of {len(build['numpy_loops'])})" in page["through the ufunc"]
    assert "OPENBLAS_NUM_THREADS=1" in page["threads"]
    assert re.match(r"\d+", page["CPUs"])
    assert page["BLAS of NumPy"]
    assert page["kernels of BLAS"]
    assert page["processor"] == _info.processor() != ""
    assert page["platform"]
    assert done.stderr == ""
