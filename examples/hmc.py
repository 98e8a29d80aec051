"""Hamiltonian Monte Carlo: samples of the posterior of a logistic regression, with gradients of `dezero_c.func`.

The log posterior of three weights, given 400 synthetic points and a normal prior, is a NumPy function. `func.value_and_grad`
gives its value and gradient, and `dezero_c.capture` around it takes the Python of each of the many evaluations away. A proposal
follows Hamilton's equations by leapfrog steps; it is accepted or refused by the change of energy, so that the samples are of the
posterior itself. In the first samples, which are dropped, the step size is fitted to an acceptance of 0.8. The picture shows
the others.

    python examples/hmc.py [--quick] [--out FOLDER]
"""

import time

import numpy as np
from _pictures import BLUE, ORANGE, RED, Picture, options

import dezero_c
from dezero_c import func

TRUTH = np.array([-0.5, 1.5, -1.0])
NAMES = ("offset", "slope 1", "slope 2")


def data(rng, n=400):
    """Points (n, 3), whose first column is of ones, and labels (n,) of 0.0 and 1.0."""
    x = np.column_stack([np.ones(n), rng.standard_normal((n, 2))])
    y = (rng.random(n) < 1 / (1 + np.exp(-x @ TRUTH))).astype(float)
    return x, y


def log_posterior(w, x, y, width=5.0):
    """Of weights w (3,), up to a constant: labels are Bernoulli, weights normal with standard deviation `width`."""
    z = np.dot(x, w)
    return np.sum(y * z - np.logaddexp(0.0, z)) - np.sum(w ** 2) / (2 * width ** 2)


def hmc(value_and_grad, w, n_warm, n_samples, rng, leaps=10):
    """Samples (n_samples, len(w)), the acceptance (their mean probability), and the step size that was found."""
    step, samples, accepted = 0.1, [], []
    value, gradient = value_and_grad(w)
    for k in range(n_warm + n_samples):
        momentum = rng.standard_normal(len(w))
        energy = momentum @ momentum / 2 - value
        size = step * rng.uniform(0.8, 1.2)     # orbits of one length might return to where they began
        at, v, g = w, value, gradient
        for _ in range(leaps):
            momentum = momentum + size / 2 * g
            at = at + size * momentum
            v, g = value_and_grad(at)
            momentum = momentum + size / 2 * g
        probability = min(1.0, np.exp(min(0.0, energy - (momentum @ momentum / 2 - v))))
        if rng.random() < probability:
            w, value, gradient = at, v, g
        if k < n_warm:
            step *= np.exp((probability - 0.8) / np.sqrt(k + 1))
        else:
            samples.append(w)
            accepted.append(probability)
    return np.array(samples), np.mean(accepted), step


def effective_size(chain):
    """How many independent samples tell as much of the mean: Geyer's sum of autocorrelations by pairs while it is positive."""
    n = len(chain)
    spectrum = np.fft.rfft(chain - chain.mean(), 2 * n)
    r = np.fft.irfft(np.abs(spectrum) ** 2)[:n]
    pairs = (r[:n // 2 * 2] / r[0]).reshape(-1, 2).sum(1)
    stop = np.argmax(pairs <= 0) if np.any(pairs <= 0) else len(pairs)
    return n / (2 * pairs[:stop].sum() - 1)


def main(quick, out):
    rng = np.random.default_rng(0)
    x, y = data(rng)
    posterior = dezero_c.capture(func.value_and_grad(lambda w: log_posterior(w, x, y)))
    n_samples = 500 if quick else 5000
    start = time.perf_counter()
    samples, acceptance, step = hmc(posterior, np.zeros(3), 300, n_samples, rng)
    seconds = time.perf_counter() - start
    print(f"{n_samples:,} samples in {seconds:.2f} s, acceptance {acceptance:.2f}, step size {step:.3f}")
    means, deviations = samples.mean(0), samples.std(0)
    for name, chain, mean, deviation, true in zip(NAMES, samples.T, means, deviations, TRUTH, strict=True):
        print(f"{name:8}  mean {mean:6.3f} +- {deviation:.3f}  truth {true:6.3f}  effective samples {effective_size(chain):.0f}")
    assert np.all(np.abs(means - TRUTH) < 4 * deviations)

    picture = Picture(height=3.7)
    panel = picture.panel("samples of the two slopes; red: the truth", 4.1, xlabel="slope 1")
    panel.dots(samples[:, 1], samples[:, 2], BLUE, size=2)
    panel.dots([TRUTH[1]], [TRUTH[2]], RED, size=8)
    trace = picture.panel("the last 200 samples", 3.6, xlabel="sample")
    for k, color in enumerate((BLUE, ORANGE, RED)):
        trace.line(np.arange(200), samples[-200:, k], NAMES[k], color)
    picture.save(out, "hmc")


if __name__ == "__main__":
    args = options(__doc__)
    main(args.quick, args.out)
