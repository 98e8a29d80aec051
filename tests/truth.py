"""True values of the table's operations: their NumPy expressions, evaluated with mpmath's numbers in NumPy's place.

NumPy's own last bits differ from processor to processor: its loops for AVX-512 are other functions than those for AVX2, and serve
contiguous arrays alone. What is not plain arithmetic is therefore compared with the true value, in units of its last place.
"""

import mpmath
import numpy as np
from optable import TABLE

OPS = {op["name"]: op for op in TABLE}


def applied(functions, name, params, *xs):
    """The table's operation `name`, of the namespace, with its parameters where its public function has them."""
    function = getattr(functions, name)
    return function(*params, *xs) if OPS[name]["params_first"] else function(*xs, *params)


def points(name, shape):
    """An array for each argument, within the domain, from its lower end to its upper."""
    size = int(np.prod(shape))
    return [np.linspace(low, high, size + 2)[1:-1].reshape(shape) for low, high in OPS[name]["domain"]]


class Exact:
    """What the expressions call of NumPy, for one element."""

    exp, log, sin, cos, tan = mpmath.exp, mpmath.log, mpmath.sin, mpmath.cos, mpmath.tan
    sinh, cosh, tanh = mpmath.sinh, mpmath.cosh, mpmath.tanh
    arcsin, arccos, arctan, arctan2 = mpmath.asin, mpmath.acos, mpmath.atan, mpmath.atan2
    arcsinh, arccosh, arctanh, hypot = mpmath.asinh, mpmath.acosh, mpmath.atanh, mpmath.hypot
    log1p, expm1, sqrt, power, log10 = mpmath.log1p, mpmath.expm1, mpmath.sqrt, mpmath.power, mpmath.log10
    absolute, maximum, minimum = staticmethod(abs), staticmethod(max), staticmethod(min)

    @staticmethod
    def log2(x):
        return mpmath.log(x, 2)

    @staticmethod
    def exp2(x):
        return mpmath.power(2, x)

    @staticmethod
    def cbrt(x):
        return mpmath.sign(x) * mpmath.cbrt(abs(x))

    @staticmethod
    def logaddexp(a, b):
        return mpmath.log(mpmath.exp(a) + mpmath.exp(b))

    @staticmethod
    def where(condition, a, b):
        return a if condition else b

    @staticmethod
    def zeros(shape, dtype):
        return mpmath.mpf(0)


# What NumPy has no function for.
GAMMA = {
    "gammaln": lambda x: mpmath.log(abs(mpmath.gamma(x))),
    "digamma": mpmath.digamma,
    "polygamma": lambda x, n: mpmath.polygamma(n, x),
    "ndtr": mpmath.ncdf,
}
NAMES = {"np": Exact, "real": lambda x: x, "libm_erf": mpmath.erf, "libm_erfc": mpmath.erfc,
         "logistic": lambda x: 1 / (1 + mpmath.exp(-x)), "in_double": lambda name, x, params: GAMMA[name](x, *params)}
CODE = {name: compile(op["numpy"], name, "eval") for name, op in OPS.items()}


def true_value(name, params, *xs):
    """Of numbers; with enough digits for whatever cancels."""
    op = OPS[name]
    names = dict(zip([*op["args"], *op["params"]], [*[mpmath.mpf(float(x)) for x in xs], *params], strict=True))
    return mpmath.mpf(eval(CODE[name], NAMES, names))


def units(y, name, params, *xs):
    """The largest distance of y's finite elements from the true values, in units of their last place; xs broadcast to y."""
    worst = 0.0
    with mpmath.workprec(200):
        for got, *point in zip(y.flat, *[np.broadcast_to(x, y.shape).flat for x in xs], strict=True):
            if np.isfinite(got):
                true = true_value(name, params, *point)
                place = mpmath.mpf(float(np.spacing(np.abs(y.dtype.type(float(true))))))
                off = max(abs(mpmath.mpf(float(got)) - true) - OPS[name]["atol"], 0)
                worst = max(worst, float(off / place))
    return worst


def assert_true(y, name, params, *xs):
    """y, an ndarray, is within what the table promises."""
    found = units(y, name, params, *xs)
    assert found <= OPS[name]["ulp"], f"{name}: {found:.2f} units in the last place"
