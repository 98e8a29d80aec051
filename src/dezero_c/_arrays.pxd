# What the families that work on whole arrays are made of.

cimport numpy as cnp

from dezero_c._core cimport Function, Variable

cdef class ArrayFunction(Function):
    cdef object gradients(self, object gy)

cdef Variable argument(object x, str op)
cdef int named_plain(object o, str op) except -1
cdef Variable floating(Variable v)
cdef bint is_half(Variable v) noexcept
cdef bint half_array(object a) noexcept
cdef Variable widened(Variable v)
cdef object narrowed(object y, bint half)
cdef Variable real_valued(Variable v, str op)
cdef object forward_of(Function f, list values)
cdef object run(Function f, tuple xs)
cdef object recorded(Function f, int n, Variable x0, Variable x1, Variable x2, Variable y)
cdef int give_grad(Variable x, object gx) except -1
cdef int kernel_dtype(object a) noexcept
cdef object wide(object a, int dt)
cdef object carray(object a, int dt)
cdef object new_array(tuple shape, int dt)
cdef tuple normal_axes(object axis, tuple shape, str op)
cdef tuple kept_shape(tuple shape, tuple axes)
cdef object reduction_of(object reduction, str op)
