# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""The engine: Variable and Parameter here; Function, the graph, gradients, the walk and the modes in the .pxi files that are
included, one room each. They are one module, so that calls between them are direct.

Owns how values and gradients are held (in the node while nobody has looked at them, as ndarrays afterwards), how a graph
is recorded, walked and freed, and how user-defined Functions are called. What an operation computes is left to the op
families above (_elementwise, _shape, _reduce, _matmul and so on), which reach Variable's operators through `hooks` and `methods`.

Invariants of a Variable: either v.p is set and _data is None, or _data is the value (None: no value). gstate says which of
g and _grad is the gradient. Nothing outside the Variable keeps a pointer into v or g across a call into Python. A
Variable owns its creator, a Function owns its inputs, and the way from a Function to its output owns nothing: out0 is
cut by whichever of __dealloc__, tp_clear and set_creator comes first.
"""

import gc
import numbers
import opcode
import operator
import sys
import threading
import time
import types
import weakref

import numpy as np

cimport cython
from cpython.exc cimport PyErr_Fetch, PyErr_Restore
from cpython.object cimport Py_TPFLAGS_HEAPTYPE, PyObject, PyTypeObject
from cpython.pythread cimport PyThread_get_thread_ident
from cpython.ref cimport Py_DECREF, Py_INCREF
from libc.string cimport memcpy, memset

cnp.import_array()

cdef extern from "_types.h":
    object dz_node_clone(PyObject *, int, size_t, int)
    int dz_open_root(PyTypeObject *, int, Py_ssize_t, void (*)(PyObject *) noexcept,
                     void (*)(PyObject *, PyObject *) noexcept, void (*)(PyObject *) noexcept) except -1
    void dz_open_sub(PyTypeObject *, PyTypeObject *)
    void dz_open_class(PyTypeObject *)
    void (*dz_function_made)(PyObject *) noexcept
    void dz_tell_alloc(PyTypeObject *, int)
    int dz_set_metaclass(PyTypeObject *, object) except -1
    PyObject *dz_list_take(PyObject *) noexcept

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
    #elif defined(__GLIBC__) && defined(__GNUC__)
    /* A few bytes: they fit what glibc keeps for libraries that are loaded late, and need no call to be found. */
    #define DZ_THREAD static __thread __attribute__((tls_model("initial-exec")))
    #else
    #define DZ_THREAD static __thread
    #endif
    /* This thread's overrides of the modes: -1 leaves the process default. */
    DZ_THREAD signed char dz_mode[2] = {-1, -1};
    /* Its transforms (dezero_c.func) that are under way. */
    DZ_THREAD int dz_transforms = 0;
    /* Nodes whose last owner has let go, on this thread, and whether it is working them off. */
    DZ_THREAD PyObject *dz_released = NULL;
    DZ_THREAD int dz_releasing = 0;
    /* The Trace that this thread's work is logged in; owned. */
    DZ_THREAD PyObject *dz_trace = NULL;
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
    int dz_transforms
    PyObject *dz_released
    int dz_releasing
    PyObject *dz_trace

cdef extern from "_raw.h":
    PyObject *dz_array_base(PyObject *) noexcept

cdef extern from "Python.h":
    int PyType_HasFeature(PyTypeObject *, unsigned long)
    PyTypeObject *Py_TYPE(PyObject *)
    void Py_CLEAR(PyObject *)
    Py_ssize_t Py_REFCNT(PyObject *)
    int PyObject_GC_IsTracked(PyObject *)
    int PyObject_IS_GC(PyObject *)
    void PyObject_GC_Track(PyObject *)
    void PyObject_GC_UnTrack(PyObject *)
    void PyObject_ClearWeakRefs(PyObject *)
    void *PyMem_Malloc(size_t)
    void PyMem_Free(void *)

cdef extern from "generated/enum.h":
    enum:
        DZ_OP_ADD
        DZ_OP_SUB
        DZ_OP_MUL
        DZ_OP_DIV
        DZ_OP_NEG
        DZ_OP_ABS
        DZ_OP_REMAINDER
        DZ_OP_FLOOR_DIVIDE

include "_modes.pxi"

cdef dz_pool pool
memset(&pool, 0, sizeof(pool))

cdef Hooks hooks
cdef dict methods = {}
cdef list era_types = [None, None, None]      # the Variable class of each era
cdef list blanks = [None, None, None]         # what its new Variables are copied from, unless it is a Python class
cdef PyObject *blank[3]                       # the same, not owned; NULL for None
blank[0] = blank[1] = blank[2] = NULL


def register_methods(**functions):
    """Gives Variable's methods what they call; for the modules above, at import."""
    methods.update(functions)


def register_era(int era, cls):
    """Makes `cls`, a subclass of Variable, the class of an era's outputs (1: core_simple, 2: chapter1)."""
    if not issubclass(cls, Variable):
        raise TypeError(f"register_era: {cls!r} is no subclass of Variable")
    era_types[era] = cls
    if not cls.__flags__ & (1 << 9):    # Py_TPFLAGS_HEAPTYPE
        blanks[era] = cls.__new__(cls)
        blank[era] = <PyObject *> blanks[era]


cdef enum:      # object fields, each None in a new node
    VARIABLE_NONES = 4      # _data, _grad, _name, _creator
    FUNCTION_NONES = 6      # in0, in1, in2, rest, outs, given


cdef object clone_function(PyObject *prototype):
    return dz_node_clone(prototype, 1, size_of_function, FUNCTION_NONES)


# The compiled classes by the names that pickles have for them, so that a class can move from one module to another.
cdef dict classes_by_name = {}


cdef int register_class(type cls) except -1:
    cdef str name = cls.__name__, where = (<bytes> (<PyTypeObject *> cls).tp_name).decode()
    if where.startswith("dezero_c._simple."):
        name = "core_simple." + name
    if classes_by_name.setdefault(name, cls) is not cls:
        raise ImportError(f"{where}: there is another compiled class of that name, and pickles could not tell "
                          "them apart; call it something else")
    return 0


def class_name(cls):
    """The name that pickles have for a compiled class of this package; None for any other class."""
    cdef str name = cls.__name__
    if classes_by_name.get(name) is cls:
        return name
    name = "core_simple." + name
    return name if classes_by_name.get(name) is cls else None


def class_by_name(str name):
    """The class of that name; KeyError where there is none, or its module has not been imported."""
    return classes_by_name[name]


cdef int open_function_class(type cls) except -1:
    """Readies a subclass of Function that adds no fields of its own."""
    dz_open_sub(<PyTypeObject *> cls, <PyTypeObject *> Function)
    return register_class(cls)


def open_class(type cls):
    """Lets a built-in class take new attributes, as Python classes do."""
    dz_open_class(<PyTypeObject *> cls)
    register_class(cls)


cdef int open_variable_class(type cls) except -1:
    """Readies a subclass of Variable that adds no fields of its own."""
    dz_open_sub(<PyTypeObject *> cls, <PyTypeObject *> Variable)
    register_class(cls)
    dz_set_metaclass(<PyTypeObject *> cls, _VariableType)
    return 0


cdef Variable new_variable(int era):
    if traced():
        return born(era)
    if blank[era] != NULL:
        return <Variable> dz_node_clone(blank[era], 0, size_of_variable, VARIABLE_NONES)
    return era_types[era].__new__(era_types[era])


include "_methods.pxi"
include "_values.pxi"
include "_graph.pxi"


cdef class Variable:
    """Variable(data=None, name=None)\n--\n
    A value that remembers how it was computed.

    data: ndarray or None (any shape and dtype); name: a label for messages and pictures. Raises TypeError for anything else:
    wrap numbers as np.array(1.0), or let `as_variable` do it.

    `y.backward()` gives every Variable that y was computed from its gradient in `.grad`: a Variable of the data's shape.
    """

    __array_priority__ = 200
    __pandas_priority__ = 5000      # above a DataFrame's, whose operators would take a Variable for its numbers

    def __cinit__(self):
        self.seen = PyObject_GC_IsTracked(<PyObject *> self) != 0   # instances of Python subclasses are

    def __init__(self, data=None, name=None):
        cdef bint told = traced() and is_traced_array(data)
        if told:
            data = traced_data(self, data, True)
        if data is not None and type(data) is not cnp.ndarray and cnp.PyArray_Check(data):
            check_plain(data)
        elif data is not None and not cnp.PyArray_Check(data):
            if isinstance(data, Variable):
                raise TypeError(f"{type(data)} is not supported: it is a Variable already; use it as it is, or its .data")
            raise TypeError(f"{type(data)} is not supported: {type(self).__name__} holds an ndarray; wrap the value, as in "
                            f"{type(self).__name__}(np.array({data!r:.40}))")
        if traced() and not told:
            traced_data(self, data, True)
        set_data_array(self, data)
        self.name = name

    @property
    def name(self):
        """A label, for messages and pictures."""
        return self._name

    @name.setter
    def name(self, value):
        _old = self._name
        self._name = value
        if PyObject_IS_GC(<PyObject *> value):
            attribute_set(<PyObject *> self, <PyObject *> value)

    # -- value

    @property
    def data(self):
        """The value: an ndarray (what was handed in, or where the result lies), or None."""
        return traced_value(self) if traced() else data_of(self)

    @data.setter
    def data(self, value):
        cdef object given = value
        cdef bint told = traced() and is_traced_array(value)
        if told:
            value = traced_data(self, value, False)
        if value is not None and not (cnp.PyArray_Check(value) or cnp.PyArray_CheckScalar(value)):
            if not isinstance(value, numbers.Number):
                hint = "use its .data" if isinstance(value, Variable) else "assign an ndarray, a number or None"
                raise TypeError(f"{type(value)} is not supported as data: {hint}")
            value = np.array(value)
        elif type(value) is not cnp.ndarray:
            check_plain(value)
        if traced() and not told:
            traced_data(self, given, False)
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

    def item(self, *args):
        """One element as a Python number: the only one, or that at an index, `item(3)` or `item(0, 1)`, as ndarray.item."""
        cdef object a = read(self, "item()")
        if a is None:
            raise TypeError("item: the Variable has no data (Variable(None)); give it data first")
        return a.item(*args)

    def astype(self, dtype):
        """The values in another dtype, a new array; the gradient comes back in this one. See `functions.cast`."""
        return methods["cast"](self, dtype)

    def copy(self):
        """The same values in memory of their own, with the graph."""
        return methods["cast"](self, self.dtype)

    def detach(self):
        """The same values, in the same memory, without the graph: a constant for what is computed from it."""
        return methods["stop_gradient"](self)

    def __len__(self):
        return len(data_of(self))

    def __bool__(self):
        cdef object a = data_of(self)
        if not cnp.PyArray_Check(a) or cnp.PyArray_NDIM(a):
            return len(self) > 0        # a list's truth, as in DeZero
        return bool(read(self, "bool()"))

    def __format__(self, spec):
        if not spec:
            return str(self)
        if self.size != 1:
            raise TypeError(f"format {spec!r} is for a single number, and this Variable is of shape {self.shape}; format its "
                            "elements, or print(x)")
        return format(read(self, "format()").item(), spec)

    def __float__(self):
        check_use()
        return float(read(self, "float()"))

    def __int__(self):
        check_use()
        return int(read(self, "int()"))

    def __complex__(self):
        check_use()
        return complex(read(self, "complex()"))

    def __trunc__(self):        # math.floor and math.ceil make do with __float__
        return int(self)

    def __repr__(self):
        cdef object a = read(self, "str()")
        if a is None:
            return "variable(None)"
        return "variable(" + str(a).replace("\n", "\n" + " " * 9) + ")"

    def _repr_html_(self):
        """What a notebook shows: shape, dtype, a look at the values and the gradient, and the creator."""
        return methods["html"](self)

    def __array__(self, dtype=None, copy=None):
        """The value, for what takes arrays. A single number stays a Variable in an array of objects, so that np.array([x, y])
        and np.sum([x, y]) keep the graph, as in DeZero; of a list of arrays it would be lost, which is an error."""
        cdef object value = read(self, "an array of it"), a
        check_use()
        if cnp.PyArray_Check(value) and recording():
            if dtype is None and cnp.PyArray_NDIM(value) == 0:
                a = np.empty((), object)
                a[()] = self
                return a
            if copy is None and value.dtype.kind in "fc":
                return methods["value_for_numpy"](value, dtype)
        return np.array(value, dtype=dtype, copy=copy)

    # -- gradient

    @property
    def grad(self):
        """The gradient: a Variable (an ndarray in the modules of the book's first half), or None."""
        cdef object g = grad_variable(self)
        if traced():
            log_gradient(E_GRAD_READ, self, g)
        if isinstance(g, Variable):
            (<Variable> g).kind &= ~K_CONST     # a walk's own seed, which was handed on
        return g

    @grad.setter
    def grad(self, value):
        if traced():
            value = traced_gradient(self, value)
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
        if traced():
            log_event(E_GRAD, self)

    def register_hook(self, hook):
        """Has `hook(g)` called in each `backward` that reaches this Variable, with the gradient that the walk has for it, when
        that is whole and before it goes on to what the Variable was computed from.

        g: what `.grad` would show, without what it held before; of a Variable that was not computed, at the end of the walk.
        The hook may return another gradient of the same shape, a Variable or an array, or None to leave it. With create_graph
        what it computes has a graph; a second walk, through that graph, passes the hook with gradients of its own. Hooks run in
        the order of registration. The result's `remove()`, or a `with` block over it, ends the hook; copies and pickles have
        none. While there are hooks, captured functions run as they are, and forward mode (`func.jvp`) refuses them. Raises
        TypeError for what cannot be called; `backward` raises what a hook raises, and TypeError or ValueError where it returns
        no gradient, or one of another shape, and gradients of Variables that were not computed are then as before.
        """
        return add_hook(self, hook)

    def to_cpu(self):
        """Does nothing: data are in the processor's memory."""

    def to_gpu(self):
        """Raises RuntimeError: there is no GPU here."""
        if self.v.p != NULL or self._data is not None:
            raise RuntimeError("to_gpu: there is no GPU here; dezero_c computes on the CPU. Ask `cuda.gpu_enable` first")

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

    def backward(self, retain_grad=False, create_graph=False):
        """Computes the gradient of this Variable with respect to all that it was computed from.

        The walk starts from `self.grad`, or ones where there is none. Gradients add up over repeated use and repeated
        calls; those of intermediate results are dropped unless retain_grad. With create_graph the gradients have a graph
        of their own, so that they can be differentiated again. Raises ValueError when there is no data, when the gradient
        does not fit it, or when data was rebound to a shape that no longer fits the graph; TypeError for a gradient as the
        argument, which is set before: `y.grad = gradient; y.backward()`.
        """
        walk(self, flag(retain_grad, "retain_grad") or self.era == ERA_CHAPTER1, flag(create_graph, "create_graph"))

    # -- operators; what they compute lies in higher modules

    def __add__(self, other):
        return binary(DZ_OP_ADD, self, other)

    def __radd__(self, other):
        return binary(DZ_OP_ADD, self, other)       # the order that DeZero's graphs have

    def __sub__(self, other):
        return binary(DZ_OP_SUB, self, other)

    def __rsub__(self, other):
        return binary(DZ_OP_SUB, other, self)

    def __mul__(self, other):
        return binary(DZ_OP_MUL, self, other)

    def __rmul__(self, other):
        return binary(DZ_OP_MUL, self, other)

    def __truediv__(self, other):
        return binary(DZ_OP_DIV, self, other)

    def __rtruediv__(self, other):
        return binary(DZ_OP_DIV, other, self)

    def __mod__(self, other):
        return binary(DZ_OP_REMAINDER, self, other)

    def __rmod__(self, other):
        return binary(DZ_OP_REMAINDER, other, self)

    def __floordiv__(self, other):
        return binary(DZ_OP_FLOOR_DIVIDE, self, other)

    def __rfloordiv__(self, other):
        return binary(DZ_OP_FLOOR_DIVIDE, other, self)

    def __divmod__(self, other):
        return (self // other, self % other) if operand(other) else NotImplemented

    def __rdivmod__(self, other):
        return (other // self, other % self) if operand(other) else NotImplemented

    def __round__(self, ndigits=None):
        return methods["round"](self, ndigits)

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

    # Comparisons look at the values and record nothing. Between two Variables == and != are identity, so that they can be in
    # sets and lists, as in the book; with an array or a number they compare the values.
    def __lt__(self, other):
        return values_of(self) < compared(other)

    def __le__(self, other):
        return values_of(self) <= compared(other)

    def __gt__(self, other):
        return values_of(self) > compared(other)

    def __ge__(self, other):
        return values_of(self) >= compared(other)

    def __eq__(self, other):
        if isinstance(other, Variable) or not is_gradient(other):
            return self is other
        return values_of(self) == other

    def __ne__(self, other):
        if isinstance(other, Variable) or not is_gradient(other):
            return self is not other
        return values_of(self) != other

    def __hash__(self):
        return <Py_ssize_t> <void *> self >> 4

    def __array_ufunc__(self, ufunc, str method, *inputs, **kwargs):
        return methods["array_ufunc"](ufunc, method, inputs, kwargs)

    def __array_function__(self, function, classes, args, kwargs):
        return methods["array_function"](function, classes, args, kwargs)

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

    def ravel(self):
        """All elements along one axis, a view where NumPy gives one."""
        return methods["reshape"](self, (-1,))

    def flatten(self):
        """As `ravel`: one axis, as an ndarray's method; the function `flatten` keeps the first one, as in DeZero."""
        return methods["reshape"](self, (-1,))

    def squeeze(self, axis=None):
        """Without axes of length 1: those given, which must be of that length (an int, a tuple), or all."""
        return methods["squeeze"](self, axis)

    @property
    def real(self):
        """The real parts; the Variable itself where it is real."""
        return methods["real"](self)

    @property
    def imag(self):
        """The imaginary parts; zeros where it is real."""
        return methods["imag"](self)

    def conj(self):
        """The complex conjugates; the Variable itself where it is real."""
        return methods["conj"](self)

    def sum(self, axis=None, keepdims=False):
        """Sum over the axes given (an int, a tuple, None: all)."""
        return methods["sum"](self, axis, keepdims)

    def mean(self, axis=None, keepdims=False):
        """Mean over the axes given."""
        return methods["mean"](self, axis, keepdims)

    def var(self, axis=None, ddof=0, keepdims=False):
        """Variance over the axes given; ddof: 1 for that of a sample."""
        return methods["var"](self, axis, ddof, keepdims)

    def std(self, axis=None, ddof=0, keepdims=False):
        """Standard deviation over the axes given; ddof: 1 for that of a sample."""
        return methods["std"](self, axis, ddof, keepdims)

    def prod(self, axis=None, keepdims=False):
        """Product over the axes given."""
        return methods["prod"](self, axis, keepdims)

    def max(self, axis=None, keepdims=False):
        """The largest element over `axis`."""
        return methods["max"](self, axis, keepdims)

    def min(self, axis=None, keepdims=False):
        """The smallest element over `axis`."""
        return methods["min"](self, axis, keepdims)

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


cdef class Parameter(Variable):
    """Parameter(data=None, name=None)\n--\n
    A Variable that a layer trains.
    """


cdef inline bint operand(object o):
    """Whether an operator of Variable takes `o`; otherwise the other object's operator gets its turn."""
    return (isinstance(o, Variable) or type(o) is float or type(o) is int or
            isinstance(o, (np.ndarray, np.generic, numbers.Number, list, tuple)) or (traced() and is_traced_array(o))
            or is_column(o))


cdef inline object binary(int op, object a, object b):
    if isinstance(a, Variable) and isinstance(b, Variable):
        return hooks.apply2(op, a, b)
    return hooks.apply2(op, a, b) if operand(a) and operand(b) else NotImplemented


cdef inline bint flag(object o, str name) except -1:
    """True or False. In other packages backward's first argument is a gradient, and one of a single number would pass."""
    if o is False:
        return False
    if o is True:
        return True
    if not isinstance(o, (bool, np.bool_, int, type(None))):
        raise TypeError(f"backward: {name} is True or False, not {type(o).__name__}; to start from a gradient, set it before: "
                        "y.grad = gradient; y.backward()")
    return bool(o)


cdef inline object plain(object o):
    return data_of(<Variable> o) if isinstance(o, Variable) else o


cdef inline object compared(object o):
    """What a comparison looks at."""
    return values_of(<Variable> o) if isinstance(o, Variable) else o


cdef inline object values_of(Variable v):
    """v's array; in a traced call what stands for it, since a mask of it may be a value like any other."""
    return methods["traced"](v) if traced() and not watched() else data_of(v)


cdef bint is_gradient(object o):
    """Whether an object that is no Variable can be a gradient: numbers, or an array of them (of objects too)."""
    return isinstance(o, numbers.Number) or ((cnp.PyArray_Check(o) or cnp.PyArray_CheckScalar(o)) and o.dtype.kind in "biufcO")


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


include "_gradients.pxi"
include "_function.pxi"
include "_build.pxi"
include "_hooks.pxi"
include "_walk.pxi"
include "_log.pxi"
include "_trace.pxi"

dz_open_root(<PyTypeObject *> Variable, 0, attrs_of_variable, unlink, attribute_set, variable_dealloc)
dz_set_metaclass(<PyTypeObject *> Variable, _VariableType)
register_class(Variable)
dz_open_root(<PyTypeObject *> Function, 1, attrs_of_function, NULL, attribute_set, function_dealloc)
register_class(Function)
open_variable_class(Parameter)
register_era(ERA_CORE, Variable)
