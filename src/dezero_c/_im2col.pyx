# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""The window that slides over images, and windows as columns of a matrix and back (im2col, col2im)."""

import numpy as np

cimport numpy as cnp

from dezero_c._arrays cimport ArrayFunction, argument, carray, kernel_dtype, new_array, run
from dezero_c._core cimport Function, Variable, data_of, dz_bind, dz_itemsize, kernels, ptrdiff_t


cnp.import_array()
dz_bind(kernels())

cdef extern from "families/conv.h":
    void dz_im2col(int, const char *, char *, const dz_window *, ptrdiff_t, ptrdiff_t, ptrdiff_t) noexcept
    void dz_col2im(int, char *, char *, const dz_window *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int) noexcept
    void dz_im2row(int, const char *, char *, const dz_window *) noexcept
    void dz_row2im(int, char *, const char *, const dz_window *) noexcept


cdef int check_called(Function f, Variable last) except -1:
    """For a `backward` that is called by hand: raises where f's last input is missing."""
    if last is None:
        raise ValueError(f"{type(f).__name__}.backward: the function lacks inputs, so it was not called yet, or under no_grad; "
                         "call it first")
    return 0


cdef tuple two_ints(object x, str name, str op):
    """A parameter as a pair of ints."""
    cdef tuple ab = tuple(x) if isinstance(x, (tuple, list)) else (x, x)
    if len(ab) != 2 or not all([isinstance(i, (int, np.integer)) and not isinstance(i, bool) for i in ab]):
        raise TypeError(f"{op}: {name} {x!r} must be an int or a pair of ints")
    return ab


cdef int two(object x, str name, str op, ptrdiff_t least, ptrdiff_t *a, ptrdiff_t *b) except -1:
    """The same as C numbers, each from `least` to below 2**31, so that no arithmetic with them overflows."""
    cdef tuple ab = two_ints(x, name, op)
    if not all([least <= i < 1 << 31 for i in ab]):
        raise ValueError(f"{op}: {name} {x!r} " + (f"must be at least {least}" if min(ab) < least else "is too large"))
    a[0] = ab[0]
    b[0] = ab[1]
    return 0


cdef ptrdiff_t window_places(ptrdiff_t size, ptrdiff_t k, ptrdiff_t stride, ptrdiff_t pad, ptrdiff_t dilation,
                             bint ceil) noexcept:
    """How many places a window has along an axis, 0 where it fits nowhere. ceil: a last one may reach past the padding at the
    end, unless it begins in it."""
    cdef ptrdiff_t room = size + 2 * pad - (dilation * (k - 1) + 1) + (stride - 1 if ceil else 0), n
    if room < 0:
        return 0
    n = room // stride + 1
    return n - (ceil and (n - 1) * stride >= size + pad)


cdef int set_window(dz_window *w, tuple shape, object kernel, object stride, object pad, object dilation, str op,
                    bint ceil=False) except -1:
    """The window over images of `shape`; raises when the parameters are wrong, or it fits nowhere."""
    if len(shape) != 4:
        raise ValueError(f"{op}: the images have shape {shape}; they must have 4 axes (N, C, H, W)")
    w.n, w.c, w.h, w.w = shape
    two(kernel, "kernel size", op, 1, &w.kh, &w.kw)
    two(stride, "stride", op, 1, &w.sh, &w.sw)
    two(pad, "pad", op, 0, &w.ph, &w.pw)
    two(dilation, "dilation", op, 1, &w.dh, &w.dw)
    w.oh = window_places(w.h, w.kh, w.sh, w.ph, w.dh, ceil)
    w.ow = window_places(w.w, w.kw, w.sw, w.pw, w.dw, ceil)
    if w.oh == 0 or w.ow == 0:
        raise ValueError(f"{op}: a kernel of size ({w.kh}, {w.kw}) and dilation ({w.dh}, {w.dw}) does not fit into images of "
                         f"size ({w.h}, {w.w}) padded by ({w.ph}, {w.pw}); pad more, or take a smaller kernel (shape {shape})")
    return 0


def pair(x):
    """(x, x) for an int, x itself (as a tuple) for a pair. Raises ValueError for anything else."""
    if isinstance(x, (int, np.integer)):
        return (x, x)
    if isinstance(x, (tuple, list)) and len(x) == 2:
        return tuple(x)
    raise ValueError(f"pair: {x!r} must be an int or a pair of ints")


def get_conv_outsize(input_size, kernel_size, stride, pad):
    """How many places a window has along an axis of input_size: (input_size + 2 pad - kernel_size) // stride + 1."""
    return (input_size + pad * 2 - kernel_size) // stride + 1


def get_deconv_outsize(size, k, s, p):
    """The smallest axis on which a window of k, with stride s and padding p, has `size` places: s (size - 1) + k - 2 p."""
    return s * (size - 1) + k - 2 * p


cdef object window_view(object x, const dz_window *w):
    """(N, C, KH, KW, OH, OW) as a view of x padded with zeros: for the dtypes that kernels do not take."""
    cdef object a = np.pad(x, ((0, 0), (0, 0), (w.ph, w.ph), (w.pw, w.pw)))
    cdef tuple st = a.strides
    return np.lib.stride_tricks.as_strided(
        a, (w.n, w.c, w.kh, w.kw, w.oh, w.ow),
        (st[0], st[1], st[2] * w.dh, st[3] * w.dw, st[2] * w.sh, st[3] * w.sw), writeable=False)


cdef void to_columns(int dt, const char *x, char *col, const dz_window *w, ptrdiff_t r0, ptrdiff_t r1, ptrdiff_t ld) noexcept:
    """An image's windows in output rows r0 to r1 as columns, ld elements from row to row."""
    dz_im2col(dt, x, col, w, r0, r1, ld)


cdef void from_columns(int dt, char *x, char *col, const dz_window *w, ptrdiff_t r0, ptrdiff_t r1, ptrdiff_t ld,
                       int own) noexcept:
    """Adds columns to the image that they are windows of. own: they may be written to."""
    dz_col2im(dt, x, col, w, r0, r1, ld, own)


cdef object columns(object x, const dz_window *w, bint to_matrix):
    cdef int dt = kernel_dtype(x)
    cdef object col
    cdef tuple shape
    cdef ptrdiff_t n, places = w.oh * w.ow, rows = w.c * w.kh * w.kw
    if dt < 0:
        col = window_view(x, w)
        if to_matrix:
            return np.ascontiguousarray(col.transpose(0, 4, 5, 1, 2, 3)).reshape(w.n * places, rows)
        return np.ascontiguousarray(col)
    x = carray(x, dt)
    shape = (w.n * places, rows)
    if not to_matrix:
        shape = (w.n, w.c, w.kh, w.kw, w.oh, w.ow)
    col = new_array(shape, dt)
    if to_matrix:
        dz_im2row(dt, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(col), w)
    else:
        for n in range(w.n):
            dz_im2col(dt, cnp.PyArray_BYTES(x) + n * w.c * w.h * w.w * dz_itemsize(dt),
                      cnp.PyArray_BYTES(col) + n * rows * places * dz_itemsize(dt), w, 0, w.oh, places)
    return col


cdef object images(object col, const dz_window *w, bint to_matrix, str op):
    cdef int dt = kernel_dtype(col)
    cdef object x
    cdef tuple flat = (w.n * w.oh * w.ow, w.c * w.kh * w.kw), full = (w.n, w.c, w.kh, w.kw, w.oh, w.ow)
    cdef tuple shape = flat if to_matrix else full
    cdef ptrdiff_t n, i, j, y0, x0, rows = w.c * w.kh * w.kw, places = w.oh * w.ow
    if col.shape != shape:
        raise ValueError(f"{op}: columns of shape {col.shape} do not make images of shape {(w.n, w.c, w.h, w.w)}; with these "
                         f"parameters they must have shape {shape}")
    if dt >= 0:
        col = carray(col, dt)
        x = np.zeros((w.n, w.c, w.h, w.w), col.dtype)
        if to_matrix:
            dz_row2im(dt, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(col), w)
        else:
            for n in range(w.n):
                dz_col2im(dt, cnp.PyArray_BYTES(x) + n * w.c * w.h * w.w * dz_itemsize(dt),
                          cnp.PyArray_BYTES(col) + n * rows * places * dz_itemsize(dt), w, 0, w.oh, places, False)
        return x
    if to_matrix:
        col = col.reshape(w.n, w.oh, w.ow, w.c, w.kh, w.kw).transpose(0, 3, 4, 5, 1, 2)
    x = np.zeros((w.n, w.c, w.h + 2 * w.ph, w.w + 2 * w.pw), col.dtype)
    for i in range(w.kh):
        for j in range(w.kw):
            y0, x0 = i * w.dh, j * w.dw
            x[:, :, y0:y0 + w.sh * (w.oh - 1) + 1:w.sh, x0:x0 + w.sw * (w.ow - 1) + 1:w.sw] += col[:, :, i, j]
    return np.ascontiguousarray(x[:, :, w.ph:w.ph + w.h, w.pw:w.pw + w.w])


cdef object as_ndarray(object x):
    return data_of(<Variable> x) if isinstance(x, Variable) else np.asanyarray(x)


def im2col_array(img, kernel_size, stride, pad, to_matrix=True, dilation=1):
    """`im2col` of an ndarray, as an ndarray."""
    cdef dz_window w
    img = as_ndarray(img)
    set_window(&w, np.shape(img), kernel_size, stride, pad, dilation, "im2col_array")
    return columns(img, &w, to_matrix)


def col2im_array(col, img_shape, kernel_size, stride, pad, to_matrix=True, dilation=1):
    """`col2im` of an ndarray, as an ndarray."""
    cdef dz_window w
    set_window(&w, tuple(img_shape), kernel_size, stride, pad, dilation, "col2im_array")
    return images(as_ndarray(col), &w, to_matrix, "col2im_array")


cdef class Im2col(ArrayFunction):
    """Im2col(kernel_size, stride=1, pad=0, to_matrix=True, dilation=1)\n--\n
    The class behind `im2col`: `Im2col(kernel_size, stride, pad, to_matrix)(x)`."""

    cdef readonly object kernel_size, stride, pad, to_matrix, dilation, input_shape

    def __init__(self, kernel_size, stride=1, pad=0, to_matrix=True, dilation=1):
        self.kernel_size, self.stride, self.pad, self.to_matrix, self.dilation = kernel_size, stride, pad, to_matrix, dilation

    def _arguments(self):
        return (self.kernel_size, self.stride, self.pad, self.to_matrix, self.dilation)

    def forward(self, x):
        cdef dz_window w
        set_window(&w, x.shape, self.kernel_size, self.stride, self.pad, self.dilation, "im2col")
        self.input_shape = x.shape
        return columns(x, &w, self.to_matrix)

    def backward(self, gy):
        check_called(self, self.in0)
        return col2im(gy, self.in0.shape, self.kernel_size, self.stride, self.pad, self.to_matrix, self.dilation)

    cdef object gradients(self, object gy):
        cdef dz_window w
        check_called(self, self.in0)
        set_window(&w, data_of(self.in0).shape, self.kernel_size, self.stride, self.pad, self.dilation, "im2col")
        return (images(gy, &w, self.to_matrix, "im2col"),)


def im2col(x, kernel_size, stride=1, pad=0, to_matrix=True, dilation=1):
    """The windows of images as the rows of a matrix.

    x: (N, C, H, W); kernel_size, stride, pad, dilation: int or pair (rows, columns). Gives (N * OH * OW, C * KH * KW), or with
    to_matrix False (N, C, KH, KW, OH, OW), in x's dtype, where OH = (H + 2 pad - dilation (KH - 1) - 1) // stride + 1. The
    padding is zeros. Raises ValueError when the window fits nowhere.
    """
    return run(Im2col(kernel_size, stride, pad, bool(to_matrix), dilation), (argument(x, "im2col"),))


cdef class Col2im(ArrayFunction):
    """Col2im(input_shape, kernel_size, stride=1, pad=0, to_matrix=True, dilation=1)\n--\n
    The class behind `col2im`: `Col2im(input_shape, kernel_size, stride, pad, to_matrix)(x)`."""

    cdef readonly object input_shape, kernel_size, stride, pad, to_matrix, dilation

    def __init__(self, input_shape, kernel_size, stride=1, pad=0, to_matrix=True, dilation=1):
        self.input_shape = tuple(input_shape)
        self.kernel_size, self.stride, self.pad, self.to_matrix, self.dilation = kernel_size, stride, pad, to_matrix, dilation

    def _arguments(self):
        return (self.input_shape, self.kernel_size, self.stride, self.pad, self.to_matrix, self.dilation)

    def forward(self, x):
        cdef dz_window w
        set_window(&w, self.input_shape, self.kernel_size, self.stride, self.pad, self.dilation, "col2im")
        return images(x, &w, self.to_matrix, "col2im")

    def backward(self, gy):
        return im2col(gy, self.kernel_size, self.stride, self.pad, self.to_matrix, self.dilation)

    cdef object gradients(self, object gy):
        cdef dz_window w
        set_window(&w, gy.shape, self.kernel_size, self.stride, self.pad, self.dilation, "col2im")
        return (columns(gy, &w, self.to_matrix),)


def col2im(x, input_shape, kernel_size, stride=1, pad=0, to_matrix=True, dilation=1):
    """The opposite of `im2col`: images of input_shape in which every pixel is the sum of its values in all windows.

    x: what `im2col` gives with these parameters for images of input_shape, (N, C, H, W). Raises ValueError for another shape.
    """
    return run(Col2im(input_shape, kernel_size, stride, pad, bool(to_matrix), dilation), (argument(x, "col2im"),))


include "generated/_im2col.pxi"
