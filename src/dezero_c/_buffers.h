/* Large arrays without page faults: memory of values and gradients from DZ_MIDDLE bytes on is kept when its ndarray goes, and given
 * to the next one of that size. A fresh block of some megabytes costs more in page faults than the operation that fills it;
 * so do thousands of some ten kilobytes, a graph's, which malloc gives back to the system when the graph goes.
 *
 * This is an allocation policy in NumPy's sense (NEP 49), of the arrays alone that the engine makes; NumPy hands the block
 * back to it when such an array goes, whoever holds it then. Blocks are malloc's, so NumPy may resize them. Everything
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

#define DZ_MIDDLE 4096  /* below, values lie in blocks of the nodes, or with malloc in pages that it keeps */
#define DZ_BIG 65536    /* below, many blocks in lists of one size each; from here on few, in one list */
#define DZ_PAGE 4096
#ifndef NPY_TRACE_DOMAIN
#define NPY_TRACE_DOMAIN 389047 /* documented in NumPy's C-API */
#endif
#define DZ_HUGE (2 << 20) /* a large page */
#define DZ_SLOTS 64

static struct {
    void *p[DZ_SLOTS];
    size_t size[DZ_SLOTS];
    int n;
    size_t bytes, limit; /* of all blocks, those in `middle` included */
    void *middle[DZ_BIG / DZ_PAGE + 1]; /* by pages; a block begins with a pointer to the next */
    size_t middle_bytes;                /* a quarter of the limit at most */
} dz_kept; /* from the block freed first to the one freed last */

/* What is asked of malloc for a block: whole pages, so that blocks of one list may take each other's place. */
static size_t dz_room(size_t size) { return size < DZ_BIG ? (size + DZ_PAGE - 1) & ~(size_t)(DZ_PAGE - 1) : size; }

static void *dz_take_middle(size_t room)
{
    void **head = &dz_kept.middle[room / DZ_PAGE], *p = *head;
    if (!p)
        return malloc(room);
    memcpy(head, p, sizeof(void *));
    dz_kept.bytes -= room;
    dz_kept.middle_bytes -= room;
    return p;
}

static void dz_keep_middle(void *p, size_t room)
{
    void **head = &dz_kept.middle[room / DZ_PAGE];
    memcpy(p, head, sizeof(void *));
    *head = p;
    dz_kept.bytes += room;
    dz_kept.middle_bytes += room;
}

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
    if (size < DZ_BIG)
        return dz_take_middle(dz_room(size));
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
    if (size < DZ_BIG) {
        const size_t room = dz_room(size);
        if (size >= DZ_MIDDLE && dz_kept.bytes + room <= dz_kept.limit && dz_kept.middle_bytes + room <= dz_kept.limit / 4)
            dz_keep_middle(p, room);
        else
            free(p);
        return;
    }
    while (dz_kept.n && (dz_kept.n == DZ_SLOTS || dz_kept.bytes + size > dz_kept.limit)) {
        free(dz_kept.p[0]);
        dz_kept_remove(0);
    }
    if (dz_kept.bytes + size > dz_kept.limit) {
        free(p);
        return;
    }
    dz_kept.p[dz_kept.n] = p;
    dz_kept.size[dz_kept.n++] = size;
    dz_kept.bytes += size;
}

static void *dz_block_calloc(void *ctx, size_t n, size_t size)
{
    (void)ctx;
    return size && n > (size_t)-1 / 2 / size ? NULL : calloc(1, dz_room(n * size));
}

static void *dz_block_realloc(void *ctx, void *p, size_t size)
{
    (void)ctx;
    return realloc(p, dz_room(size));
}

static PyDataMem_Handler dz_handler = {"dezero_c",
                                       1,
                                       {NULL, dz_block_malloc, dz_block_calloc, dz_block_realloc, dz_block_free}};
static PyObject *dz_handler_capsule; /* owned for the life of the process */

/* Sets how many bytes are kept; what is kept now goes. 0, or -1 with an exception. */
static int dz_keep_blocks(size_t limit)
{
    size_t room;
    while (dz_kept.n) {
        free(dz_kept.p[dz_kept.n - 1]);
        dz_kept_remove(dz_kept.n - 1);
    }
    for (room = DZ_PAGE; room <= DZ_BIG; room += DZ_PAGE)
        while (dz_kept.middle[room / DZ_PAGE])
            free(dz_take_middle(room));
    dz_kept.limit = limit;
    if (!dz_handler_capsule)
        dz_handler_capsule = PyCapsule_New(&dz_handler, "mem_handler", NULL);
    return dz_handler_capsule ? 0 : -1;
}

/* An uninitialised C-contiguous ndarray of a type number without references. What NumPy does where a policy is in force, without
 * the change of policy, which takes as long as the rest: memory, NumPy's record of it for tracemalloc, an array that owns it. */
static PyObject *dz_empty(int nd, const npy_intp *shape, int typenum)
{
    PyObject *a;
    void *p;
    npy_intp n = typenum == NPY_FLOAT ? 4 : 8;
    int i;
    for (i = 0; i < nd; i++) {
        if (shape[i] <= 0 || n > NPY_MAX_INTP / shape[i])
            return PyArray_EMPTY(nd, (npy_intp *)shape, typenum, 0); /* which says so, where it is too large */
        n *= shape[i];
    }
    if (n < DZ_MIDDLE || !dz_kept.limit)
        return PyArray_EMPTY(nd, (npy_intp *)shape, typenum, 0);
    if (!(p = dz_block_malloc(NULL, (size_t)n)))
        return PyArray_EMPTY(nd, (npy_intp *)shape, typenum, 0); /* NumPy's error */
    a = PyArray_NewFromDescr(&PyArray_Type, PyArray_DescrFromType(typenum), nd, (npy_intp *)shape, NULL, p, NPY_ARRAY_CARRAY, NULL);
    if (!a) {
        dz_block_free(NULL, p, (size_t)n);
        return NULL;
    }
    PyTraceMalloc_Track(NPY_TRACE_DOMAIN, (uintptr_t)p, (size_t)n);
    Py_INCREF(dz_handler_capsule);
    ((PyArrayObject_fields *)a)->mem_handler = dz_handler_capsule;
    PyArray_ENABLEFLAGS((PyArrayObject *)a, NPY_ARRAY_OWNDATA);
    return a;
}

#endif
