from typing import Any

from numpy.typing import NDArray

from ._arrays import ArrayFunction
from ._core import Variable

class BatchNorm(ArrayFunction):
    avg_mean: Any
    avg_var: Any
    decay: Any
    eps: Any
    inv_std: Any
    def __init__(self, mean: Any, var: Any, decay: Any, eps: Any) -> None: ...

class LayerNorm(ArrayFunction):
    eps: float
    def __init__(self, eps: float = 1e-05) -> None: ...

class Dropout(ArrayFunction):
    mask: NDArray[Any]
    dropout_ratio: float
    def __init__(self, mask: NDArray[Any], dropout_ratio: float) -> None: ...

def batch_norm(
    x: Any, gamma: Any, beta: Any, mean: NDArray[Any], var: NDArray[Any], decay: float = 0.9, eps: float = 2e-05
) -> Variable: ...
def batch_nrom(
    x: Any, gamma: Any, beta: Any, mean: NDArray[Any], var: NDArray[Any], decay: float = 0.9, eps: float = 2e-05
) -> Variable: ...
def layer_norm(x: Any, gamma: Any, beta: Any, eps: float = 1e-05) -> Variable: ...
def dropout(x: Any, dropout_ratio: float = 0.5) -> Variable: ...

__all__: list[str]
