from dezero_c._core cimport dz_worker

cdef dz_worker softmax_worker(int what, bint backward) noexcept
cdef Py_ssize_t cross_entropy_room(Py_ssize_t rows, Py_ssize_t n) noexcept
