"""Transforms of functions: gradients, Jacobians, Hessians, products with them, batches. Arrays in, arrays out.

    from dezero_c import func
    func.grad(f)(x), func.jacobian(f)(x), func.hessian(f)(x), func.hvp(f, x, v), func.vmap(f)(xs)

Names, order of arguments and shapes of results are JAX's. f is written with `dezero_c.functions`, operators, NumPy's functions on
its arguments, or is a model; it is called with Variables. Arguments and results are trees: numbers, arrays, lists, tuples,
NamedTuples, dataclasses, dicts, and models, which stand for the dict of their parameters. A transform of arrays gives arrays;
inside another transform, or of Variables, it gives Variables that can be differentiated further. No Variable and no model of the
caller's has another gradient afterwards.
"""

from dezero_c.func._batch import vmap
from dezero_c.func._checkpoint import checkpoint, checkpoint_loop
from dezero_c.func._custom import custom_vjp, from_numpy, stop_gradient
from dezero_c.func._forward import jvp, linearize
from dezero_c.func._implicit import fixed_point, root
from dezero_c.func._matrices import hessian, hvp, jacfwd, jacobian, jacrev
from dezero_c.func._reverse import elementwise_grad, grad, value_and_grad, vjp
from dezero_c.func._trees import functional_call, ravel

__all__ = [
    "checkpoint", "checkpoint_loop", "custom_vjp", "elementwise_grad", "fixed_point", "from_numpy", "functional_call", "grad",
    "hessian", "hvp", "jacfwd", "jacobian", "jacrev", "jvp", "linearize", "ravel", "root", "stop_gradient", "value_and_grad",
    "vjp", "vmap",
]
