"""The machine on float32, products, softmax and losses, and steps that end with an optimizer's update: eager calls' bits."""

import gc
import random
import warnings

import numpy as np
import pytest
from test_machine import bits, on_machine, same, state

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Variable, capture, optimizers
from dezero_c.models import MLP

DTYPES = ["f", "d"]


def arrays(*shapes, dtype="f"):
    return lambda k: [Variable(np.random.default_rng(10 * k + i).normal(size=s).astype(dtype)) for i, s in enumerate(shapes)]


def at_most(shapes, n=700):
    """Whether arrays are so small that even short programs on them are the machine's: True, or None, as `same` has it."""
    return max(int(np.prod(shape)) for shape in shapes) <= n or None


def cleared(f):
    """f with the gradients of its arguments taken away first, and then computed."""
    def g(*xs):
        for x in xs:
            x.cleargrad()
        y = f(*xs)
        y.backward()
        return y
    return g


# ---- single functions


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(("m", "k", "n"), [
    (1, 1, 1), (1, 4, 7), (3, 1, 5), (2, 3, 1), (5, 6, 7), (32, 32, 2), (17, 33, 9), (32, 32, 32), (64, 60, 64), (1, 128, 2)])
def test_products(m, k, n, dtype):
    machine = at_most([(m, k), (k, n), (m, n)])
    same(cleared(lambda x, W: F.sum(F.sin(F.matmul(x, W)))), arrays((m, k), (k, n), dtype=dtype), machine=machine)
    same(cleared(lambda x, W, b: F.sum(F.tanh(F.linear(x, W, b)))), arrays((m, k), (k, n), (n,), dtype=dtype), machine=machine)
    same(cleared(lambda x, W, b: F.mean(F.linear(x, W, b))), arrays((m, k), (k, n), (m, n), dtype=dtype), machine=machine)
    same(cleared(lambda x, W: F.sum(F.linear(x, W) * F.matmul(x, W))), arrays((m, k), (k, n), dtype=dtype), machine=machine)

    def long(x, W):     # enough for arrays of any size that is taken, W's gradient being added to
        y = F.matmul(x, W)
        for _ in range(20):
            y = y * 0.9 + F.matmul(x, W)
        return F.sum(F.tanh(y))

    same(cleared(long), arrays((m, k), (k, n), dtype=dtype))


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("shape", [(1, 1), (1, 5), (7, 3), (64, 10), (1, 2049), (3, 1000)])
def test_softmax_and_cross_entropy(shape, dtype):
    t = np.arange(shape[0]) % shape[1]
    for f in (F.softmax, F.log_softmax):
        same(cleared(lambda x, w, f=f: F.sum(f(x) * w)), arrays(shape, shape, dtype=dtype), machine=at_most([shape]))
        same(cleared(lambda x, w, f=f: F.sum(f(x, axis=-1) * w) + F.sum(x * x) + F.sum(F.sin(x) * F.cos(w)) + F.sum(x - w)),
             arrays(shape, shape, dtype=dtype), machine=at_most([shape], 2048))
    same(cleared(lambda x: F.softmax_cross_entropy(x, t)), arrays(shape, dtype=dtype), machine=at_most([shape]))
    same(cleared(lambda x: F.softmax_cross_entropy(x * 2.0, t) * 0.3 + F.mean(x) + F.mean(F.sin(x))), arrays(shape, dtype=dtype),
         machine=at_most([shape], 2049))


@pytest.mark.parametrize("shape", [(), (1,), (2,), (3,), (128,), (129,), (2, 3), (2048,), (2049,), (8192,)])
def test_float32_reductions_and_losses(shape):
    same(cleared(lambda x: F.sum(F.sin(x)) + F.mean(x * x) * 3.0), arrays(shape))
    same(cleared(lambda x: F.sum(x, keepdims=True) * 2.0), arrays(shape), machine=at_most([shape]))
    same(cleared(F.mean_squared_error), arrays(shape, shape), machine=at_most([shape]))
    same(cleared(lambda x: F.mean_squared_error(x, x * 0.5) + F.mean_squared_error(F.sin(x), F.cos(x)) + F.mean(-x)),
         arrays(shape))


def test_parts_of_float32():
    for index in (0, -1, slice(1, 4), slice(None, None, 2), slice(5, None, -2), (Ellipsis,), None):
        same(cleared(lambda x, i=index: F.sum(F.exp(x[i]) * x[i]) + F.sum(x * x)), arrays((7,)))
    same(cleared(lambda x: -F.log(F.softmax(x)[0, 1]) * 2.5), arrays((1, 3)))
    same(cleared(lambda x: F.sum(x[:, 1] * x[:, 0])), arrays((3, 4)))
    same(cleared(lambda x: F.sum(F.reshape(x, (3, 2))[1] * 2.0)), arrays((6,)))


def test_numbers_beside_float32_arrays():
    same(cleared(lambda x, a: F.sum(F.sin(x * a) / a + a)), arrays((9,), ()))
    same(cleared(lambda x, a: F.sum(x * a) * 0.1 + 2 * a), arrays((2, 2), (1,)))


def test_what_is_read_twice_in_a_call():
    def f(x, W):
        y = F.matmul(x, W)
        z = F.matmul(y, W)      # W's gradient is added to
        x.cleargrad()
        W.cleargrad()
        s = F.sum(z * y)
        s.backward(retain_grad=True)
        return s, y, y.grad

    same(f, arrays((5, 5), (5, 5)), machine=False)      # a result with a gradient
    same(cleared(lambda x, W: F.sum(F.matmul(F.matmul(x, W), W))), arrays((5, 5), (5, 5)))


def test_data_of_float32():
    def descend(x):
        x.cleargrad()
        y = F.sum(x * x * x)
        y.backward()
        x.data -= 0.1 * x.grad.data
        return y, x.data * 2.0

    def given(x, a):
        x.data = x.data * 0.5 - a.data
        return F.sum(x * a)

    def number(x):
        x.data[...] = 2.0
        return x * 1.5

    def single(x):
        x.data = x.data * np.float32(0.5)
        return F.sin(x)

    same(descend, arrays((6,)))
    same(descend, arrays(()), machine=None)
    same(given, arrays((6,), (6,)))
    same(number, arrays((6,)), machine=None)
    same(single, arrays((6,)), machine=None)


def test_flags_are_told_as_in_eager_calls():
    def f(x, W):
        x.cleargrad()
        W.cleargrad()
        y = F.sum(F.log(F.matmul(x, W)))
        y.backward()
        return y

    def make(k):
        x, W = arrays((3, 2), (2, 3))(k)
        if k == 3:
            x.data[1] = 0
        if k == 4:
            x.data[1] = np.inf
        if k == 5:
            W.data[0] = np.nan
        return [x, W]

    same(f, make, calls=7)
    same(cleared(lambda x: F.sum(F.exp(x))), lambda k: [Variable(np.full(3, 100.0 * (k == 3), "f"))], calls=5)
    t = np.array([0, 1])
    same(cleared(lambda x: F.softmax_cross_entropy(x, t)),
         lambda k: [Variable(np.full((2, 2), [1, np.inf, 1, np.nan, 1][k], "f"))])


def test_what_is_mixed_is_replayed_by_nodes():
    g = same(cleared(lambda x, W: F.sum(F.matmul(x, W))),
             lambda k: [arrays((2, 2))(k)[0], arrays((2, 2), dtype="d")(k + 9)[0]], machine=False)
    assert "float32 beside float64" in g.show()
    g = same(cleared(lambda x, W: F.sum(F.softmax(x, axis=0) * W)), arrays((2, 2), (2, 2)), machine=False)
    assert "Softmax along axis 0" in g.show()
    g = same(lambda x, n: F.sum(x) + F.sum(n), lambda k: [arrays((3,))(k)[0], Variable(np.arange(3))], machine=False)
    assert not on_machine(g)


def test_other_arguments_are_other_programs():
    """Dtypes, layouts and lengths of arrays, labels among them."""
    f = capture(cleared(lambda x, W: F.sum(F.matmul(x, W) ** 2)))
    h = cleared(lambda x, W: F.sum(F.matmul(x, W) ** 2))
    for k in range(24):
        made = arrays((4, 3), (3, 2), dtype="fd"[k % 2])
        a, b = made(k), made(k)
        for v in (*a, *b):
            if k % 3 == 1:
                v.data = np.asfortranarray(v.data)
            if k % 3 == 2:
                v.data = np.concatenate([v.data, v.data], axis=1)[:, :v.data.shape[1]]
        assert bits(f(*a)) == bits(h(*b))
        assert [state(v) for v in a] == [state(v) for v in b]

    loss = capture(lambda x, t: F.softmax_cross_entropy(x, t))
    x = np.eye(3, dtype="f")
    for t in (np.arange(3), np.arange(3, dtype="i4"), np.arange(6)[::2] // 2, np.arange(3).reshape(3, 1), [0, 1, 2],
              Variable(np.arange(3))):
        for _ in range(4):
            assert bits(loss(x, t)) == bits(F.softmax_cross_entropy(x, t))
    for t, error in ((np.array([0, 1, 3]), IndexError), (np.array([0, -1, 1]), IndexError), (np.arange(2), ValueError)):
        with pytest.raises(error):
            loss(x, t)
    assert bits(loss(x, np.arange(3))) == bits(F.softmax_cross_entropy(x, np.arange(3)))


# ---- steps of training


def network(dtype="f", sizes=(16, 3), features=5):
    np.random.seed(0)
    model = MLP(sizes, activation=F.relu)
    model(np.zeros((1, features), "f"))
    for p in model.params():
        p.data = np.random.randn(*p.data.shape).astype(dtype) * 0.3
    return model


def trained(optimizer, wrap, change=None, dtype="f", steps=12, order="loss", **options):
    """Losses, weights, gradients and the optimizer's state after some steps; change(k, model, optimizer) before each."""
    model = network(dtype)
    made = optimizer(**options).setup(model)
    params = [model.l0.W, model.l0.b, model.l1.W, model.l1.b]

    def clear(now):
        for p in params if order == now else ():
            p.cleargrad()

    def step(x, t):
        clear("clear first")
        loss = F.softmax_cross_entropy(model(x), t)
        clear("loss")
        loss.backward()
        made.update()
        clear("clear last")
        return loss

    step = wrap(step)
    rng = np.random.default_rng(1)
    out = []
    for k in range(steps):
        if change:
            change(k, model, made)
        x, t = rng.normal(size=(8, 5)).astype(dtype), rng.integers(0, 3, 8)
        out.append((bits(step(x, t)), [(bits(p.data), None if p.grad is None else bits(p.grad)) for p in params]))
    return out, bits(list(made.state_dict().items())) if hasattr(made, "state_dict") else None, step


def agree(optimizer, machine=True, **options):
    wanted, kept, _ = trained(optimizer, lambda f: f, **options)
    found, left, step = trained(optimizer, capture, **options)
    for k, (a, b) in enumerate(zip(wanted, found, strict=True)):
        assert a == b, k
    assert kept == left
    if machine is not None:
        assert on_machine(step) == machine, step.show()
    return step


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", ["SGD", "MomentumSGD", "Nesterov", "AdaGrad", "AdaDelta", "RMSprop", "Adam", "AdamW"])
def test_optimizers(name, dtype):
    step = agree(getattr(optimizers, name), dtype=dtype) if hasattr(optimizers, name) else pytest.skip(f"no {name} here")
    assert f"update {name}" in step.show()


@pytest.mark.parametrize("order", ["loss", "clear first", "clear last"])
def test_where_gradients_are_cleared(order):
    agree(optimizers.Adam, order=order, machine=None if order == "clear last" else True)


def change_rate(k, model, optimizer):
    optimizer.alpha = 0.001 * (k + 1)


def change_hooks(k, model, optimizer):
    if k == 6:
        optimizer.add_hook(optimizers.ClipGrad(0.1))
    if k == 9:
        optimizer.hooks.clear()


def change_parameter(k, model, optimizer):
    if k == 6:
        model.l1.W.data = model.l1.W.data * 0.5
    if k == 8:
        model.l0.b.data[...] = 0.25


def change_state(k, model, optimizer):
    if k == 6:
        for states in (optimizer.ms, optimizer.vs):
            for key in states:
                states[key] = states[key] * 0.5
    if k == 8:
        optimizer.ms.clear()
    if k == 10:
        optimizer.t = 1


def change_target(k, model, optimizer):
    if k == 6:
        optimizer.setup(model.l1)
    if k == 9:
        optimizer.setup(model)


def change_layers(k, model, optimizer):
    if k == 6:
        model.extra = L.Linear(2, in_size=2)
        for p in model.extra.params():
            p.grad = Variable(np.ones_like(p.data))
    if k == 9:
        del model.extra


def change_frozen(k, model, optimizer):
    if k == 5:
        optimizer.update_one = lambda p: None
    if k == 8:
        del optimizer.update_one


def change_params(k, model, optimizer):
    if k == 6:
        model.params = lambda: iter([model.l1.W])
    if k == 9:
        del model.params


def change_bad(k, model, optimizer):
    optimizer.beta1 = np.float64(0.9) if k % 2 else 0.9


@pytest.mark.parametrize("change", [change_rate, change_hooks, change_parameter, change_state, change_target, change_layers,
                                    change_frozen, change_params, change_bad])
def test_what_an_optimizer_finds_changed(change):
    agree(optimizers.Adam, change=change, machine=None)


def test_a_layer_in_a_list_that_grows():
    def run(wrap):
        np.random.seed(3)
        model = L.Layer()
        model.parts = [L.Linear(4, in_size=4), L.Linear(4, in_size=4)]
        params = list(model.params())
        optimizer = optimizers.MomentumSGD(0.1).setup(model)

        @wrap
        def step(x):
            y = model.parts[1](F.relu(model.parts[0](x)))
            loss = F.mean_squared_error(y, x * 0.5)
            for p in params:
                p.cleargrad()
            loss.backward()
            optimizer.update()
            return loss

        out = []
        for k in range(10):
            if k == 6:
                extra = L.Linear(1, in_size=1)
                extra.W.grad = Variable(np.ones((1, 1), "f"))
                model.parts.append(extra)
            out.append(bits(step(np.random.default_rng(k).normal(size=(3, 4)).astype("f"))))
        return out, [bits(p.data) for p in model.params()]

    assert run(lambda f: f) == run(capture)


def test_an_update_that_raises_leaves_what_an_eager_one_does():
    def run(wrap):
        model = network()
        optimizer = optimizers.Adam().setup(model)

        @wrap
        def step(x, t):
            loss = F.softmax_cross_entropy(model(x), t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            return loss

        x, t = np.ones((2, 5), "f"), np.array([0, 1])
        for _ in range(4):
            step(x, t)
        optimizer.alpha = "fast"
        with pytest.raises(TypeError):
            step(x, t)
        left = optimizer.t, [(bits(p.data), bits(p.grad)) for p in model.params()]
        optimizer.alpha = 0.1
        return left, bits(step(x, t)), optimizer.t

    assert run(lambda f: f) == run(capture)


def test_what_comes_after_an_update_is_no_program_of_the_machine():
    model = network()
    optimizer = optimizers.SGD(0.1).setup(model)

    @capture
    def step(x, t):
        loss = F.softmax_cross_entropy(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss, F.sum(model.l0.W * 2.0)

    x, t = np.ones((2, 5), "f"), np.array([0, 1])
    for _ in range(4):
        found = step(x, t)
        assert bits(found[1]) == bits(F.sum(model.l0.W * 2.0))
    assert "after an optimizer's update" in step.show()


def test_a_readme_loop_frees_what_it_made():
    model = network()
    optimizer = optimizers.Adam().setup(model)

    @capture
    def step(x, t):
        loss = F.softmax_cross_entropy(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    x, t = np.ones((4, 5), "f"), np.arange(4) % 3
    for _ in range(10):
        step(x, t)
    gc.collect()
    before = len(gc.get_objects())
    for _ in range(200):
        step(x, t)
    gc.collect()
    assert len(gc.get_objects()) <= before + 5
    kept = step(x, t)
    value = kept.data.copy()
    gradient = model.l0.W.grad
    shown = gradient.data.copy()
    step(x * 2, t)
    assert kept.data == value       # what was given away is not written to again
    assert np.array_equal(gradient.data, shown)
    assert model.l0.W.grad is not gradient


def test_a_larger_network_has_gradients_that_are_arrays():
    """Beyond what lies in a node: 4,096 bytes."""
    def run(wrap):
        model = network(sizes=(80, 40, 3), features=60)
        optimizer = optimizers.SGD(0.05).setup(model)

        @wrap
        def step(x, t):
            loss = F.softmax_cross_entropy(model(x), t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            return loss

        rng, out = np.random.default_rng(0), []
        for _ in range(6):
            x, t = rng.normal(size=(50, 60)).astype("f"), rng.integers(0, 3, 50)
            out.append((bits(step(x, t)), [(bits(p.data), bits(p.grad)) for p in model.params()]))
        return out, step

    wanted, _ = run(lambda f: f)
    found, step = run(capture)
    assert wanted == found
    assert on_machine(step)


# ---- random programs


class Random:
    """A random program of float32 or float64 matrices."""

    def __init__(self, seed):
        r = random.Random(seed)
        self.dtype = r.choice("ffd")
        self.n, self.k = r.choice([1, 2, 3, 8, 17, 40]), r.choice([1, 2, 5, 16, 33])
        lines, wide = [], ["x"]
        for j in range(r.randint(2, 8)):
            v, u = r.choice(wide), r.choice(wide)
            lines.append(f"v{j} = " + r.choice([
                f"F.matmul({v}, W)", f"F.linear({v}, W, b)", f"F.relu({v})", f"F.tanh({v}) * {r.uniform(0.1, 2):.3f}",
                f"{v} + {u}", f"{v} * {u}", f"F.softmax({v})", f"F.log_softmax({v})", f"F.sin({v} - {u})", f"F.exp(F.tanh({v}))",
                f"F.linear({v}, W, {u})", f"F.sigmoid({v}) / 2", f"-{v}", f"F.where({v}, {v}, {u})", f"F.maximum({v}, {u})"]))
            wide.append(f"v{j}")
        out = r.choice(wide[-2:])
        lines.append("s = " + r.choice([
            f"F.sum({out})", f"F.mean({out}) + F.sum({wide[-1]}[0])", f"F.softmax_cross_entropy({out}, t)",
            f"F.mean_squared_error({out}, x)", f"F.softmax_cross_entropy({out}, t) + F.mean({r.choice(wide)} * 0.1)"]))
        lines += r.sample(["x.cleargrad()", "W.cleargrad()", "b.cleargrad()"], 3)
        lines.append("s.backward()")
        if r.random() < 0.5:
            lines.append(r.choice(["W.data -= 0.01 * W.grad.data if W.grad is not None else 0.0", "b.data *= 0.9",
                                   "x.data = x.data * 0.5 + x.data", "b.data = b.data.copy()"]))
        lines.append("return " + r.choice(["s", f"s, {r.choice(wide)}", f"s, {{'y': {wide[-1]}}}", "s, W.data * 2.0"]))
        self.text = "def f(x, W, b, t):\n    " + "\n    ".join(lines)

    def function(self):
        scope = {"F": F, "np": np}
        exec(self.text, scope)
        return scope["f"]

    def make(self, k):
        rng = np.random.default_rng(k)
        scale = 3.0 if k == 3 else 0.5
        xs = [Variable((rng.normal(size=s) * scale).astype(self.dtype)) for s in ((self.n, self.k), (self.k, self.k), (self.k,))]
        return [*xs, rng.integers(0, self.k, self.n)]


def check(seed):
    program = Random(seed)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return on_machine(same(program.function(), program.make, machine=None))
    except BaseException as error:
        raise AssertionError(f"seed {seed}:\n{program.text}") from error


def test_random_programs():
    native = sum(check(seed) for seed in range(300))
    assert native > 150


@pytest.mark.slow
def test_many_random_programs():
    for seed in range(1000, 21000):
        check(seed)


def test_several_threads():
    import threading

    model = network()

    @capture
    def value(x, t):
        return F.softmax_cross_entropy(model(x), t)

    x, t = np.ones((4, 5), "f"), np.arange(4) % 3
    wanted, failed = [bits(F.softmax_cross_entropy(model(x * k), t)) for k in range(5)], []

    def work():
        for i in range(200):
            if bits(value(x * (i % 5), t)) != wanted[i % 5]:
                failed.append(i)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert dezero_c.__version__
