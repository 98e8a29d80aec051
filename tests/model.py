"""What a graph means, in plain Python and slowly: the model that tests/test_fuzz_graphs.py holds the engine against.

Arrays are lists of floats with a list of places, so that views share memory as NumPy's do. Nodes and calls are Python objects
with the links that DeZero's have: a node owns its creator, a call owns its inputs and knows its outputs weakly. Every gradient
is computed by operations on nodes, so that a graph of gradients needs nothing more. Nothing here knows dezero_c or NumPy.
"""

import itertools
import math
import weakref


class Trapped(Exception):
    """What an armed trap raises."""


class Forgotten(Exception):
    """A node whose creator takes another node for its output is in the walk's way."""


class State:
    """The modes, the switch of all traps, and the largest number so far, by which rounding is judged."""

    def __init__(self):
        self.recording = True
        self.walking = False
        self.armed = None       # None, "forward" or "backward"
        self.peak = 1.0


state = State()


# ---- arrays -------------------------------------------------------------------------------------------------------


class Store:
    """Memory that arrays share. `ours` is False where the engine may share it with others than the model does."""

    def __init__(self, numbers, ours):
        self.numbers = numbers
        self.ours = ours


class Array:
    """A shape, and for each element in C order its place in a store."""

    def __init__(self, shape, store, places, fixed=False):
        self.shape = shape
        self.store = store
        self.places = places
        self.fixed = fixed      # read-only, as what broadcast_to gives

    def numbers(self):
        return [self.store.numbers[k] for k in self.places]

    def changeable(self):
        return self.store.ours and not self.fixed


def size(shape):
    return math.prod(shape)


def array(shape, numbers, ours=None):
    """A new array. Within a walk its memory is nobody's to write to."""
    numbers = [float(x) for x in numbers]
    assert len(numbers) == size(shape)
    for x in numbers:
        if abs(x) > state.peak:
            state.peak = abs(x)
    return Array(shape, Store(numbers, not state.walking if ours is None else ours), list(range(len(numbers))))


def indices(shape):
    return itertools.product(*map(range, shape))


def place(shape, index):
    k = 0
    for n, i in zip(shape, index, strict=True):
        k = k * n + i
    return k


def common(a, b):
    """The shape that two shapes broadcast to, or None."""
    n = max(len(a), len(b))
    result = []
    for x, y in zip((1,) * (n - len(a)) + a, (1,) * (n - len(b)) + b, strict=True):
        if x != y and 1 not in (x, y):
            return None
        result.append(y if x == 1 else x)
    return tuple(result)


def stretched(shape, into):
    """For each element of the shape `into`, in order, the element of `shape` that it is read from."""
    lead = len(into) - len(shape)
    return [place(shape, tuple(0 if n == 1 else i for n, i in zip(shape, index[lead:], strict=True)))
            for index in indices(into)]


def mapped(function, *xs):
    shape = ()
    for x in xs:
        shape = common(shape, x.shape)
    columns = []
    for x in xs:
        numbers = x.numbers()
        columns.append([numbers[k] for k in stretched(x.shape, shape)])
    return array(shape, map(function, *columns))


def viewed(x, shape, order, fixed=False):
    return Array(shape, x.store, [x.places[k] for k in order], fixed or x.fixed)


def strided(places, shape):
    """Whether one step along an axis is always the same distance: otherwise a reshape is a copy."""
    steps = [places[place(shape, tuple(int(j == k) for j in range(len(shape))))] - places[0] if n > 1 else 0
             for k, n in enumerate(shape)]
    return all(places[place(shape, index)] == places[0] + sum(i * s for i, s in zip(index, steps, strict=True))
               for index in indices(shape))


# ---- nodes --------------------------------------------------------------------------------------------------------


class Node:
    """A Variable."""

    def __init__(self, data):
        self.data = data
        self.grad = None
        self.creator = None
        self.generation = 0
        self.derived = False        # hangs on a graph of gradients: its generation is the engine's own affair
        self.constant = False       # an operand that was no Variable

    @property
    def shape(self):
        return self.data.shape

    def take(self, call):
        self.creator = call
        self.generation = call.generation + 1

    def unchain(self):
        if self.creator is not None and len(self.creator.outputs) == 1 and self.creator.outputs[0]() is self:
            self.creator.loose = True
        self.creator = None

    def unchain_backward(self):
        todo = [self.creator] if self.creator else []
        while todo:
            for x in todo.pop().inputs:
                if x.creator is not None:
                    todo.append(x.creator)
                    x.unchain()

    def backward(self, retain_grad=False, create_graph=False):
        walk(self, retain_grad, create_graph)


class Call:
    """A Function that has been called. Operations derive from it."""

    def __init__(self, *inputs):
        self.inputs = inputs
        self.generation = max(x.generation for x in inputs)
        self.outputs = []
        self.loose = False      # its output was unchained: another node that has it for a creator is taken for a stranger

    def results(self):
        return [r() for r in self.outputs]


def call(kind, *inputs, **options):
    """Runs an operation on nodes; gives the node, or a list of nodes where the operation has several outputs."""
    xs = [x.data for x in inputs]
    made = kind.__new__(kind)
    vars(made).update(options)
    ys = made.forward(*xs)
    several = isinstance(ys, tuple)
    nodes = [Node(y) for y in (ys if several else (ys,))]
    for node in nodes:
        node.derived = state.walking or any(x.derived for x in inputs)
    if state.recording:
        Call.__init__(made, *inputs)
        for node in nodes:
            node.take(made)
        made.outputs = [weakref.ref(node) for node in nodes]
    return nodes if several else nodes[0]


def walk(root, retain, create_graph):
    seeded = root.grad is None
    old = state.recording, state.walking
    state.walking = True
    try:
        if seeded:
            root.grad = Node(array(root.shape, [1.0] * size(root.shape)))
        if root.creator is None:
            return
        state.recording = create_graph
        waiting, known, current = [], set(), None
        try:
            enter(root, waiting, known)
            while waiting:
                waiting.sort(key=lambda c: c.generation)      # stable: of equals the one that came last goes first
                current = waiting.pop()
                step(current, retain, waiting, known)
        except Exception:
            if current is not None:
                for y in current.results():
                    if y is not None and (seeded or y is not root):
                        y.grad = None
                for x in current.inputs:
                    if x.creator is not None:
                        x.grad = None
            for c in waiting:
                for y in c.results():
                    if y is not None:
                        y.grad = None
            raise
    finally:
        state.recording, state.walking = old


def enter(x, waiting, known):
    c = x.creator
    if c in known:
        return
    known.add(c)
    if len(c.outputs) == 1 and c.outputs[0]() is not x:
        raise Forgotten
    waiting.append(c)


def step(c, retain, waiting, known):
    outputs = c.results()
    gys = [y.grad if y is not None and y.grad is not None else Node(array(shape, [0.0] * size(shape)))
           for y, shape in zip(outputs, c.shapes(), strict=True)]
    gxs = c.backward(*gys)
    for x, gx in zip(c.inputs, gxs, strict=True):
        if x.constant:
            continue
        if x.grad is not None:
            x.grad = call(Add, x.grad, gx)
        elif state.recording or not any(gx is gy for gy in gys):
            x.grad = gx
        else:       # without a graph every gradient is an object of its own
            x.grad = Node(array(gx.shape, gx.data.numbers()))
    if not retain:
        for y in outputs:
            if y is not None:
                y.grad = None
    for x in c.inputs:
        if x.creator is not None:
            enter(x, waiting, known)


# ---- operations ---------------------------------------------------------------------------------------------------


def shaped(gx, x):
    """gx summed to x's shape."""
    return gx if gx.shape == x.shape else call(SumTo, gx, shape=x.shape)


def number(value):
    node = Node(array((), [value]))
    node.constant = True
    return node


class One(Call):
    """An operation with one output."""

    def shapes(self):
        y = self.outputs[0]()
        return [y.shape if y is not None else ()]


class Add(One):
    def forward(self, a, b):
        return mapped(lambda p, q: p + q, a, b)

    def backward(self, gy):
        a, b = self.inputs
        return shaped(gy, a), shaped(gy, b)


class Sub(One):
    def forward(self, a, b):
        return mapped(lambda p, q: p - q, a, b)

    def backward(self, gy):
        a, b = self.inputs
        return shaped(gy, a), shaped(call(Neg, gy), b)


class Mul(One):
    def forward(self, a, b):
        return mapped(lambda p, q: p * q, a, b)

    def backward(self, gy):
        a, b = self.inputs
        return shaped(call(Mul, gy, b), a), shaped(call(Mul, gy, a), b)


class Neg(One):
    def forward(self, x):
        return mapped(lambda p: -p, x)

    def backward(self, gy):
        return (call(Neg, gy),)


class Square(One):
    def forward(self, x):
        return mapped(lambda p: p * p, x)

    def backward(self, gy):
        return (call(Mul, call(Mul, number(2.0), self.inputs[0]), gy),)


class Cube(One):
    """x ** 3."""

    def forward(self, x):
        return mapped(lambda p: p * p * p, x)

    def backward(self, gy):
        return (call(Mul, call(Mul, number(3.0), call(Square, self.inputs[0])), gy),)


class Sin(One):
    def forward(self, x):
        return mapped(math.sin, x)

    def backward(self, gy):
        return (call(Mul, gy, call(Cos, self.inputs[0])),)


class Cos(One):
    def forward(self, x):
        return mapped(math.cos, x)

    def backward(self, gy):
        return (call(Mul, gy, call(Neg, call(Sin, self.inputs[0]))),)


class Tanh(One):
    """Its gradient looks at the output, whatever has become of that."""

    def forward(self, x):
        return mapped(math.tanh, x)

    def backward(self, gy):
        y = self.outputs[0]()
        return (call(Mul, gy, call(Sub, number(1.0), call(Mul, y, y))),)


class Sum(One):
    def forward(self, x):
        return array((), [math.fsum(x.numbers())])

    def backward(self, gy):
        return (call(BroadcastTo, gy, shape=self.inputs[0].shape),)


class SumTo(One):
    def forward(self, x):
        totals = [0.0] * size(self.shape)
        for k, p in zip(stretched(self.shape, x.shape), x.numbers(), strict=True):
            totals[k] += p
        return array(self.shape, totals)

    def backward(self, gy):
        return (call(BroadcastTo, gy, shape=self.inputs[0].shape),)


class BroadcastTo(One):
    def forward(self, x):
        return viewed(x, self.shape, stretched(x.shape, self.shape), fixed=True)

    def backward(self, gy):
        return (shaped(gy, self.inputs[0]),)


class Reshape(One):
    def forward(self, x):
        if not strided(x.places, self.shape):
            return array(self.shape, x.numbers())
        return viewed(x, self.shape, range(size(self.shape)))

    def backward(self, gy):
        return (call(Reshape, gy, shape=self.inputs[0].shape),)


class Transpose(One):
    def forward(self, x):
        shape = x.shape[::-1]
        return viewed(x, shape, [place(x.shape, index[::-1]) for index in indices(shape)])

    def backward(self, gy):
        return (call(Transpose, gy),)


class Item(One):
    """x[i] along the first axis."""

    def forward(self, x):
        n = size(x.shape[1:])
        if len(x.shape) == 1:       # a number, which has memory of its own
            return array((), [x.numbers()[self.i]])
        return viewed(x, x.shape[1:], range(self.i * n, (self.i + 1) * n))

    def backward(self, gy):
        return (call(Put, gy, i=self.i, shape=self.inputs[0].shape),)


class Put(One):
    """Zeros but for x at [i]."""

    def forward(self, x):
        n = size(x.shape)
        numbers = [0.0] * size(self.shape)
        numbers[self.i * n:(self.i + 1) * n] = x.numbers()
        return array(self.shape, numbers)

    def backward(self, gy):
        return (call(Item, gy, i=self.i),)


class MatMul(One):
    """Of two matrices."""

    def forward(self, a, b):
        (rows, inner), columns = a.shape, b.shape[1]
        p, q = a.numbers(), b.numbers()
        return array((rows, columns), [math.fsum(p[r * inner + k] * q[k * columns + c] for k in range(inner))
                                       for r in range(rows) for c in range(columns)])

    def backward(self, gy):
        a, b = self.inputs
        return call(MatMul, gy, call(Transpose, b)), call(MatMul, call(Transpose, a), gy)


class Scale(One):
    """A user's Function: k x."""

    def forward(self, x):
        return mapped(lambda p: p * self.k, x)

    def backward(self, gy):
        return (call(Mul, gy, number(self.k)),)


class Trap(One):
    """The identity, until it is armed."""

    def forward(self, x):
        if state.armed == "forward":
            raise Trapped
        return mapped(lambda p: p * 1.0, x)

    def backward(self, gy):
        if state.armed == "backward":
            raise Trapped
        return (call(Mul, gy, number(1.0)),)


class Pair(Call):
    """A user's Function of two outputs: 2 x and 3 x."""

    def shapes(self):
        return [self.shape] * 2

    def forward(self, x):
        self.shape = x.shape
        return mapped(lambda p: p * 2.0, x), mapped(lambda p: p * 3.0, x)

    def backward(self, ga, gb):
        return (call(Add, call(Mul, ga, number(2.0)), call(Mul, gb, number(3.0))),)


# ---- copies -------------------------------------------------------------------------------------------------------


def before(roots):
    """All nodes that a copy of `roots` takes along: what they were computed from, other outputs on the way, gradients."""
    found, todo = {}, list(roots)
    while todo:
        node = todo.pop()
        if node is None or id(node) in found:
            continue
        found[id(node)] = node
        todo.append(node.grad)
        if node.creator is not None:
            todo.extend(node.creator.inputs)
            todo.extend(y for y in node.creator.results() if y is not None and y.creator is node.creator)
    return list(found.values())


def astray(root):
    """The calls that a walk from root comes to by a node that is not their output."""
    calls = behind(root)
    nodes = [root, *(x for c in calls for x in c.inputs)]
    return [x.creator for x in nodes
            if x.creator is not None and len(x.creator.outputs) == 1 and x.creator.outputs[0]() is not x]


def behind(root):
    """The calls that a walk from root comes by."""
    found, todo = set(), [root]
    while todo:
        c = todo.pop().creator
        if c is not None and c not in found:
            found.add(c)
            todo.extend(c.inputs)
    return found


def duplicate(roots):
    """Copies of the roots in a graph of their own. Views are arrays of their own then; calls keep their generations."""
    nodes = before(roots)
    twins, calls, arrays = {}, {}, {}
    for node in nodes:
        data = node.data
        if id(data) not in arrays:      # one array of two nodes stays one
            arrays[id(data)] = Array(data.shape, Store(data.numbers(), data.store.ours), list(range(size(data.shape))),
                                     data.fixed)
        twin = Node(arrays[id(data)])
        twin.derived, twin.constant = node.derived, node.constant
        twins[id(node)] = twin
        if node.creator is not None:
            calls[id(node.creator)] = node.creator
    for node in nodes:
        twins[id(node)].grad = None if node.grad is None else twins[id(node.grad)]
    for c in calls.values():
        new = type(c).__new__(type(c))
        vars(new).update({k: v for k, v in vars(c).items() if k not in ("inputs", "generation", "outputs", "loose")})
        Call.__init__(new, *(twins[id(x)] for x in c.inputs))
        new.generation = c.generation
        for y in c.results():
            twin = None if y is None or y.creator is not c else twins[id(y)]
            new.outputs.append(gone if twin is None else weakref.ref(twin))
            if twin is not None:
                twin.take(new)
    return [twins[id(root)] for root in roots]


def shallow(node):
    """copy.copy: the same data, gradient and creator, whose output the original stays; without a creator it is a new leaf."""
    twin = Node(node.data)
    twin.grad, twin.creator = node.grad, node.creator
    twin.generation = 0 if node.creator is None else node.generation
    twin.derived = node.derived
    return twin


gone = weakref.ref(Store([], True))     # what a dead output's reference looks like
