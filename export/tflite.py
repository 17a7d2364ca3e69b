"""The names of `ecbsr_mobile.tflite` that this package offers."""

from ecbsr_mobile.tflite import Graph, at_size, read, write

__all__ = ["Graph", "at_size", "read", "write"]
