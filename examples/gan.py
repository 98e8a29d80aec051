"""Two networks play against each other until one of them draws handwritten digits: a generative adversarial network.

The generator turns random numbers into images; the discriminator is shown real and drawn ones and guesses which is
which (I. Goodfellow and others, 2014). How good the drawings are is measured apart from the game, by the Frechet
distance between the normal distributions that have the means and the covariances of real and of drawn pixels: 0 if they
agree. The picture shows drawn digits beside real ones, and how the distance got smaller.

    python examples/gan.py [--quick] [--out FOLDER]
"""

import time

import numpy as np
from _pictures import BLUE, GREEN, RED, Picture, options

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import optimizers
from dezero_c.dataloaders import DataLoader
from dezero_c.datasets import Digits
from dezero_c.history import History
from dezero_c.models import MLP, Model

N_RANDOM = 24


class Generator(Model):
    """z: (N, 24), random numbers; gives images (N, 1, 8, 8), 0 to 1."""

    def __init__(self):
        super().__init__()
        self.fc1 = L.Linear(48 * 2 * 2)
        self.bn1 = L.BatchNorm()
        self.deconv2 = L.Deconv2d(32, kernel_size=4, stride=2, pad=1)
        self.bn2 = L.BatchNorm()
        self.deconv3 = L.Deconv2d(1, kernel_size=4, stride=2, pad=1)

    def forward(self, z):
        h = F.relu(self.bn1(self.fc1(z))).reshape(-1, 48, 2, 2)
        h = F.relu(self.bn2(self.deconv2(h)))       # 4x4
        return F.sigmoid(self.deconv3(h))


class Discriminator(Model):
    """x: (N, 1, 8, 8); gives (N, 1) scores, above 0 for what it takes to be real."""

    def __init__(self):
        super().__init__()
        self.mlp = MLP((192, 192, 1), activation=lambda h: F.dropout(F.leaky_relu(h, 0.2), 0.3))

    def forward(self, x):
        return self.mlp(F.flatten(x))


def random_numbers(n):
    return np.random.randn(n, N_RANDOM).astype(np.float32)


def root(a):
    """The square root of a symmetric matrix without negative eigenvalues."""
    values, vectors = np.linalg.eigh(a)
    return vectors * np.sqrt(np.maximum(values, 0)) @ vectors.T


def frechet(a, b):
    """|mean a - mean b|^2 + trace(A + B - 2 (A^1/2 B A^1/2)^1/2), A and B being covariances (D. Dowson and B. Landau,
    1982)."""
    a, b = a.reshape(len(a), -1).astype(float), b.reshape(len(b), -1).astype(float)
    A, B = np.cov(a.T), np.cov(b.T)
    half = root(A)
    return float(np.sum((a.mean(0) - b.mean(0)) ** 2) + np.trace(A + B - 2 * root(half @ B @ half)))


def main(quick, out):
    np.random.seed(0)
    max_epoch, batch_size = (12 if quick else 120), 48

    train_set = Digits(train=True)
    train_loader = DataLoader(train_set, batch_size)
    real = train_set[:][0].reshape(-1, 1, 8, 8)
    generator, discriminator = Generator(), Discriminator()
    g_optimizer = optimizers.Adam(alpha=0.001, beta1=0.5).setup(generator)
    d_optimizer = optimizers.Adam(alpha=0.001, beta1=0.5).setup(discriminator)
    some = random_numbers(1000)

    history = History()
    start = time.perf_counter()
    for epoch in range(1, max_epoch + 1):
        sum_d = sum_g = 0.0
        for x, _ in train_loader:
            x = x.reshape(-1, 1, 8, 8)
            drawn = generator(random_numbers(len(x)))
            # -log sigmoid(score) of real images, -log(1 - sigmoid(score)) of drawn ones, whose graph ends at .data
            d_loss = F.mean(F.softplus(-discriminator(x))) + F.mean(F.softplus(discriminator(drawn.data)))
            discriminator.cleargrads()
            d_loss.backward()
            d_optimizer.update()

            g_loss = F.mean(F.softplus(-discriminator(drawn)))
            generator.cleargrads()
            g_loss.backward()
            g_optimizer.update()
            sum_d += float(d_loss.data)
            sum_g += float(g_loss.data)
        with dezero_c.test_mode(), dezero_c.no_grad():
            distance = frechet(real, generator(some).data)
        history.append(discriminator_loss=sum_d / train_loader.max_iter, generator_loss=sum_g / train_loader.max_iter,
                       distance=distance)
        if epoch == 1 or epoch % (max_epoch // 6) == 0:
            row = history[-1]
            print(f"epoch {epoch:3d}  discriminator {row['discriminator_loss']:.3f}  generator "
                  f"{row['generator_loss']:.3f}  Frechet distance {distance:.3f}")
    half = len(real) // 2
    print(f"{max_epoch} epochs in {time.perf_counter() - start:.1f} s; between two halves of the real images the "
          f"distance is {frechet(real[:half], real[half:]):.3f}")

    with dezero_c.test_mode(), dezero_c.no_grad():
        drawn = generator(some[:80]).data
    picture = Picture(height=3.8)
    picture.panel("drawn by the generator", 3.7, bare=True).tiles(drawn[:, 0], columns=10)
    picture.panel("real", 1.55, bare=True).tiles(real[:32, 0], columns=4)
    curves = picture.panel("distance and losses", 3.6, xlabel="epoch", log=True)
    curves.line(history["epoch"], history["distance"], "Frechet distance", GREEN, width=2.2)
    curves.line(history["epoch"], history["discriminator_loss"], "discriminator's loss", BLUE, width=1.2)
    curves.line(history["epoch"], history["generator_loss"], "generator's loss", RED, width=1.2)
    picture.save(out, "gan")


if __name__ == "__main__":
    args = options(__doc__)
    main(args.quick, args.out)
