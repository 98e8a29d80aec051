"""det: the determinant by expansion by minors (Laplace), and its gradient (cmpad's `det_by_minor`).

The minors of the last k rows are indexed by their k columns and made of those of the last k - 1, all at once: each minor once,
where plain recursion makes it again for each minor above it. l 2^(l - 1) products in place of about e l!, by the same formula;
all peers of the comparison run it. In GradBench itself most tools recurse, so that figures from there are of another algorithm.
"""

import itertools
import math

import numpy as np

from .fields import BadInput, array, integer

COMPARED = {"objective": "primal", "derivative": "gradient"}
LARGEST = 20


def read(data):
    ell = integer(data, "ell", 1)
    if ell > LARGEST:
        raise BadInput(f"`ell` is {ell}; expansion by minors needs 2^ell numbers, and is done up to {LARGEST}")
    return array(data, "A", (ell * ell,)), ell


def levels(ell):
    """For k = 2 to ell: for each set of k columns, in the order of `itertools.combinations`, the columns (C, k), and the places
    of the sets of k - 1 that are left when the first, the second, ... is taken away.
    """
    found = []
    for k in range(2, ell + 1):
        place = {columns: i for i, columns in enumerate(itertools.combinations(range(ell), k - 1))}
        sets = np.array(list(itertools.combinations(range(ell), k)))
        left = np.array([[place[(*columns[:j], *columns[j + 1 :])] for j in range(k)] for columns in map(tuple, sets.tolist())])
        found.append((sets, left))
        assert len(sets) == math.comb(ell, k)
    return found


def functions(xp, problem):
    a, ell = problem
    table = [
        ((ell - k) * ell + sets, left, xp.constant((-1.0) ** np.arange(k)))
        for k, (sets, left) in enumerate(levels(ell), start=2)
    ]

    def determinant(a):
        minors = a[(ell - 1) * ell :]
        for entries, left, signs in table:
            minors = xp.sum(a[entries] * minors[left] * signs, axis=1)
        return minors[0]

    gradient = xp.gradient(determinant, a)
    return {"primal": xp.value(determinant, a), "gradient": lambda: gradient()[0]}


def example(size):
    ell = {"small": 5, "large": 11}[size]
    return {"A": np.random.default_rng(0).random(ell * ell).tolist(), "ell": ell}
