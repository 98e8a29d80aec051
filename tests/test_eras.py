"""The early modules: dezero_c.core_simple (ndarray gradients, steps 11 to 32) and dezero_c.chapter1 (steps 1 to 10)."""

import gc
import math
import weakref

import numpy as np
import pytest

import dezero_c
from dezero_c import chapter1, core_simple


def simple(value, dtype=None):
    return core_simple.Variable(np.array(value, dtype))


def first(value, dtype=None):
    return chapter1.Variable(np.array(value, dtype))


# ---- core_simple


def test_simple_gradients_are_arrays():
    x = simple([1.0, 2.0])
    y = (x * x + 3.0) / 2.0 - x
    assert type(y) is core_simple.Variable
    y.backward()
    assert type(x.grad) is np.ndarray
    assert x.grad.tolist() == [0.0, 1.0]
    assert x.grad is x.grad
    assert y.grad is None


@pytest.mark.parametrize("shape", [(), (3,), (1000,)])
def test_simple_accumulation_and_clearing(shape):
    x = core_simple.Variable(np.full(shape, 3.0))
    y = x + x
    y.backward()
    assert np.all(x.grad == 2.0)
    assert np.shape(x.grad) == shape
    g = x.grad
    y.backward()
    assert np.all(x.grad == 4.0)
    assert np.all(g == 2.0)
    x.cleargrad()
    assert x.grad is None


def test_simple_retain_grad():
    x = simple(2.0)
    h = x * x
    y = h + 1.0
    y.backward(retain_grad=True)
    assert (y.grad, h.grad, x.grad) == (1.0, 1.0, 4.0)
    x.cleargrad()
    h.cleargrad()
    y.backward()
    assert h.grad is None


def test_simple_seed_is_an_array():
    x = simple([1.0, 2.0])
    y = x * 2.0
    y.grad = np.array([10.0, 1.0])
    y.backward()
    assert x.grad.tolist() == [20.0, 2.0]


def test_simple_operators_with_numbers_and_arrays():
    x = simple([1.0, 2.0])
    a = np.array([3.0, 4.0])
    for y, expected in [
        (x + 1, [2, 3]), (1 + x, [2, 3]), (x - 1, [0, 1]), (1 - x, [0, -1]), (x * 2, [2, 4]), (2 * x, [2, 4]),
        (x / 2, [0.5, 1]), (2 / x, [2, 1]), (-x, [-1, -2]), (x ** 3, [1, 8]), (x + a, [4, 6]), (a - x, [2, 2]),
        (a * x, [3, 8]), (a / x, [3, 2]), (np.float64(2) * x, [2, 4]),
    ]:
        assert type(y) is core_simple.Variable
        assert y.data.tolist() == expected
        x.cleargrad()
        y.backward()
        assert type(x.grad) is np.ndarray
    core_simple.setup_variable()


def test_simple_functions():
    x, y = simple(2.0), simple(3.0)
    results = [core_simple.add(x, y), core_simple.sub(x, y), core_simple.rsub(x, y), core_simple.mul(x, y),
               core_simple.div(x, y), core_simple.rdiv(x, y), core_simple.neg(x), core_simple.pow(x, 3)]
    assert [r.data for r in results] == [5.0, -1.0, 1.0, 6.0, 2.0 / 3.0, 1.5, -2.0, 8.0]
    assert all(type(r) is core_simple.Variable for r in results)
    assert type(core_simple.as_variable(np.array(1.0))) is core_simple.Variable
    assert core_simple.as_variable(x) is x


def test_simple_users_backward_gets_and_gives_arrays():
    class Square(core_simple.Function):
        def forward(self, x):
            return x ** 2

        def backward(self, gy):
            kinds.append(type(gy))
            x = self.inputs[0].data
            return 2 * x * gy

    kinds = []
    x = simple([3.0, 4.0])
    y = Square()(x)
    assert type(y) is core_simple.Variable
    z = y + y
    z.backward()
    assert x.grad.tolist() == [12.0, 16.0]
    s = simple(3.0)
    Square()(s).backward()
    assert s.grad == 6.0
    assert all(issubclass(k, (np.ndarray, np.floating)) for k in kinds)
    f = Square()
    f(simple(3.0))
    assert f.backward(np.array(1.0)) == 6.0


def test_simple_several_inputs_and_outputs():
    class SumAndDifference(core_simple.Function):
        def forward(self, a, b):
            return a + b, a - b

        def backward(self, g0, g1):
            return g0 + g1, g0 - g1

    a, b = simple(5.0), simple(2.0)
    f = SumAndDifference()
    ys = f(a, b)
    assert [y.data for y in ys] == [7.0, 3.0]
    assert [r() for r in f.outputs] == ys
    (ys[0] * ys[1]).backward()  # a^2 - b^2
    assert (a.grad, b.grad) == (10.0, -4.0)


def test_simple_links_generations_and_no_grad():
    x = simple(2.0)
    f = core_simple.Mul()
    y = f(x, x)
    assert f.inputs[0] is x
    assert f.outputs[0]() is y
    assert (f.generation, y.generation) == (0, 1)
    assert isinstance(f, dezero_c.Function)
    with core_simple.no_grad():
        assert (x * 2.0).creator is None
    with core_simple.using_config("enable_backprop", False):
        assert (x * 2.0).creator is None


def test_simple_properties_and_printing():
    x = core_simple.Variable(np.array([[1, 2], [3, 4]]), name="x")
    assert (x.shape, x.ndim, x.size, x.dtype, len(x), x.name) == ((2, 2), 2, 4, np.dtype(int), 2, "x")
    assert repr(x) == "variable([[1 2]\n          [3 4]])"
    with pytest.raises(TypeError, match="not supported"):
        core_simple.Variable(1.0)


def test_simple_programs():
    x, y = simple(1.0), simple(1.0)
    z = 0.26 * (x ** 2 + y ** 2) - 0.48 * x * y
    z.backward()
    assert (float(x.grad), float(y.grad)) == pytest.approx((0.04, 0.04), rel=1e-12)
    x, y = simple(0.0), simple(2.0)
    for _ in range(100):
        z = 100 * (y - x ** 2) ** 2 + (x - 1) ** 2
        x.cleargrad()
        y.cleargrad()
        z.backward()
        x.data -= 0.001 * x.grad
        y.data -= 0.001 * y.grad
    a, b = 0.0, 2.0
    for _ in range(100):
        ga, gb = -400 * (b - a * a) * a + 2 * (a - 1), 200 * (b - a * a)
        a, b = a - 0.001 * ga, b - 0.001 * gb
    assert (float(x.data), float(y.data)) == pytest.approx((a, b), rel=1e-11)


def test_simple_newton_with_a_written_second_derivative():
    x = simple(2.0)
    for _ in range(10):
        y = x ** 4 - 2 * x ** 2
        x.cleargrad()
        y.backward()
        x.data -= x.grad / (12 * x.data ** 2 - 4)
    assert x.data == 1.0


def test_simple_graph_goes_by_reference_counting():
    gc.collect()
    gc.disable()
    try:
        x = simple([1.0, 2.0])
        y = x * x + 1.0
        y.backward()
        ref = weakref.ref(y)
        del y
        assert ref() is None
    finally:
        gc.enable()


def test_a_gradient_in_hand_is_not_changed_when_an_update_is_in_place():
    x = simple([1.0, 1.0])
    y = x * 2.0
    y.backward()
    g = x.grad
    y.backward()
    assert g.tolist() == [2.0, 2.0]


# ---- chapter 1


def test_first_names():
    assert repr(chapter1.Variable) == "<class 'chapter1.Variable'>"
    names = {}
    exec("from dezero_c.chapter1 import *", names)
    for name in ("Variable", "Function", "Square", "Exp", "square", "exp", "add", "numerical_diff"):
        assert names[name] is getattr(chapter1, name), name


def test_first_notebook():
    data = np.array(1.0)
    assert first(1.0).data == data
    y = chapter1.Square()(first(10))
    assert y.data == 100
    assert y.data.dtype.kind == "i"
    assert type(y) is chapter1.Variable
    square1, exp, square2 = chapter1.Square(), chapter1.Exp(), chapter1.Square()
    x = first(0.5)
    h1 = square1(x)
    h2 = exp(h1)
    y = square2(h2)
    assert f"{y.data: .4f}" == " 1.6487"
    # links from the output to the input
    assert y.creator == square2
    assert y.creator.input == h2
    assert y.creator.input.creator == exp
    assert y.creator.input.creator.input == h1
    assert y.creator.input.creator.input.creator == square1
    assert y.creator.input.creator.input.creator.input == x
    # by hand
    y.grad = np.array(1.0)
    h2.grad = square2.backward(y.grad)
    h1.grad = exp.backward(h2.grad)
    x.grad = square1.backward(h1.grad)
    assert isinstance(x.grad, (np.ndarray, np.floating))
    assert x.grad == pytest.approx(3.297442541400256, rel=2e-15)
    # by the walk, from a plain number
    x.grad = None
    y.grad = 1.0
    y.backward()
    assert x.grad == pytest.approx(3.297442541400256, rel=2e-15)


def test_first_notebook_in_the_order_it_has_them():
    # the notebook applies the backward methods in the order of the forward ones, and prints this all the same
    square1, exp, square2 = chapter1.Square(), chapter1.Exp(), chapter1.Square()
    x = first(0.5)
    h1 = square1(x)
    h2 = exp(h1)
    y = square2(h2)
    y.grad = np.array(1.0)
    h2.grad = square1.backward(y.grad)
    h1.grad = exp.backward(h2.grad)
    x.grad = square2.backward(h1.grad)
    assert x.grad == pytest.approx(3.297442541400256, rel=2e-15)


def test_first_numerical_derivative():
    def f(x):
        return chapter1.Square()(chapter1.Exp()(chapter1.Square()(x)))

    assert chapter1.numerical_diff(f, first(0.5)) == pytest.approx(3.2974426293330694, rel=2e-11)
    exact = 4 * 0.5 * math.exp(2 * 0.25)
    assert abs(chapter1.numerical_diff(f, first(0.5), 1e-6) - exact) < 1e-9
    assert abs(chapter1.numerical_diff(f, first(0.5), eps=1e-2) - exact) < 1e-2
    assert np.allclose(chapter1.numerical_diff(chapter1.square, first([1.0, 2.0])), [2.0, 4.0], rtol=1e-9)


def test_first_input_and_output():
    f = chapter1.Square()
    x = first(3.0)
    y = f(x)
    assert f.input is x
    assert f.output is y
    a, b = first(1.0), first(2.0)
    g = chapter1.Add()
    s = g(a, b)
    assert list(g.inputs) == [a, b]
    assert s.creator is g


def test_first_output_is_strong():
    f = chapter1.Square()
    f(first(3.0))
    gc.collect()
    assert f.output.data == 9.0
    assert f.output.creator is f


def test_first_cycles_are_collected():
    x = first(3.0)
    y = chapter1.exp(chapter1.square(x))
    y.backward()
    refs = [weakref.ref(o) for o in (x, y, y.creator, y.creator.input)]
    del x, y
    gc.collect()
    assert [r() for r in refs] == [None] * 4


def test_first_gradients_are_kept_and_overwritten():
    x = first(0.5)
    h = chapter1.square(x)
    y = chapter1.exp(h)
    y.backward()
    once = float(x.grad)
    assert once == pytest.approx(math.exp(0.25), rel=1e-15)
    assert y.grad == 1.0
    assert h.grad == pytest.approx(math.exp(0.25), rel=1e-15)
    y.backward()
    assert float(x.grad) == once
    x.grad = np.array(100.0)
    y.backward()
    assert float(x.grad) == once


def test_first_two_walks_overwrite_in_the_leaf():
    x = first(3.0)
    chapter1.square(x).backward()
    chapter1.exp(x).backward()
    assert float(x.grad) == pytest.approx(math.exp(3.0), rel=1e-15)


def test_first_gradient_is_an_array_of_the_shape_of_the_data():
    x = first([1.0, 2.0, 3.0])
    chapter1.square(x).backward()
    assert type(x.grad) is np.ndarray
    assert x.grad.tolist() == [2.0, 4.0, 6.0]


def test_first_seeding_is_automatic():
    x = first([1.0, 2.0])
    y = chapter1.square(x)
    y.backward()
    assert y.grad.tolist() == [1.0, 1.0]


def test_first_own_functions():
    class Cube(chapter1.Function):
        def forward(self, x):
            return x ** 3

        def backward(self, gy):
            x = self.input.data
            return 3 * x ** 2 * gy

    x = first(2.0)
    y = chapter1.square(Cube()(x))
    assert type(y) is chapter1.Variable
    y.backward()
    assert y.data == 64.0
    assert x.grad == 2 * 8 * 12.0
    assert Cube()(first(2)).data == 8


def test_first_checks_what_is_wrapped():
    with pytest.raises(TypeError, match="not supported"):
        chapter1.Variable(1.0)
    assert chapter1.Variable(None).data is None
    assert chapter1.as_array(1.0).shape == ()


def test_first_add():
    x, y = first(2.0), first(3.0)
    z = chapter1.add(chapter1.square(x), chapter1.square(y))
    z.backward()
    assert (z.data, x.grad, y.grad) == (13.0, 4.0, 6.0)


def test_first_deep_chain():
    x = first(1.0)
    y = x
    for _ in range(5000):
        y = chapter1.add(y, first(0.0))
    y.backward()
    assert x.grad == 1.0
    del x, y
    gc.collect()


# ---- side by side


def test_three_eras_in_one_program():
    values = []
    for cls, grad in ((dezero_c.Variable, lambda v: v.grad.data), (core_simple.Variable, lambda v: v.grad),
                      (chapter1.Variable, lambda v: v.grad)):
        x = cls(np.array(3.0))
        y = x * x + 2.0 * x if cls is not chapter1.Variable else chapter1.add(chapter1.square(x), chapter1.add(x, x))
        assert type(y) is cls
        y.backward()
        values.append((float(y.data), float(grad(x))))
    assert values == [(15.0, 8.0)] * 3


def test_modes_are_common_to_the_eras():
    assert core_simple.Config is dezero_c.Config
    with dezero_c.no_grad():
        assert chapter1.square(first(2.0)).creator is None
        assert (simple(2.0) * 2.0).creator is None


@pytest.mark.parametrize("module", [core_simple, chapter1])
def test_early_variables_are_variables(module):
    x = module.Variable(np.array([1.0, 2.0]), name="x")
    assert x.name == "x"
    assert x == x
    assert x != module.Variable(np.array([1.0, 2.0]))
    assert len({x, x}) == 1
    x.note = 1
    assert x.note == 1
    x.grad = np.array([3.0, 4.0])
    assert x.grad.tolist() == [3.0, 4.0]
    with pytest.raises(TypeError):
        x.data = "text"


@pytest.mark.parametrize("module", [core_simple, chapter1])
def test_early_subclasses(module):
    class Mine(module.Variable):
        def __init__(self, data):
            super().__init__(data, name="mine")

    x = Mine(np.array(2.0))
    assert x.name == "mine"
    f = chapter1.Square() if module is chapter1 else core_simple.Pow(2)
    y = f(x)
    assert type(y) is module.Variable
    y.backward()
    assert x.grad == 4.0
