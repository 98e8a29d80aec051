"""Programs that build, change, cut, copy and differentiate graphs, in random order, held against tests/model.py.

Hypothesis writes the programs and shortens one that fails. What an operation computes is tests/test_differential.py's; here it
is what graphs mean over time: who shares memory with whom, what a gradient is added to, what is left after an exception, what
a copy takes along. Values are looked at rarely, since looking changes how the engine holds them.
"""

import copy
import gc
import pickle

import model
import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, rule, run_state_machine_as_test
from model import state

import dezero_c.functions as F
from dezero_c import Config, Function, Variable, no_grad

SHAPES = [(), (1,), (3,), (2, 3), (3, 2), (2, 1), (1, 3), (3, 3)]
LARGE = 30.0
MOST = 40       # nodes that a program holds


class Scale(Function):
    def __init__(self, k):
        self.k = k

    def forward(self, x):
        return x * self.k

    def backward(self, gy):
        return gy * self.k


class Trap(Function):
    def forward(self, x):
        if state.armed == "forward":
            raise model.Trapped
        return x * 1.0

    def backward(self, gy):
        if state.armed == "backward":
            raise model.Trapped
        return gy * 1.0


class Pair(Function):
    def forward(self, x):
        return x * 2.0, x * 3.0

    def backward(self, ga, gb):
        return ga * 2.0 + gb * 3.0


UNARY = {
    "neg": (lambda v: -v, model.Neg), "square": (F.square, model.Square), "cube": (lambda v: v ** 3, model.Cube),
    "sin": (F.sin, model.Sin), "cos": (F.cos, model.Cos), "tanh": (F.tanh, model.Tanh),
}
BINARY = {
    "add": (lambda v, w: v + w, model.Add), "sub": (lambda v, w: v - w, model.Sub),
    "mul": (lambda v, w: v * w, model.Mul),
}
pick = st.integers(0, 2 * MOST)
numbers = st.lists(st.sampled_from([-1.5, -1.0, -0.25, 0.0, 0.5, 0.75, 2.0]), min_size=9, max_size=9)


def near(found, wanted, what):
    assert isinstance(found, np.ndarray), f"{what} is {type(found)}"
    assert found.shape == wanted.shape, f"{what} is of shape {found.shape}, not {wanted.shape}"
    tolerance = 1e-11 * max(1.0, state.peak)
    right = all(abs(x - y) <= tolerance for x, y in zip(found.ravel().tolist(), wanted.numbers(), strict=True))
    assert right, f"{what} is {found.ravel().tolist()}, not {wanted.numbers()}"


class Graphs(RuleBasedStateMachine):
    """The engine's Variables and the model's nodes, in pairs."""

    def __init__(self):
        super().__init__()
        state.__init__()
        self.pairs = []
        # What Hypothesis remembers of earlier programs grows, and would be looked through in each collection.
        gc.collect()
        gc.freeze()

    @initialize(values=numbers, places=st.lists(st.integers(0, 7), min_size=2, max_size=4))
    def begin(self, values, places):
        for k in places:
            self.leaf(SHAPES[k], values)

    # -- helpers

    def leaf(self, shape, values):
        values = values[:model.size(shape)]
        self.keep(Variable(np.array(values).reshape(shape)), model.Node(model.array(shape, values)))

    def keep(self, v, node):
        self.pairs.append((v, node))
        if len(self.pairs) > MOST:
            self.drop(0)

    def at(self, k):
        return self.pairs[k % len(self.pairs)]

    def operand(self, k):
        """A pair whose numbers are small enough to go on with."""
        v, node = self.at(k)
        if max(map(abs, node.data.numbers())) > LARGE:
            v, node = F.tanh(v), model.call(model.Tanh, node)
            self.keep(v, node)
        return v, node

    def drop(self, k):
        if len(self.pairs) > 1:
            del self.pairs[k % len(self.pairs)]

    def compare(self, v, node, what):
        near(v.data, node.data, f"data of {what}")
        assert (v.grad is None) == (node.grad is None), f"the gradient of {what} is {v.grad}, not {node.grad}"
        if v.grad is not None:
            near(v.grad.data, node.grad.data, f"gradient of {what}")
        assert (v.creator is None) == (node.creator is None), f"the creator of {what} is {v.creator}"
        if not node.derived:
            assert v.generation == node.generation, f"generation of {what}: {v.generation}, not {node.generation}"

    # -- building

    @rule(k=st.integers(0, 7), values=numbers)
    def make_leaf(self, k, values):
        self.leaf(SHAPES[k], values)

    @rule(name=st.sampled_from(sorted(UNARY)), k=pick)
    def unary(self, name, k):
        v, node = self.operand(k)
        real, modelled = UNARY[name]
        self.keep(real(v), model.call(modelled, node))

    @rule(name=st.sampled_from(sorted(BINARY)), i=pick, k=pick)
    def binary(self, name, i, k):
        (v, a), (w, b) = self.operand(i), self.operand(k)
        if model.common(a.shape, b.shape) is None:
            return
        real, modelled = BINARY[name]
        self.keep(real(v, w), model.call(modelled, a, b))

    @rule(name=st.sampled_from(sorted(BINARY)), k=pick, values=numbers, reverse=st.booleans(), plain=st.booleans())
    def with_a_constant(self, name, k, values, reverse, plain):
        v, node = self.operand(k)
        constant = model.Node(model.array(() if plain else node.shape, values[:1 if plain else model.size(node.shape)]))
        constant.constant = True
        other = values[0] if plain else np.array(constant.data.numbers()).reshape(node.shape)
        real, modelled = BINARY[name]
        if not reverse:
            self.keep(real(v, other), model.call(modelled, node, constant))
        elif name == "sub":
            self.keep(other - v, model.call(modelled, constant, node))
        else:       # DeZero's order: the Variable is the first input
            self.keep(real(other, v), model.call(modelled, node, constant))

    @rule(k=pick, to=st.integers(0, 7), how=st.sampled_from(["sum", "reshape", "broadcast_to", "sum_to", "transpose", "item"]))
    def reshaping(self, k, to, how):
        v, node = self.operand(k)
        old, new = node.shape, SHAPES[to]
        if how == "sum" and old:
            self.keep(F.sum(v), model.call(model.Sum, node))
        elif how == "reshape" and old != new and model.size(old) == model.size(new):
            self.keep(F.reshape(v, new), model.call(model.Reshape, node, shape=new))
        elif how == "broadcast_to" and old != new and model.common(old, new) == new:
            self.keep(F.broadcast_to(v, new), model.call(model.BroadcastTo, node, shape=new))
        elif how == "sum_to" and old != new and model.common(old, new) == old:
            self.keep(F.sum_to(v, new), model.call(model.SumTo, node, shape=new))
        elif how == "transpose" and len(old) == 2:
            self.keep(F.transpose(v), model.call(model.Transpose, node))
        elif how == "item" and old:
            i = to % old[0]
            self.keep(v[i], model.call(model.Item, node, i=i))

    @rule(i=pick, k=pick)
    def matmul(self, i, k):
        (v, a), (w, b) = self.operand(i), self.operand(k)
        if len(a.shape) == len(b.shape) == 2 and a.shape[1] == b.shape[0]:
            self.keep(F.matmul(v, w), model.call(model.MatMul, a, b))

    @rule(k=pick, how=st.sampled_from(["scale", "trap", "pair"]))
    def python_function(self, k, how):
        v, node = self.operand(k)
        if how == "scale":
            self.keep(Scale(-0.5)(v), model.call(model.Scale, node, k=-0.5))
        elif how == "trap":
            self.keep(Trap()(v), model.call(model.Trap, node))
        else:
            made = Pair()(v)
            for pair in zip(made, model.call(model.Pair, node), strict=True):
                self.keep(*pair)

    @rule(k=pick)
    def without_a_graph(self, k):
        v, node = self.operand(k)
        with no_grad():
            y = F.sin(v) * v
        state.recording = False
        try:
            self.keep(y, model.call(model.Mul, model.call(model.Sin, node), node))
        finally:
            state.recording = True

    @rule(k=pick)
    def fail_forward(self, k):
        v, node = self.operand(k)
        state.armed = "forward"
        try:
            with pytest.raises(model.Trapped):
                Trap()(v)
            with pytest.raises(model.Trapped):
                model.call(model.Trap, node)
        finally:
            state.armed = None

    # -- changing

    @rule(k=pick, values=numbers, whole=st.booleans())
    def write_into_data(self, k, values, whole):
        v, node = self.at(k)
        if not node.data.changeable() or not node.data.places:
            return
        if whole:
            v.data[...] = np.array(values[:model.size(node.shape)]).reshape(node.shape)
            for place, x in zip(node.data.places, values, strict=False):
                node.data.store.numbers[place] = x
        else:
            v.data[(0,) * len(node.shape)] = values[0]
            node.data.store.numbers[node.data.places[0]] = values[0]

    @rule(k=pick, values=numbers)
    def rebind_data(self, k, values):
        v, node = self.at(k)
        if node.data.store.ours:
            values = values[:model.size(node.shape)]
            v.data = np.array(values).reshape(node.shape)
            node.data = model.array(node.shape, values)

    @rule(k=pick)
    def clear(self, k):
        v, node = self.at(k)
        v.cleargrad()
        node.grad = None

    @rule(k=pick, values=numbers)
    def set_gradient(self, k, values):
        v, node = self.at(k)
        values = values[:model.size(node.shape)]
        v.grad = Variable(np.array(values).reshape(node.shape))
        node.grad = model.Node(model.array(node.shape, values, ours=False))

    @rule(i=pick, k=pick)
    def set_gradient_with_a_graph(self, i, k):
        (v, node), (w, other) = self.at(i), self.operand(k)
        if node.shape == other.shape:
            v.grad, node.grad = w, other
            other.data.store.ours = False

    @rule(k=pick)
    def unchain(self, k):
        v, node = self.at(k)
        v.unchain()
        node.unchain()

    @rule(k=pick)
    def unchain_backward(self, k):
        v, node = self.at(k)
        v.unchain_backward()
        node.unchain_backward()

    @rule(k=pick)
    def let_go(self, k):
        self.drop(k)
        gc.collect()        # so that what is only in cycles is gone on both sides

    # -- differentiating

    def walk(self, k, retain, create):
        v, node = self.at(k)
        if state.peak > 1e8:
            return
        calls = model.behind(node)
        derived = node.derived or any(x.derived for c in calls for x in c.inputs)
        astray = model.astray(node)
        if (derived and (state.armed or astray)) or any(c.loose for c in astray):
            return      # how far such a walk comes is the engine's own affair
        try:
            node.backward(retain, create)
        except (model.Trapped, model.Forgotten) as failed:
            with pytest.raises(model.Trapped if isinstance(failed, model.Trapped) else RuntimeError):
                v.backward(retain_grad=retain, create_graph=create)
        else:
            v.backward(retain_grad=retain, create_graph=create)
        assert Config.enable_backprop

    @rule(k=pick, retain=st.booleans(), create=st.booleans())
    def backward(self, k, retain, create):
        self.walk(k, retain, create)

    @rule(k=pick, create=st.booleans())
    def backward_twice(self, k, create):
        self.walk(k, False, create)
        self.walk(k, False, create)

    @rule(k=pick, retain=st.booleans(), create=st.booleans())
    def fail_backward(self, k, retain, create):
        state.armed = "backward"
        try:
            self.walk(k, retain, create)
        finally:
            state.armed = None

    @rule(k=pick)
    def take_gradient(self, k):
        v, node = self.at(k)
        assert (v.grad is None) == (node.grad is None)
        if node.grad is not None:
            self.keep(v.grad, node.grad)

    # -- copying

    @rule(ks=st.lists(pick, min_size=1, max_size=3), how=st.sampled_from(["deepcopy", "pickle"]))
    def deep(self, ks, how):
        chosen = [self.at(k) for k in ks]
        vs = [v for v, _ in chosen]
        copies = copy.deepcopy(vs) if how == "deepcopy" else pickle.loads(pickle.dumps(vs))
        for pair in zip(copies, model.duplicate([node for _, node in chosen]), strict=True):
            self.keep(*pair)

    @rule(k=pick)
    def shallow(self, k):
        v, node = self.at(k)
        self.keep(copy.copy(v), model.shallow(node))

    # -- looking

    @rule(k=pick)
    def look(self, k):
        self.compare(*self.at(k), "the one looked at")

    def teardown(self):
        for i, (v, node) in enumerate(self.pairs):
            self.compare(v, node, f"number {i}")


def fuzz(programs, seed=None, shrink=True):
    """Runs so many programs: always the same ones unless a seed is given."""
    chosen = settings(max_examples=programs, stateful_step_count=20, deadline=None, database=None, print_blob=False,
                      derandomize=seed is None, suppress_health_check=list(HealthCheck), report_multiple_bugs=False,
                      phases=[Phase.generate, Phase.shrink] if shrink else [Phase.generate])
    Graphs._hypothesis_internal_use_seed = seed
    try:
        run_state_machine_as_test(Graphs, settings=chosen)
    finally:
        gc.unfreeze()


def test_two_thousand_programs():
    fuzz(2000)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1, 51))
def test_a_hundred_thousand_programs(seed):
    """Fifty times two thousand: Hypothesis remembers what it has tried, and would grow with more at once."""
    fuzz(2000, seed)


def wrong_gradient(monkeypatch):
    """Right values, wrong slopes."""
    def slope(v):
        return Variable(np.array(np.sin(v.data) / np.where(v.data == 0, 1, v.data)))

    monkeypatch.setitem(UNARY, "sin", (lambda v: v * slope(v), model.Sin))


def lost_memory(monkeypatch):
    """A view that has memory of its own."""
    real = F.reshape
    monkeypatch.setattr(F, "reshape", lambda v, shape: real(v * 1.0, shape))


@pytest.mark.parametrize("plant", [wrong_gradient, lost_memory])
def test_a_planted_fault_is_found(plant, monkeypatch):
    plant(monkeypatch)
    with pytest.raises(AssertionError):
        fuzz(1000, shrink=False)
