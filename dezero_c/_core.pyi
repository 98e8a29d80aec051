from collections.abc import Callable, Iterator, Sequence
from types import ModuleType
from typing import Any, ClassVar, Final, Self, SupportsIndex, TypeAlias, TypeVar, final, overload
from weakref import ReferenceType

import numpy as np
from numpy.typing import DTypeLike, NDArray

from ._typing import Axis, Operand

_F = TypeVar("_F", bound=Callable[..., Any])
_Gradient: TypeAlias = Variable | NDArray[Any] | np.generic | complex | None
_Comparison: TypeAlias = NDArray[np.bool] | Any     # np.bool for a 0-d Variable

class _VariableType(type):
    """The class of Variable and its subclasses."""
    def __init__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **keywords: Any) -> None: ...

class Variable(metaclass=_VariableType):
    """A value that remembers how it was computed.

    data: ndarray or None (any shape and dtype); name: a label for messages and pictures. Raises TypeError for anything else:
    wrap numbers as np.array(1.0), or let `as_variable` do it.

    `y.backward()` gives every Variable that y was computed from its gradient in `.grad`: a Variable of the data's shape.
    """
    __array_priority__: Final = 200
    __pandas_priority__: Final = 5000
    def __init__(self, data: NDArray[Any] | None = None, name: str | None = None) -> None: ...
    @property
    def name(self) -> Any:
        """A label, for messages and pictures."""
    @name.setter
    def name(self, value: Any) -> None: ...
    # `| Any` stands for None: a program knows where its Variables have data and gradients, a checker does not.
    @property
    def data(self) -> NDArray[Any] | Any:
        """The value: an ndarray (what was handed in, or where the result lies), or None."""
    @data.setter
    def data(self, value: NDArray[Any] | np.generic | complex | None) -> None: ...
    @data.deleter
    def data(self) -> None: ...
    @property
    def grad(self) -> Variable | Any:
        """The gradient: a Variable (an ndarray in the modules of the book's first half), or None."""
    @grad.setter
    def grad(self, value: _Gradient) -> None: ...
    @property
    def creator(self) -> Function | None:
        """The Function that computed this Variable; None for one that the user made."""
    @creator.setter
    def creator(self, func: Function | None) -> None: ...
    @property
    def generation(self) -> int:
        """How many Functions lie before this Variable on the longest way."""
    @generation.setter
    def generation(self, value: int) -> None: ...
    @property
    def shape(self) -> tuple[int, ...]:
        """Lengths of the axes."""
    @property
    def ndim(self) -> int:
        """Number of axes."""
    @property
    def size(self) -> int:
        """Number of elements."""
    @property
    def dtype(self) -> np.dtype[Any]:
        """NumPy dtype of the data."""
    @property
    def T(self) -> Variable:
        """The axes in reverse order, as `transpose()`."""
    def item(self, *args: Any) -> Any:
        """One element as a Python number: the only one, or that at an index, `item(3)` or `item(0, 1)`, as ndarray.item."""
    def astype(self, dtype: DTypeLike) -> Variable:
        """The values in another dtype, a new array; the gradient comes back in this one. See `functions.cast`."""
    def copy(self) -> Variable:
        """The same values in memory of their own, with the graph."""
    def detach(self) -> Variable:
        """The same values, in the same memory, without the graph: a constant for what is computed from it."""
    def cleargrad(self) -> None:
        """Forgets the gradient."""
    def _repr_html_(self) -> str:
        """What a notebook shows: shape, dtype, a look at the values and the gradient, and the creator."""
    def register_hook(self, hook: Callable[[Any], Any]) -> HookHandle:
        """Has `hook(g)` called in each `backward` that reaches this Variable, with the gradient that the walk has for it, when
        that is whole and before it goes on to what the Variable was computed from.

        g: what `.grad` would show, without what it held before; of a Variable that was not computed, at the end of the walk.
        The hook may return another gradient of the same shape, a Variable or an array, or None to leave it. With create_graph
        what it computes has a graph; a second walk, through that graph, passes the hook with gradients of its own. Hooks run in
        the order of registration. The result's `remove()`, or a `with` block over it, ends the hook; copies and pickles have
        none. While there are hooks, captured functions run as they are, and forward mode (`func.jvp`) refuses them. Raises
        TypeError for what cannot be called; `backward` raises what a hook raises, and TypeError or ValueError where it returns
        no gradient, or one of another shape, and gradients of Variables that were not computed are then as before.
        """
    def to_cpu(self) -> None:
        """Does nothing: data are in the processor's memory."""
    def to_gpu(self) -> None:
        """Raises RuntimeError: there is no GPU here."""
    def set_creator(self, func: Function) -> None:
        """Makes `func` the creator; the generation follows from it."""
    def unchain(self) -> None:
        """Cuts this Variable off from what it was computed from."""
    def unchain_backward(self) -> None:
        """Cuts off every Variable that this one was computed from."""
    def backward(self, retain_grad: bool = False, create_graph: bool = False) -> None:
        """Computes the gradient of this Variable with respect to all that it was computed from.

        The walk starts from `self.grad`, or ones where there is none. Gradients add up over repeated use and repeated
        calls; those of intermediate results are dropped unless retain_grad. With create_graph the gradients have a graph
        of their own, so that they can be differentiated again. Raises ValueError when there is no data, when the gradient
        does not fit it, or when data was rebound to a shape that no longer fits the graph; TypeError for a gradient as the
        argument, which is set before: `y.grad = gradient; y.backward()`.
        """
    @overload
    def reshape(self, shape: tuple[int, ...] | list[int], /) -> Variable:
        """The same values in another shape: `reshape(2, 3)` or `reshape((2, 3))`; one length may be -1."""
    @overload
    def reshape(self, *shape: int) -> Variable: ...
    @overload
    def transpose(self, axes: tuple[int, ...] | list[int] | None, /) -> Variable:
        """The axes in the order given (`transpose(1, 0)`, `transpose((1, 0))`), reversed without one."""
    @overload
    def transpose(self, *axes: int) -> Variable: ...
    def ravel(self) -> Variable:
        """All elements along one axis, a view where NumPy gives one."""
    def flatten(self) -> Variable:
        """As `ravel`: one axis, as an ndarray's method; the function `flatten` keeps the first one, as in DeZero."""
    def squeeze(self, axis: Axis = None) -> Variable:
        """Without axes of length 1: those given, which must be of that length (an int, a tuple), or all."""
    @property
    def real(self) -> Variable:
        """The real parts; the Variable itself where it is real."""
    @property
    def imag(self) -> Variable:
        """The imaginary parts; zeros where it is real."""
    def conj(self) -> Variable:
        """The complex conjugates; the Variable itself where it is real."""
    def sum(self, axis: Axis = None, keepdims: bool = False) -> Variable:
        """Sum over the axes given (an int, a tuple, None: all)."""
    def mean(self, axis: Axis = None, keepdims: bool = False) -> Variable:
        """Mean over the axes given."""
    def var(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Variable:
        """Variance over the axes given; ddof: 1 for that of a sample."""
    def std(self, axis: Axis = None, ddof: float = 0, keepdims: bool = False) -> Variable:
        """Standard deviation over the axes given; ddof: 1 for that of a sample."""
    def prod(self, axis: Axis = None, keepdims: bool = False) -> Variable:
        """Product over the axes given."""
    def max(self, axis: Axis = None, keepdims: bool = False) -> Variable:
        """The largest element over `axis`."""
    def min(self, axis: Axis = None, keepdims: bool = False) -> Variable:
        """The smallest element over `axis`."""
    def matmul(self, W: Operand) -> Variable:
        """Matrix product with W."""
    def dot(self, W: Operand) -> Variable:
        """Matrix product with W."""
    def __len__(self) -> int: ...
    def __bool__(self) -> bool: ...
    def __float__(self) -> float: ...
    def __int__(self) -> int: ...
    def __complex__(self) -> complex: ...
    def __index__(self) -> int: ...
    def __trunc__(self) -> int: ...
    def __iter__(self) -> Iterator[Variable]: ...
    def __getitem__(self, slices: Any, /) -> Variable: ...
    # np.generic, so that NumPy's own operators do not take a Variable for an array of theirs: `a + v` is a Variable.
    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[np.generic]: ...
    def __dlpack__(self, *, stream: Any = None, max_version: tuple[int, int] | None = None,
                   dl_device: tuple[int, int] | None = None, copy: bool | None = None) -> Any: ...
    def __dlpack_device__(self) -> tuple[int, int]: ...
    def __array_namespace__(self, /, *, api_version: str | None = None) -> ModuleType: ...
    @property
    def device(self) -> str:
        """Where the values lie: "cpu"."""
    @property
    def mT(self) -> Variable:
        """The last two axes exchanged: the transposed matrix, or each of a stack. ValueError below two axes."""
    def to_device(self, device: Any, /, *, stream: Any = None) -> Variable:
        """The Variable itself: device can only be "cpu", where it is. ValueError for another device, or a stream."""
    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **kwargs: Any) -> Any: ...
    def __array_function__(
        self, function: Callable[..., Any], classes: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any: ...
    def __format__(self, spec: str) -> str: ...
    def __eq__(self, other: object, /) -> bool: ...
    def __ne__(self, other: object, /) -> bool: ...
    def __hash__(self) -> int: ...
    def __copy__(self) -> Self: ...
    def __reduce__(self) -> tuple[Any, ...]: ...
    def __setstate__(self, state: Any) -> None: ...
    def _set_era(self, era: int) -> None:
        """The era whose rules this Variable follows; for the classes of the early modules."""
    def __add__(self, other: Operand) -> Variable: ...
    def __radd__(self, other: Operand) -> Variable: ...
    def __sub__(self, other: Operand) -> Variable: ...
    def __rsub__(self, other: Operand) -> Variable: ...
    def __mul__(self, other: Operand) -> Variable: ...
    def __rmul__(self, other: Operand) -> Variable: ...
    def __truediv__(self, other: Operand) -> Variable: ...
    def __rtruediv__(self, other: Operand) -> Variable: ...
    def __mod__(self, other: Operand) -> Variable: ...
    def __rmod__(self, other: Operand) -> Variable: ...
    def __floordiv__(self, other: Operand) -> Variable: ...
    def __rfloordiv__(self, other: Operand) -> Variable: ...
    def __divmod__(self, other: Operand) -> tuple[Variable, Variable]: ...
    def __rdivmod__(self, other: Operand) -> tuple[Variable, Variable]: ...
    def __round__(self, ndigits: int | None = None) -> Variable: ...
    def __pow__(self, other: Operand, modulo: None = None, /) -> Variable: ...
    def __rpow__(self, other: Operand, modulo: None = None, /) -> Variable: ...
    def __matmul__(self, other: Operand) -> Variable: ...
    def __rmatmul__(self, other: Operand) -> Variable: ...
    # The bits of integers, and booleans.
    def __and__(self, other: Operand) -> Variable: ...
    def __rand__(self, other: Operand) -> Variable: ...
    def __or__(self, other: Operand) -> Variable: ...
    def __ror__(self, other: Operand) -> Variable: ...
    def __xor__(self, other: Operand) -> Variable: ...
    def __rxor__(self, other: Operand) -> Variable: ...
    def __lshift__(self, other: Operand) -> Variable: ...
    def __rlshift__(self, other: Operand) -> Variable: ...
    def __rshift__(self, other: Operand) -> Variable: ...
    def __rrshift__(self, other: Operand) -> Variable: ...
    def __invert__(self) -> Variable: ...
    def __neg__(self) -> Variable: ...
    def __pos__(self) -> Variable: ...
    def __abs__(self) -> Variable: ...
    def __lt__(self, other: Operand, /) -> _Comparison: ...
    def __le__(self, other: Operand, /) -> _Comparison: ...
    def __gt__(self, other: Operand, /) -> _Comparison: ...
    def __ge__(self, other: Operand, /) -> _Comparison: ...

class Parameter(Variable):
    """A Variable that a layer trains."""

class Trace:
    """What one call did, in order. As `events` tells it, each event is a tuple: its kind, what it is about, the user's line.

    ("op", f, inputs, outputs, modes, inside)   f gave outputs (references where there are several); modes: 1 for the graph, 2 for
                                         training; inside: a rule of the library's did it
    ("alive", f, outputs)                those of several outputs that were there when f's step backwards came
    ("effect", f, inputs)                f changed the first input's array in place
    ("const", v, value)                  an operand that was no Variable
    ("new", v, value)                    Variable(value)
    ("data", v, x, made)                 v has x's data; made: by Variable(x.data), else by v.data = x.data
    ("set", v, value)                    v.data = value
    ("seed", v, flag)                    a walk starts from v and its gradient, which are ones where there was none (flag & 1)
    ("step", f, keep)                    f's inputs have got their gradients, without a graph
    ("show", v, g)                       v's gradient has become the Variable g
    ("grad", v, g)                       v's gradient is g, or None
    ("grad read", v, g)                  somebody asked for it
    ("call", function)                   function() ran untraced
    ("pinned", v)                        v's array itself was handed to an operation
    ("branch", v, truth)                 the user's code goes on as it does where v is true, or is not

    born: ids of Variables that were made while tracing. before_set: the data that a Variable had before it was given other, by
    id. on_read: called with (v, what, where) before a look at a value. refused: why there can be no plan, or None. inside: a rule
    of the library's runs, whose arrays are made from values. watch: who is told instead, at once, or None. failed: where an
    operation has raised, or None. error: the first one for which there can be no plan.
    """
    before_set: dict[int, Any]
    on_read: Any
    refused: str | None
    failed: str | None
    error: Exception | None
    def __len__(self) -> int: ...
    def attributes_of(self, f: Function) -> dict[str, Any]:
        """The instance attributes that f had before its forward ran, {name: object}."""
    @property
    def events(self) -> list[tuple[Any, ...]]:
        """The events, as tuples."""
    @property
    def born(self) -> set[int]:
        """ids of Variables that were made while tracing."""

@final
class Numbers:
    """A number for each of some objects, by their addresses."""

class HookList:
    """Hooks of one Variable, or of one kind of a layer's, in the order in which they run. While there is one anywhere, captured
    functions run as they are: a replay calls none.
    """
    calls: dict[int, tuple[HookHandle, Callable[..., Any]]]
    def __new__(cls, owner: object) -> HookList: ...
    def add(self, hook: Callable[..., Any]) -> HookHandle:
        """Registers `hook`, after the others; gives what removes it."""
    def run(self) -> list[Callable[..., Any]]:
        """The hooks, for a loop during which some may go and come."""

class HookHandle:
    """What registering a hook gives: `remove()` ends the hook, and so does the end of a `with` block over the handle."""
    def __init__(self, hooks: HookList) -> None: ...
    def remove(self) -> None:
        """remove(self)
        --

        The hook is not called any more; does nothing the second time, or when its Variable or layer is gone.
        """
    def __enter__(self) -> HookHandle: ...
    def __exit__(self, *_: object) -> None: ...

class Function:
    """An operation on Variables. Subclasses define

    forward(self, *xs):   ndarrays in, one ndarray or a tuple of them out;
    backward(self, *gys): a Variable for each output in, one Variable or a tuple, one for each input, out. It is written with
                          operations on Variables, so that higher derivatives follow.

    Calling an instance with Variables (or arrays, or numbers) runs forward and records the graph: `inputs` are the very
    Variables, `outputs` weak references, `generation` its place in the order of the walk. One instance stands for one
    place in a graph. `super().__init__()` need not be called.
    """
    @property
    def inputs(self) -> list[Variable]:
        """The Variables that the function was called with."""
    @inputs.setter
    def inputs(self, value: Sequence[Any]) -> None: ...
    @property
    def outputs(self) -> list[ReferenceType[Variable]]:
        """Weak references to the Variables that the function gave: `f.outputs[0]()`."""
    @outputs.setter
    def outputs(self, value: Sequence[Any]) -> None: ...
    @property
    def generation(self) -> int:
        """The largest generation among the inputs."""
    @generation.setter
    def generation(self, value: int) -> None: ...
    # One Variable, or a list of them where `forward` returns a tuple.
    def __call__(self, *inputs: Operand | None) -> Variable | Any: ...
    def forward(self, *xs: Any) -> Any: ...
    def backward(self, *gys: Any) -> Any: ...
    def _arguments(self) -> tuple[Any, ...]:
        """What the built-in class's constructor was called with."""
    def _call_state(self) -> Any:
        """What a call has left in the built-in class that a copy of the graph needs and inputs do not tell; None: nothing."""
    def _restore_call_state(self, state: Any) -> None:
        """Takes back what `_call_state` gave."""
    def _set_era(self, era: int) -> None:
        """The era whose Variables this function gives; for the classes of the early modules."""

class _ConfigType(type):
    """Reads and writes Config's attributes as the calling thread sees them."""

class Config(metaclass=_ConfigType):
    """The process-wide defaults: `enable_backprop` (record graphs) and `train` (dropout and batch_norm learn).

    Assigning here is seen by every thread; `using_config`, `no_grad` and `test_mode` override it for their own.
    """
    enable_backprop: ClassVar[bool]
    train: ClassVar[bool]

class using_config:
    """Context manager and decorator: `name` of Config is `value` for this thread until the end of the block.

    Raises AttributeError where Config has no such name.
    """
    def __init__(self, name: str, value: Any) -> None: ...
    def __enter__(self) -> Self: ...
    def __exit__(self, kind: object = None, value: object = None, traceback: object = None) -> bool: ...
    def __call__(self, function: _F) -> _F: ...

def no_grad() -> using_config:
    """No graph is recorded in the block, or in the decorated function (`@no_grad()`), by this thread."""

def test_mode() -> using_config:
    """Config.train is False in the block, or in the decorated function, for this thread."""

def as_array(x: Any, array_module: Any = ...) -> NDArray[Any] | Any:
    """x as an ndarray where it is a scalar; anything else unchanged."""

def as_variable(obj: Operand) -> Variable:
    """obj itself when it is a Variable, else a Variable around it (a Python or NumPy number becomes an ndarray)."""

def setup_variable() -> None:
    """Does nothing: Variable has its operators from the start. Kept for programs that call it."""

def build_info() -> dict[str, Any]:
    """What this build runs with: {"simd": level in use, "simd_available": all that this machine can choose,
    "numpy_loops": {name: taken from NumPy directly, not through its ufunc}, "blas_adds": products are added to
    gradients by NumPy's BLAS itself, "compiler": …}.
    """

def set_num_threads(n: SupportsIndex) -> None:
    """Shares elementwise loops over large arrays out to n threads, the calling one included (1 to begin with, or
    DEZERO_C_NUM_THREADS in the environment). Results do not depend on it. Products of matrices have the threads of NumPy's
    BLAS (OPENBLAS_NUM_THREADS). More than 64, or any on Windows, are not used: get_num_threads() tells how many are.

    Raises ValueError for n < 1 and TypeError for what is no whole number.
    """

def get_num_threads() -> int:
    """The number of threads that set_num_threads has set."""

def set_flush_denormal(mode: object) -> bool:
    """Whether this thread takes denormal numbers, those nearer to 0 than 2.3e-308 (float64) or 1.2e-38 (float32), as 0, and
    gives 0 where a result would be one: off to begin with. Processors take up to a hundred times as long for denormal numbers
    as for others, and gradients of long trainings get there.

    It holds for all arithmetic of the thread: kernels, whatever set_num_threads says, NumPy's, products of matrices by BLAS.
    BLAS's own threads (OPENBLAS_NUM_THREADS above 1) keep the mode that they were started with. A thread that is started
    later begins with the mode of the one that starts it.

    mode: True or False. Returns whether the processor can: False on one that has no such mode, where nothing changes. The name
    is PyTorch's.
    """

def get_flush_denormal() -> bool:
    """Whether this thread takes denormal numbers as 0; see set_flush_denormal."""

def keep_memory(megabytes: float) -> None:
    """How much memory of large arrays is kept for the next ones (DEZERO_C_CACHE in the environment; else a
    sixteenth of the machine's, at most 512). What is kept now is given back.
    """

def select_simd(level: str) -> None:
    """Makes the kernels of `level` (one of build_info()["simd_available"]) the ones in use; for tests and measurements."""

def open_class(cls: type) -> None:
    """Lets a built-in class take new attributes, as Python classes do."""

def class_name(cls: type) -> str | None:
    """The name that pickles have for a compiled class of this package; None for any other class."""

def class_by_name(name: str) -> type:
    """The class of that name; KeyError where there is none, or its module has not been imported."""

class OutputReference(ReferenceType[Variable]):
    """One of several outputs; its shape and dtype, which a gradient of zeros needs, are known when it is gone too."""
    dtype: Any
    shape: tuple[int, ...]

class Applied(Function):
    """A function of arrays without a gradient: what the user's code did with data, or a rule made from values."""
    shapes: tuple[tuple[int, ...], ...] | None
    def given_function(self) -> Any:
        """What is applied."""

def start_trace(on_read: Any) -> Trace:
    """Logs what this thread does from now on."""

def end_trace(t: Trace) -> None:
    """The opposite of start_trace, whatever happened in between."""

def start_watch(watch: Any) -> Trace:
    """Has `watch` told of this thread's operations (`operation(f, inputs, outputs, line)`) and of steps backwards
    (`before_step(f, inputs, outputs)`, `after_step(f, inputs)`); end_trace ends it.
    """

def hooks_anywhere() -> bool:
    """Whether a hook is registered anywhere in this process."""

def has_hooks(v: Variable) -> bool:
    """Whether v has a hook."""

class Measured(Trace):
    """A watch that is told when operations begin and end. An operation begins where its Function, or its result's node, was
    made, whichever came first: most make one of the two before they compute anything. A step backwards is measured around it;
    what it calls is part of it, and only counted.

    spent: seconds that went into telling.
    """

    @property
    def spent(self) -> float: ...

def start_measuring(watch: Any) -> Measured:
    """Has `watch` told of this thread's operations and when they ran, in seconds of time.perf_counter:

    operation(f, inputs, outputs, line, begin, end); begin is -1 where the log has no beginning.
    step(f, inputs, line, begin, end, rules, create_graph): f's inputs have got their gradients; rules: how many operations on
    Variables that took, -1 where a kernel was not even asked.
    end_measuring ends it. Raises RuntimeError where this thread is traced already.
    """

def end_measuring(t: Measured) -> None:
    """The opposite of start_measuring, in its thread. In another thread, or after end_trace, nothing is ended."""

def measured_kind(f: Function) -> str:
    """What f's class is to a profile: "python", "elementwise", "general" for an elementwise one whose parameters no kernel takes,
    or "arrays".
    """

def is_observed() -> bool:
    """Whether what this thread does is part of a trace, a watch or a transform."""

def is_measured() -> bool:
    """Whether somebody measures what this thread does."""

def is_watched() -> bool:
    """Whether somebody is told of what this thread does."""

def is_paused() -> bool:
    """Whether a call of this thread is being traced, and runs what is not logged: somebody's Function, an optimizer."""

def is_traced() -> bool:
    """Whether what this thread does is being logged, to be replayed. Not so for a watch, which changes nothing."""

def apply_traced(function: Any, xs: tuple[Variable, ...], effect: bool) -> Any:
    """function(*the values of the Variables xs), logged: a Variable around the result, or a tuple of them; None for one that is
    called for what it does to the first.
    """

def traced_call(function: Any) -> Any:
    """function(), logged as one event, whose inside is not looked at."""

def value_of(v: Variable) -> Any:
    """v's array, traced or not."""

def pinned(v: Variable) -> Any:
    """v's array for an operation that takes it beside its operands; a plan holds while v has this very array."""

def about(v: Variable) -> tuple[tuple[int, ...], Any, type[Any]] | None:
    """(shape, dtype, class) of v's value, None without one; the value stays where it is."""

def gradient_values(v: Variable) -> Any:
    """v's gradient as an array, a copy where nobody has seen it, or None; looks without showing it."""

def version_of(v: Variable) -> int:
    """How often v was given other data in this trace."""

def has_gradient(v: Variable) -> bool:
    """Whether v has a gradient."""

def read_value(v: Variable, what: str) -> Any:
    """v's value for the user's code, told to on_read first."""

def log_branch(v: Variable) -> None:
    """Writes down which way the user's code goes on: whether v's value is true."""

def user_line() -> str:
    """File and line of the user's innermost call."""

def as_dtype(dtype: Any, x: Any) -> Any:
    """x in another dtype."""

def shape_of(a: Any) -> tuple[tuple[int, ...], Any]:
    """(shape, dtype) of an array or a number."""

def same(x: Any) -> Any:
    """x."""

def register_era(era: int, cls: type[Variable]) -> None:
    """Makes `cls`, a subclass of Variable, the class of an era's outputs (1: core_simple, 2: chapter1)."""

def register_methods(**functions: Callable[..., Any]) -> None:
    """Gives Variable's methods what they call; for the modules above, at import."""

def inputs_of(f: Function) -> tuple[Variable, ...]:
    """f.inputs, for what only looks at them (pictures, pickles, copies): operands that were no Variables stay without a
    gradient.
    """

def variable_state(v: Variable) -> tuple[Any, ...]:
    """All of a Variable but its place in a graph, and its hooks: for _copying."""

def restore_variable(v: Variable, state: tuple[Any, ...] | dict[str, Any]) -> None:
    """The opposite of variable_state; takes the attributes of a DeZero Variable, a dict, as well."""

def is_native(f: Function) -> bool:
    """Whether f runs its class's C methods."""

def set_native(f: Function, native: bool) -> None:
    """For _copying."""

def multiple_outputs(f: Function) -> Any:
    """Shapes and dtypes of f's outputs where it has several, else None."""

def link(f: Function, inputs: tuple[Variable, ...], outputs: list[Variable | None], shapes: Any,
         generation: int) -> None:
    """Puts f between inputs and outputs (Variables; None for an output that is gone), as its call did, with the generation that
    it had: those of its inputs may not be known yet. Nor may where a cycle is possible, so the collector gets all.
    """
