"""Random programs over every differentiable function, and what they mean to NumPy and to PyTorch.

A program is lines of Python over a namespace `f`: dezero_c's functions, or the same names here by NumPy, or by PyTorch.
Each line keeps to where its function is smooth and well conditioned at the inputs in question (the NumPy values are
known while it is written), so that finite differences and float32 have something to say. A list of numbers makes a
program, one number a line, and any part of the list makes one too: that is what lets Hypothesis shrink a failure.
"""

import math
import random
import re
import types

import mpmath
import numpy as np
import optable
import records

from dezero_c import functions as F
from dezero_c import functions_conv as FC

MARGIN = 0.03       # distance to the nearest kink
LIMIT = 48          # elements of a value
LARGE = 8.0         # values are squashed beyond


# ---- NumPy ---------------------------------------------------------------------------------------------------------

_erf = np.vectorize(math.erf, otypes=[float])
_erfc = np.vectorize(math.erfc, otypes=[float])
_polygamma = np.vectorize(lambda n, x: float(mpmath.polygamma(int(n), x)), otypes=[float])


def _sigmoid(x):
    return 1 / (1 + np.exp(-x))


def _split(x, parts, axis=0):
    return np.split(x, parts, axis)


NUMPY = {
    **{n: getattr(np, n) for n in """add power square sqrt exp log log1p expm1 sin cos tan tanh sinh cosh arcsin arccos
       arctan arctan2 hypot arcsinh arccosh arctanh log2 log10 logaddexp exp2 cbrt floor ceil trunc rint round remainder
       floor_divide abs sign maximum minimum clip where reshape transpose broadcast_to expand_dims squeeze moveaxis swapaxes
       flip roll concatenate stack pad repeat tile cumsum cumprod diff sort median quantile interp take take_along_axis
       diagonal trace diag tril triu cross kron sum mean max min prod
       var std matmul dot tensordot einsum outer""".split()},
    **{n: getattr(np.linalg, n) for n in "inv solve det slogdet cholesky eigh eigvalsh matrix_power qr svd pinv lstsq".split()},
    **{n: getattr(np.fft, n) for n in "fft ifft rfft irfft".split()},
    "sub": np.subtract, "mul": np.multiply, "div": np.divide, "neg": np.negative, "pow": np.power,
    "reciprocal": lambda x: 1 / x, "nan_to_num": np.nan_to_num, "logit": lambda x: np.log(x / (1 - x)),
    "ndtr": lambda x: 0.5 * _erfc(-x / math.sqrt(2)), "gammaln": np.vectorize(math.lgamma, otypes=[float]),
    "digamma": lambda x: _polygamma(0, x), "polygamma": _polygamma,
    "gelu_tanh": lambda x: 0.5 * x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x ** 3))),
    "sigmoid": _sigmoid, "sigmoid_simple": _sigmoid, "silu": lambda x: x * _sigmoid(x), "erf": _erf, "erfc": _erfc,
    "gelu": lambda x: 0.5 * x * (1 + _erf(x / math.sqrt(2))), "softplus": lambda x: np.log1p(np.exp(x)),
    "relu": lambda x: np.maximum(x, 0.0), "leaky_relu": lambda x, slope=0.2: np.where(x > 0, x, slope * x),
    "elu": lambda x, alpha=1.0: np.where(x > 0, x, alpha * np.expm1(np.minimum(x, 0.0))),
    "set_at": lambda x, i, u: records.set_reference(i)(x, u), "add_at": lambda x, i, u: records.add_reference(i)(x, u),
    "cast": lambda x, dtype: x.astype(dtype), "real": np.real, "imag": np.imag, "conj": np.conj, "get_item": lambda x, i: x[i],
    "flatten": lambda x: x.reshape(len(x), -1), "split": _split,
    "embed_id": lambda ids, W: W[ids], "average": np.mean, "logsumexp": records.log_sum_exp,
    "sum_to": lambda x, shape: x.sum(tuple(i for i, n in enumerate(shape) if n == 1), keepdims=True),
    "norm": lambda x, axis=None: np.sqrt((x * x).sum(axis)), "linear": records.linear_reference,
    "linear_simple": records.linear_reference, "softmax": records.softmax_reference,
         "softmax_simple": records.softmax_reference,
    "log_softmax": lambda x, axis=1: np.log(records.softmax_reference(x, axis)),
    "softmax_cross_entropy": lambda x, t: -np.log(records.softmax_reference(x))[np.arange(len(t)), t].mean(),
    "softmax_cross_entropy_simple": lambda x, t: -np.log(records.softmax_reference(x))[np.arange(len(t)), t].mean(),
    "sigmoid_cross_entropy": lambda x, t: records.binary_reference(_sigmoid(x), t),
    "binary_cross_entropy": records.binary_reference,
    "mean_squared_error": lambda a, b: ((a - b) ** 2).sum() / len(a),
    "mean_squared_error_simple": lambda a, b: ((a - b) ** 2).sum() / len(a),
    "mean_absolute_error": lambda a, b: np.abs(a - b).mean(), "huber": records.huber_reference,
    "dropout": lambda x, ratio: x * (np.random.rand(*x.shape) > ratio) / (1 - ratio),
    "layer_norm": records.layer_norm_reference,
    "batch_norm": lambda x, gamma, beta, mean, var: records.batch_norm_reference(x, gamma, beta),
    "conv2d": records.conv2d_reference, "conv2d_simple": records.conv2d_reference,
         "deconv2d": records.deconv2d_reference,
    "conv1d": records.conv1d_reference, "conv3d": records.conv3d_reference, "pooling": records.max_pooling_reference,
    "pooling_simple": records.max_pooling_reference, "average_pooling": records.mean_pooling_reference,
    "im2col": records.columns_reference, "col2im": records.images_reference,
}
NUMPY |= {op["name"]: eval(f"lambda {', '.join([*op['args'], *op['params']])}: {op['numpy']}", {"np": np, "real": np.asarray})
          for op in optable.TABLE if op["name"] not in NUMPY}     # a new operation needs no line here
NUMPY["batch_nrom"] = NUMPY["batch_norm"]

# Functions that put every element of x somewhere, or nowhere, or in several places.
MOVES = """reshape transpose broadcast_to expand_dims squeeze moveaxis swapaxes flip roll repeat tile take
           take_along_axis diagonal get_item flatten""".split()


# ---- PyTorch -------------------------------------------------------------------------------------------------------

def torch_functions(torch):
    """The same names by PyTorch, in float64."""
    nn = torch.nn.functional
    names = {n: getattr(torch, n) for n in """add sub mul div neg square sqrt exp log log1p expm1 sin cos tan tanh sinh
             cosh arcsin arccos arctan arctan2 hypot arcsinh arccosh arctanh log2 log10 logaddexp exp2 reciprocal floor ceil
             trunc round remainder abs sign maximum minimum clip where sigmoid relu erf erfc matmul tensordot einsum
             outer""".split()}
    names |= {n: getattr(torch.fft, n) for n in "fft ifft rfft irfft".split()}
    names |= {n: getattr(torch.linalg, n)
              for n in "inv solve det slogdet cholesky eigh eigvalsh matrix_power svd pinv lstsq".split()}

    def move(name):
        def moved(x, *args, **options):
            places = NUMPY[name](np.arange(x.numel()).reshape(tuple(x.shape)), *args, **options)
            # C order: of other strides PyTorch 2.13 makes wrong second derivatives of batch_norm
            return x.reshape(-1)[torch.from_numpy(np.array(places, order="C"))]
        return moved

    def along(function):
        """A reduction of PyTorch with NumPy's axis: None is all, and no axes are none."""
        def reduced(x, axis=None, keepdims=False, **options):
            axes = tuple(range(x.ndim)) if axis is None else axis
            return x if axes == () else function(x, dim=axes, keepdim=keepdims, **options)
        return reduced

    def prod(x, axis=None, keepdims=False):
        for k in sorted({a % x.ndim for a in (range(x.ndim) if axis is None else np.atleast_1d(axis))}, reverse=True):
            x = torch.prod(x, int(k), keepdim=keepdims)
        return x

    def spread(function):
        return lambda x, axis=None, ddof=0, keepdims=False: along(function)(x, axis, keepdims, correction=ddof)

    def cumsum(x, axis=None):
        return torch.cumsum(x.reshape(-1) if axis is None else x, 0 if axis is None else axis)

    def pad(x, widths):
        return nn.pad(x, [n for pair in reversed(np.broadcast_to(widths, (x.ndim, 2)).tolist()) for n in pair])

    def wide_qr(x):
        """PyTorch has no gradient of it."""
        q, r = torch.linalg.qr(x[:, :len(x)])
        return q, torch.cat([r, q.T @ x[:, len(x):]], 1)

    def interp(x, xp, fp):
        """As sums of hinges."""
        xp, fp = torch.as_tensor(xp), torch.as_tensor(fp)
        x = torch.minimum(torch.maximum(x, xp[0]), xp[-1])
        slopes = torch.diff(torch.diff(fp) / torch.diff(xp), prepend=torch.zeros(1, dtype=fp.dtype))
        return fp[0] + sum(slope * torch.relu(x - p) for slope, p in zip(slopes, xp, strict=False))

    def dropout(x, ratio):
        return x * torch.from_numpy(np.asarray(np.random.rand(*x.shape) > ratio)) / (1 - ratio)

    def linear(x, W, b=None):
        return x @ W if b is None else x @ W + b

    def columns(x, kernel, stride=1, pad=0, to_matrix=True):
        return nn.unfold(x, kernel, stride=stride, padding=pad).transpose(1, 2).flatten(0, 1)

    def images(col, shape, kernel, stride=1, pad=0, to_matrix=True):
        col = col.reshape(shape[0], -1, col.shape[1]).transpose(1, 2)
        return nn.fold(col, shape[2:], kernel, stride=stride, padding=pad)

    def binary(p, t):
        return -(t * p.log() + (1 - t) * (1 - p).log()).sum() / len(p)

    def squared(a, b):
        return ((a - b) ** 2).sum() / len(a)

    def deconv2d(x, W, b=None, stride=1, pad=0):
        return nn.conv_transpose2d(x, W, b, stride, pad)

    def placed(join):
        """By NumPy on the numbers of elements, x's before the value's."""
        def function(x, i, u):
            numbers = np.arange(x.numel()).reshape(tuple(x.shape))
            parts = torch.cat([x.reshape(-1), u.expand(numbers[i].shape).reshape(-1)])
            return join(parts, numbers, i, x.numel() + np.arange(numbers[i].size).reshape(numbers[i].shape))
        return function

    def set_at(parts, numbers, i, more):
        return parts[torch.from_numpy(records.set_reference(i)(numbers, more).copy())]

    def add_at(parts, numbers, i, more):
        x = parts[:numbers.size]
        return x.index_add(0, torch.from_numpy(numbers[i].reshape(-1).copy()), parts[numbers.size:]).reshape(numbers.shape)

    def polygamma(n, x):
        """torch.polygamma has nine digits."""
        if n == 0:
            return torch.digamma(x)
        return (-1) ** (n + 1) * math.factorial(n) * torch.special.zeta(torch.tensor(n + 1.0, dtype=x.dtype), x)

    def kron(a, b):
        """torch.kron fails in second derivatives for some strides."""
        nd = max(a.dim(), b.dim())
        a, b = (x.reshape((1,) * (nd - x.dim()) + tuple(x.shape)) for x in (a, b))
        table = a.reshape([n for k in a.shape for n in (k, 1)]) * b.reshape([n for k in b.shape for n in (1, k)])
        return table.reshape([m * n for m, n in zip(a.shape, b.shape, strict=True)])

    names |= {name: move(name) for name in MOVES}
    names["trace"] = lambda x, offset=0: names["diagonal"](x, offset).sum(-1)
    names |= {
        "cast": lambda x, dtype: x.to(getattr(torch, dtype) if isinstance(dtype, str) else dtype),
        "real": torch.real, "imag": torch.imag, "conj": torch.conj,
        "set_at": placed(set_at), "add_at": placed(add_at),
        "pow": torch.pow, "power": torch.pow, "cbrt": lambda x: x.sign() * x.abs() ** (1 / 3), "rint": torch.round,
        "floor_divide": lambda x, y: torch.div(x, y, rounding_mode="floor"),
        "nan_to_num": torch.nan_to_num, "logit": torch.logit, "ndtr": torch.special.ndtr, "gammaln": torch.lgamma,
        "digamma": torch.digamma, "polygamma": polygamma, "gelu_tanh": lambda x: nn.gelu(x, approximate="tanh"),
        "silu": nn.silu, "gelu": nn.gelu, "softplus": nn.softplus, "elu": nn.elu,
        "leaky_relu": nn.leaky_relu, "sigmoid_simple": torch.sigmoid,
        "concatenate": torch.cat, "stack": torch.stack, "pad": pad, "cumsum": cumsum,
        "diff": lambda x, axis: torch.diff(x, dim=axis),
        "tril": torch.tril, "triu": torch.triu, "diag": torch.diag, "kron": kron,
        "cross": lambda a, b: torch.linalg.cross(*torch.broadcast_tensors(a, b)),
        "qr": lambda x: torch.linalg.qr(x) if len(x) >= x.shape[1] else wide_qr(x),
        "sort": lambda x, axis: torch.sort(x, axis)[0], "median": lambda x, axis: torch.quantile(x, 0.5, axis),
        "quantile": lambda x, q, axis: torch.quantile(x, q, axis), "interp": interp,
        "cumprod": lambda x, axis: torch.cumprod(x, axis), "embed_id": lambda ids, W: W[ids],
        "split": lambda x, parts, axis=0: torch.tensor_split(x, parts, axis),
        "sum": along(torch.sum), "mean": along(torch.mean), "average": along(torch.mean), "max": along(torch.amax),
        "min": along(torch.amin), "prod": prod, "var": spread(torch.var), "std": spread(torch.std),
        "logsumexp": along(torch.logsumexp), "sum_to": lambda x, shape: x.sum_to_size(shape),
        "dot": torch.matmul, "norm": lambda x, axis=None: torch.linalg.vector_norm(x, dim=axis), "linear": linear,
        "linear_simple": linear, "softmax": lambda x, axis=1: torch.softmax(x, axis),
        "softmax_simple": lambda x, axis=1: torch.softmax(x, axis), "log_softmax": lambda x,
              axis=1: torch.log_softmax(x, axis),
        "softmax_cross_entropy": nn.cross_entropy, "softmax_cross_entropy_simple": nn.cross_entropy,
        "sigmoid_cross_entropy": lambda x, t: binary(torch.sigmoid(x), t), "binary_cross_entropy": binary,
        "mean_squared_error": squared, "mean_squared_error_simple": squared,
        "mean_absolute_error": nn.l1_loss, "huber": lambda a, b, delta=1.0: nn.huber_loss(a, b, delta=delta),
              "dropout": dropout,
        "layer_norm": lambda x, gamma, beta: nn.layer_norm(x, gamma.shape, gamma, beta),
        "batch_norm": lambda x, gamma, beta, mean, var: nn.batch_norm(x, None, None, gamma, beta, True, eps=2e-5),
        "conv2d": nn.conv2d, "conv2d_simple": nn.conv2d, "deconv2d": deconv2d, "conv1d": nn.conv1d,
              "conv3d": nn.conv3d, "pooling": nn.max_pool2d,
        "pooling_simple": nn.max_pool2d, "average_pooling": nn.avg_pool2d, "im2col": columns, "col2im": images,
    }
    names["batch_nrom"] = names["batch_norm"]
    return types.SimpleNamespace(**names)


# ---- programs ------------------------------------------------------------------------------------------------------

SHAPES = [(), (3,), (4,), (1,), (2, 3), (3, 2), (3, 3), (2, 2), (1, 3), (4, 2), (2, 2, 2), (2, 1, 3), (4, 3),
          (1, 2, 3, 3), (2, 1, 2, 4)]


class Program:
    """inputs, constants: ndarrays by name; lines: names and an expression over f; values: what NumPy makes of them."""

    def __init__(self, numbers):
        self.inputs, self.constants, self.lines, self.functions, self.values, self.used = {}, {}, [], [], {}, set()
        self.env = {"f": types.SimpleNamespace(**NUMPY), "np": np}
        head = random.Random(numbers[0])
        for k in range(head.randint(1, 3)):
            rng = np.random.default_rng(head.randrange(10**6))
            # three digits and a half: never 0, where powers have no second derivative
            x = np.asarray(rng.uniform(-1.5, 1.5, head.choice(SHAPES)).round(3) + 0.0005)
            self.inputs[f"x{k}"] = self.values[f"x{k}"] = x
        self.env |= self.values
        for number in numbers[1:]:
            self.extend(random.Random(number))
        ends = [name for name in self.values if name not in self.used]
        self.objective = " + ".join(f"f.sum(f.sin({name}))" for name in ends)
        self.code = compile("\n".join(self.body()), "<program>", "exec")

    def extend(self, r):
        """One more line, of the first of some random functions that has operands here; none, rarely."""
        for _ in range(50):
            name = r.choice(NAMES)
            self.fresh = {}
            made = WRITERS[name](self, r, name)
            if made is None:
                continue
            with np.errstate(all="ignore"):
                try:
                    result = self.evaluate(made)
                except (ValueError, IndexError, np.linalg.LinAlgError):
                    continue
            many = isinstance(result, (list, tuple))
            results = [np.asarray(y) for y in (result if many else [result])]
            if not all(y.dtype == np.float64 and 0 < y.size <= LIMIT and y.ndim < 5 for y in results):
                continue
            if not all(np.all(np.isfinite(y)) for y in results):
                continue
            if max(np.abs(y).max() for y in results) > LARGE:
                if many:
                    continue
                made = f"f.tanh({made} * 0.1)"
                results = [np.asarray(self.evaluate(made))]
            names = [f"v{len(self.values) - len(self.inputs) + i}" for i in range(len(results))]
            spoken = set(re.findall(r"\b[cvx]\d+\b", made))
            self.used |= spoken
            self.constants |= {n: c for n, c in self.fresh.items() if n in spoken}
            self.functions.append(name)
            self.lines.append((names, made))
            self.values |= dict(zip(names, results, strict=True))
            self.env |= self.constants | dict(zip(names, results, strict=True))
            return

    def evaluate(self, expression):
        return eval(expression, self.env | self.fresh)

    # what a writer needs

    def pick(self, r, wanted=lambda x: True):
        """The name of a value, the later the likelier, or None."""
        names = [n for n, x in self.values.items() if wanted(x)]
        return (names[-1] if r.random() < 0.5 else r.choice(names)) if names else None

    def constant(self, a):
        name = f"c{len(self.constants) + len(self.fresh)}"
        self.fresh[name] = np.asarray(a)
        return name

    def inside(self, name, low, high):
        """The value itself where it lies in [low, high], else a smooth map of it to there."""
        x = self.values[name]
        return name if x.min() >= low and x.max() <= high else f"(f.sigmoid({name}) * {high - low:.3g} + {low})"

    # what is done with it

    def listing(self, dtype="float64"):
        """A script that runs."""
        rows = ["import numpy as np", "", "import dezero_c.functions as f", "from dezero_c import Variable"]
        if any(n in CONV for n in self.functions):
            rows.insert(3, "import dezero_c.functions_conv as fc")
        rows += ["", *(f"{n} = Variable(np.array({x.tolist()!r}, {dtype!r}))" for n, x in self.inputs.items())]
        for n, c in self.constants.items():
            kind = dtype if c.dtype.kind == "f" else str(c.dtype)
            rows.append(f"{n} = np.array({c.tolist()!r}, {kind!r})")
        for line in self.body():
            for n in CONV:
                line = line.replace(f"f.{n}(", f"fc.{n}(")
            rows.append(line)
        rows += ["s.backward()", f"print({', '.join(['s', *(f'{n}.grad' for n in self.inputs)])})"]
        return "\n".join(rows)

    def body(self):
        return [*(f"{', '.join(names)} = {made}" for names, made in self.lines), f"s = {self.objective}"]

    def run(self, functions, inputs, constants):
        """s from the inputs, a dict, with the functions of one of the namespaces."""
        env = {"f": functions, "np": np, **inputs, **constants}
        exec(self.code, env)
        return env["s"]


# ---- writers: an expression for a function, or None ----------------------------------------------------------------

WRITERS = {}


def writes(*names):
    def register(writer):
        for name in names:
            WRITERS[name] = writer
        return writer
    return register


FREE = set("""add sub mul neg square sin cos tanh sinh cosh arctan sigmoid softplus silu erf erfc gelu exp expm1 exp2
           arcsinh logaddexp nan_to_num ndtr gelu_tanh""".split())
# Parameters as text; those of `round` would move its steps, and NumPy has other places for those of nan_to_num.
PARAMS = {op["name"]: [", ".join(map(repr, example)) for example in op["examples"]] for op in optable.TABLE
          if op["params"] and op["name"] not in ("round", "nan_to_num")}


def far(x, *places):
    return all(np.abs(x - p).min() > MARGIN for p in places)


def elementwise(program, r, name):
    op = TABLE[name]
    first = program.pick(r)
    x = program.values[first]

    def fits(y):
        try:
            return np.broadcast_shapes(x.shape, y.shape) is not None
        except ValueError:
            return False

    names = [first, *(program.pick(r, fits) for _ in op["args"][1:])]
    if len(names) == 3 and not fits_together([program.values[n] for n in names]):
        return None
    raw = name in FREE
    if name in ("relu", "leaky_relu", "abs", "sign", "elu"):
        raw = far(x, 0.0)
    elif name in ("floor", "ceil", "trunc"):
        raw = far(x - np.rint(x), 0.0)
    elif name in ("rint", "round"):
        raw = far(x - np.floor(x), 0.5)
    elif name in ("remainder", "floor_divide") and far(program.values[names[1]], 0.0):
        quotient = x / program.values[names[1]]
        raw = far(quotient - np.rint(quotient), 0.0)
    elif name in ("maximum", "minimum"):
        raw = far(x - program.values[names[1]], 0.0)
    elif name == "clip":
        if not far(x, -0.7, 0.9, 0.5, -0.5):
            return None
        raw = True
    elif name == "where":
        if not far(x, 0.0):
            return None
        return f"f.where({names[0]} > 0, {names[1]}, {names[2]})"
    arguments = names if raw else [program.inside(n, *d) for n, d in zip(names, op["domain"], strict=True)]
    if name in PARAMS:
        param = str(r.choice(PARAMS[name]))
        arguments = [param, *arguments] if op["params_first"] else [*arguments, param]
    return f"f.{name}({', '.join(arguments)})"


def fits_together(xs):
    try:
        return np.broadcast_shapes(*(x.shape for x in xs)) is not None
    except ValueError:
        return False


TABLE = {op["name"]: op for op in optable.TABLE}
writes(*TABLE)(elementwise)


def an_axis(r, x):
    k = r.randrange(x.ndim)
    return k - x.ndim if r.random() < 0.5 else k


@writes("sigmoid_simple")
def of_one(program, r, name):
    return f"f.{name}({program.pick(r)})"


@writes("reshape")
def reshape(program, r, name):
    n = program.pick(r)
    x = program.values[n]
    k = r.choice([k for k in range(1, x.size + 1) if x.size % k == 0])
    return f"f.reshape({n}, {r.choice([(-1,), (k, -1), (1, x.size), (k, 1, x.size // k)])})"


@writes("transpose")
def transpose(program, r, name):
    n = program.pick(r)
    order = list(range(program.values[n].ndim))
    r.shuffle(order)
    return f"f.transpose({n}, {tuple(order)})" if r.random() < 0.7 else f"f.transpose({n})"


@writes("broadcast_to")
def broadcast_to(program, r, name):
    n = program.pick(r, lambda x: x.size < 12)
    if n:
        shape = [r.randint(2, 3) if k == 1 else k for k in program.values[n].shape]
        return f"f.broadcast_to({n}, {(r.randint(1, 3), *shape)})"


@writes("sum_to")
def sum_to(program, r, name):
    n = program.pick(r, lambda x: x.ndim)
    if n:
        return f"f.sum_to({n}, {tuple(r.choice((1, k)) for k in program.values[n].shape)})"


@writes("expand_dims", "flip", "cumsum")
def with_axis(program, r, name):
    n = program.pick(r, lambda x: x.ndim)
    if n:
        axis = an_axis(r, program.values[n])
        return f"f.{name}({n}, {axis})" if name == "expand_dims" or r.random() < 0.7 else f"f.{name}({n})"


@writes("squeeze", "flatten")
def squeeze(program, r, name):
    n = program.pick(r, lambda x: x.ndim > 1 or name == "squeeze")
    if n:
        return f"f.{name}({n})"


@writes("moveaxis", "swapaxes")
def two_axes(program, r, name):
    n = program.pick(r, lambda x: x.ndim)
    if n:
        return f"f.{name}({n}, {an_axis(r, program.values[n])}, {an_axis(r, program.values[n])})"


@writes("roll", "repeat", "tile")
def moved(program, r, name):
    n = program.pick(r, lambda x: x.ndim and x.size < 17)
    if n:
        axis = "" if name == "tile" or r.random() < 0.4 else f", {an_axis(r, program.values[n])}"
        return f"f.{name}({n}, {r.randint(1, 3)}{axis})"


@writes("get_item")
def get_item(program, r, name):
    n = program.pick(r, lambda x: x.ndim)
    if n:
        x = program.values[n]
        k = len(x)
        i = r.choice([r.randrange(-k, k), (..., None, r.randrange(x.shape[-1])), slice(None, None, -1),
                      slice(k // 2, None), (slice(None, None, 2), None),
                      program.constant([r.randrange(k) for _ in range(3)])])
        return f"f.get_item({n}, {i})"


@writes("take", "take_along_axis", "embed_id", "diagonal", "trace")
def chosen(program, r, name):
    n = program.pick(r, lambda x: x.ndim == 2)
    if n:
        rows, columns = program.values[n].shape
        if name in ("diagonal", "trace"):
            return f"f.{name}({n}, {r.choice((0, 0, 1, -1))})"
        if name == "take_along_axis":
            ids = [[r.randrange(rows) for _ in range(columns)] for _ in range(2)]
            return f"f.take_along_axis({n}, np.array({ids}), 0)"
        ids = [[r.randrange(rows if name == "embed_id" else columns) for _ in range(2)] for _ in range(2)]
        return f"f.embed_id(np.array({ids}), {n})" if name == "embed_id" else f"f.take({n}, np.array({ids}), 1)"


@writes("sort", "median", "quantile")
def by_order(program, r, name):
    n = program.pick(r, lambda x: x.ndim and np.diff(np.sort(x, None)).min(initial=1.0) > MARGIN)
    if n:
        axis = an_axis(r, program.values[n])
        return f"f.{name}({n}, {'0.3, ' if name == 'quantile' else ''}axis={axis})"


@writes("interp")
def interp(program, r, name):
    n = program.pick(r, lambda x: far(x, -1.0, 0.1, 0.8))
    points = program.pick(r, lambda y: y.shape == (3,)) or program.constant([0.5, -1.0, 2.0])
    if n:
        return f"f.interp({n}, {program.constant([-1.0, 0.1, 0.8])}, {points})"


@writes("cumprod", "diff")
def along_one(program, r, name):
    n = program.pick(r, lambda x: x.ndim)
    if n:
        return f"f.{name}({n}, axis={an_axis(r, program.values[n])})"


@writes("set_at", "add_at")
def assigned(program, r, name):
    n = program.pick(r, lambda x: x.ndim and x.size < 20)
    if n:
        k = len(program.values[n])
        i = r.choice([r.randrange(-k, k), slice(None, None, -1), slice(k // 2, None), [r.randrange(k) for _ in range(2)]])
        shape = program.values[n][i].shape
        value = program.pick(r, lambda y: y.shape in (shape, ())) or program.constant(np.full(shape, 0.5))
        return f"f.{name}({n}, {i}, {value})"


@writes("cast")
def cast(program, r, name):
    n = program.pick(r)
    return f"f.cast({n}, {n}.dtype)"


@writes("real", "imag", "conj")
def parts(program, r, name):
    n = program.pick(r)
    z = f"(f.cast({n}, 'complex64' if '32' in str({n}.dtype) else 'complex128') * (0.5 - 1.5j))"
    return f"f.real(f.square(f.conj({z})) * 1j)" if name == "conj" else f"f.{name}(f.square({z}))"


@writes("concatenate", "stack")
def joined(program, r, name):
    n = program.pick(r, lambda x: x.ndim and x.size < 20)
    if n:
        m = program.pick(r, lambda y: y.shape == program.values[n].shape)
        return f"f.{name}([{n}, {m}], {an_axis(r, program.values[n])})"


@writes("split")
def split(program, r, name):
    n = program.pick(r, lambda x: x.ndim and max(x.shape) > 1)
    if n:
        axis = int(np.argmax(program.values[n].shape))
        whole = f"f.split({n}, [{r.randint(1, program.values[n].shape[axis] - 1)}], {axis})"
        return whole if r.random() < 0.6 else f"{whole}[{r.randrange(2)}]"


@writes("pad")
def pad(program, r, name):
    n = program.pick(r, lambda x: x.ndim and x.size < 10)
    if n:
        return f"f.pad({n}, {tuple((r.randint(0, 1), r.randint(0, 2)) for _ in program.values[n].shape)})"


@writes("sum", "mean", "average", "max", "min", "prod", "var", "std", "logsumexp")
def reduced(program, r, name):
    n = program.pick(r, lambda x: x.ndim and x.size > 1)
    if n:
        x = program.values[n]
        axis = r.choice([None, an_axis(r, x), tuple(r.sample(range(x.ndim), r.randint(1, x.ndim)))])
        count = x.size // np.sum(x, axis=axis).size
        if name in ("max", "min"):
            y = getattr(x, name)(axis=axis, keepdims=True)
            if (np.abs(x - y) < MARGIN).sum() != y.size:
                return None
        if name in ("var", "std") and (count < 2 or np.var(x, axis=axis).min() < MARGIN):
            return None
        if name == "prod" and count > 6:
            return None
        options = ", ddof=1" if name in ("var", "std") and r.random() < 0.4 else ""
        return f"f.{name}({n}, axis={axis}, keepdims={r.random() < 0.4}{options})"


@writes("matmul", "dot", "tensordot", "einsum", "outer", "linear", "linear_simple")
def products(program, r, name):
    a = program.pick(r, lambda x: x.ndim == (1 if name == "outer" else 2) or (name == "matmul" and x.ndim))
    if not a:
        return None
    x = program.values[a]

    def fits(y):
        if name == "outer":
            return y.ndim == 1
        if name in ("matmul", "dot"):
            return y.ndim and x.shape[-1] == y.shape[-2 if y.ndim > 1 else 0] and (name == "matmul" or y.ndim < 3)
        return y.ndim == 2 and x.shape[-1] == y.shape[0]

    b = program.pick(r, fits) or (f"f.transpose({a})" if x.ndim == 2 else None)
    if b is None:
        return None
    if name == "tensordot":
        return f"f.tensordot({a}, {b}, {r.choice((1, ((1,), (0,))))})"
    if name == "einsum":
        return r.choice([f"f.einsum('ij,jk->{r.choice(('ik', 'ki', 'i', 'ijk'))}', {a}, {b})",
                         f"f.einsum('ij,ij->j', {a}, {a})",
                         f"f.einsum('ij->{r.choice(('j', 'ji', ''))}', {a})"])
    if name.startswith("linear") and r.random() < 0.6:
        columns = program.values[b].shape[1] if b in program.values else len(x)
        c = program.pick(r, lambda y: y.shape == (columns,)) or program.constant(np.arange(columns) * 0.5)
        return f"f.{name}({a}, {b}, {c})"
    return f"f.{name}({a}, {b})"


@writes("eigvalsh", "matrix_power", "qr", "svd", "pinv", "lstsq")
def factored(program, r, name):
    a = program.pick(r, lambda x: x.ndim == 2 and max(x.shape) < 5)
    if a:
        m, n = program.values[a].shape
        if name in ("eigvalsh", "matrix_power"):
            a, n = (f"f.matmul({a}, f.transpose({a}))", m) if m != n else (a, n)
        far = np.eye(m if name != "matrix_power" and name != "eigvalsh" else n, n) * (2.0 + np.arange(n))
        s = f"({a} * 0.1 + {program.constant(far)})"
        if name == "eigvalsh":
            return f"f.eigvalsh({s} + f.transpose({s}))"
        if name == "lstsq":
            b = program.pick(r, lambda y: y.ndim == 2 and len(y) == m)
            return f"f.lstsq({s}, {b})[0]"
        more = {"matrix_power": f", {r.choice((-2, -1, 0, 2, 3))}", "svd": ", False"}.get(name, "")
        return f"f.{name}({s}{more}){ {'qr': r.choice(('', '[0]', '[1]')), 'svd': '[1]'}.get(name, '')}"


@writes("fft", "ifft", "rfft", "irfft")
def transformed(program, r, name):
    n = program.pick(r, lambda x: x.ndim and (name != "irfft" or x.shape[-1] > 1))
    if n:
        y = f"f.{name}({n}, {r.choice((None, 2, 3, 4))}, -1, '{r.choice(('backward', 'ortho', 'forward'))}')"
        return y if name == "irfft" else f"f.{r.choice(('real', 'imag'))}({y})"


@writes("diag", "tril", "triu")
def triangular(program, r, name):
    n = program.pick(r, lambda x: x.ndim == 2 or (name == "diag" and x.ndim == 1))
    return f"f.{name}({n}, {r.choice((0, 0, 1, -1))})" if n else None


@writes("cross", "kron")
def of_two(program, r, name):
    a = program.pick(r, lambda x: (x.size < 7 if name == "kron" else x.ndim and x.shape[-1] == 3))
    b = program.pick(r, lambda y: (y.size < 7 if name == "kron" else y.shape == (3,)))
    return f"f.{name}({a}, {b})" if a and b else None


@writes("norm")
def norm(program, r, name):
    n = program.pick(r, lambda x: x.ndim and x.size > 1)
    if n:
        axis = r.choice([None, an_axis(r, program.values[n])])
        return f"f.norm({n}, axis={axis})" if NUMPY["norm"](program.values[n], axis).min() > 0.2 else None


@writes("inv", "solve", "det", "slogdet", "cholesky", "eigh")
def decomposed(program, r, name):
    a = program.pick(r, lambda x: x.ndim == 2 and len(x) < 4)
    if a:
        n = len(program.values[a])
        s = f"f.matmul({a}, f.transpose({a})) * 0.1 + {program.constant(np.diag(np.arange(n) + 2.0))}"
        more = {"solve": f", {program.pick(r, lambda y: y.ndim == 2 and len(y) == n)}"}.get(name, "")
        return f"f.{name}({s}{more}){ {'slogdet': '[1]', 'eigh': '[0]'}.get(name, '')}"


@writes("softmax", "softmax_simple", "log_softmax")
def softmax(program, r, name):
    n = program.pick(r, lambda x: x.ndim)
    if n:
        return f"f.{name}({n}, {an_axis(r, program.values[n])})"


@writes("mean_squared_error", "mean_squared_error_simple", "mean_absolute_error", "huber")
def loss_of_two(program, r, name):
    a = program.pick(r, lambda x: x.ndim)
    if a:
        x = program.values[a]
        b = program.pick(r, lambda y: y.shape == x.shape and y is not x) or program.constant(np.full(x.shape, 0.5))
        d = x - program.fresh.get(b, program.values.get(b))
        if not far(d, *{"mean_absolute_error": [0.0], "huber": [1.0, -1.0]}.get(name, ())):
            return None
        return f"f.{name}({a}, {b})"


@writes("softmax_cross_entropy", "softmax_cross_entropy_simple", "sigmoid_cross_entropy", "binary_cross_entropy")
def loss_of_labels(program, r, name):
    n = program.pick(r, lambda x: x.ndim == 2)
    if n:
        x = program.values[n]
        if name.startswith("softmax"):
            return f"f.{name}({n}, {program.constant([r.randrange(x.shape[1]) for _ in x])})"
        t = program.constant([[r.randrange(2) for _ in row] for row in x])
        return f"f.{name}({program.inside(n, 0.1, 0.9) if name.startswith('binary') else n}, {t})"


@writes("dropout")
def dropout(program, r, name):
    n = program.pick(r, lambda x: x.ndim)
    if n:
        return f"(np.random.seed({r.randrange(100)}), f.dropout({n}, {r.choice((0.2, 0.5))}))[1]"


@writes("layer_norm", "batch_norm", "batch_nrom")
def normalised(program, r, name):
    axes = (-1,) if name == "layer_norm" else (0, 2, 3)
    n = program.pick(r, lambda x: x.ndim > 1 and x.var(tuple(k for k in axes if k < x.ndim)).min() > 0.1
                     and (x.shape[-1] if name == "layer_norm" else x.size // x.shape[1]) > 2)
    if n:
        k = program.values[n].shape[-1 if name == "layer_norm" else 1]
        gamma, beta = (program.pick(r, lambda y: y.shape == (k,)) or program.constant(np.arange(k) * 0.3 + c)
                       for c in (0.7, 0.1))
        return f"f.{name}({n}, {gamma}, {beta}{'' if name == 'layer_norm' else f', np.zeros({k}), np.ones({k})'})"


CONV = "conv2d conv2d_simple deconv2d conv1d conv3d pooling pooling_simple average_pooling im2col col2im".split()


def image(program, r):
    """An expression for a value as (N, C, H, W), and that value; or None and None."""
    n = program.pick(r, lambda x: x.ndim > 1 and min(x.shape[-2:]) > 1)
    if not n:
        return None, None
    x = program.values[n]
    full = (1,) * (4 - x.ndim) + x.shape
    return (n if x.ndim == 4 else f"f.reshape({n}, {full})"), x.reshape(full)


def kernel_from(program, r, shape):
    """Weights of that shape, of another value where one has so many elements."""
    size = math.prod(shape)
    n = program.pick(r, lambda y: y.size >= size)
    if n and r.random() < 0.8:
        return f"f.reshape(f.get_item(f.reshape({n}, (-1,)), slice({size})), {shape})"
    return program.constant((np.arange(size) % 5 * 0.3 - 0.5).reshape(shape))


@writes("conv2d", "conv2d_simple", "deconv2d", "conv1d", "conv3d")
def convolution(program, r, name):
    if name == "conv1d":
        x = program.pick(r, lambda x: x.ndim == 3 and x.shape[2] > 1)
        if not x:
            return None
        W = kernel_from(program, r, (r.randint(1, 2), program.values[x].shape[1], 2))
        b, options = "None", f"{r.randint(1, 2)}, {r.randint(0, 1)}"
    else:
        x, value = image(program, r)
        if not x:
            return None
        shape = value.shape
        out = r.randint(1, 2)
        kh, kw = r.choice(((2, 2), (1, 2), (1, 1)))
        if name == "conv3d":        # an image as a volume, its channels one behind the other
            x, kernel = f"f.reshape({x}, {(1, *shape)})", (out, shape[0], r.randint(1, min(2, shape[1])), kh, kw)
        else:
            kernel = (shape[1], out, kh, kw) if name == "deconv2d" else (out, shape[1], kh, kw)
        W = kernel_from(program, r, kernel)
        b = program.pick(r, lambda y: y.shape == (out,)) or r.choice(("None", program.constant(np.arange(out) + 0.5)))
        options = f"{r.randint(1, 2)}, {0 if name == 'deconv2d' else r.randint(0, 1)}"
    y = f"f.{name}({x}, {W}, {b}, {options})"
    return f"f.get_item({y}, 0)" if name == "conv3d" else y     # values have four axes at most


@writes("pooling", "pooling_simple", "average_pooling", "im2col")
def window(program, r, name):
    x, value = image(program, r)
    if not x:
        return None
    stride, pad = r.randint(1, 2), r.randint(0, 1)
    if name.startswith("pooling"):
        places = records.windows(value, 2, stride, pad, -np.inf)
        places = np.sort(places.reshape(*places.shape[:4], 4), axis=-1)
        if (places[..., -1] - places[..., -2]).min() < MARGIN:
            return None
    return f"f.{name}({x}, 2, {stride}, {pad})"


@writes("col2im")
def col2im(program, r, name):
    n = program.pick(r, lambda x: x.size >= 16)
    if n:
        return f"f.col2im(f.reshape(f.get_item(f.reshape({n}, (-1,)), slice(16)), (4, 4)), (1, 1, 3, 3), 2)"


NAMES = sorted(WRITERS)
DEZERO_C = types.SimpleNamespace(**{n: getattr(FC if n in CONV else F, n) for n in NAMES})
