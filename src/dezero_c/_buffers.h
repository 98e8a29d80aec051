/* Large arrays without page faults: memory of values and gradients from DZ_BIG bytes on is kept when its ndarray goes, and given to
 * the next one of that size. A fresh block of some megabytes costs more in page faults than the operation that fills it.
 *
 * This is an allocation policy in NumPy's sense (NEP 49), in force only while the engine makes an array of its own; NumPy hands
 * the block back to it when that array goes, whoever holds it then. Blocks are malloc's, so NumPy may resize them. Everything
 * runs under the interpreter's lock. DEZERO_C_CACHE=<megabytes> in the environment sets how much is kept; 0: nothing.
 */
#ifndef DZ_BUFFERS_H
#define DZ_BUFFERS_H

#include <Python.h>
#include <numpy/arrayobject.h>
#include <stdlib.h>
#include <string.h>
#ifdef __linux__
#include <sys/mman.h>
#endif

#define DZ_BIG 65536
#define DZ_HUGE (2 << 20) /* a large page */
#define DZ_SLOTS 64

static struct {
    void *p[DZ_SLOTS];
    size_t size[DZ_SLOTS];
    int n;
    size_t bytes, limit;
} dz_kept; /* from the block freed first to the one freed last */

static void dz_kept_remove(int i)
{
    dz_kept.bytes -= dz_kept.size[i];
    dz_kept.n--;
    memmove(dz_kept.p + i, dz_kept.p + i + 1, sizeof(void *) * (size_t)(dz_kept.n - i));
    memmove(dz_kept.size + i, dz_kept.size + i + 1, sizeof(size_t) * (size_t)(dz_kept.n - i));
}

/* Memory in large pages where the system has them: 512 times fewer page faults, as NumPy's own arrays have. */
static void *dz_new_block(size_t size)
{
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    void *p;
    if (size >= 2 * DZ_HUGE) {
        if (posix_memalign(&p, DZ_HUGE, size) != 0)
            return NULL;
        madvise(p, size & ~(size_t)4095, MADV_HUGEPAGE);
        return p;
    }
#endif
    return malloc(size);
}

static void *dz_block_malloc(void *ctx, size_t size)
{
    int i;
    (void)ctx;
    for (i = dz_kept.n - 1; i >= 0; i--)
        if (dz_kept.size[i] == size) {
            void *p = dz_kept.p[i];
            dz_kept_remove(i);
            return p;
        }
    return dz_new_block(size);
}

static void dz_block_free(void *ctx, void *p, size_t size)
{
    (void)ctx;
    if (!p)
        return;
    if (size < DZ_BIG || size > dz_kept.limit) {
        free(p);
        return;
    }
    while (dz_kept.n == DZ_SLOTS || dz_kept.bytes + size > dz_kept.limit) {
        free(dz_kept.p[0]);
        dz_kept_remove(0);
    }
    dz_kept.p[dz_kept.n] = p;
    dz_kept.size[dz_kept.n++] = size;
    dz_kept.bytes += size;
}

static void *dz_block_calloc(void *ctx, size_t n, size_t size)
{
    (void)ctx;
    return calloc(n, size);
}

static void *dz_block_realloc(void *ctx, void *p, size_t size)
{
    (void)ctx;
    return realloc(p, size);
}

static PyDataMem_Handler dz_handler = {"dezero_c",
                                       1,
                                       {NULL, dz_block_malloc, dz_block_calloc, dz_block_realloc, dz_block_free}};
static PyObject *dz_handler_capsule; /* owned for the life of the process */

/* Sets how many bytes are kept; what is kept now goes. 0, or -1 with an exception. */
static int dz_keep_blocks(size_t limit)
{
    while (dz_kept.n) {
        free(dz_kept.p[dz_kept.n - 1]);
        dz_kept_remove(dz_kept.n - 1);
    }
    dz_kept.limit = limit;
    if (!dz_handler_capsule)
        dz_handler_capsule = PyCapsule_New(&dz_handler, "mem_handler", NULL);
    return dz_handler_capsule ? 0 : -1;
}

/* An uninitialised C-contiguous ndarray of a type number without references. */
static PyObject *dz_empty(int nd, const npy_intp *shape, int typenum)
{
    PyObject *before, *ours, *a;
    npy_intp n = typenum == NPY_FLOAT ? 4 : 8;
    int i;
    for (i = 0; i < nd && n < DZ_BIG; i++)
        n *= shape[i];
    if (n < DZ_BIG || !dz_kept.limit)
        return PyArray_EMPTY(nd, (npy_intp *)shape, typenum, 0);
    before = PyDataMem_SetHandler(dz_handler_capsule);
    if (!before)
        return NULL;
    a = PyArray_EMPTY(nd, (npy_intp *)shape, typenum, 0);
    ours = PyDataMem_SetHandler(before);
    Py_DECREF(before);
    if (!ours) {
        Py_XDECREF(a);
        return NULL;
    }
    Py_DECREF(ours);
    return a;
}

#endif
