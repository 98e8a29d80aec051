"""ht: hand tracking (Taylor et al. 2014, "User-specific hand modeling from monocular depth sequences", as Srajer, Kukelova and
Fitzgibbon 2018, section 3.3, have it): how far points are from a hand's vertices, which bones move by linear blend skinning.

theta is the hand's rotation (3: axis times angle), its translation (3), and four angles a finger: two of its first joint, about x
and about z, one of each other. Bone b turns by R_b = R_z R_x and stands at G_b = G_parent B_b R_b; a vertex is at
sum_b w_b G_b C_b p, with C the inverse of the bones' places at rest. With `us` a point lies on a triangle, at u1, u2 and the
rest of 1.

What follows the bones' matrices is linear in them, so the chain rule is cut there: the Jacobian of the matrices, some 270
numbers, by theta in forward mode, all 26 columns in one batch; the Jacobian of the points is a product with what stands for
vertices and weights.
"""

import numpy as np

from .fields import BadInput, array, field, indices, integer

COMPARED = {"objective": "objective", "derivative": "jacobian"}
FINGERS, THETA = 5, 26
STILL = 1e-4        # a rotation by less is none


def read(data):
    given = field(data, "data")
    model = field(given, "model")
    theta = array(data, "theta", (THETA,))
    bones = integer(model, "bone_count", 1)
    if bones < 4 * FINGERS + 1:
        raise BadInput(f"`bone_count` is {bones}; theta moves bones up to the {4 * FINGERS + 1}th")
    parents = array(model, "parents", (bones,)).astype(np.intp)
    if (parents >= np.arange(bones)).any() or (parents < -1).any():
        raise BadInput("`parents` is to name an earlier bone for each, or -1")
    relatives, inverses = (array(model, name, (bones, 4, 4)) for name in ("base_relatives", "inverse_base_absolutes"))
    positions = array(model, "base_positions", (None, 4))
    weights = array(model, "weights", (len(positions), bones))
    points = array(given, "points", (None, 3))
    us = array(data, "us", (len(points), 2)) if len(field(data, "us")) else None
    mirrored = field(model, "is_mirrored")
    if us is None:
        vertices = indices(given, "correspondences", (len(points),), len(positions))[:, None]
    else:
        triangles = indices(model, "triangles", (None, 3), len(positions))
        vertices = triangles[indices(given, "correspondences", (len(points),), len(triangles))]
    # (points, vertices of each, 4 bones): a vertex is its row times the bones' matrices, (4 bones, 3).
    spread = (weights[:, :, None] * positions[:, None, :]).reshape(len(positions), 4 * bones)[vertices]
    return theta, us, parents, relatives, inverses, spread, points, bool(mirrored)


def angles(bones):
    """(2 bones, 26): which theta is the angle about x of each bone, and which is about z."""
    found = np.zeros((2, bones, THETA))
    for finger in range(FINGERS):
        first, bone = 6 + 4 * finger, 2 + 4 * finger
        found[0, bone, first] = found[1, bone, first + 1] = 1
        found[0, bone + 1, first + 2] = found[0, bone + 2, first + 3] = 1
    return found.reshape(2 * bones, THETA)


def generations(parents):
    """The bones by how many are above them: lists of bones, each with the places that their parents have in the list before."""
    depth = np.zeros(len(parents), dtype=np.intp)
    for bone, parent in enumerate(parents):
        depth[bone] = depth[parent] + 1 if parent >= 0 else 0
    lists = [np.flatnonzero(depth == k) for k in range(depth.max() + 1)]
    return [(own, np.searchsorted(above, parents[own])) for own, above in zip(lists, [lists[0], *lists], strict=False)]


def functions(xp, problem):
    theta, us, parents, relatives, inverses, spread, points, mirrored = problem
    n, bones = len(points), len(parents)
    moves = xp.constant(angles(bones).T.copy())
    order = generations(parents)
    bases = [xp.constant(relatives[own]) for own, _ in order]
    listed = np.concatenate([own for own, _ in order])
    rests, place = xp.constant(inverses[listed]), np.argsort(listed)
    mirror, identity = xp.constant(np.diag([-1.0 if mirrored else 1.0, 1.0, 1.0])), xp.constant(np.eye(3))
    turned = np.linalg.norm(theta[:3]) >= STILL
    # A turn about x is c X + s SX + RX, one about z likewise.
    X, SX, RX, Z, SZ, RZ = (xp.constant(each) for each in turns())

    def turn(r):
        """(k, 3) -> (k, 3, 3): Rodrigues' formula."""
        if not turned:
            return (r[:, :1] * 0).reshape(-1, 1, 1) + identity
        angle = xp.sqrt(xp.sum(r * r, 1))
        c, s = xp.cos(angle), xp.sin(angle)
        x, y, z = r[:, 0] / angle, r[:, 1] / angle, r[:, 2] / angle
        q = 1 - c
        rows = [
            [x * x * q + c, x * y * q - z * s, x * z * q + y * s],
            [x * y * q + z * s, y * y * q + c, y * z * q - x * s],
            [x * z * q - y * s, y * z * q + x * s, z * z * q + c],
        ]
        return xp.stack([xp.stack(row, 1) for row in rows], 1)

    def matrices(theta):
        """(k, 26) -> (k, 12 bones + 3): for each bone 4 rows of 3, by which its share of a vertex is multiplied; the
        translation."""
        k = theta.shape[0]
        bent = (theta @ moves).reshape(k, 2, bones, 1, 1)
        c, s = xp.cos(bent), xp.sin(bent)
        local = (c[:, 1] * Z + s[:, 1] * SZ + RZ) @ (c[:, 0] * X + s[:, 0] * SX + RX)
        absolute = []
        for (own, above), base in zip(order, bases, strict=True):
            relative = base @ local[:, own]
            absolute.append(absolute[-1][:, above] @ relative if absolute else relative)
        transforms = (xp.concatenate(absolute, 1) @ rests)[:, place]
        whole = (turn(theta[:, :3]) @ mirror).reshape(k, 1, 3, 3) @ transforms[:, :, :3]
        flat = xp.stack([whole[:, :, i] for i in range(3)], 3).reshape(k, 12 * bones)
        return xp.concatenate([flat, theta[:, 3:6]], 1)

    corners, aim = xp.constant(spread.reshape(-1, 4 * bones)), xp.constant(points)

    def errors(theta, us):
        found = matrices(theta.reshape(1, THETA))[0]
        at = corners @ found[: 12 * bones].reshape(4 * bones, 3)
        if us is not None:
            at, u, v = at.reshape(n, 3, 3), us[:, :1], us[:, 1:]
            at = u * at[:, 0] + v * at[:, 1] + (1 - u - v) * at[:, 2]
        return aim - at - found[12 * bones :]

    columns = xp.lanes(matrices, theta)
    if us is None:
        shares = np.ones((n, 1))
    else:
        shares = np.column_stack([us, 1 - us.sum(1)])
        # A point's errors depend on its own two: three passes backwards for all.
        seeds = np.zeros((3, n, 3))
        seeds[range(3), :, range(3)] = 1
        still = xp.constant(theta)
        by_us = xp.pulls(lambda us: errors(still, us), seeds, us)

    def jacobian():
        by_theta = xp.numpy(columns())
        blended = np.einsum("nv,nvk->nk", shares, spread)
        moved = blended @ by_theta[: 12 * bones].reshape(4 * bones, 3 * THETA)
        found = -(moved.reshape(n, 3, THETA) + by_theta[12 * bones :])
        if us is not None:
            found = np.concatenate([np.stack([xp.numpy(each) for (each,) in by_us()], 1), found], 2)
        return found.reshape(3 * n, -1)

    placed = xp.value(errors, theta, us) if us is not None else xp.value(lambda theta: errors(theta, None), theta)
    return {"objective": placed, "jacobian": jacobian}


def turns():
    """For x and z: the places of the cosine, of the sine, and of the rest, in a (4, 4) matrix."""
    for i, j in ((1, 2), (0, 1)):
        cosine, sine = np.zeros((4, 4)), np.zeros((4, 4))
        cosine[i, i] = cosine[j, j] = sine[j, i] = 1
        sine[i, j] = -1
        yield from (cosine, sine, np.eye(4) - cosine)


def write(name, result):
    return result.ravel() if name == "objective" else result


def example(size):
    bones, vertices, n = {"small": (22, 40, 10), "large": (22, 544, 1000)}[size]
    r = np.random.default_rng(0)
    parents = [-1, 0, *(1 if k % 4 == 2 else k - 1 for k in range(2, bones))]

    def placed(count):
        found = np.tile(np.eye(4), (count, 1, 1))
        found[:, :3, :3] = np.linalg.qr(r.normal(size=(count, 3, 3)))[0]
        found[:, :3, 3] = 0.3 * r.normal(size=(count, 3))
        return found

    weights = r.random((vertices, bones)) * (r.random((vertices, bones)) < 0.2)
    model = {
        "bone_count": bones, "bone_names": [f"bone{k}" for k in range(bones)], "parents": parents,
        "base_relatives": placed(bones).tolist(), "inverse_base_absolutes": placed(bones).tolist(),
        "base_positions": np.column_stack([r.normal(size=(vertices, 3)), np.ones(vertices)]).tolist(),
        "weights": weights.tolist(), "triangles": r.integers(vertices, size=(2 * vertices, 3)).tolist(), "is_mirrored": False,
    }  # fmt: skip
    given = {"model": model, "correspondences": r.integers(vertices, size=n).tolist(), "points": r.normal(size=(n, 3)).tolist()}
    return {"theta": (0.5 * r.normal(size=THETA)).tolist(), "data": given, "us": r.uniform(0, 0.5, (n, 2)).tolist()}
