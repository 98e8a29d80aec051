"""Two installed builds of dezero_c against each other: python tools/compare_speed.py PYTHON_A PYTHON_B [rounds]

Run in a checkout, for `python -m bench`. Each round times both builds in fresh processes, one after the other, and the next
round in the opposite order. Two ratios of A's time to B's, above 1 where A is slower: of the least times of all rounds, which
a busy machine disturbs least, and the median of the rounds' ratios.
"""

import json
import os
import statistics
import subprocess
import sys

WORKLOADS = ("chain-scalar", "chain-64", "notebook", "newton", "arithmetic-1000", "tanh-exp-million", "sum-axis0",
             "get-item-array", "cross-entropy", "conv2d", "pooling", "batch-norm", "mlp-small-adam", "lstm")


def times(python):
    """{workload: (least, median)} of one process."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run([python, "-m", "bench", "--quick", "--no-peers", "--json", "-", "--only", *WORKLOADS],
                          capture_output=True, text=True, check=False, env=env)
    if done.returncode:
        sys.exit(f"compare_speed: {python}: {done.stderr[-2000:]}")
    return {each["name"]: next((row["min"], row["median"]) for row in each["rows"] if row["key"] == "dezero_c")
            for each in json.loads(done.stdout)["workloads"]}


def main(a, b, rounds="9"):
    pairs = {}
    for i in range(int(rounds)):
        both = {python: times(python) for python in ((a, b) if i % 2 == 0 else (b, a))}
        for name in both[a]:
            pairs.setdefault(name, []).append((both[a][name], both[b][name]))
    print(f"{'':<20}{'least':>8}{'median':>8}")
    totals = []
    for name, each in pairs.items():
        least = min(x[0] for x, _ in each) / min(y[0] for _, y in each)
        totals.append((least, statistics.median(x[1] / y[1] for x, y in each)))
        print(f"{name:<20}{totals[-1][0]:>8.2f}{totals[-1][1]:>8.2f}")
    least, median = (statistics.geometric_mean(column) for column in zip(*totals, strict=True))
    print(f"{'geometric mean':<20}{least:>8.2f}{median:>8.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
