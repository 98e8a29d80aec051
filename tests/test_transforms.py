"""dezero_c.transforms: values against NumPy and PIL; many examples at once give what one after the other gives."""

import copy
import pickle
import sys

import numpy as np
import pytest

from dezero_c import transforms as T

RNG = np.random.default_rng(3)
IMAGE = RNG.integers(0, 256, (3, 4, 5), dtype=np.uint8)


@pytest.fixture
def pil():
    return pytest.importorskip("PIL.Image").fromarray(np.ascontiguousarray(IMAGE.transpose(1, 2, 0)))


# ---- arrays -------------------------------------------------------------------------------------------------------

def test_compose():
    assert T.Compose()(IMAGE) is IMAGE
    assert T.Compose(None)(IMAGE) is IMAGE
    assert T.Compose((T.Flatten(), lambda x: x[:2] * 2.0))(IMAGE).tolist() == (IMAGE.ravel()[:2] * 2.0).tolist()
    parts = [T.Flatten()]
    compose = T.Compose(parts)
    parts.append(None)
    assert len(compose.transforms) == 1
    T.Compose().transforms.append(T.Flatten())
    assert T.Compose().transforms == []
    with pytest.raises(TypeError, match="cannot be called"):
        T.Compose([3])


@pytest.mark.parametrize(("transform", "dtype"), [
    (T.AsType(), np.float32), (T.ToFloat(), np.float32), (T.ToFloat(np.float64), np.float64),
    (T.ToInt(), int), (T.ToInt(np.int8), np.int8), (T.AsType("u2"), np.uint16)])
def test_dtypes(transform, dtype):
    y = transform(np.array([[1.75, -0.0], [2.0, 3.0]]))
    assert y.dtype == dtype
    assert y.tolist() == np.array([[1.75, 0], [2, 3]]).astype(dtype).tolist()
    assert transform(np.float64(2.5)).dtype == dtype
    assert T.ToFloat is T.AsType


def test_flatten():
    y = T.Flatten()(IMAGE)
    assert y.tolist() == IMAGE.ravel().tolist()
    y[:] = 0
    assert IMAGE.any()
    assert T.Flatten()(np.float32(3)).shape == (1,)


def test_normalize_by_numbers():
    for array in (IMAGE.astype(np.float32), IMAGE.astype(np.float64), IMAGE.astype(np.float16)):
        y = T.Normalize(0.5, 0.25)(array)
        assert y.dtype == array.dtype
        assert np.array_equal(y, (array - array.dtype.type(0.5)) / array.dtype.type(0.25))
    x32 = IMAGE.astype(np.float32)
    assert T.Normalize(np.float64(0.5), np.float64(2))(x32).dtype == np.float32
    assert np.array_equal(T.Normalize()(x32), x32)
    assert T.Normalize(1, 2)(np.float32(3)) == 1


def test_normalize_of_integers_does_not_wrap():
    y = T.Normalize(128, 2)(IMAGE)
    assert y.dtype == np.float64
    assert np.array_equal(y, (IMAGE.astype(float) - 128) / 2)
    y = T.Normalize([0.5, 0.4, 0.3], [0.1, 0.2, 0.3])(IMAGE)
    assert y[1, 2, 3] == (IMAGE[1, 2, 3] - 0.4) / 0.2


def test_normalize_by_channels():
    x = IMAGE.astype(np.float32)
    y = T.Normalize((1, 2, 3), [4, 5, 6])(x)
    assert y.dtype == np.float32
    for c in range(3):
        assert np.array_equal(y[c], (x[c] - np.float32(1 + c)) / np.float32(4 + c))
    assert np.array_equal(T.Normalize((0.5,), (0.25,))(x), T.Normalize(0.5, 0.25)(x))
    with pytest.raises(ValueError, match=r"mean has 2 elements.*shape \(3, 4, 5\)"):
        T.Normalize([1, 2])(x)
    with pytest.raises(ValueError, match="std has 2 elements"):
        T.Normalize(0, [1, 2])(np.float32(1))
    with pytest.raises(ValueError, match="dividing by 0"):
        T.Normalize([1, 2, 3], [1, 0, 1])
    with pytest.raises(ValueError, match="mean is a number, or one for each channel"):
        T.Normalize(np.ones((3, 1, 1)))


def test_flip_draws_one_number_for_each_image():
    np.random.seed(0)
    numbers = np.random.rand(20)
    np.random.seed(0)
    flip = T.RandomHorizontalFlip()
    for u in numbers:
        assert np.array_equal(flip(IMAGE), IMAGE[..., ::-1] if u < 0.5 else IMAGE)
    assert np.array_equal(T.RandomHorizontalFlip(1)(IMAGE[0]), IMAGE[0][:, ::-1])
    assert T.RandomHorizontalFlip(0)(IMAGE) is IMAGE
    with pytest.raises(ValueError, match="probability"):
        T.RandomHorizontalFlip(1.5)
    with pytest.raises(ValueError, match="before Flatten"):
        flip(IMAGE.ravel())


def test_crop_of_an_array():
    assert np.array_equal(T.CenterCrop((3, 2))(IMAGE), IMAGE[:, 1:3, 1:4])
    assert np.array_equal(T.CenterCrop(4)(IMAGE), IMAGE[:, :, :4])
    with pytest.raises(ValueError, match=r"5 rows of 5 do not fit.*\(3, 4, 5\)"):
        T.CenterCrop(5)(IMAGE)


def test_copies_and_pickles():
    compose = T.Compose([T.Flatten(), T.ToFloat(), T.Normalize(0.0, 255.0)])
    for other in (copy.deepcopy(compose), pickle.loads(pickle.dumps(compose))):
        assert np.array_equal(other(IMAGE), compose(IMAGE))
        assert other.transforms[2] is not compose.transforms[2]


# ---- PIL images ---------------------------------------------------------------------------------------------------

def test_images_there_and_back(pil):
    array = T.ToArray()(pil)
    assert array.dtype == np.float32
    assert np.array_equal(array, IMAGE)
    assert T.ToArray(int)(pil).dtype == int
    assert T.ToArray()(IMAGE) is IMAGE
    assert np.array_equal(np.asarray(T.ToPIL()(IMAGE)), IMAGE.transpose(1, 2, 0))
    assert np.array_equal(np.asarray(T.ToPIL()(IMAGE.astype(np.float32))), IMAGE.transpose(1, 2, 0))
    gray = T.ToPIL()(IMAGE[:1])
    assert gray.mode == "L"
    assert np.array_equal(T.ToArray()(gray), IMAGE[:1])
    assert np.array_equal(np.asarray(T.ToPIL()(IMAGE[0])), IMAGE[0])


@pytest.mark.parametrize("array", [IMAGE[:2], IMAGE[0, 0], IMAGE / 255, IMAGE.astype(int) - 300, IMAGE + 200.0,
                                   np.full((4, 4), np.nan), np.array([["a"]])])
def test_what_is_no_image(array):
    pytest.importorskip("PIL")
    with pytest.raises(ValueError, match="ToPIL: "):
        T.ToPIL()(array)


def test_convert(pil):
    assert np.array_equal(T.ToArray()(T.Convert("BGR")(pil)), IMAGE[::-1])
    assert np.array_equal(T.ToArray()(T.Convert()(pil)), IMAGE)
    assert T.Convert("L")(pil).mode == "L"
    assert np.array_equal(T.ToArray()(T.Convert("BGR")(pil.convert("RGBA"))), IMAGE[::-1])


def test_sizes(pil):
    assert T.Resize(7)(pil).size == (7, 7)
    assert T.Resize((7, 3))(pil).size == (7, 3)
    double = T.ToArray(np.uint8)(T.Resize((10, 8), mode=0)(pil))
    assert np.array_equal(double, IMAGE.repeat(2, axis=1).repeat(2, axis=2))
    assert np.array_equal(T.Resize((10, 8))(pil), np.asarray(pil.resize((10, 8), 2)))
    assert np.array_equal(T.ToArray()(T.CenterCrop((3, 2))(pil)), IMAGE[:, 1:3, 1:4])
    assert np.array_equal(T.ToArray()(T.CenterCrop((3, 3))(pil)), IMAGE[:, 0:3, 1:4])
    border = T.ToArray()(T.CenterCrop((7, 8))(pil))
    assert border.shape == (3, 8, 7)
    assert np.array_equal(border[:, 2:6, 1:6], IMAGE)
    assert border.sum() == IMAGE.sum()


def test_flip_of_an_image(pil):
    assert np.array_equal(T.ToArray()(T.RandomHorizontalFlip(1)(pil)), IMAGE[..., ::-1])
    assert T.RandomHorizontalFlip(0)(pil) is pil


@pytest.mark.parametrize("transform", [
    T.Convert(), T.Resize(3), T.CenterCrop(3), T.ToArray(), T.RandomHorizontalFlip()])
def test_other_types_are_refused(transform):
    with pytest.raises(TypeError, match=f"{type(transform).__name__}: needs a PIL image, not list"):
        transform([1, 2])


def test_without_pil(monkeypatch):
    monkeypatch.setitem(sys.modules, "PIL", None)
    with pytest.raises(ImportError, match="pip install pillow"):
        T.ToPIL()(IMAGE)


# ---- many at once -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("transform", [
    T.Compose(), T.Flatten(), T.ToFloat(), T.ToInt(), T.AsType("f2"), T.Normalize(), T.Normalize(0.5, 3),
    T.Normalize([1, 2, 3], (0.5,)), T.Compose([T.Flatten(), T.ToFloat(), T.Normalize(0.0, 255.0)]),
    T.Compose([T.Normalize(np.arange(3), 7), T.ToFloat(), T.Compose([T.Flatten()])])])
@pytest.mark.parametrize("dtype", ["u1", "f4", "f8", "i8", "?"])
def test_whole_arrays_have_the_bits_of_single_examples(transform, dtype):
    arrays = RNG.uniform(-3, 200, (6, 3, 4, 5)).clip(0).astype(dtype)
    y = T.whole(transform, arrays)
    expected = np.array([transform(a) for a in arrays])
    assert y.dtype == expected.dtype
    assert y.shape == expected.shape
    assert y.tobytes() == expected.tobytes()


@pytest.mark.parametrize("transform", [T.Flatten(), T.ToFloat(), T.Normalize(1, 3)])
def test_whole_arrays_of_numbers(transform):
    x = np.arange(5)
    y = T.whole(transform, x)
    expected = np.array([transform(a) for a in x])
    assert (y.dtype, y.shape) == (expected.dtype, expected.shape)
    assert y.tobytes() == expected.tobytes()


def test_what_is_not_known_to_work_on_whole_arrays():
    class Mine(T.Flatten):
        def __call__(self, array):
            return super().__call__(array)[:2]

    x = np.zeros((2, 3, 4))
    for f in (Mine(), T.RandomHorizontalFlip(), T.Compose([T.ToFloat(), Mine()]), T.AsType(object), T.AsType(">f4"),
              abs, T.ToArray()):
        assert T.whole(f, x) is None
