"""Operators and what they are given: numbers, NumPy scalars, arrays, lists on either side; dtypes, layouts, aliasing.

Values and gradients of each operation are tested from the table of operations; this is about how operands meet.
"""

import math
import operator
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Parameter, Variable, as_array, core

BINARY = {"+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv}
SLOPES = {  # gradients of x op c and c op x with respect to x
    "+": (lambda x, c: 1 + 0 * x * c, lambda x, c: 1 + 0 * x * c),
    "-": (lambda x, c: 1 + 0 * x * c, lambda x, c: -1 + 0 * x * c),
    "*": (lambda x, c: c + 0 * x, lambda x, c: c + 0 * x),
    "/": (lambda x, c: 1 / c + 0 * x, lambda x, c: -1.0 * c / x ** 2),
}


def var(value, dtype=None):
    return Variable(np.array(value, dtype))


# ---- stretched operands


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cols", [1, 31, 63, 64, 65, 2047, 2048, 2049, 2079, 2111, 2112, 4095, 4096, 4097, 6150])
@pytest.mark.parametrize("rows", [1, 2, 3, 40])
def test_gradients_are_summed_at_every_width(rows, cols, dtype):
    gy = np.random.default_rng(0).integers(-8, 8, (rows, cols)).astype(dtype)   # their sums are exact
    for shape, axis in (((cols,), 0), ((1, cols), 0), ((rows, 1), 1), ((), None), ((1, 1), None)):
        want = gy.sum(axis=axis).reshape(shape)
        x, b = Variable(np.full((rows, cols), 2.0, dtype)), Variable(np.ones(shape, dtype))
        for function in (operator.add, operator.mul, lambda x, b: 1.0 * F.broadcast_to(b, x.shape)):
            b.cleargrad()
            for times in (1, 2):        # the second time it is added
                y = function(x, b)
                y.grad = Variable(gy)
                y.backward()
                np.testing.assert_array_equal(b.grad.data, times * want * (2 if function is operator.mul else 1))
        np.testing.assert_array_equal(F.sum_to(Variable(gy), shape).data, want)


# ---- other operands


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("other", [3, 2.5, True, np.float64(2.5), np.float32(2.5), np.int64(3), np.array(2.5),
                                   np.array([2.0, 4.0]), np.array([2, 4]), [2.0, 4.0], (2, 4),
                                   Variable(np.array([2.0, 4.0]))])
def test_operands_on_either_side(name, other):
    op = BINARY[name]
    a = np.array([1.0, 2.0])
    c = other.data if isinstance(other, Variable) else np.asarray(other)
    for left in (False, True):
        x = Variable(a.copy())
        y = op(other, x) if left else op(x, other)
        assert type(y) is Variable
        assert np.array_equal(y.data, op(c, a) if left else op(a, c))
        assert y.dtype == np.float64
        y.backward()
        assert type(x.grad) is Variable
        assert np.allclose(x.grad.data, SLOPES[name][left](a, c), rtol=1e-15)
        assert x.grad.shape == (2,)


def test_gradient_of_a_scalar_against_a_vector_on_either_side():
    for y, expected in [(lambda s: s * np.array([1.0, 2.0]), 3.0), (lambda s: np.array([1.0, 2.0]) * s, 3.0),
                        (lambda s: [1.0, 2.0] - s, -2.0), (lambda s: np.array([1.0, 2.0]) / s, -3.0 / 4)]:
        s = var(2.0)
        y(s).backward()
        assert s.grad.data == expected
        assert s.grad.shape == ()


def test_power():
    x = var([2.0, 3.0])
    for y, value, slope in [
        (lambda: x ** 3, [8, 27], [12, 27]),
        (lambda: x ** 2.0, [4, 9], [4, 6]),
        (lambda: x ** -1, [0.5, 1 / 3], [-0.25, -1 / 9]),
        (lambda: x ** 0.5, np.sqrt([2, 3]), 0.5 / np.sqrt([2, 3])),
        (lambda: x ** 0, [1, 1], [0, 0]),
        (lambda: x ** 1, [2, 3], [1, 1]),
        (lambda: x ** np.float64(2), [4, 9], [4, 6]),
        (lambda: x ** np.array([3.0, 2.0]), [8, 9], [12, 6]),
        (lambda: x ** var([3.0, 2.0]), [8, 9], [12, 6]),
        (lambda: x ** [3, 2], [8, 9], [12, 6]),
        (lambda: 2 ** x, [4, 8], np.log(2) * np.array([4, 8])),
        (lambda: 2.0 ** x, [4, 8], np.log(2) * np.array([4, 8])),
        (lambda: np.array([3.0, 2.0]) ** x, [9, 8], [9 * np.log(3), 8 * np.log(2)]),
        (lambda: x ** x, [4, 27], np.array([4, 27]) * (np.log([2, 3]) + 1)),
        (lambda: F.pow(x, 2), [4, 9], [4, 6]),
    ]:
        x.cleargrad()
        result = y()
        result.backward()
        assert np.allclose(result.data, value, rtol=1e-15)
        assert np.allclose(x.grad.data, slope, rtol=1e-14)


def test_power_zero_at_zero_has_no_gradient():
    x = var([0.0, 2.0])
    y = x ** 0
    y.backward()
    assert y.data.tolist() == [1.0, 1.0]
    assert x.grad.data.tolist() == [0.0, 0.0]


def test_power_gradient_at_zero():
    x = var([0.0])
    (x ** 2).backward()
    assert x.grad.data.tolist() == [0.0]
    x.cleargrad()
    (x ** 1).backward()
    assert x.grad.data.tolist() == [1.0]


def test_unary_operators():
    x = var([1.0, -2.0])
    y = -x
    assert y.data.tolist() == [-1.0, 2.0]
    y.backward()
    assert x.grad.data.tolist() == [-1.0, -1.0]
    x.cleargrad()
    z = abs(x)
    z.backward()
    assert z.data.tolist() == [1.0, 2.0]
    assert x.grad.data.tolist() == [1.0, -1.0]
    assert (+x).data.tolist() == [1.0, -2.0]


def test_matrix_product_operator():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    for x, w in [(Variable(a), Variable(b)), (Variable(a), b), (a, Variable(b))]:
        y = x @ w
        assert type(y) is Variable
        assert np.array_equal(y.data, a @ b)
        y.backward()
        if isinstance(x, Variable):
            assert np.array_equal(x.grad.data, np.ones((2, 4)) @ b.T)
        if isinstance(w, Variable):
            assert np.array_equal(w.grad.data, a.T @ np.ones((2, 4)))


@pytest.mark.parametrize(("shape_x", "shape_w"), [((3,), (3,)), ((2, 3), (3,)), ((3,), (3, 4)), ((5, 2, 3), (3, 4)),
                                                  ((5, 2, 3), (5, 3, 4)), ((2, 3), (5, 3, 4)), ((1, 2, 3), (5, 3, 4))])
def test_matrix_products_of_other_ranks(shape_x, shape_w):
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal(shape_x), rng.standard_normal(shape_w)
    x, w = Variable(a), Variable(b)
    y = x @ w
    assert np.allclose(y.data, a @ b, rtol=1e-13)
    weight = rng.standard_normal(y.shape)
    (y * weight).sum().backward()
    # the result is linear in each: compare along one random direction
    da, db = rng.standard_normal(shape_x), rng.standard_normal(shape_w)
    assert x.grad.shape == shape_x
    assert w.grad.shape == shape_w
    assert np.sum(x.grad.data * da) == pytest.approx(np.sum(weight * (da @ b)), rel=1e-10)
    assert np.sum(w.grad.data * db) == pytest.approx(np.sum(weight * (a @ db)), rel=1e-10)


def test_augmented_assignment_makes_a_new_variable():
    x = var([1.0, 2.0])
    first, data = x, x.data
    x += 1.0
    assert x is not first
    x *= 3.0
    x -= 1.0
    x /= 2.0
    assert x.data.tolist() == [2.5, 4.0]
    assert first.data is data
    assert data.tolist() == [1.0, 2.0]
    x.backward()
    assert first.grad.data.tolist() == [1.5, 1.5]


def test_sum_of_a_list():
    xs = [var(float(i)) for i in range(5)]
    total = sum(xs)
    total.backward()
    assert total.data == 10.0
    assert [x.grad.data for x in xs] == [1.0] * 5


# ---- NumPy on the left


@pytest.mark.parametrize("name", BINARY)
def test_augmented_assignment_to_an_array_gives_a_variable_and_leaves_the_array(name):
    a = np.array([1.0, 2.0])
    kept = a
    x = var([4.0, 8.0])
    if name == "+":
        a += x
    elif name == "-":
        a -= x
    elif name == "*":
        a *= x
    else:
        a /= x
    assert type(a) is Variable
    assert a.data.tolist() == BINARY[name](np.array([1.0, 2.0]), np.array([4.0, 8.0])).tolist()
    assert kept.tolist() == [1.0, 2.0]
    a.backward()
    assert x.grad.shape == (2,)


def test_numpy_functions_record_the_graph():
    a = np.array([0.1, 0.2])
    for function, args, slope in [
        (np.sin, lambda x: (x,), np.cos(a)),
        (np.exp, lambda x: (x,), np.exp(a)),
        (np.tanh, lambda x: (x,), 1 - np.tanh(a) ** 2),
        (np.negative, lambda x: (x,), [-1, -1]),
        (np.add, lambda x: (np.array([1.0, 2.0]), x), [1, 1]),
        (np.add, lambda x: (x, 1), [1, 1]),
        (np.subtract, lambda x: (1.0, x), [-1, -1]),
        (np.multiply, lambda x: (np.array([3.0, 4.0]), x), [3, 4]),
        (np.divide, lambda x: (x, 2.0), [0.5, 0.5]),
        (np.true_divide, lambda x: (x, 2.0), [0.5, 0.5]),
        (np.power, lambda x: (x, 2), 2 * a),
        (np.sqrt, lambda x: (x,), 0.5 / np.sqrt(a)),
        (np.square, lambda x: (x,), 2 * a),
        (np.maximum, lambda x: (x, 0.15), [0, 1]),
    ]:
        x = Variable(a.copy())
        y = function(*args(x))
        assert type(y) is Variable, function
        assert np.allclose(y.data, function(*[v.data if v is x else v for v in args(x)]), rtol=1e-15), function
        y.backward()
        assert np.allclose(x.grad.data, slope, rtol=1e-14), function


def test_numpy_matmul():
    a = np.arange(6.0).reshape(2, 3)
    x = Variable(a)
    y = np.matmul(np.ones((1, 2)), x)
    assert y.data.tolist() == [[3.0, 5.0, 7.0]]
    y.backward()
    assert np.array_equal(x.grad.data, np.ones((2, 3)))


def test_numpy_scalar_on_the_left_gives_a_variable():
    x = var([1.0, 2.0])
    for c in (np.float64(2), np.float32(2), np.int64(2), np.array(2.0)):
        for y, expected in ((c * x, [2, 4]), (c + x, [3, 4]), (c - x, [1, 0]), (c / x, [2, 1])):
            assert type(y) is Variable
            assert y.data.tolist() == expected


# ---- comparisons


@pytest.mark.parametrize("op", [operator.lt, operator.le, operator.gt, operator.ge])
def test_comparisons_give_boolean_arrays(op):
    a, b = np.array([1.0, 2.0, 3.0]), np.array([3.0, 2.0, 1.0])
    for left, right in [(Variable(a), Variable(b)), (Variable(a), b), (a, Variable(b)), (Variable(a), 2),
                        (2.0, Variable(b)),
                        (Variable(a), np.float64(2))]:
        result = op(left, right)
        expected = op(*[v.data if isinstance(v, Variable) else v for v in (left, right)])
        assert not isinstance(result, Variable)
        assert result.dtype == bool
        assert np.array_equal(result, expected)


def test_comparison_of_numbers_can_be_a_condition():
    x = var(3.0)
    assert (x > 2)
    assert not (x < 2)
    assert np.float64(2) < x
    assert max(var(1.0), x, key=lambda v: float(v.data)) is x


def test_equality_is_identity_and_the_ufunc_is_not():
    x, y = var([1.0, 2.0]), var([1.0, 3.0])
    assert (x == y) is False
    assert (x != y) is True
    assert (x == x) is True
    for result in (np.equal(x, y), np.equal(x.data, y)):
        assert np.array_equal(result, [True, False])
    assert np.array_equal(np.not_equal(x, y), [False, True])


# ---- dtypes


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_python_numbers_are_weak(name, shape):
    op = BINARY[name]
    for dtype in ("f4", "f8", "f2"):
        x = Variable(np.ones(shape, dtype))
        for number in (2, 2.0, True):
            assert op(x, number).dtype == dtype
            assert op(number, x).dtype == dtype


@pytest.mark.parametrize("name", BINARY)
@pytest.mark.parametrize("shape", [(), (3,)])
def test_numpy_scalars_and_arrays_are_strong(name, shape):
    op = BINARY[name]
    x = Variable(np.ones(shape, "f4"))
    for other in (np.float64(2), np.array(2.0), np.array([2.0]), np.int64(2), np.array([1, 1, 1])):
        expected = op(x.data, other).dtype
        assert expected == np.float64
        assert op(x, other).dtype == expected
        assert op(other, x).dtype == expected
    assert op(x, np.float32(2)).dtype == np.float32
    assert op(np.float32(2), x).dtype == np.float32


def test_float32_stays_float32_along_a_chain_and_back():
    x = var([0.5, 1.5], "f4")
    y = F.exp(F.sin(x * 2.0 + 1) / 3) ** 2 - 1.5
    y = F.tanh(y).sum() * 0.5
    assert y.dtype == np.float32
    y.backward()
    assert x.grad.dtype == np.float32
    x.cleargrad()
    y.backward(create_graph=True)
    gx = x.grad
    x.cleargrad()
    gx.backward()
    assert x.grad.dtype == np.float32


def test_gradients_have_the_dtype_of_their_data_when_dtypes_mix():
    x, w = var([1.0, 2.0], "f4"), var([3.0, 4.0], "f8")
    y = x * w
    assert y.dtype == np.float64
    y.backward()
    assert w.grad.dtype == np.float64
    assert x.grad.data.tolist() == [3.0, 4.0]


def test_integers_stay_integers():
    x = var([1, 2, 3])
    y = x * x + 2 * x - 1
    assert y.dtype == x.dtype
    assert y.data.tolist() == [2, 7, 14]
    y.backward()
    assert x.grad.dtype == x.dtype
    assert x.grad.data.tolist() == [4, 6, 8]


def test_integers_divide_to_floats():
    x = var([1, 2])
    y = x / 2
    assert y.dtype == np.float64
    assert y.data.tolist() == [0.5, 1.0]
    y.backward()
    assert x.grad.data.tolist() == [0.5, 0.5]


def test_integers_through_functions_follow_numpy():
    x = var([0, 1, 4])
    assert F.exp(x).dtype == np.float64
    assert np.allclose(F.exp(x).data, np.exp(np.array([0, 1, 4])), rtol=1e-15, atol=0)
    assert np.array_equal((x ** 0.5).data, np.array([0, 1, 4]) ** 0.5)
    assert (x ** 2).dtype == x.dtype
    assert x.sum().data == 5
    assert x.sum().dtype == np.int64
    assert F.exp(var([1, 2], "i4")).dtype == np.float64
    assert F.exp(var([1, 2], "i1")).dtype == np.float16


def test_integers_wrap_as_numpys_do():
    x = var([127], "i1")
    assert (x + x).data.tolist() == [-2]
    assert (x + x).dtype == np.int8


def test_booleans():
    x = var([True, False])
    assert (x * 2.5).data.tolist() == [2.5, 0.0]
    assert (x + x).dtype == bool
    assert (x * x).data.tolist() == [True, False]


def test_half_precision():
    x = var([0.5, 1.5], "f2")
    y = F.sin(x) * 2
    assert y.dtype == np.float16
    assert np.allclose(y.data, 2 * np.sin([0.5, 1.5]), rtol=2e-3)
    y.backward()
    assert x.grad.dtype == np.float16
    assert np.allclose(x.grad.data, 2 * np.cos([0.5, 1.5]), rtol=2e-3)


def test_complex_numbers():
    a = np.array([1 + 2j, 3 - 1j])
    x = Variable(a)
    y = x * x + 2j * x
    assert y.dtype == np.complex128
    assert np.allclose(y.data, a * a + 2j * a)
    y.backward()
    assert np.allclose(x.grad.data, 2 * a + 2j)  # holomorphic: the derivative
    x.cleargrad()
    z = F.exp(x)
    z.backward()
    assert np.allclose(x.grad.data, np.exp(a))


@pytest.mark.parametrize("number", [Fraction, Decimal])
def test_object_arrays(number):
    a = np.array([number(1), number(2)], dtype=object)
    x = Variable(a)
    y = x * x + 3 * x - 1 / x
    assert y.dtype == object
    assert y.data.tolist() == [v * v + 3 * v - 1 / v for v in a]
    y.backward()
    assert x.grad.data.tolist() == [2 * v + 3 + 1 / (v * v) for v in a]
    assert type(x.grad.data[0]) is number
    assert (x ** 3).data.tolist() == [1, 8]


@pytest.mark.parametrize("number", [Fraction, Decimal])
def test_numbers_of_other_types_as_operands(number):
    a = np.array([number(1), number(2)], dtype=object)
    x = Variable(a)
    for y, expected in [(x / number(2), a / number(2)), (number(3) * x, number(3) * a), (number(1) - x, number(1) - a)]:
        assert y.dtype == object
        assert y.data.tolist() == expected.tolist()
        y.backward()
    assert as_array(number(3)).dtype == object


def test_long_double():
    x = var([0.5], np.longdouble)
    y = F.sin(x) * 2.0
    assert y.dtype == np.longdouble
    y.backward()
    assert x.grad.dtype == np.longdouble
    assert np.allclose(x.grad.data, 2 * np.cos(np.longdouble(0.5)), rtol=8 * np.finfo(np.longdouble).eps, atol=0)


@pytest.mark.parametrize("dtype", [">f8", ">f4", "<f8"])
def test_byte_swapped(dtype):
    a = np.array([1.0, 2.0, 3.0]).astype(dtype)
    x = Variable(a)
    y = F.exp(x * 2.0) + x
    assert x.data is a
    assert np.allclose(y.data, np.exp([2.0, 4.0, 6.0]) + np.arange(1.0, 4.0), rtol=1e-6)
    y.backward()
    assert np.allclose(x.grad.data, 2 * np.exp([2.0, 4.0, 6.0]) + 1, rtol=1e-6)
    s = Variable(np.array(2.0).astype(dtype))
    t = s * s
    t.backward()
    assert (t.data, s.grad.data) == (4.0, 4.0)


def test_read_only():
    a = np.array([1.0, 2.0])
    a.flags.writeable = False
    x = Variable(a)
    y = (x * x).sum() + F.sin(x)[0]
    y.backward()
    assert x.grad.data.tolist() == [pytest.approx(2.0 + math.cos(1.0), rel=1e-15), 4.0]
    assert x.data is a
    assert x.grad.data.flags.writeable
    z = x.reshape(2, 1)
    assert not z.data.flags.writeable


def test_read_only_gradient_as_seed_and_as_sum():
    g = np.array([1.0, 2.0])
    g.flags.writeable = False
    x = var([3.0, 4.0])
    y = x * x
    y.grad = Variable(g)
    x.grad = Variable(g)
    y.backward()
    assert x.grad.data.tolist() == [7.0, 18.0]
    assert g.tolist() == [1.0, 2.0]


def layouts():
    base = np.arange(1.0, 25.0)
    yield "transposed", base.reshape(4, 6).T
    yield "fortran", np.asfortranarray(base.reshape(6, 4))
    yield "sliced", np.arange(1.0, 97.0).reshape(12, 8)[::2, ::2]
    yield "reversed", base.reshape(6, 4)[::-1, ::-1]
    yield "broadcast", np.broadcast_to(np.array([1.0, 2.0, 3.0, 4.0]), (6, 4))
    yield "offset", np.arange(25.0)[1:].reshape(6, 4)
    unaligned = np.frombuffer(b"\0" + base.tobytes(), np.uint8)[1:].view(np.float64).reshape(6, 4)
    yield "unaligned", unaligned
    record = np.zeros((6, 4), [("skip", "i1"), ("value", "f8")])
    record["value"] = base.reshape(6, 4)
    yield "field", record["value"]


@pytest.mark.parametrize("layout", [n for n, _ in layouts()])
def test_memory_layouts(layout):
    a = dict(layouts())[layout]
    assert a.shape == (6, 4)
    other = np.linspace(0.5, 1.5, 24).reshape(6, 4)
    for b in (other, np.asfortranarray(other), other[:1], other[:, :1]):
        x, w = Variable(a), Variable(b)
        y = F.log(x) * w + x / w
        assert np.allclose(y.data, np.log(a) * b + a / b, rtol=1e-14)
        y.backward()
        assert np.allclose(x.grad.data, b / a + 1 / b, rtol=1e-14)
        gw = np.log(a) - a / b ** 2
        axes = tuple(i for i in range(2) if b.shape[i] == 1)
        assert np.allclose(w.grad.data, gw.sum(axis=axes, keepdims=True), rtol=1e-12)
    x = Variable(a)
    y = x.sum(axis=0) + x.T.sum(axis=1)
    assert np.allclose(y.data, 2 * a.sum(axis=0), rtol=1e-14)
    y.backward()
    assert np.array_equal(x.grad.data, np.full((6, 4), 2.0))
    y = x * 2.0
    y.grad = Variable(np.asfortranarray(other))
    x.cleargrad()
    y.backward()
    assert np.array_equal(x.grad.data, 2 * other)


@pytest.mark.parametrize("shape", [(0,), (0, 3), (2, 0), (3, 0, 2)])
def test_empty_arrays(shape):
    for dtype in ("f8", "f4", "i8"):
        x = Variable(np.zeros(shape, dtype))
        y = F.exp(x * x + 1) / 2
        assert y.shape == shape
        y.backward()
        assert x.grad.shape == shape
        assert x.sum().data == 0
        x.cleargrad()
        x.sum().backward()
        assert x.grad.shape == shape
        assert x.T.shape == shape[::-1]
    x, b = Variable(np.zeros((0, 3))), Variable(np.ones(3))
    (x + b).backward()
    assert b.grad.data.tolist() == [0.0, 0.0, 0.0]
    m = F.matmul(Variable(np.zeros((2, 0))), Variable(np.zeros((0, 3))))
    assert m.data.tolist() == [[0.0] * 3] * 2
    m.backward()


@pytest.mark.parametrize("dtype", ["f8", "f4"])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (100,)])
def test_nan_and_inf_are_carried(dtype, shape):
    with np.errstate(all="ignore"):
        for special in (np.nan, np.inf, -np.inf, 0.0):
            a = np.full(shape, special, dtype)
            for function in (lambda v: v * 2.0 - v, lambda v: 1 / v, lambda v: v * v, lambda v: v / v, lambda v: v - 1):
                x = Variable(a)
                y = function(x)
                assert np.array_equal(y.data, function(a), equal_nan=True)
                y.backward()
                assert x.grad.shape == shape
            for name in ("exp", "log", "sin", "tanh", "sqrt"):
                x = Variable(a)
                y = getattr(F, name)(x)
                assert np.array_equal(y.data, getattr(np, name)(a), equal_nan=True), name
                y.backward()
                assert x.grad.dtype == dtype


def test_nan_gradients_spread():
    x = var([1.0, 2.0])
    y = x * var([np.nan, 1.0])
    y.backward()
    assert np.isnan(x.grad.data[0])
    assert x.grad.data[1] == 1.0


# ---- aliasing


def test_views_share_memory_as_numpys_do():
    a = np.arange(6.0).reshape(2, 3)
    x = Variable(a)
    for y, view in [(x.reshape(3, 2), a.reshape(3, 2)), (x.reshape(6), a.reshape(6)), (x.T, a.T),
                    (x.transpose(1, 0), a.T), (x[0], a[0]), (x[:, 1:], a[:, 1:]), (x[...], a)]:
        assert np.shares_memory(y.data, a)
        assert y.shape == view.shape
        assert y.data.strides == view.strides
    a[0, 0] = 100.0
    assert x.reshape(6).data[0] == 100.0
    assert not np.shares_memory(x[[0, 1]].data, a)


def test_views_of_results_share_memory():
    y = var([[1.0, 2.0], [3.0, 4.0]]) * 2.0
    z = y.T
    y.data[0, 1] = 50.0
    assert z.data[1, 0] == 50.0
    z.data[0, 0] = -1.0
    assert y.data[0, 0] == -1.0


def test_operations_that_change_nothing_give_the_same_object():
    x = var([[1.0, 2.0]])
    assert x.reshape(1, 2) is x
    assert F.reshape(x, (1, 2)) is x
    assert F.sum_to(x, (1, 2)) is x
    assert F.broadcast_to(x, (1, 2)) is x


def test_results_of_arithmetic_are_new():
    a = np.array([1.0, 2.0])
    x = Variable(a)
    for y in (x + 0, x * 1, x - 0.0, x / 1, x ** 1, F.relu(x), F.maximum(x, 0.0), abs(x), F.clip(x, -10, 10)):
        assert not np.shares_memory(y.data, a)
        y.data[0] = 77.0
        assert a[0] == 1.0


def test_gradients_through_views_are_not_views_of_each_other():
    x = var([1.0, 2.0, 3.0, 4.0])
    h = x.reshape(2, 2)
    y = h.T
    y.backward(retain_grad=True)
    x.grad.data[0] = 9.0
    assert h.grad.data[0, 0] == 1.0
    assert y.grad.data[0, 0] == 1.0


def test_the_incoming_gradient_is_left_alone_by_views():
    x = var([1.0, 2.0, 3.0, 4.0])
    seed = np.ones((2, 2))
    y = x.reshape(2, 2)
    y.grad = Variable(seed)
    y.backward()
    z = x * 10.0
    z.backward()
    assert seed.tolist() == [[1.0, 1.0], [1.0, 1.0]]
    assert x.grad.data.tolist() == [11.0] * 4


def test_a_number_used_twice_and_constants_get_no_gradient_that_matters():
    c = np.array([2.0, 3.0])
    x = var([1.0, 1.0])
    y = x * c + c
    y.backward()
    assert x.grad.data is not c
    x.grad.data[...] = 0.0
    assert c.tolist() == [2.0, 3.0]


def test_the_gradient_of_a_product_with_ones_is_not_the_constant():
    w, x = var([2.0, 3.0]), var([1.0, 1.0])
    y = w * x
    y.backward()
    w.grad.data[0] = 50.0
    assert x.data.tolist() == [1.0, 1.0]
    assert x.grad.data.tolist() == [2.0, 3.0]


# ---- the functions behind the operators


def test_functions_of_the_four_operations():
    x, y = var(2.0), var(3.0)
    for name, value in [("add", 5.0), ("sub", -1.0), ("rsub", 1.0), ("mul", 6.0), ("div", 2.0 / 3.0), ("rdiv", 1.5)]:
        assert getattr(core, name)(x, y).data == value
        assert getattr(core, name)(x, 3.0).data == value
    assert core.neg(x).data == -2.0
    assert core.pow(x, 3).data == 8.0
    assert F.add(1.0, x).data == 3.0
    assert F.sub(np.array([5.0, 6.0]), x).data.tolist() == [3.0, 4.0]


def test_classes_behind_the_operators():
    x = var(2.0)
    for y, cls in [(x + 1, "Add"), (x - 1, "Sub"), (x * 2, "Mul"), (x / 2, "Div"), (-x, "Neg"), (x ** 2, "Pow"),
                   (1 - x, "Sub"), (1 / x, "Div")]:
        assert type(y.creator) is getattr(core, cls)
    assert (x ** 3).creator.c == 3
    assert (x + 1.0).creator.inputs[0] is x
    assert (1.0 - x).creator.inputs[1] is x


def test_inputs_that_were_numbers_are_variables_with_the_value():
    x = var([1.0, 2.0], "f4")
    for y, k in ((x * 2.5, 1), (2.5 * x, 1), (2.5 - x, 0), (np.array(2.5) - x, 0)):
        c = y.creator.inputs[k] if y.creator.inputs[k] is not x else y.creator.inputs[1 - k]
        assert type(c) is Variable
        assert c.data == 2.5
        y.backward()


def test_parameters_and_variables_mix():
    p, x = Parameter(np.array([1.0, 2.0])), var([3.0, 4.0])
    for y in (p + x, x + p, p * 2, np.array([1.0, 1.0]) * p, p @ x):
        assert type(y) is Variable
        p.cleargrad()
        y.backward()
        assert type(p.grad) is Variable


def test_very_large_and_very_small_python_numbers():
    x = var([1.0], "f8")
    assert (x * 10 ** 30).data.tolist() == [1e30]
    assert (x * 2 ** 63).data.tolist() == [float(2 ** 63)]
    assert (x * 1e-320).data.tolist() == [1e-320]
    with np.errstate(over="ignore"):
        y = var([1.0], "f4") * 1e300
    assert y.dtype == np.float32
    assert np.isinf(y.data[0])


TWO_GRADIENTS = {
    "add": (lambda a, b: a + b, lambda a, b: (1 + 0 * a, 1 + 0 * b)),
    "sub": (lambda a, b: a - b, lambda a, b: (1 + 0 * a, -1 + 0 * b)),
    "mul": (lambda a, b: a * b, lambda a, b: (b, a)),
    "div": (lambda a, b: a / b, lambda a, b: (1 / b, -a / b**2)),
    "maximum": (F.maximum, lambda a, b: (1.0 * (a > b), 1.0 * (a < b))),
    "minimum": (F.minimum, lambda a, b: (1.0 * (a < b), 1.0 * (a > b))),
}


@pytest.mark.parametrize("n", [1, 5, 64, 1000, 20000, 600000])
@pytest.mark.parametrize("name", TWO_GRADIENTS)
def test_both_gradients_at_once_are_those_one_at_a_time(name, n):
    """Two inputs without a gradient get theirs in one loop; in all other cases each has its own. The bits are the same."""
    function, derivatives = TWO_GRADIENTS[name]
    rng = np.random.default_rng(n)
    a, b, g = (rng.uniform(0.5, 2, n) for _ in range(3))
    kept = g.copy()
    results = []
    for before in ((), (0,), (1,), (0, 1)):
        for inner in (False, True):
            leaves = x0, x1 = Variable(a), Variable(b)
            for k in before:
                leaves[k].grad = Variable(np.zeros(n))
            y = function(x0 * 1.0, x1 * 1.0) if inner else function(x0, x1)
            y.grad = Variable(g)
            y.backward()
            np.testing.assert_array_equal(g, kept)
            gx0, gx1 = x0.grad.data, x1.grad.data
            assert not np.shares_memory(gx0, gx1)
            assert not np.shares_memory(gx0, g)
            assert not np.shares_memory(gx1, g)
            results.append((gx0, gx1))
    for gx0, gx1 in results:
        np.testing.assert_array_equal(gx0, results[0][0])
        np.testing.assert_array_equal(gx1, results[0][1])
    want = derivatives(a, b)
    np.testing.assert_allclose(results[0][0], g * want[0], rtol=1e-14)
    np.testing.assert_allclose(results[0][1], g * want[1], rtol=1e-14)


def test_both_gradients_of_one_variable_and_with_retained_ones():
    x = Variable(np.arange(1.0, 2000.0))
    (x * x).backward()
    np.testing.assert_array_equal(x.grad.data, 2 * x.data)
    a, b = Variable(x.data * 2), Variable(x.data * 3)
    p, q = a * 1.0, b * 1.0
    y = p + q
    z = y * y
    z.backward(retain_grad=True)
    np.testing.assert_array_equal(y.grad.data, 2 * y.data)
    np.testing.assert_array_equal(p.grad.data, y.grad.data)
    assert not np.shares_memory(p.grad.data, y.grad.data)
    assert not np.shares_memory(p.grad.data, q.grad.data)
    np.testing.assert_array_equal(a.grad.data, b.grad.data)


MASKED = np.ma.array([1.0, 2.0, 3.0], mask=[False, True, False])
MATRIX = np.array([[1.0, 2.0], [3.0, 4.0]]).view(np.matrix)      # without its warning


@pytest.mark.parametrize("given", [MASKED, np.ma.array([1.0, 2.0, 3.0]), MATRIX], ids=["masked", "nothing masked", "matrix"])
def test_arrays_that_compute_otherwise_are_refused(given):
    x = Variable(np.ones(given.shape))
    mend = r"np.asarray\(it\)" if given is MATRIX else r"it.filled\(...\)"
    scores, labels, rows = np.ones((3, 2)), given.astype(int), Variable(np.arange(10.0))
    for call in (lambda: Variable(given), lambda: Parameter(given), lambda: x + given, lambda: given * x, lambda: x @ given,
                 lambda: np.add(given, x), lambda: F.mean(given), lambda: F.square(given), lambda: F.norm(given),
                 lambda: F.mean_squared_error(x, given), lambda: F.set_at(x, 0, given), lambda: F.softmax(given),
                 lambda: F.softmax_cross_entropy(scores, labels), lambda: F.accuracy(scores, labels),
                 lambda: F.embed_id(labels, np.ones((5, 2))), lambda: F.take(rows, labels), lambda: rows[labels]):
        with pytest.raises(TypeError, match=rf"is not taken as an array: pass {mend}"):
            call()
    before = x.data
    with pytest.raises(TypeError, match="is not taken as an array"):
        x.data = given
    assert x.data is before


def test_other_kinds_of_arrays_are_taken(tmp_path):
    class Measured(np.ndarray):
        pass

    a = np.memmap(tmp_path / "numbers", np.float64, "w+", shape=(3,))
    a[:] = [1, 2, 3]
    for each in (a, np.array([1.0, 2.0, 3.0]).view(Measured)):
        x = Variable(each)
        assert x.data is each
        assert (F.sum(x * each).data, F.mean(each).data, F.take(x, each.astype(int) - 1).data.tolist()) == (14, 2, [1, 2, 3])
