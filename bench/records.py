"""What a workload, a contender and a goal are, and the check that a contender computes what it claims to.

The records themselves are in `workloads/`; measuring them is for `timing.py` and `memory.py`.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from .peers import Unsupported


class WrongResult(Exception):
    """A contender's value or gradient is not the reference's: its time would mean nothing."""


@dataclass(frozen=True)
class Tolerance:
    """How far a result may be from the reference: `relative` to each element, and `scaled` by the largest one."""

    relative: float = 1e-6
    # None by default: it would pass anything where a long chain's gradient is small.
    scaled: float = 0.0


DOUBLE = Tolerance(1e-9, 1e-12)
# A sum over 784 products in float32, and elements that nearly cancel.
SINGLE = Tolerance(1e-4, 1e-5)


@dataclass(frozen=True)
class Goal:
    """A figure to reach: `faster` (at least `limit` times faster than `against`), `within` (at most `limit` times the
    time of `against`) or `below` (at most `limit` of the workload's quantity, `against` unused).
    """

    kind: str
    limit: float
    against: str = ""

    def measured(self, ours, ratios):
        """The figure this goal speaks of, or None where one side was not measured.

        `ours` is what dezero_c was measured at, `ratios` has per contender how many times that it was measured at.
        """
        if self.kind == "below":
            return ours
        ratio = ratios.get(self.against)
        return 1 / ratio if ratio and self.kind == "within" else ratio

    def met(self, measured):
        return measured >= self.limit if self.kind == "faster" else measured <= self.limit


@dataclass(frozen=True)
class Contender:
    """A row of a workload: a peer at a size. `key` is the peer's name, with `@size` where a peer comes twice."""

    key: str
    peer: str
    label: str
    n: int
    note: str = ""


@dataclass(frozen=True)
class Settings:
    """How thorough a run is."""

    quick: bool = False
    slow: bool = False
    rounds: int = 45
    sample_seconds: float = 0.013
    budget_seconds: float = 6.0  # a contender joins no further round once it has used this much


@dataclass(frozen=True)
class Group:
    """Workloads that are summed up together, by the geometric mean of their ratios, and goals for that mean."""

    name: str
    title: str
    goals: tuple = ()


QUICK = {"quick": True, "rounds": 5, "sample_seconds": 0.003, "budget_seconds": 0.5}


def standard_contenders(workload, peers, settings):
    """Every peer once, at the workload's size."""
    n = workload.quick_n if settings.quick and workload.quick_n else workload.n
    note = "" if n == workload.n else f"quick: {n:,} instead of {workload.n:,}"
    return [Contender(peer.name, peer.name, workload.labels.get(peer.name, peer.label), n, note) for peer in peers]


@dataclass(frozen=True)
class Workload:
    """One thing to measure. `build(adapter, n)` returns a callable that does all of the work once and returns
    `(value, gradients)`; `reference(n)` returns what these must be, found without any of the peers."""

    name: str
    title: str
    unit: str
    build: Callable
    reference: Callable
    n: int = 1
    quick_n: int = 0
    units: Callable = field(default=lambda n: n)  # how many units one call does at size n
    goals: tuple = ()
    contenders: Callable = standard_contenders
    labels: dict = field(default_factory=dict)
    quantity: str = "time"
    group: str = "engine"
    tolerance: Tolerance = Tolerance()


def gradient_of(function, *point):
    """A builder for the usual case: value and gradient at `point` of `function(adapter, n)`, in each peer's own
    idiom.
    """

    def build(adapter, n):
        if getattr(adapter, "partial", False):
            raise Unsupported("no limit is defined")
        if adapter.family == "jax" and n > 10:
            raise Unsupported("a graph of so many nodes takes it minutes to compile")
        return adapter.gradient(function(adapter, n), *point)

    return build


def by_family(**builders):
    """A builder for work that each family of peers spells in its own way; families left out do not take part. `options` are for
    the family's builder."""

    def build(adapter, n, **options):
        if adapter.family not in builders:
            raise Unsupported(f"not written for {adapter.family}")
        return builders[adapter.family](adapter, n, **options)

    return build


def everywhere(function):
    """One spelling for all families that have arrays."""
    return {"dezero": function, "torch": function, "autograd": function, "numpy": function}


def function_row(name, title, data, reference, spelt, **fields):
    """A workload of the group "functions": one forward and backward pass of a function over given arrays.

    `data(n)` returns the inputs that are differentiated by and the gradient that comes from above, None for a value
    that is a single number. `spelt` has per family `f(adapter)`, which returns the function of the inputs in that
    library's own words. `reference(*inputs, gy)` returns value and gradients; it is given everything in float64.
    """

    def build(adapter, n):
        if adapter.family not in spelt:
            raise Unsupported(f"not written for {adapter.family}")
        return adapter.pullback(spelt[adapter.family](adapter), *data(n))

    def reference_of(n):
        inputs, gy = data(n)
        return reference(*(x.astype(np.float64) for x in inputs), gy if gy is None else gy.astype(np.float64))

    defaults = {
        "unit": "pass",
        "units": lambda n: 1,
        "group": "functions",
        "goals": (Goal("faster", 1, "dezero"),),
        "tolerance": DOUBLE,
    }
    return Workload(name=name, title=title, build=build, reference=reference_of, **(defaults | fields))


def draw(*shapes, dtype=np.float64, seed=0):
    """Normally distributed arrays, the same in every process."""
    generator = np.random.default_rng(seed)
    return [generator.standard_normal(shape).astype(dtype) for shape in shapes]


def verify(name, adapter, result, reference, tolerance):
    """Raise WrongResult unless value and gradients are the reference's; only forward-only peers may leave gradients
    out, and one that does a part of the work has nothing to show.
    """
    if getattr(adapter, "partial", False):
        return
    value, gradients = result
    expected, expected_gradients = reference
    compare(name, "value", adapter.numpy(value), expected, tolerance)
    if gradients is None:
        if not getattr(adapter, "forward_only", False):
            raise WrongResult(f"{name}: no gradient")
        return
    if len(gradients) != len(expected_gradients):
        raise WrongResult(f"{name}: {len(gradients)} gradients instead of {len(expected_gradients)}")
    for index, (gradient, correct) in enumerate(zip(gradients, expected_gradients, strict=True)):
        compare(name, f"gradient {index}", adapter.numpy(gradient), correct, tolerance)


def compare(name, what, measured, expected, tolerance):
    atol = tolerance.scaled * np.max(np.abs(expected)) if tolerance.scaled else 0
    if np.shape(measured) != np.shape(expected) or not np.allclose(
        measured, expected, rtol=tolerance.relative, atol=atol
    ):
        raise WrongResult(f"{name}: {what} is {measured!r}, must be {expected!r}")
