"""Losses and accuracy: what the records of test_functions.py do not say."""

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable
from dezero_c.utils import gradgradient_check, gradient_check

RNG = np.random.default_rng(10)
LOSSES = [F.mean_squared_error, F.mean_squared_error_simple, F.mean_absolute_error, F.huber]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("target", [np.int64, np.bool_, np.float32])
def test_integer_targets_leave_float32(loss, target):
    x = Variable(RNG.normal(size=(4, 3)).astype(np.float32))
    t = RNG.integers(0, 2, (4, 3)).astype(target)
    y = loss(x, t)
    assert y.dtype == np.float32
    y.backward()
    assert x.grad.dtype == np.float32


@pytest.mark.parametrize("loss", LOSSES)
def test_shapes_that_broadcast_give_gradients_in_the_shapes_of_the_inputs(loss):
    x, t = Variable(RNG.normal(size=(4, 3))), Variable(RNG.normal(size=(3,)))
    with pytest.warns(UserWarning, match=r"\(4, 3\) and \(3,\) differ and are broadcast"):
        loss(x, t).backward()
    assert x.grad.shape == (4, 3)
    assert t.grad.shape == (3,)
    assert np.allclose(t.grad.data, -x.grad.data.sum(axis=0))


@pytest.mark.parametrize("loss", LOSSES)
def test_bad_shapes(loss):
    with pytest.raises(ValueError, match=rf"{loss.__name__}.*\(4, 3\).*\(5,\)"):
        loss(np.zeros((4, 3)), np.zeros(5))
    with pytest.raises(ValueError, match=rf"{loss.__name__}.*\(0, 3\).*empty"):
        loss(np.zeros((0, 3)), np.zeros((0, 3)))


def test_mean_squared_error_divides_by_the_first_axis():
    assert F.mean_squared_error(np.ones((2, 5)), np.zeros((2, 5))).data == 5.0
    assert F.mean_squared_error(np.array(3.0), np.array(1.0)).data == 4.0
    x = Variable(np.arange(6.0).reshape(2, 3))
    F.mean_squared_error(x, np.zeros((2, 3))).backward()
    assert np.array_equal(x.grad.data, x.data)


def test_only_one_input_wants_a_gradient():
    for constant_first in (False, True):
        x, t = Variable(RNG.normal(size=(3, 2))), RNG.normal(size=(3, 2))
        (F.mean_squared_error(t, x) if constant_first else F.mean_squared_error(x, t)).backward()
        assert np.allclose(x.grad.data, (x.data - t) * 2 / 3)


def test_large_scores_are_finite():
    x = Variable(np.array([[1000.0], [-1000.0], [0.0]]))
    t = np.array([[0], [1], [1]])
    y = F.sigmoid_cross_entropy(x, t)
    assert np.isclose(y.data, (2000 + np.log(2)) / 3)
    y.backward()
    assert np.allclose(x.grad.data, np.array([[1.0], [-1.0], [-0.5]]) / 3)


def test_targets_are_reshaped_as_in_dezero():
    x = RNG.normal(size=(4, 1))
    t = np.array([0, 1, 1, 0])
    p = 1 / (1 + np.exp(-x[:, 0]))
    want = -(t * np.log(p) + (1 - t) * np.log(1 - p)).mean()
    assert np.isclose(F.sigmoid_cross_entropy(x, t).data, want)
    assert np.isclose(F.binary_cross_entropy(p[:, None], t).data, want)


def test_binary_cross_entropy_cuts_off_where_dezero_does():
    assert F.binary_cross_entropy(np.array([1.0]), np.array([0.0])).data == pytest.approx(-np.log(1 - 0.999))
    assert F.binary_cross_entropy(np.array([0.0]), np.array([1.0])).data == pytest.approx(-np.log(1e-15))


def test_accuracy():
    y = np.array([[0.2, 0.8, 0.0], [0.1, 0.9, 0.0], [0.8, 0.1, 0.1]])
    for t in (np.array([1, 2, 0]), Variable(np.array([1, 2, 0])), [1, 2, 0], np.array([[1], [2], [0]])):
        result = F.accuracy(Variable(y), t)
        assert result.data == 2 / 3
        assert result.creator is None
    with pytest.raises(ValueError, match=r"accuracy.*\(2,\).*\(3, 3\)"):
        F.accuracy(y, [1, 2])
    with pytest.raises(ValueError, match=r"accuracy.*argmax"):
        F.accuracy(y, np.eye(3))
    with pytest.raises(ValueError, match=r"accuracy.*\(3,\)"):
        F.accuracy(y[0], [1, 2, 0])


def test_huber_delta():
    with pytest.raises(ValueError, match=r"huber.*delta"):
        F.huber(np.ones(3), np.ones(3), 0.0)
    d = np.array([-3.0, -0.5, 0.0, 2.0])
    assert F.huber(d, np.zeros(4), 1.0).data == pytest.approx((2.5 + 0.125 + 0 + 1.5) / 4)


# ---- reductions ---------------------------------------------------------------------------------------------------

BINARY = RNG.integers(0, 2, (4, 3))
CLASSES = np.array([2, 0, 1, 2])


def softplus(x):
    return np.log1p(np.exp(x))


def entropy(x):
    return np.log(np.exp(x).sum(1)) - x[np.arange(4), CLASSES]


# name: function of (x, reduction), of an ndarray what each element loses, "mean" over the first axis alone, PyTorch's of (x, t)
REDUCED = {
    "mean_squared_error": (lambda x, **r: F.mean_squared_error(x, BINARY, **r), lambda x: (x - BINARY) ** 2, True, "mse_loss"),
    "mean_absolute_error": (lambda x, **r: F.mean_absolute_error(x, BINARY, **r), lambda x: abs(x - BINARY), False, "l1_loss"),
    "huber": (lambda x, **r: F.huber(x, BINARY, **r),
              lambda x: np.where(abs(x - BINARY) < 1, (x - BINARY) ** 2 / 2, abs(x - BINARY) - 0.5), False, "huber_loss"),
    "sigmoid_cross_entropy": (lambda x, **r: F.sigmoid_cross_entropy(x, BINARY, **r), lambda x: softplus(x) - x * BINARY, True,
                              "binary_cross_entropy_with_logits"),
    "binary_cross_entropy": (lambda x, **r: F.binary_cross_entropy(x, BINARY, **r),
                             lambda x: -np.log(np.where(BINARY == 1, x, 1 - x)), True, "binary_cross_entropy"),
    "softmax_cross_entropy": (lambda x, **r: F.softmax_cross_entropy(x, CLASSES, **r), entropy, True, "cross_entropy"),
}
reduced = pytest.mark.parametrize("name", REDUCED)


def scores(name, dtype=np.float64):
    """Away from the kinks at t, t - 1 and t + 1."""
    x = RNG.uniform(0.1, 0.9, (4, 3)) + (0 if name == "binary_cross_entropy" else RNG.integers(-2, 2, (4, 3)))
    return x.astype(dtype)


@reduced
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_reductions(name, dtype):
    f, each, by_rows, _ = REDUCED[name]
    x = scores(name, dtype)
    losses = each(x.astype(float))
    mean = losses.sum() / 4 if by_rows else losses.mean()
    for a in (x, np.asfortranarray(x), np.repeat(x, 2, axis=1)[:, ::2]):
        for reduction, expected in (("none", losses), ("sum", losses.sum()), ("mean", mean)):
            y = f(Variable(a), reduction=reduction)
            assert y.dtype == dtype
            assert y.shape == np.shape(expected)
            np.testing.assert_allclose(y.data, expected, rtol=1e-5 if dtype == np.float32 else 1e-12)
    assert f(x, reduction="mean").data == f(x).data


@reduced
@pytest.mark.parametrize("reduction", ["none", "sum"])
def test_reductions_at_two_orders(name, reduction):
    x = scores(name)
    assert gradient_check(lambda x: REDUCED[name][0](x, reduction=reduction), x)
    assert gradgradient_check(lambda x: REDUCED[name][0](x, reduction=reduction), x)


@reduced
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("reduction", ["none", "sum"])
@pytest.mark.parametrize("create_graph", [False, True])
def test_reductions_are_torchs(name, dtype, reduction, create_graph):
    torch = pytest.importorskip("torch")
    f, theirs = REDUCED[name][0], getattr(torch.nn.functional, REDUCED[name][3])
    x = scores(name, dtype)
    v, w = Variable(x), torch.tensor(x, requires_grad=True)
    y = f(v, reduction=reduction)
    z = theirs(w, torch.tensor(CLASSES if name == "softmax_cross_entropy" else BINARY.astype(dtype)), reduction=reduction)
    seed = RNG.standard_normal(y.shape).astype(dtype)
    y.grad = Variable(seed)
    y.backward(create_graph=create_graph)
    z.backward(torch.tensor(seed))
    tolerance = {"rtol": 2e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-14}
    np.testing.assert_allclose(y.data, z.detach().numpy(), **tolerance)
    np.testing.assert_allclose(v.grad.data, w.grad.numpy(), **tolerance)
    assert v.grad.dtype == dtype


EMPTY = {
    "mean_squared_error": lambda **r: F.mean_squared_error(np.zeros((0, 3)), np.zeros((0, 3)), **r),
    "mean_absolute_error": lambda **r: F.mean_absolute_error(np.zeros((0, 3)), np.zeros((0, 3)), **r),
    "huber": lambda **r: F.huber(np.zeros((0, 3)), np.zeros((0, 3)), **r),
    "sigmoid_cross_entropy": lambda **r: F.sigmoid_cross_entropy(np.zeros((0, 3)), np.zeros((0, 3)), **r),
    "binary_cross_entropy": lambda **r: F.binary_cross_entropy(np.zeros((0, 3)), np.zeros((0, 3)), **r),
    "softmax_cross_entropy": lambda **r: F.softmax_cross_entropy(np.zeros((0, 3)), np.zeros(0, int), **r),
}


@reduced
def test_no_losses_have_a_sum_but_no_mean(name):
    assert EMPTY[name](reduction="sum").data == 0
    assert EMPTY[name](reduction="none").size == 0
    with pytest.raises(ValueError, match=rf"{name}.*\(0, 3\).*empty"):
        EMPTY[name]()


@reduced
@pytest.mark.parametrize("reduction", ["average", None, 1, ("mean",)])
def test_other_reductions(name, reduction):
    with pytest.raises(ValueError, match=rf"{name}: reduction .* must be 'mean', 'sum' or 'none'"):
        REDUCED[name][0](scores(name), reduction=reduction)


def test_single_numbers_have_reductions():
    for reduction in ("mean", "sum", "none"):
        y = F.mean_squared_error(np.array(3.0), np.array(1.0), reduction=reduction)
        assert y.shape == ()
        assert y.data == 4


def test_reductions_of_integers_and_half_floats():
    for reduction in ("sum", "none"):
        assert F.mean_squared_error([3, 1], [1, 1], reduction=reduction).dtype == np.float64
        assert F.huber(np.ones(2, np.float16), [0, 1], reduction=reduction).dtype == np.float16
        assert F.softmax_cross_entropy(np.ones((2, 3), np.float16), [0, 2], reduction=reduction).dtype == np.float16
        assert F.softmax_cross_entropy(np.ones((2, 3), int), [0, 2], reduction=reduction).dtype == np.float64


N = 70000                                           # more than float16 holds
HALVES = {
    "mean_squared_error": (F.mean_squared_error, 0.5, 0.0), "mean_squared_error_simple": (F.mean_squared_error_simple, 0.5, 0.0),
    "mean_absolute_error": (F.mean_absolute_error, 0.5, 0.0), "huber": (F.huber, 0.5, 0.0),
    "sigmoid_cross_entropy": (F.sigmoid_cross_entropy, 6.0, 1.0), "binary_cross_entropy": (F.binary_cross_entropy, 0.75, 1.0),
    "integers": (F.sigmoid_cross_entropy, 6.0, 1), "softmax_cross_entropy": (F.softmax_cross_entropy, [6.0, 0.0], 0),
    "label_smoothing": (lambda x, t: F.softmax_cross_entropy(x, t, label_smoothing=0.1), [6.0, 0.0], 0),
    "weight": (lambda x, t: F.softmax_cross_entropy(x, t, weight=np.ones(2)), [6.0, 0.0], 0),
    "MeanSquaredError": (lambda x, t: F.MeanSquaredError()(x, t), 0.5, 0.0),
    "SoftmaxCrossEntropy": (lambda x, t: F.SoftmaxCrossEntropy()(x, t), [6.0, 0.0], 0),
}


@pytest.mark.parametrize("name", HALVES)
def test_losses_of_float16_are_rounded_once(name):
    f, number, target = HALVES[name]
    shape = np.shape(number)
    t = np.full(N, target) if isinstance(target, int) else np.full(N, target, np.float16)

    def run(dtype):
        x = Variable(np.ascontiguousarray(np.broadcast_to(np.array(number, dtype), (N, *shape))))
        y = f(x, t if t.dtype.kind == "i" else t.astype(dtype))
        if name[0].isupper():       # the classes' rules compute in float16
            return [y.data]
        y.backward(create_graph=True)
        g = x.grad
        x.cleargrad()
        F.sum(g[:3] * np.array(1000, dtype)).backward()
        return y.data, g.data[:3], np.zeros(1, dtype) if x.grad is None else x.grad.data[:3]

    half, single = run(np.float16), run(np.float32)
    for ours, true in zip(half, single, strict=True):
        assert ours.dtype == np.float16
        np.testing.assert_allclose(ours, true.astype(np.float16), rtol=2e-3, atol=6e-8)


def test_losses_of_float16_beyond_its_range():
    assert F.mean_squared_error(np.full(1000, 20, np.float16), np.zeros(1000, np.float16)).data == 400
    x = Variable(np.zeros(3, np.float16))       # what clip lets through is no 0 in float16
    assert np.isfinite(F.binary_cross_entropy(x, np.ones(3, np.float16)).data)
    y = F.sigmoid_cross_entropy(x, np.ones(3, np.float32))
    assert y.dtype == np.float32
    y.backward()
    assert x.grad.dtype == np.float16
    for reduction in ("none", "sum"):
        assert F.sigmoid_cross_entropy(x, [0, 1, 1], reduction=reduction).dtype == np.float16
    weight = Variable(np.ones(2, np.float32))
    assert F.softmax_cross_entropy(np.ones((2, 2), np.float16), [0, 1], weight=weight).dtype == np.float32


@pytest.mark.parametrize(("labels", "error", "said"), [
    (["0", "2", "1"], TypeError, "labels of dtype <U1 must be integers"),
    ([True, False, True], TypeError, "labels of dtype bool must be integers"),
    ([0, 1.5, np.nan], TypeError, "labels of dtype float64 must be integers"),
    ([0, None, 1], TypeError, "labels of dtype object must be integers"),
    (np.array([0, 1, 2], "M8[s]"), TypeError, r"labels of dtype datetime64\[s\] must be integers"),
    ([0, -1, 2], IndexError, r"label -1 is out of range for y of shape \(3, 3\); the 3 classes are 0 to 2"),
    (np.array([0, 2 ** 64 - 1, 2], np.uint64), IndexError, "label 18446744073709551615 is out of range"),
    (Variable(np.array([0, 3, 2])), IndexError, "label 3 is out of range"),
])
def test_accuracy_of_what_are_no_labels(labels, error, said):
    with pytest.raises(error, match="accuracy: " + said):
        F.accuracy(np.eye(3), labels)


def test_accuracy_of_nan():
    y = np.eye(3)
    assert F.accuracy(y, np.array([[0], [1], [2]], np.uint8)).data == 1
    assert F.accuracy(np.eye(3, dtype=int), [0, 1, 0]).data == 2 / 3
    y[1, 0] = np.nan
    assert np.isnan(F.accuracy(y, [0, 1, 2]).data)
    y[1, 0] = -np.inf
    assert F.accuracy(y, [0, 1, 2]).data == 1
    assert F.accuracy(np.eye(2).reshape(1, 2, 2), [[0, 1]]).data == 1
