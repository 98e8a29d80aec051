"""How memory is measured: the growth of a fresh process's resident set while it builds a graph, per node.

A fresh process, so that no allocator holds what an earlier measurement gave back. Resident memory counts what the C
allocators take, which Python's own tracing does not see.
"""

import gc
import json
import os
import subprocess
import sys

from .environment import ROOT
from .peers import PEERS, Unsupported


def measure_in_fresh_process(workload, peer, n):
    """Bytes a unit, as `probe` finds them in a process of its own."""
    if not hasattr(os, "sysconf"):
        raise Unsupported("resident memory is not measured on this system")
    command = [sys.executable, "-m", "bench", "--probe", workload.name, peer, str(n)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{workload.name}, {peer}: the measuring process failed:\n{done.stderr.strip()}")
    return json.loads(done.stdout.splitlines()[-1])


def probe(workload, peer, n):
    """Build one graph of size n and say what it weighs a unit, after forward and after backward."""
    adapter = PEERS[peer].load()
    if not hasattr(adapter, "graph"):
        raise Unsupported(f"not written for {peer}")
    # A first, small one: lazily imported code and the first arenas are not the graph's.
    held, backward = workload.build(adapter, 1000)
    backward()
    del held, backward
    gc.collect()
    before = resident_bytes()
    held, backward = workload.build(adapter, n)
    forward = resident_bytes() - before
    backward()
    both = resident_bytes() - before
    units = workload.units(n)
    del held
    return {"after_forward": forward / units, "after_backward": both / units}


def resident_bytes():
    """Resident memory now on Linux; elsewhere the peak, which in a growing process is the same."""
    try:
        with open("/proc/self/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except OSError:
        import resource

        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak if sys.platform == "darwin" else peak * 1024
