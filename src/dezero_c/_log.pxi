# The log of a traced call: its events in order, its nodes by numbers, the user's lines. What is written down when says
# _trace.pxi; _plan.pyx and _machine.pyx read it. Part of _core.pyx.
#
# An event is a C struct and a node a number, since a call may have a million of them: tuples would be looked through by the
# garbage collector again and again while the call runs, and a dictionary would be asked of every operand by everyone who reads.

from libc.stdlib cimport calloc, free, realloc

cdef extern from *:
    """
    #include <frameobject.h>
    #define dz_frame() ((PyObject *)PyEval_GetFrame())
    #define dz_frame_back(F) ((PyObject *)PyFrame_GetBack((PyFrameObject *)(F)))
    #define dz_frame_code(F) ((PyObject *)PyFrame_GetCode((PyFrameObject *)(F)))
    #define dz_frame_place(F) PyFrame_GetLasti((PyFrameObject *)(F))
    """
    PyObject *PyEval_GetFrame "dz_frame" ()                     # borrowed; NULL without one
    PyObject *PyFrame_GetBack "dz_frame_back" (PyObject *)      # owned; NULL for the outermost
    object PyFrame_GetCode "dz_frame_code" (PyObject *)
    int PyFrame_GetLasti "dz_frame_place" (PyObject *)

cdef extern from "Python.h":
    void Py_XDECREF(PyObject *)

cdef object LOCATIONS = ("dezero_c", "numpy")      # packages whose lines are not the user's

cdef tuple EVENTS = ("op", "alive", "effect", "const", "new", "data", "set", "seed", "step", "show", "grad", "grad read", "call",
                     "pinned", "branch")    # names of kinds


cdef void *more_room(void *old, Py_ssize_t *room, Py_ssize_t n, size_t size) except NULL:
    """Memory for at least n items, twice as much as before; room: for how many there is some."""
    cdef Py_ssize_t wanted = max(n, 2 * room[0], 64)
    cdef void *found = realloc(old, <size_t> wanted * size)
    if found == NULL:
        raise MemoryError()
    room[0] = wanted
    return found


@cython.final
cdef class Numbers:
    """A number for each of some objects, by their addresses."""

    def __dealloc__(self):
        free(self.table)

    cdef Py_ssize_t find(self, const void *o) noexcept:
        """Its number; -1 for none."""
        cdef size_t key = <size_t> o
        cdef Py_ssize_t k
        if self.table == NULL:
            return -1
        k = <Py_ssize_t> ((key >> 4) ^ (key >> 17)) & self.mask
        while self.table[k].key != 0:
            if self.table[k].key == key:
                return self.table[k].number
            k = (k + 1) & self.mask
        return -1

    cdef int put(self, const void *o, Py_ssize_t number) except -1:
        """Gives it a number, in place of one that it may have."""
        cdef Numbered *old = self.table
        cdef Numbered *found
        cdef Py_ssize_t i, room = 0 if old == NULL else self.mask + 1
        cdef Py_ssize_t more = 128 if room == 0 else 4 * room if room < 65536 else 2 * room
        if 2 * (self.n + 1) > room:
            self.table = <Numbered *> calloc(<size_t> more, sizeof(Numbered))
            if self.table == NULL:
                self.table = old
                raise MemoryError()
            self.mask = more - 1
            for i in range(room):
                if old[i].key != 0:
                    self.at(old[i].key).number = old[i].number
            free(old)
        found = self.at(<size_t> o)
        self.n += found.number < 0
        found.number = number
        return 0

    cdef Numbered *at(self, size_t key) noexcept:
        """Its place; with the number -1 where it had none."""
        cdef Py_ssize_t k = <Py_ssize_t> ((key >> 4) ^ (key >> 17)) & self.mask
        while self.table[k].key != key:
            if self.table[k].key == 0:
                self.table[k].key, self.table[k].number = key, -1
                break
            k = (k + 1) & self.mask
        return &self.table[k]


@cython.no_gc_clear     # the destructor needs what it holds
cdef class Trace:
    """What one call did, in order. As `events` tells it, each event is a tuple: its kind, what it is about, the user's line.

    ("op", f, inputs, outputs, modes, inside)   f gave outputs (references where there are several); modes: 1 for the graph, 2 for
                                         training; inside: a rule of the library's did it
    ("alive", f, outputs)                those of several outputs that were there when f's step backwards came
    ("effect", f, inputs)                f changed the first input's array in place
    ("const", v, value)                  an operand that was no Variable
    ("new", v, value)                    Variable(value)
    ("data", v, x, made)                 v has x's data; made: by Variable(x.data), else by v.data = x.data
    ("set", v, value)                    v.data = value
    ("seed", v, flag)                    a walk starts from v and its gradient, which are ones where there was none (flag & 1)
    ("step", f, keep)                    f's inputs have got their gradients, without a graph
    ("show", v, g)                       v's gradient has become the Variable g
    ("grad", v, g)                       v's gradient is g, or None
    ("grad read", v, g)                  somebody asked for it
    ("call", function)                   function() ran untraced
    ("pinned", v)                        v's array itself was handed to an operation
    ("branch", v, truth)                 the user's code goes on as it does where v is true, or is not

    born: ids of Variables that were made while tracing. before_set: the data that a Variable had before it was given other, by
    id. on_read: called with (v, what, where) before a look at a value. refused: why there can be no plan, or None. inside: a rule
    of the library's runs, whose arrays are made from values. watch: who is told instead, at once, or None. failed: where an
    operation has raised, or None. error: the first one for which there can be no plan.
    """

    def __cinit__(self):
        self.numbers, self.functions = Numbers(), Numbers()
        self.lines, self.places, self.before_set, self.versions, self.attributes = [], {}, {}, {}, {}
        self.shapes = {}

    def __dealloc__(self):
        self.forget()
        free(self.log)
        free(self.operands)
        free(self.nodes)
        free(self.born_at)

    def __len__(self):
        return self.n

    def attributes_of(self, f):
        """The instance attributes that f had before its forward ran, {name: object}."""
        return self.attributes.get(<size_t> <void *> f, f.__dict__)

    cdef int forget(self) except -1:
        """Lets go of events and nodes."""
        cdef PyObject *o
        cdef PyObject *several
        while self.n > 0:
            self.n -= 1
            o, several = self.log[self.n].o, self.log[self.n].several
            Py_XDECREF(several)
            Py_XDECREF(o)
        while self.nnodes > 0:
            self.nnodes -= 1
            Py_XDECREF(self.nodes[self.nnodes])
        self.noperands = 0
        self.numbers, self.functions = Numbers(), Numbers()
        self.attributes.clear()
        self.shapes.clear()
        return 0

    # ---- nodes

    cdef int node(self, PyObject *v, bint born) except -1:
        """A number for v, which has none."""
        cdef Py_ssize_t room = self.nodes_room
        if self.nnodes == room:
            self.nodes = <PyObject **> more_room(self.nodes, &room, room + 1, sizeof(PyObject *))
            room = self.nodes_room
            self.born_at = <unsigned char *> more_room(self.born_at, &room, room + 1, 1)
            self.nodes_room = room
        if born:
            (<Variable> v).number = self.nnodes
        else:       # which may be in several logs
            self.numbers.put(v, self.nnodes)
        Py_INCREF(<object> v)
        self.nodes[self.nnodes] = v
        self.born_at[self.nnodes] = born
        self.nnodes += 1
        return self.nnodes - 1

    cdef int find(self, Variable v) noexcept:
        """v's number; -1 where the log does not know it."""
        cdef Py_ssize_t k = v.number
        if k < self.nnodes and (self.nodes[k] == <PyObject *> v or self.find_output(v, k) >= 0):
            return <int> k
        k = self.numbers.find(<void *> v)
        return <int> k if k >= 0 and self.nodes[k] == <PyObject *> v else self.find_output(v, k)

    cdef Py_ssize_t first_call(self, Function f) noexcept:
        """The event that called f first; -1 for none."""
        cdef Py_ssize_t k = f.number
        return k if k < self.n and self.log[k].o == <PyObject *> f and self.log[k].kind in (E_OP, E_EFFECT) \
            else self.functions.find(<void *> f)

    cdef int find_output(self, Variable v, Py_ssize_t k) noexcept:
        """The same of one of several outputs, whose place may have been given to another since."""
        return <int> k if k >= 0 and referred(self.nodes[k]) == <PyObject *> v else -1

    cdef int number(self, Variable v) except -1:
        """v's number, which it gets as one from outside where it has none."""
        cdef int k = self.find(v)
        return k if k >= 0 else self.node(<PyObject *> v, False)

    cdef bint is_born(self, Variable v) noexcept:
        """Whether v was made while tracing."""
        cdef int k = self.find(v)
        return k >= 0 and self.born_at[k]

    cdef Variable variable(self, int k):
        """The node with a number; None for one of several outputs that is gone."""
        cdef object o
        if k < 0:
            return None
        o = <object> self.nodes[k]
        return <Variable> o if isinstance(o, Variable) else o()

    # ---- events

    cdef Event *add(self, int kind, int flag, object o) except NULL:
        """A new event; o: what it is about beside nodes."""
        cdef Event *e
        cdef int line = self.line()
        if self.n == self.room:
            self.log = <Event *> more_room(self.log, &self.room, self.n + 1, sizeof(Event))
        e = &self.log[self.n]
        e.kind, e.flag, e.line, e.v, e.w, e.nin, e.nout = <unsigned char> kind, <unsigned char> flag, line, -1, -1, 0, 0
        e.first, e.several, e.o = self.noperands, NULL, NULL
        if o is not None:
            Py_INCREF(o)
            e.o = <PyObject *> o
        self.n += 1
        return e

    cdef int add_operand(self, int k) except -1:
        """Appends to what the last event works on."""
        if self.noperands == self.operands_room:
            self.operands = <int *> more_room(self.operands, &self.operands_room, self.noperands + 1, sizeof(int))
        self.operands[self.noperands] = k
        self.noperands += 1
        return 0

    cdef int operation(self, int kind, int flag, Function f, Variable y, tuple several) except -1:
        """f, on its inputs, gave y, or several outputs; or did something to its first input (neither)."""
        cdef Event *e
        cdef Variable x
        cdef int k, n = 0
        cdef Py_ssize_t at = self.noperands
        if f.rest is None:
            for k in range(f.nin):
                x = f.in0 if k == 0 else f.in1 if k == 1 else f.in2
                self.add_operand(self.number(x))
            n = f.nin
        else:
            for x in f.rest:
                self.add_operand(self.number(x))
            n = <int> len(f.rest)
        k = -1
        if y is not None:
            k = self.number(y)
        elif several is not None:
            for o in several:
                self.add_operand(self.several_output(o))
        if self.first_call(f) < 0:
            if f.number:        # of another trace, which may be under way
                self.functions.put(<void *> f, self.n)
            else:
                f.number = <int> self.n
        e = self.add(kind, flag, f)
        e.first, e.nin, e.v = at, n, k
        if several is not None:
            Py_INCREF(several)
            e.several = <PyObject *> several
            e.nout = <int> len(several)
        return 0

    cdef int step(self, Function f, bint keep) except -1:
        """f's inputs have got their gradients."""
        cdef Py_ssize_t at = self.noperands, called = self.first_call(f)
        cdef Event *e
        if called < 0:
            for x in function_inputs(f):
                self.add_operand(self.number(x))
        e = self.add(E_STEP, keep, f)
        e.first, e.nin, e.w = at, <int> (self.noperands - at), <int> called
        return 0

    cdef int several_output(self, object o) except -1:
        """The number of one of several outputs, or of one that a reference stands for: that must go as it would, since rules ask
        whether it is there."""
        cdef Variable y
        cdef int k
        cdef PyObject *old
        if isinstance(o, Variable):
            return self.number(<Variable> o)
        y = o()
        k = self.number(y)
        old = self.nodes[k]
        Py_INCREF(o)
        self.nodes[k], self.born_at[k] = <PyObject *> o, False
        Py_XDECREF(old)
        return k

    cdef list inputs_of(self, const Event *e):
        """The Variables that it works on."""
        return [self.variable(self.operands[e.first + k]) for k in range(e.nin)]

    cdef tuple outputs_of(self, const Event *e):
        """What an operation gave: a Variable, or several as they were logged."""
        return <tuple> <object> e.several if e.several != NULL else (self.variable(e.v),)

    cdef str line_of(self, const Event *e):
        """The user's file and line."""
        return self.lines[e.line]

    cdef tuple event(self, Py_ssize_t k):
        """Event k as a tuple."""
        cdef Event *e = &self.log[k]
        cdef object o = None if e.o == NULL else <object> e.o
        cdef tuple told
        if e.kind == E_OP:
            told = o, tuple(self.inputs_of(e)), self.outputs_of(e), e.flag & (WITH_GRAPH | IN_TRAINING), (e.flag & INSIDE) != 0
        elif e.kind == E_ALIVE:
            told = o, <object> e.several
        elif e.kind == E_EFFECT:
            told = o, tuple(self.inputs_of(e))
        elif e.kind == E_CONST or e.kind == E_NEW or e.kind == E_SET:
            told = self.variable(e.v), o
        elif e.kind == E_DATA:
            told = self.variable(e.v), self.variable(e.w), e.flag != 0
        elif e.kind == E_SEED:
            told = self.variable(e.v), <int> e.flag
        elif e.kind == E_PINNED:
            told = self.variable(e.v),
        elif e.kind == E_STEP:
            told = o, e.flag != 0
        elif e.kind == E_CALL:
            told = o,
        elif e.kind == E_BRANCH:
            told = self.variable(e.v), e.flag != 0
        else:
            told = self.variable(e.v), self.variable(e.w) if e.w >= 0 else o
        return EVENTS[e.kind], *told, self.line_of(e)

    @property
    def events(self):
        """The events, as tuples."""
        return [self.event(k) for k in range(self.n)]

    @property
    def born(self):
        """ids of Variables that were made while tracing."""
        return {<size_t> self.nodes[k] for k in range(self.nnodes) if self.born_at[k]}

    # ---- lines

    cdef int line(self) except -1:
        """The number of the user's line: the innermost one that is not the library's. It is asked at each event, mostly by the
        same places, which are kept."""
        cdef PyObject *found = PyEval_GetFrame()
        cdef object frame, code
        cdef Place *at
        cdef int lasti
        frame = <object> found if found != NULL else None
        while frame is not None:
            code = PyFrame_GetCode(<PyObject *> frame)
            lasti = PyFrame_GetLasti(<PyObject *> frame)
            at = &self.near[(<size_t> <void *> code >> 4 ^ <size_t> lasti * 7) % NEAR]
            if at.code != <void *> code or at.lasti != lasti:
                self.look(at, frame, code, lasti)
            if at.line >= 0:
                return at.line
            found = PyFrame_GetBack(<PyObject *> frame)
            if found == NULL:
                break
            frame = <object> found
            Py_DECREF(frame)
        return self.line_by("?")

    cdef int look(self, Place *at, object frame, object code, int lasti) except -1:
        """What a place in code is; a line of -1 for one of the library's."""
        cdef size_t key = <size_t> <void *> code
        cdef tuple known = self.places.get(key)
        cdef int line = -1
        if known is None:
            ours = str(frame.f_globals.get("__name__", "")).partition(".")[0] in LOCATIONS
            known = self.places[key] = code, ours       # which has it live, and so be the only one there
        if not known[1]:
            number = self.places.get((key, lasti))
            if number is None:
                number = self.places[key, lasti] = self.line_by(f"{code.co_filename}:{frame.f_lineno}")
            line = number
        at.code, at.lasti, at.line = <void *> code, lasti, line
        return 0

    cdef int line_by(self, str told) except -1:
        """Its number."""
        number = self.places.get(told)
        if number is None:
            number = self.places[told] = len(self.lines)
            self.lines.append(told)
        return number


cdef PyObject *referred(PyObject *o) noexcept:
    """What a reference to one of several outputs refers to, borrowed; NULL where it is gone, or no reference."""
    cdef object v
    if isinstance(<object> o, Variable):
        return NULL
    v = (<object> o)()
    return NULL if v is None else <PyObject *> v
