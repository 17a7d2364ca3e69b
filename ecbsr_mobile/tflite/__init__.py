"""Read, resize, write and run `.tflite` files.

`graph` defines the model in memory, `reader` and `writer` the file format, `image_io` and `value_range` what its input
and output store, `resize` and `shape_inference` the shapes at another size, `receptive_field` what a pixel depends on:
these need only NumPy, flatbuffers and the schema. `interpreter` loads a model with LiteRT; `isolated`, `litert_shapes`
(the shapes that it infers) and `xnnpack_probe` (which nodes XNNPACK runs) do so in a child process.
"""

from .graph import (
    Graph,
    Node,
    Quantization,
    Signature,
    Tensor,
    fused_activation,
    image_input,
    image_shape,
    input_size,
    is_channels_first,
    operators,
    with_metadata,
)
from .reader import read, read_bytes
from .resize import PROBE_SIZE, at_size, scale_of
from .writer import write

__all__ = [
    "PROBE_SIZE",
    "Graph",
    "Node",
    "Quantization",
    "Signature",
    "Tensor",
    "at_size",
    "fused_activation",
    "image_input",
    "image_shape",
    "input_size",
    "is_channels_first",
    "operators",
    "read",
    "read_bytes",
    "scale_of",
    "with_metadata",
    "write",
]
