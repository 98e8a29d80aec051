# What a plan asks of optimizers; addresses of objects.

from cpython.object cimport PyObject

cdef class Seen:
    cdef size_t *table
    cdef Py_ssize_t n, mask
    cdef size_t few[64]

    cdef bint has(self, PyObject *o) noexcept
    cdef bint add(self, PyObject *o) except -1
    cdef void put(self, size_t key) noexcept

ctypedef struct Place:      # owner[key] was `value`; all of them owned by Prepared
    PyObject *owner
    PyObject *key
    PyObject *value

cdef class Rule:
    cdef tuple names        # the attributes that are its kernel's numbers, in the order of families/optim.h
    cdef int kernel
    cdef bint adam, decays  # the first number is Adam's rate; the last one takes it times another
    cdef tuple states
    cdef object update_one  # which an exact class has, unless somebody has given it another

cdef class Prepared:
    cdef readonly object optimizer
    cdef Rule rule
    cdef list layers        # (layer, its attributes, names of parameters, how many, containers, how many)
    cdef list held          # (list of layers, what was in it), and the tuples of `places`
    cdef list params        # Parameters,
    cdef list first, second     # and their state
    cdef Place *places
    cdef Py_ssize_t n
    cdef bint ready

    cdef int update(self) except -1
    cdef int prepare(self) except -1
    cdef bint look_at(self, object layer, list places) except -1
    cdef bint same(self) except -1
    cdef int again(self) except -1

cdef bint is_rule(object optimizer)
cdef bint step(object optimizer, object cls=*) except -1
