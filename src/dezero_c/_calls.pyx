# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""What the calls have in common that one program, of a plan or a machine, can serve: modes, arguments, and what the code names.

Two ways to the same answer: `call_key`, which any arguments have, and `Arguments`, which looks at positional ones that are
Variables, arrays, numbers or objects, without making anything.
"""

import numpy as np

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject, PyTypeObject
from libc.math cimport signbit
from libc.stdlib cimport calloc, free

from dezero_c._core cimport (
    Function, Variable, dz_bind, dz_view, kernels, modes, recording, refuse, set_inputs, view)

from dezero_c._core import Config, about

cnp.import_array()
dz_bind(kernels())

cdef extern from "Python.h":
    PyObject *PyTuple_GET_ITEM(PyObject *, Py_ssize_t)
    PyObject *PyList_GET_ITEM(PyObject *, Py_ssize_t)
    PyObject *PyDict_GetItemWithError(PyObject *, PyObject *)
    bint PyDict_Next(PyObject *, Py_ssize_t *, PyObject **, PyObject **)
    PyObject *PyCell_GET(PyObject *)
    bint PyDict_Check(PyObject *)
    Py_ssize_t PyDict_Size(PyObject *)
    Py_ssize_t PyLong_AsSsize_t(PyObject *)
    bint PyTuple_CheckExact(PyObject *)
    PyTypeObject *Py_TYPE(PyObject *)
    void PyErr_Clear()
    object PyObject_Vectorcall(object, PyObject **, size_t, PyObject *)
    object PyObject_VectorcallMethod(object, PyObject **, size_t, PyObject *)

cdef extern from *:
    """
    #if PY_VERSION_HEX < 0x030C0000 && !defined(PYPY_VERSION)
    #define DZ_HAS_VERSIONS 1
    #define dz_dict_version(o) (((PyDictObject *)(o))->ma_version_tag)
    #else
    #define DZ_HAS_VERSIONS 0
    #define dz_dict_version(o) ((void)(o), 0)
    #endif
    #define dz_items(o) (PyList_CheckExact(o) ? ((PyListObject *)(o))->ob_item : ((PyTupleObject *)(o))->ob_item)
    """
    PyObject **dz_items(PyObject *) noexcept
    bint HAS_VERSIONS "DZ_HAS_VERSIONS"
    unsigned long long dz_dict_version(PyObject *) noexcept


class CaptureError(RuntimeError):
    """A function cannot be captured, or not go on as it was captured; the message says where and what to do."""

    def __init__(self, *args):
        RuntimeError.__init__(self, *args)
        refuse(self)        # even where the function that is being traced catches it


cdef class Replayed(Function):
    """Stands for the creator of what a captured function gave: its graph stays in the plan."""

    cdef object vjp_graph(self, list gys):
        raise CaptureError("backward: this Variable was computed in a captured function, and its graph ended with the call; call "
                           "backward inside of the function")

    def forward(self, *xs):
        raise CaptureError("this stands for a captured function, which cannot be called by its results")


cdef Replayed replayed_function = Replayed.__new__(Replayed)
set_inputs(replayed_function, ())
replayed_function.outs = []


include "_template.pxi"

# ---- which plan a call is for

cdef object PLAIN = frozenset([bool, int, float, complex, str, bytes, type(None)])


def call_key(tuple args, dict kwargs, frozenset static, list variables, list arrays, list held):
    """What calls that a plan can serve have in common: modes, and what the arguments are, by place and name. Appends the
    Variables and ndarrays among them, in order, and the objects that are in the key by identity. static: places and names of
    arguments that count by what they are."""
    cdef list key = [recording(), Config.train]
    cdef Py_ssize_t k
    cdef object o
    for k in range(len(args)):
        o = args[k]
        key.append(fixed_key(o, held) if static and k in static else key_of(o, variables, arrays, held, 0))
    if kwargs:
        for name in kwargs:     # in the caller's order, which a function that takes **kwargs may see
            key.append((name, fixed_key(kwargs[name], held) if name in static
                        else key_of(kwargs[name], variables, arrays, held, 0)))
    return tuple(key)


cdef bint grown(Variable v) noexcept:
    """Whether v has a graph of its own."""
    return v._creator is not None and v._creator is not <Function> replayed_function


cdef object key_of(object o, list variables, list arrays, list held, int depth):
    if isinstance(o, Variable):
        variables.append(o)
        return place_among(variables, o), type(o), about(o), grown(<Variable> o)
    if cnp.PyArray_Check(o):
        arrays.append(o)
        return "array", place_among(arrays, o), type(o), o.shape, o.dtype
    if isinstance(o, (tuple, list, dict)) and depth == DEPTH:
        raise RecursionError(f"capture: an argument has trees in trees, more than {DEPTH} deep, or holds itself; pass its parts")
    if isinstance(o, (tuple, list)):
        return type(o), tuple([key_of(x, variables, arrays, held, depth + 1) for x in o])
    if isinstance(o, dict):
        return type(o), tuple([(k_, key_of(x, variables, arrays, held, depth + 1)) for k_, x in o.items()])
    return fixed_key(o, held)


cdef Py_ssize_t place_among(list found, object o) except -1:
    """The place of o in a list that it is in."""
    cdef Py_ssize_t k = 0
    while found[k] is not o:
        k += 1
    return k


def plain_key(o):
    """What a number, a string or None is the same by; None for anything else."""
    return (type(o), repr(o)) if type(o) in PLAIN or isinstance(o, np.generic) else None     # 0.0 is not -0.0, and nan is nan


cdef object fixed_key(object o, list held):
    cdef object key = plain_key(o)
    if key is not None:
        return key
    held.append(o)
    return type(o), id(o)


cdef list with_constants(list results, object shape, object missing, int kind):
    """The results of a call with what else is in their tuple, as (kind, what), where its other parts are numbers, strings and
    None; None where they, or `shape`, are anything else. shape: the tuple, with `missing` in the places of results."""
    cdef Py_ssize_t at = 0
    cdef list found = []
    if type(shape) is not tuple:
        return None
    for part in <tuple> shape:
        if part is missing:
            found.append(results[at])
            at += 1
        elif type(part) in PLAIN:
            found.append((kind, part))
        else:
            return None
    return found


cdef object absent = object()
MISSING = absent        # what a name stands for that is not there


def cell_of(cell):
    """What a closure's cell holds; an object of our own where it is empty."""
    try:
        return cell.cell_contents
    except ValueError:
        return MISSING


cpdef bint holds(list guards) except -1:
    """Whether all guards (dezero_c/_capture/guards.py) are as they were: the very object, or an equal number or string."""
    cdef PyObject *guard
    cdef PyObject *space
    cdef PyObject *name
    cdef PyObject *now
    cdef object value, o
    cdef Py_ssize_t k
    for k in range(len(guards)):
        guard = PyList_GET_ITEM(<PyObject *> guards, k)
        space, name = PyTuple_GET_ITEM(guard, 0), PyTuple_GET_ITEM(guard, 1)
        if name == <PyObject *> None:
            if not same_elements(guard):
                return False
            continue
        if PyDict_Check(space):
            now = PyDict_GetItemWithError(space, name)
            if now == NULL:
                PyErr_Clear()
                now = <PyObject *> absent
        else:
            now = PyCell_GET(space)
            if now == NULL:
                now = <PyObject *> absent
        if now == PyTuple_GET_ITEM(guard, 2):
            continue
        value, o = <object> PyTuple_GET_ITEM(guard, 2), <object> now
        if not ((type(o) in PLAIN or cnp.PyArray_CheckScalar(o)) and plain_key(o) == plain_key(value)
                or type(o) is tuple and type(value) is tuple and alike_tuples(o, value)):
            return False
    return True


cdef bint same_elements(PyObject *guard) except -1:
    """Whether a list or dict has the elements that it had, or a layer as many attributes and its class."""
    cdef PyObject *o = PyTuple_GET_ITEM(guard, 0)
    cdef PyObject *expected = PyTuple_GET_ITEM(guard, 2)
    cdef PyObject *last = PyTuple_GET_ITEM(guard, 3)
    cdef Py_ssize_t k, n
    if not PyTuple_CheckExact(expected):
        return PyDict_Size(o) == PyLong_AsSsize_t(expected) \
            and <PyObject *> Py_TYPE(PyTuple_GET_ITEM(last, 0)) == PyTuple_GET_ITEM(last, 1)
    n = len(<tuple> expected)
    if type(<object> o) is list and len(<list> o) == n:
        for k in range(n):
            if PyList_GET_ITEM(o, k) != PyTuple_GET_ITEM(expected, k):
                break
        else:
            return True
    return (<object> last)(<object> o, <object> expected)


cdef bint alike_tuples(tuple a, tuple b) except -1:
    """Whether two tuples have the same objects, or equal numbers and strings."""
    cdef Py_ssize_t k
    if len(a) != len(b):
        return False
    for k in range(len(a)):
        if a[k] is b[k] or (type(a[k]) in PLAIN or cnp.PyArray_CheckScalar(a[k])) and plain_key(a[k]) == plain_key(b[k]):
            continue
        if not (type(a[k]) is tuple and type(b[k]) is tuple and alike_tuples(a[k], b[k])):
            return False
    return True


# ---- the same without a key

@cython.final
cdef class Branch:
    """A tuple, list or dict among the arguments."""
    cdef object kind
    cdef tuple keys         # a dict's
    cdef list children      # a Branch, or None for a leaf

    cdef bint put(self, object o, list leaves) except -1:
        """Appends the leaves of o; False where o is another kind of tree."""
        cdef PyObject *key
        cdef PyObject *value
        cdef Py_ssize_t at = 0, k = 0, n = len(self.children)
        if type(o) is not self.kind or len(o) != n:
            return False
        if self.keys is not None:
            while PyDict_Next(<PyObject *> o, &at, &key, &value):
                expected = self.keys[k]
                if key != <PyObject *> expected and not (       # no key whose == is somebody's code
                        type(<object> key) is str and type(expected) is str and <object> key == expected):
                    return False
                if not self.put_child(k, <object> value, leaves):
                    return False
                k += 1
            return k == n
        for each in o:
            if not self.put_child(k, each, leaves):
                return False
            k += 1
        return True

    cdef bint put_child(self, Py_ssize_t k, object o, list leaves) except -1:
        child = self.children[k]
        if child is not None:
            return (<Branch> child).put(o, leaves)
        leaves.append(o)
        return True


cdef Branch branch_of(object o, list leaves):
    """The tree that o is, whose leaves are appended; None for anything else."""
    cdef Branch b
    if not (type(o) is tuple or type(o) is list or type(o) is dict or isinstance(o, tuple) and hasattr(o, "_fields")):
        leaves.append(o)
        return None
    b = Branch.__new__(Branch)
    b.kind = type(o)
    b.keys = tuple(o) if type(o) is dict else None
    b.children = [branch_of(each, leaves) for each in (o.values() if type(o) is dict else o)]
    return b


cdef class Signature:
    """How a call's arguments are given: which have names, which are trees, which count by what they are; and what they are when
    the call begins, which may change them. Made by `signature_of`."""


def signature_of(tuple args, dict kwargs, frozenset static):
    """(the leaves of all arguments in order, those by name last; their Signature). static: places and
    names of arguments that count by what they are."""
    cdef Signature found = Signature.__new__(Signature)
    cdef list leaves = [], branches = [], fixed = []
    cdef list names = list(kwargs)
    for place, o in [*enumerate(args), *[(name, kwargs[name]) for name in names]]:
        if place in static:
            fixed.append(len(leaves))
            leaves.append(o)
            branches.append(None)
        else:
            branches.append(branch_of(o, leaves))
    found.names = tuple(names) if names else None
    found.branches = branches if any([b is not None for b in branches]) else None
    found.static = frozenset(fixed)
    found.arguments = arguments_of(tuple(leaves), found)
    return tuple(leaves), found


cdef PyObject **items_of(object args) noexcept:
    """Where a list or a tuple has its elements."""
    return dz_items(<PyObject *> args)


cdef class Arguments:
    """The arguments that a call has, by position and then by name. Part of a Signature."""

    def __dealloc__(self):
        free(self.kinds)
        free(self.same)
        free(self.shapes)
        free(self.versions)

    cdef bint take(self, PyObject **args, Py_ssize_t n, tuple names, int mode) except -1:
        """Whether a call with these, the last of which have names, in these modes is one for the program. The shapes of Variables
        and arrays are looked at by `shaped`."""
        cdef PyObject *a
        cdef PyObject *expected
        cdef int k, i
        if n != self.n or mode != self.mode or names is not self.names and names != self.names:
            return False
        for k in range(self.n):
            a = args[k]
            expected = PyList_GET_ITEM(<PyObject *> self.expected, k)
            if self.kinds[k] <= AS_ARRAY:
                if <PyObject *> Py_TYPE(a) != expected:
                    return False
                i = 0
                while args[i] != a:
                    i += 1
                if i != self.same[k]:
                    return False
            elif a != expected and (self.kinds[k] == AS_OBJECT or not alike(<object> a, <object> expected)):
                return False
        if self.own is not None:
            for position, v in self.own:
                if args[<Py_ssize_t> position] != <PyObject *> v:
                    return False
        return not self.guards or self.guarded()

    cdef bint guarded(self) except -1:
        """Whether all guards hold. Where Python numbers the states of dictionaries (PEP 509), those that have not changed since
        all held are not asked again."""
        cdef Py_ssize_t k
        cdef bint good
        if not HAS_VERSIONS:
            return holds(self.guards)
        if self.others is None:
            self.sort_guards()
        for k in range(len(self.spaces)):
            if dz_dict_version(PyTuple_GET_ITEM(<PyObject *> self.spaces, k)) != self.versions[k]:
                break
        else:
            return not self.others or holds(self.others)
        for k in range(len(self.spaces)):       # before the look, in which others may have their turn
            self.versions[k] = dz_dict_version(PyTuple_GET_ITEM(<PyObject *> self.spaces, k))
        good = False
        try:
            good = holds(self.guards)
        finally:
            if not good:
                for k in range(len(self.spaces)):
                    self.versions[k] = 0        # no dictionary's number
        return good

    cdef int sort_guards(self) except -1:
        """Tells guards of dictionaries from others."""
        cdef dict spaces = {}
        cdef list others = []
        cdef tuple guard
        for guard in self.guards:
            if guard[1] is not None and type(guard[0]) is dict:
                spaces[id(guard[0])] = guard[0]
            else:
                others.append(guard)
        self.versions = <unsigned long long *> calloc(len(spaces) + 1, sizeof(unsigned long long))
        if self.versions == NULL:
            raise MemoryError()
        self.spaces, self.others = tuple(spaces.values()), others
        return 0

    cdef list leaves(self, PyObject **args, Py_ssize_t n):
        """The leaves of arguments some of which are trees; None where they are other trees."""
        cdef list found = []
        cdef Py_ssize_t k
        if n != len(self.branches):
            return None
        for k in range(n):
            branch = self.branches[k]
            if branch is None:
                found.append(<object> args[k])
            elif not (<Branch> branch).put(<object> args[k], found):
                return None
        return found

    cdef bint shaped(self, PyObject **args) except -1:
        """Whether Variables and arrays have the shapes and dtypes, and Variables a graph of their own, as in the call before."""
        cdef Shape *s
        cdef dz_view w
        cdef Variable v
        cdef int k, i
        cdef object a, dtype
        for k in range(self.n):
            if self.kinds[k] > AS_ARRAY or self.same[k] != k:
                continue
            s = &self.shapes[k]
            a = <object> args[k]
            if self.kinds[k] == AS_VARIABLE:
                v = <Variable> a
                if grown(v) != s.grown:
                    return False
                if s.dt >= 0:
                    if not view(v, &w) or w.dt != s.dt or w.nd != s.nd or is_scalar(v) != s.scalar:
                        return False
                    for i in range(w.nd):
                        if w.shape[i] != s.lengths[i]:
                            return False
                    continue
                if about(v) != self.abouts[k]:
                    return False
                continue
            if cnp.PyArray_NDIM(a) != s.nd:
                return False
            for i in range(s.nd):
                if cnp.PyArray_DIM(a, i) != s.lengths[i]:
                    return False
            dtype = a.dtype
            if dtype is not self.abouts[k] and dtype != self.abouts[k]:
                return False
        return True


cdef Arguments arguments_of(tuple args, Signature signature):
    """What calls with arguments like these have in common, in the modes of now; None where `call_key` has to tell."""
    cdef Arguments found = Arguments.__new__(Arguments)
    cdef Shape *s
    cdef dz_view w
    cdef int k, i, n = <int> len(args)
    if n > MOST:
        return None
    found.n, found.mode, found.names, found.branches = n, modes(), signature.names, signature.branches
    found.kinds = <int *> calloc(n + 1, sizeof(int))
    found.same = <int *> calloc(n + 1, sizeof(int))
    found.shapes = <Shape *> calloc(n + 1, sizeof(Shape))
    if found.kinds == NULL or found.same == NULL or found.shapes == NULL:
        raise MemoryError()
    found.expected, found.abouts = [], []
    for k in range(n):
        a = args[k]
        s = &found.shapes[k]
        found.abouts.append(None)
        if k not in signature.static and isinstance(a, Variable):
            found.kinds[k] = AS_VARIABLE
            found.expected.append(type(a))
            found.abouts[k] = about(a)
            s.grown = grown(a)
            s.dt = -1
            if view(<Variable> a, &w) and w.nd <= LENGTHS:
                s.dt, s.nd, s.scalar = w.dt, w.nd, is_scalar(a)
                for i in range(w.nd):
                    s.lengths[i] = w.shape[i]
        elif k not in signature.static and cnp.PyArray_Check(a):
            if type(a) is not cnp.ndarray or a.ndim > LENGTHS:
                return None
            found.kinds[k] = AS_ARRAY
            found.expected.append(np.ndarray)
            found.abouts[k] = a.dtype
            s.nd = a.ndim
            for i in range(s.nd):
                s.lengths[i] = cnp.PyArray_DIM(a, i)
        elif k not in signature.static and isinstance(a, (tuple, list, dict)):
            return None
        else:
            found.kinds[k] = AS_OBJECT if plain_key(a) is None else AS_NUMBER
            found.expected.append(a)
        i = 0
        while args[i] is not a:
            i += 1
        found.same[k] = i
    return found


cdef bint is_scalar(Variable v) noexcept:
    """Whether v's value is a NumPy scalar, which cannot be written to."""
    return v.v.p == NULL and not cnp.PyArray_Check(v._data)


cdef bint alike(object o, object expected) except -1:
    """Whether o is of the class of `expected`, and equal to the bit."""
    cdef double x, y
    if type(o) is not type(expected):
        return False
    if type(o) is float:
        x, y = o, expected
        return x == y and signbit(x) == signbit(y) or (x != x and y != y)
    return plain_key(o) == plain_key(expected)
