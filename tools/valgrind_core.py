"""A core set of programs for valgrind: every kind of value, walk, copy and end that the engine has, once or twice each.

Started by `tools/sanitize valgrind`; valgrind makes Python some forty times slower, so sizes are small. Results are checked a
little, so that a program that does nothing is noticed.
"""

import copy
import gc

import numpy as np

import dezero_c.functions as F
import dezero_c.layers as L
import dezero_c.optimizers as O
from dezero_c import Function, Variable, chapter1, no_grad

rng = np.random.default_rng(0)


class Twice(Function):
    def forward(self, x):
        return x * 2.0

    def backward(self, gy):
        return gy * 2.0


class Fails(Function):
    def forward(self, x):
        return x + 0.0

    def backward(self, gy):
        raise KeyError("midway")


def elementwise(dtype):
    for shape, small in (((), ()), ((7,), ()), ((3, 5), (5,)), ((3, 5), (3, 1)), ((2, 3, 4), (3, 1)), ((3, 0), (3, 1)),
                         ((33, 17), (17,))):
        x, w = Variable(rng.uniform(0.2, 0.9, shape).astype(dtype)), Variable(rng.uniform(0.2, 0.9, small).astype(dtype))
        for y in (x * w + w - x / w, x ** 3.0 - 2.0 * w, F.maximum(x, w), F.tanh(x) * F.sigmoid(w), F.where(x > w, x, w)):
            F.sum(y).backward(retain_grad=True)
        for f in (F.exp, F.log, F.sin, F.cos, F.gelu, F.softplus, F.relu, F.sqrt, F.arcsin, F.erf):
            F.sum(f(x)).backward()
        assert x.grad.shape == shape
        x.grad.data[...] = 0.0


def shapes(dtype):
    x = Variable(rng.standard_normal((4, 6)).astype(dtype))
    y = F.concatenate([F.transpose(x)[1:5], F.reshape(x, (6, 4))[::-1], F.broadcast_to(F.sum(x, axis=1), (2, 4))])
    z = F.sum(y[[0, 3, 3]] * y[:, ::-1][1:4]) + F.sum(F.pad(x, ((1, 0), (0, 2))) ** 2) + F.sum(F.max(x, axis=0) - F.min(x))
    z.backward()
    assert np.isfinite(x.grad.data).all()


def larger(dtype):
    a, W = Variable(rng.standard_normal((7, 5)).astype(dtype)), Variable(rng.standard_normal((5, 9)).astype(dtype))
    loss = F.softmax_cross_entropy(F.linear(a, W, np.zeros(9, dtype)), np.arange(7))
    loss.backward()
    x, K = Variable(rng.standard_normal((2, 3, 7, 7)).astype(dtype)), Variable(rng.standard_normal((4, 3, 3, 3)).astype(dtype))
    y = F.pooling(F.conv2d(x, K, np.zeros(4, dtype), 1, 1), 2, 2)
    z = F.layer_norm(F.reshape(y, (2, -1)), np.ones(36, dtype), np.zeros(36, dtype))
    F.sum(z * z + F.dropout(z, 0.5)).backward()
    assert K.grad.shape == K.shape
    v = Variable((rng.standard_normal((4, 4)) * 0.1 + np.eye(4)).astype(dtype))
    F.sum(F.inv(v)).backward()
    F.sum(F.einsum("ij,kj->ik", v, v)).backward()


def training():
    lstm, out = L.LSTM(5, in_size=3), L.Linear(2, in_size=5)
    for p in [*lstm.params(), *out.params()]:
        p.data = p.data.astype(np.float32) if p.data is not None else p.data
    for kind in (O.SGD, O.MomentumSGD, O.AdaGrad, O.AdaDelta, O.Adam):
        optimizer = kind().setup(out)
        lstm.reset_state()
        for _ in range(2):
            h = lstm(rng.standard_normal((4, 3)).astype(np.float32))
            loss = F.mean_squared_error(out(h), np.zeros((4, 2), np.float32))
            out.cleargrads()
            lstm.cleargrads()
            loss.backward()
            optimizer.update()
            loss.unchain_backward()


def graphs():
    x = Variable(np.array([0.5, 1.5]))
    y = F.sum(Twice()(F.sin(x)) * x ** 3)
    y.backward(create_graph=True)
    g = x.grad
    x.cleargrad()
    F.sum(g * g).backward(create_graph=True)
    z = copy.deepcopy(y)
    z.backward()
    h = x
    for i in range(600):
        h = F.sin(h) if i % 7 else Twice()(h * 0.4)
        if i % 100 == 0:
            h.note = [h]
    h.backward()
    try:
        F.sum(Fails()(F.cos(x)) * x).backward()
    except KeyError:
        pass
    else:
        raise AssertionError("nothing was raised")
    with no_grad():
        F.sin(x)
    a = chapter1.Variable(np.array(0.5))
    b = chapter1.square(chapter1.exp(a))
    b.grad = np.array(1.0)
    b.backward()
    del x, y, z, g, h, a, b
    gc.collect()


for kind in (np.float64, np.float32):
    elementwise(kind)
    shapes(kind)
    larger(kind)
training()
graphs()
kept = F.sin(Variable(np.ones(3)) * 2.0)       # alive when the interpreter ends
print("done")
