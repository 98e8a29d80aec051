from . import _core

class Variable(_core.Variable):
    def backward(self, retain_grad: bool = False) -> None: ...  # type: ignore[override]

class Function(_core.Function): ...
