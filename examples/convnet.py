"""A small convolutional network on the handwritten digits: three convolutions, two poolings, dropout.

The data and the way in which examples are moved are those of digits.py. Weights are saved, and loaded into a second
network, which is the one that is tested at the end. The picture shows what the first layer's filters make of a digit,
and the curves of the loss.

    python examples/convnet.py [--quick] [--out FOLDER]
"""

import os
import time

import numpy as np
from _pictures import ORANGE, Picture, options
from digits import moved

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import optimizers
from dezero_c.dataloaders import DataLoader
from dezero_c.datasets import Digits
from dezero_c.history import History, progress
from dezero_c.models import Model


class ConvNet(Model):
    """x: (N, 64), images of 8x8; gives (N, 10) scores."""

    def __init__(self):
        super().__init__()
        self.conv1 = L.Conv2d(32, kernel_size=3, pad=1)
        self.conv2 = L.Conv2d(32, kernel_size=3, pad=1)
        self.conv3 = L.Conv2d(64, kernel_size=3, pad=1)
        self.fc4 = L.Linear(128)
        self.fc5 = L.Linear(10)

    def first(self, x):
        return F.relu(self.conv1(F.reshape(x, (-1, 1, 8, 8))))

    def forward(self, x):
        x = F.relu(self.conv2(self.first(x)))
        x = F.pooling(x, 2, 2)                      # 4x4
        x = F.pooling(F.relu(self.conv3(x)), 2, 2)      # 2x2
        x = F.relu(self.fc4(F.dropout(F.flatten(x), 0.2)))
        return self.fc5(x)


def score(model, dataset):
    """The loss and the accuracy of the model, without dropout."""
    x, t = dataset[:]
    with dezero_c.test_mode(), dezero_c.no_grad():
        y = model(x)
        return F.softmax_cross_entropy(y, t), F.accuracy(y, t)


def main(quick, out):
    np.random.seed(0)
    max_epoch, batch_size = (2 if quick else 30), 50

    train_set, test_set = Digits(train=True), Digits(train=False)
    train_loader = DataLoader(train_set, batch_size)
    model = ConvNet()
    optimizer = optimizers.Adam(alpha=0.003).setup(model)
    schedule = optimizers.CosineDecay(optimizer, max_epoch)

    history = History()
    start = time.perf_counter()
    for epoch in range(1, max_epoch + 1):
        sum_loss = 0.0
        bar = progress(train_loader, desc=f"epoch {epoch}")
        for x, t in bar:
            loss = F.softmax_cross_entropy(model(moved(x)), t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            sum_loss += float(loss.data) * len(t)
            bar.set_postfix(loss=loss)
        schedule.step()
        test_loss, test_accuracy = score(model, test_set)
        history.append(train_loss=sum_loss / len(train_set), test_loss=test_loss, test_accuracy=test_accuracy)
    print(history)
    print(f"{max_epoch} epochs in {time.perf_counter() - start:.1f} s")

    weights = os.path.join(out, "convnet.npz")
    model.save_weights(weights)
    again = ConvNet()
    again.load_weights(weights)
    print(f"weights: {weights}, loaded again; test accuracy {float(score(again, test_set)[1].data):.2%}")

    x, t = test_set[int(np.argmax(test_set.label == 5))]
    with dezero_c.no_grad():
        maps = again.first(x).data[0]
    maps = maps[np.argsort(-maps.std(axis=(1, 2)))][:23]
    maps /= maps.max(axis=(1, 2), keepdims=True) + 1e-6
    picture = Picture(height=3.4)
    panel = picture.panel(f"a {t}, and what filters of the first layer make of it", 4.6, bare=True)
    panel.tiles(np.concatenate([x.reshape(1, 8, 8), maps]), columns=6)
    curve = picture.panel("loss", 3.4, xlabel="epoch")
    curve.line(history["epoch"], history["train_loss"], "training, with dropout")
    curve.line(history["epoch"], history["test_loss"], "test", ORANGE)
    picture.save(out, "convnet")


if __name__ == "__main__":
    args = options(__doc__)
    main(args.quick, args.out)
