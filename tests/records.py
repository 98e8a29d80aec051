"""One record for every function that is not in the elementwise table: what it computes, on which inputs, to which order
of derivatives, and what it refuses. tests/test_functions.py makes the tests of them; a public function without a record
fails.

The references are NumPy over ndarrays, written without dezero_c: loops, where that is plainer.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np

import dezero_c.functions as F
import dezero_c.functions_conv as FC
from dezero_c import Variable, test_mode
from dezero_c._numpy_functions import FUNCTIONS

AxisError = np.exceptions.AxisError


@dataclass(frozen=True)
class Case:
    """One way to call a function.

    call: from Variables to a Variable or a sequence of them; reference: the same from ndarrays to ndarrays; shapes: of
    the arguments, all of which are differentiated; empty and zero_d: other shapes for the same call, with no elements
    and with no axes.
    """

    label: str
    call: Callable
    reference: Callable
    shapes: Sequence[tuple[int, ...]]
    empty: Sequence[Sequence[tuple[int, ...]]] = ()
    zero_d: Sequence[Sequence[tuple[int, ...]]] = ()
    points: object = None       # in place of the record's


@dataclass(frozen=True)
class Record:
    """A public function.

    names: it and its other names; points: (low, high) for uniform values, "apart" for values that differ by 0.1 at
    least (where the function has kinks), or a function of (rng, shapes); order: to which derivatives are compared, 0
    where there are none; integers: what integer inputs give: "same" for integers and integer gradients, "values" for
    integers whose gradients may be floats, "float", None for no promise; half: for float16 inputs "same", an exception,
    or None; bad: calls that fail, with the exception and a pattern of its text, which names the function; special:
    pairs of a call without arguments and its exact result.
    """

    names: Sequence[str]
    cases: Sequence[Case]
    points: object = (-2.0, 2.0)
    order: int = 3
    integers: object = "float"
    half: object = "same"
    bad: Sequence[tuple[Callable, type, str]] = ()
    special: Sequence[tuple[Callable, object]] = ()
    rtol: float = 1e-4          # of finite differences
    module: object = field(default=F)

    @property
    def name(self):
        return self.names[0]


def of_numpy(record, case):
    """NumPy's functions by the name of the record's that a case's reference is, or calls, where they take Variables too."""
    code = getattr(case.reference, "__code__", None)
    called = code.co_names if code is not None and "np" in code.co_names else ()
    return [f for f in FUNCTIONS if f.__name__ in record.names and (f is case.reference or f.__name__ in called)]


def v(*shape):
    return Variable(np.ones(shape))


NONE = Variable(None)


def random_labels(n, classes):
    return np.random.default_rng(n).integers(0, classes, n)


TURN = np.complex64(0.5 - 1.5j)


def parts(z):
    """A complex array as two real ones."""
    return (F.real(z), F.imag(z)) if isinstance(z, Variable) else (z.real, z.imag)


def as_complex(x):
    return F.cast(x, np.result_type(x.dtype, np.complex64))


def power_spectrum(f, z):
    z = f.exp(z * TURN) + f.sin(z)
    return f.real(z * f.conj(z) + f.conj(z * z))


# ---- shapes --------------------------------------------------------------------------------------------------------

SHAPE = [
    Record(
        ["reshape"],
        [Case("tuple", lambda x: F.reshape(x, (4, 3)), lambda x: x.reshape(4, 3), [(3, 4)]),
         Case("minus_one", lambda x: F.reshape(x, (-1, 2)), lambda x: x.reshape(-1, 2), [(3, 4)], empty=[[(0, 3)]]),
         Case("to_0d", lambda x: F.reshape(x, ()), lambda x: x.reshape(()), [(1, 1)], zero_d=[[()]]),
         Case("int", lambda x: F.reshape(x, 6), lambda x: x.reshape(6), [(3, 2)])],
        integers="same",
        bad=[(lambda: F.reshape(v(2, 3), (4, 2)), ValueError, r"reshape.*\(2, 3\).*\(4, 2\)"),
             (lambda: F.reshape(NONE, (1,)), TypeError, "reshape.*no data")]),
    Record(
        ["transpose"],
        [Case("default", lambda x: F.transpose(x), lambda x: x.T, [(3, 4)], empty=[[(0, 3)]], zero_d=[[()]]),
         Case("axes", lambda x: F.transpose(x, (1, 2, 0)), lambda x: x.transpose(1, 2, 0), [(2, 3, 4)]),
         Case("negative", lambda x: F.transpose(x, (-1, 0, -2)), lambda x: x.transpose(2, 0, 1), [(2, 3, 4)])],
        integers="same",
        bad=[(lambda: F.transpose(v(2, 3), (0, 0)), ValueError, r"transpose.*\(0, 0\).*\(2, 3\)"),
             (lambda: F.transpose(NONE), TypeError, "transpose.*no data")]),
    Record(
        ["broadcast_to"],
        [Case("leading", lambda x: F.broadcast_to(x, (2, 3, 4)), lambda x: np.broadcast_to(x, (2, 3, 4)), [(3, 1)],
              zero_d=[[()]]),
         Case("no_op", lambda x: F.broadcast_to(x, (2, 3)), lambda x: x, [(2, 3)]),
         Case("empty", lambda x: F.broadcast_to(x, (0, 3)), lambda x: np.broadcast_to(x, (0, 3)), [(1, 3)],
              empty=[[(0, 1)], [(0, 3)]])],
        integers="same",
        bad=[(lambda: F.broadcast_to(v(2, 3), (2, 4)), ValueError, r"broadcast_to.*\(2, 3\).*\(2, 4\)"),
             (lambda: F.broadcast_to(NONE, (2,)), TypeError, "broadcast_to.*no data")]),
    Record(
        ["sum_to"],
        [Case("ones", lambda x: F.sum_to(x, (1, 4)), lambda x: x.sum(0, keepdims=True), [(3, 4)], empty=[[(0, 4)]]),
         Case("leading", lambda x: F.sum_to(x, (4,)), lambda x: x.sum((0, 1)), [(2, 3, 4)]),
         Case("all", lambda x: F.sum_to(x, ()), lambda x: x.sum(), [(2, 3)], empty=[[(0, 4)]], zero_d=[[()]])],
        integers="same",
        bad=[(lambda: F.sum_to(v(2, 3), (2, -4)), ValueError, r"sum_to.*\(2, 3\).*\(2, -4\)"),
             (lambda: F.sum_to(v(2), (2, 2)), ValueError, r"sum_to.*\(2,\).*\(2, 2\)"),
             (lambda: F.sum_to(NONE, (1,)), TypeError, "sum_to.*no data")]),
    Record(
        ["expand_dims"],
        [Case("first", lambda x: F.expand_dims(x, 0), lambda x: np.expand_dims(x, 0), [(2, 3)], empty=[[(0, 3)]],
              zero_d=[[()]]),
         Case("last", lambda x: F.expand_dims(x, -1), lambda x: np.expand_dims(x, -1), [(2, 3)]),
         Case("two", lambda x: F.expand_dims(x, (0, 2)), lambda x: np.expand_dims(x, (0, 2)), [(2, 3)])],
        integers="same",
        bad=[(lambda: F.expand_dims(v(2, 3), (4,)), AxisError, r"expand_dims.*4.*\(2, 3\)"),
             (lambda: F.expand_dims(NONE, 0), TypeError, "expand_dims.*no data")]),
    Record(
        ["flatten"],
        [Case("images", lambda x: F.flatten(x), lambda x: x.reshape(len(x), -1), [(2, 3, 2)]),
         Case("rows", lambda x: F.flatten(x), lambda x: x.reshape(len(x), int(np.prod(x.shape[1:]))), [(3,)],
              empty=[[(0, 3, 2)], [(2, 0, 3)]])],
        integers="same",
        bad=[(lambda: F.flatten(NONE), TypeError, "flatten.*no data")]),
    Record(
        ["squeeze"],
        [Case("all", lambda x: F.squeeze(x), lambda x: np.squeeze(x), [(1, 3, 1)], empty=[[(1, 0)]], zero_d=[[()]]),
         Case("one", lambda x: F.squeeze(x, -1), lambda x: np.squeeze(x, -1), [(1, 3, 1)]),
         Case("two", lambda x: F.squeeze(x, (0, 2)), lambda x: np.squeeze(x, (0, 2)), [(1, 3, 1)])],
        integers="same",
        bad=[(lambda: F.squeeze(v(2, 3), 1), ValueError, r"squeeze.*\(2, 3\)"),
             (lambda: F.squeeze(v(2, 3), 2), AxisError, r"squeeze.*2.*\(2, 3\)")]),
    Record(
        ["moveaxis"],
        [Case("one", lambda x: F.moveaxis(x, 0, -1), lambda x: np.moveaxis(x, 0, -1), [(2, 3, 4)], empty=[[(0, 3, 2)]]),
         Case("two", lambda x: F.moveaxis(x, (0, 1), (2, 0)), lambda x: np.moveaxis(x, (0, 1), (2, 0)), [(2, 3, 4)])],
        integers="same",
        bad=[(lambda: F.moveaxis(v(2, 3), 2, 0), AxisError, r"moveaxis.*2.*\(2, 3\)"),
             (lambda: F.moveaxis(v(2, 3), (0, 1), 0), ValueError, "moveaxis")]),
    Record(
        ["swapaxes"],
        [Case("two", lambda x: F.swapaxes(x, 0, -1), lambda x: np.swapaxes(x, 0, -1), [(2, 3, 4)], empty=[[(0, 3)]])],
        integers="same",
        bad=[(lambda: F.swapaxes(v(2, 3), 0, 2), AxisError, r"swapaxes.*2.*\(2, 3\)")]),
    Record(
        ["flip"],
        [Case("all", lambda x: F.flip(x), lambda x: np.flip(x), [(2, 3)], empty=[[(0, 3)]], zero_d=[[()]]),
         Case("one", lambda x: F.flip(x, -1), lambda x: np.flip(x, -1), [(2, 3)]),
         Case("two", lambda x: F.flip(x, (0, 2)), lambda x: np.flip(x, (0, 2)), [(2, 2, 3)])],
        integers="same",
        bad=[(lambda: F.flip(v(2, 3), 2), AxisError, r"flip.*2.*\(2, 3\)")]),
    Record(
        ["roll"],
        [Case("flat", lambda x: F.roll(x, 2), lambda x: np.roll(x, 2), [(2, 3)], empty=[[(0, 3)]]),
         Case("axis", lambda x: F.roll(x, -4, 1), lambda x: np.roll(x, -4, 1), [(2, 3)]),
         Case("axes", lambda x: F.roll(x, (1, 2), (0, 1)), lambda x: np.roll(x, (1, 2), (0, 1)), [(2, 3)])],
        integers="same",
        bad=[(lambda: F.roll(v(2, 3), 1.5), TypeError, r"roll: shift is 1\.5"),
             (lambda: F.roll(v(2, 3), [1, 1.5], (0, 1)), TypeError, r"roll: shift is 1\.5"),
             (lambda: F.roll(v(2, 3), 1, 2), AxisError, r"roll.*2.*\(2, 3\)")]),
    Record(
        ["cast"],
        [Case("same", lambda x: F.cast(x, x.dtype), lambda x: x.copy(), [(2, 3)], empty=[[(0, 3)]], zero_d=[[()]])],
        integers="same",
        bad=[(lambda: F.cast(v(2), "U3"), TypeError, "cast.*U3"), (lambda: F.cast(NONE, float), TypeError, "cast.*no data")]),
    Record(
        ["real"],
        [Case("real", lambda x: F.real(x), np.real, [(2, 3)], empty=[[(0, 3)]], zero_d=[[()]]),
         Case("complex", lambda x: F.real(as_complex(x) * TURN), lambda x: (x * TURN).real, [(2, 3)])],
        integers=None, half=None, bad=[(lambda: F.real(NONE), TypeError, "real.*no data")]),
    Record(
        ["imag"],
        [Case("real", lambda x: F.imag(x), np.imag, [(2, 3)], empty=[[(0, 3)]], zero_d=[[()]]),
         Case("complex", lambda x: F.imag(F.exp(as_complex(x) * TURN)), lambda x: np.exp(x * TURN).imag, [(2, 3)])],
        integers=None, half=None, bad=[(lambda: F.imag(NONE), TypeError, "imag.*no data")]),
    Record(
        ["conj"],
        [Case("real", lambda x: F.conj(x), np.conj, [(2, 3)], empty=[[(0, 3)]], zero_d=[[()]]),
         Case("power", lambda x: power_spectrum(F, as_complex(x)), lambda x: power_spectrum(np, x.astype(complex)),
              [(2, 3)])],
        integers=None, half=None, bad=[(lambda: F.conj(NONE), TypeError, "conj.*no data")]),
    Record(
        ["stop_gradient"],
        [Case("same", lambda x: F.stop_gradient(x), lambda x: x, [(2, 3)], empty=[[(0, 3)]], zero_d=[[()]])],
        integers="same", order=0,
        bad=[(lambda: F.stop_gradient(NONE), TypeError, "stop_gradient.*no data")]),
]


# ---- joining and indexing ------------------------------------------------------------------------------------------

INDEX = np.array([0, 2, 0])
MASK = np.array([True, False, True])
IDS = np.array([[0, 3, 0], [1, 1, 0]])


def set_reference(index):
    def reference(x, u):
        y = x.copy()
        y[index] = u
        return y
    return reference


def add_reference(index):
    def reference(x, u):
        y = x.copy()
        np.add.at(y, index, u)
        return y
    return reference


JOIN = [
    Record(
        ["get_item"],
        [Case("int", lambda x: F.get_item(x, 1), lambda x: x[1], [(3, 4)]),
         Case("slices", lambda x: F.get_item(x, (slice(None, None, -2), slice(1, None))), lambda x: x[::-2, 1:],
              [(3, 4)],
              empty=[[(0, 3)]]),
         Case("ellipsis", lambda x: F.get_item(x, (..., None)), lambda x: x[..., None], [(3, 4)], zero_d=[[()]]),
         Case("repeated", lambda x: F.get_item(x, INDEX), lambda x: x[INDEX], [(3, 4)], empty=[[(3, 0)]]),
         Case("mask", lambda x: F.get_item(x, MASK), lambda x: x[MASK], [(3, 4)]),
         Case("pairs", lambda x: F.get_item(x, (INDEX, INDEX)), lambda x: x[INDEX, INDEX], [(3, 4)]),
         Case("mixed", lambda x: F.get_item(x, (INDEX, slice(None), 1)), lambda x: x[INDEX, :, 1], [(3, 2, 4)]),
         Case("none_chosen", lambda x: F.get_item(x, slice(0)), lambda x: x[:0], [(3, 2)])],
        integers="same",
        bad=[(lambda: F.get_item(v(2, 3), 7), IndexError, r"get_item.*\(2, 3\)"),
             (lambda: F.get_item(v(2, 3), (0, 0, 0)), IndexError, r"get_item.*\(2, 3\)"),
             (lambda: F.get_item(NONE, 0), TypeError, "get_item.*no data")]),
    Record(
        ["concatenate"],
        [Case("first", lambda a, b: F.concatenate([a, b]), lambda a, b: np.concatenate([a, b]), [(2, 3), (1, 3)],
              empty=[[(0, 3), (1, 3)], [(0, 3), (0, 3)]]),
         Case("last", lambda a, b, c: F.concatenate((a, b, c), axis=-1), lambda a, b, c: np.concatenate([a, b, c], -1),
              [(2, 1), (2, 3), (2, 2)])],
        integers="same",
        bad=[(lambda: F.concatenate([v(2, 3), v(2, 4)]), ValueError, r"concatenate.*\(2, 3\).*\(2, 4\)"),
             (lambda: F.concatenate([]), ValueError, "concatenate"),
             (lambda: F.concatenate([v(2), v(2)], 1), AxisError, "concatenate.*1"),
             (lambda: F.concatenate([v(2), NONE]), TypeError, "concatenate.*no data")]),
    Record(
        ["stack"],
        [Case("first", lambda a, b: F.stack([a, b]), lambda a, b: np.stack([a, b]), [(2, 3), (2, 3)],
              empty=[[(0, 3), (0, 3)]], zero_d=[[(), ()]]),
         Case("last", lambda a, b: F.stack([a, b], axis=-1), lambda a, b: np.stack([a, b], -1), [(2, 3), (2, 3)])],
        integers="same",
        bad=[(lambda: F.stack([v(2, 3), v(2, 4)]), ValueError, r"stack.*\(2, 3\).*\(2, 4\)"),
             (lambda: F.stack([]), ValueError, "stack"),
             (lambda: F.stack([v(2), v(2)], 3), AxisError, "stack.*3")]),
    Record(
        ["split"],
        [Case("equal", lambda x: F.split(x, 2), lambda x: np.split(x, 2), [(4, 3)], empty=[[(0, 3)]]),
         Case("places", lambda x: F.split(x, [1, 3], axis=1), lambda x: np.split(x, [1, 3], 1), [(2, 5)]),
         Case("one_used", lambda x: F.split(x, 3, axis=-1)[1], lambda x: np.split(x, 3, -1)[1], [(2, 3)])],
        integers="same",
        bad=[(lambda: F.split(v(3, 2), 1.5), TypeError, r"split: the number of parts is 1\.5"),
             (lambda: F.split(v(3, 2), [1.5]), TypeError, r"split: a place is 1\.5"),
             (lambda: F.split(v(3, 2), 2), ValueError, r"split.*\(3, 2\)"),
             (lambda: F.split(v(4), 2, 1), AxisError, "split.*1")]),
    Record(
        ["pad"],
        [Case("pairs", lambda x: F.pad(x, ((1, 0), (0, 2))), lambda x: np.pad(x, ((1, 0), (0, 2))), [(2, 3)],
              empty=[[(0, 3)]]),
         Case("int", lambda x: F.pad(x, 1), lambda x: np.pad(x, 1), [(2, 2)])],
        integers="same",
        bad=[(lambda: F.pad(v(2, 3), -1), ValueError, "pad"),
             (lambda: F.pad(v(2, 3), 1, "edge", 5), ValueError, "pad: constant_values are for mode 'constant'"),
             (lambda: F.pad(np.ones(2, int), 1, constant_values=1.7), ValueError, r"pad: constant_values 1\.7 .* int64"),
             (lambda: F.pad(v(2, 3), ((1, 1), (1, 1), (1, 1))), ValueError, "pad.*2 axes")]),
    Record(
        ["repeat"],
        [Case("flat", lambda x: F.repeat(x, 2), lambda x: np.repeat(x, 2), [(2, 3)], empty=[[(0, 3)]], zero_d=[[()]]),
         Case("axis", lambda x: F.repeat(x, 3, axis=-1), lambda x: np.repeat(x, 3, -1), [(2, 3)]),
         Case("each", lambda x: F.repeat(x, [0, 2, 1], axis=1), lambda x: np.repeat(x, [0, 2, 1], 1), [(2, 3)])],
        integers="same",
        bad=[(lambda: F.repeat(v(2, 3), 2, 2), AxisError, r"repeat.*2.*\(2, 3\)"),
             (lambda: F.repeat(v(2, 3), [1, 2], 1), ValueError, "repeat"),
             (lambda: F.repeat(v(2, 3), -1), ValueError, "repeat")]),
    Record(
        ["tile"],
        [Case("int", lambda x: F.tile(x, 2), lambda x: np.tile(x, 2), [(2, 3)], empty=[[(0, 3)]], zero_d=[[()]]),
         Case("more_axes", lambda x: F.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3)), [(2, 2)]),
         Case("fewer", lambda x: F.tile(x, (2,)), lambda x: np.tile(x, (2,)), [(2, 1, 2)])],
        integers="same",
        bad=[(lambda: F.tile(v(2, 3), -1), ValueError, "tile")]),
    Record(
        ["cumsum"],
        [Case("flat", lambda x: F.cumsum(x), lambda x: np.cumsum(x), [(2, 3)], empty=[[(0, 3)]], zero_d=[[()]]),
         Case("axis", lambda x: F.cumsum(x, axis=-1), lambda x: np.cumsum(x, -1), [(2, 3)])],
        integers="same",
        bad=[(lambda: F.cumsum(v(2, 3), 2), AxisError, r"cumsum.*2.*\(2, 3\)")]),
    Record(
        ["cumprod"],
        [Case("flat", lambda x: F.cumprod(x), lambda x: np.cumprod(x), [(2, 3)], empty=[[(0, 3)]], zero_d=[[()]]),
         Case("axis", lambda x: F.cumprod(x, axis=-1), lambda x: np.cumprod(x, -1), [(2, 3)], empty=[[(0, 3)], [(2, 0)]]),
         Case("columns", lambda x: F.cumprod(x, 0), lambda x: np.cumprod(x, 0), [(4, 2, 2)]),
         Case("zeros", lambda x: F.cumprod(x * MASK, 1), lambda x: np.cumprod(x * MASK, 1), [(2, 3)]),
         Case("all_zeros", lambda x: F.cumprod(x * 0.0), lambda x: np.cumprod(x * 0.0), [(3,)])],
        integers=None,
        bad=[(lambda: F.cumprod(v(2, 3), 2), AxisError, r"cumprod.*2.*\(2, 3\)"),
             (lambda: F.cumprod(v(), 0), AxisError, "cumprod.*0"),
             (lambda: F.cumprod(NONE), TypeError, "cumprod.*no data")]),
    Record(
        ["diff"],
        [Case("last", lambda x: F.diff(x), lambda x: np.diff(x), [(2, 4)], empty=[[(0, 3)], [(2, 0)]]),
         Case("twice", lambda x: F.diff(x, 2, 0), lambda x: np.diff(x, 2, 0), [(4, 2)]),
         Case("more_than_there_are", lambda x: F.diff(x, 5), lambda x: np.diff(x, 5), [(2, 4)]),
         Case("extended", lambda x, a, b: F.diff(x, 1, 1, a, b), lambda x, a, b: np.diff(x, 1, 1, a, b),
              [(2, 4), (2, 2), (2, 1)]),
         Case("by_numbers", lambda x: F.diff(x, prepend=0, append=[[1], [2]]),
              lambda x: np.diff(x, prepend=x.dtype.type(0), append=np.array([[1], [2]], x.dtype)), [(2, 4)])],
        integers="same",
        bad=[(lambda: F.diff(v(2, 3), 1, 2), AxisError, r"diff.*2.*\(2, 3\)"),
             (lambda: F.diff(v(2, 3), -1), ValueError, "diff.*-1.*negative"),
             (lambda: F.diff(v()), ValueError, "diff.*0-d"),
             (lambda: F.diff(np.array([True, False])), TypeError, "diff.*booleans"),
             (lambda: F.diff(v(2, 3), prepend="a"), TypeError, "str"),
             (lambda: F.diff(NONE), TypeError, "diff.*no data")]),
    Record(
        ["embed_id"],
        [Case("ids", lambda W: F.embed_id(IDS, W), lambda W: W[IDS], [(4, 2)], empty=[[(4, 0)]]),
         Case("one", lambda W: F.embed_id(Variable(np.array(1)), W), lambda W: W[1], [(4, 2)]),
         Case("none", lambda W: F.embed_id(np.zeros((0, 2), int), W), lambda W: W[np.zeros((0, 2), int)], [(4, 2)])],
        integers="same",
        bad=[(lambda: F.embed_id(np.array([4]), v(4, 2)), IndexError, r"embed_id.*4.*\(4, 2\)"),
             (lambda: F.embed_id(np.array([0.5]), v(4, 2)), TypeError, "embed_id.*float64")]),
    Record(
        ["take"],
        [Case("flat", lambda x: F.take(x, IDS), lambda x: np.take(x, IDS), [(2, 3)]),
         Case("axis", lambda x: F.take(x, IDS, axis=1), lambda x: np.take(x, IDS, 1), [(2, 4)], empty=[[(0, 4)]])],
        integers="same",
        bad=[(lambda: F.take(v(2, 3), 6), IndexError, "take"),
             (lambda: F.take(v(2, 3), 0.5), TypeError, "take"),
             (lambda: F.take(v(2, 3), 0, 2), AxisError, "take.*2")]),
    Record(
        ["take_along_axis"],
        [Case("axis", lambda x: F.take_along_axis(x, INDEX[None], 0), lambda x: np.take_along_axis(x, INDEX[None], 0),
              [(3, 3)]),
         Case("flat", lambda x: F.take_along_axis(x, INDEX, None), lambda x: np.take_along_axis(x, INDEX, None),
              [(2, 3)])],
        integers="same",
        bad=[(lambda: F.take_along_axis(v(2, 3), INDEX, 1), ValueError, r"take_along_axis.*\(3,\).*\(2, 3\)"),
             (lambda: F.take_along_axis(v(2, 3), np.array([[0.5]]), 1), TypeError, "take_along_axis")]),
    Record(
        ["set_at"],
        [Case("int", lambda x, u: F.set_at(x, 1, u), set_reference(1), [(3, 4), (4,)], empty=[[(3, 0), (0,)]]),
         Case("stretched", lambda x, u: F.set_at(x, (slice(None), slice(1, 3)), u), set_reference((slice(None), slice(1, 3))),
              [(3, 4), (3, 1)]),
         Case("more_axes", lambda x, u: F.set_at(x, slice(0, 2), u), set_reference(slice(0, 2)), [(3, 2), (1, 1, 2)]),
         Case("repeated", lambda x, u: F.set_at(x, (INDEX, slice(None)), u), set_reference((INDEX, slice(None))),
              [(3, 4), (3, 4)]),
         Case("pairs", lambda x, u: F.set_at(x, (INDEX, INDEX), u), set_reference((INDEX, INDEX)), [(3, 4), (1,)]),
         Case("mask", lambda x, u: F.set_at(x, MASK, u), set_reference(MASK), [(3, 4), (2, 4)]),
         Case("all", lambda x, u: F.set_at(x, ..., u), set_reference(...), [(2,), (2,)], zero_d=[[(), ()]])],
        integers="same",
        bad=[(lambda: F.set_at(v(2, 3), 7, 1.0), IndexError, r"set_at.*\(2, 3\)"),
             (lambda: F.set_at(v(2, 3), 0, np.ones(2)), ValueError, r"set_at.*\(2,\).*\(3,\).*\(2, 3\)"),
             (lambda: F.set_at(np.arange(3), 0, 0.5), TypeError, "set_at.*float64.*int64"),
             (lambda: F.set_at(v(2), 0, NONE), TypeError, "set_at.*no data"),
             (lambda: F.set_at(v(2), 0, "a"), TypeError, "set_at.*str"),
             (lambda: F.set_at(NONE, 0, 1.0), TypeError, "set_at.*no data")]),
    Record(
        ["add_at"],
        [Case("int", lambda x, u: F.add_at(x, 1, u), add_reference(1), [(3, 4), (4,)], empty=[[(3, 0), (0,)]]),
         Case("stretched", lambda x, u: F.add_at(x, (slice(None), slice(1, 3)), u), add_reference((slice(None), slice(1, 3))),
              [(3, 4), (3, 1)]),
         Case("repeated", lambda x, u: F.add_at(x, INDEX, u), add_reference(INDEX), [(3, 4), (3, 4)]),
         Case("repeated_number", lambda x, u: F.add_at(x, INDEX, u), add_reference(INDEX), [(3, 4), (1,)]),
         Case("mixed", lambda x, u: F.add_at(x, (INDEX, slice(None), 1), u), add_reference((INDEX, slice(None), 1)),
              [(3, 2, 4), (3, 2)]),
         Case("mask", lambda x, u: F.add_at(x, MASK, u), add_reference(MASK), [(3, 4), (2, 4)]),
         Case("all", lambda x, u: F.add_at(x, ..., u), add_reference(...), [(2,), (2,)], zero_d=[[(), ()]])],
        integers="same",
        bad=[(lambda: F.add_at(v(2, 3), 7, 1.0), IndexError, r"add_at.*\(2, 3\)"),
             (lambda: F.add_at(v(2, 3), 0, np.ones(2)), ValueError, r"add_at.*\(2,\).*\(3,\).*\(2, 3\)"),
             (lambda: F.add_at(np.arange(3), 0, 0.5), TypeError, "add_at.*float64.*int64"),
             (lambda: F.add_at(NONE, 0, 1.0), TypeError, "add_at.*no data")]),
    Record(
        ["diagonal"],
        [Case("main", lambda x: F.diagonal(x), lambda x: np.diagonal(x), [(3, 4)], empty=[[(0, 3)]]),
         Case("offset", lambda x: F.diagonal(x, 1), lambda x: np.diagonal(x, 1), [(3, 4)]),
         Case("axes", lambda x: F.diagonal(x, -1, 2, 0), lambda x: np.diagonal(x, -1, 2, 0), [(3, 2, 4)])],
        integers="same",
        bad=[(lambda: F.diagonal(v(3)), ValueError, r"diagonal.*\(3,\)")]),
    Record(
        ["trace"],
        [Case("main", lambda x: F.trace(x), np.trace, [(3, 4)], empty=[[(0, 3)]]),
         Case("offset", lambda x: F.trace(x, 1), lambda x: np.trace(x, 1), [(3, 4)])],
        integers="same",
        bad=[(lambda: F.trace(v(3)), ValueError, r"trace.*\(3,\)")]),
]


# ---- reductions ----------------------------------------------------------------------------------------------------

def over_axes(name, reference, *, axes=(None, 1, (0, -1)), empty=(), zero_d=((),), shape=(2, 3, 2), **more):
    """Cases of a reduction over several axes, with and without keepdims."""
    f = getattr(F, name, None)
    cases = []
    for i, (axis, keepdims) in enumerate(product(axes, (False, True))):
        cases.append(Case(f"{axis}{'_keepdims' if keepdims else ''}",
                          lambda x, a=axis, k=keepdims: f(x, axis=a, keepdims=k, **more),
                          lambda x, a=axis, k=keepdims: reference(x, axis=a, keepdims=k, **more),
                          [shape], zero_d=[[s] for s in zero_d] if axis is None else (),
                          empty=[[s] for s in empty] if i == 2 else ()))
    return cases


def bad_axes(name):
    return [(lambda: getattr(F, name)(v(2, 3), axis=2), AxisError, rf"{name}: axis 2.*\(2, 3\)"),
            (lambda: getattr(F, name)(NONE), TypeError, f"{name}.*no data")]


def log_sum_exp(x, axis=None, keepdims=False):
    return np.log(np.exp(x).sum(axis=axis, keepdims=keepdims))


def with_ties(name):
    f = getattr(F, name)
    x = Variable(np.array([[1.0, 3.0, 3.0], [2.0, 1.0, 1.0]]))
    f(x, axis=1).backward()
    return x.grad


def zeros_in_product():
    x = Variable(np.array([[2.0, 0.0, 3.0], [0.0, 5.0, 0.0], [1.0, 2.0, 3.0]]))
    F.prod(x, axis=1).backward()
    return x.grad


def in_own_dtype(f):
    """np.interp gives float64 always."""
    return lambda x, *xs: f(x, *xs).astype(x.dtype)


REDUCE = [
    Record(["sum"], over_axes("sum", np.sum, empty=[(2, 0, 3), (0, 3, 0)]), integers="same",
           bad=[(lambda: F.sum(v(2, 3), axis=2), AxisError, r"sum: axis 2.*\(2, 3\)"),
                (lambda: F.sum(NONE), TypeError, "sum.*no data")],
           special=[(lambda: F.sum(Variable(np.zeros((0, 2)))), 0.0)]),
    Record(["mean", "average"], over_axes("mean", np.mean, empty=[(0, 3, 2)]), bad=bad_axes("mean"),
           special=[(lambda: F.mean(Variable(np.array([1, 2]))), 1.5)]),
    Record(["max"], over_axes("max", np.max, empty=[(0, 3, 2)]), points="apart", integers="same",
           bad=[*bad_axes("max"), (lambda: F.max(v(0, 3), axis=0), ValueError, r"max.*\(0, 3\)")],
           special=[(lambda: F.max(Variable(np.array([1.0, np.nan]))), np.nan),
                    (lambda: with_ties("max"), [[0, 1, 1], [1, 0, 0]])]),
    Record(["min"], over_axes("min", np.min, empty=[(0, 3, 2)]), points="apart", integers="same",
           bad=[*bad_axes("min"), (lambda: F.min(v(0, 3), axis=0), ValueError, r"min.*\(0, 3\)")],
           special=[(lambda: F.min(Variable(np.array([1.0, np.nan]))), np.nan),
                    (lambda: with_ties("min"), [[1, 0, 0], [0, 1, 1]])]),
    Record(["prod"], [*over_axes("prod", np.prod, empty=[(0, 3, 2), (2, 0, 3)], shape=(2, 2, 2)),
                      Case("zeros", lambda x: F.prod(x * MASK, 1), lambda x: np.prod(x * MASK, 1), [(2, 3)])],
           points=(0.5, 1.5), integers="values", bad=bad_axes("prod"),
           special=[(zeros_in_product, [[0, 6, 0], [0, 0, 0], [6, 3, 2]])]),
    Record(["var"], [*over_axes("var", np.var, empty=[(0, 3, 2)]),
                     *over_axes("var", np.var, axes=(1,), zero_d=(), ddof=1)],
           bad=[*bad_axes("var"), (lambda: F.var(v(1, 3), axis=0, ddof=1), ValueError, "var.*ddof"),
                (lambda: F.var(v(0, 3)), ValueError, r"var.*\(0, 3\)")]),
    Record(["std"], [*over_axes("std", np.std, empty=[(0, 3, 2)], zero_d=()),
                     *over_axes("std", np.std, axes=(1,), zero_d=(), ddof=1)],
           points="apart", bad=[*bad_axes("std"), (lambda: F.std(v(1, 3), axis=0, ddof=1), ValueError, "std.*ddof")]),
    Record(["logsumexp"], over_axes("logsumexp", log_sum_exp, empty=[(0, 3, 2)]),
           bad=[*bad_axes("logsumexp"), (lambda: F.logsumexp(v(0, 3), axis=0), ValueError, r"logsumexp.*\(0, 3\)")],
           special=[(lambda: F.logsumexp(Variable(np.array([1000.0, 1000.0]))), 1000 + np.log(2)),
                    (lambda: F.logsumexp(Variable(np.array([-np.inf, -np.inf]))), -np.inf),
                    (lambda: F.logsumexp(Variable(np.array([np.inf, 0.0]))), np.inf)]),
    Record(
        ["sort"],
        [Case("last", lambda x: F.sort(x), lambda x: np.sort(x), [(2, 4)], empty=[[(0, 3)], [(2, 0)]]),
         Case("first", lambda x: F.sort(x, axis=0), lambda x: np.sort(x, 0), [(3, 2, 2)]),
         Case("flat", lambda x: F.sort(x, None), lambda x: np.sort(x, None), [(2, 3)], zero_d=[[()]])],
        points="apart", integers="same",
        bad=[(lambda: F.sort(v(2, 3), 2), AxisError, r"sort.*2.*\(2, 3\)"), (lambda: F.sort(v()), AxisError, "sort.*0-d"),
             (lambda: F.sort(NONE), TypeError, "sort.*no data")],
        special=[(lambda: F.sort(np.array([np.nan, 2.0, -np.inf, 1.0])), [-np.inf, 1, 2, np.nan])]),
    Record(
        ["median"],
        [*over_axes("median", np.median, empty=[(0, 3, 2)]),
         Case("odd", lambda x: F.median(x, 0), lambda x: np.median(x, 0), [(3, 2)])],
        points="apart",
        bad=[*bad_axes("median"), (lambda: F.median(v(0, 3), 0), ValueError, r"median.*\(0, 3\)"),
             (lambda: F.median(v(2) * 1j), TypeError, "median.*complex128")],
        special=[(lambda: F.median(np.array([[1.0, np.nan, 3.0], [3.0, 1.0, 2.0]]), 1), [np.nan, 2.0]),
                 (lambda: F.median(np.array([1e308, 1.5e308])), 1.25e308),
                 (lambda: F.median(np.array([np.inf, 1.0, np.inf, np.inf])), np.inf)]),
    Record(
        ["quantile"],
        [*over_axes("quantile", np.quantile, empty=[(0, 3, 2)], q=0.3),
         *over_axes("quantile", np.quantile, axes=(1, (0, 2)), zero_d=(), q=[[0.0, 0.25], [0.8, 1.0]]),
         Case("share", lambda x, q: F.quantile(x, q, 0), lambda x, q: np.quantile(x, q, 0).astype(x.dtype), [(5, 2), (3,)],
              points=lambda rng, shapes: [rng.permutation(10).reshape(5, 2) * 0.2, np.array([0.1, 0.45, 0.8])])],
        points="apart", half=None, integers=None,
        bad=[(lambda: F.quantile(v(2, 3), 0.5, 2), AxisError, r"quantile: axis 2.*\(2, 3\)"),
             (lambda: F.quantile(v(2, 3), [0.5, 1.5]), ValueError, r"quantile.*1\.5"),
             (lambda: F.quantile(v(2, 3), np.nan), ValueError, "quantile.*nan"),
             (lambda: F.quantile(v(0, 3), 0.5, 0), ValueError, r"quantile.*\(0, 3\)"),
             (lambda: F.quantile(NONE, 0.5), TypeError, "quantile.*no data"),
             (lambda: F.quantile(v(2), NONE), TypeError, "quantile.*no data")],
        special=[(lambda: F.quantile(np.array([1.0, np.inf, np.inf]), [0, 0.5, 0.75, 1]), [1, np.inf, np.inf, np.inf]),
                 (lambda: F.quantile(np.array([1.0, np.nan]), [0, 1]), [np.nan, np.nan]),
                 (lambda: F.quantile(np.array([-1.5e308, 1.5e308]), 0.5), 0.0),
                 (lambda: F.quantile(np.array([1, 2]), 0.25), 1.25)]),
    Record(
        ["interp"],
        [Case("inside", lambda x, xp, fp: F.interp(x, xp, fp), in_own_dtype(np.interp), [(2, 3), (4,), (4,)],
              points=lambda rng, shapes: [rng.uniform(0.1, 2.9, shapes[0]), np.arange(4) + rng.uniform(-0.05, 0.05, 4),
                                          rng.uniform(-1, 1, 4)]),
         Case("outside", lambda x, xp, fp: F.interp(x, xp, fp), in_own_dtype(np.interp), [(7,), (4,), (4,)],
              points=lambda rng, shapes: [np.linspace(-2.2, 5.3, 7), np.arange(4.0), rng.uniform(-1, 1, 4)]),
         Case("ends", lambda x, xp, fp, a, b: F.interp(x, xp, fp, a, b), lambda x, xp, fp, a, b: np.interp(
                  x, xp, fp, float(a[0]), float(b[0])).astype(x.dtype), [(7,), (4,), (4,), (1,), (1,)],
              points=lambda rng, shapes: [np.linspace(-2.2, 5.3, 7), np.arange(4.0),
                                          *(rng.uniform(-1, 1, n) for n in (4, 1, 1))]),
         Case("one_point", lambda x, xp, fp: F.interp(x, xp, fp), in_own_dtype(np.interp), [(3,), (1,), (1,)]),
         Case("nothing", lambda x: F.interp(x, [0, 1], [2, 5]), lambda x: np.interp(x, [0, 1], [2, 5]).astype(x.dtype), [(3,)],
              empty=[[(0, 2)]], zero_d=[[()]], points=(0.1, 0.9))],
        half=None, integers=None,
        bad=[(lambda: F.interp(v(2), [1.0, 1.0], [2.0, 3.0]), ValueError, "interp.*ascend"),
             (lambda: F.interp(v(2), [1.0, 0.0], [2.0, 3.0]), ValueError, "interp.*ascend"),
             (lambda: F.interp(v(2), [0.0, np.nan], [2.0, 3.0]), ValueError, "interp.*ascend"),
             (lambda: F.interp(v(2), [0.0, 1.0], [2.0]), ValueError, r"interp.*\(2,\).*\(1,\)"),
             (lambda: F.interp(v(2), [], []), ValueError, r"interp.*\(0,\)"),
             (lambda: F.interp(v(2) * 1j, [0.0, 1.0], [2.0, 3.0]), TypeError, "interp.*complex128"),
             (lambda: F.interp(NONE, [0.0, 1.0], [2.0, 3.0]), TypeError, "interp.*no data")],
        special=[(lambda: F.interp([np.nan, 0.0, 1.0, 3.0], [0, 1, 3], [2.0, 4.0, -1.0]), [np.nan, 2, 4, -1])]),
    Record(["argmax"], over_axes("argmax", np.argmax, axes=(None, 1, -1), empty=[(0, 3, 2)]), points="apart", order=0,
           integers="values",
           bad=[*bad_axes("argmax"), (lambda: F.argmax(v(0, 3), axis=0), ValueError, r"argmax.*\(0, 3\)")]),
    Record(["argmin"], over_axes("argmin", np.argmin, axes=(None, 1, -1), empty=[(0, 3, 2)]), points="apart", order=0,
           integers="values",
           bad=[*bad_axes("argmin"), (lambda: F.argmin(v(0, 3), axis=0), ValueError, r"argmin.*\(0, 3\)")]),
]


# ---- linear algebra ------------------------------------------------------------------------------------------------

def positive(a):
    """A positive definite matrix of each square one."""
    return a @ np.swapaxes(a, -1, -2) + np.eye(a.shape[-1], dtype=a.dtype)


def positive_v(a):
    return F.matmul(a, F.transpose(a, (*range(a.ndim - 2), -1, -2))) + np.eye(a.shape[-1], dtype=a.dtype)


def well_posed(rng, shapes):
    """Square matrices far from singular."""
    return [rng.uniform(-0.5, 0.5, s) + (np.eye(s[-1]) * 2.0 if len(s) > 1 and s[-1] == s[-2] else 0.0) for s in shapes]


def symmetric(a):
    return a + np.swapaxes(a, -1, -2)


def spread(rng, shapes):
    """Half of a symmetric matrix whose eigenvalues are about 1 apart."""
    return [rng.uniform(-0.1, 0.1, s) + np.diag(np.arange(s[-1]) * 0.5) for s in shapes]


def apart_columns(rng, shapes):
    """Matrices whose singular values, and columns, differ."""
    return [rng.uniform(-0.5, 0.5, s) + (np.eye(*s[-2:]) * (1.0 + np.arange(s[-1])) if len(s) > 1 else 0.0) for s in shapes]


def singular_parts(u, s, vt):
    """What does not depend on the signs of the vectors."""
    return u * u, s, vt * vt


def triangle(name, special):
    f, reference = getattr(F, name), getattr(np, name)
    return Record(
        [name],
        [Case("matrix", lambda x: f(x), reference, [(3, 3)], empty=[[(0, 3)]]),
         Case("above", lambda x: f(x, 1), lambda x: reference(x, 1), [(2, 2, 3)]),
         Case("below", lambda x: f(x, -1), lambda x: reference(x, -1), [(4, 2)])],
        integers="same",
        bad=[(lambda: f(v(3)), ValueError, rf"{name}.*\(3,\)"), (lambda: f(NONE), TypeError, f"{name}.*no data")],
        special=[(lambda: f(np.array([[1.0, np.inf], [np.nan, 2.0]])), special)])


def of_lstsq(found):
    y, residuals, _, s = found
    return y, residuals, s


def eigen_parts(w, vectors):
    """What does not depend on the signs of the eigenvectors."""
    return w, vectors * vectors


def linear_reference(x, W, b=None):
    return x @ W if b is None else x @ W + b


def norm_at_zero():
    x = Variable(np.zeros(3))
    F.norm(x).backward()
    return x.grad


LINEAR_CASES = [
    ("matrix", [(3, 4), (4, 2), (2,)], [[(0, 4), (4, 2), (2,)], [(3, 0), (0, 2), (2,)]]),
    ("no_bias", [(3, 4), (4, 2)], [[(0, 4), (4, 2)]]),
    ("stack", [(2, 3, 2), (2, 2), (2,)], []),
]

LINALG = [
    Record(
        ["matmul"],
        [Case("matrices", lambda a, b: F.matmul(a, b), np.matmul, [(3, 4), (4, 2)],
              empty=[[(0, 4), (4, 2)], [(3, 0), (0, 2)], [(3, 4), (4, 0)]]),
         Case("matrix_vector", lambda a, b: F.matmul(a, b), np.matmul, [(3, 4), (4,)]),
         Case("vector_matrix", lambda a, b: F.matmul(a, b), np.matmul, [(4,), (4, 3)]),
         Case("vectors", lambda a, b: F.matmul(a, b), np.matmul, [(4,), (4,)]),
         Case("stacks", lambda a, b: F.matmul(a, b), np.matmul, [(2, 3, 2), (2, 2, 2)], empty=[[(0, 3, 2), (0, 2, 2)]]),
         Case("broadcast", lambda a, b: F.matmul(a, b), np.matmul, [(2, 1, 2, 3), (3, 3, 2)]),
         Case("same", lambda a: F.matmul(a, a), lambda a: a @ a, [(3, 3)])],
        integers="same",
        bad=[(lambda: F.matmul(v(2, 3), v(2, 3)), ValueError, r"matmul.*\(2, 3\).*\(2, 3\)"),
             (lambda: F.matmul(v(2, 3), 2.0), ValueError, r"matmul.*\(2, 3\)"),
             (lambda: F.matmul(v(2, 3), NONE), TypeError, "matmul.*no data")]),
    Record(
        ["dot"],
        [Case("matrices", lambda a, b: F.dot(a, b), np.dot, [(3, 4), (4, 2)],
              empty=[[(0, 4), (4, 2)], [(3, 0), (0, 2)]]),
         Case("vectors", lambda a, b: F.dot(a, b), np.dot, [(4,), (4,)]),
         Case("matrix_vector", lambda a, b: F.dot(a, b), np.dot, [(3, 4), (4,)])],
        integers="same",
        bad=[(lambda: F.dot(v(2, 3), v(2, 3)), ValueError, r"(dot|matmul).*\(2, 3\).*\(2, 3\)")]),
    Record(
        ["tensordot"],
        [Case("default", lambda a, b: F.tensordot(a, b), np.tensordot, [(2, 3, 2), (3, 2, 2)],
              empty=[[(0, 3, 2), (3, 2, 2)]]),
         Case("one", lambda a, b: F.tensordot(a, b, 1), lambda a, b: np.tensordot(a, b, 1), [(2, 3), (3, 2)]),
         Case("outer", lambda a, b: F.tensordot(a, b, 0), lambda a, b: np.tensordot(a, b, 0), [(2,), (3,)]),
         Case("lists", lambda a, b: F.tensordot(a, b, ([0, -1], [1, 0])), lambda a,
              b: np.tensordot(a, b, ([0, -1], [1, 0])),
              [(2, 2, 3), (3, 2)])],
        integers="same",
        bad=[(lambda: F.tensordot(v(2, 3), v(2, 3), 1), ValueError, r"tensordot.*\(2, 3\)")]),
    Record(
        ["einsum"],
        [Case("product", lambda a, b: F.einsum("ij,jk->ik", a, b), lambda a, b: a @ b, [(2, 3), (3, 2)],
              empty=[[(0, 3), (3, 2)], [(2, 0), (0, 2)]]),
         Case("batch", lambda a, b: F.einsum("bij,bj->bi", a, b), lambda a, b: np.einsum("bij,bj->bi", a, b),
              [(2, 2, 3), (2, 3)]),
         Case("summed", lambda a: F.einsum("ij->j", a), lambda a: a.sum(0), [(2, 3)]),
         Case("implicit", lambda a, b: F.einsum("ij,jk", a, b), lambda a, b: a @ b, [(2, 3), (3, 2)]),
         Case("three", lambda a, b, c: F.einsum("i,ij,j->", a, b, c), lambda a, b, c: a @ b @ c, [(2,), (2, 3), (3,)]),
         Case("trace", lambda a: F.einsum("ii->", a), np.trace, [(3, 3)]),
         Case("diagonal", lambda a: F.einsum("ii->i", a), np.diagonal, [(3, 3)])],
        integers="same",
        bad=[(lambda: F.einsum("ij,jk->ik", v(2, 3), v(2, 3)), ValueError, "einsum.*ij,jk->ik"),
             (lambda: F.einsum("ij->i", v(2, 3), v(2)), ValueError, "einsum.*ij->i")]),
    Record(
        ["outer"],
        [Case("vectors", lambda a, b: F.outer(a, b), np.outer, [(3,), (2,)], empty=[[(0,), (2,)]])],
        integers="same",
        bad=[(lambda: F.outer(v(2), NONE), TypeError, "outer.*no data")]),
    Record(
        ["linear"],
        [Case(label, lambda *a: F.linear(*a), linear_reference, shapes, empty=empty) for label, shapes,
         empty in LINEAR_CASES],
        integers="same",
        bad=[(lambda: F.linear(v(2, 3), v(2, 3)), ValueError, r"linear.*\(2, 3\).*\(2, 3\)"),
             (lambda: F.linear(v(2, 3), v(3, 2), v(3)), ValueError, r"linear.*\(3,\)"),
             (lambda: F.linear(NONE, v(3, 2)), TypeError, "linear.*no data")]),
    Record(
        ["linear_simple"],
        [Case(label, lambda *a: F.linear_simple(*a), linear_reference, shapes, empty=empty)
         for label, shapes, empty in LINEAR_CASES],
        integers="same",
        bad=[(lambda: F.linear_simple(v(2, 3), v(2, 3)), ValueError, r"(linear|matmul).*\(2, 3\).*\(2, 3\)")]),
    Record(
        ["norm"],
        [Case("all", lambda x: F.norm(x), lambda x: np.sqrt((x * x).sum()), [(2, 3)]),
         Case("axis", lambda x: F.norm(x, axis=1), lambda x: np.linalg.norm(x, axis=1), [(2, 3)], empty=[[(0, 3)]]),
         Case("keepdims", lambda x: F.norm(x, axis=-1, keepdims=True),
              lambda x: np.linalg.norm(x, axis=-1, keepdims=True),
              [(2, 3)])],
        points=(0.5, 2.0),
        bad=[(lambda: F.norm(v(2, 3), axis=2), AxisError, r"norm.*2.*\(2, 3\)")]),
    Record(
        ["inv"],
        [Case("matrix", lambda x: F.inv(x), np.linalg.inv, [(3, 3)], empty=[[(0, 0)], [(0, 2, 2)]]),
         Case("stack", lambda x: F.inv(x), np.linalg.inv, [(2, 2, 2)])],
        points=well_posed, half=TypeError,
        bad=[(lambda: F.inv(v(2, 3)), ValueError, r"inv.*\(2, 3\)"),
             (lambda: F.inv(v(2, 2)), ValueError, "inv.*(?i:singular)")]),
    Record(
        ["solve"],
        [Case("matrix", lambda a, b: F.solve(a, b), np.linalg.solve, [(3, 3), (3, 2)],
              empty=[[(0, 0), (0, 2)], [(2, 2), (2, 0)]]),
         Case("vector", lambda a, b: F.solve(a, b), np.linalg.solve, [(3, 3), (3,)]),
         Case("stack", lambda a, b: F.solve(a, b), np.linalg.solve, [(2, 2, 2), (2, 2, 1)])],
        points=well_posed, half=TypeError,
        bad=[(lambda: F.solve(v(2, 3), v(2)), ValueError, r"solve.*\(2, 3\)"),
             (lambda: F.solve(v(2, 2), v(2)), ValueError, "solve.*(?i:singular)"),
             (lambda: F.solve(v(2, 2), v(3)), ValueError, r"solve.*\(3,\)")]),
    Record(
        ["det"],
        [Case("matrix", lambda x: F.det(x), np.linalg.det, [(3, 3)], empty=[[(0, 2, 2)]]),
         Case("stack", lambda x: F.det(x), np.linalg.det, [(2, 2, 2)])],
        points=well_posed, half=TypeError,
        bad=[(lambda: F.det(v(2, 3)), ValueError, r"det.*\(2, 3\)")]),
    Record(
        ["slogdet"],
        [Case("matrix", lambda x: F.slogdet(x), lambda x: tuple(np.linalg.slogdet(x)), [(3, 3)], empty=[[(0, 2, 2)]]),
         Case("stack", lambda x: F.slogdet(x)[1], lambda x: np.linalg.slogdet(x)[1], [(2, 2, 2)])],
        points=well_posed, half=TypeError,
        bad=[(lambda: F.slogdet(v(2, 3)), ValueError, r"slogdet.*\(2, 3\)")]),
    Record(
        ["cholesky"],
        [Case("matrix", lambda x: F.cholesky(positive_v(x)), lambda x: np.linalg.cholesky(positive(x)), [(3, 3)],
              empty=[[(0, 2, 2)]]),
         Case("stack", lambda x: F.cholesky(positive_v(x)), lambda x: np.linalg.cholesky(positive(x)), [(2, 2, 2)])],
        points=(-1.0, 1.0), half=TypeError,
        bad=[(lambda: F.cholesky(v(2, 3)), ValueError, r"cholesky.*\(2, 3\)"),
             (lambda: F.cholesky(Variable(-np.eye(2))), ValueError, "cholesky.*positive")]),
    Record(
        ["eigh"],
        [Case("matrix", lambda x: eigen_parts(*F.eigh(x + F.transpose(x))),
              lambda x: eigen_parts(*np.linalg.eigh(x + x.T)),
              [(3, 3)]),
         Case("values", lambda x: F.eigh(x + F.transpose(x))[0], lambda x: np.linalg.eigh(x + x.T)[0], [(3, 3)])],
        points=spread, half=TypeError,
        bad=[(lambda: F.eigh(v(2, 3)), ValueError, r"eigh.*\(2, 3\)")]),
    Record(
        ["eigvalsh"],
        [Case("lower", lambda x: F.eigvalsh(x + F.transpose(x)), lambda x: np.linalg.eigvalsh(x + x.T), [(3, 3)]),
         Case("upper", lambda x: F.eigvalsh(x + F.transpose(x), "U"), lambda x: np.linalg.eigvalsh(x + x.T), [(2, 2)])],
        points=spread, half=None,
        bad=[(lambda: F.eigvalsh(v(2, 3)), ValueError, r"eigh.*\(2, 3\)")]),
    Record(
        ["matrix_power"],
        [Case("three", lambda x: F.matrix_power(x, 3), lambda x: np.linalg.matrix_power(x, 3), [(2, 2)], empty=[[(0, 2, 2)]]),
         Case("six", lambda x: F.matrix_power(x, 6), lambda x: np.linalg.matrix_power(x, 6), [(2, 2, 2)]),
         Case("none", lambda x: F.matrix_power(x, 0), lambda x: np.linalg.matrix_power(x, 0), [(2, 2, 2)]),
         Case("inverse", lambda x: F.matrix_power(x, -2), lambda x: np.linalg.matrix_power(x, -2), [(3, 3)])],
        points=well_posed, half=None, integers=None,
        bad=[(lambda: F.matrix_power(v(2, 3), 2), ValueError, r"matrix_power.*\(2, 3\)"),
             (lambda: F.matrix_power(v(2, 2), 0.5), TypeError, r"matrix_power.*0\.5"),
             (lambda: F.matrix_power(v(2, 2), -1), ValueError, "inv.*(?i:singular)"),
             (lambda: F.matrix_power(NONE, 1), TypeError, "matrix_power.*no data")]),
    Record(
        ["qr"],
        [Case("square", lambda x: F.qr(x), lambda x: tuple(np.linalg.qr(x)), [(3, 3)], empty=[[(0, 2, 2)]]),
         Case("high", lambda x: F.qr(x), lambda x: tuple(np.linalg.qr(x)), [(2, 4, 2)]),
         Case("wide", lambda x: F.qr(x, "complete"), lambda x: tuple(np.linalg.qr(x)), [(2, 4)]),
         Case("r", lambda x: F.qr(x, "r"), lambda x: np.linalg.qr(x, "r"), [(3, 2)])],
        points=apart_columns, half=TypeError,
        bad=[(lambda: F.qr(v(3)), ValueError, r"qr.*\(3,\)"), (lambda: F.qr(v(3, 2), "raw"), ValueError, "qr.*'raw'"),
             (lambda: F.qr(v(3, 2), "complete"), ValueError, r"qr.*'complete'.*\(3, 2\)"),
             (lambda: F.sum(F.qr(v(2, 2) * 0.0)[0]).backward(), ValueError, r"qr.*dependent.*\(2, 2\)"),
             (lambda: F.qr(NONE), TypeError, "qr.*no data")]),
    Record(
        ["svd"],
        [Case("square", lambda x: singular_parts(*F.svd(x, True)), lambda x: singular_parts(*np.linalg.svd(x)), [(3, 3)]),
         Case("high", lambda x: singular_parts(*F.svd(x)), lambda x: singular_parts(*np.linalg.svd(x, False)), [(2, 4, 2)]),
         Case("wide", lambda x: singular_parts(*F.svd(x)), lambda x: singular_parts(*np.linalg.svd(x, False)), [(2, 3)],
              empty=[[(0, 2, 3)], [(2, 0)]]),
         Case("values", lambda x: F.svd(x, compute_uv=False), lambda x: np.linalg.svd(x, compute_uv=False), [(3, 2)])],
        points=apart_columns, half=TypeError,
        bad=[(lambda: F.svd(v(3)), ValueError, r"svd.*\(3,\)"), (lambda: F.svd(v(3, 2), True), ValueError, r"svd.*\(3, 2\)"),
             (lambda: F.svd(NONE), TypeError, "svd.*no data")]),
    Record(
        ["pinv"],
        [Case("square", lambda x: F.pinv(x), np.linalg.pinv, [(3, 3)]),
         Case("high", lambda x: F.pinv(x), np.linalg.pinv, [(2, 3, 2)], empty=[[(0, 3, 2)]]),
         Case("wide", lambda x: F.pinv(x), np.linalg.pinv, [(2, 3)]),
         Case("of_rank_1", lambda a, b: F.pinv(F.outer(a, b)), lambda a, b: np.linalg.pinv(np.outer(a, b), 1e-5), [(3,), (2,)],
              points=(0.5, 2.0))],
        points=apart_columns, half=TypeError,
        bad=[(lambda: F.pinv(v(2, 2), float("nan")), ValueError, "pinv: rcond is nan"),
             (lambda: F.pinv(v(3)), ValueError, r"pinv.*\(3,\)"), (lambda: F.pinv(NONE), TypeError, "pinv.*no data")]),
    Record(
        ["lstsq"],
        [Case("high", lambda a, b: of_lstsq(F.lstsq(a, b)), lambda a, b: of_lstsq(np.linalg.lstsq(a, b)), [(4, 2), (4, 3)]),
         Case("vector", lambda a, b: of_lstsq(F.lstsq(a, b)), lambda a, b: of_lstsq(np.linalg.lstsq(a, b)), [(4, 2), (4,)]),
         Case("wide", lambda a, b: F.lstsq(a, b)[0], lambda a, b: np.linalg.lstsq(a, b)[0], [(2, 3), (2, 2)])],
        points=apart_columns, half=None,
        bad=[(lambda: F.lstsq(v(2, 3), v(3)), ValueError, r"lstsq.*\(2, 3\).*\(3,\)"),
             (lambda: F.lstsq(v(2, 2, 2), v(2)), ValueError, r"lstsq.*\(2, 2, 2\)"),
             (lambda: F.lstsq(v(2, 2), NONE), TypeError, "lstsq.*no data")]),
    Record(
        ["diag"],
        [Case("vector", lambda x: F.diag(x), np.diag, [(3,)], empty=[[(0,)]]),
         Case("below", lambda x: F.diag(x, -2), lambda x: np.diag(x, -2), [(2,)]),
         Case("matrix", lambda x: F.diag(x, 1), lambda x: np.diag(x, 1), [(2, 3)])],
        integers="same",
        bad=[(lambda: F.diag(v()), ValueError, "diag.*diagonal"), (lambda: F.diag(v(2, 2, 2)), ValueError, r"diag.*\(2, 2, 2\)"),
             (lambda: F.diag(NONE), TypeError, "diag.*no data")]),
    triangle("tril", [[1, 0], [np.nan, 2]]),
    triangle("triu", [[1, np.inf], [0, 2]]),
    Record(
        ["fft"],
        [Case("last", lambda x: parts(F.fft(x)), lambda x: parts(np.fft.fft(x)), [(2, 5)], empty=[[(0, 3)]]),
         Case("cut", lambda x: parts(F.fft(x, 2, 0, "ortho")), lambda x: parts(np.fft.fft(x, 2, 0, "ortho")), [(4, 2)]),
         Case("complex", lambda x: parts(F.fft(as_complex(x) * TURN)), lambda x: parts(np.fft.fft(x * TURN)), [(4,)])],
        integers=None, half=None,
        bad=[(lambda: F.fft(v(2, 3), axis=2), AxisError, r"fft.*2.*\(2, 3\)"), (lambda: F.fft(v()), AxisError, "fft.*0-d"),
             (lambda: F.fft(v(2, 0)), ValueError, r"fft: 0 elements.*\(2, 0\)"),
             (lambda: F.fft(v(2), 0), ValueError, "fft: 0 elements"),
             (lambda: F.fft(v(2), norm="x"), ValueError, "fft.*'x'"), (lambda: F.fft(NONE), TypeError, "fft.*no data")]),
    Record(
        ["ifft"],
        [Case("last", lambda x: parts(F.ifft(x)), lambda x: parts(np.fft.ifft(x)), [(2, 5)], empty=[[(0, 3)]]),
         Case("padded", lambda x: parts(F.ifft(x, 5, 0, "forward")), lambda x: parts(np.fft.ifft(x, 5, 0, "forward")), [(4, 2)]),
         Case("complex", lambda x: parts(F.ifft(as_complex(x) * TURN)), lambda x: parts(np.fft.ifft(x * TURN)), [(4,)])],
        integers=None, half=None,
        bad=[(lambda: F.ifft(v(2, 3), axis=2), AxisError, r"ifft.*2.*\(2, 3\)"),
             (lambda: F.ifft(NONE), TypeError, "ifft.*no data")]),
    Record(
        ["rfft"],
        [Case("odd", lambda x: parts(F.rfft(x)), lambda x: parts(np.fft.rfft(x)), [(2, 5)], empty=[[(0, 3)]]),
         Case("even", lambda x: parts(F.rfft(x, 4, 0, "ortho")), lambda x: parts(np.fft.rfft(x, 4, 0, "ortho")), [(3, 2)]),
         Case("one", lambda x: parts(F.rfft(x, 1)), lambda x: parts(np.fft.rfft(x, 1)), [(3,)])],
        integers=None, half=None,
        bad=[(lambda: F.rfft(v(2) * 1j), TypeError, "rfft.*complex128"),
             (lambda: F.rfft(v(2, 3), axis=2), AxisError, r"rfft.*2.*\(2, 3\)")]),
    Record(
        ["irfft"],
        [Case("even", lambda x: F.irfft(as_complex(x) * TURN), lambda x: np.fft.irfft(x * TURN), [(2, 4)], empty=[[(0, 3)]]),
         Case("odd", lambda x: F.irfft(as_complex(x) * TURN, 5, 0, "forward"),
              lambda x: np.fft.irfft(x * TURN, 5, 0, "forward"), [(4, 2)]),
         Case("real", lambda x: F.irfft(x, 6, norm="ortho"), lambda x: np.fft.irfft(x, 6, norm="ortho"), [(3,)]),
         Case("one", lambda x: F.irfft(as_complex(x) * TURN, 1), lambda x: np.fft.irfft(x * TURN, 1), [(2,)])],
        integers=None, half=None,
        bad=[(lambda: F.irfft(v(1)), ValueError, "irfft: 0 elements"), (lambda: F.irfft(v()), AxisError, "irfft.*0-d"),
             (lambda: F.irfft(v(2, 3), axis=2), AxisError, r"irfft.*2.*\(2, 3\)")]),
    Record(
        ["cross"],
        [Case("vectors", lambda a, b: F.cross(a, b), np.cross, [(3,), (3,)]),
         Case("stretched", lambda a, b: F.cross(a, b), np.cross, [(2, 3), (3,)], empty=[[(0, 3), (3,)]]),
         Case("axis", lambda a, b: F.cross(a, b, 0), lambda a, b: np.cross(a, b, axis=0), [(3, 2), (3, 2)])],
        integers="same",
        bad=[(lambda: F.cross(v(2), v(2)), ValueError, r"cross.*\(2,\)"),
             (lambda: F.cross(v(2, 3), v(4, 3)), ValueError, r"cross.*\(2, 3\).*\(4, 3\)"),
             (lambda: F.cross(v(3), v(3), 1), AxisError, "cross.*1"),
             (lambda: F.cross(v(3), NONE), TypeError, "cross.*no data")]),
    Record(
        ["kron"],
        [Case("matrices", lambda a, b: F.kron(a, b), np.kron, [(2, 3), (2, 2)], empty=[[(0, 3), (2, 2)]], zero_d=[[(), ()]]),
         Case("fewer_axes", lambda a, b: F.kron(a, b), np.kron, [(3,), (2, 1, 2)]),
         Case("more_axes", lambda a, b: F.kron(a, b), np.kron, [(2, 2), (3,)])],
        integers="same",
        bad=[(lambda: F.kron(NONE, v(2)), TypeError, "kron.*no data"),
             (lambda: F.kron(np.ones((1,) * 33), v(2)), ValueError, "kron.*33 axes")]),
]


# ---- softmax, losses, normalisation --------------------------------------------------------------------------------

LABELS = np.array([2, 0, 1, 2])
BINARY = np.array([1, 0, 0, 1])


def soft(x):
    """Probabilities as targets, in x's dtype."""
    return np.array([[0.1, 0.9], [1.0, 0.0], [0.3, 0.7]]).astype(x.dtype)


def softmax_reference(x, axis=1):
    e = np.exp(x)
    return e / e.sum(axis=axis, keepdims=True)


def cross_entropy_reference(x):
    p = softmax_reference(x)
    return -sum(np.log(p[i, t]) for i, t in enumerate(LABELS[:len(x)])) / len(x)


def binary_reference(p, t):
    return -(t * np.log(p) + (1 - t) * np.log(1 - p)).sum() / len(p)


def along_axis(name, reference):
    f = getattr(F, name, None)
    return [Case("default", lambda x: f(x), reference, [(2, 3)], empty=[[(0, 3)]]),
            Case("first", lambda x: f(x, axis=0), lambda x: reference(x, axis=0), [(2, 3)]),
            Case("last", lambda x: f(x, axis=-1), lambda x: reference(x, axis=-1), [(2, 2, 2)]),
            Case("vector", lambda x: f(x, 0), lambda x: reference(x, 0), [(4,)])]


def pairs(name, reference):
    f = getattr(F, name, None)
    return [Case("matrix", lambda a, b: f(a, b), reference, [(3, 2), (3, 2)]),
            Case("vector", lambda a, b: f(a, b), reference, [(4,), (4,)])]


def huber_reference(a, b, delta=1.0):
    d = np.abs(a - b)
    return np.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta)).mean()


def ends(rng, shapes):
    """Differences on both sides of 1, none near 0 or 1."""
    a = [rng.uniform(-0.1, 0.1, s) for s in shapes]
    a[0] += rng.permutation(np.resize([0.5, -0.6, 2.0, -1.7], a[0].size)).reshape(a[0].shape)
    return a


def seeded_dropout(x, ratio):
    np.random.seed(7)
    return F.dropout(x, ratio)


def dropout_reference(x, ratio):
    np.random.seed(7)
    kept = np.asarray(np.random.rand(*x.shape) > ratio)
    return x * kept / (x.dtype.type if x.dtype.kind == "f" else float)(1 - ratio)


def batch_norm_train(x, gamma, beta):
    channels = x.shape[1]
    return F.batch_norm(x, gamma, beta, np.zeros(channels, x.dtype), np.ones(channels, x.dtype))


def batch_norm_reference(x, gamma, beta, mean=None, var=None, eps=2e-5):
    axes = (0, *range(2, x.ndim))
    wide = (1, -1) + (1,) * (x.ndim - 2)
    mean = x.mean(axes) if mean is None else mean
    var = x.var(axes) if var is None else var
    return (x - mean.reshape(wide)) / np.sqrt(var.reshape(wide) + eps) * gamma.reshape(wide) + beta.reshape(wide)


RUNNING = (np.array([0.5, -0.2, 0.1]), np.array([1.5, 0.7, 2.0]))


def running(x):
    return [a.astype(x.dtype) for a in RUNNING]


def batch_norm_test(x, gamma, beta):
    with test_mode():
        return F.batch_norm(x, gamma, beta, *running(x))


def running_after_train():
    mean, var = np.array([1.0]), np.array([2.0])
    F.batch_norm(Variable(np.array([[1.0], [3.0]])), np.ones(1), np.zeros(1), mean, var, 0.9)
    return Variable(np.concatenate([mean, var]))


def layer_norm_reference(x, gamma, beta, eps=1e-5):
    axes = tuple(range(x.ndim - gamma.ndim, x.ndim))
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + eps) * gamma + beta


LOSSES = [
    Record(["sigmoid_simple"],
           [Case("matrix", lambda x: F.sigmoid_simple(x), lambda x: 1 / (1 + np.exp(-x)), [(2, 3)], empty=[[(0, 3)]],
                 zero_d=[[()]])],
           bad=[(lambda: F.sigmoid_simple(NONE), TypeError, "sigmoid_simple.*no data")]),
    Record(["softmax"], along_axis("softmax", softmax_reference),
           bad=[(lambda: F.softmax(v(2, 3), 2), AxisError, r"softmax: axis 2.*\(2, 3\)"),
                (lambda: F.softmax(NONE), TypeError, "softmax.*no data")],
           special=[(lambda: F.softmax(Variable(np.array([[1000.0, 1000.0], [-1000.0, 1000.0]]))),
                     [[0.5, 0.5], [0, 1]])]),
    Record(["softmax_simple"], along_axis("softmax_simple", softmax_reference),
           bad=[(lambda: F.softmax_simple(v(2, 3), 2), AxisError, r"softmax_simple: axis 2.*\(2, 3\)")]),
    Record(["log_softmax"], along_axis("log_softmax", lambda x, axis=1: np.log(softmax_reference(x, axis))),
           bad=[(lambda: F.log_softmax(v(2, 3), 2), AxisError, r"log_softmax: axis 2.*\(2, 3\)")],
           special=[(lambda: F.log_softmax(Variable(np.array([[0.0, 1000.0]]))), [[-1000.0, 0.0]])]),
    Record(["softmax_cross_entropy"],
           [Case("labels", lambda x: F.softmax_cross_entropy(x, LABELS), cross_entropy_reference, [(4, 3)]),
            Case("column", lambda x: F.softmax_cross_entropy(x, Variable(LABELS[:, None])), cross_entropy_reference,
                 [(4, 3)])],
           bad=[(lambda: F.softmax_cross_entropy(v(4, 2), LABELS), IndexError, "softmax_cross_entropy.*2"),
                (lambda: F.softmax_cross_entropy(v(3, 3), LABELS), ValueError,
                 r"softmax_cross_entropy.*\(4,\).*\(3, 3\)"),
                (lambda: F.softmax_cross_entropy(v(4, 3), LABELS * 0.5), TypeError, "softmax_cross_entropy.*float64"),
                (lambda: F.softmax_cross_entropy(v(0, 3), LABELS[:0]), ValueError, r"softmax_cross_entropy.*\(0, 3\)")],
           special=[(lambda: F.softmax_cross_entropy(Variable(np.array([[0.0, 1000.0]])), [0]), 1000.0)]),
    Record(["softmax_cross_entropy_simple"],
           [Case("labels", lambda x: F.softmax_cross_entropy_simple(x, LABELS), cross_entropy_reference, [(4, 3)])],
           bad=[(lambda: F.softmax_cross_entropy_simple(v(4, 2), LABELS), IndexError,
                 "softmax_cross_entropy_simple.*2")]),
    Record(["sigmoid_cross_entropy"],
           [Case("vector", lambda x: F.sigmoid_cross_entropy(x, BINARY),
                 lambda x: binary_reference(1 / (1 + np.exp(-x)), BINARY),
                 [(4,)]),
            Case("column", lambda x: F.sigmoid_cross_entropy(x, BINARY),
                 lambda x: binary_reference(1 / (1 + np.exp(-x)), BINARY[:, None]), [(4, 1)]),
            Case("soft", lambda x: F.sigmoid_cross_entropy(x, soft(x)),
                 lambda x: binary_reference(1 / (1 + np.exp(-x)), soft(x)),
                 [(3, 2)])],
           bad=[(lambda: F.sigmoid_cross_entropy(v(3), BINARY), ValueError, r"sigmoid_cross_entropy.*\(\d,\)"),
                (lambda: F.sigmoid_cross_entropy(v(0), BINARY[:0]), ValueError, r"sigmoid_cross_entropy.*\(0,\)")]),
    Record(["binary_cross_entropy"],
           [Case("vector", lambda p: F.binary_cross_entropy(p, BINARY), lambda p: binary_reference(p, BINARY), [(4,)]),
            Case("soft", lambda p: F.binary_cross_entropy(p, soft(p)), lambda p: binary_reference(p, soft(p)),
                 [(3, 2)])],
           points=(0.2, 0.8), integers=None,
           bad=[(lambda: F.binary_cross_entropy(v(3), BINARY), ValueError, r"binary_cross_entropy.*\(\d,\)")],
           special=[(lambda: F.binary_cross_entropy(Variable(np.array([1.0])), np.array([0])), -np.log(1 - 0.999))]),
    Record(["mean_squared_error"], pairs("mean_squared_error", lambda a, b: ((a - b) ** 2).sum() / len(a)),
           bad=[(lambda: F.mean_squared_error(v(2, 3), v(2, 4)), ValueError, r"mean_squared_error.*\(2, 3\).*\(2, 4\)"),
                (lambda: F.mean_squared_error(v(0), v(0)), ValueError, r"mean_squared_error.*\(0,\)")]),
    Record(["mean_squared_error_simple"], pairs("mean_squared_error_simple", lambda a,
                                                b: ((a - b) ** 2).sum() / len(a)),
           bad=[(lambda: F.mean_squared_error_simple(v(2, 3), v(2, 4)), ValueError, "mean_squared_error_simple")]),
    Record(["mean_absolute_error"], pairs("mean_absolute_error", lambda a, b: np.abs(a - b).mean()), points=ends,
           bad=[(lambda: F.mean_absolute_error(v(2, 3), v(2, 4)), ValueError,
                 r"mean_absolute_error.*\(2, 3\).*\(2, 4\)")]),
    Record(["huber"], [*pairs("huber", huber_reference),
                       Case("delta", lambda a, b: F.huber(a, b, delta=0.8), lambda a, b: huber_reference(a, b, 0.8),
                            [(4,), (4,)])],
           points=ends,
           bad=[(lambda: F.huber(v(2, 3), v(2, 4)), ValueError, r"huber.*\(2, 3\).*\(2, 4\)"),
                (lambda: F.huber(v(2), v(2), delta=0.0), ValueError, "huber.*delta"),
                (lambda: F.huber(v(2), v(2), delta="a"), TypeError, "huber: delta 'a'")]),
    Record(["accuracy"],
           [Case("labels", lambda y: F.accuracy(y, LABELS), lambda y: np.asarray((y.argmax(1) == LABELS).mean()),
                 [(4, 3)])],
           points="apart", order=0,
           bad=[(lambda: F.accuracy(v(3, 3), LABELS), ValueError, r"accuracy.*\(4,\).*\(3, 3\)"),
                (lambda: F.accuracy(v(3), LABELS), ValueError, r"accuracy.*\(3,\)")],
           special=[(lambda: F.accuracy(Variable(np.array([[0.1, 0.8, 0], [0.9, 0.3, 0]])), np.array([1, 1])), 0.5)]),
    Record(["dropout"],
           [Case("half", lambda x: seeded_dropout(x, 0.5), lambda x: dropout_reference(x, 0.5), [(3, 4)],
                 empty=[[(0, 3)]],
                 zero_d=[[()]]),
            Case("little", lambda x: seeded_dropout(x, 0.1), lambda x: dropout_reference(x, 0.1), [(7,)])],
           bad=[(lambda: F.dropout(v(2), 1.0), ValueError, r"dropout.*1\.0"),
                (lambda: F.dropout(v(2), "a"), TypeError, "dropout: ratio 'a'"),
                (lambda: F.dropout(NONE), TypeError, "dropout.*no data")]),
    Record(["batch_norm", "batch_nrom"],
           [Case("rows", batch_norm_train, batch_norm_reference, [(4, 3), (3,), (3,)]),
            Case("images", batch_norm_train, batch_norm_reference, [(2, 2, 2, 2), (2,), (2,)]),
            Case("test_mode", batch_norm_test, lambda x, g, b: batch_norm_reference(x, g, b, *running(x)),
                 [(2, 3), (3,), (3,)],
                 empty=[[(0, 3), (3,), (3,)]])],
           points="apart", half=None, integers=None,
           bad=[(lambda: F.batch_norm(v(2, 3), v(2), v(3), np.zeros(3), np.ones(3)), ValueError,
                 r"batch_norm.*\(2,\).*\(2, 3\)"),
                (lambda: F.batch_norm(v(2, 3), v(3), v(3), np.zeros(3), np.ones(3), decay=1.5), ValueError,
                 r"batch_norm: decay is 1\.5"),
                (lambda: F.batch_norm(v(2, 3), v(3), v(3), np.zeros(3), np.ones(3), eps=np.float32(-1)), ValueError,
                 "batch_norm: eps is"),
                (lambda: F.batch_norm(v(0, 3), v(3), v(3), np.zeros(3), np.ones(3)), ValueError,
                 r"batch_norm.*\(0, 3\)"),
                (lambda: F.batch_norm(v(2, 3), v(3), v(3), np.zeros(3, int), np.ones(3)), TypeError,
                 "batch_norm.*int")],
           special=[(running_after_train, [0.9 * 1 + 0.1 * 2, 0.9 * 2 + 0.1 * 2])]),
    Record(["layer_norm"],
           [Case("last", lambda x, g, b: F.layer_norm(x, g, b), layer_norm_reference, [(2, 4), (4,), (4,)],
                 empty=[[(0, 4), (4,), (4,)]]),
            Case("two", lambda x, g, b: F.layer_norm(x, g, b), layer_norm_reference, [(2, 2, 3), (2, 3), (2, 3)]),
            Case("eps", lambda x, g, b: F.layer_norm(x, g, b, 0.1), lambda x, g, b: layer_norm_reference(x, g, b, 0.1),
                 [(2, 3), (3,), (3,)])],
           points="apart", half=None,
           bad=[(lambda: F.layer_norm(v(2, 3), v(3), v(3), eps=-1), ValueError, "layer_norm: eps is -1"),
                (lambda: F.layer_norm(v(2, 3), v(3), v(3), eps=float("nan")), ValueError, "layer_norm: eps is nan"),
                (lambda: F.layer_norm(v(2, 3), v(2), v(2)), ValueError, r"layer_norm.*\(2,\).*\(2, 3\)")]),
]


# ---- convolution and pooling ---------------------------------------------------------------------------------------

def two(a):
    return (a, a) if isinstance(a, int) else a


def windows(x, kernel, stride, pad, value=0.0):
    """(N, C, OH, OW, KH, KW): every place of the kernel, by loops."""
    (kh, kw), (sh, sw), (ph, pw) = two(kernel), two(stride), two(pad)
    x = np.pad(x, ((0, 0), (0, 0), (ph, ph), (pw, pw)), constant_values=value)
    oh, ow = (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1
    out = np.empty((*x.shape[:2], oh, ow, kh, kw), x.dtype)
    for i, j in np.ndindex(oh, ow):
        out[:, :, i, j] = x[:, :, i * sh:i * sh + kh, j * sw:j * sw + kw]
    return out


def conv2d_reference(x, W, b=None, stride=1, pad=0):
    y = np.einsum("ncijkl,ockl->noij", windows(x, W.shape[2:], stride, pad), W)
    return y if b is None else y + b.reshape(1, -1, 1, 1)


def deconv2d_reference(x, W, b=None, stride=1, pad=0, outsize=None):
    (sh, sw), (ph, pw), (n, _, h, w), (_, o, kh, kw) = two(stride), two(pad), x.shape, W.shape
    oh, ow = outsize or (sh * (h - 1) + kh - 2 * ph, sw * (w - 1) + kw - 2 * pw)
    y = np.zeros((n, o, oh + 2 * ph + kh + sh, ow + 2 * pw + kw + sw), x.dtype)
    for i, j in np.ndindex(h, w):
        y[:, :, i * sh:i * sh + kh, j * sw:j * sw + kw] += np.einsum("nc,cokl->nokl", x[:, :, i, j], W)
    y = y[:, :, ph:ph + oh, pw:pw + ow]
    return y if b is None else y + b.reshape(1, -1, 1, 1)


def conv1d_reference(x, W, b=None, stride=1, pad=0):
    return conv2d_reference(x[:, :, None], W[:, :, None], b, (1, stride), (0, pad))[:, :, 0]


def conv3d_reference(x, W, b=None, stride=1, pad=0):
    """Slices of planes, each by conv2d's loops."""
    (s, *ss), (p, *ps) = ((a, a, a) if isinstance(a, int) else a for a in (stride, pad))
    x = np.pad(x, ((0, 0), (0, 0), (p, p), (0, 0), (0, 0)))
    depths = range(0, x.shape[2] - W.shape[2] + 1, s)
    y = np.stack([sum(conv2d_reference(x[:, :, d + k], W[:, :, k], None, tuple(ss), tuple(ps)) for k in range(W.shape[2]))
                  for d in depths], axis=2)
    return y if b is None else y + b.reshape(1, -1, 1, 1, 1)


def max_pooling_reference(x, kernel, stride=1, pad=0):
    return windows(x, kernel, stride, pad, -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min).max(axis=(4, 5))


def mean_pooling_reference(x, kernel, stride=1, pad=0):
    return windows(x, kernel, stride, pad).mean(axis=(4, 5))


def columns_reference(x, kernel, stride=1, pad=0, to_matrix=True):
    col = windows(x, kernel, stride, pad).transpose(0, 1, 4, 5, 2, 3)
    if to_matrix:
        n, c, kh, kw, oh, ow = col.shape
        col = col.transpose(0, 4, 5, 1, 2, 3).reshape(n * oh * ow, c * kh * kw)
    return col


def images_reference(col, shape, kernel, stride=1, pad=0, to_matrix=True):
    (n, c, h, w), (kh, kw), (sh, sw), (ph, pw) = shape, two(kernel), two(stride), two(pad)
    oh, ow = (h + 2 * ph - kh) // sh + 1, (w + 2 * pw - kw) // sw + 1
    if to_matrix:
        col = col.reshape(n, oh, ow, c, kh, kw).transpose(0, 3, 4, 5, 1, 2)
    img = np.zeros((n, c, h + 2 * ph + sh, w + 2 * pw + sw), col.dtype)
    for i, j in np.ndindex(oh, ow):
        img[:, :, i * sh:i * sh + kh, j * sw:j * sw + kw] += col[:, :, :, :, i, j]
    return img[:, :, ph:ph + h, pw:pw + w]


CONV_CASES = [
    ("plain", [(2, 2, 4, 3), (2, 2, 2, 2), (2,)], {}),
    ("stride_pad", [(1, 2, 4, 5), (3, 2, 3, 2), (3,)], {"stride": (2, 1), "pad": (1, 2)}),
    ("no_bias", [(2, 1, 3, 3), (2, 1, 3, 3)], {"pad": 1, "stride": 2}),
    ("one_by_one", [(2, 2, 2, 2), (2, 2, 1, 1), (2,)], {}),
]
POOL_CASES = [
    ("plain", (1, 2, 4, 4), 2, {"stride": 2}),
    ("overlap", (2, 1, 4, 3), (2, 2), {}),
    ("pad", (1, 1, 3, 4), (3, 2), {"stride": (2, 2), "pad": 1}),
]


def conv(name, reference, cases, empty=()):
    f = getattr(FC, name, None)
    return [Case(label, lambda *a, o=options: f(*a[:2], a[2] if len(a) > 2 else None, **o),
                 lambda *a, o=options: reference(*a[:2], a[2] if len(a) > 2 else None, **o), shapes,
                 empty=empty if i == 0 else ())
            for i, (label, shapes, options) in enumerate(cases)]


def pool(name, reference):
    f = getattr(FC, name, None)
    return [Case(label, lambda x, k=kernel, o=options: f(x, k, **o), lambda x, k=kernel,
                 o=options: reference(x, k, **o), [shape],
                 empty=[[(0, *shape[1:])], [(1, 0, *shape[2:])]] if i == 0 else ())
            for i, (label, shape, kernel, options) in enumerate(POOL_CASES)]


def padded_negatives():
    return FC.pooling(Variable(np.full((1, 1, 2, 2), -3.0)), 2, stride=2, pad=1)


CONV = [
    Record(["conv2d"], conv("conv2d", conv2d_reference, CONV_CASES, empty=[[(0, 2, 4, 3), (2, 2, 2, 2), (2,)]]),
           module=FC,
           integers="same",
           bad=[(lambda: FC.conv2d(v(1, 3, 4, 4), v(2, 2, 2, 2)), ValueError,
                 r"conv2d.*\(1, 3, 4, 4\).*\(2, 2, 2, 2\)"),
                (lambda: FC.conv2d(v(1, 2, 2, 2), v(2, 2, 3, 3)), ValueError, "conv2d"),
                (lambda: FC.conv2d(v(2, 4, 4), v(2, 2, 3, 3)), ValueError, r"conv2d.*\(2, 4, 4\)"),
                (lambda: FC.conv2d(v(1, 2, 4, 4), v(2, 2, 2, 2), stride=0), ValueError, "conv2d.*stride"),
                (lambda: FC.conv2d(v(1, 2, 4, 4), v(2, 2, 2, 2), v(3)), ValueError, r"conv2d.*\(3,\)")]),
    Record(["conv2d_simple"], conv("conv2d_simple", conv2d_reference, CONV_CASES), module=FC, integers="same",
           bad=[(lambda: FC.conv2d_simple(v(1, 3, 4, 4), v(2, 2, 2, 2)), ValueError,
                 r"conv2d.*\(1, 3, 4, 4\).*\(2, 2, 2, 2\)")]),
    Record(["deconv2d"],
           conv("deconv2d", deconv2d_reference,
                [("plain", [(2, 2, 2, 3), (2, 2, 2, 2), (2,)], {}),
                 ("stride_pad", [(1, 2, 3, 2), (2, 1, 3, 3), (1,)], {"stride": 2, "pad": 1}),
                 ("outsize", [(1, 1, 2, 2), (1, 2, 3, 3)], {"stride": 2, "pad": 1, "outsize": (4, 4)})],
                empty=[[(0, 2, 2, 3), (2, 2, 2, 2), (2,)]]),
           module=FC, integers="same",
           bad=[(lambda: FC.deconv2d(v(1, 3, 4, 4), v(2, 2, 2, 2)), ValueError,
                 r"deconv2d.*\(1, 3, 4, 4\).*\(2, 2, 2, 2\)"),
                (lambda: FC.deconv2d(v(1, 2, 4, 4), v(2, 2, 2, 2), v(3)), ValueError, r"deconv2d.*\(3,\)")]),
    Record(["conv1d"],
           conv("conv1d", conv1d_reference, [("plain", [(2, 2, 5), (3, 2, 2), (3,)], {}),
                                             ("stride_pad", [(1, 1, 5), (2, 1, 3)], {"stride": 2, "pad": 1})],
                empty=[[(0, 2, 5), (3, 2, 2), (3,)]]),
           module=FC, integers="same",
           bad=[(lambda: FC.conv1d(v(1, 3, 4), v(2, 2, 2)), ValueError, r"conv1d.*\(1, 3, 4\).*\(2, 2, 2\)")]),
    Record(["conv3d"],
           conv("conv3d", conv3d_reference,
                [("plain", [(2, 2, 3, 3, 2), (3, 2, 2, 2, 2), (3,)], {}),
                 ("stride_pad", [(1, 2, 4, 3, 3), (2, 2, 2, 3, 2)], {"stride": (2, 1, 2), "pad": (1, 1, 0)}),
                 ("one_by_one", [(1, 2, 2, 2, 2), (2, 2, 1, 1, 1), (2,)], {})],
                empty=[[(0, 2, 3, 3, 2), (3, 2, 2, 2, 2), (3,)]]),
           module=FC, integers="same",
           bad=[(lambda: FC.conv3d(v(1, 3, 4, 4, 4), v(2, 2, 2, 2, 2)), ValueError,
                 r"conv3d.*\(1, 3, 4, 4, 4\).*\(2, 2, 2, 2, 2\)")]),
    Record(["pooling"], pool("pooling", max_pooling_reference), points="apart", module=FC, integers="same",
           bad=[(lambda: FC.pooling(v(1, 1, 2, 2), 3), ValueError, "pooling"),
                (lambda: FC.pooling(v(4, 4), 2), ValueError, r"pooling.*\(4, 4\)")],
           special=[(padded_negatives, np.full((1, 1, 2, 2), -3.0))]),
    Record(["pooling_simple"], pool("pooling_simple", max_pooling_reference), points="apart", module=FC,
           integers="same",
           bad=[(lambda: FC.pooling_simple(v(1, 1, 2, 2), 3), ValueError, "pooling_simple")]),
    Record(["average_pooling"], pool("average_pooling", mean_pooling_reference), module=FC,
           bad=[(lambda: FC.average_pooling(v(1, 1, 2, 2), 3), ValueError, "average_pooling")]),
    Record(["im2col"],
           [Case("matrix", lambda x: FC.im2col(x, 2), lambda x: columns_reference(x, 2), [(1, 2, 3, 3)],
                 empty=[[(0, 2, 3, 3)], [(1, 0, 3, 3)]]),
            Case("array", lambda x: FC.im2col(x, (3, 2), 2, 1, to_matrix=False),
                 lambda x: columns_reference(x, (3, 2), 2, 1, False), [(2, 1, 4, 3)])],
           module=FC, integers="same",
           bad=[(lambda: FC.im2col(v(1, 1, 2, 2), 3), ValueError, "im2col"),
                (lambda: FC.im2col(v(2, 2), 1), ValueError, r"im2col.*\(2, 2\)")]),
    Record(["col2im"],
           [Case("matrix", lambda x: FC.col2im(x, (1, 2, 3, 3), 2), lambda x: images_reference(x, (1, 2, 3, 3), 2),
                 [(4, 8)]),
            Case("array", lambda x: FC.col2im(x, (2, 1, 4, 3), (3, 2), 2, 1, to_matrix=False),
                 lambda x: images_reference(x, (2, 1, 4, 3), (3, 2), 2, 1, False), [(2, 1, 3, 2, 2, 2)])],
           module=FC, integers="same",
           bad=[(lambda: FC.col2im(v(4, 7), (1, 2, 3, 3), 2), ValueError, r"col2im.*\(4, 7\)")]),
]

# Plain functions of ndarrays: no Variables, no gradients.
ARRAYS = [
    Record(["im2col_array"],
           [Case("matrix", lambda x: FC.im2col_array(x, 2, 1, 0), lambda x: columns_reference(x, 2), [(1, 2, 3, 3)],
                 empty=[[(0, 2, 3, 3)]]),
            Case("array", lambda x: FC.im2col_array(x, (3, 2), 2, 1, False),
                 lambda x: columns_reference(x, (3, 2), 2, 1, False),
                 [(2, 1, 4, 3)])],
           module=FC, integers="same", order=0,
           bad=[(lambda: FC.im2col_array(np.ones((1, 1, 2, 2)), 3, 1, 0), ValueError, "im2col")]),
    Record(["col2im_array"],
           [Case("matrix", lambda x: FC.col2im_array(x, (1, 2, 3, 3), 2, 1, 0),
                 lambda x: images_reference(x, (1, 2, 3, 3), 2), [(4, 8)]),
            Case("array", lambda x: FC.col2im_array(x, (2, 1, 4, 3), (3, 2), 2, 1, False),
                 lambda x: images_reference(x, (2, 1, 4, 3), (3, 2), 2, 1, False), [(2, 1, 3, 2, 2, 2)])],
           module=FC, integers="same", order=0,
           bad=[(lambda: FC.col2im_array(np.ones((4, 7)), (1, 2, 3, 3), 2, 1, 0), ValueError, "col2im")]),
]

RECORDS = [*SHAPE, *JOIN, *REDUCE, *LINALG, *LOSSES, *CONV, *ARRAYS]
