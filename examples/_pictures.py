"""Pictures for the examples: panels with lines, dots, images and text.

Drawn by matplotlib into a PNG where that is installed, and else written as an SVG by a few lines of our own, so that
every example ends with a picture on a machine that has NumPy alone. Also the options that all examples have.
"""

import argparse
import base64
import html
import math
import os
import struct
import zlib

import numpy as np

BLUE, ORANGE, GREEN, RED = "#2f7fc8", "#ee8a2b", "#2f9e57", "#d6403c"
TEN = (BLUE, ORANGE, GREEN, RED, "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#a8a820", "#17a5bb")
GREY = "#707070"
INCH = 100      # pixels of a picture for each unit of a panel's width and height


def options(doc, capture=False):
    """What the command line says: `quick`, `out`, a folder that exists, and for an example that has it `capture`."""
    parser = argparse.ArgumentParser(description=doc.strip().split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="a short run, to see that it works")
    parser.add_argument("--out", default="pictures", metavar="FOLDER", help="where pictures go (default: pictures)")
    if capture:
        parser.add_argument("--capture", action="store_true", help="replay the training step without Python: the same numbers")
    args = parser.parse_args()
    os.makedirs(args.out, exist_ok=True)
    return args


def rgb(colour):
    """[red, green, blue], 0 to 255, of "#rrggbb"."""
    return np.array([int(colour[i:i + 2], 16) for i in (1, 3, 5)])


def blend(low, high, values):
    """An image (H, W, 3) whose colour goes from low at 0 to high at 1."""
    values = np.clip(np.asarray(values, float), 0, 1)[..., None]
    return np.round(rgb(low) * (1 - values) + rgb(high) * values).astype(np.uint8)


class Panel:
    """One drawing of a picture: a list of things, in the order in which they are drawn.

    log: a logarithmic y axis. bare: without axes. square: units are as wide as high, which is so for bare panels unless
    it is False.
    """

    def __init__(self, title, width, xlabel="", log=False, bare=False, square=None):
        self.title, self.width, self.xlabel, self.log = title, width, xlabel, log
        self.bare, self.square = bare, bare if square is None else square
        self.things = []
        self.limits = None      # (left, right, bottom, top)

    def line(self, xs, ys, label="", colour=BLUE, width=1.8, markers=False):
        self.things.append(("line", list(map(float, xs)), list(map(float, ys)), label, colour, width, markers))

    def dots(self, xs, ys, colour=BLUE, size=5.0, label=""):
        self.things.append(("dots", list(map(float, xs)), list(map(float, ys)), colour, size, label))

    def image(self, image, left=0.0, right=None, bottom=0.0, top=None, smooth=False):
        """image: uint8 of shape (H, W, 3), its first row at the top."""
        right = image.shape[1] if right is None else right
        top = image.shape[0] if top is None else top
        self.things.append(("image", image, (left, right, bottom, top), smooth))

    def text(self, x, y, text, colour=GREY, size=9, mono=False, middle=True):
        self.things.append(("text", x, y, text, colour, size, mono, middle))

    def tiles(self, images, columns, captions=(), ink="#1b2a41", paper="#f3f1ea"):
        """Grey images (N, H, W), 0 to 1, row by row; captions: a pair (text, colour) under each."""
        N, H, W = images.shape
        step = H + (3.2 if captions else 1)
        for i, image in enumerate(images):
            row, column = divmod(i, columns)
            x, y = column * (W + 1), -row * step
            self.image(blend(paper, ink, image), x, x + W, y - H, y, smooth=True)
            if captions:
                text, colour = captions[i]
                self.text(x + W / 2, y - H - 1.35, text, colour, size=8)
        rows = -(-N // columns)
        self.limits = (-1, columns * (W + 1), -(rows * step), 1)

    def bounds(self):
        """The limits that were set, or those of the things in the panel with some room around."""
        if self.limits:
            return self.limits
        xs, ys = [], []
        for kind, x, y, *_ in self.things:
            if kind in ("line", "dots"):
                xs += x
                ys += y
        low, high = min(ys), max(ys)
        if self.log:
            return min(xs), max(xs), low / 1.5, high * 1.5
        room = (high - low or 1.0) * 0.05
        return min(xs), max(xs) if max(xs) > min(xs) else min(xs) + 1, low - room, high + room


class Picture:
    """Panels side by side."""

    def __init__(self, height=3.2):
        self.height = height
        self.panels = []

    def panel(self, title="", width=4.0, **how):
        self.panels.append(Panel(title, width, **how))
        return self.panels[-1]

    def save(self, folder, name):
        """Writes name.png or name.svg into the folder, says so, and returns the path."""
        path = os.path.join(folder, name + ".png")
        try:
            self._matplotlib(path)
        except ImportError:
            path = os.path.join(folder, name + ".svg")
            with open(path, "w", encoding="utf-8") as file:
                file.write(self.svg())
        print("picture:", path)
        return path

    # -- by matplotlib --

    def _matplotlib(self, path):
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        widths = [panel.width for panel in self.panels]
        figure = Figure(figsize=(sum(widths), self.height), layout="constrained")
        FigureCanvasAgg(figure)
        each = figure.subplots(1, len(widths), width_ratios=widths, squeeze=False)[0]
        for panel, axes in zip(self.panels, each, strict=True):
            axes.set_title(panel.title, fontsize=10.5)
            axes.set_xlabel(panel.xlabel, fontsize=9)
            axes.tick_params(labelsize=8)
            left, right, bottom, top = panel.bounds()
            axes.set(xlim=(left, right), ylim=(bottom, top), yscale="log" if panel.log else "linear")
            for kind, *thing in panel.things:
                getattr(self, f"_{kind}")(axes, *thing)
            if panel.square:
                axes.set_aspect("equal")
            if panel.bare:
                axes.axis("off")
            elif not any(kind == "image" for kind, *_ in panel.things):
                axes.grid(alpha=0.3, linewidth=0.6)
                axes.spines[["top", "right"]].set_visible(False)
            if any(axes.get_legend_handles_labels()):
                axes.legend(frameon=True, framealpha=0.85, edgecolor="none", fontsize=8)
        figure.savefig(path, dpi=INCH)

    @staticmethod
    def _line(axes, xs, ys, label, colour, width, markers):
        axes.plot(xs, ys, color=colour, linewidth=width, marker="o" if markers else None, markersize=3.5,
                  label=label or None)

    @staticmethod
    def _dots(axes, xs, ys, colour, size, label):
        axes.plot(xs, ys, "o", color=colour, markersize=size, markeredgecolor="white", markeredgewidth=size / 10,
                  label=label or None)

    @staticmethod
    def _image(axes, image, place, smooth):
        limits = axes.get_xlim(), axes.get_ylim()
        axes.imshow(image, extent=place, interpolation="bilinear" if smooth else "nearest", aspect="auto")
        axes.set(xlim=limits[0], ylim=limits[1])

    @staticmethod
    def _text(axes, x, y, text, colour, size, mono, middle):
        axes.text(x, y, text, color=colour, fontsize=size, family="monospace" if mono else None,
                  ha="center" if middle else "left", va="center", parse_math=False, clip_on=True)

    # -- as SVG --

    def svg(self):
        """The picture as the text of an SVG document."""
        width, height = sum(p.width for p in self.panels) * INCH, self.height * INCH
        out = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:g}" height="{height:g}" font-size="11" '
               f'viewBox="0 0 {width:g} {height:g}" font-family="Helvetica,Arial,\'DejaVu Sans\',sans-serif">',
               '<rect width="100%" height="100%" fill="white"/>']
        x = 0.0
        for panel in self.panels:
            out += self._panel(panel, x, x + panel.width * INCH)
            x += panel.width * INCH
        return "\n".join([*out, "</svg>\n"])

    def _panel(self, panel, x0, x1):
        left, right, bottom, top = panel.bounds()
        if panel.log:
            bottom, top = math.log10(bottom), math.log10(top)
        y0, y1 = 30.0, self.height * INCH - (8 if panel.bare else 44)
        x0, x1 = (x0 + 8, x1 - 8) if panel.bare else (x0 + 52, x1 - 14)
        if panel.square:
            unit = min((x1 - x0) / (right - left), (y1 - y0) / (top - bottom))
            x0, x1 = (x0 + x1 - unit * (right - left)) / 2, (x0 + x1 + unit * (right - left)) / 2
            y0, y1 = (y0 + y1 - unit * (top - bottom)) / 2, (y0 + y1 + unit * (top - bottom)) / 2

        def px(x):
            return x0 + (x - left) / (right - left) * (x1 - x0)

        def py(y):
            return y1 - ((math.log10(y) if panel.log else y) - bottom) / (top - bottom) * (y1 - y0)

        yield _svg_text((x0 + x1) / 2, y0 - 11, panel.title, "black", 14, "middle")
        name = f"clip{x0:.0f}"
        yield f'<clipPath id="{name}"><path d="M{x0:.1f} {y0:.1f}H{x1:.1f}V{y1:.1f}H{x0:.1f}Z"/></clipPath>'
        yield f'<g clip-path="url(#{name})">'
        legend = []
        for kind, *thing in panel.things:
            if kind == "image":
                image, place, smooth = thing
                yield _svg_image(image, px(place[0]), px(place[1]), py(place[3]), py(place[2]), smooth)
            elif kind == "text":
                x, y, text, colour, size, mono, middle = thing
                anchor = "middle" if middle else "start"
                yield _svg_text(px(x), py(y) + size / 2, text, colour, size * 1.35, anchor, mono)
            else:
                points = [(px(x), py(y)) for x, y in zip(thing[0], thing[1], strict=True)]
                if kind == "line":
                    label, colour, width, markers = thing[2:]
                    path = "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
                    yield (f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="{width * 1.3:.1f}" '
                           'stroke-linejoin="round"/>')
                    radius, edge = 2.6 if markers else 0, 0
                else:
                    colour, size, label = thing[2:]
                    radius, edge = size * 0.7, size * 0.14
                if radius:
                    circles = "".join(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius:.1f}"/>' for x, y in points)
                    yield f'<g fill="{colour}" stroke="white" stroke-width="{edge:.2f}">{circles}</g>'
                legend += [(label, colour)] if label else []
        yield "</g>"
        if not panel.bare:
            yield f'<path d="M{x0:.1f} {y0:.1f}V{y1:.1f}H{x1:.1f}" stroke="{GREY}" fill="none"/>'
            for x in ticks(left, right):
                yield f'<path d="M{px(x):.1f} {y1:.1f}v4" stroke="{GREY}"/>'
                yield _svg_text(px(x), y1 + 16, f"{x:g}", GREY, 11, "middle")
            powers = range(math.ceil(bottom), math.floor(top) + 1)
            every = max(1, -(-len(powers) // 6))
            for y in [10.0 ** k for k in powers[::every]] if panel.log else ticks(bottom, top):
                yield f'<path d="M{x0:.1f} {py(y):.1f}h-4" stroke="{GREY}"/>'
                yield _svg_text(x0 - 7, py(y) + 4, f"{y:g}", GREY, 11, "end")
            yield _svg_text((x0 + x1) / 2, y1 + 34, panel.xlabel, GREY, 11, "middle")
        if legend:
            width = 30 + 6.5 * max(len(label) for label, _ in legend)
            yield (f'<rect x="{x1 - width:.1f}" y="{y0:.1f}" width="{width:.1f}" height="{16 * len(legend) + 6}" '
                   'fill="white" fill-opacity="0.8"/>')
        for i, (label, colour) in enumerate(legend):
            y = y0 + 14 + 16 * i
            yield f'<rect x="{x1 - 14:.1f}" y="{y - 9:.1f}" width="10" height="10" fill="{colour}"/>'
            yield _svg_text(x1 - 19, y, label, "black", 11, "end")


def _svg_text(x, y, text, colour, size, anchor, mono=False):
    family = ' font-family="monospace"' if mono else ""
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size:.4g}" fill="{colour}" text-anchor="{anchor}" '
            f'xml:space="preserve"{family}>{html.escape(text)}</text>')


def _svg_image(image, x0, x1, y0, y1, smooth):
    content = base64.b64encode(png(image)).decode()
    return (f'<image x="{x0:.2f}" y="{y0:.2f}" width="{x1 - x0:.2f}" height="{y1 - y0:.2f}" preserveAspectRatio="none" '
            f'image-rendering="{"auto" if smooth else "pixelated"}" href="data:image/png;base64,{content}"/>')


def ticks(low, high):
    """About five round numbers between low and high."""
    raw = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw * 0.8)
    return [round(k * step, 12) for k in range(math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9) + 1)]


def png(image):
    """The bytes of a PNG file of an image (H, W, 3), uint8 (W3C, Portable Network Graphics, second edition, 2003)."""
    H, W = image.shape[:2]
    rows = np.concatenate([np.zeros((H, 1), np.uint8), image.reshape(H, W * 3)], axis=1)    # filter type 0 each

    def chunk(kind, content):
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    return (b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", W, H, 8, 2, 0, 0, 0))
            + chunk(b"IDAT", zlib.compress(rows.tobytes(), 9)) + chunk(b"IEND", b""))
