"""A training loop, `fit`, and what can be hung into it: callbacks that stop it early, keep the best weights, write checkpoints.

    history = dezero_c.fit(model, (x, t), optimizers.Adam(), F.softmax_cross_entropy, epochs=10, validation=(x_test, t_test))

The loop is _loop.py, over the parts that a program has for one of its own: data loaders, optimizers, `History`, `capture`.
Checkpoints are written and read by _checkpoint.py.
"""

from dezero_c.training._loop import State, fit
from dezero_c.training.callbacks import BestWeights, Callback, Checkpoint, EarlyStopping

__all__ = ["BestWeights", "Callback", "Checkpoint", "EarlyStopping", "State", "fit"]
