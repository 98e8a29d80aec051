# What a capture is told of while a call is traced: operations, steps backwards, gradients and data that are set, looks at
# values. Who asks `traced()` and what is logged there is the whole of the engine's part; _plan.pyx makes a plan of it. Part of
# _core.pyx.
#
# A function of the library that makes an array from values and hides it in an operation (a mask, an order, a rank) would be
# frozen without a word. So every Variable that is made while tracing must be explained: as the output of a logged operation, as a
# constant that the user's code wrote, or by `derived`, which says of what and how it is made. Whatever is left refuses the plan.

#
# A watch (dezero_c/_debugging.py) is told of operations and steps backwards in the same places, and changes nothing: arrays stay
# arrays, and nothing is written down.


def start_trace(on_read):
    """Logs what this thread does from now on."""
    cdef Trace t = Trace()
    global dz_trace
    if dz_trace != NULL:
        raise RuntimeError("a call of this thread is being traced already")
    t.on_read = on_read
    t.before = dz_mode[0]
    t.active = True
    dz_mode[0] = with_trace(mode(0), M_TRACED)
    Py_INCREF(t)
    dz_trace = <PyObject *> t
    return t


def end_trace(Trace t not None):
    """The opposite of start_trace, whatever happened in between."""
    global dz_trace
    if t.active:
        t.active = False
        dz_mode[0] = t.before
        dz_trace = NULL
        Py_DECREF(t)


def start_watch(watch):
    """Has `watch` told of this thread's operations (`operation(f, inputs, outputs, line)`) and of steps backwards
    (`before_step(f, inputs, outputs)`, `after_step(f, inputs)`); end_trace ends it."""
    cdef Trace t = start_trace(None)
    t.watch = watch
    return t


# ---- a watch that measures

cdef enum:
    NOTES = 32      # nodes that an operation makes; what comes before is forgotten

cdef object clock = time.perf_counter
cdef int measuring = 0      # threads that do


cdef class Measured(Trace):
    """A watch that is told when operations begin and end. An operation begins where its Function, or its result's node, was
    made, whichever came first: most make one of the two before they compute anything. A step backwards is measured around it;
    what it calls is part of it, and only counted.

    spent: seconds that went into telling.
    """

    cdef void *made[NOTES]
    cdef double times[NOTES]
    cdef int n, depth, inner
    cdef readonly double spent

    cdef int note(self, void *node) except -1:
        """This node has just been made, or this Function's forward is to run."""
        self.made[self.n % NOTES] = node
        self.times[self.n % NOTES] = clock()
        self.n += 1
        return 0

    cdef double begun(self, void *node) noexcept:
        """When it was; -1 where nothing is known of it since the operation before."""
        cdef int k
        for k in range(self.n - 1, max(self.n - NOTES, 0) - 1, -1):
            if self.made[k % NOTES] == node:
                return self.times[k % NOTES]
        return -1


cdef void function_made(PyObject *f) noexcept:
    """Called by the built-in classes' tp_alloc while a thread measures."""
    if traced() and type(<Trace> dz_trace) is Measured:
        (<Measured> dz_trace).note(<void *> f)


cdef int tell_allocations(type cls, bint on) except -1:
    """Turns that on or off for a class and those derived from it."""
    dz_tell_alloc(<PyTypeObject *> cls, on)
    for each in type.__subclasses__(cls):
        tell_allocations(each, on)
    return 0


def start_measuring(watch):
    """Has `watch` told of this thread's operations and when they ran, in seconds of time.perf_counter:

    operation(f, inputs, outputs, line, begin, end); begin is -1 where the log has no beginning.
    step(f, inputs, line, begin, end, rules, create_graph): f's inputs have got their gradients; rules: how many operations on
    Variables that took, -1 where a kernel was not even asked.
    end_measuring ends it. Raises RuntimeError where this thread is traced already.
    """
    global dz_trace, measuring, dz_function_made
    cdef Measured t = Measured()
    if dz_trace != NULL:
        raise RuntimeError("a call of this thread is being traced already")
    dz_function_made = function_made
    if measuring == 0:
        tell_allocations(Function, True)
    measuring += 1
    t.watch = watch
    t.before = dz_mode[0]
    t.active = True
    dz_mode[0] = with_trace(mode(0), M_TRACED)
    Py_INCREF(t)
    dz_trace = <PyObject *> t
    return t


def end_measuring(Measured t not None):
    """The opposite of start_measuring, in its thread. In another thread, or after end_trace, nothing is ended."""
    global measuring
    if not t.active or dz_trace != <PyObject *> t:
        return
    end_trace(t)
    measuring -= 1
    if measuring == 0:
        tell_allocations(Function, False)


def measured_kind(Function f not None):
    """What f's class is to a profile: "python", "elementwise", "general" for an elementwise one whose parameters no kernel takes,
    or "arrays"."""
    if PyType_HasFeature(Py_TYPE(<PyObject *> f), Py_TPFLAGS_HEAPTYPE):
        return "python"
    return "arrays" if f.op < 0 else "general" if f.general_params else "elementwise"


cdef int measured_operation(Measured t, Function f, tuple outputs) except -1:
    cdef double end = clock(), begin = -1, other
    if t.depth:
        t.inner += 1
        return 0
    if f.op < 0:        # elementwise Functions are copies, which no alloc tells of, or were made long ago
        begin = t.begun(<void *> f)
    for y in outputs:
        other = t.begun(<void *> y)
        if other >= 0 and (begin < 0 or other < begin):
            begin = other
    untold(t.watch.operation, (f, tuple(function_inputs(f)), outputs, where(), begin, end))
    t.n = 0
    t.spent += <double> clock() - end
    return 0


cdef int measured_step(Measured t, Function f, bint keep, bint create_graph) except -1:
    cdef double told = clock(), begin, end
    cdef int inner = t.inner
    cdef bint asked = f.native and not create_graph and f.out0 != NULL
    cdef tuple xs = tuple(function_inputs(f))
    t.depth += 1
    try:
        begin = clock()
        backward_step(f, keep, create_graph)
        end = clock()
    finally:
        t.depth -= 1
    if t.depth == 0:
        untold(t.watch.step, (f, xs, where(), begin, end, t.inner - inner if asked else -1, bool(create_graph)))
        t.n = 0
        t.spent += (begin - told) + (<double> clock() - end)
    return 0


cdef inline bint watched() noexcept:
    """Whether this thread, which is traced, is so for a watch."""
    return (<Trace> dz_trace).watch is not None


def is_watched():
    """Whether somebody is told of what this thread does."""
    return traced() and watched()


def is_traced():
    """Whether what this thread does is being logged, to be replayed. Not so for a watch, which changes nothing."""
    return traced() and not watched()


def is_paused():
    """Whether a call of this thread is being traced, and runs what is not logged: somebody's Function, an optimizer."""
    return dz_trace != NULL and not traced()


def is_observed():
    """Whether what this thread does is part of a trace, a watch or a transform."""
    return modes() & WITHIN != 0


def is_measured():
    """Whether somebody measures what this thread does."""
    return traced() and type(<Trace> dz_trace) is Measured


cdef str where():
    """The user's line."""
    cdef Trace t = <Trace> dz_trace if dz_trace != NULL else Trace()
    return t.lines[t.line()]


cdef int log_event(int kind, Variable v, Variable w=None, object o=None, int flag=0) except -1:
    """Writes down an event that is no operation and no step."""
    cdef Trace t = <Trace> dz_trace
    cdef Event *e
    cdef int a = -1, b = -1
    if t.watch is not None:
        return 0
    if v is not None:
        a = t.number(v)
    if w is not None:
        b = t.number(w)
    e = t.add(kind, flag, o)
    e.v, e.w = a, b
    if (a >= 0 and t.nodes[a] != <PyObject *> v) or (b >= 0 and t.nodes[b] != <PyObject *> w):
        both = v, w         # one of several outputs, which nothing else may keep
        Py_INCREF(both)
        e.several = <PyObject *> both
    return 0


cdef int log_gradient(int kind, Variable v, object g) except -1:
    """The same of a gradient, which is an array in the book's first half."""
    if isinstance(g, Variable):
        return log_event(kind, v, <Variable> g)
    return log_event(kind, v, None, g)


cdef int log_result(Function f, Variable y) except -1:
    """f has given y."""
    cdef Trace t = <Trace> dz_trace
    if t.watch is not None:
        return log_operation(f, (y,))
    if y.era != ERA_CORE:
        t.refused = "the classes of core_simple and chapter1 run as they are"
    return t.operation(E_OP, operation_flags(t), f, y, None)


cdef inline int operation_flags(Trace t) noexcept:
    return (WITH_GRAPH if mode(0) else 0) | (IN_TRAINING if mode(1) else 0) | (INSIDE if t.inside > 0 else 0)


cdef int log_operation(Function f, tuple outputs) except -1:
    """f has given outputs."""
    cdef Trace t = <Trace> dz_trace
    cdef Variable y
    if type(t) is Measured:
        return measured_operation(<Measured> t, f, outputs)
    if t.watch is not None:
        untold(t.watch.operation, (f, tuple(function_inputs(f)), outputs, where()))
        return 0
    if len(outputs) == 1:
        return log_result(f, outputs[0])
    for y in outputs:
        if y.era != ERA_CORE:
            t.refused = "the classes of core_simple and chapter1 run as they are"
    return t.operation(E_OP, operation_flags(t), f, None, tuple([output_reference(y) for y in outputs]))


cdef object untold(object function, tuple args):
    """function(*args), a watch's, which is told of nothing that it does itself."""
    cdef signed char old = dz_mode[0]
    dz_mode[0] = old & M_ON
    try:
        return function(*args)
    finally:
        dz_mode[0] = old


cdef Variable born(int era):
    """A new Variable of a thread that is being traced."""
    cdef Variable v
    if blank[era] != NULL:
        v = <Variable> dz_node_clone(blank[era], 0, size_of_variable, VARIABLE_NONES)
    else:
        v = era_types[era].__new__(era_types[era])
    if type(<Trace> dz_trace) is Measured:
        (<Measured> dz_trace).note(<void *> v)
    elif not watched():
        (<Trace> dz_trace).node(<PyObject *> v, True)
    return v


cdef object traced_value(Variable v):
    """`v.data`."""
    return data_of(v) if watched() else methods["traced"](v)


cdef bint is_traced_array(object o) except -1:
    """Whether o is what `.data` of a traced call gives."""
    return not watched() and isinstance(o, methods["traced_array"])


cdef Variable variable_of_array(object o):
    """An operand for an array of the call that is being traced; None for anything else, and for a NumPy scalar."""
    if not traced() or not is_traced_array(o) or not cnp.PyArray_Check(data_of(methods["slot_of"](o))):
        return None
    return methods["untraced"](o)


cdef Variable untraced_variable(object o):
    """The Variable that such a one stands for; None for anything else."""
    return methods["untraced"](o) if is_traced_array(o) else None


cdef Variable traced_operand(object o, object other):
    cdef Variable v
    if watched():
        return untraced_operand(o, other)
    if type(o) is not float and type(o) is not int:
        v = untraced_variable(o)
        if v is not None:
            return v
        if is_column(o):
            (<Trace> dz_trace).refused = (f"a {type(o).__name__} is an operand, whose columns may be others in the next call; "
                                          "pass its values (to_numpy) as arguments")
    if not isinstance(other, Variable) and is_traced_array(other):
        other = untraced_variable(other)
    v = untraced_operand(o, other)
    if v.kind & K_CONST and ((<Trace> dz_trace).inside == 0 or not isinstance(o, (np.ndarray, list, tuple))):
        log_event(E_CONST, v, None, o)
    return v


cdef object traced_data(Variable v, object value, bint made):
    """What v is to hold: `value`, or the array that stands behind it."""
    cdef object slot
    cdef Trace t = <Trace> dz_trace
    if t.watch is not None:
        return value
    slot = methods["slot_of"](value)
    if not made and slot is not v:
        methods["keep_data"](v)
        if <size_t> <void *> v not in t.before_set:
            t.before_set[<size_t> <void *> v] = data_of(v)
        t.versions[<size_t> <void *> v] = t.versions.get(<size_t> <void *> v, 0) + 1
    if made and t.find(v) < 0:
        t.node(<PyObject *> v, True)
    if slot is None:
        log_event(E_NEW if made else E_SET, v, None, value)
        return value
    log_event(E_DATA, v, <Variable> slot, None, made)
    return data_of(<Variable> slot)


cdef object traced_gradient(Variable v, object g):
    """What v's gradient is to be."""
    cdef Variable made
    if watched():
        return g
    made = untraced_variable(g)
    if made is not None:
        made.kind = 0
        g = made
    if g is not None and not isinstance(g, Variable):
        g = as_variable(as_array(g))
    log_gradient(E_GRAD, v, g)
    return g


cdef object read(Variable v, str what):
    """v's value for the user's code, which may go another way with another value."""
    if traced() and not watched():
        (<Trace> dz_trace).on_read(v, what, where())
    return data_of(v)


cdef class Applied(Function):
    """A function of arrays without a gradient: what the user's code did with data, or a rule made from values."""
    cdef readonly tuple shapes      # and dtypes, of its results when it was traced; None of a rule

    def forward(self, *xs):
        return self.given(*xs)

    def given_function(self):
        """What is applied."""
        return self.given


cdef int derived(Variable v, object function, tuple xs) except -1:
    """Tells that v, a constant of a rule, is function(*the values of xs)."""
    cdef Applied f
    if not traced() or watched():
        return 0
    f = Applied()
    f.given = function
    f.native = True
    set_inputs(f, xs)
    (<Trace> dz_trace).operation(E_OP, IN_TRAINING if mode(1) else 0, f, v, None)
    return 0


def as_dtype(dtype, x):
    """x in another dtype."""
    return x.astype(dtype)


def same(x):
    """x."""
    return x


def apply_traced(function, tuple xs, bint effect):
    """function(*the values of the Variables xs), logged: a Variable around the result, or a tuple of them; None for one that is
    called for what it does to the first."""
    cdef Applied f = Applied()
    cdef Variable x, y
    cdef object r
    cdef list ys = []
    f.given = function
    f.native = True
    set_inputs(f, xs)
    r = untraced_forward(f, list(xs))
    if effect:
        (<Trace> dz_trace).operation(E_EFFECT, 0, f, None, None)
        return None
    for each in r if isinstance(r, (tuple, list)) else (r,):
        y = new_variable(ERA_CORE)
        y._data = each
        y.kind = K_CONST
        ys.append(y)
    several = isinstance(r, (tuple, list))
    f.shapes = tuple([shape_of(each) for each in r]) if several else (shape_of(r),)
    (<Trace> dz_trace).operation(E_OP, IN_TRAINING if mode(1) else 0, f, None if several else ys[0],
                                 tuple(ys) if several else None)
    return tuple(ys) if several else ys[0]


def shape_of(a):
    """(shape, dtype) of an array or a number."""
    return np.shape(a), getattr(a, "dtype", None) or np.result_type(type(a))


cdef bint is_value_of(object a, list xs):
    cdef Variable x
    for x in xs:
        if x.v.p == NULL and x._data is a:
            return True
    return False


cdef int refuse(object error) except -1:
    """Keeps the first error for which a traced call cannot be captured."""
    if traced() and not watched() and type(<Trace> dz_trace) is not Measured and (<Trace> dz_trace).error is None:
        (<Trace> dz_trace).error = error
    return 0


cdef int failed() except -1:
    """Tells that an operation raises. Where the call goes on it has caught that, and may go another way with other numbers."""
    if dz_trace != NULL and not watched() and type(<Trace> dz_trace) is not Measured:
        (<Trace> dz_trace).failed = where()
    return 0


cdef object untraced_forward(Function f, list xs):
    cdef signed char old = dz_mode[0]
    cdef Variable x
    cdef dict made = None
    if type(<Trace> dz_trace) is Measured:
        (<Measured> dz_trace).note(<void *> f)
    elif not watched() and not f.native and type(f) is not Applied:
        made = dict(f.__dict__) if f.attrs != NULL else {}
        (<Trace> dz_trace).attributes[<size_t> <void *> f] = made
    dz_mode[0] = old & M_ON
    try:
        r = f.forward(*[data_of(x) for x in xs])
        if made is not None:
            for name in list(made):     # what each call leaves for backward is not what f was made with
                if f.__dict__.get(name) is not made[name] or is_value_of(made[name], xs):
                    del made[name]
            (<Trace> dz_trace).shapes[<size_t> <void *> f] = tuple([shape_of(y) for y in (r if isinstance(r, tuple) else (r,))])
        return r
    except BaseException:
        failed()
        raise
    finally:
        dz_mode[0] = old


cdef int traced_step(Function f, bint keep, bint create_graph) except -1:
    cdef signed char old = dz_mode[0]
    cdef Trace t = <Trace> dz_trace
    cdef list ys
    cdef Variable y
    cdef int ours
    if type(t) is Measured:
        return measured_step(<Measured> t, f, keep, create_graph)
    if t.watch is not None:
        xs = tuple(function_inputs(f))
        untold(t.watch.before_step, (f, xs, tuple([y for y in output_variables(f) if y is not None])))
        backward_step(f, keep, create_graph)
        untold(t.watch.after_step, (f, xs))
        return 0
    ours = f.native or class_name(type(f)) is not None
    if f.outs is not None and len(f.outs) > 1:
        there = tuple([y for y in output_variables(f) if y is not None])
        Py_INCREF(there)
        t.add(E_ALIVE, 0, f).several = <PyObject *> there
    if not create_graph:
        t.step(f, keep)
        dz_mode[0] = old & M_ON
        try:
            backward_step(f, keep, False)
        except BaseException:
            failed()
            raise
        finally:
            dz_mode[0] = old
        return 0
    ys = output_variables(f)
    t.inside += ours
    try:
        backward_step(f, keep, True)
    except BaseException:
        failed()
        raise
    finally:
        t.inside -= ours
    if not keep:
        for y in ys:
            if y is not None:
                log_event(E_GRAD, y)
    return 0


def traced_call(function):
    """function(), logged as one event, whose inside is not looked at."""
    if watched():
        return untold(function, ())
    cdef signed char old = dz_mode[0]
    log_event(E_CALL, None, None, function)
    dz_mode[0] = old & M_ON
    try:
        return function()
    except BaseException:
        failed()
        raise
    finally:
        dz_mode[0] = old


def value_of(Variable v not None):
    """v's array, traced or not."""
    return data_of(v)


def pinned(Variable v not None):
    """v's array for an operation that takes it beside its operands; a plan holds while v has this very array."""
    if traced():
        log_event(E_PINNED, v)
    return data_of(v)


def about(Variable v not None):
    """(shape, dtype, class) of v's value, None without one; the value stays where it is."""
    if v.v.p != NULL:
        return v.shape, v.dtype, np.ndarray
    return None if v._data is None else (v.shape, v.dtype, type(v._data))


def version_of(Variable v not None):
    """How often v was given other data in this trace."""
    return (<Trace> dz_trace).versions.get(<size_t> <void *> v, 0) if traced() else 0


def gradient_values(Variable v not None):
    """v's gradient as an array, a copy where nobody has seen it, or None; looks without showing it."""
    cdef dz_view w
    cdef cnp.npy_intp st[DZ_MAXDIM]
    if v.gstate == G_NONE:
        return None
    if v.gstate == G_RAW:
        dz_view_raw(&v.g, &w)
        dz_stretch(&w, w.nd, w.shape, st)
        return cnp.PyArray_New(cnp.ndarray, w.nd, <cnp.npy_intp *> w.shape, dz_typenum(w.dt), st, <char *> w.p, 0, 0, None).copy()
    return np.asarray(plain(v._grad))


def has_gradient(Variable v not None):
    """Whether v has a gradient."""
    return v.gstate != G_NONE


def read_value(Variable v not None, str what):
    """v's value for the user's code, told to on_read first."""
    return read(v, what)


def log_branch(Variable v not None):
    """Writes down which way the user's code goes on: whether v's value is true."""
    log_event(E_BRANCH, v, None, None, bool(data_of(v)))


def user_line():
    """File and line of the user's innermost call."""
    return where()
