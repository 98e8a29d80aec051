#!/usr/bin/env python3
"""Writes src/cold.txt: the functions of the Cython modules that no workload of the benchmark, nor of bench.replays, calls in each
of its runs, which are compiled for size (src/cold.py). Needs valgrind, and the modules built in place with symbols; takes some
twenty minutes.

    tools/cold_functions.py

Captured functions are traced in it too: what is called once or twice for a trace is on the list, and what is called for each of
its operations is not.
"""

import collections
import os
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Those whose code between the loops is not compiled for size as it is (src/build_commands.py).
MODULES = ["_arrays", "_calls", "_core", "_elementwise", "_machine", "_matmul", "_plan", "_training"]
TIMES = 12          # a workload runs: three are traced in a captured function,
SHARES = 8          # of which no share of the workloads has more than three;
MANY_TIMES = 2000   # and a short program, of which there are a hundred
# Methods that slots of types run under other names in C.
OPERATOR = re.compile(r"\.__(?!reduce|repr|setstate|dir|format)\w+__$")
LARGEST = 300       # sizes of workloads are cut to this
LEAST = 200         # bytes of a function


def child(share, shares):
    """What valgrind watches: every so-many-th workload."""
    sys.path.insert(0, str(ROOT))
    from bench import environment

    environment.pin_threads()
    environment.load_dezero_c()
    if share == shares:
        return short_programs()
    from bench.peers import OURS, PEERS
    from bench.workloads import WORKLOADS

    adapter = PEERS[OURS].load()
    for name, workload in sorted(WORKLOADS.items())[share::shares]:
        if name == "memory":        # is measured by itself
            continue
        try:
            run = workload.build(adapter, min(workload.n, LARGEST) if isinstance(workload.n, int) else workload.n)
            run()
        except ValueError:      # it has arrays of its own size beside
            run = workload.build(adapter, workload.n)
        for _ in range(TIMES):
            run()


def short_programs():
    """Those of `python -m bench.replays`, captured, with arguments of every kind."""
    import dezero_c
    from bench import replays

    for _, f, args, names in replays.programs(True):
        g = dezero_c.capture(f)
        for _ in range(MANY_TIMES):
            g(*args, **names)


def called(text, least):
    """The functions that a file of callgrind's has called at least so often, by their names in C."""
    names, calls, callee = {}, collections.Counter(), None
    for line in text.splitlines():
        if line.startswith("cfn="):
            number, _, name = line[4:].partition(" ")
            callee = names.setdefault(number, name)
        elif line.startswith("fn="):
            number, _, name = line[3:].partition(" ")
            names.setdefault(number, name)
        elif line.startswith("calls="):
            calls[re.sub(r"['.].*", "", callee)] += int(line[6:].split()[0])
    return {name for name, count in calls.items() if count >= least}


def functions_run(share, shares):
    """Those that a share of the workloads calls in each run."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable, __file__, str(share),
                   str(shares)]
        fixed = {"DEZERO_C_SIMD": "avx2", "OPENBLAS_CORETYPE": "Haswell"}       # the highest that valgrind knows
        done = subprocess.run(command, env={**os.environ, **fixed}, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        text = Path(folder, "out").read_text(encoding="utf-8", errors="replace")
    return called(text, TIMES if share < shares else MANY_TIMES)


def main():
    sys.path.insert(0, str(ROOT / "src"))
    import cold

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        run = set().union(*pool.map(lambda share: functions_run(share, SHARES), range(SHARES + 1)))
    lines = []
    for module in MODULES:
        (library,) = (ROOT / "dezero_c").glob(f"{module}.*.so")
        sizes = collections.Counter()
        listed = subprocess.run(["nm", "-S", "-t", "d", library], capture_output=True, text=True, check=True).stdout
        for line in listed.splitlines():
            if len(words := line.split()) == 4:
                sizes[re.sub(r"\..*", "", words[3])] += int(words[1])
        text = (ROOT / f"build/cython/src/dezero_c/{module}.c").read_text(encoding="utf-8")
        names = cold.names_in(text)
        warm = {cold.qualified(symbol.partition("_8dezero_c_")[2]) for symbol in run if "_8dezero_c_" in symbol}
        # A function without a symbol is part of its callers, and a small one may be, beside the one that has the symbol.
        alone = {cold.qualified(symbol.partition("_8dezero_c_")[2]) for symbol, size in sizes.items()
                 if "_8dezero_c_" in symbol and size >= LEAST}
        lines += sorted(name for name in (names & alone) - warm if not OPERATOR.search(name))
    cold.NAMES.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(f"{len(lines)} functions")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(int(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
