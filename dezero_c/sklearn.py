"""Estimators of scikit-learn around a Model: `NetClassifier` and `NetRegressor`.

They are for its pipelines, searches and validations. The networks, losses and optimizers are dezero_c's. Random numbers come from
a generator of the estimator's own: NumPy's global one, and those of other threads, are left as they are.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.metrics import r2_score
    from sklearn.model_selection import train_test_split
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets
    from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data
except ImportError as _error:
    raise ImportError("dezero_c.sklearn needs scikit-learn 1.6 or newer, which could not be imported here: "
                      f'pip install "dezero_c[sklearn]" ({_error})') from _error

from dezero_c import functions as F
from dezero_c import optimizers
from dezero_c._capture import capture
from dezero_c._core import Variable
from dezero_c._random import drawing_from
from dezero_c.core import no_grad, test_mode, using_config
from dezero_c.history import History
from dezero_c.layers import Layer
from dezero_c.models import MLP
from dezero_c.optimizers import Adam, Optimizer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from typing import Any, ClassVar, Self

    from numpy.typing import NDArray

__all__ = ["NetClassifier", "NetRegressor"]

_ROUTED = ("module__", "optimizer__")
_RULES: dict[str, type[Optimizer]] = {
    name.lower(): getattr(optimizers, name)
    for name in ("SGD", "MomentumSGD", "Nesterov", "AdaGrad", "RMSprop", "AdaDelta", "Adam", "AdamW")}
_EAGER = 100        # steps before one is captured: about what its traces take
_SMALL = 500_000    # examples times parameters of a step that gains by it: of 64-100-10, up to 70 examples
_ROWS = 1024        # that go through the network at once where nothing is learned


# ---- losses -------------------------------------------------------------------------------------------------------


class _Loss(NamedTuple):
    """plain(y, t): the mean over a batch. weighted(y, *arrays): with weights, whose mean over all examples is 1, of what
    arrays(t, weight, outputs) makes of a batch's."""

    plain: Callable[..., Variable]
    weighted: Callable[..., Variable]
    arrays: Callable[[NDArray[Any], NDArray[Any], int], tuple[NDArray[Any], ...]]


def _cross_entropy(y: Any, scale: Any) -> Variable:
    return F.sum(F.log_softmax(y) * scale)


def _scale(t: NDArray[Any], weight: NDArray[Any], outputs: int) -> tuple[NDArray[Any], ...]:
    """-weight / N in the place of each row's class."""
    scale = np.zeros((len(t), outputs), weight.dtype)
    scale[np.arange(len(t)), t] = weight / -len(t)
    return (scale,)


def _with_rows(t: NDArray[Any], weight: NDArray[Any], outputs: int) -> tuple[NDArray[Any], ...]:
    """t and weight / N, of as many axes."""
    return t, (weight / len(t)).reshape(-1, *(1,) * (t.ndim - 1)).astype(weight.dtype, copy=False)


def _with_elements(t: NDArray[Any], weight: NDArray[Any], outputs: int) -> tuple[NDArray[Any], ...]:
    """t and weight / number of elements, of as many axes."""
    return _with_rows(t, weight / weight.dtype.type(outputs), outputs)


def _squared_error(y: Any, t: Any, weight: Any) -> Variable:
    return F.sum(F.mean_squared_error(y, t, reduction="none") * weight)


def _absolute_error(y: Any, t: Any, weight: Any) -> Variable:
    return F.sum(F.mean_absolute_error(y, t, reduction="none") * weight)


def _huber(y: Any, t: Any, weight: Any) -> Variable:
    return F.sum(F.huber(y, t, reduction="none") * weight)


def _not_finite(module: Layer) -> list[Any]:
    return [p for p in module.params() if p.data is not None and p.data.dtype.kind in "fc" and not np.isfinite(p.data).all()]


def _of_users(loss: Callable[..., Any], who: str) -> _Loss:
    """A user's loss(y, t), which gives the mean over the batch or, (N,), each row's."""

    def found(y: Variable, t: Any) -> Variable:
        value = loss(y, t)
        if not isinstance(value, Variable) or value.shape not in ((), (len(y),)):
            raise ValueError(f"{who}: loss gives {type(value).__name__} of shape {np.shape(value)} for outputs of {y.shape}; it "
                             f"is to give a Variable of shape (), the mean, or {(len(y),)}, each row's loss")
        return value

    def plain(y: Variable, t: Any) -> Variable:
        value = found(y, t)
        return F.mean(value) if value.shape else value

    def weighted(y: Variable, t: Any, weight: Any) -> Variable:
        value = found(y, t)
        if not value.shape:
            raise ValueError(f"{who}: loss gives one number for the batch, where weights have no place; let it give each row's "
                             f"loss, of shape {(len(y),)}")
        return F.sum(value * weight)

    return _Loss(plain, weighted, lambda t, weight, outputs: (t, weight / weight.dtype.type(len(t))))


# ---- what both do -------------------------------------------------------------------------------------------------


class _Data(NamedTuple):
    """Examples, what is to be learned of them, and their weights."""

    X: NDArray[Any]
    t: NDArray[Any]
    weight: NDArray[Any] | None

    def at(self, rows: NDArray[Any]) -> _Data:
        return _Data(self.X[rows], self.t[rows], None if self.weight is None else self.weight[rows])


class _Fitted(NamedTuple):
    """A network and all that its training goes on with."""

    module: Layer
    optimizer: Optimizer
    history: History
    random: np.random.RandomState
    outputs: int
    flat: bool                      # whether outputs are (N,)
    known: bool                     # whether its step is known to be one that can be captured
    shape: tuple[int, ...]          # of an example
    dtype: np.dtype[Any]


def _generator(random_state: Any) -> np.random.RandomState:
    """A new generator, from an int, from numbers of another one, or of numbers that nobody knows."""
    if random_state is None:
        return np.random.RandomState()
    if isinstance(random_state, (int, np.integer)):
        return np.random.RandomState(int(random_state))
    if isinstance(random_state, np.random.Generator):
        return np.random.RandomState(random_state.integers(2**32, size=4, dtype=np.uint32))
    return np.random.RandomState(check_random_state(random_state).randint(2**32, size=4, dtype=np.uint32))


def _is_size(n: Any) -> bool:
    return isinstance(n, (int, np.integer)) and not isinstance(n, bool) and int(n) > 0


def _is_number(v: Any) -> bool:
    return isinstance(v, (int, float, np.integer, np.floating)) and not isinstance(v, bool)


class _Net(BaseEstimator):      # type: ignore[misc]
    """Parameters, the network that they describe, its training."""

    module: Any
    loss: Any
    optimizer: Any
    lr: Any
    batch_size: Any
    max_epochs: Any
    tol: Any
    n_iter_no_change: Any
    early_stopping: Any
    validation_fraction: Any
    shuffle: Any
    warm_start: Any
    random_state: Any
    capture: Any
    verbose: Any

    module_: Layer
    optimizer_: Optimizer
    history_: History
    n_features_in_: int
    n_outputs_: int

    _handed: dict[str, Any]         # what `module__x` and `optimizer__x` were given
    _fitted: _Fitted
    __signature__: ClassVar[inspect.Signature]
    _losses: ClassVar[dict[str, _Loss]]
    _by_class: ClassVar[bool]       # whether outputs are scores of classes

    # ---- parameters

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        whole = inspect.signature(cls.__init__)     # scikit-learn takes `**routed` for a parameter of this name
        named: Any = [p for p in whole.parameters.values() if p.name != "self" and p.kind != p.VAR_KEYWORD]
        cls.__signature__ = whole.replace(parameters=named)

    def _assign(self, routed: dict[str, Any], **parameters: Any) -> None:
        for name, value in parameters.items():
            setattr(self, name, value)
        self._handed = {}
        self._hand(routed)

    def _hand(self, routed: dict[str, Any]) -> None:
        """Takes parameters that are handed on."""
        for name in routed:
            if not name.startswith(_ROUTED) or name in _ROUTED:
                raise TypeError(f"{type(self).__name__}: there is no parameter {name!r}; those for the network begin with "
                                "module__, those for the optimizer with optimizer__")
        self._handed = self._handed | routed        # a dict of its own: a shallow copy of the estimator has the old one

    def _routed(self, to: str) -> dict[str, Any]:
        """{name without `to`: value} of the parameters that are handed on."""
        return {name.removeprefix(to): value for name, value in self._handed.items() if name.startswith(to)}

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """All parameters by name; `module__x` and `optimizer__x` where they were given."""
        found: dict[str, Any] = super().get_params(deep)
        return found | self._handed

    def set_params(self, **params: Any) -> Self:
        """Sets parameters: `module__x` is the argument x of the network's class, `optimizer__x` the optimizer's. Raises
        ValueError for names that there are not."""
        super().set_params(**{name: value for name, value in params.items() if not name.startswith(_ROUTED)})
        self._hand({name: value for name, value in params.items() if name.startswith(_ROUTED)})
        return self

    def _check_parameters(self, who: str) -> None:
        sizes = ["max_epochs", "n_iter_no_change"]
        if not isinstance(self.batch_size, str) or self.batch_size != "auto":
            sizes.append("batch_size")
        for name in sizes:
            if not _is_size(value := getattr(self, name)):
                raise ValueError(f"{who}: {name} is {value!r}; it is a whole number from 1 on"
                                 + (", or 'auto'" if name == "batch_size" else ""))
        real: dict[str, tuple[Callable[[float], bool], str]] = {
            "tol": (lambda v: v >= 0, "a number from 0 on"),
            "validation_fraction": (lambda v: 0 < v < 1, "a number between 0 and 1")}
        if self.lr is not None:
            real["lr"] = lambda v: 0 < v < math.inf, "a number above 0, or None for the optimizer's own"
        for name, (good, text) in real.items():
            value = getattr(self, name)
            if not _is_number(value) or not good(value):
                raise ValueError(f"{who}: {name} is {value!r}; it is {text}")
        if not callable(self.loss) and not (isinstance(self.loss, str) and self.loss in self._losses):
            raise ValueError(f"{who}: loss is {self.loss!r}; it is one of {', '.join(map(repr, self._losses))}, or a function "
                             "loss(y, t) of the network's outputs and the targets")

    # ---- the network and its optimizer

    def _made_module(self, outputs: int, who: str) -> tuple[Layer, bool]:
        """A new network, and whether it is made of sizes and functions that can be captured."""
        given, options = self.module, self._routed("module__")
        if isinstance(given, Layer):
            if options:
                raise TypeError(f"{who}: module__{next(iter(options))} cannot be handed on to module, a {type(given).__name__} "
                                "that is made already; give the class")
            return copy.deepcopy(given), False
        sizes = [given] if isinstance(given, (int, np.integer)) else given
        if isinstance(sizes, (list, tuple, np.ndarray)) and all(map(_is_size, sizes)):
            chosen = activation = options.pop("activation", F.relu)
            if options:
                raise TypeError(f"{who}: there is no module__{next(iter(options))}; layers given by their sizes have "
                                "module__activation alone: give a Model's class as module for more")
            if isinstance(chosen, str):
                activation = getattr(F, chosen, None)
            if not callable(activation):
                raise ValueError(f"{who}: module__activation is {chosen!r}; it is a function, or the name of one of "
                                 "dezero_c.functions")
            return MLP([*map(int, sizes), outputs], activation), activation in (F.relu, F.tanh, F.sigmoid)
        if not callable(given):
            raise TypeError(f"{who}: module is {given!r}; it is a Model, a class or a function that makes one, or the sizes of "
                            "hidden layers, whole numbers above 0")
        made = given(**options)
        if not isinstance(made, Layer):
            raise TypeError(f"{who}: module gives an object of type {type(made).__name__}, and not a Model")
        return copy.deepcopy(made), False       # a function may give the same one again

    def _made_optimizer(self, module: Layer, who: str) -> Optimizer:
        given, options = self.optimizer, self._routed("optimizer__")
        if isinstance(given, Optimizer):
            if options:
                raise TypeError(f"{who}: optimizer__{next(iter(options))} cannot be handed on to optimizer, a "
                                f"{type(given).__name__} that is made already; give the class")
            if given.target is not None:
                raise ValueError(f"{who}: optimizer is a {type(given).__name__} that is set up for a model already; give a new "
                                 "one")
            made: Any = copy.deepcopy(given)
        else:
            rule: Any = _RULES.get(given.lower()) if isinstance(given, str) else given
            made = rule(**options) if callable(rule) else None
        if not isinstance(made, Optimizer):
            names = ", ".join(repr(rule.__name__) for rule in _RULES.values())
            raise (ValueError if isinstance(given, str) else TypeError)(
                f"{who}: optimizer is {given!r}; it is one of {names}, an Optimizer, or a class or a function that makes one")
        if self.lr is not None and (twice := sorted({"lr", "alpha"} & options.keys())):
            raise ValueError(f"{who}: lr and optimizer__{twice[0]} are both given, and set the same rate; give one")
        self._set_rate(made, who)
        return made.setup(module)

    def _set_rate(self, optimizer: Optimizer, who: str) -> None:
        if self.lr is not None:
            name = "alpha" if isinstance(optimizer, Adam) else "lr"
            if not hasattr(optimizer, name):
                raise ValueError(f"{who}: {type(optimizer).__name__} has no learning rate; leave lr out")
            setattr(optimizer, name, float(self.lr))

    def _new(self, X: NDArray[Any], outputs: int, random: np.random.RandomState, who: str) -> _Fitted:
        """A network that has not learned yet, its weights drawn and of X's dtype. Raises ValueError where its outputs are not
        those wanted, and where there is nothing to train."""
        module, known = self._made_module(outputs, who)
        with no_grad(), test_mode():
            y: Any = module(X[:2])
        rows, shape = len(X[:2]), np.shape(y)
        flat = outputs == 1 and shape == (rows,) and not self._by_class
        if not isinstance(y, Variable) or not (flat or shape == (rows, outputs)):
            raise ValueError(f"{who}: the network, a {type(module).__name__}, gives a {type(y).__name__} of shape {shape} for "
                             f"{rows} examples; it must be a Variable of shape {(rows, outputs)}, for {outputs} "
                             f"{'classes' if self._by_class else 'targets'}: let its last layer have so many outputs")
        params = list(module.params())
        if not params:
            raise ValueError(f"{who}: the network, a {type(module).__name__}, has no parameters to train; assign Parameters and "
                             "Layers to its attributes")
        for p in params:
            if p.data is not None and p.data.dtype.kind == "f":
                p.data = p.data.astype(X.dtype, copy=False)
        return _Fitted(module, self._made_optimizer(module, who), History(), random, outputs, flat, known, X.shape[1:], X.dtype)

    # ---- learning

    def _score(self, outputs: NDArray[Any], t: NDArray[Any], weight: NDArray[Any] | None) -> float:
        raise NotImplementedError

    @contextlib.contextmanager
    def _unchanged_on_error(self) -> Iterator[None]:
        before = dict(self.__dict__)
        try:
            yield
        except BaseException:
            self.__dict__ = before
            raise

    def _validated(self, X: Any, y: Any, resumed: bool, who: str, **how: Any) -> tuple[NDArray[Any], Any]:
        X, y = validate_data(self, X, y, reset=not resumed, dtype=self._fitted.dtype if resumed else (np.float64, np.float32),
                             allow_nd=True, **how)
        if resumed:
            self._check_shape(X, who)
        return np.ascontiguousarray(X), y

    def _check_shape(self, X: NDArray[Any], who: str) -> None:
        if X.shape[1:] != self._fitted.shape:
            raise ValueError(f"{who}: X of shape {X.shape} has examples of shape {X.shape[1:]}, and the network was fitted to "
                             f"{self._fitted.shape}")

    def _weight(self, X: NDArray[Any], sample_weight: Any, who: str) -> NDArray[Any] | None:
        if sample_weight is None:
            return None
        weight: NDArray[Any] = _check_sample_weight(sample_weight, X, dtype=np.float64)
        if (weight < 0).any():
            raise ValueError(f"{who}: sample_weight has {weight.min()}; weights are numbers from 0 on")
        return weight

    def _learn(self, data: _Data, outputs: int, resumed: bool, once: bool, who: str) -> Self:
        """Trains a new network, or goes on with the one that is there: a copy of it, or, `once`, for an epoch, itself."""
        if data.weight is not None and not (kept := data.weight > 0).all():      # an example without weight is none
            if not kept.any():
                raise ValueError(f"{who}: Sample weights must contain at least one non-zero number.")
            data = data.at(kept)
        net: _Fitted | None = None
        held = None
        if resumed:
            net = self._fitted if once else copy.deepcopy(self._fitted)
            self._set_rate(net.optimizer, who)
        random = _generator(self.random_state) if net is None else net.random
        if self.early_stopping:
            rest, left = train_test_split(np.arange(len(data.X)), test_size=self.validation_fraction, random_state=random,
                                          stratify=data.t if self._by_class else None)
            if not self._by_class and len(left) < 2:
                raise ValueError(f"{who}: {len(left)} of {len(data.X)} examples is left for validation, and R2 takes two; raise "
                                 "validation_fraction, or leave early_stopping out")
            data, held = data.at(rest), data.at(left)
        if (weight := data.weight) is not None:
            if not once:
                weight = weight * (len(weight) / weight.sum())      # mean 1
            equal = (weight == (1 if once else weight[0])).all()
            data = data._replace(weight=None if equal else weight.astype(data.X.dtype))
        with drawing_from(random), using_config("train", True), using_config("enable_backprop", True):
            fitted = self._new(data.X, outputs, random, who) if net is None else net
            if fitted.flat:
                data = data._replace(t=data.t.reshape(-1))
            self._run(fitted, data, held, once, who)
        self._fitted, self.n_outputs_ = fitted, outputs
        self.module_, self.optimizer_, self.history_ = fitted.module, fitted.optimizer, fitted.history
        return self

    def _run(self, net: _Fitted, data: _Data, held: _Data | None, once: bool, who: str) -> None:
        """The epochs."""
        module, optimizer = net.module, net.optimizer
        loss = self._losses[self.loss] if isinstance(self.loss, str) else _of_users(self.loss, who)
        of = loss.plain if data.weight is None else loss.weighted

        def step(x: Any, *arrays: Any) -> Variable:
            value = of(module(x), *arrays)
            module.cleargrads()
            value.backward()
            optimizer.update()
            return value

        n = len(data.X)
        batch = min(n, 200 if self.batch_size == "auto" else self.batch_size)
        left: float = math.inf      # steps until those of whole batches are captured
        if self.capture and not once:
            left = 0
        elif self.capture is None and net.known and isinstance(self.loss, str) and not once:
            left = _EAGER if batch * sum(p.size for p in module.params()) <= _SMALL else math.inf
        of_whole: Callable[..., Variable] = step
        best, waited, params, odd = math.inf, 0, None, len(_not_finite(module))
        for _ in range(1 if once else self.max_epochs):
            order = net.random.permutation(n) if self.shuffle else np.arange(n)
            total = 0.0
            for start in range(0, n, batch):
                if left <= 0:
                    of_whole = captured = capture(step)
                    captured._also = module, self.loss
                    captured._looks_at_random = not net.known       # another thread may draw from np.random meanwhile
                    left = math.inf
                left -= 1
                x, t, weight = data.at(order[start:start + batch])
                arrays = (t,) if weight is None else loss.arrays(t, weight, net.outputs)
                total += float((of_whole if len(x) == batch else step)(x, *arrays).data) * len(x)
            total /= n
            spoilt = len(_not_finite(module)) > odd     # by a last update, of which no loss tells
            if not math.isfinite(total) or spoilt:
                what = f"the loss is {total} in" if not math.isfinite(total) else "weights are nan or infinite after"
                raise ValueError(f"{who}: {what} epoch {len(net.history) + 1}; a smaller lr, or X and y brought "
                                 "to a common scale (sklearn.preprocessing.StandardScaler), may help"
                                 + ("; the network is spoilt" if once and net.history else ""))
            now, values = total, {"loss": total}
            if held is not None:
                values["validation_score"] = self._score(self._through(module, held.X), held.t, held.weight)
                now = -values["validation_score"]
            net.history.append(**values)
            if self.verbose:
                print(f"epoch {len(net.history)}: " + ", ".join(f"{name} {value:.6g}" for name, value in values.items()))
            waited = 0 if now <= best - self.tol else waited + 1
            if now < best:
                best = now
                if held is not None:
                    params = [None if p.data is None else p.data.copy() for p in module.params()]
            if waited >= self.n_iter_no_change:
                break
        module.cleargrads()
        if params is not None:
            for p, best_data in zip(module.params(), params, strict=True):
                p.data = best_data

    # ---- using

    @staticmethod
    def _through(module: Layer, X: NDArray[Any]) -> NDArray[Any]:
        with no_grad(), test_mode():
            parts: list[Any] = [module(X[k:k + _ROWS]).data for k in range(0, len(X), _ROWS)]
        found: NDArray[Any] = parts[0] if len(parts) == 1 else np.concatenate(parts)
        return found

    def _outputs(self, X: Any, method: str) -> NDArray[Any]:
        check_is_fitted(self)
        X = validate_data(self, X, reset=False, dtype=self._fitted.dtype, allow_nd=True)
        self._check_shape(X, f"{type(self).__name__}.{method}")
        return self._through(self.module_, np.ascontiguousarray(X))

    # ---- what was learned

    @property
    def n_iter_(self) -> int:
        """The number of epochs, in all calls that went on with the network."""
        return len(self.history_)

    @property
    def loss_curve_(self) -> list[Any]:
        """The mean loss of each epoch."""
        return self.history_["loss"]

    @property
    def loss_(self) -> float:
        """The mean loss of the last epoch."""
        return float(self.loss_curve_[-1])

    @property
    def best_loss_(self) -> float:
        """The smallest mean loss of an epoch."""
        return float(min(self.loss_curve_))

    @property
    def validation_scores_(self) -> list[Any] | None:
        """The score on the examples that early_stopping held back, after each epoch; None without it."""
        history = self.history_
        return history["validation_score"] if "validation_score" in history else None   # noqa: SIM401

    @property
    def best_validation_score_(self) -> float | None:
        """The largest of `validation_scores_`; None without them."""
        scores = self.validation_scores_
        return None if scores is None else max(score for score in scores if score is not None)


# ---- the estimators -----------------------------------------------------------------------------------------------


class NetClassifier(ClassifierMixin, _Net):     # type: ignore[misc]
    """A classifier around a network: `fit`, `partial_fit`, `predict`, `predict_proba`, `score`.

    module: the sizes of hidden layers, () for none, with relu or `module__activation` between them; or a Model, a class or a
    function that makes one, with `module__x` as its argument x. It gives scores (N, classes) for X (N, features), or (N, ...).
    loss: "softmax_cross_entropy", or a function loss(y, t) that gives a batch's mean or, (N,), each row's loss; t are places in
    `classes_`. optimizer: the name of one of dezero_c.optimizers, its class, an Optimizer, or a function that makes one, with
    `optimizer__x` as its argument x. lr: its learning rate; None for its own.
    batch_size: "auto" is min(200, N). max_epochs: epochs, at most; training ends when n_iter_no_change in a row have not made the
    least loss less by tol. early_stopping: the score on validation_fraction of the data, held back, is looked at instead, and the
    weights with the best one are kept. shuffle: whether each epoch has an order of its own. warm_start: `fit` goes on with the
    network and the optimizer that are there.
    class_weight: {class: weight}, 1 for those not named, or "balanced": N / (classes * count).
    random_state: an int, a RandomState or a Generator; the same int gives the same network. None: another one each time.
    capture: True has the step captured (`dezero_c.capture`), False not; None: that of layers given by their sizes, where it pays.
    The numbers are the same. verbose: prints a line for each epoch.

    The network computes in X's dtype, float32 or float64; anything else becomes float64.
    """

    _losses: ClassVar[dict[str, _Loss]] = {"softmax_cross_entropy": _Loss(F.softmax_cross_entropy, _cross_entropy, _scale)}
    _by_class = True

    class_weight: Any
    classes_: NDArray[Any]

    def __init__(self, module: Any = (100,), *, loss: Any = "softmax_cross_entropy", optimizer: Any = "Adam",
                 lr: float | None = None, batch_size: int | str = "auto", max_epochs: int = 200, tol: float = 1e-4,
                 n_iter_no_change: int = 10, early_stopping: bool = False, validation_fraction: float = 0.1, shuffle: bool = True,
                 warm_start: bool = False, class_weight: Mapping[Any, float] | str | None = None, random_state: Any = None,
                 capture: bool | None = None, verbose: bool | int = False, **routed: Any) -> None:
        self._assign(routed, module=module, loss=loss, optimizer=optimizer, lr=lr, batch_size=batch_size, max_epochs=max_epochs,
                     tol=tol, n_iter_no_change=n_iter_no_change, early_stopping=early_stopping,
                     validation_fraction=validation_fraction, shuffle=shuffle, warm_start=warm_start, class_weight=class_weight,
                     random_state=random_state, capture=capture, verbose=verbose)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains a new network (with warm_start, the one that is there) on X (N, features), or (N, ...), and the classes y (N,).

        sample_weight: (N,), numbers from 0 on; an example of weight 0 is as good as left out. Raises ValueError for data and
        parameters that mean nothing, and where the loss is no number any more; the estimator is then what it was.
        """
        who = "NetClassifier.fit"
        self._check_parameters(who)
        with self._unchanged_on_error():
            resumed = bool(self.warm_start) and hasattr(self, "module_")
            X, y = self._validated(X, y, resumed, who)
            check_classification_targets(y)
            if not resumed:
                self.classes_ = np.unique(y)
            return self._learn_classes(X, y, sample_weight, resumed, False, who)

    def partial_fit(self, X: Any, y: Any, classes: Any = None, sample_weight: Any = None) -> Self:
        """One epoch on X and y, with the network that is there, or a new one.

        classes: all that there will be, in the first call. Weights count as they are, whatever their mean. Raises as `fit`, and
        ValueError for classes that are others than before, early_stopping, and class_weight="balanced".
        """
        who = "NetClassifier.partial_fit"
        self._check_parameters(who)
        if self.early_stopping or self._balanced():
            raise ValueError(f"{who}: {'early_stopping' if self.early_stopping else 'class_weight balanced'} looks at all data, "
                             "and partial_fit sees a part; leave it out, or call fit")
        with self._unchanged_on_error():
            resumed = hasattr(self, "module_")
            if not resumed and classes is None:
                raise ValueError(f"{who}: classes must be passed on the first call to partial_fit.")
            X, y = self._validated(X, y, resumed, who)
            check_classification_targets(y)
            if classes is not None:
                found = np.unique(classes)
                if resumed and not np.array_equal(found, self.classes_):
                    raise ValueError(f"{who}: classes {found} are not those of the calls before, {self.classes_}")
                self.classes_ = found
            return self._learn_classes(X, y, sample_weight, resumed, True, who)

    def _learn_classes(self, X: NDArray[Any], y: NDArray[Any], sample_weight: Any, resumed: bool, once: bool, who: str) -> Self:
        unknown = np.setdiff1d(y, self.classes_)
        if unknown.size:
            raise ValueError(f"{who}: y has {unknown}, not among the classes {self.classes_}")
        t = np.searchsorted(self.classes_, y)
        weight = self._weight(X, sample_weight, who)
        if self.class_weight is not None:
            factors = self._factors(t, weight, who)
            weight = factors[t] if weight is None else factors[t] * weight
        return self._learn(_Data(X, t, weight), len(self.classes_), resumed, once, who)

    def _balanced(self) -> bool:
        return isinstance(self.class_weight, str) and self.class_weight == "balanced"

    def _factors(self, t: NDArray[Any], weight: NDArray[Any] | None, who: str) -> NDArray[Any]:
        """class_weight of each class."""
        given, known = self.class_weight, self.classes_.tolist()
        if self._balanced():
            counts = np.bincount(t, weight, len(known))
            factors: NDArray[Any] = np.zeros(len(known))
            np.divide(counts.sum(), (counts > 0).sum() * counts, out=factors, where=counts > 0)
            return factors
        if not hasattr(given, "items"):
            raise ValueError(f"{who}: class_weight is {given!r}; it is None, 'balanced', or a dict from classes to weights")
        for label, factor in given.items():
            if label not in known:
                raise ValueError(f"{who}: class_weight names {label!r}, not among the classes {self.classes_}")
            if not _is_number(factor) or not 0 <= factor < math.inf:
                raise ValueError(f"{who}: class_weight of {label!r} is {factor!r}; it is a number from 0 on")
        return np.array([given.get(label, 1) for label in known], dtype=np.float64)

    def _score(self, outputs: NDArray[Any], t: NDArray[Any], weight: NDArray[Any] | None) -> float:
        return float(np.average(outputs.argmax(axis=1) == t, weights=weight))

    def predict(self, X: Any) -> NDArray[Any]:
        """The likeliest class of each example."""
        outputs = self._outputs(X, "predict")
        found: NDArray[Any] = self.classes_[outputs.argmax(axis=1)]
        return found

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """The probability of each class, (N, number of classes), in the order of `classes_`: softmax of the network's scores."""
        return self._softmax(F.softmax, X, "predict_proba")

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """The logarithm of `predict_proba`."""
        return self._softmax(F.log_softmax, X, "predict_log_proba")

    def _softmax(self, function: Callable[..., Variable], X: Any, method: str) -> NDArray[Any]:
        outputs = self._outputs(X, method)
        with no_grad():
            found: NDArray[Any] = function(outputs).data
        return found


class NetRegressor(RegressorMixin, _Net):       # type: ignore[misc]
    """A regressor around a network: `fit`, `partial_fit`, `predict`, `score`.

    module: as in NetClassifier; it gives (N, targets), or (N,) for one target. loss: "mean_squared_error", "mean_absolute_error",
    "huber", or a function loss(y, t), t of the shape of y. early_stopping looks at R2. The other parameters are NetClassifier's.
    Targets are taken as they are: `sklearn.compose.TransformedTargetRegressor` scales them.
    """

    _losses: ClassVar[dict[str, _Loss]] = {
        "mean_squared_error": _Loss(F.mean_squared_error, _squared_error, _with_rows),
        "mean_absolute_error": _Loss(F.mean_absolute_error, _absolute_error, _with_elements),
        "huber": _Loss(F.huber, _huber, _with_elements),
    }
    _by_class = False

    _vector: bool       # whether y was (N,)

    def __init__(self, module: Any = (100,), *, loss: Any = "mean_squared_error", optimizer: Any = "Adam",
                 lr: float | None = None, batch_size: int | str = "auto", max_epochs: int = 200, tol: float = 1e-4,
                 n_iter_no_change: int = 10, early_stopping: bool = False, validation_fraction: float = 0.1, shuffle: bool = True,
                 warm_start: bool = False, random_state: Any = None, capture: bool | None = None, verbose: bool | int = False,
                 **routed: Any) -> None:
        self._assign(routed, module=module, loss=loss, optimizer=optimizer, lr=lr, batch_size=batch_size, max_epochs=max_epochs,
                     tol=tol, n_iter_no_change=n_iter_no_change, early_stopping=early_stopping,
                     validation_fraction=validation_fraction, shuffle=shuffle, warm_start=warm_start, random_state=random_state,
                     capture=capture, verbose=verbose)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Trains a new network (with warm_start, the one that is there) on X (N, features), or (N, ...), and y (N,) or
        (N, targets). sample_weight and what is raised: as in NetClassifier."""
        who = "NetRegressor.fit"
        self._check_parameters(who)
        with self._unchanged_on_error():
            return self._learn_numbers(X, y, sample_weight, bool(self.warm_start) and hasattr(self, "module_"), False, who)

    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """One epoch on X and y, with the network that is there, or a new one. Weights count as they are. Raises as `fit`, and
        ValueError for early_stopping."""
        who = "NetRegressor.partial_fit"
        self._check_parameters(who)
        if self.early_stopping:
            raise ValueError(f"{who}: early_stopping looks at all data, and partial_fit sees a part; leave it out, or call fit")
        with self._unchanged_on_error():
            return self._learn_numbers(X, y, sample_weight, hasattr(self, "module_"), True, who)

    def _learn_numbers(self, X: Any, y: Any, sample_weight: Any, resumed: bool, once: bool, who: str) -> Self:
        X, y = self._validated(X, y, resumed, who, multi_output=True, y_numeric=True)
        t = np.ascontiguousarray(y.reshape(len(y), -1), dtype=X.dtype)
        if resumed and t.shape[1] != self.n_outputs_:
            raise ValueError(f"{who}: y of shape {y.shape} has {t.shape[1]} targets, and the network was fitted to "
                             f"{self.n_outputs_}")
        self._vector = y.ndim == 1
        return self._learn(_Data(X, t, self._weight(X, sample_weight, who)), t.shape[1], resumed, once, who)

    def _score(self, outputs: NDArray[Any], t: NDArray[Any], weight: NDArray[Any] | None) -> float:
        return float(r2_score(t, outputs.reshape(t.shape), sample_weight=weight))

    def predict(self, X: Any) -> NDArray[Any]:
        """The targets, (N,) or (N, targets) as y was."""
        outputs = self._outputs(X, "predict")
        return outputs.reshape(-1) if self._vector else outputs.reshape(len(outputs), -1)
