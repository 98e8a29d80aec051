"""Variable as an object: construction, how values are held, properties, printing, identity, attributes, life and death.

Gradients are in test_backward, arithmetic in test_operators, what is refused in test_errors.
"""

import copy
import gc
import pickle
import threading
import weakref

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Function, Parameter, Variable, as_array, as_variable, setup_variable


@pytest.fixture
def no_collector():
    """The garbage collector off: what goes away in the test went by reference counting."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


# ---- construction and values


@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3), (2, 3, 4), (0,), (2, 0)])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "?", "f2", "c16"])
def test_a_handed_in_array_is_kept_as_it_is(shape, dtype):
    a = np.ones(shape, dtype)
    x = Variable(a)
    assert x.data is a
    assert (x.shape, x.ndim, x.size, x.dtype) == (a.shape, a.ndim, a.size, a.dtype)
    assert x.grad is None
    assert x.creator is None
    assert x.name is None
    assert x.generation == 0


def test_name_and_keywords():
    assert Variable(np.array(1.0), "weight").name == "weight"
    x = Variable(data=np.array(1.0), name="w")
    x.name = "other"
    assert x.name == "other"


def test_none_is_a_legal_value():
    x = Variable(None)
    assert x.data is None
    assert repr(x) == "variable(None)"
    x.data = np.array(2.0)
    assert (x * x).data == 4.0
    x.data = None
    assert x.data is None


def test_as_array_wraps_numbers_only():
    for number in (1, 2.5, True, np.float32(3)):
        a = as_array(number)
        assert isinstance(a, np.ndarray)
        assert a.shape == ()
        assert a == number
    a = np.ones(2)
    assert as_array(a) is a
    assert as_array(np.float32(3)).dtype == np.float32


def test_as_variable_passes_variables_through():
    x = Variable(np.array(1.0))
    a = np.array(2.0)
    assert as_variable(x) is x
    assert type(as_variable(a)) is Variable
    assert as_variable(a).data is a
    p = Parameter(a)
    assert as_variable(p) is p


def test_setup_variable_is_there_and_does_nothing():
    before = Variable.__add__
    setup_variable()
    assert Variable.__add__ == before


@pytest.mark.parametrize("shape", [(), (3,), (1000,), (40, 50)])
def test_the_value_is_one_array_however_often_it_is_read(shape):
    x = Variable(np.full(shape, 0.5))
    y = F.sin(x)
    assert y.data is y.data
    y.backward()
    assert x.grad is x.grad
    assert x.grad.data is x.grad.data


@pytest.mark.parametrize("shape", [(), (3,), (1000,)])
def test_a_result_outlives_its_variable(shape):
    x = Variable(np.full(shape, 0.5))
    y = x * 3.0
    y.backward()
    a, g = y.data, x.grad.data
    del x, y
    gc.collect()
    junk = [Variable(np.full(shape, float(i))) * 7.0 for i in range(50)]
    assert len(junk) == 50
    assert np.all(a == 1.5)
    assert np.all(g == 3.0)
    assert a.flags.writeable
    assert a.flags.owndata


def test_writing_into_a_result_is_seen_by_what_comes_after():
    y = Variable(np.array([1.0, 2.0])) * 1.0
    y.data[0] = 5.0
    assert (y + 0.0).data.tolist() == [5.0, 2.0]
    s = Variable(np.array(1.0)) * 1.0
    s.data[...] = 7.0
    assert (s + 0.0).data == 7.0


def test_rebinding_the_value():
    x = Variable(np.array([1.0, 2.0]))
    b = np.array([[3.0]])
    x.data = b
    assert x.data is b
    assert x.shape == (1, 1)
    y = x * 2.0
    c = np.array([9.0])
    y.data = c
    assert y.data is c


def test_numpy_scalars_are_accepted_when_the_value_is_rebound():
    # `x.data = x.data - lr * g` on 0-d arrays assigns a NumPy scalar
    x = Variable(np.array(2.0))
    x.data = x.data - 0.5 * np.array(1.0)
    assert x.data == 1.5
    assert x.shape == ()
    assert x.dtype == np.float64
    x.data -= 0.5
    assert x.data == 1.0
    y = x * x
    y.backward()
    assert x.grad.data == 2.0


def test_in_place_update_of_a_vector_keeps_the_array():
    a = np.array([1.0, 2.0])
    x = Variable(a)
    x.data -= 1.0
    assert x.data is a
    assert a.tolist() == [0.0, 1.0]


# ---- properties, indexing


def test_length_is_that_of_the_first_axis():
    assert len(Variable(np.zeros((4, 2)))) == 4
    assert len(F.sin(Variable(np.zeros((5, 2))))) == 5
    with pytest.raises(TypeError):
        len(Variable(np.array(1.0)))


def test_properties_of_results_that_nobody_looked_at():
    y = Variable(np.zeros((2, 1), np.float32)) + Variable(np.zeros((1, 3), np.float32))
    assert (y.shape, y.ndim, y.size, y.dtype) == ((2, 3), 2, 6, np.float32)
    s = Variable(np.array(1.0)) * 2.0
    assert (s.shape, s.ndim, s.size, s.dtype) == ((), 0, 1, np.float64)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (2, 3, 4)])
def test_transposed(shape):
    a = np.arange(float(np.prod(shape, dtype=int))).reshape(shape)
    x = Variable(a)
    y = x.T
    assert y.shape == a.T.shape
    assert np.array_equal(y.data, a.T)
    (y * y).backward()
    assert np.array_equal(x.grad.data, 2 * a)


@pytest.mark.parametrize("args", [(3, 2), ((3, 2),), ([3, 2],), (-1, 2), (6,), (6, 1)])
def test_reshape_takes_numbers_tuple_or_list(args):
    a = np.arange(6.0).reshape(2, 3)
    x = Variable(a)
    y = x.reshape(*args)
    assert np.array_equal(y.data, a.reshape(*args))
    y.backward()
    assert np.array_equal(x.grad.data, np.ones((2, 3)))


@pytest.mark.parametrize("args", [(), (2, 0, 1), ((2, 0, 1),), ([2, 0, 1],), (-1, 0, 1), (None,)])
def test_transpose_takes_numbers_tuple_list_or_nothing(args):
    a = np.arange(24.0).reshape(2, 3, 4)
    x = Variable(a)
    y = x.transpose(*args)
    expected = a.transpose(*args)
    assert np.array_equal(y.data, expected)
    weight = np.arange(24.0).reshape(expected.shape)
    (y * weight).backward()
    axes = None if args in [(), (None,)] else np.argsort([i % 3 for i in (args[0] if len(args) == 1 else args)])
    assert np.array_equal(x.grad.data, weight.transpose(axes))


@pytest.mark.parametrize("axis", [None, 0, 1, -1, (0, 1), ()])
@pytest.mark.parametrize("keepdims", [False, True])
def test_sum_method(axis, keepdims):
    a = np.arange(6.0).reshape(2, 3)
    x = Variable(a)
    y = x.sum(axis=axis, keepdims=keepdims)
    assert np.array_equal(y.data, a.sum(axis=axis, keepdims=keepdims))
    assert y.shape == a.sum(axis=axis, keepdims=keepdims).shape
    (y * 3.0).backward()
    assert np.array_equal(x.grad.data, np.full((2, 3), 3.0))


def test_indexing_and_iterating():
    a = np.arange(6.0).reshape(3, 2)
    x = Variable(a)
    rows = list(x)
    assert [type(r) for r in rows] == [Variable] * 3
    assert np.array_equal([r.data for r in rows], a)
    (x[1] * 2.0 + x[1, 0] + x[:, 1].sum()).backward()
    assert x.grad.data.tolist() == [[0.0, 2.0], [4.0, 4.0], [0.0, 2.0]]  # each scalar is used for both elements
    x.cleargrad()
    y = x[1]
    y.backward()
    assert x.grad.data.tolist() == [[0.0, 0.0], [1.0, 1.0], [0.0, 0.0]]


@pytest.mark.parametrize("index", [0, -1, slice(1, None), np.array([0, 0, 2]), (slice(None), 0), (..., 1), None,
                                   np.array([True, False, True]), [2, 1]])
def test_gradients_of_indexing_accumulate(index):
    a = np.arange(6.0).reshape(3, 2)
    x = Variable(a)
    y = x[index]
    assert np.array_equal(y.data, a[index])
    y.backward()
    expected = np.zeros_like(a)
    np.add.at(expected, index, 1.0)
    assert np.array_equal(x.grad.data, expected)


def test_items_cannot_be_assigned():
    x = Variable(np.zeros(3))
    with pytest.raises(TypeError):
        x[0] = 1.0
    assert x.data.tolist() == [0.0, 0.0, 0.0]


# ---- printing


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (np.array(1.0), "variable(1.0)"),
        (np.array(10), "variable(10)"),
        (np.array([1.0, 2.0]), "variable([1. 2.])"),
        (np.array([[1, 2], [3, 4]]), "variable([[1 2]\n          [3 4]])"),
        (np.zeros((2, 1, 2)), "variable([[[0. 0.]]\n         \n          [[0. 0.]]])"),
        (np.zeros((0,)), "variable([])"),
        (np.array(float("nan")), "variable(nan)"),
        (np.array(True), "variable(True)"),
    ],
)
def test_printing(data, text):
    assert repr(Variable(data)) == text
    assert str(Variable(data)) == text


def test_printing_a_result():
    assert repr(Variable(np.array(2.0)) * 3.0) == "variable(6.0)"
    assert repr(Variable(np.array([1.0, 2.0], np.float32)) * 3.0) == "variable([3. 6.])"


# ---- identity


def test_equality_and_hash_are_identity_among_variables():
    x, y = Variable(np.array([1.0, 2.0])), Variable(np.array([1.0, 2.0]))
    assert x == x
    assert x != y
    assert (x == y) is False
    assert (x != y) is True
    assert (x == 1.0).tolist() == [True, False]
    assert (x != np.array([1.0, 1.0])).tolist() == [False, True]
    assert (x == None) is False     # noqa: E711
    assert (x == "1.0") is False
    assert x not in [y]
    assert len({x, y, x}) == 2
    assert {x: "a", y: "b"}[x] == "a"
    assert hash(x) == hash(x)
    x.data = np.array(3.0)
    assert x in {x}


def test_truth_is_the_value_of_a_number_and_the_length_of_an_array():
    """As in DeZero, where `if self.h:` asks whether there is a state."""
    assert bool(Variable(np.array(2.0))) is True
    assert bool(Variable(np.array(0.0))) is False
    assert bool(Variable(np.array([0.0]))) is True
    assert bool(Variable(np.array([1.0, 2.0]))) is True
    assert bool(Variable(np.zeros((0, 3)))) is False


def test_format():
    assert f"{Variable(np.array(2.5)):.3f}" == f"{Variable(np.array([2.5])):.3f}" == "2.500"
    assert f"{Variable(np.array([1.0, 2.0]))}" == "variable([1. 2.])"
    with pytest.raises(TypeError, match=r"shape \(2,\)"):
        f"{Variable(np.array([1.0, 2.0])):.3f}"


def test_what_is_no_data_is_named():
    x = Variable(np.ones(2))
    with pytest.raises(TypeError, match=r"use its \.data"):
        x.data = x
    with pytest.raises(TypeError, match="a Variable already"):
        Variable(x)
    with pytest.raises(TypeError, match=r"Parameter holds an ndarray.*Parameter\(np\.array\(\[1\]"):
        Parameter([1])


def test_conversion_to_an_array():
    x = Variable(np.array([1.0, 2.0]))
    assert np.array(x).dtype == np.float64
    assert np.array(x).tolist() == [1.0, 2.0]
    assert np.asarray(x * 2.0).tolist() == [2.0, 4.0]


# ---- attributes, subclasses


def test_attributes_on_instances():
    x = Variable(np.array(1.0))
    x.note = 3
    y = F.sin(x)
    y.note = "result"
    assert x.note == 3
    assert y.note == "result"
    assert vars(x) == {"note": 3}
    del x.note
    with pytest.raises(AttributeError, match="note"):
        x.note  # noqa: B018
    assert not hasattr(y, "missing")


def test_attributes_on_the_class():
    x = Variable(np.array(2.0))
    Variable.doubled = lambda self: self * 2.0
    Variable.flag = True
    try:
        assert x.doubled().data == 4.0
        assert F.sin(x).flag is True
        assert Parameter(np.array(3.0)).doubled().data == 6.0
    finally:
        del Variable.doubled, Variable.flag
    assert not hasattr(x, "doubled")


def test_special_methods_on_the_class():
    before = Variable.__add__
    Variable.__add__ = lambda self, other: "patched"
    Variable.__call__ = lambda self: self.data + 1
    try:
        assert Variable(np.array(1.0)) + 1.0 == "patched"
        assert Variable(np.array(1.0))() == 2.0
    finally:
        Variable.__add__ = before
        del Variable.__call__
    assert (Variable(np.array(1.0)) + 1.0).data == 2.0
    with pytest.raises(TypeError):
        Variable(np.array(1.0))()


def test_parameter_is_a_variable_of_its_own_class():
    p = Parameter(np.array([1.0, 2.0]), name="W")
    assert isinstance(p, Variable)
    assert type(p) is not Variable
    assert p.name == "W"
    y = p * p
    assert type(y) is Variable
    y.backward()
    assert type(p.grad) is Variable
    assert p.grad.data.tolist() == [2.0, 4.0]
    assert repr(p) == "variable([1. 2.])"


def test_python_subclass():
    class Weight(Variable):
        def __init__(self, data, scale):
            super().__init__(data, name="weight")
            self.scale = scale

        def scaled(self):
            return self * self.scale

    w = Weight(np.array(2.0), 5.0)
    y = w.scaled()
    assert type(y) is Variable
    assert y.creator.inputs[0] is w
    y.backward()
    assert w.grad.data == 5.0
    assert (w.name, w.scale) == ("weight", 5.0)


def test_python_subclass_with_properties_of_its_own():
    class Counted(Variable):
        reads = 0

        @property
        def label(self):
            Counted.reads += 1
            return f"<{self.name}>"

        def __repr__(self):
            return "counted"

    x = Counted(np.array(1.0), "a")
    assert x.label == "<a>"
    assert Counted.reads == 1
    assert repr(x) == "counted"
    assert (x + x).data == 2.0


def test_creator_links():
    x = Variable(np.array(1.0))
    f = F.Sin()
    y = f(x)
    z = y * y
    assert y.creator is f
    assert f.inputs[0] is x
    assert f.outputs[0]() is y
    assert (x.generation, f.generation, y.generation, z.generation) == (0, 0, 1, 2)


def test_set_creator():
    f = F.Square()
    h = f(Variable(np.array(3.0)))
    y = Variable(np.array(9.0))
    y.set_creator(f)
    assert y.creator is f
    assert y.generation == f.generation + 1 == 1
    assert h.creator is f


def test_unchain_cuts_one_link():
    x = Variable(np.array(2.0))
    h = x * x
    y = h * 3.0
    h.unchain()
    assert h.creator is None
    y.backward()
    assert h.grad.data == 3.0
    assert x.grad is None


def test_unchain_backward_cuts_everything_behind():
    x = Variable(np.array(2.0))
    a = x * x
    b = a * 3.0
    c = a + b
    y = c * 1.0
    y.unchain_backward()
    assert y.creator is not None
    assert a.creator is None
    assert b.creator is None
    assert c.creator is None
    y.backward()
    assert c.grad.data == 1.0
    assert x.grad is None
    Variable(np.array(1.0)).unchain_backward()


# ---- copies


@pytest.mark.parametrize("duplicate", [copy.copy, copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
@pytest.mark.parametrize("cls", [Variable, Parameter])
def test_copies_of_a_leaf(duplicate, cls):
    x = cls(np.array([1.0, 2.0], np.float32), name="x")
    x.note = [1, 2]
    (x * x).backward()
    c = duplicate(x)
    assert c is not x
    assert type(c) is cls
    assert c.data.tolist() == [1.0, 2.0]
    assert c.dtype == np.float32
    assert c.name == "x"
    assert c.note == [1, 2]
    assert c.grad.data.tolist() == [2.0, 4.0]
    y = c * 3.0
    c.cleargrad()
    y.backward()
    assert c.grad.data.tolist() == [3.0, 3.0]
    assert x.grad.data.tolist() == [2.0, 4.0]


def test_copy_shares_the_array_and_deepcopy_does_not():
    x = Variable(np.array([1.0, 2.0]))
    assert copy.copy(x).data is x.data
    d = copy.deepcopy(x)
    d.data[0] = 9.0
    assert x.data[0] == 1.0


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_a_copied_graph_is_a_graph_of_its_own(duplicate):
    x = Variable(np.array(2.0), name="x")
    h = F.sin(x)
    x2, y2 = duplicate([x, h * h + x])
    assert x2 is not x
    assert y2.generation == 3
    y2.backward()
    assert x2.grad.data == pytest.approx(2 * np.sin(2.0) * np.cos(2.0) + 1, rel=1e-15)
    assert x.grad is None
    assert y2.creator.outputs[0]() is y2


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_a_gradient_that_leads_into_the_graph_is_copied_with_its_generation(duplicate):
    x = Variable(np.array([0.3, 0.7]))
    b = F.sin(F.sin(x))
    c = F.sin(b)
    (c + b ** 3).backward()
    wanted = x.grad.data
    x.cleargrad()
    c.grad = b ** 3     # the copy makes it before the graph that it comes from
    twin, = duplicate([c])
    assert (twin.generation, twin.grad.generation) == (c.generation, c.grad.generation)
    w = twin.grad
    twin.cleargrad()
    (twin + w).backward()
    leaf = twin.creator.inputs[0].creator.inputs[0].creator.inputs[0]
    assert np.array_equal(leaf.grad.data, wanted)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_a_deep_graph_can_be_copied(duplicate):
    x = Variable(np.array(1.0))
    y = x
    for _ in range(20_000):
        y = y * 1.0
    x2, y2 = duplicate((x, y))
    del x, y
    y2.backward()
    assert x2.grad.data == 1.0


# ---- life and death


def test_a_plain_graph_goes_by_reference_counting(no_collector):
    x = Variable(np.array([1.0, 2.0]))
    h = F.sin(x) * 2.0
    y = (h + x).sum()
    y.backward()
    refs = [weakref.ref(o) for o in (h, y, h.creator, y.creator, y.creator.inputs[0])]
    del h, y
    assert [r() for r in refs] == [None] * len(refs)


def test_looking_at_inputs_outputs_and_gradients_makes_no_cycle(no_collector):
    x = Variable(np.array(1.0))
    y = F.sin(x)
    y.backward(retain_grad=True)
    f = y.creator
    seen = (f.inputs, f.outputs, y.grad, x.grad, y.data, f.inputs[0].data)
    assert seen[1][0]() is y
    ref = weakref.ref(y)
    del seen, y, f
    assert ref() is None


def test_a_python_function_goes_by_reference_counting(no_collector):
    class Double(Function):
        def forward(self, x):
            return x * 2

        def backward(self, gy):
            return gy * 2

    x = Variable(np.array(1.0))
    y = Double()(x)
    y.backward()
    refs = [weakref.ref(y), weakref.ref(y.creator)]
    del y
    assert [r() for r in refs] == [None, None]


def test_graphs_of_higher_derivatives_are_collected():
    def build():
        x = Variable(np.array([1.0, 2.0]))
        y = F.sin(x) * x
        y.backward(create_graph=True)
        gx = x.grad
        x.cleargrad()
        gx.backward(create_graph=True)
        return [weakref.ref(o) for o in (x, y, gx, y.creator, gx.creator, x.grad)]

    refs = build()
    gc.collect()
    assert [r() for r in refs] == [None] * len(refs)


def test_cycles_through_attributes_are_collected():
    x = Variable(np.array(1.0))
    y = F.sin(x)
    x.result = y
    y.creator.extra = [y]
    refs = [weakref.ref(o) for o in (x, y, y.creator)]
    del x, y
    gc.collect()
    assert [r() for r in refs] == [None] * 3


def test_output_link_survives_the_collection_of_the_output():
    # the Variable is cleared by the collector (its creator becomes None) before it is freed: the Function's way to it
    # must not dangle
    for _ in range(20):
        x = Variable(np.array(1.0))
        f = F.Sin()
        y = f(x)
        y.me = y
        del y
        gc.collect()
        assert [r() for r in f.outputs] == [None]
        assert f.inputs[0] is x


def test_output_link_of_a_python_subclass_in_a_cycle():
    class Loop(Function):
        def forward(self, x):
            return x + 1, x + 2

        def backward(self, gy0, gy1):
            return gy0 + gy1

    x = Variable(np.array(1.0))
    f = Loop()
    a, b = f(x)
    a.me = a
    del a
    gc.collect()
    assert f.outputs[0]() is None
    assert f.outputs[1]() is b


def test_weak_references():
    x = Variable(np.array(1.0))
    called = []
    r = weakref.ref(x, called.append)
    assert r() is x
    del x
    assert r() is None
    assert called == [r]


@pytest.mark.parametrize("length", [100_000])
def test_a_long_chain_is_freed_in_constant_stack(length):
    def build_and_drop():
        y = Variable(np.array(1.0))
        for _ in range(length):
            y = -y
        done.append(y.generation)

    done = []
    old = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=build_and_drop)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(old)
    assert done == [length]


def test_a_long_chain_of_python_functions_is_freed():
    class Same(Function):
        def forward(self, x):
            return x

        def backward(self, gy):
            return gy

    y = x = Variable(np.array(1.0))
    for _ in range(30_000):
        y = Same()(y)
    y.backward()
    assert x.grad.data == 1.0
    del y


def test_a_long_chain_of_views_and_attributes_is_freed():
    y = Variable(np.zeros((2, 3)))
    for i in range(30_000):
        y = y.T
        y.index = i
    assert y.generation == 30_000
    del y
    gc.collect()


def test_public_names():
    for name in ("Config", "Function", "Parameter", "Variable", "as_array", "as_variable", "no_grad", "setup_variable",
                 "test_mode", "using_config"):
        assert getattr(dezero_c, name) is getattr(dezero_c.core, name), name
    for name in ("Add", "Sub", "Mul", "Div", "Neg", "Pow"):
        assert issubclass(getattr(dezero_c.core, name), Function), name
    for name in ("add", "sub", "rsub", "mul", "div", "rdiv", "neg", "pow"):
        assert callable(getattr(dezero_c.core, name)), name
