"""The modes: Config, using_config, no_grad and test_mode as blocks and as decorators, nested, per thread."""

import threading

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Config, Function, Variable, no_grad, test_mode, using_config

mode_of_testing = test_mode  # under its own name pytest would take it for a test
mode_of_testing.__test__ = False
del test_mode


@pytest.fixture(autouse=True)
def defaults():
    """Every test starts from, and leaves behind, the defaults."""
    assert (Config.enable_backprop, Config.train) == (True, True)
    yield
    Config.enable_backprop = Config.train = True
    assert (Config.enable_backprop, Config.train) == (True, True)


def var(value):
    return Variable(np.array(value))


def in_thread(function):
    """function() on a thread of its own; its result."""
    results = []
    thread = threading.Thread(target=lambda: results.append(function()))
    thread.start()
    thread.join()
    return results[0]


def test_nothing_is_recorded_under_no_grad():
    x = var(2.0)
    with no_grad():
        assert Config.enable_backprop is False
        y = F.sin(x) * 2.0 + x.sum()
        z = x.reshape(1)
    assert Config.enable_backprop is True
    for v in (y, z):
        assert v.creator is None
        assert v.generation == 0
    assert (x * 2.0).creator is not None


def test_a_function_gets_no_links_under_no_grad():
    class Double(Function):
        def forward(self, x):
            return x * 2

    for f in (Double(), F.Sin()):
        with no_grad():
            y = f(var(1.0))
        assert y.creator is None
        assert not hasattr(f, "inputs")
        assert not hasattr(f, "outputs")


def test_intermediate_results_are_freed_at_once_under_no_grad():
    import weakref

    with no_grad():
        x = var([1.0, 2.0])
        h = F.sin(x)
        ref = weakref.ref(h)
        y = h * 2.0
        del h
        assert ref() is None
        assert y.shape == (2,)


def test_test_mode_and_train():
    with mode_of_testing():
        assert Config.train is False
        assert Config.enable_backprop is True
        x = var(1.0)
        assert (x * x).creator is not None
    assert Config.train is True


def test_blocks_nest():
    with using_config("enable_backprop", False):
        with using_config("enable_backprop", True):
            assert Config.enable_backprop is True
            assert (var(1.0) * 2.0).creator is not None
            with no_grad(), mode_of_testing():
                assert (Config.enable_backprop, Config.train) == (False, False)
            assert (Config.enable_backprop, Config.train) == (True, True)
        assert Config.enable_backprop is False
        assert (var(1.0) * 2.0).creator is None


def test_the_mode_is_restored_after_an_exception():
    with pytest.raises(KeyError), no_grad():
        raise KeyError("mine")
    assert Config.enable_backprop is True
    with pytest.raises(KeyError), mode_of_testing():
        raise KeyError("mine")
    assert Config.train is True


def test_exceptions_are_not_swallowed_and_values_pass():
    with no_grad() as nothing:
        pass
    assert nothing is None


def test_decorators():
    @no_grad()
    def predict(x, *, scale=1.0):
        """Doc."""
        assert Config.enable_backprop is False
        return x * scale

    @mode_of_testing()
    def trained():
        return Config.train

    @using_config("train", False)
    def other():
        return Config.train

    y = predict(var(2.0), scale=3.0)
    assert y.data == 6.0
    assert y.creator is None
    assert (predict.__name__, predict.__doc__) == ("predict", "Doc.")
    assert predict(var(1.0)).data == 1.0  # again
    assert trained() is False
    assert other() is False
    assert (Config.enable_backprop, Config.train) == (True, True)


def test_decorated_functions_recurse_and_raise():
    @no_grad()
    def down(n):
        assert Config.enable_backprop is False
        if n == 0:
            raise ZeroDivisionError
        with using_config("enable_backprop", True):
            return down(n - 1)

    with pytest.raises(ZeroDivisionError):
        down(5)
    assert Config.enable_backprop is True


def test_decorated_methods():
    class Model:
        scale = 2.0

        @no_grad()
        def predict(self, x):
            return x * self.scale

    y = Model().predict(var(2.0))
    assert y.data == 4.0
    assert y.creator is None


def test_one_block_can_be_entered_again():
    block = no_grad()
    for _ in range(2):
        with block:
            assert Config.enable_backprop is False
        assert Config.enable_backprop is True
    with block:
        with block:
            assert Config.enable_backprop is False
        assert Config.enable_backprop is False
    assert Config.enable_backprop is True


def test_a_block_holds_for_its_thread_only():
    with no_grad(), mode_of_testing():
        assert in_thread(lambda: (Config.enable_backprop, Config.train)) == (True, True)
        assert in_thread(lambda: (var(1.0) * 2.0).creator) is not None
        assert (Config.enable_backprop, Config.train) == (False, False)


def test_a_block_in_another_thread_does_not_reach_this_one():
    inside, done = threading.Event(), threading.Event()

    def other():
        with no_grad():
            inside.set()
            done.wait(10)

    thread = threading.Thread(target=other)
    thread.start()
    try:
        assert inside.wait(10)
        assert Config.enable_backprop is True
        assert (var(1.0) * 2.0).creator is not None
    finally:
        done.set()
        thread.join()


def test_threads_may_share_one_block_object():
    """What was before lies with the thread: this one is within no_grad when the other ends its block, and begins it before."""
    x, block = Variable(np.array(1.0)), no_grad()
    inside, leave, modes = threading.Event(), threading.Event(), []

    def other():
        with block:
            inside.set()
            leave.wait(10)
            modes.append((x * 2).creator is None)
        modes.append((x * 2).creator is None)

    thread = threading.Thread(target=other)
    with no_grad(), block:
        thread.start()
        assert inside.wait(10)
    assert (x * 2).creator is not None      # before, it took the mode that the other thread had had
    with using_config("enable_backprop", True), block:
        leave.set()
        thread.join()
        assert (x * 2).creator is None
    assert modes == [True, False]
    assert (x * 2).creator is not None


def test_a_block_that_began_in_another_thread_is_refused():
    block = no_grad()
    thread = threading.Thread(target=block.__enter__)
    thread.start()
    thread.join()
    with pytest.raises(RuntimeError, match="began in another thread"):
        block.__exit__()
    assert (Variable(np.array(1.0)) * 2).creator is not None


def test_the_default_is_seen_by_every_thread():
    Config.train = False
    Config.enable_backprop = False
    assert (Config.train, Config.enable_backprop) == (False, False)
    assert in_thread(lambda: (Config.train, Config.enable_backprop)) == (False, False)
    assert (var(1.0) * 2.0).creator is None
    with using_config("enable_backprop", True):
        assert (var(1.0) * 2.0).creator is not None
        assert in_thread(lambda: Config.enable_backprop) is False
    assert Config.enable_backprop is False
    Config.enable_backprop = True
    assert (var(1.0) * 2.0).creator is not None


def test_a_walk_works_whatever_the_default():
    x = var(3.0)
    y = x * x
    Config.enable_backprop = False
    y.backward()
    assert x.grad.data == 6.0
    assert Config.enable_backprop is False
    x.cleargrad()
    y.backward(create_graph=True)
    assert x.grad.creator is not None
    assert Config.enable_backprop is False


def test_the_mode_is_restored_when_a_backward_raises():
    class Broken(Function):
        def forward(self, x):
            return x

        def backward(self, gy):
            raise KeyError("mine")

    for create_graph in (False, True):
        y = Broken()(var(1.0))
        with pytest.raises(KeyError):
            y.backward(create_graph=create_graph)
        assert Config.enable_backprop is True
        assert (var(1.0) * 2.0).creator is not None
    with pytest.raises(KeyError), no_grad():
        y.backward(create_graph=True)
    assert Config.enable_backprop is True


def test_unknown_names_are_refused():
    with pytest.raises(AttributeError, match="trian"), using_config("trian", False):
        pass
    with pytest.raises(AttributeError):
        Config.trian  # noqa: B018
    assert (Config.enable_backprop, Config.train) == (True, True)


def test_names_that_a_program_adds():
    Config.dtype = "f4"
    try:
        with using_config("dtype", "f8"):
            assert Config.dtype == "f8"
        assert Config.dtype == "f4"
    finally:
        del Config.dtype
    assert not hasattr(Config, "dtype")


def test_values_are_truths():
    with using_config("enable_backprop", 0):
        assert (var(1.0) * 2.0).creator is None
    with using_config("enable_backprop", 1):
        assert (var(1.0) * 2.0).creator is not None


def test_config_can_be_subclassed_or_inspected_without_harm():
    assert isinstance(Config.train, bool)
    assert {"enable_backprop", "train"} <= set(dir(Config))
    assert getattr(Config, "missing", "default") == "default"


def test_a_generator_keeps_the_mode_of_its_block():
    def values():
        with no_grad():
            yield Config.enable_backprop
            yield Config.enable_backprop

    assert list(values()) == [False, False]
    assert Config.enable_backprop is True
