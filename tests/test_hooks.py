"""Hooks of Variables (src/dezero_c/_hooks.pxi) and layers (dezero_c/_hooks.py)."""

import copy
import gc
import pickle
import re
import warnings
import weakref

import numpy as np
import pytest

import dezero_c
import dezero_c._core as core
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Function, Parameter, Variable, as_variable, chapter1, core_simple, func, no_grad, optimizers, using_config
from dezero_c.models import MLP


@pytest.fixture(autouse=True)
def none_is_left():
    gc.collect()
    assert not core.hooks_anywhere()
    yield
    gc.collect()
    assert not core.hooks_anywhere()


def vector(*values):
    return Variable(np.array(values))


def test_a_hook_of_a_computed_variable_sees_and_replaces():
    x = vector(1.0, 2.0, 3.0)
    y = x * x
    z = F.sum(F.sin(y) + 2 * y)         # two uses: the hook sees their sum, once
    seen = []
    with y.register_hook(seen.append):
        z.backward()
        assert len(seen) == 1
        assert np.allclose(seen[0].data, np.cos(y.data) + 2)
        plain = x.grad.data
        x.cleargrad()
        with y.register_hook(lambda g: g * 10):
            z.backward()
            assert np.allclose(x.grad.data, 10 * plain, rtol=1e-15)
            assert y.grad is None
    x.cleargrad()
    z.backward()
    assert np.array_equal(x.grad.data, plain)
    assert len(seen) == 2
    with y.register_hook(lambda g: g * 10):
        z.backward(retain_grad=True)
        assert np.array_equal(y.grad.data, 10 * seen[0].data)


def test_hooks_run_in_order_and_each_sees_what_the_one_before_made():
    x = vector(2.0)
    order = []
    first = x.register_hook(lambda g: order.append(("first", g.item())) or g + 1)
    second = x.register_hook(lambda g: order.append(("second", g.item())) or np.array([100.0]))
    (x * 3).backward()
    assert order == [("first", 3.0), ("second", 4.0)]
    assert x.grad.item() == 100
    first.remove()
    first.remove()
    second.remove()
    assert "_hooks" not in vars(x)


@pytest.mark.parametrize("shape", [(), (3,), (2, 1500)])
def test_a_leaf_has_its_hook_once_with_what_this_walk_adds(shape):
    x = Variable(np.full(shape, 2.0))
    seen = []
    x.register_hook(lambda g: seen.append(g.data.copy()) or -g)
    y = F.sum(x * x + 3 * x)
    y.backward()
    assert np.array_equal(x.grad.data, np.full(shape, -7.0))
    first = x.grad
    y.backward()
    assert len(seen) == 2
    assert all(np.array_equal(s, np.full(shape, 7.0)) for s in seen)
    assert np.array_equal(x.grad.data, np.full(shape, -14.0))
    assert np.array_equal(first.data, np.full(shape, -7.0))
    x.cleargrad()
    inner = []
    with x.register_hook(lambda g: inner.append(x.grad)):
        x.grad = Variable(np.full(shape, 5.0))
        y.backward()
    assert np.array_equal(inner[0].data, np.full(shape, 5.0))
    assert np.array_equal(x.grad.data, np.full(shape, -2.0))


def test_a_hook_on_the_result():
    x = vector(1.0, 2.0)
    y = x * 2
    seen = []
    y.register_hook(lambda g: seen.append(g.data.copy()) or g * 5)
    y.backward()
    assert np.array_equal(seen[0], [1, 1])
    assert np.array_equal(x.grad.data, [10, 10])
    y.grad = Variable(np.array([1.0, 2.0]))
    given = y.grad
    x.cleargrad()
    y.backward()
    assert np.array_equal(x.grad.data, [10, 20])
    assert np.array_equal(given.data, [1, 2])
    v = vector(3.0)
    v.register_hook(lambda g: g * 4)
    v.backward()        # a result that nothing computed
    assert v.grad.item() == 4
    v.backward()
    assert v.grad.item() == 4


def test_what_is_not_reached_is_not_called():
    x, other = vector(1.0), vector(2.0)
    y = x * other
    calls = []
    (x * 5).register_hook(calls.append)
    aside = other * 2
    aside.register_hook(calls.append)
    other.grad = Variable(np.array([9.0]))
    y.backward()
    assert not calls
    assert other.grad.item() == 10
    with no_grad():
        (aside * 2).backward()
    assert not calls


def test_second_derivatives_go_through_what_a_hook_computes():
    x = vector(0.5, 1.5)
    y = x ** 2
    y.register_hook(lambda g: g * g)
    z = F.sum(y ** 2)
    z.backward(create_graph=True)       # gx = (2 x^2)^2 2 x = 8 x^5
    gx = x.grad
    assert np.allclose(gx.data, 8 * x.data ** 5)
    x.cleargrad()
    F.sum(gx).backward()                # y's hook squares the gradient of y that arrives in this walk, too
    assert x.grad is not None
    w = vector(0.5, 1.5)
    handle = w.register_hook(lambda g: g ** 2)
    F.sum(w ** 3).backward(create_graph=True)
    gw = w.grad                         # 9 w^4
    w.cleargrad()
    handle.remove()
    F.sum(gw).backward()
    assert np.allclose(w.grad.data, 36 * w.data ** 3)
    seen = []
    with y.register_hook(lambda g: seen.append(g.creator)):
        z.backward()
    assert seen == [None]               # nothing is recorded without create_graph


def test_gradients_are_the_same_bits_with_a_hook_that_looks():
    rng = np.random.default_rng(0)
    for n in (1, 7, 2047, 2048, 2049):
        for dtype in (np.float32, np.float64):
            grads = []
            for hooked in (False, True):
                x, w = Variable(rng.standard_normal(n).astype(dtype)), Variable(np.ones(n, dtype))
                x.data[:] = np.linspace(-1, 1, n)
                h = F.tanh(x * w)
                y = F.sum(F.exp(h) * h + x)
                handles = [v.register_hook(lambda g: None) for v in (x, w, h, y)] if hooked else []
                y.backward()
                grads.append((x.grad.data.tobytes(), w.grad.data.tobytes(), x.grad.dtype))
                for handle in handles:
                    handle.remove()
            assert grads[0] == grads[1]
            assert grads[0][2] == dtype


def test_a_result_in_another_dtype_is_cast_and_a_complex_one_real():
    x = Variable(np.ones(3, np.float32))
    with x.register_hook(lambda g: g.data * np.float64(2)):
        F.sum(x * 3).backward()
    assert x.grad.dtype == np.float32
    assert np.array_equal(x.grad.data, [6, 6, 6])
    x.cleargrad()
    with x.register_hook(lambda g: g.data * (1 + 1j)):
        F.sum(x * 3).backward()
    assert x.grad.dtype == np.float32
    assert np.array_equal(x.grad.data, [3, 3, 3])


def test_a_function_with_several_outputs_and_one_that_is_gone():
    class Both(Function):
        def forward(self, x):
            return x + 1, x * 2, x * 3

        def backward(self, *gys):
            return gys[0] + 2 * gys[1] + 3 * gys[2]

    x = vector(1.0)
    a, b, c = Both()(x)
    del c
    a.register_hook(lambda g: g * 10)
    b.register_hook(lambda g: pytest.fail("not reached"))
    (a * 4).backward()
    assert x.grad.item() == 40


BAD = [(lambda g: "no", TypeError, "a hook, returned <class 'str'>; return the gradient"),
       (lambda g: np.ones(5), ValueError, re.escape("a hook of a Variable of shape (3,), returned a gradient of shape (5,)")),
       (lambda g: 1 / 0, ZeroDivisionError, "division")]


@pytest.mark.parametrize("where", ["leaf", "middle", "result"])
@pytest.mark.parametrize(("hook", "error", "message"), BAD)
def test_what_a_hook_raises_leaves_everything_as_it_was(where, hook, error, message):
    x, w = vector(1.0, 2.0, 3.0), vector(2.0, 2.0, 2.0)
    middle = x * w
    y = middle * 5
    x.grad = Variable(np.array([7.0, 7.0, 7.0]))
    w.register_hook(lambda g: g)
    with {"leaf": x, "middle": middle, "result": y}[where].register_hook(hook):
        with pytest.raises(error, match=message):
            y.backward()
        assert np.array_equal(x.grad.data, [7, 7, 7])
        assert middle.grad is None
        assert y.grad is None
    w.cleargrad()
    y.backward()
    assert np.array_equal(x.grad.data, [17, 17, 17])
    assert np.array_equal(w.grad.data, [5, 10, 15])
    with pytest.raises(TypeError, match="register_hook: <class 'int'> cannot be called"):
        x.register_hook(3)


def test_hooks_that_call_backward_and_remove_themselves():
    x = vector(2.0)
    handles = []

    def once(g):
        handles.pop().remove()
        with using_config("enable_backprop", True):
            inner = x * 100
        inner.backward()            # its gradient is not this walk's
        return g * 2

    handles.append(x.register_hook(once))
    (x * 3).backward()
    assert x.grad.item() == 106
    assert "_hooks" not in vars(x)
    (x * 3).backward()
    assert x.grad.item() == 109


def test_hooks_end_with_their_variable_and_cycles_are_found():
    x = vector(1.0)
    y = x * 2
    handle = y.register_hook(lambda g, held=y: held)    # a cycle
    gone = weakref.ref(y)
    del y
    gc.collect()
    assert gone() is None
    handle.remove()
    assert not core.hooks_anywhere()


def test_copies_and_pickles_have_none():
    x = vector(1.0)
    x.note = "kept"
    x.register_hook(lambda g: g * 2)
    for made in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        (made * 3).backward()
        assert made.grad.item() == 3
        assert made.note == "kept"
        assert "_hooks" not in vars(made)
    layer = L.Linear(2)
    layer(np.ones((1, 3)))
    layer.register_forward_hook(lambda layer, xs, y: y * 2)
    for made in (copy.copy(layer), copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert np.allclose(2 * made(np.ones((1, 3))).data, layer(np.ones((1, 3))).data)


@pytest.mark.parametrize("module", [core_simple, chapter1])
def test_the_early_modules(module):
    class Square(module.Function):
        def forward(self, x):
            return x ** 2

        def backward(self, gy):
            x = self.inputs[0] if module is core_simple else self.input
            return 2 * x.data * gy

    x = module.Variable(np.array(3.0))
    y = Square()(x)
    seen = []
    with y.register_hook(lambda g: seen.append(g) or g * 2), x.register_hook(seen.append):
        Square()(y).backward()
    assert np.allclose(x.grad, 2 * 18 * 6)
    assert np.allclose(seen, [18, 2 * 18 * 6])
    assert not any(isinstance(g, Variable) for g in seen)


def test_func_goes_by_hooks_or_refuses():
    def f(x):
        y = x * x
        y.register_hook(lambda g: g * 3)
        return F.sum(y * y)

    x = np.array([1.0, 2.0])
    assert np.allclose(func.grad(f)(x), 3 * 4 * x ** 3)
    assert np.allclose(func.grad(f)(Variable(x)).data, 3 * 4 * x ** 3)
    y, pull = func.vjp(f, x)
    assert np.allclose(pull(np.array(2.0)), 2 * 3 * 4 * x ** 3)
    with pytest.raises(TypeError, match="jvp: a hook that sees gradients"):
        func.jvp(f, (x,), (x,))

    def own(x):
        x.register_hook(lambda g: g + 1)
        return x * x

    assert np.allclose(func.jacobian(own, mode="rev")(x), np.diag(2 * x) + 1)
    assert np.allclose(func.jacobian(own)(x), np.diag(2 * x) + 1)       # auto goes in reverse
    layer = L.Linear(1)
    layer(np.ones((1, 2)))
    with layer.register_full_backward_hook(lambda *a: None), pytest.raises(TypeError, match="jvp: a hook that sees gradients"):
        func.jvp(lambda x: F.sum(layer(x)), (np.ones((1, 2)),), (np.ones((1, 2)),))
    del y, pull


def test_captured_functions_run_as_they_are():
    w = Parameter(np.array([1.0, 2.0]))
    runs = []

    def step(x):
        runs.append(1)
        w.cleargrad()
        y = F.sum((x * w) ** 2)
        y.backward()
        return w.grad

    captured = dezero_c.capture(step)
    x = Variable(np.array([3.0, 4.0]))
    for _ in range(4):
        plain = captured(x).data.copy()
    n = len(runs)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        with w.register_hook(lambda g: g * 2):
            assert np.array_equal(captured(x).data, 2 * plain)
            assert np.array_equal(captured(x).data, 2 * plain)
        assert len(runs) == n + 2
        assert [str(t.message) for t in told if "while a hook is registered" in str(t.message)][1:] == []
    assert told
    assert np.array_equal(captured(x).data, plain)
    assert len(runs) == n + 2

    @dezero_c.capture
    def inside(x):
        y = x * 2
        y.register_hook(lambda g: g * 7)
        F.sum(y).backward()

    for _ in range(3):
        v = Variable(np.ones(2))
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            inside(v)
        assert np.array_equal(v.grad.data, [14, 14])


def test_gradient_clipping_by_hooks_trains():
    np.random.seed(0)
    x = np.random.rand(50, 1)
    y = np.sin(6 * x)
    model, optimizer = MLP((10, 1)), optimizers.SGD(0.2)
    model(x)
    optimizer.setup(model)
    largest = []

    def clip(g):
        largest.append(np.abs(g.data).max())
        return F.clip(g, -0.05, 0.05)

    handles = [p.register_hook(clip) for p in model.params()]
    for _ in range(5):
        model.cleargrads()
        F.mean_squared_error(model(x), y).backward()
        assert all(np.abs(p.grad.data).max() <= 0.05 for p in model.params())
        optimizer.update()
    assert max(largest) > 0.05
    for handle in handles:
        handle.remove()


# ---- layers

def test_hooks_before_and_after_forward():
    layer = L.Linear(2, in_size=3, dtype=np.float64)
    x = np.ones((4, 3))
    y = layer(x).data
    seen = []
    with layer.register_forward_pre_hook(lambda layer, xs: seen.append((layer, xs))), \
            layer.register_forward_hook(lambda layer, xs, y: seen.append((layer, xs, y))):
        out = layer(x)
    assert seen[0] == (layer, (x,))
    assert seen[1][2] is out
    assert np.array_equal(out.data, y)
    with layer.register_forward_pre_hook(lambda layer, xs: xs[0] * 2), \
            layer.register_forward_pre_hook(lambda layer, xs: (xs[0] + 1,)), \
            layer.register_forward_hook(lambda layer, xs, y: y * 5):
        assert np.allclose(layer(x).data, 5 * F.linear(2 * x + 1, layer.W, layer.b).data)
    assert "_hooks" not in vars(layer)
    assert np.array_equal(layer(x).data, y)


@pytest.mark.parametrize("make", [lambda: L.BatchNorm(), lambda: L.EmbedID(5, 3), lambda: L.LayerNorm(), lambda: L.LSTM(3),
                                  lambda: L.Dropout(0.5), lambda: MLP((3, 2))])
def test_every_layer_runs_them(make):
    layer = make()
    x = np.arange(4) if isinstance(layer, L.EmbedID) else np.random.default_rng(0).random((4, 3))
    calls = []
    layer.register_forward_hook(lambda layer, xs, y: calls.append(y))
    y = layer(x)
    assert len(calls) == 1
    assert calls[0] is y


def test_a_backward_hook_sees_and_replaces():
    first, second = L.Linear(3, in_size=3, dtype=np.float64), L.Linear(1, in_size=3, dtype=np.float64)
    x = Variable(np.random.default_rng(0).random((4, 3)))
    F.sum(second(F.tanh(first(x)))).backward()
    plain = {name: v.grad.data.copy() for name, v in (("x", x), ("W1", first.W), ("W2", second.W))}
    for v in (x, first.W, first.b, second.W, second.b):
        v.cleargrad()
    seen = []
    with second.register_full_backward_hook(lambda layer, gxs, gys: seen.append((layer, gxs, gys)) or (gxs[0] * 3,)):
        F.sum(second(F.tanh(first(x)))).backward()
    (layer, (gx,), (gy,)), = seen
    assert layer is second
    assert np.array_equal(gy.data, np.ones((4, 1)))
    assert np.allclose(gx.data, np.ones((4, 1)) @ second.W.data.T)
    assert np.allclose(x.grad.data, 3 * plain["x"])
    assert np.allclose(first.W.grad.data, 3 * plain["W1"])
    assert np.allclose(second.W.grad.data, plain["W2"])


def test_a_backward_hook_of_arrays_several_inputs_and_outputs():
    class Pair(L.Layer):
        def forward(self, a, b, c=0):
            a, b = as_variable(a), as_variable(b)
            return a * b, a + b

    layer = Pair()
    seen = []
    handle = layer.register_full_backward_hook(lambda layer, gxs, gys: seen.append((gxs, gys)))
    a, b = vector(2.0), np.array([3.0])
    u, v = layer(a, b, c=1)
    (u * 10 + v).backward()
    (gxs, gys), = seen
    assert gxs[0].item() == 31
    assert gxs[1] is None
    assert [g.item() for g in gys] == [10, 1]
    assert a.grad.item() == 31
    seen.clear()
    u, v = layer(np.array([1.0]), b)
    w = vector(1.0)
    (u * w).backward()          # no input has a gradient: told of the outputs', zeros where nothing came
    (gxs, gys), = seen
    assert gxs == (None, None)
    assert [g.item() for g in gys] == [1, 0]
    with no_grad():
        layer(a, b)
    handle.remove()


def test_bad_hooks_of_layers():
    layer = L.Linear(2, in_size=3, dtype=np.float64)
    x = Variable(np.ones((1, 3)))
    with pytest.raises(TypeError, match=r"Linear: a hook is a function, and <class .NoneType.>"):
        layer.register_forward_hook(None)
    for result, message in (((1, 2), r"returned .int, int. in place"), ((None,), r"\(None\) in place"),
                            (Variable(np.ones(3)), r"shape \(3,\) for input 0")):
        with layer.register_full_backward_hook(lambda *_, r=result: r), pytest.raises(ValueError, match=message):
            F.sum(layer(x)).backward()

    class Old(L.Layer):
        def __call__(self, x):
            return x

    with pytest.raises(TypeError, match=r"Old defines __call__, and hooks run in Layer\.__call__"):
        Old().register_forward_hook(print)

    class Dicts(L.Layer):
        def forward(self, x):
            return {"y": x}

    odd = Dicts()
    with odd.register_full_backward_hook(print), pytest.raises(TypeError, match="Dicts: forward returned <class 'dict'>"):
        odd(x)
    with pytest.raises(RuntimeError, match="a hook is registered in a function that is being captured"):
        dezero_c.capture(lambda v: layer.register_forward_hook(print))(x)
    assert "_hooks" not in vars(layer)


def test_activations_of_a_model():
    """What hooks are mostly for."""
    model = MLP((4, 4, 2), activation=F.relu)
    kept = {}
    handles = [layer.register_forward_hook(lambda layer, xs, y, name=name: kept.update({name: y.data.mean()}))
               for name, layer in vars(model).items() if isinstance(layer, L.Linear)]
    model(np.ones((1, 3)))
    assert list(kept) == ["l0", "l1", "l2"]
    for handle in handles:
        handle.remove()
