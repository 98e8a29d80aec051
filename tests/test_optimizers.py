"""Optimizers: the rules written out in NumPy, DeZero's numbers, hooks, schedules, state that is saved and resumed."""

import copy
import pickle

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Parameter, Variable, _training, optimizers
from dezero_c.layers import Layer, Linear
from dezero_c.models import MLP

RULES = {
    "SGD": dict(lr=0.1),
    "MomentumSGD": dict(lr=0.1, momentum=0.8),
    "Nesterov": dict(lr=0.1, momentum=0.8),
    "AdaGrad": dict(lr=0.1),
    "RMSprop": dict(lr=0.1, alpha=0.9),
    "AdaDelta": dict(rho=0.9),
    "Adam": dict(alpha=0.1),
    "AdamW": dict(alpha=0.1, weight_decay=0.1),
}


def written_out(name, p, gs):
    """The parameter after one step for each gradient, in p's dtype."""
    k = RULES[name]
    p, a, b = p.copy(), np.zeros_like(p), np.zeros_like(p)
    for t, g in enumerate(gs, 1):
        if name == "SGD":
            p -= k["lr"] * g
        elif name == "MomentumSGD":
            a = 0.8 * a - 0.1 * g
            p += a
        elif name == "Nesterov":
            a = 0.8 * a - 0.1 * g
            p += 0.8 * a - 0.1 * g
        elif name == "AdaGrad":
            a += g * g
            p -= 0.1 * g / (np.sqrt(a) + 1e-8)
        elif name == "RMSprop":
            a = 0.9 * a + (1 - 0.9) * (g * g)
            p -= 0.1 * g / (np.sqrt(a) + 1e-8)
        elif name == "AdaDelta":
            a = 0.9 * a + (1 - 0.9) * (g * g)
            dx = np.sqrt((b + 1e-6) / (a + 1e-6)) * g
            b = 0.9 * b + (1 - 0.9) * (dx * dx)
            p -= dx
        else:
            if name == "AdamW":
                p -= 0.1 * 0.1 * p
            a += (1 - 0.9) * (g - a)
            b += (1 - 0.999) * (g * g - b)
            lr = 0.1 * np.sqrt(1 - 0.999 ** t) / (1 - 0.9 ** t)
            p -= float(lr) * a / (np.sqrt(b) + 1e-8)
    return p


class Holder(Layer):
    """A model of given parameters."""

    def __init__(self, *params):
        super().__init__()
        for i, p in enumerate(params):
            setattr(self, f"p{i}", p)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("layout", ["contiguous", "transposed", "0-d"])
def test_the_rule(name, dtype, layout):
    if dtype == np.float16 and name.startswith("Adam"):
        pytest.skip("its eps is 0 in float16")
    rng = np.random.default_rng(0)
    shape = () if layout == "0-d" else (5, 7)
    start = np.asarray(rng.standard_normal(shape), dtype)
    gs = [np.asarray(rng.standard_normal(shape), dtype) for _ in range(4)]
    data = np.asfortranarray(start) if layout == "transposed" else start.copy()
    p, idle = Parameter(data), Parameter(np.ones(2))
    optimizer = getattr(optimizers, name)(**RULES[name]).setup(Holder(p, idle))
    for g in gs:
        p.grad = Variable(g)
        optimizer.update()
    assert p.data is data                   # in place
    assert p.dtype == dtype
    tolerance = {np.float16: 3e-2, np.float32: 2e-6, np.float64: 1e-13}[dtype]
    assert np.allclose(p.data, written_out(name, start, gs), rtol=tolerance, atol=tolerance)
    assert np.array_equal(idle.data, np.ones(2))


@pytest.mark.parametrize("name", RULES)
def test_kernels_and_numpy_give_the_same_bits(name):
    """A gradient with a stride goes through NumPy, one without through the kernel."""
    results = []
    for stride in (1, 2):
        p = Parameter(np.linspace(-1, 1, 1003, dtype=np.float32))
        optimizer = getattr(optimizers, name)(**RULES[name]).setup(Holder(p))
        for seed in range(3):
            g = np.random.default_rng(seed).standard_normal(1003).astype(np.float32)
            p.grad = Variable(np.repeat(g, stride)[::stride])
            optimizer.update()
        results.append(p.data)
    assert np.array_equal(*results)


NUMBERS = [{}, {"lr": 1, "alpha": 1}, {"lr": np.float32(0.1), "alpha": np.float32(0.1)}, {"lr": np.float64(0.1), "beta1": 0},
           {"eps": 0, "rho": 0, "beta2": np.float64(0.9)}]


@pytest.mark.parametrize("numbers", NUMBERS, ids=range(len(NUMBERS)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
@pytest.mark.parametrize("name", RULES)
def test_the_short_way_and_a_subclass_agree(name, dtype, numbers):
    """An exact class's update is one call into C; a subclass's asks its methods, which give the same bits."""
    cls = getattr(optimizers, name)
    results = []
    assert _training.stepped(cls().setup(Holder(Parameter(np.ones(1)))))
    assert not _training.stepped(type("Sub", (cls,), {})().setup(Holder(Parameter(np.ones(1)))))
    for each in (cls, type("Sub", (cls,), {})):
        p, q = (Parameter(np.linspace(-1, 1, n).astype(dtype)) for n in (7, 1))
        optimizer = each(**RULES[name])
        for key, value in numbers.items():
            if hasattr(optimizer, key) and key in vars(optimizer):
                setattr(optimizer, key, value)
        optimizer.setup(Holder(p, q))
        for seed in range(4):
            p.grad = Variable(np.random.default_rng(seed).standard_normal(7).astype(dtype))
            q.grad = Variable(np.ones(1, dtype)) if seed % 2 else None
            optimizer.update()
        results.append([p.data.tobytes(), q.data.tobytes(), getattr(optimizer, "t", None)])
    assert results[0] == results[1]


@pytest.mark.parametrize("beta1", [1, 1.0, -0.5, 1.5])
def test_rates_that_cannot_be_as_python_says(beta1):
    """The short way leaves odd betas to Python, and its errors; no update is counted then."""
    outcomes = []
    for cls in (optimizers.Adam, type("Sub", (optimizers.Adam,), {})):
        p = Parameter(np.ones(2))
        p.grad = Variable(np.ones(2))
        optimizer = cls().setup(Holder(p))
        optimizer.beta1 = beta1
        try:
            optimizer.update()
            outcomes.append(p.data.tobytes())
        except ArithmeticError as error:
            outcomes.append(str(error))
            assert optimizer.t == 0
    assert outcomes[0] == outcomes[1]


def train(optimizer, steps=5, hooks=(), dtype=np.float32):
    np.random.seed(0)
    model = MLP((8, 3))
    x = np.random.rand(20, 4).astype(dtype)
    t = np.random.randint(0, 3, 20)
    model(x)
    optimizer.setup(model)
    for hook in hooks:
        optimizer.add_hook(hook)
    losses = []
    for _ in range(steps):
        loss = F.softmax_cross_entropy(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        losses.append(float(loss.data))
    return losses, model, optimizer


# DeZero 0.0.13 on NumPy 2.4, with its weights made float32
DEZERO = {
    "SGD": (dict(lr=0.5), [0.9636534, 0.94468, 0.9426263, 0.9421404, 0.9418188, 0.941517]),
    "MomentumSGD": (dict(lr=0.1, momentum=0.8), [0.9636534, 0.9582526, 0.951062, 0.9453968, 0.9427288, 0.9426501]),
    "AdaGrad": (dict(lr=0.1), [0.9636534, 1.0128263, 0.9447281, 0.9329998, 0.9296886, 0.927015]),
    "AdaDelta": (dict(rho=0.9), [0.9636534, 0.9601053, 0.9569352, 0.954191, 0.951855, 0.9498843]),
    "Adam": (dict(alpha=0.1), [0.9636534, 1.0128247, 0.9493521, 0.936434, 0.9559135, 0.945016]),
}


@pytest.mark.parametrize("name", DEZERO)
def test_training_gives_dezeros_losses(name):
    numbers, expected = DEZERO[name]
    losses, _, _ = train(getattr(optimizers, name)(**numbers), 6)
    assert np.allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize("name", RULES)
def test_state_is_saved_and_resumed_exactly(name, tmp_path):
    make = getattr(optimizers, name)
    _, model, optimizer = train(make(**RULES[name]), 3)
    x = np.random.default_rng(3).random((20, 4)).astype(np.float32)
    t = np.arange(20) % 3

    def further(model, optimizer):
        for _ in range(3):
            loss = F.softmax_cross_entropy(model(x), t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
        return [p.data.copy() for p in model.params()]

    copied = copy.deepcopy(optimizer)
    assert copied.target is not model
    pickled = pickle.loads(pickle.dumps(optimizer))
    state = optimizer.state_dict()
    other = MLP((8, 3))
    model.save_weights(tmp_path / "w.npz")
    other(x)
    other.load_weights(tmp_path / "w.npz")
    resumed = make().setup(other)
    resumed.load_state_dict(state)
    expected = further(model, optimizer)
    for m, o in ((copied.target, copied), (pickled.target, pickled), (other, resumed)):
        for a, b in zip(further(m, o), expected, strict=True):
            assert np.array_equal(a, b)


ALL = [name for name in optimizers.__all__ if isinstance(getattr(optimizers, name), type)
       and issubclass(getattr(optimizers, name), optimizers.Optimizer) and name != "Optimizer"]


@pytest.mark.parametrize("name", ALL)
@pytest.mark.parametrize("number", [float, np.float64, np.float32, np.int64])
def test_state_goes_through_a_file_of_arrays(name, number, tmp_path):
    make = getattr(optimizers, name)
    _, model, optimizer = train(make(), 2)
    first = next(iter(optimizer._numbers().keys() - {"t"}))
    setattr(optimizer, first, number(0.25))
    if optimizer._states:       # one that was never updated
        del getattr(optimizer, optimizer._states[0])[id(next(iter(model.params())))]
    np.savez(tmp_path / "state.npz", **optimizer.state_dict())
    other = make().setup(model)
    with np.load(tmp_path / "state.npz") as state:
        other.load_state_dict(state)
    assert other._numbers() == optimizer._numbers()
    kinds = {float: float, np.float64: float, np.float32: np.float32, np.int64: int}
    assert type(getattr(other, first)) is kinds[number]
    assert all(type(value) is type(optimizer._numbers()[key]) for key, value in other._numbers().items() if key != first)
    for states in optimizer._states:
        ours, theirs = getattr(optimizer, states), getattr(other, states)
        assert theirs.keys() == ours.keys()
        assert all(np.array_equal(theirs[key], ours[key]) and theirs[key] is not ours[key] for key in ours)


def test_state_with_lists_is_read():
    """As `state_dict` gave it before version 0.1.0."""
    _, model, optimizer = train(optimizers.MomentumSGD(), 2)
    arrays = [optimizer.vs[id(p)] for p in model.params()]
    other = optimizers.MomentumSGD().setup(model)
    other.load_state_dict({"lr": 0.5, "momentum": 0.25, "vs": [None, *arrays[1:]]})
    assert (other.lr, other.momentum) == (0.5, 0.25)
    assert [id(p) in other.vs for p in model.params()] == [False, True, True, True]
    with pytest.raises(ValueError, match="1 parameters, the model has 4"):
        other.load_state_dict({"lr": 0.5, "momentum": 0.25, "vs": arrays[:1]})
    with pytest.raises(ValueError, match="5 parameters, the model has 4"):
        other.load_state_dict({**other.state_dict(), "vs/4": np.ones(2)})


@pytest.mark.parametrize("make", [optimizers.Adam, optimizers.AdamW])
def test_the_rate_of_adam_before_the_first_update(make):
    adam = make(alpha=np.float32(0.01))
    assert adam.lr == pytest.approx(0.01 * np.sqrt(1 - 0.999) / (1 - 0.9))
    before = adam.lr
    holder = Holder(Parameter(np.ones(2)))
    holder.p0.grad = Variable(np.ones(2))
    with pytest.raises(RuntimeError, match="no update is counted yet"):
        adam.update_one(holder.p0)
    adam.setup(holder).update()
    assert adam.lr == before


def test_state_that_does_not_fit_is_refused():
    _, _, adam = train(optimizers.Adam())
    _, _, sgd = train(optimizers.MomentumSGD())
    with pytest.raises(ValueError, match="another optimizer's"):
        sgd.load_state_dict(adam.state_dict())
    small = optimizers.MomentumSGD().setup(Holder(Parameter(np.ones(2))))
    with pytest.raises(ValueError, match="4 parameters, the model has 1"):
        small.load_state_dict(sgd.state_dict())
    state = sgd.state_dict()
    state["vs/0"] = np.ones(3)
    before = {k: v.copy() for k, v in sgd.vs.items()}
    with pytest.raises(ValueError, match=r"'W'.*shape \(3,\)"):
        sgd.load_state_dict(state)
    assert all(np.array_equal(sgd.vs[k], v) for k, v in before.items())
    with pytest.raises(RuntimeError, match="setup"):
        optimizers.Adam().load_state_dict({})


def test_a_subclass_with_update_one_is_asked_for_each():
    seen = []

    class Mine(optimizers.SGD):
        def update_one(self, param):
            seen.append(param.name)
            super().update_one(param)

    class Sign(optimizers.Optimizer):
        def update_one(self, param):
            param.data -= 0.1 * np.sign(param.grad.data)

    for make in (Mine, Sign):
        losses, _, _ = train(make(), 5)
        assert losses[-1] < losses[0]
    assert sorted(seen) == sorted(["W", "b", "W", "b"] * 5)


def test_misuse_is_named():
    with pytest.raises(RuntimeError, match=r"setup\(model\)"):
        optimizers.SGD().update()
    with pytest.raises(TypeError, match="no params"):
        optimizers.SGD().setup([1])
    p = Parameter(np.ones(1))
    p.grad = Variable(np.ones(1))
    with pytest.raises(NotImplementedError, match="update_one"):
        optimizers.Optimizer().setup(Holder(p)).update()
    p = Parameter(np.ones(3), name="scale")
    p.grad = Variable(np.ones((2, 3)))
    with pytest.raises(ValueError, match=r"'scale' of shape \(3,\).*\(2, 3\)"):
        optimizers.SGD().setup(Holder(p)).update()
    assert np.array_equal(p.data, np.ones(3))
    p = Parameter(np.arange(3), name="numbers")
    p.grad = Variable(np.ones(3))
    with pytest.raises(TypeError, match="'numbers'"):
        optimizers.SGD().setup(Holder(p)).update()


def test_rates_are_numbers():
    p = Parameter(np.ones(1))
    p.grad = Variable(np.ones(1))
    for rate in ("0.1", None):
        with pytest.raises(TypeError, match="SGD: its rate"):
            optimizers.SGD(rate).setup(Holder(p)).update()


def test_adam_counts_only_updates_that_were_done():
    adam = optimizers.Adam()
    with pytest.raises(RuntimeError):
        adam.update()
    assert adam.t == 0
    with pytest.raises(AttributeError):
        adam.lr = 1.0


@pytest.mark.parametrize("name", RULES)
def test_an_update_that_cannot_be_done_changes_nothing(name):
    """One call changes all parameters or none: those before the one that does not fit, their state and t stay."""
    optimizer = getattr(optimizers, name)(**RULES[name])
    for bad, error in ((np.ones(3), ValueError), (np.ones(2, complex), TypeError)):
        a, b = Parameter(np.ones(2)), Parameter(np.ones(2), name="b")
        optimizer.setup(Holder(a, b))
        a.grad, b.grad = Variable(np.ones(2)), Variable(bad)
        before = optimizer.state_dict()
        with pytest.raises(error, match="parameter 'b'"):
            optimizer.update()
        assert np.array_equal(a.data, np.ones(2))
        assert optimizer.state_dict() == before
    b.grad, b.data = Variable(np.ones(2)), np.ones(2)
    b.data.flags.writeable = False
    with pytest.raises(ValueError, match=r"'b'.*read-only; give it a copy"):
        optimizer.update()
    assert np.array_equal(a.data, np.ones(2))


@pytest.mark.parametrize("name", RULES)
def test_many_parameters_and_odd_state(name):
    """More than the C stack has room for; state of other kinds, set by hand, is made anew."""
    params = [Parameter(np.ones(3)) for _ in range(80)]
    optimizer = getattr(optimizers, name)(**RULES[name]).setup(Holder(*params))
    for step in range(3):
        for p in params:
            p.grad = Variable(np.full(3, 2.0))
        for state in optimizer._states if step == 2 else ():
            getattr(optimizer, state)[id(params[40])] = np.float64(1)
        optimizer.update()
        assert all(np.array_equal(p.data, params[0].data) for p in params[:40])
    assert (params[40].data != params[0].data).any() == bool(optimizer._states)
    assert all(getattr(optimizer, state)[id(params[40])].shape == (3,) for state in optimizer._states)


@pytest.mark.parametrize("dtype", [np.complex64, np.complex128])
@pytest.mark.parametrize("name", RULES)
def test_a_complex_parameter_is_two(name, dtype):
    """Its real and imaginary parts follow the rule as two parameters do; hooks hold for them too."""
    start = np.array([1 + 1j, -0.5 + 2j, 0.3 - 1j])[:, np.newaxis].astype(dtype)
    z, x, y = Parameter(start.copy()), Parameter(start.real.copy()), Parameter(start.imag.copy())
    both = [getattr(optimizers, name)(**RULES[name]).setup(Holder(*params)) for params in ((z,), (x, y))]
    for optimizer in both:
        optimizer.add_hook(optimizers.WeightDecay(0.1))
        optimizer.add_hook(optimizers.ClipGrad(1.0))
    for _ in range(5):
        for optimizer, loss in zip(both, (F.sum(F.abs(z - 2) ** 2), F.sum((x - 2) ** 2 + y ** 2)), strict=True):
            optimizer.target.cleargrads()
            loss.backward()
            optimizer.update()
    assert np.all(abs(z.data - 2) < abs(start - 2))
    assert z.data.dtype == dtype
    assert np.allclose(z.data, x.data + 1j * y.data, rtol=1e-5 if dtype == np.complex64 else 1e-12)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: optimizers.SGD(float("nan")), "SGD: lr is nan; it must be a finite number"),
    (lambda: optimizers.SGD(np.float32("inf")), "lr is"),
    (lambda: optimizers.MomentumSGD(momentum=-3), "MomentumSGD: momentum is -3; it must be from -1 to 1"),
    (lambda: optimizers.Nesterov(lr=float("inf")), "lr is inf"),
    (lambda: optimizers.AdaGrad(eps=-1e-8), "eps is -1e-08; it must be finite and not below 0"),
    (lambda: optimizers.RMSprop(alpha=2), "alpha is 2; it must be from 0 to below 1"),
    (lambda: optimizers.AdaDelta(rho=1.0), "rho is 1.0"),
    (lambda: optimizers.Adam(beta1=1), "beta1 is 1;"),
    (lambda: optimizers.Adam(beta2=2.0), "beta2 is 2.0"),
    (lambda: optimizers.AdamW(weight_decay=float("nan")), "AdamW: weight_decay is nan"),
    (lambda: optimizers.ClipGrad(-1), "ClipGrad: max_norm is -1; it must be above 0"),
    (lambda: optimizers.ClipGrad(0), "max_norm is 0"),
    (lambda: optimizers.ClipGrad(float("nan")), "max_norm is nan"),
    (lambda: optimizers.WeightDecay(float("nan")), "rate is nan"),
    (lambda: optimizers.StepDecay(optimizers.SGD(), -1), "StepDecay: every is -1; it must be above 0"),
    (lambda: optimizers.StepDecay(optimizers.SGD(), 0), "every is 0"),
    (lambda: optimizers.CosineDecay(optimizers.SGD(), 0), "steps is 0; it must be above 0"),
    (lambda: optimizers.ExponentialDecay(optimizers.SGD(), float("nan")), "gamma is nan"),
    (lambda: optimizers.WarmUp(optimizers.SGD(), -1), "steps is -1; it must be 0 or more"),
    (lambda: optimizers.WarmUp(optimizers.SGD(), 2, optimizers.CosineDecay(optimizers.SGD(5.0), 4)), "of another optimizer"),
])
def test_numbers_that_cannot_be_are_told_at_construction(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_numbers_that_can_be():
    for rate in (0, -0.1, np.float32(0.1), np.int64(1), True):
        assert optimizers.SGD(rate).lr is rate
    optimizers.MomentumSGD(momentum=1)
    optimizers.Adam(beta1=0, beta2=np.float64(0.5), eps=0)
    optimizers.WarmUp(optimizers.SGD(), 0)


# ---- hooks


@pytest.mark.parametrize(("dtype", "size"), [("f2", 300.0), ("f2", 6e4), ("f2", 1e-6), ("f4", 1e20), ("f4", 3e38),
                                             ("f4", 1e-25), ("f8", 1e160), ("f8", 1.7e308)])
@pytest.mark.filterwarnings("error")
def test_clipping_where_squares_have_no_room(dtype, size):
    norm = 1.0 if size > 1 else 5e-7
    p, q = Parameter(np.zeros(1, dtype)), Parameter(np.zeros(1, np.float32))
    p.grad, q.grad = Variable(np.full(1, size, dtype)), Variable(np.zeros(1, np.float32))
    optimizers.ClipGrad(norm)([p, q])
    assert np.allclose(p.grad.data, size * (norm / (size + 1e-6)), rtol=0.2 if size == 1e-6 else 1e-3, atol=0)
    assert (p.grad.dtype, q.grad.dtype) == (dtype, np.float32)
    p.grad = q.grad = Variable(np.full((), size, dtype))
    optimizers.ClipGrad(1e9)([p, q])
    assert np.allclose(p.grad.data, 1e9 / np.sqrt(2) if size > 1e9 else size, rtol=1e-3, atol=0)


def test_weight_decay_and_clipping():
    a, b = Parameter(np.array([3.0, 4.0])), Parameter(np.array([1.0]))
    shared = Variable(np.array([3.0]))
    a.grad, b.grad = Variable(np.array([0.0, 4.0])), shared
    optimizers.WeightDecay(0.1)([a, b])
    assert np.allclose(a.grad.data, [0.3, 4.4])
    assert np.array_equal(shared.data, [3.0])      # another's gradient, perhaps
    a.grad = b.grad = shared
    optimizers.ClipGrad(1.0)([a, b])
    assert np.allclose(a.grad.data, 3 / np.sqrt(18), rtol=1e-5)
    assert np.allclose(b.grad.data, a.grad.data)
    optimizers.ClipGrad(100.0)([a, b])
    assert np.allclose(a.grad.data, 3 / np.sqrt(18), rtol=1e-5)
    big = Parameter(np.ones((100, 100)))
    F.sum(big).backward()                           # a gradient that cannot be written to
    optimizers.WeightDecay(1.0)([big])
    assert np.array_equal(big.grad.data, np.full((100, 100), 2.0))
    half = Parameter(np.ones(4, np.float32))
    half.grad = Variable(np.ones(4, np.float32))
    optimizers.WeightDecay(0.1)([half])
    optimizers.ClipGrad(0.1)([half])
    assert half.grad.dtype == np.float32


def test_frozen_parameters_stay():
    np.random.seed(0)
    model = MLP((8, 3))
    x = np.random.rand(4, 5).astype(np.float32)
    optimizer = optimizers.Adam().setup(model)
    optimizer.add_hook(optimizers.FreezeParam(model.l0, model.l1.b))    # before their sizes are known
    optimizer.add_hook(optimizers.WeightDecay(0.1))
    F.sum(model(x) ** 2).backward()
    before = [p.data.copy() for p in model.params()]
    optimizer.update()
    changed = [not np.array_equal(p.data, b) for p, b in zip(model.params(), before, strict=True)]
    assert changed == [False, False, True, False]


# ---- schedules


def test_schedules():
    sgd = optimizers.SGD(1.0)
    decay = optimizers.StepDecay(sgd, 2, 0.5)
    rates = []
    for _ in range(5):
        rates.append(sgd.lr)
        decay.step()
    assert rates == [1, 1, 0.5, 0.5, 0.25]
    adam = optimizers.Adam(0.2)
    cosine = optimizers.CosineDecay(adam, 4, low=0.1)
    for _ in range(4):
        cosine.step()
    assert np.isclose(adam.alpha, 0.02)
    cosine.step()
    assert np.isclose(adam.alpha, 0.02)
    exponential = optimizers.ExponentialDecay(optimizers.SGD(2.0), 0.5)
    exponential.step()
    assert exponential.optimizer.lr == 1.0
    sgd = optimizers.SGD(1.0)
    warm = optimizers.WarmUp(sgd, 3, optimizers.ExponentialDecay(sgd, 0.5))
    rates = []
    for _ in range(6):
        rates.append(sgd.lr)
        warm.step()
    assert np.allclose(rates, [0.25, 0.5, 0.75, 1, 0.5, 0.25])
    state = warm.state_dict()
    other = optimizers.SGD(7.0)
    again = optimizers.WarmUp(other, 3, optimizers.ExponentialDecay(other, 0.5))
    again.load_state_dict(state)
    assert other.lr == sgd.lr
    with pytest.raises(TypeError, match="no learning rate"):
        optimizers.StepDecay(optimizers.AdaDelta(), 2)


def test_state_that_was_set_by_hand_has_its_parameters():
    """As after an update of the optimizer's own: it can be pickled, and an id stays what it means."""
    _, model, trained = train(optimizers.Adam())
    optimizer = optimizers.Adam().setup(model)
    optimizer.ms = {id(p): trained.ms[id(p)].copy() for p in model.params()}
    optimizer.vs = {id(p): trained.vs[id(p)].copy() for p in model.params()}
    optimizer.t = trained.t
    for each in (optimizer, trained):
        for p in model.params():
            p.grad = Variable(np.ones_like(p.data))
        each.update()
    for name in ("ms", "vs"):
        for p in model.params():
            assert np.array_equal(getattr(optimizer, name)[id(p)], getattr(trained, name)[id(p)])
    assert pickle.loads(pickle.dumps(optimizer)).t == trained.t


def test_state_of_a_parameter_that_changes_its_shape():
    model = Holder(Linear(2, in_size=3))
    optimizer = optimizers.MomentumSGD().setup(model)
    for size in (3, 5):
        model.p0.W.data = np.ones((size, 2), np.float32)
        model.p0.W.grad = Variable(np.ones((size, 2), np.float32))
        optimizer.update()
        assert np.allclose(model.p0.W.data, 0.99)
