"""`odeint`: initial value problems whose solutions can be differentiated.

The method's own arithmetic is differentiated ("discretise, then differentiate"): gradients are those of the numbers that were
computed, to rounding, of every order, and need no second problem to be solved backwards. Methods: the classical fourth-order
Runge-Kutta method in fixed steps; the pair of J. R. Dormand and P. J. Prince (A family of embedded Runge-Kutta formulae, 1980),
order 5 with an error estimate of order 4, in adaptive steps, with the dense output of E. Hairer, S. P. Norsett and G. Wanner
(Solving Ordinary Differential Equations I, II.6). Step sizes are constants to the derivatives.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c import functions as F
from dezero_c.func import checkpoint as _checkpoint
from dezero_c.func import checkpoint_loop as _checkpoint_loop
from dezero_c.func._scope import JOINED
from dezero_c.func._trees import LEAF, built, flatten, variable_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["Solution", "odeint"]

_A = ((1 / 5,), (3 / 40, 9 / 40), (44 / 45, -56 / 15, 32 / 9), (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
      (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656))
_B = (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84)
_C = (1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0)
# of order 5 less those of order 4
_E = (71 / 57600, 0.0, -71 / 16695, 71 / 1920, -17253 / 339200, 22 / 525, -1 / 40)


def _dense(s: Any) -> tuple[Any, ...]:
    """The weights of k1 to k7 at the fraction s of a step, but for the step size."""
    r, cubic, quartic = s - 1, s * s * (3 - 2 * s), s * s * (s - 1) * (s - 1)
    return (cubic * _B[0] + s * r * r - quartic * (5 * (2558722523 - 31403016 * s) / 11282082432), 0.0,
            cubic * _B[2] + quartic * (100 * (882725551 - 15701508 * s) / 32700410799),
            cubic * _B[3] - quartic * (25 * (443332067 - 31403016 * s) / 1880347072),
            cubic * _B[4] + quartic * (32805 * (23143187 - 3489224 * s) / 199316789632),
            cubic * _B[5] - quartic * (55 * (29972135 - 7076736 * s) / 822651844),
            s * s * r + quartic * (10 * (7414447 - 829305 * s) / 29380423))


def _sum(y: Any, weights: Sequence[Any], ks: Sequence[Any]) -> Any:
    """y + sum of weights times ks."""
    for w, k in zip(weights, ks, strict=False):
        if not (isinstance(w, float) and w == 0.0):
            y = y + w * k
    return y


class _Problem:
    """f on one Variable: a tree is one array of one axis in between."""

    def __init__(self, f: Callable[..., Any], y0: Any, args: tuple[Any, ...]) -> None:
        leaves, self.structure = flatten(y0, "odeint: y0")
        if not leaves:
            raise ValueError("odeint: y0 holds no number")
        self.f, self.args = f, args
        variables = [variable_of(x) for x in leaves]
        for x in variables:
            if x.data is None or x.dtype.kind not in "fiu" or x.dtype.itemsize > 8:
                raise TypeError(f"odeint: y0 is of dtype {None if x.data is None else x.dtype}; give numbers of float32 or "
                                "float64 (of a complex problem the real and the imaginary part)")
        self.shapes = [x.shape for x in variables]
        self.dtype = np.result_type(*[x.dtype if x.dtype.kind == "f" else np.float64 for x in variables])
        if self.dtype not in (np.float32, np.float64):
            self.dtype = np.dtype(np.float32)
        self.y0 = self.packed(variables)

    def packed(self, leaves: list[Any]) -> _core.Variable:
        leaves = [x if x.dtype == self.dtype else F.cast(x, self.dtype) for x in leaves]
        return leaves[0] if self.structure == LEAF else F.concatenate([F.reshape(x, (-1,)) for x in leaves])

    def tree(self, y: Any, lead: tuple[int, ...] = ()) -> Any:
        """The tree of what is packed in y, of shape (*lead, numbers)."""
        if self.structure == LEAF:
            return y
        at, leaves = 0, []
        for shape in self.shapes:
            n = math.prod(shape)
            leaves.append(F.reshape(y[..., at:at + n], (*lead, *shape)))
            at += n
        return built(self.structure, iter(leaves))

    def __call__(self, y: Any, t: Any) -> _core.Variable:
        leaves, structure = flatten(self.f(self.tree(y), t, *self.args), "odeint: the result of f")
        if structure != self.structure:
            if self.structure == LEAF:
                raise TypeError(f"odeint: f gave {structure!r} for a state that is one array of shape {self.shapes[0]}; give "
                                "such an array, as F.stack([a, b]) makes one of numbers")
            raise TypeError(f"odeint: f gave {structure!r} for a state {self.structure!r}; give the derivative of each of its "
                            "parts")
        found = [variable_of(x) for x in leaves]
        for x in found:
            if x.dtype.kind not in "fiu":
                raise TypeError(f"odeint: f gave dtype {x.dtype}; {JOINED if x.dtype.kind == 'O' else 'give real numbers'}")
        if [x.shape for x in found] != self.shapes:
            raise ValueError(f"odeint: f gave shapes {[x.shape for x in found]} for a state of shapes {self.shapes}; it is "
                             "called as f(y, t, *args), and gives dy/dt")
        return self.packed(found)


def _times(t: Any) -> tuple[Any, np.ndarray[Any, Any]]:
    """(t, its numbers)"""
    values = np.asarray(t.data if isinstance(t, _core.Variable) else t, dtype=np.float64)
    if values.ndim != 1 or not values.size:
        raise ValueError(f"odeint: t has shape {values.shape}; give an array of one axis, the first being y0's time")
    steps = np.diff(values)
    if not np.all(np.isfinite(values)) or not (np.all(steps > 0) or np.all(steps < 0)):
        raise ValueError("odeint: the times t must be finite, and rise, or fall, from each to the next")
    return (t if isinstance(t, _core.Variable) else values), values


def odeint(f: Callable[..., Any], y0: Any, t: Any, *args: Any, method: str = "dopri5", rtol: float = 1.4e-8, atol: float = 1.4e-8,
           steps: int = 1, first_step: float | None = None, max_steps: int = 100_000, checkpoint: bool = False,
           dense_output: bool = False) -> Any:
    """The solution of dy/dt = f(y, t, *args), y(t[0]) = y0, at the times t: a tree like y0 of Variables, each with an axis of
    len(t) in front. An operation like those of dezero_c.functions, with derivatives of every order.

    y0: a number, array, Variable, or tree of them, float32 or float64 (integers become float64). f(y, t, *args) gets such a tree
    of Variables and gives the derivatives as a like one. t: an array or Variable of one axis that rises or falls. Gradients go to
    the Variables among y0, t and args, and to those that f closes over. The order of arguments is that of JAX's odeint.

    method: "dopri5", steps of a size such that the estimated error of each is within atol + rtol |y| (root mean square); "rk4",
    `steps` steps from each time to the next. first_step: the size of dopri5's first step, otherwise estimated. checkpoint=True:
    of n steps, backward keeps the graphs of about sqrt(n) at a time and computes the others anew; derivatives of second order
    keep more. dense_output=True: gives (ys, Solution), of dopri5 alone.

    Raises RuntimeError where a step becomes too small (a singularity, nan), or there are more than max_steps (a stiff problem);
    ValueError and TypeError for what does not fit together. In a captured function: rk4.
    """
    if not callable(f):
        raise TypeError(f"odeint: f is a {type(f).__name__} and no function; the order is odeint(f, y0, t, *args)")
    if method not in ("dopri5", "rk4"):
        raise ValueError(f"odeint: method is {method!r}; there are 'dopri5' and 'rk4'")
    problem = _Problem(f, y0, args)
    t, values = _times(t)
    if method == "rk4":
        if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)) or steps < 1:
            raise ValueError(f"odeint: steps is {steps!r}; give a whole number, 1 at least")
        if dense_output:
            raise ValueError("odeint: dense_output is dopri5's; of rk4 give the times that are wanted as t")
        ys = _rk4(problem, t, len(values), int(steps), checkpoint)
        return problem.tree(F.stack(ys), (len(ys),))
    if _core.is_traced():
        raise TypeError("odeint: the steps of dopri5 depend on values, which a captured function does not look at; use "
                        "method='rk4', or call odeint outside of it")
    for name, value in (("rtol", rtol), ("atol", atol), ("first_step", first_step)):
        if value is not None:
            if isinstance(value, str):
                raise TypeError(f"odeint: {name} is {value!r}; give a number above 0")
            if not value > 0:
                raise ValueError(f"odeint: {name} is {value!r}; give a number above 0")
    if isinstance(max_steps, str) or max_steps is None:
        raise TypeError(f"odeint: max_steps is {max_steps!r}; give a number, 1 at least (math.inf: no limit)")
    if not max_steps >= 1:
        raise ValueError(f"odeint: max_steps is {max_steps!r}; give a number, 1 at least (math.inf: no limit)")
    if not any(map(math.prod, problem.shapes)):
        raise ValueError(f"odeint: y0 holds no number, its shapes are {problem.shapes}; there is no error to choose steps by")
    if checkpoint and dense_output:
        raise ValueError("odeint: dense_output keeps what checkpoint leaves out; ask for one of the two")
    kept = not checkpoint or not _core.Config.enable_backprop
    with _core.using_config("enable_backprop", kept and _core.Config.enable_backprop):
        walk = _Walk(problem, t if kept else values, values, rtol, atol, first_step, max_steps, dense_output)
        ys = walk.run()
    if not kept:
        ys = _in_groups(problem, t, values, walk.sizes)
    result = problem.tree(F.stack(ys), (len(ys),))
    return (result, Solution(problem, walk.path, values)) if dense_output else result


def _rk4(problem: _Problem, t: Any, n: int, steps: int, checkpoint: bool) -> list[Any]:
    y, ys = problem.y0, [problem.y0]
    for i in range(n - 1):
        start, h = t[i], (t[i + 1] - t[i]) * (1 / steps)

        def step(j: int, y: Any, start: Any = start, h: Any = h) -> Any:
            at, half = start + j * h, h * 0.5
            k1 = problem(y, at)
            k2 = problem(y + half * k1, at + half)
            k3 = problem(y + half * k2, at + half)
            k4 = problem(y + h * k3, at + h)
            return y + (h * (1 / 6)) * (k1 + 2.0 * (k2 + k3) + k4)

        if checkpoint and not _core.is_traced():
            y = _checkpoint_loop(step, steps, y)
        else:
            for j in range(steps):
                y = step(j, y)
        ys.append(y)
    return ys


def _stages(problem: _Problem, y: Any, k1: Any, at: Any, h: float) -> tuple[Any, list[Any]]:
    """(y at the end of a step of size h, its seven derivatives)"""
    ks = [k1]
    for a, c in zip(_A, _C, strict=False):
        ks.append(problem(_sum(y, [h * x for x in a], ks), at + c * h))
    y = _sum(y, [h * b for b in _B], ks)
    ks.append(problem(y, at + h))
    return y, ks


def _within(y: Any, ks: list[Any], h: float, s: Any) -> Any:
    """The solution at the fraction s of a step."""
    return _sum(y, [h * w if not isinstance(w, float) or w else 0.0 for w in _dense(s)], ks)


class _Walk:
    """A run of dopri5, which chooses its steps."""

    def __init__(self, problem: _Problem, t: Any, values: Any, rtol: float, atol: float, first: float | None, most: int,
                 path: bool) -> None:
        self.problem, self.t, self.values = problem, t, values
        self.rtol, self.atol, self.first, self.most = rtol, atol, first, most
        self.sizes: list[float] = []
        self.path: list[Any] | None = [] if path else None

    def norm(self, error: Any, *ys: Any) -> float:
        """The root mean square of an error, in units of what is allowed."""
        allowed = self.atol + self.rtol * np.abs(ys).max(axis=0)
        with np.errstate(all="ignore"):
            return float(np.sqrt(np.mean((np.asarray(error, np.float64) / allowed) ** 2)))

    def begin(self, y: Any, k1: Any, start: float, sign: float) -> float:
        """The size of the first step (Hairer, Norsett and Wanner, II.4)."""
        a, b = y.data, k1.data
        d0, d1 = self.norm(a, a), self.norm(b, a)
        h0 = 1e-6 if min(d0, d1) < 1e-5 else 0.01 * d0 / d1
        with _core.no_grad():
            k2 = self.problem(_core.Variable(np.asarray(a + (sign * h0) * b, a.dtype)), start + sign * h0).data
        d2 = self.norm(k2 - b, a) / h0
        h1 = max(1e-6, h0 * 1e-3) if max(d1, d2) <= 1e-15 else (0.01 / max(d1, d2)) ** 0.2
        return min(100 * h0, h1) if math.isfinite(h1) else h0

    def run(self) -> list[Any]:
        problem, values, y = self.problem, self.values, self.problem.y0
        ys = [y]
        if len(values) == 1:
            return ys
        start, sign = float(values[0]), float(np.sign(values[1] - values[0]))
        base = self.t[0] if isinstance(self.t, _core.Variable) else start
        k1 = problem(y, base)
        if not np.all(np.isfinite(k1.data)):
            raise ValueError(f"odeint: f is not finite at the start, t = {start:g}")
        h = self.first if self.first is not None else self.begin(y, k1, start, sign)
        done = 0.0      # from the start to where the step begins; the step sizes are constants
        reach = abs(float(values[-1]) - start)
        tried = 0
        while len(ys) < len(values):
            if tried >= self.most:
                raise RuntimeError(f"odeint: {self.most:,} steps have come to t = {start + sign * done:g} of {values[-1]:g}; a "
                                   "stiff problem needs another method; or give a higher max_steps, or larger rtol and atol")
            tried += 1
            if not h > 16 * np.finfo(np.float64).eps * max(abs(start + sign * done), reach * 1e-3):
                raise RuntimeError(f"odeint: the step has become {h:.3g} at t = {start + sign * done:g}: the solution has a "
                                   "singularity there, f gives nan, or rtol and atol ask for more than the dtype has")
            new, ks = _stages(problem, y, k1, base + sign * done, sign * h)
            with np.errstate(all="ignore"):
                error = self.norm(h * sum(e * k.data for e, k in zip(_E, ks, strict=True) if e), y.data, new.data)
            if not error <= 1:
                h *= max(0.2, 0.9 * error ** -0.2) if math.isfinite(error) else 0.2
                continue
            self.sizes.append(sign * h)
            if self.path is not None:
                self.path.append((start + sign * done, sign * h, y, ks))
            ys += _inside(values, self.t, len(ys), y, ks, done, sign * h, base)
            done += h
            y, k1 = new, ks[6]
            h *= min(10.0, 0.9 * error ** -0.2) if error > 0 else 10.0
        return ys


def _inside(values: Any, t: Any, first: int, y: Any, ks: list[Any], done: float, h: float, base: Any) -> list[Any]:
    """The solution at those times, from number `first` on, that lie within a step, which begins `done` after the start."""
    found: list[Any] = []
    sign = math.copysign(1.0, h)
    while first < len(values) and (values[first] - values[0]) * sign <= done + abs(h):
        s = (t[first] - base - sign * done) * (1 / h)
        found.append(_within(y, ks, h, s if isinstance(s, _core.Variable) else float(s)))
        first += 1
    return found


def _in_groups(problem: _Problem, t: Any, values: Any, sizes: list[float]) -> list[Any]:
    """The same steps once more, about sqrt(n) of them a checkpoint."""
    y, ys = problem.y0, [problem.y0]
    base = t[0] if isinstance(t, _core.Variable) else float(values[0])
    if not sizes:
        return ys
    k1 = problem(y, base)
    length = math.isqrt(len(sizes) - 1) + 1
    done = 0.0
    for at in range(0, len(sizes), length):
        part, began, first = sizes[at:at + length], done, len(ys)

        def group(y: Any, k1: Any, t: Any, part: Any = part, began: float = began, first: int = first) -> Any:
            base = t[0] if isinstance(t, _core.Variable) else float(values[0])
            found: list[Any] = []
            done = began
            for h in part:
                new, ks = _stages(problem, y, k1, base + math.copysign(done, h), h)
                found += _inside(values, t, first + len(found), y, ks, done, h, base)
                done += abs(h)
                y, k1 = new, ks[6]
            return y, k1, found

        y, k1, found = _checkpoint(group)(y, k1, t)
        ys += found
        for h in part:
            done += abs(h)
    return ys


class Solution:
    """The solution of an initial value problem at any time between the first and the last: sol(t), of a number or an array of one
    axis, gives Variables, with derivatives by t too."""

    def __init__(self, problem: _Problem, path: list[Any] | None, values: Any) -> None:
        self._problem, self._path = problem, path or []
        self._values = values
        self._ends = np.array([abs(at + h - values[0]) for at, h, _, _ in self._path])

    def __repr__(self) -> str:
        return f"<Solution from t = {self._values[0]:g} to {self._values[-1]:g}, {len(self._path)} steps>"

    def __call__(self, t: Any) -> Any:
        """y(t), of y0's shapes, or with an axis of len(t) in front. Raises ValueError for times outside."""
        values = np.asarray(t.data if isinstance(t, _core.Variable) else t, np.float64)
        if values.ndim == 0:
            return self._problem.tree(self._at(t, float(values)))
        if values.ndim > 1:
            raise ValueError(f"Solution: t has shape {values.shape}; give a number, or an array of one axis")
        return self._problem.tree(F.stack([self._at(t[i], float(v)) for i, v in enumerate(values)]), values.shape)

    def _at(self, t: Any, value: float) -> Any:
        low, high = sorted((float(self._values[0]), float(self._values[-1])))
        if not low <= value <= high:
            raise ValueError(f"Solution: t = {value:g} is outside of {low:g} to {high:g}")
        if not self._path:
            return self._problem.y0
        k = min(int(np.searchsorted(self._ends, abs(value - self._values[0]))), len(self._path) - 1)
        at, h, y, ks = self._path[k]
        s = (t - at) * (1 / h)
        return _within(y, ks, h, s if isinstance(s, _core.Variable) else float(s))
