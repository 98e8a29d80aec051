# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Matrix products, through the BLAS that NumPy carries: matmul, linear, dot, tensordot and outer.

A transposed view goes to BLAS as it is. A stack of matrices times one matrix is one product of the stacked rows. Gradients
of small products are loops of our own, straight into the gradients' memory.
"""

import numpy as np

cimport cython
cimport numpy as cnp
from cpython.mem cimport PyMem_Free, PyMem_Malloc
from cpython.object cimport PyObject

from dezero_c._arrays cimport (
    ArrayFunction, argument, carray, forward_of, give_grad, kernel_dtype, new_array, normal_axes, recorded, wide)
from dezero_c._core cimport (
    DZ_F32, DZ_F64, DZ_GY, DZ_MAXDIM, DZ_NIN, Variable, as_operand, call_native, data_of, dz_args, dz_bind, dz_fpe_clear,
    dz_fpe_test, dz_itemsize, dz_map, dz_ops, dz_same_shape, dz_stretch, dz_sum_rows, dz_view, dz_view_object, dz_work,
    dz_worker, grad_array,
    grad_target, grad_view, kernels, new_value, new_variable, ptrdiff_t, set_private_grad, view, wants_grad)

from dezero_c import _core
from dezero_c._shape import reshape, transpose, unbroadcast

cnp.import_array()
dz_bind(kernels())

cdef extern from "generated/enum.h":
    enum:
        DZ_OP_ADD

cdef extern from "families/matmul.h":
    enum:
        DZ_MM_DIRECT
    void dz_mm(int, const char *, ptrdiff_t, ptrdiff_t, const char *, ptrdiff_t, ptrdiff_t, char *, ptrdiff_t, ptrdiff_t,
               ptrdiff_t) noexcept
    int dz_mm_into(int, const char *, ptrdiff_t, ptrdiff_t, const char *, ptrdiff_t, ptrdiff_t, char *, ptrdiff_t, ptrdiff_t,
                   ptrdiff_t, int) noexcept
    bint dz_mm_is_small(ptrdiff_t, ptrdiff_t, ptrdiff_t) noexcept
    int dz_product_work(const dz_work *) noexcept nogil
    int dz_product_gx_work(const dz_work *) noexcept nogil
    int dz_product_gw_work(const dz_work *) noexcept nogil
    int dz_product_gb_work(const dz_work *) noexcept nogil
    void dz_mm_bias(int, char *, const char *, ptrdiff_t, ptrdiff_t) noexcept
    int dz_mm_pull_x(int, const char *, const char *, char *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int) noexcept
    int dz_mm_pull_w(int, const char *, const char *, char *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int) noexcept


# ---- on ndarrays ------------------------------------------------------------------------------------------------------

cdef inline object flipped(object a):
    """The last two axes exchanged: a view."""
    return cnp.PyArray_SwapAxes(a, cnp.PyArray_NDIM(a) - 2, cnp.PyArray_NDIM(a) - 1)


cdef object rows_of(object a):
    """a with its leading axes joined: a view where that is possible."""
    cdef Py_ssize_t n = 1
    cdef int i
    for i in range(cnp.PyArray_NDIM(a) - 1):
        n *= cnp.PyArray_DIM(a, i)
    return a.reshape(n, cnp.PyArray_DIM(a, cnp.PyArray_NDIM(a) - 1))


cdef object product(object x, object W, str op):
    """x @ W by matmul's rules."""
    cdef int nx, nw
    if isinstance(x, cnp.ndarray) and isinstance(W, cnp.ndarray):
        nx = cnp.PyArray_NDIM(x)
        nw = cnp.PyArray_NDIM(W)
        if nw == 2 and nx >= 2 and cnp.PyArray_DIM(x, nx - 1) == cnp.PyArray_DIM(W, 0):
            if nx == 2:
                return cnp.PyArray_MatrixProduct(x, W)
            if cnp.PyArray_IS_C_CONTIGUOUS(x):
                return cnp.PyArray_MatrixProduct(rows_of(x), W).reshape((*x.shape[:nx - 1], W.shape[1]))
    try:
        return np.matmul(x, W)
    except ValueError as error:
        raise ValueError(f"{op}: shapes {np.shape(x)} and {np.shape(W)} do not fit: the last axis of the first must be as long "
                         "as the last but one (or only) axis of the second, and neither may be 0-d") from error


cdef object summed(object a, tuple shape):
    """The sum of `a` over those axes along which an array of `shape` was repeated; a itself where there are none."""
    cdef int lead = a.ndim - len(shape), i
    cdef tuple axes
    if a.shape == shape:
        return a
    axes = tuple([i for i in range(a.ndim) if i < lead or (shape[i - lead] == 1 and a.shape[i] != 1)])
    return a.sum(axis=axes, keepdims=True).reshape(shape)


cdef tuple pulled_back(object x, object W, object gy, bint to_x, bint to_W):
    """The gradients of x @ W: None for one that is not wanted. Raises ValueError when the shapes do not fit."""
    cdef int nx = x.ndim, nw = W.ndim
    cdef object gx = None, gW = None, g
    if nx == 2 and nw == 2:
        if to_x:
            gx = cnp.PyArray_MatrixProduct(gy, flipped(W))
        if to_W:
            gW = cnp.PyArray_MatrixProduct(flipped(x), gy)
    elif nw == 1:       # (..., n, k) times (k,), or two vectors
        if to_x:
            gx = gy[..., None] * W
        if to_W:
            gW = cnp.PyArray_MatrixProduct(gy.reshape(-1), rows_of(x)) if nx > 1 else gy * x
    elif nx == 1:       # (k,) times (..., k, m)
        if to_x:
            gx = summed(np.matmul(W, gy[..., None])[..., 0], x.shape)
        if to_W:
            gW = x[:, None] * gy[..., None, :]
    elif nw == 2:
        g = rows_of(gy)
        if to_x:
            gx = cnp.PyArray_MatrixProduct(g, flipped(W)).reshape(x.shape)
        if to_W:
            gW = cnp.PyArray_MatrixProduct(flipped(rows_of(x)), g)
    else:
        if to_x:
            gx = summed(np.matmul(gy, flipped(W)), x.shape)
        if to_W:
            gW = summed(np.matmul(flipped(x), gy), W.shape)
    return gx, gW


cdef object raw_gradients(Variable x, Variable W, object gy):
    """pulled_back for Variables whose values BLAS takes in gy's dtype, else None."""
    cdef int dt = kernel_dtype(gy)
    cdef object xa = wide(data_of(x), dt), wa = wide(data_of(W), dt)
    if dt < 0 or xa is None or wa is None:
        return None
    try:
        return pulled_back(xa, wa, gy, wants_grad(x), wants_grad(W))
    except ValueError:
        return None     # rebound data: the general way says so


cdef bint blas_steps(const dz_view *a, ptrdiff_t *s0, ptrdiff_t *s1) noexcept:
    """The strides of a matrix, and whether NumPy's loop gives it to BLAS as it lies."""
    cdef ptrdiff_t item = dz_itemsize(a.dt)
    if a.strides == NULL:
        s0[0] = a.shape[1] * item
        s1[0] = item
        return True
    s0[0] = a.strides[0]
    s1[0] = a.strides[1]
    return (s1[0] == item and s0[0] >= a.shape[1] * item and s0[0] % item == 0) \
        or (s0[0] == item and s1[0] >= a.shape[0] * item and s1[0] % item == 0)


cdef int product_into(int dt, const char *a, ptrdiff_t a0, ptrdiff_t a1, const char *b, ptrdiff_t b0, ptrdiff_t b1, char *c,
                      ptrdiff_t m, ptrdiff_t k, ptrdiff_t n, bint acc) except -1:
    """c (+)= a b."""
    if dz_mm_into(dt, a, a0, a1, b, b0, b1, c, m, k, n, acc) < 0:
        raise MemoryError()
    return 0


cdef void add_bias(int dt, char *y, const char *b, ptrdiff_t m, ptrdiff_t n) noexcept:
    """y + b, in place."""
    dz_mm_bias(dt, y, b, m, n)


cdef bint is_direct(ptrdiff_t multiplications) noexcept:
    """Whether so small a product goes to kernels without NumPy's functions around them."""
    return multiplications <= DZ_MM_DIRECT


cdef dz_worker product_worker(int what) noexcept:
    """What the machine calls for a product (0), and for the gradients of x, W and b (1, 2, 3)."""
    return dz_product_work if what == 0 else dz_product_gx_work if what == 1 else dz_product_gw_work if what == 2 \
        else dz_product_gb_work


@cython.final
cdef class Wide:
    """Views of float32 values as float64, in memory that lives as long as this: what small products make of a float32 operand
    beside float64 ones, such as a layer's weights for an input as np.random makes it."""
    cdef double *p

    def __dealloc__(self):
        PyMem_Free(self.p)

    cdef int show(self, dz_view *a, dz_view *b, dz_view *c) except -1:
        """Makes all of the views, which lie without gaps, float64; of a NULL one nothing."""
        cdef dz_view *v
        cdef Py_ssize_t n = 0, i
        cdef int k
        for k in range(3):
            v = a if k == 0 else b if k == 1 else c
            n += v.size if v.p != NULL and v.dt == DZ_F32 else 0
        self.p = <double *> PyMem_Malloc(max(n, 1) * sizeof(double))
        if self.p == NULL:
            raise MemoryError()
        n = 0
        for k in range(3):
            v = a if k == 0 else b if k == 1 else c
            if v.p != NULL and v.dt == DZ_F32:
                for i in range(v.size):
                    self.p[n + i] = (<const float *> v.p)[i]
                v.p = <const char *> (self.p + n)
                v.dt = DZ_F64
                n += v.size
        return 0


cdef object widened(dz_view *a, dz_view *b, dz_view *c):
    """The views, some in float32 and some in float64, as float64: what holds their memory; None where one has gaps and cannot be.
    c.p may be NULL."""
    cdef Wide room
    if a.dt == DZ_F32 and a.strides != NULL or b.dt == DZ_F32 and b.strides != NULL or c.p != NULL and c.dt == DZ_F32 \
            and c.strides != NULL:
        return None
    room = Wide.__new__(Wide)
    room.show(a, b, c)
    return room


cdef bint small_product(Variable x, Variable W, Variable b, Variable y) except -1:
    """Gives y, which has no value, x @ W, or x @ W + b, where x has rows, W is a matrix, b a vector (or a matrix like the
    product), and all of it is small; else False."""
    cdef dz_view xv, wv, bv
    cdef cnp.npy_intp shape[DZ_MAXDIM]
    cdef ptrdiff_t m, k, n, x0, x1, w0, w1
    cdef char *p
    cdef int i
    cdef object room = None
    bv.p = NULL
    bv.nd = 0
    if not view(x, &xv) or not view(W, &wv) or xv.nd < 2 or wv.nd != 2:
        return False
    if xv.dt != wv.dt:
        if xv.size > DZ_MM_DIRECT or wv.size > DZ_MM_DIRECT or xv.shape[xv.nd - 1] != wv.shape[0] \
                or b is not None and (not view(b, &bv) or bv.size > DZ_MM_DIRECT):
            return False
        room = widened(&xv, &wv, &bv)
        if room is None:
            return False
    k = wv.shape[0]
    n = wv.shape[1]
    if xv.shape[xv.nd - 1] != k or xv.size == 0 or n == 0 or xv.size * n > DZ_MM_DIRECT or wv.size > DZ_MM_DIRECT \
            or (xv.nd > 2 and xv.strides != NULL) or not blas_steps(&xv, &x0, &x1) or not blas_steps(&wv, &w0, &w1):
        return False
    m = xv.size // k
    if b is not None and (room is None and not view(b, &bv) or bv.dt != wv.dt or bv.strides != NULL or not (
            (bv.nd == 1 and bv.shape[0] == n) or (bv.nd == 2 and xv.nd == 2 and bv.shape[0] == m and bv.shape[1] == n))):
        return False
    if xv.nd > 2:       # contiguous: the leading axes are rows
        x1 = dz_itemsize(xv.dt)
        x0 = k * x1
    for i in range(xv.nd - 1):
        shape[i] = xv.shape[i]
    shape[xv.nd - 1] = n
    p = new_value(y, xv.dt, xv.nd, shape, m * n)
    dz_mm(xv.dt, xv.p, x0, x1, wv.p, w0, w1, p, m, k, n)
    if b is not None and bv.nd == 1:
        dz_mm_bias(xv.dt, p, bv.p, m, n)
    elif b is not None:
        dz_sum_rows(xv.dt, bv.p, 1, m * n, p, True)
    if dz_fpe_test():       # BLAS leaves flags that mean nothing
        dz_fpe_clear()
    return True


cdef bint mixed_gradients(Variable x, Variable W, Variable b, dz_view *xv, dz_view *wv, dz_view *gv) except -1:
    """matrix_gradients where gy is float64 and an operand float32: its gradient is float64."""
    cdef ptrdiff_t m = xv.shape[0], k = xv.shape[1], n = wv.shape[1], item = sizeof(double), x0, x1, w0, w1
    cdef dz_view bv
    cdef object gx = None, gW = None, gb = None, room
    bv.p = NULL
    if wv.shape[0] != k or gv.shape[0] != m or gv.shape[1] != n or gv.size == 0 or k == 0:
        return False
    if b is not None and (not view(b, &bv) or bv.nd != 1 or bv.shape[0] != n):
        return False
    if xv.size > DZ_MM_DIRECT or wv.size > DZ_MM_DIRECT or xv.size * n > DZ_MM_DIRECT:
        return False
    room = widened(xv, wv, gv)
    if room is None or not blas_steps(xv, &x0, &x1) or not blas_steps(wv, &w0, &w1):
        return False
    if b is not None and wants_grad(b):
        gb = new_array((n,), DZ_F64)
        dz_sum_rows(DZ_F64, gv.p, m, n, cnp.PyArray_BYTES(gb), False)
    if wants_grad(x):
        gx = new_array((m, k), DZ_F64)
        product_into(DZ_F64, gv.p, n * item, item, wv.p, w1, w0, cnp.PyArray_BYTES(gx), m, n, k, False)
    if wants_grad(W):
        gW = new_array((k, n), DZ_F64)
        product_into(DZ_F64, xv.p, x1, x0, gv.p, n * item, item, cnp.PyArray_BYTES(gW), k, m, n, False)
    if gb is not None:
        give_grad(b, gb)
    if gx is not None:
        give_grad(x, gx)
    if gW is not None:
        give_grad(W, gW)
    return True


cdef bint matrix_gradients(Variable x, Variable W, Variable b, Variable y) except -1:
    """Adds the gradients of x @ W, or of x @ W + b, to the Variables', when x and W are matrices, b a vector or a matrix like
    the product, and kernels take them all. Returns whether it did."""
    cdef dz_view xv, wv, bv, gv
    cdef ptrdiff_t m, k, n, x0, x1, w0, w1, item
    cdef char *p
    cdef bint acc
    cdef object gy
    if not view(x, &xv) or not view(W, &wv) or not grad_view(y, &gv) or xv.nd != 2 or wv.nd != 2 or gv.nd != 2 \
            or gv.strides != NULL:
        return False
    if xv.dt != gv.dt or wv.dt != gv.dt:
        return gv.dt == DZ_F64 and mixed_gradients(x, W, b, &xv, &wv, &gv)
    m, k, n = xv.shape[0], xv.shape[1], wv.shape[1]
    if wv.shape[0] != k or gv.shape[0] != m or gv.shape[1] != n:
        return False
    if b is not None and (not view(b, &bv) or bv.dt != gv.dt or bv.strides != NULL or not (
            dz_same_shape(&bv, &gv) or (bv.nd == 1 and bv.shape[0] == n))):
        return False
    if b is not None and wants_grad(b):
        p = grad_target(b, &bv, &acc)
        if bv.nd == 1:
            dz_sum_rows(gv.dt, gv.p, m, n, p, acc)
        else:
            dz_sum_rows(gv.dt, gv.p, 1, m * n, p, acc)
    if xv.strides == NULL and wv.strides == NULL and dz_mm_is_small(m, k, n):
        if wants_grad(x):
            p = grad_target(x, &xv, &acc)
            if dz_mm_pull_x(gv.dt, gv.p, wv.p, p, m, k, n, acc) < 0:
                raise MemoryError()
        if wants_grad(W):
            p = grad_target(W, &wv, &acc)
            if dz_mm_pull_w(gv.dt, xv.p, gv.p, p, m, k, n, acc) < 0:
                raise MemoryError()
        return True
    if xv.size * n <= DZ_MM_DIRECT and wv.size <= DZ_MM_DIRECT and gv.size > 0 and blas_steps(&xv, &x0, &x1) \
            and blas_steps(&wv, &w0, &w1):
        item = dz_itemsize(gv.dt)
        if wants_grad(x):
            p = grad_target(x, &xv, &acc)
            product_into(gv.dt, gv.p, n * item, item, wv.p, w1, w0, p, m, n, k, acc)
        if wants_grad(W):
            p = grad_target(W, &wv, &acc)
            product_into(gv.dt, xv.p, x1, x0, gv.p, n * item, item, p, k, m, n, acc)
        return True
    gy = grad_array(y)
    if wants_grad(x):
        set_private_grad(x, cnp.PyArray_MatrixProduct(gy, flipped(data_of(W))))
    if wants_grad(W):
        set_private_grad(W, cnp.PyArray_MatrixProduct(flipped(data_of(x)), gy))
    return True


# ---- matmul -----------------------------------------------------------------------------------------------------------

cdef object swapped(object v):
    """The last two axes of a Variable exchanged."""
    cdef int nd = v.ndim
    return transpose(v, (*range(nd - 2), nd - 1, nd - 2))


cdef object joined(object v):
    """A Variable with its leading axes joined."""
    cdef Py_ssize_t n = 1
    for d in v.shape[:-1]:
        n *= d
    return reshape(v, (n, v.shape[-1]))


cdef tuple graph_gradients(object x, object W, object gy):
    """The gradients of x @ W by operations on Variables."""
    cdef object xm = x, Wm = W, gm = gy, gx, gW
    if x.ndim == 1:
        xm = reshape(x, (1, x.shape[0]))
        gm = reshape(gm, (*gm.shape[:-1], 1, gm.shape[-1]) if W.ndim > 1 else (1, 1))
    if W.ndim == 1:
        Wm = reshape(W, (W.shape[0], 1))
        if x.ndim > 1:
            gm = reshape(gm, (*gm.shape, 1))
    gx = unbroadcast(matmul(gm, swapped(Wm)), xm.shape)
    if Wm.ndim == 2 and xm.ndim > 2:
        gW = matmul(transpose(joined(xm)), joined(gm))
    else:
        gW = unbroadcast(matmul(swapped(xm), gm), Wm.shape)
    return reshape(gx, x.shape), reshape(gW, W.shape)


cdef class MatMul(ArrayFunction):
    """MatMul()\n--\n
    The class behind `matmul` and `@`: `MatMul()(x, W)`."""

    def forward(self, x, W):
        return product(x, W, "matmul")

    cdef int compute(self, Variable y) except -1:
        return small_product(self.in0, self.in1, None, y)

    def backward(self, gy):
        return graph_gradients(self.in0, self.in1, gy)

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        return matrix_gradients(self.in0, self.in1, None, y) or ArrayFunction.vjp_raw(self, y, keep)

    cdef object gradients(self, object gy):
        return raw_gradients(self.in0, self.in1, gy)


cdef object multiply(Variable a, Variable b, str op):
    # y first: making a node may start a garbage collection, and what that runs may rebind the data that a view shows
    cdef Variable y = new_variable(max(a.era, b.era))
    cdef object xa, wa
    if small_product(a, b, None, y):
        return recorded(MatMul.__new__(MatMul), 2, a, b, None, y)
    xa, wa = data_of(a), data_of(b)
    if xa is None or wa is None:
        raise TypeError(f"{op}: an operand has no data (Variable(None)); give it data first")
    return call_native(MatMul.__new__(MatMul), (a, b), product(xa, wa, op))


def matmul(x, W):
    """Matrix product x @ W by NumPy's rules: matrices, stacks of matrices that broadcast, and vectors on either side.

    x: (..., n, k) or (k,); W: (..., k, m) or (k,). Raises ValueError for shapes that do not fit.
    """
    cdef Variable a = as_operand(x, W)
    return multiply(a, as_operand(W, a), "matmul")


# ---- linear -----------------------------------------------------------------------------------------------------------

cdef bint add_into(object y, object b):
    """y += b by a kernel, if one takes them."""
    cdef dz_view yv, bv
    cdef dz_args a
    cdef cnp.npy_intp st[DZ_MAXDIM]
    cdef cnp.npy_intp so[DZ_MAXDIM]
    cdef const cnp.npy_intp *sts[DZ_NIN]
    cdef Py_ssize_t step
    cdef int k
    if not dz_view_object(<PyObject *> y, &yv) or not dz_view_object(<PyObject *> b, &bv) or yv.strides != NULL \
            or yv.dt != bv.dt or not dz_stretch(&bv, yv.nd, yv.shape, st):
        return False
    step = dz_itemsize(yv.dt)
    for k in range(yv.nd - 1, -1, -1):
        so[k] = step
        step *= yv.shape[k]
    sts[DZ_GY] = st
    a.out = <char *> yv.p
    a.acc = True
    a.in_[DZ_GY] = bv.p
    dz_map(dz_ops[DZ_OP_ADD].bwd[0][yv.dt], &a, 1 << DZ_GY, yv.nd, <const ptrdiff_t *> yv.shape,
           <const ptrdiff_t *const *> sts, <const ptrdiff_t *> so)
    return True


cdef object like_weights(object x, object W):
    """x, in W's dtype where x has integers and W has none."""
    return x.astype(W.dtype) if kernel_dtype(x) < 0 and W.dtype.kind == "f" and x.dtype.kind in "biu" else x


cdef object affine(object x, object W, object b):
    """x @ W + b. Integers among floating-point weights take the weights' dtype, and the sum keeps the product's."""
    cdef object y = product(like_weights(x, W), W, "linear")
    if b is None:
        return y
    y = np.asarray(y)
    if add_into(y, b):
        return y
    try:
        if np.can_cast(b.dtype, y.dtype, "same_kind"):
            return np.add(y, b, out=y, casting="same_kind")
        return y + np.broadcast_to(b, y.shape)
    except ValueError as error:
        raise ValueError(f"linear: b of shape {b.shape} does not broadcast to the product's shape {y.shape} (x {x.shape}, "
                         f"W {W.shape}); it should be {y.shape[-1:]}") from error


cdef class Linear(ArrayFunction):
    """Linear()\n--\n
    The class behind `linear`: `Linear()(x, W, b)`, where b may be None."""

    def forward(self, x, W, b=None):
        return affine(x, W, b)

    cdef int compute(self, Variable y) except -1:
        return small_product(self.in0, self.in1, self.in2 if self.nin > 2 else None, y)

    def backward(self, gy):
        cdef Variable xv = argument(self.in0, "linear"), wv = argument(self.in1, "linear")
        cdef object x = data_of(xv), floating = like_weights(x, data_of(wv))
        gx, gW = graph_gradients(xv if floating is x else Variable(floating), wv, gy)
        if self.nin < 3:
            return gx, gW
        return gx, gW, None if data_of(self.in2) is None else unbroadcast(gy, self.in2.shape)

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        return matrix_gradients(self.in0, self.in1, self.in2, y) or ArrayFunction.vjp_raw(self, y, keep)

    cdef object gradients(self, object gy):
        cdef object gs = raw_gradients(self.in0, self.in1, gy), b, gb = None
        if gs is None or self.nin < 3:
            return gs
        b = data_of(self.in2)
        if wants_grad(self.in2) and b is not None:
            if wide(b, kernel_dtype(gy)) is None:
                return None
            gb = bias_gradient(gy, b.shape)
        return (*gs, gb)


cdef object bias_gradient(object gy, tuple shape):
    """The sum of gy to `shape`, in a new array."""
    cdef int dt = kernel_dtype(gy)
    cdef object gb, rows
    cdef Py_ssize_t n = gy.shape[-1] if gy.ndim else 0
    if n > 0 and len(shape) == 1 and shape[0] == n:
        rows = carray(gy, dt)
        gb = new_array(shape, dt)
        dz_sum_rows(dt, cnp.PyArray_BYTES(rows), cnp.PyArray_SIZE(rows) // n, n, cnp.PyArray_BYTES(gb), 0)
        return gb
    gb = summed(gy, shape)
    return gb.copy() if gb is gy else gb


def linear(x, W, b=None):
    """x @ W + b, a layer of a network.

    x: (..., in); W: (in, out); b: (out,), or what broadcasts to the result, or None. The result is (..., out). Integers in x
    take W's dtype. Raises ValueError for shapes that do not fit.
    """
    cdef Variable xv = argument(x, "linear"), wv = argument(W, "linear"), bv = None, y
    if b is not None and not (isinstance(b, Variable) and (<Variable> b).v.p == NULL and (<Variable> b)._data is None):
        bv = argument(b, "linear")
    y = new_variable(max(xv.era, wv.era) if bv is None else max(xv.era, wv.era, bv.era))     # first, as in `multiply`
    if small_product(xv, wv, bv, y):
        return recorded(Linear.__new__(Linear), 2 if bv is None else 3, xv, wv, bv, y)
    if bv is None:
        return call_native(Linear.__new__(Linear), (xv, wv), affine(data_of(xv), data_of(wv), None))
    return call_native(Linear.__new__(Linear), (xv, wv, bv), affine(data_of(xv), data_of(wv), data_of(bv)))


def linear_simple(x, W, b=None):
    """x @ W + b as two operations; see `linear`."""
    y = matmul(x, W)
    return y if b is None else y + b


# ---- tensordot, dot, outer --------------------------------------------------------------------------------------------

cdef Py_ssize_t lengths(tuple shape, tuple axes):
    """The product of the lengths of these axes."""
    cdef Py_ssize_t n = 1
    for a in axes:
        n *= shape[a]
    return n


cdef object matrix(object a, tuple first, tuple second):
    """a as a matrix, rows over the axes `first`, columns over `second`: a view where one of the two orders is a's own."""
    cdef Py_ssize_t n = lengths(a.shape, first), m = lengths(a.shape, second)
    if second + first == tuple(range(a.ndim)):
        return a.reshape(m, n).T
    return a.transpose(first + second).reshape(n, m)


cdef tuple rest_of(int nd, tuple axes):
    cdef int i
    return tuple([i for i in range(nd) if i not in axes])


cdef tuple pairs(object axes, tuple x, tuple W):
    """The axes of shapes x and W that tensordot sums over: two tuples, the first ascending."""
    cdef tuple ax, aw
    cdef list order
    if isinstance(axes, (int, np.integer)):
        if not 0 <= axes <= min(len(x), len(W)):
            raise ValueError(f"tensordot: axes={axes} must lie between 0 and the number of axes of both shapes, {x} and {W}")
        ax, aw = tuple(range(len(x) - axes, len(x))), tuple(range(axes))
    else:
        if not isinstance(axes, (tuple, list, np.ndarray)) or len(axes) != 2:
            raise ValueError(f"tensordot: axes must be an int or a pair of axes (shapes {x} and {W}), not {axes!r}")
        ax, aw = normal_axes(axes[0], x, "tensordot"), normal_axes(axes[1], W, "tensordot")
    if len(ax) != len(aw) or any([x[i] != W[j] for i, j in zip(ax, aw)]):
        raise ValueError(f"tensordot: axes {axes!r} of shapes {x} and {W} do not fit: each axis summed over must be as long in "
                         "both")
    order = sorted(range(len(ax)), key=ax.__getitem__)
    return tuple([ax[i] for i in order]), tuple([aw[i] for i in order])


cdef class TensorDot(ArrayFunction):
    """TensorDot(axes=2)\n--\n
    The class behind `tensordot`: `TensorDot(axes)(x, W)`."""

    cdef readonly object axes

    def __init__(self, axes=2):
        self.axes = axes

    def _arguments(self):
        return (self.axes,)

    def forward(self, x, W):
        cdef tuple ax, aw, fx, fw
        ax, aw = pairs(self.axes, x.shape, W.shape)
        fx, fw = rest_of(x.ndim, ax), rest_of(W.ndim, aw)
        return cnp.PyArray_MatrixProduct(matrix(x, fx, ax), matrix(W, aw, fw)).reshape(
            tuple([x.shape[i] for i in fx]) + tuple([W.shape[i] for i in fw]))

    cdef tuple plan(self):
        """For each gradient: the axes of gy and of the other operand to sum over, and where each axis of the result goes."""
        cdef tuple x = self.in0.shape, W = self.in1.shape, ax, aw, fx, fw, to_x, to_W
        cdef int n, i
        ax, aw = pairs(self.axes, x, W)
        fx, fw = rest_of(len(x), ax), rest_of(len(W), aw)
        n = len(fx)
        to_x = fx + tuple([ax[aw.index(i)] for i in sorted(aw)])
        to_W = tuple([aw[i] for i in range(len(ax))]) + fw
        return (tuple(range(n, n + len(fw))), fw), tuple(np.argsort(to_x).tolist()), \
            (fx, tuple(range(n))), tuple(np.argsort(to_W).tolist())

    def backward(self, gy):
        by_W, order_x, by_x, order_W = self.plan()
        return transpose(tensordot(gy, self.in1, by_W), order_x), transpose(tensordot(self.in0, gy, by_x), order_W)

    cdef object gradients(self, object gy):
        cdef int dt = kernel_dtype(gy)
        cdef object x = wide(data_of(self.in0), dt), W = wide(data_of(self.in1), dt), gx = None, gW = None
        if dt < 0 or x is None or W is None:
            return None
        by_W, order_x, by_x, order_W = self.plan()
        if wants_grad(self.in0):
            gx = TensorDot(by_W).forward(gy, W).transpose(order_x)
        if wants_grad(self.in1):
            gW = TensorDot(by_x).forward(x, gy).transpose(order_W)
        return gx, gW


def tensordot(x, W, axes=2):
    """The sum of products over pairs of axes, as np.tensordot.

    axes: n for the last n axes of x with the first n of W, or (axes of x, axes of W). The result has the other axes of x,
    then those of W. Raises ValueError (AxisError for an axis that is not there) when they do not fit.
    """
    cdef Variable a = argument(x, "tensordot"), b = argument(W, "tensordot")
    cdef TensorDot f = TensorDot(axes)
    return call_native(f, (a, b), forward_of(f, [np.asarray(data_of(a)), np.asarray(data_of(b))]))


def dot(x, W):
    """np.dot: the sum over the last axis of x and the last but one (or only) axis of W.

    Up to two axes of W it is matmul; with more, the result has the other axes of x, then those of W. A 0-d operand
    multiplies. Raises ValueError for shapes that do not fit.
    """
    cdef Variable a = argument(as_operand(x, W), "dot"), b = argument(as_operand(W, a), "dot")
    cdef int nx = a.ndim, nw = b.ndim
    if nx == 0 or nw == 0:
        return a * b
    if nw <= 2 or nx == 1:
        return multiply(a, b, "dot")
    if a.shape[nx - 1] != b.shape[nw - 2]:
        raise ValueError(f"dot: shapes {a.shape} and {b.shape} do not fit: the last axis of the first must be as long as the "
                         "last but one axis of the second")
    return tensordot(a, b, ((nx - 1,), (nw - 2,)))


def outer(x0, x1):
    """All products of an element of x0 and one of x1: shape (x0.size, x1.size), operands of any shape."""
    cdef Variable a = argument(x0, "outer"), b = argument(x1, "outer")
    return reshape(a, (a.size, 1)) * reshape(b, (1, b.size))


_core.register_methods(matmul=matmul)
include "generated/_matmul.pxi"
