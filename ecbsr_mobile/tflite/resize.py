"""Change the image size of a graph by inferring every shape again."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import EcbsrError, UsageError
from . import shape_values
from .four_pixels import with_four_pixels, without_four_pixels
from .graph import Graph, Node, Tensor, image_input, image_shape, input_size, is_channels_first
from .shape_call import Call, CannotInfer, Operand
from .shape_inference import infer

MAX_SIDE = 2**16
PROBE_SIZE = (48, 32)
"""Width and height at which a graph of no fixed size is tried: small, and no square, so that a swap of both shows."""

CALLS = frozenset(("CALL", "CALL_ONCE", "IF", "WHILE", "STABLEHLO_COMPOSITE", "STABLEHLO_WHILE", "STABLEHLO_REDUCE"))
"""Operators that run another subgraph."""


def at_size(graph: Graph, width: int, height: int) -> Graph:
    """The graph for input images of `width` by `height` pixels, with every shape fixed.

    Of several subgraphs, only the first remains. Shapes that the model computes while it runs become constants.

    Raises:
        UsageError: a side is not in 1..65536.
        EcbsrError: there is no shape rule for an operator, the model does not support the size, or it runs another
            subgraph.
    """
    if not (1 <= width <= MAX_SIDE and 1 <= height <= MAX_SIDE):
        raise UsageError(f"a size of {width}x{height} is not possible; use 1 to {MAX_SIDE} pixels each way")
    call = subgraph_call(graph)
    if graph.subgraphs > 1 and call is not None:
        raise EcbsrError(f"the model cannot be given another size: its {call.label} runs another subgraph")
    graph = replace(graph, subgraphs=1)
    plain = without_four_pixels(graph)
    if plain is not None:
        return with_four_pixels(at_size(plain, width, height))
    image = image_input(graph)
    channels = image_shape(graph)[2]
    if channels < 1:
        raise EcbsrError(f"the model's input {image.label} does not state its number of channels")
    sizing = _Sizing(graph, (1, channels, height, width) if is_channels_first(graph) else (1, height, width, channels))
    for number, node in enumerate(graph.nodes):
        try:
            sizing.add(node)
        except CannotInfer as error:
            raise EcbsrError(
                f"the model cannot be given the size {width}x{height}: at node {number}, {node.label}, {error}"
            ) from None
    sized = sizing.graph()
    _check_ratio(graph, sized)
    return sized


def subgraph_call(graph: Graph) -> Node | None:
    """The first node that runs another subgraph, if there is one."""
    return next((node for node in graph.nodes if node.operator in CALLS), None)


def scale_of(graph: Graph) -> int:
    """The upscaling factor: output height / input height, and width likewise.

    Raises:
        EcbsrError: the output is not an image, or not an integer multiple of the input.
    """
    if any(tensor.dynamic for tensor in graph.tensors) or min(input_size(graph)) <= 1:
        graph = at_size(graph, *PROBE_SIZE)
    height, width, channels = image_shape(graph)
    shape = graph.tensors[graph.outputs[0]].shape if graph.outputs else ()
    found = _image_of(shape, is_channels_first(graph, "output")) if len(shape) == 4 else (0, 0, 0)
    scale = found[0] // height if height > 0 else 0
    if scale < 1 or found != (height * scale, width * scale, channels):
        raise EcbsrError(
            f"the model turns {width}x{height} ({channels} channels) into shape {list(shape)}, not an integer multiple"
            '; convert it with padding "same", one factor for both sides, and as many channels in its output'
        )
    return scale


def _image_of(shape: tuple[int, ...], channels_first: bool) -> tuple[int, int, int]:
    """(height, width, channels) of a shape of rank 4."""
    return (shape[2], shape[3], shape[1]) if channels_first else (shape[1], shape[2], shape[3])


def _check_ratio(graph: Graph, sized: Graph) -> None:
    """Refuse a new size at which an output does not have the ratio to the input that it had before.

    Raises:
        EcbsrError: the ratio differs.
    """
    old, new = _ratio(graph, graph), _ratio(sized, graph)
    if min(input_size(graph)) > 1 and old is not None and old != new:
        raise EcbsrError(
            f"the model cannot be given another size: its output would have the shape "
            f"{list(sized.tensors[sized.outputs[0]].shape)} for an input of {list(image_input(sized).shape)}"
        )


def _ratio(graph: Graph, layout: Graph) -> tuple[int, int] | None:
    """Output height / input height, and width likewise, in the layouts of another graph; None if not integers."""
    shapes = [graph.tensors[indices[0]].declared_shape for indices in (graph.inputs, graph.outputs) if indices]
    if [len(shape) for shape in shapes] != [4, 4]:
        return None
    height, width, _ = _image_of(shapes[0], is_channels_first(layout))
    out_height, out_width, _ = _image_of(shapes[1], is_channels_first(layout, "output"))
    if min(height, width, out_height, out_width) < 1 or out_height % height or out_width % width:
        return None
    return out_height // height, out_width // width


class _Sizing:
    """The nodes of a graph with the shapes and constants of a new size, added one by one."""

    def __init__(self, graph: Graph, shape: tuple[int, ...]) -> None:
        self.source = graph
        self.tensors = list(graph.tensors)
        self.nodes: list[Node] = []
        self.shapes: dict[int, tuple[int, ...]] = {graph.inputs[0]: shape}
        self.values: dict[int, np.ndarray] = {}  # of shapes that the model computes
        self.old_values: dict[int, np.ndarray] = {}  # the same at the old size

    def add(self, node: Node) -> None:
        call = self.call(node)
        inferred = infer(call)
        self.shapes.update(zip(node.outputs, inferred.shapes, strict=True))
        before = replace(call, operands=[self._before(i, o) for i, o in zip(node.inputs, call.operands, strict=True)])
        for values, found in ((self.values, call), (self.old_values, before)):
            computed = shape_values.computed(found, inferred.shapes)
            if computed is not None:
                values.update(zip(node.outputs, computed, strict=True))
        known = {position: self.values[i] for position, i in enumerate(node.inputs) if i in self.values}
        inputs = list(node.inputs)
        for position, value in {**known, **inferred.constants}.items():
            old = self.tensors[inputs[position]]
            inputs[position] = len(self.tensors)
            data = value.astype(old.dtype)
            self.tensors.append(replace(old, shape=data.shape, data=data, signature=None))
        self.nodes.append(replace(node, inputs=tuple(inputs)))

    def call(self, node: Node) -> Call:
        operands: list[Operand | None] = []
        for index in node.inputs:
            if index < 0:
                operands.append(None)
                continue
            tensor = self.source.tensors[index]
            fixed = tensor.data is not None or tensor.variable or 0 in tensor.shape
            if not fixed and index not in self.shapes:
                raise CannotInfer(f"its input {tensor.label} is not computed by an earlier node")
            shape, value, old = self.shapes.get(index, tensor.shape), self.values.get(index), self.old_values.get(index)
            follows = value is not None and (old is None or not np.array_equal(value, old))
            known = tensor.data if value is None else value
            operands.append(Operand(shape, _declared(tensor), known, follows))
        outputs = [_declared(self.source.tensors[i]) for i in node.outputs]
        return Call(node.operator, node.options, operands, outputs)

    def _before(self, index: int, operand: Operand | None) -> Operand | None:
        """An input as it is at the old size."""
        if operand is None:
            return None
        value = self.source.tensors[index].data if index not in self.values else self.old_values.get(index)
        return replace(operand, shape=operand.before, value=value)

    def graph(self) -> Graph:
        """The graph at the new size, without the nodes that computed shapes."""
        for index, shape in self.shapes.items():
            self.tensors[index] = replace(self.tensors[index], shape=shape, signature=None)
        used, nodes = set(self.source.outputs), []
        for node in reversed(self.nodes):
            if used.isdisjoint(node.outputs) and all(i in self.values for i in node.outputs):
                continue
            used.update(node.inputs)
            nodes.append(node)
        return replace(self.source, tensors=tuple(self.tensors), nodes=tuple(reversed(nodes)))


def _declared(tensor: Tensor) -> tuple[int, ...]:
    """The declared shape; where the caller chooses nothing but the batch, of a batch of one."""
    first, *rest = tensor.declared_shape or (1,)
    return (1, *rest) if first == -1 and -1 not in rest else tensor.declared_shape
