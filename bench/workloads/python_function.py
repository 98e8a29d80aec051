"""A user's own Function, forward and backward written in Python: here the interpreter does the work and the engine
only calls.
"""

import math

import numpy as np

from ..records import Goal, Workload, by_family

START = 0.5


def chain_of(adapter, apply, n):
    def function(x):
        for _ in range(n):
            x = apply(x)
        return x

    return adapter.gradient(function, START)


def dezero_function(adapter, n):
    cos = adapter.cos

    class Sin(adapter.Function):
        def forward(self, x):
            return np.sin(x)

        def backward(self, gy):
            (x,) = self.inputs
            return gy * cos(x)

    return chain_of(adapter, lambda x: Sin()(x), n)


def torch_function(adapter, n):
    sin, cos = adapter.sin, adapter.cos

    class Sin(adapter.torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return sin(x)

        @staticmethod
        def backward(ctx, gy):
            (x,) = ctx.saved_tensors
            return gy * cos(x)

    return chain_of(adapter, lambda x: Sin.apply(x), n)


def reference(n):
    h, dh = START, 1.0
    for _ in range(n):
        h, dh = math.sin(h), math.cos(h) * dh
    return h, (dh,)


WORKLOADS = (
    Workload(
        name="python-function",
        title="a user's Function written in Python, chained 100 times, forward + backward",
        unit="call",
        build=by_family(dezero=dezero_function, torch=torch_function),
        reference=reference,
        n=100,
        goals=(Goal("faster", 4, "dezero"),),
    ),
)
