"""A variational autoencoder orders the handwritten digits in a plane, without being told which is which.

The encoder gives each image a place in the plane, a mean and a spread for each coordinate; the decoder draws an image
from a place chosen at random there. What is made small is the sum of what the drawing lacks (cross-entropy of the
pixels) and of how far the places are from a normal distribution (D. Kingma and M. Welling, 2014). The picture shows
where the test's digits are put, and what the decoder draws at places all over the plane.

    python examples/vae.py [--quick] [--out FOLDER]
"""

import time
from statistics import NormalDist

import numpy as np
from _pictures import TEN, Picture, options

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import optimizers
from dezero_c.dataloaders import DataLoader
from dezero_c.datasets import Digits
from dezero_c.history import History
from dezero_c.models import MLP, Model


class Encoder(Model):
    """x: (N, 64); gives means and logarithms of variances, (N, 2) each."""

    def __init__(self, hidden_size, n_latent):
        super().__init__()
        self.body = MLP((hidden_size, hidden_size), activation=F.silu)
        self.mean = L.Linear(n_latent)
        self.log_var = L.Linear(n_latent)

    def forward(self, x):
        h = F.silu(self.body(x))
        return self.mean(h), self.log_var(h)


class VAE(Model):
    def __init__(self, hidden_size=256, n_latent=2):
        super().__init__()
        self.encoder = Encoder(hidden_size, n_latent)
        self.decoder = MLP((hidden_size, hidden_size, 64), activation=F.silu)

    def forward(self, x):
        """The loss of each image, in nats: what the drawing lacks, and the distance of its place's distribution."""
        mean, log_var = self.encoder(x)
        noise = np.random.randn(*mean.shape).astype(np.float32)
        y = self.decoder(mean + F.exp(log_var * 0.5) * noise)
        lack = F.sum(F.softplus(y) - y * x) / len(x)     # -log of the probability of pixels x, y before sigmoid
        distance = 0.5 * F.sum(mean ** 2 + F.exp(log_var) - log_var - 1) / len(x)
        return lack + distance, distance


def main(quick, out):
    np.random.seed(0)
    max_epoch, batch_size = (10 if quick else 300), 50

    train_set, test_set = Digits(train=True), Digits(train=False)
    train_loader = DataLoader(train_set, batch_size)
    x_test, t_test = test_set[:]
    model = VAE()
    optimizer = optimizers.Adam(alpha=0.001).setup(model)
    schedule = optimizers.CosineDecay(optimizer, max_epoch)

    history = History()
    start = time.perf_counter()
    for epoch in range(1, max_epoch + 1):
        sum_loss = 0.0
        for x, _ in train_loader:
            loss, _ = model(x)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            sum_loss += float(loss.data) * len(x)
        schedule.step()
        with dezero_c.no_grad():
            test_loss, distance = model(x_test)
        history.append(train_loss=sum_loss / len(train_set), test_loss=test_loss, distance=distance)
        if epoch == 1 or epoch % (max_epoch // 10) == 0:
            row = history[-1]
            print(f"epoch {epoch:3d}  loss {row['train_loss']:.3f}  test {row['test_loss']:.3f}  of which distance "
                  f"{row['distance']:.3f}")
    print(f"{max_epoch} epochs in {time.perf_counter() - start:.1f} s")

    # Places at equal shares of the normal distribution, so that the drawings are what chance would give.
    side = 13
    edge = [NormalDist().inv_cdf((k + 0.5) / side) for k in range(side)]
    places = np.array([(x, y) for y in reversed(edge) for x in edge], np.float32)
    with dezero_c.no_grad():
        drawn = F.sigmoid(model.decoder(places)).data.reshape(-1, 8, 8)
        mean, _ = model.encoder(x_test)
    picture = Picture(height=4.0)
    panel = picture.panel("where the encoder puts the test's digits", 4.2, square=True)
    panel.limits = (-3, 3, -3, 3)
    for (x, y), digit in zip(mean.data, t_test, strict=True):
        panel.text(x, y, str(digit), TEN[digit], size=8.5)
    picture.panel("what the decoder draws there", 4.0, bare=True).tiles(drawn, columns=side)
    picture.save(out, "vae")


if __name__ == "__main__":
    args = options(__doc__)
    main(args.quick, args.out)
