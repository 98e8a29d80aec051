"""Data sets dealt out, batches of all ranks, evaluation, checkpoints, likelihoods over shards, populations and sweeps."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
import zipfile

import numpy as np
import pytest
from ranks import HEAD, environment, failed, mpiexec, passed

import dezero_c.functions as F
from dezero_c import datasets, mpi, optimizers
from dezero_c import layers as L


@pytest.fixture
def comm():
    return mpi.create_communicator()


# ---- data sets

def test_a_data_set_is_dealt_out_whole_and_once(tmp_path):
    passed(3, """
    from dezero_c import datasets
    comm = mpi.create_communicator()
    array = np.arange(20.0).reshape(10, 2)
    for root in (0, 2):
        part = mpi.scatter_dataset(array if comm.rank == root else None, comm, root)
        assert (np.concatenate(comm.allgather(part)) == array).all() and len(part) in (3, 4)
    part = mpi.scatter_dataset((array, np.arange(10)), comm, shuffle=True, seed=3)
    assert (part[0][:, 0] == 2 * part[1]).all()
    order = np.concatenate(comm.allgather(part[1]))
    assert sorted(order) == list(range(10)) and list(order) != list(range(10))
    again = mpi.scatter_dataset((array, np.arange(10)), comm, shuffle=True, seed=3)
    assert (again[1] == part[1]).all()
    digits = mpi.scatter_dataset(datasets.Digits() if comm.rank == 0 else None, comm)
    assert type(digits) is datasets.Digits
    assert sum(comm.allgather_obj(len(digits))) == len(datasets.Digits())
    x, t = digits[0]
    assert x.shape == (64,)
    words = mpi.scatter_dataset(list("abcdefg"), comm)
    assert sum(comm.allgather_obj(words[:]), []) == list("abcdefg")
    equal = mpi.scatter_dataset(list(range(7)), comm, force_equal_length=True)
    assert comm.allgather_obj(len(equal)) == [3, 3, 3] and set(sum(comm.allgather_obj(equal[:]), [])) == set(range(7))
    two = mpi.scatter_dataset([1, 2], comm)
    assert comm.allgather_obj(len(two)) == [0, 1, 1]
    for n, more in ((0, {}), (2, {"force_equal_length": True})):
        try:
            mpi.scatter_dataset([5] * n, comm, **more)
        except ValueError as error:
            assert f"{n} examples cannot be dealt out to 3 ranks" in str(error)
        else:
            raise AssertionError(n)
    view = mpi.shard(array, comm)
    assert np.shares_memory(view, array) and (np.concatenate(comm.allgather(view)) == array).all()
    """, folder=tmp_path)


def test_batches_are_those_of_one_process(tmp_path):
    program = """
    comm = mpi.create_communicator()
    x = np.arange(23)
    loader = mpi.DataLoader((x, 10 * x), 7, comm, seed=5)
    assert len(loader) == 4
    for _ in range(2):
        for batch in loader:
            assert type(batch) is mpi.Batch and batch.sizes == [len(batch[0])] and (batch[1] == 10 * batch[0]).all()
            whole = np.concatenate(comm.allgather(batch[0]))
            assert len(whole) == batch.total and max(comm.allgather_obj(len(batch[0]))) <= -(-batch.total // comm.size)
            if comm.rank == 0:
                print(*whole)
    assert len(mpi.DataLoader(x, 7, comm, drop_last=True)) == 3
    """
    one, three = passed(1, program, folder=tmp_path), passed(3, program, folder=tmp_path)
    assert one == three
    first, second = one.splitlines()[:4], one.splitlines()[4:]
    for lines in (first, second):
        assert sorted(int(n) for line in lines for n in line.split()) == list(range(23))
    assert first != second


def test_dealt_out_parts_give_equally_many_batches(tmp_path):
    passed(3, """
    from dezero_c import datasets
    comm = mpi.create_communicator()
    part = mpi.scatter_dataset((np.arange(10.0), np.arange(10)), comm)
    loader = mpi.DataLoader(part, 3, comm, scattered=True)
    batches = list(loader)
    assert comm.allgather_obj(len(batches)) == [4, 4, 4]
    found = np.concatenate([x for x, _ in batches])
    assert sorted(np.concatenate(comm.allgather(found))) == list(range(10))
    tiny = mpi.scatter_dataset(datasets.Spiral()[:][0][:2], comm)
    assert comm.allgather_obj([len(b[0]) for b in mpi.DataLoader(tiny, 3, comm, scattered=True)]) == [[0], [1], [1]]
    model = L.Linear(1, in_size=1)
    optimizer = mpi.create_multi_node_optimizer(optimizers.SGD(0.01), comm).setup(model)
    for x, t in loader:
        optimizer.update(lambda x, t: F.mean_squared_error(model(x[:, None]), t[:, None]), x.astype("f"), t.astype("f"))
    comm.check_same(model)
    """, folder=tmp_path)


def test_batches_of_one_rank(comm):
    loader = mpi.DataLoader(datasets.Digits(), 100, comm, seed=1)
    x, t = next(iter(loader))
    assert x.shape == (100, 64)
    assert t.shape == (100,)
    assert loader.state_dict() == {"epoch": 0, "iteration": 1, "seed": 1, "batch_size": 100}
    with pytest.raises(ValueError, match="amid a pass with a batch_size of 100, this loader's is 50"):
        mpi.DataLoader(datasets.Digits(), 50, comm).load_state_dict(loader.state_dict())
    other = mpi.DataLoader(datasets.Digits(), 100, comm, seed=7)
    other.load_state_dict(loader.state_dict())
    rest = list(other)
    assert len(rest) == len(loader) - 1
    assert (rest[0][0] == next(iter(loader))[0]).all()
    for arguments, said in (((np.zeros((0, 2)), 3), "empty"), ((np.zeros(3), 0), "at least 1"),
                            (((np.zeros(3), np.zeros(2)), 1), "rows")):
        with pytest.raises(ValueError, match=said):
            mpi.DataLoader(*arguments, comm)
    with pytest.raises(ValueError, match="no full batch"):
        mpi.DataLoader(np.zeros(3), 4, comm, drop_last=True)
    with pytest.raises(ValueError, match="virtual_shards"):
        mpi.DataLoader(np.zeros(3), 1, mpi.create_communicator(virtual_shards=2), scattered=True)
    with pytest.raises(ValueError, match="number of rows"):
        mpi.shard((np.zeros(3), np.zeros(2)), comm)


# ---- evaluation

def test_evaluation_is_weighted_by_examples(tmp_path):
    passed(3, """
    comm = mpi.create_communicator()
    values = np.arange(7.0)
    own = values[7 * comm.rank // 3:7 * (comm.rank + 1) // 3]
    for evaluator in (mpi.create_multi_node_evaluator(lambda: {"m": Variable(np.array(own.mean()))}, comm, examples=len(own)),
                      mpi.create_multi_node_evaluator(lambda: ({"m": own.mean()}, len(own)), comm)):
        found = evaluator()
        assert abs(found["m"] - values.mean()) < 1e-15 and comm.allgather_obj(found) == [found] * 3
    class Evaluator:
        def evaluate(self, factor):
            return ({"m": factor * 1.0}, 4) if comm.rank == 2 else ({}, 0)
    assert mpi.create_multi_node_evaluator(Evaluator(), comm)(3) == {"m": 3.0}
    try:
        mpi.create_multi_node_evaluator(lambda: {"m": 1.0}, comm)()
    except ValueError as error:
        assert "how many examples" in str(error)
    else:
        raise AssertionError
    """, folder=tmp_path)


# ---- 5. checkpoints

TRAIN = """
comm = mpi.create_communicator(virtual_shards=4)
steps, stop = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(0)
x, t = rng.standard_normal((50, 6)).astype(np.float32), rng.integers(0, 3, 50)
class Net(Model):
    def __init__(self):
        super().__init__()
        self.l1, self.bn, self.l2 = L.Linear(8), L.BatchNorm(), L.Linear(3)
    def forward(self, x):
        return self.l2(F.dropout(F.relu(self.bn(self.l1(x))), 0.4))
np.random.seed(1)
model = Net()
optimizer = mpi.create_multi_node_optimizer(optimizers.Adam(0.01), comm).setup(model)
schedule = optimizers.CosineDecay(optimizer, 20)
loader = mpi.DataLoader((x, t), 16, comm)
checkpointer = mpi.create_multi_node_checkpointer("run", comm, "states")
things = dict(model=model, optimizer=optimizer, schedule=schedule, loader=loader)
k = checkpointer.maybe_load(**things)
assert k == int(sys.argv[3]), k
while k < steps:
    for batch in loader:
        optimizer.update(lambda x, t: F.softmax_cross_entropy(model(x), t), batch)
        schedule.step()
        k += 1
        if k == stop:
            checkpointer.save(k, **things)
        if k >= steps:
            break
comm.check_same(model)
if comm.rank == 0:
    print(*(p.data.tobytes().hex() for p in model.params()), optimizer.t, optimizer.alpha)
"""


def test_a_run_goes_on_with_any_number_of_ranks_with_the_same_bits(tmp_path):
    """Weights, the optimizer, the schedule, the place in the data, running averages and dropout."""
    whole = passed(2, TRAIN, 9, 0, 0, folder=tmp_path)
    passed(4, TRAIN, 6, 6, 0, folder=tmp_path)
    assert [path.name for path in (tmp_path / "states").iterdir()] == ["run-6.npz"]
    for n in (1, 2):
        assert passed(n, TRAIN, 9, 0, 6, folder=tmp_path) == whole


KILLED = """
comm = mpi.create_communicator()
model = L.Linear(1500, in_size=1500)
checkpointer = mpi.create_multi_node_checkpointer("run", comm, "states", keep=3)
start = checkpointer.maybe_load(model=model)
print(f"start {start}\\n", end="", flush=True)      # at once, or other ranks' lines come in between
if len(sys.argv) > 1:
    assert (model.W.data == start).all()
    sys.exit()
with open(f"{comm.rank}.pid", "w") as file:
    file.write(str(os.getpid()))
comm.barrier()
for k in range(start + 1, 10000):
    model.W.data[...] = k
    checkpointer.save(k, model=model)
    print("saved", k, flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="there is no SIGKILL")
def test_a_kill_while_writing_keeps_the_last_good_one(tmp_path):
    path, why = mpiexec()
    if path is None:
        pytest.skip(why)
    script = tmp_path / "killed.py"
    script.write_text(HEAD + KILLED)
    for turn in range(2):
        process = subprocess.Popen([path, "-n", "2", sys.executable, str(script)], cwd=tmp_path, env=environment(), text=True,
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, start_new_session=True)
        begin = time.monotonic()
        folder = tmp_path / "states"
        while time.monotonic() - begin < 30:        # until one has been saved and another is half written
            if _there(folder, ".npz", 0) and _there(folder, ".part", 1000):
                break
        for rank in tmp_path.glob("*.pid"):     # Open MPI's ranks are no members of the launcher's group
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(rank.read_text()), signal.SIGKILL)
            rank.unlink()
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate(timeout=30)
        assert any(f.suffix == ".npz" for f in folder.iterdir()), turn
    for f in folder.glob("*.npz"):
        with zipfile.ZipFile(f) as archive:
            assert archive.testzip() is None
    newest = max(int(f.stem.rpartition("-")[2]) for f in folder.glob("*.npz"))
    out = passed(3, KILLED, "look", folder=tmp_path)
    assert re.findall(r"start (\d+)", out) == [str(newest)] * 3      # lines of several ranks may run into each other
    (folder / f"run-{newest + 1}.npz").write_bytes(b"PK\x03\x04 torn")      # a damaged newer one is passed over
    assert re.findall(r"start (\d+)", passed(2, KILLED, "look", folder=tmp_path)) == [str(newest)] * 2


def _there(folder, suffix, size):
    """Whether a file with this suffix has so many bytes; files come and go meanwhile."""
    for name in os.listdir(folder) if folder.exists() else ():
        try:
            if name.endswith(suffix) and (folder / name).stat().st_size > size:
                return True
        except FileNotFoundError:
            pass
    return False


def test_random_numbers_of_each_rank_go_on(tmp_path):
    program = """
    comm = mpi.create_communicator()
    checkpointer = mpi.create_multi_node_checkpointer("r", comm)
    model = L.Linear(1, in_size=1)
    comm.bcast_data(model)
    if checkpointer.maybe_load(m=model) == 0:
        comm.seed(3)
        np.random.randn(comm.rank + 3)
        checkpointer.save(1, m=model)
    drawn = comm.allgather_obj(np.random.randn(3).tolist())
    assert len({tuple(each) for each in drawn}) == comm.size
    if comm.rank == 0:
        print(drawn[:2])
    """
    first = passed(2, program, folder=tmp_path)
    assert passed(2, program, folder=tmp_path) == first
    assert passed(3, program, folder=tmp_path) == first


def test_what_a_checkpoint_does_not_fit(comm, tmp_path):
    checkpointer = mpi.create_multi_node_checkpointer("a", comm, tmp_path, keep=2)
    model = L.Linear(2, in_size=3)
    assert checkpointer.maybe_load(model=model) == 0
    for k in (1, 2, 3):
        assert checkpointer.save(k, model=model) == str(tmp_path / f"a-{k}.npz")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a-2.npz", "a-3.npz"]
    lazy = L.Linear(2)
    assert checkpointer.maybe_load(model=lazy) == 3
    assert (lazy.W.data == model.W.data).all()
    with pytest.raises(ValueError, match=r"W is of shape \(4, 2\), in the checkpoint of \(3, 2\)"):
        checkpointer.maybe_load(model=L.Linear(2, in_size=4))
    with pytest.raises(ValueError, match=r"the checkpoint has \['model'\], asked for are \['net'\]"):
        checkpointer.maybe_load(net=model)
    with pytest.raises(ValueError, match="no parameter W"):
        checkpointer.maybe_load(model=L.LayerNorm())
    for name in ("a/b", "", "a b"):
        with pytest.raises(ValueError, match="part of a file's"):
            mpi.create_multi_node_checkpointer(name, comm)
    with pytest.raises(ValueError, match="keep"):
        mpi.create_multi_node_checkpointer("a", comm, keep=0)
    with pytest.raises(TypeError, match="state_dict"):
        checkpointer.save(4, model=3)
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file|directory"):
        mpi.create_multi_node_checkpointer("a", comm, tmp_path / "file").save(1, model=model)
    for path in tmp_path.glob("*.npz"):
        path.write_bytes(b"torn")
    with pytest.raises(ValueError, match="no whole checkpoint is left"):
        checkpointer.maybe_load(model=model)


# ---- likelihoods

def test_a_likelihood_over_shards(tmp_path):
    pytest.importorskip("scipy")
    program = """
    import scipy.optimize
    comm = mpi.create_communicator()
    rng = np.random.default_rng(0)
    data = 3 + 2 * rng.standard_normal(1001)
    mine = mpi.shard(data, comm)
    calls = []
    def negative_log_likelihood(theta):
        calls.append(1)
        mean, log_scale = theta[0], theta[1]
        return F.sum(((mine - mean) / F.exp(log_scale)) ** 2) / 2 + len(mine) * log_scale
    fun = mpi.value_and_grad(negative_log_likelihood, comm)
    value, g = fun([0.5, 0.25])
    z = (data - 0.5) / np.exp(0.25)
    assert abs(value - ((z ** 2).sum() / 2 + 1001 * 0.25)) < 1e-12 * abs(value)
    assert np.abs(g - [-(z / np.exp(0.25)).sum(), 1001 - (z ** 2).sum()]).max() < 1e-12 * np.abs(g).max()
    assert isinstance(value, float) and g.dtype == np.float64
    everyone = comm.allgather_obj((value, g.tobytes()))
    assert all(each == everyone[0] for each in everyone)
    result = scipy.optimize.minimize(fun, np.zeros(2), jac=True)
    assert np.abs(result.x - [data.mean(), np.log(data.std())]).max() < 1e-4
    before = fun.calls
    driven = fun.drive(lambda f: scipy.optimize.minimize(f, np.zeros(2), jac=True).x)
    assert (driven == result.x).all() and fun.calls > before
    value, g = fun(np.zeros((2, 1), np.float32)[:, 0])
    assert g.dtype == np.float32
    none = mpi.value_and_grad(lambda theta: F.sum(theta) if comm.rank == 0 else 0.0, comm)
    value, g = none(np.ones((2, 2)))
    assert value == 4 and (g == 1).all() and g.shape == (2, 2)
    """
    for n in (2, 3):
        passed(n, program, folder=tmp_path)


def test_f_must_give_one_number(comm):
    with pytest.raises(ValueError, match=r"shape \(2,\); it must be one number"):
        mpi.value_and_grad(lambda theta: theta * 2, comm)(np.ones(2))


def test_hmc_on_two_ranks_keeps_in_step(tmp_path):
    """Leapfrog with one seed on all ranks; samples have the mean and the variance of the posterior."""
    passed(2, """
    comm = mpi.create_communicator()
    data = np.random.default_rng(0).standard_normal(40) + 1
    mine = mpi.shard(data, comm)
    fun = mpi.value_and_grad(lambda theta: F.sum((mine - theta) ** 2) / 2, comm)
    rng, x, samples = np.random.default_rng(1), np.zeros(1), []
    u, g = fun(x)
    for _ in range(300):
        p = rng.standard_normal(1)
        h, y, v, gy = u + p @ p / 2, x, u, g
        for _ in range(6):
            p = p - 0.05 * gy
            y = y + 0.1 * p
            v, gy = fun(y)
            p = p - 0.05 * gy
        if rng.random() < np.exp(h - v - p @ p / 2):
            x, u, g = y, v, gy
        samples.append(x[0])
    assert abs(np.mean(samples) - data.mean()) < 0.05 and 0.5 < np.var(samples) * 40 < 2
    assert len(set(comm.allgather_obj(samples[-1]))) == 1
    """, folder=tmp_path)


# ---- populations

ES = """
comm = mpi.create_communicator()
target = np.arange(5.0)
count = []
def f(x):
    count.append(1)
    return ((x - target) ** 2).sum() if x[0] < 8 else float("nan")
es = mpi.EvolutionStrategy(f, np.zeros(5), comm, population=16, sigma=0.3, lr=1.5, seed=2)
first = es.step()
state = es.state_dict()
es.run(60)
assert es.history[-1] < first / 10 and len(es.history) == es.generation == 61
assert es.best_value <= min(es.history) and ((es.best_x - target) ** 2).sum() == es.best_value
assert comm.allreduce_obj(len(count)) == 61 * 16
again = mpi.EvolutionStrategy(f, np.zeros(5), comm, population=16, sigma=0.3, lr=1.5, seed=2)
again.load_state_dict(state)
again.run(60)
assert (again.x == es.x).all()
if comm.rank == 0:
    print(es.x.tobytes().hex(), es.best_value)
"""


def test_an_evolution_strategy_has_the_same_bits_for_any_number_of_ranks(tmp_path):
    assert passed(1, ES, folder=tmp_path) == passed(2, ES, folder=tmp_path) == passed(3, ES, folder=tmp_path)


def test_an_evolution_strategy_says_what_it_cannot_do(comm):
    with pytest.raises(ValueError, match="must be even"):
        mpi.EvolutionStrategy(float, np.zeros(1), comm, population=5)
    with pytest.raises(ValueError, match="sigma"):
        mpi.EvolutionStrategy(float, np.zeros(1), comm, sigma=0)
    with pytest.raises(ValueError, match="are nan"):
        mpi.EvolutionStrategy(lambda x: np.nan, np.zeros(1), comm).step()


def test_a_sweep_gives_all_results_in_order(tmp_path):
    passed(3, """
    comm = mpi.create_communicator()
    here = []
    def f(a, seed):
        here.append(a)
        return a, seed, np.random.default_rng(seed).random()
    found = mpi.sweep(f, {"a": [1, 2, 3], "seed": range(4)}, comm)
    assert [(p["a"], p["seed"]) for p, _ in found] == [(a, s) for a in (1, 2, 3) for s in range(4)]
    assert all(r == (p["a"], p["seed"], np.random.default_rng(p["seed"]).random()) for p, r in found)
    assert len(here) == 4
    found = mpi.sweep(dict, [{"x": k} for k in range(7)], comm, dynamic=True)
    assert [r for _, r in found] == [{"x": k} for k in range(7)]
    assert mpi.sweep(f, [], comm) == []
    comm.barrier()
    """, folder=tmp_path)


def test_a_sweep_tells_which_point_failed(tmp_path):
    text = failed(2, """
    comm = mpi.create_communicator()
    mpi.sweep(lambda a: 1 / a, {"a": [2, 1, 4, 0]}, comm)
    print("past")
    """, folder=tmp_path)
    assert "sweep: f(**{'a': 0}) raised on rank 1" in text
    assert "ZeroDivisionError" in text


def test_a_model_without_names_is_refused(comm):
    with pytest.raises(TypeError, match="no Layer or Model"):
        comm.bcast_data([1])
    with pytest.raises(ValueError, match="objects as there are ranks"):
        comm.scatter_obj(None)
    model = L.BatchNorm()
    model(F.sin(np.ones((3, 2))))
    comm.allreduce_persistent(model)
    assert isinstance(mpi.create_mnbn_model(model, comm), mpi.MultiNodeBatchNorm)
    optimizer = mpi.create_multi_node_optimizer(optimizers.SGD(), comm).setup(model)
    assert optimizer.communicator is comm
