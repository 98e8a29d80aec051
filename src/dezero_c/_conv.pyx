# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Convolution and its transpose.

conv2d, deconv2d and the gradient with respect to the weights (Conv2DGradW) are three products of two arrays each, linear in
both: the derivatives of each are the other two, so every order follows. All three run in `convolve`: a tile of windows becomes
a column matrix that stays in the cache, and BLAS multiplies it. 3 x 3 windows over many channels go another way, by
fewer products (_winograd.pxi).
"""

import os

import numpy as np

cimport numpy as cnp
from libc.string cimport memset

from dezero_c._arrays cimport ArrayFunction, argument, carray, kernel_dtype, new_array, run
from dezero_c._core cimport (
    DZ_F32, Function, Variable, data_of, dz_bind, dz_itemsize, dz_sum_cols, dz_sum_rows, dz_typenum, kernels, ptrdiff_t,
    wants_grad)
from dezero_c._im2col cimport check_called, columns, dz_window, from_columns, images, set_window, to_columns, two, two_ints

from dezero_c import _core
from dezero_c._im2col import get_deconv_outsize, im2col
from dezero_c._matmul import matmul
from dezero_c._reduce import sum as sum_axes
from dezero_c._shape import reshape, transpose

cnp.import_array()
dz_bind(kernels())

cdef extern from "numpy/arrayobject.h":
    object PyArray_MatrixProduct2(object, object, cnp.ndarray)

cdef extern from "families/conv.h":
    void dz_add_bias(int, char *, const char *, ptrdiff_t, ptrdiff_t, ptrdiff_t) noexcept
    void dz_side_by_side(int, char *, char *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int) noexcept

cdef enum:
    TILE = 1 << 19          # elements of a column matrix: larger ones leave the cache between BLAS and us
    FEW = 64                # images with fewer windows than this are multiplied several at a time,
    MANY = 256              # up to so many windows


cdef object matrix(char *p, int dt, ptrdiff_t groups, ptrdiff_t rows, ptrdiff_t cols, ptrdiff_t ld):
    """An ndarray that looks at p: (rows, cols), or (groups, rows, cols), with ld elements from row to row."""
    cdef cnp.npy_intp dims[3]
    cdef cnp.npy_intp strides[3]
    dims[0], dims[1], dims[2] = groups, rows, cols
    strides[2] = dz_itemsize(dt)
    strides[1] = ld * strides[2]
    strides[0] = rows * strides[1]
    cdef int lead = groups == 1
    return cnp.PyArray_New(cnp.ndarray, 3 - lead, dims + lead, dz_typenum(dt), strides + lead, p, 0, cnp.NPY_ARRAY_BEHAVED, None)


cdef object quietly(object a, object b, object out=None):
    """A product that warns of no overflow, as the product of two matrices does not either."""
    with np.errstate(all="ignore"):
        return np.matmul(a, b, out=out)


cdef object multiply(object a, object b, object out):
    if cnp.PyArray_NDIM(out) == 2 and cnp.PyArray_IS_C_CONTIGUOUS(out):
        return PyArray_MatrixProduct2(a, b, out)
    return quietly(a, b, out)


include "_winograd.pxi"


cdef tuple convolve(const dz_window *w, int dt, ptrdiff_t groups, ptrdiff_t oc, object x, object W, object b, object gy,
                    bint need_y, bint need_x, bint need_W):
    """(y, gx, gW), None for what is not needed. All arrays are C-contiguous in dtype dt: x (N, C, H, W), W (O, C / groups,
    KH, KW), b (O,) or None, gy (N, O, OH, OW); None where no result that is needed takes it (y: x, W, b; gx: W, gy;
    gW: x, gy)."""
    cdef ptrdiff_t places = w.oh * w.ow, K = w.c // groups * w.kh * w.kw, rows = w.c * w.kh * w.kw, size = dz_itemsize(dt)
    cdef ptrdiff_t plane = w.c * w.h * w.w * size, ocg = oc // groups, together = 1, deep = w.oh
    cdef ptrdiff_t n, m, k, r0, r1, cols
    cdef object y = None, gx = None, gW = None, sum_W = None, part = None, col = None, side = None, cm, gm, Wm = None, WT = None
    cdef char *xp = NULL
    cdef char *yp = NULL
    cdef char *gxp = NULL
    cdef char *gyp = NULL
    cdef char *cp
    # One pixel a window: the image is its column matrix.
    cdef bint x_fits, W_fits, gy_fits
    cdef bint direct = w.kh == w.kw == w.sh == w.sw == 1 and w.ph == w.pw == 0 and (places >= FEW // 2 or w.n == 1)
    if winograd_takes(w, dt, groups, oc) and (winograd_pays(w.n, w.oh, w.ow) or need_x and winograd_pays(w.n, w.h, w.w)):
        x_fits, W_fits, gy_fits = within(x), within(W), within(gy)
        if need_y and x_fits and W_fits and winograd_pays(w.n, w.oh, w.ow):
            y = winograd(w.n, x, W, b, w.oh, w.ow, w.ph, w.pw, False)
            need_y = False
        if need_x and gy_fits and W_fits and winograd_pays(w.n, w.h, w.w):
            gx = winograd(w.n, gy, W, None, w.h, w.w, 2 - w.ph, 2 - w.pw, True)
            need_x = False
        if need_W and x_fits and gy_fits and winograd_pays(w.n, w.oh, w.ow):
            gW = winograd_gW(w, x, gy)
            need_W = False
        if not (need_y or need_x or need_W):
            return y, gx, gW
    if need_y:
        y = new_array((w.n, oc, w.oh, w.ow), dt)
        yp = cnp.PyArray_BYTES(y)
    if need_x:
        gx = new_array((w.n, w.c, w.h, w.w), dt)
        gxp = cnp.PyArray_BYTES(gx)
    if need_W:
        gW = new_array((oc, w.c // groups, w.kh, w.kw), dt)
    if w.n * oc * rows * places == 0:
        if need_y:
            y[...] = 0 if b is None else b.reshape(1, oc, 1, 1)
        if need_x:
            gx[...] = 0
        if need_W:
            gW[...] = 0
        return y, gx, gW
    if x is not None:
        xp = cnp.PyArray_BYTES(x)
    if gy is not None:
        gyp = cnp.PyArray_BYTES(gy)
    if W is not None:
        Wm = matrix(cnp.PyArray_BYTES(W), dt, groups, ocg, K, K)
        WT = Wm.T if groups == 1 else Wm.transpose(0, 2, 1)
    if need_W:
        sum_W = matrix(cnp.PyArray_BYTES(gW), dt, groups, ocg, K, K)
    if not direct:
        if rows * places > TILE:
            deep = min(w.oh, max(1, TILE // (rows * w.ow)))
        elif places < FEW:
            together = min(w.n, max(1, min(MANY // places, TILE // (rows * places))))
        col = new_array((rows * together * deep * w.ow,), dt)
        if together > 1:
            side = new_array((oc * together * places,), dt)
    n = 0
    while n < w.n:
        m = min(together, w.n - n)
        r0 = 0
        while r0 < w.oh:
            r1 = min(r0 + deep, w.oh)
            cols = m * (r1 - r0) * w.ow
            cp = xp + n * plane if direct else cnp.PyArray_BYTES(col)
            cm = None if cp == NULL else matrix(cp, dt, groups, K, cols, cols)
            if (need_y or need_W) and not direct:
                for k in range(m):
                    to_columns(dt, xp + (n + k) * plane, cp + k * places * size, w, r0, r1, cols)
            if need_y:
                if m == 1:
                    multiply(Wm, cm, matrix(yp + (n * oc * places + r0 * w.ow) * size, dt, groups, ocg, cols, places))
                    if b is not None:
                        dz_add_bias(dt, yp + (n * oc * places + r0 * w.ow) * size, cnp.PyArray_BYTES(b), oc, cols, places)
                else:
                    multiply(Wm, cm, matrix(cnp.PyArray_BYTES(side), dt, groups, ocg, cols, cols))
                    if b is not None:
                        dz_add_bias(dt, cnp.PyArray_BYTES(side), cnp.PyArray_BYTES(b), oc, cols, cols)
                    dz_side_by_side(dt, yp + n * oc * places * size, cnp.PyArray_BYTES(side), m, oc, places, True)
            if need_W or need_x:
                if m == 1:
                    gm = matrix(gyp + (n * oc * places + r0 * w.ow) * size, dt, groups, ocg, cols, places)
                else:
                    dz_side_by_side(dt, gyp + n * oc * places * size, cnp.PyArray_BYTES(side), m, oc, places, False)
                    gm = matrix(cnp.PyArray_BYTES(side), dt, groups, ocg, cols, cols)
                if need_W:
                    if n + r0 > 0 and part is None:
                        part = np.empty_like(sum_W)
                    multiply(gm, cm.T if groups == 1 else cm.transpose(0, 2, 1), sum_W if part is None else part)
                    if part is not None:
                        np.add(sum_W, part, out=sum_W)
                if need_x and direct:
                    multiply(WT, gm, matrix(gxp + n * plane, dt, groups, K, cols, cols))
                elif need_x:
                    multiply(WT, gm, cm)
                    if r0 == 0:
                        memset(gxp + n * plane, 0, m * plane)
                    for k in range(m):
                        from_columns(dt, gxp + (n + k) * plane, cp + k * places * size, w, r0, r1, cols, True)
            r0 = r1
        n += m
    return y, gx, gW


cdef int window_of(dz_window *w, tuple xs, tuple Ws, object stride, object pad, object dilation, str op) except -1:
    """The window of weights Ws over images xs of a convolution (for `deconv2d` those are its output)."""
    if len(xs) != 4 or len(Ws) != 4:
        raise ValueError(f"{op}: x has shape {xs} and W {Ws}; both must have 4 axes, images (N, C, H, W) and weights "
                         "(C_out, C_in / groups, KH, KW) (for deconv2d (C_in, C_out / groups, KH, KW))")
    set_window(w, xs, Ws[2:], stride, pad, dilation, op)
    return 0


cdef Py_ssize_t groups_of(object groups, tuple Ws, str op) except -1:
    if not isinstance(groups, (int, np.integer)) or isinstance(groups, bool):
        raise TypeError(f"{op}: groups {groups!r} must be an int")
    if not 1 <= groups < 1 << 31 or len(Ws) > 3 and Ws[0] % groups:
        raise ValueError(f"{op}: groups {groups} must be at least 1 and divide the first axis of the weights, of shape {Ws}")
    return groups


cdef int common_dtype(object a, object b, object c) noexcept:
    """The kernels' dtype in which the arrays (c may be None) are computed together, -1 where kernels take not all."""
    cdef int t = kernel_dtype(a), u = kernel_dtype(b), v = t if c is None else kernel_dtype(c)
    return -1 if t < 0 or u < 0 or v < 0 else max(t, max(u, v))


cdef object conv_forward(const dz_window *w, ptrdiff_t groups, object x, object W, object b):
    cdef int dt = common_dtype(x, W, b)
    cdef ptrdiff_t oc = W.shape[0], K = w.c // groups * w.kh * w.kw, places = w.oh * w.ow
    cdef object y
    if dt >= 0:
        return convolve(w, dt, groups, oc, carray(x, dt), carray(W, dt), None if b is None else carray(b, dt), None,
                        True, False, False)[0]
    y = quietly(W.reshape(groups, oc // groups, K), columns(x, w, False).reshape(w.n, groups, K, places))
    y = y.reshape(w.n, oc, w.oh, w.ow)
    return y if b is None else y + b.reshape(1, oc, 1, 1)


cdef object conv_grad_x(const dz_window *w, ptrdiff_t groups, object W, object gy):
    cdef int dt = common_dtype(W, gy, None)
    cdef ptrdiff_t oc = W.shape[0], K = w.c // groups * w.kh * w.kw, places = w.oh * w.ow
    cdef object col
    if dt >= 0:
        return convolve(w, dt, groups, oc, None, carray(W, dt), None, carray(gy, dt), False, True, False)[1]
    col = quietly(W.reshape(groups, oc // groups, K).transpose(0, 2, 1), gy.reshape(w.n, groups, oc // groups, places))
    return images(col.reshape(w.n, w.c, w.kh, w.kw, w.oh, w.ow), w, False, "deconv2d")


cdef object conv_grad_W(const dz_window *w, ptrdiff_t groups, object x, object gy):
    cdef int dt = common_dtype(x, gy, None)
    cdef ptrdiff_t oc = gy.shape[1], K = w.c // groups * w.kh * w.kw, places = w.oh * w.ow
    cdef object col, gW
    if dt >= 0:
        return convolve(w, dt, groups, oc, carray(x, dt), None, None, carray(gy, dt), False, False, True)[2]
    col = columns(x, w, False).reshape(w.n, groups, K, places).transpose(0, 1, 3, 2)
    gW = quietly(gy.reshape(w.n, groups, oc // groups, places), col)
    return gW.sum(axis=0, dtype=gW.dtype).reshape(oc, w.c // groups, w.kh, w.kw)


cdef object channel_sum(object gy):
    """(N, O, H, W) to (O,), C-contiguous in a kernel's dtype: every plane in NumPy's pairwise order, then image after image."""
    cdef int dt = kernel_dtype(gy)
    cdef cnp.npy_intp *shape = cnp.PyArray_DIMS(gy)
    cdef object planes = new_array((shape[0], shape[1]), dt), out = np.zeros(shape[1], gy.dtype)
    dz_sum_cols(dt, cnp.PyArray_BYTES(gy), shape[0] * shape[1], shape[2] * shape[3], cnp.PyArray_BYTES(planes), 0)
    dz_sum_rows(dt, cnp.PyArray_BYTES(planes), shape[0], shape[1], cnp.PyArray_BYTES(out), 0)
    return out


cdef int check_bias(object b, Py_ssize_t channels, str op) except -1:
    if b is not None and b.shape != (channels,):
        raise ValueError(f"{op}: b has shape {b.shape}; for {channels} output channels it must have shape ({channels},)")
    return 0


cdef object bias_gradient(Function f, object gy):
    """The gradient of the third input, None where it is none."""
    cdef Variable b
    if f.nin < 3:
        return None
    b = f.in2
    return None if not wants_grad(b) or data_of(b) is None else sum_axes(gy, (0, 2, 3))


cdef object answer(Function f, object gx, object gW, object gb):
    return (gx, gW) if f.nin < 3 else (gx, gW, gb)


cdef bint all_of(int dt, object a, object b, object c):
    """Whether the arrays (c may be None) have the kernels' dtype dt, or float32 where that is float64, all of them."""
    return 0 <= kernel_dtype(a) <= dt and 0 <= kernel_dtype(b) <= dt and (c is None or 0 <= kernel_dtype(c) <= dt)


cdef class Conv2d(ArrayFunction):
    """Conv2d(stride=1, pad=0, dilation=1, groups=1)\n--\n
    The class behind `conv2d`: `Conv2d(stride, pad)(x, W, b)`."""

    cdef readonly object stride, pad, dilation, groups

    def __init__(self, stride=1, pad=0, dilation=1, groups=1):
        self.stride, self.pad = two_ints(stride, "stride", "conv2d"), two_ints(pad, "pad", "conv2d")
        self.dilation, self.groups = two_ints(dilation, "dilation", "conv2d"), groups

    def _arguments(self):
        return (self.stride, self.pad, self.dilation, self.groups)

    cdef Py_ssize_t fit(self, dz_window *w, object x, object W, object b) except -1:
        """Sets the window, and gives the number of groups; raises where the shapes do not fit."""
        cdef Py_ssize_t groups = groups_of(self.groups, W.shape, "conv2d")
        window_of(w, x.shape, W.shape, self.stride, self.pad, self.dilation, "conv2d")
        if W.shape[1] * groups != w.c:
            raise ValueError(f"conv2d: x of shape {x.shape} has {w.c} channels, but W of shape {W.shape} with groups={groups} "
                             f"takes {W.shape[1] * groups}; W must have shape (C_out, C_in / groups, KH, KW)")
        check_bias(b, W.shape[0], "conv2d")
        return groups

    def forward(self, x, W, b=None):
        cdef dz_window w
        cdef Py_ssize_t groups = self.fit(&w, x, W, b)
        return conv_forward(&w, groups, x, W, b)

    def backward(self, gy):
        check_called(self, self.in1)
        x, W = self.in0, self.in1
        gx = gW = None
        if wants_grad(self.in0):
            gx = deconv2d(gy, W, None, self.stride, self.pad, x.shape[2:], self.dilation, self.groups)
        if wants_grad(self.in1):
            gW = conv_gradw(x, gy, W.shape[2:], self.stride, self.pad, self.dilation, self.groups)
        return answer(self, gx, gW, bias_gradient(self, gy))

    cdef object gradients(self, object gy):
        cdef dz_window w
        cdef object x, W, b
        cdef Py_ssize_t groups
        cdef int dt = kernel_dtype(gy)
        cdef tuple g
        cdef bint need_x, need_W
        check_called(self, self.in1)
        need_x, need_W = wants_grad(self.in0), wants_grad(self.in1)
        x, W, b = data_of(self.in0), data_of(self.in1), data_of(self.in2) if self.nin == 3 else None
        if not all_of(dt, x, W, b):
            return None
        groups = self.fit(&w, x, W, b)
        if gy.shape != (w.n, W.shape[0], w.oh, w.ow):
            return None
        gy = carray(gy, dt)
        g = convolve(&w, dt, groups, W.shape[0], carray(x, dt) if need_W else None, carray(W, dt) if need_x else None, None, gy,
                     False, need_x, need_W)
        return answer(self, g[1], g[2], None if b is None or not wants_grad(self.in2) else channel_sum(gy))


cdef class Deconv2d(ArrayFunction):
    """Deconv2d(stride=1, pad=0, outsize=None, dilation=1, groups=1)\n--\n
    The class behind `deconv2d`: `Deconv2d(stride, pad, outsize)(x, W, b)`."""

    cdef readonly object stride, pad, outsize, dilation, groups

    def __init__(self, stride=1, pad=0, outsize=None, dilation=1, groups=1):
        self.stride, self.pad = two_ints(stride, "stride", "deconv2d"), two_ints(pad, "pad", "deconv2d")
        self.dilation, self.groups = two_ints(dilation, "dilation", "deconv2d"), groups
        self.outsize = None if outsize is None else two_ints(outsize, "outsize", "deconv2d")

    def _arguments(self):
        return (self.stride, self.pad, self.outsize, self.dilation, self.groups)

    cdef Py_ssize_t fit(self, dz_window *w, object x, object W, object b) except -1:
        """As that of Conv2d, for the convolution that goes from the output to x."""
        cdef Py_ssize_t groups = groups_of(self.groups, W.shape, "deconv2d")
        cdef ptrdiff_t k[2]
        cdef ptrdiff_t s[2]
        cdef ptrdiff_t p[2]
        cdef ptrdiff_t d[2]
        cdef tuple xs = x.shape, Ws = W.shape, size = self.outsize
        if len(xs) == 4 and len(Ws) == 4:
            if Ws[0] != xs[1]:
                raise ValueError(f"deconv2d: x of shape {xs} has {xs[1]} channels, but W of shape {Ws} takes {Ws[0]}; W must "
                                 "have shape (C_in, C_out / groups, KH, KW)")
            two(Ws[2:], "kernel size", "deconv2d", 1, &k[0], &k[1])
            two(self.stride, "stride", "deconv2d", 1, &s[0], &s[1])
            two(self.pad, "pad", "deconv2d", 0, &p[0], &p[1])
            two(self.dilation, "dilation", "deconv2d", 1, &d[0], &d[1])
            if size is None:
                size = tuple([get_deconv_outsize(xs[2 + i], d[i] * (k[i] - 1) + 1, s[i], p[i]) for i in range(2)])
                if min(size) < 1:
                    raise ValueError(f"deconv2d: x of shape {xs} with W of shape {Ws}, stride {self.stride} and pad {self.pad} "
                                     f"gives images of size {size}; pad less")
            else:
                two(size, "outsize", "deconv2d", 0, &k[0], &k[1])
            xs = (xs[0], Ws[1] * groups, size[0], size[1])
        window_of(w, xs, Ws, self.stride, self.pad, self.dilation, "deconv2d")
        if x.shape[2:] != (w.oh, w.ow):
            raise ValueError(f"deconv2d: outsize {size} does not fit x of shape {x.shape}: a convolution of images of that size "
                             f"gives {(w.oh, w.ow)}; leave outsize out for the smallest that fits")
        check_bias(b, w.c, "deconv2d")
        return groups

    def forward(self, x, W, b=None):
        cdef dz_window w
        cdef ptrdiff_t n
        cdef Py_ssize_t groups = self.fit(&w, x, W, b)
        cdef int dt = common_dtype(x, W, b)
        cdef object y
        if dt < 0 or b is None:
            y = conv_grad_x(&w, groups, W, x)
            return y if b is None else y + b.reshape(1, w.c, 1, 1)
        y = conv_grad_x(&w, groups, carray(W, dt), carray(x, dt))
        b = carray(b, dt)
        for n in range(w.n):
            dz_add_bias(dt, cnp.PyArray_BYTES(y) + n * w.c * w.h * w.w * dz_itemsize(dt), cnp.PyArray_BYTES(b), w.c, w.h * w.w,
                        w.h * w.w)
        return y

    def backward(self, gy):
        check_called(self, self.in1)
        x, W = self.in0, self.in1
        gx = gW = None
        if wants_grad(self.in0):
            gx = conv2d(gy, W, None, self.stride, self.pad, self.dilation, self.groups)
        if wants_grad(self.in1):
            gW = conv_gradw(gy, x, W.shape[2:], self.stride, self.pad, self.dilation, self.groups)
        return answer(self, gx, gW, bias_gradient(self, gy))

    cdef object gradients(self, object gy):
        cdef dz_window w
        cdef object x, W, b
        cdef Py_ssize_t groups
        cdef int dt = kernel_dtype(gy)
        cdef tuple g
        cdef bint need_x, need_W
        check_called(self, self.in1)
        need_x, need_W = wants_grad(self.in0), wants_grad(self.in1)
        x, W, b = data_of(self.in0), data_of(self.in1), data_of(self.in2) if self.nin == 3 else None
        if not all_of(dt, x, W, b):
            return None
        groups = self.fit(&w, x, W, b)
        if gy.shape != (w.n, w.c, w.h, w.w):
            return None
        gy = carray(gy, dt)
        g = convolve(&w, dt, groups, W.shape[0], gy, carray(W, dt) if need_x else None, None, carray(x, dt) if need_W else None,
                     need_x, False, need_W)
        return answer(self, g[0], g[2], None if b is None or not wants_grad(self.in2) else channel_sum(gy))


cdef class Conv2DGradW(ArrayFunction):
    """Conv2DGradW(conv2d, stride=1, pad=0, dilation=1, groups=1)\n--\n
    The gradient of a convolution with respect to its weights, an operation itself: `Conv2DGradW(conv2d)(x, gy)`. conv2d: a Conv2d
    or Deconv2d that has been called, whose parameters are taken; or the size of the kernel, a pair."""

    cdef readonly object kernel_size, stride, pad, dilation, groups

    def __init__(self, conv2d, stride=1, pad=0, dilation=1, groups=1):
        if hasattr(conv2d, "inputs"):
            self.kernel_size = _core.inputs_of(conv2d)[1].shape[2:]
            stride, pad = conv2d.stride, conv2d.pad
            dilation, groups = getattr(conv2d, "dilation", 1), getattr(conv2d, "groups", 1)
        elif isinstance(conv2d, (Conv2d, Deconv2d)):
            raise ValueError("Conv2DGradW: the Function that it is given was not called yet (or under no_grad), so that it has "
                             "no inputs; call it first, or pass the kernel's size, stride and pad")
        else:
            self.kernel_size = two_ints(conv2d, "kernel size", "Conv2DGradW")
        self.stride, self.pad = two_ints(stride, "stride", "Conv2DGradW"), two_ints(pad, "pad", "Conv2DGradW")
        self.dilation, self.groups = two_ints(dilation, "dilation", "Conv2DGradW"), groups

    def _arguments(self):
        return (self.kernel_size, self.stride, self.pad, self.dilation, self.groups)

    cdef Py_ssize_t fit(self, dz_window *w, object x, object gy) except -1:
        cdef Py_ssize_t groups = groups_of(self.groups, (), "Conv2DGradW")
        set_window(w, x.shape, self.kernel_size, self.stride, self.pad, self.dilation, "Conv2DGradW")
        if gy.ndim != 4 or gy.shape[0] != w.n or gy.shape[2:] != (w.oh, w.ow) or gy.shape[1] % groups or w.c % groups:
            raise ValueError(f"Conv2DGradW: a gradient of shape {gy.shape} does not fit images of shape {x.shape}: with these "
                             f"parameters it must have shape ({w.n}, C_out, {w.oh}, {w.ow}), and groups={groups} divide both "
                             "numbers of channels")
        return groups

    def forward(self, x, gy):
        cdef dz_window w
        cdef Py_ssize_t groups = self.fit(&w, x, gy)
        return conv_grad_W(&w, groups, x, gy)

    def backward(self, ggW):
        check_called(self, self.in1)
        x, gy = self.in0, self.in1
        gx = ggy = None
        if wants_grad(self.in0):
            gx = deconv2d(gy, ggW, None, self.stride, self.pad, x.shape[2:], self.dilation, self.groups)
        if wants_grad(self.in1):
            ggy = conv2d(x, ggW, None, self.stride, self.pad, self.dilation, self.groups)
        return gx, ggy

    cdef object gradients(self, object ggW):
        cdef dz_window w
        cdef object x, gy
        cdef Py_ssize_t groups
        cdef int dt = kernel_dtype(ggW)
        cdef tuple g
        cdef bint need_x, need_gy
        check_called(self, self.in1)
        need_x, need_gy = wants_grad(self.in0), wants_grad(self.in1)
        x, gy = data_of(self.in0), data_of(self.in1)
        if not all_of(dt, x, gy, None):
            return None
        groups = self.fit(&w, x, gy)
        if ggW.shape != (gy.shape[1], w.c // groups, w.kh, w.kw):
            return None
        g = convolve(&w, dt, groups, gy.shape[1], carray(x, dt) if need_gy else None, carray(ggW, dt), None,
                     carray(gy, dt) if need_x else None, need_gy, need_x, False)
        return g[1], g[0]


cdef Variable conv_gradw(object x, object gy, object kernel_size, object stride, object pad, object dilation, object groups):
    return run(Conv2DGradW(kernel_size, stride, pad, dilation, groups), (argument(x, "conv2d"), argument(gy, "conv2d")))


cdef tuple operands(object x, object W, object b, str op):
    """The Variables of a call: two, or three with a bias."""
    cdef Variable v = argument(x, op), w = argument(W, op)
    if b is None or isinstance(b, Variable) and data_of(<Variable> b) is None:
        return v, w
    return v, w, argument(b, op)


def conv2d(x, W, b=None, stride=1, pad=0, dilation=1, groups=1):
    """Convolution of images (a correlation, as in every neural network).

    x: (N, C, H, W); W: (O, C / groups, KH, KW); b: (O,) or None; stride, pad, dilation: int or pair (rows, columns); groups: the
    channels are taken in so many groups, each with filters of its own. Gives (N, O, OH, OW) in NumPy's common dtype of x, W
    and b, OH = (H + 2 pad - dilation (KH - 1) - 1) // stride + 1. The padding is zeros.
    Raises ValueError for shapes that do not fit.
    """
    return run(Conv2d(stride, pad, dilation, groups), operands(x, W, b, "conv2d"))


def deconv2d(x, W, b=None, stride=1, pad=0, outsize=None, dilation=1, groups=1):
    """Transposed convolution: the gradient of `conv2d` with respect to its images, as an operation of its own.

    x: (N, C, H, W); W: (C, O / groups, KH, KW); b: (O,) or None; outsize: the size of the result, int or pair, which a
    convolution of these parameters takes to x's; None: the smallest, stride (H - 1) + dilation (KH - 1) + 1 - 2 pad. Gives
    (N, O, *outsize). Raises ValueError for shapes that do not fit.
    """
    return run(Deconv2d(stride, pad, outsize, dilation, groups), operands(x, W, b, "deconv2d"))


def conv1d(x, W, b=None, stride=1, pad=0, dilation=1, groups=1):
    """Convolution of sequences: `conv2d` with one row. x: (N, C, L); W: (O, C / groups, K); b: (O,) or None; stride, pad,
    dilation: ints. Gives (N, O, OL). Raises ValueError for shapes that do not fit."""
    cdef tuple vs = operands(x, W, b, "conv1d"), xs = vs[0].shape, Ws = vs[1].shape
    if len(xs) != 3 or len(Ws) != 3:
        raise ValueError(f"conv1d: x has shape {xs} and W {Ws}; both must have 3 axes, (N, C, L) and (C_out, C_in / groups, K)")
    for name, value in (("stride", stride), ("pad", pad), ("dilation", dilation)):
        if not isinstance(value, (int, np.integer)):
            raise TypeError(f"conv1d: {name} {value!r} must be an int")
    try:
        y = conv2d(reshape(vs[0], (xs[0], xs[1], 1, xs[2])), reshape(vs[1], (Ws[0], Ws[1], 1, Ws[2])),
                   vs[2] if len(vs) == 3 else None, (1, stride), (0, pad), (1, dilation), groups)
    except ValueError as error:
        raise ValueError(f"conv1d: x of shape {xs} and W of shape {Ws} do not fit; as images of one row: {error}") from error
    return reshape(y, (y.shape[0], y.shape[1], y.shape[3]))


cdef tuple three_ints(object x, str name):
    """A parameter of conv3d as three ints."""
    cdef tuple abc = tuple(x) if isinstance(x, (tuple, list)) else (x, x, x)
    if len(abc) != 3 or not all([isinstance(i, (int, np.integer)) and not isinstance(i, bool) for i in abc]):
        raise TypeError(f"conv3d: {name} {x!r} must be an int or three ints")
    return abc


def conv3d(x, W, b=None, stride=1, pad=0, dilation=1, groups=1):
    """Convolution of volumes (of frames of a film, say), by `conv2d`: slices that a window holds one behind the other are
    channels of one image, so that a graph holds every slice as often as windows do.

    x: (N, C, D, H, W); W: (O, C / groups, KD, KH, KW); b: (O,) or None; stride, pad, dilation: int or three (depth, rows,
    columns); groups: as in `conv2d`. Gives (N, O, OD, OH, OW) in NumPy's common dtype of x, W and b, OD = (D + 2 pad -
    dilation (KD - 1) - 1) // stride + 1, and so on. The padding is zeros. Raises ValueError for shapes that do not fit.
    """
    cdef tuple vs = operands(x, W, b, "conv3d"), xs = vs[0].shape, Ws = vs[1].shape
    cdef tuple s = three_ints(stride, "stride"), p = three_ints(pad, "pad"), d = three_ints(dilation, "dilation")
    cdef dz_window w
    if len(xs) != 5 or len(Ws) != 5:
        raise ValueError(f"conv3d: x has shape {xs} and W {Ws}; both must have 5 axes, (N, C, D, H, W) and (C_out, C_in / "
                         "groups, KD, KH, KW)")
    groups_of(groups, Ws, "conv3d")
    if Ws[1] * groups != xs[1]:
        raise ValueError(f"conv3d: x of shape {xs} has {xs[1]} channels, but W of shape {Ws} with groups={groups} takes "
                         f"{Ws[1] * groups}; W must have shape (C_out, C_in / groups, KD, KH, KW)")
    try:
        set_window(&w, (xs[0], xs[1], xs[2], 1), (Ws[2], 1), (s[0], 1), (p[0], 0), (d[0], 1), "along the depth")
        slices = vs[0]
        if xs[3] * xs[4]:       # else there is nothing to move
            slices = im2col(reshape(slices, (*xs[:3], xs[3] * xs[4])), (Ws[2], 1), (s[0], 1), (p[0], 0), False, (d[0], 1))
            slices = transpose(slices, (0, 4, 1, 2, 3, 5))      # (N, OD, C, KD, 1, H W)
        slices = reshape(slices, (xs[0] * w.oh, xs[1] * Ws[2], xs[3], xs[4]))
        y = conv2d(slices, reshape(vs[1], (Ws[0], Ws[1] * Ws[2], *Ws[3:])), vs[2] if len(vs) == 3 else None,
                   s[1:], p[1:], d[1:], groups)
    except ValueError as error:
        raise ValueError(f"conv3d: x of shape {xs} and W of shape {Ws} do not fit; slice by slice: {error}") from error
    return transpose(reshape(y, (xs[0], w.oh, Ws[0], *y.shape[2:])), (0, 2, 1, 3, 4))


def conv2d_simple(x, W, b=None, stride=1, pad=0, dilation=1, groups=1):
    """`conv2d` put together from `im2col` and `matmul`, to be read: the same values, slower."""
    cdef tuple vs = operands(x, W, b, "conv2d_simple"), Ws = vs[1].shape
    cdef dz_window w
    cdef Conv2d f = Conv2d(stride, pad, dilation, groups)
    cdef Py_ssize_t g = f.fit(&w, data_of(vs[0]), data_of(vs[1]), data_of(vs[2]) if len(vs) == 3 else None)
    oc = Ws[0]
    K = Ws[1] * w.kh * w.kw
    col = im2col(vs[0], (w.kh, w.kw), stride, pad, True, dilation)              # (N OH OW, C KH KW)
    col = transpose(reshape(col, (w.n * w.oh * w.ow, g, K)), (1, 0, 2))         # (groups, N OH OW, K)
    y = matmul(col, transpose(reshape(vs[1], (g, oc // g, K)), (0, 2, 1)))       # (groups, N OH OW, O / groups)
    y = reshape(transpose(y, (1, 0, 2)), (w.n * w.oh * w.ow, oc))
    if len(vs) == 3:
        y = y + vs[2]
    return transpose(reshape(y, (w.n, w.oh, w.ow, oc)), (0, 3, 1, 2))


include "generated/_conv.pxi"
