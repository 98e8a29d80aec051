# What a tape calls kernels for (dz_work in core/machine.h): products, softmax and losses, and all that is done to float32, of
# which the machine's instructions know nothing. It is the kernel of the eager call, so bits agree. Part of _machine.pyx.

cdef enum:
    LABELS = 2      # a dtype beside DZ_F32 and DZ_F64: intp, as losses take class numbers

cdef double LARGEST_SINGLE = np.finfo(np.float32).max


cdef object too_large(line, tuple shape):
    return no(line, f"an array of shape {shape}; up to {DZ_WIDEST} elements of float64, in {DZ_RAWDIM} axes, are taken")


cdef inline int item_of(int dt) noexcept nogil:
    return sizeof(float) if dt == DZ_F32 else sizeof(double)


cdef inline uint32_t slots_for(Py_ssize_t n, int dt) noexcept:
    """The slots of eight bytes that n elements take."""
    return <uint32_t> ((n * item_of(dt) + sizeof(double) - 1) // sizeof(double))


cdef bint plain_labels(object a):
    """Whether class numbers lie in an array as losses read them."""
    return sizeof(cnp.npy_intp) == sizeof(double) and type(a) is np.ndarray and cnp.PyArray_TYPE(a) == cnp.NPY_INTP \
        and cnp.PyArray_ISCARRAY_RO(a)


cdef dz_place number_of(dz_tape *tape, double x, int dt) noexcept:
    """A number of a dtype."""
    cdef float single = <float> x
    if dt == DZ_F32:
        x = 0
        memcpy(&x, &single, sizeof(single))
    return tapes.number(tape, x)


cdef dz_place called(Compiler c, const dz_work *w, list cells, Py_ssize_t n) except? -1:
    """The place of n elements that a worker makes of cells."""
    cdef dz_place places[5]
    cdef dz_place found
    cdef Cell each
    cdef int k
    for k, each in enumerate(cells):
        places[k] = c.full(each)
    found = tapes.work(c.tape, w, places, slots_for(n, w.dt))
    if found == -1:
        raise MemoryError()
    c.works = True
    return found


cdef dz_work work_of(dz_worker f, const char *name, int dt, int nin) noexcept:
    cdef dz_work w
    memset(&w, 0, sizeof(w))
    w.f, w.name, w.dt, w.nin = f, name, dt, nin
    return w


cdef dz_place mapped(Compiler c, int op, list cells, Py_ssize_t n, const double *params, int which=0, list at=None) except? -1:
    """n elements of an operation of the table, forward (which 0) or the gradient of input which - 1, by its kernel, of float32.
    at: the operands' places in dz_args.in, where they are not 0, 1, 2."""
    cdef dz_work w = work_of(tapes.workers[DZ_WORK_MAP], dz_ops[op].name, DZ_F32, <int> len(cells))
    cdef Cell each
    cdef int k
    w.n[0], w.n[1], w.n[2] = n, op, which
    for k, each in enumerate(cells):
        w.n[3] |= (each.size < n) << k
        w.n[4] |= (k if at is None else <int> at[k]) << 4 * k
    if params != NULL:
        w.p[0], w.p[1] = params[0], params[1]
    return called(c, &w, cells, n)


cdef dz_place filled(Compiler c, dz_place number, int n) except? -1:
    """n times a float32 number."""
    cdef dz_work w = work_of(tapes.workers[DZ_WORK_FILL], "fill", DZ_F32, 1)
    if n == 1:
        return number
    w.n[0] = n
    return called(c, &w, [cell_at(number, (), 1, False, DZ_F32)], n)


cdef Cell evenly(Compiler c, double x, tuple shape, int dt, line):
    """An array of one number."""
    cdef dz_place place = number_of(c.tape, x, dt)
    cdef int n = room_for(shape, dt)
    if dt == DZ_F32 and n > 1:
        place = filled(c, place, n)
    return c.new(place, shape, line, False, dt)


cdef dz_place total(Compiler c, Cell x, double share) except? -1:
    """The sum of all of x's float32 elements, times `share`."""
    cdef dz_work w = work_of(tapes.workers[DZ_WORK_SUM], "sum", DZ_F32, 1)
    w.n[0], w.p[0] = x.size, share
    return called(c, &w, [x], 1)


cdef Cell copy_of(Compiler c, Cell x, line):
    """The same values in another place."""
    cdef dz_work w = work_of(tapes.workers[DZ_WORK_PART], "copy", x.dt, 1)
    w.n[0], w.n[1], w.n[2] = x.size, 0, 1
    return c.new(called(c, &w, [x], x.size), x.shape, line, False, x.dt)


cdef Cell part_by_work(Compiler c, Cell x, index, line):
    """A view of float32 data."""
    cdef dz_work w = work_of(tapes.workers[DZ_WORK_PART], "part", x.dt, 1)
    cdef Cell y
    offset, step, shape = c.part_of(index, x.shape, line)
    w.n[0], w.n[1], w.n[2] = room_for(shape, x.dt), offset, step
    y = c.view_of(x, called(c, &w, [x], w.n[0]), shape, line)
    y.fixed = True      # the instruction's place is not the part's own
    return y


cdef tuple extents_of(Function f, Cell x, line):
    """(rows, elements of one) of an operation along the last axis."""
    cdef int axis = f.axis, nd = <int> len(x.shape)
    if nd == 0 or (axis + nd if axis < 0 else axis) != nd - 1:
        raise no(line, f"{type(f).__name__} along axis {axis}")
    return x.size // <int> x.shape[nd - 1], x.shape[nd - 1]


cdef dz_work product(int what, const char *name, int dt, tuple x, tuple W, int nin) noexcept:
    """x @ W (0), or the gradient of x, W or b (1, 2, 3)."""
    cdef dz_work w = work_of(product_worker(what), name, dt, nin)
    w.n[0], w.n[1], w.n[2] = x[0], x[1], W[1]
    return w


cdef bint are_matrices(Cell x, Cell W) except -1:
    return len(x.shape) == 2 and len(W.shape) == 2 and x.shape[1] == W.shape[0]


cdef Cell value_by_work(Compiler c, Function f, list xs, line):
    """The value of an operation that is not of the table; None where it is one of instructions."""
    cdef Cell x = xs[0], y
    cdef dz_work w
    cdef tuple shape
    cdef dz_place place
    cdef Py_ssize_t n
    kind = type(f)
    if kind is MatMul or kind is Linear:
        c.narrow(xs, line)
        y = xs[1]
        if not are_matrices(x, y):
            raise no(line, f"{kind.__name__} of arrays that are no matrices")
        shape = (x.shape[0], y.shape[1])
        w = product(0, "product" if kind is MatMul else "linear", x.dt, x.shape, y.shape, <int> len(xs))
        if len(xs) == 3:
            w.n[3] = (<Cell> xs[2]).shape == shape
            if not w.n[3] and (<Cell> xs[2]).shape != (y.shape[1],):
                raise no(line, "a bias of another shape")
        if not room_for(shape, x.dt):
            raise too_large(line, shape)
        return c.new(called(c, &w, xs, room_for(shape, x.dt)), shape, line, False, x.dt)
    if kind is Softmax or kind is LogSoftmax:
        c.narrow(xs, line)
        w = work_of(softmax_worker(kind is LogSoftmax, False), "log_softmax" if kind is LogSoftmax else "softmax", x.dt, 1)
        w.n[0], w.n[1] = extents_of(f, x, line)
        return c.new(called(c, &w, xs, x.size), x.shape, line, False, x.dt)
    if kind is SoftmaxCrossEntropy:
        y = xs[1]
        if x.dt == LABELS or y.dt != LABELS or len(x.shape) != 2 or y.size != x.shape[0]:
            raise no(line, "a cross-entropy of other than rows of scores and labels of the platform's integers")
        w = work_of(softmax_worker(2, False), "cross_entropy", x.dt, 2)
        w.n[0], w.n[1] = x.shape
        n = sizeof(double) // item_of(x.dt) + cross_entropy_room(x.shape[0], x.shape[1])
        return c.new(tapes.part(c.tape, called(c, &w, xs, n), 0, 1, 1), (), line, False, x.dt)
    if not c.narrow(xs, line):
        return None
    if kind is MeanSquaredError:
        y = xs[1]
        if x.shape != y.shape:
            raise no(line, "arrays of several shapes")
        w = work_of(squared_error_worker(False), "squared_error", x.dt, 2)
        w.n[0], w.n[1] = x.size, x.shape[0] if x.shape else 1
        n = sizeof(double) // item_of(x.dt) + x.size
        return c.new(tapes.part(c.tape, called(c, &w, xs, n), 0, 1, 1), (), line, False, x.dt)
    if kind is Sum or kind is Mean:
        if not (f.axis is None or len(x.shape) == 1 and type(f.axis) is int):
            raise no(line, f"{kind.__name__} along an axis")
        place = total(c, x, 1.0 if kind is Sum else 1.0 / x.size)
        return c.new(place, (1,) * len(x.shape) if f.keepdims else (), line, False, x.dt)
    if kind is GetItem:
        return part_by_work(c, x, f.slices, line)
    if kind is Reshape or kind is Transpose and len(x.shape) < 2:
        return None
    raise no(line, f"{kind.__name__} of float32")


cdef bint passed_back_by_work(Compiler c, Function f, list to, list xs, Cell y, Cell g, line) except -1:
    """The gradients of the inputs `to` (-1: of one that gets none), which have the values xs, of one of the same operations;
    False where it is one of instructions."""
    cdef Cell x = xs[0], old
    cdef int v
    cdef dz_work w
    cdef const char *name
    cdef int k
    cdef list operands
    kind = type(f)
    if kind is MatMul or kind is Linear:
        for k in [2, 0, 1][0 if len(xs) == 3 else 1:]:     # in the engine's order
            v = to[k]
            if v >= 0:
                old = c.gradient(v, line)
                if old is not None and (old.shape != (<Cell> xs[k]).shape or old.dt != g.dt):
                    raise no(line, "a gradient of another shape or dtype than its Variable's")
                name = "gradient_of_x" if k == 0 else "gradient_of_W" if k == 1 else "gradient_of_b"
                w = product(1 + k, name, g.dt, x.shape, (<Cell> xs[1]).shape, 0)
                w.n[3] = k == 2 and (<Cell> xs[2]).shape == g.shape
                operands = [g, xs[1]] if k == 0 else [x, g] if k == 1 else [g]
                if k < 2 and (<Cell> operands[0]).place == (<Cell> operands[1]).place:
                    # NumPy computes x.T @ x, if both are one array, otherwise than products: which no gradient and value are
                    operands[1] = copy_of(c, operands[1], line)
                w.moves = old is not None
                if w.moves:
                    operands.insert(0, old)
                w.nin = <int> len(operands)
                c.set_gradient(v, c.new(called(c, &w, operands, (<Cell> xs[k]).size), (<Cell> xs[k]).shape, line, False, g.dt),
                               line)
        return True
    v = to[0]
    if kind is Softmax or kind is LogSoftmax:
        w = work_of(softmax_worker(kind is LogSoftmax, True), "gradient_of_softmax", x.dt, 2)
        w.n[0], w.n[1] = extents_of(f, x, line)
        if v >= 0:
            c.add_gradient(v, called(c, &w, [y, g], x.size), line)
        return True
    if kind is SoftmaxCrossEntropy:
        w = work_of(softmax_worker(2, True), "gradient_of_cross_entropy", x.dt, 3)
        w.n[0], w.n[1] = x.shape
        if v >= 0:
            c.add_gradient(v, called(c, &w, [x, xs[1], g], x.size), line)
        return True
    if g.dt == DZ_F64:
        return False
    if kind is MeanSquaredError:
        for k in range(2):
            v = to[k]
            w = work_of(squared_error_worker(True), "gradient_of_squared_error", g.dt, 3)
            w.n[0], w.n[1], w.n[2] = x.size, x.shape[0] if x.shape else 1, k
            if v >= 0:
                c.add_gradient(v, called(c, &w, [x, xs[1], g], x.size), line)
        return True
    if v < 0:
        return True
    if kind is Mean:
        x = cell_at(number_of(c.tape, 1.0 / x.size, DZ_F32), (), 1, False, DZ_F32)
        g = cell_at(mapped(c, DZ_OP_MUL, [g, x], 1, NULL), (), 1, False, DZ_F32)
    if kind is Sum or kind is Mean:
        c.add_gradient(v, filled(c, g.place, (<Cell> xs[0]).size), line)
        return True
    if kind is GetItem:
        w = work_of(tapes.workers[DZ_WORK_PUT], "put", x.dt, 2)
        offset, step, shape = c.part_of(f.slices, x.shape, line)
        old = c.gradient(v, line)
        if shape != g.shape or old is not None and (old.shape != x.shape or old.dt != x.dt):
            raise no(line, "a gradient of another shape or dtype than its Variable's")
        if old is None:
            old = evenly(c, 0.0, x.shape, x.dt, line)
        w.moves = True
        w.n[0], w.n[1], w.n[2], w.n[3] = g.size, offset, step, True
        c.set_gradient(v, c.new(called(c, &w, [old, g], x.size), x.shape, line, False, x.dt), line)
        return True
    return False        # Reshape, Transpose: the same elements


cdef int differentiated_by_work(Compiler c, Function f, list to, list xs, Cell y, Cell g, line) except -1:
    """The gradients of an elementwise operation's inputs, of float32, those first that are stretched."""
    cdef int v
    cdef Cell x
    cdef dz_place place
    cdef const dz_op *op = &dz_ops[f.op]
    cdef int k, at
    cdef bint stretched
    cdef list operands, places, all_of = [*xs, None, None, None][:3] + [y, g]
    for stretched in (True, False):
        for k in range(len(to)):
            v, x = to[k], xs[k]
            if v < 0 or op.bwd[k][DZ_F32] == NULL or (x.shape != y.shape) != stretched:
                continue
            if op.passes_gy[k]:
                place = g.place
            else:
                places = [at for at in range(DZ_NIN) if op.uses[k] >> at & 1]
                operands = [all_of[at] for at in places]
                place = mapped(c, f.op, operands, y.size, f.param, 1 + k, places)
            if stretched:
                place = total(c, cell_at(place, y.shape, y.size, False, DZ_F32), 1.0)
            c.add_gradient(v, place, line)
    return 0
