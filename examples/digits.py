"""Handwritten digits: a network of three layers reads at least 97 % of those that it has never seen.

The data, 1,797 images of 8x8 of the UCI repository, come with dezero_c; every fifth is for the test. So that few
examples suffice, each is moved by up to one pixel, anew whenever it is used. Two pictures: what the network reads, the
test's first digits and the most doubtful ones, and the curves of loss and accuracy.

    python examples/digits.py [--quick] [--capture] [--out FOLDER]
"""

import time

import numpy as np
from _pictures import GREEN, RED, Picture, options

import dezero_c
import dezero_c.functions as F
from dezero_c import optimizers
from dezero_c.dataloaders import DataLoader
from dezero_c.datasets import Digits
from dezero_c.history import History, progress
from dezero_c.models import MLP


def moved(x):
    """Images (N, 64), each moved by -1, 0 or 1 pixel both ways; what comes in from outside is 0."""
    N = len(x)
    images = np.pad(x.reshape(N, 8, 8), ((0, 0), (1, 1), (1, 1)))
    rows, columns = np.arange(8) + np.random.randint(0, 3, (2, N, 1))
    return images[np.arange(N)[:, None, None], rows[:, :, None], columns[:, None, :]].reshape(N, 64)


def main(quick, out, capture):
    np.random.seed(0)
    max_epoch, batch_size = (8 if quick else 100), 100

    train_set, test_set = Digits(train=True), Digits(train=False)
    train_loader = DataLoader(train_set, batch_size)
    x_test, t_test = test_set[:]
    model = MLP((256, 128, 10), activation=F.relu)
    optimizer = optimizers.Adam(alpha=0.005).setup(model)
    schedule = optimizers.CosineDecay(optimizer, max_epoch)

    def step(x, t):
        y = model(x)
        loss = F.softmax_cross_entropy(y, t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        return loss, y

    if capture:
        step = dezero_c.capture(step)

    history = History()
    start = time.perf_counter()
    bar = progress(range(max_epoch), desc="digits")
    for _ in bar:
        sum_loss = sum_right = 0.0
        for x, t in train_loader:
            loss, y = step(moved(x), t)
            sum_loss += float(loss.data) * len(t)
            sum_right += float(F.accuracy(y, t).data) * len(t)
        schedule.step()
        with dezero_c.no_grad():
            y_test = model(x_test)
            test_loss, accuracy = F.softmax_cross_entropy(y_test, t_test), F.accuracy(y_test, t_test)
        history.append(train_loss=sum_loss / len(train_set), test_loss=test_loss,
                       train_accuracy=sum_right / len(train_set), test_accuracy=accuracy)
        bar.set_postfix(loss=history["train_loss"][-1], test_accuracy=accuracy)
    seconds = time.perf_counter() - start
    print(history)
    print(f"{max_epoch} epochs in {seconds:.1f} s, test accuracy {history['test_accuracy'][-1]:.2%}")

    # The pictures: the test's first digits, and those of which the network is least sure.
    share = F.softmax(y_test).data
    read = share.argmax(axis=1)
    captions = [(f"{r}", GREEN) if r == t else (f"{r} is {t}", RED) for r, t in zip(read, t_test, strict=True)]
    picture = Picture(height=3.7)
    for title, width, columns, places in (
        ("what it reads: the first of the test", 4.2, 8, np.arange(40)),
        (f"the most doubtful ({np.sum(read != t_test)} of {len(t_test)} read wrong)", 3.2, 6,
         share.max(axis=1).argsort()[:30]),
    ):
        panel = picture.panel(title, width, bare=True)
        panel.tiles(x_test[places].reshape(-1, 8, 8), columns, [captions[i] for i in places])
    path = picture.save(out, "digits")
    print("curves:", history.plot(path.replace("digits.", "digits-curves.")))


if __name__ == "__main__":
    args = options(__doc__, capture=True)
    main(args.quick, args.out, args.capture)
