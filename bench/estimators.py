"""NetClassifier against scikit-learn's MLPClassifier on its handwritten digits. Run `python -m bench.estimators`.

Both have one hidden layer of 100 with relu, Adam at the same rate without weight decay, the same batches and the same number of
epochs. For each seed the digits are split anew, 70 % to learn from, and both are fitted one after the other in one process, on
one thread; the time is fit's, the ratio a median of the seeds' ratios. Beside them is NetClassifier without `capture`, whose
weights must have the same bits.

    python -m bench.estimators [--quick] [--json FILE] [--check]
"""

import argparse
import json
import statistics
import sys
import time
import warnings

from . import environment

GOALS = {"ratio": 0.5, "accuracy": 0.005}      # of the time, at most; of accuracy that is lost on average, at most
RATE = 0.001


def measured(dtype, batch, epochs, seeds):
    """{what: a figure for each seed} of one dtype and size of batches."""
    import numpy as np
    from sklearn.datasets import load_digits
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.model_selection import train_test_split
    from sklearn.neural_network import MLPClassifier

    from dezero_c.sklearn import NetClassifier

    images, labels = load_digits(return_X_y=True)
    images = (images / 16).astype(dtype)
    common = {"batch_size": batch, "tol": 0, "n_iter_no_change": epochs}
    makers = {
        "net": lambda seed: NetClassifier((100,), lr=RATE, max_epochs=epochs, random_state=seed, **common),
        "eager": lambda seed: NetClassifier((100,), lr=RATE, max_epochs=epochs, random_state=seed, capture=False, **common),
        "mlp": lambda seed: MLPClassifier((100,), alpha=0, learning_rate_init=RATE, max_iter=epochs, random_state=seed, **common),
    }
    found = {f"{name} {what}": [] for name in makers for what in ("seconds", "accuracy")}
    for seed in range(-1, seeds):       # the first round warms up
        train, test, t, wanted = train_test_split(images, labels, test_size=0.3, random_state=max(seed, 0), stratify=labels)
        fitted = {}
        for name in sorted(makers, reverse=bool(seed % 2)):
            estimator = fitted[name] = makers[name](max(seed, 0))
            begin = time.perf_counter()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)     # all epochs are wanted
                estimator.fit(train, t)
            took = time.perf_counter() - begin
            if seed >= 0:
                found[f"{name} seconds"].append(took)
                found[f"{name} accuracy"].append(estimator.score(test, wanted))
        of_net, of_eager = ([p.data for p in fitted[name].module_.params()] for name in ("net", "eager"))
        if not all(np.array_equal(a, b) for a, b in zip(of_net, of_eager, strict=True)):
            raise AssertionError(f"{dtype}, batches of {batch}: captured and eager weights differ")
    return found


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m bench.estimators", description="NetClassifier against MLPClassifier.")
    parser.add_argument("--quick", action="store_true", help="two seeds and few epochs: a smoke test")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed")
    options = parser.parse_args(arguments)
    environment.pin_threads()
    environment.leave_checkout()
    package = environment.load_dezero_c()
    import numpy as np

    from dezero_c._run.info import processor

    try:
        import sklearn
    except ImportError:
        print('bench.estimators: scikit-learn is not installed: pip install "dezero_c[sklearn]"', file=sys.stderr)
        return 2
    print(f"{processor()}; dezero_c {package.__version__}, scikit-learn {sklearn.__version__}, NumPy {np.__version__}; "
          "one thread\n")
    print("| digits, layers 64-100-10 | NetClassifier | MLPClassifier | ratio | accuracy | MLPClassifier's | without capture |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    every, missed = {}, []
    for dtype in ("float32", "float64"):
        for batch, epochs in ((200, 100), (32, 30)):
            epochs = 2 if options.quick else epochs
            name = f"{dtype}, batches of {batch}, {epochs} epochs"
            found = every[name] = measured(dtype, batch, epochs, 2 if options.quick else 9)
            ours, theirs, eager = (found[f"{who} seconds"] for who in ("net", "mlp", "eager"))
            right, of_theirs = (found[f"{who} accuracy"] for who in ("net", "mlp"))
            ratio = statistics.median(a / b for a, b in zip(ours, theirs, strict=True))
            without = statistics.median(a / b for a, b in zip(eager, ours, strict=True))
            shown = [f"{100 * statistics.mean(each):.2f} ± {100 * statistics.stdev(each):.2f} %" for each in (right, of_theirs)]
            print(f"| {name} | {statistics.median(ours):.3f} s | {statistics.median(theirs):.3f} s | {ratio:.2f} | {shown[0]} | "
                  f"{shown[1]} | {without:.2f} x |")
            lost = 0 if options.quick else statistics.mean(of_theirs) - statistics.mean(right)      # few epochs say nothing
            if ratio > GOALS["ratio"] or lost > GOALS["accuracy"]:
                missed.append(name)
    print(f"\ngoal, at most {GOALS['ratio']} of the time and {100 * GOALS['accuracy']} % of accuracy less: "
          + (f"missed by {'; '.join(missed)}" if missed else "met"))
    if options.json:
        with open(options.json, "w", encoding="utf-8") as file:
            json.dump(every, file, indent=1)
    return int(options.check and bool(missed))


if __name__ == "__main__":
    sys.exit(main())
