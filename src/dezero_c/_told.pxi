# What the events of a trace say, by which two traces are compared (dezero_c/_capture/compare.py). Part of _plan.pyx.
#
# Most events are a few words of 64 bits: what kind, which class, which Variables. Variables are told by the order in which they
# appear, and those from outside by their addresses; numbers by their bits. What else an event says is a Python value in `parts`.

cdef enum:
    T_PART = 1 << 16        # in an event's first word: there is a part,
    T_REST = 1 << 17        # which is all of it
    T_INT = 1 << 18         # the constant is an int
    T_INPUTS = 24           # where the number of inputs is

cdef union Bits:
    double d
    long long word


@cython.final
cdef class Told:
    """What the events of `trace` say. arguments: Variables that count by their place; same(v) stands for others from outside."""
    cdef Trace trace
    cdef long long *words
    cdef Py_ssize_t nwords
    cdef Py_ssize_t *starts     # of each event's words, and their end
    cdef int *line              # of each event
    cdef Py_ssize_t n
    cdef list parts
    cdef list lines
    cdef Numbers held           # classes and Variables whose addresses are in `words`: places in `kept`
    cdef list kept
    cdef int *order             # of nodes in their appearance, from 1 on, arguments from -1 down; 0: not yet
    cdef int count
    cdef object same

    def __cinit__(self, Trace trace not None, arguments, same):
        cdef Py_ssize_t k
        cdef int node
        self.parts, self.kept, self.held, self.trace, self.same = [], [], Numbers(), trace, same
        self.lines = trace.lines
        arguments = list(arguments)
        numbers = [trace.number(v) for v in arguments]
        self.n = trace.n
        self.words = <long long *> calloc(3 * trace.n + trace.noperands + 1, sizeof(long long))
        self.starts = <Py_ssize_t *> calloc(trace.n + 1, sizeof(Py_ssize_t))
        self.line = <int *> calloc(trace.n + 1, sizeof(int))
        self.order = <int *> calloc(trace.nnodes + 1, sizeof(int))
        if self.words == NULL or self.starts == NULL or self.line == NULL or self.order == NULL:
            raise MemoryError()
        for k in range(len(numbers) - 1, -1, -1):
            node = numbers[k]
            self.order[node] = -1 - <int> k
        self.count = len(set(numbers))

    def __dealloc__(self):
        free(self.words)
        free(self.starts)
        free(self.line)
        free(self.order)

    def __len__(self):
        return self.n

    def tell_all(self, rest):
        """Makes words and parts. rest(event) tells of rare events, by `number` and `new`."""
        cdef Py_ssize_t k
        for k in range(self.n):
            self.starts[k], self.line[k] = self.nwords, self.trace.log[k].line
            self.tell(k, &self.trace.log[k], rest)
        self.starts[self.n] = self.nwords

    def finish(self):
        """The last step: the trace is let go of."""
        self.trace = None
        free(self.order)
        self.order = NULL

    def number(self, Variable v not None):
        """v's, as one that has appeared; None for one that has not."""
        cdef int k = self.trace.find(v)
        return None if k < 0 or self.order[k] == 0 else self.order[k]

    def new(self, Variable v not None):
        """v appears."""
        cdef int k = self.trace.find(v)
        if k >= 0:
            self.appears(k)

    cdef void appears(self, int k) noexcept:
        self.count += 1
        self.order[k] = self.count

    cdef int put(self, long long word) except -1:
        self.words[self.nwords] = word
        self.nwords += 1
        return 0

    cdef int put_object(self, object o) except -1:
        """A class, or a Variable from outside."""
        if self.held.find(<void *> o) < 0:
            self.held.put(<void *> o, len(self.kept))
            self.kept.append(o)
        return self.put(<long long> <size_t> <void *> o | 1)

    cdef int put_node(self, int k) except -1:
        if self.order[k] != 0:
            return self.put(2 * <long long> self.order[k])
        return self.put_object(self.trace.variable(k))

    cdef int tell(self, Py_ssize_t k, Event *e, rest) except -1:
        """The words and parts of an event."""
        cdef Function f
        cdef Bits bits
        cdef Event *called
        cdef long long first = e.kind | e.flag << 8
        cdef int i, at = <int> self.nwords
        if e.kind == E_OP:
            f = <Function> e.o
            if e.nout == 0 and f.attrs == NULL and is_exact(f) and not f.general_params:
                self.put(first | <long long> e.nin << T_INPUTS)
                self.put_object(type(f))
                for i in range(e.nin):
                    self.put_node(self.trace.operands[e.first + i])
                if f.given is not None:
                    self.words[at] |= T_PART
                    self.parts.append(parameters_key(f.given))
                self.appears(e.v)
                return 0
        elif e.kind == E_STEP:
            called = e if e.w < 0 else &self.trace.log[e.w]
            self.put(first | <long long> called.nin << T_INPUTS)
            self.put_object(type(<object> e.o))
            if e.w < 0:
                for i in range(e.nin):
                    self.put_node(self.trace.operands[e.first + i])
            else:
                self.put(e.w)       # the event says the rest
            return 0
        elif e.kind == E_CONST and e.o != NULL and type(<object> e.o) is float:
            bits.d = <object> e.o
            if bits.d != bits.d:
                bits.d = np.nan
            self.appears(e.v)
            self.put(first)
            return self.put(bits.word)
        elif e.kind == E_CONST and e.o != NULL and type(<object> e.o) is int and -1 << 60 < <object> e.o < 1 << 60:
            self.appears(e.v)
            self.put(first | T_INT)
            return self.put(<object> e.o)
        elif e.kind == E_GRAD and e.w < 0 and e.o == NULL:
            self.put(first)
            return self.put_node(e.v)
        self.put(first | T_PART | T_REST)
        self.parts.append(rest(self.trace.event(k)))
        return 0

    # ---- comparison

    cdef bint same_event(self, Py_ssize_t k, Py_ssize_t part, Told other) except -1:
        """Whether event k is the same in both, whose part is the same number of parts in."""
        cdef Py_ssize_t n = self.starts[k + 1] - self.starts[k]
        if self.starts[k] != other.starts[k] or n != other.starts[k + 1] - other.starts[k] \
                or memcmp(&self.words[self.starts[k]], &other.words[other.starts[k]], n * sizeof(long long)) != 0:
            return False
        return not self.words[self.starts[k]] & T_PART or self.parts[part] == other.parts[part]

    def first_difference(self, Told other not None):
        """(number, what it is here, what it is in `other`) of the first event that is another there, None for one that is not
        there; None where all are the same."""
        cdef Py_ssize_t k, part = 0
        if self.n == other.n and self.nwords == other.nwords \
                and memcmp(self.words, other.words, self.nwords * sizeof(long long)) == 0 and self.parts == other.parts:
            return None
        for k in range(min(self.n, other.n)):
            if not self.same_event(k, part, other):
                return k, self.event(k, part), other.event(k, part)
            part += (self.words[self.starts[k]] & T_PART) != 0
        if self.n == other.n:
            return None
        return (k := min(self.n, other.n)), self.event(k, part) if k < self.n else None, \
            other.event(k, part) if k < other.n else None

    def line_of(self, Py_ssize_t k):
        """The user's file and line of event k."""
        return self.lines[self.line[k]]

    cdef object named(self, long long word):
        """The class or Variable of a word, or a Variable's number, as people are told of it."""
        return self.same(self.kept[self.held.find(<void *> <size_t> (word & ~1))]) if word & 1 else word // 2

    cdef list event(self, Py_ssize_t k, Py_ssize_t part):
        """What event k says, for people. part: the number of parts before."""
        cdef long long *w = &self.words[self.starts[k]]
        cdef int kind = w[0] & 0xff, flag = w[0] >> 8 & 0xff, n = <int> (w[0] >> T_INPUTS), i
        cdef Bits bits
        if w[0] & T_REST:
            told = self.parts[part]
            return list(told) if isinstance(told, (tuple, list)) else [told]
        if kind == E_CONST:
            bits.word = w[1]
            return ["const", w[1] if w[0] & T_INT else bits.d]
        if kind == E_GRAD:
            return ["grad", self.named(w[1])]
        if kind == E_STEP:
            return ["step", self.named(w[1]), flag != 0]
        found = ["op", self.named(w[1]), self.parts[part] if w[0] & T_PART else None]
        found += [self.named(w[2 + i]) for i in range(n)]
        return found + ["without a graph" if not flag & WITH_GRAPH else None, "in test mode" if not flag & IN_TRAINING else None,
                        "inside a rule" if flag & INSIDE else None]
