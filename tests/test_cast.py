"""cast, stop_gradient, and the methods of Variable that are ndarray's: values and dtypes as NumPy's, gradients in the dtype of
the input, graphs kept or cut as they say. Orders and layouts: tests/records.py.
"""

import pickle

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Variable, chapter1, core_simple, utils

RNG = np.random.default_rng(5)
FLOATS = ["f2", "f4", "f8", ">f4", "g", "c8", "c16"]


@pytest.mark.parametrize("to", FLOATS)
@pytest.mark.parametrize("of", FLOATS)
def test_gradients_come_back_in_the_inputs_dtype(of, to):
    a = np.asarray(RNG.uniform(1, 2, (2, 3)), of)
    x = Variable(a)
    if a.dtype.kind == "c" and np.dtype(to).kind != "c":
        with pytest.raises(TypeError, match=r"cast: complex.*imaginary"):
            F.cast(x, to)
        return
    for create_graph in (False, True):
        x.cleargrad()
        y = F.cast(x, to)
        assert y.dtype == to
        np.testing.assert_array_equal(y.data, a.astype(to))
        assert not np.shares_memory(y.data, a)
        y.grad = Variable(np.full(a.shape, 3.0).astype(to))
        y.backward(create_graph=create_graph)
        assert x.grad.dtype == of
        np.testing.assert_array_equal(x.grad.data, np.full(a.shape, 3.0, of))


def test_a_float32_step_inside_of_float64():
    x = Variable(np.array([0.5, 1.5]))
    y = F.sum(F.sin(x.astype(np.float32)).astype(np.float64) * x)
    y.backward(create_graph=True)
    np.testing.assert_allclose(x.grad.data, np.sin(x.data) + x.data * np.cos(x.data), rtol=1e-6)
    g = x.grad
    x.cleargrad()
    F.sum(g).backward()
    np.testing.assert_allclose(x.grad.data, 2 * np.cos(x.data) - x.data * np.sin(x.data), rtol=1e-6)
    assert x.grad.dtype == np.float64


def test_a_real_input_of_a_complex_result_has_a_real_gradient():
    x = Variable(np.array([1.0, 2.0]))
    z = F.cast(x, complex)
    z.grad = Variable(np.array([2 + 5j, 3 - 1j]))
    z.backward()
    assert x.grad.dtype == np.float64
    np.testing.assert_array_equal(x.grad.data, [2, 3])


def test_integers():
    x = Variable(np.array([1.7, -2.3]))
    y = x.astype(int)
    assert y.data.tolist() == [1, -2]
    assert y.creator is None
    assert x.astype(bool).data.tolist() == [True, True]
    i = Variable(np.array([1, 2]))
    z = i.astype(np.float32) * 0.5
    z.backward()
    assert i.grad.data.tolist() == [0.5, 0.5]   # not cut off to 0
    i.cleargrad()
    i.copy().backward()
    assert i.grad.dtype == i.dtype
    assert i.astype(np.int8).creator is None


def test_object_arrays():
    x = Variable(np.array([1.5, 2.5]))
    y = x.astype(object)
    assert y.dtype == object
    y.backward()
    assert x.grad.dtype == np.float64


@pytest.mark.parametrize(("dtype", "words"), [("U3", "no dtype of numbers"), ("nonsense", "no dtype"),
                                               ("M8[s]", "no dtype of numbers")])
def test_what_is_no_dtype_of_numbers(dtype, words):
    with pytest.raises(TypeError, match=f"cast: .*{words}"):
        F.cast(np.ones(2), dtype)


def test_stop_gradient_cuts_the_graph_and_keeps_the_memory():
    x = Variable(np.array([1.0, 2.0]))
    y = x * x
    z = y.detach()
    assert z.creator is None
    assert np.shares_memory(z.data, y.data)
    (z * x).backward()
    np.testing.assert_array_equal(x.grad.data, [1, 4])
    assert z.grad.data.tolist() == [1, 2]
    assert F.stop_gradient(3.0).data == 3.0
    assert F.stop_gradient(x).data is x.data
    with pytest.raises(TypeError, match=r"stop_gradient.*no data"):
        F.stop_gradient(Variable(None))


def moves(f, z, dz, eps=1e-6):
    """How f, real-valued, grows along dz: by differences, and by the gradient."""
    x = Variable(z)
    f(x).backward()
    found = np.sum((x.grad.data * dz).real)
    assert x.grad.dtype == z.dtype
    return float(f(Variable(z + eps * dz)).data - f(Variable(z - eps * dz)).data) / (2 * eps), found


@pytest.mark.parametrize("f", [
    lambda z: F.sum(F.real(z) ** 3), lambda z: F.sum(F.imag(z) ** 2), lambda z: F.sum(F.real(z * F.conj(z))),
    lambda z: F.sum(F.imag(F.exp(z) * F.conj(z) * 2j)), lambda z: F.sum(F.real(F.conj(F.sin(z))) * F.imag(z)),
], ids=range(5))
def test_gradients_of_complex_inputs(f):
    z, dz = (RNG.normal(size=3) + 1j * RNG.normal(size=3) for _ in range(2))
    np.testing.assert_allclose(*moves(f, z, dz), rtol=1e-7)

    d = RNG.normal(size=3) + 0.5j

    def along(x):
        """A derivative of the first order, by a graph."""
        f(x).backward(create_graph=True)
        g, x.grad = x.grad, None
        return F.sum(F.real(g * d))

    np.testing.assert_allclose(*moves(along, z, dz), rtol=1e-6, atol=1e-8)


def test_parts_of_complex_numbers():
    for dtype, part in ((np.complex64, np.float32), (np.complex128, np.float64)):
        x = Variable(np.array([1 + 2j, 3 - 1j], dtype))
        for f, g in ((F.real, np.real), (F.imag, np.imag), (F.conj, np.conj)):
            y = f(x)
            np.testing.assert_array_equal(y.data, g(x.data))
            assert y.dtype == (dtype if f is F.conj else part)
            x.cleargrad()
            F.sum(y).backward()
            assert x.grad.dtype == dtype
    x = Variable(np.ones(2))
    assert F.real(x) is x
    assert F.conj(x) is x
    np.testing.assert_array_equal(F.imag(Variable(np.array([np.inf, 1.0]))).data, 0)
    for f in (F.Real(), F.Imag(), F.Conj()):
        x.cleargrad()
        F.sum(f(x)).backward()
        np.testing.assert_array_equal(x.grad.data, 0 if isinstance(f, F.Imag) else 1)


@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 1), (0, 2), (600, 2)], ids=str)
@pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["f32", "f64"])
def test_methods_are_ndarrays(shape, dtype):
    a = RNG.uniform(0.5, 1.5, shape).astype(dtype)
    x = Variable(a)
    calls = [lambda v: v.ravel(), lambda v: v.flatten(), lambda v: v.squeeze(), lambda v: v.copy(), lambda v: v.astype("f4"),
             lambda v: v.prod()]
    if a.size:
        calls += [lambda v: v.mean(), lambda v: v.var(), lambda v: v.std(), lambda v: v.max(), lambda v: v.min()]
    if a.ndim > 1 and a.size:
        calls += [lambda v: v.mean(axis=0), lambda v: v.var(axis=1, ddof=1, keepdims=True), lambda v: v.std((0, 1)),
                  lambda v: v.prod(0, keepdims=True), lambda v: v.max(-1), lambda v: v.min(axis=(0, -1))]
    if a.ndim == 3:
        calls += [lambda v: v.squeeze(-1), lambda v: v.squeeze((2,))]
    for call in calls:
        y, want = call(x), np.asarray(call(a))
        assert y.shape == want.shape
        assert y.dtype == want.dtype
        np.testing.assert_allclose(y.data, want, rtol=1e-5 if dtype == np.float32 else 1e-12)
        x.cleargrad()
        (y * 1.0).backward()
        assert x.grad.shape == shape
        assert x.grad.dtype == dtype


def test_gradients_of_methods():
    a = RNG.permutation(6).reshape(2, 3) * 0.3 + 0.2
    for f in (lambda v: v.mean(0), lambda v: v.var(1), lambda v: v.std(1, 1), lambda v: v.prod(), lambda v: v.flatten(),
              lambda v: v.copy(), lambda v: v[None].squeeze(0), lambda v: v.astype(np.float64)):
        assert utils.gradient_check(lambda v, f=f: F.sin(f(v)), a, order=2)


def test_item():
    x = Variable(np.array([[1.5, 2.5]]))
    assert x.item(1) == 2.5
    assert x.item(0, 0) == 1.5
    assert type(F.sum(x).item()) is float
    assert type(Variable(np.array(3)).item()) is int
    with pytest.raises(ValueError, match="size 1"):
        x.item()
    with pytest.raises(TypeError, match=r"item.*no data"):
        Variable(None).item()


def test_copy_has_memory_of_its_own():
    x = Variable(np.ones(3))
    y = x.copy()
    y.data[0] = 7
    assert x.data[0] == 1
    assert y.creator.inputs[0] is x


def test_classes_and_pickles():
    x = Variable(np.ones(2))
    y = F.Cast("f4")(x)
    z = pickle.loads(pickle.dumps(y))
    assert z.dtype == np.float32
    assert z.creator.dtype == np.dtype("f4")
    z.backward()
    assert z.creator.inputs[0].grad.dtype == np.float64


def test_eras():
    for module in (chapter1, core_simple):
        x = module.Variable(np.array([1.0, 2.0]))
        for y in (x.copy(), x.detach(), x.mean(), x.astype("f4")):
            assert type(y) is module.Variable
