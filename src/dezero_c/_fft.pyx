# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Discrete Fourier transforms along an axis. Values by numpy.fft: float32 gives complex64.

They are linear, so each one's gradient is a transform again: with gradients as complex numbers have them here (see _cast) that of
fft is fft itself, since its matrix is symmetric. A real input has a real gradient.
"""

import operator

import numpy as np

cimport numpy as cnp

from dezero_c._arrays cimport ArrayFunction, argument, normal_axes, run
from dezero_c._core cimport Variable

from dezero_c._cast import cast, conj, real
from dezero_c._index import get_item
from dezero_c._join import pad

cnp.import_array()

cdef str opposite(object norm, str op):
    """The norm with which the transform the other way has this one's matrix, but for a sign in the exponent."""
    if norm in (None, "backward"):
        return "forward"
    if norm not in ("ortho", "forward"):
        raise ValueError(f"{op}: norm={norm!r} is none of 'backward', 'ortho', 'forward'")
    return "backward" if norm == "forward" else "ortho"


cdef class Transform(ArrayFunction):
    """Transform(axis=-1, norm="backward")\n--\n
    The base of the transforms: along an axis, over its whole length."""

    cdef readonly object axis, norm

    def __init__(self, axis=-1, norm="backward"):
        self.axis = axis
        self.norm = norm

    def _arguments(self):
        return (self.axis, self.norm)

    cdef Variable like_input(self, object gx):
        """A gradient in the input's dtype."""
        cdef Variable x = argument(self.in0, "fft")
        if x.dtype.kind != "c":
            gx = real(gx)
        return gx if gx.dtype == x.dtype or x.dtype.kind not in "fc" else cast(gx, x.dtype)


cdef class FFT(Transform):
    """FFT(axis=-1, norm="backward")\n--\n
    The class behind `fft`: `FFT(axis, norm)(x)`."""

    def forward(self, x):
        return np.fft.fft(x, axis=self.axis, norm=self.norm)

    def backward(self, gy):
        return self.like_input(run(FFT(self.axis, self.norm), (argument(gy, "fft"),)))


cdef class IFFT(Transform):
    """IFFT(axis=-1, norm="backward")\n--\n
    The class behind `ifft`: `IFFT(axis, norm)(x)`."""

    def forward(self, x):
        return np.fft.ifft(x, axis=self.axis, norm=self.norm)

    def backward(self, gy):
        return self.like_input(run(IFFT(self.axis, self.norm), (argument(gy, "ifft"),)))


cdef class RFFT(Transform):
    """RFFT(axis=-1, norm="backward")\n--\n
    The class behind `rfft`: `RFFT(axis, norm)(x)`."""

    def forward(self, x):
        return np.fft.rfft(x, axis=self.axis, norm=self.norm)

    def backward(self, gy):
        # Re(F^T g) for the rows of F that there are: an irfft, which counts all but the first, and of an even number the last,
        # twice.
        cdef Variable x = argument(self.in0, "rfft")
        cdef int axis = normal_axes(self.axis, x.shape, "rfft")[0]
        cdef object n = x.shape[axis], weights = doubled(n, axis, x.ndim)
        gy = conj(gy) * (1 / weights).astype(np.result_type(gy.dtype, np.float16))
        return self.like_input(run(IRFFT(n, axis, opposite(self.norm, "rfft")), (gy,)))


cdef class IRFFT(Transform):
    """IRFFT(n, axis=-1, norm="backward")\n--\n
    The class behind `irfft`: `IRFFT(n, axis, norm)(x)`, for an x with n // 2 + 1 elements along the axis."""

    cdef readonly object n

    def __init__(self, n, axis=-1, norm="backward"):
        Transform.__init__(self, axis, norm)
        self.n = n

    def _arguments(self):
        return (self.n, self.axis, self.norm)

    def forward(self, x):
        return np.fft.irfft(x, self.n, axis=self.axis, norm=self.norm)

    def backward(self, gy):
        cdef Variable x = argument(self.in0, "irfft")
        cdef int axis = normal_axes(self.axis, x.shape, "irfft")[0]
        gx = conj(run(RFFT(axis, opposite(self.norm, "irfft")), (argument(gy, "irfft"),)))
        return self.like_input(gx * doubled(self.n, axis, x.ndim).astype(gy.dtype))


cdef object doubled(object n, int axis, int nd):
    """How often irfft of length n counts each element along the axis: twice but the first, and the last of an even n."""
    cdef object weights = np.full(n // 2 + 1, 2.0)
    weights[0] = 1
    if n % 2 == 0:
        weights[n // 2] = 1
    return weights.reshape((-1,) + (1,) * (nd - axis - 1))


cdef tuple fitted(object x, object n, object axis, object norm, str op):
    """x cut, or padded with zeros, to n elements along the axis (None: as it is); the axis from 0, and the norm."""
    cdef Variable v = argument(x, op)
    cdef tuple shape = v.shape
    cdef Py_ssize_t length
    cdef int k
    norm = opposite(opposite(norm, op), op)
    if v.dtype.kind not in "fciub":
        raise TypeError(f"{op}: not defined for {v.dtype}")
    if not shape:
        raise np.exceptions.AxisError(f"{op}: a 0-d array has no axis to transform along")
    k = normal_axes(operator.index(axis), shape, op)[0]
    length = shape[k] if n is None else operator.index(n)
    if length < 1:
        raise ValueError(f"{op}: {length} elements along axis {axis} of shape {shape} are none to transform; there must be 1 at "
                         "least")
    if length < shape[k]:
        v = get_item(v, (slice(None),) * k + (slice(0, length),))
    elif length > shape[k]:
        v = pad(v, ((0, 0),) * k + ((0, length - shape[k]),) + ((0, 0),) * (len(shape) - k - 1))
    return v, k, norm


cdef Variable real_only(object x, str op):
    cdef Variable v = argument(x, op)
    if v.dtype.kind == "c":
        raise TypeError(f"{op}: it takes real values, not {v.dtype}; take fft, or real(x)")
    return v


def fft(x, n=None, axis=-1, norm=None):
    """The discrete Fourier transform along an axis, as np.fft.fft.

    n: how many elements are transformed: x is cut, or padded with zeros; None: all. norm: "backward" (None), which divides the
    inverse by n, "ortho", both by its root, or "forward", this one by n. A real x has a real gradient, the gradients of complex
    values are those by which holomorphic functions have their derivative. Raises ValueError where there is nothing to
    transform and for other norms, AxisError for an axis that x does not have.
    """
    v, k, norm = fitted(x, n, axis, norm, "fft")
    return run(FFT(k, norm), (v,))


def ifft(x, n=None, axis=-1, norm=None):
    """The inverse of `fft`, with its arguments."""
    v, k, norm = fitted(x, n, axis, norm, "ifft")
    return run(IFFT(k, norm), (v,))


def rfft(x, n=None, axis=-1, norm=None):
    """The first n // 2 + 1 elements of `fft` of real values; the others are the conjugates of these. Arguments and errors as
    in `fft`; TypeError for complex values."""
    v, k, norm = fitted(real_only(x, "rfft"), n, axis, norm, "rfft")
    return run(RFFT(k, norm), (v,))


def irfft(x, n=None, axis=-1, norm=None):
    """The inverse of `rfft`: n real values (None: 2 (m - 1)) of m complex ones, which are cut, or padded with zeros, to n // 2 +
    1. The imaginary part of the first, and of an even n the last, has no effect. Arguments and errors as in `fft`."""
    cdef Variable v = argument(x, "irfft")
    if not v.shape:
        raise np.exceptions.AxisError("irfft: a 0-d array has no axis to transform along")
    if n is None:
        n = 2 * (v.shape[normal_axes(operator.index(axis), v.shape, "irfft")[0]] - 1)
    n = operator.index(n)
    if n < 1:
        raise ValueError(f"irfft: {n} elements along axis {axis} of shape {v.shape} are none to give; pass n")
    v, k, norm = fitted(v, n // 2 + 1, axis, norm, "irfft")
    return run(IRFFT(n, k, norm), (v,))


include "generated/_fft.pxi"
