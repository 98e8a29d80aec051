# Hooks: the user's functions that see gradients on their way, and may put others in their place. A Variable that has any bears
# `hooked`, and its dictionary holds them, so that a Variable without costs nothing; a walk asks once, at its start, whether there
# are hooks at all. Part of _core.pyx.

cdef Py_ssize_t hooks_alive = 0
cdef str HOOKS = "_hooks"       # the name in a Variable's, and a layer's, dictionary


cdef class HookList:
    """Hooks of one Variable, or of one kind of a layer's, in the order in which they run. While there is one anywhere, captured
    functions run as they are: a replay calls none."""
    cdef object __weakref__
    cdef dict calls         # {id of the handle: (handle, hook)}
    cdef object owner       # weak
    cdef Py_ssize_t n

    def __cinit__(self, owner):
        self.calls = {}
        self.owner = weakref.ref(owner)

    def __dealloc__(self):
        self.count(0)

    cdef int count(self, Py_ssize_t n) except -1:
        global hooks_alive
        hooks_alive += n - self.n
        self.n = n
        return 0

    def add(self, hook):
        """Registers `hook`, after the others; gives what removes it."""
        cdef object handle = HookHandle(self)
        self.calls[id(handle)] = handle, hook
        self.count(len(self.calls))
        return handle

    def run(self):
        """The hooks, for a loop during which some may go and come."""
        return [hook for _, hook in list(self.calls.values())]

    cdef int remove(self, Py_ssize_t number) except -1:
        cdef object owner, held
        self.calls.pop(number, None)
        self.count(len(self.calls))
        owner = self.owner()
        if self.calls or owner is None:
            return 0
        held = owner.__dict__.get(HOOKS)
        if held is self:
            (<Variable> owner).hooked = False
        elif isinstance(held, dict):        # a layer's, by kind
            for kind in [kind for kind, found in held.items() if found is self]:
                del held[kind]
        if held is self or held == {}:
            del owner.__dict__[HOOKS]
        return 0


class HookHandle:
    """What registering a hook gives: `remove()` ends the hook, and so does the end of a `with` block over the handle."""

    __slots__ = ("__weakref__", "_list")

    def __init__(self, hooks):
        self._list = weakref.ref(hooks)

    def remove(self):
        """The hook is not called any more; does nothing the second time, or when its Variable or layer is gone."""
        hooks = self._list()
        if hooks is not None:
            (<HookList> hooks).remove(id(self))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.remove()


def hooks_anywhere():
    """Whether a hook is registered anywhere in this process."""
    return hooks_alive > 0


def has_hooks(Variable v not None):
    """Whether v has a hook."""
    return bool(v.hooked)


cdef str name_of_hook(object hook):
    return getattr(hook, "__qualname__", None) or repr(hook)


cdef object add_hook(Variable v, object hook):
    cdef HookList hooks
    if not callable(hook):
        raise TypeError(f"register_hook: {type(hook)} cannot be called; pass a function of the gradient")
    if traced() and not watched():
        (<Trace> dz_trace).refused = "a hook is registered in it, which a replay would not call"
    hooks = v.__dict__.get(HOOKS)
    if hooks is None:
        hooks = HookList(v)
        setattr(v, HOOKS, hooks)
    attribute_set(<PyObject *> v, <PyObject *> hook)    # it may hold v
    v.hooked = True
    return hooks.add(hook)


cdef object hooked_gradient(Variable v, object g):
    """The gradient that v's hooks make of g."""
    cdef HookList hooks = v.__dict__.get(HOOKS)
    cdef object hook, other
    if hooks is None:
        return g
    if isinstance(g, Variable):
        (<Variable> g).kind &= ~K_CONST     # a walk's own seed: the hook may look for its gradient later
    for hook in hooks.run():
        other = hook(g)
        if other is not None:
            g = hook_result(v, hook, g, other)
    if dz_fpe_test():       # not ours: the next kernel's flags are to be its own
        dz_fpe_clear()
    return g


cdef object hook_result(Variable v, object hook, object g, object other):
    """`other`, which a hook gave in the place of g, as v's gradient."""
    if not isinstance(other, Variable) and not is_gradient(other):
        raise TypeError(f"{name_of_hook(hook)}, a hook, returned {type(other)}; return the gradient (a Variable, an array), or "
                        "None to leave it as it is")
    if v.era != ERA_CORE:
        other = np.asarray(plain(other))
    elif not isinstance(other, Variable):
        other = as_variable(as_array(other))
    if np.shape(plain(other)) != np.shape(data_of(v)) and np.shape(plain(other)) != np.shape(plain(g)):
        raise ValueError(f"{name_of_hook(hook)}, a hook of a Variable of shape {np.shape(data_of(v))}, returned a gradient of "
                         f"shape {np.shape(plain(other))}; return one of the Variable's shape")
    if is_complex(other):
        other = real_part(v, other)
    if isinstance(other, Variable) and other.dtype != v.dtype and v.dtype.kind in "fc":
        other = methods["cast"](other, v.dtype)
    return other


cdef int meet_hooks(Function f, dict leaves) except -1:
    """Before f's step backwards: the gradients of its outputs are whole, and pass their hooks. Leaves among its inputs are put
    into `leaves`, {address: (leaf, its gradient from before)}, and begin with none: their hooks see what this walk adds."""
    cdef Variable x, y
    cdef object g
    for y in output_variables(f):
        if y is not None and y.hooked and y.gstate != G_NONE:
            g = hooked_gradient(y, grad_variable(y))
            if g is not y._grad:
                set_seen_grad(y, g)
    for x in function_inputs(f):
        if x.hooked and x._creator is None and <size_t> <void *> x not in leaves:
            leaves[<size_t> <void *> x] = x, grad_variable(x)
            drop_grad(x)
    return 0


cdef int set_seen_grad(Variable x, object g) except -1:
    """x's gradient is g, or None, whatever it was."""
    drop_grad(x)
    if g is not None:
        x._grad = g
        x.gstate = G_SHOWN
        if isinstance(g, Variable):
            track(<Variable> g)
            track(x)
    return 0


cdef int meet_leaves(dict leaves) except -1:
    """After the walk: what it gave the leaves passes their hooks, and is added to what they had."""
    cdef Variable x
    cdef object new, old
    for key in list(leaves):
        x, old = leaves.pop(key)
        new = grad_variable(x)
        set_seen_grad(x, old)
        if new is not None:
            add_grad(x, hooked_gradient(x, new))
    return 0


cdef int leave_leaves(dict leaves) except -1:
    """After an exception: they have what they had."""
    cdef Variable x
    while leaves:
        _, (x, old) = leaves.popitem()
        set_seen_grad(x, old)
    return 0
