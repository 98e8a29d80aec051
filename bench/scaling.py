"""How training on several ranks scales: measured on this machine, and simulated past it. Run `python -m bench.scaling`.

Measured on 1 and 2 ranks (3 and 4 where there are as many cores): the time of a step and the bytes that a rank sends; weak
scaling, one rank's step time by two ranks' (beside it the step of two ranks that do not speak: where it is longer than one's, the
cores share what they need); the bucketed, ordered sum of gradients against MPI's plain Allreduce of the same
array; a step of one rank under MPI against one without dezero_c.mpi.

The model: a step takes the compute time of the slowest rank, t (1 + s sqrt(2 ln P)), and what is left of the sums of gradients
after overlapping with the walk backwards. A sum of B bytes on P ranks takes (P - 1 + log2 P) a + 2 (P - 1) / P B / b (alltoall in
P - 1 steps, allgather in log2 P), or, as a ring, 2 (P - 1) a + the same. a and b, latency and bandwidth, are fitted to sums of
many sizes on two ranks, s to the spread of steps.

It is checked against published curves: s is taken from one figure on 128 processors, and those of other networks, on 512, and
of another system are predicted, at the line's full rate. What it says of 8 to 1,024 nodes is a simulation.

    python -m bench.scaling [--quick] [--json FILE] [--plot FILE.png] [--check]
"""

from __future__ import annotations

import argparse
import json
import math
import os
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
GOALS = {"weak_scaling": 0.85, "allreduce_share": 0.6, "overhead": 0.03}


# ---- what a rank measures ------------------------------------------------------------------------------------------


def median(values):
    values = sorted(values)
    return values[len(values) // 2]


def models():
    """{name: (make a model and a batch)}: this project's models, float32."""
    import numpy as np

    import dezero_c.functions as F
    import dezero_c.layers as L
    from dezero_c.models import MLP, Sequential

    rng = np.random.default_rng(0)

    def mlp(sizes, batch, inputs):
        return MLP(sizes, activation=F.relu), rng.standard_normal((batch, inputs)).astype(np.float32), rng.integers(0, 10, batch)

    def conv():
        model = Sequential(L.Conv2d(32, 3, pad=1), F.relu, L.Conv2d(32, 3, pad=1), F.relu, lambda x: F.pooling(x, 2, 2),
                           L.Conv2d(64, 3, pad=1), F.relu, F.flatten, L.Linear(10))
        return model, rng.standard_normal((16, 3, 32, 32)).astype(np.float32), rng.integers(0, 10, 16)

    return {"MLP 784-1000-10, batch 100": lambda: mlp((1000, 10), 100, 784),
            "MLP of six layers of 512, batch 256": lambda: mlp((512,) * 6 + (10,), 256, 512),
            "convolutions 32-32-64, batch 16": conv}


def measure_steps(comm, rounds):
    """{model: times of steps, of steps of ranks that do not speak, of forward and backward alone, parameters' bytes}"""
    import dezero_c.functions as F
    from dezero_c import mpi, optimizers

    found = {}
    for name, make in models().items():
        model, x, t = make()

        def lossfun(x, t, model=model):
            return F.softmax_cross_entropy(model(x), t)

        optimizer = mpi.create_multi_node_optimizer(optimizers.SGD(0.01), comm).setup(model)
        plain = optimizers.SGD(0.01).setup(model)
        times, silent, alone = [], [], []
        for k in range(rounds + 3):
            comm.barrier()
            begin = time.perf_counter()
            optimizer.update(lossfun, x, t)
            if k >= 3:
                times.append(time.perf_counter() - begin)
        for _ in range(rounds):     # the same step of as many ranks that do not speak: what they take from each other anyway
            comm.barrier()
            begin = time.perf_counter()
            loss = lossfun(x, t)
            model.cleargrads()
            loss.backward()
            plain.update()
            silent.append(time.perf_counter() - begin)
        for _ in range(max(3, rounds // 3)):
            comm.barrier()
            begin = time.perf_counter()
            loss = lossfun(x, t)
            middle = time.perf_counter()
            model.cleargrads()
            loss.backward()
            alone.append((middle - begin, time.perf_counter() - middle))
        before = comm.traffic["bytes"]
        optimizer.update(lossfun, x, t)
        found[name] = {"step": times, "silent": silent,
                       "forward": median([a for a, _ in alone]), "backward": median([b for _, b in alone]),
                       "parameter_bytes": sum(p.data.nbytes for p in model.params()),
                       "sent_bytes": comm.traffic["bytes"] - before}
    return found


def measure_sums(comm, rounds):
    """[(bytes, seconds of plain Allreduce, of the ordered sum of one bucket with header and packing)], interleaved."""
    import numpy as np

    from dezero_c import Model, Parameter, Variable
    from dezero_c.mpi._gradients import Reducer

    rows = []
    mpi = comm._main.mpi
    for power in (12, 14, 16, 18, 20, 22, 23, 24):
        n = 1 << power
        model = Model()
        model.p = Parameter(np.zeros(n >> 2, np.float32))
        gradient = np.ones(n >> 2, np.float32)
        out = np.empty_like(gradient)
        reducer = Reducer(comm, 25.0)
        plain, ordered = [], []
        for k in range(rounds + 2):
            model.p.grad = Variable(gradient)
            comm.barrier()
            begin = time.perf_counter()
            mpi.Allreduce(gradient, out)
            middle = time.perf_counter()
            reducer.open(model, 1)
            reducer.finish()
            end = time.perf_counter()
            model.cleargrads()
            if k >= 2:
                plain.append(middle - begin)
                ordered.append(end - middle)
        rows.append((n, median(plain), median(ordered)))
    return rows


def measure_overhead(comm, rounds):
    """The ratio of a step of one rank under MPI to one of a plain optimizer, interleaved in one process and on one model (two
    equal ones differ by up to two in a hundred, by where their weights lie): a median of ratios, for a very short step too."""
    import numpy as np

    import dezero_c.functions as F
    from dezero_c import mpi, optimizers
    from dezero_c.models import MLP

    found = {}
    for name, sizes, batch, inputs in (("MLP 64-100-10, batch 100", (100, 10), 100, 64),
                                       ("MLP 784-1000-10, batch 100", (1000, 10), 100, 784)):
        rng = np.random.default_rng(0)
        x, t = rng.standard_normal((batch, inputs)).astype(np.float32), rng.integers(0, 10, batch)
        model = MLP(sizes, activation=F.relu)
        plain = optimizers.SGD(0.01).setup(model)
        multi = mpi.create_multi_node_optimizer(optimizers.SGD(0.01), comm).setup(model)

        def a_step(k, model=model, optimizer=plain, x=x, t=t):
            for _ in range(k):
                loss = F.softmax_cross_entropy(model(x), t)
                model.cleargrads()
                loss.backward()
                optimizer.update()

        def another(k, model=model, optimizer=multi, x=x, t=t):
            for _ in range(k):
                loss = F.softmax_cross_entropy(model(x), t)
                model.cleargrads()
                loss.backward()
                optimizer.update(examples=len(x))

        number = 40 if inputs == 64 else 3
        ratios = []
        for k in range(rounds + 2):
            took = {}
            for f in (a_step, another) if k % 2 else (another, a_step):
                begin = time.perf_counter()
                f(number)
                took[f] = time.perf_counter() - begin
            if k >= 2:
                ratios.append(took[another] / took[a_step])
        found[name] = median(ratios)
    return found


def worker(quick):
    """On each rank: measures, and rank 0 prints all as JSON."""
    import numpy as np

    from dezero_c import mpi

    np.random.seed(0)
    comm = mpi.create_communicator()
    found = {"size": comm.size, "steps": measure_steps(comm, 5 if quick else 60)}
    if comm.size > 1:
        found["sums"] = measure_sums(comm, 5 if quick else 31)
        found["header"] = measure_header(comm)
    else:
        found["overhead"] = measure_overhead(comm, 5 if quick else 61)
    if comm.rank == 0:
        sys.stdout.write(json.dumps(found) + "\n")


def measure_header(comm):
    times = []
    for _ in range(200):
        begin = time.perf_counter()
        comm._main.meet("header")
        times.append(time.perf_counter() - begin)
    return median(times)


# ---- the model -----------------------------------------------------------------------------------------------------


def sum_time(size, latency, bandwidth, ranks, ring=False):
    """Seconds of a sum of `size` bytes over so many ranks."""
    if ranks == 1:
        return 0.0
    steps = 2 * (ranks - 1) if ring else ranks - 1 + math.log2(ranks)
    return steps * latency + 2 * (ranks - 1) / ranks * size / bandwidth


def efficiency(ranks, *, forward, backward, size, bucket, latency, bandwidth, spread, ring=False):
    """Weak scaling: one rank's step time by that of `ranks`. All buckets but the last may hide behind the walk backwards."""
    if ranks == 1:
        return 1.0
    buckets = max(1, math.ceil(size / bucket))
    each = sum_time(size / buckets, latency, bandwidth, ranks, ring)
    left = max(each, buckets * each - backward * (buckets - 1) / buckets)
    compute = (forward + backward) * (1 + spread * math.sqrt(2 * math.log(ranks)))
    return (forward + backward) / (compute + left)


def fit_line(rows):
    """(latency, bandwidth) of sums (bytes, _, seconds) on two ranks, by least squares of relative errors."""
    import numpy as np

    size, took = np.array([row[0] for row in rows], float), np.array([row[2] for row in rows])
    columns = np.stack([np.full(len(rows), 2.0), size], axis=1) / took[:, None]        # 2 a + B / b
    (a, per_byte), *_ = np.linalg.lstsq(columns, np.ones(len(rows)), rcond=None)
    return max(float(a), 1e-7), 1 / float(per_byte)


# Horovod's documented figures: servers of 4 Pascal GPUs, 25 Gbit/s RoCE, batches of 64 a GPU; ChainerMN's (T. Akiba and others,
# 2017): ResNet-50 at 90 % on 128. Images/s of one GPU are about those of TensorFlow's benchmarks of P100s; 8 us of latency and
# 56 Gbit/s (InfiniBand FDR) are assumed.
PASCAL = {"VGG-16": {"rate": 154, "parameters": 138.4e6}, "Inception V3": {"rate": 142, "parameters": 23.8e6},
          "ResNet-101": {"rate": 132, "parameters": 44.7e6}, "ResNet-50": {"rate": 219, "parameters": 25.6e6}}
LATENCY = 8e-6
RING = {"bucket": 64e6, "ring": True}
KNOWN = ("Inception V3", 128, 0.90)


def published_step(name, batch=64):
    about = PASCAL[name]
    seconds = batch / about["rate"]
    return {"forward": seconds / 3, "backward": seconds * 2 / 3, "size": 4 * about["parameters"]}


def calibrate(latency=LATENCY, line=25e9 / 8):
    """The spread that gives the one figure of KNOWN, by halving: the rest of the model has nothing to choose."""
    name, ranks, goal = KNOWN
    low, high = 0.0, 0.2
    for _ in range(60):
        spread = (low + high) / 2
        got = efficiency(ranks, **published_step(name), latency=latency, bandwidth=line, spread=spread, **RING)
        low, high = (spread, high) if got > goal else (low, spread)
    return spread


def check_published(latency=LATENCY):
    """(spread, [(what, published, predicted, whether it was used to calibrate)])"""
    spread = calibrate(latency)
    rows = []
    for name, ranks, known, line in (("VGG-16", 128, 0.79, 25e9), ("Inception V3", 128, 0.90, 25e9), ("VGG-16", 512, 0.68, 25e9),
                                     ("Inception V3", 512, 0.90, 25e9), ("ResNet-101", 512, 0.90, 25e9),
                                     ("ResNet-50", 128, 0.90, 56e9), ("ResNet-50", 512, 0.90, 25e9)):
        got = efficiency(ranks, **published_step(name), latency=latency, bandwidth=line / 8, spread=spread, **RING)
        rows.append((f"{name} on {ranks} at {line / 1e9:.0f} Gbit/s", known, got, (name, ranks, known) == KNOWN))
    return spread, rows


NETWORKS = {"10 Gbit/s Ethernet": (30e-6, 1.0e9), "100 Gbit/s InfiniBand": (2e-6, 10e9)}


def simulate(steps, spread):
    """{(model, network): [(nodes, efficiency)]} for one rank a node."""
    curves = {}
    for model, about in steps.items():
        for network, (latency, bandwidth) in NETWORKS.items():
            curves[model, network] = [
                (p, efficiency(p, forward=about["forward"], backward=about["backward"], size=about["parameter_bytes"], bucket=1e6,
                               latency=latency, bandwidth=bandwidth, spread=spread)) for p in (1 << k for k in range(3, 11))]
    return curves


# ---- the whole -----------------------------------------------------------------------------------------------------


def started(mpiexec, n, quick):
    import dezero_c

    path = os.pathsep.join([str(Path(dezero_c.__path__[0]).parent), str(ROOT), os.environ.get("PYTHONPATH", "")])
    environ = {**os.environ, "PYTHONPATH": path, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
    command = [mpiexec, "-n", str(n), sys.executable, "-m", "bench.scaling", "--worker", *(["--quick"] if quick else [])]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{n} ranks: {done.stderr.strip()}")
    return json.loads(done.stdout.strip().splitlines()[-1])


def plot(curves, rows, path):
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10.5, 5.2), layout="constrained")
    FigureCanvasAgg(figure)
    left, right = figure.subplots(1, 2, width_ratios=[1.25, 1])
    colours = dict(zip(dict.fromkeys(model for model, _ in curves), ("#2f7fc8", "#ee8a2b", "#2f9e57"), strict=False))
    for (model, network), points in curves.items():
        left.plot(*zip(*points, strict=True), color=colours[model], marker="o", markersize=3,
                  linestyle="-" if "Infini" in network else "--", label=f"{model}; {network}")
    left.set(xscale="log", ylim=(0, 1.05), xlabel="nodes, one rank each",
             title="SIMULATION: step of one node / step of N (weak scaling)")
    left.set_xticks([1 << k for k in range(3, 11)], [str(1 << k) for k in range(3, 11)])
    left.legend(fontsize=6.5, loc="upper center", bbox_to_anchor=(0.5, -0.12), frameon=False, handlelength=3)
    left.grid(alpha=0.3)
    names = [name for name, *_ in rows]
    places = range(len(rows))
    right.barh([p - 0.2 for p in places], [known for _, known, *_ in rows], 0.38, color="#a0a0a0", label="published")
    right.barh([p + 0.2 for p in places], [got for _, _, got, _ in rows], 0.38,
               color=["#c8c8f0" if used else "#2f7fc8" for *_, used in rows], label="model (pale: calibrated on it)")
    right.set_yticks(list(places), names, fontsize=7)
    right.invert_yaxis()
    right.set(xlim=(0, 1), title="published efficiencies, and the model's")
    right.legend(fontsize=7, loc="upper center", bbox_to_anchor=(0.4, -0.07), ncols=2, frameon=False)
    figure.savefig(path, dpi=100)


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="python -m bench.scaling",
                                     description="Measure and simulate training on several ranks.")
    parser.add_argument("--quick", action="store_true", help="few rounds: a smoke test")
    parser.add_argument("--json", metavar="FILE", help="write all figures")
    parser.add_argument("--plot", metavar="FILE.png", help="draw the simulation (needs Matplotlib)")
    parser.add_argument("--check", action="store_true", help="exit with 1 where a goal is missed")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.worker:
        worker(options.quick)
        return 0
    from dezero_c.mpi.__main__ import LauncherMissing, find_mpiexec

    try:
        mpiexec, version = find_mpiexec()
    except LauncherMissing as error:
        print(f"bench.scaling: {error}", file=sys.stderr)
        return 2
    cores = os.cpu_count() or 1
    print(f"{version}, {cores} cores")
    rounds = 1 if options.quick else 3      # whole runs, since a machine's pace changes: the medians are shown
    runs = {n: [started(mpiexec, n, options.quick) for _ in range(rounds)] for n in (1, 2, *(k for k in (3, 4) if k <= cores))}
    steps = {}
    print(f"\n{'model':38s} {'parameters':>10s} {'1 rank':>9s} {'2 ranks':>9s} {'2 silent':>9s} {'weak scaling':>12s} "
          f"{'sent a step':>12s}")
    for name in runs[1][0]["steps"]:
        one = median([median(run["steps"][name]["step"]) for run in runs[1]])
        two = median([median(run["steps"][name]["step"]) for run in runs[2]])
        silent = median([median(run["steps"][name]["silent"]) for run in runs[2]])
        about = runs[1][0]["steps"][name]
        steps[name] = {key: median([run["steps"][name][key] for run in runs[1]])
                       for key in ("forward", "backward", "parameter_bytes")}
        steps[name] |= {"one": one, "two": two, "silent": silent, "weak_scaling": one / two,
                        "sent_bytes": runs[2][0]["steps"][name]["sent_bytes"]}
        times = "ms ".join(f"{t * 1e3:7.2f}" for t in (one, two, silent))
        print(f"{name:38s} {about['parameter_bytes'] / 1e6:8.2f}MB {times}ms {one / two:12.3f} "
              f"{steps[name]['sent_bytes'] / 1e6:10.2f}MB")
    sums = [tuple(median([run["sums"][k][i] for run in runs[2]]) for i in range(3)) for k in range(len(runs[2][0]["sums"]))]
    print(f"\na header on 2 ranks: {median([run['header'] for run in runs[2]]) * 1e6:.1f} us\n")
    print(f"{'bytes':>10s} {'Allreduce':>12s} {'bucket':>12s} {'share':>6s}")
    for size, plain, ordered in sums:
        print(f"{size:10d} {size / plain / 1e9:9.3f}GB/s {size / ordered / 1e9:9.3f}GB/s {plain / ordered:6.2f}")
    large = [plain / ordered for size, plain, ordered in sums if size >= 1 << 22]
    overhead = {name: median([run["overhead"][name] for run in runs[1]]) - 1 for name in runs[1][0]["overhead"]}
    for name, value in overhead.items():
        print(f"one rank under MPI against none, {name}: {value:+.2%}")
    long_steps = [about["weak_scaling"] for about in steps.values() if about["one"] >= 0.01]
    goals = {"weak_scaling": (min(long_steps, default=float("nan")), ">="), "allreduce_share": (median(large), ">="),
             "overhead": (max(overhead.values()), "<=")}
    missed = []
    for name, (value, sign) in goals.items():
        met = value >= GOALS[name] if sign == ">=" else value <= GOALS[name]
        missed += [] if met else [name]
        print(f"goal {name} {sign} {GOALS[name]}: {value:.3f}, {'met' if met else 'missed'}")
    latency, bandwidth = fit_line(sums)
    name = max(steps, key=lambda each: steps[each]["one"])
    times = sorted(runs[1][0]["steps"][name]["step"])
    spread = (times[int(0.84 * len(times))] - times[len(times) // 2]) / times[len(times) // 2]
    print(f"\nfitted: latency {latency * 1e6:.1f} us, bandwidth {bandwidth / 1e9:.2f} GB/s, spread of steps {spread:.3f}")
    for each, about in steps.items():
        got = efficiency(2, forward=about["forward"], backward=about["backward"], size=about["parameter_bytes"], bucket=1e6,
                         latency=latency, bandwidth=bandwidth, spread=spread)
        print(f"the model for 2 ranks here: {each}: {got:.3f}, measured {about['weak_scaling']:.3f}")
    published_spread, rows = check_published()
    print(f"\npublished curves, with a spread of {published_spread:.3f} from one of them:")
    for what, known, got, used in rows:
        print(f"{what:36s} published {known:.2f}, model {got:.2f}{' (calibrated)' if used else ''}")
    curves = simulate(steps, published_spread)
    print("\nSIMULATION, step of one node / step of N:")
    for (model, network), points in curves.items():
        print(f"{model}; {network}: " + ", ".join(f"{p}: {value:.2f}" for p, value in points))
    if options.json:
        Path(options.json).write_text(json.dumps({
            "mpi": version, "cores": cores, "steps": steps, "sums": sums, "overhead": overhead, "latency": latency,
            "bandwidth": bandwidth, "spread": spread, "published": rows, "goals": {k: v for k, (v, _) in goals.items()},
            "simulation": {f"{m}; {n}": points for (m, n), points in curves.items()}}, indent=1), encoding="utf-8")
    if options.plot:
        plot(curves, rows, options.plot)
    return 1 if options.check and missed else 0


if __name__ == "__main__":
    sys.exit(main())
