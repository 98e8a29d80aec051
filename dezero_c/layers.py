"""Layers: parameters with the function that uses them. What DeZero has, and GRU, LayerNorm, Dropout and Conv3d.

A layer is plain Python over `dezero_c.functions`. Weights are drawn from NumPy's global generator, in DeZero's order, so
that a seed gives the same numbers in both. Files of weights are read and written by _files/weights.py.
"""

from __future__ import annotations

import math
import os
import weakref
from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _core, _hooks, _random, _training, cuda
from dezero_c import functions as F
from dezero_c._core import Parameter, Variable
from dezero_c._files import weights as _weights
from dezero_c._recurrent import lstm_step
from dezero_c.functions_conv import conv2d, conv3d, deconv2d, pair

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, ClassVar, Self

    from numpy.typing import DTypeLike, NDArray

    from dezero_c._core import HookHandle
    from dezero_c._summary import Summary
    from dezero_c._typing import Operand, Pair, Path, Triple

__all__ = [
    "GRU", "LSTM", "RNN", "BatchNorm", "Conv2d", "Conv3d", "Deconv2d", "Dropout", "EmbedID", "F", "Layer", "LayerNorm", "Linear",
    "Parameter", "cuda", "np", "os", "pair", "weakref",
]       # what DeZero's module imports too, here and in its neighbours


class _Names(dict[str, None]):
    """The names of a layer's parameters: the set that DeZero has, in the order of definition."""

    def add(self, name: str) -> None:
        self[name] = None

    def discard(self, name: str) -> None:
        self.pop(name, None)

    remove = dict.__delitem__

    def __ior__(self, names: Any) -> Self:  # type: ignore[override,misc]
        for name in names:
            self[name] = None
        return self

    def __repr__(self) -> str:
        return f"{{{', '.join(map(repr, self))}}}" if self else "set()"


def _detached(value: Any) -> Any:
    """A Variable that a graph has computed as its value alone; anything else as it is."""
    computed: Any = value
    return Variable(computed.data) if isinstance(value, Variable) and value.creator is not None else value


def _items(name: str, value: Any, seen: set[int]) -> Iterator[tuple[str, Any]]:
    """(path, Parameter or Layer) for what a list, a tuple or a dict holds, and what these hold, but for what has been seen."""
    if id(value) in seen:
        return
    seen.add(id(value))
    if isinstance(value, (Parameter, Layer)):
        yield name, value
    elif isinstance(value, (list, tuple, dict)):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from _items(f"{name}/{key}", item, seen)


def _in_circles(layer: Layer, under_way: dict[int, bool]) -> bool:
    """Whether a layer holds itself, or one that holds it. under_way: {id of a layer: whether its parts are being looked at}."""
    under_way[id(layer)] = True
    for _, part in layer._held():
        if isinstance(part, Layer):
            known = under_way.get(id(part))
            if known or (known is None and _in_circles(part, under_way)):
                return True
    under_way[id(layer)] = False
    return False


class Layer:
    """The base of layers and models. Subclasses define `forward`, and assign Parameters and Layers to attributes.

    Whatever is assigned belongs to the layer, and so does what a list, a tuple or a dict holds that is assigned: `params()`
    gives the Parameters of the layer and of those within, each once, in the order of definition, those in containers last.
    `inputs` and `outputs` are weak references to what the last call was given and gave.
    """

    if TYPE_CHECKING:
        _params: _Names

    def __init__(self) -> None:
        self.__dict__.setdefault("_params", _Names())

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, (Parameter, Layer)):
            self.__dict__.setdefault("_params", _Names()).add(name)
        else:
            if name in self.__dict__.get("_params", ()):
                self._params.discard(name)
            if isinstance(value, (list, tuple, dict)) and name != "_params":    # what they hold may come later
                self.__dict__.setdefault("_containers", {})[name] = None
        object.__setattr__(self, name, value)

    def __delattr__(self, name: str) -> None:
        object.__delattr__(self, name)
        self.__dict__.get("_params", _Names()).discard(name)

    def __call__(self, *inputs: Any, **kwargs: Any) -> Variable | Any:
        own = self.__dict__
        if "_hooks" in own:     # _hooks.PLACE, without looking it up
            return _hooks.called(self, inputs, kwargs)
        outputs = self.forward(*inputs, **kwargs)
        _training.remember(own, inputs, outputs)
        return outputs[0] if isinstance(outputs, tuple) and len(outputs) == 1 else outputs

    def forward(self, *inputs: Any) -> Any:
        raise NotImplementedError(f"{type(self).__name__} does not define forward(self, *inputs)")

    def register_forward_pre_hook(self, hook: Callable[[Any, tuple[Any, ...]], Any]) -> HookHandle:
        """Has `hook(layer, inputs)` called before `forward`, with the tuple of what the layer was called with (not keywords). It
        may return other inputs, a tuple or a single one, or None.

        Hooks run in the order of registration. `remove()` of the result, or a `with` block over it, ends the hook; copies and
        pickles of the layer have none, and while there are any, captured functions run as they are. Raises TypeError for what
        cannot be called, and for a layer whose class has a `__call__` of its own.
        """
        return _hooks.add(self, "before", hook, Layer.__call__)

    def register_forward_hook(self, hook: Callable[[Any, tuple[Any, ...], Any], Any]) -> HookHandle:
        """Has `hook(layer, inputs, outputs)` called after `forward`. It may return what the call is to give in place of the
        outputs, or None. See `register_forward_pre_hook`."""
        return _hooks.add(self, "after", hook, Layer.__call__)

    def register_full_backward_hook(self, hook: Callable[[Any, tuple[Any, ...], tuple[Any, ...]], Any]) -> HookHandle:
        """Has `hook(layer, gxs, gys)` called when the gradients of a call's inputs are known: gxs by the inputs (None for what
        was no Variable), gys by the outputs. It may return other gradients for the inputs, a tuple with one for each, or None;
        gradients of parameters are seen by `parameter.register_hook`. Of an input that is used elsewhere too, gx is this
        layer's part. See `register_forward_pre_hook`."""
        return _hooks.add(self, "backward", hook, Layer.__call__)

    def __getstate__(self) -> dict[str, Any]:
        """The attributes, without hooks and the references to the last call's inputs and outputs. A Variable that a graph has
        computed, such as the state of a recurrent layer, is there as its value: copies and pickles do not hold the steps
        before."""
        state = {name: _detached(value)
                 for name, value in self.__dict__.items() if name not in ("inputs", "outputs", _hooks.PLACE)}
        if (own := state.get("_params")) is not None:       # copy.copy would share it
            state["_params"] = type(own)(own)
        if (held := state.get("_containers")) is not None:
            state["_containers"] = dict(held)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """The opposite of `__getstate__`; takes the attributes of a DeZero layer as well, whose names of Parameters are a set."""
        if type(state.get("_params")) is not set:
            self.__dict__.update(state)
            return
        self.__dict__["_params"] = _Names()
        for name, value in state.items():       # in the order of definition
            if name != "_params":
                setattr(self, name, value)

    # ---- what a layer says of itself, see _summary.py

    def __repr__(self) -> str:
        """The class, its sizes, and the layers and Parameters in it under their names; "?" for sizes that the first call will
        tell. A layer that comes again is named by its first place."""
        from dezero_c._summary import text_of

        return text_of(self, Layer)

    def summary(self, *inputs: Any, **kwargs: Any) -> Summary:
        """A table of the layers, by one call `layer(*inputs, **kwargs)`: classes, shapes and dtypes of outputs, numbers of
        parameters, multiply-adds, bytes of the outputs; the sums below. `print` shows it; `rows`, `parameters`,
        `multiply_adds` and `activation_bytes` are for programs.

        inputs: what the model is called with, Variables or arrays. A copy (`copy.deepcopy`) is called, in test mode and without a
        graph, and random generators are set back: the model stays as it is, and so does what a program computes after
        it. Weights whose size the call tells are drawn in the copy alone; hooks of layers do not run. What a model
        reaches by closures and not by its attributes is not copied.

        Multiply-adds are those of products and convolutions, by formulas from the shapes; biases, elementwise functions,
        normalisations and pooling are not counted. A recurrent layer, one row, has those of its calls: a first step, without a
        state, makes fewer. Layers whose `forward` is your own have "?" and count 0 beside the layers in them. A layer that
        comes several times has one row, with the sums of its calls; its parameters count once. BatchNorm's running
        averages are parameters. Raises TypeError for a shape in place of an array, and for a model that cannot be copied.
        """
        from dezero_c._summary import summary_of

        return summary_of(self, inputs, kwargs, Layer)

    def _summary_sizes(self) -> str | None:
        """The sizes of the layer in words, without drawing weights; None where its Parameters are to be listed."""
        return None

    def _summary_parts(self) -> Iterator[tuple[str, Any]]:
        """(name, Parameter, Layer or function) of what the layer consists of."""
        yield from self._held()

    def _summary_one_row(self) -> bool:
        """Whether the layers within are not worth a row of their own."""
        return False

    def _summary_state(self) -> bool:
        """Whether there is a state before a call, on which its products depend."""
        return False

    def _summary_products(self, x: Any, y: Any, state: bool) -> int | None:
        """The multiply-adds of a call that was given x first and gave y; None where they are not known. state: what
        `_summary_state` gave before."""
        return None

    def params(self) -> Iterator[Parameter]:
        """The Parameters of this layer and of the layers in it, each once."""
        yield from _training.parameters(self)

    def named_params(self) -> Iterator[tuple[str, Parameter]]:
        """(name, Parameter) for each of `params()`; names are paths such as `l0/W`, those of the files of weights."""
        seen = set()
        flat: dict[str, Parameter] = {}
        self._flatten_params(flat)
        for name, param in flat.items():
            if id(param) not in seen:
                seen.add(id(param))
                yield name, param

    def _flatten_params(self, params_dict: dict[str, Parameter], parent_key: str = "", seen: set[int] | None = None) -> None:
        """seen: None, so that a layer that comes twice has its Parameters under both names, as in DeZero's files; where layers
        hold each other there is no end of names, and each layer comes once."""
        if seen is None and not parent_key and _in_circles(self, {}):
            seen = set()
        if seen is not None:
            seen.add(id(self))
        for name, value in self._held():
            key = f"{parent_key}/{name}" if parent_key else name
            if not isinstance(value, Layer):
                params_dict[key] = value
            elif seen is None:
                value._flatten_params(params_dict, key)
            elif id(value) not in seen:
                value._flatten_params(params_dict, key, seen)

    def _held(self) -> Iterator[tuple[str, Parameter | Layer]]:
        """(name, Parameter or Layer) for what is assigned to attributes; what containers hold besides as `name/0`."""
        seen = set()
        for name in self.__dict__.get("_params", ()):
            value = self.__dict__[name]
            seen.add(id(value))
            yield name, value
        for name in self.__dict__.get("_containers", ()):
            yield from _items(name, self.__dict__.get(name), seen)

    def cleargrads(self) -> None:
        """Takes every Parameter's gradient away."""
        _training.clear(self)

    def to_cpu(self) -> None:
        """Brings the Parameters to the processor's memory, where they always are."""
        for param in self.params():
            param.to_cpu()

    def to_gpu(self) -> None:
        """Raises: there is no GPU here."""
        Parameter(np.zeros(0)).to_gpu()     # also where no weights have been drawn yet

    def save_weights(self, path: Path) -> None:
        """Writes the Parameters' data to `path`, in DeZero's format: a compressed .npz with a key such as `l0/W` for each.

        The file is written under another name first: one that was there stays whole whatever happens. Parameters whose size
        is not known yet are left out.
        """
        flat: dict[str, Parameter] = {}
        self._flatten_params(flat)
        _weights.save(path, flat)

    def load_weights(self, path: Path) -> None:
        """Reads what `save_weights`, or DeZero's, wrote.

        Nothing is changed unless all of it fits. Raises ValueError, naming the parameter, where the file lacks one or has one in
        another shape, and where the file is no file of weights; nothing in a file is ever executed.
        """
        flat: dict[str, Parameter] = {}
        self._flatten_params(flat)
        shapes: dict[str, tuple[int | None, ...] | None] = {}
        dtypes: dict[str, Any] = {}
        self._flatten_known(shapes, dtypes)
        _weights.load(path, flat, shapes, dtypes, type(self).__name__)

    def _flatten_known(self, shapes: dict[str, tuple[int | None, ...] | None], dtypes: dict[str, Any],
                       parent_key: str = "", seen: set[int] | None = None) -> None:
        if seen is None and not parent_key and _in_circles(self, {}):
            seen = set()
        if seen is not None:
            seen.add(id(self))
        for name, value in self._held():
            key = f"{parent_key}/{name}" if parent_key else name
            if isinstance(value, Layer):
                if seen is None or id(value) not in seen:
                    value._flatten_known(shapes, dtypes, key, seen)
            else:
                shapes[key] = self._known_shape(name)
                dtypes[key] = getattr(self, "dtype", None) if value.data is None else value.data.dtype

    def _known_shape(self, name: str) -> tuple[int | None, ...] | None:
        """What is known of the shape of the Parameter `name` before it has data: a tuple with None for open lengths, or
        None."""
        return None


_training.set_base(Layer)


def _drawn(shape: Any, fan_in: Any, dtype: DTypeLike) -> NDArray[Any]:
    """Normal numbers of variance 1 / fan_in (Y. LeCun and others, Efficient BackProp, 1998)."""
    dtype = np.dtype(dtype)
    return _random.source().randn(*shape).astype(dtype) * dtype.type(np.sqrt(1 / max(fan_in, 1)))


def _columns(layer: Layer, x: Any, axis: int) -> int:
    """The length of x's axis that decides the size of a layer's weights."""
    shape: tuple[int, ...] = np.shape(x)
    if not -len(shape) <= axis < len(shape):
        what = "x is None, and" if x is None else f"x of shape {shape}"
        raise ValueError(f"{type(layer).__name__}: {what} has too few axes to tell the size of the weights; pass an array")
    return shape[axis]


class _FirstCall:
    """with _FirstCall(layer): what makes the layer's weights of its first input, and computes with them. After an error the
    layer has none again, so that another input can be its first."""

    __slots__ = ("attributes", "layer", "params")

    def __init__(self, layer: Layer) -> None:
        own = layer.__dict__
        self.layer = layer
        self.attributes: dict[str, Any] = {k: own[k] for k in own if k in ("in_size", "in_channels", "_init_W")}
        self.params = [p for p in own.values() if isinstance(p, Parameter) and p.data is None]

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: object, traceback: object) -> None:
        if kind is not None:
            self.layer.__dict__.update(self.attributes)
            for p in self.params:
                p.data = None


def _channels(layer: _Convolution, x: Any) -> int:
    """The number of x's channels, which must be layer.in_channels where that has been given."""
    C = _columns(layer, x, 1)
    if layer.in_channels not in (None, C):
        raise ValueError(f"{type(layer).__name__}: x of shape {np.shape(x)} has {C} channels and not the {layer.in_channels} of "
                         "in_channels")
    return C


def _sizes(layer: Layer, size: Any, out: str, of: Callable[[Any], int]) -> str:
    """A layer's size of the input (by its weights, where they are there) and of the output, and what is not as usual."""
    own = layer.__dict__
    W = getattr(own.get("W"), "data", None)
    given = of(W) if W is not None else "?" if size is None else size
    dtype = own.get("dtype", np.float32) if W is None else W.dtype
    text = f"{given} -> {own.get(out, '?')}"
    for name, usual in (("kernel_size", None), ("stride", 1), ("pad", 0), ("dilation", 1), ("groups", 1)):
        if name in own and own[name] != usual:
            text += f", {name}={own[name]}"
    return text + (", no bias" if own.get("b", 0) is None else "") + ("" if dtype == np.float32 else f", {np.dtype(dtype)}")


def _each(outputs: Any, W: Parameter, axis: int) -> int | None:
    """A product for each of `outputs` with each of W that belongs to one of them, those along all its axes but `axis`."""
    shape: Any = np.shape(W.data)
    return None if outputs is None else math.prod(np.shape(outputs)) * math.prod(shape[:axis] + shape[axis + 1:])


# ---- linear, convolution ------------------------------------------------------------------------------------------


class Linear(Layer):
    """x @ W + b. x: (..., in_size); W: (in_size, out_size), drawn when x is first seen unless in_size is given; b: (out_size,),
    zeros at first, or None with nobias. Both have `dtype`. Raises ValueError where x's last axis is not W's first.
    """

    def __init__(self, out_size: int, nobias: bool = False, dtype: DTypeLike = np.float32,
                 in_size: int | None = None) -> None:
        super().__init__()
        self.in_size: Any = in_size     # an int from the first call on
        self.out_size = out_size
        self.dtype = dtype
        self.W = Parameter(None, name="W")
        if in_size is not None:
            self._init_W()
        self.b = None if nobias else Parameter(np.zeros(out_size, dtype=dtype), name="b")

    def _init_W(self, xp: Any = np) -> None:
        self.W.data = _drawn((self.in_size, self.out_size), self.in_size, self.dtype)

    def _draw_for(self, x: Any) -> None:
        self.in_size = _columns(self, x, -1)
        self._init_W()

    def _known_shape(self, name: str) -> tuple[int | None, ...] | None:
        return (self.in_size, self.out_size) if name == "W" else None

    def _summary_sizes(self) -> str | None:
        return _sizes(self, self.__dict__.get("in_size"), "out_size", lambda W: W.shape[0])

    def _summary_products(self, x: Any, y: Any, state: bool) -> int | None:
        return _each(y, self.W, 1)

    def forward(self, x: Operand) -> Variable:
        W = self.W
        if W.data is None:
            with _FirstCall(self):
                self._draw_for(x)
                return F.linear(x, W, self.b)
        return F.linear(x, W, self.b)


class _Convolution(Layer):
    """What Conv2d, Conv3d and Deconv2d share, none of which is another."""

    _function: ClassVar[Callable[..., Variable]]
    _axes: ClassVar[int] = 2
    dilation: Any = 1       # for older pickles, too
    groups: int = 1

    def __init__(self, out_channels: int, kernel_size: Pair | Triple, stride: Pair | Triple = 1, pad: Pair | Triple = 0,
                 nobias: bool = False, dtype: DTypeLike = np.float32, in_channels: int | None = None, *,
                 dilation: Pair | Triple = 1, groups: int = 1) -> None:
        super().__init__()
        if isinstance(groups, bool) or not isinstance(groups, (int, np.integer)) or groups < 1 or out_channels % groups:
            raise ValueError(f"{type(self).__name__}: groups {groups!r} must be an int from 1 on that divides out_channels, "
                             f"{out_channels}")
        self.in_channels: Any = in_channels     # an int from the first call on
        self.out_channels = out_channels
        self.kernel_size = kernel_size
        self.stride = stride
        self.pad = pad
        self.dilation = dilation
        self.groups = groups
        self.dtype = dtype
        self.W = Parameter(None, name="W")
        if in_channels is not None:
            self._init_W()
        self.b = None if nobias else Parameter(np.zeros(out_channels, dtype=dtype), name="b")

    def _lengths(self) -> tuple[int, ...]:
        """The window's, one for each of its axes."""
        size: Any = self.kernel_size
        if isinstance(size, (int, np.integer)):
            return (int(size),) * self._axes
        if isinstance(size, (tuple, list)) and len(size) == self._axes:
            return tuple(size)
        raise ValueError(f"{type(self).__name__}: kernel_size {size!r} must be an int or {self._axes} ints")

    def _init_W(self, xp: Any = np) -> None:
        if self.in_channels % self.groups:
            raise ValueError(f"{type(self).__name__}: groups {self.groups} must divide the number of channels, "
                             f"{self.in_channels}")
        fan_in = self.in_channels // self.groups * math.prod(self._lengths())
        self.W.data = _drawn(self._known_shape("W"), fan_in, self.dtype)

    def _known_shape(self, name: str) -> tuple[int | None, ...] | None:
        C = self.in_channels
        return (self.out_channels, None if C is None else C // self.groups, *self._lengths()) if name == "W" else None

    def _summary_sizes(self) -> str | None:
        return _sizes(self, self.__dict__.get("in_channels"), "out_channels", lambda W: W.shape[1] * self.groups)

    def _summary_products(self, x: Any, y: Any, state: bool) -> int | None:
        return _each(y, self.W, 0)

    def forward(self, x: Operand) -> Variable:
        if self.W.data is None:
            with _FirstCall(self):
                self.in_channels = _channels(self, x)
                self._init_W()
                return self._function(x, self.W, self.b, self.stride, self.pad, dilation=self.dilation, groups=self.groups)
        return self._function(x, self.W, self.b, self.stride, self.pad, dilation=self.dilation, groups=self.groups)


class Conv2d(_Convolution):
    """Convolution of x (N, C, H, W) with W (out_channels, C / groups, KH, KW), plus b. W is drawn when x is first seen, unless
    in_channels is given; b (out_channels,) is zeros at first, or None with nobias. Both have `dtype`.

    kernel_size, stride, pad: an int or a pair. dilation (the same), groups (an int that divides the channels of both sides):
    as in `functions.conv2d`, not in DeZero. Raises ValueError for groups that do not divide them, for x with other channels
    than in_channels, and for shapes that do not fit.
    """

    _function = staticmethod(conv2d)


class Deconv2d(_Convolution):
    """Transposed convolution of x (N, C, H, W) with W (C, out_channels / groups, KH, KW), plus b; the rest as in Conv2d."""

    _function = staticmethod(deconv2d)

    def _known_shape(self, name: str) -> tuple[int | None, ...] | None:
        return (self.in_channels, self.out_channels // self.groups, *self._lengths()) if name == "W" else None

    def _summary_sizes(self) -> str | None:
        return _sizes(self, self.__dict__.get("in_channels"), "out_channels", lambda W: W.shape[0])

    def _summary_products(self, x: Any, y: Any, state: bool) -> int | None:
        return _each(x, self.W, 0)


class Conv3d(_Convolution):
    """Convolution of x (N, C, D, H, W) with W (out_channels, C / groups, KD, KH, KW), plus b, see `functions.conv3d`; the rest as
    in Conv2d, with an int or three ints where that takes a pair."""

    _function = staticmethod(conv3d)
    _axes = 3


# ---- recurrent ----------------------------------------------------------------------------------------------------


def _same_batch(layer: RNN | LSTM | GRU, x: Any) -> None:
    """Says so where the state is of another batch than x."""
    h: Any = layer.h
    state, shape = np.shape(h), np.shape(x)     # () for None
    if state and shape and state[0] != shape[0]:
        raise ValueError(f"{type(layer).__name__}: the state is of a batch of {state[0]}, x of shape {shape} is not; call "
                         "reset_state() before a new sequence")


def _through(layer: Layer, x: Operand, y: Operand | None = None) -> Variable | Any:
    """layer(x), or y + layer(x). A Linear whose weights are there is one operation, and does not note inputs and outputs."""
    if type(layer) is Linear and layer.W.data is not None:
        if y is None:
            return F.linear(x, layer.W, layer.b)
        if layer.b is None:
            return F.linear(x, layer.W, y)
    return layer(x) if y is None else y + layer(x)


class _Recurrent(Layer):
    """What the recurrent layers say of themselves."""

    def _gates(self) -> list[Any]:
        """The layers from x, and those from the state; none where one of them is no Linear."""
        parts = [part for _, part in self._held()]
        return parts if parts and all(type(part) is Linear for part in parts) else []

    def _summary_one_row(self) -> bool:
        return bool(self._gates())

    def _summary_sizes(self) -> str | None:
        return parts[0]._summary_sizes() if (parts := self._gates()) else None

    _unused = 0     # how many of the layers from x a call without a state leaves out
    h: Any

    def _summary_state(self) -> bool:
        return self.h is not None

    def _summary_products(self, x: Any, y: Any, state: bool) -> int | None:
        parts = self._gates()
        if not parts or x is None:
            return None
        half = len(parts) // 2      # from x; the others, from the state, have as many rows as columns
        rows: int = half * np.shape(x)[-1] + sum(part.out_size for part in parts[half:])
        if not state:
            rows = (half - self._unused) * np.shape(x)[-1]
        return int(math.prod(np.shape(y))) * rows


class RNN(_Recurrent):
    """h = tanh(x2h(x) + h2h(h)), from h = 0, one step a call. x: (N, in_size); the result is h, (N, hidden_size), which is kept
    with its graph for the next call. Raises ValueError where x is of another batch than h; see `reset_state`."""

    def __init__(self, hidden_size: int, in_size: int | None = None) -> None:
        super().__init__()
        self.x2h = Linear(hidden_size, in_size=in_size)
        self.h2h = Linear(hidden_size, in_size=None if in_size is None else hidden_size, nobias=True)
        self.h: Variable | Any = None   # None before the first call; a program may set it to an array

    def reset_state(self) -> None:
        """Forgets h; the next call starts a new sequence."""
        self.h = None

    def forward(self, x: Operand) -> Variable:
        _same_batch(self, x)
        h_new = F.tanh(self.x2h(x) if self.h is None else _through(self.h2h, self.h, self.x2h(x)))
        self.h = h_new
        return h_new


class LSTM(_Recurrent):
    """Long short-term memory without peepholes (S. Hochreiter, J. Schmidhuber, 1997; F. Gers and others, 2000): gates f, i, o
    = sigmoid(x2(x) + h2(h)) and u = tanh(x2u(x) + h2u(h)); c = f c + i u; h = o tanh(c), from c = h = 0.

    x: (N, in_size); the result is h, (N, hidden_size); h and c are kept as in RNN, which says what is refused, too."""

    def __init__(self, hidden_size: int, in_size: int | None = None) -> None:
        super().__init__()
        H, I = hidden_size, in_size  # noqa: E741
        self.x2f = Linear(H, in_size=I)
        self.x2i = Linear(H, in_size=I)
        self.x2o = Linear(H, in_size=I)
        self.x2u = Linear(H, in_size=I)
        self.h2f = Linear(H, in_size=H, nobias=True)
        self.h2i = Linear(H, in_size=H, nobias=True)
        self.h2o = Linear(H, in_size=H, nobias=True)
        self.h2u = Linear(H, in_size=H, nobias=True)
        self.reset_state()

    def reset_state(self) -> None:
        """Forgets h and c; the next call starts a new sequence."""
        self.h: Variable | Any = None   # None before the first call; a program may set it to an array
        self.c: Variable | Any = None

    def forward(self, x: Operand) -> Variable:
        x2 = (self.x2f, self.x2i, self.x2o, self.x2u)
        h2 = (self.h2f, self.h2i, self.h2o, self.h2u)
        step = lstm_step(x, self.h, self.c, x2, h2, Linear)
        if step is None:
            _same_batch(self, x)
            f, i, o, u = [_through(layer, x) for layer in x2]
            if self.h is not None:
                f, i, o, u = [_through(layer, self.h, gate) for layer, gate in zip(h2, (f, i, o, u), strict=True)]
            f, i, o, u = F.sigmoid(f), F.sigmoid(i), F.sigmoid(o), F.tanh(u)
            c_new = i * u if self.c is None else f * self.c + i * u
            step = o * F.tanh(c_new), c_new
        self.h, self.c = step
        return self.h


class GRU(_Recurrent):
    """Gated recurrent unit (K. Cho and others, 2014): gates r, z = sigmoid(x2(x) + h2(h)), u = tanh(x2u(x) + h2u(r h)),
    h = z h + (1 - z) u, from h = 0. x: (N, in_size); the result is h, (N, hidden_size), kept as in RNN."""

    _unused = 1     # r, which the state is multiplied by
    x2r: Linear
    x2z: Linear
    x2u: Linear
    h2r: Linear
    h2z: Linear
    h2u: Linear

    def __init__(self, hidden_size: int, in_size: int | None = None) -> None:
        super().__init__()
        for gate in "rzu":
            setattr(self, f"x2{gate}", Linear(hidden_size, in_size=in_size))
        for gate in "rzu":
            setattr(self, f"h2{gate}", Linear(hidden_size, in_size=hidden_size, nobias=True))
        self.h: Variable | Any = None   # None before the first call; a program may set it to an array

    def reset_state(self) -> None:
        """Forgets h; the next call starts a new sequence."""
        self.h = None

    def forward(self, x: Operand) -> Variable:
        _same_batch(self, x)
        h = self.h
        if h is None:
            h_new = (1 - F.sigmoid(self.x2z(x))) * F.tanh(self.x2u(x))
        else:
            x2r = self.x2r
            if type(x2r) is Linear and x2r.W.data is None:      # the call without h was the others' first
                with _FirstCall(x2r):
                    x2r._draw_for(x)
                    return GRU.forward(self, x)
            r = F.sigmoid(_through(self.h2r, h, x2r(x)))
            z = F.sigmoid(_through(self.h2z, h, self.x2z(x)))
            u = F.tanh(_through(self.h2u, r * h, self.x2u(x)))
            h_new = z * h + (1 - z) * u
        self.h = h_new
        return h_new


# ---- the others ---------------------------------------------------------------------------------------------------


class EmbedID(Layer):
    """The row of W (in_size, out_size), float32, normal numbers of variance 1 at first, for each of the integers x: shape
    (*x.shape, out_size). Raises TypeError for what are no integers, IndexError for ids that are no rows.

    padding_idx (not in DeZero): the row that stands for padding; it starts as zeros and gets no gradient, see
    `functions.embed_id`. Raises IndexError where W has no such row.
    """

    padding_idx: int | None = None      # for older pickles, too

    def __init__(self, in_size: int, out_size: int, *, padding_idx: int | None = None) -> None:
        super().__init__()
        self.W = Parameter(_random.source().randn(in_size, out_size).astype(np.float32), name="W")
        if padding_idx is not None:
            F.embed_id([], self.W, padding_idx=padding_idx)     # raises for what is no row
            self.W.data[padding_idx] = 0
        self.padding_idx = padding_idx

    if TYPE_CHECKING:
        def __call__(self, x: Operand) -> Variable: ...

    def forward(self, x: Operand) -> Variable:
        return F.embed_id(x, self.W, padding_idx=self.padding_idx)

    def _summary_sizes(self) -> str | None:
        W: Any = getattr(self.__dict__.get("W"), "data", None)
        return None if W is None else f"{W.shape[0]} -> {W.shape[1]}" + (
            "" if self.padding_idx is None else f", padding_idx={self.padding_idx}")

    def _summary_products(self, x: Any, y: Any, state: bool) -> int | None:
        return 0


def _length(layer: Layer) -> str:
    """The length of a normalisation's gamma, in words."""
    gamma: Any = getattr(layer.__dict__.get("gamma"), "data", None)
    return "?" if gamma is None else str(len(gamma))


class BatchNorm(Layer):
    """Batch normalisation along axis 1 of x (N, C) or (N, C, H, W), see `functions.batch_norm`. gamma, beta, avg_mean and
    avg_var, (C,), are made when x is first seen, in its dtype (float32 for integers).

    The running averages are Parameters too, so that they are saved with the weights; they never have a gradient.
    """

    def __init__(self) -> None:
        super().__init__()
        self.avg_mean = Parameter(None, name="avg_mean")
        self.avg_var = Parameter(None, name="avg_var")
        self.gamma = Parameter(None, name="gamma")
        self.beta = Parameter(None, name="beta")

    def _init_params(self, x: Any) -> None:
        D, dtype = _columns(self, x, 1), x.dtype
        for param, make in ((self.avg_mean, np.zeros), (self.avg_var, np.ones), (self.gamma, np.ones), (self.beta, np.zeros)):
            if param.data is None:
                param.data = make(D, dtype=dtype if dtype.kind == "f" else np.float32)

    if TYPE_CHECKING:
        def __call__(self, x: Operand) -> Variable: ...

    def forward(self, x: Operand) -> Variable:
        if self.avg_mean.data is None:
            with _FirstCall(self):
                x = x if isinstance(x, Variable) else np.asarray(x)
                self._init_params(x)
                return F.batch_norm(x, self.gamma, self.beta, _core.pinned(self.avg_mean), _core.pinned(self.avg_var))
        return F.batch_norm(x, self.gamma, self.beta, _core.pinned(self.avg_mean), _core.pinned(self.avg_var))

    def _summary_sizes(self) -> str | None:
        return _length(self)

    def _summary_products(self, x: Any, y: Any, state: bool) -> int | None:
        return 0


class LayerNorm(Layer):
    """Normalisation over the last axis of x (..., D), see `functions.layer_norm`; eps is added to the variance. gamma and beta,
    (D,), are made when x is first seen, in its dtype (float32 for integers)."""

    def __init__(self, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.gamma = Parameter(None, name="gamma")
        self.beta = Parameter(None, name="beta")

    def forward(self, x: Operand) -> Variable:
        if self.gamma.data is None:
            x = x if isinstance(x, Variable) else np.asarray(x)
            D, dtype = _columns(self, x, -1), x.dtype if x.dtype.kind == "f" else np.float32
            with _FirstCall(self):
                self.gamma.data, self.beta.data = np.ones(D, dtype=dtype), np.zeros(D, dtype=dtype)
                return F.layer_norm(x, self.gamma, self.beta, eps=self.eps)
        return F.layer_norm(x, self.gamma, self.beta, eps=self.eps)

    def _summary_sizes(self) -> str | None:
        return _length(self)

    def _summary_products(self, x: Any, y: Any, state: bool) -> int | None:
        return 0


class Dropout(Layer):
    """Zeros for a share of the elements, dropout_ratio from 0 to below 1, while training; x itself in test mode. See
    `functions.dropout`."""

    def __init__(self, dropout_ratio: float = 0.5) -> None:
        super().__init__()
        self.dropout_ratio = dropout_ratio

    def forward(self, x: Operand) -> Variable:
        return F.dropout(x, self.dropout_ratio)

    def _summary_sizes(self) -> str | None:
        return str(self.__dict__.get("dropout_ratio", "?"))

    def _summary_products(self, x: Any, y: Any, state: bool) -> int | None:
        return 0
