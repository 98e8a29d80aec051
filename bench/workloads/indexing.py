"""Indexing, and the gradient that goes back to where the elements came from."""

import numpy as np

from ..records import draw, everywhere, function_row

ROWS, COLUMNS, TAKEN = 1000, 64, 2000
INDEX = np.random.default_rng(1).integers(0, ROWS, TAKEN)  # about a third of all rows several times


def rows_of_a_table(n):
    x, gy = draw((ROWS, COLUMNS), (TAKEN, COLUMNS))
    return [x], gy


def take(adapter):
    return lambda x: x[INDEX]


def take_torch(adapter):
    index = adapter.torch.tensor(INDEX)
    return lambda x: x[index]


def take_reference(x, gy):
    gx = np.zeros_like(x)
    for i, row in zip(INDEX, gy, strict=True):
        gx[i] += row
    return np.stack([x[i] for i in INDEX]), (gx,)


def sequence(n):
    x, gy = draw((n, COLUMNS), COLUMNS)
    return [x], gy


KEPT = 0.9


def average(adapter):
    """A moving average over the rows, one after another, as a recurrence goes through a sequence."""

    def function(x):
        y = x[0]
        for i in range(1, len(x)):
            y = y * KEPT + x[i]
        return y

    return function


def average_reference(x, gy):
    weights = KEPT ** np.arange(len(x) - 1, -1, -1.0)[:, None]
    return np.sum(weights * x, axis=0), (weights * gy,)


WORKLOADS = (
    function_row(
        "get-item-array", f"x[index], {TAKEN:,} rows with repeats from {ROWS:,} x {COLUMNS}", rows_of_a_table,
        take_reference, {**everywhere(take), "torch": take_torch},
    ),
    function_row(
        "get-item-rows", f"y = {KEPT} y + x[i], row by row over 100 x {COLUMNS}", sequence,
        average_reference, everywhere(average), n=100,
    ),
)  # fmt: skip
