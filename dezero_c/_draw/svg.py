"""A graph as a picture: labels and boxes for layout.py, the result as SVG text or painted by matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dezero_c._draw.layout import place
from dezero_c._draw.trace import label, trace

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from dezero_c._core import Variable

__all__ = ["Drawing", "escaped", "text_width"]

LIMIT = 2000      # nodes in one picture: more cannot be read, and browsers stall
_MARGIN = 8
_LONGEST = 28     # characters of a label; the whole of it is in the tooltip
_NAME, _SMALL = 12, 10
_PIXELS = 30000   # of a painted picture's longer side; Agg has up to 65535
_TIP = 6          # length of an arrow's head
_FONT = "'DejaVu Sans',Verdana,Helvetica,Arial,sans-serif"
_EDGE = "#888888"  # read on white and on black
_INK = "#1d2733"
_VARIABLE, _FUNCTION = ("#ffc46b", "#e8940c"), ("#b9def2", "#4a9cc7")

# Advance widths of the characters from 32 to 126 in hundredths of an em, in DejaVu Sans, the widest of the fonts named.
_WIDTHS = bytes([
    32, 40, 46, 84, 64, 95, 78, 27, 39, 39, 50, 84, 32, 36, 32, 34, 64, 64, 64, 64, 64, 64, 64, 64, 64, 64, 34, 34, 84,
    84, 84, 53, 100, 68, 69, 70, 77, 63, 58, 77, 75, 30, 30, 66, 56, 86, 75, 79, 60, 79, 69, 63, 61, 73, 68, 99, 69, 61,
    69, 39, 34, 39, 84, 50, 50, 61, 63, 55, 63, 62, 35, 63, 63, 28, 28, 58, 28, 97, 63, 61, 63, 63, 41, 52, 39, 63, 59,
    82, 59, 59, 52, 64, 34, 64, 84])


def text_width(text: str, size: float) -> float:
    """About how wide a line of text is, in pixels, at a font size in pixels."""
    import unicodedata

    total = 0
    for char in text:
        code = ord(char) - 32
        if 0 <= code < len(_WIDTHS):
            total += _WIDTHS[code]
        elif not unicodedata.combining(char):
            total += 105 if unicodedata.east_asian_width(char) in "WF" else 75
    return total * size / 100


def escaped(text: str) -> str:
    """Text for the content of an XML or HTML element or an attribute in double quotes; characters that XML forbids
    become question marks in a box."""
    text = "".join(c if c in "\t\n\r" or " " <= c <= "\ud7ff" or "\ue000" <= c <= "\ufffd" or c > "\uffff" else "\ufffd"
                   for c in text)
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")


def _short(text: str) -> str:
    text = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


class _Box:
    """One node: what is written in it, and how large that makes it."""

    __slots__ = ("function", "height", "lines", "title", "width")

    def __init__(self, node: Any, is_variable: bool, verbose: bool) -> None:
        self.function = not is_variable
        if is_variable:
            name, about = label(node)
            about = about if verbose else ""
            self.title = f"{name}: {about}" if name and about else name or about or "Variable"
            name, about = _short(name), _short(about)
            self.lines = [(text, size, size == _NAME) for text, size in ((name, _NAME), (about, _SMALL)) if text]
        else:
            self.title = type(node).__name__
            self.lines = [(_short(self.title), _NAME, False)]
        # Bold letters are about a tenth wider.
        widest = max((text_width(text, size) * (1.1 if bold else 1.0) for text, size, bold in self.lines), default=0)
        self.height = 36 if len(self.lines) > 1 else 24 if self.lines else 14
        padding = 16 if self.function else 22 if len(self.lines) < 2 else 26
        self.width = max(widest + padding, 34 if self.lines else 20)


class Drawing:
    """The graph behind a Variable, laid out. verbose: shape and dtype besides the names.

    A graph of more than `limit` nodes is cut at those farthest from the output, and a line at the top says so.
    """

    def __init__(self, output: Variable, verbose: bool = True, limit: int = LIMIT) -> None:
        objects, variable, edges, self._cut, total = trace(output, limit)
        self._boxes = [_Box(node, is_variable, verbose)
                       for node, is_variable in zip(objects, variable, strict=True)]
        self._placed = place([(box.width, box.height) for box in self._boxes], edges)
        self._note = f"{total - len(objects):,} of {total:,} nodes, farther from the output, are not shown" \
            if self._cut else ""
        top = 44 if self._cut else _MARGIN
        self._left: float = _MARGIN
        self._top = top
        self.width = self._placed.width + 2 * _MARGIN
        if self._note and (wanted := text_width(self._note, _NAME) + 2 * _MARGIN) > self.width:
            self._left += (wanted - self.width) / 2
            self.width = wanted
        self.height = self._placed.height + top + _MARGIN

    def _places(self) -> Iterator[tuple[_Box, float, float]]:
        """(box, centre x, centre y) of the nodes."""
        for box, x, y in zip(self._boxes, self._placed.xs, self._placed.ys, strict=True):
            yield box, x + self._left, y + self._top

    def _strokes(self) -> Iterator[tuple[list[float], tuple[tuple[float, float], ...] | None]]:
        """(the eight coordinates of a Bezier curve, the three corners of the arrow's head at its end or None)."""
        left, top = self._left, self._top
        for x0, y0, x1, y1, x2, y2, x3, y3, arrow in self._placed.strokes:
            points = [x0 + left, y0 + top, x1 + left, y1 + top, x2 + left, y2 + top, x3 + left, y3 + top]
            if not arrow:
                yield points, None
                continue
            x, y = points[6:]
            dx, dy = x3 - x2, y3 - y2
            length = (dx * dx + dy * dy) ** 0.5
            dx, dy = dx / length, dy / length
            points[6:] = x - dx * (_TIP - 1), y - dy * (_TIP - 1)
            foot = x - dx * (_TIP + 1), y - dy * (_TIP + 1)
            yield points, ((x, y), (foot[0] - 3.5 * dy, foot[1] + 3.5 * dx), (foot[0] + 3.5 * dy, foot[1] - 3.5 * dx))

    def _stubs(self) -> Iterator[Any]:
        """(x, y of the upper end, y of the lower end) of the dotted lines to what has been left out."""
        for node in self._cut:
            y = self._placed.ys[node] + self._top - self._boxes[node].height / 2
            yield self._placed.xs[node] + self._left, y - 16, y

    def svg(self) -> str:
        """The picture as the text of an SVG document. The background is left free; it is read on white and on black."""
        width, height = _number(self.width), _number(self.height)
        out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
               f'viewBox="0 0 {width} {height}" font-family="{_FONT}" text-anchor="middle">']
        if self._note:
            out.append(f'<text x="{_number(self.width / 2)}" y="18" font-size="{_NAME}" fill="{_EDGE}">'
                       f"{escaped(self._note)}</text>")
        lines, heads = [], []
        for (x0, y0, *bent, x3, y3), head in self._strokes():
            lines.append(f"M{_number(x0)} {_number(y0)}")
            if abs(x0 - x3) < 0.5:
                lines.append(f"L{_number(x3)} {_number(y3)}")
            else:
                lines.append("C" + " ".join(map(_number, (*bent, x3, y3))))
            if head:
                heads.append("M" + "L".join(f"{_number(x)} {_number(y)}" for x, y in head) + "z")
        if lines:
            out.append(f'<path d="{"".join(lines)}" fill="none" stroke="{_EDGE}" stroke-width="1.3" '
                       'stroke-linecap="round"/>')
            out.append(f'<path d="{"".join(heads)}" fill="{_EDGE}"/>')
        if self._cut:
            dots = "".join(f"M{_number(x)} {_number(y0)}V{_number(y1)}" for x, y0, y1 in self._stubs())
            out.append(f'<path d="{dots}" fill="none" stroke="{_EDGE}" stroke-width="1.3" stroke-dasharray="2 3"/>')
        for kind, (fill, line) in ((False, _VARIABLE), (True, _FUNCTION)):
            out.append(f'<g fill="{fill}" stroke="{line}">')
            for box, x, y in self._places():
                if box.function is kind:
                    corner = "3" if kind else _number(box.height / 2)
                    out.append(f'<rect x="{_number(x - box.width / 2)}" y="{_number(y - box.height / 2)}" '
                               f'width="{_number(box.width)}" height="{_number(box.height)}" rx="{corner}">'
                               f"<title>{escaped(box.title)}</title></rect>")
            out.append("</g>")
        out.append(f'<g fill="{_INK}" font-size="{_NAME}" pointer-events="none">')
        for box, x, y in self._places():
            for text, baseline, size, bold in _written(box, y):
                style = ' font-weight="bold"' if bold else ""
                style += "" if size == _NAME else f' font-size="{size}"'
                out.append(f'<text x="{_number(x)}" y="{_number(baseline)}"{style}>{escaped(text)}</text>')
        out.append("</g></svg>")
        return "\n".join(out)

    def paint(self, kind: str) -> bytes:
        """The picture as the bytes of a file of that kind ("png", "pdf", …), by matplotlib. Raises ImportError where it
        is not installed and ValueError for a kind that it does not write."""
        import io

        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.collections import PatchCollection
        from matplotlib.figure import Figure
        from matplotlib.patches import FancyBboxPatch, PathPatch, Polygon
        from matplotlib.path import Path

        dpi = min(144, int(_PIXELS * 72 / max(self.width, self.height)) or 1)
        figure = Figure(figsize=(self.width / 72, self.height / 72), dpi=dpi, facecolor="white")
        FigureCanvasAgg(figure)
        axes = figure.add_axes((0, 0, 1, 1), xlim=(0, self.width), ylim=(self.height, 0))
        axes.axis("off")
        points: list[tuple[float, float]] = []
        codes: list[Any] = []
        heads: list[Any] = []
        for bezier, head in self._strokes():
            points += zip(bezier[::2], bezier[1::2], strict=True)
            codes += [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
            if head:
                heads.append(Polygon(head))
        if points:
            axes.add_patch(PathPatch(Path(points, codes), fill=False, edgecolor=_EDGE, linewidth=1.1))
            axes.add_collection(PatchCollection(heads, facecolor=_EDGE, edgecolor="none"))
        for x, y0, y1 in self._stubs():
            axes.plot([x, x], [y0, y1], color=_EDGE, linewidth=1.1, linestyle=":")
        for box, x, y in self._places():
            fill, line = _FUNCTION if box.function else _VARIABLE
            radius = 3 if box.function else box.height / 2 - 0.01
            axes.add_patch(FancyBboxPatch(
                (x - box.width / 2, y - box.height / 2), box.width, box.height, facecolor=fill, edgecolor=line,
                boxstyle=f"round,pad=0,rounding_size={radius}", linewidth=0.9))
            for text, baseline, size, bold in _written(box, y):
                axes.text(x, baseline, text, size=size, color=_INK, ha="center", va="baseline", parse_math=False,
                          weight="bold" if bold else "normal")
        if self._note:
            axes.text(self.width / 2, 18, self._note, size=_NAME, color=_EDGE, ha="center", va="baseline")
        file = io.BytesIO()
        figure.savefig(file, format=kind, dpi=dpi)
        return file.getvalue()


def _written(box: _Box, y: float) -> Iterator[tuple[str, float, int, bool]]:
    """(text, y of the baseline, size, bold) of the lines in a box."""
    if len(box.lines) == 1:
        text, size, bold = box.lines[0]
        yield text, y + size * 0.36, size, bold
    for (text, size, bold), down in zip(box.lines if len(box.lines) > 1 else (), (-2, 11), strict=False):
        yield text, y + down, size, bold


def _number(value: float) -> str:
    """A coordinate, to a tenth of a pixel."""
    return f"{value:.1f}".removesuffix(".0")

