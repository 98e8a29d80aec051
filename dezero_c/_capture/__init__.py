"""Capture and replay: a function is traced, and from then on its operations run without its Python."""

from dezero_c._calls import CaptureError
from dezero_c._capture.captured import Captured, capture

__all__ = ["CaptureError", "Captured", "capture"]
