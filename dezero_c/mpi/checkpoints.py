"""Checkpoints of all ranks in one file, which any number of ranks reads again.

Rank 0 writes an .npz under another name and puts it in its place when it is whole: a run that is killed while writing leaves the
last good one. It holds arrays, numbers and texts; nothing in it is executed when it is read. What all ranks share (weights, the
optimizer's state, the loader's place) is there once, after a look whether it is the same on all; each rank's random numbers
are there for each.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import zipfile
from typing import TYPE_CHECKING

import numpy as np

from dezero_c._files.whole import replacing
from dezero_c.layers import Layer
from dezero_c.mpi._channel import digest_of

if TYPE_CHECKING:
    from typing import Any

    from numpy.typing import NDArray

    from dezero_c.mpi.communicator import Communicator

__all__ = ["Checkpointer", "create_multi_node_checkpointer"]


def create_multi_node_checkpointer(name: str, comm: Communicator, path: str | os.PathLike[str] = "result", *,
                                   keep: int = 2) -> Checkpointer:
    """A `Checkpointer` that writes `path`/`name`-<iteration>.npz, and keeps the last `keep` of them. The folder, which all of
    rank 0's successors must find again, is made where it is missing."""
    return Checkpointer(name, comm, path, keep)


def _state_of(thing: Any) -> dict[str, Any]:
    """{name: array or number} of a model, or of what has state_dict()."""
    if isinstance(thing, Layer):
        return {name: p.data for name, p in thing.named_params() if p.data is not None}
    if callable(getattr(thing, "state_dict", None)):
        return dict(thing.state_dict())
    raise TypeError(f"Checkpointer: {type(thing).__name__} is no Layer, and has no state_dict() and load_state_dict()")


def _random_arrays(state: Any) -> NDArray[np.uint32]:
    """A state of NumPy's global generator as 628 words: the key, the place, whether a normal number is left, and it."""
    _, key, place, has, value = state
    return np.concatenate([key, np.array([place, has], np.uint32), np.array([value]).view(np.uint32)]).astype(np.uint32)


def _random_state(words: NDArray[np.uint32]) -> tuple[str, NDArray[np.uint32], int, int, float]:
    return "MT19937", words[:624].copy(), int(words[624]), int(words[625]), float(words[626:628].copy().view(np.float64)[0])


class Checkpointer:
    """Saves and resumes the run of a communicator; `create_multi_node_checkpointer` makes it. All methods are collective."""

    def __init__(self, name: str, comm: Communicator, path: str | os.PathLike[str], keep: int) -> None:
        if not re.fullmatch(r"[\w.-]+", name):
            raise ValueError(f"create_multi_node_checkpointer: the name {name!r} becomes part of a file's; letters, digits, '_', "
                             "'.' and '-' can be")
        if keep < 1:
            raise ValueError(f"create_multi_node_checkpointer: keep is {keep}; it must be at least 1")
        self.name, self.comm, self.path, self.keep = name, comm, os.fspath(path), keep

    def _file(self, iteration: int) -> str:
        return os.path.join(self.path, f"{self.name}-{iteration}.npz")

    def _there(self) -> list[int]:
        """The iterations of which there is a file, the newest first."""
        pattern = re.compile(re.escape(self.name) + r"-(\d+)\.npz")
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return []
        return sorted((int(m[1]) for n in names if (m := pattern.fullmatch(n))), reverse=True)

    def save(self, iteration: int, **things: Any) -> str:
        """Writes a checkpoint after `iteration` steps; gives its path.

        things: what is to be kept, each under its name: models, optimizers, schedules, an mpi.DataLoader, and whatever has
        state_dict() and load_state_dict(). The global np.random of each rank and the streams of virtual shards are kept too.
        Raises CollectiveError, and writes nothing, where the ranks' states differ, which names the thing; OSError, on all
        ranks, where the file cannot be written.
        """
        comm = self.comm
        arrays: dict[str, NDArray[Any]] = {}
        for name, thing in things.items():
            for key, value in _state_of(thing).items():
                arrays[f"{name}/{key}"] = np.asarray(value)
        for key, array in arrays.items():
            if array.dtype.hasobject:
                raise TypeError(f"Checkpointer.save: {key} is no array of numbers but {array!r}; states hold numbers and arrays")
        said = [(key, f"{a.dtype}{a.shape} of digest {digest_of(a):x}") for key, a in arrays.items()]
        if comm._main is not None:
            comm._main.meet("Checkpointer.save", digest=digest_of(iteration, said),
                            details=lambda: [("iteration", str(iteration)), *said],
                            advice="Ranks must not have come apart: something changed one rank's state alone")
        own = _random_arrays(np.random.get_state())
        streams = {shard: _random_arrays(state) for shard, state in comm.streams.items()}
        everyone = comm.allgather_obj((own, streams))
        problem: OSError | None = None
        if comm.rank == 0:
            arrays["random/ranks"] = np.stack([rank for rank, _ in everyone])
            for _, found in everyone:
                arrays.update((f"random/shard/{shard}", words) for shard, words in found.items())
            about = {"format": 1, "iteration": iteration, "ranks": comm.size, "seed": comm.base_seed, "things": sorted(things)}
            arrays["about"] = np.frombuffer(json.dumps(about).encode(), np.uint8)
            try:
                os.makedirs(self.path, exist_ok=True)
                with replacing(self._file(iteration)) as file:
                    np.savez(file, **arrays)  # type: ignore[arg-type]
                for old in self._there()[self.keep:]:
                    if old < iteration:
                        with contextlib.suppress(OSError):
                            os.remove(self._file(old))
            except OSError as error:
                problem = error
        problem = comm.bcast_obj(problem)
        if problem is not None:
            raise problem
        return self._file(iteration)

    def _read(self) -> tuple[dict[str, Any] | None, list[str]]:
        """The newest whole checkpoint, and what was wrong with newer ones."""
        notes: list[str] = []
        for iteration in self._there():
            path = self._file(iteration)
            try:
                with np.load(path, allow_pickle=False) as archive:
                    return {key: archive[key] for key in archive.files}, notes
            except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile) as error:
                notes.append(f"{path} is damaged ({error})")
        return None, notes

    def maybe_load(self, **things: Any) -> int:
        """Takes the newest whole checkpoint over into the same things, on any number of ranks; gives its iteration, 0 where
        there is none.

        Ranks that the writing run had go on with their random numbers, others get a stream of their own that depends on the
        iteration. Raises ValueError, on all ranks, where the file holds other things, or does not fit a model.
        """
        comm = self.comm
        content, notes = self._read() if comm.rank == 0 else (None, [])
        content, notes = comm.bcast_obj((content, notes))
        if content is None:
            if notes:
                raise ValueError("Checkpointer.maybe_load: no whole checkpoint is left: " + "; ".join(notes))
            return 0
        about = json.loads(bytes(content.pop("about")))
        if about["things"] != sorted(things):
            raise ValueError(f"Checkpointer.maybe_load: the checkpoint has {about['things']}, asked for are {sorted(things)}")
        parts: dict[str, dict[str, Any]] = {name: {} for name in things}
        random: dict[str, Any] = {}
        for key, value in content.items():
            owner, _, rest = key.partition("/")
            if owner in parts:
                parts[owner][rest] = value
            else:
                random[key] = value
        for name, thing in things.items():      # models first: optimizers compare their shapes
            if isinstance(thing, Layer):
                _restore(thing, parts[name], name)
        for name, thing in things.items():
            if not isinstance(thing, Layer):
                thing.load_state_dict({k: v.item() if v.ndim == 0 else v for k, v in parts[name].items()})
        comm.base_seed = about["seed"]
        ranks = random["random/ranks"]
        if comm.rank < len(ranks):
            np.random.set_state(_random_state(ranks[comm.rank]))
        else:
            words = [about["iteration"], comm.rank, *ranks[0][:4].tolist()]
            np.random.seed(np.random.SeedSequence(words).generate_state(8))
        comm.streams.clear()
        for key, words in random.items():
            if key.startswith("random/shard/") and int(key.rpartition("/")[2]) in comm.shards_of(comm.rank):
                comm.streams[int(key.rpartition("/")[2])] = _random_state(words)
        iteration: int = about["iteration"]
        return iteration


def _restore(model: Layer, state: dict[str, NDArray[Any]], name: str) -> None:
    named = dict(model.named_params())
    if missing := [key for key in state if key not in named]:
        raise ValueError(f"Checkpointer.maybe_load: {name} has no parameter {missing[0]}, which the checkpoint has")
    for key, p in named.items():
        if key not in state and p.data is not None:
            raise ValueError(f"Checkpointer.maybe_load: the checkpoint lacks {name}'s parameter {key}")
        if key in state and p.data is not None and p.data.shape != state[key].shape:
            raise ValueError(f"Checkpointer.maybe_load: {name}'s parameter {key} is of shape {p.data.shape}, in the checkpoint "
                             f"of {state[key].shape}")
    for key, array in state.items():
        named[key].data = array.copy()
