/* Values that live in a node: dz_raw holds them, dz_view looks at them (or at an ndarray) without owning anything.
 *
 * A raw value is float32 or float64, C-contiguous, with at most DZ_RAWDIM axes. One value lies in the struct itself;
 * more lie in a block from a free list, whose first bytes hold the shape. Everything else is an ndarray from birth.
 * The free lists are guarded by the interpreter's lock.
 */
#ifndef DZ_RAW_H
#define DZ_RAW_H

#include "core/kernels.h"
#include <Python.h>
#include <numpy/arrayobject.h>
#include <numpy/arrayscalars.h>

#define DZ_RAWDIM 4
#define DZ_RAW_BYTES 4096 /* values larger than this are ndarrays: NumPy's allocation no longer matters there */

typedef struct {
    char *p;          /* NULL: nothing here */
    double one;       /* the value itself when it is 0-d */
    Py_ssize_t size;
    signed char dt, nd;
    unsigned char cls; /* free list of the block */
} dz_raw;

typedef struct {
    const char *p;
    const npy_intp *shape;
    const npy_intp *strides; /* bytes; NULL when contiguous */
    Py_ssize_t size;
    int dt, nd;
} dz_view;

static inline Py_ssize_t dz_itemsize(int dt) { return dt == DZ_F64 ? 8 : 4; }
static inline int dz_typenum(int dt) { return dt == DZ_F64 ? NPY_DOUBLE : NPY_FLOAT; }
static inline npy_intp *dz_raw_shape(const dz_raw *r) { return (npy_intp *)(r->p - DZ_RAWDIM * sizeof(npy_intp)); }

static inline void dz_view_raw(const dz_raw *r, dz_view *w)
{
    w->p = r->p;
    w->shape = dz_raw_shape(r); /* never read when nd is 0 */
    w->strides = NULL;
    w->size = r->size;
    w->dt = r->dt;
    w->nd = r->nd;
}

/* What an ndarray is a view of, or NULL. */
static inline PyObject *dz_array_base(PyObject *a) { return PyArray_BASE((PyArrayObject *)a); }

/* 1 when `o` is something that kernels can read where it lies: an exact ndarray, aligned and in native byte order, or a
 * NumPy scalar, of float32 or float64. */
static inline int dz_view_object(PyObject *o, dz_view *w)
{
    if (PyArray_CheckExact(o)) {
        PyArrayObject *a = (PyArrayObject *)o;
        const int t = PyArray_TYPE(a);
        if ((t != NPY_DOUBLE && t != NPY_FLOAT) || !PyArray_ISBEHAVED_RO(a))
            return 0;
        w->p = PyArray_BYTES(a);
        w->dt = t == NPY_DOUBLE ? DZ_F64 : DZ_F32;
        w->nd = PyArray_NDIM(a);
        w->shape = PyArray_DIMS(a);
        w->strides = PyArray_IS_C_CONTIGUOUS(a) ? NULL : PyArray_STRIDES(a);
        w->size = PyArray_SIZE(a);
        return 1;
    }
    if (PyArray_IsScalar(o, Double))
        w->p = (const char *)&PyArrayScalar_VAL(o, Double), w->dt = DZ_F64;
    else if (PyArray_IsScalar(o, Float))
        w->p = (const char *)&PyArrayScalar_VAL(o, Float), w->dt = DZ_F32;
    else
        return 0;
    w->nd = 0;
    w->shape = w->strides = NULL;
    w->size = 1;
    return 1;
}

static inline int dz_same_shape(const dz_view *a, const dz_view *b)
{
    int i;
    if (a->nd != b->nd || a->size != b->size)
        return 0;
    for (i = 0; i < a->nd; i++)
        if (a->shape[i] != b->shape[i])
            return 0;
    return 1;
}

/* Whether elements of two views of one shape lie in memory in the same way. */
static inline int dz_same_layout(const dz_view *a, const dz_view *b)
{
    npy_intp step = dz_itemsize(a->dt);
    int i;
    if (a->strides == NULL && b->strides == NULL)
        return 1;
    for (i = a->nd - 1; i >= 0; i--) {
        if (a->shape[i] > 1 && (a->strides ? a->strides[i] : step) != (b->strides ? b->strides[i] : step))
            return 0;
        step *= a->shape[i];
    }
    return 1;
}

/* Whether a view has no gaps, its axes in any order, none backwards. */
static inline int dz_dense(const dz_view *w)
{
    npy_intp step = dz_itemsize(w->dt);
    int i, left = 0;
    if (w->strides == NULL)
        return 1;
    for (i = 0; i < w->nd; i++)
        left += w->shape[i] > 1;
    while (left > 0) {
        for (i = 0; i < w->nd && !(w->shape[i] > 1 && w->strides[i] == step); i++)
            ;
        if (i == w->nd)
            return 0;
        step *= w->shape[i];
        left--;
    }
    return 1;
}

/* Whether strides of 0 make all elements one value. */
static inline int dz_is_even(const dz_view *w)
{
    int i;
    for (i = 0; w->strides != NULL && i < w->nd; i++)
        if (w->shape[i] > 1 && w->strides[i] != 0)
            return 0;
    return w->strides != NULL;
}

/* Byte strides of a view stretched over `nd` axes of `shape`; 0 when it does not broadcast to that shape. */
static inline int dz_stretch(const dz_view *w, int nd, const npy_intp *shape, npy_intp *st)
{
    const int lead = nd - w->nd;
    npy_intp step = dz_itemsize(w->dt);
    int i;
    if (lead < 0)
        return 0;
    for (i = nd - 1; i >= lead; i--) {
        const npy_intp d = w->shape[i - lead];
        if (d != shape[i] && d != 1)
            return 0;
        st[i] = d == 1 ? 0 : w->strides ? w->strides[i - lead] : step;
        step *= d;
    }
    for (; i >= 0; i--)
        st[i] = 0;
    return 1;
}

/* The common shape of two shapes by NumPy's rule, into `shape` (which may be a's); its number of axes, or -1. */
static inline int dz_broadcast(int na, const npy_intp *a, int nb, const npy_intp *b, npy_intp *shape)
{
    const int nd = na > nb ? na : nb;
    int i;
    for (i = 1; i <= nd; i++) {
        const npy_intp x = i <= na ? a[na - i] : 1, y = i <= nb ? b[nb - i] : 1;
        if (x != y && x != 1 && y != 1)
            return -1;
        shape[nd - i] = x == 1 ? y : x;
    }
    return nd;
}

/* Blocks: size classes of 64 << cls bytes, header included, kept in bounded free lists. */
#define DZ_NCLASS 7
#define DZ_KEEP_BYTES (1 << 21) /* per class */

typedef struct {
    void *head[DZ_NCLASS];
    Py_ssize_t count[DZ_NCLASS];
} dz_pool;

/* Room for `size` values; shape is copied. 1, or 0 when there is no memory (no exception set). */
static inline int dz_raw_new(dz_pool *pool, dz_raw *r, int dt, int nd, const npy_intp *shape, Py_ssize_t size)
{
    size_t need;
    int cls = 0, i;
    void *block;
    r->dt = (signed char)dt;
    r->nd = (signed char)nd;
    r->size = size;
    if (nd == 0) {
        r->p = (char *)&r->one;
        return 1;
    }
    need = (size_t)(size * dz_itemsize(dt)) + DZ_RAWDIM * sizeof(npy_intp);
    while (((size_t)64 << cls) < need)
        cls++;
    if (cls < DZ_NCLASS && pool->head[cls]) {
        block = pool->head[cls];
        pool->head[cls] = *(void **)block;
        pool->count[cls]--;
    } else {
        block = PyMem_Malloc((size_t)64 << cls);
        if (!block) {
            r->p = NULL;
            return 0;
        }
    }
    r->cls = (unsigned char)cls;
    for (i = 0; i < nd; i++)
        ((npy_intp *)block)[i] = shape[i];
    r->p = (char *)block + DZ_RAWDIM * sizeof(npy_intp);
    return 1;
}

static inline void dz_raw_free(dz_pool *pool, dz_raw *r)
{
    void *block;
    if (!r->p)
        return;
    if (r->nd) {
        block = r->p - DZ_RAWDIM * sizeof(npy_intp);
        if (r->cls < DZ_NCLASS && pool->count[r->cls] < (DZ_KEEP_BYTES >> (6 + r->cls))) {
            *(void **)block = pool->head[r->cls];
            pool->head[r->cls] = block;
            pool->count[r->cls]++;
        } else {
            PyMem_Free(block);
        }
    }
    r->p = NULL;
}

/* Hands what `from` owns to `to`; `from` is empty afterwards, `to` must have been. */
static inline void dz_raw_move(dz_raw *to, dz_raw *from)
{
    *to = *from;
    if (to->nd == 0)
        to->p = (char *)&to->one;
    from->p = NULL;
}

/* Where a 0-d value of a kernel's dtype lies; NULL for anything else. What most nodes of a scalar program ask for. */
static inline const char *dz_scalar(const dz_raw *r, PyObject *o, int *dt)
{
    if (r->p) {
        *dt = r->dt;
        return r->nd == 0 ? r->p : NULL;
    }
    if (PyArray_CheckExact(o)) {
        PyArrayObject *a = (PyArrayObject *)o;
        const int t = PyArray_TYPE(a);
        *dt = t == NPY_DOUBLE ? DZ_F64 : DZ_F32;
        return (t == NPY_DOUBLE || t == NPY_FLOAT) && PyArray_NDIM(a) == 0 && PyArray_ISBEHAVED_RO(a)
                   ? PyArray_BYTES(a)
                   : NULL;
    }
    return NULL;
}

/* Where a value lies that is read side by side with `like`, one in a node: C-contiguous, of the same dtype and shape, with the
 * step of an element, or 0-d, with step 0 where like has axes. NULL for anything else. What most nodes of a program of small
 * arrays ask for. */
static inline const char *dz_beside(const dz_raw *r, PyObject *o, const dz_raw *like, ptrdiff_t *step)
{
    const npy_intp *shape, *wanted;
    const char *p;
    int dt, i;
    *step = dz_itemsize(like->dt);
    if (r->p) {
        if (r->dt != like->dt)
            return NULL;
        if (r->nd == 0) {
            *step = like->nd ? 0 : *step;
            return r->p;
        }
        if (r->nd != like->nd || r->size != like->size)
            return NULL;
        shape = dz_raw_shape(r);
        p = r->p;
    } else {
        PyArrayObject *a = (PyArrayObject *)o;
        if (!PyArray_CheckExact(o) || PyArray_NDIM(a) == 0) {
            *step = like->nd ? 0 : *step;
            p = dz_scalar(r, o, &dt);
            return p && dt == like->dt ? p : NULL;
        }
        if (PyArray_TYPE(a) != dz_typenum(like->dt) || PyArray_NDIM(a) != like->nd || !PyArray_IS_C_CONTIGUOUS(a) ||
            !PyArray_ISBEHAVED_RO(a))
            return NULL;
        shape = PyArray_DIMS(a);
        p = PyArray_BYTES(a);
    }
    wanted = dz_raw_shape(like);
    for (i = 0; i < like->nd; i++)
        if (shape[i] != wanted[i])
            return NULL;
    return p;
}

/* Room for one value in the node itself. */
static inline char *dz_raw_scalar(dz_raw *r, int dt)
{
    r->dt = (signed char)dt;
    r->nd = 0;
    r->size = 1;
    r->p = (char *)&r->one;
    return r->p;
}

/* Whether a single result is nan or infinite: only then can a floating-point flag mean something that NumPy would tell.
 * Unlike a look at the flags, this is a branch that the processor need not wait for. */
static inline int dz_odd(const char *p, int dt)
{
    if (dt == DZ_F64) {
        npy_uint64 b;
        memcpy(&b, p, sizeof(b));
        return (b & 0x7ff0000000000000u) == 0x7ff0000000000000u;
    } else {
        npy_uint32 b;
        memcpy(&b, p, sizeof(b));
        return (b & 0x7f800000u) == 0x7f800000u;
    }
}

/* Only small, native values may live in a node. */
static inline int dz_raw_fits(int dt, int nd, Py_ssize_t size)
{
    return nd <= DZ_RAWDIM && size * dz_itemsize(dt) <= DZ_RAW_BYTES;
}

static inline void dz_fill(char *p, int dt, Py_ssize_t n, double value)
{
    Py_ssize_t i;
    if (dt == DZ_F64)
        for (i = 0; i < n; i++)
            ((double *)p)[i] = value;
    else
        for (i = 0; i < n; i++)
            ((float *)p)[i] = (float)value;
}

#endif
