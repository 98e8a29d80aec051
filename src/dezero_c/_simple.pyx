# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""The classes of the book's steps 11 to 32, where gradients are ndarrays: `dezero_c.core_simple` shows them."""

from dezero_c._core cimport ERA_SIMPLE, open_function_class, open_variable_class
from dezero_c._core cimport Function as CoreFunction
from dezero_c._core cimport Variable as CoreVariable

from dezero_c import _core


cdef class Variable(CoreVariable):
    """Variable(data=None, name=None)\n--\n
    A Variable whose gradient is an ndarray, as in steps 11 to 32 of the book.

    data: ndarray or None; name: a label. Raises TypeError for anything else.
    """

    def __cinit__(self):
        self.era = ERA_SIMPLE

    def backward(self, retain_grad=False):
        """Computes the gradients (ndarrays) of all that this Variable was computed from."""
        CoreVariable.backward(self, retain_grad)


cdef class Function(CoreFunction):
    """Function()\n--\n
    An operation on Variables: `forward` and `backward` take and return ndarrays."""

    def __cinit__(self):
        self.era = ERA_SIMPLE


open_variable_class(Variable)
open_function_class(Function)
_core.register_era(ERA_SIMPLE, Variable)
