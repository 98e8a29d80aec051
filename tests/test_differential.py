"""Two thousand random programs: dezero_c in both ways backwards, in float64 and float32, against NumPy and PyTorch.

Values against NumPy's; gradients, of first and second order, against finite differences of NumPy's values along a
direction, and, where PyTorch can be imported, against its gradients element by element. A failure prints the smallest
program that shows it, as a script that runs. The programs are those of tests/programs.py, the same in every run.
"""

import collections
import itertools
import random
import types

import numpy as np
import pytest
from hypothesis import find, settings
from hypothesis import strategies as st
from hypothesis.errors import NoSuchExample
from programs import DEZERO_C, NAMES, NUMPY, TABLE, WRITERS, Program, torch_functions
from records import ARRAYS, RECORDS

from dezero_c import Function, Variable

try:
    import torch
except ImportError:
    torch = None

STEP = 1e-4
numpy_functions = types.SimpleNamespace(**NUMPY)

def gradients_of(program, dtype, create_graph):
    vs = {n: Variable(np.asarray(x, dtype)) for n, x in program.inputs.items()}
    constants = {n: c.astype(dtype) if c.dtype.kind == "f" else c for n, c in program.constants.items()}
    s = program.run(DEZERO_C, vs, constants)
    s.backward(create_graph=create_graph)
    return s, vs, {n: v.grad for n, v in vs.items()}


def second(program, gs, vs, directions):
    """The gradient of the directional derivative."""
    terms = [DEZERO_C.sum(g * directions[n]) for n, g in gs.items() if g is not None]
    for v in vs.values():
        v.cleargrad()
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    total.backward()
    return total, {n: np.zeros(v.shape) if v.grad is None else v.grad.data for n, v in vs.items()}


def near(found, wanted, tolerance, what):
    found, wanted = np.asarray(found, np.float64), np.asarray(wanted, np.float64)
    assert found.shape == wanted.shape, f"{what}: shape {found.shape}, not {wanted.shape}"
    error = np.max(np.abs(found - wanted) / np.maximum(1.0, np.abs(wanted)), initial=0.0)
    assert error <= tolerance, f"{what}: {found.tolist()}, not {wanted.tolist()} (error {error:.2g})"


def verify(program):
    rng = np.random.default_rng(1)
    directions = {n: rng.uniform(-1, 1, x.shape) for n, x in program.inputs.items()}

    def moved(step):
        return float(program.run(numpy_functions,
                                 {n: np.asarray(x + step * directions[n]) for n, x in program.inputs.items()},
                                 program.constants))

    s, _, fused = gradients_of(program, np.float64, False)
    _, vs, graph = gradients_of(program, np.float64, True)
    value = moved(0.0)
    near(s.data, value, 1e-9, "value")
    for n, x in program.inputs.items():
        assert (fused[n] is None) == (graph[n] is None), f"{n}: {fused[n]} fused, {graph[n]} with create_graph"
        if fused[n] is not None:
            assert fused[n].dtype == np.float64, f"{n}: a gradient in {fused[n].dtype}"
            assert fused[n].shape == x.shape, f"{n}: a gradient of shape {fused[n].shape}"
            near(fused[n].data, graph[n].data, 1e-9, f"gradient of {n}, fused against create_graph")
    first = {n: np.zeros(program.inputs[n].shape) if g is None else g.data.copy() for n, g in fused.items()}
    along = sum(float((first[n] * d).sum()) for n, d in directions.items())
    up, down = moved(STEP), moved(-STEP)
    near(along, (up - down) / (2 * STEP), 2e-5, "derivative along a direction, against differences of NumPy's values")
    total, curved = second(program, graph, vs, directions)
    near(total.data, along, 1e-9, "the same through create_graph")
    bent = sum(float((curved[n] * d).sum()) for n, d in directions.items())
    near(bent, (up - 2 * value + down) / STEP**2, 2e-3, "second derivative along it, against differences")
    if torch is not None:
        against_torch(program, directions, value, first, curved)
    single, _, gs = gradients_of(program, np.float32, False)
    assert single.dtype == np.float32, f"float32 became {single.dtype}"
    near(single.data, value, 1e-3, "value in float32")
    for n, g in gs.items():
        if g is not None:
            assert g.dtype == np.float32, f"{n}: the gradient of float32 is {g.dtype}"
            near(g.data, first[n], 5e-3, f"gradient of {n} in float32")


def against_torch(program, directions, value, first, curved):
    leaves = {n: torch.tensor(x, requires_grad=True) for n, x in program.inputs.items()}
    s = program.run(TORCH, leaves, {n: torch.tensor(c) for n, c in program.constants.items()})
    near(s.detach(), value, 1e-9, "PyTorch's value against NumPy's")
    gs = torch.autograd.grad(s, list(leaves.values()), create_graph=True, allow_unused=True, materialize_grads=True)
    for (n, wanted), g in zip(first.items(), gs, strict=True):
        near(wanted, g.detach() + torch.zeros(()), 1e-8, f"gradient of {n}, against PyTorch's")
    total = sum((g * torch.tensor(directions[n])).sum() for n, g in zip(leaves, gs, strict=True))
    if total.requires_grad:
        gs = torch.autograd.grad(total, list(leaves.values()), allow_unused=True, materialize_grads=True)
        for (n, found), g in zip(curved.items(), gs, strict=True):
            near(found, g + torch.zeros(()), 1e-7, f"second-order gradient of {n}, against PyTorch's")


TORCH = None if torch is None else torch_functions(torch)


def fault(program):
    """What is wrong with it, and its listing; or None."""
    try:
        verify(program)
    except Exception as error:
        return f"{type(error).__name__}: {error}\n\n{program.listing()}"


def smallest_fault(numbers):
    """The fault of the shortest program that Hypothesis finds by leaving out lines."""
    def kept(mask):
        return Program([numbers[0], *itertools.compress(numbers[1:], mask)])

    masks = st.lists(st.booleans(), min_size=len(numbers) - 1, max_size=len(numbers) - 1)
    try:
        found = find(masks, lambda mask: fault(kept(mask)), settings=settings(max_examples=300, database=None))
    except NoSuchExample:
        return fault(Program(numbers))
    return fault(kept(found))


def test_random_programs():
    r = random.Random(20240501)
    seen, functions = set(), collections.Counter()
    for _ in range(2100):
        numbers = [r.randrange(2**31) for _ in range(r.randint(2, 8))]
        program = Program(numbers)
        if fault(program):
            pytest.fail(smallest_fault(numbers))
        seen.add(program.listing())
        functions.update(program.functions)
    assert len(seen) >= 2000
    assert min(functions[n] for n in NAMES) >= 10, functions.most_common()


def test_a_fault_is_found_and_printed(monkeypatch):
    """Of a function whose second derivative only is wrong, by the script of a short program."""
    class Half(Function):
        def forward(self, x):
            return np.tanh(x)

        def backward(self, gy):
            y = np.tanh(self.inputs[0].data)
            return gy * Variable(1 - y * y)

    monkeypatch.setattr(DEZERO_C, "tanh", lambda x: Half()(x))
    r = random.Random(1)
    lists = ([r.randrange(2**31) for _ in range(6)] for _ in range(300))
    numbers = next(n for n in lists if "tanh" in Program(n).functions and fault(Program(n)))
    text = smallest_fault(numbers)
    assert "second derivative" in text
    assert text.count("\nv") < 5
    assert "f.tanh(" in text


def test_the_programs_draw_on_every_differentiable_function():
    plain = {r.name for r in ARRAYS}
    wanted = {n for r in RECORDS if r.order and r.name not in plain for n in r.names} | set(TABLE)
    assert wanted - set(WRITERS) == set()
    assert set(WRITERS) - set(NUMPY) == set()


def test_a_listing_runs():
    program = Program([3, 1, 4, 1, 5, 9, 2, 6])
    env = {}
    exec(program.listing().replace("print", "shown = "), env)
    assert float(env["s"].data) == pytest.approx(float(program.run(numpy_functions, program.inputs, program.constants)))
