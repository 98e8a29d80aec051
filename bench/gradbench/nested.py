"""Derivatives within what is differentiated: `gradient_by_last(f)` is a function of Variables whose own derivatives are right.

A gradient taken with create_graph walks all that its point was computed from; a loop of n steps, each of which takes one, would
walk n^2. Here the point is cut off, the gradient is taken of a small graph by itself, and one Function puts the two together
again.
"""

import numpy as np

import dezero_c.functions as F
from dezero_c import Config, Function, Variable, using_config


class Gradients(Function):
    """The gradients of f, which gives a single number, by all that it is called with. Of every order: where a graph of the
    gradients' gradients is asked for, they are the gradients of another such function.
    """

    def __init__(self, f, reverse=True):
        super().__init__()
        self.f, self.take = f, pulled if reverse else pushed

    def forward(self, *xs):
        self.leaves = leaves = [Variable(np.array(x)) for x in xs]
        with using_config("enable_backprop", True):
            self.gradients = self.take(self.f(*leaves), leaves, create_graph=True)
        return tuple(each.data for each in self.gradients)

    def backward(self, *gys):
        if Config.enable_backprop:
            f, take, n = self.f, self.take, len(self.inputs)

            def total(*leaves):
                return dot(take(f(*leaves[:n]), leaves[:n], create_graph=True), leaves[n:])

            return Gradients(total)(*self.inputs, *gys)[:n]
        with using_config("enable_backprop", True):
            total = dot(self.gradients, [gy.data for gy in gys])
        return tuple(pulled(total, self.leaves, create_graph=False))


def dot(xs, ys):
    total = 0.0
    for x, y in zip(xs, ys, strict=True):
        total = total + F.sum(x * y)
    return total


def pulled(y, leaves, create_graph):
    """The gradients of y by reverse mode; zeros for what it does not depend on."""
    if y.creator is not None:
        y.backward(create_graph=create_graph)
    found = []
    for x in leaves:
        found.append(Variable(np.zeros(x.shape)) if x.grad is None else x.grad)
        x.cleargrad()
    return found


def pushed(y, leaves, create_graph):
    """The same by forward mode, an element at a time: the derivative of what reverse mode gives, by what it starts from."""
    u = y.grad = Variable(np.ones(y.shape))
    gradients = pulled(y, leaves, create_graph=True)
    u.cleargrad()
    found = []
    for gradient in gradients:
        elements = []
        for element in gradient.reshape(-1):
            (slope,) = pulled(element, [u], create_graph)
            elements.append(slope)
            for x in leaves:
                x.cleargrad()
        found.append(F.stack(elements).reshape(gradient.shape))
    return found


def gradient_by_last(f, reverse=True):
    def gradient(*xs):
        return Gradients(f, reverse)(*xs)[-1]

    return gradient
