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

from dezero_c._im2col import im2col, im2col_array
from dezero_c._shape import reshape, transpose

cnp.import_array()
dz_bind(kernels())

cdef extern from "families/pool.h":
    void dz_span(ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t, ptrdiff_t *, ptrdiff_t *) noexcept
    void dz_max_pool(int, const char *, char *, int32_t *, const dz_window *) noexcept
    void dz_pool_scatter(int, const char *, const int32_t *, char *, const dz_window *) noexcept
    void dz_pool_gather(int, const char *, const int32_t *, char *, const dz_window *) noexcept
    void dz_mean_pool(int, const char *, char *, const dz_window *, ptrdiff_t) noexcept
    void dz_mean_spread(int, const char *, char *, char *, const dz_window *, ptrdiff_t) noexcept


cdef tuple spans(const dz_window *w, ptrdiff_t i, ptrdiff_t j):
    """Where the pixel (i, j) of the window lies in the image: the places' slices, the pixels' slices, the pixels' numbers in
    the plane."""
    cdef ptrdiff_t y0, y1, x0, x1
    cdef object rows, cols
    i = i * w.dh - w.ph
    j = j * w.dw - w.pw
    dz_span(i, w.sh, w.h, w.oh, &y0, &y1)
    dz_span(j, w.sw, w.w, w.ow, &x0, &x1)
    rows = np.arange(y0, y1) * w.sh + i
    cols = np.arange(x0, x1) * w.sw + j
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


cdef bint holds_pixels(ptrdiff_t size, ptrdiff_t k, ptrdiff_t stride, ptrdiff_t pad, ptrdiff_t dilation, ptrdiff_t n) noexcept:
    """Whether the window holds a pixel of the image in each of its n places along an axis."""
    cdef ptrdiff_t o, start, i
    if (n - 1) * stride - pad >= size:
        return False
    for o in range(n):
        start = o * stride - pad
        if start >= 0:
            break
        i = (dilation - 1 - start) // dilation      # the first that is not before the image
        if i >= k or start + i * dilation >= size:
            return False
    return True


cdef int no_padding_alone(const dz_window *w, object kernel_size, object pad, str op, str what) except -1:
    """Raises where a window holds nothing but padding."""
    if holds_pixels(w.h, w.kh, w.sh, w.ph, w.dh, w.oh) and holds_pixels(w.w, w.kw, w.sw, w.pw, w.dw, w.ow):
        return 0
    raise ValueError(f"{op}: with pad {pad!r} a window of size {kernel_size!r} (dilation ({w.dh}, {w.dw})) can hold nothing but "
                     f"padding in images of size ({w.h}, {w.w}), which has no {what}; pad less than the window's size")


cdef int max_window(dz_window *w, tuple shape, object kernel_size, object stride, object pad, object dilation, bint ceil,
                    str op) except -1:
    set_window(w, shape, kernel_size, stride, pad, dilation, op, ceil)
    return no_padding_alone(w, kernel_size, pad, op, "maximum")


cdef class Pooling(ArrayFunction):
    """Pooling(kernel_size, stride=1, pad=0, dilation=1, ceil_mode=False)\n--\n
    The class behind `pooling`: `Pooling(kernel_size, stride, pad)(x)`."""

    cdef readonly object kernel_size, stride, pad, dilation, ceil_mode, input_shape
    cdef object at      # where the maxima lie, see max_pool; None before the call

    def __init__(self, kernel_size, stride=1, pad=0, dilation=1, ceil_mode=False):
        self.kernel_size, self.stride, self.pad, self.dilation = kernel_size, stride, pad, dilation
        self.ceil_mode = bool(ceil_mode)

    def _arguments(self):
        return (self.kernel_size, self.stride, self.pad, self.dilation, self.ceil_mode)

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
        set_window(&w, self.input_shape, self.kernel_size, self.stride, self.pad, self.dilation, "pooling", self.ceil_mode)
        rows = at // max(w.w, 1) - (np.arange(w.oh) * w.sh - w.ph)[:, None]
        cols = at % max(w.w, 1) - (np.arange(w.ow) * w.sw - w.pw)
        return (rows // w.dh * w.kw + cols // w.dw).astype(np.intp)

    def forward(self, x):
        cdef dz_window w
        max_window(&w, x.shape, self.kernel_size, self.stride, self.pad, self.dilation, self.ceil_mode, "pooling")
        y, self.at = max_pool(x, &w)
        self.input_shape = x.shape
        return y

    def backward(self, gy):
        check_called(self, self.in0)
        return run(Pooling2DGrad(self.places(), self.in0.shape, *self._arguments()), (argument(gy, "pooling"),))

    cdef object gradients(self, object gy):
        cdef dz_window w
        cdef object at = self.places()
        check_called(self, self.in0)
        set_window(&w, data_of(self.in0).shape, self.kernel_size, self.stride, self.pad, self.dilation, "pooling", self.ceil_mode)
        if gy.shape != at.shape or gy.shape != (w.n, w.c, w.oh, w.ow):
            return None
        return (scatter(gy, at, &w),)


cdef class Places(ArrayFunction):
    """Places(mpool2d, input_shape=None, kernel_size=None, stride=1, pad=0, dilation=1, ceil_mode=False)\n--\n
    What Pooling2DGrad and Pooling2DWithIndexes share. mpool2d: a Pooling that has been called; or, with the other parameters,
    where its maxima lie in the planes of x."""

    cdef readonly object input_shape, kernel_size, stride, pad, dilation, ceil_mode
    cdef object at

    def __init__(self, mpool2d, input_shape=None, kernel_size=None, stride=1, pad=0, dilation=1, ceil_mode=False):
        if isinstance(mpool2d, Pooling):
            self.at = (<Pooling> mpool2d).places()
            input_shape = mpool2d.input_shape
            kernel_size, stride, pad, dilation, ceil_mode = Pooling._arguments(mpool2d)
        elif cnp.PyArray_Check(mpool2d) and mpool2d.dtype.kind == "i" and input_shape is not None:
            self.at = mpool2d
        else:
            raise TypeError(f"{type(self).__name__}: {type(mpool2d).__name__} is no Pooling; pass the Pooling that has been "
                            "called (y.creator)")
        self.input_shape, self.kernel_size, self.stride, self.pad = tuple(input_shape), kernel_size, stride, pad
        self.dilation, self.ceil_mode = dilation, bool(ceil_mode)

    def _arguments(self):
        return (self.at, self.input_shape, self.kernel_size, self.stride, self.pad, self.dilation, self.ceil_mode)

    cdef int fit(self, dz_window *w, object a, bint small) except -1:
        """Sets the window; raises when `a` is not of the pooling's input's (small: output's) shape."""
        cdef tuple shape = self.input_shape
        if shape is None:
            raise TypeError(f"{type(self).__name__}: it was made without its constructor, and knows no pooling")
        set_window(w, shape, self.kernel_size, self.stride, self.pad, self.dilation, "pooling", self.ceil_mode)
        if small:
            shape = (w.n, w.c, w.oh, w.ow)
        if a.shape != shape or self.at.shape != (w.n, w.c, w.oh, w.ow):
            raise ValueError(f"{type(self).__name__}: an array of shape {a.shape} does not fit the pooling, which went from "
                             f"shape {self.input_shape} to {self.at.shape}; pass one of shape {shape}")
        return 0


cdef class Pooling2DGrad(Places):
    """Pooling2DGrad(mpool2d, input_shape=None, kernel_size=None, stride=1, pad=0, dilation=1, ceil_mode=False)\n--\n
    The gradient of max pooling, an operation itself: `Pooling2DGrad(mpool2d)(gy)` has gy's values where the maxima lie, and
    zeros elsewhere. mpool2d: the Pooling that has been called."""

    def forward(self, gy):
        cdef dz_window w
        self.fit(&w, gy, True)
        return scatter(gy, self.at, &w)

    def backward(self, ggx):
        return run(Pooling2DWithIndexes(*self._arguments()), (argument(ggx, "pooling"),))

    cdef object gradients(self, object ggx):
        cdef dz_window w
        self.fit(&w, ggx, False)
        return (gather(ggx, self.at, &w),)


cdef class Pooling2DWithIndexes(Places):
    """Pooling2DWithIndexes(mpool2d, input_shape=None, kernel_size=None, stride=1, pad=0, dilation=1, ceil_mode=False)\n--\n
    Max pooling of another array at the same places: `Pooling2DWithIndexes(mpool2d)(x)` has x's values where the maxima of
    mpool2d, a Pooling that has been called, lie."""

    def forward(self, x):
        cdef dz_window w
        self.fit(&w, x, False)
        return gather(x, self.at, &w)

    def backward(self, gy):
        return run(Pooling2DGrad(*self._arguments()), (argument(gy, "pooling"),))

    cdef object gradients(self, object gy):
        cdef dz_window w
        self.fit(&w, gy, True)
        return (scatter(gy, self.at, &w),)


def pooling(x, kernel_size, stride=1, pad=0, dilation=1, ceil_mode=False):
    """Max pooling: the largest value in each window.

    x: (N, C, H, W); kernel_size, stride, pad, dilation: int or pair (rows, columns); dilation: how far a window's pixels lie
    apart. Gives (N, C, OH, OW) in x's dtype, OH = (H + 2 pad - dilation (KH - 1) - 1) // stride + 1; with ceil_mode the division
    is rounded up, so that a last window may reach past the image, unless it begins past it, or in the padding after it.
    Padding is never a maximum; nan is one. The first of equal values gets the gradient. Raises ValueError when the window fits
    nowhere, or a window could hold nothing but padding.
    """
    return run(Pooling(kernel_size, stride, pad, dilation, ceil_mode), (real_valued(argument(x, "pooling"), "pooling"),))


cdef tuple past_the_end(const dz_window *w):
    """The rows and columns that the last windows reach past the padding (ceil_mode), as widths for a padding of images."""
    cdef ptrdiff_t rows = (w.oh - 1) * w.sh + w.dh * (w.kh - 1) + 1 - (w.h + 2 * w.ph)
    cdef ptrdiff_t cols = (w.ow - 1) * w.sw + w.dw * (w.kw - 1) + 1 - (w.w + 2 * w.pw)
    return (0, 0), (0, 0), (0, max(rows, 0)), (0, max(cols, 0))


def pooling_simple(x, kernel_size, stride=1, pad=0, dilation=1, ceil_mode=False):
    """`pooling` put together from `im2col` and `max`, to be read: the same values, slower; every one of equal maxima gets
    the gradient."""
    cdef dz_window w
    cdef Variable v = argument(x, "pooling_simple")
    cdef object a = data_of(v), inside
    cdef tuple more
    max_window(&w, a.shape, kernel_size, stride, pad, dilation, ceil_mode, "pooling_simple")
    from dezero_c._join import pad as pad_axes      # families that this one need not wait for
    from dezero_c._reduce import max as max_axis
    inside = np.ones(a.shape, np.bool_)
    more = past_the_end(&w)
    if more[2][1] or more[3][1]:
        v, inside = pad_axes(v, more), np.pad(inside, more)
    col = im2col(v, kernel_size, stride, pad, True, dilation)
    inside = im2col_array(inside, kernel_size, stride, pad, True, dilation)
    if not inside.all():
        least = np.array(-np.inf if a.dtype.kind in "fc" else np.iinfo(a.dtype).min, a.dtype)
        col = col + np.where(inside, a.dtype.type(0), least)
    y = max_axis(reshape(col, (w.n * w.oh * w.ow * w.c, w.kh * w.kw)), axis=1)
    return transpose(reshape(y, (w.n, w.oh, w.ow, w.c)), (0, 3, 1, 2))


cdef class Averaging(ArrayFunction):
    """The base of AveragePooling and its gradient: means of windows, and their gradient, of ndarrays."""

    cdef readonly object kernel_size, stride, pad, input_shape, ceil_mode, count_include_pad

    cdef object keep(self, tuple arguments):
        self.kernel_size, self.stride, self.pad, ceil_mode, count_include_pad = arguments
        self.ceil_mode, self.count_include_pad = bool(ceil_mode), bool(count_include_pad)

    cdef tuple kept(self):
        return (self.kernel_size, self.stride, self.pad, self.ceil_mode, self.count_include_pad)

    cdef object fit(self, dz_window *w, tuple shape):
        """Sets the window; gives what to divide the sums by, of shape (OH, OW), None where it is the window's size."""
        cdef object counts
        cdef list axes = []
        set_window(w, shape, self.kernel_size, self.stride, self.pad, 1, "average_pooling", self.ceil_mode)
        if self.ceil_mode is not True and self.count_include_pad is not False:
            return None
        no_padding_alone(w, self.kernel_size, self.pad, "average_pooling", "mean")
        for size, k, stride, pad, n in ((w.h, w.kh, w.sh, w.ph, w.oh), (w.w, w.kw, w.sw, w.pw, w.ow)):
            start = np.arange(n) * stride - pad
            if self.count_include_pad is False:
                axes.append(np.minimum(start + k, size) - np.maximum(start, 0))
            else:
                axes.append(np.minimum(start + k, size + pad) - start)
        counts = axes[0][:, None] * axes[1]
        return None if (counts == w.kh * w.kw).all() else counts

    cdef object mean(self, object x):
        cdef dz_window w
        cdef int dt = kernel_dtype(x)
        cdef object y, counts = self.fit(&w, x.shape), dtype
        if dt < 0:
            if self.ceil_mode is True:
                x = np.pad(x, past_the_end(&w))
            x = im2col_array(x, self.kernel_size, self.stride, self.pad, False)
            if counts is None:
                return x.mean(axis=(2, 3))
            dtype = x.dtype if x.dtype.kind in "fc" else np.dtype(np.float64)      # as NumPy's means have them
            y = x.sum(axis=(2, 3), dtype=np.float32 if dtype == np.float16 else dtype)
            return (y / counts.astype(y.dtype)).astype(dtype)
        x = carray(x, dt)
        y = new_array((w.n, w.c, w.oh, w.ow), dt)
        dz_mean_pool(dt, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(y), &w, w.kh * w.kw if counts is None else 1)
        return y if counts is None else np.divide(y, counts.astype(y.dtype), out=y)

    cdef object spread(self, object gy, tuple shape):
        cdef dz_window w
        cdef int dt = kernel_dtype(gy)
        cdef object gx, part, places, pixels, counts = self.fit(&w, shape)
        cdef ptrdiff_t i, j
        if gy.shape != (w.n, w.c, w.oh, w.ow):
            raise ValueError(f"average_pooling: a gradient of shape {gy.shape} does not fit; for images of shape {shape} it must "
                             f"have shape {(w.n, w.c, w.oh, w.ow)} (was the data rebound since forward?)")
        if dt >= 0:
            gy = carray(gy, dt) if counts is None else np.ascontiguousarray(gy / counts.astype(gy.dtype))
            gx = new_array(shape, dt)
            part = new_array((w.oh * w.ow,), dt)
            dz_mean_spread(dt, cnp.PyArray_BYTES(gy), cnp.PyArray_BYTES(gx), cnp.PyArray_BYTES(part), &w,
                           w.kh * w.kw if counts is None else 1)
            return gx
        if counts is None:
            gy = gy / (w.kh * w.kw)
        else:
            gy = gy / (counts.astype(gy.dtype) if gy.dtype.kind in "fc" else counts)
        gx = np.zeros(shape, gy.dtype)
        for i in range(w.kh):
            for j in range(w.kw):
                places, pixels, _ = spans(&w, i, j)
                gx[pixels] += gy[places]
        return gx


cdef class AveragePooling(Averaging):
    """AveragePooling(kernel_size, stride=1, pad=0, ceil_mode=False, count_include_pad=True)\n--\n
    The class behind `average_pooling`: `AveragePooling(kernel_size, stride, pad)(x)`."""

    def __init__(self, kernel_size, stride=1, pad=0, ceil_mode=False, count_include_pad=True):
        self.keep((kernel_size, stride, pad, ceil_mode, count_include_pad))

    def _arguments(self):
        return self.kept()

    def forward(self, x):
        y = self.mean(x)
        self.input_shape = x.shape
        return y

    def backward(self, gy):
        check_called(self, self.in0)
        return run(AveragePoolingGrad(self.in0.shape, *self.kept()), (argument(gy, "average_pooling"),))

    cdef object gradients(self, object gy):
        check_called(self, self.in0)
        return (self.spread(gy, data_of(self.in0).shape),)


cdef class AveragePoolingGrad(Averaging):
    """AveragePoolingGrad(input_shape, kernel_size, stride=1, pad=0, ceil_mode=False, count_include_pad=True)\n--\n
    The gradient of average pooling, an operation itself: every pixel of an array of input_shape is the sum of gy's values
    over the windows that it lies in, each divided by what its window's sum is divided by."""

    def __init__(self, input_shape, kernel_size, stride=1, pad=0, ceil_mode=False, count_include_pad=True):
        self.input_shape = tuple(input_shape)
        self.keep((kernel_size, stride, pad, ceil_mode, count_include_pad))

    def _arguments(self):
        return (self.input_shape, *self.kept())

    def forward(self, gy):
        return self.spread(gy, self.input_shape)

    def backward(self, ggx):
        return average_pooling(ggx, *self.kept())

    cdef object gradients(self, object ggx):
        return (self.mean(ggx),)


def average_pooling(x, kernel_size, stride=1, pad=0, ceil_mode=False, count_include_pad=True):
    """The mean of each window, padding (zeros) included, or with count_include_pad False of its pixels in the image alone.

    x: (N, C, H, W); kernel_size, stride, pad: int or pair (rows, columns). Gives (N, C, OH, OW) in x's dtype, of integers
    float64, OH = (H + 2 pad - KH) // stride + 1; with ceil_mode the division is rounded up, as in `pooling`: what a last window
    has past the padding counts as nothing. Raises ValueError when the window fits nowhere, and with ceil_mode or
    count_include_pad False when a window could hold nothing but padding.
    """
    return run(AveragePooling(kernel_size, stride, pad, ceil_mode, count_include_pad), (argument(x, "average_pooling"),))


include "generated/_pool.pxi"
