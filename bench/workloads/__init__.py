"""What is measured. Each module here ends in a tuple of `Workload` records; this one strings them together.

To add a workload: write its function once, over an adapter and a size, beside a reference that uses none of the
peers; wrap it in a record, with its goals if it has any; put the record into the module's tuple. How the records
work: `../records.py`.
"""

from ..records import Goal, Group
from . import (
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
    )
    for workload in module.WORKLOADS
}  # fmt: skip

GROUPS = (
    Group("engine", "the engine: graphs of small operations"),
    Group("functions", "functions on whole arrays", goals=(Goal("faster", 4, "dezero"),)),
    Group("training", "steps of training"),
    Group("sizes", "one function at a time, both precisions, a thousand to ten million elements"),
)
