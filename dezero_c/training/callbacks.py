"""What `fit` calls on its way: the base `Callback`, early stopping, the best weights, checkpoints."""

from __future__ import annotations

import math
import numbers
import operator
import os
import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from numpy.typing import NDArray

    from dezero_c.training._loop import State

__all__ = ["BestWeights", "Callback", "Checkpoint", "EarlyStopping"]


class Callback:
    """The base of callbacks: methods that `fit` calls with its `State`, in the order of the list. They may look at everything,
    and set `state.stop`.

    A callback that keeps something from epoch to epoch gives it by `state_dict()`, {name: number, text or array}, and takes it
    back by `load_state_dict`: checkpoints hold it, and a resumed run goes on with it.
    """

    def on_start(self, state: State) -> None:
        """Before the first epoch, after a checkpoint was read."""

    def on_epoch_start(self, state: State) -> None:
        """Before the first batch of epoch `state.epoch`, with its learning rate set."""

    def on_batch_end(self, state: State) -> None:
        """After each batch; `state.batch` and `state.loss` are its number and its loss."""

    def on_epoch_end(self, state: State) -> None:
        """After each epoch, when `state.row` is in `state.history`."""

    def on_end(self, state: State) -> None:
        """After the last epoch; not where an exception ended the run."""

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint is to hold of it."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes back what `state_dict` gave."""


# Words of metrics' names: the last part of a word, and whole words, that say that a small or a large number is good.
_SMALL = re.compile(r".*(loss|losses|errors?|mse|mae|mape|brier|perplexity|deviance|divergence|crossentropy)|err|nll|wer|cer|ece|"
                    r"fid|crps")
_LARGE = re.compile(r".*(acc|accuracy|precision|recall|f1|auc|auroc|r2|iou|dice|bleu|likelihood|correlation|similarity)|mcc|ndcg")


def _mode_of(name: str) -> str | None:
    """"min" or "max", as a metric's name has it, None where it cannot be told. "score" decides where no other word does: Brier's
    is good when it is small."""
    name = name.lower().replace("cross_entropy", "crossentropy")
    words = [word.rstrip("0123456789") for word in re.findall(r"[a-z0-9]+", name)]      # top-5 accuracy may be acc5
    words += re.findall(r"[a-z]*(?:f1|r2)(?![0-9])", name)
    small, large = (any(map(pattern.fullmatch, words)) for pattern in (_SMALL, _LARGE))
    if not small:
        large = large or any(word.endswith("score") for word in words)
    if small == large:
        return None
    return "min" if small != bool({"neg", "negative"} & set(words)) else "max"


def _whole(value: Any, what: str, unit: str) -> int:
    if isinstance(value, bool) or not hasattr(type(value), "__index__") or operator.index(value) < 1:
        raise ValueError(f"{what} is {value!r}; it is a whole number of {unit} from 1 on")
    return operator.index(value)


def _path(value: Any, who: str) -> str:
    try:
        return os.fsdecode(value)
    except TypeError:
        raise TypeError(f"{who}: the path is {value!r}; it is a text, or a pathlib.Path") from None


class _Best(Callback):
    """Follows a column of the history, and keeps the weights of the epoch where it was best."""

    def __init__(self, monitor: str, mode: str | None, keep: bool) -> None:
        who = type(self).__name__
        if not isinstance(monitor, str):
            raise TypeError(f"{who}: monitor is {monitor!r}; it is the name of a column, such as 'val_loss'")
        if mode is None and (mode := _mode_of(monitor)) is None:
            raise ValueError(f"{who}: whether a small or a large {monitor!r} is good cannot be told from the name; say "
                             "mode='min' or mode='max'")
        if mode not in ("min", "max"):
            raise ValueError(f"{who}: mode is {mode!r}; it is 'min', 'max', or None to tell it from the name")
        self.monitor, self.mode, self.keep = monitor, mode, keep
        self._begin()

    def _begin(self) -> None:
        self.best = math.inf if self.mode == "min" else -math.inf
        self.best_epoch = 0
        self._weights: dict[str, NDArray[Any]] = {}

    def on_start(self, state: State) -> None:
        if state.epoch == 0:        # a callback may be used for a second run
            self._begin()

    def _value(self, state: State) -> float:
        if self.monitor not in state.row:
            raise ValueError(f"{type(self).__name__}: there is no {self.monitor!r} to follow; an epoch has "
                             f"{', '.join(state.row)}" + ("; give fit validation=" if self.monitor.startswith("val_") else ""))
        return float(state.row[self.monitor])

    def _better(self, value: float, by: float = 0.0) -> bool:
        return value < self.best - by if self.mode == "min" else value > self.best + by

    def _take(self, state: State, value: float) -> None:
        self.best, self.best_epoch = value, state.epoch
        if self.keep:
            self._weights = {name: p.data.copy() for name, p in state.model.named_params() if p.data is not None}

    def _put_back(self, state: State) -> None:
        for name, p in state.model.named_params():
            if name in self._weights:
                p.data = self._weights[name].copy()

    def state_dict(self) -> dict[str, Any]:
        return {"best": self.best, "best_epoch": self.best_epoch,
                **{f"weights/{name}": array for name, array in self._weights.items()}}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.best, self.best_epoch = float(state["best"]), int(state["best_epoch"])
        self._weights = {key.removeprefix("weights/"): array for key, array in state.items() if key.startswith("weights/")}


class EarlyStopping(_Best):
    """Ends training when `monitor`, a column of the history, has not become better by more than min_delta for `patience` epochs
    in a row.

    mode: "min" or "max", which is better; None tells it by the name (loss, error, mse, mae, brier, perplexity and their like:
    "min"; accuracy, precision, recall, f1, auc, r2, or score alone: "max"; neg_ before them the other), and raises ValueError
    where it cannot. restore_best: puts the weights of the best epoch back at the end. A nan is never
    better.
    Attributes: best, best_epoch, waited (epochs since), stopped_epoch (0 where it did not stop the run).
    """

    def __init__(self, monitor: str = "val_loss", patience: int = 5, min_delta: float = 0.0, restore_best: bool = False,
                 mode: str | None = None) -> None:
        self.patience = _whole(patience, "EarlyStopping: patience", "epochs")
        if not isinstance(min_delta, numbers.Real) or not min_delta >= 0:
            raise ValueError(f"EarlyStopping: min_delta is {min_delta!r}; it is a number from 0 on")
        self.min_delta: float = float(min_delta)
        super().__init__(monitor, mode, restore_best)

    def _begin(self) -> None:
        super()._begin()
        self.waited = self.stopped_epoch = 0

    def on_epoch_end(self, state: State) -> None:
        value = self._value(state)
        if self._better(value, self.min_delta):
            self._take(state, value)
            self.waited = 0
            return
        self.waited += 1
        if self.waited >= self.patience:
            self.stopped_epoch = state.epoch
            state.stop = True

    def on_end(self, state: State) -> None:
        self._put_back(state)

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "waited": self.waited, "stopped_epoch": self.stopped_epoch}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        super().load_state_dict(state)
        self.waited, self.stopped_epoch = int(state["waited"]), int(state["stopped_epoch"])


class BestWeights(_Best):
    """Puts the weights of the epoch with the best `monitor` back at the end of training; mode as in `EarlyStopping`.

    path: a file of weights that is written at each best epoch, by `save_weights`. Attributes: best, best_epoch.
    """

    def __init__(self, monitor: str = "val_loss", mode: str | None = None, path: str | os.PathLike[str] | None = None) -> None:
        super().__init__(monitor, mode, True)
        self.path = None if path is None else _path(path, "BestWeights")

    def on_epoch_end(self, state: State) -> None:
        value = self._value(state)
        if self._better(value):
            self._take(state, value)
            if self.path is not None:
                state.model.save_weights(self.path)

    def on_end(self, state: State) -> None:
        self._put_back(state)


class Checkpoint(Callback):
    """Writes all that `fit(..., resume=True)` needs to go on into the file `path`: before the first epoch, after every
    `every`-th, and after the last; with every_batches after each so many batches of an epoch, too. The file is replaced when the
    new one is whole. `fit(..., checkpoint=path)` is short for `checkpoint=Checkpoint(path)`; one may stand among
    the callbacks, too, and comes after all others.

    A run that goes on amid an epoch has the bits of one that was not ended, and calls no on_epoch_start for that epoch again.
    That needs data whose place can be kept: arrays, a data set, or a loader with `state_dict` (TypeError for others).
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1, every_batches: int | None = None) -> None:
        self.path, self.every = _path(path, "Checkpoint"), _whole(every, "Checkpoint: every", "epochs")
        self.every_batches = None if every_batches is None else _whole(every_batches, "Checkpoint: every_batches", "batches")

    def on_start(self, state: State) -> None:
        if state.epoch == 0:
            state.save(self.path)

    def on_batch_end(self, state: State) -> None:
        if self.every_batches is not None and state.batch % self.every_batches == 0:
            state.save(self.path)

    def on_epoch_end(self, state: State) -> None:
        if state.epoch % self.every == 0 or state.epoch >= state.epochs or state.stop:
            state.save(self.path)
