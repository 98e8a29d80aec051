# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Indexing and its gradient, which is an operation itself; embed_id and take, which are indexing too; assignment.

Backwards without a graph, an index adds to the input's gradient in place: a view costs its own size, whatever the array's,
and rows that integer arrays or a mask name are added by a kernel. Everything else goes through np.add.at.

An index belongs to the graph: lists and arrays are copied when it is recorded, so that a buffer of ids may be filled anew
before backward. Against the array's shape it is checked each time that it is used.
"""

import operator
from functools import partial

import numpy as np

cimport numpy as cnp
from cpython.object cimport PyObject
from libc.string cimport memset

from dezero_c._arrays cimport ArrayFunction, argument, carray, kernel_dtype, named_plain, normal_axes, run
from dezero_c._core cimport (
    DZ_F32, DZ_F64, DZ_GY, DZ_MAXDIM, DZ_NIN, Function, Variable, as_operand, call_native, check_plain, clone_function,
    data_of, derived, dz_args, dz_bind, dz_itemsize, dz_map, dz_ops, dz_raw_fits, dz_stretch, dz_typenum, dz_view,
    failed, grad_target, has_grad, kernels, new_value, new_variable, open_function_class, ptrdiff_t, read, record_of, recording,
    set_data_array, set_private_grad, traced, wants_grad)
from dezero_c._shape cimport copy_into, views_agree

from dezero_c import _core
from dezero_c._cast import cast
from dezero_c._ops import where
from dezero_c._shape import reshape, unbroadcast

cnp.import_array()
dz_bind(kernels())

cdef extern from "generated/enum.h":
    enum:
        DZ_OP_ADD

cdef extern from "Python.h":
    ctypedef struct PySliceObject:
        PyObject *start
        PyObject *stop
        PyObject *step
    PyObject *Py_None
    bint PyLong_CheckExact(PyObject *)
    int PySlice_Unpack(object, Py_ssize_t *, Py_ssize_t *, Py_ssize_t *) except -1
    Py_ssize_t PySlice_AdjustIndices(Py_ssize_t, Py_ssize_t *, Py_ssize_t *, Py_ssize_t) noexcept

cdef extern from "numpy/arrayobject.h":
    cnp.npy_intp PyArray_CountNonzero(cnp.ndarray) except -1

cdef extern from "families/index.h":
    bint dz_index_fits(const ptrdiff_t *, ptrdiff_t, ptrdiff_t) noexcept nogil
    bint dz_index_join(ptrdiff_t *, const ptrdiff_t *, ptrdiff_t, ptrdiff_t, ptrdiff_t) noexcept nogil
    void dz_add_rows(int, char *, const char *, const ptrdiff_t *, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t) noexcept nogil
    void dz_add_masked(int, char *, const char *, const unsigned char *, ptrdiff_t, ptrdiff_t, ptrdiff_t) noexcept nogil
    void dz_take_masked(int, char *, const char *, const unsigned char *, ptrdiff_t, ptrdiff_t) noexcept nogil

# ---- the index itself -------------------------------------------------------------------------------------------------

cdef inline bint plain_slice(object s) noexcept:
    """A slice whose bounds are ints or None: nothing in it can change, or run Python."""
    cdef PySliceObject *p = <PySliceObject *> s
    return (p.start == Py_None or PyLong_CheckExact(p.start)) and (p.stop == Py_None or PyLong_CheckExact(p.stop)) \
        and (p.step == Py_None or PyLong_CheckExact(p.step))


cdef inline bint unchanging(object i) noexcept:
    """Whether an index, or a part of one, is ours as it stands."""
    return type(i) is int or i is None or i is Ellipsis or (type(i) is slice and plain_slice(i))


cdef object own(object index):
    """The index as the graph keeps it: ints, slices, None, Ellipsis, bools, C-contiguous intp and bool arrays, or a tuple of
    such, that nobody else holds. What NumPy refuses stays, so that NumPy refuses it."""
    if unchanging(index):
        return index
    if type(index) is tuple:
        for i in <tuple> index:
            if not unchanging(i):
                return tuple([own_part(i) for i in <tuple> index])
        return index
    if isinstance(index, tuple):    # a named tuple
        return own(tuple(index))
    return own_part(index)


cdef object own_part(object i):
    cdef object a
    if unchanging(i) or isinstance(i, str):
        return i
    if isinstance(i, Variable):
        i = read(<Variable> i, "an index")
    if isinstance(i, (bool, np.bool_)):
        return bool(i)
    if type(i) is slice:
        return slice(*[None if o is None else operator.index(read(o, "an index") if isinstance(o, Variable) else o)
                       for o in (i.start, i.stop, i.step)])
    if not cnp.PyArray_Check(i) and hasattr(i, "__index__"):
        return operator.index(i)
    if type(i) is not cnp.ndarray and cnp.PyArray_Check(i):
        check_plain(i)
    a = np.array(i, order="C")
    if a.dtype.kind == "u" and a.itemsize == sizeof(ptrdiff_t):
        check_large(a, "index", "")
    if a.dtype.kind in "iu" or (a.size == 0 and not cnp.PyArray_Check(i)):
        return a.astype(np.intp, order="C", copy=False)
    return a


cdef int check_large(object a, str what, str op) except -1:
    """An error for numbers of an unsigned array that a signed one takes for negative ones."""
    if a.size and a.max() > np.iinfo(np.intp).max:
        raise IndexError(f"{op}{what} {a.max()} is out of bounds for an axis of any length")
    return 0


cdef bint is_basic(object index):
    """Whether NumPy gives a view for an index of ours, where no element can be named twice."""
    if type(index) is tuple:
        for i in <tuple> index:
            if not unchanging(i):
                return False
        return True
    return unchanging(index)


cdef struct Box:        # what a basic index shows of an array
    int nd
    Py_ssize_t offset   # bytes
    cnp.npy_intp shape[DZ_MAXDIM]
    cnp.npy_intp strides[DZ_MAXDIM]


cdef bint find_box(object index, int nd, const cnp.npy_intp *shape, const cnp.npy_intp *strides, Box *box) except -1:
    """False when the index is no basic one, or does not fit the shape. Allocates nothing: it may run while a view is held."""
    cdef bint several = type(index) is tuple, rest = True
    cdef int n = <int> len(<tuple> index) if several else 1
    cdef int k, axis = 0, used = 0
    cdef Py_ssize_t start, stop, step
    cdef object i
    box.nd = 0
    box.offset = 0
    for k in range(n):
        i = (<tuple> index)[k] if several else index
        if i is Ellipsis:
            rest = False
        elif i is not None:
            used += 1
    if used > nd:
        return False
    for k in range(n + rest):
        i = Ellipsis if k == n else (<tuple> index)[k] if several else index
        if i is Ellipsis:
            for axis in range(axis, axis + nd - used):
                if box.nd == DZ_MAXDIM:
                    return False
                box.shape[box.nd] = shape[axis]
                box.strides[box.nd] = strides[axis]
                box.nd += 1
            axis += nd > used
            used = nd
        elif i is None:
            if box.nd == DZ_MAXDIM:
                return False
            box.shape[box.nd] = 1
            box.strides[box.nd] = 0
            box.nd += 1
        elif type(i) is int:
            try:
                start = i
            except OverflowError:
                return False
            if start < -shape[axis] or start >= shape[axis]:
                return False
            box.offset += (start + shape[axis] if start < 0 else start) * strides[axis]
            axis += 1
        elif type(i) is slice and plain_slice(i) and box.nd < DZ_MAXDIM:
            PySlice_Unpack(i, &start, &stop, &step)
            box.shape[box.nd] = PySlice_AdjustIndices(shape[axis], &start, &stop, step)
            box.strides[box.nd] = strides[axis] * step
            box.nd += 1
            box.offset += start * strides[axis]
            axis += 1
        else:
            return False
    return True


cdef struct Rows:       # rows of an array (outer, len, row) that an index names
    Py_ssize_t outer, len, row
    Py_ssize_t n        # how many for each of outer


cdef tuple find_rows(object index, tuple shape, Rows *r):
    """(row numbers or a mask, C-contiguous; the result's shape) for one mask over the leading axes, or integer arrays over
    adjacent axes between full slices. None for any other index, or one that does not fit."""
    cdef tuple parts = <tuple> index if type(index) is tuple else (index,)
    cdef int nd = len(shape), axis = 0, first = -1, used = 0, k
    cdef list arrays = []
    cdef object i, flat
    cdef bint ended = False, ellipsis = False
    cdef tuple of
    if len(parts) == 1 and cnp.PyArray_Check(parts[0]) and parts[0].dtype == bool:
        i = parts[0]
        if i.ndim == 0 or i.shape != shape[:i.ndim]:
            return None
        r.outer, r.len, r.row = 1, i.size, size_of(shape[i.ndim:])
        r.n = PyArray_CountNonzero(i)
        return i, (r.n, *shape[i.ndim:])
    for i in parts:
        if i is Ellipsis:
            if ellipsis:
                return None
            ellipsis = True
        else:
            used += 1
    if used > nd:
        return None
    for i in parts:
        if i is Ellipsis:
            axis += nd - used
            ended = ended or first >= 0
        elif type(i) is slice and i.start is None and i.stop is None and i.step is None:
            axis += 1
            ended = ended or first >= 0
        elif type(i) is int or (cnp.PyArray_Check(i) and i.dtype == np.intp):
            if ended:
                return None
            if first < 0:
                first = axis
            axis += 1
            arrays.append(i)
        else:
            return None
    arrays = [np.asarray(i, np.intp) for i in arrays]
    if not arrays:
        return None
    of = arrays[0].shape
    if len(arrays) > 1 and any([i.ndim > 0 and i.shape != of for i in arrays]):
        of = np.broadcast_shapes(*[i.shape for i in arrays])
        arrays = [i if i.ndim == 0 else np.ascontiguousarray(np.broadcast_to(i, of)) for i in arrays]
    r.outer = size_of(shape[:first])
    r.len = size_of(shape[first:first + len(arrays)])
    r.row = size_of(shape[first + len(arrays):])
    r.n = size_of(of)
    if len(arrays) == 1:
        flat = arrays[0]
        if not dz_index_fits(<const ptrdiff_t *> cnp.PyArray_DATA(flat), r.n, r.len):
            return None
    else:
        flat = np.zeros(of, np.intp)
        for k, i in enumerate(arrays):
            if not dz_index_join(<ptrdiff_t *> cnp.PyArray_DATA(flat), <const ptrdiff_t *> cnp.PyArray_DATA(i),
                                 1 if i.ndim else 0, r.n, shape[first + k]):
                return None
    return flat, shape[:first] + of + shape[first + len(arrays):]


cdef Py_ssize_t size_of(tuple shape) except -1:
    cdef Py_ssize_t n = 1, length
    for length in shape:
        n *= length
    return n


cdef int add_rows(int dt, char *out, const char *gy, object rows, const Rows *r) except -1:
    """Adds gy to the rows that find_rows found; out has outer * len * row values, gy outer * n * row. Row numbers are looked
    at again, since a user can write into `GetItem.slices`, even from a destructor; the kernel for masks needs no trust."""
    if cnp.PyArray_TYPE(rows) == cnp.NPY_BOOL:
        dz_add_masked(dt, out, gy, <const unsigned char *> cnp.PyArray_DATA(rows), r.n, r.len, r.row)
    elif not dz_index_fits(<const ptrdiff_t *> cnp.PyArray_DATA(rows), r.n, r.len):
        raise IndexError(f"get_item: an index of {r.len} rows was changed while it was used")
    else:
        dz_add_rows(dt, out, gy, <const ptrdiff_t *> cnp.PyArray_DATA(rows), r.n, r.outer, r.len, r.row)
    return 0


cdef object gather(object a, object index):
    """a[index]. Rows by `take`, and a mask over all axes by a kernel, several times faster than NumPy's index."""
    cdef int axis = -1, k, dt
    cdef cnp.npy_intp n
    cdef object rows = index, y
    if type(a) is cnp.ndarray and cnp.PyArray_ISCARRAY_RO(a) and a.ndim > 0:
        if type(index) is tuple:
            for k in range(<int> len(<tuple> index)):
                rows = (<tuple> index)[k]
                if type(rows) is cnp.ndarray:
                    axis = k if k == <int> len(<tuple> index) - 1 and k < a.ndim else -1
                    break
                if not (type(rows) is slice and rows.start is None and rows.stop is None and rows.step is None):
                    break
        elif type(index) is cnp.ndarray:
            axis = 0
            if cnp.PyArray_TYPE(index) == cnp.NPY_BOOL and index.shape == a.shape:
                dt = kernel_dtype(a)
                if dt >= 0:
                    n = PyArray_CountNonzero(index)
                    y = cnp.PyArray_EMPTY(1, &n, dz_typenum(dt), 0)
                    dz_take_masked(dt, cnp.PyArray_BYTES(y), cnp.PyArray_BYTES(a),
                                   <const unsigned char *> cnp.PyArray_DATA(index), n, cnp.PyArray_SIZE(a))
                    return y
        if axis >= 0 and cnp.PyArray_TYPE(rows) == cnp.NPY_INTP and rows.ndim > 0:
            return cnp.PyArray_TakeFrom(a, rows, axis, <cnp.ndarray> NULL, cnp.NPY_RAISE)
    return a[index]


cdef object scatter(object index, object shape, object gy):
    """Zeros of `shape`, to which gy was added at an index of ours."""
    cdef object gx = np.zeros(shape, gy.dtype)
    try:
        if is_basic(index):
            gx[index] = gy
        else:
            add_values(gx, index, gy)
    except (ValueError, IndexError) as error:
        raise ValueError(f"get_item: a gradient of shape {gy.shape} does not fit the index in an array of shape {shape}; was "
                         "the data rebound to another shape since forward?") from error
    return gx


cdef int add_values(object a, object index, object values) except -1:
    """Adds values, one for each element that is named, to `a`, a C-contiguous array, at an index of ours that is not basic."""
    cdef int dt = kernel_dtype(a)
    cdef Rows r
    cdef tuple found
    if dt >= 0 and a.dtype.isnative:
        found = find_rows(index, a.shape, &r)
        if found is not None and values.shape == found[1]:
            values = carray(values, dt)
            add_rows(dt, cnp.PyArray_BYTES(a), cnp.PyArray_BYTES(values), found[0], &r)
            return 0
    np.add.at(a, index, values)
    return 0


# ---- get_item ---------------------------------------------------------------------------------------------------------

cdef char *zeroed_target(Variable x, const dz_view *xv) except NULL:
    """Where x's gradient lies, to be added to: zeros where there was none."""
    cdef bint acc
    cdef char *p
    if not has_grad(x) and not dz_raw_fits(xv.dt, xv.nd, xv.size):   # zeros that are never touched may cost nothing
        set_private_grad(x, cnp.PyArray_ZEROS(xv.nd, <cnp.npy_intp *> xv.shape, dz_typenum(xv.dt), 0))
    p = grad_target(x, xv, &acc)
    if not acc:
        memset(p, 0, xv.size * dz_itemsize(xv.dt))
    return p


cdef class GetItem(ArrayFunction):
    """GetItem(slices)\n--\n
    The class behind `get_item` and `x[…]`: `GetItem(slices)(x)`. Lists and arrays in `slices` are copied."""

    # The index is in Function.given: a class without fields of its own comes from the free list.

    def __init__(self, slices):
        self.given = own(slices)

    def _arguments(self):
        return (self.given,)

    @property
    def slices(self):
        """The index."""
        return self.given

    def forward(self, x):
        return gather(x, self.given)

    cdef int compute(self, Variable y) except -1:
        cdef object a = data_of(self.in0)
        set_indexed(y, a, gather(a, self.given))
        return 1

    def backward(self, gy):
        cdef Variable g = argument(gy, "get_item")
        return call_native(GetItemGrad(self.given, self.in0.shape), (g,), scatter(self.given, self.in0.shape, data_of(g)))

    cdef object gradients(self, object gy):
        cdef object x = data_of(self.in0)
        return (scatter(self.given, x.shape, gy),) if cnp.PyArray_Check(x) else None

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef Variable x = self.in0
        cdef dz_view xv, gv
        cdef Rows r
        cdef tuple found
        cdef object data
        if not wants_grad(x):
            return 1
        if is_basic(self.given):
            if views_agree(x, y, &xv, &gv) and add_box(x, &xv, self.given, &gv):
                return 1
        else:
            data = data_of(x)
            found = find_rows(self.given, data.shape, &r) if cnp.PyArray_Check(data) else None
            if found is not None and found[1] == y.shape and views_agree(x, y, &xv, &gv) and gv.strides == NULL \
                    and gv.size == r.outer * r.n * r.row and xv.size == r.outer * r.len * r.row:
                add_rows(xv.dt, zeroed_target(x, &xv), gv.p, found[0], &r)
                return 1
        return ArrayFunction.vjp_raw(self, y, keep)


cdef bint add_box(Variable x, const dz_view *xv, object index, const dz_view *gv) except -1:
    """Adds what gv shows to x's gradient at a basic index. False, having changed nothing: gv has another shape."""
    cdef Box box
    cdef dz_args a
    cdef cnp.npy_intp st[DZ_MAXDIM]
    cdef const cnp.npy_intp *sts[DZ_NIN]
    cdef Py_ssize_t step = dz_itemsize(xv.dt)
    cdef int k
    for k in range(xv.nd - 1, -1, -1):
        st[k] = step
        step *= xv.shape[k]
    if not find_box(index, xv.nd, xv.shape, st, &box) or box.nd != gv.nd:
        return False
    for k in range(box.nd):
        if box.shape[k] != gv.shape[k]:
            return False
    dz_stretch(gv, gv.nd, gv.shape, st)
    sts[DZ_GY] = st
    a.out = zeroed_target(x, xv) + box.offset
    a.acc = True
    a.in_[DZ_GY] = gv.p
    dz_map(dz_ops[DZ_OP_ADD].bwd[0][xv.dt], &a, 1 << DZ_GY, box.nd, <const ptrdiff_t *> box.shape,
           <const ptrdiff_t *const *> sts, <const ptrdiff_t *> box.strides)
    return True


cdef class GetItemGrad(ArrayFunction):
    """GetItemGrad(slices, in_shape)\n--\n
    The gradient of indexing, an operation itself: gy's values added up at `slices` of zeros in shape `in_shape`."""

    cdef readonly object slices, in_shape

    def __init__(self, slices, in_shape):
        self.slices = own(slices)
        self.in_shape = in_shape

    def _arguments(self):
        return (self.slices, self.in_shape)

    def forward(self, gy):
        return scatter(self.slices, self.in_shape, gy)

    def backward(self, ggx):
        return get_item(ggx, self.slices)

    cdef object gradients(self, object gy):
        cdef object values = np.asarray(gather(gy, self.slices))
        return (values.copy() if is_basic(self.slices) else values,)

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef dz_view xv, gv
        cdef cnp.npy_intp st[DZ_MAXDIM]
        cdef Box box
        cdef int k
        if is_basic(self.slices) and views_agree(self.in0, y, &xv, &gv):
            dz_stretch(&gv, gv.nd, gv.shape, st)
            if find_box(self.slices, gv.nd, gv.shape, st, &box) and box.nd == xv.nd:
                for k in range(xv.nd):
                    if box.shape[k] != xv.shape[k]:
                        return 0
                copy_into(self.in0, &xv, gv.p + box.offset, box.strides)
                return 1
        return ArrayFunction.vjp_raw(self, y, keep)


cdef GetItem prototype = GetItem.__new__(GetItem)
prototype.native = True
open_function_class(GetItem)


cdef int set_indexed(Variable y, object x, object value) except -1:
    """Gives y, which has none, the value x[index]."""
    cdef object a
    if cnp.PyArray_Check(value):
        set_data_array(y, value)
    elif type(value) is np.float64:
        (<double *> new_value(y, DZ_F64, 0, NULL, 1))[0] = value
    elif type(value) is np.float32:
        (<float *> new_value(y, DZ_F32, 0, NULL, 1))[0] = <float> <double> value
    else:
        a = np.empty((), x.dtype)
        a[()] = value
        set_data_array(y, a)
    return 0


cdef Variable record_index(Variable x, object index, object value, Variable y):
    """The node y of x[index], an index of ours; made before the value, since a profile has the beginning by it."""
    cdef Function f
    set_indexed(y, data_of(x), value)
    if recording():
        f = <Function> clone_function(<PyObject *> prototype)
        f.given = index
        record_of(f, 1, x, None, None, y)
    return y


def get_item(x, slices):
    """x[slices], with every index that NumPy has; Variables may be indices too. Elements that are named more than once get the
    sum of their gradients.

    Ints and slices give a view, as in NumPy. Lists and arrays of indices are copied: changing them later changes no gradient.
    Raises IndexError as NumPy does, with the shape in its text.
    """
    cdef Variable v = argument(x, "get_item"), y = new_variable(v.era)
    cdef object a = data_of(v), index, r
    try:
        index = own(slices)
        r = gather(a, index)
    except IndexError as error:
        raise IndexError(f"get_item: {error} (the array has shape {a.shape})") from error
    return record_index(v, index, r, y)


# ---- what is indexing by another name ---------------------------------------------------------------------------------

cdef object integers(object indices, str op, str what):
    """A C-contiguous intp array of our own."""
    cdef object a
    if isinstance(indices, Variable):
        indices = read(<Variable> indices, f"{op}(): the numbers of rows")
    if type(indices) is not cnp.ndarray and cnp.PyArray_Check(indices):
        named_plain(indices, op)
    a = np.asarray(indices)
    if a.dtype.kind not in "iu" and (a.size or cnp.PyArray_Check(indices)):
        raise TypeError(f"{op}: {what} must be integers, not {a.dtype} (shape {a.shape}); convert them, as in x.astype(int)")
    if a.dtype.kind == "u" and a.itemsize == sizeof(ptrdiff_t):
        check_large(a, "id" if what == "ids" else "index", op + ": ")
    return np.array(a, np.intp, order="C")


def embed_id(x, W, *, padding_idx=None):
    """Rows of W by number: W[x].

    x: integer ids of any shape, an ndarray, a Variable, a list or an int, which gets no gradient; W: (V, D). Returns x.shape +
    (D,). W's gradient is the sum of gy over the places of each id, added in their order. Negative ids count from the end.
    padding_idx: the id of a row that is a constant here and gets no gradient, of whatever order, such as that of the filling
    after short sequences; None for none.
    Raises TypeError for ids that are no integers, IndexError for ids and a padding_idx outside of [-V, V).
    """
    cdef Variable w = argument(W, "embed_id"), y
    cdef object ids = integers(x, "embed_id", "ids"), a = data_of(w), r, padding
    if a.ndim == 0:
        raise ValueError("embed_id: W must have an axis of ids, (V, D); it is 0-d")
    y = new_variable(w.era)
    try:
        r = gather(a, ids)
    except IndexError as error:
        found = f"id {ids.min()} is not" if ids.size == 1 else f"ids from {ids.min()} to {ids.max()} are not all"
        raise IndexError(f"embed_id: {found} in [{-a.shape[0]}, {a.shape[0]}), the rows of W of shape {a.shape}") from error
    y = record_index(w, ids, r, y)
    if padding_idx is None:
        return y
    if not isinstance(padding_idx, (int, np.integer)) or isinstance(padding_idx, bool):
        raise TypeError(f"embed_id: padding_idx {padding_idx!r} must be an int or None")
    if not -a.shape[0] <= padding_idx < a.shape[0]:
        raise IndexError(f"embed_id: padding_idx {padding_idx} is not in [{-a.shape[0]}, {a.shape[0]}), the rows of W of shape "
                         f"{a.shape}")
    padding = ids % a.shape[0] == padding_idx % a.shape[0]
    if not padding.any():
        return y
    return where(np.reshape(padding, ids.shape + (1,) * (a.ndim - 1)), read(y, "embed_id() with padding_idx"), y)


def take(x, indices, axis=None):
    """Elements, rows or columns by number, as np.take: `x[:, indices]` for axis 1; of the flattened array for None.

    indices: integers of any shape, which take the place of the axis. Raises TypeError for indices that are no integers,
    IndexError where they are out of bounds, AxisError (a ValueError) for an axis that x does not have.
    """
    cdef Variable v = argument(x, "take")
    cdef object index = integers(indices, "take", "indices")
    cdef int k = 0
    if axis is None:
        v = reshape(v, (-1,))
    else:
        k = normal_axes(operator.index(axis), v.shape, "take")[0]
    try:
        return get_item(v, (slice(None),) * k + (index,))
    except IndexError as error:
        raise IndexError(f"take: {error}") from None


def take_along_axis(x, indices, axis):
    """Elements by one index array for each line along an axis, as np.take_along_axis.

    indices: integers, as many axes as x, broadcasting with it but along `axis`; axis None takes x as flat. Picks what argmax or
    argsort found. Errors as in `take`; ValueError when the numbers of axes differ.
    """
    cdef Variable v = argument(x, "take_along_axis")
    cdef object index = integers(indices, "take_along_axis", "indices")
    cdef int k, i, nd
    if axis is None:
        v = reshape(v, (-1,))
        k = 0
    else:
        k = normal_axes(operator.index(axis), v.shape, "take_along_axis")[0]
    nd = v.ndim
    if index.ndim != nd:
        raise ValueError(f"take_along_axis: indices of shape {index.shape} must have as many axes as x of shape {v.shape}")
    try:
        return get_item(v, tuple([index if i == k else np.arange(v.shape[i]).reshape((-1,) + (1,) * (nd - 1 - i))
                                  for i in range(nd)]))
    except IndexError as error:
        raise IndexError(f"take_along_axis: {error}") from None


# ---- assignment that gives a new array --------------------------------------------------------------------------------

cdef tuple named(object index, tuple shape):
    """The shape of x[index] for an x of that shape."""
    return np.shape(np.broadcast_to(np.int8(0), shape)[index])


cdef Variable fitting(Variable u, object dtype, str op):
    """u's integers in a narrower dtype of integers."""
    cdef Variable y = new_variable(u.era)
    try:
        set_data_array(y, _fitting(dtype, op, data_of(u)))
    except BaseException:
        failed()
        raise
    if traced():
        derived(y, partial(_fitting, dtype, op), (u,))
    return y


def _fitting(dtype, op, values):
    """Integers in another dtype, where they fit into it."""
    info = np.iinfo(dtype)
    for n in (int(values.min()), int(values.max())) if values.size else ():
        if not info.min <= n <= info.max:
            raise OverflowError(f"{op}: a value of {n} does not fit into {dtype}, which holds {info.min} to {info.max}; cast x, "
                                "as in x.astype(int)")
    return values.astype(dtype)


cdef tuple placed(object x, object slices, object value, str op):
    """x as a Variable, the index as ours, and the value as a Variable in x's dtype, without axes of length 1 before those that
    x[index] has."""
    cdef Variable v = argument(x, op), u
    cdef object index
    cdef tuple shape = v.shape, of, target
    try:
        u = as_operand(value, v)
    except TypeError as error:
        raise TypeError(f"{op}: {error}") from error
    if u.v.p == NULL and u._data is None:
        raise TypeError(f"{op}: the value has no data (Variable(None)); give it data first")
    try:
        index = own(slices)
        target = named(index, shape)
    except IndexError as error:
        raise IndexError(f"{op}: {error} (the array has shape {shape})") from error
    if u.dtype.kind in "iu" and v.dtype.kind in "iu" and not np.can_cast(u.dtype, v.dtype):
        u = fitting(u, v.dtype, op)
    elif u.dtype != v.dtype:
        if not np.can_cast(u.dtype, v.dtype, "same_kind"):
            raise TypeError(f"{op}: a value of {u.dtype} does not fit into {v.dtype}; cast x or the value")
        u = cast(u, v.dtype)
    of = u.shape
    while len(of) > len(target) and of[0] == 1:
        of = of[1:]
    try:
        if np.broadcast_shapes(of, target) != target:
            raise ValueError
    except ValueError:
        raise ValueError(f"{op}: a value of shape {u.shape} does not broadcast to x[index] of shape {target} (x of shape "
                         f"{shape})") from None
    return v, index, u if of == u.shape else reshape(u, of)


cdef tuple last_ones(object index, tuple shape):
    """(number in the flattened array of each element that an index names, whether no later one names it too); None where no
    element is named twice."""
    cdef object places, owner, count
    if not any([cnp.PyArray_Check(i) and i.dtype != bool for i in (index if type(index) is tuple else (index,))]):
        return None
    places = np.arange(size_of(shape)).reshape(shape)[index]
    count = np.arange(places.size).reshape(places.shape)
    owner = np.empty(size_of(shape), np.intp)
    owner[places.ravel()] = count.ravel()       # one after the other: the last stays
    count = owner[places] == count
    return None if count.all() else (places, count)


cdef class SetAt(ArrayFunction):
    """SetAt(slices)\n--\n
    The class behind `set_at`: `SetAt(slices)(x, value)`, both of one dtype. Lists and arrays in `slices` are copied."""

    cdef readonly object slices

    def __init__(self, slices):
        self.slices = own(slices)

    def _arguments(self):
        return (self.slices,)

    def forward(self, x, value):
        cdef object y = np.array(x, order="C")
        cdef tuple last = last_ones(self.slices, x.shape)
        if last is None:
            y[self.slices] = value
        else:
            y.ravel()[last[0].ravel()] = np.broadcast_to(value, last[0].shape).ravel()
        return y

    def backward(self, gy):
        cdef tuple last = last_ones(self.slices, self.in0.shape)
        cdef object gv = get_item(gy, self.slices)
        if last is not None:
            gv = where(last[1], gv, 0)
        return set_at(gy, self.slices, 0), unbroadcast(gv, self.in1.shape)

    cdef object gradients(self, object gy):
        cdef tuple last = last_ones(self.slices, gy.shape)
        cdef object gx = gy.copy(), gv = None
        gx[self.slices] = 0
        if wants_grad(self.in1):
            gv = np.array(gather(gy, self.slices))
            if gv.shape != self.in1.shape:
                return None
            if last is not None:
                gv[~last[1]] = 0
        return gx, gv


def set_at(x, slices, value):
    """What `x[slices] = value` would make of x, as a new array; x stays as it is. Every index that NumPy has.

    value: a Variable, an array or a number that broadcasts to x[slices]; it takes x's dtype. Its gradient is gy at the index, x's
    is gy with zeros there. Where the index names an element more than once the last value is it, in the order of x[slices], and
    has the gradient. Raises IndexError as NumPy does, ValueError for a value that does not broadcast, TypeError for one whose
    kind of dtype x's cannot hold, OverflowError for an integer that x's dtype of integers does not hold.
    """
    cdef Variable v, u
    cdef SetAt f
    v, index, u = placed(x, slices, value, "set_at")
    f = SetAt(index)
    return run(f, (v, u))


cdef class AddAt(ArrayFunction):
    """AddAt(slices)\n--\n
    The class behind `add_at`: `AddAt(slices)(x, value)`, both of one dtype. Lists and arrays in `slices` are copied."""

    cdef readonly object slices

    def __init__(self, slices):
        self.slices = own(slices)

    def _arguments(self):
        return (self.slices,)

    def forward(self, x, value):
        cdef object y = np.array(x, order="C")
        if is_basic(self.slices):
            y[self.slices] += value
        else:
            add_values(y, self.slices, np.broadcast_to(value, named(self.slices, x.shape)))
        return y

    def backward(self, gy):
        return gy, unbroadcast(get_item(gy, self.slices), self.in1.shape)

    cdef object gradients(self, object gy):
        cdef object gv = None
        if wants_grad(self.in1):
            gv = np.array(gather(gy, self.slices))
            if gv.shape != self.in1.shape:
                return None
        return gy.copy(), gv


def add_at(x, slices, value):
    """x with the value added at an index, as a new array; x stays as it is. An element that the index names more than once gets
    every value, as by np.add.at.

    value: a Variable, an array or a number that broadcasts to x[slices]; it takes x's dtype. Its gradient is gy at the index, x's
    is gy. Errors as in `set_at`.
    """
    cdef Variable v, u
    cdef AddAt f
    v, index, u = placed(x, slices, value, "add_at")
    f = AddAt(index)
    return run(f, (v, u))


_core.register_methods(get_item=get_item)
include "generated/_index.pxi"
