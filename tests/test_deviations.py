"""Lines of docs/deviations.md that belong to no single module."""

import abc

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Function, Variable


def test_numpy_of_a_list_of_single_numbers_keeps_the_graph():
    a, b = Variable(np.array(1.0)), Variable(np.array(2.0))
    np.sum([a * b, b * b]).backward()
    assert (a.grad.data, b.grad.data) == (2.0, 5.0)
    assert np.array([a, b]).tolist() == [a, b]
    a.cleargrad()
    b.cleargrad()
    total = F.sum(np.stack([a * b, b * b]))     # this one keeps the graph
    total.backward()
    assert (a.grad.data, b.grad.data) == (2.0, 5.0)


def test_fields_are_not_in_the_dictionary():
    x = Variable(np.ones(2))
    assert vars(x) == {}
    x.note = 3
    assert vars(x) == {"note": 3}


def test_a_function_assigned_to_a_class_that_is_no_variables_is_not_bound():
    class Mine:
        mean = F.mean

    assert Mine().mean(np.array([1.0, 3.0])).data == 2.0


def test_variables_metaclass_does_not_mix():
    with pytest.raises(TypeError, match="metaclass conflict"):
        type("Mixed", (Variable, abc.ABC), {})


def test_built_in_functions_do_not_go_through_a_replaced_call(monkeypatch):
    class Square(Function):
        def forward(self, x):
            return x * x

    assert type(Square()(Variable(np.ones(1))).creator) is Square
    seen = []
    plain = Function.__call__

    def call(self, *inputs):
        seen.append(type(self).__name__)
        return plain(self, *inputs)

    try:
        Function.__call__ = call
    except TypeError:
        pytest.skip("this Python does not let it be replaced")
    try:
        Square()(F.sin(Variable(np.ones(1))))
    finally:
        Function.__call__ = plain
    assert seen == ["Square"]


def test_gradients_of_a_sum_are_not_one_object():
    a, b = Variable(np.ones(2)), Variable(np.ones(2))
    (a + b).backward()
    assert a.grad is not b.grad


def test_an_array_compares_element_by_element_and_a_variable_by_identity():
    v = Variable(np.ones(2))
    assert (np.ones(2) == v).tolist() == [True, True]
    assert (v == np.array([1.0, 2])).tolist() == [True, False]
    assert (v != 1).tolist() == [False, False]
    assert (v == Variable(np.ones(2))) is False


@pytest.mark.parametrize("call", [
    lambda: F.dropout(np.ones(2), -1.0),
    lambda: F.conv2d(np.ones((1, 1, 2, 2)), np.ones((1, 1, 5, 5))),
])
def test_what_dezero_lets_pass(call):
    with pytest.raises(ValueError):     # noqa: PT011  AxisError is one; the functions' own tests have the texts
        call()
