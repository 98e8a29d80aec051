"""Tables, columns, lists, iterators and pictures as data sets and as data of fit."""

import itertools
import pickle
import re
import subprocess
import sys

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import DataLoader, Variable
from dezero_c.datasets import Arrays
from dezero_c.models import Sequential
from dezero_c.optimizers import SGD


@pytest.fixture
def pd():
    return pytest.importorskip("pandas")


@pytest.fixture
def image():
    return pytest.importorskip("PIL.Image")


def fitted(data, **options):
    np.random.seed(0)
    model = Sequential(L.Linear(4), F.relu, L.Linear(2))
    history = dezero_c.fit(model, data, SGD(0.01), F.softmax_cross_entropy, 2, progress=False, **options)
    return history["loss"], [p.data for p in model.params()]


def same(one, other):
    assert one[0] == other[0]
    for a, b in zip(one[1], other[1], strict=True):
        np.testing.assert_array_equal(a, b)


# ---- tables -------------------------------------------------------------------------------------------------------

def test_a_table_and_a_column(pd):
    df = pd.DataFrame({"a": [1.5, 2.5, 3.5], "b": np.array([3, 4, 5], np.int32), "c": [True, False, True]})
    data = Arrays(df, df["b"])
    np.testing.assert_array_equal(data.data, [[1.5, 3, 1], [2.5, 4, 0], [3.5, 5, 1]])
    assert (data.data.dtype, data.label.dtype, data.label.tolist()) == (np.float64, np.int32, [3, 4, 5])
    assert Arrays(pd.DataFrame(np.ones((2, 3), np.float32))).data.dtype == np.float32
    assert Arrays(pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"])).data.tolist() == [[1, 2], [3, 4]]
    assert Arrays(pd.Series(pd.arrays.SparseArray([0.0, 0.0, 1.0]))).data.tolist() == [0, 0, 1]
    assert Arrays(df.index).data.tolist() == [0, 1, 2]
    assert Arrays([df["a"], df["b"]]).data.tolist() == [[1.5, 2.5, 3.5], [3, 4, 5]]
    with pytest.raises(ValueError, match="Arrays: x is a table without columns"):
        Arrays(df[[]])


@pytest.mark.parametrize(("dtype", "expected"), [("Int64", np.int64), ("Float32", np.float32), ("boolean", np.bool_)])
def test_nullable_dtypes(pd, dtype, expected):
    assert Arrays(pd.DataFrame({"a": pd.array([True, False], dtype=dtype)})).data.dtype == expected
    with pytest.raises(ValueError, match=r"Arrays: x, column 'a' lacks 1 of 2 values, the first in row 1; .*dropna"):
        Arrays(pd.DataFrame({"a": pd.array([True, None], dtype=dtype)}))


def test_missing_values_are_told_where(pd):
    df = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [1.0, 2.0, np.nan, np.nan]}, index=list("pqrs"))
    with pytest.raises(ValueError, match=re.escape("Arrays: x, column 'b' lacks 2 of 4 values, the first in row 2 (index 'r')")):
        Arrays(df)
    with pytest.raises(ValueError, match=re.escape("fit: validation: t, column 'b' lacks 2 of 4")):
        fitted((df[["a"]], [0, 1, 0, 1]), validation=(df[["a"]], df["b"]))
    assert np.isnan(Arrays(df["b"].to_numpy()).data[2])        # in an array nan is a number


@pytest.mark.parametrize(("make", "message"), [
    (lambda pd: pd.Series([1, "x"], dtype=object), r"'bad' holds no numbers, but object \(text.*to_numeric"),
    (lambda pd: pd.Series(["x", "y"]), r"'bad' holds no numbers.*cat\.codes.*get_dummies"),
    (lambda pd: pd.Series(["x", None], dtype="string"), "'bad' holds no numbers"),
    (lambda pd: pd.Series([3, 4], dtype="category"), "'bad' holds categories.*codes"),
    (lambda pd: pd.Series(pd.to_datetime(["2020-01-01", "2020-01-02"])), "'bad' holds times.*total_seconds"),
    (lambda pd: pd.Series(pd.to_datetime(["2020-01-01", "2020-01-02"], utc=True)), "'bad' holds times"),
    (lambda pd: pd.Series(pd.to_timedelta([1, 2], unit="s")), "'bad' holds times"),
    (lambda pd: pd.Series(pd.period_range("2020", periods=2, freq="D")), "'bad' holds no numbers, but period"),
])
def test_columns_that_are_no_numbers_are_named(pd, make, message):
    with pytest.raises(TypeError, match=f"Arrays: x, column {message}"):
        Arrays(pd.DataFrame({"good": [1.0, 2.0], "bad": make(pd)}))


def test_an_index_in_another_order_is_noticed(pd):
    x = pd.DataFrame({"a": [1.0, 2.0, 3.0]})
    t = pd.Series([0, 1, 2])
    turned = t.iloc[[2, 0, 1]]
    with pytest.raises(ValueError, match=r"Arrays: the index of t .* another order.*t\.loc\[x\.index\]"):
        Arrays(x, turned)
    assert Arrays(x, turned.loc[x.index]).label.tolist() == [0, 1, 2]
    assert Arrays(x, turned.to_numpy()).label.tolist() == [2, 0, 1]
    assert Arrays(x.iloc[:2], turned.iloc[:2]).label.tolist() == [2, 0]        # other rows: nothing is known of them
    for labels in ([1, "b", 2], [None, "b", np.nan], [(1, "a"), "b", 2], [1, 1, "b"]):      # labels without an order
        odd = pd.Index(labels, dtype=object, tupleize_cols=False)
        with pytest.raises(ValueError, match=r"Arrays: the index of t .* another order"):
            Arrays(x.set_axis(odd), t.set_axis(odd[[2, 0, 1]]))
        assert len(Arrays(x.set_axis(odd), t.set_axis(odd))) == 3
    assert len(Arrays(x.set_axis([1, 1, "b"]), t.set_axis([1, "b", "b"]))) == 3


@pytest.mark.parametrize(("places", "message"), [
    (lambda x, t, turned: ((x, x), turned), r"the index of t has the labels of x\[0\]'s in another.*t\.loc\[x\[0\]\.index\]"),
    (lambda x, t, turned: ((x, turned), t), r"the index of x\[1\] has the labels of x\[0\]'s"),
    (lambda x, t, turned: ((x.to_numpy(), x), (t, turned)), r"the index of t\[1\] has the labels of x\[1\]'s"),
    (lambda x, t, turned: (x.to_numpy(), (t, turned)), r"the index of t\[1\] has the labels of t\[0\]'s"),
])
def test_an_index_in_another_order_is_noticed_in_tuples(pd, places, message):
    x, t = pd.DataFrame({"a": [1.0, 2.0, 3.0]}), pd.Series([0, 1, 2])
    with pytest.raises(ValueError, match=f"fit: data: {message}"):
        fitted(places(x, t, t.iloc[[2, 0, 1]]))


def test_fit_and_a_loader_take_tables(pd):
    rng = np.random.default_rng(0)
    df = pd.DataFrame({"a": rng.normal(size=12), "b": rng.normal(size=12), "t": np.arange(12) % 2})
    x, t = next(iter(DataLoader(Arrays(df[["a", "b"]], df["t"]), 4, shuffle=False)))
    assert (x.shape, t.tolist()) == ((4, 2), [0, 1, 0, 1])
    arrays = df[["a", "b"]].to_numpy(), df["t"].to_numpy()
    same(fitted((df[["a", "b"]], df["t"]), validation=(df[["a", "b"]], df["t"])), fitted(arrays, validation=arrays))
    same(fitted(Arrays(df[["a", "b"]], df["t"])), fitted(arrays))
    with pytest.raises(TypeError, match=re.escape("fit: data is one DataFrame; it is (x, t), such as (df[['a', 'b']], df['t'])")):
        fitted(df)
    with pytest.raises(TypeError, match=r"DataLoader: a DataFrame is no data set, .*datasets\.Arrays"):
        DataLoader(df, 4)
    with pytest.raises(TypeError, match="fit: data: x, column 'c' holds no numbers"):
        fitted((df.assign(c="text"), df["t"]))


class PolarsColumn:
    """What a column of a library without pandas' names has: to_numpy, is_null."""

    dtype = "f64"

    def __init__(self, name, values):
        self.name, self.values = name, values

    def __array__(self, dtype=None, copy=None):
        return self.to_numpy()

    def to_numpy(self):
        return np.array([np.nan if v is None else v for v in self.values])

    def is_null(self):
        return [v is None for v in self.values]


class PolarsTable(PolarsColumn):
    columns = ("a", "b")

    def get_columns(self):
        return [PolarsColumn(name, each) for name, each in zip(self.columns, self.values, strict=True)]


def test_tables_of_other_libraries():
    assert Arrays(PolarsTable(None, [[1.0, 2.0], [3.0, np.nan]])).data.shape == (2, 2)
    with pytest.raises(ValueError, match="column 'b' lacks 1 of 2 values, the first in row 1;"):
        Arrays(PolarsTable(None, [[1.0, 2.0], [3.0, None]]))
    with pytest.raises(TypeError, match="column 'b' holds no numbers"):
        Arrays(PolarsTable(None, [[1.0, 2.0], ["a", "b"]]))
    strange = type("Strange", (PolarsColumn,), {"columns": ("a",)})
    with pytest.raises(TypeError, match="a Strange, whose columns cannot be read one by one"):
        Arrays(strange(None, [1.0]))


# ---- lists and iterators ------------------------------------------------------------------------------------------

def test_lists_iterators_and_variables():
    data = Arrays((np.full(2, i) for i in range(3)), [0, 1, 2], transform=lambda x: x * 2)
    assert (data[1][0].tolist(), data[1][1], len(data)) == ([2, 2], 1, 3)
    given = np.ones((2, 3))
    assert Arrays(given).data is given
    assert Arrays(Variable(given)).data is given
    assert Arrays([Variable(np.ones(3))] * 2).data.shape == (2, 3)
    assert Arrays([1.0, 2.0])[0] == (1.0, None)
    pairs = Arrays(zip([[1.0, 2.0], [3.0, 4.0]], [0, 1], strict=True))
    assert (pairs.data.tolist(), pairs.label.tolist()) == ([[1, 2], [3, 4]], [0, 1])
    assert Arrays([(1.0, 2.0), (3.0, 4.0)]).label is None      # a list of pairs is an array of two columns
    assert Arrays(iter([1.0, 2.0])).data.tolist() == [1, 2]
    same(fitted(([[0.0, 1.0], [1.0, 0.0]], iter([0, 1]))), fitted((np.eye(2)[::-1], np.array([0, 1]))))


def test_an_iterator_has_a_limit():
    assert len(Arrays(iter(range(5)), limit=5)) == 5
    endless = itertools.count()
    with pytest.raises(ValueError, match=r"Arrays: x is a count that gives more than 5 examples, and may have no end; .*limit"):
        Arrays(endless, limit=5)
    assert next(endless) == 6       # it was asked for one more
    with pytest.raises(TypeError, match="limit is 'a'; it is a whole number"):
        Arrays(iter([1]), limit="a")
    with pytest.raises(ValueError, match="limit is -2; it is a whole number of examples from 1 on"):
        Arrays(iter([1]), limit=-2)


@pytest.mark.parametrize(("given", "error", "message"), [
    (([1, 2], [1, 2, 3]), ValueError, r"Arrays has x of shape \(2,\) and t of shape \(3,\); both must have an axis of examples"),
    ((1.0,), ValueError, r"Arrays has x of shape \(\); it must have an axis of examples"),
    (([[1, 2], [1]],), ValueError, "x has examples of several shapes"),
    (([1, 2, None],), TypeError, r"Arrays: x\[2\] is None; give numbers"),
    (([1, {}],), TypeError, r"x\[1\] is a dict that holds no numbers"),
    (([1, "a"],), TypeError, "x is of dtype <U21, which is no numbers"),
    (({"a": 1},), TypeError, "x is of dtype object"), ((None,), TypeError, "x is of dtype object"),
    (("name",), TypeError, "x is one text, 'name'; give an array, or a list, such as one of paths"),
    (([1, 2], "ab"), TypeError, "t is one text, 'ab'; give an array, or a list$"),
    (([1, 2], ["a", "b"]), TypeError, r"t is of dtype <U1, which is no numbers; np\.unique\(t, return_inverse=True\)"),
    ((np.array(["2020"], "M8[D]"),), TypeError, r"dtype datetime64\[D\].*np\.timedelta64"),
    ((np.ma.masked_array([1, 2], [0, 1]),), ValueError, "masked array with 1 masked values"),
])
def test_what_is_no_data(given, error, message):
    with pytest.raises(error, match=message):
        Arrays(*given)


def test_masked_arrays_without_a_mask_and_files_are_arrays(tmp_path):
    assert type(Arrays(np.ma.masked_array([1, 2])).data) is np.ndarray
    np.save(tmp_path / "x.npy", np.arange(4.0))
    data = Arrays(np.load(tmp_path / "x.npy", mmap_mode="r"))
    assert type(data.data) is np.ndarray
    assert isinstance(data.data.base, np.memmap)


def test_fit_of_what_is_no_pair():
    x = np.zeros((4, 2))
    with pytest.raises(TypeError, match=r"fit: data is \(x, None\), and nothing is to be learned"):
        fitted((x, None))
    with pytest.raises(TypeError, match="fit: data has x alone, without labels"):
        fitted(Arrays(x))
    with pytest.raises(TypeError, match=r"fit: data is a generator, which is used up by one epoch; .* datasets\.Arrays"):
        fitted(pair for pair in zip(x, [0, 1, 0, 1], strict=True))
    with pytest.raises(TypeError, match=r"fit: data is a list, whose first element is a str"):
        fitted(["a.png", "b.png"])


# ---- pictures -----------------------------------------------------------------------------------------------------

def test_pictures(image):
    pictures = [image.new("RGB", (4, 3), (k, 51, 255)) for k in (0, 51)]
    data = Arrays(pictures, [0, 1])
    assert (data.data.shape, data.data.dtype) == ((2, 3, 3, 4), np.uint8)
    x, t = data[1]
    assert (x.shape, x.dtype, t) == ((3, 3, 4), np.float32, 1)
    np.testing.assert_allclose(x[:, 0, 0], [0.2, 0.2, 1.0], rtol=1e-6)
    pictures[0].putpixel((3, 1), (9, 8, 7))     # column 3 of row 1
    assert Arrays(pictures).data[0, :, 1, 3].tolist() == [9, 8, 7]
    grey = Arrays(image.new("L", (4, 3), k) for k in (0, 255))
    assert grey.data.shape == (2, 1, 3, 4)
    assert grey[:][0].max() == 1.0


def test_transforms_of_pictures_are_given_numbers_from_0_to_1(image):
    seen = []

    def look(x):
        seen.append((x.dtype, float(x.max())))
        return x[:, :2]

    pictures = [image.new("L", (4, 3), 255)]
    x, t = Arrays(pictures, pictures, transform=look, target_transform=look)[0]
    assert (x.shape, t.shape, seen) == ((1, 2, 4), (1, 2, 4), [(np.float32, 1.0)] * 2)


def test_pictures_by_their_paths(image, tmp_path):
    paths = [tmp_path / "a.png", str(tmp_path / "b.png")]
    for k, path in enumerate(paths):
        image.new("RGB", (4, 3), (k, 2, 3)).save(path)
    assert Arrays(paths).data[:, :, 0, 0].tolist() == [[0, 2, 3], [1, 2, 3]]
    with pytest.raises(FileNotFoundError, match=r"Arrays: x\[1\] is '.*none.png', and there is no such file"):
        Arrays([paths[0], tmp_path / "none.png"])
    image.new("L", (4, 3)).save(paths[1])
    with pytest.raises(ValueError, match=r"x\[1\], .*b\.png, is a picture of 4 x 3 pixels and mode 'L', and those before"):
        Arrays(paths)
    (tmp_path / "c.png").write_text("text")
    with pytest.raises(ValueError, match=r"x\[0\], .*c\.png, cannot be read as a picture"):
        Arrays([tmp_path / "c.png"])


@pytest.mark.parametrize(("mode", "what"), [("P", "places in its palette"), ("RGBA", "transparency"), ("I;16", "'I;16'; it is"),
                                            ("CMYK", "'CMYK'; it is")])
def test_modes_that_are_no_colours_or_greys(image, mode, what):
    with pytest.raises(ValueError, match=f"Arrays: x\\[1\\] is a picture of mode .*{what}.*convert\\('RGB'\\)"):
        Arrays([image.new("RGB", (4, 3)), image.new(mode, (4, 3))])


def test_mistakes_with_pictures(image):
    one = image.new("RGB", (4, 3))
    with pytest.raises(ValueError, match=r"x\[2\] is a picture of 5 x 3 pixels and mode 'RGB', and those before have 4 x 3"):
        Arrays([one, one, image.new("RGB", (5, 3))])
    with pytest.raises(TypeError, match="Arrays: x is one picture; give a list"):
        Arrays(one)
    with pytest.raises(TypeError, match=r"x\[1\] is a int, and those before are pictures"):
        Arrays([one, 3])
    with pytest.raises(TypeError, match=r"x\[1\] is a picture, and those before are none; give pictures as one list"):
        Arrays([np.zeros((3, 4, 3)), one])
    with pytest.raises(TypeError, match=r"x\[0\] is a list of pictures; give pictures as one list"):
        Arrays([[one, one], [one, one]])
    with pytest.raises(TypeError, match="fit: data is a list, whose first element is a Image"):
        fitted([one, one])


def test_fit_and_workers_take_pictures(image):
    pictures = [image.effect_noise((4, 3), 40) for _ in range(8)]
    t = [0, 1] * 4
    arrays = Arrays(pictures).data.astype(np.float32) / np.float32(255)
    losses = []
    for data in ((pictures, t), (arrays, np.array(t)), Arrays(pictures, t)):
        np.random.seed(0)
        model = Sequential(L.Conv2d(2, 3), F.relu, F.flatten, L.Linear(2))
        losses.append(dezero_c.fit(model, data, SGD(0.1), F.softmax_cross_entropy, 2, progress=False)["loss"])
    assert losses[0] == losses[2]
    np.testing.assert_allclose(losses[0], losses[1], rtol=1e-6)
    again = pickle.loads(pickle.dumps(Arrays(pictures, t)))
    np.testing.assert_array_equal(again[:][0], Arrays(pictures, t)[:][0])
    loader = DataLoader(Arrays(pictures, t), 4, shuffle=False, workers=1)
    np.testing.assert_array_equal(np.concatenate([x for x, _ in loader]), again[:][0])


def test_neither_pandas_nor_pillow_is_imported():
    code = """
import sys
import numpy as np
from dezero_c.datasets import Arrays
Arrays(np.ones(3), [1, 2, 3]), Arrays(iter([[1], [2]]))
assert not {"pandas", "PIL"} & set(sys.modules)
sys.modules["PIL"] = None
try:
    Arrays(["a.png"])
except ImportError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pip install pillow" in done.stdout
