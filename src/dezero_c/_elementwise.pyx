# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""How an elementwise operation runs: the C kernels where they can, NumPy everywhere else, forward and backward.

The operations themselves (classes, formulas, kernels) are generated from src/ops.toml into _ops.pyx, which registers its
classes here. A kernel runs when every operand is float32, or every one float64, in an ndarray that is aligned and in
native byte order; integers, bool, float16, complex, object, mixed dtypes and ndarray subclasses take the general path:
forward the operation's NumPy expression, backward its graph rule over Variables.
"""

import functools
import math
import operator

import numpy as np

cimport numpy as cnp
from cpython.object cimport PyObject
from libc.string cimport memset

from dezero_c._core cimport (
    DZ_F64, DZ_GX1, DZ_GY, DZ_MAXDIM, DZ_NIN, DZ_SUM_OVER_COLS, DZ_SUM_OVER_ROWS, DZ_Y, ERA_CORE, G_ARRAY, G_EVEN, G_NONE,
    G_RAW, K_CONST, K_WEAK, Function, Variable, add_grad, as_operand, clone_function, data_of, derived, double_array, drop_grad,
    dz_args, dz_axes, dz_beside, dz_bind, dz_broadcast, dz_even, dz_flat, dz_fpe_clear, dz_fpe_test, dz_is_even,
    dz_itemsize, dz_kernel, dz_map, dz_map_sum, dz_np, dz_odd, dz_op, dz_ops, dz_raw, dz_raw_fits, dz_raw_scalar, dz_raw_shape,
    dz_same_layout, dz_same_shape, dz_scalar, dz_stretch, dz_view, empty_array, empty_in_order, failed, function_call,
    grad_alike, grad_target, grad_target_alike, grad_array, grad_variable, grad_view, grad_view_even, has_grad, hooks, is_column,
    kernels, methods, new_grad, new_value, new_variable, open_function_class, ptrdiff_t, record_of, recording, set_data_array,
    set_even_grad, set_inputs, set_private_grad, set_shown_grad, share_grad, show, steal_grad, traced, variable_of_array, view,
    wants_grad, wrap)

cnp.import_array()
dz_bind(kernels())

cdef extern from "generated/enum.h":
    enum:
        DZ_NOPS
        DZ_OP_ABS
        DZ_OP_ADD
        DZ_OP_DIV
        DZ_OP_CLIP
        DZ_OP_NAN_TO_NUM
        DZ_OP_POLYGAMMA
        DZ_OP_POW
        DZ_OP_POWER
        DZ_OP_ROUND
        DZ_OP_SIGN
        DZ_OP_WHERE

cdef extern from "core/kernels.h":
    enum:
        DZ_MAXTEN

cdef extern from "Python.h":
    Py_ssize_t PY_SSIZE_T_MAX

cdef enum:
    LONG = 65536        # elements from which a loop takes longer than letting go of the interpreter's lock
    MAX_ORDER = 100     # of polygamma: up to there n! and each power fit (math/gamma.c)

cdef list classes = [None] * DZ_NOPS
cdef list prototypes = [None] * DZ_NOPS
cdef PyObject *prototype[DZ_NOPS]       # an instance of each class, to be copied and to be asked for its reference; not owned


cdef int register(int op, type cls) except -1:
    """Makes `cls` the class of operation number `op`."""
    cdef Elementwise f
    open_function_class(cls)
    f = cls.__new__(cls)
    f.native = True
    classes[op] = cls
    prototypes[op] = f
    prototype[op] = <PyObject *> f
    return 0


# ---- forward ----------------------------------------------------------------------------------------------------------

cdef object shapes_error(Elementwise f, tuple xs):
    cdef str shapes = " and ".join([str(np.shape(x)) for x in xs])
    return ValueError(f"{name(f)}: shapes {shapes} do not broadcast together; make them equal, or 1, axis by axis from the "
                      "right (reshape, transpose, broadcast_to)")


cdef str name(Elementwise f):
    return (<bytes> dz_ops[f.op].name).decode()


cdef object by_numpy(Elementwise f, int n, Variable x0, Variable x1, Variable x2):
    """The operation's NumPy expression on the operands. A Python number beside arrays stays one: its dtype gives way."""
    try:
        return expression_of(f, n, x0, x1, x2)
    except BaseException:
        failed()
        raise


cdef object expression_of(Elementwise f, int n, Variable x0, Variable x1, Variable x2):
    """Its value."""
    cdef tuple xs
    cdef Variable x
    cdef list values = []
    cdef bint arrays = not (x0.kind & K_WEAK and (n < 2 or x1.kind & K_WEAK) and (n < 3 or x2.kind & K_WEAK))
    for x in (x0, x1, x2)[:n]:
        if x.v.p == NULL and x._data is None:
            raise TypeError(f"{name(f)}: an operand has no data (Variable(None)); give it data first")
        values.append(data_of(x).item() if arrays and x.kind & K_WEAK else data_of(x))
    xs = tuple(values)
    try:
        return f.reference(xs)
    except ValueError as error:
        if "broadcast" in str(error):
            raise shapes_error(f, xs) from None
        raise ValueError(f"{name(f)}: {error}") from error
    except TypeError as error:
        kinds = ", ".join([str(getattr(v, "dtype", type(v).__name__)) for v in xs])
        raise TypeError(f"{name(f)}: not defined for {kinds}: {error}; convert with astype, or pass numbers") from error


cdef tuple arrays_of(int n, Variable x0, Variable x1, Variable x2):
    """The ndarrays that the operands lie in, so that they stay where they are while the interpreter's lock is let go of; None
    where one lies in its node, or a loop may call Python."""
    if dz_np.python or x0._data is None or (n > 1 and x1._data is None) or (n > 2 and x2._data is None):
        return None
    return x0._data, x1._data if n > 1 else None, x2._data if n > 2 else None


cdef char *ordered_value(Variable y, int dt, int nd, const cnp.npy_intp *shape, Py_ssize_t size, const int *axis,
                         cnp.npy_intp *st) except NULL:
    """Uninitialised room for y's value with axis[0] as its innermost axis, as `st` has it; for a small one in C order, which
    st then says."""
    cdef object a
    cdef cnp.npy_intp step = dz_itemsize(dt)
    cdef int i, sorted_so_far = 0
    while sorted_so_far < nd and axis[sorted_so_far] == nd - 1 - sorted_so_far:
        sorted_so_far += 1
    if sorted_so_far == nd:
        return new_value(y, dt, nd, shape, size)
    if not dz_raw_fits(dt, nd, size):
        a = empty_in_order(nd, shape, dt, axis)
        set_data_array(y, a)
        return cnp.PyArray_BYTES(a)
    for i in range(nd - 1, -1, -1):
        st[i] = step
        step *= shape[i]
    return new_value(y, dt, nd, shape, size)


cdef bint dtypes_mix(Variable x0, Variable x1):
    """Whether kernels take both operands, one in float32 and one in float64. (Of three, one is a condition, whose dtype is not
    the result's.)"""
    cdef dz_view v, w
    return view(x0, &v) and view(x1, &w) and v.dt != w.dt


cdef Variable as_double(Variable x):
    """x where it is in float64; a Variable with its float32 values in float64, which nobody else knows."""
    cdef dz_view w
    cdef Variable c
    if view(x, &w) and w.dt == DZ_F64:
        return x
    c = Variable.__new__(Variable)      # not new_variable: a trace is to know nothing of it
    c._data = double_array(np.asarray(data_of(x)))
    c.kind = x.kind
    return c


cdef int tell_by_numpy(Elementwise f, int n, Variable x0, Variable x1, Variable x2) except -1:
    """A kernel has raised flags: NumPy decides whether that is worth a warning, or an error (np.errstate); the value stays
    ours."""
    dz_fpe_clear()
    by_numpy(f, n, x0, x1, x2)
    dz_fpe_clear()      # NumPy leaves its own
    return 0


cdef inline Variable new_result(int n, Variable x0, Variable x1, Variable x2):
    """A node for what an operation gives. It comes before the operands are looked at: making a node may start a garbage
    collection, and what that runs may rebind the data that a view shows."""
    cdef int era = x0.era
    if n > 1 and x1.era > era:
        era = x1.era
    if n > 2 and x2.era > era:
        era = x2.era
    return new_variable(era)


cdef int evaluate(Elementwise f, int n, Variable x0, Variable x1, Variable x2, Variable y) except -1:
    """Gives y, which has none, the operation's value, without a graph."""
    cdef dz_view w[3]
    cdef dz_args a
    cdef cnp.npy_intp shape[DZ_MAXDIM]
    cdef cnp.npy_intp st[3][DZ_MAXDIM]
    cdef cnp.npy_intp so[DZ_MAXDIM]
    cdef int axis[DZ_MAXDIM]
    cdef const cnp.npy_intp *sts[DZ_NIN]
    cdef const dz_op *op = &dz_ops[f.op]
    cdef const dz_raw *like = NULL
    cdef int nd, i, k, big = 0, dt = 0, dt1 = 0
    cdef Py_ssize_t item, step
    cdef bint flat
    cdef object r, _held
    if n < 3 and not f.general_params:      # scalars, and small arrays that lie in nodes side by side
        if x0.v.p != NULL and x0.v.nd > 0:
            like = &x0.v
        elif n == 2 and x1.v.p != NULL and x1.v.nd > 0:
            like = &x1.v
        if like == NULL:
            a.in_[0] = dz_scalar(&x0.v, <PyObject *> x0._data, &dt)
            if n == 2:
                a.in_[1] = dz_scalar(&x1.v, <PyObject *> x1._data, &dt1)
            else:
                a.in_[1], dt1 = a.in_[0], dt
            if a.in_[0] != NULL and a.in_[1] != NULL and dt1 == dt:
                a.n = 1
                a.st[0] = a.st[1] = a.os = dz_itemsize(dt)
                a.p = f.param
                a.acc = 0
                a.out = dz_raw_scalar(&y.v, dt)
                op.fwd[dt](&a)
                if dz_odd(a.out, dt) and dz_fpe_test():
                    tell_by_numpy(f, n, x0, x1, x2)
                return 0
        else:
            a.in_[0] = dz_beside(&x0.v, <PyObject *> x0._data, like, &a.st[0])
            if n == 2:
                a.in_[1] = dz_beside(&x1.v, <PyObject *> x1._data, like, &a.st[1])
            else:
                a.in_[1] = a.in_[0]
            if a.in_[0] != NULL and a.in_[1] != NULL:
                a.n = like.size
                a.os = dz_itemsize(like.dt)
                a.p = f.param
                a.acc = 0
                a.out = new_value(y, like.dt, like.nd, dz_raw_shape(like), like.size)
                op.fwd[like.dt](&a)
                if dz_fpe_test():
                    tell_by_numpy(f, n, x0, x1, x2)
                return 0
    if f.general_params or not view(x0, &w[0]) or (n > 1 and (not view(x1, &w[1]) or w[1].dt != w[0].dt)) \
            or (n > 2 and (not view(x2, &w[2]) or w[2].dt != w[0].dt)):
        if n == 2 and not f.general_params and dtypes_mix(x0, x1):
            return evaluate(f, 2, as_double(x0), as_double(x1), None, y)
        r = by_numpy(f, n, x0, x1, x2)
        set_data_array(y, r if cnp.PyArray_Check(r) else np.array(r))
        return 0
    item = dz_itemsize(w[0].dt)
    a.p = f.param
    a.acc = 0
    a.os = item
    # Flat: one call over all elements, in C order. The largest operand has the result's shape when the others have it too or
    # are single values of no more axes.
    flat = w[0].strides == NULL
    for i in range(1, n):
        if w[i].nd > w[big].nd or (w[i].nd == w[big].nd and w[i].size > w[big].size):
            big = i
        flat = flat and w[i].strides == NULL
    if flat:
        for i in range(n):
            a.in_[i] = w[i].p
            if i == big or dz_same_shape(&w[i], &w[big]):
                a.st[i] = item
            elif w[i].size == 1:
                a.st[i] = 0
            else:
                flat = False
                break
    if flat:
        a.n = w[big].size
        a.out = new_value(y, w[0].dt, w[big].nd, w[big].shape, a.n)
        if a.n >= LONG and (_held := arrays_of(n, x0, x1, x2)) is not None:
            with nogil:
                dz_flat(op.fwd[w[0].dt], &a, (1 << n) - 1)
        else:
            dz_flat(op.fwd[w[0].dt], &a, (1 << n) - 1)
    else:
        nd = w[0].nd
        for k in range(nd):
            shape[k] = w[0].shape[k]
        for i in range(1, n):
            nd = dz_broadcast(nd, shape, w[i].nd, w[i].shape, shape)
            if nd < 0:
                raise shapes_error(f, tuple([data_of(x) for x in (x0, x1, x2)[:n]]))
        for i in range(n):
            dz_stretch(&w[i], nd, shape, st[i])
            a.in_[i] = w[i].p
            sts[i] = st[i]
        dz_axes(n, <const ptrdiff_t *const *> sts, nd, axis)
        step = item
        for i in range(nd):
            k = axis[i]
            if shape[k] > 0 and step > PY_SSIZE_T_MAX // shape[k]:
                raise ValueError(f"{name(f)}: a result of shape {tuple([shape[i] for i in range(nd)])} is larger than memory "
                                 "can be; look at the operands' shapes")
            so[k] = step
            step *= shape[k]
        a.out = ordered_value(y, w[0].dt, nd, shape, step // item, axis, so)
        dz_map(op.fwd[w[0].dt], &a, (1 << n) - 1, nd, <const ptrdiff_t *> shape, <const ptrdiff_t *const *> sts,
               <const ptrdiff_t *> so)
    if dz_fpe_test():
        tell_by_numpy(f, n, x0, x1, x2)
    return 0


cdef int evaluate_from(Function g, Variable x0, Variable x1, Variable x2, Variable y) except -1:
    """Gives y, which has no value, that of g, an exact class of the table, from other inputs than its own, as many as it has."""
    return evaluate(<Elementwise> g, g.nin, x0, x1, x2, y)


cdef int evaluate_again(Function g, Variable y) except -1:
    """Gives y, which has no value, that of g, an exact class of the table, from its inputs as they are now."""
    return evaluate(<Elementwise> g, g.nin, g.in0, g.in1, g.in2, y)


cdef Function operation(int op):
    """A new instance of an operation's class."""
    return new_function(op)


cdef bint is_exact(Function g):
    """Whether g is of an exact class of the table."""
    return g.op >= 0 and classes[g.op] is type(g)


cdef Variable value_of(object r, int era):
    cdef Variable y = new_variable(era)
    set_data_array(y, r if cnp.PyArray_Check(r) else np.array(r))
    return y


cdef inline Elementwise new_function(int op):
    return <Elementwise> clone_function(prototype[op])


cdef Variable wrapped(int op, object o, object other):
    try:
        return as_operand(o, other)
    except TypeError as error:
        raise TypeError(f"{name(<Elementwise> prototype[op])}: {error}") from error


cdef inline Variable argument(int op, object o, object other):
    """`o` as a Variable; the operation's name is in the message when it cannot be one."""
    return <Variable> o if isinstance(o, Variable) else wrapped(op, o, other)


cdef object apply1(int op, object a):
    cdef Variable x0 = argument(op, a, None)
    cdef Variable y = new_result(1, x0, None, None)
    evaluate(<Elementwise> prototype[op], 1, x0, None, None, y)
    if recording():
        record_of(new_function(op), 1, x0, None, None, y)
    return y


cdef object apply2(int op, object a, object b):
    cdef Variable x0 = argument(op, a, b)
    cdef Variable x1 = argument(op, b, x0)
    cdef Variable y = new_result(2, x0, x1, None)
    evaluate(<Elementwise> prototype[op], 2, x0, x1, None, y)
    if recording():
        record_of(new_function(op), 2, x0, x1, None, y)
    return y


def nonzero_as(dtype, x):
    """1 where x is not 0, else 0, in the dtype."""
    return np.not_equal(x, 0).astype(dtype)


cdef object apply3(int op, object a, object b, object c):
    """a is a condition: it takes the dtype of b and c, where 0 is false."""
    cdef dz_view w
    cdef Variable x0, x1, x2, y, given
    cdef object values
    x1 = argument(op, b, c)
    x2 = argument(op, c, x1)
    x0 = argument(op, a, x1)
    if not view(x0, &w) and view(x1, &w) and data_of(x0) is not None:
        given = x0
        values = nonzero_as(x1.dtype, data_of(x0))
        x0 = new_variable(x0.era)
        x0.kind = K_CONST
        set_data_array(x0, values)
        if traced():
            derived(x0, functools.partial(nonzero_as, x1.dtype), (given,))
    y = new_result(3, x0, x1, x2)
    evaluate(<Elementwise> prototype[op], 3, x0, x1, x2, y)
    if recording():
        record_of(new_function(op), 3, x0, x1, x2, y)
    return y


cdef object run(Elementwise f, tuple inputs):
    """A call of an instance of an exact built-in class."""
    cdef int n = f.check_arity(len(inputs))
    cdef Variable x0, x1 = None, x2 = None, y
    x0 = argument(f.op, inputs[0], inputs[1] if n > 1 else None)
    if n > 1:
        x1 = argument(f.op, inputs[1], x0)
    if n > 2:
        x2 = argument(f.op, inputs[2], x1)
    y = new_result(n, x0, x1, x2)
    evaluate(f, n, x0, x1, x2, y)
    if f.era > y.era:
        y = value_of(data_of(y), f.era)
    if recording():
        f.outs = None
        record_of(f, n, x0, x1, x2, y)
    return y


cdef object erf_values = np.frompyfunc(math.erf, 1, 1)
cdef object erfc_values = np.frompyfunc(math.erfc, 1, 1)


cdef object libm_erf(object x):
    """erf in the dtype that np.exp would give, element by element; kernels do without it."""
    return np.asarray(erf_values(x), np.exp(np.zeros((), np.asarray(x).dtype)).dtype)


cdef object libm_erfc(object x):
    return np.asarray(erfc_values(x), np.exp(np.zeros((), np.asarray(x).dtype)).dtype)


cdef object logistic(object x):
    """1 / (1 + exp(-x)) without overflow."""
    cdef object e = np.exp(np.absolute(x) * -1.0)
    return np.where(x < 0, e, 1) / (1 + e)


cdef object in_double(str wanted, object x, tuple params):
    """By the float64 kernel of the operation `wanted`, for what NumPy has no function for: integers as float64, other dtypes
    keep theirs; what has more digits than float64 gets no more of them."""
    cdef dz_args a
    cdef double p[2]
    cdef int op = 0, i
    cdef object dtype, source, y
    x = real(x)
    dtype = np.exp(np.zeros((), np.asarray(x).dtype)).dtype
    source = np.array(x, np.float64, order="C")
    y = np.empty(source.shape)
    while <bytes> dz_ops[op].name != wanted.encode():
        op += 1
    for i in range(len(params)):
        p[i] = params[i]
    a.n = source.size
    a.in_[0] = cnp.PyArray_BYTES(source)
    a.out = cnp.PyArray_BYTES(y)
    a.st[0] = a.os = sizeof(double)
    a.acc = 0
    a.p = p
    dz_ops[op].fwd[1](&a)
    if dz_fpe_test():
        flags_raised()
    return y.astype(dtype)


cdef object real(object x):
    """Integers and booleans as float64, in which an activation of them is meant; complex numbers are refused."""
    cdef str kind = np.asarray(x).dtype.kind
    if kind == "c":
        raise TypeError("it takes real numbers")
    return np.asarray(x, np.float64) if kind in "iub" and not isinstance(x, (int, float)) else x


cdef int ordered(tuple xs) except -1:
    """Refuses complex numbers."""
    for x in xs:
        if np.iscomplexobj(x):
            raise TypeError("it takes real numbers (functions real, imag and abs make them of complex ones)")
    return 0


# ---- what graph rules name --------------------------------------------------------------------------------------------

COMPARE = (np.less, np.less_equal, np.greater, np.greater_equal, np.equal, np.not_equal)


cdef object mask(int sign, object a, object b):
    """A comparison as a constant of 0 and 1 in the operands' floating dtype (bool where they have none); all 1 for a
    bound of None."""
    cdef object x = data_of(<Variable> a) if isinstance(a, Variable) else a
    cdef object z = data_of(<Variable> b) if isinstance(b, Variable) else b
    cdef Variable m = wrap(mask_of(sign, x, z), -1, ERA_CORE)
    if traced():
        if isinstance(b, Variable):
            derived(m, functools.partial(mask_of, sign), (a, b))
        else:
            derived(m, functools.partial(mask_by, sign, b), (a,))
    return m


def mask_of(int sign, x, z):
    """The comparison number `sign` of arrays."""
    if z is None:
        return np.ones_like(x)
    dtype = np.result_type(x, z)
    return np.asarray(COMPARE[sign](x, z), dtype if dtype.kind == "f" else None)


def mask_by(int sign, z, x):
    """The same with what is fixed first."""
    return mask_of(sign, x, z)


cdef object conj_sign(object x):
    """What a real number's absolute value is to be multiplied by: the sign, of complex numbers conj(x) / |x|, 0 at 0."""
    cdef object size
    if (<Variable> x).dtype.kind != "c":
        return apply1(DZ_OP_SIGN, x)
    size = apply1(DZ_OP_ABS, x)
    return apply2(DZ_OP_DIV, methods["conj"](x), apply2(DZ_OP_ADD, size, mask(4, size, 0)))


cdef object zeros_like(object x):
    cdef Variable y = wrap(np.zeros_like(data_of(<Variable> x)), -1, ERA_CORE)
    if traced():
        derived(y, np.zeros_like, (x,))
    return y


cdef object powm1(object x, object c):
    """x ** (c - 1); 0 where c is 0, so that c * powm1(x, c) is the derivative of x ** c at 0 too."""
    if c == 0:
        return zeros_like(x)
    return power_any(<type> classes[DZ_OP_POW], x, c - 1)


cdef object power_any(type cls, object x, object c):
    """x ** c: Pow (cls) for a number c, Power where c is a Variable or an array."""
    cdef Elementwise f
    if type(c) is not int and type(c) is not float:
        if isinstance(c, (Variable, np.ndarray, list, tuple)) or is_column(c):
            return apply2(DZ_OP_POWER, x, c)
        if not isinstance(c, (int, float, complex, np.generic)):
            if (v := variable_of_array(c)) is not None:
                return apply2(DZ_OP_POWER, x, v)
            raise TypeError(f"pow: exponent {type(c).__name__!r} is not supported: pass a number, an ndarray or a Variable")
        if isinstance(c, np.generic) and c.dtype.kind in "fiub" \
                and (not hasattr(x, "dtype") or np.result_type(x.dtype, c.dtype) != x.dtype):
            return apply2(DZ_OP_POWER, x, np.asarray(c))    # of a dtype that x's gives way to, as with NumPy
    f = new_function(DZ_OP_POW)
    f.set_params((c,))
    return run(f, (x,))


cdef object clip_any(type cls, object x, object x_min, object x_max):
    """Clip (cls), or where a bound is a Variable, its value in x's place beyond it."""
    cdef Elementwise f
    if isinstance(x_min, Variable) or isinstance(x_max, Variable):
        x = bounded(x, x_min, np.less)
        return bounded(x, x_max, np.greater)
    f = new_function(DZ_OP_CLIP)
    f.set_params((x_min, x_max))
    return run(f, (x,))


cdef object bounded(object x, object bound, object beyond):
    cdef object limit
    if bound is None:
        return x
    x, bound = argument(DZ_OP_CLIP, x, bound), argument(DZ_OP_CLIP, bound, x)
    ordered((data_of(x), data_of(bound)))
    limit = data_of(bound)
    cdef Variable where_beyond
    with np.errstate(invalid="ignore"):
        where_beyond = wrap(beyond_or_nan(beyond, data_of(x), limit), -1, ERA_CORE)
    if traced():
        derived(where_beyond, functools.partial(beyond_or_nan, beyond), (x, bound))
    return apply3(DZ_OP_WHERE, where_beyond, bound, x)


def beyond_or_nan(beyond, x, limit):
    """Where clip takes the limit."""
    with np.errstate(invalid="ignore"):
        return np.asarray(beyond(x, limit) | (limit != limit))


cdef object power_hook(object x, object c):
    return power_any(<type> classes[DZ_OP_POW], x, c)


cdef object whole(str op, str name, object n):
    """A parameter that counts, as a Python int."""
    try:
        return operator.index(n)
    except TypeError:
        raise TypeError(f"{op}: {name} is {n!r}; it must be a whole number, such as 2") from None


cdef object order_of(object n):
    n = whole("polygamma", "n", n)
    if not 0 <= n <= MAX_ORDER:
        raise ValueError(f"polygamma: n is {n}; orders from 0 to {MAX_ORDER} are here")
    return n


cdef object polygamma1(object n, object x):
    """polygamma of order n + 1, as what differentiates order n."""
    return classes[DZ_OP_POLYGAMMA](n + 1)(x)


# ---- backward ---------------------------------------------------------------------------------------------------------

cdef int summed_axes(const dz_view *x, const dz_view *y, int *lead) noexcept:
    """How y's axes must be summed for x, which was stretched to y's shape: DZ_SUM_OVER_ROWS over the first `lead` axes,
    DZ_SUM_OVER_COLS over those from `lead` on, -1 over axes in between."""
    cdef int more = y.nd - x.nd, i, k
    lead[0] = 0
    if x.size == 1:
        return DZ_SUM_OVER_COLS
    k = more
    while k < y.nd and x.shape[k - more] == 1:
        k += 1
    lead[0] = k
    for i in range(k, y.nd):
        if x.shape[i - more] != y.shape[i]:
            break
    else:
        return DZ_SUM_OVER_ROWS
    k = y.nd
    while k > more and x.shape[k - 1 - more] == 1:
        k -= 1
    lead[0] = k
    for i in range(k):
        if y.shape[i] != (1 if i < more else x.shape[i - more]):
            return -1
    return DZ_SUM_OVER_COLS


cdef int sum_array(Variable x, const dz_view *xv, object full, const dz_view *fv) except -1:
    """Adds the sum of `full` (a C-contiguous array of ours, seen by fv) over the axes that were stretched from x's shape."""
    cdef int lead = fv.nd - xv.nd, i
    cdef cnp.npy_intp xs[DZ_MAXDIM]
    cdef tuple axes, shape
    for i in range(xv.nd):      # a copy: making tuples may start a collection, see evaluate
        xs[i] = xv.shape[i]
    axes = tuple([i for i in range(fv.nd) if i < lead or xs[i - lead] != fv.shape[i]])
    shape = tuple([xs[i] for i in range(fv.nd - lead)])
    set_private_grad(x, np.add.reduce(full, axis=axes, keepdims=True).reshape(shape))
    return 0


cdef object passable(Variable x, Variable y, bint keep):
    """y's gradient, which is even or has been seen, where x, which has none, can have it too and none can tell that it is the
    same array: it is read-only, or x's gradient will be dropped. Else None."""
    cdef object a
    if has_grad(x) or y.gstate < G_EVEN or x is y:
        return None
    a = y._grad
    if isinstance(a, Variable):
        a = None if (<Variable> a).v.p != NULL else (<Variable> a)._data
    if a is None or not cnp.PyArray_Check(a) or (cnp.PyArray_ISWRITEABLE(a) and (keep or x._creator is None)):
        return None
    return a


cdef bint pass_grad(Variable x, Variable y, bint keep) except -1:
    cdef object a = passable(x, y, keep)
    if a is None:
        return False
    if y.gstate == G_EVEN:
        set_even_grad(x, a)
    else:
        set_shown_grad(x, a.view())     # an ndarray of its own: its shape can be set
    return True


cdef inline void flat_backward(dz_kernel kernel, dz_args *a, unsigned uses, const dz_view *w) noexcept:
    """Everything lies alike, without gaps, but for a gradient of y that is one value for all elements, which is what a sum
    passes on."""
    if dz_is_even(&w[DZ_GY]):
        dz_even(kernel, a, uses)
    else:
        dz_flat(kernel, a, uses)


cdef int flags_raised() except -1:
    """Lets NumPy warn, or raise, as np.errstate says, for flags that a backward kernel left behind."""
    cdef int flags = dz_fpe_test()
    dz_fpe_clear()
    if flags & 4:
        np.divide(np.ones(1), np.zeros(1))
    if flags & 1:
        np.divide(np.zeros(1), np.zeros(1))
    if flags & 8:
        np.multiply(np.full(1, 1e300), np.full(1, 1e300))
    return 0


cdef class Elementwise(Function):
    """The base of the operations that are computed element by element."""

    def __call__(self, *inputs):
        if self.op >= 0 and classes[self.op] is type(self):
            show(self)      # whoever holds it can call it on its own output
            return run(self, inputs)
        return function_call(self, inputs)

    cdef int set_params(self, tuple params) except -1:
        cdef int i
        if isinstance(params[0], Variable):
            pass        # refused below
        elif self.op == DZ_OP_ROUND:
            params = (whole("round", "decimals", params[0]),)
            self.general_params = abs(params[0]) > DZ_MAXTEN
        elif self.op == DZ_OP_POLYGAMMA:
            params = (order_of(params[0]),)
        self.given = params
        for i, p in enumerate(params):
            if self.op == DZ_OP_NAN_TO_NUM and i > 0 and not isinstance(p, Variable):
                # the kernel has the largest numbers in place of infinities, no others
                self.general_params = self.general_params or p is not None
            elif type(p) is float or type(p) is int or type(p) is bool:
                self.param[i] = p
            elif p is None and self.op == DZ_OP_CLIP:       # a bound that is none
                self.param[i] = float("-inf") if i == 0 else float("inf")
            elif isinstance(p, Variable):
                raise TypeError(f"{type(self).__name__}: parameter {i + 1} is a Variable, which would get no gradient; give its "
                                "data, or compose it of operations whose operands are Variables (maximum, minimum, power, where)")
            elif isinstance(p, np.generic) and p.dtype.kind in "fiub":      # a number like any other
                self.given = self.given[:i] + (p.item(),) + self.given[i + 1:]
                self.param[i] = p
            else:
                self.general_params = True
        return 0

    @property
    def params(self):
        """The scalar parameters, in the order of the class's arguments."""
        return self.given or ()

    def _arguments(self):
        return self.params

    cdef object reference(self, tuple xs):
        raise NotImplementedError

    cdef object vjp(self, int k, object gy, object y):
        raise NotImplementedError

    def forward(self, *xs):
        """The value as an ndarray, from ndarrays."""
        cdef int n = self.check_arity(len(xs))
        cdef list vs = [argument(self.op, o, xs[0]) for o in xs] + [None, None]
        cdef Variable y = new_result(n, vs[0], vs[1], vs[2])
        evaluate(self, n, vs[0], vs[1], vs[2], y)
        return data_of(y)

    def backward(self, gy):
        """The gradients of the inputs from that of the output, by operations on Variables (ndarrays in the early modules)."""
        cdef list gxs
        cdef bint plain = not isinstance(gy, Variable)
        cdef Variable g = argument(self.op, gy, self.in0) if self.op >= 0 else None
        cdef int k, n
        if self.nin < 0:
            raise RuntimeError(f"{type(self).__name__}.backward: the function has no inputs; call it on a Variable first")
        n = self.check_arity(self.nin)
        g.kind = 0
        gxs = [self.gradient(k, g, self.value()) for k in range(n)]
        if plain and self.in0.era != ERA_CORE:
            gxs = [None if g_ is None else data_of(<Variable> g_) for g_ in gxs]
        return gxs[0] if n == 1 else tuple(gxs)

    cdef int check_arity(self, Py_ssize_t n) except -1:
        """The operation's number of inputs, which n must be."""
        cdef int want
        if self.op < 0:
            raise TypeError(f"{type(self).__name__} is no operation; take one of its subclasses, such as functions.Sin")
        want = dz_ops[self.op].nin
        if n != want:
            raise TypeError(f"{type(self).__name__} takes {want} input{'s' if want > 1 else ''}, not {n}")
        return want

    cdef object vjp_graph(self, list gys):
        cdef int k
        cdef object y
        if classes[self.op] is not type(self):
            return Function.vjp_graph(self, gys)
        y = self.value()
        return [None if not wants_grad(self.arg(k)) else self.gradient(k, gys[0], y) for k in range(self.nin)]

    cdef Variable value(self):
        """The output, computed again if nobody holds it any more: with its graph, which a derivative of the gradient needs."""
        cdef Variable y
        cdef Elementwise f
        if self.out0 != NULL:
            return <Variable> self.out0
        y = new_result(self.nin, self.in0, self.in1, self.in2)
        evaluate(self, self.nin, self.in0, self.in1, self.in2, y)
        if recording():
            f = new_function(self.op)
            f.given = self.given
            f.param[0], f.param[1] = self.param[0], self.param[1]
            f.general_params = self.general_params
            record_of(f, self.nin, self.in0, self.in1, self.in2, y)
        return y

    cdef object gradient(self, int k, object gy, object y):
        """One input's gradient in that input's shape."""
        cdef object g = self.vjp(k, gy, y)
        cdef dz_view a, b
        cdef Variable x = self.arg(k)
        if g is None or (view(<Variable> g, &a) and view(x, &b) and dz_same_shape(&a, &b)) or g.shape == x.shape:
            return g
        return methods["sum_to"](g, x.shape)

    cdef int vjp_scalar(self, Variable y) except -1:
        """vjp_raw where everything is 0-d and of one dtype."""
        cdef const dz_op *op = &dz_ops[self.op]
        cdef dz_args a
        cdef Variable x
        cdef dz_view w
        cdef int i, n = self.nin, dt, dx = 0
        cdef bint acc, odd = False
        if y.gstate != G_RAW or y.g.nd != 0 or self.general_params:
            return 0
        dt = y.g.dt
        a.in_[DZ_GY] = y.g.p
        a.in_[DZ_Y] = dz_scalar(&y.v, <PyObject *> y._data, &dx)
        if a.in_[DZ_Y] == NULL or dx != dt:
            return 0
        a.n = 1
        a.os = a.st[DZ_GY] = a.st[DZ_Y] = dz_itemsize(dt)
        a.p = self.param
        for i in range(n):
            x = self.in0 if i == 0 else self.in1 if i == 1 else self.in2
            a.in_[i] = dz_scalar(&x.v, <PyObject *> x._data, &dx)
            a.st[i] = a.os
            if a.in_[i] == NULL or dx != dt:
                return 0
        for i in range(n):
            x = self.in0 if i == 0 else self.in1 if i == 1 else self.in2
            if op.bwd[i][dt] == NULL or not wants_grad(x):
                continue
            if not has_grad(x):
                a.acc = 0
                a.out = dz_raw_scalar(&x.g, dt)
                x.gstate = G_RAW
            elif x.gstate == G_RAW and x.g.nd == 0 and x.g.dt == dt:
                a.acc = 1
                a.out = x.g.p
            else:
                view(x, &w)
                a.out = grad_target(x, &w, &acc)
                a.acc = acc
            op.bwd[i][dt](&a)
            odd = odd or (op.checks[i] and dz_odd(a.out, dt))
        if odd and dz_fpe_test():
            flags_raised()
        return 1

    cdef int vjp_in_node(self, Variable y, bint keep) except -1:
        """vjp_raw where y's gradient has axes and lies in its node, and all values do side by side with it, or are 0-d."""
        cdef const dz_op *op = &dz_ops[self.op]
        cdef dz_args a
        cdef Variable x
        cdef dz_view w
        cdef int i, n = self.nin, last = -1, dt = y.g.dt
        cdef bint acc, checks = False
        if self.general_params:
            return 0
        a.in_[DZ_GY] = y.g.p
        a.in_[DZ_Y] = dz_beside(&y.v, <PyObject *> y._data, &y.g, &a.st[DZ_Y])
        if a.in_[DZ_Y] == NULL or a.st[DZ_Y] == 0:
            return 0
        a.n = y.g.size
        a.os = a.st[DZ_GY] = a.st[DZ_Y]
        a.p = self.param
        for i in range(n):
            x = self.in0 if i == 0 else self.in1 if i == 1 else self.in2
            a.in_[i] = dz_beside(&x.v, <PyObject *> x._data, &y.g, &a.st[i])
            if a.in_[i] == NULL:
                return 0
            if op.bwd[i][dt] != NULL and wants_grad(x):
                if a.st[i] == 0:    # to be summed
                    return 0
                last = i
        for i in range(last + 1):
            x = self.in0 if i == 0 else self.in1 if i == 1 else self.in2
            if op.bwd[i][dt] == NULL or not wants_grad(x):
                continue
            if i == last and not keep and steal_grad(x, y):
                # nobody reads y's gradient after this: x's takes its place, written over it
                if op.passes_gy[i]:
                    continue
                a.out = x.g.p
                a.in_[DZ_GY] = a.out
                a.acc = 0
            else:
                view(x, &w)
                a.out = grad_target(x, &w, &acc)
                a.acc = acc
            op.bwd[i][dt](&a)
            checks = checks or op.checks[i]
        if checks and dz_fpe_test():
            flags_raised()
        return 1

    cdef bint both(self, Variable y, const dz_view *w, dz_args a, bint keep) except -1:
        """The gradients of two inputs that have none yet, in one loop. False, having done nothing, where one of them can have
        y's as it is. Everything is flat and of one shape, so that both gradients lie alike."""
        cdef const dz_op *op = &dz_ops[self.op]
        cdef Variable x0 = self.in0, x1 = self.in1
        cdef dz_view g
        if x0 is x1 or has_grad(x0) or has_grad(x1) or (x0.kind | x1.kind) & K_CONST:
            return False
        if y.gstate >= G_EVEN:
            if (op.passes_gy[0] and passable(x0, y, keep) is not None) or (op.passes_gy[1] and passable(x1, y, keep) is not None):
                return False
        elif y.gstate == G_ARRAY and (op.passes_gy[0] or op.passes_gy[1]) or op.passes_gy[1] and not keep:
            return False
        a.out = new_grad(x0, &w[0], True)
        if not keep and steal_grad(x1, y):      # written over y's, which nobody reads after this
            grad_view(x1, &g)
            a.in_[DZ_GX1] = a.in_[DZ_GY] = g.p
        else:
            try:
                a.in_[DZ_GX1] = new_grad(x1, &w[1], True)
            except BaseException:
                drop_grad(x0)
                raise
        a.st[DZ_GX1] = a.os
        a.acc = 0
        a.n = w[DZ_Y].size
        flat_backward(op.both[w[DZ_Y].dt], &a, op.uses_both, w)
        return True

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef const dz_op *op = &dz_ops[self.op]
        cdef dz_view w[DZ_NIN]
        cdef cnp.npy_intp st[DZ_NIN][DZ_MAXDIM]
        cdef const cnp.npy_intp *sts[DZ_NIN]
        cdef dz_args a
        cdef Variable x
        cdef int n = self.nin, i, k, last = -1, dt
        cdef bint flat, stretched = False, same, acc, checks = False
        if y.gstate == G_RAW and (self.vjp_scalar(y) if y.g.nd == 0 else self.vjp_in_node(y, keep)):
            return 1
        if self.general_params or not grad_view_even(y, &w[DZ_GY]) or not view(y, &w[DZ_Y]):
            return 0
        dt = w[DZ_Y].dt
        if w[DZ_GY].dt != dt:
            return self.mixed(y, keep)
        # flat: one loop over all elements, which lie without gaps and in every operand of y's shape alike
        flat = (w[DZ_Y].strides == NULL or grad_alike(&w[DZ_Y])) and dz_same_shape(&w[DZ_GY], &w[DZ_Y]) \
            and (dz_same_layout(&w[DZ_GY], &w[DZ_Y]) or dz_is_even(&w[DZ_GY]))
        a.in_[DZ_Y] = w[DZ_Y].p
        a.in_[DZ_GY] = w[DZ_GY].p
        a.st[DZ_Y] = a.st[DZ_GY] = a.os = dz_itemsize(dt)
        for i in range(n):
            x = self.in0 if i == 0 else self.in1 if i == 1 else self.in2
            if not view(x, &w[i]):
                return 0
            if w[i].dt != dt:
                return self.mixed(y, keep)
            a.in_[i] = w[i].p
            a.st[i] = a.os
            same = dz_same_shape(&w[i], &w[DZ_Y])
            if same:
                flat = flat and dz_same_layout(&w[i], &w[DZ_Y])
            else:
                a.st[i] = 0
                if w[i].size != 1 or w[i].nd > w[DZ_Y].nd:
                    flat = False
            if op.bwd[i][dt] != NULL and wants_grad(x):
                if same:
                    last = i
                else:
                    stretched = True
        if not flat and not stretched and y.gstate == G_EVEN:   # loops over any strides are faster where one is not 0
            grad_view(y, &w[DZ_GY])
            a.in_[DZ_GY] = w[DZ_GY].p
        if stretched or not flat:
            for i in range(DZ_NIN):
                if (i < n or i >= DZ_Y) and not dz_stretch(&w[i], w[DZ_Y].nd, w[DZ_Y].shape, st[i]):
                    return 0
                sts[i] = st[i]
        a.p = self.param
        if op.both[dt] != NULL and flat and last == 1 and not stretched and self.both(y, w, a, keep):
            if (op.checks[0] or op.checks[1]) and dz_fpe_test():
                flags_raised()
            return 1
        if stretched:       # first, so that the last of the others can take y's gradient over
            for k in range(n):
                x = self.in0 if k == 0 else self.in1 if k == 1 else self.in2
                if op.bwd[k][dt] != NULL and wants_grad(x) and not dz_same_shape(&w[k], &w[DZ_Y]):
                    checks = checks or op.checks[k]
                    self.summed(k, x, w, a, flat, <const ptrdiff_t *const *> sts)
        for k in range(last + 1):
            x = self.in0 if k == 0 else self.in1 if k == 1 else self.in2
            if op.bwd[k][dt] == NULL or not wants_grad(x) or not dz_same_shape(&w[k], &w[DZ_Y]):
                continue
            checks = checks or op.checks[k]
            if op.passes_gy[k] and y.gstate >= G_ARRAY and dz_same_shape(&w[DZ_GY], &w[DZ_Y]) \
                    and (share_grad(x, y, &w[k]) if y.gstate == G_ARRAY else pass_grad(x, y, keep)):
                continue
            if k == last and not keep and flat and steal_grad(x, y):
                # nobody reads y's gradient after this: x's takes its place, written over it
                if op.passes_gy[k]:
                    continue
                grad_view(x, &w[DZ_GY])
                a.in_[DZ_GY] = w[DZ_GY].p
                a.out = <char *> w[DZ_GY].p
                a.acc = 0
            else:
                a.out = grad_target(x, &w[k], &acc) if w[k].strides == NULL else grad_target_alike(x, &w[k], &acc)
                a.acc = acc
            self.map(k, w, a, flat, <const ptrdiff_t *const *> sts,
                     <const ptrdiff_t *> st[k] if grad_alike(&w[k]) else NULL)
        if checks and dz_fpe_test():
            flags_raised()
        return 1

    cdef int mixed(self, Variable y, bint keep) except -1:
        """vjp_raw where y's gradient is in float64, y or an input in float32: by copies in float64 of these. Their gradients,
        which are in float64 as NumPy's rules have it, are the inputs'."""
        cdef Variable x, yy
        cdef dz_view v, w
        cdef list xs = [], copies = []
        cdef Elementwise f
        cdef int k, n = self.nin
        if n > 2 or not view(y, &v) or not grad_view(y, &w) or w.dt != DZ_F64 or not dz_same_shape(&v, &w):
            return 0
        for k in range(n):
            x = self.arg(k)
            if not view(x, &w):
                return 0
            copies.append(copies[0] if k > 0 and x is xs[0] else as_double(x))
            xs.append(x)
        yy = as_double(y)
        if yy is not y:
            set_private_grad(yy, np.array(grad_array(y)))
        f = new_function(self.op)
        f.given = self.given
        f.param[0], f.param[1] = self.param[0], self.param[1]
        set_inputs(f, tuple(copies))
        if not f.vjp_raw(yy, keep and yy is y):
            return 0
        for k in range(n):
            x = xs[k]
            if copies[k] is not x and (<Variable> copies[k]).gstate != G_NONE:
                add_grad(x, grad_variable(copies[k]))
                drop_grad(copies[k])        # of both places of an input that has two
        return 1

    cdef void map(self, int k, const dz_view *w, dz_args a, bint flat, const ptrdiff_t *const *sts, const ptrdiff_t *st) noexcept:
        """Writes (or adds, a.acc) input k's gradient in y's shape to a.out, which lies by `st`, or NULL: in C order. `a` is a
        copy: its pointers move."""
        cdef const dz_op *op = &dz_ops[self.op]
        cdef const dz_view *y = &w[DZ_Y]
        cdef cnp.npy_intp so[DZ_MAXDIM]
        cdef Py_ssize_t step = a.os
        cdef int i
        if flat:
            a.n = y.size
            flat_backward(op.bwd[k][y.dt], &a, op.uses[k], w)
            return
        for i in range(y.nd - 1, -1, -1):
            so[i] = step if st == NULL else st[i]
            step *= y.shape[i]
        dz_map(op.bwd[k][y.dt], &a, op.uses[k], y.nd, <const ptrdiff_t *> y.shape, sts, <const ptrdiff_t *> so)

    cdef int summed(self, int k, Variable x, const dz_view *w, dz_args a, bint flat, const ptrdiff_t *const *sts) except -1:
        """Adds the gradient of input k, x, whose shape was stretched to y's."""
        cdef const dz_op *op = &dz_ops[self.op]
        cdef const dz_view *y = &w[DZ_Y]
        cdef dz_view full
        cdef char *sums
        cdef object temp
        cdef int lead, how
        cdef bint acc
        flat = flat and y.strides == NULL       # sums are taken in C order
        how = summed_axes(&w[k], y, &lead)
        if how >= 0 and y.size > 0:
            sums = grad_target(x, &w[k], &acc)
            if dz_map_sum(op.bwd[k][y.dt], &a, op.uses[k], y.dt, y.nd, <const ptrdiff_t *> y.shape, sts, lead, how, sums, acc):
                return 0
            if not acc:
                memset(sums, 0, w[k].size * a.os)
        temp = empty_array(y.nd, y.shape, y.dt)
        full = y[0]
        full.p = cnp.PyArray_BYTES(temp)
        full.strides = NULL
        a.out = <char *> full.p
        a.acc = 0
        self.map(k, w, a, flat, sts, NULL)
        return sum_array(x, &w[k], temp, &full)


hooks.apply1 = apply1
hooks.apply2 = apply2
hooks.power = power_hook
methods["round"] = lambda x, decimals: classes[DZ_OP_ROUND](0 if decimals is None else decimals)(x)
