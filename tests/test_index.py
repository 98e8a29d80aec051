"""get_item, set_at and add_at with every kind of index, embed_id, take and take_along_axis; diagonal beside them.

Values as NumPy's, gradients at orders 1 to 3 in both ways backwards, in-place accumulation, indices that the
user changes, and errors that say what to do.
"""

import gc
import pickle

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Variable

RNG = np.random.default_rng(5)
I3 = np.array([0, 2, 0])
MASK = np.array([True, False, True])
MASK2 = RNG.random((3, 4)) < 0.5
LINES = np.array([[1, 0, 1, 2], [2, 2, 0, 1]])

# name: (function of a Variable, the same of an ndarray, shape)
CASES = {
    "int": (lambda x: x[1], lambda x: x[1], (3, 4)),
    "negative": (lambda x: x[-1, 2], lambda x: x[-1, 2], (3, 4)),
    "numpy_int": (lambda x: x[np.int32(1)], lambda x: x[1], (3, 4)),
    "slices": (lambda x: x[::-2, 1:], lambda x: x[::-2, 1:], (3, 4)),
    "reversed": (lambda x: x[::-1, ::-1], lambda x: x[::-1, ::-1], (3, 4)),
    "slice_past_end": (lambda x: x[1:99], lambda x: x[1:99], (3, 4)),
    "empty_slice": (lambda x: x[2:1], lambda x: x[2:1], (3, 4)),
    "ellipsis": (lambda x: x[..., 0], lambda x: x[..., 0], (2, 3, 4)),
    "ellipsis_between": (lambda x: x[1, ..., 1:3], lambda x: x[1, ..., 1:3], (2, 3, 4)),
    "ellipsis_of_no_axis": (lambda x: x[1, ..., 2], lambda x: x[1, ..., 2], (3, 4)),
    "ellipsis_alone": (lambda x: x[...], lambda x: x[...], (3, 4)),
    "newaxis": (lambda x: x[None, :, None, 1], lambda x: x[None, :, None, 1], (3, 4)),
    "empty_tuple": (lambda x: x[()], lambda x: x[()], (3, 4)),
    "empty_tuple_of_0d": (lambda x: x[()], lambda x: x[()], ()),
    "newaxis_of_0d": (lambda x: x[None], lambda x: x[None], ()),
    "scalar": (lambda x: x[2], lambda x: x[2], (5,)),
    "repeated": (lambda x: x[I3], lambda x: x[I3], (3, 4)),
    "repeated_1d": (lambda x: x[I3], lambda x: x[I3], (3,)),
    "int32": (lambda x: x[I3.astype(np.int32)], lambda x: x[I3], (3, 4)),
    "uint8": (lambda x: x[I3.astype(np.uint8)], lambda x: x[I3], (3, 4)),
    "big_endian": (lambda x: x[I3.astype(">i8")], lambda x: x[I3], (3, 4)),
    "negative_array": (lambda x: x[-1 - I3], lambda x: x[-1 - I3], (3, 4)),
    "array_2d": (lambda x: x[LINES], lambda x: x[LINES], (3, 2)),
    "array_0d": (lambda x: x[np.array(1)], lambda x: x[np.array(1)], (3, 4)),
    "array_strided": (lambda x: x[LINES.T[::2]], lambda x: x[LINES.T[::2]], (3, 2)),
    "list": (lambda x: x[[2, 0, 2]], lambda x: x[[2, 0, 2]], (3, 4)),
    "empty_list": (lambda x: x[[]], lambda x: x[[]], (3, 4)),
    "range": (lambda x: x[range(2)], lambda x: x[range(2)], (3, 4)),
    "pairs": (lambda x: x[I3, I3], lambda x: x[I3, I3], (3, 4)),
    "pairs_of_rows": (lambda x: x[I3, -I3], lambda x: x[I3, -I3], (3, 4, 2)),
    "pairs_broadcast": (lambda x: x[I3[:, None], [1, 3]], lambda x: x[I3[:, None], [1, 3]], (3, 4)),
    "array_and_int": (lambda x: x[I3, 1], lambda x: x[I3, 1], (3, 4)),
    "int_and_array": (lambda x: x[:, 1, I3], lambda x: x[:, 1, I3], (2, 3, 4)),
    "columns": (lambda x: x[:, I3], lambda x: x[:, I3], (2, 3, 4)),
    "last_axis": (lambda x: x[..., I3], lambda x: x[..., I3], (2, 3, 4)),
    "middle_and_full": (lambda x: x[:, I3, :], lambda x: x[:, I3, :], (2, 3, 4)),
    "array_and_slice": (lambda x: x[1:, I3], lambda x: x[1:, I3], (3, 4)),
    "array_and_newaxis": (lambda x: x[None, I3], lambda x: x[None, I3], (3, 4)),
    "arrays_apart": (lambda x: x[I3, :, I3], lambda x: x[I3, :, I3], (3, 2, 4)),
    "arrays_apart_by_nothing": (lambda x: x[:, 0, ..., I3], lambda x: x[:, 0, ..., I3], (2, 3, 4)),
    "mask": (lambda x: x[MASK], lambda x: x[MASK], (3, 4)),
    "mask_list": (lambda x: x[[True, False, True]], lambda x: x[MASK], (3,)),
    "mask_2d": (lambda x: x[MASK2], lambda x: x[MASK2], (3, 4)),
    "mask_2d_of_rows": (lambda x: x[MASK2], lambda x: x[MASK2], (3, 4, 2)),
    "mask_columns": (lambda x: x[:, MASK], lambda x: x[:, MASK], (2, 3)),
    "mask_none": (lambda x: x[np.zeros(3, bool)], lambda x: x[np.zeros(3, bool)], (3, 4)),
    "mask_tuple": (lambda x: x[MASK, 1:], lambda x: x[MASK, 1:], (3, 4)),
    "true": (lambda x: x[True], lambda x: x[True], (3, 4)),
    "no_elements": (lambda x: x[:, I3], lambda x: x[:, I3], (0, 3)),
    "variable": (lambda x: x[Variable(I3)], lambda x: x[I3], (3, 4)),
    "variable_in_tuple": (lambda x: x[Variable(I3), 1:3], lambda x: x[I3, 1:3], (3, 4)),
    "embed_id": (lambda x: F.embed_id(LINES, x), lambda x: x[LINES], (3, 2)),
    "embed_one": (lambda x: F.embed_id(1, x), lambda x: x[1], (3, 2)),
    "take": (lambda x: F.take(x, LINES, 1), lambda x: np.take(x, LINES, 1), (2, 3, 2)),
    "take_flat": (lambda x: F.take(x, LINES), lambda x: np.take(x, LINES), (2, 3)),
    "take_one": (lambda x: F.take(x, 1, -1), lambda x: np.take(x, 1, -1), (2, 3)),
    "take_along": (lambda x: F.take_along_axis(x, LINES, 1), lambda x: np.take_along_axis(x, LINES, 1), (2, 3)),
    "take_along_broadcast": (lambda x: F.take_along_axis(x, LINES[:1], -1),
                             lambda x: np.take_along_axis(x, LINES[:1], -1), (2, 3)),
    "take_along_flat": (lambda x: F.take_along_axis(x, I3, None), lambda x: np.take_along_axis(x, I3, None), (2, 3)),
    "diagonal": (lambda x: F.diagonal(x), lambda x: np.diagonal(x), (3, 4)),
    "diagonal_offset": (lambda x: F.diagonal(x, -1), lambda x: np.diagonal(x, -1), (3, 4, 2)),
    "diagonal_axes": (lambda x: F.diagonal(x, 1, 2, 0), lambda x: np.diagonal(x, 1, 2, 0), (3, 2, 4)),
    "diagonal_outside": (lambda x: F.diagonal(x, 9), lambda x: np.diagonal(x, 9), (3, 4)),
}
cases = pytest.mark.parametrize("name", CASES)


def sample(name, dtype=np.float64):
    return np.asarray(RNG.standard_normal(CASES[name][2]), dtype)


def derivatives(f, x, directions, create_graph=True):
    """The gradient of f at x; of that along the first direction; of that along the second …"""
    v, found = Variable(x), []
    y = f(v)
    for d in [*directions, None]:
        v.cleargrad()
        y.backward(create_graph=create_graph)
        found.append(v.grad.data.copy())
        if d is not None:
            y = F.sum(v.grad * d)
    return found


@cases
def test_value_and_dtype(name):
    for dtype in (np.float32, np.float64, np.float16, np.int64, ">f4", np.complex128):
        check_value_and_dtype(name, dtype)


def check_value_and_dtype(name, dtype):
    x = np.asarray(sample(name) * 8, dtype)
    v = Variable(x)
    y, expected = CASES[name][0](v), CASES[name][1](x)
    np.testing.assert_array_equal(y.data, expected)
    assert y.shape == expected.shape
    assert isinstance(y.data, np.ndarray)
    assert y.dtype == expected.dtype    # a NumPy scalar has the native byte order
    y.backward()
    assert v.grad.dtype in (x.dtype, y.dtype)
    assert v.grad.shape == x.shape


@cases
def test_three_orders(name):
    x = sample(name)
    weights = RNG.uniform(0.5, 1.5, CASES[name][1](x).shape)

    def f(v):
        y = CASES[name][0](v)
        return F.sum(y * y * weights + F.sin(y))

    ds = [RNG.standard_normal(x.shape) for _ in range(2)]
    found = derivatives(f, x, ds)
    np.testing.assert_array_equal(derivatives(f, x, [], create_graph=False)[0], found[0])
    for k, d in enumerate(ds):
        up, down = (f(Variable(np.asarray(x + e * d))).data for e in (1e-6, -1e-6))
        np.testing.assert_allclose(np.sum(found[0] * d), (up - down) / 2e-6, rtol=1e-6, atol=1e-6)
        up, down = (derivatives(f, np.asarray(x + e * d), ds[:k])[k] for e in (1e-5, -1e-5))
        np.testing.assert_allclose(found[k + 1], (up - down) / 2e-5, rtol=1e-5, atol=1e-6)


@cases
def test_gradient_is_that_of_add_at(name):
    """Bit for bit, over zeros, for gy of every layout; over an old gradient up to rounding."""
    for dtype in (np.float32, np.float64):
        check_add_at(name, dtype)


def check_add_at(name, dtype):
    x = sample(name, dtype)
    places = CASES[name][1](np.arange(x.size).reshape(x.shape))
    for gy in (np.asarray(RNG.standard_normal(places.shape), dtype),
               np.asarray(RNG.standard_normal(places.T.shape), dtype).T,
               np.broadcast_to(np.asarray(1.5, dtype), places.shape)):
        expected = np.zeros(x.size, dtype)
        np.add.at(expected, places, gy)
        v = Variable(np.asfortranarray(x))
        for k in (1, 2):
            y = CASES[name][0](v)
            y.grad = Variable(gy)
            y.backward()
            if k == 1:
                np.testing.assert_array_equal(v.grad.data, expected.reshape(x.shape))
        np.testing.assert_allclose(v.grad.data, 2 * expected.reshape(x.shape), rtol=1e-5)


@pytest.mark.parametrize("shape", [(7, 5), (700, 30)], ids=["raw", "array"])
def test_slices_add_to_one_gradient(shape):
    """A loop over rows costs its rows: the gradient's memory is written in place, and only until somebody sees it."""
    x = Variable(RNG.standard_normal(shape))
    total = x[0]
    for row in x:
        total = total + row * row
    total.backward()
    expected = 2 * x.data
    expected[0] += 1
    np.testing.assert_allclose(x.grad.data, expected)
    seen = x.grad
    kept = seen.data.copy()
    x[1:3].backward()
    np.testing.assert_array_equal(seen.data, kept)
    kept[1:3] += 1
    np.testing.assert_allclose(x.grad.data, kept)


def test_views_alias_as_numpys_do():
    x = Variable(np.arange(12.0).reshape(3, 4))
    for index in (1, slice(1, 3), (Ellipsis, 0), (None, slice(None, None, -1))):
        assert np.shares_memory(x[index].data, x.data)
    for index in ([0, 1], I3, MASK, (1, 1)):
        assert not np.shares_memory(x[index].data, x.data)


def test_iteration():
    assert [float(v) for v in Variable(np.arange(4.0))] == [0, 1, 2, 3]
    assert [v.shape for v in Variable(np.ones((2, 3)))] == [(3,), (3,)]


@pytest.mark.parametrize("container", [lambda i: i, lambda i: i.tolist(), lambda i: (i, slice(None)), Variable,
                                       lambda i: (i.tolist(), i)])
def test_indices_that_change_before_backward(container):
    """The graph has its own: what is written into a buffer of indices later is neither read nor out of bounds."""
    ids = np.array([0, 2, 2])
    x, index = Variable(RNG.standard_normal((3, 3))), container(ids)
    expected = np.zeros((3, 3))
    np.add.at(expected, index.data if isinstance(index, Variable) else index, 1.0)
    y = x[index]
    for part in index if isinstance(index, tuple) else (index,):
        if not isinstance(part, slice):
            (part.data if isinstance(part, Variable) else part)[:] = [10**6] * 3
    y.backward()
    np.testing.assert_array_equal(x.grad.data, expected)


def test_a_mask_that_changes_before_backward():
    x, mask = Variable(np.ones(4)), np.array([True, False, True, False])
    y = x[mask]
    mask[:] = True
    y.backward()
    np.testing.assert_array_equal(x.grad.data, [1, 0, 1, 0])


INDICES = [2, slice(1, 3), I3, MASK, (I3, I3), (slice(None), I3), (slice(1, 3), I3)]


@pytest.mark.filterwarnings("ignore:Out of bound index found:DeprecationWarning")     # NumPy 2.0
@pytest.mark.parametrize("index", INDICES, ids=range(7))
@pytest.mark.parametrize("shape", [(2, 2), (2,), (4, 6), (1, 1, 1), (), (0, 4)], ids=str)
def test_data_of_another_shape_at_backward(index, shape):
    """Indices are checked when they are used: an error or a gradient of the new shape, but no write out of bounds."""
    x = Variable(np.ones((3, 4), np.float32))
    y = x[index]
    x.data = np.ones(shape, np.float32)
    try:
        y.backward()
    except ValueError:
        assert x.grad is None
    else:
        assert x.grad.shape == shape
        assert x.grad.data.sum() == y.size


def test_gradients_of_other_shapes_and_dtypes():
    """What a user may set as y's gradient."""
    for index in (I3, slice(0, 2), MASK):
        x = Variable(np.ones((3, 4), np.float32))
        y = x[index]
        y.grad = Variable(np.ones((1, 4), np.float32))
        y.backward()
        assert x.grad.data.sum() == y.size
        assert x.grad.dtype == np.float32
        x.cleargrad()
        y.grad = Variable(np.ones(y.shape, np.float64))
        y.backward()
        assert x.grad.data.sum() == y.size


def test_embedding_forms():
    W = Variable(RNG.standard_normal((5, 2)).astype(np.float32))
    for ids in ([1, 3, 3], (1, 3, 3), np.array([1, 3, 3], np.uint16), Variable(np.array([1, 3, 3])),
                np.array([-4, -2, 3])):
        W.cleargrad()
        y = F.embed_id(ids, W)
        np.testing.assert_array_equal(y.data, W.data[[1, 3, 3]])
        y.backward()
        np.testing.assert_array_equal(W.grad.data, [[0, 0], [1, 1], [0, 0], [2, 2], [0, 0]])
        assert W.grad.dtype == np.float32
    assert F.embed_id([], W).shape == (0, 2)
    assert F.embed_id(np.zeros((0, 3), int), W).shape == (0, 3, 2)
    assert F.embed_id([1], np.arange(3.0)).data == [1.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("padding", [2, -1, 0])
@pytest.mark.parametrize("create_graph", [False, True])
def test_the_row_of_padding_is_a_constant(dtype, padding, create_graph):
    a = RNG.standard_normal((3, 2)).astype(dtype)
    a[1] = np.inf, np.nan       # the others' values go nowhere else
    for ids in (LINES % 3, np.array([0, 2, -1]), np.array(padding), np.zeros((0, 2), int)):
        W, free = Variable(a), Variable(a)
        y = F.embed_id(ids, W, padding_idx=padding)
        assert y.dtype == dtype
        np.testing.assert_array_equal(y.data, a[ids])
        seed = RNG.standard_normal(y.shape).astype(dtype)
        for z in (y, F.embed_id(ids, free)):
            z.grad = Variable(seed)
            z.backward(create_graph=create_graph)
        expected = free.grad.data.copy()
        expected[padding] = 0
        np.testing.assert_array_equal(W.grad.data, expected)
        assert W.grad.dtype == dtype


def test_the_row_of_padding_at_three_orders():
    """As where the row is an array joined to the others."""
    a = RNG.standard_normal((3, 2))

    def orders(f):
        W = Variable(a)
        y = f(W)
        for _ in range(3):
            W.cleargrad()
            y.backward(create_graph=True)
            yield W.grad.data
            y = F.sum(W.grad * np.arange(1.0, 7).reshape(3, 2))

    joined = orders(lambda W: F.sum(F.concatenate([W[:2], Variable(a[2:])])[LINES] ** 4))
    for one, other in zip(orders(lambda W: F.sum(F.embed_id(LINES, W, padding_idx=2) ** 4)), joined, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-13)
        assert not one[2].any()
        assert one[:2].all()


def test_the_row_of_padding_of_a_vector():
    W = Variable(np.arange(3.0))
    y = F.embed_id([1, 0, 1], W, padding_idx=1)
    y.backward()
    assert y.data.tolist() == [1.0, 0.0, 1.0]
    assert W.grad.data.tolist() == [1.0, 0.0, 0.0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("padding", [None, 0, -1])
def test_the_row_of_padding_is_torchs(dtype, padding):
    torch = pytest.importorskip("torch")
    a, seed = RNG.standard_normal((3, 2)).astype(dtype), RNG.standard_normal((*LINES.shape, 2)).astype(dtype)
    W, w = Variable(a), torch.tensor(a, requires_grad=True)
    y, z = F.embed_id(LINES, W, padding_idx=padding), torch.nn.functional.embedding(torch.tensor(LINES), w, padding)
    np.testing.assert_array_equal(y.data, z.detach().numpy())
    y.grad = Variable(seed)
    y.backward()
    z.backward(torch.tensor(seed))
    np.testing.assert_allclose(W.grad.data, w.grad.numpy(), rtol=1e-6)


def test_classes_called_directly():
    x = Variable(RNG.standard_normal((3, 4)))
    f = F.GetItem([0, 2, 0])
    f(x).backward()
    np.testing.assert_array_equal(x.grad.data, [[2] * 4, [0] * 4, [1] * 4])
    np.testing.assert_array_equal(f.slices, [0, 2, 0])
    gy = Variable(np.ones((3, 4)))
    g = F.GetItemGrad(I3, (3, 4))
    np.testing.assert_array_equal(g(gy).data, x.grad.data)
    assert g.in_shape == (3, 4)
    copy = pickle.loads(pickle.dumps(x[I3, 1:]))
    copy.backward()
    assert copy.creator.slices[1] == slice(1, None)
    assert pickle.loads(pickle.dumps(f)).slices.tolist() == [0, 2, 0]

    class Rows(F.GetItem):
        pass

    x.cleargrad()
    Rows(1)(x).backward()
    assert x.grad.data.sum() == 4


def test_without_a_graph_and_in_cycles():
    x = Variable(np.ones((3, 4)))
    with dezero_c.no_grad():
        assert x[I3].creator is None
    for index in (1, I3, (0, slice(2))):
        y = x[index]
        y.backward(create_graph=True)
        del y
    x.cleargrad()
    gc.collect()
    assert x[0].data.sum() == 4


def test_other_containers_of_data():
    x = Variable(np.array([[1.5, None], [2, 3]], dtype=object))
    assert x[0, 0].data[()] == 1.5
    assert x[0, 1].data[()] is None
    assert x[0].dtype == object
    y = F.get_item([[1.0, 2.0], [3.0, 4.0]], (0, 1))
    y.backward()
    assert y.data == 2.0


# ---- assignment -------------------------------------------------------------------------------------------------------

INDICES = [0, -1, (slice(None), 1), slice(None, None, -2), ..., None, (0, 1), [0, 2, 0], (I3, I3), (I3, slice(1, 3)),
           (slice(None), [1, 1, 0]), MASK, MASK2, (MASK, 2), (MASK, [1, 1]), (I3[:, None], [0, 0]), np.zeros((0,), int),
           (Variable(I3), Variable(np.array(1)))]


@pytest.mark.parametrize("i", range(len(INDICES)))
@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16, np.int64, ">f8", np.complex64], ids=str)
def test_assignment_is_numpys(i, dtype):
    index, plain = INDICES[i], INDICES[i]
    if isinstance(index, tuple):
        plain = tuple(part.data if isinstance(part, Variable) else part for part in index)
    for a in (np.asarray(RNG.normal(size=(3, 4)) * 5, dtype), np.asfortranarray(RNG.normal(size=(3, 4)) * 5).astype(dtype)):
        shape = a[plain].shape
        for u in (np.asarray(RNG.normal(size=shape) * 5, dtype), np.asarray(RNG.normal(size=shape[::-1]) * 5, dtype).T):
            kept = a.copy()
            for f, method in ((F.set_at, "set"), (F.add_at, "add")):
                want = a.copy()
                if method == "set":
                    want.reshape(-1)[np.arange(12).reshape(3, 4)[plain].ravel()] = u.ravel()     # the last one wins
                else:
                    np.add.at(want, plain, u)
                y = f(Variable(a), index, Variable(u))
                np.testing.assert_allclose(y.data, want, rtol=1e-2 if dtype == np.float16 else 1e-5)
                assert y.dtype.newbyteorder("=") == np.dtype(dtype).newbyteorder("=")
                np.testing.assert_array_equal(a, kept)


@pytest.mark.parametrize("way", [False, True])
def test_the_last_of_several_values_has_the_gradient(way):
    x, u = Variable(np.arange(4.0)), Variable(np.array([10.0, 20.0, 30.0]))
    y = F.set_at(x, [1, 3, 1], u)
    assert y.data.tolist() == [0, 30, 2, 20]
    (y * np.array([1.0, 2, 3, 4])).backward(create_graph=way)
    assert x.grad.data.tolist() == [1, 0, 3, 0]
    assert u.grad.data.tolist() == [0, 4, 2]
    x.cleargrad()
    u.cleargrad()
    y = F.add_at(x, [1, 3, 1], u)
    assert y.data.tolist() == [0, 41, 2, 23]
    (y * np.array([1.0, 2, 3, 4])).backward(create_graph=way)
    assert x.grad.data.tolist() == [1, 2, 3, 4]
    assert u.grad.data.tolist() == [2, 4, 2]


def test_values_take_the_arrays_dtype():
    x = Variable(np.zeros(3, np.float32))
    u = Variable(np.array(2.0))
    for f in (F.set_at, F.add_at):
        y = f(x, 1, u)
        assert y.dtype == np.float32
        y.backward()
        assert x.grad.dtype == np.float32
        assert u.grad.dtype == np.float64
        assert f(x, 1, 2).data.tolist() == [0, 2, 0]
        assert f(x, [0, 1], [1, 2]).data.tolist() == [1, 2, 0]
        x.cleargrad()
    z = F.set_at(Variable(np.zeros(2, complex)), 0, u)
    u.cleargrad()
    F.sum(F.real(z * (1 - 2j))).backward()
    assert u.grad.data == 1
    assert u.grad.dtype == np.float64


def test_signs_of_zeros_and_infinities_elsewhere_stay():
    x = Variable(np.array([-0.0, np.inf, np.nan, 1.0]))
    for f in (F.set_at, F.add_at):
        y = f(x, [3, 3], 2.0).data
        assert np.signbit(y[0])
        np.testing.assert_array_equal(y[1:3], [np.inf, np.nan])


def test_an_index_that_is_changed_after_assignment():
    ids = np.array([0, 1])
    x = Variable(np.zeros(3))
    y = F.set_at(x, ids, 1.0)
    ids[:] = 2
    y.backward()
    assert x.grad.data.tolist() == [0, 0, 1]


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x: x[7], IndexError, ["get_item", "out of bounds", "(2, 3)"]),
        (lambda x: x[10**30], IndexError, ["get_item", "(2, 3)"]),
        (lambda x: x[[0, 2]], IndexError, ["get_item", "out of bounds", "(2, 3)"]),
        (lambda x: x[:, [3]], IndexError, ["get_item", "out of bounds", "(2, 3)"]),
        (lambda x: x[0, 0, 0], IndexError, ["get_item", "too many", "(2, 3)"]),
        (lambda x: x[1.0], IndexError, ["get_item", "(2, 3)"]),
        (lambda x: x[np.array([1.0])], IndexError, ["get_item", "integer", "(2, 3)"]),
        (lambda x: x["a"], IndexError, ["get_item", "(2, 3)"]),
        (lambda x: x[np.array([True])], IndexError, ["get_item", "(2, 3)"]),
        (lambda x: F.get_item(Variable(None), 0), TypeError, ["get_item", "no data"]),
        (lambda x: F.embed_id([0.0, 1.0], x), TypeError, ["embed_id", "float64", "integers"]),
        (lambda x: F.embed_id(np.array([True, False]), x), TypeError, ["embed_id", "bool"]),
        (lambda x: F.embed_id(np.zeros(0), x), TypeError, ["embed_id", "float64"]),
        (lambda x: F.embed_id([[0, 2]], x), IndexError, ["embed_id", "from 0 to 2", "[-2, 2)", "(2, 3)"]),
        (lambda x: F.embed_id(-3, x), IndexError, ["embed_id", "id -3 is not", "[-2, 2)"]),
        (lambda x: F.embed_id(0, F.sum(x)), ValueError, ["embed_id", "0-d"]),
        (lambda x: F.embed_id(0, Variable(None)), TypeError, ["embed_id", "no data"]),
        (lambda x: F.embed_id(0, x, padding_idx=2), IndexError, ["embed_id: padding_idx 2", "[-2, 2)", "(2, 3)"]),
        (lambda x: F.embed_id(0, x, padding_idx=-3), IndexError, ["padding_idx -3"]),
        (lambda x: F.embed_id(0, x, padding_idx=1.0), TypeError, ["embed_id", "padding_idx 1.0"]),
        (lambda x: F.embed_id(0, x, padding_idx=True), TypeError, ["padding_idx True"]),
        (lambda x: F.take(x, [0.5]), TypeError, ["take", "integers"]),
        (lambda x: F.take(x, [6]), IndexError, ["take", "out of bounds"]),
        (lambda x: F.take(x, [0], 2), np.exceptions.AxisError, ["take", "(2, 3)"]),
        (lambda x: F.take_along_axis(x, [0], 0), ValueError, ["take_along_axis", "(1,)", "(2, 3)"]),
        (lambda x: F.take_along_axis(x, [[2]], 0), IndexError, ["take_along_axis", "out of bounds"]),
        (lambda x: F.set_at(x, [[0, 1]], np.ones((2, 3, 3))), ValueError, ["set_at", "(2, 3, 3)", "(1, 2, 3)"]),
        (lambda x: F.set_at(x, 0, 1j), TypeError, ["set_at", "complex128", "float64"]),
        (lambda x: F.add_at(x, (0, 0, 0), 1.0), IndexError, ["add_at", "(2, 3)"]),
        (lambda x: F.diagonal(x[0]), ValueError, ["diagonal", "(3,)"]),
        (lambda x: F.diagonal(x, 0, 1, 1), ValueError, ["diagonal", "same axis"]),
    ],
    ids=range(31),
)
def test_errors_name_operation_and_shapes(call, error, words):
    with pytest.raises(error) as info:
        call(Variable(np.ones((2, 3))))
    for word in words:
        assert word in str(info.value)


@pytest.mark.parametrize("f", [F.set_at, F.add_at])
def test_integers_that_do_not_fit(f):
    for dtype, value, said in (("i1", 300, "300 does not fit into int8, which holds -128 to 127"),
                               ("i4", np.array([2, 2 ** 40 + 1]), "1099511627777 does not fit into int32"),
                               ("u1", -1, "-1 does not fit into uint8, which holds 0 to 255"),
                               ("i8", np.array([2 ** 63], "u8"), "9223372036854775808 does not fit into int64")):
        x = np.zeros(2, dtype)
        for given in (value, Variable(np.asarray(value))):
            with pytest.raises(OverflowError, match=rf"{f.__name__}: a value of {said}"):
                f(x, slice(None), given)
    for dtype in ("u1", "i1", "u8"):
        y = f(np.zeros(3, dtype), [0, 2], np.array([3, 127]))
        assert (y.dtype, y.data.tolist()) == (dtype, [3, 0, 127])
    assert f(np.zeros(3, "u1"), slice(0, 0), np.zeros(0, int)).data.tolist() == [0, 0, 0]
    with pytest.raises(TypeError, match="does not fit into int8"):
        f(np.zeros(2, "i1"), 0, 1.5)


def test_unsigned_indices_are_no_negative_ones():
    x = np.arange(6.0).reshape(3, 2)
    for n in (2 ** 64 - 1, 2 ** 63):
        i = np.array([n], np.uint64)
        for call, said in ((lambda i=i: F.embed_id(i, x), "embed_id: id"), (lambda i=i: F.take(x, i, 0), "take: index"),
                           (lambda i=i: F.take_along_axis(x, i[None], 0), "take_along_axis: index"),
                           (lambda i=i: F.get_item(x, i), "get_item: index"), (lambda i=i: Variable(x)[i, 0], "get_item: index"),
                           (lambda i=i: F.set_at(x, i, 0), "set_at: index"), (lambda i=i: F.GetItem(i), "index")):
            with pytest.raises(IndexError, match=rf"^{said} {n} is out of bounds"):
                call()
    i = np.array([2, 0], np.uint64)
    assert F.embed_id(i, x).data.tolist() == F.take(x, i, 0).data.tolist() == Variable(x)[i].data.tolist() == [[4, 5], [0, 1]]
