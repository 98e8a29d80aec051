from typing import Any

from ._core import Function, Variable
from ._typing import Operand

class LSTMGates(Function):
    """z[k] = x Wx[k] + b[k] + h Wh[k]. Inputs: x (N, I), Wx[0], ..., Wx[3] (I, H), b[0], ... (H,), and h (N, H), Wh[0], ... (H, H)
    or neither of these.
    """

class LSTMCell(Function):
    """sigmoid(f) * c + sigmoid(i) * tanh(u). Inputs: z (4, N, H), c (N, H), float32 or float64, C-contiguous."""

class LSTMOutput(Function):
    """sigmoid(o) * tanh(c). Inputs: z (4, N, H), c (N, H), float32 or float64, C-contiguous."""

def lstm_step(x: Operand, h: Any, c: Any, x2: tuple[Any, ...], h2: tuple[Any, ...], Linear: type[Any]) -> tuple[Variable, Variable] | None:
    """A step of an LSTM: (h, c) from x (N, I) and the last h and c (N, H), or None for both.

    x2: the layers of x for f, i, o and u; h2: those of h. Returns None where they are not Linear layers with weights, with b in
    x2 and without in h2, or where weights, x, h or c are not what kernels take: float32 or float64, all alike, contiguous.
    """
