"""Super-resolution models as other projects write them: layouts, value ranges, and operators with a fixed size.

`doubling` models repeat each pixel, whatever their form, so that a wrong picture is seen at once.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import ArrayLike

from ecbsr_mobile import tflite, zoo
from ecbsr_mobile.tflite import Graph
from tests.helpers.foreign_tflite import packed
from tests.helpers.tflite_models import SAME, GraphBuilder

SIZE = (48, 32)
I32 = np.int32

Scale = tuple[float, int]


def copying(make: GraphBuilder, source: int, copies: int, channel_major: bool = False) -> int:
    """A 3x3 convolution that copies each channel; the copies of a channel lie together if `channel_major`."""
    n, h, w, c = make.tensors[source].shape
    weights = np.zeros((c * copies, 3, 3, c), np.float32)
    for copy in range(copies):
        for channel in range(c):
            weights[channel * copies + copy if channel_major else copy * c + channel, 1, 1, channel] = 1
    options = schema.Conv2DOptionsT(SAME, 1, 1, 0, 1, 1)
    bias = make.constant(np.zeros(c * copies, np.float32))
    return make.node("CONV_2D", [source, make.constant(weights), bias], (n, h, w, c * copies), options=options)


def multiplied(make: GraphBuilder, source: int, factor: ArrayLike) -> int:
    shape = make.tensors[source].shape
    constant = make.constant(np.atleast_1d(np.asarray(factor, np.float32)))
    return make.node("MUL", [source, constant], shape, options=schema.MulOptionsT())


def added(make: GraphBuilder, source: int, offset: ArrayLike) -> int:
    return make.add(source, make.constant(np.atleast_1d(np.asarray(offset, np.float32))))


def reshape(make: GraphBuilder, source: int, shape: Sequence[int], target: Sequence[int] | None = None) -> int:
    return make.node("RESHAPE", [source, make.constant(np.array(target or shape, I32))], shape)


def transpose(make: GraphBuilder, source: int, order: Sequence[int]) -> int:
    shape = [make.tensors[source].shape[axis] for axis in order]
    return make.node("TRANSPOSE", [source, make.constant(np.array(order, I32))], shape)


def _depth_to_space() -> Graph:
    make = GraphBuilder()
    return make.graph(make.depth_to_space(copying(make, make.input((1, 32, 48, 3)), 4), 2))


def _flipped_colors() -> Graph:
    """RGB becomes BGR at the start, and RGB again at the end."""
    make = GraphBuilder()

    def flipped(source: int) -> int:
        constants = [make.constant(np.array(values, I32)) for values in ([0] * 4, [0] * 4, [1, 1, 1, -1])]
        options = schema.StridedSliceOptionsT(beginMask=15, endMask=15)
        return make.node("STRIDED_SLICE", [source, *constants], make.tensors[source].shape, options=options)

    image = flipped(make.input((1, 32, 48, 3)))
    return make.graph(flipped(make.depth_to_space(copying(make, image, 4), 2)))


def _channels_first(colors: int, result_too: bool = True) -> Graph:
    make = GraphBuilder()
    image = transpose(make, make.input((1, colors, 32, 48)), (0, 2, 3, 1))
    result = make.depth_to_space(copying(make, image, 4), 2)
    return make.graph(transpose(make, result, (0, 3, 1, 2)) if result_too else result)


def _shuffle_6d() -> Graph:
    make = GraphBuilder()
    features = copying(make, make.input((1, 32, 48, 3)), 4, channel_major=True)
    split = transpose(make, reshape(make, features, (1, 32, 48, 3, 2, 2)), (0, 1, 4, 2, 5, 3))
    return make.graph(reshape(make, split, (1, 64, 96, 3)))


def _shuffle_4d() -> Graph:
    make = GraphBuilder()
    features = copying(make, make.input((1, 32, 48, 3)), 4)
    split = transpose(make, reshape(make, features, (32, 48, 2, 6)), (0, 2, 1, 3))
    return make.graph(reshape(make, split, (1, 64, 96, 3)))


def _shuffle_minus_one() -> Graph:
    make = GraphBuilder()
    features = copying(make, make.input((1, 32, 48, 3)), 4, channel_major=True)
    six = reshape(make, features, (1, 32, 48, 3, 2, 2), (-1, 32, 48, 3, 2, 2))
    return make.graph(reshape(make, transpose(make, six, (0, 1, 4, 2, 5, 3)), (1, 64, 96, 3), (1, 64, -1, 3)))


def resized(operator: str, half_pixel: bool, aligned: bool = False, size: tuple[int, int] = (64, 96)) -> Graph:
    make = GraphBuilder()
    options: Any = (
        schema.ResizeBilinearOptionsT(aligned, half_pixel)
        if operator == "RESIZE_BILINEAR"
        else schema.ResizeNearestNeighborOptionsT(aligned, half_pixel)
    )
    target = make.constant(np.array(size, I32))
    larger = make.node(operator, [make.input((1, 32, 48, 3)), target], (1, *size, 3), options=options)
    return make.graph(copying(make, larger, 1))


def _transpose_conv(shape: str) -> Graph:
    """Its output shape is a constant, or computed with the size as a constant, or from the size."""
    make = GraphBuilder()
    image = make.input((1, 32, 48, 3))
    weights = np.zeros((3, 2, 2, 3), np.float32)
    for channel in range(3):
        weights[channel, :, :, channel] = 1
    target = make.constant(np.array([1, 64, 96, 3], I32))
    if shape != "constant":
        sizes = make.node("SHAPE", [image], (4,), options=schema.ShapeOptionsT(2), dtype="int32")
        parts = [
            make.node(
                "STRIDED_SLICE",
                [sizes, *(make.constant(np.array([i], I32)) for i in (axis, axis + 1, 1))],
                (),
                options=schema.StridedSliceOptionsT(shrinkAxisMask=1),
                dtype="int32",
            )
            for axis in range(3)
        ]
        two = make.constant(I32(2))
        doubled = [make.node("MUL", [part, two], (), options=schema.MulOptionsT(), dtype="int32") for part in parts[1:]]
        if shape == "batch":
            doubled = [make.constant(I32(64)), make.constant(I32(96))]
        packing = [parts[0], *doubled, make.constant(I32(3))]
        target = make.node("PACK", packing, (4,), options=schema.PackOptionsT(4, 0), dtype="int32")
    options = schema.TransposeConvOptionsT(SAME, 2, 2)
    return make.graph(
        make.node("TRANSPOSE_CONV", [target, make.constant(weights), image], (1, 64, 96, 3), options=options)
    )


def mixed_colors() -> Graph:
    """A doubling model that multiplies the colors of each pixel by a matrix, and by its inverse at the end."""
    make = GraphBuilder()

    def product(source: int) -> int:
        matrix, options = (
            np.float32([[0, 0, 2], [0, 1, 0], [0.5, 0, 0]]),
            schema.FullyConnectedOptionsT(keepNumDims=True),
        )
        operands, shape = [source, make.constant(matrix)], make.tensors[source].shape
        return make.node("FULLY_CONNECTED", operands, shape, options=options, version=2)

    image = product(make.input((1, 32, 48, 3)))
    return make.graph(product(make.depth_to_space(copying(make, image, 4), 2)))


def with_dynamic(graph: Graph, axes: Sequence[int], placeholder: bool = True) -> Graph:
    """The graph with dimensions of every activation of rank 4 that the caller chooses."""
    tensors = []
    for tensor in graph.tensors:
        if tensor.data is None and len(tensor.shape) == 4:
            shape = tuple(1 if i in axes and placeholder else size for i, size in enumerate(tensor.shape))
            signature = tuple(-1 if i in axes else s for i, s in enumerate(shape))
            tensors.append(replace(tensor, shape=shape, signature=signature))
        else:
            tensors.append(tensor)
    return replace(graph, tensors=tuple(tensors))


def _nchw_with_dynamic_size(graph: Graph) -> Graph:
    """An NCHW model whose size the caller chooses."""
    ends = {*graph.inputs, *graph.outputs}
    tensors = [
        tensor
        if tensor.data is not None
        else replace(tensor, shape=(1, 3, 1, 1), signature=(1, 3, -1, -1))
        if index in ends
        else replace(tensor, shape=(1, 1, 1, tensor.shape[3]), signature=(1, -1, -1, tensor.shape[3]))
        for index, tensor in enumerate(graph.tensors)
    ]
    return replace(graph, tensors=tuple(tensors))


def pixel_copies(dtype: str) -> Graph:
    """A model without quantization: CAST to float, doubling, CAST to integers."""
    make = GraphBuilder()
    image = make.input((1, 32, 48, 3), dtype=dtype)
    as_float = make.node("CAST", [image], (1, 32, 48, 3), options=schema.CastOptionsT(), dtype="float32")
    larger = make.depth_to_space(copying(make, as_float, 4), 2)
    result = make.node("CAST", [larger], (1, 64, 96, 3), options=schema.CastOptionsT(), dtype=dtype)
    for index in (image, result):
        make.tensors[index] = replace(make.tensors[index], quantization=None)
    return make.graph(result)


def quantized_resize(dtype: str, scale: Scale) -> Graph:
    """A nearest-neighbor enlargement of an integer image; its size is a constant."""
    make = GraphBuilder(dtype, scale)
    options = schema.ResizeNearestNeighborOptionsT(False, False)
    target = make.constant(np.array([64, 96], I32))
    image = make.input((1, 32, 48, 3))
    return make.graph(make.node("RESIZE_NEAREST_NEIGHBOR", [image, target], (1, 64, 96, 3), options=options))


def mixed_ends(source: str, target: str, scale: Scale) -> Graph:
    """Pixels in one type and out in another; the integers have `scale`."""
    make = GraphBuilder("float32", scale)
    image = make.input((1, 32, 48, 3), dtype=source)
    if source != "float32":
        image = make.node("DEQUANTIZE", [image], (1, 32, 48, 3), dtype="float32", version=2)
    larger = make.depth_to_space(copying(make, image, 4), 2)
    if target != "float32":
        options = schema.QuantizeOptionsT()
        larger = make.node("QUANTIZE", [larger], (1, 64, 96, 3), options=options, dtype=target, scale=scale)
    return make.graph(larger)


def between_ranges(source: str, target: str, dtype: str = "float32", scale: Scale = (1.0, 0)) -> Graph:
    """A doubling model from one range to another, such as "unit" or "signed"; it clips, so that no other range fits.

    Its input and output are integers of `scale` where `dtype` is not float32.
    """
    shapes = ((1, 32, 48, 3), (1, 64, 96, 3))
    mean, deviation = np.array([0.485, 0.456, 0.406]), np.array([0.229, 0.224, 0.225])  # as torchvision states them
    limits: dict[str, tuple[Any, Any]] = {"unit": (0, 1), "bytes": (0, 255), "signed": (-1, 1), "centered": (-0.5, 0.5)}
    limits["imagenet"] = (-mean / deviation, (1 - mean) / deviation)
    make = GraphBuilder("float32", scale)
    image = make.input(shapes[0], dtype=dtype)
    if dtype != "float32":
        image = make.node("DEQUANTIZE", [image], shapes[0], dtype="float32", version=3)
    black, white = limits[source]
    unit = added(make, multiplied(make, image, 1 / (white - black)), -black / (white - black))
    larger = make.depth_to_space(copying(make, unit, 4), 2)
    clipped = make.unary("RELU", make.node("MINIMUM", [larger, make.constant(np.float32([1]))], shapes[1]))
    black, white = limits[target]
    result = added(make, multiplied(make, clipped, white - black), black)
    if dtype != "float32":
        version = 2 if dtype == "int16" else 1
        options = schema.QuantizeOptionsT()
        result = make.node("QUANTIZE", [result], shapes[1], options=options, dtype=dtype, scale=scale, version=version)
    return make.graph(result)


def changing_contrast() -> Graph:
    """A doubling model for values in 0..255 that lessens contrast."""
    make = GraphBuilder()
    image = make.input((1, 32, 48, 3))
    return make.graph(added(make, multiplied(make, make.depth_to_space(copying(make, image, 4), 2), 0.7), 25))


def in_ycbcr(name: str = zoo.DEFAULT) -> Graph:
    """A bundled float model for the first of three channels, Y, Cb and Cr; the others are resized."""
    graph = tflite.read(zoo.tflite(name, "fp32"))
    make = GraphBuilder()
    make.tensors, make.nodes, (image,), (result,) = list(graph.tensors), list(graph.nodes), graph.inputs, graph.outputs
    _, height, width, _ = make.tensors[image].shape
    source = make.input((1, height, width, 3))

    def channels(first: int, count: int) -> int:
        constants = [make.constant(np.array(v, I32)) for v in ([0, 0, 0, first], [0, 0, 0, first + count], [1] * 4)]
        shape, options = (1, height, width, count), schema.StridedSliceOptionsT(beginMask=7, endMask=7)
        return make.node("STRIDED_SLICE", [source, *constants], shape, options=options)

    y, chroma = channels(0, 1), channels(1, 2)
    inner = [replace(node, inputs=tuple(y if i == image else i for i in node.inputs)) for node in graph.nodes]
    make.nodes = [*make.nodes[len(inner) :], *inner]
    shape, options = make.tensors[result].shape[1:3], schema.ResizeBilinearOptionsT(False, True)
    size = make.constant(np.array(shape, I32))
    larger = make.node("RESIZE_BILINEAR", [chroma, size], (1, *shape, 2), options=options, version=3)
    both = make.node("CONCATENATION", [result, larger], (1, *shape, 3), options=schema.ConcatenationOptionsT(3))
    return make.graph(both)


def restoring(values: str) -> Graph:
    """A model of scale 1 for values in a range, "unit", "bytes" or "signed", whose result is near its input there."""
    make = GraphBuilder()
    image = copying(make, make.input((1, 32, 48, 3)), 1)
    if values == "signed":
        return make.graph(make.unary("TANH", multiplied(make, image, 1.2)))
    darkest = np.float32([6 if values == "bytes" else 6 / 255])
    return make.graph(make.node("MAXIMUM", [image, make.constant(darkest)], (1, 32, 48, 3)))


DOUBLING: dict[str, Callable[[], Graph]] = {
    "depth to space": _depth_to_space,
    "NCHW": lambda: _channels_first(3),
    "NCHW luma": lambda: _channels_first(1),
    "NCHW to NHWC": lambda: _channels_first(3, result_too=False),
    "6-D shuffle": _shuffle_6d,
    "4-D shuffle": _shuffle_4d,
    "shuffle with -1": _shuffle_minus_one,
    "nearest": lambda: resized("RESIZE_NEAREST_NEIGHBOR", half_pixel=False),
    "nearest, half pixel": lambda: resized("RESIZE_NEAREST_NEIGHBOR", half_pixel=True),
    "transposed convolution": lambda: _transpose_conv("constant"),
    "computed shape": lambda: _transpose_conv("computed"),
    "dynamic batch": lambda: with_dynamic(_transpose_conv("batch"), [0], placeholder=False),
    "dynamic size": lambda: with_dynamic(_transpose_conv("computed"), [0, 1, 2]),
    "mixed colors": mixed_colors,
    "BGR inside": _flipped_colors,
    "BGR inside, dynamic size": lambda: with_dynamic(_flipped_colors(), [1, 2]),
    "dynamic NCHW": lambda: _nchw_with_dynamic_size(_channels_first(3)),
    "uint8": lambda: quantized_resize("uint8", (1 / 255, 0)),
    "uint8 of scale 1": lambda: quantized_resize("uint8", (1.0, 0)),
    "int8": lambda: quantized_resize("int8", (1 / 255, -128)),
    "int8 of scale 1": lambda: quantized_resize("int8", (1.0, -128)),
    "uint8 in [-1, 1]": lambda: quantized_resize("uint8", (2 / 255, 128)),
    "int16": lambda: quantized_resize("int16", (1 / 32767, 0)),
    "int16 in 0..255": lambda: quantized_resize("int16", (255 / 32767, 0)),
    "uint8 without a scale": lambda: pixel_copies("uint8"),
    "int8 without a scale": lambda: pixel_copies("int8"),
    "int32 without a scale": lambda: pixel_copies("int32"),
    "uint8 to float": lambda: mixed_ends("uint8", "float32", (1.0, 0)),
    "float to int8": lambda: mixed_ends("float32", "int8", (1 / 255, -128)),
}


def dilated(dilation: int = 5) -> Graph:
    make = GraphBuilder()
    features = make.conv(make.input((1, 64, 64, 3)), 3, dilation=dilation)
    return make.graph(make.depth_to_space(make.conv(features, 12), 2))


def strided() -> Graph:
    """A U-Net: half the size and back."""
    make = GraphBuilder()
    features = make.conv(make.input((1, 32, 48, 3)), 8, activation="RELU")
    low = make.conv(make.conv(features, 8, stride=2, activation="RELU"), 32)
    return make.graph(make.depth_to_space(make.conv(make.add(features, make.depth_to_space(low, 2)), 12), 2))


def pooled() -> Graph:
    make = GraphBuilder()
    features = make.conv(make.input((1, 32, 48, 3)), 8)
    low = make.node("MAX_POOL_2D", [features], (1, 16, 24, 8), options=schema.Pool2DOptionsT(SAME, 2, 2, 2, 2, 0))
    target = make.constant(np.array([32, 48], I32))
    options = schema.ResizeBilinearOptionsT(False, True)
    back = make.node("RESIZE_BILINEAR", [make.conv(low, 8), target], (1, 32, 48, 8), options=options)
    return make.graph(make.depth_to_space(make.conv(make.add(features, back), 12), 2))


def space_to_depth() -> Graph:
    make = GraphBuilder()
    blocks = make.node(
        "SPACE_TO_DEPTH", [make.input((1, 32, 48, 3))], (1, 16, 24, 12), options=schema.SpaceToDepthOptionsT(2)
    )
    return make.graph(make.depth_to_space(make.conv(blocks, 48), 4))


def space_to_depth_with_mean() -> Graph:
    """Blocks of 2x2 pixels, scaled by their mean over the image."""
    make = GraphBuilder()
    blocks = make.node(
        "SPACE_TO_DEPTH", [make.input((1, 32, 48, 3))], (1, 16, 24, 12), options=schema.SpaceToDepthOptionsT(2)
    )
    axes = make.constant(np.array([1, 2], I32))
    mean = make.node("MEAN", [blocks, axes], (1, 1, 1, 12), options=schema.ReducerOptionsT(True))
    scaled = make.node("MUL", [blocks, mean], (1, 16, 24, 12), options=schema.MulOptionsT())
    return make.graph(make.depth_to_space(make.conv(scaled, 48), 4))


def unshuffle_6d() -> Graph:
    make = GraphBuilder()
    six = transpose(make, reshape(make, make.input((1, 32, 48, 3)), (1, 16, 2, 24, 2, 3)), (0, 1, 3, 2, 4, 5))
    return make.graph(make.depth_to_space(make.conv(reshape(make, six, (1, 16, 24, 12)), 48), 4))


def globally_pooled(by_mean: bool) -> Graph:
    """The features are scaled by their mean over the image: MEAN, or AVERAGE_POOL_2D with a window of its size."""
    make = GraphBuilder()
    features = make.conv(make.input((1, 32, 48, 3)), 8, activation="RELU")
    if by_mean:
        axes = make.constant(np.array([1, 2], I32))
        mean = make.node("MEAN", [features, axes], (1, 1, 1, 8), options=schema.ReducerOptionsT(True))
    else:
        options = schema.Pool2DOptionsT(1, 48, 32, 48, 32, 0)
        mean = make.node("AVERAGE_POOL_2D", [features], (1, 1, 1, 8), options=options)
    scaled = make.node("MUL", [features, mean], (1, 32, 48, 8), options=schema.MulOptionsT())
    return make.graph(make.depth_to_space(make.conv(scaled, 12), 2))


def bundled_in_0_255(name: str = zoo.DEFAULT) -> Graph:
    """A bundled float model for values in 0..255: its biases are 255 times larger. It records nothing."""
    graph = tflite.read(zoo.tflite(name, "fp32"))
    tensors = list(graph.tensors)
    for node in graph.nodes:
        if node.operator == "CONV_2D":
            bias = tensors[node.inputs[2]]
            assert bias.data is not None
            tensors[node.inputs[2]] = replace(bias, data=bias.data * np.float32(255))
    return replace(graph, tensors=tuple(tensors), metadata={})


def bundled_for(black: float, white: float, name: str = zoo.DEFAULT) -> Graph:
    """A bundled float model between a change from values in [`black`, `white`] and one back. It records nothing."""
    graph = tflite.read(zoo.tflite(name, "fp32"))
    make = GraphBuilder()
    make.tensors, make.nodes, (image,), (result,) = list(graph.tensors), list(graph.nodes), graph.inputs, graph.outputs
    source = make.input(make.tensors[image].shape)
    unit = added(make, multiplied(make, source, 1 / (white - black)), -black / (white - black))
    inner = [replace(node, inputs=tuple(unit if i == image else i for i in node.inputs)) for node in graph.nodes]
    make.nodes = [*make.nodes[len(inner) :], *inner]
    return make.graph(added(make, multiplied(make, result, white - black), black))


STALE: dict[str, Callable[[tuple[int, ...]], tuple[int, ...]]] = {
    "empty": lambda shape: (),
    "placeholder": lambda shape: (*[1] * (len(shape) - 1), shape[-1]),
    "half": lambda shape: tuple(side // 2 if side > 3 else side for side in shape),
}
"""What an editor of the input's shape can leave of the others."""


def with_stale_shapes(graph: Graph, stale: str) -> Graph:
    """The graph with outdated shapes of all activations but the input; see `STALE`."""
    computed = {index for node in graph.nodes for index in node.outputs}
    tensors = (
        replace(tensor, shape=STALE[stale](tensor.shape)) if index in computed else tensor
        for index, tensor in enumerate(graph.tensors)
    )
    return replace(graph, tensors=tuple(tensors))


def crashing() -> Graph:
    """A model with an IF that runs the model itself, without an end."""
    make = GraphBuilder()
    image = make.input((1, 32, 48, 3))
    condition = make.constant(np.array(True))
    again = make.node("IF", [condition, image], (1, 32, 48, 3), options=schema.IfOptionsT(0, 0))
    return make.graph(make.depth_to_space(copying(make, again, 4), 2))


def two_subgraphs(first: Graph, second: Graph) -> bytes:
    """A file with a signature for each of two graphs."""
    models = [schema.ModelT.InitFromObj(schema.Model.GetRootAs(tflite.write(graph), 0)) for graph in (first, second)]
    model, other = models
    for tensor in other.subgraphs[0].tensors:
        tensor.buffer += len(model.buffers)
    for operator in other.subgraphs[0].operators:
        operator.opcodeIndex += len(model.operatorCodes)
    other.signatureDefs[0].subgraphIndex, other.signatureDefs[0].signatureKey = 1, b"second"
    model.buffers += other.buffers
    model.operatorCodes += other.operatorCodes
    model.subgraphs += other.subgraphs
    model.signatureDefs += other.signatureDefs
    model.metadata = []
    return packed(model)


def normalization(mean: Sequence[float], std: Sequence[float], result: tuple[float, float] | None = None) -> bytes:
    """TFLite metadata with NormalizationOptions for the input and, as (mean, std), for the output."""
    builder = flatbuffers.Builder(256)

    def vector(values: Sequence[float]) -> int:
        builder.StartVector(4, len(values), 4)
        for value in reversed(values):
            builder.PrependFloat32(value)
        return builder.EndVector()

    def table(fields: dict[int, int], kind: int | None = None) -> int:
        builder.StartObject(8)
        if kind is not None:
            builder.PrependUint8Slot(0, kind, 0)
        for number, offset in fields.items():
            builder.PrependUOffsetTRelativeSlot(number, offset, 0)
        return builder.EndObject()

    def tables(*offsets: int) -> int:
        builder.StartVector(4, len(offsets), 4)
        for offset in reversed(offsets):
            builder.PrependUOffsetTRelative(offset)
        return builder.EndVector()

    def tensor(means: Sequence[float], stds: Sequence[float]) -> int:
        unit = table({1: table({0: vector(means), 1: vector(stds)})}, kind=1)
        return table({4: tables(unit)})

    ends = {2: tables(tensor(mean, std))}
    if result is not None:
        ends[3] = tables(tensor(*([value] for value in result)))
    builder.Finish(table({3: tables(table(ends))}), file_identifier=b"M001")
    return bytes(builder.Output())
