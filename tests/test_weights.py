"""Files of weights: DeZero's format both ways, safetensors, files that are damaged or hostile, saving that fails midway."""

import errno
import importlib.util
import io
import os
import pathlib
import pickle
import stat
import subprocess
import sys
import zipfile

import numpy as np
import pytest

import dezero_c
import dezero_c.layers as L
import dezero_c.models as models
from dezero_c import Parameter
from dezero_c._files import whole as _files


def image(*shape):
    return (np.arange(np.prod(shape)).reshape(shape) * 7919 % 1009 / 1009 - 0.5).astype(np.float32)


def mlp(*sizes, seed=0):
    """An MLP that has seen a (2, 4) input."""
    np.random.seed(seed)
    model = models.MLP(sizes or (3, 2))
    model(image(2, 4))
    for p in model.params():
        p.data += np.float32(0.25)      # biases that are no zeros
    return model


def data(model):
    return {name: None if p.data is None else p.data.copy() for name, p in model.named_params()}


def same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        if a[name] is None:
            assert b[name] is None
        else:
            assert a[name].dtype == b[name].dtype
            np.testing.assert_array_equal(a[name], b[name], strict=True)


def refused(model, path, *parts):
    """load_weights raises a ValueError with the path and these parts in it, and changes nothing."""
    before = data(model)
    with pytest.raises(ValueError) as caught:       # noqa: PT011
        model.load_weights(path)
    for part in (str(path), *parts):
        assert part in str(caught.value)
    same(data(model), before)


def npy(array, allow_pickle=False):
    file = io.BytesIO()
    np.save(file, array, allow_pickle=allow_pickle)
    return file.getvalue()


def header(text, content=b"", version=1):
    """An .npy file with this text as its header."""
    text = text.encode("latin1")
    text += b" " * (-(len(text) + 11) % 64) + b"\n"
    return b"\x93NUMPY" + bytes([version, 0]) + len(text).to_bytes(2 if version == 1 else 4, "little") + text + content


def zipped(path, members, compression=zipfile.ZIP_STORED):
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


@pytest.fixture
def path(tmp_path):
    return tmp_path / "w.npz"


# ---- there and back -----------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", [str, pathlib.Path])
def test_there_and_back(path, kind):
    model = mlp()
    model.save_weights(kind(path))
    other = mlp(seed=1)
    assert other.load_weights(kind(path)) is None
    same(data(other), data(model))


def test_a_model_that_has_seen_nothing_takes_the_shapes_of_the_file(path):
    model = mlp()
    model.save_weights(path)
    other = models.MLP((3, 2))
    other.load_weights(path)
    same(data(other), data(model))
    np.testing.assert_array_equal(other(image(2, 4)).data, model(image(2, 4)).data)


def test_the_parameters_stay_the_same_objects(path):
    model = mlp()
    model.save_weights(path)
    before = list(model.params())
    model.load_weights(path)
    assert all(p is q for p, q in zip(before, model.params(), strict=True))


def test_the_format_is_dezeros(path):
    """What DeZero's load_weights does: np.load, and an array for each key."""
    model = mlp()
    model.save_weights(path)
    with np.load(path) as file:
        assert sorted(file.files) == ["l0/W", "l0/b", "l1/W", "l1/b"]
        for name, p in model.named_params():
            np.testing.assert_array_equal(file[name], p.data, strict=True)
    with zipfile.ZipFile(path) as file:
        assert {info.compress_type for info in file.infolist()} == {zipfile.ZIP_DEFLATED}


@pytest.mark.parametrize("write", [np.savez, np.savez_compressed])
def test_files_as_dezero_writes_them(path, write):
    arrays = {key: image(*shape) for key, shape in [("l0/W", (4, 3)), ("l0/b", (3,)), ("l1/W", (3, 2)), ("l1/b", (2,))]}
    write(path, **dict(reversed(arrays.items())))       # DeZero's order is that of a set
    model = models.MLP((3, 2))
    model.load_weights(path)
    same(data(model), arrays)


@pytest.mark.parametrize("in_size", [None, 4])
def test_float64_weights_do_not_make_a_float32_layer_float64(path, in_size):
    """Under NumPy 2 DeZero's W is float64, and its b float32."""
    np.savez_compressed(path, W=image(4, 3).astype(np.float64), b=image(3))
    layer = L.Linear(3, in_size=in_size)
    layer.load_weights(path)
    assert [p.dtype for p in layer.params()] == [np.float32, np.float32]
    assert np.array_equal(layer.W.data, image(4, 3))
    double = L.Linear(3, dtype=np.float64)
    double.load_weights(path)
    assert [p.dtype for p in double.params()] == [np.float64, np.float64]


PROGRAM = """
import sys
import numpy as np
np.int = int
import dezero
from dezero.models import MLP
theirs, ours, x = sys.argv[1:]
np.random.seed(5)
model = MLP((3, 2))
y = model(np.load(x))
model.save_weights(theirs)
np.save(theirs + ".npy", y.data)
model.load_weights(ours)
np.save(ours + ".npy", model(np.load(x)).data)
"""


def test_dezero_itself_reads_and_writes_the_same_files(tmp_path):
    if importlib.util.find_spec("dezero") is None:
        pytest.skip("DeZero is not installed")
    theirs, ours, x = (str(tmp_path / name) for name in ("theirs.npz", "ours.npz", "x.npy"))
    np.save(x, image(2, 4))
    model = mlp()
    expected = model(image(2, 4)).data.copy()
    model.save_weights(ours)
    subprocess.run([sys.executable, "-W", "ignore", "-c", PROGRAM, theirs, ours, x], check=True, timeout=120, cwd=tmp_path)
    np.testing.assert_allclose(np.load(ours + ".npy"), expected, rtol=1e-6)
    model.load_weights(theirs)
    np.testing.assert_allclose(model(image(2, 4)).data, np.load(theirs + ".npy"), rtol=1e-6)


def test_running_averages_and_nested_names(path):
    block = models.BuildingBlock(2, 6, 3, 8, 2)
    block(image(2, 6, 5, 5))
    block.save_weights(path)
    with np.load(path) as file:
        assert "b1/bn3/avg_var" in file.files
    other = models.BuildingBlock(2, 6, 3, 8, 2)
    other.load_weights(path)
    same(data(other), data(block))
    with dezero_c.test_mode():
        np.testing.assert_array_equal(other(image(2, 6, 5, 5)).data, block(image(2, 6, 5, 5)).data)


def test_npz_is_appended_as_numpy_does(tmp_path):
    mlp().save_weights(tmp_path / "w")
    mlp().save_weights(str(tmp_path / "v.1"))
    assert sorted(os.listdir(tmp_path)) == ["v.1.npz", "w.npz"]


def test_open_files_are_taken_as_in_dezero():
    model = mlp()
    file = io.BytesIO()
    model.save_weights(file)
    file.seek(0)
    other = mlp(seed=1)
    other.load_weights(file)
    same(data(other), data(model))
    assert not file.closed


def test_without_parameters_the_file_is_empty(path):
    L.Dropout().save_weights(path)
    L.Dropout().load_weights(path)
    with np.load(path) as file:
        assert file.files == []


# ---- sizes that are not known yet ---------------------------------------------------------------------------------

def test_saving_before_the_first_call_gives_a_file_that_loads(path):
    model = models.MLP((3, 2))
    model.l0.b.data += 1.0
    model.save_weights(path)
    with np.load(path) as file:
        assert file.files == ["l0/b", "l1/b"]
    other = models.MLP((3, 2))
    other.load_weights(path)
    np.testing.assert_array_equal(other.l0.b.data, np.ones(3, np.float32))
    assert other.l0.W.data is None
    assert other(image(2, 4)).shape == (2, 2)
    refused(mlp(), path, "l0/W is missing")


@pytest.mark.parametrize(("layer", "shape", "known"), [
    (lambda: L.Linear(3, nobias=True), (4, 2), "(any, 3)"),
    (lambda: L.Linear(3, nobias=True), (3,), "(any, 3)"),
    (lambda: L.Conv2d(5, (2, 3), nobias=True), (4, 6, 2, 3), "(5, any, 2, 3)"),
    (lambda: L.Conv2d(5, 3, nobias=True), (5, 6, 3, 2), "(5, any, 3, 3)"),
    (lambda: L.Deconv2d(5, (2, 3), nobias=True), (5, 6, 2, 3), "(any, 5, 2, 3)"),
    (lambda: models.BottleneckA(6, 3, 8).conv1, (3, 5, 1, 1), "(3, 6, 1, 1)"),
])
def test_wrong_shapes_are_named_before_the_first_call(path, layer, shape, known):
    np.savez(path, W=np.zeros(shape, np.float32))
    refused(layer(), path, f"W is of shape {shape} in the file and {known} here")


@pytest.mark.parametrize(("layer", "shape"), [
    (lambda: L.Linear(3, nobias=True), (7, 3)), (lambda: L.Conv2d(5, (2, 3), nobias=True), (5, 6, 2, 3)),
    (lambda: L.Deconv2d(5, (2, 3), nobias=True), (6, 5, 2, 3)),
])
def test_right_shapes_are_taken_before_the_first_call(path, layer, shape):
    np.savez(path, W=np.zeros(shape, np.float32))
    layer = layer()
    layer.load_weights(path)
    assert layer.W.shape == shape


# ---- a file that does not fit -------------------------------------------------------------------------------------

def arrays(**changes):
    """The arrays of an MLP (3, 2), some of them changed, or None for taken away; `__` in a name is `/`."""
    result = {name.replace("/", "__"): a for name, a in data(mlp()).items()} | changes
    return {name.replace("__", "/"): a for name, a in result.items() if a is not None}


def test_a_missing_key_is_named(path):
    np.savez(path, **arrays(l1__b=None))
    refused(mlp(), path, "does not fit MLP: l1/b is missing. Load it into a model that is built like the one that was saved")


def test_unknown_keys_are_named_beside_missing_ones(path):
    np.savez(path, **arrays(l1__b=None, l7__b=np.ones(3)))
    refused(mlp(), path, "l1/b is missing; the file also has l7/b")


def test_unknown_keys_alone_are_left_out_as_in_dezero(path):
    np.savez(path, **arrays(l7__W=np.ones(3)))
    model = mlp(seed=1)
    model.load_weights(path)
    same(data(model), data(mlp()))


def test_a_file_of_another_model_is_refused_before_the_first_call(path):
    np.savez(path, **{"conv/W": np.ones((1, 1, 1, 1))})
    refused(L.Linear(2, nobias=True), path, "does not fit Linear: W is missing; the file also has conv/W")


def test_wrong_shapes_are_named(path):
    np.savez(path, **arrays(l0__W=np.ones((5, 3), np.float32), l1__b=np.ones(1, np.float32)))
    refused(mlp(), path, "l0/W is of shape (5, 3) in the file and (4, 3) here; l1/b is of shape (1,) in the file and (2,) here")


def test_many_problems_are_counted(path):
    np.savez(path, x=np.ones(1))
    refused(mlp(4, 4, 4, 4), path, "l2/W is missing (and 3 more); the file also has x")


@pytest.mark.parametrize("array", [np.array(["a", "b"]), np.array([b"a", b"b"]), np.zeros(2, "M8[s]"), np.zeros(2, "f4,f4")],
                         ids=["str", "bytes", "datetime", "structured"])
def test_what_is_no_number_is_named(path, array):
    np.savez(path, **arrays(l1__b=array))
    refused(mlp(), path, "l1/b holds ", "which is no number")


@pytest.mark.parametrize("dtype", ["f2", "f8", ">f4", "i4", "?"])
def test_other_numbers_become_those_of_the_parameter(path, dtype):
    np.savez(path, **arrays(l1__b=np.ones(2, dtype)))
    model = mlp()
    model.load_weights(path)
    assert model.l1.b.dtype == np.float32
    assert model.l1.b.data.tolist() == [1, 1]


def test_fortran_order(path):
    W = np.asfortranarray(image(4, 3))
    np.savez(path, **arrays(l0__W=W))
    model = mlp()
    model.load_weights(path)
    np.testing.assert_array_equal(model.l0.W.data, image(4, 3))


# ---- damaged and hostile files ------------------------------------------------------------------------------------

class Bomb:
    """Unpickling one makes a folder."""

    def __init__(self, place):
        self.place = place

    def __reduce__(self):
        return os.mkdir, (self.place,)


def test_pickled_objects_are_never_unpickled(path, tmp_path):
    place = str(tmp_path / "made")
    array = np.array([Bomb(place), None], dtype=object)
    np.savez(path, **arrays(l1__b=array))
    refused(mlp(), path, "l1/b holds object, which is no number")
    refused(models.MLP((3, 2)), path, "l1/b holds object")
    path.write_bytes(npy(array, allow_pickle=True))
    refused(mlp(), path, "it does not begin as an .npz file does")
    path.write_bytes(pickle.dumps(Bomb(place)))
    refused(mlp(), path, "it does not begin as an .npz file does")
    zipped(path, {"l0/W.npy": pickle.dumps(Bomb(place))})
    refused(mlp(), path, "is no file of weights (.npz), or is damaged")
    assert not os.path.exists(place)


@pytest.mark.parametrize("content", [b"", b"PK", b"hello, world", b"PK\x03\x04", b"PK\x03\x04" + bytes(500), bytes(1000)])
def test_what_is_no_zip_is_named(path, content):
    path.write_bytes(content)
    refused(mlp(), path, "is no file of weights (.npz), or is damaged", "write it again with save_weights")


def test_every_truncation_is_found(path):
    mlp().save_weights(path)
    content = path.read_bytes()
    for n in range(0, len(content), 7):
        path.write_bytes(content[:n])
        refused(mlp(), path)


def test_changed_numbers_are_found(path):
    np.savez(path, **arrays())
    content = bytearray(path.read_bytes())
    place = content.index(mlp().l0.W.data.tobytes())
    content[place + 5] ^= 1
    path.write_bytes(content)
    refused(mlp(), path, "Bad CRC-32", "l0/W")


@pytest.mark.parametrize("compressed", [False, True])
def test_flipped_bytes_raise_nothing_but_valueerror(path, compressed):
    (np.savez_compressed if compressed else np.savez)(path, **arrays())
    content = path.read_bytes()
    random = np.random.default_rng(6)
    model = mlp(seed=1)
    before, errors = data(model), []
    for _ in range(250):
        broken = bytearray(content)
        for i in random.integers(len(content), size=random.integers(1, 4)):
            broken[i] = random.integers(256)
        path.write_bytes(broken)
        try:
            model.load_weights(path)
        except ValueError as error:
            errors.append(str(error))
            same(data(model), before)
        else:       # a byte that nobody reads
            for name, p in model.named_params():
                p.data = before[name].copy()
    assert len(errors) > 100
    assert all(str(path) in error for error in errors)


@pytest.mark.parametrize("text", [
    "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000,), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (100000, 100000000), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999, 3), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (-4, 3), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3), 'more': 1}",
    "{'descr': '<f4', 'fortran_order': False, 'shape': 4}",
    "{'descr': '<f4', 'fortran_order': False}",
    "{'descr': ('<f4', (1000000000,)), 'fortran_order': False, 'shape': (4, 3), }",
    "{'descr': 'no', 'fortran_order': False, 'shape': (4, 3), }",
    "{'descr': '<f4', 'fortran_order': False, 'shape': (4, 3)",
    "{[]: 1}", "__import__('os').mkdir('x')", "(" * 3000, "'''", "0", "", "{'descr': '<f4' * 10000000000}",
])
@pytest.mark.parametrize("version", [1, 2, 3, 9])
def test_spoilt_headers_are_named(path, text, version, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    members = {f"{name}.npy": npy(a) for name, a in arrays().items()}
    zipped(path, members | {"l0/W.npy": header(text, bytes(48), version)})
    refused(mlp(), path, "or is damaged")
    refused(models.MLP((3, 2)), path, "or is damaged")
    assert os.listdir(tmp_path) == ["w.npz"]


def test_members_that_are_no_arrays_are_named(path):
    members = {f"{name}.npy": npy(a) for name, a in arrays().items()}
    for content in (b"", b"text", npy(np.ones((4, 3), np.float32))[:-1], npy(np.ones((4, 3), np.float32)) + b"more"):
        zipped(path, members | {"l0/W.npy": content})
        refused(mlp(), path, "or is damaged")
    del members["l0/W.npy"]
    zipped(path, members | {"l0/W": b"text"})
    refused(mlp(), path, "or is damaged")


@pytest.mark.parametrize("start", [
    header("{'descr': '<f4', 'fortran_order': False, 'shape': (25000000,), }"),
    b"\x93NUMPY\x02\x00\xff\xff\xff\x7f{",
], ids=["array", "header"])
def test_what_does_not_fit_is_never_unpacked(path, start, monkeypatch):
    """A file of 100 KB that would fill 100 MB."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, a in arrays().items():
            if name != "l0/W":
                archive.writestr(f"{name}.npy", npy(a))
        with archive.open("l0/W.npy", "w") as member:
            member.write(start)
            for _ in range(100):
                member.write(bytes(1_000_000))
        with archive.open("unknown.npy", "w") as member:
            member.write(bytes(1_000_000))
    read = []
    original = zipfile.ZipExtFile.read
    monkeypatch.setattr(zipfile.ZipExtFile, "read", lambda self, n=-1: read.append(content := original(self, n)) or content)
    refused(mlp(), path)
    assert 0 < sum(map(len, read)) < 1_000_000


def test_a_folder_and_a_missing_file(tmp_path):
    model = mlp()
    before = data(model)
    with pytest.raises(FileNotFoundError, match=r"none\.npz"):
        model.load_weights(tmp_path / "none.npz")
    with pytest.raises(OSError, match=tmp_path.name):
        model.load_weights(tmp_path)
    model.save_weights(tmp_path / "w")
    with pytest.raises(FileNotFoundError, match=r"but .*w\.npz, as save_weights calls it"):
        model.load_weights(tmp_path / "w")
    same(data(model), before)


# ---- saving that fails --------------------------------------------------------------------------------------------

class Full:
    """A file on a disk that fills after some bytes."""

    def __init__(self, file, room, error):
        self.file, self.room, self.error = file, room, error

    def write(self, content):
        self.room -= len(content)
        if self.room < 0:
            raise self.error
        return self.file.write(content)

    def __getattr__(self, name):
        return getattr(self.file, name)

    def __enter__(self):
        self.file.__enter__()
        return self

    def __exit__(self, *error):
        return self.file.__exit__(*error)


@pytest.mark.parametrize("room", [0, 100, 700])
@pytest.mark.parametrize("error", [OSError(errno.ENOSPC, "No space left on device"), KeyboardInterrupt()],
                         ids=["full disk", "Ctrl-C"])
@pytest.mark.parametrize("name", ["w.npz", "w.safetensors"])
def test_the_old_file_survives_and_nothing_is_left(tmp_path, monkeypatch, room, error, name):
    if name.endswith("safetensors"):
        pytest.importorskip("safetensors")
        room //= 4
    path = tmp_path / name
    mlp().save_weights(path)
    before = path.read_bytes()
    assert len(before) > room
    real = os.fdopen
    with monkeypatch.context() as patch:
        patch.setattr(_files.os, "fdopen", lambda *args: Full(real(*args), room, error))
        with pytest.raises(type(error)):
            mlp(seed=1).save_weights(path)
        with pytest.raises(type(error)):
            mlp(seed=1).save_weights(tmp_path / ("new" + path.suffix))
    assert os.listdir(tmp_path) == [name]
    assert path.read_bytes() == before


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"its folder must exist.*none.w\.npz'") as caught:
        mlp().save_weights(tmp_path / "none" / "w.npz")
    assert ".part" not in str(caught.value)


def test_a_failing_rename_leaves_nothing(tmp_path):
    (tmp_path / "w.npz").mkdir()
    with pytest.raises(OSError, match=r"w\.npz"):
        mlp().save_weights(tmp_path / "w.npz")
    assert os.listdir(tmp_path) == ["w.npz"]


@pytest.mark.skipif(os.name == "nt", reason="POSIX permissions")
def test_permissions_are_those_of_open_or_of_the_old_file(path):
    mask = os.umask(0o027)
    try:
        mlp().save_weights(path)
    finally:
        os.umask(mask)
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    path.chmod(0o604)
    mlp().save_weights(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604


@pytest.mark.skipif(os.name == "nt", reason="symbolic links need rights there")
def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "link.npz").symlink_to(tmp_path / "real.npz")
    mlp().save_weights(tmp_path / "link.npz")
    assert (tmp_path / "link.npz").is_symlink()
    mlp(seed=1).load_weights(tmp_path / "real.npz")


def test_long_names_fit(tmp_path):
    path = tmp_path / ("w" * 240 + ".npz")
    mlp().save_weights(path)
    mlp(seed=1).load_weights(path)


# ---- tied layers --------------------------------------------------------------------------------------------------

class Tied(models.Model):
    def __init__(self):
        super().__init__()
        self.l1 = L.Linear(4, in_size=4)
        self.l2 = self.l1
        self.scale = Parameter(np.ones(4, np.float32))
        self.again = self.scale

    def forward(self, x):
        return self.l2(self.l1(x)) * self.scale


def test_tied_layers_are_saved_under_each_name_as_in_dezero(path):
    np.random.seed(0)
    model = Tied()
    model.save_weights(path)
    with np.load(path) as file:
        assert sorted(file.files) == ["again", "l1/W", "l1/b", "l2/W", "l2/b", "scale"]
    other = Tied()
    other.load_weights(path)
    assert other.l1 is other.l2
    assert other.again is other.scale
    np.testing.assert_array_equal(other(image(2, 4)).data, model(image(2, 4)).data)


# ---- safetensors --------------------------------------------------------------------------------------------------

def test_safetensors_there_and_back(tmp_path):
    library = pytest.importorskip("safetensors.numpy")
    path = tmp_path / "w.safetensors"
    model = mlp()
    model.l0.W.data = np.asfortranarray(model.l0.W.data)
    model.save_weights(path)
    same(library.load_file(path), data(model))
    for other in (mlp(seed=1), models.MLP((3, 2))):
        other.load_weights(path)
        same(data(other), data(model))


def test_safetensors_that_are_damaged_or_do_not_fit(tmp_path):
    pytest.importorskip("safetensors")
    path = tmp_path / "w.safetensors"
    mlp().save_weights(path)
    content = path.read_bytes()
    for n in (0, 5, 8, 60, len(content) - 1):
        path.write_bytes(content[:n])
        refused(mlp(), path, "is no safetensors file, or is damaged")
    path.write_bytes((1 << 62).to_bytes(8, "little") + content[8:])
    refused(mlp(), path, "is no safetensors file, or is damaged")
    mlp(5, 2).save_weights(path)
    refused(mlp(), path, "l0/W is of shape (4, 5) in the file and (4, 3) here")


def test_without_safetensors_the_error_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "safetensors", None)
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    path = tmp_path / "w.safetensors"
    with pytest.raises(ImportError, match=r'pip install "dezero_c\[safetensors\]"'):
        mlp().save_weights(path)
    assert os.listdir(tmp_path) == []
    path.write_bytes(b"")
    with pytest.raises(ImportError, match=r'pip install "dezero_c\[safetensors\]"'):
        mlp().load_weights(path)
