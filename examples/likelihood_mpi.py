"""A line through more points than fit into memory: a robust likelihood over shards of a memory-mapped file.

Each process maps the file, looks at its own rows, some at a time, and gives the sum of their log-likelihoods with its gradient;
mpi.value_and_grad adds these up over processes. Errors follow Student's t with four degrees of freedom, since a few of the
points are far off. Every process runs the same optimizer (BFGS) on the same numbers and comes to the same parameters.

    python -m dezero_c.mpi -n 2 examples/likelihood_mpi.py [--quick] [--out FOLDER]

The file, 200 MB (DEZERO_C_ROWS rows of 16 bytes), is made in the folder unless it is there. With `ulimit -d 163840` no process
gets as much memory for its data.
"""

import os
import sys
import time

import numpy as np
from _pictures import BLUE, GREEN, ORANGE, Picture, options

import dezero_c.functions as F
from dezero_c import mpi

TRUE = np.array([0.7, -1.3, np.log(0.4)])       # offset, slope, logarithm of the width
ROWS = int(os.environ.get("DEZERO_C_ROWS", 12_500_000))


def make(path, rows):
    """Writes (x, y), float64, some rows at a time."""
    rng = np.random.default_rng(1)
    with open(path + ".part", "wb") as file:
        for start in range(0, rows, 1 << 18):
            n = min(1 << 18, rows - start)
            x = rng.uniform(-2, 2, n)
            y = TRUE[0] + TRUE[1] * x + np.exp(TRUE[2]) * rng.standard_t(4, n)
            np.stack([x, y], axis=1).tofile(file)
    os.replace(path + ".part", path)


def negative_log_likelihood(theta, rows):
    """The sum over rows, but for a constant."""
    z = (rows[:, 1] - theta[0] - theta[1] * rows[:, 0]) / F.exp(theta[2])
    return 2.5 * F.sum(F.log1p(z * z / 4)) + len(rows) * theta[2]


def bfgs(fun, x, steps):
    """Minimises fun(x) -> (value, gradient); yields (x, value) after each step."""
    H = np.eye(len(x))
    value, g = fun(x)
    for _ in range(steps):
        p = -H @ g
        t = 1.0 if _ else min(1.0, 1 / np.abs(g).sum())
        while True:
            new, new_g = fun(x + t * p)
            if new <= value + 1e-4 * t * (g @ p) or t < 1e-8:
                break
            t /= 3
        s, y = t * p, new_g - g
        x, value, g = x + s, new, new_g
        yield x, value
        if np.abs(g).max() < 1e-7 or s @ y <= 0:
            return
        V = np.eye(len(x)) - np.outer(s, y) / (s @ y)
        H = V @ H @ V.T + np.outer(s, s) / (s @ y)


def main(quick, out):
    comm = mpi.create_communicator()
    path = os.path.join(out, "points.bin")
    if comm.rank == 0 and not (os.path.exists(path) and os.path.getsize(path) == 16 * ROWS):
        make(path, ROWS)
    comm.barrier()
    points = np.memmap(path, np.float64, "r", shape=(ROWS, 2))
    total = mpi.value_and_grad(negative_log_likelihood, comm, mpi.shard(points, comm), chunk=1 << 15)

    def mean(theta):
        value, g = total(theta)
        return value / ROWS, g / ROWS

    start = time.perf_counter()
    values = []
    for theta, value in bfgs(mean, np.zeros(3), 4 if quick else 30):
        values.append(value)
        if comm.rank == 0:
            print(f"step {len(values):2d}: mean {value:.9f}, offset {theta[0]:+.5f}, slope {theta[1]:+.5f}, width "
                  f"{np.exp(theta[2]):.5f}", flush=True)
    # the curvature at the end tells how sure each parameter is
    step = 1e-4
    curvature = np.array([(mean(theta + step * e)[1] - mean(theta - step * e)[1]) / (2 * step) for e in np.eye(3)])
    error = np.sqrt(np.diag(np.linalg.inv((curvature + curvature.T) / 2)) / ROWS)
    if comm.rank:
        return
    print(f"{ROWS} points, {os.path.getsize(path) / 1e6:.0f} MB")
    for name, value, e, true in zip(("offset", "slope", "log width"), theta, error, TRUE, strict=True):
        print(f"{name}: {value:.5f} +- {e:.5f} (made with {true:.5f})")
    print(f"{comm.size} process{'es' * (comm.size > 1)}, {total.calls} evaluations, {time.perf_counter() - start:.1f} s",
          file=sys.stderr)

    picture = Picture(height=3.4)
    shown = np.array(points[::max(1, ROWS // 1500)])
    panel = picture.panel(f"every {max(1, ROWS // 1500):,}th of {ROWS:,} points, and the line", 4.6, xlabel="x")
    panel.dots(*shown.T, colour=BLUE, size=2.5)
    ends = np.array([-2.0, 2.0])
    panel.line(ends, theta[0] + theta[1] * ends, "fitted", ORANGE, width=2.2)
    panel.limits = (-2.05, 2.05, -4.0, 5.0)
    curve = picture.panel("mean -log L above the minimum", 3.4, xlabel="step", log=True)
    above = np.maximum(np.array(values[:-1]) - values[-1], 1e-12)
    curve.line(range(1, len(above) + 1), above, colour=GREEN, markers=True)
    picture.save(out, "likelihood_mpi")


if __name__ == "__main__":
    args = options(__doc__)
    main(args.quick, args.out)
