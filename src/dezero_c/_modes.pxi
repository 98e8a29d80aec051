# The modes: `enable_backprop` and `train`. A process default (Config.train = False) lies under overrides that hold for one
# thread (using_config, no_grad, test_mode). The two are C variables, because every operation asks; a name that a
# program adds to Config itself goes through a threading.local. Part of _core.pyx.

cdef bint[2] default_mode
default_mode[0] = default_mode[1] = True
cdef dict mode_index = {"enable_backprop": 0, "train": 1}
cdef object own_modes = threading.local()       # {name: value} of names that programs added


cdef enum:
    M_ON = 1
    M_TRACED = 2        # in the first mode: what this thread does is written down as well (_trace.pxi)


cdef inline bint mode(int i) noexcept:
    return default_mode[i] if dz_mode[i] < 0 else dz_mode[i] & M_ON


cdef bint recording() noexcept:
    """Whether somebody wants to know of this thread's operations: the graph, or a trace."""
    return default_mode[0] if dz_mode[0] < 0 else dz_mode[0] != 0


cdef bint traced() noexcept:
    """Whether what this thread does is written down."""
    return dz_mode[0] >= M_TRACED


cdef int modes() noexcept:
    """What replays depend on, a bit each: the graph, training, whether there are hooks; and with WITHIN, whether what this thread
    does is part of a trace or a transform."""
    return mode(0) | mode(1) << 1 | (hooks_alive > 0) << 2 | (WITHIN if traced() or dz_transforms else 0)


cdef int transforms(int more) noexcept:
    """How many transforms of this thread are under way, when so many more are."""
    global dz_transforms
    dz_transforms += more
    return dz_transforms


cdef signed char swap_mode(signed char to) noexcept:
    """Sets this thread's first mode (-1: the process default); gives the one before."""
    cdef signed char before = dz_mode[0]
    dz_mode[0] = to
    return before


cdef inline signed char with_trace(bint on, signed char before) noexcept:
    """The first mode with the graph on or off, traced as it was."""
    return on | (before & M_TRACED if before > 0 else 0)


class _ConfigType(type):
    """Reads and writes Config's attributes as the calling thread sees them."""

    def __getattribute__(cls, name):
        i = mode_index.get(name)
        if i is not None:
            return mode(i)
        own = getattr(own_modes, "values", None)
        if own and name in own:
            return own[name]
        return type.__getattribute__(cls, name)

    def __setattr__(cls, name, value):
        cdef int i
        if name in mode_index:
            i = mode_index[name]
            if dz_mode[i] >= 0:     # within using_config: until it ends, as in DeZero
                dz_mode[i] = with_trace(bool(value), dz_mode[i])
            else:
                default_mode[i] = bool(value)
            return
        own = getattr(own_modes, "values", None)
        if own and name in own:
            own[name] = value
        else:
            type.__setattr__(cls, name, value)

    def __dir__(cls):
        return sorted({*type.__dir__(cls), *mode_index})


class Config(metaclass=_ConfigType):
    """The process-wide defaults: `enable_backprop` (record graphs) and `train` (dropout and batch_norm learn).

    Assigning here is seen by every thread; `using_config`, `no_grad` and `test_mode` override it for their own.
    """


class using_config:
    """Context manager and decorator: `name` of Config is `value` for this thread until the end of the block.

    Raises AttributeError where Config has no such name.
    """

    __slots__ = ("_name", "_value", "_old")

    def __init__(self, name, value):
        if name not in mode_index:
            getattr(Config, name)
        self._name = name
        self._value = value
        self._old = []      # a thread, since several may use one object, and what was before its block; the newest last

    def __enter__(self):
        cdef int i
        if self._name in mode_index:
            i = mode_index[self._name]
            self._old.append((PyThread_get_thread_ident(), dz_mode[i]))
            dz_mode[i] = with_trace(bool(self._value), dz_mode[i])
            return
        own = own_modes.__dict__.setdefault("values", {})
        self._old.append((PyThread_get_thread_ident(), own.get(self._name, GONE)))
        own[self._name] = self._value

    def __exit__(self, kind=None, value=None, traceback=None):
        # The mode comes back before anything can fail: with memory short even pop() does.
        cdef unsigned long thread = PyThread_get_thread_ident()
        cdef Py_ssize_t at = len(self._old) - 1
        while at >= 0 and <unsigned long> (<tuple> self._old[at])[0] != thread:
            at -= 1
        if at < 0:
            raise RuntimeError(f"using_config({self._name!r}): the block began in another thread, whose mode is its own; end it "
                               "there")
        old = (<tuple> self._old[at])[1]
        if self._name in mode_index:
            dz_mode[<int> mode_index[self._name]] = old
        elif old is GONE:
            del own_modes.values[self._name]
        else:
            own_modes.values[self._name] = old
        self._old.pop(at)
        return False

    @cython.binding(True)       # so that the wrapper can take the function's name
    def __call__(self, function):
        """As a decorator: every call of the function runs in its own block."""
        import functools

        @functools.wraps(function)
        def wrapper(*args, **kwargs):
            with using_config(self._name, self._value):
                return function(*args, **kwargs)
        return wrapper


def no_grad():
    """No graph is recorded in the block, or in the decorated function (`@no_grad()`), by this thread."""
    return using_config("enable_backprop", False)


@cython.binding(True)       # so that it can have an attribute
def test_mode():
    """Config.train is False in the block, or in the decorated function, for this thread."""
    return using_config("train", False)


test_mode.__test__ = False      # `from dezero_c import test_mode` in a test file makes no test for pytest
