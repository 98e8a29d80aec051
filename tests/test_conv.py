"""conv2d, deconv2d, conv1d, conv3d, the gradient of the weights, im2col and col2im.

Values against plain sums over windows, gradients by finite differences at orders 1 to 3, the fused backward against the
graph's, every dtype, empty batches, tiles (large images, many small ones), and errors that say what to do.
"""

import copy
import pickle

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
import dezero_c.functions_conv as FC
from dezero_c import Variable, no_grad

RNG = np.random.default_rng(7)

# name: (N, C, H, W), C_out, kernel, stride, pad, dilation, groups
CASES = {
    "same": ((2, 3, 5, 6), 4, (3, 3), 1, 1, 1, 1),
    "strided": ((2, 2, 7, 6), 3, (3, 2), (2, 1), (1, 0), 1, 1),
    "stride_3": ((1, 2, 8, 8), 2, (2, 2), 3, 1, 1, 1),
    "remainder": ((2, 2, 6, 7), 2, (3, 3), 2, 0, 1, 1),
    "dilated": ((1, 2, 7, 7), 3, (3, 2), 1, 2, (2, 3), 1),
    "groups": ((2, 4, 5, 5), 6, (2, 3), 1, 1, 1, 2),
    "depthwise": ((2, 3, 5, 5), 3, (3, 3), 2, 1, 1, 3),
    "pointwise": ((3, 3, 4, 5), 2, (1, 1), 1, 0, 1, 1),
    "pointwise_one": ((1, 3, 4, 5), 2, (1, 1), 1, 0, 1, 1),
    "padding_only": ((1, 1, 2, 2), 2, (3, 3), 2, 4, 1, 1),
    "one_filter": ((3, 1, 4, 4), 1, (2, 2), 1, 0, 1, 1),
}
cases = pytest.mark.parametrize("name", CASES)


def arrays(name, dtype=np.float64):
    (n, c, h, w), o, kernel, *_, groups = CASES[name]
    shapes = ((n, c, h, w), (o, c // groups, *kernel), (o,))
    whole = np.dtype(dtype).kind == "i"
    return [(RNG.integers(-4, 5, s) if whole else RNG.standard_normal(s)).astype(dtype) for s in shapes]


def naive(x, W, b, stride, pad, dilation, groups):
    """Window by window."""
    (sh, sw), (ph, pw), (dh, dw) = FC.pair(stride), FC.pair(pad), FC.pair(dilation)
    n, _, h, w = x.shape
    o, cg, kh, kw = W.shape
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)))
    oh, ow = (h + 2 * ph - dh * (kh - 1) - 1) // sh + 1, (w + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    y = np.zeros((n, o, oh, ow), np.result_type(x, W))
    for k in range(o):
        first = k // (o // groups) * cg
        for i in range(oh):
            for j in range(ow):
                rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
                cols = slice(j * sw, j * sw + dw * (kw - 1) + 1, dw)
                y[:, k, i, j] = (x[:, first:first + cg, rows, cols] * W[k]).sum((1, 2, 3))
    return y if b is None else y + b.reshape(1, -1, 1, 1)


def conv(name, f=FC.conv2d):
    *_, stride, pad, dilation, groups = CASES[name]
    return lambda x, W, b=None: f(x, W, b, stride, pad, dilation, groups)


def deconv(name):
    (_, _, *size), _, _, stride, pad, dilation, groups = CASES[name]
    return lambda x, W, b=None: FC.deconv2d(x, W, b, stride, pad, tuple(size), dilation, groups)


def close(a, b, scale=1.0):
    eps = max(np.finfo(v.dtype).eps if v.dtype.kind in "fc" else 0 for v in (a, b))
    np.testing.assert_allclose(a, b, rtol=scale * 1e3 * eps, atol=scale * 1e3 * eps)


def gradients(f, xs, seed=None, create_graph=False):
    vs = [Variable(x) for x in xs]
    y = f(*vs)
    if seed is not None:
        y.grad = Variable(seed)
    y.backward(create_graph=create_graph)
    return vs


def check_orders(f, xs, orders=3):
    """Every order of a scalar along fixed directions: against finite differences of the order before."""
    directions = [RNG.standard_normal(x.shape) for x in xs]

    def along(order, last, arrays):
        """The derivatives (order - 1 of them along the directions): a number, and its gradients."""
        vs = [Variable(a) for a in arrays]
        z = f(*vs)
        for k in range(order):
            for v in vs:
                v.cleargrad()
            z.backward(create_graph=k < order - 1 or last)
            if k < order - 1:
                pairs = zip(vs, directions, strict=True)
                z = sum((F.sum(v.grad * d) for v, d in pairs if v.grad is not None), start=0.0)
        return float(z.data), [np.zeros(v.shape) if v.grad is None else v.grad.data for v in vs]

    eps = 1e-5
    for order in range(1, orders + 1):
        probe = [RNG.standard_normal(x.shape) for x in xs]
        up, down = (along(order, False, [x + s * eps * p for x, p in zip(xs, probe, strict=True)])[0] for s in (1, -1))
        for last in (False, True):
            gs = along(order, last, xs)[1]
            total = sum((g * p).sum() for g, p in zip(gs, probe, strict=True))
            np.testing.assert_allclose(total, (up - down) / (2 * eps), rtol=1e-5, atol=1e-4)


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.float16, np.complex128, np.longdouble, object])
def test_value_and_dtype(name, dtype):
    x, W, b = arrays(name, dtype)
    y = conv(name)(x, W, b)
    assert y.dtype == dtype
    if dtype is object:
        y, x, W, b = (np.asarray(getattr(a, "data", a), float) for a in (y, x, W, b))
        np.testing.assert_allclose(y, naive(x, W, b, *CASES[name][3:]), rtol=1e-12, atol=1e-12)
        return
    wide = np.float32 if dtype is np.float16 else dtype
    expected = naive(*(a.astype(wide) for a in (x, W, b)), *CASES[name][3:])
    close(y.data, expected.astype(dtype))
    close(conv(name)(x, W).data, naive(x, W, None, *CASES[name][3:]), 3)


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_conv2d_simple_is_conv2d(name, dtype):
    xs = arrays(name, dtype)
    a, b = gradients(conv(name), xs), gradients(conv(name, FC.conv2d_simple), xs)
    close(conv(name)(*xs).data, conv(name, FC.conv2d_simple)(*xs).data)
    for v, w in zip(a, b, strict=True):
        assert v.grad.dtype == w.grad.dtype == dtype
        close(v.grad.data, w.grad.data, 30)


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64])
def test_deconv2d_is_the_transposed_map(name, dtype):
    """<conv2d(x, W), g> == <x, deconv2d(g, W)>, exactly in integers."""
    x, W, _ = arrays(name, dtype)
    y = conv(name)(x, W).data
    g = RNG.integers(-3, 4, y.shape).astype(dtype)
    back = deconv(name)(g, W)
    assert back.shape == x.shape
    assert back.dtype == dtype
    np.testing.assert_allclose((y * g).sum(), (back.data * x).sum(), rtol=0 if dtype == np.int64 else 1e-3, atol=1e-3)
    b = RNG.integers(-3, 4, x.shape[1]).astype(dtype)
    close(deconv(name)(g, W, b).data, back.data + b.reshape(1, -1, 1, 1))


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("transposed", [False, True], ids=["conv2d", "deconv2d"])
def test_fused_backward_is_the_graphs(name, dtype, transposed):
    x, W, b = arrays(name, dtype)
    f = conv(name)
    if transposed:
        x, b, f = f(x, W, b).data, RNG.standard_normal(x.shape[1]).astype(dtype), deconv(name)
    seed = RNG.standard_normal(f(x, W, b).shape).astype(dtype)
    for xs in ((x, W), (x, W, b)):
        for v, w in zip(gradients(f, xs, seed), gradients(f, xs, seed, create_graph=True), strict=True):
            assert v.grad.dtype == w.grad.dtype == dtype
            assert v.grad.shape == v.shape
            close(v.grad.data, w.grad.data, 10)


@cases
def test_three_orders(name):
    check_orders(lambda x, W, b: F.sum(conv(name)(x, W, b) ** 3), arrays(name))


@cases
def test_three_orders_of_deconv2d(name):
    x, W, _ = arrays(name)
    check_orders(lambda g, W, b: F.sum(deconv(name)(g, W, b) ** 3),
                 [RNG.standard_normal(conv(name)(x, W).shape), W, RNG.standard_normal(x.shape[1])])


@cases
def test_gradient_of_the_weights_is_an_operation(name):
    x, W, b = arrays(name)
    y = conv(name)(Variable(x), Variable(W), b)
    gy = RNG.standard_normal(y.shape)
    f = FC.Conv2DGradW(y.creator)
    assert f.kernel_size == CASES[name][2]
    expected = gradients(conv(name), (x, W), gy)[1].grad.data
    close(f(x, gy).data, expected)
    close(FC.Conv2DGradW(CASES[name][2], *CASES[name][3:])(x.astype(np.longdouble), gy).data.astype(float), expected)
    check_orders(lambda x, gy: F.sum(FC.Conv2DGradW(y.creator)(x, gy) ** 3), [x, gy], 2)


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize(("n", "c", "h", "w"), [(2, 8, 100, 90), (2, 2, 400, 380), (41, 8, 7, 7), (700, 2, 3, 3)],
                         ids=["whole", "rows", "together", "many"])
def test_tiles(n, c, h, w, groups):
    """Large images go row by row, small ones several at a time: the same values as in one piece."""
    x, W, b = (RNG.standard_normal(s).astype(np.float32) for s in ((n, c, h, w), (4, c // groups, 3, 3), (4,)))
    f = lambda x, W, b: FC.conv2d(x, W, b, 1, 1, 1, groups)  # noqa: E731
    seed = RNG.standard_normal((n, 4, h, w)).astype(np.float32)
    some = np.arange(0, n, max(1, n // 3))
    vs = gradients(f, (x, W, b), seed)
    expected = FC.conv2d(x[some].astype(np.longdouble), W, b, 1, 1, 1, groups).data
    np.testing.assert_allclose(f(x, W, b).data[some], expected.astype(np.float32), rtol=1e-4, atol=1e-4)
    gx = FC.deconv2d(seed[some].astype(np.longdouble), W, None, 1, 1, None, 1, groups).data
    np.testing.assert_allclose(vs[0].grad.data[some], gx.astype(np.float32), rtol=1e-4, atol=1e-4)
    gW = sum(np.tensordot(seed[:, 0, i], np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))[:, :c // groups, i + 1, 1:-1],
                          ((0, 1), (0, 2))).astype(float) for i in range(h))
    np.testing.assert_allclose(vs[1].grad.data[0, :, 1, 1], gW, rtol=1e-3, atol=0.02)
    np.testing.assert_allclose(vs[2].grad.data, seed.sum((0, 2, 3)), rtol=1e-3, atol=1e-2)


def test_dtypes_that_meet():
    x, W, b = arrays("same", np.float32)
    assert FC.conv2d(x, W.astype(np.float64)).dtype == np.float64
    assert FC.conv2d(x, W, b.astype(np.float64)).dtype == np.float64
    assert FC.conv2d(x, W.astype(np.int16)).dtype == np.float32
    assert FC.conv2d(x.astype(np.int8), W.astype(np.int32)).dtype == np.int32
    swapped = x.astype(x.dtype.newbyteorder())
    close(FC.conv2d(swapped, W).data, FC.conv2d(x, W).data)
    assert FC.conv2d(x.tolist(), W.tolist()).dtype == np.float64
    vs = gradients(lambda x, W: FC.conv2d(x, W), (x, W.astype(np.float64)))
    close(vs[1].grad.data, gradients(lambda x, W: FC.conv2d(x, W), (x, W))[1].grad.data.astype(float), 1e8)


def test_integer_gradients_stay_integers():
    vs = gradients(conv("same"), arrays("same", np.int64))
    floats = gradients(conv("same"), [v.data.astype(float) for v in vs])
    for v, w in zip(vs, floats, strict=True):
        assert v.grad.dtype == np.int64
        np.testing.assert_array_equal(v.grad.data, w.grad.data)


@cases
def test_strided_input(name):
    x, W, b = arrays(name)
    views = (np.ascontiguousarray(x.T).T, np.asfortranarray(W), np.repeat(b, 2)[::2])
    close(conv(name)(*views).data, conv(name)(x, W, b).data)
    seed = RNG.standard_normal(conv(name)(x, W, b).shape)
    vs = gradients(conv(name), views, np.asfortranarray(seed))
    for v, w in zip(vs, gradients(conv(name), (x, W, b), seed), strict=True):
        close(v.grad.data, w.grad.data)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
@pytest.mark.parametrize("create_graph", [False, True])
def test_empty(dtype, create_graph):
    W, b = np.ones((4, 3, 3, 3), dtype), np.ones(4, dtype)
    vs = gradients(lambda x, W, b: FC.conv2d(x, W, b, 2, 1), (np.ones((0, 3, 5, 5), dtype), W, b), None, create_graph)
    assert FC.conv2d(vs[0], W, b, 2, 1).shape == (0, 4, 3, 3)
    assert vs[0].grad.shape == (0, 3, 5, 5)
    assert not vs[1].grad.data.any()
    assert not vs[2].grad.data.any()
    assert [v.grad.dtype for v in vs] == [dtype] * 3
    assert FC.deconv2d(np.ones((0, 4, 5, 5), dtype), W).shape == (0, 3, 7, 7)
    no_channels = FC.conv2d(np.ones((2, 0, 5, 5), dtype), np.ones((4, 0, 3, 3), dtype), b)
    np.testing.assert_array_equal(no_channels.data, np.ones((2, 4, 3, 3)))
    assert FC.conv2d(np.ones((2, 3, 5, 5), dtype), np.ones((0, 3, 3, 3), dtype)).shape == (2, 0, 3, 3)


def test_conv1d():
    x, W, b = RNG.standard_normal((2, 4, 9)), RNG.standard_normal((6, 2, 3)), RNG.standard_normal(6)
    y = FC.conv1d(x, W, b, stride=2, pad=1, dilation=2, groups=2)
    close(y.data, naive(x[:, :, None], W[:, :, None], b, (1, 2), (0, 1), (1, 2), 2)[:, :, 0])
    assert FC.conv1d(x.astype(np.float32), W.astype(np.float32), groups=2).dtype == np.float32
    check_orders(lambda x, W, b: F.sum(FC.conv1d(x, W, b, 2, 1, 2, 2) ** 3), [x, W, b])


# name: (N, C, D, H, W), C_out, kernel, stride, pad, dilation, groups
VOLUMES = {
    "plain": ((2, 3, 4, 5, 4), 2, (2, 3, 2), 1, 0, 1, 1),
    "padded": ((1, 2, 3, 4, 3), 3, (3, 3, 3), 1, 1, 1, 1),
    "strided": ((2, 2, 5, 4, 6), 2, (2, 1, 3), (2, 1, 3), (1, 0, 2), 1, 1),
    "dilated": ((1, 2, 6, 5, 7), 2, (3, 2, 2), (1, 2, 1), (1, 0, 1), (2, 3, 1), 1),
    "groups": ((2, 4, 3, 3, 4), 6, (2, 2, 2), 1, (0, 1, 0), 1, 2),
    "depthwise": ((1, 3, 3, 3, 3), 3, (2, 2, 1), 1, 1, (2, 1, 1), 3),
    "pointwise": ((2, 3, 2, 3, 2), 4, (1, 1, 1), 1, 0, 1, 1),
    "flat": ((2, 2, 1, 4, 4), 2, (1, 3, 3), 1, (0, 1, 1), 1, 1),
}
volumes = pytest.mark.parametrize("name", VOLUMES)


def volume_arrays(name, dtype=np.float64):
    shape, o, kernel, *_, groups = VOLUMES[name]
    return [RNG.standard_normal(s).astype(dtype) for s in (shape, (o, shape[1] // groups, *kernel), (o,))]


def conv3d(name):
    return lambda x, W, b: FC.conv3d(x, W, b, *VOLUMES[name][3:])


def naive3d(x, W, b, stride, pad, dilation, groups):
    """Slice by slice of a window's depth."""
    (s, *ss), (p, *ps), (d, *ds) = ((a, a, a) if isinstance(a, int) else a for a in (stride, pad, dilation))
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (0, 0), (0, 0)))
    first = range(0, x.shape[2] - d * (W.shape[2] - 1), s)
    y = np.stack([sum(naive(x[:, :, z + d * k], W[:, :, k], None, tuple(ss), tuple(ps), tuple(ds), groups)
                      for k in range(W.shape[2])) for z in first], axis=2)
    return y + b.reshape(1, -1, 1, 1, 1)


@volumes
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64, np.longdouble])
def test_conv3d(name, dtype):
    x, W, b = arrays3 = [(a * 3).astype(dtype) for a in volume_arrays(name)]
    y = conv3d(name)(x, W, b)
    assert y.dtype == dtype
    expected = naive3d(*(a.astype(np.longdouble) for a in arrays3), *VOLUMES[name][3:])
    eps = np.finfo(dtype).eps if np.dtype(dtype).kind == "f" else 0
    np.testing.assert_allclose(y.data.astype(np.longdouble), expected, rtol=10 * eps, atol=200 * eps)
    views = [np.asfortranarray(x), np.ascontiguousarray(W.T).T, np.repeat(b, 2)[::2]]
    np.testing.assert_allclose(conv3d(name)(*views).data, y.data, rtol=10 * eps, atol=200 * eps)


@volumes
def test_conv3d_at_three_orders(name):
    check_orders(lambda x, W, b: F.sum(conv3d(name)(x, W, b) ** 3), [a / 4 for a in volume_arrays(name)])


@volumes
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("create_graph", [False, True])
def test_conv3d_is_torchs(name, dtype, create_graph):
    torch = pytest.importorskip("torch")
    given = volume_arrays(name, dtype)
    leaves = [torch.tensor(a, requires_grad=True) for a in given]
    z = torch.nn.functional.conv3d(*leaves, *VOLUMES[name][3:])
    seed = RNG.standard_normal(tuple(z.shape)).astype(dtype)
    z.backward(torch.tensor(seed))
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == np.float32 else {"rtol": 1e-11, "atol": 1e-12}
    vs = gradients(conv3d(name), given, seed, create_graph)
    np.testing.assert_allclose(conv3d(name)(*given).data, z.detach().numpy(), **tolerance)
    for v, leaf in zip(vs, leaves, strict=True):
        assert v.grad.dtype == dtype
        np.testing.assert_allclose(v.grad.data, leaf.grad.numpy(), **tolerance)


def test_empty_volumes():
    W, b = np.ones((4, 3, 2, 3, 3), np.float32), np.ones(4, np.float32)
    vs = gradients(lambda x, W, b: FC.conv3d(x, W, b, 2, 1), (np.ones((0, 3, 5, 5, 5), np.float32), W, b))
    assert FC.conv3d(vs[0], W, b, 2, 1).shape == (0, 4, 3, 3, 3)
    assert vs[0].grad.shape == (0, 3, 5, 5, 5)
    assert not vs[1].grad.data.any()
    assert not vs[2].grad.data.any()
    no_channels = FC.conv3d(np.ones((2, 0, 5, 5, 5)), np.ones((4, 0, 3, 3, 3)), b)
    np.testing.assert_array_equal(no_channels.data, np.ones((2, 4, 3, 3, 3)))
    no_rows = FC.conv3d(np.ones((2, 3, 2, 0, 4), np.float32), W, b, 1, (0, 2, 0))     # windows of padding alone
    np.testing.assert_array_equal(no_rows.data, np.ones((2, 4, 1, 2, 2)))


def test_conv3d_without_a_bias_and_of_constants():
    x, W, b = volume_arrays("plain")
    close(FC.conv3d(x, W).data + b.reshape(1, -1, 1, 1, 1), FC.conv3d(x, W, b).data)
    full = gradients(conv3d("plain"), (x, W, b))
    v = Variable(W)
    FC.conv3d(x, v, b).backward()
    close(v.grad.data, full[1].grad.data)
    assert FC.conv3d(x.astype(np.float32), W).dtype == np.float64


def test_constants_get_no_gradient():
    """An ndarray operand is a constant: work for it is not done, and the rest is right."""
    x, W, b = arrays("same")
    full = gradients(conv("same"), (x, W, b))
    for create_graph in (False, True):
        v = Variable(W)
        conv("same")(x, v, b).backward(create_graph=create_graph)
        close(v.grad.data, full[1].grad.data)
        v = Variable(x)
        conv("same")(v, W, b).backward(create_graph=create_graph)
        close(v.grad.data, full[0].grad.data)
        v = Variable(b)
        conv("same")(x, W, v).backward(create_graph=create_graph)
        close(v.grad.data, full[2].grad.data)


def test_the_incoming_gradient_is_not_changed():
    x, W, b = arrays("pointwise_one")
    seed = np.ones((1, 2, 4, 5))
    gradients(conv("pointwise_one"), (x, W, b), seed)
    assert (seed == 1).all()


def test_a_bias_without_data_is_none():
    x, W, _ = arrays("same")
    close(FC.conv2d(x, W, Variable(None)).data, FC.conv2d(x, W).data)


def test_classes_directly():
    x, W, b = arrays("same")
    y = FC.Conv2d(1, 1)(Variable(x), Variable(W), None)
    close(y.data, FC.conv2d(x, W, None, 1, 1).data)
    y.backward()
    close(y.creator.inputs[1].grad.data, gradients(lambda x, W: FC.conv2d(x, W, None, 1, 1), (x, W))[1].grad.data)
    assert FC.Conv2d(2, (1, 0)).stride == (2, 2)
    assert FC.Deconv2d(outsize=5).outsize == (5, 5)
    close(FC.Deconv2d(1, 1)(y.data, W, x[0, :, 0, 0]).data, FC.deconv2d(y.data, W, x[0, :, 0, 0], 1, 1).data)
    gx, gW, gb = FC.conv2d(Variable(x), Variable(W), Variable(b), 1, 1).creator.backward(Variable(np.ones_like(y.data)))
    for g, v in zip((gx, gW, gb), gradients(lambda *vs: FC.conv2d(*vs, 1, 1), (x, W, b)), strict=True):
        close(g.data, v.grad.data)


def test_copies_and_pickles():
    x, W, b = arrays("dilated")
    y = conv("dilated")(Variable(x), Variable(W), Variable(b))
    for z in (copy.deepcopy(y), pickle.loads(pickle.dumps(y))):
        z.backward(create_graph=True)
        y.cleargrad()
        y.creator.inputs[1].cleargrad()
        y.backward()
        close(z.creator.inputs[1].grad.data, y.creator.inputs[1].grad.data)
    g = pickle.loads(pickle.dumps(FC.Conv2DGradW(y.creator)))
    assert (g.kernel_size, g.stride, g.pad, g.dilation) == ((3, 2), (1, 1), (2, 2), (2, 3))


# ---- im2col


@cases
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int32, bool])
@pytest.mark.parametrize("to_matrix", [True, False])
def test_im2col(name, dtype, to_matrix):
    shape, _, kernel, stride, pad, dilation, _ = CASES[name]
    x = RNG.integers(0, 2 if dtype is bool else 100, shape).astype(dtype)
    col = FC.im2col(x, kernel, stride, pad, to_matrix, dilation)
    assert col.dtype == dtype
    assert col.data.flags.c_contiguous
    c, (kh, kw) = shape[1], kernel
    identity = np.eye(c * kh * kw).reshape(-1, c, kh, kw)
    windows = naive(x.astype(float), identity, None, stride, pad, dilation, 1)      # (N, C KH KW, OH, OW)
    if to_matrix:
        np.testing.assert_array_equal(col.data, windows.transpose(0, 2, 3, 1).reshape(col.shape))
    else:
        np.testing.assert_array_equal(col.data.reshape(windows.shape), windows)
    np.testing.assert_array_equal(FC.im2col_array(x, kernel, stride, pad, to_matrix, dilation), col.data)
    if dtype is bool:
        return
    g = RNG.integers(0, 9, col.shape).astype(dtype)
    back = FC.col2im_array(g, shape, kernel, stride, pad, to_matrix, dilation)
    assert back.dtype == dtype
    assert (g.astype(float) * col.data).sum() == (back.astype(float) * x).sum()
    np.testing.assert_array_equal(FC.col2im(g, shape, kernel, stride, pad, to_matrix, dilation).data, back)


@pytest.mark.parametrize("to_matrix", [True, False])
def test_orders_of_im2col(to_matrix):
    shape = (2, 2, 5, 4)
    x = RNG.standard_normal(shape)
    check_orders(lambda x: F.sum(FC.im2col(x, (3, 2), (2, 1), 1, to_matrix) ** 3), [x])
    col = FC.im2col_array(x, (3, 2), (2, 1), 1, to_matrix)
    check_orders(lambda c: F.sum(FC.col2im(c, shape, (3, 2), (2, 1), 1, to_matrix) ** 3), [col])
    f = FC.Im2col((3, 2), (2, 1), 1, to_matrix)
    for g in (f, pickle.loads(pickle.dumps(f))):
        np.testing.assert_array_equal(g(x).data, col)
    np.testing.assert_array_equal(FC.Col2im(shape, (3, 2), (2, 1), 1, to_matrix)(col).data,
                                  FC.col2im_array(col, shape, (3, 2), (2, 1), 1, to_matrix))


def test_col2im_leaves_the_columns_alone():
    col = np.ones((1, 1, 3, 3, 4, 4))
    FC.col2im_array(col, (1, 1, 4, 4), 3, 1, 1, False)
    assert (col == 1).all()


def test_sizes():
    assert FC.get_conv_outsize(7, 3, 2, 1) == 4
    assert FC.get_deconv_outsize(4, 3, 2, 1) == 7
    assert FC.pair(3) == (3, 3)
    assert FC.pair((1, 2)) == (1, 2)
    for bad in ((1, 2, 3), 1.5, None, "ab"):
        with pytest.raises(ValueError, match="pair"):
            FC.pair(bad)


def test_names():
    assert dezero_c.functions_conv is FC
    for name in ("conv2d", "deconv2d", "conv2d_simple", "im2col", "col2im", "pooling_simple", "pooling",
                 "average_pooling"):
        assert getattr(F, name) is getattr(FC, name)


# ---- errors

X, W0 = np.ones((2, 3, 5, 5)), np.ones((4, 3, 3, 3))


@pytest.mark.parametrize(("call", "error", "words"), [
    (lambda: FC.conv2d(X[0], W0), ValueError, [r"conv2d", r"\(3, 5, 5\)", "4 axes"]),
    (lambda: FC.conv2d(X, W0[0]), ValueError, [r"\(3, 3, 3\)", "4 axes"]),
    (lambda: FC.conv2d(X, np.ones((4, 2, 3, 3))), ValueError, [r"\(2, 3, 5, 5\)", r"\(4, 2, 3, 3\)", "3 channels"]),
    (lambda: FC.conv2d(X, W0, groups=3), ValueError, ["groups 3", r"\(4, 3, 3, 3\)"]),
    (lambda: FC.conv2d(X, np.ones((4, 3, 3, 3)), groups=2), ValueError, ["3 channels", "groups=2", "6"]),
    (lambda: FC.conv2d(X, W0, groups=0), ValueError, ["groups 0"]),
    (lambda: FC.conv2d(X, W0, groups=1.0), TypeError, ["groups 1.0"]),
    (lambda: FC.conv2d(X, np.ones((4, 3, 6, 3))), ValueError, [r"\(6, 3\)", "does not fit", r"\(5, 5\)"]),
    (lambda: FC.conv2d(X, W0, dilation=3), ValueError, ["dilation", "does not fit"]),
    (lambda: FC.conv2d(X, W0, stride=0), ValueError, ["stride", "at least 1"]),
    (lambda: FC.conv2d(X, W0, stride=(1, -1)), ValueError, [r"stride \(1, -1\)", "at least 1"]),
    (lambda: FC.conv2d(X, W0, stride=1 << 40), ValueError, ["stride", "too large"]),
    (lambda: FC.conv2d(X, W0, pad=-1), ValueError, ["pad", "at least 0"]),
    (lambda: FC.conv2d(X, W0, stride=1.5), TypeError, ["conv2d", "stride 1.5", "pair"]),
    (lambda: FC.deconv2d(X, W0, outsize=(1, 2, 3)), TypeError, ["deconv2d", "outsize", "pair"]),
    (lambda: FC.Conv2DGradW(2.5), TypeError, ["Conv2DGradW", "2.5"]),
    (lambda: FC.conv2d(X, W0, dilation=0), ValueError, ["dilation", "at least 1"]),
    (lambda: FC.conv2d(X, np.ones((4, 3, 0, 3))), ValueError, ["kernel size", "at least 1"]),
    (lambda: FC.conv2d(X, W0, np.ones(3)), ValueError, [r"b has shape \(3,\)", r"\(4,\)"]),
    (lambda: FC.conv2d(X, W0, np.ones((4, 1))), ValueError, [r"\(4, 1\)"]),
    (lambda: FC.conv2d("x", W0), TypeError, ["conv2d"]),
    (lambda: FC.conv2d(Variable(None), W0), TypeError, ["conv2d", "no data"]),
    (lambda: FC.deconv2d(X, W0), ValueError, ["3 channels", r"\(4, 3, 3, 3\)"]),
    (lambda: FC.deconv2d(X[0], W0), ValueError, ["deconv2d", "4 axes"]),
    (lambda: FC.deconv2d(X[:, :, :1, :1], np.ones((3, 1, 1, 1)), pad=1), ValueError, ["deconv2d", "pad less"]),
    (lambda: FC.deconv2d(X, np.ones((3, 2, 3, 3)), outsize=8), ValueError, ["outsize", r"\(8, 8\)", r"\(6, 6\)"]),
    (lambda: FC.deconv2d(X, np.ones((3, 2, 3, 3)), np.ones(3)), ValueError, [r"b has shape \(3,\)", r"\(2,\)"]),
    (lambda: FC.deconv2d(X, np.ones((3, 2, 3, 3)), groups=2), ValueError, ["groups 2"]),
    (lambda: FC.deconv2d(X, np.ones((3, 2, 3, 3)), stride=0), ValueError, ["stride", "at least 1"]),
    (lambda: FC.conv1d(X, W0), ValueError, ["conv1d", "3 axes"]),
    (lambda: FC.conv1d(X[0], W0[0], stride=(1, 2)), TypeError, ["conv1d", "stride"]),
    (lambda: FC.conv3d(X, W0), ValueError, ["conv3d", "5 axes", r"\(2, 3, 5, 5\)"]),
    (lambda: FC.conv3d(X[None], W0[None]), ValueError, ["conv3d", "has 2 channels", "takes 4"]),
    (lambda: FC.conv3d(X[None], W0[None, :2], groups=2), ValueError, ["groups 2", r"\(1, 2, 3, 3, 3\)"]),
    (lambda: FC.conv3d(X[None], np.ones((1, 2, 4, 3, 3))), ValueError, ["conv3d", "depth", "does not fit"]),
    (lambda: FC.conv3d(X[None], np.ones((1, 2, 3, 6, 3))), ValueError, ["conv3d", r"\(1, 2, 3, 6, 3\)", "does not fit"]),
    (lambda: FC.conv3d(X[None], np.ones((1, 2, 3, 3, 3)), np.ones(2)), ValueError, ["conv3d", r"b has shape \(2,\)"]),
    (lambda: FC.conv3d(X[None], np.ones((1, 2, 3, 3, 3)), stride=(1, 2)), TypeError, ["conv3d", "stride", "three ints"]),
    (lambda: FC.conv3d(X[None], np.ones((1, 2, 3, 3, 3)), stride=0), ValueError, ["conv3d", "stride", "at least 1"]),
    (lambda: FC.conv3d(X[None], np.ones((1, 2, 3, 3, 3)), pad=1.0), TypeError, ["conv3d", "pad 1.0"]),
    (lambda: FC.conv3d(X[None], np.ones((1, 2, 3, 3, 3)), groups=1.0), TypeError, ["conv3d", "groups 1.0"]),
    (lambda: FC.conv2d_simple(X, np.ones((4, 2, 3, 3))), ValueError, ["3 channels"]),
    (lambda: FC.im2col(X, 6), ValueError, ["im2col", "does not fit"]),
    (lambda: FC.im2col(X[0], 2), ValueError, ["im2col", "4 axes"]),
    (lambda: FC.im2col(X, 0), ValueError, ["kernel size", "at least 1"]),
    (lambda: FC.im2col(X, (1, 2, 3)), TypeError, ["kernel size", "pair"]),
    (lambda: FC.im2col_array(X, 2, 1.0, 0), TypeError, ["stride", "int"]),
    (lambda: FC.col2im(np.ones((4, 4)), (1, 1, 4, 4), 2), ValueError, [r"\(4, 4\)", r"\(9, 4\)"]),
    (lambda: FC.col2im_array(np.ones((9, 4)), (1, 4, 4), 2, 1, 0), ValueError, ["col2im_array", "4 axes"]),
    (lambda: FC.Conv2DGradW(FC.Conv2d()), ValueError, ["not called"]),
    (lambda: FC.Conv2DGradW((3, 3))(X, np.ones((2, 4, 4, 4))), ValueError, [r"\(2, 4, 4, 4\)", r"\(2, C_out, 3, 3\)"]),
    (lambda: FC.Conv2d.__new__(FC.Conv2d)(X, W0), TypeError, ["groups"]),
    (lambda: FC.Im2col.__new__(FC.Im2col)(X), TypeError, ["kernel size"]),
])
def test_errors(call, error, words):
    with pytest.raises(error) as info:
        call()
    for word in words:
        info.match(word)


def test_data_rebound_to_another_shape():
    x, W = Variable(X.copy()), Variable(W0.copy())
    for create_graph in (False, True):
        y = FC.conv2d(x, W)
        x.data = np.ones((2, 3, 9, 9))
        with pytest.raises(ValueError, match="fit"):
            y.backward(create_graph=create_graph)
        x.data = X.copy()


@pytest.mark.parametrize("f", [FC.Conv2d(), FC.Deconv2d(), FC.Conv2DGradW((2, 2)), FC.Im2col(2)])
def test_backward_by_hand_before_the_call(f):
    with pytest.raises(ValueError, match="backward: the function lacks inputs"):
        f.backward(Variable(X))


def test_inputs_taken_away():
    for create_graph in (False, True):
        y = FC.conv2d(Variable(X), Variable(W0))
        y.creator.inputs = [Variable(X)]
        with pytest.raises(ValueError, match="lacks inputs"):
            y.backward(create_graph=create_graph)


def test_no_grad():
    with no_grad():
        y = FC.conv2d(Variable(X), Variable(W0))
    assert y.creator is None
