"""Ways of running Python that are not the usual one: other options, second interpreters, second imports, other versions.

Each works, or fails with a text that says what to do.
"""

import base64
import copy
import os
import pathlib
import pickle
import subprocess
import sys
import sysconfig
import tempfile
import textwrap

import numpy as np
import pytest

import dezero_c

TRAINING = """
    import numpy as np
    import dezero_c.functions as F
    import dezero_c.layers as L
    import dezero_c.optimizers as O
    from dezero_c import Function, Variable

    class Twice(Function):
        def forward(self, x):
            return x * 2
        def backward(self, gy):
            return gy * 2

    np.random.seed(0)
    x = Variable(np.linspace(0.0, 1.0, 8).reshape(8, 1))
    layer = L.Linear(1)
    optimizer = O.Adam(0.1).setup(layer)
    losses = []
    for _ in range(30):
        loss = F.mean_squared_error(Twice()(layer(x)), x * 3.0)
        layer.cleargrads()
        loss.backward()
        optimizer.update()
        losses.append(float(loss.data))
    print(losses[-1] < losses[0] / 5)
"""


FREE = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))    # the interpreter can do without its lock


def alone(program, *options, lock=FREE, **more):
    """Runs a program in a process of its own; with `lock` a free-threaded interpreter's lock is on from the start, so that it
    does not warn when it switches it on."""
    root = os.path.dirname(os.path.dirname(dezero_c.__file__))
    env = {**os.environ, "PYTHONPATH": root, "OPENBLAS_NUM_THREADS": "1"}
    env.pop("PYTHON_GIL", None)
    if lock:
        options = ("-X", "gil=1", *options)
    return subprocess.run([sys.executable, "-P", *options, "-c", textwrap.dedent(program)], env=env, capture_output=True,
                          text=True, timeout=120, check=False, **more)


@pytest.mark.parametrize("options", [
    ("-O",), ("-OO",), ("-W", "error"), ("-bb",), ("-X", "dev"), ("-B", "-I", "-S"), ("-X", "importtime"), ("-u", "-q", "-E"),
], ids=" ".join)
def test_options(options):
    if "-I" in options or "-E" in options:      # these look neither at PYTHONPATH nor, with -S, at site-packages
        root = os.path.dirname(os.path.dirname(dezero_c.__file__))
        head = f"import sys; sys.path[:0] = [{root!r}, {os.path.dirname(os.path.dirname(np.__file__))!r}]\n"
    else:
        head = ""
    done = alone(head + textwrap.dedent(TRAINING), *options)
    assert done.returncode == 0, done.stderr[-3000:]
    assert done.stdout == "True\n"
    if "importtime" not in options:
        assert done.stderr == ""


def test_every_module_imports_under_OO_with_warnings_as_errors():      # -OO takes the docstrings away
    done = alone("""
        import importlib, pkgutil, dezero_c
        for info in pkgutil.iter_modules(dezero_c.__path__):
            if info.name != "__main__":
                try:
                    importlib.import_module("dezero_c." + info.name)
                except ImportError as error:        # of an optional package
                    assert "pip install" in str(error)
        print(len(dezero_c.__path__))
    """, "-OO", "-W", "error")
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_a_messages_text_does_not_rest_on_asserts():
    done = alone("""
        import numpy as np
        from dezero_c import Variable
        for bad in (lambda: Variable([1.0]), lambda: Variable(np.ones(3)) + Variable(np.ones(4)), Variable(None).backward):
            try:
                bad()
            except (TypeError, ValueError) as error:
                print(type(error).__name__, len(str(error)) > 20)
    """, "-OO")
    assert done.stdout.splitlines() == ["TypeError True", "ValueError True", "ValueError True"]


# ---- second imports


def test_reload_of_the_package_and_of_its_modules():
    """What is made before goes on working, and the compiled classes stay one."""
    done = alone("""
        import importlib, sys, numpy as np
        import dezero_c, dezero_c.functions as F, dezero_c.layers as L
        x = dezero_c.Variable(np.ones(3))
        y, layer, variable = F.sin(x), L.Linear(2), dezero_c.Variable
        names = sorted(n for n in sys.modules if n.startswith("dezero_c"))
        for name in names:
            if name in sys.modules:
                importlib.reload(sys.modules[name])
        print(dezero_c.Variable is variable, type(x) is dezero_c.Variable)
        z = dezero_c.functions.sum(y * dezero_c.Variable(np.ones(3)))
        z.backward()
        print(np.allclose(x.grad.data, np.cos(1.0)))
        layer(np.ones((1, 4)))
        print(dezero_c.layers.Linear(2)(np.ones((1, 4))).shape, len(names) > 20)
    """, "-W", "error")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split("\n") == ["True True", "True", "(1, 2) True", ""]


def test_an_import_after_the_modules_were_thrown_away():
    """Compiled modules cannot be made twice in a process: the second import works, or says so."""
    done = alone("""
        import sys, numpy as np
        import dezero_c
        x = dezero_c.Variable(np.ones(3))
        for name in [n for n in sys.modules if n.startswith("dezero_c")]:
            del sys.modules[name]
        try:
            import dezero_c as again
            import dezero_c.functions as F
        except ImportError as error:
            print("refused:", error)
        else:
            y = F.sum(F.sin(again.Variable(np.ones(3))))
            y.backward()
            print("works")
        z = x * 2.0         # whatever came of it, what was there before is whole
        z.backward()
        print(x.grad.data.tolist())
    """)
    assert done.returncode == 0, done.stderr
    first, second = done.stdout.splitlines()
    assert first == "works" or (first.startswith("refused:") and len(first) > 40), first
    assert second == "[2.0, 2.0, 2.0]"


# ---- second interpreters


SECOND = """
    import sys, textwrap
    try:
        import _interpreters as interpreters        # 3.13 and later
    except ImportError:
        import _xxsubinterpreters as interpreters
    import numpy as np
    import dezero_c
    x = dezero_c.Variable(np.ones(3))
    program = textwrap.dedent('''
        try:
            import dezero_c
            import numpy as np
            y = dezero_c.Variable(np.ones(2)) * 2.0
            y.backward()
        except Exception as error:
            print(type(error).__name__, str(error).replace(chr(10), " "), flush=True)
        else:
            print("works", flush=True)
    ''')
    for _ in range(2):
        try:
            try:
                i = interpreters.create(isolated=KIND)
            except TypeError:
                i = interpreters.create("isolated" if KIND else "legacy")
        except RuntimeError as error:
            print("RuntimeError", error)
            continue
        try:
            told = (getattr(interpreters, "run_string", None) or interpreters.exec)(i, program)
            if told is not None:
                print("told", told)
        finally:
            interpreters.destroy(i)
    y = x * 2.0
    y.backward()
    print(x.grad.data.tolist())
"""


@pytest.mark.parametrize("isolated", [True, False])
def test_a_subinterpreter_is_refused_with_a_text(isolated):
    """Neither NumPy nor the engine can be loaded a second time; the first interpreter is not harmed."""
    done = alone(SECOND.replace("KIND", str(isolated)), "-W", "ignore")
    if "No module named" in done.stderr:
        pytest.skip("this Python has no subinterpreters")
    assert done.returncode == 0, done.stdout + done.stderr
    *told, last = done.stdout.splitlines()
    assert last == "[2.0, 2.0, 2.0]", done.stdout
    assert len(told) >= 2, done.stdout
    for line in told:
        assert line == "works" or ("mport" in line and len(line) > 40), line


def test_the_engines_own_refusal():
    """Without NumPy's in the way: loading the compiled module itself in a second interpreter."""
    done = alone("""
        import sys, textwrap
        try:
            import _interpreters as interpreters
            create = lambda: interpreters.create("legacy")
        except ImportError:
            import _xxsubinterpreters as interpreters
            create = lambda: interpreters.create(isolated=False)
        import dezero_c._core as core
        program = textwrap.dedent(f'''
            import importlib.machinery, importlib.util
            loader = importlib.machinery.ExtensionFileLoader("dezero_c._core", {core.__file__!r})
            try:
                importlib.util.module_from_spec(importlib.util.spec_from_loader("dezero_c._core", loader))
            except Exception as error:
                print(type(error).__name__, str(error), flush=True)
            else:
                print("loaded", flush=True)
        ''')
        i = create()
        (getattr(interpreters, "run_string", None) or interpreters.exec)(i, program)
        interpreters.destroy(i)
        print("alive")
    """, "-W", "ignore")
    if "No module named" in done.stderr:
        pytest.skip("this Python has no subinterpreters")
    assert done.returncode == 0, done.stdout + done.stderr
    first, last = done.stdout.splitlines()
    assert first.startswith("ImportError")
    assert "interpreter" in first
    assert last == "alive"


# ---- the lock of the interpreter


def test_the_modules_do_not_claim_to_need_no_lock():
    """A free-threaded Python switches its lock on for a module that says nothing. The sources never say otherwise."""
    import importlib.machinery

    if FREE:
        done = alone("import sys; print(sys._is_gil_enabled()); import dezero_c; print(sys._is_gil_enabled())", lock=False)
        assert done.stdout == "False\nTrue\n", done.stderr
        assert "RuntimeWarning" in done.stderr
        assert "dezero_c._core" in done.stderr
    sources = pathlib.Path(dezero_c.__file__).resolve().parent.parent
    texts = [p.read_text(encoding="utf-8") for p in [*sources.glob("src/**/*.p*x*"), *sources.glob("src/**/*.h"),
                                                     *sources.glob("setup.py")]]
    if not texts:
        pytest.skip("the sources are not here")
    for word in ("freethreading_compatible", "Py_mod_gil", "Py_MOD_GIL_NOT_USED", "PyUnstable_Module_SetGIL"):
        assert not any(word in text for text in texts), word
    assert importlib.machinery.EXTENSION_SUFFIXES


# ---- pickles and files of other versions

PICKLES = pathlib.Path(__file__).parent / "pickles.txt"
FILES = pathlib.Path(__file__).parent / "weights.txt"


def listed(path):
    """(label, content in base64) of each line."""
    return [line.split() for line in path.read_text(encoding="ascii").splitlines() if not line.startswith("#")]


@pytest.mark.parametrize(("label", "content"), listed(PICKLES), ids=lambda s: s[:24])
def test_pickles_of_earlier_versions(label, content):
    """What a program stored with an earlier version, Python or NumPy can still be read."""
    y, layer = pickle.loads(base64.b64decode(content))
    x, w = (v for f in [y.creator.inputs[0].creator] for v in (f.inputs[0].creator.inputs[0], f.inputs[1]))
    assert (x.name, w.name) == ("x", "w")
    assert np.allclose(x.grad.data, np.cos(x.data) * w.data)
    x.cleargrad()
    y.backward()
    assert np.allclose(x.grad.data, np.cos(x.data) * w.data)
    assert np.allclose(y.data, np.sum(np.sin(x.data) * w.data))
    assert layer(np.ones((1, 1))).data.tolist() == [[3.0, 4.0]]


@pytest.mark.parametrize("ending", [".npz", ".safetensors", ".adam.npz"])
@pytest.mark.parametrize("version", sorted({label.split(":")[0] for label, _ in listed(FILES)}))
def test_files_of_earlier_versions(version, ending, tmp_path):
    """Weights, and an optimizer's state, go on where an earlier version left them."""
    if ending == ".safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / ("file" + ending)
    path.write_bytes(base64.b64decode(dict(listed(FILES))[f"{version}:{ending}"]))
    trained, optimizer = trained_model()
    model, other = blank_model()
    if ending != ".adam.npz":
        model.load_weights(path)
        for p, q in zip(model.params(), trained.params(), strict=True):
            assert p.data.dtype == q.data.dtype
            np.testing.assert_allclose(p.data, q.data, rtol=1e-6)
        return
    with np.load(path) as state:
        other.load_state_dict(state)
    here, there = optimizer.state_dict(), other.state_dict()
    assert here.keys() == there.keys()
    for name in here:
        np.testing.assert_allclose(there[name], here[name], rtol=1e-5, err_msg=name)


def test_a_release_has_its_pickles_and_files():
    for path in (PICKLES, FILES):
        versions = {label.split("-")[0].split(":")[0] for label, _ in listed(path)}
        assert {"0.1.0", dezero_c.__version__} <= versions, f"{path.name}: see CONTRIBUTING.md, Releases"


def test_a_pickle_of_now_is_read_by_every_protocol():
    y, layer = stored()
    for protocol in range(2, pickle.HIGHEST_PROTOCOL + 1):
        z, other = pickle.loads(pickle.dumps((y, layer), protocol))
        assert z.data == y.data
        assert other.W.data.tolist() == layer.W.data.tolist()


def test_pickles_name_no_compiled_module():
    """So that classes can move between modules: only the module that reads graphs, and names that classes are registered by."""
    import dezero_c.functions as F
    import dezero_c.layers as L
    from dezero_c import Parameter, Variable, core_simple

    x = Variable(np.ones((1, 2), np.float32))
    y = L.LSTM(3)(L.Linear(2)(F.max(F.sin(x)[:, :1], axis=1, keepdims=True)))
    for each in (y, y.creator, Parameter(np.ones(2)), core_simple.Variable(np.ones(2))):
        content = pickle.dumps(each)
        modules = {name for name in content.split(b"\x94") if b"dezero_c._" in name}
        assert all(b"dezero_c._copying" in name for name in modules), modules
        assert type(pickle.loads(content)) is type(each)


def test_a_pickled_graph_is_read_before_its_modules_are_imported():
    import dezero_c.layers as L

    y = L.LSTM(3)(np.ones((1, 2), np.float32))
    content = pickle.dumps(y)
    code = "import pickle, sys; y = pickle.loads(sys.stdin.buffer.read()); y.backward(); print(type(y.creator).__name__, y.shape)"
    done = subprocess.run([sys.executable, "-c", code], input=content, capture_output=True, check=True)
    assert done.stdout.decode().strip() == f"{type(y.creator).__name__} (1, 3)"


def test_a_pickle_of_a_class_that_is_not_here_says_so():
    import dezero_c.functions as F
    from dezero_c import Variable

    content = pickle.dumps(F.sin(Variable(np.ones(2)))).replace(b"dezero_c:Sin", b"dezero_c:Six")
    with pytest.raises(AttributeError, match=r"holds a Six, which dezero_c [0-9.]+ does not have"):
        pickle.loads(content)


def test_outputs_that_are_gone_keep_shape_and_dtype_in_copies():
    import dezero_c.functions as F
    from dezero_c import Variable

    x = Variable(np.array([[3.0, 1.0], [1.0, 2.0]]))
    for copied in (lambda v: v, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))):
        q, r = F.qr(x)
        del q
        y = copied(F.sum(r))
        y.backward()
        gx = y.creator.inputs[0].creator.inputs[0].grad.data
        q, r = F.qr(x)
        x.cleargrad()
        (F.sum(r) + 0 * F.sum(q)).backward()
        np.testing.assert_array_equal(gx, x.grad.data)
        x.cleargrad()


def stored():
    """What tests/pickles.txt holds: `python -c "import test_interpreter as t; t.write()"` in tests/ adds this version's."""
    import dezero_c.functions as F
    import dezero_c.layers as L
    from dezero_c import Variable

    x, w = Variable(np.array([0.5, 1.0]), "x"), Variable(np.array([2.0, 3.0]), "w")
    y = F.sum(F.sin(x) * w)
    y.backward()
    layer = L.Linear(2, in_size=1, dtype=np.float64)
    layer.W.data, layer.b.data = np.array([[0.0, 1.0]]), np.array([3.0, 3.0])
    return y, layer


def blank_model():
    from dezero_c import optimizers
    from dezero_c.models import MLP

    model = MLP((2, 1))
    model(np.zeros((1, 3), np.float32))
    return model, optimizers.Adam(0.01).setup(model)


def trained_model():
    """What tests/weights.txt holds: weights that no random number had a part in after two steps, and Adam's state."""
    model, optimizer = blank_model()
    for k, p in enumerate(model.params()):
        p.data = (np.arange(p.size, dtype=np.float32).reshape(p.shape) + k) / 8
    for k in (1, 2):
        for p in model.params():
            p.grad = dezero_c.Variable(np.full(p.shape, 0.5 * k, np.float32))
        optimizer.update()
    return model, optimizer


def write():
    python = ".".join(map(str, sys.version_info[:2]))
    numpy = ".".join(np.__version__.split(".")[:2])
    with PICKLES.open("a", encoding="ascii") as file:
        for protocol in (2, 5):
            content = base64.b64encode(pickle.dumps(stored(), protocol)).decode()
            file.write(f"{dezero_c.__version__}-python{python}-numpy{numpy}-protocol{protocol} {content}\n")
    model, optimizer = trained_model()
    with tempfile.TemporaryDirectory() as folder, FILES.open("a", encoding="ascii") as file:
        for ending in (".npz", ".safetensors", ".adam.npz"):
            path = pathlib.Path(folder) / f"file{ending}"
            if ending == ".adam.npz":
                np.savez(path, **optimizer.state_dict())
            else:
                model.save_weights(path)
            file.write(f"{dezero_c.__version__}:{ending} {base64.b64encode(path.read_bytes()).decode()}\n")
