"""Small TFLite graphs for tests, built node by node with `GraphBuilder`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from ecbsr_mobile.tflite import Graph, Node, Quantization, Signature, Tensor

SAME, VALID = 0, 1
ACTIVATIONS = {"NONE": 0, "RELU": 1, "RELU_N1_TO_1": 2, "RELU6": 3}

# The operator versions that the converter writes for int8; for float32, they are 1.
INT8_VERSIONS = {
    "CONV_2D": 3,
    "DEPTHWISE_CONV_2D": 3,
    "ADD": 2,
    "SUB": 2,
    "MUL": 2,
    "CONCATENATION": 2,
    "DEPTH_TO_SPACE": 2,
    "SPACE_TO_DEPTH": 2,
    "RELU": 2,
    "RELU6": 2,
    "MINIMUM": 2,
    "MAXIMUM": 2,
    "DEQUANTIZE": 2,
    "QUANTIZE": 1,
    "LEAKY_RELU": 1,
    "PAD": 2,
    "RESIZE_BILINEAR": 2,
    "RESIZE_NEAREST_NEIGHBOR": 2,
    "TRANSPOSE": 2,
    "SPLIT": 2,
    "AVERAGE_POOL_2D": 2,
    "MAX_POOL_2D": 2,
    "TRANSPOSE_CONV": 2,
    "MEAN": 2,
    "SLICE": 2,
    "STRIDED_SLICE": 2,
    "TANH": 2,
    "LOGISTIC": 2,
}

Q8 = (1 / 255, -128)
"""Scale and zero point of an int8 image."""


class GraphBuilder:
    """Collects tensors and nodes; each method returns the index of the tensor that it adds."""

    def __init__(self, dtype: str = "float32", scale: tuple[float, int] = Q8, seed: int = 0) -> None:
        self.dtype = np.dtype(dtype)
        self.scale = scale  # of activations, unless a call overrides it; ignored for float
        self.tensors: list[Tensor] = []
        self.nodes: list[Node] = []
        self.inputs: list[int] = []
        self.random = np.random.default_rng(seed)

    @property
    def quantized(self) -> bool:
        """Whether activations are integers with a scale."""
        return self.dtype.kind in "iu"

    def tensor(self, shape: Sequence[int], scale: tuple[float, int] | None = None, dtype: str | None = None) -> int:
        """Add an activation."""
        kind = self.dtype if dtype is None else np.dtype(dtype)
        quantization = _quantization(*(scale or self.scale)) if kind.kind in "iu" and kind.itemsize < 4 else None
        return self._add(Tensor(f"t{len(self.tensors)}", tuple(shape), kind, quantization=quantization))

    def input(self, shape: Sequence[int], scale: tuple[float, int] | None = None, dtype: str | None = None) -> int:
        """Add a graph input."""
        self.inputs.append(self.tensor(shape, scale, dtype))
        return self.inputs[-1]

    def constant(self, value: Any, quantization: Quantization | None = None) -> int:
        """Add a constant."""
        array = np.asarray(value, order="C")
        return self._add(Tensor(f"c{len(self.tensors)}", array.shape, array.dtype, array, quantization))

    def node(
        self,
        operator: str,
        inputs: Sequence[int],
        shape: Sequence[int],
        *,
        options: Any = None,
        scale: tuple[float, int] | None = None,
        dtype: str | None = None,
        version: int | None = None,
        **extra: Any,
    ) -> int:
        """Add a node with one output."""
        output = self.tensor(shape, scale, dtype)
        default = INT8_VERSIONS.get(operator, 1) if self.quantized else 1
        self.nodes.append(Node(operator, tuple(inputs), (output,), version or default, options, **extra))
        return output

    def conv(
        self,
        source: int,
        outputs: int,
        kernel: int = 3,
        *,
        activation: str = "NONE",
        scale: tuple[float, int] | None = None,
        depthwise: bool = False,
        padding: int = SAME,
        stride: int = 1,
        dilation: int = 1,
        per_channel: bool = True,
        weight_scale: float = 0.01,
        weight_zero_point: int = 0,
    ) -> int:
        """Add a CONV_2D, or a DEPTHWISE_CONV_2D with one filter per channel."""
        n, h, w, c = self.tensors[source].shape
        outputs = c if depthwise else outputs
        if self.dtype == np.uint8:  # the kernels support one scale for all channels only
            per_channel, weight_zero_point = False, 128
        shape = (1, kernel, kernel, c) if depthwise else (outputs, kernel, kernel, c)
        if self.quantized:
            count = outputs if per_channel else 1
            scales = np.full(count, weight_scale, np.float32)
            points = np.full(count, weight_zero_point, np.int64)
            axis = 3 if depthwise else 0
            stored = self.random.integers(-127, 128, shape).astype(np.int8)
            if self.dtype == np.uint8:
                stored = stored.view(np.uint8)
            weights = self.constant(stored, Quantization(scales, points, axis if per_channel else 0))
            quantization = self.tensors[source].quantization
            assert quantization is not None
            bias = Quantization(scales * quantization.scale, np.zeros(count, np.int64))
            biases = self.constant(np.zeros(outputs, np.int32), bias)
        else:
            weights = self.constant(self.random.normal(0, 0.1, shape).astype(np.float32))
            biases = self.constant(self.random.normal(0, 0.1, outputs).astype(np.float32))
        common = {
            "padding": padding,
            "strideW": stride,
            "strideH": stride,
            "dilationWFactor": dilation,
            "dilationHFactor": dilation,
            "fusedActivationFunction": ACTIVATIONS[activation],
        }
        options = schema.DepthwiseConv2DOptionsT(depthMultiplier=1, **common) if depthwise else None
        reach = (kernel - 1) * dilation if padding == VALID else 0
        size = (-(-(h - reach) // stride), -(-(w - reach) // stride))
        name = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        options = options or schema.Conv2DOptionsT(**common)
        return self.node(name, [source, weights, biases], (n, *size, outputs), options=options, scale=scale)

    def depth_to_space(self, source: int, block: int, scale: tuple[float, int] | None = None) -> int:
        """Add a DEPTH_TO_SPACE, by default with the scale of its input."""
        n, h, w, c = self.tensors[source].shape
        return self.node(
            "DEPTH_TO_SPACE",
            [source],
            (n, h * block, w * block, c // block**2),
            options=schema.DepthToSpaceOptionsT(block),
            scale=scale or self.scale_of(source),
        )

    def prelu(self, source: int, shape: Sequence[int] | None = None, scale: tuple[float, int] | None = None) -> int:
        """Add a PRELU with a constant slope, by default of shape [1, 1, C]."""
        tensor = self.tensors[source]
        slope = self.random.uniform(0.05, 0.3, shape or (1, 1, tensor.shape[-1])).astype(np.float32)
        if self.quantized:
            slope = np.round(slope / 0.01).astype(self.dtype)
        quantization = _quantization(0.01, 0) if self.quantized else None
        return self.node("PRELU", [source, self.constant(slope, quantization)], tensor.shape, scale=scale)

    def add(self, first: int, second: int, activation: str = "NONE", scale: tuple[float, int] | None = None) -> int:
        """Add an ADD, which may broadcast."""
        shape = np.broadcast_shapes(self.tensors[first].shape, self.tensors[second].shape)
        options = schema.AddOptionsT(fusedActivationFunction=ACTIVATIONS[activation], potScaleInt16=False)
        return self.node("ADD", [first, second], shape, options=options, scale=scale)

    def unary(self, operator: str, source: int, options: Any = None, scale: tuple[float, int] | None = None) -> int:
        """Add an operator that keeps the shape."""
        return self.node(operator, [source], self.tensors[source].shape, options=options, scale=scale)

    def scale_of(self, index: int) -> tuple[float, int] | None:
        """Scale and zero point of a per-tensor quantized tensor."""
        quantization = self.tensors[index].quantization
        return None if quantization is None else (float(quantization.scale[0]), int(quantization.zero_point[0]))

    def graph(self, *outputs: int, signature: bool = True, **fields: Any) -> Graph:
        """The finished graph."""
        named = Signature(
            "serving_default",
            {"image" if i == 0 else f"image{i}": index for i, index in enumerate(self.inputs)},
            {"upscaled" if i == 0 else f"upscaled{i}": index for i, index in enumerate(outputs)},
        )
        return Graph(
            tuple(self.tensors),
            tuple(self.nodes),
            tuple(self.inputs),
            tuple(outputs),
            signature=named if signature else None,
            **fields,
        )

    def _add(self, tensor: Tensor) -> int:
        self.tensors.append(tensor)
        return len(self.tensors) - 1


def plain_network(
    dtype: str = "float32",
    *,
    size: tuple[int, int] = (20, 12),
    channels: int = 8,
    blocks: int = 1,
    scale: int = 2,
    colors: int = 1,
    activation: str = "prelu",
) -> Graph:
    """An ECBSR network with random weights: 3×3 convolutions, a residual by 1×1 convolution, a pixel shuffle.

    `size` is (width, height); `activation` is "prelu", "relu" (fused) or "leaky".
    """
    make = GraphBuilder(dtype)
    image = make.input((1, size[1], size[0], colors))
    y = image
    for _ in range(blocks + 1):
        y = make.conv(y, channels, activation="RELU" if activation == "relu" else "NONE", scale=(0.02, 0))
        if activation == "prelu":
            y = make.prelu(y, scale=(0.02, 0))
        if activation == "leaky":
            y = make.unary("LEAKY_RELU", y, schema.LeakyReluOptionsT(0.2), scale=(0.02, 0))
    last = make.conv(y, colors * scale**2, scale=(0.02, 0))
    copies = make.conv(image, colors * scale**2, 1)
    return make.graph(make.depth_to_space(make.add(last, copies), scale))


def _quantization(scale: float, zero_point: int) -> Quantization:
    return Quantization(np.array([scale], np.float32), np.array([zero_point], np.int64))
