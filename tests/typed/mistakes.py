"""Programs with mistakes, each of which `mypy --strict` must find: a `type: ignore` that nothing needs is an error, and it names
the kind of mistake. Not run; test_typing.py has mypy read it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

import dezero_c
import dezero_c.functions as F
import dezero_c.layers as L
from dezero_c import DataLoader, Function, History, Model, Parameter, Variable, datasets, optimizers, utils


def variables(x: Variable, a: NDArray[np.float64]) -> None:
    Variable(1.0)  # type: ignore[arg-type]     # an ndarray is wanted
    Variable([1.0])  # type: ignore[arg-type]
    Variable(x)  # type: ignore[arg-type]
    Variable(a, nmae="x")  # type: ignore[call-arg]
    Parameter("W")  # type: ignore[arg-type]
    x.data = "text"  # type: ignore[assignment]
    x.grad = "text"  # type: ignore[assignment]
    x.shape = (1, 2)  # type: ignore[misc]
    x.creator = x  # type: ignore[assignment]
    x.backwards()  # type: ignore[attr-defined]
    x.backward(create_grpah=True)  # type: ignore[call-arg]
    x.data.shpae  # type: ignore[union-attr]    # noqa: B018
    x.grad.backwrad()  # type: ignore[union-attr]
    x.reshape("2")  # type: ignore[call-overload]
    x.sum(axis="0")  # type: ignore[arg-type]
    x.transpose(1.0)  # type: ignore[call-overload]


def operators(x: Variable) -> None:
    x + "1"  # type: ignore[operator]
    "1" / x  # type: ignore[operator]
    x @ None  # type: ignore[operator]
    x ** {}  # type: ignore[operator]
    x + F.sin  # type: ignore[operator]
    s: str = x * 2  # type: ignore[assignment]
    a: NDArray[Any] = x + 1  # type: ignore[assignment]     # .data is the array
    print(s, a)


def functions(x: Variable) -> None:
    F.sine(x)  # type: ignore[attr-defined]
    F.sin()  # type: ignore[call-arg]
    F.sin(x, x)  # type: ignore[call-arg]
    F.sin("1")  # type: ignore[arg-type]
    F.sum(x, axes=0)  # type: ignore[call-arg]
    F.reshape(x, "2")  # type: ignore[arg-type]
    F.softmax_cross_entropy(x)  # type: ignore[call-arg]
    F.dropout(x, "half")  # type: ignore[arg-type]
    F.concatenate(1)  # type: ignore[arg-type]
    F.conv2d(x, x, strides=1)  # type: ignore[call-arg]
    dezero_c.Varible  # type: ignore[attr-defined]      # noqa: B018
    utils.gradient_check(1, x)  # type: ignore[arg-type]
    utils.get_dot_graph(1)  # type: ignore[arg-type]


class Square(Function):
    def forward(self, x: NDArray[Any]) -> NDArray[Any]:
        return x ** 2

    def backward(self, gy: Variable) -> Variable:
        return 2 * self.input * gy  # type: ignore[attr-defined, no-any-return]    # the book's first chapter only; here it is self.inputs


class Net(Model):
    def __init__(self) -> None:
        super().__init__()
        self.l1 = L.Linear("100")  # type: ignore[arg-type]
        self.l2 = L.Linear(100, 10, 3, 4, 5)  # type: ignore[call-arg, arg-type]

    def forward(self, x: Variable) -> Variable:
        return self.l3(x)  # type: ignore[attr-defined, no-any-return]


def train(model: Model) -> None:
    optimizers.SGD(learning_rate=0.1)  # type: ignore[call-arg]
    optimizers.SGD(0.1).setup(model.params())  # type: ignore[arg-type]     # the model itself is wanted
    optimizers.Adam().setup(model).updates()  # type: ignore[attr-defined]
    optimizers.WeightDecay("1e-4")  # type: ignore[arg-type]
    optimizers.StepDecay(model, 10)  # type: ignore[arg-type]
    DataLoader(datasets.Spiral())  # type: ignore[call-arg]
    DataLoader(1, 10)  # type: ignore[arg-type]
    for _x, _t, _w in DataLoader(datasets.Spiral(), 10):  # type: ignore[misc]
        pass
    model.load_weights(3)  # type: ignore[arg-type]
    History()[1.5]  # type: ignore[call-overload]
    L.LSTM(10).reset()  # type: ignore[attr-defined]
