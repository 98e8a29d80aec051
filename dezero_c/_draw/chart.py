"""Line charts of columns of numbers: as SVG text with nothing else, or as a figure of matplotlib's.

Which columns share a panel is decided here as well: train_loss and test_loss do, and an accuracy has its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from dezero_c._draw.svg import escaped, text_width

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from typing import Any, TypeAlias

    Number: TypeAlias = int | float
    Line: TypeAlias = tuple[str, str, Sequence[Number], Sequence[Number]]      # name, colour, xs, ys
    Plan: TypeAlias = Sequence[tuple[str, list[Line]]]

__all__ = ["figure", "panels", "svg"]

_COLOURS = ("#2f86d1", "#ee8a2b", "#35a35c", "#d9534f", "#9a6fd0", "#8c7b6b", "#d66fb3", "#7f9c2c")
_GREY = "#888888"
_ROLES = frozenset(["train", "training", "test", "testing", "valid", "validation", "val", "eval", "dev"])
_WIDTH, _HEIGHT = 380, 270          # of a panel
_LEFT, _RIGHT, _TOP, _BOTTOM = 54, 14, 56, 40
_MOST = 800                         # points of a line; of more, the extremes of each part are drawn


def _kind(name: str) -> tuple[str, str]:
    """(what a column measures, on which data): "test_acc" gives ("accuracy", "test")."""
    words = [w for w in name.lower().replace("-", "_").replace(" ", "_").split("_") if w]
    measure = ["accuracy" if w == "acc" else w for w in words if w not in _ROLES]
    return " ".join(measure) or name, " ".join(w for w in words if w in _ROLES)


def panels(xs: Sequence[Number], columns: Mapping[str, Sequence[Number | None]]) -> list[tuple[str, list[Line]]]:
    """[(title, [(name, colour, xs, ys)])] for columns {name: [number or None]}: losses first, then accuracies, then
    the others in their order. A column has the same colour as those of the same data (train, test) in other panels."""
    groups: dict[str, list[Any]] = {}
    roles: dict[str, int] = {}
    for name, ys in columns.items():
        title, role = _kind(name)
        roles.setdefault(role, len(roles))
        groups.setdefault(title, []).append((name, role, ys))
    found = []
    for title in sorted(groups, key=lambda t: 0 if "loss" in t else 1 if "accuracy" in t else 2):
        used: set[int] = set()
        lines: list[Line] = []
        for name, role, ys in groups[title]:
            colour = roles[role] % len(_COLOURS)
            while colour in used and len(used) < len(_COLOURS):
                colour = (colour + 1) % len(_COLOURS)
            used.add(colour)
            kept = [(x, y) for x, y in zip(xs, ys, strict=True) if y is not None]
            lines.append((name, _COLOURS[colour], [x for x, _ in kept], [y for _, y in kept]))
        found.append((title, lines))
    return found


def _grid(count: int) -> tuple[int, int]:
    """(rows, columns) in which so many panels stand."""
    columns = count if count <= 3 else 2 if count == 4 else 3
    return -(-count // columns), columns


# ---- matplotlib ---------------------------------------------------------------------------------------------------

def figure(plan: Plan, xlabel: str, make: Callable[..., Any] | None = None) -> Any:
    """A figure of matplotlib's with the panels. make: pyplot.figure, for one that pyplot shows. Raises ImportError
    where matplotlib is not installed."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.ticker import MaxNLocator

    rows, columns = _grid(len(plan))
    size = {"figsize": (4.2 * columns, 3.1 * rows), "layout": "constrained"}
    drawn = make(**size) if make else Figure(**size)
    if make is None:
        FigureCanvasAgg(drawn)
    for place, (title, lines) in enumerate(plan, 1):
        axes = drawn.add_subplot(rows, columns, place)
        for _name, colour, xs, ys in lines:
            dots = "o" if len(xs) <= 30 else None
            axes.plot(xs, ys, color=colour, linewidth=1.8, marker=dots, markersize=3.5)
        axes.set_title(title, fontsize=11, parse_math=False)
        axes.set_xlabel(xlabel)
        axes.grid(alpha=0.3, linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        if all(isinstance(x, int) for _, _, xs, _ in lines for x in xs):
            axes.xaxis.set_major_locator(MaxNLocator(integer=True, steps=[1, 2, 5, 10]))
        if len(lines) > 1 or lines[0][0] != title:
            # A name that begins with an underscore would be left out, so that each has a space before it.
            legend = axes.legend(axes.lines, [f" {name}" for name, *_ in lines], frameon=False, fontsize=9)
            for text in legend.get_texts():
                text.set_parse_math(False)
    return drawn


# ---- SVG ----------------------------------------------------------------------------------------------------------

def svg(plan: Plan, xlabel: str) -> str:
    """The panels as the text of an SVG document, read on white and on black."""
    rows, columns = _grid(len(plan))
    width, height = columns * _WIDTH, rows * _HEIGHT
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" viewBox="0 0 {width} {height}" '
           'font-family="Helvetica,Arial,\'DejaVu Sans\',sans-serif">']
    for place, (title, lines) in enumerate(plan):
        row, column = divmod(place, columns)
        out.append(f'<g transform="translate({column * _WIDTH} {row * _HEIGHT})">')
        out += _panel(title, lines, xlabel)
        out.append("</g>")
    out.append("</svg>")
    return "\n".join(out)


def _panel(title: str, lines: list[Line], xlabel: str) -> Iterator[str]:
    right, bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM
    whole = all(isinstance(x, int) for _, _, xs, _ in lines for x in xs)
    xlow, xhigh, xticks = _axis([x for _, _, xs, _ in lines for x in xs], 6, whole)
    ylow, yhigh, yticks = _axis([y for _, _, _, ys in lines for y in ys], 5, False, room=0.04)

    def px(x: float) -> float:
        return _LEFT + (x - xlow) / (xhigh - xlow) * (right - _LEFT)

    def py(y: float) -> float:
        return bottom - (y - ylow) / (yhigh - ylow) * (bottom - _TOP)

    legend = len(lines) > 1 or lines[0][0] != title
    yield (f'<text x="{(_LEFT + right) / 2:g}" y="{20 if legend else 40}" font-size="14" font-weight="bold" '
           f'fill="{_GREY}" text-anchor="middle">{escaped(title)}</text>')
    if legend:
        yield from _legend(lines, (_LEFT + right) / 2, right - _LEFT)
    grid = "".join(f"M{_LEFT} {py(y):.1f}H{right}" for y in yticks)
    grid += "".join(f"M{px(x):.1f} {_TOP}V{bottom}" for x in xticks)
    yield f'<path d="{grid}" stroke="{_GREY}" stroke-opacity="0.25" fill="none"/>'
    yield f'<path d="M{_LEFT} {_TOP}V{bottom}H{right}" stroke="{_GREY}" fill="none"/>'
    yield f'<g font-size="11" fill="{_GREY}" text-anchor="end">'
    yield from (f'<text x="{_LEFT - 6}" y="{py(y) + 4:.1f}">{text}</text>' for y, text in _labels(yticks))
    yield f'</g><g font-size="11" fill="{_GREY}" text-anchor="middle">'
    yield from (f'<text x="{px(x):.1f}" y="{bottom + 16}">{text}</text>' for x, text in _labels(xticks))
    yield f'<text x="{(_LEFT + right) / 2:g}" y="{bottom + 33}">{escaped(xlabel)}</text></g>'
    for name, colour, xs, ys in lines:
        points, dots, pen = [], [], "M"
        for x, y in _thinned(xs, ys):
            if not _drawn(y):
                pen = "M"
                continue
            points.append(f"{pen}{px(x):.1f} {py(y):.1f}")
            dots.append(f'<circle cx="{px(x):.1f}" cy="{py(y):.1f}" r="2.4"/>')
            pen = "L"
        yield (f'<g><title>{escaped(name)}</title><path d="{"".join(points)}" fill="none" stroke="{colour}" '
               'stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/>')
        yield f'<g fill="{colour}">{"".join(dots)}</g></g>' if len(dots) <= 30 else "</g>"


def _legend(lines: list[Line], middle: float, room: float) -> Iterator[str]:
    """The names in one row under the title, cut where they are too long together."""
    most = max(4, int(room / len(lines) / 6.2) - 4)
    names = [name if len(name) <= most else name[: most - 1] + "…" for name, *_ in lines]
    widths = [text_width(name, 11) + 34 for name in names]
    x = middle - sum(widths) / 2 + 4
    for name, width, (_, colour, *_) in zip(names, widths, lines, strict=True):
        yield f'<path d="M{x:.1f} 38h16" stroke="{colour}" stroke-width="3" stroke-linecap="round"/>'
        yield f'<text x="{x + 21:.1f}" y="42" font-size="11" fill="{_GREY}">{escaped(name)}</text>'
        x += width


def _thinned(xs: Sequence[Number], ys: Sequence[Number]) -> list[tuple[Number, Number]]:
    """The points of a line; of a long one, those with the smallest and the largest value of each part."""
    if len(xs) <= _MOST:
        return list(zip(xs, ys, strict=True))
    size = -(-2 * len(xs) // _MOST)
    kept = []
    for start in range(0, len(xs), size):
        part = range(start, min(start + size, len(xs)))
        real = [i for i in part if _drawn(ys[i])] or [start]
        kept += sorted({min(real, key=ys.__getitem__), max(real, key=ys.__getitem__)})
    return [(xs[i], ys[i]) for i in kept]


def _drawn(value: float) -> bool:
    return math.isfinite(value) and abs(value) < 1e300  # of larger ones the difference may overflow


def _axis(values: Sequence[Number], count: int, whole: bool, room: float = 0.0) -> tuple[float, float, list[float]]:
    """(low, high, ticks) of an axis for these values: about so many ticks at round numbers."""
    values = [float(v) for v in values if _drawn(v)]
    low, high = (min(values), max(values)) if values else (0.0, 1.0)
    if high - low <= 1e-12 * max(abs(low), abs(high)):
        pad = 1.0 if whole else max(abs(low) * 0.1, 1e-6) if low else 0.5
        low, high = low - pad, high + pad
    margin = (high - low) * room
    low, high = low - margin, high + margin
    raw = (high - low) / count
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.8)
    if whole:
        step = max(1.0, float(round(step)))
    first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
    return low, high, [k * step for k in range(first, last + 1)]


def _labels(ticks: list[float]) -> Iterator[tuple[float, str]]:
    """(tick, its text), all with as many decimals as the finest one needs."""
    if not ticks:
        return
    step = ticks[1] - ticks[0] if len(ticks) > 1 else abs(ticks[0]) or 1.0
    largest = max(abs(t) for t in ticks)
    for tick in ticks:
        if tick and (largest >= 1e6 or largest < 1e-3):
            text = f"{tick:.2g}".replace("e+0", "e").replace("e+", "e").replace("e-0", "e-")
        else:
            text = f"{tick:.{max(0, -math.floor(math.log10(step) + 1e-9))}f}"
        yield tick, text.replace("-", "\N{MINUS SIGN}") if tick else "0"
