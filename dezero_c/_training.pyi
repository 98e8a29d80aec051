from typing import Any, final

from ._core import Parameter

RULES: dict[str, int]

class Seen:
    """Objects by their addresses: a user's layer may define == and hash."""

@final
class Prepared:
    """An optimizer's update as a captured call does it each time: what `step` has found is kept, with all that it was found by.
    A layer, a parameter or an array of state that is another one now is seen, and the update done by `step`.

    Looking whether things are the same takes a third of finding them.
    """

    optimizer: Any
    def __new__(cls, optimizer: Any) -> Prepared: ...

@final
class Rule:
    """What `step` knows of an optimizer's class."""

def parameters(layer: Any) -> list[Parameter]:
    """The Parameters of a Layer and of the layers in it."""

def set_base(cls: type[Any]) -> None:
    """Tells which class `Layer` is; for dezero_c.layers."""

def remember(attributes: dict[str, Any], inputs: tuple[Any, ...], outputs: Any) -> None:
    """Sets a Layer's `inputs` and `outputs` to references to what a call was given and gave."""

def clear(layer: Any) -> None:
    """Takes the gradients of a Layer's Parameters away."""

def with_gradients(target: Any) -> list[Parameter]:
    """Those of target.params() that have a gradient."""

def register(cls: type[Any], names: tuple[str, ...], adam: bool = False, decays: bool = False) -> None:
    """Has `step` do what update() of `cls` itself does. names: the attributes that are its kernel's numbers; adam: the first of
    them makes the rate, by adam_rate; decays: the last is weight_decay.
    """

def stepped(optimizer: Any, cls: type[Any] | None = None) -> bool:
    """Whether `step` has done the optimizer's update; cls: the class of the library that it updates as, if not its own."""

def update(optimizer: Any, params: list[Parameter]) -> None:
    """Changes the data of each of `params` that has a gradient, in place, as the optimizer's rule has it.

    What it asks of the optimizer: _kernel, a key of RULES; _coefficients(), its numbers in the order of families/optim.h;
    _states, the names of its attributes for state, each a dict {id(param): ndarray}; _owners, {id(param): param}, which keeps the
    ids from being used again; _by_numpy(data, grad, *state), the same where no kernel can.
    """
