from ._core import Function

class ArrayFunction(Function):
    """The base of the operations on whole arrays."""
