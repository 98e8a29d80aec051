# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""What a training step does for all parameters at once: finding them, taking their gradients away, the optimizers' updates.

An update is one call for all parameters, with a kernel for each, straight over its data, gradient and state. What kernels do
not take (other dtypes, a gradient that broadcasts, memory that is not contiguous) goes through the same rule in NumPy.
"""

import numpy as np

cimport numpy as cnp
from cpython.object cimport PyObject

from dezero_c._core cimport (
    Variable, data_of, drop_grad, dz_bind, dz_same_shape, dz_view, dz_view_object, grad_variable, grad_view, has_grad, kernels,
    ptrdiff_t, set_data_array, traced)

from dezero_c._core import Parameter

cnp.import_array()
dz_bind(kernels())

cdef extern from "Python.h":
    object PyWeakref_NewRef(object, PyObject *)

cdef extern from "families/optim.h":
    enum:
        DZ_SGD
        DZ_MOMENTUM
        DZ_NESTEROV
        DZ_ADAGRAD
        DZ_RMSPROP
        DZ_ADADELTA
        DZ_ADAM
    void dz_update(int, int, ptrdiff_t, char *, const char *, char *, char *, const double *) noexcept nogil

RULES = {"sgd": DZ_SGD, "momentum": DZ_MOMENTUM, "nesterov": DZ_NESTEROV, "adagrad": DZ_ADAGRAD, "rmsprop": DZ_RMSPROP,
         "adadelta": DZ_ADADELTA, "adam": DZ_ADAM}


# ---- a layer's parameters ---------------------------------------------------------------------------------------------

cdef int gather(object layer, list found, set seen) except -1:
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
                    if <size_t> <void *> item not in seen:
                        gather_items(item, found, seen)
            else:
                gather_items(value, found, seen)
    return 0


cdef inline int gather_value(object value, list found, set seen) except -1:
    """The same of a Parameter or a Layer."""
    cdef Py_ssize_t before = len(seen)
    seen.add(<size_t> <void *> value)       # a user's layer may define == and hash
    if len(seen) == before:
        return 0
    if isinstance(value, Variable):
        found.append(value)
    elif plain_layer(value):
        gather(value, found, seen)
    else:       # a layer that says itself what its parameters are
        for param in value.params():
            if <size_t> <void *> param not in seen:
                seen.add(<size_t> <void *> param)
                found.append(param)
    return 0


cdef int gather_items(object value, list found, set seen) except -1:
    """The same of what a list, a tuple or a dict holds, which may be anything."""
    if isinstance(value, (list, tuple, dict)):
        if <size_t> <void *> value not in seen:
            seen.add(<size_t> <void *> value)
            for item in value.values() if isinstance(value, dict) else value:
                gather_items(item, found, seen)
    elif isinstance(value, Parameter) or (layer_class is not None and isinstance(value, layer_class)):
        gather_value(value, found, seen)
    return 0


def parameters(layer):
    """The Parameters of a Layer and of the layers in it."""
    cdef list found = []
    gather(layer, found, {<size_t> <void *> layer})
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

cdef object state_of(dict states, object key, object data):
    """The parameter's array in `states`; zeros the first time, and when its data has got another shape or dtype."""
    cdef object a = states.get(key)
    if a is None or not cnp.PyArray_Check(a) or not cnp.PyArray_SAMESHAPE(a, data) \
            or (cnp.PyArray_DESCR(a) is not cnp.PyArray_DESCR(data) and a.dtype != data.dtype):
        a = states[key] = np.zeros_like(data, order="C", subok=False)
    return a


cdef inline bint fits(object a, const dz_view *p):
    """Whether `a` is an ndarray that a kernel can walk beside p and write to."""
    cdef dz_view w
    return (dz_view_object(<PyObject *> a, &w) and w.strides == NULL and w.dt == p.dt and dz_same_shape(&w, p)
            and cnp.PyArray_ISWRITEABLE(a))


cdef bint by_kernel(int rule, Variable x, object data, object s0, object s1, const double *c) except -1:
    cdef dz_view p, g
    if not dz_view_object(<PyObject *> data, &p) or p.strides != NULL or not cnp.PyArray_ISWRITEABLE(data) \
            or not grad_view(x, &g) or g.strides != NULL or g.dt != p.dt or not dz_same_shape(&g, &p) \
            or (s0 is not None and not fits(s0, &p)) or (s1 is not None and not fits(s1, &p)):
        return False
    dz_update(rule, p.dt, p.size, <char *> p.p, g.p, NULL if s0 is None else cnp.PyArray_BYTES(s0),
              NULL if s1 is None else cnp.PyArray_BYTES(s1), c)
    return True


def update(int rule, list params, tuple coefficients, tuple states, dict owners, by_numpy):
    """Changes the data of each of `params` that has a gradient, in place.

    rule: a value of RULES; coefficients: its numbers, in the order of families/optim.h; states: a dict for each array of state,
    {id(param): ndarray}; owners: {id(param): param}, which keeps the ids from being used again; by_numpy(data, grad, *state)
    does the same where no kernel can.
    """
    cdef double c[5]
    cdef Variable x
    cdef object param, data, s0, s1, key, old
    cdef int i, n = <int> len(coefficients), nstate = <int> len(states)
    if n > 5:
        raise ValueError("update: more than 5 coefficients")
    for i in range(n):
        c[i] = coefficients[i]
    for param in params:
        if not isinstance(param, Variable):
            raise TypeError(f"update: {type(param).__name__} is no Parameter")
        x = <Variable> param
        if not has_grad(x):
            continue
        data = data_of(x)
        if not cnp.PyArray_Check(data):
            if not isinstance(data, np.generic):    # which np.clip of a 0-d array gives
                raise ValueError(f"update: parameter {param.name!r} has a gradient and no data")
            data = np.array(data)
            set_data_array(x, data)
        s0 = s1 = None
        if nstate:
            key = id(param)
            owners[key] = param
            s0 = state_of(states[0], key, data)
            if nstate > 1:
                s1 = state_of(states[1], key, data)
        if not by_kernel(rule, x, data, s0, s1, c):
            old = grad_variable(x)
            grad = data_of(<Variable> old) if isinstance(old, Variable) else old
            try:
                by_numpy(data, grad, *([] if s0 is None else [s0] if s1 is None else [s0, s1]))
            except (TypeError, ValueError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"update: parameter {param.name!r} of shape {data.shape}, {data.dtype}, and its gradient of "
                           f"shape {np.shape(grad)}, {np.asarray(grad).dtype}: {error}") from error
