"""A profile as text, as a page, and as JSON."""

from __future__ import annotations

import dataclasses
import html
import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dezero_c._profiling import Row, profile

__all__ = ["ORDERS", "data", "page", "text"]

ORDERS = ("total", "forward", "backward", "calls", "bytes", "before")
WIDTH = 100


def sorted_rows(p: profile, sort: str, top: int) -> list[Row]:
    """The first `top` rows in an order."""
    if sort not in ORDERS:
        raise ValueError(f"profile: cannot sort by {sort!r}; sort by one of {', '.join(ORDERS)}")
    if not isinstance(top, int) or top < 1:
        raise ValueError(f"profile: top is {top!r}; give a number of rows, 1 or more")
    return sorted(p.rows, key=lambda row: getattr(row, sort), reverse=True)[:top]


def seconds(t: float) -> str:
    """A duration in at most seven characters."""
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if t >= size:
            return f"{t / size:.4g} {unit}" if t < 9999 else f"{t:.0f} s"
    return f"{t * 1e6:.3g} us" if t > 0 else "0"


def size(n: float) -> str:
    """A number of bytes."""
    for unit in ("B", "KB", "MB", "GB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} TB"


def times(row: Row) -> str:
    """Seconds forward, where they are known."""
    return "-" if row.calls == row.untimed else seconds(row.forward)


def cut(text: str, n: int, left: bool = False) -> str:
    """text in n characters; left: its end is what counts."""
    if len(text) <= n:
        return text
    return "…" + text[1 - n:] if left else text[:n - 1] + "…"


def ways(row: Row) -> list[str]:
    """How an operation went, in words; backward only where it was not as it should be."""
    found = [f"{way} ({n} of {row.calls})" if n < row.calls else way for way, n in row.ways.items()]
    return found + [f"backward {way}" + (f" ({n} of {row.backward_calls})" if n < row.backward_calls else "")
                    for way, n in row.ways_backward.items() if way != "direct"]


def by_line(rows: list[Row]) -> list[tuple[str, int, int, float, float, float, int]]:
    """(line, calls, steps backwards, forward, backward, before, bytes), longest first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.line, []).append(row)
    summed = [(line, sum(r.calls for r in rs), sum(r.backward_calls for r in rs), sum(r.forward for r in rs),
               sum(r.backward for r in rs), sum(r.before for r in rs), sum(r.bytes for r in rs)) for line, rs in found.items()]
    return sorted(summed, key=lambda each: -(each[3] + each[4]))


def general(rows: list[Row]) -> list[tuple[str, str, str, int]]:
    """(reason, operation, line, how often) of what went the general way, or was copied first; most frequent first."""
    found = []
    for row in rows:
        for prefix, counts in (("", row.ways), ("backward, ", row.ways_backward)):
            found += [(prefix + way, row.function, row.line, n) for way, n in counts.items() if ": " in way]
    return sorted(found, key=lambda each: -each[3])


def remarks(p: profile) -> list[str]:
    """What is said below the tables: sums and their meaning."""
    rows = p.rows
    forward, backward, before = (sum(getattr(row, name) for row in rows) for name in ("forward", "backward", "before"))
    untimed = sum(row.untimed for row in rows)
    threads = f" in {p.threads} threads, whose times are added up" if p.threads > 1 else ""
    said = [f"{seconds(p.seconds)} in all{threads}; operations {seconds(forward)} forward, {seconds(backward)} backward; "
            f"the profile itself at least {seconds(p.overhead)} ({share(p.overhead, p.seconds)})"]
    if untimed:
        said.append(f"{untimed} calls have no time forward: the log does not have their beginning")
    if (found := p.float64_from) is not None:
        n = sum(row.float64 for row in rows)
        said.append(f"float64 came in beside float32 first at {found[0]}: {found[1]} of {found[2]}; {n} calls in all. "
                    "If it is not wanted: x.astype(np.float32)")
    if rows:
        said.append(f"before operations {seconds(before)} went by ({share(before, p.seconds)}): Python, NumPy, data, all else "
                    "of the program's. dezero_c.capture saves at most the part of it that lies inside of the captured function")
    return said


def share(part: float, whole: float) -> str:
    """A part in percent."""
    return f"{100 * part / whole:.1f} %" if whole > 0 else "-"


def text(p: profile, sort: str, top: int) -> str:
    """The report for a terminal."""
    shown, rows = sorted_rows(p, sort, top), p.rows
    if not rows:
        return f"no operation ran in this profile ({seconds(p.seconds)})\n"
    head = f"{'total':>9} {'calls':>7} {'forward':>9} {'backward':>9} {'bytes':>8}  {'operation':<18} {'line':<33}"
    lines = [head.rstrip(), "-" * WIDTH]
    for row in shown:
        lines.append(f"{seconds(row.total):>9} {max(row.calls, row.backward_calls):>7} {times(row):>9} "
                     f"{seconds(row.backward):>9} {size(row.bytes):>8}  "
                     f"{cut(row.function, 18):<18} {cut(row.line, 33, left=True)}")
    if len(rows) > len(shown):
        lines.append(f"{'':>9} and {len(rows) - len(shown)} more rows")
    lines += ["", f"{'total':>9} {'calls':>7} {'forward':>9} {'backward':>9} {'before':>9}  line"]
    for line, calls, back, forward, backward, before, _ in by_line(rows)[:top]:
        lines.append(f"{seconds(forward + backward):>9} {max(calls, back):>7} {seconds(forward):>9} {seconds(backward):>9} "
                     f"{seconds(before):>9}  {cut(line, 48, left=True)}")
    found = general(rows)
    if found:
        lines += ["", "not by the kernel alone:"]
        lines += [f"{n:>9}  {cut(way, 44):<44} {cut(function, 16):<16} {cut(line, 25, left=True)}"
                  for way, function, line, n in found[:top]]
    lines.append("")
    for said in remarks(p):
        lines += wrapped(said)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def wrapped(said: str) -> list[str]:
    """A remark in lines that fit; a long name is cut through."""
    import textwrap

    return textwrap.wrap(said, WIDTH, subsequent_indent="  ")


PAGE = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta name="viewport" content="width=device-width"/>
<title>dezero_c profile</title>
<style>
body {{ font: 14px/1.4 sans-serif; margin: 2em; color: #222; background: #fff; }}
svg {{ max-width: 100%; height: auto; }}
table {{ border-collapse: collapse; margin: 1em 0; }}
th, td {{ padding: 2px 8px; text-align: right; border-bottom: 1px solid #ddd; vertical-align: top; white-space: nowrap; }}
th.t, td.t {{ text-align: left; }}
td.t {{ white-space: normal; overflow-wrap: anywhere; }}
code {{ font-size: 13px; }}
@media print {{ body {{ font-size: 9px; margin: 0; }} code {{ font-size: 8px; }} th, td {{ padding: 1px 4px; }} }}
</style>
</head>
<body>
<h1>dezero_c profile</h1>
<ul>
{remarks}
</ul>
{picture}
<h2>Operations</h2>
<table>
<tr><th>total</th><th>calls</th><th>steps back</th><th>forward</th><th>backward</th><th>bytes</th>\
<th class="t">operation</th><th class="t">line</th><th class="t">how</th></tr>
{rows}
</table>
<h2>Lines</h2>
<table>
<tr><th>total</th><th>calls</th><th>steps back</th><th>forward</th><th>backward</th><th>before</th><th>bytes</th>\
<th class="t">line</th></tr>
{lines}
</table>
</body>
</html>
"""


def page(p: profile, sort: str, top: int) -> str:
    """The report as a page (XHTML, which any reader of XML takes, too)."""
    shown = sorted_rows(p, sort, top)
    rows = "\n".join(
        _tr([seconds(r.total), str(r.calls), str(r.backward_calls), times(r), seconds(r.backward), size(r.bytes)],
            [r.function, r.line, "; ".join(ways(r))]) for r in shown)
    lines = "\n".join(
        _tr([seconds(forward + backward), str(calls), str(back), seconds(forward), seconds(backward), seconds(before), size(n)],
            [line]) for line, calls, back, forward, backward, before, n in by_line(p.rows)[:top])
    said = "\n".join(f"<li>{escaped(each)}</li>" for each in remarks(p))
    return PAGE.format(remarks=said, picture=picture(shown[:15]), rows=rows, lines=lines)


def escaped(text: str) -> str:
    """text for HTML; what XML has no character for (a name of a file can have it) becomes a question mark."""
    kept = "".join(c if c in "\t\n" or 0x20 <= ord(c) < 0xD800 or 0xE000 <= ord(c) < 0xFFFE or ord(c) > 0xFFFF else "?"
                   for c in text)
    return html.escape(kept)


def _tr(numbers: list[str], texts: list[str]) -> str:
    return ("<tr>" + "".join(f"<td>{escaped(n)}</td>" for n in numbers)
            + "".join(f'<td class="t"><code>{escaped(t)}</code></td>' for t in texts) + "</tr>")


def picture(rows: list[Row]) -> str:
    """Bars of the rows' times, forward and backward."""
    longest = max((row.total for row in rows), default=0.0)
    if longest <= 0:
        return ""
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="900" height="{24 * len(rows) + 30}" '
             f'viewBox="0 0 900 {24 * len(rows) + 30}" '
             'font-family="sans-serif" '
             'font-size="12" role="img" aria-label="time by operation">',
             '<rect x="380" y="4" width="12" height="12" fill="#3b75af"/><text x="396" y="14">forward</text>',
             '<rect x="460" y="4" width="12" height="12" fill="#e1812c"/><text x="476" y="14">backward</text>']
    for k, row in enumerate(rows):
        y = 24 * k + 26
        a, b = (400 * t / longest for t in (row.forward, row.backward))
        label = escaped(f"{cut(row.function, 20)}  {cut(row.line, 34, left=True)}")
        parts += [f'<text x="370" y="{y + 13}" text-anchor="end">{label}</text>',
                  f'<rect x="380" y="{y}" width="{a:.1f}" height="18" fill="#3b75af"/>',
                  f'<rect x="{380 + a:.1f}" y="{y}" width="{b:.1f}" height="18" fill="#e1812c"/>',
                  f'<text x="{386 + a + b:.1f}" y="{y + 13}">{escaped(seconds(row.total))}</text>']
    return "\n".join([*parts, "</svg>"])


def data(p: profile) -> str:
    """Everything as JSON; times in seconds."""
    first = p.float64_from
    return json.dumps({
        "version": 1, "seconds": p.seconds, "overhead": p.overhead, "threads": p.threads,
        "float64_from": None if first is None else dict(zip(("line", "function", "what"), first, strict=True)),
        "rows": [{**dataclasses.asdict(row), "total": row.total} for row in p.rows],
    }, indent=1) + "\n"
