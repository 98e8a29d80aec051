"""What neural networks are made of, in float32: layers and a loss, each alone, with the gradients of all its inputs."""

from dataclasses import replace

import numpy as np

from ..records import SINGLE, Goal, draw, function_row

F32 = np.float32
LABELS = np.random.default_rng(1).integers(0, 10, 100)


def logits(n):
    return draw((100, 10), dtype=F32), None


def cross_entropy_dezero(adapter):
    softmax_cross_entropy = adapter.ops.softmax_cross_entropy
    return lambda x: softmax_cross_entropy(x, LABELS)


def cross_entropy_torch(adapter):
    cross_entropy, t = adapter.torch.nn.functional.cross_entropy, adapter.torch.tensor(LABELS)
    return lambda x: cross_entropy(x, t)


def cross_entropy_numpy(adapter):
    ops, rows = adapter.ops, np.arange(len(LABELS))

    def function(x):
        z = x - ops.max(x, axis=1, keepdims=True)
        log_p = z - ops.log(ops.sum(ops.exp(z), axis=1, keepdims=True))
        return -ops.mean(log_p[rows, LABELS])

    return function


def cross_entropy_reference(x, gy):
    p = np.exp(x) / np.sum(np.exp(x), axis=1, keepdims=True)
    right = np.eye(x.shape[1])[LABELS]
    return -np.mean(np.log(np.sum(p * right, axis=1))), ((p - right) / len(x),)


def dense(n):
    *inputs, gy = draw((100, 784), (784, 1000), 1000, (100, 1000), dtype=F32)
    return inputs, gy


def linear_dezero(adapter):
    return adapter.ops.linear


def linear_torch(adapter):
    addmm = adapter.torch.addmm
    return lambda x, W, b: addmm(b, x, W)


def linear_numpy(adapter):
    dot = adapter.ops.dot
    return lambda x, W, b: dot(x, W) + b


def linear_reference(x, W, b, gy):
    return x @ W + b, (gy @ W.T, x.T @ gy, gy.sum(axis=0))


def images(n, channels, side, filters):
    """n images, as many filters of 3 x 3, a summand each, and the gradient from above."""

    def data(_):
        *inputs, gy = draw((n, channels, side, side), (filters, channels, 3, 3), filters, (n, filters, side, side), dtype=F32)
        return inputs, gy

    return data


def conv2d_dezero(adapter):
    conv2d = adapter.ops.conv2d
    return lambda x, W, b: conv2d(x, W, b, stride=1, pad=1)


def conv2d_torch(adapter):
    conv2d = adapter.torch.nn.functional.conv2d
    return lambda x, W, b: conv2d(x, W, b, stride=1, padding=1)


def conv2d_numpy(adapter):
    """One matrix product over windows that are views until it copies them."""
    windows = np.lib.stride_tricks.sliding_window_view

    def function(x, W, b):
        padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
        y = np.tensordot(windows(padded, (3, 3), axis=(2, 3)), W, axes=((1, 4, 5), (1, 2, 3)))
        return np.moveaxis(y + b, 3, 1)

    return function


def conv2d_limit(adapter):
    """The three matrix products of forward and backward, of all images at once, into given arrays."""

    def prepare(x, W, b, gy):
        a, columns = gy.swapaxes(0, 1).reshape(len(W), -1).copy(), np.ones((W[0].size, gy.size // len(W)), F32)
        w, y = W.reshape(len(W), -1), np.empty((len(W), columns.shape[1]), F32)
        gw, gc = np.empty_like(w), np.empty_like(columns)

        def run():
            np.dot(w, columns, out=y)
            np.dot(a, columns.T, out=gw)
            np.dot(w.T, a, out=gc)

        return run

    return prepare


def conv2d_reference(x, W, b, gy):
    """The sum over the nine places of the filter, each a shifted picture."""
    height, width = x.shape[2:]
    padded = np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))
    y = np.zeros_like(gy) + b[:, None, None]
    gpadded, gW = np.zeros_like(padded), np.zeros_like(W)
    for i, j in np.ndindex(3, 3):
        place = (slice(None), slice(None), slice(i, i + height), slice(j, j + width))
        y += np.einsum("oc,nchw->nohw", W[:, :, i, j], padded[place])
        gW[:, :, i, j] = np.einsum("nohw,nchw->oc", gy, padded[place])
        gpadded[place] += np.einsum("oc,nohw->nchw", W[:, :, i, j], gy)
    return y, (gpadded[:, :, 1:-1, 1:-1], gW, gy.sum(axis=(0, 2, 3)))


def conv2d_row(name, n, channels, side, filters, *goals):
    return function_row(
        name, f"conv2d, {n} x {channels} x {side} x {side} float32, {filters} filters of 3 x 3, pad 1",
        images(n, channels, side, filters), conv2d_reference,
        {"dezero": conv2d_dezero, "torch": conv2d_torch, "numpy": conv2d_numpy, "limit": conv2d_limit},
        tolerance=SINGLE, goals=(Goal("faster", 1, "dezero"), *goals), labels={"limit": "its matrix products alone"},
    )  # fmt: skip


def feature_maps(n):
    """No two elements are equal, so that each maximum is in one place."""
    shape = (16, 16, 32, 32)
    x = np.random.default_rng(0).permutation(np.prod(shape)).reshape(shape) / np.prod(shape)
    return [x.astype(F32)], draw((16, 16, 16, 16), dtype=F32)[0]


def pooling_dezero(adapter):
    pooling = adapter.ops.pooling
    return lambda x: pooling(x, 2, 2, 0)


def pooling_torch(adapter):
    max_pool2d = adapter.torch.nn.functional.max_pool2d
    return lambda x: max_pool2d(x, 2, 2, 0)


def pooling_numpy(adapter):
    ops = adapter.ops
    return lambda x: ops.max(ops.reshape(x, (16, 16, 16, 2, 16, 2)), axis=(3, 5))


def pooling_reference(x, gy):
    corners = [(..., slice(i, None, 2), slice(j, None, 2)) for i, j in np.ndindex(2, 2)]
    y = np.maximum.reduce([x[corner] for corner in corners])
    gx = np.zeros_like(x)
    for corner in corners:
        gx[corner] = gy * (x[corner] == y)
    return y, (gx,)


DECAY, EPS = 0.9, 2e-5


def batch(n):
    *inputs, gy = draw((100, 256), 256, 256, (100, 256), dtype=F32)
    return inputs, gy


def running():
    return np.zeros(256, dtype=F32), np.ones(256, dtype=F32)


def batch_norm_dezero(adapter):
    """DeZero has the function as `batch_nrom` only."""
    batch_norm, (mean, var) = adapter.ops.batch_nrom, running()
    return lambda x, gamma, beta: batch_norm(x, gamma, beta, mean, var, DECAY, EPS)


def batch_norm_torch(adapter):
    batch_norm, (mean, var) = adapter.torch.nn.functional.batch_norm, map(adapter.torch.tensor, running())
    return lambda x, gamma, beta: batch_norm(x, mean, var, gamma, beta, True, 1 - DECAY, EPS)


def batch_norm_numpy(adapter):
    mean, var = running()

    def function(x, gamma, beta):
        nonlocal mean, var
        m, v = x.mean(axis=0), x.var(axis=0)
        mean = DECAY * mean + (1 - DECAY) * m
        var = DECAY * var + (1 - DECAY) * v * (len(x) / (len(x) - 1))
        return gamma * (x - m) / np.sqrt(v + EPS) + beta

    return function


def batch_norm_reference(x, gamma, beta, gy):
    scale = 1 / np.sqrt(x.var(axis=0) + EPS)
    xhat = (x - x.mean(axis=0)) * scale
    gbeta, ggamma = gy.sum(axis=0), np.sum(gy * xhat, axis=0)
    gx = gamma * scale * (gy - gbeta / len(x) - xhat * ggamma / len(x))
    return gamma * xhat + beta, (gx, ggamma, gbeta)


WORKLOADS = (
    function_row(
        "cross-entropy", "softmax_cross_entropy, 100 x 10 float32", logits, cross_entropy_reference,
        {
            "dezero": cross_entropy_dezero, "torch": cross_entropy_torch, "numpy": cross_entropy_numpy,
            "autograd": cross_entropy_numpy,
        },
        tolerance=SINGLE,
    ),
    function_row(
        "linear", "linear, 100 x 784 -> 1,000, float32", dense, linear_reference,
        {"dezero": linear_dezero, "torch": linear_torch, "numpy": linear_numpy, "autograd": linear_numpy},
        tolerance=SINGLE,
    ),
    conv2d_row("conv2d", 16, 3, 32, 16, Goal("faster", 1.1, "torch")),
    function_row(
        "pooling", "maximum pooling of 2 x 2, 16 x 16 x 32 x 32 float32", feature_maps, pooling_reference,
        {"dezero": pooling_dezero, "torch": pooling_torch, "numpy": pooling_numpy, "autograd": pooling_numpy},
        tolerance=SINGLE,
    ),
    function_row(
        "batch-norm", "batch_norm in training, 100 x 256 float32", batch, batch_norm_reference,
        {"dezero": batch_norm_dezero, "torch": batch_norm_torch, "numpy": batch_norm_numpy},
        tolerance=SINGLE,
    ),
)  # fmt: skip

# In a group of its own: the mean over the functions is of rows of like size.
WIDE = conv2d_row("conv2d-wide", 8, 64, 28, 64, Goal("faster", 0.9, "torch"))
WORKLOADS = (*WORKLOADS, replace(WIDE, group="sizes"))
