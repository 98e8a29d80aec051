# A captured call as the dispatch of captured functions sees it.

from cpython.object cimport PyObject

from dezero_c._calls cimport Arguments, Shape
from dezero_c._core cimport Function, Trace, Variable
from dezero_c._training cimport Seen

ctypedef struct Instruction:
    int kind
    int flag
    PyObject *f
    PyObject *y
    PyObject *z
    PyObject *extra

ctypedef struct Drop:
    Py_ssize_t after            # an instruction
    PyObject *v                 # a Variable whose value nobody reads after it; owned by the plan's list

ctypedef struct Stand:
    int position            # of an argument,
    PyObject *v             # and who stands for it, or has it; owned by the call's lists

cdef class Plan:
    cdef Instruction *code
    cdef Drop *drops            # in order
    cdef Py_ssize_t ndrops
    cdef set large              # the plan's Variables, by id, whose values are no small ones
    cdef Py_ssize_t n, room
    cdef readonly list lines        # the user's line of each instruction
    cdef list own                   # the plan's Variables
    cdef list inner                 # of them those that stand for no argument
    cdef Seen addresses             # theirs
    cdef set stands                 # those of arguments
    cdef Seen fixed                 # those whose value stays from call to call
    cdef list outside               # (Variable from outside, (shape, dtype, class) of its data, None where it has none)
    cdef Shape *shapes              # theirs
    cdef list pins                  # (Variable from outside, the array that it must have)
    cdef list states                # (Variable from outside, whether it must have a gradient)
    cdef list borrowed              # Variables of the plan that have an argument's array
    cdef list presence              # (Variable that stands for an argument, whether that must have a gradient)
    cdef list there                 # the same of Variables from outside, while the plan is made
    cdef Seen outer                 # Variables from outside
    cdef list shown                 # Variables from outside whose gradient may be one of the plan's
    cdef dict of                    # the plan's Variable for one of the trace, by id, while the plan is made
    cdef PyObject **left_from       # the plan's Variables that have left it in this run,
    cdef PyObject **left            # and what they have left as, owned
    cdef Py_ssize_t nleft, left_room
    cdef readonly bint busy
    cdef bint calls                 # somebody's code runs in it
    cdef dict passed                # the argument for each Variable that stands for one, where one may be a gradient; or None
    cdef readonly bint branches     # there are questions in it, which may come out in another way
    cdef Py_ssize_t at              # the instruction that runs,
    cdef Py_ssize_t changing        # and the first that changes what is outside, as a call made again would not; -1: none
    cdef object __weakref__

    cdef int check_event(self, Trace trace, Py_ssize_t i, unsigned char *marks, set seen) except -1
    cdef int add(self, int kind, object f, object y, object z, object extra, int flag, str line) except -1
    cdef Variable mine(self, Variable v, bint value)
    cdef object known(self, object v)
    cdef Variable room_for(self, Variable v)
    cpdef bint fits(self) except -1
    cpdef bint run(self) except -1
    cdef bint suited(self, Variable stand, Variable v) except -1
    cdef int find_drops(self, list results) except -1
    cdef int forget(self) except -1
    cdef int end(self) except -1
    cdef int more_room(self) except -1
    cdef bint execute(self) except -1
    cpdef bint may_start_again(self, object error) noexcept
    cdef int forward(self, Function f, tuple ys, int graph, PyObject *shapes) except -1
    cdef int check_shapes(self, Function f, object arrays, tuple shapes) except -1
    cpdef Variable leave(self, Variable v)
    cdef Variable left_as(self, Variable v)

cdef class Call:
    cdef readonly Plan plan
    cdef Arguments arguments
    cdef list stands        # (position of an argument, the Variable that stands for it)
    cdef list holders       # (position of an array, the Variable that has it)
    cdef Stand *given       # the same: stands, and after them holders
    cdef int nstands, nholders
    cdef list results       # (kind, Variable or position)
    cdef object shape       # of the result, filled by `rebuilt`
    cdef object rebuilt
    cdef Variable only      # the Variable of the plan that is the whole result
    cdef bint single, flat  # the result is one part, or a tuple of parts
    cdef int operands[3]    # positions of `alone`'s inputs; -1: its own, a constant or from outside
    cdef Function alone     # the one operation of the call, and of the table, if that is all
    cdef readonly bint as_it_is     # it is a few of NumPy's functions, which the function itself calls as fast

    cdef int find_alone(self) except -1
    cdef bint is_numpy_alone(self) noexcept
    cdef object computed(self, PyObject **args)

    cdef object replay(self, PyObject **args, Py_ssize_t n, tuple names, int mode)

cdef object ANOTHER_WAY, EAGER, NOT_TAKEN
