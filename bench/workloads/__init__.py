"""What is measured. Each module here ends in a tuple of `Workload` records; this one strings them together.

To add a workload: write its function once, over an adapter and a size, beside a reference that uses none of the
peers; wrap it in a record, with its goals if it has any; put the record into the module's tuple. How the records
work: `../records.py`.
"""

from . import chains, functions, graphs, long_chains, python_function

WORKLOADS = {
    workload.name: workload
    for module in (chains, functions, graphs, python_function, long_chains)
    for workload in module.WORKLOADS
}
