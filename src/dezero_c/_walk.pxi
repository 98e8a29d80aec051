# The walk backwards. Functions wait in a heap by generation; among equals the one added last comes first, which is the
# order of DeZero's stable sort. A mark on the node says that it has been added; while another walk is under way (a
# backward inside a user's backward, or another thread while a callback runs) a set does, since there is one mark only.
# Part of _core.pyx.

cdef struct Entry:
    Py_ssize_t gen
    unsigned long long seq
    PyObject *f         # owned

cdef unsigned long long epochs = 0
cdef int walks_active = 0
cdef int create_graph_depth = 0


cdef inline bint before(const Entry *a, const Entry *b) noexcept nogil:
    return a.gen > b.gen or (a.gen == b.gen and a.seq > b.seq)


@cython.final
cdef class Walk:
    """One walk: its heap of Functions, and what it has seen."""
    cdef Entry *heap
    cdef Entry first[16]    # enough for most graphs: no allocation then
    cdef Py_ssize_t n, room
    cdef unsigned long long seq, epoch
    # By address, since a user's class may define == and hash; the values keep what the addresses stand for.
    cdef dict seen          # Functions; None: marks are used
    cdef dict fresh         # chapter 1: Variables whose old gradient was overwritten by this walk; else None
    cdef dict leaves        # with hooks: {address: (leaf, its gradient from before)}; None where there are no hooks
    cdef bint odd           # fresh or leaves

    def __cinit__(self):
        self.heap = self.first
        self.room = 16

    def __dealloc__(self):
        while self.n > 0:
            self.n -= 1
            Py_DECREF(<object> self.heap[self.n].f)
        if self.heap != self.first:
            PyMem_Free(self.heap)

    cdef int grow(self) except -1:
        cdef Entry *bigger = <Entry *> PyMem_Malloc(<size_t> self.room * 2 * sizeof(Entry))
        if bigger == NULL:
            raise MemoryError()
        memcpy(bigger, self.heap, <size_t> self.n * sizeof(Entry))
        if self.heap != self.first:
            PyMem_Free(self.heap)
        self.heap = bigger
        self.room *= 2
        return 0

    cdef int add(self, Variable x) except -1:
        """Adds x's creator, once."""
        cdef Function f = x._creator
        cdef Py_ssize_t i, up
        cdef Entry e
        if self.seen is None:
            if f.mark == self.epoch:
                return 0
            f.mark = self.epoch
        else:
            if <size_t> <void *> f in self.seen:
                return 0
            self.seen[<size_t> <void *> f] = f
        if f.out0 != <PyObject *> x and f.outs is None:
            raise RuntimeError(f"{type(f).__name__} was called again after it had computed a Variable of this graph, and has "
                               "forgotten those inputs; use a new instance for each call")
        if self.n == self.room:
            self.grow()
        e.gen = f.gen
        self.seq += 1
        e.seq = self.seq
        e.f = <PyObject *> f
        Py_INCREF(f)
        i = self.n
        self.n += 1
        while i > 0:
            up = (i - 1) >> 1
            if not before(&e, &self.heap[up]):
                break
            self.heap[i] = self.heap[up]
            i = up
        self.heap[i] = e
        return 0

    cdef PyObject *pop(self) noexcept:
        """The next Function; the caller owns it."""
        cdef PyObject *f = self.heap[0].f
        cdef Entry e
        cdef Py_ssize_t i = 0, down
        self.n -= 1
        if self.n > 0:
            e = self.heap[self.n]
            while True:
                down = 2 * i + 1
                if down >= self.n:
                    break
                if down + 1 < self.n and before(&self.heap[down + 1], &self.heap[down]):
                    down += 1
                if not before(&self.heap[down], &e):
                    break
                self.heap[i] = self.heap[down]
                i = down
            self.heap[i] = e
        return f

    cdef int step(self, Function f, bint keep, bint create_graph) except -1:
        """Gives f's inputs their gradients and adds their creators."""
        cdef Variable x
        cdef Py_ssize_t k
        if self.odd:
            self.prepare(f)
        if traced():
            traced_step(f, keep, create_graph)
        else:
            step_of(f, keep, create_graph)
        if f.rest is None:
            for k in range(f.nin):
                x = f.in0 if k == 0 else f.in1 if k == 1 else f.in2
                if x._creator is not None:
                    self.add(x)
        else:
            for x in f.rest:
                if x._creator is not None:
                    self.add(x)
        return 0

    cdef int prepare(self, Function f) except -1:
        """What comes before f's step in few walks."""
        cdef Variable x
        if self.fresh is not None:
            for x in function_inputs(f):
                if <size_t> <void *> x not in self.fresh:
                    self.fresh[<size_t> <void *> x] = x
                    drop_grad(x)
        if self.leaves is not None:
            meet_hooks(f, self.leaves)
        return 0

    cdef int abandon(self) except -1:
        """After an exception: half-summed gradients of intermediate results go, so that the next walk starts clean."""
        cdef Variable y
        if self.leaves is not None:
            leave_leaves(self.leaves)
        while self.n > 0:
            f = <Function> self.pop()
            Py_DECREF(f)
            for y in output_variables(f):
                if y is not None:
                    drop_grad(y)
        return 0


cdef int backward_step(Function f, bint keep, bint create_graph) except -1:
    """Adds the gradients of f's inputs from those of its outputs, which go unless they are kept."""
    return step_of(f, keep, create_graph)


cdef inline int step_of(Function f, bint keep, bint create_graph) except -1:
    """The same, part of its caller."""
    cdef Variable y = None
    cdef bint done = False
    if f.out0 != NULL:
        y = <Variable> f.out0
        if f.native and not create_graph:
            done = f.vjp_raw(y, keep)
    if not done:
        step_general(f)
        if dz_fpe_test():       # not ours: the next kernel's flags are to be its own
            dz_fpe_clear()
    if replaced:
        let_go()
    if not keep:
        if y is not None:
            drop_grad(y)
        else:
            for y in output_variables(f):
                if y is not None:
                    drop_grad(y)
    return 0


cdef int step_general(Function f) except -1:
    """Through operations on Variables, or a backward written in Python."""
    cdef list gys = output_gradients(f)
    cdef object gxs = f.vjp_graph(gys), gx
    cdef Py_ssize_t k
    if len(gxs) != f.nin:
        raise ValueError(f"{describe(f)}.backward returned {len(gxs)} gradients for {f.nin} inputs; return one for each, "
                         "None where there is none")
    for k in range(f.nin):
        check_fits(f, f.arg(k), gxs[k])
    for k in range(f.nin):
        gx = gxs[k]
        add_grad(f.arg(k), real_part(f.arg(k), gx) if is_complex(gx) else gx)
    return 0


cdef int let_go() except -1:
    global replaced
    cdef list old = replaced
    replaced = []
    return 0


cdef list output_variables(Function f):
    """f's outputs, None for one that is gone."""
    if f.out0 != NULL:
        return [<Variable> f.out0]
    if f.outs is None:
        return [None]
    return [r() for r in f.outs]


cdef list output_gradients(Function f):
    """The gradients of f's outputs as f's backward wants them: Variables, or ndarrays for a user's Function of the early
    modules; zeros for an output that the walk did not reach or that was dropped."""
    cdef list ys = output_variables(f), gys = []
    cdef Variable y
    cdef object g, shape, dtype
    cdef Py_ssize_t i
    for i, y in enumerate(ys):
        if y is not None and y.gstate != G_NONE:
            g = grad_variable(y)
        elif y is not None:
            g = np.zeros_like(data_of(y))
        else:
            g = np.zeros(f.outs[i].shape, f.outs[i].dtype) if f.outs is not None and isinstance(f.outs[i], OutputReference) \
                else np.zeros(())
        if f.native or f.era == ERA_CORE and (y is None or y.era == ERA_CORE):
            if not isinstance(g, Variable):
                g = as_variable(as_array(g))
            if f.native and y is not None and not same_shape(<Variable> g, y):
                g = methods["broadcast_to"](g, y.shape)
        elif isinstance(g, Variable):
            g = data_of(<Variable> g)
        gys.append(g)
    return gys


cdef bint same_shape(Variable a, Variable b):
    cdef dz_view v, w
    if view(a, &v) and view(b, &w):
        return dz_same_shape(&v, &w) != 0
    return np.shape(data_of(a)) == np.shape(data_of(b))


cdef inline bint is_complex(object a) noexcept:
    if isinstance(a, Variable):     # a raw value is real
        return (<Variable> a).v.p == NULL and isinstance((<Variable> a)._data, cnp.ndarray) \
            and cnp.PyArray_ISCOMPLEX((<Variable> a)._data)
    return isinstance(a, cnp.ndarray) and cnp.PyArray_ISCOMPLEX(a)


cdef object real_part(Variable x, object gx):
    """The complex gx, its real part where x is real: complex numbers came in on the way from y."""
    if is_complex(x):
        return gx
    return methods["real"](gx) if isinstance(gx, Variable) else gx.real


cdef int check_fits(Function f, Variable x, object gx) except -1:
    """A gradient must broadcast to its data. As in DeZero it need not have the very shape."""
    cdef object gs, xs
    cdef Py_ssize_t i
    if gx is None or x.kind & K_CONST or (isinstance(gx, Variable) and same_shape(<Variable> gx, x)):
        return 0
    if not isinstance(gx, Variable) and not is_gradient(gx):
        raise TypeError(f"{describe(f)}.backward returned {type(gx)} as a gradient; return Variables, arrays or None")
    xs = np.shape(data_of(x))
    gs = np.shape(plain(gx))
    if gs == xs:
        return 0
    for i in range(1, len(gs) + 1):
        if gs[-i] != 1 and (i > len(xs) or gs[-i] != xs[-i]):
            raise ValueError(f"{describe(f)}.backward returned a gradient of shape {gs} for an input of shape {xs}; sum it to "
                             "the input's shape (sum_to), or look whether the data was rebound since forward")
    return 0


cdef int seed(Variable root, bint keep, bint create_graph) except -1:
    """Ones where the root has no gradient; otherwise looks whether what the user set can be one."""
    cdef dz_view w, gv
    cdef char *p
    cdef bint acc
    cdef object g
    if root.v.p == NULL and root._data is None:
        raise ValueError("backward: this Variable has no data (Variable(None)); give it data, or call backward on a result")
    if root.gstate == G_NONE:
        if view(root, &w):
            p = grad_target(root, &w, &acc)
            dz_fill(p, w.dt, w.size, 1)
        else:
            g = np.ones_like(data_of(root))
            root._grad = g if root.era != ERA_CORE else as_variable(g)
            root.gstate = G_SHOWN
        return 1
    if root.gstate == G_SHOWN:
        if isinstance(root._grad, Variable) and view(<Variable> root._grad, &gv) and view(root, &w) and gv.dt == w.dt \
                and dz_same_shape(&gv, &w):
            return 0
        g = np.asarray(plain(root._grad))
        if g.dtype.kind not in "biufcO":
            raise TypeError(f"backward: the gradient set on the root has dtype {g.dtype}, which is no number")
        try:
            if np.broadcast_shapes(g.shape, root.shape) == root.shape:
                if g.dtype != root.dtype and g.dtype.kind == "f" and root.dtype.kind == "f" and not keep and not create_graph:
                    root._grad = as_variable(g.astype(root.dtype)) if root.era == ERA_CORE else g.astype(root.dtype)
                return 0
        except ValueError:
            pass
        raise ValueError(f"backward: the gradient set on the root has shape {g.shape}, which does not broadcast to the data's "
                         f"shape {root.shape}; set y.grad to an array of that shape")
    return 0


cdef int walk(Variable root, bint keep, bint create_graph) except -1:
    global walks_active, epochs, create_graph_depth
    cdef Walk w
    cdef Function f = None
    cdef signed char mode_before
    cdef bint seeded = seed(root, keep, create_graph)
    if traced():
        log_event(E_SEED, root, None, None,
                  (SEEDED if seeded else 0) | (SEED_KEPT if keep else 0) | (SEED_GRAPH if create_graph else 0))
    if root._creator is None:
        if seeded and root.hooked:
            mode_before = swap_mode(with_trace(create_graph, dz_mode[0]))
            try:
                set_seen_grad(root, hooked_gradient(root, grad_variable(root)))
            finally:
                swap_mode(mode_before)
        return 0
    if seeded and create_graph and not keep and root.era == ERA_CORE:
        # Nobody will ask for the derivative by these ones, and giving it to them would close a cycle: they, their gradient,
        # its graph, which they are in.
        (<Variable> grad_variable(root)).kind |= K_CONST
    w = Walk.__new__(Walk)
    if root.era == ERA_CHAPTER1:
        w.fresh = {<size_t> <void *> root: root}
    if hooks_alive:
        w.leaves = {}
    w.odd = w.fresh is not None or w.leaves is not None
    epochs += 1
    w.epoch = epochs
    if walks_active > 0:
        w.seen = {}
    if dz_fpe_test():       # what others left behind is not ours to report
        dz_fpe_clear()
    mode_before = dz_mode[0]
    walks_active += 1
    create_graph_depth += create_graph
    dz_mode[0] = with_trace(create_graph, mode_before)
    try:
        if create_graph:
            track(root)
        w.add(root)
        while w.n > 0:
            f = <Function> w.pop()
            Py_DECREF(f)
            w.step(f, keep, create_graph)
        if w.leaves:
            meet_leaves(w.leaves)
    except BaseException:
        if f is not None:
            for y in output_variables(f):
                if y is not None and (seeded or y is not root):
                    drop_grad(y)
            for x in function_inputs(f):
                if (<Variable> x)._creator is not None:
                    drop_grad(<Variable> x)
        w.abandon()
        raise
    finally:
        dz_mode[0] = mode_before
        create_graph_depth -= create_graph
        walks_active -= 1
    return 0
