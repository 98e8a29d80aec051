from typing import Any

import numpy as np

from ._core import Function, Variable

class Im2col(Function):
    kernel_size: Any
    stride: Any
    pad: Any
    to_matrix: Any
    dilation: Any
    input_shape: Any
    def __init__(self, kernel_size: Any, stride: Any = 1, pad: Any = 0, to_matrix: Any = True,
                 dilation: Any = 1) -> None: ...

class Col2im(Function):
    input_shape: Any
    kernel_size: Any
    stride: Any
    pad: Any
    to_matrix: Any
    dilation: Any
    def __init__(self, input_shape: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0, to_matrix: Any = True,
                 dilation: Any = 1) -> None: ...

def im2col(x: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0, to_matrix: Any = True,
           dilation: Any = 1) -> Variable: ...
def col2im(x: Any, input_shape: Any, kernel_size: Any, stride: Any = 1, pad: Any = 0, to_matrix: Any = True,
           dilation: Any = 1) -> Variable: ...
def im2col_array(img: Any, kernel_size: Any, stride: Any, pad: Any, to_matrix: Any = True,
                 dilation: Any = 1) -> np.ndarray: ...
def col2im_array(col: Any, img_shape: Any, kernel_size: Any, stride: Any, pad: Any, to_matrix: Any = True,
                 dilation: Any = 1) -> np.ndarray: ...
def get_conv_outsize(input_size: Any, kernel_size: Any, stride: Any, pad: Any) -> Any: ...
def get_deconv_outsize(size: Any, k: Any, s: Any, p: Any) -> Any: ...
def pair(x: Any) -> tuple[Any, Any]: ...

__all__: list[str]
