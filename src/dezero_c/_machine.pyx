# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Captured calls on single float64 numbers, run by the scalar machine (src/kernels/core/machine.h): no nodes, no Python.

`Machine.of` follows a trace once more: where each Variable's value is on the tape, and its gradient, which Variables share an
array, what of Variables from outside is read and changed. Whatever it does not know raises NotNative, and the call is replayed
by its nodes (_plan.pyx).

A replay looks at the arguments, reads their numbers, runs, and looks at the floating-point flags. Until then nothing has
changed: where a flag is raised the function itself is called, so that NumPy's warnings and errors are those of the eager call.
Then results are made, and after them, in what cannot fail, the Variables from outside are given their data and gradients.
"""

import numpy as np

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject, PyTypeObject
from libc.stdint cimport uint32_t
from libc.stdlib cimport calloc, free

from dezero_c._calls cimport AS_ARRAY, AS_VARIABLE, Arguments, arguments_of, replayed_function
from dezero_c._core cimport (
    DZ_F64, ERA_CORE, G_NONE, G_RAW, G_SHOWN, K_CONST, Function, Trace, Variable, data_of, drop_grad, dz_bind, dz_flushes,
    dz_fpe_clear, dz_fpe_test, dz_np, dz_raw_scalar, dz_view, dz_view_object, kernels, new_variable, set_data_array, traced, view)
from dezero_c._elementwise cimport is_exact
from dezero_c._plan cimport NOT_TAKEN, Call
from dezero_c._pull cimport transforms

from dezero_c._core import Applied
from dezero_c._plan import EXACT as _EXACT

cnp.import_array()
dz_bind(kernels())

cdef extern from "core/machine.h":
    ctypedef int dz_place

    ctypedef struct dz_tape:
        pass

    ctypedef struct dz_tapes:
        dz_tape *(*make)() noexcept nogil
        void (*free)(dz_tape *) noexcept nogil
        dz_place (*number)(dz_tape *, double) noexcept nogil
        dz_place (*input)(dz_tape *) noexcept nogil
        dz_place (*add)(dz_tape *, dz_place, dz_place) noexcept nogil
        dz_place (*compare)(dz_tape *, int, dz_place, dz_place) noexcept nogil
        dz_place (*operation)(dz_tape *, int, int, const dz_place *, const double *) noexcept nogil
        int (*has)(int, int) noexcept nogil
        int (*finish)(dz_tape *, const dz_place *, uint32_t *, ptrdiff_t) noexcept nogil
        double *(*slots)(dz_tape *) noexcept nogil
        void (*run)(dz_tape *) noexcept nogil
        ptrdiff_t (*length)(const dz_tape *) noexcept nogil
        ptrdiff_t (*bytes)(const dz_tape *) noexcept nogil
        const char *(*listing)(dz_tape *, ptrdiff_t, uint32_t *) noexcept nogil
        uint32_t (*mark)(dz_tape *, uint32_t) noexcept nogil
        uint32_t (*line)(const dz_tape *, ptrdiff_t) noexcept nogil

cdef extern from "core/kernels.h":
    dz_tapes tapes "dz_tape_functions"

cdef enum:
    LONG = 5000         # instructions from which letting go of the interpreter's lock is worth it

cdef object DOUBLE = np.dtype(np.float64)
cdef object MISSING = object()


class NotNative(Exception):
    """The scalar machine cannot run a trace; the message says what stands in the way."""


cdef object no(event, str what):
    return NotNative(f"{event[len(event) - 1]}: {what}")


# ---- making -------------------------------------------------------------------------------------------------------------


cdef class Cell:
    """A value that Variables and gradients have, those that share an array the same one: where it is now on the tape."""
    cdef dz_place place
    cdef bint scalar        # in the eager call a NumPy scalar, which nobody can write to
    cdef int home           # the Variable from outside whose array it is, by number, or -1
    cdef int holders        # how many that are left after the call have it

    def __cinit__(self, dz_place place, bint scalar):
        self.place = place
        self.scalar = scalar
        self.home = -1
        if place < 0:
            raise MemoryError()


cdef class Outside:
    """A Variable, or an array that is an argument, from outside of the call: what is read and what is changed."""
    cdef Variable v
    cdef int position       # among the arguments, or -1
    cdef bint array         # the argument is an ndarray
    cdef bint bare          # it must have no gradient when the call begins
    cdef dz_place place     # of the value on the tape, or -1 where it is not read
    cdef Cell own           # that value, and what is written to its array
    cdef bint changed       # its array is written to
    cdef Cell given         # the value that it is given by `v.data = ...`

    def __cinit__(self):
        self.position = self.place = -1


cdef class Compiler:
    """What is known so far of the Variables of a trace, by their addresses."""
    cdef dz_tape *tape
    cdef Trace trace
    cdef dict cells, gradients, shown, functions, numbers, bare
    cdef list outside
    cdef dict lines
    cdef object decode
    cdef set copied

    cdef int number_of(self, Variable v, event) except -1:
        """The number of a Variable from outside."""
        cdef Outside o
        k = self.numbers.get(<size_t> <void *> v)
        if k is None:
            if <size_t> <void *> v in self.trace.born:
                raise no(event, "what a function of dezero_c has made by itself")
            if v.era != ERA_CORE:
                raise no(event, "a Variable of core_simple or chapter1")
            o = Outside()
            o.v = v
            k = self.numbers[<size_t> <void *> v] = len(self.outside)
            self.outside.append(o)
        return k

    cdef Cell cell(self, Variable v, event):
        """What v's value is."""
        cdef Outside o
        cdef dz_view w
        cdef Cell c = self.cells.get(<size_t> <void *> v)
        if c is not None:
            return c
        o = self.outside[self.number_of(v, event)]
        value = self.trace.before_set.get(<size_t> <void *> v, MISSING)
        if value is MISSING:
            value = data_of(v)
        if not isinstance(value, (np.ndarray, np.float64)) or value.dtype != DOUBLE or value.ndim \
                or not dz_view_object(<PyObject *> value, &w):
            raise no(event, "a value that is no single float64 number")
        o.place = tapes.input(self.tape)
        c = Cell(o.place, not isinstance(value, np.ndarray))
        c.home = self.numbers[<size_t> <void *> v]
        o.own = c
        self.cells[<size_t> <void *> v] = c
        return c

    cdef Cell gradient(self, Variable v, event):
        """What v's gradient is; None for none."""
        cdef size_t key = <size_t> <void *> v
        cdef Outside o
        if key in self.gradients:
            return self.gradients[key]
        if key not in self.numbers and (key in self.cells or key in self.trace.born):
            return None
        o = self.outside[self.number_of(v, event)]
        if not self.bare.get(key):
            raise no(event, "a gradient that is added to one of an earlier call")
        o.bare = True
        self.gradients[key] = None
        return None

    cdef int set_gradient(self, Variable v, Cell c, Variable shown, event) except -1:
        cdef size_t key = <size_t> <void *> v
        if key not in self.cells and key not in self.trace.born:
            self.number_of(v, event)
        self.gradients[key] = c
        if shown is None:
            self.shown.pop(key, None)
        else:
            self.shown[key] = shown
        return 0

    cdef Cell constant(self, Variable v, object value, event):
        """A number that is the same in every call."""
        cdef object a = data_of(v)
        if isinstance(value, np.ndarray) and <size_t> <void *> value not in self.copied:
            raise no(event, "an array from outside, which may change")
        if not isinstance(a, (np.ndarray, np.float64)) or a.dtype != DOUBLE or a.ndim:
            raise no(event, "a value that is no single float64 number")
        return Cell(tapes.number(self.tape, a), not isinstance(a, np.ndarray))

    cdef Cell applied(self, object function, tuple xs, event):
        """What NumPy's function of arrays gives."""
        cdef dz_place places[5]
        cdef Cell c
        cdef int k
        what, operands = self.decode(function)
        if what == "same":
            return self.cell(xs[0], event)
        if what == "array":
            c = self.cell(xs[0], event)
            return Cell(c.place, False) if c.scalar else c
        if what == "copy":
            c = self.cell(xs[0], event)
            return Cell(c.place, c.scalar)
        if what == "zeros" or what == "ones":
            self.cell(xs[0], event)
            return Cell(tapes.number(self.tape, <double> (what == "ones")), False)
        for k, o in enumerate(operands):
            if isinstance(o, tuple):
                places[k] = self.cell(xs[o[0]], event).place
            else:
                places[k] = tapes.number(self.tape, <double> float(o))
        if what == "compare":
            return Cell(tapes.compare(self.tape, function.args[0], places[0], places[1]), False)
        op = _EXACT.get(what)
        if op is None or not operands:
            raise no(event, what)
        return Cell(tapes.operation(self.tape, op, 0, places, NULL), True)

    cdef int follow(self, event) except -1:
        """One event."""
        cdef dz_place places[5]
        cdef Function f
        cdef Variable v, x, y
        cdef Cell c, old
        cdef Outside o
        cdef tuple xs
        cdef int k
        cdef str kind = event[0]
        line = event[len(event) - 1]
        tapes.mark(self.tape, self.lines.setdefault(line, len(self.lines)))
        if kind == "op":
            f, xs = event[1], event[2]
            if len(<tuple> event[3]) != 1:
                raise no(event, f"{type(f).__name__}")
            y = (<tuple> event[3])[0]
            if type(f) is Applied:
                self.cells[<size_t> <void *> y] = self.applied(f.given_function(), xs, event)
                return 0
            if not is_exact(f) or f.general_params:
                raise no(event, f"{type(f).__name__}")
            for k in range(len(xs)):
                places[k] = self.cell(xs[k], event).place
            self.cells[<size_t> <void *> y] = Cell(tapes.operation(self.tape, f.op, 0, places, f.param), False)
            self.functions[<size_t> <void *> f] = xs, y
        elif kind == "step":
            f = event[1]
            known = self.functions.get(<size_t> <void *> f)
            if known is None:
                raise no(event, f"{type(f).__name__}")
            xs, y = <tuple> known
            for k in range(len(xs)):
                places[k] = self.cell(xs[k], event).place
            places[3] = self.cell(y, event).place
            c = self.gradient(y, event)     # none, where what y is used for has no derivative by it
            places[4] = tapes.number(self.tape, 0.0) if c is None else c.place
            for k in range(len(xs)):
                x = xs[k]
                if x.kind & K_CONST or not tapes.has(f.op, 1 + k):
                    continue
                c = Cell(tapes.operation(self.tape, f.op, 1 + k, places, f.param), False)
                old = self.gradient(x, event)
                if old is not None:
                    c = Cell(tapes.add(self.tape, old.place, c.place), False)
                self.set_gradient(x, c, None, event)
            if not event[2]:
                self.set_gradient(y, None, None, event)
        elif kind == "const":
            if not isinstance(event[2], (int, float, np.generic, np.ndarray)):
                raise no(event, f"an operand that is of type {type(event[2]).__name__}")
            self.cells[<size_t> <void *> event[1]] = self.constant(event[1], event[2], event)
        elif kind == "new":
            self.cells[<size_t> <void *> event[1]] = self.constant(event[1], event[2], event)
        elif kind == "seed":
            self.set_gradient(event[1], Cell(tapes.number(self.tape, 1.0), False), None, event)
        elif kind == "show" or (kind == "grad read" and isinstance(event[2], Variable)
                                and <size_t> <void *> event[2] not in self.cells):
            c = self.gradient(event[1], event)
            if c is None:
                raise no(event, "a gradient of an earlier call")
            self.cells[<size_t> <void *> event[2]] = c
            self.set_gradient(event[1], c, event[2], event)
        elif kind == "grad read":
            if event[2] is None:
                self.gradient(event[1], event)
        elif kind == "grad":
            if event[2] is None:
                self.set_gradient(event[1], None, None, event)
            else:
                v = event[1]
                if <size_t> <void *> v not in self.gradients:       # with one of an earlier call it would be another program
                    self.gradient(v, event)
                c = self.cell(event[2], event)
                if c.home >= 0 or <size_t> <void *> event[2] in self.numbers:
                    raise no(event, "a gradient that is a Variable from outside")
                self.set_gradient(event[1], c, event[2], event)
        elif kind == "data":
            v = event[1]
            c = self.cell(event[2], event)
            if event[3]:
                self.cells[<size_t> <void *> v] = c
                return 0
            self.rebind(v, c, event)
        elif kind == "set":
            v = event[1]
            if event[2] is None:
                raise no(event, "data that is None")
            self.rebind(v, self.constant(v, event[2], event), event)
        elif kind == "effect":
            f, xs = event[1], event[2]
            c = self.cell(xs[0], event)
            old = self.applied(f.given_function(), xs, event)
            if c.scalar:
                raise no(event, "a NumPy scalar that is written to")
            c.place = old.place
            if c.home >= 0:
                o = self.outside[c.home]
                o.changed = True
        else:
            raise no(event, {"call": "a call that runs as it is", "alive": "a function of several results",
                             "pinned": "an array beside an operation's operands"}.get(kind, kind))
        return 0

    cdef int rebind(self, Variable v, Cell c, event) except -1:
        """v.data = ..."""
        cdef Outside o
        cdef Cell before = self.cells.get(<size_t> <void *> v)
        k = self.numbers.get(<size_t> <void *> v)
        if k is None and <size_t> <void *> v not in self.trace.born and before is None:
            k = self.number_of(v, event)
        if k is not None:
            if c.home == <int> k:       # its own array, written to before
                self.cells[<size_t> <void *> v] = c
                o = self.outside[k]
                o.given = None
                return 0
            if c.home >= 0:
                raise no(event, "two Variables that share an array")
            o = self.outside[k]
            o.given = c
        self.cells[<size_t> <void *> v] = c
        return 0


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
    R_OUTSIDE       # a Variable from outside,
    R_OUTSIDE_DATA  # or the array of one

ctypedef struct Access:     # a Variable, or an array, from outside
    PyObject *v             # where it is no argument; owned by `held`
    char *p                 # where its number is, in this call
    int position            # among the arguments, or -1
    int slot                # of its number; -1: not read
    int changed             # the slot of what is written to its array, or -1
    int given               # the array that becomes its data, or -1
    int carried             # the slot of its number after the call, or -1 for the same one
    double before           # that number after the call before, in `repeat`, where it is not read
    int gradient            # the slot of its gradient, or -1 for none; -2: its gradient stays as it is
    int shown               # the Variable made that its gradient is, or -1
    bint array              # an argument that is an ndarray
    bint scalar             # its data is a NumPy scalar
    bint bare               # it must have no gradient

ctypedef struct Made:       # a Variable or an array that a call makes
    int slot                # of its value
    int array               # the array that it has, or -1 for one of its own
    Py_ssize_t generation
    bint created            # it has a creator
    bint scalar

cdef object EAGER = object()        # the call is one for this machine, and has to run as it is


@cython.final
cdef class Machine:
    """A captured call on the scalar machine. Made by `of`."""
    cdef dz_tape *tape
    cdef Access *access
    cdef Made *made             # Variables
    cdef Made *arrays           # and arrays, or NumPy scalars
    cdef int naccess, nmade, narrays
    cdef bint writes            # arrays are written to
    cdef bint repeats           # a call can follow the one before without a look at gradients
    cdef bint busy
    cdef bint flat, single      # the result is a tuple of parts, or one part
    cdef bint plain             # or none at all: a number, None or the like
    cdef bint just_made         # it is the only Variable that is made, and no array is
    cdef Arguments arguments
    cdef list held              # keeps what `access` points to
    cdef list names             # of the Variables made; None where none has one
    cdef list results           # (kind, number or object)
    cdef object shape           # of the result, filled by `rebuilt`
    cdef object rebuilt
    cdef readonly list lines    # the user's, by number

    def __cinit__(self, key=None):
        if key is not EAGER:
            raise TypeError("a Machine is made by Machine.of, of a trace")

    def __dealloc__(self):
        if self.tape != NULL:
            tapes.free(self.tape)
        free(self.access)
        free(self.made)
        free(self.arrays)

    def __len__(self):
        return tapes.length(self.tape)

    @property
    def nbytes(self):
        """Bytes of its instructions, their lines, and its numbers."""
        return tapes.bytes(self.tape)

    @staticmethod
    def of(Trace trace not None, tuple args, frozenset static, list bare, list own, dict holders, set copied, decode):
        """The machine for a trace of f(*args); `finish` is its last step.

        static: positions of arguments that count by what they are; bare: Variables among the arguments that had no gradient
        when the call began; own: positions of those that must be these very ones; holders: {position: the Variable that stood
        for the ndarray there}; copied: ids of arrays that a call makes anew each time; decode: what a function of arrays is.
        Raises NotNative.
        """
        cdef Compiler compiler = Compiler()
        cdef Machine m = Machine.__new__(Machine, EAGER)
        if dz_np.python:
            raise NotNative("NumPy's loops are called through its functions here")
        m.tape = compiler.tape = tapes.make()
        if m.tape == NULL:
            raise MemoryError()
        compiler.trace, compiler.decode, compiler.copied = trace, decode, copied
        compiler.cells, compiler.gradients, compiler.shown, compiler.functions = {}, {}, {}, {}
        compiler.numbers, compiler.bare, compiler.lines, compiler.outside = {}, {<size_t> <void *> v: True for v in bare}, {}, []
        m.take_arguments(compiler, args, own, holders, static)
        for event in trace.events:
            compiler.follow(event)
        m.lines = list(compiler.lines)
        return m, compiler

    cdef int take_arguments(self, Compiler compiler, tuple args, list own, dict holders, frozenset static) except -1:
        cdef Outside o
        cdef int k
        self.held, self.arguments = [], arguments_of(args, static, own)
        if self.arguments is None:
            raise NotNative("arguments in a list, tuple or dict, or very many")
        for k in range(self.arguments.n):
            if self.arguments.kinds[k] == AS_VARIABLE:
                if self.arguments.same[k] == k:
                    o = compiler.outside[compiler.number_of(args[k], ("an argument",))]
                    o.position = k
            elif self.arguments.kinds[k] == AS_ARRAY:
                if self.arguments.same[k] != k:
                    raise NotNative("an array that is passed twice")
                o = compiler.outside[compiler.number_of(holders[k], ("an argument",))]
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
        cdef list wanted = [], made = [], arrays = []       # places; Variables of the trace; cells
        cdef dict made_number = {}, array_number = {}
        cdef int k, n
        cdef size_t key

        def wants(Cell c):
            wanted.append(c.place)
            return len(wanted) - 1

        def array_of(Cell c):
            if c not in array_number:
                array_number[c] = len(arrays)
                arrays.append(c)
            return array_number[c]

        self.arguments.guards, self.rebuilt, self.results = guards, rebuilt, []
        self.shape, self.single = shape, shape is missing
        self.plain = not found and isinstance(shape, (int, float, complex, str, bytes, type(None)))
        self.flat = type(shape) is tuple and all(part is missing for part in shape)
        for leaf in found:
            v = leaf.what
            key = <size_t> <void *> v
            if key in compiler.numbers or (key not in compiler.cells and key not in compiler.trace.born):
                o = compiler.outside[compiler.number_of(v, ("the result",))]
                if o.position < 0:
                    self.results.append((R_OUTSIDE_DATA if leaf.array else R_OUTSIDE, v))
                else:
                    self.results.append((R_DATA if leaf.array and not o.array else R_ARGUMENT, o.position))
                continue
            c = compiler.cell(v, ("the result",))
            if c.home >= 0:
                o = compiler.outside[c.home]
                if not leaf.array or o.position < 0:
                    raise NotNative("a result that has the array of what is outside")
                self.results.append((R_ARGUMENT if o.array else R_DATA, o.position))
                continue
            c.holders += 1
            if leaf.array:
                self.results.append((R_ARRAY, array_of(c)))
            else:
                if key not in made_number:
                    made_number[key] = len(made)
                    made.append(v)
                self.results.append((R_MADE, made_number[key]))
        n = <int> len(compiler.outside)
        seen = set()
        for k in range(n):
            o = compiler.outside[k]
            if o.given is not None:
                array_of(o.given)
            c = compiler.gradients.get(<size_t> <void *> o.v)
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
            v = o.v
            key = <size_t> <void *> v
            if o.position < 0:
                at.v = <PyObject *> v
                self.held.append(v)
            at.position, at.array, at.bare = o.position, o.array, o.bare
            at.scalar = o.own is not None and o.own.scalar
            at.slot = -1 if o.own is None else len(wanted)
            if o.own is not None:
                wanted.append(o.place)
            at.changed = wants(o.own) if o.changed else -1
            at.given = -1 if o.given is None else array_of(o.given)
            at.carried = wants(o.given) if o.given is not None else at.changed
            if o.given is not None and o.own is not None and o.given.scalar != at.scalar:
                self.repeats = False        # the next call is of another kind
            self.writes = self.writes or o.changed
            given = given or o.given is not None
            at.gradient, at.shown = -2, -1
            if key in compiler.gradients and not o.array:
                c = compiler.gradients[key]
                if c is None:
                    at.gradient = -1
                    continue
                if o.bare:
                    self.repeats = False
                at.gradient = wants(c)
                y = compiler.shown.get(key)
                if y is not None and ((<Variable> y)._creator is not None or <size_t> <void *> y in made_number
                                      or c in array_number):
                    if c.home >= 0:
                        raise NotNative("a gradient that has the array of what is outside")
                    key = <size_t> <void *> y
                    if key not in made_number:
                        c.holders += 1
                        made_number[key] = len(made)
                        made.append(y)
                    at.shown = made_number[key]
                elif c in array_number or c.home >= 0:
                    raise NotNative("a gradient that has the array of what is outside")
        self.repeats = self.repeats and not (self.writes and given)     # what was given may be what is written to
        self.made = <Made *> calloc(len(made) + 1, sizeof(Made))
        if self.made == NULL:
            raise MemoryError()
        self.nmade = <int> len(made)
        for k in range(self.nmade):
            v = made[k]
            c = compiler.cell(v, ("the result",))
            if compiler.gradients.get(<size_t> <void *> v) is not None:
                raise NotNative("a result that has a gradient")
            self.made[k].array = array_of(c) if c.holders > 1 or c.scalar or c in array_number else -1
            self.made[k].slot = wants(c)
            self.made[k].generation, self.made[k].created = v.gen, v._creator is not None
        names = [(<Variable> y)._name for y in made]
        self.names = None if names.count(None) == len(names) else names
        self.arrays = <Made *> calloc(len(arrays) + 1, sizeof(Made))
        if self.arrays == NULL:
            raise MemoryError()
        self.narrays = <int> len(arrays)
        for k in range(self.narrays):
            c = arrays[k]
            self.arrays[k].slot = wants(c)
            self.arrays[k].scalar = c.scalar
        self.just_made = self.single and self.nmade == 1 and self.narrays == 0 and self.results == [(R_MADE, 0)]
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
            for k in range(self.naccess):
                at = &self.access[k]
                at.slot = at.slot if at.slot < 0 else <int> slots[at.slot]
                at.changed = at.changed if at.changed < 0 else <int> slots[at.changed]
                at.carried = at.carried if at.carried < 0 else <int> slots[at.carried]
                at.gradient = at.gradient if at.gradient < 0 else <int> slots[at.gradient]
            for k in range(self.nmade):
                self.made[k].slot = <int> slots[self.made[k].slot]
            for k in range(self.narrays):
                self.arrays[k].slot = <int> slots[self.arrays[k].slot]
        finally:
            free(places)
            free(slots)
        return 0

    # ---- a call

    cdef bint takes(self, tuple args) except -1:
        """Whether a call is one for this machine. Finds where the numbers from outside are."""
        cdef Access *at
        cdef Variable v
        cdef dz_view w
        cdef PyObject *given = <PyObject *> args
        cdef int i, k
        if dz_flushes() or not self.arguments.take(args):
            return False
        for k in range(self.naccess):
            at = &self.access[k]
            if at.array:
                o = args[at.position]
                if cnp.PyArray_NDIM(o) or cnp.PyArray_TYPE(o) != cnp.NPY_DOUBLE or not cnp.PyArray_ISBEHAVED_RO(o) \
                        or (at.changed >= 0 and not cnp.PyArray_ISWRITEABLE(o)):
                    return False
                at.p = cnp.PyArray_BYTES(o)
                continue
            v = <Variable> (at.v if at.position < 0 else PyTuple_GET_ITEM(given, at.position))
            if at.bare and v.gstate != G_NONE or v._creator is not None and v._creator is not <Function> replayed_function:
                return False
            if at.slot < 0:
                continue
            if not view(v, &w) or w.dt != DZ_F64 or w.nd:
                return False
            at.p = <char *> w.p
            if v.v.p == NULL and at.scalar != (not cnp.PyArray_Check(v._data)) or v.v.p != NULL and at.scalar:
                return False
            if at.changed >= 0 and v.v.p == NULL and not cnp.PyArray_ISWRITEABLE(v._data):
                return False
        if self.writes:     # arrays that overlap: the order of reading and writing counts
            for k in range(self.naccess):
                if self.access[k].changed >= 0:
                    for i in range(self.naccess):
                        if i != k and self.access[i].p == self.access[k].p and self.access[i].slot >= 0:
                            return False
        return True

    cdef object replay(self, tuple args):
        """The call's result; NOT_TAKEN or EAGER, having changed nothing."""
        if self.busy:
            return EAGER        # called by itself, or by another thread meanwhile
        self.busy = True        # before a look at the arguments, which may give another thread its turn
        try:
            if not self.takes(args):
                return NOT_TAKEN
            self.load()
            return self.commit(args) if self.run() else EAGER
        finally:
            self.busy = False

    cdef void load(self) noexcept:
        cdef double *s = tapes.slots(self.tape)
        cdef int k
        for k in range(self.naccess):
            if self.access[k].slot >= 0:
                s[self.access[k].slot] = (<double *> self.access[k].p)[0]

    cdef bint run(self) noexcept:
        """False where a floating-point flag was raised."""
        cdef bint raised
        if dz_fpe_test():       # writing the flags takes longer than looking
            dz_fpe_clear()
        if tapes.length(self.tape) < LONG:
            tapes.run(self.tape)
            raised = dz_fpe_test() != 0
        else:
            with nogil:
                tapes.run(self.tape)
                raised = dz_fpe_test() != 0
        if raised:
            dz_fpe_clear()
        return not raised

    cdef object commit(self, tuple args):
        """Makes the results, and then changes what is outside."""
        cdef const double *s = tapes.slots(self.tape)
        cdef list arrays, made, values
        cdef Variable v
        cdef object o
        cdef int k, kind
        if self.just_made:      # as most do
            v = self.variable(0, None)
            self.change(args, None, <PyObject *> v)
            return v
        arrays, made = [], None
        for k in range(self.narrays):
            arrays.append(number_object(s[self.arrays[k].slot], self.arrays[k].scalar))
        if self.nmade:
            made = [self.variable(k, arrays) for k in range(self.nmade)]
        self.change(args, arrays, <PyObject *> made)
        if self.plain:
            return self.shape
        values = []
        for kind, o in self.results:
            if kind == R_MADE:
                values.append(made[o])
            elif kind == R_ARRAY:
                values.append(arrays[o])
            elif kind == R_ARGUMENT:
                values.append(args[o])
            elif kind == R_DATA:
                values.append(data_of(args[o]))
            else:
                values.append(o if kind == R_OUTSIDE else data_of(o))
        if self.single:
            return values[0]
        return tuple(values) if self.flat else self.rebuilt(self.shape, values)

    cdef Variable variable(self, int k, list arrays):
        """The k-th Variable that a call makes."""
        cdef Made *m = &self.made[k]
        cdef Variable v = new_variable(ERA_CORE)
        cdef object a
        if m.array >= 0:
            a = arrays[m.array]
            v._data = a
        else:
            (<double *> dz_raw_scalar(&v.v, DZ_F64))[0] = tapes.slots(self.tape)[m.slot]
        if self.names is not None:
            a = self.names[k]
            v._name = a
        if m.created:
            v._creator = <Function> replayed_function
            v.gen = m.generation
        return v

    cdef int change(self, tuple args, list arrays, PyObject *made) except -1:
        """Effects. What they let go of may run somebody's code. made: the list of Variables, or the only one."""
        cdef const double *s = tapes.slots(self.tape)
        cdef Access *at
        cdef Variable v
        cdef object a
        cdef int k
        if self.writes:
            for k in range(self.naccess):
                at = &self.access[k]
                if at.changed >= 0:
                    self.write(at, args, s[at.changed])
        for k in range(self.naccess):
            at = &self.access[k]
            if at.array:
                continue
            v = <Variable> (at.v if at.position < 0 else PyTuple_GET_ITEM(<PyObject *> args, at.position))
            if at.given >= 0:
                set_data_array(v, arrays[at.given])
            if at.gradient == -2:
                continue
            drop_grad(v)
            if at.shown >= 0:
                a = <object> (made if arrays is None else PyList_GET_ITEM(made, at.shown))
                v._grad = a
                v.gstate = G_SHOWN
            elif at.gradient >= 0:
                (<double *> dz_raw_scalar(&v.g, DZ_F64))[0] = s[at.gradient]
                v.gstate = G_RAW
        return 0

    cdef Py_ssize_t repeat(self, tuple args, Py_ssize_t n, list found) except -1:
        """Up to n calls, one after the other; gives how many were made, and appends the last one's result where it was all.
        Where it was fewer the next one has to run as it is."""
        cdef double *s = tapes.slots(self.tape)
        cdef Py_ssize_t i = 0, stop, room = max(1, 1000000 // (tapes.length(self.tape) + 1))
        cdef bint raised = False
        if self.busy or not self.repeats:
            return 0
        self.busy = True
        try:
            if not self.takes(args):
                return 0
            self.load()
            while i < n and not raised:
                stop = min(n, i + room)
                with nogil:
                    if dz_fpe_test():
                        dz_fpe_clear()
                    while i < stop:
                        tapes.run(self.tape)
                        if dz_fpe_test():
                            dz_fpe_clear()
                            raised = True
                            break
                        i += 1
                        if i < stop:
                            self.carry(s)
                if not raised and i < n:
                    try:
                        PyErr_CheckSignals()
                    except BaseException:
                        self.commit(args)
                        raise
                    self.carry(s)
            if not raised:
                found.append(self.commit(args))
            elif i > 0:
                self.unread(args, s)
        finally:
            self.busy = False
        return i

    cdef int write(self, Access *at, tuple args, double x) except -1:
        """Writes a number to an array from outside: the one that is there now, since code that ran meanwhile may have given the
        Variable another."""
        cdef Variable v
        cdef dz_view w
        cdef object a
        if at.array:
            a = args[at.position]
            (<double *> cnp.PyArray_BYTES(a))[0] = x
            return 0
        v = <Variable> (at.v if at.position < 0 else PyTuple_GET_ITEM(<PyObject *> args, at.position))
        if view(v, &w) and w.dt == DZ_F64 and w.nd == 0 and (v.v.p != NULL or cnp.PyArray_Check(v._data)
                                                             and cnp.PyArray_ISWRITEABLE(v._data)):
            (<double *> w.p)[0] = x
        return 0

    cdef void carry(self, double *s) noexcept nogil:
        """The values after a call become those before the next."""
        cdef Access *at
        cdef int k
        for k in range(self.naccess):
            at = &self.access[k]
            if at.carried >= 0 and at.slot >= 0:
                s[at.slot] = s[at.carried]
            elif at.carried >= 0:
                at.before = s[at.carried]

    cdef int unread(self, tuple args, const double *s) except -1:
        """Gives what is outside the values that the last call has read: it is to be made again as it is."""
        cdef Access *at
        cdef Variable v
        cdef double x
        cdef int k
        for k in range(self.naccess):
            at = &self.access[k]
            if at.carried < 0:
                continue
            x = s[at.slot] if at.slot >= 0 else at.before
            if at.given < 0:
                self.write(at, args, x)
            else:
                v = <Variable> at.v if at.position < 0 else args[at.position]
                set_data_array(v, number_object(x, self.arrays[at.given].scalar))
        return 0

    def listing(self):
        """(name, slot of the result, slots of the operands, file and line) of each instruction."""
        cdef uint32_t told[4]
        cdef Py_ssize_t i
        cdef list out = []
        cdef bytes name
        for i in range(tapes.length(self.tape)):
            name = tapes.listing(self.tape, i, told)
            out.append((name.decode(), told[3], [told[k] for k in range(3) if told[k] != 0xffffffff],
                        self.lines[tapes.line(self.tape, i)]))
        return out


cdef inline object number_object(double x, bint scalar):
    """A 0-d array, or NumPy's scalar."""
    cdef object a
    if scalar:
        return PyArray_Scalar(&x, <PyArray_Descr *> <PyObject *> DOUBLE, NULL)
    a = cnp.PyArray_EMPTY(0, NULL, cnp.NPY_DOUBLE, 0)
    (<double *> cnp.PyArray_BYTES(a))[0] = x
    return a


cdef class Dispatch:
    """The base of captured functions: a call goes to a machine or a plan that takes it, or else to `_call`."""
    cdef public list _machines
    cdef public list _calls
    cdef public object _f

    def __cinit__(self):
        self._machines, self._calls = [], []

    def __call__(self, *args, **kwargs):
        return dispatched(self, args, <PyObject *> kwargs)

    cdef object called(self, tuple args, dict kwargs):
        cdef Machine m
        cdef Call c
        cdef object found
        if not kwargs and not traced() and not transforms():
            for m in self._machines:
                found = m.replay(args)
                if found is EAGER:
                    return self._f(*args)
                if found is not NOT_TAKEN:
                    return found
            for c in self._calls:
                found = c.replay(args)
                if found is not NOT_TAKEN:
                    return found
        return self._call(args, {} if kwargs is None else kwargs)

    def repeat(self, Py_ssize_t n, *args, **kwargs):
        """n calls with these arguments, one after the other, at least one; gives the last one's result. On the scalar machine
        they follow each other without Python, until NumPy has something to say (a warning) or Ctrl-C is pressed, after whole
        calls."""
        cdef Machine m
        cdef Py_ssize_t done
        cdef list found = []
        if n < 1:
            raise ValueError(f"repeat: {n} calls; at least 1")
        while True:
            if not kwargs and not traced() and not transforms():
                for m in self._machines:
                    done = m.repeat(args, n, found)
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


cdef object dispatched(object f, object args, PyObject *kwargs):
    return (<Dispatch> f).called(<tuple> args, None if kwargs == NULL else <dict> <object> kwargs)


ctypedef object (*ternary)(object, object, PyObject *)

cdef extern from *:
    """
    typedef PyObject *(*dz_ternary)(PyObject *, PyObject *, PyObject *);
    static void dz_set_call(PyObject *type, dz_ternary call) { ((PyTypeObject *)type)->tp_call = call; }
    """
    void dz_set_call(object, ternary)


def call_at_once(cls):
    """Has calls of a class's instances go to Dispatch's way without a dict of keyword arguments, which Cython's own makes for
    each call that has none. A subclass does not inherit it."""
    dz_set_call(cls, dispatched)
    return cls
