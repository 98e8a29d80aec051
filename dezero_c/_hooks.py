"""Hooks of layers: functions that are called before and after `forward`, and with the gradients on their way back.

A layer without hooks knows nothing of them; one that has some keeps them in its dictionary, by kind, in the engine's lists
(src/dezero_c/_hooks.pxi, which also has those of Variables).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import dezero_c._core as _core
from dezero_c import _training
from dezero_c._core import Config, Function, Variable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dezero_c._core import HookHandle, HookList
    from dezero_c.layers import Layer

__all__ = ["PLACE", "add", "called"]

PLACE = "_hooks"    # in a layer's dictionary: {kind: HookList}


def add(layer: Layer, kind: str, hook: Callable[..., Any], plain_call: Any) -> HookHandle:
    """Registers a hook of one of the kinds "before", "after" and "backward". plain_call: Layer.__call__, which runs them."""
    name = type(layer).__name__
    if not callable(hook):
        raise TypeError(f"{name}: a hook is a function, and {type(hook)} cannot be called")
    if type(layer).__call__ is not plain_call:
        raise TypeError(f"{name} defines __call__, and hooks run in Layer.__call__: define forward in place of __call__")
    if _core.is_traced():
        raise RuntimeError(f"{name}: a hook is registered in a function that is being captured; register it before")
    kinds: dict[str, HookList] = layer.__dict__.setdefault(PLACE, {})
    if kind not in kinds:
        kinds[kind] = _core.HookList(layer)
    return kinds[kind].add(hook)


def called(layer: Layer, inputs: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """What `layer(*inputs, **kwargs)` gives where the layer has hooks."""
    kinds: dict[str, HookList] = layer.__dict__[PLACE]
    for hook in _of(kinds, "before"):
        found = hook(layer, inputs)
        if found is not None:
            inputs = found if isinstance(found, tuple) else (found,)
    way = None
    if _of(kinds, "backward") and Config.enable_backprop:
        way = _Way(layer, kinds["backward"], len(inputs))
        inputs = way.into(inputs)
    outputs = layer.forward(*inputs, **kwargs)
    _training.remember(layer.__dict__, inputs, outputs)
    if isinstance(outputs, tuple) and len(outputs) == 1:
        (outputs,) = outputs
    for hook in _of(kinds, "after"):
        found = hook(layer, inputs, outputs)
        if found is not None:
            outputs = found
    return outputs if way is None else way.out(outputs)


def _of(kinds: dict[str, HookList], kind: str) -> list[Callable[..., Any]]:
    return kinds[kind].run() if kind in kinds else []


class _Way:
    """Between a call's inputs and its outputs: what the gradients pass on their way back."""

    def __init__(self, layer: Layer, hooks: HookList, n: int) -> None:
        self.layer, self.hooks, self.n = layer, hooks, n
        self.places: list[int] = []
        self.gys: tuple[Any, ...] = ()

    def into(self, inputs: tuple[Any, ...]) -> tuple[Any, ...]:
        self.places = [k for k, x in enumerate(inputs) if isinstance(x, Variable)]
        if not self.places:
            return inputs
        passed = _through(LayerInputs(self), [inputs[k] for k in self.places])
        changed = list(inputs)
        for k, x in zip(self.places, passed, strict=True):
            changed[k] = x
        return tuple(changed)

    def out(self, outputs: Any) -> Any:
        several = isinstance(outputs, (tuple, list))
        ys = list(outputs) if several else [outputs]
        for y in ys:
            if not isinstance(y, Variable):
                raise TypeError(f"{type(self.layer).__name__}: forward returned {type(y)}, and the layer has backward hooks, "
                                "which see gradients of Variables, one or a tuple or list of them; return those, or remove "
                                "the hook")
        passed = _through(LayerOutputs(self), ys)
        return type(outputs)(passed) if several else passed[0]

    def run(self, gxs: tuple[Any, ...]) -> tuple[Any, ...]:
        """The gradients of the inputs `places` as the hooks leave them."""
        whole: list[Any] = [None] * self.n
        for k, gx in zip(self.places, gxs, strict=True):
            whole[k] = gx
        seen = tuple(whole)
        for hook in self.hooks.run():
            found = hook(self.layer, seen, self.gys)
            if found is None:
                continue
            found = found if isinstance(found, tuple) else (found,)
            if len(found) != self.n or any((a is None) != (b is None) for a, b in zip(found, seen, strict=True)):
                raise ValueError(f"{type(self.layer).__name__}: a backward hook returned {_shapes(found)} in place of the "
                                 f"inputs' gradients {_shapes(seen)}; return a tuple with one for each input, None where there "
                                 "is none")
            for k, (new, old) in enumerate(zip(found, seen, strict=True)):
                if new is not None and new.shape != old.shape:
                    raise ValueError(f"{type(self.layer).__name__}: a backward hook returned a gradient of shape {new.shape} "
                                     f"for input {k}, whose gradient is of shape {old.shape}; return one of that shape")
            seen = found
        return tuple(seen[k] for k in self.places)


def _shapes(gs: tuple[Any, ...]) -> str:
    return f"({', '.join('None' if g is None else str(getattr(g, 'shape', type(g).__name__)) for g in gs)})"


def _through(f: Function, xs: list[Variable]) -> list[Any]:
    ys: Any = f(*xs)
    return list(ys) if len(xs) > 1 else [ys]


class LayerInputs(Function):
    """A layer's inputs as they are; in backward, their gradients as the layer's hooks leave them."""

    def __init__(self, way: _Way) -> None:
        self._way = way

    def forward(self, *xs: Any) -> Any:
        return xs

    def backward(self, *gys: Any) -> Any:
        return self._way.run(gys)


class LayerOutputs(LayerInputs):
    """A layer's outputs as they are; in backward, what its hooks are to be told of."""

    def backward(self, *gys: Any) -> Any:
        self._way.gys = gys
        if not self._way.places:
            self._way.run(())
        return gys
