# What the generated operations (_ops.pyx) are made of.

from libc.stddef cimport ptrdiff_t

from dezero_c._core cimport Function, Variable, dz_args, dz_view

cdef class Elementwise(Function):
    cdef object reference(self, tuple xs)
    cdef object vjp(self, int k, object gy, object y)
    cdef int set_params(self, tuple params) except -1
    cdef int check_arity(self, Py_ssize_t n) except -1
    cdef bint both(self, Variable y, const dz_view *w, dz_args a, bint keep) except -1
    cdef int vjp_scalar(self, Variable y) except -1
    cdef int vjp_in_node(self, Variable y, bint keep) except -1
    cdef int mixed(self, Variable y, bint keep) except -1
    cdef Variable value(self)
    cdef object gradient(self, int k, object gy, object y)
    cdef void map(self, int k, const dz_view *w, dz_args a, bint flat, const ptrdiff_t *const *sts, const ptrdiff_t *st) noexcept
    cdef int summed(self, int k, Variable x, const dz_view *w, dz_args a, bint flat, const ptrdiff_t *const *sts) except -1

cdef int summed_axes(const dz_view *x, const dz_view *y, int *lead) noexcept
cdef object apply1(int op, object a)
cdef object apply2(int op, object a, object b)
cdef object apply3(int op, object a, object b, object c)
cdef object power_any(type cls, object x, object c)
cdef object clip_any(type cls, object x, object x_min, object x_max)
cdef object powm1(object x, object c)
cdef object mask(int sign, object a, object b)
cdef object libm_erf(object x)
cdef object libm_erfc(object x)
cdef object logistic(object x)
cdef object in_double(str wanted, object x, tuple params)
cdef object polygamma1(object n, object x)
cdef object real(object x)
cdef int ordered(tuple xs) except -1
cdef object conj_sign(object x)
cdef object zeros_like(object x)
cdef int evaluate_from(Function g, Variable x0, Variable x1, Variable x2, Variable y) except -1
cdef int evaluate_again(Function g, Variable y) except -1
cdef bint is_exact(Function g)
cdef Function operation(int op)
cdef int register(int op, type cls) except -1
