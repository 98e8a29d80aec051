"""Places for nodes: nothing overlaps, edges go downwards, trees have no crossings, chains are straight."""

import itertools
import random
import time

import numpy as np
import pytest

from dezero_c._draw import layout as _layout
from dezero_c._draw.layout import _apart, _inversions, _Net, _ranks, place


def net(sizes, edges, last=0):
    made = _Net(sizes, edges, _ranks(len(sizes), edges, last), last)
    made.uncross()
    return made


def random_graph(n, seed, fan=2):
    """Edges of a graph in which 0 is below everything else."""
    r = random.Random(seed)
    edges = [(v, r.randrange(v)) for v in range(1, n)]
    return edges + [(v, r.randrange(v)) for v in range(1, n) for _ in range(r.randrange(fan))]


def no_overlap(sizes, placed):
    boxes = sorted((y, x - w / 2, x + w / 2) for (w, _), x, y in zip(sizes, placed.xs, placed.ys, strict=True))
    for (y0, _, right), (y1, left, _) in itertools.pairwise(boxes):
        assert y0 != y1 or right + _layout.GAP <= left + 1e-6


@pytest.mark.parametrize("seed", range(8))
def test_random_graphs(seed):
    r = random.Random(seed)
    n = 20 + 10 * seed
    sizes = [(r.uniform(10, 150), r.choice([14, 24, 36])) for _ in range(n)]
    edges = random_graph(n, seed)
    placed = place(sizes, edges)
    no_overlap(sizes, placed)
    for u, v in edges:
        assert placed.ys[u] + sizes[u][1] / 2 < placed.ys[v] - sizes[v][1] / 2
    for (w, h), x, y in zip(sizes, placed.xs, placed.ys, strict=True):
        assert x - w / 2 >= -1e-6
        assert x + w / 2 <= placed.width + 1e-6
        assert y - h / 2 >= 0
        assert y + h / 2 <= placed.height
    assert sum(stroke[-1] for stroke in placed.strokes) == len(edges)
    again = place(sizes, edges)
    assert (placed.xs, placed.ys, placed.strokes) == (again.xs, again.ys, again.strokes)


@pytest.mark.parametrize("seed", range(4))
def test_every_edge_can_be_followed(seed):
    """From where an edge leaves its source, strokes lead to an arrow on the border of its target, and to no other."""
    edges = random_graph(40, seed)
    sizes = [(40, 20)] * 40
    placed = place(sizes, edges)
    tops = {}
    for k, (x, y) in enumerate(zip(placed.xs, placed.ys, strict=True)):
        tops.setdefault(round(y - 10, 6), []).append((x - 20, x + 20, k))
    follow = {}
    for x0, y0, *_, x3, y3, arrow in placed.strokes:
        follow.setdefault((round(x0, 6), round(y0, 6)), []).append((round(x3, 6), round(y3, 6), arrow))
    reached = []
    for u, (x, y) in enumerate(zip(placed.xs, placed.ys, strict=True)):
        stack = [p for (px, py), ends in follow.items() if py == round(y + 10, 6) and abs(px - x) <= 20 for p in ends]
        while stack:
            px, py, arrow = stack.pop()
            if arrow:
                reached += [(u, k) for left, right, k in tops[py] if left <= px <= right]
            else:
                stack += follow[px, py]
    assert sorted(reached) == sorted(edges)


def test_trees_have_no_crossings():
    edges = [(v, (v - 1) // 3) for v in range(1, 121)]
    assert net([(30, 20)] * 121, edges).crossings() == 0


def test_crossings_are_counted_and_removed():
    sizes = [(30, 20)] * 7
    edges = [(1, 0), (2, 0), (3, 0), (4, 3), (5, 2), (6, 1)]
    made = _Net(sizes, edges, _ranks(7, edges, 0), 0)
    made.layers[0] = [6, 5, 4] if made.layers[1] == [3, 2, 1] else [4, 5, 6]
    made._number(made.layers[0])
    assert made.crossings() == 3
    made.uncross()
    assert made.crossings() == 0


@pytest.mark.parametrize("seed", range(3))
def test_uncross_does_not_make_it_worse(seed):
    edges = random_graph(80, seed, 3)
    made = _Net([(30, 20)] * 80, edges, _ranks(80, edges, 0), 0)
    before = made.crossings()
    made.uncross()
    assert made.crossings() < before
    for row in made.layers:
        assert [made.index[a] for a in row] == list(range(len(row)))


def test_inversions_are_the_pairs_in_the_wrong_order():
    r = random.Random(0)
    for _ in range(50):
        p, q = (sorted(r.randrange(6) for _ in range(r.randrange(5))) for _ in range(2))
        assert _inversions(p, q) == sum(a > b for a in p for b in q)


def test_apart_is_the_optimum():
    r = np.random.default_rng(0)
    for _ in range(20):
        n = r.integers(1, 8)
        targets, weights, gaps = r.normal(size=n) * 20, r.uniform(0.1, 5, n), r.uniform(0, 15, n - 1)
        xs = np.array(_apart(list(targets), list(weights), list(gaps)))
        assert (np.diff(xs) >= gaps - 1e-9).all()
        best = (weights * (xs - targets) ** 2).sum()
        for _ in range(200):        # the problem is convex: no admissible point nearby may be better
            other = xs + r.normal(size=n) * r.choice([1e-3, 0.1, 3])
            if (np.diff(other) >= gaps).all():
                assert (weights * (other - targets) ** 2).sum() >= best - 1e-9
    assert _apart([5.0, 0.0], [1.0, 3.0], [0.0]) == pytest.approx([1.25, 1.25])
    assert _apart([], [], []) == []


def test_a_trunk_with_parameters_is_straight():
    """0 <- 1 <- 2 …, every second one with a parameter of its own."""
    edges, n = [(k + 1, k) for k in range(20)], 21
    for k in range(0, 20, 2):
        edges.append((n, k))
        n += 1
    placed = place([(60, 24)] * n, edges)
    assert np.abs(np.diff(placed.xs[:21])).max() < 4
    assert placed.width < 200


def test_a_parameter_is_beside_the_first_that_needs_it():
    assert _ranks(5, [(1, 0), (2, 1), (3, 2), (4, 0)], 0) == [3, 2, 1, 0, 2]
    assert _ranks(5, [(1, 0), (2, 1), (3, 2), (4, 0), (4, 2)], 0) == [3, 2, 1, 0, 0]


def test_an_unused_output_hangs_below_its_function():
    # 1 makes 0 and 3; 4 makes 2 and 5, far above
    edges = [(1, 0), (1, 3), (2, 1), (4, 2), (4, 5)]
    ranks = _ranks(6, edges, 0)
    assert ranks[3] == ranks[1] + 1
    assert ranks[5] == ranks[4] + 1


def test_double_edges_are_side_by_side():
    strokes = [s for s in place([(40, 24), (40, 24)], [(1, 0), (1, 0)]).strokes if s[-1]]
    assert len(strokes) == 2
    assert abs(strokes[0][6] - strokes[1][6]) >= _layout.PORT - 1e-9
    assert abs(strokes[0][0] - strokes[1][0]) >= _layout.PORT - 1e-9


def test_nothing_one_box_and_cycles():
    assert place([], []).strokes == []
    one = place([(50, 20)], [])
    assert (one.xs, one.ys, one.width, one.height, one.strokes) == ([25], [10], 50, 20, [])
    sizes = [(20, 20)] * 4
    no_overlap(sizes, place(sizes, [(1, 0), (2, 1), (1, 2), (3, 3)]))


def test_ten_thousand_nodes_take_bounded_time():
    start = time.perf_counter()
    shared = [(v, v - 1) for v in range(1, 9_999)] + [(9_999, v) for v in range(0, 9_998, 2)]
    placed = place([(30, 20)] * 10_000, shared)
    assert len(placed.xs) == 10_000
    assert time.perf_counter() - start < 20


def test_too_many_bends_are_not_made(monkeypatch):
    monkeypatch.setattr(_layout, "_MAX_ITEMS", 100)
    edges = [(v, v - 1) for v in range(1, 90)] + [(90, v) for v in range(0, 88, 2)]
    sizes = [(30, 20)] * 91
    placed = place(sizes, edges)
    assert sum(stroke[-1] for stroke in placed.strokes) == len(edges)
    no_overlap(sizes, placed)
