"""A picture of the results: horizontal bars on a logarithmic scale, grouped by workload. Matplotlib is imported only
here.
"""

import importlib.util

from .peers import OURS, PEERS
from .report import quantity, ratio

COLOURS = {
    OURS: "#d1495b",
    "dezero": "#30638e",
    "torch": "#edae49",
    "autograd": "#00798c",
    "micrograd": "#8d6a9f",
    "numpy": "#8a8f98",
    "python": "#c3c7cc",
}
MISSING = "--plot needs Matplotlib, which is not installed here: python -m pip install matplotlib"


def available():
    return importlib.util.find_spec("matplotlib") is not None


def draw(document, path):
    """Write the timed workloads of a results document to a PNG; those measured in bytes are left out."""
    # The object interface without pyplot: no display, no global state.
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

    groups = [each for each in document["workloads"] if each["quantity"] == "ns" and each["rows"]]
    bars = sum(len(each["rows"]) for each in groups)
    figure = Figure(figsize=(11, 1.4 + 0.2 * bars + 0.42 * len(groups)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    position, seen = 0.0, []
    for each in groups:
        axes.text(
            0, position, f"{each['title']}; per {each['unit']}", fontsize=9, fontweight="bold", va="center",
            transform=axes.get_yaxis_transform(),
        )  # fmt: skip
        for row in each["rows"]:
            position += 1
            ours = row["peer"] == OURS
            axes.barh(position, row["median"], height=0.82, color=COLOURS.get(row["peer"], "#444444"))
            size = f"{row['n']:,} {each['unit']}s" if len({other["n"] for other in each["rows"]}) > 1 else ""
            text = "   ".join(filter(None, (quantity(row["median"], "ns"), ratio(row), size)))
            axes.text(
                row["median"] * 1.06, position, text, fontsize=8, va="center", fontweight="bold" if ours else "normal"
            )
            if row["peer"] not in seen:
                seen.append(row["peer"])
        position += 1.9
    finish(axes, groups, position)
    figure.legend(
        handles=[Patch(color=COLOURS.get(name, "#444444"), label=PEERS[name].label) for name in seen],
        loc="outside lower center", ncols=4, frameon=False, fontsize=9,
    )  # fmt: skip
    figure.savefig(path, format="png", dpi=110)


def finish(axes, groups, bottom):
    medians = [row["median"] for each in groups for row in each["rows"]]
    axes.set_xscale("log")
    # Bars of a logarithmic scale start anywhere; a third of the smallest keeps the shortest one visible.
    axes.set_xlim(min(medians) / 3, max(medians) * 8)
    axes.set_ylim(bottom - 0.9, -0.8)
    axes.set_yticks([])
    axes.xaxis.set_major_formatter(lambda value, _: quantity(value, "ns").replace(".00", "").replace(".0", ""))
    axes.set_xlabel("median time per unit, logarithmic scale; beside each bar how many times dezero_c's time it is")
    axes.grid(axis="x", color="#dddddd", linewidth=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)
