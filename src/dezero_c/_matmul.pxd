from dezero_c._core cimport dz_worker, ptrdiff_t

cdef int product_into(int dt, const char *a, ptrdiff_t a0, ptrdiff_t a1, const char *b, ptrdiff_t b0, ptrdiff_t b1, char *c,
                      ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, bint acc) except -1
cdef void add_bias(int dt, char *y, const char *b, ptrdiff_t m, ptrdiff_t n) noexcept
cdef bint is_direct(ptrdiff_t multiplications) noexcept
cdef dz_worker product_worker(int what) noexcept
