"""Optimizers: how parameters follow their gradients; hooks that change gradients before; schedules of the learning rate.

An update is one call into `_training` for all parameters, with a C kernel for each. A subclass that defines `update_one`
has that called for each parameter instead, as in DeZero.
"""

from __future__ import annotations

import functools
import math
import warnings
from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _core, _training, cuda
from dezero_c._core import Parameter, Variable
from dezero_c.layers import Layer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any, Self

    from numpy.typing import NDArray

    from dezero_c.layers import Layer

__all__ = [
    "SGD", "AdaDelta", "AdaGrad", "Adam", "AdamW", "ClipGrad", "CosineDecay", "ExponentialDecay", "FreezeParam",
    "MomentumSGD", "Nesterov", "Optimizer", "Parameter", "RMSprop", "Schedule", "StepDecay", "WarmUp", "WeightDecay", "cuda",
    "math",
]


def _as_one(update: Callable[..., None]) -> Callable[..., None]:
    """A user's optimizer's `update`, which in a call that is being captured is one event: it runs as it is in every replay.
    (Those below see to it themselves: a wrapper costs a small model's step two per cent.)"""

    @functools.wraps(update)
    def whole(self: Any, *args: Any, **kwargs: Any) -> None:
        if not _core.is_traced():
            update(self, *args, **kwargs)
            return
        if not all(isinstance(a, (int, float, type(None))) for a in (*args, *kwargs.values())):
            raise TypeError(f"{type(self).__name__}.update: with a function and its arguments it cannot be captured; call "
                            "cleargrads, backward and update() one after the other")
        _core.traced_call(functools.partial(update, self, *args, **kwargs))

    return whole


class Optimizer:
    """The base of optimizers. Subclasses define `update_one(param)`, which changes `param.data` in place.

    target: the Layer or Model whose parameters are updated; hooks: functions that are given the list of parameters with a
    gradient before each update.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "update" in vars(cls) and cls.__module__ != __name__:
            cls.update = _as_one(cls.update)    # type: ignore[method-assign]

    def __init__(self) -> None:
        self.target: Layer | Any = None
        self.hooks: list[Callable[[list[Parameter]], object]] = []

    def setup(self, target: Layer) -> Self:
        """Makes `target` the model whose parameters are updated; returns the optimizer itself."""
        if not callable(getattr(target, "params", None)):
            raise TypeError(f"{type(self).__name__}.setup: {type(target).__name__} has no params(); pass a Layer or a Model")
        if isinstance(target, Layer) and not any(True for _ in target.params()):
            warnings.warn(f"{type(self).__name__}.setup: {type(target).__name__} has no parameters, so update() will change "
                          "nothing; assign Parameters and Layers to its attributes, or lists of them", UserWarning, stacklevel=2)
        self.target = target
        return self

    def update(self) -> None:
        """Updates every parameter that has a gradient."""
        if _core.is_traced():
            _core.traced_call(self.update)
            return
        params = self._params_to_update()
        for param in params:
            self.update_one(param)

    def _params_to_update(self) -> list[Parameter]:
        if self.target is None:
            raise RuntimeError(f"{type(self).__name__}.update: there is no model yet; call setup(model) first")
        params = _training.with_gradients(self.target)
        for f in self.hooks:
            f(params)
            params = [param for param in params if param.grad is not None]      # FreezeParam takes gradients away
        return params

    def update_one(self, param: Parameter) -> None:
        raise NotImplementedError(f"{type(self).__name__} does not define update_one(self, param)")

    def add_hook(self, f: Callable[[list[Parameter]], object]) -> None:
        """Has `f(params)` called before each update."""
        self.hooks.append(f)


def _number(value: Any) -> Any:
    """A number as it was before `np.savez` made a 0-d array of it; anything else as it is."""
    if not isinstance(value, np.ndarray) or value.ndim:
        return value
    return value.item() if value.dtype in (np.float64, np.int64) else value[()]


def _must(owner: Any, allowed: str, fits: Callable[[float], bool], *names: str) -> None:
    """Raises ValueError where one of `owner`'s numbers is not finite or does not fit. What is no number is told where it is
    used: a subclass may have its own idea of it."""
    for name in names:
        value = getattr(owner, name)
        if isinstance(value, (int, float, np.number)) and not np.iscomplexobj(value) and not (
                math.isfinite(value) and fits(float(value))):
            raise ValueError(f"{type(owner).__name__}: {name} is {value!r}; it must be {allowed}")


def _any(x: float) -> bool:
    return True


def _not_negative(x: float) -> bool:
    return x >= 0


def _share(x: float) -> bool:
    return 0 <= x < 1


class _Rule(Optimizer):
    """An optimizer whose rule is a kernel. Subclasses give its name, its state's attributes, its numbers, and the same rule in
    NumPy for what kernels do not take.

    State is an array for each parameter, zeros at first, in dicts by the parameter's id, as in DeZero. The real and imaginary
    parts of a complex parameter are updated as two parameters.
    """

    _kernel = ""
    _states: tuple[str, ...] = ()

    def __init__(self) -> None:
        super().__init__()
        self._owners: dict[int, Parameter] = {}       # {id: parameter}: an id stays what it means while there is state for it
        for name in self._states:
            setattr(self, name, {})

    def _coefficients(self) -> tuple[float, ...]:
        raise NotImplementedError

    def _by_numpy(self, p: NDArray[Any], g: NDArray[Any], *states: Any) -> None:
        raise NotImplementedError

    def update(self) -> None:
        """Updates every parameter that has a gradient."""
        if _training.stepped(self):
            return
        if _core.is_traced():
            _core.traced_call(self.update)
            return
        if type(self).update_one is not _Rule.update_one:
            super().update()
            return
        _training.update(self, self._params_to_update())

    def update_one(self, param: Parameter) -> None:
        """Updates one parameter's data in place."""
        _training.update(self, [param])

    # ---- saving and resuming: ids mean nothing in another process, places in target.params() do

    def _numbers(self) -> dict[str, Any]:
        return {name: value for name, value in self.__dict__.items() if isinstance(value, (int, float, np.number))}

    def state_dict(self) -> dict[str, Any]:
        """All that the next update depends on, but the parameters: numbers, and copies of the state's arrays, `vs/0` being `vs`
        of the first of `target.params()`; a parameter that was never updated has none. `parameters` is how many there are.

        Every value is a number or an array: `np.savez(path, **optimizer.state_dict())` keeps it.
        """
        params: list[Parameter] = [] if self.target is None else list(self.target.params())
        state: dict[str, Any] = {**self._numbers(), "parameters": len(params)}
        for name in self._states:
            arrays = getattr(self, name)
            state.update((f"{name}/{k}", arrays[id(p)].copy()) for k, p in enumerate(params) if id(p) in arrays)
        return state

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Takes over what `state_dict` gave, in this process or another, or `np.load` of a file of it; `setup` comes first.

        Raises ValueError, and changes nothing, where it does not fit the model's parameters.
        """
        where = f"{type(self).__name__}.load_state_dict"
        if self.target is None:
            raise RuntimeError(f"{where}: there is no model yet; call setup(model) first")
        params = list(self.target.params())
        numbers = {}
        arrays: dict[str, dict[int, NDArray[Any]]] = {name: {} for name in self._states}
        for key, value in dict(state).items():
            name, _, place = key.partition("/")
            if name in arrays and isinstance(value, list):      # as before version 0.1.0: None for those never updated
                numbers["parameters"] = len(value)
                arrays[name] = {k: array for k, array in enumerate(value) if array is not None}
            elif name in arrays and place.isdecimal():
                arrays[name][int(place)] = np.asarray(value)
            else:
                numbers[key] = _number(value)
        count = max([numbers.pop("parameters", len(params)), *(k + 1 for each in arrays.values() for k in each)])
        if numbers.keys() != self._numbers().keys():
            raise ValueError(f"{where}: the state has {sorted(state)}, not the numbers {sorted(self._numbers())} and the "
                             f"arrays {list(self._states)} of each parameter; it is another optimizer's")
        if count != len(params):
            raise ValueError(f"{where}: the state is of {count} parameters, the model has {len(params)}")
        for name, each in arrays.items():
            for k, array in each.items():
                data = params[k].data
                if data is not None and array.shape != data.shape:
                    raise ValueError(f"{where}: {name} of parameter {k} ({params[k].name!r}) is of shape {array.shape}, its "
                                     f"data of shape {data.shape}")
        self._owners = {id(p): p for p in params}
        for name, each in arrays.items():
            setattr(self, name, {id(params[k]): array.copy() for k, array in each.items()})
        for name, value in numbers.items():
            setattr(self, name, value)

    def __getstate__(self) -> dict[str, Any]:
        attributes = dict(self.__dict__)
        owners = attributes.pop("_owners")
        for name in self._states:
            attributes[name] = [(owners[key], array) for key, array in attributes[name].items()]
        return attributes

    def __setstate__(self, attributes: dict[str, Any]) -> None:
        for name in self._states:
            if isinstance(attributes[name], dict) and attributes[name]:
                raise ValueError(f"{type(self).__name__}: a pickle of DeZero's optimizer has its state ({name}) by the "
                                 "parameters' ids in that process, which mean nothing here; pickle the model, load that, and "
                                 f"set a new {type(self).__name__} up on it")
        self.__dict__.update(attributes)
        self._owners = {}
        for name in self._states:
            pairs = self.__dict__[name] or ()
            self._owners.update((id(param), param) for param, _ in pairs)
            self.__dict__[name] = {id(param): array for param, array in pairs}


class SGD(_Rule):
    """Stochastic gradient descent: p -= lr g."""

    _kernel = "sgd"

    def __init__(self, lr: float = 0.01) -> None:
        super().__init__()
        self.lr = lr
        _must(self, "a finite number", _any, "lr")

    def _coefficients(self) -> tuple[float, ...]:
        return (self.lr,)

    def _by_numpy(self, p: NDArray[Any], g: NDArray[Any]) -> None:
        p -= self.lr * g


class MomentumSGD(_Rule):
    """Gradient descent with momentum: v = momentum v - lr g; p += v."""

    _kernel, _states = "momentum", ("vs",)

    def __init__(self, lr: float = 0.01, momentum: float = 0.9) -> None:
        super().__init__()
        self.lr = lr
        self.momentum = momentum
        _must(self, "a finite number", _any, "lr")
        _must(self, "from -1 to 1", lambda x: abs(x) <= 1, "momentum")

    def _coefficients(self) -> tuple[float, ...]:
        return (self.lr, self.momentum)

    def _by_numpy(self, p: NDArray[Any], g: NDArray[Any], v: NDArray[Any]) -> None:
        v *= self.momentum
        v -= self.lr * g
        p += v


class Nesterov(MomentumSGD):
    """Nesterov's accelerated gradient, v = momentum v - lr g; p += momentum v - lr g (I. Sutskever and others, 2013, with the
    gradient taken at the point looked ahead to)."""

    _kernel = "nesterov"

    def _by_numpy(self, p: NDArray[Any], g: NDArray[Any], v: NDArray[Any]) -> None:
        step = self.lr * g
        v *= self.momentum
        v -= step
        p += self.momentum * v - step


class AdaGrad(_Rule):
    """h += g g; p -= lr g / (sqrt(h) + eps) (J. Duchi and others, 2011)."""

    _kernel, _states = "adagrad", ("hs",)

    def __init__(self, lr: float = 0.001, eps: float = 1e-8) -> None:
        super().__init__()
        self.lr = lr
        self.eps = eps
        _must(self, "a finite number", _any, "lr")
        _must(self, "finite and not below 0", _not_negative, "eps")

    def _coefficients(self) -> tuple[float, ...]:
        return (self.lr, self.eps)

    def _by_numpy(self, p: NDArray[Any], g: NDArray[Any], h: NDArray[Any]) -> None:
        h += g * g
        p -= self.lr * g / (np.sqrt(h) + self.eps)


class RMSprop(_Rule):
    """h = alpha h + (1 - alpha) g g; p -= lr g / (sqrt(h) + eps) (T. Tieleman, G. Hinton, 2012)."""

    _kernel, _states = "rmsprop", ("hs",)

    def __init__(self, lr: float = 0.01, alpha: float = 0.99, eps: float = 1e-8) -> None:
        super().__init__()
        self.lr = lr
        self.alpha = alpha
        self.eps = eps
        _must(self, "a finite number", _any, "lr")
        _must(self, "from 0 to below 1", _share, "alpha")
        _must(self, "finite and not below 0", _not_negative, "eps")

    def _coefficients(self) -> tuple[float, ...]:
        return (self.lr, self.alpha, self.eps)

    def _by_numpy(self, p: NDArray[Any], g: NDArray[Any], h: NDArray[Any]) -> None:
        h *= self.alpha
        h += (1 - self.alpha) * (g * g)
        p -= self.lr * g / (np.sqrt(h) + self.eps)


class AdaDelta(_Rule):
    """s = rho s + (1 - rho) g g; dx = sqrt((d + eps) / (s + eps)) g; d = rho d + (1 - rho) dx dx; p -= dx (M. Zeiler, 2012)."""

    _kernel, _states = "adadelta", ("msg", "msdx")

    def __init__(self, rho: float = 0.95, eps: float = 1e-6) -> None:
        super().__init__()
        self.rho = rho
        self.eps = eps
        _must(self, "from 0 to below 1", _share, "rho")
        _must(self, "finite and not below 0", _not_negative, "eps")

    def _coefficients(self) -> tuple[float, ...]:
        return (self.rho, self.eps)

    def _by_numpy(self, p: NDArray[Any], g: NDArray[Any], msg: NDArray[Any], msdx: NDArray[Any]) -> None:
        msg *= self.rho
        msg += (1 - self.rho) * (g * g)
        dx = np.sqrt((msdx + self.eps) / (msg + self.eps)) * g
        msdx *= self.rho
        msdx += (1 - self.rho) * (dx * dx)
        p -= dx


class Adam(_Rule):
    """m += (1 - beta1)(g - m); v += (1 - beta2)(g g - v); p -= lr m / (sqrt(v) + eps) with
    lr = alpha sqrt(1 - beta2^t) / (1 - beta1^t) (D. Kingma, J. Ba, 2015, section 2's last formula)."""

    _kernel, _states = "adam", ("ms", "vs")

    def __init__(self, alpha: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8) -> None:
        super().__init__()
        self.t = 0
        self.alpha = alpha
        self.beta1 = beta1
        self.beta2 = beta2
        self.eps = eps
        _must(self, "a finite number", _any, "alpha")
        _must(self, "from 0 to below 1", _share, "beta1", "beta2")
        _must(self, "finite and not below 0", _not_negative, "eps")

    def update(self, *args: Any, **kwargs: Any) -> None:
        """Updates every parameter that has a gradient, and counts."""
        if not args and not kwargs and _training.stepped(self):
            return
        if _core.is_traced():
            _core.traced_call(functools.partial(self.update, *args, **kwargs) if args or kwargs else self.update)
            return
        self.t += 1
        try:
            super().update(*args, **kwargs)
        except BaseException:
            self.t -= 1
            raise

    @property
    def lr(self) -> float:
        """The size of the latest step, with the start of the averages corrected: it changes with t. Before the first update, that
        of the first."""
        t = self.t or 1
        fix1 = 1.0 - math.pow(self.beta1, t)
        fix2 = 1.0 - math.pow(self.beta2, t)
        return self.alpha * math.sqrt(fix2) / fix1      # as _training.adam_rate

    def _coefficients(self) -> tuple[float, ...]:
        if not self.t:
            raise RuntimeError(f"{type(self).__name__}.update_one: no update is counted yet, and the rate depends on their "
                               "number; call update(), or set t = 1 before")
        return (self.lr, self.beta1, self.beta2, self.eps, 0.0)

    def _by_numpy(self, p: NDArray[Any], g: NDArray[Any], m: NDArray[Any], v: NDArray[Any]) -> None:
        m += (1 - self.beta1) * (g - m)
        v += (1 - self.beta2) * (g * g - v)
        p -= self.lr * m / (np.sqrt(v) + self.eps)


class AdamW(Adam):
    """Adam, and p -= alpha weight_decay p, apart from the gradient (I. Loshchilov, F. Hutter, 2019)."""

    def __init__(self, alpha: float = 0.001, beta1: float = 0.9, beta2: float = 0.999, eps: float = 1e-8,
                 weight_decay: float = 0.01) -> None:
        super().__init__(alpha, beta1, beta2, eps)
        self.weight_decay = weight_decay
        _must(self, "a finite number", _any, "weight_decay")

    def _coefficients(self) -> tuple[float, ...]:
        return (*super()._coefficients()[:4], self.alpha * self.weight_decay)

    def _by_numpy(self, p: NDArray[Any], g: NDArray[Any], m: NDArray[Any], v: NDArray[Any]) -> None:
        p -= self.alpha * self.weight_decay * p
        super()._by_numpy(p, g, m, v)


for _cls, _names in {SGD: ("lr",), MomentumSGD: ("lr", "momentum"), Nesterov: ("lr", "momentum"), AdaGrad: ("lr", "eps"),
                     RMSprop: ("lr", "alpha", "eps"), AdaDelta: ("rho", "eps")}.items():
    _training.register(_cls, _names)
_training.register(Adam, ("alpha", "beta1", "beta2", "eps"), adam=True)
_training.register(AdamW, ("alpha", "beta1", "beta2", "eps", "weight_decay"), adam=True, decays=True)


# ---- hooks --------------------------------------------------------------------------------------------------------


def _set_gradient(param: Parameter, array: NDArray[Any]) -> None:
    """A new gradient: the old one may be another parameter's too, or a view that cannot be written to."""
    array = np.asarray(array)       # arithmetic on 0-d arrays gives NumPy scalars
    param.grad = Variable(array) if isinstance(param.grad, Variable) else array


def _gradient(param: Parameter) -> Any:
    return param.grad.data if isinstance(param.grad, Variable) else param.grad


_sum = np.add.reduce


class WeightDecay:
    """A hook: each gradient gets rate times its parameter added (the gradient of rate / 2 times the sum of squares)."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        _must(self, "a finite number", _any, "rate")

    def __call__(self, params: Sequence[Parameter]) -> None:
        for param in params:
            # a complex gradient is the derivative by the real part minus i times that by the imaginary part
            data: Any = param.data.conj() if param.dtype.kind == "c" else param.data
            _set_gradient(param, _gradient(param) + self.rate * data)


class ClipGrad:
    """A hook: all gradients together are scaled down to a Euclidean norm of max_norm, where it is larger. Squares that the
    gradients' dtype has no room for are no matter. Raises ValueError for a max_norm that is no number above 0."""

    def __init__(self, max_norm: float) -> None:
        self.max_norm = max_norm
        _must(self, "above 0", lambda x: x > 0, "max_norm")

    def __call__(self, params: Sequence[Parameter]) -> None:
        gradients = [*map(_gradient, params)]
        total = 0.0
        with np.errstate(over="ignore", under="ignore"):
            for g in gradients:
                total += float(_sum(g * g, None)) if g.dtype.char in "fd" else math.nan
        total = math.sqrt(total)
        if not 1e-15 < total < math.inf:        # squares have overflowed, or lost digits; or it is another dtype
            self._scaled(params, gradients)
            return
        rate = self.max_norm / (total + 1e-6)
        if rate < 1:
            for param, g in zip(params, gradients, strict=True):
                _set_gradient(param, g * rate)

    def _scaled(self, params: Sequence[Parameter], gradients: list[Any]) -> None:
        """The same with gradients divided by the largest of their numbers first, in float64 at least."""
        largest = max((float(np.max(np.abs(g), initial=0)) for g in gradients), default=0.0)
        if not 0 < largest < math.inf:      # nothing to scale; nan and infinity stay what they are
            return
        wide = [g.astype(np.result_type(g.dtype, np.float64)) / largest for g in gradients]
        total = math.sqrt(sum(float((abs(g) ** 2).sum()) for g in wide))      # from 1 on
        if self.max_norm / total < largest + 1e-6 / total:
            for param, g, now in zip(params, gradients, wide, strict=True):
                _set_gradient(param, (now * (self.max_norm / (total + 1e-6 / largest))).astype(g.dtype))


class FreezeParam:
    """A hook: the given layers and parameters keep their values; their gradients are taken away."""

    def __init__(self, *layers: Layer | Parameter) -> None:
        self.layers = layers

    @property
    def freeze_params(self) -> list[Parameter]:
        """The parameters of the layers, as they are now: some layers get theirs with the first call."""
        return [p for layer in self.layers for p in ([layer] if isinstance(layer, Parameter) else layer.params())]

    def __call__(self, params: Sequence[Parameter]) -> None:
        for param in self.freeze_params:
            param.cleargrad()


# ---- schedules ----------------------------------------------------------------------------------------------------


class Schedule:
    """The base of schedules of the learning rate (`alpha` of Adam and AdamW). Subclasses define factor(t): what the rate at
    the beginning is multiplied by after t steps.

    Call `step()` after each epoch, or each update, whichever t counts. `state_dict` and `load_state_dict` save and resume it.
    """

    def __init__(self, optimizer: Optimizer) -> None:
        self.optimizer = optimizer
        self.attribute = "alpha" if isinstance(optimizer, Adam) else "lr"
        if not hasattr(optimizer, self.attribute):
            raise TypeError(f"{type(self).__name__}: {type(optimizer).__name__} has no learning rate to change")
        self.base: float = getattr(optimizer, self.attribute)
        self.t = 0
        self._set()

    def factor(self, t: int) -> float:
        raise NotImplementedError(f"{type(self).__name__} does not define factor(self, t)")

    def _set(self) -> None:
        setattr(self.optimizer, self.attribute, self.base * self.factor(self.t))

    def step(self) -> None:
        """Goes on to the next t."""
        self.t += 1
        self._set()

    def state_dict(self) -> dict[str, Any]:
        """What `load_state_dict` takes: the rate at the beginning, and t."""
        return {"base": self.base, "t": self.t}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resumes at the place of a `state_dict`."""
        self.base, self.t = state["base"], state["t"]
        self._set()


class StepDecay(Schedule):
    """gamma times smaller (or larger) every `every` steps: gamma ** (t // every)."""

    def __init__(self, optimizer: Optimizer, every: int, gamma: float = 0.1) -> None:
        self.every, self.gamma = every, gamma
        _must(self, "above 0", lambda x: x > 0, "every")
        _must(self, "finite and not below 0", _not_negative, "gamma")
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return self.gamma ** (t // self.every)


class ExponentialDecay(Schedule):
    """gamma ** t."""

    def __init__(self, optimizer: Optimizer, gamma: float) -> None:
        self.gamma = gamma
        _must(self, "finite and not below 0", _not_negative, "gamma")
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return self.gamma ** t


class CosineDecay(Schedule):
    """From 1 down to `low` in `steps` steps, along half a cosine (I. Loshchilov, F. Hutter, 2017, without restarts)."""

    def __init__(self, optimizer: Optimizer, steps: int, low: float = 0.0) -> None:
        self.steps, self.low = steps, low
        _must(self, "above 0", lambda x: x > 0, "steps")
        _must(self, "a finite number", _any, "low")
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        return self.low + (1 - self.low) * (1 + math.cos(math.pi * min(t, self.steps) / self.steps)) / 2


class WarmUp(Schedule):
    """A straight line up to 1 in `steps` steps, then `then` (another Schedule of the same optimizer), if given, from its
    beginning."""

    def __init__(self, optimizer: Optimizer, steps: int, then: Schedule | None = None) -> None:
        self.steps, self.then = steps, then
        _must(self, "0 or more", _not_negative, "steps")
        if then is not None:
            if then.optimizer is not optimizer:
                raise ValueError(f"WarmUp: then is a {type(then).__name__} of another optimizer; make it of the same one")
            setattr(optimizer, then.attribute, then.base)
        super().__init__(optimizer)

    def factor(self, t: int) -> float:
        if t < self.steps:
            return (t + 1) / (self.steps + 1)
        return 1.0 if self.then is None else self.then.factor(t - self.steps)
