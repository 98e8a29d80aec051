# What convolution and pooling have in common: the window that slides over images.

from libc.stddef cimport ptrdiff_t

from dezero_c._core cimport Function, Variable

cdef extern from "families/conv.h":
    ctypedef struct dz_window:
        ptrdiff_t n, c, h, w, kh, kw, sh, sw, ph, pw, dh, dw, oh, ow

cdef int check_called(Function f, Variable last) except -1
cdef tuple two_ints(object x, str name, str op)
cdef int two(object x, str name, str op, ptrdiff_t least, ptrdiff_t *a, ptrdiff_t *b) except -1
cdef int set_window(dz_window *w, tuple shape, object kernel, object stride, object pad, object dilation, str op,
                    bint ceil=*) except -1
cdef void to_columns(int dt, const char *x, char *col, const dz_window *w, ptrdiff_t r0, ptrdiff_t r1, ptrdiff_t ld) noexcept
cdef void from_columns(int dt, char *x, char *col, const dz_window *w, ptrdiff_t r0, ptrdiff_t r1, ptrdiff_t ld, int own) noexcept
cdef object columns(object x, const dz_window *w, bint to_matrix)
cdef object images(object col, const dz_window *w, bint to_matrix, str op)
