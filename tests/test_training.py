"""Whole training runs, seeded: the losses of DeZero 0.0.13, update by update.

The numbers are DeZero's own, computed by the same programs with its weights made float32 (under NumPy 2 they become
float64).
"""

import numpy as np
import pytest

import dezero_c
import dezero_c.functions as F


def spiral():
    np.random.seed(0)
    train_set = dezero_c.datasets.Spiral(train=True)
    loader = dezero_c.DataLoader(train_set, 30)
    model = dezero_c.models.MLP((10, 3))
    losses = []
    optimizer = dezero_c.optimizers.SGD(1.0).setup(model)
    for _ in range(3):
        for x, t in loader:
            loss = F.softmax_cross_entropy(model(x), t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            losses.append(float(loss.data))
    return losses


def sine():
    np.random.seed(0)

    class SimpleRNN(dezero_c.Model):
        def __init__(self, hidden_size, out_size):
            super().__init__()
            self.rnn = dezero_c.layers.RNN(hidden_size)
            self.fc = dezero_c.layers.Linear(out_size)

        def reset_state(self):
            self.rnn.reset_state()

        def forward(self, x):
            return self.fc(self.rnn(x))

    train_set = dezero_c.datasets.SinCurve(train=True)
    loader = dezero_c.SeqDataLoader(train_set, batch_size=30)
    model = SimpleRNN(20, 1)
    optimizer = dezero_c.optimizers.Adam().setup(model)
    losses = []
    for _ in range(2):
        model.reset_state()
        loss = 0
        for count, (x, t) in enumerate(loader, 1):
            y = model(x.astype(np.float32))
            loss += F.mean_squared_error(y, t.astype(np.float32))
            if count % 10 == 0:
                model.cleargrads()
                loss.backward()
                loss.unchain_backward()
                optimizer.update()
                losses.append(float(loss.data))
    return losses


def digits(name, **numbers):
    train_set = dezero_c.datasets.Digits()
    data, labels = (train_set.data.reshape(-1, 64) / 16).astype(np.float32), train_set.label.astype(int)
    np.random.seed(0)
    model = dezero_c.models.MLP((32, 10), activation=F.relu)
    losses = []
    optimizer = getattr(dezero_c.optimizers, name)(**numbers).setup(model)
    for i in range(0, 500, 50):
        x, t = data[i:i + 50], labels[i:i + 50]
        loss = F.softmax_cross_entropy(model(x), t)
        model.cleargrads()
        loss.backward()
        optimizer.update()
        losses.append(float(loss.data))
    return losses


SPIRAL = [1.13179, 1.139568, 1.146412, 1.1437, 1.070701, 1.096948, 1.057666, 1.155191, 1.22391, 1.103529, 1.107792, 1.057604,
          1.042359, 0.9787925, 1.176803, 1.071239, 1.133085, 0.9428688, 0.9653193, 0.9855865, 0.9815454, 0.9417392, 0.9846511,
          1.044346, 1.05811, 0.8696362, 0.9232672, 0.9272982, 0.8779412, 0.8978416]
SINE = [0.3039683, 0.5444369, 0.7507696, 0.2150003, 0.367233, 0.5068513]
DIGITS = {
    ("SGD", ("lr", 0.1)): [2.220322, 2.288273, 2.171999, 2.256496, 2.188435, 2.209728, 2.185768, 2.182345, 2.18361, 2.120613],
    ("MomentumSGD", ("lr", 0.1)): [2.220322, 2.288273, 2.143408, 2.216657, 2.10481, 2.094394, 2.022217, 1.973479, 1.972603,
                                   1.831292],
    ("AdaGrad", ("lr", 0.05)): [2.220322, 2.330015, 1.851211, 1.807709, 1.550672, 1.264774, 1.349787, 1.217691, 1.381404,
                                1.225172],
    ("AdaDelta",): [2.220322, 2.271259, 2.139117, 2.199475, 2.13332, 2.113463, 2.09879, 2.056389, 2.067752, 1.967468],
    ("Adam", ("alpha", 0.01)): [2.220322, 2.230467, 2.011611, 2.078335, 1.957314, 1.901956, 1.859826, 1.748607, 1.840748,
                                1.672131],
}


def test_spiral():
    assert np.allclose(spiral(), SPIRAL, rtol=1e-5, atol=0)


def test_sine_by_truncated_backpropagation():
    assert np.allclose(sine(), SINE, rtol=1e-5, atol=0)


@pytest.mark.parametrize(("setting", "losses"), DIGITS.items())
def test_digits_with_each_optimizer(setting, losses):
    name, *numbers = setting
    assert np.allclose(digits(name, **dict(numbers)), losses, rtol=1e-5, atol=0)
