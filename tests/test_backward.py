"""The walk backwards: order, accumulation, what is kept and cleared, higher derivatives, who owns a gradient.

Programs in the style of the book's steps close the file: their gradients are checked by hand-derived formulas.
"""

import copy
import gc
import math
import pickle
import threading

import numpy as np
import pytest

import dezero_c.functions as F
from dezero_c import Config, Function, Parameter, Variable, no_grad, using_config
from dezero_c.utils import get_dot_graph


def var(value, dtype=None):
    return Variable(np.array(value, dtype))


def close(a, b, rel=1e-14):
    return np.allclose(a, b, rtol=rel, atol=0)


# ---- accumulation, repeated use


def test_gradients_of_repeated_use_add_up():
    x = var(3.0)
    y = x + x
    y.backward()
    assert x.grad.data == 2.0
    x.cleargrad()
    y = x + x + x
    y.backward()
    assert x.grad.data == 3.0


def test_the_same_input_twice():
    x = var([2.0, 3.0])
    (x * x).backward()
    assert x.grad.data.tolist() == [4.0, 6.0]
    x.cleargrad()
    (x / x).backward()
    assert x.grad.data.tolist() == [0.0, 0.0]
    x.cleargrad()
    (x - x).backward()
    assert x.grad.data.tolist() == [0.0, 0.0]


def test_several_walks_add_up_in_the_leaves_until_cleared():
    x = var(3.0)
    y = x * x
    y.backward()
    y.backward()
    assert x.grad.data == 12.0
    (x * 1.0).backward()
    assert x.grad.data == 13.0
    x.cleargrad()
    assert x.grad is None
    y.backward()
    assert x.grad.data == 6.0


def test_two_results_share_a_part():
    x = var(2.0)
    h = x * x
    y, z = h * 3.0, F.exp(h)
    y.backward()
    z.backward()
    assert close(x.grad.data, 12.0 + 4.0 * math.exp(4.0))


def test_diamond_is_walked_once_per_function():
    class Count(Function):
        def forward(self, x):
            return x ** 2

        def backward(self, gy):
            calls.append(float(gy.data))
            return gy * 2 * self.inputs[0]

    calls = []
    x = var(2.0)
    a = Count()(x)
    y = Count()(a) + Count()(a)
    y.backward()
    assert calls == [1.0, 1.0, 16.0]
    assert y.data == 32.0
    assert x.grad.data == 64.0


def test_deep_diamonds_are_linear():
    x = var(1.0)
    y = x
    for _ in range(60):  # 2 ** 60 ways
        y = (y + y) * 0.5
    y.backward()
    assert x.grad.data == 1.0


def test_generations_decide_and_not_the_order_of_building():
    # a long and a short way to the same result: the near one must wait
    x = var(1.5)
    short = x * 2.0
    long = x
    for _ in range(5):
        long = long * 1.1
    y = short * long
    z = short + y
    z.backward()
    assert close(x.grad.data, 2.0 + 2 * 2.0 * 1.1 ** 5 * 1.5)


def test_order_of_the_walk():
    class Named(Function):
        def __init__(self, name):
            self.name = name

        def forward(self, *xs):
            return sum(xs)

        def backward(self, gy):
            order.append(self.name)
            return (gy,) * len(self.inputs)

    order = []
    x = var(1.0)
    a, b, c = (Named(n)(x) for n in "abc")
    d = Named("d")(b)
    y = Named("y")(a, d, c, b)
    y.backward()
    # by generation; among equals the one that was added last is taken first
    assert order == ["y", "d", "b", "c", "a"]


def test_no_gradient_without_a_way():
    x, z = var(1.0), var(1.0)
    (x * 2.0).backward()
    assert z.grad is None


# ---- what is kept


def test_gradients_of_results_are_cleared():
    x = var(2.0)
    a = x * x
    b = a * 3.0
    y = b + a
    y.backward()
    assert y.grad is None
    assert b.grad is None
    assert a.grad is None
    assert x.grad.data == 16.0


def test_retain_grad_keeps_them():
    x = var(2.0)
    a = x * x
    b = a * 3.0
    y = b + a
    y.backward(retain_grad=True)
    assert [v.grad.data for v in (y, b, a, x)] == [1.0, 1.0, 4.0, 16.0]


def test_retained_gradients_accumulate_in_a_second_walk_as_in_dezero():
    x = var(2.0)
    a = x * x
    y = a * 3.0
    y.backward(retain_grad=True)
    y.backward(retain_grad=True)
    # the root keeps its 1; a has 3, then 3 + 3 = 6; x has 12, then 12 + 6 * 4 = 36
    assert (y.grad.data, a.grad.data, x.grad.data) == (1.0, 6.0, 36.0)


def test_values_survive_the_walk():
    x = var([1.0, 2.0])
    a = F.exp(x)
    y = a * a
    y.backward()
    assert close(a.data, np.exp([1.0, 2.0]))
    first = x.grad.data.copy()
    x.cleargrad()
    y.backward()
    assert x.grad.data.tolist() == first.tolist()


# ---- the seed


def test_the_seed_is_ones_in_shape_and_dtype_of_the_root():
    for dtype in ("f4", "f8"):
        x = var([[1.0, 2.0], [3.0, 4.0]], dtype)
        (x * 1.0).backward()
        assert x.grad.data.tolist() == [[1.0, 1.0], [1.0, 1.0]]
        assert x.grad.dtype == dtype


def test_a_gradient_set_by_the_user_is_the_seed():
    x = var([1.0, 2.0])
    y = x * x
    y.grad = var([10.0, 0.5])
    y.backward()
    assert x.grad.data.tolist() == [20.0, 2.0]
    assert y.grad is None


def test_the_users_seed_is_not_changed():
    x = var([1.0, 2.0])
    seed = var([10.0, 0.5])
    y = x + x
    y.grad = seed
    y.backward(retain_grad=True)
    y.backward(retain_grad=True)
    assert seed.data.tolist() == [10.0, 0.5]
    assert y.grad is seed


@pytest.mark.parametrize("seed", [np.array(2.0), np.array([2.0]), np.array(2.0, "f4"), np.array(2),
                                  np.array([[2.0, 2.0]])])
def test_a_seed_that_broadcasts_is_accepted(seed):
    x = var([[1.0, 2.0], [3.0, 4.0]])
    y = x * 3.0
    y.grad = Variable(seed)
    y.backward()
    assert np.all(x.grad.data == 6.0)


def test_a_wider_seed_is_accepted():
    x = var([1.0, 2.0], "f4")
    y = x * x
    y.grad = var([1.0, 2.0], "f8")
    y.backward()
    assert x.grad.data.tolist() == [2.0, 8.0]


def test_a_gradient_set_on_an_intermediate_result_is_added_to():
    x = var(2.0)
    a = x * x
    a.grad = var(5.0)
    y = a * 3.0
    y.backward()
    assert x.grad.data == (5.0 + 3.0) * 4.0


def test_a_gradient_set_on_a_leaf_is_added_to():
    x = var([2.0, 3.0])
    mine = var([100.0, 200.0])
    x.grad = mine
    (x * x).backward()
    assert x.grad.data.tolist() == [104.0, 206.0]
    assert mine.data.tolist() == [100.0, 200.0]


def test_backward_on_a_leaf_sets_ones():
    x = var([1.0, 2.0])
    x.backward()
    assert x.grad.data.tolist() == [1.0, 1.0]


def test_backward_after_no_grad_ends_at_the_result():
    x = var(1.0)
    with no_grad():
        y = x * 2.0
    y.backward()
    assert x.grad is None
    assert y.grad.data == 1.0


def test_a_dropped_output_does_not_stop_the_walk():
    class Split(Function):
        def forward(self, x):
            return x * 2, x * 3

        def backward(self, g0, g1):
            gx = 0.0
            if g0 is not None:
                gx = gx + g0 * 2
            if g1 is not None:
                gx = gx + g1 * 3
            return gx

    x = var([1.0, 2.0])
    a, b = Split()(x)
    del a
    y = b * 1.0
    y.backward()
    assert x.grad.data.tolist() == [3.0, 3.0]
    c = Split()(x)[0]
    x.cleargrad()
    c.backward()
    assert x.grad.data.tolist() == [2.0, 2.0]


# ---- who owns a gradient


def test_a_gradient_in_hand_is_not_changed_by_a_later_walk():
    for shape in [(), (3,), (2000,)]:
        x = Variable(np.ones(shape))
        y = x * 2.0
        y.backward()
        g = x.grad
        y.backward()
        assert np.all(g.data == 2.0), shape
        assert np.all(x.grad.data == 4.0), shape
        assert x.grad is not g


def test_the_array_of_a_gradient_in_hand_is_not_changed_either():
    x = var([1.0, 1.0])
    y = x * 2.0
    y.backward()
    a = x.grad.data
    y.backward()
    assert a.tolist() == [2.0, 2.0]
    assert x.grad.data is not a


def test_leaves_do_not_share_a_gradient():
    a, b = var([1.0, 2.0]), var([3.0, 4.0])
    (a + b).backward()
    a.grad.data[0] = 100.0
    assert b.grad.data.tolist() == [1.0, 1.0]
    c = var([1.0, 1.0])
    y = c * 1.0
    y.backward(retain_grad=True)
    c.grad.data[0] = 7.0
    assert y.grad.data.tolist() == [1.0, 1.0]


def test_a_gradient_outlives_its_variable():
    x = var([1.0, 2.0])
    (x * x).backward()
    g = x.grad
    del x
    assert g.data.tolist() == [2.0, 4.0]


def test_the_gradient_read_during_the_walk_is_left_alone():
    class Peek(Function):
        def forward(self, x):
            return x * 1.0

        def backward(self, gy):
            peeked.append((x.grad, None if x.grad is None else x.grad.data.tolist()))
            return gy * 10.0

    peeked = []
    x = var([1.0, 1.0])
    y = Peek()(x) + Peek()(x) + Peek()(x)
    y.backward()
    assert x.grad.data.tolist() == [30.0, 30.0]
    assert [values for _, values in peeked] == [None, [10.0, 10.0], [20.0, 20.0]]
    assert [g.data.tolist() for g, _ in peeked[1:]] == [[10.0, 10.0], [20.0, 20.0]]


def test_moving_a_gradient_to_another_variable():
    x, z = var([1.0, 2.0]), var([0.0, 0.0])
    (x * x).backward()
    z.grad = x.grad
    (z * 5.0).backward()
    assert x.grad.data.tolist() == [2.0, 4.0]
    assert z.grad.data.tolist() == [7.0, 9.0]


def test_clipping_a_gradient_in_place():
    x = var([3.0, 4.0])
    (x * x).backward()
    x.grad.data *= 0.5
    assert x.grad.data.tolist() == [3.0, 4.0]
    x.data -= x.grad.data
    assert x.data.tolist() == [0.0, 0.0]


# ---- data between forward and backward


def test_in_place_changes_of_the_data_are_seen():
    for shape in [(), (3,), (2000,)]:
        x, w = Variable(np.full(shape, 2.0)), Variable(np.full(shape, 3.0))
        y = x * w
        w.data[...] = 50.0
        y.backward()
        assert np.all(x.grad.data == 50.0)
        assert np.all(w.grad.data == 2.0)


def test_in_place_changes_of_an_intermediate_value_are_seen():
    x = var(0.0)
    h = F.exp(x)
    y = h * 2.0
    h.data[...] = 10.0  # exp's gradient is its own value
    y.backward()
    assert x.grad.data == 20.0


def test_rebound_data_is_what_backward_uses():
    x, w = var([1.0, 2.0]), var([3.0, 4.0])
    y = x * w
    x.data = np.array([10.0, 20.0])
    y.backward()
    assert w.grad.data.tolist() == [10.0, 20.0]
    assert x.grad.data.tolist() == [3.0, 4.0]


def test_rebound_data_of_another_dtype_or_layout():
    for new in (np.array([10.0, 20.0], "f4"), np.array([10, 20]), np.array([10.0, 0.0, 20.0])[::2],
                np.array([10.0, 20.0]).astype(">f8"), np.array([20.0, 10.0])[::-1]):
        x = var([1.0, 2.0])
        y = x * x
        x.data = new
        y.backward()
        assert x.grad.data.tolist() == [20.0, 40.0], new.dtype


def test_the_classic_update_loop():
    x = var([3.0, -2.0])
    for _ in range(100):
        y = (x * x).sum()
        x.cleargrad()
        y.backward()
        x.data -= 0.1 * x.grad.data
    assert np.allclose(x.data, [3 * 0.8 ** 100, -2 * 0.8 ** 100], rtol=1e-12)


# ---- broadcasting


@pytest.mark.parametrize("shapes", [((3,), ()), ((2, 3), (3,)), ((2, 3), (2, 1)), ((2, 1), (1, 3)), ((1,), (4,)),
                                    ((1, 1), (2, 3)), ((4, 1, 3), (2, 1)), ((0, 3), (3,)), ((2, 3, 4), (1, 1, 1, 1))])
@pytest.mark.parametrize("op", ["add", "sub", "mul", "div"])
def test_gradients_are_summed_back_over_broadcast_axes(shapes, op):
    rng = np.random.default_rng(0)
    a, b = (rng.uniform(1.0, 2.0, s) for s in shapes)
    x0, x1 = Variable(a), Variable(b)
    y = getattr(F, op)(x0, x1)
    w = rng.uniform(1.0, 2.0, y.shape)
    y.grad = Variable(w.copy())
    y.backward()
    assert y.shape == np.broadcast_shapes(*shapes)
    g0, g1 = {"add": (w, w), "sub": (w, -w), "mul": (w * b, w * a), "div": (w / b, -w * a / b ** 2)}[op]
    for x, g in ((x0, g0), (x1, g1)):
        lead = g.ndim - x.ndim
        axes = tuple(range(lead)) + tuple(i + lead for i, n in enumerate(x.shape) if n == 1 and g.shape[i + lead] != 1)
        assert x.grad.shape == x.shape
        assert np.allclose(x.grad.data, g.sum(axis=axes, keepdims=True).reshape(x.shape), rtol=1e-13)


# ---- create_graph


@pytest.mark.parametrize("dtype", ["f4", "f8"])
@pytest.mark.parametrize("name", ["add", "sub", "mul", "div", "maximum", "arctan2", "power", "where", "sin", "tanh", "neg",
                                  "sqrt", "clip"])
def test_small_arrays_have_the_gradients_of_any_layout(name, dtype):
    """Values and gradients that lie in their nodes have a short way backwards; operands in Fortran's order take the general one.
    Same bits: kept or not, added to or not, the same operand twice, one that is a number or a constant."""
    mask = np.array([[True], [False], [True]])
    f = {"where": lambda a, b: F.where(mask, a, b), "clip": lambda a: F.clip(a, 0.6, 1.5)}.get(name, getattr(F, name))
    rng = np.random.default_rng(0)
    a, b, c = (rng.uniform(0.3, 2.0, (3, 4)).astype(dtype) for _ in range(3))
    unary = name in ("sin", "tanh", "neg", "sqrt", "clip")

    def gradients(order, keep, twice, second):
        def held(v):
            return Variable(np.array(v, order=order))
        x, z = held(a), {"array": held(b), "result": held(b) * 1.0, "number": 1.5, "constant": np.array(b, order=order),
                         "same": None}[second]
        u = x * 1.0
        y = f(u) if unary else f(u, u if z is None else z)
        out = y * np.array(c, order=order)
        found = []
        for _ in range(1 + twice):
            out.backward(retain_grad=keep)
            found += [v.grad.data.copy(order="C") for v in (x, u, y, z) if isinstance(v, Variable) and v.grad is not None]
        return found

    for keep in (False, True):
        for twice in (False, True):
            for second in ("array",) if unary else ("array", "result", "number", "constant", "same"):
                small, general = (gradients(order, keep, twice, second) for order in "CF")
                assert len(small) == len(general) > 0
                for g, h in zip(small, general, strict=True):
                    assert g.dtype == h.dtype == dtype
                    assert g.tobytes() == h.tobytes(), (keep, twice, second)


def test_without_create_graph_gradients_have_no_graph():
    x = var(2.0)
    (x * x * x).backward()
    assert x.grad.creator is None


def test_with_create_graph_they_do():
    x = var(2.0)
    y = x * x * x
    y.backward(create_graph=True)
    assert x.grad.creator is not None
    assert x.grad.data == 12.0
    gx = x.grad
    x.cleargrad()
    gx.backward()
    assert x.grad.data == 12.0
    assert x.grad.creator is None


def test_walks_with_and_without_graph_give_the_same_numbers():
    rng = np.random.default_rng(1)
    a = rng.uniform(0.5, 1.5, (3, 4))
    for function in (lambda x: F.exp(F.sin(x)) / (x + 1.0), lambda x: F.tanh(x * x).sum() * F.log(x),
                     lambda x: x ** 3 - 2 / x):
        grads = []
        for create_graph in (False, True):
            x = Variable(a.copy())
            function(x).backward(create_graph=create_graph)
            grads.append(x.grad.data)
        assert np.allclose(grads[0], grads[1], rtol=1e-14)


def test_gradients_without_clearing_add_up_over_orders():
    # without cleargrad the second walk adds the second derivative to the first: 4 x^3 + 12 x^2 at 2
    x = var(2.0)
    y = x ** 4
    y.backward(create_graph=True)
    gx = x.grad
    gx.backward()
    assert x.grad.data == 32.0 + 48.0
    assert gx.data == 32.0


def test_higher_derivatives_of_sin():
    a = np.linspace(-3, 3, 7)
    x = Variable(a)
    F.sin(x).backward(create_graph=True)
    cycle = [np.cos, lambda v: -np.sin(v), lambda v: -np.cos(v), np.sin]
    for order in range(8):
        assert np.allclose(x.grad.data, cycle[order % 4](a), rtol=1e-13, atol=1e-15), order
        gx = x.grad
        x.cleargrad()
        gx.backward(create_graph=True)


def test_higher_derivatives_of_tanh():
    v = 0.7
    t = math.tanh(v)
    x = var(v)
    F.tanh(x).backward(create_graph=True)
    s = 1 - t ** 2
    expected = [s, -2 * t * s, (6 * t ** 2 - 2) * s, (16 * t - 24 * t ** 3) * s]
    for value in expected:
        assert close(x.grad.data, value, 1e-12)
        gx = x.grad
        x.cleargrad()
        gx.backward(create_graph=True)


def test_mixed_partial_derivatives():
    x, y = var(1.2), var(0.7)
    z = F.sin(x * y) + x ** 2 * y ** 3
    z.backward(create_graph=True)
    gx, gy = x.grad, y.grad
    x.cleargrad()
    y.cleargrad()
    gx.backward(create_graph=True)
    v = 1.2 * 0.7
    mixed = math.cos(v) - v * math.sin(v) + 6 * 1.2 * 0.7 ** 2
    assert close(y.grad.data, mixed)
    assert close(x.grad.data, -0.7 ** 2 * math.sin(v) + 2 * 0.7 ** 3)
    x.cleargrad()
    y.cleargrad()
    gy.backward()
    assert close(x.grad.data, mixed)


def test_second_derivative_with_broadcasting_and_sums():
    a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    b = np.array([0.5, 1.0, 2.0])
    x, w = Variable(a), Variable(b)
    ((x * w) ** 2).sum().backward(create_graph=True)
    gw = w.grad  # 2 w sum x^2
    assert close(gw.data, 2 * b * (a ** 2).sum(0))
    w.cleargrad()
    x.cleargrad()
    gw.sum().backward()
    assert close(w.grad.data, 2 * (a ** 2).sum(0))
    assert close(x.grad.data, 4 * a * b)


def test_gradient_penalty():
    # the gradient is part of a new expression (book, step 35)
    x = var(2.0)
    y = x ** 2
    y.backward(create_graph=True)
    gx = x.grad
    x.cleargrad()
    z = gx ** 3 + y
    z.backward()
    assert x.grad.data == 24.0 * 4.0 + 4.0


def test_create_graph_inside_no_grad_still_makes_a_graph():
    x = var(2.0)
    y = x * x
    with no_grad():
        y.backward(create_graph=True)
        assert Config.enable_backprop is False
    gx = x.grad
    x.cleargrad()
    gx.backward()
    assert x.grad.data == 2.0


# ---- chains and walks within walks


def test_a_long_chain_on_a_small_stack():
    def run():
        x = var(1.0)
        y = x
        for _ in range(50_000):
            y = F.sin(y) + 1.0
        y.backward()
        results.append(x.grad.data)

    results = []
    old = threading.stack_size(256 * 1024)
    try:
        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(old)
    assert len(results) == 1
    assert np.isfinite(results[0])


def test_a_wide_fan():
    x = var(2.0)
    parts = [x * float(i) for i in range(3000)]
    y = parts[0]
    for p in parts[1:]:
        y = y + p
    y.backward()
    assert x.grad.data == sum(range(3000))


def test_a_walk_inside_a_users_backward_over_the_same_graph():
    class Nested(Function):
        def forward(self, x):
            return x * 2.0

        def backward(self, gy):
            if not seen:
                seen.append(True)
                side.backward()  # walks the shared part while the outer walk is under way
            return gy * 2.0

    seen = []
    x = var(3.0)
    shared = x * x
    side = shared * 10.0
    y = Nested()(shared) + shared
    y.backward()
    # side gives 10 * 2x = 60, the outer walk 3 * 2x = 18
    assert x.grad.data == 78.0


def test_threads_walk_their_own_graphs():
    class Pause(Function):
        def forward(self, x):
            return x * 2.0

        def backward(self, gy):
            barrier.wait(10)
            return gy * 2.0

    def run(i):
        x = var(float(i))
        y = Pause()(x * x) + x
        y.backward()
        results[i] = float(x.grad.data)

    barrier = threading.Barrier(4)
    results = {}
    threads = [threading.Thread(target=run, args=(i,)) for i in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert results == {i: 4.0 * i + 1.0 for i in range(4)}


def test_the_mode_inside_a_users_backward():
    class Mode(Function):
        def forward(self, x):
            return x * 1.0

        def backward(self, gy):
            modes.append(Config.enable_backprop)
            return gy * 1.0

    modes = []
    x = var(1.0)
    y = Mode()(x)
    y.backward()
    y.backward(create_graph=True)
    with no_grad():
        y.backward()
    assert modes == [False, True, False]
    assert Config.enable_backprop is True


def test_unchain_backward_truncates_through_time():
    # h_t = a h_{t-1} + x_t, cut after every second step: only the steps since the cut count
    a = var(0.5)
    h = var(1.0)
    for t in range(4):
        h = a * h + float(t)
        if t % 2 == 1:
            before = h.data.copy()
            a.cleargrad()
            h.backward()
            h.unchain_backward()
            inner = {1: (1.0 * 0.5 + 0.0) + 0.5 * 1.0, 3: None}[t]
            if inner is not None:
                assert a.grad.data == inner
            else:
                h1 = 0.5 * 0.5 + 1.0
                assert a.grad.data == (0.5 * h1 + 2.0) + 0.5 * h1
            h = Variable(before)


# ---- the book's programs


def sphere(x, y):
    return x ** 2 + y ** 2


def matyas(x, y):
    return 0.26 * (x ** 2 + y ** 2) - 0.48 * x * y


def goldstein_price(x, y):
    a = 1 + (x + y + 1) ** 2 * (19 - 14 * x + 3 * x ** 2 - 14 * y + 6 * x * y + 3 * y ** 2)
    b = 30 + (2 * x - 3 * y) ** 2 * (18 - 32 * x + 12 * x ** 2 + 48 * y - 36 * x * y + 27 * y ** 2)
    return a * b


def rosenbrock(x, y):
    return 100 * (y - x ** 2) ** 2 + (x - 1) ** 2


@pytest.mark.parametrize(
    ("function", "point", "value", "gradient"),
    [
        (sphere, (1.0, 1.0), 2.0, (2.0, 2.0)),
        (matyas, (1.0, 1.0), 0.04, (0.04, 0.04)),
        # at (1, 1): a = 1 + 9 * 3 = 28, b = 30 + 37 = 67; a' = (-18, -18), b' = (-332, 498)
        (goldstein_price, (1.0, 1.0), 1876.0, (-5376.0, 8064.0)),
        # at the minimum (0, -1)
        (goldstein_price, (0.0, -1.0), 3.0, (0.0, 0.0)),
        (rosenbrock, (0.0, 2.0), 401.0, (-2.0, 400.0)),
        (rosenbrock, (1.0, 1.0), 0.0, (0.0, 0.0)),
    ],
)
@pytest.mark.parametrize("dtype", ["f8", "f4"])
def test_classic_functions(function, point, value, gradient, dtype):
    x, y = (var(v, dtype) for v in point)
    z = function(x, y)
    z.backward()
    rel = 1e-12 if dtype == "f8" else 1e-4
    assert z.dtype == x.grad.dtype == y.grad.dtype == dtype
    assert z.data == pytest.approx(value, rel=rel, abs=1e-12)
    found = (float(x.grad.data), float(y.grad.data))
    assert found == pytest.approx(gradient, rel=rel, abs=1e-10 if dtype == "f8" else 1e-2)


def test_composition_of_square_and_exp():
    x = var(0.5)
    y = F.square(F.exp(F.square(x)))
    y.backward()
    # d/dx exp(2 x^2) = 4 x exp(2 x^2)
    assert y.data == pytest.approx(math.exp(0.5), rel=1e-15)
    assert x.grad.data == pytest.approx(3.297442541400256, rel=2e-15)


def test_rosenbrock_descent():
    x, y = var(0.0), var(2.0)
    for _ in range(2000):
        z = rosenbrock(x, y)
        x.cleargrad()
        y.cleargrad()
        z.backward()
        x.data -= 0.001 * x.grad.data
        y.data -= 0.001 * y.grad.data
    a, b = 0.0, 2.0
    for _ in range(2000):
        ga, gb = -400 * (b - a * a) * a + 2 * (a - 1), 200 * (b - a * a)
        a, b = a - 0.001 * ga, b - 0.001 * gb
    assert x.data == pytest.approx(a, rel=1e-10)
    assert y.data == pytest.approx(b, rel=1e-10)


def test_newton_with_second_derivatives():
    x = var(2.0)
    values = []
    for _ in range(10):
        values.append(float(x.data))
        y = x ** 4 - 2 * x ** 2
        x.cleargrad()
        y.backward(create_graph=True)
        gx = x.grad
        x.cleargrad()
        gx.backward()
        x.data = x.data - gx.data / x.grad.data
    expected = [2.0]
    for _ in range(9):
        v = expected[-1]
        expected.append(v - (4 * v ** 3 - 4 * v) / (12 * v ** 2 - 4))
    assert values == pytest.approx(expected, rel=1e-14)
    assert values[-1] == 1.0


def test_newton_by_hand_written_second_derivative():
    x = var(2.0)
    for _ in range(10):
        y = x ** 4 - 2 * x ** 2
        x.cleargrad()
        y.backward()
        x.data -= x.grad.data / (12 * x.data ** 2 - 4)
    assert x.data == 1.0


def test_taylor_series_of_sin():
    x = var(np.pi / 4)
    y = 0
    for i in range(100):
        t = (-1) ** i / math.factorial(2 * i + 1) * x ** (2 * i + 1)
        y = y + t
        if abs(t.data) < 1e-4:
            break
    y.backward()
    assert i == 3
    assert y.data == pytest.approx(0.7071064695751781, rel=1e-15)
    assert x.grad.data == pytest.approx(0.7071032148228457, rel=1e-15)


def test_linear_regression_by_matrix_products():
    rng = np.random.default_rng(0)
    a = rng.random((100, 1))
    b = 5 + 2 * a + rng.random((100, 1))
    w, c = Parameter(np.zeros((1, 1))), Parameter(np.zeros(1))
    for _ in range(300):
        error = F.matmul(Variable(a), w) + c - b
        loss = (error ** 2).sum() / len(error)
        w.cleargrad()
        c.cleargrad()
        loss.backward()
        w.data -= 0.3 * w.grad.data
        c.data -= 0.3 * c.grad.data
    best = np.linalg.lstsq(np.hstack([a, np.ones_like(a)]), b, rcond=None)[0]
    assert w.data[0, 0] == pytest.approx(best[0, 0], abs=1e-3)
    assert c.data[0] == pytest.approx(best[1, 0], abs=1e-3)


def test_two_layers():
    rng = np.random.default_rng(0)
    a = rng.random((50, 1))
    b = np.sin(2 * np.pi * a) + rng.random((50, 1))
    w1, b1 = Parameter(0.5 * rng.standard_normal((1, 10))), Parameter(np.zeros(10))
    w2, b2 = Parameter(0.5 * rng.standard_normal((10, 1))), Parameter(np.zeros(1))
    losses = []
    for _ in range(300):
        hidden = F.sigmoid(F.matmul(Variable(a), w1) + b1)
        error = F.matmul(hidden, w2) + b2 - b
        loss = (error * error).sum() / 50.0
        for p in (w1, b1, w2, b2):
            p.cleargrad()
        loss.backward()
        # the same by hand, with NumPy
        h = 1 / (1 + np.exp(-(a @ w1.data + b1.data)))
        e = (h @ w2.data + b2.data - b) * (2 / 50)
        d = e @ w2.data.T * h * (1 - h)
        for p, g in ((w2, h.T @ e), (b2, e.sum(0)), (w1, a.T @ d), (b1, d.sum(0))):
            assert np.allclose(p.grad.data, g, rtol=1e-9, atol=1e-14)
            p.data -= 0.2 * p.grad.data
        losses.append(float(loss.data))
    assert losses[-1] < 0.7 * losses[0]


def test_double_backward_through_matrix_products():
    rng = np.random.default_rng(2)
    a, m = rng.standard_normal((1, 3)), rng.standard_normal((3, 3))
    x = Variable(a)
    y = F.matmul(F.matmul(x, Variable(m)), x.T)  # x M x'
    y.backward(create_graph=True)
    assert np.allclose(x.grad.data, a @ (m + m.T), rtol=1e-13)
    gx = x.grad
    x.cleargrad()
    F.matmul(gx, Variable(np.array([[1.0], [0.0], [0.0]]))).backward()
    assert np.allclose(x.grad.data[0], (m + m.T)[:, 0], rtol=1e-13)


def test_using_config_around_a_whole_program():
    with using_config("enable_backprop", False):
        x = var(2.0)
        y = rosenbrock(x, x)
    assert y.creator is None
    assert y.data == 401.0


def test_a_wrapped_operand_gets_a_gradient_once_it_was_asked_for():
    """Nobody can see the gradient of a number that an operation wrapped, so none is computed; but f.inputs shows the
    Variable, and from then on it is one like any other."""
    x = Variable(np.array([1.0, 2.0]))
    y = x * 3.0
    y.backward()
    assert y.creator.inputs[1].grad is None
    y = x * 3.0
    c = y.creator.inputs[1]
    (y + c * x).backward()
    np.testing.assert_array_equal(c.grad.data, 6.0)
    y = Variable(np.array([1, 2], np.int8)) * 3
    x = y.creator.inputs[0]
    y.backward(create_graph=True)
    assert x.grad.dtype == np.int8


@pytest.mark.parametrize("look", [copy.deepcopy, pickle.dumps, copy.copy, get_dot_graph, lambda y: y._repr_html_(),
                                  lambda y: y.creator.x1_shape, lambda y: pickle.dumps(y.creator)], ids=range(7))
def test_looking_at_a_graph_leaves_its_constants_alone(look):
    x = Variable(np.array([1.0, 2.0]))
    y = x + 3.0
    look(y)
    y.backward()
    assert y.creator.inputs[1].grad is None
    np.testing.assert_array_equal(x.grad.data, 1)


def test_a_gradient_of_an_output_that_is_gone_has_its_graph():
    """The output is computed again for the rule; the gradient depends on x through it."""
    x = Variable(np.array([0.3, -0.2]))
    for f, second in ((F.Tanh(), lambda y: -2 * y * (1 - y * y)), (F.Exp(), lambda y: y),
                      (F.Sigmoid(), lambda y: y * (1 - y) * (1 - 2 * y)), (F.Softmax(0), None), (F.LogSoftmax(0), None)):
        y = f(x).data
        g = f.backward(Variable(np.array([1.0, 0.5])))
        x.cleargrad()
        g.backward()
        if second is not None:
            np.testing.assert_allclose(x.grad.data, second(y) * [1, 0.5])
        kept = f(x)
        h = f.backward(Variable(np.array([1.0, 0.5])))
        got, x.grad = x.grad, None
        h.backward()
        np.testing.assert_allclose(got.data, x.grad.data, rtol=1e-14)
        del kept


# ---- the ones that a walk starts from ------------------------------------------------------------------------------------


def test_higher_orders_leave_no_cycle_behind():
    """The seed would get a gradient whose graph it is in, and only the collector could free them."""
    x = Variable(np.linspace(-1, 1, 5))
    gc.collect()
    gc.disable()
    try:
        y = F.tanh(x)
        y.backward(create_graph=True)
        for _ in range(3):
            gx = x.grad
            x.cleargrad()
            gx.backward(create_graph=True)
        x.cleargrad()
        del y, gx
        assert gc.collect() == 0
    finally:
        gc.enable()


def test_a_seed_that_can_be_seen_has_its_gradient():
    x = Variable(np.array(0.5))
    y = F.tanh(x)
    y.backward(retain_grad=True, create_graph=True)
    gy, gx = y.grad, x.grad
    gx.backward()
    np.testing.assert_allclose(gy.grad.data, 1 - np.tanh(0.5) ** 2)
    x = Variable(np.array(0.5))
    (x + 3).backward(create_graph=True)
    gx = x.grad         # the seed itself, handed on
    (gx * gx).backward()
    assert gx.grad.data == 2.0


def test_a_seed_that_a_users_backward_keeps_has_its_gradient():
    kept = []

    class Twice(Function):
        def forward(self, x):
            return 2 * x

        def backward(self, gy):
            kept.append(gy)
            return 2 * gy

    x = Variable(np.array(0.5))
    Twice()(x).backward(create_graph=True)
    gx = x.grad
    x.cleargrad()
    gx.backward()
    assert kept[0].grad.data == 2.0
