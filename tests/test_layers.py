"""dezero_c.layers: registration and names, DeZero's numbers for a seed, formulas in NumPy, dtypes, gradients, copies."""

import copy
import gc
import pickle
import weakref

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Layer, Parameter, Variable, utils


def image(*shape):
    """Numbers without a pattern, between -0.5 and 0.5, float32."""
    return (np.arange(np.prod(shape)).reshape(shape) * 7919 % 1009 / 1009 - 0.5).astype(np.float32)


def names(layer):
    return [name for name, _ in layer.named_params()]


class Own(Layer):
    """What a test makes of it."""

    def __init__(self, **attributes):
        super().__init__()
        for name, value in attributes.items():
            setattr(self, name, value)

    def forward(self, x):
        return x


# ---- registration -------------------------------------------------------------------------------------------------

def test_parameters_and_layers_are_registered_in_the_order_of_definition():
    layer = Own()
    layer.z, layer.a, layer.number, layer.text = Parameter(np.ones(1)), L.Linear(2), 3, "text"
    layer.m = Parameter(np.ones(2))
    layer.variable = Variable(np.ones(2))
    assert list(layer._params) == ["z", "a", "m"]
    assert names(layer) == ["z", "a/W", "a/b", "m"]
    assert [p.name for p in layer.params()] == [None, "W", "b", None]
    assert all(p is q for p, (_, q) in zip(layer.params(), layer.named_params(), strict=True))


def test_params_are_an_iterator():
    params = L.Linear(2).params()
    assert next(params).name == "W"
    assert next(params).name == "b"
    with pytest.raises(StopIteration):
        next(params)


def test_shared_layers_and_parameters_come_once():
    shared, weight = L.Linear(2), Parameter(np.ones(1))
    layer = Own(a=shared, b=shared, c=Own(d=shared, e=weight), f=weight)
    assert names(layer) == ["a/W", "a/b", "c/e"]
    assert len(list(layer.params())) == 3
    flat = {}
    layer._flatten_params(flat)     # the keys of a file, as DeZero's
    assert list(flat) == ["a/W", "a/b", "b/W", "b/b", "c/d/W", "c/d/b", "c/e", "f"]


def test_what_takes_a_parameters_place_is_what_counts():
    layer = Own(a=Parameter(np.ones(1)), b=L.Linear(2), c=Parameter(np.ones(3)))
    new = Parameter(np.ones(5))
    layer.a = new
    layer.b = None
    assert list(layer.params()) == [new, layer.c]
    del layer.c
    assert names(layer) == ["a"]
    layer.b = L.Linear(2, nobias=True)
    assert names(layer) == ["a", "b/W"]


def test_a_bias_set_to_none_is_none():
    layer = L.Linear(3)
    layer.b = None
    x = image(2, 4)
    np.testing.assert_array_equal(layer(x).data, F.matmul(x, layer.W).data)
    layer.cleargrads()
    F.sum(layer(x)).backward()
    assert names(layer) == ["W"]


def test_a_subclass_that_forgets_super_init():
    class Forgetful(Layer):
        def __init__(self):
            self.W = Parameter(np.ones(2))

        def forward(self, x):
            return x * self.W

    layer = Forgetful()
    assert names(layer) == ["W"]
    assert layer(np.ones(2)).shape == (2,)


def test_layers_that_hold_each_other():
    layer = Own(a=L.Linear(2))
    layer.a.owner = layer
    assert len(list(layer.params())) == 2
    layer.cleargrads()


def test_a_params_of_ones_own_is_asked():
    class Frozen(L.Linear):
        def params(self):
            yield self.b

    layer = Own(a=Frozen(2, in_size=3), c=L.Linear(2, in_size=3))
    assert [p.name for p in layer.params()] == ["b", "W", "b"]
    for p in (layer.a.W, layer.a.b, layer.c.W):
        p.grad = Variable(np.ones(p.shape, np.float32))
    layer.cleargrads()
    assert layer.a.W.grad is not None
    assert layer.a.b.grad is layer.c.W.grad is None


def test_attributes_are_kept_as_they_are():
    layer, numbers = Own(), [1, 2]
    layer.numbers = numbers
    assert layer.numbers is numbers
    with pytest.raises(AttributeError):
        _ = layer.nothing
    with pytest.raises(AttributeError):
        del layer.nothing


# ---- calls --------------------------------------------------------------------------------------------------------

def test_inputs_and_outputs_are_weak():
    layer, x = L.Linear(3), Variable(image(2, 4))
    y = layer(x)
    assert [r() for r in layer.inputs] == [x]
    assert [r() for r in layer.outputs] == [y]
    alive = weakref.ref(y)
    del y
    gc.collect()
    assert alive() is None
    assert layer.outputs[0]() is None


def test_gradcam_reads_the_gradient_of_an_output():
    first, last = L.Linear(3), L.Linear(1)
    y = F.sum(last(F.relu(first(image(2, 4)))))
    y.backward(retain_grad=True)
    assert first.outputs[0]().grad.shape == (2, 3)


@pytest.mark.parametrize("x", [[[1.0, 2.0]], np.ones((1, 2)), Variable(np.ones((1, 2)))], ids=["list", "ndarray", "Variable"])
def test_inputs_of_every_kind(x):
    layer = L.Linear(3)
    assert layer(x).shape == (1, 3)
    assert layer.inputs[0]() is x


def test_keyword_arguments_and_several_outputs():
    class Both(Layer):
        def forward(self, x, y, *, scale=1.0, one=False):
            total = (x + y) * scale
            return (total,) if one else (total, x - y)

    layer, x, y = Both(), Variable(np.ones(2)), Variable(np.ones(2))
    total, difference = layer(x, y, scale=3.0)
    np.testing.assert_array_equal(total.data, [6.0, 6.0])
    assert [r() for r in layer.outputs] == [total, difference]
    assert [r() for r in layer.inputs] == [x, y]
    assert isinstance(layer(x, y, one=True), Variable)


def test_a_list_of_outputs_stays_a_list():
    class Lists(Layer):
        def forward(self, x):
            return [x, x + 1]

    layer = Lists()
    y = layer(Variable(np.ones(2)))
    assert isinstance(y, list)
    assert layer.outputs[0]() is y


def test_forward_is_needed():
    with pytest.raises(NotImplementedError, match=r"Layer does not define forward\(self, \*inputs\)"):
        Layer()(np.ones(2))


def test_cleargrads():
    layer = Own(a=L.Linear(3), b=L.Linear(1))
    F.sum(layer.b(layer.a(image(2, 4)))).backward()
    assert all(p.grad is not None for p in layer.params())
    layer.cleargrads()
    assert all(p.grad is None for p in layer.params())


@pytest.mark.parametrize("make", [lambda: L.Linear(3), lambda: L.Linear(3, nobias=True), L.Dropout, lambda: Own(a=L.BatchNorm())])
def test_to_gpu_raises_and_to_cpu_does_not(make):
    layer = make()
    layer.to_cpu()
    with pytest.raises(RuntimeError, match="there is no GPU here"):
        layer.to_gpu()


FIRST = {     # (layer, an input that cannot be the first, one that can)
    "Linear": (lambda: L.Linear(3), np.ones((2, 4)), np.ones((2, 5))),
    "Conv2d": (lambda: L.Conv2d(8, 3), np.ones((3, 9, 9)), np.ones((1, 3, 9, 9))),
    "Conv2d, a small picture": (lambda: L.Conv2d(8, 3), np.ones((1, 4, 2, 2)), np.ones((1, 3, 9, 9))),
    "Conv2d, groups": (lambda: L.Conv2d(8, 3, groups=2), np.ones((1, 3, 9, 9)), np.ones((1, 4, 9, 9))),
    "Deconv2d": (lambda: L.Deconv2d(8, 3), np.ones((3, 9, 9)), np.ones((1, 3, 9, 9))),
    "Conv3d": (lambda: L.Conv3d(8, 3), np.ones((3, 9, 9, 9)), np.ones((1, 3, 9, 9, 9))),
    "BatchNorm": (L.BatchNorm, np.ones((0, 7)), np.ones((2, 3))),
    "LayerNorm": (lambda: L.LayerNorm("?"), np.ones((2, 4)), np.ones((2, 5))),
    "RNN": (lambda: L.RNN(3), np.array([["a", "b"]]), np.ones((2, 5))),
    "LSTM": (lambda: L.LSTM(3), np.array([["a", "b"]]), np.ones((2, 5))),
    "GRU": (lambda: L.GRU(3), np.array([["a", "b"]]), np.ones((2, 5))),
}


@pytest.mark.parametrize("name", FIRST)
def test_after_an_error_the_first_call_is_yet_to_come(name):
    make, bad, good = FIRST[name]
    layer = make()
    if name == "Linear":
        layer.b.data = np.ones(2)       # a bias that does not fit
    with pytest.raises((ValueError, TypeError)):
        layer(bad)
    assert all(p.data is None for n, p in layer.named_params() if not n.endswith("b") and "h2" not in n)
    assert getattr(layer, "in_size", None) is None
    assert getattr(layer, "in_channels", None) is None
    if name == "Linear":
        layer.b.data = np.zeros(3)
    if name == "LayerNorm":
        layer.eps = 1e-5
    layer(good)


def test_a_gru_whose_second_input_is_wrong_takes_the_right_one():
    gru = L.GRU(4)
    gru(np.zeros((3, 2), "f4"))
    with pytest.raises(ValueError, match="5"):
        gru(np.zeros((3, 5), "f4"))
    assert gru.x2r.W.data is None
    assert gru(np.zeros((3, 2), "f4")).shape == (3, 4)
    assert gru.x2r.W.shape == (2, 4)


# ---- copies -------------------------------------------------------------------------------------------------------

EVERY = {
    "Linear": (lambda: L.Linear(3), (2, 4)),
    "Linear nobias": (lambda: L.Linear(3, nobias=True, in_size=4), (2, 4)),
    "Conv2d": (lambda: L.Conv2d(3, (2, 3), stride=2, pad=1), (2, 2, 5, 6)),
    "Deconv2d": (lambda: L.Deconv2d(3, (2, 3), stride=2, pad=1), (2, 2, 5, 6)),
    "Conv2d of groups": (lambda: L.Conv2d(4, 2, dilation=(2, 1), groups=2), (2, 2, 5, 6)),
    "Deconv2d of groups": (lambda: L.Deconv2d(4, 2, dilation=(2, 1), groups=2), (2, 2, 5, 6)),
    "Conv3d": (lambda: L.Conv3d(3, (2, 1, 3), stride=(1, 2, 2), pad=1), (2, 2, 3, 4, 5)),
    "RNN": (lambda: L.RNN(3), (2, 4)),
    "LSTM": (lambda: L.LSTM(3), (2, 4)),
    "GRU": (lambda: L.GRU(3), (2, 4)),
    "BatchNorm": (L.BatchNorm, (5, 4)),
    "BatchNorm of images": (L.BatchNorm, (2, 4, 3, 3)),
    "LayerNorm": (L.LayerNorm, (2, 4)),
    "Dropout": (L.Dropout, (20, 4)),
}
each = pytest.mark.parametrize("name", EVERY)


@each
@pytest.mark.parametrize("twin", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))], ids=["deepcopy", "pickle"])
def test_copies_compute_the_same_on_their_own(name, twin):
    make, shape = EVERY[name]
    layer, x = make(), image(*shape)
    layer(x)
    other = twin(layer)
    assert not hasattr(other, "outputs")
    assert names(other) == names(layer)
    assert not {id(p) for p in other.params()} & {id(p) for p in layer.params()}
    np.random.seed(0)
    expected = layer(x).data.copy()
    np.random.seed(0)
    np.testing.assert_array_equal(other(x).data, expected)
    other.new = Parameter(np.ones(1))
    assert "new" in names(other)
    assert "new" not in names(layer)


def test_copies_before_the_first_call():
    layer = copy.deepcopy(L.Linear(3))
    assert layer.W.data is None
    assert pickle.loads(pickle.dumps(layer))(image(2, 4)).shape == (2, 3)


def test_a_shallow_copy_shares_parameters_but_not_their_list():
    layer = L.Linear(3, in_size=4)
    other = copy.copy(layer)
    assert other.W is layer.W
    other.b = None
    assert names(layer) == ["W", "b"]
    assert names(other) == ["W"]


def test_copies_keep_shared_layers_shared():
    shared = L.Linear(2)
    other = copy.deepcopy(Own(a=shared, b=shared))
    assert other.a is other.b is not shared


def test_a_state_in_the_midst_of_a_sequence_is_copied():
    layer = L.LSTM(3)
    for _ in range(2):
        layer(image(2, 4))
    other = pickle.loads(pickle.dumps(layer))
    np.testing.assert_array_equal(other.h.data, layer.h.data)
    F.sum(other(image(2, 4))).backward()
    assert all(p.grad is not None for p in other.params())
    assert all(p.grad is None for p in layer.params())


# ---- every layer --------------------------------------------------------------------------------------------------

@each
def test_float32_stays_float32(name):
    make, shape = EVERY[name]
    layer = make()
    for _ in range(2):
        y = layer(image(*shape))
    F.sum(y * y).backward()
    assert y.dtype == np.float32
    assert {p.dtype for p in layer.params()} <= {np.dtype(np.float32)}
    assert {p.grad.dtype for p in layer.params() if p.grad is not None} <= {np.dtype(np.float32)}


@each
def test_gradients_reach_every_parameter(name):
    make, shape = EVERY[name]
    layer = make()
    for i in range(2):
        y = layer(image(*shape) * (i + 1))
    F.sum(F.sin(y)).backward()
    for key, p in layer.named_params():
        if key in ("avg_mean", "avg_var"):
            assert p.grad is None
        else:
            assert p.grad.shape == p.shape
            assert np.abs(p.grad.data).sum() > 0


def places(layer):
    """(owner, attribute) of each Parameter but the running averages."""
    for name in layer._params:
        value = getattr(layer, name)
        if isinstance(value, Layer):
            yield from places(value)
        elif not name.startswith("avg_"):
            yield layer, name


@each
def test_gradients_are_right(name):
    """Those of the input and of all Parameters, over two calls, against finite differences."""
    make, shape = EVERY[name]
    layer, x = make(), image(*shape)
    for _ in range(2):
        layer(x)
    where = list(places(layer))
    values = [getattr(owner, attribute).data for owner, attribute in where]

    def f(x, *params):
        for (owner, attribute), p in zip(where, params, strict=True):
            owner.__dict__[attribute] = p
        if hasattr(layer, "reset_state"):
            layer.reset_state()
        np.random.seed(0)
        return layer(x), layer(x * 0.5)

    assert utils.gradient_check(f, (x, *values))


@each
def test_sizes_are_known_after_the_first_call_only(name):
    make, shape = EVERY[name]
    layer = make()
    lazy = [key for key, p in layer.named_params() if p.data is None]
    assert bool(lazy) == (name not in ("Linear nobias", "Dropout"))
    assert list(layer.params()) == [p for _, p in layer.named_params()]
    layer.cleargrads()
    for _ in range(2):
        layer(image(*shape))
    assert all(p.data is not None for p in layer.params())


@pytest.mark.parametrize("layer", [L.Linear(3), L.Conv2d(3, 1), L.Deconv2d(3, 1), L.BatchNorm(), L.LayerNorm(), L.RNN(3)],
                         ids=lambda layer: type(layer).__name__)
@pytest.mark.parametrize("x", [np.float32(1.0), Variable(None)], ids=["number", "Variable(None)"])
def test_inputs_that_tell_no_size_are_named(layer, x):
    with pytest.raises(ValueError, match=r"x of shape \(\) has too few axes to tell the size of the weights"):
        layer(x)


@pytest.mark.parametrize(("layer", "x", "shape"), [
    (L.Linear(3), np.zeros((2, 0), np.float32), (2, 3)), (L.Linear(3), np.zeros((0, 4), np.float32), (0, 3)),
])
def test_empty_inputs(layer, x, shape):
    y = layer(x)
    assert y.shape == shape
    assert not y.data.any()


def test_an_input_of_another_size_later_is_named():
    layer = L.Linear(3)
    layer(image(2, 4))
    with pytest.raises(ValueError, match=r"linear.*\(2, 5\).*\(4, 3\)"):
        layer(image(2, 5))


# ---- DeZero's numbers for a seed ----------------------------------------------------------------------------------

@pytest.mark.parametrize(("make", "shape", "first", "second", "next_number"), [
    (lambda: L.Linear(3), (2, 4), [-0.3381974, -0.2076367, 0.08838848], [-0.01080313, 0.3490728, -0.2481556], 0.2881456),
    (lambda: L.Linear(3, in_size=4), (2, 4), [-0.3381974, -0.2076367, 0.08838848], [-0.01080313, 0.3490728, -0.2481556],
     0.2881456),
    (lambda: L.Conv2d(3, (2, 3)), (2, 2, 5, 5), [0.1628569, -0.1304724, -0.191168], [-0.01328738, -0.00134559, -0.1333827],
     0.6573995),
    (lambda: L.Deconv2d(3, (2, 3), stride=2, pad=1), (2, 2, 5, 5), [0.1463795, -0.149414, -0.02988273],
     [0.004388396, 0.04600895, 0.0558686], 0.6573995),
    (lambda: L.RNN(3), (2, 4), [-0.3258671, -0.2047033, 0.08815901], [0.07968253, 0.2496157, -0.1323269], 0.6690132),
    (lambda: L.RNN(4, in_size=4), (2, 4), [-0.420709, 0.1683997, -0.07521126], [-0.2787725, -0.0252285, 0.1557418], 0.5726253),
    (lambda: L.LSTM(3), (2, 4), [-0.0173962, -0.1324184, -0.03377306], [0.06672496, 0.01309565, -0.1263894], 0.06925207),
    (lambda: L.LSTM(3, in_size=4), (2, 4), [0.04068483, -0.0891396, -0.1362326], [-0.1089975, -0.003900159, 0.1224072],
     0.06925207),
], ids=["Linear", "Linear in_size", "Conv2d", "Deconv2d", "RNN", "RNN in_size", "LSTM", "LSTM in_size"])
def test_a_seed_gives_dezeros_numbers(make, shape, first, second, next_number):
    np.random.seed(7)
    layer, x = make(), image(*shape)
    y1, y2 = layer(x), layer(x[::-1].copy())
    np.testing.assert_allclose(y1.data.ravel()[:3], first, rtol=2e-5, atol=1e-7)
    np.testing.assert_allclose(y2.data.ravel()[:3], second, rtol=2e-5, atol=1e-7)
    assert np.random.rand() == pytest.approx(next_number, rel=1e-6)     # as many random numbers were taken


def test_embed_id_gives_dezeros_numbers():
    np.random.seed(7)
    y = L.EmbedID(5, 3)(np.array([[1, 4], [0, 1]]))
    np.testing.assert_allclose(y.data[0, 0], [0.4075163, -0.788923, 0.002065573], rtol=1e-6)
    np.testing.assert_allclose(y.data[1, 0], [1.690526, -0.4659374, 0.03282016], rtol=1e-6)
    assert np.random.rand() == pytest.approx(0.931206, rel=1e-6)


def test_batch_norm_gives_dezeros_numbers():
    layer, x = L.BatchNorm(), image(3, 2, 4, 4)
    layer(x)
    y = layer(x * 2 + 1)
    np.testing.assert_allclose(y.data.ravel()[:3], [-1.594028, 1.16821, 0.6744921], rtol=1e-5)
    np.testing.assert_allclose(layer.avg_mean.data, [0.09697618, 0.1063051], rtol=1e-5)
    np.testing.assert_allclose(layer.avg_var.data, [0.8572019, 0.8468366], rtol=1e-5)
    with dezero_c.test_mode():
        y = layer(x)
    np.testing.assert_allclose(y.data.ravel()[:3], [-0.6447782, 0.2715181, 0.1077409], rtol=1e-5)


def test_weights_are_drawn_in_the_order_of_use():
    np.random.seed(0)
    first, second = L.Linear(2), L.Linear(3)
    second(image(2, 4))
    first(image(2, 5))
    np.random.seed(0)
    np.testing.assert_allclose(second.W.data, np.random.randn(4, 3) * np.sqrt(1 / 4), rtol=1e-6)
    np.testing.assert_allclose(first.W.data, np.random.randn(5, 2) * np.sqrt(1 / 5), rtol=1e-6)


# ---- Linear, convolution ------------------------------------------------------------------------------------------

def test_linear_of_three_axes():
    layer, x = L.Linear(3), image(2, 5, 4)
    y = layer(x)
    assert layer.in_size == 4
    np.testing.assert_allclose(y.data, x @ layer.W.data + layer.b.data, rtol=1e-5, atol=1e-6)
    F.sum(y).backward()
    np.testing.assert_allclose(layer.W.grad.data, x.sum(axis=(0, 1))[:, None].repeat(3, axis=1), rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(layer.b.grad.data, [10, 10, 10])


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_weights_have_the_dtype_that_is_asked_for(dtype):
    for layer, x in ((L.Linear(3, dtype=dtype), image(2, 4)), (L.Conv2d(3, 2, dtype=dtype), image(2, 2, 4, 4)),
                     (L.Deconv2d(3, 2, dtype=dtype), image(2, 2, 4, 4))):
        y = layer(x.astype(dtype))
        assert y.dtype == layer.W.dtype == layer.b.dtype == dtype


def test_attributes_are_dezeros():
    linear = L.Linear(3, in_size=4)
    assert (linear.in_size, linear.out_size, linear.dtype) == (4, 3, np.float32)
    for cls in (L.Conv2d, L.Deconv2d):
        layer = cls(3, (2, 3), stride=2, pad=1, nobias=True, in_channels=2)
        assert layer.in_channels == 2
        assert (layer.out_channels, layer.kernel_size, layer.stride, layer.pad, layer.b) == (3, (2, 3), 2, 1, None)
        assert layer.W.shape == ((3, 2, 2, 3) if cls is L.Conv2d else (2, 3, 2, 3))
        assert layer.W.name == "W"


def test_neither_convolution_is_the_other():
    """Programs that treat each kind of layer in its own way ask with isinstance."""
    assert not isinstance(L.Deconv2d(3, 2), L.Conv2d)
    assert not isinstance(L.Conv2d(3, 2), L.Deconv2d)
    assert not isinstance(L.Conv3d(3, 2), L.Conv2d)


def test_convolution_and_its_transpose_are_the_functions():
    x = image(2, 2, 5, 6)
    layer = L.Conv2d(3, (2, 3), stride=(2, 1), pad=(1, 0))
    layer.b.data += image(3)
    y = layer(x)
    np.testing.assert_array_equal(y.data, F.conv2d(x, layer.W, layer.b, (2, 1), (1, 0)).data)
    layer = L.Deconv2d(3, (2, 3), stride=(2, 1), pad=(1, 0))
    layer.b.data += image(3)
    y = layer(x)
    np.testing.assert_array_equal(y.data, F.deconv2d(x, layer.W, layer.b, (2, 1), (1, 0)).data)


def test_dilated_convolutions_of_groups_are_the_functions():
    x, volume = image(2, 4, 5, 6), image(2, 4, 4, 5, 6)
    for cls, f, a, kernel, W in ((L.Conv2d, F.conv2d, x, (2, 3), (6, 2, 2, 3)), (L.Deconv2d, F.deconv2d, x, (2, 3), (4, 3, 2, 3)),
                                 (L.Conv3d, F.conv3d, volume, (2, 1, 3), (6, 2, 2, 1, 3))):
        dilation = 2 if cls is L.Conv2d else (2, 1, 1)[:len(kernel)]
        for layer in (cls(6, kernel, dilation=dilation, groups=2), cls(6, kernel, dilation=dilation, groups=2, in_channels=4)):
            assert layer._known_shape("W") in (W, (W[0], None, *W[2:]), (None, *W[1:]))
            y = layer(a)
            assert layer.W.shape == layer._known_shape("W") == W
            np.testing.assert_array_equal(y.data, f(a, layer.W, layer.b, dilation=dilation, groups=2).data)
            F.sum(y).backward()
            assert layer.W.grad.shape == W
    np.random.seed(0)
    wide = L.Conv2d(64, 3, in_channels=128, groups=4)
    assert np.isclose(wide.W.data.std(), 1 / np.sqrt(128 / 4 * 9), rtol=0.02)


def test_groups_that_divide_no_channels():
    for groups in (0, 4, 2.0, True, -1):
        with pytest.raises(ValueError, match=rf"Conv2d: groups {groups} must be an int .* divides out_channels, 6"):
            L.Conv2d(6, 2, groups=groups)
    with pytest.raises(ValueError, match="Conv3d: groups 3 must divide the number of channels, 4"):
        L.Conv3d(6, 2, groups=3)(image(1, 4, 3, 3, 3))
    for kernel in ((2, 3), (2, 3, 4, 5), 1.5):
        with pytest.raises(ValueError, match=r"Conv3d: kernel_size .* must be an int or 3 ints"):
            L.Conv3d(6, kernel, in_channels=2)


def test_convolutions_of_older_pickles():
    layer = L.Conv2d(3, 2)
    del layer.dilation, layer.groups
    assert layer(image(1, 2, 4, 4)).shape == (1, 3, 3, 3)


# ---- recurrent layers against their formulas ----------------------------------------------------------------------

def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def recurrent(cls, in_size=None, dtype=np.float64):
    """A layer of float64 with random weights, {name: array}, and a sequence of (2, 4) inputs."""
    np.random.seed(3)
    layer = cls(3, in_size=in_size)
    xs = [np.random.randn(2, 4) for _ in range(4)]
    for x in xs[:2]:
        layer(x)
    W = {}
    for name, p in layer.named_params():
        p.data = np.random.randn(*p.shape)
        W[name] = p.data
    layer.reset_state()
    return layer, W, xs


@pytest.mark.parametrize("in_size", [None, 4])
def test_rnn_formula(in_size):
    layer, W, xs = recurrent(L.RNN, in_size)
    h = np.zeros((2, 3))
    for x in xs:
        h = np.tanh(x @ W["x2h/W"] + W["x2h/b"] + h @ W["h2h/W"])
        np.testing.assert_allclose(layer(x).data, h, rtol=1e-12)
        assert layer.h is not None
    assert names(layer) == ["x2h/W", "x2h/b", "h2h/W"]


@pytest.mark.parametrize("in_size", [None, 4])
def test_lstm_formula(in_size):
    layer, W, xs = recurrent(L.LSTM, in_size)
    h = c = np.zeros((2, 3))

    def gate(name, activation):
        return activation(x @ W[f"x2{name}/W"] + W[f"x2{name}/b"] + h @ W[f"h2{name}/W"])

    for x in xs:
        f, i, o, u = gate("f", sigmoid), gate("i", sigmoid), gate("o", sigmoid), gate("u", np.tanh)
        c = f * c + i * u
        h = o * np.tanh(c)
        np.testing.assert_allclose(layer(x).data, h, rtol=1e-12)
        np.testing.assert_allclose(layer.c.data, c, rtol=1e-12)
    x2 = [f"x2{gate}/{p}" for gate in "fiou" for p in "Wb"]
    assert names(layer) == x2 + [f"h2{gate}/W" for gate in "fiou"]


@pytest.mark.parametrize("in_size", [None, 4])
def test_gru_formula(in_size):
    layer, W, xs = recurrent(L.GRU, in_size)
    h = np.zeros((2, 3))
    for x in xs:
        r = sigmoid(x @ W["x2r/W"] + W["x2r/b"] + h @ W["h2r/W"])
        z = sigmoid(x @ W["x2z/W"] + W["x2z/b"] + h @ W["h2z/W"])
        u = np.tanh(x @ W["x2u/W"] + W["x2u/b"] + (r * h) @ W["h2u/W"])
        h = z * h + (1 - z) * u
        np.testing.assert_allclose(layer(x).data, h, rtol=1e-12)


@pytest.mark.parametrize("cls", [L.RNN, L.LSTM, L.GRU])
def test_reset_state_starts_anew(cls):
    layer, x = cls(3), image(2, 4)
    first = layer(x).data.copy()
    assert not np.array_equal(layer(x).data, first)
    layer.reset_state()
    assert layer.h is None
    np.testing.assert_array_equal(layer(x).data, first)
    layer.reset_state()
    assert layer(image(5, 4)).shape == (5, 3)       # another number of sequences


@pytest.mark.parametrize("cls", [L.RNN, L.LSTM, L.GRU])
def test_truncated_backpropagation(cls):
    """The book's step 59: the loss grows over a window, then the graph is cut."""
    layer, out = cls(3), L.Linear(1)
    loss = 0
    for t in range(6):
        loss += F.mean_squared_error(out(layer(image(2, 4))), image(2, 1))
        if t % 3 == 2:
            layer.cleargrads()
            loss.backward()
            loss.unchain_backward()
            assert all(np.isfinite(p.grad.data).all() for p in layer.params())
            assert layer.h.creator is None
            loss = 0


# ---- the others ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("x", [np.array([3, 1, 3]), Variable(np.array([3, 1, 3])), [3, 1, 3]],
                         ids=["ndarray", "Variable", "list"])
def test_embed_id(x):
    layer = L.EmbedID(5, 2)
    y = layer(x)
    np.testing.assert_array_equal(y.data, layer.W.data[[3, 1, 3]])
    F.sum(y).backward()
    np.testing.assert_array_equal(layer.W.grad.data, [[0, 0], [1, 1], [0, 0], [2, 2], [0, 0]])


@pytest.mark.parametrize("padding", [0, -1])
def test_embed_id_leaves_padding_alone(padding):
    np.random.seed(0)
    plain = L.EmbedID(5, 2)
    np.random.seed(0)
    layer = L.EmbedID(5, 2, padding_idx=padding)
    plain.W.data[padding] = 0
    np.testing.assert_array_equal(layer.W.data, plain.W.data)
    assert [name for name, _ in layer.named_params()] == ["W"]
    for same in (layer, pickle.loads(pickle.dumps(layer))):
        F.sum(same([0, 1, 4, 4])).backward()
        expected = np.array([[1.0], [1], [0], [0], [2]]) * [1, 1]
        expected[padding] = 0
        np.testing.assert_array_equal(same.W.grad.data, expected)
    with pytest.raises(IndexError, match="padding_idx 5"):
        L.EmbedID(5, 2, padding_idx=5)
    with pytest.raises(TypeError):
        L.EmbedID(5, 2, padding_idx=0.5)


def test_embed_id_names_what_is_no_id():
    with pytest.raises(IndexError):
        L.EmbedID(5, 2)(np.array([5]))
    with pytest.raises(TypeError):
        L.EmbedID(5, 2)(np.array([1.0]))


@pytest.mark.parametrize(("shape", "axes"), [((6, 4), (0,)), ((3, 4, 2, 5), (0, 2, 3))])
def test_batch_norm_normalises_and_keeps_running_averages(shape, axes):
    layer = L.BatchNorm()
    random = np.random.default_rng(0)
    mean, var = np.zeros(4), np.ones(4)
    broad = (slice(None), *(None for _ in shape[2:]))
    for i in range(3):
        x = random.standard_normal(shape) * (i + 1) + i
        n = x.size // 4
        mean = 0.9 * mean + 0.1 * x.mean(axis=axes)
        var = 0.9 * var + 0.1 * x.var(axis=axes) * n / (n - 1)
        y = layer(x).data
        expected = (x - x.mean(axis=axes, keepdims=True)) / np.sqrt(x.var(axis=axes, keepdims=True) + 2e-5)
        np.testing.assert_allclose(y, expected, rtol=1e-10, atol=1e-12)
        np.testing.assert_allclose(layer.avg_mean.data, mean, rtol=1e-12)
        np.testing.assert_allclose(layer.avg_var.data, var, rtol=1e-12)
    layer.gamma.data[:], layer.beta.data[:] = [1, 2, 3, 4], [5, 6, 7, 8]
    with dezero_c.test_mode():
        y = layer(x).data
    expected = (x - mean[broad]) / np.sqrt(var[broad] + 2e-5) * layer.gamma.data[broad] + layer.beta.data[broad]
    np.testing.assert_allclose(y, expected, rtol=1e-10)
    np.testing.assert_allclose(layer.avg_mean.data, mean, rtol=1e-12)       # untouched


def test_batch_norm_names_and_averages_without_gradients():
    layer = L.BatchNorm()
    F.sum(layer(image(6, 4)) ** 3).backward()
    assert names(layer) == ["avg_mean", "avg_var", "gamma", "beta"]
    assert [p.grad is None for p in layer.params()] == [True, True, False, False]


def test_norms_take_lists_and_integers():
    x = [[1, 2, 4], [3, 1, 5]]
    for cls in (L.BatchNorm, L.LayerNorm):
        from_list, from_floats = cls()(x).data, cls()(np.array(x, dtype=np.float64)).data
        np.testing.assert_allclose(from_list, from_floats, rtol=1e-5)


@pytest.mark.parametrize("shape", [(4,), (2, 4), (2, 3, 4)])
def test_layer_norm(shape):
    layer, x = L.LayerNorm(eps=1e-3), image(*shape).astype(np.float64)
    expected = (x - x.mean(axis=-1, keepdims=True)) / np.sqrt(x.var(axis=-1, keepdims=True) + 1e-3)
    np.testing.assert_allclose(layer(x).data, expected, rtol=1e-10)
    assert names(layer) == ["gamma", "beta"]
    assert layer.gamma.shape == (4,)


def test_dropout_follows_the_mode():
    layer, x = L.Dropout(0.25), np.ones(10_000)
    y = layer(x).data
    assert set(np.unique(y)) == {0.0, 1 / 0.75}
    assert 0.2 < (y == 0).mean() < 0.3
    with dezero_c.test_mode():
        np.testing.assert_array_equal(layer(x).data, x)
    assert L.Dropout().dropout_ratio == 0.5


@pytest.mark.parametrize("kind", ["itself", "each other", "in a list", "a parent in each"])
def test_layers_that_hold_each_other_have_one_name_for_each_parameter(kind, tmp_path):
    def made():
        a, b = L.Linear(2, in_size=3), L.Linear(4, in_size=2)
        model = dezero_c.Model()
        model.a, model.b = a, b
        if kind == "itself":
            a.me = a
        elif kind == "each other":
            a.next, b.before = b, a
        elif kind == "in a list":
            b.around = [a, {"model": model}]
        else:
            a.parent = b.parent = model
        return model

    model = made()
    found = list(model.named_params())
    assert sorted(p.data.shape for _, p in found) == [(2,), (2, 4), (3, 2), (4,)]
    assert [p for _, p in found] == list(model.params())
    assert len({name for name, _ in found}) == 4
    path = tmp_path / "w.npz"
    model.save_weights(path)
    with np.load(path) as file:
        assert sorted(file.files) == sorted(name for name, _ in found)
    other = made()
    other.load_weights(path)
    for p, q in zip(model.params(), other.params(), strict=True):
        np.testing.assert_array_equal(p.data, q.data)


def test_a_layer_that_comes_twice_is_in_a_file_under_both_names(tmp_path):
    model = dezero_c.Model()
    model.a = model.b = L.Linear(2, in_size=3)      # as DeZero writes it
    model.save_weights(tmp_path / "w.npz")
    with np.load(tmp_path / "w.npz") as file:
        assert sorted(file.files) == ["a/W", "a/b", "b/W", "b/b"]
    assert [name for name, _ in model.named_params()] == ["a/W", "a/b"]


def test_a_web_of_layers_is_walked_through_once():
    layers = [L.Linear(1, in_size=1) for _ in range(30)]
    for layer in layers:
        layer.others = layers
    assert len(list(layers[0].named_params())) == 60
