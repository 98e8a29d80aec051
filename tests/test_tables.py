"""Columns of tables (pandas) as operands: their numbers, with the graph of what stands beside them."""

import warnings

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Variable, optimizers
from dezero_c.models import Sequential

pd = pytest.importorskip("pandas")

FRAME = pd.DataFrame({"a": np.arange(4.0), "b": [1, 2, 3, 4], "c": ["x", "y", "z", "w"],
                      "d": pd.array([1, None, 3, 4], dtype="Int64"), "e": pd.to_datetime(["2026-01-01"] * 4)})


def test_functions_take_columns_and_tables():
    assert F.mean(FRAME["a"]).data == 1.5
    np.testing.assert_array_equal(F.sin(FRAME["a"]).data, F.sin(np.arange(4.0)).data)
    assert F.sum(FRAME[["a", "b"]]).data == 16.0
    assert F.matmul(FRAME[["a", "b"]], np.ones((2, 3))).shape == (4, 3)
    assert F.sum(FRAME["b"].astype("Int64")).data == 10


@pytest.mark.parametrize("operator", ["__add__", "__mul__", "__sub__", "__truediv__", "__pow__"])
def test_operators_keep_the_graph_on_both_sides(operator):
    column = FRAME["a"] + 1.0
    for turned in (False, True):
        x, y = Variable(np.arange(1.0, 5.0)), Variable(np.arange(1.0, 5.0))
        left, right = (column, x) if turned else (x, column)
        found = _applied(operator, left, right)
        a, b = (column.to_numpy(), y) if turned else (y, column.to_numpy())
        wanted = _applied(operator, a, b)
        assert isinstance(found, Variable)
        np.testing.assert_array_equal(found.data, wanted.data)
        F.sum(found).backward()
        F.sum(wanted).backward()
        np.testing.assert_array_equal(x.grad.data, y.grad.data)


def _applied(operator, a, b):
    return {"__add__": lambda: a + b, "__mul__": lambda: a * b, "__sub__": lambda: a - b, "__truediv__": lambda: a / b,
            "__pow__": lambda: a ** b}[operator]()


def test_products_with_tables():
    x = Variable(np.arange(4.0))
    y = x @ FRAME["b"]
    assert isinstance(y, Variable)
    assert y.data == 20.0
    assert isinstance(F.matmul(FRAME["b"], x), Variable)
    with pytest.raises(TypeError, match=r"F\.matmul"):     # pandas computes with what an array of x gives
        FRAME["b"] @ x
    with pytest.raises(TypeError, match=r"F\.matmul"):
        FRAME[["a", "b"]].T @ x


@pytest.mark.parametrize(("columns", "named"), [("c", "object"), ("e", "datetime64"), (["a", "c"], r"in the columns c \(")])
def test_what_is_no_number_is_named(columns, named):
    with pytest.raises(TypeError, match=named):
        F.sum(FRAME[columns])
    with pytest.raises(TypeError, match="fillna"):
        Variable(np.ones(4)) * FRAME["c"]


def test_missing_numbers_are_nan_or_told():
    try:
        assert np.isnan(F.sum(FRAME["d"]).data)     # as pandas 3 has them
    except TypeError as error:
        assert "fillna" in str(error)       # noqa: PT017, an older pandas gives objects


def test_layers_losses_and_fit():
    model = Sequential(L.Linear(1))
    assert model(FRAME[["a", "b"]]).shape == (4, 1)
    assert F.softmax_cross_entropy(np.eye(4), FRAME["b"] - 1).shape == ()
    history = dezero_c.fit(Sequential(L.Linear(1)), (FRAME[["a", "b"]], FRAME[["a"]]), optimizers.SGD(0.01),
                           F.mean_squared_error, 2, progress=False)
    assert len(history) == 2


def test_a_captured_call_runs_as_it_is():
    frame = FRAME[["a"]].copy()
    f = dezero_c.capture(lambda x: F.sum(x * frame["a"]))
    x = Variable(np.ones(4))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for k in range(5):
            frame["a"] = np.arange(4.0) + k
            assert f(x).data == frame["a"].sum()
    assert "to_numpy" in str(told[0].message)
