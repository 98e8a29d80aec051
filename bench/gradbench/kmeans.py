"""kmeans: the sum of squared distances of points from their nearest centroids, and the step of Newton's method that Bottou and
Bengio 1994 ("Convergence properties of the K-means algorithms") write it as: gradient by diagonal of the Hessian, which is all
of it.

The derivative of a minimum is that of the argument that attains it: the nearest centroid is found on values alone, and what is
differentiated is the distance from it. Hessian times ones, by a second differentiation, is the diagonal.
"""

import numpy as np

from .fields import BadInput, array

COMPARED = {"objective": "cost", "derivative": "dir"}
BLOCK = 1 << 22     # distances held at a time


def read(data):
    points = array(data, "points", (None, None))
    centroids = array(data, "centroids", (None, points.shape[1]))
    if not points.size or not centroids.size:
        raise BadInput(f"{len(points)} points, {len(centroids)} centroids of {points.shape[1]} numbers: one at least is needed")
    return points, centroids


def functions(xp, problem):
    points, centroids = problem
    rows = max(1, BLOCK // len(centroids))
    blocks = [xp.constant(points[k : k + rows]) for k in range(0, len(points), rows)]

    def cost(centroids):
        seen = xp.data(centroids)
        half = 0.5 * (seen * seen).sum(1)
        total = 0.0
        for block in blocks:
            nearest = (half - xp.data(block) @ seen.T).argmin(1)
            off = block - centroids[nearest]
            total = total + xp.sum(off * off)
        return total

    curvature = xp.curvature(cost, centroids)

    def direction():
        gradient, diagonal = curvature()
        return gradient / diagonal

    return {"cost": xp.value(cost, centroids), "dir": direction}


def write(name, result):
    if not np.isfinite(result).all():
        raise BadInput("`centroids` has one that no point is nearest to; the Hessian has no inverse there")
    return result


def example(size):
    n, k, d = {"small": (200, 5, 3), "large": (10_000, 25, 16)}[size]
    points = np.random.default_rng(0).random((n, d))
    return {"points": points.tolist(), "centroids": points[-k:].tolist()}
