# A call that is replayed by a plan: arguments compared and exchanged, results made, in C. Part of _plan.pyx.

cdef enum:
    R_NODE          # a part of the result is a Variable of the plan,
    R_NODE_DATA     # the array of one,
    R_ARGUMENT      # an argument,
    R_DATA          # the array of one,
    R_OUTSIDE       # a Variable from outside,
    R_OUTSIDE_DATA  # or the array of one

cdef object NOT_TAKEN = object()    # what `replay` gives where a call is not one for a program


cdef class Call:
    """A plan with what it asks of a call and how it is connected with its arguments and results. Made by `call_of`."""
    cdef object replay(self, tuple args):
        """What the call gives, or NOT_TAKEN, having changed nothing."""
        cdef Plan plan = self.plan
        cdef Variable stand
        cdef int given = 0, position, kind
        cdef list values
        if not self.arguments.take(args) or not self.arguments.shaped(args) or not plan.fits():
            return NOT_TAKEN
        for position, stand in self.stands:
            if not plan.suited(stand, <Variable> <object> PyTuple_GET_ITEM(<PyObject *> args, position)):
                return NOT_TAKEN
        if plan.busy:       # the last question: the others may give another thread its turn
            return NOT_TAKEN
        plan.busy = True
        try:
            try:
                for position, stand in self.stands:
                    given_to(plan, stand, <Variable> <object> PyTuple_GET_ITEM(<PyObject *> args, position))
                    given += 1
                for position, stand in self.holders:
                    set_data_array(stand, <object> PyTuple_GET_ITEM(<PyObject *> args, position))
                plan.run()
                if self.only is not None:
                    return plan.leave(self.only)
                values = []
                for kind, what in self.results:
                    if kind == R_NODE:
                        values.append(plan.leave(<Variable> what))
                    elif kind == R_NODE_DATA:
                        values.append(data_of(plan.leave(<Variable> what)))
                    else:
                        values.append(None)
            finally:
                for position, stand in self.stands[:given] if given < len(self.stands) else self.stands:
                    taken_back(plan, stand, <Variable> <object> PyTuple_GET_ITEM(<PyObject *> args, position))
                for _, stand in self.holders:
                    set_data_array(stand, None)
            for position, (kind, what) in enumerate(self.results):
                if kind == R_ARGUMENT:
                    values[position] = args[what]
                elif kind == R_DATA:
                    values[position] = data_of(<Variable> args[what])
                elif kind == R_OUTSIDE:
                    values[position] = what
                elif kind == R_OUTSIDE_DATA:
                    values[position] = data_of(<Variable> what)
        finally:
            plan.forget()
            plan.busy = False
        if self.single:
            return values[0]
        return tuple(values) if self.flat else self.rebuilt(self.shape, values)


def call_of(Plan plan, tuple args, frozenset static, list own, list stands, list holders, list found, shape, missing, rebuilt,
            list guards):
    """The plan's Call, in the modes of now; None for arguments that `call_key` has to tell of.

    args: those that it was traced with; static: positions that count by what they are; own: indices, among the Variables in args,
    of those that must be these very ones; stands: (such an index, the Variable that stands for it); holders: the Variable for
    each array, in order; found, shape: the result's parts and its tree, with `missing` in their places, for `rebuilt`; guards:
    see `holds`."""
    cdef Call call = Call.__new__(Call)
    cdef list variables = [k for k in range(len(args)) if k not in static and isinstance(args[k], Variable)]
    cdef list arrays = [k for k in range(len(args)) if k not in static and cnp.PyArray_Check(args[k])]
    call.arguments = arguments_of(args, static, [variables[k] for k in own])
    if call.arguments is None:
        return None
    call.arguments.guards = guards
    call.plan, call.rebuilt, call.shape = plan, rebuilt, shape
    call.stands = [(variables[k], stand) for k, stand in stands]
    call.holders = list(zip(arrays, holders, strict=True))
    call.single = shape is missing
    call.flat = type(shape) is tuple and all([part is missing for part in shape])
    call.results = []
    for leaf in found:
        if leaf.kind == "argument":
            call.results.append((R_DATA if leaf.array else R_ARGUMENT, variables[leaf.what]))
        elif leaf.kind == "node":
            call.results.append((R_NODE_DATA if leaf.array else R_NODE, leaf.what))
        else:
            call.results.append((R_OUTSIDE_DATA if leaf.array else R_OUTSIDE, leaf.what))
    if call.single and call.results[0][0] == R_NODE:
        call.only = call.results[0][1]
    return call
