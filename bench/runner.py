"""Runs workloads over peers and collects the results as plain dicts, ready for JSON, tables and plots.

How a time or a weight is taken is for `timing.py` and `memory.py`; what the result looks like on paper for `report.py`.
"""

import gc
import math
import sys

from . import memory, timing
from .peers import OURS, PEERS, Missing, Unsupported


class Progress:
    """A bar on stderr, on a terminal only."""

    width = 30

    def __init__(self, total, stream=None):
        self.total, self.done = total, 0
        self.stream = stream or sys.stderr
        self.shown = self.stream.isatty()

    def step(self, text, amount=1.0):
        self.done += amount
        if self.shown:
            filled = round(self.width * min(1, self.done / self.total))
            self.stream.write(f"\r\x1b[K[{'#' * filled}{'.' * (self.width - filled)}] {text}")
            self.stream.flush()

    def clear(self):
        if self.shown:
            self.stream.write("\r\x1b[K")
            self.stream.flush()


def load_peers(names):
    """The adapters of those that are there, and for the others why not."""
    adapters, absent = {}, {}
    for name in names:
        peer = PEERS[name]
        if not peer.installed:
            absent[name] = "not installed"
            continue
        try:
            adapters[name] = peer.load()
        except ImportError as error:
            absent[name] = f"cannot be imported: {error}"
    return adapters, absent


def run(workloads, adapters, settings):
    """The result of each workload as a dict, one by one as they are had."""
    progress = Progress(len(workloads))
    try:
        for workload in workloads:
            # What one peer's modules brought into the process is not for the collector to walk through while another
            # is timed. Again for each workload, since PyTorch imports half of itself at its first array gradient.
            gc.collect()
            gc.freeze()
            measure = run_memory if workload.quantity == "memory" else run_time
            measured = measure(workload, adapters, settings, progress)
            progress.clear()
            yield measured
    finally:
        gc.unfreeze()
        progress.clear()


def run_time(workload, adapters, settings, progress):
    references, jobs, rows, skipped, missing = {}, [], [], {}, {}
    contenders = workload.contenders(workload, [PEERS[name] for name in adapters], settings)
    for contender in contenders:
        progress.step(f"{workload.name}: checking {contender.label}", 0)
        adapter, n = adapters[contender.peer], contender.n
        try:
            made = workload.build(adapter, n)
        except Unsupported as error:
            (missing if isinstance(error, Missing) else skipped)[contender.peer] = str(error)
            continue
        if n not in references:
            references[n] = workload.reference(n)
        name = f"{workload.name}, {contender.label}"
        job = timing.prepare(name, adapter, made, references[n], workload.tolerance, workload.units(n), settings)
        job.key = contender.key
        jobs.append(job)
        rows.append(contender)
    timing.measure(jobs, settings, lambda: progress.step(workload.name, 1 / settings.rounds))
    ours = next((job for job in jobs if job.key == OURS), None)
    ratios = {job.key: timing.ratio(job, ours) for job in jobs} if ours else {}
    summaries = [(row, job.summary()) for row, job in zip(rows, jobs, strict=True)]
    return result(workload, "ns", summaries, ratios, skipped, missing)


def run_memory(workload, adapters, settings, progress):
    rows, skipped = [], {}
    contenders = workload.contenders(workload, [PEERS[name] for name in adapters], settings)
    for contender in contenders:
        progress.step(f"{workload.name}: {contender.label}", 1 / len(contenders))
        try:
            weighed = memory.measure_in_fresh_process(workload, contender.peer, contender.n)
        except Unsupported as error:
            skipped[contender.peer] = str(error)
            continue
        # The larger one counts: a graph that is small until backward has been through it is not small.
        rows.append((contender, {"median": max(weighed.values()), **weighed}))
    weights = {contender.key: summary["median"] for contender, summary in rows}
    ratios = {key: weight / weights[OURS] for key, weight in weights.items()} if OURS in weights else {}
    return result(workload, "bytes", rows, ratios, skipped)


def result(workload, quantity, measured, ratios, skipped, missing=()):
    """`skipped` says per peer why it takes no part, `missing` which function it should have had."""
    ours = next((summary["median"] for contender, summary in measured if contender.key == OURS), None)
    contenders = {contender.key: contender for contender, _ in measured}
    return {
        "name": workload.name,
        "group": workload.group,
        "title": workload.title,
        "unit": workload.unit,
        "quantity": quantity,
        "rows": [
            {
                "key": contender.key,
                "peer": contender.peer,
                "label": contender.label,
                "n": contender.n,
                "note": contender.note,
                "times_dezero_c": ratios.get(contender.key),
                **summary,
            }
            for contender, summary in measured
        ],
        "skipped": skipped,
        "missing": dict(missing),
        "goals": [
            goal_result(goal, ours, ratios, "of another size" if of_another_size(goal.against, contenders) else "")
            for goal in workload.goals
        ],
    }


def of_another_size(key, contenders):
    """Whether a peer was measured at a size that dezero_c was not; dezero_c's own second size is there on purpose."""
    if key not in contenders or OURS not in contenders:
        return False
    return contenders[key].peer != OURS and contenders[key].n != contenders[OURS].n


def goal_result(goal, ours, ratios, unfit=""):
    """`met` is None where there is nothing to judge, and `not_judged` says why."""
    measured = goal.measured(ours, ratios)
    not_judged = "not measured" if measured is None else unfit
    return {
        "kind": goal.kind,
        "against": goal.against,
        "limit": goal.limit,
        "measured": measured,
        "met": None if not_judged else bool(goal.met(measured)),
        "not_judged": not_judged,
    }


def group_results(results, groups, workloads):
    """Per group of workloads, its geometric means and its goals. `workloads` are all that there are: a group's goals
    are judged only where each of its rows was measured.
    """
    summed_up = []
    for group in groups:
        inside = [each for each in results if each["group"] == group.name]
        if not inside:
            continue
        means = geometric_means(inside)
        ratios = {peer: mean["times_faster"] for peer, mean in means.items()}
        full = sum(each.group == group.name and each.quantity == "time" for each in workloads)
        goals = []
        for goal in group.goals:
            partly = goal.against in means and means[goal.against]["workloads"] < full
            goals.append(goal_result(goal, None, ratios, "only some rows" if partly else ""))
        summed_up.append({"name": group.name, "title": group.title, "geometric_means": means, "goals": goals})
    return summed_up


def geometric_means(results):
    """Per peer, the geometric mean over timed workloads of how many times faster dezero_c is, at equal sizes."""
    ratios = {}
    for each in results:
        ours = next((row["n"] for row in each["rows"] if row["key"] == OURS), None)
        for row in each["rows"]:
            comparable = each["quantity"] == "ns" and row["peer"] != OURS and row["n"] == ours
            if comparable and row["times_dezero_c"]:
                ratios.setdefault(row["peer"], []).append(row["times_dezero_c"])
    return {
        peer: {"workloads": len(found), "times_faster": math.exp(sum(map(math.log, found)) / len(found))}
        for peer, found in ratios.items()
    }
