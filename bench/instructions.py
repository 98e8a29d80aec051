"""Instructions that fixed workloads take, counted by valgrind: `python -m bench.instructions`. Noise cannot move the figures, so
a regression of a few per cent shows.

The figures in instructions.json hold for the versions beside them; elsewhere they are printed and not judged. A process under
valgrind runs everything once and one workload n times more; what the same process takes without these is subtracted. Exit
codes: 0; 1 a workload takes over 3 % more; 2 there is no valgrind, or a process failed.

    python -m bench.instructions            compare
    python -m bench.instructions --update   measure and write instructions.json
"""

import argparse
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

STORED = Path(__file__).with_name("instructions.json")
LIMIT = 0.03
# Name: how often. Some 10^7 instructions each, so that what a collection of garbage takes averages out.
WORKLOADS = {
    "chain-scalar": 30, "chain-8": 20, "chain-64": 15, "rosenbrock": 2000, "newton": 80, "tanh-6": 25,
    "exp-1e3-f64": 1000, "mlp-small-sgd": 200, "mlp-small-adam": 160, "policy": 300, "captured-trace": 8,
}  # fmt: skip


def child(name, number):
    """What valgrind watches. The figures are of one thread and of one build of BLAS."""
    from . import environment

    environment.pin_threads()
    environment.leave_checkout()
    environment.load_dezero_c()
    from .peers import OURS, PEERS
    from .workloads import WORKLOADS as ALL

    adapter = PEERS[OURS].load()
    runs = {each: ALL[each].build(adapter, ALL[each].n) for each in WORKLOADS}
    for run in runs.values():
        run()
        run()
    for _ in range(number):
        runs[name]()


def count(name, number):
    """Instructions of a process that runs a workload `number` times."""
    with tempfile.TemporaryDirectory() as folder:
        command = [
            "valgrind", "--tool=callgrind", f"--callgrind-out-file={folder}/out", sys.executable, "-m", "bench.instructions",
            "--child", name, str(number),
        ]  # fmt: skip
        # AVX2: the highest that valgrind knows
        fixed = {"PYTHONHASHSEED": "0", "OPENBLAS_CORETYPE": "Haswell", "PYTHONDONTWRITEBYTECODE": "1", "DEZERO_C_SIMD": simd()}
        done = subprocess.run(
            command, env={**os.environ, **fixed}, capture_output=True, text=True, check=False, timeout=900,
            cwd=Path(__file__).resolve().parents[1],
        )  # fmt: skip
    found = re.search(r"Collected\s*:\s*(\d+)", done.stderr)
    if done.returncode or not found:
        raise RuntimeError(f"{name}: the process under valgrind failed:\n{done.stderr[-2000:]}")
    return int(found[1])


def build_info():
    from . import environment

    environment.pin_threads()
    environment.leave_checkout()
    return environment.describe_core(environment.load_dezero_c())["build_info"]


def simd():
    """The level that is counted: the same on every processor that has it."""
    return "avx2" if "avx2" in build_info()["simd_available"] else "base"


def versions():
    """What the figures depend on, besides the sources."""
    build = build_info()
    import numpy

    return {
        "python": platform.python_version(), "numpy": numpy.__version__, "compiler": build["compiler"], "simd": simd(),
        "machine": platform.machine(), "libc": " ".join(platform.libc_ver()),
    }  # fmt: skip


def measure():
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        base = pool.submit(count, next(iter(WORKLOADS)), 0)
        counts = {name: pool.submit(count, name, number) for name, number in WORKLOADS.items()}
        return {name: round((counts[name].result() - base.result()) / number) for name, number in WORKLOADS.items()}


def compare(stored, found, same):
    """A line for each workload, and whether all are within the limit (always, where the versions differ)."""
    lines, right = [], True
    for name, instructions in found.items():
        before = stored.get(name)
        change = instructions / before - 1 if before else 0.0
        worse = same and change > LIMIT
        right = right and not worse
        told = f"{change:+.1%}" if before else "new"
        lines.append(f"  {name:<16}{instructions:>14,}  {told}{'  MORE THAN ALLOWED' if worse else ''}")
    return lines, right


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m bench.instructions", description=__doc__.split("\n\n")[0])
    parser.add_argument("--update", action="store_true", help="write what was measured into instructions.json")
    parser.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.child:
        child(options.child[0], int(options.child[1]))
        return 0
    if shutil.which("valgrind") is None:
        print("bench.instructions: valgrind is not installed (Debian: apt-get install valgrind)", file=sys.stderr)
        return 2
    here = versions()
    stored = json.loads(STORED.read_text(encoding="utf-8")) if STORED.exists() else {"versions": {}, "instructions": {}}
    try:
        found = measure()
    except (RuntimeError, subprocess.TimeoutExpired) as error:
        print(f"bench.instructions: {error}", file=sys.stderr)
        return 2
    same = stored["versions"] == here
    lines, right = compare(stored["instructions"], found, same)
    print("instructions of one run (of 1,000 operations, or one step), and the change from instructions.json:")
    print("\n".join(lines))
    if options.update:
        STORED.write_text(json.dumps({"versions": here, "instructions": found}, indent=1) + "\n", encoding="utf-8")
        return 0
    if not same:
        print(f"not judged: they were stored with {stored['versions']}, this is {here}")
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
