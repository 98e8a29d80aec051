from dezero_c._core cimport dz_worker

cdef dz_worker squared_error_worker(bint backward) noexcept
