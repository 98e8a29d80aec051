# What other families take from the shape family.

from dezero_c._core cimport Variable, dz_view

cimport numpy as cnp

cdef int copy_into(Variable x, const dz_view *xv, const char *p, const cnp.npy_intp *strides) except -1
cdef bint views_agree(Variable x, Variable y, dz_view *xv, dz_view *gv)
