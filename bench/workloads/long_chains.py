"""A chain of a million ops: what an op costs when the graph no longer fits any cache, and what a node weighs.

The chain itself is `chains.py`'s.
"""

from ..peers import OURS
from ..records import Contender, Goal, Workload, gradient_of
from .chains import OPS, X, chain, chain_reference

MILLION = 1_000_000
BASE = f"{OURS}@{OPS}"
# micrograd recurses once a node, and the forward-only ones hold no graph.
WITH_GRAPH = (OURS, "dezero", "torch", "autograd")


def long_contenders(workload, peers, settings):
    """dezero_c at full length; the others a tenth of it (their seconds and gigabytes grow with it) unless all of it
    is asked for.
    """
    full = workload.quick_n if settings.quick else workload.n
    rows = []
    for peer in peers:
        if peer.name not in WITH_GRAPH:
            continue
        n = full if peer.name == OURS or settings.slow else full // 10
        note = "" if n == full else f"--slow for {full:,}"
        rows.append(Contender(peer.name, peer.name, f"{peer.label}, {n:,} nodes", n, note))
    return rows


def with_base(workload, peers, settings):
    """The same, and dezero_c once more at a thousand ops, so that growth is seen within one set of rounds."""
    rows = long_contenders(workload, peers, settings)
    base = [Contender(BASE, peer.name, f"{peer.label}, {OPS:,} nodes", OPS) for peer in peers if peer.name == OURS]
    return base + rows


def held_chain(adapter, n):
    return adapter.graph(chain(adapter, n), X)


WORKLOADS = (
    Workload(
        name="chain-million",
        title="chain of sin and mul, scalar, a million ops, forward + backward",
        unit="op",
        build=gradient_of(chain, X),
        reference=chain_reference(X),
        n=MILLION,
        quick_n=MILLION // 10,
        contenders=with_base,
        goals=(Goal("within", 4, BASE), Goal("faster", 60, "dezero")),
    ),
    Workload(
        name="memory",
        title="what a node (a Variable and its Function) of that chain weighs",
        unit="node",
        build=held_chain,
        reference=chain_reference(X),
        n=MILLION,
        quick_n=MILLION // 10,
        contenders=long_contenders,
        quantity="memory",
        goals=(Goal("below", 400),),
    ),
)
