"""The benchmark itself: that it runs against the installed package, reports what it should, and refuses to time a
wrong gradient.

No figure is judged here; machines differ. That is for `python -m bench --check`.
"""

import copy
import fnmatch
import importlib
import importlib.machinery
import importlib.util
import json
import math
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parents[1]


def load(name):
    """A module of the checkout's `bench`, found by its place, so that the checkout's root stays off `sys.path` for
    other tests.
    """
    if "bench" not in sys.modules:
        folder = ROOT / "bench"
        spec = importlib.util.spec_from_file_location(
            "bench", folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        sys.modules["bench"] = module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return importlib.import_module(f"bench.{name}")


campaign, environment, peers, plot, records, report, runner = map(
    load, ("campaign", "environment", "peers", "plot", "records", "report", "runner")
)
WORKLOADS, GROUPS = load("workloads").WORKLOADS, load("workloads").GROUPS
FUNCTIONS = [name for name, each in WORKLOADS.items() if each.group == "functions"]
TINY = records.Settings(quick=True, rounds=2, sample_seconds=1e-4, budget_seconds=0.1)


def bench(*arguments, **environ):
    command = [sys.executable, "-m", "bench", *arguments]
    return subprocess.run(
        command, cwd=ROOT, env={**os.environ, **environ}, capture_output=True, text=True, check=False, timeout=120
    )


@pytest.fixture(scope="module")
def document():
    done = bench("--quick", "--no-peers", "--json", "-")
    assert done.returncode == 0, done.stderr
    assert "goals:" in done.stderr
    return json.loads(done.stdout)


def test_measures_the_installed_core(document, tmp_path):
    """Found from a neutral folder: pytest itself may have been started with the checkout on its path."""
    command = [sys.executable, "-c", "import dezero_c._core as core; print(core.__file__)"]
    found = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    file = Path(document["core"]["file"])
    if found.returncode == 0:
        assert file == Path(found.stdout.strip())
    else:
        assert file.parent == ROOT / "dezero_c", (
            "nothing is installed, so only an in-place build can have been measured"
        )
    assert document["core"]["build_info"]


def test_document_is_complete(document):
    assert document["quick"] is True
    assert set(document) >= {"schema", "date", "machine", "versions", "absent", "groups"}
    assert [group["name"] for group in document["groups"]] == [group.name for group in GROUPS if group.name != "threads"]
    assert not any(each["missing"] for each in document["workloads"])
    assert [each["name"] for each in document["workloads"]] == list(WORKLOADS)
    assert set(document["versions"]) == {"dezero_c", "numpy"}


def test_figures_are_sane(document):
    for each in document["workloads"]:
        ours = [row for row in each["rows"] if row["key"] == "dezero_c"]
        if each["quantity"] == "bytes" and not hasattr(os, "sysconf"):
            continue
        assert len(ours) == 1, each["name"]
        for row in each["rows"]:
            assert 0 < row["median"] < math.inf, (each["name"], row)
            if each["quantity"] == "ns":
                assert 1 < row["median"] < 1e9
                assert row["min"] <= row["median"]


def test_goals_against_absent_peers_are_neither_met_nor_missed(document):
    goals = {(each["name"], goal["against"]): goal for each in document["workloads"] for goal in each["goals"]}
    assert goals["chain-scalar", "dezero"]["met"] is None
    assert goals["chain-scalar", "python"]["met"] in (True, False)
    assert len(goals) == sum(len(workload.goals) for workload in WORKLOADS.values())


def test_plot_is_a_png(document, tmp_path):
    pytest.importorskip("matplotlib")
    plot.draw(document, tmp_path / "bench.png")
    assert (tmp_path / "bench.png").read_bytes().startswith(b"\x89PNG\r\n\x1a\n")


def square_workload(gradients):
    """x^2 at 3 for a hand-made adapter, whose successive gradients are given."""
    given = iter(gradients)
    return records.Workload(
        name="square",
        title="square",
        unit="op",
        build=lambda adapter, n: lambda: (9.0, next(given)),
        reference=lambda n: (9.0, (6.0,)),
    )


def run_square(gradients, **attributes):
    adapter = SimpleNamespace(numpy=np.asarray, **attributes)
    return list(runner.run([square_workload(gradients)], {"dezero_c": adapter}, TINY))


@pytest.mark.parametrize(
    "gradients",
    [
        [(6.1,), (6.1,)],
        [(6.0,), (12.0,)],  # added up over runs: not cleared
        [(np.array([6.0]),)] * 2,  # of another shape
        [(6.0, 6.0)] * 2,
        [()] * 2,
        [None] * 2,
        [(math.nan,)] * 2,
    ],
)
def test_wrong_gradient_is_not_timed(gradients):
    with pytest.raises(records.WrongResult, match="square"):
        run_square(gradients)


def test_right_gradient_is_timed():
    def forever():
        while True:
            yield (6.0,)

    (result,) = run_square(forever())
    assert result["rows"][0]["median"] > 0
    assert "square; per op" in report.table(result)


def test_wrong_value_is_not_timed_even_without_gradient():
    workload = replace(WORKLOADS["rosenbrock"], reference=lambda n: (400.0, (-2.0, 400.0)))
    with pytest.raises(records.WrongResult, match="value"):
        list(runner.run([workload], {"numpy": peers.NumPyAdapter()}, TINY))


def test_a_memory_buffer_used_again_is_noticed():
    """The first result is compared after the second run, so a gradient that lives in recycled memory shows."""
    buffer = np.array(6.0)

    def recycled():
        yield (buffer,)
        buffer[...] = 5.0
        yield (np.array(6.0),)

    with pytest.raises(records.WrongResult, match="gradient 0"):
        run_square(recycled())


@pytest.mark.parametrize("name", [name for name, each in WORKLOADS.items() if each.quantity == "time"])
def test_references_agree_with_plain_numpy(name):
    """Each reference's value is what NumPy's forward pass gives, and its gradient is finite and not lost in
    underflow.
    """
    workload = WORKLOADS[name]
    n = min(workload.n, 1000)
    value, gradients = workload.reference(n)
    assert all(np.all(np.isfinite(gx)) and np.any(np.abs(gx) > 1e-12) for gx in gradients)
    if workload.group == "engine":  # elsewhere a maximum or a relu does have zeros
        assert all(np.all(np.abs(gx) > 1e-12) for gx in gradients)
    try:
        run = workload.build(peers.NumPyAdapter(), n)
    except peers.Unsupported:
        assert name not in FUNCTIONS
        return
    tolerance = records.Tolerance(1e-9) if workload.group == "engine" else workload.tolerance
    records.compare(name, "value", run()[0], value, tolerance)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_are_measured_on_arrays_and_against_dezero(name):
    """Every row has its goal, every peer is given the same arrays, and single precision is float32 for all of them."""
    workload = WORKLOADS[name]
    given = []
    adapter = SimpleNamespace(
        family="dezero",
        ops=peers.Named(SimpleNamespace(), **dict.fromkeys(NAMES_IN_DEZERO)),
        pullback=lambda function, inputs, gy: given.extend([*inputs, *([] if gy is None else [gy])]),
    )
    workload.build(adapter, workload.n)
    dtype = np.float32 if workload.tolerance == records.SINGLE else np.float64
    assert {each.dtype.type for each in given} == {dtype}
    assert workload.goals[0] == records.Goal("faster", 1, "dezero")


NAMES_IN_DEZERO = (
    "sum", "mean", "max", "tanh", "exp", "relu", "sigmoid", "softmax_cross_entropy", "linear", "conv2d", "pooling",
    "batch_nrom",
)  # fmt: skip


def test_the_measured_functions_are_there():
    ops = peers.load_dezero_c().ops
    for name in NAMES_IN_DEZERO:
        assert callable(getattr(ops, name))


def test_tolerances():
    def passes(measured, expected, tolerance):
        try:
            records.compare("a", "value", np.array(measured), np.array(expected), tolerance)
        except records.WrongResult:
            return False
        return True

    strict, scaled = records.Tolerance(), records.Tolerance(1e-6, 1e-5)
    assert passes([1.0, 1e-9], [1.0, 1e-9 + 1e-16], strict)
    assert not passes([1.0, 1e-9], [1.0, 2e-9], strict)
    assert passes([1.0, 1e-9], [1.0, 2e-9], scaled)
    assert not passes([1.0, 1e-9], [1.0, 2e-5], scaled)
    assert not passes([1.0, math.nan], [1.0, 1.0], scaled)
    assert not passes([1.0], [[1.0]], scaled)


def test_goal_kinds():
    ratios = {"dezero_c": 1.0, "torch": 50.0, "python": 0.5}
    faster, within = records.Goal("faster", 45, "torch"), records.Goal("within", 1.5, "python")
    assert (faster.measured(2.0, ratios), faster.met(50.0), faster.met(44.0)) == (50.0, True, False)
    assert (within.measured(2.0, ratios), within.met(2.0), within.met(1.5)) == (2.0, False, True)
    assert records.Goal("below", 400).measured(2.0, {}) == 2.0
    assert records.Goal("faster", 45, "dezero").measured(2.0, ratios) is None


def row(peer, times_dezero_c, n=1):
    return {"peer": peer, "key": peer, "n": n, "times_dezero_c": times_dezero_c}


def timed(name, *rows, group="functions"):
    return {"name": name, "group": group, "quantity": "ns", "rows": [row("dezero_c", 1.0), *rows]}


def summed_up(*results, limit=4):
    """Group results where a group "functions" has two workloads and a goal."""
    group = records.Group("functions", "functions", goals=(records.Goal("faster", limit, "dezero"),))
    workloads = [SimpleNamespace(group="functions", quantity="time")] * 2
    return runner.group_results(results, [group], workloads)


def test_a_group_is_judged_by_its_geometric_mean():
    results = [timed("a", row("dezero", 2.0), row("torch", 1.0)), timed("b", row("dezero", 8.0))]
    (group,) = summed_up(*results)
    assert group["geometric_means"]["dezero"] == {"workloads": 2, "times_faster": pytest.approx(4.0)}
    assert group["geometric_means"]["torch"] == {"workloads": 1, "times_faster": 1.0}
    (goal,) = summed_up(*results, limit=4.1)[0]["goals"]
    assert goal["met"] is False
    (goal,) = summed_up(*results, limit=3.9)[0]["goals"]
    assert (goal["met"], goal["not_judged"]) == (True, "")


def test_a_group_is_not_judged_by_a_part_of_it():
    (group,) = summed_up(timed("a", row("dezero", 2.0)))
    assert (group["goals"][0]["met"], group["goals"][0]["not_judged"]) == (None, "only some rows")
    (group,) = summed_up(timed("a"), timed("b"))
    assert (group["goals"][0]["met"], group["goals"][0]["not_judged"]) == (None, "not measured")
    assert summed_up(timed("a", row("dezero", 2.0), group="engine")) == []


def test_geometric_means_leave_out_other_sizes():
    means = runner.geometric_means([timed("a", row("dezero", 60.0, n=10)), timed("b", row("dezero", 2.0))])
    assert means == {"dezero": {"workloads": 1, "times_faster": pytest.approx(2.0)}}


@pytest.mark.parametrize(("n", "met"), [(100, False), (10, None)])
def test_a_peer_at_another_size_is_not_judged(n, met):
    workload = replace(
        square_workload([]), goals=(records.Goal("faster", 60, "dezero"), records.Goal("within", 4, "dezero_c@10"))
    )
    contenders = [
        records.Contender("dezero_c@10", "dezero_c", "dezero_c", 10),
        records.Contender("dezero_c", "dezero_c", "dezero_c", 100),
        records.Contender("dezero", "dezero", "DeZero", n),
    ]
    ratios = {"dezero_c@10": 0.5, "dezero_c": 1.0, "dezero": 50.0}
    result = runner.result(workload, "ns", [(each, {"median": 1.0}) for each in contenders], ratios, {})
    against_dezero, against_itself = result["goals"]
    assert against_dezero["met"] is met
    assert against_itself["met"] is True
    text = report.table(result)
    assert ("not judged (use --slow)" in text) == (met is None)
    assert ("MISSED" in text) == (met is False)


def test_a_missing_function_is_shown():
    adapter = SimpleNamespace(family="dezero", ops=peers.Named(SimpleNamespace()), pullback=None)
    (result,) = runner.run([WORKLOADS["conv2d"]], {"dezero_c": adapter, "numpy": peers.NumPyAdapter()}, TINY)
    assert result["missing"] == {"dezero_c": "it has no function `conv2d`"}
    assert [each["key"] for each in result["rows"]] == ["numpy"]
    assert "without dezero_c: it has no function `conv2d`" in report.table(result)


@pytest.mark.parametrize(
    ("missing", "met", "code"),
    [({}, True, 0), ({}, None, 0), ({}, False, 1), ({"torch": "no"}, True, 0), ({"dezero_c": "no"}, True, 2)],
)
def test_exit_codes(monkeypatch, missing, met, code):
    """A group's goal counts for --check; a function that dezero_c lacks is an error with or without it."""
    command = load("__main__")
    document = {
        "workloads": [{"name": "conv2d", "missing": missing, "goals": []}],
        "groups": [{"goals": [{"met": met}]}],
    }
    monkeypatch.setattr(command, "build_document", lambda *arguments: document)
    monkeypatch.setattr(environment, "leave_checkout", lambda: None)
    monkeypatch.setattr(environment, "pin_threads", lambda threads: None)
    monkeypatch.setattr(environment, "load_dezero_c", lambda: None)
    assert command.main(["--check"]) == code
    assert command.main([]) == (code if code == 2 else 0)


def test_list_names_everything():
    done = bench("--list")
    assert done.returncode == 0, done.stderr
    for name in (*WORKLOADS, *peers.PEERS):
        assert name in done.stdout


def test_unknown_names_are_refused():
    done = bench("--only", "nonsense")
    assert done.returncode == 2
    assert "nonsense" in done.stderr
    assert "chain-scalar" in done.stderr


def test_says_so_when_dezero_c_cannot_be_imported(tmp_path):
    (tmp_path / "dezero_c").mkdir()
    (tmp_path / "dezero_c" / "__init__.py").write_text("raise ImportError('the core is not there')\n")
    path = os.pathsep.join(filter(None, (str(tmp_path), os.environ.get("PYTHONPATH"))))
    done = bench("--quick", "--no-peers", PYTHONPATH=path)
    assert done.returncode == 2, done.stderr
    assert "the core is not there" in done.stderr
    assert "pip install" in done.stderr
    assert "Traceback" not in done.stderr


def test_checkout_leaves_the_path(monkeypatch, tmp_path):
    (tmp_path / "dezero_c").mkdir()
    monkeypatch.setattr(sys, "path", ["", str(tmp_path), *sys.path])
    monkeypatch.chdir(tmp_path)
    environment.leave_checkout(tmp_path)
    assert "" not in sys.path
    assert str(tmp_path) not in sys.path


def test_an_in_place_build_is_used_where_nothing_is_installed(monkeypatch, tmp_path):
    suffix = importlib.machinery.EXTENSION_SUFFIXES[0]
    (tmp_path / "dezero_c").mkdir()
    (tmp_path / "dezero_c" / f"_core{suffix}").touch()
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.setattr(environment.importlib.util, "find_spec", lambda name: None)
    environment.leave_checkout(tmp_path)
    assert sys.path[-1] == str(tmp_path)
    assert sys.path.count(str(tmp_path)) == 1


def test_replays_have_the_bits_of_eager_calls():
    done = subprocess.run([sys.executable, "-m", "bench.replays", "--quick"], cwd=ROOT, capture_output=True, text=True,
                          check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert "110 functions" in done.stdout
    assert done.stdout.count("\n| ") == 27      # the head of the table, and the slowest


def test_ratio_is_taken_within_rounds():
    """A machine that is slow in some rounds: the medians fall into different moods, neighbours' ratios do not."""
    timing = load("timing")
    ours = timing.Job("dezero_c", None, 1, samples=[1.0, 1.0, 3.0, 3.0, 3.1])
    peer = timing.Job("torch", None, 1, samples=[2.0, 2.0, 6.0, 6.0])
    assert timing.ratio(peer, ours) == 2.0


def measured(name, times_faster, *goals):
    return {
        "name": name, "quantity": "ns", "rows": [row("dezero_c", 1.0), row("torch", times_faster)],
        "goals": [{"against": "torch", "kind": "faster", "limit": limit} for limit in goals],
    }  # fmt: skip


def test_a_line_of_the_table_is_judged_by_its_least_row():
    results = [measured("exp-1e3-f64", 16.0, 8), measured("log-1e3-f32", 4.0, 8), measured("chain-8", 40.0, 30)]
    made = {line[0]: line[1:5] for line in campaign.lines(results)}
    assert made["8 functions at 10^3, both precisions"] == ("8", "8", "4 (log-1e3-f32)", "missed")
    assert made["8-element chain"] == ("30", "40", "40", "met")
    assert "missed" in campaign.text(results)
    assert "8-element chain" in campaign.markdown(results)
    assert campaign.text([measured("newton", 40.0, 30)]) == ""


def test_the_whole_table_names_what_is_behind():
    ((peer, goal, mean, rows, behind),) = campaign.whole([measured("chain-8", 8.0, 30), measured("chain-64", 0.5, 15)])
    assert (peer, goal, mean, rows, behind) == ("torch", 6, pytest.approx(2.0), 2, {"chain-64": 0.5})


def test_every_line_of_the_table_has_rows_with_goals():
    names = {**WORKLOADS, **load("workloads").threaded(WORKLOADS, 2)}
    for line in campaign.LINES:
        fitting = [name for name in names if any(fnmatch.fnmatchcase(name, pattern) for pattern in line.patterns)]
        assert fitting, line.title
        assert all(any(goal.against == line.peer for goal in names[name].goals) for name in fitting), line.title


def test_results_are_written_and_notes_kept(document, tmp_path, monkeypatch):
    results = load("results")
    path = tmp_path / "RESULTS.md"
    monkeypatch.setattr(results, "PAGE", path)

    def write(cpu="", simd=""):
        made = copy.deepcopy(document)
        made["machine"]["cpu"] = cpu or made["machine"]["cpu"]
        made["core"]["build_info"]["simd"] = simd or made["core"]["build_info"]["simd"]
        (tmp_path / "one.json").write_text(json.dumps(made), encoding="utf-8")
        results.main([tmp_path / "one.json"])
        return path.read_text(encoding="utf-8")

    page = write("Some 9000", "base")
    assert "`chain-scalar`" in page
    assert document["machine"]["python"] in page
    assert "kernels for base (the processor has" in page
    assert document["machine"]["blas"] in page
    path.write_text(page + "because of this\n", encoding="utf-8")
    assert write("Some 9000", "base") == page + "because of this\n"

    # another processor, or another level of the same one: a section of its own, the first one as it was
    both = write("Other 1", "base")
    assert both.startswith(page + "because of this\n")
    assert list(results.sections(both)) == ["Some 9000, base", "Other 1, base"]
    path.write_text(both + "and of that\n", encoding="utf-8")
    assert write("Some 9000", "base") == both + "and of that\n"
    assert list(results.sections(write("Other 1", "wide"))) == ["Some 9000, base", "Other 1, base", "Other 1, wide"]


def test_results_of_two_processors_do_not_mix(document):
    results = load("results")
    other = copy.deepcopy(document)
    other["machine"]["cpu"] = "Another"
    with pytest.raises(results.Mixed, match=r"measured on .*Another.* one by one"):
        results.page("", [document, other])


def test_the_page_that_is_kept_has_sections():
    results = load("results")
    text = results.PAGE.read_text(encoding="utf-8")
    assert text.startswith(results.HEAD)
    assert "AMD EPYC, avx2" in results.sections(text)
    for where in results.sections(text):
        assert results.picture(where).exists()


def test_instructions_are_judged_for_the_same_versions_only():
    instructions = load("instructions")
    stored = {"chain-8": 1000, "newton": 1000}
    assert instructions.compare(stored, {"chain-8": 1029, "newton": 900}, True)[1]
    lines, right = instructions.compare(stored, {"chain-8": 1031, "newton": 900}, True)
    assert not right
    assert "MORE" in lines[0]
    assert "MORE" not in lines[1]
    assert instructions.compare(stored, {"chain-8": 2000}, False)[1]
    assert instructions.compare({}, {"chain-8": 2000}, True)[1]


def test_instructions_are_of_workloads_that_are_there():
    instructions = load("instructions")
    assert set(instructions.WORKLOADS) <= set(WORKLOADS)
    stored = json.loads(instructions.STORED.read_text(encoding="utf-8"))
    assert set(stored["instructions"]) == set(instructions.WORKLOADS)


def test_estimators_are_measured_beside_scikit_learns():
    pytest.importorskip("sklearn")
    found = load("estimators").measured("float32", 50, 12, 2)
    assert all(len(figures) == 2 for figures in found.values())
    assert found["net accuracy"] == found["eager accuracy"]
    assert min(found["net accuracy"]) > 0.85
    assert min(found["mlp accuracy"]) > 0.85
