# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""What dezero_c.func asks of the graph: gradients of some Variables by others that leave every other Variable as it is.

A function that is differentiated is called with Variables of its own. Their generation lies above all that was there before, so
that what depends on them is told from what does not by a comparison, and a search stops where the outer graph begins. Two ways
backwards, as in the engine: `pull_arrays` lets the engine's walk run over the function's own graph, whose outer operands have
been exchanged for constants before; `pull` keeps gradients beside the graph and goes by rules over Variables, so that its results
can be differentiated again, by what the function closes over too.
"""

from heapq import heappop, heappush

import numpy as np

cimport numpy as cnp
from cpython.object cimport PyObject
from libc.string cimport memcpy

from dezero_c._core cimport (
    DZ_MAXDIM, ERA_CORE, G_NONE, K_CONST, K_WEAK, WITHIN, Function, Variable, data_of, drop_grad, grad_variable, hooked_gradient,
    methods, modes, new_variable, open_function_class, swap_mode, traced, transforms)

from dezero_c._elementwise cimport Elementwise, is_exact

from dezero_c._core import as_variable, is_traced

cnp.import_array()

cdef extern from "Python.h":
    Py_ssize_t Py_REFCNT(PyObject *)

cdef extern from "numpy/arrayobject.h":
    object PyArray_View(cnp.ndarray, void *, void *)


cdef enum:
    M_ON = 1
    M_TRACED = 2

# The generations of one transform's graph, before those of the next one begin. Where a graph is longer, or the numbers begin
# anew, a search goes further than it need; results do not depend on it.
cdef Py_ssize_t SPAN = (<Py_ssize_t> 1) << (22 if sizeof(Py_ssize_t) > 4 else 16)
cdef Py_ssize_t LAST = (<Py_ssize_t> 1) << (62 if sizeof(Py_ssize_t) > 4 else 30)
cdef Py_ssize_t newest = 0      # the floor of the transform that began last

# A Function that a search has seen bears its number, with the last bit where it leads to a target. The engine's walks have other
# numbers, without the first bit.
cdef unsigned long long searches = (<unsigned long long> 1) << 62


cdef Py_ssize_t new_floor() noexcept:
    global newest
    newest = newest + SPAN if newest < LAST else SPAN
    return newest


def begin():
    """A transform begins: what follows is recorded, whatever the mode. Gives what `end` wants."""
    cdef signed char before = swap_mode(M_ON | (M_TRACED if traced() else 0))
    transforms(1)
    return before


def end(int before):
    """The opposite of begin."""
    transforms(-1)
    swap_mode(<signed char> before)


def under_way():
    """How many transforms of this thread are under way."""
    return transforms(0)


def unseen(function, args):
    """function(*args), which records no graph and is not traced: what it computes is the same in every call of a traced
    function."""
    cdef signed char before = swap_mode(0)
    try:
        return function(*args)
    finally:
        swap_mode(before)


cdef class Same(Function):
    """A function's argument, as what was handed to a transform."""

    cdef object vjp_graph(self, list gys):
        return gys

    def forward(self, x):
        return x

    def backward(self, gy):
        return gy


open_function_class(Same)


def arguments(list values, bint linked):
    """([Variable], generation): those that a function is called with, one for each of `values` (arrays or Variables), and the
    generation they have. linked: gradients go on from them to Variables among the values. An array cannot be written to through
    them."""
    cdef Py_ssize_t gen = new_floor()
    cdef list found = []
    cdef object value
    cdef Variable x, v
    for value in values:
        if isinstance(value, Variable) and (<Variable> value).gen >= gen:
            gen = (<Variable> value).gen + 1
    for value in values:
        if linked and isinstance(value, Variable):
            v = <Variable> value
            x = v * 1.0 if traced() else Same()(v)
        else:
            x = guarded(data_of(<Variable> value) if isinstance(value, Variable) else value)
        x.gen = gen
        found.append(x)
    return found, gen


cdef Variable guarded(object a):
    """A Variable with the values of an array, which cannot be written to through it."""
    cdef Variable x = new_variable(ERA_CORE)
    if type(a) is cnp.ndarray:
        a = PyArray_View(a, NULL, NULL)
        cnp.PyArray_CLEARFLAGS(a, cnp.NPY_ARRAY_WRITEABLE)
    x._data = a
    return x


cdef int check_era(Function f) except -1:
    if f.era != ERA_CORE:
        raise TypeError(f"func: {type(f).__name__} is a function of core_simple or chapter1, whose gradients are arrays; use "
                        "dezero_c.functions")
    return 0


cdef list outputs_of(Function f):
    """f's outputs, None for one that is gone."""
    if f.out0 != NULL:
        return [<Variable> f.out0]
    if f.outs is None:
        return [None]
    return [r() for r in f.outs]


def outputs(Function f):
    """f's outputs, None for one that is gone."""
    return outputs_of(f)


cdef inline Py_ssize_t key(object o) noexcept:
    return <Py_ssize_t> <void *> o


cdef list live(list ys, dict targets, Py_ssize_t floor, unsigned long long *search):
    """The Functions between the targets and ys, each after those that it needs. search: the number that `leads` asks for."""
    global searches
    cdef list order = [], stack = []
    cdef Function f, c
    cdef Variable x
    cdef Py_ssize_t k
    cdef bint found, waits
    cdef unsigned long long dead
    searches += 2
    dead = search[0] = searches
    for x in ys:
        if x._creator is not None and x._creator.gen >= floor and not is_target(x, targets, floor):
            stack.append(x._creator)
    while stack:
        f = <Function> stack[len(stack) - 1]
        if f.mark | 1 == dead | 1:
            stack.pop()
            continue
        found = waits = False
        for k in range(f.nin):
            x = argument(f, k)
            if is_target(x, targets, floor):
                found = True
            elif x._creator is not None and x._creator.gen >= floor:
                c = x._creator
                if c.mark == dead | 1:
                    found = True
                elif c.mark != dead:
                    stack.append(c)
                    waits = True
        if waits:
            continue
        stack.pop()
        f.mark = dead | found
        if found:
            order.append(f)
    return order


cdef inline Variable argument(Function f, Py_ssize_t k):
    if f.rest is not None:
        return <Variable> f.rest[k]
    return f.in0 if k == 0 else f.in1 if k == 1 else f.in2


cdef inline bint is_target(Variable x, dict targets, Py_ssize_t floor):
    """targets: None for the leaves of generation `floor`."""
    if targets is None:
        return x.gen == floor and x._creator is None
    return key(x) in targets


cdef inline bint leads(Variable x, dict targets, Py_ssize_t floor, unsigned long long search):
    """Whether x is computed from a target, or one."""
    return (x._creator is not None and x._creator.mark == search | 1) or is_target(x, targets, floor)


cdef dict targets_of(list xs):
    cdef Py_ssize_t i
    return {key(xs[i]): i for i in range(len(xs))}


def between(list xs, list ys, Py_ssize_t floor):
    """(functions, their inputs that depend on xs): the Functions between xs and ys, in an order of computation; for each the
    numbers of those of its inputs that lead to xs."""
    cdef dict targets = targets_of(xs)
    cdef unsigned long long search
    cdef list order = live(ys, targets, floor, &search), which = []
    cdef Function f
    cdef Py_ssize_t k
    for f in order:
        check_era(f)
        which.append([k for k in range(f.nin) if leads(f.arg(k), targets, floor, search)])
    return order, which


def outside(list xs, list ys, Py_ssize_t floor):
    """The Variables beside xs that ys depend on, each once: those without a creator, and the arguments of transforms that began
    before `floor`; not the operands that were no Variables."""
    cdef dict targets = targets_of(xs), seen = {}
    cdef list todo = [], found = []
    cdef Function f
    cdef Variable x
    cdef Py_ssize_t k
    todo.extend(ys)
    while todo:
        x = todo.pop()
        if key(x) in seen or key(x) in targets:
            continue
        seen[key(x)] = x
        if x._creator is None or (x.gen < floor and type(x._creator) is Same):
            if not x.kind & K_CONST:
                found.append(x)
            continue
        f = x._creator
        for k in range(f.nin):
            todo.append(f.arg(k))
    return found


def rule(Function f, list gys):
    """The gradients of f's inputs by operations on Variables: a sequence, None where there is none."""
    return rule_of(f, gys)


cdef object rule_of(Function f, list gys):
    cdef object gxs = f.vjp_graph(gys), gx
    cdef list found = []
    cdef Py_ssize_t k
    if len(gxs) != f.nin:
        raise ValueError(f"{type(f).__name__}.backward returned {len(gxs)} gradients for {f.nin} inputs; return one for each, "
                         "None where there is none")
    for k in range(f.nin):
        gx = gxs[k]
        if gx is not None:
            gx = fitting(f, f.arg(k), gx if isinstance(gx, Variable) else as_variable(gx))
        found.append(gx)
    return found


cdef object fitting(Function f, Variable x, Variable gx):
    """gx in x's shape, its real part where x is real."""
    cdef object xs, gs
    if x.kind & K_CONST:
        return gx
    if x.v.p == NULL and x._data is None:
        return gx
    if x.v.p == NULL or gx.v.p == NULL or x.v.dt != gx.v.dt:
        if data_dtype(gx).kind == "c" and data_dtype(x).kind != "c":
            gx = methods["real"](gx)
        if data_dtype(gx) != data_dtype(x) and data_dtype(x).kind in "fc":     # operands of two dtypes
            gx = methods["cast"](gx, data_dtype(x))
    xs, gs = x.shape, gx.shape
    if xs == gs:
        return gx
    try:
        if np.broadcast_shapes(xs, gs) == xs:
            return methods["broadcast_to"](gx, xs)
    except ValueError:
        pass
    raise ValueError(f"{type(f).__name__}.backward returned a gradient of shape {gs} for an input of shape {xs}; sum it to the "
                     "input's shape (sum_to)")


cdef inline object data_dtype(Variable v):
    return v.dtype


cdef object zeros_of(Function f, Py_ssize_t i, Variable y):
    if y is not None:
        return as_variable(np.zeros(y.shape, y.dtype))
    return as_variable(np.zeros(f.outs[i].shape, f.outs[i].dtype))


def pull(list ys, list gys, list xs, Py_ssize_t floor, bint create_graph):
    """The gradients of sum(gy * y) by each of xs: Variables, None where there is none. By rules over Variables, recorded with
    create_graph; no Variable's gradient is looked at or changed."""
    cdef dict targets = targets_of(xs), grads = {}
    cdef unsigned long long search
    cdef Function f
    cdef Variable x, y
    cdef object gx, old, g, gxs
    cdef list outs, given, waiting = []
    cdef set seen = set()
    cdef Py_ssize_t i, k
    cdef signed char before = swap_mode((1 if create_graph else 0) | (M_TRACED if traced() else 0))
    cdef bint one_by_one = traced() and not create_graph and is_traced()    # a walk for each y, as in pull_arrays
    live(ys, targets, floor, &search)
    try:
        for i in range(len(ys)):
            y = ys[i]
            g = gys[i]
            if g is not None and leads(y, targets, floor, search):
                old = grads.get(key(y))
                grads[key(y)] = g if old is None else old + g
            add_creator(y, waiting, seen, search)
            if i + 1 < len(ys) and not one_by_one:
                continue
            while waiting:
                f = heappop(waiting)[2]
                check_era(f)
                outs = outputs_of(f)
                given = [None if y is None else grads.pop(key(y), None) for y in outs]
                if all([g is None for g in given]):
                    continue
                given = [zeros_of(f, k, outs[k]) if g is None else after_hooks(outs[k], g) for k, g in enumerate(given)]
                gxs = rule_of(f, given)
                for k in range(f.nin):
                    gx = gxs[k]
                    x = f.arg(k)
                    if gx is None or not leads(x, targets, floor, search):
                        continue
                    old = grads.get(key(x))
                    grads[key(x)] = gx if old is None else old + gx
                for k in range(f.nin):
                    add_creator(f.arg(k), waiting, seen, search)
            seen.clear()
        return [after_hooks(x, grads.get(key(x))) for x in xs]
    finally:
        swap_mode(before)


cdef int add_creator(Variable x, list waiting, set seen, unsigned long long search) except -1:
    """Has x's creator wait for its turn, once, in the order of the engine's walk, so that gradients are added up in it."""
    cdef Function f = x._creator
    if f is not None and f.mark == search | 1 and <size_t> <void *> f not in seen:
        seen.add(<size_t> <void *> f)
        heappush(waiting, (-f.gen, -<Py_ssize_t> len(seen), f))
    return 0


cdef inline object after_hooks(Variable x, object g):
    """g, x's gradient, as x's hooks leave it."""
    return hooked_gradient(x, g) if x.hooked and g is not None else g


def cut(list ys, list xs, Py_ssize_t floor):
    """Readies the graph between xs and ys for pull_arrays: operands that do not depend on xs become constants there, and
    gradients that the function itself has made go. xs: all leaves of generation `floor`. Gives for each of ys whether it depends
    on xs: the gradients of the others are the caller's, and no business of pull_arrays."""
    return cut_off(ys, floor)


cdef list cut_off(list ys, Py_ssize_t floor):
    cdef unsigned long long search
    cdef list order = live(ys, None, floor, &search)
    cdef Function f
    cdef Variable x, y
    for f in order:
        check_era(f)
        if f.rest is not None:
            f.rest = tuple([x if x.kind & K_CONST or leads(x, None, floor, search) else constant(x) for x in f.rest])
        else:
            if f.nin > 0 and not f.in0.kind & K_CONST and not leads(f.in0, None, floor, search):
                f.in0 = constant(f.in0)
            if f.nin > 1 and not f.in1.kind & K_CONST and not leads(f.in1, None, floor, search):
                f.in1 = constant(f.in1)
            if f.nin > 2 and not f.in2.kind & K_CONST and not leads(f.in2, None, floor, search):
                f.in2 = constant(f.in2)
        if f.out0 != NULL:
            drop_grad(<Variable> f.out0)
        else:
            for y in outputs_of(f):
                if y is not None:
                    drop_grad(y)
    return [leads(y, None, floor, search) for y in ys]


cdef Variable constant(Variable x):
    """x's value as an operand that was no Variable."""
    cdef Variable c = new_variable(ERA_CORE)
    c._data = data_of(x)
    c.kind = K_CONST | (x.kind & K_WEAK)
    return c


cdef object taken(PyObject *o):
    """The array o, of which the caller holds the only reference; a copy where others hold it too, it is a view, or no array."""
    cdef object a = <object> o
    if type(a) is cnp.ndarray and Py_REFCNT(o) <= 2 and cnp.PyArray_BASE(a) == NULL and cnp.PyArray_ISWRITEABLE(a):
        return a
    return np.array(a)


cdef object gradient_array(Variable x):
    """x's gradient as an array that nobody else holds, None without one; x has none afterwards."""
    cdef Variable g
    cdef object a
    if x.gstate == G_NONE:
        return None
    g = grad_variable(x)
    drop_grad(x)
    a = data_of(g)
    g = None
    if x.v.p == NULL and isinstance(a, cnp.ndarray) and isinstance(x._data, cnp.ndarray) and a.dtype != x._data.dtype:
        return np.asarray(a, x._data.dtype).copy()
    return taken(<PyObject *> a)


def pull_arrays(list ys, list gys, list xs):
    """As `pull`, on a graph that `cut` has readied, by the engine's walk: ndarrays that are nobody else's, None where there is
    none. ys: those that depend on xs. gys: None for ones, else Variables. Not for two threads at once."""
    cdef Variable x, y
    cdef Py_ssize_t i
    try:
        for x in xs:
            drop_grad(x)
        for i in range(len(ys)):
            y = ys[i]
            if gys is not None:
                (<object> y).grad = gys[i] if y._creator is not None or y.gstate == G_NONE else (<object> y).grad + gys[i]
            elif y._creator is None:
                (<object> y).grad = as_variable(np.ones(y.shape, y.dtype))
            if y._creator is not None:
                (<object> y).backward()
        return [gradient_array(x) for x in xs]
    finally:
        for x in xs:
            drop_grad(x)
        for y in ys:
            drop_grad(y)


def gradient(function, tuple args, dict kwargs, tuple numbers, check):
    """(value, gradients, arrays that f was called with, aux) of a function of arrays whose result is one number: what the general
    way gives, for arguments that are ndarrays of floats, or floats, outside of other transforms; None where they are not.
    check(result) gives y and whatever else the caller wants of it, or raises; gradients are None where y does not depend."""
    cdef list xs, given
    cdef Py_ssize_t k, floor, n = len(args)
    cdef object a, y, aux, value
    cdef Variable x, v
    cdef signed char before
    if modes() & WITHIN:
        return None
    for k in numbers:
        if k < 0 or k >= n:
            return None
        a = args[k]
        if type(a) is not float and (type(a) is not cnp.ndarray or not cnp.PyArray_ISFLOAT(a)):
            return None
    floor = new_floor()
    given = list(args)
    xs = []
    for k in numbers:
        a = args[k]
        if given[k] is not a:       # twice
            return None
        x = guarded(a if type(a) is cnp.ndarray else np.array(a))
        x.gen = floor
        xs.append(x)
        given[k] = x
    values = [x._data for x in xs]
    before = swap_mode(M_ON)
    transforms(1)
    try:
        y = function(*given, **kwargs)
        aux = None
        if type(y) is not Variable or (<Variable> y).v.p == NULL or (<Variable> y).v.nd:
            y, aux = check(y)
        v = y
        y = None
        for k in range(len(xs)):
            if (<Variable> xs[k])._data is not values[k]:
                return (None, None, None, None)
        found = pull_arrays([v], None, xs) if cut_off([v], floor)[0] else [None] * len(xs)
        del given, xs
        value = data_of(v)
        v = None
        return taken(<PyObject *> value), found, values, aux
    finally:
        transforms(-1)
        swap_mode(before)


def is_elementwise(Function f):
    """Whether f is an operation of the table: its Jacobian is diagonal."""
    return isinstance(f, Elementwise) and is_exact(f)


def push_elementwise(Function f, list which, list dxs):
    """The tangent of an elementwise operation's output: the sum of its gradient rules with the tangents of the inputs `which` in
    gy's place (None: zeros), in the output's shape; None where that is zeros."""
    cdef Elementwise g = <Elementwise> f
    cdef Variable y = <Variable> g.out0, part
    cdef object total = None, dx
    cdef Py_ssize_t i
    for i in range(len(which)):
        dx = dxs[i]
        if dx is not None:
            part = g.vjp(which[i], dx, y)
            if part is not None:
                total = part if total is None else total + part
    if total is None or total.shape == y.shape:
        return total
    return methods["broadcast_to"](total, y.shape)


def push(list steps, dict at, bint record):
    """Tangents through a graph. steps: (function, which of its inputs depend, their ids, None for an elementwise operation or
    else what gives the tangents of its outputs, its outputs); at: {id of a Variable: its tangent}, which is added to."""
    cdef signed char before = swap_mode((1 if record else 0) | (M_TRACED if traced() else 0))
    cdef Function f
    cdef list places, ids, dxs
    cdef object handler, found, dx, dy
    cdef tuple step
    cdef Variable y
    cdef bint some
    cdef Py_ssize_t k
    try:
        for step in steps:
            f, places, ids, handler, outs = step
            some = False
            dxs = []
            for i in ids:
                dx = at.get(i)
                some |= dx is not None
                dxs.append(dx)
            if not some:
                continue
            found = [push_elementwise(f, places, dxs)] if handler is None else handler(f, places, dxs, record)
            for k in range(len(outs)):
                y = outs[k]
                dy = found[k]
                if y is not None and dy is not None:
                    if (<Variable> dy).v.p == NULL or y.v.p == NULL or (<Variable> dy).v.dt != y.v.dt:
                        if dy.dtype != y.dtype:
                            dy = dy.astype(y.dtype)
                    at[key(y)] = dy
    finally:
        swap_mode(before)


def scattered(values, of, at, tuple shape):
    """Zeros of a shape, in the dtype of `values`, whose elements `at` are values[of]; of, at: numbers along the flattened arrays,
    intp, as many as each other. All arrays lie in C order. Raises IndexError for a number that is beyond."""
    cdef object out
    cdef cnp.npy_intp lengths[DZ_MAXDIM]
    cdef const cnp.npy_intp *from_
    cdef const cnp.npy_intp *to
    cdef const char *source
    cdef char *target
    cdef Py_ssize_t n = cnp.PyArray_SIZE(of), i, size, room, item
    for a in (values, of, at):
        if not cnp.PyArray_ISCARRAY_RO(a):
            raise ValueError("scattered: an array that does not lie in C order")
    if cnp.PyArray_TYPE(of) != cnp.NPY_INTP or cnp.PyArray_TYPE(at) != cnp.NPY_INTP or cnp.PyArray_SIZE(at) != n \
            or len(shape) > DZ_MAXDIM or cnp.PyArray_TYPE(values) == cnp.NPY_OBJECT:
        raise ValueError("scattered: of and at are intp and as long as each other, and values no objects")
    for i in range(len(shape)):
        lengths[i] = shape[i]
    out = cnp.PyArray_ZEROS(<int> len(shape), lengths, cnp.PyArray_TYPE(values), 0)
    from_, to = <const cnp.npy_intp *> cnp.PyArray_DATA(of), <const cnp.npy_intp *> cnp.PyArray_DATA(at)
    source, target = cnp.PyArray_BYTES(values), cnp.PyArray_BYTES(out)
    size, room, item = cnp.PyArray_SIZE(values), cnp.PyArray_SIZE(out), cnp.PyArray_ITEMSIZE(values)
    for i in range(n):
        if not (0 <= from_[i] < size and 0 <= to[i] < room):
            raise IndexError(f"scattered: element {from_[i]} of {size} to place {to[i]} of {room}")
        if item == sizeof(double):
            (<double *> target)[to[i]] = (<const double *> source)[from_[i]]
        else:
            memcpy(target + to[i] * item, source + from_[i] * item, item)
    return out
