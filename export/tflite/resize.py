"""Giving a graph another image size: every shape in it is inferred anew."""

from __future__ import annotations

from dataclasses import replace

from ecbsr_mobile.errors import EcbsrError, UsageError

from . import shape_inference
from .graph import Graph, Node, image_input

LARGEST_SIDE = 2**16


def at_size(graph: Graph, width: int, height: int) -> Graph:
    """The graph for images of `width` by `height` pixels, every shape in it fixed.

    Raises:
        UsageError: the size is none.
        EcbsrError: an operator whose output shape is not known, or a size that does not fit the model.
    """
    if not (1 <= width <= LARGEST_SIDE and 1 <= height <= LARGEST_SIDE):
        raise UsageError(f"a size of {width}x{height} is not possible; use 1 to {LARGEST_SIDE} pixels each way")
    image = image_input(graph)
    batch, channels = image.declared_shape[0], image.declared_shape[3]
    if channels < 1:
        raise EcbsrError(f"the model's input {image.label} does not say how many channels it takes")
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
    """How many times wider and higher than its input image the model's output is.

    Raises:
        EcbsrError: it is no image, or no whole multiple.
    """
    if any(tensor.dynamic for tensor in graph.tensors):
        graph = at_size(graph, 48, 32)
    _, height, width, _ = image_input(graph).shape
    shape = graph.tensors[graph.outputs[0]].shape if graph.outputs else ()
    scale = shape[1] // height if len(shape) == 4 and height > 0 else 0
    if scale < 1 or shape[1:3] != (height * scale, width * scale):
        raise EcbsrError(f"the model turns {width}x{height} into shape {list(shape)}; a whole multiple is needed")
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
            raise shape_inference.CannotInfer(f"its input {tensor.label} is computed by no earlier node")
        operands.append(shape_inference.Operand(known.get(index, tensor.shape), tensor.declared_shape, tensor.data))
    return shape_inference.Call(
        node.operator, node.options, operands, [graph.tensors[i].declared_shape for i in node.outputs]
    )
