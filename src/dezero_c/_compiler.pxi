# How a trace becomes a tape: `Compiler.follow` takes one line after the other. What an operation other than the table's is to
# the tape says `computed` (its value) and `passed_back` (its inputs' gradients), or _works.pxi, for those that are calls of a
# family's kernel, and for float32. Part of _machine.pyx.

cdef object no(str line, str what):
    """What stands in the way, and where."""
    return NotNative(f"{line}: {what}")


@cython.final
@cython.no_gc       # nothing that it has leads back to it
cdef class Cell:
    """A value that Variables and gradients have, those that share an array the same one: where it is now on the tape. A place
    of one float64 number may stand for an array whose elements are all the same."""
    cdef dz_place place
    cdef tuple shape
    cdef int size, dt       # dt: DZ_F64, DZ_F32, or LABELS
    cdef bint scalar        # in the eager call a NumPy scalar, which nobody can write to
    cdef bint fixed         # an array that is not the call's own, or read-only: neither written to nor given away
    cdef bint truth         # a comparison's: true or false, and no number
    cdef int home           # the Variable from outside whose array it is, by number, or -1
    cdef int holders        # how many that are left after the call have it
    cdef Cell base          # it is a view of this one's array
    cdef int writes, seen   # how often its array was written to; its base's, when it was made

    cdef Cell root(self):
        """The cell whose array it lies in."""
        return self if self.base is None else self.base


cdef Cell cell_at(dz_place place, tuple shape, int size, bint scalar, int dt):
    """A value of a shape at a place."""
    cdef Cell c = Cell.__new__(Cell)
    c.place, c.shape, c.size, c.scalar, c.dt = place, shape, size, scalar, dt
    c.home = -1
    return c


cdef inline bint same(tuple a, tuple b) except -1:
    """Whether two shapes are equal."""
    return a is b or a == b


# NumPy's comparisons, in the order of the machine's.
cdef tuple COMPARISONS = ("less", "less_equal", "greater", "greater_equal", "equal", "not_equal")


cdef inline bint is_number(Cell c) noexcept:
    """Whether it is one float64 number without axes."""
    return c.dt == DZ_F64 and PyTuple_GET_SIZE(<PyObject *> c.shape) == 0


@cython.final
cdef class Outside:
    """A Variable, or an array that is an argument or an operand, from outside of the call: what is read and what is changed."""
    cdef Variable v
    cdef int node           # v's in the log, or -1
    cdef int position       # among the arguments, or -1
    cdef bint array         # the argument is an ndarray
    cdef bint bare          # it must have no gradient when the call begins
    cdef Cell own           # its value, and what is written to its array
    cdef dz_place place     # of the value when the call begins, or -1 where it is not read
    cdef bint changed       # its array is written to
    cdef Cell given         # the value that it is given by `v.data = ...`

    def __cinit__(self):
        self.node = self.position = self.place = -1


ctypedef struct Node:       # of the log, as far as the tape has come
    PyObject *cell          # its value, owned; NULL: not known yet
    PyObject *gradient      # its gradient, owned; NULL: none
    int shown               # the node that its gradient is, whose value counts then, from 1 on; 0: none
    bint touched            # its gradient is known
    int outside             # its number among those from outside, from 1 on; 0: it is none


cdef int room_for(tuple shape, int dt=DZ_F64) except -1:
    """The number of elements of an array that the machine has room for; 0 for any other."""
    cdef Py_ssize_t n = 1, length, most
    if PyTuple_GET_SIZE(<PyObject *> shape) == 0:
        return 1
    if len(shape) > DZ_RAWDIM:
        return 0
    most = DZ_WIDEST * sizeof(double) // item_of(dt)
    for length in shape:
        if length == 0 or n * length > most:
            return 0
        n *= length
    return <int> n


cdef bint plain_index(object index):
    """An index of ints, slices of ints, None and Ellipsis: a view."""
    for i in index if type(index) is tuple else (index,):
        if type(i) is slice:
            if not all([j is None or type(j) is int for j in (i.start, i.stop, i.step)]):
                return False
        elif type(i) is not int and i is not None and i is not Ellipsis:
            return False
    return True


# Elementwise operations that are given one number for an array of equal ones: no loop of theirs knows it from an array.
cdef frozenset EVENLY = frozenset([DZ_OP_ADD, DZ_OP_SUB, DZ_OP_MUL, DZ_OP_DIV, DZ_OP_NEG])


@cython.final
cdef class Compiler:
    """What is known so far of the Variables of a trace, by their numbers in its log."""
    cdef dz_tape *tape
    cdef Trace trace
    cdef Node *nodes
    cdef Py_ssize_t room
    cdef dict bare
    cdef list outside
    cdef object decode
    cdef set copied
    cdef bint numpy         # it computes with data by NumPy's functions
    cdef bint works         # or with what is no instruction
    cdef Py_ssize_t steps   # operations, forward and backward
    cdef list updates       # optimizers that are to update their parameters at the end,
    cdef list cleared       # and Variables whose gradients are taken away after that
    cdef list branches      # (the place of a number, whether it is to be true, the user's line)

    def __dealloc__(self):
        cdef Py_ssize_t k
        for k in range(self.room):
            Py_XDECREF(self.nodes[k].cell)
            Py_XDECREF(self.nodes[k].gradient)
        free(self.nodes)

    cdef Node *at(self, int k) except NULL:
        """What is known of a node."""
        cdef Node *more
        cdef Py_ssize_t room
        if k < self.room:
            return &self.nodes[k]
        room = max(k + 1, self.trace.nnodes, 2 * self.room)
        more = <Node *> realloc(self.nodes, room * sizeof(Node))
        if more == NULL:
            raise MemoryError()
        memset(more + self.room, 0, (room - self.room) * sizeof(Node))
        self.nodes, self.room = more, room
        return &self.nodes[k]

    # ---- cells

    cdef Cell new(self, dz_place place, tuple shape, line, bint scalar=False, int dt=DZ_F64):
        """A value of a shape at a place."""
        cdef int size = room_for(shape, dt)
        if place == DZ_NO_INSTRUCTION:
            raise no(line, "a function of two numbers, given an array and a number")
        if place < 0:
            raise MemoryError()
        if not size:
            raise too_large(line, shape)
        return cell_at(place, shape, size, scalar, dt)

    cdef Cell view_of(self, Cell c, dz_place place, tuple shape, line):
        """What shares the array of c."""
        cdef Cell v = self.new(place, shape, line, False, c.dt)
        v.base, v.fixed = c.root(), c.fixed
        v.seen = v.base.writes
        return v

    cdef dz_place full(self, Cell c):
        """c's place with all its elements."""
        if c.dt != DZ_F64:
            return c.place
        return tapes.fill(self.tape, c.place, c.size)

    cdef int number_of(self, int k, line) except -1:
        """The number of a Variable from outside."""
        cdef Node *node = self.at(k)
        cdef Variable v
        if node.outside == 0:
            v = self.trace.variable(k)
            if self.trace.born_at[k]:
                raise no(line, "what a function of dezero_c has made by itself")
            if v.era != ERA_CORE:
                raise no(line, "a Variable of core_simple or chapter1")
            node.outside = 1 + self.append(v, k)
        return node.outside - 1

    cdef int append(self, Variable v, int k) except -1:
        cdef Outside o = Outside()
        o.v, o.node = v, k
        self.outside.append(o)
        return len(self.outside) - 1

    cdef Cell cell(self, int k, line):
        """What a node's value is."""
        cdef Node *node = self.at(k)
        cdef Cell c
        cdef Variable v
        if node.cell != NULL:
            c = <Cell> node.cell
            if c.truth:
                raise no(line, "a comparison of data that is more than a branch")
            if c.base is not None and c.base.writes != c.seen:
                raise no(line, "a part of an array that was written to meanwhile")
            return c
        v = self.trace.variable(k)
        if v is None:
            raise no(line, "one of several results")
        value = self.trace.before_set.get(<size_t> <void *> v, MISSING)
        c = self.input(self.number_of(k, line), data_of(v) if value is MISSING else value, line)
        c.home = self.number_of(k, line)
        self.set_cell(k, c)
        return c

    cdef Cell asked(self, int k, line):
        """The same where it is asked whether it is true."""
        cdef PyObject *known = self.at(k).cell
        return <Cell> known if known != NULL and (<Cell> known).truth else self.cell(k, line)

    cdef int set_cell(self, int k, Cell c) except -1:
        """The node's value is c from now on."""
        cdef Node *node = self.at(k)
        cdef PyObject *old = node.cell
        Py_INCREF(c)
        node.cell = <PyObject *> c
        Py_XDECREF(old)
        return 0

    cdef Cell input(self, int number, object value, line):
        """The value that what is outside has when the call begins."""
        cdef Outside o = self.outside[number]
        cdef dz_view w
        cdef int dt
        if plain_labels(value):
            dt = LABELS
        elif isinstance(value, (np.ndarray, np.float64, np.float32)) and dz_view_object(<PyObject *> value, &w):
            dt = w.dt
            if w.nd > 1 and w.strides != NULL:
                raise no(line, "an array that does not lie in C order")
        else:
            raise no(line, "a value that is no float64 or float32 number or array, and no labels")
        if not room_for(value.shape, dt):
            raise too_large(line, value.shape)
        o.place = tapes.input(self.tape, slots_for(value.size, dt))
        o.own = self.new(o.place, value.shape, line, not cnp.PyArray_Check(value), dt)
        return o.own

    cdef Cell gradient(self, int k, line):
        """What a node's gradient is; None for none."""
        cdef Node *node = self.at(k)
        cdef Outside o
        if node.touched:
            return self.cell(node.shown - 1, line) if node.shown else self.gradient_at(k)
        if node.outside == 0 and (node.cell != NULL or self.trace.born_at[k]):
            return None
        o = self.outside[self.number_of(k, line)]
        if <size_t> <void *> o.v not in self.bare:
            raise no(line, "a gradient that is added to one of an earlier call")
        o.bare = True
        self.nodes[k].touched = True
        return None

    cdef Cell gradient_at(self, int k):
        """The same, where it is known. One that is a Variable is what that has now: the call may have given it other data."""
        cdef Node *node = self.at(k)
        if node.shown:
            return <Cell> self.at(node.shown - 1).cell
        return None if node.gradient == NULL else <Cell> node.gradient

    cdef int set_gradient(self, int k, Cell c, line, int shown=-1) except -1:
        """The node's gradient is c, or none, and the node `shown`."""
        cdef Node *node = self.at(k)
        cdef PyObject *old
        if node.cell == NULL and not self.trace.born_at[k]:
            self.number_of(k, line)
        old, node.gradient = node.gradient, NULL
        if c is not None:
            Py_INCREF(c)
            node.gradient = <PyObject *> c
        node.touched, node.shown = True, shown + 1
        Py_XDECREF(old)
        return 0

    cdef int add_gradient(self, int k, dz_place place, line) except -1:
        """The node's gradient gets, or grows by, what is at a place, in its shape and dtype."""
        cdef Cell xc = self.cell(k, line), old = self.gradient(k, line)
        if old is not None:
            if old.dt != xc.dt or not same(old.shape, xc.shape):
                raise no(line, "a gradient of another shape or dtype than its Variable's")
            if xc.dt == DZ_F64:
                place = tapes.add(self.tape, old.place, place)
            else:
                place = mapped(self, DZ_OP_ADD, [old, self.new(place, xc.shape, line, False, xc.dt)], xc.size, NULL)
        return self.set_gradient(k, self.new(place, xc.shape, line, False, xc.dt), line)

    cdef Cell first(self, Variable v, object value, line):
        """The value that v was made with, from what stands in the code."""
        cdef object a = self.trace.before_set.get(<size_t> <void *> v, MISSING)
        if a is MISSING:        # it has had no other since
            if (type(value) is float or type(value) is int) and v.v.p != NULL and v.v.nd == 0:
                return self.new(number_of(self.tape, (<double *> v.v.p)[0] if v.v.dt == DZ_F64 else (<float *> v.v.p)[0],
                                          v.v.dt), (), line, False, v.v.dt)
            a = data_of(v)
        return self.constant(a, value, line)

    cdef Cell constant(self, object a, object value, line):
        """What a call has from the code: a number, or an array, which is read anew each time where it is not of the call's own
        making. a: `value` as a Variable has it."""
        cdef Cell c
        cdef int dt
        if isinstance(a, (np.ndarray, np.float64, np.float32)) and a.ndim == 0 and a.dtype.char in "df" \
                and not (cnp.PyArray_Check(value) and <size_t> <void *> value not in self.copied):
            dt = DZ_F64 if a.dtype == DOUBLE else DZ_F32
            return self.new(number_of(self.tape, a, dt), (), line, not cnp.PyArray_Check(a), dt)
        if not cnp.PyArray_Check(value) or <size_t> <void *> value in self.copied:
            return self.input(self.append(wrap(a.copy(), -1, ERA_CORE), -1), a, line)
        c = self.input(self.append(wrap(a, -1, ERA_CORE), -1), a, line)
        c.fixed = True
        return c

    # ---- operations

    cdef tuple common(self, list cells, line):
        """The shape of what is computed element by element."""
        cdef Cell c, largest = cells[0]
        for c in cells:
            if c.size > largest.size or (c.size == largest.size and len(c.shape) > len(largest.shape)):
                largest = c
        for c in cells:
            if c.shape != largest.shape and (c.size > 1 or len(c.shape) > len(largest.shape)):
                raise no(line, "arrays of several shapes")
        return largest.shape

    cdef Cell of_numbers(self, int op, const Event *e, const double *params, line):
        """The value of an elementwise operation on numbers alone; None where some operand is none."""
        cdef dz_place places[5]
        cdef dz_place place
        cdef Cell c
        cdef int k
        if e.nin > 3:
            return None
        memset(places, 0, sizeof(places))
        for k in range(e.nin):
            c = self.cell(self.trace.operands[e.first + k], line)
            if not is_number(c):
                return None
            places[k] = c.place
        place = tapes.operation(self.tape, op, 0, places, params)
        return self.new(place, (), line)

    cdef Cell elementwise(self, int op, list cells, const double *params, line, bint scalar=False):
        cdef dz_place places[5]
        cdef tuple shape = self.common(cells, line)
        if self.narrow(cells, line):
            return self.new(mapped(self, op, cells, room_for(shape, DZ_F32), params), shape, line, scalar and not shape, DZ_F32)
        self.spread(op, cells, places)
        return self.new(tapes.operation(self.tape, op, 0, places, params), shape, line, scalar and not shape)

    cdef bint narrow(self, list cells, line) except -1:
        """Whether all are float32; none may be."""
        cdef Cell c
        cdef int n = 0
        for c in cells:
            if c.dt == LABELS:
                raise no(line, "whole numbers that are no labels of a loss")
            n += c.dt == DZ_F32
        if n != 0 and n != len(cells):
            raise no(line, "float32 beside float64")
        return n > 0

    cdef int spread(self, int op, list cells, dz_place *places) except -1:
        """The places of an elementwise operation's operands."""
        cdef Cell c
        cdef int k
        for k, c in enumerate(cells):
            places[k] = c.place if op in EVENLY else self.full(c)
        return 0

    cdef Cell summed(self, Cell c, tuple shape, line):
        """The sum of all elements, in NumPy's order, which begins with 0."""
        if c.dt != DZ_F64:
            return self.new(total(self, c, 1.0), shape, line, False, c.dt)
        if c.size == 1:
            return self.new(tapes.add(self.tape, tapes.number(self.tape, 0.0), c.place), shape, line)
        return self.new(tapes.sum(self.tape, self.full(c)), shape, line)

    cdef tuple part_of(self, object index, tuple shape, line):
        """(offset, step, shape of the part) of the elements that an index names in an array of a shape."""
        if not plain_index(index):
            raise no(line, "an index that is no slice")
        if not room_for(shape, DZ_F32):
            raise too_large(line, shape)
        numbers = np.arange(room_for(shape, DZ_F32)).reshape(shape)[index]
        flat = np.ravel(numbers)
        if flat.size == 0:
            raise no(line, "a part without elements")
        offset, step = int(flat[0]), int(flat[1] - flat[0]) if flat.size > 1 else 1
        if not np.array_equal(flat, offset + step * np.arange(flat.size)):
            raise no(line, "a part whose elements do not lie in steps")
        return offset, step, np.shape(numbers)

    cdef tuple joined(self, Function f, list cells, line):
        """(shape of the whole, [(offset, step) of each part]) of arrays that are joined."""
        cdef Cell c, first = cells[0]
        cdef int n = <int> len(cells), k
        cdef list places = []
        cdef Py_ssize_t total = 0
        if type(f) is Stack:
            for c in cells:
                if c.shape != first.shape:
                    raise no(line, "arrays of several shapes")
            if f.axis == 0 or f.axis == -1 and not first.shape:
                return (n, *first.shape), [(k * first.size, 1) for k in range(n)]
            if len(first.shape) == 1:
                return (first.size, n), [(k, n) for k in range(n)]
        elif f.axis is None or f.axis == 0 or f.axis == -1 and len(first.shape) == 1:
            for c in cells:
                if f.axis is not None and (len(c.shape) != len(first.shape) or c.shape[1:] != first.shape[1:]):
                    raise no(line, "arrays of several shapes")
                places.append((total, 1))
                total += c.size
            return (total,) if f.axis is None else (total * first.shape[0] // first.size, *first.shape[1:]), places
        raise no(line, f"{type(f).__name__} along axis {f.axis}")

    cdef Cell computed(self, Function f, list cells, line):
        """What a function of the library gives of cells, other than an elementwise one."""
        cdef Cell c = cells[0]
        cdef Cell y = value_by_work(self, f, cells, line)
        cdef dz_place place
        kind = type(f)
        if y is not None:
            return y
        if kind is MeanSquaredError:
            y = cells[1]
            if c.shape != y.shape:
                raise no(line, "arrays of several shapes")
            place = self.by(DZ_OP_SUB, c.place, y.place)
            y = self.summed(self.new(self.by(DZ_OP_MUL, place, place), c.shape, line), (), line)
            y.place = self.by(DZ_OP_DIV, y.place, tapes.number(self.tape, c.shape[0] if c.shape else 1))
            return y
        if kind is Stack or kind is Concatenate:
            shape, places = self.joined(f, cells, line)
            if not room_for(shape):
                raise too_large(line, shape)
            place = tapes.number(self.tape, 0.0)
            for c, (offset, step) in zip(cells, places):
                place = self.put(place, room_for(shape), c, offset, step, True)
            return self.new(place, shape, line)
        if kind is Sum or kind is Mean:
            if not (f.axis is None or len(c.shape) == 1 and type(f.axis) is int):
                raise no(line, f"{kind.__name__} along an axis")
            y = self.summed(c, (1,) * len(c.shape) if f.keepdims else (), line)
            if kind is Mean:
                y.place = self.by(DZ_OP_MUL, y.place, tapes.number(self.tape, 1.0 / c.size))
            return y
        if kind is SumTo:
            if room_for(f.shape) != 1:
                raise no(line, "SumTo along an axis")
            return self.summed(c, f.shape, line)
        if kind is BroadcastTo:
            if c.size > 1:
                raise no(line, "BroadcastTo of an array")
            y = self.view_of(c, c.place, f.shape, line)
            y.fixed = True
            return y
        if kind is Reshape:
            return self.view_of(c, c.place, np.empty(c.shape).reshape(f.shape).shape, line)
        if kind is Transpose and len(c.shape) < 2:
            return self.view_of(c, c.place, c.shape, line)
        if kind is GetItem:
            offset, step, shape = self.part_of(f.slices, c.shape, line)
            return self.view_of(c, tapes.part(self.tape, self.full(c), offset, step, room_for(shape)), shape, line)
        if kind is GetItemGrad:
            offset, step, shape = self.part_of(f.slices, f.in_shape, line)
            if shape != c.shape:
                raise no(line, "a gradient of another shape than the part")
            place = tapes.number(self.tape, 0.0)
            return self.new(self.put(place, room_for(f.in_shape), c, offset, step, True), f.in_shape, line)
        raise no(line, kind.__name__)

    cdef dz_place by(self, int op, dz_place a, dz_place b) noexcept:
        """One of the four operations."""
        cdef dz_place in_[5]
        in_[0], in_[1] = a, b
        return tapes.operation(self.tape, op, 0, in_, NULL)

    cdef dz_place put(self, dz_place array, int size, Cell c, int offset, int step, bint set_) noexcept:
        """The array at a place with c added to, or in place of, some elements."""
        return tapes.put(self.tape, tapes.fill(self.tape, array, size), self.full(c), offset, step, set_)

    cdef int passed_back(self, Function f, list to, list cells, Cell y, Cell g, line) except -1:
        """The gradients of the inputs `to` (-1: of one that gets none) of one of the same functions, g being that of y, what it
        gave of cells."""
        cdef int x = to[0]
        cdef Cell c = cells[0], old
        cdef dz_place place
        cdef int k
        kind = type(f)
        if passed_back_by_work(self, f, to, cells, y, g, line):
            return 0
        if kind is MeanSquaredError:
            old = cells[1]
            place = self.by(DZ_OP_MUL, g.place, self.by(DZ_OP_SUB, c.place, old.place))
            place = self.by(DZ_OP_MUL, place, tapes.number(self.tape, 2.0 / (c.shape[0] if c.shape else 1)))
            for k in range(2):
                x = to[k]
                if x >= 0:
                    self.add_gradient(x, tapes.operation(self.tape, DZ_OP_NEG, 0, &place, NULL) if k else place, line)
            return 0
        if kind is Stack or kind is Concatenate:
            for x, c, (offset, step) in zip(to, cells, self.joined(f, cells, line)[1]):
                if x >= 0:
                    self.add_gradient(x, tapes.part(self.tape, self.full(g), offset, step, c.size), line)
            return 0
        if x < 0:
            return 0
        if kind is GetItem:
            old = self.gradient(x, line)
            offset, step, shape = self.part_of(f.slices, c.shape, line)
            if shape != g.shape or old is not None and old.shape != c.shape:
                raise no(line, "a gradient of another shape than its Variable's")
            place = tapes.number(self.tape, 0.0) if old is None else old.place
            return self.set_gradient(x, self.new(self.put(place, c.size, g, offset, step, False), c.shape, line), line)
        if kind is GetItemGrad:
            offset, step, shape = self.part_of(f.slices, f.in_shape, line)
            return self.add_gradient(x, tapes.part(self.tape, self.full(g), offset, step, room_for(shape)), line)
        if kind is Mean:
            return self.add_gradient(x, self.by(DZ_OP_MUL, g.place, tapes.number(self.tape, 1.0 / c.size)), line)
        if kind is BroadcastTo:
            return self.add_gradient(x, self.summed(g, c.shape, line).place, line)
        return self.add_gradient(x, g.place, line)     # Sum, SumTo: even; Reshape, Transpose: the same elements

    cdef int differentiated(self, Function f, list to, list cells, Cell yc, Cell g, line) except -1:
        """The gradients of an elementwise operation's inputs, those first that are stretched, as the engine has it."""
        cdef dz_place places[5]
        cdef Cell c
        cdef dz_place place
        cdef int k, x
        cdef bint stretched
        if self.narrow([yc, g, *cells], line):
            return differentiated_by_work(self, f, to, cells, yc, g, line)
        self.spread(f.op, cells, places)
        places[3] = yc.place if f.op in EVENLY else self.full(yc)
        places[4] = g.place         # by which every formula is linear: no function is taken of it
        for stretched in (True, False):
            for k in range(len(to)):
                x, c = to[k], cells[k]
                if x < 0 or not tapes.has(f.op, 1 + k) or (c.shape != yc.shape) != stretched:
                    continue
                place = tapes.operation(self.tape, f.op, 1 + k, places, f.param)
                if stretched:
                    place = self.summed(self.new(place, yc.shape, line), c.shape, line).place
                self.add_gradient(x, place, line)
        return 0

    cdef bint differentiated_number(self, Function f, const Event *e, Cell yc, Cell g, line) except -1:
        """The same where all are numbers; False where they are not."""
        cdef dz_place places[5]
        cdef Cell c
        cdef int k, x
        if not is_number(yc) or e.nin > 3:
            return False
        memset(places, 0, sizeof(places))
        for k in range(e.nin):
            c = self.cell(self.trace.operands[e.first + k], line)
            if not is_number(c):
                return False
            places[k] = c.place
        places[3], places[4] = yc.place, g.place
        for k in range(e.nin):
            x = self.trace.operands[e.first + k]
            if self.wants(x) and tapes.has(f.op, 1 + k):
                self.add_gradient(x, tapes.operation(self.tape, f.op, 1 + k, places, f.param), line)
        return True

    cdef inline bint wants(self, int k) noexcept:
        """Whether a gradient of the node is for anybody."""
        cdef PyObject *v = self.trace.nodes[k]
        return not (isinstance(<object> v, Variable) and (<Variable> v).kind & K_CONST)

    cdef Cell item(self, Cell c, object index, line):
        """What NumPy's array[index] is: a view, or of one element a scalar."""
        cdef Cell y
        if c.scalar or c.dt == LABELS:
            raise no(line, "an index of a scalar, or of labels")
        if c.dt == DZ_F32:
            y = part_by_work(self, c, index, line)
        else:
            offset, step, shape = self.part_of(index, c.shape, line)
            y = self.view_of(c, tapes.part(self.tape, self.full(c), offset, step, room_for(shape)), shape, line)
        if y.shape or Ellipsis in (index if type(index) is tuple else (index,)):
            return y
        return self.new(y.place, (), line, True, c.dt)

    cdef Cell applied(self, object function, list xs, line):
        """What NumPy's function of arrays gives of the cells xs."""
        cdef dz_place places[5]
        cdef list cells
        cdef Cell c
        cdef int dt
        what, operands = self.decode(function)
        if what == "same":
            return xs[0]
        if what == "array":
            c = xs[0]
            return self.new(c.place, c.shape, line, False, c.dt) if c.scalar else c
        if what == "copy":
            c = xs[0]
            return self.new(c.place, c.shape, line, c.scalar, c.dt)
        if what == "zeros" or what == "ones":
            c = xs[0]
            return evenly(self, <double> (what == "ones"), c.shape, c.dt, line)
        if what == "item":
            return self.item(xs[0], operands[0], line)
        dt = DZ_F32 if any([isinstance(o, tuple) and (<Cell> xs[o[0]]).dt == DZ_F32 for o in operands]) \
            else DZ_F64
        if dt == DZ_F32 and any([not isinstance(o, tuple) and (type(o) not in (float, int, bool) or abs(o) > LARGEST_SINGLE)
                                 for o in operands]):
            raise no(line, "a number of another dtype beside float32")
        cells = [xs[o[0]] if isinstance(o, tuple)
                 else self.new(number_of(self.tape, float(o), dt), (), line, False, dt) for o in operands]
        if what == "compare" and dt == DZ_F32:
            raise no(line, "a comparison of float32 data")
        if what == "compare":
            self.spread(DZ_OP_SUB, cells, places)
            return self.new(tapes.compare(self.tape, function.args[0], places[0], places[1]), self.common(cells, line), line)
        if what in COMPARISONS and dt == DZ_F64 and all([(<Cell> x).size == 1 for x in cells]):
            self.spread(DZ_OP_SUB, cells, places)
            c = self.new(tapes.compare(self.tape, COMPARISONS.index(what), places[0], places[1]), (), line, True)
            c.truth = True
            return c
        op = _EXACT.get(what)
        if op is None or not operands:
            raise no(line, what)
        self.numpy = True
        return self.elementwise(op, cells, NULL, line, True)

    # ---- events

    cdef list cells_of(self, const Event *e, line):
        """The values that an event's function works on."""
        return [self.cell(self.trace.operands[e.first + k], line) for k in range(e.nin)]

    cdef list wanted(self, const Event *e):
        """Its inputs, -1 for those of which no gradient is for anybody."""
        return [self.trace.operands[e.first + k] if self.wants(self.trace.operands[e.first + k]) else -1 for k in range(e.nin)]

    cdef int operation(self, const Event *e, str line) except -1:
        """A function has given something."""
        cdef Function f = <Function> e.o
        cdef Cell c
        if e.nout > 0:
            raise no(line, f"{type(f).__name__}")
        if type(f) is Applied:
            return self.set_cell(e.v, self.applied(f.given_function(), self.cells_of(e, line), line))
        if is_exact(f):
            if f.general_params:
                raise no(line, f"{type(f).__name__}")
            c = self.of_numbers(f.op, e, f.param, line)
            if c is None:
                c = self.elementwise(f.op, self.cells_of(e, line), f.param, line)
        else:
            c = self.computed(f, self.cells_of(e, line), line)
        return self.set_cell(e.v, c)

    cdef int step(self, const Event *e, str line) except -1:
        """A function's inputs have got their gradients."""
        cdef Function f = <Function> e.o
        cdef const Event *called
        cdef Cell c, y
        if e.w < 0 or self.trace.log[e.w].kind != E_OP or type(f) is Applied:
            raise no(line, f"{type(f).__name__}")
        called = &self.trace.log[e.w]
        c = self.gradient(called.v, line)       # none, where what y is used for has no derivative by it
        y = self.cell(called.v, line)
        if c is None:
            c = evenly(self, 0.0, y.shape, y.dt, line)
        if c.dt != y.dt or not same(c.shape, y.shape):
            raise no(line, "a gradient of another shape or dtype than its Variable's")
        if not is_exact(f):
            self.passed_back(f, self.wanted(called), self.cells_of(called, line), y, c, line)
        elif not self.differentiated_number(f, called, y, c, line):
            self.differentiated(f, self.wanted(called), self.cells_of(called, line), y, c, line)
        if not e.flag:
            self.set_gradient(called.v, None, line)
        return 0

    cdef bint is_alone(self) except -1:
        """Whether one operation, of the table, is all."""
        cdef Py_ssize_t i
        for i in range(self.trace.n if self.steps == 1 else 0):
            if self.trace.log[i].kind == E_OP and not is_exact(<Function> self.trace.log[i].o):
                return False
        return self.steps == 1

    cdef int follow(self, const Event *e) except -1:
        """One event."""
        cdef Function f
        cdef Cell c, old
        cdef Outside o
        cdef str line = self.trace.lines[e.line]
        cdef int kind = e.kind
        if self.updates and not (kind == E_CALL or kind == E_GRAD and e.w < 0 and e.o == NULL):
            raise no(line, "what comes after an optimizer's update")
        self.steps += kind == E_OP or kind == E_STEP or kind == E_EFFECT
        tapes.mark(self.tape, e.line)
        if kind == E_OP:
            self.operation(e, line)
        elif kind == E_STEP:
            self.step(e, line)
        elif kind == E_CONST:
            value = None if e.o == NULL else <object> e.o
            if not isinstance(value, (int, float, np.generic, np.ndarray, list, tuple)):
                raise no(line, f"an operand that is of type {type(value).__name__}")
            self.set_cell(e.v, self.first(self.trace.variable(e.v), value, line))
        elif kind == E_NEW:
            self.set_cell(e.v, self.first(self.trace.variable(e.v), None if e.o == NULL else <object> e.o, line))
        elif kind == E_SEED:
            c = self.cell(e.v, line)
            old = self.gradient(e.v, line)      # of what is from outside it is asked here whether there is one
            if e.flag & SEEDED:
                self.set_gradient(e.v, evenly(self, 1.0, c.shape, c.dt, line), line)
            elif old is None or old.dt != c.dt or not same(old.shape, c.shape):
                raise no(line, "a gradient of another shape or dtype than its Variable's")
        elif kind == E_SHOW or kind == E_GRAD_READ and e.w >= 0 and self.at(e.w).cell == NULL:
            c = self.gradient(e.v, line)
            if c is None:
                raise no(line, "a gradient of an earlier call")
            self.set_cell(e.w, c)
            self.set_gradient(e.v, c, line, e.w)
        elif kind == E_GRAD_READ:
            if e.w < 0 and e.o == NULL:
                self.gradient(e.v, line)
        elif kind == E_GRAD:
            if e.o != NULL:
                raise no(line, "a gradient that is no Variable")
            if e.w < 0:
                if self.updates:
                    self.number_of(e.v, line)
                    self.cleared.append(self.trace.variable(e.v))
                else:
                    self.set_gradient(e.v, None, line)
                return 0
            if not self.at(e.v).touched:        # with one of an earlier call it would be another program
                self.gradient(e.v, line)
            c = self.cell(e.w, line)
            if c.root().home >= 0 or self.at(e.w).outside:
                raise no(line, "a gradient that is a Variable from outside, or shares its array")
            self.set_gradient(e.v, c, line, e.w)
        elif kind == E_DATA:
            c = self.cell(e.w, line)
            if e.flag:
                self.set_cell(e.v, c)
            else:
                self.rebind(e.v, c, line)
        elif kind == E_SET:
            if e.o == NULL:
                raise no(line, "data that is None")
            value = <object> e.o
            self.rebind(e.v, self.constant(
                value if cnp.PyArray_Check(value) or cnp.PyArray_CheckScalar(value) else np.array(value), value, line), line)
        elif kind == E_EFFECT:
            f = <Function> e.o
            c = self.cell(self.trace.operands[e.first], line)
            old = self.applied(f.given_function(), self.cells_of(e, line), line)
            if c.scalar:
                raise no(line, "a NumPy scalar that is written to")
            if c.base is not None or c.fixed:
                raise no(line, "a part of an array, or one from outside that is no Variable's, that is written to")
            if old.shape != c.shape and old.size > 1 or old.size > c.size:
                raise no(line, "an array that is written to in another shape")
            if old.dt != c.dt:
                raise no(line, "an array that is written to in another dtype")
            c.place = old.place if old.size == c.size or c.dt == DZ_F64 else filled(self, old.place, c.size)
            c.writes += 1
            if c.home >= 0:
                o = self.outside[c.home]
                o.changed = True
        elif kind == E_CALL and is_rule(getattr(<object> e.o, "__self__", None)) and (<object> e.o).__name__ == "update":
            self.updates.append((<object> e.o).__self__)
        elif kind == E_CALL:
            raise no(line, "a call that runs as it is")
        elif kind == E_BRANCH:
            c = self.asked(e.v, line)
            if c.size != 1 or c.dt != DZ_F64:
                raise no(line, "a branch by what is no float64 number")
            self.branches.append((c.place, e.flag != 0, line))
        else:
            raise no(line, "a function of several results" if kind == E_ALIVE else "an array beside an operation's operands")
        return 0

    cdef int rebind(self, int k, Cell c, str line) except -1:
        """v.data = ..., v being a node."""
        cdef Outside o
        cdef Node *node = self.at(k)
        if node.outside == 0 and not self.trace.born_at[k] and node.cell == NULL:
            self.number_of(k, line)
        if c.dt == LABELS:
            raise no(line, "whole numbers that are no labels of a loss")
        if node.outside:
            o = self.outside[node.outside - 1]
            if c.home == node.outside - 1:      # its own array, written to before
                o.given = None
                return self.set_cell(k, c)
            if c.home >= 0 or c.base is not None or c.fixed:
                raise no(line, "two Variables that share an array")
            o.given = c
        return self.set_cell(k, c)
