"""NumPy's ufunc protocol for Variables: `np.sin(v)`, `np.add(a, v)`, and `a + v`, `a += v` with an ndarray on the left.

Maps each ufunc to the operation of the table that computes it, so that the graph is recorded. Comparisons give boolean
arrays. A ufunc without an operation is refused, with a way out in the message.
"""

import numpy as np

from dezero_c import _core, _matmul, _ops

_COMPARISONS = {np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal,
                np.isnan, np.isinf, np.isfinite, np.logical_not, np.logical_and, np.logical_or, np.signbit}


def _ufunc_table():
    """{ufunc: operation}, read off the table: an operation whose NumPy expression is one call on its arguments."""
    table = {np.matmul: _matmul.matmul, np.power: _ops.pow, np.positive: lambda x: x}
    for op in _ops.TABLE:
        call = f"({', '.join(op['args'])})"
        name = op["numpy"].removeprefix("np.").removesuffix(call)
        if op["numpy"] == f"np.{name}{call}" and isinstance(getattr(np, name), np.ufunc):
            table.setdefault(getattr(np, name), getattr(_ops, op["name"]))
    return table


_UFUNCS = _ufunc_table()
_OPERANDS = (_core.Variable, np.ndarray, np.generic, int, float, complex, list, tuple)


def _plain(x):
    return x.data if isinstance(x, _core.Variable) else x


def array_ufunc(ufunc, method, inputs, kwargs):
    """What `Variable.__array_ufunc__` does."""
    out = kwargs.pop("out", None)
    if ufunc in _COMPARISONS and method == "__call__" and out is None:
        return ufunc(*[_plain(x) for x in inputs], **kwargs)
    if method != "__call__" or kwargs or ufunc not in _UFUNCS:
        what = f"np.{ufunc.__name__}" + ("" if method == "__call__" else f".{method}")
        raise TypeError(f"{what}{' with ' + ', '.join(kwargs) if kwargs else ''} has no gradient here; "
                        f"take the function of dezero_c.functions, or {what}(v.data) for its value alone")
    # `a += v` arrives as np.add(a, v, out=(a,)): a new Variable is the answer, and a stays as it is
    if out is not None and not any(o is x for o in out for x in inputs):
        raise TypeError(f"np.{ufunc.__name__}: out= cannot be a separate array when a Variable is involved; "
                        "assign the result")
    if not all(isinstance(x, _OPERANDS) for x in inputs):
        return NotImplemented
    return _UFUNCS[ufunc](*inputs)


_core.register_methods(array_ufunc=array_ufunc)
