"""Places for the nodes of a directed acyclic graph in layers, and the curves of its edges between them.

Knows boxes and pairs of numbers; what they stand for and how they are painted is svg.py's. The method is that of
Sugiyama, Tagawa and Toda (1981): layers by longest paths, fewer crossings by barycentres, then coordinates. Those are a
least-squares problem in each layer under the order already found, solved exactly by pooling adjacent violators
(isotonic regression). The same graph gives the same picture.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from typing import Any, TypeAlias

    Size: TypeAlias = tuple[float, float]
    Edge: TypeAlias = tuple[int, int]
    Curve: TypeAlias = tuple[float, float, float, float, float, float, float, float]
    Stroke: TypeAlias = tuple[float, float, float, float, float, float, float, float, bool]
    Links: TypeAlias = list[list[tuple[int, float]]]

__all__ = ["Placement", "place"]

GAP = 16            # between neighbours in a layer
STEP = 26           # between two layers at least
PORT = 9            # between edges that end at one node
_MAX_ITEMS = 40000  # nodes and bends; edges that would need more bends run straight across
_THOROUGH = 3000    # items up to which crossings are also removed by exchanging neighbours


class Placement:
    """xs, ys: the centres of the boxes. strokes: cubic Bezier curves (x0, y0, x1, y1, x2, y2, x3, y3, arrow?),
    downwards. All in pixels. width, height: of the whole, which begins at (0, 0)."""

    __slots__ = ("height", "strokes", "width", "xs", "ys")

    def __init__(self, xs: list[float], ys: list[float], strokes: list[Stroke], width: float, height: float) -> None:
        self.xs, self.ys, self.strokes, self.width, self.height = xs, ys, strokes, width, height


def place(sizes: Sequence[Size], edges: Sequence[Edge], last: int = 0) -> Placement:
    """A `Placement` of boxes with sizes [(width, height)], edges [(source, target)], sources above their targets.

    last: the box at the bottom, to which the layers are counted. An edge may be given several times and is drawn as
    often. Every box must be a number below len(sizes); a cycle does no harm, one of its edges runs upwards.
    """
    if not sizes:
        return Placement([], [], [], 0, 0)
    layer = _ranks(len(sizes), edges, last)
    net = _Net(sizes, edges, layer, last)
    net.uncross()
    net.spread()
    return net.placement(sizes)


# ---- layers -------------------------------------------------------------------------------------------------------

def _topological(n: int, edges: Sequence[Edge]) -> list[int]:
    """The numbers 0 … n - 1, sources first; where a cycle leaves no source, the smallest number that is left."""
    waiting = [0] * n
    below: list[list[int]] = [[] for _ in range(n)]
    for u, v in edges:
        waiting[v] += 1
        below[u].append(v)
    ready = deque(u for u in range(n) if not waiting[u])
    order: list[int] = []
    taken, smallest = [False] * n, 0
    while len(order) < n:
        if not ready:
            while taken[smallest]:
                smallest += 1
            ready.append(smallest)
        u = ready.popleft()
        if taken[u]:
            continue
        taken[u] = True
        order.append(u)
        for v in below[u]:
            waiting[v] -= 1
            if not waiting[v]:
                ready.append(v)
    return order


def _ranks(n: int, edges: Sequence[Edge], last: int) -> list[int]:
    """The layer of each box, 0 at the top: of two ways, the one that needs fewer bends.

    The first counts from the bottom, so that everything stands right above the first one that needs it. The second
    counts from the top, and only boxes that hang on nothing that others use (parameters, what is made of them)
    are moved down to where they are needed; it keeps the steps of a recurrent net apart.
    """
    order = _topological(n, edges)
    turn = {u: i for i, u in enumerate(order)}
    below: list[list[int]] = [[] for _ in range(n)]
    above: list[list[int]] = [[] for _ in range(n)]
    for u, v in edges:
        if turn[u] < turn[v]:
            below[u].append(v)
            above[v].append(u)
    unused = [u for u in range(n) if not below[u] and above[u] and u != last]
    hanging = set(unused)
    late = [0] * n
    for u in reversed(order):
        late[u] = -max((1 - late[v] for v in below[u] if v not in hanging), default=0)

    early, loose = [0] * n, [False] * n
    for u in order:
        early[u] = max((early[v] + 1 for v in above[u]), default=0)
        loose[u] = all(loose[v] and (not above[v] or below[v].count(u) == len(below[v])) for v in above[u])
    for u in reversed(order):
        if loose[u] and below[u]:
            early[u] = min(early[v] for v in below[u]) - 1

    def bends(layer: list[int]) -> int:
        return sum(max(layer[v] for v in vs) - layer[u] - 1 for u, vs in enumerate(below) if vs)

    for layer in (late, early):
        for u in unused:                        # outputs that nobody needed hang right below their function
            layer[u] = max(layer[v] for v in above[u]) + 1
    best = late if bends(late) < bends(early) else early
    top = min(best)
    return [depth - top for depth in best]


# ---- the net of boxes and bends -----------------------------------------------------------------------------------

class _Net:
    """Boxes and, where an edge crosses a layer, bends: items that are linked to the layers next to theirs only.

    All edges of one source share their bends and leave them one after another, as a tree. So there are never more bends
    in a layer than sources, however many functions use one parameter.
    """

    def __init__(self, sizes: Sequence[Size], edges: Sequence[Edge], layer: list[int], last: int) -> None:
        self.boxes = len(sizes)
        self.layer = list(layer)
        self.widths: list[float] = [w for w, _ in sizes]
        self.up: Links = [[] for _ in sizes]       # links to the layer above: (item, weight)
        self.down: Links = [[] for _ in sizes]
        self.links: list[Edge] = []                     # (upper item, lower item)
        self.far: list[Edge] = []                       # edges between boxes without bends: (upper box, lower box)
        self._connect(edges)
        self.layers: list[list[int]] = [[] for _ in range(max(self.layer) + 1)]
        self.index = [0] * len(self.layer)
        self._first_order(last)

    def _item(self, layer: int) -> int:
        self.layer.append(layer)
        self.widths.append(2)
        self.up.append([])
        self.down.append([])
        return len(self.layer) - 1

    def _connect(self, edges: Sequence[Edge]) -> None:
        targets: dict[int, list[int]] = {}
        has_input = [False] * self.boxes
        for u, v in edges:
            if self.layer[u] > self.layer[v]:
                u, v = v, u
            if self.layer[u] == self.layer[v]:
                continue
            targets.setdefault(u, []).append(v)
            has_input[v] = True
        for u, vs in targets.items():
            begin, end = self.layer[u], max(self.layer[v] for v in vs)
            if len(self.layer) + end - begin > _MAX_ITEMS:
                self.far += [(u, v) for v in vs if self.layer[v] > begin + 1]
                end = begin + 1
            # A parameter follows its function and does not pull at it, so that the trunk of a network is straight.
            light = 0.02 if not has_input[u] and len(vs) == 1 else 1.0
            above = {begin: u}
            for depth in range(begin + 1, end):
                bend = self._item(depth)
                self._link(above[depth - 1], bend, 2.0 if above[depth - 1] == u else 6.0)
                above[depth] = bend
            for v in vs:
                if (source := above.get(self.layer[v] - 1)) is not None:
                    self._link(source, v, light if source == u else 1.0)

    def _link(self, a: int, b: int, weight: float) -> None:
        self.links.append((a, b))
        self.down[a].append((b, weight))
        self.up[b].append((a, weight))

    def _first_order(self, last: int) -> None:
        """The order in which a walk from the bottom finds the items: right already for trees."""
        seen = [False] * len(self.layer)
        for start in (last, *range(self.boxes)):
            stack = [start]
            while stack:
                a = stack.pop()
                if seen[a]:
                    continue
                seen[a] = True
                row = self.layers[self.layer[a]]
                self.index[a] = len(row)
                row.append(a)
                stack += [b for b, _ in reversed(self.up[a]) if not seen[b]]

    # -- crossings --

    def crossings(self) -> int:
        """How often links cross, each layer against the one below."""
        total = 0
        for row in self.layers:
            seen: list[int] = []
            for a in row:
                ends = sorted(self.index[b] for b, _ in self.down[a])
                for end in ends:
                    total += len(seen) - bisect_right(seen, end)
                for end in ends:
                    insort(seen, end)
        return total

    def uncross(self) -> None:
        """Reorder the layers so that fewer links cross; a bounded number of sweeps, the best order wins."""
        best, kept = self.crossings(), [list(row) for row in self.layers]
        idle = 0
        for sweep in range(24 if len(self.layer) <= _THOROUGH else 4):
            if not best or idle >= 4:
                break
            self._sort(upwards=sweep % 2 == 0)
            if len(self.layer) <= _THOROUGH:
                self._exchange()
            now = self.crossings()
            idle += 1
            if now < best:
                best, kept, idle = now, [list(row) for row in self.layers], 0
        self.layers = kept
        for row in kept:
            self._number(row)

    def _number(self, row: list[int]) -> None:
        for i, a in enumerate(row):
            self.index[a] = i

    def _sort(self, upwards: bool) -> None:
        near, index = (self.down, self.index) if upwards else (self.up, self.index)
        for row in reversed(self.layers) if upwards else self.layers:
            centre = {a: sum(index[b] for b, _ in near[a]) / len(near[a]) for a in row if near[a]}
            ordered = iter(sorted(centre, key=centre.__getitem__))
            row[:] = [next(ordered) if a in centre else a for a in row]
            self._number(row)

    def _exchange(self) -> None:
        """Exchange neighbours in a layer as long as that removes crossings, a few times over."""
        for _ in range(4):
            better = False
            for row in self.layers:
                ends = {a: [sorted(self.index[b] for b, _ in near[a]) for near in (self.up, self.down)] for a in row}
                for i in range(len(row) - 1):
                    a, b = row[i], row[i + 1]
                    if sum(_inversions(p, q) - _inversions(q, p) for p, q in zip(ends[a], ends[b], strict=True)) > 0:
                        row[i], row[i + 1] = b, a
                        better = True
                self._number(row)
            if not better:
                return

    # -- coordinates --

    def spread(self) -> None:
        """x of every item: near its neighbours above and below, in order, nothing overlapping."""
        self.xs = [0.0] * len(self.layer)
        for row in self.layers:
            xs = _apart([0.0] * len(row), [1.0] * len(row), self._gaps(row))
            for a, x in zip(row, xs, strict=True):
                self.xs[a] = x
        both = [u + d for u, d in zip(self.up, self.down, strict=True)]
        rounds = 8 if len(self.layer) <= _THOROUGH else 3
        for _ in range(rounds):
            self._pull(self.down, reversed(self.layers))
            self._pull(self.up, self.layers)
        for _ in range(rounds):
            self._pull(both, reversed(self.layers))
            self._pull(both, self.layers)

    def _gaps(self, row: list[int]) -> list[float]:
        return [(self.widths[a] + self.widths[b]) / 2 + GAP for a, b in pairwise(row)]

    def _pull(self, near: Links, rows: Iterable[list[int]]) -> None:
        xs = self.xs
        for row in rows:
            targets, weights = [], []
            for a in row:
                weight = sum(w for _, w in near[a])
                targets.append(sum(xs[b] * w for b, w in near[a]) / weight if weight else xs[a])
                weights.append(weight or 0.01)
            for a, x in zip(row, _apart(targets, weights, self._gaps(row)), strict=True):
                xs[a] = x

    # -- the picture --

    def placement(self, sizes: Sequence[Size]) -> Placement:
        heights = [max((sizes[a][1] for a in row if a < self.boxes), default=0) for row in self.layers]
        reach = [0.0] * len(self.layers)
        for a, b in self.links:
            reach[self.layer[a]] = max(reach[self.layer[a]], abs(self.xs[a] - self.xs[b]))
        middles, y = [], 0.0
        for height, width in zip(heights, reach, strict=True):
            middles.append(y + height / 2)
            y += height + STEP + min(50.0, 0.1 * width)  # flat curves get room
        left = min(self.xs[a] - self.widths[a] / 2 for row in self.layers for a in row[:1])
        right = max(self.xs[a] + self.widths[a] / 2 for row in self.layers for a in row[-1:])
        self.xs = [x - left for x in self.xs]
        tops = [m - h / 2 for m, h in zip(middles, heights, strict=True)]
        bottoms = [m + h / 2 for m, h in zip(middles, heights, strict=True)]

        def half(a: int) -> Any:
            return sizes[a][1] / 2 if a < self.boxes else None

        starts, ends = self._ports(sizes)
        strokes = []
        for k, (a, b) in enumerate(self.links + self.far):
            start = bottoms[self.layer[a]] if half(a) is None else middles[self.layer[a]] + half(a)
            end = tops[self.layer[b]] if half(b) is None else middles[self.layer[b]] - half(b)
            strokes.append((*_curve(starts[k], start, ends[k], end, a < self.boxes, b < self.boxes), b < self.boxes))
        for a in range(self.boxes, len(self.layer)):
            x, top, bottom = self.xs[a], tops[self.layer[a]], bottoms[self.layer[a]]
            strokes.append((*_curve(x, top, x, bottom, False, False), False))
        ys = [middles[self.layer[a]] for a in range(self.boxes)]
        return Placement(self.xs[: self.boxes], ys, strokes, right - left, bottoms[-1])

    def _ports(self, sizes: Sequence[Size]) -> tuple[list[float], list[float]]:
        """Where each link leaves its upper end and meets its lower one: side by side on a box, straight if it can."""
        links = self.links + self.far
        starts, ends = [self.xs[a] for a, _ in links], [self.xs[b] for _, b in links]
        leaving: dict[int, list[int]] = {}
        meeting: dict[int, list[int]] = {}
        for k, (a, b) in enumerate(links):
            if a < self.boxes:
                leaving.setdefault(a, []).append(k)
            if b < self.boxes:
                meeting.setdefault(b, []).append(k)
        for groups, found, other in ((meeting, ends, 1), (leaving, starts, 0)):
            for box, ks in groups.items():
                room = max(0.0, sizes[box][0] / 2 - sizes[box][1] / 2)
                goal = {k: self.xs[links[k][1 - other]] for k in ks}
                ks.sort(key=goal.__getitem__)
                apart: list[float] = [PORT] * (len(ks) - 1)
                if not other:                  # edges may leave from one point, unless they go to the same box
                    apart = [PORT if links[k] == links[j] else 0.0 for k, j in pairwise(ks)]
                squeeze = min(1.0, 2 * room / sum(apart)) if sum(apart) else 1.0
                x = self.xs[box]
                wanted = [min(max(goal[k], x - room), x + room) for k in ks]
                xs = _apart(wanted, [1.0] * len(ks), [gap * squeeze for gap in apart])
                shift = max(0.0, x - room - xs[0]) - max(0.0, xs[-1] - x - room)
                for k, value in zip(ks, xs, strict=True):
                    found[k] = value + shift
        return starts, ends


def _curve(x0: float, y0: float, x1: float, y1: float, free0: bool, free1: bool) -> Curve:
    """A Bezier curve between two points, upright where it goes on in another one, leaning towards the other end at a
    free end."""
    lean, middle = 0.45 * (x1 - x0), (y0 + y1) / 2
    return x0, y0, x0 + lean * free0, middle, x1 - lean * free1, middle, x1, y1


def _inversions(left: list[int], right: list[int]) -> int:
    """How many of the pairs (p in left, q in right), both sorted, cross when left stands first: p > q."""
    total = i = 0
    for p in left:
        while i < len(right) and right[i] < p:
            i += 1
        total += i
    return total


def _apart(targets: list[float], weights: list[float], gaps: list[float]) -> list[float]:
    """The xs with xs[i + 1] - xs[i] >= gaps[i] that minimise the weighted sum of (xs[i] - targets[i]) ** 2.

    Without the gaps it is isotonic regression, whose solution the algorithm of pooling adjacent violators finds in one
    pass (Barlow and others, Statistical Inference under Order Restrictions, 1972).
    """
    offsets, offset = [], 0.0
    for gap in (0.0, *gaps):
        offset += gap
        offsets.append(offset)
    pools: list[tuple[float, float, int]] = []  # [sum of weighted values, sum of weights, count]
    for target, weight, offset in zip(targets, weights, offsets, strict=False):
        total, mass, count = (target - offset) * weight, weight, 1
        while pools and pools[-1][0] * mass >= total * pools[-1][1]:
            earlier = pools.pop()
            total, mass, count = total + earlier[0], mass + earlier[1], count + earlier[2]
        pools.append((total, mass, count))
    means = (total / mass for total, mass, count in pools for _ in range(count))
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]
