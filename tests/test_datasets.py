"""dezero_c.datasets: values recorded from DeZero, the public file formats written here, broken and hostile files."""

import copy
import gzip
import io
import os
import pickle
import struct
import sys
import tarfile
import urllib.request

import numpy as np
import pytest

from dezero_c import datasets
from dezero_c import transforms as T
from dezero_c._files import formats as _formats
from dezero_c.datasets import (
    CIFAR10,
    CIFAR100,
    MNIST,
    Dataset,
    Digits,
    ImageNet,
    Shakespear,
    SinCurve,
    Spiral,
    TinyText,
)

RNG = np.random.default_rng(5)


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    """An empty cache directory, and no network."""
    def offline(*args, **options):
        raise urllib.error.URLError("no network in tests")

    monkeypatch.setattr(urllib.request, "urlopen", offline)
    monkeypatch.setenv("DEZERO_C_DATA", str(tmp_path))
    return tmp_path


# ---- Dataset ------------------------------------------------------------------------------------------------------

class Squares(Dataset):
    def prepare(self):
        self.data = np.arange(10.0).reshape(5, 2)
        self.label = np.arange(5) ** 2


def test_single_examples():
    d = Squares()
    assert len(d) == 5
    x, t = d[1]
    assert (x.tolist(), t) == ([2, 3], 1)
    for index in (-4, np.int64(1), np.array(1), np.uint8(1)):
        assert np.array_equal(d[index][0], x)
    assert [t for _, t in d] == [0, 1, 4, 9, 16]
    d = Squares(transform=lambda x: x * 10, target_transform=str)
    assert (d[1][0].tolist(), d[1][1]) == ([20, 30], "1")
    assert d.train is True
    assert Squares(False).train is False


def test_several_examples_are_stacked():
    for d in (Squares(), Squares(transform=lambda x: x * 1.0, target_transform=lambda t: t + 0)):
        for index in ([1, -1], np.array([1, 4]), np.array([1, 4], "u8"), slice(1, None, 3),
                      np.array([False, True, False, False, True])):
            x, t = d[index]
            assert x.tolist() == [[2, 3], [8, 9]]
            assert t.tolist() == [1, 16]
        assert len(d[[]][0]) == len(d[7:][1]) == 0
    assert Squares(transform=T.Compose([T.ToFloat(), T.Flatten()]))[:2][0].dtype == np.float32


@pytest.mark.parametrize("index", [
    5, -6, [0, 5], np.array([-6, 0]), 1.0, "1", None, (0, 1), [0.5], np.ones((2, 2), int), np.array([True, False])])
def test_wrong_indices(index):
    with pytest.raises(IndexError, match="Squares: "):
        Squares()[index]


def test_without_labels_and_without_data():
    class Unlabelled(Dataset):
        def prepare(self):
            self.data = [3, 4, 5]

    assert Unlabelled()[1] == (4, None)
    assert Unlabelled()[1:][0].tolist() == [4, 5]
    assert Unlabelled()[1:][1] is None
    with pytest.raises(ValueError, match=r"Dataset has no data: its prepare\(\) must set"):
        len(Dataset())
    with pytest.raises(TypeError, match="Squares: transform must be callable"):
        Squares(transform=3)


def test_data_sets_can_be_copied():
    for d in (Squares(), Digits()):
        for other in (copy.deepcopy(d), pickle.loads(pickle.dumps(d))):
            assert np.array_equal(other[3][0], d[3][0])


# ---- made data ----------------------------------------------------------------------------------------------------

def test_spiral():
    d = Spiral()
    assert (d.data.shape, d.data.dtype) == ((300, 2), np.float32)
    assert (d.label.shape, d.label.dtype) == ((300,), int)
    first = [[-0.13981389, -0.00721657], [0.37049392, 0.5820947], [0.1374263, -0.17179643]]
    np.testing.assert_allclose(d.data[:3], first, rtol=1e-6)
    assert d.label[:5].tolist() == [1, 1, 2, 0, 1]
    assert np.random.rand() == 0.8646111339647672       # DeZero's, seeded by the data set
    d = Spiral(train=False)
    np.testing.assert_allclose(d[0][0], [0.13246453, 0.13620993], rtol=1e-6)
    assert [int(d[i][1]) for i in range(2)] == [0, 1]
    assert np.random.rand() == float.fromhex("0x1.baf6e7c0ee9f6p-2")
    x, t = datasets.get_spiral(train=False)
    assert np.array_equal(x, d.data)
    assert np.array_equal(t, d.label)
    assert np.bincount(t).tolist() == [100, 100, 100]


def test_sin_curve():
    np.random.seed(0)
    d = SinCurve()
    assert d.data.shape == d.label.shape == (999, 1)
    assert d.data.dtype == np.float64
    np.testing.assert_allclose([d[0][0], d[0][1], d[1][1]], [[0.00488135], [0.02780837], [0.02285496]], atol=1e-8)
    assert np.random.rand() == 0.5928802707811576
    np.random.seed(0)
    d = SinCurve(train=False)
    assert np.random.rand() == 0.5928802707811576
    np.testing.assert_allclose(d[0], [[1], [0.99998022]], atol=1e-8)
    assert np.array_equal(d.data[1:], d.label[:-1])


# ---- bundled data -------------------------------------------------------------------------------------------------

def test_digits():
    train, test = Digits(), Digits(train=False)
    assert (len(train), len(test)) == (1438, 359)
    assert train.data.shape == (1438, 1, 8, 8)
    assert train.data.dtype == train.label.dtype == np.uint8
    first = [0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0]
    assert train.data[0].ravel()[:16].tolist() == first
    assert train.label[:8].tolist() == [0, 1, 2, 3, 5, 6, 7, 8]      # 4 and 9, every fifth, are test's first
    assert test.label[:2].tolist() == [4, 9]
    x, t = train[0]
    assert (x.dtype, x.shape, t) == (np.float32, (64,), 0)
    assert x[:16].tolist() == [v / 16 for v in first]
    assert np.bincount(np.concatenate([train.label, test.label])).tolist() == [
        178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert max(train.data.max(), test.data.max()) == 16
    assert Digits.labels()[7] == "7"


def test_tiny_text():
    train, test = TinyText(), TinyText(False)
    assert len(train.char_to_id) == 70
    assert train.char_to_id == test.char_to_id
    assert np.array_equal(train.data[1:], train.label[:-1])
    text = "".join(train.id_to_char[i] for i in train.data) + train.id_to_char[int(train.label[-1])]
    assert text.startswith("ALICE'S ADVENTURES IN WONDERLAND\n\nLewis Carroll\n")
    text += "".join(test.id_to_char[i] for i in test.data) + test.id_to_char[int(test.label[-1])]
    assert len(text) == 148_381
    assert text.endswith("THE END\n")
    assert train.data[0] == 0
    assert train[0][0].dtype == np.int64


def test_bundled_files_are_small_and_attributed():
    folder = os.path.dirname(datasets.__file__) + "/data/"
    assert sum(os.path.getsize(folder + name) for name in os.listdir(folder)) < 150_000
    with open(folder + "README.txt", encoding="ascii") as file:
        text = file.read()
    assert "CC BY 4.0" in text
    assert "Alpaydin" in text


# ---- MNIST --------------------------------------------------------------------------------------------------------

def idx(array):
    array = np.asarray(array, np.uint8)
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


IMAGES = {"train": RNG.integers(0, 256, (12, 28, 28), dtype=np.uint8), "t10k": RNG.integers(0, 256, (5, 28, 28), "u1")}
LABELS = {"train": np.arange(12) % 10, "t10k": np.arange(5)[::-1]}


@pytest.fixture
def mnist(cache):
    for part in ("train", "t10k"):
        (cache / f"{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES[part])))
        (cache / f"{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS[part])))
    return cache


@pytest.mark.parametrize(("train", "part"), [(True, "train"), (False, "t10k")])
def test_mnist(mnist, train, part):
    d = MNIST(train=train)
    assert np.array_equal(d.data, IMAGES[part][:, np.newaxis])
    assert np.array_equal(d.label, LABELS[part])
    assert d.data.dtype == d.label.dtype == np.uint8
    x, _ = d[2]
    assert (x.dtype, x.shape) == (np.float32, (784,))
    assert np.array_equal(x, IMAGES[part][2].ravel().astype(np.float32) / np.float32(255))
    assert MNIST(train, transform=None)[2][0].shape == (1, 28, 28)
    assert d.labels() == {i: str(i) for i in range(10)}
    d.data[0] = 0       # it may be changed


def test_files_without_gzip_are_read_too(mnist):
    (mnist / "train-images-idx3-ubyte.gz").write_bytes(idx(IMAGES["train"]))
    assert np.array_equal(MNIST().data[:, 0], IMAGES["train"])


def test_transforms_are_not_shared(mnist):
    a, b = MNIST(), MNIST()
    a.transform.transforms.clear()
    a.target_transform = None
    assert b[0][0].shape == MNIST()[0][0].shape == (784,)
    assert b.transform is not datasets.MNIST.__init__.__defaults__[1]


def compressed(content):
    return gzip.compress(content, mtime=0)     # no time of day in the name of a test


WHOLE = idx(IMAGES["train"])
ZIPPED = compressed(WHOLE)


@pytest.mark.parametrize(("content", "why"), [
    (b"", "begins with the bytes b''"),
    (b"<html>404 not found</html>", "begins with the bytes b'<htm'"),
    (ZIPPED[:300], "end-of-stream"),
    (ZIPPED[:60] + b"\xff\xff\xff" + ZIPPED[63:], ""),
    (ZIPPED[:-8] + b"\0\0\0\0" + ZIPPED[-4:], "CRC"),
    (compressed(WHOLE[:10]), "ends within its header"),
    (compressed(WHOLE[:-1]), "ends after 9407 of 9408 bytes"),
    (compressed(WHOLE + b"x"), "something follows its 9408 bytes"),
    (compressed(idx(LABELS["train"])), "1 dimension; have two files been swapped"),
    (compressed(struct.pack(">4I", 2051, 2**32 - 1, 2**32 - 1, 2**32 - 1)), "claims to hold"),
    (compressed(struct.pack(">4I", 2051, 0, 2**32 - 1, 2**32 - 1)), "claims to hold"),
    (compressed(b"\0\0\x0d" + WHOLE[3:]), "begins with"),
])
def test_broken_images(mnist, content, why):
    path = mnist / "train-images-idx3-ubyte.gz"
    path.write_bytes(content)
    with pytest.raises(ValueError, match="is damaged") as error:
        MNIST()
    text = str(error.value)
    assert text.startswith(str(path))
    assert why in text
    assert "delete it" in text


def test_images_and_labels_that_do_not_belong_together(mnist):
    (mnist / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS["t10k"])))
    with pytest.raises(ValueError, match="12 images and 5 labels do not belong together"):
        MNIST()
    (mnist / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS["t10k"][:0])))
    (mnist / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES["t10k"][:0])))
    with pytest.raises(ValueError, match="no images in it"):
        MNIST()


@pytest.mark.parametrize("make", [MNIST, CIFAR10, CIFAR100, Shakespear, ImageNet.labels])
def test_offline(cache, make, capsys):
    with pytest.raises(ConnectionError, match=r"no network in tests.*by hand at ") as error:
        make()
    assert str(cache) in str(error.value)


# ---- CIFAR --------------------------------------------------------------------------------------------------------

def archive(path, members, mode="w:gz"):
    with tarfile.open(path, mode) as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def batch(n=3, first=0):
    return {b"batch_label": b"one", b"labels": [(first + i) % 10 for i in range(n)],
            b"data": RNG.integers(0, 256, (n, 3072), dtype=np.uint8), b"filenames": [b"x.png"] * n}


@pytest.mark.parametrize("protocol", range(6))
def test_cifar10(cache, protocol):
    batches = [batch(3 + i, i) for i in range(6)]
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch"]
    members = {f"cifar-10-batches-py/{name}": pickle.dumps(b, protocol)
               for name, b in zip(names, batches, strict=True)}
    shuffled = dict(reversed(members.items()))
    archive(cache / "cifar-10-python.tar.gz", {"cifar-10-batches-py/readme.html": b"?", **shuffled})
    d = CIFAR10()
    assert (d.data.shape, d.data.dtype, d.label.dtype) == ((25, 3, 32, 32), np.uint8, np.int64)
    assert np.array_equal(d.data.reshape(25, -1), np.concatenate([b[b"data"] for b in batches[:5]]))
    assert d.label.tolist() == [label for b in batches[:5] for label in b[b"labels"]]
    x, t = d[3]
    assert (x.dtype, x.shape, t) == (np.float32, (3, 32, 32), 1)
    assert np.array_equal(x, (d.data[3].astype(np.float32) - np.float32(0.5)) / np.float32(0.5))
    test = CIFAR10(train=False)
    assert np.array_equal(test.data.reshape(8, -1), batches[5][b"data"])
    assert CIFAR10.labels()[0] == "airplane"
    path = str(cache / "cifar-10-python.tar.gz")
    assert np.array_equal(d._load_data(path, 2), batches[1][b"data"])
    assert d._load_label(path, 5, "test").tolist() == batches[5][b"labels"]
    d.data[0] = 0


# {'data': array([[1, 2]], dtype=uint8), 'labels': [7]} as Python 2 pickles it, which is how the archives were written
PYTHON2 = (b"\x80\x02}q\x01(U\x06labelsq\x02]q\x03K\x07aU\x04dataq\x04cnumpy.core.multiarray\n_reconstruct\nq\x05"
           b"cnumpy\nndarray\nq\x06K\x00\x85U\x01b\x87Rq\x07(K\x01K\x01K\x02\x86cnumpy\ndtype\nq\x08U\x02u1K\x00K\x01\x87R"
           b"q\t(K\x03U\x01|NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89U\x02\x01\x02tbu.")


def test_pickles_of_python_2():
    found = _formats._unpickle(PYTHON2)
    assert found["labels"] == [7]
    assert found["data"].dtype == np.uint8
    assert found["data"].tolist() == [[1, 2]]


def test_arrays_of_a_pickle():
    arrays = {"f": np.asfortranarray(np.arange(6.0).reshape(2, 3)), "b": np.arange(3, dtype=">i4"),
              "s": np.float32(2.5), "e": np.zeros((0, 3)), "k": np.arange(24).reshape(2, 3, 4)[:, ::2]}
    for protocol in range(6):
        found = _formats._unpickle(pickle.dumps(arrays, protocol))
        for name, array in arrays.items():
            assert np.array_equal(found[name], array)


def test_cifar100(cache):
    def part(n):
        return {b"fine_labels": [99 - i for i in range(n)], b"coarse_labels": [19 - i for i in range(n)],
                b"data": RNG.integers(0, 256, (n, 3072), dtype=np.uint8)}

    train, test = part(4), part(2)
    members = {"meta": b"?", "train": pickle.dumps(train), "test": pickle.dumps(test)}
    archive(cache / "cifar-100-python.tar.gz", {f"cifar-100-python/{name}": m for name, m in members.items()})
    assert CIFAR100().label.tolist() == [99, 98, 97, 96]
    d = CIFAR100(label_type="coarse")       # after the fine ones
    assert d.label.tolist() == [19, 18, 17, 16]
    assert np.array_equal(d.data.reshape(4, -1), train[b"data"])
    assert np.array_equal(CIFAR100(train=False).data.reshape(2, -1), test[b"data"])
    path = str(cache / "cifar-100-python.tar.gz")
    assert np.array_equal(d._load_data(path, "test"), test[b"data"])
    assert d._load_label(path).tolist() == [19, 18, 17, 16]
    fine, coarse = CIFAR100.labels(), CIFAR100.labels("coarse")
    assert (len(fine), len(set(fine.values())), fine[0], fine[99]) == (100, 100, "apple", "worm")
    assert list(fine.values()) == sorted(fine.values())
    assert (len(coarse), coarse[0], coarse[19]) == (20, "aquatic mammals", "vehicles 2")
    for make in (CIFAR100, CIFAR100.labels):
        with pytest.raises(ValueError, match="'fine' or 'coarse', not 'raw'"):
            make(label_type="raw")


CALLED = []


class Evil:
    def __init__(self, *call):
        self.call = call

    def __reduce__(self):
        return self.call


def swap(**changes):
    return {key.encode(): changes.get(key, batch()[key.encode()]) for key in ("data", "labels")}


def opcodes(text):
    return text.encode("latin1")


@pytest.mark.parametrize(("content", "why"), [
    (pickle.dumps({b"data": Evil(CALLED.append, (1,))}), "asks for builtins.getattr"),
    (pickle.dumps({b"data": Evil(os.system, ("exit 1",))}), "asks for "),
    (pickle.dumps({b"data": Evil(eval, ("CALLED.append(1)",))}), "asks for builtins.eval"),
    (opcodes("cos\nsystem\n(S'exit 1'\ntR."), "asks for os.system"),
    (opcodes("c_codecs\nencode\n(X\x01\x00\x00\x00aX\x05\x00\x00\x00rot13tR."), "encodes text as 'rot13'"),
    (opcodes("c_codecs\nencode\n}S'__call__'\nNsb."), "sets the state"),
    (opcodes("cnumpy\ndtype\n(S'O8'\nI0\nI1\ntR."), "dtype 'O8'"),
    (pickle.dumps({b"data": np.array([{}, 2])}), "dtype 'O8'"),
    (pickle.dumps([1, 2]), "holds no dict but list"),
    (pickle.dumps(batch())[:-50], "cannot be read"),
    (b"", "cannot be read"),
    (b"\x80\x04\x8c\xff nonsense", "cannot be read"),
    (PYTHON2.replace(b"U\x02\x01\x02tbu.", b"U\x01\x01tbu."), "has not as many bytes"),
    (pickle.dumps({b"labels": [1]}), "it has no data"),
    (pickle.dumps({b"data": batch()[b"data"]}), "it has no labels"),
    (pickle.dumps(swap(labels=[1])), "3 images, and labels of shape (1,)"),
    (pickle.dumps(swap(labels=[[1], [2, 3], []])), "inhomogeneous"),
    (pickle.dumps(swap(labels=[b"a", b"b", b"c"])), "dtype |S1"),
    (pickle.dumps(swap(data=np.zeros((3, 7), np.uint8))), "shape (3, 7) and dtype uint8"),
    (pickle.dumps(swap(data=np.zeros((3, 3072)))), "dtype float64"),
    (pickle.dumps(swap(data=5)), "shape ()"),
])
def test_hostile_and_broken_pickles(cache, content, why):
    path = cache / "cifar-10-python.tar.gz"
    archive(path, {"cifar-10-batches-py/test_batch": content})
    with pytest.raises(ValueError, match="is damaged") as error:
        CIFAR10(train=False)
    assert str(error.value).startswith(str(path))
    assert why in str(error.value)
    assert CALLED == []


def test_broken_archives(cache):
    path = cache / "cifar-10-python.tar.gz"
    archive(path, {"x/test_batch": pickle.dumps(batch(20))})
    whole = path.read_bytes()
    changed = whole[:30_000] + bytes(200) + whole[30_200:]
    for content in (b"", b"<html>", whole[:20_000], whole[:-4], changed, gzip.compress(b"no tar")):
        path.write_bytes(content)
        with pytest.raises(ValueError, match="is damaged") as error:
            CIFAR10(train=False)
        assert str(error.value).startswith(str(path))
    path.write_bytes(whole)
    with pytest.raises(ValueError, match=r"data_batch_1, data_batch_2, .* are not in it"):
        CIFAR10()
    archive(path, {"x/test_batch": pickle.dumps(batch(4))}, "w")       # unpacked by hand
    assert len(CIFAR10(train=False)) == 4


def test_a_directory_in_the_place_of_a_file(cache):
    (cache / "cifar-10-python.tar.gz").mkdir()
    with pytest.raises(OSError, match="is not a file"):
        CIFAR10()


# ---- text, labels, caches -----------------------------------------------------------------------------------------

def test_shakespeare(cache):
    (cache / "shakespear.txt").write_bytes(b"hello world\r\nTo be")
    d = datasets.Shakespeare()
    assert isinstance(d, Shakespear)
    assert d.data.tolist() == [0, 1, 2, 2, 3, 4, 5, 3, 6, 2, 7, 8, 9, 3, 4, 10]
    assert d.label.tolist() == [1, 2, 2, 3, 4, 5, 3, 6, 2, 7, 8, 9, 3, 4, 10, 1]
    assert d.data.dtype == np.int64
    assert d.char_to_id == {"h": 0, "e": 1, "l": 2, "o": 3, " ": 4, "w": 5, "r": 6, "d": 7, "\n": 8, "T": 9, "b": 10}
    assert d.id_to_char[9] == "T"
    assert d[0] == (0, 1)
    for content in (b"", b"x", b"\xff\xfe\xfd", gzip.compress(b"hello")[:-4]):
        (cache / "shakespear.txt").write_bytes(content)
        with pytest.raises(ValueError, match=r"shakespear\.txt is no text, or is damaged"):
            Shakespear()


def test_imagenet_labels_are_not_evaluated(cache):
    path = cache / "imagenet1000_clsidx_to_labels.txt"
    path.write_text("{0: 'tench, Tinca tinca',\n 1: \"b's\"}\n")
    assert ImageNet.labels() == {0: "tench, Tinca tinca", 1: "b's"}
    evil = "{0: __import__('os').system('exit 1')}"
    for content in (evil, "[1, 2]", "{'a': 'b'}", "{0: 1}", "{0: 'a'", "(" * 100_000):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"imagenet.*is damaged.*delete it"):
            ImageNet.labels()
    with pytest.raises(NotImplementedError, match=r"ImageNet\.labels\(\)"):
        ImageNet()


def test_cached_arrays(cache, capsys):
    x, t = np.arange(6.0).reshape(3, 2), np.arange(3)
    assert datasets.load_cache_npz("a/b.tar.gz", train=True) == (None, None)
    path = datasets.save_cache_npz(x, t, "a/b.tar.gz", train=True)
    assert path == str(cache / "b.tar.gz.train.npz")
    assert capsys.readouterr().out == "Saving: b.tar.gz.train.npz\n Done\n"
    assert datasets.save_cache_npz(x * 2, t, "b.tar.gz", True) == path
    assert capsys.readouterr().out == ""
    data, label = datasets.load_cache_npz("b.tar.gz", train=True)
    assert np.array_equal(data, x)
    assert np.array_equal(label, t)
    assert datasets.load_cache_npz("b.tar.gz") == (None, None)
    with pytest.raises(ValueError, match="arrays of objects"):
        datasets.save_cache_npz([{}], t, "c")
    assert sorted(os.listdir(cache)) == ["b.tar.gz.train.npz"]


def test_broken_caches(cache):
    np.savez_compressed(cache / "a.test.npz", data=np.arange(1000), label=np.arange(1000))
    whole = (cache / "a.test.npz").read_bytes()
    np.savez(cache / "b.test.npz", data=np.array([Evil(os.system, ("exit 1",))], object), label=np.zeros(1))
    np.savez(cache / "c.test.npz", data=np.zeros(1))
    (cache / "d.test.npz").write_bytes(whole[:-30])
    (cache / "e.test.npz").write_bytes(whole[:200] + b"????" + whole[204:])
    (cache / "f.test.npz").write_bytes(b"")
    (cache / "g.test.npz").write_bytes(pickle.dumps({"data": 1}))
    for name in "bcdefg":
        with pytest.raises(ValueError, match=rf"{name}\.test\.npz is no cache .*delete it"):
            datasets.load_cache_npz(name)


def test_a_full_disk_leaves_no_cache(cache, monkeypatch):
    def full(file, **arrays):
        file.write(b"begun")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "savez_compressed", full)
    with pytest.raises(OSError, match="No space"):
        datasets.save_cache_npz([1], [2], "a")
    assert os.listdir(cache) == []


# ---- show ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("make", "shape"), [(Digits, (24, 16)), (MNIST, (84, 56)), (CIFAR10, (96, 64, 3))])
def test_show(mnist, monkeypatch, make, shape):
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    archive(mnist / "cifar-10-python.tar.gz", {f"data_batch_{i}": pickle.dumps(batch()) for i in range(1, 6)})
    d = make()
    shown = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(plt.gca().images[0].get_array()))
    np.random.seed(0)
    d.show(3, 2)
    plt.close("all")
    assert shown[0].shape == shape
    image = d.data[np.random.RandomState(0).randint(0, len(d) - 1)]
    height, width = image.shape[1:]
    assert np.array_equal(shown[0][:height, :width], image[0] if len(image) == 1 else image.transpose(1, 2, 0))


def test_show_without_matplotlib(monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)
    with pytest.raises(ImportError, match="show needs matplotlib"):
        Digits().show()
