"""Max pooling and average pooling.

Values against NumPy's window by window, gradients by finite differences at orders 1 to 3 and in both ways backwards,
ties, padding, nan, every dtype, empty batches, and errors that say what to do.
"""

import copy
import pickle

import numpy as np
import pytest
from orders import check_orders

import dezero_c.functions as F
import dezero_c.functions_conv as FC
from dezero_c import Variable, no_grad

RNG = np.random.default_rng(11)

# name: (N, C, H, W), kernel, stride, pad
CASES = {
    "quarters": ((2, 3, 6, 8), 2, 2, 0),
    "quarters_odd": ((2, 2, 7, 5), 2, 2, 0),
    "quarters_wide": ((1, 2, 4, 70), 2, 2, 0),
    "overlapping": ((2, 2, 7, 6), 3, 2, 1),
    "dense": ((1, 2, 5, 20), 3, 1, 1),
    "oblong": ((2, 2, 6, 7), (3, 2), (1, 2), (1, 0)),
    "gaps": ((1, 2, 9, 11), (2, 1), (3, 4), (1, 0)),
    "whole": ((3, 4, 7, 7), 7, 1, 0),
    "large": ((1, 2, 8, 8), (6, 5), 2, (3, 2)),
    "tall_image": ((1, 1, 1500, 2), (3, 1), 1, (1, 0)),
    "single": ((2, 1, 3, 3), 1, 1, 0),
}
cases = pytest.mark.parametrize("name", CASES)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64])
functions = pytest.mark.parametrize("f", [FC.pooling, FC.average_pooling])


def array(name, dtype=np.float64):
    """Distinct values, all negative where the dtype has them, far enough apart for finite differences."""
    shape = CASES[name][0]
    values = RNG.permutation(int(np.prod(shape))).reshape(shape)
    kind = np.dtype(dtype).kind
    return (values if kind in "ui" else -0.01 * (values + 1)).astype(dtype)


def windows(name, x, fill):
    """(N, C, OH, OW, KH * KW)"""
    _, kernel, stride, pad = CASES[name]
    (kh, kw), (sh, sw), (ph, pw) = FC.pair(kernel), FC.pair(stride), FC.pair(pad)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=fill)
    w = np.lib.stride_tricks.sliding_window_view(x, (kh, kw), (2, 3))[:, :, ::sh, ::sw]
    return w.reshape(*w.shape[:4], kh * kw)


def gradient(f, name, x, seed=None, create_graph=False):
    v = Variable(x)
    y = f(v, *CASES[name][1:])
    if seed is not None:
        y.grad = Variable(seed)
    y.backward(create_graph=create_graph)
    return v.grad


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32, np.uint8, np.longdouble])
def test_maxima(name, dtype):
    x = array(name, np.int64).astype(dtype) if dtype == np.uint8 else array(name, dtype)
    if dtype == np.float16:
        x = RNG.permutation(1000)[np.arange(x.size) % 1000].reshape(x.shape).astype(dtype)
    y = FC.pooling(Variable(x), *CASES[name][1:])
    least = np.iinfo(dtype).min if np.dtype(dtype).kind in "ui" else -np.inf
    assert y.dtype == dtype
    np.testing.assert_array_equal(y.data, windows(name, x, least).max(-1))
    if dtype != np.uint8:
        np.testing.assert_array_equal(y.creator.indexes, windows(name, x, least).argmax(-1))


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32, bool, np.longdouble])
def test_means(name, dtype):
    x = array(name, np.float64).astype(dtype) if dtype is bool else array(name, dtype)
    y = FC.average_pooling(x, *CASES[name][1:])
    expected = windows(name, x, 0).mean(-1)
    assert y.dtype == expected.dtype == (dtype if np.dtype(dtype).kind == "f" else np.float64)
    eps = np.finfo(y.dtype).eps
    np.testing.assert_allclose(y.data, expected, rtol=20 * eps, atol=20 * eps)


def expected_gradient(name, x, seed, mean):
    """By windows of the pixels' numbers."""
    numbers = windows(name, np.arange(x.size, dtype=float).reshape(x.shape), -1).astype(int)
    gx = np.zeros(x.size + 1)       # the last is for padding
    if mean:
        np.add.at(gx, numbers, np.broadcast_to(seed[..., None] / numbers.shape[-1], numbers.shape))
    else:
        best = windows(name, x, -np.inf).argmax(-1)[..., None]
        np.add.at(gx, np.take_along_axis(numbers, best, -1)[..., 0], seed)
    return gx[:-1].reshape(x.shape)


@cases
@dtypes
@functions
def test_both_ways_backwards(name, dtype, f):
    x = array(name, dtype)
    seed = RNG.standard_normal(f(x, *CASES[name][1:]).shape).astype(dtype)
    expected = expected_gradient(name, x, seed, f is FC.average_pooling)
    for create_graph in (False, True):
        for s in (seed, np.asfortranarray(seed)):
            gx = gradient(f, name, x, s, create_graph)
            assert gx.dtype == dtype
            np.testing.assert_allclose(gx.data, expected, rtol=1e-5, atol=1e-5)
    gx = gradient(f, name, x.astype(np.longdouble), seed.astype(np.longdouble))
    np.testing.assert_allclose(gx.data.astype(float), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", [n for n in CASES if n != "tall_image"])
@functions
def test_three_orders(name, f):
    x = array(name)
    d, probe = RNG.standard_normal((2, *x.shape))

    def along(order, last, a):
        v = Variable(a)
        z = F.sum(f(v, *CASES[name][1:]) ** 3)
        for k in range(order):
            v.cleargrad()
            z.backward(create_graph=k < order - 1 or last)
            if k < order - 1:
                z = F.sum(v.grad * d)
        return float(z.data), v.grad.data

    eps = 1e-5
    for order in (1, 2, 3):
        up, down = along(order, False, x + eps * probe)[0], along(order, False, x - eps * probe)[0]
        for last in (False, True):
            slope = (along(order, last, x)[1] * probe).sum()
            np.testing.assert_allclose(slope, (up - down) / (2 * eps), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.longdouble])
@pytest.mark.parametrize("name", ["quarters", "dense", "overlapping", "whole"])
def test_ties_give_the_first_the_gradient(name, dtype):
    x = np.zeros(CASES[name][0], dtype)
    y = FC.pooling(Variable(x), *CASES[name][1:])
    inside = windows(name, np.ones(x.shape), 0)
    np.testing.assert_array_equal(y.creator.indexes, inside.argmax(-1))
    gx = gradient(FC.pooling, name, x)
    assert gx.dtype == dtype
    assert gx.data.sum() == y.size
    np.testing.assert_array_equal(gx.data, expected_gradient(name, x.astype(float), np.ones(y.shape), False))


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.longdouble])
@cases
def test_nan_and_infinities(name, dtype):
    x = array(name, dtype)
    x[RNG.random(x.shape) < 0.2] = np.nan
    x[:, 0][RNG.random(x[:, 0].shape) < 0.5] = -np.inf
    y = FC.pooling(Variable(x), *CASES[name][1:])
    w = windows(name, x, -np.inf)
    np.testing.assert_array_equal(y.data, w.max(-1))
    real = windows(name, np.ones(x.shape), 0) > 0
    only = (w == -np.inf).all(-1)
    np.testing.assert_array_equal(y.creator.indexes, np.where(only, real.argmax(-1), w.argmax(-1)))


def test_padding_is_never_the_maximum():
    for dtype in (np.float32, np.int8, np.float16):
        x = np.full((1, 1, 3, 3), -128, dtype)
        np.testing.assert_array_equal(FC.pooling(x, 3, 1, 1).data, x)
        assert gradient(lambda v, *_: FC.pooling(v, 3, 1, 1), "single", x).data.sum() == 9


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
def test_gathering_and_scattering(dtype):
    """Pooling2DWithIndexes takes values where the maxima lie, Pooling2DGrad puts them there."""
    x, other = array("overlapping", dtype), RNG.standard_normal((2, 2, 7, 6)).astype(dtype)
    y = FC.pooling(Variable(x), 3, 2, 1)
    take, put = FC.Pooling2DWithIndexes(y.creator), FC.Pooling2DGrad(y.creator)
    np.testing.assert_array_equal(take(x).data, y.data)
    g = RNG.standard_normal(y.shape).astype(dtype)
    np.testing.assert_allclose((take(other).data * g).sum(), (other * put(g).data).sum(), rtol=1e-5)
    assert take.input_shape == (2, 2, 7, 6)
    assert (take.kernel_size, take.stride, take.pad) == (3, 2, 1)
    v = Variable(other)
    z = take(v)
    z.grad = Variable(g)
    z.backward()
    np.testing.assert_array_equal(v.grad.data, FC.Pooling2DGrad(y.creator)(g).data)
    for f in (take, put):
        again = pickle.loads(pickle.dumps(f))
        a = other if f is take else g
        np.testing.assert_array_equal(again(a).data, f(a).data)


@functions
@pytest.mark.parametrize("dtype", [np.float32, np.int32])
@pytest.mark.parametrize("create_graph", [False, True])
def test_empty(f, dtype, create_graph):
    v = Variable(np.ones((0, 3, 6, 6), dtype))
    y = f(v, 2, 2)
    assert y.shape == (0, 3, 3, 3)
    y.backward(create_graph=create_graph)
    assert v.grad.shape == v.shape


@functions
@cases
def test_strided_input(f, name):
    x = array(name)
    np.testing.assert_array_equal(f(np.asfortranarray(x), *CASES[name][1:]).data, f(x, *CASES[name][1:]).data)
    np.testing.assert_array_equal(f(x.astype(">f8"), *CASES[name][1:]).data, f(x, *CASES[name][1:]).data)


def test_integers():
    x = array("quarters", np.int64)
    gx = gradient(FC.pooling, "quarters", x)
    assert gx.dtype == np.int64
    assert gradient(FC.average_pooling, "quarters", x).dtype == np.float64


@functions
def test_the_incoming_gradient_is_not_changed(f):
    seed = np.full((2, 3, 3, 4), 8.0)
    for create_graph in (False, True):
        gradient(f, "quarters", array("quarters"), seed, create_graph)
        assert (seed == 8).all()


def test_classes_directly():
    x = array("oblong")
    f = FC.Pooling(*CASES["oblong"][1:])
    np.testing.assert_array_equal(f(Variable(x)).data, FC.pooling(x, *CASES["oblong"][1:]).data)
    assert f.indexes.dtype == np.intp
    assert (f.kernel_size, f.stride, f.pad) == CASES["oblong"][1:]
    with no_grad():
        g = FC.Pooling(*CASES["oblong"][1:])
        g(x)
    np.testing.assert_array_equal(f.indexes, g.indexes)
    y = FC.AveragePooling(*CASES["oblong"][1:])(Variable(x))
    np.testing.assert_array_equal(y.data, FC.average_pooling(x, *CASES["oblong"][1:]).data)
    np.testing.assert_array_equal(FC.AveragePoolingGrad(x.shape, *CASES["oblong"][1:])(np.ones(y.shape)).data,
                                  gradient(FC.average_pooling, "oblong", x).data)


@functions
def test_copies_and_pickles(f):
    x = array("overlapping")
    y = f(Variable(x), 3, 2, 1)
    for z in (copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
        for create_graph in (True, False):
            z.creator.inputs[0].cleargrad()
            z.backward(create_graph=create_graph)
            np.testing.assert_array_equal(z.creator.inputs[0].grad.data, gradient(f, "overlapping", x).data)


@pytest.mark.skipif(not hasattr(F, "max"), reason="needs max")
@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_pooling_simple_is_pooling(name, dtype):
    x = array(name, dtype)
    np.testing.assert_array_equal(FC.pooling_simple(x, *CASES[name][1:]).data, FC.pooling(x, *CASES[name][1:]).data)
    assert FC.pooling_simple(x, *CASES[name][1:]).dtype == dtype
    np.testing.assert_array_equal(gradient(FC.pooling_simple, name, x).data, gradient(FC.pooling, name, x).data)


# ---- dilation, ceil_mode, means without the padding

# name: (N, C, H, W), kernel, stride, pad, the options of max pooling, PyTorch's limit on padding kept
DILATED = {
    "dilated": ((2, 2, 9, 8), 3, 1, 0, {"dilation": 2}, True),
    "dilated_oblong": ((1, 2, 7, 11), (3, 2), (2, 1), (1, 0), {"dilation": (2, 3)}, True),
    "dilated_quarters": ((2, 1, 8, 6), 2, 2, 0, {"dilation": 2}, True),
    "dilated_wide": ((1, 2, 9, 9), (3, 4), 2, (2, 3), {"dilation": (3, 2)}, False),
    "ceil": ((2, 2, 6, 7), 3, 2, 1, {"ceil_mode": True}, True),
    "ceil_quarters": ((1, 2, 5, 7), 2, 2, 0, {"ceil_mode": True}, True),
    "ceil_even": ((1, 2, 4, 6), 2, 2, 0, {"ceil_mode": True}, True),
    "ceil_begins_in_the_padding": ((1, 1, 4, 4), 2, 3, 1, {"ceil_mode": True}, True),
    "ceil_large": ((2, 1, 9, 8), (6, 5), 2, (3, 1), {"ceil_mode": True}, True),
    "ceil_larger_than_the_image": ((1, 2, 2, 2), 3, 2, 0, {"ceil_mode": True}, True),
    "ceil_dilated": ((1, 2, 9, 8), (2, 3), (3, 2), (1, 1), {"dilation": 2, "ceil_mode": True}, True),
}
AVERAGED = {name: case[:4] for name, case in DILATED.items() if "dilated" not in name} | {
    "quarters": ((1, 2, 4, 6), 2, 2, 0), "overlapping": ((2, 2, 7, 6), 3, 2, 1), "whole": ((2, 2, 5, 5), 5, 1, 0)}
MEANS = [(name, {"ceil_mode": c, "count_include_pad": p}) for name in AVERAGED for c in (True, False) for p in (True, False)
         if c or name != "ceil_larger_than_the_image"]
dilated = pytest.mark.parametrize("name", DILATED)
means = pytest.mark.parametrize(("name", "options"), MEANS, ids=lambda o: o if isinstance(o, str) else "-".join(
    k for k, chosen in o.items() if chosen) or "neither")


def axis_places(size, k, s, p, d, ceil):
    """The pixels of each window along an axis, those outside of the image too."""
    found, start, end = [], -p, size + p
    while start + d * (k - 1) < end or (ceil and start < size and start - s + d * (k - 1) < end - 1):
        found.append([start + i * d for i in range(k)])
        start += s
    return found


def each_window(shape, kernel, stride, pad, dilation=1, ceil_mode=False):
    """Of each window the place, its pixels in the image, and how many of its places lie in the image and its padding."""
    parameters = map(FC.pair, (kernel, stride, pad, dilation))
    axes = [axis_places(*sizes, ceil_mode) for sizes in zip(shape[2:], *parameters, strict=True)]
    (ph, pw), (h, w) = FC.pair(pad), shape[2:]
    for i, rows in enumerate(axes[0]):
        for j, cols in enumerate(axes[1]):
            inside = [(a, b) for a in rows for b in cols if 0 <= a < h and 0 <= b < w]
            yield (i, j), tuple(np.transpose(inside)), sum(a < h + ph for a in rows) * sum(b < w + pw for b in cols)


def output_of(shape, windows):
    return np.zeros((*shape[:2], *(np.array([place for place, *_ in windows]).max(axis=0) + 1)))


def distinct(name, dtype=np.float64):
    shape = DILATED[name][0]
    return (-0.01 * (1 + RNG.permutation(int(np.prod(shape)))).reshape(shape)).astype(dtype)


@dilated
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32, np.longdouble])
def test_maxima_of_dilated_windows(name, dtype):
    shape, kernel, stride, pad, options, _ = DILATED[name]
    x = (distinct(name) * (-100 if dtype == np.int32 else 1)).astype(dtype)
    found = list(each_window(shape, kernel, stride, pad, **options))
    expected = output_of(shape, found).astype(dtype)
    numbers = expected.astype(int)
    kw = FC.pair(kernel)[1]
    (sh, sw), (ph, pw), (dh, dw) = map(FC.pair, (stride, pad, options.get("dilation", 1)))
    for (i, j), inside, _ in found:
        values = x[:, :, *inside]
        expected[:, :, i, j] = values.max(-1)
        rows, cols = (pixels[values.argmax(-1)] for pixels in inside)
        numbers[:, :, i, j] = (rows - i * sh + ph) // dh * kw + (cols - j * sw + pw) // dw
    for a in (x, np.asfortranarray(x)):
        y = FC.pooling(Variable(a), kernel, stride, pad, **options)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y.data, expected)
        np.testing.assert_array_equal(y.creator.indexes, numbers)
    np.testing.assert_array_equal(FC.pooling_simple(x, kernel, stride, pad, **options).data, expected)
    with_nan = x.copy()
    if np.dtype(dtype).kind == "f":
        with_nan[:, :, 1, 1] = np.nan
        for (i, j), inside, _ in found:
            expected[:, :, i, j] = with_nan[:, :, *inside].max(-1)
        np.testing.assert_array_equal(FC.pooling(with_nan, kernel, stride, pad, **options).data, expected)


@dilated
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.longdouble])
@pytest.mark.parametrize("create_graph", [False, True])
def test_gradients_of_dilated_windows(name, dtype, create_graph):
    shape, kernel, stride, pad, options, _ = DILATED[name]
    x = distinct(name, dtype)
    y = FC.pooling(Variable(x), kernel, stride, pad, **options)
    seed = RNG.standard_normal(y.shape).astype(dtype)
    expected = np.zeros(shape)
    for (i, j), inside, _ in each_window(shape, kernel, stride, pad, **options):
        best = x[:, :, *inside].argmax(-1)
        for n, c in np.ndindex(*shape[:2]):
            expected[n, c, inside[0][best[n, c]], inside[1][best[n, c]]] += seed[n, c, i, j]
    again, v = pickle.loads(pickle.dumps(y)), Variable(x)
    simple = FC.pooling_simple(v, kernel, stride, pad, **options)
    for z, leaf in ((y, y.creator.inputs[0]), (again, again.creator.inputs[0]), (simple, v)):
        z.grad = Variable(seed)
        z.backward(create_graph=create_graph)
        assert leaf.grad.dtype == dtype
        np.testing.assert_allclose(leaf.grad.data.astype(float), expected, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(FC.Pooling2DWithIndexes(y.creator)(x).data, y.data)


@dilated
def test_three_orders_of_dilated_windows(name):
    _, kernel, stride, pad, options, _ = DILATED[name]
    for f in (FC.pooling, FC.pooling_simple):
        check_orders(lambda x, f=f: F.sum(f(x, kernel, stride, pad, **options) ** 3), [distinct(name)])


@dilated
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_dilated_windows_are_torchs(name, dtype):
    torch = pytest.importorskip("torch")
    _, kernel, stride, pad, options, possible = DILATED[name]
    if not possible:
        pytest.skip("PyTorch wants less padding")
    x = distinct(name, dtype)
    v, w = Variable(x), torch.tensor(x, requires_grad=True)
    y, z = FC.pooling(v, kernel, stride, pad, **options), torch.nn.functional.max_pool2d(w, kernel, stride, pad, **options)
    np.testing.assert_array_equal(y.data, z.detach().numpy())
    seed = RNG.standard_normal(y.shape).astype(dtype)
    y.grad = Variable(seed)
    y.backward()
    z.backward(torch.tensor(seed))
    np.testing.assert_allclose(v.grad.data, w.grad.numpy(), rtol=1e-5, atol=1e-6)


@means
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int32, np.longdouble])
def test_means_of_windows_cut_off(name, options, dtype):
    shape, kernel, stride, pad = AVERAGED[name]
    x = RNG.integers(-50, 50, shape).astype(dtype)
    found = list(each_window(shape, kernel, stride, pad, 1, options["ceil_mode"]))
    expected = output_of(shape, found)
    for (i, j), inside, count in found:
        expected[:, :, i, j] = x[:, :, *inside].sum(-1, dtype=float) / (count if options["count_include_pad"] else len(inside[0]))
    y = FC.average_pooling(x, kernel, stride, pad, **options)
    assert y.dtype == (np.float64 if dtype == np.int32 else dtype)
    np.testing.assert_allclose(y.data.astype(float), expected, rtol=2 * np.finfo(y.dtype).eps + 1e-15, atol=1e-15)
    np.testing.assert_array_equal(FC.average_pooling(np.asfortranarray(x), kernel, stride, pad, **options).data, y.data)


@means
def test_three_orders_of_means_of_windows_cut_off(name, options):
    shape, kernel, stride, pad = AVERAGED[name]
    x = RNG.standard_normal(shape)
    check_orders(lambda x: F.sum(FC.average_pooling(x, kernel, stride, pad, **options) ** 3), [x])
    y = FC.average_pooling(Variable(x.astype(np.longdouble)), kernel, stride, pad, **options)
    v = Variable(x)
    z = pickle.loads(pickle.dumps(FC.average_pooling(v, kernel, stride, pad, **options)))
    seed = RNG.standard_normal(y.shape)
    for u in (y, z):
        u.grad = Variable(seed.astype(u.dtype))
        u.backward()
    np.testing.assert_allclose(y.creator.inputs[0].grad.data.astype(float), z.creator.inputs[0].grad.data, rtol=1e-12, atol=1e-14)


@means
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("create_graph", [False, True])
def test_means_of_windows_cut_off_are_torchs(name, options, dtype, create_graph):
    torch = pytest.importorskip("torch")
    shape, kernel, stride, pad = AVERAGED[name]
    x = RNG.standard_normal(shape).astype(dtype)
    v, w = Variable(x), torch.tensor(x, requires_grad=True)
    y = FC.average_pooling(v, kernel, stride, pad, **options)
    z = torch.nn.functional.avg_pool2d(w, kernel, stride, pad, **options)
    tolerance = {"rtol": 1e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-14}
    np.testing.assert_allclose(y.data, z.detach().numpy(), **tolerance)
    seed = RNG.standard_normal(y.shape).astype(dtype)
    y.grad = Variable(seed)
    y.backward(create_graph=create_graph)
    z.backward(torch.tensor(seed))
    np.testing.assert_allclose(v.grad.data, w.grad.numpy(), **tolerance)
    assert v.grad.dtype == dtype


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_empty_batches_of_windows_cut_off(dtype):
    x = np.ones((0, 2, 5, 5), dtype)
    for y, size in ((FC.pooling(Variable(x), 2, 2, 0, 2, True), (2, 2)),
                    (FC.average_pooling(Variable(x), 2, 2, 0, True, False), (3, 3))):
        assert y.shape == (0, 2, *size)
        y.backward()
        assert y.creator.inputs[0].grad.shape == x.shape


def test_options_are_attributes():
    f = FC.Pooling(2, 2, 0, 3, 1)
    assert (f.dilation, f.ceil_mode) == (3, True)
    x = np.ones((1, 1, 9, 9))
    f(Variable(x))
    assert (FC.Pooling2DGrad(f).dilation, FC.Pooling2DGrad(f).ceil_mode) == (3, True)
    g = FC.AveragePooling(2, 2, 0, True, False)
    assert (g.ceil_mode, g.count_include_pad) == (True, False)
    g = FC.AveragePooling(2)
    assert (g.ceil_mode, g.count_include_pad) == (False, True)


# ---- errors

X = np.ones((2, 3, 5, 5))
Y = FC.pooling(Variable(X), 2)


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda: FC.pooling(X[0], 2), ValueError, ["pooling", r"\(3, 5, 5\)", "4 axes"]),
    (lambda: FC.pooling(X, 6), ValueError, [r"\(6, 6\)", "does not fit", r"\(5, 5\)"]),
    (lambda: FC.pooling(X, 0), ValueError, ["kernel size 0", "at least 1"]),
    (lambda: FC.pooling(X, 2, 0), ValueError, ["stride 0", "at least 1"]),
    (lambda: FC.pooling(X, 2, 1, -1), ValueError, ["pad -1", "at least 0"]),
    (lambda: FC.pooling(X, 2, 1, 2), ValueError, ["pad 2", "nothing but padding"]),
    (lambda: FC.pooling(np.ones((1, 1, 0, 3)), 2, 1, 1), ValueError, ["nothing but padding", r"\(0, 3\)"]),
    (lambda: FC.pooling(X, 2.0), TypeError, ["kernel size 2.0"]),
    (lambda: FC.pooling(X, 2, (1, 2, 3)), TypeError, ["stride"]),
    (lambda: FC.pooling(Variable(None), 2), TypeError, ["pooling", "no data"]),
    (lambda: FC.pooling(X, 2, 1, 0, 0), ValueError, ["dilation 0", "at least 1"]),
    (lambda: FC.pooling(X, 3, 1, 0, 3), ValueError, ["dilation", "does not fit"]),
    (lambda: FC.pooling(X, 6, 1, 0, 1, True), ValueError, ["does not fit"]),
    (lambda: FC.pooling(X[:, :, :1], (2, 1), 1, (2, 0), (3, 1)), ValueError, ["nothing but padding", r"dilation \(3, 1\)"]),
    (lambda: FC.average_pooling(X, 2, 1, 2, False, False), ValueError, ["average_pooling", "nothing but padding", "no mean"]),
    (lambda: FC.average_pooling(X, 2, 3, 2, True), ValueError, ["average_pooling", "nothing but padding"]),
    (lambda: FC.average_pooling(X, (2, 6)), ValueError, ["average_pooling", "does not fit"]),
    (lambda: FC.average_pooling(X, 2, -1), ValueError, ["average_pooling", "stride -1"]),
    (lambda: FC.pooling_simple(X, 2, 1, 2), ValueError, ["pooling_simple", "nothing but padding"]),
    (lambda: FC.Pooling(2).indexes, ValueError, ["not been called"]),
    (lambda: FC.Pooling2DGrad(FC.Pooling(2)), ValueError, ["not been called"]),
    (lambda: FC.Pooling2DGrad(3), TypeError, ["int is no Pooling"]),
    (lambda: FC.Pooling2DGrad(Y.creator)(X), ValueError, [r"\(2, 3, 5, 5\)", r"\(2, 3, 4, 4\)"]),
    (lambda: FC.Pooling2DWithIndexes(Y.creator)(X[:1]), ValueError, [r"\(1, 3, 5, 5\)"]),
    (lambda: FC.AveragePoolingGrad((2, 3, 5, 5), 2)(X), ValueError, [r"\(2, 3, 5, 5\)", r"\(2, 3, 4, 4\)"]),
    (lambda: FC.Pooling.__new__(FC.Pooling)(X), TypeError, ["kernel size"]),
    (lambda: FC.Pooling2DGrad.__new__(FC.Pooling2DGrad)(X), TypeError, ["Pooling2DGrad"]),
])
def test_errors(call, error, words):
    with pytest.raises(error) as info:
        call()
    for word in words:
        info.match(word)


@pytest.mark.parametrize("f", [FC.Pooling(2), FC.AveragePooling(2)])
def test_backward_by_hand_before_the_call(f):
    with pytest.raises(ValueError, match="backward: the function lacks inputs"):
        f.backward(Variable(X))


def test_places_outside_the_plane_are_left_out():
    """What comes from a pickle may be anything, and must not be followed."""
    at = np.array([[[[-5, 3], [4, 1 << 30]]]], np.int32)
    for dtype in (np.float32, np.int64):
        gx = FC.Pooling2DGrad(at, (1, 1, 4, 4), 2, 2)(np.ones((1, 1, 2, 2), dtype))
        assert np.flatnonzero(gx.data).tolist() == [3, 4]
        y = FC.Pooling2DWithIndexes(at, (1, 1, 4, 4), 2, 2)(np.arange(16).reshape(1, 1, 4, 4).astype(dtype))
        assert y.data.ravel().tolist() == [0, 3, 4, 0]


@functions
def test_data_rebound_to_another_shape(f):
    x = Variable(X.copy())
    for create_graph in (False, True):
        y = f(x, 2)
        x.data = np.ones((2, 3, 9, 9))
        with pytest.raises(ValueError, match="fit"):
            y.backward(create_graph=create_graph)
        x.data = X.copy()
