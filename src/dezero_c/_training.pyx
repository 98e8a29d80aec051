# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""What a training step does for all parameters at once: finding them, taking their gradients away, the optimizers' updates.

An update is one call for all parameters, with a kernel for each, straight over its data, gradient and state. What kernels do
not take (other dtypes, a gradient that broadcasts, memory that is not contiguous) goes through the same rule in NumPy.
"""

import numpy as np

cimport cython
cimport numpy as cnp
from cpython.object cimport PyObject
from libc.math cimport pow, sqrt
from libc.stdlib cimport calloc, free, malloc

from dezero_c._core cimport (
    DZ_F64, Variable, data_of, drop_grad, dz_bind, dz_same_shape, dz_view, dz_view_object, grad_variable, grad_view,
    has_grad, kernels, ptrdiff_t, set_data_array, traced)

from dezero_c._core import Parameter

cnp.import_array()
dz_bind(kernels())

cdef extern from "Python.h":
    object PyWeakref_NewRef(object, PyObject *)
    PyObject *PyDict_GetItem(PyObject *, PyObject *)

cdef extern from "families/optim.h":
    enum:
        DZ_SGD
        DZ_MOMENTUM
        DZ_NESTEROV
        DZ_ADAGRAD
        DZ_RMSPROP
        DZ_ADADELTA
        DZ_ADAM
    void dz_update(int, int, int, ptrdiff_t, char *, const char *, char *, char *, const double *) noexcept nogil

cdef enum:
    COEFFICIENTS = 5
    FEW = 32

RULES = {"sgd": DZ_SGD, "momentum": DZ_MOMENTUM, "nesterov": DZ_NESTEROV, "adagrad": DZ_ADAGRAD, "rmsprop": DZ_RMSPROP,
         "adadelta": DZ_ADADELTA, "adam": DZ_ADAM}


# ---- a layer's parameters ---------------------------------------------------------------------------------------------

cdef class Seen:
    """Objects by their addresses: a user's layer may define == and hash."""
    def __cinit__(self):
        self.table = self.few
        self.mask = 63

    def __dealloc__(self):
        if self.table != self.few:
            free(self.table)

    cdef bint has(self, PyObject *o) noexcept:
        cdef size_t key = <size_t> o
        cdef Py_ssize_t k = <Py_ssize_t> (key >> 4) & self.mask
        while self.table[k] != 0:
            if self.table[k] == key:
                return True
            k = (k + 1) & self.mask
        return False

    cdef bint add(self, PyObject *o) except -1:
        """False where it is there already."""
        cdef size_t key = <size_t> o
        cdef size_t *old = self.table
        cdef Py_ssize_t i, room = self.mask + 1
        if self.has(o):
            return False
        if 2 * (self.n + 1) > room:
            self.table = <size_t *> calloc(2 * room, sizeof(size_t))
            if self.table == NULL:
                self.table = old
                raise MemoryError()
            self.mask = 2 * room - 1
            self.n = 0
            for i in range(room):
                if old[i] != 0:
                    self.put(old[i])
            if old != self.few:
                free(old)
        self.put(key)
        return True

    cdef void put(self, size_t key) noexcept:
        cdef Py_ssize_t k = <Py_ssize_t> (key >> 4) & self.mask
        while self.table[k] != 0:
            k = (k + 1) & self.mask
        self.table[k] = key
        self.n += 1


cdef int gather(object layer, list found, Seen seen) except -1:
    """Appends the layer's parameters, in order, each once; layers that hold each other are visited once, too."""
    cdef dict attributes = layer.__dict__
    cdef object names = attributes.get("_params"), containers = attributes.get("_containers"), value, item
    for name in <dict> names if isinstance(names, dict) else () if names is None else dict.fromkeys(names):
        gather_value(attributes[name], found, seen)
    if containers is not None:
        for name in <dict> containers:
            value = attributes.get(name)
            if type(value) is list:     # what a list holds is mostly there by names of its own
                for item in <list> value:
                    if not seen.has(<PyObject *> item):
                        gather_items(item, found, seen)
            else:
                gather_items(value, found, seen)
    return 0


cdef inline int gather_value(object value, list found, Seen seen) except -1:
    """The same of a Parameter or a Layer."""
    if not seen.add(<PyObject *> value):
        return 0
    if isinstance(value, Variable):
        found.append(value)
    elif plain_layer(value):
        gather(value, found, seen)
    else:       # a layer that says itself what its parameters are
        for param in value.params():
            if seen.add(<PyObject *> param):
                found.append(param)
    return 0


cdef int gather_items(object value, list found, Seen seen) except -1:
    """The same of what a list, a tuple or a dict holds, which may be anything."""
    if isinstance(value, (list, tuple, dict)):
        if seen.add(<PyObject *> value):
            for item in value.values() if isinstance(value, dict) else value:
                gather_items(item, found, seen)
    elif isinstance(value, Parameter) or (layer_class is not None and isinstance(value, layer_class)):
        gather_value(value, found, seen)
    return 0


def parameters(layer):
    """The Parameters of a Layer and of the layers in it."""
    cdef list found = []
    cdef Seen seen = Seen.__new__(Seen)
    seen.add(<PyObject *> layer)
    gather(layer, found, seen)
    return found


cdef object base_params = None      # Layer.params: who overrides it is asked
cdef object layer_class = None


def set_base(cls):
    """Tells which class `Layer` is; for dezero_c.layers."""
    global base_params, layer_class
    layer_class = cls
    base_params = cls.params


cdef inline bint plain_layer(object layer):
    return getattr(type(layer), "params", None) is base_params and "params" not in layer.__dict__


cdef list params_of(object target):
    """What target.params() gives."""
    return parameters(target) if plain_layer(target) else list(target.params())


def clear(layer):
    """Takes the gradients of a Layer's Parameters away."""
    for param in params_of(layer):
        if isinstance(param, Variable) and not traced():
            drop_grad(<Variable> param)
        else:
            param.cleargrad()


def with_gradients(target):
    """Those of target.params() that have a gradient."""
    cdef object x
    return [x for x in params_of(target) if has_gradient(x)]


cdef inline bint has_gradient(object x):
    if isinstance(x, Variable):
        return has_grad(<Variable> x)
    return x.grad is not None


cdef object reference(object x):
    """A weak reference, or a strong one to what has no weak ones (a list, a number)."""
    try:
        return PyWeakref_NewRef(x, NULL)
    except TypeError:
        return lambda: x


def remember(dict attributes, tuple inputs, outputs):
    """Sets a Layer's `inputs` and `outputs` to references to what a call was given and gave."""
    if outputs is None:
        raise TypeError("forward returned None; it must return a Variable, or a tuple of them (is a return statement missing?)")
    attributes["inputs"] = [reference(x) for x in inputs]
    attributes["outputs"] = [reference(y) for y in outputs] if isinstance(outputs, tuple) else [reference(outputs)]


# ---- updates ----------------------------------------------------------------------------------------------------------

cdef object state_of(dict states, object key, object a, object data):
    """The parameter's array in `states`, which has `a` for it; zeros the first time, and when its data has got another shape or
    dtype."""
    if a is None or not cnp.PyArray_Check(a) or not cnp.PyArray_SAMESHAPE(a, data) \
            or (cnp.PyArray_DESCR(a) is not cnp.PyArray_DESCR(data) and a.dtype != data.dtype):
        a = states[key] = np.zeros_like(data, order="C", subok=False)
    return a


cdef inline bint fits(object a, const dz_view *p):
    """Whether `a` is an ndarray that a kernel can walk beside p and write to."""
    cdef dz_view w
    return (cnp.PyArray_Check(a) and dz_view_object(<PyObject *> a, &w) and w.strides == NULL and w.dt == p.dt
            and dz_same_shape(&w, p) and cnp.PyArray_ISWRITEABLE(a))


cdef struct Job:        # a parameter's update by a kernel
    int dt
    int gdt
    ptrdiff_t n
    char *p
    const char *g
    char *s0
    char *s1


cdef bint is_job(Job *job, Variable x, object data, object s0, object s1) except -1:
    """Whether a kernel can update the parameter, and how; the job is good while nothing is set. Runs nobody's code."""
    cdef dz_view p, g
    if not dz_view_object(<PyObject *> data, &p) or p.strides != NULL or not cnp.PyArray_Check(data) \
            or not cnp.PyArray_ISWRITEABLE(data) or not grad_view(x, &g) or g.strides != NULL \
            or (g.dt != p.dt and g.dt != DZ_F64) or not dz_same_shape(&g, &p) \
            or (s0 is not None and not fits(s0, &p)) or (s1 is not None and not fits(s1, &p)):
        return False
    job.dt, job.gdt, job.n, job.p, job.g = p.dt, g.dt, p.size, <char *> p.p, g.p
    job.s0 = NULL if s0 is None else cnp.PyArray_BYTES(s0)
    job.s1 = NULL if s1 is None else cnp.PyArray_BYTES(s1)
    return True


cdef inline void do_jobs(int rule, const Job *jobs, Py_ssize_t n, const double *c) noexcept:
    cdef Py_ssize_t i
    for i in range(n):
        dz_update(rule, jobs[i].dt, jobs[i].gdt, jobs[i].n, jobs[i].p, jobs[i].g, jobs[i].s0, jobs[i].s1, c)


cdef Job *room_for(Py_ssize_t n, Job *few) except NULL:
    """Room for n jobs: `few`, which has room for FEW, or memory to be freed."""
    cdef Job *jobs = few if n <= FEW else <Job *> malloc(n * sizeof(Job))
    if jobs == NULL:
        raise MemoryError()
    return jobs


@cython.final
cdef class Rule:
    """What `step` knows of an optimizer's class."""


cdef dict rules = {}


def register(cls, tuple names, bint adam=False, bint decays=False):
    """Has `step` do what update() of `cls` itself does. names: the attributes that are its kernel's numbers; adam: the first of
    them makes the rate, by adam_rate; decays: the last is weight_decay."""
    cdef Rule rule = Rule.__new__(Rule)
    rule.names, rule.kernel, rule.adam, rule.decays, rule.states = names, RULES[cls._kernel], adam, decays, cls._states
    rule.update_one = cls.update_one
    rules[cls] = rule


cdef double adam_rate(double alpha, double beta1, double beta2, double t) except? -1:
    """alpha sqrt(1 - beta2^t) / (1 - beta1^t)."""
    return alpha * sqrt(1.0 - pow(beta2, t)) / (1.0 - pow(beta1, t))


cdef bint is_rule(object optimizer):
    """Whether `step` may do an optimizer's update."""
    return type(optimizer) in rules


cdef bint plain_numbers(dict attributes, Rule rule, double *c) except -1:
    """numbers_of where all of them are Python's and mean what they should; else False."""
    cdef int i, n = <int> len(rule.names)
    cdef object number
    for i in range(n):
        number = attributes.get(rule.names[i])
        if type(number) is not float and type(number) is not int:
            return False
        c[i] = number
    if rule.adam:       # alpha, beta1, beta2, eps, and weight_decay
        number = attributes.get("t")
        if type(number) is not int or number < 1 or not (0 <= c[1] < 1 and 0 <= c[2] < 1):
            return False
        c[4] = c[0] * c[4] if rule.decays else 0.0
        c[0] = adam_rate(c[0], c[1], c[2], number)
    return True


cdef bint step(object optimizer, object cls=None) except -1:
    """The update of an optimizer of an exact class of the library, or of a subclass of `cls`, such a class, that computes as it
    does; False, having done nothing, where update() has more to do."""
    cdef Rule rule = rules.get(type(optimizer) if cls is None else cls)
    cdef double c[COEFFICIENTS]
    cdef object target, before, hooks
    cdef dict attributes        # read at once: looking through the classes for each takes longer than all the rest
    if rule is None or traced() or type(optimizer).update_one is not rule.update_one:
        return False
    attributes = optimizer.__dict__
    target = attributes.get("target")
    hooks = attributes.get("hooks")
    if target is None or type(hooks) is not list or len(<list> hooks) > 0 or "_coefficients" in attributes:
        return False
    if rule.adam:
        before = attributes["t"]
        attributes["t"] = before + 1
        try:
            if not plain_numbers(attributes, rule, c):
                numbers_of(optimizer, c)
            change(optimizer, attributes, rule.kernel, rule.states, c, params_of(target))
        except BaseException:
            attributes["t"] = before
            raise
        return True
    if not plain_numbers(attributes, rule, c):
        numbers_of(optimizer, c)
    change(optimizer, attributes, rule.kernel, rule.states, c, params_of(target))
    return True


def stepped(optimizer, cls=None):
    """Whether `step` has done the optimizer's update; cls: the class of the library that it updates as, if not its own."""
    return step(optimizer, cls)


cdef int numbers_of(object optimizer, double *c) except -1:
    """The optimizer's numbers for its kernel."""
    cdef tuple numbers = optimizer._coefficients()
    cdef int i, n = <int> len(numbers)
    if n > COEFFICIENTS:
        raise ValueError(f"update: more than {COEFFICIENTS} coefficients")
    for i in range(n):
        number = numbers[i]
        if not isinstance(number, (float, int, np.number)):
            raise TypeError(f"{type(optimizer).__name__}: its rate and the other numbers must be numbers, not {numbers}")
        c[i] = number
    return 0


def update(optimizer, list params):
    """Changes the data of each of `params` that has a gradient, in place, as the optimizer's rule has it.

    What it asks of the optimizer: _kernel, a key of RULES; _coefficients(), its numbers in the order of families/optim.h;
    _states, the names of its attributes for state, each a dict {id(param): ndarray}; _owners, {id(param): param}, which keeps the
    ids from being used again; _by_numpy(data, grad, *state), the same where no kernel can.
    """
    cdef double c[COEFFICIENTS]
    numbers_of(optimizer, c)
    change(optimizer, optimizer.__dict__, RULES[optimizer._kernel], optimizer._states, c, params)


cdef object array_of(Variable x):
    """Its data, which is made an array where it is one of NumPy's scalars."""
    cdef object data = data_of(x)
    if not cnp.PyArray_Check(data):
        if not isinstance(data, np.generic):    # which np.clip of a 0-d array gives
            raise ValueError(f"update: parameter {x.name!r} has a gradient and no data")
        data = np.array(data)
        set_data_array(x, data)
    return data


cdef object gradient_of(Variable x):
    cdef object g = grad_variable(x)
    return data_of(<Variable> g) if isinstance(g, Variable) else g


cdef int by_numpy(object optimizer, object data, object grad, tuple states) except -1:
    """The rule in NumPy. The real and imaginary parts of a complex parameter follow it as two parameters: the derivative by the
    imaginary part is minus that of the gradient."""
    if data.dtype.kind != "c":
        optimizer._by_numpy(data, grad, *states)
        return 0
    grad = np.asarray(grad)
    optimizer._by_numpy(data.real, grad.real, *[a.real for a in states])
    optimizer._by_numpy(data.imag, -grad.imag, *[a.imag for a in states])
    return 0


cdef int look(object optimizer, tuple names, Variable x, object data) except -1:
    """Raises what by_numpy would, of the parameter's and gradient's shapes and dtypes, having changed nothing."""
    cdef object grad = np.asarray(gradient_of(x)), none
    try:
        if not cnp.PyArray_ISWRITEABLE(data):
            raise ValueError("its data is read-only; give it a copy")
        if grad.ndim > data.ndim or any([n not in (1, m) for n, m in zip(grad.shape[::-1], data.shape[::-1])]):
            raise ValueError("the gradient does not go into the parameter's shape")
        if data.dtype.kind not in "fc" or grad.dtype.kind not in ("f", data.dtype.kind):
            none = np.empty(0, data.dtype)
            by_numpy(optimizer, none, np.empty(0, grad.dtype), tuple([none.copy() for _ in names]))
    except (TypeError, ValueError) as error:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        raise kind(f"update: parameter {x.name!r} of shape {data.shape}, {data.dtype}, and its gradient of shape {grad.shape}, "
                   f"{grad.dtype}: {error}") from error
    return 0


cdef int look_at_all(object optimizer, tuple names, list params) except -1:
    """Raises for a parameter that cannot be updated, before any is changed."""
    for param in params:
        if isinstance(param, Variable):
            if has_grad(<Variable> param):
                look(optimizer, names, <Variable> param, array_of(<Variable> param))
        elif param.grad is not None:
            raise TypeError(f"update: {type(param).__name__} is no Parameter")
    return 0


cdef bint at_once(int rule, const double *c, list params, list states, dict owners) except -1:
    """The updates of all parameters, where kernels take them and their state is there; False, having done nothing, else. All
    are looked at before the first changes; nobody's code runs meanwhile."""
    cdef Job few[FEW]
    cdef Py_ssize_t i, n = 0, nstate = len(states), count = len(params)
    cdef Job *jobs = room_for(count, few)
    cdef object param, s0 = None, s1 = None, key
    cdef bint all_are = True
    try:
        for i in range(count):
            param = params[i]
            if not isinstance(param, Variable):
                all_are = False
                break
            if not has_grad(<Variable> param):
                continue
            if nstate:
                key = id(param)
                s0 = (<dict> states[0]).get(key)
                if nstate > 1:
                    s1 = (<dict> states[1]).get(key)
                if s0 is None or (nstate > 1 and s1 is None) or key not in owners:
                    all_are = False
                    break
            if not is_job(&jobs[n], <Variable> param, data_of(<Variable> param), s0, s1):
                all_are = False
                break
            n += 1
        if all_are:
            do_jobs(rule, jobs, n, c)
    finally:
        if jobs != few:
            free(jobs)
    return all_are


cdef int change(object optimizer, dict attributes, int rule, tuple names, const double *c, list params) except -1:
    """The same with the numbers: all parameters, or, with an error, none."""
    cdef Variable x
    cdef object param, data, s0, s1, key
    cdef list states = [attributes[name] for name in names]
    cdef dict owners = attributes["_owners"]
    cdef int nstate = <int> len(states)
    cdef Job job
    if at_once(rule, c, params, states, owners):
        return 0
    look_at_all(optimizer, names, params)
    for param in params:
        if not isinstance(param, Variable):
            continue
        x = <Variable> param
        if not has_grad(x):
            continue
        data = array_of(x)
        s0 = s1 = None
        if nstate:
            key = id(param)
            s0 = (<dict> states[0]).get(key)
            if key not in owners:       # which somebody's own state has not either
                owners[key] = param
            s0 = state_of(states[0], key, s0, data)
            if nstate > 1:
                s1 = state_of(states[1], key, (<dict> states[1]).get(key), data)
        if is_job(&job, x, data, s0, s1):
            do_jobs(rule, &job, 1, c)
        else:
            by_numpy(optimizer, data, gradient_of(x), () if s0 is None else (s0,) if s1 is None else (s0, s1))
    return 0


# ---- updates that are done again and again ------------------------------------------------------------------------------

@cython.final
cdef class Prepared:
    """An optimizer's update as a captured call does it each time: what `step` has found is kept, with all that it was found by.
    A layer, a parameter or an array of state that is another one now is seen, and the update done by `step`.

    Looking whether things are the same takes a third of finding them.
    """
    def __cinit__(self, optimizer):
        self.optimizer = optimizer

    def __dealloc__(self):
        free(self.places)

    cdef int update(self) except -1:
        """optimizer.update()"""
        if self.ready and self.same():
            return self.again()
        self.ready = False
        if step(self.optimizer):
            self.prepare()
        else:
            self.optimizer.update()
        return 0

    cdef int prepare(self) except -1:
        """Writes down what an update has just found; nothing where that is more than layers, Parameters and kernels."""
        cdef dict attributes = self.optimizer.__dict__
        cdef list places = [(attributes, "target", attributes["target"])]
        cdef list states
        cdef Variable x
        cdef Py_ssize_t i
        self.rule = rules[type(self.optimizer)]
        self.layers, self.held, self.params, self.first, self.second = [], [], [], [], []
        if not self.look_at(attributes["target"], places):
            return 0
        self.params = parameters(attributes["target"])
        states = [attributes[name] for name in self.rule.states]
        for name, state in zip(self.rule.states, states):
            places.append((attributes, name, state))
        for x in self.params:
            for state, found in zip(states, (self.first, self.second)):
                a = (<dict> state).get(id(x))
                if a is None:       # it has had no gradient so far
                    return 0
                places.append((state, id(x), a))
                found.append(a)
        free(self.places)
        self.n = len(places)
        self.places = <Place *> calloc(self.n + 1, sizeof(Place))
        if self.places == NULL:
            raise MemoryError()
        self.held.append(places)
        for i in range(self.n):
            self.places[i].owner = <PyObject *> (<tuple> places[i])[0]
            self.places[i].key = <PyObject *> (<tuple> places[i])[1]
            self.places[i].value = <PyObject *> (<tuple> places[i])[2]
        self.ready = True
        return 0

    cdef bint look_at(self, object layer, list places) except -1:
        """Adds what the parameters of a layer are found by; False for what is no plain layer of Parameters and such layers."""
        cdef dict attributes
        if not plain_layer(layer):
            return False
        attributes = layer.__dict__
        for known, _, _, _, _, _ in self.layers:
            if known is layer:
                return True
        names, containers = attributes.get("_params"), attributes.get("_containers")
        self.layers.append((layer, attributes, names, len(names or ()), containers, len(containers or ())))
        places.append((attributes, "_params", names)) if names is not None else None
        places.append((attributes, "_containers", containers)) if containers is not None else None
        for name in names or ():
            value = attributes[name]
            places.append((attributes, name, value))
            if not isinstance(value, Variable) and not self.look_at(value, places):
                return False
        for name in containers or ():
            value = attributes.get(name)
            if type(value) is not list:
                return False
            places.append((attributes, name, value))
            self.held.append((value, list(value)))
            for item in value:
                if isinstance(item, (list, tuple, dict)) or isinstance(item, layer_class) and not self.look_at(item, places):
                    return False
        return True

    cdef bint same(self) except -1:
        """Whether `step` would find the same. Runs nobody's code."""
        cdef object optimizer = self.optimizer, layer, attributes, names, containers, kind = None
        cdef list items, now
        cdef Place *at
        cdef Py_ssize_t i, j, n, m
        if rules.get(type(optimizer)) is not self.rule or type(optimizer).update_one is not self.rule.update_one or traced():
            return False
        for layer, attributes, names, n, containers, m in self.layers:
            if layer.__dict__ is not attributes or "params" in <dict> attributes or names is not None and len(names) != n \
                    or containers is not None and len(containers) != m:
                return False
            if type(layer) is not kind:     # those of one class follow each other, mostly
                kind = type(layer)
                if kind.params is not base_params:
                    return False
        for i in range(self.n):
            at = &self.places[i]
            if PyDict_GetItem(at.owner, at.key) != at.value:
                return False
        for i in range(len(self.held) - 1):
            now, items = <tuple> self.held[i]
            if len(now) != len(items):
                return False
            for j in range(len(items)):
                if now[j] is not items[j]:
                    return False
        return True

    cdef int again(self) except -1:
        """The update, of what `same` has found to be there."""
        cdef double c[COEFFICIENTS]
        cdef dict attributes = self.optimizer.__dict__
        cdef object hooks = attributes.get("hooks"), before, s0, s1
        cdef Py_ssize_t i, n = 0, count = len(self.params)
        cdef Variable x
        cdef bint adam = self.rule.adam
        cdef Job few[FEW]
        cdef Job *jobs
        if type(hooks) is not list or len(<list> hooks) > 0 or "_coefficients" in attributes:
            self.ready = False
            self.optimizer.update()
            return 0
        jobs = room_for(count, few)
        if adam:
            before = attributes["t"]
            attributes["t"] = before + 1
        try:
            if not plain_numbers(attributes, self.rule, c):
                numbers_of(self.optimizer, c)
            for i in range(count):
                x = self.params[i]
                if not has_grad(x):
                    continue
                s0 = self.first[i] if len(self.first) > 0 else None
                s1 = self.second[i] if len(self.second) > 0 else None
                if not is_job(&jobs[n], x, x._data, s0, s1):
                    change(self.optimizer, attributes, self.rule.kernel, self.rule.states, c, self.params)
                    return 0
                n += 1
            do_jobs(self.rule.kernel, jobs, n, c)
        except BaseException:
            if adam:
                attributes["t"] = before
            raise
        finally:
            if jobs != few:
                free(jobs)
        return 0
