"""More than one process, on one machine or many: training, likelihoods over shards, and many small runs, by MPI through mpi4py.

Names and habits are those of ChainerMN. All ranks run the same program; without MPI, or started as one process, there is
one rank, and the program is the same:

    from dezero_c import mpi, optimizers

    comm = mpi.create_communicator()
    optimizer = mpi.create_multi_node_optimizer(optimizers.Adam(), comm).setup(model)
    loader = mpi.DataLoader(dataset, 100, comm)
    for batch in loader:
        optimizer.update(lossfun, batch)

`pip install "dezero_c[mpi]"` brings mpi4py and an MPI; `python -m dezero_c.mpi -n 2 train.py` starts two processes. mpi4py
is imported when a communicator is made, and not before.
"""

from dezero_c.mpi import _launch
from dezero_c.mpi.checkpoints import Checkpointer, create_multi_node_checkpointer
from dezero_c.mpi.communicator import CollectiveError, Communicator, LaunchError, create_communicator
from dezero_c.mpi.datasets import Batch, DataLoader, SubDataset, scatter_dataset, shard
from dezero_c.mpi.evaluators import create_multi_node_evaluator
from dezero_c.mpi.layers import MultiNodeBatchNorm, create_mnbn_model
from dezero_c.mpi.likelihoods import value_and_grad
from dezero_c.mpi.optimizers import MultiNodeOptimizer, create_multi_node_optimizer
from dezero_c.mpi.populations import EvolutionStrategy, sweep

__all__ = [
    "Batch", "Checkpointer", "CollectiveError", "Communicator", "DataLoader", "EvolutionStrategy", "LaunchError",
    "MultiNodeBatchNorm", "MultiNodeOptimizer", "SubDataset", "create_communicator", "create_mnbn_model",
    "create_multi_node_checkpointer", "create_multi_node_evaluator", "create_multi_node_optimizer", "scatter_dataset", "shard",
    "sweep", "value_and_grad",
]

_launch.end_early()
