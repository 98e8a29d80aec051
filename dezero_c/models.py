"""Models: layers put together. What DeZero has, and a SqueezeNet that works.

Names of attributes are keys of the files of weights (`conv1_1/W`, `res2/a/bn1/gamma`), so they stay what DeZero has.
Weights are drawn when a model first sees its input.
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, overload

import numpy as np

from dezero_c import functions as F
from dezero_c import layers as L
from dezero_c import utils
from dezero_c.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from typing import Any, Self, SupportsIndex

    from numpy.typing import DTypeLike, NDArray

    from dezero_c._core import Variable
    from dezero_c._typing import Operand, Pair

__all__ = [
    "MLP", "VGG16", "BottleneckA", "BottleneckB", "BuildingBlock", "F", "Fire", "L", "Layer", "Model", "ResNet",
    "ResNet50", "ResNet101", "ResNet152", "Sequential", "SqueezeNet", "np", "utils",
]


class Model(Layer):
    """A layer that can draw its graph; the base of whole networks."""

    def plot(self, *inputs: Any, to_file: str | os.PathLike[str] = "model.png") -> str | Any:
        """Runs `forward` on inputs and draws the graph behind the result; what `utils.plot_dot_graph` returns."""
        y = self.forward(*inputs)
        return utils.plot_dot_graph(y, verbose=True, to_file=to_file)


class Sequential(Model):
    """Layers, and functions of one argument such as `F.relu`, one after the other.

    They are the attributes `l0`, `l1`, …, which name the parameters, and the list `layers`; `len(model)`, iteration and
    `model[i]` give them, too, and `model[i:j]` is a Sequential of some, the same objects, counted from `l0` anew. Raises
    TypeError for what cannot be called.
    """

    def __init__(self, *layers: Callable[[Any], Any]) -> None:
        super().__init__()
        self.layers: list[Callable[[Any], Any]] = []
        for layer in layers:
            self.append(layer)

    def append(self, layer: Callable[[Any], Any]) -> Self:
        """Adds a layer or a function at the end, as the next of `l0`, `l1`, …; gives the model itself."""
        i = len(self.layers)
        if not callable(layer):
            raise TypeError(f"Sequential: argument {i} is of type {type(layer).__name__}, which cannot be called; "
                            "pass layers and functions one by one, Sequential(*layers)")
        setattr(self, f"l{i}", layer)
        self.layers = [*self.layers, layer]     # a list of its own: a shallow copy of the model has the old one
        return self

    def __len__(self) -> int:
        return len(self.layers)

    def __bool__(self) -> bool:
        return True     # a model is one, whatever its length

    def __iter__(self) -> Iterator[Callable[[Any], Any]]:
        return iter(self.layers)

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> Sequential: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        return Sequential(*self.layers[index]) if isinstance(index, slice) else self.layers[index]

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = layer(x)
        return x

    def _summary_parts(self) -> Iterator[tuple[str, Any]]:
        layers = self.__dict__.get("layers", [])
        known = {id(layer) for layer in layers}
        for i, layer in enumerate(layers):
            yield f"l{i}", layer
        for name, part in self._held():
            if id(part) not in known:
                yield name, part


class MLP(Model):
    """Linear layers of these sizes with `activation` between them: the attributes `l0`, `l1`, …, and the list `layers`.

    x: (..., in_size); the result is (..., fc_output_sizes[-1]). Raises ValueError where no size is given.
    """

    def __init__(self, fc_output_sizes: Iterable[int], activation: Callable[[Any], Any] = F.sigmoid) -> None:
        super().__init__()
        self.activation = activation
        self.layers = []
        for i, out_size in enumerate(fc_output_sizes):
            layer = L.Linear(out_size)
            setattr(self, f"l{i}", layer)
            self.layers.append(layer)
        if not self.layers:
            raise ValueError("MLP: fc_output_sizes is empty; give the size of each layer, the last one for the output")

    def forward(self, x: Operand) -> Variable:
        for layer in self.layers[:-1]:
            x = self.activation(layer(x))
        return self.layers[-1](x)

    def _summary_parts(self) -> Iterator[tuple[str, Any]]:
        if "activation" in self.__dict__:
            yield "activation", self.activation
        yield from self._held()


def _load_pretrained(model: Model, pretrained: bool | str | os.PathLike[str], url: str | None,
                     file_name: Any = None) -> None:
    """Loads the file that `pretrained` asks for: True for the one at `url`, kept in the cache directory, or a path.

    Without a url the file must lie in the cache directory already, as `file_name`.
    """
    if isinstance(pretrained, (str, os.PathLike)):
        model.load_weights(pretrained)
        return
    from dezero_c._files.download import data_dir, get_file

    who = f"{type(model).__name__}(pretrained=True)"
    if url is not None:
        path = get_file(url, file_name)
        try:
            model.load_weights(path)
        except ValueError as error:
            raise ValueError(f"{who}: {error}; or delete the file, so that it is downloaded again") from error
        return
    path = os.path.join(data_dir(), file_name)
    if not os.path.exists(path):
        raise FileNotFoundError(errno.ENOENT, f"{who}: there are no weights of it to download. Put a file that save_weights "
                                "wrote at this place, or give its path: pretrained=path", path)
    model.load_weights(path)


# ---- VGG16 --------------------------------------------------------------------------------------------------------

_VGG_BLOCKS = ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3))     # channels and number of convolutions


class VGG16(Model):
    """K. Simonyan, A. Zisserman, Very Deep Convolutional Networks for Large-Scale Image Recognition, 2015: 16 layers.

    x: (N, 3, H, W) with H, W >= 32, made by `preprocess`. Gives (N, 1000) scores of ImageNet's classes, before
    softmax. There is dropout in train mode.

    pretrained: True for the file of WEIGHTS_PATH (some 500 MB) from the cache directory, to which it is downloaded
    unless it is there; or the path of such a file. It is for images of 224 x 224. Raises ValueError where the file is
    damaged or is another model's.
    """

    WEIGHTS_PATH = "https://github.com/koki0702/dezero-models/releases/download/v0.1/vgg16.npz"

    def __init__(self, pretrained: bool | str | os.PathLike[str] = False) -> None:
        super().__init__()
        for i, (channels, n) in enumerate(_VGG_BLOCKS, 1):
            for j in range(1, n + 1):
                setattr(self, f"conv{i}_{j}", L.Conv2d(channels, kernel_size=3, stride=1, pad=1))
        self.fc6 = L.Linear(4096)
        self.fc7 = L.Linear(4096)
        self.fc8 = L.Linear(1000)
        if pretrained:
            _load_pretrained(self, pretrained, self.WEIGHTS_PATH)

    def forward(self, x: Any) -> Variable:
        for i, (_, n) in enumerate(_VGG_BLOCKS, 1):
            for j in range(1, n + 1):
                x = F.relu(getattr(self, f"conv{i}_{j}")(x))
            x = F.pooling(x, 2, 2)
        x = F.reshape(x, (x.shape[0], -1))
        x = F.dropout(F.relu(self.fc6(x)))
        x = F.dropout(F.relu(self.fc7(x)))
        return self.fc8(x)

    @staticmethod
    def preprocess(image: Any, size: tuple[int, int] | None = (224, 224),
                   dtype: DTypeLike = np.float32) -> NDArray[Any]:
        """A PIL image as the (3, H, W) array that the pretrained weights expect: channels blue, green, red, each less
        its mean over ImageNet.

        size: (width, height) to resize to, or None to keep the image's own. Raises TypeError for what is no PIL image.
        """
        if not hasattr(image, "convert"):
            raise TypeError(f"VGG16.preprocess: image must be a PIL image, not {type(image).__name__}; open a file "
                            "with PIL.Image.open, or turn an array into one with PIL.Image.fromarray")
        image = image.convert("RGB")
        if size:
            image = image.resize(size)
        pixels = np.array(image, dtype=dtype)[:, :, ::-1]
        pixels -= np.array([103.939, 116.779, 123.68], dtype=dtype)
        return pixels.transpose(2, 0, 1)


# ---- ResNet -------------------------------------------------------------------------------------------------------

_RESNET_BLOCKS = {50: (3, 4, 6, 3), 101: (3, 4, 23, 3), 152: (3, 8, 36, 3)}


class ResNet(Model):
    """K. He and others, Deep Residual Learning for Image Recognition, 2016: 50, 101 or 152 layers.

    x: (N, 3, H, W), for the pretrained weights 224 x 224. Gives (N, 1000) scores of ImageNet's classes, before softmax.

    pretrained: True for the file of WEIGHTS_PATH from the cache directory, to which it is downloaded unless it is
    there; or the path of such a file. Raises ValueError for another n_layers, and where the file is damaged or is
    another model's.
    """

    WEIGHTS_PATH = "https://github.com/koki0702/dezero-models/releases/download/v0.1/resnet{}.npz"

    def __init__(self, n_layers: int = 152, pretrained: bool | str | os.PathLike[str] = False) -> None:
        super().__init__()
        if n_layers not in _RESNET_BLOCKS:
            raise ValueError(f"ResNet: n_layers must be 50, 101 or 152, not {n_layers!r}")
        counts = _RESNET_BLOCKS[n_layers]
        self.conv1 = _conv(3, 64, 7, 2, 3)
        self.bn1 = L.BatchNorm()
        self.res2 = BuildingBlock(counts[0], 64, 64, 256, 1)
        self.res3 = BuildingBlock(counts[1], 256, 128, 512, 2)
        self.res4 = BuildingBlock(counts[2], 512, 256, 1024, 2)
        self.res5 = BuildingBlock(counts[3], 1024, 512, 2048, 2)
        self.fc6 = L.Linear(1000)
        if pretrained:
            _load_pretrained(self, pretrained, self.WEIGHTS_PATH.format(n_layers))

    def forward(self, x: Operand) -> Variable:
        x = F.relu(self.bn1(self.conv1(x)))
        x = F.pooling(x, kernel_size=3, stride=2)
        x = self.res5(self.res4(self.res3(self.res2(x))))
        return self.fc6(_global_average_pooling_2d(x))


class ResNet152(ResNet):
    """`ResNet` of 152 layers."""

    def __init__(self, pretrained: bool | str | os.PathLike[str] = False) -> None:
        super().__init__(152, pretrained)


class ResNet101(ResNet):
    """`ResNet` of 101 layers."""

    def __init__(self, pretrained: bool | str | os.PathLike[str] = False) -> None:
        super().__init__(101, pretrained)


class ResNet50(ResNet):
    """`ResNet` of 50 layers."""

    def __init__(self, pretrained: bool | str | os.PathLike[str] = False) -> None:
        super().__init__(50, pretrained)


def _conv(in_channels: int | None, out_channels: int, kernel_size: Pair, stride: Pair, pad: Pair,
          nobias: bool = False) -> L.Conv2d:
    """A Conv2d that knows its input's channels and still draws its weights late, since a file may be about to give
    them."""
    conv = L.Conv2d(out_channels, kernel_size, stride, pad, nobias=nobias)
    conv.in_channels = in_channels
    return conv


def _global_average_pooling_2d(x: Variable) -> Variable:
    """(N, C, H, W) to (N, C): the mean of each channel."""
    N, C, H, W = x.shape
    return F.reshape(F.average_pooling(x, (H, W), stride=1), (N, C))


class BuildingBlock(Layer):
    """A part of ResNet: a BottleneckA `a`, then n_layers - 1 BottleneckBs `b1`, `b2`, …

    The other arguments are those of BottleneckA. Only in_channels and downsample_fb may be None.
    """

    def __init__(self, n_layers: Any = None, in_channels: int | None = None, mid_channels: Any = None,
                 out_channels: Any = None, stride: Any = None,
                 downsample_fb: bool | None = None) -> None:
        super().__init__()
        needed = {"n_layers": n_layers, "mid_channels": mid_channels, "out_channels": out_channels, "stride": stride}
        missing = [name for name, value in needed.items() if value is None]
        if missing:
            raise ValueError(f"BuildingBlock: {', '.join(missing)} must be given")
        self.a = BottleneckA(in_channels, mid_channels, out_channels, stride, downsample_fb)
        self._forward = ["a"]
        for i in range(1, n_layers):
            setattr(self, f"b{i}", BottleneckB(out_channels, mid_channels))
            self._forward.append(f"b{i}")

    def forward(self, x: Any) -> Any:
        for name in self._forward:
            x = getattr(self, name)(x)
        return x


class BottleneckA(Layer):
    """Convolutions of 1x1, 3x3 and 1x1, and beside them one of 1x1 that brings x to the same shape; their sum.

    x: (N, in_channels, H, W); gives (N, out_channels, H', W'), smaller by `stride`, an int or a pair. downsample_fb:
    False puts the stride into the first 1x1 convolution, as in the paper, True into the 3x3 one, as Facebook's ResNet
    does.
    """

    def __init__(self, in_channels: int | None, mid_channels: int, out_channels: int, stride: Pair = 2,
                 downsample_fb: bool | None = False) -> None:
        super().__init__()
        stride_1x1, stride_3x3 = (1, stride) if downsample_fb else (stride, 1)
        self.conv1 = _conv(in_channels, mid_channels, 1, stride_1x1, 0, nobias=True)
        self.bn1 = L.BatchNorm()
        self.conv2 = _conv(mid_channels, mid_channels, 3, stride_3x3, 1, nobias=True)
        self.bn2 = L.BatchNorm()
        self.conv3 = _conv(mid_channels, out_channels, 1, 1, 0, nobias=True)
        self.bn3 = L.BatchNorm()
        self.conv4 = _conv(in_channels, out_channels, 1, stride, 0, nobias=True)
        self.bn4 = L.BatchNorm()

    def forward(self, x: Operand) -> Variable:
        h = F.relu(self.bn1(self.conv1(x)))
        h = F.relu(self.bn2(self.conv2(h)))
        h = self.bn3(self.conv3(h))
        return F.relu(h + self.bn4(self.conv4(x)))


class BottleneckB(Layer):
    """Convolutions of 1x1, 3x3 and 1x1, added to x: (N, in_channels, H, W), a shape that they keep."""

    def __init__(self, in_channels: int, mid_channels: int) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, mid_channels, 1, 1, 0, nobias=True)
        self.bn1 = L.BatchNorm()
        self.conv2 = _conv(mid_channels, mid_channels, 3, 1, 1, nobias=True)
        self.bn2 = L.BatchNorm()
        self.conv3 = _conv(mid_channels, in_channels, 1, 1, 0, nobias=True)
        self.bn3 = L.BatchNorm()

    def forward(self, x: Operand) -> Variable:
        h = F.relu(self.bn1(self.conv1(x)))
        h = F.relu(self.bn2(self.conv2(h)))
        h = self.bn3(self.conv3(h))
        return F.relu(h + x)


# ---- SqueezeNet ---------------------------------------------------------------------------------------------------


class SqueezeNet(Model):
    """F. Iandola and others, SqueezeNet, 2016, in its authors' version 1.1: 2.4 times less arithmetic than 1.0.

    x: (N, 3, H, W) with H, W >= 31, usually 224 x 224. Gives (N, 1000) scores of ImageNet's classes, before softmax.
    There is dropout in train mode. Pooling leaves out what its windows do not reach at the lower and right edge, as
    `functions.pooling` does; at 224 x 224 they reach everything.

    pretrained: True for squeezenet.npz from the cache directory, or the path of such a file, as `save_weights` writes
    it; DeZero offers none to download. Raises ValueError where the file is damaged or is another model's.
    """

    WEIGHTS_PATH = None     # DeZero has no file; a subclass may name the URL of one

    def __init__(self, pretrained: bool | str | os.PathLike[str] = False) -> None:
        super().__init__()
        self.conv1 = _conv(3, 64, 3, 2, 0)
        self.fire2 = Fire(64, 16, 64, 64)
        self.fire3 = Fire(128, 16, 64, 64)
        self.fire4 = Fire(128, 32, 128, 128)
        self.fire5 = Fire(256, 32, 128, 128)
        self.fire6 = Fire(256, 48, 192, 192)
        self.fire7 = Fire(384, 48, 192, 192)
        self.fire8 = Fire(384, 64, 256, 256)
        self.fire9 = Fire(512, 64, 256, 256)
        self.conv10 = _conv(512, 1000, 1, 1, 0)
        if pretrained:
            _load_pretrained(self, pretrained, self.WEIGHTS_PATH, "squeezenet.npz")

    def forward(self, x: Operand) -> Variable:
        x = F.pooling(F.relu(self.conv1(x)), 3, 2)
        x = F.pooling(self.fire3(self.fire2(x)), 3, 2)
        x = F.pooling(self.fire5(self.fire4(x)), 3, 2)
        x = self.fire9(self.fire8(self.fire7(self.fire6(x))))
        x = F.relu(self.conv10(F.dropout(x)))
        return _global_average_pooling_2d(x)


class Fire(Layer):
    """SqueezeNet's module: a 1x1 convolution to few channels, then 1x1 and 3x3 ones beside each other, joined.

    x: (N, in_channels, H, W); gives (N, expand1x1 + expand3x3, H, W).
    """

    def __init__(self, in_channels: int | None, squeeze1x1: int, expand1x1: int, expand3x3: int) -> None:
        super().__init__()
        self.squeeze1x1 = _conv(in_channels, squeeze1x1, 1, 1, 0)
        self.expand1x1 = _conv(squeeze1x1, expand1x1, 1, 1, 0)
        self.expand3x3 = _conv(squeeze1x1, expand3x3, 3, 1, 1)

    def forward(self, x: Operand) -> Variable:
        x = F.relu(self.squeeze1x1(x))
        return F.relu(F.concatenate((self.expand1x1(x), self.expand3x3(x)), axis=1))
