"""ba: bundle adjustment (Triggs, McLauchlan, Hartley and Fitzgibbon 2000; the camera of Srajer, Kukelova and Fitzgibbon 2018,
section 3.2): how far observed features are from the points that a camera projects.

A camera is r (3: axis times angle), its centre c (3), focal length f, principal point (2) and radial distortion k (2). A point
X is turned by Rodrigues' formula, with v = X - c and t = |r|,

    v cos t + (r x v) sin(t) / t + r (r . v) (1 - cos t) / t^2

projected (x / z, y / z), stretched by 1 + k1 s + k2 s^2 with s the squared distance from the axis, and scaled and moved; the
error is w times what it is off, and 1 - w^2 keeps weights near 1.

An error depends on one camera, one point and one weight: 15 numbers, all observations alike. The Jacobian's blocks of all
observations are two passes backwards, of the sums of the first and of the second errors; it is answered in compressed rows.
"""

import numpy as np

from .fields import array, integer, number

COMPARED = {"objective": "objective", "derivative": "jacobian"}
CAMERA = 11


def read(data):
    n, m, p = (integer(data, name, 1) for name in "nmp")
    cam, x = array(data, "cam", (CAMERA,)), array(data, "x", (3,))
    w, feat = number(data, "w"), array(data, "feat", (2,))
    # One camera, point, weight and feature stand for all; observation i is of camera i and point i, counted round.
    observed = np.arange(p)
    return n, m, np.tile(cam, (n, 1)), np.tile(x, (m, 1)), np.full(p, w), np.tile(feat, (p, 1)), observed % n, observed % m


def functions(xp, problem):
    n, m, cameras, points, weights, features, camera_of, point_of = problem
    p = len(weights)
    # A leaf for each of the 15 numbers, with a row for each observation.
    leaves = [*cameras[camera_of].T, *points[point_of].T, weights]
    u, v = (xp.constant(np.ascontiguousarray(each)) for each in features.T)

    def errors(r1, r2, r3, c1, c2, c3, f, u0, v0, k1, k2, x, y, z, w):
        x, y, z = x - c1, y - c2, z - c3
        square = r1 * r1 + r2 * r2 + r3 * r3
        still = square == 0             # no turn: the limit is v + r x v
        square = xp.where(still, 1.0, square)
        t = xp.sqrt(square)
        cos, sin = xp.where(still, 1.0, xp.cos(t)), xp.where(still, 1.0, xp.sin(t) / t)
        along = (r1 * x + r2 * y + r3 * z) * xp.where(still, 0.0, (1 - cos) / square)
        px = x * cos + (r2 * z - r3 * y) * sin + r1 * along
        py = y * cos + (r3 * x - r1 * z) * sin + r2 * along
        pz = z * cos + (r1 * y - r2 * x) * sin + r3 * along
        px, py = px / pz, py / pz
        s = px * px + py * py
        stretched = (1 + s * (k1 + s * k2)) * f
        return xp.stack([w * (px * stretched + u0 - u), w * (py * stretched + v0 - v)])

    def weight_errors(w):
        return 1 - w * w

    reprojection, weighing = xp.value(errors, *leaves), xp.value(weight_errors, weights)
    seeds = np.zeros((2, 2, p))
    seeds[0, 0] = seeds[1, 1] = 1
    blocks = xp.pulls(errors, seeds, *leaves)
    (weight_rows,) = (xp.pulls(weight_errors, np.ones((1, p)), weights),)

    def jacobian():
        """Compressed rows: (p, 2, 15) of the reprojection, then (p,) of the weights."""
        by_leaf = np.array([[xp.numpy(each) for each in row] for row in blocks()])
        values = np.concatenate([by_leaf.transpose(2, 0, 1).ravel(), xp.numpy(weight_rows()[0][0])])
        observed = CAMERA * n + 3 * m + np.arange(p)
        columns = np.empty((p, 2, CAMERA + 4), dtype=np.intp)
        columns[:, :, :CAMERA] = (CAMERA * camera_of[:, None] + np.arange(CAMERA))[:, None]
        columns[:, :, CAMERA : CAMERA + 3] = (CAMERA * n + 3 * point_of[:, None] + np.arange(3))[:, None]
        columns[:, :, -1] = observed[:, None]
        ends = np.concatenate([np.arange(2 * p + 1) * (CAMERA + 4), 2 * p * (CAMERA + 4) + 1 + np.arange(p)])
        return ends, np.concatenate([columns.ravel(), observed]), values

    return {"objective": lambda: (reprojection(), weighing()), "jacobian": jacobian}


def write(name, result):
    """All observations being alike, the protocol wants the first one's errors and how many there are; of the Jacobian, as many
    entries of each array as the first block has, and the last one.
    """
    if name == "objective":
        reprojection, weight = result
        p = len(weight)
        return {
            "reproj_error": {"elements": reprojection[:, 0], "repeated": p},
            "w_err": {"element": weight[0], "repeated": p},
        }
    block = 2 * (CAMERA + 4)
    return {key: [*each[:block], each[-1]] for key, each in zip(("rows", "cols", "vals"), result, strict=True)}


def example(size):
    n, m, p = {"small": (3, 7, 20), "large": (21, 11315, 36455)}[size]
    r = np.random.default_rng(0)
    cam = [*r.normal(0, 0.3, 3), *r.normal(0, 0.1, 3), 500.0, 1.0, -2.0, 0.05, -0.01]
    return {"n": n, "m": m, "p": p, "cam": cam, "x": [0.3, -0.4, 4.0], "w": 0.9, "feat": [30.0, -20.0]}
