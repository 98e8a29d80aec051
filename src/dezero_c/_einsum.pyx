# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""einsum: sums of products over labelled axes.

Subscripts and shapes are first brought into a plain form, in which every axis has one letter, every letter one length, and
nothing broadcasts. A gradient of that form is another einsum, so every order follows. Large sums are done two operands
at a time, by BLAS.
"""

import string

import numpy as np

cimport numpy as cnp

from dezero_c._arrays cimport ArrayFunction, argument, forward_of, kernel_dtype, wide
from dezero_c._core cimport Variable, call_native, data_of, wants_grad


cnp.import_array()

cdef enum:
    SMALL = 4096        # products up to which NumPy's loop over all of them beats a call of BLAS
    KEPT = 512          # plain forms that are remembered

cdef dict forms = {}


# ---- subscripts -------------------------------------------------------------------------------------------------------

cdef object error(str subscripts, tuple shapes, str reason):
    return ValueError(f"einsum: {subscripts!r} with shapes {', '.join([str(s) for s in shapes])}: {reason}")


cdef tuple split_term(str term, str subscripts, tuple shapes):
    """The letters before and after the ellipsis, and whether there is one."""
    cdef str before, dots, after
    before, dots, after = term.partition("...")
    for c in before + after:
        if c not in string.ascii_letters:
            raise error(subscripts, shapes, f"{c!r} in {term!r} is no letter" + (
                "; an ellipsis is three dots, once in a term" if c == "." else ""))
    return before, after, bool(dots)


cdef tuple plain(str subscripts, tuple shapes):
    """(letters of each operand, letters of the result, {letter: length}), remembered."""
    cdef tuple key = (subscripts, shapes), form = forms.get(key)
    if form is None:
        if len(forms) >= KEPT:
            forms.clear()
        form = forms[key] = parse(subscripts, shapes)
    return form


cdef tuple parse(str subscripts, tuple shapes):
    cdef str given = subscripts.replace(" ", ""), left, arrow, right, before, after, dots, out, fresh, c
    cdef list terms, names = [], found = []
    cdef dict sizes = {}
    cdef bint has_dots
    cdef int extra = 0, n, k, i
    left, arrow, right = given.partition("->")
    terms = left.split(",")
    if len(terms) != len(shapes):
        raise error(subscripts, shapes, f"it has {len(terms)} terms for {len(shapes)} operands")
    for k in range(len(terms)):
        before, after, has_dots = split_term(terms[k], subscripts, shapes)
        n = len(shapes[k]) - len(before) - len(after)
        if n < 0 or (n > 0 and not has_dots):
            raise error(subscripts, shapes, f"{terms[k]!r} names {len(before) + len(after)} axes, and operand {k} has "
                                            f"{len(shapes[k])}")
        extra = max(extra, n)
        found.append((before, after, n))
    fresh = "".join([c for c in string.ascii_letters if c not in given])
    if extra > len(fresh):
        raise error(subscripts, shapes, "more than 52 axes are to be told apart")
    dots, fresh = fresh[:extra], fresh[extra:]
    for k in range(len(terms)):
        before, after, n = found[k]
        names.append(before + dots[extra - n:] + after)
        for i, c in enumerate(names[k]):
            n = shapes[k][i]
            if names[k].index(c) < i and shapes[k][names[k].index(c)] != n:
                raise error(subscripts, shapes, f"{c!r} stands for two axes of operand {k} with different lengths")
            if sizes.get(c, 1) != 1 and n != 1 and sizes[c] != n:
                raise error(subscripts, shapes, f"{repr(c) if c in given else 'an axis of the ellipsis'} is of length "
                                                f"{sizes[c]} in one operand, {n} in another")
            sizes[c] = n if sizes.get(c, 1) == 1 else sizes[c]
    if arrow:
        before, after, has_dots = split_term(right, subscripts, shapes)
        if extra and not has_dots:
            raise error(subscripts, shapes, "the result needs an ellipsis, because the operands' covers axes")
        out = before + (dots if has_dots else "") + after
    else:
        out = dots + "".join(sorted([c for c in set(left) - set(".,") if left.count(c) == 1]))
    for c in out:
        if out.count(c) > 1:
            raise error(subscripts, shapes, f"{c!r} stands twice in the result")
        if c not in sizes:
            raise error(subscripts, shapes, f"{c!r} of the result is in no operand")
    # An axis of length 1 that is repeated to another length gets a letter of its own, over which the sum is trivial.
    for k in range(len(terms)):
        for c in sorted({c for i, c in enumerate(names[k]) if shapes[k][i] == 1 and sizes[c] != 1}):
            if not fresh:
                raise error(subscripts, shapes, "more than 52 axes are to be told apart")
            names[k] = names[k].replace(c, fresh[0])
            sizes[fresh[0]] = 1
            fresh = fresh[1:]
    return tuple(names), out, sizes


# ---- the sum, on ndarrays ---------------------------------------------------------------------------------------------

cdef object contracted(list xs, list names, str out, dict sizes):
    """The sum of products in plain form."""
    cdef Py_ssize_t total = 1
    cdef int i, j, dt = kernel_dtype(xs[0])
    cdef tuple best
    cdef str keep
    cdef object y
    for c in set("".join(names)):
        total *= sizes[c]
    if len(xs) == 1 or total <= SMALL or dt < 0 or any([kernel_dtype(x) != dt for x in xs]):
        return np.einsum(",".join(names) + "->" + out, *xs)
    xs, names = list(xs), list(names)
    while len(xs) > 1:
        best = cheapest(names, out, sizes) if len(xs) > 2 else (0, 0, 1)
        i, j = best[1:]
        keep = out + "".join([names[k] for k in range(len(names)) if k != i and k != j])
        if len(xs) == 2 and out and out[0] in names[j] and out[0] not in names[i]:
            i, j = j, i     # so that the result comes out in its order
        y, keep = by_blas(xs[i], names[i], xs[j], names[j], keep)
        for k in sorted([i, j], reverse=True):
            del xs[k], names[k]
        xs.append(y)
        names.append(keep)
    return np.einsum(names[0] + "->" + out, xs[0])


cdef tuple cheapest(list names, str out, dict sizes):
    """(growth, i, j): the two operands whose product adds the fewest values to what is held."""
    cdef tuple best = None, candidate
    cdef int i, j
    for i in range(len(names)):
        for j in range(i + 1, len(names)):
            others = set(out).union(*[names[k] for k in range(len(names)) if k != i and k != j])
            both = set(names[i]) | set(names[j])
            candidate = (length(both & others, sizes) - length(names[i], sizes) - length(names[j], sizes), i, j)
            if best is None or candidate < best:
                best = candidate
    return best


cdef object length(letters, dict sizes):
    cdef object n = 1
    for c in letters:
        n *= sizes[c]
    return n


cdef tuple reduced(object x, str names, str others):
    """x without repeated letters, and summed over those that nobody else has."""
    cdef str left = "".join([c for c in dict.fromkeys(names) if c in others])
    return (x, names) if left == names else (np.einsum(names + "->" + left, x), left)


cdef tuple by_blas(object x, str a, object W, str b, str keep):
    """The product of two operands, summed over the letters that are not in `keep`; and its letters."""
    cdef str batch, shared, fx, fw
    x, a = reduced(x, a, b + keep)
    W, b = reduced(W, b, a + keep)
    batch = "".join([c for c in a if c in b and c in keep])
    shared = "".join([c for c in a if c in b and c not in keep])
    fx = "".join([c for c in a if c not in b])
    fw = "".join([c for c in b if c not in a])
    if not shared:
        return np.einsum(a + "," + b + "->" + batch + fx + fw, x, W), batch + fx + fw
    shape = [x.shape[a.index(c)] for c in batch + fx] + [W.shape[b.index(c)] for c in fw]
    y = np.matmul(matrices(x, a, batch, fx, shared), matrices(W, b, batch, shared, fw))
    return y.reshape(shape), batch + fx + fw


cdef object matrices(object x, str names, str batch, str rows, str columns):
    """x as matrices over `batch`, with one axis of contiguous values, as BLAS wants them."""
    cdef list order = [names.index(c) for c in batch + rows + columns], lead
    cdef object t = x.transpose(order)
    cdef Py_ssize_t n = 1, m = 1
    for c in rows:
        n *= x.shape[names.index(c)]
    for c in columns:
        m *= x.shape[names.index(c)]
    lead = [x.shape[names.index(c)] for c in batch]
    if names == batch + columns + rows:
        return x.reshape(*lead, m, n).swapaxes(-1, -2)
    t = t.reshape(*lead, n, m)
    return t if t.itemsize in t.strides[t.ndim - 2:] else np.ascontiguousarray(t)


# ---- the operation ----------------------------------------------------------------------------------------------------

cdef class Einsum(ArrayFunction):
    """Einsum(subscripts)\n--\n
    The class behind `einsum`: `Einsum(subscripts)(x, …)`."""

    cdef readonly str subscripts

    def __init__(self, subscripts):
        if not isinstance(subscripts, str):
            raise TypeError(f"einsum: the subscripts come first, as a str such as 'ij,jk->ik', not {type(subscripts).__name__}")
        self.subscripts = subscripts

    def _arguments(self):
        return (self.subscripts,)

    def forward(self, *xs):
        names, out, sizes = plain(self.subscripts, tuple([x.shape for x in xs]))
        return contracted(list(xs), list(names), out, sizes)

    cdef tuple plan(self, int k, list xs, tuple form, object dtype):
        """The einsum whose value is the gradient of operand k: (operands after gy, all their letters, the result's). A letter
        that the operand has twice goes along the diagonal of an identity; one that only it has, along ones."""
        cdef tuple names = form[0]
        cdef dict sizes = dict(form[2])
        cdef list operands = [xs[j] for j in range(len(xs)) if j != k]
        cdef list terms = [form[1]] + [names[j] for j in range(len(xs)) if j != k]
        cdef str result = "", used = "".join(sizes), c, new
        for c in names[k]:
            if c in result:
                free = [f for f in string.ascii_letters if f not in used]
                if not free:
                    raise ValueError(f"einsum: {self.subscripts!r}: the gradient needs more than 52 letters")
                new = free[0]
                used += new
                sizes[new] = sizes[c]
                operands.append(np.eye(sizes[c], dtype=dtype))
                terms.append(c + new)
                result += new
            else:
                result += c
        for c in dict.fromkeys(result):
            if not any([c in term for term in terms]):
                operands.append(np.ones(sizes[c], dtype))
                terms.append(c)
        return operands, terms, result, sizes

    def backward(self, gy):
        cdef list xs = [self.arg(k) for k in range(self.nin)], gxs = []
        cdef tuple form = plain(self.subscripts, tuple([x.shape for x in xs]))
        for k in range(self.nin):
            if not wants_grad(<Variable> xs[k]):
                gxs.append(None)
                continue
            operands, terms, result, _ = self.plan(k, xs, form, gy.dtype)
            gxs.append(einsum(",".join(terms) + "->" + result, gy, *operands))
        return tuple(gxs)

    cdef object gradients(self, object gy):
        cdef list xs = [data_of(self.arg(k)) for k in range(self.nin)], gxs = []
        cdef tuple form
        cdef int dt = kernel_dtype(gy)
        cdef object gx
        xs = [wide(x, dt) for x in xs]
        if dt < 0 or any([x is None for x in xs]):
            return None
        form = plain(self.subscripts, tuple([x.shape for x in xs]))
        for k in range(self.nin):
            if not wants_grad(self.arg(k)):
                gxs.append(None)
                continue
            operands, terms, result, sizes = self.plan(k, xs, form, gy.dtype)
            try:
                gx = np.asarray(contracted([gy, *operands], terms, result, sizes))
            except ValueError:
                return None     # rebound data: the general way says so
            gxs.append(gx if operands else gx.copy())     # without operands it may be a view of gy
        return gxs


def einsum(subscripts, *operands):
    """The sum of products over labelled axes, as np.einsum: `einsum("ij,jk->ik", x, W)`.

    subscripts: letters for the axes of each operand, separated by commas, then perhaps "->" and the letters of the result;
    without them the letters that occur once, sorted. "..." stands for axes that broadcast. A letter twice in one operand
    takes the diagonal; one that the result lacks is summed over. Raises ValueError with subscripts and shapes when they do
    not fit.
    """
    cdef Einsum f = Einsum(subscripts)
    cdef tuple xs = tuple([argument(x, "einsum") for x in operands])
    if not xs:
        raise ValueError(f"einsum: {subscripts!r} has no operands; pass arrays after the subscripts")
    return call_native(f, xs, np.asarray(forward_of(f, [np.asarray(data_of(<Variable> x)) for x in xs])))


include "generated/_einsum.pxi"
