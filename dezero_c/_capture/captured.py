"""`dezero_c.capture`: a function that is traced, compared, and then replayed."""

from __future__ import annotations

import functools
import gc
import os
import sys
import warnings
import weakref
from typing import TYPE_CHECKING

import numpy as np

import dezero_c._core as _core
from dezero_c._calls import CaptureError, Signature, call_key, holds, signature_of
from dezero_c._capture.arrays import arrays_made, decoded
from dezero_c._capture.compare import Program
from dezero_c._capture.effects import Before, check_kept
from dezero_c._capture.guards import Outside, moved, unchanged
from dezero_c._capture.stacked import Stacked, elements_of, length_of
from dezero_c._capture.trees import MISSING, Later, Leaf, TracedArguments, made_anew, plain_array, plain_result, rebuilt, tree_of
from dezero_c._machine import Dispatch, Machine, NotNative, call_at_once
from dezero_c._plan import Call, Plan, call_of, end_graph, given_gradients, has_calls, late_branch
from dezero_c._pull import under_way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, NoReturn

__all__ = ["Captured", "capture"]

TRACES = 3              # calls that are traced until two in a row must have agreed: the first may set things up
MOST_GUARDS = 10_000    # a call looks at each, in 50 to 100 ns
MOVES = 16              # traces before each of which what the code names has changed, until calls run as they are
ALONE = 4               # times max_plans: kinds of calls that are traced and make no program
SAMPLE = 64             # check="sample": one call in so many is traced again
MANY = 100_000          # events of a program that is not kept for comparison
CHECKS = ("twice", "sample", "always")
READS = ("error", "guard", "freeze")
_ANOTHER_WAY = object()
PLACE = " captured methods"     # in the dictionary of an instance, under no attribute's name
# Names by which code sets what NumPy, or Python, does about flags and warnings; the last is in np.errstate's own, as a decorator.
_MODES = {"errstate", "seterr", "seterrcall", "catch_warnings", "simplefilter", "filterwarnings", "_extobj_contextvar"}
_ON = os.environ.get("DEZERO_C_CAPTURE") != "0"


def capture(f: Callable[..., Any] | None = None, *, static: Iterable[int | str] = (), on_read: str = "error",
            check: str = "twice", max_plans: int = 8) -> Any:
    """`f` as a function that is traced in its first calls and replayed from then on, without its Python, with the same bits.

    f(*args, **kwargs): ordinary code on Variables and arrays: forward, `backward()`, `cleargrads()`, `optimizer.update()`,
    `x.data -= ...`, of gradients any order. Also a decorator, `@capture` or `@capture(check="always")`, of functions and methods.

    Calls are traced until two in a row are the same program, constants included; another shape, dtype, number or mode among the
    arguments is another program. What Python does beside computing (printing, appending to lists) happens in traced calls only.

    static: places or names of arguments that count by what they are, not by what is in them. on_read: a look at a value
    (float(v), `if v > 0`) is an "error" that names the line. With "guard" `if v > 0`, `while`, bool(v) are part of the program,
    which holds where they come out as in the traced calls; where not, the call runs as it is, and the other way becomes a
    program beside the first. With "freeze" the value of the traced call is kept, whatever others are. check: "twice"; "sample"
    traces one call in 64 again and compares; "always" every call. max_plans: programs that are kept; beyond them calls run as
    they are, with a warning. DEZERO_C_CAPTURE=0 in the environment runs everything as it is.

    Raises CaptureError, with the line, for what cannot be replayed rightly.
    """
    if check not in CHECKS:
        raise ValueError(f"capture: check is {check!r}; it is one of {CHECKS}")
    if on_read not in READS:
        raise ValueError(f"capture: on_read is {on_read!r}; it is one of {READS}")
    if not isinstance(max_plans, int) or max_plans < 1:
        raise ValueError(f"capture: max_plans is {max_plans!r}; it is a whole number from 1 on")
    if f is None:
        return lambda g: capture(g, static=static, on_read=on_read, check=check, max_plans=max_plans)
    if not callable(f):
        raise TypeError(f"capture: {type(f).__name__} is no function")
    return Captured(f, frozenset([static] if isinstance(static, (int, str)) else static), on_read, check, max_plans)


class _Last:
    """The last trace that went one way."""

    def __init__(self, program: Program, arguments: list[_core.Variable], guards: list[Any], tries: int) -> None:
        self.program, self._arguments = program, list(map(weakref.ref, arguments))
        self.guards = guards            # what it depended on, as the call left it
        self.tries = tries              # traces in a row that have said something else

    def passed(self, variables: list[_core.Variable]) -> list[bool]:
        """Which of these were its arguments, too."""
        return [v is r() for v, r in zip(variables, self._arguments, strict=True)]


class _Kind:
    """The calls whose arguments look alike: what their traces said, and the plans."""

    def __init__(self, held: Any) -> None:
        self.held = held                # objects whose ids are in the key
        self.plans: list[_Entry] = []
        self.lasts: dict[tuple[bool, ...], _Last] = {}      # by how branches came out
        self.moved = 0                          # traces in a row before which what the last depended on had changed
        self.spent = 0                          # traces of programs for which there was no place
        self.eager = False


class _Entry:
    """A plan, or a machine, and what it holds for."""

    def __init__(self, program: Program) -> None:
        self.plan = Plan()
        self.program: Program | None = program                  # for comparison; None where that is done, or too large
        self.machine: Machine | None = None                     # what runs calls, in place of the plan
        self.call: Call | None = None                           # the plan's short way
        self.reason = ""                                        # why the plan does
        self.stands: list[_core.Variable | None] = []   # for each Variable argument: who stands for it; None: it is itself
        self.fixed: list[_core.Variable | None] = []    # those that stand for themselves
        self.holders: list[_core.Variable] = []         # for each array argument
        self.guards: list[Any] = []
        self.result: Any = None
        self.calls = 0
        # what a call asks, made ready by `finish`
        self.own: list[tuple[int, _core.Variable]] = []         # places of arguments that must be these very Variables
        self.given: list[tuple[int, _core.Variable]] = []       # places of arguments, each once, and who stands for them
        self.single: _core.Variable | None = None               # the plan's Variable that is the whole result

    def finish(self, shape: Any, found: list[Leaf]) -> None:
        """The last step of making."""
        self.result = shape, found
        seen: set[int] = set()
        for k, stand in enumerate(self.stands):
            if stand is not None and id(stand) not in seen:
                seen.add(id(stand))
                self.given.append((k, stand))
        if shape is MISSING and found[0].kind == "node" and not found[0].array:
            self.single = found[0].what


def _forget(methods: dict[int, Captured], key: int, reference: weakref.ref[Any]) -> None:
    """Takes a method out whose instance is gone."""
    if key in methods and methods[key]._guarded_by[1] is reference:
        del methods[key]


class _Methods(dict[int, "Captured"]):
    """The captured methods of an instance, by the ids of those of its class. Copies and pickles have none."""

    def __reduce__(self) -> Any:
        return _Methods, ()


class Captured(Dispatch):
    """A captured function; see `capture`. Called as the function itself.

    plans: how many programs it has; show(): their listing; reset(): forgets them.
    """

    def __init__(self, f: Callable[..., Any], static: frozenset[int | str], on_read: str, check: str, max_plans: int) -> None:
        super().__init__()
        self._f, self._static, self._on_read, self._check, self._max_plans = f, static, on_read, check, max_plans
        self._kinds: dict[Any, _Kind] = {}
        self._methods: dict[int, Captured] = {}     # of instances without a dictionary, by id: they may say that they are equal
        self._bound: weakref.WeakSet[Captured] = weakref.WeakSet()      # those of all instances
        self._warned = self._warned_of_hooks = self._full = False
        functools.update_wrapper(self, f)

    def __get__(self, instance: Any, owner: Any = None) -> Captured:
        """As a method: programs for each instance."""
        if instance is None:
            return self
        function, own = self._f, getattr(instance, "__dict__", None)
        if type(own) is dict:       # the instance has them, so that both can go together
            methods = own.get(PLACE)
            if methods is None or (methods and next(iter(methods.values()))._guarded_by[1]() is not instance):     # of a copy
                methods = own[PLACE] = _Methods()
            key = id(self)
        else:
            methods, key = self._methods, id(instance)

        kept: Captured | None = methods.get(key)
        if kept is not None and kept._guarded_by[1]() is instance:
            return kept
        try:
            gone = functools.partial(_forget, methods, key) if methods is self._methods else None
            reference = weakref.ref(instance, gone)
        except TypeError as error:
            raise TypeError(f"capture: there are no weak references to instances of {type(instance).__name__} ({error}); capture "
                            "a function of the instance instead, or give its class a slot __weakref__") from error

        @functools.wraps(function)
        def bound(*args: Any, **kwargs: Any) -> Any:
            if (living := reference()) is None:
                raise ReferenceError(f"{getattr(function, '__qualname__', function)}: the instance is gone whose method this "
                                     "is, and a captured method does not keep it; keep the instance in a variable")
            return function(living, *args, **kwargs)

        found = Captured(bound, frozenset(k - 1 if isinstance(k, int) else k for k in self._static), self._on_read, self._check,
                         self._max_plans)
        found._guarded_by = function, reference
        methods[key] = found
        self._bound.add(found)
        return found

    _guarded_by: Any = None
    _also: tuple[Any, ...] = ()     # models and functions that f calls, where its own code is ours and is not looked at
    _looks_at_random = True     # False where f is known to draw nothing by itself: the global generator is everybody's

    def __reduce__(self) -> Any:
        """Pickles and copies have the function and the options; programs name Variables of this process, and are traced anew."""
        found: Any = sys.modules.get(getattr(self._f, "__module__", ""))
        for name in self._name().split("."):
            found = getattr(found, name, None)
        if found is self:       # as a decorator: by its name, as functions are
            return self._name()
        return Captured, (self._f, self._static, self._on_read, self._check, self._max_plans)

    @property
    def plans(self) -> int:
        """The number of programs that calls are replayed from."""
        return sum(len(kind.plans) for kind in self._kinds.values())

    def reset(self) -> None:
        """Forgets all programs: the next calls are traced."""
        self._full = False
        self._kinds.clear()
        self._machines.clear()
        self._calls.clear()
        for captured in list(self._bound):
            captured.reset()

    def show(self) -> str:
        """The instructions of every program, one a line: number, what it does, file and line. One that is run by the machine
        works on slots of eight bytes, `%7[16]` is 16 of them from number 7 on; of another it is told why it is not."""
        out = []
        for number, entry in enumerate(entry for kind in self._kinds.values() for entry in kind.plans):
            if entry.machine is not None:
                out.append(f"plan {number}: {len(entry.machine)} instructions of the machine")
                for k, (name, to, operands, n, line) in enumerate(entry.machine.listing()):
                    told = f"%{to}{f'[{n}]' if n > 1 else ''} = {name}({', '.join(f'%{a}' for a in operands)})"
                    out.append(f"{k:6d}  {told:40s} {line}")
                out += [f"{'':6s}  where %{slot} is {'true' if truth else 'false'}{'':24s} {line}"
                        for slot, truth, line in entry.machine.ways()]
                out += [f"{'':6s}  update {type(optimizer).__name__}" for optimizer in entry.machine.optimizers]
                continue
            out.append(f"plan {number}: {len(entry.plan)} instructions, not on the machine for {entry.reason}")
            if entry.call is not None and entry.call.as_it_is:
                out.append(f"{'':6s}  NumPy's functions are all of it: the function itself is called")
            out += [f"{k:6d}  {what:12s} {name:32s} {line}" for k, (what, name, line) in enumerate(entry.plan.listing())]
        return "\n".join(out)

    def over(self, *arrays: Any) -> list[Any]:
        """A call for each element of the first axis of arrays or Variables (batches), one after the other; gives the list of
        results. An element is an array, of one axis less."""
        return [self(*elements_of(arrays, k)) for k in range(length_of("over", arrays))]

    def vmap(self, *arrays: Any) -> Any:
        """The results of a call for each element of the first axis of arrays or Variables, in the shape of one call's result with
        its Variables and arrays stacked along a new first axis.

        On the machine calls on single float64 numbers that change nothing outside run side by side, up to 64 at a time, with the
        same bits; others run one after the other. Gradients that calls leave to their arguments are not kept: return them.
        Raises ValueError for arrays of several lengths or of none, and for results that differ in shape.
        """
        n = length_of("vmap", arrays)
        if n == 0:
            raise ValueError("vmap: arrays without elements, of which no result can be told")
        stacked = Stacked(self(*elements_of(arrays, 0)), n)
        beside = None
        for k in range(1, n):
            args = elements_of(arrays, k)
            if k <= TRACES and (beside := self._beside(args, arrays, k)) is not None:
                break
            stacked.put(k, self(*args))
        if beside is not None:
            columns, again = beside
            stacked.put_columns(k, columns)
            for i in again:
                stacked.put(k + i, self(*elements_of(arrays, k + i)))
        return stacked.result()

    def _beside(self, args: Any, arrays: Any, start: int) -> tuple[list[Any], list[int]] | None:
        """What a machine gives for the elements of arrays from `start` on, or None: see Machine.side_by_side."""
        if _core.is_watched():
            return None
        columns = []
        for a in arrays:
            values = _core.value_of(a) if isinstance(a, _core.Variable) else a
            if values.ndim != 1 or values.dtype != np.float64:
                return None
            columns.append(np.ascontiguousarray(values[start:]))
        for machine in self._machines:
            found: tuple[list[Any], list[int]] | None = machine.side_by_side(tuple(args), columns)
            if found is not None:
                return found
        return None

    # ---- a call

    def _call(self, args: Any, kwargs: Any) -> Any:
        """A call that no machine takes."""
        # part of another trace, or of what a transform differentiates; or looked at by `debug`
        if _core.is_traced() or _core.is_watched() or _core.is_paused() or under_way() or not _ON:
            return self._f(*args, **kwargs)
        if _core.hooks_anywhere():
            if not self._warned_of_hooks:
                self._warned_of_hooks = True
                warnings.warn(f"capture: {self._name()} runs as it is while a hook is registered on a Variable or a layer, since "
                              "a replay would not call it", RuntimeWarning, stacklevel=2)
            return self._f(*args, **kwargs)
        variables: list[_core.Variable] = []
        arrays: list[Any] = []
        held: list[Any] = []
        key = call_key(args, kwargs, self._static, variables, arrays, held)
        kind = self._kinds.get(key)
        if kind is None:
            if self._crowded():
                return self._f(*args, **kwargs)
            kind = self._kinds[key] = _Kind(held)
            odd = {type(a).__name__ for a in arrays} - {"ndarray", "memmap"}
            if odd:
                kind.eager = True
                warnings.warn(f"capture: {self._name()} is not captured for arguments that are {', '.join(sorted(odd))}: pass "
                              "ndarrays", RuntimeWarning, stacklevel=2)
        if kind.eager:
            return self._f(*args, **kwargs)
        if self._left and self._check == "twice" and self._goes_astray():
            self._end_branches()
        stale = None
        for entry in kind.plans:
            plan = entry.plan
            if plan.branches and entry.call is not None:       # which has been asked
                continue
            if not holds(entry.guards) or not plan.fits():
                continue
            for k, v in entry.own:
                if variables[k] is not v:
                    stale = entry
                    break
            else:
                if entry.machine is not None:       # which has another state of gradients in mind
                    continue
                if not plan.suits([(stand, variables[k]) for k, stand in entry.given]):
                    continue
                if not plan.acquire():
                    continue
                try:
                    entry.calls += self._check != "twice"
                    if self._check == "twice" or (self._check == "sample" and entry.calls % SAMPLE):
                        try:
                            found = self._replayed(entry, variables, arrays)
                        except Exception as error:
                            if not plan.may_start_again(error):
                                raise
                            return self._f(*args, **kwargs)
                        if found is not _ANOTHER_WAY:
                            self._held += plan.branches
                            return found
                        self._left += 1
                        continue
                finally:
                    plan.release()
                return self._traced(kind, args, kwargs, variables, arrays, entry)
        if any(entry.plan.busy for entry in kind.plans):        # called by itself, or by another thread meanwhile
            return self._f(*args, **kwargs)
        if self.plans >= self._max_plans and stale is None:
            self._warn_of_plans(stacklevel=3)
            return self._f(*args, **kwargs)
        return self._traced(kind, args, kwargs, variables, arrays, None)

    def _warn_of_plans(self, stacklevel: int) -> None:
        if not self._warned:
            self._warned = True
            warnings.warn(f"capture: {self._name()} has {self._max_plans} programs (max_plans) already; calls with other "
                          "shapes, numbers or objects, or that go other ways, run as they are", RuntimeWarning,
                          stacklevel=stacklevel)

    def _end_branches(self) -> None:
        """Ends replays by operations that have branches."""
        self._left = self._held = 0
        for kind in self._kinds.values():
            if ended := [entry for entry in kind.plans if entry.plan.branches]:
                kind.eager = True
                kind.plans = [entry for entry in kind.plans if entry not in ended]
                self._calls[:] = [call for call in self._calls if call not in [entry.call for entry in ended]]
        warnings.warn(f"capture: {self._name()} runs as it is from here on where it is not the machine's: its branches go "
                      "another way too often for replays by operations to gain time", RuntimeWarning, stacklevel=3)

    def _check_states(self, states: list[Any]) -> None:
        """Raises CaptureError where the call leaves a recurrent layer of the library another state."""
        for own, name, before in states:
            now = own.get(name)
            if now is not before and isinstance(now, _core.Variable) and not isinstance(now, _core.Parameter):
                raise CaptureError(f"{self._name()} leaves a layer the state {name}, where replays would not put it; call "
                                   "reset_state() at the end too")

    def _crowded(self) -> bool:
        """Whether so many kinds of calls have come, none of them twice, that others run as they are; what they hold is let go."""
        if not self._full:
            alone = [key for key, kind in self._kinds.items() if not kind.plans and not kind.eager]
            if len(alone) < ALONE * self._max_plans:
                return False
            self._full = True
            for key in alone:
                del self._kinds[key]
            warnings.warn(f"capture: {self._name()} was called in {len(alone)} ways (with other numbers, objects or shapes) "
                          "of which none was traced to a program; calls of other kinds run as they are. Pass what changes as "
                          "an array or a Variable", RuntimeWarning, stacklevel=3)
        return True

    def _name(self) -> str:
        return getattr(self._f, "__qualname__", repr(self._f))

    # ---- tracing

    def _outside(self, held: list[Any]) -> Outside:
        """What the function depends on beside its arguments, as it is now; held: arguments that count by what they are."""
        function, reference = self._guarded_by or (self._f, None)
        return Outside(function, None if reference is None else reference(), [*held, *self._also])

    def _read(self, v: _core.Variable, what: str, where: str) -> None:
        if self._on_read == "guard" and what == "bool()":
            _core.log_branch(v)
        elif self._on_read != "freeze":
            raise CaptureError(
                f"{where}: {what} looks at a value in the captured function {self._name()}: the next call may have another one, "
                "which a replay would not see. " + (
                    'Use where(), or a comparison inside of it, return the value, or say on_read="guard" for a program for each '
                    "way that branches go" if self._on_read == "error" else
                    'With on_read="guard" ask for more or less (`if v > 0`), which is part of the program; return the value') +
                ', or say on_read="freeze" to keep the one of the traced call')

    def _traced(self, kind: _Kind, args: Any, kwargs: Any, variables: list[_core.Variable], arrays: list[Any],
                checked: _Entry | None) -> Any:
        stale = [way for way, last in kind.lasts.items() if not holds(last.guards)]
        if stale:       # they say nothing of what there is now
            kind.moved += 1
            if kind.moved == MOVES:
                kind.eager = True
                warnings.warn(f"capture: {self._name()} runs as it is from here on: {moved(kind.lasts[stale[0]].guards)}, which "
                              "its code names, is another before each call; make what changes an argument (an array or a "
                              "Variable), or write it into an array", RuntimeWarning, stacklevel=3)
                return self._f(*args, **kwargs)
            for way in stale:
                del kind.lasts[way]
        if len(kind.lasts) >= ALONE * self._max_plans:
            kind.eager, ways = True, len(kind.lasts)
            kind.lasts.clear()
            warnings.warn(f"capture: {self._name()} runs as it is from here on where it has no program: its branches have gone "
                          f"{ways} other ways, none of them twice", RuntimeWarning, stacklevel=3)
            return self._f(*args, **kwargs)
        holders = [_core.Variable(plain_array(a)) for a in arrays]
        bare = [v for v in variables if not _core.has_gradient(v)]
        given = signature_of(args, kwargs, self._static)        # before the call, which may change them
        # of the first trace no program is made: what has been drawn is asked of a second one
        before = Before(self._outside(kind.held), self._looks_at_random and bool(kind.lasts or kind.plans))
        if len(before.outside.guards) > MOST_GUARDS:
            kind.eager = True
            warnings.warn(f"capture: {self._name()} is not captured: its code may name {len(before.outside.guards)} things "
                          "outside, which each call would have to look at; pass what it needs as arguments",
                          RuntimeWarning, stacklevel=3)
            return self._f(*args, **kwargs)
        trace = _core.start_trace(self._read)
        try:
            with arrays_made() as made:
                trees = TracedArguments(arrays, holders)
                args, kwargs = trees.arguments(args, kwargs, self._static)
                result = self._f(*args, **kwargs)
        except Exception as raised:
            if trace.error is None or raised is trace.error:
                trace.error = None
                raise
        finally:
            _core.end_trace(trace)
        if trace.error is not None:     # which the function has caught
            _raise_error_of(trace)
        trees.check(self._name())
        del args, kwargs, trees
        collecting = gc.isenabled()
        gc.disable()        # what follows makes many objects, and leaves none in a circle
        try:
            return self._understood(kind, given, variables, holders, checked, trace, result, before, bare, made)
        finally:
            if collecting:
                gc.enable()

    def _understood(self, kind: _Kind, given: tuple[Any, Signature], variables: list[_core.Variable],
                    holders: list[_core.Variable], checked: _Entry | None, trace: _core.Trace, result: Any, before: Before,
                    bare: list[_core.Variable], made: Any) -> Any:
        """The traced call's result, once the trace is compared with the one before, and made a program of where they agree."""
        found: list[Leaf] = []
        shape = tree_of(result, found)
        if trace.failed is not None and trace.refused is None:
            trace.refused = (f"at {trace.failed} an operation has raised an exception that the function catches, which it may "
                             "not do with other numbers")
        if trace.refused is not None:
            warnings.warn(f"capture: {self._name()} is not captured: {trace.refused}", RuntimeWarning, stacklevel=3)
            kind.eager = True
            return plain_result(result)
        if not kind.lasts:      # of a second one the plan asks
            Plan().check(trace)
        program = Program(trace, [*variables, *holders], [shape, [(leaf.array, leaf.what) for leaf in found]])
        if program.branches:
            before.outside.guards += before.outside.states
        guards = unchanged(before.outside.guards)
        before.check_arrays(program.arrays, self._name())
        if checked is not None and checked.program is not None and checked.program.branches != program.branches:
            # another way than the first plan's that may hold
            checked = next((entry for entry in kind.plans if entry.program is not None
                            and entry.program.branches == program.branches and holds(entry.guards)), None)
        if checked is not None:
            if checked.program is not None and (difference := checked.program.difference(program)) is not None:
                raise CaptureError(f"{self._name()} is not what was captured any more: {difference}")
            return plain_result(result)
        fixed: list[bool] | None = None
        same_as: _Entry | None = None
        # where there was no program or trace when the call began, but is now, another thread has been there meanwhile
        asked = before.at_random or not self._looks_at_random
        for entry in kind.plans if asked else ():       # one that was for the very Variables of its traces, and need not be
            if entry.program is not None and entry.own and entry.program.difference(program) is None:
                same_as = entry
                fixed = [v is passed for v, passed in zip(entry.fixed, variables, strict=True)]
                last = entry.program
                break
        else:
            before_it = kind.lasts.get(program.branches) if asked else None
            if before_it is None or (difference := before_it.program.difference(program)) is not None:
                tries = 1 if before_it is None else before_it.tries + 1
                if tries >= TRACES:
                    del kind.lasts[program.branches]
                    _changing(self._name(), difference)
                kind.lasts[program.branches] = _Last(
                    program, variables, [*guards, *before.contents(program.arrays, False)], tries)
                return plain_result(result)
            fixed = before_it.passed(variables)
            last = before_it.program
        if self._looks_at_random:
            before.check_random(trace, self._name())
        entry = _Entry(program)
        copied = last.copied(program)
        entry.guards = [*guards, *before.contents(program.arrays, bool(copied))]
        self._check_states(before.outside.states)
        if program.branches and (changed := before.changed(guards)) is not None:
            kind.eager = True
            warnings.warn(f"capture: {self._name()} runs as it is where it has no program, since it has branches and changes "
                          f"{changed}, at which another way may look, and a replay would not; keep it in a Variable "
                          "(v.data = ...), or leave it outside", RuntimeWarning, stacklevel=4)
            return plain_result(result)
        entry.fixed = [v if same else None for v, same in zip(variables, fixed, strict=True)]
        entry.own = [(k, v) for k, v in enumerate(entry.fixed) if v is not None]
        shape = made_anew(shape, copied)
        self._on_machine(entry, trace, given, bare, holders, copied, shape, found)
        if entry.machine is None:
            if _MODES & before.outside.names.keys():
                kind.eager = True
                warnings.warn(f"capture: {self._name()} is not captured: np.errstate, or a filter of warnings, is set in it, "
                              "which a plan would not do; put it around the call", RuntimeWarning, stacklevel=4)
                return plain_result(result)
            if has_calls(trace) and any(
                    isinstance(v, _core.Parameter) and not same for v, same in zip(variables, fixed, strict=True)):
                kind.eager = True
                warnings.warn(f"capture: {self._name()} is not captured: Parameters are passed to it, others in each call, while "
                              "an optimizer or another function runs in it that may look at them; name them in the function",
                              RuntimeWarning, stacklevel=4)
                return plain_result(result)
            if (line := late_branch(trace)) is not None:
                kind.eager = True
                warnings.warn(f"capture: {self._name()} is not captured: at {line} it looks at a value when it has changed "
                              "something outside before, and a replay that goes another way there could not be made again (on "
                              f"the machine it could, but for {entry.reason}); change what is outside after all branches",
                              RuntimeWarning, stacklevel=4)
                return plain_result(result)
            self._planned(entry, trace, copied, variables, holders, shape, found, bare)
            if self._check == "twice":
                entry.call = call_of(
                    entry.plan, *given, [k for k, _ in entry.own], entry.given, entry.holders,
                    found, shape, MISSING, rebuilt, entry.guards, self._on_read != "freeze")
        if self._check == "twice" and (not entry.own or len(program) > MANY):
            entry.program = None
        kind.lasts.pop(program.branches, None)
        kind.moved = 0
        leaves: list[Leaf] = []
        tree_of(result, leaves)
        allowed = [*(leaf.what for leaf in leaves), *given_gradients(trace)]
        check_kept(trace, allowed, made, self._name())       # before the plan is kept
        if same_as is not None and same_as in kind.plans:       # another thread may have been there before
            kind.plans[kind.plans.index(same_as)] = entry
            if same_as.machine in self._machines:
                self._machines.remove(same_as.machine)
            if same_as.call in self._calls:
                self._calls.remove(same_as.call)
        elif self.plans >= self._max_plans:     # where the first had been made for arguments that it is tied to
            kind.spent += 1
            kind.eager = kind.spent > MOVES
            self._warn_of_plans(stacklevel=5)
            return plain_result(result)
        else:
            kind.plans.append(entry)
        if entry.machine is not None:
            self._machines.append(entry.machine)
        if entry.call is not None:
            self._calls.append(entry.call)
        return plain_result(result)

    def _on_machine(self, entry: _Entry, trace: _core.Trace, given: tuple[Any, Signature], bare: list[_core.Variable],
                    holders: list[_core.Variable], copied: set[int], shape: Any, found: list[Leaf]) -> None:
        """Gives the entry a machine, if the trace is one for it."""
        if self._check != "twice":
            entry.reason = f"check={self._check!r}"
            return
        args, signature = given
        places = [k for k in range(len(args)) if k not in signature.static]
        variables = [k for k in places if isinstance(args[k], _core.Variable)]
        arrays = [k for k in places if isinstance(args[k], np.ndarray)]
        try:
            machine, compiler = Machine.of(
                trace, args, signature, bare, [k for k, v in zip(variables, entry.fixed, strict=False) if v is not None],
                dict(zip(arrays, holders, strict=False)), copied, decoded)
            machine.finish(compiler, found, shape, MISSING, rebuilt, entry.guards)
        except NotNative as reason:
            entry.reason = str(reason)
        else:
            entry.machine = machine
            end_graph(trace)

    def _planned(self, entry: _Entry, trace: _core.Trace, copied: set[int], variables: list[_core.Variable],
                 holders: list[_core.Variable], shape: Any, found: list[Leaf], bare: list[_core.Variable]) -> None:
        """Makes the entry's plan."""
        plan = entry.plan
        seen: dict[int, _core.Variable | None] = {}
        for v, same in zip(variables, entry.fixed, strict=True):
            if id(v) not in seen:
                seen[id(v)] = plan.argument(v) if same is None else None
            entry.stands.append(seen[id(v)])
        entry.holders = [plan.argument(holder) for holder in holders]
        plan.build(trace, copied, decoded, bare)
        for leaf, mine in zip(found, plan.finish([leaf.what for leaf in found if leaf.kind == "node"]), strict=False):
            leaf.kind, leaf.what = ("node", mine) if mine is not None else ("outside", leaf.what)
        places = {id(stand): k for k, stand in enumerate(entry.stands) if stand is not None}
        for leaf in found:
            if leaf.kind == "node" and id(leaf.what) in places:
                leaf.kind, leaf.what = "argument", places[id(leaf.what)]
        entry.finish(shape, found)

    # ---- replaying

    def _replayed(self, entry: _Entry, variables: list[_core.Variable], arrays: list[Any]) -> Any:
        plan = entry.plan
        given = 0
        try:
            for k, stand in entry.given:
                plan.give(stand, variables[k])
                given += 1
            for holder, a in zip(entry.holders, arrays, strict=True):
                holder.data = plain_array(a)
            if not plan.run():
                return _ANOTHER_WAY
            if entry.single is not None:
                return plan.leave(entry.single)
            shape, found = entry.result
            values = [self._result(plan, leaf, variables) for leaf in found]
        finally:
            for k, stand in entry.given[:given]:
                plan.take_back(stand, variables[k])
            for holder in entry.holders:
                holder.data = None
        return rebuilt(shape, values)

    @staticmethod
    def _result(plan: Plan, leaf: Leaf, variables: list[_core.Variable]) -> Any:
        if leaf.kind == "argument":
            v = variables[leaf.what]
            return Later(v) if leaf.array else v
        v = plan.leave(leaf.what) if leaf.kind == "node" else leaf.what
        return _core.value_of(v) if leaf.array else v


call_at_once(Captured)


def _raise_error_of(trace: _core.Trace) -> NoReturn:
    """Raises the error that a trace has kept, and leaves nothing that leads from it to the trace and back."""
    error: Any = trace.error
    trace.error = None
    try:
        raise error
    finally:
        del error, trace


def _changing(name: str, difference: str | None) -> NoReturn:
    raise CaptureError(f"{name} is another program in each call: {difference}. Make what changes an argument (an array or a "
                       "Variable), or leave it outside of the captured function")
