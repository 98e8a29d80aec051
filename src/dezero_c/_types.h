/* What Cython cannot say about a type: nodes that the garbage collector does not track until a cycle is possible,
 * allocated from one free list for all built-in node types; instance dictionaries made on first use; links cut in
 * tp_clear; classes that take new attributes. Applied once to each type, right after Cython has made it.
 */
#ifndef DZ_TYPES_H
#define DZ_TYPES_H

#include <Python.h>
#include <stddef.h>
#include <string.h>

#if PY_VERSION_HEX < 0x030B0000
#error "dezero_c needs Python 3.11 or newer"
#endif

/* One list for Variables, one for Functions: they may be of one size, but are alive at different times. */
#define DZ_LAYOUTS 2
#define DZ_KEEP_NODES 8192

static struct {
    Py_ssize_t basicsize;
    PyObject *head;
    Py_ssize_t count;
} dz_nodes[DZ_LAYOUTS];

/* Room for a node of layout k. Unlike PyType_GenericAlloc's, it is not tracked. */
static inline PyObject *dz_node_room(PyTypeObject *type, int k)
{
    PyObject *o = dz_nodes[k].head;
    if (!o)
        return (PyObject *)PyObject_GC_New(char, type); /* the type's basicsize decides how much */
    dz_nodes[k].head = *(PyObject **)((char *)o + sizeof(PyObject));
    dz_nodes[k].count--;
#if defined(Py_GIL_DISABLED) || defined(Py_REF_DEBUG) || defined(Py_TRACE_REFS)
    (void)PyObject_Init(o, type);
#else /* the same, without two calls: the type is no heap type */
    Py_SET_TYPE(o, type);
    Py_SET_REFCNT(o, 1);
#endif
    return o;
}

/* tp_alloc of the built-in classes; classes with fields of their own are larger and have no list. Python subclasses are
 * heap types with an alloc of their own, so that they stay tracked: a user's object may be in a cycle from its first
 * attribute on. */
static inline PyObject *dz_node_alloc(PyTypeObject *type, int k)
{
    PyObject *o = type->tp_basicsize == dz_nodes[k].basicsize ? dz_node_room(type, k)
                                                             : (PyObject *)PyObject_GC_New(char, type);
    if (o)
        memset((char *)o + sizeof(PyObject), 0, (size_t)type->tp_basicsize - sizeof(PyObject));
    return o;
}

/* A node of layout k and `size` bytes like `prototype`, whose object fields (`nones` of them) are all None. What Cython's
 * chain of tp_new would do level by level, at a fifth of the cost. */
static inline PyObject *dz_node_clone(PyObject *prototype, int k, size_t size, int nones)
{
    PyObject *o = dz_node_room(Py_TYPE(prototype), k);
    if (!o)
        return NULL;
    memcpy((char *)o + sizeof(PyObject), (char *)prototype + sizeof(PyObject), size - sizeof(PyObject));
#if PY_VERSION_HEX < 0x030C0000 /* None is immortal from 3.12 on */
    Py_SET_REFCNT(Py_None, Py_REFCNT(Py_None) + nones);
#else
    (void)nones;
#endif
    return o;
}

static inline void dz_node_free(PyObject *o, int k)
{
    if (dz_nodes[k].basicsize != Py_TYPE(o)->tp_basicsize || dz_nodes[k].count >= DZ_KEEP_NODES) {
        PyObject_GC_Del(o);
        return;
    }
    *(PyObject **)((char *)o + sizeof(PyObject)) = dz_nodes[k].head;
    dz_nodes[k].head = o;
    dz_nodes[k].count++;
}

typedef void (*dz_unlink)(PyObject *);
typedef void (*dz_attribute_set)(PyObject *, PyObject *);

/* The two root types; the slots that Cython made are kept and called by ours. */
static struct {
    traverseproc traverse;
    inquiry clear;
    dz_unlink unlink;
    dz_attribute_set attribute_set;
    Py_ssize_t attrs;
} dz_roots[DZ_LAYOUTS];

#define DZ_ROOT_SLOTS(K)                                                                                             \
    static PyObject *dz_alloc_##K(PyTypeObject *type, Py_ssize_t nitems)                                             \
    {                                                                                                                \
        (void)nitems;                                                                                                \
        return dz_node_alloc(type, K);                                                                               \
    }                                                                                                                \
    static void dz_free_##K(void *o) { dz_node_free((PyObject *)o, K); }                                             \
    static int dz_traverse_##K(PyObject *o, visitproc visit, void *arg)                                              \
    {                                                                                                                \
        Py_VISIT(*(PyObject **)((char *)o + dz_roots[K].attrs));                                                     \
        return dz_roots[K].traverse(o, visit, arg);                                                                  \
    }                                                                                                                \
    static int dz_clear_##K(PyObject *o)                                                                             \
    {                                                                                                                \
        if (dz_roots[K].unlink)                                                                                      \
            dz_roots[K].unlink(o);                                                                                   \
        Py_CLEAR(*(PyObject **)((char *)o + dz_roots[K].attrs));                                                     \
        return dz_roots[K].clear(o);                                                                                 \
    }                                                                                                                \
    static int dz_setattro_##K(PyObject *o, PyObject *name, PyObject *value)                                         \
    {                                                                                                                \
        if (PyObject_GenericSetAttr(o, name, value) < 0)                                                             \
            return -1;                                                                                               \
        if (*(PyObject **)((char *)o + dz_roots[K].attrs))                                                           \
            dz_roots[K].attribute_set(o, value);                                                                     \
        return 0;                                                                                                    \
    }
DZ_ROOT_SLOTS(0)
DZ_ROOT_SLOTS(1)

static PyObject *dz_get_dict(PyObject *o, void *context)
{
    PyObject *d = PyObject_GenericGetDict(o, context);
    if (d) /* whoever holds the dictionary can put anything into it */
        dz_roots[0].attribute_set(o, NULL);
    return d;
}

static PyGetSetDef dz_dict_getset = {"__dict__", dz_get_dict, PyObject_GenericSetDict,
                                     "Attributes set on this instance.", NULL};

/* `object.__setattr__(v, …)` and `super().__setattr__(…)` look for these in the class that brings the slot. */
static PyObject *dz_wrap_setattr(PyObject *self, PyObject *args, void *slot)
{
    PyObject *name, *value;
    if (!PyArg_UnpackTuple(args, "__setattr__", 2, 2, &name, &value) ||
        ((setattrofunc)slot)(self, name, value) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static PyObject *dz_wrap_delattr(PyObject *self, PyObject *args, void *slot)
{
    PyObject *name;
    if (!PyArg_UnpackTuple(args, "__delattr__", 1, 1, &name) || ((setattrofunc)slot)(self, name, NULL) < 0)
        return NULL;
    Py_RETURN_NONE;
}

static struct wrapperbase dz_attribute_slots[2] = {
    {"__setattr__", offsetof(PyTypeObject, tp_setattro), NULL, dz_wrap_setattr, "Implement setattr(self, name, value).",
     0, NULL},
    {"__delattr__", offsetof(PyTypeObject, tp_setattro), NULL, dz_wrap_delattr, "Implement delattr(self, name).", 0,
     NULL},
};

/* Readies a root type (k: 0 Variable, 1 Function) whose PyObject *attrs lies at `attrs` bytes. */
static int dz_open_root(PyTypeObject *type, int k, Py_ssize_t attrs, dz_unlink unlink,
                        dz_attribute_set attribute_set, destructor dealloc)
{
    PyObject *descr;
    int i;
    dz_roots[k].traverse = type->tp_traverse;
    dz_roots[k].clear = type->tp_clear;
    dz_roots[k].unlink = unlink;
    dz_roots[k].attribute_set = attribute_set;
    dz_roots[k].attrs = attrs;
    dz_nodes[k].basicsize = type->tp_basicsize;
    type->tp_traverse = k ? dz_traverse_1 : dz_traverse_0;
    type->tp_clear = k ? dz_clear_1 : dz_clear_0;
    type->tp_dictoffset = attrs;
    type->tp_setattro = k ? dz_setattro_1 : dz_setattro_0;
    type->tp_alloc = k ? dz_alloc_1 : dz_alloc_0;
    type->tp_free = k ? dz_free_1 : dz_free_0;
    type->tp_dealloc = dealloc;
    descr = PyDescr_NewGetSet(type, &dz_dict_getset);
    if (!descr || PyDict_SetItemString(type->tp_dict, "__dict__", descr) < 0) {
        Py_XDECREF(descr);
        return -1;
    }
    Py_DECREF(descr);
    for (i = 0; i < 2; i++) {
        descr = PyDescr_NewWrapper(type, &dz_attribute_slots[i], (void *)type->tp_setattro);
        if (!descr || PyDict_SetItemString(type->tp_dict, dz_attribute_slots[i].name, descr) < 0) {
            Py_XDECREF(descr);
            return -1;
        }
        Py_DECREF(descr);
    }
    type->tp_flags &= ~Py_TPFLAGS_IMMUTABLETYPE;
    PyType_Modified(type);
    return 0;
}

/* While somebody measures time (_trace.pxi), tp_alloc of the built-in Functions tells of each instance: an operation on whole
 * arrays begins with it. Otherwise the slot is as it was, so nothing is asked. */
static void (*dz_function_made)(PyObject *);

static PyObject *dz_alloc_told(PyTypeObject *type, Py_ssize_t nitems)
{
    PyObject *o = dz_alloc_1(type, nitems);
    if (o)
        dz_function_made(o);
    return o;
}

static void dz_tell_alloc(PyTypeObject *type, int on)
{
    if (on && type->tp_alloc == dz_alloc_1)
        type->tp_alloc = dz_alloc_told;
    else if (!on && type->tp_alloc == dz_alloc_told)
        type->tp_alloc = dz_alloc_1;
}

/* Opens a class for attributes, as Python's own are. */
static void dz_open_class(PyTypeObject *type)
{
    type->tp_flags &= ~Py_TPFLAGS_IMMUTABLETYPE;
    PyType_Modified(type);
}

/* Gives a built-in class a metaclass, a subclass of `type` without fields of its own. Its __module__ hides the one that
 * `type` makes of tp_name, so the class gets that as an attribute. */
static int dz_set_metaclass(PyTypeObject *type, PyObject *meta)
{
    PyObject *module = PyUnicode_FromStringAndSize(type->tp_name, strrchr(type->tp_name, '.') - type->tp_name);
    int bad = !module || PyDict_SetItemString(type->tp_dict, "__module__", module) < 0;
    Py_XDECREF(module);
    if (bad)
        return -1;
    Py_INCREF(meta);
    Py_SET_TYPE((PyObject *)type, (PyTypeObject *)meta);
    PyType_Modified(type);
    return 0;
}

/* A subtype that adds no fields of its own: its slots are the root's, without Cython's detour through each base. */
static void dz_open_sub(PyTypeObject *type, PyTypeObject *root)
{
    type->tp_traverse = root->tp_traverse;
    type->tp_clear = root->tp_clear;
    type->tp_dictoffset = root->tp_dictoffset;
    type->tp_setattro = root->tp_setattro;
    type->tp_alloc = root->tp_alloc;
    type->tp_free = root->tp_free;
    type->tp_dealloc = root->tp_dealloc;
    dz_open_class(type);
}

/* The last element of a list, which is taken out of it and owned by the caller; the list's room stays, so that no memory is asked
 * for, as pop does to make it smaller. */
static inline PyObject *dz_list_take(PyObject *list)
{
    const Py_ssize_t n = PyList_GET_SIZE(list) - 1;
    PyObject *o = PyList_GET_ITEM(list, n);
    Py_SET_SIZE((PyVarObject *)list, n);
    return o;
}

#endif
