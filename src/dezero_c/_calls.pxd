# What a captured call asks before it is replayed.

cimport numpy as cnp
from cpython.object cimport PyObject

from dezero_c._core cimport Function, Variable

cdef enum:
    MOST = 32       # arguments, which are compared with each other in each call
    LENGTHS = 8     # axes of an argument
    DEPTH = 100     # trees in trees among arguments

cdef enum:
    AS_VARIABLE     # an argument is a Variable,
    AS_ARRAY        # an ndarray,
    AS_NUMBER       # a number, string or None, equal each time,
    AS_OBJECT       # or the very same object

ctypedef struct Shape:
    int dt, nd                      # of a Variable, dt -1 where kernels do not take it
    bint grown                      # it has a graph of its own
    bint scalar                     # its value is a NumPy scalar
    cnp.npy_intp lengths[LENGTHS]

cdef class Arguments:
    cdef int n, mode
    cdef int *kinds
    cdef int *same                  # for each the first that is the same object
    cdef Shape *shapes
    cdef list expected              # the class, the value, or the object
    cdef list abouts                # shape and dtype of a Variable, the dtype of an array
    cdef list own                   # (position, the very Variable that must be there)
    cdef list guards
    cdef tuple spaces               # the dictionaries that guards are of,
    cdef unsigned long long *versions       # their states when all guards held,
    cdef list others                # and the guards of anything else
    cdef tuple names                # of the last ones, by name; None where there are none
    cdef list branches              # for each, as the caller has it, a Branch, or None; None where no argument is a tree

    cdef list leaves(self, PyObject **args, Py_ssize_t n)
    cdef bint take(self, PyObject **args, Py_ssize_t n, tuple names, int mode) except -1
    cdef bint shaped(self, PyObject **args) except -1
    cdef bint guarded(self) except -1
    cdef int sort_guards(self) except -1

cdef class Template:
    cdef readonly object function
    cdef readonly tuple args
    cdef readonly dict kwargs
    cdef list parts         # the arguments, by position and then by name, with Groups for what has places in it
    cdef tuple names        # of those by name; None where there are none
    cdef bint arrays_alone  # they are the arrays, in order
    cdef str method         # whose name it is, where the function is `call_method`; parts are its arguments then

    cdef object of(self, list arrays)

cdef class Signature:
    cdef Arguments arguments        # what is asked of a call; None where `call_key` has to tell
    cdef tuple names
    cdef list branches
    cdef readonly frozenset static  # positions of leaves that count by what they are

cdef class Replayed(Function):
    pass

cdef Replayed replayed_function
cdef PyObject **items_of(object args) noexcept
cdef bint alike(object o, object expected) except -1
cdef bint grown(Variable v) noexcept
cdef bint is_scalar(Variable v) noexcept
cpdef bint holds(list guards) except -1
cdef list with_constants(list results, object shape, object missing, int kind)
