# Functions of the families as attributes of Variable's classes: `Variable.exp = F.exp` makes a method, as with a function of
# Python's. A compiled function has no __get__, and one that has (binding=True) takes 90 instructions more for each call,
# since the interpreter knows the plain ones by their type. So the class looks at what it is given. Part of _core.pyx.

class _Method:
    """A compiled function in a class's dictionary: instances find it bound, and the class finds the function itself."""

    __slots__ = ("__wrapped__",)

    def __init__(self, function):
        self.__wrapped__ = function

    def __get__(self, instance, owner=None):
        return self.__wrapped__ if instance is None else types.MethodType(self.__wrapped__, instance)


cdef bint is_family_function(object o):
    return type(o) is types.BuiltinFunctionType and (o.__module__ or "").startswith("dezero_c.")


class _VariableType(type):
    """The class of Variable and its subclasses."""

    def __init__(cls, name, bases, namespace, **keywords):
        type.__init__(cls, name, bases, namespace)
        for base in cls.__mro__:
            if base is cls or not isinstance(base, _VariableType):      # a mixin's functions too
                for key, value in [*vars(base).items()]:
                    if is_family_function(value) and getattr(cls, key) is value:
                        type.__setattr__(cls, key, _Method(value))

    def __setattr__(cls, name, value):
        type.__setattr__(cls, name, _Method(value) if is_family_function(value) else value)
