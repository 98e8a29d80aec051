from typing import Any

import numpy as np

from ._core import Function, Variable

class Pooling(Function):
    kernel_size: Any
    stride: Any
    pad: Any
    input_shape: Any
    def __init__(self, kernel_size: Any, stride: Any = 1, pad: Any = 0) -> None: ...
    @property
    def indexes(self) -> np.ndarray: ...

class Pooling2DGrad(Function):
    input_shape: Any
    kernel_size: Any
    stride: Any
    pad: Any
    def __init__(self, mpool2d: Any, input_shape: Any = None, kernel_size: Any = None, stride: Any = 1,
                 pad: Any = 0) -> None: ...

class Pooling2DWithIndexes(Function):
    input_shape: Any
    kernel_size: Any
    stride: Any
    pad: Any
    def __init__(self, mpool2d: Any, input_shape: Any = None, kernel_size: Any = None, stride: Any = 1,
                 pad: Any = 0) -> None: ...

class AveragePooling(Function):
    kernel_size: Any
    stride: Any
    pad: Any
    input_shape: Any
    def __init__(self, kernel_size: Any, stride: Any = 1, pad: Any = 0) -> None: ...

class AveragePoolingGrad(Function):
    input_shape: Any
    kernel_size: Any
    stride: Any
    pad: Any
    def __init__(self, input_shape: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0) -> None: ...

def pooling(x: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0) -> Variable: ...
def pooling_simple(x: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0) -> Variable: ...
def average_pooling(x: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0) -> Variable: ...

__all__: list[str]
