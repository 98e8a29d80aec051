# NumPy's functions in a captured call: what was called, with places in its arguments for the arrays. Part of _calls.pyx.

cdef class Place:
    """The k-th array's place in a Template."""
    cdef readonly Py_ssize_t k

    def __init__(self, Py_ssize_t k):
        self.k = k

    def __eq__(self, other):
        return type(other) is Place and self.k == (<Place> other).k

    __hash__ = None


@cython.final
cdef class Group:
    """A tuple, a list, a slice or a dict that has places in it: what each replay makes anew."""
    cdef object kind
    cdef list keys, parts


def call_method(str name, array, *args, **kwargs):
    """array.name(*args, **kwargs)"""
    return getattr(array, name)(*args, **kwargs)


def call_into(function, target, *args, **kwargs):
    """function(*args, out=target, **kwargs)"""
    function(*args, out=target, **kwargs)


cdef class Template:
    """function(*args, **kwargs) as a function of the arrays that Places in args and kwargs stand for, in tuples, lists, dicts
    and slices, too."""
    def __init__(self, function, tuple args not None, dict kwargs not None):
        self.function, self.args, self.kwargs = function, args, kwargs
        self.parts = [grouped(a) for a in (*args, *kwargs.values())]
        self.names = tuple(kwargs) or None
        if function is call_method:
            if len(args) < 2:
                raise TypeError("call_method: a name and an array are wanted")
            self.method = self.parts.pop(0)
        self.arrays_alone = not kwargs and all([type(a) is Place and (<Place> a).k == k for k, a in enumerate(self.parts)])

    def __call__(self, *arrays):
        return self.of(list(arrays))

    cdef object of(self, list arrays):
        """What it gives for these arrays."""
        cdef list values = arrays if self.arrays_alone else [filled(a, arrays) for a in self.parts]
        cdef PyObject **items = items_of(values)
        cdef PyObject *names = NULL if self.names is None else <PyObject *> self.names
        cdef size_t n = len(values) - (0 if names == NULL else len(self.names))
        if self.method is not None:
            return PyObject_VectorcallMethod(self.method, items, n, names)
        return PyObject_Vectorcall(self.function, items, n, names)


cdef object grouped(object o):
    """o, or a Group for it where it has places in it."""
    cdef list parts
    if type(o) is tuple or type(o) is list:
        parts = [grouped(x) for x in o]
        return group_of(type(o), None, parts) if has_places(parts) else o
    if type(o) is slice:
        parts = [grouped(x) for x in (o.start, o.stop, o.step)]
        return group_of(slice, None, parts) if has_places(parts) else o
    if type(o) is dict:
        parts = [grouped(x) for x in o.values()]
        return group_of(dict, list(o), parts) if has_places(parts) else o
    return o


cdef bint has_places(list parts):
    for x in parts:
        if type(x) is Place or type(x) is Group:
            return True
    return False


cdef Group group_of(object kind, list keys, list parts):
    cdef Group found = Group.__new__(Group)
    found.kind, found.keys, found.parts = kind, keys, parts
    return found


cdef inline object filled(object o, list arrays):
    """o with the arrays in it."""
    return arrays[(<Place> o).k] if type(o) is Place else remade(<Group> o, arrays) if type(o) is Group else o


cdef object remade(Group group, list arrays):
    cdef list parts = [filled(x, arrays) for x in group.parts]
    if group.kind is list:
        return parts
    if group.kind is tuple:
        return tuple(parts)
    return slice(*parts) if group.kind is slice else dict(zip(group.keys, parts, strict=True))
