from typing import Any

from ._core import Function, Variable

class Conv2d(Function):
    stride: Any
    pad: Any
    dilation: Any
    groups: Any
    def __init__(self, stride: Any = 1, pad: Any = 0, dilation: Any = 1, groups: Any = 1) -> None: ...

class Deconv2d(Function):
    stride: Any
    pad: Any
    outsize: Any
    dilation: Any
    groups: Any
    def __init__(self, stride: Any = 1, pad: Any = 0, outsize: Any = None, dilation: Any = 1,
                 groups: Any = 1) -> None: ...

class Conv2DGradW(Function):
    kernel_size: Any
    stride: Any
    pad: Any
    dilation: Any
    groups: Any
    def __init__(self, conv2d: Any, stride: Any = 1, pad: Any = 0, dilation: Any = 1, groups: Any = 1) -> None: ...

def conv2d(x: Any, W: Any, b: Any = None, stride: Any = 1, pad: Any = 0, dilation: Any = 1,
           groups: Any = 1) -> Variable: ...
def deconv2d(x: Any, W: Any, b: Any = None, stride: Any = 1, pad: Any = 0, outsize: Any = None, dilation: Any = 1,
             groups: Any = 1) -> Variable: ...
def conv1d(x: Any, W: Any, b: Any = None, stride: Any = 1, pad: Any = 0, dilation: Any = 1,
           groups: Any = 1) -> Variable: ...
def conv2d_simple(x: Any, W: Any, b: Any = None, stride: Any = 1, pad: Any = 0, dilation: Any = 1,
                  groups: Any = 1) -> Variable: ...

__all__: list[str]
