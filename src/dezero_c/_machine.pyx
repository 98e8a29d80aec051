# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Captured calls on numbers and arrays that are not large, run by the machine (src/kernels/core/machine.h): no nodes, no Python.

`Machine.of` follows a trace once more (_compiler.pxi): where each Variable's value is on the tape, and its gradient, which
Variables share an array, what of Variables from outside is read and changed. Whatever it does not know raises NotNative, and
the call is replayed by its nodes (_plan.pyx).

A replay looks at the arguments, reads their numbers, runs, and looks at the floating-point flags. Until then nothing has
changed: where a flag is raised the function itself is called, so that NumPy's warnings and errors are those of the eager call.
Then results are made, and after them, in what cannot fail, the Variables from outside are given their data and gradients. The
updates of optimizers, if a call ends with them, are done to these, as eager calls do them.
"""

import numpy as np

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject, PyTypeObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcpy, memset

from dezero_c._calls cimport (
    AS_ARRAY, AS_VARIABLE, Arguments, Signature, items_of, replayed_function, with_constants)
from dezero_c._core cimport (
    DZ_F32, DZ_F64, DZ_NIN, ERA_CORE, E_ALIVE, E_BRANCH, E_CALL, E_CONST, E_DATA, E_EFFECT, E_GRAD, E_GRAD_READ, E_NEW, E_OP,
    E_SEED, E_SET, E_SHOW, E_STEP, G_NONE, G_RAW, G_SHOWN, K_CONST, SEEDED, WITHIN, Event, Function, Trace, Variable, data_of,
    drop_grad, dz_bind, dz_fill, dz_flushes, dz_fpe_begin, dz_fpe_clear, dz_fpe_test, dz_np, dz_op, dz_ops, dz_raw_move,
    dz_raw_scalar, dz_view, dz_view_object, dz_work, dz_worker, kernels, modes, new_value, new_variable, set_data_array,
    set_private_grad, view, wrap)
from dezero_c._elementwise cimport is_exact
from dezero_c._losses cimport squared_error_worker
from dezero_c._matmul cimport product_worker
from dezero_c._plan cimport ANOTHER_WAY, EAGER, NOT_TAKEN, Call
from dezero_c._softmax cimport cross_entropy_room, softmax_worker
from dezero_c._training cimport Prepared, is_rule

from dezero_c._core import Applied
from dezero_c._index import GetItem, GetItemGrad
from dezero_c._join import Concatenate, Stack
from dezero_c._losses import MeanSquaredError
from dezero_c._matmul import Linear, MatMul
from dezero_c._plan import EXACT as _EXACT
from dezero_c._reduce import Mean, Sum
from dezero_c._shape import BroadcastTo, Reshape, SumTo, Transpose
from dezero_c._softmax import LogSoftmax, Softmax, SoftmaxCrossEntropy

cnp.import_array()
dz_bind(kernels())

cdef extern from "core/machine.h":
    ctypedef int dz_place
    enum:
        DZ_WIDEST
        DZ_NO_INSTRUCTION
        DZ_WORK_MAP
        DZ_WORK_FILL
        DZ_WORK_SUM
        DZ_WORK_PART
        DZ_WORK_PUT

    ctypedef struct dz_tape:
        pass

    ctypedef struct dz_tapes:
        dz_tape *(*make)() noexcept nogil
        void (*free)(dz_tape *) noexcept nogil
        dz_place (*number)(dz_tape *, double) noexcept nogil
        dz_place (*input)(dz_tape *, uint32_t) noexcept nogil
        dz_place (*add)(dz_tape *, dz_place, dz_place) noexcept nogil
        dz_place (*compare)(dz_tape *, int, dz_place, dz_place) noexcept nogil
        dz_place (*operation)(dz_tape *, int, int, const dz_place *, const double *) noexcept nogil
        int (*has)(int, int) noexcept nogil
        dz_place (*fill)(dz_tape *, dz_place, uint32_t) noexcept nogil
        dz_place (*sum)(dz_tape *, dz_place) noexcept nogil
        dz_place (*part)(dz_tape *, dz_place, int, int, uint32_t) noexcept nogil
        dz_place (*put)(dz_tape *, dz_place, dz_place, int, int, int) noexcept nogil
        dz_place (*work)(dz_tape *, const dz_work *, const dz_place *, uint32_t) noexcept nogil
        uint32_t (*width)(const dz_tape *, dz_place) noexcept nogil
        int (*finish)(dz_tape *, const dz_place *, uint32_t *, ptrdiff_t) noexcept nogil
        double *(*slots)(dz_tape *) noexcept nogil
        int (*run)(dz_tape *) noexcept nogil
        dz_tape *(*side_by_side)(const dz_tape *, uint32_t) noexcept nogil
        ptrdiff_t (*length)(const dz_tape *) noexcept nogil
        ptrdiff_t (*bytes)(const dz_tape *) noexcept nogil
        const char *(*listing)(dz_tape *, ptrdiff_t, uint32_t *) noexcept nogil
        uint32_t (*mark)(dz_tape *, uint32_t) noexcept nogil
        uint32_t (*line)(const dz_tape *, ptrdiff_t) noexcept nogil
        const dz_worker *workers

cdef extern from "core/kernels.h":
    dz_tapes tapes "dz_tape_functions"
    bint dz_under_test() noexcept nogil
    void dz_under_clear() noexcept nogil

cdef extern from "_raw.h":
    enum:
        DZ_RAWDIM

cdef extern from "generated/enum.h":
    enum:
        DZ_OP_ADD
        DZ_OP_SUB
        DZ_OP_MUL
        DZ_OP_DIV
        DZ_OP_NEG

cdef enum:
    LANES = 64          # calls side by side,
    MOST_IN_LANES = 16384       # fewer where they have more numbers than that
    WORTH = 700         # slots, read or left, whose copies take as long as a node of a plan does
    WORTH_ALONE = 32    # the same where the plan is one operation, which it does as it is
    LATELY = 512        # calls by plans with branches by which it is known whether they hold
    LONG = 5000         # instructions from which letting go of the interpreter's lock is worth it

cdef enum:              # how calls one after the other have ended:
    NO_FLAG             # all are made,
    RAISED              # a floating-point flag was raised, or the user's code would go another way,
    STOPPED             # some kernel does not know what it was given,
    UNDERFLOW           # or the one of underflow alone, which NumPy may have to tell of

cdef object DOUBLE = np.dtype(np.float64), SINGLE = np.dtype(np.float32)
cdef object MISSING = object()


class NotNative(Exception):
    """The machine cannot run a trace; the message says what stands in the way."""


cdef extern from "Python.h":
    Py_ssize_t PyTuple_GET_SIZE(PyObject *)


include "_works.pxi"
include "_compiler.pxi"


# ---- running ------------------------------------------------------------------------------------------------------------

cdef extern from "numpy/arrayobject.h":
    ctypedef struct PyArray_Descr:
        pass
    object PyArray_Scalar(void *, PyArray_Descr *, PyObject *)

cdef extern from "Python.h":
    int PyErr_CheckSignals() except -1
    PyObject *PyTuple_GET_ITEM(PyObject *, Py_ssize_t)
    PyObject *PyList_GET_ITEM(PyObject *, Py_ssize_t)
    PyTypeObject *Py_TYPE(PyObject *)

cdef enum:
    R_MADE          # a part of the result is a Variable of the call,
    R_ARRAY         # an array of the call,
    R_ARGUMENT      # an argument,
    R_DATA          # the array of one,
    R_OUTSIDE       # a Variable from outside, or a constant,
    R_OUTSIDE_DATA  # or the array of one

ctypedef struct Values:     # on the tape
    int slot                # -1: none
    bint even               # one number for all elements

ctypedef struct Lengths:
    int n, nd, dt
    cnp.npy_intp of[DZ_RAWDIM]

ctypedef struct Access:     # a Variable, or an array, from outside
    PyObject *v             # where it is no argument; owned by `held`
    char *p                 # where its numbers are, in this call,
    Py_ssize_t step         # and how many bytes apart
    Lengths lengths
    int position            # among the arguments, or -1
    int slot                # of its numbers; -1: not read
    Values changed          # what is written to its array
    int given               # the array that becomes its data, or -1
    Values carried          # its numbers after the call; none: the same ones
    double before           # its number after the call before, in `repeat`, where it is not read
    Values gradient         # its gradient; slot -2: its gradient stays as it is
    int shown               # the Variable made that its gradient is, or -1
    bint array              # an argument that is an ndarray
    bint scalar             # its data is a NumPy scalar
    bint bare               # it must have no gradient

ctypedef struct Made:       # a Variable or an array that a call makes
    Values values
    Lengths lengths
    int array               # the array that it has, or -1 for one of its own
    Py_ssize_t generation
    bint created            # it has a creator
    bint scalar

ctypedef struct Branch:     # a number by which the call goes one way or another
    int slot
    bint truth

cdef Values NOTHING = {"slot": -1, "even": False}


cdef Lengths lengths_of(Cell c):
    cdef Lengths found
    cdef int k
    found.n, found.nd, found.dt = c.size, <int> len(c.shape), c.dt
    for k in range(found.nd):
        found.of[k] = c.shape[k]
    return found


cdef bint underflow_is_told() except -1:
    """Whether NumPy warns, or raises, where a result is too small."""
    return np.geterr()["under"] != "ignore"


cdef inline void in_slots(Values *v, const uint32_t *slots) noexcept:
    """The number among what is wanted becomes a slot."""
    if v.slot >= 0:
        v.slot = <int> slots[v.slot]


cdef inline void copied_out(void *to, const double *s, const Values *v, const Lengths *lengths) noexcept nogil:
    """Copies values of the tape."""
    if v.even:
        dz_fill(<char *> to, DZ_F64, lengths.n, s[v.slot])
    else:
        memcpy(to, &s[v.slot], lengths.n * item_of(lengths.dt))


cdef inline char *room_in(Variable v, const Lengths *lengths) except NULL:
    """Room for the value of a new Variable."""
    return new_value(v, lengths.dt, lengths.nd, lengths.of, lengths.n)


cdef inline bint found_at(Access *at, const dz_view *w) noexcept:
    """Whether the numbers from outside are there, as they were when the program was made; where they are."""
    cdef int k
    if w.dt != at.lengths.dt or w.nd != at.lengths.nd:
        return False
    at.p = <char *> w.p
    at.step = item_of(w.dt)
    for k in range(w.nd):
        if w.shape[k] != at.lengths.of[k]:
            return False
    if w.strides != NULL:
        if w.nd != 1:
            return False
        at.step = w.strides[0]
    return True


cdef bint seen(PyObject *o, int dt, dz_view *w) noexcept:
    """Whether o is an array of that dtype, or may be; what it is a view of."""
    if dt != LABELS:
        return dz_view_object(o, w)
    if not plain_labels(<object> o):
        return False
    w.p, w.dt, w.nd = cnp.PyArray_BYTES(<object> o), LABELS, cnp.PyArray_NDIM(<object> o)
    w.shape, w.strides = cnp.PyArray_DIMS(<object> o), NULL
    return True


cdef bint overlap(const Access *a, const Access *b) noexcept:
    """Whether two arrays have memory in common, or may have."""
    cdef Py_ssize_t la = (a.lengths.n - 1) * a.step, lb = (b.lengths.n - 1) * b.step
    return a.p + min(la, 0) < b.p + max(lb, 0) + item_of(b.lengths.dt) \
        and b.p + min(lb, 0) < a.p + max(la, 0) + item_of(a.lengths.dt)


@cython.final
cdef class Machine:
    """A captured call on the machine. Made by `of`."""
    cdef dz_tape *tape
    cdef double *slots          # its numbers
    cdef dz_tape *beside        # several calls side by side, or NULL
    cdef uint32_t lanes
    cdef Access *access
    cdef Made *made             # Variables
    cdef Made *arrays           # and arrays, or NumPy scalars
    cdef Branch *branches
    cdef int naccess, nmade, narrays, nbranches
    cdef bint writes            # arrays are written to
    cdef bint repeats           # a call can follow the one before without a look at gradients
    cdef bint busy
    cdef bint flat, single      # the result is a tuple of parts, or one part
    cdef bint plain             # or none at all: a number, None or the like
    cdef bint just_made         # it is the only Variable that is made, and no array is
    cdef bint numpy             # it computes with data by NumPy's functions, which look at underflow, too, if they are told to
    cdef bint unread            # the value of some argument is not looked at
    cdef bint gradients         # some gradient has axes
    cdef bint short             # it takes less than letting go of the interpreter's lock is worth
    cdef bint effects           # it changes what is outside, or takes gradients
    cdef bint works             # there is more than instructions on float64
    cdef list updates           # what updates of optimizers it ends with, Prepared, or None
    cdef list cleared           # Variables whose gradients are taken away after that
    cdef Arguments arguments
    cdef list held              # keeps what `access` points to
    cdef list names             # of the Variables made; None where none has one
    cdef list results           # (kind, number or object)
    cdef object shape           # of the result, filled by `rebuilt`
    cdef object rebuilt
    cdef readonly list lines    # the user's, by number
    cdef list asked             # those of branches

    def __cinit__(self, key=None):
        if key is not EAGER:
            raise TypeError("a Machine is made by Machine.of, of a trace")

    def __dealloc__(self):
        tapes.free(self.tape)
        tapes.free(self.beside)
        free(self.access)
        free(self.made)
        free(self.arrays)
        free(self.branches)

    def __len__(self):
        return tapes.length(self.tape)

    @property
    def nbytes(self):
        """Bytes of its instructions, their lines, and its numbers."""
        return tapes.bytes(self.tape)

    @staticmethod
    def of(Trace trace not None, tuple args, Signature signature not None, list bare, list own, dict holders, set copied, decode):
        """The machine for a trace of f(*args); `finish` is its last step.

        args, signature: see `signature_of`; bare: Variables among the arguments that had no gradient when the call began; own:
        positions of those that must be these very ones; holders: {position: the Variable that stood for the ndarray there};
        copied: ids of arrays that a call makes anew each time; decode: what a function of arrays is.
        Raises NotNative.
        """
        cdef Compiler compiler = Compiler()
        cdef Py_ssize_t i
        cdef Machine m = Machine.__new__(Machine, EAGER)
        if dz_np.python:
            raise NotNative("NumPy's loops are called through its functions here")
        m.tape = compiler.tape = tapes.make()
        if m.tape == NULL:
            raise MemoryError()
        compiler.trace, compiler.decode, compiler.copied = trace, decode, copied
        compiler.bare, compiler.outside = {<size_t> <void *> v: True for v in bare}, []
        compiler.updates, compiler.cleared, compiler.branches = [], [], []
        m.take_arguments(compiler, args, signature, own, holders)
        for i in range(trace.n):
            compiler.follow(&trace.log[i])
        m.lines, m.numpy, m.works = trace.lines, compiler.numpy, compiler.works
        m.updates, m.cleared = [Prepared(optimizer) for optimizer in compiler.updates] or None, compiler.cleared
        return m, compiler

    cdef int take_arguments(self, Compiler compiler, tuple args, Signature signature, list own, dict holders) except -1:
        cdef Outside o
        cdef int k
        self.held, self.arguments = [], signature.arguments
        if self.arguments is None:
            raise NotNative("very many arguments, or trees of other classes")
        self.arguments.own = [(k, args[k]) for k in own] or None
        for k in range(self.arguments.n):
            if self.arguments.kinds[k] == AS_VARIABLE:
                if self.arguments.same[k] == k:
                    o = compiler.outside[compiler.number_of(compiler.trace.number(args[k]), "an argument")]
                    o.position = k
            elif self.arguments.kinds[k] == AS_ARRAY:
                if self.arguments.same[k] != k:
                    raise NotNative("an array that is passed twice")
                o = compiler.outside[compiler.number_of(compiler.trace.number(holders[k]), "an argument")]
                o.position = k
                o.array = True
        return 0

    def finish(self, Compiler compiler not None, list found, shape, missing, rebuilt, list guards):
        """Lays out what a call reads, makes and changes. found, shape: the result's parts and its tree, `missing` in their
        places, for `rebuilt`; guards: see `holds`. Raises NotNative."""
        cdef Outside o
        cdef Cell c
        cdef Variable v
        cdef Access *at
        cdef list wanted = [], made = [], arrays = []       # places; nodes; cells
        cdef dict made_number = {}, array_number = {}
        cdef dict left = {}         # what is left after the call, by the cell whose array it lies in
        cdef int k, n, key
        cdef Node *node

        copied = 0          # slots

        def wants(Cell c):
            nonlocal copied
            copied += slots_for(c.size, c.dt) if c.size > 1 else 0
            wanted.append(c.place)
            return {"slot": len(wanted) - 1, "even": c.dt == DZ_F64 and c.size > 1 and tapes.width(self.tape, c.place) == 1}

        def own(Cell c, str what):
            """c is left after the call, in an array of its own."""
            if c.dt == LABELS:
                raise NotNative(f"{what} of whole numbers")
            if c.fixed or left.setdefault(c.root(), c) is not c or c.base is not None and c.base.home >= 0:
                raise NotNative(f"{what} that is a part of another array")

        def array_of(Cell c):
            if c not in array_number:
                array_number[c] = len(arrays)
                arrays.append(c)
            return array_number[c]

        self.arguments.guards, self.rebuilt, self.results = guards, rebuilt, []
        self.shape, self.single = shape, shape is missing
        self.plain = not found and isinstance(shape, (int, float, complex, str, bytes, type(None)))
        for leaf in found:
            v = leaf.what
            key = compiler.trace.number(v)
            node = compiler.at(key)
            if node.outside or node.cell == NULL and not compiler.trace.born_at[key]:
                o = compiler.outside[compiler.number_of(key, "the result")]
                if o.position < 0:
                    self.results.append((R_OUTSIDE_DATA if leaf.array else R_OUTSIDE, v))
                else:
                    self.results.append((R_DATA if leaf.array and not o.array else R_ARGUMENT, o.position))
                continue
            c = compiler.cell(key, "the result")
            if c.home >= 0:
                o = compiler.outside[c.home]
                if not leaf.array or o.position < 0 or o.given is not None:      # which it has no more
                    raise NotNative("a result that has the array of what is outside")
                self.results.append((R_ARGUMENT if o.array else R_DATA, o.position))
                continue
            own(c, "a result")
            c.holders += 1
            if leaf.array:
                self.results.append((R_ARRAY, array_of(c)))
            else:
                if key not in made_number:
                    made_number[key] = len(made)
                    made.append(key)
                self.results.append((R_MADE, made_number[key]))
        flat = with_constants(self.results, shape, missing, R_OUTSIDE)
        self.flat = flat is not None
        self.results = flat if self.flat else self.results
        n = <int> len(compiler.outside)
        seen = set()
        for k in range(n):
            o = compiler.outside[k]
            if o.given is not None:
                own(o.given, "data")
                array_of(o.given)
            c = None if o.node < 0 else compiler.gradient_at(o.node)
            if c is not None and c in seen:
                raise NotNative("a gradient that two Variables share")
            seen.add(c)
        self.access = <Access *> calloc(n + 1, sizeof(Access))
        if self.access == NULL:
            raise MemoryError()
        self.naccess = n
        self.repeats, given = True, False
        for k in range(n):
            o = compiler.outside[k]
            at = &self.access[k]
            if o.position < 0:
                at.v = <PyObject *> o.v
                self.held.append(o.v)
            at.position, at.array, at.bare = o.position, o.array, o.bare
            at.scalar = o.own is not None and o.own.scalar
            at.slot = -1 if o.own is None else len(wanted)
            self.unread = self.unread or o.own is None and o.position >= 0
            at.changed = at.carried = NOTHING
            if o.own is not None:
                wanted.append(o.place)
                copied += slots_for(o.own.size, o.own.dt) if o.own.size > 1 else 0
                at.lengths = lengths_of(o.own)
            if o.changed:
                at.changed = wants(o.own)
            at.given = -1 if o.given is None else array_of(o.given)
            at.carried = at.changed
            if o.given is not None:
                at.carried = wants(o.given)
                if o.given.size > 1 if o.own is None else o.given.scalar != at.scalar or o.given.shape != o.own.shape \
                        or o.given.dt != o.own.dt:
                    self.repeats = False        # the next call is of another kind
            self.writes = self.writes or o.changed
            given = given or o.given is not None
            at.gradient.slot, at.shown = -2, -1
            if o.node >= 0 and compiler.at(o.node).touched and not o.array:
                c = compiler.gradient_at(o.node)
                if c is None:
                    at.gradient = NOTHING
                    continue
                if o.bare:
                    self.repeats = False
                if o.own is None or o.own.shape != c.shape or o.given is not None and o.given.shape != c.shape \
                        or o.own.dt != c.dt or o.given is not None and o.given.dt != c.dt:
                    raise NotNative("a gradient of another shape or dtype than its Variable's")
                own(c, "a gradient")
                at.gradient = wants(c)
                self.gradients = self.gradients or len(c.shape) > 0
                key = compiler.at(o.node).shown - 1
                if key >= 0 and (compiler.trace.variable(key)._creator is not None or key in made_number or c in array_number):
                    if c.home >= 0:
                        raise NotNative("a gradient that has the array of what is outside")
                    if key not in made_number:
                        c.holders += 1
                        made_number[key] = len(made)
                        made.append(key)
                    at.shown = made_number[key]
                elif c in array_number or c.home >= 0:
                    raise NotNative("a gradient that has the array of what is outside")
        self.repeats = self.repeats and self.updates is None \
            and not (self.writes and given)     # what was given may be what is written to
        self.made = <Made *> calloc(len(made) + 1, sizeof(Made))
        if self.made == NULL:
            raise MemoryError()
        self.nmade = <int> len(made)
        for k in range(self.nmade):
            v = compiler.trace.variable(made[k])
            c = compiler.cell(made[k], "the result")
            if compiler.gradient_at(made[k]) is not None:
                raise NotNative("a result that has a gradient")
            self.made[k].array = array_of(c) if c.holders > 1 or c.scalar or c in array_number else -1
            self.made[k].values, self.made[k].lengths = wants(c), lengths_of(c)
            self.made[k].generation, self.made[k].created = v.gen, v._creator is not None
        names = [compiler.trace.variable(key)._name for key in made]
        self.names = None if names.count(None) == len(names) else names
        self.arrays = <Made *> calloc(len(arrays) + 1, sizeof(Made))
        if self.arrays == NULL:
            raise MemoryError()
        self.narrays = <int> len(arrays)
        for k in range(self.narrays):
            c = arrays[k]
            self.arrays[k].values, self.arrays[k].lengths = wants(c), lengths_of(c)
            self.arrays[k].scalar = c.scalar
        self.branches = <Branch *> calloc(len(compiler.branches) + 1, sizeof(Branch))
        if self.branches == NULL:
            raise MemoryError()
        self.asked = [line for _, _, line in compiler.branches]
        for place, truth, _ in compiler.branches:
            self.branches[self.nbranches].slot, self.branches[self.nbranches].truth = <int> len(wanted), truth
            self.nbranches += 1
            wanted.append(place)
        self.just_made = self.single and self.nmade == 1 and self.narrays == 0 and self.results == [(R_MADE, 0)]
        alone = self.just_made or self.nmade == 0 and self.results == [(R_ARRAY, 0)]
        if copied > (WORTH_ALONE if alone and self.single and compiler.is_alone() else WORTH * compiler.steps):
            raise NotNative("arrays that take longer to copy than is gained")
        self.resolve(wanted)

    cdef int resolve(self, list wanted) except -1:
        """The last step of making: numbers of places become slots."""
        cdef Py_ssize_t i, n = len(wanted)
        cdef dz_place *places = <dz_place *> calloc(n + 1, sizeof(dz_place))
        cdef uint32_t *slots = <uint32_t *> calloc(n + 1, sizeof(uint32_t))
        cdef Access *at
        cdef int k
        try:
            if places == NULL or slots == NULL:
                raise MemoryError()
            for i in range(n):
                places[i] = wanted[i]
            if tapes.finish(self.tape, places, slots, n) < 0:
                raise MemoryError()
            self.slots, self.short = tapes.slots(self.tape), tapes.length(self.tape) < LONG
            self.effects = self.writes
            for k in range(self.naccess):
                at = &self.access[k]
                self.effects = self.effects or at.given >= 0 or at.gradient.slot != -2
                at.slot = at.slot if at.slot < 0 else <int> slots[at.slot]
                in_slots(&at.changed, slots)
                in_slots(&at.carried, slots)
                in_slots(&at.gradient, slots)
            for k in range(self.nmade):
                in_slots(&self.made[k].values, slots)
            for k in range(self.narrays):
                in_slots(&self.arrays[k].values, slots)
            for k in range(self.nbranches):
                self.branches[k].slot = <int> slots[self.branches[k].slot]
        finally:
            free(places)
            free(slots)
        return 0

    # ---- a call

    cdef bint takes(self, PyObject **args, Py_ssize_t n, tuple names, int mode) except -1:
        """Whether a call with these arguments, the last of which have names, is one for this machine. Finds where the numbers
        from outside are."""
        cdef Access *at
        cdef Variable v
        cdef dz_view w
        cdef int i, k
        if not self.arguments.take(args, n, names, mode) or self.unread and not self.arguments.shaped(args):
            return False
        for k in range(self.naccess):
            at = &self.access[k]
            if at.array:
                if at.slot < 0:
                    continue
                if not seen(args[at.position], at.lengths.dt, &w) or not found_at(at, &w) \
                        or (at.changed.slot >= 0 and not cnp.PyArray_ISWRITEABLE(<object> args[at.position])):
                    return False
                continue
            v = <Variable> (at.v if at.position < 0 else args[at.position])
            if at.position >= 0 and self.naccess > 1 and self.elsewhere(<PyObject *> v, args):
                return False
            if at.bare and v.gstate != G_NONE or v._creator is not None and v._creator is not <Function> replayed_function:
                return False
            if at.slot < 0:
                continue
            if at.lengths.dt == LABELS:
                if v.v.p != NULL or not seen(<PyObject *> v._data, LABELS, &w) or not found_at(at, &w):
                    return False
                continue
            if not view(v, &w) or not found_at(at, &w):
                return False
            if v.v.p == NULL and at.scalar != (not cnp.PyArray_Check(v._data)) or v.v.p != NULL and at.scalar:
                return False
            if at.changed.slot >= 0 and v.v.p == NULL and not cnp.PyArray_ISWRITEABLE(v._data):
                return False
        if self.writes:     # arrays that overlap: the order of reading and writing counts
            for k in range(self.naccess):
                if self.access[k].changed.slot >= 0:
                    for i in range(self.naccess):
                        if i != k and self.access[i].slot >= 0 and overlap(&self.access[i], &self.access[k]):
                            return False
        return True

    cdef bint elsewhere(self, PyObject *v, PyObject **args) noexcept:
        """Whether an argument is a Variable from outside too, or the gradient of one or of another argument: in the traced call
        it was neither, and what is done to the one is not done to the other."""
        cdef Access *at
        cdef Variable u
        cdef int k
        for k in range(self.naccess):
            at = &self.access[k]
            if at.array:
                continue
            if at.position < 0 and at.v == v:
                return True
            u = <Variable> (at.v if at.position < 0 else args[at.position])
            if u.gstate == G_SHOWN and <PyObject *> u._grad == v:
                return True
        return False

    cdef inline bint same_way(self, const double *s, Py_ssize_t step) noexcept nogil:
        """Whether the user's code would go the way that it went when it was traced. s: numbers, `step` for each slot."""
        cdef int k
        for k in range(self.nbranches):
            if (s[self.branches[k].slot * step] != 0) != self.branches[k].truth:
                return False
        return True

    cdef object replay(self, PyObject **args, Py_ssize_t n, tuple names, int mode):
        """The call's result; NOT_TAKEN or EAGER, having changed nothing."""
        cdef list leaves
        cdef int ended
        if self.busy:
            return EAGER        # called by itself, or by another thread meanwhile
        if self.arguments.branches is not None:
            leaves = self.arguments.leaves(args, n)
            if leaves is None:
                return NOT_TAKEN
            args, n = items_of(leaves), len(leaves)
        self.busy = True        # before a look at the arguments, which may give another thread its turn
        try:
            if not self.takes(args, n, names, mode):
                return NOT_TAKEN
            if not dz_fpe_begin():
                return NOT_TAKEN
            self.load()
            ended = self.run()
            if ended != STOPPED and not self.same_way(self.slots, 1):
                return NOT_TAKEN
            if ended != NO_FLAG or self.numpy and dz_under_test() and underflow_is_told():
                return EAGER
            return self.commit(args)
        finally:
            self.busy = False

    cdef void load(self) noexcept:
        cdef double *s = self.slots
        cdef Access *at
        cdef int i, k
        for k in range(self.naccess):
            at = &self.access[k]
            if at.slot < 0:
                continue
            if at.lengths.n == 1 and at.lengths.dt != DZ_F32:
                s[at.slot] = (<double *> at.p)[0]
            elif at.step == item_of(at.lengths.dt):
                memcpy(&s[at.slot], at.p, at.lengths.n * at.step)
            elif at.lengths.dt == DZ_F32:
                for i in range(at.lengths.n):
                    (<float *> &s[at.slot])[i] = (<float *> (at.p + i * at.step))[0]
            else:
                for i in range(at.lengths.n):
                    s[at.slot + i] = (<double *> (at.p + i * at.step))[0]

    cdef int run(self) noexcept:
        """How the call has ended, but for underflow and branches."""
        cdef bint stopped, raised
        if self.numpy:
            dz_under_clear()
        if self.short:
            stopped = tapes.run(self.tape) != 0
            raised = dz_fpe_test() != 0
        else:
            with nogil:
                stopped = tapes.run(self.tape) != 0
                raised = dz_fpe_test() != 0
        if raised:
            dz_fpe_clear()
        return STOPPED if stopped else RAISED if raised else NO_FLAG

    cdef object commit(self, PyObject **args):
        """Makes the results, and then changes what is outside."""
        cdef const double *s = self.slots
        cdef list arrays, made, values, gradients
        cdef Variable v
        cdef object o
        cdef int k, kind
        gradients = self.new_gradients(args) if self.gradients else None
        if self.just_made:      # as most do
            v = self.variable(0, None)
            if self.effects:
                self.change(args, None, <PyObject *> v, gradients)
            if self.updates is not None:
                self.update()
            return v
        arrays, made = [], None
        for k in range(self.narrays):
            arrays.append(array_object(s, &self.arrays[k].values, &self.arrays[k].lengths, self.arrays[k].scalar))
        if self.nmade:
            made = [self.variable(k, arrays) for k in range(self.nmade)]
        self.change(args, arrays, <PyObject *> made, gradients)
        if self.updates is not None:
            self.update()
        if self.plain:
            return self.shape
        values = []
        for kind, o in self.results:
            if kind == R_MADE:
                values.append(made[o])
            elif kind == R_ARRAY:
                values.append(arrays[o])
            elif kind == R_ARGUMENT:
                values.append(<object> args[<Py_ssize_t> o])
            elif kind == R_DATA:
                values.append(data_of(<Variable> args[<Py_ssize_t> o]))
            else:
                values.append(o if kind == R_OUTSIDE else data_of(o))
        if self.single:
            return values[0]
        return tuple(values) if self.flat else self.rebuilt(self.shape, values)

    cdef int update(self) except -1:
        """What a call ends with: updates of optimizers, and gradients that are taken away."""
        for optimizer in self.updates:
            (<Prepared> optimizer).update()
        for v in self.cleared:
            drop_grad(<Variable> v)
        return 0

    cdef Variable variable(self, int k, list arrays):
        """The k-th Variable that a call makes."""
        cdef Made *m = &self.made[k]
        cdef Variable v = new_variable(ERA_CORE)
        cdef object a
        if m.array >= 0:
            a = arrays[m.array]
            v._data = a
        elif m.lengths.nd == 0:
            memcpy(dz_raw_scalar(&v.v, m.lengths.dt), &self.slots[m.values.slot], item_of(m.lengths.dt))
        else:
            copied_out(room_in(v, &m.lengths), self.slots, &m.values, &m.lengths)
        if self.names is not None:
            a = self.names[k]
            v._name = a
        if m.created:
            v._creator = <Function> replayed_function
            v.gen = m.generation
        return v

    cdef list new_gradients(self, PyObject **args):
        """Variables that hold those gradients which have axes, for each of `access` one or None: made before anything changes."""
        cdef const double *s = self.slots
        cdef list made = []
        cdef Access *at
        cdef Variable g
        cdef int k
        for k in range(self.naccess):
            at = &self.access[k]
            g = None
            if at.gradient.slot >= 0 and at.shown < 0 and at.lengths.nd > 0:
                g = new_variable(ERA_CORE)
                copied_out(room_in(g, &at.lengths), s, &at.gradient, &at.lengths)
            made.append(g)
        return made

    cdef int change(self, PyObject **args, list arrays, PyObject *made, list gradients) except -1:
        """Effects. What they let go of may run somebody's code. made: the list of Variables, or the only one."""
        cdef const double *s = self.slots
        cdef Access *at
        cdef Variable v
        cdef object a
        cdef int k
        if self.writes:
            for k in range(self.naccess):
                at = &self.access[k]
                if at.changed.slot >= 0:
                    self.write(at, args, &s[at.changed.slot], at.changed.even)
        for k in range(self.naccess):
            at = &self.access[k]
            if at.array:
                continue
            v = <Variable> (at.v if at.position < 0 else args[at.position])
            if at.given >= 0:
                set_data_array(v, arrays[at.given])
            if at.gradient.slot == -2:
                continue
            drop_grad(v)
            if at.shown >= 0:
                a = <object> (made if arrays is None else PyList_GET_ITEM(made, at.shown))
                v._grad = a
                v.gstate = G_SHOWN
            elif at.gradient.slot < 0:
                continue
            elif at.lengths.nd == 0:
                memcpy(dz_raw_scalar(&v.g, at.lengths.dt), &s[at.gradient.slot], item_of(at.lengths.dt))
                v.gstate = G_RAW
            elif (<Variable> gradients[k]).v.p == NULL:
                set_private_grad(v, (<Variable> gradients[k])._data)
            else:
                dz_raw_move(&v.g, &(<Variable> gradients[k]).v)
                v.gstate = G_RAW
        return 0

    cdef Py_ssize_t repeat(self, PyObject **args, Py_ssize_t given, int mode, Py_ssize_t n, list found) except -1:
        """Up to n calls, one after the other; gives how many were made, and appends the last one's result where it was all.
        Where it was fewer the next one has to run as it is."""
        cdef double *s = self.slots
        cdef Py_ssize_t length = tapes.length(self.tape) + 1, i = 0, stop, room = max(1, 1000000 // length)
        cdef bint watched = self.numpy
        cdef int flag = NO_FLAG
        cdef list leaves
        if self.busy or not self.repeats:
            return 0
        if self.arguments.branches is not None:
            leaves = self.arguments.leaves(args, given)
            if leaves is None:
                return 0
            args, given = items_of(leaves), len(leaves)
        self.busy = True
        try:
            if not self.takes(args, given, None, mode):
                return 0
            if not dz_fpe_begin():
                return 0
            self.load()
            dz_under_clear()
            while i < n and flag == NO_FLAG:
                stop = min(n, i + room)
                if (stop - i) * length < LONG:
                    flag = self.runs(s, &i, stop, watched)
                else:
                    with nogil:
                        flag = self.runs(s, &i, stop, watched)
                if flag == UNDERFLOW and not underflow_is_told():
                    watched, flag = False, NO_FLAG
                    i += 1
                if flag == NO_FLAG and i < n:
                    try:
                        PyErr_CheckSignals()
                    except BaseException:
                        self.commit(args)
                        raise
                    self.carry(s)
            if flag == NO_FLAG:
                found.append(self.commit(args))
            elif i > 0:
                self.unread_last(args, s)
        finally:
            self.busy = False
        return i

    cdef int runs(self, double *s, Py_ssize_t *i, Py_ssize_t stop, bint watched) noexcept nogil:
        """Calls one after the other until `stop` are made, or one raises a flag, which is the next after those."""
        while i[0] < stop:
            if tapes.run(self.tape) or dz_fpe_test() or not self.same_way(s, 1):
                dz_fpe_clear()
                return RAISED
            if watched and dz_under_test():
                dz_under_clear()
                return UNDERFLOW
            i[0] += 1
            if i[0] < stop:
                self.carry(s)
        return NO_FLAG

    cdef bint without_effects(self) noexcept:
        """Whether a call gives numbers made of numbers, and changes nothing but gradients of its arguments."""
        cdef Access *at
        cdef int k
        if not self.flat and not self.single or self.writes or self.works or self.updates is not None:
            return False
        for k in range(self.naccess):
            at = &self.access[k]
            if at.given >= 0 or at.position < 0 and at.gradient.slot != -2 or at.lengths.nd > 0 \
                    or at.slot >= 0 and at.lengths.dt != DZ_F64:
                return False
        for k in range(self.nmade):
            if self.made[k].lengths.nd > 0 or self.made[k].array >= 0:
                return False
        for k in range(self.narrays):
            if self.arrays[k].lengths.nd > 0:
                return False
        for kind, _ in self.results:
            if kind != R_MADE and kind != R_ARRAY:
                return False
        return True

    def side_by_side(self, tuple args not None, list columns not None):
        """The results of several calls, which differ in some arguments; None where the machine cannot tell.

        args: those of one of the calls; columns: for each argument a float64 array (n,) of what it is in each, or None for one
        that is the same in all. Gives [array (n,) for each part of the result] and a list of calls that have to be made as
        they are, since a floating-point flag was raised next to them, or they go another way.
        """
        cdef const double *column
        cdef double *s
        cdef Access *at
        cdef Py_ssize_t n = -1, i, j, m
        cdef int k, slot
        cdef bint raised
        cdef list found = [], again = []
        if self.busy or dz_flushes() or self.arguments.branches is not None or not self.without_effects():
            return None
        self.busy = True
        try:
            if not self.takes(items_of(args), len(args), None, modes()):
                return None
            if self.beside == NULL:
                self.lanes = LANES
                while self.lanes > 8 and self.lanes * tapes.length(self.tape) > MOST_IN_LANES:
                    self.lanes //= 2
                self.beside = tapes.side_by_side(self.tape, self.lanes)
                if self.beside == NULL:
                    return None
            s = tapes.slots(self.beside)
            for a in columns:
                if a is not None:
                    n = len(a)
            for k in range(self.naccess):
                at = &self.access[k]
                if at.slot >= 0 and (at.position < 0 or columns[at.position] is None):
                    dz_fill(<char *> &s[at.slot * self.lanes], DZ_F64, self.lanes, (<double *> at.p)[0])
            for _ in self.results:
                found.append(np.empty(n))
            for i in range(0, n, self.lanes):
                m = min(self.lanes, n - i)
                for k in range(self.naccess):
                    at = &self.access[k]
                    if at.slot < 0 or at.position < 0 or columns[at.position] is None:
                        continue
                    column = <const double *> cnp.PyArray_DATA(columns[at.position]) + i
                    for j in range(self.lanes):     # the last one fills what is left
                        s[at.slot * self.lanes + j] = column[min(j, m - 1)]
                if dz_fpe_test():
                    dz_fpe_clear()
                if self.numpy:
                    dz_under_clear()
                with nogil:
                    tapes.run(self.beside)
                    raised = dz_fpe_test() or self.numpy and dz_under_test()
                if raised:
                    dz_fpe_clear()
                    again += range(i, i + m)
                else:
                    again += [i + j for j in range(m if self.nbranches else 0) if not self.same_way(&s[j], self.lanes)]
                for k in range(len(self.results)):
                    kind, number = self.results[k]
                    slot = (self.made if kind == R_MADE else self.arrays)[<int> number].values.slot
                    memcpy(<double *> cnp.PyArray_DATA(found[k]) + i, &s[slot * self.lanes], m * sizeof(double))
        finally:
            self.busy = False
        return found, again

    cdef int write(self, Access *at, PyObject **args, const void *x, bint even) except -1:
        """Writes numbers to an array from outside: the one that is there now, since code that ran meanwhile may have given the
        Variable another."""
        cdef Variable v
        cdef dz_view w
        cdef object a
        cdef int i, item
        if at.array:
            a = <object> args[at.position]
            if not dz_view_object(<PyObject *> a, &w):
                return 0
        else:
            v = <Variable> (at.v if at.position < 0 else args[at.position])
            if not view(v, &w) or v.v.p == NULL and not (cnp.PyArray_Check(v._data) and cnp.PyArray_ISWRITEABLE(v._data)):
                return 0
        if found_at(at, &w):
            item = item_of(at.lengths.dt)
            for i in range(at.lengths.n):
                memcpy(at.p + i * at.step, <const char *> x + (0 if even else i * item), item)
        return 0

    cdef void carry(self, double *s) noexcept nogil:
        """The values after a call become those before the next."""
        cdef Access *at
        cdef int k
        for k in range(self.naccess):
            at = &self.access[k]
            if at.carried.slot >= 0 and at.slot >= 0:
                copied_out(&s[at.slot], s, &at.carried, &at.lengths)
            elif at.carried.slot >= 0:
                at.before = s[at.carried.slot]

    cdef int unread_last(self, PyObject **args, double *s) except -1:
        """Gives what is outside the values that the last call has read: it is to be made again as it is."""
        cdef Access *at
        cdef Variable v
        cdef Values now
        cdef int k
        for k in range(self.naccess):
            at = &self.access[k]
            if at.carried.slot < 0:
                continue
            if at.given < 0:
                self.write(at, args, <void *> &s[at.slot] if at.slot >= 0 else <void *> &at.before, False)
                continue
            v = <Variable> (at.v if at.position < 0 else args[at.position])
            now.slot, now.even = at.slot, False
            if at.slot < 0:
                now.slot = 0
                set_data_array(v, array_object(&at.before, &now, &self.arrays[at.given].lengths, self.arrays[at.given].scalar))
            else:
                set_data_array(v, array_object(s, &now, &at.lengths, self.arrays[at.given].scalar))
        return 0

    @property
    def optimizers(self):
        """Those that then update their parameters."""
        return [each.optimizer for each in self.updates or ()]

    def ways(self):
        """(slot, whether it must be true, file and line) of each number by which the call goes the way that it goes."""
        return [(self.branches[k].slot, self.branches[k].truth, line) for k, line in enumerate(self.asked)]

    def listing(self):
        """(name, slot of the result, slots of the operands, the result's length in slots, file and line) of each instruction."""
        cdef uint32_t told[6]
        cdef Py_ssize_t i
        cdef list out = []
        cdef bytes name
        for i in range(tapes.length(self.tape)):
            name = tapes.listing(self.tape, i, told)
            out.append(("gradient_of_" * told[5] + name.decode(), told[3],
                        [told[k] for k in range(3) if told[k] != 0xffffffff], told[4],
                        self.lines[tapes.line(self.tape, i)]))
        return out


cdef object array_object(const double *s, const Values *v, const Lengths *lengths, bint scalar):
    """An array, or NumPy's scalar."""
    cdef object a
    cdef object dtype = SINGLE if lengths.dt == DZ_F32 else DOUBLE
    if scalar:
        return PyArray_Scalar(<void *> &s[v.slot], <PyArray_Descr *> <PyObject *> dtype, NULL)
    a = cnp.PyArray_EMPTY(lengths.nd, <cnp.npy_intp *> lengths.of, cnp.NPY_FLOAT if lengths.dt == DZ_F32 else cnp.NPY_DOUBLE, 0)
    copied_out(cnp.PyArray_BYTES(a), s, v, lengths)
    return a


cdef extern from *:
    """
    #define dz_entry_of(f) ((vectorcallfunc)(void (*)(void))(f))    /* Cython cannot say that the array is const */
    #define dz_nargs(nargsf) PyVectorcall_NARGS(nargsf)
    static void dz_set_entry(PyObject *type, ptrdiff_t offset)
    {
        PyTypeObject *t = (PyTypeObject *)type;
        t->tp_vectorcall_offset = offset;
        t->tp_call = PyVectorcall_Call;
        t->tp_flags |= Py_TPFLAGS_HAVE_VECTORCALL;
        PyType_Modified(t);
    }
    """
    ctypedef void *vectorcallfunc
    vectorcallfunc dz_entry_of(object (object, PyObject **, size_t, PyObject *))
    Py_ssize_t dz_nargs(size_t) noexcept
    void dz_set_entry(object, ptrdiff_t)

cdef extern from "Python.h":
    object PyObject_Vectorcall(object, PyObject **, size_t, PyObject *)


cdef int to_front(list programs, object program) except -1:
    """Another thread may have taken it out."""
    if program in programs:
        programs.remove(program)
        programs.insert(0, program)
    return 0


cdef class Dispatch:
    """The base of captured functions: a call goes to a machine or a plan that takes it, or else to `_call`."""
    cdef vectorcallfunc entry
    cdef public list _machines
    cdef public list _calls
    cdef public object _f
    cdef public int _held, _left        # calls of late that plans with branches have made, and that went another way

    def __cinit__(self):
        self._machines, self._calls = [], []
        self.entry = dz_entry_of(dispatched)

    cpdef bint _goes_astray(self) noexcept:
        """Whether so many replays by operations are given up at a branch that no replay would take less time."""
        if self._left + self._held > LATELY:
            self._left //= 2
            self._held //= 2
        return self._left >= LATELY // 16 and 4 * self._left >= self._held

    def __call__(self, *args, **kwargs):
        cdef object found = NOT_TAKEN if kwargs else self.called(items_of(args), len(args), None)
        return self._f(*args) if found is EAGER else self._call(args, kwargs) if found is NOT_TAKEN else found

    cdef object called(self, PyObject **args, Py_ssize_t n, tuple names):
        """What a machine or a plan gives for n arguments, the last of which have names; EAGER, or NOT_TAKEN."""
        cdef int mode = modes()
        cdef Machine m
        cdef Call c
        cdef object found
        cdef int place = 0
        if mode & WITHIN:
            return NOT_TAKEN
        for m in self._machines:
            found = m.replay(args, n, names, mode)
            if found is not NOT_TAKEN:
                if place and m.nbranches:       # the next call may well go the same way
                    to_front(self._machines, m)
                return found
            place += 1
        place = 0
        for c in self._calls:
            found = c.replay(args, n, names, mode)
            if found is ANOTHER_WAY:
                self._left += 1
            elif found is not NOT_TAKEN:
                if c.plan.branches:
                    self._held += 1
                    if place:
                        to_front(self._calls, c)
                        if self._goes_astray():
                            self._end_branches()
                return found
            place += 1
        return NOT_TAKEN

    def repeat(self, Py_ssize_t n, *args, **kwargs):
        """n calls with these arguments, one after the other, at least one; gives the last one's result. On the machine
        they follow each other without Python, until NumPy has something to say (a warning) or Ctrl-C is pressed, after whole
        calls."""
        cdef Machine m
        cdef Py_ssize_t done
        cdef int mode
        cdef list found = []
        if n < 1:
            raise ValueError(f"repeat: {n} calls; at least 1")
        while True:
            mode = modes()
            if not kwargs and not mode & WITHIN:
                for m in self._machines:
                    done = m.repeat(items_of(args), len(args), mode, n, found)
                    if done:
                        n -= done
                        break
                if n == 0:
                    return found[0]
            found = [self(*args, **kwargs)]
            n -= 1
            PyErr_CheckSignals()
            with nogil:     # another thread's turn: such calls may pass no point where the interpreter thinks of it
                pass
            if n == 0:
                return found[0]
            found.clear()


cdef object dispatched(object f, PyObject **args, size_t nargsf, PyObject *names):
    """A call as the interpreter makes it: n arguments by position, and after them those that have names."""
    cdef Dispatch d = <Dispatch> f
    cdef Py_ssize_t n = dz_nargs(nargsf), k
    cdef object found
    found = d.called(args, n, None) if names == NULL else d.called(args, n + len(<tuple> <object> names), <tuple> <object> names)
    if found is EAGER:
        return PyObject_Vectorcall(d._f, args, n, names)
    if found is not NOT_TAKEN:
        return found
    return d._call(tuple([<object> args[k] for k in range(n)]),
                   {} if names == NULL else {name: <object> args[n + k] for k, name in enumerate(<tuple> <object> names)})


def call_at_once(cls):
    """Has calls of a class's instances go to Dispatch's way with the arguments where they lie, without a tuple and a dict for
    them, which Cython's own makes. A subclass does not inherit it."""
    cdef Dispatch example = Dispatch.__new__(Dispatch)
    dz_set_entry(cls, <char *> &example.entry - <char *> <PyObject *> example)
    return cls
