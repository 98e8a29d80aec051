"""Handwritten digits on several processes: what one would print, save and draw, to the bit.

The network of digits.py, trained by 1, 2 or 4 processes that share each batch. A batch is cut into four virtual shards, whatever
the number of processes; each shard has random numbers of its own, and gradients are added up as one fixed tree, so that the
history, the saved weights and the pictures do not depend on who computed what.

    python -m dezero_c.mpi -n 2 examples/digits_mpi.py [--quick] [--out FOLDER]
"""

import io
import os
import sys
import time

import numpy as np
from _pictures import GREEN, RED, Picture, options

import dezero_c
import dezero_c.functions as F
from dezero_c import mpi, optimizers
from dezero_c.datasets import Digits
from dezero_c.history import History
from dezero_c.models import MLP


def moved(x):
    """Images (N, 64), each moved by -1, 0 or 1 pixel both ways; what comes in from outside is 0."""
    N = len(x)
    images = np.pad(x.reshape(N, 8, 8), ((0, 0), (1, 1), (1, 1)))
    rows, columns = np.arange(8) + np.random.randint(0, 3, (2, N, 1))
    return images[np.arange(N)[:, None, None], rows[:, :, None], columns[:, None, :]].reshape(N, 64)


def main(quick, out):
    np.random.seed(0)
    max_epoch, batch_size = (3 if quick else 100), 100
    comm = mpi.create_communicator(virtual_shards=4)
    if comm.rank:
        sys.stdout = io.StringIO()      # one process speaks for all
    train_set, test_set = Digits(train=True), Digits(train=False)
    loader = mpi.DataLoader(train_set, batch_size, comm)
    x_test, t_test = test_set[:]
    model = MLP((256, 128, 10), activation=F.relu)
    optimizer = mpi.create_multi_node_optimizer(optimizers.Adam(alpha=0.005), comm).setup(model)
    schedule = optimizers.CosineDecay(optimizer, max_epoch)

    def loss_of(x, t):
        return F.softmax_cross_entropy(model(moved(x)), t)

    mine = mpi.shard((x_test, t_test), comm)

    def evaluate():
        with dezero_c.no_grad():
            y = model(mine[0])
            return {"test_loss": F.softmax_cross_entropy(y, mine[1]), "test_accuracy": F.accuracy(y, mine[1])}

    evaluator = mpi.create_multi_node_evaluator(evaluate, comm, examples=len(mine[1]))
    history = History()
    start = time.perf_counter()
    for _ in range(max_epoch):
        sum_loss = 0.0
        for batch in loader:
            optimizer.update(loss_of, batch)
            sum_loss += optimizer.loss * batch.total
        schedule.step()
        history.append(train_loss=sum_loss / len(train_set), **evaluator())
    seconds = time.perf_counter() - start
    print(history)
    print(f"{max_epoch} epochs, test accuracy {history['test_accuracy'][-1]:.2%}")
    print(f"{comm.size} process{'es' * (comm.size > 1)}, {seconds:.1f} s", file=sys.stderr if comm.rank == 0 else sys.stdout)
    if comm.rank:
        return
    weights = os.path.join(out, "digits_mpi.npz")
    model.save_weights(weights)
    print("weights:", weights)

    with dezero_c.no_grad():
        share = F.softmax(model(x_test)).data
    read = share.argmax(axis=1)
    captions = [(f"{r}", GREEN) if r == t else (f"{r} is {t}", RED) for r, t in zip(read, t_test, strict=True)]
    picture = Picture(height=3.7)
    doubtful = share.max(axis=1).argsort()[:30]
    panel = picture.panel(f"the most doubtful ({np.sum(read != t_test)} of {len(t_test)} wrong)", 3.6, bare=True)
    panel.tiles(x_test[doubtful].reshape(-1, 8, 8), 6, [captions[i] for i in doubtful])
    curves = picture.panel("loss, of all processes' examples", 3.6, xlabel="epoch", log=True)
    for name, colour in (("train_loss", RED), ("test_loss", GREEN)):
        curves.line(range(1, max_epoch + 1), history[name], name.replace("_", " "), colour)
    picture.save(out, "digits_mpi")


if __name__ == "__main__":
    args = options(__doc__)
    main(args.quick, args.out)
