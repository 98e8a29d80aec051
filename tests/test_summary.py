"""repr(layer) and layer.summary(x): texts, counts by hand, and that nothing else changes."""

import functools
import random

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Layer, Model, Parameter, Variable, models
from dezero_c.models import MLP, Sequential


def ones(*shape, dtype=np.float32):
    return np.ones(shape, dtype)


class Net(Model):
    def __init__(self):
        super().__init__()
        self.l1, self.l2 = L.Linear(5), L.Linear(2)

    def forward(self, x):
        return self.l2(F.relu(self.l1(x)))


class Scaled(Layer):
    """A user's layer with Parameters of its own, one without data."""

    def __init__(self):
        super().__init__()
        self.w, self.later = Parameter(ones(2, 3)), Parameter(None)

    def forward(self, x):
        return F.matmul(x, self.w)


# ---- repr ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("make", "text"), [
    (lambda: L.Linear(3), "Linear(? -> 3)"),
    (lambda: L.Linear(3, nobias=True, dtype=np.float64, in_size=2), "Linear(2 -> 3, no bias, float64)"),
    (lambda: L.Conv2d(4, 3), "Conv2d(? -> 4, kernel_size=3)"),
    (lambda: L.Conv2d(4, (3, 1), 2, 1, in_channels=6, groups=2, dilation=2),
     "Conv2d(6 -> 4, kernel_size=(3, 1), stride=2, pad=1, dilation=2, groups=2)"),
    (lambda: L.Deconv2d(4, 3, in_channels=2, groups=2), "Deconv2d(2 -> 4, kernel_size=3, groups=2)"),
    (lambda: L.Conv3d(4, 3), "Conv3d(? -> 4, kernel_size=3)"),
    (lambda: L.RNN(3), "RNN(? -> 3)"),
    (lambda: L.LSTM(3, in_size=2), "LSTM(2 -> 3)"),
    (lambda: L.GRU(3, in_size=2), "GRU(2 -> 3)"),
    (lambda: L.EmbedID(7, 3), "EmbedID(7 -> 3)"),
    (lambda: L.EmbedID(7, 3, padding_idx=0), "EmbedID(7 -> 3, padding_idx=0)"),
    (L.BatchNorm, "BatchNorm(?)"),
    (L.LayerNorm, "LayerNorm(?)"),
    (lambda: L.Dropout(0.2), "Dropout(0.2)"),
    (Layer, "Layer()"),
    (lambda: MLP((3, 2)), "MLP(\n  activation: sigmoid\n  l0: Linear(? -> 3)\n  l1: Linear(? -> 2)\n)"),
    (Scaled, "Scaled(\n  w: Parameter (2, 3), float32\n  later: Parameter, not drawn yet\n)"),
])
def test_texts(make, text):
    assert repr(make()) == text


def test_sizes_are_there_after_the_first_call():
    for layer, x, text in [(L.Linear(3), ones(1, 4), "Linear(4 -> 3)"), (L.BatchNorm(), ones(2, 4), "BatchNorm(4)"),
                           (L.LayerNorm(), ones(2, 4), "LayerNorm(4)"), (L.RNN(3), ones(2, 4), "RNN(4 -> 3)"),
                           (L.Deconv2d(3, 1), ones(1, 2, 4, 4), "Deconv2d(2 -> 3, kernel_size=1)")]:
        layer(x)
        assert repr(layer) == text


def test_loaded_weights_tell_their_size(tmp_path):
    one, other = L.Linear(3), L.Linear(3)
    one(ones(1, 4))
    one.save_weights(tmp_path / "w.npz")
    other.load_weights(tmp_path / "w.npz")
    assert repr(other) == "Linear(4 -> 3)"


def test_sequential_shows_functions_in_their_places():
    model = Sequential(L.Conv2d(2, 3), F.relu, functools.partial(F.leaky_relu, slope=0.1), Net())
    lines = repr(model).splitlines()
    assert lines[:3] == ["Sequential(", "  l0: Conv2d(? -> 2, kernel_size=3)", "  l1: relu"]
    assert lines[3].startswith("  l2: functools.partial(")
    assert lines[4:] == ["  l3: Net(", "    l1: Linear(? -> 5)", "    l2: Linear(? -> 2)", "  )", ")"]
    model.extra = L.Dropout()
    assert repr(model).splitlines()[-2:] == ["  extra: Dropout(0.5)", ")"]


def test_layers_that_come_again_and_that_hold_each_other():
    net = Net()
    net.again, net.l2.up, net.some = net.l1, net, {"a": [L.Dropout()]}
    assert repr(net) == ("Net(\n  l1: Linear(? -> 5)\n  l2: Linear(? -> 2, with\n    up: Net, the same as the whole\n  )\n"
                         "  again: Linear, the same as l1\n  some/a/0: Dropout(0.5)\n)")


def test_repr_draws_nothing():
    np.random.seed(0)
    before = np.random.get_state()[1:3]
    model = models.VGG16()
    repr(model)
    assert all(p.data is None for name, p in model.named_params() if name.endswith("W"))
    assert all(np.array_equal(a, b) for a, b in zip(before, np.random.get_state()[1:3], strict=True))


class Named(Net):
    def __repr__(self):
        return "my own\nlines"


class Looking(Layer):
    """One whose text asks for that of the layer around it."""

    def __repr__(self):
        return f"<in {self.owner!r}>"


def test_a_users_repr_is_left_alone():
    outer = Net()
    outer.inner, outer.looking = Named(), Looking()
    outer.looking.owner = outer
    assert repr(Named()) == "my own\nlines"
    assert repr(outer).splitlines()[3:] == ["  inner: my own", "  lines", "  looking: <in ...>", ")"]


def test_a_layer_that_is_not_ready_yet_has_a_text():
    for cls in (L.Linear, L.Conv2d, L.LSTM, L.EmbedID, L.BatchNorm, L.Dropout, MLP, Sequential):
        assert repr(cls.__new__(cls)).startswith(cls.__name__)


def test_recurrent_layers_with_parts_of_others_are_shown_whole():
    rnn = L.RNN(3)
    rnn.x2h = Scaled()
    assert "x2h: Scaled(" in repr(rnn)


# ---- the counts ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("make", "x", "shape", "parameters", "multiply_adds"), [
    (lambda: L.Linear(5), ones(3, 4), (3, 5), 4 * 5 + 5, 3 * 4 * 5),
    (lambda: L.Linear(5, nobias=True), ones(2, 3, 4), (2, 3, 5), 20, 6 * 20),
    (lambda: L.Linear(5), ones(0, 4), (0, 5), 25, 0),
    (lambda: L.Conv2d(6, 3, pad=1), ones(2, 4, 5, 7), (2, 6, 5, 7), 6 * 4 * 9 + 6, 2 * 6 * 5 * 7 * 4 * 9),
    (lambda: L.Conv2d(6, (3, 1), 2, groups=2), ones(2, 4, 5, 7), (2, 6, 2, 4), 6 * 2 * 3 + 6, 2 * 6 * 2 * 4 * 2 * 3),
    (lambda: L.Deconv2d(6, 3, 2), ones(2, 4, 5, 7), (2, 6, 11, 15), 4 * 6 * 9 + 6, 2 * 4 * 5 * 7 * 6 * 9),
    (lambda: L.Deconv2d(6, 3, groups=2), ones(2, 4, 5, 7), (2, 6, 7, 9), 4 * 3 * 9 + 6, 2 * 4 * 5 * 7 * 3 * 9),
    (lambda: L.Conv3d(6, 2), ones(1, 4, 3, 3, 3), (1, 6, 2, 2, 2), 6 * 4 * 8 + 6, 6 * 8 * 4 * 8),
    (lambda: L.RNN(5, in_size=4), ones(3, 4), (3, 5), 4 * 5 + 5 + 25, 3 * 4 * 5),
    (lambda: L.LSTM(5), ones(3, 4), (3, 5), 4 * (4 * 5 + 5 + 25), 4 * 3 * 4 * 5),
    (lambda: L.GRU(5, in_size=4), ones(3, 4), (3, 5), 3 * (4 * 5 + 5 + 25), 2 * 3 * 4 * 5),
    (lambda: L.EmbedID(7, 3), np.array([[1, 2]]), (1, 2, 3), 21, 0),
    (L.BatchNorm, ones(3, 4), (3, 4), 16, 0),
    (L.LayerNorm, ones(3, 4), (3, 4), 8, 0),
    (L.Dropout, ones(3, 4), (3, 4), 0, 0),
])
def test_counts(make, x, shape, parameters, multiply_adds):
    for given in (x, Variable(x)):
        found = make().summary(given)
        (row,) = found.rows
        assert (row.path, row.output_shape, row.dtype, row.calls, row.known) == ("", shape, np.float32, 1, True)
        assert row.parameters == found.parameters == parameters
        assert row.multiply_adds == found.multiply_adds == multiply_adds
        assert row.activation_bytes == found.activation_bytes == 4 * np.prod(shape)
        assert found.known
        assert found.undrawn == ()


def test_products_are_those_of_a_convolution_written_out():
    """Deconv2d's formula against the definition: each input element meets each weight of its channel."""
    counted = 0
    for _image in range(2):
        for _channel in range(4):
            counted += 5 * 7 * (6 // 2) * 3 * 3
    assert L.Deconv2d(6, 3, groups=2).summary(ones(2, 4, 5, 7)).multiply_adds == counted


@pytest.mark.parametrize(("make", "gates", "first"), [(L.RNN, 1, 1), (L.LSTM, 4, 4), (L.GRU, 3, 2)])
def test_a_step_counts_the_products_that_it_makes(make, gates, first):
    layer = make(5, in_size=4)
    assert layer.summary(ones(3, 4)).multiply_adds == first * 3 * 4 * 5
    h = layer(ones(3, 4))
    assert layer.summary(ones(3, 4)).multiply_adds == gates * 3 * (4 * 5 + 5 * 5)
    assert layer.h is h

    class Steps(Model):
        def __init__(self):
            super().__init__()
            self.layer = make(5)

        def forward(self, xs):
            return [self.layer(x) for x in xs][-1]

    rows = Steps().summary(ones(6, 3, 4)).rows
    assert rows[1].calls == 6
    assert rows[1].multiply_adds == first * 3 * 4 * 5 + 5 * gates * 3 * (4 * 5 + 5 * 5)


def test_parameters_that_the_run_does_not_need_are_said():
    found = L.RNN(5).summary(ones(3, 4))
    assert found.parameters == 4 * 5 + 5
    assert found.undrawn == found.rows[0].undrawn == ("h2h/W",)
    assert str(found).endswith("+ ?: this run did not need h2h/W, so the size is not known yet")
    assert " 25 + ? " in str(found).splitlines()[2]


def test_a_gru_without_a_state_leaves_a_gate_out():
    found = L.GRU(5).summary(ones(3, 4))
    assert (found.undrawn, found.multiply_adds) == (("x2r/W",), 2 * 3 * 4 * 5)


def test_a_recurrent_layer_called_by_keyword_or_with_other_parts():
    class Keyword(Model):
        def __init__(self):
            super().__init__()
            self.rnn = L.RNN(5)

        def forward(self, x):
            return self.rnn.forward(x=x)

    assert Keyword().summary(ones(3, 4)).rows[1].multiply_adds == 3 * 4 * 5
    rnn = L.RNN(3)
    rnn.x2h = Scaled()
    found = rnn.summary(ones(1, 2))
    assert [(row.path, row.known) for row in found.rows] == [("", False), ("x2h", False), ("h2h", True)]


def test_a_layer_that_says_itself_what_its_parameters_are():
    class Some(Net):
        def params(self):
            yield from self.l1.params()

    found = Some().summary(ones(3, 4))
    assert [row.parameters for row in found.rows] == [25, 0, 12]


def test_a_model_of_layers():
    found = Net().summary(ones(3, 4))
    assert [(row.path, row.name, row.parameters, row.multiply_adds, row.known, row.activation_bytes) for row in found.rows] == [
        ("", "Net", 0, 0, False, 0), ("l1", "Linear", 25, 60, True, 60), ("l2", "Linear", 12, 30, True, 24)]
    assert (found.parameters, found.multiply_adds, found.activation_bytes, found.known) == (37, 90, 84, False)
    assert str(found) == repr(found) == """\
layer        class   output  dtype    parameters  multiply-adds  bytes
----------------------------------------------------------------------
(the model)  Net     (3, 2)  float32           0              ?      0
l1           Linear  (3, 5)  float32          25             60     60
l2           Linear  (3, 2)  float32          12             30     24
----------------------------------------------------------------------
total                                         37         90 + ?     84
?: what forward of Net multiplies beside the layers within is not known, and counts 0"""


@pytest.mark.parametrize(("model", "known"), [
    (MLP((5, 2)), True), (MLP((5, 2), activation=F.relu), True), (MLP((5, 2), activation=lambda x: x), False),
    (Sequential(L.Linear(5), F.relu, L.Linear(2)), True), (Sequential(L.Linear(5), lambda x: F.matmul(x, x.T)), False),
    (Sequential(F.inv), False)])
def test_of_models_of_ours_all_is_known_but_what_they_were_given(model, known):
    assert model.summary(np.eye(4, dtype=np.float32)).known is known


def test_large_models_are_known():
    found = models.SqueezeNet().summary(ones(1, 3, 64, 64))
    assert found.known
    assert found.parameters == 1_235_496        # as many as the paper's version 1.1 has
    resnet = models.BuildingBlock(2, 4, 2, 8, 1)
    assert resnet.summary(ones(1, 4, 8, 8)).known


class Doubled(L.Linear):
    def forward(self, x):
        return F.matmul(super().forward(x), ones(5, 5))


class Called(L.Linear):
    def __call__(self, x):
        return F.matmul(super().__call__(x), ones(5, 5))


def test_a_subclass_with_a_forward_of_its_own_is_not_known():
    for cls in (Doubled, Called):
        found = cls(5).summary(ones(3, 4))
        assert (found.known, found.multiply_adds, found.parameters) == (False, 0, 25)
    layer = L.Linear(5)
    layer.forward = lambda x: x
    assert not layer.summary(ones(3, 4)).known
    assert type("Plain", (L.Linear,), {})(5).summary(ones(3, 4)).known


def test_own_parameters_and_layers_that_are_not_called():
    net = Net()
    net.scale, net.spare = Scaled(), L.Linear(9)
    found = net.summary(ones(3, 4))
    rows = {row.path: row for row in found.rows}
    assert (rows["scale"].parameters, rows["scale"].undrawn, rows["scale"].calls, rows["scale"].known) == (6, ("later",), 0, True)
    assert (rows["spare"].parameters, rows["spare"].output_shape, rows["spare"].dtype) == (9, None, None)
    assert found.undrawn == ("scale/later", "spare/W")
    assert "not called" in str(found)


class Twice(Model):
    def __init__(self):
        super().__init__()
        self.l = self.m = L.Linear(4)
        self.tied = L.Linear(4)
        self.tied.W = self.l.W
        self.own = self.l.b

    def forward(self, x):
        return self.tied(self.m(self.l(x)))


def test_shared_layers_and_parameters_count_once():
    found = Twice().summary(ones(3, 4))
    assert [(row.path, row.calls, row.parameters, row.multiply_adds) for row in found.rows] == [
        ("", 1, 4, 0), ("l", 2, 16, 96), ("tied", 1, 4, 48)]
    assert found.parameters == 24
    assert "Linear x2" in str(found)
    model = Twice()
    model(ones(3, 4))
    assert found.parameters == sum(p.size for p in model.params())


class Many(Layer):
    """Several outputs, or none that is an array."""

    def __init__(self, kind):
        super().__init__()
        self.kind = kind

    def forward(self, x):
        y = F.sin(x)
        return {"tuple": (y, y, F.sum(y)), "dict": {"a": [y]}, "array": x, "text": "no"}[self.kind]


@pytest.mark.parametrize(("kind", "shape", "size"), [
    ("tuple", ((2, 3), (2, 3), ()), 28), ("dict", (2, 3), 24), ("array", (2, 3), 24), ("text", None, 0)])
def test_outputs_of_other_kinds(kind, shape, size):
    (row,) = Many(kind).summary(ones(2, 3)).rows
    assert (row.output_shape, row.activation_bytes) == (shape, size)
    assert row.dtype == (None if shape is None else np.float32)


def test_layers_that_hold_each_other():
    net = Net()
    net.l2.up = net
    assert [row.path for row in net.summary(ones(3, 4)).rows] == ["", "l1", "l2"]
    assert net.summary(ones(3, 4)).parameters == 37


def test_keywords():
    class Keywords(Model):
        def __init__(self):
            super().__init__()
            self.up = L.Deconv2d(2, 2)

        def forward(self, *, image):
            return self.up(x=image)

    assert Keywords().summary(image=ones(1, 3, 4, 4)).multiply_adds == 3 * 16 * 2 * 4


# ---- nothing changes ----------------------------------------------------------------------------------------------

class Busy(Model):
    """Random numbers, running averages, state, counters."""

    def __init__(self):
        super().__init__()
        self.l1, self.norm, self.drop, self.lstm = L.Linear(4), L.BatchNorm(), L.Dropout(), L.LSTM(3, in_size=4)
        self.calls, self.seen = 0, []
        self.mean = np.zeros(4)

    def forward(self, x):
        self.calls += 1
        self.seen.append(x)
        self.mean += 1
        np.random.rand()
        random.random()
        self.flags = dezero_c.Config.train, dezero_c.Config.enable_backprop
        self.given = self.lstm(self.drop(self.norm(self.l1(x))))
        return self.given


def state_of(model):
    return {layer: (dict(vars(part)), {k: list(v) for k, v in vars(part).items() if isinstance(v, (list, np.ndarray))})
            for layer, part in [("", model), *((n, p) for n, p in vars(model).items() if isinstance(p, Layer))]}


@pytest.mark.parametrize("called", [False, True])
def test_nothing_that_can_be_seen_changes(called):
    model, x = Busy(), ones(2, 4)
    heard = []
    hook = model.l1.register_forward_hook(lambda *_: heard.append(1))
    if called:
        y = model(x)
        y.backward()
        inputs, outputs = model.inputs, model.outputs
    before = state_of(model)
    data = [None if p.data is None else p.data.copy() for p in model.params()]
    grads = [p.grad for p in model.params()]
    heard.clear()
    np.random.seed(3)
    random.seed(3)
    states = np.random.get_state(), random.getstate()
    model.summary(x)
    assert heard == []
    after = np.random.get_state(), random.getstate()
    assert all(np.array_equal(a, b) for a, b in zip(states[0], after[0], strict=True))
    assert states[1] == after[1]
    found = state_of(model)
    for layer, (attributes, contents) in before.items():
        assert found[layer][0].keys() == attributes.keys()
        assert all(found[layer][0][name] is value for name, value in attributes.items())
        for name, value in contents.items():
            assert all(a is b or a == b for a, b in zip(found[layer][1][name], value, strict=True))
    assert [None if p.data is None else p.data.tolist() for p in model.params()] == [
        None if d is None else d.tolist() for d in data]
    assert all(p.grad is g for p, g in zip(model.params(), grads, strict=True))
    if called:
        assert model.inputs is inputs
        assert model.outputs is outputs
    hook.remove()


def test_a_program_computes_the_same_with_and_without():
    def run(look):
        np.random.seed(0)
        model = Busy()
        if look:
            model.summary(ones(2, 4))
        y = model(ones(2, 4))
        return [y.data, model.l1.W.data, np.random.rand(3)]

    assert all(np.array_equal(a, b) for a, b in zip(run(True), run(False), strict=True))


def test_test_mode_and_no_graph():
    found = []

    class Flags(Layer):
        def forward(self, x):
            found.append((dezero_c.Config.train, dezero_c.Config.enable_backprop, F.sin(x).creator))
            return x

    Flags().summary(Variable(ones(2)))
    assert found == [(False, False, None)]
    assert dezero_c.Config.train


def test_a_threads_own_generator_is_set_back_too():
    from dezero_c._random import drawing_from

    own = np.random.RandomState(1)
    with drawing_from(own):
        Net().summary(ones(3, 4))
    assert own.rand() == np.random.RandomState(1).rand()


def test_errors():
    with pytest.raises(TypeError, match=r"Net\.summary: it takes what .* not the shape \(32, 4\).*np\.zeros\(\(32, 4\)"):
        Net().summary((32, 4))
    with pytest.raises(ValueError, match="too few axes"):
        L.Linear(3).summary(np.float32(1))
    net = Net()
    net.l1 = L.Linear(5, in_size=9)
    before = np.random.get_state()[1].tolist()
    with pytest.raises(ValueError, match=r"\(3, 4\)"):
        net.summary(ones(3, 4))
    assert np.random.get_state()[1].tolist() == before
    net = Net()
    net.lock = (i for i in range(3))
    with pytest.raises(TypeError, match=r"Net\.summary: .* cannot be copied \(TypeError: .*generator"):
        net.summary(ones(3, 4))


def test_not_in_a_captured_function():
    net = Net()

    @dezero_c.capture
    def f(x):
        net.summary(x)
        return x * 2

    with pytest.raises(RuntimeError, match=r"Net\.summary: inside of a function that is being captured"):
        f(Variable(ones(3, 4)))


def test_captured_functions_go_on(recwarn):
    """What is counted is counted without hooks, with which captured functions would run as they are."""
    f = dezero_c.capture(lambda x: F.sum(x * x))
    for _ in range(4):
        f(Variable(ones(3)))
    Net().summary(ones(3, 4))
    f(Variable(ones(3)))
    assert f.plans == 1
    assert not recwarn.list
