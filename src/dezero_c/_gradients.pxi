# How a gradient is held (Variable.gstate), read, written and handed on. Part of _core.pyx.

cdef int drop_grad(Variable x) except -1:
    cdef object _old
    if x.gstate == G_RAW:
        dz_raw_free(&pool, &x.g)
        x.gstate = G_NONE
    elif x.gstate != G_NONE:
        _old = x._grad
        x.gstate = G_NONE
        x._grad = None
    return 0


cdef inline bint shares_grad(Variable x) noexcept:
    """Whether x's gradient is another Variable's too, and must be copied before it is written to or shown: the references are
    counted, to the array, and to the one that it is a view of."""
    cdef PyObject *a = <PyObject *> x._grad     # not an object, which would be a reference more
    cdef PyObject *base
    if x.gstate != G_ARRAY:
        return False
    base = dz_array_base(a)
    return Py_REFCNT(a) > 1 or (base != NULL and Py_REFCNT(base) > 1)


cdef object copied(object a):
    """A copy of a dense array of a kernel's dtype, in memory of ours."""
    cdef dz_view w
    cdef object b
    dz_view_object(<PyObject *> a, &w)
    b = empty_like_view(&w)
    memcpy(cnp.PyArray_BYTES(b), w.p, w.size * dz_itemsize(w.dt))
    return b


cdef int own_grad(Variable x) except -1:
    """Whoever writes to a gradient, or shows it, calls this first: then no other Variable's lies there."""
    cdef object old
    if shares_grad(x):
        old = copied(x._grad)
        x._grad = old       # the other owners keep the array
    return 0


cdef object grad_variable(Variable v):
    """The gradient as Python sees it, from now on never changed in place."""
    cdef Variable g
    if v.gstate == G_NONE:
        return None
    if v.gstate != G_SHOWN:
        g = new_variable(ERA_CORE)
        show_into(v, g)
        if traced():
            log_event(E_SHOW, v, g)
    return v._grad


cdef int show_into(Variable v, Variable g) except -1:
    """Makes g, which has no value, the Variable that v's gradient is, which nobody has seen so far."""
    own_grad(v)
    if v.gstate == G_RAW:
        dz_raw_move(&g.v, &v.g)
    elif v.gstate == G_EVEN:    # an ndarray of its own: its shape can be set
        g._data = v._grad.view()
    else:
        g._data = v._grad
    v._grad = g if v.era == ERA_CORE else data_of(g)
    v.gstate = G_SHOWN
    return 0


cdef int grad_view(Variable y, dz_view *w) except -1:
    """1 when kernels can read y's gradient. Written out first where it is one number for all elements."""
    if y.gstate == G_EVEN:
        write_out(y)
    return grad_view_even(y, w)


cdef int grad_view_even(Variable y, dz_view *w) except -1:
    """1 when kernels can read y's gradient; it may be dz_is_even."""
    if y.gstate == G_RAW:
        dz_view_raw(&y.g, w)
        return 1
    if y.gstate == G_SHOWN and isinstance(y._grad, Variable):
        return view(<Variable> y._grad, w)
    return y.gstate != G_NONE and dz_view_object(<PyObject *> y._grad, w) != 0


cdef object grad_array(Variable y):
    """y's gradient, which it has, as NumPy reads it; not to be kept."""
    cdef object g
    if y.gstate == G_EVEN:
        write_out(y)
    if y.gstate == G_ARRAY:
        return y._grad
    g = grad_variable(y)
    return data_of(<Variable> g) if isinstance(g, Variable) else g


cdef int write_out(Variable x) except -1:
    """From G_EVEN to G_ARRAY."""
    cdef dz_view w
    cdef object old = x._grad
    if not dz_view_object(<PyObject *> old, &w):
        raise AssertionError("an even gradient is an ndarray of a kernel's dtype")
    x._grad = empty_array(w.nd, w.shape, w.dt)
    x.gstate = G_ARRAY
    replaced.append(old)
    dz_fill(cnp.PyArray_BYTES(x._grad), w.dt, w.size, (<double *> w.p)[0] if w.dt == DZ_F64 else (<float *> w.p)[0])
    return 0


cdef bint grad_alike(const dz_view *xv) noexcept:
    """Whether a gradient of ours for a value that lies like xv can lie like it, its axes in another order than C's."""
    return xv.strides != NULL and not dz_raw_fits(xv.dt, xv.nd, xv.size) and dz_dense(xv)


cdef char *new_grad(Variable x, const dz_view *xv, bint alike=False) except NULL:
    """Uninitialised room for a gradient of the shape and dtype of xv, C-contiguous, or where `alike`, as grad_target_alike's; x
    had none."""
    if dz_raw_fits(xv.dt, xv.nd, xv.size):
        if not dz_raw_new(&pool, &x.g, xv.dt, xv.nd, xv.shape, xv.size):
            raise MemoryError()
        x.gstate = G_RAW
        return x.g.p
    cdef object array = empty_like_view(xv) if alike and grad_alike(xv) else empty_array(xv.nd, xv.shape, xv.dt)
    x._grad = array
    x.gstate = G_ARRAY
    return cnp.PyArray_BYTES(x._grad)


# Gradients that the step under way has replaced. They go after it: letting go of one may run somebody's code, which must not
# find a kernel half way.
cdef list replaced = []


cdef char *grad_target(Variable x, const dz_view *xv, bint *acc) except NULL:
    """Where a kernel writes (acc False) or adds (acc True) x's gradient, C-contiguous in the shape of x's value, which is
    xv. A gradient that somebody has seen is copied first: theirs stays as it is. Raises ValueError, having changed nothing,
    when an old gradient does not broadcast to the data."""
    cdef dz_view gv
    if x.gstate == G_RAW and x.g.dt == xv.dt:
        dz_view_raw(&x.g, &gv)
        if dz_same_shape(&gv, xv):
            acc[0] = True
            return x.g.p
    if x.gstate == G_NONE:
        acc[0] = False
        return new_grad(x, xv, False)
    return written_to(x, xv, False, acc)


cdef char *grad_target_alike(Variable x, const dz_view *xv, bint *acc) except NULL:
    """The same where the caller takes the gradient in the layout of xv, if grad_alike."""
    if not grad_alike(xv):
        return grad_target(x, xv, acc)
    if x.gstate == G_NONE:
        acc[0] = False
        return new_grad(x, xv, True)
    return written_to(x, xv, True, acc)


cdef char *written_to(Variable x, const dz_view *xv, bint alike, bint *acc) except NULL:
    """Where a gradient that there is can be added to."""
    cdef object old, array
    cdef dz_view gv
    cdef char *p
    acc[0] = True
    if x.gstate == G_EVEN:
        write_out(x)
    own_grad(x)
    if x.gstate == G_ARRAY and dz_view_object(<PyObject *> x._grad, &gv) and gv.dt == xv.dt and dz_same_shape(&gv, xv) \
            and (dz_same_layout(&gv, xv) if alike else gv.strides == NULL):
        return <char *> gv.p
    grad_variable(x)
    old = x._grad
    if grad_view(x, &gv) and gv.dt == xv.dt and dz_same_shape(&gv, xv) \
            and (dz_same_layout(&gv, xv) if alike else gv.strides == NULL):
        replaced.append(old)
        x._grad = None
        p = new_grad(x, xv, alike)
        memcpy(p, gv.p, xv.size * dz_itemsize(xv.dt))
        return p
    array = empty_like_view(xv) if alike else empty_array(xv.nd, xv.shape, xv.dt)
    try:
        array[...] = plain(old)
    except ValueError as error:
        raise ValueError(f"backward: the gradient that a Variable of shape {array.shape} already has is of shape "
                         f"{np.shape(plain(old))}; call cleargrad() before backward") from error
    replaced.append(old)
    x._grad = array
    x.gstate = G_ARRAY
    return cnp.PyArray_BYTES(array)


cdef int set_private_grad(Variable x, object a) except -1:
    """Adds `a`, a C-contiguous ndarray that nobody else holds, in the dtype and shape of x's value, to x's gradient."""
    cdef object old
    if x.gstate == G_RAW or x.gstate == G_ARRAY and not shares_grad(x):
        old = raw_array(x)
        np.add(old, a, out=old)
        return 0
    if x.gstate == G_ARRAY:
        old = x._grad
        np.add(old, a, out=a)
    elif x.gstate >= G_EVEN:
        old = x._grad
        a = np.asarray(np.add(plain(old), a))       # of 0-d arrays NumPy gives a scalar
        replaced.append(old)
    x._grad = a
    x.gstate = G_ARRAY
    return 0


cdef int set_shown_grad(Variable x, object a) except -1:
    """Gives x, which has no gradient, the ndarray `a` in the dtype and shape of its value; nobody writes to it: it may be a
    view with strides of 0."""
    cdef Variable g
    if x.era == ERA_CORE:
        g = new_variable(ERA_CORE)
        g._data = a
        a = g
    x._grad = a
    x.gstate = G_SHOWN
    return 0


cdef int set_even_grad(Variable x, object a) except -1:
    """Gives x, which has no gradient, the ndarray `a` in the dtype and shape of its value, with strides of 0."""
    x._grad = a
    x.gstate = G_EVEN
    return 0


cdef object raw_array(Variable x):
    """An ndarray that looks at x's private gradient; not to be kept."""
    if x.gstate == G_ARRAY:
        return x._grad
    return cnp.PyArray_SimpleNewFromData(x.g.nd, dz_raw_shape(&x.g), dz_typenum(x.g.dt), x.g.p)


cdef bint share_grad(Variable x, Variable y, const dz_view *xv) except -1:
    """Gives x, which has no gradient, y's large one that nobody has seen, in x's shape: both have it until one of them is
    written to, or seen. The caller knows that dtype and number of elements agree."""
    cdef dz_view gv
    cdef object a
    cdef cnp.PyArray_Dims dims
    if x.gstate != G_NONE or y.gstate != G_ARRAY or x is y:
        return False
    a = y._grad
    if not dz_view_object(<PyObject *> a, &gv):
        return False
    if not dz_same_shape(&gv, xv):
        dims.ptr = <cnp.npy_intp *> xv.shape
        dims.len = xv.nd
        a = cnp.PyArray_Newshape(a, &dims, cnp.NPY_CORDER)
    x._grad = a
    x.gstate = G_ARRAY
    return True


cdef bint steal_grad(Variable x, Variable y):
    """Moves y's gradient to x, which has none and may write over it, if nobody else has or has seen it. The caller knows that
    shapes and dtypes agree."""
    if x.gstate != G_NONE or x is y or shares_grad(y):
        return False
    if y.gstate == G_RAW:
        dz_raw_move(&x.g, &y.g)
    elif y.gstate == G_ARRAY:
        x._grad = y._grad
        y._grad = None
    else:
        return False
    x.gstate = y.gstate
    y.gstate = G_NONE
    return True


cdef int add_grad(Variable x, object gx) except -1:
    """Adds what a backward in Python returned: a Variable, or an array in the early modules."""
    cdef object old
    if gx is None or x.kind & K_CONST:
        return 0
    if x.era == ERA_CORE:
        if not isinstance(gx, Variable):
            gx = as_variable(as_array(gx))
    elif isinstance(gx, Variable):
        gx = data_of(<Variable> gx)
    old = grad_variable(x)
    if old is not None:
        gx = as_array(old + gx) if x.era != ERA_CORE else old + gx
    if x.gstate == G_RAW:
        dz_raw_free(&pool, &x.g)
    x._grad = gx        # `old` still holds what was there
    x.gstate = G_SHOWN
    if traced():
        log_gradient(E_GRAD, x, gx)
    if create_graph_depth > 0 or (isinstance(gx, Variable) and (<Variable> gx).seen):
        track(x)
    return 0
