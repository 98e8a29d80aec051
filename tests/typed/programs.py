"""Programs as readers of the book write them, for `mypy --strict`: each is right, and `assert_type` says what a checker (and so
an editor's completion) knows of it. Not run; test_typing.py has mypy read it."""

from collections.abc import Iterator
from typing import Any, assert_type

import numpy as np
from numpy.typing import NDArray

import dezero_c
import dezero_c.core_simple as simple
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import (
    DataLoader,
    Dataset,
    Function,
    History,
    Layer,
    Model,
    Parameter,
    SeqDataLoader,
    Variable,
    array_api,
    as_variable,
    chapter1,
    datasets,
    models,
    no_grad,
    optimizers,
    progress,
    test_mode,
    transforms,
    using_config,
    utils,
)
from dezero_c.training import EarlyStopping

Gradient = Variable | Any       # `| Any` stands for None


# ---- Variables

def values_and_gradients(a: NDArray[np.float64]) -> None:
    x = Variable(a, name="x")
    assert_type(x.data, NDArray[Any] | Any)
    assert_type(x.grad, Gradient)
    assert_type(x.creator, Function | None)
    assert_type(x.shape, tuple[int, ...])
    assert_type(x.ndim, int)
    assert_type(x.size, int)
    assert_type(x.generation, int)
    assert_type(x.dtype, np.dtype[Any])
    assert_type(len(x), int)
    assert_type(float(x), float)
    assert_type(x.T, Variable)
    assert_type(x.mT, Variable)
    assert_type(x.device, str)
    assert_type(~x & x, Variable)
    assert_type(array_api.sum(array_api.sin(x), axis=0), Variable)
    assert_type(array_api.linalg.svd(x).S, Variable)
    x.data = a * 2
    x.data = 3.0
    x.data = None
    x.grad = np.ones(3)
    x.grad = None
    x.grad = Variable(a)
    x.name = "y"
    x.cleargrad()
    y = x * 2
    y.backward()
    y.backward(retain_grad=True, create_graph=True)
    y.unchain_backward()
    gx = x.grad
    assert_type(gx.data, NDArray[Any] | Any)
    print(f"{x:.3f}", gx.shape)


def operators(x: Variable, a: NDArray[np.float32], i: NDArray[np.int64], s: np.float64) -> None:
    assert_type(x + x, Variable)
    assert_type(x + 1, Variable)
    assert_type(1 + x, Variable)
    assert_type(x - 1.5, Variable)
    assert_type(1.5 - x, Variable)
    assert_type(x * a, Variable)
    assert_type(a * x, Variable)
    assert_type(i / x, Variable)
    assert_type(x / i, Variable)
    assert_type(s * x, Variable)
    assert_type(x * s, Variable)
    assert_type(x ** 2, Variable)
    assert_type(2 ** x, Variable)
    assert_type(x ** x, Variable)
    assert_type(x @ x, Variable)
    assert_type(a @ x, Variable)
    assert_type(x @ a, Variable)
    assert_type(-x, Variable)
    assert_type(+x, Variable)
    assert_type(abs(x), Variable)
    assert_type(x + [1.0, 2.0], Variable)
    assert_type(x == x, bool)
    if (x.data > 0).all():
        x += 1
    assert_type(x, Variable)


def methods(x: Variable) -> None:
    assert_type(x[0], Variable)
    assert_type(x[1:, None], Variable)
    assert_type(x[x.data > 0], Variable)
    assert_type(list(x), list[Variable])
    assert_type(x.reshape(2, 3), Variable)
    assert_type(x.reshape((2, 3)), Variable)
    assert_type(x.reshape([-1]), Variable)
    assert_type(x.transpose(), Variable)
    assert_type(x.transpose(1, 0), Variable)
    assert_type(x.transpose((1, 0)), Variable)
    assert_type(x.sum(), Variable)
    assert_type(x.sum(axis=(0, 1), keepdims=True), Variable)
    assert_type(x.max(0), Variable)
    assert_type(x.mean(0).std(), Variable)
    assert_type(x.var(axis=0, ddof=1, keepdims=True).prod(), Variable)
    assert_type(x.ravel().flatten().squeeze(0).copy().detach(), Variable)
    assert_type(x.astype(np.float32), Variable)
    assert_type(F.cast(x, "f4"), Variable)
    assert_type(x.dot(x), Variable)
    assert_type(np.asarray(x), NDArray[np.generic])
    assert_type(as_variable(1.0), Variable)
    print({x: 1}, x < 1)


# ---- functions

class Exp(Function):
    def forward(self, x: NDArray[Any]) -> NDArray[Any]:
        y: NDArray[Any] = np.exp(x)
        return y

    def backward(self, gy: Variable) -> Variable:
        x, = self.inputs
        return gy * F.exp(x)


class Split(Function):
    def forward(self, x: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        return x[:1], x[1:]

    def backward(self, ga: Variable, gb: Variable) -> Variable:
        return F.concatenate([ga, gb])


def functions(x: Variable, a: NDArray[np.float64], labels: NDArray[np.int64]) -> None:
    assert_type(Exp()(x), Variable | Any)
    left, _ = Split()(x)
    Exp()(left).backward()
    assert_type(F.sin(x), Variable)
    assert_type(F.sin(1.0), Variable)
    assert_type(F.add(a, x), Variable)
    assert_type(F.sum(x, axis=1), Variable)
    assert_type(F.reshape(x, (2, -1)), Variable)
    assert_type(F.matmul(a, x), Variable)
    assert_type(F.linear(x, a, None), Variable)
    assert_type(F.softmax_cross_entropy(x, labels), Variable)
    assert_type(F.mean_squared_error(x, a), Variable)
    assert_type(F.accuracy(x, labels), Variable)
    assert_type(F.dropout(x, 0.5), Variable)
    assert_type(F.conv2d(x, a, None, stride=(1, 1), pad=1), Variable)
    assert_type(F.pooling(x, 2, 2), Variable)
    assert_type(F.clip(x, 0, None), Variable)
    assert_type(F.leaky_relu(x, slope=0.1), Variable)
    assert_type(F.einsum("ij,jk", x, a), Variable)
    assert_type(F.split(x, 3), list[Variable])
    assert_type(F.slogdet(x).logabsdet, Variable)
    assert_type(F.LeakyReLU(0.1)(x), Variable | Any)
    assert_type(utils.gradient_check(F.sin, a, order=2), bool)
    assert_type(utils.numerical_grad(F.sin, a), NDArray[np.floating[Any]])
    assert_type(utils.sum_to(x, (1,)), Variable)
    assert_type(utils.get_dot_graph(x), str)
    assert_type(utils.pair(3), tuple[int, int])


# ---- layers, models, training

class Net(Model):
    def __init__(self, hidden: int, out: int) -> None:
        super().__init__()
        self.l1 = L.Linear(hidden)
        self.l2 = L.Linear(out, nobias=True)
        self.scale = Parameter(np.ones(1))

    def forward(self, x: Variable) -> Variable:
        h = F.relu(self.l1(x))
        assert_type(self.l1, L.Linear)
        assert_type(self.l1.W, Parameter)
        assert_type(self.l1.b, Parameter | None)
        return self.l2(h) * self.scale


class Lines(Dataset):
    def prepare(self) -> None:
        self.data = np.zeros((10, 2), np.float32)
        self.label = np.zeros(10, np.int64)


def clip_all(params: list[Parameter]) -> None:
    for p in params:
        p.grad.data = p.grad.data.clip(-1, 1)


def train() -> None:
    train_set = datasets.Spiral(train=True)
    loader = DataLoader(train_set, 30, shuffle=True, drop_last=True)
    model = Net(10, 3)
    optimizer = optimizers.Adam(0.01).setup(model)
    assert_type(optimizer, optimizers.Adam)
    optimizer.add_hook(optimizers.WeightDecay(1e-4))
    optimizer.add_hook(optimizers.ClipGrad(1.0))
    optimizer.add_hook(clip_all)
    schedule = optimizers.WarmUp(optimizer, 5, optimizers.StepDecay(optimizer, 10))
    history = History()
    for epoch in range(3):
        total = 0.0
        for x, t in progress(loader, desc=f"epoch {epoch}"):
            assert_type(x, NDArray[Any])
            assert_type(t, NDArray[Any])
            y = model(x)
            loss = F.softmax_cross_entropy(y, t)
            model.cleargrads()
            loss.backward()
            optimizer.update()
            total += float(loss.data) * len(t)
        schedule.step()
        history.append(train_loss=total / len(train_set), last=loss)
        with no_grad(), test_mode():
            x, t = next(loader)
            print(F.accuracy(model(x), t).data)
    with using_config("train", False):
        print(dezero_c.Config.train)
    assert_type(model.params(), Iterator[Parameter])
    assert_type(dict(model.named_params()), dict[str, Parameter])
    assert_type(optimizer.lr, float)
    assert_type(history["train_loss"], list[int | float | None])
    assert_type(history[-1], dict[str, int | float])
    assert_type(history.plot("run.svg"), str)
    model.save_weights("net.npz")
    model.load_weights("net.npz")
    optimizer.load_state_dict(optimizer.state_dict())


@no_grad()
def predict(model: Layer, x: NDArray[Any]) -> Variable:
    y = model(x)
    assert_type(y, Variable | Any)
    return y


def ready_made(x: Variable, image: object) -> None:
    assert_type(models.MLP((10, 1), activation=F.relu)(x), Variable | Any)
    assert_type(models.VGG16(pretrained=False).forward(x), Variable)
    assert_type(models.VGG16.preprocess(image), NDArray[Any])
    stack = models.Sequential(L.Linear(10), F.relu, L.BatchNorm(), L.Dropout(0.2), L.Linear(1))
    assert_type(stack[1:], models.Sequential)
    assert_type(len(stack.append(F.relu)), int)
    stack.plot(x, to_file="model.svg")
    rnn = L.LSTM(10)
    rnn.reset_state()
    assert_type(rnn.h, Variable | Any)
    assert_type(rnn.forward(x), Variable)
    assert_type(L.EmbedID(10, 3)(np.arange(3)), Variable)
    for a, _ in SeqDataLoader(Lines(), batch_size=3):
        rnn(a)
    pipeline = transforms.Compose([transforms.Flatten(), transforms.ToFloat(), transforms.Normalize(0.0, 255.0)])
    assert_type(len(datasets.MNIST(train=False, transform=pipeline)), int)
    assert_type(datasets.CIFAR10.labels(), dict[int, str])
    assert_type(len(datasets.Arrays([1.0, 2.0], iter([0, 1]), transform=pipeline, limit=10)), int)
    assert_type(datasets.get_spiral(), tuple[NDArray[np.float32], NDArray[np.int_]])


# ---- the book's earlier steps, and the drop-in

def early(a: NDArray[np.float64]) -> None:
    x = simple.Variable(a)
    y = simple.add(x, 1.0)
    assert_type(y, simple.Variable)
    y.backward(retain_grad=True)
    assert_type(x.grad, NDArray[Any] | Any)
    v = chapter1.Variable(a)
    chapter1.square(chapter1.exp(v)).backward()
    dezero_c.install(simple_core=True)
    dezero_c.uninstall()
    assert_type(dezero_c.__version__, str)


def what_a_model_consists_of(x: NDArray[np.float32]) -> None:
    summary = L.Linear(3).summary(x)
    assert_type(summary.parameters, int)
    assert_type(summary.rows[0].path, str)
    assert_type(summary.rows[0].known, bool)


def a_loop_that_is_there(x: NDArray[np.float32], t: NDArray[np.int64]) -> None:
    history = dezero_c.fit(models.MLP((3, 2)), (x, t), optimizers.Adam(), F.softmax_cross_entropy, 2,
                           metrics={"right": F.accuracy}, callbacks=[EarlyStopping("loss"), lambda state: print(state.epoch)])
    assert_type(history, History)
    history.to_csv("run.csv")
