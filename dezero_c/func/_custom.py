"""Functions with gradients of their own: `custom_vjp`, `from_numpy`; and `stop_gradient`.

What they give are operations like those of `dezero_c.functions`: they take arrays and Variables, and give Variables.
"""

from __future__ import annotations

import functools
import threading
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c import _pull
from dezero_c import functions as F
from dezero_c.func._scope import check_callable, kept, zeros
from dezero_c.func._trees import LEAF, built, count, flatten, variable_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

__all__ = ["custom_vjp", "from_numpy", "stop_gradient"]


def stop_gradient(x: Any) -> Any:
    """The values of x, a tree, as constants: no derivative goes through them, of any order or mode."""
    leaves, structure = flatten(x, "stop_gradient")
    return built(structure, iter([F.stop_gradient(leaf) for leaf in leaves]))


# ---- custom_vjp


class custom_vjp:
    """f with a backward of the caller's: JAX's protocol, also as a decorator.

        @custom_vjp
        def f(x, y): ...
        f.defvjp(fwd, bwd)

    fwd(x, y) gives (f(x, y), residuals), a tree or any other object; bwd(residuals, gy) a tuple with the gradient for each
    argument, trees like them, or None for zeros. nondiff_argnums: arguments that are no arrays; bwd has them first. Derivatives
    of higher order are those of bwd and, through the residuals, fwd. bwd is written with operations on Variables; forward mode
    needs it to be linear in gy.

    Raises TypeError where f is called before defvjp, or closes over a Variable, which bwd could give no gradient.
    """

    def __init__(self, f: Callable[..., Any], nondiff_argnums: Sequence[int] = ()) -> None:
        check_callable(f, "custom_vjp")
        functools.update_wrapper(self, f)
        self._f = f
        self._static = frozenset(nondiff_argnums)
        self._rules: tuple[Callable[..., Any], Callable[..., Any]] | None = None
        self._under_way = threading.local()     # .on: this thread computes a value by fwd, which may call f itself

    def defvjp(self, fwd: Callable[..., Any], bwd: Callable[..., Any]) -> None:
        """Says what forward keeps and backward makes of it."""
        check_callable(fwd, "custom_vjp.defvjp")
        check_callable(bwd, "custom_vjp.defvjp")
        self._rules = fwd, bwd

    def __call__(self, *args: Any) -> Any:
        name = f"custom_vjp {getattr(self._f, '__name__', 'f')}"
        if self._rules is None:
            raise TypeError(f"{name}: it has no rule yet; call f.defvjp(fwd, bwd) first")
        if getattr(self._under_way, "on", False):
            return self._f(*args)
        leaves, structures = [], []
        for k, arg in enumerate(args):
            if k in self._static:
                continue
            found, structure = flatten(arg, f"{name}, argument {k}")
            leaves += [variable_of(x) for x in found]
            structures.append(structure)
        function = _CustomVJP(name, self._under_way, *self._rules, self._static, args, structures)
        y = function(*leaves)
        return built(function.result, iter(y if isinstance(y, list) else [y]))


class _CustomVJP(_core.Function):
    """One call."""

    def __init__(self, name: str, under_way: Any, fwd: Any, bwd: Any, static: frozenset[int], args: Any,
                 structures: list[Any]) -> None:
        self.name, self.under_way, self.fwd, self.bwd = name, under_way, fwd, bwd
        self.static = [x for k, x in enumerate(args) if k in static]
        self.template = [k in static for k in range(len(args))]
        self.structures = structures
        self.residuals: Any = None
        self.result: Any = LEAF

    def _called(self, function: Any, xs: Sequence[_core.Variable]) -> Any:
        left, static, structures = iter(xs), iter(self.static), iter(self.structures)
        return function(*[next(static) if fixed else built(next(structures), left) for fixed in self.template])

    def _forward(self, xs: Sequence[_core.Variable]) -> tuple[list[_core.Variable], Any]:
        """(the leaves of y, residuals) of fwd."""
        made = self._called(self.fwd, xs)
        if not isinstance(made, tuple) or len(made) != 2:
            raise TypeError(f"{self.name}: fwd returns (y, residuals), not {type(made).__name__}")
        leaves, self.result = flatten(made[0], f"{self.name}: the result of fwd")
        return [variable_of(x) for x in leaves], made[1]

    def forward(self, *data: Any) -> Any:
        before = _pull.begin()
        self.under_way.on = True
        try:
            xs, floor = _pull.arguments(list(data), False)
            ys, residuals = self._forward(xs)
            others = _pull.outside(xs, ys, floor)
        finally:
            self.under_way.on = False
            _pull.end(before)
        self.residuals = _detached(residuals)
        values = [y.data if all(y is not x for x in xs) else y.data.copy() for y in ys]
        del ys, residuals
        others = kept(others)
        if others:
            raise TypeError(f"{self.name}: f closes over a Variable of shape {others[0].shape}, for which bwd gives no "
                            "gradient; pass it as an argument, or say stop_gradient")
        return tuple(values) if len(values) != 1 else values[0]

    def backward(self, *gys: Any) -> Any:
        inputs = _core.inputs_of(self)
        if _core.Config.enable_backprop or _core.is_traced():
            _, residuals = self._forward(inputs)    # derivatives of the gradient go through what it is made of
        else:
            residuals = self.residuals
        gxs = self.bwd(*self.static, residuals, built(self.result, iter(gys)))
        if not isinstance(gxs, (tuple, list)) or len(gxs) != len(self.structures):
            told = f"{len(gxs)} gradients" if isinstance(gxs, (tuple, list)) else type(gxs).__name__
            raise TypeError(f"{self.name}: bwd returned {told} for {len(self.structures)} arguments; return a tuple with one "
                            "for each, None for zeros")
        out: list[Any] = []
        left = iter(inputs)
        for k, (gx, structure) in enumerate(zip(gxs, self.structures, strict=True)):
            n = count(structure)
            xs = [next(left) for _ in range(n)]
            if gx is None:
                out += [None] * n
                continue
            leaves, found = flatten(gx, f"{self.name}: a gradient of bwd")
            if found != structure:
                raise TypeError(f"{self.name}: bwd returned the tree {found!r} for argument {k}, which is {structure!r}")
            for g, x in zip(leaves, xs, strict=True):
                if np.shape(g) != x.shape:
                    raise ValueError(f"{self.name}: bwd returned shape {np.shape(g)} for argument {k}, where x has {x.shape}")
                out.append(variable_of(g))
        return tuple(out)


def _detached(tree: Any) -> Any:
    """Residuals without graphs."""
    if isinstance(tree, _core.Variable):
        return _core.Variable(tree.data)
    if type(tree) in (list, tuple):
        return type(tree)(_detached(x) for x in tree)
    if type(tree) is dict:
        return {k: _detached(x) for k, x in tree.items()}
    if isinstance(tree, tuple) and hasattr(tree, "_fields"):
        return type(tree)(*[_detached(x) for x in tree])
    return tree


# ---- black boxes

_DIFFERENCES = ("2-point", "3-point")


def from_numpy(f: Callable[..., Any], vjp: Callable[..., Any] | None = None, jac: Any = "3-point") -> Callable[..., Any]:
    """f, a function of ndarrays that nothing is known of (Numba, SciPy, a subprocess), as an operation on Variables.

    f(*x): ndarrays (copies) in, one array or number out. Its gradient is vjp(gy, *x), an array for each argument (a tuple; one
    alone where there is one argument), where it is given; else by its Jacobian: jac(*x), arrays of shape y.shape + x.shape, or
    differences: "3-point", error about 1e-10 of the scale, two calls of f for each element of x, or "2-point", error about 1e-8,
    one call.

    The operation takes both modes. It has no second derivatives: where they are asked for NotImplementedError says so. TypeError
    for results or arguments that are no floats, ValueError for shapes that do not fit.
    """
    op = f"from_numpy {getattr(f, '__name__', type(f).__name__)}"
    check_callable(f, "from_numpy")
    if vjp is not None:
        check_callable(vjp, "from_numpy: vjp")
    if not callable(jac) and jac not in _DIFFERENCES:
        raise ValueError(f"from_numpy: jac is {jac!r}; it is a function, or one of {_DIFFERENCES}")
    box = _Box(op, f, vjp, jac)

    @functools.wraps(f, assigned=("__module__", "__name__", "__qualname__", "__doc__"), updated=())
    def operation(*xs: Any) -> _core.Variable:
        if not xs:
            raise TypeError(f"{op}: it was called without arguments")
        vs = []
        for k, x in enumerate(xs):
            v = variable_of(x)
            if v.dtype.kind != "f":
                raise TypeError(f"{op}: argument {k} is of dtype {v.dtype}; it takes floats (close over anything else)")
            vs.append(v)
        y: _core.Variable = _BlackBox(box)(*vs)
        return y

    return operation


class _Box:
    """f and what is known of its derivatives, on ndarrays."""

    def __init__(self, op: str, f: Any, vjp: Any, jac: Any) -> None:
        self.op, self.f, self.vjp, self.jac = op, f, vjp, jac

    def value(self, xs: Sequence[Any]) -> Any:
        y = np.asarray(self.f(*[np.array(x) for x in xs]))
        if y.dtype.kind in "iub":
            y = y.astype(float)
        if y.dtype.kind != "f":
            raise TypeError(f"{self.op}: f returned dtype {y.dtype}; it must return one array of floats, or a number")
        return y.copy() if y.base is not None else y

    def jacobians(self, xs: Sequence[Any], shape: tuple[int, ...]) -> list[Any]:
        """For each argument the matrix (y.size, x.size)."""
        size = int(np.prod(shape))
        if self.vjp is not None:
            rows = [self.gradients(np.reshape(e, shape), xs) for e in np.eye(size)]
            return [np.array([row[k].reshape(-1) for row in rows]).reshape(size, x.size) for k, x in enumerate(xs)]
        if callable(self.jac):
            found = self.jac(*[np.array(x) for x in xs])
            found = found if isinstance(found, (tuple, list)) and len(xs) > 1 else (found,)
            if len(found) != len(xs):
                raise ValueError(f"{self.op}: jac returned {len(found)} arrays for {len(xs)} arguments")
            for k, (j, x) in enumerate(zip(found, xs, strict=True)):
                if np.shape(j) != shape + x.shape:
                    raise ValueError(f"{self.op}: jac returned shape {np.shape(j)} for argument {k}, where y.shape + x.shape is "
                                     f"{shape + x.shape}")
            return [np.asarray(j).reshape(size, x.size) for j, x in zip(found, xs, strict=True)]
        return [self._differences(xs, k, shape) for k in range(len(xs))]

    def _differences(self, xs: Sequence[Any], k: int, shape: tuple[int, ...]) -> Any:
        x = xs[k]
        eps = np.finfo(x.dtype).eps
        steps = (eps ** (1 / 3) if self.jac == "3-point" else eps ** 0.5) * np.maximum(1, np.abs(x)).reshape(-1)
        middle = self.value(xs) if self.jac == "2-point" else None
        columns = []
        for e in range(x.size):
            ends = []
            for sign in (1, -1):
                moved = np.array(x)
                moved.reshape(-1)[e] += sign * steps[e]
                ends.append(moved)
            up = self.value([*xs[:k], ends[0], *xs[k + 1:]])
            down = middle if middle is not None else self.value([*xs[:k], ends[1], *xs[k + 1:]])
            # what the step has become in floating point, not what it was to be
            low = x.reshape(-1)[e] if middle is not None else ends[1].reshape(-1)[e]
            columns.append(((up - down) / (ends[0].reshape(-1)[e] - low)).reshape(-1))
        return np.array(columns).reshape(x.size, int(np.prod(shape))).T

    def gradients(self, gy: Any, xs: Sequence[Any]) -> list[Any]:
        """The products of gy with the Jacobians."""
        if self.vjp is None:
            return [(gy.reshape(-1) @ j).reshape(x.shape) for j, x in zip(self.jacobians(xs, gy.shape), xs, strict=True)]
        found = self.vjp(np.array(gy), *[np.array(x) for x in xs])
        found = found if isinstance(found, (tuple, list)) else (found,)
        if len(found) != len(xs):
            raise ValueError(f"{self.op}: vjp returned {len(found)} gradients for {len(xs)} arguments")
        for k, (g, x) in enumerate(zip(found, xs, strict=True)):
            if np.shape(g) != x.shape:
                raise ValueError(f"{self.op}: vjp returned shape {np.shape(g)} for argument {k}, where x has {x.shape}")
        return [np.array(g) for g in found]


class _BlackBox(_core.Function):
    """One call of a black box."""

    def __init__(self, box: _Box) -> None:
        self.box = box

    def forward(self, *xs: Any) -> Any:
        return self.box.value(xs)

    def backward(self, gy: Any) -> Any:
        found = _BlackBoxGradient(self.box)(gy, *_core.inputs_of(self))
        return tuple(found) if isinstance(found, list) else found

    def _push(self, dxs: Sequence[_core.Variable | None]) -> list[_core.Variable]:
        y: Any = _pull.outputs(self)[0]
        found: Any = _BlackBoxTangent(self.box, y.shape)(*[zeros(x) if dx is None else dx for x, dx in zip(
            _core.inputs_of(self), dxs, strict=True)], *_core.inputs_of(self))
        return [found]


class _NoSecond(_core.Function):
    """A derivative of a black box, which has none itself by the box's arguments."""

    box: _Box

    def _refused(self) -> NotImplementedError:
        return NotImplementedError(f"{self.box.op}: a second derivative goes through it, and from_numpy knows none; write f with "
                                   "dezero_c.functions, or use custom_vjp with a bwd of such operations")

    def backward(self, *gys: Any) -> Any:
        raise self._refused()


class _BlackBoxGradient(_NoSecond):
    """(gy, *x) -> the gradients of x."""

    def __init__(self, box: _Box) -> None:
        self.box = box

    def forward(self, gy: Any, *xs: Any) -> Any:
        found = [g.astype(x.dtype, copy=False) for g, x in zip(self.box.gradients(gy, xs), xs, strict=True)]
        return tuple(found) if len(found) > 1 else found[0]

    def _push(self, dxs: Sequence[_core.Variable | None]) -> list[Any]:
        dgy, *others = dxs
        if dgy is None or any(dx is not None for dx in others):
            raise self._refused()
        found: Any = _BlackBoxGradient(self.box)(dgy, *_core.inputs_of(self)[1:])
        return found if isinstance(found, list) else [found]


class _BlackBoxTangent(_NoSecond):
    """(*dx, *x) -> the tangent of y."""

    def __init__(self, box: _Box, shape: tuple[int, ...]) -> None:
        self.box, self.shape = box, shape

    def forward(self, *given: Any) -> Any:
        n = len(given) // 2
        dxs, xs = given[:n], given[n:]
        total = sum(j @ dx.reshape(-1) for j, dx in zip(self.box.jacobians(xs, self.shape), dxs, strict=True))
        return np.asarray(total).reshape(self.shape)
