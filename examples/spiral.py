"""Three arms of a spiral, told apart by a network with one hidden layer of ten, trained by plain gradient descent.

The book's step 48, with the data loader of step 50. The picture shows which class the network gives to each point of
the plane, and the training points on top.

    python examples/spiral.py [--quick] [--capture] [--out FOLDER]
"""

import time

import numpy as np
from _pictures import GREEN, ORANGE, Picture, options, rgb

import dezero_c
import dezero_c.functions as F
from dezero_c import optimizers
from dezero_c.dataloaders import DataLoader
from dezero_c.datasets import Spiral
from dezero_c.history import History
from dezero_c.models import MLP

VIOLET = "#7b5bd6"
COLOURS = (ORANGE, GREEN, VIOLET)
SIDE = 320      # of the picture's map, in pixels


def main(quick, out, capture):
    np.random.seed(0)
    max_epoch, batch_size, lr = (150 if quick else 500), 30, 1.0

    train_set, test_set = Spiral(train=True), Spiral(train=False)
    train_loader = DataLoader(train_set, batch_size)
    model = MLP((10, 3))
    optimizer = optimizers.SGD(lr).setup(model)
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
    for epoch in range(1, max_epoch + 1):
        sum_loss = sum_right = 0.0
        for x, t in train_loader:
            loss, y = step(x, t)
            sum_loss += float(loss.data) * len(t)
            sum_right += float(F.accuracy(y, t).data) * len(t)
        schedule.step()
        history.append(loss=sum_loss / len(train_set), accuracy=sum_right / len(train_set))
        if epoch == 1 or epoch % (max_epoch // 5) == 0:
            print(f"epoch {epoch:3d}  loss {history['loss'][-1]:.4f}  accuracy {history['accuracy'][-1]:.3f}")
    steps = max_epoch * train_loader.max_iter
    seconds = time.perf_counter() - start
    x, t = test_set[:]
    with dezero_c.no_grad():
        right = float(F.accuracy(model(x), t).data)
    print(f"{steps:,} steps in {seconds:.2f} s; accuracy on new points {right:.3f}")

    # The picture: softmax of the network at every pixel, mixed from the classes' colours.
    edge = np.linspace(-1.15, 1.15, SIDE)
    plane = np.stack(np.meshgrid(edge, -edge), axis=-1).reshape(-1, 2).astype(np.float32)
    with dezero_c.no_grad():
        share = F.softmax(model(plane)).data.reshape(SIDE, SIDE, 3)
    pale = np.stack([rgb(c) for c in COLOURS]) * 0.42 + 255 * 0.58
    picture = Picture(height=3.6)
    panel = picture.panel("which arm the network sees", width=3.9, square=True)
    panel.image((share @ pale).astype(np.uint8), -1.15, 1.15, -1.15, 1.15, smooth=True)
    panel.limits = (-1.15, 1.15, -1.15, 1.15)
    x, t = train_set[:]
    for k, colour in enumerate(COLOURS):
        panel.dots(*x[t == k].T, colour)
    curves = picture.panel("training", width=3.6, xlabel="epoch")
    curves.line(history["epoch"], history["loss"], "loss")
    curves.line(history["epoch"], history["accuracy"], "accuracy", ORANGE)
    picture.save(out, "spiral")


if __name__ == "__main__":
    args = options(__doc__, capture=True)
    main(args.quick, args.out, args.capture)
