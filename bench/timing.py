"""How time is measured: checked first, warmed up, then medians over many short interleaved rounds.

On a shared machine the clock drifts within a second; so the contenders of a workload take turns, and a drift hits all
of them alike. The garbage collector stays on, as users have it, and is emptied before each sample so that none pays
for another's waste. What is measured is for `workloads/`, how it is printed for `report.py`.
"""

import gc
import statistics
import time
from dataclasses import dataclass, field
from itertools import repeat

from .records import verify


@dataclass
class Job:
    """A contender made ready: `run` does all of its work once, `units` says how much that is."""

    key: str
    run: object
    units: int
    number: int = 1  # runs in a sample
    spent: float = 0.0
    samples: list = field(default_factory=list)  # ns per unit

    def summary(self):
        ordered = sorted(self.samples)
        quartiles = statistics.quantiles(ordered, n=4) if len(ordered) > 2 else [ordered[0], 0, ordered[-1]]
        return {
            "median": statistics.median(ordered),
            "min": ordered[0],
            "quartiles": [quartiles[0], quartiles[2]],
            "rounds": len(ordered),
            "runs_per_round": self.number,
        }


def prepare(name, adapter, run, reference, tolerance, units, settings):
    """A Job whose results are right, twice over, and whose sample is long enough to time.

    The second run, compared while the first result is still held, shows a gradient that was not cleared, and one
    whose memory was used again.
    """
    first = run()
    start = time.perf_counter()
    second = run()
    elapsed = time.perf_counter() - start
    verify(name, adapter, first, reference, tolerance)
    verify(f"{name}, second run", adapter, second, reference, tolerance)
    del first, second
    job = Job(name, run, units, spent=elapsed)
    while elapsed < settings.sample_seconds:
        growth = min(10, 1.2 * settings.sample_seconds / max(elapsed, 1e-9))
        job.number = max(job.number + 1, round(job.number * growth))
        elapsed = sample(job)
    return job


def sample(job):
    run = job.run
    gc.collect()
    start = time.perf_counter()
    for _ in repeat(None, job.number):
        run()
    return time.perf_counter() - start


def ratio(job, base):
    """How many times `base`'s time `job` takes: the median over the rounds of the ratio within a round.

    The two medians' ratio is another number where the machine has a fast and a slow mood: one median may fall into the
    one and one into the other. The same code timed as two contenders differed by up to 15 % that way, by 6 % this way.
    """
    return statistics.median(mine / its for mine, its in zip(job.samples, base.samples, strict=False))


def measure(jobs, settings, tick=lambda: None):
    """Fill each job's samples. Every job gets at least one; the first of a round changes from round to round."""
    for round_ in range(settings.rounds):
        shift = round_ % len(jobs)
        for job in jobs[shift:] + jobs[:shift]:
            if job.samples and job.spent >= settings.budget_seconds:
                continue
            elapsed = sample(job)
            job.spent += elapsed
            job.samples.append(elapsed / job.number / job.units * 1e9)
        tick()
