"""Read, resize and write `.tflite` files, with NumPy and flatbuffers only.

`graph` defines the model in memory, `reader` and `writer` the file format, `shape_inference` the rules for shapes.
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
