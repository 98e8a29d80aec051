"""Writes a section of bench/RESULTS.md from measurements: `python -m bench.results ONE.json [TWO.json ...]`, files of
`python -m bench --json`, the first with one thread; rows of a later file take the place of earlier ones. A section is what was
measured on one kind of processor at one SIMD level. The others are kept as they are, and so is what stands below the mark in
this one, the reasons for what falls short.
"""

import json
import re
import sys
from pathlib import Path

from . import campaign, plot
from .peers import OURS, PEERS
from .report import quantity, times

PAGE = Path(__file__).with_name("RESULTS.md")
MARK = "<!-- below: written by hand -->"
SECTION = "<!-- measured on: {} -->"
HEAD = """# Results

Measured by `python -m bench --json one.json` and `python -m bench --threads 2 --json two.json`, written by `python -m
bench.results one.json two.json`. Medians over rounds in which all take turns in one process; a figure is how many times
dezero_c's time a peer takes, the median of the rounds' ratios, forward and backward together. What is called a limit does a
part of the work only. A section is one kind of processor with one level of kernels; no other was measured.
"""


class Mixed(Exception):
    """The files are not of one processor and level."""


def place(documents):
    """The section that the files belong to: the processor's name, and the level of its kernels that ran."""
    places = {f"{each['machine']['cpu']}, {each['core']['build_info']['simd']}" for each in documents}
    if len(places) != 1:
        raise Mixed(f"the files were measured on {' and on '.join(sorted(places))}; write the sections one by one")
    return places.pop()


def sections(text):
    """{place: text} of a page, in order; each text opens with its mark."""
    parts = re.split(r"(?m)^(?=<!-- measured on: )", text)[1:]
    return {re.match(SECTION.format("(.*)"), part)[1]: part for part in parts}


def facts(document):
    machine, core = document["machine"], document["core"]["build_info"]
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items() if name != "limit")
    return (
        f"{document['date'][:10]}, {machine['cpu']}, {machine['cpus']} CPUs, {machine['system'].split('-')[0]}, Python "
        f"{machine['python']}, {versions}; {core['compiler']}, kernels for {core['simd']} (the processor has "
        f"{', '.join(core['simd_available'])}), BLAS: {document['machine'].get('blas', 'kernels not noted')}; threads: "
        f"{document['threads']}."
    )


def rows(results):
    """A line for each timed row: dezero_c's time, and how many times that each peer takes."""
    peers = [name for name in PEERS if name != OURS and any(row["key"] == name for each in results for row in each["rows"])]
    made = ["| row | dezero_c | " + " | ".join(PEERS[name].label for name in peers) + " |", "| --- " * (len(peers) + 2) + "|"]
    for each in results:
        found = {row["key"]: row for row in each["rows"]}
        if each["quantity"] != "ns" or OURS not in found:
            continue
        cells = [times(found[name]["times_dezero_c"]) if name in found else "" for name in peers]
        made.append(
            f"| `{each['name']}`: {each['title']}; per {each['unit']} | {quantity(found[OURS]['median'], 'ns')} | "
            f"{' | '.join(cells)} |"
        )
    return "\n".join(made)


def picture(where):
    return PAGE.with_name(f"sizes-{re.sub('[^a-z0-9]+', '-', where.lower()).strip('-')}.png")


def section(documents, where, kept):
    # a row that was measured again stands as it was last
    results = list({each["name"]: each for document in documents for each in document["workloads"]}.values())
    return f"""{SECTION.format(where)}
# {where}

{chr(10).join(f"- {facts(document)}" for document in documents)}

## The goals

A line's figure is the geometric mean of its rows; the least of them, beside it, decides. The last column: dezero_c's time as a
multiple of what it should approach.

{campaign.markdown(results)}

![time against the number of elements]({picture(where).name})

## Every row

{rows(results)}

{MARK}
{kept}"""


def page(before, documents):
    """The page with this section in its place, or at its end, and the others as they were."""
    where = place(documents)
    found = sections(before)
    kept = found.get(where, MARK).split(MARK, 1)[1].lstrip("\n")
    found[where] = section(documents, where, kept.rstrip("\n") + "\n" if kept else "")
    return "\n".join([HEAD, *(each.rstrip("\n") + "\n" for each in found.values())])


def main(paths):
    documents = [json.loads(Path(path).read_text(encoding="utf-8")) for path in paths]
    before = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
    PAGE.write_text(page(before, documents), encoding="utf-8")
    if plot.available():
        plot.draw_sizes(documents[0], picture(place(documents)))


if __name__ == "__main__":
    main(sys.argv[1:])
