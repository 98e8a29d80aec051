"""The house as the sources have it: which module needs which, room by room. Says if modules go in a circle, and draws.

    python tools/house.py               the rooms, what each needs, and any circle (then the exit status is 1)
    python tools/house.py docs/house.svg    the drawing of the architecture page
"""

import ast
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
WIDTH, MARGIN, GAP, LINE, PAD = 1000, 12, 34, 15, 8     # pixels of the drawing

# The room of a module: the first pattern that its name matches.
ROOMS = (
    ("engine", r"_core"), ("elementwise", r"_elementwise|_ops"), ("training, in C", r"_training"), ("steps 11 to 32", r"_simple"),
    ("run", r"_run(\..*)?|dropin|__main__"), ("draw", r"_draw(\..*)?"), ("files", r"_files(\..*)?"), ("mpi", r"mpi(\..*)?"),
    ("scikit-learn", r"sklearn"), ("ONNX", r"onnx(\..*)?"), ("transforms", r"func(\..*)?|ode|optimize"),
    ("NumPy's functions", r"_protocols|_numpy_functions|_numpy_adapters|_constants|_lost|_copying|_dlpack"),
    ("array API", r"array_api(\..*)?|_array_object"),
    ("shared", r"_tables|_later|_random|_typing|_debugging|_profiling(\..*)?|cuda"),
    ("capture", r"_calls|_plan|_machine|_capture(\..*)?"),
    ("names of DeZero", r"core|core_simple|simple|chapter1|functions|functions_conv|utils"),
    ("learning", r"layers|models|optimizers|datasets|dataloaders|transforms|history|_hooks|_summary|_workers|_inputs"),
    ("fit", r"training(\..*)?"), ("families", r"_\w+"),
)


# Modules that a checkout has once it is built, and what they need.
GENERATED = {"_ops": {"_elementwise"}, "_numpy_functions": {"_numpy_adapters", "functions"}}


def modules():
    """{module's name below dezero_c: its source}"""
    found = {}
    for path in sorted((ROOT / "dezero_c").rglob("*.py")):
        name = ".".join(path.relative_to(ROOT / "dezero_c").with_suffix("").parts)
        if name != "__init__" and name not in GENERATED:
            found[name.removesuffix(".__init__")] = path
    return found | {path.stem: path for path in sorted((ROOT / "src" / "dezero_c").glob("*.pyx")) if path.stem not in GENERATED}


def known(name, names):
    """The module that a dotted name below dezero_c means: itself, or the longest part of it that is one."""
    while name and name not in names:
        name = name.rpartition(".")[0]
    return name


def of_python(path, names):
    """What a Python module imports, at once or when a function of its runs; not what only a checker reads."""
    found = set()

    def visit(node):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for each in node.orelse:
                visit(each)
            return
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "dezero_c":
            below = node.module.removeprefix("dezero_c").lstrip(".")
            found.update(known(f"{below}.{alias.name}".lstrip("."), names) for alias in node.names)
        elif isinstance(node, ast.Import):
            found.update(known(alias.name.removeprefix("dezero_c."), names) for alias in node.names
                         if alias.name.startswith("dezero_c."))
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


def of_cython(path, names):
    text = "".join(p.read_text(encoding="utf-8") for p in (path, path.with_suffix(".pxd")) if p.exists())
    found = {known(name, names) for name in re.findall(r"^\s*from dezero_c\.([\w.]+) c?import", text, re.MULTILINE)}
    for listed in re.findall(r"^\s*from dezero_c import (.+)$", text, re.MULTILINE):
        found.update(known(name.strip(), names) for name in listed.split(","))
    return found


def needs():
    """{module: the modules that it needs}; the package itself, which imports everything, is left out."""
    sources = modules()
    names = {*sources, *GENERATED}
    found = {name: (of_python if path.suffix == ".py" else of_cython)(path, names) - {name, ""}
             for name, path in sources.items()}
    return GENERATED | {name: wants for name, wants in found.items() if wants or sources[name].name != "__init__.py"}


def circles(graph):
    """The groups of nodes that can reach each other (Tarjan's algorithm)."""
    index, low, stack, found = {}, {}, [], []

    def visit(node):
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
            if other in stack:
                low[node] = min(low[node], low[other])
        if low[node] == index[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                found.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return found


def room(name):
    return next(title for title, pattern in ROOMS if re.fullmatch(pattern, name))


def rooms(graph):
    """({room: its modules}, {room: the rooms that it needs})"""
    inside, wants = {}, {}
    for name in sorted(graph):
        inside.setdefault(room(name), []).append(name)
    for title, names in inside.items():
        wants[title] = {room(other) for name in names for other in graph[name]} - {title}
    return inside, wants


def floors(wants):
    """The rooms in rows, each above all that it needs; of a circle of rooms the edge back is left out."""
    level = {}

    def visit(title, above=()):
        if title not in level:
            level[title] = 1 + max((visit(other, (*above, title)) for other in wants[title] if other not in above), default=0)
        return level[title]

    for title in sorted(wants):
        visit(title)
    return [sorted(title for title in level if level[title] == k) for k in range(max(level.values()), 0, -1)]


def reduced(wants):
    """Without the needs that follow from others."""
    def reach(title, seen):
        for other in wants[title] - seen:
            seen.add(other)
            reach(other, seen)
        return seen

    return {title: {other for other in others if not any(other in reach(third, set()) for third in others - {other})}
            for title, others in wants.items()}


def wrapped(names, width):
    """Lines of names, of at most `width` characters where a name allows it."""
    lines = [""]
    for name in names:
        if lines[-1] and len(lines[-1]) + len(name) + 2 > width:
            lines.append("")
        lines[-1] += (", " if lines[-1] else "") + name
    return lines


def drawing(graph):
    """SVG: a box a room, floor by floor, with lines to the rooms that it needs and that no other line leads to."""
    inside, wants = rooms(graph)
    boxes, parts, y = {}, [], MARGIN
    for row in floors(wants):
        width = (WIDTH - MARGIN * (len(row) + 1)) / len(row)
        texts = {title: wrapped(inside[title], int((width - 2 * PAD) / 6.6)) for title in row}
        height = max(len(lines) for lines in texts.values()) * LINE + LINE + 2 * PAD
        for k, title in enumerate(row):
            boxes[title] = (MARGIN + k * (width + MARGIN), y, width, height, texts[title])
        y += height + GAP
    kernels = (MARGIN, y, WIDTH - 2 * MARGIN, LINE + 2 * PAD)
    for title, others in sorted(reduced(wants).items()):
        for other in sorted(others):
            (x0, y0, w0, h0, _), (x1, y1, w1, _, _) = boxes[title], boxes[other]
            if y1 > y0:
                parts.append(f'<line x1="{x0 + w0 / 2:.0f}" y1="{y0 + h0:.0f}" x2="{x1 + w1 / 2:.0f}" y2="{y1:.0f}" '
                             'stroke="#8a97a6" stroke-width="1"/>')
    for title, (x, top, width, height, lines) in boxes.items():
        parts.append(f'<rect x="{x:.0f}" y="{top:.0f}" width="{width:.0f}" height="{height:.0f}" rx="5" fill="#eef4fa" '
                     'stroke="#4a7aa7"/>')
        parts.append(f'<text x="{x + PAD:.0f}" y="{top + PAD + 10:.0f}" font-weight="bold">{title}</text>')
        parts += [f'<text x="{x + PAD:.0f}" y="{top + PAD + 10 + LINE * (i + 1):.0f}">{line}</text>'
                  for i, line in enumerate(lines)]
    x, top, width, height = kernels
    parts.append(f'<rect x="{x}" y="{top:.0f}" width="{width}" height="{height}" rx="5" fill="#fff3e0" stroke="#c98a2b"/>')
    parts.append(f'<text x="{x + PAD}" y="{top + PAD + 10:.0f}"><tspan font-weight="bold">kernels</tspan> src/kernels: C that '
                 "knows nothing of Python; the engine and each family have their own</text>")
    head = (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {top + height + MARGIN:.0f}" '
            'font-family="DejaVu Sans, Verdana, sans-serif" font-size="11">')
    return "\n".join([head, '<rect width="100%" height="100%" fill="white"/>', *parts, "</svg>", ""])


def main():
    graph = needs()
    if len(sys.argv) > 1:
        Path(sys.argv[1]).write_text(drawing(graph), encoding="utf-8")
    inside, wants = rooms(graph)
    for row in floors(wants):
        for title in row:
            print(f"{title}: {', '.join(inside[title])}\n    needs {', '.join(sorted(wants[title])) or 'kernels alone'}")
    found = circles(graph)
    for group in found:
        print(f"IN A CIRCLE: {', '.join(group)}")
    return bool(found)


if __name__ == "__main__":
    sys.exit(main())
