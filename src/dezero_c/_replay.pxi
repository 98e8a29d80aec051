# A call that is replayed by a plan: arguments compared and exchanged, results made, in C. Part of _plan.pyx.

cdef enum:
    R_NODE          # a part of the result is a Variable of the plan,
    R_NODE_DATA     # the array of one,
    R_ARGUMENT      # an argument,
    R_DATA          # the array of one,
    R_OUTSIDE       # a Variable from outside, or a constant,
    R_OUTSIDE_DATA  # or the array of one

cdef enum:
    FEW = 4         # instructions

cdef object NOT_TAKEN = object()    # what `replay` gives where a call is not one for a program,
cdef object EAGER = object()        # is one, and has to run as it is,
cdef object ANOTHER_WAY = object()  # or goes another way than the program


cdef class Call:
    """A plan with what it asks of a call and how it is connected with its arguments and results. Made by `call_of`."""
    def __dealloc__(self):
        free(self.given)

    cdef object replay(self, PyObject **args, Py_ssize_t n, tuple names, int mode):
        """What the call gives, or NOT_TAKEN, EAGER or ANOTHER_WAY, having changed nothing. args: the arguments, those last that
        have names."""
        cdef Plan plan = self.plan
        cdef Stand *s = self.given
        cdef int given = 0, position, kind, k
        cdef list values, leaves
        if self.arguments.branches is not None:
            leaves = self.arguments.leaves(args, n)
            if leaves is None:
                return NOT_TAKEN
            args, n = items_of(leaves), len(leaves)
        if not self.arguments.take(args, n, names, mode) or not self.arguments.shaped(args) or not plan.fits():
            return NOT_TAKEN
        if self.as_it_is:
            return EAGER
        if self.alone is not None:
            try:
                return self.computed(args)
            except Exception as error:
                if not plan.may_start_again(error):
                    raise
                return EAGER
        for k in range(self.nstands):
            if not plan.suited(<Variable> s[k].v, <Variable> args[s[k].position]):
                return NOT_TAKEN
            for position in range(self.nstands):
                if is_gradient(args[s[k].position], <Variable> args[s[position].position]):
                    return NOT_TAKEN
        if plan.busy:       # the last question: the others may give another thread its turn
            return NOT_TAKEN
        plan.busy = True
        try:
            try:
                while given < self.nstands:
                    given_to(plan, <Variable> s[given].v, <Variable> args[s[given].position])
                    given += 1
                for k in range(self.nstands, self.nstands + self.nholders):
                    set_data_array(<Variable> s[k].v, <object> args[s[k].position])
                try:
                    if not plan.run():
                        return ANOTHER_WAY
                except Exception as error:
                    if not plan.may_start_again(error):
                        raise
                    return EAGER
                if self.only is not None:
                    return plan.left_as(self.only)
                values = []
                for kind, what in self.results:
                    if kind == R_NODE:
                        values.append(plan.leave(<Variable> what))
                    elif kind == R_NODE_DATA:
                        values.append(data_of(plan.leave(<Variable> what)))
                    else:
                        values.append(None)
            finally:
                for k in range(given):
                    taken_back(plan, <Variable> s[k].v, <Variable> args[s[k].position])
                for k in range(self.nstands, self.nstands + self.nholders):
                    set_data_array(<Variable> s[k].v, None)
            for position, (kind, what) in enumerate(self.results):
                if kind == R_ARGUMENT:
                    values[position] = <object> args[<Py_ssize_t> what]
                elif kind == R_DATA:
                    values[position] = data_of(<Variable> args[<Py_ssize_t> what])
                elif kind == R_OUTSIDE:
                    values[position] = what
                elif kind == R_OUTSIDE_DATA:
                    values[position] = data_of(<Variable> what)
        finally:
            plan.end()
            plan.busy = False
        if self.single:
            return values[0]
        return tuple(values) if self.flat else self.rebuilt(self.shape, values)

    cdef bint is_numpy_alone(self) noexcept:
        """Whether the call is a few of NumPy's functions, or its operators where kernels cannot stand in for them."""
        cdef Plan plan = self.plan
        cdef Py_ssize_t i, called = 0
        for i in range(plan.n):
            if plan.code[i].kind == FORWARD and type(<object> plan.code[i].f) is Applied:
                called += 1
            elif plan.code[i].kind != NUMPY and plan.code[i].kind != DATA:
                return False
        return 0 < plan.n <= FEW and 2 * called >= plan.n and not plan.calls

    cdef int find_alone(self) except -1:
        """Finds whether the call is one operation of the table, whose value is all that it gives."""
        cdef Plan plan = self.plan
        cdef Function f
        cdef Variable x, y
        cdef int k, position
        if plan.n != 1 or plan.code[0].kind != ELEMENTWISE or not self.single \
                or self.results[0][0] not in (R_NODE, R_NODE_DATA) or self.results[0][1] is not <object> plan.code[0].y:
            return 0
        f, y = <Function> plan.code[0].f, <Variable> plan.code[0].y
        if plan.states or plan.presence or plan.shown or plan.calls or self.holders \
                or y._name is not None or y.gstate != G_NONE or y.era != ERA_CORE or f.nin > 3:
            return 0
        for k in range(f.nin):
            self.operands[k], x = -1, f.arg(k)
            for position, stand in self.stands:
                if x is stand:
                    self.operands[k] = position
        self.alone = f
        return 0

    cdef object computed(self, PyObject **args):
        """The call's result, where it is one operation: as the operation gives it, with nothing between."""
        cdef Function f = self.alone
        cdef Variable y = new_variable(ERA_CORE)
        cdef signed char before = swap_mode(0)
        try:
            evaluate_from(
                f, f.in0 if self.operands[0] < 0 else <Variable> args[self.operands[0]],
                None if f.nin < 2 else f.in1 if self.operands[1] < 0 else <Variable> args[self.operands[1]],
                None if f.nin < 3 else f.in2 if self.operands[2] < 0 else <Variable> args[self.operands[2]], y)
        finally:
            swap_mode(before)
        if self.only is None:
            return data_of(y)
        if self.only._creator is not None:
            y._creator, y.gen = replayed_function, self.only.gen
        return y


def call_of(Plan plan, tuple args, Signature signature, list own, list stands, list holders, list found, shape, missing, rebuilt,
            list guards, bint itself):
    """The plan's Call; None for arguments that `call_key` has to tell of.

    args, signature: see `signature_of`; own: indices, among the Variables in args, of those that must be these very ones; stands:
    (such an index, the Variable that stands for it); holders: the Variable for each array, in order; found, shape: the result's
    parts and its tree, with `missing` in their places, for `rebuilt`; guards: see `holds`; itself: the function itself may be
    called where that is as fast."""
    cdef Call call = Call.__new__(Call)
    cdef int i
    cdef list variables = [k for k in range(len(args)) if k not in signature.static and isinstance(args[k], Variable)]
    cdef list arrays = [k for k in range(len(args)) if k not in signature.static and cnp.PyArray_Check(args[k])]
    call.arguments = signature.arguments
    if call.arguments is None:
        return None
    call.arguments.own = [(variables[k], args[variables[k]]) for k in own] or None
    call.arguments.guards = guards
    call.plan, call.rebuilt, call.shape = plan, rebuilt, shape
    call.stands = [(variables[k], stand) for k, stand in stands]
    call.holders = list(zip(arrays, holders, strict=True))
    call.nstands, call.nholders = <int> len(call.stands), <int> len(call.holders)
    call.given = <Stand *> calloc(call.nstands + call.nholders + 1, sizeof(Stand))
    if call.given == NULL:
        raise MemoryError()
    for i, (k, stand) in enumerate(call.stands + call.holders):
        call.given[i].position, call.given[i].v = k, <PyObject *> stand
    call.single = shape is missing
    call.results = []
    for leaf in found:
        if leaf.kind == "argument":
            call.results.append((R_DATA if leaf.array else R_ARGUMENT, variables[leaf.what]))
        elif leaf.kind == "node":
            call.results.append((R_NODE_DATA if leaf.array else R_NODE, leaf.what))
        else:
            call.results.append((R_OUTSIDE_DATA if leaf.array else R_OUTSIDE, leaf.what))
    flat = with_constants(call.results, shape, missing, R_OUTSIDE)
    call.flat = flat is not None
    call.results = flat if call.flat else call.results
    if call.single and call.results[0][0] == R_NODE:
        call.only = call.results[0][1]
    call.find_alone()
    call.as_it_is = itself and call.is_numpy_alone()
    return call
