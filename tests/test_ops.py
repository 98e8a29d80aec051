"""Every elementwise operation, from the table that is compiled in: an operation without these tests cannot exist.

Forward against its NumPy expression (both dtypes, every layout, special values), evaluated by NumPy where that is exact and by
mpmath elsewhere (truth.py); the same bits in scalar, vector body and tail, and at every SIMD level; the fused backward kernel
against the graph rule; finite differences at orders 1 and 2; the general path for other dtypes.
"""

import functools
import math
import warnings

import numpy as np
import pytest
from truth import GAMMA, OPS, applied, assert_true

import dezero_c.functions as F
from dezero_c import Variable, _core

CASES = [(name, params) for name in OPS for params in OPS[name]["examples"]]
cases = pytest.mark.parametrize(("name", "params"), CASES, ids=[f"{n}{list(p) if p else ''}" for n, p in CASES])
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])


call = functools.partial(applied, F)


def libm(function):
    return lambda x: np.vectorize(function, otypes=[np.exp(np.zeros((), x.dtype)).dtype])(x)


def odd(name, v, n=0):
    """At poles and infinities, as C's lgamma and SciPy have it."""
    if name == "ndtr":
        return {-np.inf: 0.0, np.inf: 1.0}.get(v, np.nan)
    if name == "gammaln" and v == v:
        return np.inf
    if v == np.inf:
        return 0.0 if n else np.inf
    if v == 0:
        return np.inf if n % 2 else math.copysign(np.inf, -v)
    return np.inf if n % 2 and math.isfinite(v) else np.nan


def in_double(name, x, params):
    """The true values, rounded to double and to x's dtype."""
    def one(v):
        pole = v <= 0 and v == np.rint(v) and name != "ndtr"
        return odd(name, v, *params) if pole or not math.isfinite(v) else float(GAMMA[name](v, *params))

    x = real(x)
    return np.vectorize(one, otypes=[np.float64])(x.astype(np.float64)).astype(x.dtype.newbyteorder("="))


def real(x):
    return x.astype(np.float64) if x.dtype.kind in "iub" else x


def logistic(x):
    return np.where(x < 0, np.exp(-np.abs(x)), 1) / (1 + np.exp(-np.abs(x)))


NAMES = {"libm_erf": libm(math.erf), "libm_erfc": libm(math.erfc), "real": real, "logistic": logistic, "in_double": in_double}


def reference(name, params, *xs):
    """The table's NumPy expression, quietly."""
    names = dict(zip([*OPS[name]["args"], *OPS[name]["params"]], [*xs, *params], strict=True))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return np.asarray(eval(OPS[name]["numpy"], {"np": np, **NAMES}, names))


def quiet(name, params, *xs):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return call(name, params, *xs)


def points(name, shape, dtype, seed=0):
    """Points in the operation's domain, an array for each argument."""
    rng = np.random.default_rng(seed)
    return [rng.uniform(low, high, shape).astype(dtype) for low, high in OPS[name]["domain"]]


def assert_ulp(actual, expected, ulp):
    """Equal up to `ulp` units in the last place and the sign of zero; nan equals nan."""
    assert actual.dtype == expected.dtype
    assert actual.shape == expected.shape
    same = (actual == expected) | (np.isnan(actual) & np.isnan(expected))
    if not np.all(same):
        assert ulp > 0, f"{actual[~same]} is not {expected[~same]}"
        a, e = actual[~same], expected[~same]
        assert np.all(np.abs(a - e) <= ulp * np.spacing(np.maximum(np.abs(a), np.abs(e)))), (a, e)


def assert_right(y, name, params, *xs):
    """NumPy's dtype and shape, and its bits where its arithmetic is exact; elsewhere the true value within the promise, and
    NumPy's nan, infinities and zeros."""
    expected = reference(name, params, *xs)
    if OPS[name]["ulp"] == 0:
        assert_ulp(y, expected, 0)
        return
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    odd = ~np.isfinite(expected) | (expected == 0)
    assert_ulp(y[odd], expected[odd], 0)
    assert np.all(np.isfinite(y[~odd]))
    assert_true(y[~odd], name, params, *[np.broadcast_to(x, y.shape)[~odd] for x in xs])


def test_the_table_is_the_issue_s_list():
    wanted = """add sub mul div neg pow square sqrt exp log log1p expm1 sin cos tan tanh sinh cosh arcsin arccos arctan
                sigmoid relu leaky_relu softplus abs sign maximum minimum clip where""".split()
    assert set(wanted) <= set(OPS)


@pytest.mark.parametrize("name", OPS)
def test_public_function_and_class(name):
    op = OPS[name]
    cls = getattr(F, op["class"])
    assert issubclass(cls, F.Function if hasattr(F, "Function") else _core.Function)
    xs = [Variable(x) for x in points(name, (3,), np.float64)]
    params = OPS[name]["examples"][0]
    y = cls(*params)(*xs)
    assert type(y.creator) is cls
    assert_ulp(y.data, call(name, params, *xs).data, 0)
    assert all(a is b for a, b in zip(y.creator.inputs, xs, strict=True))
    for p, value in zip(op["params"], params, strict=True):
        assert getattr(y.creator, p) == value
    assert cls.__doc__
    assert getattr(F, name).__doc__


@cases
@dtypes
@pytest.mark.parametrize("shape", [(), (1,), (7,), (64,), (1003,), (0,), (3, 4), (2, 3, 4)], ids=str)
def test_forward_is_right(name, params, dtype, shape):
    xs = points(name, shape, dtype)
    assert_right(call(name, params, *[Variable(x) for x in xs]).data, name, params, *xs)


@cases
@dtypes
def test_special_values(name, params, dtype):
    op = OPS[name]
    rows = op["special"] or [[0.0, 1.0, -1.0]] * len(op["args"])
    if len(rows) == 1:
        xs = [np.array([*rows[0], np.nan, np.inf, -np.inf, -0.0], dtype)]
    else:
        extra = [np.nan, 1.0, np.inf, -np.inf, 0.5]
        xs = [np.array([*row, *(extra if i == 0 else extra[::-1])]).astype(dtype) for i, row in enumerate(rows)]
    assert_right(quiet(name, params, *[Variable(x) for x in xs]).data, name, params, *xs)
    for i in range(len(xs[0])):         # one by one: the scalar path
        one = quiet(name, params, *[Variable(np.array(x[i])) for x in xs]).data
        assert_right(one, name, params, *[np.array(x[i]) for x in xs])


@cases
@dtypes
def test_same_bits_everywhere(name, params, dtype):
    """Scalar, vector body and tail, strided, and every SIMD level with fused multiply-adds: a value does not depend on its
    neighbours, nor on the processor."""
    xs = points(name, (1003,), dtype)
    levels = _core.build_info()["simd_available"]
    start = _core.build_info()["simd"]
    results, gradients = [], []
    try:
        for level in levels:
            _core.select_simd(level)
            vs = [Variable(x) for x in xs]
            y = call(name, params, *vs)
            y.backward()
            results.append(y.data)
            gradients.append([v.grad.data for v in vs if v.grad is not None])
    finally:
        _core.select_simd(start)
    exact = OPS[name]["ulp"] == 0
    for level, level_result, level_gradients in zip(levels, results, gradients, strict=True):
        for a, b in zip([level_result, *level_gradients], [results[-1], *gradients[-1]], strict=True):
            if level == "base" and not exact:           # without fused multiply-adds, each within the promise
                near = 64 * np.finfo(dtype).eps
                np.testing.assert_allclose(a, b, rtol=near, atol=near * np.abs(b[np.isfinite(b)]).max(initial=0))
            else:
                assert_ulp(a, b, 0)
    # NumPy's own loops may differ between body and tail, each within the promise
    ulp = 0 if np.dtype(dtype).name in OPS[name]["own"] else 2 * OPS[name]["ulp"]
    spread = [np.repeat(x, 3)[::3] for x in xs]
    here = results[levels.index(start)]
    assert_ulp(call(name, params, *[Variable(x) for x in spread]).data, here, ulp)
    for i in (0, 1, 500, 1000, 1001, 1002):
        one = call(name, params, *[Variable(np.array(x[i])) for x in xs]).data
        assert_ulp(one, here[i].reshape(()), ulp)


@cases
@dtypes
def test_fused_backward_agrees_with_the_graph_rule(name, params, dtype):
    for shape in ((), (5,), (600,), (3, 4)):
        xs = points(name, shape, dtype)
        gy = np.random.default_rng(1).uniform(0.5, 1.5, shape).astype(dtype)
        found = []
        for create_graph in (False, True):
            vs = [Variable(x) for x in xs]
            y = call(name, params, *vs)
            y.grad = Variable(gy)
            y.backward(create_graph=create_graph)
            found.append([v.grad for v in vs])
            assert y.grad is None
        for fused, rule, x, arg in zip(*found, xs, OPS[name]["args"], strict=True):
            if arg not in OPS[name]["backward"]:
                assert fused is None
                assert rule is None
                continue
            assert fused.dtype == dtype
            assert fused.shape == x.shape
            np.testing.assert_allclose(fused.data, rule.data, rtol=20 * np.finfo(dtype).eps, atol=1e-30)


def numerical(f, xs, k, eps):
    """Central differences of sum(f) for argument k, element by element; f acts elementwise on equal shapes."""
    plus = [x + eps if i == k else x for i, x in enumerate(xs)]
    minus = [x - eps if i == k else x for i, x in enumerate(xs)]
    return (f(*plus) - f(*minus)) / (2 * eps)


@cases
def test_finite_differences(name, params):
    """Orders 1 and 2 of every argument, mixed ones too; the fused kernels first, then through create_graph."""
    op = OPS[name]
    differentiable = [i for i, a in enumerate(op["args"]) if a in op["backward"]]
    xs = points(name, (6,), np.float64, seed=3)
    if name == "clip":
        xs = [np.array([-1.5, -0.3, 0.1, 0.4, 1.2, 1.9])]

    def first(k, create_graph=False):
        def gradient(*arrays):
            vs = [Variable(a) for a in arrays]
            y = call(name, params, *vs)
            y.backward(create_graph=create_graph)
            return vs[k].grad.data
        return gradient

    for k in differentiable:
        expected = numerical(lambda *a: call(name, params, *map(Variable, a)).data, xs, k, 1e-6)
        np.testing.assert_allclose(first(k)(*xs), expected, rtol=1e-6, atol=1e-8)
        np.testing.assert_allclose(first(k, True)(*xs), expected, rtol=1e-6, atol=1e-8)
    for k in differentiable:
        for j in differentiable:
            vs = [Variable(a) for a in xs]
            y = call(name, params, *vs)
            y.backward(create_graph=True)
            g = vs[k].grad
            for v in vs:
                v.cleargrad()
            g.backward()
            expected = numerical(first(k), xs, j, 1e-5)
            found = np.zeros(6) if vs[j].grad is None else vs[j].grad.data
            np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-7)


SHAPES = {1: [[(3, 4)]],
          2: [[(3, 4), (4,)], [(3, 1), (1, 4)], [(), (3, 4)], [(2, 3, 4), (3, 1)], [(1,), (5,)], [(2, 0), (1,)]],
          3: [[(3, 4), (4,), (3, 1)], [(4,), (2, 1, 4), ()], [(), (3,), (3,)]]}


@cases
@dtypes
def test_broadcasting_and_strides(name, params, dtype):
    """Operands that broadcast, are transposed, reversed or sliced: values as NumPy's, gradients in operands' shapes."""
    op = OPS[name]
    for shapes in SHAPES[len(op["args"])]:
        for layout in (lambda x: x, lambda x: np.asfortranarray(x), lambda x: x[..., ::-1] if x.ndim else x):
            xs = [layout(points(name, s, dtype, seed=i)[i]) for i, s in enumerate(shapes)]
            vs = [Variable(x) for x in xs]
            y = call(name, params, *vs)
            assert_right(y.data, name, params, *xs)
            y.backward()
            full = [Variable(np.array(np.broadcast_to(x, y.shape))) for x in xs]
            call(name, params, *full).backward()
            for v, f, arg in zip(vs, full, op["args"], strict=True):
                if arg in op["backward"]:
                    assert v.grad.shape == v.shape
                    assert v.grad.dtype == dtype
                    g = f.grad.data
                    lead = tuple(range(g.ndim - v.ndim))
                    ones = tuple(i + len(lead) for i, n in enumerate(v.shape) if n == 1 and g.shape[i + len(lead)] != 1)
                    np.testing.assert_allclose(v.grad.data, g.sum(axis=lead + ones, keepdims=True).reshape(v.shape),
                                               rtol=1e-4 if dtype == np.float32 else 1e-12, atol=1e-6)


@cases
def test_gradients_add_up(name, params):
    """Use in two places, and a second walk: sums, each as long as the user's view of the first one is not touched."""
    xs = points(name, (5,), np.float64)
    vs = [Variable(x) for x in xs]
    call(name, params, *vs).backward()
    once = [None if v.grad is None else v.grad.data.copy() for v in vs]
    held = [v.grad for v in vs]
    (call(name, params, *vs) + call(name, params, *vs)).backward()
    for v, o, h in zip(vs, once, held, strict=True):
        if o is not None:
            np.testing.assert_allclose(v.grad.data, 3 * o, rtol=1e-13)
            np.testing.assert_array_equal(h.data, o)


@cases
@pytest.mark.parametrize("dtype", [np.int64, np.float16, np.longdouble, ">f8", bool], ids=str)
def test_other_dtypes_take_the_general_path(name, params, dtype):
    xs = [np.array([1, 1, 0]), np.array([1, 2, 1]), np.array([3, 1, 2])][:len(OPS[name]["args"])]
    xs = [x.astype(dtype) for x in xs]
    try:
        expected = reference(name, params, *xs)
    except (TypeError, ValueError) as error:
        with pytest.raises(TypeError if isinstance(error, TypeError) else ValueError):
            quiet(name, params, *[Variable(x) for x in xs])
        return
    y = quiet(name, params, *[Variable(x) for x in xs])
    if "in_double" in OPS[name]["numpy"]:       # which has float64's digits
        assert y.dtype == expected.dtype
        assert_ulp(y.data.astype(np.float64), expected.astype(np.float64), OPS[name]["ulp"])
    else:
        assert_ulp(y.data, expected, 0)


@pytest.mark.parametrize("n", [0, 1, 2, 7, 8, 9, 127, 128, 129, 1000, 5000])
@dtypes
def test_sum_has_numpys_bits(n, dtype):
    x = np.random.default_rng(n).standard_normal(n).astype(dtype)
    assert_ulp(F.sum(Variable(x)).data, np.asarray(x.sum()), 0)
    b = Variable(np.zeros((), dtype))
    (Variable(x) + b).backward()
    assert b.grad.data == n


def test_sine_and_cosine_near_multiples_of_half_pi():
    """Where the reduction cancels, up to a million and beyond (further out: test_reduction.py)."""
    k = np.concatenate([np.arange(-300, 300), np.arange(636500, 636700), np.arange(10**7, 10**7 + 100)])
    x = np.concatenate([np.nextafter(k * (np.pi / 2), d) for d in (-np.inf, np.inf)] + [k * (np.pi / 2)])
    for name in ("sin", "cos"):
        assert_true(call(name, (), Variable(x)).data, name, (), x)
    for dtype in (np.float32, np.float64):
        zeros = np.array([0.0, -0.0] * 9, dtype)
        assert np.array_equal(np.signbit(F.sin(Variable(zeros)).data), np.signbit(zeros))
        assert np.signbit(F.sin(Variable(np.array(-0.0, dtype))).data)


def test_numpys_warnings_appear():
    """np.errstate decides what happens on division by zero, overflow and invalid values, forward and backward."""
    zero = Variable(np.zeros(3))
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        F.log(zero)
    with pytest.warns(RuntimeWarning, match="overflow"):
        F.exp(Variable(np.array([1000.0])))
    with pytest.warns(RuntimeWarning, match="invalid"):
        F.sqrt(Variable(np.array(-1.0)))
    with np.errstate(all="raise"), pytest.raises(FloatingPointError):
        F.log(zero)
    y = F.sqrt(zero)
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        y.backward()
    assert np.all(np.isinf(zero.grad.data))
    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("error")
        F.log(zero)
        F.relu(Variable(np.array([np.nan, 1.0]))).backward()    # a comparison with nan is no invalid operation


def test_power_at_exponent_zero():
    """d/dx1 of d/dx0 (x0 ** x1) at x1 = 0 is 1 / x0; at base 0 too everything stays finite."""
    x0, x1 = Variable(np.array([2.0, 0.5, 0.0])), Variable(np.zeros(3))
    y = x0 ** x1
    y.backward(create_graph=True)
    gx0 = x0.grad
    assert gx0.data.tolist() == [0.0, 0.0, 0.0]
    x0.cleargrad()
    x1.cleargrad()
    gx0.backward()
    assert np.allclose(x1.grad.data[:2], [0.5, 2.0], rtol=1e-15)
    assert np.all(np.isfinite(x1.grad.data))
    assert np.all(np.isfinite(x0.grad.data))


STRETCHED = [
    ((1000, 70), (70,)),  # row upon row
    ((1000, 7), (7,)),  # many short rows at a time
    ((3, 5000), (5000,)),  # wider than a block
    ((2, 3, 4, 5), (4, 5)),
    ((2, 3, 4, 5), (1, 1, 4, 5)),
    ((70, 3), (70, 1)),  # along the rows
    ((3, 5000), (3, 1)),  # longer than a block
    ((2, 3, 4, 5), (2, 3, 1, 1)),
    ((2, 3, 4, 5), (2, 1, 4, 1)),  # axes in between
    ((2, 3, 4, 5), (3, 1, 1)),
    ((40, 50), ()),
    ((100, 100), (1, 1)),
    ((3, 0), (3, 1)),
    ((0, 3), (3,)),
    ((1, 7), (7,)),
]


@dtypes
@pytest.mark.parametrize(("shape", "small"), STRETCHED, ids=str)
@pytest.mark.parametrize("layout", ["contiguous", "transposed", "sliced", "repeated"])
def test_the_gradient_of_a_stretched_operand_has_the_bits_of_numpys_sum(shape, small, layout, dtype):
    rng = np.random.default_rng(0)
    x = rng.standard_normal(shape).astype(dtype)
    if layout == "transposed":
        x = np.asfortranarray(x)
    elif layout == "sliced":
        x = np.repeat(x, 2, axis=-1)[..., ::2]
    elif layout == "repeated" and x.size:
        x = np.broadcast_to(x[..., :1], shape)
    s = rng.standard_normal(small).astype(dtype)
    gy = rng.standard_normal(shape).astype(dtype)
    given = gy.copy()
    lead = len(shape) - len(small)
    axes = tuple(i for i in range(len(shape)) if i < lead or small[i - lead] != shape[i])
    for old in (None, rng.standard_normal(small).astype(dtype)):
        a, b = Variable(x), Variable(s)
        y = a * b + b - b
        y.grad = Variable(gy)
        b.grad = None if old is None else Variable(old)
        y.backward()
        total = old
        for term in (-gy, gy, gy * x):
            g = term.sum(axis=axes).reshape(small)
            total = g if total is None else total + g
        # Up to 2.2 NumPy sums a large array in parts of its buffer's size where it could do without.
        if dtype == np.float32 and axes and gy.size // max(1, s.size) > 128:      # closer to the truth than NumPy's (dz_sum_rows)
            exact = [term.astype(np.float64).sum(axis=axes).reshape(small) for term in (-gy, gy, gy * x)]
            size = 2 * np.abs(gy).sum(axis=axes).reshape(small) + np.abs(gy * x).sum(axis=axes).reshape(small)
            assert (np.abs(b.grad.data - sum(exact) - (0 if old is None else old)) <= 2e-6 * size).all()
        else:
            assert_ulp(b.grad.data, total, 0 if np.lib.NumpyVersion(np.__version__) >= "2.3.0" else 8)
        assert_ulp(a.grad.data, gy * s, 0)
        assert np.array_equal(gy, given)


@dtypes
def test_a_gradient_that_is_passed_on_is_never_written_to(dtype):
    """add hands y's gradient to its inputs; a product's input adds to it, and the user's array stays as it was."""
    gy = np.ones((50, 40), dtype)
    x = Variable(np.full((50, 40), 2, dtype))
    y = (x * 3.0) + x
    y.grad = Variable(gy)
    y.backward(retain_grad=True)
    assert np.array_equal(gy, np.ones((50, 40)))
    assert np.array_equal(x.grad.data, np.full((50, 40), 4))
    product = y.creator.inputs[0]
    assert np.array_equal(product.grad.data, gy)
    assert not np.shares_memory(product.grad.data, gy)
    a, b = Variable(x.data), Variable(x.data)
    F.sum(a + b).backward()
    assert a.grad is not b.grad
    a.grad.data = a.grad.data * 2
    assert np.array_equal(b.grad.data, gy)


@pytest.mark.parametrize("call", [lambda x, p: F.Clip(p, 1.0)(x), lambda x, p: F.Clip(0.0, p)(x), F.leaky_relu, F.elu, F.round,
                                  F.nan_to_num, lambda x, p: F.nan_to_num(x, 0.0, p), lambda x, p: F.nan_to_num(x, 0.0, None, p)])
def test_a_parameter_that_is_a_variable_is_refused(call):
    """It would silently get no gradient; the functions pow and clip become other operations, which give it one."""
    with pytest.raises(TypeError, match=r"parameter \d is a Variable, .*give its data"):
        call(Variable(np.arange(3.0)), Variable(np.array(0.5)))


def test_a_parameter_of_none_is_a_bound_or_refused():
    x = Variable(np.array([-1.0, 2.0]))
    assert F.clip(x, None, 1.0).data.tolist() == [-1.0, 1.0]
    for call in (F.leaky_relu, F.elu, F.nan_to_num):
        with pytest.raises(TypeError):
            call(x, None)


@pytest.mark.parametrize("number", [np.float64, np.float32, np.float16, np.int8])
def test_numpy_scalars_are_parameters_like_any_number(number):
    """By the kernels, in x's dtype."""
    x = np.linspace(-3, 3, 7, dtype=np.float32)
    for f in (F.leaky_relu, F.elu, lambda x, p: F.clip(x, -p, p)):
        y = f(Variable(x), number(2))
        assert y.dtype == np.float32
        assert y.creator.params == f(Variable(x), 2.0).creator.params
        np.testing.assert_array_equal(y.data, f(Variable(x), 2.0).data)


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "i4"])
@pytest.mark.parametrize("number", [np.float64, np.float32, np.int8, np.int64])
def test_exponents_of_numpy_promote_as_with_numpy(number, dtype):
    x = np.array([1, 2, 3], dtype)
    y = Variable(x) ** number(2)
    assert y.dtype == (x ** number(2)).dtype
    np.testing.assert_array_equal(y.data, x ** number(2))
