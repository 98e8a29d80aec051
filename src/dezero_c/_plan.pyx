# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""What a captured call becomes: a list of instructions over nodes that the plan keeps, run without the user's Python.

A plan is made from the events of a Trace (_trace.pxi). Its nodes are the Functions that the call made, with Variables of the
plan's own between them, so what the call gave to the user stays his. Running it computes each operation again from its inputs,
takes each step backwards as the walk took it, and does to gradients and data what the call did, in order. All of it is the
engine's own code on the engine's own nodes: a replay gives the eager run's bits because it is the eager run, less the Python
between the operations.

A Variable is the plan's own (made by the call), an argument (exchanged for the one that is passed), or one from outside, which is
used as it is. What leaves the plan, results and gradients of Variables from outside, leaves as a new Variable that takes the
memory along; nothing that the user holds is written to again.
"""

import numpy as np

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject
from cpython.ref cimport Py_INCREF, Py_XDECREF
from libc.stdlib cimport calloc, free, realloc
from libc.string cimport memcmp, memcpy

from dezero_c._calls cimport (
    LENGTHS, Shape, Signature, Template, grown, is_scalar, items_of, replayed_function, with_constants)
from dezero_c._core cimport (
    ERA_CORE, E_ALIVE, E_BRANCH, E_CALL, E_CONST, E_DATA, E_EFFECT, E_GRAD, E_GRAD_READ, E_NEW, E_OP, E_SEED, E_SET, E_SHOW,
    E_STEP, G_NONE, G_SHOWN, INSIDE, IN_TRAINING, K_CONST, SEEDED, SEED_GRAPH, SEED_KEPT, WITH_GRAPH, Event, Function,
    Numbers, Trace, Variable, backward_step, data_of, drop_grad, dz_bind, dz_fpe_clear, dz_fpe_test, dz_itemsize, dz_ops,
    dz_raw_move, dz_same_shape, dz_view, dz_view_object, grad_variable, kernels, modes, new_variable, output_reference, seed,
    set_data_array, set_inputs, show_into, swap_mode, view, wrap)
from dezero_c._elementwise cimport evaluate_again, evaluate_from, is_exact, operation
from dezero_c._training cimport Seen, is_rule, step

from dezero_c._calls import CaptureError
from dezero_c._core import Applied, as_array, class_name, shape_of, using_config
from dezero_c._core import same as as_it_is

cnp.import_array()
dz_bind(kernels())

cdef extern from "Python.h":
    void *PyMem_Malloc(size_t)
    void PyMem_Free(void *)
    object PyWeakref_NewRef(object, PyObject *)
    PyObject *PyTuple_GET_ITEM(PyObject *, Py_ssize_t)
    PyObject *PyList_GET_ITEM(PyObject *, Py_ssize_t)

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *) noexcept

cdef extern from "core/kernels.h":
    int dz_under_test() noexcept
    void dz_under_clear() noexcept

cdef extern from "generated/enum.h":
    enum:
        DZ_OP_ABS
        DZ_OP_ADD
        DZ_OP_DIV
        DZ_OP_MUL
        DZ_OP_NEG
        DZ_OP_RECIPROCAL
        DZ_OP_SQRT
        DZ_OP_SQUARE
        DZ_OP_SUB

cdef enum:
    INTO_MOST = 4096    # elements up to which a copy of the result takes less than NumPy's call

cdef enum:
    ELEMENTWISE     # y: the value of f, an exact class of the table
    FORWARD         # extra: f's outputs; flag: the modes, as in the trace
    EFFECT          # f.forward for what it does to its first input
    STEP            # f's step backwards; flag: gradients of its outputs are kept
    SEED            # y gets the gradient that a walk starts from, where it has none; flag: as in the trace
    SHOW            # y's gradient becomes the Variable z
    GRAD            # y's gradient is z, or none
    DATA            # y gets z's data; flag: as an array
    CONSTANT        # y gets the array `extra`; flag: a copy of it
    CALL            # extra()
    NUMPY           # y: the value of f, a kernel's operation, where its operands are in C order; else of extra, NumPy's function
    INTO            # f's value is written to y's array, or extra.forward does it; z is room for it
    UPDATE          # the optimizer `extra` updates its parameters
    BRANCH          # y's value must be true, or not, as flag says; else the call goes another way

cdef tuple NAMES = ("elementwise", "forward", "effect", "step", "seed", "show", "grad", "data", "constant", "call", "numpy",
                    "into", "update", "branch")


include "_traced.pxi"


cdef enum:
    KNOWN = 1           # what is known of a node: it is explained,
    STEPPED = 2         # it has got a gradient in this call,
    CONSTANT_DATA = 4   # its data are an array that the function has made of numbers


cdef class Plan:
    """The instructions of one captured call, and the nodes that they work on."""
    def __cinit__(self):
        self.lines, self.own, self.outside, self.pins, self.states, self.shown = [], [], [], [], [], []
        self.of, self.stands, self.borrowed, self.presence, self.there = {}, set(), [], [], []
        self.large, self.changing = set(), -1
        self.addresses, self.fixed, self.outer = Seen.__new__(Seen), Seen.__new__(Seen), Seen.__new__(Seen)

    def __dealloc__(self):
        cdef Py_ssize_t i
        for i in range(self.n):
            Py_XDECREF(self.code[i].f)
            Py_XDECREF(self.code[i].y)
            Py_XDECREF(self.code[i].z)
            Py_XDECREF(self.code[i].extra)
        PyMem_Free(self.code)
        free(self.drops)
        free(self.shapes)
        while self.nleft > 0:
            self.nleft -= 1
            Py_XDECREF(self.left[self.nleft])
        free(self.left)
        free(self.left_from)

    def __len__(self):
        return self.n

    cdef int add(self, int kind, object f, object y, object z, object extra, int flag, str line) except -1:
        cdef Instruction *more
        cdef Py_ssize_t i
        if self.n == self.room:
            self.room = 2 * self.room if self.room else 64
            more = <Instruction *> PyMem_Malloc(<size_t> self.room * sizeof(Instruction))
            if more == NULL:
                raise MemoryError()
            for i in range(self.n):
                more[i] = self.code[i]
            PyMem_Free(self.code)
            self.code = more
        self.lines.append(line)
        self.code[self.n] = Instruction(kind, flag, owned(f), owned(y), owned(z), owned(extra))
        self.n += 1
        return 0

    # ---- making

    cdef Variable mine(self, Variable v, bint value):
        """The plan's Variable for v, which the call made; value: with v's value, which will not change."""
        cdef Variable c = self.of.get(<size_t> <void *> v)
        cdef object a
        if c is None:
            c = new_variable(v.era)
            c.kind = v.kind
            c.gen = v.gen
            if v._name is not None:
                c._name = v._name
            if value:
                a = data_of(v)
                c._data = a
                self.fixed.add(<PyObject *> c)
            self.of[<size_t> <void *> v] = c
            self.own.append(c)
            self.addresses.add(<PyObject *> c)
            if not value and v.v.p == NULL and cnp.PyArray_Check(v._data):
                self.large.add(<size_t> <void *> c)
        return c

    cdef Variable room_for(self, Variable v):
        """A Variable of the plan's for values like v's."""
        cdef Variable c = new_variable(v.era)
        self.own.append(c)
        self.addresses.add(<PyObject *> c)
        return c

    cdef object known(self, object v):
        """The plan's Variable for v, or v itself, which then is from outside."""
        return None if v is None else self.of.get(<size_t> <void *> v, v)

    def argument(self, Variable v not None):
        """A Variable to stand for v, an argument; `give` and `take_back` connect it with the one that is passed."""
        cdef Variable stand = self.mine(v, False)
        self.stands.add(<size_t> <void *> stand)
        return stand

    def check(self, Trace trace not None):
        """Raises CaptureError, having changed nothing, for what a plan cannot do."""
        cdef unsigned char *marks = <unsigned char *> calloc(trace.nnodes + 1, 1)
        cdef Py_ssize_t i, k
        if marks == NULL:
            raise MemoryError()
        try:
            for address in self.of:
                k = trace.numbers.find(<void *> <size_t> address)
                if k >= 0:
                    marks[k] |= KNOWN
            seen = set()
            for i in range(trace.n):
                self.check_event(trace, i, marks, seen)
        finally:
            free(marks)

    cdef int check_event(self, Trace trace, Py_ssize_t i, unsigned char *marks, set seen) except -1:
        """One event. marks: what is known of nodes so far; seen: ids of arrays among operations' parameters."""
        cdef Event *e = &trace.log[i]
        cdef Event *called
        cdef Function f
        cdef set arrays
        cdef int k
        cdef Py_ssize_t first
        cdef str line = trace.line_of(e)
        if e.kind == E_OP or e.kind == E_EFFECT:
            f = <Function> e.o
            first = trace.first_call(f)
            if first != i:
                raise CaptureError(f"{line}: the instance of {type(f).__name__} that was called at "
                                   f"{trace.line_of(&trace.log[first])} is called again; use a new instance for each call")
            if type(f) is not Applied and not (is_exact(f) and not f.general_params):
                arrays = array_ids(f._arguments(), set())
                if arrays and e.kind == E_OP and e.flag & INSIDE and not arrays <= seen:
                    raise CaptureError(f"{line}: {type(f).__name__} is used here in a derivative of higher order by a "
                                       "rule that depends on values, which a plan would not see; leave this part out of the "
                                       "capture")
                seen |= arrays
            if e.kind == E_EFFECT and marks[trace.operands[e.first]] & CONSTANT_DATA:
                raise CaptureError(f"{line}: an array that the function has made of numbers is written to, and a "
                                   "replay would begin with what was written; write it as an expression (x = x * 2)")
            for k in trace.operands[e.first:e.first + e.nin]:
                if marks[k] & KNOWN:
                    continue
                if trace.born_at[k]:
                    raise CaptureError(f"{line}: {type(f).__name__} is given what a function of dezero_c has made from "
                                       "values by itself (a mask, an order, a share), which a plan would not make again; leave "
                                       "that function out of the capture")
                if e.kind == E_OP and e.flag & WITH_GRAPH and grown(trace.variable(k)):
                    raise CaptureError(f"{line}: {type(f).__name__} is given a Variable from outside that has a graph "
                                       "of its own, into which backward would go in an eager call and not in a replay; pass "
                                       "x.detach() or Variable(x.data), or compute it inside")
            if e.v >= 0:
                marks[e.v] |= KNOWN
            for k in trace.operands[e.first + e.nin:e.first + e.nin + e.nout]:
                marks[k] |= KNOWN
        elif e.kind == E_CONST or e.kind == E_NEW or e.kind == E_DATA and e.flag:
            marks[e.v] |= KNOWN
            if e.kind != E_DATA or marks[e.w] & CONSTANT_DATA:
                marks[e.v] |= CONSTANT_DATA
        elif e.kind == E_SET or e.kind == E_DATA:
            if e.kind == E_SET or marks[e.w] & CONSTANT_DATA:
                marks[e.v] |= CONSTANT_DATA
            elif e.v != e.w:
                marks[e.v] &= ~CONSTANT_DATA
        elif e.kind == E_SHOW:
            marks[e.w] |= KNOWN
        elif e.kind == E_STEP:
            called = e if e.w < 0 else &trace.log[e.w]
            for k in trace.operands[called.first:called.first + called.nin]:
                marks[k] |= STEPPED
        elif e.kind == E_BRANCH:
            if trace.born_at[e.v] and not marks[e.v] & KNOWN:
                raise CaptureError(f"{line}: what a function of dezero_c has made from values by itself decides here, which a "
                                   "plan would not make again; leave that function out of the capture")
        elif e.kind == E_GRAD_READ and e.w >= 0 and not marks[e.w] & KNOWN:
            if not marks[e.v] & STEPPED:
                raise CaptureError(f"{line}: .grad is asked for before the function has computed it: it comes from an "
                                   "earlier call. Clear it at the start (cleargrad, cleargrads), or pass it as an argument")
            marks[e.w] |= KNOWN
        return 0

    def build(self, Trace trace not None, set copied, decode, list bare):
        """The instructions for the events of `trace`. copied: ids of arrays that a call makes anew each time; decode: tells what
        a function of arrays is; bare: arguments that had no gradient when the call began. Raises CaptureError, having changed
        nothing, for what a plan cannot do."""
        cdef Variable v, y, c
        cdef set without = {<size_t> <void *> v for v in bare}
        cdef set touched = set()        # Variables whose gradient was read, set or added to
        cdef Function f
        cdef set changed = set()
        cdef set cleared = set()
        cdef object line, outside = {}
        cdef dz_view w
        cdef int k
        cdef Py_ssize_t i
        cdef set reset = set()
        cdef const Event *called
        self.check(trace)
        for i in range(trace.n):
            k = trace.log[i].kind
            if k == E_EFFECT:
                changed.add(<size_t> trace.nodes[trace.operands[trace.log[i].first]])
            elif k == E_DATA or k == E_SET:
                changed.add(<size_t> trace.nodes[trace.log[i].v])
        for i in range(trace.n):
            if self.changing < 0 and changes(trace, &trace.log[i], reset):
                self.changing = self.n
            event = trace.event(i)
            kind, line = event[0], event[len(event) - 1]
            if kind == "op" or kind == "effect":
                f = event[1]
                xs = []
                for v in event[2]:
                    c = self.known(v)
                    if c is v:
                        outside[<size_t> <void *> v] = v
                    xs.append(c)
                set_inputs(f, tuple(xs))
                if kind == "effect":
                    g = operation_of(f, xs, event[2], data_of(event[2][0]), decode)
                    if g is None:
                        self.add(EFFECT, f, None, None, None, False, line)
                    else:
                        self.add(INTO, g, xs[0], self.room_for(event[2][0]), f, False, line)
                    continue
                self.calls = self.calls or not f.native and type(f) is not Applied      # somebody's code
                made = alive(event[3])
                ys = [None if y is None else self.mine(y, False) for y in made]
                f.out0, f.outs = NULL, None
                if len(ys) == 1:
                    f.out0 = <PyObject *> ys[0]
                for c, y in zip(ys, made):
                    if y is not None and y._creator is f:
                        y._creator = replayed_function
                        c._creator = f
                if len(ys) == 1 and is_exact(f):
                    self.add(ELEMENTWISE, f, ys[0], None, None, event[4], line)
                else:
                    if hasattr(f, "_redraw") and not event[5]:       # random numbers: as many, in the same order
                        self.add(CALL, None, None, None, f._redraw, False, line)
                    g = operation_of(f, xs, event[2], data_of(made[0]), decode) if len(ys) == 1 and made[0] is not None else None
                    if g is not None:
                        self.add(NUMPY, g, ys[0], f.shapes, (f, tuple(ys)), event[4], line)
                    elif type(f) is Applied and (f.given is as_it_is or f.given is np.asarray) and len(ys) == 1:
                        self.add(DATA, None, ys[0], xs[0], None, f.given is np.asarray, line)
                        if <size_t> <void *> xs[0] in self.stands:
                            self.borrowed.append(ys[0])
                    else:
                        shapes = f.shapes if type(f) is Applied else trace.shapes.get(<size_t> <void *> f)
                        self.add(FORWARD, f, None, shapes, tuple(ys), event[4], line)
                    if len(ys) > 1:
                        f.outs = [r if c is None else several(c, r) for c, r in zip(ys, event[3])]
            elif kind == "const":
                self.mine(event[1], True)
            elif kind == "new" or kind == "set":
                v = event[1]
                if kind == "new":
                    y = self.mine(v, True)
                else:
                    y = self.known(v)
                    if y is v:
                        outside[<size_t> <void *> v] = v
                if kind == "set" or <size_t> <void *> v in changed:
                    if event[2] is None:
                        self.add(CONSTANT, None, y, None, None, False, line)
                    else:
                        again = <size_t> <void *> event[2] in copied
                        self.add(CONSTANT, None, y, None, np.array(event[2]) if again else event[2], again, line)
            elif kind == "data":
                v = event[1]
                y = self.mine(v, False) if event[3] else self.known(v)
                if y is v:
                    outside[<size_t> <void *> v] = v
                self.add(DATA, None, y, self.known(event[2]), None, False, line)
            elif kind == "seed":
                v = event[1]
                y = self.known(v)
                if <size_t> <void *> v not in touched:
                    touched.add(<size_t> <void *> v)
                    if y is v and not trace.is_born(v):
                        self.there.append((v, not event[2] & SEEDED))
                    elif <size_t> <void *> y in self.stands:
                        self.presence.append((y, not event[2] & SEEDED))
                self.add(SEED, None, y, None, None, event[2], line)
            elif kind == "step":
                f = event[1]
                called = &trace.log[i if trace.log[i].w < 0 else trace.log[i].w]
                for k in trace.operands[called.first:called.first + called.nin]:      # what is there is added to
                    touched.add(<size_t> trace.nodes[k])
                self.add(STEP, f, None, None, None, event[2], line)
            elif kind == "show" or kind == "grad":
                v = event[1]
                y = self.known(v)
                if <size_t> <void *> v not in touched:
                    touched.add(<size_t> <void *> v)
                    if event[2] is not None and <size_t> <void *> y in self.stands:
                        self.presence.append((y, kind == "show" or <size_t> <void *> v not in without))
                    elif kind == "show" and y is v:
                        self.there.append((v, True))
                if y is v:
                    outside[<size_t> <void *> v] = v
                    if event[2] is not None:
                        self.shown.append(v)
                        if <size_t> <void *> v not in cleared and kind == "grad":
                            self.states.append(v)
                    cleared.add(<size_t> <void *> v)
                if kind == "show":
                    self.add(SHOW, None, y, self.mine(event[2], False), None, False, line)
                else:
                    c = self.known(event[2])
                    if c is not None and <size_t> <void *> c in self.stands and self.passed is None:
                        self.passed = {}
                    self.add(GRAD, None, y, c, None, False, line)
            elif kind == "grad read":
                v, g = event[1], event[2]
                if <size_t> <void *> v not in touched:
                    touched.add(<size_t> <void *> v)
                    y = self.known(v)
                    if y is v and not trace.is_born(v):
                        self.there.append((v, g is not None))
                    elif <size_t> <void *> y in self.stands:
                        self.presence.append((y, g is not None))
                if isinstance(g, Variable) and <size_t> <void *> g not in self.of:
                    y = self.known(v)
                    if y is v:
                        self.shown.append(v)
                    self.add(SHOW, None, y, self.mine(g, False), None, False, line)
            elif kind == "call":
                self.calls = True
                target = getattr(event[1], "__self__", None)
                if target is not None and is_rule(target) and event[1].__name__ == "update":
                    self.add(UPDATE, None, None, None, target, False, line)
                else:
                    self.add(CALL, None, None, None, event[1], False, line)
            elif kind == "branch":
                y = self.known(event[1])
                if y is event[1]:
                    outside[<size_t> <void *> y] = y
                self.add(BRANCH, None, y, None, None, event[2], line)
                self.branches = True
            elif kind == "pinned":
                self.pins.append((event[1], data_of(event[1])))
                outside[<size_t> <void *> event[1]] = event[1]
        for v in outside.values():
            value = data_of(v)
            self.outside.append((v, None) if value is None else (v, (value.shape, value.dtype, type(value))))
        self.states = [(v, v.gstate != G_NONE) for v in self.states] + self.there
        self.there = None
        for v in outside.values():
            self.outer.add(<PyObject *> v)
        self.shapes = <Shape *> calloc(len(self.outside) + 1, sizeof(Shape))
        if self.shapes == NULL:
            raise MemoryError()
        for i, (v, _) in enumerate(self.outside):
            self.shapes[i].dt = -1
            if view(v, &w) and w.nd <= LENGTHS:
                self.shapes[i].dt, self.shapes[i].nd = w.dt, w.nd
                self.shapes[i].scalar = is_scalar(v)
                for k in range(w.nd):
                    self.shapes[i].lengths[k] = w.shape[k]
        return self

    def finish(self, results):
        """The plan's Variables for `results`, None for one from outside. The last step of making: the trace's are forgotten."""
        found = [self.of.get(<size_t> <void *> v) for v in results]
        self.of = None
        self.inner = [v for v in self.own if <size_t> <void *> v not in self.stands]
        self.find_drops(found)
        return found

    cdef int find_drops(self, list results) except -1:
        """Which values are let go of, and when: those that only operations and their steps backwards read. An eager call's go
        with their Variables, and what comes next finds its memory in the cache."""
        cdef Instruction *at
        cdef Variable v
        cdef Function f
        cdef Py_ssize_t i
        cdef dict last = {}, made = {}      # by id: the last instruction that reads a value; outputs of a Function
        cdef set kept = {<size_t> <void *> v for v in results if v is not None}
        kept.update([<size_t> <void *> v for v in self.borrowed])
        for i in range(self.n if self.large else 0):
            at = &self.code[i]
            if at.y != NULL and (at.kind == ELEMENTWISE or at.kind == NUMPY):
                last[<size_t> at.y] = i
                made[<size_t> at.f] = (<object> at.y,)
            elif at.y != NULL:
                kept.add(<size_t> at.y)
            if at.z != NULL:
                kept.add(<size_t> at.z)
            if at.kind == FORWARD or at.kind == NUMPY:
                ys = <object> at.extra if at.kind == FORWARD else (<tuple> <object> at.extra)[1]
                made[<size_t> at.f] = ys
                for v in ys:
                    last[<size_t> <void *> v] = i
            if at.f != NULL:
                f = <Function> at.f
                for v in inputs(f):
                    last[<size_t> <void *> v] = i
                if at.kind == STEP:
                    for v in made.get(<size_t> at.f, ()):
                        last[<size_t> <void *> v] = i
        found = sorted([(i, key) for key, i in last.items() if key in self.large and key not in kept and key not in self.stands])
        self.drops = <Drop *> calloc(len(found) + 1, sizeof(Drop))
        if self.drops == NULL:
            raise MemoryError()
        for i, key in found:
            self.drops[self.ndrops].after, self.drops[self.ndrops].v = i, <PyObject *> <size_t> key
            self.ndrops += 1
        return 0

    # ---- running

    cpdef bint fits(self) except -1:
        """Whether what the plan uses from outside is as it was: shapes, dtypes, pinned arrays, gradients that are there or
        not."""
        cdef Variable v
        cdef dz_view w
        cdef Py_ssize_t i
        cdef Shape *s
        cdef PyObject *outer
        cdef Py_ssize_t k
        for k in range(len(self.outside)):
            s = &self.shapes[k]
            outer = PyList_GET_ITEM(<PyObject *> self.outside, k)
            if s.dt >= 0:
                if not view(<Variable> PyTuple_GET_ITEM(outer, 0), &w) or w.dt != s.dt or w.nd != s.nd \
                        or is_scalar(<Variable> PyTuple_GET_ITEM(outer, 0)) != s.scalar:
                    return False
                for i in range(w.nd):
                    if w.shape[i] != s.lengths[i]:
                        return False
            else:
                v, told = <tuple> outer
                value = data_of(v)
                if (None if value is None else (value.shape, value.dtype, type(value))) != told:
                    return False
        for v, a in self.pins:
            if data_of(v) is not a:
                return False
        for v, there in self.states:
            if (v.gstate != G_NONE) != there:
                return False
        return True

    def suits(self, list pairs):
        """Whether the Variables of a call can stand in for those of `pairs`, (the plan's, the call's): none that the plan also
        knows from outside, none with or without a gradient where the other way decided what was done."""
        cdef Variable stand, v
        for stand, v in pairs:
            if not self.suited(stand, v):
                return False
            for _, other in pairs:
                if is_gradient(<PyObject *> v, other):
                    return False
        return True

    cdef bint suited(self, Variable stand, Variable v) except -1:
        cdef Py_ssize_t k
        if self.outer.has(<PyObject *> v):
            return False
        for k in range(len(self.outside)):      # whose value would be gone while v is exchanged
            if is_gradient(<PyObject *> v, <Variable> PyTuple_GET_ITEM(PyList_GET_ITEM(<PyObject *> self.outside, k), 0)):
                return False
        for y, there in self.presence:
            if y is stand and (v.gstate != G_NONE) != there:
                return False
        return True

    def acquire(self):
        """Takes the plan for one call, from giving it arguments to taking results; False where another call has it."""
        if self.busy:
            return False
        self.busy = True
        return True

    def release(self):
        """The opposite of acquire."""
        self.end()
        self.busy = False

    cdef int end(self) except -1:
        """Lets go of all that a call has given or taken."""
        self.forget()
        if self.passed:
            self.passed.clear()
        return 0

    cdef int forget(self) except -1:
        """Lets go of what has left the plan, and of arguments' arrays."""
        cdef PyObject *o
        cdef Variable v
        for v in self.borrowed:
            set_data_array(v, None)
        while self.nleft > 0:
            self.nleft -= 1
            o = self.left[self.nleft]
            Py_XDECREF(o)
        return 0

    cpdef bint run(self) except -1:
        """Replays the call. False, having changed nothing that the call would not do again, where it goes another way than the
        traced one. What it raises is what the call would; nothing of the plan's is left half done."""
        cdef signed char before
        cdef Variable v
        self.forget()
        before = swap_mode(0)
        try:
            for v in self.inner:
                if v.gstate != G_NONE:
                    drop_grad(v)
            return self.execute()
        finally:
            swap_mode(before)
            for v in self.shown:        # after an error too: what the user sees is never the plan's
                if v.gstate == G_SHOWN and isinstance(v._grad, Variable):
                    v._grad = self.leave(v._grad)

    cpdef bint may_start_again(self, object error) noexcept:
        """Whether the function itself can be called after an error of a replay: it may catch that, or else raises it from its own
        lines."""
        return (self.changing < 0 or self.at < self.changing) and not isinstance(error, (CaptureError, MemoryError))

    cdef bint execute(self) except -1:
        cdef Py_ssize_t i
        cdef Instruction *at
        cdef Function f
        cdef Variable y, z
        cdef object r
        cdef int training = modes() >> 1 & 1
        cdef Py_ssize_t drop = 0
        for i in range(self.n):
            while drop < self.ndrops and self.drops[drop].after < i:
                set_data_array(<Variable> self.drops[drop].v, None)
                drop += 1
            at = &self.code[i]
            self.at = i
            if at.kind == ELEMENTWISE:
                y = <Variable> at.y
                set_data_array(y, None)
                evaluate_again(<Function> at.f, y)
            elif at.kind == STEP:
                backward_step(<Function> at.f, at.flag, False)
            elif at.kind == FORWARD:
                f = <Function> at.f
                if (at.flag >> 1) != training:
                    with using_config("train", not training):
                        self.forward(f, <tuple> at.extra, at.flag & 1, at.z)
                else:
                    self.forward(f, <tuple> at.extra, at.flag & 1, at.z)
            elif at.kind == NUMPY:
                y = <Variable> at.y
                set_data_array(y, None)
                if not in_c_order(<Function> at.f) or not as_numpy(<Function> at.f, y):
                    self.forward(<Function> (<tuple> at.extra)[0], <tuple> (<tuple> at.extra)[1], at.flag & 1, at.z)
            elif at.kind == INTO:
                if not write_into(<Function> at.f, <Variable> at.y, <Variable> at.z):
                    value_of(<Function> at.extra)
            elif at.kind == UPDATE:
                swap_mode(1)        # for hooks, and whatever else is somebody's
                if not step(<object> at.extra):
                    (<object> at.extra).update()
                swap_mode(0)
            elif at.kind == EFFECT:
                value_of(<Function> at.f)
            elif at.kind == SEED:
                seed(<Variable> at.y, at.flag & SEED_KEPT, at.flag & SEED_GRAPH)
                if dz_fpe_test():
                    dz_fpe_clear()
            elif at.kind == SHOW:
                y, z = <Variable> at.y, <Variable> at.z
                set_data_array(z, None)
                if y.gstate == G_NONE:
                    raise CaptureError(f"{self.lines[i]}: a gradient that is asked for here is not there this time")
                if y.gstate != G_SHOWN:
                    show_into(y, z)
                else:
                    r = y._grad
                    set_data_array(z, data_of(<Variable> r) if isinstance(r, Variable) else r)
                    y._grad = z
            elif at.kind == GRAD:
                y = <Variable> at.y
                drop_grad(y)
                if at.z != NULL:
                    y._grad = <Variable> at.z
                    y.gstate = G_SHOWN
            elif at.kind == DATA:
                r = data_of(<Variable> at.z)
                set_data_array(<Variable> at.y, np.asarray(r) if at.flag and not cnp.PyArray_Check(r) else r)
            elif at.kind == BRANCH:
                if bool(data_of(<Variable> at.y)) != <bint> at.flag:
                    return False
            elif at.kind == CONSTANT:
                r = None if at.extra == NULL else <object> at.extra
                set_data_array(<Variable> at.y, r.copy() if at.flag else r)
            else:
                swap_mode(1)
                (<object> at.extra)()
                swap_mode(0)
        for drop in range(drop, self.ndrops):
            set_data_array(<Variable> self.drops[drop].v, None)
        return True

    cdef int forward(self, Function f, tuple ys, int graph, PyObject *shapes) except -1:
        cdef object r
        cdef Variable y
        if f.native and len(ys) == 1:
            y = <Variable> ys[0]
            set_data_array(y, None)
            if f.compute(y):
                return 0
        swap_mode(graph)
        r = value_of(f)
        swap_mode(0)
        applied = type(f) is Applied
        if isinstance(r, tuple) or applied and isinstance(r, list):
            if shapes != NULL:
                self.check_shapes(f, r, <tuple> <object> shapes)
            if len(ys) == 1:
                r = r[0]
        elif shapes != NULL and not has_shape(r, (<tuple> <object> shapes)[0]):
            self.check_shapes(f, (r,), <tuple> <object> shapes)
        if len(ys) == 1:
            set_data_array(<Variable> ys[0], r if applied else as_array(r))
            return 0
        if len(r) != len(ys):
            raise CaptureError(f"{type(f).__name__}.forward gives {len(r)} outputs, and gave {len(ys)} when it was captured")
        for y, each in zip(ys, r):
            if y is None:
                continue
            set_data_array(y, each if type(f) is Applied else as_array(each))
        return 0

    cdef int check_shapes(self, Function f, object arrays, tuple shapes) except -1:
        """Raises CaptureError where arrays that f gave have other shapes or dtypes than when it was traced: what follows may have
        asked for them."""
        cdef Py_ssize_t i = 0
        for each, shape in zip(arrays, shapes):
            if not has_shape(each, shape):
                while self.code[i].f != <PyObject *> f and (
                        self.code[i].kind != NUMPY or <object> (<tuple> self.code[i].extra)[0] is not f):
                    i += 1
                now = shape_of(each)
                if now[0] == shape[0]:
                    raise CaptureError(f"{self.lines[i]}: an array is of {now[1]} here, and was of {shape[1]} when it was "
                                       "captured: a dtype that depends on data, which a replay cannot have. Give it one with "
                                       "astype")
                raise CaptureError(f"{self.lines[i]}: an array has the shape {now[0]} here, and had {shape[0]} when it was "
                                   "captured: a shape that depends on data, which a replay cannot have. Multiply by the mask, "
                                   "use where(), or leave it outside of the captured function")
        return 0

    # ---- what leaves

    cdef int more_room(self) except -1:
        cdef Py_ssize_t room = 2 * self.left_room + 4
        cdef PyObject **longer = <PyObject **> realloc(self.left, <size_t> room * sizeof(PyObject *))
        if longer == NULL:
            raise MemoryError()
        self.left = longer
        longer = <PyObject **> realloc(self.left_from, <size_t> room * sizeof(PyObject *))
        if longer == NULL:
            raise MemoryError()
        self.left_from = longer
        self.left_room = room
        return 0

    cpdef Variable leave(self, Variable v):
        """A Variable for the user with v's value, its memory included; v itself where it is not the plan's, and the argument that
        it stands for."""
        if not self.addresses.has(<PyObject *> v):
            return v
        if self.passed and <size_t> <void *> v in self.passed:
            return self.passed[<size_t> <void *> v]
        return self.left_as(v)

    cdef Variable left_as(self, Variable v):
        """The same for one of the plan's."""
        cdef Variable h
        cdef Py_ssize_t k
        cdef object a
        for k in range(self.nleft):
            if self.left_from[k] == <PyObject *> v:
                return <Variable> self.left[k]
        h = new_variable(v.era)
        if v.v.p != NULL:
            dz_raw_move(&h.v, &v.v)
        elif self.fixed.has(<PyObject *> v):        # and nobody fills it again
            a = v._data.copy() if cnp.PyArray_Check(v._data) else v._data
            h._data = a
        else:
            a = v._data
            h._data = a
            v._data = None
        h._name = v._name
        if v._creator is not None:
            h._creator = replayed_function
            h.gen = v.gen
        if self.nleft == self.left_room:
            self.more_room()
        Py_INCREF(h)
        self.left_from[self.nleft], self.left[self.nleft] = <PyObject *> v, <PyObject *> h
        self.nleft += 1
        if v.gstate != G_NONE:      # of a result, kept by retain_grad; it may be v itself
            a = grad_variable(v)
            h._grad = self.leave(<Variable> a) if isinstance(a, Variable) else a
            h.gstate = G_SHOWN
        return h

    # ---- arguments

    def give(self, Variable stand not None, Variable v not None):
        """Moves v's value and gradient to `stand`."""
        given_to(self, stand, v)

    def take_back(self, Variable stand not None, Variable v not None):
        """Moves them back."""
        taken_back(self, stand, v)

    def listing(self):
        """(kind, operation, file and line) of each instruction."""
        cdef Py_ssize_t i
        cdef list out = []
        for i in range(self.n):
            name = "" if self.code[i].f == NULL else type(<object> self.code[i].f).__name__
            out.append((NAMES[self.code[i].kind], name, self.lines[i]))
        return out


include "_replay.pxi"
include "_told.pxi"


cdef object parameters_key(object given):
    return [(type(o), repr(o)) for o in given]


# NumPy's functions whose result every processor rounds alike, which the kernels' is to the bit (but for the sign of a nan).
EXACT = {"add": DZ_OP_ADD, "subtract": DZ_OP_SUB, "multiply": DZ_OP_MUL, "divide": DZ_OP_DIV, "negative": DZ_OP_NEG,
         "absolute": DZ_OP_ABS, "sqrt": DZ_OP_SQRT, "square": DZ_OP_SQUARE, "reciprocal": DZ_OP_RECIPROCAL}


cdef Function operation_of(Function f, list xs, tuple before, object value, decode):
    """NumPy's function of arrays f as an operation on the Variables xs, where its kernel gives the same bits: of whole arrays of
    one dtype, and Python's numbers beside them. before: the Variables of the trace; value: what it gave, or is written to."""
    cdef Function g
    cdef dz_view w
    cdef list operands
    cdef object o, a
    cdef int op
    if type(f) is not Applied or not cnp.PyArray_Check(value) or not dz_view_object(<PyObject *> value, &w) or w.nd == 0:
        return None
    what, told_operands = decode(f.given)
    if what not in EXACT or what == "reciprocal" or not told_operands:      # which a kernel's flags are named a division for
        return None
    operands = []
    for o in told_operands:
        if isinstance(o, tuple):
            a = data_of(before[o[0]])
            if not cnp.PyArray_Check(a) or a.dtype != value.dtype:
                return None
            operands.append(xs[o[0]])
        elif (type(o) is float or type(o) is int or type(o) is bool or np.result_type(value.dtype, o) == value.dtype) \
                and abs(float(o)) <= np.finfo(value.dtype).max:
            operands.append(wrap(float(o), w.dt, ERA_CORE))
        else:       # a wider dtype, in which NumPy computes; or nan, infinity, and what is no number of this dtype
            return None
    op = EXACT[what]
    g = operation(op)
    if g.op != op or len(operands) != dz_ops[op].nin:
        return None
    set_inputs(g, tuple(operands))
    return g


cdef bint in_c_order(Function g) except -1:
    """Whether the operands lie in C order, in which NumPy's result lies then, too."""
    cdef dz_view w
    return view(g.in0, &w) and w.strides == NULL and (g.nin < 2 or view(g.in1, &w) and w.strides == NULL)


cdef bint as_numpy(Function g, Variable y) except -1:
    """Gives y g's value; False where NumPy may have something to say: it looks at underflow, too, if it is told to."""
    dz_under_clear()
    try:
        evaluate_again(g, y)
    except Exception:       # of what a flag is made into; NumPy's function says it, having done what it does before
        return False
    return not dz_under_test()


cdef bint write_into(Function g, Variable target, Variable room) except -1:
    """Writes g's value, computed in `room`, to the target's array. False, having changed nothing, where NumPy is to do it: what
    is large, lies otherwise, or cannot be written to."""
    cdef dz_view w, v
    if not view(target, &w) or w.strides != NULL or w.size > INTO_MOST \
            or target.v.p == NULL and not (type(target._data) is cnp.ndarray and cnp.PyArray_ISWRITEABLE(target._data)):
        return False
    set_data_array(room, None)
    if not as_numpy(g, room) or not view(target, &w) or not view(room, &v) or v.strides != NULL or w.strides != NULL \
            or v.dt != w.dt or not dz_same_shape(&v, &w):
        return False
    memcpy(<char *> w.p, v.p, <size_t> (w.size * dz_itemsize(w.dt)))
    return True


cdef inline PyObject *owned(object o) noexcept:
    if o is None:
        return NULL
    Py_INCREF(o)
    return <PyObject *> o


cdef list inputs(Function f):
    return list(f.rest) if f.rest is not None else [f.arg(k) for k in range(f.nin)]


cdef bint has_shape(object a, tuple expected) except -1:
    """Whether an array, or a scalar, has a shape and a dtype."""
    cdef tuple shape
    cdef int k
    if not cnp.PyArray_Check(a):
        return shape_of(a) == expected
    shape = <tuple> expected[0]
    if cnp.PyArray_NDIM(a) != len(shape):
        return False
    for k in range(cnp.PyArray_NDIM(a)):
        if cnp.PyArray_DIM(a, k) != <cnp.npy_intp> shape[k]:
            return False
    return <PyObject *> cnp.PyArray_DESCR(a) == <PyObject *> expected[1] or a.dtype == expected[1]


cdef object value_of(Function f):
    """What f's forward gives for its inputs as they are now."""
    cdef list values
    if f.rest is not None:
        values = [data_of(v) for v in f.rest]
    else:
        values = [data_of(f.in0)] if f.nin == 1 else [data_of(f.in0), data_of(f.in1)] if f.nin == 2 \
            else [data_of(f.arg(k)) for k in range(f.nin)]
    if type(f) is Applied and type(f.given) is Template:
        return (<Template> f.given).of(values)
    return f.forward(*values)


cdef list alive(tuple outputs):
    """An operation's outputs, None for one that is gone."""
    return [v if isinstance(v, Variable) else v() for v in outputs]


cdef object several(Variable c, object like):
    """A reference to c, one of several outputs, with the shape and dtype of the reference `like`."""
    cdef object r
    c._data = np.empty(like.shape, like.dtype)
    r = output_reference(c)
    c._data = None
    return r


cdef set array_ids(object o, set found):
    """ids of the arrays among an operation's parameters."""
    if cnp.PyArray_Check(o):
        found.add(id(o))
    elif isinstance(o, (tuple, list)):
        for each in o:
            array_ids(each, found)
    return found


cdef bint is_gradient(PyObject *v, Variable of) noexcept:
    return of.gstate == G_SHOWN and <PyObject *> of._grad == v


cdef int given_to(Plan plan, Variable stand, Variable v) except -1:
    cdef object a = data_of(v) if plan.calls else None      # for somebody's code that looks at v meanwhile
    exchange(stand, v)
    if plan.passed is not None:
        plan.passed[<size_t> <void *> stand] = v
    if a is not None:
        v._data = a
    return 0


cdef int taken_back(Plan plan, Variable stand, Variable v) except -1:
    exchange(v, stand)
    if v.gstate == G_SHOWN and isinstance(v._grad, Variable):
        v._grad = plan.leave(v._grad)
    return 0


cdef int exchange(Variable to, Variable source) except -1:
    """Moves value and gradient."""
    set_data_array(to, None)
    drop_grad(to)
    if source.v.p != NULL:
        dz_raw_move(&to.v, &source.v)
    else:
        to._data = source._data
        source._data = None
    if source.gstate != G_NONE:
        if source.g.p != NULL:
            dz_raw_move(&to.g, &source.g)
        to._grad = source._grad
        source._grad = None
        to.gstate = source.gstate
        source.gstate = G_NONE
    return 0
