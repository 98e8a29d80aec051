"""dezero_c.utils: gradient checks that find planted faults and touch nothing of the caller's, and the array helpers."""

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Function, Parameter, Variable, utils

RNG = np.random.default_rng(2)
X = RNG.uniform(0.3, 1.7, (2, 3))


class Cube(Function):
    """x ** 3; `fault` spoils one thing."""

    def __init__(self, fault=None):
        super().__init__()
        self.fault = fault

    def forward(self, x):
        return x ** 3

    def backward(self, gy):
        x = self.inputs[0]
        if self.fault == "factor":
            return gy * x ** 2 * 2.9
        if self.fault == "element":
            spoilt = np.ones(x.shape)
            spoilt.flat[-1] = 1.5
            return gy * x ** 2 * 3.0 * spoilt
        if self.fault == "gy":
            return x ** 2 * 3.0
        if self.fault == "second":
            return gy * Variable(x.data ** 2) * 3.0
        if self.fault == "nan":
            return gy * x * np.nan
        if self.fault == "dtype":
            return F.sum(gy * x ** 2 * 3.0, axis=0)
        return gy * x ** 2 * 3.0


# ---- gradient_check -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("order", [1, 2, 3, 4])
def test_right_derivatives_pass(order, capsys):
    assert utils.gradient_check(lambda x: Cube()(x), X, order=order) is True
    assert utils.gradient_check(lambda x, y: F.sin(x) * F.exp(y), (X, X[:1]), order=order) is True
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("fault", ["factor", "element", "gy", "nan"])
def test_planted_faults_are_found(fault, capsys):
    assert utils.gradient_check(lambda x: Cube(fault)(x), X) is False
    assert "gradient_check failed at order 1" in capsys.readouterr().out


def test_fault_of_the_second_order_only(capsys):
    assert utils.gradient_check(lambda x: Cube("second")(x), X)
    assert capsys.readouterr().out == ""
    assert utils.gradgradient_check(lambda x: Cube("second")(x), X) is False
    out = capsys.readouterr().out
    assert "gradgradient_check failed at order 2" in out
    assert "backward gave no gradient" in out


def test_orders_below_are_checked_with_create_graph_as_well(capsys):
    class Two(Function):
        def forward(self, x):
            return x * x

        def backward(self, gy):
            wrong = 1e-3 if dezero_c.Config.enable_backprop else 0.0     # a constant: no later order would show it
            return gy * self.inputs[0] * 2.0 + wrong

    assert utils.gradient_check(lambda x: Two()(x), X)
    assert not utils.gradient_check(lambda x: Two()(x), X, order=2)
    assert "failed at order 1 (create_graph=True)" in capsys.readouterr().out


def test_report_names_the_worst_element(capsys):
    assert not utils.gradient_check(lambda a, b: Cube()(a) + F.sum(Cube("element")(b)), (X, X))
    out = capsys.readouterr().out
    assert "1 of 12 elements differ" in out
    assert "input 0, shape (2, 3): 0 of 6" in out
    assert "input 1, shape (2, 3): 1 of 6" in out
    assert "worst: input 1, index (1, 2)" in out
    rows = [line.replace(",", "").split() for line in out.splitlines() if line.startswith("    ")]
    words = {row[0]: float(row[1]) for row in rows}
    assert words["analytic"] == pytest.approx(1.5 * words["numerical"], rel=1e-6)
    assert words["difference"] == pytest.approx(0.5 * words["numerical"], rel=1e-2)


def test_a_missing_gradient_counts_as_zero(capsys):
    assert utils.gradient_check(lambda x, y: y * 2.0, (X, X), order=2)
    assert utils.gradient_check(lambda x: Variable(np.ones(2)), X, order=3)
    assert not utils.gradient_check(lambda x: Variable(x.data * 2.0), X)
    assert "backward gave no gradient" in capsys.readouterr().out


def test_kink_is_named(capsys):
    assert not utils.gradient_check(F.relu, np.array([1.0, 0.0, -1.0]))
    out = capsys.readouterr().out
    assert "index (1,)" in out
    assert "from the left 0 and from the right" in out
    assert "kink" in out
    assert utils.gradient_check(F.relu, np.array([1.0, -1.0]))


def test_low_precision_inside_f_is_named(capsys):
    class Single(Function):
        def forward(self, x):
            return np.sin(x.astype(np.float32))

        def backward(self, gy):
            return gy * F.cos(self.inputs[0])

    assert not utils.gradient_check(lambda x: Single()(x), X, rtol=1e-7, atol=1e-9)
    assert "f computes in float32" in capsys.readouterr().out


def test_gradient_of_the_wrong_shape(capsys):
    v = Variable(X)

    class Rows(Function):
        def forward(self, x):
            return x.sum(axis=0)

        def backward(self, gy):
            self.inputs[0].data = X[:1].copy()      # the engine fits gradients to their data: here the data changes
            return gy

    assert not utils.gradient_check(lambda x: Rows()(x), v)
    assert "the gradient of input 0 has shape" in capsys.readouterr().out


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, ">f4"], ids=str)
def test_arithmetic_is_float64_whatever_comes_in(dtype):
    seen = []

    def f(x, w, scale):
        seen.append((x.dtype, w.dtype, scale.dtype))
        return F.sin(x) * w * scale

    assert utils.gradient_check(f, X.astype(dtype), Variable(X.astype(dtype)), scale=X.astype(dtype), order=2)
    assert set(seen) == {(np.dtype("f8"),) * 3}


def test_nothing_of_the_callers_changes():
    x, w, p = Variable(X.astype(np.float32), "x"), Variable(X.copy()), Parameter(X.copy())
    x.grad = Variable(np.ones((2, 3), np.float32))
    running, labels = np.zeros(3), np.array([0, 2])
    data, grad = x.data, x.grad
    copies = [x.data.copy(), w.data.copy(), p.data.copy()]
    state = np.random.get_state()[1].copy()

    def f(x, w, labels, running, p):
        assert isinstance(p, Parameter)
        assert labels.dtype.kind == "i"
        running += 1.0
        labels[0] = 1
        w.data *= 2.0
        y = x * 1.0
        x.data *= 2.0       # after its use, so that y stays the same function of x
        return y * w * p

    assert utils.gradient_check(f, x, w, labels, running, p=p, order=2)
    assert x.data is data
    assert x.grad is grad
    assert w.grad is None
    assert p.grad is None
    for now, then in zip((x.data, w.data, p.data), copies, strict=True):
        np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(running, np.zeros(3))
    np.testing.assert_array_equal(labels, [0, 2])
    np.testing.assert_array_equal(np.random.get_state()[1], state)


def test_inputs_and_outputs_in_any_number():
    class SinCos(Function):
        def forward(self, x, y):
            return np.sin(x), np.cos(y), x * y

        def backward(self, gs, gc, gp):
            x, y = self.inputs
            return gs * F.cos(x) + gp * y, gp * x - gc * F.sin(y)

    assert utils.gradient_check(lambda x, y: SinCos()(x, y), (X, X + 0.5), order=3)
    assert utils.gradient_check(lambda x, y: SinCos()(x, y), [Variable(X), X + 0.5])
    assert utils.gradient_check(lambda x: x * x, 2.0)
    assert utils.gradient_check(lambda x: x * x, np.array(2.0))
    assert utils.gradient_check(lambda x: F.sum(x), np.zeros((0, 3)))
    assert utils.gradient_check(lambda x: (x * 2.0, Variable(np.array([1, 2]))), X)     # an integer output beside
    assert utils.gradient_check(lambda x: x.T, X[:, ::-1].T)


def test_weights_do_not_cancel():
    """The sum of a softmax is constant: only different weights see its gradient."""
    def wrong(x):
        e = F.exp(x)
        return e / Variable(F.sum(e).data)

    assert not utils.gradient_check(wrong, X)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: utils.gradient_check(F.add, (X, np.array(True))), TypeError, ["input 1", "bool"]),
        (lambda: utils.gradient_check(F.sin, X + 1j), TypeError, ["input 0", "complex128"]),
        (lambda: utils.gradient_check(F.sin, Variable(None)), TypeError, ["input 0", "without data"]),
        (lambda: utils.gradient_check(F.sin, None), TypeError, ["input 0", "without data"]),
        (lambda: utils.gradient_check(F.sin, ()), ValueError, ["no inputs"]),
        (lambda: utils.gradient_check(lambda x: x.data, X), TypeError, ["output 0", "ndarray", "a Variable"]),
        (lambda: utils.gradient_check(lambda x: (x, None), X), TypeError, ["output 1", "NoneType"]),
        (lambda: utils.gradient_check(lambda x: Variable(None), X), TypeError, ["output 0", "without data"]),
        (lambda: utils.gradient_check(lambda x: (), X), TypeError, ["no output"]),
        (lambda: utils.gradient_check(lambda x: Variable(np.arange(2)), X), TypeError, ["int64", "nothing to diff"]),
        (lambda: utils.gradient_check(lambda x: x * np.random.rand(), X), ValueError, ["changes from call to call"]),
        (lambda: utils.gradient_check(lambda x: x[x.data > 1.0], np.ones(3)), ValueError, ["shapes", "(0,)"]),
        (lambda: utils.gradient_check("sin", X), TypeError, ["f must be", "str"]),
        (lambda: utils.gradient_check(F.sin, X, order=0), ValueError, ["order", "0"]),
        (lambda: utils.gradient_check(F.sin, X, order=True), ValueError, ["order", "True"]),
        (lambda: utils.numerical_grad(np.sin, np.arange(3)), TypeError, ["numerical_grad", "int64", "astype(float)"]),
        (lambda: utils.numerical_grad(np.sin, Variable(None)), TypeError, ["numerical_grad", "without data"]),
    ],
    ids=range(17),
)
def test_errors_of_gradient_checks(call, error, words):
    with pytest.raises(error) as info:
        call()
    for word in ["grad", *words]:
        assert word in str(info.value)


# ---- numerical_grad -----------------------------------------------------------------------------------------------

def test_numerical_grad():
    x = X.copy()
    for f in (np.sin, F.sin, lambda x: (np.sin(x), Variable(np.zeros(2)))):
        g = utils.numerical_grad(f, x)
        np.testing.assert_allclose(g, np.cos(X), rtol=1e-7)
        np.testing.assert_array_equal(x, X)
    g = utils.numerical_grad(lambda x, c, p: x ** p * c, Variable(x), 3.0, p=2)
    np.testing.assert_allclose(g, 6 * X, rtol=1e-7)
    np.testing.assert_allclose(utils.numerical_grad(lambda x: F.sum(x * x), np.array(3.0)), 6.0)
    assert utils.numerical_grad(F.sum, np.zeros((0, 2))).shape == (0, 2)


def test_numerical_grad_has_dezeros_bits_in_float64_and_is_better_in_float32():
    def f(x):
        return x * x * x + 1 / x        # each step rounds correctly, on every machine

    x = X.copy()
    expected = np.empty_like(x)
    for i in np.ndindex(x.shape):       # DeZero's steps, in place
        kept = x[i]
        x[i] = kept + 1e-4
        up = f(x)
        x[i] = kept - 1e-4
        expected[i] = (up - f(x)).sum() / (2 * 1e-4)
        x[i] = kept
    np.testing.assert_array_equal(utils.numerical_grad(f, X), expected)
    single = utils.numerical_grad(np.exp, X.astype(np.float32))
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, np.exp(X), rtol=1e-6)


# ---- arrays -------------------------------------------------------------------------------------------------------

def test_array_equal_and_allclose():
    assert utils.array_equal(Variable(X), X.copy()) is True
    assert utils.array_equal(X, X[:1]) is False
    assert utils.array_equal(1.0, Variable(np.array(1)))
    assert not utils.array_equal(np.nan, np.nan)
    assert utils.array_allclose(X, Variable(X + 1e-5)) is True
    assert utils.array_allclose(X, X + 1e-3) is False
    assert utils.array_allclose(X, X + 1e-3, atol=1e-2)
    assert utils.array_allclose(100.0, 100.5, rtol=1e-2, atol=0)
    assert utils.array_allclose(Variable(np.ones((2, 3))), 1.0)
    for f in (utils.array_equal, utils.array_allclose):
        with pytest.raises(TypeError, match=f"{f.__name__}.*without data"):
            f(X, Variable(None))
    with pytest.raises(ValueError, match=r"array_allclose.*\(2, 3\).*\(2,\)"):
        utils.array_allclose(X, np.ones(2))


def test_sum_to():
    x = np.arange(24.0).reshape(2, 3, 4)
    for shape in ((2, 3, 4), (3, 4), (1, 4), (4,), (1,), (), (2, 1, 4), (1, 3, 1)):
        y = utils.sum_to(x, shape)
        assert y.shape == shape
        assert isinstance(y, np.ndarray)
        np.testing.assert_array_equal(y, F.sum_to(Variable(x), shape).data)
        assert type(utils.sum_to(Variable(x), shape)) is Variable
    assert utils.sum_to(x.astype(np.float32), [4]).dtype == np.float32
    for shape in ((2,), (1, 1, 1, 1), (2, 3, 5)):
        with pytest.raises(ValueError, match=r"sum_to.*must broadcast"):
            utils.sum_to(x, shape)


def test_reshape_sum_backward():
    x = np.ones((2, 3, 4))
    for axis in (None, 0, 1, 2, -1, (0, 2), (-1, 0), (2, 1), np.int64(1), [0, 1]):
        for keepdims in (False, True):
            as_tuple = tuple(axis) if isinstance(axis, list) else axis
            gy = x.sum(axis=as_tuple, keepdims=keepdims)
            kept = gy.shape if axis is None else x.sum(axis=as_tuple, keepdims=True).shape
            for g in (np.asarray(gy), Variable(np.asarray(gy))):
                r = utils.reshape_sum_backward(g, x.shape, axis, keepdims)
                assert type(r) is type(g)
                assert r.shape == kept
    assert utils.reshape_sum_backward(np.array(1.0), (), None, False).shape == ()
    with pytest.raises(ValueError, match=r"reshape_sum_backward.*\(3,\).*axis 0.*\(2, 3, 4\)"):
        utils.reshape_sum_backward(np.ones(3), x.shape, 0, False)
    with pytest.raises(np.exceptions.AxisError, match="reshape_sum_backward: axis 3"):
        utils.reshape_sum_backward(np.ones(3), x.shape, 3, False)
    with pytest.raises(ValueError, match=r"reshape_sum_backward.*twice"):
        utils.reshape_sum_backward(np.ones(3), x.shape, (0, -3), False)


def test_max_backward_shape():
    x = Variable(np.ones((2, 3, 4)))
    assert utils.max_backward_shape(x, None) == [1, 1, 1]
    assert utils.max_backward_shape(x.data, 1) == [2, 1, 4]
    assert utils.max_backward_shape(x, (0, 2)) == [1, 3, 1]
    assert utils.max_backward_shape(x, -1) == utils.max_backward_shape(x, np.int64(2)) == [2, 3, 1]
    with pytest.raises(np.exceptions.AxisError, match="max_backward_shape: axis 3"):
        utils.max_backward_shape(x, 3)


def test_logsumexp():
    x = RNG.standard_normal((3, 4)) * 10
    for axis in (0, 1, -1, None, (0, 1)):
        expected = np.log(np.exp(x).sum(axis=axis, keepdims=True))
        np.testing.assert_allclose(utils.logsumexp(x, axis), expected, rtol=1e-12)
    m = x.max(axis=1, keepdims=True)
    np.testing.assert_allclose(utils.logsumexp(x), m + np.log(np.exp(x - m).sum(axis=1, keepdims=True)), rtol=2e-15)
    assert utils.logsumexp(x.astype(np.float32)).dtype == np.float32
    assert utils.logsumexp(x.astype(np.float16)).dtype == np.float16
    np.testing.assert_allclose(utils.logsumexp(np.array([[1000.0, 1000.0]])), [[1000 + np.log(2)]])
    rows = np.array([[-np.inf, -np.inf], [np.inf, 1000.0], [-np.inf, 2.0], [np.nan, 1.0]])
    np.testing.assert_array_equal(utils.logsumexp(rows), [[-np.inf], [np.inf], [2.0], [np.nan]])
    np.testing.assert_allclose(utils.logsumexp(np.array([[0, 0]])), [[np.log(2)]])
    np.testing.assert_array_equal(utils.logsumexp(np.zeros((2, 0))), [[-np.inf], [-np.inf]])


def test_logsumexp_of_a_variable_has_a_gradient():
    x = Variable(RNG.standard_normal((3, 4)))
    y = utils.logsumexp(x)
    np.testing.assert_allclose(y.data, utils.logsumexp(x.data), rtol=2e-15)
    y.backward()
    np.testing.assert_allclose(x.grad.data, np.exp(x.data - y.data))


def test_sizes():
    assert utils.get_conv_outsize(4, 3, 1, 0) == 2
    assert utils.get_conv_outsize(7, 3, 2, 1) == 4
    assert utils.get_deconv_outsize(2, 3, 1, 0) == 4
    assert utils.get_deconv_outsize(4, 3, 2, 1) == 7
    assert utils.pair(3) == (3, 3)
    assert utils.pair((1, 2)) == utils.pair([1, 2]) == (1, 2)
    for bad in ((1, 2, 3), "ab", 1.5, None):
        with pytest.raises(ValueError, match="pair"):
            utils.pair(bad)


def test_every_public_name_is_there():
    for name in utils.__all__:
        assert getattr(utils, name).__doc__ or name == "urllib"
