"""dezero_c.debug: the first nan or infinity, and data changed between forward and backward, with their lines; nothing else
changes."""

import sys
import threading
import warnings

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Function, Variable, capture, debug, func, no_grad, optimizers
from dezero_c.models import MLP
from dezero_c.ode import odeint


def line_of(error):
    return int(str(error.value).split(":")[1])


def here():
    return sys._getframe(1).f_lineno


def quiet(f):
    def run(*args):
        with np.errstate(all="ignore"):
            return f(*args)
    return run


@quiet
def test_the_first_nan_forward_is_told_with_line_name_and_operands():
    x = Variable(np.array([[1.0, -1.0], [2.0, -3.0]]), name="rate")
    wanted = r"Log gave nan in 2 of 4 elements, shape \(2, 2\), first at \(0, 1\)"
    with debug(), pytest.raises(FloatingPointError, match=wanted) as error:
        y = F.log(x)
    assert line_of(error) == here() - 1
    assert __file__ in str(error.value)
    assert "operand 0 ('rate') has shape (2, 2) of float64, from -3 to 2" in str(error.value)
    with debug(nan=False):
        y = F.log(x)
    with debug(inf=False):
        assert F.exp(Variable(np.array(1000.0))).data == np.inf
    with debug(), pytest.raises(FloatingPointError, match="Exp gave an infinity; operand 0 has shape"):
        F.exp(Variable(np.array(1000.0)))
    assert np.isnan(y.data).sum() == 2


@quiet
def test_what_comes_from_outside_is_told():
    x = Variable(np.array([1.0, np.nan], "f"))
    with debug(), pytest.raises(FloatingPointError, match=r"Mul gave nan.*of float32, and has nan in 1 of 2 elements, shape "
                                                         r"\(2,\), first at 1 already, from outside of the block; operand 1"):
        x * 2.0


@quiet
def test_the_first_nan_backward_is_told_with_the_line_of_the_call():
    x = Variable(np.array([0.0, 4.0]), name="x")
    with debug():
        y = F.sqrt(x)
        line = here() - 1
        s = F.sum(y * 3.0)
        wanted = r"in backward, Sqrt, called here, gave the gradient of its operand 0 \('x'\) an infinity in 1 of 2 elements"
        with pytest.raises(FloatingPointError, match=wanted) as error:
            s.backward()
        assert line_of(error) == line
    y = F.sqrt(x)
    with debug(), pytest.raises(FloatingPointError, match="called before this block began"):
        y.backward()
    y = F.sqrt(x)
    y.backward()        # outside nothing is looked at
    assert x.grad.data[0] == np.inf


@quiet
def test_second_derivatives_are_looked_at():
    x = Variable(np.array(0.0))
    with debug():
        y = F.power(x, 1.5)
        y.backward(create_graph=True)
        g = x.grad
        x.cleargrad()
        with pytest.raises(FloatingPointError):
            g.backward()


def test_data_that_were_changed_in_place_are_told():
    x, w = Variable(np.array([1.0, 2.0]), name="x"), Variable(np.array([3.0, 4.0]))
    with debug():
        y = x * w
        line = here() - 1
        x.data[0] = 5.0
        wanted = r"the data of operand 0 \('x'\) of Mul, called here, were changed between"
        with pytest.raises(RuntimeError, match=wanted) as error:
            y.backward()
        assert line_of(error) == line
        y = F.exp(w)
        z = F.sum(y)
        y.data *= 2.0
        with pytest.raises(RuntimeError, match=r"the data of the result of Exp|the data of operand 0 of Sum"):
            z.backward()
        y = F.sin(w)
        w.data = w.data + 1.0
        with pytest.raises(RuntimeError, match="operand 0 of Sin"):
            y.backward()
    with debug(changed=False):
        y = x * w
        x.data[0] = 6.0
        y.backward()
    assert w.grad.data.tolist() == [6.0, 2.0]


class Broken(Function):
    def forward(self, x):
        return x * 1.0, x * np.nan

    def backward(self, gy, gz):
        return gy * np.inf


@quiet
def test_functions_of_the_users_and_of_several_outputs():
    with debug(), pytest.raises(FloatingPointError, match="Broken gave nan in output 1"):
        Broken()(Variable(np.array(1.0)))
    with debug(nan=False):
        y, _ = Broken()(Variable(np.array(1.0)))
        with pytest.raises(FloatingPointError, match="Mul gave an infinity"):     # in its backward
            y.backward()


def training(steps=6):
    rng = np.random.default_rng(0)
    np.random.seed(0)
    model = MLP((8, 3), activation=F.relu)
    optimizer = optimizers.Adam().setup(model)
    optimizer.add_hook(dezero_c.optimizers.WeightDecay(1e-3))

    @capture
    def step(x, t):
        loss = F.softmax_cross_entropy(F.dropout(model(x), 0.1), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    losses = [float(step(rng.standard_normal((5, 4)), rng.integers(0, 3, 5)).data) for _ in range(steps)]
    return losses, [p.data.tobytes() for p in model.params()], np.random.rand()


def test_results_are_the_same_to_the_bit():
    wanted = training()
    assert debug()(training)() == wanted
    with debug():
        x = Variable(np.array([1.0, 2.0]))
        with no_grad():
            y = x * x
        assert y.creator is None
        z = F.sum(x * 2.0)
        z.backward(retain_grad=True, create_graph=True)
        assert isinstance(x.data, np.ndarray)
        assert x.grad.data.tolist() == [2.0, 2.0]


def test_blocks():
    def inner():
        with debug():
            return F.log(Variable(np.array(-1.0)))

    with np.errstate(all="ignore"):
        with debug(nan=False):
            assert np.isnan(inner().data)       # the outer block's choice
        with pytest.raises(FloatingPointError):
            inner()
        assert np.isnan(F.log(Variable(np.array(-1.0))).data)       # which the exception has ended
        with debug():
            seen = []
            other = threading.Thread(target=lambda: seen.append((Variable(np.array(np.nan)) * 2.0).data))
            other.start()
            other.join()
        assert np.isnan(seen[0])        # a thread has its own
    g = capture(lambda x: debug()(F.sin)(x))
    with pytest.raises(RuntimeError, match="inside of a function that is being captured"):
        g(Variable(np.array(1.0)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with debug():
            assert capture(F.sin)(Variable(np.array(0.0))).data == 0.0


def cube(x):
    return F.sum(x ** 3)


IN_A_BLOCK = {
    "hessian": lambda x: func.hessian(cube)(x),
    "hessian of a captured function": lambda x: func.hessian(capture(cube))(x),
    "ravel": lambda x: func.ravel({"a": x, "b": 1.0})[0],
    "vmap": lambda x: func.vmap(capture(func.grad(lambda x: x ** 3)))(x),
    "vmap of Variables": lambda x: capture(lambda x: x ** 3).vmap(x),
    "root": lambda x: func.grad(lambda a: func.root(lambda y, a: y * y - a, 1.0, a))(2.0),
    "fixed_point": lambda x: func.fixed_point(F.cos, 1.0).data,
    "checkpoint_loop": lambda x: func.grad(lambda x: F.sum(func.checkpoint_loop(lambda i, x: x * 1.1, 5, x)))(x),
    "odeint": lambda x: func.grad(lambda a: odeint(lambda y, t: -a * y, 1.0, [0.0, 1.0])[-1])(2.0),
    "odeint with checkpoints":
        lambda x: func.grad(lambda a: odeint(lambda y, t: -a * y, 1.0, [0.0, 1.0], checkpoint=True)[-1])(2.0),
}


@pytest.mark.parametrize("name", IN_A_BLOCK)
def test_what_is_no_capture_goes_as_outside(name):
    f, x = IN_A_BLOCK[name], np.linspace(1.0, 2.0, 8)
    wanted = f(x)
    with debug():
        found = f(x)
    assert type(found) is type(wanted)
    assert np.array_equal(*(a.data if isinstance(a, Variable) else a for a in (found, wanted)))


def test_searches():
    pytest.importorskip("scipy")
    from dezero_c import optimize

    x = np.array([1.0, 2.0])
    with debug():
        assert optimize.minimize(lambda x: F.sum((x - 1) ** 2), x, method="trust-exact").fun < 1e-12
        assert optimize.root(lambda x: x ** 2 - 2, x).success
        assert isinstance(optimize.least_squares(lambda p: p["a"] - 1, {"a": x}).x["a"], np.ndarray)
        assert func.hessian(cube, sparse=True)(x).toarray().tolist() == [[6.0, 0.0], [0.0, 12.0]]
    with debug(), np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"test_debugging.*Log gave nan"):
        optimize.minimize(lambda x: F.sum(F.log(x) * x + 9 * x), x * 1e-3, method="BFGS")


def test_machines_do_not_run_unseen():
    g = capture(lambda x: F.log(x) * 2)
    with np.errstate(all="ignore"):
        g.vmap(np.linspace(1.0, 2.0, 8))        # has made a machine
        assert "of the machine" in g.show()
        for call in (lambda x: g.vmap(x), lambda x: func.vmap(g)(x), lambda x: g(Variable(x[-1:]))):
            with debug(), pytest.raises(FloatingPointError, match="Log gave nan"):
                call(np.array([1.0, 2.0, 3.0, 4.0, -1.0]))
