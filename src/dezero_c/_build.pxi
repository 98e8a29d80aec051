# What the engine runs with: NumPy's inner loops, the SIMD level, the table of kernels for the other modules. Part of
# _core.pyx.

cdef extern from "_buffers.h":
    int dz_keep_blocks(size_t) except -1
    object dz_empty(int, const cnp.npy_intp *, int)

cdef extern from "_loops.h":
    const char **dz_fn_names
    char dz_fn_direct[DZ_NFN][2]
    int dz_adds_products()
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
    "numpy_loops": {name: taken from NumPy directly, not through its ufunc}, "blas_adds": products are added to
    gradients by NumPy's BLAS itself, "compiler": …}."""
    cdef int i
    levels = []
    for i in range(8):
        if dz_level_name(i) == NULL:
            break
        levels.append((<bytes> dz_level_name(i)).decode())
    return {"simd": (<bytes> dz_level()).decode(), "simd_available": levels,
            "numpy_loops": {(<bytes> dz_fn_names[i]).decode(): bool(dz_fn_direct[i][0] and dz_fn_direct[i][1])
                            for i in range(DZ_NFN)},
            "blas_adds": bool(dz_adds_products()),
            "compiler": (<bytes> DZ_COMPILER).decode()}


def select_simd(str level):
    """Makes the kernels of `level` (one of build_info()["simd_available"]) the ones in use; for tests and measurements."""
    if dz_select(level.encode()) != 0:
        raise ValueError(f"SIMD level {level!r} is not one of {build_info()['simd_available']}")


def set_num_threads(n):
    """Shares elementwise loops over large arrays out to n threads, the calling one included (1 to begin with, or
    DEZERO_C_NUM_THREADS in the environment). Results do not depend on it. Products of matrices have the threads of NumPy's
    BLAS (OPENBLAS_NUM_THREADS). More than 64, or any on Windows, are not used: get_num_threads() tells how many are.

    Raises ValueError for n < 1 and TypeError for what is no whole number."""
    cdef object count = operator.index(n)
    if count < 1:
        raise ValueError(f"set_num_threads: {n} threads; at least 1")
    dz_set_threads(<int> min(count, 1024))


def get_num_threads():
    """The number of threads that set_num_threads has set."""
    return dz_get_threads()


def set_flush_denormal(mode):
    """Whether this thread takes denormal numbers, those nearer to 0 than 2.3e-308 (float64) or 1.2e-38 (float32), as 0, and
    gives 0 where a result would be one: off to begin with. Processors take up to a hundred times as long for denormal numbers
    as for others, and gradients of long trainings get there.

    It holds for all arithmetic of the thread: kernels, whatever set_num_threads says, NumPy's, products of matrices by BLAS.
    BLAS's own threads (OPENBLAS_NUM_THREADS above 1) keep the mode that they were started with. A thread that is started
    later begins with the mode of the one that starts it.

    mode: True or False. Returns whether the processor can: False on one that has no such mode, where nothing changes. The name
    is PyTorch's."""
    return bool(dz_set_flush(bool(mode)))


def get_flush_denormal():
    """Whether this thread takes denormal numbers as 0; see set_flush_denormal."""
    return bool(dz_flushes())


cdef object ordinary_keep():
    """Megabytes: enough for programs whose arrays are of some ten million elements, little of any machine."""
    import os
    try:
        pages = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 1048576
    except (AttributeError, ValueError, OSError):
        return 128
    return max(16, min(512, pages // 16))


def keep_memory(megabytes):
    """How much memory of large arrays is kept for the next ones (DEZERO_C_CACHE in the environment; else a
    sixteenth of the machine's, at most 512). What is kept now is given back."""
    cdef double size = float(megabytes)
    if not 0 <= size < 1e9:
        raise ValueError(f"keep_memory: {megabytes!r} is no number of megabytes from 0 on")
    dz_keep_blocks(<size_t> (size * 1048576))


cdef int start() except -1:
    """Chooses loops, SIMD level and memory kept; DEZERO_C_LOOPS=ufunc, DEZERO_C_SIMD=<level>, DEZERO_C_CACHE=<megabytes>
    and DEZERO_C_NUM_THREADS=<n> in the environment overrule."""
    import os
    keep_memory(os.environ.get("DEZERO_C_CACHE") or ordinary_keep())
    dz_take_loops(np, os.environ.get("DEZERO_C_LOOPS") == "ufunc")
    set_num_threads(int(os.environ.get("DEZERO_C_NUM_THREADS") or 1))
    select_simd(os.environ.get("DEZERO_C_SIMD") or (<bytes> dz_level_best()).decode())
    return 0


start()
