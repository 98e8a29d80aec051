# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""The same values in another dtype, or without a graph; the parts of complex numbers.

Gradients of complex values are those by which holomorphic functions have their derivative: that of a real L is dL/dRe(z) -
i dL/dIm(z), so that L grows by the real part of the sum of gradient times step. A real input gets a real one.
"""

from functools import partial

import numpy as np

cimport numpy as cnp

from dezero_c._arrays cimport ArrayFunction, argument, run
from dezero_c._core cimport Variable, call_native, data_of, derived, new_variable, set_data_array, traced

from dezero_c import _core

cnp.import_array()


cdef bint holds_gradients(object dtype):
    """Whether gradients in that dtype mean something: not in integers."""
    return dtype.kind in "fcO"


cdef class Cast(ArrayFunction):
    """Cast(dtype)\n--\n
    The class behind `cast`: `Cast(dtype)(x)`."""

    cdef readonly object dtype

    def __init__(self, dtype):
        self.dtype = np.dtype(dtype)

    def _arguments(self):
        return (self.dtype,)

    def forward(self, x):
        return x.astype(self.dtype)

    def backward(self, gy):
        cdef object dtype = data_of(self.in0).dtype
        if dtype.kind != "c":
            gy = real(gy)
        return cast(gy, dtype) if holds_gradients(dtype) or dtype == self.dtype else gy

    cdef object gradients(self, object gy):
        cdef object dtype = data_of(self.in0).dtype
        return (gy.astype(dtype),) if dtype.kind == "f" and gy.dtype.kind == "f" else None


def cast(x, dtype):
    """x's values in another dtype, a new array; the gradient comes back in x's own, and that of integers in the result's.

    dtype: what np.dtype takes. Integers and booleans made of floating-point numbers are cut off as NumPy does, and have no
    graph: nothing depends on them smoothly. Raises TypeError for what is no dtype of numbers, and for complex values as
    real ones.
    """
    cdef Variable v = argument(x, "cast"), y
    cdef object was = v.dtype, to
    try:
        to = np.dtype(dtype)
    except TypeError as error:
        raise TypeError(f"cast: {dtype!r:.80} is no dtype: {error}") from error
    if to.kind not in "biufcO":
        raise TypeError(f"cast: {to} is no dtype of numbers")
    if was.kind == "c" and to.kind not in "cO":
        raise TypeError(f"cast: {was} as {to} would lose the imaginary parts; take real(x), or imag(x)")
    if holds_gradients(to) or to == was:
        return call_native(Cast(to), (v,), data_of(v).astype(to))
    y = new_variable(v.era)
    set_data_array(y, data_of(v).astype(to))
    if traced():
        derived(y, partial(_core.as_dtype, to), (v,))
    return y


def stop_gradient(x):
    """x's values, in the same memory, without its graph: a constant for all that is computed from it. So is `x.detach()`."""
    cdef Variable v = argument(x, "stop_gradient"), y = new_variable(v.era)
    set_data_array(y, data_of(v))
    if traced():
        derived(y, _core.same, (v,))
    return y


# ---- complex numbers --------------------------------------------------------------------------------------------------

cdef object as_complex(object g, object x):
    """A gradient as it adds to that of the complex x."""
    return cast(g, x.dtype) if g.dtype != x.dtype else g


cdef class Real(ArrayFunction):
    """Real()\n--\n
    The class behind `real` of complex values: `Real()(x)`."""

    def forward(self, x):
        return np.real(x)

    def backward(self, gy):
        return as_complex(gy, self.in0)


cdef class Imag(ArrayFunction):
    """Imag()\n--\n
    The class behind `imag`: `Imag()(x)`."""

    def forward(self, x):
        return x.imag if x.dtype.kind == "c" else np.zeros_like(x)

    def backward(self, gy):
        cdef object x = self.in0
        return as_complex(gy, x) * np.asarray(-1j, x.dtype) if x.dtype.kind == "c" else imag(real(gy))


cdef class Conj(ArrayFunction):
    """Conj()\n--\n
    The class behind `conj` of complex values: `Conj()(x)`."""

    def forward(self, x):
        return np.conj(x)

    def backward(self, gy):
        return conj(gy)


def real(x):
    """The real parts, a view; x itself where it is real."""
    cdef Variable v = argument(x, "real")
    return call_native(Real(), (v,), data_of(v).real) if v.dtype.kind == "c" else v


def imag(x):
    """The imaginary parts, a view; zeros, whose gradient is 0, where x is real."""
    cdef Variable v = argument(x, "imag")
    cdef Imag f = Imag()
    return run(f, (v,))


def conj(x):
    """The conjugates; x itself where it is real. The gradient is the conjugate of gy, as holds for a gradient by which
    holomorphic functions have their derivative: `real(z * conj(z))` has 2 conj(z)."""
    cdef Variable v = argument(x, "conj")
    return call_native(Conj(), (v,), np.conj(data_of(v))) if v.dtype.kind == "c" else v


_core.register_methods(cast=cast, conj=conj, imag=imag, real=real, stop_gradient=stop_gradient)
include "generated/_cast.pxi"
