"""SciPy's optimizers with exact derivatives: `minimize`, `least_squares`, `root`, `curve_fit`, `nonlinear_constraint`.

    from dezero_c import optimize
    optimize.minimize(f, x0, method="trust-exact").x, optimize.curve_fit(f, xdata, ydata)

Names, arguments and results are SciPy's, which does the work and is imported on use (pip install "dezero_c[scipy]"). f is written
with `dezero_c.functions`, operators, or NumPy's functions on its argument, as for `dezero_c.func`. Where SciPy would take
differences it gets the gradient, Hessian, products with it, or Jacobian, by what the method takes; a `jac=`, `hess=` or `hessp=`
of the caller's goes before, "2-point" too. All is computed in float64, whatever x0's dtype is. f runs once for each distinct x:
the last eight are remembered, with their graphs where second derivatives or Jacobians are wanted. Arrays that SciPy gets are
copies.

x0 may be a number, an array, a tree (list, tuple, dict, NamedTuple, dataclass of them) or a model; f is called with such a
tree, or with the model. `result.x` is that tree, float64, for a model the dict of its parameters, and `result.vector` the flat
one, in the order of `func.ravel`; the other fields are SciPy's. A model has the result as its parameters, in their own dtypes,
when a call has returned, converged or not; after an exception it is as it was.

A function that `dezero_c.capture` has made has its derivatives captured too, kept with it for further calls: value and gradient
of a few numbers take a tenth. `result.captured` says whether that was so. What a plan refuses runs as it is, and so do models and
dataclasses. Other functions are never captured: what a plan does not compare (elements of lists that f names) would be frozen.
"""

from __future__ import annotations

import contextlib
import inspect
from collections import OrderedDict
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c import _pull, func
from dezero_c import functions as F
from dezero_c._capture import Captured, CaptureError, capture
from dezero_c.func._forward import NotForward, Push
from dezero_c.func._matrices import CapturedHessian, _blocks, _forward
from dezero_c.func._reverse import _number, check_floats
from dezero_c.func._scope import Scope, plain
from dezero_c.func._trees import LEAF, built, flatten, swapped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any

__all__ = ["curve_fit", "least_squares", "minimize", "nonlinear_constraint", "root"]

_REMEMBERED = 8
_GRADIENT = {"cg", "bfgs", "l-bfgs-b", "tnc", "slsqp"}
_PRODUCTS = {"newton-cg", "trust-ncg", "trust-krylov", "trust-constr"}
_HESSIAN = {"dogleg", "trust-exact"}


def _scipy(op: str) -> Any:
    try:
        import scipy.optimize
    except ImportError as error:
        raise ImportError(f'{op} needs SciPy, which is not installed: pip install "dezero_c[scipy]"') from error
    if _pull.under_way() or _core.is_traced():
        raise TypeError(f"{op}: a search has no derivative and no plan; call it outside of transforms and captured functions")
    return scipy.optimize


# ---- x as a tree and as a vector


class _Tree:
    """x0: its structure, and its numbers as a vector of float64."""

    def __init__(self, x0: Any, op: str) -> None:
        self.op = op
        if type(x0) in (list, tuple) and x0 and all(_is_number(x) for x in x0):
            x0 = np.asarray([plain(x) for x in x0])     # as SciPy takes them
        self.name = name = "p0" if op == "curve_fit" else "x0"
        leaves, self.structure = flatten(x0, f"{op}: {name}")
        arrays = []
        for k, leaf in enumerate(leaves):
            a = np.asarray(leaf.data if isinstance(leaf, _core.Variable) else leaf)
            place = name if self.structure == LEAF else f"leaf {k} of {name}"
            if a.dtype.kind not in "fiub":
                raise TypeError(f"{op}: {place} is of dtype {a.dtype}; what is searched for is real numbers")
            if not np.isfinite(a).all():
                raise ValueError(f"{op}: {place} has nan or inf")
            arrays.append(a)
        self.shapes = [a.shape for a in arrays]
        self.sizes = [a.size for a in arrays]
        self.vector = np.concatenate([np.zeros(0), *[a.reshape(-1).astype(np.float64) for a in arrays]])
        if not self.vector.size:
            raise ValueError(f"{op}: {name} has no numbers")
        self.is_vector = self.structure == LEAF and len(self.shapes[0]) == 1
        self.key = repr(self.structure), tuple(self.shapes)
        self.models: list[Any] = []
        built(self.structure, iter(leaves), self.models)

    def parts(self, v: Any) -> list[Any]:
        """The leaves of a vector, which may be a Variable."""
        if self.is_vector:
            return [v]
        found, at = [], 0
        for shape, size in zip(self.shapes, self.sizes, strict=True):
            part = v[at] if shape == () else v[at:at + size]
            found.append(part if len(shape) < 2 else part.reshape(shape))
            at += size
        return found

    def tree(self, x: Any) -> Any:
        """A vector of SciPy's as the caller's tree of arrays."""
        return built(self.structure, iter([np.array(part) for part in self.parts(np.asarray(x))]))

    def vector_of(self, tree: Any) -> Any:
        """A tree that the caller has returned as a vector; a vector stays."""
        return tree if isinstance(tree, np.ndarray) and tree.ndim == 1 else plain(func.ravel(tree)[0])

    def finish(self, result: Any, captured: bool) -> Any:
        """SciPy's result with x as the tree; models get it."""
        result.vector = np.array(result.x)
        result.captured = captured
        result.x = self.tree(result.vector)
        if self.models:
            swaps: list[Any] = []
            built(self.structure, iter(self.parts(result.vector)), swaps)
            for model, found in swaps:
                named = dict(model.named_params())
                for name, a in found.items():
                    named[name].data = np.array(a, named[name].dtype)
        return result

    def bounds(self, given: Any) -> tuple[Any, Any]:
        """(lower, upper), vectors, of a tree of pairs like x0."""
        lower: list[Any] = []
        upper: list[Any] = []
        self._pairs(self.structure, given, lower, upper, "bounds")
        return np.concatenate(lower), np.concatenate(upper)

    def _pairs(self, structure: Any, given: Any, lower: list[Any], upper: list[Any], place: str) -> None:
        if structure == LEAF:
            shape = self.shapes[len(lower)]
            if given is None:
                given = None, None
            if not isinstance(given, (tuple, list, np.ndarray)) or len(given) != 2:
                raise ValueError(f"{self.op}: {place} is {given!r}; give a pair (lower, upper), with None for no bound")
            for end, out, none in zip(given, (lower, upper), (-np.inf, np.inf), strict=True):
                a = np.asarray(none if end is None else end, np.float64)
                try:
                    out.append(np.broadcast_to(a, shape).reshape(-1))
                except ValueError:
                    raise ValueError(f"{self.op}: {place} has shape {a.shape} where x0 has {shape}") from None
            return
        if structure.kind is None:
            return
        kind = structure.kind
        if given is None:
            parts = [None] * len(structure.children)
        elif kind is dict:
            if not isinstance(given, dict) or {*given} - {*structure.keys}:
                raise ValueError(f"{self.op}: {place} is not like x0, which is {structure!r}; give a dict with a pair (lower, "
                                 "upper) in place of each *, or a scipy.optimize.Bounds of the flat vector")
            parts = [given.get(k) for k in structure.keys]
        elif kind in (list, tuple) or structure.origin is None:
            if not isinstance(given, (list, tuple)) or len(given) != len(structure.children):
                raise ValueError(f"{self.op}: {place} is not like x0, which is {structure!r}; give a pair (lower, upper) in "
                                 "place of each *, or a scipy.optimize.Bounds of the flat vector")
            parts = list(given)
        else:
            parts = [getattr(given, k) for k in structure.keys]
        for k, child, part in zip(structure.keys, structure.children, parts, strict=True):
            self._pairs(child, part, lower, upper, f"{place}[{k!r}]")


def _has_origin(structure: Any) -> bool:
    """Whether there are models and dataclasses in a tree, which are more than their numbers."""
    return structure != LEAF and (structure.origin is not None or any(_has_origin(child) for child in structure.children))


def _is_number(x: Any) -> bool:
    return np.ndim(x) == 0 and not isinstance(x, (dict, str, type(None))) and isinstance(
        x, (int, float, np.generic, np.ndarray, _core.Variable)) and not isinstance(x, _core.Parameter)


# ---- f and its derivatives at a point


class _Graph:
    """One run of f at x, and what is had from its graph."""

    def __init__(self, flat: Callable[..., Any], x: Any, args: tuple[Any, ...], op: str) -> None:
        with Scope(op, (x, *args), (0,)) as scope:
            y = scope.call(flat)
        self.scope, self.y = scope, y
        self._push: tuple[bytes, Any, Any] | None = None

    def pull(self, gy: Any, record: bool) -> Any:
        """The gradient of sum(gy * f(x)), a Variable."""
        scope = self.scope
        before = _pull.begin()
        try:
            g, = _pull.pull([self.y], [_core.Variable(np.asarray(gy, self.y.dtype))], scope.xs, scope.floor, record)
        finally:
            _pull.end(before)
        return _core.Variable(np.zeros(scope.xs[0].shape)) if g is None else g

    def _second(self, gy: Any) -> tuple[Any, Any]:
        """(push, g): the way of tangents to the gradient of sum(gy * f(x))."""
        key = np.asarray(gy).tobytes()
        if self._push is None or self._push[0] != key:
            g = self.pull(gy, True)
            self._push = key, Push(self.scope.xs, [g], self.scope.floor, self.scope.op), g
        return self._push[1:]

    def hessian(self, gy: Any) -> Any:
        before = _pull.begin()
        try:
            push, g = self._second(gy)
            return _forward(push, self.scope, [g])[0][0]
        finally:
            _pull.end(before)

    def product(self, gy: Any, v: Any) -> Any:
        before = _pull.begin()
        try:
            push, g = self._second(gy)
            found, = push([_core.Variable(np.array(v, np.float64))], False)
        finally:
            _pull.end(before)
        return np.zeros(g.shape) if found is None else found.data

    def jacobian(self) -> Any:
        before = _pull.begin()
        try:
            return _blocks(self.scope, [self.y], "auto")[0][0]
        finally:
            _pull.end(before)


class _Point:
    """What is known at one x."""

    __slots__ = ("gradient", "graph", "hessian", "jacobian", "value")

    def __init__(self) -> None:
        self.value: Any = None
        self.gradient: Any = None
        self.hessian: Any = None
        self.jacobian: Any = None
        self.graph: _Graph | None = None


class _Plans:
    """The captured derivatives of a captured function, by a flat vector."""

    def __init__(self, f: Captured, flat: Callable[..., Any]) -> None:
        def value(x: Any, *args: Any) -> Any:
            return flat(x if isinstance(x, _core.Variable) else _core.Variable(x), *args)

        def product(x: Any, v: Any, *args: Any) -> Any:
            return func.hvp(lambda u: flat(u, *args), x, v)

        def weighted(x: Any, v: Any, *args: Any) -> Any:
            return func.hessian(lambda u: F.sum(flat(u, *args) * v))(x)

        self._f = f
        self.value = self._captured(value)
        self.both = self._captured(func.value_and_grad(flat))
        self._hessian = CapturedHessian(self.value, "minimize")
        self._hessian_with = self._captured(func.hessian(flat))
        self.product = self._captured(product)
        self.jacobian = self._captured(func.jacobian(flat))
        self.weighted = self._captured(weighted)
        self.refused: set[str] = set()

    def hessian(self, x: Any, *args: Any) -> Any:
        """The Hessian at x; None where it cannot be had from a plan."""
        return self._hessian_with(x, *args) if args else self._hessian(x)

    def _captured(self, function: Any) -> Captured:
        """With f's own guards: what its code names is compared at each call."""
        f = self._f
        function.__wrapped__ = f._f
        made = Captured(function, f._static, f._on_read, f._check, f._max_plans)
        made._guarded_by = f._guarded_by
        return made


class _Derivatives:
    """f of a vector of float64, for SciPy: value, gradient, Hessian, product, Jacobian. f runs once for each distinct x.

    number: f gives one number, else residuals. gradient: values come with gradients; else the graph is kept for what may be
    wanted.
    """

    def __init__(self, f: Callable[..., Any], tree: _Tree, op: str, number: bool, gradient: bool = False) -> None:
        if not callable(f):
            raise TypeError(f"{op}: {type(f).__name__} is no function")
        self.op, self.tree, self.number, self.with_gradient = op, tree, number, gradient
        self.plans: _Plans | None = None
        self.captured = False
        self._points: OrderedDict[bytes, _Point] = OrderedDict()
        self._fresh = True
        self._open: contextlib.ExitStack | None = None
        self._f: Any = f
        if isinstance(f, Captured) and not _has_origin(tree.structure):
            kept = f.__dict__.setdefault("_optimize", {})
            key = op, number, *tree.key
            if key not in kept:
                kept[key] = _Plans(f, self._flat)
            self.plans = kept[key]

    def _flat(self, v: Any, *args: Any) -> Any:
        """f of a vector: one number, or a vector."""
        tree = self.tree
        if tree.is_vector:
            y = self._f(v, *args)
        else:
            swaps: list[Any] = []
            x = built(tree.structure, iter(tree.parts(v)), swaps)
            if swaps:       # until all derivatives are there: checkpoints compute with the models once more
                context = swapped(swaps)
                if self._open is None:
                    with context:
                        y = self._f(x, *args)
                    return self._checked(y)
                self._open.enter_context(context)
            y = self._f(x, *args)
        return self._checked(y)

    def _checked(self, y: Any) -> Any:
        op = self.op
        if y is None:
            raise TypeError(f"{op}: f returned None; is a return statement missing?")
        if not self.number:
            if isinstance(y, (list, tuple, dict)):
                y, _ = func.ravel(y)
            if not isinstance(y, _core.Variable) and not hasattr(y, "_slot"):
                y = _core.Variable(np.asarray(y))
            y = y if len(y.shape) == 1 else y.reshape((-1,))
            check_floats([y], op)
            return y
        if isinstance(y, (list, tuple)):
            y, _ = func.ravel(y)
        shape = np.shape(y)
        if shape != () and int(np.prod(shape)) == 1:
            y = y.reshape(())
        elif shape != ():
            raise ValueError(f"{op}: f returned shape {shape}, and what is minimized is one number, shape (); least_squares "
                             "takes residuals whose sum of squares is meant, otherwise take the sum or mean")
        return _number(y, op)

    def _at(self, x: Any) -> tuple[_Point, Any]:
        """(what is known at x, x as an array that is nobody else's)."""
        x = np.array(x, np.float64)
        key = x.tobytes()
        point = self._points.get(key)
        if point is None:
            point = self._points[key] = _Point()
            if len(self._points) > _REMEMBERED:
                self._points.popitem(last=False)
        else:
            self._points.move_to_end(key)
        return point, x

    @contextlib.contextmanager
    def _models(self) -> Iterator[None]:
        if not self.tree.models:
            yield
            return
        with contextlib.ExitStack() as self._open:
            try:
                yield
            finally:
                stack, self._open = self._open, None
                stack.close()

    def _planned(self, name: str, *args: Any) -> Any:
        """What the captured function of that name gives; None where there is none."""
        plans = self.plans
        if plans is None or name in plans.refused:
            return None
        try:
            found = getattr(plans, name)(*args)
        except (CaptureError, NotForward):
            found = None
        if found is None:
            if not _core.is_observed():     # for this call alone
                plans.refused.add(name)
            return None
        self.captured = True
        return found

    def _graph(self, point: _Point, x: Any, args: tuple[Any, ...]) -> _Graph:
        if point.graph is None:
            point.graph = _Graph(self._flat, x, args, self.op)
        return point.graph

    def _told(self, point: _Point) -> None:
        """Raises for nan in the first value or gradient."""
        self._fresh = False
        for a, what in ((point.value, "f"), (point.gradient, "the gradient of f")):
            if a is not None and np.isnan(a).any():
                x0 = self.tree.tree(self.tree.vector)
                raise ValueError(f"{self.op}: {what} is nan at {self.tree.name}, {x0!r}; start where f is defined")

    def _need_value(self, x: Any, args: tuple[Any, ...]) -> _Point:
        point, x = self._at(x)
        if point.value is None:
            try:
                self._value_at(point, x, args)
            except BaseException:
                self._points.pop(x.tobytes(), None)
                raise
            if self._fresh:
                self._told(point)
        return point

    def _value_at(self, point: _Point, x: Any, args: tuple[Any, ...]) -> None:
        if self.number:
            found = self._planned("both", x, *args)
            if found is None and self.with_gradient:
                with self._models():
                    found = func.value_and_grad(self._flat)(x, *args)
            if found is not None:
                point.value, point.gradient = float(found[0]), found[1]
                return
        else:
            found = self._planned("value", x, *args)
            if found is not None:
                point.value = np.asarray(plain(found))
                return
        with self._models():
            graph = self._graph(point, x, args)
        point.value = float(graph.y.data) if self.number else np.array(graph.y.data, np.float64)

    def value(self, x: Any, *args: Any) -> Any:
        value = self._need_value(x, args).value
        return value if self.number else value.copy()

    def gradient(self, x: Any, *args: Any) -> Any:
        point = self._need_value(x, args)
        if point.gradient is None:
            with self._reentered(point, x, args) as graph:
                point.gradient = np.array(graph.pull(1.0, False).data)
        return point.gradient.copy()

    @contextlib.contextmanager
    def _reentered(self, point: _Point, x: Any, args: tuple[Any, ...]) -> Iterator[_Graph]:
        """The graph of x, with the models computing with it."""
        with self._models():
            graph = point.graph
            if graph is None:
                graph = self._graph(point, np.array(x, np.float64), args)
            elif self.tree.models and self._open is not None:
                swaps: list[Any] = []
                built(self.tree.structure, iter(self.tree.parts(graph.scope.xs[0])), swaps)
                self._open.enter_context(swapped(swaps))
            yield graph

    def hessian(self, x: Any, *args: Any) -> Any:
        point, x = self._at(x)
        if point.hessian is None:
            point.hessian = self._planned("hessian", x, *args)
            if point.hessian is None:
                with self._reentered(point, x, args) as graph:
                    point.hessian = graph.hessian(1.0)
        return np.array(point.hessian)

    def product(self, x: Any, v: Any, *args: Any) -> Any:
        found = self._planned("product", np.array(x, np.float64), np.array(v, np.float64).reshape(-1), *args)
        if found is None:
            point, x = self._at(x)
            with self._reentered(point, x, args) as graph:
                found = np.array(graph.product(1.0, np.reshape(v, -1)))
        return found

    def jacobian(self, x: Any, *args: Any) -> Any:
        point, x = self._at(x)
        if point.jacobian is None:
            point.jacobian = self._planned("jacobian", x, *args)
            if point.jacobian is None:
                with self._reentered(point, x, args) as graph:
                    point.jacobian = graph.jacobian()
        return np.array(point.jacobian, np.float64)

    def weighted(self, x: Any, v: Any, *args: Any) -> Any:
        """The Hessian of sum(v * f(x))."""
        found = self._planned("weighted", np.array(x, np.float64), np.array(v, np.float64), *args)
        if found is None:
            point, x = self._at(x)
            with self._reentered(point, x, args) as graph:
                found = np.array(graph.hessian(v))
        return found

    def raw(self, x: Any, *args: Any) -> Any:
        """f's value for a difference of SciPy's: complex for "cs"."""
        if np.iscomplexobj(x):
            return plain(self._f(built(self.tree.structure, iter(self.tree.parts(np.array(x)))), *args))
        return self.value(x, *args)


# ---- SciPy's functions


def _of_tree(given: Any, tree: _Tree, gradient: bool) -> Any:
    """A derivative of the caller's, a function of his tree, as SciPy calls it."""
    if not callable(given) or tree.is_vector or not _is_plain(given):
        return given

    def called(x: Any, *args: Any) -> Any:
        found = given(tree.tree(x), *args)
        return tree.vector_of(found) if gradient else plain(found)

    return called


def _is_plain(given: Any) -> bool:
    """Whether it is a function, no class and no strategy of SciPy's."""
    return not isinstance(given, type) and not hasattr(given, "get_matrix")


def _callback(callback: Any, tree: _Tree) -> Any:
    if callback is None or tree.is_vector:
        return callback
    try:
        whole = {*inspect.signature(callback).parameters} == {"intermediate_result"}
    except (TypeError, ValueError):
        whole = False
    if whole:
        def told(intermediate_result: Any) -> Any:
            shown = type(intermediate_result)(intermediate_result)
            shown.vector, shown.x = np.array(shown.x), tree.tree(shown.x)
            return callback(intermediate_result=shown)
        return told
    return lambda x, *more: callback(tree.tree(x), *more)


def minimize(fun: Callable[..., Any], x0: Any, args: Any = (), method: Any = None, jac: Any = None, hess: Any = None,
             hessp: Any = None, bounds: Any = None, constraints: Any = (), tol: float | None = None, callback: Any = None,
             options: dict[str, Any] | None = None) -> Any:
    """scipy.optimize.minimize of fun(x, *args), which gives one number, with exact derivatives.

    Methods that take a gradient get it; dogleg and trust-exact the Hessian; Newton-CG, trust-ncg, trust-krylov and trust-constr
    products with it. bounds: as SciPy's for an array of one axis; for another x0 a tree like it with a pair (lower, upper) in
    place of each number or array, None for no bound, or a scipy.optimize.Bounds of the flat vector. constraints: dicts as
    SciPy's, whose functions get exact Jacobians, what `nonlinear_constraint` makes, or SciPy's own objects, functions of the
    flat vector. Derivatives given by the caller are functions of the tree, too; a gradient is such a tree or flat.

    Gives SciPy's OptimizeResult, x as described above. Raises ValueError for f that gives no single number, and for nan at x0;
    TypeError for x0 or f of other things than real numbers; SciPy's own errors for what it does not take.
    """
    op = "minimize"
    scipy = _scipy(op)
    tree = _Tree(x0, op)
    name = method.lower() if isinstance(method, str) else None
    if not isinstance(args, tuple):
        args = (args,)
    products, matrix = name in _PRODUCTS and hess is None and hessp is None, name in _HESSIAN and hess is None
    if callable(method):
        products, matrix = hessp is None and hess is None, hess is None and hessp is None
    exact = jac in (None, False) if not callable(jac) else False
    f = _Derivatives(fun, tree, op, True, exact and not (products or matrix) and (name in _GRADIENT or method is None))
    given: dict[str, Any] = {"jac": _of_tree(jac, tree, True), "hess": _of_tree(hess, tree, False)}
    called: Any = f.value
    if jac is True:
        called = fun if tree.is_vector else _both_given(fun, tree)
        if products or matrix:
            raise TypeError(f"{op}: with jac=True f gives arrays, which have no second derivatives; give hess or hessp for "
                            f"{method}, or leave jac out")
    elif isinstance(jac, str):
        called = f.raw
    elif exact:
        given["jac"] = f.gradient if name in _GRADIENT | _PRODUCTS | _HESSIAN or method is None or callable(method) else None
    if hessp is not None:
        given["hessp"] = hessp if tree.is_vector else lambda x, v, *a: tree.vector_of(hessp(tree.tree(x), v, *a))
    if products:
        given["hessp"] = f.product
    if matrix:
        given["hess"] = f.hessian
    if bounds is not None and not isinstance(bounds, scipy.Bounds) and not tree.is_vector:
        bounds = scipy.Bounds(*tree.bounds(bounds))
    constraints = _constraints(constraints, tree, name == "trust-constr" or callable(method))
    result = scipy.minimize(called, tree.vector.copy(), args=args, method=method, bounds=bounds, tol=tol, constraints=constraints,
                            callback=_callback(callback, tree), options=options, **given)
    return tree.finish(result, f.captured)


def _both_given(fun: Callable[..., Any], tree: _Tree) -> Callable[..., Any]:
    def called(x: Any, *args: Any) -> Any:
        y, g = fun(tree.tree(x), *args)
        return plain(y), tree.vector_of(g)

    return called


def _constraints(given: Any, tree: _Tree, hessians: bool) -> Any:
    """Constraints with exact derivatives, as functions of the vector. hessians: the method takes Hessians of constraints."""
    if isinstance(given, dict) or not isinstance(given, (list, tuple)):
        return _constraint(given, tree, hessians)
    return [_constraint(c, tree, hessians) for c in given]


def _constraint(c: Any, tree: _Tree, hessians: bool) -> Any:
    if isinstance(c, dict):
        if not callable(c.get("fun")):
            return c        # SciPy says what is wrong
        f = _Derivatives(c["fun"], tree, "minimize: a constraint", False)
        jac = c.get("jac")
        return {**c, "fun": f.value, "jac": _of_tree(jac, tree, False) if jac else f.jacobian}
    made = getattr(c, "_for_tree", None)
    if made is None or (tree.is_vector and hessians):
        return c
    return made(None if tree.is_vector else tree, hessians)


def nonlinear_constraint(fun: Callable[..., Any], lb: Any, ub: Any, jac: Any = None, hess: Any = None,
                         keep_feasible: Any = False) -> Any:
    """scipy.optimize.NonlinearConstraint: lb <= fun(x) <= ub, with the exact Jacobian, and Hessians of sum(v * fun(x)).

    fun(x): a number, an array or a list of numbers; of the tree, where `minimize` is called with one. It can be handed to
    dezero_c's and SciPy's minimize. jac, hess: the caller's own, as SciPy takes them. One object is for one search at a time.
    """
    op = "nonlinear_constraint"
    scipy = _scipy(op)
    if not callable(fun):
        raise TypeError(f"{op}: {type(fun).__name__} is no function")

    def made(tree: _Tree | None, hessians: bool = True) -> Any:
        held: list[_Derivatives] = []

        def at(x: Any) -> _Derivatives:
            if not held or (tree is None and held[0].tree.vector.shape != np.shape(x)):
                held[:] = [_Derivatives(fun, _Tree(np.array(x), op) if tree is None else tree, op, False)]
            return held[0]

        own_jac = jac if tree is None else _of_tree(jac, tree, False)
        own_hess = hess
        if hess is None:    # SciPy warns of one, other than its own BFGS, with methods that take none
            own_hess = (lambda x, v: at(x).weighted(x, v)) if hessians else scipy.BFGS()
        elif tree is not None and callable(hess) and _is_plain(hess):
            def own_hess(x: Any, v: Any) -> Any:
                return plain(hess(tree.tree(x), v))
        c = scipy.NonlinearConstraint(lambda x: at(x).value(x), lb, ub,
                                      (lambda x: at(x).jacobian(x)) if jac is None else own_jac, own_hess, keep_feasible)
        if tree is None:
            c._for_tree = made
        return c

    return made(None)


def least_squares(fun: Callable[..., Any], x0: Any, jac: Any = None, bounds: Any = (-np.inf, np.inf), method: str = "trf",
                  ftol: float | None = 1e-8, xtol: float | None = 1e-8, gtol: float | None = 1e-8, *, args: Any = (),
                  kwargs: dict[str, Any] | None = None, **options: Any) -> Any:
    """scipy.optimize.least_squares of the residuals fun(x, *args, **kwargs), with their exact Jacobian.

    fun: an array of any shape, or a tree of numbers and arrays. bounds: SciPy's pair of (arrays of) ends of the flat vector, a
    scipy.optimize.Bounds, or for a dict a dict of pairs. options: SciPy's further ones (loss, f_scale, x_scale, max_nfev, ...).
    Result and errors as `minimize`; result.jac is the Jacobian by the flat vector.
    """
    op = "least_squares"
    scipy = _scipy(op)
    tree = _Tree(x0, op)
    more = dict(kwargs or {})
    f = _Derivatives((lambda x, *a: fun(x, *a, **more)) if more else fun, tree, op, False)
    if not isinstance(bounds, scipy.Bounds) and not tree.is_vector and not _ends(bounds, tree):
        bounds = tree.bounds(bounds)
    result = scipy.least_squares(f.raw if isinstance(jac, str) else f.value, tree.vector.copy(),
                                 jac=f.jacobian if jac is None else _of_tree(jac, tree, False), bounds=bounds, method=method,
                                 ftol=ftol, xtol=xtol, gtol=gtol, args=args if isinstance(args, tuple) else (args,), **options)
    return tree.finish(result, f.captured)


def _ends(bounds: Any, tree: _Tree) -> bool:
    """Whether bounds are SciPy's (lower, upper) of the flat vector."""
    if not isinstance(bounds, (tuple, list)) or len(bounds) != 2:
        return False
    return all(isinstance(end, (int, float, np.generic, np.ndarray)) and np.shape(end) in ((), tree.vector.shape)
               for end in bounds)


def root(fun: Callable[..., Any], x0: Any, args: Any = (), method: str = "hybr", jac: Any = None, tol: float | None = None,
         callback: Any = None, options: dict[str, Any] | None = None) -> Any:
    """scipy.optimize.root: x where fun(x, *args), as many numbers as x has, is zeros; hybr and lm get the exact Jacobian.

    fun: an array, or a tree of numbers and arrays. Result and errors as `minimize`.
    """
    op = "root"
    scipy = _scipy(op)
    tree = _Tree(x0, op)
    f = _Derivatives(fun, tree, op, False)
    called: Any = f.value
    given = _of_tree(jac, tree, False)
    if jac is True:
        called = fun if tree.is_vector else _pair_given(fun, tree)
    elif not callable(jac) and str(method).lower() in ("hybr", "lm"):
        given = f.jacobian
    result = scipy.root(called, tree.vector.copy(), args=args if isinstance(args, tuple) else (args,), method=method, jac=given,
                        tol=tol, callback=None if callback is None or tree.is_vector else
                        (lambda x, *more: callback(tree.tree(x), *more)) if callback else callback, options=options)
    return tree.finish(result, f.captured)


def _pair_given(fun: Callable[..., Any], tree: _Tree) -> Callable[..., Any]:
    def called(x: Any, *args: Any) -> Any:
        y, j = fun(tree.tree(x), *args)
        return tree.vector_of(y), plain(j)

    return called


def curve_fit(f: Callable[..., Any], xdata: Any, ydata: Any, p0: Any = None, sigma: Any = None, absolute_sigma: bool = False,
              check_finite: bool | None = None, bounds: Any = (-np.inf, np.inf), method: str | None = None, jac: Any = None,
              **options: Any) -> Any:
    """scipy.optimize.curve_fit: (popt, pcov), the parameters p of the curve f(xdata, *p) nearest to ydata, and their covariance,
    with the exact Jacobian in the search and in pcov.

    f: a function of xdata and numbers, which gives an array like ydata. p0: where to start; ones (or within the bounds) without
    it, of which there are as many as f has parameters. sigma: ydata's standard deviations, one for all or each, or covariance;
    absolute_sigma says that they are more than weights. options: SciPy's (full_output, nan_policy, maxfev, ...).

    Raises ValueError where p0 is needed to know the number of parameters, or has another number than f takes, and for nan at p0.
    """
    op = "curve_fit"
    scipy = _scipy(op)
    if not callable(f):
        raise TypeError(f"{op}: {type(f).__name__} is no function; the order is curve_fit(f, xdata, ydata)")
    try:
        parameters = list(inspect.signature(f).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    fixed = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    free = not parameters or any(p.kind is p.VAR_POSITIONAL for p in parameters)
    if p0 is None:
        n = len(fixed) - 1
        if free or n < 1:
            raise ValueError(f"{op}: p0 is needed: the number of parameters is not to be read from f's signature")
    else:
        p0 = np.atleast_1d(np.asarray(plain(p0), np.float64))
        n = p0.size
        required = sum(p.default is p.empty for p in fixed) - 1
        if not free and not required <= n <= len(fixed) - 1:
            raise ValueError(f"{op}: p0 has {n} numbers, and f takes {len(fixed) - 1} parameters after xdata")
    tree = _Tree(np.ones(n) if p0 is None else p0, op)

    def curve(p: Any, x: Any) -> Any:
        return inner(x, *[p[k] for k in range(n)])

    inner: Any = f._f if isinstance(f, Captured) else f
    if isinstance(f, Captured):
        kept = f.__dict__.setdefault("_curves", {})
        if n not in kept:
            curve.__wrapped__ = inner       # type: ignore[attr-defined]
            kept[n] = capture(curve)
            kept[n]._guarded_by = f._guarded_by
        curves: Any = kept[n]
    else:
        curves = curve
    g = _Derivatives(curves, tree, op, False)

    def value(x: Any, *p: Any) -> Any:
        return g.value(np.array(p), x)

    def jacobian(x: Any, *p: Any) -> Any:
        return g.jacobian(np.array(p), x)

    # SciPy reads the number of parameters from the function that it is given.
    names = [inspect.Parameter(f"p{k}", inspect.Parameter.POSITIONAL_OR_KEYWORD) for k in range(n)]
    value.__signature__ = inspect.Signature(      # type: ignore[attr-defined]
        [inspect.Parameter("x", inspect.Parameter.POSITIONAL_OR_KEYWORD), *names])
    if sigma is not None and np.ndim(sigma) == 0:       # with a Jacobian SciPy wants one for each of ydata
        sigma = np.full(np.size(ydata), sigma)
    return scipy.curve_fit(value, xdata, ydata, p0=p0, sigma=sigma, absolute_sigma=absolute_sigma, check_finite=check_finite
                           if check_finite is not None else True, bounds=bounds, method=method,
                           jac=jacobian if jac is None else jac, **options)
