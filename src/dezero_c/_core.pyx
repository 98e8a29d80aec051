# cython: language_level=3, embedsignature=True, embedsignature.format=python, binding=True
"""The engine: Variable, Parameter, Function, the walk backwards, and the modes.

Owns how values and gradients are held (in the node while nobody has looked at them, as ndarrays afterwards), how a graph
is recorded, walked and freed, and how user-defined Functions are called. What an operation computes is left to the op
families above (_elementwise, _shape, _reduce, _linalg), which reach Variable's operators through `hooks` and `methods`.

Invariants of a Variable: either v.p is set and _data is None, or _data is the value (None: no value). gstate says which of
g and _grad is the gradient. Nothing outside the Variable keeps a pointer into v or g across a call into Python. A
Variable owns its creator, a Function owns its inputs, and the way from a Function to its output owns nothing: out0 is
cut by whichever of __dealloc__, tp_clear and set_creator comes first.
"""

import gc
import numbers
import threading
import types
import weakref

import numpy as np

cimport cython
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.string cimport memcpy, memset

cnp.import_array()

cdef extern from "_types.h":
    object dz_node_clone(PyObject *, int, size_t, int)
    int dz_open_root(PyTypeObject *, int, Py_ssize_t, void (*)(PyObject *) noexcept,
                     void (*)(PyObject *, PyObject *) noexcept, void (*)(PyObject *) noexcept) except -1
    void dz_open_sub(PyTypeObject *, PyTypeObject *)

cdef extern from *:
    """
    #define DZ_ATTRS(T) ((Py_ssize_t)offsetof(struct T, attrs))
    #define DZ_SIZE(T) sizeof(struct T)
    #define DZ_WEAKREFS_V(o) (((struct __pyx_obj_8dezero_c_5_core_Variable *)(o))->__weakref__)
    #define DZ_WEAKREFS_F(o) (((struct __pyx_obj_8dezero_c_5_core_Function *)(o))->__weakref__)
    #define dz_free(o) (Py_TYPE(o)->tp_free(o))
    #define dz_destructor(o) (Py_TYPE(o)->tp_dealloc)
    #if defined(_MSC_VER)
    #define DZ_THREAD static __declspec(thread)
    #else
    #define DZ_THREAD static __thread
    #endif
    /* This thread's overrides of the modes: -1 leaves the process default. */
    DZ_THREAD signed char dz_mode[2] = {-1, -1};
    """
    Py_ssize_t attrs_of_variable "DZ_ATTRS(__pyx_obj_8dezero_c_5_core_Variable)"
    Py_ssize_t attrs_of_function "DZ_ATTRS(__pyx_obj_8dezero_c_5_core_Function)"
    size_t size_of_variable "DZ_SIZE(__pyx_obj_8dezero_c_5_core_Variable)"
    size_t size_of_function "DZ_SIZE(__pyx_obj_8dezero_c_5_core_Function)"
    PyObject *weakrefs_of_variable "DZ_WEAKREFS_V" (PyObject *)
    PyObject *weakrefs_of_function "DZ_WEAKREFS_F" (PyObject *)
    void dz_free(PyObject *) noexcept
    void (*dz_destructor(PyObject *) noexcept)(PyObject *) noexcept
    signed char dz_mode[2]

cdef extern from "Python.h":
    void Py_CLEAR(PyObject *)
    Py_ssize_t Py_REFCNT(PyObject *)
    int PyObject_GC_IsTracked(PyObject *)
    int PyObject_IS_GC(PyObject *)
    void PyObject_GC_Track(PyObject *)
    void PyObject_GC_UnTrack(PyObject *)
    void PyObject_ClearWeakRefs(PyObject *)
    void *PyMem_Malloc(size_t)
    void PyMem_Free(void *)

cdef extern from "generated/dz_enum.h":
    enum:
        DZ_OP_ADD
        DZ_OP_SUB
        DZ_OP_MUL
        DZ_OP_DIV
        DZ_OP_NEG
        DZ_OP_ABS

include "_modes.pxi"

cdef dz_pool pool
memset(&pool, 0, sizeof(pool))

cdef Hooks hooks
cdef dict methods = {}
cdef list era_types = [None, None, None]      # the Variable class of each era
cdef list blanks = [None, None, None]         # what its new Variables are copied from, unless it is a Python class


def register_methods(**functions):
    """Gives Variable's methods what they call; for the modules above, at import."""
    methods.update(functions)


def register_era(int era, type cls):
    """Makes `cls`, a subclass of Variable, the class of an era's outputs (1: core_simple, 2: chapter1)."""
    if not issubclass(cls, Variable):
        raise TypeError(f"register_era: {cls!r} is no subclass of Variable")
    era_types[era] = cls
    if not cls.__flags__ & (1 << 9):    # Py_TPFLAGS_HEAPTYPE
        blanks[era] = cls.__new__(cls)


cdef enum:      # object fields, each None in a new node
    VARIABLE_NONES = 4      # _data, _grad, _name, _creator
    FUNCTION_NONES = 6      # in0, in1, in2, rest, outs, saved


cdef object clone_function(PyObject *prototype):
    return dz_node_clone(prototype, 1, size_of_function, FUNCTION_NONES)


cdef int open_function_class(type cls) except -1:
    """Readies a subclass of Function that adds no fields of its own."""
    dz_open_sub(<PyTypeObject *> cls, <PyTypeObject *> Function)
    return 0


cdef int open_variable_class(type cls) except -1:
    """Readies a subclass of Variable that adds no fields of its own."""
    dz_open_sub(<PyTypeObject *> cls, <PyTypeObject *> Variable)
    return 0


cdef Variable new_variable(int era):
    if blanks[era] is not None:
        return <Variable> dz_node_clone(<PyObject *> blanks[era], 0, size_of_variable, VARIABLE_NONES)
    return era_types[era].__new__(era_types[era])


# ---- values -----------------------------------------------------------------------------------------------------------

cdef object data_of(Variable v):
    """The value as Python sees it. A raw one moves into an ndarray, which is the value from now on."""
    cdef object a
    if v.v.p != NULL:
        a = cnp.PyArray_EMPTY(v.v.nd, dz_raw_shape(&v.v), dz_typenum(v.v.dt), 0)
        memcpy(cnp.PyArray_DATA(a), v.v.p, v.v.size * dz_itemsize(v.v.dt))
        dz_raw_free(&pool, &v.v)
        v._data = a
    return v._data


# Fields are replaced through a local variable that holds the old value until the new one is in place: letting go of it may
# run somebody's code, which may look at this node.

cdef int set_data_array(Variable v, object a) except -1:
    cdef object old = v._data
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
    a = cnp.PyArray_EMPTY(nd, <cnp.npy_intp *> shape, dz_typenum(dt), 0)
    y._data = a
    return cnp.PyArray_BYTES(a)


cdef Variable wrap(object o, int dt, int era):
    """A Variable around an operand that is none, for one operation. A Python number takes the dtype `dt` where that is
    0 or 1 (a kernel's dtype); everything else becomes an ndarray. Raises TypeError for what is no number."""
    cdef Variable v = new_variable(era)
    cdef object a
    v.kind = K_CONST
    if type(o) is float or type(o) is int or type(o) is bool:
        v.kind = K_WEAK
        if dt >= 0:
            dz_raw_new(&pool, &v.v, dt, 0, NULL, 1)
            if dt == DZ_F64:
                (<double *> v.v.p)[0] = o
            else:
                (<float *> v.v.p)[0] = <float> <double> o
            return v
        v._data = np.array(o)
        return v
    if isinstance(o, np.ndarray):
        v._data = o
        return v
    if isinstance(o, (np.generic, numbers.Number)):
        v.kind = K_WEAK if type(o) is complex else K_CONST
        v._data = np.array(o)
        return v
    if isinstance(o, (list, tuple)):
        try:
            a = np.asarray([x.data if isinstance(x, Variable) else x for x in o])
        except ValueError as error:
            raise TypeError(f"operand {o!r:.80} is no regular array of numbers; pass an ndarray or a Variable") from error
        if a.dtype.kind in "biufc":
            v._data = a
            return v
    raise TypeError(f"unsupported operand type {type(o).__name__!r}: pass a Variable, an ndarray or a number")


cdef Variable as_operand(object o, object other):
    """`o` as a Variable for an operation together with `other`, whose dtype a Python number takes."""
    cdef dz_view w
    if isinstance(o, Variable):
        return <Variable> o
    if type(o) is bool and getattr(other, "dtype", None) != bool:
        o = int(o)      # a number among numbers, or the sign rules of bool would follow
    if isinstance(other, Variable):
        return wrap(o, w.dt if view(<Variable> other, &w) else -1, (<Variable> other).era)
    return wrap(o, w.dt if dz_view_object(<PyObject *> other, &w) else -1, ERA_CORE)


# ---- the graph --------------------------------------------------------------------------------------------------------

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


# Nodes whose last owner has let go. Freeing one may let go of the next: the outermost call works through the list, so
# that a chain of any length is freed in constant stack. Guarded by the interpreter's lock.
cdef PyObject *released = NULL
cdef bint releasing = False


cdef inline void release(PyObject *o) noexcept:
    """Gives up a reference to an input (a Variable or None)."""
    global released
    if o != <PyObject *> None and Py_REFCNT(o) == 1:
        (<Variable> o).next = released
        released = o
    else:
        Py_DECREF(<object> o)


cdef void release_all() noexcept:
    global released, releasing
    cdef PyObject *o
    if releasing:
        return
    releasing = True
    while released != NULL:
        o = released
        released = (<Variable> o).next
        (<Variable> o).next = NULL
        Py_DECREF(<object> o)
    releasing = False


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
    Py_DECREF((<Variable> o)._grad)
    Py_DECREF((<Variable> o)._name)
    Py_DECREF((<Variable> o)._creator)
    dz_free(o)


cdef void function_dealloc(PyObject *o) noexcept:
    if (<Function> o).seen or dz_destructor(o) != function_dealloc:
        PyObject_GC_UnTrack(o)
    if weakrefs_of_function(o) != NULL:
        PyObject_ClearWeakRefs(o)
    release(<PyObject *> (<Function> o).in0)
    release(<PyObject *> (<Function> o).in1)
    release(<PyObject *> (<Function> o).in2)
    Py_CLEAR((<Function> o).attrs)
    Py_DECREF((<Function> o).rest)
    Py_DECREF((<Function> o).outs)
    Py_DECREF((<Function> o).saved)
    dz_free(o)
    if released != NULL:
        release_all()


cdef class Variable:
    """Variable(data=None, name=None)\n--\n
    A value that remembers how it was computed.

    data: ndarray or None (any shape and dtype); name: a label for messages and pictures. Raises TypeError for anything else:
    wrap numbers as np.array(1.0), or let `as_variable` do it.

    `y.backward()` gives every Variable that y was computed from its gradient in `.grad`: a Variable of the data's shape.
    """

    __array_priority__ = 200

    def __cinit__(self):
        self.seen = PyObject_GC_IsTracked(<PyObject *> self) != 0   # instances of Python subclasses are

    def __init__(self, data=None, name=None):
        if data is not None and not isinstance(data, np.ndarray):
            raise TypeError(f"{type(data)} is not supported: Variable holds an ndarray; wrap the value, as in "
                            f"Variable(np.array({data!r:.40}))")
        set_data_array(self, data)
        self.name = name

    @property
    def name(self):
        """A label, for messages and pictures."""
        return self._name

    @name.setter
    def name(self, value):
        old = self._name
        self._name = value
        if PyObject_IS_GC(<PyObject *> value):
            attribute_set(<PyObject *> self, <PyObject *> value)

    # -- value

    @property
    def data(self):
        """The value: an ndarray (what was handed in, or where the result lies), or None."""
        return data_of(self)

    @data.setter
    def data(self, value):
        if value is not None and not isinstance(value, (np.ndarray, np.generic)):
            if not isinstance(value, numbers.Number):
                raise TypeError(f"{type(value)} is not supported as data: assign an ndarray, a number or None")
            value = np.array(value)
        set_data_array(self, value)

    @data.deleter
    def data(self):
        raise AttributeError("data cannot be deleted; set it to None")

    @property
    def shape(self):
        """Lengths of the axes."""
        cdef Py_ssize_t i
        if self.v.p != NULL:
            return tuple([dz_raw_shape(&self.v)[i] for i in range(self.v.nd)])
        return self._data.shape

    @property
    def ndim(self):
        """Number of axes."""
        return self.v.nd if self.v.p != NULL else self._data.ndim

    @property
    def size(self):
        """Number of elements."""
        return self.v.size if self.v.p != NULL else self._data.size

    @property
    def dtype(self):
        """NumPy dtype of the data."""
        if self.v.p != NULL:
            return F64 if self.v.dt == DZ_F64 else F32
        return self._data.dtype

    def __len__(self):
        return len(data_of(self))

    def __bool__(self):
        return bool(data_of(self))

    def __float__(self):
        return float(data_of(self))

    def __int__(self):
        return int(data_of(self))

    def __repr__(self):
        cdef object a = data_of(self)
        if a is None:
            return "variable(None)"
        return "variable(" + str(a).replace("\n", "\n" + " " * 9) + ")"

    def __array__(self, dtype=None, copy=None):
        return np.array(data_of(self), dtype=dtype, copy=copy)

    # -- gradient

    @property
    def grad(self):
        """The gradient: a Variable (an ndarray in the modules of the book's first half), or None."""
        return grad_variable(self)

    @grad.setter
    def grad(self, value):
        if value is not None and not isinstance(value, Variable):
            if not is_gradient(value):
                raise TypeError(f"grad: {type(value)} is not supported; assign a Variable, an ndarray, a number or None")
        drop_grad(self)
        if value is not None:
            self._grad = value
            self.gstate = G_SHOWN
            if isinstance(value, Variable):
                track(<Variable> value)
                track(self)

    def cleargrad(self):
        """Forgets the gradient."""
        drop_grad(self)

    # -- graph

    @property
    def creator(self):
        """The Function that computed this Variable; None for one that the user made."""
        return self._creator

    @creator.setter
    def creator(self, Function func):
        replace_creator(self, func)

    @property
    def generation(self):
        """How many Functions lie before this Variable on the longest way."""
        return self.gen

    @generation.setter
    def generation(self, Py_ssize_t value):
        self.gen = value

    def set_creator(self, Function func not None):
        """Makes `func` the creator; the generation follows from it."""
        replace_creator(self, func)
        self.gen = func.gen + 1

    def unchain(self):
        """Cuts this Variable off from what it was computed from."""
        replace_creator(self, None)

    def unchain_backward(self):
        """Cuts off every Variable that this one was computed from."""
        cdef list todo
        cdef Function f
        cdef Variable x
        if self._creator is None:
            return
        todo = [self._creator]
        while todo:
            f = todo.pop()
            for x in function_inputs(f):
                if x._creator is not None:
                    todo.append(x._creator)
                    replace_creator(x, None)

    def backward(self, bint retain_grad=False, bint create_graph=False):
        """Computes the gradient of this Variable with respect to all that it was computed from.

        The walk starts from `self.grad`, or ones where there is none. Gradients add up over repeated use and repeated
        calls; those of intermediate results are dropped unless retain_grad. With create_graph the gradients have a graph
        of their own, so that they can be differentiated again. Raises ValueError when there is no data, when the gradient
        does not fit it, or when data was rebound to a shape that no longer fits the graph.
        """
        walk(self, retain_grad or self.era == ERA_CHAPTER1, create_graph)

    # -- operators; what they compute lies in higher modules

    def __add__(self, other):
        return binary(DZ_OP_ADD, self, other)

    def __radd__(self, other):
        return binary(DZ_OP_ADD, other, self)

    def __sub__(self, other):
        return binary(DZ_OP_SUB, self, other)

    def __rsub__(self, other):
        return binary(DZ_OP_SUB, other, self)

    def __mul__(self, other):
        return binary(DZ_OP_MUL, self, other)

    def __rmul__(self, other):
        return binary(DZ_OP_MUL, other, self)

    def __truediv__(self, other):
        return binary(DZ_OP_DIV, self, other)

    def __rtruediv__(self, other):
        return binary(DZ_OP_DIV, other, self)

    def __neg__(self):
        return hooks.apply1(DZ_OP_NEG, self)

    def __pos__(self):
        return self

    def __abs__(self):
        return hooks.apply1(DZ_OP_ABS, self)

    def __pow__(self, other, modulo):
        if modulo is not None or not operand(other):
            return NotImplemented
        return hooks.power(self, other)

    def __rpow__(self, other, modulo):
        if modulo is not None or not operand(other):
            return NotImplemented
        return hooks.power(other, self)

    def __matmul__(self, other):
        return methods["matmul"](self, other) if operand(other) else NotImplemented

    def __rmatmul__(self, other):
        return methods["matmul"](other, self) if operand(other) else NotImplemented

    def __getitem__(self, slices):
        return methods["get_item"](self, slices)

    def __iter__(self):
        if self.ndim == 0:
            raise TypeError("iteration over a 0-d Variable")
        return (self[i] for i in range(len(self)))

    # Comparisons look at the values and record nothing; == and != are identity, so that Variables can be in sets.
    def __lt__(self, other):
        return data_of(self) < plain(other)

    def __le__(self, other):
        return data_of(self) <= plain(other)

    def __gt__(self, other):
        return data_of(self) > plain(other)

    def __ge__(self, other):
        return data_of(self) >= plain(other)

    def __eq__(self, other):
        return self is other

    def __ne__(self, other):
        return self is not other

    def __hash__(self):
        return <Py_ssize_t> <void *> self >> 4

    def __array_ufunc__(self, ufunc, str method, *inputs, **kwargs):
        return methods["array_ufunc"](ufunc, method, inputs, kwargs)

    # -- shape

    @property
    def T(self):
        """The axes in reverse order, as `transpose()`."""
        return methods["transpose"](self, None)

    def reshape(self, *shape):
        """The same values in another shape: `reshape(2, 3)` or `reshape((2, 3))`; one length may be -1."""
        return methods["reshape"](self, shape[0] if len(shape) == 1 and isinstance(shape[0], (tuple, list)) else shape)

    def transpose(self, *axes):
        """The axes in the order given (`transpose(1, 0)`, `transpose((1, 0))`), reversed without one."""
        if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (tuple, list))):
            return methods["transpose"](self, axes[0])
        return methods["transpose"](self, axes or None)

    def sum(self, axis=None, keepdims=False):
        """Sum over the axes given (an int, a tuple, None: all)."""
        return methods["sum"](self, axis, keepdims)

    def matmul(self, W):
        """Matrix product with W."""
        return methods["matmul"](self, W)

    def dot(self, W):
        """Matrix product with W."""
        return methods["matmul"](self, W)

    def _set_era(self, int era):
        """The era whose rules this Variable follows; for the classes of the early modules."""
        self.era = <unsigned char> era

    def __reduce__(self):
        return methods["reduce_variable"](self)

    def __copy__(self):
        return methods["copy_variable"](self)

    def __setstate__(self, state):
        restore_variable(self, state)


cdef object F32 = np.dtype(np.float32)
cdef object F64 = np.dtype(np.float64)


def variable_state(Variable v not None):
    """All of a Variable but its place in a graph: for _copying."""
    return (data_of(v), v._name, grad_variable(v), dict(v.__dict__) if v.attrs != NULL else None, v.kind, v.era)


def restore_variable(Variable v not None, tuple state):
    """The opposite of variable_state."""
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
    return f.saved if f.outs is not None and len(f.outs) > 1 else None


def link(Function f not None, tuple inputs, list outputs, shapes):
    """Puts f between inputs and outputs (Variables; None for an output that is gone), as its call did."""
    cdef Variable y
    set_inputs(f, inputs)
    if shapes is None:
        record(f, <Variable?> outputs[0] if outputs[0] is not None else None)
        return
    record(f, None)
    f.outs = [GONE if y is None else weakref.ref(y) for y in outputs]
    f.saved = shapes
    for y in outputs:
        if y is not None:
            y._creator = f
            y.gen = f.gen + 1
            track(y)


cdef class Parameter(Variable):
    """A Variable that a layer trains."""


cdef inline bint operand(object o):
    """Whether an operator of Variable takes `o`; otherwise the other object's operator gets its turn."""
    return (isinstance(o, Variable) or type(o) is float or type(o) is int or
            isinstance(o, (np.ndarray, np.generic, numbers.Number, list, tuple)))


cdef inline object binary(int op, object a, object b):
    if isinstance(a, Variable) and isinstance(b, Variable):
        return hooks.apply2(op, a, b)
    return hooks.apply2(op, a, b) if operand(a) and operand(b) else NotImplemented


cdef inline object plain(object o):
    return data_of(<Variable> o) if isinstance(o, Variable) else o


cdef bint is_gradient(object o):
    """Whether an object that is no Variable can be a gradient: numbers, or an array of them (of objects too)."""
    return isinstance(o, numbers.Number) or (isinstance(o, (np.ndarray, np.generic)) and o.dtype.kind in "biufcO")


cdef int replace_creator(Variable v, Function func) except -1:
    """Another creator, or none. The old one keeps a weak reference where it had its bare link."""
    cdef Function old = v._creator
    if old is not None and old.out0 == <PyObject *> v:
        if old.outs is None:
            old.outs = [weakref.ref(v)]
        old.out0 = NULL
    v._creator = func
    if func is not None:
        track(v)
    return 0


# ---- gradients --------------------------------------------------------------------------------------------------------

cdef int drop_grad(Variable x) except -1:
    cdef object old
    if x.gstate == G_RAW:
        dz_raw_free(&pool, &x.g)
        x.gstate = G_NONE
    elif x.gstate != G_NONE:
        old = x._grad
        x.gstate = G_NONE
        x._grad = None
    return 0


cdef object grad_variable(Variable v):
    """The gradient as Python sees it, from now on never changed in place."""
    cdef Variable g
    if v.gstate == G_NONE:
        return None
    if v.gstate != G_SHOWN:
        g = new_variable(ERA_CORE)
        if v.gstate == G_RAW:
            dz_raw_move(&g.v, &v.g)
        else:
            g._data = v._grad
        v._grad = g if v.era == ERA_CORE else data_of(g)
        v.gstate = G_SHOWN
    return v._grad


cdef int grad_view(Variable y, dz_view *w) except -1:
    """1 when kernels can read y's gradient."""
    if y.gstate == G_RAW:
        dz_view_raw(&y.g, w)
        return 1
    if y.gstate == G_SHOWN and isinstance(y._grad, Variable):
        return view(<Variable> y._grad, w)
    return y.gstate != G_NONE and dz_view_object(<PyObject *> y._grad, w) != 0


cdef char *new_grad(Variable x, const dz_view *xv) except NULL:
    """Uninitialised room for a gradient of the shape and dtype of xv; x had none."""
    if dz_raw_fits(xv.dt, xv.nd, xv.size):
        if not dz_raw_new(&pool, &x.g, xv.dt, xv.nd, xv.shape, xv.size):
            raise MemoryError()
        x.gstate = G_RAW
        return x.g.p
    cdef object array = cnp.PyArray_EMPTY(xv.nd, <cnp.npy_intp *> xv.shape, dz_typenum(xv.dt), 0)
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
    cdef object old, array
    cdef dz_view gv
    cdef char *p
    if x.gstate == G_RAW and x.g.size == xv.size and x.g.dt == xv.dt:
        acc[0] = True
        return x.g.p
    acc[0] = False
    if x.gstate == G_NONE:
        return new_grad(x, xv)
    acc[0] = True
    if x.gstate == G_ARRAY and cnp.PyArray_SIZE(x._grad) == xv.size and cnp.PyArray_TYPE(x._grad) == dz_typenum(xv.dt):
        return cnp.PyArray_BYTES(x._grad)
    grad_variable(x)
    old = x._grad
    if grad_view(x, &gv) and gv.strides == NULL and gv.dt == xv.dt and dz_same_shape(&gv, xv):
        replaced.append(old)
        x._grad = None
        p = new_grad(x, xv)
        memcpy(p, gv.p, xv.size * dz_itemsize(xv.dt))
        return p
    array = cnp.PyArray_EMPTY(xv.nd, <cnp.npy_intp *> xv.shape, dz_typenum(xv.dt), 0)
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
    if x.gstate == G_RAW or x.gstate == G_ARRAY:
        old = raw_array(x)
        np.add(old, a, out=old)
        return 0
    if x.gstate == G_SHOWN:
        old = x._grad
        a = np.add(plain(old), a)
        replaced.append(old)
    x._grad = a
    x.gstate = G_ARRAY
    return 0


cdef object raw_array(Variable x):
    """An ndarray that looks at x's private gradient; not to be kept."""
    if x.gstate == G_ARRAY:
        return x._grad
    return cnp.PyArray_SimpleNewFromData(x.g.nd, dz_raw_shape(&x.g), dz_typenum(x.g.dt), x.g.p)


cdef bint steal_grad(Variable x, Variable y):
    """Moves y's gradient to x, which has none, if nobody has seen it. The caller knows that shapes and dtypes agree."""
    if x.gstate != G_NONE or x is y:
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
    if gx is None or x.kind != K_USER:
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
    if create_graph_depth > 0 or (isinstance(gx, Variable) and (<Variable> gx).seen):
        track(x)
    return 0


# ---- functions --------------------------------------------------------------------------------------------------------

cdef class Function:
    """An operation on Variables. Subclasses define

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

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        """Adds the inputs' gradients from y's, without a graph and without Python; keep: y's gradient stays. 1 when done,
        0 when something (dtype, shape, a rebound array) needs the general way; nothing is changed then."""
        return 0

    cdef object vjp_graph(self, list gys):
        """The inputs' gradients (a sequence, None where there is none) by operations on Variables."""
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

    def __reduce__(self):
        return methods["reduce_function"](self)

    def _set_era(self, int era):
        """The era whose Variables this function gives; for the classes of the early modules."""
        self.era = <unsigned char> era


class _Gone:
    pass


GONE = weakref.ref(_Gone())     # what a dead output's reference looks like


cdef int set_inputs(Function f, tuple xs) except -1:
    cdef Py_ssize_t n = len(xs)
    cdef tuple old = (f.in0, f.in1, f.in2, f.rest)
    f.rest = xs if n > 3 else None
    f.in0 = xs[0] if 0 < n <= 3 else None
    f.in1 = xs[1] if 1 < n <= 3 else None
    f.in2 = xs[2] if n == 3 else None
    f.nin = <short> n
    return 0


cdef str describe(Function f):
    """The function and its inputs' shapes, for messages."""
    return f"{type(f).__name__}({', '.join([str(np.shape(plain(x))) for x in function_inputs(f)] if f.nin >= 0 else [])})"


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
            x = wrap(o, -1, era)
            x.kind = K_USER     # a user's backward may look at it and at its gradient
        if x.era > era:
            era = x.era
        xs.append(x)
    ys = f.forward(*[data_of(x) for x in xs])
    if not isinstance(ys, tuple):
        ys = (ys,)
    if not ys or None in [None if o is None else 0 for o in ys]:
        raise TypeError(f"{type(f).__name__}.forward returned {'None' if ys else 'an empty tuple'}; it must return an ndarray, "
                        "or a tuple of them (is a return statement missing?)")
    for o in ys:
        y = new_variable(era)
        y._data = as_array(o)
        if not isinstance(y._data, np.ndarray):
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
            for y in outputs:
                y._creator = f
                y.gen = f.gen + 1
                track(y)
            f.outs = [strong(y) if era == ERA_CHAPTER1 else weakref.ref(y) for y in outputs]
            f.saved = [(o.shape, o.dtype) for o in [data_of(y) for y in outputs]]
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
    return array_module.array(x) if np.isscalar(x) else x


def as_variable(obj):
    """obj itself when it is a Variable, else a Variable around it (a Python or NumPy number becomes an ndarray)."""
    if isinstance(obj, Variable):
        return obj
    return Variable(as_array(obj))


def setup_variable():
    """Does nothing: Variable has its operators from the start. Kept for programs that call it."""


# ---- what runs underneath ---------------------------------------------------------------------------------------------

cdef extern from "_loops.h":
    const char **dz_fn_names
    char dz_fn_direct[DZ_NFN][2]
    int dz_take_loops(object, int) except -1

cdef extern from *:
    """
    #if defined(__clang__)
    #define DZ_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define DZ_COMPILER "gcc " __VERSION__
    #elif defined(_MSC_VER)
    #define DZ_COMPILER "MSVC"
    #else
    #define DZ_COMPILER "unknown"
    #endif
    """
    const char *DZ_COMPILER


cdef const void *kernels() noexcept:
    """The table for dz_bind."""
    return dz_table_address


def build_info():
    """What this build runs with: {"simd": level in use, "simd_available": all that this machine can choose,
    "numpy_loops": {name: taken from NumPy directly, not through its ufunc}, "compiler": …}."""
    cdef int i
    levels = []
    for i in range(8):
        if dz_level_name(i) == NULL:
            break
        levels.append((<bytes> dz_level_name(i)).decode())
    return {"simd": (<bytes> dz_level()).decode(), "simd_available": levels,
            "numpy_loops": {(<bytes> dz_fn_names[i]).decode(): bool(dz_fn_direct[i][0] and dz_fn_direct[i][1])
                            for i in range(DZ_NFN)},
            "compiler": (<bytes> DZ_COMPILER).decode()}


def select_simd(str level):
    """Makes the kernels of `level` (one of build_info()["simd_available"]) the ones in use; for tests and measurements."""
    if dz_select(level.encode()) != 0:
        raise ValueError(f"SIMD level {level!r} is not one of {build_info()['simd_available']}")


cdef int start() except -1:
    """Chooses loops and SIMD level; DEZERO_C_LOOPS=ufunc and DEZERO_C_SIMD=<level> in the environment overrule."""
    import os
    dz_take_loops(np, os.environ.get("DEZERO_C_LOOPS") == "ufunc")
    select_simd(os.environ.get("DEZERO_C_SIMD") or build_info()["simd_available"][-1])
    return 0


start()


# ---- the walk ---------------------------------------------------------------------------------------------------------

include "_walk.pxi"

dz_open_root(<PyTypeObject *> Variable, 0, attrs_of_variable, unlink, attribute_set, variable_dealloc)
dz_open_root(<PyTypeObject *> Function, 1, attrs_of_function, NULL, attribute_set, function_dealloc)
open_variable_class(Parameter)
register_era(ERA_CORE, Variable)
