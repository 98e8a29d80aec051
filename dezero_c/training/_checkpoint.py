"""The file that a run of `fit` goes on from: an .npz of arrays and numbers, whole or not there; nothing in it is executed.

What is kept of each thing is its own `state_dict()`; of a model its Parameters; of random numbers the states of NumPy's global
generator, of the generator of the thread, where it has one, and of Python's `random`.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _random
from dezero_c._files.whole import replacing
from dezero_c.history import History

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping
    from typing import IO, Any, TypeAlias

    from numpy.typing import NDArray

    from dezero_c.layers import Layer

    States: TypeAlias = Mapping[str, Mapping[str, Any]]

__all__ = ["random_state", "read", "restore_model", "restore_random", "write"]

_FORMAT = "dezero_c checkpoint 1"


def write(path: str | os.PathLike[str], about: dict[str, Any], states: States) -> None:
    """Writes `about`, which JSON can hold, and {thing: {name: number, text or array}}."""
    arrays: dict[str, NDArray[Any]] = {}
    plain = []
    for thing, state in states.items():
        for name, value in state.items():
            key = f"{thing}/{name}"
            arrays[key] = np.asarray(value)
            if arrays[key].dtype.hasobject:
                raise TypeError(f"fit: a checkpoint holds numbers, texts and arrays, and {name!r} in the state of {thing} is "
                                f"{value!r}; leave it out of state_dict()")
            if isinstance(value, (bool, int, float, str)):
                plain.append(key)
    text = json.dumps({"format": _FORMAT, "plain": plain, **about})
    with replacing(path) as file:
        np.savez(file, about=np.frombuffer(text.encode(), np.uint8), **arrays)  # type: ignore[arg-type]


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The opposite of `write`. Raises OSError where the file cannot be opened, and ValueError where it is no such file."""
    with open(path, "rb") as file:
        return _parsed(file, path)


def _parsed(file: IO[bytes], path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    try:
        if file.read(2) != b"PK":
            raise ValueError("it is no .npz file")      # which NumPy would call pickled data
        file.seek(0)
        with np.load(file, allow_pickle=False) as archive:
            found = {key: archive[key] for key in archive.files}
        about = json.loads(bytes(found.pop("about")))
        if about.pop("format") != _FORMAT:
            raise ValueError(f"its format is not {_FORMAT!r}")
        plain = set(about.pop("plain"))
        states: dict[str, dict[str, Any]] = {}
        for key, array in found.items():
            thing, _, name = key.partition("/")
            states.setdefault(thing, {})[name] = array.item() if key in plain else array
        _check(about, _FIELDS, "")
        about["history"] = _history(about["history"], path)
        _generators(states.get("random", {}))
    except Exception as error:      # NumPy's and zipfile's readers raise some ten classes
        what = "it holds pickled objects" if "allow_pickle" in str(error) else error or type(error).__name__
        raise ValueError(f"fit: {path} is no checkpoint, or is damaged: {what}; remove it to begin anew") from error
    return about, states


def _history(text: str, path: str | os.PathLike[str]) -> History:
    try:
        return History._parsed(text, path)
    except ValueError as error:     # which speaks of a file of its own
        raise ValueError(f"its history is damaged ({error})") from error


def _whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _texts(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(each, str) for each in value)


def _call(value: Any) -> bool:
    """{numbers: {name: number}, settings: {name: anything}, data: {name: [[shape, dtype, checksum], ...] or None}}"""
    def marks(found: Any) -> bool:
        return isinstance(found, list) and all(isinstance(m, list) and len(m) == 3 and isinstance(m[0], list) and
                                               np.dtype(m[1]) is not None for m in found)

    return isinstance(value, dict) and all(isinstance(each, dict) for each in value.values()) and all(
        found is None or marks(found) for found in value.get("data", {}).values())


_AMID: dict[str, Callable[[Any], bool]] = {
    "batch": _whole, "loss": _number, "lr": lambda value: value is None or _number(value), "seconds": _number, "n": _whole,
    "sums": lambda value: isinstance(value, dict) and all(map(_number, value.values())), "waiting": _whole, "parts": _whole}
_FIELDS: dict[str, Callable[[Any], bool]] = {
    "epoch": _whole, "stop": lambda value: isinstance(value, bool), "history": lambda value: isinstance(value, str),
    "callbacks": _texts, "things": _texts, "call": _call, "amid": lambda value: isinstance(value, dict)}
_LATER = {"call", "amid"}       # what there need not be


def _check(about: Mapping[str, Any], fields: Mapping[str, Callable[[Any], bool]], where: str) -> None:
    """Raises ValueError where a field is missing or something else."""
    for name, good in fields.items():
        if name not in about and name not in _LATER:
            raise ValueError(f"it has no {where}{name}")
        if name in about and not good(about[name]):
            raise ValueError(f"its {where}{name} is {about[name]!r:.60}")
    if not where and "amid" in about:
        _check(about["amid"], _AMID, "amid/")


def restore_model(model: Layer, states: States, path: str | os.PathLike[str]) -> None:
    """Puts the arrays into the Parameters of these names, all or none. Gradients that wait must have their shapes."""
    state = {name: np.asarray(array) for name, array in states.get("model", {}).items()}
    named = dict(model.named_params())
    shapes: dict[str, Any] = {}
    model._flatten_known(shapes, {})
    problems = [f"it has no {name}, which the model has" for name, p in named.items() if name not in state and p.data is not None]
    for name, array in state.items():
        if name not in named:
            problems.append(f"the model has no {name}")
            continue
        p = named[name]
        known = shapes.get(name) if p.data is None else p.data.shape
        if known is not None and (len(known) != array.ndim or any(k not in (None, n) for k, n in zip(known, array.shape,
                                                                                                    strict=True))):
            problems.append(f"{name} is of shape {array.shape} in it and {tuple(known)} here")
        elif p.data is not None and p.data.dtype != array.dtype:
            problems.append(f"{name} is {array.dtype} in it and {p.data.dtype} here")
    problems += [f"a gradient of {name} in it fits no Parameter" for name, array in states.get("gradients", {}).items()
                 if name not in state or np.shape(array) != state[name].shape]
    if problems:
        raise ValueError(f"fit: the checkpoint {path} does not fit {type(model).__name__}: {'; '.join(problems[:5])}. Resume "
                         "with a model that is built as the one of the first run, or remove the file to begin anew")
    for name, array in state.items():
        named[name].data = array


def random_state() -> dict[str, Any]:
    """The states of all generators that training draws from."""
    found: dict[str, Any] = {}
    for k, state in enumerate(_random.states()):
        if not isinstance(state, tuple) or state[0] != "MT19937":
            raise TypeError("fit: a checkpoint holds the state of NumPy's global generator, which is no MT19937 here; leave "
                            "np.random.set_bit_generator out, or do without a checkpoint")
        found |= {f"numpy{k}/key": state[1], f"numpy{k}/place": state[2], f"numpy{k}/has": state[3], f"numpy{k}/value": state[4]}
    version, words, left = random.getstate()
    return found | {"python/version": version, "python/words": np.array(words, np.uint32), "python/has": left is not None,
                    "python/left": left or 0.0}


def restore_random(state: Mapping[str, Any]) -> None:
    """Sets the generators to what `random_state` gave."""
    states, python = _generators(state)
    np.random.set_state(states[0])
    if len(states) == len(_random.states()):
        _random.restore(states)
    random.setstate(python)


def _generators(state: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """The states of NumPy's generators and of Python's, tried with others first. Raises ValueError where they are none."""
    try:
        states = [("MT19937", *(state[f"numpy{k}/{part}"] for part in ("key", "place", "has", "value")))
                  for k in range(2) if k == 0 or f"numpy{k}/key" in state]
        left = state["python/left"] if state["python/has"] else None
        python = state["python/version"], tuple(state["python/words"].tolist()), left
        for each in states:
            if not 0 <= each[2] <= len(each[1]):        # which NumPy does not look at
                raise ValueError(f"a place is {each[2]}")
            np.random.RandomState().set_state(each)
        random.Random().setstate(python)
    except (KeyError, AttributeError, TypeError, ValueError, OverflowError) as error:
        what = f"{error} is missing" if isinstance(error, KeyError) else error
        raise ValueError(f"its states of random generators are none: {what}") from error
    return states, python
