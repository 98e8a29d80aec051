# What a plan asks of optimizers; addresses of objects.

from cpython.object cimport PyObject

cdef class Seen:
    cdef size_t *table
    cdef Py_ssize_t n, mask
    cdef size_t few[64]

    cdef bint has(self, PyObject *o) noexcept
    cdef bint add(self, PyObject *o) except -1
    cdef void put(self, size_t key) noexcept

cdef bint is_rule(object optimizer)
cdef bint step(object optimizer) except -1
