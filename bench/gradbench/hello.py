"""hello: x^2, and its derivative 2 x under the name of `double`. No benchmark; a first word that a new tool says."""

from .fields import array

COMPARED = {"objective": "square", "derivative": "double"}


def read(data):
    return array({"x": data}, "x", ())


def square(x):
    return x * x


def functions(xp, x):
    gradient = xp.gradient(square, x)
    return {"square": xp.value(square, x), "double": lambda: gradient()[0]}


def example(size):
    return {"small": 3.0, "large": 16384.0}[size]
