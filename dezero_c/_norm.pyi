from typing import Any

from numpy.typing import NDArray

from ._arrays import ArrayFunction
from ._core import Variable
from ._typing import Operand

class BatchNorm(ArrayFunction):
    """The class behind `batch_norm`: `BatchNorm(mean, var, decay, eps)(x, gamma, beta)`. `avg_mean` and `avg_var` are the running
    statistics, changed in place by a call in train mode; `inv_std` is that of the last call.
    """
    avg_mean: Any
    avg_var: Any
    decay: Any
    eps: Any
    inv_std: Any
    def __init__(self, mean: Any, var: Any, decay: Any, eps: Any) -> None: ...

class LayerNorm(ArrayFunction):
    """The class behind `layer_norm`: `LayerNorm(eps)(x, gamma, beta)`."""
    eps: float
    def __init__(self, eps: float = 1e-05) -> None: ...

class Dropout(ArrayFunction):
    """The class behind `dropout` in train mode: `Dropout(mask, dropout_ratio)(x)` is x * mask / (1 - dropout_ratio)."""
    mask: NDArray[Any]
    dropout_ratio: float
    def __init__(self, mask: NDArray[Any], dropout_ratio: float) -> None: ...

def batch_norm(
    x: Operand, gamma: Operand, beta: Operand, mean: NDArray[Any], var: NDArray[Any], decay: float = 0.9, eps: float = 2e-05
) -> Variable:
    """gamma * (x - m) / sqrt(v + eps) + beta for each channel (axis 1).

    x: (N, C) or (N, C, ...); gamma, beta: C values each; mean, var: ndarrays of C floats. In train mode m and v are x's own mean
    and variance, and `mean` and `var` become, in place, decay times themselves plus (1 - decay) times the batch's (the variance
    unbiased); in test mode m and v are `mean` and `var`. (S. Ioffe, C. Szegedy, Batch Normalization, 2015.) Raises ValueError
    for shapes that do not fit and, in train mode, for an empty batch.
    """

def batch_nrom(
    x: Operand, gamma: Operand, beta: Operand, mean: NDArray[Any], var: NDArray[Any], decay: float = 0.9, eps: float = 2e-05
) -> Variable:
    """gamma * (x - m) / sqrt(v + eps) + beta for each channel (axis 1).

    x: (N, C) or (N, C, ...); gamma, beta: C values each; mean, var: ndarrays of C floats. In train mode m and v are x's own mean
    and variance, and `mean` and `var` become, in place, decay times themselves plus (1 - decay) times the batch's (the variance
    unbiased); in test mode m and v are `mean` and `var`. (S. Ioffe, C. Szegedy, Batch Normalization, 2015.) Raises ValueError
    for shapes that do not fit and, in train mode, for an empty batch.
    """

def layer_norm(x: Operand, gamma: Operand, beta: Operand, eps: float = 1e-05) -> Variable:
    """gamma * (x - m) / sqrt(v + eps) + beta, m and v the mean and variance of each sample over its last axes.

    x: any shape; gamma, beta: the shape of those last axes. (J. L. Ba et al., Layer Normalization, 2016.) Raises
    ValueError for shapes that do not fit.
    """

def dropout(x: Operand, dropout_ratio: float = 0.5) -> Variable:
    """In train mode each element is 0 with probability `dropout_ratio`, else divided by 1 - dropout_ratio; in test mode: x.

    x: any shape; the mask comes from np.random.rand, as in DeZero. Raises ValueError for a ratio outside of [0, 1).
    """

__all__ = [
    "BatchNorm", "Dropout", "LayerNorm", "batch_norm", "batch_nrom", "dropout", "layer_norm",
]
