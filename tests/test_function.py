"""Functions: subclassing in Python, what forward and backward are handed, links to inputs and outputs, calling by hand.

The walk itself is in test_backward; what a wrong Function gets is in test_errors.
"""

import copy
import gc
import inspect
import math
import pickle
import weakref

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Function, Parameter, Variable, no_grad, using_config


class Cube(Function):
    def forward(self, x):
        return x ** 3

    def backward(self, gy):
        (x,) = self.inputs
        return 3 * x ** 2 * gy


class SumAndProduct(Function):
    """Two outputs."""

    def forward(self, x0, x1):
        return x0 + x1, x0 * x1

    def backward(self, gs, gp):
        x0, x1 = self.inputs
        return gs + gp * x1, gs + gp * x0


def var(value, dtype=None):
    return Variable(np.array(value, dtype))


# ---- what forward gets and gives


def test_forward_gets_the_arrays_themselves():
    class Spy(Function):
        def forward(self, *xs):
            self.seen = xs
            return xs[0] + xs[1]

    a, b = np.array([1.0, 2.0]), np.array([3, 4])
    f = Spy()
    y = f(Variable(a), Variable(b))
    assert f.seen[0] is a
    assert f.seen[1] is b
    assert y.data.tolist() == [4.0, 6.0]


def test_forward_gets_the_array_of_a_result_that_nobody_looked_at():
    class Spy(Function):
        def forward(self, x):
            assert type(x) is np.ndarray
            self.seen = x
            return x

    h = var(2.0) * 3.0
    f = Spy()
    y = f(h)
    assert f.seen is h.data
    assert y.data is f.seen
    assert y is not h


@pytest.mark.parametrize(
    ("value", "dtype"),
    [(1.5, "f8"), (3, np.array(3).dtype), (True, "?"), (np.float32(2), "f4"), (np.float64(2), "f8"),
     (np.array([1.0]), "f8"), (2j, "c16")],
)
def test_what_forward_may_return(value, dtype):
    class Give(Function):
        def forward(self, x):
            return value

    y = Give()(var(1.0))
    assert type(y) is Variable
    assert isinstance(y.data, np.ndarray)
    assert y.dtype == dtype
    assert np.array_equal(y.data, value)


def test_an_array_that_forward_returns_is_kept():
    a = np.arange(3.0)

    class Give(Function):
        def forward(self, x):
            return a

    assert Give()(var(1.0)).data is a


def test_one_output_is_unwrapped_and_several_come_as_a_list():
    class Single(Function):
        def forward(self, x):
            return (x,)

    assert type(Single()(var(1.0))) is Variable
    ys = SumAndProduct()(var(2.0), var(3.0))
    assert type(ys) is list
    assert [y.data for y in ys] == [5.0, 6.0]


def test_inputs_are_the_variables_passed_in():
    x, p = var(1.0), Parameter(np.array(2.0))
    f = SumAndProduct()
    f(x, p)
    assert type(f.inputs) is list
    assert len(f.inputs) == 2
    assert f.inputs[0] is x
    assert f.inputs[1] is p


@pytest.mark.parametrize("make", [Cube, F.Sin, F.Square, lambda: F.Reshape((1, 1)), F.Sum])
def test_links_of_one_output(make):
    x = var([2.0])
    f = make()
    y = f(x)
    assert y.creator is f
    assert f.inputs == [x]
    assert type(f.outputs) is list
    assert [type(r) for r in f.outputs] == [weakref.ref]
    assert f.outputs[0]() is y
    assert f.generation == 0
    z = make()(y * y)
    assert z.creator.generation == 2
    assert z.generation == 3


def test_outputs_are_weak():
    f = SumAndProduct()
    a, b = f(var(2.0), var(3.0))
    assert [r() for r in f.outputs] == [a, b]
    del a
    gc.collect()
    assert f.outputs[0]() is None
    assert f.outputs[1]() is b


def test_generation_is_the_largest_of_the_inputs():
    x = var(1.0)
    a, b = x * x, F.sin(x * x)
    f = SumAndProduct()
    ys = f(a, b)
    assert f.generation == 2
    assert [y.generation for y in ys] == [3, 3]


def test_arrays_are_wrapped():
    a = np.array([1.0, 2.0])
    f = SumAndProduct()
    s, p = f(a, Variable(np.array([3.0, 3.0])))
    assert f.inputs[0].data is a
    assert type(f.inputs[0]) is Variable
    assert s.data.tolist() == [4.0, 5.0]
    p.backward()
    assert f.inputs[0].grad.data.tolist() == [3.0, 3.0]


def test_the_same_variable_twice():
    x = var(3.0)
    f = SumAndProduct()
    _, p = f(x, x)
    assert f.inputs[0] is f.inputs[1] is x
    p.backward()
    assert x.grad.data == 6.0


def test_none_is_passed_to_forward():
    class Optional(Function):
        def forward(self, x, b):
            self.had_none = b is None
            return x * 2

        def backward(self, gy):
            return gy * 2, None

    x = var(3.0)
    for missing in (None, Variable(None)):
        f = Optional()
        y = f(x, missing)
        assert f.had_none
        assert f.inputs[1].data is None
        x.cleargrad()
        y.backward()
        assert x.grad.data == 2.0
        assert f.inputs[1].grad is None


def test_no_inputs_are_an_error_and_no_crash():
    class Nothing(Function):
        def forward(self):
            return np.array(1.0)

    try:
        y = Nothing()()
    except (TypeError, ValueError):
        return  # DeZero: max() of an empty list
    assert y.data == 1.0


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7, 40])
def test_many_inputs_and_many_outputs(n):
    class Rotate(Function):
        def forward(self, *xs):
            return xs[1:] + xs[:1]

        def backward(self, *gys):
            return gys[-1:] + gys[:-1]

    xs = [var(float(i)) for i in range(n)]
    f = Rotate()
    ys = f(*xs)
    ys = ys if n > 1 else [ys]
    assert [y.data for y in ys] == [float((i + 1) % n) for i in range(n)]
    total = ys[0] * 1.0
    for i in range(1, n):
        total = total + ys[i] * float(i + 1)
    total.backward()
    assert [x.grad.data for x in xs] == [float((i - 1) % n + 1) for i in range(n)]


# ---- instances


def test_init_without_super_and_attributes_of_all_kinds():
    class Scale(Function):
        def __init__(self, factor, **options):
            self.factor = factor
            self.options = options

        def forward(self, x):
            self.shape = x.shape
            return x * self.factor

        def backward(self, gy):
            return gy * self.factor

    f = Scale(3.0, note=[1, 2])
    x = var([1.0, 2.0])
    y = f(x)
    y.backward()
    assert x.grad.data.tolist() == [3.0, 3.0]
    assert (f.shape, f.options) == ((2,), {"note": [1, 2]})
    assert not hasattr(f, "other")


def test_links_before_the_first_call_can_be_asked_for_without_a_crash():
    f = Cube()
    for name in ("inputs", "outputs", "generation"):
        getattr(f, name, None)
    assert f(var(2.0)).data == 8.0


def test_attributes_on_compiled_functions():
    f = F.Sin()
    f.note = 3
    f(var(1.0))
    assert f.note == 3
    assert F.Sin().__dict__ == {}


def test_static_methods_slots_and_class_attributes():
    class Fancy(Function):
        scale = 2.0

        @staticmethod
        def helper(x):
            return x * Fancy.scale

        def forward(self, x):
            return self.helper(x)

        def backward(self, gy):
            return self.helper(gy)

    x = var(1.0)
    Fancy()(x).backward()
    assert x.grad.data == 2.0


def test_an_instance_used_again_belongs_to_its_last_call():
    f = F.Square()
    x0, x1 = var(2.0), var(3.0)
    y0 = f(x0)
    y1 = f(x1)
    assert f.inputs[0] is x1
    assert f.outputs[0]() is y1
    assert y0.data == 4.0
    y1.backward()
    assert x1.grad.data == 6.0
    assert x0.grad is None


def test_dispatch_is_to_the_overridden_method():
    class LoudMul(F.Mul):
        def backward(self, gy):
            calls.append("backward")
            return super().backward(gy)

    class OtherSin(F.Sin):
        def forward(self, x):
            return np.square(x) + 100.0

    calls = []
    x = var(3.0)
    y = LoudMul()(x, x)
    y.backward()
    assert calls == ["backward"]
    assert x.grad.data == 6.0
    x.cleargrad()
    z = OtherSin()(x)
    assert z.data == 109.0
    z.backward()
    assert x.grad.data == pytest.approx(math.cos(3.0), rel=1e-15)


def test_subclass_of_a_compiled_function_with_a_gradient_of_its_own():
    class StraightThrough(F.Sign):
        def backward(self, gy):
            return gy

    x = var([-2.0, 3.0])
    StraightThrough()(x).backward()
    assert x.grad.data.tolist() == [1.0, 1.0]


def test_subclass_that_adds_nothing():
    class Mine(F.Exp):
        pass

    x = var(0.0)
    y = Mine()(x)
    assert type(y.creator) is Mine
    y.backward(create_graph=True)
    assert x.grad.data == 1.0
    gx = x.grad
    x.cleargrad()
    gx.backward()
    assert x.grad.data == 1.0


def test_call_can_be_overridden():
    class Twice(Function):
        def __call__(self, x):
            return super().__call__(super().__call__(x))

        def forward(self, x):
            return x * 2

    assert Twice()(var(1.0)).data == 4.0


def test_instance_attribute_shadows_the_method():
    f = Cube()
    f.backward = lambda gy: gy * 7
    x = var(2.0)
    f(x).backward()
    assert x.grad.data == 7.0


def test_method_assigned_to_the_class_afterwards():
    class Late(Function):
        def forward(self, x):
            return x

    Late.backward = lambda self, gy: gy * 5
    x = var(2.0)
    y = Late()(x)
    y.backward()
    assert x.grad.data == 5.0


# ---- backward by hand


def test_backward_by_hand_takes_arrays_and_gives_variables():
    for f, x, expected in [(F.Square(), 3.0, 6.0), (F.Exp(), 0.0, 1.0), (F.Sin(), 0.0, 1.0), (Cube(), 2.0, 12.0)]:
        f(var(x))
        for gy in (np.array(1.0), var(1.0)):
            gx = f.backward(gy)
            assert type(gx) is Variable, f
            assert gx.data == expected, f


def test_backward_by_hand_of_two_inputs():
    f = F.Mul()
    f(var(2.0), var(3.0))
    gx0, gx1 = f.backward(var(1.0))
    assert (gx0.data, gx1.data) == (3.0, 2.0)


def test_forward_by_hand():
    y = F.Square().forward(np.array([1.0, 2.0]))
    assert not isinstance(y, Variable)
    assert np.array_equal(y, [1.0, 4.0])
    assert np.array_equal(F.Mul().forward(np.array(2.0), np.array([3.0])), [6.0])


# ---- gradients of user Functions


def test_backward_gets_variables():
    class Spy(Function):
        def forward(self, x):
            return x * 2

        def backward(self, gy):
            kinds.append((type(gy), gy.shape, gy.dtype))
            return gy * 2

    kinds = []
    Spy()(var([1.0, 2.0], "f4")).backward()
    assert kinds == [(Variable, (2,), np.float32)]


def test_an_output_that_nobody_used_does_not_stop_the_walk():
    class Two(Function):
        def forward(self, x):
            return x * 2, x * 3

        def backward(self, g0, g1):
            seen.append((g0, g1))
            return g1 * 3

    seen = []
    x = var(1.0)
    a, b = Two()(x)
    b.backward()
    assert seen[0][0] is None or not seen[0][0].data.any()
    assert seen[0][1].data == 1.0
    assert x.grad.data == 3.0
    assert a.grad is None


def test_gradients_from_two_outputs_meet():
    x0, x1 = var(2.0), var(5.0)
    s, p = SumAndProduct()(x0, x1)
    (s * 10.0 + p).backward()
    assert (x0.grad.data, x1.grad.data) == (15.0, 12.0)


def test_higher_derivatives_of_a_user_function():
    x = var(2.0)
    y = Cube()(x)
    y.backward(create_graph=True)
    derivatives = []
    for _ in range(3):
        gx = x.grad
        derivatives.append(float(gx.data))
        x.cleargrad()
        gx.backward(create_graph=True)
    assert derivatives == [12.0, 12.0, 6.0]


def test_backward_that_returns_an_array_gives_a_variable_as_gradient():
    class Raw(Function):
        def forward(self, x):
            return x * 2

        def backward(self, gy):
            return gy.data * 2

    x = var([1.0, 2.0])
    (Raw()(x) + x).backward()
    assert type(x.grad) is Variable
    assert x.grad.data.tolist() == [3.0, 3.0]
    x.data -= 0.1 * x.grad.data
    assert x.data.tolist() == pytest.approx([0.7, 1.7])


def test_backward_that_returns_a_list_or_tuple():
    class Pair(Function):
        def forward(self, a, b):
            return a + b

        def backward(self, gy):
            return (gy, gy * 2)

    a, b = var(1.0), var(1.0)
    Pair()(a, b).backward()
    assert (a.grad.data, b.grad.data) == (1.0, 2.0)


def test_none_as_a_gradient_leaves_the_input_without():
    class OnlyFirst(Function):
        def forward(self, a, b):
            return a * b

        def backward(self, gy):
            return gy * self.inputs[1], None

    a, b = var(2.0), var(3.0)
    (OnlyFirst()(a, b) * 2.0).backward()
    assert a.grad.data == 6.0
    assert b.grad is None


def test_a_returned_gradient_is_not_changed_afterwards():
    kept = Variable(np.array([1.0, 1.0]))

    class Fixed(Function):
        def forward(self, x):
            return x * 1.0

        def backward(self, gy):
            return kept

    x = var([5.0, 5.0])
    y = Fixed()(x) + Fixed()(x) + x * 2.0
    y.backward()
    assert x.grad.data.tolist() == [4.0, 4.0]
    assert kept.data.tolist() == [1.0, 1.0]
    y.backward()
    assert x.grad.data.tolist() == [8.0, 8.0]
    assert kept.data.tolist() == [1.0, 1.0]


def test_the_same_gradient_for_both_inputs_is_not_shared_storage():
    class Both(Function):
        def forward(self, a, b):
            return a + b

        def backward(self, gy):
            return gy, gy

    a, b = var([1.0, 2.0]), var([3.0, 4.0])
    y = Both()(a, b) + a
    y.backward()
    assert a.grad.data.tolist() == [2.0, 2.0]
    assert b.grad.data.tolist() == [1.0, 1.0]


def test_functions_inside_forward_and_backward():
    class Inner(Function):
        def forward(self, x):
            with no_grad():
                self.helper = F.sin(Variable(x))
            return self.helper.data * 2

        def backward(self, gy):
            x = Variable(self.inputs[0].data)
            with using_config("enable_backprop", True):
                y = F.sin(x)
            y.backward()
            return gy * (x.grad * 2)

    x = var([0.1, 0.2])
    (Inner()(x * 3.0)).backward()
    assert np.allclose(x.grad.data, 6 * np.cos(3 * np.array([0.1, 0.2])), rtol=1e-15, atol=0)


def test_a_function_that_calls_functions_of_functions():
    def composed(x, depth):
        return x if depth == 0 else Cube()(composed(x, depth - 1)) * 0.5

    x = var(1.1)
    y = composed(x, 3)
    y.backward()
    value, slope = 1.1, 1.0
    for _ in range(3):
        value, slope = 0.5 * value ** 3, 1.5 * value ** 2 * slope
    assert y.data == pytest.approx(value, rel=1e-14)
    assert x.grad.data == pytest.approx(slope, rel=1e-14)


def test_inputs_changed_in_place_are_seen_by_backward():
    x = var(2.0)
    y = Cube()(x)
    x.data[...] = 10.0
    y.backward()
    assert x.grad.data == 300.0


# ---- other faces


def test_base_class_has_no_forward_and_no_backward():
    with pytest.raises(NotImplementedError):
        Function()(var(1.0))
    with pytest.raises(NotImplementedError):
        Function().forward(np.array(1.0))
    with pytest.raises(NotImplementedError):
        Function().backward(var(1.0))


def test_function_without_backward_fails_only_when_asked():
    class OneWay(Function):
        def forward(self, x):
            return x + 1

    x = var(1.0)
    y = OneWay()(x)
    assert y.data == 2.0
    with pytest.raises(NotImplementedError):
        y.backward()


def test_copies_of_functions():
    class Scale(Function):
        def __init__(self, factor):
            self.factor = factor

        def forward(self, x):
            return x * self.factor

    f = Scale([2.0])
    f.factor = 2.0
    f(var(1.0))
    for g in (copy.copy(f), copy.deepcopy(f)):
        assert type(g) is Scale
        assert g.factor == 2.0
        assert g(var(3.0)).data == 6.0
    assert f.inputs[0].data == 1.0
    power = copy.deepcopy(F.Pow(3))
    x = var(2.0)
    power(x).backward()
    assert x.grad.data == 12.0
    assert pickle.loads(pickle.dumps(F.Reshape((1, 2))))(var([1.0, 2.0])).shape == (1, 2)


def test_signatures_are_readable():
    assert list(inspect.signature(Variable).parameters) == ["data", "name"]
    assert list(inspect.signature(Variable.backward).parameters) == ["self", "retain_grad", "create_graph"]
    assert list(inspect.signature(F.Pow).parameters) == ["c"]
    assert list(inspect.signature(F.sin).parameters) == ["x"]
    assert list(inspect.signature(F.add).parameters) == ["x0", "x1"]
    assert list(inspect.signature(F.reshape).parameters) == ["x", "shape"]


def test_instances_made_by_new_alone_are_valid():
    x = Variable.__new__(Variable)
    assert x.data is None
    assert x.grad is None
    assert x.creator is None
    assert repr(x) == "variable(None)"
    x.data = np.array(2.0)
    f = Cube.__new__(Cube)
    assert f(x).data == 8.0
    assert F.Sin.__new__(F.Sin)(x).data == F.sin(x).data
