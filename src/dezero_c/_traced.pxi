# What is asked of a finished trace beside a plan: random numbers that it drew, gradients that it left, Variables that something
# outside holds; and its end. Part of _plan.pyx.

def drawing(Trace trace):
    """The operations of a call that have drawn random numbers (dropout), in order."""
    cdef Event *e
    cdef Py_ssize_t i
    cdef dict kinds = {}        # class: whether it draws
    cdef list found = []
    for i in range(trace.n):
        e = &trace.log[i]
        if e.kind == E_OP and not e.flag & INSIDE and not is_exact(<Function> e.o):
            draws = kinds.get(type(<object> e.o))
            if draws is None:
                draws = kinds[type(<object> e.o)] = hasattr(<object> e.o, "_redraw")
            if draws:
                found.append(<object> e.o)
    return found


def given_gradients(Trace trace):
    """The gradients that the call's Variables have, of those whose gradients were read, shown or set."""
    cdef Event *e
    cdef Variable v
    cdef Py_ssize_t i
    cdef list found = []
    for i in range(trace.n):
        e = &trace.log[i]
        if e.kind == E_SHOW or e.kind == E_GRAD or e.kind == E_GRAD_READ:
            v = trace.variable(e.v)
            if v is not None and v.gstate == G_SHOWN:
                found.append(v._grad)
    return found


def has_calls(Trace trace):
    """Whether somebody's code ran untraced."""
    cdef Py_ssize_t i
    for i in range(trace.n):
        if trace.log[i].kind == E_CALL:
            return True
    return False


cdef bint changes(Trace trace, const Event *e, set cleared) except -1:
    """Whether an event changes what is outside of the call in another way when the call is made again from the start. cleared:
    nodes from outside whose gradients the call has taken away, before anything that it did with them."""
    cdef const Event *called = e
    cdef Function f
    cdef PyObject *v
    cdef int k
    if e.kind == E_EFFECT or e.kind == E_CALL:
        return True
    if e.kind == E_OP:
        f = <Function> e.o
        return not f.native and type(f) is not Applied and class_name(type(f)) is None or hasattr(f, "_redraw") \
            or hasattr(f, "_writes_in_training") and (e.flag & IN_TRAINING) != 0
    if e.kind == E_STEP:
        if e.w >= 0:
            called = &trace.log[e.w]
        for k in trace.operands[called.first:called.first + called.nin]:
            v = trace.nodes[k]
            if not trace.born_at[k] and k not in cleared and isinstance(<object> v, Variable) \
                    and not (<Variable> v).kind & K_CONST:
                return True
        return False
    if e.v < 0 or trace.born_at[e.v]:
        return False
    if e.kind == E_GRAD and e.w < 0 and e.o == NULL:
        cleared.add(e.v)
        return False
    if e.kind == E_GRAD or e.kind == E_SHOW or e.kind == E_SEED:
        return e.v not in cleared
    return e.kind == E_SET or e.kind == E_DATA and not e.flag


def late_branch(Trace trace):
    """The user's line of a look at a value where it is too late to make the call again, for what it has changed before; None
    where there is none."""
    cdef Py_ssize_t i
    cdef bint late = False
    cdef set cleared = set()
    for i in range(trace.n):
        if trace.log[i].kind == E_BRANCH and late:
            return trace.line_of(&trace.log[i])
        late = late or changes(trace, &trace.log[i], cleared)
    return None


cdef int count_holders(Trace trace, int *held, int *found) except -1:
    """How often the log holds each node: by itself, and as the input of a Function that nobody else has. held: room for a number
    of each event, found: of each node; both zeros."""
    cdef Event *e
    cdef Function f
    cdef Variable x
    cdef Py_ssize_t i, called
    cdef int k
    for k in range(trace.nnodes):
        found[k] = 1
    for i in range(trace.n):        # of Functions: by the event that called them
        e = &trace.log[i]
        if e.kind == E_OP or e.kind == E_EFFECT or e.kind == E_STEP or e.kind == E_ALIVE:
            called = e.w if e.kind == E_STEP else trace.first_call(<Function> e.o)
            if called >= 0:
                held[called] += 1
    for i in range(trace.n):
        e = &trace.log[i]
        if (e.kind != E_OP and e.kind != E_EFFECT) or Py_REFCNT(e.o) != held[i]:
            continue
        f = <Function> e.o
        if f.rest is not None and Py_REFCNT(<PyObject *> f.rest) != 1:
            continue
        for k in range(e.nin):      # which it may have others of by now, the plan's
            x = <Variable> PyTuple_GET_ITEM(<PyObject *> f.rest, k) if f.rest is not None else f.arg(k)
            if <PyObject *> x == trace.nodes[trace.operands[e.first + k]]:
                found[trace.operands[e.first + k]] += 1
    return 0


def made_by(Trace trace):
    """(weak reference, the user's line) of each Variable that a call has made, and that something beside its log may hold."""
    cdef int *held = <int *> calloc(trace.n + trace.nnodes + 1, sizeof(int))
    cdef int *holders = held + trace.n
    cdef unsigned char *told = <unsigned char *> calloc(2 * trace.nnodes + 2, 1)
    cdef unsigned char *known = told + trace.nnodes + 1         # nodes that have been mentioned
    cdef list found = []
    cdef Event *e
    cdef PyObject *v
    cdef Py_ssize_t i
    cdef int k, j
    cdef bint new
    try:
        if held == NULL or told == NULL:
            raise MemoryError()
        count_holders(trace, held, holders)
        for i in range(trace.n):
            e = &trace.log[i]
            for k in trace.operands[e.first:e.first + e.nin]:
                known[k] = True
            if e.kind == E_STEP or e.kind == E_ALIVE or e.kind == E_EFFECT:
                continue
            for j in range(2 + e.nout):
                k = e.v if j == 0 else e.w if j == 1 else trace.operands[e.first + e.nin + j - 2]
                if k < 0 or told[k]:
                    continue
                # a gradient that is seen first when it is read was made by a step backwards, which is not looked into
                new = trace.born_at[k] or e.kind == E_OP or (e.kind == E_GRAD_READ and j == 1 and not known[k])
                known[k] = True
                if not new:
                    continue
                told[k] = True
                v = trace.nodes[k]
                if not isinstance(<object> v, Variable):        # one of several outputs
                    found.append((<object> v, trace.lines[e.line]))
                elif Py_REFCNT(v) > holders[k]:
                    found.append((PyWeakref_NewRef(<object> v, NULL), trace.lines[e.line]))
    finally:
        free(held)
        free(told)
    return found


def forget(Trace trace):
    """Lets go of all that the log holds."""
    trace.forget()


def end_graph(Trace trace):
    """Takes what a traced call has computed out of its graph, as a replay's results are."""
    cdef Event *e
    cdef Function f
    cdef Variable y
    cdef Py_ssize_t i
    cdef int k
    for i in range(trace.n):
        e = &trace.log[i]
        if e.kind == E_OP:
            f = <Function> e.o
            f.out0, f.outs = NULL, None
            for k in range(max(e.nout, 1)):
                y = trace.variable(e.v if e.nout == 0 else trace.operands[e.first + e.nin + k])
                if y is not None and y._creator is f:
                    y._creator = replayed_function
