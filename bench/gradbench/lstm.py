"""lstm: the mean loss of a recurrent network that predicts the next row of a sequence, one row after the other (ADBench's LSTM:
after Hochreiter and Schmidhuber 1997, with diagonal weights, so that all products are elementwise). For each layer

    f = sigmoid(x w_f + b_f)    i = sigmoid(h w_i + b_i)    o = sigmoid(x w_o + b_o)
    c' = c f + i tanh(h w_c + b_c)    h' = o tanh(c')

with x the row times the input weights, or h' of the layer before; the prediction y = h' w + b of the last layer is compared
with the next row r by sum(r (y - log(2 + sum(exp(y))))). Rows 2 j and 2 j + 1 of `main_params` are w and b of layer j: f, i, o,
c.
"""

import numpy as np

from .fields import BadInput, array

COMPARED = {"objective": "objective", "derivative": "jacobian"}


def read(data):
    extra = array(data, "extra_params", (3, None))
    b = extra.shape[1]
    main, state = array(data, "main_params", (None, 4 * b)), array(data, "state", (None, b))
    sequence = array(data, "sequence", (None, b))
    if not b or not main.size or len(main) % 2 or len(main) != len(state):
        raise BadInput(f"`main_params` has {len(main)} rows and `state` {len(state)}; each has two for a layer")
    if len(sequence) < 2:
        raise BadInput(f"`sequence` has {len(sequence)} rows; a prediction needs two")
    return main, extra, state, sequence


def functions(xp, problem):
    main, extra, state, sequence = problem
    b, layers = extra.shape[1], range(len(main) // 2)
    start = [(xp.constant(state[2 * j]), xp.constant(state[2 * j + 1])) for j in layers]
    given, following = xp.constant(sequence[:-1]), xp.constant(sequence[1:])
    weight = -1 / following.shape[0] / b

    def objective(main, extra):
        gates = [[main[row, k * b : (k + 1) * b] for row in (2 * j, 2 * j + 1) for k in range(4)] for j in layers]
        into, out, offset = extra[0], extra[1], extra[2]

        def step(carry, row):
            x, after = row * into, []
            for (h, c), (wf, wi, wo, wc, bf, bi, bo, bc) in zip(carry, gates, strict=True):
                forget, change = xp.sigmoid(x * wf + bf), xp.tanh(h * wc + bc)
                c = c * forget + xp.sigmoid(h * wi + bi) * change
                x = xp.sigmoid(x * wo + bo) * xp.tanh(c)
                after.append((x, c))
            return after, x

        predicted = joined(xp, xp.scan(step, start, given)) * out + offset
        logs = xp.log(2 + xp.sum(xp.exp(predicted), 1))
        return weight * (xp.sum(following * predicted) - xp.sum(xp.sum(following, 1) * logs))

    return {"objective": xp.value(objective, main, extra), "jacobian": xp.gradient(objective, main, extra)}


def joined(xp, ys):
    return xp.stack(ys) if isinstance(ys, list) else ys


def write(name, result):
    return result if name == "objective" else np.concatenate([each.ravel() for each in result])


def example(size):
    layers, b, c = {"small": (2, 5, 12), "large": (2, 14, 1024)}[size]
    r = np.random.default_rng(0)
    shapes = {"main_params": (2 * layers, 4 * b), "extra_params": (3, b), "state": (2 * layers, b)}
    arrays = {name: r.uniform(-0.8, 0.8, shape) for name, shape in shapes.items()}
    arrays["sequence"] = (r.random((c, b)) < 0.3).astype(float)
    return {name: a.tolist() for name, a in arrays.items()}
