/* Takes NumPy's inner loops out of its ufunc objects, once, at import.
 *
 * Only `functions`, `types`, `data`, `ntypes` and `nargs` of the ufunc structure are read, and the type codes are checked;
 * a loop that is not found is replaced by one that calls the ufunc on arrays laid over the buffers.
 * DEZERO_C_LOOPS=ufunc in the environment asks for those everywhere (the tests do), and for no product but matmul's.
 */
#ifndef DZ_TAKE_LOOPS_H
#define DZ_TAKE_LOOPS_H

#include "core/kernels.h"
#include <Python.h>
#include <numpy/arrayobject.h>
#include <numpy/ufuncobject.h>
#ifndef _WIN32
#include <dlfcn.h>
#endif

static const char *const dz_fn_names[DZ_NFN] = DZ_FN_NAMES;
static const int dz_fn_nargs[DZ_NFN] = DZ_FN_NARGS; /* operands and results */

static PyObject *dz_fn_ufuncs[DZ_NFN]; /* owned for the life of the process */
static char dz_fn_direct[DZ_NFN][2];

/* data packs the function's number and the dtype. For matmul n are the outer loop's length (1 here), rows, the summed axis
 * and columns; strides those of the outer loop, then of each operand's two axes. */
static void dz_ufunc_loop(char **args, const ptrdiff_t *n, const ptrdiff_t *strides, void *data)
{
    const int fn = (int)((intptr_t)data / 2), dt = (int)((intptr_t)data % 2);
    const int nin = dz_fn_nargs[fn] - 1;
    PyObject *a[3] = {NULL, NULL, NULL}, *r = NULL;
    PyObject *type, *value, *trace;
    npy_intp len[2], st[2];
    int i;
    PyErr_Fetch(&type, &value, &trace);
    for (i = 0; i <= nin; i++) {
        len[0] = *n;
        st[0] = strides[i];
        if (fn == DZ_FN_MATMUL) {
            len[0] = n[i == 1 ? 2 : 1];
            len[1] = n[i == 0 ? 2 : 3];
            st[0] = strides[3 + 2 * i];
            st[1] = strides[4 + 2 * i];
        }
        a[i] = PyArray_New(&PyArray_Type, fn == DZ_FN_MATMUL ? 2 : 1, len, dt == DZ_F64 ? NPY_DOUBLE : NPY_FLOAT, st, args[i],
                           0, NPY_ARRAY_WRITEABLE, NULL);
        if (!a[i])
            goto done;
    }
    if (fn == DZ_FN_ADD && strides[2] == 0) { /* a reduction: out = out + the sum of the rest */
        PyObject *s = PyObject_CallMethod(a[1], "sum", NULL);
        if (s) {
            if (dt == DZ_F64)
                *(double *)args[2] += PyFloat_AsDouble(s);
            else
                *(float *)args[2] += (float)PyFloat_AsDouble(s);
            Py_DECREF(s);
        }
    } else {
        r = nin == 2 ? PyObject_CallFunctionObjArgs(dz_fn_ufuncs[fn], a[0], a[1], a[2], NULL)
                     : PyObject_CallFunctionObjArgs(dz_fn_ufuncs[fn], a[0], a[1], NULL);
    }
done:
    if (PyErr_Occurred()) {
        /* A kernel cannot raise. With a floating-point flag up, the engine computes the operation again by NumPy's own
         * function after the kernel, and that raises where it can be caught. */
#ifdef __wasm__
        dz_fpe_raise(4);
#else
        volatile double zero = 0.0;
        zero = 1.0 / zero;
        (void)zero;
#endif
        PyErr_Clear();
    }
    Py_XDECREF(r);
    for (i = 0; i < 3; i++)
        Py_XDECREF(a[i]);
    PyErr_Restore(type, value, trace);
}

/* The products of the BLAS that NumPy's wheels carry, which add to what is there; its own loop for matmul never does. Their
 * name says that they are that library's, and that integers have 64 bits. Wherever it is not found, as on Windows, in a browser
 * and with another BLAS, a product is added by a pass of its own. */
static void dz_take_gemm(void)
{
    dz_np.gemm[DZ_F32] = dz_np.gemm[DZ_F64] = NULL;
#if !defined(_WIN32) && !defined(__wasm__)
    Dl_info numpy;
    void *library, *single, *twice;
    if (!dz_fn_direct[DZ_FN_MATMUL][DZ_F32] || !dladdr((void *)(intptr_t)dz_np.loop[DZ_FN_MATMUL][DZ_F32], &numpy)
        || !(library = dlopen(numpy.dli_fname, RTLD_LAZY | RTLD_NOLOAD)))
        return;
    single = dlsym(library, "scipy_cblas_sgemm64_"); /* in it or in what it was linked with */
    twice = dlsym(library, "scipy_cblas_dgemm64_");
    if (single && twice) {
        memcpy(&dz_np.gemm[DZ_F32], &single, sizeof(single));
        memcpy(&dz_np.gemm[DZ_F64], &twice, sizeof(twice));
    }
#endif
}

static int dz_adds_products(void) { return dz_np.gemm[DZ_F32] != NULL; }

static int dz_take_loops(PyObject *numpy, int by_ufunc)
{
    static const int typenum[2] = {NPY_FLOAT, NPY_DOUBLE};
    int fn, dt, i, k;
    dz_np.python = 0;
    for (fn = 0; fn < DZ_NFN; fn++) {
        PyObject *o = PyObject_GetAttrString(numpy, dz_fn_names[fn]);
        if (!o)
            return -1;
        dz_fn_ufuncs[fn] = o;
        for (dt = 0; dt < 2; dt++) {
            dz_np.loop[fn][dt] = dz_ufunc_loop;
            dz_np.data[fn][dt] = (void *)(intptr_t)(2 * fn + dt);
            dz_fn_direct[fn][dt] = 0;
            if (by_ufunc || strcmp(Py_TYPE(o)->tp_name, "numpy.ufunc") != 0)
                continue;
            PyUFuncObject *u = (PyUFuncObject *)o;
            if (u->nargs != dz_fn_nargs[fn] || !u->functions || !u->types)
                continue;
            for (i = 0; i < u->ntypes; i++) {
                for (k = 0; k < u->nargs && u->types[i * u->nargs + k] == typenum[dt]; k++)
                    ;
                if (k == u->nargs && u->functions[i]) {
                    dz_np.loop[fn][dt] = (dz_np_loop)u->functions[i];
                    dz_np.data[fn][dt] = u->data ? (void *)u->data[i] : NULL;
                    dz_fn_direct[fn][dt] = 1;
                    break;
                }
            }
        }
        dz_np.python |= !dz_fn_direct[fn][0] || !dz_fn_direct[fn][1];
    }
    dz_take_gemm();
    return 0;
}

#endif
