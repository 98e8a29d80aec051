"""dezero_c.models: DeZero's results on the same weights, names that files of weights use, pictures, pretrained files."""

import copy
import inspect
import os
import pickle
import re
import sys
import types

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import Parameter, Variable, models, utils


def image(*shape):
    """Numbers without a pattern, between -0.5 and 0.5, float32."""
    return (np.arange(np.prod(shape)).reshape(shape) * 7919 % 1009 / 1009 - 0.5).astype(np.float32)


def first(y, n=4):
    return y.data.ravel()[:n]


def keys(model):
    flat = {}
    model._flatten_params(flat)
    return list(flat)


def quietly():
    """A model as it is used, not trained: nothing is recorded, running averages stay."""
    return dezero_c.using_config("enable_backprop", False), dezero_c.test_mode()


def run(model, x):
    record, mode = quietly()
    with record, mode:
        return model(x)


# ---- Sequential, MLP ----------------------------------------------------------------------------------------------

def test_mlp_gives_dezeros_numbers():
    np.random.seed(0)
    y = models.MLP((5, 4, 3))(image(2, 6))
    assert y.dtype == np.float32
    np.testing.assert_allclose(
        y.data, [[-0.57937249, -0.00837164, -0.14958693], [-0.57964977, -0.01367094, -0.14389328]], rtol=2e-6)
    np.random.seed(0)
    y = models.MLP((5, 3), activation=F.relu)(image(2, 6))
    np.testing.assert_allclose(first(y), [-0.145713, -0.02559341, 0.01150147, -0.3087265], rtol=1e-5)


def test_mlp_names():
    model = models.MLP([5, 4, 3])
    assert [layer.out_size for layer in model.layers] == [5, 4, 3]
    assert model.l2 is model.layers[2]
    assert keys(model) == ["l0/W", "l0/b", "l1/W", "l1/b", "l2/W", "l2/b"]
    assert model.activation is F.sigmoid


def test_mlp_of_one_layer_has_no_activation():
    model = models.MLP((2,), activation=lambda x: pytest.fail("nothing to activate"))
    assert model(image(3, 4)).shape == (3, 2)


def test_mlp_of_no_layer_is_refused():
    with pytest.raises(ValueError, match="MLP: fc_output_sizes is empty"):
        models.MLP([])


def test_sequential_gives_dezeros_numbers():
    np.random.seed(0)
    y = models.Sequential(L.Linear(5), F.relu, L.Linear(2))(image(2, 6))
    np.testing.assert_allclose(y.data.ravel(), [-0.06530804, -0.145713, -0.1383701, -0.3087265], rtol=1e-5)


def test_sequential_names_layers_and_functions():
    first_layer, last = L.Linear(5), L.Linear(2)
    model = models.Sequential(first_layer, F.relu, lambda x: 2 * x, last)
    assert model.layers[0] is model.l0 is first_layer
    assert model.layers[3] is model.l3 is last
    assert model.l1 is F.relu
    assert keys(model) == ["l0/W", "l0/b", "l3/W", "l3/b"]
    x = image(2, 6)
    np.testing.assert_array_equal(model(x).data, last(2 * F.relu(first_layer(x))).data)


def test_sequential_in_a_sequential_trains_every_parameter():
    model = models.Sequential(L.Linear(5), models.Sequential(F.tanh, L.Linear(4)), L.Linear(1))
    F.sum(model(image(2, 6))).backward()
    assert keys(model) == ["l0/W", "l0/b", "l1/l1/W", "l1/l1/b", "l2/W", "l2/b"]
    assert all(p.grad is not None for p in model.params())
    model.cleargrads()
    assert all(p.grad is None for p in model.params())


def test_sequential_is_a_sequence_of_its_layers():
    first_layer, last = L.Linear(5), L.Linear(2)
    model = models.Sequential(first_layer, F.relu, last)
    assert len(model) == 3
    assert list(model) == model.layers == [first_layer, F.relu, last]
    assert model[0] is first_layer
    assert model[-1] is model[np.int64(2)] is last
    x = image(2, 6)
    head = model[:2]
    assert type(head) is models.Sequential
    np.testing.assert_array_equal(head(x).data, F.relu(first_layer(x)).data)
    tail = model[2:]
    assert tail.l0 is last
    np.testing.assert_array_equal(tail(head(x)).data, model(x).data)
    assert keys(model) == ["l0/W", "l0/b", "l2/W", "l2/b"]
    assert keys(tail) == ["l0/W", "l0/b"]
    assert list(model[::-2]) == [last, first_layer]
    for bad in (3, -4):
        with pytest.raises(IndexError):
            model[bad]
    with pytest.raises(TypeError):
        model["l0"]


def test_sequential_is_appended_to():
    model = models.Sequential()
    assert len(model) == 0
    assert model        # true as every model is
    last = L.Linear(2)
    assert model.append(L.Linear(5)).append(F.relu) is model
    other = copy.copy(model)
    model.append(last)
    assert (len(model), len(other)) == (3, 2)
    assert model.l2 is last
    assert not hasattr(other, "l2")
    assert keys(model) == ["l0/W", "l0/b", "l2/W", "l2/b"]
    x = image(2, 6)
    np.testing.assert_array_equal(model(x).data, last(F.relu(model.l0(x))).data)
    F.sum(model(x)).backward()
    assert all(p.grad is not None for p in model.params())
    with pytest.raises(TypeError, match="Sequential: argument 3 is of type int"):
        model.append(3)
    assert len(model) == 3


@pytest.mark.parametrize(("argument", "kind"), [([L.Linear(2)], "list"), (3, "int"), (None, "NoneType")])
def test_sequential_refuses_what_cannot_be_called(argument, kind):
    with pytest.raises(TypeError, match=rf"Sequential: argument 1 is of type {kind}, .*Sequential\(\*layers\)"):
        models.Sequential(L.Linear(2), argument)


def test_empty_sequential_gives_back_its_input():
    x = Variable(image(2, 2))
    assert models.Sequential().forward(x) is x


@pytest.mark.parametrize("make", [lambda: models.MLP((4, 2)), lambda: models.Sequential(L.Linear(4), F.relu, L.Linear(2))])
@pytest.mark.parametrize("twin", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m))], ids=["deepcopy", "pickle"])
def test_copies_are_whole_and_separate(make, twin):
    model = make()
    x = image(3, 5)
    expected = model(x).data.copy()
    other = twin(model)
    assert other.layers[0] is other.l0 is not model.l0
    for p in model.params():
        p.data[...] = 0.0
    np.testing.assert_array_equal(other(x).data, expected)
    F.sum(other(x)).backward()
    assert all(p.grad is None for p in model.params())


# ---- plot ---------------------------------------------------------------------------------------------------------

def test_plot_runs_forward_and_draws_its_result(monkeypatch):
    calls = []

    def draw(output, verbose=True, to_file="graph.png"):
        calls.append((output, verbose, to_file))
        return "picture"

    monkeypatch.setattr(utils, "plot_dot_graph", draw, raising=False)

    class Two(models.Model):
        def __init__(self):
            super().__init__()
            self.l1 = L.Linear(2)

        def forward(self, x, y):
            return self.l1(x) + y

    model = Two()
    assert model.plot(image(3, 4), image(3, 2)) == "picture"
    assert model.plot(image(3, 4), image(3, 2), to_file="a.svg") == "picture"
    assert [c[1:] for c in calls] == [(True, "model.png"), (True, "a.svg")]
    np.testing.assert_array_equal(calls[0][0].data, model(image(3, 4), image(3, 2)).data)
    assert calls[0][0].creator is not None


# ---- VGG16 --------------------------------------------------------------------------------------------------------

VGG_CONVOLUTIONS = ["1_1", "1_2", "2_1", "2_2", "3_1", "3_2", "3_3", "4_1", "4_2", "4_3", "5_1", "5_2", "5_3"]


def test_vgg16_names():
    model = models.VGG16()
    names = [f"conv{c}" for c in VGG_CONVOLUTIONS] + ["fc6", "fc7", "fc8"]
    assert keys(model) == [f"{name}/{p}" for name in names for p in "Wb"]
    assert [getattr(model, name).out_channels for name in names[:13]] == [64] * 2 + [128] * 2 + [256] * 3 + [512] * 6
    assert all(p.data is None for name, p in model.named_params() if name.endswith("W"))


def test_vgg16_gives_dezeros_numbers():
    np.random.seed(2)
    model = models.VGG16()
    y = run(model, image(1, 3, 32, 32) * 100)
    assert np.random.rand() == 0.47264300923690394      # as many random numbers as DeZero takes
    assert y.shape == (1, 1000)
    assert y.dtype == np.float32
    np.testing.assert_allclose(first(y), [0.03018198, -0.3890252, 0.07285817, 0.1677502], rtol=1e-4)
    assert np.abs(y.data).sum() == pytest.approx(122.12447, rel=1e-5)
    # at 224 x 224 it is the 138,357,544 of the paper: only fc6 depends on the size of the images
    assert sum(p.size for p in model.params()) - 512 * 4096 + 25088 * 4096 == 138_357_544


def test_vgg16_names_images_that_are_too_small():
    with pytest.raises(ValueError, match="does not fit into images of size"):
        run(models.VGG16(), image(1, 3, 2, 2))


@pytest.mark.parametrize(("kwargs", "shape", "head", "total"), [
    ({}, (3, 224, 224), [-103.939, -103.939, -103.939, -94.939], 6476137.695),
    ({"size": (8, 6)}, (3, 6, 8), [15.061, 26.061, 18.061, 23.061], 1518.575882),
    ({"size": None}, (3, 40, 30), [-78.939, 84.061, -3.939, -91.939], 228397.8083),
    ({"size": (8, 6), "dtype": np.float64}, (3, 6, 8), [15.061, 26.061, 18.061, 23.061], 1518.576),
])
def test_preprocess_gives_dezeros_numbers(kwargs, shape, head, total):
    Image = pytest.importorskip("PIL.Image")
    picture = Image.fromarray((np.arange(40 * 30 * 3).reshape(40, 30, 3) * 7919 % 251).astype(np.uint8))
    x = models.VGG16.preprocess(picture, **kwargs)
    assert x.shape == shape
    assert x.dtype == kwargs.get("dtype", np.float32)
    # resizing by another release of Pillow may round a few pixels differently
    np.testing.assert_allclose(x.ravel()[:4], head, atol=2.5 if kwargs.get("size", True) else 1e-4)
    assert np.abs(x).sum(dtype=np.float64) == pytest.approx(total, rel=1e-2 if kwargs.get("size", True) else 1e-6)


@pytest.mark.parametrize("mode", ["L", "RGBA", "P", "1", "CMYK"])
def test_preprocess_takes_every_mode(mode):
    Image = pytest.importorskip("PIL.Image")
    picture = Image.new("RGB", (5, 4), (255, 255, 255)).convert(mode)
    expected = np.broadcast_to(255 - np.float32([103.939, 116.779, 123.68]).reshape(3, 1, 1), (3, 4, 5))
    np.testing.assert_allclose(models.VGG16.preprocess(picture, size=None), expected, rtol=1e-6)


def test_preprocess_leaves_the_image_alone():
    Image = pytest.importorskip("PIL.Image")
    picture = Image.new("RGB", (5, 4), (1, 2, 3))
    models.VGG16.preprocess(picture)
    assert picture.size == (5, 4)
    assert picture.getpixel((0, 0)) == (1, 2, 3)


def test_preprocess_names_what_is_no_image():
    with pytest.raises(TypeError, match=r"VGG16\.preprocess: image must be a PIL image, not ndarray; .*fromarray"):
        models.VGG16.preprocess(np.zeros((4, 4, 3)))


# ---- ResNet -------------------------------------------------------------------------------------------------------

# DeZero's ResNet cannot be built: it hands Conv2d the input's channels first, which its Conv2d does not take. These numbers
# are DeZero's with that argument left out.

@pytest.mark.parametrize(("downsample_fb", "train", "expected", "total"), [
    (None, True, [1.464699, 0, 0.1370885, 1.659381], 110.1957),
    (True, True, [0.3965313, 0, 0.01517944, 0], 113.61259),
    (None, False, [0.09772903, 0, 0, 0], 20.095302),
    (True, False, [0.06230553, 0, 0, 0], 20.646412),
])
def test_building_block_gives_dezeros_numbers(downsample_fb, train, expected, total):
    np.random.seed(1)
    block = models.BuildingBlock(2, 6, 3, 8, 2, downsample_fb)
    with dezero_c.using_config("train", train):
        y = block(image(2, 6, 5, 5))
    assert y.shape == (2, 8, 3, 3)
    assert y.dtype == np.float32
    np.testing.assert_allclose(first(y), expected, rtol=1e-4, atol=1e-5)
    assert np.abs(y.data).sum() == pytest.approx(total, rel=1e-5)


def test_bottleneck_b_keeps_the_shape_and_gives_dezeros_numbers():
    np.random.seed(1)
    y = models.BottleneckB(6, 3)(image(2, 6, 5, 5))
    assert y.shape == (2, 6, 5, 5)
    assert np.abs(y.data).sum() == pytest.approx(119.21864, rel=1e-5)


def test_building_block_trains_every_parameter_but_the_averages():
    block = models.BuildingBlock(2, 6, 3, 8, 2)
    F.sum(block(image(2, 6, 5, 5)) ** 2).backward()
    assert {name.rsplit("/", 1)[1] for name, p in block.named_params() if p.grad is None} == {"avg_mean", "avg_var"}


def bottleneck_keys(prefix, n):
    norm = ["avg_mean", "avg_var", "gamma", "beta"]
    return [key for i in range(1, n + 1) for key in (f"{prefix}/conv{i}/W", *(f"{prefix}/bn{i}/{p}" for p in norm))]


def test_building_block_names():
    block = models.BuildingBlock(3, 6, 3, 8, 2)
    assert keys(block) == bottleneck_keys("a", 4) + bottleneck_keys("b1", 3) + bottleneck_keys("b2", 3)
    assert all(isinstance(layer, models.BottleneckB) for layer in (block.b1, block.b2))


def test_stride_lies_where_it_is_asked_for():
    paper, facebook = models.BottleneckA(6, 3, 8, 2), models.BottleneckA(6, 3, 8, 2, downsample_fb=True)
    assert [c.stride for c in (paper.conv1, paper.conv2, paper.conv3, paper.conv4)] == [2, 1, 1, 2]
    assert [c.stride for c in (facebook.conv1, facebook.conv2, facebook.conv3, facebook.conv4)] == [1, 2, 1, 2]


def test_in_channels_are_checked_when_given():
    with pytest.raises(ValueError, match=r"Conv2d: x of shape \(2, 5, 4, 4\) has 5 channels and not the 6 of in_channels"):
        models.BottleneckA(6, 3, 8)(image(2, 5, 4, 4))
    assert models.BottleneckA(None, 3, 8)(image(2, 5, 4, 4)).shape == (2, 8, 2, 2)


def test_building_block_names_what_it_lacks():
    with pytest.raises(ValueError, match="BuildingBlock: n_layers, mid_channels, out_channels, stride must be given"):
        models.BuildingBlock()


def test_resnet50_gives_dezeros_numbers():
    np.random.seed(3)
    model = models.ResNet50()
    y = run(model, image(1, 3, 33, 35))
    assert np.random.rand() == 0.34241268400253166
    assert y.shape == (1, 1000)
    assert y.dtype == np.float32
    np.testing.assert_allclose(first(y), [0.1825947, 0.3248744, 0.1406362, 0.1359603], rtol=1e-4)
    assert np.abs(y.data).sum() == pytest.approx(145.946076, rel=1e-5)
    trained = [p.size for name, p in model.named_params() if "/avg_" not in name]
    assert sum(trained) == 25_557_032 + 64      # torchvision's count, and the first convolution's b


@pytest.mark.parametrize(("cls", "counts", "layers"), [
    (models.ResNet50, (3, 4, 6, 3), 50), (models.ResNet101, (3, 4, 23, 3), 101), (models.ResNet152, (3, 8, 36, 3), 152),
    (models.ResNet, (3, 8, 36, 3), 152),
])
def test_resnet_names(cls, counts, layers):
    model = cls()
    expected = ["conv1/W", "conv1/b", "bn1/avg_mean", "bn1/avg_var", "bn1/gamma", "bn1/beta"]
    for i, n in enumerate(counts, 2):
        expected += bottleneck_keys(f"res{i}/a", 4)
        expected += [key for j in range(1, n) for key in bottleneck_keys(f"res{i}/b{j}", 3)]
    assert keys(model) == [*expected, "fc6/W", "fc6/b"]
    weights = [key for key in keys(model) if key.endswith("/W") and not re.search("a/conv4", key)]
    assert len(weights) == layers       # as they are counted: without the shortcuts' convolutions


@pytest.mark.parametrize("n", [18, "50", None])
def test_resnet_of_other_depths_is_refused(n):
    with pytest.raises(ValueError, match="ResNet: n_layers must be 50, 101 or 152, not"):
        models.ResNet(n)


# ---- SqueezeNet ---------------------------------------------------------------------------------------------------

@pytest.fixture(scope="module")
def squeezenet():
    np.random.seed(4)
    model = models.SqueezeNet()
    run(model, image(1, 3, 31, 31))
    return model


def test_squeezenet_has_the_parameters_of_version_1_1(squeezenet):
    assert sum(p.size for p in squeezenet.params()) == 1_235_496
    fire = ["squeeze1x1", "expand1x1", "expand3x3"]
    expected = ["conv1", *(f"fire{i}/{name}" for i in range(2, 10) for name in fire), "conv10"]
    assert keys(squeezenet) == [f"{name}/{p}" for name in expected for p in "Wb"]


def test_squeezenet_follows_the_paper(squeezenet):
    """The same network over NumPy, layer by layer as the paper's table lists them."""
    model = copy.deepcopy(squeezenet)
    random = np.random.default_rng(5)
    for name, p in model.named_params():
        if name.endswith("/b"):
            p.data[...] = random.standard_normal(p.shape)
    W = {name: p.data.astype(np.float64) for name, p in model.named_params()}

    def convolution(x, name, stride=1, pad=0):
        w, b = W[f"{name}/W"], W[f"{name}/b"]
        x = np.pad(x, ((0, 0), (0, 0), (pad, pad), (pad, pad)))
        windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))[:, :, ::stride, ::stride]
        y = np.einsum("nchwij,ocij->nohw", windows, w, optimize=True)
        return np.maximum(y + b.reshape(-1, 1, 1), 0)

    def pooled(x):
        return np.lib.stride_tricks.sliding_window_view(x, (3, 3), axis=(2, 3))[:, :, ::2, ::2].max(axis=(4, 5))

    def fire(x, name):
        x = convolution(x, f"{name}/squeeze1x1")
        return np.concatenate([convolution(x, f"{name}/expand1x1"), convolution(x, f"{name}/expand3x3", pad=1)], axis=1)

    x = image(2, 3, 41, 35) * 100
    y = pooled(convolution(x, "conv1", stride=2))
    y = pooled(fire(fire(y, "fire2"), "fire3"))
    y = pooled(fire(fire(y, "fire4"), "fire5"))
    for i in range(6, 10):
        y = fire(y, f"fire{i}")
    expected = convolution(y, "conv10").mean(axis=(2, 3))
    y = run(model, x)
    assert y.dtype == np.float32
    np.testing.assert_allclose(y.data, expected, rtol=1e-4, atol=1e-5)
    assert expected.std() > 0.1


def test_squeezenet_drops_out_and_trains_every_parameter(squeezenet):
    model = copy.deepcopy(squeezenet)
    x = image(2, 3, 41, 35)
    np.random.seed(0)
    y = model(x)
    assert not np.allclose(y.data, run(model, x).data)
    F.sum(y).backward()
    assert all(np.abs(p.grad.data).sum() > 0 for p in model.params())


def test_squeezenet_names_images_that_are_too_small():
    with pytest.raises(ValueError, match="does not fit into images of size"):
        run(models.SqueezeNet(), image(1, 3, 30, 40))


# ---- pretrained ---------------------------------------------------------------------------------------------------

@pytest.fixture
def downloads(monkeypatch, tmp_path):
    """What is asked of the downloader; files come from tmp_path."""
    asked = []

    def get_file(url, file_name=None):
        asked.append(url)
        return str(tmp_path / (file_name or url.rsplit("/", 1)[1]))

    stub = types.SimpleNamespace(get_file=get_file, data_dir=lambda: str(tmp_path))
    monkeypatch.setitem(sys.modules, "dezero_c._files.download", stub)
    return asked


@pytest.mark.parametrize(("make", "name"), [
    (models.VGG16, "vgg16"), (models.ResNet50, "resnet50"), (models.ResNet101, "resnet101"), (models.ResNet152, "resnet152"),
    (models.ResNet, "resnet152"),
])
def test_pretrained_weights_are_asked_for_where_dezero_keeps_them(make, name, downloads, monkeypatch, tmp_path):
    loaded = []
    monkeypatch.setattr(make, "load_weights", lambda self, path: loaded.append(path))
    make()
    assert downloads == []
    make(pretrained=True)
    assert downloads == [f"https://github.com/koki0702/dezero-models/releases/download/v0.1/{name}.npz"]
    assert loaded == [str(tmp_path / f"{name}.npz")]


def test_pretrained_squeezenet_comes_from_the_cache_directory(squeezenet, downloads, tmp_path):
    path = tmp_path / "squeezenet.npz"
    squeezenet.save_weights(path)
    x = image(1, 3, 31, 31)
    expected = run(squeezenet, x).data
    for pretrained in (True, path, str(path)):
        np.testing.assert_array_equal(run(models.SqueezeNet(pretrained), x).data, expected)
    assert downloads == []


def test_pretrained_squeezenet_says_where_its_file_would_be(downloads, tmp_path):
    with pytest.raises(FileNotFoundError, match=r"SqueezeNet\(pretrained=True\): .*save_weights.*squeezenet\.npz"):
        models.SqueezeNet(pretrained=True)


def test_pretrained_files_of_other_models_are_named(downloads, tmp_path):
    np.savez_compressed(tmp_path / "vgg16.npz", **{"conv1/W": np.ones((64, 3, 3, 3), np.float32)})
    with pytest.raises(ValueError, match=r"VGG16\(pretrained=True\): .*vgg16\.npz does not fit VGG16: conv1_1/W is missing.*; "
                                         "or delete the file, so that it is downloaded again"):
        models.VGG16(pretrained=True)


def test_pretrained_files_of_other_shapes_are_named_before_anything_is_drawn(downloads, tmp_path, monkeypatch):
    shapes = {}
    models.VGG16()._flatten_known(shapes, {})
    known = {key: tuple(n or 1 for n in shape) if shape else (1,) for key, shape in shapes.items()}
    biases = {name: p.data for name, p in models.VGG16().named_params() if p.data is not None}
    arrays = {key: biases.get(key, np.zeros(1)) for key in known}
    np.savez(tmp_path / "vgg16.npz", **arrays)
    with pytest.raises(ValueError, match=r"conv1_1/W is of shape \(1,\) in the file and \(64, any, 3, 3\) here"):
        models.VGG16(pretrained=True)


def test_a_broken_download_is_passed_on(downloads, monkeypatch):
    def offline(url, file_name=None):
        raise ConnectionError(f"get_file: {url} could not be downloaded")

    monkeypatch.setattr(sys.modules["dezero_c._files.download"], "get_file", offline)
    with pytest.raises(ConnectionError, match=r"vgg16\.npz could not be downloaded"):
        models.VGG16(pretrained=True)


def test_the_cache_directory_is_the_downloaders(monkeypatch, tmp_path, squeezenet):
    pytest.importorskip("dezero_c._files.download")
    monkeypatch.setenv("DEZERO_C_DATA", str(tmp_path))
    with pytest.raises(FileNotFoundError, match=re.escape(os.path.join(str(tmp_path), "squeezenet.npz"))):
        models.SqueezeNet(pretrained=True)
    squeezenet.save_weights(tmp_path / "squeezenet.npz")
    assert keys(models.SqueezeNet(pretrained=True)) == keys(squeezenet)


# ---- names --------------------------------------------------------------------------------------------------------

def test_signatures_are_dezeros():
    def parameters(function):       # without the types
        signature = inspect.signature(function)
        plain = [p.replace(annotation=inspect.Parameter.empty) for p in signature.parameters.values()]
        return str(inspect.Signature(plain))

    assert parameters(models.Model.plot) == "(self, *inputs, to_file='model.png')"
    assert parameters(models.Sequential.__init__) == "(self, *layers)"
    assert list(inspect.signature(models.MLP).parameters) == ["fc_output_sizes", "activation"]
    assert inspect.signature(models.MLP).parameters["activation"].default is F.sigmoid
    assert parameters(models.ResNet.__init__) == "(self, n_layers=152, pretrained=False)"
    for cls in (models.VGG16, models.ResNet50, models.ResNet101, models.ResNet152, models.SqueezeNet):
        assert parameters(cls.__init__) == "(self, pretrained=False)"
    assert parameters(models.VGG16.preprocess) == "(image, size=(224, 224), dtype=<class 'numpy.float32'>)"
    assert parameters(models.BottleneckA.__init__) == (
        "(self, in_channels, mid_channels, out_channels, stride=2, downsample_fb=False)")
    assert parameters(models.BottleneckB.__init__) == "(self, in_channels, mid_channels)"
    assert parameters(models.BuildingBlock.__init__) == (
        "(self, n_layers=None, in_channels=None, mid_channels=None, out_channels=None, stride=None, downsample_fb=None)")


def test_a_model_of_ones_own_registers_parameters_and_layers():
    class Own(models.Model):
        def __init__(self):
            super().__init__()
            self.scale = Parameter(np.array(2.0, dtype=np.float32), name="scale")
            self.l1 = L.Linear(3)

        def forward(self, x):
            return self.scale * self.l1(x)

    model = Own()
    F.sum(model(image(2, 4))).backward()
    assert keys(model) == ["scale", "l1/W", "l1/b"]
    assert all(p.grad is not None and p.grad.shape == p.shape for p in model.params())
