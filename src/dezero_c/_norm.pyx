# cython: language_level=3, embedsignature=True, embedsignature.format=clinic, binding=False
"""Normalisation over a batch and over the features of a sample, and dropout: what depends on train or test mode.

Kernels are in families/norm.h. A rule over Variables is made from mean and variance of the inputs as operations, so that
derivatives of every order take into account that the statistics depend on x.
"""

import numpy as np

cimport numpy as cnp
from libc.math cimport INFINITY

from dezero_c._arrays cimport (
    ArrayFunction, argument, carray, half_array, is_half, kernel_dtype, narrowed, new_array, real_valued, run, widened)
from dezero_c._core cimport (
    DZ_F32, DZ_F64, Function, Variable, as_operand, data_of, dz_bind, dz_fpe_clear, dz_fpe_test, kernels, ptrdiff_t, wants_grad)

from dezero_c._core import Config
from dezero_c._random import source
from dezero_c._reduce import average, sum
from dezero_c._shape import reshape

cnp.import_array()
dz_bind(kernels())

cdef extern from "families/norm.h":
    void dz_channel_stats(int, ptrdiff_t, ptrdiff_t, ptrdiff_t, const char *, char *, char *) noexcept
    void dz_batch_moves(int, ptrdiff_t, const char *, const char *, double, double, double, char *, char *, char *) noexcept
    void dz_batch_norm(int, ptrdiff_t, ptrdiff_t, ptrdiff_t, const char *, const char *, const char *, const char *,
                       const char *, char *) noexcept
    void dz_batch_norm_grad(int, ptrdiff_t, ptrdiff_t, ptrdiff_t, const char *, const char *, const char *, const char *,
                            const char *, int, char *, char *, char *) noexcept
    void dz_layer_norm(int, ptrdiff_t, ptrdiff_t, const char *, const char *, const char *, double, char *, char *,
                       char *) noexcept
    void dz_layer_norm_grad(int, ptrdiff_t, ptrdiff_t, const char *, const char *, const char *, const char *, const char *,
                            char *, char *, char *) noexcept
    void dz_dropout(int, ptrdiff_t, const char *, const char *, double, char *) noexcept


cdef object floating(object a):
    """Integers and booleans as float64, anything else as it is."""
    return a.astype(np.float64) if a.dtype.kind in "iub" else a


cdef object as_dtype(object a, int dt):
    """Statistics, which may be kept in another floating dtype, for a kernel."""
    return carray(a if kernel_dtype(a) == dt else a.astype(new_array((0,), dt).dtype), dt)


cdef bint is_kernels(object a, int dt):
    """Whether a kernel can write to `a`, an ndarray that may be written to, as it lies."""
    return type(a) is cnp.ndarray and kernel_dtype(a) == dt and cnp.PyArray_ISBEHAVED(a) and cnp.PyArray_IS_C_CONTIGUOUS(a)


cdef object FINITE = float(np.finfo(float).max)


cdef int check_range(str what, object value, object high, str allowed) except -1:
    """Raises where what a function was given is no number from 0 to high."""
    if type(value) is float and 0 <= <double> value <= <double> high:
        return 0
    if isinstance(value, (str, bytes)) or value is None:
        raise TypeError(f"{what} is {value!r}; it must be {allowed}")
    if not np.all(np.asarray(value) >= 0) or not np.all(np.asarray(value) <= high):
        raise ValueError(f"{what} is {value!r}; it must be {allowed}")
    return 0


cdef int common_dtype(object a, object b, object c) noexcept:
    """The kernels' dtype of a, b and c, or -1."""
    cdef int dt = kernel_dtype(a)
    return dt if dt == kernel_dtype(b) and dt == kernel_dtype(c) else -1


cdef object wider(object a):
    """float16 as float32, anything else as it is: squares and their sums may be more than float16 holds."""
    return a.astype(np.float32) if half_array(a) else a


cdef int check_variance(object var, object x, int dt) except -1:
    """An error for the infinite variance of numbers: all of them would become 0, and the running one would stay so."""
    cdef Py_ssize_t i
    cdef bint over = False
    if dt == DZ_F32:
        for i in range(cnp.PyArray_SIZE(var)):
            over = over or (<float *> cnp.PyArray_DATA(var))[i] == INFINITY
    elif dt == DZ_F64:
        for i in range(cnp.PyArray_SIZE(var)):
            over = over or (<double *> cnp.PyArray_DATA(var))[i] == INFINITY
    else:
        over = np.isposinf(var).any()
    if over and np.isfinite(x).all():
        dz_fpe_clear()
        raise FloatingPointError(f"batch_norm: the variance of channel {int(np.isposinf(var).argmax())} of x, of shape "
                                 f"{x.shape}, is more than {x.dtype} holds; scale x down"
                                 f"{', or give it as float64' if dt == DZ_F32 else ''}")
    return 0


cdef class BatchNorm(ArrayFunction):
    """BatchNorm(mean, var, decay, eps)\n--\n
    The class behind `batch_norm`: `BatchNorm(mean, var, decay, eps)(x, gamma, beta)`. `avg_mean` and `avg_var` are the running
    statistics, changed in place by a call in train mode; `inv_std` is that of the last call."""

    _writes_in_training = True      # the averages
    cdef public object avg_mean, avg_var, decay, eps, inv_std
    cdef object center
    cdef bint train

    def __init__(self, mean, var, decay, eps):
        self.avg_mean = mean
        self.avg_var = var
        self.decay = decay
        self.eps = eps

    def _arguments(self):
        return (self.avg_mean, self.avg_var, self.decay, self.eps)

    def _call_state(self):
        return self.train, self.center, self.inv_std

    def _restore_call_state(self, state):
        self.train, self.center, self.inv_std = state

    cdef tuple layout(self, tuple shape):
        """(samples, channels, values of a sample in a channel)"""
        cdef Py_ssize_t inner = 1
        for k in shape[2:]:
            inner *= k
        return shape[0], shape[1], inner

    def forward(self, x, gamma, beta):
        cdef Py_ssize_t outer, c, inner
        cdef int dt
        check_batch_norm(x.shape, gamma.shape, beta.shape, self.avg_mean, self.avg_var)
        outer, c, inner = self.layout(x.shape)
        self.train = Config.train
        x = floating(x)
        dt = common_dtype(x, gamma, beta)
        if dt >= 0:
            x = carray(x, dt)
        elif half_array(x):
            return self.forward(wider(x), wider(gamma), wider(beta)).astype(np.result_type(x, gamma, beta))
        if self.train:
            if x.size == 0:
                raise ValueError(f"batch_norm: x of shape {x.shape} is empty: it has no mean; leave out empty batches, or use "
                                 "test_mode")
            center, var = self.statistics(x, dt)
            check_variance(var, x, dt)
            self.center = center
            self.inv_std = self.moved(center, var, outer * inner, dt)
        else:
            self.center = np.array(self.avg_mean)       # which the next call in train mode changes in place
            self.inv_std = 1 / np.sqrt(wider(self.avg_var) + self.eps)
        center = self.center
        if dt >= 0:
            center = as_dtype(center, dt)
            inv = as_dtype(self.inv_std, dt)
            g = carray(gamma, dt)
            b = carray(beta, dt)
            y = new_array(x.shape, dt)
            dz_batch_norm(dt, outer, c, inner, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(center), cnp.PyArray_BYTES(inv),
                          cnp.PyArray_BYTES(g), cnp.PyArray_BYTES(b), cnp.PyArray_BYTES(y))
            return y
        shape = (c,) + (1,) * (x.ndim - 2)
        return gamma.reshape(shape) * ((x - center.reshape(shape)) * self.inv_std.reshape(shape)) + beta.reshape(shape)

    cdef object moved(self, object center, object var, Py_ssize_t m, int dt):
        """1 / sqrt(var + eps). The running averages are changed in place, as DeZero does: a layer holds these very arrays."""
        cdef object decay = self.decay, eps = self.eps, mean = self.avg_mean, variance = self.avg_var, inv
        cdef double unbiased = <double> m / max(m - 1, 1)
        cdef int flags
        if dt >= 0 and type(decay) is float and type(eps) is float and is_kernels(mean, dt) and is_kernels(variance, dt):
            inv = new_array(center.shape, dt)
            dz_fpe_clear()
            dz_batch_moves(dt, center.size, cnp.PyArray_BYTES(center), cnp.PyArray_BYTES(var), decay, unbiased, eps,
                           cnp.PyArray_BYTES(mean), cnp.PyArray_BYTES(variance), cnp.PyArray_BYTES(inv))
            flags = dz_fpe_test()
            if not flags:
                return inv
            dz_fpe_clear()
            if flags & 8:       # of the averages: NumPy's warning, or its error, as np.errstate says
                np.multiply(np.full(1, 1e300), 1e300)
            return 1 / np.sqrt(var + eps)
        mean *= decay
        mean += (1 - decay) * center.reshape(mean.shape)
        variance *= decay
        variance += (1 - decay) * unbiased * var.reshape(variance.shape)
        return 1 / np.sqrt(var + eps)

    cdef tuple fixed(self):
        """What the last call in test mode used; the running statistics where a subclass has a forward of its own."""
        if self.center is None:
            return self.avg_mean, 1 / np.sqrt(wider(self.avg_var) + self.eps)
        return self.center, self.inv_std

    cdef tuple statistics(self, object x, int dt):
        """Mean and variance of each channel."""
        cdef Py_ssize_t outer, c, inner
        cdef object center, var, axes
        if dt >= 0:
            outer, c, inner = self.layout(x.shape)
            center = new_array((c,), dt)
            var = new_array((c,), dt)
            dz_channel_stats(dt, outer, c, inner, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(center), cnp.PyArray_BYTES(var))
            return center, var
        axes = (0, *range(2, x.ndim))
        return x.mean(axis=axes), x.var(axis=axes)

    def backward(self, gy):
        cdef Variable x = self.in0, gamma = self.in1, beta = self.in2
        axes = (0, *range(2, x.ndim))
        shape = (1, x.shape[1]) + (1,) * (x.ndim - 2)
        if self.train:
            centered = x - average(x, axes, True)
            inv = (average(centered * centered, axes, True) + self.eps) ** -0.5
        else:
            dtype = x.dtype if x.dtype.kind == "f" else None
            center, inv = self.fixed()
            centered = x - np.asarray(center, dtype).reshape(shape)
            inv = np.asarray(inv, dtype).reshape(shape)
        xh = centered * inv
        weight = gamma.reshape(shape) * inv
        if self.train:
            gx = weight * (gy - average(gy, axes, True) - xh * average(gy * xh, axes, True))
        else:
            gx = weight * gy
        return gx, reshape(sum(gy * xh, axes), gamma.shape), reshape(sum(gy, axes), beta.shape)

    cdef object gradients(self, object gy):
        cdef object x = data_of(self.in0), gamma = data_of(self.in1), beta = data_of(self.in2), gx = None
        cdef int dt = common_dtype(x, gamma, beta)
        cdef Py_ssize_t outer, c, inner
        if dt < 0 or gy.shape != x.shape or len(x.shape) < 2 or gamma.size != x.shape[1]:
            return None
        outer, c, inner = self.layout(x.shape)
        x = carray(x, dt)
        gy = carray(gy, dt)
        g = carray(gamma, dt)
        if self.center is None:
            return None
        center = as_dtype(self.center, dt)
        inv = as_dtype(self.inv_std, dt)
        ggamma = new_array(gamma.shape, dt)
        gbeta = new_array(beta.shape, dt)
        if wants_grad(self.in0):
            gx = new_array(x.shape, dt)
        dz_batch_norm_grad(dt, outer, c, inner, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(center), cnp.PyArray_BYTES(inv),
                           cnp.PyArray_BYTES(g), cnp.PyArray_BYTES(gy), self.train,
                           NULL if gx is None else cnp.PyArray_BYTES(gx), cnp.PyArray_BYTES(ggamma),
                           cnp.PyArray_BYTES(gbeta))
        return gx, ggamma, gbeta


cdef bint fits_channels(tuple shape, object moving, Py_ssize_t c):
    """Whether these are c values each in one axis, `moving` a writable array of floats: as layers make them."""
    cdef cnp.ndarray a
    if type(moving) is not cnp.ndarray or len(shape) != 1 or shape[0] != c:
        return False
    a = moving
    return a.ndim == 1 and a.shape[0] == c and cnp.PyArray_ISFLOAT(a) and cnp.PyArray_ISWRITEABLE(a)


cdef int check_batch_norm(tuple shape, tuple gamma, tuple beta, object avg_mean, object avg_var) except -1:
    if len(shape) < 2:
        raise ValueError(f"batch_norm: x of shape {shape} must be (N, C) or (N, C, ...): samples first, then channels")
    if fits_channels(gamma, avg_mean, shape[1]) and fits_channels(beta, avg_var, shape[1]):
        return 0
    for name, s in (("gamma", gamma), ("beta", beta), ("mean", np.shape(avg_mean)), ("var", np.shape(avg_var))):
        n = 1
        for k in s:
            n *= k
        if n != shape[1] or (len(s) > 1 and max(s) != n):
            raise ValueError(f"batch_norm: {name} of shape {s} for x of shape {shape}: one value for each of the {shape[1]} "
                             "channels (axis 1)")
    for name, a in (("mean", avg_mean), ("var", avg_var)):
        if not cnp.PyArray_Check(a) or a.dtype.kind != "f" or not a.flags.writeable:
            raise TypeError(f"batch_norm: {name} must be a writable ndarray of floats, which train mode changes in place, not "
                            f"{type(a).__name__} of {getattr(a, 'dtype', 'no dtype')}")
    return 0


def batch_norm(x, gamma, beta, mean, var, decay=0.9, eps=2e-5):
    """gamma * (x - m) / sqrt(v + eps) + beta for each channel (axis 1).

    x: (N, C) or (N, C, ...); gamma, beta: C values each; mean, var: ndarrays of C floats. In train mode m and v are x's own mean
    and variance, and `mean` and `var` become, in place, decay times themselves plus (1 - decay) times the batch's (the variance
    unbiased); in test mode m and v are `mean` and `var`. (S. Ioffe, C. Szegedy, Batch Normalization, 2015.) Raises ValueError
    for shapes that do not fit, for decay outside of [0, 1], eps below 0 and, in train mode, for an empty batch;
    FloatingPointError for a variance that x's dtype does not hold.
    """
    cdef Variable v = real_valued(argument(x, "batch_norm"), "batch_norm")
    if type(decay) is not float or type(eps) is not float or not 0 <= <double> decay <= 1 or not 0 <= <double> eps < INFINITY:
        check_range("batch_norm: decay", decay, 1, "a number from 0 to 1")
        check_range("batch_norm: eps", eps, FINITE, "finite and not below 0")
    return normalised(BatchNorm(mean, var, decay, eps), v, as_operand(argument(gamma, "batch_norm"), v),
                      as_operand(argument(beta, "batch_norm"), v))


batch_nrom = batch_norm     # DeZero's spelling


cdef object normalised(Function f, Variable x, Variable gamma, Variable beta):
    """f(x, gamma, beta), of float16 values through float32."""
    if is_half(x):
        y = run(f, (widened(x), widened(gamma), widened(beta)))
        return narrowed(y, np.result_type(x.dtype, gamma.dtype, beta.dtype) == np.float16)
    return run(f, (x, gamma, beta))


cdef class LayerNorm(ArrayFunction):
    """LayerNorm(eps=1e-05)\n--\n
    The class behind `layer_norm`: `LayerNorm(eps)(x, gamma, beta)`."""

    cdef readonly double eps
    cdef object center, inv_std     # of the last call's rows, for the fused gradient

    def __cinit__(self):
        self.eps = 1e-5

    def __init__(self, eps=1e-5):
        check_range("layer_norm: eps", eps, FINITE, "finite and not below 0")
        self.eps = eps

    def _arguments(self):
        return (self.eps,)

    def forward(self, x, gamma, beta):
        cdef int dt
        check_layer_norm(x.shape, gamma.shape, beta.shape)
        x = floating(x)
        dt = common_dtype(x, gamma, beta)
        if dt < 0:
            if half_array(x):
                return self.forward(wider(x), wider(gamma), wider(beta)).astype(np.result_type(x, gamma, beta))
            axes = tuple(range(x.ndim - gamma.ndim, x.ndim))
            xc = x - x.mean(axis=axes, keepdims=True)
            return xc * (1 / np.sqrt((xc * xc).mean(axis=axes, keepdims=True) + self.eps)) * gamma + beta
        x = carray(x, dt)
        g = carray(gamma, dt)
        b = carray(beta, dt)
        y = new_array(x.shape, dt)
        rows = x.size // g.size
        self.center = new_array((rows,), dt)
        self.inv_std = new_array((rows,), dt)
        dz_layer_norm(dt, rows, g.size, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(g), cnp.PyArray_BYTES(b), self.eps,
                      cnp.PyArray_BYTES(self.center), cnp.PyArray_BYTES(self.inv_std), cnp.PyArray_BYTES(y))
        if dz_fpe_test():       # squares that overflowed, which the kernel has seen
            dz_fpe_clear()
        return y

    cdef object shrinking(self, object centered, tuple axes):
        """What distances whose squares would overflow are multiplied by first; None where none would."""
        cdef object most
        if self.inv_std is None or self.inv_std.size == 0 or self.inv_std.min() > np.finfo(self.inv_std.dtype).tiny ** 0.25:
            return None
        most = np.abs(data_of(centered)).max(axis=axes, keepdims=True)
        return (1 / np.where((most > 1) & np.isfinite(most), most, 1)).astype(most.dtype)

    def _call_state(self):
        return self.center, self.inv_std

    def _restore_call_state(self, state):
        self.center, self.inv_std = state

    def backward(self, gy):
        cdef Variable x = self.in0, gamma = self.in1
        axes = tuple(range(x.ndim - gamma.ndim, x.ndim))
        lead = tuple(range(x.ndim - gamma.ndim))
        centered = x - average(x, axes, True)
        small = self.shrinking(centered, axes)
        eps = self.eps
        if small is not None:
            centered, eps = centered * small, (eps * small * small).astype(small.dtype)
        inv = (average(centered * centered, axes, True) + eps) ** -0.5
        xh = centered * inv
        g = gy * gamma
        gx = inv * (g - average(g, axes, True) - xh * average(g * xh, axes, True))
        if small is not None:
            gx = gx * small
        return gx, sum(gy * xh, lead), sum(gy, lead)

    cdef object gradients(self, object gy):
        cdef object x = data_of(self.in0), gamma = data_of(self.in1), beta = data_of(self.in2)
        cdef int dt = common_dtype(x, gamma, beta)
        cdef Py_ssize_t n, rows
        if dt < 0 or gy.shape != x.shape or gamma.shape != beta.shape or gamma.shape != x.shape[x.ndim - gamma.ndim:]:
            return None
        if kernel_dtype(self.center) != dt or self.center.size * gamma.size != x.size:
            return None     # a subclass with a forward of its own, or another x by now
        x = carray(x, dt)
        gy = carray(gy, dt)
        g = carray(gamma, dt)
        n = gamma.size
        rows = x.size // n if n else 0
        gx = new_array(x.shape, dt)
        ggamma = new_array(gamma.shape, dt)
        gbeta = new_array(gamma.shape, dt)
        dz_layer_norm_grad(dt, rows, n, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(self.center), cnp.PyArray_BYTES(self.inv_std),
                           cnp.PyArray_BYTES(g), cnp.PyArray_BYTES(gy), cnp.PyArray_BYTES(gx), cnp.PyArray_BYTES(ggamma),
                           cnp.PyArray_BYTES(gbeta))
        return gx, ggamma, gbeta


cdef int check_layer_norm(tuple shape, tuple gamma, tuple beta) except -1:
    if gamma != beta or not gamma or gamma != shape[len(shape) - len(gamma):] or len(gamma) > len(shape):
        raise ValueError(f"layer_norm: gamma of shape {gamma} and beta of shape {beta} for x of shape {shape}: both must have "
                         "the shape of x's last axes, which are normalised")
    if 0 in gamma:
        raise ValueError(f"layer_norm: nothing to normalise in x of shape {shape}")
    return 0


def layer_norm(x, gamma, beta, eps=1e-5):
    """gamma * (x - m) / sqrt(v + eps) + beta, m and v the mean and variance of each sample over its last axes.

    x: any shape; gamma, beta: the shape of those last axes. (J. L. Ba et al., Layer Normalization, 2016.) Raises
    ValueError for shapes that do not fit, and eps below 0.
    """
    cdef Variable v = real_valued(argument(x, "layer_norm"), "layer_norm")
    return normalised(LayerNorm(eps), v, argument(gamma, "layer_norm"), argument(beta, "layer_norm"))


cdef class Dropout(ArrayFunction):
    """Dropout(mask, dropout_ratio)\n--\n
    The class behind `dropout` in train mode: `Dropout(mask, dropout_ratio)(x)` is x * mask / (1 - dropout_ratio)."""

    cdef list held          # the mask; a dropout and its gradient's have the list in common
    cdef readonly double dropout_ratio

    def __init__(self, mask, dropout_ratio):
        self.held = [mask]
        self.dropout_ratio = dropout_ratio

    @property
    def mask(self):
        """Which elements are kept."""
        return self.held[0]

    def _arguments(self):
        return (self.mask, self.dropout_ratio)

    def forward(self, x):
        cdef int dt = kernel_dtype(x)
        if x.shape != self.mask.shape:
            raise ValueError(f"dropout: a mask of shape {self.mask.shape} for x of shape {x.shape}; they must be equal")
        if dt < 0 or self.mask.dtype != bool:
            return x * self.mask / np.array(1 - self.dropout_ratio, x.dtype if x.dtype.kind in "fc" else None)
        mask = np.ascontiguousarray(self.mask)
        x = carray(x, dt)
        y = new_array(x.shape, dt)
        dz_dropout(dt, x.size, cnp.PyArray_BYTES(x), cnp.PyArray_BYTES(mask), 1 - self.dropout_ratio, cnp.PyArray_BYTES(y))
        return y

    def _redraw(self):
        """Another mask, for the same call once more."""
        self.held[0] = drawn(self.mask.shape, self.dropout_ratio)

    def backward(self, gy):
        cdef Dropout f = Dropout(self.mask, self.dropout_ratio)
        f.held = self.held
        return run(f, (argument(gy, "dropout"),))

    cdef object gradients(self, object gy):
        if kernel_dtype(gy) < 0 or gy.shape != self.mask.shape:
            return None
        return (self.forward(gy),)


def dropout(x, dropout_ratio=0.5):
    """In train mode each element is 0 with probability `dropout_ratio`, else divided by 1 - dropout_ratio; in test mode: x.

    x: any shape; the mask comes from np.random.rand, as in DeZero. Raises ValueError for a ratio outside of [0, 1).
    """
    cdef Variable v = argument(x, "dropout")
    if isinstance(dropout_ratio, str) or dropout_ratio is None:
        raise TypeError(f"dropout: ratio {dropout_ratio!r} is no number")
    if not 0 <= dropout_ratio < 1:
        raise ValueError(f"dropout: ratio {dropout_ratio!r} must be at least 0 and less than 1")
    if not Config.train:
        return v
    return run(Dropout(drawn(v.shape, dropout_ratio), dropout_ratio), (v,))


cdef object drawn(tuple shape, object dropout_ratio):
    """The elements that are kept; rand() of no axes is a number, and an array of none is wanted."""
    return np.asarray(source().rand(*shape) > dropout_ratio)


include "generated/_norm.pxi"
