"""How runs on several ranks end: well, together, or within ten seconds with an error that names rank and parameter; stalls;
launchers that belong to another MPI; one process without any MPI.
"""

import os
import re
import subprocess
import sys
import time

import pytest
from ranks import HEAD, environment, failed, mpiexec, passed, run

import dezero_c
from dezero_c import mpi
from dezero_c.mpi import _launch
from dezero_c.mpi.__main__ import main as launcher

# ---- 3. no hang: a rank that goes

STEPS = """
comm = mpi.create_communicator()
model = L.Linear(3, in_size=4)
optimizer = mpi.create_multi_node_optimizer(optimizers.SGD(0.1), comm).setup(model)
x, t = np.ones((4, 4), np.float32), np.zeros(4, int)
for k in range(1000000):
    optimizer.update(lambda x, t: F.softmax_cross_entropy(model(x), t), x, t)
    if comm.rank == 1 and k == 20:
        {how}
print("past")
"""


@pytest.mark.parametrize(("how", "said"), [
    ("raise KeyError('lost key')", "rank 1 of 3 ended by an exception"),
    ("os._exit(3)", "rank 1 of 3 left by os._exit(3) (program.py:"),
    ("os._exit(0)", "rank 1 of 3 left by os._exit(0) (program.py:"),
    ("import ctypes; ctypes.CDLL(None)._exit(3)", ""),
    ("os.kill(os.getpid(), 9)", ""),
    ("sys.exit(2)", "rank 1 is at the end of the program"),
    ("raise KeyboardInterrupt", "KeyboardInterrupt"),
], ids=["exception", "os._exit", "os._exit(0)", "_exit", "SIGKILL", "sys.exit", "Ctrl-C"])
def test_one_rank_that_goes_ends_all(how, said, tmp_path):
    text = failed(3, STEPS.format(how=how), folder=tmp_path)
    assert said in text
    if "KeyError" in how:
        assert "KeyError: 'lost key'" in text
        assert "program.py" in text


def test_the_launcher_tells_a_process_that_left_without_a_word(tmp_path):
    """_exit(0) of the C library looks like success to an mpiexec of MPICH; Open MPI's notices it."""
    said = failed(2, STEPS.format(how="__import__('ctypes').CDLL(None)._exit(0)"), folder=tmp_path, by_launcher=True)
    assert "left before the end" in said or "mpiexec has exited due to process rank 1" in said


@pytest.mark.parametrize("by_launcher", [False, True], ids=["mpiexec", "launcher"])
def test_an_exception_before_there_is_a_communicator_ends_all(tmp_path, by_launcher):
    text = failed(3, """
    if int(os.environ.get("PMI_RANK") or os.environ["OMPI_COMM_WORLD_RANK"]) == 1:
        raise FileNotFoundError("data.npz")
    comm = mpi.create_communicator()
    print("past")
    """, folder=tmp_path, by_launcher=by_launcher)
    assert "FileNotFoundError: data.npz" in text
    assert "program.py" in text


@pytest.mark.parametrize("how", ["import no_such_module", "os._exit(0)", "os._exit(4)", "sys.exit(3)"])
def test_a_rank_that_ends_before_it_imports_anything(tmp_path, how):
    """MPI has begun by then under the launcher."""
    script = tmp_path / "program.py"
    script.write_text("import os, sys\nif int(os.environ.get('PMI_RANK') or os.environ['OMPI_COMM_WORLD_RANK']) == 1:\n"
                      f"    {how}\nfrom dezero_c import mpi\nmpi.create_communicator().barrier()\nprint('past')\n")
    if mpiexec()[0] is None:
        pytest.skip(mpiexec()[1])
    done = subprocess.run([sys.executable, "-m", "dezero_c.mpi", "-n", "2", str(script)], cwd=tmp_path, env=environment(),
                          capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode != 0, done.stdout + done.stderr
    assert "past" not in done.stdout.split()
    if "module" in how:
        assert "No module named 'no_such_module'" in done.stderr


def test_a_launcher_that_is_told_to_end_ends_its_ranks(tmp_path):
    script = tmp_path / "program.py"
    script.write_text("import os, time\nfrom dezero_c import mpi\ncomm = mpi.create_communicator()\n"
                      "open(f'{os.getpid()}.pid', 'w').close()\ntime.sleep(60)\n")
    if mpiexec()[0] is None:
        pytest.skip(mpiexec()[1])
    command = [sys.executable, "-m", "dezero_c.mpi", "-n", "2", str(script)]
    with subprocess.Popen(command, cwd=tmp_path, env=environment()) as process:
        for _ in range(300):
            ranks = [int(path.stem) for path in tmp_path.glob("*.pid")]
            if len(ranks) == 2:
                break
            time.sleep(0.1)
        process.terminate()
        assert process.wait(20) != 0
    assert len(ranks) == 2
    for _ in range(100):
        left = [pid for pid in ranks if alive(pid)]
        if not left:
            break
        time.sleep(0.1)
    assert left == []


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_collective_calls_among_shards_are_refused(tmp_path):
    """Each rank has another number of shards with examples."""
    program = """
    comm = mpi.create_communicator(virtual_shards=4)
    model = L.Linear(3, in_size=4)
    optimizer = mpi.create_multi_node_optimizer(optimizers.SGD(0.1), comm).setup(model)
    data = [(np.ones(4, np.float32), 1)] * 7
    def lossfun(x, t):
        comm.allreduce(np.ones(1))
        return F.softmax_cross_entropy(model(x), t)
    for batch in mpi.DataLoader(data, 4, comm):
        optimizer.update(lossfun, batch)
    print("past")
    """
    assert "CollectiveError: allreduce is called within the function of update with virtual_shards" in failed(
        2, program, folder=tmp_path)
    with pytest.raises(ValueError, match="MultiNodeBatchNorm: with virtual_shards"):
        mpi.MultiNodeBatchNorm(mpi.create_communicator(virtual_shards=2))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork")
def test_a_forked_child_leaves_alone(tmp_path):
    passed(2, """
    comm = mpi.create_communicator()
    if not (child := os.fork()):
        os._exit(5)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 5
    comm.barrier()
    comm.close()
    from mpi4py import MPI
    MPI.Finalize()      # or Open MPI's launcher takes it for an accident
    os._exit(0)         # all is over: a rank's own affair
    """, folder=tmp_path)


@pytest.mark.skipif(not os.path.isdir("/dev/shm"), reason="no files of shared memory")
def test_the_launcher_removes_what_a_killed_job_leaves_in_memory(tmp_path):
    """MPICH's own files; nobody else's."""
    text = failed(2, """
    from dezero_c.mpi import _launch
    comm = mpi.create_communicator()
    other = open("/dev/shm/mpich_shm_of_another_job", "w") if comm.rank == 0 else None
    comm.barrier()
    print("left", *_launch.left_behind(), flush=True)
    comm.barrier()
    os.kill(os.getpid(), 9)
    """, folder=tmp_path, by_launcher=True)
    os.unlink("/dev/shm/mpich_shm_of_another_job")
    left = re.findall(r"/dev/shm/mpich_shm_\w+", text)
    assert left or "MPICH" not in launcher_version()
    assert not [path for path in left if os.path.exists(path)]


def launcher_version():
    from dezero_c.mpi.__main__ import find_mpiexec

    return find_mpiexec()[1]


def test_a_thread_of_gradients_hands_its_exception_on(tmp_path):
    text = failed(2, """
    comm = mpi.create_communicator()
    model = L.Linear(3, in_size=4)
    optimizer = mpi.create_multi_node_optimizer(optimizers.SGD(0.1), comm).setup(model)
    import dezero_c.mpi._gradients as module
    def broken(*args):
        raise MemoryError("no room")
    if comm.rank == 1:
        module.ordered_sum = broken
    optimizer.update(lambda x: F.sum(model(x)), np.ones((4, 4), np.float32))
    print("past")
    """, folder=tmp_path)
    assert "MemoryError: no room" in text


# ---- 3. no hang: ranks that do different things

@pytest.mark.parametrize(("program", "said"), [
    ("comm.barrier() if comm.rank == 1 else comm.bcast_obj(3)",
     ["ranks 0 and 2 call bcast_obj (program.py:", "rank 1 calls barrier (program.py:", "same order"]),
    ("comm.bcast_obj(3, root=comm.rank % 2)", ["bcast_obj: rank 0 has root: 0; rank 1 has root: 1"]),
    ("comm.allreduce(np.ones(3 + comm.rank // 2))",
     ["rank 0 has an array: shape (3,), float64; rank 2 has an array: shape (4,)"]),
    ("comm.allreduce(np.ones(3, 'f' if comm.rank else 'd'))", ["float64; rank 1 has an array: shape (3,), float32"]),
    ("mpi.shard(np.zeros((4 + comm.rank, 2)), comm)", ["shard: rank 0 has array 0: shape (4, 2), float64; rank 1 has", "(5, 2)"]),
    ("mpi.DataLoader(np.zeros((9, 2)), 3 + comm.rank, comm)",
     ["mpi.DataLoader: rank 0 has batch_size: 3; rank 1 has batch_size: 4"]),
    ("mpi.DataLoader(np.zeros((9 - comm.rank, 2)), 3, comm)", ["rank 0 has length: 9; rank 1 has length: 8", "scattered=True"]),
    ("mpi.value_and_grad(lambda x: F.sum(x), comm)(np.array([1.0, 2.0 + 1e-15 * comm.rank]))",
     ["element 1 of theta is np.float64(2.0) on rank 0", "on rank 1", "fun.drive"]),
    ("mpi.EvolutionStrategy(f, np.zeros(2), comm, sigma=0.1 + comm.rank)", ["EvolutionStrategy: rank 0 has", "0.1", "1.1"]),
    ("mpi.sweep(f, {'a': [1, 2, 3 + comm.rank]}, comm)", ["sweep: rank 0 has point 2: {'a': 3}; rank 1 has point 2: {'a': 4}"]),
    ("mpi.create_communicator(deterministic=comm.rank != 2)",
     ["rank 0 has deterministic: True; rank 2 has deterministic: False"]),
    ("comm.scatter_obj([1, 2] if comm.rank == 0 else None)", ["rank 0, must give a list of 3 objects"]),
    ("mpi.create_multi_node_evaluator(lambda: {'loss': 1.0} if comm.rank else {'acc': 1.0}, comm, 3)()",
     ["rank 1 gives ['loss'], an earlier rank ['acc']"]),
    ("model.W.data[0, 0] += comm.rank; comm.check_same(model)", ["parameter W", "rank 1 has parameter W", "come apart"]),
    ("model.W.data[0, 0] += comm.rank; mpi.create_multi_node_checkpointer('a', comm).save(1, net=model)",
     ["Checkpointer.save: rank 0 has net/W", "come apart"]),
], ids=lambda value: None if isinstance(value, list) else value[:40])
def test_ranks_that_do_different_things_are_told_apart(program, said, tmp_path):
    text = failed(3, f"""
    comm = mpi.create_communicator()
    f = float
    np.random.seed(0)
    model = L.Linear(2, in_size=2)
    {program}
    print("past")
    """, folder=tmp_path)
    for part in said:
        assert part in text, text


@pytest.mark.parametrize(("layer", "said"), [
    ("L.Linear(3 + comm.rank, in_size=4)",
     ["parameter W has shape (4, 3), float32 on rank 0, and shape (4, 4), float32 on rank 1"]),
    ("L.Linear(3, in_size=4, dtype='d' if comm.rank else 'f')", ["parameter W", "float32 on rank 0", "float64 on rank 1"]),
    ("L.Linear(3, in_size=4, nobias=comm.rank == 1)", ["rank 0 has parameter b: shape (3,), float32; rank 1 has nothing"]),
    ("MLP((3, 2)) if comm.rank else MLP((3, 2, 2))", ["rank 0 has parameter l2/W", "rank 1 has nothing"]),
    ("L.Linear(3, in_size=4 if comm.rank else None)", ["parameter W has no size on rank 0 yet, but shape (4, 3) on rank 1"]),
])
def test_models_that_differ_are_named_when_they_are_set_up(layer, said, tmp_path):
    text = failed(2, f"""
    comm = mpi.create_communicator()
    mpi.create_multi_node_optimizer(optimizers.SGD(), comm).setup({layer})
    print("past")
    """, folder=tmp_path)
    for part in said:
        assert part in text, text


@pytest.mark.parametrize(("program", "said"), [
    ("model(np.ones((2, 3 + comm.rank), np.float32))",      # sizes that become known at the first forward
     ["parameter W has shape (3, 2), float32 on rank 0, and shape (4, 2), float32 on rank 1", "same model"]),
    ("model.extra = Parameter(np.ones(2)) if comm.rank else None; model(np.ones((2, 3), np.float32))",
     ["rank 0 has nothing; rank 1 has parameter extra: shape (2,), float64"]),
])
def test_models_that_come_to_differ_are_named_in_the_step(program, said, tmp_path):
    text = failed(2, f"""
    comm = mpi.create_communicator()
    model = L.Linear(2)
    optimizer = mpi.create_multi_node_optimizer(optimizers.SGD(), comm).setup(model)
    {program}
    optimizer.update(examples=1)
    print("past")
    """, folder=tmp_path)
    for part in said:
        assert part in text, text


def test_two_optimizers_stepped_in_different_order(tmp_path):
    text = failed(2, """
    comm = mpi.create_communicator()
    both = [mpi.create_multi_node_optimizer(optimizers.SGD(), comm).setup(L.Linear(2, in_size=2)) for _ in range(2)]
    both[comm.rank].update(examples=1)
    print("past")
    """, folder=tmp_path)
    assert "rank 0 calls step of optimizer 1" in text
    assert "rank 1 calls step of optimizer 2" in text


def test_a_rank_whose_loader_is_shorter(tmp_path):
    text = failed(2, """
    from dezero_c import DataLoader
    comm = mpi.create_communicator()
    model = L.Linear(2, in_size=2)
    optimizer = mpi.create_multi_node_optimizer(optimizers.SGD(), comm).setup(model)
    data = mpi.scatter_dataset([(np.ones(2, np.float32), 1)] * 9, comm)         # 4 and 5 examples
    for x, t in DataLoader(data, 2):
        optimizer.update(lambda x, t: F.softmax_cross_entropy(model(x), t), x, t)
    """, folder=tmp_path)
    assert "rank 0 is at the end of the program" in text
    assert "rank 1 calls step of optimizer 1 (program.py:" in text
    assert "mpi.DataLoader does" in text


# ---- 3. stalls

def test_a_stall_is_told_with_the_rank_that_is_missing_and_where_it_is(tmp_path):
    ended = run(3, """
    comm = mpi.create_communicator(stall_timeout=0.5)
    def slow():
        time.sleep(2.2)
    if comm.rank == 1:
        slow()
    comm.barrier()
    print("went on")
    """, folder=tmp_path)
    assert ended.status == 0, ended.err
    assert ended.out.count("went on") == 3
    lines = [line for line in ended.err.splitlines() if "no progress" in line]
    assert 1 <= len(lines) <= 2, ended.err      # told once, and once more when the time has doubled
    assert "ranks 0 and 2 wait in barrier (program.py:" in lines[0]
    assert "rank 1 is missing: it is at program.py:" in lines[0]
    assert "in slow" in lines[0]


def test_a_stall_in_the_gradients_and_a_stopped_process(tmp_path):
    """A process that is stopped answers nothing; which one it is, is told."""
    ended = run(2, """
    import signal, subprocess
    comm = mpi.create_communicator()
    model = L.Linear(2, in_size=2)
    optimizer = mpi.create_multi_node_optimizer(optimizers.SGD(), comm).setup(model)
    if comm.rank == 1:
        pid = os.getpid()
        subprocess.Popen(["sh", "-c", f"sleep 3; kill -CONT {pid}"])
        os.kill(pid, signal.SIGSTOP)
    optimizer.update(lambda x: F.sum(model(x)), np.ones((2, 2), np.float32))
    """, folder=tmp_path, environ={"DEZERO_C_MPI_STALL": "0.7"})
    assert ended.status == 0, ended.err
    assert "rank 0 waits in step of optimizer 1" in ended.err
    assert "rank 1 does not answer" in ended.err


def test_rank_0_missing_is_told_too(tmp_path):
    ended = run(2, """
    comm = mpi.create_communicator(stall_timeout=0.4)
    if comm.rank == 0:
        time.sleep(1.2)
    comm.barrier()
    """, folder=tmp_path)
    assert ended.status == 0, ended.err
    assert "rank 1 waits in barrier" in ended.err
    assert "rank 0 is missing: it is at program.py:" in ended.err


def test_work_after_the_last_call_is_no_stall(tmp_path):
    ended = run(2, """
    comm = mpi.create_communicator(stall_timeout=0.3)
    comm.barrier()
    if comm.rank == 0:
        time.sleep(0.9)
    """, folder=tmp_path)
    assert ended.status == 0
    assert "no progress" not in ended.err, ended.err


@pytest.mark.parametrize("text", ["soon", "1 min"])
def test_the_stall_time_is_a_number(text, monkeypatch):
    monkeypatch.setenv("DEZERO_C_MPI_STALL", text)
    with pytest.raises(ValueError, match="number of seconds"):
        mpi.create_communicator()


# ---- 7. launchers

CLAIMS = [
    ({}, None), ({"PMI_SIZE": "2"}, 2), ({"OMPI_COMM_WORLD_SIZE": "4"}, 4), ({"PMI_RANK": "3"}, 4), ({"PMI_SIZE": "x"}, None),
    ({"SLURM_NTASKS": "8"}, None), ({"SLURM_NTASKS": "8", "SLURM_STEP_ID": "0"}, 8), ({"SLURM_STEP_NUM_TASKS": "2"}, None),
    ({"SLURM_NTASKS": "8", "SLURM_STEP_ID": "4294967291"}, None), ({"SLURM_STEP_NUM_TASKS": "2", "SLURM_STEP_ID": "1"}, 2),
    ({"PMI_SIZE": "1", "PMI_RANK": "0"}, 1),
]


@pytest.mark.parametrize(("environ", "number"), CLAIMS)
def test_what_launchers_leave_in_the_environment(environ, number):
    found = _launch.claimed(environ)
    assert (None if found is None else found[0]) == number
    if number is not None and number > 1:
        with pytest.raises(mpi.LaunchError, match=f"one of {number} by"):
            _launch.check(1, "MPICH 5", "", environ)
        with pytest.raises(mpi.LaunchError, match="no MPI that connects them: no mpi4py"):
            _launch.check(1, "", "no mpi4py", environ)
    _launch.check(number or 1, "MPICH 5", "", environ)
    _launch.check(1, "MPICH 5", "", environ | {_launch.ALONE: "1"})


ALONE = "from dezero_c import mpi; comm = mpi.create_communicator(); print('size', comm.size, 'rank', comm.rank)"


def alone(program, **environ):
    return subprocess.run([sys.executable, "-c", program], env=environment(**environ), capture_output=True, text=True, timeout=60,
                          check=False)


def test_a_launcher_of_another_mpi_is_noticed():
    pytest.importorskip("mpi4py")
    if mpiexec()[0] is None:
        pytest.skip(mpiexec()[1])
    done = alone(ALONE, OMPI_COMM_WORLD_SIZE="2", OMPI_COMM_WORLD_RANK="1")
    assert done.returncode != 0
    assert "one of 2 by mpiexec of Open MPI (OMPI_COMM_WORLD_SIZE=2)" in done.stderr
    assert "python -m dezero_c.mpi -n 2" in done.stderr
    done = alone(ALONE, OMPI_COMM_WORLD_SIZE="2", DEZERO_C_MPI_ALONE="1")
    assert done.stdout == "size 1 rank 0\n", done.stderr


def test_several_processes_without_mpi4py_are_noticed(tmp_path):
    """A real mpiexec, and an interpreter in which mpi4py cannot be imported."""
    text = failed(2, """
    sys.modules["mpi4py"] = None
    comm = mpi.create_communicator()
    print("past")
    """, folder=tmp_path)
    assert re.search("one of 2 by mpiexec of (MPICH|Open MPI)", text)
    assert "pip install" in text


def test_one_process_without_mpi4py_is_a_communicator_of_one():
    program = """
import sys
sys.modules["mpi4py"] = None
import numpy as np
import dezero_c.functions as F, dezero_c.layers as L
from dezero_c import mpi, optimizers
comm = mpi.create_communicator()
assert (comm.rank, comm.size, comm.intra_rank, comm.intra_size) == (0, 1, 0, 1)
model = L.Linear(2)
x, t = np.ones((5, 3), np.float32), np.zeros(5, int)
optimizer = mpi.create_multi_node_optimizer(optimizers.Adam(), comm).setup(model)
for batch in mpi.DataLoader((x, t), 2, comm):
    optimizer.update(lambda x, t: F.softmax_cross_entropy(model(x), t), batch)
assert optimizer.loss > 0
optimizer.backward(F.softmax_cross_entropy(model(x), t))
optimizer.update()
assert optimizer.t == 4 and optimizer.loss is None
comm.barrier(), comm.bcast_data(model), comm.multi_node_mean_grad(model), comm.check_same(model), comm.allreduce_persistent(model)
assert comm.bcast_obj(3) == 3 and comm.gather_obj(3) == comm.allgather_obj(3) == [3] and comm.scatter_obj([3]) == 3
assert comm.allreduce_obj([3]) == [3] and (comm.allreduce(x) == x).all() and (comm.bcast(x) == x).all()
comm.seed(3), comm.close()
assert mpi.scatter_dataset([1, 2], comm)[:] == [1, 2] and len(mpi.shard(x, comm)) == 5
assert mpi.create_multi_node_evaluator(lambda: {"a": 2.0}, comm)() == {"a": 2.0}
value, g = mpi.value_and_grad(lambda v: F.sum(v * v), comm)([1.0, 2.0])
assert value == 5 and (g == [2, 4]).all()
print("fine")
"""
    done = alone(program)
    assert done.stdout == "fine\n", done.stderr


def test_importing_asks_for_no_mpi():
    done = alone("import sys, dezero_c.mpi; print([name for name in sys.modules if name.startswith('mpi4py')])")
    assert done.stdout == "[]\n", done.stderr


def test_the_launcher_starts_ranks_and_hands_the_status_on(tmp_path):
    program = """comm = mpi.create_communicator()
sys.stdout.write(f"rank {comm.rank} of {comm.size} {sys.argv[1:]} {os.environ['X']}\\n")"""
    out = passed(2, program, "a", "-b", folder=tmp_path, by_launcher=True, environ={"X": "y"})
    found = re.findall(r"rank \d of 2 \['a', '-b'\] y", out)      # lines of several ranks may run into each other
    assert sorted(found) == ["rank 0 of 2 ['a', '-b'] y", "rank 1 of 2 ['a', '-b'] y"]
    (tmp_path / "module.py").write_text(HEAD + program)
    done = subprocess.run([sys.executable, "-m", "dezero_c.mpi", "-n", "2", "-m", "module"], cwd=tmp_path, capture_output=True,
                          text=True, env=environment(X="z"), timeout=60, check=False)
    assert done.stdout.count(" of 2 [] z") == 2, done.stderr
    assert run(2, "mpi.create_communicator().abort(7)", folder=tmp_path, by_launcher=True).status == 7


@pytest.mark.parametrize(("arguments", "said"), [
    (["train.py"], "-n N says how many"), (["-n"], "-n needs a value"), (["-n", "two", "a.py"], "number of processes, not 'two'"),
    (["-n", "0", "a.py"], "number of processes"), (["-n", "2"], "nothing to run"),
    (["-n", "2", "--fast", "a.py"], "unknown option --fast"),
])
def test_the_launcher_says_what_is_wrong(arguments, said, capsys):
    assert launcher(arguments) == 2
    assert said in capsys.readouterr().err


def test_the_launcher_without_mpi4py(tmp_path):
    (tmp_path / "mpi4py.py").write_text("raise ImportError('no mpi4py here')")
    path = os.pathsep.join([str(tmp_path), environment()["PYTHONPATH"]])
    done = subprocess.run([sys.executable, "-m", "dezero_c.mpi", "-n", "2", "train.py"], capture_output=True, text=True,
                          timeout=60, env=environment() | {"PYTHONPATH": path}, check=False)
    assert done.returncode == 2
    assert 'pip install "dezero_c[mpi]"' in done.stderr


def test_help_and_which(capsys):
    assert launcher(["--help"]) == 0
    assert "--hostfile" in capsys.readouterr().out
    path, why = mpiexec()
    if path is None:
        pytest.skip(why)
    assert launcher(["--which"]) == 0
    assert path in capsys.readouterr().out


def test_the_package_has_the_module():
    assert dezero_c.mpi is mpi
