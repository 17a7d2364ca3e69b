"""Plain network → float TFLite graph without a converter, for networks that onnx2tf gets wrong.

The network has five operators, so the graph is short. It is the one that onnx2tf writes where it is right: the same
nodes in the same order, with the same names, options and values.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile import tflite

from .names import with_our_names
from .onnx_builder import array, dcr_order, residual_kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from ecbsr_mobile.network import PlainNet


def direct_graph(net: PlainNet, size: tuple[int, int]) -> tflite.Graph:
    """Build the float graph of a plain network.

    Args:
        net: the plain network, for values in [0, 1].
        size: (width, height) of the LR input in pixels.

    Returns:
        The float32 graph, NHWC, with input `image` [1, H, W, colors] and output `upscaled`
        [1, scale·H, scale·W, colors], values in [0, 1] (the output is not clipped).
    """
    arch = net.architecture
    width, height = size
    tensors: list[tflite.Tensor] = []
    nodes: list[tflite.Node] = []

    def activation(*shape: int) -> int:
        tensors.append(tflite.Tensor("", (1, *shape), np.dtype(np.float32)))
        return len(tensors) - 1

    def constant(value: NDArray[Any]) -> int:
        value = np.array(value, np.float32, order="C")  # a copy
        tensors.append(tflite.Tensor("", value.shape, value.dtype, value))
        return len(tensors) - 1

    def node(operator: str, inputs: tuple[int, ...], shape: tuple[int, ...], options: Any = None) -> int:
        output = activation(*shape)
        nodes.append(tflite.Node(operator, inputs, (output,), options=options))
        return output

    def conv(source: int, weight: NDArray[np.float32], bias: NDArray[np.float32], relu: bool = False) -> int:
        kernel = constant(weight.transpose(0, 2, 3, 1))
        return node("CONV_2D", (source, kernel, constant(bias)), (height, width, len(bias)), _conv_options(relu))

    image = activation(height, width, arch.colors)
    order = dcr_order(arch.colors, arch.scale)
    if arch.residual:
        residual = conv(image, residual_kernel(arch.colors, arch.scale), np.zeros(len(order), np.float32))
    y, shape = image, (height, width, arch.channels)
    *inner, (weight, bias, _) = net.layers()
    for inner_weight, inner_bias, slope in inner:
        y = conv(y, array(inner_weight), array(inner_bias), relu=slope is None)
        if slope is not None and arch.activation == "leaky":
            y = node("LEAKY_RELU", (y,), shape, schema.LeakyReluOptionsT(alpha=float(array(slope)[0])))
        elif slope is not None:
            y = node("PRELU", (y, constant(array(slope)[None, None])), shape)
    y = conv(y, array(weight)[order], array(bias)[order])
    if arch.residual:
        y = node("ADD", (y, residual), (height, width, len(order)), schema.AddOptionsT())
    larger = (height * arch.scale, width * arch.scale, arch.colors)
    y = node("DEPTH_TO_SPACE", (y,), larger, schema.DepthToSpaceOptionsT(blockSize=arch.scale))
    return with_our_names(tflite.Graph(tuple(tensors), tuple(nodes), inputs=(image,), outputs=(y,)))


def _conv_options(relu: bool) -> schema.Conv2DOptionsT:
    kind = schema.ActivationFunctionType
    activation = kind.RELU if relu else kind.NONE
    return schema.Conv2DOptionsT(schema.Padding.SAME, strideW=1, strideH=1, fusedActivationFunction=activation)
