"""Jacobians and Hessians as arrays, and products with Hessians."""

from __future__ import annotations

import functools
import hashlib
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c import _capture, _pull
from dezero_c import functions as F
from dezero_c._calls import CaptureError
from dezero_c._machine import Dispatch
from dezero_c.func._forward import NotForward, Push, spread
from dezero_c.func._reverse import _number, named, walked
from dezero_c.func._scope import Scope, arrays_of, check_argnums, check_callable, no_floats, own, zeros
from dezero_c.func._sparsity import groups
from dezero_c.func._trees import built

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["hessian", "hvp", "jacfwd", "jacobian", "jacrev"]

_MODES = ("auto", "rev", "fwd")
_FEW = 8        # columns from which it pays to ask which of them can be had together


def jacobian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, mode: str = "auto") -> Callable[..., Any]:
    """All derivatives of f's result by an argument, as a function of the same arguments.

    jacobian(f)(x): an array of shape y.shape + x.shape for arrays; for trees a tree like f's result with a tree like the argument
    (a tuple of them where argnums is a tuple) for each leaf. mode: "rev", a gradient for each element of the result; "fwd", a
    tangent for each element of the argument, several at once where the graph shows that no element of the result depends on
    two of them; "auto", which is fewer. Dtypes are those that products of the two have.

    Raises TypeError for integers and, with "fwd", for complex numbers on the way; ValueError for another mode.
    """
    return _jacobian(f, argnums, mode, "jacobian")


def jacrev(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """jacobian(f, argnums, mode="rev")."""
    return _jacobian(f, argnums, "rev", "jacrev")


def jacfwd(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """jacobian(f, argnums, mode="fwd")."""
    return _jacobian(f, argnums, "fwd", "jacfwd")


def _jacobian(f: Callable[..., Any], argnums: Any, mode: str, op: str) -> Callable[..., Any]:
    check_callable(f, op)
    numbers = check_argnums(argnums, op)
    whole = not isinstance(argnums, (tuple, list))
    if mode not in _MODES:
        raise ValueError(f"{op}: mode is {mode!r}; it is one of {_MODES}")

    @named(f)
    def matrix(*args: Any, **kwargs: Any) -> Any:
        with Scope(op, args, numbers, kwargs) as scope:
            ys, structure = scope.as_variables(scope.call(f), "")
            for y in ys:
                if y.dtype.kind not in "fc":
                    raise no_floats(y.dtype, op)
            functions, _ = _pull.between(scope.xs, ys, scope.floor)
            if not functions and not any(y is x for x in scope.xs for y in ys):
                scope.tell_independent([None] * len(scope.xs))
            blocks = _blocks(scope, ys, mode)
            shaped = [_finished(scope, block, [y.shape + x.shape for x in scope.xs]) for y, block in zip(ys, blocks, strict=True)]
        return built(structure, iter([scope.grouped(row, whole) for row in shaped]))

    return matrix


def _finished(scope: Scope, blocks: list[Any], shapes: list[Any]) -> list[Any]:
    """A row of blocks in their shapes, as the caller gets them."""
    blocks = [b.reshape(shape) for b, shape in zip(blocks, shapes, strict=True)]
    if scope.linked and not scope.variables:
        return [b.data for b in blocks]
    if scope.variables:
        return [_core.as_variable(b) for b in blocks]
    return [b if b.base is None else b.copy() for b in blocks]


def _blocks(scope: Scope, ys: list[_core.Variable], mode: str) -> list[list[Any]]:
    """d ys / d xs: for each y a list with a matrix (y.size, x.size) for each x: ndarrays, or Variables where the scope is
    linked."""
    xs = scope.xs
    if mode == "fwd" or (mode == "auto" and 2 * sum(x.size for x in xs) <= sum(y.size for y in ys)):
        try:
            push = Push(xs, ys, scope.floor, scope.op)
        except NotForward:
            if mode == "fwd":
                raise
        else:
            return _forward(push, scope, ys)
    return _backward(scope, ys)


def _backward(scope: Scope, ys: list[_core.Variable]) -> list[list[Any]]:
    xs = scope.xs
    depend = [True] * len(ys) if scope.linked else _pull.cut(ys, xs, scope.floor)
    walk = scope.linked and scope.leaves and not _pull.outside(xs, ys, scope.floor)     # with the bits of an eager call
    out: list[list[Any]] = []
    for y, depends in zip(ys, depend, strict=True):
        rows: list[list[Any]] = [[] for _ in xs]
        if not scope.linked:
            blocks: list[Any] = [np.zeros((y.size, x.size), x.dtype) for x in xs]
        for e in range(y.size if depends else 0):
            gy = _one(y, e)
            if not scope.linked:
                for block, g in zip(blocks, _pull.pull_arrays([y], [gy], xs), strict=True):
                    if g is not None:
                        block[e] = g.reshape(-1)
            else:
                if walk:
                    found = [None if g is None else _core.as_variable(g) for g in walked(scope, [y], [gy])]
                else:
                    found = _pull.pull([y], [gy], xs, scope.floor, scope.variables)
                for row, x, g in zip(rows, xs, found, strict=True):
                    row.append(F.reshape(zeros(x) if g is None else g, (-1,)))
        if scope.linked:
            blocks = [F.stack(row) if row else zeros_matrix(0, x) for row, x in zip(rows, xs, strict=True)]
        out.append(blocks)
    return out


def zeros_matrix(n: int, x: _core.Variable) -> _core.Variable:
    """n rows of zeros for x."""
    return _core.Variable(np.zeros((n, x.size), x.dtype))


def _one(like: _core.Variable, element: int) -> _core.Variable:
    """1 at one place, zeros elsewhere."""
    a = np.zeros(like.size, like.dtype)
    a[element] = 1
    return _core.Variable(a.reshape(like.shape))


def _products(push: Push, scope: Scope, ys: list[_core.Variable], number: Any) -> tuple[list[list[Any]], int]:
    """For each y a list of products with the tangents that are 1 where number (of each element of all xs) is 0, 1, ...: flat
    arrays, or Variables where the scope is linked."""
    xs = scope.xs
    record = scope.linked and scope.variables
    found: list[list[Any]] = [[] for _ in ys]
    count = int(number.max(initial=-1)) + 1
    for c in range(count):
        chosen = number == c
        dxs: list[Any] = []
        at = 0
        for x in xs:
            part = chosen[at:at + x.size]
            dxs.append(_core.Variable(part.astype(x.dtype).reshape(x.shape)) if part.any() else None)
            at += x.size
        for out, y, dy in zip(found, ys, push(dxs, record), strict=True):
            if scope.linked:
                out.append(F.reshape(zeros(y) if dy is None else dy, (-1,)))
            else:
                out.append(np.zeros(y.size, y.dtype) if dy is None else dy.data.reshape(-1))
    return found, count


def _forward(push: Push, scope: Scope, ys: list[_core.Variable]) -> list[list[Any]]:
    xs = scope.xs
    n = sum(x.size for x in xs)
    nothing: tuple[Any, Any, Any] = None, None, None
    depends, number, places = groups(push, xs, ys) if n >= _FEW else nothing
    if depends is None:
        number = np.arange(n)
    found, count = _products(push, scope, ys, number)
    if places is not None and count < n and len(ys) == len(xs) == 1:
        end: Any = np.zeros(1, ys[0].dtype)
        return [[F.concatenate([*found[0], end])[places] if scope.linked else np.concatenate([*found[0], end])[places]]]
    out: list[list[Any]] = []
    row = 0
    for y, products in zip(ys, found, strict=True):
        blocks: list[Any] = []
        at = 0
        if scope.linked:
            columns = F.stack(products) if products else _core.Variable(np.zeros((0, y.size), y.dtype))
        else:
            columns = np.array(products, y.dtype).reshape(count, y.size)
        for x in xs:
            part = columns[number[at:at + x.size]].T
            if depends is not None and count < n:
                mask = depends[row:row + y.size, at:at + x.size]
                part = F.where(mask, part, 0.0) if scope.linked else np.where(mask, part, np.zeros((), y.dtype))
            blocks.append(part if scope.linked else np.ascontiguousarray(part))
            at += x.size
        out.append(blocks)
        row += y.size
    return out


def _gradient(scope: Scope, f: Callable[..., Any]) -> list[_core.Variable]:
    """The gradient of f, a graph that leads to the scope's Variables."""
    y = _number(scope.call(f), scope.op)
    found: list[Any] = _pull.pull([y], [_core.Variable(np.ones((), y.dtype))], scope.xs, scope.floor, True)
    if None in [None if g is None else 0 for g in found]:
        scope.tell_independent(found)
    return [zeros(x) if g is None else g for x, g in zip(scope.xs, found, strict=True)]


def hessian(f: Callable[..., Any], argnums: int | tuple[int, ...] = 0, sparse: bool = False) -> Callable[..., Any]:
    """All second derivatives of f, whose result is one number, as a function of the same arguments.

    hessian(f)(x): an array of shape x.shape + x.shape; for trees a tree like the argument with such a tree for each leaf. Forward
    over reverse: the graph of one gradient, and a tangent for each element of x through it. Where that graph shows that rows have
    no common columns one tangent serves several: three for a tridiagonal Hessian of any size. Where f is captured and x one
    array, these products are captured as one function, and put into their places.

    sparse: a scipy.sparse.csr_array (n, n) of the elements that the graph does not show to be 0, in the order of `ravel`; needs
    SciPy (pip install "dezero_c[scipy]"), and arrays as arguments. Raises what `grad` raises.
    """
    op = "hessian"
    check_callable(f, op)
    numbers = check_argnums(argnums, op)
    whole = not isinstance(argnums, (tuple, list))
    captured = CapturedHessian(f, op) if isinstance(f, Dispatch) and numbers == (0,) and whole and not sparse else None

    @named(f)
    def matrix(*args: Any, **kwargs: Any) -> Any:
        if captured is not None and len(args) == 1 and not kwargs and (found := captured(args[0])) is not None:
            return found
        with Scope(op, args, numbers, kwargs) as scope:
            if sparse and scope.linked:
                raise TypeError(f"{op}: sparse=True gives an array of SciPy's, which has no graph; inside of another transform, "
                                "of a captured call, or for Variables leave it out")
            gs = _gradient(scope, f)
            try:
                push = Push(scope.xs, gs, scope.floor, op)
            except NotForward:
                blocks = _backward_of(scope, gs)
                if sparse:
                    return _sparse_of(np.block(blocks))
            else:
                if sparse:
                    return _sparse(push, scope, gs)
                blocks = _forward(push, scope, gs)
            rows = []
            for g, row in zip(gs, blocks, strict=True):
                shaped = _finished(scope, row, [g.shape + x.shape for x in scope.xs])
                rows.append(scope.grouped(shaped, whole))
        return scope.grouped(rows, whole)

    return matrix


class CapturedHessian:
    """The Hessian of a captured function of one array: its products are captured, for each shape and dtype, and then put into
    their places, which the graph has told when it was traced."""

    def __init__(self, f: Callable[..., Any], op: str) -> None:
        self._f, self._op = f, op
        self._products: dict[Any, Callable[..., Any] | None] = {}
        # of each element its place among the products, behind them for zero; by what the captured function gives beside them
        self._places: dict[str, tuple[Any, Any]] = {}
        self._last: tuple[Any, Any, Any] = None, None, None     # shape and dtype of the call before, and its function

    def __call__(self, x: Any) -> Any:
        """The Hessian at x, an array; None where it is to be computed as it is."""
        if type(x) is not np.ndarray or _core.is_observed():
            return None
        shape = x.shape
        last_shape, last_dtype, captured = self._last
        if shape != last_shape or x.dtype is not last_dtype:
            captured = self._for(x)
        if captured is None:
            return None
        try:
            products, pattern = captured(x)
        except (CaptureError, NotForward):
            self._products[shape, x.dtype] = None
            self._last = None, None, None
            return None
        if pattern == _COLUMNS:
            n = x.size
            return np.ascontiguousarray(products.reshape(n, n).T).reshape(shape + shape)
        at, of = self._places[pattern]
        return _pull.scattered(products, of, at, shape + shape)

    def _for(self, x: Any) -> Callable[..., Any] | None:
        """What gives the products for arrays like x, captured."""
        key = x.shape, x.dtype
        if x.dtype.kind != "f" or not x.dtype.isnative or x.size == 0:
            return None
        if key not in self._products:
            # a wrapper, by whom capture finds f's own globals and closures, whose changes count; with f's options
            f: Any = self._f
            self._products[key] = _capture.Captured(
                functools.wraps(f)(lambda x: self._computed(x)), frozenset(), f._on_read, f._check, f._max_plans)
        captured = self._products[key]
        if captured is not None:
            self._last = *key, captured
        return captured

    def _computed(self, x: Any) -> tuple[Any, str]:
        """The products, one after the other, and which pattern they are for."""
        with Scope(self._op, (x,), (0,), {}) as scope:
            gs = _gradient(scope, self._f)
            push = Push(scope.xs, gs, scope.floor, self._op)
            n = scope.xs[0].size
            depends, number, places = groups(push, scope.xs, gs) if n >= _FEW else (None, None, None)
            found, count = _products(push, scope, gs, np.arange(n) if depends is None else number)
            if count == n:
                return F.concatenate(found[0]).data, _COLUMNS
            if places is None:
                raise CaptureError(f"{self._op}: a pattern that is too large to be kept")
            pattern = hashlib.sha256(np.ascontiguousarray(places).tobytes()).hexdigest()
            at = np.flatnonzero(places < count * n)
            self._places[pattern] = at, places.reshape(-1)[at].astype(np.intp)
            return F.concatenate(found[0]).data, pattern


_COLUMNS = "columns"        # of the whole matrix, in place of a pattern


def _backward_of(scope: Scope, gs: list[_core.Variable]) -> list[list[Any]]:
    """Reverse over reverse, for what forward mode does not take."""
    out = []
    for g in gs:
        rows: list[list[Any]] = [[] for _ in scope.xs]
        for e in range(g.size):
            found = _pull.pull([g], [_one(g, e)], scope.xs, scope.floor, scope.linked and scope.variables)
            for row, x, h in zip(rows, scope.xs, found, strict=True):
                row.append(F.reshape(zeros(x) if h is None else h, (-1,)))
        blocks = [F.stack(row) if row else zeros_matrix(0, x) for row, x in zip(rows, scope.xs, strict=True)]
        out.append(blocks if scope.linked else arrays_of(blocks))
    return out


def _scipy_sparse() -> Any:
    try:
        import scipy.sparse
    except ImportError as error:
        raise ImportError('hessian: sparse=True needs SciPy, which is not installed: pip install "dezero_c[scipy]"') from error
    return scipy.sparse


def _sparse_of(a: Any) -> Any:
    found: Any = _scipy_sparse().csr_array(a)
    return found


def _sparse(push: Push, scope: Scope, gs: list[_core.Variable]) -> Any:
    sparse = _scipy_sparse()
    n = sum(x.size for x in scope.xs)
    depends, number, _ = groups(push, scope.xs, gs)
    if depends is None:
        return _sparse_of(np.block(_forward(push, scope, gs)))
    found, count = _products(push, scope, gs, number)
    products = np.concatenate([np.array(p).reshape(count, g.size) for p, g in zip(found, gs, strict=True)], axis=1)
    rows, columns = np.nonzero(depends)
    made: Any = sparse.csr_array((products[number[columns], rows], (rows, columns)), shape=(n, n))
    return made


def hvp(f: Callable[..., Any], x: Any, v: Any) -> Any:
    """The product of f's Hessian at x with v, without the Hessian: a tree like x.

    x: a tuple is f's arguments, anything else the only one, as in `jvp`; v: of the same tree and shapes. The gradient's graph is
    made once and the tangent v goes through it (forward over reverse), which takes about as long as four gradients. Raises what
    `grad` and `jvp` raise.
    """
    op = "hvp"
    check_callable(f, op)
    if (type(x) is tuple) != (type(v) is tuple):
        raise TypeError(f"{op}: x is a {type(x).__name__} and v a {type(v).__name__}; give a tuple of f's arguments and one of "
                        "tangents, or for a single argument that is no tuple itself both without")
    args, given = (x, v) if type(x) is tuple else ((x,), (v,))
    if len(args) != len(given):
        raise TypeError(f"{op}: x has {len(args)} arguments and v {len(given)}; give a tangent for each argument")
    with Scope(op, args, tuple(range(len(args)))) as scope:
        dxs = spread(scope, given)
        gs = _gradient(scope, f)
        record = scope.linked and scope.variables
        try:
            push = Push(scope.xs, gs, scope.floor, op)
        except NotForward:
            total = _total(gs, dxs)
            found = _pull.pull([total], [_core.Variable(np.ones((), total.dtype))], scope.xs, scope.floor, record)
        else:
            found = push(dxs, record)
        hs = [zeros(x) if h is None else h for x, h in zip(scope.xs, found, strict=True)]
        out = scope.out(hs) if scope.linked or scope.variables else own(arrays_of(hs), [*arrays_of(dxs), *scope.values])
    return scope.grouped(out, type(x) is not tuple)


def _total(gs: list[_core.Variable], dxs: list[_core.Variable]) -> _core.Variable:
    """sum(g * dx)."""
    total = F.sum(gs[0] * dxs[0])
    for g, dx in zip(gs[1:], dxs[1:], strict=True):
        total = total + F.sum(g * dx)
    return total
