# A captured call as the dispatch of captured functions sees it.

from cpython.object cimport PyObject

from dezero_c._calls cimport Arguments
from dezero_c._core cimport Function, Trace, Variable

ctypedef struct Instruction:
    int kind
    int flag
    PyObject *f
    PyObject *y
    PyObject *z
    PyObject *extra

cdef class Plan:
    cdef Instruction *code
    cdef Py_ssize_t n, room
    cdef readonly list lines        # the user's line of each instruction
    cdef list own                   # the plan's Variables
    cdef list inner                 # of them those that stand for no argument
    cdef set addresses              # theirs
    cdef set stands                 # those of arguments
    cdef set fixed                  # those whose value stays from call to call
    cdef list outside               # (Variable from outside, shape, dtype; None, None where it has no data)
    cdef list pins                  # (Variable from outside, the array that it must have)
    cdef list states                # (Variable from outside, whether it must have a gradient)
    cdef list shown                 # Variables from outside whose gradient may be one of the plan's
    cdef dict of                    # the plan's Variable for one of the trace, by id, while the plan is made
    cdef readonly dict fresh        # what has left the plan in this run, by id of the plan's Variable
    cdef readonly bint busy
    cdef object __weakref__

    cdef int add(self, int kind, object f, object y, object z, object extra, int flag, str line) except -1
    cdef Variable mine(self, Variable v, bint value)
    cdef object known(self, object v)
    cdef Variable room_for(self, Variable v)
    cpdef bint fits(self) except -1
    cpdef run(self)
    cdef int execute(self) except -1
    cdef int forward(self, Function f, tuple ys, int graph) except -1
    cpdef Variable leave(self, Variable v)

cdef class Call:
    cdef readonly Plan plan
    cdef Arguments arguments
    cdef list stands        # (position of an argument, the Variable that stands for it)
    cdef list holders       # (position of an array, the Variable that has it)
    cdef list results       # (kind, Variable or position)
    cdef object shape       # of the result, filled by `rebuilt`
    cdef object rebuilt
    cdef bint single, flat  # the result is one part, or a tuple of parts

    cdef object replay(self, tuple args)

cdef object NOT_TAKEN
