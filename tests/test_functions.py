"""Every function that is not in the elementwise table, from its record in tests/records.py: a function without these
tests cannot exist.

Forward against the NumPy reference; finite differences at orders 1 to 3 in both ways backwards; dtypes; arrays with no
elements, no axes and odd strides; errors; and the names and parameters that DeZero has.
"""

import ast
import inspect
import pathlib
import pickle

import numpy as np
import pytest
from optable import TABLE
from records import ARRAYS, FC, RECORDS, of_numpy

import dezero_c.functions as F
from dezero_c import Variable, using_config, utils

HERE = pathlib.Path(__file__).parent
PRESENT = [r for r in RECORDS if hasattr(r.module, r.name)]      # what is not: test_every_record_has_its_function
CASES = [(r, c) for r in PRESENT for c in r.cases]
ARRAY_NAMES = {r.name for r in ARRAYS}
HELPERS = {"get_conv_outsize", "get_deconv_outsize", "pair"}     # sizes, tested in test_utils.py


def each(pairs):
    return pytest.mark.parametrize(("record", "case"), pairs, ids=[f"{r.name}-{c.label}" for r, c in pairs])


def each_shape(attribute):
    rows = [(r, c, shapes) for r, c in CASES for shapes in getattr(c, attribute)]
    return pytest.mark.parametrize(("record", "case", "shapes"), rows,
                                   ids=[f"{r.name}-{c.label}-{s}" for r, c, s in rows])


cases = each(CASES)
differentiable = each([(r, c) for r, c in CASES if r.order])
takes_half = each([(r, c) for r, c in CASES if r.half is not None and r.name not in ARRAY_NAMES])
takes_integers = each([(r, c) for r, c in CASES if r.integers is not None])


def points(record, case, dtype=np.float64, shapes=None, seed=0):
    """Inputs in the record's domain, an array for each argument."""
    rng = np.random.default_rng(seed)
    shapes = case.shapes if shapes is None else shapes
    how = record.points if case.points is None else case.points
    if how == "apart":
        xs = [(rng.permutation(int(np.prod(s))) * 0.1 - 0.3 + 0.01 * k).reshape(s) for k, s in enumerate(shapes)]
    elif callable(how):
        xs = how(rng, shapes)
    else:
        xs = [rng.uniform(*how, s) for s in shapes]
    if np.dtype(dtype).kind in "iu":
        xs = [np.rint(np.asarray(x) * (10 if how == "apart" else 3)) for x in xs]
    return [np.asarray(x, dtype) for x in xs]


def as_list(ys):
    return list(ys) if isinstance(ys, (tuple, list)) else [ys]


def called(record, case, xs):
    """The inputs as Variables (ndarrays for a function of ndarrays), and the outputs in a list."""
    vs = xs if record.name in ARRAY_NAMES else [Variable(x) for x in xs]
    return vs, as_list(case.call(*vs))


def expected(case, xs):
    return [np.asarray(y) for y in as_list(case.reference(*xs))]


def data(y):
    return y.data if isinstance(y, Variable) else y


def weighted(ys, seed=1):
    """A scalar whose gradient gives every output element another weight; None where no output has a gradient."""
    rng, total = np.random.default_rng(seed), None
    for y in ys:
        if y.dtype.kind == "f":
            term = F.sum(y * rng.uniform(0.5, 1.5, y.shape).astype(y.dtype))
            total = term if total is None else total + term
    return total


def gradients(record, case, xs, create_graph=False):
    vs, ys = called(record, case, xs)
    weighted(ys).backward(create_graph=create_graph)
    return [v.grad for v in vs]


def assert_near(actual, wanted, rtol, shape_too=True):
    actual, wanted = np.asarray(actual), np.asarray(wanted)
    if shape_too:
        assert actual.shape == wanted.shape
    finite = np.abs(wanted[np.isfinite(wanted)]) if wanted.dtype.kind == "f" else np.abs(wanted)
    scale = float(finite.max()) if finite.size else 0.0
    np.testing.assert_allclose(actual.astype(np.float64), wanted.astype(np.float64), rtol=rtol, atol=rtol * scale)


# ---- what a record says --------------------------------------------------------------------------------------------

@cases
def test_forward_is_the_references(record, case):
    xs = points(record, case)
    _, ys = called(record, case, xs)
    wanted = expected(case, xs)
    assert len(ys) == len(wanted)
    for y, w in zip(ys, wanted, strict=True):
        assert isinstance(data(y), np.ndarray)
        assert y.dtype == w.dtype
        assert_near(data(y), w, 1e-12)


@differentiable
def test_finite_differences(record, case):
    """Orders 1 to record.order; the lower ones through create_graph as well."""
    xs = tuple(points(record, case))
    assert utils.gradient_check(lambda *vs: case.call(*vs), xs, order=record.order, rtol=record.rtol)


@differentiable
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_both_ways_backwards_agree_and_change_nothing(record, case, dtype):
    xs = points(record, case, dtype)
    copies = [x.copy() for x in xs]
    fused, rule = (gradients(record, case, xs, create_graph) for create_graph in (False, True))
    for x, copy in zip(xs, copies, strict=True):
        np.testing.assert_array_equal(x, copy)
    for x, f, g in zip(xs, fused, rule, strict=True):
        assert f.shape == g.shape == x.shape
        assert f.dtype == g.dtype == dtype
        assert_near(f.data, g.data, 2e-4 if dtype == np.float32 else 1e-11)


@cases
def test_float32_stays_float32(record, case):
    xs = points(record, case, np.float32)
    _, ys = called(record, case, xs)
    for y, w, same in zip(ys, expected(case, [x.astype(np.float64) for x in xs]), expected(case, xs), strict=True):
        assert y.dtype == (np.float32 if record.order else same.dtype)
        assert_near(data(y), w, 5e-5)


@takes_half
def test_float16(record, case):
    """float16 stays float16, gradients too, or is refused with words."""
    xs = points(record, case, np.float16)
    if record.half != "same":
        with pytest.raises(record.half, match=rf"{record.name}.*float16"):
            called(record, case, xs)
        return
    vs, ys = called(record, case, xs)
    for y, w in zip(ys, expected(case, [x.astype(np.float64) for x in xs]), strict=True):
        assert y.dtype == np.float16 or not record.order
        assert_near(y.data, w, 2e-2)
    if record.order:
        weighted(ys).backward()
        for v in vs:
            assert v.grad.dtype == np.float16
            assert v.grad.shape == v.shape


@takes_integers
def test_integers(record, case):
    xs = points(record, case, np.int64)
    vs, ys = called(record, case, xs)
    for y, w in zip(ys, expected(case, xs), strict=True):
        assert y.dtype == w.dtype
        assert y.dtype.kind == ("f" if record.integers == "float" else "i")
        assert_near(data(y), w, 1e-12)
    if record.order:
        ys[0].backward()
        for v in vs:
            assert v.grad.shape == v.shape
            if record.integers == "same":
                assert v.grad.dtype == np.int64


def layouts(a):
    """The same values in other memory."""
    wide = np.zeros([2 * n for n in a.shape], a.dtype)
    every_other = (slice(None, None, 2),) * a.ndim
    wide[every_other] = a
    back = (slice(None, None, -1),) * a.ndim
    locked = a.copy()
    locked.flags.writeable = False
    return {"fortran": np.asfortranarray(a), "reversed": a[back].copy()[back], "strided": wide[every_other],
            "read_only": locked, "byte_order": a.astype(a.dtype.newbyteorder())}


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_memory_layout_does_not_matter(record, case, dtype):
    xs = points(record, case, dtype)
    rtol = 2e-4 if dtype == np.float32 else 1e-11
    wanted = [data(y) for y in called(record, case, xs)[1]]
    wanted_grads = gradients(record, case, xs) if record.order else []
    for layout in layouts(np.zeros(1)):
        other = [layouts(x)[layout] for x in xs]
        for y, w in zip(called(record, case, other)[1], wanted, strict=True):
            assert_near(data(y), w, rtol)
        if record.order:
            for g, w in zip(gradients(record, case, other), wanted_grads, strict=True):
                assert_near(g.data, w.data, rtol)


@each_shape("empty")
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_no_elements(record, case, shapes, dtype):
    xs = points(record, case, dtype, shapes)
    vs, ys = called(record, case, xs)
    for y, w in zip(ys, expected(case, xs), strict=True):
        assert y.shape == w.shape
        assert y.dtype == w.dtype
        assert_near(data(y), w, 1e-4)
    if record.order:
        weighted(ys).backward()
        for v in vs:
            assert v.grad.shape == v.shape
            assert v.grad.dtype == dtype
        assert utils.gradient_check(lambda *a: case.call(*a), tuple(xs), order=2)


@each_shape("zero_d")
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_no_axes(record, case, shapes, dtype):
    xs = points(record, case, dtype, shapes)
    vs, ys = called(record, case, xs)
    for y, w in zip(ys, expected(case, xs), strict=True):
        assert isinstance(y.data, np.ndarray)
        assert y.dtype == w.dtype
        assert_near(y.data, w, 1e-5)
    if record.order:
        weighted(ys).backward()
        assert all(v.grad.shape == () and v.grad.dtype == dtype for v in vs)
        assert utils.gradient_check(lambda *a: case.call(*a), tuple(xs), order=2)


BAD = [(r, i) for r in PRESENT for i in range(len(r.bad))]


@pytest.mark.parametrize(("record", "i"), BAD, ids=[f"{r.name}-{i}" for r, i in BAD])
def test_errors_say_what_is_wrong(record, i):
    call, error, words = record.bad[i]
    with pytest.raises(error, match=words):
        call()


SPECIAL = [(r, i) for r in PRESENT for i in range(len(r.special))]


@pytest.mark.parametrize(("record", "i"), SPECIAL, ids=[f"{r.name}-{i}" for r, i in SPECIAL])
def test_special_values(record, i):
    call, wanted = record.special[i]
    np.testing.assert_allclose(call().data, wanted, rtol=1e-12)


@differentiable
def test_the_class_behind_gives_the_same_again(record, case):
    """`F.X(arguments)(x)`, from what the node says of itself."""
    _, ys = called(record, case, points(record, case))
    c = ys[0].creator
    if c is None:       # the function returned its input
        return
    with using_config("train", case.label != "test_mode"):
        again = as_list(type(c)(*c._arguments())(*[Variable(x.data) for x in c.inputs]))
    for y, other in zip([ref() for ref in c.outputs], again, strict=True):
        if y is not None:
            np.testing.assert_array_equal(other.data, y.data)


@differentiable
def test_graphs_can_be_pickled(record, case):
    vs, ys = called(record, case, points(record, case))
    s = weighted(ys)
    copies, copy = pickle.loads(pickle.dumps((vs, s)))
    s.backward()
    copy.backward()
    for v, c in zip(vs, copies, strict=True):
        np.testing.assert_array_equal(c.grad.data, v.grad.data)


@each([(r, c) for r, c in CASES if r.order and of_numpy(r, c)])
def test_numpys_function_does_the_same_on_variables(record, case):
    """Values, dtypes and gradients; what else it takes and refuses is in test_protocols.py."""
    xs = points(record, case)
    vs, ys = [Variable(x) for x in xs], called(record, case, xs)[1]
    ws = as_list(case.reference(*vs))
    for w, y in zip(ws, ys, strict=True):
        assert isinstance(w, Variable)
        assert w.dtype == y.dtype
        assert_near(w.data, y.data, 1e-12)
    weighted(ws).backward()
    pairs = [(x.grad.data, g.data) for x, g in zip(vs, gradients(record, case, xs), strict=True) if x.grad is not None]
    assert pairs        # not all: of some a reference takes float(x)
    for gx, g in pairs:
        assert_near(gx, g, 1e-12)


# ---- which functions there are -------------------------------------------------------------------------------------

def test_every_record_has_its_function():
    missing = [n for r in RECORDS for n in r.names if not hasattr(r.module, n) or n not in r.module._PUBLIC]
    assert not missing, f"recorded, but not public: {missing}"


def test_other_names_are_the_same_function():
    for r in PRESENT:
        assert len({id(getattr(r.module, n)) for n in r.names}) == 1


def test_every_public_function_has_a_record():
    recorded = {n for r in RECORDS for n in r.names} | {op["name"] for op in TABLE} | HELPERS
    names = [n for m in (F, FC) for n in m._PUBLIC if not isinstance(getattr(m, n), type)]
    missing = sorted(set(names) - recorded)
    assert not missing, f"public, but without a record in tests/records.py: {missing}"
    twice = [n for m in (F, FC) for n in m.__all__ if m.__all__.count(n) > 1]
    assert not twice


def test_every_public_name_has_a_docstring():
    assert not [n for m in (F, FC) for n in m._PUBLIC if not getattr(m, n).__doc__]


def names_of_dezero():
    """(module, name, [(parameter, default text or None)]) for each line of public_names.txt."""
    rows = []
    for line in (HERE / "public_names.txt").read_text().splitlines():
        if not line.startswith("#"):
            module, _, rest = line.partition(".")
            arguments = ast.parse(f"def {rest}: pass").body[0].args
            texts = [None] * (len(arguments.args) - len(arguments.defaults)) + arguments.defaults
            parameters = [(a.arg, t) for a, t in zip(arguments.args, texts, strict=True)]
            name = rest.partition("(")[0]
            rows.append(pytest.param(module, name, parameters, id=f"{module}.{name}"))
    return rows


@pytest.mark.parametrize(("module", "name", "wanted"), names_of_dezero())
def test_every_name_of_dezero_is_here_with_its_parameters(module, name, wanted):
    """The parameters lead, in order and with their defaults; more may follow, with defaults."""
    module = {"functions": F, "functions_conv": FC}[module]
    assert hasattr(module, name), f"{module.__name__}.{name} is missing"
    ours = list(inspect.signature(getattr(module, name)).parameters.values())
    assert [p.name for p in ours[:len(wanted)]] == [p for p, _ in wanted]
    for p, (_, default) in zip(ours, wanted, strict=False):
        if default is not None:
            assert p.default == ast.literal_eval(default)
    for p in ours[len(wanted):]:
        assert p.default is not inspect.Parameter.empty or p.kind is inspect.Parameter.VAR_POSITIONAL
