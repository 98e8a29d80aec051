"""Nothing grows: reference counts and memory over many rounds of every operation, of training, and of failures.

The fast form runs a thousand rounds where a leak of one reference a round is certain to show in the counts; the slow form
runs a hundred thousand and looks at the memory of the process as well. The operations are those of the table and of
tests/records.py, so that a new one is measured without being named here.
"""

import functools
import gc
import os
import sys

import numpy as np
import pytest
from records import RECORDS
from truth import OPS, applied, points

import dezero_c.functions as F
import dezero_c.layers as L
import dezero_c.optimizers as O
from dezero_c import Function, Variable

needs_proc = pytest.mark.skipif(not os.path.exists("/proc/self/statm"), reason="memory is read from /proc")
quiet = pytest.mark.filterwarnings("ignore::RuntimeWarning")


def resident():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * os.sysconf("SC_PAGESIZE")


def differentiated(call, shapes, points=None, create_graph=False):
    """A round: the operation on the same Variables, and its gradients."""
    rng = np.random.default_rng(0)
    vs = [Variable(a) for a in (points(rng, shapes) if callable(points) else [rng.uniform(0.3, 0.8, shape) for shape in shapes])]
    if shapes and not callable(points) and len(shapes[0]) >= 2 and shapes[0][-1] == shapes[0][-2]:
        n = shapes[0][-1]       # the matrix functions want one that is positive definite
        vs[0] = Variable(np.eye(n) * 3.0 + np.full(shapes[0], 0.1))

    def once():
        out = call(*vs)
        total = None
        for y in out if isinstance(out, (tuple, list)) else (out,):
            if isinstance(y, Variable) and y.creator is not None and y.dtype.kind == "f":
                s = F.sum(y)
                total = s if total is None else total + s
        if total is not None:
            total.backward(create_graph=create_graph)
        for v in vs:
            v.cleargrad()

    return once, vs


def operations():
    made = {}
    for record in RECORDS:
        if record.order:
            for case in record.cases[:1]:
                made[record.names[0]] = (case.call, case.shapes, case.points)
    for name, op in OPS.items():
        if name not in made:
            made[name] = (functools.partial(applied, F, name, op["examples"][0]), [(2, 3)] * len(op["args"]),
                          lambda rng, shapes, name=name: points(name, shapes[0]))
    return made


OPERATIONS = operations()


class Scale(Function):
    def __init__(self, fail=""):
        self.fail = fail

    def forward(self, x):
        if self.fail == "forward":
            raise KeyError("forward")
        return x * 2.0

    def backward(self, gy):
        if self.fail == "backward":
            raise KeyError("backward")
        return gy * 2.0


def failing(where):
    x = Variable(np.array([0.5, 1.5]))

    def once():
        try:
            F.sum(F.sin(Scale(where)(F.cos(x) * 2.0)) + x).backward()
        except KeyError:
            x.cleargrad()
        else:
            raise AssertionError("nothing was raised")

    return once, [x]


def training(optimizer):
    layer = L.Linear(3, in_size=4)
    chosen = getattr(O, optimizer)().setup(layer)
    x, t = np.ones((5, 4), np.float32), np.zeros((5, 3), np.float32)

    def once():
        loss = F.mean_squared_error(F.tanh(layer(x)), t)
        layer.cleargrads()
        loss.backward()
        chosen.update()

    return once, []     # an update may give a parameter another array


def curved():
    x = Variable(np.array([0.5, 1.5]))

    def once():
        y = F.sum(F.sin(x) * x ** 3)
        y.backward(create_graph=True)
        g = x.grad
        x.cleargrad()
        F.sum(g * g).backward()
        x.cleargrad()
        if once.rounds % 500 == 0:
            gc.collect()
        once.rounds += 1

    once.rounds = 0
    return once, [x]


def nodes():
    return sum(issubclass(type(o), (Variable, Function)) for o in gc.get_objects())


@functools.cache
def numpy_gives_dtypes_back():
    """np.zeros and np.dot of NumPy 2.5 keep a reference to the dtype in each call."""
    before = sys.getrefcount(np.dtype(float))
    kept = [np.zeros(3) for _ in range(40)]
    del kept
    return sys.getrefcount(np.dtype(float)) - before < 40


def counts_stay(once, vs, rounds):
    """A leak of one reference in each round would be `rounds`; a few may come and go for other reasons."""
    shared = [None, (), 0, 1, "", True, False, Variable, Function, type(F.sin), np.float64]
    if numpy_gives_dtypes_back():
        shared += [np.dtype(float), np.dtype(np.float32)]
    kept = [*vs, *(v.data for v in vs), *shared]
    for _ in range(5):
        once()
    gc.collect()
    living, before = nodes(), [sys.getrefcount(o) for o in kept]
    for _ in range(rounds):
        once()
    gc.collect()
    after = [sys.getrefcount(o) for o in kept]
    own = 2 * len(vs)
    assert after[:own] == before[:own]
    assert all(abs(a - b) < rounds // 4 for a, b in zip(after, before, strict=True)), list(zip(kept, before, after, strict=True))
    assert nodes() == living
    # A plain node is neither the collector's nor counted by its class. Caches may fill once; a leak goes on.
    more = []
    while not more or (more[-1] >= 0.75 * rounds and len(more) < 4):
        blocks = sys.getallocatedblocks()
        for _ in range(rounds):
            once()
        gc.collect()
        more.append(sys.getallocatedblocks() - blocks)
    assert more[-1] < 0.75 * rounds, f"blocks that {rounds} rounds took, time and again: {more}"


def memory_stays(once, rounds):
    """The second and later stretches take no more: a byte a round is tolerated, since allocators keep pages."""
    for _ in range(rounds // 20):
        once()
    grown = []
    for _ in range(3):
        gc.collect()
        before = resident()
        for _ in range(rounds // 3):
            once()
        gc.collect()
        grown.append(resident() - before)
        if grown[-1] < max(rounds, 1 << 18):
            return
    raise AssertionError(f"bytes that {rounds // 3} rounds took, three times: {grown}")


WORK = {
    **{f"failure in {where}": (lambda where=where: failing(where)) for where in ("forward", "backward")},
    **{f"training with {name}": (lambda name=name: training(name)) for name in ("SGD", "MomentumSGD", "AdaGrad", "AdaDelta",
                                                                               "Adam")},
    "graphs of gradients": curved,
}


@quiet
@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_keeps_nothing(name):
    once, vs = differentiated(*OPERATIONS[name])
    counts_stay(once, vs, 40)


@pytest.mark.parametrize("name", WORK)
def test_a_thousand_rounds(name):
    once, vs = WORK[name]()
    counts_stay(once, vs, 1000)


@needs_proc
@pytest.mark.slow
@quiet
@pytest.mark.parametrize("name", [*OPERATIONS, *WORK])
def test_a_hundred_thousand_rounds(name):
    once, vs = WORK[name]() if name in WORK else differentiated(*OPERATIONS[name])
    counts_stay(once, vs, 1000)
    memory_stays(once, 100_000)


@quiet
def test_a_leak_of_one_reference_is_found():
    x = Variable(np.ones(2))
    kept = []
    with pytest.raises(AssertionError):
        counts_stay(lambda: kept.append(x), [x], 40)
    with pytest.raises(AssertionError):
        counts_stay(lambda: kept.append(F.sin(Variable(np.ones(2))).creator), [], 40)
