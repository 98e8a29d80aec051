"""Values exchanged by DLPack: shared memory, what is refused and how."""

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
from dezero_c import Variable


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.int64, np.bool_, np.complex128])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3), (0, 2)])
def test_numpy_both_ways(dtype, shape):
    a = np.ones(shape, dtype)
    x = dezero_c.from_dlpack(a)
    assert type(x) is Variable
    assert x.dtype == dtype
    assert x.shape == shape
    assert x.creator is None
    back = np.from_dlpack(x)
    assert back.dtype == dtype
    assert back.shape == shape
    assert np.shares_memory(back, a) == (a.size > 0)


def test_copy():
    a = np.arange(3.0)
    x = dezero_c.from_dlpack(a, copy=True, device="cpu")
    a[0] = 7
    assert x.data.tolist() == [0, 1, 2]
    assert np.shares_memory(dezero_c.from_dlpack(a, copy=False).data, a)


def test_strides_and_results():
    a = np.arange(6.0).reshape(2, 3).T
    assert np.from_dlpack(Variable(a)).strides == a.strides
    y = Variable(np.array(3.0)) * 2      # a value that lies in its node
    assert np.from_dlpack(y) == 6
    y.backward()        # the graph is still there


@pytest.mark.parametrize("key", [np.s_[::-1], np.s_[:, ::-1], np.s_[::-1, ::-1]])
def test_reversed_values_are_copies(key):
    x = Variable(np.arange(6.0).reshape(2, 3))[key]
    assert min(x.data.strides) < 0
    a = np.from_dlpack(x)
    assert min(a.strides) > 0
    assert not np.shares_memory(a, x.data)
    assert a.tolist() == x.data.tolist()
    with pytest.raises(BufferError, match="leave copy=False out"):
        x.__dlpack__(copy=False)


def test_gradient_starts_at_what_was_taken():
    a = np.arange(3.0)
    x = dezero_c.from_dlpack(a)
    (x * x).backward()
    assert x.grad.data.tolist() == [0, 2, 4]


def test_torch():
    torch = pytest.importorskip("torch")
    x = Variable(np.arange(3.0))
    t = torch.from_dlpack(x)
    t[0] = 9
    assert x.data.tolist() == [9, 1, 2]
    x = dezero_c.from_dlpack(t)
    t[1] = 8
    assert x.data.tolist() == [9, 8, 2]
    with pytest.raises(BufferError, match="gradient"):
        dezero_c.from_dlpack(t.clone().requires_grad_())
    assert torch.from_dlpack(F.flip(x, 0)).tolist() == [2, 8, 9]        # whose memory would end the process


def test_jax():
    jnp = pytest.importorskip("jax.numpy")
    a = jnp.arange(3, dtype="float32")
    x = dezero_c.from_dlpack(a)
    assert x.dtype == np.float32
    assert x.data.tolist() == [0, 1, 2]
    assert jnp.from_dlpack(Variable(np.arange(3, dtype=np.float32))).tolist() == [0, 1, 2]


class Elsewhere:
    """An array on a GPU, as far as anybody asks."""

    def __dlpack_device__(self):
        return (2, 1)

    def __dlpack__(self, **keywords):
        raise AssertionError("asked for what lies elsewhere")


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda x: dezero_c.from_dlpack([1.0]), TypeError, r"list has no __dlpack__.*Variable\(np.array\(x\)\)"),
    (lambda x: dezero_c.from_dlpack(x, device="cuda"), ValueError, "device is 'cuda'"),
    (lambda x: dezero_c.from_dlpack(Elsewhere()), BufferError, r"device \(2, 1\)"),
    (lambda x: x.__dlpack__(dl_device=(2, 0)), BufferError, r"dl_device is \(2, 0\)"),
    (lambda x: x.__dlpack__(stream=1), ValueError, "stream is 1"),
    (lambda x: Variable(None).__dlpack__(), TypeError, "no value yet"),
])
def test_errors(call, error, text):
    with pytest.raises(error, match=text):
        call(Variable(np.ones(2)))


def test_read_only():
    a = np.ones(2)
    a.flags.writeable = False
    with pytest.raises(BufferError):        # a library that asks for no version cannot be told
        Variable(a).__dlpack__()
    Variable(a).__dlpack__(copy=True)


def test_captured():
    f = dezero_c.capture(lambda x: Variable(np.from_dlpack(x * 2)) + x)

    def calls():
        for _ in range(3):
            f(Variable(np.ones(3)))

    with pytest.raises(dezero_c.CaptureError, match="__dlpack__"):
        calls()


def test_device():
    assert Variable(np.ones(2)).__dlpack_device__() == (1, 0)


def test_copy_false_forbids_a_copy_to_the_library():
    x = np.arange(3.0)
    assert np.shares_memory(dezero_c.from_dlpack(x, copy=False).data, x)

    class Copies:
        def __dlpack_device__(self):
            return 1, 0

        def __dlpack__(self, *, copy=None, **keywords):
            if copy is False:
                raise BufferError("always a copy")
            return x.copy().__dlpack__(**keywords)

    assert dezero_c.from_dlpack(Copies()).data.tolist() == [0, 1, 2]
    if np.lib.NumpyVersion(np.__version__) >= "2.1.0":
        with pytest.raises(BufferError, match="always a copy"):
            dezero_c.from_dlpack(Copies(), copy=False)
