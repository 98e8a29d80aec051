"""Softmax, log-softmax and cross-entropy: what the records of test_functions.py do not say."""

import numpy as np
import pytest
import truth

import dezero_c.functions as F
from dezero_c import Variable
from dezero_c.utils import gradgradient_check, gradient_check

RNG = np.random.default_rng(9)


def reference(x, axis):
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


@pytest.mark.parametrize("shape", [(3, 1), (1, 3), (5, 7), (4, 17), (2, 300), (3, 5000), (2, 3, 4)])
@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_values_and_both_ways_backwards(shape, axis, dtype):
    a = RNG.normal(size=shape).astype(dtype) * 3
    gy = RNG.normal(size=shape).astype(dtype)
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-14}
    for function, want in ((F.softmax, reference(a, axis)), (F.log_softmax, np.log(reference(a.astype(float), axis)))):
        gradients = []
        for create_graph in (False, True):
            x = Variable(a)
            y = function(x, axis)
            assert y.dtype == dtype
            assert np.allclose(y.data, want, **tolerance)
            y.grad = Variable(gy)
            y.backward(create_graph=create_graph)
            gradients.append(x.grad.data)
            assert x.grad.dtype == dtype
        assert np.allclose(*gradients, **tolerance)


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_gradients_are_added_and_shown_ones_stay(function):
    a, gy = RNG.normal(size=(2, 4, 5))
    x = Variable(a)
    y = function(x)
    y.grad = Variable(gy)
    y.backward()
    first = x.grad
    once = first.data.copy()
    z = function(x) + function(x[:, ::-1])[:, ::-1]
    z.grad = Variable(gy)
    z.backward()
    np.testing.assert_allclose(x.grad.data, 3 * once, rtol=1e-12, atol=1e-15)
    np.testing.assert_array_equal(first.data, once)


@pytest.mark.parametrize("function", [F.softmax, F.log_softmax])
def test_data_with_fewer_axes_than_at_forward(function):
    x = Variable(RNG.normal(size=(3, 4)))
    y = function(x)
    x.data = y.data = np.ones(5)
    y.grad = Variable(np.ones(5))
    with pytest.raises(ValueError, match="axis 1 is not one of the 1 axes that the data has now"):
        y.backward()
    assert x.grad is None


@pytest.mark.parametrize("axis", [1.0, None, (0, 1), True, "rows"])
def test_an_axis_is_one_int(axis):
    for function in (F.softmax, F.log_softmax):
        with pytest.raises(TypeError, match=function.__name__):
            function(np.ones((2, 3)), axis)
        assert function(np.ones((2, 3)), np.int64(1)).shape == (2, 3)


def test_the_last_axis_is_summed_as_numpy_does():
    """Apart from the exponentials, about a unit in the last place at most, and the factor 1 / sum, half of one."""
    for n in (1, 5, 8, 9, 16, 33, 129, 1000, 5000):
        x = RNG.normal(size=(2, n))
        below = x - x.max(axis=1, keepdims=True)
        e = np.array([float(truth.true_value("exp", (), v)) for v in below.flat]).reshape(x.shape)
        assert np.allclose(F.softmax(x).data, e / e.sum(axis=1, keepdims=True), rtol=6e-16, atol=0)
        x = x.astype(np.float32)
        assert np.allclose(F.softmax(x).data, reference(x.astype(np.float64), 1), rtol=5e-7, atol=0)


@pytest.mark.parametrize("n", [2, 10, 40, 5000])
def test_extreme_scores(n):
    x = np.zeros((3, n))
    x[0, 0], x[1, 1], x[2] = 1e4, -1e4, -1e6
    assert np.allclose(F.softmax(x).data.sum(axis=1), 1.0)
    assert F.softmax(x).data[0, 0] == 1.0
    assert np.all(np.isfinite(F.log_softmax(x).data))
    t = np.array([1, 1, 0])
    v = Variable(x)
    loss = F.softmax_cross_entropy(v, t)
    assert np.isclose(loss.data, (1e4 + (1e4 + np.log(n - 1)) + np.log(n)) / 3)
    loss.backward()
    assert np.all(np.isfinite(v.grad.data))
    masked = np.zeros((1, n))
    masked[0, 1:] = -np.inf
    assert F.softmax(masked).data[0].tolist() == [1.0] + [0.0] * (n - 1)


@pytest.mark.parametrize("labels", [np.int64, np.int32, np.uint8, np.uint64])
def test_labels_of_every_integer_type(labels):
    x = RNG.normal(size=(4, 3)).astype(np.float32)
    t = np.array([0, 2, 1, 1])
    want = -np.log(reference(x.astype(float), 1))[np.arange(4), t].mean()
    for target in (t.astype(labels), Variable(t.astype(labels)), t.astype(labels)[:, None], t.astype(labels).tolist()):
        v = Variable(x)
        loss = F.softmax_cross_entropy(v, target)
        assert loss.dtype == np.float32
        assert np.isclose(loss.data, want, rtol=1e-6)
        loss.backward()
        assert v.grad.dtype == np.float32
        assert v.grad.shape == (4, 3)
        assert np.allclose(v.grad.data, (reference(x, 1) - np.eye(3)[t]) / 4, atol=1e-6)


def test_the_gradient_follows_what_the_scores_are_at_backward():
    x = Variable(RNG.normal(size=(2, 3)))
    loss = F.softmax_cross_entropy(x, [0, 1])
    x.data[...] = 0.0
    loss.backward()
    assert np.allclose(x.grad.data, (np.full((2, 3), 1 / 3) - np.eye(3)[[0, 1]]) / 2)


@pytest.mark.parametrize(("t", "error", "match"), [
    ([0, 3], IndexError, r"label 3 .*\(2, 3\).*0 to 2"), ([0, -1], IndexError, r"label -1"),
    ([0.0, 1.0], TypeError, "float64"), ([True, False], TypeError, "bool"),
    ([0, 1, 2], ValueError, r"\(3,\).*\(2, 3\)"),
    (np.eye(3, dtype=int)[:2], ValueError, "argmax"),
])
@pytest.mark.parametrize("function", [F.softmax_cross_entropy, F.softmax_cross_entropy_simple])
def test_labels_that_do_not_fit(function, t, error, match):
    with pytest.raises(error, match=f"{function.__name__}.*{match}"):
        function(np.zeros((2, 3)), t)


def test_cross_entropy_at_three_orders():
    assert gradient_check(lambda x: F.softmax_cross_entropy(x, [1, 0, 2]), RNG.normal(size=(3, 4)), order=3)


def test_axes_that_do_not_fit():
    with pytest.raises(np.exceptions.AxisError, match=r"softmax.*axis 1.*\(3,\)"):
        F.softmax(np.zeros(3))
    with pytest.raises(TypeError, match=r"log_softmax.*int"):
        F.log_softmax(np.zeros((3, 3)), axis=(0, 1))


# ---- weights, labels to ignore, smoothing -----------------------------------------------------------------------------

T = np.array([2, 0, 1, 2, 0, 1])
WEIGHT = np.array([0.5, 2.0, 1.25])
CHOICES = [
    {"weight": WEIGHT}, {"ignore_label": 2}, {"ignore_label": -7}, {"label_smoothing": 0.1}, {"label_smoothing": 1.0},
    {"weight": WEIGHT, "ignore_label": 0}, {"weight": WEIGHT, "label_smoothing": 0.3},
    {"ignore_label": 1, "label_smoothing": 0.2}, {"weight": WEIGHT, "ignore_label": -7, "label_smoothing": 0.25},
]
choices = pytest.mark.parametrize("options", CHOICES, ids=lambda o: "-".join(o))
reductions = pytest.mark.parametrize("reduction", ["mean", "sum", "none"])


def targets(options):
    t = T.copy()
    if options.get("ignore_label") == -7:
        t[[1, 4]] = -7
    return t


def by_rows(x, t, reduction, weight=None, ignore_label=None, label_smoothing=0.0):
    """Row after row, from the definition."""
    w = np.ones(3) if weight is None else weight
    losses, total = np.zeros(len(t)), 0.0
    for i, label in enumerate(t):
        if label == ignore_label:
            continue
        logs = np.log(reference(x[i:i + 1], 1))[0]
        q = np.full(3, label_smoothing / 3)
        q[label] += 1 - label_smoothing
        losses[i] = -(q * w * logs).sum()
        total += w[label]
    return {"none": losses, "sum": losses.sum(), "mean": losses.sum() / total}[reduction]


@choices
@reductions
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_chosen_cross_entropy(options, reduction, dtype):
    x, t = RNG.normal(size=(6, 3)).astype(dtype), targets(options)
    expected = by_rows(x.astype(float), t, reduction, **options)
    for a in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        for target in (t, t[:, None], Variable(t.astype(np.int8)), t.tolist()):
            y = F.softmax_cross_entropy(a, target, reduction=reduction, **options)
            assert y.dtype == dtype
            assert y.shape == np.shape(expected)
            np.testing.assert_allclose(y.data, expected, rtol=2e-5 if dtype == np.float32 else 1e-12, atol=1e-7)


@choices
@reductions
def test_chosen_cross_entropy_at_two_orders(options, reduction):
    t = targets(options)
    assert gradient_check(lambda x: F.softmax_cross_entropy(x, t, reduction=reduction, **options), RNG.normal(size=(6, 3)))
    assert gradgradient_check(lambda x: F.softmax_cross_entropy(x, t, reduction=reduction, **options), RNG.normal(size=(6, 3)))


@choices
@reductions
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("create_graph", [False, True])
def test_chosen_cross_entropy_is_torchs(options, reduction, dtype, create_graph):
    torch = pytest.importorskip("torch")
    x, t = RNG.normal(size=(6, 3)).astype(dtype), targets(options)
    v, w = Variable(x), torch.tensor(x, requires_grad=True)
    y = F.softmax_cross_entropy(v, t, reduction=reduction, **options)
    z = torch.nn.functional.cross_entropy(
        w, torch.tensor(t), torch.tensor(options["weight"].astype(dtype)) if "weight" in options else None,
        ignore_index=options.get("ignore_label", -100), label_smoothing=options.get("label_smoothing", 0.0),
        reduction=reduction)
    seed = RNG.normal(size=y.shape).astype(dtype)
    y.grad = Variable(seed)
    y.backward(create_graph=create_graph)
    z.backward(torch.tensor(seed))
    tolerance = {"rtol": 2e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-14}
    np.testing.assert_allclose(y.data, z.detach().numpy(), **tolerance)
    np.testing.assert_allclose(v.grad.data, w.grad.numpy(), **tolerance)
    assert v.grad.dtype == dtype


def test_choices_that_choose_nothing_are_the_plain_loss():
    x = RNG.normal(size=(6, 3))
    for options in ({"label_smoothing": 0}, {"label_smoothing": np.float32(0)}, {"ignore_label": 5}, {"reduction": "mean"}):
        y = F.softmax_cross_entropy(x, T, **options)
        assert y.data == F.softmax_cross_entropy(x, T).data
        v = Variable(x)
        assert type(F.softmax_cross_entropy(v, T, **options).creator) is F.SoftmaxCrossEntropy


def test_what_is_in_ignored_rows_goes_nowhere():
    x = RNG.normal(size=(6, 3))
    x[T == 2] = np.nan, np.inf, -np.inf
    for create_graph in (False, True):
        for reduction in ("mean", "sum", "none"):
            v = Variable(x)
            y = F.softmax_cross_entropy(v, T, ignore_label=2, reduction=reduction)
            y.backward(create_graph=create_graph)
            assert np.isfinite(y.data).all()
            assert np.isfinite(v.grad.data).all()
            assert not v.grad.data[T == 2].any()
            assert v.grad.data[T != 2].all()


def test_all_labels_ignored():
    x, t = Variable(RNG.normal(size=(2, 3)).astype(np.float32)), np.array([-1, -1])
    with pytest.raises(ValueError, match=r"softmax_cross_entropy: all 2 labels are ignore_label -1.*reduction='sum'"):
        F.softmax_cross_entropy(x, t, ignore_label=-1)
    for reduction, shape in (("sum", ()), ("none", (2,))):
        y = F.softmax_cross_entropy(x, t, ignore_label=-1, reduction=reduction)
        assert y.shape == shape
        assert not y.data.any()
        x.cleargrad()
        y.backward()
        assert x.grad.dtype == np.float32
        assert not x.grad.data.any()


@pytest.mark.parametrize("labels", [np.uint8, np.int16, np.uint64, np.int64])
def test_ignored_labels_of_every_integer_type(labels):
    x, t = RNG.normal(size=(6, 3)), T.astype(labels)
    t[3] = 100
    want = by_rows(x, t, "mean", ignore_label=100)
    assert np.isclose(F.softmax_cross_entropy(x, t, ignore_label=100).data, want)
    assert np.isclose(F.softmax_cross_entropy(x, t, ignore_label=np.int64(100)).data, want)
    with pytest.raises(IndexError, match="label 100 is out of range"):
        F.softmax_cross_entropy(x, t, ignore_label=-100)


def test_masked_scores_with_weights():
    """A score of -inf takes a class away; its weight is multiplied by nothing where its label does not come."""
    x = RNG.normal(size=(6, 3))
    x[:, 2] = -np.inf
    t = T % 2
    v = Variable(x)
    y = F.softmax_cross_entropy(v, t, weight=WEIGHT)
    y.backward()
    two = Variable(x[:, :2])
    z = F.softmax_cross_entropy(two, t, weight=WEIGHT[:2])
    z.backward()
    assert np.isclose(y.data, z.data)
    np.testing.assert_allclose(v.grad.data[:, :2], two.grad.data, rtol=1e-12)
    assert not v.grad.data[:, 2].any()


@reductions
def test_weights_that_are_a_variable_get_a_gradient(reduction):
    x = RNG.normal(size=(6, 3))
    assert gradient_check(lambda x, w: F.softmax_cross_entropy(x, T, weight=w, label_smoothing=0.2, reduction=reduction),
                          (x, WEIGHT), order=2)
    w = Variable(np.array([1, 2, 3]))
    F.softmax_cross_entropy(x, T, weight=w).backward()
    assert w.grad is not None


def test_weights_keep_the_scores_dtype():
    x = RNG.normal(size=(6, 3)).astype(np.float32)
    for weight in (WEIGHT, [1, 2, 3], np.array([True, False, True]), (0.5, 0.5, 0.1)):
        v = Variable(x)
        y = F.softmax_cross_entropy(v, T, weight=weight)
        y.backward()
        assert y.dtype == v.grad.dtype == np.float32
    assert F.softmax_cross_entropy(x.astype(np.float16), T, weight=WEIGHT).dtype == np.float16
    assert F.softmax_cross_entropy((x * 10).astype(int), T, weight=WEIGHT).dtype == np.float64


@pytest.mark.parametrize(("options", "error", "match"), [
    ({"weight": [1.0, 2.0]}, ValueError, r"weight of shape \(2,\).*\(6, 3\).*3 classes"),
    ({"weight": WEIGHT * 1j}, TypeError, "weight of dtype complex128"),
    ({"weight": 1.0}, ValueError, r"weight of shape \(\)"),
    ({"weight": [0, 0, 0]}, ValueError, "add up to 0.*reduction='sum'"),
    ({"ignore_label": 1.0}, TypeError, r"ignore_label 1\.0"),
    ({"ignore_label": True}, TypeError, "ignore_label True"),
    ({"label_smoothing": -0.1}, ValueError, r"label_smoothing -0\.1.*from 0 to 1"),
    ({"label_smoothing": 1.5}, ValueError, r"label_smoothing 1\.5"),
    ({"label_smoothing": float("nan")}, ValueError, "label_smoothing nan"),
    ({"label_smoothing": None}, TypeError, "label_smoothing None"),
    ({"label_smoothing": True}, TypeError, "label_smoothing True"),
    ({"reduction": "avg", "weight": WEIGHT}, ValueError, "reduction 'avg'"),
])
def test_choices_that_do_not_fit(options, error, match):
    with pytest.raises(error, match=f"softmax_cross_entropy: .*{match}"):
        F.softmax_cross_entropy(np.zeros((6, 3)), T, **options)


@pytest.mark.parametrize(("t", "error", "match"), [
    ([0, 3], IndexError, r"label 3 .*\(2, 3\)"), ([0.0, 1.0], TypeError, "float64"), ([0, 1, 2], ValueError, r"\(3,\).*\(2, 3\)"),
    (np.eye(3, dtype=int)[:2], ValueError, "argmax"),
])
@reductions
def test_labels_that_do_not_fit_beside_an_ignored_one(t, error, match, reduction):
    with pytest.raises(error, match=f"softmax_cross_entropy.*{match}"):
        F.softmax_cross_entropy(np.zeros((2, 3)), t, ignore_label=1, reduction=reduction)


@pytest.mark.parametrize("f", [F.softmax, F.log_softmax])
def test_a_constant_gets_no_gradient(f):
    w = Variable(np.ones((2, 3)))
    y = f(np.arange(6.0).reshape(2, 3))
    F.sum(y * w).backward()
    assert y.creator.inputs[0].grad is None
    assert w.grad is not None


@pytest.mark.parametrize("make", [F.Softmax, F.LogSoftmax])
def test_the_class_says_which_axis_is_not_there(make):
    with pytest.raises(np.exceptions.AxisError, match=r"axis 1 is not one of the 1 axes of shape \(3,\)"):
        make()(Variable(np.ones(3)))
