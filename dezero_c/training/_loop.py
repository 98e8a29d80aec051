"""`fit`: the loop over epochs and batches, with what a loop of one's own has around it.

The step is the book's: forward, cleargrads, backward, update. Everything else is an object of its own that the loop asks: loaders
for batches, the optimizer and its hooks, `History`, callbacks, _checkpoint.py for files.
"""

from __future__ import annotations

import contextlib
import math
import numbers
import os
import random
import re
import sys
import time
import warnings
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from dezero_c import _random
from dezero_c._core import Variable, gradient_values, has_gradient, no_grad, test_mode, using_config
from dezero_c._draw.progress import _seconds
from dezero_c.history import History, _check_folder
from dezero_c.layers import Layer
from dezero_c.optimizers import ClipGrad, Optimizer, Schedule, _gradient, _set_gradient
from dezero_c.training import _checkpoint
from dezero_c.training._call import Call
from dezero_c.training._given import EVENTS, Rate, callbacks_of, count_of, loader_of, metrics_of, pair_of, whole_number
from dezero_c.training.callbacks import Callback, Checkpoint

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any

    from dezero_c.training._given import Loss, Metrics

__all__ = ["State", "fit"]


class State:
    """Where a run of `fit` is; what callbacks are given.

    model, optimizer, history; epoch: the number of the epoch under way or just over, from 1 on (0 before the first); epochs: how
    many there are to be; batch: the number of the last batch, from 1 on; batches: how many an epoch has, None where it is not
    known; loss: of the last batch; row: what was recorded of the last epoch; stop: True, which a callback may set, ends the run
    after this epoch.
    """

    def __init__(self, model: Layer, optimizer: Optimizer, epochs: int, batches: int | None) -> None:
        self.model, self.optimizer, self.epochs, self.batches = model, optimizer, epochs, batches
        self.history = History()
        self.epoch = self.batch = 0
        self.loss = math.nan
        self.row: dict[str, Any] = {}
        self.stop = False
        self._amid: _Amid | None = None     # the epoch that is under way
        self._things: dict[str, Any] = {}       # what a checkpoint holds, beside the model and random numbers
        self._kinds: list[str] = []             # of callbacks
        self._odd: set[str] = set()             # parameters that were nan or infinite before the run
        self._call: Call | None = None

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes a checkpoint, whose file is replaced when the new one is whole. In on_start, on_batch_end and on_epoch_end,
        where a run can go on; in on_batch_end it needs data with `state_dict`."""
        amid = self._amid
        if amid is not None and not amid.between:
            raise RuntimeError("fit: State.save in on_epoch_start, or amid a batch; a run can go on between batches and between "
                               "epochs, write it in on_batch_end or on_epoch_end")
        if amid is not None:
            self._must_have_a_place()
            self._must_be_finite()
        states = {"model": {name: p.data for name, p in self.model.named_params() if p.data is not None},
                  **{name: thing.state_dict() for name, thing in self._things.items()}, "random": _checkpoint.random_state()}
        about = {"epoch": self.epoch, "stop": self.stop, "history": self.history._dumped(), "callbacks": self._kinds,
                 "things": list(self._things), **({} if self._call is None else {"call": self._call.about()})}
        if amid is not None:
            states["gradients"] = amid.step.gradients()
            about["amid"] = {"batch": self.batch, "loss": self.loss, "lr": amid.lr if isinstance(amid.lr, numbers.Real) else None,
                             "seconds": time.perf_counter() - amid.start, "n": amid.sums.n, "sums": amid.sums.sums,
                             "waiting": amid.step.waiting, "parts": amid.step.parts}
        _checkpoint.write(path, about, states)

    def _must_be_finite(self) -> None:
        """Raises FloatingPointError where a parameter has become nan or infinite: the next loss would tell, and of the last
        update nothing."""
        lost = [name for name in _not_finite(self.model) if name not in self._odd]
        if lost:
            raise FloatingPointError(
                f"fit: the parameter {lost[0]} has become nan or infinite by epoch {self.epoch}, batch {self.batch}, though the "
                "losses were finite: a gradient was not (as that of sqrt at 0), or a step was too large. `with "
                "dezero_c.debug():` around the call names the first operation that gives such a number; a lower learning rate or "
                "clip=1.0 may help")

    def _must_have_a_place(self) -> None:
        if "data" not in self._things:
            raise TypeError("fit: a checkpoint amid an epoch needs data whose place can be kept: arrays, a data set, a "
                            "DataLoader, or a loader with state_dict() and load_state_dict(); write it after epochs alone")

    def _load(self, path: str | os.PathLike[str], step: _Step, sums: _Sums) -> None:
        """Takes all of a checkpoint, or nothing."""
        about, states = _checkpoint.read(path)
        self._must_fit(about, path, step, sums)
        call = about.get("call", {})        # older files have none
        if self._call is not None:
            self._call.check_data(call, path)
        self._take(states, call, path)
        self.history, self.epoch, self.stop = about["history"], about["epoch"], about["stop"]
        if len(self.history):
            self.row = dict(self.history[-1])
        amid = about.get("amid")
        if amid is not None:
            self.batch, self.loss = amid["batch"], amid["loss"]
            sums.n, sums.sums = amid["n"], amid["sums"]
            step.go_on(amid["waiting"], amid["parts"], states.get("gradients", {}))
            self._amid = _Amid(step, sums, amid["lr"], time.perf_counter() - amid["seconds"])

    def _must_fit(self, about: Mapping[str, Any], path: str | os.PathLike[str], step: _Step, sums: _Sums) -> None:
        """Raises ValueError where the checkpoint is of a call with other callbacks, parts, metrics or accumulate."""
        for what, there, here in (("callbacks", about["callbacks"], self._kinds), ("parts", about["things"], list(self._things))):
            if there != here:
                raise ValueError(f"fit: the checkpoint {path} has the {what} {', '.join(there) or '(none)'}, this call "
                                 f"{', '.join(here) or '(none)'}; resume with the arguments of the first run, or remove the file "
                                 "to begin anew")
        amid = about.get("amid")
        if amid is not None and list(amid["sums"]) != list(sums.sums):
            raise ValueError(f"fit: the checkpoint {path} is amid an epoch with the columns {', '.join(amid['sums'])}, this call "
                             f"has {', '.join(sums.sums)}; resume with the metrics of the first run, or remove the file to begin "
                             "anew")
        if amid is not None and amid["parts"] >= step.accumulate:
            raise ValueError(f"fit: the checkpoint {path} is amid an epoch, where {amid['parts']} batches wait for an update; "
                             "resume with the accumulate of the first run, or remove the file to begin anew")

    def _take(self, states: Mapping[str, Mapping[str, Any]], call: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
        """Puts the states into the model, the things and the generators, into all or none."""
        params = [(p, p.data) for p in self.model.params()]
        before = {name: thing.state_dict() for name, thing in self._things.items()}
        try:
            _checkpoint.restore_model(self.model, states, path)
            for name, thing in self._things.items():
                try:
                    thing.load_state_dict(states.get(name, {}))
                except (ValueError, TypeError, LookupError, AttributeError) as error:
                    what = f"it lacks {error}" if isinstance(error, KeyError) else error
                    raise ValueError(f"fit: the checkpoint {path} does not fit the {name} of this call: {what}") from error
            self._warn(call, states, path)
            _checkpoint.restore_random(states["random"])
        except BaseException:
            for p, data in params:
                p.data = data
            for name, thing in self._things.items():
                with contextlib.suppress(Exception):
                    thing.load_state_dict(before[name])
            raise

    def _warn(self, call: Mapping[str, Any], states: Mapping[str, Any], path: str | os.PathLike[str]) -> None:
        changes = [] if self._call is None else self._call.changes(call, states.get("optimizer", {}))
        if changes:
            warnings.warn(f"fit: the checkpoint {path} is of a call with other settings: {'; '.join(changes)}. Resume with those "
                          "of the first run; on_start of a callback may change the optimizer's numbers", UserWarning,
                          stacklevel=5)


class _Amid:
    """An epoch that is under way: the sums so far, the learning rate that it began with, and when; whether it is between two
    batches."""

    def __init__(self, step: _Step, sums: _Sums, lr: Any, start: float) -> None:
        self.step, self.sums, self.lr, self.start, self.between = step, sums, lr, start, False


class _Kind(NamedTuple):
    """The state of an optimizer or a schedule with the name of its class, so that another one's is not taken."""

    of: Any

    def state_dict(self) -> dict[str, Any]:
        if not hasattr(self.of, "state_dict") or not hasattr(self.of, "load_state_dict"):
            raise TypeError(f"fit: {type(self.of).__name__} has no state_dict() and load_state_dict(), which a checkpoint "
                            "takes; define them, or do without a checkpoint")
        return {"class": type(self.of).__name__, **self.of.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        state = dict(state)
        if (name := state.pop("class")) != type(self.of).__name__:
            raise ValueError(f"it is {name}'s")
        self.of.load_state_dict(state)


# ---- a step -------------------------------------------------------------------------------------------------------


class _Sums:
    """Means over examples: of the loss, and of metrics."""

    def __init__(self, metrics: dict[str, Loss]) -> None:
        self.metrics = metrics
        self.n = 0
        self.sums = dict.fromkeys(["loss", *metrics], 0.0)

    def add(self, loss: float, y: Any, t: Any, n: int) -> None:
        self.n += n
        self.sums["loss"] += loss * n
        if self.metrics:
            with no_grad():
                for name, metric in self.metrics.items():
                    self.sums[name] += _number(metric(y, t), f"the metric {name!r}") * n

    def means(self, prefix: str = "") -> dict[str, float]:
        return {prefix + name: total / self.n for name, total in self.sums.items()}


def _number(value: Any, what: str) -> float:
    data = np.asarray(value.data if isinstance(value, Variable) else value)
    if data.size != 1 or data.dtype.kind not in "fiub":
        raise ValueError(f"fit: {what} gives {type(value).__name__} of shape {data.shape}; it is to give one real number, "
                         "the mean over the batch")
    return float(data.reshape(()))


def _not_captured(error: BaseException) -> str:
    """What capture says, without what fit has no argument for, and with the layer, whose line may be one of ours."""
    layer, trace = None, error.__traceback__ and error.__traceback__.tb_next      # our own frame, kept, would hold the error
    while trace is not None:
        its = trace.tb_frame.f_locals.get("self")
        layer, trace = its if isinstance(its, Layer) else layer, trace.tb_next
    text = re.sub(r"the captured function _Step\.\w+", "the step", str(error))
    text = re.sub(r"_Step\.\w+", "the step", re.sub(r", return the value, or say on_read=.*", "", text))
    return f"fit: captured=True{'' if layer is None else f', in {type(layer).__name__}'}: {text}; leave captured=True out"


def _not_finite(model: Layer) -> list[str]:
    return [name for name, p in model.named_params()
            if p.data is not None and p.data.dtype.kind in "fc" and not np.isfinite(p.data).all()]


def _recurrent(model: Layer) -> Iterator[Any]:
    """The model and the layers in it that have reset_state()."""
    seen: set[int] = set()
    todo: list[Any] = [model]
    while todo:
        layer = todo.pop()
        if id(layer) not in seen:
            seen.add(id(layer))
            if callable(getattr(layer, "reset_state", None)):
                yield layer
            todo.extend(part for _, part in layer._held() if isinstance(part, Layer))


class _Step:
    """Learning from a batch."""

    def __init__(self, model: Any, optimizer: Optimizer, loss: Loss, accumulate: int, captured: bool) -> None:
        self.model, self.optimizer, self.loss, self.accumulate = model, optimizer, loss, accumulate
        self.captured = captured
        self.waiting = 0        # examples whose gradients no update has seen
        self.parts = 0          # batches
        self.recurrent = list(_recurrent(model))
        run = self._alone if accumulate == 1 else self._part
        self.refusals: Any = ()     # classes of exceptions
        if captured:
            from dezero_c import CaptureError
            from dezero_c._capture import capture

            self.refusals = CaptureError
            self.run: Callable[[Any, Any], Any] = (step := capture(run))
            step._also = model, loss
        else:
            self.run = run

    def forget(self) -> None:
        """Recurrent layers have no state from one batch to the next: it would bring the graphs of all batches before."""
        for layer in self.recurrent:
            layer.reset_state()

    def forward(self, x: Any, t: Any) -> tuple[Variable, Any]:
        self.forget()
        y = self.model(*x) if isinstance(x, tuple) else self.model(x)
        value = self.loss(y, t)
        if not isinstance(value, Variable) or value.size != 1 or value.dtype.kind == "c":
            what = "of complex numbers" if np.iscomplexobj(value) else f"of shape {np.shape(value)}"
            raise TypeError(f"fit: loss gives {type(value).__name__} {what}; it is to give a Variable of one real element, the "
                            "mean over the batch")
        self.forget()
        return value, y

    def _alone(self, x: Any, t: Any) -> tuple[Variable, Any]:
        value, y = self.forward(x, t)
        if not self.captured and not math.isfinite(value.data.item()):
            return value, y     # which ends the run, with the weights that led there
        self.model.cleargrads()
        value.backward()
        self.optimizer.update()
        return value, y

    def _part(self, x: Any, t: Any) -> tuple[Variable, Any]:
        value, y = self.forward(x, t)
        if not self.captured and not math.isfinite(value.data.item()):
            return value, y
        (value * count_of(x)).backward()
        return value, y

    def __call__(self, x: Any, t: Any) -> tuple[float, Any]:
        if self.accumulate > 1 and not self.waiting:
            self.model.cleargrads()
        try:
            value, y = self.run(x, t)
        except self.refusals as error:
            raise type(error)(_not_captured(error)) from error
        if self.accumulate == 1:
            return float(value.data.item()), y      # of any number of axes
        found = float(value.data.item())
        if math.isfinite(found):
            self.waiting += count_of(x)
            self.parts += 1
            if self.parts == self.accumulate:
                self.flush()
        return found, y

    def gradients(self) -> dict[str, Any]:
        """What waits for an update, by the names of Parameters."""
        if not self.waiting:
            return {}
        return {name: gradient_values(p) for name, p in self.model.named_params() if has_gradient(p)}

    def go_on(self, waiting: int, parts: int, gradients: Mapping[str, Any]) -> None:
        """Takes back what `gradients` gave."""
        self.waiting, self.parts = waiting, parts
        self.model.cleargrads()
        for name, p in self.model.named_params():
            if name in gradients:
                p.grad = Variable(gradients[name])

    def flush(self) -> None:
        """Updates by the gradients that wait: those of the mean over all their examples."""
        if self.waiting:
            for p in self.model.params():
                if p.grad is not None:
                    _set_gradient(p, _gradient(p) / self.waiting)
            self.waiting = self.parts = 0
            self.optimizer.update()


# ---- the loop -----------------------------------------------------------------------------------------------------


def fit(model: Layer, data: Any, optimizer: Optimizer, loss: Loss, epochs: int, *, batch_size: int | None = None,
        validation: Any = None, metrics: Metrics = None, callbacks: Any = (), schedule: Any = None, clip: float | None = None,
        accumulate: int = 1, captured: bool = False, checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
        resume: bool = False, progress: bool = True) -> History:
    """Trains `model` for `epochs` passes over `data`; gives a `History` with a row for each.

    data: (x, t), two arrays with an example a row, or what `datasets.Arrays` makes such of (pandas tables and columns, lists,
    iterators, pictures); a Dataset or anything with a length whose elements are pairs; or a DataLoader.
    Arrays and data sets are shuffled, by np.random, into batches of batch_size, 32 where it is not given. A tuple for x, in
    data or in a loader's batches, is several inputs: model(*x); a tuple for t goes to the loss and the metrics as it is.
    optimizer: set up for the model, or not yet. loss(y, t): a Variable of one element, the mean over a batch, of y = model(x).
    A step is the book's: forward, cleargrads, backward, update.

    validation: as data, in order, through the model in test mode after each epoch. metrics: {name: metric(y, t)}, functions, or
    one; each gives a batch's mean, such as `functions.accuracy`. In training they see the step's own y. callbacks: objects of
    `training.Callback`, or functions of the `training.State`, called after each epoch. schedule: a Schedule of the optimizer,
    which goes on by one after each epoch, or a function that gives the learning rate of an epoch, counted from 1.
    clip: gradients together are scaled to this norm at most, after the optimizer's own hooks. accumulate: an update for each so
    many batches, by the gradient of the mean over all their examples; what is left at the end of an epoch is an update too.
    captured: the step runs by `dezero_c.capture`, with the same bits; what a callback changes is seen (docs/fit.md). Layers with
    reset_state() (recurrent ones) begin and end each batch without a state.

    checkpoint: a file that is written before the first epoch and after each, whole or not at all; or a
    `training.Checkpoint`, which says how often, amid epochs too. resume: goes on from that
    file, or begins, where there is none; a run that was killed and resumed reaches the bits of one that was not, and one that a
    callback has ended stays ended. The file holds the Parameters, the states of the optimizer, the schedule, the loaders and
    the callbacks, the history, and the states of np.random's global generator and of Python's `random`. Generators of your own,
    and attributes of a model that are no Parameters, are not in it, unless a callback's state_dict gives them.

    progress: a line on stderr after each epoch. Columns of the history: epoch, loss, the metrics, val_loss, val_ and each
    metric, lr (of Adam: alpha), seconds; means are over examples. Raises FloatingPointError where the loss of a batch is nan or
    infinite, before the update (captured: after it), and where a parameter is after an epoch; ValueError and TypeError for
    arguments that mean nothing, and for a checkpoint that does not fit.
    """
    if not isinstance(model, Layer):
        raise TypeError(f"fit: model is a {type(model).__name__}; it is a Layer or a Model")
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"fit: optimizer is {optimizer!r}; it is an Optimizer, such as dezero_c.optimizers.Adam()")
    if type(optimizer).__module__.startswith("dezero_c.mpi"):
        raise TypeError("fit: it trains in one process; for several write the loop, `optimizer.update(loss, *batch)` over an "
                        "mpi.DataLoader")
    if not callable(loss):
        raise TypeError(f"fit: loss is {loss!r}; it is a function loss(y, t), such as functions.mean_squared_error")
    if clip is not None and (isinstance(clip, bool) or not isinstance(clip, numbers.Real) or not clip > 0):
        raise ValueError(f"fit: clip is {clip!r}; it is a norm above 0, or None")
    if resume and checkpoint is None:
        raise ValueError("fit: resume=True goes on from the file that checkpoint= names; give both")
    epochs, accumulate = whole_number(epochs, "epochs"), whole_number(accumulate, "accumulate")
    measures = metrics_of(metrics)
    hung = callbacks_of(callbacks)
    if checkpoint is not None:
        if not isinstance(checkpoint, (Checkpoint, str, bytes, os.PathLike)):
            raise TypeError(f"fit: checkpoint is {checkpoint!r}; it is the path of a file, or a training.Checkpoint")
        checkpoint = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(checkpoint)
        hung.append(checkpoint)
    for each in hung:
        if isinstance(each, Checkpoint):
            _check_folder(each.path, "fit")
    if optimizer.target is not None and optimizer.target is not model:
        raise ValueError("fit: optimizer is set up for another model; make one for this")
    rate = Rate(optimizer, schedule)
    with _or_nothing(optimizer):
        train = loader_of(data, batch_size, True, "data")
        held = None if validation is None else loader_of(validation, batch_size, False, "validation")
        state = State(model, optimizer, epochs, len(train) if hasattr(train, "__len__") else None)
        _keep(state, rate.schedule, train, held, hung)
        state._call = Call(rate, clip, accumulate, {"data": train, **({} if held is None else {"validation": held})})
        step = _Step(model, optimizer, loss, accumulate, captured)
        if optimizer.target is None:
            optimizer.setup(model)
        if resume and checkpoint is not None and os.path.exists(checkpoint.path):
            state._load(checkpoint.path, step, _Sums(measures))
    run = _Run(state, step, rate, measures, hung)
    clipping = None if clip is None else ClipGrad(float(clip))
    if clipping is not None:
        optimizer.add_hook(clipping)
    try:
        run.all(train, held, progress)
    finally:
        if clipping is not None:
            optimizer.hooks[:] = [hook for hook in optimizer.hooks if hook is not clipping]
    return state.history


@contextlib.contextmanager
def _or_nothing(optimizer: Optimizer) -> Iterator[None]:
    """Leaves the optimizer's model and the random generators, of which loaders draw, as they were where a call is refused."""
    target, states, python = optimizer.target, _random.states(), random.getstate()
    try:
        yield
    except BaseException:
        optimizer.target = target
        np.random.set_state(states[0])
        _random.restore(states)
        random.setstate(python)
        raise


def _keep(state: State, schedule: Any, train: Any, held: Any, hung: list[Any]) -> None:
    """Tells the state what a checkpoint is to hold."""
    state._things["optimizer"] = _Kind(state.optimizer)
    if isinstance(schedule, Schedule):
        state._things["schedule"] = _Kind(schedule)
    for name, loader in (("data", train), ("validation", held)):
        if hasattr(loader, "state_dict"):
            state._things[name] = loader
    if any(isinstance(each, Checkpoint) and each.every_batches is not None for each in hung):
        state._must_have_a_place()
    own = [each for each in hung if not isinstance(each, Checkpoint)]
    state._kinds = [type(each).__name__ for each in own]
    for k, each in enumerate(own):
        if hasattr(each, "state_dict"):
            state._things[f"callback{k}"] = each


class _Run:
    """The epochs."""

    def __init__(self, state: State, step: _Step, rate: Rate, metrics: dict[str, Loss], hung: list[Any]) -> None:
        self.state, self.step, self.rate, self.metrics = state, step, rate, metrics
        self.calls = {event: [getattr(each, event) for each in hung if hasattr(each, event)] for event in EVENTS}
        base = Callback.on_batch_end
        self.calls["on_batch_end"] = [f for f in self.calls["on_batch_end"] if getattr(f, "__func__", None) is not base]

    def tell(self, event: str) -> None:
        for f in self.calls[event]:
            f(self.state)

    def all(self, train: Any, held: Any, progress: bool) -> None:
        state = self.state
        state._odd = set(_not_finite(state.model))
        self.tell("on_start")
        began, first = time.perf_counter(), state.epoch - (state._amid is not None)
        while state._amid is not None or (state.epoch < state.epochs and not state.stop):
            if state._amid is None:
                state.epoch += 1
                state.batch = 0
                state._amid = _Amid(self.step, _Sums(self.metrics), self.rate.begin(state.epoch), time.perf_counter())
                self.tell("on_epoch_start")
            lr, start = state._amid.lr, state._amid.start
            row: dict[str, Any] = self.learn(train, state._amid)
            state._must_be_finite()
            if held is not None:
                row |= self.look(held)
            if isinstance(lr, numbers.Real):
                row["lr"] = float(lr)
            row["seconds"] = time.perf_counter() - start
            state.history.record(state.epoch, **row)
            state.row = {"epoch": state.epoch, **row}
            self.rate.end()
            state._amid = None
            self.tell("on_epoch_end")
            if progress:
                left = (time.perf_counter() - began) / (state.epoch - first) * (state.epochs - state.epoch)
                _say(state, 0.0 if state.stop else left)
        self.tell("on_end")

    def learn(self, loader: Any, amid: _Amid) -> dict[str, float]:
        state, sums = self.state, amid.sums
        each_batch = self.calls["on_batch_end"]
        with using_config("train", True), using_config("enable_backprop", True):
            for x, t in self.batches(loader, "data", state.batch == 0):
                state.batch += 1
                state.loss, y = self.step(x, t)
                if not math.isfinite(state.loss):
                    raise FloatingPointError(self.lost())
                sums.add(state.loss, y, t, count_of(x))
                amid.between = True
                for f in each_batch:
                    f(state)
                amid.between = False
            self.step.flush()
        return sums.means()

    def look(self, loader: Any) -> dict[str, float]:
        sums = _Sums(self.metrics)
        with no_grad(), test_mode():
            for x, t in self.batches(loader, "validation", True):
                value, y = self.step.forward(x, t)
                sums.add(float(value.data.item()), y, t, count_of(x))
        return sums.means("val_")

    def batches(self, loader: Any, name: str, empty: bool) -> Iterator[tuple[Any, Any]]:
        """The batches as pairs. empty: whether there have been none in this epoch."""
        for batch in loader:
            empty = False
            yield pair_of(batch, name)
        if empty:
            raise ValueError(f"fit: {name} gave no batch in epoch {self.state.epoch}")

    def lost(self) -> str:
        state = self.state
        of = "" if state.batches is None else f" of {state.batches}"
        made = self.step.captured and self.step.accumulate == 1
        kept = "the update by it has been made" if made else "no update was made by it"
        return (f"fit: the loss is {state.loss} in epoch {state.epoch}, batch {state.batch}{of}; {kept}. "
                "`with dezero_c.debug():` around the call names the first operation that gives such a number; a lower learning "
                "rate or clip=1.0 may help")


def _say(state: State, left: float) -> None:
    """The line of an epoch."""
    shown = [f"{name} {value:.4g}" for name, value in state.row.items() if name not in ("epoch", "seconds")]
    width = len(str(state.epochs))
    line = f"epoch {state.epoch:{width}}/{state.epochs}: {', '.join(shown)} [{_seconds(state.row['seconds'])}"
    line += f", {_seconds(left)} left]\n" if left else "]\n"
    try:
        sys.stderr.write(line)
        sys.stderr.flush()
    except (OSError, ValueError, AttributeError):   # a closed stderr must not end a training run
        pass
