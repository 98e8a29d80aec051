# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Operations that join, split, repeat and rearrange.

What is a reshape, a transpose or an index is made of those, and has no class of its own. Backwards without a graph, each input
of a join gets its part of gy where that lies, without an array in between.
"""

import operator

import warnings
from functools import partial

import numpy as np

cimport numpy as cnp

from dezero_c._arrays cimport ArrayFunction, argument, carray, kernel_dtype, new_array, normal_axes, run
from dezero_c._core cimport (
    DZ_MAXDIM, K_CONST, Variable, as_operand, data_of, derived, dz_bind, dz_itemsize, dz_stretch, dz_view, grad_view, kernels,
    new_variable, ptrdiff_t, read, set_data_array, traced, view, wants_grad)
from dezero_c._index cimport scatter
from dezero_c._shape cimport copy_into, views_agree

from dezero_c import _core
from dezero_c._index import GetItemGrad, get_item
from dezero_c._reduce import sum as sum_
from dezero_c._shape import broadcast_to, reshape, transpose

cnp.import_array()
dz_bind(kernels())


cdef extern from "families/join.h":
    void dz_cumsum(int, char *, const char *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int) noexcept nogil
    void dz_diff_bwd(int, char *, const char *, ptrdiff_t, ptrdiff_t, ptrdiff_t) noexcept nogil
    void dz_scan(int, char *, const char *, const char *, ptrdiff_t, ptrdiff_t, ptrdiff_t, int) noexcept nogil

cdef object FULL = slice(None), FIRST_OUT = slice(1, None), LAST_OUT = slice(None, -1)


cdef int one_axis(object axis, tuple shape, str op) except -1:
    """An axis of `shape`, from 0."""
    if type(axis) is int and 0 <= axis < len(shape):
        return axis
    try:
        axis = operator.index(axis)
    except TypeError:
        raise TypeError(f"{op}: axis {axis!r} must be an int") from None
    if not shape:
        raise np.exceptions.AxisError(f"{op}: axis {axis}: an array of shape () has no axes")
    return normal_axes(axis, shape, op)[0]


cdef tuple some_axes(object axis, tuple shape, str op):
    return normal_axes(axis if axis is None or isinstance(axis, (tuple, list)) else operator.index(axis), shape, op)


# ---- reshapes and transposes ------------------------------------------------------------------------------------------

def expand_dims(x, axis):
    """x with axes of length 1 put in, a view.

    axis: where they are in the result, an int or a tuple of ints; negative ones count from the result's end. One that
    the result does not have becomes the last or the first, as in DeZero, with a UserWarning; in a tuple it raises AxisError (a
    ValueError).
    """
    cdef Variable v = argument(x, "expand_dims")
    cdef tuple shape = v.shape, axes
    cdef int nd = len(shape) + (len(axis) if isinstance(axis, (tuple, list)) else 1), i
    try:
        axes = some_axes(axis, (1,) * nd, "expand_dims")
    except np.exceptions.AxisError:
        if isinstance(axis, (tuple, list)):
            raise np.exceptions.AxisError(f"expand_dims: axis {axis} is not one of the {nd} axes that an array of shape {shape} "
                                          "has then") from None
        warnings.warn(f"expand_dims: axis {axis} is not one of the {nd} axes that an array of shape {shape} has then; as in "
                      f"DeZero the new axis is the {'last' if axis > 0 else 'first'} one", UserWarning, stacklevel=2)
        return reshape(v, (*shape, 1) if axis > 0 else (1, *shape))
    lengths = iter(shape)
    return reshape(v, tuple([1 if i in axes else next(lengths) for i in range(nd)]))


def flatten(x):
    """All axes but the first made one: (N, …) becomes (N, rest), and (N,) becomes (N, 1). Raises AxisError (a ValueError and
    an IndexError) for a 0-d x."""
    cdef Variable v = argument(x, "flatten")
    cdef tuple shape = v.shape
    cdef Py_ssize_t rest = 1
    if not shape:
        raise np.exceptions.AxisError("flatten: a 0-d array has no first axis to keep; use reshape(x, (1, 1))")
    for n in shape[1:]:
        rest *= n
    return reshape(v, (shape[0], rest))


def squeeze(x, axis=None):
    """x without axes of length 1, a view.

    axis: int or tuple of ints, the axes to take out; None: all of length 1. Raises ValueError for an axis that is longer.
    """
    cdef Variable v = argument(x, "squeeze")
    cdef tuple shape = v.shape, axes
    cdef int i
    if axis is None:
        return reshape(v, tuple([n for n in shape if n != 1]))
    axes = some_axes(axis, shape, "squeeze")
    if any([shape[i] != 1 for i in axes]):
        raise ValueError(f"squeeze: axis {axis} of shape {shape} is not of length 1")
    return reshape(v, tuple([shape[i] for i in range(len(shape)) if i not in axes]))


def moveaxis(x, source, destination):
    """Axes `source` (int or sequence) at the places `destination`, the others in their order: a view. Raises ValueError when
    the two are not equally many, or name an axis twice; AxisError for one that x does not have."""
    cdef Variable v = argument(x, "moveaxis")
    cdef tuple shape = v.shape
    cdef tuple s = some_axes(() if source is None else source, shape, "moveaxis")
    cdef tuple d = some_axes(() if destination is None else destination, shape, "moveaxis")
    cdef int i
    if len(s) != len(d) or source is None or destination is None:
        raise ValueError(f"moveaxis: source {source} and destination {destination} must name equally many axes")
    order = [i for i in range(len(shape)) if i not in s]
    for to, i in sorted(zip(d, s)):
        order.insert(to, i)
    return transpose(v, tuple(order))


def swapaxes(x, axis1, axis2):
    """Two axes exchanged, a view. Raises AxisError (a ValueError) for an axis that x does not have."""
    cdef Variable v = argument(x, "swapaxes")
    cdef tuple shape = v.shape
    cdef int i = one_axis(axis1, shape, "swapaxes"), j = one_axis(axis2, shape, "swapaxes"), k
    return transpose(v, tuple([j if k == i else i if k == j else k for k in range(len(shape))]))


# ---- joining ----------------------------------------------------------------------------------------------------------

cdef tuple operands(object xs, str op):
    """The arrays to be joined as Variables. Where some are of floating point, integers and what has no dtype of its own
    (lists, numbers) take their dtype."""
    cdef list vs = []
    cdef set floats = set()
    cdef bint odd = False, same = True
    cdef Variable v
    cdef object o, dtype, kind, first = None
    if isinstance(xs, str) or not hasattr(xs, "__iter__"):
        raise TypeError(f"{op}: pass a sequence of Variables or arrays, not {type(xs)}")
    for o in xs:
        v = argument(o, op)
        vs.append(v)
        dtype = data_of(v).dtype
        if first is None:
            first = dtype
        same = same and dtype is first
    if same and vs:
        return tuple(vs)
    for o, v in zip(xs if isinstance(xs, (list, tuple)) else vs, vs):
        dtype = v.dtype
        kind = dtype.kind
        if kind in "fc" and isinstance(o, (Variable, np.ndarray, np.generic)):
            floats.add(dtype)
        elif kind in "fciub":
            odd = True
    if not vs:
        raise ValueError(f"{op}: there is nothing to join; pass one array at least")
    if odd and floats:
        dtype = np.result_type(*floats)
        for k, o in enumerate(xs if isinstance(xs, (list, tuple)) else vs):
            v = vs[k]
            kind = v.dtype.kind
            if v.kind & K_CONST and kind in "fciub" \
                    and (kind not in "fc" or not (cnp.PyArray_Check(o) or cnp.PyArray_CheckScalar(o))):
                vs[k] = in_dtype(v, dtype)
    return tuple(vs)


cdef Variable in_dtype(Variable c, object dtype):
    """A constant's values in another dtype."""
    cdef Variable v = new_variable(c.era)
    set_data_array(v, data_of(c).astype(dtype))
    v.kind = K_CONST
    if traced():
        derived(v, partial(_core.as_dtype, dtype), (c,))
    return v


cdef tuple one_dtype(tuple arrays):
    """Integers among floating-point arrays in those arrays' dtype."""
    cdef object a, first = arrays[0].dtype
    for a in arrays:
        if a.dtype is not first and a.dtype != first:
            break
    else:
        return arrays
    floats = [a.dtype for a in arrays if a.dtype.kind in "fc"]
    if not floats:
        return arrays
    dtype = np.result_type(*floats)
    return tuple([a.astype(dtype) if a.dtype.kind in "iub" else a for a in arrays])


cdef str shapes_of(tuple arrays):
    return listed([a.shape for a in arrays])


cdef str listed(list shapes):
    return ", ".join([str(shape) for shape in shapes[:8]]) + (f" and {len(shapes) - 8} more" if len(shapes) > 8 else "")


cdef object rebound(str op, list shapes, object gy):
    return ValueError(f"{op}: a gradient of shape {gy.shape} does not fit inputs of shapes {listed(shapes)}; was data rebound to "
                      "another shape since forward?")


cdef class Concatenate(ArrayFunction):
    """Concatenate(axis=0)\n--\n
    The class behind `concatenate`: `Concatenate(axis)(x0, x1, …)`."""

    cdef readonly object axis

    def __init__(self, axis=0):
        self.axis = axis

    def _arguments(self):
        return (self.axis,)

    def forward(self, *xs):
        cdef tuple arrays = one_dtype(xs)
        cdef int axis
        if self.axis is None:
            return np.concatenate(arrays, axis=None)
        if arrays[0].ndim == 0:
            raise ValueError("concatenate: 0-d arrays have no axis to be joined along; use stack, or axis=None")
        axis = one_axis(self.axis, arrays[0].shape, "concatenate")
        try:
            return cnp.PyArray_Concatenate(arrays, axis)
        except ValueError as error:
            raise ValueError(f"concatenate: shapes {shapes_of(arrays)} do not fit along axis {self.axis}: the other axes must be "
                             "equal") from error

    def backward(self, gy):
        cdef Variable x
        cdef int axis = 0 if self.axis is None else self.axis % gy.ndim, k
        cdef list gxs = [], shapes = [self.arg(k).shape for k in range(self.nin)]
        cdef Py_ssize_t start = 0, n
        lengths = [product(shape) if self.axis is None else shape[axis] for shape in shapes
                   if self.axis is None or axis < len(shape)]
        if sum(lengths) != gy.shape[axis] or len(lengths) != self.nin or (self.axis is not None and any(
                [shape[:axis] != gy.shape[:axis] or shape[axis + 1:] != gy.shape[axis + 1:] for shape in shapes])):
            raise rebound("concatenate", shapes, gy)
        for k in range(self.nin):
            x = self.arg(k)
            n = lengths[k]
            if not wants_grad(x):
                gxs.append(None)
            else:
                gxs.append(reshape(get_item(gy, (FULL,) * axis + (slice(start, start + n),)), shapes[k]))
            start += n
        return tuple(gxs)

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef dz_view xv, gv
        cdef cnp.npy_intp st[DZ_MAXDIM]
        cdef const char *p
        cdef Py_ssize_t n, total = 0
        cdef int axis = 0, k, j
        cdef bint flat = self.axis is None
        cdef Variable x
        if not grad_view(y, &gv) or (flat and gv.strides != NULL):
            return 0
        if not flat:
            axis = self.axis
            axis = axis + gv.nd if axis < 0 else axis
            dz_stretch(&gv, gv.nd, gv.shape, st)
        for k in range(self.nin):
            x = self.arg(k)
            if not view(x, &xv) or xv.dt != gv.dt or not (flat or fits(&xv, &gv, axis)):
                return 0
            total += xv.size if flat else xv.shape[axis]
        if gv.nd == 0 or total != gv.shape[axis]:
            return 0
        p = gv.p
        for k in range(self.nin):
            x = self.arg(k)
            view(x, &xv)
            if flat:
                n = dz_itemsize(xv.dt)
                for j in range(xv.nd - 1, -1, -1):
                    st[j] = n
                    n *= xv.shape[j]
                n = xv.size * dz_itemsize(xv.dt)
            else:
                n = xv.shape[axis] * st[axis]
            if wants_grad(x):
                copy_into(x, &xv, p, st)
            p += n
        return 1


cdef bint fits(const dz_view *xv, const dz_view *gv, int axis) noexcept:
    """Whether two shapes are equal but along one axis."""
    cdef int j
    if xv.nd != gv.nd or axis < 0 or axis >= gv.nd:
        return False
    for j in range(gv.nd):
        if j != axis and xv.shape[j] != gv.shape[j]:
            return False
    return True


def concatenate(xs, axis=0):
    """Arrays joined along an axis that they have; None: flattened ones.

    xs: a sequence of Variables or arrays, of equal lengths along the other axes. The result has NumPy's common dtype, but integer
    arrays, lists and numbers take the dtype of floating-point arrays that they join. Raises ValueError for shapes that do
    not fit or no array at all, AxisError (a ValueError) for an axis that the first does not have.
    """
    return run(Concatenate(None if axis is None else operator.index(axis)), operands(xs, "concatenate"))


cdef class Stack(ArrayFunction):
    """Stack(axis=0)\n--\n
    The class behind `stack`: `Stack(axis)(x0, x1, …)`."""

    cdef readonly object axis

    def __init__(self, axis=0):
        self.axis = axis

    def _arguments(self):
        return (self.axis,)

    def forward(self, *xs):
        cdef tuple arrays = one_dtype(xs), shape = arrays[0].shape
        cdef int axis = one_axis(self.axis, (*shape, 1), "stack")
        cdef object a
        for a in arrays:
            if a.shape != shape:
                raise ValueError(f"stack: shapes {shapes_of(arrays)} must be equal")
        if axis == 0:
            return cnp.PyArray_Concatenate(tuple([a[None] for a in arrays]), 0)
        index = (FULL,) * axis + (None,)
        return cnp.PyArray_Concatenate(tuple([a[index] for a in arrays]), axis)

    def backward(self, gy):
        cdef int axis = self.axis % gy.ndim, k
        cdef list shapes = [self.arg(k).shape for k in range(self.nin)]
        if any([(*shape[:axis], self.nin, *shape[axis:]) != gy.shape for shape in shapes]):
            raise rebound("stack", shapes, gy)
        return tuple([None if not wants_grad(self.arg(k)) else get_item(gy, (FULL,) * axis + (k,)) for k in range(self.nin)])

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef dz_view xv, gv
        cdef cnp.npy_intp st[DZ_MAXDIM]
        cdef Py_ssize_t step
        cdef int axis = self.axis, k, j
        cdef Variable x
        if not grad_view(y, &gv) or gv.nd == 0:
            return 0
        axis = axis + gv.nd if axis < 0 else axis
        if axis < 0 or axis >= gv.nd or gv.shape[axis] != self.nin:
            return 0
        for k in range(self.nin):
            x = self.arg(k)
            if not view(x, &xv) or xv.dt != gv.dt or xv.nd != gv.nd - 1:
                return 0
            for j in range(xv.nd):
                if xv.shape[j] != gv.shape[j + (j >= axis)]:
                    return 0
        dz_stretch(&gv, gv.nd, gv.shape, st)
        step = st[axis]
        for j in range(axis, gv.nd - 1):
            st[j] = st[j + 1]
        for k in range(self.nin):
            x = self.arg(k)
            if wants_grad(x):
                view(x, &xv)
                copy_into(x, &xv, gv.p + k * step, st)
        return 1


def stack(xs, axis=0):
    """Arrays of one shape joined along a new axis, which is `axis` in the result.

    Dtypes as in `concatenate`. Raises ValueError for shapes that differ or no array at all, AxisError (a ValueError) for an axis
    that the result would not have.
    """
    return run(Stack(operator.index(axis)), operands(xs, "stack"))


cdef object whole(object number, str what):
    """operator.index, with an error that names what was given."""
    try:
        return operator.index(number)
    except TypeError:
        raise TypeError(f"{what} is {number!r}; give an int") from None


def split(x, indices_or_sections, axis=0):
    """A list of parts of x along an axis, views, as np.split.

    indices_or_sections: an int, so many equal parts, or the sequence of places where parts begin. Raises ValueError where equal
    parts do not come out even, AxisError (a ValueError) for an axis that x does not have.
    """
    cdef Variable v = argument(x, "split")
    cdef tuple shape = v.shape
    cdef int k = one_axis(axis, shape, "split")
    cdef Py_ssize_t n = shape[k], count
    cdef list at
    if isinstance(indices_or_sections, Variable):
        indices_or_sections = read(<Variable> indices_or_sections, "split(): the places")
    if np.ndim(indices_or_sections) == 0:
        count = whole(indices_or_sections, "split: the number of parts")
        if count < 1 or n % count:
            raise ValueError(f"split: axis {axis} of shape {shape} does not come out even in {count} parts; pass the places "
                             "where parts begin")
        at = list(range(0, n + 1, n // count)) if n else [0] * (count + 1)
    else:
        at = [0, *[whole(i, "split: a place") for i in indices_or_sections], n]
    head = (FULL,) * k
    return [get_item(v, (*head, slice(start, stop))) for start, stop in zip(at[:-1], at[1:])]


# ---- padding ----------------------------------------------------------------------------------------------------------

cdef class Pad(ArrayFunction):
    """Pad(pad_width, constant_values=0)\n--\n
    The class behind `pad` with a constant: `Pad(((before, after), …))(x)`, a pair for each axis."""

    cdef readonly object pad_width, constant_values

    def __init__(self, pad_width, constant_values=0):
        self.pad_width = pad_width
        self.constant_values = constant_values

    def _arguments(self):
        return (self.pad_width, self.constant_values)

    cdef tuple widths(self, int nd):
        return pairs(self.pad_width, nd)

    cdef tuple inner(self, tuple shape):
        """The index of x in y."""
        return tuple([slice(before, before + n) for n, (before, after) in zip(shape, self.widths(len(shape)))])

    def forward(self, x):
        cdef object y
        if np.ndim(self.constant_values):
            return np.pad(x, self.widths(x.ndim), constant_values=self.constant_values)
        y = np.empty([n + before + after for n, (before, after) in zip(x.shape, self.widths(x.ndim))], x.dtype)
        y[...] = self.constant_values
        y[self.inner(x.shape)] = x
        return y

    def backward(self, gy):
        return get_item(gy, self.inner(self.in0.shape))

    cdef int vjp_raw(self, Variable y, bint keep) except -1:
        cdef dz_view xv, gv
        cdef cnp.npy_intp st[DZ_MAXDIM]
        cdef tuple widths = self.widths(self.in0.ndim)      # before the views: it may start a garbage collection
        cdef Py_ssize_t before, after
        cdef const char *p
        cdef int j
        if not views_agree(self.in0, y, &xv, &gv) or xv.nd != gv.nd or len(widths) != xv.nd:
            return 0
        dz_stretch(&gv, gv.nd, gv.shape, st)
        p = gv.p
        for j in range(xv.nd):
            before = widths[j][0]
            after = widths[j][1]
            if gv.shape[j] != before + xv.shape[j] + after:
                return 0
            p += before * st[j]
        copy_into(self.in0, &xv, p, st)
        return 1


cdef tuple pairs(object width, int nd):
    """pad_width as ((before, after), …)."""
    cdef object a
    cdef int k
    if type(width) is int and width >= 0:
        return ((width, width),) * nd
    if isinstance(width, dict):
        a = np.zeros((nd, 2), int)
        for axis, w in width.items():
            a[operator.index(axis)] = w
    elif type(width) is tuple and len(width) == nd and all(
            [type(w) is tuple and len(w) == 2 and type(w[0]) is int and type(w[1]) is int for w in width]):
        if min([min(w) for w in width], default=0) >= 0:
            return width
        a = np.array(width, int)
    else:
        a = np.asarray(read(width, "pad(): the widths") if isinstance(width, Variable) else width)
        if a.dtype.kind not in "iu" and a.size:
            raise TypeError(f"pad: pad_width {width!r} must be integers")
        try:
            a = np.broadcast_to(a, (nd, 2))
        except ValueError:
            raise ValueError(f"pad: pad_width {width!r} does not fit {nd} axes; pass an int, (before, after), or such a pair for "
                             "each axis") from None
    if a.size and a.min() < 0:
        raise ValueError(f"pad: pad_width {width!r} must not be negative; slice the array instead")
    return tuple([(int(a[k, 0]), int(a[k, 1])) for k in range(nd)])


def pad(x, pad_width, mode="constant", constant_values=0):
    """x with values put before and after it along its axes, as np.pad.

    pad_width: an int, a pair (before, after), or a pair for each axis; mode: "constant" (constant_values, in x's dtype), or
    "edge", "reflect", "symmetric", "wrap", which repeat x's values, and give them the sum of their copies' gradients. Raises
    ValueError for other modes, for constant_values of one of those or that integers do not have, for widths that do not fit or
    are negative, and for an empty axis that is to be repeated.
    """
    cdef Variable v = argument(x, "pad")
    cdef tuple shape = v.shape, widths
    cdef int k
    if mode not in ("constant", "edge", "reflect", "symmetric", "wrap"):
        raise ValueError(f"pad: mode {mode!r} is none of 'constant', 'edge', 'reflect', 'symmetric', 'wrap'")
    if isinstance(constant_values, Variable):
        raise TypeError("pad: constant_values gets no gradient: pass its data; or concatenate the Variables")
    widths = pairs(pad_width, len(shape))
    if mode != "constant" and not (type(constant_values) is int and constant_values == 0):
        raise ValueError(f"pad: constant_values are for mode 'constant', and mode is {mode!r}; leave them out")
    if mode == "constant":
        if v.dtype.kind in "iu" and np.asarray(constant_values).dtype.kind == "f":
            if np.any(np.asarray(constant_values) % 1 != 0):
                raise ValueError(f"pad: constant_values {constant_values!r} are no numbers of x's dtype, {v.dtype}; cast x first")
        return run(Pad(widths, constant_values), (v,))
    for k in range(len(shape)):
        if widths[k] != (0, 0):
            try:
                index = np.pad(np.arange(shape[k]), widths[k], mode=mode)
            except ValueError as error:
                raise ValueError(f"pad: {error} (shape {shape}, axis {k})") from None
            v = get_item(v, (FULL,) * k + (index,))
    return get_item(v, Ellipsis) if v is x else v


# ---- repeating --------------------------------------------------------------------------------------------------------

cdef class Repeat(ArrayFunction):
    """Repeat(repeats, axis=None)\n--\n
    The class behind `repeat`: `Repeat(repeats, axis)(x)`."""

    cdef readonly object repeats, axis

    def __init__(self, repeats, axis=None):
        self.repeats = repeats if type(repeats) is int else np.array(repeats)
        self.axis = axis

    def _arguments(self):
        return (self.repeats, self.axis)

    def forward(self, x):
        return x.repeat(self.repeats, self.axis)

    cdef tuple parts(self):
        """x's shape as (outer, n, row), n along the repeated axis."""
        cdef tuple shape = self.in0.shape
        cdef int axis
        if self.axis is None:
            return 1, self.in0.size, 1
        axis = self.axis % len(shape)
        return product(shape[:axis]), shape[axis], product(shape[axis + 1:])

    cdef object index(self, object n):
        """Where in x's axis each slice of y's comes from."""
        return np.repeat(np.arange(n), self.repeats)

    def backward(self, gy):
        cdef object outer, n, row, index
        outer, n, row = self.parts()
        if type(self.repeats) is int:
            gx = sum_(reshape(gy, (outer, n, self.repeats, row)), 2)
        else:
            index = self.index(n)
            gx = run(GetItemGrad((FULL, index), (outer, n, row)), (reshape(gy, (outer, index.size, row)),))
        return reshape(gx, self.in0.shape)

    cdef object gradients(self, object gy):
        cdef object outer, n, row, index, gx
        cdef int k
        outer, n, row = self.parts()
        if type(self.repeats) is not int:
            index = self.index(n)
            gx = scatter((FULL, index), (outer, n, row), gy.reshape(outer, index.size, row))
        elif self.repeats == 0:
            gx = np.zeros((outer, n, row), gy.dtype)
        else:
            gy = gy.reshape(outer, n, self.repeats, row)
            if self.repeats > 16:
                gx = gy.sum(2)
            else:       # NumPy sums short axes slowly
                gx = gy[:, :, 0].copy()
                for k in range(1, self.repeats):
                    np.add(gx, gy[:, :, k], gx)
        return (gx.reshape(self.in0.shape),)


cdef object product(tuple shape):
    cdef Py_ssize_t n = 1, length
    for length in shape:
        n *= length
    return n


def repeat(x, repeats, axis=None):
    """Each element, or each slice along an axis, repeated in place, as np.repeat.

    repeats: an int, or an array of one count for each; axis None: of the flattened array, flat. Raises ValueError for counts
    that are negative or do not fit, TypeError for those that are no integers, AxisError (a ValueError) for an axis that x does
    not have.
    """
    cdef Variable v = argument(x, "repeat")
    cdef object counts = read(<Variable> repeats, "repeat(): the counts") if isinstance(repeats, Variable) else repeats, k
    k = None if axis is None else one_axis(axis, v.shape, "repeat")
    n = v.size if axis is None else v.shape[k]
    counts = np.asarray(counts)
    if counts.dtype.kind not in "iu" and counts.size:
        raise TypeError(f"repeat: repeats must be integers, not {counts.dtype}")
    if counts.size and counts.min() < 0:
        raise ValueError(f"repeat: repeats {repeats!r:.80} must not be negative")
    if counts.ndim > 1 or (counts.size != 1 and counts.shape != (n,)):
        raise ValueError(f"repeat: repeats of shape {counts.shape} do not fit the {n} elements along axis {axis} of shape "
                         f"{v.shape}; pass an int, or one count for each")
    return run(Repeat(int(counts.item()) if counts.size == 1 else counts.astype(np.intp), k), (v,))


cdef class Tile(ArrayFunction):
    """Tile(reps)\n--\n
    The class behind `tile`: `Tile(reps)(x)`."""

    cdef readonly object reps

    def __init__(self, reps):
        self.reps = reps

    def _arguments(self):
        return (self.reps,)

    cdef tuple pair(self, tuple shape):
        """(reps, shape), of equal length."""
        cdef tuple reps = tuple(self.reps) if isinstance(self.reps, (tuple, list)) else (self.reps,)
        cdef int nd = max(len(reps), len(shape))
        return (1,) * (nd - len(reps)) + reps, (1,) * (nd - len(shape)) + shape

    cdef tuple folded(self, tuple shape):
        """gy's shape with an axis of copies before each axis."""
        return tuple([n for both in zip(*self.pair(shape)) for n in both])

    def forward(self, x):
        reps, shape = self.pair(x.shape)
        y = np.broadcast_to(x.reshape([k for n in shape for k in (1, n)]), self.folded(x.shape))
        return np.array(y, order="C").reshape([n * r for n, r in zip(shape, reps)])

    def backward(self, gy):
        cdef tuple shape = self.in0.shape, folded = self.folded(shape)
        return reshape(sum_(reshape(gy, folded), tuple(range(0, len(folded), 2))), shape)

    cdef object gradients(self, object gy):
        cdef tuple shape = self.in0.shape, folded = self.folded(shape)
        return (np.asarray(gy.reshape(folded).sum(tuple(range(0, len(folded), 2)))).reshape(shape),)


def tile(x, reps):
    """x laid out `reps` times along each axis (an int or a sequence, for the last axes), as np.tile. Raises ValueError for
    negative reps, TypeError for those that are no integers."""
    cdef Variable v = argument(x, "tile")
    if isinstance(reps, Variable):
        reps = read(<Variable> reps, "tile(): the counts")
    try:
        reps = tuple([operator.index(r) for r in (reps if np.ndim(reps) else (reps,))])
    except TypeError:
        raise TypeError(f"tile: reps {reps!r:.80} must be an int or a sequence of ints") from None
    if min(reps, default=0) < 0:
        raise ValueError(f"tile: reps {reps} must not be negative")
    if 2 * max(len(reps), v.ndim) > DZ_MAXDIM:
        raise ValueError(f"tile: {max(len(reps), v.ndim)} axes are more than {DZ_MAXDIM // 2}")
    return run(Tile(reps), (v,))


# ---- turning and summing up -------------------------------------------------------------------------------------------

def flip(x, axis=None):
    """The elements along axes (int, tuple of ints, None: all) in reverse order, a view. Raises AxisError (a ValueError) for an
    axis that x does not have."""
    cdef Variable v = argument(x, "flip")
    cdef tuple axes = some_axes(axis, v.shape, "flip")
    cdef int i
    return get_item(v, tuple([slice(None, None, -1) if i in axes else FULL for i in range(v.ndim)]))


cdef class Roll(ArrayFunction):
    """Roll(shift, axis)\n--\n
    The class behind `roll`: `Roll(shifts, axes)(x)`, two tuples of equal length."""

    cdef readonly object shift, axis

    def __init__(self, shift, axis):
        self.shift = shift
        self.axis = axis

    def _arguments(self):
        return (self.shift, self.axis)

    def forward(self, x):
        return rolled(x, self.shift, self.axis, 1)

    def backward(self, gy):
        return run(Roll(tuple([-n for n in self.shift]), self.axis), (argument(gy, "roll"),))

    cdef object gradients(self, object gy):
        return (rolled(gy, self.shift, self.axis, -1),)


cdef object rolled(object x, tuple shifts, tuple axes, int sign):
    cdef object y = x
    cdef tuple head
    cdef Py_ssize_t n, shift
    cdef int axis
    for s, axis in zip(shifts, axes):
        n = x.shape[axis]
        shift = sign * s % n if n else 0
        if shift:
            head = (FULL,) * axis
            y = cnp.PyArray_Concatenate((y[(*head, slice(n - shift, None))], y[(*head, slice(0, n - shift))]), axis)
    return x.copy() if y is x else y


def roll(x, shift, axis=None):
    """The elements moved along axes; those that leave at one end come in at the other, as np.roll.

    shift: an int, or one for each of the axes (an int, or a tuple, which may name an axis more than once); axis None: of the
    flattened array, in x's shape. Raises ValueError when they are not equally many, AxisError for an axis that x does not have.
    """
    cdef Variable v = argument(x, "roll")
    cdef tuple shape = v.shape, shifts, axes
    if axis is None:
        shifts = tuple([whole(s, "roll: shift") for s in np.asarray(shift).ravel().tolist()])
        return reshape(roll(reshape(v, (-1,)), int(np.sum(shifts)), 0), shape)
    shifts = tuple([whole(s, "roll: shift") for s in (shift if np.ndim(shift) else (shift,))])
    axes = tuple([one_axis(a, shape, "roll") for a in (axis if np.ndim(axis) else (axis,))])
    if len(shifts) != len(axes):
        if len(shifts) == 1:
            shifts *= len(axes)
        elif len(axes) == 1:
            axes *= len(shifts)
        else:
            raise ValueError(f"roll: shift {shift} and axis {axis} must be equally many")
    return run(Roll(shifts, axes), (v,))


cdef class CumSum(ArrayFunction):
    """CumSum(axis=None)\n--\n
    The class behind `cumsum`: `CumSum(axis)(x)`."""

    cdef readonly object axis

    def __init__(self, axis=None):
        self.axis = axis

    def _arguments(self):
        return (self.axis,)

    def forward(self, x):
        if x.ndim == 0 or kernel_dtype(x) < 0 or not x.dtype.isnative:
            return x.cumsum(self.axis)
        return summed_up(x.ravel() if self.axis is None else x, 0 if self.axis is None else self.axis % x.ndim, False)

    def backward(self, gy):
        cdef object axis = 0 if self.axis is None else self.axis
        return reshape(flip(cumsum(flip(gy, axis), axis), axis), self.in0.shape)

    cdef object gradients(self, object gy):
        cdef object gx
        if kernel_dtype(gy) < 0:
            return None
        gx = summed_up(gy, 0 if self.axis is None else self.axis % gy.ndim, True)
        return (gx.reshape(self.in0.shape),)


cdef object summed_up(object x, int axis, bint backwards):
    """Sums along an axis of a float32 or float64 array, from its start or from its end."""
    cdef int dt = kernel_dtype(x)
    cdef tuple shape = x.shape
    cdef object y = new_array(shape, dt), values = carray(x, dt)
    dz_cumsum(dt, cnp.PyArray_BYTES(y), cnp.PyArray_BYTES(values), product(shape[:axis]), shape[axis], product(shape[axis + 1:]),
              backwards)
    return y


def cumsum(x, axis=None):
    """Sums of the elements up to each, along an axis; None: of the flattened array, flat.

    dtype as np.cumsum: small integers become the machine's int. The gradient is the cumulative sum of gy from the end. Raises
    AxisError (a ValueError) for an axis that x does not have.
    """
    cdef Variable v = argument(x, "cumsum")
    return run(CumSum(None if axis is None else one_axis(axis, v.shape, "cumsum")), (v,))


cdef class Scan(ArrayFunction):
    """Scan(axis, backwards=False)\n--\n
    s[i] = b[i] + a[i] s[i - 1] along an axis, where a[i] stands between i - 1 and i; backwards s[i] = b[i] + a[i + 1] s[i + 1]:
    `Scan(axis)(a, b)`. Each is the other's gradient for b; `cumprod` needs them. a[0] is not used."""

    cdef readonly object axis
    cdef readonly bint backwards

    def __init__(self, axis, backwards=False):
        self.axis = axis
        self.backwards = backwards

    def _arguments(self):
        return (self.axis, self.backwards)

    def forward(self, a, b):
        return scanned(a, b, self.axis, self.backwards)

    def backward(self, gs):
        cdef Variable a = argument(self.in0, "scan")
        cdef object s = <Variable> self.out0 if self.out0 != NULL else run(Scan(*self._arguments()), (a, self.in1))
        cdef int axis = one_axis(self.axis, a.shape, "scan")
        cdef tuple head = (FULL,) * axis, begun = (*head, slice(None, -1)), rest = (*head, slice(1, None))
        cdef object gb = run(Scan(axis, not self.backwards), (a, argument(gs, "scan")))
        if not a.size:
            return gb, gb
        ga = get_item(gb, begun) * get_item(s, rest) if self.backwards else get_item(gb, rest) * get_item(s, begun)
        return run(Pad(one_before(axis, a.ndim)), (ga,)), gb


cdef tuple one_before(int axis, int nd):
    """A pad_width: one more element before the others of an axis."""
    return ((0, 0),) * axis + ((1, 0),) + ((0, 0),) * (nd - axis - 1)


cdef object scanned(object a, object b, object along, bint backwards):
    cdef int dt = kernel_dtype(b), axis = one_axis(along, b.shape, "scan")
    cdef tuple shape = b.shape
    if a.shape != shape:
        raise ValueError(f"scan: factors of shape {a.shape} and terms of shape {shape} must have one shape")
    cdef object s, fs, ts
    cdef Py_ssize_t i
    if dt >= 0 and kernel_dtype(a) == dt:
        s, fs, ts = new_array(shape, dt), carray(a, dt), carray(b, dt)
        dz_scan(dt, cnp.PyArray_BYTES(s), cnp.PyArray_BYTES(fs), cnp.PyArray_BYTES(ts), product(shape[:axis]), shape[axis],
                product(shape[axis + 1:]), backwards)
        return s
    s = np.array(b, np.result_type(a, b))
    fs, ts = np.moveaxis(a, axis, 0), np.moveaxis(s, axis, 0)
    for i in range(1, len(ts)):
        if backwards:
            ts[len(ts) - 1 - i] += fs[len(ts) - i] * ts[len(ts) - i]
        else:
            ts[i] += fs[i] * ts[i - 1]
    return s


cdef class CumProd(ArrayFunction):
    """CumProd(axis)\n--\n
    The class behind `cumprod`: `CumProd(axis)(x)`."""

    cdef readonly object axis

    def __init__(self, axis):
        self.axis = axis

    def _arguments(self):
        return (self.axis,)

    def forward(self, x):
        return x.cumprod(one_axis(self.axis, x.shape, "cumprod"))

    def backward(self, gy):
        # gx[j] is the product of what comes before j, times gy[j] + x[j + 1] (gy[j + 1] + x[j + 2] (…)): no division.
        cdef Variable x = argument(self.in0, "cumprod")
        cdef object y = <Variable> self.out0 if self.out0 != NULL else cumprod(x, self.axis), before
        cdef int axis = one_axis(self.axis, x.shape, "cumprod")
        if not x.size:
            return gy
        before = get_item(y, (FULL,) * axis + (slice(None, -1),))
        before = run(Pad(one_before(axis, x.ndim), 1), (before,))
        return before * run(Scan(axis, True), (x, argument(gy, "cumprod")))

    cdef object gradients(self, object gy):
        cdef object x = data_of(self.in0), gx, y
        if self.out0 == NULL or kernel_dtype(x) < 0 or kernel_dtype(gy) != kernel_dtype(x):
            return None
        gx = scanned(x, gy, self.axis, True)
        y = data_of(<Variable> self.out0)
        np.moveaxis(gx, self.axis, 0)[1:] *= np.moveaxis(y, self.axis, 0)[:-1]
        return (gx,)


def cumprod(x, axis=None):
    """Products of the elements up to each, along an axis; None: of the flattened array, flat.

    dtype as np.cumprod: small integers become the machine's int. The gradient is right where elements are 0, too, and takes no
    division. Raises AxisError (a ValueError) for an axis that x does not have.
    """
    cdef Variable v = argument(x, "cumprod")
    if axis is None:
        v, axis = reshape(v, (-1,)), 0
    return run(CumProd(one_axis(axis, v.shape, "cumprod")), (v,))


cdef enum:
    FEW = 16384     # elements below which two views and their difference, in the nodes themselves, take less time


cdef class Diff(ArrayFunction):
    """Diff(n=1, axis=-1)\n--\n
    The class behind `diff`: `Diff(n, axis)(x)`."""

    cdef readonly object n, axis

    def __init__(self, n=1, axis=-1):
        self.n = n
        self.axis = axis

    def _arguments(self):
        return (self.n, self.axis)

    cdef Py_ssize_t times(self, Py_ssize_t length) except -1:
        """How often differences are taken until none are left."""
        if self.n < 0:
            raise ValueError(f"diff: n={self.n} must not be negative")
        return length if self.n > length else self.n

    def forward(self, x):
        cdef int axis = one_axis(self.axis, x.shape, "diff")
        cdef tuple head = (FULL,) * axis, begun = (*head, LAST_OUT), rest = (*head, FIRST_OUT), shape
        cdef int dt = kernel_dtype(x)
        cdef object y = x
        for _ in range(self.times(x.shape[axis]) or min(self.n, 1)):      # of nothing, too, for its dtype
            if dt >= 0 and y.size:
                shape = y.shape
                y = np.subtract(y[rest], y[begun], out=new_array((*shape[:axis], shape[axis] - 1, *shape[axis + 1:]), dt))
            else:
                y = y[rest] - y[begun]
        return x.copy() if y is x else y

    def backward(self, gy):
        # Transposed, a difference is minus one, of gy between zeros.
        cdef tuple shape = self.in0.shape
        cdef int axis = one_axis(self.axis, shape, "diff")
        cdef Py_ssize_t n = self.times(shape[axis])
        cdef tuple widths = ((0, 0),) * axis + ((n, n),) + ((0, 0),) * (len(shape) - axis - 1)
        gx = run(Diff(n, axis), (run(Pad(widths), (argument(gy, "diff"),)),))
        return -gx if n % 2 else gx

    cdef object gradients(self, object gy):
        cdef tuple shape = self.in0.shape
        cdef int axis = one_axis(self.axis, shape, "diff"), dt = kernel_dtype(gy)
        cdef Py_ssize_t length = shape[axis], n = self.times(length), k
        cdef object gx, values
        if dt < 0 or n == 0 or not gy.size:
            return None
        gx = carray(gy, dt)
        for k in range(length - n, length):
            values = gx
            gx = new_array((*shape[:axis], k + 1, *shape[axis + 1:]), dt)
            dz_diff_bwd(dt, cnp.PyArray_BYTES(gx), cnp.PyArray_BYTES(values), product(shape[:axis]), k, product(shape[axis + 1:]))
        return (gx,)


cdef object beside(object part, Variable x, int axis):
    """What goes before or behind x along an axis: a number is a slice of length 1."""
    cdef tuple shape = x.shape
    if np.ndim(data_of(part) if isinstance(part, Variable) else part):
        return part
    return broadcast_to(as_operand(part, x), (*shape[:axis], 1, *shape[axis + 1:]))


def diff(x, n=1, axis=-1, prepend=None, append=None):
    """Differences of neighbours along an axis, x[1:] - x[:-1], n times over, as np.diff.

    prepend, append: what x is extended by first, a number or an array of x's shape but along the axis; both have gradients.
    Raises ValueError for a negative n and a 0-d x, TypeError for booleans, AxisError (a ValueError) for an axis that x does not
    have.
    """
    cdef Variable v = argument(x, "diff")
    cdef tuple shape = v.shape, head
    cdef int k
    n = operator.index(n)
    if n < 0 or not shape:
        raise ValueError(f"diff: n={n} must not be negative" if n < 0 else "diff: a 0-d array has no axis along which to differ")
    k = one_axis(axis, shape, "diff")
    if n == 0:
        return v
    parts = [beside(part, v, k) for part in (prepend, append) if part is not None]
    if parts:
        v = concatenate([*parts[:prepend is not None], v, *parts[prepend is not None:]], k)
    if v.dtype == bool:
        raise TypeError("diff: booleans have no differences; cast them to numbers")
    if v.size < FEW:
        head = (FULL,) * k
        for _ in range(n):
            v = get_item(v, (*head, FIRST_OUT)) - get_item(v, (*head, LAST_OUT))
        return v
    return run(Diff(n, k), (v,))


_core.register_methods(squeeze=squeeze, stack=stack)
include "generated/_join.pxi"
