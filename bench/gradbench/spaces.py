"""The array namespaces that evaluations are written over: dezero_c's, and those of the peers that it is compared with.

Each has the functions that the evaluations use, under NumPy's names; `constant` (an array that nothing is differentiated by);
loops (`scan`, `times`); and what is to be timed, as callables without arguments, made once from a function and the NumPy arrays
that it is called with:

`value(f, *xs)`           f(*xs).
`gradient(f, *xs)`        the gradients of f, which gives a single number, by each of xs.
`pulls(f, seeds, *xs)`    for each seed the gradients of sum(f(*xs) * seed): as many rows of a Jacobian.
`lanes(f, x)`             the Jacobian (m, n) of f at the vector x, where f maps rows to rows: (k, n) to (k, m).
`curvature(f, x)`         the gradient of f, and its Hessian times ones: the Hessian's diagonal where that is all of it.
`later(f)`                a function of an array x that gives f(x), a number, and a callable for f's gradient there, an array.
`inner(f)`                for use within an f: the function that gives the gradient of another by its last argument.

The last two take `reverse`, False for forward mode, which dezero_c alone is asked for.

Results are arrays of the namespace's own; `numpy` turns them into NumPy's.
"""

import importlib

import numpy as np

from .. import environment
from ..peers import Unsupported
from .nested import gradient_by_last, pulled, pushed

FUNCTIONS = ("concatenate", "cos", "exp", "log", "max", "sin", "sqrt", "stack", "sum", "tanh", "where")


def scan(step, carry, xs):
    """The second results of carry, y = step(carry, x) over the rows of xs."""
    ys = []
    for x in xs:
        carry, y = step(carry, x)
        ys.append(y)
    return ys


def times(n, step, carry):
    for _ in range(n):
        carry = step(carry)
    return carry


class DezeroC:
    """dezero_c. Its derivatives are reverse mode; forward mode is the derivative of a reverse pass by what it starts from
    (Townsend 2017, "A new trick for calculating Jacobian vector products"), for all lanes at once.
    """

    name = "dezero_c"
    constant = staticmethod(np.asarray)

    def __init__(self):
        import dezero_c
        import dezero_c.functions as F

        self.Variable, self.no_grad, self.ops = dezero_c.Variable, dezero_c.no_grad, F
        self.capture, self.CaptureError = dezero_c.capture, dezero_c.CaptureError
        for name in (*FUNCTIONS, "sigmoid"):
            setattr(self, name, getattr(F, name))

    @staticmethod
    def data(x):
        """The values alone, through which nothing is differentiated."""
        return x if isinstance(x, np.ndarray) else x.data

    @staticmethod
    def numpy(raw):
        return np.asarray(getattr(raw, "data", raw))

    scan, times, inner = staticmethod(scan), staticmethod(times), staticmethod(gradient_by_last)

    def leaves(self, xs):
        return [self.Variable(np.array(x, dtype=np.float64)) for x in xs]

    def value(self, f, *xs):
        leaves, no_grad = self.leaves(xs), self.no_grad

        def run():
            with no_grad():
                return f(*leaves).data

        return run

    def gradient(self, f, *xs):
        leaves = self.leaves(xs)

        def run():
            f(*leaves).backward()
            return taken(leaves)

        return run

    def pulls(self, f, seeds, *xs):
        leaves, seeds = self.leaves(xs), self.leaves(seeds)

        def run():
            y = f(*leaves)
            found = []
            for seed in seeds:
                y.grad = seed
                y.backward()
                found.append(taken(leaves))
            return found

        return run

    def lanes(self, f, x):
        Variable, F = self.Variable, self.ops
        n = len(x)
        lanes = Variable(np.tile(np.asarray(x, dtype=np.float64), (n, 1)))
        directions = np.eye(n)

        def run():
            y = f(lanes)
            u = y.grad = Variable(np.zeros(y.shape))
            y.backward(create_graph=True)
            pulled = lanes.grad
            lanes.cleargrad()
            u.cleargrad()
            F.sum(pulled * directions).backward()
            lanes.cleargrad()
            return u.grad.data.T

        return run

    def curvature(self, f, x):
        (x,) = self.leaves([x])
        F = self.ops

        def run():
            f(x).backward(create_graph=True)
            gradient = x.grad
            x.cleargrad()
            F.sum(gradient).backward()
            return gradient.data, taken([x])[0]

        return run


    def later(self, f, reverse=True):
        Variable = self.Variable

        def at(x):
            x = Variable(np.array(x))
            y = f(x)
            return float(y.data), lambda: (pulled if reverse else pushed)(y, [x], create_graph=False)[0].data

        return at


class Captured(DezeroC):
    """dezero_c with `capture`: value and gradient are traced in the first calls, and replayed from then on."""

    name = "captured"

    def value(self, f, *xs):
        captured, leaves = self.capture(lambda *xs: f(*xs)), self.leaves(xs)

        def run():
            with self.no_grad():
                return captured(*leaves).data

        return self.warm(run)

    def gradient(self, f, *xs):
        @self.capture
        def step(*leaves):
            y = f(*leaves)
            for x in leaves:
                x.cleargrad()
            y.backward()
            return y

        leaves = self.leaves(xs)

        def run():
            step(*leaves)
            return [x.grad.data for x in leaves]

        return self.warm(run)

    def warm(self, run):
        try:
            for _ in range(3):      # traced, compared, replayed
                run()
        except self.CaptureError as error:
            raise Unsupported(f"not captured: {str(error).partition(': ')[2].partition(' in the captured')[0]}") from None
        return run

    def lanes(self, f, x):
        raise Unsupported("several passes backwards are not captured here")

    pulls = curvature = lanes

    def inner(self, f, reverse=True):
        raise Unsupported("a loop that data end is not captured")


def taken(leaves):
    """The gradients of leaves, as arrays, and the leaves without them."""
    found = []
    for x in leaves:
        found.append(x.grad.data)
        x.cleargrad()
    return found


class Torch:
    """PyTorch, eager; forward mode by torch.func."""

    name = "torch"

    def __init__(self):
        import torch

        torch.set_num_threads(environment.threads)
        self.torch = torch
        for name in {*FUNCTIONS, "sigmoid"} - {"max", "stack"}:
            setattr(self, name, getattr(torch, name))
        self.constant = torch.as_tensor

    scan, times = staticmethod(scan), staticmethod(times)

    def max(self, x, axis=None, keepdims=False):
        return self.torch.amax(x, () if axis is None else axis, keepdim=keepdims)

    def stack(self, xs, axis=0):
        return self.torch.stack(xs, axis)

    @staticmethod
    def data(x):
        return x.detach().numpy()

    @staticmethod
    def numpy(raw):
        return raw.detach().numpy() if hasattr(raw, "detach") else np.asarray(raw)

    def leaves(self, xs):
        return [self.torch.tensor(np.array(x, dtype=np.float64), requires_grad=True) for x in xs]

    def value(self, f, *xs):
        leaves, no_grad = self.leaves(xs), self.torch.no_grad

        def run():
            with no_grad():
                return f(*leaves)

        return run

    def gradient(self, f, *xs):
        leaves, grad = self.leaves(xs), self.torch.autograd.grad
        return lambda: grad(f(*leaves), leaves)

    def pulls(self, f, seeds, *xs):
        leaves, grad = self.leaves(xs), self.torch.autograd.grad
        seeds = [self.torch.tensor(seed) for seed in seeds]

        def run():
            y = f(*leaves)
            return [grad(y, leaves, seed, retain_graph=True) for seed in seeds]

        return run

    def lanes(self, f, x):
        jacobian = self.torch.func.jacfwd(lambda x: f(x[None])[0])
        x = self.torch.tensor(x)
        return lambda: jacobian(x)

    def curvature(self, f, x):
        (x,) = self.leaves([x])
        grad = self.torch.autograd.grad

        def run():
            (gradient,) = grad(f(x), x, create_graph=True)
            return gradient, grad(gradient.sum(), x)[0]

        return run

    def inner(self, f, reverse=True):
        torch = self.torch

        def gradient(*xs):
            with torch.enable_grad():
                *others, x = xs
                x = x if x.requires_grad else x.detach().requires_grad_()
                return torch.autograd.grad(f(*others, x), x, create_graph=True)[0]

        return gradient

    def later(self, f, reverse=True):
        torch = self.torch

        def at(x):
            x = torch.tensor(x, requires_grad=True)
            y = f(x)
            return y.item(), lambda: torch.autograd.grad(y, x)[0].numpy()

        return at


class Jax:
    """JAX, each callable compiled by `jit`; the first call, which compiles, is not the one that is timed."""

    name = "jax"

    def __init__(self):
        import jax
        import jax.numpy as jnp

        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_enable_x64", True)
        self.jax, self.jnp = jax, jnp
        for name in FUNCTIONS:
            setattr(self, name, getattr(jnp, name))
        self.sigmoid, self.constant = jax.nn.sigmoid, jnp.asarray
        self.data = jax.lax.stop_gradient

    numpy = staticmethod(np.asarray)

    def scan(self, step, carry, xs):
        return self.jax.lax.scan(step, carry, xs)[1]

    def times(self, n, step, carry):
        return self.jax.lax.fori_loop(0, n, lambda _, carry: step(carry), carry)

    def compiled(self, function, *xs):
        jax = self.jax
        function = jax.jit(function)
        leaves = [self.jnp.asarray(np.array(x, dtype=np.float64)) for x in xs]
        return lambda: jax.block_until_ready(function(*leaves))

    def value(self, f, *xs):
        return self.compiled(f, *xs)

    def gradient(self, f, *xs):
        return self.compiled(self.jax.grad(f, argnums=tuple(range(len(xs)))), *xs)

    def pulls(self, f, seeds, *xs):
        jax = self.jax

        def rows(*xs):
            _, pull = jax.vjp(f, *xs)
            return [pull(seed) for seed in seeds]

        return self.compiled(rows, *xs)

    def lanes(self, f, x):
        return self.compiled(self.jax.jacfwd(lambda x: f(x[None])[0]), x)

    def curvature(self, f, x):
        jax, jnp = self.jax, self.jnp
        return self.compiled(lambda x: jax.jvp(jax.grad(f), (x,), (jnp.ones_like(x),)), x)

    def inner(self, f, reverse=True):
        raise Unsupported("reverse mode does not go through its loops that data end")

    later = inner


class Autograd:
    """HIPS autograd; forward mode by `make_jvp`, a direction at a time."""

    name = "autograd"
    constant = staticmethod(np.asarray)

    def __init__(self):
        import autograd

        self.autograd = autograd
        self.np = wrapped = importlib.import_module("autograd.numpy")
        self.getval = importlib.import_module("autograd.tracer").getval
        self.make_jvp = importlib.import_module("autograd.differential_operators").make_jvp
        for name in FUNCTIONS:
            setattr(self, name, getattr(wrapped, name))

    scan, times = staticmethod(scan), staticmethod(times)
    numpy = staticmethod(np.asarray)

    def sigmoid(self, x):
        return 1 / (1 + self.np.exp(-x))

    def data(self, x):
        while type(x) is not np.ndarray:
            x = self.getval(x)
        return x

    def value(self, f, *xs):
        xs = [np.array(x, dtype=np.float64) for x in xs]
        return lambda: f(*xs)

    def gradient(self, f, *xs):
        xs = [np.array(x, dtype=np.float64) for x in xs]
        gradient = self.autograd.grad(f, tuple(range(len(xs))))
        return lambda: gradient(*xs)

    def pulls(self, f, seeds, *xs):
        vjp_of = self.autograd.make_vjp(f, tuple(range(len(xs))))

        def run():
            pull, _ = vjp_of(*xs)
            return [pull(seed) for seed in seeds]

        return run

    def lanes(self, f, x):
        directions = np.eye(len(x))
        jvp_of = self.make_jvp(lambda x: f(x[None])[0])

        def run():
            push = jvp_of(x)
            return np.stack([push(v)[1] for v in directions], axis=1)

        return run

    def curvature(self, f, x):
        vjp_of, ones = self.autograd.make_vjp(self.autograd.grad(f)), np.ones_like(x)

        def run():
            pull, gradient = vjp_of(x)
            return gradient, pull(ones)

        return run

    def inner(self, f, reverse=True):
        return lambda *xs: self.autograd.grad(f, len(xs) - 1)(*xs)

    def later(self, f, reverse=True):
        vjp_of = self.autograd.make_vjp(f)

        def at(x):
            pull, y = vjp_of(x)
            return float(y), lambda: pull(1.0)

        return at


PEERS = {"captured": Captured, "jax": Jax, "torch": Torch, "autograd": Autograd}
