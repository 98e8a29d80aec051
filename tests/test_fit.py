"""dezero_c.fit: the bits of a loop written out, callbacks, checkpoints of runs that were killed."""

import csv
import json
import math
import os
import random
import signal
import struct
import subprocess
import sys
import textwrap
import types
from pathlib import Path

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import DataLoader, Dataset, History, Layer, Model, SeqDataLoader, Variable, datasets, fit, no_grad, optimizers
from dezero_c.models import MLP, Sequential
from dezero_c.training import BestWeights, Callback, Checkpoint, EarlyStopping

RNG = np.random.default_rng(0)
X = RNG.standard_normal((50, 6)).astype("f")
T = (X[:, :3].argmax(axis=1)).astype(np.int64)
XV, TV = X[:20][::-1].copy(), T[:20][::-1].copy()
TARGET = (X @ np.arange(6.0)[:, None]).astype("f")
loss_of = F.softmax_cross_entropy


class Net(Model):
    """With random numbers and running averages."""

    def __init__(self):
        super().__init__()
        self.l1, self.norm, self.dropout, self.l2 = L.Linear(8), L.BatchNorm(), L.Dropout(0.2), L.Linear(3)

    def forward(self, x):
        return self.l2(self.dropout(F.relu(self.norm(self.l1(x)))))


def weights(model):
    return [p.data.copy() for p in model.params()]


def equal(one, other):
    return all(a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def run(model=None, data=(X, T), optimizer=None, loss=loss_of, epochs=3, seed=0, **options):
    np.random.seed(seed)
    random.seed(seed)
    if model is None or isinstance(model, types.FunctionType):      # made after the seed
        model = Net() if model is None else model()
    optimizer = optimizers.Adam(0.01) if optimizer is None else optimizer
    return model, fit(model, data, optimizer, loss, epochs, **{"progress": False, "batch_size": 16, **options})


def columns(history):
    return {name: history[name] for name in history.keys() if name != "seconds"}  # noqa: SIM118


# ---- the loop -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("captured", [False, True])
def test_the_bits_of_a_loop_written_out(captured):
    class Pairs(Dataset):
        def prepare(self):
            self.data, self.label = X, T

    np.random.seed(0)
    model = Net()
    optimizer = optimizers.Adam(0.01).setup(model)
    loader = DataLoader(Pairs(), 16)
    rows = []
    for _ in range(5):
        total = hits = 0.0
        for x, t in loader:
            y = model(x)
            loss = loss_of(y, t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            total += float(loss.data) * len(x)
            hits += float(F.accuracy(y, t).data) * len(x)
        held = held_hits = 0.0
        with no_grad(), dezero_c.test_mode():
            for k in range(0, 20, 16):
                y = model(XV[k:k + 16])
                held += float(loss_of(y, TV[k:k + 16]).data) * len(y)
                held_hits += float(F.accuracy(y, TV[k:k + 16]).data) * len(y)
        rows.append((total / 50, hits / 50, held / 20, held_hits / 20))

    ours, history = run(epochs=5, validation=(XV, TV), metrics=F.accuracy, captured=captured)
    assert [(r["loss"], r["accuracy"], r["val_loss"], r["val_accuracy"]) for r in history] == rows
    assert history.keys() == ["epoch", "loss", "accuracy", "val_loss", "val_accuracy", "lr", "seconds"]
    assert history["epoch"] == [1, 2, 3, 4, 5]
    assert history["lr"] == [0.01] * 5
    assert all(s > 0 for s in history["seconds"])
    assert equal(weights(ours), weights(model))


def test_kinds_of_data_are_the_same():
    class Pairs(Dataset):
        def prepare(self):
            self.data, self.label = X, T

    expected, history = run()
    for data in [(Variable(X), Variable(T)), Pairs(), list(zip(X, T, strict=True))]:
        model, found = run(data=data)
        assert equal(weights(model), weights(expected))
        assert columns(found) == columns(history)
    np.random.seed(0)
    model = Net()
    fit(model, DataLoader(Pairs(), 16), optimizers.Adam(0.01), loss_of, 3, progress=False)
    assert equal(weights(model), weights(expected))
    assert len(run(batch_size=None, epochs=1)[1]) == 1


class Two(Model):
    """Of two inputs, with two results."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.out = L.Linear(4), L.Linear(4), L.Linear(3)

    def forward(self, a, b):
        h = self.a(a) * F.tanh(self.b(b))
        return self.out(h), F.sum(h, axis=1, keepdims=True)


@pytest.mark.parametrize("options", [{}, {"captured": True}, {"accumulate": 2}, {"accumulate": 2, "captured": True}])
def test_several_inputs_are_a_tuple(options, tmp_path):
    class Loader:       # the same batches from outside, by the same random numbers
        def __init__(self):
            self.places = DataLoader(list(zip(np.arange(50), np.arange(50), strict=True)), 16)

        def __iter__(self):
            for k, _ in self.places:
                yield (X[k], XX[k]), (T[k], TARGET[k])

    XX = np.ascontiguousarray(X[:, :2])
    options = {"loss": lambda y, t: loss_of(y[0], t[0]) + F.mean_squared_error(y[1], t[1]),
               "metrics": {"hits": lambda y, t: F.accuracy(y[0], t[0]), "n": lambda y, t: len(y[0])}, **options}
    def made(make, data, **more):
        np.random.seed(more.pop("seed", 0))     # the model's weights first, then the order
        model = make()
        return model, fit(model, data() if callable(data) else data, optimizers.Adam(0.01), epochs=3, progress=False,
                          **options | more)

    one, history = made(Two, ((X, XX), (T, TARGET)), batch_size=16)
    other, found = made(Two, Loader)
    assert columns(found) == columns(history)
    assert equal(weights(one), weights(other))
    assert history["n"] == [(16 * 48 + 2 * 2) / 50] * 3     # means over examples, and not over inputs
    with pytest.raises(Ended):
        made(Two, ((X, XX), (T, TARGET)), batch_size=16, callbacks=[EndAt(2, 3), Checkpoint(tmp_path / "c", every_batches=1)])
    again, found = made(Two, ((X, XX), (T, TARGET)), batch_size=16, checkpoint=tmp_path / "c", resume=True, seed=3,
                        callbacks=EndAt())
    assert columns(found) == columns(history)
    assert equal(weights(one), weights(again))


def test_what_several_inputs_may_not_be():
    for data, message in ((((X, X[:7]), T), r"x of shapes \(50, 6\), \(7, 6\) and t of shape \(50,\)"),
                          (((), T), "several inputs are a tuple"), (((X, X[0, 0]), T), "several inputs are a tuple")):
        with pytest.raises(ValueError, match=message):
            run(Two(), data)
    with pytest.raises(TypeError, match=r"data is a list of two arrays, which would be two examples; write a tuple, \(x, t\)"):
        run(data=[X, X])

    class Uneven:
        def __iter__(self):
            return iter([((X, X[:7]), T)])

    with pytest.raises(ValueError, match="has inputs of 50, 7 examples"):
        run(Two(), Uneven(), batch_size=None)


@pytest.mark.parametrize(("x", "t", "sizes"), [
    ((6,), (), (20, 20)), ((6,), (1,), (20, 20)), ((6,), (6,), (20, 20)), ((3, 4, 4), (), (20, 20)),
    ((3, 4, 4), (3, 4, 4), (4, 2)),
])
def test_a_list_of_batches_is_no_list_of_examples(x, t, sizes):
    batches = [(np.ones((n, *x), "f"), np.zeros((n, *t), "f")) for n in sizes]
    for pairs in (batches, [(Variable(a), list(b)) for a, b in batches]):
        with pytest.raises(TypeError, match=r"data is a list of pairs, the first of shapes .*which look like batches; each"):
            run(data=pairs, batch_size=None)


def test_a_list_of_examples_with_axes():
    pictures = [(np.ones((3, 4, 4), "f"), np.ones((3, 4, 4), "f"))] * 4
    sequence = [(np.ones((5, 6), "f"), np.ones((5, 1), "f"))] * 4
    for pairs in (pictures, DataLoader(sequence, 2), [(np.ones((1, 4, 4), "f"), np.ones(1, "f"))] * 4):
        run(L.Linear(1, nobias=True), pairs, loss=lambda y, t: F.mean(y) - F.mean(t), batch_size=None, epochs=1)


def test_other_loaders():
    class Batches:
        def __iter__(self):
            return iter([(X[:20], T[:20]), [X[20:], T[20:]]])

    seen = []
    _, history = run(MLP((3,)), Batches(), batch_size=None, epochs=2,
                     callbacks=lambda state: seen.append((state.batch, state.batches)))
    assert seen == [(2, None)] * 2
    assert history["loss"][1] < history["loss"][0]
    model, _ = run(MLP((4, 1)), SeqDataLoader(list(zip(X, TARGET, strict=True)), 10), loss=F.mean_squared_error, batch_size=None)
    assert model.l0.W.shape == (6, 4)


def test_modes_are_set_and_put_back():
    found = []

    class Flags(MLP):
        def forward(self, x):
            found.append((dezero_c.Config.train, dezero_c.Config.enable_backprop))
            return super().forward(x)

    with no_grad(), dezero_c.test_mode():
        run(Flags((3,)), epochs=1, batch_size=50, validation=(XV, TV))
        assert (dezero_c.Config.train, dezero_c.Config.enable_backprop) == (False, False)
    assert found == [(True, True), (False, False)]


def test_a_metric_may_have_any_name_but_those_of_columns():
    names = ("self", "values", "op", "a b", "batch", "state")
    _, history = run(metrics=dict.fromkeys(names, F.accuracy), validation=(XV, TV))
    assert all(history[name] == history["self"] for name in names)
    assert history["val_self"] == history["val_op"]


def test_metrics_by_name_and_in_lists():
    def error(y, t):
        return 1 - F.accuracy(y, t).data

    _, history = run(metrics={"right": F.accuracy, "wrong": error})
    assert np.allclose(np.add(history["right"], history["wrong"]), 1)
    assert run(metrics=[F.accuracy, error])[1].keys()[2:4] == ["accuracy", "error"]
    assert run(metrics=[F.accuracy, error], captured=True)[1]["error"] == run(metrics=error)[1]["error"]


class Sequence(Model):
    """The last output of a recurrent layer, whose state nobody takes away."""

    def __init__(self, cls):
        super().__init__()
        self.rnn, self.out = cls(4), L.Linear(1)

    def forward(self, x):
        for k in range(x.shape[1]):
            h = self.rnn(x[:, k])
        return self.out(h)


@pytest.mark.parametrize("cls", [L.RNN, L.LSTM, L.GRU])
def test_recurrent_layers_begin_each_batch_without_a_state(cls):
    class Forgetting(Sequence):
        def forward(self, x):
            self.rnn.reset_state()
            return super().forward(x)

    x = X.reshape(50, 3, 2)
    options = {"data": (x, TARGET), "validation": (x, TARGET), "loss": F.mean_squared_error}
    np.random.seed(0)
    expected = Forgetting(cls)
    optimizer = optimizers.Adam(0.01).setup(expected)
    for _ in range(3):
        order = np.random.permutation(50)
        for k in range(0, 50, 16):
            rows = order[k:k + 16]
            loss = F.mean_squared_error(expected(x[rows]), TARGET[rows])
            expected.cleargrads()
            loss.backward()
            optimizer.update()
    for captured in (False, True):
        model, history = run(lambda: Sequence(cls), captured=captured, **options)
        assert equal(weights(model), weights(expected))
        assert model.rnn.h is None
        assert history["val_loss"][-1] == run(lambda: Sequence(cls), **options)[1]["val_loss"][-1]


def test_means_are_over_examples():
    """50 examples in batches of 16 leave one of 2."""
    model = MLP((3,))
    model(X)
    _, history = run(model, optimizer=optimizers.SGD(0.0), epochs=1)
    assert np.isclose(history["loss"][0], float(loss_of(model(X), T).data), rtol=1e-6)


# ---- clipping, accumulation, rates -----------------------------------------------------------------------------------

@pytest.mark.parametrize("options", [{}, {"captured": True}, {"accumulate": 3}, {"accumulate": 3, "captured": True}])
@pytest.mark.parametrize("shape", [(1,), (1, 1)])
def test_a_loss_of_one_element_has_any_axes(options, shape):
    found = []
    for make in (lambda v: v, lambda v: F.reshape(v, shape)):
        def loss(y, t, make=make):
            return make(F.mean_squared_error(y, t))

        model, history = run(lambda: MLP((1,)), (X, TARGET), loss=loss, validation=(X[:5], TARGET[:5]), **options)
        found.append((weights(model), history["loss"], history["val_loss"]))
    assert equal(found[0][0], found[1][0])
    assert found[0][1:] == found[1][1:]


def test_clip_is_a_hook_while_it_runs():
    norms = []

    def decay(params):
        norms.append(1)

    np.random.seed(0)
    model = MLP((4, 3))
    optimizer = optimizers.SGD(0.1).setup(model)
    optimizer.add_hook(decay)
    seen = []
    fit(model, (X, T), optimizer, loss_of, 1, clip=0.01, progress=False, callbacks=lambda s: seen.append(list(s.optimizer.hooks)))
    assert [type(h).__name__ for h in seen[0]] == ["function", "ClipGrad"]
    assert optimizer.hooks == [decay]
    g = math.sqrt(sum(float((p.grad.data ** 2).sum()) for p in model.params()))
    assert g <= 0.01
    with pytest.raises(ZeroDivisionError):
        fit(model, (X, T), optimizer, loss_of, 1, clip=0.01, progress=False, callbacks=lambda s: 1 / 0)
    assert optimizer.hooks == [decay]


def test_clip_has_the_bits_of_the_hook():
    np.random.seed(0)
    model = Net()
    optimizer = optimizers.Adam(0.01).setup(model)
    optimizer.add_hook(optimizers.ClipGrad(0.1))
    fit(model, (X, T), optimizer, loss_of, 3, batch_size=16, progress=False)
    for captured in (False, True):
        assert equal(weights(run(clip=0.1, captured=captured)[0]), weights(model))


@pytest.mark.parametrize("captured", [False, True])
def test_accumulated_gradients_are_those_of_the_union(captured):
    """Batches of 8, 8, 8, 8, 8, 8, 2 by three: updates after 24, 24 and 2 examples."""
    def start():
        np.random.seed(1)
        model = MLP((5, 3), activation=F.tanh)
        model(X)
        for p in model.params():
            p.data = p.data.astype(np.float64)
        return model

    x, expected = X.astype(np.float64), start()
    optimizer = optimizers.MomentumSGD(0.1).setup(expected)
    for _ in range(3):
        for rows in (slice(0, 24), slice(24, 48), slice(48, 50)):
            loss = loss_of(expected(x[rows]), T[rows])
            expected.cleargrads()
            loss.backward()
            optimizer.update()
    model = start()
    updates = []
    optimizer = optimizers.MomentumSGD(0.1).setup(model)
    optimizer.add_hook(updates.append)
    loader = DataLoader(list(zip(x, T, strict=True)), 8, shuffle=False)
    history = fit(model, loader, optimizer, loss_of, 3, accumulate=3, captured=captured, progress=False)
    assert len(updates) == 9
    for a, b in zip(weights(model), weights(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-14)
    other = start()
    again = fit(other, loader, optimizers.MomentumSGD(0.1), loss_of, 3, accumulate=3, captured=not captured, progress=False)
    assert equal(weights(other), weights(model))
    assert again["loss"] == history["loss"]


def test_accumulation_keeps_the_dtype():
    model, _ = run(MLP((3,)), accumulate=2)
    assert {p.data.dtype for p in model.params()} == {np.dtype(np.float32)}
    assert {p.grad.data.dtype for p in model.params()} == {np.dtype(np.float32)}


def test_schedules():
    optimizer = optimizers.Adam(0.1)
    _, history = run(optimizer=optimizer, schedule=lambda epoch: 0.1 / epoch)
    assert history["lr"] == [0.1, 0.05, 0.1 / 3]
    assert optimizer.alpha == 0.1 / 3
    optimizer = optimizers.SGD(0.1)
    _, history = run(optimizer=optimizer, schedule=optimizers.StepDecay(optimizer, 2, 0.5), epochs=4)
    assert history["lr"] == [0.1, 0.1, 0.05, 0.05]
    assert "lr" not in run(optimizer=optimizers.AdaDelta())[1]


# ---- callbacks ----------------------------------------------------------------------------------------------------

def test_events_in_order():
    heard = []

    class Told(Callback):
        def on_start(self, state):
            heard.append(("start", state.epoch, len(state.history)))

        def on_epoch_start(self, state):
            heard.append(("epoch", state.epoch))

        def on_batch_end(self, state):
            heard.append((state.batch, state.batches, math.isfinite(state.loss)))

        def on_epoch_end(self, state):
            heard.append(("over", state.history[-1] == state.row, state.row["epoch"]))
            state.stop = state.epoch == 2

        def on_end(self, state):
            heard.append(("end", state.epoch, state.epochs))

    run(callbacks=[Told(), lambda state: heard.append("function")], batch_size=25, epochs=9)
    epoch = [(1, 2, True), (2, 2, True)]
    assert heard == [("start", 0, 0), ("epoch", 1), *epoch, ("over", True, 1), "function",
                     ("epoch", 2), *epoch, ("over", True, 2), "function", ("end", 2, 9)]


def test_any_object_with_one_of_the_methods():
    class Half:
        def on_batch_end(self, state):
            self.batch = state.batch

    half = Half()
    run(callbacks=half)
    assert half.batch == 4


def scripted(values):
    """A metric that gives these numbers, one an epoch of one batch."""
    left = iter(values)
    return {"score": lambda y, t: next(left)}


@pytest.mark.parametrize(("mode", "values", "options", "epochs", "best"), [
    ("max", [1, 3, 2, 2, 2, 9], {"patience": 3}, 5, 2), ("min", [5, 4, 3, 2, 1, 0], {"patience": 1}, 6, 6),
    ("min", [5, 4.5, 4.1, 9, 9, 9], {"patience": 2, "min_delta": 1}, 3, 1),
    ("max", [1, math.nan, math.nan, 2], {"patience": 2}, 3, 1)])
def test_early_stopping(mode, values, options, epochs, best):
    stopping = EarlyStopping("score", mode=mode, **options)
    _, history = run(metrics=scripted(values), batch_size=50, epochs=len(values), callbacks=stopping)
    assert len(history) == epochs
    assert stopping.best_epoch == best
    assert stopping.best == values[best - 1]
    assert stopping.stopped_epoch == (epochs if epochs < len(values) else 0)
    assert stopping.waited == epochs - best


@pytest.mark.parametrize("make", [lambda path: BestWeights("score", path=path),
                                  lambda path: EarlyStopping("score", 9, restore_best=True)])
def test_the_best_weights_come_back(make, tmp_path):
    kept = []
    path = tmp_path / "best.npz"
    model, _ = run(metrics=scripted([1, 3, 2]), batch_size=50, callbacks=[lambda s: kept.append(weights(s.model)), make(path)])
    assert equal(weights(model), kept[1])
    assert not equal(kept[1], kept[2])
    if path.exists():
        other = Net()
        other.load_weights(path)
        assert equal(weights(other), kept[1])


def test_early_stopping_without_restoring_leaves_the_last():
    kept = []
    model, _ = run(metrics=scripted([1, 3, 2]), batch_size=50,
                   callbacks=[lambda s: kept.append(weights(s.model)), EarlyStopping("score")])
    assert equal(weights(model), kept[2])


def test_a_callback_begins_anew_with_another_run():
    stopping = EarlyStopping("score", patience=2)
    for _ in range(2):
        _, history = run(metrics=scripted([3, 1, 1, 1]), batch_size=50, epochs=4, callbacks=stopping)
        assert len(history) == 3


def test_which_is_better_is_told_by_the_name():
    assert EarlyStopping().mode == "min"
    small = ("max_error", "val_brier_score", "brier_score_loss", "perplexity", "RMSE", "val_mae", "cross_entropy", "logloss",
             "val_crossentropy", "error5", "negative_log_likelihood", "nll", "fid_score", "crps")
    large = ("val_accuracy", "score", "val_f1", "macro_f1_score", "f1score", "r2", "roc_auc", "acc", "top5_acc", "acc5",
             "trainacc", "neg_mean_squared_error", "neg_log_loss", "log_likelihood", "mIoU")
    assert {BestWeights(name).mode for name in small} == {"min"}
    assert {BestWeights(name).mode for name in large} == {"max"}
    assert BestWeights("accuracy", "min").mode == "min"
    for name in ("f1_loss", "accumulated_cost", "power", "cancer", "glossy", "entropy", "neg", "x", "", "1"):
        with pytest.raises(ValueError, match=r"EarlyStopping: whether a small or a large .* say mode='min' or mode='max'"):
            EarlyStopping(name)


@pytest.mark.parametrize(("make", "message"), [
    (lambda: EarlyStopping(patience=0), "EarlyStopping: patience is 0"),
    (lambda: EarlyStopping(min_delta=-1), "EarlyStopping: min_delta is -1"),
    (lambda: EarlyStopping(mode="best"), "EarlyStopping: mode is 'best'"),
    (lambda: EarlyStopping(None), "EarlyStopping: monitor is None; it is the name of a column"),
    (lambda: BestWeights(3, "min"), "BestWeights: monitor is 3"),
    (lambda: EarlyStopping(patience=2.5), r"patience is 2\.5; it is a whole number of epochs from 1 on"),
    (lambda: EarlyStopping(patience="2"), "patience is '2'"), (lambda: EarlyStopping(min_delta=None), "min_delta is None"),
    (lambda: EarlyStopping(min_delta=math.nan), "min_delta is nan"), (lambda: BestWeights(path=5), "BestWeights: the path is 5"),
    (lambda: Checkpoint("x", every=0), "Checkpoint: every is 0"), (lambda: Checkpoint("x", every=1.5), r"every is 1\.5; it is"),
    (lambda: Checkpoint("x", every_batches=True), "every_batches is True"), (lambda: Checkpoint(5), "Checkpoint: the path is 5")])
def test_callbacks_refuse(make, message):
    with pytest.raises((ValueError, TypeError), match=message):
        make()


def test_what_is_followed_must_be_there():
    with pytest.raises(ValueError, match=r"EarlyStopping: there is no 'val_loss'.* loss, lr, seconds; give fit validation="):
        run(callbacks=EarlyStopping())


# ---- numbers that are none ----------------------------------------------------------------------------------------

@pytest.mark.parametrize(("captured", "accumulate", "words"), [
    (False, 1, "no update was made by it"), (True, 1, "the update by it has been made"), (True, 2, "no update was made by it"),
    (False, 2, "no update was made by it")])
def test_a_loss_that_is_nan(captured, accumulate, words):
    x = X.copy()
    x[33] = np.nan
    model = MLP((3,))
    model(X)
    before = []
    loader = DataLoader(list(zip(x, T, strict=True)), 16, shuffle=False)
    with pytest.raises(FloatingPointError, match=rf"fit: the loss is nan in epoch 1, batch 3 of 4; {words}.*dezero_c\.debug"):
        run(model, loader, batch_size=None, captured=captured, accumulate=accumulate, callbacks=OnBatch(before))
    assert equal(weights(model), before[-1]) is (words[0] == "n")


@pytest.mark.parametrize("captured", [False, True])
def test_debug_names_the_operation(captured):
    def loss(y, t):
        return F.mean(F.log(y))

    with np.errstate(all="ignore"), dezero_c.debug(), pytest.raises(FloatingPointError, match=r"test_fit\.py:\d+: Log gave"):
        run(MLP((3,)), loss=loss, captured=captured)


class Root(Model):
    """A loss of 0, whose gradient is nan."""

    def __init__(self):
        super().__init__()
        self.l = L.Linear(1, in_size=6)

    def forward(self, x):
        return F.sqrt(F.abs(self.l(x)))


@pytest.mark.parametrize("options", [{}, {"captured": True}, {"accumulate": 2}, {"clip": 1.0}, {"validation": (X, TARGET)}])
def test_weights_that_are_nan_after_the_last_update(options, tmp_path):
    seen = []
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"l/W has become nan .* by epoch 1, batch 1, though"):
        run(Root(), (0 * X, 0 * TARGET), loss=F.mean_squared_error, batch_size=50, optimizer=optimizers.SGD(), epochs=1,
            callbacks=[seen.append, Checkpoint(tmp_path / "c")], **options)
    assert seen == []
    with np.load(tmp_path / "c") as file:       # of before the epoch
        assert np.isfinite(file["model/l/W"]).all()


def test_weights_that_are_nan_are_in_no_checkpoint(tmp_path):
    with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match=r"by epoch 1, batch 2, though the losses"):
        run(Root(), (0 * X, 0 * TARGET), loss=F.mean_squared_error, batch_size=10, optimizer=optimizers.SGD(),
            callbacks=Checkpoint(tmp_path / "c", every_batches=2), accumulate=2)
    with np.load(tmp_path / "c") as file:
        assert np.isfinite(file["model/l/W"]).all()


def test_numbers_that_were_infinite_before_are_no_mistake():
    model = MLP((3,))
    model.mask = dezero_c.Parameter(np.array([-np.inf, 0.0]))
    assert len(run(model)[1]) == 3


class OnBatch(Callback):
    def __init__(self, kept):
        self.kept = kept

    def on_batch_end(self, state):
        self.kept.append(weights(state.model))


# ---- the line on stderr ---------------------------------------------------------------------------------------------

def test_a_line_for_each_epoch(capsys):
    run(progress=True, epochs=10)
    out, err = capsys.readouterr()
    lines = err.splitlines()
    assert out == ""
    assert len(lines) == 10
    assert lines[0].startswith("epoch  1/10: loss ")
    assert lines[0].endswith(" left]")
    assert ", lr 0.01 [00:00, 00:0" in lines[0]
    assert lines[-1].endswith(", lr 0.01 [00:00]")
    run(progress=False)
    assert capsys.readouterr() == ("", "")


def test_a_closed_stderr_does_not_end_training(monkeypatch):
    monkeypatch.setattr(sys, "stderr", None)
    assert len(run(progress=True)[1]) == 3


# ---- checkpoints --------------------------------------------------------------------------------------------------

RUN = """
    import os, signal, sys, random
    import numpy as np
    import dezero_c, dezero_c.functions as F, dezero_c.layers as L
    from dezero_c import Dataset, DataLoader, Model, optimizers
    from dezero_c.training import Callback, EarlyStopping

    path, epoch, batch, captured, seed = sys.argv[1], *map(int, sys.argv[2:])
    np.random.seed(seed)
    random.seed(seed)
    rng = np.random.default_rng(0)

    class Pairs(Dataset):
        def prepare(self):
            self.data = rng.standard_normal((50, 6)).astype("f")
            self.label = self.data[:, :3].argmax(axis=1)

    class Net(Model):
        def __init__(self):
            super().__init__()
            self.l1, self.norm, self.dropout, self.l2 = L.Linear(8), L.BatchNorm(), L.Dropout(0.2), L.Linear(3)

        def forward(self, x):
            return self.l2(self.dropout(F.relu(self.norm(self.l1(x)))))

    class Kill(Callback):
        def look(self, state, b):
            if (state.epoch, b) == (epoch, batch):
                os.kill(os.getpid(), signal.SIGKILL)

        def on_batch_end(self, state):
            self.look(state, state.batch)

        def on_epoch_start(self, state):
            self.look(state, 0)

        def on_epoch_end(self, state):
            if (state.epoch, batch) == (epoch, -1):     # while the checkpoint of this epoch is being written
                np.savez = lambda file, **arrays: (file.write(b"PK" * 5000), file.flush(), os.kill(os.getpid(), signal.SIGKILL))

    class Noise(Callback):
        def on_epoch_end(self, state):
            np.random.randn()       # an odd number: one normal number is left over
            self.noise = random.random()

    model = Net()
    optimizer = optimizers.Adam(0.01)
    optimizer.setup(model)
    noise = Noise()
    history = dezero_c.fit(
        model, Pairs(), optimizer, F.softmax_cross_entropy, 5, batch_size=16, metrics=F.accuracy, clip=0.5,
        validation=DataLoader(Pairs(), 7), callbacks=[Kill(), EarlyStopping(patience=9, restore_best=True), noise],
        schedule=optimizers.WarmUp(optimizer, 3), captured=bool(captured), checkpoint=path, resume=True, progress=False)
    np.savez(path + ".out", *[p.data for p in model.params()], **{n: history[n] for n in history.keys() if n != "seconds"},
             random=[np.random.rand(), np.random.randn(), random.random(), noise.noise])
"""


def in_a_process(path, epoch=0, batch=0, captured=0, seed=0):
    env = os.environ | {"PYTHONPATH": str(Path(dezero_c.__file__).parents[1])}
    return subprocess.run([sys.executable, "-c", textwrap.dedent(RUN), str(path), *map(str, (epoch, batch, captured, seed))],
                          env=env, capture_output=True, text=True, timeout=120)


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="no SIGKILL here")
def test_a_run_that_was_killed_reaches_the_same_bits(tmp_path):
    done = in_a_process(tmp_path / "whole")
    assert done.returncode == 0, done.stderr
    expected = dict(np.load(tmp_path / "whole.out.npz"))
    assert len(expected["loss"]) == 5
    path = tmp_path / "killed"
    # in the first epoch, where weights have just been drawn; amid another, in its file, between two; then, with another seed each
    # time, to the end
    for epoch, batch, captured in ((1, 2, 0), (3, 3, 0), (3, -1, 0), (4, 0, 1)):
        done = in_a_process(path, epoch, batch, captured, seed=epoch - 1)
        assert done.returncode == -signal.SIGKILL, done.stderr
        assert not (tmp_path / "killed.out.npz").exists()
    done = in_a_process(path, seed=7)
    assert done.returncode == 0, done.stderr
    found = dict(np.load(tmp_path / "killed.out.npz"))
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        assert found[name].dtype == array.dtype
        assert np.array_equal(found[name], array), name
    # what was being written has been removed
    assert sorted(p.name for p in tmp_path.iterdir()) == ["killed", "killed.out.npz", "whole", "whole.out.npz"]


def test_a_longer_run_goes_on_from_a_shorter_one(tmp_path):
    path = tmp_path / "run.npz"
    expected, history = run(epochs=5)
    _, short = run(epochs=2, checkpoint=path)
    assert short["loss"] == history["loss"][:2]
    model, found = run(epochs=5, checkpoint=path, resume=True, seed=9)
    assert columns(found) == columns(history)
    assert equal(weights(model), weights(expected))
    again, same = run(epochs=5, checkpoint=path, resume=True, seed=4)       # nothing is left to do
    assert columns(same) == columns(history)
    assert equal(weights(again), weights(expected))


def test_a_run_that_a_callback_ended_stays_ended(tmp_path):
    path = tmp_path / "run.npz"
    kept = []
    options = {"batch_size": 50, "epochs": 6, "checkpoint": path, "resume": True}
    one, _ = run(metrics=scripted([1, 3, 2, 2, 9]), callbacks=[EarlyStopping("score", 2, restore_best=True),
                                                               lambda s: kept.append(weights(s.model))], **options)
    stopping = EarlyStopping("score", 2, restore_best=True)
    other, history = run(metrics=scripted([]), callbacks=[stopping, lambda s: kept.append(0)], **options)
    assert len(history) == len(kept) == 4
    assert (stopping.best, stopping.best_epoch, stopping.waited, stopping.stopped_epoch) == (3, 2, 2, 4)
    assert equal(weights(other), weights(one))
    assert equal(weights(one), kept[1])


def test_checkpoint_every_other_epoch_and_at_the_end(tmp_path, monkeypatch):
    from dezero_c.training import _checkpoint

    written = []
    monkeypatch.setattr(_checkpoint, "write", lambda path, about, states: written.append((Path(path).name, about["epoch"])))
    run(epochs=5, callbacks=[Checkpoint(tmp_path / "a", every=2), Checkpoint(tmp_path / "b", every=4)])
    assert written == [("a", 0), ("b", 0), ("a", 2), ("a", 4), ("b", 4), ("a", 5), ("b", 5)]


def test_checkpoints_come_after_other_callbacks(tmp_path):
    class Counter(Callback):
        n = 0

        def on_epoch_end(self, state):
            self.n += 1

        def state_dict(self):
            return {"n": self.n, "name": "é", "array": np.arange(self.n), "scalar": np.float32(2)}

        def load_state_dict(self, state):
            self.state, self.n = state, state["n"]

    path = tmp_path / "run"
    run(epochs=2, callbacks=[Checkpoint(path), Counter()])
    counter = Counter()
    run(epochs=3, callbacks=[counter], checkpoint=path, resume=True)
    assert counter.n == 3
    assert counter.state == {"n": 2, "name": "é", "array": counter.state["array"], "scalar": counter.state["scalar"]}
    assert counter.state["array"].tolist() == [0, 1]
    assert counter.state["scalar"].dtype == np.float32


def test_a_callback_may_save_without_checkpoint(tmp_path):
    path = tmp_path / "run"
    expected, _ = run(callbacks=lambda s: s.save(path) if s.epoch == 2 else None)
    model, _ = run(callbacks=print_nothing, checkpoint=path, resume=True, seed=5)
    assert equal(weights(model), weights(expected))


def test_no_checkpoint_amid_a_batch(tmp_path):
    class Early(Callback):
        def on_start(self, state):
            state.save(tmp_path / "start")

        def on_epoch_start(self, state):
            state.save(tmp_path / "amid")

    with pytest.raises(RuntimeError, match=r"State\.save in on_epoch_start, or amid a batch"):
        run(callbacks=Early())
    assert [p.name for p in tmp_path.iterdir()] == ["start"]


class Ended(Exception):
    """A run that is ended from outside."""


class EndAt(Callback):
    """Ends a run at a batch, after the callbacks before it."""

    def __init__(self, epoch=0, batch=0):
        self.place, self.starts = (epoch, batch), []

    def on_epoch_start(self, state):
        self.starts.append(state.epoch)

    def on_batch_end(self, state):
        if (state.epoch, state.batch) == self.place:
            raise Ended


KINDS = {
    "adam": {},
    "sgd, by a function": {"optimizer": lambda: optimizers.SGD(0.1), "schedule": lambda e: 0.1 / e},
    "momentum, captured": {"optimizer": lambda: optimizers.MomentumSGD(0.1), "captured": True},
    "adagrad, accumulated": {"optimizer": optimizers.AdaGrad, "accumulate": 3, "clip": 0.5},
    "accumulated, captured": {"accumulate": 2, "captured": True},
    "workers": {"data": lambda: DataLoader(list(zip(X, T, strict=True)), 16, workers=1), "batch_size": None},
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("every", [1, 2])
def test_a_run_that_ended_amid_an_epoch_reaches_the_same_bits(kind, every, tmp_path):
    def once(end=None, **options):
        if "checkpoint" in options:     # in both places
            options["checkpoint"] = Checkpoint(options["checkpoint"], every_batches=every)
            return once_by(end, [], **options)
        return once_by(end, [Checkpoint(tmp_path / "c", every_batches=every)], **options)

    def once_by(end, callbacks, **options):
        given = {"epochs": 3, "metrics": F.accuracy, "validation": (XV, TV), **KINDS[kind], **options}
        for name in ("optimizer", "data"):
            if name in given:
                np.random.seed(0)       # with which a loader draws its first order
                given[name] = given[name]()
        return run(callbacks=[*callbacks, end or EndAt()], **given)

    expected, history = once()
    (tmp_path / "c").unlink()
    for end in (EndAt(1, 3), EndAt(2, 2), EndAt(3, 4)):     # the last batch of an epoch, too
        with pytest.raises(Ended):
            once(end, checkpoint=tmp_path / "c", resume=True, seed=end.place[0] - 1)
    end = EndAt()
    model, found = once(end, checkpoint=tmp_path / "c", resume=True, seed=9)
    assert columns(found) == columns(history)
    assert equal(weights(model), weights(expected))
    assert end.starts == []     # epoch 3 had begun


def test_after_the_last_batch_of_an_epoch(tmp_path):
    class Save(EndAt):
        def on_batch_end(self, state):
            if (state.epoch, state.batch) == self.place:
                state.save(tmp_path / "c")
                raise Ended

    expected, history = run(callbacks=Save())
    with pytest.raises(Ended):
        run(callbacks=Save(2, 4))
    save = Save()
    model, found = run(callbacks=save, checkpoint=tmp_path / "c", resume=True, seed=5)
    assert columns(found) == columns(history)
    assert equal(weights(model), weights(expected))
    assert save.starts == [3]


def test_a_checkpoint_amid_an_epoch_refuses_other_arguments(tmp_path):
    with pytest.raises(Ended):
        run(callbacks=[EndAt(1, 4), Checkpoint(tmp_path / "c", every_batches=1)], accumulate=4)
    options = {"checkpoint": tmp_path / "c", "resume": True, "callbacks": EndAt()}
    with pytest.raises(ValueError, match="amid an epoch with the columns loss, this call has loss, accuracy"):
        run(metrics=F.accuracy, accumulate=4, **options)
    with pytest.raises(ValueError, match="where 3 batches wait for an update; resume with the accumulate"):
        run(accumulate=3, **options)

    class Twice:
        def __iter__(self):
            return iter([(X, T), (X, T)])

    with pytest.raises(TypeError, match="amid an epoch needs data whose place can be kept"):
        run(data=Twice(), batch_size=None, callbacks=Checkpoint(tmp_path / "d", every_batches=1))
    with pytest.raises(ValueError, match="every_batches is 0"):
        Checkpoint(tmp_path / "c", every_batches=0)


def test_a_checkpoint_of_another_optimizer_or_schedule_changes_nothing(tmp_path):
    adam = optimizers.Adam(0.01)
    run(optimizer=adam, epochs=2, checkpoint=tmp_path / "c", schedule=optimizers.StepDecay(adam, 1))
    for make, message in ((optimizers.SGD, "the optimizer of this call: it is Adam's"),
                          (optimizers.Adam, "the schedule of this call: it is StepDecay's")):
        model, optimizer = Net(), make(0.5)
        model(X)
        schedule = optimizers.ExponentialDecay(optimizer, 0.9)
        before, numbers = weights(model), optimizer.setup(model).state_dict()
        with pytest.raises(ValueError, match=message):
            fit(model, (X, T), optimizer, loss_of, 3, batch_size=16, checkpoint=tmp_path / "c", resume=True, schedule=schedule)
        assert equal(weights(model), before)
        assert optimizer.state_dict() == numbers
        assert schedule.t == 0


def test_other_data_for_validation_and_for_several_inputs(tmp_path):
    options = {"checkpoint": tmp_path / "v", "resume": True}
    run(epochs=1, validation=(XV, TV), **options)
    with pytest.raises(ValueError, match="does not fit the validation of this call: they are of the same shapes"):
        run(validation=(XV[::-1], TV), **options)
    run(validation=(XV.copy(), list(TV)), **options)        # the same in other objects
    several = {"loss": lambda y, t: loss_of(y[0], t), "checkpoint": tmp_path / "s", "resume": True}
    run(Two(), ((X, X), T), epochs=1, **several)
    for data, message in ((((X, -X), T), "they are of the same shapes"), (((X, X, X), T), "it has 3 arrays, and here are 4")):
        with pytest.raises(ValueError, match=f"does not fit the data of this call: {message}"):
            run(Two(), data, **several)


def test_rows_of_large_data_are_compared(tmp_path):
    x = np.zeros((30, 1 << 17), "f")        # 15 MB, of which 8 rows are looked at
    options = {"batch_size": 15, "checkpoint": tmp_path / "c", "resume": True}
    run(L.Linear(3), (x, T[:30]), optimizers.SGD(), epochs=1, **options)
    x[-1, 5] = 1
    with pytest.raises(ValueError, match="they are of the same shapes"):
        run(L.Linear(3), (x, T[:30]), optimizers.SGD(), **options)


def decaying(rate, every=2, **options):
    optimizer = optimizers.MomentumSGD(rate, **options)
    return {"optimizer": optimizer, "schedule": optimizers.StepDecay(optimizer, every)}


def hooked(rate):
    optimizer = optimizers.SGD()
    optimizer.add_hook(optimizers.WeightDecay(rate))
    return {"optimizer": optimizer}


@pytest.mark.parametrize(("first", "then", "words"), [
    (lambda: {"optimizer": optimizers.Adam(0.01)}, lambda: {"optimizer": optimizers.Adam(0.5, eps=1)},
     r"alpha was 0\.01 and is given as 0\.5 \(0\.01 is taken\); eps was 1e-08 and is given as 1 \(1e-08 is taken\)"),
    (lambda: decaying(0.1), lambda: decaying(0.2), r"lr was 0\.1 and is given as 0\.2 \(0\.0+1\d* is taken\)\. Resume"),
    (lambda: decaying(0.1), lambda: decaying(0.1, 3), r"was 'StepDecay\(every=2, gamma=0\.1\)' and is 'StepDecay\(every=3, "),
    (dict, lambda: {"schedule": lambda epoch: 0.1}, "schedule was None and is 'a function' "),
    (dict, lambda: {"clip": 1}, r"clip was None and is 1\.0 \(which is taken\)"),
    (dict, lambda: {"accumulate": 2}, r"accumulate was 1 and is 2 \(which is taken\)"),
    (dict, lambda: {"batch_size": 7}, r"batch_size was 16 and is 7 \(which is taken\)"),
    (lambda: hooked(0.1), lambda: hooked(0.2), r"hooks was 'WeightDecay\(rate=0\.1\)' and is 'WeightDecay\(rate=0\.2\)'"),
])
def test_other_numbers_than_those_of_the_first_call_are_told(first, then, words, tmp_path):
    options = {"checkpoint": tmp_path / "c", "resume": True}
    run(epochs=2, **first(), **options)
    run(epochs=3, **first(), **options)     # the same: nothing is told
    with pytest.warns(UserWarning, match=f"fit: the checkpoint .*c is of a call with other settings: .*{words}") as told:
        run(**{"epochs": 4, **then(), **options})
    assert [w.filename for w in told] == [__file__]
    if "given" in words:        # which the file goes on to hold
        with pytest.warns(UserWarning, match=words):
            run(epochs=5, **then(), **options)
        run(epochs=6, **first(), **options)


def test_a_warning_that_is_an_error_changes_nothing(tmp_path):
    run(epochs=1, checkpoint=tmp_path / "c")
    optimizer, model = optimizers.Adam(0.5), Net()
    model(X)
    before = weights(model)
    with pytest.raises(UserWarning, match="other settings"):
        fit(model, (X, T), optimizer, loss_of, 2, batch_size=16, checkpoint=tmp_path / "c", resume=True)
    assert equal(before, weights(model))
    assert (optimizer.target, optimizer.alpha) == (None, 0.5)


def test_the_same_objects_go_on_without_a_word(tmp_path):
    optimizer = optimizers.Adam(0.1)
    model = Net()
    schedule = optimizers.ExponentialDecay(optimizer, 0.5)
    for epochs in (2, 4):
        fit(model, (X, T), optimizer, loss_of, epochs, schedule=schedule, checkpoint=tmp_path / "c", resume=True, progress=False)
    assert optimizer.alpha == 0.1 * 0.5 ** 4


def changed(path, change):
    """Writes a checkpoint anew, changed."""
    with np.load(path) as archive:
        arrays = dict(archive)
    about = json.loads(bytes(arrays.pop("about")))
    change(about, arrays)
    with open(path, "wb") as file:
        np.savez(file, about=np.frombuffer(json.dumps(about).encode(), np.uint8), **arrays)


def test_older_checkpoints_are_read(tmp_path):
    def older(about, arrays):
        del about["call"], arrays["data/batch_size"]
        about["plain"].remove("data/batch_size")

    expected, _ = run()
    run(epochs=2, checkpoint=tmp_path / "c")
    changed(tmp_path / "c", older)
    model, history = run(checkpoint=tmp_path / "c", resume=True)
    assert equal(weights(model), weights(expected))
    assert len(history) == 3


@pytest.mark.parametrize(("change", "message"), [
    (lambda about, arrays: about.pop("callbacks"), "damaged: it has no callbacks; remove it"),
    (lambda about, arrays: about.pop("history"), "damaged: it has no history"),
    (lambda about, arrays: about.update(history="x"), r"damaged: its history is damaged \("),
    (lambda about, arrays: about.update(epoch="x"), "damaged: its epoch is 'x'"),
    (lambda about, arrays: about.update(epoch=-5), "damaged: its epoch is -5"),
    (lambda about, arrays: about.update(epoch=1.5), r"damaged: its epoch is 1\.5"),
    (lambda about, arrays: about.update(stop=0), "damaged: its stop is 0"),
    (lambda about, arrays: about.update(things=[1]), r"damaged: its things is \[1\]"),
    (lambda about, arrays: about.update(call={"data": {"data": 3}}), "damaged: its call is"),
    (lambda about, arrays: about["amid"].pop("sums"), "damaged: it has no amid/sums"),
    (lambda about, arrays: about["amid"].update(n="1"), "damaged: its amid/n is '1'"),
    (lambda about, arrays: [arrays.pop(k) for k in list(arrays) if k.startswith("random/")],
     r"damaged: its states of random generators are none: 'numpy0/key' is missing"),
    (lambda about, arrays: arrays.update({"random/numpy0/key": np.arange(3)}), "its states of random generators are none"),
    (lambda about, arrays: arrays.update({"random/numpy0/place": np.array(10**6)}), "generators are none: a place is 1000000"),
    (lambda about, arrays: arrays.update({"random/python/words": np.arange(3)}), "its states of random generators are none"),
    (lambda about, arrays: arrays.update({"model/l1/b": np.array([None])}), "damaged: it holds pickled objects; remove it"),
    (lambda about, arrays: arrays.update({"data/index": np.array("x")}), "the data of this call: .*the state is of 1 examples"),
    (lambda about, arrays: arrays.update({"data/index": np.arange(50) + 1}), "the data of this call: .*index is no order of 50"),
    (lambda about, arrays: arrays.pop("data/index"), "the data of this call: it lacks 'index'"),
    (lambda about, arrays: arrays.update({"optimizer/alpha": np.array("x"), "optimizer/ms/9": np.ones(2)}), "the optimizer of"),
    (lambda about, arrays: arrays.update({"gradients/l1/W": np.ones(2)}), "Net: a gradient of l1/W in it fits no Parameter"),
])
def test_checkpoints_made_by_hand(change, message, tmp_path):
    with pytest.raises(Ended):
        run(callbacks=[EndAt(1, 3), Checkpoint(tmp_path / "c", every_batches=1)], accumulate=4)
    changed(tmp_path / "c", change)
    optimizer, model = optimizers.Adam(0.01), Net()
    drawn = np.random.get_state()[1].tolist(), random.getstate()
    with pytest.raises(ValueError, match=f"fit: (the checkpoint )?.*c .*{message}"):
        fit(model, (X, T), optimizer, loss_of, 3, batch_size=16, callbacks=EndAt(), accumulate=4, checkpoint=tmp_path / "c",
            resume=True)
    assert optimizer.target is None
    assert model.l1.W.data is None
    assert (np.random.get_state()[1].tolist(), random.getstate()) == drawn


def print_nothing(state):
    """Another function, of the same kind."""


def test_parameters_without_axes_keep_their_dtype(tmp_path):
    class Scale(Model):
        def __init__(self):
            super().__init__()
            self.s = dezero_c.Parameter(np.array(2, np.float32))

        def forward(self, x):
            return F.sum(x, axis=1, keepdims=True) * self.s

    options = {"data": (X, TARGET), "loss": F.mean_squared_error}
    expected, _ = run(Scale(), epochs=4, **options)
    run(Scale(), epochs=2, checkpoint=tmp_path / "c", **options)
    optimizer = optimizers.Adam(0.01)
    model, _ = run(Scale(), epochs=4, checkpoint=tmp_path / "c", resume=True, optimizer=optimizer, **options)
    assert equal(weights(model), weights(expected))
    assert optimizer.vs[id(model.s)].dtype == np.float32


@pytest.mark.parametrize(("change", "message"), [
    ({"model": MLP((3,))}, r"does not fit MLP: it has no .*l0/b.*the model has no l1/W"),
    ({"optimizer": optimizers.SGD()}, "does not fit the optimizer of this call: it is Adam's"),
    ({"data": (X[:40], T[:40])}, r"the data of this call: an array is float32 of shape \(50, 6\) in it and float32 of shape"),
    ({"data": (X.astype("d"), T)}, r"an array is float32 of shape \(50, 6\) in it and float64 of shape \(50, 6\) here"),
    ({"data": (-X, T)}, "does not fit the data of this call: they are of the same shapes, and other numbers or in another order"),
    ({"data": (X[::-1], T[::-1])}, "does not fit the data of this call: they are of the same shapes, and other numbers"),
    ({"data": (X, 1 - T)}, "does not fit the data of this call: they are of the same shapes"),
    ({"data": DataLoader(datasets.Arrays(X + 1, T), 16), "batch_size": None}, "they are of the same shapes"),
    ({"data": list(zip(X[:40], T, strict=False))}, "does not fit the data of this call: .* of 50 examples, the data set has 40"),
    ({"validation": (XV, TV)}, "has the parts optimizer, data, this call optimizer, data, validation"),
    ({"callbacks": [print_nothing]}, r"has the callbacks \(none\), this call _Function")])
def test_a_checkpoint_of_something_else(tmp_path, change, message):
    run(epochs=1, checkpoint=tmp_path / "c")
    with pytest.raises(ValueError, match=message):
        run(**{"checkpoint": tmp_path / "c", "resume": True, **change})


def test_a_checkpoint_with_other_shapes_changes_nothing(tmp_path):
    run(MLP((3,)), epochs=1, checkpoint=tmp_path / "c")
    wider, other = MLP((4,)), MLP((3,))
    other.l0 = L.Linear(3, dtype=np.float64, in_size=6)
    other.layers = [other.l0]
    for model, message in ((wider, r"l0/W is of shape \(6, 3\) in it and \(None, 4\) here"),
                           (other, r"l0/W is float32 in it and float64 here")):
        before = [None if p.data is None else p.data for p in model.params()]
        with pytest.raises(ValueError, match=message):
            run(model, checkpoint=tmp_path / "c", resume=True)
        assert all(p.data is d for p, d in zip(model.params(), before, strict=True))


def test_damaged_checkpoints(tmp_path):
    path = tmp_path / "c"
    run(epochs=1, checkpoint=path)
    whole = path.read_bytes()
    for content in (b"", b"no", b"a text of some length, not more", whole[:len(whole) // 2]):
        path.write_bytes(content)
        with pytest.raises(ValueError, match=r"fit: .*c is no checkpoint, or is damaged: .*remove it to begin anew"):
            run(checkpoint=path, resume=True)
    path.write_text("a text")
    with pytest.raises(ValueError, match=r"damaged: it is no \.npz file; remove it to begin anew"):
        run(checkpoint=path, resume=True)
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError, match="folder"):
        run(checkpoint=tmp_path / "folder", resume=True)
    np.savez(tmp_path / "other.npz", a=1)
    with pytest.raises(ValueError, match="is no checkpoint"):
        run(checkpoint=tmp_path / "other.npz", resume=True)
    about = np.frombuffer(json.dumps({"format": "1"}).encode(), np.uint8)
    np.savez(tmp_path / "other.npz", about=about)
    with pytest.raises(ValueError, match="its format is not"):
        run(checkpoint=tmp_path / "other.npz", resume=True)


def test_what_a_checkpoint_cannot_hold(tmp_path):
    class Own(optimizers.Optimizer):
        def update_one(self, param):
            param.data -= 0.1 * param.grad.data

    class Odd(Callback):
        def state_dict(self):
            return {"it": None}

    run(optimizer=Own())
    with pytest.raises(TypeError, match=r"fit: Own has no state_dict\(\) and load_state_dict\(\), which a checkpoint takes"):
        run(optimizer=Own(), checkpoint=tmp_path / "c")
    with pytest.raises(TypeError, match="fit: a checkpoint holds numbers, texts and arrays, and 'it' in the state of callback0"):
        run(callbacks=Odd(), checkpoint=tmp_path / "c")
    assert list(tmp_path.iterdir()) == []


def test_a_write_that_fails_leaves_the_last_one(tmp_path, monkeypatch):
    path = tmp_path / "c"
    run(epochs=1, checkpoint=path)
    before = path.read_bytes()
    monkeypatch.setattr(os, "replace", lambda *_: (_ for _ in ()).throw(OSError("disk")))
    with pytest.raises(OSError, match="disk"):
        run(epochs=2, checkpoint=path, resume=True)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["c"]


def test_another_global_generator(tmp_path, monkeypatch):
    monkeypatch.setattr(np.random, "get_state", lambda: {"bit_generator": "PCG64"})
    with pytest.raises(TypeError, match="no MT19937 here"):
        run(checkpoint=tmp_path / "c")


def test_a_threads_own_generator_is_resumed(tmp_path):
    from dezero_c._random import drawing_from

    with drawing_from(np.random.RandomState(3)):
        expected, _ = run(epochs=4)
    with drawing_from(np.random.RandomState(3)):
        run(epochs=2, checkpoint=tmp_path / "c")
    with drawing_from(np.random.RandomState(8)):
        model, _ = run(epochs=4, checkpoint=tmp_path / "c", resume=True)
    assert equal(weights(model), weights(expected))


# ---- the loaders' state -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("prefetch", [0, 3])
def test_a_loader_goes_on_amid_a_pass(prefetch):
    examples = [(k, k) for k in range(23)]
    np.random.seed(0)
    loader = DataLoader(examples, 4, prefetch=prefetch)
    taken = []
    for k, (x, _) in enumerate(loader):
        taken.append(x.tolist())
        if k == 2:
            state, generator = loader.state_dict(), np.random.get_state()
    taken += [x.tolist() for x, _ in loader]
    other = DataLoader(examples, 4, prefetch=prefetch)
    for _ in other:
        break       # a loop that was left
    other.load_state_dict(state)
    np.random.set_state(generator)
    found = [x.tolist() for x, _ in other] + [x.tolist() for x, _ in other]
    assert found == taken[3:]
    state["index"][0] = 5
    assert loader.index[0] == loader.state_dict()["index"][0]


def test_a_loader_refuses_the_state_of_another():
    loader = DataLoader([(k, k) for k in range(6)], 2)
    with pytest.raises(ValueError, match=r"DataLoader\.load_state_dict: the state is of 7 examples, the data set has 6"):
        loader.load_state_dict({"index": np.arange(7), "iteration": 0})
    with pytest.raises(ValueError, match="the state is at batch 4 of 3"):
        loader.load_state_dict({"index": np.arange(6), "iteration": 4})


@pytest.mark.parametrize("make", [DataLoader, SeqDataLoader])
def test_a_loader_goes_on_with_its_batch_size_alone(make):
    examples, one = [(k, k) for k in range(12)], make([(k, k) for k in range(12)], 2)
    next(one)
    for size in (3, 4):
        other = make(examples, size)
        order = other.index.copy()
        with pytest.raises(ValueError, match=f"amid a pass with a batch_size of 2, this loader's is {size}: .*take batch_size=2"):
            other.load_state_dict(one.state_dict())
        assert other.iteration == 0
        assert np.array_equal(other.index, order)
    state = one.state_dict()
    del state["batch_size"]     # as older ones are
    make(examples, 2).load_state_dict(state)
    one.reset()
    other.load_state_dict(one.state_dict())     # between two passes any size will do
    assert np.array_equal(other.index, one.index)


def test_a_run_does_not_go_on_amid_an_epoch_with_another_batch_size(tmp_path):
    with pytest.raises(Ended):
        run(callbacks=[EndAt(1, 2), Checkpoint(tmp_path / "c", every_batches=1)], batch_size=5)
    for size in (3, 10):
        with pytest.raises(ValueError, match=f"the data of this call: .* batch_size of 5, this loader's is {size}"):
            run(callbacks=EndAt(), batch_size=size, checkpoint=tmp_path / "c", resume=True)


# ---- the history's files ------------------------------------------------------------------------------------------

def some_history():
    history = History()
    history.append(loss=0.1 + 0.2, count=3)
    history.append(loss=math.nan, score=math.inf)
    return history


def test_csv(tmp_path):
    some_history().to_csv(tmp_path / "h.csv")
    assert (tmp_path / "h.csv").read_bytes() == b"epoch,loss,count,score\n1,0.30000000000000004,3,\n2,nan,,inf\n"
    history = History()
    history.append(**{'a,"b"': 1})
    history.to_csv(tmp_path / "h.csv")
    assert list(csv.reader((tmp_path / "h.csv").read_text().splitlines())) == [["epoch", 'a,"b"'], ["1", "1"]]


def test_json(tmp_path):
    some_history().to_json(tmp_path / "h.json")
    assert json.loads((tmp_path / "h.json").read_text()) == [
        {"epoch": 1, "loss": 0.1 + 0.2, "count": 3}, {"epoch": 2, "loss": "nan", "score": "inf"}]
    for write in (some_history().to_json, some_history().to_csv):
        with pytest.raises(FileNotFoundError, match=r"History\.to_\w+: the folder"):
            write(tmp_path / "none" / "h")


def test_tensorboard_is_asked_for_when_it_is_needed(tmp_path, monkeypatch):
    told = []

    class Writer:
        def __init__(self, logdir):
            told.append(logdir)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            told.append("closed")

        def add_scalar(self, *args):
            told.append(args)

    monkeypatch.setitem(sys.modules, "tensorboardX", types.SimpleNamespace(SummaryWriter=Writer))
    history = History()
    history.append(loss=0.5)
    history.record(3, loss=0.25, accuracy=1)
    history.to_tensorboard(tmp_path)
    assert told == [str(tmp_path), ("loss", 0.5, 1), ("loss", 0.25, 3), ("accuracy", 1, 3), "closed"]
    told.clear()
    history.record(3.5, loss=0.125)
    history.to_tensorboard(tmp_path)
    assert told[1:-1] == [("loss", 0.5, 0), ("loss", 0.25, 1), ("accuracy", 1, 1), ("loss", 0.125, 2)]
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ImportError, match=r"History\.to_tensorboard: this needs tensorboardX: pip install tensorboardX"):
        history.to_tensorboard(tmp_path)


def test_tensorboards_own_files(tmp_path):
    pytest.importorskip("tensorboardX")
    from tensorboardX.proto import event_pb2

    history = History()
    history.append(loss=0.5)
    history.append(loss=0.25)
    history.to_tensorboard(tmp_path / "runs")
    (file,) = (tmp_path / "runs").iterdir()
    raw, found = file.read_bytes(), []
    while raw:
        (length,) = struct.unpack("<Q", raw[:8])
        event = event_pb2.Event.FromString(raw[12:12 + length])
        found += [(value.tag, event.step, value.simple_value) for value in event.summary.value]
        raw = raw[16 + length:]
    assert found == [("loss", 1, 0.5), ("loss", 2, 0.25)]


# ---- what is refused ----------------------------------------------------------------------------------------------

class NoClass(Callback):
    pass


OTHER = optimizers.SGD().setup(MLP((2,)))


@pytest.mark.parametrize(("options", "error", "message"), [
    ({"model": "net"}, TypeError, "model is a str"),
    ({"optimizer": "Adam"}, TypeError, "optimizer is 'Adam'; it is an Optimizer"),
    ({"optimizer": type("Multi", (optimizers.SGD,), {"__module__": "dezero_c.mpi.optimizers"})()}, TypeError, "in one process"),
    ({"optimizer": OTHER}, ValueError, "optimizer is set up for another model"),
    ({"loss": 3}, TypeError, "loss is 3; it is a function"),
    ({"loss": lambda y, t: 1.0}, TypeError, r"loss gives float of shape \(\)"),
    ({"loss": lambda y, t: y}, TypeError, r"loss gives Variable of shape \(16, 3\)"),
    ({"loss": lambda y, t: F.sum(y * 1j)}, TypeError, "loss gives Variable of complex numbers"),
    ({"epochs": 0}, ValueError, "epochs is 0"), ({"epochs": True}, ValueError, "epochs is True"),
    ({"accumulate": 0}, ValueError, "accumulate is 0"), ({"accumulate": 1.5}, ValueError, "accumulate is 1.5"),
    ({"clip": 0}, ValueError, "clip is 0"), ({"clip": "1"}, ValueError, "clip is '1'"),
    ({"resume": True}, ValueError, "resume=True goes on from the file that checkpoint= names"),
    ({"checkpoint": "no/such/folder/file"}, FileNotFoundError, "the folder 'no/such/folder' does not exist"),
    ({"data": X}, TypeError, "data is one array"), ({"data": 3}, TypeError, r"data is a int; it is \(x, t\)"),
    ({"data": (X, T, T)}, ValueError, "data is a tuple of 3"),
    ({"data": {"x": X, "t": T}}, TypeError, r"data is a dict; it is \(x, t\), such as \(data\['x'\], data\['t'\]\)"),
    ({"data": "train.csv"}, TypeError, r"data is a str; it is \(x, t\)"),
    ({"validation": Path("x")}, TypeError, r"validation is a \w+Path; it is \(x, t\)"),
    ({"data": [1, 2, 3]}, TypeError, "example [012] is a int; it is to be a pair"),
    ({"data": range(3)}, TypeError, "example [012] is a int; it is to be a pair"),
    ({"checkpoint": 5}, TypeError, r"checkpoint is 5; it is the path of a file, or a training\.Checkpoint"),
    ({"metrics": {1: F.accuracy}}, TypeError, "a metric is called 1; the name of a column is a text"),
    ({"data": (X, T[:3])}, ValueError, r"data has x of shape \(50, 6\) and t of shape \(3,\)"),
    ({"data": (np.float32(1), T)}, ValueError, r"data has x of shape \(\)"),
    ({"data": (X[:0], T[:0])}, ValueError, "the data set is empty"),
    ({"data": DataLoader([(1, 1)], 1)}, ValueError, "batch_size is for arrays and data sets; a DataLoader has its own"),
    ({"data": iter([(X, T)]), "batch_size": None}, TypeError, "which is used up by one epoch"),
    ({"data": {1}, "batch_size": None}, TypeError, r"a batch of data is to be a pair \(x, t\), and is a int"),
    ({"data": {(1, 2, 3)}, "batch_size": None}, TypeError, r"is to be a pair \(x, t\), and is 3 things"),
    ({"data": set(), "batch_size": None}, ValueError, "data gave no batch in epoch 1"),
    ({"data": {((), ())}, "batch_size": None}, ValueError, "a batch of data has no examples"),
    ({"data": {((1,), None)}, "batch_size": None}, TypeError, "x alone, without labels"),
    ({"validation": (X, T[:2])}, ValueError, "validation has x of shape"),
    ({"metrics": {"loss": F.accuracy}}, ValueError, "a metric cannot be called 'loss'"),
    ({"metrics": {"val_x": F.accuracy}}, ValueError, "a metric cannot be called 'val_x'"),
    ({"metrics": {"x": 3}}, TypeError, "the metric 'x' is 3"),
    ({"metrics": "accuracy"}, TypeError, "the metric 'str' is 'accuracy'"),
    ({"metrics": [F.accuracy, F.accuracy]}, ValueError, "several metrics have the same name"),
    ({"metrics": {"x": lambda y, t: y}}, ValueError, r"the metric 'x' gives Variable of shape \(16, 3\)"),
    ({"metrics": {"x": lambda y, t: "a"}}, ValueError, "the metric 'x' gives str"),
    ({"callbacks": [3]}, TypeError, "a callback is a Callback, or a function of the state, and not 3"),
    ({"callbacks": NoClass}, TypeError, "make an object of the class"),
    ({"callbacks": optimizers.StepDecay(OTHER, 2)}, TypeError, "a StepDecay is no callback; give it as schedule="),
    ({"schedule": 0.1}, TypeError, "schedule is 0.1"), ({"schedule": optimizers.StepDecay}, TypeError, "schedule is <class"),
    ({"schedule": optimizers.StepDecay(OTHER, 2)}, ValueError, "schedule is of another optimizer"),
    ({"schedule": lambda epoch: None}, ValueError, r"schedule\(1\) gives None"),
    ({"schedule": lambda epoch: math.nan}, ValueError, r"schedule\(1\) gives nan"),
    ({"schedule": lambda epoch: 1, "optimizer": optimizers.AdaDelta()}, TypeError, "AdaDelta has no learning rate"),
])
def test_mistakes(options, error, message):
    with pytest.raises(error, match=message):
        run(**options)


@pytest.mark.parametrize("options", [
    {"data": (X[:5], T)}, {"validation": (X[:5], T)}, {"checkpoint": "c", "resume": True},
    {"callbacks": Checkpoint("d", every_batches=1), "data": {1}, "batch_size": None},
])
def test_what_is_refused_changes_nothing(options, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run(MLP((3,)), optimizer=optimizers.SGD(), epochs=1, checkpoint="c")
    optimizer, model = optimizers.Adam(), Net()
    np.random.seed(3)
    random.seed(3)
    with pytest.raises((ValueError, TypeError)):
        fit(model, optimizer=optimizer, loss=loss_of, epochs=1, **{"data": (X, T), **options})
    assert optimizer.target is None
    assert all(p.data is None for p in model.params() if p.name == "W")
    drawn = np.random.rand(), random.random()
    np.random.seed(3)
    random.seed(3)
    assert drawn == (np.random.rand(), random.random())
    fit(Net(), (X, T), optimizer, loss_of, 1, progress=False)


def test_what_cannot_be_captured_is_said():
    class Looks(Layer):
        def __init__(self):
            super().__init__()
            self.l = L.Linear(3)

        def forward(self, x):
            y = self.l(x)
            return y * 2 if float(F.sum(y).data) > 0 else y

    for accumulate in (1, 2):
        with pytest.raises(dezero_c.CaptureError, match=r"^(?!.*(on_read|_Step))fit: captured=True, in Looks: .*True out$"):
            run(Looks(), captured=True, accumulate=accumulate)
    with pytest.raises(dezero_c.CaptureError, match=r"fit: captured=True, in EmbedID: .*looks at a value in the step: "):
        run(Sequential(L.EmbedID(9, 3), F.flatten, L.Linear(3)), (np.ones((50, 2), int), T), captured=True)
    with pytest.raises(dezero_c.CaptureError, match=r"fit: captured=True: .*test_fit.py:\d+: "):
        run(captured=True, loss=lambda y, t: loss_of(y, t) * float(y.data.max()))


@pytest.mark.parametrize("make", [lambda: np.array(1.0), lambda: np.ones(1, "f"), lambda: Variable(np.array(1.0))])
def test_a_captured_step_sees_what_callbacks_write_into_arrays(make):
    found = []
    for captured in (False, True):
        weight = make()

        def halve(state, weight=weight):
            (weight.data if isinstance(weight, Variable) else weight)[...] *= 0.5

        found.append(run(loss=lambda y, t, weight=weight: weight * loss_of(y, t), captured=captured, callbacks=halve)[1]["loss"])
    assert found[0] == found[1]
    assert found[0][2] < found[0][0] / 3


def test_imported_when_it_is_asked_for():
    code = ("import sys, dezero_c; assert not any('training.' in m for m in sys.modules if m.startswith('dezero_c')); "
            "dezero_c.fit; assert 'dezero_c.training' in sys.modules; assert 'dezero_c._capture' not in sys.modules; "
            "assert 'tensorboardX' not in sys.modules")
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env=os.environ | {"PYTHONPATH": str(Path(dezero_c.__file__).parents[1])})
    assert done.returncode == 0, done.stderr


RATE = 1.0


@pytest.mark.parametrize("where", ["a global", "an attribute", "a function", "a layer"])
def test_what_callbacks_change_is_seen_by_captured_steps(where, monkeypatch):
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.layers, self.scale, self.act = [L.Linear(8), L.Linear(2)], 1.0, F.relu

        def forward(self, x):
            return self.layers[1](self.act(self.layers[0](x))) * self.scale

    def loss(y, t):
        return F.softmax_cross_entropy(y, t) * RATE

    def change(state):
        net = state.model
        if where == "a global":
            monkeypatch.setitem(globals(), "RATE", RATE * 0.5)
        elif where == "an attribute":
            net.scale *= 0.5
        elif where == "a function":
            net.act = F.tanh
        else:
            net.layers[0] = L.Linear(8)

    def losses(captured):
        monkeypatch.setitem(globals(), "RATE", 1.0)
        np.random.seed(0)
        rng = np.random.default_rng(0)
        x, t = rng.normal(size=(52, 3)).astype(np.float32), rng.integers(0, 2, 52)
        return dezero_c.fit(Net(), (x, t), optimizers.SGD(0.1), loss, 4, batch_size=10, captured=captured, callbacks=change,
                            progress=False)["loss"]

    assert losses(True) == losses(False)
