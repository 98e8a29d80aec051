"""Columns of tables (pandas) as operands: their numbers, with the graph of what stands beside them."""

import warnings

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Variable, datasets, optimizers
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


@pytest.mark.parametrize(("columns", "named"), [
    ("c", r"sum: a Series, column 'c' holds no numbers, but (object|str)"), ("e", "column 'e' holds times, of dtype datetime64"),
    (["a", "c"], "sum: a DataFrame, column 'c' holds no numbers")])
def test_what_is_no_number_is_named(columns, named):
    with pytest.raises(TypeError, match=named):
        F.sum(FRAME[columns])
    with pytest.raises(TypeError, match="to_numeric"):
        Variable(np.ones(4)) * FRAME["c"]


def test_missing_numbers_are_told_with_their_row():
    nan = pd.DataFrame({"a": [1.0, np.nan], "b": [1.0, 2.0]})
    for values, message in ((FRAME["d"], "a Series, column 'd' lacks 1 of 4 values, the first in row 1"),
                            (nan, "a DataFrame, column 'a' lacks 1 of 2 values, the first in row 1"),
                            (nan["a"], "a Series, column 'a' lacks 1 of 2 values"),
                            (pd.Series([1.0, None], dtype="Float32"), "a Series lacks 1 of 2 values")):
        for f in (F.sum, F.exp, lambda v: Variable(np.ones(1)) * v):
            with pytest.raises(ValueError, match=f"{message}.*fillna"):
                f(values)
    assert np.isnan(F.sum(nan["a"].to_numpy()).data)


def test_categories_are_no_numbers():
    with pytest.raises(TypeError, match=r"exp: a Series holds categories; give numbers for it: .*cat\.codes"):
        F.exp(pd.Series(pd.Categorical([10, 30, 20])))
    with pytest.raises(TypeError, match="column 'b' holds categories"):
        F.sum(pd.DataFrame({"a": [1.0], "b": pd.Categorical([10])}))


MIXED = {"bool": [True, False], "Int64": pd.array([1, 2], dtype="Int64"), "boolean": pd.array([True, False], dtype="boolean"),
         "Float32": pd.array([1.5, 2.5], dtype="Float32"), "uint8": np.array([1, 2], "u1"), "float32": np.array([1, 2], "f")}


@pytest.mark.parametrize("other", MIXED)
@pytest.mark.parametrize("first", [[1.0, 2.0], [1, 2], np.array([1, 2], "f"), [True, False]])
def test_a_table_as_an_operand_is_the_table_as_data(first, other):
    frame = pd.DataFrame({"a": first, "b": MIXED[other]})
    as_data = datasets.Arrays(frame, [0, 1]).data
    x = Variable(np.array([[2.0, 3.0]]))
    for found, wanted in ((F.sum(frame, axis=0), F.sum(as_data, axis=0)), (frame * x, as_data * x), (x - frame, x - as_data),
                          (F.matmul(frame, x.T), F.matmul(as_data, x.T))):
        assert found.dtype == wanted.dtype
        np.testing.assert_array_equal(found.data, wanted.data)
    column = frame["b"]
    assert F.sum(column).dtype == F.sum(datasets.Arrays(column, [0, 1]).data).dtype
    assert as_data.dtype == np.result_type(*(getattr(d, "numpy_dtype", d) for d in frame.dtypes))


def test_the_numbers_of_a_table_are_a_copy_in_order():
    frame = pd.DataFrame(np.arange(6.0).reshape(3, 2))
    held = datasets.Arrays(frame, np.zeros(3)).data
    assert held.flags.c_contiguous
    frame.iloc[0, 0] = 9
    assert held[0, 0] == 0
    with pytest.raises(ValueError, match="without columns"):
        F.sum(frame[[]])
    assert F.sum(frame[:0], axis=0).shape == (2,)


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
