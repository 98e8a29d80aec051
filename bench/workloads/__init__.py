"""What is measured. Each module here ends in a tuple of `Workload` records; this one strings them together.

To add a workload: write its function once, over an adapter and a size, beside a reference that uses none of the
peers; wrap it in a record, with its goals if it has any; put the record into the module's tuple. How the records
work: `../records.py`.
"""

from dataclasses import replace

from ..records import Goal, Group
from . import (
    captured,
    chains,
    elementwise,
    functions,
    graphs,
    indexing,
    long_chains,
    network,
    python_function,
    reductions,
    sizes,
    training,
)

WORKLOADS = {
    workload.name: workload
    for module in (
        chains, functions, graphs, python_function, long_chains, elementwise, reductions, indexing, network, training, sizes,
        captured,
    )
    for workload in module.WORKLOADS
}  # fmt: skip

GROUPS = (
    Group("engine", "the engine: graphs of small operations"),
    Group("functions", "functions on whole arrays", goals=(Goal("faster", 4, "dezero"),)),
    Group("training", "steps of training"),
    Group("captured", "fixed programs, traced once and replayed"),
    Group("sizes", "one function at a time, both precisions, a thousand to ten million elements"),
    Group("threads", "loops and products shared out to threads"),
)


def threaded(workloads, threads):
    """What may be shared out to several threads, under names that say how many: loops over 10^7 elements, by dezero_c and
    PyTorch, and the large products of the BLAS.
    """
    names = [name for name in workloads if "-1e7-" in name or name == "mlp-large"]
    return {
        f"{name}-{threads}": replace(
            workloads[name], name=f"{name}-{threads}", title=f"{workloads[name].title}, {threads} threads",
            group="threads", goals=(Goal("faster", 1.1, "torch"),),
        )
        for name in names
    }  # fmt: skip
