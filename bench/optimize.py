"""What dezero_c.optimize takes beside SciPy with other derivatives. Run `python -m bench.optimize`.

`minimize` of Rosenbrock's function in 2 and 100 variables by BFGS, Newton-CG and trust-exact: from the same start to the same
tolerance, whole calls, with dezero_c's derivatives (f as it is, and captured, its plans there from an earlier call), HIPS
autograd's, and derivatives that are written by hand in NumPy (as scipy.optimize.rosen_der). SciPy alone, which is given recorded
values, is no contestant but the limit of all.
`least_squares` of 1,000 points and 5 parameters: the exact Jacobian against jac="3-point". Contestants take turns in one
process; a figure is the median of the rounds' ratios.

    python -m bench.optimize [--rounds 15] [--check]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import time

import numpy as np

from dezero_c._run import info

GOALS = {"autograd": 3.0, "by hand": 1 / 1.2, "3-point": 1.0}      # least multiples of dezero_c's time


def rosen(x):
    return np.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)


class Recorded:
    """A function whose values are kept in a first run, and given without computing them in each run that follows."""

    def __init__(self, f):
        self.f, self.values, self.left = f, [], None

    def __call__(self, *args):
        if self.left is not None:
            return next(self.left)
        self.values.append(np.array(self.f(*args)))
        return self.values[-1]

    def rewind(self):
        self.left = iter(self.values)


def alone(run, *functions):
    """run(*functions) with recorded values."""
    recorded = [Recorded(f) for f in functions]
    run(*recorded)

    def again():
        for f in recorded:
            f.rewind()
        return run(*recorded)

    return again


def minimizations(n, method):
    """{contestant: a whole call that gives SciPy's result}"""
    import scipy.optimize as so

    import dezero_c

    x0 = np.array([-1.2, 1.0]) if n == 2 else np.zeros(n)
    options = {"xtol": 1e-8} if method == "Newton-CG" else None     # with its default it stops short of the minimum
    second = {"Newton-CG": "hessp", "trust-exact": "hess"}.get(method)

    def by(f, jac, **more):
        return lambda: so.minimize(f, x0, method=method, jac=jac, options=options, **({second: more[second]} if second else {}))

    fast = dezero_c.capture(rosen)
    found = {
        "captured": lambda: dezero_c.optimize.minimize(fast, x0, method=method, options=options),
        "dezero_c": lambda: dezero_c.optimize.minimize(rosen, x0, method=method, options=options),
        "by hand": by(so.rosen, so.rosen_der, hess=so.rosen_hess, hessp=so.rosen_hess_prod),
        "SciPy alone": alone(lambda f, jac, more: by(f, jac, **({second: more} if second else {}))(), so.rosen, so.rosen_der,
                             so.rosen_hess if second == "hess" else so.rosen_hess_prod),
    }
    try:
        import autograd
        import autograd.numpy as anp
    except ImportError:
        return found

    def f(x):
        return anp.sum(100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2)

    found["autograd"] = by(f, autograd.grad(f), hess=autograd.hessian(f), hessp=autograd.hessian_vector_product(f))
    return found


def fits():
    """The same for a fit of two decays and a background to 1,000 points."""
    import scipy.optimize as so

    import dezero_c

    t = np.linspace(0, 10, 1000)
    y = 3 * np.exp(-1.5 * t) + 1.5 * np.exp(-0.3 * t) + 0.5 + 0.02 * np.random.default_rng(0).standard_normal(1000)
    p0 = np.array([2.0, 1.0, 1.0, 0.2, 0.0])

    def residuals(p):
        return p[0] * np.exp(-p[1] * t) + p[2] * np.exp(-p[3] * t) + p[4] - y

    fast = dezero_c.capture(residuals)
    return {
        "captured": lambda: dezero_c.optimize.least_squares(fast, p0),
        "dezero_c": lambda: dezero_c.optimize.least_squares(residuals, p0),
        "3-point": lambda: so.least_squares(residuals, p0, jac="3-point"),
    }


def take_turns(calls, rounds):
    """{contestant: seconds of each round}; results must agree."""
    found = {name: call() for name, call in calls.items()}
    values = {name: float(result.get("cost", result.fun)) for name, result in found.items()}
    first = next(iter(values.values()))
    for name, call in calls.items():
        if not abs(values[name] - first) < 1e-5:
            raise RuntimeError(f"the contestants found other minima: {values}")
        call()
        call()
    times = {name: [] for name in calls}
    for _ in range(rounds):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            times[name].append(time.perf_counter() - start)
    return times


def main(argv=None):
    parser = argparse.ArgumentParser(prog="python -m bench.optimize", description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed by the captured function")
    options = parser.parse_args(argv)
    try:
        import scipy
    except ImportError:
        print('bench.optimize needs SciPy: pip install "dezero_c[scipy]" autograd', file=sys.stderr)
        return 2
    print(f"{info.processor()}, numpy {np.__version__}, scipy {scipy.__version__}\n")
    print("| work | captured, ms | as it is, ms | peer | times captured | times as it is |")
    print("| --- | --- | --- | --- | --- | --- |")
    work = {f"Rosenbrock, {n}, {method}": minimizations(n, method) for n in (2, 100)
            for method in ("BFGS", "Newton-CG", "trust-exact")}
    work["least_squares, 1,000 points, 5 parameters"] = fits()
    missed = []
    for name, calls in work.items():
        times = take_turns(calls, options.rounds)
        for peer in calls:
            if peer in ("captured", "dezero_c"):
                continue
            ratio = [statistics.median(p / d for p, d in zip(times[peer], times[own], strict=True))
                     for own in ("captured", "dezero_c")]
            own = [1e3 * statistics.median(times[k]) for k in ("captured", "dezero_c")]
            print(f"| {name} | {own[0]:.3g} | {own[1]:.3g} | {peer} | {ratio[0]:.2f} | {ratio[1]:.2f} |", flush=True)
            if ratio[0] < GOALS.get(peer, 0):
                missed.append(f"{name}: {ratio[0]:.2f} times against {peer}, goal {GOALS[peer]:.2f}")
    print("\n" + ("missed:\n" + "\n".join(missed) if missed else "all goals met, captured"))
    return int(options.check and bool(missed))


if __name__ == "__main__":
    sys.exit(main())
