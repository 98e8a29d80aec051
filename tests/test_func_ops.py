"""Forward mode is the transpose of reverse mode, for every operation of the tables: <u, J v> = <Jᵀ u, v>; and so for the
gradient's Jacobian, the Hessian. An operation without these tests cannot exist.
"""

import numpy as np
import pytest
from records import ARRAYS, RECORDS
from test_functions import as_list, each
from test_functions import points as points_of_record
from truth import OPS, applied, points

import dezero_c.functions as F
from dezero_c import Variable, func, using_config

ELEMENTWISE = [(name, params) for name in OPS for params in OPS[name]["examples"]]
elementwise = pytest.mark.parametrize(("name", "params"), ELEMENTWISE,
                                      ids=[f"{n}{list(p) if p else ''}" for n, p in ELEMENTWISE])
ARRAY_NAMES = {r.name for r in ARRAYS}
differentiable = each([(r, c) for r in RECORDS if r.order and r.name not in ARRAY_NAMES for c in r.cases])
twice = each([(r, c) for r in RECORDS if r.order > 1 and r.name not in ARRAY_NAMES for c in r.cases])


def check_transposed(f, xs, rtol=1e-9):
    """<u, J v> = <Jᵀ u, v> for random u and v, and both modes' values are f's."""
    rng = np.random.default_rng(5)
    dxs = [rng.standard_normal(x.shape).astype(x.dtype) for x in xs]
    y, dy = func.jvp(f, tuple(xs), tuple(dxs))
    value, pull = func.vjp(f, *xs)
    us = [rng.standard_normal(v.shape).astype(v.dtype) for v in y]
    gxs = pull(tuple(us))
    for a, b in zip(y, value, strict=True):
        np.testing.assert_array_equal(a, b)
    there = sum(np.sum(u * d) for u, d in zip(us, dy, strict=True))
    back = sum(np.sum(g * d) for g, d in zip(gxs, dxs, strict=True))
    scale = sum(np.sum(np.abs(u * d)) for u, d in zip(us, dy, strict=True)) + sum(
        np.sum(np.abs(g * d)) for g, d in zip(gxs, dxs, strict=True))
    assert np.isfinite(there)
    assert abs(there - back) <= rtol * (scale + 1e-300)
    for d, v in zip(dy, y, strict=True):
        assert d.dtype == v.dtype
        assert d.shape == v.shape
    for g, x in zip(gxs, xs, strict=True):
        assert g.dtype == x.dtype
        assert g.shape == x.shape
    return dy


def floats(ys):
    return tuple(y for y in as_list(ys) if y.dtype.kind == "f")


def weighted(f):
    """A number whose gradient has another weight for every element of f's results."""
    def number(*xs):
        total = 0.0
        for y in f(*xs):
            total = total + F.sum(y * np.cos(1 + np.arange(y.size)).reshape(y.shape))
        return total
    return number


@elementwise
@pytest.mark.parametrize("dtype", [np.float64, np.float32])
def test_elementwise(name, params, dtype):
    xs = [x.astype(dtype) for x in points(name, (2, 3))]
    check_transposed(lambda *xs: (applied(F, name, params, *xs),), xs, rtol=1e-9 if dtype is np.float64 else 1e-4)


@elementwise
def test_elementwise_with_broadcasting(name, params):
    xs = points(name, (2, 3))
    if len(xs) == 1:
        xs = points(name, ())
    for shapes in [((3,), (2, 1), (2, 3)), ((), (2, 3), (3,)), ((2, 3), (1, 1), ())][:1 if len(xs) == 1 else 3]:
        given = [np.resize(x, s) for x, s in zip(xs, shapes, strict=False)]
        dy, = check_transposed(lambda *xs: (applied(F, name, params, *xs),), given)
        expected = np.broadcast_shapes(*[x.shape for x in given])
        assert dy.shape == expected


@elementwise
def test_elementwise_second_order(name, params):
    xs = points(name, (2, 3))
    f = weighted(lambda *xs: (applied(F, name, params, *xs),))
    places = tuple(range(len(xs)))
    with pytest.warns(RuntimeWarning, match="does not depend") if _flat(f, xs) else _nothing():
        check_transposed(func.grad(f, places), xs)


def _flat(f, xs):
    """Whether grad, or a derivative of it, has nothing to do with the arguments."""
    import warnings

    with warnings.catch_warnings(record=True) as found:
        warnings.simplefilter("always")
        g = func.grad(f, tuple(range(len(xs))))
        func.jvp(g, tuple(xs), tuple(xs))
        func.vjp(g, *xs)
    return bool(found)


def _nothing():
    import contextlib

    return contextlib.nullcontext()


@differentiable
def test_functions(record, case):
    xs = points_of_record(record, case)

    def f(*xs):
        with using_config("train", True):
            return floats(case.call(*xs))

    state = np.random.get_state()

    def same_noise(*xs):
        np.random.set_state(state)
        return f(*xs)

    try:
        check_transposed(same_noise, xs, rtol=1e-7)
    except TypeError as error:
        if "forward mode is for real numbers" not in str(error):
            raise
        assert complex_inside(same_noise, xs)


@twice
def test_functions_second_order(record, case):
    xs = points_of_record(record, case)
    state = np.random.get_state()

    def f(*xs):
        np.random.set_state(state)
        return floats(case.call(*xs))

    g = func.grad(weighted(f), tuple(range(len(xs))))
    try:
        with _nothing() if not _flat_safe(weighted(f), xs) else pytest.warns(RuntimeWarning):
            check_transposed(g, xs, rtol=1e-6)
    except TypeError as error:
        if "forward mode is for real numbers" not in str(error):
            raise
        assert complex_inside(f, xs)


def _flat_safe(f, xs):
    try:
        return _flat(f, xs)
    except TypeError:
        return False


def complex_inside(f, xs):
    """Whether a value of f's graph is complex."""
    todo, seen = list(f(*[Variable(x) for x in xs])), set()
    while todo:
        v = todo.pop()
        if v.dtype.kind == "c":
            return True
        if v.creator is not None and id(v.creator) not in seen:
            seen.add(id(v.creator))
            todo.extend(v.creator.inputs)
    return False
