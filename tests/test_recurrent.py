"""The operations of an LSTM's step: values and gradients of every order are those of the formulas composed of functions."""

import copy
import pickle

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable, no_grad
from dezero_c._recurrent import LSTMCell, LSTMGates, LSTMOutput
from dezero_c.layers import LSTM, Linear
from dezero_c.utils import gradgradient_check, gradient_check

RNG = np.random.default_rng(0)
N, I, H = 3, 2, 5  # noqa: E741


def gates(x, *rest):
    parts = []
    for k in range(4):
        z = F.matmul(x, rest[k]) + rest[4 + k]
        if len(rest) > 8:
            z = z + F.matmul(rest[8], rest[9 + k])
        parts.append(z)
    return F.stack(parts)


OPERATIONS = {
    "gates": (LSTMGates, gates, [(N, I), *[(I, H)] * 4, *[(H,)] * 4, (N, H), *[(H, H)] * 4]),
    "first gates": (LSTMGates, gates, [(N, I), *[(I, H)] * 4, *[(H,)] * 4]),
    "cell": (LSTMCell, lambda z, c: F.sigmoid(z[0]) * c + F.sigmoid(z[1]) * F.tanh(z[3]), [(4, N, H), (N, H)]),
    "output": (LSTMOutput, lambda z, c: F.sigmoid(z[2]) * F.tanh(c), [(4, N, H), (N, H)]),
}


def call(cls, vs):
    """As the layer calls it: by the family's own way, with the fused backward."""
    from dezero_c import _core

    f = cls()
    y = f(*vs)
    _core.set_native(f, True)
    return y


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("name", OPERATIONS)
def test_values_and_gradients_are_those_of_the_formula(name, dtype):
    cls, formula, shapes = OPERATIONS[name]
    arrays = [RNG.normal(size=s).astype(dtype) for s in shapes]
    tolerance = {"rtol": 2e-5, "atol": 1e-6} if dtype == np.float32 else {"rtol": 1e-12, "atol": 1e-14}
    gy = None
    results = []
    for way in ("fused", "graph", "formula"):
        vs = [Variable(a) for a in arrays]
        vs[0].grad = Variable(np.ones(shapes[0], dtype))    # gradients are added to what is there
        y = formula(*vs) if way == "formula" else call(cls, vs)
        gy = RNG.normal(size=y.shape).astype(dtype) if gy is None else gy
        y.grad = Variable(gy)
        y.backward(create_graph=way == "graph")
        results.append([y.data, *[v.grad.data for v in vs]])
    for a, b, c in zip(*results, strict=True):
        assert a.dtype == b.dtype == dtype
        assert np.allclose(a, c, **tolerance)
        assert np.allclose(b, c, **tolerance)


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_order(name):
    cls, _, shapes = OPERATIONS[name]
    small = tuple(RNG.normal(size=[min(n, 2) if n != 4 else 4 for n in s]) for s in shapes)
    gradient_check(lambda *vs: call(cls, vs), small)
    gradgradient_check(lambda *vs: call(cls, vs), small)


@pytest.mark.parametrize("cls", [LSTMCell, LSTMOutput])
def test_shapes_are_checked(cls):
    with pytest.raises(ValueError, match=r"\(3, 2, 5\).*\(4, \*\(2, 5\)\)"):
        cls()(np.zeros((3, 2, 5)), np.zeros((2, 5)))
    with pytest.raises(ValueError, match="dtype"):
        cls()(np.zeros((4, 2, 5)), np.zeros((2, 5), np.float32))


def composed(rnn, xs):
    """The layer's formulas over functions alone."""
    h = c = None
    for x in xs:
        z = {}
        for g in "fiou":
            x2, h2 = getattr(rnn, f"x2{g}"), getattr(rnn, f"h2{g}")
            z[g] = F.matmul(x, x2.W) + x2.b
            if h is not None:
                z[g] = z[g] + F.matmul(h, h2.W)
        c_new = F.sigmoid(z["i"]) * F.tanh(z["u"])
        c = c_new if c is None else F.sigmoid(z["f"]) * c + c_new
        h = F.sigmoid(z["o"]) * F.tanh(c)
    return h


def run(rnn, xs):
    rnn.reset_state()
    for x in xs:
        h = rnn(x)
    return h


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_layer(dtype):
    rnn = LSTM(H, in_size=I)
    for p in rnn.params():
        p.data = RNG.normal(size=p.shape).astype(dtype)
    xs = [Variable(RNG.normal(size=(N, I)).astype(dtype)) for _ in range(4)]
    results = []
    for forward in (run, composed):
        rnn.cleargrads()
        for x in xs:
            x.cleargrad()
        F.sum(forward(rnn, xs) ** 2).backward()
        results.append([v.grad.data for v in [*rnn.params(), *xs]])
    assert type(run(rnn, xs).creator) is LSTMOutput
    assert np.allclose(run(rnn, xs).data, composed(rnn, xs).data, rtol=1e-5)
    for a, b in zip(*results, strict=True):
        assert a.dtype == dtype
        assert np.allclose(a, b, rtol=1e-4 if dtype == np.float32 else 1e-11, atol=1e-6 if dtype == np.float32 else 1e-13)


def test_what_the_operations_do_not_take_goes_through_the_layers():
    rnn = LSTM(H, in_size=I)
    x = RNG.normal(size=(N, I)).astype(np.float32)
    expected = composed(rnn, [x, x]).data
    cases = {
        "strided": lambda: (rnn, [np.asfortranarray(x)] * 2),
        "float64": lambda: (rnn, [x.astype(np.float64)] * 2),
        "lists": lambda: (rnn, [np.array(x.tolist())] * 2),
        "no gradients": lambda: (rnn, [x, x]),
    }
    for make in cases.values():
        model, xs = make()
        with no_grad():
            assert np.allclose(run(model, xs).data, expected, rtol=1e-5)
    mine = copy.deepcopy(rnn)

    class Doubled(Linear):
        def forward(self, x):
            return super().forward(x) * 2

    mine.h2f = Doubled(H, in_size=H, nobias=True)
    mine.h2f.W.data = rnn.h2f.W.data / 2
    assert np.allclose(run(mine, [x, x]).data, expected, rtol=1e-5)
    with pytest.raises(ValueError, match="linear: shapes"):
        rnn(np.zeros((N, I + 1), np.float32))
    rnn(x)
    with pytest.raises(ValueError, match=r"LSTM: the state is of a batch of 3.*\(4, 2\).*reset_state"):
        rnn(np.zeros((N + 1, I), np.float32))


def test_a_state_that_is_set_to_arrays():
    rnn = LSTM(H, in_size=I)
    x = RNG.normal(size=(N, I)).astype(np.float32)
    rnn(x)
    expected = rnn(x).data
    rnn.reset_state()
    rnn(x)
    rnn.h, rnn.c = rnn.h.data, rnn.c.data
    assert np.array_equal(rnn(x).data, expected)


def test_a_state_that_outlives_its_graph():
    """Truncated backpropagation: the state goes on, what is before it does not."""
    rnn = LSTM(H, in_size=I)
    x = RNG.normal(size=(N, I)).astype(np.float32)
    h = rnn(x)
    h.unchain_backward()
    rnn.c.unchain()
    F.sum(rnn(x)).backward()
    first = rnn.h2f.W.grad.data.copy()
    again = pickle.loads(pickle.dumps(rnn))
    assert np.array_equal(again.h.data, rnn.h.data)
    assert np.any(first)
