"""Change the image size of a graph by inferring every shape again."""

from __future__ import annotations

from dataclasses import replace

from ..errors import EcbsrError, UsageError
from . import shape_inference
from .graph import Graph, Node, image_input

MAX_SIDE = 2**16


def at_size(graph: Graph, width: int, height: int) -> Graph:
    """The graph for input images of `width` by `height` pixels, with every shape fixed.

    Raises:
        UsageError: a side is not in 1..65536.
        EcbsrError: there is no shape rule for an operator, or the model does not support the size.
    """
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise UsageError(f"a size of {width}x{height} is not possible; use 1 to {MAX_SIDE} pixels each way")
    image = image_input(graph)
    batch, channels = image.declared_shape[0], image.declared_shape[3]
    if channels < 1:
        raise EcbsrError(f"the model's input {image.label} does not state its number of channels")
    tensors, nodes = list(graph.tensors), []
    known: dict[int, tuple[int, ...]] = {graph.inputs[0]: (max(batch, 1), height, width, channels)}
    for number, node in enumerate(graph.nodes):
        try:
            inferred = shape_inference.infer(_call(graph, node, known))
        except shape_inference.CannotInfer as error:
            raise EcbsrError(
                f"the model cannot be given the size {width}x{height}: at node {number}, {node.label}, {error}"
            ) from None
        known.update(zip(node.outputs, inferred.shapes, strict=True))
        inputs = list(node.inputs)
        for position, value in inferred.constants.items():
            old = tensors[inputs[position]]
            inputs[position] = len(tensors)
            tensors.append(replace(old, shape=value.shape, data=value, signature=None))
        nodes.append(replace(node, inputs=tuple(inputs)))
    for index, shape in known.items():
        tensors[index] = replace(tensors[index], shape=shape, signature=None)
    return replace(graph, tensors=tuple(tensors), nodes=tuple(nodes))


def scale_of(graph: Graph) -> int:
    """The upscaling factor: output height / input height, and width likewise.

    Raises:
        EcbsrError: the output is not an image, or not an integer multiple of the input.
    """
    if any(tensor.dynamic for tensor in graph.tensors):
        graph = at_size(graph, 48, 32)
    _, height, width, _ = image_input(graph).shape
    shape = graph.tensors[graph.outputs[0]].shape if graph.outputs else ()
    scale = shape[1] // height if len(shape) == 4 and height > 0 else 0
    if scale < 1 or shape[1:3] != (height * scale, width * scale):
        raise EcbsrError(f"the model turns {width}x{height} into shape {list(shape)}, not an integer multiple")
    return scale


def _call(graph: Graph, node: Node, known: dict[int, tuple[int, ...]]) -> shape_inference.Call:
    operands: list[shape_inference.Operand | None] = []
    for index in node.inputs:
        if index < 0:
            operands.append(None)
            continue
        tensor = graph.tensors[index]
        fixed = tensor.data is not None or tensor.variable or 0 in tensor.shape
        if not fixed and index not in known:
            raise shape_inference.CannotInfer(f"its input {tensor.label} is not computed by an earlier node")
        operands.append(shape_inference.Operand(known.get(index, tensor.shape), tensor.declared_shape, tensor.data))
    return shape_inference.Call(
        node.operator, node.options, operands, [graph.tensors[i].declared_shape for i in node.outputs]
    )
