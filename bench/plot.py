"""A picture of the results: for the engine bars with times, for the functions a line each with a dot per peer. Both on
logarithmic scales. Matplotlib is imported only here.
"""

import importlib.util

from .peers import OURS, PEERS
from .report import quantity, ratio

COLOURS = {
    OURS: "#d1495b",
    "dezero": "#30638e",
    "torch": "#edae49",
    "jax": "#6a994e",
    "autograd": "#00798c",
    "micrograd": "#8d6a9f",
    "numpy": "#8a8f98",
    "python": "#c3c7cc",
    "limit": "#222222",
}
MISSING = "--plot needs Matplotlib, which is not installed here: python -m pip install matplotlib"


def available():
    return importlib.util.find_spec("matplotlib") is not None


def colour(peer):
    return COLOURS.get(peer, "#444444")


def draw(document, path):
    """Write the timed workloads of a results document to a PNG; those measured in bytes are left out."""
    # The object interface without pyplot: no display, no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    timed = [each for each in document["workloads"] if each["quantity"] == "ns" and each["rows"]]
    engine = [each for each in timed if each["group"] == "engine"]
    functions = [each for each in timed if each["group"] != "engine"]
    bars = sum(len(each["rows"]) for each in engine)
    panels = [
        (panel, workloads, height)
        for panel, workloads, height in (
            (draw_bars, engine, 0.9 + 0.2 * bars + 0.42 * len(engine)),
            (draw_dots, functions, 0.9 + 0.26 * len(functions)),
        )
        if workloads
    ]
    heights = [height for *_, height in panels] or [1]
    figure = Figure(figsize=(11, 0.5 + sum(heights)), layout="constrained")
    FigureCanvasAgg(figure)
    if panels:
        all_axes = figure.subplots(len(panels), 1, squeeze=False, height_ratios=heights)
        for (panel, workloads, _), axes in zip(panels, all_axes[:, 0], strict=True):
            panel(axes, workloads)
    seen = dict.fromkeys(row["peer"] for each in timed for row in each["rows"])
    figure.legend(
        handles=[Patch(color=colour(name), label=PEERS[name].label) for name in seen],
        loc="outside lower center", ncols=4, frameon=False, fontsize=9,
    )  # fmt: skip
    figure.savefig(path, format="png", dpi=110)


SIZES = {"1e3": 10**3, "1e6": 10**6, "1e7": 10**7}


def by_size(document):
    """{panel: {peer: [(elements, ns), ...]}}: the chain of small operations, and some functions in single precision."""
    panels = {}
    for each in document["workloads"]:
        parts = each["name"].split("-")
        if parts[0] == "chain" and parts[-1] != "million":
            panel, size = "chain of sin and mul, an operation", 1 if parts[1] == "scalar" else int(parts[1])
        elif parts[0] in ("exp", "tanh", "mul") and parts[-1] == "f32" and parts[1] in SIZES:
            panel, size = f"{parts[0]}, float32", SIZES[parts[1]]
        else:
            continue
        for row in each["rows"]:
            panels.setdefault(panel, {}).setdefault(row["peer"], []).append((size, row["median"]))
    return panels


def draw_sizes(document, path):
    """Time against the number of elements, a line for each peer."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    panels = by_size(document)
    figure = Figure(figsize=(11, 7), layout="constrained")
    FigureCanvasAgg(figure)
    seen = {}
    for axes, (title, peers) in zip(figure.subplots(2, 2).flat, panels.items(), strict=False):
        for peer, points in peers.items():
            seen[peer] = True
            axes.plot(*zip(*sorted(points), strict=True), marker="o", ms=4, lw=2.2 if peer == OURS else 1.2, color=colour(peer))
        axes.set(xscale="log", yscale="log", title=title, xlabel="elements")
        axes.yaxis.set_major_formatter(lambda value, _: quantity(value, "ns"))
        axes.grid(color="#dddddd", lw=0.6)
    handles = [Patch(color=colour(peer), label=PEERS[peer].label) for peer in PEERS if peer in seen]
    figure.legend(handles=handles, loc="outside lower center", ncols=5, frameon=False)
    figure.savefig(path, dpi=110)


def draw_bars(axes, workloads):
    """Times as bars, grouped by workload."""
    position = 0.0
    for each in workloads:
        axes.text(
            0, position, f"{each['title']}; per {each['unit']}", fontsize=9, fontweight="bold", va="center",
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
        for row in each["rows"]:
            position += 1
            ours = row["peer"] == OURS
            axes.barh(position, row["median"], height=0.82, color=colour(row["peer"]))
            size = f"{row['n']:,} {each['unit']}s" if len({other["n"] for other in each["rows"]}) > 1 else ""
            text = "   ".join(filter(None, (quantity(row["median"], "ns"), ratio(row), size)))
            axes.text(
                row["median"] * 1.06, position, text, fontsize=8, va="center", fontweight="bold" if ours else "normal"
            )
        position += 1.9
    medians = [row["median"] for each in workloads for row in each["rows"]]
    # Bars of a logarithmic scale start anywhere; a third of the smallest keeps the shortest one visible.
    axes.set_xscale("log")
    axes.set_xlim(min(medians) / 3, max(medians) * 8)
    axes.set_ylim(position - 0.9, -0.8)
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(lambda value, _: quantity(value, "ns").replace(".00", "").replace(".0", ""))
    axes.set_xlabel("median time per unit, logarithmic scale; beside each bar how many times dezero_c's time it is")
    plain(axes)


def draw_dots(axes, workloads):
    """How many times dezero_c's time each peer takes, a line per workload; right of 1 dezero_c is faster."""
    for position, each in enumerate(workloads):
        for row in each["rows"]:
            if row["times_dezero_c"]:
                ours = row["peer"] == OURS
                axes.plot(row["times_dezero_c"], position, "|" if ours else "o", color=colour(row["peer"]), ms=6)
    axes.axvline(1, color=colour(OURS), linewidth=1)
    axes.set_xscale("log")
    axes.set_ylim(len(workloads) - 0.4, -0.6)
    # Without dezero_c's time there is nothing to compare with, and a scale needs a finite range.
    if not any(row["times_dezero_c"] for each in workloads for row in each["rows"]):
        axes.set_xlim(0.5, 2)
    axes.set_yticks(range(len(workloads)), [each["title"] for each in workloads], fontsize=8)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g} x")
    axes.set_xlabel("time, forward and backward (NumPy: forward only), as a multiple of dezero_c's, logarithmic scale")
    plain(axes)


def plain(axes):
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
