"""Newton's method on Rosenbrock's banana function, f(x, y) = 100 (y - x^2)^2 + (1 - x)^2, whose minimum is at (1, 1).

The gradient is made with `create_graph=True`, so that it is a graph itself: walking it backwards, once for each of its
elements, gives the Hessian matrix. Newton's step solves H d = -g; it is halved until the function gets smaller.
Gradient descent from the same place, as in the book's step 28, needs a thousand times as many steps. The picture shows
both paths.

    python examples/newton.py [--quick] [--out FOLDER]
"""

import time

import numpy as np
from _pictures import ORANGE, RED, Picture, blend, options

from dezero_c import Variable

START = np.array([-1.2, 1.0])


def rosenbrock(v):
    return 100 * (v[1] - v[0] ** 2) ** 2 + (1 - v[0]) ** 2


def derivatives(f, point):
    """The value, the gradient and the Hessian matrix of f at a point: a walk for the gradient and one for each row."""
    v = Variable(np.array(point))
    y = f(v)
    y.backward(create_graph=True)
    g, rows = v.grad, []
    for k in range(len(point)):
        v.cleargrad()
        g[k].backward()
        rows.append(v.grad.data)
    return float(y.data), g.data, np.stack(rows)


def newton(f, point, tolerance=1e-10):
    """Points and values from the start to where the gradient vanishes."""
    points, values = [point], []
    while True:
        value, gradient, hessian = derivatives(f, point)
        values.append(value)
        size = np.linalg.norm(gradient)
        print(f"step {len(values) - 1:2d}  x {point[0]:9.6f}  y {point[1]:9.6f}  f {value:.3e}  |gradient| {size:.1e}")
        if size < tolerance:
            return np.array(points), values, hessian
        step, rate = -np.linalg.solve(hessian, gradient), 1.0
        while float(f(Variable(point + rate * step)).data) >= value and rate > 1e-6:
            rate /= 2
        point = point + rate * step
        points.append(point)


def descend(f, point, n_steps, lr=0.001):
    """Points and values of n_steps steps of gradient descent."""
    v = Variable(point.copy())
    points, values = [], []
    for _ in range(n_steps):
        y = f(v)
        v.cleargrad()
        y.backward()
        points.append(v.data.copy())
        values.append(float(y.data))
        v.data -= lr * v.grad.data
    return np.array(points), values


def main(quick, out):
    start = time.perf_counter()
    points, values, hessian = newton(rosenbrock, START)
    seconds = time.perf_counter() - start
    print(f"Newton's method: {len(values) - 1} steps in {seconds * 1e3:.1f} ms; the Hessian at the minimum:\n{hessian}")
    assert np.allclose(hessian, [[802, -400], [-400, 200]])

    n_steps = 2000 if quick else 20000
    start = time.perf_counter()
    slow_points, slow_values = descend(rosenbrock, START, n_steps)
    seconds = time.perf_counter() - start
    print(f"gradient descent: {n_steps:,} steps in {seconds:.2f} s, f {slow_values[-1]:.1e}")

    # The picture: every third of a power of ten of f has its shade.
    xs, ys = np.meshgrid(np.linspace(-1.7, 1.5, 640), np.linspace(2.3, -0.5, 560))
    height = np.log10(rosenbrock((xs, ys)) + 1e-3)
    picture = Picture(height=3.7)
    panel = picture.panel("the banana's valley", 4.1, square=True)
    panel.image(blend("#fdfbf4", "#5a84b4", np.floor(height * 3 + 9) / 19), -1.7, 1.5, -0.5, 2.3)
    panel.limits = (-1.7, 1.5, -0.5, 2.3)
    panel.line(*slow_points.T, f"gradient descent, {n_steps:,} steps", ORANGE, width=2.5)
    panel.line(*points.T, f"Newton, {len(values) - 1} steps", RED, width=1.2, markers=True)
    panel.dots([1], [1], "#222222", size=8)
    curve = picture.panel("f after each step", 3.6, xlabel="log10(steps + 1)", log=True)
    floor = 1e-20
    curve.line(np.log10(np.arange(len(slow_values)) + 1), np.maximum(slow_values, floor), "gradient descent", ORANGE)
    curve.line(np.log10(np.arange(len(values)) + 1), np.maximum(values, floor), "Newton", RED, markers=True)
    picture.save(out, "newton")


if __name__ == "__main__":
    args = options(__doc__)
    main(args.quick, args.out)
