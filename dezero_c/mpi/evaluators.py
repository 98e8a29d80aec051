"""Evaluation shared out: each rank looks at its part of the test set, and all get the mean over all examples."""

from __future__ import annotations

from typing import TYPE_CHECKING

from dezero_c._core import Variable

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from dezero_c.mpi.communicator import Communicator

__all__ = ["create_multi_node_evaluator"]


def create_multi_node_evaluator(actual_evaluator: Any, communicator: Communicator,
                                examples: int | None = None) -> Callable[..., dict[str, float]]:
    """A function that calls `actual_evaluator` on each rank, and gives all ranks the means over all examples of all ranks.

    actual_evaluator: a function, or an object with `evaluate`, that gives {name: mean over this rank's examples}, or a pair of
    that and the number of examples; examples: that number, where the evaluator does not give it. A rank with 0 examples may
    give {}. Arguments are handed on. The means are floats, added up in rank order.

    Raises ValueError where the number of examples is not to be known, on more than one rank; CollectiveError where ranks give
    different names.
    """
    evaluate = getattr(actual_evaluator, "evaluate", actual_evaluator)
    if not callable(evaluate):
        raise TypeError(f"create_multi_node_evaluator: {type(actual_evaluator).__name__} is no function and has no evaluate()")

    def evaluator(*args: Any, **kwargs: Any) -> dict[str, float]:
        found = evaluate(*args, **kwargs)
        number = examples
        if isinstance(found, tuple):
            found, number = found
        if number is None:
            if communicator.size > 1:
                raise ValueError("create_multi_node_evaluator: how many examples do a rank's means stand for? Give examples=, or "
                                 "return (means, number of examples)")
            number = 1
        means = {}
        if number:
            means = {name: float(value.data if isinstance(value, Variable) else value) for name, value in found.items()}
        return _averaged(means, int(number), communicator)

    return evaluator


def _averaged(means: dict[str, float], number: int, comm: Communicator) -> dict[str, float]:
    if comm._main is None:
        return means
    everyone: list[tuple[dict[str, float], int]] = comm.allgather_obj((means, number))
    total = sum(n for _, n in everyone)
    if not total:
        raise ValueError("create_multi_node_evaluator: no rank has an example to evaluate")
    names = next(list(found) for found, n in everyone if n)
    for rank, (found, n) in enumerate(everyone):
        if n and set(found) != set(names):
            from dezero_c.mpi.communicator import CollectiveError

            raise CollectiveError(f"create_multi_node_evaluator: rank {rank} gives {sorted(found)}, an earlier rank "
                                  f"{sorted(names)}; all must give the same names")
    return {name: sum(found[name] * n for found, n in everyone if n) / total for name in names}


