# What convolution and pooling have in common: the window that slides over images.

from libc.stddef cimport ptrdiff_t

from dezero_c._core cimport Function, Variable

cdef extern from "families/conv.h":
    ctypedef struct dz_window:
        ptrdiff_t n, c, h, w, kh, kw, sh, sw, ph, pw, dh, dw, oh, ow

    void dz_im2col(int, const char *, char *, const dz_window *, ptrdiff_t, ptrdiff_t, ptrdiff_t) noexcept
    void dz_col2im(int, char *, char *, const dz_window *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int) noexcept

cdef int check_called(Function f, Variable last) except -1
cdef tuple two_ints(object x, str name, str op)
cdef int two(object x, str name, str op, ptrdiff_t least, ptrdiff_t *a, ptrdiff_t *b) except -1
cdef int set_window(dz_window *w, tuple shape, object kernel, object stride, object pad, object dilation, str op,
                    bint ceil=*) except -1
cdef object columns(object x, const dz_window *w, bint to_matrix)
cdef object images(object col, const dz_window *w, bint to_matrix, str op)
