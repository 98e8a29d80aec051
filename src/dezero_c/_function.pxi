# Function, what a call of a user's does, and as_array and as_variable. Part of _core.pyx.

cdef class Function:
    """Function()\n--\n
    An operation on Variables. Subclasses define

    forward(self, *xs):   ndarrays in, one ndarray or a tuple of them out;
    backward(self, *gys): a Variable for each output in, one Variable or a tuple, one for each input, out. It is written with
                          operations on Variables, so that higher derivatives follow.

    Calling an instance with Variables (or arrays, or numbers) runs forward and records the graph: `inputs` are the very
    Variables, `outputs` weak references, `generation` its place in the order of the walk. One instance stands for one
    place in a graph. `super().__init__()` need not be called.
    """

    def __cinit__(self):     # without parameters it takes any arguments, and makes no dictionary of them
        self.nin = -1
        self.op = -1
        self.seen = PyObject_GC_IsTracked(<PyObject *> self) != 0   # instances of Python subclasses are

    cdef Variable arg(self, Py_ssize_t k):
        if self.rest is not None:
            return self.rest[k]
        return self.in0 if k == 0 else self.in1 if k == 1 else self.in2

    cdef int compute(self, Variable y) except -1:
        """Gives y, which has none, the operation's value from the inputs as they are now, as the public function would and
        without Python. 1 when done, 0 when `forward` is to do it."""
        return 0

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        """Adds the inputs' gradients from y's, without a graph and without Python; keep: y's gradient stays. 1 when done,
        0 when something (dtype, shape, a rebound array) needs the general way; nothing is changed then."""
        return 0

    cdef object vjp_graph(self, list gys):
        """The inputs' gradients (a sequence, None where there is none) by operations on Variables."""
        if not self.native:
            for gy in gys:
                if isinstance(gy, Variable):
                    (<Variable> gy).kind &= ~K_CONST    # a user's backward may look for its gradient later
        gxs = self.backward(*gys)
        return gxs if isinstance(gxs, (tuple, list)) else (gxs,)

    def __call__(self, *inputs):
        return function_call(self, inputs)

    def forward(self, *xs):
        raise NotImplementedError(f"{type(self).__name__} does not define forward(self, *xs)")

    def backward(self, *gys):
        raise NotImplementedError(f"{type(self).__name__} does not define backward(self, *gys)")

    @property
    def inputs(self):
        """The Variables that the function was called with."""
        if self.nin < 0:
            raise AttributeError(f"{type(self).__name__} has no inputs: it was not called yet, or under no_grad")
        for x in function_inputs(self):
            (<Variable> x).kind &= ~K_CONST      # somebody may use it elsewhere, or look for its gradient
        return function_inputs(self)

    @inputs.setter
    def inputs(self, value):
        set_inputs(self, tuple([as_variable(x) for x in value]))
        show(self)

    @property
    def outputs(self):
        """Weak references to the Variables that the function gave: `f.outputs[0]()`."""
        if self.outs is not None:
            return self.outs
        if self.nin < 0:
            raise AttributeError(f"{type(self).__name__} has no outputs: it was not called yet, or under no_grad")
        return [weakref.ref(<object> self.out0) if self.out0 != NULL else GONE]

    @outputs.setter
    def outputs(self, value):
        self.outs = list(value)
        self.out0 = NULL

    @property
    def generation(self):
        """The largest generation among the inputs."""
        return self.gen

    @generation.setter
    def generation(self, Py_ssize_t value):
        self.gen = value

    def _arguments(self):
        """What the built-in class's constructor was called with."""
        return ()

    def _call_state(self):
        """What a call has left in the built-in class that a copy of the graph needs and inputs do not tell; None: nothing."""
        return None

    def _restore_call_state(self, state):
        """Takes back what `_call_state` gave."""

    def __reduce__(self):
        return methods["reduce_function"](self)

    def _set_era(self, int era):
        """The era whose Variables this function gives; for the classes of the early modules."""
        self.era = <unsigned char> era


class _Gone:
    pass


GONE = weakref.ref(_Gone())     # what a dead output's reference looks like


class OutputReference(weakref.ref):
    """One of several outputs; its shape and dtype, which a gradient of zeros needs, are known when it is gone too."""

    __slots__ = ("dtype", "shape")


cdef object output_reference(Variable y):
    cdef object r = OutputReference(y), value = data_of(y)
    r.shape, r.dtype = value.shape, value.dtype
    return r


cdef object gone_reference(object shape, object dtype):
    cdef object r = OutputReference(_Gone())
    r.shape, r.dtype = shape, dtype
    return r


cdef int set_inputs(Function f, tuple xs) except -1:
    cdef Py_ssize_t n = len(xs)
    cdef tuple _old = (f.in0, f.in1, f.in2, f.rest)
    f.rest = xs if n > 3 else None
    f.in0 = xs[0] if 0 < n <= 3 else None
    f.in1 = xs[1] if 1 < n <= 3 else None
    f.in2 = xs[2] if n == 3 else None
    f.nin = <int> n
    return 0


cdef str describe(Function f):
    """The function and its inputs' shapes, for messages."""
    return f"{type(f).__name__}({', '.join([str(np.shape(plain(x))) for x in function_inputs(f)] if f.nin >= 0 else [])})"


def inputs_of(f):
    """f.inputs, for what only looks at them (pictures, pickles, copies): operands that were no Variables stay without a
    gradient."""
    return function_inputs(<Function> f) if isinstance(f, Function) and (<Function> f).nin >= 0 else f.inputs


cdef Variable given_variable(object o, int era):
    """What is no Variable, as an input of somebody's Function: no constant, a user's backward may look at it and its gradient."""
    cdef Variable x
    if traced() and not watched() and (cnp.PyArray_Check(o) or is_traced_array(o)):
        x = new_variable(era)
        x._data = traced_data(x, o, True)
        return x
    x = traced_operand(o, None) if traced() else wrap(o, -1, era)
    x.kind &= ~K_CONST
    return x


cdef object function_call(Function f, tuple inputs):
    """Runs f.forward on the inputs' data, and records the graph if that is on. Nothing is recorded when it raises."""
    cdef list xs = [], outputs = []
    cdef Variable x, y
    cdef object o, ys
    cdef int era = f.era
    for o in inputs:
        if isinstance(o, Variable):
            x = <Variable> o
        elif o is None:
            x = new_variable(era)
        else:
            x = given_variable(o, era)
        if x.era > era:
            era = x.era
        xs.append(x)
    if traced() and not watched() and (f.nin > 0 or f.rest is not None):
        (<Trace> dz_trace).refused = (f"the {type(f).__name__} in it was called before, and has one graph alone: make a new one "
                                      f"for each call, {type(f).__name__}()(x)")
    ys = untraced_forward(f, xs) if traced() else f.forward(*[data_of(x) for x in xs])
    if not isinstance(ys, tuple):
        ys = (ys,)
    if not ys or None in [None if o is None else 0 for o in ys]:
        raise TypeError(f"{type(f).__name__}.forward returned {'None' if ys else 'an empty tuple'}; it must return an ndarray, "
                        "or a tuple of them (is a return statement missing?)")
    for o in ys:
        y = new_variable(era)
        y._data = as_array(o)
        if not cnp.PyArray_Check(y._data):
            raise TypeError(f"{type(f).__name__}.forward returned {type(o)}; it must return an ndarray, or a tuple of them")
        outputs.append(y)
    if recording():
        set_inputs(f, tuple(xs))
        f.outs = None
        f.out0 = NULL
        if len(outputs) == 1:
            record(f, outputs[0])
            if era == ERA_CHAPTER1:
                f.outs = [strong(outputs[0])]
        else:
            record(f, None)
            if traced():
                log_operation(f, tuple(outputs))
                if not mode(0):
                    return outputs
            for y in outputs:
                y._creator = f
                y.gen = f.gen + 1
                track(y)
            f.outs = [strong(y) if era == ERA_CHAPTER1 else output_reference(y) for y in outputs]
    return outputs[0] if len(outputs) == 1 else outputs


cdef object call_native(Function f, tuple xs, object value):
    """Records an exact built-in class with its inputs (Variables) and its value: an ndarray, or a Variable that has just
    been made. For families whose instances are made by their public function."""
    cdef Variable y, x
    cdef int era = f.era
    for x in xs:
        if x.era > era:
            era = x.era
    if isinstance(value, Variable) and (<Variable> value).era == era:
        y = <Variable> value
    else:
        y = new_variable(era)
        y._data = as_array(plain(value))
    if recording():
        set_inputs(f, xs)
        f.outs = None
        f.native = True
        record(f, y)
    return y


def strong(v):
    """A reference that keeps its Variable, called like a weak one: chapter 1's `f.output`."""
    return lambda: v


def as_array(x, array_module=np):
    """x as an ndarray where it is a scalar; anything else unchanged."""
    if type(x) is cnp.ndarray:      # np.isscalar takes longer than an operation
        return x
    return array_module.array(x) if np.isscalar(x) else x


def as_variable(obj):
    """obj itself when it is a Variable, else a Variable around it (a Python or NumPy number becomes an ndarray)."""
    if isinstance(obj, Variable):
        return obj
    return Variable(obj if traced() and is_traced_array(obj) else as_array(obj))


def setup_variable():
    """Does nothing: Variable has its operators from the start. Kept for programs that call it."""
