"""Sum, mean and maximum over a matrix: along its columns, along its rows, and over all of it."""

import numpy as np

from ..records import draw, everywhere, function_row

SIDE = 1000


def matrix_and(axis):
    """A square matrix of side n, and a gradient for what its reduction along `axis` leaves."""

    def data(n):
        x, gy = draw((n, n), n)
        return [x], None if axis is None else gy

    return data


def spread(gy, axis):
    return 1.0 if axis is None else np.expand_dims(gy, axis)


def reduction(name, axis):
    arguments = () if axis is None else (axis,)

    def spelt(adapter):
        function = getattr(adapter.ops, name)
        return lambda x: function(x, *arguments)

    return spelt


def sum_reference(axis):
    return lambda x, gy: (x.sum(axis), (spread(gy, axis) * np.ones_like(x),))


def mean_reference(axis):
    def reference(x, gy):
        y = x.mean(axis)
        return y, (spread(gy, axis) * np.full_like(x, y.size / x.size),)

    return reference


def max_reference(axis):
    return lambda x, gy: (x.max(axis), (spread(gy, axis) * (x == x.max(axis, keepdims=True)),))


def along(axis):
    """The workloads along one axis. PyTorch's `max` along an axis also finds where it is; its `amax` does not."""
    called, where = ("all", "all of it") if axis is None else (f"axis{axis}", f"axis {axis}")
    title = f"of {SIDE:,} x {SIDE:,} elements over {where}"
    return (
        function_row(
            f"sum-{called}", f"sum {title}", matrix_and(axis), sum_reference(axis),
            everywhere(reduction("sum", axis)), n=SIDE,
        ),
        function_row(
            f"mean-{called}", f"mean {title}", matrix_and(axis), mean_reference(axis),
            everywhere(reduction("mean", axis)), n=SIDE, labels={"dezero": "DeZero, a sum divided"},
        ),
        function_row(
            f"max-{called}", f"maximum {title}", matrix_and(axis), max_reference(axis),
            {**everywhere(reduction("max", axis)), "torch": reduction("amax", axis)}, n=SIDE,
        ),
    )  # fmt: skip


WORKLOADS = tuple(workload for axis in (0, 1, None) for workload in along(axis))
