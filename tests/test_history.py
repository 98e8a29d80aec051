"""History: rows and columns, files, tables and curves."""

import copy
import json
import math
import pickle
import sys
import types
from xml.etree import ElementTree

import numpy as np
import pytest

from dezero_c import Variable
from dezero_c._draw import chart as _chart
from dezero_c.history import History


@pytest.fixture
def no_matplotlib(monkeypatch):
    for name in ("matplotlib", "matplotlib.backends.backend_agg", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)


def trained(epochs=5):
    history = History()
    for k in range(epochs):
        history.append(train_loss=1 / (k + 1), test_loss=1.5 / (k + 1), train_acc=1 - 1 / (k + 2), test_acc=k / (k + 1))
    return history


# ---- rows and columns ---------------------------------------------------------------------------------------------

def test_append_counts_epochs_from_one():
    history = History()
    assert len(history) == 0
    history.append(loss=0.5)
    history.append(loss=0.25, accuracy=0.9)
    assert len(history) == 2
    assert history["epoch"] == [1, 2]
    assert history["loss"] == [0.5, 0.25]
    assert history["accuracy"] == [None, 0.9]
    assert list(history) == [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25, "accuracy": 0.9}]
    assert history[-1] == history[1] == {"epoch": 2, "loss": 0.25, "accuracy": 0.9}
    assert history.keys() == ["epoch", "loss", "accuracy"]
    assert "loss" in history
    assert "epoch" in history
    assert "los" not in history
    history.append(epoch=7.5, loss=0.1)
    history.append(loss=0.0)
    assert history["epoch"] == [1, 2, 7.5, 8]


def test_columns_are_copies():
    history = trained()
    history["train_loss"].append(3)
    history["epoch"].clear()
    assert len(history["train_loss"]) == len(history["epoch"]) == 5


def test_record_joins_replaces_and_sorts():
    history = History()
    history.record(0, train_loss=1.0)
    history.record(2, train_loss=0.5)
    history.record(0, test_loss=2.0)
    history.record(1, train_loss=0.7)
    history.record(2, train_loss=0.4)
    assert list(history) == [{"epoch": 0, "train_loss": 1.0, "test_loss": 2.0}, {"epoch": 1, "train_loss": 0.7},
                             {"epoch": 2, "train_loss": 0.4}]
    assert history["test_loss"] == [2.0, None, None]


@pytest.mark.parametrize(("value", "number"), [
    (1, 1), (0.5, 0.5), (True, 1), (np.float32(0.5), 0.5), (np.array([[2.0]]), 2.0), (np.int64(3), 3), (np.array(4), 4),
    (Variable(np.array(0.25)), 0.25), (Variable(np.array([[1.5]], np.float32)), 1.5), (None, None),
    (Variable(None), None), (math.inf, math.inf), (np.bool_(True), 1),
])
def test_values_become_numbers(value, number):
    history = History()
    history.append(loss=value)
    assert history["loss"] == [number]
    assert type(history["loss"][0]) is type(number)


@pytest.mark.parametrize(("value", "error", "text"), [
    ("0.5", TypeError, "loss is str, and a record is a number"),
    (1j, TypeError, "loss is complex"),
    ([0.5], TypeError, "loss is list"),
    (np.zeros(3), ValueError, r"loss has shape \(3,\).*loss\.mean\(\)"),
    (Variable(np.zeros((2, 2))), ValueError, r"loss has shape \(2, 2\)"),
    (np.array("x"), TypeError, "loss is ndarray"),
    (10**301, ValueError, "loss is an int with more than 300 digits"),
])
def test_what_is_no_number_leaves_the_history_as_it_was(value, error, text):
    history = trained(2)
    before = list(history)
    with pytest.raises(error, match=f"History.append: {text}"):
        history.append(train_loss=1.0, loss=value)
    with pytest.raises(error, match=f"History.record: {text}"):
        history.record(1, train_loss=1.0, loss=value)
    assert list(history) == before
    assert "loss" not in history


def test_wrong_calls():
    history = trained(2)
    with pytest.raises(ValueError, match="nothing to record"):
        history.append()
    with pytest.raises(ValueError, match="epoch must be a finite number, not nan"):
        history.record(math.nan, loss=1)
    with pytest.raises(TypeError, match="epoch is str"):
        history.record("first", loss=1)
    with pytest.raises(KeyError, match="nothing was recorded as 'loss'; there is epoch, train_loss"):
        history["loss"]
    with pytest.raises(IndexError, match="row 2 of 2"):
        history[2]
    for key in (1.5, None, slice(1)):
        with pytest.raises(TypeError, match="History: a key is the name of a column or the number of a row"):
            history[key]
    assert len(history) == 2


def test_copies_and_pickles():
    history = trained()
    for twin in (copy.deepcopy(history), pickle.loads(pickle.dumps(history))):
        assert list(twin) == list(history)
        twin.append(train_loss=9)
        assert len(history) == 5


# ---- files --------------------------------------------------------------------------------------------------------

def test_files_give_everything_back(tmp_path):
    history = trained(3)
    history.record(4.5, train_loss=math.nan, test_loss=math.inf, train_acc=-math.inf, other=7)
    path = tmp_path / "run.json"
    history.save(path)
    json.loads(path.read_text(), parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    back = History.load(path)
    assert repr(list(back)) == repr(list(history))
    assert back.keys() == history.keys()
    back.append(train_loss=1)
    assert back["epoch"] == [1, 2, 3, 4.5, 5]
    History().save(path)
    assert len(History.load(path)) == 0


def test_saving_is_all_or_nothing(tmp_path, monkeypatch):
    path = tmp_path / "run.json"
    trained(1).save(path)
    old = path.read_bytes()
    monkeypatch.setattr("os.fsync", lambda fd: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(OSError, match="No space left"):
        trained(9).save(path)
    assert path.read_bytes() == old
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(FileNotFoundError, match=r"History\.save: the folder .*none' does not exist"):
        trained(1).save(tmp_path / "none" / "run.json")


@pytest.mark.parametrize("content", [
    b"", b"{", b"\xff\xfe", b"[]", b"3", b"{}", b'{"format": "other"}',
    b'{"format": "dezero_c history 1"}',
    b'{"format": "dezero_c history 1", "columns": []}',
    b'{"format": "dezero_c history 1", "columns": {"loss": [1]}}',
    b'{"format": "dezero_c history 1", "columns": {"epoch": [1], "loss": [1, 2]}}',
    b'{"format": "dezero_c history 1", "columns": {"epoch": [1], "loss": 2}}',
    b'{"format": "dezero_c history 1", "columns": {"epoch": [1], "loss": ["x"]}}',
    b'{"format": "dezero_c history 1", "columns": {"epoch": [1], "loss": [true]}}',
    b'{"format": "dezero_c history 1", "columns": {"epoch": [1], "loss": [[1]]}}',
    b'{"format": "dezero_c history 1", "columns": {"epoch": [2, 1]}}',
    b'{"format": "dezero_c history 1", "columns": {"epoch": [1, 1]}}',
    b'{"format": "dezero_c history 1", "columns": {"epoch": ["nan"]}}',
    b'{"format": "dezero_c history 1", "columns": {"epoch": [null]}}',
    b'{"format": "dezero_c history 1", "columns": {"epoch": [1' + b"0" * 400 + b"]}}",
    b"[" * 100_000,
], ids=range(21))
def test_damaged_files(tmp_path, content):
    path = tmp_path / "run.json"
    path.write_bytes(content)
    said = r"History\.load: .*run\.json is not a file of a History, or damaged: .*History\.save"
    with pytest.raises(ValueError, match=said):
        History.load(path)


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"none\.json"):
        History.load(tmp_path / "none.json")


# ---- tables -------------------------------------------------------------------------------------------------------

def test_repr():
    history = History()
    assert repr(history) == "History without rows"
    history.append(loss=0.123456)
    history.append(loss=1, accuracy=math.nan)
    assert repr(history) == ("History of 2 rows\n"
                             "epoch    loss  accuracy\n"
                             "    1  0.1235          \n"
                             "    2       1       nan")
    long = repr(trained(1000)).split("\n")
    assert len(long) == 14
    assert long[-1].split()[0] == "1000"
    assert set(long[5]) == {" ", "…"}


def test_html():
    history = History()
    assert "without rows" in history._repr_html_()
    history.append(**{"<script>": 1.0, 'a"b&c': 2})
    html = history._repr_html_()
    assert "<script" not in html
    assert "&lt;script&gt;" in html
    root = ElementTree.fromstring(html)
    assert root[0].tag.endswith("svg")
    assert [cell.text for cell in root.iter("td")] == ["1", "1", "2"]


# ---- curves -------------------------------------------------------------------------------------------------------

def test_panels():
    names = ["lr", "train_acc", "Train Loss", "val-loss", "loss", "test_acc", "test"]
    plan = _chart.panels([1], {name: [0.5] for name in names})
    assert [(title, [name for name, *_ in lines]) for title, lines in plan] == [
        ("loss", ["Train Loss", "val-loss", "loss"]), ("accuracy", ["train_acc", "test_acc"]), ("lr", ["lr"]),
        ("test", ["test"])]
    colours = {name: colour for _, lines in plan for name, colour, *_ in lines}
    assert colours["Train Loss"] == colours["train_acc"] != colours["test_acc"]
    for _, lines in plan:
        assert len({colour for _, colour, *_ in lines}) == len(lines)


def test_png(tmp_path):
    pytest.importorskip("matplotlib")
    history = trained(40)
    history.append(**{"_hidden_loss": 0.5, "$x^_loss": math.nan})
    path = tmp_path / "run.png"
    assert history.plot(path) == str(path)
    assert path.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert history.plot(str(tmp_path / "run.pdf")).endswith("run.pdf")
    with pytest.raises(ValueError, match="xyz"):
        history.plot(tmp_path / "run.xyz")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run.pdf", "run.png"]


def test_figure(monkeypatch):
    pytest.importorskip("matplotlib")
    monkeypatch.delitem(sys.modules, "matplotlib.pyplot", raising=False)
    figure = trained().plot()
    assert [axes.get_title() for axes in figure.axes] == ["loss", "accuracy"]
    assert [text.get_text() for text in figure.axes[0].get_legend().get_texts()] == [" train_loss", " test_loss"]
    assert figure._repr_png_().startswith(b"\x89PNG")     # for notebooks
    line = figure.axes[0].lines[0]
    assert list(line.get_xdata()) == [1, 2, 3, 4, 5]
    assert list(line.get_ydata()) == trained()["train_loss"]
    made = []
    pyplot = types.ModuleType("matplotlib.pyplot")
    pyplot.figure = lambda **size: made.append(size) or type(figure)(**size)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", pyplot)
    trained().plot()
    assert len(made) == 1


def test_without_matplotlib(tmp_path, no_matplotlib):
    history = trained()
    path = tmp_path / "run.svg"
    assert history.plot(path) == str(path)
    root = ElementTree.parse(path).getroot()
    said = [t.text for t in root.iter("{http://www.w3.org/2000/svg}text")]
    for text in ("loss", "accuracy", "train_loss", "test_acc", "epoch"):
        assert text in said
    for to_file in (tmp_path / "run.png", None):
        with pytest.raises(ImportError, match=r"pip install matplotlib.*history\.plot\(to_file='run\.svg'\)"):
            history.plot(to_file)
    assert list(tmp_path.iterdir()) == [path]


def test_wrong_plots(tmp_path):
    with pytest.raises(ValueError, match=r"History\.plot: nothing was recorded yet"):
        History().plot(tmp_path / "run.svg")
    with pytest.raises(ValueError, match="has no ending that says which format"):
        trained().plot(tmp_path / "run")
    with pytest.raises(FileNotFoundError, match=r"History\.plot: the folder .*none' does not exist"):
        trained().plot(tmp_path / "none" / "run.svg")


@pytest.mark.parametrize("ys", [
    [], [None], [math.nan, math.inf], [0.0], [5, 5, 5], [1e308, -1e308], [1e-320, 2e-320], [1e-9, 2e-9], [1e9, -3e9],
    [0.1] * 3 + [math.nan] + [0.3] * 3, list(range(5000)), [1.0, 1.0 + 1e-15], [-1e-300, 1e-300],
], ids=range(13))
def test_svg_of_odd_values(ys):
    xs = list(range(1, len(ys) + 1))
    root = ElementTree.fromstring(_chart.svg(_chart.panels(xs, {"loss": ys}), "epoch"))
    numbers = [float(n) for path in root.iter("{http://www.w3.org/2000/svg}path")
               for n in path.get("d").replace("M", " ").replace("L", " ").replace("H", " ").replace("V", " ").split()]
    assert all(-1 <= n <= 400 for n in numbers)


def test_svg_draws_every_point_or_the_extremes():
    def line(ys):
        root = ElementTree.fromstring(_chart.svg(_chart.panels(list(range(len(ys))), {"loss": ys}), "epoch"))
        return root.findall(".//{http://www.w3.org/2000/svg}path")[-1].get("d")

    assert line([1.0, 2.0, math.nan, 3.0]).count("M") == 2
    assert line([1.0, 2.0, math.nan, 3.0]).count("L") == 1
    spike = [0.0] * 20_000
    spike[12_345] = 1.0
    low, high = (float(p.split()[1]) for p in (line(spike).split("L")[0], max(
        line(spike).split("L"), key=lambda p: -float(p.split()[1]))))
    assert high < low - 100
    assert line(spike).count("L") < 900


@pytest.mark.parametrize(("values", "ticks"), [
    ([0.0, 1.0], ["0", "0.2", "0.4", "0.6", "0.8", "1.0"]),
    ([-3, 3], ["−3", "−2", "−1", "0", "1", "2", "3"]),
    ([1000.0, 5000.0], ["1000", "2000", "3000", "4000", "5000"]),
    ([0.0, 5e-5], ["0", "1e−5", "2e−5", "3e−5", "4e−5", "5e−5"]),
])
def test_ticks_are_round_numbers(values, ticks):
    low, high, found = _chart._axis(values, 5, False)
    assert [text for _, text in _chart._labels(found)] == ticks
    assert low <= min(values)
    assert max(values) <= high


def test_ticks_of_whole_numbers_are_whole():
    for last in (1, 2, 3, 7, 100):
        _, _, found = _chart._axis([1, last], 6, True)
        assert found
        assert all(tick == int(tick) for tick in found)
