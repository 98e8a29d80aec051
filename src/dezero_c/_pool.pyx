# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Pooling: the maximum, or the mean, of the windows of images.

Max pooling records where each maximum lies. Its gradient puts values there (Pooling2DGrad), and the gradient of that takes
them from there (Pooling2DWithIndexes): each is the other's derivative, at every order. Average pooling and its gradient
are a pair of the same kind.
"""

import numpy as np

cimport numpy as cnp
from libc.stdint cimport int32_t

from dezero_c._arrays cimport ArrayFunction, argument, carray, kernel_dtype, new_array, real_valued, run
from dezero_c._core cimport Variable, data_of, dz_bind, kernels, ptrdiff_t
from dezero_c._im2col cimport check_called, dz_window, set_window

from dezero_c import _core
from dezero_c._im2col import im2col, im2col_array
from dezero_c._shape import reshape, transpose

cnp.import_array()
dz_bind(kernels())

cdef extern from "dz_pool.h":
    void dz_span(ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t *, ptrdiff_t *) noexcept
    void dz_max_pool(int, const char *, char *, int32_t *, const dz_window *) noexcept
    void dz_pool_scatter(int, const char *, const int32_t *, char *, const dz_window *) noexcept
    void dz_pool_gather(int, const char *, const int32_t *, char *, const dz_window *) noexcept
    void dz_mean_pool(int, const char *, char *, const dz_window *) noexcept
    void dz_mean_spread(int, const char *, char *, char *, const dz_window *) noexcept


cdef tuple spans(const dz_window *w, ptrdiff_t i, ptrdiff_t j):
    """Where the pixel (i, j) of the window lies in the image: the places' slices, the pixels' slices, the pixels' numbers in
    the plane."""
    cdef ptrdiff_t y0, y1, x0, x1
    cdef object rows, cols
    dz_span(i - w.ph, w.sh, w.h, w.oh, &y0, &y1)
    dz_span(j - w.pw, w.sw, w.w, w.ow, &x0, &x1)
    rows = np.arange(y0, y1) * w.sh + (i - w.ph)
    cols = np.arange(x0, x1) * w.sw + (j - w.pw)
    return (..., slice(y0, y1), slice(x0, x1)), (..., rows[:, None], cols), rows[:, None] * w.w + cols


cdef tuple max_pool(object x, const dz_window *w):
    """The maxima, and where they lie in their plane."""
    cdef int dt = kernel_dtype(x)
    cdef object y, at, places, pixels, numbers, v, m, k, take
    cdef tuple shape = (w.n, w.c, w.oh, w.ow)
    cdef ptrdiff_t i, j
    if dt >= 0 and w.h * w.w < 1 << 31:
        x = carray(x, dt)
        y = new_array(shape, dt)
        at = cnp.PyArray_EMPTY(4, cnp.PyArray_DIMS(y), cnp.NPY_INT32, 0)
        dz_max_pool(dt, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(y), <int32_t *> cnp.PyArray_DATA(at), w)
        return y, at
    y = np.zeros(shape, x.dtype)
    at = np.full(shape, -1)
    for i in range(w.kh):
        for j in range(w.kw):
            places, pixels, numbers = spans(w, i, j)
            v, m, k = x[pixels], y[places], at[places]
            take = (k < 0) | (v > m)
            if x.dtype.kind in "fc":
                take |= np.isnan(v) & ~np.isnan(m)
            m[take] = v[take]
            k[take] = np.broadcast_to(numbers, k.shape)[take]
    return y, at


cdef object scatter(object gy, object at, const dz_window *w):
    cdef int dt = kernel_dtype(gy)
    cdef object gx, keep
    if dt >= 0 and at.dtype == np.int32:
        gy, at = carray(gy, dt), np.ascontiguousarray(at)
        gx = new_array((w.n, w.c, w.h, w.w), dt)
        dz_pool_scatter(dt, cnp.PyArray_BYTES(gy), <const int32_t *> cnp.PyArray_DATA(at), cnp.PyArray_BYTES(gx), w)
        return gx
    gx = np.zeros((w.n * w.c, w.h * w.w), gy.dtype)
    keep = ((at >= 0) & (at < w.h * w.w)).reshape(w.n * w.c, w.oh * w.ow)
    np.add.at(gx, (keep.nonzero()[0], at.reshape(keep.shape)[keep]), gy.reshape(keep.shape)[keep])
    return gx.reshape(w.n, w.c, w.h, w.w)


cdef object gather(object x, object at, const dz_window *w):
    cdef int dt = kernel_dtype(x)
    cdef object y
    if dt >= 0 and at.dtype == np.int32:
        x, at = carray(x, dt), np.ascontiguousarray(at)
        y = new_array((w.n, w.c, w.oh, w.ow), dt)
        dz_pool_gather(dt, cnp.PyArray_BYTES(x), <const int32_t *> cnp.PyArray_DATA(at), cnp.PyArray_BYTES(y), w)
        return y
    at = at.reshape(w.n * w.c, w.oh * w.ow)
    y = np.take_along_axis(x.reshape(w.n * w.c, w.h * w.w), at.clip(0, w.h * w.w - 1), 1)
    return np.where((at >= 0) & (at < w.h * w.w), y, y.dtype.type(0)).reshape(w.n, w.c, w.oh, w.ow)


cdef int pool_window(dz_window *w, tuple shape, object kernel_size, object stride, object pad, str op) except -1:
    set_window(w, shape, kernel_size, stride, pad, 1, op)
    if op != "average_pooling" and (w.ph >= w.kh or w.pw >= w.kw or w.h * w.w == 0):
        raise ValueError(f"{op}: with pad {pad!r} a window of size {kernel_size!r} can hold nothing but padding in images of "
                         f"size ({w.h}, {w.w}), which has no maximum; pad less than the window's size")
    return 0


cdef class Pooling(ArrayFunction):
    """Pooling(kernel_size, stride=1, pad=0)\n--\n
    The class behind `pooling`: `Pooling(kernel_size, stride, pad)(x)`."""

    cdef readonly object kernel_size, stride, pad, input_shape
    cdef object at      # where the maxima lie, see max_pool; None before the call

    def __init__(self, kernel_size, stride=1, pad=0):
        self.kernel_size, self.stride, self.pad = kernel_size, stride, pad

    def _arguments(self):
        return (self.kernel_size, self.stride, self.pad)

    cdef object places(self):
        if self.at is None:     # a copy, or from a pickle
            if self.in0 is None:
                raise ValueError("pooling: this Pooling has not been called, so it knows no maxima; call it first")
            Pooling.forward(self, data_of(self.in0))
        return self.at

    @property
    def indexes(self):
        """Where in its window each maximum lies: (N, C, OH, OW), row * KW + column."""
        cdef dz_window w
        cdef object at = self.places()
        set_window(&w, self.input_shape, self.kernel_size, self.stride, self.pad, 1, "pooling")
        rows = at // max(w.w, 1) - (np.arange(w.oh) * w.sh - w.ph)[:, None]
        return (rows * w.kw + at % max(w.w, 1) - (np.arange(w.ow) * w.sw - w.pw)).astype(np.intp)

    def forward(self, x):
        cdef dz_window w
        pool_window(&w, x.shape, self.kernel_size, self.stride, self.pad, "pooling")
        y, self.at = max_pool(x, &w)
        self.input_shape = x.shape
        return y

    def backward(self, gy):
        check_called(self, self.in0)
        return run(Pooling2DGrad(self.places(), self.in0.shape, self.kernel_size, self.stride, self.pad),
                   (argument(gy, "pooling"),))

    cdef object gradients(self, object gy):
        cdef dz_window w
        cdef object at = self.places()
        check_called(self, self.in0)
        set_window(&w, data_of(self.in0).shape, self.kernel_size, self.stride, self.pad, 1, "pooling")
        if gy.shape != at.shape or gy.shape != (w.n, w.c, w.oh, w.ow):
            return None
        return (scatter(gy, at, &w),)


cdef class Places(ArrayFunction):
    """Places(mpool2d, input_shape=None, kernel_size=None, stride=1, pad=0)\n--\n
    What Pooling2DGrad and Pooling2DWithIndexes share. mpool2d: a Pooling that has been called; or, with the other parameters,
    where its maxima lie in the planes of x."""

    cdef readonly object input_shape, kernel_size, stride, pad
    cdef object at

    def __init__(self, mpool2d, input_shape=None, kernel_size=None, stride=1, pad=0):
        if isinstance(mpool2d, Pooling):
            self.at = (<Pooling> mpool2d).places()
            input_shape, kernel_size, stride, pad = mpool2d.input_shape, mpool2d.kernel_size, mpool2d.stride, mpool2d.pad
        elif isinstance(mpool2d, np.ndarray) and mpool2d.dtype.kind == "i" and input_shape is not None:
            self.at = mpool2d
        else:
            raise TypeError(f"{type(self).__name__}: {type(mpool2d).__name__} is no Pooling; pass the Pooling that has been "
                            "called (y.creator)")
        self.input_shape, self.kernel_size, self.stride, self.pad = tuple(input_shape), kernel_size, stride, pad

    def _arguments(self):
        return (self.at, self.input_shape, self.kernel_size, self.stride, self.pad)

    cdef int fit(self, dz_window *w, object a, bint small) except -1:
        """Sets the window; raises when `a` is not of the pooling's input's (small: output's) shape."""
        cdef tuple shape = self.input_shape
        if shape is None:
            raise TypeError(f"{type(self).__name__}: it was made without its constructor, and knows no pooling")
        set_window(w, shape, self.kernel_size, self.stride, self.pad, 1, "pooling")
        if small:
            shape = (w.n, w.c, w.oh, w.ow)
        if a.shape != shape or self.at.shape != (w.n, w.c, w.oh, w.ow):
            raise ValueError(f"{type(self).__name__}: an array of shape {a.shape} does not fit the pooling, which went from "
                             f"shape {self.input_shape} to {self.at.shape}; pass one of shape {shape}")
        return 0


cdef class Pooling2DGrad(Places):
    """Pooling2DGrad(mpool2d, input_shape=None, kernel_size=None, stride=1, pad=0)\n--\n
    The gradient of max pooling, an operation itself: `Pooling2DGrad(mpool2d)(gy)` has gy's values where the maxima lie, and
    zeros elsewhere. mpool2d: the Pooling that has been called."""

    def forward(self, gy):
        cdef dz_window w
        self.fit(&w, gy, True)
        return scatter(gy, self.at, &w)

    def backward(self, ggx):
        return run(Pooling2DWithIndexes(self.at, self.input_shape, self.kernel_size, self.stride, self.pad),
                   (argument(ggx, "pooling"),))

    cdef object gradients(self, object ggx):
        cdef dz_window w
        self.fit(&w, ggx, False)
        return (gather(ggx, self.at, &w),)


cdef class Pooling2DWithIndexes(Places):
    """Pooling2DWithIndexes(mpool2d, input_shape=None, kernel_size=None, stride=1, pad=0)\n--\n
    Max pooling of another array at the same places: `Pooling2DWithIndexes(mpool2d)(x)` has x's values where the maxima of
    mpool2d, a Pooling that has been called, lie."""

    def forward(self, x):
        cdef dz_window w
        self.fit(&w, x, False)
        return gather(x, self.at, &w)

    def backward(self, gy):
        return run(Pooling2DGrad(self.at, self.input_shape, self.kernel_size, self.stride, self.pad),
                   (argument(gy, "pooling"),))

    cdef object gradients(self, object gy):
        cdef dz_window w
        self.fit(&w, gy, True)
        return (scatter(gy, self.at, &w),)


def pooling(x, kernel_size, stride=1, pad=0):
    """Max pooling: the largest value in each window.

    x: (N, C, H, W); kernel_size, stride, pad: int or pair (rows, columns). Gives (N, C, OH, OW) in x's dtype, OH = (H + 2 pad -
    KH) // stride + 1. Padding is never a maximum; nan is one. The first of equal values gets the gradient. Raises ValueError when
    the window fits nowhere, or a window could hold nothing but padding.
    """
    return run(Pooling(kernel_size, stride, pad), (real_valued(argument(x, "pooling"), "pooling"),))


def pooling_simple(x, kernel_size, stride=1, pad=0):
    """`pooling` put together from `im2col` and `max`, to be read: the same values, slower; every one of equal maxima gets
    the gradient."""
    cdef dz_window w
    cdef Variable v = argument(x, "pooling_simple")
    cdef object a = data_of(v), inside
    pool_window(&w, a.shape, kernel_size, stride, pad, "pooling_simple")
    from dezero_c.functions import max as max_axis      # of a family that this one need not wait for
    col = im2col(v, kernel_size, stride, pad)
    if w.ph or w.pw:
        least = np.array(-np.inf if a.dtype.kind in "fc" else np.iinfo(a.dtype).min, a.dtype)
        inside = im2col_array(np.ones(a.shape, np.bool_), kernel_size, stride, pad)
        col = col + np.where(inside, a.dtype.type(0), least)
    y = max_axis(reshape(col, (w.n * w.oh * w.ow * w.c, w.kh * w.kw)), axis=1)
    return transpose(reshape(y, (w.n, w.oh, w.ow, w.c)), (0, 3, 1, 2))


cdef class AveragePooling(ArrayFunction):
    """AveragePooling(kernel_size, stride=1, pad=0)\n--\n
    The class behind `average_pooling`: `AveragePooling(kernel_size, stride, pad)(x)`."""

    cdef readonly object kernel_size, stride, pad, input_shape

    def __init__(self, kernel_size, stride=1, pad=0):
        self.kernel_size, self.stride, self.pad = kernel_size, stride, pad

    def _arguments(self):
        return (self.kernel_size, self.stride, self.pad)

    def forward(self, x):
        cdef dz_window w
        cdef int dt = kernel_dtype(x)
        cdef object y
        pool_window(&w, x.shape, self.kernel_size, self.stride, self.pad, "average_pooling")
        self.input_shape = x.shape
        if dt < 0:
            return im2col_array(x, self.kernel_size, self.stride, self.pad, False).mean(axis=(2, 3))
        x = carray(x, dt)
        y = new_array((w.n, w.c, w.oh, w.ow), dt)
        dz_mean_pool(dt, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(y), &w)
        return y

    def backward(self, gy):
        check_called(self, self.in0)
        return run(AveragePoolingGrad(self.in0.shape, self.kernel_size, self.stride, self.pad),
                   (argument(gy, "average_pooling"),))

    cdef object gradients(self, object gy):
        check_called(self, self.in0)
        return (spread(gy, data_of(self.in0).shape, self.kernel_size, self.stride, self.pad),)


cdef object spread(object gy, tuple shape, object kernel_size, object stride, object pad):
    cdef dz_window w
    cdef int dt = kernel_dtype(gy)
    cdef object gx, part, places, pixels
    cdef ptrdiff_t i, j
    pool_window(&w, shape, kernel_size, stride, pad, "average_pooling")
    if gy.shape != (w.n, w.c, w.oh, w.ow):
        raise ValueError(f"average_pooling: a gradient of shape {gy.shape} does not fit; for images of shape {shape} it must "
                         f"have shape {(w.n, w.c, w.oh, w.ow)} (was the data rebound since forward?)")
    if dt >= 0:
        gy = carray(gy, dt)
        gx = new_array(shape, dt)
        part = new_array((w.oh * w.ow,), dt)
        dz_mean_spread(dt, cnp.PyArray_BYTES(gy), cnp.PyArray_BYTES(gx), cnp.PyArray_BYTES(part), &w)
        return gx
    gy = gy / (w.kh * w.kw)
    gx = np.zeros(shape, gy.dtype)
    for i in range(w.kh):
        for j in range(w.kw):
            places, pixels, _ = spans(&w, i, j)
            gx[pixels] += gy[places]
    return gx


cdef class AveragePoolingGrad(ArrayFunction):
    """AveragePoolingGrad(input_shape, kernel_size, stride=1, pad=0)\n--\n
    The gradient of average pooling, an operation itself: every pixel of an array of input_shape is the sum of gy's values
    over the windows that it lies in, divided by the window's size."""

    cdef readonly object input_shape, kernel_size, stride, pad

    def __init__(self, input_shape, kernel_size, stride=1, pad=0):
        self.input_shape, self.kernel_size, self.stride, self.pad = tuple(input_shape), kernel_size, stride, pad

    def _arguments(self):
        return (self.input_shape, self.kernel_size, self.stride, self.pad)

    def forward(self, gy):
        return spread(gy, self.input_shape, self.kernel_size, self.stride, self.pad)

    def backward(self, ggx):
        return average_pooling(ggx, self.kernel_size, self.stride, self.pad)

    cdef object gradients(self, object ggx):
        cdef AveragePooling f = AveragePooling(self.kernel_size, self.stride, self.pad)
        return (f.forward(ggx),)


def average_pooling(x, kernel_size, stride=1, pad=0):
    """The mean of each window, padding (zeros) included.

    x: (N, C, H, W); kernel_size, stride, pad: int or pair (rows, columns). Gives (N, C, OH, OW) in x's dtype, of integers
    float64, OH = (H + 2 pad - KH) // stride + 1. Raises ValueError when the window fits nowhere.
    """
    return run(AveragePooling(kernel_size, stride, pad), (argument(x, "average_pooling"),))


__all__ = ["AveragePooling", "AveragePoolingGrad", "Pooling", "Pooling2DGrad", "Pooling2DWithIndexes", "average_pooling",
           "pooling", "pooling_simple"]

for _cls in (Pooling, Pooling2DGrad, Pooling2DWithIndexes, AveragePooling, AveragePoolingGrad):
    _core.open_class(_cls)
