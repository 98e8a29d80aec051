"""GradBench's tool: every evaluation through the protocol, against closed forms or a second implementation in loops and finite
differences, and what it says to messages that are wrong.
"""

import importlib
import itertools
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from test_bench import ROOT, load

protocol, spaces, descent, nested, compare = (
    load(f"gradbench.{each}") for each in ("protocol", "spaces", "descent", "nested", "compare")
)
EVALUATIONS = load("gradbench").EVALUATIONS
OURS = spaces.DezeroC()
MODES = list(itertools.product((True, False), repeat=2))


def module(name):
    return importlib.import_module(f"bench.gradbench.{name}")


def ask(name, function, given):
    message = {"id": 7, "kind": "evaluate", "module": name, "function": function, "input": given}
    return json.loads(protocol.text_of(protocol.answer(OURS, json.dumps(message))))


def evaluate(name, function, given):
    answer = ask(name, function, given)
    assert answer["success"], answer
    assert answer["id"] == 7
    (timing,) = answer["timings"]
    assert timing["name"] == "evaluate"
    assert timing["nanoseconds"] > 0
    return answer["output"]


def slopes(f, x, step=1e-6):
    """Central differences of f at x: the shape of f(x), then that of x."""
    x = np.asarray(x, dtype=float)
    columns = []
    for k in np.ndindex(x.shape):
        ahead, behind = x.copy(), x.copy()
        ahead[k] += step
        behind[k] -= step
        columns.append((np.asarray(f(ahead)) - np.asarray(f(behind))) / (2 * step))
    return np.stack(columns, -1).reshape(*np.shape(columns[0]), *x.shape)


def near(found, true, relative=1e-12):
    np.testing.assert_allclose(np.asarray(found), true, rtol=relative, atol=relative * max(1.0, float(np.max(np.abs(true)))))


def example(name):
    return json.loads(json.dumps(module(name).example("small")))


def test_hello():
    assert evaluate("hello", "square", 3.0) == 9.0
    assert evaluate("hello", "double", 3) == 6.0


def test_lse():
    x = [1.0, -2.0, 800.0, 799.5]
    weights = np.exp(np.array(x) - 800)
    near(evaluate("lse", "primal", {"x": x}), 800 + math.log(weights.sum()))
    near(evaluate("lse", "gradient", {"x": x}), weights / weights.sum())


def test_llsq():
    x, n = [0.3, -1.0, 0.7], 6
    t = [-1 + 2 * i / (n - 1) for i in range(n)]
    off = [(t_i > 0) - (t_i < 0) - sum(c * t_i**j for j, c in enumerate(x)) for t_i in t]
    near(evaluate("llsq", "primal", {"x": x, "n": n}), 0.5 * sum(r * r for r in off))
    true = [-sum(r * t_i**j for r, t_i in zip(off, t, strict=True)) for j in range(3)]
    near(evaluate("llsq", "gradient", {"x": x, "n": n}), true)


def test_ode_is_exact_where_the_solution_is_a_polynomial_of_degree_four():
    x = np.array([0.9, -0.4, 0.7, 1.3])
    for steps in (1, 3):
        found = evaluate("ode", "primal", {"x": x.tolist(), "s": steps})
        near(found, [np.prod(x[: i + 1]) * 2.0 ** (i + 1) / math.factorial(i + 1) for i in range(4)])
        near(evaluate("ode", "gradient", {"x": x.tolist(), "s": steps}), np.prod(x) * 16 / 24 / x)


def test_ode_is_the_classical_method_where_it_is_not_exact():
    x, h = np.linspace(0.5, 1.0, 7), 1.0

    def solve(x):
        y = np.zeros(7)
        shift = np.diag(x[1:], -1)
        for _ in range(2):
            k1 = shift @ y + x * np.eye(7)[0]
            k2 = shift @ (y + h / 2 * k1) + x * np.eye(7)[0]
            k3 = shift @ (y + h / 2 * k2) + x * np.eye(7)[0]
            k4 = shift @ (y + h * k3) + x * np.eye(7)[0]
            y = y + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)
        return y

    near(evaluate("ode", "primal", {"x": x.tolist(), "s": 2}), solve(x))
    near(evaluate("ode", "gradient", {"x": x.tolist(), "s": 2}), slopes(lambda x: solve(x)[-1], x), 1e-8)


@pytest.mark.parametrize("ell", [1, 2, 5])
def test_det(ell):
    a = np.random.default_rng(ell).normal(size=(ell, ell))
    given = {"A": a.ravel().tolist(), "ell": ell}
    near(evaluate("det", "primal", given), np.linalg.det(a))
    near(evaluate("det", "gradient", given), (np.linalg.det(a) * np.linalg.inv(a).T).ravel(), 1e-11)


def test_kmeans():
    given = example("kmeans")
    points, centroids = np.array(given["points"]), np.array(given["centroids"])
    squares = ((points[:, None] - centroids) ** 2).sum(2)
    near(evaluate("kmeans", "cost", given), squares.min(1).sum())
    means = np.array([points[squares.argmin(1) == k].mean(0) for k in range(len(centroids))])
    near(evaluate("kmeans", "dir", given), centroids - means)      # Newton's step leads to the mean


def test_kmeans_in_blocks_is_the_same(monkeypatch):
    given = example("kmeans")
    whole = evaluate("kmeans", "dir", given)
    monkeypatch.setattr(module("kmeans"), "BLOCK", 100)
    near(evaluate("kmeans", "dir", given), whole)


def test_kmeans_with_a_centroid_of_no_point_has_no_inverse():
    with np.errstate(invalid="ignore"):
        answer = ask("kmeans", "dir", {"points": [[0.0], [1.0]], "centroids": [[0.5], [9.0]]})
    assert not answer["success"]
    assert "no point is nearest to" in answer["error"]


def posterior(d, k, n, m, gamma, x, mu, q, l, alpha):  # noqa: E741
    """The density as it is defined: probabilities, determinants and inverses."""
    weights = np.exp(alpha) / np.exp(alpha).sum()
    precisions = []
    for j in range(k):
        Q, rest = np.diag(np.exp(q[j])), list(l[j])
        for column in range(d):
            for row in range(column + 1, d):
                Q[row, column] = rest.pop(0)
        precisions.append(Q.T @ Q)
    total = 0.0
    for each in x:
        density = 0.0
        for j in range(k):
            off = each - mu[j]
            density += weights[j] * math.exp(-0.5 * off @ precisions[j] @ off) * math.sqrt(
                np.linalg.det(precisions[j]) / (2 * math.pi) ** d
            )
        total += math.log(density)
    freedom = d + m + 1
    for P in precisions:
        top = np.linalg.det(P) ** ((freedom - d - 1) / 2) * math.exp(-0.5 * gamma**2 * np.trace(P))
        gammas = math.pi ** (d * (d - 1) / 4) * math.prod(math.gamma((freedom - j) / 2) for j in range(d))
        total += math.log(top / (2 ** (d * freedom / 2) * gamma ** (-d * freedom) * gammas))
    return total


def test_gmm():
    given = example("gmm")
    given["x"], given["n"] = given["x"][:9], 9
    arrays = {name: np.array(each) if isinstance(each, list) else each for name, each in given.items()}
    near(evaluate("gmm", "objective", given), posterior(**arrays))
    found = evaluate("gmm", "jacobian", given)
    assert list(found) == ["mu", "q", "l", "alpha"]
    for name, gradient in found.items():
        near(gradient, slopes(lambda a, name=name: posterior(**{**arrays, name: a}), arrays[name]), 1e-7)


def test_gmm_of_one_dimension():
    given = {"d": 1, "k": 2, "n": 2, "m": 0, "gamma": 1.0, "x": [[0.1], [0.4]], "mu": [[0.0], [1.0]], "q": [[0.2], [0.1]],
             "l": [[], []], "alpha": [0.5, -0.5]}  # fmt: skip
    assert evaluate("gmm", "jacobian", given)["l"] == [[], []]


def loss(main, extra, state, sequence):
    """One number after the other."""
    layers, b = len(main) // 2, len(extra[0])
    state, total = [list(row) for row in state], 0.0
    for row, following in itertools.pairwise(sequence):
        predicted = []
        for i in range(b):
            x = row[i] * extra[0][i]
            for j in range(layers):
                h, c, w, bias = state[2 * j][i], state[2 * j + 1][i], main[2 * j], main[2 * j + 1]
                forget, into, out, change = (
                    v * w[gate * b + i] + bias[gate * b + i] for gate, v in enumerate((x, h, x, h))
                )
                c = c / (1 + math.exp(-forget)) + math.tanh(change) / (1 + math.exp(-into))
                x = math.tanh(c) / (1 + math.exp(-out))
                state[2 * j][i], state[2 * j + 1][i] = x, c
            predicted.append(x * extra[1][i] + extra[2][i])
        log = math.log(2 + sum(map(math.exp, predicted)))
        total += sum(r * (y - log) for r, y in zip(following, predicted, strict=True))
    return -total / (len(sequence) - 1) / b


def test_lstm():
    given = example("lstm")
    main, extra, state, sequence = (np.array(given[each]) for each in ("main_params", "extra_params", "state", "sequence"))
    near(evaluate("lstm", "objective", given), loss(main, extra, state, sequence))
    found = evaluate("lstm", "jacobian", given)
    by_main = slopes(lambda a: loss(a, extra, state, sequence), main)
    by_extra = slopes(lambda a: loss(main, a, state, sequence), extra)
    near(found, np.concatenate([by_main.ravel(), by_extra.ravel()]), 1e-8)


def turn(r):
    """The matrix of a rotation by |r| about r: the exponential's series."""
    cross = np.array([[0, -r[2], r[1]], [r[2], 0, -r[0]], [-r[1], r[0], 0]])
    found, term = np.eye(3), np.eye(3)
    for k in range(1, 30):
        term = term @ cross / k
        found = found + term
    return found


def ba_errors(given, flat):
    n, m, p = given["n"], given["m"], given["p"]
    cameras, points, weights = flat[: 11 * n].reshape(n, 11), flat[11 * n : 11 * n + 3 * m].reshape(m, 3), flat[11 * n + 3 * m :]
    errors = []
    for i in range(p):
        cam = cameras[i % n]
        x, y, z = turn(cam[:3]) @ (points[i % m] - cam[3:6])
        at = np.array([x / z, y / z])
        s = at @ at
        at = at * (1 + cam[9] * s + cam[10] * s**2) * cam[6] + cam[7:9]
        errors += list(weights[i] * (at - given["feat"]))
    return np.array(errors + [1 - w * w for w in weights])


@pytest.mark.parametrize("still", [False, True])
def test_ba(still):
    given = example("ba")
    if still:
        given["cam"][:3] = [0.0, 0.0, 0.0]      # where Rodrigues' formula divides by 0
    n, m, p = given["n"], given["m"], given["p"]
    flat = np.concatenate([np.tile(given["cam"], n), np.tile(given["x"], m), np.full(p, given["w"])])
    true = ba_errors(given, flat)
    found = evaluate("ba", "objective", given)
    near(found["reproj_error"]["elements"], true[:2])
    near(found["w_err"]["element"], true[-1])
    assert found["reproj_error"]["repeated"] == found["w_err"]["repeated"] == p

    ba = module("ba")
    ends, columns, values = ba.functions(OURS, ba.read(given))["jacobian"]()
    dense = np.zeros((3 * p, 11 * n + 3 * m + p))
    assert len(ends) == len(dense) + 1
    for row in range(3 * p):
        inside = slice(ends[row], ends[row + 1])
        dense[row, columns[inside]] = values[inside]
    near(dense, slopes(lambda x: ba_errors(given, x), flat), 1e-7)
    answered = evaluate("ba", "jacobian", given)
    for name, whole in (("rows", ends), ("cols", columns), ("vals", values)):
        assert answered[name] == [*whole[:30].tolist(), whole[-1].item()]


def hand(given, theta, us):
    """ADBench's description, bone by bone and vertex by vertex."""
    model, data = given["data"]["model"], given["data"]
    bones = model["bone_count"]
    angles = np.zeros((bones, 3))
    rest = list(theta[6:])
    for finger in range(5):
        first = 2 + 4 * finger
        angles[first, 0], angles[first, 1] = rest.pop(0), rest.pop(0)
        angles[first + 1, 0] = rest.pop(0)
        angles[first + 2, 0] = rest.pop(0)
    absolute = []
    for bone in range(bones):
        relative = np.eye(4)
        relative[:3, :3] = turn([0, 0, angles[bone, 1]]) @ turn([angles[bone, 0], 0, 0])
        relative = np.array(model["base_relatives"][bone]) @ relative
        parent = model["parents"][bone]
        absolute.append(relative if parent < 0 else absolute[parent] @ relative)
    transforms = [g @ np.array(c) for g, c in zip(absolute, model["inverse_base_absolutes"], strict=True)]
    small = np.linalg.norm(theta[:3]) < 1e-4
    whole = np.eye(3) if small else turn(theta[:3])
    vertices = []
    for position, weights in zip(model["base_positions"], model["weights"], strict=True):
        at = sum(w * (each @ position)[:3] for w, each in zip(weights, transforms, strict=True) if w)
        if model["is_mirrored"]:
            at = at * [-1, 1, 1]
        vertices.append(whole @ at + theta[3:6])
    errors = []
    for i, (point, which) in enumerate(zip(data["points"], data["correspondences"], strict=True)):
        if us is None:
            at = vertices[which]
        else:
            a, b, c = (vertices[v] for v in model["triangles"][which])
            at = us[i][0] * a + us[i][1] * b + (1 - us[i][0] - us[i][1]) * c
        errors.append(np.array(point) - at)
    return np.concatenate(errors)


@pytest.mark.parametrize(("on_triangles", "mirrored", "still"), [(True, False, False), (False, True, False), (True, True, True)])
def test_ht(on_triangles, mirrored, still):
    given = example("ht")
    model, data = given["data"]["model"], given["data"]
    model["is_mirrored"] = mirrored
    data["points"], data["correspondences"] = data["points"][:4], data["correspondences"][:4]
    us = given["us"] = given["us"][:4] if on_triangles else []
    if still:
        given["theta"][:3] = [1e-5, -1e-5, 0.0]
    theta, us = np.array(given["theta"]), np.array(us) if on_triangles else None
    near(evaluate("ht", "objective", given), hand(given, theta, us))
    true = slopes(lambda a: hand(given, a, us), theta)
    if on_triangles:
        by_us = slopes(lambda a: hand(given, theta, a), us)
        own = np.stack([by_us[3 * i + j, i] for i in range(4) for j in range(3)])
        true = np.concatenate([own, true], 1)
    near(evaluate("ht", "jacobian", given), true, 1e-7)


def path(w, steps=0.1):
    """Particle's path with the force by hand."""
    x, v = np.array([0.0, 8.0]), np.array([0.75, 0.0])
    while (x + steps * v)[1] > 0:
        offs = [x - np.array(charge) for charge in ((10, 10 - w), (10, 0))]
        force = sum(off / np.linalg.norm(off) ** 3 for off in offs)
        x, v = x + steps * v, v + steps * force
    return (x[0] - x[1] / v[1] * v[0]) ** 2


@pytest.mark.parametrize(("outer", "inner"), MODES)
def test_particle_goes_where_it_should_in_all_modes(outer, inner):
    value, gradient = module("particle").path_of(OURS, 0.1)(outer, inner)(np.array([0.1]))
    near(value, path(0.1), 1e-11)
    near(gradient(), slopes(lambda w: path(w[0]), np.array([0.1])), 1e-6)


def descend(value, x):
    """descent.argmin with differences for the gradient."""
    return descent.argmin(lambda x: (float(value(x)), lambda: slopes(value, x)), np.array(x))


def test_particle_descends(monkeypatch):
    monkeypatch.setattr(module("particle"), "STEP", 1.0)        # a tenth of the work
    monkeypatch.setattr(descent, "NEAR", 1e-4)
    near(evaluate("particle", "rr", {"w": 0.0}), descend(lambda w: path(w[0], 1.0), [0.0])[0], 1e-6)


def test_saddle_descends(monkeypatch):
    monkeypatch.setattr(descent, "NEAR", 1e-3)
    end = descend(lambda x: (x * x).sum(), [0.8, 1.0])
    near(evaluate("saddle", "rr", {"start": [0.8, 1.0]}), np.concatenate([end, end]), 1e-8)


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["rr", "ff", "fr", "rf"])
def test_whole_descents_end_where_gradbench_says(mode):
    near(evaluate("saddle", mode, {"start": [1.0, 1.0]}), np.full(4, 8.246324826140356e-06), 1e-12)
    near(evaluate("particle", mode, {"w": 0.0}), 0.2071918746486116, 1e-10)


@pytest.mark.parametrize(("outer", "inner"), MODES)
def test_saddle_has_the_maximum_and_its_gradient_in_all_modes(outer, inner):
    start = np.array([1.0, 1.0])
    _, maximum = module("saddle").highest_of(OURS, start)
    value, gradient = OURS.later(maximum(inner), reverse=outer)(start)
    near(value, 2.0, 1e-9)
    near(gradient(), 2 * start, 1e-9)


def test_modes_are_four_functions():
    for name in ("saddle", "particle"):
        functions = module(name).functions(OURS, module(name).read(example(name)))
        assert sorted(functions) == ["ff", "fr", "rf", "rr"]


def test_descent_finds_a_minimum_and_says_where_there_is_none(monkeypatch):
    monkeypatch.setattr(descent, "LONGEST", 500)
    target = np.array([0.3, -0.2])
    found = descent.argmin(lambda x: (float(((x - target) ** 2).sum()), lambda: 2 * (x - target)), np.array([1.0, 1.0]))
    near(found, target, 1e-4)
    lower = itertools.count(0, -1)      # lower at each step, whatever it is
    with pytest.raises(ArithmeticError, match="no minimum"):
        descent.argmin(lambda x: (next(lower), lambda: np.array([2.0])), np.array([0.0]))


@pytest.mark.parametrize("reverse", [True, False])
def test_a_gradient_within_is_right_to_the_third_order(reverse):
    import dezero_c.functions as F
    from dezero_c import Variable

    inner = nested.gradient_by_last(lambda a, x: F.sum(a * x * x * x * x), reverse)
    a, x = Variable(np.array([2.0, 3.0])), Variable(np.array([0.5, -1.0]))
    y = inner(a, x)
    near(y.data, 4 * a.data * x.data**3)
    F.sum(y).backward(create_graph=True)
    by_x, by_a = x.grad, a.grad
    near(by_x.data, 12 * a.data * x.data**2)
    near(by_a.data, 4 * x.data**3)
    x.cleargrad()
    a.cleargrad()
    F.sum(by_x).backward()
    near(x.grad.data, 24 * a.data * x.data)
    near(a.grad.data, 12 * x.data**2)


def test_it_talks_as_a_tool_of_its_own():
    messages = [
        {"id": 0, "kind": "start", "eval": "llsq"},
        {"id": 1, "kind": "define", "module": "llsq"},
        {"id": 2, "kind": "evaluate", "module": "llsq", "function": "primal", "input": {"x": [0.0], "n": 5, "min_runs": 3}},
        {"id": 3, "kind": "analysis", "of": 2, "valid": True},
        {"id": 4, "kind": "define", "module": "nothing"},
        {"id": 5, "kind": "end"},
    ]
    lines = [json.dumps(each) for each in messages]
    text = "\n".join([*lines[:3], "{]", "", *lines[3:], ""])
    done = subprocess.run(
        [sys.executable, "-m", "bench.gradbench"], cwd=ROOT, env=dict(os.environ), input=text, capture_output=True, text=True,
        check=False, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    start, define, evaluated, malformed, analysed, unknown = map(json.loads, done.stdout.splitlines())
    assert (start["id"], start["tool"]) == (0, "dezero_c")
    assert define == {"id": 1, "success": True}
    assert evaluated["output"] == 2.0
    assert len(evaluated["timings"]) == 3
    assert malformed["id"] is None
    assert "no JSON" in malformed["error"]
    assert analysed == {"id": 3}
    assert not unknown["success"]
    assert "no module is called 'nothing'" in unknown["error"]


def test_it_runs_as_long_as_it_is_asked_to():
    answer = ask("hello", "square", 2.0)
    assert len(answer["timings"]) == 1
    answer = ask("lse", "primal", {"x": [1.0], "min_runs": 1, "min_seconds": 0.01})
    assert sum(each["nanoseconds"] for each in answer["timings"]) >= 1e7
    assert len(ask("lse", "primal", {"x": [1.0], "runs": 4})["timings"]) == 4


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("[1]", "a message is an object; this is list"),
        ('{"kind": "start"}', "integer in the field `id`"),
        ('{"id": true, "kind": "start"}', "integer in the field `id`"),
        ('{"id": 1}', "here it is None"),
        ('{"id": 1, "kind": "stop"}', "here it is 'stop'"),
        ('{"id": 1, "kind": ["start"]}', "here it is ['start']"),
        ('{"id": 1, "kind": "define"}', "no text in the field `module`"),
        ('{"id": 1, "kind": "define", "module": "protocol"}', "no module is called 'protocol'"),
        ('{"id": 1, "kind": "evaluate", "module": "lse"}', "no text in the field `function`"),
        ('{"id": 1, "kind": "evaluate", "module": "lse", "function": "primal"}', "no field `input`"),
        ('{"id": 1, "kind": "evaluate", "module": "lse", "function": "dual", "input": {"x": [1]}}', "no function 'dual'"),
    ],
)
def test_wrong_messages_are_answered(line, said):
    answer = protocol.answer(OURS, line)
    assert answer["success"] is False
    assert said in answer["error"]


@pytest.mark.parametrize(
    ("name", "function", "change", "said"),
    [
        ("lse", "primal", {"x": []}, "`x` is empty"),
        ("lse", "primal", {"x": [[1.0]]}, "has shape (1, 1)"),
        ("lse", "primal", {"x": ["a"]}, "no array of numbers"),
        ("lse", "primal", {"x": [math.nan]}, "not finite"),
        ("llsq", "primal", {"n": 1}, "integer from 2 on"),
        ("llsq", "primal", {"n": 2.5}, "integer from 2 on"),
        ("llsq", "primal", {"min_runs": 0}, "integer from 1 on"),
        ("ode", "primal", {"x": [], "s": 1}, "`x` is empty"),
        ("det", "primal", {"ell": 4}, "has shape (25,); it is to be 16"),
        ("det", "primal", {"ell": 30, "A": []}, "up to 20"),
        ("kmeans", "cost", {"centroids": [[1.0]]}, "it is to be any x 3"),
        ("gmm", "objective", {"mu": [[1.0]]}, "`mu` has shape"),
        ("lstm", "objective", {"sequence": [[0.0] * 5]}, "a prediction needs two"),
        ("lstm", "objective", {"state": [[0.0] * 5]}, "each has two for a layer"),
        ("ba", "objective", {"cam": [1.0]}, "`cam` has shape (1,); it is to be 11"),
        ("ht", "objective", {"theta": [0.0]}, "it is to be 26"),
        ("ht", "objective", {"data": 3}, "the input is int"),
        ("saddle", "rr", {"start": [1.0]}, "it is to be 2"),
        ("particle", "rr", {"w": [1.0]}, "it is to be a single number"),
    ],
)
def test_wrong_inputs_are_told_by_field(name, function, change, said):
    answer = ask(name, function, {**example(name), **change})
    assert answer["success"] is False
    assert said in answer["error"]


@pytest.mark.parametrize("name", [each for each in EVALUATIONS if each != "hello"])
def test_a_missing_field_is_named(name):
    answer = ask(name, next(iter(module(name).COMPARED.values())), {"other": 1})
    assert answer["success"] is False
    assert "has no field" in answer["error"]


def test_correspondences_are_places_of_vertices():
    given = example("ht")
    given["data"]["correspondences"][0] = 10_000
    assert "no index from 0 to 79" in ask("ht", "objective", given)["error"]
    given = example("ht")
    given["data"]["model"]["parents"][3] = 7
    assert "earlier bone" in ask("ht", "objective", given)["error"]


@pytest.mark.parametrize(
    ("peer", "name"),
    [("autograd", "ba"), ("autograd", "gmm"), ("autograd", "ht"), ("autograd", "kmeans"), ("autograd", "ode"),
     ("torch", "ba"), ("torch", "det"), ("torch", "kmeans"), ("torch", "lstm"), ("torch", "particle"), ("jax", "lstm")],
)  # fmt: skip
def test_peers_compute_the_same(name, peer):
    pytest.importorskip(peer)
    xp, evaluation = spaces.PEERS[peer](), module(name)
    parts, problem = getattr(evaluation, "parts", evaluation.functions), evaluation.read(evaluation.example("small"))
    for role, function in evaluation.COMPARED.items():
        true, found = (compare.flat(space, parts(space, problem)[function]()) for space in (OURS, xp))
        compare.check(f"{name}, {role}, {peer}", found, true)


def test_a_row_has_all_that_took_part():
    pytest.importorskip("autograd")
    settings = load("records").Settings(quick=True, rounds=1, sample_seconds=1e-5, budget_seconds=0.01)
    found = {"dezero_c": OURS, "autograd": spaces.PEERS["autograd"]()}
    row = compare.row(module("lse"), "lse", "small", "derivative", "gradient", found, settings)
    assert row["times"]["dezero_c"]["times_dezero_c"] == 1.0
    assert row["times"]["autograd"]["times_dezero_c"] > 0


def test_a_contender_that_is_wrong_is_not_timed():
    true = np.array([1.0, 2.0])
    compare.check("x", true * (1 + 1e-9), true)
    for wrong in (true * 1.01, true[:1], np.array([1.0, np.nan])):
        with pytest.raises(load("records").WrongResult, match="differs from dezero_c"):
            compare.check("x", wrong, true)


def test_the_table_says_who_is_absent_and_why():
    times = {"dezero_c": {"median": 2500.0, "times_dezero_c": 1.0}, "jax": {"median": 5000.0, "times_dezero_c": 2.0}}
    row = {"evaluation": "lse", "size": "small", "role": "objective", "times": times, "skipped": {"torch": "so"}}
    document = {"processor": "P", "threads": 1, "versions": {}, "absent": ["autograd"], "rows": [row]}
    document["contenders"] = ["dezero_c", "jax", "torch"]
    text = compare.table(document)
    assert "| lse, small | objective | 2.5 us | 2 |  |" in text
    assert "- torch without lse: so." in text
    assert "- autograd is not installed." in text


def test_every_evaluation_has_its_module():
    folder = Path(module("lse").__file__).parent
    machinery = {"__init__", "__main__", "compare", "descent", "fields", "nested", "protocol", "spaces"}
    assert {each.stem for each in folder.glob("*.py")} == machinery | set(EVALUATIONS)
