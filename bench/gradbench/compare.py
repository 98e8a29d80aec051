"""Times every evaluation's objective and derivative for dezero_c and its peers: the same function, the same inputs, one
process, results compared first, medians over interleaved rounds (`..timing`).
"""

import gc
import importlib
import sys

import numpy as np

from .. import environment, timing
from ..peers import Unsupported
from ..records import Settings, WrongResult
from . import spaces

TOLERANCE = 1e-7

def load(names):
    """The spaces of those that are installed, dezero_c's first, and which are not."""
    found, absent = {"dezero_c": spaces.DezeroC()}, []
    for name in names:
        try:
            found[name] = spaces.PEERS[name]()
        except ImportError:
            absent.append(name)
    return found, absent


def flat(xp, raw):
    """All numbers of a result, nested as it may be, as one array."""
    if isinstance(raw, (list, tuple)):
        return np.concatenate([flat(xp, each) for each in raw])
    return np.asarray(xp.numpy(raw), dtype=np.float64).ravel()


def check(what, found, reference):
    """Numbers near 0 are compared by the largest, since sums in another order leave another rest there."""
    near = TOLERANCE * (np.abs(reference) + np.abs(reference).max(initial=0) * 1e-3)
    if found.shape != reference.shape or not (np.abs(found - reference) <= near).all():
        off = np.abs(found - reference).max() if found.shape == reference.shape else f"shape {found.shape}, not {reference.shape}"
        raise WrongResult(f"{what} differs from dezero_c's by {off}")


def run(names, peers, quick=False):
    from dezero_c._run import info

    settings = Settings(quick=True, rounds=3, sample_seconds=1e-3, budget_seconds=0.5) if quick else Settings(rounds=7)
    found, absent = load(peers)
    rows = []
    for name in names:
        module = importlib.import_module(f".{name}", __package__)
        for size in ("small",) if quick else getattr(module, "SIZES", ("small", "large")):
            for role, function in module.COMPARED.items():
                print(f"{name}, {size}, {role}", file=sys.stderr, flush=True)
                rows.append(row(module, name, size, role, function, found, settings))
    versions = {name: environment.version(name) for name in ("dezero_c", "numpy", *found) if environment.version(name)}
    return {
        "processor": info.processor(), "threads": environment.threads, "versions": versions, "absent": absent, "quick": quick,
        "contenders": list(found), "rows": rows,
    }  # fmt: skip


def row(module, name, size, role, function, found, settings):
    problem = module.read(module.example(size))
    jobs, skipped, reference = [], {}, None
    for key, xp in found.items():
        what = f"{name} ({size}), {role}, {key}"
        try:
            once = getattr(module, "parts", module.functions)(xp, problem)[function]
            result = flat(xp, once())
        except Unsupported as error:
            skipped[key] = str(error)
            continue
        reference = result if reference is None else reference
        check(what, result, reference)
        check(f"{what}, second run", flat(xp, once()), reference)
        jobs.append(ready(key, once, settings))
    gc.collect()
    timing.measure(jobs, settings)
    times = {job.key: {**job.summary(), "times_dezero_c": timing.ratio(job, jobs[0])} for job in jobs}
    return {"evaluation": name, "size": size, "role": role, "function": function, "times": times, "skipped": skipped}


def ready(key, once, settings):
    """A Job whose sample is long enough to time."""
    job = timing.Job(key, once, 1)
    while (elapsed := timing.sample(job)) < settings.sample_seconds:
        job.number = max(job.number + 1, round(job.number * min(10, 1.2 * settings.sample_seconds / elapsed)))
    return job


def duration(nanoseconds):
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.3g} {unit}"
    return f"{nanoseconds:.3g} ns"


def table(document):
    """Markdown: dezero_c's time, and how many times it each peer takes."""
    peers = [name for name in document["contenders"] if name != "dezero_c"]
    versions = ", ".join(f"{name} {version}" for name, version in document["versions"].items())
    lines = [f"{document['processor']}; {versions}; threads: {document['threads']}.", ""]
    lines += [f"| evaluation | work | dezero_c | {' | '.join(peers)} |", f"| --- | --- | --- |{' --- |' * len(peers)}"]
    for each in document["rows"]:
        times = each["times"]
        cells = [format(times[name]["times_dezero_c"], ".3g") if name in times else "" for name in peers]
        ours = duration(times["dezero_c"]["median"])
        lines.append(f"| {each['evaluation']}, {each['size']} | {each['role']} | {ours} | {' | '.join(cells)} |")
    means = []
    for name in peers:
        ratios = [each["times"][name]["times_dezero_c"] for each in document["rows"] if name in each["times"]]
        means.append(format(float(np.exp(np.mean(np.log(ratios)))), ".3g") if ratios else "")
    lines.append(f"| geometric mean | | | {' | '.join(means)} |")
    reasons = {(each["evaluation"], name): why for each in document["rows"] for name, why in each["skipped"].items()}
    lines += ["", *(f"- {name} without {evaluation}: {why}." for (evaluation, name), why in reasons.items())] if reasons else []
    lines += [f"- {name} is not installed." for name in document["absent"]]
    return "\n".join(lines)
