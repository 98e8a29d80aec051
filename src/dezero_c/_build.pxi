# What the engine runs with: NumPy's inner loops, the SIMD level, the table of kernels for the other modules. Part of
# _core.pyx.

cdef extern from "_buffers.h":
    int dz_keep_blocks(size_t) except -1
    object dz_empty(int, const cnp.npy_intp *, int)

cdef extern from "_loops.h":
    const char **dz_fn_names
    char dz_fn_direct[DZ_NFN][2]
    int dz_take_loops(object, int) except -1

cdef extern from *:
    """
    #if defined(__clang__)
    #define DZ_COMPILER "clang " __clang_version__
    #elif defined(__GNUC__)
    #define DZ_COMPILER "gcc " __VERSION__
    #elif defined(_MSC_VER)
    #define DZ_COMPILER "MSVC"
    #else
    #define DZ_COMPILER "unknown"
    #endif
    """
    const char *DZ_COMPILER


cdef const void *kernels() noexcept:
    """The table for dz_bind."""
    return dz_table_address


def build_info():
    """What this build runs with: {"simd": level in use, "simd_available": all that this machine can choose,
    "numpy_loops": {name: taken from NumPy directly, not through its ufunc}, "compiler": …}."""
    cdef int i
    levels = []
    for i in range(8):
        if dz_level_name(i) == NULL:
            break
        levels.append((<bytes> dz_level_name(i)).decode())
    return {"simd": (<bytes> dz_level()).decode(), "simd_available": levels,
            "numpy_loops": {(<bytes> dz_fn_names[i]).decode(): bool(dz_fn_direct[i][0] and dz_fn_direct[i][1])
                            for i in range(DZ_NFN)},
            "compiler": (<bytes> DZ_COMPILER).decode()}


def select_simd(str level):
    """Makes the kernels of `level` (one of build_info()["simd_available"]) the ones in use; for tests and measurements."""
    if dz_select(level.encode()) != 0:
        raise ValueError(f"SIMD level {level!r} is not one of {build_info()['simd_available']}")


def keep_memory(megabytes):
    """How much memory of large arrays is kept for the next ones (DEZERO_C_CACHE in the environment; 128 unless given). What
    is kept now is given back."""
    cdef double size = float(megabytes)
    if not 0 <= size < 1e9:
        raise ValueError(f"keep_memory: {megabytes!r} is no number of megabytes from 0 on")
    dz_keep_blocks(<size_t> (size * 1048576))


cdef int start() except -1:
    """Chooses loops, SIMD level and memory kept; DEZERO_C_LOOPS=ufunc, DEZERO_C_SIMD=<level> and DEZERO_C_CACHE=<megabytes>
    in the environment overrule."""
    import os
    keep_memory(os.environ.get("DEZERO_C_CACHE") or 128)
    dz_take_loops(np, os.environ.get("DEZERO_C_LOOPS") == "ufunc")
    select_simd(os.environ.get("DEZERO_C_SIMD") or build_info()["simd_available"][-1])
    return 0


start()
