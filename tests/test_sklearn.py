"""NetClassifier and NetRegressor: scikit-learn's own checks, its tools around them, and what is theirs alone."""

import copy
import pickle
import threading

import numpy as np
import pytest

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.datasets import load_digits, make_regression
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator, parametrize_with_checks

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import CaptureError, Model, Variable, no_grad, optimizers
from dezero_c import sklearn as ours
from dezero_c.models import MLP, Sequential
from dezero_c.sklearn import NetClassifier, NetRegressor

RNG = np.random.default_rng(0)
X = RNG.standard_normal((120, 6))
LABELS = np.array(["bear", "cat", "dog"])[(X[:, :3] + 0.1 * RNG.standard_normal((120, 3))).argmax(axis=1)]
TARGET = X @ np.arange(6.0) + 1


class Net(Model):
    """Linear layers with what has a state or draws random numbers between them."""

    def __init__(self, hidden=16, outputs=3, ratio=0.2):
        super().__init__()
        self.l1, self.norm, self.dropout, self.l2 = L.Linear(hidden), L.BatchNorm(), L.Dropout(ratio), L.Linear(outputs)

    def forward(self, x):
        return self.l2(self.dropout(F.relu(self.norm(self.l1(x)))))


def quick(**options):
    return NetClassifier(**{"module": (16,), "lr": 0.01, "max_epochs": 20, "random_state": 0, "batch_size": 32, **options})


def quick_regressor(**options):
    return NetRegressor(**{"module": (16,), "lr": 0.01, "max_epochs": 20, "random_state": 0, "batch_size": 32, **options})


def weights(estimator):
    return [p.data for p in estimator.module_.params()]


def equal(one, other):
    """Whether two fitted estimators have the bits of the same weights and losses."""
    return one.loss_curve_ == other.loss_curve_ and all(
        a.dtype == b.dtype and np.array_equal(a, b) for a, b in zip(weights(one), weights(other), strict=True))


def states_equal(one, other):
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


# ---- scikit-learn's checks, with what is set if nothing is said

@parametrize_with_checks([NetClassifier(), NetRegressor()])
def test_an_estimator_as_scikit_learn_has_them(estimator, check):
    check(estimator)


OF_PARAMETERS = [
    (estimator, check) for net in (quick(module=Net, module__outputs=3), quick_regressor(module=Net, module__outputs=1))
    for estimator, check in estimator_checks_generator(net)
    if any(part in getattr(check, "func", check).__name__ for part in ("param", "clone", "init", "repr", "tags"))]


@pytest.mark.parametrize(("estimator", "check"), OF_PARAMETERS)
def test_parameters_that_are_handed_on_are_parameters_to_scikit_learn(estimator, check):
    check(estimator)


# ---- tools of scikit-learn

def test_in_a_pipeline_searched_and_validated():
    pipeline = make_pipeline(StandardScaler(), NetClassifier(Net, lr=0.02, max_epochs=15, random_state=0))
    grid = {"netclassifier__module__hidden": [2, 24], "netclassifier__optimizer__beta1": [0.8]}
    search = GridSearchCV(pipeline, grid, cv=3).fit(X, LABELS)
    assert search.best_params_["netclassifier__module__hidden"] == 24
    assert search.best_score_ > 0.8
    best = search.best_estimator_[-1]
    assert best.module_.l1.out_size == 24
    assert best.optimizer_.beta1 == 0.8
    assert cross_val_score(pipeline, X, LABELS, cv=3).min() > 0.7


def test_processes_give_what_one_gives():
    grid = {"module": [(4,), (8, 8)], "module__activation": ["tanh", F.relu], "optimizer": ["SGD", optimizers.AdamW]}
    one, two = (GridSearchCV(quick(max_epochs=3), grid, cv=2, n_jobs=jobs).fit(X, LABELS) for jobs in (1, 2))
    assert np.array_equal(one.cv_results_["mean_test_score"], two.cv_results_["mean_test_score"])
    assert equal(one.best_estimator_, two.best_estimator_)


def test_targets_scaled_by_scikit_learn():
    features, y = make_regression(200, 6, noise=1, random_state=0)
    net = NetRegressor((32,), lr=0.01, max_epochs=150, random_state=0)
    scaled = TransformedTargetRegressor(net, transformer=StandardScaler())
    assert scaled.fit(features, y * 1000 + 1e6).score(features, y * 1000 + 1e6) > 0.99


def test_parameters_are_handed_on_cloned_and_set():
    net = NetClassifier(Net, module__hidden=5, optimizer="SGD", optimizer__lr=0.3)
    params = net.get_params()
    assert params["module"] is Net
    assert params["module__hidden"] == 5
    assert params["optimizer__lr"] == 0.3
    copied = clone(net).set_params(module__hidden=7, module__ratio=0.0, optimizer__lr=0.1, max_epochs=2)
    copied.fit(X, LABELS)
    assert copied.module_.l1.out_size == 7
    assert copied.module_.dropout.dropout_ratio == 0
    assert copied.optimizer_.lr == 0.1
    assert copied.n_iter_ == 2
    assert net.get_params() == params
    assert "module__hidden=5" in repr(net)
    with pytest.raises(TypeError, match="no parameter 'max_epoch'"):
        NetClassifier(max_epoch=3)
    with pytest.raises(ValueError, match="Invalid parameter 'layers'"):
        net.set_params(layers=3)


def test_pandas():
    pd = pytest.importorskip("pandas")
    frame = pd.DataFrame(X, columns=list("abcdef"))
    net = quick().fit(frame, pd.Series(LABELS, dtype="category"))
    assert list(net.feature_names_in_) == list("abcdef")
    assert net.n_features_in_ == 6
    assert np.array_equal(net.predict(frame), quick().fit(X, LABELS).predict(X))
    with pytest.raises(ValueError, match="feature names should match"):
        net.predict(frame.rename(columns={"a": "z"}))
    assert quick_regressor().fit(frame, pd.Series(TARGET)).predict(frame).shape == (120,)


# ---- what is learned

def test_the_digits_as_well_as_mlpclassifier():
    data, labels = load_digits(return_X_y=True)
    net, mlp = [], []
    for seed in range(3):
        train, test, t, wanted = train_test_split(np.float32(data / 16), labels, random_state=seed, stratify=labels)
        net.append(NetClassifier((50,), max_epochs=40, lr=0.005, random_state=seed).fit(train, t).score(test, wanted))
        reference = MLPClassifier((50,), alpha=0, learning_rate_init=0.005, max_iter=40, random_state=seed, tol=0)
        with pytest.warns(match="Maximum iterations"):
            mlp.append(reference.fit(train, t).score(test, wanted))
    assert min(net) > 0.95
    assert abs(np.mean(net) - np.mean(mlp)) < 0.01


def test_a_linear_model_finds_the_least_squares():
    net = NetRegressor((), lr=0.05, batch_size=120, max_epochs=2000, tol=0, n_iter_no_change=50, random_state=0).fit(X, TARGET)
    assert np.allclose(net.module_.l0.W.data[:, 0], np.arange(6.0), atol=1e-3)
    assert net.score(X, TARGET) > 0.999999


@pytest.mark.parametrize("loss", ["mean_squared_error", "mean_absolute_error", "huber"])
@pytest.mark.parametrize("targets", [1, 3])
def test_losses_of_regressors(loss, targets):
    y = TARGET if targets == 1 else np.stack([TARGET, X[:, 0], -X[:, 1]], axis=1)
    net = quick_regressor(loss=loss, max_epochs=100).fit(X, y)
    assert net.predict(X).shape == y.shape
    assert net.n_outputs_ == targets
    assert net.score(X, y) > 0.9
    with no_grad(), dezero_c.test_mode():
        output = net.module_(X)
    assert getattr(F, loss)(output, y.reshape(120, -1)).data < net.loss_curve_[0] / 3


def test_a_column_of_targets_stays_one_and_outputs_may_be_a_row():
    column = quick_regressor().fit(X, TARGET[:, None])
    assert column.predict(X).shape == (120, 1)
    flat = quick_regressor(module=lambda: Sequential(L.Linear(16), F.relu, L.Linear(1), lambda x: x.reshape(-1)))
    flat.fit(X, TARGET)
    assert flat.predict(X).shape == (120,)
    assert np.allclose(flat.predict(X), column.predict(X)[:, 0], rtol=1e-9)


def test_images_and_convolutions():
    images = RNG.standard_normal((40, 1, 6, 6)).astype(np.float32)
    y = images[:, 0, :3].sum(axis=(1, 2)) > images[:, 0, 3:].sum(axis=(1, 2))
    net = quick(module=lambda: Sequential(L.Conv2d(4, 3), F.relu, F.flatten, L.Linear(2)), max_epochs=60).fit(images, y)
    assert net.score(images, y) > 0.9
    assert net.predict(images).dtype == bool
    assert net.predict_proba(images).dtype == np.float32
    with pytest.raises(ValueError, match=r"examples of shape \(1, 7, 6\).*fitted to \(1, 6, 6\)"):
        net.predict(np.ones((3, 1, 7, 6)))


@pytest.mark.parametrize("dtype", ["f4", "f8", "i4", "f2"])
def test_the_network_computes_in_the_dtype_of_x(dtype):
    data = (X * 10).astype(dtype)
    wanted = np.float32 if dtype == "f4" else np.float64
    net = quick(module=Net).fit(data, LABELS)
    assert {p.dtype for p in weights(net)} == {np.dtype(wanted)}
    assert net.predict_proba(X).dtype == wanted
    assert quick_regressor(max_epochs=2).fit(data, TARGET).predict(data).dtype == wanted


def test_probabilities():
    net = quick().fit(X, LABELS)
    p = net.predict_proba(X)
    assert np.allclose(p.sum(axis=1), 1)
    assert np.allclose(np.log(p), net.predict_log_proba(X))
    assert (net.classes_[p.argmax(axis=1)] == net.predict(X)).all()
    assert net.score(X, LABELS) > 0.9
    many = np.tile(X, (25, 1))      # more than go through at once
    assert np.allclose(net.predict_proba(many), np.tile(p, (25, 1)), rtol=1e-12)


def test_the_record_of_training():
    net = quick(max_epochs=7).fit(X, LABELS)
    assert net.n_iter_ == len(net.loss_curve_) == len(net.history_) == 7
    assert net.loss_ == net.loss_curve_[-1] == net.history_["loss"][-1]
    assert net.best_loss_ == min(net.loss_curve_)
    assert net.validation_scores_ is None
    assert net.best_validation_score_ is None
    assert all(p.grad is None for p in net.module_.params())
    with pytest.raises(AttributeError):
        quick().loss_curve_     # noqa: B018


def test_lines_are_printed_if_wanted(capsys):
    quick(max_epochs=2, verbose=True, early_stopping=True).fit(X, LABELS)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["epoch 1", "epoch 2"]
    assert "validation_score" in lines[0]


# ---- stopping, going on

def test_it_ends_when_the_loss_does_not_become_less():
    net = quick(max_epochs=500, tol=0.05, n_iter_no_change=3).fit(X, LABELS)
    assert 3 < net.n_iter_ < 500
    best, waited = np.inf, 0
    for loss in net.loss_curve_:
        waited = 0 if loss <= best - 0.05 else waited + 1
        best = min(best, loss)
    assert waited == 3


@pytest.mark.parametrize("make", [quick, quick_regressor])
def test_early_stopping_keeps_the_best_weights(make):
    y = LABELS if make is quick else TARGET
    net = make(early_stopping=True, max_epochs=60, n_iter_no_change=4, validation_fraction=0.25, module=Net,
               module__outputs=3 if make is quick else 1).fit(X, y)
    scores = net.validation_scores_
    assert len(scores) == net.n_iter_ < 60
    assert net.best_validation_score_ == max(scores)
    _, held, _, wanted = train_test_split(X, y, test_size=0.25, random_state=np.random.RandomState(0),
                                          stratify=y if make is quick else None)
    assert net.score(held, wanted) == pytest.approx(max(scores), abs=1e-12)


def test_warm_start_goes_on_where_it_was():
    whole = quick(max_epochs=6).fit(X, LABELS)
    twice = quick(max_epochs=3, warm_start=True).fit(X, LABELS)
    first = twice.module_
    twice.fit(X, LABELS)
    assert equal(whole, twice)
    assert twice.module_ is not first       # an error on the way leaves the first as it is
    assert np.array_equal(whole.optimizer_.ms[id(whole.module_.l0.W)], twice.optimizer_.ms[id(twice.module_.l0.W)])
    assert quick(max_epochs=3).fit(X, LABELS).fit(X, LABELS).n_iter_ == 3
    twice.set_params(lr=0.5).fit(X, LABELS)
    assert twice.optimizer_.alpha == 0.5


def test_partial_fit_is_an_epoch():
    whole = quick(max_epochs=5).fit(X, LABELS)
    parts = quick().partial_fit(X, LABELS, classes=["dog", "cat", "bear"])
    for _ in range(4):
        parts.partial_fit(X, LABELS)
    assert equal(whole, parts)
    assert list(parts.classes_) == ["bear", "cat", "dog"]
    only = LABELS == "dog"
    assert quick().partial_fit(X[only], LABELS[only], ["bear", "cat", "dog"]).predict_proba(X).shape == (120, 3)
    numbers, by_parts = quick_regressor(max_epochs=3).fit(X, TARGET), quick_regressor()
    for _ in range(3):
        by_parts.partial_fit(X, TARGET)
    assert equal(numbers, by_parts)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_copies_and_pickles_go_on_alike(duplicate):
    net = quick(module=Net).partial_fit(X, LABELS, np.unique(LABELS))
    other = duplicate(net)
    assert np.array_equal(net.predict_proba(X), other.predict_proba(X))
    for each in (net, other):
        each.partial_fit(X, LABELS).partial_fit(X, LABELS)
    assert equal(net, other)
    assert other.optimizer_.target is other.module_


# ---- random numbers

@pytest.mark.parametrize("seed", [7, np.int64(7), np.random.RandomState(7), np.random.default_rng(7)])
def test_the_same_random_state_gives_the_same_bits(seed):
    """Weights, order, dropout, what is held back: whatever has been drawn elsewhere."""
    nets = []
    for _ in range(2):
        np.random.rand(3)
        nets.append(quick(module=Net, early_stopping=True, random_state=copy.deepcopy(seed)).fit(X, LABELS))
    assert equal(*nets)
    assert not equal(nets[0], quick(module=Net, early_stopping=True, random_state=8).fit(X, LABELS))
    assert equal(nets[0], clone(nets[0]).set_params(random_state=copy.deepcopy(seed)).fit(X, LABELS))


@pytest.mark.parametrize("seed", [3, None])
@pytest.mark.parametrize("module", [(8,), Net])
@pytest.mark.parametrize("step", [True, False])
def test_the_global_generator_is_left_alone(seed, module, step):
    before = np.random.get_state()
    net = quick(module=module, random_state=seed, early_stopping=True, max_epochs=5, capture=step).fit(X, LABELS)
    net.predict(X)
    net.set_params(early_stopping=False).partial_fit(X, LABELS)
    assert states_equal(before, np.random.get_state())


def test_without_a_random_state_networks_differ():
    assert not equal(*(quick(random_state=None, max_epochs=1).fit(X, LABELS) for _ in range(2)))


def test_threads_give_what_one_gives():
    wanted = [quick(module=Net, random_state=seed, max_epochs=8).fit(X, LABELS) for seed in range(4)]
    found, errors = {}, []

    def work(seed):
        try:
            found[seed] = quick(module=Net, random_state=seed, max_epochs=8).fit(X, LABELS)
        except Exception as error:
            errors.append(error)

    before = np.random.get_state()
    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert all(equal(wanted[seed], found[seed]) for seed in range(4))
    assert states_equal(before, np.random.get_state())


def test_a_thread_that_draws_from_the_global_generator_meanwhile_has_its_own_numbers(monkeypatch):
    monkeypatch.setattr(ours, "_EAGER", 0)
    nets = [quick(max_epochs=8), quick(max_epochs=8, module=Net)]
    wanted = [clone(net).fit(X, LABELS) for net in nets]
    before, drawn, going = np.random.get_state(), [], True

    def work():
        while going:
            drawn.append(np.random.rand())

    np.random.seed(5)
    thread = threading.Thread(target=work)
    thread.start()
    try:
        found = [clone(net).fit(X, LABELS) for net in nets * 3]
    finally:
        going = False
        thread.join()
        np.random.set_state(before)
    assert all(equal(net, other) for net, other in zip(found, wanted * 3, strict=True))
    assert np.array_equal(drawn, np.random.RandomState(5).rand(len(drawn)))


# ---- capture

@pytest.mark.parametrize("options", [{}, {"class_weight": {"cat": 3.0}}, {"optimizer": "SGD"}, {"batch_size": 50}])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_captured_step_has_equal_bits(monkeypatch, options, dtype):
    captured = []
    monkeypatch.setattr(ours, "capture", lambda f: captured.append(ours_capture(f)) or captured[-1])
    monkeypatch.setattr(ours, "_EAGER", 20)
    data = X.astype(dtype)
    own, eager, at_once = (quick(capture=choice, **options).fit(data, LABELS) for choice in (None, False, True))
    assert equal(own, eager)
    assert equal(at_once, eager)
    assert [f.plans for f in captured] == [1, 1]


ours_capture = ours.capture


@pytest.mark.parametrize("loss", ["mean_squared_error", "mean_absolute_error", "huber"])
@pytest.mark.parametrize("weighted", [False, True])
def test_so_has_one_of_a_regressor(monkeypatch, loss, weighted):
    captured = []
    monkeypatch.setattr(ours, "capture", lambda f: captured.append(ours_capture(f)) or captured[-1])
    sample_weight = RNG.uniform(0.5, 2, 120) if weighted else None
    eager, at_once = (quick_regressor(capture=choice, loss=loss).fit(X, TARGET, sample_weight) for choice in (False, True))
    assert equal(at_once, eager)
    assert [f.plans for f in captured] == [1]


def test_so_has_one_with_dropout_and_running_averages():
    eager, captured = (quick(module=Net, capture=choice).fit(X, LABELS) for choice in (False, True))
    assert equal(eager, captured)


def test_a_captured_step_does_not_mind_others_who_draw_from_the_global_generator(monkeypatch):
    monkeypatch.setattr(ours, "_EAGER", 0)
    wanted = quick(max_epochs=3).fit(X, LABELS)

    def meanwhile(y, t, plain=F.softmax_cross_entropy):
        np.random.rand()        # as another thread would
        return plain(y, t)

    loss = ours._Loss(meanwhile, ours._cross_entropy, ours._scale)
    monkeypatch.setitem(NetClassifier._losses, "softmax_cross_entropy", loss)
    assert equal(wanted, quick(max_epochs=3).fit(X, LABELS))
    net = quick(max_epochs=3, module=Net, capture=True)
    with pytest.raises(CaptureError, match=r"draws from np\.random by itself"):
        net.fit(X, LABELS)


def test_what_cannot_be_captured_says_so_and_leaves_the_estimator_alone():
    net = quick(module=lambda: Sequential(L.Linear(3), lambda x: x * float(x.data.max())), capture=True)
    with pytest.raises(CaptureError, match="looks at a value"):
        net.fit(X, LABELS)
    assert not hasattr(net, "module_")
    assert not hasattr(net, "n_features_in_")
    assert net.set_params(capture=None, max_epochs=2).fit(X, LABELS).n_iter_ == 2


# ---- weights

@pytest.mark.parametrize("make", [quick, quick_regressor])
def test_weights_count_examples(make):
    """A whole weight is as many copies, a weight of 0 is none, in batches of all; the scale of weights means nothing."""
    y = LABELS if make is quick else TARGET
    counts = RNG.integers(0, 4, 120)
    net = make(batch_size=1000, module=(8,))
    weighted, repeated = (clone(net).fit(X, y, counts), clone(net).fit(X.repeat(counts, axis=0), y.repeat(counts)))
    assert np.allclose(weighted.loss_curve_, repeated.loss_curve_, rtol=1e-9)
    assert all(np.allclose(a, b, rtol=1e-7, atol=1e-9) for a, b in zip(weights(weighted), weights(repeated), strict=True))
    scaled = clone(net).fit(X, y, counts * 1000.0)
    assert np.allclose(scaled.loss_curve_, weighted.loss_curve_, rtol=1e-12)
    without = make().fit(X[counts > 0], y[counts > 0])      # in small batches, too
    assert equal(without, make().fit(X, y, (counts > 0) * 1.0))


def test_class_weights_are_weights_of_examples():
    by_class, by_example = (quick(class_weight={"cat": 4, "dog": 0.5}), quick())
    by_class.fit(X, LABELS)
    by_example.fit(X, LABELS, np.select([LABELS == "cat", LABELS == "dog"], [4, 0.5], 1))
    assert equal(by_class, by_example)
    counts = dict(zip(*np.unique(LABELS, return_counts=True), strict=True))
    balanced = quick(class_weight="balanced").fit(X, LABELS)
    assert equal(balanced, quick(class_weight={label: 120 / (3 * n) for label, n in counts.items()}).fit(X, LABELS))
    both = quick(class_weight={"cat": 2.0}).fit(X, LABELS, np.where(LABELS == "cat", 2.0, 1.0))
    assert equal(both, quick(class_weight={"cat": 4.0}).fit(X, LABELS))
    rare = quick(class_weight={"cat": 1000.0}).fit(X, LABELS)
    assert (rare.predict(X) == "cat").mean() > (quick().fit(X, LABELS).predict(X) == "cat").mean() + 0.2


def test_weights_of_partial_fit_count_as_they_are():
    step = {"max_epochs": 1, "batch_size": 120, "optimizer": "SGD"}
    light, heavy = (quick_regressor(**step, lr=lr).partial_fit(X, TARGET, np.full(120, weight))
                    for lr, weight in ((0.02, 1.0), (0.01, 2.0)))
    assert all(np.allclose(a, b) for a, b in zip(weights(light), weights(heavy), strict=True))


# ---- losses, networks and optimizers of the user's

def smooth(y, t):
    return F.softmax_cross_entropy(y, t, label_smoothing=0.1)


def of_rows(y, t):
    return F.softmax_cross_entropy(y, t, reduction="none")


def test_a_loss_of_the_users():
    assert quick(loss=smooth).fit(X, LABELS).score(X, LABELS) > 0.9
    rows, usual = quick(loss=of_rows).fit(X, LABELS), quick().fit(X, LABELS)
    assert np.allclose(rows.loss_curve_, usual.loss_curve_, rtol=1e-9)
    counts = RNG.integers(0, 3, 120)
    rows, usual = (quick(loss=loss).fit(X, LABELS, counts) for loss in (of_rows, "softmax_cross_entropy"))
    assert np.allclose(rows.loss_curve_, usual.loss_curve_, rtol=1e-7)
    with pytest.raises(ValueError, match="gives one number for the batch"):
        quick(loss=smooth).fit(X, LABELS, counts)
    with pytest.raises(ValueError, match=r"loss gives Variable of shape \(32, 3\)"):
        quick(loss=lambda y, t: y * y).fit(X, LABELS)
    with pytest.raises(ValueError, match="loss gives float"):
        quick(loss=lambda y, t: 1.0).fit(X, LABELS)


def test_a_model_that_is_made_already_stays_as_it_is():
    model = MLP((8, 3), activation=F.tanh)
    np.random.seed(0)
    model(X[:1].astype(np.float32))
    before = [p.data.copy() for p in model.params()]
    net = quick(module=model).fit(X, LABELS)
    assert net.score(X, LABELS) > 0.8
    assert all(p.data.dtype == np.float32 for p in model.params())
    assert all(np.array_equal(p.data, data) for p, data in zip(model.params(), before, strict=True))
    assert equal(net, clone(net).fit(X, LABELS))
    one = Net()
    fold = quick(module=lambda: one)        # which gives one object to all
    assert equal(clone(fold).fit(X, LABELS), clone(fold).fit(X, LABELS))


@pytest.mark.parametrize("optimizer", ["SGD", "momentumsgd", "Nesterov", "AdaGrad", "RMSprop", "AdaDelta", "Adam", "AdamW",
                                       optimizers.RMSprop, optimizers.MomentumSGD(0.02), lambda: optimizers.SGD(0.1)])
def test_optimizers(optimizer):
    net = NetClassifier((8,), optimizer=optimizer, max_epochs=3, random_state=0).fit(X, LABELS)
    assert net.loss_curve_[-1] < net.loss_curve_[0]
    if isinstance(optimizer, optimizers.Optimizer):
        assert optimizer.target is None


def test_hooks_of_an_optimizer_and_its_rate():
    def decayed():
        optimizer = optimizers.SGD()
        optimizer.add_hook(optimizers.WeightDecay(10.0))
        return optimizer

    net = NetClassifier((8,), lr=0.05, max_epochs=20, random_state=0)
    small, plain = (clone(net).set_params(optimizer=each).fit(X, LABELS) for each in (decayed, "SGD"))
    assert small.optimizer_.lr == 0.05
    assert np.abs(small.module_.l0.W.data).max() < 0.1 < np.abs(plain.module_.l0.W.data).max()
    assert NetClassifier(lr=0.02, max_epochs=1).fit(X, LABELS).optimizer_.alpha == 0.02
    assert NetClassifier(max_epochs=1).fit(X, LABELS).optimizer_.alpha == optimizers.Adam().alpha


def test_modes_around_it_do_not_matter():
    with no_grad(), dezero_c.test_mode():
        net = quick(module=Net).fit(X, LABELS)
    assert equal(net, quick(module=Net).fit(X, LABELS))


# ---- bad input

BAD = [
    ({"loss": "hinge"}, ValueError, "loss is 'hinge'; it is one of 'softmax_cross_entropy'"),
    ({"loss": "mean_squared_error"}, ValueError, "loss is 'mean_squared_error'"),
    ({"optimizer": "Adan"}, ValueError, "optimizer is 'Adan'; it is one of 'SGD', "),
    ({"optimizer": 3}, TypeError, "optimizer is 3"),
    ({"optimizer": lambda: 3}, TypeError, "a function that makes one"),
    ({"optimizer": optimizers.SGD(), "optimizer__lr": 1}, TypeError, "optimizer__lr cannot be handed on"),
    ({"optimizer": "AdaDelta"}, ValueError, "AdaDelta has no learning rate"),
    ({"optimizer__alpha": 0.1}, ValueError, "lr and optimizer__alpha are both given"),
    ({"optimizer": optimizers.SGD().setup(MLP((3,)))}, ValueError, "set up for a model already"),
    ({"optimizer__gamma": 1}, TypeError, "gamma"),
    ({"module": (0,)}, TypeError, r"module is \(0,\)"),
    ({"module": "MLP"}, TypeError, "module is 'MLP'"),
    ({"module": lambda: 3}, TypeError, "module gives an object of type int"),
    ({"module": MLP((3,)), "module__x": 1}, TypeError, "module__x cannot be handed on"),
    ({"module__hidden": 3}, TypeError, "there is no module__hidden"),
    ({"module__activation": "reluu"}, ValueError, "module__activation is 'reluu'"),
    ({"module": Net, "module__outputs": 4}, ValueError, r"Net, gives a Variable of shape \(2, 4\).*\(2, 3\), for 3 classes"),
    ({"module": lambda: Sequential(lambda x: F.sum(x))}, ValueError, r"of shape \(\) for 2 examples"),
    ({"module": lambda: Sequential(lambda x: Variable(x[:, :3]))}, ValueError, "no parameters to train"),
    ({"max_epochs": 0}, ValueError, "max_epochs is 0; it is a whole number from 1 on"),
    ({"batch_size": "all"}, ValueError, "batch_size is 'all'.*or 'auto'"),
    ({"n_iter_no_change": 2.5}, ValueError, "n_iter_no_change is 2.5"),
    ({"tol": -1}, ValueError, "tol is -1"),
    ({"tol": float("nan")}, ValueError, "tol is nan"),
    ({"lr": 0}, ValueError, "lr is 0; it is a number above 0"),
    ({"validation_fraction": 1}, ValueError, "validation_fraction is 1"),
    ({"class_weight": {"horse": 2}}, ValueError, "class_weight names 'horse', not among the classes"),
    ({"class_weight": {"cat": -2}}, ValueError, "class_weight of 'cat' is -2"),
    ({"class_weight": "even"}, ValueError, "class_weight is 'even'"),
    ({"random_state": "x"}, ValueError, "cannot be used to seed"),
]


@pytest.mark.parametrize(("options", "error", "text"), BAD, ids=[text for *_, text in BAD])
def test_bad_parameters(options, error, text):
    """Each has its error in fit, and what was fitted before stays."""
    net = quick().fit(X, LABELS)
    net.set_params(**options)
    before = dict(vars(net))
    with pytest.raises(error, match=text):
        net.fit(X[:, :5], LABELS)
    assert vars(net) == before
    assert net.predict(X).shape == (120,)


def test_bad_data():
    net = quick()
    with pytest.raises(NotFittedError):
        net.predict(X)
    for data, labels, text in ((X[:0], LABELS[:0], "0 sample"), (np.where(X > 2, np.nan, X), LABELS, "Input X contains NaN"),
                               (X, LABELS[:-1], "inconsistent numbers of samples"), (X, TARGET, "Unknown label type: continuous"),
                               (X[:, 0], LABELS, "Expected 2D array"), (X, np.stack([LABELS, LABELS], 1), "1d array")):
        with pytest.raises(ValueError, match=text):
            net.fit(data, labels)
        assert not hasattr(net, "module_")
    with pytest.raises(ValueError, match="Input y contains NaN"):
        quick_regressor().fit(X, np.where(X[:, 0] > 1, np.nan, 1))
    for weight, text in ((np.full(120, -1.0), "sample_weight has -1"), (np.zeros(120), "one non-zero"),
                         (np.ones(3), "sample_weight.shape")):
        with pytest.raises(ValueError, match=text):
            net.fit(X, LABELS, weight)
    net.fit(X, LABELS)
    with pytest.raises(ValueError, match="X has 5 features, but NetClassifier is expecting 6"):
        net.predict(X[:, :5])


def test_bad_calls_of_partial_fit_and_warm_start():
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        quick().partial_fit(X, LABELS)
    with pytest.raises(ValueError, match=r"y has \['dog'\], not among the classes"):
        quick().partial_fit(X, LABELS, classes=["bear", "cat"])
    net = quick().partial_fit(X, LABELS, classes=np.unique(LABELS))
    known = weights(net)[0].copy()
    with pytest.raises(ValueError, match="are not those of the calls before"):
        net.partial_fit(X, LABELS, classes=["bear", "cat", "cow", "dog"])
    with pytest.raises(ValueError, match=r"y has \['cow'\]"):
        net.partial_fit(X[:1], ["cow"])
    with pytest.raises(ValueError, match=r"NetClassifier.fit: y has \['cow'\]"):
        net.set_params(warm_start=True).fit(X[:2], ["cow", "dog"])
    for option in ({"early_stopping": True}, {"class_weight": "balanced"}):
        with pytest.raises(ValueError, match=f"{next(iter(option))}.*looks at all data"):
            clone(net).set_params(**option).partial_fit(X, LABELS, np.unique(LABELS))
    with pytest.raises(ValueError, match="looks at all data"):
        quick_regressor(early_stopping=True).partial_fit(X, TARGET)
    numbers = quick_regressor(warm_start=True, max_epochs=1).fit(X, TARGET)
    with pytest.raises(ValueError, match="has 2 targets, and the network was fitted to 1"):
        numbers.fit(X, np.stack([TARGET, TARGET], 1))
    assert np.array_equal(weights(net)[0], known)


def test_too_little_is_left_for_validation():
    with pytest.raises(ValueError, match="1 of 5 examples is left"):
        quick_regressor(early_stopping=True).fit(X[:5], TARGET[:5])
    with pytest.raises(ValueError, match="least populated class"):
        quick(early_stopping=True).fit(X[:9], [0] * 8 + [1])


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_weights_that_are_no_numbers_after_the_last_update():
    def root(y, t):         # 0, whose gradient is nan
        return F.sum(F.sqrt(F.abs(y * 0)))

    net = quick_regressor(loss=root, max_epochs=1, batch_size=len(X))
    with pytest.raises(ValueError, match=r"weights are nan or infinite after epoch 1; a smaller lr"):
        net.fit(X, TARGET)
    assert not hasattr(net, "module_")


@pytest.mark.filterwarnings("ignore:.*:RuntimeWarning")
def test_a_loss_that_is_no_number_any_more():
    net = quick_regressor(optimizer="SGD", lr=1e3, max_epochs=50).set_params(max_epochs=1, lr=1e-3).fit(X, TARGET)
    before = weights(net)[0].copy()
    net.set_params(lr=1e6, max_epochs=50, warm_start=True)
    with pytest.raises(ValueError, match=r"the loss is (nan|inf) in epoch .*StandardScaler"):
        net.fit(X, TARGET)
    assert np.array_equal(weights(net)[0], before)
    with pytest.raises(ValueError, match="the network is spoilt"):
        [net.partial_fit(X, TARGET) for _ in range(50)]
