# The graph as objects: linking a Function to its inputs and output, showing nodes to the garbage collector, and freeing
# them without recursion. Part of _core.pyx.

# `seen` of a node says that the collector tracks it; asking the collector costs a call.

cdef inline void show_variable(Variable v) noexcept:
    if not v.seen:
        v.seen = True
        PyObject_GC_Track(<PyObject *> v)


cdef inline void show_function(Function f) noexcept:
    if not f.seen:
        f.seen = True
        PyObject_GC_Track(<PyObject *> f)


cdef inline bint hidden(Variable x) noexcept:
    """Whether there is something for `track` to do at x."""
    return not x.seen or (x._creator is not None and not x._creator.seen) or (
        x.gstate == G_SHOWN and isinstance(x._grad, Variable) and not (<Variable> x._grad).seen)


cdef int track(Variable v) except -1:
    """Shows v and all that it was computed from to the garbage collector: a cycle is possible now. A tracked Function has
    tracked inputs, so the search stops at one."""
    cdef list todo
    cdef Variable x
    cdef Function f
    if not hidden(v):
        return 0
    todo = [v]
    while todo:
        x = todo.pop()
        show_variable(x)
        if x.gstate == G_SHOWN and isinstance(x._grad, Variable) and not (<Variable> x._grad).seen:
            todo.append(x._grad)
        f = x._creator
        if f is not None and not f.seen:
            show_function(f)
            todo.extend(function_inputs(f))
    return 0


cdef void attribute_set(PyObject *o, PyObject *value) noexcept:
    """A node got an instance attribute: from now on it, what it was computed from, and the nodes that can be reached from
    the value are the collector's."""
    cdef object v = <object> value if value != NULL else None
    if PyObject_GC_IsTracked(o) and not PyObject_IS_GC(<PyObject *> v):
        return
    try:
        show(<object> o)
        if PyObject_IS_GC(<PyObject *> v):
            show_reachable(v)
    except MemoryError:
        pass    # not shown: at worst a cycle is not found


cdef int show(object node) except -1:
    cdef Variable x
    if isinstance(node, Variable):
        track(<Variable> node)
    elif isinstance(node, Function):
        show_function(<Function> node)
        for x in function_inputs(<Function> node):
            track(x)
    return 0


cdef int show_reachable(object value) except -1:
    """Shows the nodes that `value` refers to, through containers, objects and closures; a search of bounded length."""
    cdef list todo = [value]
    cdef set found = {id(value)}
    cdef object o, r
    while todo:
        o = todo.pop()
        if isinstance(o, (Variable, Function)):
            show(o)
            continue
        for r in gc.get_referents(o):
            if not PyObject_IS_GC(<PyObject *> r) or id(r) in found or isinstance(r, (type, types.ModuleType)) \
                    or (isinstance(r, dict) and "__builtins__" in r):
                continue
            if len(found) > 10000:
                return 0
            found.add(id(r))
            todo.append(r)
    return 0


cdef list function_inputs(Function f):
    cdef Py_ssize_t k
    if f.rest is not None:
        return list(f.rest)
    return [f.arg(k) for k in range(f.nin)]


cdef int record(Function f, Variable y) except -1:
    """Links y to f, whose inputs are set, as its single output; y becomes visible to the collector where a cycle is
    possible: an input is visible already, f is, or gradients are being given a graph."""
    cdef Py_ssize_t k, gen = 0
    cdef bint seen = f.seen or f.native == 0 or create_graph_depth > 0
    cdef Variable x
    if traced():
        if y is not None:
            log_result(f, y)
        if not mode(0):
            return 0
    if f.rest is None:
        for k in range(f.nin):
            x = f.in0 if k == 0 else f.in1 if k == 1 else f.in2
            if x.gen > gen:
                gen = x.gen
            seen |= x.seen
    else:
        for x in f.rest:
            if x.gen > gen:
                gen = x.gen
            seen |= x.seen
    f.gen = gen
    if y is not None:
        f.out0 = <PyObject *> y
        y._creator = f
        y.gen = gen + 1
    if seen:
        if f.rest is None:
            for k in range(f.nin):
                track(f.in0 if k == 0 else f.in1 if k == 1 else f.in2)
        else:
            for x in f.rest:
                track(x)
        show_function(f)
        if y is not None:
            show_variable(y)
    return 0


cdef void unlink(PyObject *o) noexcept:
    """Cuts the way from the creator to this output, which goes away or gets another creator."""
    cdef Variable v = <Variable> o
    if v._creator is not None and v._creator.out0 == o:
        v._creator.out0 = NULL


# Freeing a node may let go of the next: the outermost call works through the list dz_released, so that a chain of any
# length is freed in constant stack. One list a thread. Tuples of more than three inputs wait in a list of their own.

cdef list released_tuples = []


cdef inline void release(PyObject *o) noexcept:
    """Gives up a reference to an object that may be a Variable."""
    global dz_released
    if Py_REFCNT(o) == 1 and isinstance(<object> o, Variable):
        (<Variable> o).next = dz_released
        dz_released = o
    else:
        Py_DECREF(<object> o)


cdef bint postpone(object rest) noexcept:
    """Puts a tuple on the list. Nodes are freed while an exception is on its way, too, which a list's methods must not see."""
    cdef PyObject *kind
    cdef PyObject *value
    cdef PyObject *trace
    cdef bint done = True
    PyErr_Fetch(&kind, &value, &trace)
    try:
        released_tuples.append(rest)
    except MemoryError:
        done = False    # it goes now, by recursion
    PyErr_Restore(kind, value, trace)
    return done


cdef void release_tuple() noexcept:
    cdef PyObject *kind
    cdef PyObject *value
    cdef PyObject *trace
    PyErr_Fetch(&kind, &value, &trace)
    try:
        released_tuples.pop()
    except MemoryError:     # to make the list smaller; it would stay as it is for ever
        Py_DECREF(<object> dz_list_take(<PyObject *> released_tuples))
    PyErr_Restore(kind, value, trace)


cdef void release_all() noexcept:
    global dz_released, dz_releasing
    cdef PyObject *o
    if dz_releasing:
        return
    dz_releasing = True
    while True:
        if dz_released != NULL:
            o = dz_released
            dz_released = (<Variable> o).next
            (<Variable> o).next = NULL
            Py_DECREF(<object> o)
        elif released_tuples:
            release_tuple()
        else:
            break
    dz_releasing = False


# The destructors. Cython's own would do the same through one call per base class, saving and restoring the exception
# state at each. `o` has no references left, so it must not be put into a variable here; Py_DECREF of a field lets go of what
# the field owned.

cdef void variable_dealloc(PyObject *o) noexcept:
    if (<Variable> o).seen or dz_destructor(o) != variable_dealloc:
        PyObject_GC_UnTrack(o)
    if (<Variable> o)._creator is not None and (<Variable> o)._creator.out0 == o:
        (<Variable> o)._creator.out0 = NULL     # before a weak reference's callback can look for this node
    if weakrefs_of_variable(o) != NULL:
        PyObject_ClearWeakRefs(o)
    dz_raw_free(&pool, &(<Variable> o).v)
    dz_raw_free(&pool, &(<Variable> o).g)
    Py_CLEAR((<Variable> o).attrs)
    Py_DECREF((<Variable> o)._data)
    release(<PyObject *> (<Variable> o)._grad)
    release(<PyObject *> (<Variable> o)._name)
    Py_DECREF((<Variable> o)._creator)
    dz_free(o)
    if dz_released != NULL:
        release_all()


cdef void function_dealloc(PyObject *o) noexcept:
    cdef bint several = False
    if (<Function> o).seen or dz_destructor(o) != function_dealloc:
        PyObject_GC_UnTrack(o)
    if weakrefs_of_function(o) != NULL:
        PyObject_ClearWeakRefs(o)
    release(<PyObject *> (<Function> o).in0)
    release(<PyObject *> (<Function> o).in1)
    release(<PyObject *> (<Function> o).in2)
    Py_CLEAR((<Function> o).attrs)
    if (<Function> o).rest is not None:
        several = postpone((<Function> o).rest)
    Py_DECREF((<Function> o).rest)
    Py_DECREF((<Function> o).outs)
    Py_DECREF((<Function> o).given)
    dz_free(o)
    if dz_released != NULL or several:
        release_all()


# What _copying.py needs to take a graph apart and put one together.

def variable_state(Variable v not None):
    """All of a Variable but its place in a graph, and its hooks: for _copying."""
    cdef dict attributes = dict(v.__dict__) if v.attrs != NULL else None
    if v.hooked:
        attributes.pop(HOOKS, None)
    return data_of(v), v._name, grad_variable(v), attributes, v.kind, v.era


def restore_variable(Variable v not None, state):
    """The opposite of variable_state; takes the attributes of a DeZero Variable, a dict, as well."""
    if isinstance(state, dict):
        state = {"data": None, "name": None, "grad": None, "creator": None, "generation": 0, **state}
        if state["creator"] is not None:
            raise ValueError(f"{type(v).__name__}: this pickle of DeZero's holds a graph, which does not fit here; pickle the "
                             "Variable's data, or Variable(x.data), instead")
        data, name, grad = state.pop("data"), state.pop("name"), state.pop("grad")
        del state["creator"], state["generation"]
        if isinstance(data, np.generic):
            data = np.asarray(data)
        state = data, name, grad, state, v.kind, v.era
    data, name, grad, attributes, v.kind, v.era = state
    set_data_array(v, data)
    v.name = name
    v.grad = grad
    if attributes:
        v.__dict__.update(attributes)


def is_native(Function f not None):
    """Whether f runs its class's C methods."""
    return bool(f.native)


def set_native(Function f not None, bint native):
    """For _copying."""
    f.native = native


def multiple_outputs(Function f not None):
    """Shapes and dtypes of f's outputs where it has several, else None."""
    if f.outs is None or len(f.outs) < 2:
        return None
    return [(r.shape, r.dtype) if isinstance(r, OutputReference) else ((), F64) for r in f.outs]


def link(Function f not None, tuple inputs, list outputs, shapes, Py_ssize_t generation):
    """Puts f between inputs and outputs (Variables; None for an output that is gone), as its call did, with the generation that
    it had: those of its inputs may not be known yet. Nor may where a cycle is possible, so the collector gets all."""
    cdef Variable y
    set_inputs(f, inputs)
    show_function(f)
    record(f, <Variable?> outputs[0] if shapes is None and outputs[0] is not None else None)
    f.gen = generation
    if shapes is not None:
        f.outs = [gone_reference(about[0], about[1]) if y is None else output_reference(y) for y, about in zip(outputs, shapes)]
    for y in outputs:
        if y is not None:
            y._creator = f
            y.gen = f.gen + 1
            track(y)
