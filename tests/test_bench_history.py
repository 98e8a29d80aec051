"""bench/history.py: runs and older pages are read or refused, and docs/figures.md has the tables of the entries that are kept."""

import copy
import importlib
import importlib.util
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def load(name):
    """A module of the checkout's `bench`, found by its place, as in test_bench.py."""
    if "bench" not in sys.modules:
        folder = ROOT / "bench"
        spec = importlib.util.spec_from_file_location("bench", folder / "__init__.py", submodule_search_locations=[str(folder)])
        sys.modules["bench"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return importlib.import_module(f"bench.{name}")


history = load("history")
RUN = {
    "schema": 2, "date": "2026-12-01T10:00:00+00:00", "quick": False, "slow": False, "threads": 1,
    "core": {"build_info": {"simd": "base"}}, "machine": {"cpu": "Some 9000"},
    "versions": {"dezero_c": "0.3.0", "dezero": "0.0.13", "numpy": "2.4.6"},
    "workloads": [
        {"name": "chain-scalar", "quantity": "ns", "rows": [
            {"key": "dezero_c", "median": 123.0467, "times_dezero_c": 1.0},
            {"key": "dezero", "median": 2e4, "times_dezero_c": 160.0},
            {"key": "numpy", "median": 300.0, "times_dezero_c": None}]},
        {"name": "lstm", "quantity": "ns", "rows": [
            {"key": "dezero_c", "median": 5e6, "times_dezero_c": 1.0}, {"key": "dezero", "median": 4e7, "times_dezero_c": 8.0}]},
        {"name": "memory", "quantity": "bytes", "rows": [{"key": "dezero_c", "median": 356.0, "times_dezero_c": 1.0}]},
        {"name": "absent", "quantity": "ns", "rows": [{"key": "numpy", "median": 5.0, "times_dezero_c": None}]},
    ],
}
PAGE = """# Results

- 2026-11-30, Some 9000, 2 CPUs, Linux, Python 3.11, dezero_c 0.2.0, dezero 0.0.13, numpy 2.4; gcc, kernels for base; threads: 1.
- 2026-11-30, Some 9000, 2 CPUs, Linux, Python 3.11, dezero_c 0.2.0, numpy 2.4.6; gcc, kernels for base; threads: 2.

| row | dezero_c | DeZero | NumPy, forward only |
| --- | --- | --- | --- |
| `chain-scalar`: chain of sin and mul; per op | 246 ns | 1,024 | 3.39 |
| `lstm`: LSTM of 100, 30 steps; per step | 2.50 ms | 8 |  |
| `lstm-2`: the same on two threads; per step | 2.00 ms |  |  |

notes
"""


def run(**changes):
    return json.dumps({**RUN, **changes})


def test_a_run_is_reduced_to_medians_and_ratios():
    entry = history.from_run(run(), "one.json")
    assert (entry["version"], entry["measured_as"], entry["date"]) == ("0.3.0", "0.3.0", "2026-12-01")
    assert history.place(entry) == "Some 9000, base"
    assert entry["rows"] == {"chain-scalar": {"seconds": 1.23e-7, "ratios": {"dezero": 160.0}},
                             "lstm": {"seconds": 5e-3, "ratios": {"dezero": 8.0}}}
    assert entry["versions"] == {"dezero": "0.0.13", "numpy": "2.4.6"}
    assert history.from_run(run(), "one.json", "0.4.0")["measured_as"] == "0.3.0"


def broken(path, value):
    made = copy.deepcopy(RUN)
    *outer, last = path
    part = made
    for key in outer:
        part = part[key]
    part[last] = value
    return json.dumps(made)


@pytest.mark.parametrize(("text", "message"), [
    ("{", "one.json is no JSON"), ("[]", "is not what `python -m bench --json`"), (run(schema=1), "schema 2"),
    (run(quick=True), "quick run"), (run(threads=2), "with 2 threads"), (run(machine={}), "lacks a part .*'cpu'"),
    (run(workloads=[]), "not times and ratios"), (run(workloads=None), "lacks a part"),
    (run(date="yesterday!"), "its date is none"),
    (run(versions={"dezero_c": "unknown"}), "give one like 0.2.0"),
    (broken(["workloads", 0, "rows", 0, "median"], -1.0), "not times and ratios"),
    (broken(["workloads", 0, "rows", 0, "median"], float("nan")), "not times and ratios"),
    (broken(["workloads", 0, "rows", 0, "median"], "fast"), "lacks a part"),
])
def test_a_wrong_run_is_refused(text, message):
    with pytest.raises(history.WrongFile, match=message):
        history.from_run(text, "one.json")


def test_an_older_page_is_read():
    entry = history.from_page(PAGE, "old.md", "Some 9000, base", note="by hand")
    assert (entry["version"], entry["date"], entry["note"]) == ("0.2.0", "2026-11-30", "by hand")
    assert entry["rows"] == {"chain-scalar": {"seconds": 2.46e-7, "ratios": {"dezero": 1024.0, "numpy": 3.39}},
                             "lstm": {"seconds": 2.5e-3, "ratios": {"dezero": 8.0}}}


@pytest.mark.parametrize("where", ["AMD EPYC, avx2", "AMD EPYC (family 25, model 17), avx2",
                                   "AMD EPYC (family 25, model 17), avx512", "Intel(R) Xeon(R) Processor, avx512"])
def test_the_page_of_now_is_read(where):
    text = (ROOT / "bench" / "RESULTS.md").read_text(encoding="utf-8")
    entry = history.from_page(text, "RESULTS.md", where)
    assert history.place(entry) == where
    assert len(entry["rows"]) > 100
    assert entry["rows"]["chain-scalar"]["ratios"]["dezero"] > 50
    assert f"| {history.quantity(entry['rows']['lstm']['seconds'] * 1e9, 'ns')} |" in text


@pytest.mark.parametrize(("old", "new", "where", "message"), [
    ("", "", "Other 1, base", "measured on Some 9000, base, and not on Other 1"),
    ("# Results", "<!-- measured on: Some 9000, base -->", "Other 1, base", "no section 'Other 1, base'; it has: Some"),
    ("2026-11-30, ", "", "Some 9000, base", "does not say when"),
    ("| row | dezero_c |", "| line | dezero_c |", "Some 9000, base", "no table"),
    ("DeZero |", "DeZebra |", "Some 9000, base", "nobody known: DeZebra"),
    ("246 ns", "246 hours", "Some 9000, base", "the row chain-scalar is not a time and ratios"),
    ("1,024", "many", "Some 9000, base", "the row chain-scalar"),
])
def test_a_wrong_page_is_refused(old, new, where, message):
    with pytest.raises(history.WrongFile, match=message):
        history.from_page(PAGE.replace(old, new) if old else PAGE, "old.md", where)


def test_entries_are_kept_once_and_read_in_order(tmp_path):
    new, old = history.from_run(run(), "new"), history.from_page(PAGE, "old", "Some 9000, base")
    path = history.keep(new, folder=tmp_path)
    assert path.name == "0.3.0-2026-12-01-some-9000-base.json"
    history.keep(old, folder=tmp_path)
    assert history.entries(tmp_path) == [old, new]
    with pytest.raises(history.WrongFile, match="is there already; --replace"):
        history.keep(new, folder=tmp_path)
    history.keep({**new, "note": "again"}, replace=True, folder=tmp_path)
    assert history.entries(tmp_path)[1]["note"] == "again"
    path.rename(tmp_path / "0.9.0.json")
    with pytest.raises(history.WrongFile, match=r"rename it to 0\.3\.0-2026-12-01"):
        history.entries(tmp_path)
    (tmp_path / "0.9.0.json").write_text("{}")
    with pytest.raises(history.WrongFile, match="is no entry"):
        history.entries(tmp_path)
    (tmp_path / "0.9.0.json").write_text("{")
    with pytest.raises(history.WrongFile, match="is no JSON"):
        history.entries(tmp_path)


def test_versions_are_ordered_by_their_numbers():
    assert history.version_key("0.10.0") > history.version_key("0.9.1")


def test_changes_are_told_in_time_and_by_the_yardstick():
    old, new = history.from_page(PAGE, "old", "Some 9000, base"), history.from_run(run(), "new")
    plain, against = history.change(old, new)
    assert plain == {"chain-scalar": pytest.approx(123 / 246), "lstm": 2.0}
    assert against == {"chain-scalar": 1024 / 160, "lstm": 1.0}     # twice the time, on a machine of half the speed
    lines = history.table([old, new]).splitlines()
    assert lines[0] == "| row | 0.2.0, 30 Nov | 0.3.0, 1 Dec | DeZero then | now | time | by DeZero's |"
    assert lines[2] == "| scalar chain, an operation (`chain-scalar`) | 246 ns | 123 ns | 1,024 x | 160 x | 0.50 | 6.40 |"
    assert lines[3].endswith("| 2.50 ms | 5.00 ms | 8 x | 8 x | 2.00 | 1.00 |")
    assert lines[4] == "| geometric mean |  |  |  |  | 1.00 of 2 rows | 2.53 of 2 rows |"
    assert "then" not in history.table([old])


def test_the_page_of_figures_has_the_tables_of_the_entries():
    """Else: python -m bench.history page"""
    text = history.PAGE.read_text(encoding="utf-8")
    found = history.entries()
    assert {entry["version"] for entry in found} >= {"0.1.0", "0.2.0"}
    assert history.page(text, found) == text
    assert history.PICTURE.read_bytes().startswith(b"\x89PNG")
    with pytest.raises(history.WrongFile, match="not one line"):
        history.page("", found)


def test_rows_that_are_shown_are_measured():
    assert set(history.SHOWN) <= set(load("workloads").WORKLOADS)


def test_the_picture(tmp_path):
    pytest.importorskip("matplotlib")
    history.draw([history.from_page(PAGE, "old", "Some 9000, base"), history.from_run(run(), "new")], tmp_path / "figures.png")
    assert (tmp_path / "figures.png").read_bytes().startswith(b"\x89PNG")
    assert [history.tick(ns) for ns in (0, 500.0, 1500.0, 2e6)] == ["0", "500 ns", "1.5 us", "2 ms"]


def test_the_command(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(history, "FOLDER", tmp_path / "kept")
    file = tmp_path / "one.json"
    file.write_text(run(), encoding="utf-8")
    assert history.main(["add", str(file)]) == 0
    assert history.main(["add", str(file), "--version", "0.4.0"]) == 2
    assert "is of 0.3.0; say by --note why it stands for 0.4.0" in capsys.readouterr().err
    (tmp_path / "old.md").write_text(PAGE, encoding="utf-8")
    assert history.main(["import", str(tmp_path / "old.md"), "--place", "Some 9000, base", "--origin", "abc1234"]) == 0
    assert history.main([]) == 0
    assert "`bench/RESULTS.md` of commit abc1234." in capsys.readouterr().out
    assert history.main(["add", str(tmp_path / "nothing.json")]) == 2
    assert "cannot be read" in capsys.readouterr().err
    for wrong in (["add"], ["page", str(file)], ["import", str(file)]):
        with pytest.raises(SystemExit):
            history.main(wrong)
