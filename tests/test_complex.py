"""Complex numbers: every function either has the complex derivative, or refuses them. A gradient gx is such that y changes by the
real part of sum(gx dx); that of a real input is real."""

import numpy as np
import pytest
from optable import TABLE

import dezero_c.functions as F
from dezero_c import Variable

rng = np.random.default_rng(3)


def numbers(*shape):
    return np.asarray(rng.uniform(0.3, 0.9, shape) + 1j * rng.uniform(0.3, 0.9, shape))


def alike(op):
    """The operation with x as each of its arguments."""
    return lambda x: getattr(F, op["name"])(*[x] * len(op["args"]))


SQUARE = numbers(3, 3) + np.eye(3)

# name: function of one complex array of shape (3, 3), right at orders 1 and 2
RIGHT = {
    **{op["name"]: getattr(F, op["name"]) for op in TABLE if op["complex"] and len(op["args"]) == 1 and not op["params"]},
    "pow": lambda x: x ** 3, "pow_half": lambda x: x ** 0.5, "rpow": lambda x: 2.5 ** x, "power": lambda x: F.power(x, x * 0.5),
    "add": lambda x: x + SQUARE, "sub": lambda x: SQUARE - x * x, "mul": lambda x: x * x * SQUARE, "div": lambda x: SQUARE / x,
    "where": lambda x: F.where(np.eye(3, dtype=bool), x * x, SQUARE),
    "abs2": lambda x: abs(x) ** 2,
    "round": lambda x: F.round(x, 1) + x, "real": lambda x: F.real(x * x),
    "imag": lambda x: F.imag(x * x), "conj": lambda x: F.conj(x) * x * x, "method_conj": lambda x: x.conj() * x.real + x.imag,
    "sum": lambda x: F.sum(x * x, 0), "mean": lambda x: F.mean(x * x, 1), "prod": lambda x: F.prod(x, 0),
    "cumsum": lambda x: F.cumsum(x * x, 0), "logsumexp": lambda x: F.logsumexp(x, 1), "norm": lambda x: F.norm(x),
    "norm_1": lambda x: F.norm(x, 1, 0), "norm_3": lambda x: F.norm(x, 3, 1), "matmul": lambda x: x @ x,
    "vdot": lambda x: np.vdot(x, x * x), "inner": lambda x: np.inner(x, x), "outer": lambda x: np.outer(x, x),
    "einsum": lambda x: F.einsum("ij,kj->ik", x, x), "tensordot": lambda x: F.tensordot(x, x, 1),
    "inv": lambda x: F.inv(x + SQUARE), "pinv": lambda x: F.pinv(x + SQUARE),
    "pinv_high": lambda x: F.pinv(x[:, :2]), "pinv_wide": lambda x: F.pinv(x[:2]), "matrix_power": lambda x: F.matrix_power(x, 3),
    "fft": lambda x: F.fft(x * x), "ifft": lambda x: F.ifft(x * x, axis=0), "irfft": lambda x: F.irfft(x * x, 4),
    "kron": lambda x: F.kron(x, x), "cross": lambda x: F.cross(x, x * x),
    "cumprod": lambda x: F.cumprod(x, 0), "diff": lambda x: F.diff(x * x), "tril": lambda x: F.tril(x * x),
    "sort": lambda x: F.sort(x * x, 0), "set_at": lambda x: F.set_at(x * x, 1, x[0]),
    "solve": lambda x: F.solve(x + SQUARE, x), "det": lambda x: F.det(x + SQUARE), "trace": lambda x: F.trace(x @ x),
    "reshape": lambda x: F.reshape(x * x, (9,)), "transpose": lambda x: (x * x).T @ x, "get_item": lambda x: x[[0, 0, 2]] ** 2,
    "concatenate": lambda x: F.concatenate([x, x * x]), "stack": lambda x: F.stack([x, x * x]), "pad": lambda x: F.pad(x * x, 1),
    "repeat": lambda x: F.repeat(x * x, 2), "roll": lambda x: F.roll(x * x, 1), "linear": lambda x: F.linear(x, x, x[0]),
    "softmax": lambda x: F.softmax(x), "log_softmax": lambda x: F.log_softmax(x),
    "mean_squared_error": lambda x: F.mean_squared_error(x, x * x),
    "mean_absolute_error": lambda x: F.mean_absolute_error(x, x * x),
    "average_pooling": lambda x: F.average_pooling(F.reshape(x * x, (1, 1, 3, 3)), 2),
    "conv2d": lambda x: F.conv2d(F.reshape(x, (1, 1, 3, 3)), F.reshape(x[:2, :2], (1, 1, 2, 2))),
}
REFUSED = {
    **{op["name"]: alike(op) for op in TABLE if not op["complex"]},
    **{name: getattr(F, name) for name in (
        "max", "min", "var", "std", "eigh", "eigvalsh", "cholesky", "slogdet", "svd", "qr", "median")},
    "polygamma": lambda x: F.polygamma(1, x), "nuclear": lambda x: F.norm(x, "nuc", (0, 1)),
    "lstsq": lambda x: F.lstsq(x, x),
    "largest_singular_value": lambda x: F.norm(x, 2, (0, 1)), "label_smoothing": lambda x: F.softmax_cross_entropy(
        x, np.array([0, 1, 2]), label_smoothing=0.1),
    "clip": lambda x: F.clip(x, 0, 1), "maximum_number": lambda x: F.maximum(x, 0.5), "norm_class": lambda x: F.Norm()(x),
    "layer_norm": lambda x: F.layer_norm(x, np.ones(3), np.ones(3)), "huber": lambda x: F.huber(x, SQUARE),
    "pooling": lambda x: F.pooling(F.reshape(x, (1, 1, 3, 3)), 2),
    "softmax_cross_entropy": lambda x: F.softmax_cross_entropy(x, np.array([0, 1, 2])),
    "batch_norm": lambda x: F.batch_norm(x, np.ones(3), np.ones(3), np.zeros(3), np.ones(3)),
}


def test_every_operation_of_the_table_is_in_one_list():
    assert {op["name"] for op in TABLE} <= {*RIGHT, *REFUSED}


def along(gx, dx):
    return (gx * dx).sum().real


@pytest.mark.parametrize("name", RIGHT)
def test_gradients_by_finite_differences(name):
    f = RIGHT[name]
    z, d, e, h = numbers(3, 3), numbers(3, 3), numbers(3, 3), 1e-5
    w = numbers(*np.shape(f(Variable(z)).data))

    def first(z):
        x = Variable(z)
        y = f(x)
        y.grad = Variable(np.asarray(w if y.dtype.kind == "c" else w.real))
        y.backward(create_graph=True)
        return y.data, x

    def slope(g):
        return (g(z + h * e) - g(z - h * e)) / (2 * h)

    y, x = first(z)
    gx = x.grad
    value = w if y.dtype.kind == "c" else w.real
    np.testing.assert_allclose(along(gx.data, e), slope(lambda z: along(first(z)[0], value)), rtol=1e-6, atol=1e-8)
    x.cleargrad()
    s = F.sum(F.real(gx * d))
    s.backward()
    expected = slope(lambda z: along(first(z)[1].grad.data, d))
    np.testing.assert_allclose(0 if x.grad is None else along(x.grad.data, e), expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", REFUSED)
def test_what_has_no_gradient_is_refused(name):
    with pytest.raises(TypeError, match=r"complex|real"):
        REFUSED[name](Variable(numbers(3, 3)))


def test_real_inputs_have_real_gradients():
    x, c = Variable(np.array([1.0, 2.0])), np.array([1 + 1j, 2j])
    F.sum(abs(x * c) ** 2).backward(create_graph=True)
    assert x.grad.dtype == np.float64
    np.testing.assert_allclose(x.grad.data, [4, 16])
    g = x.grad
    x.cleargrad()
    F.sum(g).backward()
    np.testing.assert_allclose(x.grad.data, [4, 8])
    x = Variable(np.array([1.0, 2.0], np.float32))
    F.sum(x * c).backward()
    assert x.grad.dtype.kind == "f"
    np.testing.assert_allclose(x.grad.data, [1, 0])     # of the real part


def test_holomorphic_functions_have_dezeros_gradients():
    z = Variable(np.array(1 + 2j))
    y = z ** 2 + F.exp(z)
    y.backward()
    np.testing.assert_allclose(z.grad.data, 2 * (1 + 2j) + np.exp(1 + 2j))


def test_abs_at_zero():
    z = Variable(np.zeros(2, complex))
    F.sum(abs(z)).backward()
    np.testing.assert_array_equal(z.grad.data, 0)


def test_logsumexp_gives_the_principal_value():
    z = np.array([1 + 3j, 1 - 3j, 700 + 2j])
    np.testing.assert_allclose(F.logsumexp(z[:2]).data, np.log(np.exp(z[:2]).sum()))
    np.testing.assert_allclose(F.logsumexp(z).data, z[2])


def test_parts_of_real_numbers():
    x = Variable(np.array([1.0, -2.0]))
    assert x.real is x
    assert x.conj() is x
    y = F.sum(x.imag * 3)
    y.backward()
    np.testing.assert_array_equal(x.grad.data, 0)
    np.testing.assert_array_equal(np.real(Variable(np.array([1 + 2j]))).data, [1])
