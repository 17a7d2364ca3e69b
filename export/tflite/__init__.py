"""Reading, resizing and writing `.tflite` files, with numpy and flatbuffers alone.

The values are defined in `graph`, the format in `reader` and `writer`, the rules for shapes in `shape_inference`.
"""

from .graph import (
    Graph,
    Node,
    Quantization,
    Signature,
    Tensor,
    fused_activation,
    image_input,
    input_size,
    operators,
    with_metadata,
)
from .reader import read
from .resize import at_size, scale_of
from .writer import write

__all__ = [
    "Graph",
    "Node",
    "Quantization",
    "Signature",
    "Tensor",
    "at_size",
    "fused_activation",
    "image_input",
    "input_size",
    "operators",
    "read",
    "scale_of",
    "with_metadata",
    "write",
]
