"""Sum, mean and maximum over a matrix: along its columns, along its rows, and over all of it; softmax and the two
normalisations, which are reductions and elementwise passes in one. In both precisions.
"""

import numpy as np

from ..records import Goal, Tolerance, draw, everywhere, function_row

SIDE = 1000
EPS = 1e-5
# A sum of a million numbers in single precision has lost three digits.
DTYPES = (("", np.float64, Tolerance(1e-9, 1e-12)), ("-f32", np.float32, Tolerance(2e-4, 2e-5)))
GOALS = (Goal("faster", 1, "dezero"), Goal("faster", 1.2, "torch"))


def matrix_and(axis, dtype):
    """A square matrix of side n, and a gradient for what its reduction along `axis` leaves."""

    def data(n):
        x, gy = draw((n, n), n, dtype=dtype)
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


def always(function):
    return lambda adapter: function


def matrix_and_matrix(dtype):
    def data(n):
        x, gy = draw((n, n), (n, n), dtype=dtype)
        return [x], gy

    return data


def normalised(dtype):
    """A matrix, a factor and a summand for each column, and the gradient from above."""

    def data(n):
        *inputs, gy = draw((n, n), n, n, (n, n), dtype=dtype)
        return inputs, gy

    return data


def softmax_numpy(axis):
    def function(x):
        e = np.exp(x - x.max(axis, keepdims=True))
        return e / e.sum(axis, keepdims=True)

    return function


def log_softmax_numpy(axis):
    def function(x):
        z = x - x.max(axis, keepdims=True)
        return z - np.log(np.exp(z).sum(axis, keepdims=True))

    return function


def softmax_reference(axis):
    softmax = softmax_numpy(axis)

    def reference(x, gy):
        y = softmax(x)
        return y, (y * (gy - (gy * y).sum(axis, keepdims=True)),)

    return reference


def log_softmax_reference(axis):
    log_softmax = log_softmax_numpy(axis)

    def reference(x, gy):
        y = log_softmax(x)
        return y, (gy - np.exp(y) * gy.sum(axis, keepdims=True),)

    return reference


def norm_numpy(axis):
    def function(x, gamma, beta):
        return gamma * (x - x.mean(axis, keepdims=True)) / np.sqrt(x.var(axis, keepdims=True) + EPS) + beta

    return function


def norm_reference(axis):
    """Of gamma xhat + beta, where xhat has mean 0 and variance 1 along `axis`; gamma and beta go along the columns."""

    def reference(x, gamma, beta, gy):
        scale = 1 / np.sqrt(x.var(axis, keepdims=True) + EPS)
        xhat, g = (x - x.mean(axis, keepdims=True)) * scale, gy * gamma
        gx = scale * (g - g.mean(axis, keepdims=True) - xhat * (g * xhat).mean(axis, keepdims=True))
        return gamma * xhat + beta, (gx, (gy * xhat).sum(axis=0), gy.sum(axis=0))

    return reference


def layer_norm_dezero(adapter):
    layer_norm = adapter.ops.layer_norm
    return lambda x, gamma, beta: layer_norm(x, gamma, beta, eps=EPS)


def layer_norm_torch(adapter):
    layer_norm = adapter.torch.nn.functional.layer_norm
    return lambda x, gamma, beta: layer_norm(x, (SIDE,), gamma, beta, EPS)


def running(dtype):
    return np.zeros(SIDE, dtype), np.ones(SIDE, dtype)


def batch_norm_dezero(dtype):
    def spelt(adapter):
        batch_norm, (mean, var) = adapter.ops.batch_nrom, running(dtype)
        return lambda x, gamma, beta: batch_norm(x, gamma, beta, mean, var, 0.9, EPS)

    return spelt


def batch_norm_torch(dtype):
    def spelt(adapter):
        batch_norm, (mean, var) = adapter.torch.nn.functional.batch_norm, map(adapter.torch.tensor, running(dtype))
        return lambda x, gamma, beta: batch_norm(x, mean, var, gamma, beta, True, 0.1, EPS)

    return spelt


def along(axis, suffix, dtype, tolerance):
    """The reductions along one axis. PyTorch's `max` along an axis also finds where it is; its `amax` does not."""
    called, where = ("all", "all of it") if axis is None else (f"axis{axis}", f"axis {axis}")
    title = f"of {SIDE:,} x {SIDE:,} elements over {where}, {dtype.__name__}"
    fields = {"n": SIDE, "goals": GOALS, "tolerance": tolerance, "group": "functions" if not suffix else "sizes"}
    data = matrix_and(axis, dtype)
    return (
        function_row(
            f"sum-{called}{suffix}", f"sum {title}", data, sum_reference(axis), everywhere(reduction("sum", axis)), **fields,
        ),
        function_row(
            f"mean-{called}{suffix}", f"mean {title}", data, mean_reference(axis), everywhere(reduction("mean", axis)),
            labels={"dezero": "DeZero, a sum divided"}, **fields,
        ),
        function_row(
            f"max-{called}{suffix}", f"maximum {title}", data, max_reference(axis),
            {**everywhere(reduction("max", axis)), "torch": reduction("amax", axis)}, **fields,
        ),
    )  # fmt: skip


def softmaxes(axis, suffix, dtype, tolerance):
    title = f"of {SIDE:,} x {SIDE:,} elements along axis {axis}, {dtype.__name__}"
    fields = {"n": SIDE, "goals": GOALS, "tolerance": tolerance, "group": "sizes"}
    return tuple(
        function_row(
            f"{name}-axis{axis}{suffix}", f"{name} {title}", matrix_and_matrix(dtype), reference(axis),
            dict.fromkeys(("dezero", "torch"), reduction(name, axis)) | {"numpy": always(numpy(axis))},
            **fields,
        )
        for name, reference, numpy in (
            ("softmax", softmax_reference, softmax_numpy), ("log_softmax", log_softmax_reference, log_softmax_numpy),
        )
    )  # fmt: skip


def norms(suffix, dtype, tolerance):
    size = f"{SIDE:,} x {SIDE:,} elements, {dtype.__name__}"
    fields = {"n": SIDE, "goals": GOALS, "tolerance": tolerance, "group": "sizes"}
    return (
        function_row(
            f"layer_norm{suffix}", f"layer_norm of {size}", normalised(dtype), norm_reference(1),
            {"dezero": layer_norm_dezero, "torch": layer_norm_torch, "numpy": always(norm_numpy(1))}, **fields,
        ),
        function_row(
            f"batch_norm{suffix}", f"batch_norm of {size}", normalised(dtype), norm_reference(0),
            {
                "dezero": batch_norm_dezero(dtype), "torch": batch_norm_torch(dtype),
                "numpy": always(norm_numpy(0)),
            }, **fields,
        ),
    )  # fmt: skip


WORKLOADS = tuple(
    workload
    for kind in DTYPES
    for made in (*(along(axis, *kind) for axis in (0, 1, None)), *(softmaxes(axis, *kind) for axis in (0, 1)), norms(*kind))
    for workload in made
)
