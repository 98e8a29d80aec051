"""Who takes part: one adapter per automatic differentiation library, one for NumPy and one for plain Python floats.

An adapter says how its library makes a leaf, which functions it has, and, in the library's own idiom, how the value
and the gradient of a function are had. A workload's function is written once and is given an adapter, so every peer
runs the same lines. Adding a peer: write an adapter, add a `Peer` to PEERS. Which functions are measured is for
`workloads/`.

An adapter has `family` (the key under which workloads find a builder of their own for it), `sin`, `cos`, `exp`,
`square`, `value` (the number inside a scalar result), `gradient(function, *point)` (returns a callable that makes
value and gradients once: `(value, (gx, ...))`, in the library's own types) and `numpy(raw)`, which turns such a value
into an ndarray. Those that can show what a graph weighs have `graph(function, point)`, which returns the objects that
keep the graph alive and a callable for backward.

Those that take part in the rows on whole functions also have `ops` (the library's own functions under its own names)
and `pullback(function, inputs, gy)`: like `gradient`, but of any inputs and dtypes, with `gy` as the gradient that
arrives from above (None where the value is a single number).
"""

import importlib
import importlib.util
import math
import operator
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from . import environment


class Unsupported(Exception):
    """This peer cannot do this workload; the text says why."""


class Missing(Unsupported):
    """This peer is without a function that it was to show."""


class Named:
    """A module's functions; asking for one that it is without raises Missing."""

    def __init__(self, module, **lent):
        self.module = module
        vars(self).update(lent)

    def __getattr__(self, name):
        try:
            return getattr(self.module, name)
        except AttributeError:
            raise Missing(f"it has no function `{name}`") from None


class DeZeroAdapter:
    """dezero_c, and DeZero itself: one interface, so one adapter."""

    family = "dezero"
    value = staticmethod(operator.attrgetter("data"))
    numpy = staticmethod(np.asarray)

    def __init__(self, package, **lent):
        functions = package.functions
        self.package = package
        self.ops = Named(functions, **lent)
        self.Variable = package.Variable
        self.Function = package.Function
        self.sin, self.cos, self.exp = functions.sin, functions.cos, functions.exp
        self.square = getattr(functions, "square", square)

    def leaf(self, point):
        return self.Variable(np.array(point))

    def gradient(self, function, *point):
        leaves = [self.leaf(each) for each in point]
        if len(leaves) > 1:
            return self.gradients(function, leaves)
        (x,) = leaves

        def run():
            y = function(x)
            y.backward()
            gx = x.grad.data
            x.cleargrad()
            return y.data, (gx,)

        return run

    def gradients(self, function, leaves):
        def run():
            y = function(*leaves)
            y.backward()
            gxs = []
            for x in leaves:
                gxs.append(x.grad.data)
                x.cleargrad()
            return y.data, gxs

        return run

    def pullback(self, function, inputs, gy):
        leaves, Variable = [self.leaf(each) for each in inputs], self.Variable
        if gy is None:
            return self.gradients(function, leaves)

        def run():
            y = function(*leaves)
            y.grad = Variable(gy)
            y.backward()
            gxs = []
            for x in leaves:
                gxs.append(x.grad.data)
                x.cleargrad()
            return y.data, gxs

        return run

    def graph(self, function, point):
        x = self.leaf(point)
        y = function(x)
        return (x, y), y.backward


class EagerAdapter(DeZeroAdapter):
    """dezero_c without `capture`, beside captured functions; elsewhere it is dezero_c itself."""

    family = "eager"

    def gradient(self, function, *point):
        raise Unsupported("dezero_c itself runs as it is here")

    pullback = graph = gradient


class CasADiAdapter:
    """CasADi: a function of scalars is traced into an expression, whose value and gradient its virtual machine computes; called
    through buffers, its fastest way from Python. For fixed programs of scalars."""

    family = "casadi"
    numpy = staticmethod(np.asarray)

    def __init__(self, casadi):
        self.casadi = casadi
        self.sin, self.cos, self.exp = casadi.sin, casadi.cos, casadi.exp

    def gradient(self, function, *point):
        raise Unsupported("not written for CasADi")

    pullback = graph = gradient

    def __getattr__(self, name):
        if name in ("leaf", "ops", "square", "value"):
            raise Unsupported("not written for CasADi")
        raise AttributeError(name)

    def program(self, function, point):
        """Value and gradient of a function of numbers."""
        return self.compiled(function, [np.array(each, float) for each in point])

    def array_program(self, function, point):
        """The same of a function of one vector."""
        return self.compiled(function, [np.array(point, float)])

    def compiled(self, function, given):
        casadi = self.casadi
        xs = [casadi.SX.sym(f"x{k}", a.size) for k, a in enumerate(given)]
        y = function(*xs)
        compiled = casadi.Function("f", xs, [y, *(casadi.gradient(y, x) for x in xs)])
        buffer, run = compiled.buffer()
        found = [np.zeros(()), *map(np.zeros_like, given)]
        for k, a in enumerate(given):
            buffer.set_arg(k, memoryview(a))
        for k, a in enumerate(found):
            buffer.set_res(k, memoryview(a))
        results = found[0], tuple(found[1:])

        def once():
            run()
            return results

        once.buffer = buffer        # which `run` works on, and must stay
        return once


class TorchAdapter:
    """PyTorch, eager, with as many threads as everybody."""

    family = "torch"
    value = staticmethod(operator.methodcaller("item"))

    def __init__(self, torch):
        torch.set_num_threads(environment.threads)
        self.torch = self.ops = torch
        self.sin, self.cos, self.exp, self.square = torch.sin, torch.cos, torch.exp, torch.square

    def leaf(self, point):
        return self.torch.tensor(np.array(point), requires_grad=True)

    def numpy(self, raw):
        return raw.detach().numpy()

    def gradient(self, function, *point):
        leaves = [self.leaf(each) for each in point]
        if len(leaves) > 1:
            return self.gradients(function, leaves)
        (x,) = leaves
        ones_like = self.torch.ones_like
        scalar = x.ndim == 0

        def run():
            y = function(x)
            if scalar:
                y.backward()
            else:
                y.backward(ones_like(y))
            gx = x.grad
            x.grad = None
            return y, (gx,)

        return run

    def pullback(self, function, inputs, gy):
        leaves = [self.leaf(each) for each in inputs]
        return self.gradients(function, leaves, None if gy is None else self.torch.tensor(gy))

    def gradients(self, function, leaves, gy=None):
        def run():
            y = function(*leaves)
            y.backward(gy)
            gxs = []
            for x in leaves:
                gxs.append(x.grad)
                x.grad = None
            return y, gxs

        return run

    def graph(self, function, point):
        x = self.leaf(point)
        y = function(x)
        return (x, y), y.backward


class AutogradAdapter:
    """HIPS autograd; scalars are Python floats there, which is its fastest way and its documentation's."""

    family = "autograd"
    numpy = staticmethod(np.asarray)

    def __init__(self, autograd):
        self.grad, self.make_vjp = autograd.grad, autograd.make_vjp
        self.ops = wrapped = importlib.import_module("autograd.numpy")
        self.sin, self.cos, self.exp, self.square = wrapped.sin, wrapped.cos, wrapped.exp, wrapped.square
        self.value = importlib.import_module("autograd.tracer").getval

    def gradient(self, function, *point):
        point = tuple(as_scalar_or_array(each) for each in point)
        vjp_of = self.make_vjp(function, tuple(range(len(point)))) if len(point) > 1 else None
        if vjp_of is None:
            return self.gradient_of_one(function, point[0])

        def run():
            vjp, y = vjp_of(*point)
            return y, vjp(1.0)

        return run

    def gradient_of_one(self, function, x):
        vjp_of = self.make_vjp(function)
        if isinstance(x, float):

            def run():
                vjp, y = vjp_of(x)
                return y, (vjp(1.0),)
        else:

            def run():
                vjp, y = vjp_of(x)
                return y, (vjp(np.ones_like(y)),)

        return run

    def pullback(self, function, inputs, gy):
        gy = 1.0 if gy is None else gy
        several = len(inputs) > 1
        vjp_of = self.make_vjp(function, tuple(range(len(inputs))) if several else 0)

        def run():
            vjp, y = vjp_of(*inputs)
            gxs = vjp(gy)
            return y, gxs if several else (gxs,)

        return run

    def graph(self, function, point):
        vjp, y = self.make_vjp(function)(as_scalar_or_array(point))
        return (vjp, y), lambda: vjp(1.0)


class JaxAdapter:
    """JAX, each program compiled by `jit` before it is timed, on the processor; a run ends when its results are there. It
    takes part where a program has a fixed shape; a graph of a thousand nodes takes it minutes to compile.
    """

    family = "jax"
    numpy = staticmethod(np.asarray)

    def __init__(self, jax):
        jax.config.update("jax_platforms", "cpu")
        jax.config.update("jax_enable_x64", True)
        self.jax, self.jnp = jax, importlib.import_module("jax.numpy")

    def __getattr__(self, name):
        if name in ("cos", "exp", "graph", "leaf", "ops", "pullback", "sin", "square", "value"):
            raise Unsupported("not written for JAX")
        raise AttributeError(name)

    def gradient(self, function, *point):
        jax = self.jax
        both = jax.jit(jax.value_and_grad(function, argnums=tuple(range(len(point)))))
        leaves = [self.jnp.asarray(each) for each in point]
        return lambda: jax.block_until_ready(both(*leaves))


class MicrogradAdapter:
    """micrograd: scalars only; it has no sin, cos or exp, so they are written here in the way of its own operators."""

    family = "micrograd"
    value = staticmethod(operator.attrgetter("data"))
    numpy = staticmethod(np.asarray)

    def __init__(self, engine):
        self.Value = Value = engine.Value
        # Its backward recurses once a node.
        sys.setrecursionlimit(max(sys.getrecursionlimit(), 20_000))

        def unary(name, forward, derivative):
            def apply(x):
                out = Value(forward(x.data), (x,), name)

                def backward():
                    x.grad += derivative(x.data) * out.grad

                out._backward = backward
                return out

            return apply

        self.sin = unary("sin", math.sin, math.cos)
        self.cos = unary("cos", math.cos, lambda x: -math.sin(x))
        self.exp = unary("exp", math.exp, math.exp)
        self.square = square

    def gradient(self, function, *point):
        leaves = [self.Value(only_scalar(each)) for each in point]

        def run():
            y = function(*leaves)
            y.backward()
            gxs = []
            for x in leaves:
                gxs.append(x.grad)
                x.grad = 0
            return y.data, gxs

        return run


class NumPyAdapter:
    """NumPy alone: the forward pass, no derivative. What a library on top of NumPy cannot beat without leaving it."""

    family = "numpy"
    forward_only = True
    ops = np
    sin, cos, exp, square = np.sin, np.cos, np.exp, np.square
    value = staticmethod(operator.pos)
    numpy = staticmethod(np.asarray)

    def gradient(self, function, *point):
        arrays = [np.array(each, dtype=np.float64) for each in point]
        return lambda: (function(*arrays), None)

    def pullback(self, function, inputs, gy):
        return lambda: (function(*inputs), None)


class LimitAdapter:
    """No library: what a row cannot be faster than on this machine, because it only does a part of the work, such as its
    matrix products, or as many passes over memory. `pullback` is given `function(x0, ..., gy)`, which does it once.
    """

    family = "limit"
    forward_only = partial = True

    def pullback(self, function, inputs, gy):
        run = function(*inputs, gy)
        return lambda: (run(), None)


class PythonAdapter:
    """Plain Python floats: the forward pass, no derivative and no array. The interpreter's own floor."""

    family = "python"
    forward_only = True
    sin, cos, exp = staticmethod(math.sin), staticmethod(math.cos), staticmethod(math.exp)
    value = staticmethod(operator.pos)
    numpy = staticmethod(np.asarray)

    def __init__(self):
        self.square = square

    def gradient(self, function, *point):
        numbers = [only_scalar(each) for each in point]
        return lambda: (function(*numbers), None)


def square(x):
    return x**2


def as_scalar_or_array(point):
    return np.array(point, dtype=np.float64) if np.ndim(point) else float(point)


def only_scalar(point):
    if np.ndim(point):
        raise Unsupported("scalars only")
    return float(point)


def load_dezero_c():
    return DeZeroAdapter(importlib.import_module("dezero_c"))


def load_dezero():
    """DeZero 0.0.13 still says `np.int`, which NumPy 2 lacks: lend it the name for the import and take it back. It has
    no `mean` either; who wants one divides a sum.
    """
    lend = "int" not in vars(np)
    if lend:
        np.int = int
    try:
        package = importlib.import_module("dezero")
        importlib.import_module("dezero.functions")
    finally:
        if lend:
            del np.int
    ours = sys.modules.get("dezero_c")
    if ours is not None and package.Variable is ours.Variable:
        raise ImportError("`dezero` resolves to dezero_c, not to DeZero")
    total = package.functions.sum

    def mean(x, axis=None):
        y = total(x, axis)
        return y / (x.size // y.size)

    return DeZeroAdapter(package, mean=mean)


def load_torch():
    return TorchAdapter(importlib.import_module("torch"))


def load_autograd():
    return AutogradAdapter(importlib.import_module("autograd"))


def load_eager():
    return EagerAdapter(importlib.import_module("dezero_c"))


def load_casadi():
    return CasADiAdapter(importlib.import_module("casadi"))


def load_jax():
    return JaxAdapter(importlib.import_module("jax"))


def load_micrograd():
    return MicrogradAdapter(importlib.import_module("micrograd.engine"))


@dataclass(frozen=True)
class Peer:
    """One that takes part: its name on the command line, its label in tables, its module, how its adapter is had."""

    name: str
    label: str
    load: Callable
    module: str = ""
    optional: bool = True

    @property
    def installed(self):
        return not self.optional or importlib.util.find_spec(self.module) is not None


OURS = "dezero_c"
PEERS = {
    peer.name: peer
    for peer in (
        Peer(OURS, "dezero_c", load_dezero_c, "dezero_c", optional=False),
        Peer("dezero", "DeZero", load_dezero, "dezero"),
        Peer("torch", "PyTorch eager", load_torch, "torch"),
        Peer("jax", "JAX, compiled", load_jax, "jax"),
        Peer("casadi", "CasADi, by buffers", load_casadi, "casadi"),
        Peer("autograd", "HIPS autograd", load_autograd, "autograd"),
        Peer("micrograd", "micrograd", load_micrograd, "micrograd"),
        Peer("eager", "dezero_c, not captured", load_eager, optional=False),
        Peer("numpy", "NumPy, forward only", NumPyAdapter, "numpy", optional=False),
        Peer("limit", "a limit", LimitAdapter, optional=False),
        Peer("python", "plain Python floats, forward only", PythonAdapter, optional=False),
    )
}
