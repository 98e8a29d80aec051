"""What `dezero.utils` has: checks of gradients by finite differences, small array helpers; drawing graphs and downloads are
in modules of their own.

Nothing here belongs to the engine: gradients are looked at from outside, as a user would.
"""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING

import numpy as np

from dezero_c import _later, cuda
from dezero_c import functions as F
from dezero_c._core import Parameter, Variable, as_variable
from dezero_c._draw.dot import _dot_func, _dot_var, get_dot_graph, plot_dot_graph  # noqa: F401
from dezero_c._files.download import cache_dir, get_file, show_progress
from dezero_c.functions_conv import get_conv_outsize, get_deconv_outsize, pair

if TYPE_CHECKING:
    import subprocess
    import urllib.request
    from collections.abc import Callable, Sequence
    from typing import Any, TypeVar

    from numpy.typing import ArrayLike, NDArray

    from dezero_c._typing import Axis

    _A = TypeVar("_A", Variable, NDArray[Any])
else:
    __getattr__, __dir__ = _later.modules(__name__, {"subprocess": "subprocess", "urllib": "urllib.request"})

__all__ = [
    "Variable", "array_allclose", "array_equal", "as_variable", "cache_dir", "cuda", "get_conv_outsize",
    "get_deconv_outsize", "get_dot_graph", "get_file", "gradgradient_check", "gradient_check", "logsumexp",
    "max_backward_shape", "np", "numerical_grad", "os", "pair", "plot_dot_graph", "reshape_sum_backward", "show_progress",
    "subprocess", "sum_to", "urllib",
]

_EPS = 1e-4


def _step_along(values: NDArray[Any], index: tuple[int, ...], step: float) -> NDArray[Any]:
    """A copy of `values` with one element moved by `step`."""
    moved = values.copy()
    moved[index] += step
    return moved


# ---- gradients by differences -------------------------------------------------------------------------------------

def _real(a: Any, op: str, who: str) -> NDArray[np.float64]:
    """`a` as a new float64 array; TypeError where a derivative has no meaning."""
    if a is None:
        raise TypeError(f"{op}: {who} is a Variable without data (Variable(None)); give it data first")
    a = np.asarray(a)
    if a.dtype.kind != "f":
        raise TypeError(f"{op}: {who} has dtype {a.dtype}, along which there is no derivative; pass it as a float "
                        "array (x.astype(float)), or, where no gradient is wanted, as a further argument of f")
    return a.astype(np.float64)


def _data(a: Any) -> Any:
    return a.data if isinstance(a, Variable) else a


def _copied(a: Any) -> Any:
    """An argument of f that is not differentiated: its own copy, floating-point numbers as float64, so that a call of f
    (running averages, gradients) leaves nothing in what the caller passed."""
    if isinstance(a, Variable):
        cls = Parameter if isinstance(a, Parameter) else Variable
        return cls(None if a.data is None else _copied(a.data), a.name)
    if isinstance(a, np.ndarray):
        return a.astype(np.float64) if a.dtype.kind == "f" else a.copy()
    return a


def _outputs(ys: Any) -> tuple[Any, ...]:
    return tuple(ys) if isinstance(ys, (tuple, list)) else (ys,)


def numerical_grad(f: Callable[..., Any], x: Variable | NDArray[Any], *args: Any,
                   **kwargs: Any) -> NDArray[np.floating[Any]]:
    """The gradient of the sum of f's outputs with respect to x, by central differences with steps of 1e-4.

    f is called as f(x, *args, **kwargs), with x an ndarray, and returns a Variable, an ndarray, or a tuple of them.
    x: ndarray or Variable of floating-point numbers, which is not changed; the steps are taken in float64 whatever its
    dtype. Returns an ndarray with x's shape and dtype. Raises TypeError for integers.
    """
    x0 = _data(x)
    x64 = _real(x0, "numerical_grad", "x")

    def value(moved: NDArray[Any]) -> list[NDArray[Any]]:
        ys = [np.asarray(_data(y)) for y in _outputs(f(moved, *args, **kwargs))]
        return [np.array(y, np.float64) if y.dtype.kind in "biu" else y.copy() for y in ys]

    grad = np.empty(x64.shape, np.float64)
    for index in np.ndindex(x64.shape):
        up, down = value(_step_along(x64, index, _EPS)), value(_step_along(x64, index, -_EPS))
        grad[index] = sum((a - b).sum() for a, b in zip(up, down, strict=True)) / (2 * _EPS)
    return grad.astype(np.asarray(x0).dtype)


def _float(x: Any) -> Any:
    """Integers as the floating-point numbers that they are."""
    return np.asarray(x, np.float64) if x is not None and np.asarray(x).dtype.kind in "iu" else x


class _WrongShape(Exception):
    """Backpropagation gave a gradient whose shape is not that of its input."""


class _Check:
    """f with its inputs: scalars made of its outputs and of their derivatives, whose gradients are compared."""

    def __init__(self, op: str, f: Callable[..., Any], x: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        if not callable(f):
            raise TypeError(f"{op}: f must be a function of Variables, not {type(f).__name__}")
        self.op, self.f, self.args, self.kwargs = op, f, args, kwargs
        xs = x if isinstance(x, (tuple, list)) else (x,)
        if not xs:
            raise ValueError(f"{op}: no inputs; give an array, or a tuple of arrays")
        self.xs = [_real(_float(_data(a)), op, f"input {k}") for k, a in enumerate(xs)]
        self.random = np.random.default_rng(0)
        first, again = self.call(self.xs)[1], self.call(self.xs)[1]
        for k, (y0, y1) in enumerate(zip(first, again, strict=True)):
            if y0.shape != y1.shape or not np.array_equal(y0.data, y1.data, equal_nan=True):
                raise ValueError(f"{op}: output {k} of f changes from call to call at the same point (dropout, a "
                                 "random number?); seed it inside f, or use test_mode")
        self.shapes = [y.shape for y in first]
        self.coarse = next((y.dtype for y in first if y.dtype.itemsize < 8), None)
        lone = sum(math.prod(s) for s in self.shapes) == 1
        self.weights = [np.ones(s) if lone else self.random.uniform(0.5, 1.5, s) for s in self.shapes]
        self.directions: list[list[NDArray[Any]]] = []

    def call(self, xs: list[NDArray[Any]]) -> tuple[list[Variable], list[Variable]]:
        """Variables at xs, and f's floating-point outputs there."""
        vs = [Variable(x.copy()) for x in xs]
        args = [_copied(a) for a in self.args]
        ys = _outputs(self.f(*vs, *args, **{name: _copied(a) for name, a in self.kwargs.items()}))
        for k, y in enumerate(ys):
            if not isinstance(y, Variable):
                raise TypeError(f"{self.op}: output {k} of f is of type {type(y).__name__}; f must return a "
                                "Variable, or a tuple of Variables")
            if y.data is None:
                raise TypeError(f"{self.op}: output {k} of f is a Variable without data")
        real = [y for y in ys if y.dtype.kind == "f"]
        if not real:
            dtypes = ", ".join(str(y.dtype) for y in ys) or "no output"
            raise TypeError(f"{self.op}: f returns no floating-point numbers ({dtypes}), so there is nothing to "
                            "differentiate")
        return vs, real

    def objective(self, xs: list[NDArray[Any]], level: int) -> tuple[list[Variable], Variable | None]:
        """Variables at xs, and the scalar of that level: a weighted sum of the outputs at level 0, then of the
        gradients of the level before; None where there are none, so that it is 0."""
        vs, ys = self.call(xs)
        if [y.shape for y in ys] != self.shapes:
            raise ValueError(f"{self.op}: the shapes of f's outputs depend on x: {self.shapes} became "
                             f"{[y.shape for y in ys]}")
        s = F.sum(ys[0] * self.weights[0])
        for y, w in zip(ys[1:], self.weights[1:], strict=True):
            s = s + F.sum(y * w)
        for depth in range(level):
            if depth == len(self.directions):
                self.directions.append([self.random.standard_normal(x.shape) for x in xs])
            terms = [F.sum(g * d) for g, d in zip(self.gradients(vs, s, True), self.directions[depth], strict=True)
                     if g is not None]
            if not terms:
                return vs, None
            s = terms[0]
            for term in terms[1:]:
                s = s + term
        return vs, s

    def gradients(self, vs: list[Variable], s: Variable, create_graph: bool) -> list[Variable | Any]:
        for v in vs:
            v.cleargrad()
        s.backward(create_graph=create_graph)
        for k, v in enumerate(vs):
            if v.grad is not None and v.grad.shape != v.shape:
                raise _WrongShape(f"the gradient of input {k} has shape {v.grad.shape}, and the input {v.shape}")
        return [v.grad for v in vs]

    def value(self, xs: list[NDArray[Any]], level: int) -> float:
        s = self.objective(xs, level)[1]
        return 0.0 if s is None else float(s.data)

    def analytic(self, level: int, create_graph: bool) -> list[NDArray[Any] | None]:
        """A gradient for each input, None where backpropagation left none."""
        vs, s = self.objective(self.xs, level)
        if s is None:
            return [None] * len(vs)
        return [None if g is None else np.asarray(g.data, np.float64) for g in self.gradients(vs, s, create_graph)]

    def moved(self, k: int, index: tuple[int, ...], step: float, level: int) -> float:
        return self.value([_step_along(x, index, step) if j == k else x for j, x in enumerate(self.xs)], level)

    def numerical(self, level: int) -> list[NDArray[Any]]:
        grads = [np.empty(x.shape) for x in self.xs]
        for k, g in enumerate(grads):
            for index in np.ndindex(g.shape):
                g[index] = (self.moved(k, index, _EPS, level) - self.moved(k, index, -_EPS, level)) / (2 * _EPS)
        return grads

    def passes(self, order: int, rtol: float, atol: float, graph_too: bool) -> bool:
        """Whether the derivatives of this order agree; prints a report where they do not."""
        level = order - 1
        numerical = self.numerical(level)
        for create_graph in (False, True) if graph_too else (False,):
            try:
                analytic = self.analytic(level, create_graph)
            except _WrongShape as error:
                print(f"\n{self.op} failed at order {order}: {error}")
                return False
            filled = [np.zeros(x.shape) if g is None else g for g, x in zip(analytic, self.xs, strict=True)]
            if not all(np.allclose(n, g, rtol=rtol, atol=atol) for n, g in zip(numerical, filled, strict=True)):
                self.report(order, create_graph, numerical, analytic, filled, rtol, atol)
                return False
        return True

    def report(self, order: int, create_graph: bool, numerical: list[NDArray[Any]],
               analytic: list[NDArray[Any] | None], filled: list[NDArray[Any]], rtol: float, atol: float) -> None:
        level = order - 1
        bad: list[int] = []
        worst: Any = None
        for k, (n, g) in enumerate(zip(numerical, filled, strict=True)):
            excess = np.where(np.isclose(n, g, rtol=rtol, atol=atol), -1.0, np.abs(n - g) - atol - rtol * np.abs(g))
            excess = np.where(np.isnan(excess), np.inf, excess)
            bad.append(int((excess >= 0).sum()))
            if excess.size:
                index = np.unravel_index(int(excess.argmax()), excess.shape)
                if worst is None or excess[index] > worst[0]:
                    worst = (excess[index], k, tuple(map(int, index)))
        _, k, index = worst
        n, g = numerical[k][index], filled[k][index]
        print(f"\n{self.op} failed at order {order}{' (create_graph=True)' if create_graph else ''}: "
              f"{sum(bad)} of {sum(x.size for x in self.xs)} elements differ")
        for j, x in enumerate(self.xs):
            print(f"  input {j}, shape {x.shape}: {bad[j]} of {x.size}")
        print(f"  worst: input {k}, index {index}, x = {self.xs[k][index]:.10g}")
        print(f"    numerical   {n:.10g}")
        print(f"    analytic    {g:.10g}{' (backward gave no gradient)' if analytic[k] is None else ''}")
        print(f"    difference  {abs(n - g):.3g}, allowed {atol + rtol * abs(g):.3g}")
        with np.errstate(invalid="ignore"):
            here = self.value(self.xs, level)
            right = (self.moved(k, index, _EPS, level) - here) / _EPS
            left = (here - self.moved(k, index, -_EPS, level)) / _EPS
        if not abs(right - left) <= 0.01 * max(1.0, abs(right), abs(left)):
            print(f"    differences from the left {left:.6g} and from the right {right:.6g}: x may lie at a kink or a "
                  "jump, where there is no derivative; check at another point")
        if self.coarse is not None:
            print(f"    f computes in {self.coarse} although its inputs are float64: too coarse for steps of {_EPS}")


def gradient_check(f: Callable[..., Any], x: Any, *args: Any, rtol: float = 1e-4, atol: float = 1e-5, order: int = 1,
                   **kwargs: Any) -> bool:
    """Whether backpropagation through f agrees with finite differences.

    f is called as f(x, *args, **kwargs) and returns a Variable or a tuple of them. x: ndarray, Variable or number, or
    a tuple or list of them, which become the first arguments of f, all to be differentiated; args and kwargs are not.
    Every element of x is moved by 1e-4 up and down. What is compared is the gradient of a sum of the outputs, with
    fixed weights between 0.5 and 1.5 where there is more than one number, so that a `backward` that ignores its `gy`
    does not pass.

    order: the highest order of derivatives to check, 1 or more; each is a gradient of the one before along fixed
    directions. Everything is computed in float64, and in copies: x, args and kwargs keep their values and gradients.

    Returns True where |numerical - analytic| <= atol + rtol * |analytic| for every element and order; otherwise prints
    a report of the worst element and returns False. Integers are taken as float64. Raises TypeError for an f that returns no
    Variables, and ValueError for an f that gives different values at the same point.
    """
    return _checked("gradient_check", f, x, args, kwargs, rtol, atol, order)


def gradgradient_check(f: Callable[..., Any], x: Any, *args: Any, rtol: float = 1e-4, atol: float = 1e-5,
                       **kwargs: Any) -> bool:
    """`gradient_check` up to order 2: the gradient, and the gradient of the gradient."""
    return _checked("gradgradient_check", f, x, args, kwargs, rtol, atol, 2)


def _checked(op: str, f: Callable[..., Any], x: Any, args: tuple[Any, ...], kwargs: dict[str, Any], rtol: float,
             atol: float, order: int) -> bool:
    if not isinstance(order, (int, np.integer)) or isinstance(order, bool) or order < 1:
        raise ValueError(f"{op}: order must be 1 or a larger int, not {order!r}")
    check = _Check(op, f, x, args, kwargs)
    return all(check.passes(k, rtol, atol, graph_too=k < order) for k in range(1, order + 1))


# ---- comparing arrays ---------------------------------------------------------------------------------------------

def _comparable(a: Any, op: str) -> NDArray[Any]:
    a = _data(a)
    if a is None:
        raise TypeError(f"{op}: there is nothing to compare in None or in a Variable without data")
    return np.asarray(a)


def array_equal(a: Variable | ArrayLike, b: Variable | ArrayLike) -> bool:
    """Whether two arrays, Variables or numbers have the same shape and the same elements; nan equals nothing."""
    return np.array_equal(_comparable(a, "array_equal"), _comparable(b, "array_equal"))


def array_allclose(a: Variable | ArrayLike, b: Variable | ArrayLike, rtol: float = 1e-4, atol: float = 1e-5) -> bool:
    """Whether |a - b| <= atol + rtol * |b| for all elements of two arrays, Variables or numbers, which broadcast.
    Raises ValueError where the shapes do not."""
    a, b = _comparable(a, "array_allclose"), _comparable(b, "array_allclose")
    try:
        return np.allclose(a, b, rtol=rtol, atol=atol)
    except ValueError as error:
        raise ValueError(f"array_allclose: shapes {a.shape} and {b.shape} do not broadcast") from error


# ---- helpers of the functions -------------------------------------------------------------------------------------

def sum_to(x: _A, shape: Sequence[int]) -> _A:
    """The sum of x over those axes along which an array of `shape` would be repeated to x's shape.

    x: ndarray (then an ndarray comes back) or Variable. Raises ValueError where `shape` does not broadcast to x's.
    """
    if isinstance(x, Variable):
        return F.sum_to(x, tuple(shape))
    shape = tuple(shape)
    x = np.asarray(x)
    lead: int = x.ndim - len(shape)
    if lead < 0 or any(n not in (1, x.shape[lead + i]) for i, n in enumerate(shape)):
        raise ValueError(f"sum_to: an array of shape {x.shape} cannot be summed to {shape}, which must broadcast to it")
    axes = (*range(lead), *(lead + i for i, n in enumerate(shape) if n == 1))
    return x.sum(axis=axes, keepdims=True).reshape(shape)  # type: ignore[no-any-return]


def _axes(axis: Axis, ndim: int, op: str) -> tuple[int, ...]:
    axes = tuple(range(ndim)) if axis is None else tuple(axis) if isinstance(axis, (tuple, list)) else (axis,)
    try:
        return np.lib.array_utils.normalize_axis_tuple(axes, ndim)
    except np.exceptions.AxisError as error:
        raise np.exceptions.AxisError(f"{op}: axis {axis} is not one of the {ndim} axes") from error
    except ValueError as error:
        raise ValueError(f"{op}: axis {axis} names an axis twice") from error


def reshape_sum_backward(gy: _A, x_shape: Sequence[int], axis: Axis, keepdims: bool) -> _A:
    """The gradient of a sum over `axis` of an array of shape `x_shape`, with the axes that it lost back as ones, so
    that it broadcasts to `x_shape`.

    gy: Variable or ndarray. axis: int, tuple of ints or None; with None and with keepdims the shape stays as it is.
    Raises ValueError when gy has not the shape of such a sum.
    """
    if not x_shape or axis is None or keepdims:
        return gy.reshape(gy.shape)
    axes = _axes(axis, len(x_shape), "reshape_sum_backward")
    if gy.shape != tuple(n for i, n in enumerate(x_shape) if i not in axes):
        raise ValueError(f"reshape_sum_backward: {gy.shape} is not the shape of a sum over axis {axis} of an array of "
                         f"shape {tuple(x_shape)}")
    return gy.reshape(tuple(1 if i in axes else n for i, n in enumerate(x_shape)))


def max_backward_shape(x: Variable | NDArray[Any], axis: Axis) -> list[int]:
    """The shape, as a list, of a reduction of x over `axis` (int, tuple of ints, or None for all) with keepdims."""
    axes = _axes(axis, x.ndim, "max_backward_shape")
    return [1 if i in axes else n for i, n in enumerate(x.shape)]


def logsumexp(x: _A, axis: Axis = 1) -> _A:
    """log(sum(exp(x))) over `axis`, which stays with length 1, without overflow.

    x: ndarray (then an ndarray comes back, float32 for float32) or Variable (a differentiable `functions.logsumexp`).
    -inf is the logarithm of an empty sum and of a sum of zeros.
    """
    if isinstance(x, Variable):
        return F.logsumexp(x, axis=axis, keepdims=True)
    x = np.asarray(x)
    if x.dtype.kind in "biu":
        x = x.astype(np.float64)
    m = x.max(axis=axis, keepdims=True, initial=-np.inf)
    m = np.where(np.isfinite(m), m, m.dtype.type(0))
    with np.errstate(over="ignore", divide="ignore"):   # only where the maximum is infinite, and so is the result
        return np.log(np.exp(x - m).sum(axis=axis, keepdims=True)) + m  # type: ignore[no-any-return]
