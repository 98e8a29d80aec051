"""gmm: the log posterior of a mixture of Gaussians with a Wishart prior (Srajer, Kukelova and Fitzgibbon 2018, "A benchmark of
selected algorithmic differentiation tools on some problems in computer vision and machine learning", section 3.1).

Q_k is lower triangular, with exp(q_k) on its diagonal and l_k, column by column, below; the inverse covariance of a component is
Q_k^T Q_k. The posterior is, with |.| Frobenius' norm and n' = d + m + 1 degrees of freedom,

    -n d / 2 log 2 pi + sum_i logsumexp_k(alpha_k + sum(q_k) - |Q_k (x_i - mu_k)|^2 / 2) - n logsumexp(alpha)
    + sum_k(m sum(q_k) - gamma^2 |Q_k|^2 / 2) + k (n' d (log gamma - log 2 / 2) - log Gamma_d(n' / 2))
"""

import math

import numpy as np

from .fields import array, integer, number

COMPARED = {"objective": "objective", "derivative": "jacobian"}


def read(data):
    d, k, n = (integer(data, name, 1) for name in "dkn")
    leaves = [
        array(data, "mu", (k, d)),
        array(data, "q", (k, d)),
        array(data, "l", (k, d * (d - 1) // 2)),
        array(data, "alpha", (k,)),
    ]
    return leaves, array(data, "x", (n, d)), number(data, "gamma"), integer(data, "m", 0)


def log_multivariate_gamma(a, d):
    return d * (d - 1) / 4 * math.log(math.pi) + sum(math.lgamma(a - j / 2) for j in range(d))


def functions(xp, problem):
    leaves, x, gamma, m = problem
    (n, d), k = x.shape, len(leaves[3])
    # Where each element of Q is in a row of diagonal, lower part and a zero.
    places = np.full((d, d), d + d * (d - 1) // 2)
    places[np.diag_indices(d)] = np.arange(d)
    columns, rows = np.triu_indices(d, 1)
    places[rows, columns] = d + np.arange(rows.size)
    zero, x = xp.constant(np.zeros((k, 1))), xp.constant(x)
    freedom = d + m + 1
    prior = freedom * d * (math.log(gamma) - 0.5 * math.log(2)) - log_multivariate_gamma(0.5 * freedom, d)
    constant = k * prior - 0.5 * n * d * math.log(2 * math.pi)

    def logsumexp(a, axis):
        top = xp.max(a, axis)
        return xp.log(xp.sum(xp.exp(a - top.reshape(*a.shape[:axis], 1)), axis)) + top

    def objective(mu, q, lower, alpha):
        diagonal, sums = xp.exp(q), xp.sum(q, 1)
        Q = xp.concatenate([diagonal, lower, zero], 1)[:, places]
        centres = (Q @ mu.reshape(k, d, 1)).reshape(1, k * d)
        off = x @ Q.reshape(k * d, d).T - centres
        distances = xp.sum((off * off).reshape(n, k, d), 2)
        likelihood = xp.sum(logsumexp(alpha + sums - 0.5 * distances, 1)) - n * logsumexp(alpha, 0)
        frobenius = xp.sum(diagonal * diagonal) + xp.sum(lower * lower)
        return constant + likelihood + m * xp.sum(sums) - 0.5 * gamma**2 * frobenius

    gradient = xp.gradient(objective, *leaves)
    return {"objective": xp.value(objective, *leaves), "jacobian": gradient}


def write(name, result):
    return result if name == "objective" else dict(zip(("mu", "q", "l", "alpha"), result, strict=True))


def example(size):
    d, k, n = {"small": (3, 4, 50), "large": (20, 25, 1000)}[size]
    r = np.random.default_rng(0)
    arrays = {
        "x": r.normal(size=(n, d)), "mu": r.uniform(size=(k, d)), "q": 0.3 * r.normal(size=(k, d)),
        "l": 0.3 * r.normal(size=(k, d * (d - 1) // 2)), "alpha": r.normal(size=k),
    }  # fmt: skip
    return {"d": d, "k": k, "n": n, "m": 1, "gamma": 1.5, **{name: a.tolist() for name, a in arrays.items()}}
