"""float32 operands beside float64 ones, as a layer's weights are for what np.random gives: values and gradients are those of
float64 copies, to the bit where no sum's order is another, and gradients are float64, as NumPy's rules have it."""

import numpy as np
import pytest

import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Parameter, Variable, capture, core_simple, optimizers

RNG = np.random.default_rng(0)


def draw(*shape, dtype=np.float32):
    return RNG.uniform(0.5, 1.5, shape).astype(dtype)


def gradients(f, xs, **options):
    """(value, gradients) of sum(w f(*xs)) for fixed weights w."""
    vs = [Variable(x) for x in xs]
    y = f(*vs)
    w = np.linspace(-1, 1, y.size).reshape(y.shape)
    F.sum(y * w).backward(**options)
    return y.data, [v.grad for v in vs]


def like_doubles(f, *xs, rtol=0.0, **options):
    y, gs = gradients(f, xs, **options)
    want, wanted = gradients(f, [x.astype(np.float64) for x in xs], **options)
    assert y.dtype == np.float64
    assert np.allclose(y, want, rtol=rtol, atol=0, equal_nan=True)
    for g, w, x in zip(gs, wanted, xs, strict=True):
        if w is None:
            assert g is None
            continue
        assert g.dtype == np.float64
        assert g.shape == x.shape
        assert np.allclose(g.data, w.data, rtol=rtol, atol=rtol * np.abs(w.data).max(initial=0.0), equal_nan=True)


def like_products(f, *xs):
    like_doubles(f, *xs, rtol=1e-13)


FUNCTIONS = {
    "add": lambda a, b: a + b, "sub": lambda a, b: a - b, "mul": lambda a, b: a * b, "div": lambda a, b: a / b,
    "power": lambda a, b: a ** b, "maximum": F.maximum, "minimum": F.minimum, "arctan2": F.arctan2, "hypot": F.hypot,
    "logaddexp": F.logaddexp, "where": lambda a, b: F.where(np.asarray(np.arange(a.size).reshape(a.shape) % 2 == 0), a, b),
}


@pytest.mark.parametrize("name", FUNCTIONS)
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (2047,), (2048,), (2049,)])
def test_elementwise(name, shape):
    f = FUNCTIONS[name]
    like_doubles(f, draw(*shape, dtype=np.float64), draw(*shape))
    like_doubles(f, draw(*shape), draw(*shape, dtype=np.float64))
    if len(shape) == 2:
        like_doubles(f, draw(*shape, dtype=np.float64), draw(shape[1]))
        like_doubles(f, draw(shape[0], 1), draw(*shape, dtype=np.float64))
        like_doubles(f, draw(*shape).T, draw(*shape[::-1], dtype=np.float64))
        like_doubles(f, draw(*shape)[::-1], draw(dtype=np.float64))


def test_elementwise_by_another_framework():
    torch = pytest.importorskip("torch")
    a, b = draw(5, 3, dtype=np.float64), draw(3)
    ta, tb = torch.tensor(a, requires_grad=True), torch.tensor(b, requires_grad=True)
    (torch.exp(ta * tb) / tb).sum().backward()
    va, vb = Variable(a), Variable(b)
    F.sum(F.exp(va * vb) / vb).backward()
    assert np.allclose(va.grad.data, ta.grad, rtol=1e-13, atol=0)
    assert np.allclose(vb.grad.data, tb.grad, rtol=1e-6, atol=0)        # theirs is rounded to float32


@pytest.mark.parametrize("which", range(7))
@pytest.mark.parametrize("n", [1, 3, 40, 300])
def test_linear_and_matmul(which, n):
    kinds = [np.float64 if which + 1 & 1 << k else np.float32 for k in range(3)]
    x, W, b = draw(n, 5, dtype=kinds[0]), draw(5, n, dtype=kinds[1]), draw(n, dtype=kinds[2])
    if len(set(kinds)) > 1 and kinds[:2] != [np.float32] * 2:
        like_products(F.linear, x, W, b)
        like_products(F.linear, x.reshape(n, 1, 5), W, b)
    if kinds[0] != kinds[1]:
        like_products(F.matmul, x, W)
        like_products(F.linear, x, W)
        like_products(lambda x, W: F.matmul(x, W.T), x, np.ascontiguousarray(W.T))
        like_products(lambda x, W: F.tensordot(x, W, 1), x, W)
        like_products(lambda x, W: F.einsum("ij,jk->ki", x, W), x, W)


def test_a_bias_in_double_beside_products_in_single_keeps_them_single():
    x, W, b = draw(4, 5), draw(5, 3), draw(3, dtype=np.float64)
    y = F.linear(x, W, b)
    assert y.dtype == np.float32        # as ever: the sum keeps the product's dtype


def test_large_products():
    like_products(F.linear, draw(300, 100, dtype=np.float64), draw(100, 200), draw(200))


def test_empty_operands():
    like_doubles(F.linear, draw(0, 3, dtype=np.float64), draw(3, 2), draw(2))
    like_doubles(F.matmul, draw(2, 0, dtype=np.float64), draw(0, 3))
    like_doubles(lambda a, b: a * b, draw(0, 3, dtype=np.float64), draw(3))


@pytest.mark.parametrize("f", [F.mean_squared_error, lambda a, b: F.softmax(a * b), lambda a, b: F.log_softmax(a + b)])
def test_losses(f):
    like_products(f, draw(8, 3, dtype=np.float64), draw(8, 3))
    like_products(f, draw(8, 3), draw(8, 3, dtype=np.float64))


@pytest.mark.parametrize(("f", "shapes"), [
    (lambda x, W, b: F.conv2d(x, W, b, 1, 1), [(2, 3, 6, 7), (4, 3, 3, 3), (4,)]),
    (lambda x, W, b: F.deconv2d(x, W, b, 2, 1), [(2, 3, 4, 4), (3, 4, 3, 3), (4,)]),
])
def test_convolutions(f, shapes):
    like_products(f, draw(*shapes[0], dtype=np.float64), draw(*shapes[1]), draw(*shapes[2]))


@pytest.mark.parametrize("make", [lambda: L.LSTM(5), lambda: L.RNN(5), lambda: L.GRU(5), lambda: L.Linear(3)])
@pytest.mark.parametrize("n", [2, 90])
def test_layers_with_weights_in_single(make, n):
    np.random.seed(0)
    xs = [draw(n, 4, dtype=np.float64) for _ in range(3)]
    layer = make()
    found = []
    for dtype in (None, np.float64):
        if hasattr(layer, "reset_state"):
            layer.reset_state()
        for x in xs[:2]:
            layer(x)        # draws the weights
        if hasattr(layer, "reset_state"):
            layer.reset_state()
        for p in layer.params():
            if dtype:
                p.data = p.data.astype(dtype)
            p.cleargrad()
        y = F.sum(sum(F.sin(layer(x)) for x in xs))
        y.backward()
        found.append([y.data, *(p.grad.data for p in layer.params())])
    assert all(a.dtype == np.float64 for a in found[0])
    for a, b in zip(*found, strict=True):
        assert np.allclose(a, b, rtol=1e-12, atol=1e-14)


def test_gradients_add_up_and_go_on():
    W = Variable(draw(3, 3))
    x = Variable(draw(2, 3, dtype=np.float64))
    y = F.sum(F.matmul(F.matmul(x, W), W) * 1.0) + F.sum(W * draw(3, 3, dtype=np.float64))
    for times in (1, 2):
        y.backward()
        if times == 1:
            first = W.grad.data.copy()
    assert np.allclose(W.grad.data, 2 * first, rtol=1e-15)
    seen = W.grad
    y.backward()
    assert np.allclose(seen.data, 2 * first, rtol=1e-15)      # theirs stays
    W.cleargrad()
    a = Variable(draw(4))
    b = a * draw(4, dtype=np.float64) * a       # both places of one input
    F.sum(b).backward()
    assert a.grad.dtype == np.float64
    assert np.allclose(a.grad.data, 2 * b.data / a.data, rtol=1e-12)


def test_a_gradient_in_double_of_values_in_single():
    """Such as a target in float64 gives predictions in float32."""
    x, W, t = Variable(draw(6, 4)), Variable(draw(4, 2)), draw(6, 2, dtype=np.float64)
    h = F.tanh(F.linear(x, W))
    F.mean_squared_error(h, t).backward()
    gy = 2 * (h.data.astype(np.float64) - t) / 6 * (1 - h.data.astype(np.float64) ** 2)
    assert W.grad.dtype == np.float64
    assert np.allclose(W.grad.data, x.data.T.astype(np.float64) @ gy, rtol=1e-13)
    h.grad = Variable(np.ones((6, 2)))
    x.cleargrad()
    h.backward(retain_grad=True)
    assert np.array_equal(h.grad.data, np.ones((6, 2)))


def test_second_derivatives():
    x, w = Variable(draw(3, dtype=np.float64)), Variable(draw(3))
    F.sum((x * w) ** 3).backward(create_graph=True)
    gw = w.grad
    w.cleargrad()
    F.sum(gw).backward()
    assert np.allclose(w.grad.data, 6 * x.data ** 3 * w.data, rtol=1e-6)


def test_the_early_modules():
    x, w = core_simple.Variable(draw(3, dtype=np.float64)), core_simple.Variable(draw(3))
    (x * w).backward()
    assert type(w.grad) is np.ndarray
    assert np.array_equal(w.grad, x.data)


OPTIMIZERS = [optimizers.SGD(0.1), optimizers.MomentumSGD(0.1), optimizers.Nesterov(0.1), optimizers.AdaGrad(0.1),
              optimizers.RMSprop(0.1), optimizers.AdaDelta(), optimizers.Adam(0.1), optimizers.AdamW(0.1)]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda o: type(o).__name__)
@pytest.mark.parametrize("n", [1, 7, 2049])
def test_updates_by_gradients_in_double_have_numpys_bits(optimizer, n):
    layer = L.Layer()
    layer.p = Parameter(draw(n))
    data = layer.p.data.copy()
    optimizer = type(optimizer)()
    optimizer.setup(layer)
    states = [np.zeros(n, np.float32) for _ in optimizer._states]
    for step in range(3):
        g = RNG.standard_normal(n)
        layer.p.grad = Variable(g)
        optimizer.update()
        optimizer._by_numpy(data, g, *states)
        assert layer.p.data.dtype == np.float32
        assert np.array_equal(layer.p.data, data), step
        assert np.array_equal(layer.p.grad.data, g)
        for name, state in zip(optimizer._states, states, strict=True):
            assert np.array_equal(getattr(optimizer, name)[id(layer.p)], state)


@pytest.mark.parametrize("make", [lambda: optimizers.SGD(0.1), lambda: optimizers.Adam(0.01)])
def test_training_as_the_book_does_and_captured(make):
    """float64 data through layers of float32: the losses fall, and a captured step has the same bits."""
    losses = []
    for captured in (False, True):
        np.random.seed(0)
        x = np.random.rand(60, 1)
        t = np.sin(2 * np.pi * x) + 0.1 * np.random.rand(60, 1)
        l1, l2 = L.Linear(10), L.Linear(1)
        model = L.Layer()
        model.l1, model.l2 = l1, l2
        l2(l1(x))
        optimizer = make().setup(model)

        def step(x, t, l1=l1, l2=l2, model=model, optimizer=optimizer):
            loss = F.mean_squared_error(l2(F.sigmoid(l1(x))), t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            return loss

        run = capture(step) if captured else step
        losses.append([float(run(x, t).data) for _ in range(40)])
    assert losses[0] == losses[1]
    assert losses[0][-1] < losses[0][0]
