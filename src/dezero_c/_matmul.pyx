# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Matrix products, through the BLAS that NumPy carries."""

import numpy as np

cimport numpy as cnp

from dezero_c._core cimport (K_CONST, Function, Variable, as_operand, call_native, data_of, dz_typenum, dz_view, grad_variable,
                             set_private_grad, view)

from dezero_c import _core
from dezero_c._shape import reshape, sum_to, transpose

cnp.import_array()


cdef object swapped(object v):
    """The last two axes exchanged."""
    cdef int nd = v.ndim
    return transpose(v, (*range(nd - 2), nd - 1, nd - 2))


cdef class MatMul(Function):
    """MatMul()\n--\n
    The class behind `matmul` and `@`: `MatMul()(x, W)`."""

    def forward(self, x, W):
        return product(x, W)

    def backward(self, gy):
        x, W = self.in0, self.in1
        xm = reshape(x, (1, x.shape[0])) if x.ndim == 1 else x
        Wm = reshape(W, (W.shape[0], 1)) if W.ndim == 1 else W
        gm = gy
        if x.ndim == 1:
            gm = reshape(gm, (*gm.shape[:-1], 1, gm.shape[-1]) if W.ndim > 1 else (1, 1))
        elif W.ndim == 1:
            gm = reshape(gm, (*gm.shape, 1))
        gx = sum_to(matmul(gm, swapped(Wm)), xm.shape)
        gW = sum_to(matmul(swapped(xm), gm), Wm.shape)
        return reshape(gx, x.shape), reshape(gW, W.shape)

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef Variable x = self.in0, W = self.in1
        cdef dz_view xv, wv
        cdef object g, gy
        if not view(x, &xv) or not view(W, &wv) or xv.nd != 2 or wv.nd != 2 or xv.dt != wv.dt:
            return 0
        g = grad_variable(y)
        gy = data_of(<Variable> g) if isinstance(g, Variable) else g
        if not isinstance(gy, np.ndarray) or cnp.PyArray_TYPE(gy) != dz_typenum(xv.dt) or gy.ndim != 2 \
                or gy.shape[0] != xv.shape[0] or gy.shape[1] != wv.shape[1] or wv.shape[0] != xv.shape[1]:
            return 0
        if not x.kind & K_CONST:
            set_private_grad(x, cnp.PyArray_MatrixProduct(gy, data_of(W).T))
        if not W.kind & K_CONST:
            set_private_grad(W, cnp.PyArray_MatrixProduct(data_of(x).T, gy))
        return 1


cdef object product(object x, object W):
    if x.ndim == 2 and W.ndim == 2 and x.shape[1] == W.shape[0]:
        return cnp.PyArray_MatrixProduct(x, W)
    try:
        return np.matmul(x, W)
    except ValueError as error:
        raise ValueError(f"matmul: shapes {np.shape(x)} and {np.shape(W)} do not fit: the last axis of the first must be as long "
                         "as the last but one (or only) axis of the second, and neither may be 0-d") from error


def matmul(x, W):
    """Matrix product x @ W by NumPy's rules: matrices, stacks of matrices that broadcast, and vectors on either side.

    x: (..., n, k) or (k,); W: (..., k, m) or (k,). Raises ValueError for shapes that do not fit.
    """
    cdef Variable a = as_operand(x, W), b = as_operand(W, a)
    cdef object xa = data_of(a), wa = data_of(b)
    if xa is None or wa is None:
        raise TypeError("matmul: an operand has no data (Variable(None)); give it data first")
    return call_native(MatMul(), (a, b), product(xa, wa))


__all__ = ["MatMul", "matmul"]

_core.register_methods(matmul=matmul)
for _cls in (MatMul,):
    _core.open_class(_cls)
