"""A recurrent network reads Alice's Adventures in Wonderland letter by letter, and then writes on its own.

A GRU is shown 60 places of the book at once and guesses each next character; after every 25 characters the graph of the
steps is walked backwards and cut (as in the book's steps 59 and 60). The text, 148,381 characters in the public domain,
comes with dezero_c; the last tenth is kept for the test. The picture shows both losses, and what the network writes
before the training and after it.

    python examples/char_rnn.py [--quick] [--out FOLDER]
"""

import textwrap
import time

import numpy as np
from _pictures import BLUE, GREY, ORANGE, RED, Picture, options

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import optimizers
from dezero_c.dataloaders import SeqDataLoader
from dezero_c.datasets import TinyText
from dezero_c.history import History, progress
from dezero_c.models import Model

INK = "#1b2a41"


class CharRNN(Model):
    """x: N numbers of characters; gives (N, n_chars) scores of the next ones. Keeps its state from call to call."""

    def __init__(self, n_chars, hidden_size):
        super().__init__()
        self.one_hot = np.eye(n_chars, dtype=np.float32)
        self.rnn = L.GRU(hidden_size)
        self.fc = L.Linear(n_chars)

    def reset_state(self):
        self.rnn.reset_state()

    def forward(self, x):
        return self.fc(F.dropout(self.rnn(self.one_hot[x]), 0.25))


def write(model, text, n_chars, begin="Alice ", temperature=0.5):
    """n_chars characters, each drawn with the probability that the network gives it after those before."""
    with dezero_c.test_mode(), dezero_c.no_grad():
        model.reset_state()
        for char in begin:
            y = model(np.array([text.char_to_id[char]]))
        written = begin
        while len(written) < n_chars:
            p = F.softmax(y / temperature).data[0].astype(float)
            char = np.random.choice(len(p), p=p / p.sum())
            written += text.id_to_char[int(char)]
            y = model(np.array([char]))
    return written


def loss_of(model, text):
    """The mean loss of a text, read at 60 places at once."""
    with dezero_c.test_mode(), dezero_c.no_grad():
        model.reset_state()
        losses = [F.softmax_cross_entropy(model(x), t).data for x, t in SeqDataLoader(text, batch_size=60)]
    return float(np.mean(losses))


def wrapped(written):
    """The paragraphs of a text as lines of at most 60 characters."""
    return [line for paragraph in written.split("\n\n") for line in textwrap.wrap(paragraph.strip(), 60)]


def main(quick, out):
    np.random.seed(0)
    max_epoch, bptt_length, hidden_size = (1, 25, 48) if quick else (12, 25, 160)

    train_set, test_set = TinyText(train=True), TinyText(train=False)
    train_loader = SeqDataLoader(train_set, batch_size=240 if quick else 60)
    model = CharRNN(len(train_set.char_to_id), hidden_size)
    optimizer = optimizers.Adam(alpha=0.006).setup(model)
    optimizer.add_hook(optimizers.ClipGrad(20.0))
    schedule = optimizers.CosineDecay(optimizer, max_epoch)

    before = write(model, train_set, 160)
    print("-- before the training:", before, "", sep="\n")
    history = History()
    history.record(0, test_loss=loss_of(model, test_set))
    start = time.perf_counter()
    for epoch in range(1, max_epoch + 1):
        model.reset_state()
        loss, count, sum_loss = 0, 0, 0.0
        bar = progress(train_loader, desc=f"epoch {epoch}")
        for x, t in bar:
            loss += F.softmax_cross_entropy(model(x), t)
            count += 1
            if count % bptt_length == 0 or count == train_loader.max_iter:
                model.cleargrads()
                loss.backward()
                loss.unchain_backward()
                optimizer.update()
                sum_loss += float(loss.data)
                loss = 0
                bar.set_postfix(loss=sum_loss / count)
        schedule.step()
        history.record(epoch, train_loss=sum_loss / count, test_loss=loss_of(model, test_set))
        if epoch % 4 == 0:
            print(f"-- after epoch {epoch}:", write(model, train_set, 200), "", sep="\n")
    after = write(model, train_set, 720)
    print("-- at the end:", after, "", history, sep="\n")
    n_read = max_epoch * len(train_set)
    print(f"{n_read:,} characters in {time.perf_counter() - start:.1f} s")

    picture = Picture(height=3.8)
    curves = picture.panel("loss for each character", 3.6, xlabel="epoch")
    curves.line(history["epoch"][1:], history["train_loss"][1:], "training, with dropout", BLUE, markers=True)
    curves.line(history["epoch"], history["test_loss"], "test", ORANGE, markers=True)
    panel = picture.panel("what it writes", 4.7, bare=True, square=False)
    panel.limits = (0, 60, -21, 0)
    lines = [("before the training", GREY)] + [(line, RED) for line in wrapped(before)[:4]] + [("", GREY)]
    lines += [(f"after {n_read:,} characters", GREY)] + [(line, INK) for line in wrapped(after)]
    for i, (line, colour) in enumerate(lines[:21]):
        panel.text(0, -0.5 - i, line, colour, size=7.5, mono=True, middle=False)
    picture.save(out, "char_rnn")


if __name__ == "__main__":
    args = options(__doc__)
    main(args.quick, args.out)
