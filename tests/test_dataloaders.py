"""dezero_c.dataloaders: DeZero's batches in DeZero's order, whether taken out one by one, at once, or by a thread."""

import copy
import gc
import pickle
import threading
import time
import weakref

import numpy as np
import pytest

from dezero_c import transforms as T
from dezero_c.dataloaders import DataLoader, SeqDataLoader
from dezero_c.datasets import Dataset, SinCurve, Spiral

PREFETCH = pytest.mark.parametrize("prefetch", [0, 1, 3, 100])


class Pairs(Dataset):
    """A data set that takes the general path: its own __getitem__."""

    def __init__(self, n=10, fail_at=None):
        self.n, self.fail_at, self.taken = n, fail_at, []
        super().__init__()

    def __len__(self):
        return self.n

    def __getitem__(self, index):
        self.taken.append(int(index))
        if index == self.fail_at:
            raise KeyError(f"example {index}")
        return np.array([index, index + 0.5], np.float32), index * 2


class Images(Dataset):
    def prepare(self):
        self.data = np.random.default_rng(0).integers(0, 256, (17, 3, 4, 4), dtype=np.uint8)
        self.label = np.arange(17, dtype=np.uint8) % 5


def names():
    return [thread.name for thread in threading.enumerate() if thread.name == "dezero_c prefetch"]


def wait_until(condition):
    for _ in range(400):
        if condition():
            return True
        time.sleep(0.005)
    return False


# ---- batches ------------------------------------------------------------------------------------------------------

@PREFETCH
def test_batches_in_order(prefetch):
    loader = DataLoader(Pairs(), 4, shuffle=False, prefetch=prefetch)
    assert (loader.data_size, loader.max_iter, loader.iteration) == (10, 3, 0)
    for _ in range(2):
        batches = list(loader)
        assert [t.tolist() for _, t in batches] == [[0, 2, 4, 6], [8, 10, 12, 14], [16, 18]]
        assert [x.shape for x, _ in batches] == [(4, 2), (4, 2), (2, 2)]
        assert {x.dtype for x, _ in batches} == {np.dtype(np.float32)}
        assert loader.iteration == 0


@PREFETCH
def test_numbers_recorded_from_dezero(prefetch):
    np.random.seed(3)
    spiral = Spiral()
    loader = DataLoader(spiral, 70, prefetch=prefetch)
    assert loader.index[:4].tolist() == [187, 212, 61, 57]
    assert [(len(x), x.dtype, int(t.sum())) for x, t in loader] == [
        (n, np.float32, s) for n, s in ((70, 69), (70, 67), (70, 64), (70, 75), (20, 25))]
    assert np.random.rand() == 0.35079695104291964      # one permutation before, one after
    assert [int(t.sum()) for _, t in loader] == [74, 75, 71, 58, 22]
    assert np.random.rand() == 0.2509042206567449
    x, _ = loader.next()
    np.testing.assert_allclose(x[0], [0.00979881, -0.00199584], rtol=1e-6)


@PREFETCH
def test_each_loop_is_a_pass_of_its_own(prefetch):
    a = DataLoader(Pairs(), 4, shuffle=False, prefetch=prefetch)
    whole = [t[0] for _, t in a]
    assert len(a) == len(whole) == 3
    assert [[t[0] for _, t in a] for _ in a] == [whole] * 3
    longer = DataLoader(Pairs(), 2, shuffle=False, prefetch=prefetch)
    for _ in range(3):
        assert len(list(zip(longer, a, strict=False))) == 3
    loop = iter(a)
    list(loop)
    assert list(loop) == []     # an iterator that is over stays so


def test_the_order_of_random_numbers_is_dezeros():
    """Drawn when the loader is made, and after the last batch."""
    np.random.seed(0)
    drawn = [np.random.permutation(10) for _ in range(3)]
    np.random.seed(0)
    loader = DataLoader(Pairs(), 4)
    for k in range(2):
        assert np.array_equal(loader.index, drawn[k])
        assert [len(t) for _, t in loader] == [4, 4, 2]
    assert np.array_equal(loader.index, drawn[2])


def test_a_loader_is_gone_on_with_by_next():
    loader = DataLoader(Pairs(), 4, shuffle=False)
    for _, t in loader:
        assert t[0] == 0
        break
    assert next(loader)[1][0] == 8
    assert loader.iteration == 2
    loader.reset()
    assert loader.next()[1][0] == 0


@PREFETCH
@pytest.mark.parametrize("transform", [
    None, T.Compose([T.Flatten(), T.ToFloat(), T.Normalize(0.0, 255.0)]), T.Normalize([1, 2, 3], 4),
    lambda x: x[0] * 2.0])
@pytest.mark.parametrize("target", [None, T.ToInt(), lambda t: -int(t)])
def test_whole_batches_are_those_of_single_examples(transform, target, prefetch):
    images = Images(transform=transform, target_transform=target)
    np.random.seed(1)
    loader = DataLoader(images, 5, prefetch=prefetch)
    index = loader.index
    for k, (x, t) in enumerate(loader):
        examples = [images[i] for i in index[5 * k:5 * k + 5]]
        for got, expected in ((x, np.array([e[0] for e in examples])), (t, np.array([e[1] for e in examples]))):
            assert got.dtype == expected.dtype
            assert got.shape == expected.shape
            assert got.flags.c_contiguous
            assert got.tobytes() == expected.tobytes()
        x[...] = 0      # a copy: the data set keeps its values
    assert images.data.any()


def test_random_transforms_draw_in_the_order_of_examples():
    np.random.seed(4)
    loader = DataLoader(Images(transform=T.Compose([T.RandomHorizontalFlip(), T.ToFloat()])), 17, shuffle=False)
    numbers = np.random.RandomState(4).rand(17)
    x, _ = next(loader)
    for i, u in enumerate(numbers):
        image = loader.dataset.data[i]
        assert np.array_equal(x[i], image[..., ::-1] if u < 0.5 else image)


def test_strange_data_take_the_general_path():
    class Strange(Dataset):
        def prepare(self):
            self.data = [[1, 2], [3, 4], [5, 6]]
            self.label = np.array([1.5, 2.5, 3.5], ">f8")

    x, t = next(DataLoader(Strange(), 2, shuffle=False))
    assert x.tolist() == [[1, 2], [3, 4]]
    assert t.tolist() == [1.5, 2.5]
    assert t.dtype.isnative

    class Unlabelled(Dataset):
        def prepare(self):
            self.data = np.arange(3.0)

    x, t = next(DataLoader(Unlabelled(), 2, shuffle=False))
    assert x.tolist() == [0, 1]
    assert t.tolist() == [None, None]


def test_any_sequence_of_pairs():
    assert next(DataLoader([(1, 2), (3, 4)], 2, shuffle=False))[1].tolist() == [2, 4]


@PREFETCH
def test_sequences(prefetch):
    loader = SeqDataLoader(list(zip(range(7), range(7), strict=True)), 3, prefetch=prefetch)
    assert loader.shuffle is False
    for _ in range(2):
        assert [x.tolist() for x, _ in loader] == [[0, 2, 4], [1, 3, 5], [2, 4, 6]]
    np.random.seed(0)
    curve = SinCurve()
    loader = SeqDataLoader(curve, 30, prefetch=prefetch)
    state = np.random.get_state()[1].copy()
    batches = list(loader)
    assert len(batches) == loader.max_iter == 34
    for i, (x, t) in enumerate(batches):
        places = (np.arange(30) * 33 + i) % 999
        assert np.array_equal(x, curve.data[places])
        assert np.array_equal(t, curve.label[places])
    assert np.array_equal(np.random.get_state()[1], state)


@PREFETCH
def test_the_last_batch_is_dropped(prefetch):
    for n, batches in ((10, 2), (8, 2), (4, 1)):
        loader = DataLoader(Pairs(n), 4, shuffle=False, prefetch=prefetch, drop_last=True)
        assert (len(loader), loader.max_iter) == (batches, batches)
        for _ in range(2):
            assert [t.tolist() for _, t in loader] == [[8 * i, 8 * i + 2, 8 * i + 4, 8 * i + 6] for i in range(batches)]
    orders = []
    for drop in (True, False):      # the order of random numbers is the same
        np.random.seed(1)
        loader = DataLoader(Pairs(), 4, prefetch=prefetch, drop_last=drop)
        orders.append([[t.tolist() for _, t in loader][:2] for _ in range(2)])
    assert orders[0] == orders[1]
    loader = DataLoader(Pairs(), 4, prefetch=prefetch, drop_last=True)
    seq = SeqDataLoader(list(zip(range(7), range(7), strict=True)), 3, prefetch=prefetch, drop_last=True)
    assert len(seq) == 2
    assert [x.tolist() for x, _ in seq] == [[0, 2, 4], [1, 3, 5]]
    for kept in (copy.copy(loader), pickle.loads(pickle.dumps(loader))):
        assert (kept.drop_last, len(kept)) == (True, 2)


def test_a_loader_with_its_own_next():
    class Doubled(DataLoader):
        def __next__(self):
            x, t = super().__next__()
            return x * 2, t

    assert next(Doubled(Pairs(), 2, shuffle=False))[0][1].tolist() == [2, 3]
    assert Doubled(Pairs(), 2, shuffle=False).next()[0][1].tolist() == [2, 3]


# ---- errors -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("cls", [DataLoader, SeqDataLoader])
def test_arguments(cls):
    name = cls.__name__
    for size in (0, -1):
        with pytest.raises(ValueError, match=f"{name}: batch_size is {size}; it must be at least 1"):
            cls(Pairs(), size)
    for size in (2.5, "4", None):
        with pytest.raises(TypeError, match=f"{name}: batch_size must be an int"):
            cls(Pairs(), size)
    with pytest.raises(ValueError, match="prefetch is -1"):
        cls(Pairs(), 2, prefetch=-1)
    with pytest.raises(ValueError, match=f"{name}: the data set is empty"):
        cls([], 2)
    with pytest.raises(ValueError, match=f"{name}: a data set of 10 examples has no full batch of 11, and drop_last"):
        cls(Pairs(), 11, drop_last=True)
    with pytest.raises(RuntimeError, match=f"{name}: there is no GPU"):
        cls(Pairs(), 2, gpu=True)
    loader = cls(Pairs(), np.int64(2), gpu=False)
    with pytest.raises(RuntimeError, match=f"{name}: there is no GPU"):
        loader.to_gpu()
    loader.to_cpu()
    assert loader.gpu is False
    assert len(next(loader)[0]) == 2


@pytest.mark.parametrize(("example", "message"), [
    ((1.0, 2, 3.0), r"a tuple of 3; it is to be a pair, \(example, label\); what a loss takes .*, belongs to t"),
    ([1.0], "a list of 1; it is to be a pair"), (np.arange(3), "a ndarray of 3; it is to be a pair"),
    ("ab", "a str of 2"), ({"x": 1, "t": 2}, "a dict of 2"), (3, "a int; it is to be a pair"), (None, "a NoneType; it is"),
])
@pytest.mark.parametrize("prefetch", [0, 2])
def test_an_example_is_a_pair(example, message, prefetch):
    loader = DataLoader([(0, 0), example], 2, shuffle=False, prefetch=prefetch)
    with pytest.raises(TypeError, match=f"DataLoader: example 1 is {message}"):
        next(loader)


def test_examples_of_different_shapes():
    loader = DataLoader([(np.zeros(n), 0) for n in (2, 3)], 2)
    with pytest.raises(ValueError, match=r"different shapes, \(2,\), \(3,\)"):
        next(loader)


@PREFETCH
def test_an_error_comes_where_its_batch_is(prefetch):
    dataset = Pairs(fail_at=5)
    loader = DataLoader(dataset, 2, shuffle=False, prefetch=prefetch)
    for _ in range(2):
        assert [next(loader)[1][0] for _ in range(2)] == [0, 4]
        for _ in range(2):
            with pytest.raises(KeyError, match="example 5"):
                next(loader)
        assert loader.iteration == 2
        dataset.fail_at = None
        assert [t[0] for _, t in loader] == [8, 12, 16]     # nothing was lost
        dataset.fail_at = 5


# ---- the thread ---------------------------------------------------------------------------------------------------

def test_so_many_batches_are_prepared():
    dataset = Pairs(100)
    loader = DataLoader(dataset, 2, shuffle=False, prefetch=3)
    assert dataset.taken == []
    next(loader)
    assert wait_until(lambda: len(dataset.taken) == 8)
    assert wait_until(lambda: not names())
    assert len(dataset.taken) == 8
    next(loader)
    assert wait_until(lambda: len(dataset.taken) == 10)


def test_no_thread_is_left_behind():
    loader = DataLoader(Pairs(1000), 2, prefetch=5)
    for _ in loader:
        break
    assert wait_until(lambda: not names())
    next(loader)
    dead = weakref.ref(loader)
    del loader
    gc.collect()
    assert dead() is None
    assert wait_until(lambda: not names())


def test_reset_forgets_what_was_prepared():
    dataset = Pairs(100)
    loader = DataLoader(dataset, 2, shuffle=False, prefetch=3)
    next(loader)
    next(loader)
    loader.reset()
    assert next(loader)[1].tolist() == [0, 2]


def test_batches_are_made_while_the_program_works():
    class Slow(Pairs):
        def __getitem__(self, index):
            time.sleep(0.03)
            assert threading.current_thread() is not threading.main_thread()
            return super().__getitem__(index)

    loader = DataLoader(Slow(6), 1, shuffle=False, prefetch=6)
    next(loader)
    assert wait_until(lambda: len(loader.dataset.taken) == 6)
    start = time.perf_counter()
    assert len(list(loader)) == 5
    assert time.perf_counter() - start < 0.1       # 0.15 s of sleep lie behind


def test_copies_of_a_loader_at_work():
    loader = DataLoader(Images(transform=T.ToFloat()), 4, shuffle=False, prefetch=2)
    next(loader)
    for other in (copy.deepcopy(loader), pickle.loads(pickle.dumps(loader))):
        assert other.iteration == 1
        assert other.next()[1].tolist() == [4, 0, 1, 2]
    assert next(loader)[1].tolist() == [4, 0, 1, 2]
