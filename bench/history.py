"""Figures over versions: what a row took in each version, by processor, from runs of `python -m bench --json`.

    python -m bench.history                           the tables
    python -m bench.history add ONE.json              keeps a run in bench/history, reduced to medians and ratios
    python -m bench.history import RESULTS.md --place "AMD EPYC, avx2" --origin COMMIT
                                                      the same from a section of an older page of results
    python -m bench.history page                      writes the tables of docs/figures.md, and docs/figures.png

An entry is one run of one version on one kind of processor, with one thread. Runs on different days differ by their machine's
clock and neighbours too; so beside the times stand the ratios to a peer that was measured in the same process. Owns the entries,
the reader of older pages, the tables and the picture; measuring is __main__'s, the page of one version's results results.py's.
"""

import argparse
import datetime
import json
import math
import re
import sys
from pathlib import Path

from . import plot, results
from .peers import OURS, PEERS
from .report import quantity, times

FOLDER = Path(__file__).with_name("history")
PAGE = Path(__file__).resolve().parent.parent / "docs" / "figures.md"
PICTURE = PAGE.with_suffix(".png")
MARK = "<!-- below: python -m bench.history page -->"
SCHEMA = 1
YARDSTICK = "dezero"    # it has not changed since these figures began
# The rows that are shown, and drawn in this order; the geometric mean is of all that entries have in common.
SHOWN = {
    "chain-scalar": "scalar chain, an operation",
    "chain-64": "chain on 64 elements, an operation",
    "newton": "ten Newton steps, second derivatives",
    "arithmetic-1000": "arithmetic, 1,000 elements",
    "arithmetic-million": "arithmetic, 10^6 elements",
    "tanh-exp-million": "tanh and exp, 10^6 elements",
    "softmax-axis1": "softmax, 1,000 x 1,000",
    "conv2d": "conv2d, 16 x 3 x 32 x 32",
    "mlp-small-sgd": "training step, MLP 4-32-32-2",
    "mlp-large": "training step, MLP 784-1000-10",
    "lstm": "training step, LSTM, 30 steps",
    "policy": "training step, one observation",
}


class WrongFile(Exception):
    """A file is not what it should be; the text says which, and what would be right."""


def version_key(version):
    return tuple(int(part) for part in re.findall(r"\d+", version))


def place(entry):
    return f"{entry['processor']}, {entry['simd']}"


def name_of(entry):
    slug = re.sub("[^a-z0-9]+", "-", place(entry).lower()).strip("-")
    return f"{entry['version']}-{entry['date']}-{slug}.json"


def rounded(number):
    return float(f"{number:.4g}")


def made(version, measured_as, date, processor, simd, source, note, versions, rows):
    if not re.fullmatch(r"\d+\.\d+\.\d+", version):
        raise WrongFile(f"{source}: version {version!r} is none; give one like 0.2.0 by --version")
    return {"schema": SCHEMA, "version": version, "measured_as": measured_as, "date": date, "processor": processor, "simd": simd,
            "threads": 1, "source": source, "note": note, "versions": versions, "rows": rows}


def from_run(text, source, version=None, note=""):
    """The entry of what `python -m bench --json` wrote. version: where the package called itself by another one."""
    try:
        document = json.loads(text)
    except ValueError as error:
        raise WrongFile(f"{source} is no JSON: {error}") from None
    if not isinstance(document, dict) or document.get("schema") != 2 or "workloads" not in document:
        raise WrongFile(f"{source} is not what `python -m bench --json` of this version writes (schema 2)")
    if document.get("quick"):
        raise WrongFile(f"{source} is a quick run, whose figures are no measurement; leave out --quick")
    if document.get("threads") != 1:
        raise WrongFile(f"{source} was measured with {document.get('threads')} threads; the figures over versions are of one")
    rows = {}
    try:
        for each in document["workloads"]:
            found = {row["key"]: row for row in each["rows"]}
            if each["quantity"] == "ns" and OURS in found:
                ratios = {peer: rounded(row["times_dezero_c"]) for peer, row in found.items()
                          if peer != OURS and row["times_dezero_c"]}
                rows[each["name"]] = {"seconds": rounded(found[OURS]["median"] * 1e-9), "ratios": ratios}
        measured_as = document["versions"][OURS]
        machine, core = document["machine"], document["core"]["build_info"]
        entry = made(version or measured_as, measured_as, document["date"][:10], machine["cpu"], core["simd"], source, note,
                     {name: each for name, each in document["versions"].items() if name != OURS}, rows)
    except (KeyError, TypeError, AttributeError) as error:
        raise WrongFile(f"{source} lacks a part that `python -m bench --json` writes: {error!r}") from None
    return checked(entry, source)


FACTS = re.compile(r"^- (\d{4}-\d\d-\d\d), (.*), \d+ CPUs, .*?, Python [\w.]+, (.*?); .*kernels for (\w+).*; threads: (\d+)\.$",
                   re.MULTILINE)
MONTHS = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"]
UNITS = {"ns": 1e-9, "us": 1e-6, "ms": 1e-3, "s": 1.0}


def from_page(text, source, where, version=None, note=""):
    """The entry of a section of a page that bench/results.py wrote; of the whole page, where it had no sections yet."""
    found = results.sections(text)
    section = found.get(where) if found else text
    if section is None:
        raise WrongFile(f"{source} has no section {where!r}; it has: {', '.join(found)}")
    facts = next((each for each in FACTS.finditer(section) if each[5] == "1"), None)
    if facts is None:
        raise WrongFile(f"{source} does not say when and on which processor it was measured with one thread")
    date, processor, packages, simd, _ = facts.groups()
    if f"{processor}, {simd}" != where:
        raise WrongFile(f"{source} was measured on {processor}, {simd}, and not on {where}")
    versions = dict(each.rpartition(" ")[::2] for each in packages.split(", "))
    table = re.search(r"^\| row \| dezero_c \|(.*)\|\n\|[ |-]*\n((?:\| `.*\n?)+)", section, re.MULTILINE)
    if table is None:
        raise WrongFile(f"{source} has no table of rows that begins with | row | dezero_c |")
    labels = {peer.label: name for name, peer in PEERS.items()}
    heads = [label.strip() for label in table[1].split("|")]
    if unknown := [label for label in heads if label not in labels]:
        raise WrongFile(f"{source} has columns of nobody known: {', '.join(unknown)}")
    rows = {}
    for line in table[2].splitlines():
        name = re.match(r"\| `([^`]*)`", line)[1]
        # from behind: a title may hold a bar
        cells = [cell.strip() for cell in line.rstrip()[1:-1].split("|")[-len(heads) - 1:]]
        try:
            number, unit = cells[0].split()
            ratios = {labels[label]: float(cell.replace(",", "")) for label, cell in zip(heads, cells[1:], strict=True) if cell}
            rows[name] = {"seconds": rounded(float(number) * UNITS[unit]), "ratios": ratios}
        except (ValueError, KeyError):
            raise WrongFile(f"{source}: the row {name} is not a time and ratios: {line}") from None
    for name in [name for name in rows if name.removesuffix("-2") != name and name.removesuffix("-2") in rows]:
        del rows[name]      # of two threads, beside the same of one
    measured_as = versions.pop(OURS, "")
    return checked(made(version or measured_as, measured_as, date, processor, simd, source, note, versions, rows), source)


def checked(entry, source):
    """The entry, if it is one: every part there, every figure a positive number."""
    wanted = {"schema", "version", "measured_as", "date", "processor", "simd", "threads", "source", "note", "versions", "rows"}
    if not isinstance(entry, dict) or set(entry) != wanted or entry["schema"] != SCHEMA:
        raise WrongFile(f"{source} is no entry of bench/history; make one by `python -m bench.history add`")
    try:
        datetime.date.fromisoformat(entry["date"])
        figures = [number for row in entry["rows"].values() for number in (row["seconds"], *row["ratios"].values())]
        right = bool(figures) and all(type(number) in (int, float) and 0 < number < math.inf for number in figures)
    except (ValueError, KeyError, TypeError, AttributeError):
        right = False
    if not right:
        raise WrongFile(f"{source}: its rows are not times and ratios, or its date is none")
    return entry


def entries(folder=None):
    """All entries, by processor, version and day."""
    found = []
    for path in sorted((folder or FOLDER).glob("*.json")):
        try:
            entry = checked(json.loads(path.read_text(encoding="utf-8")), path.name)
        except ValueError as error:
            raise WrongFile(f"{path.name} is no JSON: {error}") from None
        if path.name != name_of(entry):
            raise WrongFile(f"{path.name} holds {name_of(entry).removesuffix('.json')}; rename it to {name_of(entry)}")
        found.append(entry)
    return sorted(found, key=lambda entry: (place(entry), version_key(entry["version"]), entry["date"]))


def keep(entry, replace=False, folder=None):
    """Writes the entry into the folder; one of the same version, day and processor only where `replace` says so."""
    path = (folder or FOLDER) / name_of(entry)
    if path.exists() and not replace:
        raise WrongFile(f"{path.name} is there already; --replace puts this run in its place")
    path.parent.mkdir(exist_ok=True)
    rows = ",\n".join(f"  {json.dumps(name)}: {json.dumps(row)}" for name, row in entry["rows"].items())
    head = json.dumps({name: value for name, value in entry.items() if name != "rows"}, indent=1, ensure_ascii=False)
    path.write_text(f'{head.removesuffix("}").rstrip()},\n "rows": {{\n{rows}\n }}\n}}\n', encoding="utf-8")
    return path


def by_place(found):
    """{processor and level: its entries, the earliest first}"""
    return {where: [entry for entry in found if place(entry) == where] for where in dict.fromkeys(map(place, found))}


def day(entry):
    date = datetime.date.fromisoformat(entry["date"])
    return f"{date.day} {MONTHS[date.month - 1]}"       # %b goes by the locale


def geometric_mean(numbers):
    return math.exp(sum(map(math.log, numbers)) / len(numbers))


def change(first, last):
    """(names in common, last's times as multiples of first's, the same with the yardstick's time of each run as the unit)"""
    common = [name for name in first["rows"] if name in last["rows"]]
    plain = {name: last["rows"][name]["seconds"] / first["rows"][name]["seconds"] for name in common}
    both = [name for name in common if all(YARDSTICK in entry["rows"][name]["ratios"] for entry in (first, last))]
    against = {name: first["rows"][name]["ratios"][YARDSTICK] / last["rows"][name]["ratios"][YARDSTICK] for name in both}
    return plain, against


def table(found):
    """The entries of one processor: a column for each, and what the last one takes of the first one's time."""
    first, last = found[0], found[-1]
    plain, against = change(first, last) if len(found) > 1 else ({}, {})
    heads = [f"{entry['version']}, {day(entry)}" for entry in found]
    several = [f"{PEERS[YARDSTICK].label} then", "now", "time", f"by {PEERS[YARDSTICK].label}'s"] if plain else []
    lines = ["| row | " + " | ".join(heads + several) + " |", "| --- " * (1 + len(heads) + len(several)) + "|"]
    for name, title in SHOWN.items():
        cells = [quantity(entry["rows"][name]["seconds"] * 1e9, "ns") if name in entry["rows"] else "" for entry in found]
        if plain:
            ratios = [entry["rows"][name]["ratios"][YARDSTICK] if name in against else None for entry in (first, last)]
            cells += [f"{times(ratio)} x" if ratio else "" for ratio in ratios]
            cells += [f"{numbers[name]:.2f}" if name in numbers else "" for numbers in (plain, against)]
        if any(cells):
            lines.append(f"| {title} (`{name}`) | {' | '.join(cells)} |")
    if plain and against:
        means = [f"{geometric_mean(list(numbers.values())):.2f} of {len(numbers)} rows" for numbers in (plain, against)]
        lines.append(f"| geometric mean | {' | '.join([''] * (len(heads) + 2) + means)} |")
    return "\n".join(lines)


def tables(found):
    parts = []
    for where, each in by_place(found).items():
        parts += [f"## {where}", "", table(each), ""]
        for entry in each:
            said = "" if entry["measured_as"] == entry["version"] else f", as {entry['measured_as']}"
            text = f"- {entry['version']}{said}, {entry['date']}: {entry['source']}. {entry['note']}"
            parts.append(text.rstrip())
        parts.append("")
    return "\n".join(parts)


def tick(ns):
    """1.5 ms, where quantity says 1.50 ms."""
    number, unit = quantity(ns, "ns").split()
    return f"{float(number):g} {unit}" if ns else "0"


def draw(found, path):
    """A panel for each row that is shown: time over versions, a line for each kind of processor; dashed, the first time
    multiplied by what became of it in units of the yardstick's time.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure
    from matplotlib.lines import Line2D

    columns = sorted({(version_key(entry["version"]), entry["date"]) for entry in found})
    labels = {column: next(f"{entry['version']}\n{day(entry)}" for entry in found
                           if (version_key(entry["version"]), entry["date"]) == column) for column in columns}
    figure = Figure(figsize=(11, 8.4), layout="constrained")
    FigureCanvasAgg(figure)
    lines = {}
    for axes, (name, title) in zip(figure.subplots(4, 3, sharex=True).flat, SHOWN.items(), strict=True):
        highest = 0.0
        for colour, marker, (where, each) in zip(("#30638e", "#d1495b", "#6a994e", "#8d6a9f"), "osD^", by_place(found).items(),
                                                strict=False):
            points = [(columns.index((version_key(entry["version"]), entry["date"])), entry["rows"][name]["seconds"] * 1e9)
                      for entry in each if name in entry["rows"]]
            if not points:
                continue
            (lines[where],) = axes.plot(*zip(*points, strict=True), marker=marker, color=colour, lw=1.6, ms=5)
            first = next(entry for entry in each if name in entry["rows"])
            factors = [change(first, entry)[1].get(name) for entry in each if name in entry["rows"]]
            steady = [(x, points[0][1] * factor) for (x, _), factor in zip(points, factors, strict=True) if factor]
            if len(steady) > 1:
                axes.plot(*zip(*steady, strict=True), "--", marker=marker, mfc="white", color=colour, lw=0.9, ms=4, zorder=1)
            highest = max(highest, *(ns for _, ns in points + steady))
        axes.set_title(title, fontsize=9)
        axes.set_ylim(0, highest * 1.15 or 1)
        axes.set_xlim(-0.3, len(columns) - 0.7)
        axes.set_xticks(range(len(columns)), labels.values(), fontsize=8)
        axes.tick_params(axis="y", labelsize=8)
        axes.yaxis.set_major_formatter(lambda ns, _: tick(ns))
        axes.grid(color="#dddddd", lw=0.6)
        axes.spines[["top", "right"]].set_visible(False)
    lines[f"by {PEERS[YARDSTICK].label}'s time"] = Line2D([], [], color="#666666", ls="--", lw=0.9, marker="o", mfc="white", ms=4)
    figure.legend(lines.values(), lines.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    figure.savefig(path, format="png", dpi=100)


def page(text, found):
    """The page with its tables below the mark; what stands above is written by hand."""
    if text.count(MARK) != 1:
        raise WrongFile(f"the page has not one line {MARK}")
    return f"{text.partition(MARK)[0]}{MARK}\n\n{tables(found)}"


def parse(arguments):
    parser = argparse.ArgumentParser(prog="python -m bench.history", description=__doc__.partition("\n")[0])
    parser.add_argument("what", nargs="?", choices=["show", "add", "import", "page"], default="show")
    parser.add_argument("file", nargs="?", type=Path, help="of `python -m bench --json`; or a page of results")
    parser.add_argument("--version", help="of which it is, where the file says another one, with a --note that says why")
    parser.add_argument("--place", metavar="SECTION", help="import: processor and level, 'AMD EPYC, avx2'")
    parser.add_argument("--origin", metavar="COMMIT", help="import: the commit that the page is of")
    parser.add_argument("--note", default="", help="what a reader should know of the run")
    parser.add_argument("--replace", action="store_true", help="in the place of an entry of the same version, day and processor")
    options = parser.parse_args(arguments)
    if (options.what in ("add", "import")) != (options.file is not None):
        parser.error(f"{options.what}: {'takes no file' if options.file else 'name the file'}")
    if options.what == "import" and not (options.place and options.origin):
        parser.error("import needs --place and --origin")
    return options


def main(arguments=None):
    options = parse(arguments)
    try:
        if options.file:
            try:
                text = options.file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError) as error:
                raise WrongFile(f"{options.file} cannot be read: {error}") from None
            if options.what == "add":
                entry = from_run(text, "`python -m bench --json`", options.version, options.note)
            else:
                source = f"`bench/RESULTS.md` of commit {options.origin}"
                entry = from_page(text, source, options.place, options.version, options.note)
            said, version = entry["measured_as"], entry["version"]
            if said != version and not options.note:
                raise WrongFile(f"{options.file} is of {said}; say by --note why it stands for {version}")
            print(keep(entry, options.replace))
        elif options.what == "page":
            if not plot.available():
                raise WrongFile(plot.MISSING.replace("--plot", "the picture"))
            found = entries()
            PAGE.write_text(page(PAGE.read_text(encoding="utf-8"), found), encoding="utf-8")
            draw(found, PICTURE)
        else:
            print(tables(entries()))
    except WrongFile as error:
        print(f"bench.history: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
