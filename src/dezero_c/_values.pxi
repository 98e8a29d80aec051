# How a value comes into a node and out of it: raw memory, ndarrays, operands that are no Variables. Part of _core.pyx.

cdef object empty_array(int nd, const cnp.npy_intp *shape, int dt):
    """An uninitialised C-contiguous ndarray; a large one takes memory that an earlier one has left."""
    return dz_empty(nd, shape, dz_typenum(dt))


cdef object empty_in_order(int nd, const cnp.npy_intp *shape, int dt, const int *axis):
    """The same with its axes in any order in memory, axis[0] the innermost; nd is not 0."""
    cdef cnp.npy_intp st[DZ_MAXDIM]
    cdef cnp.npy_intp step = dz_itemsize(dt)
    cdef object a = empty_array(nd, shape, dt)
    cdef int i
    for i in range(nd):
        st[axis[i]] = step
        step *= shape[axis[i]]
    memcpy(cnp.PyArray_STRIDES(a), st, nd * sizeof(cnp.npy_intp))
    cnp.PyArray_UpdateFlags(a, cnp.NPY_ARRAY_C_CONTIGUOUS | cnp.NPY_ARRAY_F_CONTIGUOUS)
    return a


cdef object double_array(object a):
    """A copy of an ndarray in float64; of a C-contiguous one in memory that is kept for the next."""
    cdef object b
    if not cnp.PyArray_IS_C_CONTIGUOUS(a):
        return cnp.PyArray_Cast(a, cnp.NPY_DOUBLE)
    b = empty_array(cnp.PyArray_NDIM(a), cnp.PyArray_DIMS(a), DZ_F64)
    cnp.PyArray_CopyInto(b, a)
    return b


cdef object empty_like_view(const dz_view *w):
    """Uninitialised, in the layout of `w`, which is dense."""
    cdef int axis[DZ_MAXDIM]
    if w.strides == NULL:
        return empty_array(w.nd, w.shape, w.dt)
    dz_axes(1, <const ptrdiff_t *const *> &w.strides, w.nd, axis)
    return empty_in_order(w.nd, w.shape, w.dt, axis)


cdef object data_of(Variable v):
    """The value as Python sees it. A raw one moves into an ndarray, which is the value from now on."""
    cdef object a
    if v is None:
        raise RuntimeError("a Function's backward was called before the Function, or after a call with other inputs")
    if v.v.p != NULL:
        a = cnp.PyArray_EMPTY(v.v.nd, dz_raw_shape(&v.v), dz_typenum(v.v.dt), 0)
        memcpy(cnp.PyArray_DATA(a), v.v.p, v.v.size * dz_itemsize(v.v.dt))
        dz_raw_free(&pool, &v.v)
        v._data = a
    return v._data


cdef tuple STORES = tuple([opcode.opmap[name] for name in ("STORE_SUBSCR", "STORE_SLICE") if name in opcode.opmap])


cdef int check_use() except -1:
    """NumPy asks an element's new value for a number, as np.mean its sum, and the parts of np.r_ for arrays: nothing but the
    caller's code tells that a graph is about to be lost there. Without a graph to lose (no_grad) all is well."""
    cdef object frame, code, asks
    if not mode(0):
        return 0
    try:
        frame = sys._getframe()
    except ValueError:      # called from C alone
        return 0
    code = frame.f_code
    if code.co_code[frame.f_lasti] in STORES:
        raise TypeError("assigning a Variable to elements of an array loses its graph: make the array with stack, "
                        "concatenate, where or set_at of dezero_c.functions, or assign x.data")
    asks = str(frame.f_globals.get("__name__", ""))
    if asks.startswith("pandas.") and code.co_name in ("dot", "__matmul__", "__rmatmul__"):
        raise TypeError("a table of pandas @ a Variable loses the Variable's graph: take F.matmul(table, x), or x.data")
    if asks == "numpy.ma.core" and code.co_name == "getdata" and frame.f_back.f_code.co_name == "__call__":
        # a masked array's operators, which do not leave the operation to a Variable; what draws asks otherwise
        raise TypeError("numpy.ma loses the graph of a Variable, and a MaskedArray is not taken as an array: pass it.filled(...)")
    if asks.startswith("numpy."):
        if code.co_name == "__getitem__" and "index_tricks" in asks:
            raise TypeError("np.r_ and np.c_ lose the graph of a Variable: take concatenate, hstack or stack of "
                            "dezero_c.functions or NumPy, or x.data")
        if asks.endswith("._methods"):
            raise TypeError(f"np.{code.co_name.strip('_')} of a list of Variables loses their graph: take it of "
                            "dezero_c.functions.stack(the list), or of their data")
    return 0


# Fields are replaced through a local variable that holds the old value until the new one is in place: letting go of it may
# run somebody's code, which may look at this node.

cdef int set_data_array(Variable v, object a) except -1:
    cdef object _old = v._data
    dz_raw_free(&pool, &v.v)
    v._data = a
    return 0


cdef char *new_value(Variable y, int dt, int nd, const cnp.npy_intp *shape, Py_ssize_t size) except NULL:
    """Uninitialised room for the value of a new Variable, raw or as an ndarray by its size."""
    cdef object a
    if dz_raw_fits(dt, nd, size):
        if not dz_raw_new(&pool, &y.v, dt, nd, shape, size):
            raise MemoryError()
        return y.v.p
    a = empty_array(nd, shape, dt)
    y._data = a
    return cnp.PyArray_BYTES(a)


cdef bint is_column(object o):
    """Whether o is a column of a table, or a table, such as pandas' Series and DataFrame."""
    return hasattr(type(o), "to_numpy") and hasattr(type(o), "__array__")


cdef object column_values(object o):
    """The numbers of a column or a table, as an ndarray, by the rules that data of a training have (dezero_c/_tables.py). Raises
    TypeError for what is no numbers, ValueError for missing values."""
    return methods["table"](o)


cdef int check_plain(object o) except -1:
    """TypeError for arrays whose methods and operators mean something else than an ndarray's; other subclasses are taken."""
    if type(o) is cnp.ndarray or not cnp.PyArray_Check(o):
        return 0
    if isinstance(o, np.matrix):
        raise TypeError(f"a {type(o).__name__} (shape {o.shape}), whose * and ** are matrix products, is not taken as an array: "
                        "pass np.asarray(it)")
    if isinstance(o, np.ma.MaskedArray):
        raise TypeError(f"a {type(o).__name__} (shape {o.shape}, {int(np.ma.getmaskarray(o).sum())} values masked), whose mask "
                        "nothing would look at, is not taken as an array: pass it.filled(...), or it.compressed()")
    return 0


cdef Variable wrap(object o, int dt, int era):
    """A Variable around an operand that is none, for one operation. A Python number takes the dtype `dt` where that is
    0 or 1 (a kernel's dtype); everything else becomes an ndarray. Raises TypeError for what is no number."""
    cdef Variable v = new_variable(era)
    cdef object a
    v.kind = K_CONST
    if type(o) is float or type(o) is int or type(o) is bool:
        v.kind = K_CONST | K_WEAK
        if dt >= 0:
            dz_raw_new(&pool, &v.v, dt, 0, NULL, 1)
            if dt == DZ_F64:
                (<double *> v.v.p)[0] = o
            else:
                (<float *> v.v.p)[0] = <float> <double> o
            return v
        v._data = np.array(o)
        return v
    if cnp.PyArray_Check(o):
        if type(o) is not cnp.ndarray:
            check_plain(o)
        v._data = o
        return v
    if isinstance(o, (np.generic, numbers.Number)):
        v.kind = K_CONST | K_WEAK if type(o) is complex else K_CONST
        v._data = np.array(o)
        return v
    if isinstance(o, (list, tuple)):
        try:
            a = np.asarray(o)
        except ValueError as error:
            raise TypeError(f"operand {o!r:.80} is no regular array of numbers; pass an ndarray or a Variable") from error
        if a.dtype.kind in "biufc":
            v._data = a
            return v
    if is_column(o):
        a = column_values(o)
        v._data = a
        return v
    raise TypeError(f"unsupported operand type {type(o).__name__!r}: pass a Variable, an ndarray or a number")


cdef bint holds_variables(object o):
    """Whether there is one in a list, in lists in it, or in an array of objects."""
    for each in o:
        if isinstance(each, Variable) or isinstance(each, (list, tuple)) and holds_variables(each):
            return True
    return False


cdef object joined(object o):
    """A list of Variables and numbers, or of such lists, as one Variable in the graph."""
    return methods["stack"]([joined(each) if isinstance(each, (list, tuple)) else each for each in o])


cdef Variable joined_objects(object a):
    """The same of an array of objects; None where no Variable is in it."""
    return methods["reshape"](joined(list(a.flat)), a.shape) if holds_variables(a.flat) else None


cdef Variable as_operand(object o, object other):
    """`o` as a Variable for an operation together with `other`, whose dtype a Python number takes."""
    if isinstance(o, Variable):
        return <Variable> o
    if traced():
        return traced_operand(o, other)
    return untraced_operand(o, other)


cdef Variable untraced_operand(object o, object other):
    """The same of what is no Variable."""
    cdef dz_view w
    cdef Variable v
    if type(o) is float or type(o) is int:
        pass
    elif isinstance(o, (list, tuple)):
        if holds_variables(o):
            return joined(o)
    elif cnp.PyArray_Check(o) and cnp.PyArray_TYPE(o) == cnp.NPY_OBJECT and (v := joined_objects(o)) is not None:
        return v
    if type(o) is bool and getattr(other, "dtype", None) != bool:
        o = int(o)      # a number among numbers, or the sign rules of bool would follow
    if isinstance(other, Variable):
        if view(<Variable> other, &w):
            return wrap(o, w.dt, (<Variable> other).era)
        return weak_like(wrap(o, -1, (<Variable> other).era), data_of(<Variable> other))
    if dz_view_object(<PyObject *> other, &w):
        return wrap(o, w.dt, ERA_CORE)
    return weak_like(wrap(o, -1, ERA_CORE), other)


cdef Variable weak_like(Variable v, object other):
    """A Python number in the floating dtype that kernels do not take (float16, complex64, ...), so that a gradient that uses
    it keeps that dtype."""
    if v.kind & K_WEAK and v.v.p == NULL and cnp.PyArray_Check(other) and other.dtype.kind in "fc" \
            and np.can_cast(v._data.dtype, other.dtype, "same_kind"):
        with np.errstate(all="ignore"):     # the operation itself will tell of an overflow
            v._data = v._data.astype(other.dtype)
    return v
