"""What a captured function depends on beside its arguments (dezero_c/_capture/guards.py): the next call sees a change of it."""

import collections
import copy
import dataclasses
import functools
import gc
import pickle
import types
import weakref

import numpy as np
import pytest

import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Function, Model, Parameter, Variable, capture, optimizers
from dezero_c.models import MLP, Sequential

X = np.linspace(-1, 1, 6, dtype=np.float32).reshape(2, 3)


def linear():
    return L.Linear(3, in_size=3)


class Halved(L.Linear):
    def forward(self, x):
        return x * 0.5


class Net(Model):
    def __init__(self):
        super().__init__()
        self.factor, self.act, self.bias = 2.0, F.relu, np.ones(3, np.float32)
        self.scale = Variable(np.ones(3, np.float32))
        self.first, self.later = linear(), None
        self.some, self.more, self.named, self.fixed = [linear()], [], {"a": linear()}, (linear(),)

    def forward(self, x):
        y = self.first(x) * self.factor
        for layer in (*self.some, *self.more, *self.named.values(), *self.fixed):
            y = layer(y)
        if self.later is not None:
            y = self.later(y)
        return self.act(y) * self.scale + self.bias


CHANGES = {
    "a number": lambda m: setattr(m, "factor", 3.0),
    "a function": lambda m: setattr(m, "act", F.tanh),
    "an array": lambda m: setattr(m, "bias", np.full(3, 2, np.float32)),
    "a Variable": lambda m: setattr(m, "scale", Variable(np.full(3, 2, np.float32))),
    "a layer": lambda m: setattr(m, "first", linear()),
    "a layer that was None": lambda m: setattr(m, "later", linear()),
    "a list": lambda m: setattr(m, "more", [linear()]),
    "a list that grows": lambda m: m.some.append(linear()),
    "an empty list that grows": lambda m: m.more.append(linear()),
    "an element": lambda m: m.some.__setitem__(0, linear()),
    "an element of a dict": lambda m: m.named.__setitem__("a", linear()),
    "a tuple": lambda m: setattr(m, "fixed", (linear(),)),
    "a Parameter": lambda m: setattr(m.first, "W", Parameter(np.full((3, 3), 0.5, np.float32))),
    "data of a Parameter": lambda m: setattr(m.first.W, "data", np.full((3, 3), 0.5, np.float32)),
    "a method of one layer": lambda m: setattr(m.first, "forward", lambda x: x * 0.5),
    "a layer's class": lambda m: setattr(m.first, "__class__", Halved),
}


class Trainer:
    def __init__(self, model):
        self.model, self.weight, self.off, self.extra = model, Variable(np.ones(3, np.float32)), np.ones(3, np.float32), None

    def step(self, x):
        y = self.model(x) * self.weight + self.off
        return y if self.extra is None else y * self.extra


def captured(way, model):
    """(captured, eager) functions of a model."""
    if way == "model":
        return capture(model), model
    if way == "closure":
        return capture(lambda x: model(x)), model
    if way == "method":
        step = Trainer(model).step
        return capture(step), step
    outer = Sequential(linear(), model)
    return capture(lambda x: outer(x)), outer


@pytest.mark.parametrize("way", ["model", "closure", "method", "nested"])
@pytest.mark.parametrize("change", CHANGES)
def test_what_changes_in_a_model_is_seen(change, way):
    np.random.seed(0)
    model = Net()
    g, eager = captured(way, model)
    before = [g(X).data for _ in range(4)][-1]
    assert g.plans == 1
    CHANGES[change](model)
    wanted = eager(X).data
    assert not np.array_equal(wanted, before)
    for _ in range(4):
        assert np.array_equal(g(X).data, wanted)


@pytest.mark.parametrize(("name", "value"), [
    ("weight", Variable(np.full(3, 2, np.float32))), ("off", np.full(3, 2, np.float32)), ("extra", 2.5), ("model", Net())])
def test_attributes_that_the_code_of_a_method_names_are_seen(name, value):
    np.random.seed(0)
    trainer = Trainer(Net())
    g = capture(trainer.step)
    for _ in range(4):
        g(X)
    setattr(trainer, name, value)
    for _ in range(4):
        assert np.array_equal(g(X).data, trainer.step(X).data)


def test_lists_and_dicts_that_the_code_names_are_seen():
    weights, options = [Variable(np.array(2.0)), Variable(np.array(3.0))], {"scale": 2.0}

    def f(x):
        for w in weights:
            x = x * w
        return x * options["scale"]

    g, x = capture(f), Variable(np.array(1.0))
    assert [float(g(x).data) for _ in range(4)] == [12.0] * 4
    options["scale"] = 3.0
    assert [float(g(x).data) for _ in range(4)] == [18.0] * 4
    options["shift"] = options.pop("scale")
    with pytest.raises(KeyError):
        g(x)
    options["scale"] = options.pop("shift")
    weights[1] = Variable(np.array(5.0))
    assert [float(g(x).data) for _ in range(4)] == [30.0] * 4
    weights.pop()
    assert [float(g(x).data) for _ in range(4)] == [6.0] * 4


def test_what_a_model_keeps_beside_its_layers_is_no_change():
    np.random.seed(0)
    model = Net()
    model.losses = []
    g = capture(lambda x: model(x))
    for k in range(6):
        g(X)
        model.losses.append(float(k))
        model(X)        # which notes its inputs and outputs
    assert g.plans == 1


def test_the_state_of_the_librarys_recurrent_layers_is_no_change():
    np.random.seed(0)
    model = Sequential(L.LSTM(4), L.Linear(1))
    lstm = model.layers[0]

    def f(x):
        lstm.reset_state()
        y = model(x)
        lstm.reset_state()
        return y

    g = capture(f)
    for _ in range(5):
        g(X)
        model(X)        # leaves a state
    assert g.plans == 1


def test_the_activation_of_an_mlp_is_seen():
    np.random.seed(0)
    model = MLP((5, 2), activation=F.sigmoid)
    g = capture(model)
    for _ in range(4):
        g(X)
    model.activation = F.relu
    assert np.array_equal(g(X).data, model(X).data)


def test_gradients_of_a_layer_that_comes_later_are_cleared():
    np.random.seed(0)
    model = Sequential(linear())
    optimizer = optimizers.SGD(0.1).setup(model)
    t = np.zeros(2, int)

    def step(x, t):
        loss = F.softmax_cross_entropy(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    g = capture(step)
    for _ in range(4):
        g(X, t)
    model.beside = linear()
    model.beside.W.grad = Variable(np.ones((3, 3), np.float32))
    weights = model.beside.W.data.copy()
    g(X, t)
    assert model.beside.W.grad is None
    assert np.array_equal(model.beside.W.data, weights)


def test_what_the_function_itself_counts_and_writes_down_is_no_change():
    class Counting:
        def __init__(self):
            self.calls, self.lines, self.factor = 0, [], 2.0

        def f(self, x):
            self.calls += 1
            self.lines.append(x.shape)
            return x * self.factor

    counting = Counting()
    g = capture(counting.f)
    short, long = Variable(np.ones(2)), Variable(np.ones(3))
    for _ in range(6):      # of two shapes, each of which is traced
        g(short), g(long)
    assert g.plans == 2
    assert counting.calls == len(counting.lines) == 4
    counting.factor = 3.0
    assert g(short).data[0] == g(long).data[0] == 3.0


# ---- what code reaches in other ways than by a name of its own: each function multiplies by what `at` holds, which then changes

AT = 2.0
CONFIG = types.SimpleNamespace(at=2.0)


def reads_a_global(f):
    @functools.wraps(f)
    def wrapped(x):
        return f(x) * AT
    return wrapped


class Base(Model):
    at = 2.0

    def forward(self, x):
        return x * AT

    @staticmethod
    def static(x):
        return x * AT

    @classmethod
    def of_class(cls, x):
        return x * AT

    @property
    def shown(self):
        return AT


class Derived(Base):
    def __init__(self):
        super().__init__()
        self.cfg, self.rates = {"at": 2.0, "more": {"at": 2.0}}, [2.0]

    def forward(self, x):
        return super().forward(x)

    def loss(self, x):
        return x * self.shown

    def by_dict(self, x):
        return x * self.cfg["at"]

    def by_nested_dict(self, x):
        return x * self.cfg["more"]["at"]

    def by_list(self, x):
        return x * self.rates[0]

    def by_class_attribute(self, x):
        return x * self.at


class Slots:
    __slots__ = ("__weakref__", "at")

    def __init__(self):
        self.at = 2.0

    @capture
    def f(self, x):
        return x * self.at


class Plain:
    def __init__(self):
        self._at = 2.0

    @property
    def at(self):
        return self._at

    def inner(self, x):
        return x * self._at

    @capture
    def f(self, x):
        return x * self._at

    @capture
    def g(self, x):
        return x * self.at


class Above(Plain):
    def inner(self, x):
        return super().inner(x)

    @capture
    def f(self, x):
        return super().f(x)

    @capture
    def h(self, x):
        return self.inner(x)


class Made:
    """Reads the global when it is made, and in what Python calls by itself."""

    def __init__(self):
        self.at = AT

    def __getitem__(self, key):
        return AT

    def __mul__(self, x):
        return x * AT

    def __enter__(self):
        return AT

    def __exit__(self, *error):
        pass

    def __iter__(self):
        yield AT


class Scaled(Function):
    def __init__(self):
        self.by = AT

    def forward(self, x):
        return x * self.by


class Described:
    def __get__(self, instance, owner):
        return AT


class WithDescriptor:
    at = Described()


class WithParts(Base):
    def __init__(self):
        super().__init__()
        self.cfg, self.inner = types.SimpleNamespace(at=2.0), [np.full(1, 2.0)]

    def forward(self, x):
        return x * self.cfg.at

    def by_array(self, x):
        return x * float(self.inner[0][0])


def helper(x, o):
    return x * o.at


def entered(x):
    with MADE as at:
        return x * at


class Loss:
    rate = 2.0

    def __call__(self, x):
        return x * AT

    def rated(self, x):
        return x * self.rate


def of_globals(make):
    def prepare(monkeypatch):
        return make(), lambda: monkeypatch.setitem(globals(), "AT", 3.0)
    return prepare


def of_object(make, change, call=lambda o: capture(lambda x: o(x))):
    def prepare(monkeypatch):
        o = make()
        return call(o), lambda: change(o)
    return prepare


def container(o, read, change):
    return lambda monkeypatch: (capture(lambda x: x * read(o)), lambda: change(o))


def assigned(key):
    return lambda o: o.__setitem__(key, 3.0)


MADE = Made()
CALLS = {
    "forward": lambda m: capture(m),
    "static": lambda m: capture(lambda x: m.static(x)),
    "class": lambda m: capture(lambda x: m.of_class(x)),
    "property": lambda m: capture(lambda x: x * m.shown),
    "loss": lambda m: capture(lambda x: m.loss(x)),
    "dict": lambda m: capture(lambda x: m.by_dict(x)),
    "nested": lambda m: capture(lambda x: m.by_nested_dict(x)),
    "list": lambda m: capture(lambda x: m.by_list(x)),
    "attribute": lambda m: capture(lambda x: m.by_class_attribute(x)),
}


def as_argument(f, o):
    """f(o, x), captured, as a function of x."""
    g = capture(f)
    return lambda x: g(o, x)


def by_name(f, o):
    g = capture(f)
    return lambda x: g(x, o=o)


REACHED = {
    "a decorator": of_globals(lambda: capture(reads_a_global(lambda x: x * 1))),
    "super() in a model": of_globals(lambda: CALLS["forward"](Derived())),
    "a static method": of_globals(lambda: CALLS["static"](Derived())),
    "a static method of a class": of_globals(lambda: capture(lambda x: Derived.static(x))),
    "a class method": of_globals(lambda: CALLS["class"](Derived())),
    "a class method of a class": of_globals(lambda: capture(lambda x: Derived.of_class(x))),
    "a property": of_globals(lambda: CALLS["property"](Derived())),
    "another method of a model": of_globals(lambda: CALLS["loss"](Derived())),
    "a callable object": of_globals(lambda: (lambda loss: capture(lambda x: loss(x)))(Loss())),
    "a callable object as an argument": of_globals(lambda: as_argument(lambda o, x: o(x), Loss())),
    "a function as an argument": of_globals(lambda: as_argument(lambda o, x: o(x), lambda x: x * AT)),
    "a dict in a model": of_object(Derived, lambda m: m.cfg.update(at=3.0), CALLS["dict"]),
    "a dict in a dict": of_object(Derived, lambda m: m.cfg["more"].update(at=3.0), CALLS["nested"]),
    "a list in a model": of_object(Derived, lambda m: assigned(0)(m.rates), CALLS["list"]),
    "a model as an argument": of_object(
        Derived, lambda m: m.cfg.update(at=3.0), lambda m: as_argument(lambda o, x: o.by_dict(x), m)),
    "a model by name": of_object(Derived, lambda m: assigned(0)(m.rates), lambda m: by_name(lambda x, o: o.by_list(x), m)),
    "an attribute of a class": lambda monkeypatch: (
        CALLS["attribute"](Derived()), lambda: monkeypatch.setattr(Base, "at", 3.0)),
    "an attribute of an object": lambda monkeypatch: (
        capture(lambda x: x * CONFIG.at), lambda: monkeypatch.setattr(CONFIG, "at", 3.0)),
    "an attribute in a class's place": of_object(
        Loss, lambda o: setattr(o, "rate", 3.0), lambda o: capture(lambda x: o.rated(x))),
    "a method in a class's place": of_object(
        Loss, lambda o: setattr(o, "rated", lambda x: x * 3.0), lambda o: capture(lambda x: o.rated(x))),
    "an object in a model": of_object(WithParts, lambda m: setattr(m.cfg, "at", 3.0), CALLS["forward"]),
    "an array in a list of a model": of_object(
        WithParts, lambda m: m.inner[0].fill(3.0), lambda m: capture(lambda x: m.by_array(x))),
    "an object that is handed on": of_object(
        lambda: types.SimpleNamespace(at=2.0), lambda o: setattr(o, "at", 3.0), lambda o: capture(lambda x: helper(x, o))),
    "an object that is given back": of_object(
        lambda: types.SimpleNamespace(at=2.0), lambda o: setattr(o, "at", 3.0),
        lambda o: capture(lambda x: (lambda: o)() and x * (lambda: o)().at)),
    "a constructor": of_globals(lambda: capture(lambda x: x * Made().at)),
    "a constructor of a Function": of_globals(lambda: capture(lambda x: Scaled()(x))),
    "an index": of_globals(lambda: capture(lambda x: x * MADE["at"])),
    "an operator": of_globals(lambda: capture(lambda x: MADE * x)),
    "a context": of_globals(lambda: capture(entered)),
    "an iteration": of_globals(lambda: capture(lambda x: x * next(iter(MADE)))),
    "a descriptor": of_globals(lambda: (lambda o: capture(lambda x: x * o.at))(WithDescriptor())),
    "an optimizer's number": of_object(
        lambda: optimizers.SGD(lr=2.0), lambda o: setattr(o, "lr", 3.0), lambda o: capture(lambda x: x * o.lr)),
    "slots": of_object(Slots, lambda o: setattr(o, "at", 3.0), lambda o: o.f),
    "a property of self": of_object(Plain, lambda o: setattr(o, "_at", 3.0), lambda o: o.g),
    "super() of a captured method": of_object(Above, lambda o: setattr(o, "_at", 3.0), lambda o: o.f),
    "super() in a method": of_object(Above, lambda o: setattr(o, "_at", 3.0), lambda o: o.h),
    "an ordered dict": container(collections.OrderedDict(at=2.0), lambda o: o["at"], assigned("at")),
    "a dict with defaults": container(collections.defaultdict(float, at=2.0), lambda o: o["at"], assigned("at")),
    "a user's dict": container(collections.UserDict(at=2.0), lambda o: o["at"], assigned("at")),
    "a deque": container(collections.deque([2.0]), lambda o: o[0], assigned(0)),
    "a set": container({2.0}, lambda o: max(o), lambda o: o.add(3.0)),
    "a part of an array": container(np.full(4, 2.0), lambda o: o[:1], assigned(0)),
    "a function of an array": container(np.full(4, 2.0), lambda o: np.abs(o)[:1], assigned(0)),
    "a number of an array": container(np.full(4, 2.0), lambda o: float(o[0]), assigned(0)),
    "a whole array and a part": container(np.full(4, 2.0), lambda o: (np.abs(o) + 0 * o)[:1], assigned(0)),
}


@pytest.mark.parametrize("way", REACHED)
def test_what_code_reaches_is_seen(way, monkeypatch):
    g, change = REACHED[way](monkeypatch)
    for _ in range(4):
        assert float(g(Variable(np.ones(1))).data[0]) == 2.0
    change()
    for _ in range(4):
        assert float(g(Variable(np.ones(1))).data[0]) == 3.0


def test_instances_that_are_equal_have_programs_of_their_own():
    @dataclasses.dataclass(frozen=True)
    class Net:
        name: str
        weight: object = dataclasses.field(compare=False)

        @capture
        def f(self, x):
            return x * self.weight

    nets = [Net("same", Variable(np.full(2, k))) for k in (1.0, 5.0)]
    for _ in range(4):
        assert [float(net.f(Variable(np.ones(2))).data[0]) for net in nets] == [1.0, 5.0]
    kept = Net.__dict__["f"]._bound
    assert len(kept) == 2
    del nets[1]
    gc.collect()
    assert len(kept) == 1


def test_a_method_of_an_instance_that_is_gone_says_so():
    class Net:
        @capture
        def f(self, x):
            return x * 2

    f = Net().f
    gc.collect()
    with pytest.raises(ReferenceError, match="f: the instance is gone"):
        f(Variable(np.ones(2)))


def test_a_filled_buffer_is_no_change():
    """A part of an array from outside is the part as it is at each call, as the whole array is."""
    buffer = np.zeros((3, 4))
    g = capture(lambda w: w * buffer[1:, :2])
    for k in range(6):
        buffer[:] = k
        assert np.array_equal(g(Variable(np.ones((2, 2)))).data, np.full((2, 2), k))
    assert g.plans == 1


def test_what_changes_between_traces_begins_them_anew():
    """A last, shorter batch comes once in an epoch, between two of which a rate may change."""
    options = {"rate": 1.0}
    g = capture(lambda x: x * options["rate"])
    for _ in range(6):
        for n in (3, 3, 3, 2):
            assert np.array_equal(g(Variable(np.ones(n))).data, np.full(n, options["rate"]))
        options["rate"] *= 0.5
    assert g.plans == 6
    options["rate"] = 1.0
    for n in (2, 2, 2):
        g(Variable(np.ones(n)))
    assert g.plans == 7


def test_what_changes_before_each_call_is_not_traced_for_ever():
    options = {"rate": 1.0}
    g = capture(lambda x: x * options["rate"])
    for k in range(16):
        options["rate"] = float(k)
        assert g(Variable(np.array(2.0))).data == 2.0 * k
    options["rate"] = 20.0
    with pytest.warns(RuntimeWarning, match="a dict, which its code names, is another before each call"):
        assert g(Variable(np.array(2.0))).data == 40.0
    assert g(Variable(np.array(2.0))).data == 40.0
    assert g.plans == 0


def test_long_chains_and_deep_trees():
    class Link:
        def __init__(self, following):
            self.at, self.following = 1.0, following

    first, deep = None, []
    for _ in range(1500):
        first, deep = Link(first), [deep]

    def f(x):
        link = first
        while link is not None:
            x, link = x * link.at, link.following
        return x if deep else x * 2

    g = capture(f)
    for _ in range(4):
        assert g(Variable(np.array(2.0))).data == 2.0
    assert g.plans == 1
    first.following.at = 3.0
    assert g(Variable(np.array(2.0))).data == 6.0


def test_more_than_can_be_looked_at_runs_as_it_is(monkeypatch):
    monkeypatch.setattr("dezero_c._capture.captured.MOST_GUARDS", 100)
    things = [types.SimpleNamespace(at=1.0, more=[types.SimpleNamespace(at=2.0) for _ in range(9)]) for _ in range(9)]
    g = capture(lambda x: x * things[0].more[0].at * things[1].at)
    with pytest.warns(RuntimeWarning, match="may name .* things outside"):
        assert g(Variable(np.array(2.0))).data == 4.0
    things[0].more[0].at = 5.0
    assert g(Variable(np.array(2.0))).data == 10.0


def test_objects_that_raise_when_they_are_looked_at():
    class Raises:
        __slots__ = ("__weakref__", "never")

        def __getattribute__(self, name):
            raise RuntimeError(name)

    class Keys(dict):
        def keys(self):
            raise ValueError

    class Unsized(list):
        def __len__(self):
            raise ValueError

    class Dead:
        pass

    raises, keys, unsized, dead = Raises(), Keys(a=1), Unsized(), weakref.proxy(Dead())
    g = capture(lambda x: x * 2 if raises is not None and keys is not None and unsized is not None else x * len(dead))
    for _ in range(4):
        assert g(Variable(np.array(2.0))).data == 4.0
    assert g.plans == 1


@pytest.mark.parametrize("base", [Model, object])
def test_instances_go_with_the_programs_of_their_methods(base):
    class Net(base):
        def __init__(self):
            super().__init__()
            self.weight, self.back = Variable(np.full(2, 3.0)), [self]
            self.called = self.predict

        @capture
        def predict(self, x):
            return x * self.weight

    net = Net()
    for _ in range(4):
        assert net.predict(Variable(np.ones(2))).data[0] == 3.0
    other = copy.copy(net)
    other.weight = Variable(np.full(2, 5.0))
    for _ in range(4):
        assert other.predict(Variable(np.ones(2))).data[0] == 5.0
        assert net.predict(Variable(np.ones(2))).data[0] == 3.0
    assert net.predict.plans == other.predict.plans == 1
    Net.__dict__["predict"].reset()
    assert net.predict.plans == other.predict.plans == 0
    gone = weakref.ref(net), weakref.ref(other)
    del net, other
    gc.collect()
    assert [reference() for reference in gone] == [None, None]


class Pickled:
    def __init__(self):
        self.at = 2.0

    @capture
    def f(self, x):
        return x * self.at


def test_instances_with_captured_methods_are_copied_and_pickled():
    first = Pickled()
    for _ in range(4):
        first.f(Variable(np.ones(2)))
    for again in (pickle.loads(pickle.dumps(first)), copy.deepcopy(first)):
        again.at = 3.0
        for _ in range(4):
            assert again.f(Variable(np.ones(2))).data[0] == 3.0
    assert first.f(Variable(np.ones(2))).data[0] == 2.0
