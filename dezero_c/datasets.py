"""Data sets: pairs of an example and its label, by index.

Made ones (Spiral, SinCurve), bundled ones that need no network (Digits, TinyText), and public ones that are downloaded
into the cache directory when they are first used. How files are read is _files/formats.py, how they come is _files/download.py;
batches are the data loaders'.
"""

from __future__ import annotations

import copy
import operator
import os
from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _later
from dezero_c._files import formats as _formats
from dezero_c._files.download import cache_dir, data_dir, get_file
from dezero_c._inputs import LIMIT, array_of, check_order, pairs_of
from dezero_c.transforms import Compose, Flatten, Normalize, ToFloat, plain, whole

if TYPE_CHECKING:
    import gzip
    import pickle
    import tarfile
    from collections.abc import Callable
    from typing import Any, TypeAlias

    import matplotlib.pyplot as plt
    from numpy.typing import ArrayLike, NDArray

    Transform: TypeAlias = Callable[[Any], Any]
else:
    __getattr__, __dir__ = _later.modules(__name__, {
        "gzip": "gzip", "pickle": "pickle", "plt": "matplotlib.pyplot", "tarfile": "tarfile"})

__all__ = [
    "CIFAR10", "CIFAR100", "MNIST", "Arrays", "Compose", "Dataset", "Digits", "Flatten", "ImageNet", "Normalize",
    "Shakespear", "Shakespeare", "SinCurve", "Spiral", "TinyText", "ToFloat", "cache_dir", "get_file", "get_spiral", "gzip",
    "load_cache_npz", "np", "os", "pickle", "plt", "save_cache_npz", "tarfile",
]


def _same(x: Any) -> Any:
    return x


# What signatures show. A data set gets a copy, so that nobody who changes its transform changes another's.
_IMAGE = Compose([Flatten(), ToFloat(), Normalize(0.0, 255.0)])
_CIFAR = Compose([ToFloat(), Normalize(mean=0.5, std=0.5)])
_DIGIT = Compose([Flatten(), ToFloat(), Normalize(0.0, 16.0)])


class Dataset:
    """Examples by index. A subclass fills `data` and, where there are labels, `label` in `prepare`, or overrides
    `__getitem__` and `__len__` for data that do not fit into memory.

    train: which of the two parts of a data set it is; kept as an attribute. transform, target_transform: what is done
    to an example and to a label when it is taken out; None for nothing.
    """

    def __init__(self, train: bool = True, transform: Transform | None = None,
                 target_transform: Transform | None = None) -> None:
        for name, f in (("transform", transform), ("target_transform", target_transform)):
            if f is not None and not callable(f):
                raise TypeError(f"{type(self).__name__}: {name} must be callable, such as a transforms.Compose, not "
                                f"{f!r}")
        self.train = train
        self.transform = _same if transform is None else transform
        self.target_transform = _same if target_transform is None else target_transform
        self.data: Any = None
        self.label: Any = None
        self.prepare()

    def prepare(self) -> None:
        """Fills `data` and `label`; called once, by the constructor."""

    def _checked_data(self) -> Any:
        if self.data is None:
            raise ValueError(f"{type(self).__name__} has no data: its prepare() must set self.data, or the class "
                             "override __getitem__ and __len__")
        return self.data

    def __len__(self) -> int:
        return len(self._checked_data())

    def __getitem__(self, index: Any) -> tuple[Any, Any]:
        """The pair (example, label), the label being None where there are none.

        index: an int, negative ones counting from the end. A slice, a list or an array of ints, or an array of bools
        gives arrays of examples and of labels, stacked along a new first axis. Raises IndexError out of range.
        """
        if isinstance(index, slice):
            return self._stacked(np.arange(len(self))[index])
        if isinstance(index, list) or (isinstance(index, np.ndarray) and index.ndim):
            return self._stacked(self._places(index))
        data = self._checked_data()
        try:
            i = operator.index(index)
        except TypeError:
            raise IndexError(f"{type(self).__name__}: {index!r} is no index; give an int, a slice, or an array of "
                             "ints") from None
        if not -len(data) <= i < len(data):
            raise IndexError(f"{type(self).__name__}: there is no example {i}; there are {len(data)}")
        return self.transform(data[i]), None if self.label is None else self.target_transform(self.label[i])

    def _places(self, index: Any) -> NDArray[np.intp]:
        index = np.asarray(index)
        if index.size == 0:
            return np.zeros(0, np.intp)
        if index.dtype == bool and index.shape == (len(self),):
            return np.flatnonzero(index)
        if index.ndim != 1 or index.dtype.kind not in "iu":
            raise IndexError(f"{type(self).__name__}: examples are chosen by one dimension of ints, or by {len(self)} "
                             f"bools, not by an array of shape {index.shape} and dtype {index.dtype}")
        worst = index.max() if index.max() >= len(self) else index.min()
        if not -len(self) <= worst < len(self):
            raise IndexError(f"{type(self).__name__}: there is no example {worst}; there are {len(self)}")
        return index.astype(np.intp)

    def _stacked(self, index: NDArray[np.intp]) -> tuple[Any, Any]:
        """The examples and labels at these places as arrays; (array, None) without labels."""
        xs = self._taken(self.data, self.transform, index)
        ts = None if self.label is None else self._taken(self.label, self.target_transform, index)
        if xs is not None and (ts is not None or self.label is None):
            return xs, ts
        # One after the other, example before label: a transform may draw random numbers.
        pairs = [self[int(i)] for i in index]
        return np.array([x for x, _ in pairs]), None if self.label is None else np.array([t for _, t in pairs])

    @staticmethod
    def _taken(values: Any, transform: Transform, index: NDArray[np.intp]) -> NDArray[Any] | None:
        """`transform` of all values at these places at once, or None where that is not known to give the same."""
        if type(values) is not np.ndarray or values.ndim == 0 or not plain(values.dtype):
            return None
        rows = values.take(index, axis=0)
        return rows if transform is _same else whole(transform, rows)


# ---- data of one's own ----------------------------------------------------------------------------------------------

def _of_picture(transform: Transform) -> Transform:
    """The transform, given float32 from 0 to 1 of a picture's bytes."""
    return Compose([ToFloat(), Normalize(0.0, 255.0), *([] if transform is _same else [transform])])


class Arrays(Dataset):
    """Examples and labels that are in memory: arrays, Variables, pandas tables and columns, lists, iterators, pictures.

    x: the examples, along the first axis. t: the labels, as many, or None for none. Either may be an ndarray or a Variable, which
    is not copied; a DataFrame, of shape (rows, columns), or a Series, of shape (rows,), in NumPy's dtype of its numbers; a list
    of numbers or arrays of one shape; or an iterator, which is read to its end here. x alone may be an iterator of pairs
    (example, label), such as `zip(xs, ts)`.

    Pictures are a list of Pillow's, of one size and mode, 'RGB' or 'L', for x also a list of paths of such. `data` is uint8 of
    shape (pictures, channels, height, width), as MNIST's; examples, and what transform is given, are float32 from 0 to 1. How a
    camera was held (EXIF) is not looked at.

    transform, target_transform: what is done to an example and to a label when it is taken out; None for nothing. limit: how many
    examples an iterator may give.

    Raises TypeError for what is no numbers, such as a column of text, which it names; ValueError for missing values in tables
    (nan in an ndarray is a number), for shapes or pictures that differ, for lengths that differ, for two tables with the same
    index in another order, and for an iterator beyond the limit; FileNotFoundError for a path without a file.
    """

    def __init__(self, x: Any, t: Any = None, transform: Transform | None = None,
                 target_transform: Transform | None = None, limit: int = LIMIT) -> None:
        super().__init__(transform=transform, target_transform=target_transform)
        self._fill(x, t, type(self).__name__, limit)

    @classmethod
    def _of(cls, x: Any, t: Any, who: str) -> Arrays:
        """The same, with another name in messages."""
        self = cls.__new__(cls)
        Dataset.__init__(self)
        self._fill(x, t, who, LIMIT)
        return self

    def _fill(self, x: Any, t: Any, who: str, limit: int) -> None:
        if t is None:
            x, t = pairs_of(x, f"{who}: x", limit)
        self.data, pictures = array_of(x, f"{who}: x", limit=limit)
        if pictures:
            self.transform = _of_picture(self.transform)
        if t is not None:
            check_order([("x", x), ("t", t)], who)
            self.label, pictures = array_of(t, f"{who}: t", True, limit)
            if pictures:
                self.target_transform = _of_picture(self.target_transform)
        if not self.data.ndim or (t is not None and (not self.label.ndim or len(self.label) != len(self.data))):
            what = ("; it must have an axis of examples, the first" if t is None else
                    f" and t of shape {self.label.shape}; both must have an axis of examples, the first, of the same length")
            raise ValueError(f"{who} has x of shape {self.data.shape}{what}")


# ---- made data ----------------------------------------------------------------------------------------------------

def get_spiral(train: bool = True) -> tuple[NDArray[np.float32], NDArray[np.int_]]:
    """Three arms of a spiral, 100 points each, in random order.

    Returns x, float32 of shape (300, 2), and t, ints of shape (300,), which name the arm. It seeds the global
    `np.random`, with 1984 for training and 2020 for test, as DeZero's does.
    """
    np.random.seed(1984 if train else 2020)
    arms, points = 3, 100
    radius = np.tile(np.arange(points) / points, arms)
    arm = np.repeat(np.arange(arms), points)
    angle = arm * 4.0 + 4.0 * radius + np.random.randn(arms * points) * 0.2
    x = np.stack([radius * np.sin(angle), radius * np.cos(angle)], axis=1).astype(np.float32)
    order = np.random.permutation(arms * points)
    return x[order], arm.astype(np.int_)[order]


class Spiral(Dataset):
    """`get_spiral`: 300 points in the plane that belong to three classes."""

    def prepare(self) -> None:
        self.data, self.label = get_spiral(self.train)


class SinCurve(Dataset):
    """A curve, 999 steps of it: an example is its value at one point, of shape (1,), the label the value at the next
    one.

    A sine with noise from the global `np.random` for training, a cosine without it for test; float64.
    """

    def prepare(self) -> None:
        x = np.linspace(0, 2 * np.pi, 1000)
        noise = np.random.uniform(-0.05, 0.05, x.shape)     # drawn for test as well: DeZero's random numbers
        y = np.sin(x) + noise if self.train else np.cos(x)
        self.data, self.label = y[:-1, np.newaxis], y[1:, np.newaxis]


# ---- images -------------------------------------------------------------------------------------------------------

def _paired(data: NDArray[Any], label: NDArray[Any], where: str) -> tuple[NDArray[Any], NDArray[Any]]:
    if len(data) != len(label):
        raise ValueError(f"{where}: {len(data)} images and {len(label)} labels do not belong together; delete the "
                         "files, so that they are downloaded again")
    if len(data) == 0:
        raise ValueError(f"{where}: there are no images in it; delete it, so that it is downloaded again")
    return data, label


def _show(data: NDArray[Any], row: int, col: int, gray: bool) -> None:
    try:
        import matplotlib.pyplot as plt
    except ImportError as error:
        raise ImportError("show needs matplotlib: pip install matplotlib") from error
    channels, height, width = data.shape[1:]
    sheet = np.zeros((channels, row * height, col * width), data.dtype)
    for r in range(row):
        for c in range(col):
            # the last image is never drawn: DeZero's random numbers
            image = data[np.random.randint(0, max(len(data) - 1, 1))]
            sheet[:, r * height:(r + 1) * height, c * width:(c + 1) * width] = image
    plt.imshow(sheet[0] if gray else sheet.transpose(1, 2, 0), cmap="gray" if gray else None, interpolation="nearest")
    plt.axis("off")
    plt.show()


class MNIST(Dataset):
    """Handwritten digits: 60,000 images for training and 10,000 for test.

    data: uint8 of shape (N, 1, 28, 28); label: uint8, 0 to 9. The default transform gives float32 examples of shape
    (784,), 0 to 1. The files (idx, compressed by gzip) are `train-images-idx3-ubyte.gz` and so on in the cache
    directory, whatever data set they hold; without them the original is downloaded. Raises ValueError where one is
    damaged.
    """

    def __init__(self, train: bool = True, transform: Transform | None = _IMAGE,
                 target_transform: Transform | None = None) -> None:
        super().__init__(train, copy.deepcopy(_IMAGE) if transform is _IMAGE else transform, target_transform)

    def prepare(self) -> None:
        url = "http://yann.lecun.com/exdb/mnist/" + ("train" if self.train else "t10k")
        images, labels = get_file(url + "-images-idx3-ubyte.gz"), get_file(url + "-labels-idx1-ubyte.gz")
        self.data, self.label = _paired(self._load_data(images), self._load_label(labels), f"{images} and {labels}")

    def _load_data(self, filepath: str) -> NDArray[Any]:
        return _formats.read_idx(filepath, 3)[:, np.newaxis]

    def _load_label(self, filepath: str) -> NDArray[Any]:
        return _formats.read_idx(filepath, 1)

    def show(self, row: int = 10, col: int = 10) -> None:
        """Shows row * col images, chosen by the global `np.random`, by matplotlib."""
        _show(self.data, row, col, gray=True)

    @staticmethod
    def labels() -> dict[int, str]:
        """{label: its name}"""
        return {i: str(i) for i in range(10)}


class Digits(Dataset):
    """Handwritten digits that come with dezero_c: 1,438 images for training and 359 for test.

    data: uint8 of shape (N, 1, 8, 8), 0 to 16; label: uint8, 0 to 9. The default transform gives float32 examples of
    shape (64,), 0 to 1. Of the 1,797 images, in their original order, every fifth (from the fifth on) is for test: all
    writers are in both parts.

    Source: E. Alpaydin and C. Kaynak (1998), Optical Recognition of Handwritten Digits, UCI Machine Learning
    Repository, https://doi.org/10.24432/C50P49, under CC BY 4.0; the test set of that collection
    (dezero_c/data/README.txt).
    """

    def __init__(self, train: bool = True, transform: Transform | None = _DIGIT,
                 target_transform: Transform | None = None) -> None:
        super().__init__(train, copy.deepcopy(_DIGIT) if transform is _DIGIT else transform, target_transform)

    def prepare(self) -> None:
        part = np.arange(1797) % 5 != 4 if self.train else slice(4, None, 5)
        self.data = _formats.read_idx(_bundled("digits-images-idx3-ubyte.gz"), 3)[part, np.newaxis]
        self.label = _formats.read_idx(_bundled("digits-labels-idx1-ubyte.gz"), 1)[part]

    show = MNIST.show
    labels = staticmethod(MNIST.labels)


def _bundled(name: str) -> str:
    return os.path.join(os.path.dirname(__file__), "data", name)


def _cifar_part(found: dict[str, Any], label_key: str, path: str) -> tuple[NDArray[Any], NDArray[Any]]:
    """The images and labels of one pickled dict of CIFAR: uint8 of shape (N, 3, 32, 32), int64 of shape (N,)."""
    data, label = found.get("data"), found.get(label_key)
    if data is None or label is None:
        raise _formats.damaged(path, f"it has no {'data' if data is None else label_key}", "archive of CIFAR")
    try:
        data, label = np.asarray(data), np.asarray(label)
    except ValueError as error:
        raise _formats.damaged(path, error, "archive of CIFAR") from error
    if data.ndim != 2 or data.shape[1] != 3072 or data.dtype != np.uint8:
        raise _formats.damaged(path, f"its images are an array of shape {data.shape} and dtype {data.dtype} instead of "
                                     "(N, 3072) and uint8", "archive of CIFAR")
    if label.shape != (len(data),) or label.dtype.kind not in "iu":
        raise _formats.damaged(path, f"it has {len(data)} images, and labels of shape {label.shape} and dtype "
                                     f"{label.dtype}",
                               "archive of CIFAR")
    return data.reshape(-1, 3, 32, 32), label.astype(np.int64)


class CIFAR10(Dataset):
    """Colour images of ten kinds of things: 50,000 for training and 10,000 for test.

    data: uint8 of shape (N, 3, 32, 32); label: int64, 0 to 9. The default transform gives float32, (data - 0.5) / 0.5
    as in DeZero. The file is `cifar-10-python.tar.gz` in the cache directory, downloaded if it is not there; reading it
    executes nothing. Raises ValueError where it is damaged.
    """

    _url = "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz"

    def __init__(self, train: bool = True, transform: Transform | None = _CIFAR,
                 target_transform: Transform | None = None) -> None:
        super().__init__(train, copy.deepcopy(_CIFAR) if transform is _CIFAR else transform, target_transform)

    def _members(self) -> list[str]:
        return [f"data_batch_{i}" for i in range(1, 6)] if self.train else ["test_batch"]

    def _label_key(self) -> str:
        return "labels"

    def prepare(self) -> None:
        path = get_file(self._url)
        parts = [_cifar_part(found, self._label_key(), path) for found in _formats.read_archive(path, self._members())]
        self.data, self.label = _paired(np.concatenate([data for data, _ in parts]),
                                        np.concatenate([label for _, label in parts]), path)

    def _load_data(self, filename: str, idx: Any, data_type: str = "train") -> NDArray[Any]:
        return self._load_part(filename, idx, data_type)[0].reshape(-1, 3072)

    def _load_label(self, filename: str, idx: Any, data_type: str = "train") -> NDArray[Any]:
        return self._load_part(filename, idx, data_type)[1]

    def _load_part(self, filename: str, idx: Any, data_type: str) -> tuple[NDArray[Any], NDArray[Any]]:
        member = f"data_batch_{idx}" if data_type == "train" else "test_batch"
        return _cifar_part(_formats.read_archive(filename, [member])[0], self._label_key(), filename)

    def show(self, row: int = 10, col: int = 10) -> None:
        """Shows row * col images, chosen by the global `np.random`, by matplotlib."""
        _show(self.data, row, col, gray=False)

    @staticmethod
    def labels() -> dict[int, str]:
        """{label: its name}"""
        names = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]
        return dict(enumerate(names))


_FINE = """apple, aquarium fish, baby, bear, beaver, bed, bee, beetle, bicycle, bottle, bowl, boy, bridge, bus,
butterfly, camel, can, castle, caterpillar, cattle, chair, chimpanzee, clock, cloud, cockroach, couch, crab,
crocodile, cup, dinosaur, dolphin, elephant, flatfish, forest, fox, girl, hamster, house, kangaroo, keyboard, lamp,
lawn mower, leopard, lion, lizard, lobster, man, maple tree, motorcycle, mountain, mouse, mushroom, oak tree, orange,
orchid, otter, palm tree, pear, pickup truck, pine tree, plain, plate, poppy, porcupine, possum, rabbit, raccoon, ray,
road, rocket, rose, sea, seal, shark, shrew, skunk, skyscraper, snail, snake, spider, squirrel, streetcar, sunflower,
sweet pepper, table, tank, telephone, television, tiger, tractor, train, trout, tulip, turtle, wardrobe, whale, willow
tree, wolf, woman, worm"""

_COARSE = """aquatic mammals, fish, flowers, food containers, fruit and vegetables, household electrical device,
household furniture, insects, large carnivores, large man-made outdoor things, large natural outdoor scenes, large
omnivores and herbivores, medium-sized mammals, non-insect invertebrates, people, reptiles, small mammals, trees,
vehicles 1, vehicles 2"""


class CIFAR100(CIFAR10):
    """As CIFAR10, with a hundred kinds of things (label_type='fine') in twenty groups (label_type='coarse'); the file
    is `cifar-100-python.tar.gz`."""

    _url = "https://www.cs.toronto.edu/~kriz/cifar-100-python.tar.gz"

    def __init__(self, train: bool = True, transform: Transform | None = _CIFAR,
                 target_transform: Transform | None = None, label_type: str = "fine") -> None:
        if label_type not in ("fine", "coarse"):
            raise ValueError(f"CIFAR100: label_type is 'fine' or 'coarse', not {label_type!r}")
        self.label_type = label_type
        super().__init__(train, transform, target_transform)

    def _members(self) -> list[str]:
        return ["train" if self.train else "test"]

    def _label_key(self) -> str:
        return f"{self.label_type}_labels"

    def _load_data(self, filename: str, data_type: str = "train") -> NDArray[Any]:  # type: ignore[override]
        return self._load_part(filename, None, data_type)[0].reshape(-1, 3072)

    def _load_label(self, filename: str, data_type: str = "train") -> NDArray[Any]:  # type: ignore[override]
        return self._load_part(filename, None, data_type)[1]

    def _load_part(self, filename: str, idx: Any, data_type: str) -> tuple[NDArray[Any], NDArray[Any]]:
        return _cifar_part(_formats.read_archive(filename, [data_type])[0], self._label_key(), filename)

    @staticmethod
    def labels(label_type: str = "fine") -> dict[int, str]:
        """{label: its name}, of label_type 'fine' or 'coarse'"""
        if label_type not in ("fine", "coarse"):
            raise ValueError(f"CIFAR100.labels: label_type is 'fine' or 'coarse', not {label_type!r}")
        return dict(enumerate(" ".join((_FINE if label_type == "fine" else _COARSE).split()).split(", ")))


class ImageNet(Dataset):
    """The names of ImageNet's classes: `ImageNet.labels()`. The images cannot be downloaded freely."""

    def __init__(self) -> None:
        raise NotImplementedError("ImageNet: its images cannot be downloaded freely; ImageNet.labels() gives the names "
                                  "of its classes, and a subclass of Dataset can read your own copy of the images")

    @staticmethod
    def labels() -> dict[int, str]:
        """{label: its name} of the 1,000 classes, from a file that is downloaded if it is not in the cache
        directory."""
        import ast

        path = get_file("https://gist.githubusercontent.com/yrevar/942d3a0ac09ec9e5eb3a/raw/"
                        "238f720ff059c1f82f368259d1ca4ffa5dd8f9f5/imagenet1000_clsidx_to_labels.txt")
        try:
            found = ast.literal_eval(_formats.read_text(path).strip())
        except (SyntaxError, TypeError, MemoryError, RecursionError, ValueError) as error:
            raise _formats.damaged(path, error, "list of labels") from error
        if not isinstance(found, dict) or not all(type(k) is int and type(v) is str for k, v in found.items()):
            raise _formats.damaged(path, "it is no dict of ints and names", "list of labels")
        return found


# ---- text ---------------------------------------------------------------------------------------------------------

def _ids(text: str) -> tuple[NDArray[np.int64], dict[str, int], dict[int, str]]:
    """Every character as an int64 number, and the two dicts between them, in the order of first appearance."""
    char_to_id = {char: i for i, char in enumerate(dict.fromkeys(text))}
    ids = np.fromiter((char_to_id[char] for char in text), np.int64, len(text))
    return ids, char_to_id, {i: char for char, i in char_to_id.items()}


class Shakespear(Dataset):
    """A million characters of Shakespeare's plays: an example is the number of one, the label that of the next.

    data, label: int64 of shape (N,). char_to_id, id_to_char: dicts. `train` makes no difference. The file is
    `shakespear.txt` in the cache directory, downloaded if it is not there.
    """

    def prepare(self) -> None:
        path = get_file("https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
                        "shakespear.txt")
        ids, self.char_to_id, self.id_to_char = _ids(_formats.read_text(path))
        self.data, self.label = ids[:-1], ids[1:]


Shakespeare = Shakespear


class TinyText(Dataset):
    """A text that comes with dezero_c, Lewis Carroll's Alice's Adventures in Wonderland (1865, in the public domain),
    whose 148,381 characters are 70 different ones: an example is the number of one, the label that of the next.

    data, label: int64 of shape (N,). char_to_id, id_to_char: dicts, the same for both parts. The first nine tenths are
    for training, the rest for test.
    """

    def prepare(self) -> None:
        ids, self.char_to_id, self.id_to_char = _ids(_formats.read_text(_bundled("alice.txt.gz")))
        cut = len(ids) * 9 // 10
        ids = ids[:cut] if self.train else ids[cut:]
        self.data, self.label = ids[:-1], ids[1:]


# ---- arrays kept in the cache directory ---------------------------------------------------------------------------

def _cache_path(filename: str | os.PathLike[str], train: bool) -> str:
    return os.path.join(data_dir(), os.path.basename(os.fspath(filename)) + (".train.npz" if train else ".test.npz"))


def load_cache_npz(filename: str | os.PathLike[str],
                   train: bool = False) -> tuple[NDArray[Any], NDArray[Any]] | tuple[None, None]:
    """The arrays (data, label) that `save_cache_npz` kept under that name, or (None, None)."""
    import zipfile
    import zlib

    path = _cache_path(filename, train)
    if not os.path.exists(path):
        return None, None
    try:
        with open(path, "rb") as file:
            if file.read(2) != b"PK":
                raise ValueError("it does not begin as an .npz file does")
            file.seek(0)
            with np.load(file, allow_pickle=False) as archive:
                return archive["data"], archive["label"]
    except (ValueError, KeyError, EOFError, OSError, NotImplementedError, RuntimeError, MemoryError, zipfile.BadZipFile,
            zlib.error) as error:
        raise ValueError(f"{path} is no cache of data and labels (.npz), or is damaged: {error}; delete it, so that it "
                         "is made again") from error


def save_cache_npz(data: ArrayLike, label: ArrayLike, filename: str | os.PathLike[str], train: bool = False) -> str:
    """Keeps two arrays in the cache directory under the name of a file, and returns the path; what is there stays."""
    from dezero_c._files.whole import replacing

    path = _cache_path(filename, train)
    if os.path.exists(path):
        return path
    data, label = np.asarray(data), np.asarray(label)
    if data.dtype.hasobject or label.dtype.hasobject:
        raise ValueError("save_cache_npz: arrays of objects cannot be read back safely; give arrays of numbers")
    os.makedirs(os.path.dirname(path), exist_ok=True)
    print("Saving: " + os.path.basename(path))
    with replacing(path) as file:
        np.savez_compressed(file, data=data, label=label)
    print(" Done")
    return path
