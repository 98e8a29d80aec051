"""Whole training steps: forward, loss, gradients taken away, backward, update of every parameter. In float32, but for rows whose
data are float64, as np.random and so the book's programs have them, beside weights of float32.

The learning rates are so small that no weight changes: every run computes the same numbers, which can be checked, and does all
the work of a step.
"""

from itertools import pairwise

import numpy as np

from ..records import SINGLE, Goal, Tolerance, Workload, by_family, draw

RATE = 1e-30
STEPS, BATCH, HIDDEN = 30, 30, 100
ACTION, RETURN = 1, 2.5


class Gradient:
    """A Parameter's gradient, looked at when a result is checked and not in every run."""

    def __init__(self, param):
        self.param = param

    def __array__(self, dtype=None, copy=None):
        return np.asarray(self.param.grad.data, dtype)


def weights(sizes, seed=0):
    """W (in, out) and b for each layer."""
    arrays = []
    for i, (n, m) in enumerate(pairwise(sizes)):
        W, b = draw((n, m), (m,), dtype=np.float32, seed=seed + i)
        arrays += [W / np.float32(np.sqrt(n)), b * np.float32(0.1)]
    return arrays


def batch(sizes, n):
    (x,) = draw((n, sizes[0]), dtype=np.float32, seed=99)
    return x, np.arange(n) % sizes[-1]


def relu_layers(x, arrays):
    """The activations of a network of linear layers with relu between, in float64: inputs of each layer, and the output."""
    seen = []
    for i in range(0, len(arrays), 2):
        seen.append(x)
        x = x @ arrays[i].astype(float) + arrays[i + 1]
        if i + 2 < len(arrays):
            x = np.maximum(x, 0)
    return seen, x


def layer_gradients(seen, arrays, g):
    """The gradients of relu_layers' weights from that of the output."""
    gradients = []
    for i in range(len(arrays) - 2, -1, -2):
        gradients = [seen[i // 2].T @ g, g.sum(axis=0), *gradients]
        g = g @ arrays[i].astype(float).T * (seen[i // 2] > 0)
    return gradients


def log_softmax(x):
    z = x - x.max(axis=1, keepdims=True)
    return z - np.log(np.exp(z).sum(axis=1, keepdims=True))


def mlp_dezero(adapter, arrays):
    """A model with these weights, and its parameters in that order."""
    package = adapter.package
    sizes = [len(b) for b in arrays[1::2]]
    model = package.models.MLP(sizes, activation=package.functions.relu)
    params = []
    for layer, W, b in zip(model.layers, arrays[::2], arrays[1::2], strict=True):
        layer.W.data, layer.b.data = W.copy(), b.copy()
        params += [layer.W, layer.b]
    return model, [Gradient(p) for p in params]


def mlp_torch(adapter, arrays):
    torch = adapter.torch
    layers = []
    for W, b in zip(arrays[::2], arrays[1::2], strict=True):
        layer = torch.nn.Linear(*W.shape)
        with torch.no_grad():
            layer.weight.copy_(torch.tensor(W.T))
            layer.bias.copy_(torch.tensor(b))
        layers += [layer, torch.nn.ReLU()]
    return torch.nn.Sequential(*layers[:-1])


def torch_gradients(params):
    """In the layout of DeZero's: torch keeps W as (out, in)."""
    return [p.grad.T if p.ndim == 2 else p.grad for p in params]


def jax_step(adapter, arrays, loss_of, optimizer):
    """A step compiled as a whole: loss, gradients, update. `loss_of(jax, jnp, params)` is traced once."""
    jax, jnp = adapter.jax, adapter.jnp
    params = [jnp.asarray(a) for a in arrays]
    rate = np.float32(RATE)

    def adam(params, gradients, ms, vs, t):
        t = t + 1
        scaled = rate * jnp.sqrt(1 - np.float32(0.999) ** t) / (1 - np.float32(0.9) ** t)
        ms = [m + np.float32(0.1) * (g - m) for m, g in zip(ms, gradients, strict=True)]
        vs = [v + np.float32(0.001) * (g * g - v) for v, g in zip(vs, gradients, strict=True)]
        moved = [p - scaled * m / (jnp.sqrt(v) + np.float32(1e-8)) for p, m, v in zip(params, ms, vs, strict=True)]
        return moved, ms, vs, t

    @jax.jit
    def compiled(params, *state):
        loss, gradients = jax.value_and_grad(lambda params: loss_of(jax, jnp, params))(params)
        if optimizer == "SGD":
            return loss, gradients, ([p - rate * g for p, g in zip(params, gradients, strict=True)],)
        return loss, gradients, adam(params, gradients, *state)

    zeros = [jnp.zeros_like(p) for p in params]
    state = (params,) if optimizer == "SGD" else (params, zeros, zeros, jnp.float32(0))

    def run():
        nonlocal state
        loss, gradients, state = jax.block_until_ready(compiled(*state))
        return loss, gradients

    return run


def layers_jax(jax, x, params):
    for i in range(0, len(params), 2):
        x = x @ params[i] + params[i + 1]
        if i + 2 < len(params):
            x = jax.nn.relu(x)
    return x


def products(arrays, n):
    """The limit: forward, gradient of the weights and, but for the first layer, gradient of the input, of each layer."""
    work = []
    for i, W in enumerate(arrays[::2]):
        x, y = np.ones((n, W.shape[0]), np.float32), np.ones((n, W.shape[1]), np.float32)
        work += [(x, W, np.empty_like(y)), (x.T, y, np.empty_like(W))]
        if i:
            work.append((y, W.T, np.empty_like(x)))

    def run():
        for a, b, out in work:
            np.dot(a, b, out=out)
        return None, None

    return run


def as_it_is(function):
    """In place of `capture` where nothing is captured."""
    return function


def classifier(sizes, n, optimizer, dtype=np.float32):
    """Builders of one step of a network with softmax_cross_entropy. dtype: the data's; PyTorch takes none but its weights'."""
    arrays = weights(sizes)
    x, t = batch(sizes, n)
    x = x.astype(dtype)

    def dezero(adapter, _, capture=as_it_is):
        model, gradients = mlp_dezero(adapter, arrays)
        make = getattr(adapter.package.optimizers, optimizer)
        updates = (make(lr=RATE) if optimizer == "SGD" else make(alpha=RATE)).setup(model)
        loss_of = adapter.package.functions.softmax_cross_entropy

        @capture
        def step(x, t):
            loss = loss_of(model(x), t)
            model.cleargrads()
            loss.backward()
            updates.update()
            return loss

        return lambda: (step(x, t).data, gradients)

    def torch_(adapter, _):
        torch = adapter.torch
        model = mlp_torch(adapter, arrays)
        params = list(model.parameters())
        updates = getattr(torch.optim, optimizer)(params, lr=RATE)
        loss_of, xs, ts = torch.nn.CrossEntropyLoss(), torch.tensor(x), torch.tensor(t)

        def run():
            loss = loss_of(model(xs), ts)
            updates.zero_grad()
            loss.backward()
            updates.step()
            return loss, torch_gradients(params)

        return run

    def reference(_):
        seen, y = relu_layers(x.astype(float), arrays)
        log_p = log_softmax(y)
        right = np.eye(sizes[-1])[t]
        return -np.mean((log_p * right).sum(axis=1)), layer_gradients(seen, arrays, (np.exp(log_p) - right) / len(x))

    def loss_jax(jax, jnp, params):
        return -jnp.mean(jax.nn.log_softmax(layers_jax(jax, x, params))[np.arange(n), t])

    others = {"torch": torch_, "jax": lambda adapter, _: jax_step(adapter, arrays, loss_jax, optimizer)}
    return by_family(
        dezero=dezero, limit=lambda adapter, _: products(arrays, n), **(others if dtype == np.float32 else {}),
    ), reference  # fmt: skip


POLICY = weights((4, 128, 2), seed=20)
(OBSERVATION,) = draw((1, 4), dtype=np.float32, seed=98)


def policy_dezero(adapter, _, capture=as_it_is):
    F = adapter.package.functions
    model, gradients = mlp_dezero(adapter, POLICY)
    optimizer = adapter.package.optimizers.Adam(alpha=RATE).setup(model)

    @capture
    def step(x):
        p = F.softmax(model(x))
        loss = -F.log(p[0, ACTION]) * RETURN
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss

    return lambda: (step(OBSERVATION).data, gradients)


def policy_torch(adapter, _):
    torch = adapter.torch
    model = mlp_torch(adapter, POLICY)
    params = list(model.parameters())
    optimizer = torch.optim.Adam(params, lr=RATE)
    softmax, log = torch.softmax, torch.log

    def run():
        p = softmax(model(torch.from_numpy(OBSERVATION)), 1)
        loss = -log(p[0, ACTION]) * RETURN
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss, torch_gradients(params)

    return run


def policy_jax(adapter, _):
    def loss_of(jax, jnp, params):
        p = jax.nn.softmax(layers_jax(jax, OBSERVATION, params))
        return -jnp.log(p[0, ACTION]) * np.float32(RETURN)

    return jax_step(adapter, POLICY, loss_of, "Adam")


def policy_reference(_):
    seen, y = relu_layers(OBSERVATION.astype(float), POLICY)
    log_p = log_softmax(y)
    g = (np.exp(log_p) - np.eye(2)[[ACTION]]) * RETURN
    return -log_p[0, ACTION] * RETURN, layer_gradients(seen, POLICY, g)


GATES = "fiou"
X2, B2, H2 = (draw(*[shape] * 4, dtype=np.float32, seed=seed) for shape, seed in (
    ((1, HIDDEN), 30), (HIDDEN, 31), ((HIDDEN, HIDDEN), 32)))
H2 = [h / np.float32(np.sqrt(HIDDEN)) for h in H2]
OUT = weights((HIDDEN, 1), seed=40)
SERIES, TARGETS = draw((STEPS, BATCH, 1), (STEPS, BATCH, 1), dtype=np.float32, seed=50)


def lstm_dezero(adapter, _, capture=as_it_is):
    package = adapter.package
    layers, F = package.layers, package.functions

    class Net(package.models.Model):
        def __init__(self):
            super().__init__()
            self.rnn = layers.LSTM(HIDDEN, in_size=1)
            self.fc = layers.Linear(1, in_size=HIDDEN)

        def forward(self, x):
            return self.fc(self.rnn(x))

    net = Net()
    params = []
    for gate, W, b, h in zip(GATES, X2, B2, H2, strict=True):
        x2, h2 = getattr(net.rnn, f"x2{gate}"), getattr(net.rnn, f"h2{gate}")
        x2.W.data, x2.b.data, h2.W.data = W.copy(), b.copy(), h.copy()
        params += [x2.W, x2.b, h2.W]
    net.fc.W.data, net.fc.b.data = OUT[0].copy(), OUT[1].copy()
    gradients = [Gradient(p) for p in [*params, net.fc.W, net.fc.b]]
    optimizer = package.optimizers.SGD(lr=RATE).setup(net)

    @capture
    def step(series, targets):
        loss = 0
        for k in range(STEPS):
            loss += F.mean_squared_error(net(series[k]), targets[k])
        net.cleargrads()
        loss.backward()
        optimizer.update()
        net.rnn.reset_state()
        return loss

    return lambda: (step(SERIES, TARGETS).data, gradients)


def lstm_torch(adapter, _):
    """A loop over torch.nn.LSTMCell: a program that decides after each step. Its gates come in the order i, f, u, o."""
    torch = adapter.torch
    cell, fc = torch.nn.LSTMCell(1, HIDDEN), torch.nn.Linear(HIDDEN, 1)
    order = [GATES.index(gate) for gate in "ifuo"]
    with torch.no_grad():
        cell.weight_ih.copy_(torch.tensor(np.concatenate([X2[k].T for k in order])))
        cell.weight_hh.copy_(torch.tensor(np.concatenate([H2[k].T for k in order])))
        cell.bias_ih.copy_(torch.tensor(np.concatenate([B2[k] for k in order])))
        cell.bias_hh.zero_()
        fc.weight.copy_(torch.tensor(OUT[0].T))
        fc.bias.copy_(torch.tensor(OUT[1]))
    params = [*cell.parameters(), *fc.parameters()]
    optimizer = torch.optim.SGD(params, lr=RATE)
    xs, ts, mse = torch.tensor(SERIES), torch.tensor(TARGETS), torch.nn.functional.mse_loss

    def gradients():
        parts = {}
        for k, name in enumerate("ifuo"):
            rows = slice(k * HIDDEN, (k + 1) * HIDDEN)
            parts[name] = [cell.weight_ih.grad[rows].T, cell.bias_ih.grad[rows], cell.weight_hh.grad[rows].T]
        return [each for gate in GATES for each in parts[gate]] + [fc.weight.grad.T, fc.bias.grad]

    def run():
        h = c = torch.zeros(BATCH, HIDDEN)
        loss = 0
        for x, t in zip(xs, ts, strict=True):
            h, c = cell(x, (h, c))
            loss = loss + mse(fc(h), t)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss, gradients()

    return run


def lstm_products(adapter, _):
    """The limit: the recurrent products of the four gates at once, forward and both gradients, for each step."""
    h, W = np.ones((BATCH, HIDDEN), np.float32), np.ones((HIDDEN, 4 * HIDDEN), np.float32)
    z, gh, gW = np.empty((BATCH, 4 * HIDDEN), np.float32), np.empty_like(h), np.empty_like(W)

    def run():
        for _ in range(STEPS):
            np.dot(h, W, out=z)
            np.dot(z, W.T, out=gh)
            np.dot(h.T, z, out=gW)
        return None, None

    return run


def lstm_reference(_):
    """Backpropagation through time, written out."""
    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    Wx, b, Wh = ([a.astype(float) for a in each] for each in (X2, B2, H2))
    h, c, loss, seen = np.zeros((BATCH, HIDDEN)), np.zeros((BATCH, HIDDEN)), 0.0, []
    for x, t in zip(SERIES.astype(float), TARGETS.astype(float), strict=True):
        z = [x @ Wx[k] + b[k] + h @ Wh[k] for k in range(4)]
        f, i, o, u = sigmoid(z[0]), sigmoid(z[1]), sigmoid(z[2]), np.tanh(z[3])
        before, c = (h, c), f * c + i * u
        h = o * np.tanh(c)
        y = h @ OUT[0].astype(float) + OUT[1]
        loss += np.mean((y - t) ** 2)
        seen.append((x, before, (f, i, o, u), c, h, 2 * (y - t) / BATCH))
    gWx, gb, gWh = ([np.zeros_like(a) for a in each] for each in (Wx, b, Wh))
    gW, gb_out = np.zeros((HIDDEN, 1)), np.zeros(1)
    gh = gc = np.zeros((BATCH, HIDDEN))
    for x, (h_old, c_old), (f, i, o, u), c, h, gy in reversed(seen):
        gW, gb_out = gW + h.T @ gy, gb_out + gy.sum(axis=0)
        gh = gh + gy @ OUT[0].astype(float).T
        tanh_c = np.tanh(c)
        gc = gc + gh * o * (1 - tanh_c ** 2)
        gz = [gc * c_old * f * (1 - f), gc * u * i * (1 - i), gh * tanh_c * o * (1 - o), gc * i * (1 - u ** 2)]
        for k in range(4):
            gWx[k], gb[k], gWh[k] = gWx[k] + x.T @ gz[k], gb[k] + gz[k].sum(axis=0), gWh[k] + h_old.T @ gz[k]
        gh = sum(gz[k] @ Wh[k].T for k in range(4))
        gc = gc * f
    return loss, [each for k in range(4) for each in (gWx[k], gb[k], gWh[k])] + [gW, gb_out]


def workload(name, title, build, reference, dezero, torch=0, jax=0, **fields):
    labels = {"limit": "its matrix products alone"}
    goals = {"dezero": dezero, "torch": torch, "jax": jax}
    return Workload(name=name, title=title, unit="step", units=lambda n: 1, build=build, reference=reference, group="training",
                    goals=tuple(Goal("faster", least, peer) for peer, least in goals.items() if least), labels=labels,
                    **({"tolerance": SINGLE} | fields))


POLICY_STEP = (by_family(dezero=policy_dezero, torch=policy_torch, jax=policy_jax, limit=lambda adapter, _: products(POLICY, 1)),
               policy_reference)
LSTM_STEP = by_family(dezero=lstm_dezero, torch=lstm_torch, limit=lstm_products), lstm_reference
WORKLOADS = (
    workload("mlp-small-sgd", "MLP 4-32-32-2, batch 32, a step of SGD", *classifier((4, 32, 32, 2), 32, "SGD"), 8, 10, jax=1),
    workload("mlp-small-adam", "MLP 4-32-32-2, batch 32, a step of Adam", *classifier((4, 32, 32, 2), 32, "Adam"), 8, 20, jax=1),
    workload("mlp-small-sgd-f64", "MLP 4-32-32-2, batch 32 of float64, weights of float32, a step of SGD",
             *classifier((4, 32, 32, 2), 32, "SGD", np.float64), 6),
    workload("mlp-small-adam-f64", "MLP 4-32-32-2, batch 32 of float64, weights of float32, a step of Adam",
             *classifier((4, 32, 32, 2), 32, "Adam", np.float64), 6),
    workload("mlp-middle", "MLP 64-100-10, batch 100, a step of SGD", *classifier((64, 100, 10), 100, "SGD"), 3, 3.5),
    workload("mlp-large", "MLP 784-1000-10, batch 100, a step of SGD", *classifier((784, 1000, 10), 100, "SGD"), 2, 1.1),
    workload("lstm", "LSTM of 100, 30 steps, batch 30, a step of SGD", *LSTM_STEP, 6, 3, tolerance=Tolerance(2e-4, 2e-4)),
    workload("policy", "a policy 4-128-2 at one observation, a step of Adam", *POLICY_STEP, 10, 6, jax=1),
)
