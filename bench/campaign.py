"""The table of the speed campaign: kinds of work, the rows that measure each, and how the rows' goals turned out.

A line's figure is the geometric mean of its rows, with the least one beside it, and its goal is judged by the least. The goals
are those of the rows in `workloads/`; the second half of each line says what the time should approach.
"""

import fnmatch
import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Line:
    """A kind of work: the rows are those whose names fit a pattern and that have a goal against `peer`."""

    title: str
    patterns: tuple
    limit: str = ""
    peer: str = "torch"


LINES = (
    Line("scalar chain, per op", ("chain-scalar",), "plain Python floats without derivatives"),
    Line("8-element chain", ("chain-8",), "the kernels alone"),
    Line("64-element chain", ("chain-64",), "the kernels alone"),
    Line("4,096-element chain", ("chain-4096",), "the kernels alone"),
    Line("8 functions at 10^3, both precisions", ("*-1e3-*",), "a copy and a triad"),
    Line("the same at 10^6", ("*-1e6-*",), "a copy and a triad"),
    Line("the same at 10^6, against DeZero", ("*-1e6-*",), peer="dezero"),
    Line("the same at 10^7", ("*-1e7-f??",), "a copy and a triad"),
    Line("the same at 10^7, against DeZero", ("*-1e7-f??",), peer="dezero"),
    Line("sum, mean, max, softmax, log_softmax, layer_norm, batch_norm at 10^6, each axis",
         ("sum-*", "mean-*", "max-*", "softmax-*", "log_softmax-*", "layer_norm*", "batch_norm", "batch_norm-f32")),
    Line("MLP 4-32-32-2, batch 32, SGD", ("mlp-small-sgd",), "its matrix products"),
    Line("MLP 4-32-32-2, batch 32, Adam", ("mlp-small-adam",), "its matrix products"),
    Line("the same with float64 data, against DeZero", ("mlp-small-*-f64",), "its matrix products", peer="dezero"),
    Line("MLP 64-100-10, batch 100", ("mlp-middle",), "its matrix products"),
    Line("MLP 784-1000-10, batch 100", ("mlp-large",), "its matrix products"),
    Line("conv2d 16x3x32x32 -> 16, 3x3", ("conv2d",), "its matrix products"),
    Line("conv2d 8x64x28x28 -> 64, 3x3", ("conv2d-wide",), "its matrix products"),
    Line("LSTM 100 hidden, 30 steps, batch 30", ("lstm",), "its matrix products"),
    Line("tanh, 6th derivative, 200 points", ("tanh-6",)),
    Line("two threads: 10^7 elementwise", ("*-1e7-*-2",)),
    Line("two threads: MLP 784-1000-10", ("mlp-large-2",)),
    Line("Rosenbrock, against JAX with jit", ("rosenbrock",), peer="jax"),
    Line("MLP 4-32-32-2 and the policy step, against JAX with jit", ("mlp-small-sgd", "mlp-small-adam", "policy"), peer="jax"),
)  # fmt: skip

# The goals for the whole table: the geometric mean of its lines' means, and no row behind.
WHOLE = (("torch", 6), ("dezero", 12))


def ratios(results, patterns, peer):
    """{row: (how many times dezero_c's time the peer takes, its goal or None)} of the rows that fit a pattern."""
    found = {}
    for each in results:
        if not any(fnmatch.fnmatchcase(each["name"], pattern) for pattern in patterns):
            continue
        row = next((row for row in each["rows"] if row["key"] == peer), None)
        goal = next((goal for goal in each["goals"] if goal["against"] == peer and goal["kind"] == "faster"), None)
        if row is not None and row["times_dezero_c"] and goal is not None:
            found[each["name"]] = row["times_dezero_c"], goal["limit"]
    return found


def mean(values):
    return math.exp(math.fsum(map(math.log, values)) / len(values))


def times_limit(results, patterns):
    """dezero_c's time as a multiple of the limit's, the mean over the rows that have a limit; None without one."""
    found = []
    for each in results:
        if any(fnmatch.fnmatchcase(each["name"], pattern) for pattern in patterns):
            key = "python" if each["name"] == "chain-scalar" else "limit"
            found += [1 / row["times_dezero_c"] for row in each["rows"] if row["key"] == key and row["times_dezero_c"]]
    return mean(found) if found else None


def lines(results):
    """Rows of the table as tuples of text: title, goal, mean, least, verdict, times the limit."""
    made = []
    for line in LINES:
        found = ratios(results, line.patterns, line.peer)
        if not found:
            continue
        least = min(found, key=lambda name: found[name][0] / found[name][1])
        reached, goal = found[least]
        over = times_limit(results, line.patterns) if line.limit else None
        made.append((
            line.title, f"{goal:g}", f"{mean([ratio for ratio, _ in found.values()]):.3g}",
            f"{reached:.3g} ({least})" if len(found) > 1 else f"{reached:.3g}", "met" if reached >= goal else "missed",
            "" if over is None else f"{over:.2g} x {line.limit}",
        ))  # fmt: skip
    return made


def whole(results):
    """The same for the whole table, a tuple for each peer with a goal: peer, goal, mean of the lines, lines, rows behind.
    A line counts once, however many rows it has.
    """
    made = []
    for peer, goal in WHOLE:
        means, behind = [], {}
        for line in LINES:
            found = {}
            for each in results if line.peer == "torch" else ():
                row = next((row for row in each["rows"] if row["key"] == peer), None)
                fits = any(fnmatch.fnmatchcase(each["name"], pattern) for pattern in line.patterns)
                if fits and row and row["times_dezero_c"]:
                    found[each["name"]] = row["times_dezero_c"]
            if found:
                means.append(mean(found.values()))
                behind |= {name: ratio for name, ratio in found.items() if ratio < 1}
        if means:
            made.append((peer, goal, mean(means), len(means), behind))
    return made


HEAD = ("work", "goal", "mean", "least row", "", "times the limit")


def text(results):
    """The table for a terminal; nothing where no row of it was measured."""
    made = lines(results)
    if not made:
        return ""
    table = [HEAD, *made]
    widths = [max(len(row[i]) for row in table) for i in range(len(HEAD))]
    out = ["times faster than PyTorch eager (or whom the line names):"]
    out += ["  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in table]
    return "\n".join(out + ["  " + each for each in whole_lines(results)])


def whole_lines(results):
    return [
        f"whole table against {peer}: geometric mean {found:.3g} over {count} lines, goal {goal}: "
        f"{'met' if found >= goal else 'missed'}"
        + (f"; behind in {', '.join(f'{name} ({ratio:.2g})' for name, ratio in behind.items())}" if behind else "; none behind")
        for peer, goal, found, count, behind in whole(results)
    ]


def markdown(results):
    made = [HEAD, ("---",) * len(HEAD), *lines(results)]
    return "\n".join("| " + " | ".join(row) + " |" for row in made) + "\n\n" + "\n".join(f"- {e}" for e in whole_lines(results))
