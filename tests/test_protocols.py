"""NumPy's functions on Variables: each gives what the function of dezero_c.functions gives, with its graph, or says
that it has no gradient. Ufuncs as operators are in test_operators.py.
"""

import inspect

import numpy as np
import pytest
from records import RECORDS, of_numpy

import dezero_c.functions as F
from dezero_c import Variable, _numpy_functions, no_grad

RNG = np.random.default_rng(4)
A, B = RNG.uniform(0.5, 2.0, (3, 3)), RNG.uniform(0.5, 2.0, (3, 3))
SYMMETRIC = A @ A.T + np.eye(3)

# name: a call with every array replaced by what it is given; all return one array
CALLS = {
    "sum": (lambda v: np.sum(v, axis=0), A),
    "sum keepdims": (lambda v: np.sum(v, axis=(0, 1), keepdims=True), A),
    "mean": (lambda v: np.mean(v, 1), A),
    "average": (lambda v: np.average(v, axis=1), A),
    "average weights": (lambda v: np.average(v, axis=0, weights=B), A),
    "average weights along an axis": (lambda v: np.average(v, axis=1, weights=[1.0, 2.0, 0.5]), A),
    "average weights along axes": (lambda v: np.average(v, axis=(1, 0), weights=B), A),
    "average returned": (lambda v: np.average(v, weights=v * v, returned=True)[0], A),
    "sum by position": (lambda v: np.sum(v, 0, None), A),
    "sum dtype": (lambda v: np.sum(v, dtype=np.float64), A),
    "std correction": (lambda v: np.std(v, axis=0, correction=1), A),
    "ptp": (lambda v: np.ptp(v, axis=0), A),
    "prod": (lambda v: np.prod(v, axis=0), A),
    "max": (lambda v: np.max(v, axis=0), A),
    "amax": (lambda v: np.amax(v), A),
    "min": (lambda v: np.min(v, axis=1, keepdims=True), A),
    "amin": (lambda v: np.amin(v), A),
    "var": (lambda v: np.var(v, ddof=1), A),
    "std": (lambda v: np.std(v, axis=0), A),
    "cumsum": (lambda v: np.cumsum(v, axis=1), A),
    "sort": (lambda v: np.sort(v, axis=0), A),
    "median": (lambda v: np.median(v, axis=1), A),
    "quantile": (lambda v: np.quantile(v, [0.2, 0.7], axis=0), A),
    "percentile": (lambda v: np.percentile(v, 37, axis=0, keepdims=True), A),
    "interp": (lambda v: np.interp(v, [0.0, 1.0, 3.0], [1.0, -1.0, 2.0]), A),
    "interp points": (lambda v: np.interp(A, [0.0, 1.0, 3.0], v), A[0]),
    "cumprod": (lambda v: np.cumprod(v, 0), A),
    "diff": (lambda v: np.diff(v, axis=0, prepend=1.0), A),
    "add.reduce": (lambda v: np.add.reduce(v), A),
    "maximum.reduce": (lambda v: np.maximum.reduce(v, axis=1), A),
    "reshape": (lambda v: np.reshape(v, (9, 1)), A),
    "reshape order": (lambda v: np.reshape(v, (2, -1), order="F"), A[:2]),
    "ravel": (lambda v: np.ravel(v), A),
    "rollaxis": (lambda v: np.rollaxis(v, 2, 1), RNG.normal(size=(2, 3, 4))),
    "rollaxis to the front": (lambda v: np.rollaxis(v, -1), RNG.normal(size=(2, 3, 4))),
    "broadcast_arrays": (lambda v: np.broadcast_arrays(A, v)[1], A[0]),
    "meshgrid": (lambda v: np.meshgrid(v, B[0], v)[2], A[0]),
    "meshgrid ij": (lambda v: np.meshgrid(v, B[0], indexing="ij")[0], A[0]),
    "meshgrid sparse": (lambda v: np.meshgrid(B[0], v, sparse=True)[1], A[0]),
    "atleast_3d": (lambda v: np.atleast_3d(v), A),
    "column_stack": (lambda v: np.column_stack([v, B[0], A]), A[0]),
    "append": (lambda v: np.append(v, [[1.0, 2.0, 3.0]], axis=0), A),
    "append flat": (lambda v: np.append(v, 3.0), A),
    "concatenate flat": (lambda v: np.concatenate([v, B[0]], axis=None), A),
    "copy": (lambda v: np.copy(v), A),
    "array_split": (lambda v: np.array_split(v, 2, axis=1)[0], A),
    "array_split at": (lambda v: np.array_split(v, [1])[1], A),
    "vsplit": (lambda v: np.vsplit(v, 3)[1], A),
    "hsplit": (lambda v: np.hsplit(v, [1, 2])[1], A),
    "hsplit 1-D": (lambda v: np.hsplit(v, 3)[2], A[0]),
    "dsplit": (lambda v: np.dsplit(v, 2)[1], RNG.normal(size=(2, 3, 4))),
    "fliplr": (lambda v: np.fliplr(v), A),
    "flipud": (lambda v: np.flipud(v), A),
    **{f"rot90 {k}": (lambda v, k=k: np.rot90(v, k), A[:2]) for k in range(-1, 4)},
    "rot90 axes": (lambda v: np.rot90(v, 1, (2, 0)), RNG.normal(size=(2, 3, 4))),
    "take_along_axis": (lambda v: np.take_along_axis(v, np.array([[0], [2], [2]]), axis=1), A),
    "take_along_axis flat": (lambda v: np.take_along_axis(v, np.array([0, 8, 8]), axis=None), A),
    "transpose": (lambda v: np.transpose(v), A),
    "matrix_transpose": (lambda v: np.matrix_transpose(v), A),
    "swapaxes": (lambda v: np.swapaxes(v, 0, 1), A),
    "moveaxis": (lambda v: np.moveaxis(v, 0, -1), A),
    "expand_dims": (lambda v: np.expand_dims(v, 1), A),
    "squeeze": (lambda v: np.squeeze(v), A[:, :1]),
    "broadcast_to": (lambda v: np.broadcast_to(v, (2, 3, 3)), A),
    "atleast_1d": (lambda v: np.atleast_1d(v), np.array(2.0)),
    "atleast_2d": (lambda v: np.atleast_2d(v), A[0]),
    "concatenate": (lambda v: np.concatenate([v, B, v], axis=1), A),
    "stack": (lambda v: np.stack([B, v], axis=-1), A),
    "vstack": (lambda v: np.vstack([v, B[0]]), A),
    "hstack": (lambda v: np.hstack([v, B[0]]), A[0]),
    "hstack 2-D": (lambda v: np.hstack((v, B)), A),
    "dstack": (lambda v: np.dstack([v, B]), A),
    "split": (lambda v: np.split(v, 3)[1], A),
    "real": (lambda v: np.real(np.conjugate(v * v)) + np.imag(v), A),
    "pad": (lambda v: np.pad(v, 1), A),
    "pad constant": (lambda v: np.pad(v, ((0, 1), (2, 0)), mode="constant", constant_values=3.0), A),
    "repeat": (lambda v: np.repeat(v, 2, axis=0), A),
    "tile": (lambda v: np.tile(v, (2, 1)), A),
    "flip": (lambda v: np.flip(v, 0), A),
    "roll": (lambda v: np.roll(v, 1, axis=1), A),
    "take": (lambda v: np.take(v, [0, 2, 0], axis=1), A),
    "diagonal": (lambda v: np.diagonal(v), A),
    "diagonal of a stack": (lambda v: np.diagonal(v, 1, 0, 2), RNG.normal(size=(3, 2, 4))),
    "trace": (lambda v: np.trace(v), A),
    "where": (lambda v: np.where(A > 1, v, 0.0), B),
    "clip": (lambda v: np.clip(v, 0.7, 1.5), A),
    "clip from below": (lambda v: np.clip(v, 0.7, None), A),
    "clip by name": (lambda v: np.clip(v, a_max=1.5, a_min=None), A),
    "nan_to_num": (lambda v: np.nan_to_num(v, nan=1.0), A),
    "round": (lambda v: np.round(v, 1), A),
    "around": (lambda v: np.around(v, decimals=-1), 10 * A),
    "dot": (lambda v: np.dot(v, B), A),
    "dot from the right": (lambda v: np.dot(B, v), A),
    "matmul": (lambda v: np.matmul(v, B), A),
    "inner": (lambda v: np.inner(v, B), A),
    "inner with a number": (lambda v: np.inner(v, 2.0), A),
    "vecdot": (lambda v: np.vecdot(v, B), A),
    "vdot": (lambda v: np.vdot(v, B), A),
    "outer": (lambda v: np.outer(v, B[0]), A[0]),
    "tensordot": (lambda v: np.tensordot(v, B, axes=1), A),
    "einsum": (lambda v: np.einsum("ij,kj->ik", v, B), A),
    "einsum lists": (lambda v: np.einsum(v, [0, 1], B, [2, 1], [2, 0]), A),
    "einsum lists without a result": (lambda v: np.einsum(v, [0, 1], B, [1, 2]), A),
    "einsum lists with dots": (lambda v: np.einsum(v, [..., 1], B[0], [1], [...]), A),
    "matmul of linalg": (lambda v: np.linalg.matmul(v, B), A),
    "matrix_transpose of linalg": (lambda v: np.linalg.matrix_transpose(v), A),
    "tensordot of linalg": (lambda v: np.linalg.tensordot(v, B, axes=1), A),
    "outer of linalg": (lambda v: np.linalg.outer(v, B[0]), A[0]),
    "vecdot of linalg": (lambda v: np.linalg.vecdot(v, B, axis=0), A),
    "multi_dot": (lambda v: np.linalg.multi_dot([B[0], v, B, v, A]), A),
    "multi_dot of unlike ones": (lambda v: np.linalg.multi_dot([v, v.T, v, B[0]]), A[:2]),
    "diagonal of linalg": (lambda v: np.linalg.diagonal(v, offset=1), RNG.normal(size=(2, 3, 4))),
    "trace of linalg": (lambda v: np.linalg.trace(v, offset=-1), RNG.normal(size=(2, 3, 4))),
    "vector_norm": (lambda v: np.linalg.vector_norm(v), A),
    "vector_norm axes": (lambda v: np.linalg.vector_norm(v, axis=(2, 0), keepdims=True, ord=3), RNG.normal(size=(2, 3, 4))),
    "matrix_norm": (lambda v: np.linalg.matrix_norm(v, ord=1, keepdims=True), A),
    "norm": (lambda v: np.linalg.norm(v), A),
    "norm axis": (lambda v: np.linalg.norm(v, axis=1), A),
    "inv": (lambda v: np.linalg.inv(v), SYMMETRIC),
    "solve": (lambda v: np.linalg.solve(v, B), SYMMETRIC),
    "det": (lambda v: np.linalg.det(v), SYMMETRIC),
    "slogdet": (lambda v: np.linalg.slogdet(v).logabsdet, SYMMETRIC),
    "cholesky": (lambda v: np.linalg.cholesky(v), SYMMETRIC),
    "fft": (lambda v: np.real(np.fft.fft(v, axis=0)), A),
    "ifft": (lambda v: np.imag(np.fft.ifft(v, 4)), A),
    "rfft": (lambda v: np.fft.irfft(np.fft.rfft(v) * 2j, 5), A),
    "eigvalsh": (lambda v: np.linalg.eigvalsh(v), SYMMETRIC),
    "matrix_power": (lambda v: np.linalg.matrix_power(v, 3), A),
    "matrix_norm nuc": (lambda v: np.linalg.matrix_norm(v, ord="nuc"), A),
    "qr": (lambda v: np.linalg.qr(v)[0], A),
    "svd": (lambda v: np.linalg.svd(v)[1], A),
    "svd thin": (lambda v: np.linalg.svd(v, full_matrices=False)[2] ** 2, A[:2]),
    "svdvals": (lambda v: np.linalg.svdvals(v), A),
    "pinv": (lambda v: np.linalg.pinv(v), A[:2]),
    "lstsq": (lambda v: np.linalg.lstsq(v, B)[0], A),
    "cross": (lambda v: np.cross(v, B) + np.linalg.cross(v, B, axis=0), A),
    "kron": (lambda v: np.kron(v, B), A),
    "diag": (lambda v: np.diag(v, 1), A),
    "tril": (lambda v: np.tril(v) - np.triu(v, 1), A),
    "eigh": (lambda v: np.linalg.eigh(v).eigenvalues, SYMMETRIC),
}
if hasattr(np, "unstack"):
    CALLS |= {"unstack": (lambda v: np.unstack(v, axis=1)[2], A), "cumulative_sum": (lambda v: np.cumulative_sum(v, axis=0), A)}


@pytest.mark.parametrize("name", CALLS)
def test_value_is_numpys_and_the_graph_is_recorded(name):
    call, a = CALLS[name]
    v = Variable(a)
    y = call(v)
    assert isinstance(y, Variable)
    want = call(a)
    assert y.shape == np.shape(want)
    assert np.allclose(y.data, want, rtol=1e-12)
    assert y.creator is not None
    w = RNG.normal(size=y.shape)
    F.sum(y * w).backward()
    h = RNG.normal(size=a.shape)
    if a is SYMMETRIC:
        h = h + h.T     # cholesky and eigh read one triangle
    numerical = np.sum((np.asarray(call(a + 1e-6 * h)) - np.asarray(call(a - 1e-6 * h))) * w) / 2e-6
    assert np.isclose(np.sum(v.grad.data * h), numerical, rtol=1e-5, atol=1e-7)


def test_each_function_of_the_table_has_a_call():
    """Here, or in a record, whose reference test_functions.py calls with Variables."""
    source = "".join(inspect.getsource(call) for call, _ in CALLS.values())
    recorded = {f for record in RECORDS for case in record.cases for f in of_numpy(record, case)}
    missing = [f.__name__ for f in _numpy_functions.FUNCTIONS if f"{f.__name__}(" not in source and f not in recorded]
    assert not missing, f"not called with a Variable anywhere: {missing}; a record in tests/records.py does, or CALLS"


def test_float32_stays():
    v = Variable(A.astype(np.float32))
    for name in ("sum", "mean", "std", "prod", "concatenate", "where", "einsum", "dot"):
        call, _ = CALLS[name]
        if name in ("concatenate", "einsum", "dot"):
            continue    # their other operand is float64
        assert call(v).dtype == np.float32, name


@pytest.mark.parametrize("call", [
    lambda v: np.shape(v), lambda v: np.ndim(v), lambda v: np.size(v), lambda v: np.argmax(v, axis=0),
    lambda v: np.argsort(v), lambda v: np.nonzero(v), lambda v: np.any(v > 1), lambda v: np.allclose(v, v),
    lambda v: np.isclose(v, 1.0), lambda v: np.array_equal(v, v), lambda v: np.zeros_like(v), lambda v: np.ones_like(v),
    lambda v: np.full_like(v, 3.0), lambda v: np.where(v), lambda v: np.array_str(v), lambda v: np.result_type(v, v),
    lambda v: np.count_nonzero(v), lambda v: np.searchsorted(np.arange(4.0), v), lambda v: np.isin(v, [1.0]),
])
def test_what_has_no_gradient_by_nature_runs_on_the_data(call):
    got, want = call(Variable(A)), call(A)
    assert type(got) is type(want)
    assert all(np.array_equal(g, w) for g, w in zip(np.atleast_1d(got), np.atleast_1d(want), strict=True))


@pytest.mark.parametrize(("call", "name"), [
    (lambda v: np.unwrap(v), "np.unwrap"), (lambda v: np.linalg.eig(v), "np.linalg.eig"),
    (lambda v: np.partition(v, 1), "np.partition"),
    (lambda v: np.fft.hfft(v), "np.fft.hfft"), (lambda v: np.nanpercentile(v, 3), "np.nanpercentile"),
])
def test_what_has_no_gradient_here_says_so(call, name):
    with pytest.raises(TypeError, match=rf"{name}.* no gradient here.*v\.data"):
        call(Variable(A))


@pytest.mark.parametrize("name", [
    "arctan2", "hypot", "logaddexp", "log2", "log10", "exp2", "cbrt", "reciprocal", "arcsinh", "arccosh", "arctanh", "floor",
    "ceil", "rint", "trunc", "remainder", "floor_divide",
])
def test_ufuncs_give_the_graph(name):
    """On a Variable beside an array, on either side, and of integers."""
    ufunc, f = getattr(np, name), getattr(F, name)
    a, b = 1.0 + A, 3.0 + B
    a = a / 4 if name == "arctanh" else a
    calls = [(Variable(a), b), (a, Variable(b)), (Variable(a), 2.5), (2.5, Variable(b))] if ufunc.nin == 2 else [(Variable(a),)]
    for xs in calls:
        y = ufunc(*xs)
        assert type(y) is Variable
        assert type(y.creator) is type(f(*xs).creator)
        assert np.array_equal(y.data, ufunc(*[x.data if isinstance(x, Variable) else x for x in xs]))
        y.backward()
        assert all(x.grad.shape == (3, 3) for x in xs if isinstance(x, Variable))
    if name != "arctanh":
        whole = [np.array([2, 5, 7]), np.array([3, 2, 7])][:ufunc.nin]
        y = ufunc(*[Variable(x) for x in whole])
        want = ufunc(*[x * 1.0 for x in whole]) if name == "reciprocal" else ufunc(*whole)
        assert y.dtype == want.dtype
        assert np.array_equal(y.data, want)


def test_ufuncs_of_others_are_sent_to_functions_that_exist():
    """They have a name, and no module to be found in."""
    special = pytest.importorskip("scipy.special")
    for name, ours in (("expit", "sigmoid"), ("psi", "digamma"), ("gammaln", "gammaln"), ("erf", "erf"), ("ndtr", "ndtr"),
                       ("jv", None)):
        ufunc = getattr(special, name)
        with pytest.raises(TypeError) as info:
            ufunc(*[Variable(A)] * ufunc.nin)
        words = str(info.value)
        assert "np." not in words
        assert f"take {ours or 'a function'} of dezero_c.functions, or {name}(v.data)" in words
        assert ours is None or hasattr(F, ours)
    with pytest.raises(TypeError, match=r"^np\.fmod has no gradient here; take a function of .*np\.fmod\(v\.data\)"):
        np.fmod(Variable(A), 2.0)


def test_nan_to_num_changes_nothing_in_place():
    with pytest.raises(TypeError, match="copy=False"):
        np.nan_to_num(Variable(A), copy=False)


def test_parameters_that_have_no_gradient_are_named():
    v = Variable(A)
    with pytest.raises(TypeError, match=r"np\.sum: .*initial.*axis"):
        np.sum(v, initial=3.0)
    with pytest.raises(TypeError, match=r"np\.mean: .*where"):
        np.mean(v, where=A > 1)
    out = np.zeros(3)
    with pytest.raises(TypeError, match=r"np\.sum: .*out"):
        np.sum(v, axis=0, out=out)
    assert not out.any()
    with pytest.raises(ValueError, match="pad"):
        np.pad(v, 1, mode="linear_ramp")
    with pytest.raises(ValueError, match=r"np\.average: weights of shape \(2,\)"):
        np.average(v, axis=0, weights=np.ones(2))
    with pytest.raises(ZeroDivisionError, match=r"np\.average"):
        np.average(v, axis=0, weights=np.zeros(3))


def test_out_of_none_is_no_argument():
    assert np.sum(Variable(A), axis=0, out=None).shape == (3,)


def test_saving_and_printing(tmp_path):
    v = Variable(A)
    np.save(tmp_path / "a.npy", v)
    assert np.array_equal(np.load(tmp_path / "a.npy"), A)
    np.savez(tmp_path / "a.npz", v=v)
    assert np.array_equal(np.load(tmp_path / "a.npz")["v"], A)
    np.testing.assert_allclose(v, A)
    np.testing.assert_array_equal(v, A)


def test_another_class_with_the_protocol_gets_its_turn():
    class Other:
        def __array_function__(self, function, types, args, kwargs):
            return "other"

    assert np.concatenate([Variable(A), Other()]) == "other"


def test_copyto_changes_the_target():
    target = np.zeros((3, 3))
    np.copyto(target, Variable(A))
    assert np.array_equal(target, A)


# ---- where a graph would be lost ---------------------------------------------------------------------------------------

def test_a_variable_assigned_to_elements_of_an_array_is_an_error():
    x, a = Variable(np.array(2.0)), np.zeros(3)
    with pytest.raises((TypeError, ValueError)) as info:    # NumPy puts its own in front for one element
        a[1] = x ** 2
    assert "stack" in str(info.value.__cause__ or info.value)
    for index, value in ((slice(0, 2), F.stack([x, x])), (slice(None), x), (slice(0, 2), [x, x])):
        with pytest.raises(TypeError, match=r"stack, concatenate, where or set_at .* assign x\.data"):
            a[index] = value
    with pytest.raises((TypeError, ValueError)):
        np.zeros(3, int)[0] = x
    assert not a.any()
    a[1] = x.data
    a[2] = float(x)     # a number that was asked for
    counts = {}
    counts[float(x)] = int(x)
    with no_grad():
        a[0] = x
    assert a.tolist() == [2, 2, 2]


def test_r_and_c_of_variables_are_errors():
    x = Variable(np.array([1.0, 2.0]))
    for make in (np.r_, np.c_):
        with pytest.raises(TypeError, match="concatenate, hstack or stack"):
            make[x, x]
    np.testing.assert_array_equal(np.r_[x.data, 3.0], [1, 2, 3])


def rows(x):
    return [x ** 2, x]


@pytest.mark.skipif(np.lib.NumpyVersion(np.__version__) < "2.1.0", reason="np.array passes no copy on")
@pytest.mark.parametrize("make", [
    lambda x: np.array([x, x]), lambda x: np.array([x ** i for i in range(3)], dtype=np.float32),
    lambda x: np.array(rows(x)), lambda x: np.array((x,), "d"), lambda x: np.array([[x], [x.data]]),
    lambda x: np.array([x[0], x[1]], dtype=float),
    lambda x: x * np
    .array([
        x, 2 * x,
    ]),
], ids=range(7))
def test_array_of_a_list_of_variables_is_an_error(make):
    x = Variable(np.array([1.0, 2.0]))
    with pytest.raises(TypeError, match=r"np\.array of a list of Variables loses their graph: take stack"):
        make(x)
    with no_grad():
        make(x)


@pytest.mark.parametrize("make", [
    lambda x: np.asarray([x, x]), lambda x: np.asarray(rows(x), dtype=np.float32), lambda x: np.asanyarray((x,)),
    lambda x: np.ascontiguousarray([[x], [x.data]]), lambda x: np.asarray([x[0], x[1]], float),
    lambda x: np.array(rows(x), copy=None),
], ids=range(6))
def test_asarray_of_a_list_of_variables_warns(make):
    x = Variable(np.array([1.0, 2.0]))
    with pytest.warns(UserWarning, match="array of a list of Variables loses their graph: take stack") as caught:
        make(x)
    assert caught[0].filename == __file__
    with no_grad():
        make(x)


def test_arrays_of_variables_and_of_their_data_are_numbers():
    """Each of these is what a program asks for, and says nothing."""
    x, one = Variable(np.array([1.0, 2.0])), Variable(np.array(3.0))
    whole = Variable(np.array([1, 2]))
    for a in (np.array(x), np.asarray(x), np.asarray(rows(x)[1]), np.array(x, dtype=np.float32), np.asarray(x, np.float32),
              np.array(x, copy=None), np.array([x.data, x.data])[0], np.array(x, ndmin=2)[0], np.asanyarray(x),
              np.require(x, float), np.ascontiguousarray(x), np.array([whole, whole])[0], list(map(np.asarray, [x, x]))[1],
              np.array([float(v) for v in x])):
        assert type(a) is np.ndarray
        np.testing.assert_array_equal(a, [1, 2])
    assert [np.asarray(v * 1).tolist() for v in (x, x)] == [[1, 2]] * 2
    for v in (x, x + 0):
        np.asarray(v)
    assert np.asarray(one, dtype=float) == np.array(one, float) == 3
    np.testing.assert_array_equal([x, x], [x.data, x.data])
    held = np.asarray(x)
    del x
    assert held.tolist() == [1, 2]
    assert np.random.default_rng(0).choice(2, p=F.softmax(Variable(np.zeros(2)), axis=0)) in (0, 1)


@pytest.mark.parametrize("make", [
    lambda x: F.sum(x * np.array([x ** i for i in range(3)])), lambda x: np.sum([x ** (i + 1) for i in range(3)]),
    lambda x: F.sum([x, x ** 2, x ** 3]), lambda x: 3 * F.mean([x, x ** 2, x ** 3]),
    lambda x: F.sum(x * [x ** 0, x]) + F.sum([[x ** 3]]), lambda x: np.dot(np.array([x, x]), [x * 0 + 1, x]) + x ** 3,
], ids=range(6))
def test_arrays_and_lists_of_variables_keep_the_graph(make):
    """x + x^2 + x^3: 17 at 2, and 14 by the second time."""
    x = Variable(np.array(2.0))
    make(x).backward(create_graph=True)
    g = x.grad
    assert g.data == 17
    x.cleargrad()
    g.backward()
    assert x.grad.data == 14


def test_means_of_lists_are_errors():
    """NumPy would make a number of the Variable that is their sum."""
    x = Variable(np.array(2.0))
    for function in (np.mean, np.var, np.std):
        with pytest.raises(TypeError, match=rf"np\.{'mean' if function is np.mean else 'var'} of a list .*stack"):
            function([x, x ** 2])


def test_variables_are_compared_with_arrays_and_numbers_by_value():
    x = Variable(np.array([0.0, 1.0, 2.0]))
    with np.errstate(invalid="ignore"):
        y = np.where(x == 0, 1.0, np.sin(x) / x)
    np.testing.assert_allclose(y.data, [1, np.sin(1), np.sin(2) / 2])
    assert np.isclose(np.mean(np.array([0, 1, 1]) == x), 2 / 3)
    assert np.isclose(np.mean(x == np.array([0, 1, 1])), 2 / 3)
    assert (np.int64(2) != x).tolist() == [True, True, False]
    assert (Variable(np.array(2.0)) == 2) is np.True_


def test_freeing_a_graph_keeps_the_exception_that_is_on_its_way():
    x = F.exp(Variable(np.linspace(0, 1, 5)))

    def results():
        yield F.stack([x[0]] * 5)
        raise KeyError("mine")
    with pytest.raises(KeyError, match="mine"):
        tuple(results())


PLOTS = {
    "plot": lambda plt, v, A: plt.plot(v, v), "bar": lambda plt, v, A: plt.bar(v, v), "barh": lambda plt, v, A: plt.barh(v, v),
    "hist": lambda plt, v, A: plt.hist(v), "hist2d": lambda plt, v, A: plt.hist2d(v, v),
    "stackplot": lambda plt, v, A: plt.stackplot(v, v, v), "quiver": lambda plt, v, A: plt.quiver(v, v, v, v),
    "contour": lambda plt, v, A: plt.contour(v, v, A), "imshow": lambda plt, v, A: plt.imshow(A),
    "losses": lambda plt, v, A: plt.plot([v[0], v[1]]), "boxplot": lambda plt, v, A: plt.boxplot(A),
    "plot 3d": lambda plt, v, A: plt.figure().add_subplot(projection="3d").plot(v, v, v),
    "surface": lambda plt, v, A: plt.figure().add_subplot(projection="3d").plot_surface(*np.meshgrid(v, v), A),
    "bar3d": lambda plt, v, A: plt.figure().add_subplot(projection="3d").bar3d(v, v, v, v, v, v),
    "quiver 3d": lambda plt, v, A: plt.figure().add_subplot(projection="3d").quiver(v, v, v, v, v, v),
}


@pytest.mark.parametrize("name", PLOTS)
def test_matplotlib_draws_variables(name):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    v = F.exp(Variable(np.linspace(0, 1, 5)))
    PLOTS[name](plt, v, F.reshape(F.stack([v] * 5), (5, 5)))
    plt.gcf().canvas.draw()
    plt.close("all")
