"""Scale the channels between two convolutions of a float graph; the network computes the same.

An activation function with a slope per channel lets a positive factor through: what the convolution before it divides,
the convolution behind it multiplies.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from ecbsr_mobile.tflite import Graph, Node, Tensor

if TYPE_CHECKING:
    from numpy.typing import NDArray


def convolution_before(graph: Graph, node: Node) -> Node | None:
    """The CONV_2D that computes the input of a node, with nothing but an activation between; None if there is none.

    None, too, where the image is the input, or another node reads a value between them.
    """
    source = node.inputs[0]
    while True:
        writers = [writer for writer in graph.nodes if source in writer.outputs]
        readers = [reader for reader in graph.nodes if source in reader.inputs]
        if len(writers) != 1 or len(readers) != 1 or source in graph.outputs:
            return None
        if writers[0].operator == "CONV_2D":
            return writers[0]
        if writers[0].operator not in ("PRELU", "LEAKY_RELU"):
            return None
        source = writers[0].inputs[0]


def scale_channels(
    tensors: list[Tensor],
    before: Node,
    after: Node,
    outputs: NDArray[np.floating],
    inputs: NDArray[np.floating],
) -> None:
    """Multiply the `outputs` of a CONV_2D, and the weights of another per input channel by `inputs`, in place."""
    weight, bias = before.inputs[1:]
    for index, factors in ((weight, outputs[:, None, None, None]), (bias, outputs), (after.inputs[1], inputs)):
        values = tensors[index].data
        assert values is not None
        tensors[index] = replace(tensors[index], data=(values * factors).astype(np.float32))
