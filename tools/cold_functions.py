#!/usr/bin/env python3
"""Writes src/cold.txt: the functions of the Cython modules that no workload of the benchmark runs, which are compiled for size
(src/cold.py). Needs valgrind, and the modules built in place with symbols; takes some twenty minutes.

    tools/cold_functions.py

Captured functions are traced in it too, so that what makes programs of traces stays as fast as it is.
"""

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
TIMES = 9           # a workload runs: three are traced in a captured function
# Methods that slots of types run under other names in C.
OPERATOR = re.compile(r"\.__(?!reduce|repr|setstate|dir|format)\w+__$")
LARGEST = 300       # sizes of workloads are cut to this


def child(share, shares):
    """What valgrind watches: every so-many-th workload."""
    sys.path.insert(0, str(ROOT))
    from bench import environment

    environment.pin_threads()
    environment.load_dezero_c()
    from bench.peers import OURS, PEERS
    from bench.workloads import WORKLOADS

    adapter = PEERS[OURS].load()
    for name, workload in sorted(WORKLOADS.items())[share::shares]:
        if name == "memory":        # is measured by itself
            continue
        run = workload.build(adapter, min(workload.n, LARGEST) if isinstance(workload.n, int) else workload.n)
        for _ in range(TIMES):
            run()


def functions_run(share, shares):
    """Their names in C."""
    with tempfile.TemporaryDirectory() as folder:
        command = ["valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable, __file__, str(share),
                   str(shares)]
        fixed = {"DEZERO_C_SIMD": "avx2", "OPENBLAS_CORETYPE": "Haswell"}       # the highest that valgrind knows
        done = subprocess.run(command, env={**os.environ, **fixed}, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr[-2000:])
        text = Path(folder, "out").read_text(encoding="utf-8", errors="replace")
    return {re.sub(r"['.].*", "", name) for name in re.findall(r"^c?fn=\(\d+\) (\S+)", text, re.M)}


def main():
    sys.path.insert(0, str(ROOT / "src"))
    import cold

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        run = set().union(*pool.map(lambda share: functions_run(share, 8), range(8)))
    lines = []
    for module in MODULES:
        (library,) = (ROOT / "dezero_c").glob(f"{module}.*.so")
        symbols = subprocess.run(["nm", library], capture_output=True, text=True, check=True).stdout.split()
        there = {re.sub(r"\..*", "", symbol) for symbol in symbols}
        text = (ROOT / f"build/cython/src/dezero_c/{module}.c").read_text(encoding="utf-8")
        names = cold.names_in(text)
        warm = {cold.qualified(symbol.partition("_8dezero_c_")[2]) for symbol in run if "_8dezero_c_" in symbol}
        # A function without a symbol is part of its callers.
        alone = {cold.qualified(symbol.partition("_8dezero_c_")[2]) for symbol in there if "_8dezero_c_" in symbol}
        lines += sorted(name for name in (names & alone) - warm if not OPERATOR.search(name))
    cold.NAMES.write_text("\n".join([*lines, ""]), encoding="utf-8")
    print(f"{len(lines)} functions")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        child(int(sys.argv[1]), int(sys.argv[2]))
    else:
        main()
