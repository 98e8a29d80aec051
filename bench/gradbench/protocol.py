"""GradBench's protocol: a JSON object on each line of standard input, and an answer with its `id` on standard output.

`start` is answered with the tool's name, `define` with whether the evaluation is there, `evaluate` with output and timings,
`analysis` with nothing more; `end` has no answer. A failed call, and a message that is none, is answered with
`"success": false` and the error; the next line is read as if nothing had been.
"""

import importlib
import json
import sys
import time

import numpy as np

from . import EVALUATIONS
from .fields import integer, number
from .spaces import DezeroC

MOST_RUNS = 10_000_000


class BadMessage(ValueError):
    """A message is not one of the protocol's; the text says why."""


def serve(lines, write):
    """Answers each line; `write` takes the text of an answer."""
    space = DezeroC()
    for line in lines:
        if line.strip():
            response = answer(space, line)
            if response is not None:
                write(text_of(response))


def answer(space, line):
    """The response to a line, as a dict; None where none is due. What lacks an id is answered with null in its place."""
    found = None
    try:
        message = parse(line)
        found = identity(message)
        kind = message.get("kind")
        if kind == "end":
            return None
        if not isinstance(kind, str) or kind not in ANSWERS:
            raise BadMessage(f"the field `kind` is start, define, evaluate, analysis or end; here it is {kind!r}")
        return {"id": found, **ANSWERS[kind](space, message)}
    except Exception as error:      # whatever went wrong in a call is the caller's to hear
        return {"id": found, "success": False, "error": f"{type(error).__name__}: {error}"}


def parse(line):
    try:
        message = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise BadMessage(f"no JSON: {error}") from None
    if not isinstance(message, dict):
        raise BadMessage(f"a message is an object; this is {type(message).__name__}")
    return message


def identity(message):
    found = message.get("id")
    if isinstance(found, bool) or not isinstance(found, int):
        raise BadMessage("a message has an integer in the field `id`")
    return found


def start(space, message):
    import dezero_c
    import dezero_c._core

    return {"tool": "dezero_c", "config": {"simd": dezero_c._core.build_info().get("simd"), "numpy": np.__version__}}


def define(space, message):
    try:
        module_of(message)
    except BadMessage as error:
        return {"success": False, "error": str(error)}
    return {"success": True}


def module_of(message):
    name = text(message, "module")
    if name not in EVALUATIONS:
        raise BadMessage(f"no module is called {name!r}; there are: {', '.join(EVALUATIONS)}")
    return importlib.import_module(f".{name}", __package__)


def text(message, name):
    found = message.get(name)
    if not isinstance(found, str):
        raise BadMessage(f"`{message['kind']}` has no text in the field `{name}`")
    return found


def evaluate(space, message):
    module, name = module_of(message), text(message, "function")
    if "input" not in message:
        raise BadMessage("`evaluate` has no field `input`")
    given = message["input"]
    functions = module.functions(space, module.read(given))
    if name not in functions:
        raise BadMessage(f"{message['module']} has no function {name!r}; there are: {', '.join(functions)}")
    result, timings = repeated(functions[name], *limits(given))
    write = getattr(module, "write", None)
    output = write(name, result) if write else result
    return {"success": True, "output": plain(output), "timings": timings}


def limits(given):
    """The fewest runs and seconds that an input asks for: `min_runs` and `min_seconds`, or `runs` as it once was."""
    if not isinstance(given, dict):
        return 1, 0.0
    runs = next((integer(given, name, 1) for name in ("min_runs", "runs") if name in given), 1)
    seconds = number(given, "min_seconds") if "min_seconds" in given else 0.0
    return runs, seconds


def repeated(run, runs, seconds):
    """The last result, and a timing for each run."""
    timings, spent = [], 0
    while len(timings) < runs or (spent < seconds * 1e9 and len(timings) < MOST_RUNS):
        begun = time.perf_counter_ns()
        result = run()
        taken = time.perf_counter_ns() - begun
        spent += taken
        timings.append({"name": "evaluate", "nanoseconds": taken})
    return result, timings


def plain(value):
    """Arrays as lists, NumPy's numbers as Python's."""
    if isinstance(value, dict):
        return {name: plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    return value.tolist() if isinstance(value, (np.ndarray, np.generic)) else value


def text_of(response):
    try:
        return json.dumps(response, allow_nan=False)
    except ValueError:      # JSON knows no nan and no infinity
        error = "the output holds a number that is not finite"
        return json.dumps({"id": response["id"], "success": False, "error": error})


ANSWERS = {"start": start, "define": define, "evaluate": evaluate, "analysis": lambda space, message: {}}


def main():
    out = sys.stdout

    def write(line):
        out.write(line + "\n")
        out.flush()

    try:
        serve(iter(sys.stdin.readline, ""), write)
    except BrokenPipeError:
        return 0
    return 0

