"""Whether a replayed call is slower than an eager one anywhere. Run `python -m bench.replays`.

Functions of one to three operations, where nothing hides what a call costs: forward and with gradients, from no axes to a million
numbers, both precisions, matrices, losses, indices and joins, NumPy's functions on `.data`, arguments by position, by name and in
trees. Each is checked first, then eager and captured take turns in one process; a figure is the median of the rounds' ratios,
captured by eager. The slowest are printed.

    python -m bench.replays [--rounds 9] [--worst 25] [--quick] [--check]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from itertools import repeat

import numpy as np

import dezero_c
import dezero_c.functions as F
from dezero_c import Variable
from dezero_c._run import info

LIMIT = 1.25        # of --check: what a shared machine's noise leaves of 1
SHAPES = ((), (1,), (8,), (100,), (1000,), (30, 20), (10_000,), (1_000_000,))


def slope(objective):
    """objective's value, with its arguments' gradients made anew."""
    def f(*vs):
        for v in vs:
            v.cleargrad()
        y = objective(*vs)
        y.backward()
        return y
    return f


OF_ONE = {
    "-x": lambda x: -x, "x x": lambda x: x * x, "2 x": lambda x: x * 2.0, "sin": lambda x: F.sin(x), "relu": lambda x: F.relu(x),
    "sum": lambda x: F.sum(x),
    "exp(x) + x": lambda x: F.exp(x) + x, "tanh(sin(x))": lambda x: F.tanh(F.sin(x)), "(-x).data": lambda x: (-x).data,
    "slope of sin": slope(F.sin), "slope of sum(x x)": slope(lambda x: F.sum(x * x)),
    "slope of sum(exp(sin(x) x))": slope(lambda x: F.sum(F.exp(F.sin(x) * x))),
}
OF_MATRICES = {
    "matmul": lambda a, b, c: F.matmul(a, b), "linear": lambda a, b, c: F.linear(a, b, c), "a.T": lambda a, b, c: a.T,
    "reshape": lambda a, b, c: a.reshape((-1,)), "sum, axis 0": lambda a, b, c: F.sum(a, axis=0),
    "max, axis 1": lambda a, b, c: F.max(a, axis=1), "mean": lambda a, b, c: F.mean(a), "softmax": lambda a, b, c: F.softmax(a),
    "a[1]": lambda a, b, c: a[1], "a + row": lambda a, b, c: a + c, "a.T + b": lambda a, b, c: a.T + b,
    "concatenate": lambda a, b, c: F.concatenate((a, b), 0), "a + b a": lambda a, b, c: a + b * a,
    "mean_squared_error": lambda a, b, c: F.mean_squared_error(a, b), "clip": lambda a, b, c: F.clip(a, 0.2, 0.5),
    "two results": lambda a, b, c: (-a, a * 2.0), "slope of sum(a b)": slope(lambda a, b, c: F.sum(F.matmul(a, b))),
    "slope of sum(a row)": slope(lambda a, b, c: F.sum(a * c)), "slope of a part": slope(lambda a, b, c: F.sum(a[1] * a[0])),
    "where, by data": lambda a, b, c: F.where(a.data > 0.5, a, b), "a mask of data": lambda a, b, c: a * (b.data > 0.3),
    "np.clip of data": lambda a, b, c: np.clip(a.data, 0.1, 0.2),
    "arithmetic of data": lambda a, b, c: a + Variable(np.sqrt(b.data) * 2 + 1),
    "max of data": lambda a, b, c: a * b.data.max(axis=1, keepdims=True),
    "parts of data": lambda a, b, c: a.data[1:, 0] * b.data[:-1, 1],
}
GIVEN = {
    "a tuple": (lambda p: p[0] * p[1], lambda a, b, c: (((a, b),), {})),
    "a dict": (lambda p, x: F.tanh(F.matmul(x, p["W"]) + p["b"]), lambda a, b, c: (({"W": a, "b": c}, b), {})),
    "by name": (lambda x, y: x * y, lambda a, b, c: ((), {"x": a, "y": b})),
    "twenty": (lambda *vs: sum(vs[1:], vs[0]), lambda a, b, c: ((a,) * 20, {})),
    "a number": (lambda x, s, up: x * s if up else x, lambda a, b, c: ((a, 2.0, True), {})),
    "arrays": (lambda x, y: F.exp(Variable(x)) * y, lambda a, b, c: ((a.data, b.data), {})),
}


def programs(quick):
    """(name, f, arguments by position, by name) of each."""
    random_numbers = np.random.default_rng(0)

    def draw(*shape):
        return Variable(np.asarray(random_numbers.uniform(0.1, 1.1, shape), dtype))

    for dtype in (np.float64, np.float32):
        for name, f in OF_ONE.items():
            for shape in SHAPES[2:4] if quick else SHAPES:
                yield f"{name}, {shape} {dtype.__name__}", f, (draw(*shape),), {}
        for n in (10,) if quick else (3, 10, 40, 150):
            a, b, c = draw(n, n), draw(n, n), draw(n)
            for name, f in OF_MATRICES.items():
                yield f"{name}, {n} x {n} {dtype.__name__}", f, (a, b, c), {}
            for name, (f, given) in GIVEN.items():
                yield f"given {name}, {n} x {n} {dtype.__name__}", f, *given(a, b, c)


def bits(o):
    """What two calls must agree in."""
    if isinstance(o, tuple):
        return [bits(x) for x in o]
    a = np.asarray(o.data if isinstance(o, Variable) else o)
    return type(o), a.dtype, a.shape, a.tobytes()


def seconds(f, args, names, number):
    start = time.perf_counter()
    for _ in repeat(None, number):
        f(*args, **names)
    return (time.perf_counter() - start) / number


def ratio(f, args, names, rounds):
    """(captured time by eager time, both in seconds)"""
    g = dezero_c.capture(f)
    expected = bits(f(*args, **names))
    for _ in range(5):
        if bits(g(*args, **names)) != expected:
            raise RuntimeError("a replay has other bits than an eager call")
    if g.plans != 1:
        raise RuntimeError(f"{g.plans} plans")
    number = max(2, min(2000, int(2e-3 / max(seconds(f, args, names, 2), 1e-8))))
    times = [(min(seconds(f, args, names, number) for _ in range(3)), min(seconds(g, args, names, number) for _ in range(3)))
             for _ in range(rounds)]
    return statistics.median(c / e for e, c in times), *(statistics.median(column) for column in zip(*times, strict=True))


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m bench.replays", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--worst", type=int, default=25, help="how many are printed")
    parser.add_argument("--quick", action="store_true", help="few sizes and rounds: a smoke test")
    parser.add_argument("--check", action="store_true", help=f"exit with 1 where a replay takes {LIMIT} of an eager call or more")
    options = parser.parse_args(argv)
    found = []
    for name, f, args, names in programs(options.quick):
        found.append((name, *ratio(f, args, names, 3 if options.quick else options.rounds)))
    slow = [row for row in found if row[1] > LIMIT]
    if slow and not options.quick:      # what was slow by chance is not, twice
        again = {name: (f, args, names) for name, f, args, names in programs(False)}
        found = [(row[0], *ratio(*again[row[0]], options.rounds)) if row in slow else row for row in found]
        slow = [row for row in found if row[1] > LIMIT]
    found.sort(key=lambda row: -row[1])
    longer = sum(row[1] > 1.1 for row in found)
    print(f"{info.processor()}, numpy {np.__version__}: {len(found)} functions, of which {longer} take more than 1.1 of an eager "
          f"call's time, and {len(slow)} more than {LIMIT}; median {statistics.median(row[1] for row in found):.2f}\n")
    print("| function | eager, us | captured, us | captured by eager |\n| --- | --- | --- | --- |")
    for name, times, eager, captured in found[:options.worst]:
        print(f"| {name} | {1e6 * eager:.3g} | {1e6 * captured:.3g} | {times:.2f} |")
    return int(options.check and bool(slow))


if __name__ == "__main__":
    sys.exit(main())
