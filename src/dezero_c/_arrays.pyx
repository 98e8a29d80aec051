# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""How an operation on whole arrays runs: what is no formula element by element, and too large for a loop over a view.

A family's class defines `forward` on ndarrays, `backward` on Variables (from which derivatives of every order follow), and
`gradients`, the same backward on ndarrays, without a graph, by a kernel or by BLAS. The kernels of a family are in a header
of its own below src/kernels, which includes core/levels.h.
"""

import numpy as np

cimport numpy as cnp

from dezero_c._core cimport (
    DZ_F32, DZ_F64, DZ_MAXDIM, Function, Variable, add_grad, as_operand, call_native, check_plain, data_of, dz_bind,
    dz_typenum, empty_array, failed, grad_array, double_array, kernels, record_of, recording, set_private_grad, wants_grad)

cnp.import_array()
dz_bind(kernels())

cdef extern from "numpy/arrayobject.h":
    enum:
        NPY_HALF


cdef class ArrayFunction(Function):
    """The base of the operations on whole arrays."""

    cdef object gradients(self, object gy):
        """The inputs' gradients as ndarrays: a sequence, None where one has none or wants none. gy has the shape
        and dtype of the output, and so have the gradients: that of a float32 operand beside float64 ones is float64, as NumPy's
        rules make it. The arrays are new: neither gy nor an input, nor a view of one. None: `backward` is to do it, because a
        dtype or a shape is not what the kernels take."""
        return None

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef object gy, gxs, gx, x_data, y_data = data_of(y)
        cdef Variable x
        cdef int k
        gy = grad_array(y)
        if type(gy) is not cnp.ndarray or type(y_data) is not cnp.ndarray or gy.dtype != y_data.dtype \
                or not cnp.PyArray_SAMESHAPE(gy, y_data):
            return 0
        gxs = self.gradients(gy)
        if gxs is None:
            return 0
        gxs = [None if gx is None else np.asarray(gx) for gx in gxs]    # arithmetic on 0-d arrays gives NumPy scalars
        for k in range(self.nin):
            gx = gxs[k]
            if gx is not None:
                x_data = data_of(self.arg(k))
                if type(x_data) is not cnp.ndarray or not cnp.PyArray_SAMESHAPE(gx, x_data) or (
                        gx.dtype != x_data.dtype and not (kernel_dtype(gx) == DZ_F64 and kernel_dtype(x_data) == DZ_F32)):
                    return 0
        for k in range(self.nin):
            x = self.arg(k)
            gx = gxs[k]
            if gx is not None and wants_grad(x):
                give_grad(x, gx if cnp.PyArray_IS_C_CONTIGUOUS(gx) else cnp.PyArray_NewCopy(gx, cnp.NPY_CORDER))
        return 1


cdef int give_grad(Variable x, object gx) except -1:
    """Adds gx, a new C-contiguous ndarray of x's shape, in x's dtype or in float64 where x has float32, to x's gradient."""
    if x.v.p != NULL and x.v.dt != kernel_dtype(gx) or x.v.p == NULL and x._data.dtype != gx.dtype:
        return add_grad(x, gx)
    return set_private_grad(x, gx)


cdef object wide(object a, int dt):
    """`a`, an ndarray, where it has dtype dt; in float64, a copy, where it has float32 and dt is float64; None for all others."""
    cdef int t = kernel_dtype(a)
    if t == dt:
        return a
    return double_array(a) if t == DZ_F32 and dt == DZ_F64 else None


cdef Variable argument(object x, str op):
    """The argument of a public function as a Variable with data."""
    cdef Variable v
    try:
        v = as_operand(x, None)
    except TypeError as error:
        raise TypeError(f"{op}: {error}") from error
    if v.v.p == NULL and v._data is None:
        raise TypeError(f"{op}: the Variable has no data (Variable(None)); give it data first")
    return v


cdef int named_plain(object o, str op) except -1:
    """check_plain with the operation's name, for labels and numbers of rows, which become no operand."""
    try:
        return check_plain(o)
    except TypeError as error:
        raise TypeError(f"{op}: {error}") from None


cdef Variable floating(Variable v):
    """v, or where it holds integers or booleans its values in float64, in the graph."""
    return v * 1.0 if v.dtype.kind in "iub" else v


cdef bint is_half(Variable v) noexcept:
    """Whether v holds float16."""
    return v.v.p == NULL and half_array(v._data)


cdef bint half_array(object a) noexcept:
    return isinstance(a, cnp.ndarray) and cnp.PyArray_TYPE(a) == NPY_HALF


cdef Variable widened(Variable v):
    """v, or where it holds float16 its values in float32, in the graph: for what adds, or squares, on its way to a result."""
    return v.astype(np.float32) if is_half(v) else v


cdef object narrowed(object y, bint half):
    """y, or where `half` its values in float16, in the graph: what was computed in float32 is rounded once, and the gradients
    of what was widened are."""
    return y.astype(np.float16) if half else y


cdef Variable real_valued(Variable v, str op):
    """v; TypeError where it is complex."""
    if v._data is not None and cnp.PyArray_ISCOMPLEX(v._data):
        raise TypeError(f"{op}: not defined for {v.dtype}: it takes real numbers (functions real, imag and abs make them)")
    return v


cdef object forward_of(Function f, list values):
    """f.forward(*values)."""
    try:
        return f.forward(*values)
    except BaseException:
        failed()
        raise


cdef object run(Function f, tuple xs):
    """Calls f, an exact built-in class with one output, on Variables with data."""
    cdef Variable x
    return call_native(f, xs, forward_of(f, [data_of(x) for x in xs]))


cdef object recorded(Function f, int n, Variable x0, Variable x1, Variable x2, Variable y):
    """y, a value that has just been made, with f, new and of an exact built-in class, as its creator from n inputs."""
    if recording():
        record_of(f, n, x0, x1, x2, y)
    return y


cdef int kernel_dtype(object a) noexcept:
    """DZ_F32 or DZ_F64, or -1 for what kernels do not take."""
    cdef int t
    if not isinstance(a, cnp.ndarray):
        return -1
    t = cnp.PyArray_TYPE(a)
    return DZ_F64 if t == cnp.NPY_DOUBLE else DZ_F32 if t == cnp.NPY_FLOAT else -1


cdef object carray(object a, int dt):
    """`a` as a C-contiguous, aligned, native ndarray of dtype dt: itself where it is one. Only to be read."""
    return cnp.PyArray_FROM_OTF(a, dz_typenum(dt), cnp.NPY_ARRAY_IN_ARRAY | cnp.NPY_ARRAY_ENSUREARRAY)


cdef object new_array(tuple shape, int dt):
    """An uninitialised C-contiguous ndarray."""
    cdef cnp.npy_intp lengths[DZ_MAXDIM]
    cdef int nd = <int> len(shape), i
    if nd > DZ_MAXDIM:
        raise ValueError(f"shape {shape} has more than {DZ_MAXDIM} axes")
    for i in range(nd):
        lengths[i] = shape[i]
    return empty_array(nd, lengths, dt)


cdef tuple normal_axes(object axis, tuple shape, str op):
    """`axis` (None, an int, or a sequence of ints) as a tuple of axes from 0, in its order."""
    cdef int nd = len(shape)
    cdef list axes = []
    if axis is None or nd == 0 and type(axis) is int and axis in (0, -1):     # NumPy lets a single number have an axis
        return tuple(range(nd))
    for a in axis if isinstance(axis, (tuple, list)) else (axis,):
        if not isinstance(a, (int, np.integer)) or isinstance(a, bool):
            raise TypeError(f"{op}: axis {axis!r} must be an int, a tuple of ints, or None")
        if not -nd <= a < nd:
            raise np.exceptions.AxisError(f"{op}: axis {axis} is not one of the {nd} axes of shape {shape}")
        if int(a) % nd in axes:
            raise ValueError(f"{op}: axis {axis} names an axis twice (shape {shape})")
        axes.append(int(a) % nd)
    return tuple(axes)


cdef tuple kept_shape(tuple shape, tuple axes):
    """The shape of a reduction over `axes` with keepdims."""
    cdef int i
    return tuple([1 if i in axes else shape[i] for i in range(len(shape))])


cdef object reduction_of(object reduction, str op):
    """What becomes of the losses of single elements: "mean", "sum" or "none"."""
    if not isinstance(reduction, str) or reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{op}: reduction {reduction!r} must be 'mean', 'sum' or 'none'")
    return reduction


from dezero_c import _core

_core.open_class(ArrayFunction)
