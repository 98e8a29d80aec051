"""What programs of users met: numbers that were silently wrong, and refusals, each with the right value."""

import base64
import copy
import json
import pickle
import warnings
from pathlib import Path

import numpy as np
import pytest

import dezero_c
import dezero_c.core_simple as simple
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Function, Model, Parameter, Variable, chapter1, optimizers
from dezero_c.utils import gradient_check


def gradient(f, x, create_graph=False):
    v = x if isinstance(x, Variable) else Variable(np.asarray(x))
    y = f(v)
    (y if y.ndim == 0 else F.sum(y)).backward(create_graph=create_graph)
    return v.grad


# ---- what DeZero takes ------------------------------------------------------------------------------------------------

def test_gradient_check_takes_integers():
    assert gradient_check(lambda x: x ** 2, np.array([1, 2, 3]))
    assert not gradient_check(lambda x: F.relu(x) * 1.0, np.array([0]))      # a kink: it does compare


def test_sum_to_of_a_shape_that_does_not_fit():
    with pytest.warns(UserWarning, match=r"\(4, 2, 3\) cannot be summed to \(4, 2\)"):
        y = F.sum_to(np.ones((4, 2, 3)), (4, 2))
    assert np.array_equal(y.data, np.full((2, 3), 4.0))
    with pytest.warns(UserWarning, match="leading axes are summed"):
        assert gradient_check(lambda x: F.sum_to(x, (10,)), np.random.default_rng(0).random((4, 3, 2)))
    x = Variable(np.ones((3, 1)))
    y = F.sum(x * np.ones((2, 3, 4)))       # what sums for broadcasting stays strict, and silent
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        y.backward()
    assert np.array_equal(x.grad.data, np.full((3, 1), 8.0))


def test_expand_dims_past_the_end():
    with pytest.warns(UserWarning, match="axis 3 is not one of the 3 axes"):
        assert F.expand_dims(np.ones((2, 1)), 3).shape == (2, 1, 1)
    with pytest.warns(UserWarning, match="the first one"):
        assert F.expand_dims(np.ones((2, 5)), -4).shape == (1, 2, 5)


@pytest.mark.parametrize(("hook", "value"), [(optimizers.ClipGrad(0.5), 2.95), (optimizers.WeightDecay(0.1), 2.77)])
def test_hooks_on_a_parameter_of_one_number(hook, value):
    layer = L.Layer()
    layer.p = Parameter(np.array(3.0))
    layer.p.grad = Variable(np.array(2.0))
    optimizer = optimizers.SGD(0.1).setup(layer)
    optimizer.add_hook(hook)
    optimizer.update()
    assert layer.p.data == pytest.approx(value, abs=1e-6)
    assert isinstance(layer.p.data, np.ndarray)


@pytest.mark.parametrize("make", [
    optimizers.SGD, optimizers.MomentumSGD, optimizers.AdaGrad, optimizers.AdaDelta, optimizers.Adam])
def test_data_that_became_a_numpy_scalar(make):
    layer = L.Layer()
    layer.p = Parameter(np.array(3.0))
    optimizer = make().setup(layer)
    layer.p.data = np.clip(layer.p.data, 0, 1.5)
    layer.p.grad = Variable(np.array(2.0))
    optimizer.update()
    assert 1.0 < layer.p.data < 1.5
    if make is optimizers.Adam:
        assert layer.p.data == pytest.approx(1.499, abs=1e-6)


# ---- integers become floats ----------------------------------------------------------------------------------------------

def u8(*values):
    return np.array(values, np.uint8)


def test_losses_of_integers():
    assert F.mean_absolute_error(u8(0, 1), u8(1, 0)).data == 1
    assert F.huber(u8(0, 1), u8(1, 0)).data == 0.5
    assert F.mean_squared_error(u8(0), u8(20)).data == 400
    assert F.mean_squared_error_simple(u8(0), u8(20)).data == 400
    assert F.mean_squared_error(np.array([-100000], np.int32), np.array([100000], np.int32)).data == 4e10
    assert F.binary_cross_entropy(u8(1), u8(1)).data == pytest.approx(-np.log(0.999))
    assert F.mean_squared_error(Variable(np.ones(2, np.float32)), u8(0, 0)).dtype == np.float32


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.int64, bool])
def test_activations_of_integers_are_those_of_float64(dtype):
    x = np.array([[1, 0, 1], [0, 0, 1]], dtype)
    for f in (F.softmax, F.log_softmax, F.sigmoid, F.softplus, F.silu, F.gelu, F.relu, F.elu, F.softmax_simple,
              lambda v: F.Softmax()(v), lambda v: F.softmax_cross_entropy(v, np.array([0, 1]))):
        y = f(x)
        assert y.dtype == np.float64
        assert np.array_equal(y.data, f(x.astype(np.float64)).data)
    v = Variable(x.astype(dtype))
    F.sum(F.softmax(v) * np.arange(3.0)).backward()
    assert np.allclose(v.grad.data, gradient(lambda w: F.softmax(w) * np.arange(3.0), x.astype(float)).data)


def test_integers_at_the_ends_of_their_range():
    assert np.allclose(F.softmax(u8(1, 2, 3).reshape(1, 3)).data, [[0.0900306, 0.2447285, 0.6652410]])
    assert np.allclose(F.log_softmax(u8(1, 2, 3).reshape(1, 3)).data, [[-2.4076060, -1.4076060, -0.4076060]])
    assert np.allclose(F.softplus(u8(1, 200)).data, [1.3132617, 200])
    assert 0 < F.sigmoid(np.array([-128], np.int8)).data[0] < 1e-55


@pytest.mark.parametrize("name", ["sigmoid", "silu", "softplus", "relu", "gelu", "elu"])
def test_activations_refuse_complex_numbers(name):
    with pytest.raises(TypeError, match=rf"{name}: not defined for complex128"):
        getattr(F, name)(np.array([1 + 1j]))


# ---- the ends of the range, ties, kinks ----------------------------------------------------------------------------------

@pytest.mark.parametrize(("dtype", "x"), [(np.float16, 3000), (np.float32, 2**24 + 2), (np.float64, 1e16)])
@pytest.mark.parametrize("create_graph", [False, True])
def test_the_gradient_of_silu_far_out(dtype, x, create_graph):
    g = gradient(F.silu, np.array([x, -x], dtype), create_graph)
    assert g.dtype == dtype
    assert g.data.tolist() == [1, 0]


@pytest.mark.parametrize("create_graph", [False, True])
def test_infinite_errors_have_a_gradient(create_graph):
    with np.errstate(invalid="ignore"):
        assert gradient(lambda x: F.huber(x, np.zeros(2)), np.array([np.inf, 0.5]), create_graph).data.tolist() == [0.5, 0.25]
    y = F.relu(x := Variable(np.array([-1.0, 2.0])))
    y.grad = Variable(np.array([np.inf, np.inf]))
    y.backward(create_graph=create_graph)
    assert x.grad.data.tolist() == [0, np.inf]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("create_graph", [False, True])
def test_power_at_exponent_zero_and_a_tiny_base(dtype, create_graph):
    tiny = np.finfo(dtype).smallest_subnormal
    x = np.array([tiny, 0, -tiny, 1, 1e30, -2], dtype)
    with np.errstate(all="ignore"):
        g = gradient(lambda v: F.power(v, np.zeros(6, dtype)), x, create_graph)
    assert g.data.tolist() == [0] * 6


@pytest.mark.parametrize("f", [F.std, F.var])
@pytest.mark.parametrize("axis", [None, 0, 1])
@pytest.mark.parametrize("create_graph", [False, True])
def test_equal_values_have_no_spread_and_no_gradient(f, axis, create_graph):
    """0.1 is no binary number: the mean of seven of them is another one, and the gradient was the quotient of two roundings."""
    for x in (np.full((7, 7), 0.1), np.broadcast_to(np.array(0.1), (7, 7)), np.full((7, 7), 0.1, np.float32)):
        assert not f(x, axis=axis).data.any()
        assert not gradient(lambda v: f(v, axis=axis), x, create_graph).data.any()
    mixed = np.random.default_rng(0).normal(size=(3, 7))
    mixed[1] = 0.1
    g = gradient(lambda v: f(v, axis=1), mixed, create_graph).data
    assert not g[1].any()
    assert np.allclose(g[[0, 2]], gradient(lambda v: f(v, axis=1), mixed[[0, 2]]).data)


@pytest.mark.parametrize("axis", [0, -1])
@pytest.mark.parametrize("name", ["sum", "mean", "max", "min", "prod", "logsumexp"])
def test_a_single_number_has_an_axis_as_numpy_lets_it(name, axis):
    f = getattr(F, name)
    g = gradient(lambda x: f(x, axis=axis), np.array(2.0))
    assert g.shape == ()
    assert g.data == 1
    with pytest.raises(np.exceptions.AxisError):
        f(Variable(np.array(2.0)), axis=1)


# ---- dtypes and graphs ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("n", [1, 3, 2049])
def test_leaky_relu_keeps_float32_under_create_graph(n):
    x = np.linspace(-1, 1, n, dtype=np.float32)
    assert gradient(F.leaky_relu, x, True).dtype == np.float32


def test_a_root_gradient_of_another_dtype_stays_in_the_graph():
    x, s = Variable(np.array(2.0)), Variable(np.array(1.0, np.float32))
    y = x ** 3
    y.grad = s
    y.backward(create_graph=True)
    gx = x.grad
    x.cleargrad()
    gx.backward()
    assert s.grad.data == 12


def test_too_many_gradients_are_an_error():
    class Two(Function):
        def forward(self, x):
            return x

        def backward(self, gy):
            return gy, gy

    with pytest.raises(ValueError, match="returned 2 gradients for 1 inputs"):
        Two()(Variable(np.array(1.0))).backward()


# ---- layers --------------------------------------------------------------------------------------------------------------

class Listed(Model):
    def __init__(self):
        super().__init__()
        self.first = L.Linear(3, in_size=2)
        self.l = [self.first]
        self.l.append(L.Linear(4, in_size=3))
        self.named = {"a": (L.Linear(1, in_size=4),), "free": Parameter(np.zeros(2)), "text": "x", "value": Variable(np.ones(1))}

    def forward(self, x):
        for layer in self.l:
            x = layer(x)
        return self.named["a"][0](x)


def test_layers_in_lists_and_dicts_are_found(tmp_path):
    model = Listed()
    assert [name for name, _ in model.named_params()] == [
        "first/W", "first/b", "l/1/W", "l/1/b", "named/a/0/W", "named/a/0/b", "named/free"]
    assert len(list(model.params())) == 7
    F.sum(model(np.ones((1, 2), np.float32))).backward()
    assert model.l[1].W.grad is not None
    before = model.l[1].W.data.copy()
    optimizers.SGD(0.1).setup(model).update()
    assert not np.array_equal(model.l[1].W.data, before)
    model.cleargrads()
    assert model.l[1].W.grad is None
    model.save_weights(tmp_path / "w.npz")
    other = Listed()
    other.load_weights(tmp_path / "w.npz")
    assert np.array_equal(other.l[1].W.data, model.l[1].W.data)
    copied = copy.deepcopy(model)
    assert copied.l[0] is copied.first
    assert len(list(copied.params())) == 7
    model.l = None
    assert len(list(model.params())) == 5


def test_a_list_that_holds_itself():
    layer = L.Layer()
    layer.l = [L.Linear(1, in_size=1)]
    layer.l.append(layer.l)
    assert len(list(layer.params())) == 2


def test_an_optimizer_without_parameters_warns():
    with pytest.warns(UserWarning, match="has no parameters"):
        optimizers.SGD().setup(L.Layer())


def test_names_of_parameters_are_as_a_set():
    layer = L.Linear(2, in_size=1)
    assert str(layer._params) in ("{'W', 'b'}", "{'b', 'W'}")
    assert str(L.Layer()._params) == "set()"
    layer.extra = 0
    layer.__dict__["extra"] = Parameter(np.zeros(1))
    layer._params |= {"extra"}
    assert len(list(layer.params())) == 3


def test_embed_id_is_float32():
    layer = L.EmbedID(10, 4)
    assert layer.W.dtype == np.float32
    assert layer(np.array([1, 2])).dtype == np.float32


@pytest.mark.parametrize("kind", [L.RNN, L.LSTM, L.GRU])
def test_copies_of_recurrent_layers_hold_the_state_and_not_the_steps(kind):
    layer = kind(4, in_size=3)
    x = np.ones((2, 3), np.float32)
    layer(x)
    short = len(pickle.dumps(layer))
    for _ in range(100):
        layer(x)
    text = pickle.dumps(layer)
    assert len(text) == short < 6000
    for other in (pickle.loads(text), copy.deepcopy(layer), copy.copy(layer)):
        assert np.array_equal(other.h.data, layer.h.data)
        assert other.h.creator is None
        assert np.array_equal(other(x).data, copy.copy(layer)(x).data)
    assert layer.h.creator is not None


def test_a_shallow_copy_finds_its_own_containers():
    layer = L.Layer()
    layer.l = [L.Linear(1, in_size=1)]
    other = copy.copy(layer)
    other.more = [L.Linear(1, in_size=1)]
    assert "more" not in layer._containers
    assert (len(list(layer.params())), len(list(other.params()))) == (2, 4)


# ---- backward of a gradient, as in other packages --------------------------------------------------------------------------

@pytest.mark.parametrize("cls", [Variable, simple.Variable, chapter1.Variable])
@pytest.mark.parametrize("gradient", [np.array(2.0), np.ones(2), Variable(np.array(2.0)), 2.0, np.float32(2), [1.0, 2.0]])
def test_backward_of_a_gradient_says_how_to_set_it(cls, gradient):
    x = cls(np.array([1.0, 2.0]))
    y = x * 3.0
    with pytest.raises(TypeError, match=r"retain_grad is True or False, not \w+; .*y\.grad = gradient; y\.backward\(\)"):
        y.backward(gradient)
    assert x.grad is None


@pytest.mark.parametrize("flag", [True, 1, np.True_, False, 0, np.False_, None])
def test_flags_of_backward(flag):
    x = Variable(np.array([1.0, 2.0]))
    y = x * 3.0
    F.sum(y).backward(flag, create_graph=flag)
    assert (y.grad is not None) == (x.grad.creator is not None) == bool(flag)
    with pytest.raises(TypeError, match="create_graph is True or False, not ndarray"):
        y.backward(create_graph=np.ones(2))


# ---- pickles of DeZero's ---------------------------------------------------------------------------------------------------

PICKLES = [line.split("\t") for line in (Path(__file__).parent / "pickles_of_dezero.txt").read_text().splitlines()
           if not line.startswith("#")]


@pytest.fixture
def drop_in():
    dezero_c.install()
    yield
    dezero_c.uninstall()


@pytest.mark.parametrize(("what", "text"), PICKLES, ids=[what for what, _ in PICKLES])
def test_pickles_of_dezero_are_read(what, text, drop_in):
    pickled, given, wanted = json.loads(text)
    pickled = base64.b64decode(pickled)
    if what == "MomentumSGD with state":        # by ids of another process
        with pytest.raises(ValueError, match="MomentumSGD: a pickle of DeZero's optimizer has its state"):
            pickle.loads(pickled)
        return
    o = pickle.loads(pickled)
    assert type(o).__module__.startswith("dezero_c.")
    if wanted is not None:
        x = np.array(given) if what == "EmbedID" else np.array(given, np.float32)
        assert np.allclose(o(x).data.ravel(), wanted, rtol=1e-5, atol=1e-6)
        names = [name for name, _ in o.named_params()]
        again = pickle.loads(pickle.dumps(o))
        assert [name for name, _ in again.named_params()] == [name for name, _ in copy.deepcopy(o).named_params()] == names
        assert optimizers.SGD().setup(o).target is o
    elif what == "Linear without weights":
        assert o(np.ones((2, 3), np.float32)).shape == (2, 4)
        assert [p.shape for p in o.params()] == [(3, 4), (4,)] or [p.shape for p in o.params()] == [(4,), (3, 4)]
    elif isinstance(o, optimizers.Optimizer):
        assert o._numbers()["lr" if what == "SGD" else "alpha"] == 0.5
        layer = o.target or L.Linear(1, in_size=1)
        F.sum(layer(np.ones((1, 1), np.float32))).backward()
        before = layer.W.data.copy()
        o.setup(layer).update()
        assert not np.array_equal(layer.W.data, before)
    elif what == "Variable":
        assert (o.data.tolist(), o.name, o.note, o.grad.data.tolist(), o.creator) == ([0, 1, 2], "v", "n", [1, 1, 1], None)
        F.sum(o * o).backward()
        assert o.grad.data.tolist() == [1, 3, 5]
    elif what == "Variable with gradient as ndarray":
        assert type(o) is simple.Variable
        assert isinstance(o.grad, np.ndarray)
        assert o.grad.tolist() == [1, 1, 1]
    elif what == "Parameter":
        assert (type(o), o.data.tolist(), o.name, o.grad) == (Parameter, [[1, 1], [1, 1]], "p", None)
    else:
        assert (what, o.data, o.grad) == ("Variable without data", None, None)


def test_a_pickle_of_a_graph_of_dezeros_says_so():
    with pytest.raises(ValueError, match="holds a graph"):
        Variable(None).__setstate__({"data": np.ones(1), "name": None, "grad": None, "creator": "its Function", "generation": 1})
    x = Variable(None)
    x.__setstate__({"data": np.float64(2)})     # what an update of a 0-d Parameter left
    assert isinstance(x.data, np.ndarray)


@pytest.mark.parametrize("dtype", ["e", ">f4", "f", ">f8"])
@pytest.mark.parametrize("call", [lambda v: 1.5 ** v, lambda v: F.power(1.5, v), lambda v: F.power(v, 1.5), lambda v: 2 / v,
                                  lambda v: F.power(0.0, v)], ids=range(5))
def test_gradients_beside_numbers_have_the_dtype_of_x(call, dtype):
    v = Variable(np.array([1.0, 2.0]).astype(dtype))
    for create_graph in (False, True):
        v.cleargrad()
        F.sum(call(v)).backward(create_graph=create_graph)
        assert v.grad.dtype == np.dtype(dtype).newbyteorder("=")


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_bounds_of_clip_that_are_variables(dtype):
    x = Variable(np.array([-2, 0.5, 3, 1, -1], dtype))
    low, high = Variable(np.array(-1, dtype)), Variable(np.array([1, 1, 2, 1, 5], dtype))
    y = F.clip(x, low, high)
    np.testing.assert_array_equal(y.data, np.clip(x.data, low.data, high.data))
    F.sum(y * np.arange(1, 6, dtype=dtype)).backward()
    for v, want in ((x, [0, 2, 0, 4, 5]), (low, 1), (high, [0, 0, 3, 0, 0])):
        assert v.grad.dtype == dtype
        np.testing.assert_array_equal(v.grad.data, want)
    a = np.array([-2.0, 0.3, 3.0])
    for call in (lambda v: F.clip(v, Variable(np.array(-1.0)), None) ** 2, lambda v: F.clip(a, v - 1, 2.0) ** 2,
                 lambda v: F.clip(a, None, v * v) ** 2, lambda v: np.clip(a, -v * v, v + 1) ** 3):
        assert gradient_check(call, np.array([0.7, 1.2, 1.9]), order=2)
    np.testing.assert_array_equal(F.clip(a, Variable(np.array(2.0)), Variable(np.array(1.0))).data, np.clip(a, 2.0, 1.0))
    assert np.isnan(F.clip(a, Variable(np.array(np.nan)), 1.0).data).all()
    with pytest.raises(ValueError, match="broadcast"):
        F.clip(x, Variable(np.ones(2, dtype)), None)
