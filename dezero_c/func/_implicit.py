"""`root` and `fixed_point`: solutions of equations, with the derivatives that the implicit function theorem gives them.

Where f(x, a) = 0 and its Jacobian by x is J, dx/da = -J^-1 df/da, whatever way x was found. Backward solves J' v = gx once, and
hands -v to f's own graph. It is written over Variables, x being the solution itself, so that every order follows.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c import _pull
from dezero_c import functions as F
from dezero_c.func._checkpoint import _filled, _taken
from dezero_c.func._matrices import jacobian
from dezero_c.func._scope import check_callable, kept
from dezero_c.func._trees import LEAF, built, flatten, variable_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["fixed_point", "root"]


class _Equation:
    """f(x, *args) with x, a tree, as one vector, and Variables among the args given apart."""

    def __init__(self, op: str, f: Callable[..., Any], x0: Any, args: tuple[Any, ...]) -> None:
        check_callable(f, op)
        if _core.is_traced():
            raise TypeError(f"{op}: how many steps it takes depends on values, which a captured function does not look at; "
                            "call it outside of it")
        leaves, self.structure = flatten(x0, f"{op}: x0")
        values = [variable_of(x).data for x in leaves]
        if not values:
            raise ValueError(f"{op}: x0 holds no number")
        for x in values:
            if x.dtype.kind not in "fiu":
                raise TypeError(f"{op}: x0 is of dtype {x.dtype}; give real numbers")
        self.op, self.f = op, f
        self.shapes = [x.shape for x in values]
        self.dtype = np.result_type(*[x.dtype if x.dtype.kind == "f" else np.float64 for x in values])
        self.start = np.concatenate([np.ravel(x).astype(self.dtype) for x in values])
        self.given: list[_core.Variable] = []
        self.template = _taken(args, self.given)

    def tree(self, x: Any) -> Any:
        at, leaves = 0, []
        for shape in self.shapes:
            n = math.prod(shape)
            leaves.append(F.reshape(x[at:at + n], shape))
            at += n
        return leaves[0] if self.structure == LEAF else built(self.structure, iter(leaves))

    def __call__(self, x: Any, given: Sequence[Any]) -> _core.Variable:
        """The vector of f's values."""
        leaves, structure = flatten(self.f(self.tree(x), *_filled(self.template, iter(given))), f"{self.op}: the result of f")
        found = [variable_of(y) for y in leaves]
        if structure != self.structure or [y.shape for y in found] != self.shapes:
            hint = ": one array, as F.stack([a, b]) makes one of numbers" if self.structure == LEAF != structure else ""
            raise ValueError(f"{self.op}: f gave {structure!r} of shapes {[y.shape for y in found]} for x {self.structure!r} of "
                             f"shapes {self.shapes}; there are to be as many equations as unknowns, in a tree like x{hint}")
        return F.concatenate([F.reshape(y, (-1,)) for y in found])

    def values(self, x: Any) -> Any:
        with _core.no_grad():
            return np.asarray(self(_core.Variable(x), self.given).data)


class _Solved(_core.Function):
    """The solution of an equation, as a function of what the equation depends on besides."""

    op = "root"

    def __init__(self, equation: _Equation, x: Any) -> None:
        self.equation, self.x = equation, x

    def others(self) -> list[_core.Variable]:
        """What f closes over."""
        before = _pull.begin()
        try:
            xs, floor = _pull.arguments([self.x, *self.equation.given], False)
            others = _pull.outside(xs, [self.equation(xs[0], xs[1:])], floor)
        finally:
            _pull.end(before)
        self.closed = kept(others)
        return self.closed

    def forward(self, *data: Any) -> Any:
        return self.x

    def backward(self, *gys: Any) -> Any:
        gx, = gys
        record = _core.Config.enable_backprop
        inputs = _core.inputs_of(self)
        n_given = len(self.equation.given)
        x = self.outputs[0]() if record else self.x
        before = _pull.begin()
        try:
            xs, _ = _pull.arguments([x, *inputs[:n_given]], record)
            y = self.equation(xs[0], xs[1:])
            leaves = [*xs, *self.closed]    # all of them each time: a search must not go on into the graph outside
            rows = []
            for row in np.eye(len(self.x), dtype=self.x.dtype):
                found = _pull.pull([y], [_core.Variable(row)], leaves, 0, record)[0]
                rows.append(_core.Variable(np.zeros_like(self.x)) if found is None else found)
            v = F.solve(F.transpose(F.stack(rows)), gx)
            return tuple(_pull.pull([y], [-v], leaves, 0, record)[1:])
        except np.linalg.LinAlgError:
            raise ValueError(f"{self.equation.op}: the Jacobian at the solution is singular; the solution is no function of the "
                             "arguments there") from None
        finally:
            _pull.end(before)


def _solution(equation: _Equation, x: Any) -> Any:
    """The tree of the solution, which depends on what f depends on."""
    y = _core.Variable(x)
    if _core.Config.enable_backprop:
        solved = _Solved(equation, x)
        others = solved.others()
        if equation.given or others:
            y = solved(*equation.given, *others)
    return equation.tree(y)


def _checked(op: str, tol: float | None, max_steps: int, dtype: Any) -> float:
    if tol is not None and not tol > 0:
        raise ValueError(f"{op}: tol is {tol!r}; give a number above 0")
    if isinstance(max_steps, bool) or not isinstance(max_steps, (int, np.integer)) or max_steps < 1:
        raise ValueError(f"{op}: max_steps is {max_steps!r}; give a whole number, 1 at least")
    return float(tol) if tol is not None else float(64 * np.finfo(dtype).eps)


def root(f: Callable[..., Any], x0: Any, *args: Any, tol: float | None = None, max_steps: int = 50) -> Any:
    """x near x0 with f(x, *args) = 0, by Newton's method: a tree like x0 of Variables. An operation like those of
    dezero_c.functions: gradients go to the Variables among args and to those that f closes over, by the implicit function
    theorem, at every order. None goes to x0.

    f gives a tree like x: as many equations as unknowns. A step that does not make the residuals' norm smaller is halved. It ends
    when a step is below tol (1 + |x|) in every element; tol: 64 times the dtype's eps. The Jacobian is dense: for some
    hundreds of unknowns. (SciPy's methods, without derivatives of the solution: `dezero_c.optimize.root`.)

    Raises RuntimeError where it does not converge, ValueError where the Jacobian is singular or shapes do not fit.
    """
    equation = _Equation("root", f, x0, args)
    tol = _checked("root", tol, max_steps, equation.dtype)
    x = equation.start
    slope = jacobian(lambda x: equation(x, equation.given), mode="rev")
    residual = equation.values(x)
    for _ in range(max_steps):
        if not np.all(np.isfinite(residual)):
            raise RuntimeError(f"root: f is not finite at x = {x}; begin elsewhere, or it is not defined for these arguments")
        try:
            with _core.no_grad():
                step = np.linalg.solve(np.asarray(slope(x)), residual)
        except np.linalg.LinAlgError:
            raise ValueError(f"root: the Jacobian is singular at {x}; begin elsewhere, or give equations that do not depend on "
                             "each other") from None
        small = bool(np.all(np.abs(step) <= tol * (1 + np.abs(x))))
        size, norm = 1.0, float(np.linalg.norm(residual))
        while True:
            new = (x - size * step).astype(x.dtype)
            with np.errstate(all="ignore"):
                found = equation.values(new)
                better = float(np.linalg.norm(found)) <= (1 - 1e-4 * size) * norm
            if better or small:
                break
            size /= 2
            if size < 1e-10:
                raise RuntimeError(f"root: no step from {x} makes the residuals, of norm {norm:.3g}, smaller: a minimum that is "
                                   "no root, or tol asks for more than the dtype has; begin elsewhere, or give a larger tol")
        if small and not better:        # rounding is all that is left
            return _solution(equation, x)
        x, residual = new, found
        if small:
            return _solution(equation, x)
    raise RuntimeError(f"root: {max_steps} steps have left residuals of norm {float(np.linalg.norm(residual)):.3g}; begin "
                       "nearer, or give a higher max_steps")


def fixed_point(g: Callable[..., Any], x0: Any, *args: Any, tol: float | None = None, max_steps: int = 10_000) -> Any:
    """x with g(x, *args) = x, by repeating x = g(x, *args) from x0: a tree like x0 of Variables, with derivatives by args and by
    what g closes over, at every order, by the implicit function theorem: the repetitions leave no graph.

    It ends when x changes by less than tol (1 + |x|) in every element; tol: 64 times the dtype's eps.

    Raises RuntimeError where it does not converge, ValueError for shapes that do not fit.
    """
    op = "fixed_point"
    equation = _Equation(op, g, x0, args)
    tol = _checked(op, tol, max_steps, equation.dtype)
    x = equation.start
    for _ in range(max_steps):
        new = equation.values(x).astype(x.dtype)
        if not np.all(np.isfinite(new)):
            raise RuntimeError(f"fixed_point: g is not finite at x = {x}: it does not converge from there, or is not defined "
                               "for these arguments")
        done = bool(np.all(np.abs(new - x) <= tol * (1 + np.abs(new))))
        x = new
        if done:
            return _solution(_Difference(equation), x)
    raise RuntimeError(f"fixed_point: x still changes after {max_steps:,} steps; g is no contraction near it, or give a larger "
                       "tol or max_steps, or take root(lambda x: g(x) - x, x0)")


class _Difference(_Equation):
    """g(x) - x of an equation for g(x)."""

    def __init__(self, equation: _Equation) -> None:
        self.__dict__.update(equation.__dict__)

    def __call__(self, x: Any, given: Sequence[Any]) -> _core.Variable:
        y: _core.Variable = super().__call__(x, given) - x
        return y
