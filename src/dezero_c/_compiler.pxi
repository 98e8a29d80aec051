# How a trace becomes a tape: `Compiler.follow` takes one event after the other. What an operation other than the table's is to
# the tape says `computed` (its value) and `passed_back` (its inputs' gradients), or _works.pxi, for those that are calls of a
# family's kernel, and for float32. Part of _machine.pyx.

cdef object no(event, str what):
    return NotNative(f"{event[len(event) - 1]}: {what}")


@cython.final
cdef class Cell:
    """A value that Variables and gradients have, those that share an array the same one: where it is now on the tape. A place
    of one float64 number may stand for an array whose elements are all the same."""
    cdef dz_place place
    cdef tuple shape
    cdef int size, dt       # dt: DZ_F64, DZ_F32, or LABELS
    cdef bint scalar        # in the eager call a NumPy scalar, which nobody can write to
    cdef bint fixed         # an array that is not the call's own, or read-only: neither written to nor given away
    cdef int home           # the Variable from outside whose array it is, by number, or -1
    cdef int holders        # how many that are left after the call have it
    cdef Cell base          # it is a view of this one's array
    cdef int writes, seen   # how often its array was written to; its base's, when it was made

    def __cinit__(self, dz_place place, tuple shape, int size, bint scalar, int dt):
        self.place, self.shape, self.size, self.scalar, self.dt = place, shape, size, scalar, dt
        self.home = -1

    cdef Cell root(self):
        """The cell whose array it lies in."""
        return self if self.base is None else self.base


@cython.final
cdef class Outside:
    """A Variable, or an array that is an argument or an operand, from outside of the call: what is read and what is changed."""
    cdef Variable v
    cdef int position       # among the arguments, or -1
    cdef bint array         # the argument is an ndarray
    cdef bint bare          # it must have no gradient when the call begins
    cdef Cell own           # its value, and what is written to its array
    cdef dz_place place     # of the value when the call begins, or -1 where it is not read
    cdef bint changed       # its array is written to
    cdef Cell given         # the value that it is given by `v.data = ...`

    def __cinit__(self):
        self.position = self.place = -1


cdef int room_for(tuple shape, int dt=DZ_F64) except -1:
    """The number of elements of an array that the machine has room for; 0 for any other."""
    cdef Py_ssize_t n = 1, length, most = DZ_WIDEST * sizeof(double) // item_of(dt)
    if len(shape) > DZ_RAWDIM:
        return 0
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
    """What is known so far of the Variables of a trace, by their addresses."""
    cdef dz_tape *tape
    cdef Trace trace
    cdef dict cells, gradients, shown, functions, numbers, bare
    cdef list outside
    cdef dict lines
    cdef object decode
    cdef set copied
    cdef bint numpy         # it computes with data by NumPy's functions
    cdef bint works         # or with what is no instruction
    cdef Py_ssize_t steps   # operations, forward and backward
    cdef list updates       # optimizers that are to update their parameters at the end,
    cdef list cleared       # and Variables whose gradients are taken away after that

    # ---- cells

    cdef Cell new(self, dz_place place, tuple shape, event, bint scalar=False, int dt=DZ_F64):
        """A value of a shape at a place."""
        cdef int size = room_for(shape, dt)
        if place == DZ_NO_INSTRUCTION:
            raise no(event, "a function of two numbers, given an array and a number")
        if place < 0:
            raise MemoryError()
        if not size:
            raise too_large(event, shape)
        return Cell(place, shape, size, scalar, dt)

    cdef Cell view_of(self, Cell c, dz_place place, tuple shape, event):
        """What shares the array of c."""
        cdef Cell v = self.new(place, shape, event, False, c.dt)
        v.base, v.fixed = c.root(), c.fixed
        v.seen = v.base.writes
        return v

    cdef dz_place full(self, Cell c):
        """c's place with all its elements."""
        if c.dt != DZ_F64:
            return c.place
        return tapes.fill(self.tape, c.place, c.size)

    cdef int number_of(self, Variable v, event) except -1:
        """The number of a Variable from outside."""
        k = self.numbers.get(<size_t> <void *> v)
        if k is None:
            if <size_t> <void *> v in self.trace.born:
                raise no(event, "what a function of dezero_c has made by itself")
            if v.era != ERA_CORE:
                raise no(event, "a Variable of core_simple or chapter1")
            k = self.numbers[<size_t> <void *> v] = self.append(v)
        return k

    cdef int append(self, Variable v) except -1:
        cdef Outside o = Outside()
        o.v = v
        self.outside.append(o)
        return len(self.outside) - 1

    cdef Cell cell(self, Variable v, event):
        """What v's value is."""
        cdef Cell c = self.cells.get(<size_t> <void *> v)
        if c is not None:
            if c.base is not None and c.base.writes != c.seen:
                raise no(event, "a part of an array that was written to meanwhile")
            return c
        value = self.trace.before_set.get(<size_t> <void *> v, MISSING)
        c = self.input(self.number_of(v, event), data_of(v) if value is MISSING else value, event)
        c.home = self.numbers[<size_t> <void *> v]
        self.cells[<size_t> <void *> v] = c
        return c

    cdef Cell input(self, int number, object value, event):
        """The value that what is outside has when the call begins."""
        cdef Outside o = self.outside[number]
        cdef dz_view w
        cdef int dt
        if plain_labels(value):
            dt = LABELS
        elif isinstance(value, (np.ndarray, np.float64, np.float32)) and dz_view_object(<PyObject *> value, &w):
            dt = w.dt
            if w.nd > 1 and w.strides != NULL:
                raise no(event, "an array that does not lie in C order")
        else:
            raise no(event, "a value that is no float64 or float32 number or array, and no labels")
        if not room_for(value.shape, dt):
            raise too_large(event, value.shape)
        o.place = tapes.input(self.tape, slots_for(value.size, dt))
        o.own = self.new(o.place, value.shape, event, not isinstance(value, np.ndarray), dt)
        return o.own

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

    cdef int add_gradient(self, Variable x, dz_place place, event) except -1:
        """x's gradient gets, or grows by, what is at a place, in x's shape and dtype."""
        cdef Cell xc = self.cell(x, event), old = self.gradient(x, event)
        if old is not None:
            if old.shape != xc.shape or old.dt != xc.dt:
                raise no(event, "a gradient of another shape or dtype than its Variable's")
            if xc.dt == DZ_F64:
                place = tapes.add(self.tape, old.place, place)
            else:
                place = mapped(self, DZ_OP_ADD, [old, self.new(place, xc.shape, event, False, xc.dt)], xc.size, NULL)
        return self.set_gradient(x, self.new(place, xc.shape, event, False, xc.dt), None, event)

    cdef Cell constant(self, Variable v, object value, event):
        """What a call has from the code: a number, or an array, which is read anew each time where it is not of the call's own
        making."""
        cdef object a = data_of(v)
        cdef Cell c
        cdef int dt
        if isinstance(a, (np.ndarray, np.float64, np.float32)) and a.ndim == 0 and a.dtype.char in "df" \
                and not (isinstance(value, np.ndarray) and <size_t> <void *> value not in self.copied):
            dt = DZ_F64 if a.dtype == DOUBLE else DZ_F32
            return self.new(number_of(self.tape, a, dt), (), event, not isinstance(a, np.ndarray), dt)
        if not isinstance(value, np.ndarray) or <size_t> <void *> value in self.copied:
            v = wrap(a.copy(), -1, ERA_CORE)
            return self.input(self.append(v), data_of(v), event)
        v = wrap(a, -1, ERA_CORE)
        c = self.input(self.append(v), a, event)
        c.fixed = True
        return c

    # ---- operations

    cdef tuple common(self, list cells, event):
        """The shape of what is computed element by element."""
        cdef Cell c, largest = cells[0]
        for c in cells:
            if c.size > largest.size or (c.size == largest.size and len(c.shape) > len(largest.shape)):
                largest = c
        for c in cells:
            if c.shape != largest.shape and (c.size > 1 or len(c.shape) > len(largest.shape)):
                raise no(event, "arrays of several shapes")
        return largest.shape

    cdef Cell elementwise(self, int op, list cells, const double *params, event, bint scalar=False):
        cdef dz_place places[5]
        cdef tuple shape = self.common(cells, event)
        if self.narrow(cells, event):
            return self.new(mapped(self, op, cells, room_for(shape, DZ_F32), params), shape, event, scalar and not shape, DZ_F32)
        self.spread(op, cells, places)
        return self.new(tapes.operation(self.tape, op, 0, places, params), shape, event, scalar and not shape)

    cdef bint narrow(self, list cells, event) except -1:
        """Whether all are float32; none may be."""
        cdef Cell c
        cdef int n = 0
        for c in cells:
            if c.dt == LABELS:
                raise no(event, "whole numbers that are no labels of a loss")
            n += c.dt == DZ_F32
        if n != 0 and n != len(cells):
            raise no(event, "float32 beside float64")
        return n > 0

    cdef int spread(self, int op, list cells, dz_place *places) except -1:
        """The places of an elementwise operation's operands."""
        cdef Cell c
        cdef int k
        for k, c in enumerate(cells):
            places[k] = c.place if op in EVENLY else self.full(c)
        return 0

    cdef Cell summed(self, Cell c, tuple shape, event):
        """The sum of all elements, in NumPy's order, which begins with 0."""
        if c.dt != DZ_F64:
            return self.new(total(self, c, 1.0), shape, event, False, c.dt)
        if c.size == 1:
            return self.new(tapes.add(self.tape, tapes.number(self.tape, 0.0), c.place), shape, event)
        return self.new(tapes.sum(self.tape, self.full(c)), shape, event)

    cdef tuple part_of(self, object index, tuple shape, event):
        """(offset, step, shape of the part) of the elements that an index names in an array of a shape."""
        if not plain_index(index):
            raise no(event, "an index that is no slice")
        numbers = np.arange(room_for(shape)).reshape(shape)[index]
        flat = np.ravel(numbers)
        if flat.size == 0:
            raise no(event, "a part without elements")
        offset, step = int(flat[0]), int(flat[1] - flat[0]) if flat.size > 1 else 1
        if not np.array_equal(flat, offset + step * np.arange(flat.size)):
            raise no(event, "a part whose elements do not lie in steps")
        return offset, step, np.shape(numbers)

    cdef tuple joined(self, Function f, list cells, event):
        """(shape of the whole, [(offset, step) of each part]) of arrays that are joined."""
        cdef Cell c, first = cells[0]
        cdef int n = <int> len(cells), k
        cdef list places = []
        cdef Py_ssize_t total = 0
        if type(f) is Stack:
            for c in cells:
                if c.shape != first.shape:
                    raise no(event, "arrays of several shapes")
            if f.axis == 0 or f.axis == -1 and not first.shape:
                return (n, *first.shape), [(k * first.size, 1) for k in range(n)]
            if len(first.shape) == 1:
                return (first.size, n), [(k, n) for k in range(n)]
        elif f.axis is None or f.axis == 0 or f.axis == -1 and len(first.shape) == 1:
            for c in cells:
                if f.axis is not None and (len(c.shape) != len(first.shape) or c.shape[1:] != first.shape[1:]):
                    raise no(event, "arrays of several shapes")
                places.append((total, 1))
                total += c.size
            return (total,) if f.axis is None else (total * first.shape[0] // first.size, *first.shape[1:]), places
        raise no(event, f"{type(f).__name__} along axis {f.axis}")

    cdef Cell computed(self, Function f, tuple xs, event):
        """What a function of the library gives, other than an elementwise one."""
        cdef Cell c = self.cell(xs[0], event)
        cdef Cell y = value_by_work(self, f, [self.cell(x, event) for x in xs], event)
        cdef dz_place place
        cdef list cells
        kind = type(f)
        if y is not None:
            return y
        if kind is MeanSquaredError:
            y = self.cell(xs[1], event)
            if c.shape != y.shape:
                raise no(event, "arrays of several shapes")
            place = self.by(DZ_OP_SUB, c.place, y.place)
            y = self.summed(self.new(self.by(DZ_OP_MUL, place, place), c.shape, event), (), event)
            y.place = self.by(DZ_OP_DIV, y.place, tapes.number(self.tape, c.shape[0] if c.shape else 1))
            return y
        if kind is Stack or kind is Concatenate:
            cells = [self.cell(x, event) for x in xs]
            shape, places = self.joined(f, cells, event)
            if not room_for(shape):
                raise too_large(event, shape)
            place = tapes.number(self.tape, 0.0)
            for c, (offset, step) in zip(cells, places):
                place = self.put(place, room_for(shape), c, offset, step, True)
            return self.new(place, shape, event)
        if kind is Sum or kind is Mean:
            if not (f.axis is None or len(c.shape) == 1 and type(f.axis) is int):
                raise no(event, f"{kind.__name__} along an axis")
            y = self.summed(c, (1,) * len(c.shape) if f.keepdims else (), event)
            if kind is Mean:
                y.place = self.by(DZ_OP_MUL, y.place, tapes.number(self.tape, 1.0 / c.size))
            return y
        if kind is SumTo:
            if room_for(f.shape) != 1:
                raise no(event, "SumTo along an axis")
            return self.summed(c, f.shape, event)
        if kind is BroadcastTo:
            if c.size > 1:
                raise no(event, "BroadcastTo of an array")
            y = self.view_of(c, c.place, f.shape, event)
            y.fixed = True
            return y
        if kind is Reshape:
            return self.view_of(c, c.place, np.empty(c.shape).reshape(f.shape).shape, event)
        if kind is Transpose and len(c.shape) < 2:
            return self.view_of(c, c.place, c.shape, event)
        if kind is GetItem:
            offset, step, shape = self.part_of(f.slices, c.shape, event)
            return self.view_of(c, tapes.part(self.tape, self.full(c), offset, step, room_for(shape)), shape, event)
        if kind is GetItemGrad:
            offset, step, shape = self.part_of(f.slices, f.in_shape, event)
            if shape != c.shape:
                raise no(event, "a gradient of another shape than the part")
            place = tapes.number(self.tape, 0.0)
            return self.new(self.put(place, room_for(f.in_shape), c, offset, step, True), f.in_shape, event)
        raise no(event, kind.__name__)

    cdef dz_place by(self, int op, dz_place a, dz_place b) noexcept:
        """One of the four operations."""
        cdef dz_place in_[5]
        in_[0], in_[1] = a, b
        return tapes.operation(self.tape, op, 0, in_, NULL)

    cdef dz_place put(self, dz_place array, int size, Cell c, int offset, int step, bint set_) noexcept:
        """The array at a place with c added to, or in place of, some elements."""
        return tapes.put(self.tape, tapes.fill(self.tape, array, size), self.full(c), offset, step, set_)

    cdef int passed_back(self, Function f, tuple xs, Cell y, Cell g, event) except -1:
        """The gradients of the inputs of one of the same functions, g being that of what it gave, y."""
        cdef Variable x = xs[0]
        cdef Cell c = self.cell(x, event), old
        cdef dz_place place
        cdef int k
        kind = type(f)
        if passed_back_by_work(self, f, xs, [self.cell(each, event) for each in xs], y, g, event):
            return 0
        if kind is MeanSquaredError:
            old = self.cell(xs[1], event)
            place = self.by(DZ_OP_MUL, g.place, self.by(DZ_OP_SUB, c.place, old.place))
            place = self.by(DZ_OP_MUL, place, tapes.number(self.tape, 2.0 / (c.shape[0] if c.shape else 1)))
            for k in range(2):
                x = xs[k]
                if not x.kind & K_CONST:
                    self.add_gradient(x, tapes.operation(self.tape, DZ_OP_NEG, 0, &place, NULL) if k else place, event)
            return 0
        if kind is Stack or kind is Concatenate:
            cells = [self.cell(x, event) for x in xs]
            for x, c, (offset, step) in zip(xs, cells, self.joined(f, cells, event)[1]):
                if not x.kind & K_CONST:
                    self.add_gradient(x, tapes.part(self.tape, self.full(g), offset, step, c.size), event)
            return 0
        if x.kind & K_CONST:
            return 0
        if kind is GetItem:
            old = self.gradient(x, event)
            offset, step, shape = self.part_of(f.slices, c.shape, event)
            if shape != g.shape or old is not None and old.shape != c.shape:
                raise no(event, "a gradient of another shape than its Variable's")
            place = tapes.number(self.tape, 0.0) if old is None else old.place
            return self.set_gradient(x, self.new(self.put(place, c.size, g, offset, step, False), c.shape, event), None, event)
        if kind is GetItemGrad:
            offset, step, shape = self.part_of(f.slices, f.in_shape, event)
            return self.add_gradient(x, tapes.part(self.tape, self.full(g), offset, step, room_for(shape)), event)
        if kind is Mean:
            return self.add_gradient(x, self.by(DZ_OP_MUL, g.place, tapes.number(self.tape, 1.0 / c.size)), event)
        if kind is BroadcastTo:
            return self.add_gradient(x, self.summed(g, c.shape, event).place, event)
        return self.add_gradient(x, g.place, event)     # Sum, SumTo: even; Reshape, Transpose: the same elements

    cdef int differentiated(self, Function f, tuple xs, Variable y, Cell g, event) except -1:
        """The gradients of an elementwise operation's inputs, those first that are stretched, as the engine has it."""
        cdef dz_place places[5]
        cdef Variable x
        cdef Cell yc = self.cell(y, event), c
        cdef list cells = [self.cell(x, event) for x in xs]
        cdef dz_place place
        cdef int k
        cdef bint stretched
        if self.narrow([yc, g, *cells], event):
            return differentiated_by_work(self, f, xs, cells, yc, g, event)
        self.spread(f.op, cells, places)
        places[3] = yc.place if f.op in EVENLY else self.full(yc)
        places[4] = g.place         # by which every formula is linear: no function is taken of it
        for stretched in (True, False):
            for k in range(len(xs)):
                x, c = xs[k], cells[k]
                if x.kind & K_CONST or not tapes.has(f.op, 1 + k) or (c.shape != yc.shape) != stretched:
                    continue
                place = tapes.operation(self.tape, f.op, 1 + k, places, f.param)
                if stretched:
                    place = self.summed(self.new(place, yc.shape, event), c.shape, event).place
                self.add_gradient(x, place, event)
        return 0

    cdef Cell applied(self, object function, tuple xs, event):
        """What NumPy's function of arrays gives."""
        cdef dz_place places[5]
        cdef list cells
        cdef Cell c
        cdef int dt
        what, operands = self.decode(function)
        if what == "same":
            return self.cell(xs[0], event)
        if what == "array":
            c = self.cell(xs[0], event)
            return self.new(c.place, c.shape, event, False, c.dt) if c.scalar else c
        if what == "copy":
            c = self.cell(xs[0], event)
            return self.new(c.place, c.shape, event, c.scalar, c.dt)
        if what == "zeros" or what == "ones":
            c = self.cell(xs[0], event)
            return evenly(self, <double> (what == "ones"), c.shape, c.dt, event)
        dt = DZ_F32 if any([isinstance(o, tuple) and (<Cell> self.cell(xs[o[0]], event)).dt == DZ_F32 for o in operands]) \
            else DZ_F64
        if dt == DZ_F32 and any([not isinstance(o, tuple) and (type(o) not in (float, int, bool) or abs(o) > LARGEST_SINGLE)
                                 for o in operands]):
            raise no(event, "a number of another dtype beside float32")
        cells = [self.cell(xs[o[0]], event) if isinstance(o, tuple)
                 else self.new(number_of(self.tape, float(o), dt), (), event, False, dt) for o in operands]
        if what == "compare" and dt == DZ_F32:
            raise no(event, "a comparison of float32 data")
        if what == "compare":
            self.spread(DZ_OP_SUB, cells, places)
            return self.new(tapes.compare(self.tape, function.args[0], places[0], places[1]), self.common(cells, event), event)
        op = _EXACT.get(what)
        if op is None or not operands:
            raise no(event, what)
        self.numpy = True
        return self.elementwise(op, cells, NULL, event, True)

    # ---- events

    cdef int follow(self, event) except -1:
        """One event."""
        cdef Function f
        cdef Variable v, y
        cdef Cell c, old
        cdef Outside o
        cdef tuple xs
        cdef str kind = event[0]
        line = event[len(event) - 1]
        if self.updates and not (kind == "call" or kind == "grad" and event[2] is None):
            raise no(event, "what comes after an optimizer's update")
        self.steps += kind == "op" or kind == "step" or kind == "effect"
        tapes.mark(self.tape, self.lines.setdefault(line, len(self.lines)))
        if kind == "op":
            f, xs = event[1], event[2]
            if len(<tuple> event[3]) != 1:
                raise no(event, f"{type(f).__name__}")
            y = (<tuple> event[3])[0]
            if type(f) is Applied:
                self.cells[<size_t> <void *> y] = self.applied(f.given_function(), xs, event)
                return 0
            if is_exact(f) and f.general_params:
                raise no(event, f"{type(f).__name__}")
            c = self.elementwise(f.op, [self.cell(v, event) for v in xs], f.param, event) if is_exact(f) \
                else self.computed(f, xs, event)
            self.cells[<size_t> <void *> y] = c
            self.functions[<size_t> <void *> f] = xs, y
        elif kind == "step":
            f = event[1]
            known = self.functions.get(<size_t> <void *> f)
            if known is None:
                raise no(event, f"{type(f).__name__}")
            xs, y = <tuple> known
            c = self.gradient(y, event)     # none, where what y is used for has no derivative by it
            old = self.cell(y, event)
            if c is None:
                c = evenly(self, 0.0, old.shape, old.dt, event)
            if c.shape != old.shape or c.dt != old.dt:
                raise no(event, "a gradient of another shape or dtype than its Variable's")
            if is_exact(f):
                self.differentiated(f, xs, y, c, event)
            else:
                self.passed_back(f, xs, old, c, event)
            if not event[2]:
                self.set_gradient(y, None, None, event)
        elif kind == "const":
            if not isinstance(event[2], (int, float, np.generic, np.ndarray, list, tuple)):
                raise no(event, f"an operand that is of type {type(event[2]).__name__}")
            self.cells[<size_t> <void *> event[1]] = self.constant(event[1], event[2], event)
        elif kind == "new":
            self.cells[<size_t> <void *> event[1]] = self.constant(event[1], event[2], event)
        elif kind == "seed":
            c = self.cell(event[1], event)
            self.set_gradient(event[1], evenly(self, 1.0, c.shape, c.dt, event), None, event)
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
            if event[2] is None and self.updates:
                self.number_of(event[1], event)
                self.cleared.append(event[1])
            elif event[2] is None:
                self.set_gradient(event[1], None, None, event)
            else:
                v = event[1]
                if <size_t> <void *> v not in self.gradients:       # with one of an earlier call it would be another program
                    self.gradient(v, event)
                c = self.cell(event[2], event)
                if c.root().home >= 0 or <size_t> <void *> event[2] in self.numbers:
                    raise no(event, "a gradient that is a Variable from outside, or shares its array")
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
            if c.base is not None or c.fixed:
                raise no(event, "a part of an array, or one from outside that is no Variable's, that is written to")
            if old.shape != c.shape and old.size > 1 or old.size > c.size:
                raise no(event, "an array that is written to in another shape")
            if old.dt != c.dt:
                raise no(event, "an array that is written to in another dtype")
            c.place = old.place if old.size == c.size or c.dt == DZ_F64 else filled(self, old.place, c.size)
            c.writes += 1
            if c.home >= 0:
                o = self.outside[c.home]
                o.changed = True
        elif kind == "call" and is_rule(getattr(event[1], "__self__", None)) and event[1].__name__ == "update":
            self.updates.append(event[1].__self__)
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
        if c.dt == LABELS:
            raise no(event, "whole numbers that are no labels of a loss")
        if k is not None:
            if c.home == <int> k:       # its own array, written to before
                self.cells[<size_t> <void *> v] = c
                o = self.outside[k]
                o.given = None
                return 0
            if c.home >= 0 or c.base is not None or c.fixed:
                raise no(event, "two Variables that share an array")
            o = self.outside[k]
            o.given = c
        self.cells[<size_t> <void *> v] = c
        return 0
