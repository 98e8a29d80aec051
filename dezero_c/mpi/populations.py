"""Many evaluations that need each other little: evolution strategies, and sweeps over parameters and seeds."""

from __future__ import annotations

import itertools
import traceback
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from dezero_c.mpi._channel import digest_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from typing import Any

    from numpy.typing import NDArray

    from dezero_c.mpi.communicator import Communicator

__all__ = ["EvolutionStrategy", "sweep"]


class EvolutionStrategy:
    """Minimises f without gradients: each generation evaluates x + sigma e and x - sigma e for normal numbers e, and moves x
    against the sum of e weighted by the ranks of the values (T. Salimans and others, 2017).

    f: takes an ndarray of x0's shape, float64, gives a number; nan counts as worse than all others. comm: its ranks share the
    population out; only values travel, since every rank draws every e itself from (seed, generation, member). So x has the
    same bits on all ranks, and for any number of them. population: an even number; sigma: the width of the search, in x's
    units; lr: the step, in units of sigma.

    Attributes: x, the present centre; best_x and best_value, the best member so far; generation; history, the mean value of
    each generation. Raises ValueError for an odd population and where all values of a generation are nan.
    """

    def __init__(self, f: Callable[[NDArray[np.float64]], Any], x0: Any, comm: Communicator, *, population: int = 32,
                 sigma: float = 0.1, lr: float = 1.0, seed: int = 0) -> None:
        if population < 2 or population % 2:
            raise ValueError(f"EvolutionStrategy: population is {population}; members come in pairs, so it must be even")
        if not sigma > 0:
            raise ValueError(f"EvolutionStrategy: sigma is {sigma}; it must be positive")
        self.f, self.comm = f, comm
        self.x: NDArray[np.float64] = np.array(x0, np.float64)
        self.population, self.sigma, self.lr, self.seed = population, float(sigma), float(lr), int(seed)
        self.generation = 0
        self.best_x, self.best_value = self.x.copy(), np.inf
        self.history: list[float] = []
        if comm._main is not None:
            said = [("x0", str(digest_of(self.x))), ("population, sigma, lr, seed", str((population, sigma, lr, seed)))]
            comm._main.meet("EvolutionStrategy", digest=digest_of(said), details=lambda: said,
                            advice="All ranks must start from the same numbers")

    def _noise(self, pair: int) -> NDArray[np.float64]:
        return np.random.default_rng(np.random.SeedSequence([self.seed, self.generation, pair])).standard_normal(self.x.shape)

    def _member(self, k: int) -> NDArray[np.float64]:
        return self.x + (self.sigma if k % 2 == 0 else -self.sigma) * self._noise(k // 2)

    def step(self) -> float:
        """One generation; gives the mean of its values (of those that are numbers)."""
        comm = self.comm
        values = np.full(self.population, np.nan)
        for k in range(comm.rank, self.population, comm.size):
            values[k] = float(self.f(self._member(k)))
        if comm.size > 1:
            everyone = comm.allgather_obj(values[comm.rank::comm.size])
            for rank, found in enumerate(everyone):
                values[rank::comm.size] = found
        if np.isnan(values).all():
            raise ValueError(f"EvolutionStrategy: all {self.population} values of generation {self.generation} are nan; start "
                             "from another x0, or take a smaller sigma")
        order = np.where(np.isnan(values), np.inf, values)
        best = int(order.argmin())
        if order[best] < self.best_value:
            self.best_value, self.best_x = float(order[best]), self._member(best)
        places = np.empty(self.population)
        places[order.argsort(kind="stable")] = np.linspace(0.5, -0.5, self.population)      # the best gets most
        move = np.zeros_like(self.x)
        for pair in range(self.population // 2):
            move += (places[2 * pair] - places[2 * pair + 1]) * self._noise(pair)
        self.x = self.x + (self.lr * self.sigma * 2 / self.population) * move
        self.generation += 1
        mean = float(np.nanmean(values))
        self.history.append(mean)
        return mean

    def run(self, generations: int) -> NDArray[np.float64]:
        """`step` that often; gives x."""
        for _ in range(generations):
            self.step()
        return self.x

    def state_dict(self) -> dict[str, Any]:
        """Numbers and arrays, for checkpoints; any number of ranks goes on from them with the same bits."""
        return {"x": self.x.copy(), "best_x": self.best_x.copy(), "best_value": self.best_value, "generation": self.generation,
                "history": np.array(self.history)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Goes on where `state_dict` was taken."""
        self.x, self.best_x = np.array(state["x"], np.float64), np.array(state["best_x"], np.float64)
        self.best_value, self.generation = float(state["best_value"]), int(state["generation"])
        self.history = [float(v) for v in np.atleast_1d(state["history"])]


def _points(grid: Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    if isinstance(grid, Mapping):
        names = list(grid)
        return [dict(zip(names, values, strict=True)) for values in itertools.product(*(list(grid[n]) for n in names))]
    return [dict(point) for point in grid]


def sweep(f: Callable[..., Any], grid: Mapping[str, Iterable[Any]] | Iterable[Mapping[str, Any]], comm: Communicator, *,
          dynamic: bool = False) -> list[tuple[dict[str, Any], Any]]:
    """[(point, f(**point))] for every point of a grid, in the grid's order, on all ranks; each is computed by one rank.

    grid: {name: values}, of which all combinations are taken, or a list of {name: value}. dynamic: False deals the points out
    in turns, and every rank computes; True has rank 0 hand them out one by one as the others get done (by mpi4py's
    MPICommExecutor), which serves where they take very different times and there are several ranks; f must be a function that
    other ranks find by its name then. Give seeds in the grid: results do not depend on the number of ranks then. f must not
    call the communicator. Results must be such that they can be pickled.

    Raises RuntimeError on all ranks where f raised, with the first such point, the rank and its traceback.
    """
    points = _points(grid)
    main = comm._main
    if main is not None:
        said = [(f"point {k}", repr(point)) for k, point in enumerate(points)]
        main.meet("sweep", digest=digest_of(said), details=lambda: said, advice="All ranks must give the same grid")
    if main is None or not dynamic:
        own = [(k, *_tried(f, points[k])) for k in range(comm.rank, len(points), comm.size)]
        everyone = [(rank, found) for rank, part in enumerate(comm.allgather_obj(own)) for found in part]
    else:
        everyone = _handed_out(f, points, comm)
    results: list[Any] = [None] * len(points)
    for rank, (k, failed, result) in sorted(everyone, key=lambda item: item[1][0]):
        if failed:
            raise RuntimeError(f"sweep: f(**{points[k]!r}) raised on rank {rank}:\n{result}")
        results[k] = result
    return list(zip(points, results, strict=True))


def _tried(f: Callable[..., Any], point: dict[str, Any]) -> tuple[bool, Any]:
    try:
        return False, f(**point)
    except Exception:
        return True, traceback.format_exc()


def _one(f: Callable[..., Any], k: int, point: dict[str, Any]) -> tuple[int, bool, Any]:
    return k, *_tried(f, point)


def _handed_out(f: Callable[..., Any], points: Sequence[dict[str, Any]], comm: Communicator) -> list[tuple[int, Any]]:
    from mpi4py.futures import MPICommExecutor

    found: list[tuple[int, Any]] = []
    assert comm._main is not None
    with comm._main.during("sweep"), MPICommExecutor(comm._world, root=0) as executor:
        if executor is not None:
            found = [(-1, each) for each in executor.map(_one, [f] * len(points), range(len(points)), points)]
    return list(comm.bcast_obj(found))
