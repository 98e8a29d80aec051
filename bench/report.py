"""How results are printed: a header that says what was measured where, a table per workload, and a summary of the
goals.

Takes the dicts that `runner.py` makes and returns text; nothing is measured here.
"""

from . import campaign
from .peers import PEERS

WIDTHS = (50, 12, 16)  # label, median, ratio
# Why a goal was not judged, and what to say of it below the tables.
NOT_JUDGED = {
    "of another size": "not judged (peers at other sizes: use --slow)",
    "only some rows": "not judged (some rows of the group were not measured)",
    "not measured": "not measured (the peer is not there)",
}


def header(document):
    core, machine = document["core"], document["machine"]
    build = ", ".join(f"{key} {brief(value)}" for key, value in core["build_info"].items())
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    load = "" if machine["load"] is None else f", load {machine['load']:.1f}"
    threads = "one thread" if document["threads"] == 1 else f"{document['threads']} threads"
    lines = [
        f"dezero_c {core['file']} ({build})" + ("" if core["compiled"] else "  NOT COMPILED"),
        f"Python {machine['python']}, {versions}",
        f"{machine['cpu']}, {machine['cpus']} CPUs, {machine['system']}{load}; {threads}",
    ]
    lines += [f"without {PEERS[name].label}: {why}" for name, why in document["absent"].items()]
    lines.append(
        "medians over rounds; beside each how many times dezero_c's time it is, the median of the rounds' ratios"
    )
    if document["quick"]:
        lines.append("quick run: few rounds and small graphs, so ratios and goals are indications only")
    return "\n".join(lines)


def brief(value):
    """A build fact in a word or two: of a table of switches, how many are on."""
    if isinstance(value, dict):
        return f"{sum(map(bool, value.values()))}/{len(value)}"
    return "+".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)


def table(result):
    """One workload: a row per contender, with its median, how dezero_c compares, and any goal set against it."""
    goals = {}
    for goal in result["goals"]:
        goals.setdefault(goal["against"] or "dezero_c", []).append(goal)
    lines = [f"{result['title']}; per {result['unit']}"]
    for row in result["rows"]:
        verdict = "; ".join(goal_text(goal, result["quantity"]) for goal in goals.get(row["key"], ()))
        cells = (row["label"], quantity(row["median"], result["quantity"]), ratio(row))
        padded = f"{cells[0]:<{WIDTHS[0]}}{cells[1]:>{WIDTHS[1]}}{cells[2]:>{WIDTHS[2]}}"
        lines.append(f"  {padded}   {'; '.join(filter(None, (verdict, row['note'])))}".rstrip())
    lines += [f"  without {PEERS[name].label}: {why}" for name, why in result["missing"].items()]
    return "\n".join(lines)


def summary(document):
    goals = [(each, goal) for each in document["workloads"] + document["groups"] for goal in each["goals"]]
    judged = [(each, goal) for each, goal in goals if goal["met"] is not None]
    missed = [(each, goal) for each, goal in judged if not goal["met"]]
    lines = [f"goals: {len(judged) - len(missed)} of {len(judged)} met"]
    for why, meaning in NOT_JUDGED.items():
        count = sum(goal["not_judged"] == why for _, goal in goals)
        if count:
            lines[0] += f", {count} {meaning}"
    for each, goal in missed:
        against = f" against {goal['against']}" if goal["against"] else ""
        below = goal["kind"] == "below"
        figure = quantity(goal["measured"], each["quantity"]) if below else f"{times(goal['measured'])} x"
        sign = "at least" if goal["kind"] == "faster" else "at most"
        lines.append(f"  missed: {each['name']}{against}: {figure}, to be {sign} {goal['limit']:g}")
    table_of_campaign = campaign.text(document["workloads"])
    if table_of_campaign:
        lines.append(table_of_campaign)
    for group in document["groups"]:
        lines += group_lines(group, document["with_gradients"])
    return "\n".join(lines)


def group_lines(group, peers):
    """A group's geometric means, and its goals beside them."""
    lines = [f"{group['title']}, geometric means:"]
    for peer, mean in group["geometric_means"].items():
        if peer in peers:
            verdicts = [goal_text(goal, "ns") for goal in group["goals"] if goal["against"] == peer]
            lines.append(
                f"  {PEERS[peer].label}: {times(mean['times_faster'])} times dezero_c's time over "
                f"{mean['workloads']} workloads{''.join(f'; {verdict}' for verdict in verdicts)}"
            )
    return lines if len(lines) > 1 else []


def ratio(row):
    """How many times faster, or lighter, dezero_c is than this row."""
    factor = row["times_dezero_c"]
    if factor is None or row["key"] == "dezero_c":
        return ""
    return f"{times(factor)} x" if factor >= 1 else f"1/{times(1 / factor)} x"


def goal_text(goal, unit):
    if goal["not_judged"] == "not measured":
        return ""
    met = "met" if goal["met"] else "MISSED"
    if goal["not_judged"]:
        met = "not judged (use --slow)" if goal["not_judged"] == "of another size" else "not judged (not all rows)"
    if goal["kind"] == "below":
        return f"goal at most {quantity(goal['limit'], unit)}: {met}"
    if goal["kind"] == "faster":
        return f"goal at least {goal['limit']:g} x: {met}"
    return f"{times(goal['measured'])} times its time, goal at most {goal['limit']:g}: {met}"


def times(factor):
    return f"{factor:,.0f}" if factor >= 99.5 else f"{factor:.3g}"


def quantity(value, unit):
    if unit == "bytes":
        return f"{value:,.0f} bytes"
    for size, name in ((1e9, "s"), (1e6, "ms"), (1e3, "us")):
        if value >= size:
            return f"{three_digits(value / size)} {name}"
    return f"{three_digits(value)} ns"


def three_digits(value):
    return f"{value:.0f}" if value >= 99.95 else f"{value:.1f}" if value >= 9.995 else f"{value:.2f}"
