"""What joins, splits, repeats and rearranges.

Values as NumPy's, gradients at orders 1 to 3 in both ways backwards, dtypes, empty and strided input, and errors that
say what to do.
"""

import pickle

import numpy as np
import pytest
from orders import check_orders

import dezero_c.functions as F
from dezero_c import Variable, utils

RNG = np.random.default_rng(7)

# name: (function of Variables, the same of ndarrays, input shapes)
CASES = {
    "expand_dims": (lambda x: F.expand_dims(x, 1), lambda x: np.expand_dims(x, 1), [(2, 3)]),
    "expand_dims_negative": (lambda x: F.expand_dims(x, -1), lambda x: np.expand_dims(x, -1), [(2, 3)]),
    "expand_dims_tuple": (lambda x: F.expand_dims(x, (0, -1)), lambda x: np.expand_dims(x, (0, -1)), [(2, 3)]),
    "expand_dims_0d": (lambda x: F.expand_dims(x, 0), lambda x: np.expand_dims(x, 0), [()]),
    "flatten": (lambda x: F.flatten(x), lambda x: x.reshape(2, 12), [(2, 3, 4)]),
    "flatten_1d": (lambda x: F.flatten(x), lambda x: x.reshape(3, 1), [(3,)]),
    "flatten_empty": (lambda x: F.flatten(x), lambda x: x.reshape(0, 6), [(0, 2, 3)]),
    "squeeze": (lambda x: F.squeeze(x), np.squeeze, [(1, 3, 1)]),
    "squeeze_axis": (lambda x: F.squeeze(x, -1), lambda x: np.squeeze(x, -1), [(1, 3, 1)]),
    "squeeze_axes": (lambda x: F.squeeze(x, (0, 2)), lambda x: np.squeeze(x, (0, 2)), [(1, 3, 1)]),
    "moveaxis": (lambda x: F.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1), [(2, 3, 4)]),
    "moveaxis_several": (lambda x: F.moveaxis(x, (0, 2), [-1, 0]),
                         lambda x: np.moveaxis(x, (0, 2), [-1, 0]), [(2, 3, 4)]),
    "swapaxes": (lambda x: F.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1), [(2, 3, 4)]),
    "concatenate": (lambda *x: F.concatenate(x), lambda *x: np.concatenate(x), [(2, 3), (1, 3), (4, 3)]),
    "concatenate_axis": (lambda *x: F.concatenate(x, -1), lambda *x: np.concatenate(x, -1), [(2, 3), (2, 1)]),
    "concatenate_middle": (lambda *x: F.concatenate(list(x), 1),
                           lambda *x: np.concatenate(x, 1), [(2, 1, 2), (2, 3, 2)]),
    "concatenate_one": (lambda x: F.concatenate([x]), lambda x: np.concatenate([x]), [(2, 3)]),
    "concatenate_many": (lambda *x: F.concatenate(x), lambda *x: np.concatenate(x), [(1, 2)] * 9),
    "concatenate_flat": (lambda *x: F.concatenate(x, None), lambda *x: np.concatenate(x, None),
                         [(2, 3), (), (0, 2), (1,)]),
    "concatenate_twice": (lambda x: F.concatenate([x, x * x, x]), lambda x: np.concatenate([x, x * x, x]), [(2, 3)]),
    "concatenate_empty": (lambda *x: F.concatenate(x), lambda *x: np.concatenate(x), [(0, 3), (2, 3)]),
    "concatenate_array": (lambda x: F.concatenate(x), lambda x: np.concatenate(x), [(2, 3, 2)]),
    "stack": (lambda *x: F.stack(x), lambda *x: np.stack(x), [(2, 3)] * 3),
    "stack_middle": (lambda *x: F.stack(x, 1), lambda *x: np.stack(x, 1), [(2, 3)] * 5),
    "stack_last": (lambda *x: F.stack(x, -1), lambda *x: np.stack(x, -1), [(2, 3)] * 2),
    "stack_0d": (lambda *x: F.stack(x), lambda *x: np.stack(x), [()] * 2),
    "stack_one": (lambda x: F.stack([x], 1), lambda x: np.stack([x], 1), [(2, 3)]),
    "split": (lambda x: F.split(x, 2)[1], lambda x: np.split(x, 2)[1], [(4, 3)]),
    "split_axis": (lambda x: F.mul(*F.split(x, 2, -1)), lambda x: np.multiply(*np.split(x, 2, -1)), [(3, 4)]),
    "split_places": (lambda x: F.split(x, [1, 3])[1], lambda x: np.split(x, [1, 3])[1], [(4, 3)]),
    "split_all": (lambda x: F.concatenate(F.split(x, [3, 1, -1], 1)[::-1], 1),
                  lambda x: np.concatenate(np.split(x, [3, 1, -1], 1)[::-1], 1), [(2, 4)]),
    "pad": (lambda x: F.pad(x, 1), lambda x: np.pad(x, 1), [(2, 3)]),
    "pad_pairs": (lambda x: F.pad(x, ((0, 2), (1, 0)), constant_values=2), lambda x: np.pad(x, ((0, 2), (1, 0)),
                  constant_values=2), [(2, 3)]),
    "pad_pair": (lambda x: F.pad(x, (2, 0)), lambda x: np.pad(x, (2, 0)), [(2, 3)]),
    "pad_dict": (lambda x: F.pad(x, {-1: (1, 2)}), lambda x: np.pad(x, ((0, 0), (1, 2))), [(2, 3)]),
    "pad_constants": (lambda x: F.pad(x, 1, "constant", (2, 3)),
                      lambda x: np.pad(x, 1, constant_values=(2, 3)), [(2, 3)]),
    "pad_empty": (lambda x: F.pad(x, 1), lambda x: np.pad(x, 1), [(0, 2)]),
    "pad_0d": (lambda x: F.pad(x, 1), lambda x: np.pad(x, 1), [()]),
    "pad_nothing": (lambda x: F.pad(x, 0, "edge"), lambda x: x, [(2, 3)]),
    "pad_edge": (lambda x: F.pad(x, 2, "edge"), lambda x: np.pad(x, 2, "edge"), [(2, 3)]),
    "pad_reflect": (lambda x: F.pad(x, ((0, 0), (2, 1)), "reflect"),
                    lambda x: np.pad(x, ((0, 0), (2, 1)), "reflect"), [(2, 3)]),
    "pad_symmetric": (lambda x: F.pad(x, (5, 1), "symmetric"), lambda x: np.pad(x, (5, 1), "symmetric"), [(2, 3)]),
    "pad_wrap": (lambda x: F.pad(x, (1, 4), "wrap"), lambda x: np.pad(x, (1, 4), "wrap"), [(2, 3)]),
    "repeat": (lambda x: F.repeat(x, 2), lambda x: np.repeat(x, 2), [(2, 3)]),
    "repeat_axis": (lambda x: F.repeat(x, 3, -1), lambda x: np.repeat(x, 3, -1), [(2, 3)]),
    "repeat_often": (lambda x: F.repeat(x, 20, 0), lambda x: np.repeat(x, 20, 0), [(2, 3)]),
    "repeat_none": (lambda x: F.repeat(x, 0, 0), lambda x: np.repeat(x, 0, 0), [(2, 3)]),
    "repeat_counts": (lambda x: F.repeat(x, [2, 0, 1], 1), lambda x: np.repeat(x, [2, 0, 1], 1), [(2, 3, 2)]),
    "repeat_counts_flat": (lambda x: F.repeat(x, np.arange(6)), lambda x: np.repeat(x, np.arange(6)), [(2, 3)]),
    "repeat_counts_empty": (lambda x: F.repeat(x, [2, 1], 1), lambda x: np.repeat(x, [2, 1], 1), [(0, 2)]),
    "tile": (lambda x: F.tile(x, (2, 3)), lambda x: np.tile(x, (2, 3)), [(2, 3)]),
    "tile_int": (lambda x: F.tile(x, 2), lambda x: np.tile(x, 2), [(2, 3)]),
    "tile_more_axes": (lambda x: F.tile(x, [2, 1, 2]), lambda x: np.tile(x, [2, 1, 2]), [(2, 3)]),
    "tile_none": (lambda x: F.tile(x, (0, 2)), lambda x: np.tile(x, (0, 2)), [(2, 3)]),
    "tile_0d": (lambda x: F.tile(x, ()), lambda x: np.tile(x, ()), [()]),
    "flip": (lambda x: F.flip(x), np.flip, [(2, 3)]),
    "flip_axis": (lambda x: F.flip(x, -1), lambda x: np.flip(x, -1), [(2, 3, 2)]),
    "flip_axes": (lambda x: F.flip(x, (0, 2)), lambda x: np.flip(x, (0, 2)), [(2, 3, 2)]),
    "roll": (lambda x: F.roll(x, 2), lambda x: np.roll(x, 2), [(2, 3)]),
    "roll_axis": (lambda x: F.roll(x, -4, 1), lambda x: np.roll(x, -4, 1), [(2, 3)]),
    "roll_axes": (lambda x: F.roll(x, (1, 2, 1), (0, 1, 1)), lambda x: np.roll(x, (1, 2, 1), (0, 1, 1)), [(3, 4)]),
    "roll_one_shift": (lambda x: F.roll(x, 1, (0, 1)), lambda x: np.roll(x, 1, (0, 1)), [(3, 4)]),
    "roll_nothing": (lambda x: F.roll(x, 3, 0), lambda x: np.roll(x, 3, 0), [(3, 4)]),
    "cumsum": (lambda x: F.cumsum(x), np.cumsum, [(2, 3)]),
    "cumsum_axis": (lambda x: F.cumsum(x, 0), lambda x: np.cumsum(x, 0), [(4, 3)]),
    "cumsum_negative": (lambda x: F.cumsum(x, -1), lambda x: np.cumsum(x, -1), [(2, 3, 4)]),
    "cumsum_0d": (lambda x: F.cumsum(x), np.cumsum, [()]),
    "cumprod": (lambda x: F.cumprod(x), np.cumprod, [(2, 3)]),
    "cumprod_rows": (lambda x: F.cumprod(x, -1), lambda x: np.cumprod(x, -1), [(2, 2, 3)]),
    "cumprod_columns": (lambda x: F.cumprod(x, 0), lambda x: np.cumprod(x, 0), [(3, 2)]),
    "cumprod_empty": (lambda x: F.cumprod(x, 1), lambda x: np.cumprod(x, 1), [(2, 0)]),
    "diff": (lambda x: F.diff(x, 2, 0), lambda x: np.diff(x, 2, 0), [(4, 3)]),
    "cumsum_empty": (lambda x: F.cumsum(x, 1), lambda x: np.cumsum(x, 1), [(2, 0)]),
}
cases = pytest.mark.parametrize("name", CASES)


def samples(name, dtype=np.float64):
    return [np.asarray(RNG.standard_normal(s) * 4, dtype) for s in CASES[name][2]]


def derivatives(f, xs, directions, create_graph=True):
    """The gradients of f at xs; of those along the first directions; of those along the second …"""
    vs, found = [Variable(x) for x in xs], []
    y = f(*vs)
    for ds in [*directions, None]:
        for v in vs:
            v.cleargrad()
        y.backward(create_graph=create_graph)
        found.append([v.grad.data.copy() for v in vs])
        if ds is not None:
            y = F.sum(vs[0].grad * ds[0])
            for v, d in zip(vs[1:], ds[1:], strict=True):
                y = y + F.sum(v.grad * d)
    return found


@cases
def test_value_and_dtype(name):
    for dtype in (np.float32, np.float64, np.float16, np.int64, ">f4", np.complex128):
        check_value_and_dtype(name, dtype)


def check_value_and_dtype(name, dtype):
    xs = samples(name, dtype)
    vs = [Variable(x) for x in xs]
    y, expected = CASES[name][0](*vs), CASES[name][1](*xs)
    np.testing.assert_array_equal(y.data, expected)
    assert y.shape == expected.shape
    assert y.dtype.newbyteorder("=") == expected.dtype.newbyteorder("=")
    y.backward()
    for v, x in zip(vs, xs, strict=True):
        assert v.grad.dtype.newbyteorder("=") == x.dtype.newbyteorder("=")
        assert v.grad.shape == x.shape


@cases
def test_three_orders(name):
    xs = samples(name)
    weights = RNG.uniform(0.5, 1.5, CASES[name][1](*xs).shape)

    def f(*vs):
        y = CASES[name][0](*vs)
        return F.sum(y * y * weights + F.sin(y))

    def moved(ds, eps):
        return [np.asarray(x + eps * d) for x, d in zip(xs, ds, strict=True)]

    directions = [[RNG.standard_normal(x.shape) for x in xs] for _ in range(2)]
    found = derivatives(f, xs, directions)
    for fused, graph in zip(derivatives(f, xs, [], create_graph=False)[0], found[0], strict=True):
        np.testing.assert_allclose(fused, graph, rtol=1e-13, atol=1e-13)
    for ds in directions:
        up, down = (f(*map(Variable, moved(ds, e))).data for e in (1e-6, -1e-6))
        along = sum(np.sum(g * d) for g, d in zip(found[0], ds, strict=True))
        np.testing.assert_allclose(along, (up - down) / 2e-6, rtol=1e-6, atol=1e-5)
    for order, ds in enumerate(directions):
        up, down = (derivatives(f, moved(ds, e), directions[:order])[order] for e in (1e-5, -1e-5))
        for k in range(len(xs)):
            np.testing.assert_allclose(found[order + 1][k], (up[k] - down[k]) / 2e-5, rtol=1e-5, atol=1e-5)


@cases
def test_gradients_of_every_layout_add_up(name):
    """Inputs in Fortran's order, gy strided and broadcast, twice into one gradient."""
    for dtype in (np.float32, np.float64):
        check_layouts(name, dtype)


def check_layouts(name, dtype):
    xs = [np.asfortranarray(x) for x in samples(name, dtype)]
    shape = CASES[name][1](*xs).shape
    for gy in (np.asarray(RNG.standard_normal(shape[::-1]), dtype).T, np.broadcast_to(np.asarray(1.5, dtype), shape)):
        vs = [Variable(x) for x in xs]
        us = [Variable(np.ascontiguousarray(x).reshape(x.shape)) for x in xs]
        for k, create_graph in ((1, False), (2, True)):
            for inputs in (vs, vs, us)[k - 1:2 * k - 1]:
                y = CASES[name][0](*inputs)
                y.grad = Variable(gy)
                y.backward(create_graph=create_graph)
        for v, u in zip(vs, us, strict=True):
            np.testing.assert_allclose(v.grad.data, 2 * u.grad.data, rtol=2e-5, atol=1e-5)
            assert v.grad.dtype == dtype


def test_views_alias_as_numpys_do():
    x = Variable(np.arange(12.0).reshape(1, 3, 4))
    for y in (F.expand_dims(x, -1), F.flatten(x), F.squeeze(x), F.moveaxis(x, 0, 2), F.swapaxes(x, 0, 1), F.flip(x),
              F.split(x, 2, 2)[1]):
        assert np.shares_memory(y.data, x.data)
    for y in (F.concatenate([x]), F.stack([x]), F.pad(x, 0), F.tile(x, 1), F.repeat(x, 1, 0), F.roll(x, 0, 0)):
        assert not np.shares_memory(y.data, x.data)


@pytest.mark.parametrize("zeros", [(), (0,), (1,), (3,), (1, 3), (0, 1), (0, 1, 2, 3)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex128], ids=str)
def test_cumprod_where_elements_are_zero(zeros, dtype):
    """Against the products written out, at orders 1 and 2."""
    a = RNG.uniform(1, 2, 4)
    a[list(zeros)] = 0
    weights, direction = RNG.uniform(1, 2, (2, 4))

    def written_out(x):
        return F.stack([x[0], x[0] * x[1], x[0] * x[1] * x[2], x[0] * x[1] * x[2] * x[3]])

    found = []
    for f in (F.cumprod, written_out):
        for way in (False, True):
            x = Variable(a.astype(dtype))
            F.sum(f(x) * weights.astype(dtype)).backward(create_graph=True)
            first = x.grad
            x.cleargrad()
            F.sum(first * direction.astype(dtype)).backward(create_graph=way)
            second = x.grad
            x.cleargrad()
            F.sum(f(x) * weights.astype(dtype)).backward()
            found.append([first.data, second.data, x.grad.data])
    for other in found[:-1]:
        for g, want in zip(other, found[-1], strict=True):
            np.testing.assert_allclose(g, want, rtol=1e-5 if dtype == np.float32 else 1e-13)
            assert g.dtype == dtype


def test_cumprod_of_integers():
    x = Variable(np.array([2, 0, 3]))
    y = F.cumprod(x)
    assert y.data.tolist() == [2, 0, 0]
    y.backward()
    assert x.grad.data.tolist() == [1, 8, 0]
    assert x.grad.dtype == x.dtype


@pytest.mark.parametrize("backwards", [False, True])
def test_scan_at_orders_1_to_3(backwards):
    a, b = RNG.normal(size=(2, 2, 4, 3))
    f = lambda x, y: F.sin(F.Scan(1, backwards)(x, y))      # noqa: E731
    assert utils.gradient_check(f, (a, b), order=3)
    s = F.Scan(-2, backwards)(a, b).data
    want = b.copy()
    for i in range(1, 4):
        if backwards:
            want[:, 3 - i] += a[:, 4 - i] * want[:, 4 - i]
        else:
            want[:, i] += a[:, i] * want[:, i - 1]
    np.testing.assert_allclose(s, want, rtol=1e-13)
    for dtype in (np.float16, np.complex128, np.int64, np.float32):
        x, y = a.astype(dtype), b.astype(dtype)
        s = F.Scan(1, backwards)(x, y)
        assert s.dtype == dtype
        if dtype != np.int64:
            np.testing.assert_allclose(s.data, want, rtol=2e-2, atol=2e-2)


@pytest.mark.parametrize("join", [F.concatenate, F.stack])
def test_common_dtype(join):
    x = np.ones(2, np.float32)
    for other in (np.array([1, 2]), [1.0, 2.0], [1, 2], [True, False], Variable(np.array([1, 2])),
                  np.ones(2, np.float16)):
        for xs in ([Variable(x), other], [other, x]):
            assert join(xs).dtype == np.float32
    assert join([x, np.ones(2)]).dtype == np.float64
    assert join([[1, 2], [3, 4]]).dtype == np.int64
    assert join([np.arange(2), [0.5, 1.0]]).dtype == np.float64
    assert join([np.arange(2), np.ones(2, bool)]).dtype == np.int64
    v, u = Variable(x), Variable(np.ones(2))
    y = join([v, [1, 2], v])
    y.backward()
    assert v.grad.dtype == np.float32
    np.testing.assert_array_equal(v.grad.data, [2, 2])
    y = join([v, u])
    y.backward()
    np.testing.assert_array_equal(v.grad.data, [3, 3])
    np.testing.assert_array_equal(u.grad.data, [1, 1])


@pytest.mark.parametrize("size", [3, 3000], ids=["raw", "array"])
def test_constants_get_no_gradient_and_gradients_are_private(size):
    x, c = Variable(np.ones((size, 2))), np.ones((size, 2))
    y = F.concatenate([c, x, c, x], 1)
    y.backward(retain_grad=True)
    np.testing.assert_array_equal(x.grad.data, 2 * np.ones((size, 2)))
    gy = y.grad.data.copy()
    x.grad.data[:] = 7
    np.testing.assert_array_equal(y.grad.data, gy)
    assert y.creator.inputs[0].grad is None


def test_split_gives_numpys_parts():
    x = np.arange(24.0).reshape(4, 6)
    for arguments in ((2,), (3, 1), ([1, 3],), ((5, 2), 1), (np.array([1, 9]),), (6, -1), ([],)):
        parts = F.split(Variable(x), *arguments)
        assert isinstance(parts, list)
        for part, expected in zip(parts, np.split(x, *arguments), strict=True):
            np.testing.assert_array_equal(part.data, expected)
    assert [p.shape for p in F.split(Variable(np.ones((0, 2))), 3)] == [(0, 2)] * 3
    v = Variable(x)
    F.split(v, 4)[2].backward()
    np.testing.assert_array_equal(v.grad.data.sum(1), [0, 0, 6, 0])


def test_a_long_list():
    vs = [Variable(np.full((1, 2), float(k))) for k in range(2000)]
    (F.concatenate(vs) * np.arange(2000.0)[:, None]).backward()
    assert [float(v.grad.data[0, 0]) for v in vs] == list(range(2000))


@pytest.mark.parametrize(
    ("f", "n", "expected"),
    [(F.Concatenate(1), 3, lambda *x: np.concatenate(x, 1)), (F.Concatenate(), 2, lambda *x: np.concatenate(x)),
     (F.Stack(-1), 4, lambda *x: np.stack(x, -1)), (F.Pad(1, 2), 1, lambda x: np.pad(x, 1, constant_values=2)),
     (F.Repeat(2, 1), 1, lambda x: np.repeat(x, 2, 1)), (F.Repeat([1, 2]), 1, None),
     (F.Tile((2, 1)), 1, lambda x: np.tile(x, (2, 1))),
     (F.Roll((1,), (0,)), 1, lambda x: np.roll(x, 1, 0)), (F.CumSum(), 1, np.cumsum),
     (F.CumProd(0), 1, lambda x: np.cumprod(x, 0))], ids=range(10))
def test_classes_called_directly(f, n, expected):
    copy = pickle.loads(pickle.dumps(f))
    if expected is None:
        assert copy.repeats.tolist() == [1, 2]
        return
    xs = [Variable(RNG.standard_normal((2, 3))) for _ in range(n)]
    for g in (f, copy):
        y = g(*xs)
        np.testing.assert_array_equal(y.data, expected(*[x.data for x in xs]))
        y.backward()
    again = pickle.loads(pickle.dumps(y))
    again.backward()
    assert all(x.grad.shape == (2, 3) for x in again.creator.inputs)


@pytest.mark.parametrize("shapes", [[(2, 3), (2, 2)], [(4, 3), (4, 3)], [(2,), (2,)], [(), ()]], ids=str)
@pytest.mark.parametrize("join", [F.concatenate, lambda xs: F.concatenate(xs, None), lambda xs: F.stack(xs, 1)])
def test_data_of_another_shape_at_backward(join, shapes):
    xs = [Variable(np.ones((2, 3))) for _ in shapes]
    y = join(xs)
    for x, shape in zip(xs, shapes, strict=True):
        x.data = np.ones(shape)
    with pytest.raises(ValueError, match="rebound"):
        y.backward()


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: F.expand_dims(x, (3,)), np.exceptions.AxisError, ["expand_dims", "axis (3,)", "3 axes", "(2, 3)"]),
        (lambda x: F.expand_dims(x, (0, 0)), ValueError, ["expand_dims", "twice"]),
        (lambda x: F.expand_dims(x, 0.5), TypeError, ["float"]),
        (lambda x: F.flatten(F.sum(x)), IndexError, ["flatten", "0-d"]),
        (lambda x: F.squeeze(x, 0), ValueError, ["squeeze", "axis 0", "(2, 3)"]),
        (lambda x: F.moveaxis(x, (0, 1), 0), ValueError, ["moveaxis", "equally many"]),
        (lambda x: F.moveaxis(x, 2, 0), np.exceptions.AxisError, ["moveaxis", "(2, 3)"]),
        (lambda x: F.swapaxes(x, 0, 2), np.exceptions.AxisError, ["swapaxes", "(2, 3)"]),
        (lambda x: F.concatenate([x, x.T]), ValueError, ["concatenate", "(2, 3), (3, 2)", "axis 0"]),
        (lambda x: F.concatenate([x, x[0]]), ValueError, ["concatenate", "(2, 3), (3,)"]),
        (lambda x: F.concatenate([x], 2), np.exceptions.AxisError, ["concatenate", "(2, 3)"]),
        (lambda x: F.concatenate([F.sum(x)]), ValueError, ["concatenate", "0-d", "stack"]),
        (lambda x: F.concatenate([]), ValueError, ["concatenate", "nothing"]),
        (lambda x: F.concatenate(3), TypeError, ["concatenate", "sequence"]),
        (lambda x: F.concatenate([x, Variable(None)]), TypeError, ["concatenate", "no data"]),
        (lambda x: F.concatenate([x, "abc"]), TypeError, ["concatenate", "str"]),
        (lambda x: F.stack([x, x.T]), ValueError, ["stack", "(2, 3), (3, 2)"]),
        (lambda x: F.stack([x], 3), np.exceptions.AxisError, ["stack", "axis 3"]),
        (lambda x: F.split(x, 2, 1), ValueError, ["split", "2 parts", "(2, 3)"]),
        (lambda x: F.split(x, 0), ValueError, ["split", "0 parts"]),
        (lambda x: F.split(x, 1, 2), np.exceptions.AxisError, ["split", "(2, 3)"]),
        (lambda x: F.pad(x, 1, "mean"), ValueError, ["pad", "'mean'", "'reflect'"]),
        (lambda x: F.pad(x, -1), ValueError, ["pad", "negative"]),
        (lambda x: F.pad(x, ((0, 1), (0, -1))), ValueError, ["pad", "negative"]),
        (lambda x: F.pad(x, (1, 2, 3)), ValueError, ["pad", "(1, 2, 3)", "2 axes"]),
        (lambda x: F.pad(x, 0.5), TypeError, ["pad", "integers"]),
        (lambda x: F.pad(x[:0], 1, "edge"), ValueError, ["pad", "empty", "(0, 3)"]),
        (lambda x: F.pad(x, 1, constant_values=x), TypeError, ["pad", "constant_values"]),
        (lambda x: F.repeat(x, -1), ValueError, ["repeat", "negative"]),
        (lambda x: F.repeat(x, 1.5), TypeError, ["repeat", "float64"]),
        (lambda x: F.repeat(x, [1, 2], 1), ValueError, ["repeat", "(2,)", "3 elements"]),
        (lambda x: F.repeat(x, 2, 2), np.exceptions.AxisError, ["repeat", "(2, 3)"]),
        (lambda x: F.tile(x, -1), ValueError, ["tile", "negative"]),
        (lambda x: F.tile(x, (1, 0.5)), TypeError, ["tile", "ints"]),
        (lambda x: F.flip(x, 2), np.exceptions.AxisError, ["flip", "(2, 3)"]),
        (lambda x: F.roll(x, 1, 2), np.exceptions.AxisError, ["roll", "(2, 3)"]),
        (lambda x: F.roll(x, (1, 2, 3), (0, 1)), ValueError, ["roll", "equally many"]),
        (lambda x: F.cumsum(x, 2), np.exceptions.AxisError, ["cumsum", "(2, 3)"]),
        (lambda x: F.cumsum(Variable(None)), TypeError, ["cumsum", "no data"]),
    ],
    ids=range(39),
)
def test_errors_name_operation_and_shapes(call, error, words):
    with pytest.raises(error) as info:
        call(Variable(np.ones((2, 3))))
    for word in words:
        assert word in str(info.value)


# ---- differences --------------------------------------------------------------------------------------------------------

LAID = {"C": np.ascontiguousarray, "F": np.asfortranarray, "strided": lambda x: np.repeat(x, 2, 1)[::-1, ::2]}
differences = pytest.mark.parametrize(("n", "axis", "lay"), [(n, axis, lay) for n in (0, 1, 2, 6) for axis in (0, 1, -1)
                                                             for lay in LAID])


@differences
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.complex64, np.complex128, np.float16, np.int64])
def test_diff_is_numpys(n, axis, lay, dtype):
    x = LAID[lay](np.asarray(RNG.integers(-9, 9, (4, 5)), dtype))
    more = np.asarray(RNG.integers(-9, 9, (1, 5) if axis == 0 else (4, 1)), dtype)
    for ends in ({}, {"prepend": 2}, {"append": more}, {"prepend": Variable(more), "append": 3}):
        y = F.diff(x, n, axis, **ends)
        plain = {name: np.asarray(end.data if isinstance(end, Variable) else end, dtype) for name, end in ends.items()}
        want = np.diff(x, n, axis, **plain)
        assert y.dtype == want.dtype
        np.testing.assert_array_equal(y.data, want)


@pytest.mark.parametrize("n", [1, 2])
@pytest.mark.parametrize("size", [16383, 16384, 16385])
def test_diff_of_few_and_of_many(size, n):
    x = Variable(RNG.standard_normal((1, size)))
    y = F.diff(x, n)
    assert isinstance(y.creator, F.Diff) == (size >= 16384)
    w = RNG.standard_normal(y.shape)
    F.sum(y * w).backward()
    z = Variable(x.data)
    F.sum(F.Diff(n)(z) * w).backward()
    np.testing.assert_array_equal(y.data, np.diff(x.data, n))
    np.testing.assert_allclose(x.grad.data, z.grad.data, rtol=1e-12, atol=1e-12)


@differences
def test_gradients_of_diff(n, axis, lay):
    """At orders 1 and 2, of numbers, of what extends them, and of complex numbers by their parts."""
    x = LAID[lay](RNG.standard_normal((4, 5)))
    ends = [RNG.standard_normal(shape) for shape in ([(2, 5), (1, 5)] if axis == 0 else [(4, 2), (4, 1)])]
    w = RNG.standard_normal(np.diff(x, n, axis, *ends).shape)
    check_orders(lambda x, a, b: F.sum(F.diff(x, n, axis, a, b) ** 3 * w), [x, *ends], orders=2)
    check_orders(lambda x, a: F.sum(F.diff(x, n, axis, a) ** 2), [x, np.array(0.5)], orders=2)
    check_orders(lambda x: F.sum(F.Diff(n, axis)(x) ** 3), [x], orders=2)
    check_orders(lambda x, z: F.sum(F.real(F.Diff(n, axis)(x + 1j * z) ** 3)), [x, x[::-1]], orders=2)
    single = Variable(x.astype(np.float32))
    F.sum(F.diff(single, n, axis) ** 2).backward()
    double = Variable(single.data.astype(np.float64))
    F.sum(F.diff(double, n, axis) ** 2).backward()
    np.testing.assert_allclose(single.grad.data, double.grad.data, rtol=1e-4, atol=1e-4)
    assert single.grad.dtype == np.float32


def test_diff_as_a_class():
    x = RNG.standard_normal((3, 2))
    for n in range(4):
        y = F.Diff(n, 0)(Variable(x))
        np.testing.assert_array_equal(y.data, np.diff(x, n, 0))
        assert not np.shares_memory(y.data, x)
    for call in (F.Diff(-1), lambda v: F.diff(v, -1)):
        with pytest.raises(ValueError, match=r"diff: n=-1 must not be negative"):
            call(Variable(x))
    with pytest.raises(np.exceptions.AxisError, match=r"diff: axis 2.*\(3, 2\)"):
        F.Diff(axis=2)(Variable(x))
